#include "crdt/document_state.h"

#include "crdt/mutant.h"

#include <assert.h>

static const crdt_names *names_of(const crdt_document *doc)
{
    return &doc->context.names;
}

uint32_t crdt_state_find(const crdt_document *doc, const crdt_key *key)
{
    const crdt_names *names = names_of(doc);
    uint32_t name = crdt_names_find(names, key->object);
    uint32_t slot = name == 0 ? 0 : crdt_state_find_object(doc, name);
    if (slot == 0 || key->depth == CRDT_OBJECT) {
        return slot;
    }
    name = crdt_names_find(names, key->part);
    slot = name == 0 ? 0 : crdt_state_find_part(doc, slot, name);
    if (slot == 0 || key->depth == CRDT_PART) {
        return slot;
    }
    name = crdt_names_find(names, key->field);
    return name == 0 ? 0 : crdt_state_find_field(doc, slot, name);
}

uint32_t crdt_state_first_object(const crdt_document *doc)
{
    crdt_group *root = (crdt_group *)(uintptr_t)&doc->keys.root;
    return crdt_dot_store_first(&doc->keys.store, root);
}

crdt_key crdt_state_object_key(const crdt_document *doc, uint32_t object)
{
    return crdt_key_object(
        crdt_names_get(names_of(doc), crdt_state_element(doc, object)->name));
}

crdt_key crdt_state_part_key(const crdt_document *doc, uint32_t part)
{
    const crdt_slot *slot = crdt_state_element(doc, part);
    const crdt_slot *object = crdt_state_element(doc, slot->owner);
    return crdt_key_part(crdt_names_get(names_of(doc), object->name),
                         crdt_names_get(names_of(doc), slot->name));
}

crdt_key crdt_state_field_key(const crdt_document *doc, uint32_t field)
{
    const crdt_slot *slot = crdt_state_field(doc, field);
    crdt_key key = crdt_state_part_key(doc, slot->owner);
    key.depth = CRDT_FIELD;
    key.field = crdt_names_get(names_of(doc), slot->name);
    return key;
}

static crdt_key key_of_element(const crdt_document *doc, uint32_t element)
{
    return crdt_state_element(doc, element)->owner == 0
               ? crdt_state_object_key(doc, element)
               : crdt_state_part_key(doc, element);
}

static uint64_t hash_of_element(const crdt_document *doc, uint32_t element)
{
    const crdt_slot *slot = crdt_state_element(doc, element);
    uint64_t hash = crdt_digest_key_begin(slot->owner == 0 ? CRDT_OBJECT : CRDT_PART);
    if (slot->owner != 0) {
        uint32_t object_name = crdt_state_element(doc, slot->owner)->name;
        hash = crdt_digest_key_add(hash, crdt_names_hash(names_of(doc), object_name));
    }
    return crdt_digest_key_add(hash, crdt_names_hash(names_of(doc), slot->name));
}

uint64_t crdt_state_fields_hash(const crdt_document *doc, uint32_t part)
{
    const crdt_slot *slot = crdt_state_element(doc, part);
    uint32_t object_name = crdt_state_element(doc, slot->owner)->name;
    uint64_t hash = crdt_digest_key_begin(CRDT_FIELD);
    hash = crdt_digest_key_add(hash, crdt_names_hash(names_of(doc), object_name));
    return crdt_digest_key_add(hash, crdt_names_hash(names_of(doc), slot->name));
}

uint64_t crdt_state_field_hash(const crdt_document *doc, uint32_t field)
{
    const crdt_slot *slot = crdt_state_field(doc, field);
    return crdt_digest_key_add(crdt_state_fields_hash(doc, slot->owner),
                               crdt_names_hash(names_of(doc), slot->name));
}

crdt_entry crdt_state_entry(const crdt_document *doc, const crdt_slot *slot,
                            bool is_field)
{
    const crdt_dot_store *store = is_field ? &doc->fields.store : &doc->keys.store;
    return (crdt_entry){
        .stamp = crdt_actors_stamp(&doc->context.actors, slot->dot),
        .who = crdt_names_get(names_of(doc), crdt_dot_store_who(store, slot)),
        .value = is_field ? crdt_lww_map_value(slot) : (crdt_span){0}};
}

/* ---- the remove log ---- */

#define LOG_BYTES_MIN ((size_t)256 << 10)
#define LOG_PART 256u
#define KEY_BYTES 48u /* a key with a small value, about */

