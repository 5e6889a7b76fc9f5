#include "scene/invert.h"

#include "crdt/mutant.h"

#include "scene/edit_parent.h"
#include "scene/name_set.h"
#include "scene/touch.h"

#include <assert.h>
#include <string.h>

#define NO_OP SCENE_TOUCH_NO_OP

typedef scene_touch touch;

typedef struct inverter {
    const scene_invert_who *who;
    const crdt_document *doc;
    scene_edit *edit;
    bool rehearsal; /* nothing is reported */
    scene_touches did;
    scene_name_set occupied; /* created entities below which others hung something */
} inverter;

static crdt_err skip(const inverter *inv, const crdt_key *key, scene_undo_reason reason)
{
    return inv->rehearsal ? CRDT_OK : inv->who->skip(inv->who->ctx, key, reason);
}

static crdt_err emit(const inverter *inv, crdt_op_kind kind, const crdt_key *key,
                     crdt_span value)
{
    return scene_edit_push(inv->edit, kind, *key, value);
}

/* Is the last that was done to the very key of this kind? */
static bool ends_with(const inverter *inv, const touch *t, crdt_op_kind kind)
{
    return t->last_op != NO_OP && inv->did.ops[t->last_op].op->kind == kind;
}

/* ---- who else was here ---- */

static crdt_part part_of(const inverter *inv, const crdt_key *key)
{
    crdt_object object = crdt_document_find_object(inv->doc, key->object);
    return object.id == 0 ? (crdt_part){0}
                          : crdt_document_find_part(inv->doc, object, key->part);
}

static bool owns_entry(const inverter *inv, const crdt_entry *entry)
{
    return inv->who->is_own(inv->who->ctx, &entry->stamp, entry->who);
}

static bool owns_part(const inverter *inv, crdt_part part)
{
    crdt_entry entry;
    for (size_t i = 0; crdt_document_part_dot(inv->doc, part, i, &entry); i++) {
        if (!owns_entry(inv, &entry)) {
            return false;
        }
    }
    crdt_field field = {0};
    while (crdt_document_next_field(inv->doc, part, &field)) {
        for (size_t i = 0; crdt_document_field_value(inv->doc, field, i, &entry); i++) {
            if (!owns_entry(inv, &entry)) {
                return false;
            }
        }
    }
    return true;
}

/* Is all at and below the key one's own? */
static bool owns_all(const inverter *inv, const crdt_key *key)
{
    if (key->depth == CRDT_PART) {
        return owns_part(inv, part_of(inv, key));
    }
    crdt_object object = crdt_document_find_object(inv->doc, key->object);
    crdt_entry entry;
    for (size_t i = 0; crdt_document_object_dot(inv->doc, object, i, &entry); i++) {
        if (!owns_entry(inv, &entry)) {
            return false;
        }
    }
    crdt_part part = {0};
    while (crdt_document_next_part(inv->doc, object, &part)) {
        if (!owns_part(inv, part)) {
            return false;
        }
    }
    return true;
}

/* Find the created entities that others hung something below since: one look at every
 * entity, and only if there are created ones. (Where an undo brought the entity back,
 * what named it all along is older than the undo.) */
static crdt_err find_occupied(inverter *inv)
{
    scene_name_set created;
    scene_name_set_init(&created, inv->edit->ops->alloc);
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < inv->did.count && err == CRDT_OK; i++) {
        const touch *t = &inv->did.items[i];
        if (t->key.depth == CRDT_OBJECT && ends_with(inv, t, CRDT_OP_ADD)) {
            err = scene_name_set_add(&created, t->key.object);
        }
    }
    crdt_object entity = {0};
    while (err == CRDT_OK && created.count > 0 &&
           scene_entity_next(inv->doc, &entity)) {
        scene_parent parent;
        scene_entity_parent(inv->doc, entity, &parent);
        if (parent.named && scene_name_set_has(&created, parent.id) &&
            parent.stamp.time > inv->did.first_time &&
            !inv->who->is_own(inv->who->ctx, &parent.stamp, parent.who)) {
            err = scene_name_set_add(&inv->occupied, parent.id);
        }
    }
    scene_name_set_deinit(&created);
    return err;
}

/* ---- bringing back ---- */

