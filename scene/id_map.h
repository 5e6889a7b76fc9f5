#ifndef SCENE_ID_MAP_H
#define SCENE_ID_MAP_H

/* From an id to the number of the record that has it.
 *
 * The map keeps hashes and numbers; the ids themselves stay in the records, and are
 * asked for when hashes are equal. Open addressing, linear probing, no tombstones.
 * Iteration is not offered: no result may depend on the order of a hash table.
 *
 * Memory: from `alloc`, 16 bytes a slot, at most 3/4 full. */

#include "crdt/buf.h"

#define SCENE_ID_NONE UINT32_MAX

typedef struct scene_id_slot {
    uint64_t hash;
    uint32_t number; /* SCENE_ID_NONE: empty */
} scene_id_slot;

typedef struct scene_id_map {
    crdt_alloc alloc;
    /* The id of record `number`; `ctx` as given to each call. */
    crdt_span (*id_of)(const void *ctx, uint32_t number);
    scene_id_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
} scene_id_map;

/* A copy of an id, owned. It has a byte more, so that the empty id too has memory of its
 * own. Errors: CRDT_ENOMEM. */
crdt_err scene_id_copy(crdt_alloc alloc, crdt_span id, crdt_span *copy);
/* Give such a copy back; it is {NULL, 0} then. */
void scene_id_free(crdt_alloc alloc, crdt_span *copy);

void scene_id_map_init(scene_id_map *map, crdt_alloc alloc,
                       crdt_span (*id_of)(const void *ctx, uint32_t number));
void scene_id_map_deinit(scene_id_map *map);
/* Forget all, keep the memory. */
void scene_id_map_clear(scene_id_map *map);

/* SCENE_ID_NONE if there is none. */
uint32_t scene_id_map_find(const scene_id_map *map, const void *ctx, crdt_span id);
/* Room for one more: the next insert cannot fail. Errors: CRDT_ENOMEM. */
crdt_err scene_id_map_reserve(scene_id_map *map);
/* The id must not be there, room must be. */
void scene_id_map_insert(scene_id_map *map, crdt_span id, uint32_t number);
/* The id must be there, its record still readable. */
void scene_id_map_remove(scene_id_map *map, const void *ctx, crdt_span id);

#endif /* SCENE_ID_MAP_H */
