#ifndef CRDT_SLAB_H
#define CRDT_SLAB_H

/* Many small byte blocks: names and values.
 *
 * Blocks up to CRDT_SLAB_SIZE_MAX bytes come from chunks of one size class each, and a
 * returned block is the next one given out of its class, so overwriting a value by one of
 * the same class allocates nothing. Larger blocks come from the allocator itself.
 *
 * Memory: chunks are freed when the last small block is returned. */

#include "crdt/alloc.h"

#include <stdbool.h>
#include <stdint.h>

#define CRDT_SLAB_SIZE_MAX 1024u
#define CRDT_SLAB_CLASSES 18

typedef struct crdt_slab_chunk crdt_slab_chunk;

typedef struct crdt_slab {
    crdt_alloc alloc;
    crdt_slab_chunk *chunks;
    size_t chunk_count;
    uint64_t block_count; /* small blocks given out */
    uint64_t bytes;       /* of all blocks given out, as asked for */
    struct {
        void *free_first;
        uint8_t *fresh; /* the rest of the class's newest chunk */
        size_t fresh_size;
    } classes[CRDT_SLAB_CLASSES];
} crdt_slab;

void crdt_slab_init(crdt_slab *slab, crdt_alloc alloc);
void crdt_slab_deinit(crdt_slab *slab); /* large blocks must have been returned */

/* `size` >= 1 bytes, not initialized, aligned to 8; NULL: no memory. */
void *crdt_slab_alloc(crdt_slab *slab, size_t size);
/* Accepts NULL. `size` as asked for. */
void crdt_slab_free(crdt_slab *slab, void *block, size_t size);

/* Would a block asked for with `size` bytes hold `wanted` bytes and no other block do better?
 * crdt_slab_resized says that it holds them from now on. */
bool crdt_slab_fits(size_t size, size_t wanted);
static inline void crdt_slab_resized(crdt_slab *slab, size_t size, size_t wanted)
{
    slab->bytes += wanted - size;
}

#endif /* CRDT_SLAB_H */