size_t crdt_state_log_bytes_max(const crdt_document *doc)
{
    size_t keys = (size_t)doc->keys.store.key_count + doc->fields.store.key_count;
    size_t bytes = LOG_BYTES_MIN + keys * KEY_BYTES / LOG_PART;
    return bytes < doc->log_bytes_max ? bytes : doc->log_bytes_max;
}

/* ---- plans ---- */

#define PLANS_KEPT 1024u /* scratch above this is freed after use */

crdt_err crdt_state_reserve_plans(crdt_document *doc, size_t count)
{
    if (count <= doc->plan_capacity) {
        return CRDT_OK;
    }
    crdt_plan *plans = crdt_resize_array(doc->context.alloc, doc->plans,
                                         doc->plan_capacity, count, sizeof *plans);
    if (plans == NULL) {
        return CRDT_ENOMEM;
    }
    doc->plans = plans;
    doc->plan_capacity = count;
    return CRDT_OK;
}

void crdt_state_trim_plans(crdt_document *doc)
{
    if (doc->plan_capacity > PLANS_KEPT) {
        crdt_free(doc->context.alloc, doc->plans,
                  doc->plan_capacity * sizeof *doc->plans);
        doc->plans = NULL;
        doc->plan_capacity = 0;
    }
}

/* ---- slots ---- */

crdt_err crdt_state_make_element(crdt_document *doc, uint32_t owner, uint32_t name,
                                 uint32_t *slot)
{
    crdt_group *group = owner == 0 ? &doc->keys.root : crdt_state_group(doc, owner);
    crdt_err err = crdt_dot_store_make(&doc->keys.store, owner, group, name, 0, slot);
    if (err == CRDT_OK) {
        crdt_state_element(doc, *slot)->pinned = 1;
    }
    return err;
}

crdt_err crdt_state_make_field(crdt_document *doc, uint32_t part, uint32_t name,
                               size_t value_size, uint32_t *slot)
{
    crdt_err err =
        crdt_dot_store_make(&doc->fields.store, part, crdt_state_group(doc, part), name,
                            crdt_lww_map_kind(value_size), slot);
    if (err == CRDT_OK) {
        crdt_state_field(doc, *slot)->pinned = 1;
    }
    return err;
}

/* At most two steps up: from a part to its object. */
void crdt_state_release_element(crdt_document *doc, uint32_t element)
{
    while (element != 0) {
        crdt_slot *slot = crdt_state_element(doc, element);
        if (slot->dot != 0 || slot->pinned || *crdt_or_set_group(slot) != 0) {
            return;
        }
        uint32_t owner = slot->owner;
        crdt_group *group = owner == 0 ? &doc->keys.root : crdt_state_group(doc, owner);
        crdt_dot_store_drop(&doc->keys.store, group, element);
        element = owner;
    }
}

void crdt_state_release_field(crdt_document *doc, uint32_t field)
{
    const crdt_slot *slot = crdt_state_field(doc, field);
    if (slot->dot != 0 || slot->pinned || MUTANT(128)) {
        return;
    }
    uint32_t part = slot->owner;
    crdt_dot_store_drop(&doc->fields.store, crdt_state_group(doc, part), field);
    crdt_state_release_element(doc, part);
}

/* ---- dropping ---- */

static bool is_dropped(const crdt_change *change, const crdt_slot *slot)
{
    return !(change->is_join && slot->kept && !MUTANT(127)) &&
           crdt_seen_includes(&change->seen, &change->doc->context.actors, slot->dot);
}

static bool is_of_change(const crdt_change *change, crdt_dot dot)
{
    return change->seen.actor != 0 && crdt_dot_actor(dot) == change->seen.actor &&
           crdt_dot_time(dot) >= change->first_time;
}

static void tell_dropped(const crdt_change *change, const crdt_key *key,
                         const crdt_entry *entry, bool was_live)
{
    const crdt_document *doc = change->doc;
    for (size_t i = 0; i < doc->listener_count; i++) {
        const crdt_listener *listener = &doc->listeners[i];
        if (listener->dropped != NULL) {
            listener->dropped(listener->ctx, change->op_index, key, entry, was_live);
        }
    }
}

static void tell_stale(const crdt_change *change, const crdt_key *key,
                       const crdt_entry *entry)
{
    if (crdt_stamp_compare(&entry->stamp, change->stale_after) > 0) {
        crdt_conflict conflict = {.kind = CRDT_CONFLICT_STALE,
                                  .key = *key,
                                  .loser = *entry,
                                  .winner = *change->stale_winner};
        crdt_state_tell_conflict(change->doc, &conflict);
    }
}

