#include "crdt/document_seed.h"

#include <assert.h>

/* Below which a batch gains nothing. */
#define OP_COUNT_MIN 64u

/* ---- does it fit? ---- */

/* Is the object of `op` that of the operation before? Most lists hold one copy of it. */
static bool same_name(crdt_span a, crdt_span b)
{
    return a.data == b.data ? a.size == b.size : crdt_span_equal(a, b);
}

/* Does `op` come after `before` in key order, below what was added before? */
static bool follows(const crdt_op *before, const crdt_op *op)
{
    if (!same_name(before->key.object, op->key.object)) {
        return op->key.depth == CRDT_OBJECT &&
               crdt_span_compare(before->key.object, op->key.object) < 0;
    }
    if (op->key.depth == CRDT_OBJECT) {
        return false;
    }
    if (before->key.depth == CRDT_OBJECT) {
        return op->key.depth == CRDT_PART;
    }
    if (!same_name(before->key.part, op->key.part)) {
        return op->key.depth == CRDT_PART &&
               crdt_span_compare(before->key.part, op->key.part) < 0;
    }
    return op->key.depth == CRDT_FIELD &&
           (before->key.depth == CRDT_PART ||
            crdt_span_compare(before->key.field, op->key.field) < 0);
}

bool crdt_seed_fits(const crdt_document *doc, const crdt_batch *batch)
{
    if (batch->op_count < OP_COUNT_MIN || batch->dep_count > 0 || batch->who.size > 0 ||
        doc->context.actors.version.stamp_count > 0 ||
        batch->ops[0].key.depth != CRDT_OBJECT) {
        return false;
    }
    for (size_t i = 0; i < batch->op_count; i++) {
        const crdt_op *op = &batch->ops[i];
        crdt_op_kind kind = op->key.depth == CRDT_FIELD ? CRDT_OP_SET : CRDT_OP_ADD;
        if (op->kind != kind || (i > 0 && !follows(op - 1, op))) {
            return false;
        }
    }
    return true;
}

/* ---- putting it in place ---- */

typedef struct seeding {
    crdt_document *doc;
    crdt_actor actor;
    uint32_t object; /* slots of the keys at hand */
    uint32_t part;
    size_t object_count; /* keys in the groups that are open */
    size_t part_count;
    size_t field_count;
    uint64_t object_hash; /* digest's: of the object, */
    uint64_t part_begin;  /* as it begins for its parts, */
    uint64_t field_begin; /* for the fields of its parts, */
    uint64_t field_hash;  /* for the fields of the part at hand */
} seeding;

/* The number of a name, which the caller releases: a reference is held. */
static crdt_err hold_name(crdt_document *doc, crdt_span bytes, uint32_t *name)
{
    *name = crdt_names_find_common(&doc->context.names, bytes);
    if (*name == 0) {
        return crdt_names_intern(&doc->context.names, bytes, name);
    }
    crdt_names_hold(&doc->context.names, *name);
    return CRDT_OK;
}

static crdt_err seed_object(seeding *seed, uint32_t name, uint64_t name_hash)
{
    crdt_document *doc = seed->doc;
    seed->object_hash =
        crdt_digest_key_add(crdt_digest_key_begin(CRDT_OBJECT), name_hash);
    seed->part_begin = crdt_digest_key_add(crdt_digest_key_begin(CRDT_PART), name_hash);
    seed->field_begin =
        crdt_digest_key_add(crdt_digest_key_begin(CRDT_FIELD), name_hash);
    seed->part_count = 0;
    return crdt_dot_store_append(&doc->keys.store, 0, &doc->keys.root,
                                 seed->object_count++, name, 0, &seed->object);
}

static crdt_err seed_part(seeding *seed, uint32_t name, uint64_t name_hash)
{
    crdt_document *doc = seed->doc;
    seed->field_hash = crdt_digest_key_add(seed->field_begin, name_hash);
    seed->field_count = 0;
    return crdt_dot_store_append(&doc->keys.store, seed->object,
                                 crdt_state_group(doc, seed->object),
                                 seed->part_count++, name, 0, &seed->part);
}

static void add_term(const seeding *seed, uint64_t key_hash, uint64_t time,
                     crdt_span value)
{
    const crdt_stamp stamp = {.time = time, .actor = seed->actor};
    crdt_digest_add(&seed->doc->digest, crdt_digest_term(key_hash, &stamp, value));
}

static crdt_err seed_key(seeding *seed, const crdt_op *op, crdt_dot dot, uint32_t *slot)
{
    crdt_document *doc = seed->doc;
    const bool is_object = op->key.depth == CRDT_OBJECT;
    uint32_t name = 0;
    crdt_err err = is_object
                       ? crdt_names_intern(&doc->context.names, op->key.object, &name)
                       : hold_name(doc, op->key.part, &name);
    if (err != CRDT_OK) {
        return err;
    }
    const uint64_t name_hash = crdt_names_hash(&doc->context.names, name);
    err = is_object ? seed_object(seed, name, name_hash)
                    : seed_part(seed, name, name_hash);
    crdt_names_release(&doc->context.names, name);
    if (err != CRDT_OK) {
        return err;
    }
    *slot = crdt_dot_store_place(&doc->keys.store,
                                 is_object ? seed->object : seed->part, dot);
    *(is_object ? &doc->counts.objects : &doc->counts.parts) += 1;
    add_term(seed,
             is_object ? seed->object_hash
                       : crdt_digest_key_add(seed->part_begin, name_hash),
             crdt_dot_time(dot), (crdt_span){0});
    return CRDT_OK;
}

