#ifndef CRDT_ZSTD_H
#define CRDT_ZSTD_H

/* Bytes <-> one zstd frame (the only file that meets libzstd is zstd.c).
 *
 * What a frame expands to is bounded before anything is allocated for it: its size travels
 * beside it and is at most CRDT_ZSTD_RATIO_MAX times the frame's, so a reader's memory
 * stays a fixed multiple of the bytes that it was sent. A frame that shrinks further is
 * followed by padding, a frame to be skipped, up to that.
 *
 * Memory: libzstd's own tables (some 100 KB to read, about 1 MB to write) come from the
 * allocator given and are freed before return.
 * Source: RFC 8878, "Zstandard Compression and the 'application/zstd' Media Type". */

#include "crdt/buf.h"

#define CRDT_ZSTD_RATIO_MAX 32u

/* Append to `out` the frame of `bytes`, which may not lie in it. `*done` is false, and
 * `out` as before, where that would not be smaller by an eighth. O(bytes), some 3 ns a byte.
 * Errors: CRDT_ENOMEM; `out` as before. */
crdt_err crdt_zstd_pack(crdt_span bytes, crdt_buf *out, bool *done);

/* May `frame`, foreign bytes, hold `size` bytes, and does it say so itself? To be asked
 * before room is made for them. */
bool crdt_zstd_allows(crdt_span frame, uint64_t size);

/* Expand exactly `size` bytes from a frame, foreign bytes, to `out`, which has that room.
 * Errors: CRDT_ECORRUPT: no frame, or not one of exactly these many bytes; CRDT_ENOMEM. */
crdt_err crdt_zstd_unpack(crdt_span frame, crdt_alloc alloc, uint8_t *out, size_t size);

#endif /* CRDT_ZSTD_H */
