#include "crdt/document_join.h"
#include "crdt/mutant.h"
#include "crdt/dot_sort.h"

#include <assert.h>
#include <string.h>

/* An entry in its place, for its actor's trail: index is twice the slot, plus 1 for a
 * field; tag is the name of the person. */
static bool is_field(const crdt_dot_place *entry)
{
    return (entry->index & 1) != 0;
}

static uint32_t slot_of(const crdt_dot_place *entry)
{
    return entry->index >> 1;
}

typedef struct u32_list {
    uint32_t *items;
    size_t count;
    size_t capacity;
} u32_list;

typedef struct loading {
    crdt_document *doc;
    crdt_answer_reader *reader;
    u32_list names;    /* by the reader's index of a part's or field's name */
    u32_list persons;  /* by the reader's writer index; both hold references */
    uint16_t *numbers; /* of actors, by the reader's index; 0: wrote nothing */
    crdt_dot_place *entries;
    size_t entry_count;
    size_t entry_capacity;
    crdt_depth depth; /* of the key at hand */
    uint32_t object;  /* slots */
    uint32_t part;
    uint32_t key;
    bool beside; /* the key at hand has an entry */
    bool object_live;
    bool part_live;
    uint32_t field_name;
    size_t object_count; /* keys in the groups that are open */
    size_t part_count;
    size_t field_count;
    /* Of keys, for the digest: of the key at hand, and as it begins for the parts of the
     * object at hand, for the fields of its parts, for those of the part at hand. */
    uint64_t hash;
    uint64_t part_hash;
    uint64_t object_hash;
    uint64_t field_hash;
} loading;

/* ---- names and persons ---- */

static crdt_err push_name(loading *load, u32_list *list, crdt_span bytes)
{
    crdt_alloc alloc = load->doc->context.alloc;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 32 : list->capacity * 2;
        uint32_t *items = crdt_resize_array(alloc, list->items, list->capacity,
                                            capacity, sizeof *items);
        if (items == NULL) {
            return CRDT_ENOMEM;
        }
        list->items = items;
        list->capacity = capacity;
    }
    uint32_t *name = &list->items[list->count];
    crdt_err err = crdt_names_intern(&load->doc->context.names, bytes, name);
    list->count += err == CRDT_OK;
    return err;
}

static void free_names(loading *load, u32_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        crdt_names_release(&load->doc->context.names, list->items[i]);
    }
    crdt_free(load->doc->context.alloc, list->items,
              list->capacity * sizeof *list->items);
}

static crdt_err name_of(loading *load, uint32_t index, uint32_t *name)
{
    crdt_err err = CRDT_OK;
    while (index >= load->names.count && err == CRDT_OK) {
        err = push_name(load, &load->names, load->reader->names[load->names.count]);
    }
    *name = err == CRDT_OK ? load->names.items[index] : 0;
    return err;
}

/* 0 for the person without a name, of whom no reference is held. */
static crdt_err person_of(loading *load, const crdt_answer_item *item, uint32_t *who)
{
    crdt_err err = CRDT_OK;
    if (item->writer == load->persons.count) {
        err = push_name(load, &load->persons, item->who);
    }
    *who = err == CRDT_OK && item->who.size > 0 && !MUTANT(172)
               ? load->persons.items[item->writer]
               : 0;
    return err;
}

/* ---- putting in place ---- */

/* Actors get their numbers in the order of the answer's version. (The reader's table has
 * those of `since` too.) */
static crdt_err load_version(loading *load)
{
    crdt_document *doc = load->doc;
    const crdt_answer_reader *reader = load->reader;
    const crdt_version *theirs = &reader->version;
    size_t count = theirs->stamp_count;
    crdt_err err = crdt_actors_reserve(&doc->context.actors, count);
    err = err != CRDT_OK ? err : crdt_dot_store_reserve(&doc->keys.store, NULL, count);
    err =
        err != CRDT_OK ? err : crdt_dot_store_reserve(&doc->fields.store, NULL, count);
    err = err != CRDT_OK ? err : crdt_remove_log_reserve(&doc->log, 0, count);
    load->numbers =
        crdt_arena_alloc(reader->arena, reader->actor_count * sizeof *load->numbers);
    if (err != CRDT_OK || load->numbers == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        crdt_stamp stamp = theirs->stamps[i];
        stamp.time = MUTANT(28) ? (stamp.time + 1) / 2 : stamp.time;
        crdt_actors_raise(&doc->context.actors, &stamp);
    }
    for (size_t i = 0; i < reader->actor_count; i++) {
        load->numbers[i] = crdt_actors_find(&doc->context.actors, &reader->actors[i]);
    }
    return CRDT_OK;
}

