#include "crdt/document_overwrite.h"
#include "crdt/mutant.h"
#include "crdt/document_seed.h"

#include "crdt/value.h"

#include <assert.h>
#include <string.h>

/* ---- checking what the caller hands in ---- */

static crdt_err check_name(crdt_span name, crdt_diag *diag)
{
    if (name.size > CRDT_NAME_SIZE_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "a name of %zu bytes is over %u",
                             name.size, CRDT_NAME_SIZE_MAX);
    }
    return CRDT_OK;
}

static crdt_err check_op(const crdt_op *op, crdt_diag *diag)
{
    bool of_field = op->kind == CRDT_OP_SET || op->kind == CRDT_OP_UNSET;
    if (op->kind > CRDT_OP_UNSET || op->key.depth < CRDT_OBJECT ||
        op->key.depth > CRDT_FIELD || of_field != (op->key.depth == CRDT_FIELD)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "operation %d does not go with a key of depth %d",
                             (int)op->kind, (int)op->key.depth);
    }
    crdt_err err = check_name(op->key.object, diag);
    if (err == CRDT_OK && op->key.depth >= CRDT_PART) {
        err = check_name(op->key.part, diag);
    }
    if (err == CRDT_OK && op->key.depth == CRDT_FIELD) {
        err = check_name(op->key.field, diag);
    }
    if (err == CRDT_OK && op->kind == CRDT_OP_SET) {
        err = crdt_value_check(op->value, diag);
        err = err == CRDT_ECORRUPT ? CRDT_EINVAL : err;
    }
    return err;
}

static crdt_err check_edit(const crdt_document *doc, const crdt_edit *edit,
                           const crdt_op *ops, size_t op_count, crdt_diag *diag)
{
    if (op_count > CRDT_BATCH_OPS_MAX ||
        op_count > CRDT_TIME_MAX - doc->context.actors.time_max) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "%zu operations are too many",
                             op_count);
    }
    crdt_err err = check_name(edit->who, diag);
    if (err == CRDT_OK && !crdt_utf8_valid(edit->who, NULL)) {
        err = crdt_diag_set(diag, CRDT_EINVAL, 0, "the person is not UTF-8");
    }
    for (size_t i = 0; i < op_count && err == CRDT_OK; i++) {
        err = check_op(&ops[i], diag);
    }
    return err;
}

/* ---- planning: all that can fail ---- */

/* Names of `key`, one reference each; those of the operation before are often the same. */
static crdt_err plan_names(crdt_document *doc, const crdt_key *key,
                           const crdt_op *before, const crdt_plan *plan_before,
                           crdt_plan *plan)
{
    const crdt_span spans[3] = {key->object, key->part, key->field};
    const crdt_span known[3] = {before != NULL ? before->key.object : (crdt_span){0},
                                before != NULL ? before->key.part : (crdt_span){0},
                                before != NULL ? before->key.field : (crdt_span){0}};
    for (size_t i = 0; i < (size_t)key->depth; i++) {
        if (before != NULL && i < (size_t)before->key.depth &&
            crdt_span_equal(spans[i], known[i])) {
            plan->names[i] = plan_before->names[i];
            crdt_names_hold(&doc->context.names, plan->names[i]);
            continue;
        }
        crdt_err err =
            crdt_names_intern(&doc->context.names, spans[i], &plan->names[i]);
        if (err != CRDT_OK) {
            return err;
        }
    }
    return CRDT_OK;
}

/* An operation is mostly about the object and the part of the one before: their slots are
 * known then, and a slot that was made or found stays (pinned) while a batch is planned. */
static void plan_known_slots(const crdt_plan *before, crdt_depth depth, crdt_plan *plan)
{
    if (before == NULL || before->object == 0 ||
        (before->names[0] != plan->names[0] && !MUTANT(20))) {
        return;
    }
    plan->object = before->object;
    if (depth >= CRDT_PART && before->part != 0 && before->names[1] == plan->names[1]) {
        plan->part = before->part;
    }
}