/* The value that is hidden here now: others wrote it while the key was gone. */
static bool find_hidden(const inverter *inv, const crdt_key *key, crdt_span *value)
{
    crdt_part part = part_of(inv, key);
    crdt_field field = {0};
    if (part.id != 0) {
        field = crdt_document_find_field(inv->doc, part, key->field);
    }
    crdt_entry entry;
    if (field.id == 0 || !crdt_document_field_value(inv->doc, field, 0, &entry)) {
        return false;
    }
    *value = entry.value;
    return true;
}

/* Is the field among these touches, with a former value? They are in key order. */
static bool has_former(const touch *touches, size_t count, const crdt_key *key)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = crdt_key_compare(&touches[middle].key, key);
        if (order == 0) {
            return touches[middle].former != NULL;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

/* Write what others wrote below a part meanwhile, but for fields done already. */
static crdt_err restore_hidden(const inverter *inv, const crdt_key *part_key,
                               const touch *touches, size_t count)
{
    crdt_part part = part_of(inv, part_key);
    crdt_err err = CRDT_OK;
    crdt_field field = {0};
    while (err == CRDT_OK && part.id != 0 &&
           crdt_document_next_field(inv->doc, part, &field)) {
        crdt_key key = crdt_key_field(part_key->object, part_key->part,
                                      crdt_document_field_name(inv->doc, field));
        crdt_entry entry;
        if (!has_former(touches, count, &key) &&
            crdt_document_field_value(inv->doc, field, 0, &entry)) {
            err = emit(inv, CRDT_OP_SET, &key, entry.value);
        }
    }
    return err;
}

/* Bring back a part and its fields; touches[first] is the part's own. `hidden`: the part
 * is gone now, so what the document still holds there, others wrote meanwhile. */
static crdt_err restore_part(const inverter *inv, size_t first, size_t end, bool hidden)
{
    const crdt_key *part_key = &inv->did.items[first].key;
    crdt_err err = emit(inv, CRDT_OP_ADD, part_key, (crdt_span){0});
    for (size_t i = first + 1; i < end && err == CRDT_OK; i++) {
        const touch *t = &inv->did.items[i];
        crdt_span value;
        if (t->former == NULL || MUTANT(412)) {
            continue;
        }
        if (!hidden || !find_hidden(inv, &t->key, &value)) {
            value = t->former->entry.value;
        }
        err = emit(inv, CRDT_OP_SET, &t->key, value);
    }
    if (err == CRDT_OK && hidden && !MUTANT(413)) {
        err = restore_hidden(inv, part_key, &inv->did.items[first], end - first);
    }
    return err;
}

/* Bring back an object, all its former parts, and those that others added meanwhile. */
static crdt_err restore_object(const inverter *inv, size_t first, size_t end,
                               bool hidden)
{
    const crdt_key *object_key = &inv->did.items[first].key;
    crdt_err err = emit(inv, CRDT_OP_ADD, object_key, (crdt_span){0});
    for (size_t i = first + 1; i < end && err == CRDT_OK;) {
        if (inv->did.items[i].key.depth != CRDT_PART) {
            i++; /* a field whose part did not live */
            continue;
        }
        size_t part_end = scene_touches_end(&inv->did, i);
        if (inv->did.items[i].former != NULL) {
            err = restore_part(inv, i, part_end, hidden);
        }
        i = part_end;
    }
    crdt_object object = crdt_document_find_object(inv->doc, object_key->object);
    crdt_part part = {0};
    while (err == CRDT_OK && hidden && object.id != 0 &&
           crdt_document_next_part(inv->doc, object, &part)) {
        crdt_entry dot;
        crdt_key key =
            crdt_key_part(object_key->object, crdt_document_part_name(inv->doc, part));
        if (crdt_document_part_dot(inv->doc, part, 0, &dot) &&
            !has_former(&inv->did.items[first], end - first, &key)) {
            err = emit(inv, CRDT_OP_ADD, &key, (crdt_span){0});
            if (err == CRDT_OK) {
                err = restore_hidden(inv, &key, NULL, 0);
            }
        }
    }
    return err;
}

static crdt_err restore(const inverter *inv, size_t first, size_t end, bool hidden)
{
    bool object = inv->did.items[first].key.depth == CRDT_OBJECT;
    return object ? restore_object(inv, first, end, hidden)
                  : restore_part(inv, first, end, hidden);
}

/* ---- each kind of key ---- */

/* An entity or a component that the transaction added, removed, or both. */
static crdt_err invert_key(const inverter *inv, size_t first, size_t end)
{
    touch *t = &inv->did.items[first];
    const crdt_key *key = &t->key;
    bool before = t->former != NULL;
    bool after = ends_with(inv, t, CRDT_OP_ADD);
    crdt_key object_key = crdt_key_object(key->object);
    bool object_live = crdt_document_live(inv->doc, &object_key);
    if (!before && !after) {
        return CRDT_OK;
    }
    if (key->depth == CRDT_PART && !object_live) {
        return skip(inv, key, SCENE_UNDO_REMOVED);
    }
    bool live = crdt_document_live(inv->doc, key);
    if (!after) {
        return live ? skip(inv, key, SCENE_UNDO_EXISTS)
                    : restore(inv, first, end, true);
    }
    if (!live) {
        return skip(inv, key, SCENE_UNDO_REMOVED);
    }
    bool occupied = !MUTANT(414) && key->depth == CRDT_OBJECT && !before &&
                    scene_name_set_has(&inv->occupied, key->object);
    if ((occupied || !owns_all(inv, key)) && !MUTANT(38)) {
        return skip(inv, key, SCENE_UNDO_EDITED_BELOW);
    }
    t->moves = key->depth == CRDT_OBJECT || scene_edit_is_transform(key->part);
    crdt_err err = emit(inv, CRDT_OP_REMOVE, key, (crdt_span){0});
    return before && err == CRDT_OK ? restore(inv, first, end, false) : err;
}

/* What the field holds now, as seen from the transaction's write. */
typedef struct holding {
    size_t count;
    bool mine_shows;       /* the first is the transaction's */
    bool other;            /* somebody else's is there too: */
    crdt_span other_value; /* the best of them */
} holding;

static holding look(const inverter *inv, const touch *t, crdt_field field)
{
    holding h = {0};
    crdt_entry entry;
    crdt_stamp written = {0};
    if (t->last_op != NO_OP) {
        written = inv->did.ops[t->last_op].stamp;
    }
    for (; field.id != 0 && crdt_document_field_value(inv->doc, field, h.count, &entry);
         h.count++) {
        bool mine = inv->who->is_same(inv->who->ctx, &t->key, &entry.stamp, &written);
        if (h.count == 0) {
            h.mine_shows = mine;
        }
        if (!mine && !h.other) {
            h.other = true;
            h.other_value = entry.value;
        }
    }
    return h;
}

/* Write the value, NULL: none. */
static crdt_err write_field(const inverter *inv, touch *t, const crdt_span *value)
{
    if (t->cyclic) {
        return skip(inv, &t->key, SCENE_UNDO_CYCLE);
    }
    t->moves = scene_edit_is_transform(t->key.part) &&
               crdt_span_equal(t->key.field, crdt_span_of("parent"));
    return value == NULL ? emit(inv, CRDT_OP_UNSET, &t->key, (crdt_span){0})
                         : emit(inv, CRDT_OP_SET, &t->key, *value);
}

static crdt_err invert_field(const inverter *inv, touch *t)
{
    const crdt_span *former = t->former == NULL ? NULL : &t->former->entry.value;
    bool after = ends_with(inv, t, CRDT_OP_SET);
    if (!after && former == NULL) {
        return CRDT_OK;
    }
    crdt_key part_key = crdt_key_part(t->key.object, t->key.part);
    if (!crdt_document_live(inv->doc, &part_key)) {
        return skip(inv, &t->key, SCENE_UNDO_REMOVED);
    }
    crdt_part part = part_of(inv, &t->key);
    holding h = look(inv, t, crdt_document_find_field(inv->doc, part, t->key.field));
    if (!after) {
        return h.count > 0 ? skip(inv, &t->key, SCENE_UNDO_OVERWRITTEN)
                           : write_field(inv, t, former);
    }
    if (!h.mine_shows) {
        return skip(inv, &t->key, SCENE_UNDO_OVERWRITTEN);
    }
    if (h.other && !MUTANT(410)) {
        /* Without this write, the other's would have shown all along. */
        return write_field(inv, t, &h.other_value);
    }
    crdt_span held;
    if (former != NULL && crdt_document_get(inv->doc, &t->key, &held) &&
        crdt_span_equal(held, *former)) {
        return CRDT_OK; /* it changed nothing that is seen */
    }
    return write_field(inv, t, MUTANT(37) ? NULL : former);
}

static crdt_err invert_all(const inverter *inv)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < inv->did.count && err == CRDT_OK;) {
        touch *t = &inv->did.items[i];
        if (t->key.depth == CRDT_FIELD) {
            err = invert_field(inv, t);
            i++;
        } else if (t->last_op == NO_OP) {
            i++; /* dropped from above, or dead dots: what is below speaks for itself */
        } else {
            size_t end = scene_touches_end(&inv->did, i);
            err = invert_key(inv, i, end);
            i = end;
        }
    }
    return err;
}

