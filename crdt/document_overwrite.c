#include "crdt/document_overwrite.h"

#include "crdt/mutant.h"

#include <assert.h>

/* Objects looked up at the same time: about as many misses as a core keeps in flight, for
 * the two or three lines that each of them asks for. */
#define GROUP_SIZE 16u

/* Cache lines of an object with its first part and some fields: made together, they lie side by
 * side. */
#define OBJECT_LINES 4u

/* How far crdt_overwrite_look_ahead looks. */
#define SLOTS_AHEAD 16u
#define VALUES_AHEAD 8u

/* Consecutive operations on one object. */
typedef struct run {
    size_t first;
    size_t end;
    uint32_t hash; /* of the object's name, as that seeks it */
    bool is_asked; /* crdt_overwrite_prefetch was called for it */
    uint32_t name;
    uint32_t object;
    uint32_t part; /* of the operation looked at; first of all, of the first one */
    uint64_t fields_hash; /* crdt_state_fields_hash of it */
    bool live;            /* crdt_state_part_live of it */
} run;

static const crdt_names *names_of(const crdt_document *doc)
{
    return &doc->context.names;
}

/* ---- looking up, stage by stage ---- */

/* The runs from operation `at` on; the operation behind the last. */
static size_t cut_runs(const crdt_change *change, const crdt_op *ops, size_t op_count,
                       size_t at, run runs[GROUP_SIZE], size_t *run_count)
{
    *run_count = 0;
    while (at < op_count && *run_count < GROUP_SIZE) {
        run *r = &runs[(*run_count)++];
        *r = (run){.first = at, .is_asked = at == 0};
        r->hash = at == 0 ? change->first_hash
                          : crdt_names_seek(names_of(change->doc), ops[at].key.object);
        do {
            at++;
        } while (at < op_count &&
                 crdt_span_equal(ops[at].key.object, ops[r->first].key.object));
        r->end = at;
    }
    return at;
}

void crdt_overwrite_prefetch(const crdt_document *doc, uint32_t hash)
{
    uint32_t object = crdt_names_prefetch(names_of(doc), hash);
    if (object != 0) {
        const uint8_t *slot = (const uint8_t *)crdt_state_element(doc, object);
        for (size_t i = 0; i < OBJECT_LINES; i++) {
            __builtin_prefetch(slot + 64 * i);
        }
    }
}

static bool find_objects(crdt_document *doc, const crdt_op *ops, run *runs,
                         size_t run_count)
{
    for (size_t i = 0; i < run_count; i++) {
        if (!runs[i].is_asked) {
            crdt_overwrite_prefetch(doc, runs[i].hash);
        }
    }
    for (size_t i = 0; i < run_count; i++) {
        run *r = &runs[i];
        uint32_t name =
            crdt_names_find_hashed(names_of(doc), ops[r->first].key.object, r->hash);
        r->name = name;
        r->object = name == 0 ? 0 : crdt_state_find_object(doc, name);
        if (r->object == 0) {
            return false;
        }
    }
    return true;
}

/* The first part is mostly the one: a look at its name saves looking the name up. */
static uint32_t find_part(crdt_document *doc, uint32_t object, crdt_span part)
{
    uint32_t first = crdt_state_any_part(doc, object);
    if (first != 0 &&
        crdt_names_equal(names_of(doc), crdt_state_element(doc, first)->name, part)) {
        return first;
    }
    uint32_t name = crdt_names_find_common(&doc->context.names, part);
    return name == 0 ? 0 : crdt_state_find_part(doc, object, name);
}

static bool find_parts(crdt_document *doc, const crdt_op *ops, run *runs,
                       size_t run_count)
{
    for (size_t i = 0; i < run_count; i++) {
        crdt_dot_store_prefetch_group(&doc->keys.store,
                                      *crdt_state_group(doc, runs[i].object));
    }
    for (size_t i = 0; i < run_count; i++) {
        run *r = &runs[i];
        r->part = find_part(doc, r->object, ops[r->first].key.part);
        if (r->part == 0) {
            return false;
        }
        crdt_dot_store_prefetch_group(&doc->fields.store,
                                      *crdt_state_group(doc, r->part));
    }
    return true;
}

/* So is the first field, and then the one after the one written before: scenes write the
 * fields of a part in the order in which they were made. */
static uint32_t find_field(crdt_document *doc, uint32_t part, crdt_span field,
                           uint32_t before)
{
    uint32_t next = before == 0 ? crdt_state_any_field(doc, part)
                                : crdt_state_next_field(doc, before);
    if (next != 0 &&
        crdt_names_equal(names_of(doc), crdt_state_field(doc, next)->name, field)) {
        return next;
    }
    uint32_t name = crdt_names_find_common(&doc->context.names, field);
    return name == 0 ? 0 : crdt_state_find_field(doc, part, name);
}

/* The part and the field of operation `i`; false if there is no such field, or what is there
 * is not one value that the author knew. */
static bool find_key(crdt_document *doc, const crdt_seen *seen, const crdt_op *ops,
                     run *r, size_t i)
{
    crdt_plan *plan = &doc->plans[i];
    plan->names[0] = r->name;
    plan->object = r->object;
    uint32_t before = 0;
    if (i > r->first && crdt_span_equal(ops[i].key.part, ops[i - 1].key.part)) {
        before = plan[-1].field;
    } else {
        if (i > r->first) {
            r->part = find_part(doc, r->object, ops[i].key.part);
        }
        if (r->part == 0) {
            return false;
        }
        r->fields_hash = crdt_state_fields_hash(doc, r->part);
        r->live = crdt_state_part_live(doc, r->part);
    }
    plan->part = r->part;
    plan->live = r->live;
    plan->field = find_field(doc, r->part, ops[i].key.field, before);
    if (plan->field == 0) {
        return false;
    }
    const crdt_slot *slot = crdt_state_field(doc, plan->field);
    plan->key_hash =
        crdt_digest_key_add(r->fields_hash, crdt_names_hash(names_of(doc), slot->name));
    return slot->dot != 0 && (crdt_slot_lower(slot) == 0 || MUTANT(131)) &&
           (seen->all || MUTANT(130) ||
            crdt_seen_includes(seen, &doc->context.actors, slot->dot));
}

