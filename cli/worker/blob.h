#ifndef CLI_WORKER_BLOB_H
#define CLI_WORKER_BLOB_H

/* Immutable bytes held by reference: the values that many renderers are shown. A value
 * that is a canonical one (crdt/value.h) keeps its JSON text too, once somebody asked.
 *
 * Threads: one thread (no atomic count). */

#include "crdt/buf.h"

typedef struct worker_blob {
    crdt_alloc alloc;
    uint32_t refs;
    size_t size;
    uint8_t *json; /* NULL: nobody asked yet */
    size_t json_size;
    uint8_t bytes[];
} worker_blob;

/* A copy of `bytes`, held once. NULL: no memory. */
worker_blob *worker_blob_make(crdt_alloc alloc, crdt_span bytes);
/* One more holder; returns it. Accept NULL. */
worker_blob *worker_blob_hold(worker_blob *blob);
void worker_blob_drop(worker_blob *blob);

/* The bytes; empty for NULL. */
crdt_span worker_blob_span(const worker_blob *blob);
/* The same bytes? NULL equals NULL only. */
bool worker_blob_equal(const worker_blob *a, const worker_blob *b);
/* The value as JSON text, borrowed from the blob; data NULL: no memory. */
crdt_span worker_blob_json(worker_blob *blob);

#endif /* CLI_WORKER_BLOB_H */
