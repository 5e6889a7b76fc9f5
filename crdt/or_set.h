#ifndef CRDT_OR_SET_H
#define CRDT_OR_SET_H

/* An observed-remove set without tombstones: an add wins over a concurrent remove.
 *
 * An element holds dots: the stamps of adds that nobody who removed it had seen. It is in
 * the set iff it has a dot.
 *
 *   add(e, seen)       drop seen dots of e; hold a new one
 *   remove(e, seen)    drop seen dots of e
 *   merge              per dot: keep what both hold, what one holds and the other has never
 *                      known. Never "both sides know it, so keep it".
 *
 * Nothing is kept of what was removed: that the version covers a dot that is not there
 * says it. Elements are names under an owner (a document's objects for its parts; 0 for
 * objects, and for a set by itself).
 *
 * Memory: slots of 24 bytes a dot, 4 to 8 in the trail of its actor, and about 17 an
 * element of a large set. Names and actors are the context's. Failed calls leave the set as it was. Threads: no locking.
 * Source: Bieniusa et al., "An Optimized Conflict-free Replicated Set" (2012). */

#include "crdt/dot_store.h"

typedef struct crdt_or_set {
    crdt_dot_store store;
    crdt_group root; /* elements of owner 0 */
} crdt_or_set;

/* `context` outlives the set, and so do `slots`, which may be shared with a map; NULL: slots
 * of its own. The set must not move. */
void crdt_or_set_init(crdt_or_set *set, crdt_context *context, crdt_slots *slots);
void crdt_or_set_deinit(crdt_or_set *set);

/* ---- a set by itself: elements of owner 0 ---- */

/* Add as `actor`, who has seen all that is here; always a new dot, whose stamp goes to
 * `stamp` (may be NULL). Errors: CRDT_ENOMEM, CRDT_ELIMIT. */
crdt_err crdt_or_set_add(crdt_or_set *set, crdt_span element, const crdt_actor *actor,
                         crdt_stamp *stamp);
/* Drop the dots that are here of the element. False: there were none. */
bool crdt_or_set_remove(crdt_or_set *set, crdt_span element);
bool crdt_or_set_has(const crdt_or_set *set, crdt_span element);
/* Dot `index`, highest stamp first; false where there is none. */
bool crdt_or_set_dot(const crdt_or_set *set, crdt_span element, size_t index,
                     crdt_stamp *stamp);
/* Walk the elements in byte order: *cursor starts at 0. False at the end. */
bool crdt_or_set_next(crdt_or_set *set, uint32_t *cursor, crdt_span *element);
/* Join another replica of this set. `had` is what this replica knew before the contexts
 * were merged: copy the version, crdt_context_merge, then merge every container. O(both).
 * Errors: CRDT_ENOMEM, CRDT_ELIMIT. */
crdt_err crdt_or_set_merge(crdt_or_set *set, const crdt_or_set *other,
                           const crdt_version *had);

/* ---- for owners that keep groups under elements: by slots ---- */

/* The head of the group of whatever is owned by an element. It belongs to the element, not
 * to a dot: it stays when dots go. */
static inline crdt_group *crdt_or_set_group(crdt_slot *slot)
{
    return &slot->payload[0];
}

#endif /* CRDT_OR_SET_H */
