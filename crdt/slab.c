#include "crdt/slab.h"

#include <assert.h>
#include <string.h>

/* The first chunks are small, for small documents. */
#define CHUNK_SIZE ((size_t)32768)
#define CHUNK_SIZE_SMALL ((size_t)4096)
#define SMALL_CHUNKS 16u

struct crdt_slab_chunk {
    crdt_slab_chunk *next;
    size_t size; /* in all; blocks are aligned to 16 */
    uint8_t bytes[];
};

static const uint16_t class_sizes[CRDT_SLAB_CLASSES] = {
    16,  24,  32,  40,  48,  64,  80,  96,  128,
    160, 192, 256, 320, 384, 512, 640, 768, CRDT_SLAB_SIZE_MAX};

/* The smallest class that holds a size in units of 8 bytes: [(size + 7) / 8]. */
static const uint8_t class_of_units[CRDT_SLAB_SIZE_MAX / 8 + 1] = {
    0,  0,  0,  1,  2,  3,  4,  5,  5,  6,  6,  7,  7,  8,  8,  8,  8,  9,  9,
    9,  9,  10, 10, 10, 10, 11, 11, 11, 11, 11, 11, 11, 11, 12, 12, 12, 12, 12,
    12, 12, 12, 13, 13, 13, 13, 13, 13, 13, 13, 14, 14, 14, 14, 14, 14, 14, 14,
    14, 14, 14, 14, 14, 14, 14, 14, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    16, 16, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17,
    17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17, 17};

void crdt_slab_init(crdt_slab *slab, crdt_alloc alloc)
{
    *slab = (crdt_slab){.alloc = alloc};
}

static void free_chunks(crdt_slab *slab)
{
    crdt_slab_chunk *chunk = slab->chunks;
    while (chunk != NULL) {
        crdt_slab_chunk *next = chunk->next;
        crdt_free(slab->alloc, chunk, chunk->size);
        chunk = next;
    }
}

void crdt_slab_deinit(crdt_slab *slab)
{
    free_chunks(slab);
    crdt_slab_init(slab, slab->alloc);
}

static uint8_t *add_chunk(crdt_slab *slab, unsigned class)
{
    size_t size = slab->chunk_count < SMALL_CHUNKS ? CHUNK_SIZE_SMALL : CHUNK_SIZE;
    crdt_slab_chunk *chunk = crdt_allocate(slab->alloc, size);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->next = slab->chunks;
    chunk->size = size;
    slab->chunks = chunk;
    slab->chunk_count++;
    slab->classes[class].fresh = chunk->bytes;
    slab->classes[class].fresh_size = size - sizeof *chunk;
    return chunk->bytes;
}

void *crdt_slab_alloc(crdt_slab *slab, size_t size)
{
    assert(size > 0);
    if (size > CRDT_SLAB_SIZE_MAX) {
        void *block = crdt_allocate(slab->alloc, size);
        slab->bytes += block == NULL ? 0 : size;
        return block;
    }
    unsigned class = class_of_units[(size + 7) / 8];
    size_t block_size = class_sizes[class];
    void *block = slab->classes[class].free_first;
    if (block != NULL) {
        memcpy(&slab->classes[class].free_first, block, sizeof(void *));
    } else {
        if (slab->classes[class].fresh_size < block_size &&
            add_chunk(slab, class) == NULL) {
            return NULL;
        }
        block = slab->classes[class].fresh;
        slab->classes[class].fresh += block_size;
        slab->classes[class].fresh_size -= block_size;
    }
    slab->block_count++;
    slab->bytes += size;
    return block;
}

void crdt_slab_free(crdt_slab *slab, void *block, size_t size)
{
    if (block == NULL) {
        return;
    }
    slab->bytes -= size;
    if (size > CRDT_SLAB_SIZE_MAX) {
        crdt_free(slab->alloc, block, size);
        return;
    }
    unsigned class = class_of_units[(size + 7) / 8];
    memcpy(block, &slab->classes[class].free_first, sizeof(void *));
    slab->classes[class].free_first = block;
    slab->block_count--;
    if (slab->block_count == 0) {
        free_chunks(slab);
        crdt_slab_init(slab, slab->alloc);
    }
}

bool crdt_slab_fits(size_t size, size_t wanted)
{
    return size == wanted ||
           (size <= CRDT_SLAB_SIZE_MAX && wanted <= CRDT_SLAB_SIZE_MAX &&
            class_of_units[(size + 7) / 8] == class_of_units[(wanted + 7) / 8]);
}