/* A value goes over the one that is there if it fits; else, and for the second and further
 * writes of one field (marked as pinned), of which nobody knows yet what will be there, it
 * gets memory now. */
static crdt_err make_value(crdt_document *doc, crdt_span value, crdt_plan *plan)
{
    crdt_slot *slot = crdt_state_field(doc, plan->field);
    plan->value = (crdt_lww_value){0};
    if (slot->pinned || !crdt_lww_map_fits(slot, value.size)) {
        crdt_err err = crdt_lww_value_make(
            &doc->context, crdt_state_field(doc, plan->field), value, &plan->value);
        if (err != CRDT_OK) {
            return err;
        }
    }
    slot->pinned = 1;
    return CRDT_OK;
}

/* Take back what an operation that is not performed had been given. */
static void skip(crdt_document *doc, crdt_plan *plan)
{
    crdt_state_field(doc, plan->field)->pinned = 0;
    crdt_lww_value_free(&doc->context, &plan->value);
}

/* The operations of a run; `*planned` counts those that are ready. */
static crdt_err plan_run(crdt_document *doc, const crdt_seen *seen, const crdt_op *ops,
                         run *r, size_t *planned)
{
    for (size_t i = r->first; i < r->end; i++) {
        crdt_plan *plan = &doc->plans[i];
        if (!find_key(doc, seen, ops, r, i)) {
            return CRDT_ENOTFOUND;
        }
        crdt_err err = make_value(doc, ops[i].value, plan);
        if (err != CRDT_OK) {
            return err;
        }
        if (i < SLOTS_AHEAD) { /* later ones: crdt_overwrite_look_ahead */
            crdt_lww_map_prefetch(&doc->fields, plan->field);
        }
        (*planned)++;
    }
    return CRDT_OK;
}

static crdt_err plan_runs(crdt_document *doc, const crdt_seen *seen, const crdt_op *ops,
                          run *runs, size_t run_count, size_t *planned)
{
    if (!find_objects(doc, ops, runs, run_count) ||
        !find_parts(doc, ops, runs, run_count)) {
        return CRDT_ENOTFOUND;
    }
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < run_count && err == CRDT_OK; i++) {
        err = plan_run(doc, seen, ops, &runs[i], planned);
    }
    return err;
}

crdt_err crdt_overwrite_plan(crdt_change *change, const crdt_op *ops, size_t op_count)
{
    crdt_document *doc = change->doc;
    for (size_t i = 0; i < op_count; i++) {
        if (ops[i].kind != CRDT_OP_SET) {
            return CRDT_ENOTFOUND;
        }
    }
    crdt_err err = crdt_state_reserve_plans(doc, op_count);
    if (err != CRDT_OK) {
        return err;
    }
    size_t planned = 0;
    for (size_t at = 0; at < op_count && err == CRDT_OK;) {
        run runs[GROUP_SIZE];
        size_t run_count;
        at = cut_runs(change, ops, op_count, at, runs, &run_count);
        err = plan_runs(doc, &change->seen, ops, runs, run_count, &planned);
    }
    for (size_t i = 0; i < planned && err != CRDT_OK; i++) {
        skip(doc, &doc->plans[i]);
    }
    return err;
}

/* ---- performing ---- */

bool crdt_overwrite_says_nothing(crdt_document *doc, const crdt_op *op, crdt_plan *plan)
{
    const crdt_slot *slot = crdt_state_field(doc, plan->field);
    if ((plan->live || MUTANT(133)) &&
        (!crdt_span_equal(crdt_lww_map_value(slot), op->value) || MUTANT(17))) {
        return false;
    }
    skip(doc, plan);
    return true;
}

void crdt_overwrite_look_ahead(const crdt_document *doc, size_t index, size_t op_count)
{
    if (index + SLOTS_AHEAD < op_count) {
        crdt_dot_store_prefetch(&doc->fields.store,
                                doc->plans[index + SLOTS_AHEAD].field);
        crdt_lww_map_prefetch(&doc->fields, doc->plans[index + VALUES_AHEAD].field);
    }
}

void crdt_overwrite_perform(crdt_change *change, const crdt_op *op, crdt_plan *plan,
                            crdt_dot dot, uint32_t who)
{
    crdt_document *doc = change->doc;
    const crdt_actors *actors = &doc->context.actors;
    crdt_slot *slot = crdt_state_field(doc, plan->field);
    slot->pinned = 0;
    crdt_state_tell_leave(change, plan->field);
    crdt_stamp stamp = crdt_actors_stamp(actors, slot->dot);
    if (!MUTANT(132)) {
        crdt_digest_subtract(&doc->digest, crdt_digest_term(plan->key_hash, &stamp,
                                                            crdt_lww_map_value(slot)));
    }
    if (plan->value.size == 0) {
        crdt_lww_map_overwrite(&doc->fields, plan->field, dot, who, op->value);
    } else {
        crdt_lww_map_replace(&doc->fields, plan->field, dot, who, &plan->value);
        plan->value = (crdt_lww_value){0}; /* handed over */
    }
    stamp = crdt_actors_stamp(actors, dot);
    crdt_digest_add(&doc->digest, crdt_digest_term(plan->key_hash, &stamp, op->value));
    crdt_state_tell_changed(change, plan->names[0]);
}
