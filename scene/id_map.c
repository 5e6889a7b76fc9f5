#include "scene/id_map.h"

#include "crdt/digest.h"

#include <assert.h>
#include <string.h>

crdt_err scene_id_copy(crdt_alloc alloc, crdt_span id, crdt_span *copy)
{
    uint8_t *data = crdt_allocate(alloc, id.size + 1);
    if (data == NULL) {
        return CRDT_ENOMEM;
    }
    if (id.size > 0) {
        memcpy(data, id.data, id.size);
    }
    *copy = (crdt_span){data, id.size};
    return CRDT_OK;
}

void scene_id_free(crdt_alloc alloc, crdt_span *copy)
{
    union {
        const uint8_t *kept;
        void *freed;
    } data = {.kept = copy->data};
    crdt_free(alloc, data.freed, copy->size + 1);
    *copy = (crdt_span){0};
}

void scene_id_map_init(scene_id_map *map, crdt_alloc alloc,
                       crdt_span (*id_of)(const void *ctx, uint32_t number))
{
    *map = (scene_id_map){.alloc = alloc, .id_of = id_of};
}

void scene_id_map_deinit(scene_id_map *map)
{
    crdt_free(map->alloc, map->slots, map->capacity * sizeof *map->slots);
    map->slots = NULL;
    map->capacity = 0;
    map->count = 0;
}

void scene_id_map_clear(scene_id_map *map)
{
    for (size_t i = 0; i < map->capacity; i++) {
        map->slots[i].number = SCENE_ID_NONE;
    }
    map->count = 0;
}

static uint64_t hash_of(crdt_span id)
{
    return crdt_hash64(id, 0);
}

/* The slot that holds the id, or the empty one where it would go. */
static size_t find_slot(const scene_id_map *map, const void *ctx, crdt_span id,
                        uint64_t hash)
{
    size_t mask = map->capacity - 1;
    size_t at = (size_t)hash & mask;
    while (map->slots[at].number != SCENE_ID_NONE) {
        if (map->slots[at].hash == hash &&
            crdt_span_equal(map->id_of(ctx, map->slots[at].number), id)) {
            break;
        }
        at = (at + 1) & mask;
    }
    return at;
}

uint32_t scene_id_map_find(const scene_id_map *map, const void *ctx, crdt_span id)
{
    if (map->count == 0) {
        return SCENE_ID_NONE;
    }
    return map->slots[find_slot(map, ctx, id, hash_of(id))].number;
}

static void place(scene_id_slot *slots, size_t capacity, uint64_t hash, uint32_t number)
{
    size_t at = (size_t)hash & (capacity - 1);
    while (slots[at].number != SCENE_ID_NONE) {
        at = (at + 1) & (capacity - 1);
    }
    slots[at] = (scene_id_slot){hash, number};
}

crdt_err scene_id_map_reserve(scene_id_map *map)
{
    if (map->count < map->capacity / 4 * 3) {
        return CRDT_OK;
    }
    size_t capacity = map->capacity == 0 ? 16 : map->capacity * 2;
    scene_id_slot *slots =
        crdt_resize_array(map->alloc, NULL, 0, capacity, sizeof *slots);
    if (slots == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < capacity; i++) {
        slots[i] = (scene_id_slot){0, SCENE_ID_NONE};
    }
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].number != SCENE_ID_NONE) {
            place(slots, capacity, map->slots[i].hash, map->slots[i].number);
        }
    }
    crdt_free(map->alloc, map->slots, map->capacity * sizeof *map->slots);
    map->slots = slots;
    map->capacity = capacity;
    return CRDT_OK;
}

void scene_id_map_insert(scene_id_map *map, crdt_span id, uint32_t number)
{
    assert(map->count < map->capacity / 4 * 3);
    place(map->slots, map->capacity, hash_of(id), number);
    map->count++;
}

void scene_id_map_remove(scene_id_map *map, const void *ctx, crdt_span id)
{
    size_t mask = map->capacity - 1;
    size_t hole = find_slot(map, ctx, id, hash_of(id));
    assert(map->slots[hole].number != SCENE_ID_NONE);
    /* Move back what follows in the run and may lie in the hole: its home is not
     * between the hole (excluded) and where it is now. */
    for (size_t at = (hole + 1) & mask; map->slots[at].number != SCENE_ID_NONE;
         at = (at + 1) & mask) {
        size_t home = (size_t)map->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole].number = SCENE_ID_NONE;
    map->count--;
}
