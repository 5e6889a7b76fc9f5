#ifndef CRDT_DOCUMENT_STATE_H
#define CRDT_DOCUMENT_STATE_H

/* Inside of the document, shared by document*.c and by nobody else.
 *
 *   keys     or_set: objects are elements of owner 0, parts are elements whose owner is
 *            the slot of their object
 *   fields   lww_map: owner is the slot of the part
 *
 * A slot exists while its key has an entry, while something exists below it, or while it is
 * pinned by the change at hand. Slots of parts and fields head no group of their own in the
 * other table: the group of an object's parts, and of a part's fields, lies in the object's
 * and the part's element. */

#include "crdt/document.h"
#include "crdt/lww_map.h"
#include "crdt/or_set.h"
#include "crdt/remove_log.h"

#define LISTENERS_MAX 8

/* An operation made ready: its names interned, its slots made, its value copied. */
typedef struct crdt_plan {
    uint32_t names[3];
    uint32_t object; /* slots; 0: does not exist and need not */
    uint32_t part;
    uint32_t field;
    crdt_lww_value value;
    uint64_t key_hash; /* of the short way only: crdt_state_field_hash */
    bool live;         /* of the short way only: the part is, so the field shows */
} crdt_plan;

struct crdt_document {
    crdt_context context;
    crdt_slots slots; /* of keys and fields: what belongs together lies together */
    crdt_or_set keys;
    crdt_lww_map fields;
    crdt_remove_log log;
    crdt_digest digest;
    crdt_document_counts counts;
    size_t log_bytes_max;
    crdt_listener listeners[LISTENERS_MAX];
    size_t listener_count;
    bool tells_dropped; /* some listener wants to know */
    bool tells_conflict;
    crdt_plan *plans; /* scratch, kept while small */
    size_t plan_capacity;
};

/* The change at hand: which operation, what its author had seen. */
typedef struct crdt_change {
    crdt_document *doc;
    size_t op_index; /* SIZE_MAX: an answer */
    crdt_seen seen;
    uint64_t
        first_time; /* entries of seen.actor from here on are of this very change */
    uint32_t first_hash; /* of the first object's name; its memory was asked for */
    bool is_join;        /* drop what `seen` includes unless it is marked as kept */
    bool watching;       /* some part is marked as watched */
    bool overwrites;     /* planned by crdt_overwrite_plan */
    const crdt_stamp *stale_after; /* report dropped siblings newer than this */
    const crdt_entry *stale_winner;
    uint32_t changed_name; /* the last object told as changed */
} crdt_change;

static inline crdt_slot *crdt_state_element(const crdt_document *doc, uint32_t slot)
{
    return crdt_dot_store_at(&doc->keys.store, slot);
}

static inline crdt_slot *crdt_state_field(const crdt_document *doc, uint32_t slot)
{
    return crdt_dot_store_at(&doc->fields.store, slot);
}

static inline crdt_group *crdt_state_group(const crdt_document *doc, uint32_t element)
{
    return crdt_or_set_group(crdt_state_element(doc, element));
}

static inline uint32_t crdt_state_find_object(const crdt_document *doc, uint32_t name)
{
    return crdt_dot_store_find(&doc->keys.store, 0, doc->keys.root, name);
}

static inline uint32_t crdt_state_find_part(const crdt_document *doc, uint32_t object,
                                            uint32_t name)
{
    return crdt_dot_store_find(&doc->keys.store, object, *crdt_state_group(doc, object),
                               name);
}

static inline uint32_t crdt_state_find_field(const crdt_document *doc, uint32_t part,
                                             uint32_t name)
{
    return crdt_dot_store_find(&doc->fields.store, part, *crdt_state_group(doc, part),
                               name);
}

static inline bool crdt_state_object_live(const crdt_document *doc, uint32_t object)
{
    return object != 0 && crdt_state_element(doc, object)->dot != 0;
}

static inline bool crdt_state_part_live(const crdt_document *doc, uint32_t part)
{
    return part != 0 && crdt_state_element(doc, part)->dot != 0 &&
           crdt_state_object_live(doc, crdt_state_element(doc, part)->owner);
}

/* The objects, the parts of an object, the fields of a part in no particular order; what
 * follows one. 0 at the end. */
static inline uint32_t crdt_state_any_object(const crdt_document *doc)
{
    return crdt_dot_group_any(&doc->keys.store, doc->keys.root);
}

static inline uint32_t crdt_state_any_part(const crdt_document *doc, uint32_t object)
{
    return crdt_dot_group_any(&doc->keys.store, *crdt_state_group(doc, object));
}

static inline uint32_t crdt_state_any_field(const crdt_document *doc, uint32_t part)
{
    return crdt_dot_group_any(&doc->fields.store, *crdt_state_group(doc, part));
}

static inline uint32_t crdt_state_next_object(const crdt_document *doc, uint32_t object)
{
    return crdt_dot_store_next(&doc->keys.store, doc->keys.root, object);
}

static inline uint32_t crdt_state_next_part(const crdt_document *doc, uint32_t part)
{
    uint32_t object = crdt_state_element(doc, part)->owner;
    return crdt_dot_store_next(&doc->keys.store, *crdt_state_group(doc, object), part);
}

static inline uint32_t crdt_state_next_field(const crdt_document *doc, uint32_t field)
{
    uint32_t part = crdt_state_field(doc, field)->owner;
    return crdt_dot_store_next(&doc->fields.store, *crdt_state_group(doc, part), field);
}

/* Slots by name; 0: none. */
uint32_t crdt_state_find(const crdt_document *doc, const crdt_key *key);

