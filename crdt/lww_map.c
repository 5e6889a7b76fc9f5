#include "crdt/lww_map.h"

#include <string.h>

#define RECORD_SIZE 56u
#define PAYLOAD_SIZE CRDT_LWW_INLINE_MAX

void crdt_lww_map_init(crdt_lww_map *map, crdt_context *context)
{
    map->root = 0;
    crdt_dot_store_init(&map->store, context, RECORD_SIZE, PAYLOAD_SIZE);
}

static void free_value(crdt_lww_map *map, const crdt_slot *slot)
{
    if (slot->value_size > CRDT_LWW_INLINE_MAX) {
        void *block;
        memcpy(&block, slot->payload, sizeof block);
        crdt_slab_free(&map->store.context->slab, block, slot->value_size);
    }
}

void crdt_lww_map_deinit(crdt_lww_map *map)
{
    for (size_t i = 0; i < map->store.actor_capacity; i++) {
        for (uint32_t id = map->store.newest[i]; id != 0;) {
            const crdt_slot *slot = crdt_dot_store_at(&map->store, id);
            free_value(map, slot);
            id = slot->older;
        }
    }
    crdt_dot_store_deinit(&map->store);
    map->root = 0;
}

crdt_err crdt_lww_value_make(crdt_context *context, crdt_span bytes,
                             crdt_lww_value *value)
{
    *value = (crdt_lww_value){.size = (uint32_t)bytes.size};
    if (bytes.size <= CRDT_LWW_INLINE_MAX) {
        if (bytes.size > 0) {
            memcpy(value->words, bytes.data, bytes.size);
        }
        return CRDT_OK;
    }
    void *block = crdt_slab_alloc(&context->slab, bytes.size);
    if (block == NULL) {
        *value = (crdt_lww_value){0};
        return CRDT_ENOMEM;
    }
    memcpy(block, bytes.data, bytes.size);
    memcpy(value->words, &block, sizeof block);
    return CRDT_OK;
}

void crdt_lww_value_free(crdt_context *context, crdt_lww_value *value)
{
    if (value->size > CRDT_LWW_INLINE_MAX) {
        void *block;
        memcpy(&block, value->words, sizeof block);
        crdt_slab_free(&context->slab, block, value->size);
    }
    *value = (crdt_lww_value){0};
}

uint32_t crdt_lww_map_insert(crdt_lww_map *map, uint32_t field, crdt_dot dot,
                             uint32_t who, const crdt_lww_value *value)
{
    uint32_t entry = crdt_dot_store_insert(&map->store, field, dot, who);
    crdt_slot *slot = crdt_dot_store_at(&map->store, entry);
    slot->value_size = value->size & 0x1ffffffu;
    memcpy(slot->payload, value->words, sizeof value->words);
    return entry;
}

uint32_t crdt_lww_map_remove(crdt_lww_map *map, uint32_t field, uint32_t entry)
{
    free_value(map, crdt_dot_store_at(&map->store, entry));
    return crdt_dot_store_remove(&map->store, field, entry);
}
