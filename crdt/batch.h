#ifndef CRDT_BATCH_H
#define CRDT_BATCH_H

/* Batches <-> bytes (docs/FORMAT.md, "Batch"). One file of bytes for the wire, the store
 * and golden tests.
 *
 * `deps` grows with the number of actors, so it is coded either absolutely or against the
 * author's previous batch: a crdt_deps table remembers, per author, the dependencies and
 * last time of the last batch that was applied here. A sender codes against its own
 * previous batch; a receiver that does not know that very one gets CRDT_EGAP, holds the
 * bytes back and asks for catch-up (whose answer carries the table's rows of active
 * authors). Absolute coding needs no table. */

#include "crdt/op.h"

#define CRDT_BATCH_OPS_MAX (16u << 20)

/* author -> (last time, deps + own ops) of its last batch known here. Bounded: the least
 * recently used author goes first. */
typedef struct crdt_deps crdt_deps;

crdt_err crdt_deps_open(crdt_deps **out, crdt_alloc alloc, size_t author_max);
void crdt_deps_close(crdt_deps *deps);
/* Remember `batch` as its author's last. Errors: CRDT_ENOMEM; table as before. */
crdt_err crdt_deps_note(crdt_deps *deps, const crdt_batch *batch);
/* The last batch time noted of `actor`, and the version after it (borrowed until the next
 * note); 0 and an empty version if there is none. */
uint64_t crdt_deps_find(const crdt_deps *deps, const crdt_actor *actor,
                        const crdt_version **version_after);
/* Set one row as an answer carries it. Errors: CRDT_ENOMEM. */
crdt_err crdt_deps_put(crdt_deps *deps, const crdt_actor *actor, uint64_t last_time,
                       const crdt_version *version_after);
/* Iterate rows, most recently used first; `*index` starts at 0. False at the end. */
bool crdt_deps_next(const crdt_deps *deps, size_t *index, crdt_actor *actor,
                    uint64_t *last_time, const crdt_version **version_after);

/* Append the encoding of `batch` to `out`. `base` NULL, or without a row for the author:
 * absolute deps. Errors: CRDT_ENOMEM; `out` as before. */
crdt_err crdt_batch_encode(const crdt_batch *batch, const crdt_deps *base, crdt_buf *out);

/* Decode foreign bytes. The batch borrows from `bytes` and `arena`. Checks everything:
 * structure, limits, canonical values, UTF-8 of who, times <= CRDT_TIME_MAX.
 * Errors: CRDT_ECORRUPT, CRDT_ELIMIT, CRDT_EVERSION, CRDT_ENOMEM;
 * CRDT_EGAP: deps are coded against a batch that `base` does not hold; then only
 * batch->actor is filled. */
crdt_err crdt_batch_decode(crdt_span bytes, const crdt_deps *base, crdt_arena *arena,
                           crdt_batch *batch, crdt_diag *diag);

#endif /* CRDT_BATCH_H */