/* Slots that an add or a set needs are made, those of a remove or an unset are found. */
static crdt_err plan_slots(crdt_document *doc, const crdt_op *op,
                           const crdt_plan *before, crdt_plan *plan)
{
    crdt_depth depth = op->key.depth;
    if (op->kind == CRDT_OP_ADD || op->kind == CRDT_OP_SET) {
        crdt_err err = CRDT_OK;
        plan_known_slots(before, depth, plan);
        if (plan->object == 0) {
            err = crdt_state_make_element(doc, 0, plan->names[0], &plan->object);
        }
        if (err == CRDT_OK && depth >= CRDT_PART && plan->part == 0) {
            err =
                crdt_state_make_element(doc, plan->object, plan->names[1], &plan->part);
        }
        if (err == CRDT_OK && depth == CRDT_FIELD) {
            err = crdt_state_make_field(doc, plan->part, plan->names[2], op->value.size,
                                        &plan->field);
        }
        return err;
    }
    plan->object = crdt_state_find_object(doc, plan->names[0]);
    if (plan->object != 0) {
        crdt_state_element(doc, plan->object)->pinned = 1;
    }
    if (plan->object != 0 && depth >= CRDT_PART) {
        plan->part = crdt_state_find_part(doc, plan->object, plan->names[1]);
        if (plan->part != 0) {
            crdt_state_element(doc, plan->part)->pinned = 1;
        }
    }
    if (plan->part != 0 && depth == CRDT_FIELD) {
        plan->field = crdt_state_find_field(doc, plan->part, plan->names[2]);
        if (plan->field != 0) {
            crdt_state_field(doc, plan->field)->pinned = 1;
        }
    }
    return CRDT_OK;
}

/* Several plans may have pinned one slot: the first to take the pin off keeps the slot's
 * number, so that a slot that is then forgotten is looked at no more. Fields, then parts,
 * then objects: what is above is still pinned while what is below goes. */
static void unplan_fields(crdt_document *doc, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t *field = &doc->plans[i].field;
        if (*field != 0 && !crdt_state_field(doc, *field)->pinned) {
            *field = 0;
        } else if (*field != 0) {
            crdt_state_field(doc, *field)->pinned = 0;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (doc->plans[i].field != 0) {
            crdt_state_release_field(doc, doc->plans[i].field);
        }
    }
}

static uint32_t *element_of(crdt_plan *plan, crdt_depth depth)
{
    return depth == CRDT_OBJECT ? &plan->object : &plan->part;
}

static void unplan_elements(crdt_document *doc, size_t count, crdt_depth depth)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t *slot = element_of(&doc->plans[i], depth);
        if (*slot != 0 && !crdt_state_element(doc, *slot)->pinned) {
            *slot = 0;
        } else if (*slot != 0) {
            crdt_state_element(doc, *slot)->pinned = 0;
        }
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = *element_of(&doc->plans[i], depth);
        if (slot != 0) {
            crdt_state_release_element(doc, slot);
        }
    }
}

static void unplan_all(crdt_document *doc, size_t count)
{
    unplan_fields(doc, count);
    unplan_elements(doc, count, CRDT_PART);
    unplan_elements(doc, count, CRDT_OBJECT);
    for (size_t i = 0; i < count; i++) {
        crdt_plan *plan = &doc->plans[i];
        crdt_lww_value_free(&doc->context, &plan->value);
        for (size_t j = 0; j < 3; j++) {
            crdt_names_release(&doc->context.names, plan->names[j]);
        }
    }
    crdt_state_trim_plans(doc);
}

/* How much room the batch needs beyond its slots. An entry needs a slot of its own only
 * beside one that its author had not seen. */
typedef struct room_needed {
    size_t adds; /* of dots and values in all */
    size_t sets;
    crdt_slot_room slots;
    size_t records;
} room_needed;

static bool has_unseen(const crdt_document *doc, const crdt_seen *seen,
                       const crdt_dot_store *store, uint32_t slot)
{
    for (uint32_t id = slot; id != 0;
         id = crdt_slot_lower(crdt_dot_store_at(store, id))) {
        crdt_dot dot = crdt_dot_store_at(store, id)->dot;
        if (dot != 0 && !crdt_seen_includes(seen, &doc->context.actors, dot)) {
            return true;
        }
    }
    return false;
}

static void count_entry(const crdt_document *doc, const crdt_seen *seen,
                        const crdt_dot_store *store, uint32_t key, room_needed *room)
{
    if (has_unseen(doc, seen, store, key)) {
        crdt_slot_room_add(&room->slots, crdt_dot_store_at(store, key));
    }
}

