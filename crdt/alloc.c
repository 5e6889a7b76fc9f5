#include "crdt/alloc.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#define ARENA_BLOCK_SIZE_MIN ((size_t)4096)

static void *default_fn(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    (void)ctx;
    (void)old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

crdt_alloc crdt_alloc_default(void)
{
    return (crdt_alloc){.fn = default_fn, .ctx = NULL};
}

void *crdt_allocate(crdt_alloc alloc, size_t size)
{
    return alloc.fn(alloc.ctx, NULL, 0, size);
}

void crdt_free(crdt_alloc alloc, void *ptr, size_t size)
{
    if (ptr != NULL) {
        alloc.fn(alloc.ctx, ptr, size, 0);
    }
}

void *crdt_resize_array(crdt_alloc alloc, void *ptr, size_t old_count, size_t new_count,
                        size_t element_size)
{
    if (new_count > SIZE_MAX / element_size) {
        return NULL;
    }
    return alloc.fn(alloc.ctx, ptr, old_count * element_size, new_count * element_size);
}

/* Blocks form a list, newest and largest first. After a reset only the newest is kept:
 * it is at least as large as all before it, so a warm arena has one block. */
struct crdt_arena_block {
    crdt_arena_block *next;
    size_t capacity;
    size_t used;
    alignas(max_align_t) unsigned char bytes[];
};

void crdt_arena_init(crdt_arena *arena, crdt_alloc alloc)
{
    *arena = (crdt_arena){.alloc = alloc};
}

static void free_blocks(crdt_arena *arena, crdt_arena_block *block)
{
    while (block != NULL) {
        crdt_arena_block *next = block->next;
        crdt_free(arena->alloc, block, sizeof *block + block->capacity);
        block = next;
    }
}

void crdt_arena_deinit(crdt_arena *arena)
{
    free_blocks(arena, arena->head);
    arena->head = NULL;
    arena->size = 0;
}

static crdt_arena_block *add_block(crdt_arena *arena, size_t size)
{
    size_t capacity = ARENA_BLOCK_SIZE_MIN;
    if (arena->head != NULL) {
        capacity = arena->head->capacity * 2;
    }
    while (capacity < size) {
        capacity *= 2;
    }
    crdt_arena_block *block = crdt_allocate(arena->alloc, sizeof *block + capacity);
    if (block == NULL) {
        return NULL;
    }
    block->next = arena->head;
    block->capacity = capacity;
    block->used = 0;
    arena->head = block;
    return block;
}

void *crdt_arena_alloc(crdt_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX / 4) {
        return NULL;
    }
    size = (size + align - 1) / align * align;
    if (arena->size_max != 0 && size > arena->size_max - arena->size) {
        return NULL;
    }
    crdt_arena_block *block = arena->head;
    if (block == NULL || block->capacity - block->used < size) {
        block = add_block(arena, size);
        if (block == NULL) {
            return NULL;
        }
    }
    void *ptr = block->bytes + block->used;
    block->used += size;
    arena->size += size;
    return ptr;
}

void crdt_arena_reset(crdt_arena *arena)
{
    if (arena->head != NULL) {
        free_blocks(arena, arena->head->next);
        arena->head->next = NULL;
        arena->head->used = 0;
    }
    arena->size = 0;
}
