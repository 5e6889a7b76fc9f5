#include "cli/worker/rebase_plan.h"

#include "crdt/answer.h"
#include "scene/descent.h"
#include "scene/scene.h"

#include <stdlib.h>
#include <string.h>

#define GROUP_OPS_MAX 4096u /* of one batch */

const char *worker_rebase_clash_name(worker_rebase_clash_kind kind)
{
    static const char *const NAMES[] = {"overwritten", "gone", "removed", "kept"};
    return NAMES[kind];
}

/* An operation with its author, in the order in which they will be made. */
typedef struct step {
    int phase;
    crdt_span who;
    size_t who_rank;
    size_t rank;
    crdt_op op;
} step;

/* An add drops what was seen below the key: so objects come before their parts, whoever
 * added them. */
enum { REMOVES, OBJECTS, PARTS, VALUES };

typedef struct planner {
    const worker_rebase_plan_input *in;
    worker_rebase_plan *plan;
    crdt_alloc alloc;
    scene_format ours_origin;
    scene_format living_origin;
    crdt_key *removed; /* of our remove log, sorted, each once */
    size_t removed_count;
    size_t removed_capacity;
    crdt_key *renewed; /* removed and made again: all below is written */
    size_t renewed_count;
    size_t renewed_capacity;
    step *steps;
    size_t step_count;
    size_t step_capacity;
    size_t clash_capacity;
    crdt_err err;
} planner;

/* ---- lists and copies: the first failure sticks ---- */

static void *grow(planner *p, void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return items;
    }
    size_t more = *capacity * 2 + 16;
    void *grown = crdt_resize_array(p->alloc, items, *capacity, more, size);
    if (grown == NULL) {
        p->err = CRDT_ENOMEM;
        return items;
    }
    *capacity = more;
    return grown;
}

static crdt_span keep(planner *p, crdt_span span)
{
    uint8_t *copy = crdt_arena_alloc(&p->plan->arena, span.size);
    if (copy == NULL) {
        p->err = CRDT_ENOMEM;
        return (crdt_span){NULL, 0};
    }
    if (span.size > 0) {
        memcpy(copy, span.data, span.size);
    }
    return (crdt_span){copy, span.size};
}

static crdt_key keep_key(planner *p, const crdt_key *key)
{
    crdt_key copy = {.depth = key->depth, .object = keep(p, key->object)};
    if (key->depth >= CRDT_PART) {
        copy.part = keep(p, key->part);
    }
    if (key->depth == CRDT_FIELD) {
        copy.field = keep(p, key->field);
    }
    return copy;
}

static void push_key(planner *p, crdt_key **list, size_t *count, size_t *capacity,
                     const crdt_key *key)
{
    *list = grow(p, *list, *count, capacity, sizeof **list);
    if (p->err == CRDT_OK) {
        (*list)[(*count)++] = keep_key(p, key);
    }
}

static void push_step(planner *p, int phase, crdt_span who, crdt_op_kind kind,
                      const crdt_key *key, crdt_span value)
{
    p->steps = grow(p, p->steps, p->step_count, &p->step_capacity, sizeof *p->steps);
    if (p->err != CRDT_OK) {
        return;
    }
    step *one = &p->steps[p->step_count];
    *one = (step){.phase = phase,
                  .who = keep(p, who),
                  .rank = p->step_count,
                  .op = {.kind = kind, .key = keep_key(p, key)}};
    if (kind == CRDT_OP_SET) {
        one->op.value = keep(p, value);
    }
    p->step_count++;
}

static void push_clash(planner *p, worker_rebase_clash_kind kind, const crdt_key *key,
                       crdt_span ours, crdt_span who, const crdt_entry *theirs)
{
    worker_rebase_plan *plan = p->plan;
    plan->clashes = grow(p, plan->clashes, plan->clash_count, &p->clash_capacity,
                         sizeof *plan->clashes);
    if (p->err != CRDT_OK) {
        return;
    }
    worker_rebase_clash *clash = &plan->clashes[plan->clash_count++];
    *clash = (worker_rebase_clash){.kind = kind,
                                   .key = keep_key(p, key),
                                   .ours = keep(p, ours),
                                   .who = keep(p, who)};
    if (theirs != NULL) {
        clash->theirs = keep(p, theirs->value);
        clash->their_who = keep(p, theirs->who);
        clash->their_stamp = theirs->stamp;
    }
}

