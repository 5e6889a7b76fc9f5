#include "crdt/document_seed.h"

#include <assert.h>

/* Below which a batch gains nothing. */
#define OP_COUNT_MIN 64u

/* Of the one author: whoever comes first. */
#define AUTHOR 1u

/* ---- does it fit? ---- */

/* Most lists hold one copy of a name that comes again. */
static inline bool same_name(crdt_span a, crdt_span b)
{
    return a.data == b.data ? a.size == b.size : crdt_span_equal(a, b);
}

/* Mostly the first byte tells. */
static inline bool is_before(crdt_span a, crdt_span b)
{
    return a.size > 0 && b.size > 0 && a.data[0] != b.data[0]
               ? a.data[0] < b.data[0]
               : crdt_span_compare(a, b) < 0;
}

/* Does `key` come after `before` in key order, below what was added before? */
static inline bool follows(const crdt_key *before, const crdt_key *key)
{
    if (!same_name(before->object, key->object)) {
        return key->depth == CRDT_OBJECT && is_before(before->object, key->object);
    }
    if (key->depth == CRDT_OBJECT) {
        return false;
    }
    if (before->depth == CRDT_OBJECT) {
        return key->depth == CRDT_PART;
    }
    if (!same_name(before->part, key->part)) {
        return key->depth == CRDT_PART && is_before(before->part, key->part);
    }
    return key->depth == CRDT_FIELD &&
           (before->depth == CRDT_PART || is_before(before->field, key->field));
}

static bool adds_or_sets(const crdt_op *op)
{
    return op->kind == (op->key.depth == CRDT_FIELD ? CRDT_OP_SET : CRDT_OP_ADD);
}

static bool is_empty(const crdt_document *doc)
{
    return doc->context.actors.version.stamp_count == 0;
}

bool crdt_seed_fits(const crdt_document *doc, const crdt_batch *batch)
{
    if (batch->op_count < OP_COUNT_MIN || batch->dep_count > 0 || batch->who.size > 0 ||
        !is_empty(doc) || batch->ops[0].key.depth != CRDT_OBJECT) {
        return false;
    }
    for (size_t i = 0; i < batch->op_count; i++) {
        const crdt_op *op = &batch->ops[i];
        if (!adds_or_sets(op) || (i > 0 && !follows(&op[-1].key, &op->key))) {
            return false;
        }
    }
    return true;
}

bool crdt_seed_follows(const crdt_seed *seed, const crdt_op *op)
{
    return adds_or_sets(op) &&
           (seed->last.key.depth == 0 ? op->key.depth == CRDT_OBJECT
                                      : follows(&seed->last.key, &op->key));
}

/* ---- putting it in place ---- */

/* Entries that room is made for at once, at least. */
#define ROOM_MIN 1024u

crdt_err crdt_seed_open(crdt_seed *seed, crdt_document *doc)
{
    assert(is_empty(doc));
    *seed = (crdt_seed){.doc = doc};
    crdt_err err = crdt_actors_reserve(&doc->context.actors, 1);
    err = err != CRDT_OK ? err : crdt_dot_store_reserve(&doc->keys.store, NULL, 1);
    err = err != CRDT_OK ? err : crdt_dot_store_reserve(&doc->fields.store, NULL, 1);
    return err != CRDT_OK ? err : crdt_remove_log_reserve(&doc->log, 0, 1);
}

static crdt_err reserve(crdt_dot_store *store, size_t count, size_t *room)
{
    *room = count;
    return crdt_dot_store_reserve_writes(store, AUTHOR, count, 1);
}

/* Room in the trail for one entry, which is taken. A trail that has grown large grows by much,
 * for it is copied. */
static crdt_err take_room(crdt_dot_store *store, uint64_t op_count, size_t *room)
{
    crdt_err err = CRDT_OK;
    if (*room == 0) {
        const size_t more = (size_t)op_count / 4;
        err = reserve(store, more < ROOM_MIN ? ROOM_MIN : more, room);
    }
    (*room)--;
    return err;
}

/* The number of a name of parts or fields, which come again and again; the slot that is made
 * under it holds it. `*fresh`: nothing else does yet. */
