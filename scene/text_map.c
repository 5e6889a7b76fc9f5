#include "scene/text_map.h"

#include "crdt/digest.h"

void scene_text_map_init(scene_text_map *map, crdt_alloc alloc)
{
    *map = (scene_text_map){.alloc = alloc};
}

void scene_text_map_deinit(scene_text_map *map)
{
    crdt_free(map->alloc, map->slots, map->slot_count * sizeof(scene_text_slot));
    scene_text_map_init(map, map->alloc);
}

/* The slot of `key`, or the free one where it belongs. */
static scene_text_slot *locate(scene_text_slot *slots, size_t slot_count, crdt_span key)
{
    size_t index = (size_t)crdt_hash64(key, 0) & (slot_count - 1);
    while (slots[index].used && !crdt_span_equal(slots[index].key, key)) {
        index = (index + 1) & (slot_count - 1);
    }
    return &slots[index];
}

uint64_t *scene_text_map_find(const scene_text_map *map, crdt_span key)
{
    if (map->slot_count == 0) {
        return NULL;
    }
    scene_text_slot *slot = locate(map->slots, map->slot_count, key);
    return slot->used ? &slot->value : NULL;
}

static crdt_err grow(scene_text_map *map)
{
    size_t slot_count = map->slot_count == 0 ? 16 : map->slot_count * 2;
    scene_text_slot *slots =
        crdt_resize_array(map->alloc, NULL, 0, slot_count, sizeof(scene_text_slot));
    if (slots == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < slot_count; i++) {
        slots[i] = (scene_text_slot){.used = false};
    }
    for (size_t i = 0; i < map->slot_count; i++) {
        if (map->slots[i].used) {
            *locate(slots, slot_count, map->slots[i].key) = map->slots[i];
        }
    }
    crdt_free(map->alloc, map->slots, map->slot_count * sizeof(scene_text_slot));
    map->slots = slots;
    map->slot_count = slot_count;
    return CRDT_OK;
}

crdt_err scene_text_map_put(scene_text_map *map, crdt_span key, uint64_t value,
                            uint64_t **slot, bool *fresh)
{
    if ((map->used_count + 1) * 2 > map->slot_count) {
        crdt_err err = grow(map);
        if (err != CRDT_OK) {
            return err;
        }
    }
    scene_text_slot *found = locate(map->slots, map->slot_count, key);
    if (fresh != NULL) {
        *fresh = !found->used;
    }
    if (!found->used) {
        *found = (scene_text_slot){.key = key, .value = value, .used = true};
        map->used_count++;
    }
    if (slot != NULL) {
        *slot = &found->value;
    }
    return CRDT_OK;
}
