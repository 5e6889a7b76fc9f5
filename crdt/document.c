#include "crdt/document_state.h"

#include <assert.h>

crdt_document_options crdt_document_options_default(void)
{
    return (crdt_document_options){.alloc = crdt_alloc_default(),
                                   .log_bytes_max = (size_t)4 << 20};
}

static void init_state(crdt_document *doc, crdt_alloc alloc, uint64_t hash_seed)
{
    crdt_context_init(&doc->context, alloc, hash_seed);
    crdt_slots_init(&doc->slots, alloc);
    crdt_or_set_init(&doc->keys, &doc->context, &doc->slots);
    doc->keys.store.by_name = true;
    crdt_lww_map_init(&doc->fields, &doc->context, &doc->slots);
    crdt_remove_log_init(&doc->log, &doc->context);
    doc->digest = (crdt_digest){0};
    doc->counts = (crdt_document_counts){0};
}

static void deinit_state(crdt_document *doc)
{
    crdt_remove_log_deinit(&doc->log);
    crdt_lww_map_deinit(&doc->fields);
    crdt_or_set_deinit(&doc->keys);
    crdt_slots_deinit(&doc->slots);
    crdt_context_deinit(&doc->context);
}

void crdt_state_clear(crdt_document *doc)
{
    const crdt_alloc alloc = doc->context.alloc;
    const uint64_t hash_seed = doc->context.hash_seed;
    deinit_state(doc);
    init_state(doc, alloc, hash_seed);
}

crdt_err crdt_document_open(crdt_document **out, const crdt_document_options *options)
{
    crdt_document *doc = crdt_allocate(options->alloc, sizeof *doc);
    if (doc == NULL) {
        return CRDT_ENOMEM;
    }
    *doc = (crdt_document){.log_bytes_max = options->log_bytes_max};
    init_state(doc, options->alloc, options->hash_seed);
    *out = doc;
    return CRDT_OK;
}

void crdt_document_close(crdt_document *doc)
{
    if (doc == NULL) {
        return;
    }
    crdt_alloc alloc = doc->context.alloc;
    crdt_free(alloc, doc->plans, doc->plan_capacity * sizeof *doc->plans);
    deinit_state(doc);
    crdt_free(alloc, doc, sizeof *doc);
}

/* ---- listeners ---- */

static void note_wishes(crdt_document *doc)
{
    doc->tells_dropped = false;
    doc->tells_conflict = false;
    for (size_t i = 0; i < doc->listener_count; i++) {
        doc->tells_dropped |= doc->listeners[i].dropped != NULL;
        doc->tells_conflict |= doc->listeners[i].conflict != NULL;
    }
}

crdt_err crdt_document_listen(crdt_document *doc, const crdt_listener *listener)
{
    if (doc->listener_count == LISTENERS_MAX) {
        return CRDT_ELIMIT;
    }
    doc->listeners[doc->listener_count++] = *listener;
    note_wishes(doc);
    return CRDT_OK;
}

void crdt_document_unlisten(crdt_document *doc, const void *ctx)
{
    size_t kept = 0;
    for (size_t i = 0; i < doc->listener_count; i++) {
        if (doc->listeners[i].ctx != ctx) {
            doc->listeners[kept++] = doc->listeners[i];
        }
    }
    doc->listener_count = kept;
    note_wishes(doc);
}

/* ---- reading ---- */

void crdt_document_trim_log(crdt_document *doc, size_t bytes)
{
    crdt_remove_log_trim(&doc->log, bytes);
}

const crdt_version *crdt_document_version(const crdt_document *doc)
{
    return &doc->context.actors.version;
}

crdt_digest crdt_document_digest(const crdt_document *doc)
{
    return doc->digest;
}

bool crdt_document_has_name(const crdt_document *doc, crdt_span name)
{
    return crdt_names_find(&doc->context.names, name) != 0;
}

crdt_object crdt_document_find_object(const crdt_document *doc, crdt_span object)
{
    const crdt_key key = crdt_key_object(object);
    return (crdt_object){crdt_state_find(doc, &key)};
}

crdt_part crdt_document_find_part(const crdt_document *doc, crdt_object object,
                                  crdt_span part)
{
    uint32_t name = crdt_names_find(&doc->context.names, part);
    bool none = name == 0 || object.id == 0;
    return (crdt_part){none ? 0 : crdt_state_find_part(doc, object.id, name)};
}

crdt_field crdt_document_find_field(const crdt_document *doc, crdt_part part,
                                    crdt_span field)
{
    uint32_t name = crdt_names_find(&doc->context.names, field);
    bool none = name == 0 || part.id == 0;
    return (crdt_field){none ? 0 : crdt_state_find_field(doc, part.id, name)};
}

bool crdt_document_next_object(const crdt_document *doc, crdt_object *object)
{
    object->id = object->id == 0 ? crdt_state_first_object(doc)
                                 : crdt_state_next_object(doc, object->id);
    return object->id != 0;
}

bool crdt_document_next_part(const crdt_document *doc, crdt_object object,
                             crdt_part *part)
{
    if (object.id == 0) {
        *part = (crdt_part){0};
    } else if (part->id == 0) {
        part->id =
            crdt_dot_store_first(&doc->keys.store, crdt_state_group(doc, object.id));
    } else {
        part->id = crdt_state_next_part(doc, part->id);
    }
    return part->id != 0;
}