static crdt_dot dot_of(const loading *load, const crdt_answer_item *item)
{
    return crdt_dot_make(item->stamp.time, load->numbers[item->actor_index]);
}

static crdt_err load_record(loading *load, const crdt_answer_item *item)
{
    crdt_document *doc = load->doc;
    uint32_t names[3] = {0};
    crdt_err err = crdt_remove_log_reserve(&doc->log, 1, 0);
    if (err == CRDT_OK) {
        err = crdt_names_intern(&doc->context.names, item->key.object, &names[0]);
    }
    if (err == CRDT_OK && item->key.depth >= CRDT_PART) {
        err = name_of(load, item->part_name, &names[1]);
    }
    if (err == CRDT_OK && item->key.depth >= CRDT_FIELD) {
        err = name_of(load, item->field_name, &names[2]);
    }
    if (err == CRDT_OK) {
        crdt_remove_log_append(&doc->log, dot_of(load, item), names);
    }
    crdt_names_release(&doc->context.names, names[0]);
    return err;
}

static crdt_err load_object(loading *load, const crdt_answer_item *item)
{
    crdt_document *doc = load->doc;
    uint32_t name = 0;
    crdt_err err = crdt_names_intern(&doc->context.names, item->key.object, &name);
    if (err != CRDT_OK) {
        return err;
    }
    const uint64_t name_hash = crdt_names_hash(&doc->context.names, name);
    load->hash = crdt_digest_key_add(crdt_digest_key_begin(CRDT_OBJECT), name_hash);
    load->part_hash = crdt_digest_key_add(crdt_digest_key_begin(CRDT_PART), name_hash);
    load->object_hash =
        crdt_digest_key_add(crdt_digest_key_begin(CRDT_FIELD), name_hash);
    err = crdt_dot_store_append(&doc->keys.store, 0, &doc->keys.root,
                                load->object_count++, name, 0, &load->object);
    crdt_names_release(&doc->context.names, name);
    load->key = load->object;
    load->part_count = 0;
    return err;
}

static crdt_err load_part(loading *load, const crdt_answer_item *item)
{
    crdt_document *doc = load->doc;
    uint32_t name = 0;
    crdt_err err = name_of(load, item->part_name, &name);
    if (err != CRDT_OK) {
        return err;
    }
    const uint64_t name_hash = crdt_names_hash(&doc->context.names, name);
    load->hash = crdt_digest_key_add(load->part_hash, name_hash);
    load->field_hash = crdt_digest_key_add(load->object_hash, name_hash);
    err = crdt_dot_store_append(&doc->keys.store, load->object,
                                crdt_state_group(doc, load->object), load->part_count++,
                                name, 0, &load->part);
    load->key = load->part;
    load->field_count = 0;
    return err;
}

/* The slot is made with the first value, which says how large it is to be. */
static crdt_err load_field(loading *load, const crdt_answer_item *item)
{
    crdt_err err = name_of(load, item->field_name, &load->field_name);
    if (err != CRDT_OK) {
        return err;
    }
    load->hash = crdt_digest_key_add(
        load->field_hash, crdt_names_hash(&load->doc->context.names, load->field_name));
    load->key = 0;
    return CRDT_OK;
}

static crdt_err make_field(loading *load, const crdt_answer_item *item)
{
    crdt_document *doc = load->doc;
    return crdt_dot_store_append(&doc->fields.store, load->part,
                                 crdt_state_group(doc, load->part), load->field_count++,
                                 load->field_name, crdt_lww_map_kind(item->value.size),
                                 &load->key);
}

/* As crdt_state_count_all counts. */
static void count_key(loading *load, const crdt_answer_item *item)
{
    crdt_document_counts *counts = &load->doc->counts;
    const bool has_entry = item->entry_count > 0;
    switch (item->key.depth) {
    case CRDT_OBJECT:
        load->object_live = has_entry;
        counts->objects += has_entry;
        break;
    case CRDT_PART:
        load->part_live = load->object_live && has_entry;
        counts->parts += load->part_live;
        break;
    case CRDT_FIELD:
        counts->fields += load->part_live;
        counts->conflicts += !load->part_live || item->entry_count > 1;
        break;
    }
}

