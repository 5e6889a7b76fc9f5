#ifndef CRDT_TEMPLATE_H
#define CRDT_TEMPLATE_H

/* The template: the first batch of a scene, the same for everybody who imports it.
 *
 * Its author is nobody: a pseudo-actor that is the hash of the encoded operations, so two
 * who load the same scene hold the same state, not twins. Times are 1 .. n in key order,
 * deps are empty, no person, no wall time: any real edit comes after it.
 * docs/FORMAT.md, "Template". */

#include "crdt/batch.h"

/* Put `ops` into key order (what is below a key after the key; operations on one key stay
 * in their order) and make the batch of them. Same operations, in whatever order of keys,
 * same batch. O(n log n), O(n) where they are in order. The batch borrows names and values
 * from `ops`, and where they are in order the array too; the rest from `arena`.
 *
 * No operations: the empty template. `batch` has its actor and op_count 0: it is no batch
 * to apply, only a name.
 *
 * Errors: CRDT_EINVAL: a value is not canonical. CRDT_ELIMIT: a name, a value, or the
 * number of operations is over its limit. CRDT_ENOMEM. */
crdt_err crdt_template_make(const crdt_op *ops, size_t op_count, crdt_arena *arena,
                            crdt_batch *batch, crdt_diag *diag);

/* Is `batch` a template: no deps, and its actor the hash of its operations? Tells a
 * forged one. O(its bytes). Errors: CRDT_ECORRUPT: it is not. CRDT_ENOMEM. */
crdt_err crdt_template_check(const crdt_batch *batch, crdt_alloc alloc);

/* The actor of the empty template. */
crdt_actor crdt_template_actor_empty(void);
/* The actor of the operations with these bytes (crdt_ops_encode). */
crdt_actor crdt_template_actor(crdt_span ops);

#endif /* CRDT_TEMPLATE_H */
