#ifndef CLI_SERVERS_ENTITY_INDEX_H
#define CLI_SERVERS_ENTITY_INDEX_H

/* Which entity is active at which pointer.
 *
 * At each pointer the newest entity counts (by time; by id where times are equal), and an
 * entity is active while it is the newest at all of its pointers. So what is active follows
 * from what was added, in whatever order:
 *
 *   A (1) at 0,0 and 0,1     active at both
 *   B (2) at 0,1             active at 0,1; A is active nowhere, 0,0 is empty
 *
 * Pure. Memory: an entry and its pointers for each entity, a place for each pointer. */

#include "cli/content/cid.h"
#include "cli/servers/entity.h"
#include "scene/text_map.h"

typedef struct servers_entity_entry {
    char id[CONTENT_CID_SIZE];
    uint64_t timestamp_ms; /* as made */
    uint64_t deployed_ms;  /* as deployed here */
    size_t lost;           /* pointers at which it is not the newest */
    size_t place_count;
    size_t places[]; /* its pointers, as indices of the index's places */
} servers_entity_entry;

typedef struct servers_entity_index {
    crdt_alloc alloc;
    crdt_arena names;
    servers_entity_entry **entries;
    size_t entry_count;
    size_t entry_capacity;
    scene_text_map by_id; /* -> index of entries; beyond them: prepared, never added */
    servers_entity_entry **places; /* the newest at each pointer; NULL: none */
    size_t place_count;
    size_t place_capacity;
    scene_text_map by_pointer; /* -> index of places */
} servers_entity_index;

void servers_entity_index_init(servers_entity_index *index, crdt_alloc alloc);
void servers_entity_index_deinit(servers_entity_index *index);

/* Everything of adding that can fail. NULL: no memory. The entry is to be added or dropped
 * before the next one is prepared. `id` is not in the index. */
servers_entity_entry *servers_entity_index_prepare(servers_entity_index *index,
                                                   crdt_span id,
                                                   const servers_entity *entity,
                                                   uint64_t deployed_ms);
void servers_entity_index_add(servers_entity_index *index, servers_entity_entry *entry);
void servers_entity_index_drop(servers_entity_index *index,
                               servers_entity_entry *entry);

/* NULL: there is none. */
const servers_entity_entry *servers_entity_index_find(const servers_entity_index *index,
                                                      crdt_span id);
/* The newest at a pointer, active or not. */
const servers_entity_entry *
servers_entity_index_newest(const servers_entity_index *index, crdt_span pointer);
/* The one that is active at a pointer. */
const servers_entity_entry *
servers_entity_index_active(const servers_entity_index *index, crdt_span pointer);
/* Would an entity of this time and id be older than `entry`? */
bool servers_entity_entry_is_newer(const servers_entity_entry *entry,
                                   uint64_t timestamp_ms, crdt_span id);

#endif /* CLI_SERVERS_ENTITY_INDEX_H */