bool crdt_document_next_field(const crdt_document *doc, crdt_part part,
                              crdt_field *field)
{
    if (part.id == 0) {
        *field = (crdt_field){0};
    } else if (field->id == 0) {
        field->id =
            crdt_dot_store_first(&doc->fields.store, crdt_state_group(doc, part.id));
    } else {
        field->id = crdt_state_next_field(doc, field->id);
    }
    return field->id != 0;
}

crdt_span crdt_document_object_name(const crdt_document *doc, crdt_object object)
{
    return crdt_names_get(&doc->context.names,
                          crdt_state_element(doc, object.id)->name);
}

crdt_span crdt_document_part_name(const crdt_document *doc, crdt_part part)
{
    return crdt_names_get(&doc->context.names, crdt_state_element(doc, part.id)->name);
}

crdt_span crdt_document_field_name(const crdt_document *doc, crdt_field field)
{
    return crdt_names_get(&doc->context.names, crdt_state_field(doc, field.id)->name);
}

bool crdt_document_object_live(const crdt_document *doc, crdt_object object)
{
    return crdt_state_object_live(doc, object.id);
}

bool crdt_document_part_live(const crdt_document *doc, crdt_part part)
{
    return crdt_state_part_live(doc, part.id);
}

static bool find_entry(const crdt_document *doc, const crdt_dot_store *store,
                       uint32_t slot, size_t index, crdt_entry *entry)
{
    if (slot == 0 || crdt_dot_store_at(store, slot)->dot == 0) {
        return false;
    }
    for (; index > 0 && slot != 0; index--) {
        slot = crdt_slot_lower(crdt_dot_store_at(store, slot));
    }
    if (slot == 0) {
        return false;
    }
    *entry = crdt_state_entry(doc, crdt_dot_store_at(store, slot),
                              store == &doc->fields.store);
    return true;
}

bool crdt_document_object_dot(const crdt_document *doc, crdt_object object,
                              size_t index, crdt_entry *entry)
{
    return find_entry(doc, &doc->keys.store, object.id, index, entry);
}

bool crdt_document_part_dot(const crdt_document *doc, crdt_part part, size_t index,
                            crdt_entry *entry)
{
    return find_entry(doc, &doc->keys.store, part.id, index, entry);
}

bool crdt_document_field_value(const crdt_document *doc, crdt_field field, size_t index,
                               crdt_entry *entry)
{
    return find_entry(doc, &doc->fields.store, field.id, index, entry);
}

bool crdt_document_get(const crdt_document *doc, const crdt_key *key, crdt_span *value)
{
    assert(key->depth == CRDT_FIELD);
    uint32_t field = crdt_state_find(doc, key);
    if (field == 0) {
        return false;
    }
    const crdt_slot *slot = crdt_state_field(doc, field);
    if (slot->dot == 0 || !crdt_state_part_live(doc, slot->owner)) {
        return false;
    }
    *value = crdt_lww_map_value(slot);
    return true;
}

bool crdt_document_live(const crdt_document *doc, const crdt_key *key)
{
    assert(key->depth != CRDT_FIELD);
    uint32_t slot = crdt_state_find(doc, key);
    return key->depth == CRDT_OBJECT ? crdt_state_object_live(doc, slot)
                                     : crdt_state_part_live(doc, slot);
}

/* ---- conflicts that stand ---- */

static bool visit_field(const crdt_document *doc, uint32_t field, bool live,
                        bool (*visit)(void *ctx, const crdt_conflict *conflict),
                        void *ctx)
{
    const crdt_slot *shown = crdt_state_field(doc, field);
    if (shown->dot == 0) {
        return true;
    }
    crdt_conflict conflict = {.kind = CRDT_CONFLICT_REMOVED,
                              .key = crdt_state_field_key(doc, field)};
    if (live) {
        conflict.kind = CRDT_CONFLICT_CONCURRENT;
        conflict.winner = crdt_state_entry(doc, shown, true);
    }
    for (uint32_t id = live ? crdt_slot_lower(shown) : field; id != 0;
         id = crdt_slot_lower(crdt_state_field(doc, id))) {
        conflict.loser = crdt_state_entry(doc, crdt_state_field(doc, id), true);
        if (!visit(ctx, &conflict)) {
            return false;
        }
    }
    return true;
}

crdt_err crdt_document_conflicts(const crdt_document *doc,
                                 bool (*visit)(void *ctx,
                                               const crdt_conflict *conflict),
                                 void *ctx)
{
    crdt_object object = {crdt_state_first_object(doc)};
    for (; object.id != 0; object.id = crdt_state_next_object(doc, object.id)) {
        crdt_part part = {0};
        while (crdt_document_next_part(doc, object, &part)) {
            bool live = crdt_state_part_live(doc, part.id);
            crdt_field field = {0};
            while (crdt_document_next_field(doc, part, &field)) {
                if (!visit_field(doc, field.id, live, visit, ctx)) {
                    return CRDT_OK;
                }
            }
        }
    }
    return CRDT_OK;
}
