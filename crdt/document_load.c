#include "crdt/document_join.h"
#include "crdt/document_listing.h"
#include "crdt/mutant.h"

#include <assert.h>

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
    crdt_listing listing;
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
    /* Items take some bytes each: what is bounded by them is bounded by entries. */
    return crdt_listing_open(&load->listing, doc,
                             reader->is_packed
                                 ? reader->unpacked_size
                                 : (size_t)(reader->in.end - reader->in.at));
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

/* Room beside the entry that the key has already. */
static crdt_err reserve_beside(loading *load, crdt_dot_store *store)
{
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
    if (err == CRDT_OK && load->beside) {
        err = reserve_beside(load, store_of(load, of_field));
    }
    load->beside = true;
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
    crdt_digest_add(&doc->digest,
                    crdt_digest_term(load->hash, &item->stamp, item->value));
    return crdt_listing_add(&load->listing, slot, dot, who);
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

/* ---- telling ---- */

static void mark_arrived(loading *load, bool arrived)
{
    const crdt_dot_store *store = &load->doc->fields.store;
    for (uint32_t id = crdt_dot_store_walk_all(store, 0); id != 0;
         id = crdt_dot_store_walk_all(store, id)) {
        crdt_dot_store_at(store, id)->arrived = arrived;
    }
}

static void tell_loaded(loading *load)
{
    crdt_document *doc = load->doc;
    const crdt_dot_store *store = &doc->fields.store;
    if (doc->tells_conflict) {
        mark_arrived(load, true);
        for (uint32_t id = crdt_dot_store_walk_all(store, 0); id != 0;
             id = crdt_dot_store_walk_all(store, id)) {
            crdt_state_tell_landed(doc, crdt_dot_store_key(store, id),
                                   crdt_dot_store_at(store, id)->dot);
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
    err = err != CRDT_OK ? err : crdt_listing_finish(&load.listing, diag);
    if (err == CRDT_OK) {
        raise_floor(&load);
        tell_loaded(&load);
    }
    free_names(&load, &load.names);
    free_names(&load, &load.persons);
    crdt_listing_close(&load.listing);
    if (err != CRDT_OK) {
        crdt_state_clear(doc);
    }
    return err;
}