static crdt_err seed_value(seeding *seed, const crdt_op *op, crdt_dot dot,
                           uint32_t *slot)
{
    crdt_document *doc = seed->doc;
    crdt_lww_value value;
    uint32_t name = 0;
    uint32_t field = 0;
    crdt_err err = hold_name(doc, op->key.field, &name);
    if (err != CRDT_OK) {
        return err;
    }
    const uint64_t name_hash = crdt_names_hash(&doc->context.names, name);
    err = crdt_dot_store_append(&doc->fields.store, seed->part,
                                crdt_state_group(doc, seed->part), seed->field_count++,
                                name, crdt_lww_map_kind(op->value.size), &field);
    crdt_names_release(&doc->context.names, name);
    if (err == CRDT_OK) {
        err = crdt_lww_value_make(&doc->context, crdt_state_field(doc, field),
                                  op->value, &value);
    }
    if (err != CRDT_OK) {
        return err;
    }
    *slot = crdt_lww_map_place(&doc->fields, field, dot, &value);
    doc->counts.fields++;
    add_term(seed, crdt_digest_key_add(seed->field_hash, name_hash), crdt_dot_time(dot),
             op->value);
    return CRDT_OK;
}

/* ---- the whole ---- */

/* Room for the entries in the trails: each is alone with its key. */
static crdt_err reserve(crdt_document *doc, const crdt_batch *batch)
{
    size_t field_count = 0;
    for (size_t i = 0; i < batch->op_count; i++) {
        field_count += batch->ops[i].key.depth == CRDT_FIELD;
    }
    const size_t key_count = batch->op_count - field_count;
    const crdt_stamp last = {.time = crdt_batch_last_time(batch),
                             .actor = batch->actor};
    crdt_err err = crdt_actors_reserve(&doc->context.actors, 1);
    if (err == CRDT_OK) {
        err = crdt_dot_store_reserve(&doc->keys.store, NULL, 1);
    }
    if (err == CRDT_OK) {
        err = crdt_dot_store_reserve(&doc->fields.store, NULL, 1);
    }
    if (err == CRDT_OK) {
        err = crdt_remove_log_reserve(&doc->log, 0, 1);
    }
    if (err != CRDT_OK) {
        return err;
    }
    const uint16_t actor = crdt_actors_raise(&doc->context.actors, &last);
    err = crdt_dot_store_reserve_writes(&doc->keys.store, actor, key_count, 1);
    return err != CRDT_OK || field_count == 0
               ? err
               : crdt_dot_store_reserve_writes(&doc->fields.store, actor, field_count,
                                               1);
}

static void tell_seeded(const crdt_document *doc)
{
    crdt_change change = {.doc = (crdt_document *)(uintptr_t)doc};
    for (uint32_t object = crdt_state_any_object(doc);
         object != 0 && doc->listener_count > 0;
         object = crdt_state_next_object(doc, object)) {
        crdt_state_tell_changed(&change, crdt_state_element(doc, object)->name);
    }
}

static crdt_err seed_all(crdt_document *doc, const crdt_batch *batch, uint32_t *slots)
{
    seeding seed = {.doc = doc, .actor = batch->actor};
    crdt_err err = reserve(doc, batch);
    const uint64_t first = crdt_batch_first_time(batch);
    const uint16_t actor =
        err == CRDT_OK ? crdt_actors_find(&doc->context.actors, &batch->actor) : 0;
    for (size_t i = 0; i < batch->op_count && err == CRDT_OK; i++) {
        const crdt_op *op = &batch->ops[i];
        const crdt_dot dot = crdt_dot_make(first + i, actor);
        err = op->key.depth == CRDT_FIELD ? seed_value(&seed, op, dot, &slots[i])
                                          : seed_key(&seed, op, dot, &slots[i]);
    }
    for (size_t i = 0; i < batch->op_count && err == CRDT_OK; i++) {
        bool is_field = batch->ops[i].key.depth == CRDT_FIELD;
        crdt_dot_store_list(is_field ? &doc->fields.store : &doc->keys.store, slots[i],
                            crdt_dot_make(first + i, actor), 0);
    }
    return err;
}

crdt_err crdt_seed_apply(crdt_document *doc, const crdt_batch *batch)
{
    crdt_alloc alloc = doc->context.alloc;
    uint32_t *slots = crdt_resize_array(alloc, NULL, 0, batch->op_count, sizeof *slots);
    if (slots == NULL) {
        return CRDT_ENOMEM;
    }
    crdt_err err = seed_all(doc, batch, slots);
    crdt_free(alloc, slots, batch->op_count * sizeof *slots);
    if (err != CRDT_OK) {
        crdt_state_clear(doc);
        return err;
    }
    tell_seeded(doc);
    return CRDT_OK;
}
