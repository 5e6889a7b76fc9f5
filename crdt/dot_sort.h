#ifndef CRDT_DOT_SORT_H
#define CRDT_DOT_SORT_H

/* Dots in ascending order: those of one actor go by time then, as trails want them. */

#include "crdt/actors.h"
#include "crdt/err.h"

/* A dot, and where what it belongs to lies; two numbers of the caller's. */
typedef struct crdt_dot_place {
    crdt_dot dot;
    uint32_t index;
    uint32_t tag;
} crdt_dot_place;

/* O(count); stable. Memory for as many again while it runs. Errors: CRDT_ENOMEM; `places`
 * as before. */
crdt_err crdt_dot_sort(crdt_dot_place *places, size_t count, crdt_alloc alloc);

#endif /* CRDT_DOT_SORT_H */