/* ---- what is where ---- */

/* What tells where a scene comes from and how it is spelled is the living one's own. */
static bool is_aside(const crdt_key *key)
{
    if (!crdt_span_equal(key->object, crdt_span_of(SCENE_NAME_SCENE)) ||
        key->depth < CRDT_PART) {
        return false;
    }
    return crdt_span_equal(key->part, crdt_span_of(SCENE_NAME_PAST)) ||
           crdt_span_equal(key->part, crdt_span_of(SCENE_NAME_ENTITY));
}

/* The key as the living document spells it. */
static crdt_key spelled(const planner *p, const crdt_key *key)
{
    crdt_key result = *key;
    if (p->ours_origin != p->living_origin && key->depth >= CRDT_PART &&
        scene_layout_is_entity(key->object) &&
        scene_layout_class(key->part) != SCENE_CLASS_OTHER) {
        result.part = scene_layout_translate(key->part, p->living_origin);
    }
    return result;
}

/* What a field shows in a document; false: nothing. */
static bool shown(const crdt_document *doc, const crdt_key *key, crdt_entry *entry)
{
    crdt_key part_key = crdt_key_part(key->object, key->part);
    if (!crdt_document_live(doc, &part_key)) {
        return false;
    }
    crdt_object object = crdt_document_find_object(doc, key->object);
    crdt_part part = crdt_document_find_part(doc, object, key->part);
    crdt_field field = crdt_document_find_field(doc, part, key->field);
    return field.id != 0 && crdt_document_field_value(doc, field, 0, entry);
}

static bool of_template(const planner *p, const crdt_entry *entry)
{
    return crdt_actor_equal(&entry->stamp.actor, &p->in->template_actor);
}

/* Was the object or part added in the living lineage since it was loaded? */
static bool added_anew(const planner *p, const crdt_key *key)
{
    const crdt_document *doc = p->in->living;
    crdt_object object = crdt_document_find_object(doc, key->object);
    crdt_entry entry;
    for (size_t i = 0; object.id != 0; i++) {
        bool any;
        if (key->depth == CRDT_OBJECT) {
            any = crdt_document_object_dot(doc, object, i, &entry);
        } else {
            crdt_part part = crdt_document_find_part(doc, object, key->part);
            any = part.id != 0 && crdt_document_part_dot(doc, part, i, &entry);
        }
        if (!any) {
            return false;
        }
        if (!of_template(p, &entry)) {
            return true;
        }
    }
    return false;
}

/* Is `key` at or below `above`? */
static bool is_below(const crdt_key *key, const crdt_key *above)
{
    return crdt_span_equal(key->object, above->object) &&
           (above->depth < CRDT_PART ||
            (key->depth >= CRDT_PART && crdt_span_equal(key->part, above->part))) &&
           (above->depth < CRDT_FIELD ||
            (key->depth == CRDT_FIELD && crdt_span_equal(key->field, above->field)));
}

static int compare_keys(const void *a, const void *b)
{
    return crdt_key_compare(a, b);
}

static bool was_renewed(const planner *p, crdt_key key)
{
    return p->renewed_count > 0 && bsearch(&key, p->renewed, p->renewed_count,
                                           sizeof *p->renewed, compare_keys) != NULL;
}

/* Does it lie at or below what was removed and made again? The list is sorted. */
static bool is_renewed(const planner *p, const crdt_key *key)
{
    return was_renewed(p, crdt_key_object(key->object)) ||
           (key->depth >= CRDT_PART &&
            was_renewed(p, crdt_key_part(key->object, key->part)));
}

/* ---- removes ---- */

