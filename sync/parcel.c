#include "sync/parcel.h"

#include "crdt/mutant.h"

#include <assert.h>
#include <string.h>

#define CHUNK_COUNT_MAX (UINT64_C(1) << 22)
#define AHEAD_MAX 8u /* chunks that may be missing before one that came */

crdt_err sync_shelf_init(sync_shelf *shelf, crdt_alloc alloc, size_t count_max,
                         size_t size_max, uint64_t first_id)
{
    *shelf = (sync_shelf){.alloc = alloc,
                          .count_max = count_max,
                          .size_max = size_max,
                          .last_id = first_id};
    shelf->items = crdt_allocate(alloc, count_max * sizeof(sync_kept *));
    return shelf->items == NULL ? CRDT_ENOMEM : CRDT_OK;
}

static void remove_at(sync_shelf *shelf, size_t index)
{
    sync_kept *kept = shelf->items[index];
    shelf->size -= kept->bytes.size;
    crdt_buf_deinit(&kept->bytes);
    crdt_free(shelf->alloc, kept, sizeof *kept);
    shelf->items[index] = shelf->items[--shelf->count];
}

void sync_shelf_deinit(sync_shelf *shelf)
{
    while (shelf->count > 0) {
        remove_at(shelf, 0);
    }
    crdt_free(shelf->alloc, shelf->items, shelf->count_max * sizeof(sync_kept *));
}

static size_t find_oldest(const sync_shelf *shelf)
{
    size_t oldest = 0;
    for (size_t i = 1; i < shelf->count; i++) {
        if (shelf->items[i]->used_at_ms < shelf->items[oldest]->used_at_ms) {
            oldest = i;
        }
    }
    return oldest;
}

sync_kept *sync_shelf_add(sync_shelf *shelf, crdt_buf *bytes, uint64_t now_ms)
{
    if (bytes->size > shelf->size_max || shelf->items == NULL) {
        return NULL;
    }
    sync_kept *kept = crdt_allocate(shelf->alloc, sizeof *kept);
    if (kept == NULL) {
        return NULL;
    }
    while (shelf->count == shelf->count_max ||
           shelf->size + bytes->size > shelf->size_max) {
        remove_at(shelf, find_oldest(shelf));
    }
    *kept = (sync_kept){.id = ++shelf->last_id,
                        .bytes = *bytes,
                        .hash = crdt_hash128(crdt_buf_span(bytes)),
                        .made_at_ms = now_ms,
                        .used_at_ms = now_ms};
    crdt_buf_init(bytes, shelf->alloc);
    shelf->items[shelf->count++] = kept;
    shelf->size += kept->bytes.size;
    return kept;
}

sync_kept *sync_shelf_find(sync_shelf *shelf, uint64_t id)
{
    for (size_t i = 0; i < shelf->count; i++) {
        if (shelf->items[i]->id == id) {
            return shelf->items[i];
        }
    }
    return NULL;
}

void sync_shelf_expire(sync_shelf *shelf, uint64_t before_ms)
{
    for (size_t i = shelf->count; i > 0; i--) {
        if (shelf->items[i - 1]->used_at_ms < before_ms) {
            remove_at(shelf, i - 1);
        }
    }
}

crdt_span sync_kept_chunk(const sync_kept *kept, uint64_t index, size_t chunk_size)
{
    size_t size = kept->bytes.size;
    if (index > size / chunk_size || index * chunk_size >= size) {
        return (crdt_span){0};
    }
    size_t begin = (size_t)index * chunk_size;
    size_t left = size - begin;
    return (crdt_span){kept->bytes.data + begin, left < chunk_size ? left : chunk_size};
}

/* ---- put together ---- */

void sync_staging_init(sync_staging *staging, crdt_alloc alloc)
{
    *staging = (sync_staging){.alloc = alloc};
    crdt_buf_init(&staging->bytes, alloc);
    crdt_buf_init(&staging->have, alloc);
}

void sync_staging_deinit(sync_staging *staging)
{
    crdt_buf_deinit(&staging->bytes);
    crdt_buf_deinit(&staging->have);
}

void sync_staging_reset(sync_staging *staging)
{
    sync_staging_deinit(staging);
    sync_staging_init(staging, staging->alloc);
}

crdt_err sync_staging_begin(sync_staging *staging, const sync_parcel *parcel,
                            size_t size_max)
{
    sync_staging_reset(staging);
    if (parcel->size > size_max || parcel->chunk_size == 0) {
        return CRDT_ELIMIT;
    }
    uint64_t count = (parcel->size + parcel->chunk_size - 1) / parcel->chunk_size;
    if (count > CHUNK_COUNT_MAX) {
        return CRDT_ELIMIT;
    }
    staging->open = true;
    staging->id = parcel->id;
    staging->size = parcel->size;
    staging->chunk_size = parcel->chunk_size;
    staging->chunk_count = count;
    staging->hash = parcel->hash;
    return CRDT_OK;
}

/* Make `buf` at least `size` bytes long, new ones zero. */
static crdt_err extend(crdt_buf *buf, size_t size)
{
    if (size <= buf->size) {
        return CRDT_OK;
    }
    crdt_err err = crdt_buf_reserve(buf, size - buf->size);
    if (err == CRDT_OK) {
        memset(buf->data + buf->size, 0, size - buf->size);
        buf->size = size;
    }
    return err;
}

crdt_err sync_staging_put(sync_staging *staging, uint64_t index, crdt_span bytes)
{
    if (!staging->open || index >= staging->chunk_count ||
        index > staging->have_count + AHEAD_MAX) {
        return CRDT_ECORRUPT;
    }
    uint64_t begin = index * staging->chunk_size;
    uint64_t left = staging->size - begin;
    if (bytes.size != (left < staging->chunk_size ? left : staging->chunk_size)) {
        return CRDT_ECORRUPT;
    }
    size_t byte = (size_t)(index / 8);
    uint8_t bit = (uint8_t)(1u << (index % 8));
    if (byte < staging->have.size && (staging->have.data[byte] & bit) != 0) {
        return CRDT_OK;
    }
    crdt_err err = extend(&staging->have, byte + 1);
    if (err == CRDT_OK) {
        err = extend(&staging->bytes, (size_t)begin + bytes.size);
    }
    if (err != CRDT_OK) {
        return err;
    }
    memcpy(staging->bytes.data + begin, bytes.data, bytes.size);
    staging->have.data[byte] |= MUTANT(232) ? 0 : bit;
    staging->have_count++;
    if (sync_staging_complete(staging) && !MUTANT(231) &&
        !crdt_digest_equal(crdt_hash128(crdt_buf_span(&staging->bytes)),
                           staging->hash)) {
        sync_staging_reset(staging);
        return CRDT_ECORRUPT;
    }
    return CRDT_OK;
}

bool sync_staging_complete(const sync_staging *staging)
{
    return staging->open && staging->have_count == staging->chunk_count;
}
