#include "crdt/document_join.h"

#include "crdt/mutant.h"

#include <assert.h>
#include <string.h>

/* Room for one more item. */
static crdt_err reserve_item(crdt_join *join, crdt_join_array *array)
{
    if (array->count < array->capacity) {
        return CRDT_OK;
    }
    size_t capacity = array->capacity == 0 ? 64 : array->capacity * 2;
    void *items = crdt_resize_array(join->doc->context.alloc, array->items,
                                    array->capacity, capacity, array->item_size);
    if (items == NULL) {
        return CRDT_ENOMEM;
    }
    array->items = items;
    array->capacity = capacity;
    return CRDT_OK;
}

/* NULL: no memory. */
static void *push(crdt_join *join, crdt_join_array *array)
{
    if (reserve_item(join, array) != CRDT_OK) {
        return NULL;
    }
    return (uint8_t *)array->items + array->item_size * array->count++;
}

static void free_array(crdt_join *join, crdt_join_array *array)
{
    crdt_free(join->doc->context.alloc, array->items,
              array->capacity * array->item_size);
}

/* ---- making ready ---- */

/* Actors that are new here get the next numbers, in the order of the answer's version, in
 * which they are raised later. (Its table has those of `since` too, who wrote nothing.) */
static crdt_err number_actors(crdt_join *join, crdt_arena *arena)
{
    const crdt_answer_reader *reader = join->reader;
    const crdt_actors *actors = &join->doc->context.actors;
    const size_t time_count = actors->version.stamp_count;
    uint64_t *times = crdt_arena_alloc(arena, time_count * sizeof *times);
    join->numbers =
        crdt_arena_alloc(arena, reader->actor_count * sizeof *join->numbers);
    if (join->numbers == NULL || times == NULL) {
        return CRDT_ENOMEM;
    }
    memset(times, 0, time_count * sizeof *times);
    join->theirs = (crdt_seen){.times = times, .time_count = time_count};
    size_t next = time_count;
    size_t written = 0;
    for (size_t i = 0; i < reader->actor_count; i++) {
        join->numbers[i] = 0;
        if (written == reader->version.stamp_count ||
            !crdt_actor_equal(&reader->actors[i],
                              &reader->version.stamps[written].actor)) {
            continue;
        }
        uint64_t time = reader->version.stamps[written++].time;
        join->numbers[i] = crdt_actors_find(actors, &reader->actors[i]);
        if (join->numbers[i] != 0) {
            uint64_t mine = actors->times[join->numbers[i] - 1];
            times[join->numbers[i] - 1] = MUTANT(6) && mine > time ? mine : time;
            continue;
        }
        if (++next > CRDT_ACTORS_MAX) {
            return CRDT_ELIMIT;
        }
        join->numbers[i] = (uint16_t)next;
    }
    join->new_actor_count = next - actors->version.stamp_count;
    return CRDT_OK;
}

static bool is_known(const crdt_join *join, crdt_dot dot)
{
    const crdt_actors *actors = &join->doc->context.actors;
    uint16_t number = crdt_dot_actor(dot);
    return number <= actors->version.stamp_count &&
           crdt_dot_time(dot) <= actors->times[number - 1];
}

static crdt_dot dot_of(const crdt_join *join, const crdt_answer_item *item)
{
    return crdt_dot_make(item->stamp.time, join->numbers[item->actor_index]);
}

/* Pins the slot. There must be room. */
static crdt_join_visit *visit(crdt_join *join, uint32_t slot, crdt_depth depth)
{
    crdt_join_visit *visited = push(join, &join->visited);
    crdt_slot *visitor = crdt_dot_store_at(crdt_join_store(join, depth), slot);
    bool is_leaf = depth == CRDT_FIELD || *crdt_or_set_group(visitor) == 0;
    *visited = (crdt_join_visit){.slot = slot,
                                 .depth = (unsigned)depth & 3u,
                                 .is_again = visitor->pinned,
                                 .is_bare = visitor->dot == 0 && is_leaf};
    visitor->pinned = 1;
    return visited;
}