static crdt_err load_key(loading *load, const crdt_answer_item *item)
{
    count_key(load, item);
    load->beside = false;
    load->depth = item->key.depth;
    switch (item->key.depth) {
    case CRDT_OBJECT:
        return load_object(load, item);
    case CRDT_PART:
        return load_part(load, item);
    case CRDT_FIELD:
        return load_field(load, item);
    }
    return CRDT_OK;
}

static crdt_dot_store *store_of(const loading *load, bool of_field)
{
    return of_field ? &load->doc->fields.store : &load->doc->keys.store;
}

/* `beside`: the key has an entry already. */
static crdt_err reserve_entry(loading *load, crdt_dot_store *store, bool beside)
{
    if (load->entry_count == load->entry_capacity) {
        size_t capacity = load->entry_capacity == 0 ? 64 : load->entry_capacity * 2;
        crdt_dot_place *entries =
            crdt_resize_array(load->doc->context.alloc, load->entries,
                              load->entry_capacity, capacity, sizeof *entries);
        if (entries == NULL) {
            return CRDT_ENOMEM;
        }
        load->entries = entries;
        load->entry_capacity = capacity;
    }
    if (!beside) {
        return CRDT_OK;
    }
    crdt_slot_room room = {{0}};
    crdt_slot_room_add(&room, crdt_dot_store_at(store, load->key));
    return crdt_dot_store_reserve(store, &room, 0);
}

static crdt_err load_entry(loading *load, const crdt_answer_item *item)
{
    crdt_document *doc = load->doc;
    const bool of_field = load->depth == CRDT_FIELD;
    const crdt_dot dot = dot_of(load, item);
    uint32_t who = 0;
    crdt_lww_value value;
    crdt_err err = person_of(load, item, &who);
    if (err == CRDT_OK && load->key == 0) {
        err = make_field(load, item);
    }
    if (err == CRDT_OK) {
        err = reserve_entry(load, store_of(load, of_field), load->beside);
        load->beside = true;
    }
    if (err == CRDT_OK && of_field) {
        err = crdt_lww_value_make(&doc->context, crdt_state_field(doc, load->key),
                                  item->value, &value);
    }
    if (err != CRDT_OK) {
        return err;
    }
    const uint32_t slot = of_field
                              ? crdt_lww_map_place(&doc->fields, load->key, dot, &value)
                              : crdt_dot_store_place(&doc->keys.store, load->key, dot);
    load->entries[load->entry_count++] =
        (crdt_dot_place){.dot = dot, .index = slot * 2 + of_field, .tag = who};
    crdt_digest_add(&doc->digest,
                    crdt_digest_term(load->hash, &item->stamp, item->value));
    return CRDT_OK;
}

static crdt_err load_items(loading *load)
{
    const crdt_answer_item *item = &load->reader->item;
    crdt_err err = CRDT_OK;
    load->reader->brief_values = true;
    do {
        err = crdt_answer_read_step(load->reader);
        if (err != CRDT_OK) {
            return err;
        }
        switch (item->type) {
        case CRDT_ANSWER_LOG:
            err = load_record(load, item);
            break;
        case CRDT_ANSWER_KEY:
            err = load_key(load, item);
            break;
        case CRDT_ANSWER_ENTRY:
            err = load_entry(load, item);
            break;
        case CRDT_ANSWER_END:
            break;
        }
    } while (err == CRDT_OK && item->type != CRDT_ANSWER_END);
    return err;
}

/* ---- the trails of actors ---- */

/* What goes into the trail of an actor in one of the stores. */
typedef struct trail_need {
    size_t count;
    size_t person_count; /* changes of the person */
    uint32_t person;     /* the last one */
} trail_need;

/* Room in the trails at once, and some more for what is written next: `needs` are of dots
 * and of values, by actor. */
