#ifndef CRDT_ALLOC_H
#define CRDT_ALLOC_H

/* Memory comes in as an argument: one function allocates, resizes and frees.
 *
 * Every object that owns memory keeps the crdt_alloc it was opened with. A test hands in
 * one that counts or fails (tests/support/fault_alloc.h). */

#include <stddef.h>

/* ptr NULL: allocate new_size. new_size 0: free, returns NULL. Else resize; NULL leaves
 * the old block as it was. Sizes given back are the ones asked for. Alignment as malloc. */
typedef void *(*crdt_alloc_fn)(void *ctx, void *ptr, size_t old_size, size_t new_size);

typedef struct crdt_alloc {
    crdt_alloc_fn fn;
    void *ctx;
} crdt_alloc;

/* The C library's allocator. */
crdt_alloc crdt_alloc_default(void);

/* Shorthands; `crdt_free` accepts NULL. crdt_resize_array fails (NULL) on overflow. */
void *crdt_allocate(crdt_alloc alloc, size_t size);
void crdt_free(crdt_alloc alloc, void *ptr, size_t size);
void *crdt_resize_array(crdt_alloc alloc, void *ptr, size_t old_count, size_t new_count,
                        size_t element_size);

/* A scratch arena: allocate much, free at once. For what lives as long as one call or
 * one step. Blocks are kept over a reset, so a warm arena does not allocate.
 *
 * Invariant: `head` is the newest block, others are reached by its `next`. */
typedef struct crdt_arena_block crdt_arena_block;
typedef struct crdt_arena {
    crdt_alloc alloc;
    crdt_arena_block *head;
    size_t size_max; /* 0: unlimited; else the sum of all live bytes it will give */
    size_t size;     /* bytes given since the last reset */
} crdt_arena;

void crdt_arena_init(crdt_arena *arena, crdt_alloc alloc);
void crdt_arena_deinit(crdt_arena *arena);

/* `size` bytes, aligned as malloc, valid until the next reset. NULL: no memory, or over
 * size_max. A size of 0 gives a valid pointer. */
void *crdt_arena_alloc(crdt_arena *arena, size_t size);
void crdt_arena_reset(crdt_arena *arena);

#endif /* CRDT_ALLOC_H */
