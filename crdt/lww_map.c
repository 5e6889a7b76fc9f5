#include "crdt/lww_map.h"

#include "crdt/mutant.h"
#include "crdt/dot_join.h"

#include <assert.h>
#include <string.h>

void crdt_lww_map_init(crdt_lww_map *map, crdt_context *context, crdt_slots *slots)
{
    map->root = 0;
    crdt_dot_store_init(&map->store, context, slots, true);
}

/* Of its words, only those that the kind of the slot has. */
static crdt_lww_value *value_of(crdt_slot *slot)
{
    return (crdt_lww_value *)slot->payload;
}

static void *block_of(const crdt_lww_value *value)
{
    void *block;
    memcpy(&block, value->words, sizeof block);
    return block;
}

/* The slot's, which is then nobody's or overwritten. */
static void free_value(crdt_context *context, crdt_slot *slot)
{
    crdt_lww_value *value = value_of(slot);
    if (value->is_block) {
        crdt_slab_free(&context->slab, block_of(value), value->size);
        value->is_block = 0;
    }
}

void crdt_lww_map_deinit(crdt_lww_map *map)
{
    for (uint32_t id = crdt_dot_store_walk_all(&map->store, 0); id != 0;
         id = crdt_dot_store_walk_all(&map->store, id)) {
        free_value(map->store.context, crdt_dot_store_at(&map->store, id));
    }
    crdt_dot_store_deinit(&map->store);
    map->root = 0;
}

