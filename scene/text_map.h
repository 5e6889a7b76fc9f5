#ifndef SCENE_TEXT_MAP_H
#define SCENE_TEXT_MAP_H

/* A map from text to a number: ids seen, names taken. Iteration is not offered, so no
 * order of a hash table reaches a result.
 *
 * Keys are borrowed and must outlive the map. Memory: 32 bytes a slot, at most half of
 * the slots are used. */

#include "crdt/buf.h"

typedef struct scene_text_slot {
    crdt_span key;
    uint64_t value;
    bool used;
} scene_text_slot;

typedef struct scene_text_map {
    crdt_alloc alloc;
    scene_text_slot *slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t used_count;
} scene_text_map;

void scene_text_map_init(scene_text_map *map, crdt_alloc alloc);
void scene_text_map_deinit(scene_text_map *map);

/* The value of `key`, NULL if it is not there; valid until the next put. O(1). */
uint64_t *scene_text_map_find(const scene_text_map *map, crdt_span key);
/* Put `key` with `value` unless it is there; *slot (may be NULL) is its value, *fresh
 * (may be NULL) whether it is new. Errors: CRDT_ENOMEM; map as before. */
crdt_err scene_text_map_put(scene_text_map *map, crdt_span key, uint64_t value,
                            uint64_t **slot, bool *fresh);

#endif /* SCENE_TEXT_MAP_H */