static crdt_err find_name(crdt_document *doc, crdt_span bytes, uint32_t *name,
                          bool *fresh)
{
    *name = crdt_names_find_common(&doc->context.names, bytes);
    *fresh = *name == 0;
    return *fresh ? crdt_names_intern(&doc->context.names, bytes, name) : CRDT_OK;
}

static crdt_err put_object(crdt_seed *seed, const crdt_op *op, crdt_dot dot)
{
    crdt_document *doc = seed->doc;
    uint32_t name = 0;
    crdt_err err = crdt_names_intern(&doc->context.names, op->key.object, &name);
    if (err == CRDT_OK) {
        err = crdt_dot_store_append(&doc->keys.store, 0, &doc->keys.root,
                                    seed->object_count, name, 0, &seed->object);
        crdt_names_release(&doc->context.names, name);
    }
    if (err != CRDT_OK) {
        return err;
    }
    seed->object_count++;
    seed->part_count = 0;
    seed->last.key = crdt_key_object(crdt_names_get(&doc->context.names, name));
    crdt_dot_store_insert(&doc->keys.store, seed->object, dot, 0);
    doc->counts.objects++;
    return CRDT_OK;
}

static crdt_err put_part(crdt_seed *seed, const crdt_op *op, crdt_dot dot)
{
    crdt_document *doc = seed->doc;
    uint32_t name = 0;
    bool fresh;
    crdt_err err = find_name(doc, op->key.part, &name, &fresh);
    if (err == CRDT_OK) {
        err = crdt_dot_store_append(&doc->keys.store, seed->object,
                                    crdt_state_group(doc, seed->object),
                                    seed->part_count, name, 0, &seed->part);
        crdt_names_release(&doc->context.names, fresh ? name : 0);
    }
    if (err != CRDT_OK) {
        return err;
    }
    seed->part_count++;
    seed->field_count = 0;
    seed->last.key.depth = CRDT_PART;
    seed->last.key.part = crdt_names_get(&doc->context.names, name);
    crdt_dot_store_insert(&doc->keys.store, seed->part, dot, 0);
    doc->counts.parts++;
    return CRDT_OK;
}

static crdt_err put_field(crdt_seed *seed, const crdt_op *op, crdt_dot dot)
{
    crdt_document *doc = seed->doc;
    crdt_lww_value value;
    uint32_t name = 0;
    bool fresh;
    crdt_err err = find_name(doc, op->key.field, &name, &fresh);
    if (err == CRDT_OK) {
        err = crdt_dot_store_append(
            &doc->fields.store, seed->part, crdt_state_group(doc, seed->part),
            seed->field_count, name, crdt_lww_map_kind(op->value.size), &seed->field);
        crdt_names_release(&doc->context.names, fresh ? name : 0);
    }
    if (err == CRDT_OK) {
        err = crdt_lww_value_make(&doc->context, crdt_state_field(doc, seed->field),
                                  op->value, &value);
    }
    if (err != CRDT_OK) {
        return err;
    }
    seed->field_count++;
    seed->last.key.depth = CRDT_FIELD;
    seed->last.key.field = crdt_names_get(&doc->context.names, name);
    crdt_lww_map_insert(&doc->fields, seed->field, dot, 0, &value);
    doc->counts.fields++;
    return CRDT_OK;
}

crdt_err crdt_seed_put(crdt_seed *seed, const crdt_op *op)
{
    crdt_document *doc = seed->doc;
    const crdt_dot dot = crdt_dot_make(seed->op_count + 1, AUTHOR);
    crdt_err err =
        op->key.depth == CRDT_FIELD
            ? take_room(&doc->fields.store, seed->op_count, &seed->field_room)
            : take_room(&doc->keys.store, seed->op_count, &seed->key_room);
    if (err != CRDT_OK) {
        return err;
    }
    err = op->key.depth == CRDT_FIELD  ? put_field(seed, op, dot)
          : op->key.depth == CRDT_PART ? put_part(seed, op, dot)
                                       : put_object(seed, op, dot);
    seed->last.kind = op->kind;
    seed->last.value = op->value;
    seed->op_count += err == CRDT_OK;
    return err;
}