/* What listeners hear of an entry that is about to go; `key_slot` is the key's. */
static void tell_leave(const crdt_change *change, uint32_t key_slot,
                       const crdt_slot *slot, bool is_field, bool was_live)
{
    const crdt_document *doc = change->doc;
    bool own = is_of_change(change, slot->dot);
    const crdt_entry entry = crdt_state_entry(doc, slot, is_field);
    const crdt_key key =
        is_field ? crdt_state_field_key(doc, key_slot) : key_of_element(doc, key_slot);
    if (doc->tells_dropped) {
        tell_dropped(change, &key, &entry, was_live && !own);
    }
    if (is_field && change->stale_after != NULL && !own) {
        tell_stale(change, &key, &entry);
    }
}

/* All that an entry leaves behind when it goes: the digest, the listeners. */
static void take_leave(crdt_change *change, uint64_t key_hash, uint32_t key_slot,
                       const crdt_slot *slot, bool is_field, bool was_live)
{
    crdt_document *doc = change->doc;
    const crdt_stamp stamp = crdt_actors_stamp(&doc->context.actors, slot->dot);
    const crdt_span value = is_field ? crdt_lww_map_value(slot) : (crdt_span){0};
    if (is_field || !MUTANT(126)) {
        crdt_digest_subtract(&doc->digest, crdt_digest_term(key_hash, &stamp, value));
    }
    if (doc->tells_dropped || change->stale_after != NULL) {
        tell_leave(change, key_slot, slot, is_field, was_live);
    }
}

/* The highest sibling that the author may have seen: it had seen nothing of its own time. */
static uint32_t first_seen(const crdt_change *change, uint32_t field)
{
    const crdt_seen *seen = &change->seen;
    if (change->is_join || seen->all || seen->actor == 0 ||
        crdt_slot_lower(crdt_state_field(change->doc, field)) == 0) {
        return field;
    }
    return crdt_dot_store_before(&change->doc->fields.store, field, seen->time);
}

static void drop_siblings(crdt_change *change, uint32_t field, uint64_t key_hash)
{
    crdt_document *doc = change->doc;
    const crdt_dot shown = crdt_state_field(doc, field)->dot;
    const crdt_state_holding before =
        crdt_state_holding_of(crdt_state_field(doc, field));
    bool live = (doc->tells_dropped) &&
                crdt_state_part_live(doc, crdt_state_field(doc, field)->owner);
    for (uint32_t id = first_seen(change, field); id != 0;) {
        const crdt_slot *slot = crdt_state_field(doc, id);
        if (slot->dot == 0) {
            break;
        }
        if (is_dropped(change, slot)) {
            take_leave(change, key_hash, field, slot, true, live && slot->dot == shown);
            id = crdt_lww_map_remove(&doc->fields, field, id);
        } else {
            id = crdt_slot_lower(slot);
        }
    }
    crdt_state_count_field(doc, field, before);
}

static void drop_values_of(crdt_change *change, uint32_t field)
{
    if (crdt_state_field(change->doc, field)->dot != 0) {
        drop_siblings(change, field, crdt_state_field_hash(change->doc, field));
    }
}

void crdt_state_drop_field(crdt_change *change, uint32_t field)
{
    drop_values_of(change, field);
    crdt_state_release_field(change->doc, field);
}

void crdt_state_drop_dots(crdt_change *change, uint32_t element)
{
    crdt_document *doc = change->doc;
    if (crdt_state_element(doc, element)->dot == 0) {
        return;
    }
    const uint64_t key_hash = hash_of_element(doc, element);
    bool live = crdt_state_element(doc, element)->owner == 0 ||
                crdt_state_part_live(doc, element);
    for (uint32_t id = element; id != 0;) {
        const crdt_slot *slot = crdt_state_element(doc, id);
        if (slot->dot == 0) {
            break;
        }
        if (is_dropped(change, slot)) {
            take_leave(change, key_hash, element, slot, false, live);
            id = crdt_dot_store_remove(&doc->keys.store, element, id);
        } else {
            id = crdt_slot_lower(slot);
        }
    }
    if (crdt_state_element(doc, element)->dot == 0) {
        crdt_state_count_element(doc, element);
    }
}

