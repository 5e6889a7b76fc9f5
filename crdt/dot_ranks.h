#ifndef CRDT_DOT_RANKS_H
#define CRDT_DOT_RANKS_H

/* The order of dots without sorting them: a bit for each time of each actor.
 *
 *   bits    .1..11..   ........   1.1.....     words of 32 times, drawn with 8
 *   before  0          3          3            bits in the actor's words before
 *
 * The rank of a dot is how many of its actor's dots are older. That is two numbers of one
 * word, while sorting takes each dot in its hand several times; and it takes memory by the
 * times there are, not by dots: little for a document that has not written over each value
 * twenty times, too much for an old one, whose dots are then to be sorted (dot_sort.h).
 *
 * Memory: 8 bytes for 32 times of an actor, from the allocator it was opened with. */

#include "crdt/actors.h"
#include "crdt/alloc.h"
#include "crdt/err.h"

#include <assert.h>

typedef struct crdt_dot_word {
    uint32_t bits;
    uint32_t before;
} crdt_dot_word;

typedef struct crdt_dot_ranks {
    crdt_alloc alloc;
    crdt_dot_word *words;
    size_t *begins; /* by actor number - 1: its first word; and where all end */
    size_t actor_count;
} crdt_dot_ranks;

/* For dots that the version of `actors` covers. Errors: CRDT_ELIMIT: it would take more than
 * `size_max` bytes; CRDT_ENOMEM. `ranks` is then empty, and may be closed. */
crdt_err crdt_dot_ranks_open(crdt_dot_ranks *ranks, crdt_alloc alloc,
                             const crdt_actors *actors, size_t size_max);
void crdt_dot_ranks_close(crdt_dot_ranks *ranks);

/* The word of a dot, which must be covered. */
static inline crdt_dot_word *crdt_dot_ranks_word(const crdt_dot_ranks *ranks,
                                                 crdt_dot dot)
{
    const size_t actor = (size_t)crdt_dot_actor(dot) - 1;
    const size_t word = ranks->begins[actor] + (size_t)(crdt_dot_time(dot) / 32);
    assert(word < ranks->begins[actor + 1]);
    return &ranks->words[word];
}

/* Add a dot. False: it was there. */
static inline bool crdt_dot_ranks_add(crdt_dot_ranks *ranks, crdt_dot dot)
{
    crdt_dot_word *word = crdt_dot_ranks_word(ranks, dot);
    const uint32_t bit = UINT32_C(1) << crdt_dot_time(dot) % 32;
    const bool is_new = (word->bits & bit) == 0;
    word->bits |= bit;
    return is_new;
}

/* How many bits are set: first in pairs, then in fours, in eights, all. Without a call, which
 * the compiler's own is on processors that it must not take for new ones. */
static inline uint32_t crdt_dot_ranks_ones(uint32_t bits)
{
    bits -= bits >> 1 & 0x55555555u;
    bits = (bits & 0x33333333u) + (bits >> 2 & 0x33333333u);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0fu;
    return bits * 0x01010101u >> 24;
}

/* After the last dot was added. O(words). */
void crdt_dot_ranks_count(crdt_dot_ranks *ranks);

/* How many dots of an actor, by its number. */
size_t crdt_dot_ranks_total(const crdt_dot_ranks *ranks, uint16_t actor);

/* The rank of a dot that was added, from 0. */
static inline size_t crdt_dot_ranks_of(const crdt_dot_ranks *ranks, crdt_dot dot)
{
    const crdt_dot_word *word = crdt_dot_ranks_word(ranks, dot);
    const uint32_t older = (UINT32_C(1) << crdt_dot_time(dot) % 32) - 1;
    return (size_t)word->before + crdt_dot_ranks_ones(word->bits & older);
}

/* Have two that were opened for the same actors no dot in common? O(words). */
bool crdt_dot_ranks_apart(const crdt_dot_ranks *a, const crdt_dot_ranks *b);

#endif /* CRDT_DOT_RANKS_H */
