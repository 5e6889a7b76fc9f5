#ifndef TESTS_FUZZ_MUTATE_H
#define TESTS_FUZZ_MUTATE_H

/* Changes inputs so that much of what they say stays good: bits and bytes, numbers, runs
 * moved, doubled and dropped, words of a dictionary, parts of other inputs, and whole items:
 * of text what brackets and quotes hold together, of bytes one msgpack value.
 *
 * The same seed gives the same bytes on every machine. */

#include "crdt/buf.h"

typedef struct mutate_words {
    crdt_span *words; /* owned, each its own block */
    size_t count;
} mutate_words;

/* Read a dictionary as libFuzzer and AFL++ do: lines of "..." with \\ \" \xNN, a name and =
 * before it perhaps, # comments. False: it cannot be read, or a line is none; said on
 * stderr. */
bool mutate_words_open(mutate_words *words, const char *path);
void mutate_words_close(mutate_words *words);

typedef struct mutate_source {
    const crdt_span *inputs; /* of the corpus; at least one */
    size_t input_count;
    size_t
        good_count; /* the first so many are good: every other one made comes of them */
    const mutate_words *words;
    size_t size_max; /* bytes of what is made */
} mutate_source;

/* Replace `out` by input number `number` of the storm with `seed`. Out of memory aborts:
 * this is test code. */
void mutate_make(const mutate_source *source, uint64_t seed, uint64_t number,
                 crdt_buf *out);

#endif /* TESTS_FUZZ_MUTATE_H */