/* What the living lineage changed below a key that goes. */
static void report_below(planner *p, const crdt_key *key)
{
    const crdt_document *doc = p->in->living;
    crdt_object object = crdt_document_find_object(doc, key->object);
    crdt_part part = {0};
    while (object.id != 0 && crdt_document_next_part(doc, object, &part)) {
        crdt_span name = crdt_document_part_name(doc, part);
        if (!crdt_document_part_live(doc, part) ||
            (key->depth >= CRDT_PART && !crdt_span_equal(name, key->part))) {
            continue;
        }
        crdt_field field = {0};
        while (crdt_document_next_field(doc, part, &field)) {
            crdt_entry entry;
            crdt_key at =
                crdt_key_field(key->object, name, crdt_document_field_name(doc, field));
            if (crdt_document_field_value(doc, field, 0, &entry) &&
                !of_template(p, &entry)) {
                push_clash(p, WORKER_REBASE_REMOVED, &at, (crdt_span){NULL, 0},
                           (crdt_span){NULL, 0}, &entry);
            }
        }
    }
}

static void unset_field(planner *p, const crdt_key *key)
{
    crdt_entry entry;
    crdt_entry own;
    crdt_key theirs = spelled(p, key);
    if (shown(p->in->ours, key, &own) || !shown(p->in->living, &theirs, &entry)) {
        return;
    }
    if (!of_template(p, &entry)) {
        push_clash(p, WORKER_REBASE_REMOVED, &theirs, (crdt_span){NULL, 0},
                   (crdt_span){NULL, 0}, &entry);
    }
    push_step(p, VALUES, (crdt_span){NULL, 0}, CRDT_OP_UNSET, &theirs,
              (crdt_span){NULL, 0});
}

/* An object or a part that was removed here, and perhaps made again. */
static void remove_key(planner *p, const crdt_key *key)
{
    crdt_key theirs = spelled(p, key);
    bool again = crdt_document_live(p->in->ours, key);
    if (!crdt_document_live(p->in->living, &theirs)) {
        if (again) {
            push_key(p, &p->renewed, &p->renewed_count, &p->renewed_capacity, key);
        }
        return;
    }
    if (added_anew(p, &theirs)) {
        if (!again) {
            push_clash(p, WORKER_REBASE_KEPT, &theirs, (crdt_span){NULL, 0},
                       (crdt_span){NULL, 0}, NULL);
        }
        return;
    }
    report_below(p, &theirs);
    push_step(p, REMOVES, (crdt_span){NULL, 0}, CRDT_OP_REMOVE, &theirs,
              (crdt_span){NULL, 0});
    if (again) {
        push_key(p, &p->renewed, &p->renewed_count, &p->renewed_capacity, key);
    }
}

static void plan_removes(planner *p)
{
    if (p->removed_count > 1) {
        qsort(p->removed, p->removed_count, sizeof *p->removed, compare_keys);
    }
    const crdt_key *above = NULL; /* it went with all that is below */
    for (size_t i = 0; i < p->removed_count && p->err == CRDT_OK; i++) {
        const crdt_key *key = &p->removed[i];
        bool twice = i > 0 && crdt_key_equal(key, &p->removed[i - 1]);
        if (twice || is_aside(key) || (above != NULL && is_below(key, above))) {
            continue;
        }
        if (key->depth == CRDT_FIELD) {
            unset_field(p, key);
        } else {
            remove_key(p, key);
            above = crdt_document_live(p->in->ours, key) ? above : key;
        }
    }
}

static void push_removed(planner *p, const crdt_key *key)
{
    push_key(p, &p->removed, &p->removed_count, &p->removed_capacity, key);
}

/* Fields of a part that both have. Those of shared components lie elsewhere. */
static void find_unset(planner *p, crdt_span object, crdt_span type, crdt_part part)
{
    const crdt_document *doc = p->in->living;
    uint8_t name[CRDT_NAME_SIZE_MAX];
    crdt_span shared;
    crdt_field field = {0};
    while (crdt_document_next_field(doc, part, &field)) {
        crdt_key key =
            crdt_key_field(object, type, crdt_document_field_name(doc, field));
        crdt_entry entry;
        crdt_entry own;
        if (!scene_layout_is_own(key.field) &&
            crdt_document_field_value(doc, field, 0, &entry) &&
            of_template(p, &entry) && !shown(p->in->ours, &key, &own) &&
            !scene_part_shares(doc, part, name, &shared)) {
            push_removed(p, &key);
        }
    }
}