/* ---- the end ---- */

typedef struct terms {
    crdt_document *doc;
    crdt_actor actor;
} terms;

static void add_term(const terms *of, uint64_t key_hash, const crdt_slot *slot,
                     crdt_span value)
{
    const crdt_stamp stamp = {.time = crdt_dot_time(slot->dot), .actor = of->actor};
    crdt_digest_add(&of->doc->digest, crdt_digest_term(key_hash, &stamp, value));
}

static uint64_t name_hash(const crdt_document *doc, const crdt_slot *slot)
{
    return crdt_names_hash(&doc->context.names, slot->name);
}

static void add_fields(const terms *of, uint32_t part, uint64_t fields_hash)
{
    const crdt_document *doc = of->doc;
    for (uint32_t field = crdt_state_any_field(doc, part); field != 0;
         field = crdt_state_next_field(doc, field)) {
        const crdt_slot *slot = crdt_state_field(doc, field);
        add_term(of, crdt_digest_key_add(fields_hash, name_hash(doc, slot)), slot,
                 crdt_lww_map_value(slot));
    }
}

static void add_object(const terms *of, uint32_t object)
{
    const crdt_document *doc = of->doc;
    const crdt_slot *slot = crdt_state_element(doc, object);
    const uint64_t own = name_hash(doc, slot);
    const uint64_t parts = crdt_digest_key_add(crdt_digest_key_begin(CRDT_PART), own);
    const uint64_t fields = crdt_digest_key_add(crdt_digest_key_begin(CRDT_FIELD), own);
    add_term(of, crdt_digest_key_add(crdt_digest_key_begin(CRDT_OBJECT), own), slot,
             (crdt_span){0});
    for (uint32_t part = crdt_state_any_part(doc, object); part != 0;
         part = crdt_state_next_part(doc, part)) {
        slot = crdt_state_element(doc, part);
        const uint64_t hash = name_hash(doc, slot);
        add_term(of, crdt_digest_key_add(parts, hash), slot, (crdt_span){0});
        add_fields(of, part, crdt_digest_key_add(fields, hash));
    }
}

void crdt_seed_finish(crdt_seed *seed, const crdt_actor *actor)
{
    crdt_document *doc = seed->doc;
    const crdt_stamp last = {.time = seed->op_count, .actor = *actor};
    const uint16_t number = crdt_actors_raise(&doc->context.actors, &last);
    assert(number == AUTHOR);
    (void)number;
    const terms of = {.doc = doc, .actor = *actor};
    crdt_change change = {.doc = doc};
    for (uint32_t object = crdt_state_any_object(doc); object != 0;
         object = crdt_state_next_object(doc, object)) {
        add_object(&of, object);
        if (doc->listener_count > 0) {
            crdt_state_tell_changed(&change, crdt_state_element(doc, object)->name);
        }
    }
}

/* Room for as many as there are. */
static crdt_err reserve_all(crdt_seed *seed, const crdt_batch *batch)
{
    size_t field_count = 0;
    for (size_t i = 0; i < batch->op_count; i++) {
        field_count += batch->ops[i].key.depth == CRDT_FIELD;
    }
    crdt_document *doc = seed->doc;
    crdt_err err =
        reserve(&doc->keys.store, batch->op_count - field_count, &seed->key_room);
    return err != CRDT_OK || field_count == 0
               ? err
               : reserve(&doc->fields.store, field_count, &seed->field_room);
}

crdt_err crdt_seed_apply(crdt_document *doc, const crdt_batch *batch)
{
    crdt_seed seed;
    crdt_err err = crdt_seed_open(&seed, doc);
    err = err != CRDT_OK ? err : reserve_all(&seed, batch);
    for (size_t i = 0; i < batch->op_count && err == CRDT_OK; i++) {
        err = crdt_seed_put(&seed, &batch->ops[i]);
    }
    if (err != CRDT_OK) {
        crdt_state_clear(doc);
        return err;
    }
    crdt_seed_finish(&seed, &batch->actor);
    return CRDT_OK;
}
