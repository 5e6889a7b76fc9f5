#ifndef SYNC_PARCEL_H
#define SYNC_PARCEL_H

/* Answers in pieces: kept for those who fetch them, and put together by those who do.
 *
 * An answer is pinned: its bytes are made once, at one version, and every chunk is cut
 * from them. The receiver puts chunks together in a buffer that grows only with what came,
 * and hands the bytes out only when the hash of the whole is right. */

#include "sync/message.h"

/* ---- kept for askers ---- */

typedef struct sync_kept {
    uint64_t id;
    crdt_buf bytes;
    crdt_digest hash;
    crdt_digest since_hash; /* crdt_digest_version of what was asked for */
    bool full;
    crdt_digest version_hash; /* of the version it is pinned at */
    uint64_t sequence; /* of the last append it may contain: durable from there */
    uint64_t made_at_ms;
    uint64_t used_at_ms;
} sync_kept;

typedef struct sync_shelf {
    crdt_alloc alloc;
    sync_kept **items;
    size_t count;
    size_t count_max;
    size_t size; /* bytes of all */
    size_t size_max;
    uint64_t last_id;
} sync_shelf;

/* Errors: CRDT_ENOMEM. `first_id`: random, so that ids of two runs differ. */
crdt_err sync_shelf_init(sync_shelf *shelf, crdt_alloc alloc, size_t count_max,
                         size_t size_max, uint64_t first_id);
void sync_shelf_deinit(sync_shelf *shelf);
/* Take over `bytes` (an initialized buffer, empty afterwards). Makes room by forgetting
 * the least recently used ones. NULL: no memory, or larger than the shelf. */
sync_kept *sync_shelf_add(sync_shelf *shelf, crdt_buf *bytes, uint64_t now_ms);
sync_kept *sync_shelf_find(sync_shelf *shelf, uint64_t id);
/* Forget what was not used since `before_ms`. */
void sync_shelf_expire(sync_shelf *shelf, uint64_t before_ms);
/* Chunk `index` of `chunk_size` bytes; empty beyond the end. */
crdt_span sync_kept_chunk(const sync_kept *kept, uint64_t index, size_t chunk_size);

/* ---- put together ---- */

typedef struct sync_staging {
    crdt_alloc alloc;
    bool open;
    uint64_t id;
    uint64_t size;
    uint64_t chunk_size;
    uint64_t chunk_count;
    crdt_digest hash;
    crdt_buf bytes;
    crdt_buf have;       /* one bit a chunk */
    uint64_t have_count; /* chunks */
} sync_staging;

void sync_staging_init(sync_staging *staging, crdt_alloc alloc);
void sync_staging_deinit(sync_staging *staging);
/* Begin with the parcel's description; what was there is forgotten.
 * Errors: CRDT_ELIMIT: larger than `size_max`, or in too many pieces. CRDT_ENOMEM. */
crdt_err sync_staging_begin(sync_staging *staging, const sync_parcel *parcel,
                            size_t size_max);
/* Put one chunk in its place; a repeated one changes nothing. At most eight may be
 * missing before it, so memory grows with what came.
 * Errors: CRDT_ECORRUPT: wrong size or place, or (with the last one) the
 * hash of the whole is wrong: all is forgotten. CRDT_ENOMEM. */
crdt_err sync_staging_put(sync_staging *staging, uint64_t index, crdt_span bytes);
bool sync_staging_complete(const sync_staging *staging);
/* Forget everything; memory is given back. */
void sync_staging_reset(sync_staging *staging);

#endif /* SYNC_PARCEL_H */