static void find_removed_parts(planner *p, crdt_object object)
{
    const crdt_document *doc = p->in->living;
    crdt_span name = crdt_document_object_name(doc, object);
    crdt_part part = {0};
    while (crdt_document_next_part(doc, object, &part) && p->err == CRDT_OK) {
        crdt_span type = crdt_document_part_name(doc, part);
        crdt_key at = crdt_key_part(name, type);
        if (!scene_layout_is_component(type, NULL) ||
            !crdt_document_part_live(doc, part)) {
            continue;
        }
        if (crdt_document_live(p->in->ours, &at)) {
            find_unset(p, name, type, part);
        } else if (!added_anew(p, &at)) {
            push_removed(p, &at);
        }
    }
}

/* The remove log was trimmed: what the template has and we have not, though we held all
 * that it was made of, was removed here. Entities and shared components alone. */
static void find_removed(planner *p)
{
    const crdt_document *doc = p->in->living;
    crdt_object object = {0};
    while (crdt_document_next_object(doc, &object) && p->err == CRDT_OK) {
        crdt_key key = crdt_key_object(crdt_document_object_name(doc, object));
        if (crdt_span_equal(key.object, crdt_span_of(SCENE_NAME_SCENE)) ||
            !crdt_document_object_live(doc, object)) {
            continue;
        }
        if (!crdt_document_live(p->in->ours, &key)) {
            if (!added_anew(p, &key)) {
                push_removed(p, &key);
            }
        } else if (p->ours_origin == p->living_origin) {
            find_removed_parts(p, object);
        }
    }
}

/* ---- adds and values ---- */

/* Is what this key lies in gone from the living document, and not brought back by us? */
static bool is_gone(const planner *p, const crdt_key *key, const crdt_key *theirs,
                    bool part_is_ours)
{
    crdt_key object = crdt_key_object(theirs->object);
    crdt_key own = crdt_key_object(key->object);
    if (!crdt_document_live(p->in->living, &object)) {
        crdt_object at = crdt_document_find_object(p->in->ours, key->object);
        crdt_entry dot;
        for (size_t i = 0; crdt_document_object_dot(p->in->ours, at, i, &dot); i++) {
            if (!crdt_version_covers(p->in->base, &dot.stamp)) {
                return false;
            }
        }
        return !is_renewed(p, &own);
    }
    crdt_key part = crdt_key_part(theirs->object, theirs->part);
    return key->depth == CRDT_FIELD && !part_is_ours &&
           !crdt_document_live(p->in->living, &part) && !is_renewed(p, key);
}

static bool part_added_here(const planner *p, const crdt_key *key)
{
    crdt_object object = crdt_document_find_object(p->in->ours, key->object);
    crdt_part part = crdt_document_find_part(p->in->ours, object, key->part);
    crdt_entry dot;
    for (size_t i = 0; crdt_document_part_dot(p->in->ours, part, i, &dot); i++) {
        if (!crdt_version_covers(p->in->base, &dot.stamp)) {
            return true;
        }
    }
    return false;
}

/* An object or a part of ours is to be there. */
static void plan_add(planner *p, const crdt_key *key, const crdt_entry *dot)
{
    crdt_key theirs = spelled(p, key);
    if (is_aside(key) || !crdt_document_live(p->in->ours, key)) {
        return;
    }
    if (key->depth == CRDT_PART && is_gone(p, key, &theirs, true)) {
        return; /* its values tell */
    }
    if (!crdt_document_live(p->in->living, &theirs) || is_renewed(p, key)) {
        push_step(p, key->depth == CRDT_OBJECT ? OBJECTS : PARTS, dot->who, CRDT_OP_ADD,
                  &theirs, (crdt_span){NULL, 0});
    }
}

