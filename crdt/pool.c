#include "crdt/pool.h"

#include <assert.h>
#include <string.h>

#define RECORDS_MAX ((1u << 29) - 2) /* ids fit 29 bits, and are not all ones */

void crdt_pool_init(crdt_pool *pool, crdt_alloc alloc, size_t record_size)
{
    assert(record_size >= 8);
    *pool = (crdt_pool){.alloc = alloc, .record_size = record_size};
}

static void free_chunks_from(crdt_pool *pool, size_t first)
{
    for (size_t i = first; i < pool->chunk_count; i++) {
        crdt_free(pool->alloc, pool->chunks[i],
                  CRDT_POOL_CHUNK_SIZE * pool->record_size);
    }
    pool->chunk_count = pool->chunk_count < first ? pool->chunk_count : first;
}

void crdt_pool_deinit(crdt_pool *pool)
{
    free_chunks_from(pool, 0);
    crdt_free(pool->alloc, pool->chunks, pool->chunk_capacity * sizeof *pool->chunks);
    crdt_pool_init(pool, pool->alloc, pool->record_size);
}

static crdt_err add_chunk(crdt_pool *pool)
{
    if (pool->chunk_count == pool->chunk_capacity) {
        size_t capacity = pool->chunk_capacity == 0 ? 8 : pool->chunk_capacity * 2;
        uint8_t **chunks = crdt_resize_array(
            pool->alloc, pool->chunks, pool->chunk_capacity, capacity, sizeof *chunks);
        if (chunks == NULL) {
            return CRDT_ENOMEM;
        }
        pool->chunks = chunks;
        pool->chunk_capacity = capacity;
    }
    uint8_t *chunk =
        crdt_allocate(pool->alloc, CRDT_POOL_CHUNK_SIZE * pool->record_size);
    if (chunk == NULL) {
        return CRDT_ENOMEM;
    }
    pool->chunks[pool->chunk_count++] = chunk;
    return CRDT_OK;
}

crdt_err crdt_pool_reserve(crdt_pool *pool, size_t count)
{
    if (count > pool->free_count) {
        if (count > RECORDS_MAX - pool->used) {
            return CRDT_ELIMIT;
        }
        size_t needed = pool->used + (count - pool->free_count);
        while (pool->chunk_count * CRDT_POOL_CHUNK_SIZE < needed) {
            crdt_err err = add_chunk(pool);
            if (err != CRDT_OK) {
                return err;
            }
        }
    }
    pool->promised = (uint32_t)count;
    return CRDT_OK;
}

uint32_t crdt_pool_take(crdt_pool *pool)
{
    assert(pool->promised > 0);
    pool->promised--;
    uint32_t id = pool->free_first;
    if (id != 0) {
        memcpy(&pool->free_first, crdt_pool_at(pool, id), sizeof pool->free_first);
        pool->free_count--;
    } else {
        assert(pool->used < pool->chunk_count * CRDT_POOL_CHUNK_SIZE);
        id = ++pool->used;
    }
    memset(crdt_pool_at(pool, id), 0, pool->record_size);
    return id;
}

void crdt_pool_give(crdt_pool *pool, uint32_t id)
{
    assert(id >= 1 && id <= pool->used);
    uint8_t *record = crdt_pool_at(pool, id);
    memset(record, 0xff, pool->record_size); /* a use after this shows itself */
    memcpy(record, &pool->free_first, sizeof pool->free_first);
    pool->free_first = id;
    pool->free_count++;
    if (pool->free_count == pool->used) {
        pool->used = 0;
        pool->free_first = 0;
        pool->free_count = 0;
        free_chunks_from(pool, 1);
    }
}

uint32_t crdt_pool_count(const crdt_pool *pool)
{
    return pool->used - pool->free_count;
}