/* ---- the tree ---- */

/* More cycles than this are left to the resolver, which lists them. */
#define REHEARSALS_MAX 64

/* Of the parents that would hang their entity below itself, the one that was written
 * first, or none: what a move pinned comes before the move. */
static touch *find_cyclic(const inverter *inv, const scene_edit *dry)
{
    touch *found = NULL;
    for (size_t i = 0; i < inv->did.count; i++) {
        touch *t = &inv->did.items[i];
        crdt_span hidden;
        if (t->moves && t->key.depth == CRDT_FIELD &&
            (found == NULL || t->last_op < found->last_op) &&
            scene_edit_find_cycle(dry, t->key.object, &hidden)) {
            found = t;
        }
    }
    return found;
}

/* Put all operations into a list that is thrown away, to see whether a parent would make
 * a cycle: that one is left alone. *again: there was one. */
static crdt_err rehearse(inverter *inv, bool *again)
{
    scene_edit *edit = inv->edit;
    crdt_op_list ops;
    scene_edit dry;
    crdt_op_list_init(&ops, edit->ops->alloc);
    crdt_err err = scene_edit_open(&dry, inv->doc, &ops);
    if (err == CRDT_OK) {
        inv->edit = &dry;
        inv->rehearsal = true;
        err = invert_all(inv);
        inv->edit = edit;
        inv->rehearsal = false;
    }
    touch *cyclic = err == CRDT_OK ? find_cyclic(inv, &dry) : NULL;
    *again = cyclic != NULL;
    if (cyclic != NULL) {
        cyclic->cyclic = true;
        cyclic->moves = false;
    }
    scene_edit_close(&dry);
    crdt_op_list_deinit(&ops);
    return err;
}

