#include "crdt/dot_sort.h"

#include <string.h>

#define DIGIT_BITS 11u
#define DIGIT_COUNT ((64u + DIGIT_BITS - 1) / DIGIT_BITS)
#define DIGIT_VALUES (1u << DIGIT_BITS)
#define FEW 64u /* for which counting digits would be most of the work */

static size_t digit_of(crdt_dot dot, size_t digit)
{
    return (size_t)(dot >> (digit * DIGIT_BITS)) & (DIGIT_VALUES - 1);
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
                          size_t digit, uint32_t *counts)
{
    memset(counts, 0, DIGIT_VALUES * sizeof *counts);
    for (size_t i = 0; i < count; i++) {
        counts[digit_of(from[i].dot, digit)]++;
    }
    uint32_t begin = 0;
    for (size_t value = 0; value < DIGIT_VALUES; value++) {
        uint32_t of_value = counts[value];
        counts[value] = begin;
        begin += of_value;
    }
    for (size_t i = 0; i < count; i++) {
        to[counts[digit_of(from[i].dot, digit)]++] = from[i];
    }
}

/* Digits that all have in common, most of the eight bytes, cost nothing. */
static void sort_many(crdt_dot_place *places, size_t count, crdt_dot_place *scratch,
                      uint32_t *counts)
{
    crdt_dot differing = 0;
    for (size_t i = 1; i < count; i++) {
        differing |= places[i].dot ^ places[0].dot;
    }
    crdt_dot_place *from = places;
    crdt_dot_place *to = scratch;
    for (size_t digit = 0; digit < DIGIT_COUNT; digit++) {
        if (digit_of(differing, digit) != 0) {
            sort_by_digit(from, to, count, digit, counts);
            crdt_dot_place *sorted = to;
            to = from;
            from = sorted;
        }
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
