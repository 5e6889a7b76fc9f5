#include "crdt/dot_sort.h"

#include <string.h>

#define DIGIT_BITS 11u
#define DIGIT_VALUES (1u << DIGIT_BITS)
#define FEW 64u /* for which counting digits would be most of the work */

static size_t digit_at(crdt_dot dot, unsigned shift)
{
    return (size_t)(dot >> shift) & (DIGIT_VALUES - 1);
}

static void sort_few(crdt_dot_place *places, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const crdt_dot_place place = places[i];
        size_t at = i;
        for (; at > 0 && places[at - 1].dot > place.dot; at--) {
            places[at] = places[at - 1];
        }
        places[at] = place;
    }
}

/* One pass of a radix sort. */
static void sort_by_digit(const crdt_dot_place *from, crdt_dot_place *to, size_t count,
                          unsigned shift, uint32_t *counts)
{
    uint32_t begin = 0;
    for (size_t value = 0; value < DIGIT_VALUES; value++) {
        uint32_t of_value = counts[value];
        counts[value] = begin;
        begin += of_value;
    }
    for (size_t i = 0; i < count; i++) {
        to[counts[digit_at(from[i].dot, shift)]++] = from[i];
    }
}

static void count_digits(const crdt_dot_place *places, size_t count, unsigned shift,
                         uint32_t *counts)
{
    memset(counts, 0, DIGIT_VALUES * sizeof *counts);
    for (size_t i = 0; i < count; i++) {
        counts[digit_at(places[i].dot, shift)]++;
    }
}

/* Bits that all have in common, most of the eight bytes, cost nothing. */
static void sort_many(crdt_dot_place *places, size_t count, crdt_dot_place *scratch,
                      uint32_t counts[DIGIT_VALUES])
{
    crdt_dot differing = 0;
    for (size_t i = 1; i < count; i++) {
        differing |= places[i].dot ^ places[0].dot;
    }
    crdt_dot_place *from = places;
    crdt_dot_place *to = scratch;
    for (unsigned shift = 0; shift < 64 && differing >> shift != 0;) {
        if ((differing >> shift & 1) == 0) {
            shift++;
            continue;
        }
        count_digits(from, count, shift, counts);
        sort_by_digit(from, to, count, shift, counts);
        crdt_dot_place *sorted = to;
        to = from;
        from = sorted;
        shift += DIGIT_BITS;
    }
    if (from != places) {
        memcpy(places, from, count * sizeof *places);
    }
}

crdt_err crdt_dot_sort(crdt_dot_place *places, size_t count, crdt_alloc alloc)
{
    if (count <= FEW) {
        sort_few(places, count);
        return CRDT_OK;
    }
    crdt_dot_place *scratch = crdt_resize_array(alloc, NULL, 0, count, sizeof *scratch);
    uint32_t *counts = crdt_allocate(alloc, DIGIT_VALUES * sizeof *counts);
    crdt_err err = scratch == NULL || counts == NULL ? CRDT_ENOMEM : CRDT_OK;
    if (err == CRDT_OK) {
        sort_many(places, count, scratch, counts);
    }
    crdt_free(alloc, counts, DIGIT_VALUES * sizeof *counts);
    crdt_free(alloc, scratch, count * sizeof *scratch);
    return err;
}
