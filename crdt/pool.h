#ifndef CRDT_POOL_H
#define CRDT_POOL_H

/* Records of one size, named by small numbers.
 *
 * Records live in chunks that never move, so a pointer to a record is valid until the
 * record is given back. Ids start at 1; 0 is none. Ids of returned records are used again,
 * last returned first: what an id names depends on the calls alone, never on addresses.
 *
 * Memory: chunks from `alloc`; all but the first are freed when no record is left. */

#include "crdt/alloc.h"
#include "crdt/err.h"

#include <stdint.h>

#define CRDT_POOL_CHUNK_BITS 7
#define CRDT_POOL_CHUNK_SIZE (1u << CRDT_POOL_CHUNK_BITS) /* records */

typedef struct crdt_pool {
    crdt_alloc alloc;
    size_t record_size; /* at least 8 */
    uint8_t **chunks;
    size_t chunk_count;
    size_t chunk_capacity;
    uint32_t used;       /* ids 1 .. used have been handed out at some time */
    uint32_t free_first; /* returned records, linked by their first four bytes */
    uint32_t free_count;
    uint32_t promised; /* takes that were reserved and not made yet */
} crdt_pool;

void crdt_pool_init(crdt_pool *pool, crdt_alloc alloc, size_t record_size);
void crdt_pool_deinit(crdt_pool *pool);

/* Make sure that the next `count` takes cannot fail. Errors: CRDT_ENOMEM; CRDT_ELIMIT: more than
 * 2^30 records. */
crdt_err crdt_pool_reserve(crdt_pool *pool, size_t count);
/* A record, all bytes zero. It must have been reserved, so that a call that counts its needs
 * wrong shows itself at once, and not only where the pool happens to be full. */
uint32_t crdt_pool_take(crdt_pool *pool);
void crdt_pool_give(crdt_pool *pool, uint32_t id);
/* Records taken and not given back. */
uint32_t crdt_pool_count(const crdt_pool *pool);

static inline void *crdt_pool_at(const crdt_pool *pool, uint32_t id)
{
    uint32_t index = id - 1;
    return pool->chunks[index >> CRDT_POOL_CHUNK_BITS] +
           (size_t)(index & (CRDT_POOL_CHUNK_SIZE - 1)) * pool->record_size;
}

#endif /* CRDT_POOL_H */
