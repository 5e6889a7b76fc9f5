#include "crdt/document_state.h"

#include <string.h>

/* Recompute what is kept incrementally, and look at every slot once. */
typedef struct checking {
    const crdt_document *doc;
    crdt_digest digest;
    uint32_t elements;
    uint32_t fields;
} checking;

static void add_entries(checking *check, const crdt_key *key,
                        const crdt_dot_store *store, uint32_t slot)
{
    for (uint32_t id = slot; id != 0 && crdt_dot_store_at(store, id)->dot != 0;
         id = crdt_slot_lower(crdt_dot_store_at(store, id))) {
        crdt_entry entry = crdt_state_entry(check->doc, crdt_dot_store_at(store, id),
                                            key->depth == CRDT_FIELD);
        crdt_digest_add(&check->digest,
                        crdt_digest_entry(key, &entry.stamp, entry.value));
    }
}

/* No marks of a change are left, and the slot has a reason to exist. */
static bool is_sound(const crdt_slot *slot, bool has_below)
{
    return !slot->pinned && !slot->watched && !slot->kept && !slot->arrived &&
           !slot->is_sibling && (slot->dot != 0 || has_below);
}

static bool check_part(checking *check, crdt_part part)
{
    const crdt_document *doc = check->doc;
    const crdt_key part_key = crdt_state_part_key(doc, part.id);
    check->elements++;
    if (!is_sound(crdt_state_element(doc, part.id),
                  *crdt_state_group(doc, part.id) != 0)) {
        return false;
    }
    if (!crdt_dot_group_check(&doc->fields.store, *crdt_state_group(doc, part.id))) {
        return false;
    }
    add_entries(check, &part_key, &doc->keys.store, part.id);
    crdt_span before = {0};
    crdt_field field = {0};
    for (size_t i = 0; crdt_document_next_field(doc, part, &field); i++) {
        const crdt_key key = crdt_state_field_key(doc, field.id);
        check->fields++;
        if (!is_sound(crdt_state_field(doc, field.id), false) ||
            crdt_state_field(doc, field.id)->owner != part.id ||
            crdt_state_find(doc, &key) != field.id ||
            (i > 0 && crdt_span_compare(before, key.field) >= 0)) {
            return false;
        }
        before = key.field;
        add_entries(check, &key, &doc->fields.store, field.id);
    }
    return true;
}

static bool check_object(checking *check, crdt_object object)
{
    const crdt_document *doc = check->doc;
    const crdt_key key = crdt_state_object_key(doc, object.id);
    check->elements++;
    if (!is_sound(crdt_state_element(doc, object.id),
                  *crdt_state_group(doc, object.id) != 0) ||
        crdt_state_element(doc, object.id)->owner != 0 ||
        crdt_state_find(doc, &key) != object.id) {
        return false;
    }
    add_entries(check, &key, &doc->keys.store, object.id);
    crdt_span before = {0};
    crdt_part part = {0};
    for (size_t i = 0; crdt_document_next_part(doc, object, &part); i++) {
        crdt_span name = crdt_document_part_name(doc, part);
        const crdt_key part_key = crdt_state_part_key(doc, part.id);
        if (crdt_state_element(doc, part.id)->owner != object.id ||
            crdt_state_find(doc, &part_key) != part.id ||
            (i > 0 && crdt_span_compare(before, name) >= 0) ||
            !check_part(check, part)) {
            return false;
        }
        before = name;
    }
    return true;
}

static bool check_actors(const crdt_actors *actors)
{
    uint64_t time_max = 0;
    for (size_t i = 0; i < actors->version.stamp_count; i++) {
        const crdt_stamp *stamp = &actors->version.stamps[i];
        uint16_t number = actors->rank_numbers[i];
        if (number == 0 || number > actors->version.stamp_count ||
            !crdt_actor_equal(&actors->names[number - 1], &stamp->actor) ||
            actors->times[number - 1] != stamp->time) {
            return false;
        }
        time_max = stamp->time > time_max ? stamp->time : time_max;
    }
    return time_max == actors->time_max && crdt_version_check(&actors->version);
}

bool crdt_document_check(const crdt_document *doc)
{
    checking check = {.doc = doc};
    crdt_object object = {0};
    while (crdt_document_next_object(doc, &object)) {
        if (!check_object(&check, object)) {
            return false;
        }
    }
    const crdt_document_counts counts = crdt_state_count_all(doc);
    return memcmp(&counts, &doc->counts, sizeof counts) == 0 &&
           check.elements == doc->keys.store.key_count &&
           check.fields == doc->fields.store.key_count &&
           crdt_digest_equal(check.digest, doc->digest) &&
           check_actors(&doc->context.actors) &&
           crdt_dot_group_check(&doc->keys.store, doc->keys.root) &&
           crdt_dot_store_check(&doc->keys.store) &&
           crdt_dot_store_check(&doc->fields.store) && crdt_remove_log_check(&doc->log);
}
