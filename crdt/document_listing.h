#ifndef CRDT_DOCUMENT_LISTING_H
#define CRDT_DOCUMENT_LISTING_H

/* Lists in the trails of their actors what was put into an empty document in the order of
 * keys: by ascending time, as trails want them.
 *
 * Of each entry only its slot is kept, which has its dot; in the order of time they are put by
 * rank (dot_ranks.h), straight into the trails. Where that would take too much memory, or an
 * actor has written for several persons, they are sorted.
 *
 * Memory: some bytes an entry at most, from the document's allocator. */

#include "crdt/document_state.h"
#include "crdt/dot_ranks.h"

/* An entry for another person than the first one of its actor. */
typedef struct crdt_listing_exception {
    uint32_t slot;
    uint32_t who;
} crdt_listing_exception;

typedef struct crdt_listing {
    crdt_document *doc;
    size_t entry_count;
    crdt_dot_ranks ranks[2]; /* of dots and of values */
    bool is_ranked;
    bool is_twice;     /* two dots, or two values, have one stamp */
    uint32_t *persons; /* by actor number - 1: for whom it wrote first */
    size_t person_count;
    crdt_listing_exception *exceptions; /* in the order of slots */
    size_t exception_count;
    size_t exception_capacity;
} crdt_listing;

/* When the document knows its version and nothing else. `size_max`: what ranks may take.
 * To be closed in any case. Errors: CRDT_ENOMEM. */
crdt_err crdt_listing_open(crdt_listing *listing, crdt_document *doc, size_t size_max);
/* An entry was placed in a slot, made after those of the entries before. `who`: a name, or 0.
 * Errors: CRDT_ENOMEM. */
crdt_err crdt_listing_add(crdt_listing *listing, uint32_t slot, crdt_dot dot,
                          uint32_t who);
/* After the last one: list them all. Errors: CRDT_ECORRUPT: one stamp twice; CRDT_ENOMEM,
 * CRDT_ELIMIT. The document is then to be cleared. */
crdt_err crdt_listing_finish(crdt_listing *listing, crdt_diag *diag);
void crdt_listing_close(crdt_listing *listing);

#endif /* CRDT_DOCUMENT_LISTING_H */
