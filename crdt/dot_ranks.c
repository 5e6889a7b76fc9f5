#include "crdt/dot_ranks.h"

#include <string.h>

static size_t word_count(const crdt_dot_ranks *ranks)
{
    return ranks->begins[ranks->actor_count];
}

crdt_err crdt_dot_ranks_open(crdt_dot_ranks *ranks, crdt_alloc alloc,
                             const crdt_actors *actors, size_t size_max)
{
    const size_t actor_count = actors->version.stamp_count;
    *ranks = (crdt_dot_ranks){.alloc = alloc, .actor_count = actor_count};
    size_t left = size_max / sizeof *ranks->words;
    for (size_t i = 0; i < actor_count; i++) {
        if (actors->times[i] / 32 >= left) {
            return CRDT_ELIMIT;
        }
        left -= (size_t)(actors->times[i] / 32) + 1;
    }
    ranks->begins =
        crdt_resize_array(alloc, NULL, 0, actor_count + 1, sizeof *ranks->begins);
    if (ranks->begins == NULL) {
        return CRDT_ENOMEM;
    }
    ranks->begins[0] = 0;
    for (size_t i = 0; i < actor_count; i++) {
        ranks->begins[i + 1] = ranks->begins[i] + (size_t)(actors->times[i] / 32) + 1;
    }
    const size_t size = word_count(ranks) * sizeof *ranks->words;
    ranks->words = size == 0 ? NULL : crdt_allocate(alloc, size);
    if (ranks->words == NULL && size > 0) {
        crdt_dot_ranks_close(ranks);
        return CRDT_ENOMEM;
    }
    if (size > 0) {
        memset(ranks->words, 0, size);
    }
    return CRDT_OK;
}

void crdt_dot_ranks_close(crdt_dot_ranks *ranks)
{
    if (ranks->begins != NULL) {
        crdt_free(ranks->alloc, ranks->words, word_count(ranks) * sizeof *ranks->words);
        crdt_free(ranks->alloc, ranks->begins,
                  (ranks->actor_count + 1) * sizeof *ranks->begins);
    }
    *ranks = (crdt_dot_ranks){.alloc = ranks->alloc};
}

void crdt_dot_ranks_count(crdt_dot_ranks *ranks)
{
    for (size_t actor = 0; actor < ranks->actor_count; actor++) {
        uint32_t before = 0;
        for (size_t i = ranks->begins[actor]; i < ranks->begins[actor + 1]; i++) {
            ranks->words[i].before = before;
            before += crdt_dot_ranks_ones(ranks->words[i].bits);
        }
    }
}

size_t crdt_dot_ranks_total(const crdt_dot_ranks *ranks, uint16_t actor)
{
    const crdt_dot_word *last = &ranks->words[ranks->begins[actor] - 1];
    return (size_t)last->before + crdt_dot_ranks_ones(last->bits);
}

bool crdt_dot_ranks_apart(const crdt_dot_ranks *a, const crdt_dot_ranks *b)
{
    uint32_t common = 0;
    for (size_t i = 0; i < word_count(a); i++) {
        common |= a->words[i].bits & b->words[i].bits;
    }
    return common == 0;
}