/* The key of a log record is a prefix, if it exists here. */
static crdt_err plan_prefix(crdt_join *join, const crdt_key *key)
{
    crdt_document *doc = join->doc;
    uint32_t slot = crdt_state_find(doc, key);
    if (slot == 0) {
        return CRDT_OK;
    }
    crdt_err err = reserve_item(join, &join->visited);
    if (err == CRDT_OK) {
        visit(join, slot, key->depth)->is_prefix = 1;
    }
    return err;
}

static crdt_err plan_record(crdt_join *join, const crdt_answer_item *item)
{
    crdt_names *names = &join->doc->context.names;
    crdt_err err = CRDT_OK;
    if (item->fresh && !join->reader->full && !MUTANT(12)) {
        err = plan_prefix(join, &item->key);
    }
    const crdt_dot dot = dot_of(join, item);
    if (err != CRDT_OK || (is_known(join, dot) && !MUTANT(173))) {
        return err;
    }
    crdt_join_record *record = push(join, &join->records);
    if (record == NULL) {
        return CRDT_ENOMEM;
    }
    *record = (crdt_join_record){.dot = dot};
    const crdt_span spans[3] = {item->key.object, item->key.part, item->key.field};
    for (size_t i = 0; i < (size_t)item->key.depth && err == CRDT_OK; i++) {
        err = crdt_names_intern(names, spans[i], &record->names[i]);
    }
    return err;
}

static uint32_t slot_at_hand(const crdt_join *join, crdt_depth depth)
{
    return depth == CRDT_OBJECT ? join->object
           : depth == CRDT_PART ? join->part
                                : join->field;
}

/* The slot of the name under the slots at hand. */
static crdt_err make_slot(crdt_join *join, crdt_depth depth, uint32_t name)
{
    crdt_document *doc = join->doc;
    if (depth == CRDT_OBJECT) {
        return crdt_dot_store_make(&doc->keys.store, 0, &doc->keys.root, name, 0,
                                   &join->object);
    }
    if (depth == CRDT_PART) {
        return crdt_dot_store_make(&doc->keys.store, join->object,
                                   crdt_state_group(doc, join->object), name, 0,
                                   &join->part);
    }
    return crdt_dot_store_make(&doc->fields.store, join->part,
                               crdt_state_group(doc, join->part), name, 1,
                               &join->field);
}

static uint64_t hash_at_hand(const crdt_join *join, crdt_depth depth)
{
    uint64_t hash = crdt_digest_key_begin(depth);
    for (size_t i = 0; i < (size_t)depth; i++) {
        hash = crdt_digest_key_add(hash, join->name_hashes[i]);
    }
    return hash;
}

/* The number here of a part's or field's name, and its hash. */
static crdt_err name_of(crdt_join *join, uint32_t index, uint32_t *name)
{
    while (index >= join->names.count) {
        uint32_t *next = push(join, &join->names);
        if (next == NULL) {
            return CRDT_ENOMEM;
        }
        *next = 0;
        crdt_err err =
            crdt_names_intern(&join->doc->context.names,
                              join->reader->names[join->names.count - 1], next);
        if (err != CRDT_OK) {
            return err;
        }
    }
    *name = ((const uint32_t *)join->names.items)[index];
    return CRDT_OK;
}

static crdt_err plan_object(crdt_join *join, const crdt_answer_item *item)
{
    crdt_names *names = &join->doc->context.names;
    uint32_t name = 0;
    crdt_err err = crdt_names_intern(names, item->key.object, &name);
    if (err == CRDT_OK) {
        join->name_hashes[0] = crdt_names_hash(names, name);
        err = make_slot(join, CRDT_OBJECT, name);
    }
    crdt_names_release(names, name);
    return err;
}

/* The slot of the key, made if missing: what has no entry in the end is forgotten again. */
static crdt_err plan_key(crdt_join *join, const crdt_answer_item *item)
{
    const crdt_depth depth = item->key.depth;
    crdt_err err = reserve_item(join, &join->visited);
    if (err == CRDT_OK && depth == CRDT_OBJECT) {
        err = plan_object(join, item);
    } else if (err == CRDT_OK) {
        uint32_t name = 0;
        err = name_of(join, depth == CRDT_PART ? item->part_name : item->field_name,
                      &name);
        if (err == CRDT_OK) {
            join->name_hashes[depth - 1] =
                crdt_names_hash(&join->doc->context.names, name);
            err = make_slot(join, depth, name);
        }
    }
    if (err == CRDT_OK) {
        visit(join, slot_at_hand(join, depth), depth);
    }
    return err;
}