static void count_room(const crdt_document *doc, const crdt_seen *seen,
                       const crdt_op *op, const crdt_plan *plan, room_needed *room)
{
    switch (op->kind) {
    case CRDT_OP_ADD:
        room->adds++;
        count_entry(doc, seen, &doc->keys.store,
                    plan->part != 0 ? plan->part : plan->object, room);
        break;
    case CRDT_OP_SET:
        room->sets++;
        count_entry(doc, seen, &doc->fields.store, plan->field, room);
        break;
    case CRDT_OP_REMOVE:
    case CRDT_OP_UNSET:
        room->records++;
        break;
    }
}

static crdt_err reserve_room(crdt_document *doc, const room_needed *room,
                             const crdt_actor *actor)
{
    crdt_actors *actors = &doc->context.actors;
    size_t actor_count = actors->version.stamp_count;
    uint16_t number = crdt_actors_find(actors, actor);
    crdt_err err = CRDT_OK;
    if (number == 0) {
        err = crdt_actors_reserve(actors, 1);
        number = (uint16_t)++actor_count;
    }
    if (err == CRDT_OK) {
        err = crdt_dot_store_reserve(&doc->keys.store, &room->slots, actor_count);
    }
    if (err == CRDT_OK) {
        err = crdt_dot_store_reserve(&doc->fields.store, &room->slots, actor_count);
    }
    if (err == CRDT_OK && room->adds > 0) {
        err = crdt_dot_store_reserve_writes(&doc->keys.store, number, room->adds, 1);
    }
    if (err == CRDT_OK && room->sets > 0) {
        err = crdt_dot_store_reserve_writes(&doc->fields.store, number, room->sets, 1);
    }
    if (err == CRDT_OK) {
        err = crdt_remove_log_reserve(&doc->log, room->records, actor_count);
    }
    return err;
}

/* Make everything ready: after this nothing fails. On failure nothing has happened. */
static crdt_err plan_all(crdt_document *doc, const crdt_seen *seen,
                         const crdt_actor *actor, const crdt_op *ops, size_t op_count)
{
    crdt_err err = crdt_state_reserve_plans(doc, op_count);
    if (err != CRDT_OK) {
        return err;
    }
    room_needed room = {0};
    size_t planned = 0;
    while (planned < op_count && err == CRDT_OK) {
        const crdt_op *op = &ops[planned];
        crdt_plan *plan = &doc->plans[planned];
        *plan = (crdt_plan){0};
        err = plan_names(doc, &op->key, planned > 0 ? op - 1 : NULL,
                         planned > 0 ? plan - 1 : NULL, plan);
        err = err != CRDT_OK ? err
                             : plan_slots(doc, op, planned > 0 ? plan - 1 : NULL, plan);
        if (err == CRDT_OK && op->kind == CRDT_OP_SET) {
            err = crdt_lww_value_make(&doc->context, crdt_state_field(doc, plan->field),
                                      op->value, &plan->value);
        }
        if (err == CRDT_OK) {
            count_room(doc, seen, op, plan, &room);
        }
        planned++;
    }
    err = err != CRDT_OK ? err : reserve_room(doc, &room, actor);
    if (err != CRDT_OK) {
        unplan_all(doc, planned);
    }
    return err;
}

/* Room for values that take the place of others: mostly there is. */
static crdt_err reserve_sets(crdt_document *doc, const crdt_actor *actor, size_t count)
{
    const uint16_t number = crdt_actors_find(&doc->context.actors, actor);
    if (number == 0 || number > doc->fields.store.actor_capacity) {
        const room_needed room = {.sets = count};
        return reserve_room(doc, &room, actor);
    }
    return crdt_dot_store_reserve_writes(&doc->fields.store, number, count, 1);
}

/* The short way if the batch is one for it, else the long one. */
static crdt_err plan_change(crdt_change *change, const crdt_actor *actor,
                            const crdt_op *ops, size_t op_count)
{
    crdt_document *doc = change->doc;
    crdt_err err = reserve_sets(doc, actor, op_count);
    if (err == CRDT_OK) {
        err = crdt_overwrite_plan(change, ops, op_count);
        change->overwrites = err == CRDT_OK;
    }
    return err == CRDT_ENOTFOUND ? plan_all(doc, &change->seen, actor, ops, op_count)
                                 : err;
}

/* ---- performing: cannot fail ---- */