static void plan_value(planner *p, const crdt_key *key, const crdt_entry *own)
{
    crdt_entry entry;
    crdt_key theirs = spelled(p, key);
    crdt_entry ours;
    if (is_aside(key) || !shown(p->in->ours, key, &ours)) {
        return;
    }
    if (is_gone(p, key, &theirs, part_added_here(p, key))) {
        push_clash(p, WORKER_REBASE_GONE, &theirs, own->value, own->who, NULL);
        return;
    }
    bool there = shown(p->in->living, &theirs, &entry);
    bool renewed = is_renewed(p, key);
    if (there && crdt_span_equal(entry.value, own->value) && !renewed) {
        return;
    }
    if (there && !of_template(p, &entry) && !renewed) {
        push_clash(p, WORKER_REBASE_OVERWRITTEN, &theirs, own->value, own->who, &entry);
    }
    push_step(p, VALUES, own->who, CRDT_OP_SET, &theirs, own->value);
}

/* All that our document shows below what was removed and made again. */
static void plan_renewed(planner *p)
{
    const crdt_document *doc = p->in->ours;
    for (size_t i = 0; i < p->renewed_count && p->err == CRDT_OK; i++) {
        const crdt_key *above = &p->renewed[i];
        crdt_object object = crdt_document_find_object(doc, above->object);
        crdt_entry entry;
        crdt_key key = crdt_key_object(above->object);
        if (above->depth == CRDT_OBJECT &&
            crdt_document_object_dot(doc, object, 0, &entry)) {
            plan_add(p, &key, &entry);
        }
        crdt_part part = {0};
        while (crdt_document_next_part(doc, object, &part)) {
            key = crdt_key_part(above->object, crdt_document_part_name(doc, part));
            if (!is_below(&key, above) ||
                !crdt_document_part_dot(doc, part, 0, &entry)) {
                continue;
            }
            plan_add(p, &key, &entry);
            crdt_field field = {0};
            while (crdt_document_next_field(doc, part, &field)) {
                crdt_key at = crdt_key_field(key.object, key.part,
                                             crdt_document_field_name(doc, field));
                if (crdt_document_field_value(doc, field, 0, &entry)) {
                    plan_value(p, &at, &entry);
                }
            }
        }
    }
}

/* ---- the answer ---- */

/* One pass: the log, or the entries that V does not cover and that show. */
static crdt_err read_answer(planner *p, crdt_answer_reader *reader, bool log)
{
    crdt_answer_item item;
    bool first = true;
    crdt_err err;
    while ((err = crdt_answer_read_next(reader, &item)) == CRDT_OK &&
           item.type != CRDT_ANSWER_END && p->err == CRDT_OK) {
        if (item.type == CRDT_ANSWER_LOG && log) {
            if (!crdt_version_covers(p->in->base, &item.stamp)) {
                push_key(p, &p->removed, &p->removed_count, &p->removed_capacity,
                         &item.key);
            }
        } else if (item.type == CRDT_ANSWER_KEY) {
            first = true;
        } else if (item.type == CRDT_ANSWER_ENTRY && !log) {
            crdt_entry entry = {item.stamp, item.who, item.value};
            bool fresh = !crdt_version_covers(p->in->base, &item.stamp);
            if (fresh && first && !is_renewed(p, &item.key)) {
                if (item.key.depth == CRDT_FIELD) {
                    plan_value(p, &item.key, &entry);
                } else {
                    plan_add(p, &item.key, &entry);
                }
            }
            first = false;
        }
    }
    return err;
}

static crdt_err plan_answer(planner *p, crdt_span answer)
{
    crdt_arena arena;
    crdt_arena_init(&arena, p->alloc);
    crdt_answer_reader reader;
    crdt_err err = crdt_answer_read_open(&reader, answer, &arena, NULL);
    if (err == CRDT_OK) {
        err = read_answer(p, &reader, true);
    }
    if (err == CRDT_OK && p->err == CRDT_OK && reader.full) {
        bool all =
            crdt_version_includes(crdt_document_version(p->in->ours), p->in->base);
        p->plan->removes_unknown = !all;
        if (all) {
            find_removed(p);
        }
    }
    if (err == CRDT_OK && p->err == CRDT_OK) {
        plan_removes(p);
        plan_renewed(p);
        crdt_answer_read_rewind(&reader);
        err = read_answer(p, &reader, false);
    }
    crdt_arena_deinit(&arena);
    return err != CRDT_OK ? err : p->err;
}

/* ---- groups ---- */