void crdt_state_drop_values(crdt_change *change, uint32_t part)
{
    crdt_document *doc = change->doc;
    bool live = crdt_state_part_live(doc, part);
    bool was_pinned = crdt_state_element(doc, part)->pinned;
    crdt_state_element(doc, part)->pinned =
        1; /* its last field must not take it away */
    bool some_stay = false;
    for (uint32_t field = crdt_state_any_field(doc, part); field != 0;) {
        uint32_t next = crdt_state_next_field(doc, field);
        drop_values_of(change, field);
        some_stay = some_stay || MUTANT(129) || crdt_state_field(doc, field)->dot != 0;
        crdt_state_release_field(doc, field);
        field = next;
    }
    crdt_slot *slot = crdt_state_element(doc, part);
    slot->pinned = was_pinned;
    if (some_stay && live && doc->tells_conflict) {
        slot->watched = 1;
        change->watching = true;
    }
}

void crdt_state_drop_part(crdt_change *change, uint32_t part)
{
    crdt_state_drop_values(change, part);
    if (!MUTANT(124)) {
        crdt_state_drop_dots(change, part);
    }
    crdt_state_release_element(change->doc, part);
}

void crdt_state_drop_object(crdt_change *change, uint32_t object)
{
    crdt_document *doc = change->doc;
    bool was_pinned = crdt_state_element(doc, object)->pinned;
    crdt_state_element(doc, object)->pinned = 1;
    for (uint32_t part = crdt_state_any_part(doc, object); part != 0 && !MUTANT(18);) {
        uint32_t next = crdt_state_next_part(doc, part);
        crdt_state_drop_part(change, part);
        part = next;
    }
    crdt_state_drop_dots(change, object);
    crdt_state_element(doc, object)->pinned = was_pinned;
    crdt_state_release_element(doc, object);
}

/* ---- inserting ---- */

uint32_t crdt_state_place_dot(crdt_change *change, uint32_t element, crdt_dot dot,
                              uint64_t key_hash)
{
    crdt_document *doc = change->doc;
    const bool had_dot = crdt_state_element(doc, element)->dot != 0;
    const uint32_t entry = crdt_dot_store_place(&doc->keys.store, element, dot);
    if (!had_dot) {
        crdt_state_count_element(doc, element);
    }
    const crdt_stamp stamp = crdt_actors_stamp(&doc->context.actors, dot);
    if (!MUTANT(125)) {
        crdt_digest_add(&doc->digest,
                        crdt_digest_term(key_hash, &stamp, (crdt_span){0}));
    }
    return entry;
}

void crdt_state_insert_dot(crdt_change *change, uint32_t element, crdt_dot dot,
                           uint32_t who)
{
    const uint64_t key_hash = hash_of_element(change->doc, element);
    const uint32_t entry = crdt_state_place_dot(change, element, dot, key_hash);
    crdt_dot_store_list(&change->doc->keys.store, entry, dot, who);
}

static uint32_t place_value(crdt_change *change, uint32_t field, crdt_dot dot,
                            const crdt_lww_value *value, uint64_t key_hash)
{
    crdt_document *doc = change->doc;
    const crdt_state_holding before =
        crdt_state_holding_of(crdt_state_field(doc, field));
    uint32_t entry = crdt_lww_map_place(&doc->fields, field, dot, value);
    crdt_state_count_field(doc, field, before);
    const crdt_stamp stamp = crdt_actors_stamp(&doc->context.actors, dot);
    const crdt_span bytes = crdt_lww_map_value(crdt_state_field(doc, entry));
    crdt_digest_add(&doc->digest, crdt_digest_term(key_hash, &stamp, bytes));
    return entry;
}

uint32_t crdt_state_place_value(crdt_change *change, uint32_t field, crdt_dot dot,
                                const crdt_lww_value *value, uint64_t key_hash)
{
    uint32_t entry = place_value(change, field, dot, value, key_hash);
    if (change->doc->tells_conflict) {
        crdt_state_field(change->doc, entry)->arrived = 1;
    }
    return entry;
}

void crdt_state_set_value(crdt_change *change, uint32_t field, crdt_dot dot,
                          uint32_t who, const crdt_lww_value *value)
{
    const uint64_t key_hash = crdt_state_field_hash(change->doc, field);
    drop_siblings(change, field, key_hash);
    const uint32_t entry = place_value(change, field, dot, value, key_hash);
    crdt_dot_store_list(&change->doc->fields.store, entry, dot, who);
}