/* The answer has an entry of the key: of those that are here now, those stay that its
 * version does not cover. */
static void touch(crdt_join *join, crdt_join_visit *visited)
{
    const crdt_dot_store *store = crdt_join_store(join, visited->depth);
    const crdt_actors *actors = &join->doc->context.actors;
    bool some_go = false;
    visited->is_touched = 1;
    join->beside_others = false;
    join->came_alone = false;
    for (uint32_t id = visited->slot; id != 0 && crdt_dot_store_at(store, id)->dot != 0;
         id = crdt_slot_lower(crdt_dot_store_at(store, id))) {
        bool goes =
            MUTANT(137) || crdt_seen_includes(&join->theirs, actors,
                                              crdt_dot_store_at(store, id)->dot);
        some_go = some_go || goes;
        join->beside_others = join->beside_others || !goes;
    }
    if (visited->depth == CRDT_FIELD) {
        visited->is_bare = !some_go;
    }
}

/* Persons are numbered by first use: none may be left out. */
static crdt_err person_of(crdt_join *join, const crdt_answer_item *item, uint32_t *who)
{
    if (item->writer == join->persons.count) {
        uint32_t *name = push(join, &join->persons);
        if (name == NULL) {
            return CRDT_ENOMEM;
        }
        *name = 0;
        if (item->who.size > 0) {
            crdt_err err =
                crdt_names_intern(&join->doc->context.names, item->who, name);
            if (err != CRDT_OK) {
                return err;
            }
        }
    }
    assert(item->writer < join->persons.count);
    *who = ((uint32_t *)join->persons.items)[MUTANT(171) ? 0 : item->writer];
    return CRDT_OK;
}

/* Is there just one value of the field, which goes? Then one that arrives alone takes its
 * place, where nobody wants to hear of the two apart. */
static bool is_to_overwrite(const crdt_join *join, uint32_t field)
{
    const crdt_slot *slot = crdt_state_field(join->doc, field);
    return (!join->beside_others || MUTANT(177)) && !join->doc->tells_dropped &&
           slot->dot != 0 && crdt_slot_lower(slot) == 0;
}

/* Something else stays or arrives beside what arrived last. */
static void keep_apart(crdt_join *join, crdt_join_visit *visited)
{
    if (visited->is_overwritten) {
        crdt_join_entry *arrivals = join->arrivals.items;
        arrivals[join->arrivals.count - 1].overwrites = 0;
        visited->is_overwritten = 0;
    }
}

static crdt_err plan_arrival(crdt_join *join, const crdt_answer_item *item,
                             uint32_t key, crdt_dot dot, uint32_t who)
{
    crdt_join_visit *visited = crdt_join_visited(join, join->visited.count - 1);
    keep_apart(join, visited);
    crdt_join_entry *arrival = push(join, &join->arrivals);
    if (arrival == NULL) {
        return CRDT_ENOMEM;
    }
    bool is_field = item->key.depth == CRDT_FIELD;
    *arrival = (struct crdt_join_entry){.dot = dot,
                                        .key_hash = hash_at_hand(join, item->key.depth),
                                        .key = key,
                                        .is_field = is_field,
                                        .who = who & 0x3fffffffu};
    if (is_field && is_to_overwrite(join, key)) {
        arrival->overwrites = 1;
        visited->is_overwritten = 1;
    }
    if (join->beside_others) {
        crdt_slot_room_add(
            &join->extra,
            crdt_dot_store_at(crdt_join_store(join, item->key.depth), key));
    } else {
        join->came_alone = true;
    }
    join->beside_others = true;
    return is_field ? crdt_lww_value_make(&join->doc->context,
                                          crdt_state_field(join->doc, key), item->value,
                                          &arrival->value)
                    : CRDT_OK;
}