static void perform(crdt_change *change, const crdt_op *op, crdt_plan *plan,
                    crdt_dot dot, uint32_t who)
{
    crdt_document *doc = change->doc;
    if (change->overwrites) {
        crdt_overwrite_perform(change, op, plan, dot, who);
        return;
    }
    const bool all = change->seen.all;
    switch (op->kind) {
    case CRDT_OP_ADD:
    case CRDT_OP_REMOVE:
        change->seen.all = all || (op->kind == CRDT_OP_ADD ? MUTANT(9) : MUTANT(8));
        if (op->kind == CRDT_OP_ADD && MUTANT(5)) {
            change->watching = false;
        } else if (op->key.depth == CRDT_OBJECT && plan->object != 0) {
            crdt_state_drop_object(change, plan->object);
        } else if (op->key.depth == CRDT_PART && plan->part != 0) {
            crdt_state_drop_part(change, plan->part);
        }
        if (op->kind == CRDT_OP_ADD) {
            crdt_state_insert_dot(
                change, op->key.depth == CRDT_OBJECT ? plan->object : plan->part, dot,
                who);
        }
        change->seen.all = all;
        break;
    case CRDT_OP_SET:
        if (MUTANT(15) && crdt_state_field(doc, plan->field)->dot != 0 &&
            crdt_actors_compare(&doc->context.actors, dot,
                                crdt_state_field(doc, plan->field)->dot) < 0) {
            break;
        }
        change->seen.all = all || MUTANT(39);
        crdt_state_set_value(change, plan->field, dot, who, &plan->value);
        change->seen.all = all;
        plan->value = (crdt_lww_value){0}; /* handed over */
        break;
    case CRDT_OP_UNSET:
        if (plan->field != 0 && !MUTANT(120)) {
            crdt_state_drop_field(change, plan->field);
        }
        break;
    }
    if ((op->kind == CRDT_OP_REMOVE || op->kind == CRDT_OP_UNSET) && !MUTANT(3)) {
        crdt_remove_log_append(&doc->log, dot, plan->names);
    }
    crdt_state_tell_changed(change, plan->names[0]);
}

/* What the batch as a whole has led to: new values that are hidden or lost, and others'
 * values that it hid. */
static void tell_outcome(const crdt_change *change, const crdt_batch *batch)
{
    const crdt_document *doc = change->doc;
    uint64_t time = crdt_batch_first_time(batch);
    for (size_t i = 0; i < batch->op_count; i++, time++) {
        const crdt_op *op = &batch->ops[i];
        const crdt_plan *plan = &doc->plans[i];
        if (op->kind == CRDT_OP_SET && doc->tells_conflict && !MUTANT(122)) {
            crdt_state_tell_landed(doc, plan->field,
                                   crdt_dot_make(time, change->seen.actor));
        } else if (change->watching && op->key.depth == CRDT_PART && plan->part != 0) {
            crdt_state_tell_watched(doc, plan->part);
        } else if (change->watching && op->key.depth == CRDT_OBJECT &&
                   plan->object != 0) {
            for (uint32_t part = crdt_state_any_part(doc, plan->object); part != 0;
                 part = crdt_state_next_part(doc, part)) {
                crdt_state_tell_watched(doc, part);
            }
        }
    }
}

/* ---- apply ---- */

/* Is the batch new, and is all it needs here? `*known_all`: its author had seen exactly
 * what is here. */
static crdt_err check_batch(const crdt_document *doc, const crdt_batch *batch,
                            bool *known_all, crdt_diag *diag)
{
    const crdt_version *version = &doc->context.actors.version;
    const crdt_version deps = {.stamps = (crdt_stamp *)(uintptr_t)batch->deps,
                               .stamp_count = batch->dep_count};
    uint64_t known = crdt_version_get(version, &batch->actor);
    uint64_t last = crdt_batch_last_time(batch);
    if (last > CRDT_TIME_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "times end at 2^48 - 1");
    }
    if (last + MUTANT(111) <= known) {
        return CRDT_EDUPLICATE;
    }
    if (crdt_version_get(&deps, &batch->actor) < known && !MUTANT(110)) {
        return crdt_diag_set(diag, CRDT_EFORK, 0,
                             "the batch does not know its author's last operations");
    }
    if (!crdt_version_includes(version, &deps) && !MUTANT(112)) {
        return CRDT_EGAP;
    }
    *known_all = batch->dep_count == version->stamp_count &&
                 (batch->dep_count == 0 || MUTANT(113) ||
                  memcmp(batch->deps, version->stamps,
                         batch->dep_count * sizeof *batch->deps) == 0);
    return CRDT_OK;
}