/* The first object in byte order of names; further ones by crdt_state_next_object. The order is made
 * when it is asked for, which no reader can see: so the document is const. */
uint32_t crdt_state_first_object(const crdt_document *doc);

crdt_key crdt_state_object_key(const crdt_document *doc, uint32_t object);
crdt_key crdt_state_part_key(const crdt_document *doc, uint32_t part);
crdt_key crdt_state_field_key(const crdt_document *doc, uint32_t field);
/* An entry as readers see it. */
crdt_entry crdt_state_entry(const crdt_document *doc, const crdt_slot *slot,
                            bool is_field);

/* What the remove log may take now: a small part of the document, so that what comes and
 * goes leaves next to nothing behind. */
size_t crdt_state_log_bytes_max(const crdt_document *doc);

/* Forget all that is held and known, but not the listeners. Tells nobody. */
void crdt_state_clear(crdt_document *doc);
/* As crdt_digest_key of the field's key, from the hashes of its names; and what all fields of
 * a part have of it, into which that of the field's name goes. */
uint64_t crdt_state_field_hash(const crdt_document *doc, uint32_t field);
uint64_t crdt_state_fields_hash(const crdt_document *doc, uint32_t part);

/* ---- making room (may fail) ---- */

/* Room for the plans of a batch. */
crdt_err crdt_state_reserve_plans(crdt_document *doc, size_t count);
void crdt_state_trim_plans(crdt_document *doc);

/* Slots for a key; made where missing, pinned. */
crdt_err crdt_state_make_element(crdt_document *doc, uint32_t owner, uint32_t name,
                                 uint32_t *slot);
crdt_err crdt_state_make_field(crdt_document *doc, uint32_t part, uint32_t name,
                               size_t value_size, uint32_t *slot);

/* ---- changing (cannot fail) ---- */

/* Forget a key, and then those above it, that nothing holds any more. */
void crdt_state_release_element(crdt_document *doc, uint32_t element);
void crdt_state_release_field(crdt_document *doc, uint32_t field);

/* Drop the seen entries of one key; of a whole group of fields, or of parts with all that
 * is below. Slots that nothing holds any more are forgotten. */
void crdt_state_drop_field(crdt_change *change, uint32_t field);
void crdt_state_drop_dots(crdt_change *change, uint32_t element);
void crdt_state_drop_part(crdt_change *change, uint32_t part);
void crdt_state_drop_object(crdt_change *change, uint32_t object);
/* Only the values below a part; if they are told, marks it as
 * watched if some stay and it was live. */
void crdt_state_drop_values(crdt_change *change, uint32_t part);

/* Add an entry; there must be room. */
void crdt_state_insert_dot(crdt_change *change, uint32_t element, crdt_dot dot,
                           uint32_t who);
/* The same as crdt_dot_store_place does it, to be listed later; the entry's slot is returned.
 * `key_hash`: crdt_digest_key of the key. A value is marked as arrived where that is told. */
uint32_t crdt_state_place_dot(crdt_change *change, uint32_t element, crdt_dot dot,
                              uint64_t key_hash);
uint32_t crdt_state_place_value(crdt_change *change, uint32_t field, crdt_dot dot,
                                const crdt_lww_value *value, uint64_t key_hash);
/* Drop the seen siblings of a field, which stays, and add a value: a SET. */
void crdt_state_set_value(crdt_change *change, uint32_t field, crdt_dot dot,
                          uint32_t who, const crdt_lww_value *value);

/* The value of a field that holds just one: it is about to go, it has just come. The hash is
 * that of the field's key. */
void crdt_state_leave_value(crdt_change *change, uint32_t field, uint64_t key_hash);
void crdt_state_enter_value(crdt_change *change, uint32_t field, uint64_t key_hash);

/* ---- counting (document_count.c) ---- */

typedef enum crdt_state_holding {
    CRDT_STATE_HOLDS_NONE,
    CRDT_STATE_HOLDS_ONE,
    CRDT_STATE_HOLDS_SEVERAL,
} crdt_state_holding;

static inline crdt_state_holding crdt_state_holding_of(const crdt_slot *field)
{
    return field->dot == 0               ? CRDT_STATE_HOLDS_NONE
           : crdt_slot_lower(field) == 0 ? CRDT_STATE_HOLDS_ONE
                                         : CRDT_STATE_HOLDS_SEVERAL;
}

/* After a field has come to hold more or less than `before`: O(1). */
void crdt_state_count_field(crdt_document *doc, uint32_t field,
                            crdt_state_holding before);
/* After an object or part has come to have a dot, or to have none: O(what is below). */
void crdt_state_count_element(crdt_document *doc, uint32_t element);
/* All counts from scratch: O(state). */
crdt_document_counts crdt_state_count_all(const crdt_document *doc);

/* ---- telling ---- */

/* The value of a field that holds just one is about to be written over. */
void crdt_state_tell_leave(const crdt_change *change, uint32_t field);
void crdt_state_tell_changed(crdt_change *change, uint32_t object_name);
void crdt_state_tell_conflict(const crdt_document *doc, const crdt_conflict *conflict);
/* What has become of a new value, at the end of a change: concurrent, hidden, or fine. */
void crdt_state_tell_landed(const crdt_document *doc, uint32_t field, crdt_dot dot);
/* A watched part at the end of a change: its values, if they are hidden now. */
void crdt_state_tell_watched(const crdt_document *doc, uint32_t part);

#endif /* CRDT_DOCUMENT_STATE_H */