/* Does turning round change what this entity says of its parent? */
static bool moves_entity(const inverter *inv, crdt_span entity)
{
    for (size_t i = 0; i < inv->did.count; i++) {
        if (inv->did.items[i].moves &&
            crdt_span_equal(inv->did.items[i].key.object, entity)) {
            return true;
        }
    }
    return false;
}

/* Leave out what would make a cycle; pin the entities elsewhere whose hidden edge the rest
 * would free, as a move does. */
static crdt_err settle_tree(inverter *inv)
{
    bool again = true;
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < REHEARSALS_MAX && again && err == CRDT_OK; i++) {
        err = rehearse(inv, &again);
    }
    for (size_t i = 0; i < inv->did.count && err == CRDT_OK; i++) {
        const touch *t = &inv->did.items[i];
        crdt_span hidden;
        if (t->moves && scene_edit_find_cycle(inv->edit, t->key.object, &hidden) &&
            !moves_entity(inv, hidden)) {
            err = scene_edit_drop_parent(inv->edit, hidden);
        }
    }
    return err;
}

crdt_err scene_invert(const crdt_history_record *const *records, size_t count,
                      const scene_invert_who *who, scene_edit *edit,
                      crdt_arena *scratch)
{
    inverter inv = {.who = who, .doc = edit->doc, .edit = edit};
    scene_name_set_init(&inv.occupied, edit->ops->alloc);
    crdt_err err = scene_touches_collect(&inv.did, records, count, who, scratch);
    if (err == CRDT_OK) {
        err = find_occupied(&inv);
    }
    if (err == CRDT_OK) {
        err = settle_tree(&inv);
    }
    if (err == CRDT_OK) {
        err = invert_all(&inv);
    }
    scene_name_set_deinit(&inv.occupied);
    return err;
}

/* ---- of whomever ---- */

static bool is_anyones(void *ctx, const crdt_stamp *stamp, crdt_span who)
{
    (void)ctx;
    (void)stamp;
    (void)who;
    return true;
}

crdt_err scene_invert_removal(const crdt_history_record *record, scene_edit *edit,
                              crdt_arena *scratch)
{
    const scene_invert_who anyone = {.is_own = is_anyones};
    inverter inv = {.who = &anyone, .doc = edit->doc, .edit = edit};
    crdt_err err = scene_touches_collect(&inv.did, &record, 1, &anyone, scratch);
    return err == CRDT_OK ? restore_object(&inv, 0, inv.did.count, true) : err;
}