crdt_err crdt_lww_value_make(crdt_context *context, const crdt_slot *field,
                             crdt_span bytes, crdt_lww_value *value)
{
    *value = (crdt_lww_value){.size = bytes.size & 0x7fffffffu};
    if (bytes.size <= crdt_lww_inline_max(field->kind)) {
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
    value->is_block = 1;
    return CRDT_OK;
}

void crdt_lww_value_free(crdt_context *context, crdt_lww_value *value)
{
    if (value->is_block) {
        crdt_slab_free(&context->slab, block_of(value), value->size);
    }
    *value = (crdt_lww_value){0};
}

/* The value goes into the slot, which holds none. */
static void put_value(crdt_slot *slot, const crdt_lww_value *value)
{
    memcpy(slot->payload, value, crdt_slot_payload_size(slot->kind));
}

uint32_t crdt_lww_map_place(crdt_lww_map *map, uint32_t field, crdt_dot dot,
                            const crdt_lww_value *value)
{
    uint32_t entry = crdt_dot_store_place(&map->store, field, dot);
    put_value(crdt_dot_store_at(&map->store, entry), value);
    return entry;
}

uint32_t crdt_lww_map_insert(crdt_lww_map *map, uint32_t field, crdt_dot dot,
                             uint32_t who, const crdt_lww_value *value)
{
    uint32_t entry = crdt_lww_map_place(map, field, dot, value);
    crdt_dot_store_list(&map->store, entry, dot, who);
    return entry;
}

uint32_t crdt_lww_map_remove(crdt_lww_map *map, uint32_t field, uint32_t entry)
{
    free_value(map->store.context, crdt_dot_store_at(&map->store, entry));
    return crdt_dot_store_remove(&map->store, field, entry);
}

bool crdt_lww_map_fits(const crdt_slot *slot, size_t size)
{
    const crdt_lww_value *held = (const crdt_lww_value *)slot->payload;
    return size <= crdt_lww_inline_max(slot->kind) ||
           (held->is_block && (crdt_slab_fits(held->size, size) || MUTANT(175)));
}

void crdt_lww_map_overwrite(crdt_lww_map *map, uint32_t field, crdt_dot dot,
                            uint32_t who, crdt_span bytes)
{
    crdt_slot *slot = crdt_dot_store_at(&map->store, field);
    assert(crdt_lww_map_fits(slot, bytes.size));
    crdt_lww_value *value = value_of(slot);
    void *to = value->words;
    if (bytes.size <= crdt_lww_inline_max(slot->kind)) {
        free_value(map->store.context, slot);
    } else {
        to = block_of(value);
        crdt_slab_resized(&map->store.context->slab, value->size, bytes.size);
    }
    memcpy(to, bytes.data, bytes.size);
    value->size = bytes.size & 0x7fffffffu;
    crdt_dot_store_renew(&map->store, field, dot, who);
}

void crdt_lww_map_enter(crdt_lww_map *map, uint32_t field, crdt_dot dot,
                        const crdt_lww_value *value)
{
    crdt_slot *slot = crdt_dot_store_at(&map->store, field);
    free_value(map->store.context, slot);
    put_value(slot, value);
    crdt_dot_store_enter(&map->store, field, dot);
}

void crdt_lww_map_replace(crdt_lww_map *map, uint32_t field, crdt_dot dot, uint32_t who,
                          const crdt_lww_value *value)
{
    crdt_dot_store_leave(&map->store, field);
    crdt_lww_map_enter(map, field, dot, value);
    crdt_dot_store_list(&map->store, field, dot, who);
}

void crdt_lww_map_prefetch(const crdt_lww_map *map, uint32_t field)
{
    const crdt_slot *slot = crdt_dot_store_at(&map->store, field);
    const crdt_lww_value *value = (const crdt_lww_value *)slot->payload;
    if (value->is_block) {
        __builtin_prefetch(block_of(value), 1);
    }
}

/* ---- a map by itself ---- */

static uint32_t find_field(const crdt_lww_map *map, crdt_span field)
{
    uint32_t name = crdt_names_find(&map->store.context->names, field);
    return name == 0 ? 0 : crdt_dot_store_find(&map->store, 0, map->root, name);
}

static void drop_siblings(crdt_lww_map *map, uint32_t slot)
{
    while (crdt_dot_store_at(&map->store, slot)->dot != 0) {
        crdt_lww_map_remove(map, slot, slot);
    }
}

static crdt_err make_field(crdt_lww_map *map, crdt_span field, size_t value_size,
                           uint32_t *slot)
{
    crdt_names *names = &map->store.context->names;
    uint32_t name = 0;
    crdt_err err = crdt_names_intern(names, field, &name);
    if (err == CRDT_OK) {
        err = crdt_dot_store_make(&map->store, 0, &map->root, name,
                                  crdt_lww_map_kind(value_size), slot);
    }
    crdt_names_release(names, name);
    return err;
}

crdt_err crdt_lww_map_set(crdt_lww_map *map, crdt_span field, crdt_span value,
                          const crdt_actor *actor, crdt_stamp *stamp)
{
    crdt_context *context = map->store.context;
    uint32_t slot = 0;
    crdt_err err = make_field(map, field, value.size, &slot);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_lww_value copy;
    crdt_stamp next;
    err = crdt_lww_value_make(context, crdt_dot_store_at(&map->store, slot), value,
                              &copy);
    if (err == CRDT_OK) {
        size_t actor_count = context->actors.version.stamp_count;
        uint16_t number = crdt_actors_find(&context->actors, actor);
        number = number != 0 ? number : (uint16_t)(actor_count + 1);
        err = crdt_dot_store_reserve(&map->store, NULL, actor_count + 1);
        err = err != CRDT_OK ? err
                             : crdt_dot_store_reserve_writes(&map->store, number, 1, 0);
        err = err != CRDT_OK ? err : crdt_context_tick(context, actor, &next);
    }
    if (err != CRDT_OK) {
        crdt_lww_value_free(context, &copy);
        if (crdt_dot_store_at(&map->store, slot)->dot == 0) {
            crdt_dot_store_drop(&map->store, &map->root, slot);
        }
        return err;
    }
    drop_siblings(map, slot);
    uint16_t number = crdt_actors_find(&context->actors, actor);
    crdt_lww_map_insert(map, slot, crdt_dot_make(next.time, number), 0, &copy);
    if (stamp != NULL) {
        *stamp = next;
    }
    return CRDT_OK;
}

bool crdt_lww_map_unset(crdt_lww_map *map, crdt_span field)
{
    uint32_t slot = find_field(map, field);
    if (slot == 0) {
        return false;
    }
    drop_siblings(map, slot);
    crdt_dot_store_drop(&map->store, &map->root, slot);
    return true;
}

bool crdt_lww_map_get(const crdt_lww_map *map, crdt_span field, crdt_span *value)
{
    crdt_stamp ignored;
    return crdt_lww_map_sibling(map, field, 0, &ignored, value);
}

bool crdt_lww_map_sibling(const crdt_lww_map *map, crdt_span field, size_t index,
                          crdt_stamp *stamp, crdt_span *value)
{
    uint32_t id = find_field(map, field);
    for (; id != 0 && index > 0; index--) {
        id = crdt_slot_lower(crdt_dot_store_at(&map->store, id));
    }
    if (id != 0) {
        const crdt_slot *slot = crdt_dot_store_at(&map->store, id);
        *stamp = crdt_actors_stamp(&map->store.context->actors, slot->dot);
        *value = crdt_lww_map_value(slot);
    }
    return id != 0;
}

bool crdt_lww_map_next(crdt_lww_map *map, uint32_t *cursor, crdt_span *field)
{
    *cursor = *cursor == 0 ? crdt_dot_store_first(&map->store, &map->root)
                           : crdt_dot_store_next(&map->store, map->root, *cursor);
    if (*cursor != 0) {
        *field = crdt_names_get(&map->store.context->names,
                                crdt_dot_store_at(&map->store, *cursor)->name);
    }
    return *cursor != 0;
}

/* Copies of the arrivals' values; all or none. */
static crdt_err copy_values(crdt_lww_map *map, const crdt_lww_map *other,
                            const crdt_dot_arrival *arrivals, size_t count,
                            crdt_lww_value **values)
{
    crdt_context *context = map->store.context;
    *values = crdt_resize_array(context->alloc, NULL, 0, count, sizeof **values);
    if (*values == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const crdt_slot *slot = crdt_dot_store_at(&other->store, arrivals[i].source);
        crdt_err err = crdt_lww_value_make(
            context, crdt_dot_store_at(&map->store, arrivals[i].key),
            crdt_lww_map_value(slot), &(*values)[i]);
        if (err != CRDT_OK) {
            while (i > 0) {
                crdt_lww_value_free(context, &(*values)[--i]);
            }
            crdt_free(context->alloc, *values, count * sizeof **values);
            return err;
        }
    }
    return CRDT_OK;
}

static void drop_removed(crdt_lww_map *map, const crdt_lww_map *other)
{
    for (uint32_t slot = crdt_dot_group_any(&map->store, map->root); slot != 0;
         slot = crdt_dot_store_next(&map->store, map->root, slot)) {
        for (uint32_t id = slot;
             id != 0 && crdt_dot_store_at(&map->store, id)->dot != 0;) {
            id = crdt_dot_join_is_removed(&map->store, id, &other->store, other->root)
                     ? crdt_lww_map_remove(map, slot, id)
                     : crdt_slot_lower(crdt_dot_store_at(&map->store, id));
        }
    }
}

crdt_err crdt_lww_map_merge(crdt_lww_map *map, const crdt_lww_map *other,
                            const crdt_version *had)
{
    crdt_dot_arrival *arrivals;
    size_t count;
    crdt_err err = crdt_dot_join_plan(&map->store, &map->root, &other->store, had,
                                      &arrivals, &count);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_lww_value *values = NULL;
    err = count == 0 ? CRDT_OK : copy_values(map, other, arrivals, count, &values);
    if (err == CRDT_OK) {
        drop_removed(map, other);
        for (size_t i = 0; i < count; i++) {
            crdt_lww_map_insert(map, arrivals[i].key, arrivals[i].dot, 0, &values[i]);
        }
        crdt_free(map->store.context->alloc, values, count * sizeof *values);
    }
    crdt_dot_join_free(&map->store, arrivals, count);
    crdt_dot_join_sweep(&map->store, &map->root);
    return err;
}