void crdt_state_tell_leave(const crdt_change *change, uint32_t field)
{
    const crdt_document *doc = change->doc;
    if (doc->tells_dropped || change->stale_after != NULL) {
        const crdt_slot *slot = crdt_state_field(doc, field);
        tell_leave(change, field, slot, true, crdt_state_part_live(doc, slot->owner));
    }
}

void crdt_state_leave_value(crdt_change *change, uint32_t field, uint64_t key_hash)
{
    const crdt_document *doc = change->doc;
    const crdt_slot *slot = crdt_state_field(doc, field);
    take_leave(change, key_hash, field, slot, true,
               doc->tells_dropped && crdt_state_part_live(doc, slot->owner));
}

void crdt_state_enter_value(crdt_change *change, uint32_t field, uint64_t key_hash)
{
    crdt_document *doc = change->doc;
    const crdt_slot *slot = crdt_state_field(doc, field);
    const crdt_stamp stamp = crdt_actors_stamp(&doc->context.actors, slot->dot);
    if (!MUTANT(34)) {
        crdt_digest_add(&doc->digest,
                        crdt_digest_term(key_hash, &stamp, crdt_lww_map_value(slot)));
    }
}

/* ---- telling ---- */

void crdt_state_tell_changed(crdt_change *change, uint32_t object_name)
{
    const crdt_document *doc = change->doc;
    if (object_name == change->changed_name) {
        return;
    }
    change->changed_name = object_name;
    for (size_t i = 0; i < doc->listener_count; i++) {
        if (doc->listeners[i].changed != NULL) {
            doc->listeners[i].changed(doc->listeners[i].ctx,
                                      crdt_names_get(names_of(doc), object_name));
        }
    }
}

void crdt_state_tell_conflict(const crdt_document *doc, const crdt_conflict *conflict)
{
    for (size_t i = 0; i < doc->listener_count; i++) {
        if (doc->listeners[i].conflict != NULL) {
            doc->listeners[i].conflict(doc->listeners[i].ctx, conflict);
        }
    }
}

void crdt_state_tell_landed(const crdt_document *doc, uint32_t field, crdt_dot dot)
{
    const crdt_slot *shown = crdt_state_field(doc, field);
    uint32_t entry = crdt_throng_find(&doc->fields.store, field, dot);
    if (entry == 0) {
        return; /* a later operation of the same change dropped it */
    }
    const crdt_slot *landed = crdt_state_field(doc, entry);
    bool live = crdt_state_part_live(doc, shown->owner);
    if (live && landed == shown && crdt_slot_lower(shown) == 0) {
        return;
    }
    crdt_conflict conflict = {.kind = CRDT_CONFLICT_REMOVED,
                              .key = crdt_state_field_key(doc, field),
                              .loser = crdt_state_entry(doc, landed, true)};
    if (live) {
        conflict.kind = CRDT_CONFLICT_CONCURRENT;
        conflict.winner = crdt_state_entry(doc, shown, true);
        if (landed == shown) { /* the one that showed until now */
            const crdt_slot *loser = crdt_state_field(doc, crdt_slot_lower(shown));
            if (loser->arrived) {
                return; /* which is told when it is its turn */
            }
            conflict.loser = crdt_state_entry(doc, loser, true);
        }
    }
    crdt_state_tell_conflict(doc, &conflict);
}

void crdt_state_tell_watched(const crdt_document *doc, uint32_t part)
{
    crdt_slot *slot = crdt_state_element(doc, part);
    if (!slot->watched) {
        return;
    }
    slot->watched = 0;
    if (!doc->tells_conflict || crdt_state_part_live(doc, part)) {
        return;
    }
    for (uint32_t field =
             crdt_dot_store_first(&doc->fields.store, crdt_state_group(doc, part));
         field != 0; field = crdt_state_next_field(doc, field)) {
        if (crdt_state_field(doc, field)->dot == 0) {
            continue;
        }
        for (uint32_t id = field; id != 0;
             id = crdt_slot_lower(crdt_state_field(doc, id))) {
            crdt_conflict conflict = {
                .kind = CRDT_CONFLICT_REMOVED,
                .key = crdt_state_field_key(doc, field),
                .loser = crdt_state_entry(doc, crdt_state_field(doc, id), true)};
            crdt_state_tell_conflict(doc, &conflict);
        }
    }
}