static void end_change(crdt_change *change, uint32_t who, size_t planned)
{
    crdt_document *doc = change->doc;
    if (change->overwrites) {
        crdt_state_trim_plans(doc);
    } else {
        unplan_all(doc, planned);
    }
    crdt_names_release(&doc->context.names, who);
    crdt_remove_log_trim(&doc->log, crdt_state_log_bytes_max(doc));
}

crdt_err crdt_document_apply(crdt_document *doc, const crdt_batch *batch,
                             crdt_diag *diag)
{
    assert(batch->op_count > 0);
    /* The memory that the first lookup needs comes in while other things are done. */
    const uint32_t hash =
        crdt_names_seek(&doc->context.names, batch->ops[0].key.object);
    bool known_all = false;
    crdt_err err = check_batch(doc, batch, &known_all, diag);
    if (err != CRDT_OK) {
        return err;
    }
    if (crdt_seed_fits(doc, batch)) {
        return crdt_seed_apply(doc, batch);
    }
    crdt_overwrite_prefetch(doc, hash);
    crdt_actors *actors = &doc->context.actors;
    const uint64_t first = crdt_batch_first_time(batch);
    crdt_change change = {.doc = doc, .first_time = first, .first_hash = hash};
    change.seen = (crdt_seen){.stamps = batch->deps,
                              .stamp_count = batch->dep_count,
                              .all = known_all,
                              .actor = crdt_actors_find(actors, &batch->actor),
                              .time = first};
    uint32_t who = 0;
    if (batch->who.size > 0) {
        err = crdt_names_intern(&doc->context.names, batch->who, &who);
    }
    err = err != CRDT_OK
              ? err
              : plan_change(&change, &batch->actor, batch->ops, batch->op_count);
    if (err != CRDT_OK) {
        crdt_names_release(&doc->context.names, who);
        return err;
    }
    const crdt_stamp last = {.time = first + batch->op_count - 1,
                             .actor = batch->actor};
    change.seen.actor = crdt_actors_raise(actors, &last);
    for (size_t i = 0; i < batch->op_count; i++) {
        change.op_index = i;
        change.seen.time = MUTANT(114) ? first : first + i;
        if (change.overwrites) {
            crdt_overwrite_look_ahead(doc, i, batch->op_count);
        }
        perform(&change, &batch->ops[i], &doc->plans[i],
                crdt_dot_make(first + i, change.seen.actor), who);
    }
    if (change.watching || doc->tells_conflict) {
        tell_outcome(&change, batch);
    }
    end_change(&change, who, batch->op_count);
    return CRDT_OK;
}

/* ---- commit ---- */

/* Would the operation change nothing that its author means? Judged on the state after the
 * operations before it. */
static bool says_nothing(const crdt_document *doc, const crdt_op *op,
                         const crdt_plan *plan, bool sweep)
{
    uint32_t element = op->key.depth == CRDT_OBJECT ? plan->object : plan->part;
    switch (op->kind) {
    case CRDT_OP_ADD:
        return op->key.depth == CRDT_OBJECT ? crdt_state_object_live(doc, element)
               : MUTANT(117)                ? crdt_state_element(doc, element)->dot != 0
                                            : crdt_state_part_live(doc, element);
    case CRDT_OP_REMOVE:
        return !sweep && (element == 0 || crdt_state_element(doc, element)->dot == 0);
    case CRDT_OP_SET:
    case CRDT_OP_UNSET:
        break;
    }
    if (!crdt_state_part_live(doc, plan->part)) {
        return !MUTANT(118);
    }
    const crdt_slot *field =
        plan->field == 0 ? NULL : crdt_state_field(doc, plan->field);
    bool is_held = field != NULL && field->dot != 0;
    if (op->kind == CRDT_OP_UNSET) {
        return !is_held && !MUTANT(119);
    }
    return is_held && crdt_slot_lower(field) == 0 && !MUTANT(17) &&
           crdt_span_equal(crdt_lww_map_value(field), op->value);
}

/* What an operation that drops values newer than the author saw is told to have won with. */
static void note_stale(crdt_change *change, const crdt_edit *edit, const crdt_op *op,
                       const crdt_stamp *stamp, crdt_entry *winner)
{
    *winner = (crdt_entry){.stamp = *stamp, .who = edit->who, .value = op->value};
    change->stale_after = op->kind == CRDT_OP_SET ? edit->seen : NULL;
    change->stale_winner = winner;
}

