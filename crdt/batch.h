#ifndef CRDT_BATCH_H
#define CRDT_BATCH_H

/* Batches <-> bytes (docs/FORMAT.md, "Batch"). One file of bytes for the wire, the store
 * and golden tests.
 *
 * `deps` grows with the number of actors, so it is coded either absolutely or against the
 * author's previous batch, as a crdt_deps table remembers it. A sender codes against its
 * own previous batch; a receiver that does not know that very one gets CRDT_EGAP, holds
 * the bytes back and asks for catch-up (whose answer carries the table's rows of active
 * authors). Absolute coding needs no table. */

#include "crdt/deps.h"
#include "crdt/op.h"

#define CRDT_BATCH_OPS_MAX (16u << 20)

/* Append the encoding of `batch` to `out`. `base` NULL, or without a row for the author:
 * absolute deps. Errors: CRDT_ENOMEM; `out` as before. */
crdt_err crdt_batch_encode(const crdt_batch *batch, const crdt_deps *base,
                           crdt_buf *out);

/* Decode foreign bytes. The batch borrows from `bytes` and `arena`. Checks everything:
 * structure, limits, canonical values, UTF-8 of who, times <= CRDT_TIME_MAX.
 * Errors: CRDT_ECORRUPT, CRDT_ELIMIT, CRDT_EVERSION, CRDT_ENOMEM;
 * CRDT_EGAP: deps are coded against a batch that `base` does not hold;
 * CRDT_EDUPLICATE: against one that is older than the author's last one known here, so
 * the batch was applied already. After these two, only batch->actor is filled. */
crdt_err crdt_batch_decode(crdt_span bytes, const crdt_deps *base, crdt_arena *arena,
                           crdt_batch *batch, crdt_diag *diag);

/* Whose batch it is, and the time of the author's batch that its deps are coded against
 * (0: absolute), without knowing that one. Errors: CRDT_ECORRUPT, CRDT_EVERSION. */
crdt_err crdt_batch_peek(crdt_span bytes, crdt_actor *author, uint64_t *base_time);

#endif /* CRDT_BATCH_H */
