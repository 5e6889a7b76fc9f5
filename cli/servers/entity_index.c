#include "cli/servers/entity_index.h"

#include <assert.h>

void servers_entity_index_init(servers_entity_index *index, crdt_alloc alloc)
{
    *index = (servers_entity_index){.alloc = alloc};
    crdt_arena_init(&index->names, alloc);
    scene_text_map_init(&index->by_id, alloc);
    scene_text_map_init(&index->by_pointer, alloc);
}

static size_t entry_size(size_t place_count)
{
    return sizeof(servers_entity_entry) + place_count * sizeof(size_t);
}

void servers_entity_index_drop(servers_entity_index *index, servers_entity_entry *entry)
{
    if (entry != NULL) {
        crdt_free(index->alloc, entry, entry_size(entry->place_count));
    }
}

void servers_entity_index_deinit(servers_entity_index *index)
{
    for (size_t i = 0; i < index->entry_count; i++) {
        servers_entity_index_drop(index, index->entries[i]);
    }
    crdt_free(index->alloc, index->entries,
              index->entry_capacity * sizeof index->entries[0]);
    crdt_free(index->alloc, index->places,
              index->place_capacity * sizeof index->places[0]);
    scene_text_map_deinit(&index->by_id);
    scene_text_map_deinit(&index->by_pointer);
    crdt_arena_deinit(&index->names);
}

bool servers_entity_entry_is_newer(const servers_entity_entry *entry,
                                   uint64_t timestamp_ms, crdt_span id)
{
    return entry->timestamp_ms != timestamp_ms
               ? entry->timestamp_ms > timestamp_ms
               : crdt_span_compare(crdt_span_of(entry->id), id) > 0;
}

/* ---- adding ---- */

/* Put `text`, copied, with the value `next`, unless it is there. NULL: no memory. */
static uint64_t *put_text(servers_entity_index *index, scene_text_map *map,
                          crdt_span text, uint64_t next)
{
    uint64_t *slot = scene_text_map_find(map, text);
    if (slot != NULL) {
        return slot;
    }
    uint8_t *copy = crdt_arena_alloc(&index->names, text.size);
    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, text.data, text.size);
    crdt_span key = {copy, text.size};
    return scene_text_map_put(map, key, next, &slot, NULL) == CRDT_OK ? slot : NULL;
}

/* Room for one more in a list of entries. */
static bool reserve(crdt_alloc alloc, servers_entity_entry ***list, size_t count,
                    size_t *capacity)
{
    if (count < *capacity) {
        return true;
    }
    size_t more = *capacity * 2 + 64;
    servers_entity_entry **grown =
        crdt_resize_array(alloc, *list, *capacity, more, sizeof **list);
    if (grown == NULL) {
        return false;
    }
    *list = grown;
    *capacity = more;
    return true;
}

static bool find_place(servers_entity_index *index, crdt_span pointer, size_t *place)
{
    if (!reserve(index->alloc, &index->places, index->place_count,
                 &index->place_capacity)) {
        return false;
    }
    const uint64_t *slot =
        put_text(index, &index->by_pointer, pointer, index->place_count);
    if (slot == NULL) {
        return false;
    }
    *place = (size_t)*slot;
    if (*place == index->place_count) {
        index->places[index->place_count++] = NULL;
    }
    return true;
}

servers_entity_entry *servers_entity_index_prepare(servers_entity_index *index,
                                                   crdt_span id,
                                                   const servers_entity *entity,
                                                   uint64_t deployed_ms)
{
    assert(id.size < CONTENT_CID_SIZE);
    servers_entity_entry *entry =
        crdt_allocate(index->alloc, entry_size(entity->pointer_count));
    if (entry == NULL) {
        return NULL;
    }
    *entry = (servers_entity_entry){.timestamp_ms = entity->timestamp_ms,
                                    .deployed_ms = deployed_ms,
                                    .place_count = entity->pointer_count};
    memcpy(entry->id, id.data, id.size);
    bool good = reserve(index->alloc, &index->entries, index->entry_count,
                        &index->entry_capacity);
    for (size_t i = 0; i < entity->pointer_count && good; i++) {
        good = find_place(index, entity->pointers[i], &entry->places[i]);
    }
    uint64_t *slot = good ? put_text(index, &index->by_id, id, 0) : NULL;
    if (slot == NULL) {
        servers_entity_index_drop(index, entry);
        return NULL;
    }
    *slot = UINT64_MAX; /* until it is added */
    return entry;
}

void servers_entity_index_add(servers_entity_index *index, servers_entity_entry *entry)
{
    uint64_t *slot = scene_text_map_find(&index->by_id, crdt_span_of(entry->id));
    assert(slot != NULL && *slot == UINT64_MAX);
    assert(index->entry_count < index->entry_capacity);
    *slot = index->entry_count;
    index->entries[index->entry_count++] = entry;
    for (size_t i = 0; i < entry->place_count; i++) {
        servers_entity_entry **newest = &index->places[entry->places[i]];
        if (*newest != NULL &&
            servers_entity_entry_is_newer(*newest, entry->timestamp_ms,
                                          crdt_span_of(entry->id))) {
            entry->lost++;
            continue;
        }
        if (*newest != NULL) {
            (*newest)->lost++;
        }
        *newest = entry;
    }
}

/* ---- asking ---- */

const servers_entity_entry *servers_entity_index_find(const servers_entity_index *index,
                                                      crdt_span id)
{
    const uint64_t *slot = scene_text_map_find(&index->by_id, id);
    return slot == NULL || *slot == UINT64_MAX ? NULL : index->entries[*slot];
}

const servers_entity_entry *
servers_entity_index_newest(const servers_entity_index *index, crdt_span pointer)
{
    const uint64_t *slot = scene_text_map_find(&index->by_pointer, pointer);
    return slot == NULL ? NULL : index->places[*slot];
}

const servers_entity_entry *
servers_entity_index_active(const servers_entity_index *index, crdt_span pointer)
{
    const servers_entity_entry *entry = servers_entity_index_newest(index, pointer);
    return entry != NULL && entry->lost == 0 ? entry : NULL;
}