/* The operations that say something are performed one by one and collected in `done`. */
static void commit_all(crdt_change *change, const crdt_edit *edit, const crdt_op *ops,
                       size_t op_count, uint32_t who, crdt_op *done, size_t *done_count)
{
    crdt_document *doc = change->doc;
    crdt_stamp stamp = {.time = change->first_time, .actor = edit->actor};
    crdt_entry winner;
    *done_count = 0;
    for (size_t i = 0; i < op_count; i++) {
        crdt_plan *plan = &doc->plans[i];
        if (change->overwrites) {
            crdt_overwrite_look_ahead(doc, i, op_count);
        }
        if (change->overwrites ? crdt_overwrite_says_nothing(doc, &ops[i], plan)
                               : says_nothing(doc, &ops[i], plan, edit->sweep)) {
            continue;
        }
        if (*done_count == 0) { /* the others are known by the last, at the end */
            change->seen.actor = crdt_actors_raise(&doc->context.actors, &stamp);
        }
        change->seen.time = stamp.time;
        change->op_index = *done_count;
        if (edit->seen != NULL) {
            note_stale(change, edit, &ops[i], &stamp, &winner);
        }
        perform(change, &ops[i], plan, crdt_dot_make(stamp.time, change->seen.actor),
                who);
        done[(*done_count)++] = ops[i];
        stamp.time += !(MUTANT(13) && ops[i].kind == CRDT_OP_UNSET);
    }
    change->stale_after = NULL;
    change->stale_winner = NULL;
    if (*done_count > 1) {
        stamp.time--;
        crdt_actors_raise(&doc->context.actors, &stamp);
    }
}

static crdt_err copy_deps(const crdt_document *doc, crdt_arena *arena,
                          crdt_batch *batch)
{
    const crdt_version *version = &doc->context.actors.version;
    crdt_stamp *deps = crdt_arena_alloc(arena, version->stamp_count * sizeof *deps);
    if (deps == NULL) {
        return CRDT_ENOMEM;
    }
    if (version->stamp_count > 0) {
        memcpy(deps, version->stamps, version->stamp_count * sizeof *deps);
    }
    batch->deps = deps;
    batch->dep_count = version->stamp_count;
    return CRDT_OK;
}

/* The time of the first operation: after all that is known here. */
static uint64_t next_time(const crdt_document *doc, const crdt_edit *edit,
                          size_t op_count)
{
    const uint64_t time = doc->context.actors.time_max + 1;
    if (MUTANT(19) && time == 1) {
        return 1001;
    }
    if (MUTANT(106)) {
        return crdt_version_get(crdt_document_version(doc), &edit->actor) + 1;
    }
    return time + (MUTANT(115) && op_count > 2);
}

crdt_err crdt_document_commit(crdt_document *doc, const crdt_edit *edit,
                              const crdt_op *ops, size_t op_count, crdt_arena *arena,
                              crdt_batch *batch, crdt_diag *diag)
{
    /* As in crdt_document_apply. */
    const crdt_span first = op_count > 0 ? ops[0].key.object : (crdt_span){0};
    const uint32_t hash = crdt_names_seek(&doc->context.names, first);
    crdt_err err = check_edit(doc, edit, ops, op_count, diag);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_overwrite_prefetch(doc, hash);
    *batch =
        (crdt_batch){.actor = edit->actor, .who = edit->who, .wall_ms = edit->wall_ms};
    crdt_op *done = crdt_arena_alloc(arena, op_count * sizeof *done);
    err = done == NULL ? CRDT_ENOMEM : copy_deps(doc, arena, batch);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_change change = {
        .doc = doc, .first_time = next_time(doc, edit, op_count), .first_hash = hash};
    change.seen = (crdt_seen){.all = true};
    uint32_t who = 0;
    if (edit->who.size > 0) {
        err = crdt_names_intern(&doc->context.names, edit->who, &who);
    }
    err = err != CRDT_OK ? err : plan_change(&change, &edit->actor, ops, op_count);
    if (err != CRDT_OK) {
        crdt_names_release(&doc->context.names, who);
        return err;
    }
    size_t done_count = 0;
    commit_all(&change, edit, ops, op_count, who, done, &done_count);
    assert(!change.watching); /* all was seen: nothing stays below what was dropped */
    batch->ops = done;
    batch->op_count = done_count;
    end_change(&change, who, op_count);
    return done_count > 0 ? CRDT_OK : CRDT_ENOTHING;
}
