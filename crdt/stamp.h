#ifndef CRDT_STAMP_H
#define CRDT_STAMP_H

/* Who wrote, and when in the Lamport order.
 *
 * A stamp is the identity of one operation (its dot), its place in the total order, and
 * what version vectors count: one number does all three.
 * Source: Lamport, "Time, Clocks, and the Ordering of Events" (1978). */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* One writer incarnation: 16 random bytes, made anew whenever a store is not provably the
 * one that went on writing. Two writers never share one. */
typedef struct crdt_actor {
    uint8_t bytes[16];
} crdt_actor;

/* time in 1 .. CRDT_TIME_MAX; 0 is "no stamp". */
typedef struct crdt_stamp {
    uint64_t time;
    crdt_actor actor;
} crdt_stamp;

#define CRDT_TIME_MAX ((UINT64_C(1) << 48) - 1)

/* Eight of its bytes as a number, the first one highest. */
static inline uint64_t crdt_actor_half(const crdt_actor *actor, size_t first)
{
    uint64_t word;
    memcpy(&word, actor->bytes + first, sizeof word);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(word) : word;
}

/* memcmp order of the 16 bytes: negative, 0, positive. */
static inline int crdt_actor_compare(const crdt_actor *a, const crdt_actor *b)
{
    uint64_t x = crdt_actor_half(a, 0);
    uint64_t y = crdt_actor_half(b, 0);
    if (x == y) {
        x = crdt_actor_half(a, 8);
        y = crdt_actor_half(b, 8);
    }
    return (x > y) - (x < y);
}

static inline bool crdt_actor_equal(const crdt_actor *a, const crdt_actor *b)
{
    uint64_t words[4];
    memcpy(words, a, sizeof *a);
    memcpy(words + 2, b, sizeof *b);
    return ((words[0] ^ words[2]) | (words[1] ^ words[3])) == 0;
}
/* The total order of operations: time, then actor bytes. */
int crdt_stamp_compare(const crdt_stamp *a, const crdt_stamp *b);

/* Text forms, for people and JSON: actor = 32 lower-case hex digits; stamp = time in
 * decimal, '@', actor. Terminated. */
#define CRDT_ACTOR_TEXT_SIZE 33
#define CRDT_STAMP_TEXT_SIZE 54
void crdt_actor_format(const crdt_actor *actor, char text[CRDT_ACTOR_TEXT_SIZE]);
void crdt_stamp_format(const crdt_stamp *stamp, char text[CRDT_STAMP_TEXT_SIZE]);
/* False, and the output untouched, where the text is no such form. */
bool crdt_actor_parse(const char *text, crdt_actor *actor);
bool crdt_stamp_parse(const char *text, crdt_stamp *stamp);

#endif /* CRDT_STAMP_H */