static crdt_err plan_entry(crdt_join *join, const crdt_answer_item *item)
{
    crdt_depth depth = item->key.depth;
    uint32_t key = slot_at_hand(join, depth);
    crdt_join_visit *visited = crdt_join_visited(join, join->visited.count - 1);
    if (!visited->is_touched) {
        touch(join, visited);
    }
    visited->is_prefix |= item->fresh && depth != CRDT_FIELD && !MUTANT(45);
    const crdt_dot dot = dot_of(join, item);
    uint32_t who;
    crdt_err err = person_of(join, item, &who);
    if (err != CRDT_OK) {
        return err;
    }
    if (is_known(join, dot)) {
        /* The same dot here: both have it. No such dot here: I know that it was removed. */
        crdt_dot_store *store = crdt_join_store(join, depth);
        for (uint32_t id = key; id != 0;
             id = crdt_slot_lower(crdt_dot_store_at(store, id))) {
            if (crdt_dot_store_at(store, id)->dot == dot) {
                crdt_dot_store_at(store, id)->kept = 1;
                visited->is_marked = 1;
                keep_apart(join, visited);
                join->beside_others = true;
                if (join->came_alone) { /* it came before, and is not alone after all */
                    join->came_alone = false;
                    crdt_slot_room_add(
                        &join->extra,
                        crdt_dot_store_at(crdt_join_store(join, depth), key));
                }
            }
        }
    } else {
        err = plan_arrival(join, item, key, dot, who);
    }
    return err;
}

static crdt_err plan_items(crdt_join *join)
{
    const crdt_answer_item *item = &join->reader->item;
    crdt_err err = CRDT_OK;
    join->reader->brief_values = true;
    do {
        err = crdt_answer_read_step(join->reader);
        if (err != CRDT_OK) {
            return err;
        }
        switch (item->type) {
        case CRDT_ANSWER_LOG:
            err = plan_record(join, item);
            break;
        case CRDT_ANSWER_KEY:
            err = plan_key(join, item);
            break;
        case CRDT_ANSWER_ENTRY:
            err = plan_entry(join, item);
            break;
        case CRDT_ANSWER_END:
            break;
        }
    } while (err == CRDT_OK && item->type != CRDT_ANSWER_END);
    return err;
}

/* In the order of time, as trails want them. A stamp is one operation's: an answer that
 * holds one twice is none. */
static crdt_err sort_arrivals(crdt_join *join, crdt_diag *diag)
{
    const crdt_join_entry *arrivals = join->arrivals.items;
    const size_t count = join->arrivals.count;
    crdt_alloc alloc = join->doc->context.alloc;
    if (count == 0) {
        return CRDT_OK;
    }
    join->order = crdt_resize_array(alloc, NULL, 0, count, sizeof *join->order);
    if (join->order == NULL) {
        return CRDT_ENOMEM;
    }
    join->order_capacity = count;
    for (size_t i = 0; i < count; i++) {
        join->order[i] = (crdt_dot_place){.dot = arrivals[i].dot, .index = (uint32_t)i};
    }
    crdt_err err = crdt_dot_sort(join->order, count, alloc);
    if (err != CRDT_OK) {
        return err;
    }
    for (size_t i = 1; i < count; i++) {
        if (join->order[i].dot == join->order[i - 1].dot) {
            return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                                 "two entries of the answer have one stamp");
        }
    }
    return CRDT_OK;
}

/* What one actor has written of what arrives. */
typedef struct actor_room {
    size_t counts[2]; /* dots, values */
    size_t persons[2];
    uint32_t who[2]; /* the last */
} actor_room;

static crdt_err reserve_writes(crdt_join *join, crdt_arena *arena, size_t actor_count)
{
    const crdt_join_entry *arrivals = join->arrivals.items;
    actor_room *rooms = crdt_arena_alloc(arena, actor_count * sizeof *rooms);
    if (rooms == NULL) {
        return CRDT_ENOMEM;
    }
    memset(rooms, 0, actor_count * sizeof *rooms);
    for (size_t i = 0; i < join->arrivals.count; i++) {
        const crdt_join_entry *arrival = &arrivals[join->order[i].index];
        actor_room *room = &rooms[crdt_dot_actor(arrival->dot) - 1];
        unsigned kind = arrival->is_field;
        room->persons[kind] +=
            room->counts[kind] == 0 || room->who[kind] != arrival->who;
        room->counts[kind]++;
        room->who[kind] = arrival->who;
    }
    crdt_dot_store *stores[2] = {&join->doc->keys.store, &join->doc->fields.store};
    for (size_t i = 0; i < actor_count * 2; i++) {
        const actor_room *room = &rooms[i / 2];
        size_t count = room->counts[i % 2];
        crdt_err err = CRDT_OK;
        if (count > 0) {
            err = crdt_dot_store_reserve_writes(stores[i % 2], (uint16_t)(i / 2 + 1),
                                                count, room->persons[i % 2]);
        }
        if (err != CRDT_OK) {
            return err;
        }
    }
    return CRDT_OK;
}

