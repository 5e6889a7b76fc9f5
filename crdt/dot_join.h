#ifndef CRDT_DOT_JOIN_H
#define CRDT_DOT_JOIN_H

/* The join of two causal dot stores, each under a context of its own: what or_set and
 * lww_map have in common.
 *
 *   (m, c) joined with (m', c'):  m and m' together, m without c', m' without c
 *
 * Keep what both hold, and what one holds and the other has never known. An entry that one
 * holds and the other knows but does not hold was removed there. */

#include "crdt/dot_store.h"

/* An entry of the other store that is new here. */
typedef struct crdt_dot_arrival {
    crdt_dot dot;    /* actors numbered as here */
    uint32_t key;    /* slot of its key here */
    uint32_t source; /* slot of the entry in the other store */
} crdt_dot_arrival;

/* List the entries of `other` that `had` does not cover, by actor and ascending time, and
 * make their keys and room for them here. All keys have owner 0. The actors of `other` must
 * have numbers here. `*arrivals` (NULL if none) is the caller's: free it by
 * crdt_dot_join_free. Errors: CRDT_ENOMEM, CRDT_ELIMIT; `store` as before. */
crdt_err crdt_dot_join_plan(crdt_dot_store *store, crdt_group *group,
                            const crdt_dot_store *other, const crdt_version *had,
                            crdt_dot_arrival **arrivals, size_t *arrival_count);
void crdt_dot_join_free(crdt_dot_store *store, crdt_dot_arrival *arrivals,
                        size_t arrival_count);

/* Does `other` know this entry without holding it? */
bool crdt_dot_join_is_removed(const crdt_dot_store *store, uint32_t entry,
                              const crdt_dot_store *other, crdt_group other_group);
/* Forget all keys without an entry. */
void crdt_dot_join_sweep(crdt_dot_store *store, crdt_group *group);

#endif /* CRDT_DOT_JOIN_H */