static int compare_steps(const void *left, const void *right)
{
    const step *a = left;
    const step *b = right;
    if (a->phase != b->phase) {
        return a->phase - b->phase;
    }
    if (a->who_rank != b->who_rank) {
        return a->who_rank < b->who_rank ? -1 : 1;
    }
    return (a->rank > b->rank) - (a->rank < b->rank);
}

/* Persons in the order in which they first appear. */
static void rank_persons(planner *p)
{
    crdt_span *persons = NULL;
    size_t count = 0;
    size_t capacity = 0;
    for (size_t i = 0; i < p->step_count && p->err == CRDT_OK; i++) {
        size_t rank = 0;
        while (rank < count && !crdt_span_equal(persons[rank], p->steps[i].who)) {
            rank++;
        }
        p->steps[i].who_rank = rank;
        persons = grow(p, persons, count, &capacity, sizeof *persons);
        if (rank == count && p->err == CRDT_OK) {
            persons[count++] = p->steps[i].who;
        }
    }
    crdt_free(p->alloc, persons, capacity * sizeof *persons);
}

static void make_groups(planner *p)
{
    worker_rebase_plan *plan = p->plan;
    rank_persons(p);
    if (p->step_count > 1) {
        qsort(p->steps, p->step_count, sizeof *p->steps, compare_steps);
    }
    crdt_op *ops = crdt_arena_alloc(&plan->arena, p->step_count * sizeof *ops);
    worker_rebase_group *groups =
        crdt_arena_alloc(&plan->arena, p->step_count * sizeof *groups);
    if (ops == NULL || groups == NULL) {
        p->err = CRDT_ENOMEM;
        return;
    }
    plan->groups = groups;
    for (size_t i = 0; i < p->step_count; i++) {
        const step *one = &p->steps[i];
        ops[i] = one->op;
        const step *before = i > 0 ? &p->steps[i - 1] : NULL;
        bool joins = before != NULL && before->phase == one->phase &&
                     before->who_rank == one->who_rank &&
                     groups[plan->group_count - 1].op_count < GROUP_OPS_MAX;
        if (!joins) {
            groups[plan->group_count++] =
                (worker_rebase_group){.who = one->who, .ops = &ops[i]};
        }
        groups[plan->group_count - 1].op_count++;
    }
    plan->op_count = p->step_count;
}

crdt_err worker_rebase_plan_make(worker_rebase_plan *plan,
                                 const worker_rebase_plan_input *input,
                                 crdt_alloc alloc)
{
    *plan = (worker_rebase_plan){.groups = NULL};
    crdt_arena_init(&plan->arena, alloc);
    planner p = {.in = input,
                 .plan = plan,
                 .alloc = alloc,
                 .ours_origin = scene_origin_of(input->ours),
                 .living_origin = scene_origin_of(input->living)};
    crdt_buf answer;
    crdt_buf_init(&answer, alloc);
    crdt_err err = crdt_document_answer(input->ours, input->base, NULL, &answer);
    if (err == CRDT_OK) {
        err = plan_answer(&p, crdt_buf_span(&answer));
    }
    if (err == CRDT_OK) {
        make_groups(&p);
        err = p.err;
    }
    worker_rebase_clash *clashes =
        crdt_arena_alloc(&plan->arena, plan->clash_count * sizeof *plan->clashes);
    if (clashes == NULL) {
        err = err != CRDT_OK ? err : CRDT_ENOMEM;
        plan->clash_count = 0;
    } else if (plan->clash_count > 0) {
        memcpy(clashes, plan->clashes, plan->clash_count * sizeof *clashes);
    }
    crdt_free(alloc, plan->clashes, p.clash_capacity * sizeof *plan->clashes);
    plan->clashes = clashes;
    crdt_free(alloc, p.removed, p.removed_capacity * sizeof *p.removed);
    crdt_free(alloc, p.renewed, p.renewed_capacity * sizeof *p.renewed);
    crdt_free(alloc, p.steps, p.step_capacity * sizeof *p.steps);
    crdt_buf_deinit(&answer);
    return err;
}

void worker_rebase_plan_deinit(worker_rebase_plan *plan)
{
    if (plan->arena.head != NULL) {
        crdt_arena_deinit(&plan->arena);
    }
    *plan = (worker_rebase_plan){.groups = NULL};
}