static crdt_err reserve_trails(const loading *load, trail_need (*needs)[2],
                               size_t actor_count)
{
    memset(needs, 0, actor_count * sizeof *needs);
    for (size_t i = 0; i < load->entry_count; i++) {
        const crdt_dot_place *entry = &load->entries[i];
        trail_need *need = &needs[crdt_dot_actor(entry->dot) - 1][is_field(entry)];
        need->count++;
        need->person_count += entry->tag != need->person;
        need->person = entry->tag;
    }
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < actor_count * 2 && err == CRDT_OK; i++) {
        const trail_need *need = &needs[i / 2][i % 2];
        if (need->count > 0) {
            err = crdt_dot_store_reserve_writes(
                store_of(load, i % 2), (uint16_t)(i / 2 + 1),
                need->count + need->count / 16, need->person_count);
        }
    }
    return err;
}

static crdt_err list_entries(loading *load, crdt_diag *diag)
{
    crdt_document *doc = load->doc;
    crdt_err err = crdt_dot_sort(load->entries, load->entry_count, doc->context.alloc);
    for (size_t i = 1; i < load->entry_count && err == CRDT_OK; i++) {
        if (load->entries[i].dot == load->entries[i - 1].dot) {
            err = crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                                "two entries of the answer have one stamp");
        }
    }
    const size_t actor_count = doc->context.actors.version.stamp_count;
    trail_need(*needs)[2] =
        crdt_resize_array(doc->context.alloc, NULL, 0, actor_count + 1, sizeof *needs);
    if (needs == NULL) {
        return CRDT_ENOMEM;
    }
    err = err != CRDT_OK ? err : reserve_trails(load, needs, actor_count);
    crdt_free(doc->context.alloc, needs, (actor_count + 1) * sizeof *needs);
    for (size_t i = 0; i < load->entry_count && err == CRDT_OK; i++) {
        const crdt_dot_place *entry = &load->entries[i];
        crdt_dot_store_list(store_of(load, is_field(entry)), slot_of(entry), entry->dot,
                            entry->tag);
    }
    return err;
}

/* ---- telling ---- */

static void mark_arrived(loading *load, bool arrived)
{
    for (size_t i = 0; i < load->entry_count; i++) {
        if (is_field(&load->entries[i])) {
            crdt_state_field(load->doc, slot_of(&load->entries[i]))->arrived = arrived;
        }
    }
}

static void tell_loaded(loading *load)
{
    crdt_document *doc = load->doc;
    if (doc->tells_conflict) {
        mark_arrived(load, true);
        for (size_t i = 0; i < load->entry_count; i++) {
            const crdt_dot_place *entry = &load->entries[i];
            if (is_field(entry)) {
                uint32_t key = crdt_dot_store_key(&doc->fields.store, slot_of(entry));
                crdt_state_tell_landed(doc, key, entry->dot);
            }
        }
        mark_arrived(load, false);
    }
    crdt_change change = {.doc = doc, .op_index = SIZE_MAX, .is_join = true};
    for (uint32_t object = crdt_dot_group_any(&doc->keys.store, doc->keys.root);
         object != 0 && doc->listener_count > 0;
         object = crdt_dot_store_next(&doc->keys.store, doc->keys.root, object)) {
        crdt_state_tell_changed(&change, crdt_state_element(doc, object)->name);
    }
}

static void raise_floor(loading *load)
{
    crdt_document *doc = load->doc;
    for (size_t i = 0; i < load->reader->floor.stamp_count; i++) {
        const crdt_stamp *floor = &load->reader->floor.stamps[i];
        crdt_remove_log_raise_floor(
            &doc->log, crdt_actors_find(&doc->context.actors, &floor->actor),
            floor->time);
    }
}

crdt_err crdt_join_load(crdt_document *doc, crdt_answer_reader *reader, crdt_diag *diag)
{
    assert(doc->context.actors.version.stamp_count == 0);
    loading load = {.doc = doc, .reader = reader};
    crdt_err err = load_version(&load);
    err = err != CRDT_OK ? err : load_items(&load);
    err = err != CRDT_OK ? err : list_entries(&load, diag);
    if (err == CRDT_OK) {
        raise_floor(&load);
        tell_loaded(&load);
    }
    free_names(&load, &load.names);
    free_names(&load, &load.persons);
    crdt_free(doc->context.alloc, load.entries,
              load.entry_capacity * sizeof *load.entries);
    if (err != CRDT_OK) {
        crdt_state_clear(doc);
    }
    return err;
}
