#include "scene/name_set.h"

#include "scene/array.h"

#include <string.h>

static crdt_span name_of(const void *ctx, uint32_t number)
{
    const scene_name_set *set = ctx;
    return set->names[number];
}

void scene_name_set_init(scene_name_set *set, crdt_alloc alloc)
{
    *set = (scene_name_set){.names = NULL};
    crdt_arena_init(&set->bytes, alloc);
    scene_id_map_init(&set->map, alloc, name_of);
}

void scene_name_set_deinit(scene_name_set *set)
{
    crdt_alloc alloc = set->bytes.alloc;
    crdt_free(alloc, set->names, set->capacity * sizeof *set->names);
    scene_id_map_deinit(&set->map);
    crdt_arena_deinit(&set->bytes);
    set->names = NULL;
    set->count = 0;
    set->capacity = 0;
}

void scene_name_set_clear(scene_name_set *set)
{
    if (set->count > 0) {
        /* After a burst, clearing a large table each time would cost more than few
         * names do. */
        if (set->map.capacity > 1024) {
            scene_id_map_deinit(&set->map);
        } else {
            scene_id_map_clear(&set->map);
        }
        crdt_arena_reset(&set->bytes);
        set->count = 0;
    }
}

bool scene_name_set_has(const scene_name_set *set, crdt_span name)
{
    return scene_id_map_find(&set->map, set, name) != SCENE_ID_NONE;
}

crdt_err scene_name_set_add(scene_name_set *set, crdt_span name)
{
    if (scene_id_map_find(&set->map, set, name) != SCENE_ID_NONE) {
        return CRDT_OK;
    }
    crdt_span *names = scene_array_grow(set->bytes.alloc, set->names, set->count,
                                        &set->capacity, sizeof *names);
    if (names == NULL) {
        return CRDT_ENOMEM;
    }
    set->names = names;
    if (scene_id_map_reserve(&set->map) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    uint8_t *copy = crdt_arena_alloc(&set->bytes, name.size);
    if (copy == NULL) {
        return CRDT_ENOMEM;
    }
    if (name.size > 0) {
        memcpy(copy, name.data, name.size);
    }
    set->names[set->count] = (crdt_span){copy, name.size};
    scene_id_map_insert(&set->map, set->names[set->count], (uint32_t)set->count);
    set->count++;
    return CRDT_OK;
}