static crdt_err reserve_all(crdt_join *join, crdt_arena *arena)
{
    crdt_document *doc = join->doc;
    size_t actor_count =
        doc->context.actors.version.stamp_count + join->new_actor_count;
    crdt_err err = crdt_actors_reserve(&doc->context.actors, join->new_actor_count);
    if (err == CRDT_OK) {
        err = crdt_dot_store_reserve(&doc->keys.store, &join->extra, actor_count);
    }
    if (err == CRDT_OK) {
        err = crdt_dot_store_reserve(&doc->fields.store, &join->extra, actor_count);
    }
    if (err == CRDT_OK) {
        err = reserve_writes(join, arena, actor_count);
    }
    if (err == CRDT_OK) {
        err = crdt_remove_log_reserve(&doc->log, join->records.count, actor_count);
    }
    return err;
}

crdt_err crdt_join_plan(crdt_join *join, crdt_arena *arena, crdt_diag *diag)
{
    join->arrivals.item_size = sizeof(crdt_join_entry);
    join->records.item_size = sizeof(crdt_join_record);
    join->visited.item_size = sizeof(crdt_join_visit);
    join->names.item_size = sizeof(uint32_t);
    join->persons.item_size = sizeof(uint32_t);
    crdt_err err = number_actors(join, arena);
    err = err != CRDT_OK ? err : plan_items(join);
    err = err != CRDT_OK ? err : sort_arrivals(join, diag);
    return err != CRDT_OK ? err : reserve_all(join, arena);
}

/* ---- cleaning up, whether the change was made or not ---- */

static void clear_marks(crdt_dot_store *store, uint32_t key)
{
    for (uint32_t id = key; id != 0;
         id = crdt_slot_lower(crdt_dot_store_at(store, id))) {
        crdt_dot_store_at(store, id)->kept = 0;
        crdt_dot_store_at(store, id)->arrived = 0;
    }
}

/* Each slot once. What still is pinned stays; a slot that nothing holds goes with the last
 * pin on it or below. */
static void unpin(crdt_join *join)
{
    for (size_t i = join->visited.count; i > 0; i--) {
        const crdt_join_visit *visited = crdt_join_visited(join, i - 1);
        crdt_dot_store *store = crdt_join_store(join, visited->depth);
        if (visited->is_marked || join->doc->tells_conflict) {
            clear_marks(store, visited->slot);
        }
        if (visited->is_again) {
            continue;
        }
        crdt_dot_store_at(store, visited->slot)->pinned = 0;
        if (visited->depth == CRDT_FIELD) {
            crdt_state_release_field(join->doc, visited->slot);
        } else {
            crdt_state_release_element(join->doc, visited->slot);
        }
    }
}

static void release_names(crdt_join *join, const crdt_join_array *array)
{
    for (size_t i = 0; i < array->count; i++) {
        crdt_names_release(&join->doc->context.names,
                           ((const uint32_t *)array->items)[i]);
    }
}

void crdt_join_close(crdt_join *join)
{
    crdt_names *names = &join->doc->context.names;
    unpin(join);
    crdt_join_entry *arrivals = join->arrivals.items;
    for (size_t i = 0; i < join->arrivals.count; i++) {
        crdt_lww_value_free(&join->doc->context, &arrivals[i].value);
    }
    const crdt_join_record *records = join->records.items;
    for (size_t i = 0; i < join->records.count; i++) {
        for (size_t j = 0; j < 3; j++) {
            crdt_names_release(names, records[i].names[j]);
        }
    }
    release_names(join, &join->names);
    release_names(join, &join->persons);
    crdt_free(join->doc->context.alloc, join->order,
              join->order_capacity * sizeof *join->order);
    free_array(join, &join->arrivals);
    free_array(join, &join->records);
    free_array(join, &join->visited);
    free_array(join, &join->names);
    free_array(join, &join->persons);
}
