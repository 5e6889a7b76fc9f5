#include "scene/touch.h"

#include "crdt/mutant.h"
#include "scene/invert.h"

#include <stdlib.h>

/* What one record did to one key. */
typedef struct trace {
    scene_touch touch;
    size_t record;                  /* 0: the newest */
    const crdt_history_drop *other; /* a field: the best value of somebody else that was
                                     * hidden and went; NULL: none */
    bool foreign;                   /* something of somebody else went there */
    bool foreign_former;
} trace;

typedef struct collector {
    const crdt_history_record *const *records;
    size_t record_count;
    const scene_invert_who *who;
    trace *traces; /* in key order, of one key newest first */
    size_t trace_count;
    const scene_touch_op *ops;
    size_t object_floor; /* the last record that counts below the object at hand */
    size_t part_floor;   /* likewise below the part */
} collector;

static int compare_traces(const void *a, const void *b)
{
    const trace *x = a;
    const trace *y = b;
    int order = crdt_key_compare(&x->touch.key, &y->touch.key);
    return order != 0 ? order : (x->record > y->record) - (x->record < y->record);
}

static bool is_below(const crdt_key *key, const crdt_key *above)
{
    return crdt_span_equal(key->object, above->object) &&
           (above->depth == CRDT_OBJECT ||
            (key->depth >= CRDT_PART && crdt_span_equal(key->part, above->part)));
}

size_t scene_touches_end(const scene_touches *touches, size_t first)
{
    size_t end = first + 1;
    while (end < touches->count &&
           is_below(&touches->items[end].key, &touches->items[first].key)) {
        end++;
    }
    return end;
}

/* ---- one record ---- */

static trace trace_drop(const collector *c, size_t record,
                        const crdt_history_drop *drop)
{
    bool foreign = !c->who->is_own(c->who->ctx, &drop->entry.stamp, drop->entry.who);
    bool hidden = drop->key.depth == CRDT_FIELD && !drop->was_live;
    return (trace){.touch = {.key = drop->key,
                             .last_op = SCENE_TOUCH_NO_OP,
                             .former = drop->was_live ? drop : NULL},
                   .record = record,
                   .other = hidden && foreign ? drop : NULL,
                   .foreign = foreign,
                   .foreign_former = foreign && drop->was_live};
}

/* `more` is of the same record and key. */
static void join_traces(trace *into, const trace *more)
{
    scene_touch *touch = &into->touch;
    size_t op = more->touch.last_op;
    if (op != SCENE_TOUCH_NO_OP &&
        (touch->last_op == SCENE_TOUCH_NO_OP || (op > touch->last_op) != MUTANT(411))) {
        touch->last_op = op;
    }
    /* Several dots of one key may have been live: rather one of somebody else. */
    if (touch->former == NULL || (more->foreign_former && !into->foreign_former)) {
        touch->former = more->touch.former != NULL ? more->touch.former : touch->former;
    }
    if (into->other == NULL ||
        (more->other != NULL && crdt_stamp_compare(&more->other->entry.stamp,
                                                   &into->other->entry.stamp) > 0)) {
        into->other = more->other;
    }
    into->foreign = into->foreign || more->foreign;
    into->foreign_former = into->foreign_former || more->foreign_former;
}

/* One trace for each key of each record. */
static crdt_err collect_traces(collector *c, crdt_arena *arena)
{
    size_t op_count = 0;
    size_t count = 0;
    for (size_t i = 0; i < c->record_count; i++) {
        op_count += c->records[i]->op_count;
        count += c->records[i]->op_count + c->records[i]->drop_count;
    }
    if (count > SIZE_MAX / sizeof(trace)) {
        return CRDT_ENOMEM;
    }
    scene_touch_op *ops = crdt_arena_alloc(arena, op_count * sizeof *ops);
    trace *all = crdt_arena_alloc(arena, count * sizeof *all);
    if (ops == NULL || all == NULL) {
        return CRDT_ENOMEM;
    }
    size_t index = op_count;
    size_t filled = 0;
    for (size_t r = 0; r < c->record_count; r++) {
        const crdt_history_record *record = c->records[r];
        index -= record->op_count;
        for (size_t i = 0; i < record->op_count; i++) {
            ops[index + i] = (scene_touch_op){&record->ops[i],
                                              {record->first_time + i, record->author}};
            all[filled++] =
                (trace){.touch = {.key = record->ops[i].key, .last_op = index + i},
                        .record = r};
        }
        for (size_t i = 0; i < record->drop_count; i++) {
            all[filled++] = trace_drop(c, r, &record->drops[i]);
        }
    }
    qsort(all, count, sizeof *all, compare_traces);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && compare_traces(&all[kept - 1], &all[i]) == 0) {
            join_traces(&all[kept - 1], &all[i]);
        } else {
            all[kept++] = all[i];
        }
    }
    c->traces = all;
    c->trace_count = kept;
    c->ops = ops;
    return CRDT_OK;
}

/* ---- one key over all records ---- */

/* Did the newer record find there what the older one left? */
static bool follows(const collector *c, const trace *newer, const trace *older)
{
    const scene_touch *touch = &older->touch;
    const crdt_history_drop *found = newer->touch.former;
    bool left = false; /* anything */
    if (touch->last_op != SCENE_TOUCH_NO_OP) {
        crdt_op_kind kind = c->ops[touch->last_op].op->kind;
        left = kind == CRDT_OP_SET || kind == CRDT_OP_ADD;
    }
    if (!left || found == NULL) {
        return !left && found == NULL;
    }
    const crdt_stamp *written = &c->ops[touch->last_op].stamp;
    return touch->key.depth == CRDT_FIELD
               ? c->who->is_same(c->who->ctx, &touch->key, &found->entry.stamp, written)
               : crdt_stamp_compare(&found->entry.stamp, written) == 0;
}

/* Did anything of others go with the key at `index`, by the record at its trace? */
static bool took_others(const collector *c, size_t index)
{
    const trace *at = &c->traces[index];
    for (size_t i = index; i < c->trace_count; i++) {
        const trace *t = &c->traces[i];
        if (!is_below(&t->touch.key, &at->touch.key)) {
            break;
        }
        if (t->record == at->record && t->foreign) {
            return true;
        }
    }
    return false;
}

/* The story of the key whose traces are [first, end): false: it does not count, for what
 * it lies in was somebody else's after it. */
static bool follow(collector *c, size_t first, size_t end, scene_touch *touch)
{
    const crdt_key *key = &c->traces[first].touch.key;
    size_t floor = key->depth == CRDT_OBJECT ? SIZE_MAX : c->object_floor;
    if (key->depth == CRDT_FIELD && c->part_floor < floor) {
        floor = c->part_floor;
    }
    if (c->traces[first].record > floor) {
        return false;
    }
    *touch = c->traces[first].touch;
    for (size_t i = first + 1; i < end && c->traces[i].record <= floor; i++) {
        const trace *newer = &c->traces[i - 1];
        if (!follows(c, newer, &c->traces[i]) && !MUTANT(421)) {
            break;
        }
        if (newer->other != NULL && !MUTANT(422)) {
            touch->former = newer->other; /* without the step it would show */
            break;
        }
        if (key->depth != CRDT_FIELD && newer->touch.former != NULL &&
            took_others(c, i - 1) && !MUTANT(423)) {
            *(key->depth == CRDT_OBJECT ? &c->object_floor : &c->part_floor) =
                newer->record;
            break;
        }
        touch->former = c->traces[i].touch.former;
    }
    return true;
}

crdt_err scene_touches_collect(scene_touches *touches,
                               const crdt_history_record *const *records, size_t count,
                               const scene_invert_who *who, crdt_arena *arena)
{
    collector c = {.records = records, .record_count = count, .who = who};
    crdt_err err = collect_traces(&c, arena);
    scene_touch *items =
        err == CRDT_OK ? crdt_arena_alloc(arena, c.trace_count * sizeof *items) : NULL;
    if (items == NULL) {
        return CRDT_ENOMEM;
    }
    size_t kept = 0;
    const crdt_key *last = NULL;
    for (size_t i = 0; i < c.trace_count;) {
        const crdt_key *key = &c.traces[i].touch.key;
        size_t end = i + 1;
        while (end < c.trace_count && crdt_key_equal(&c.traces[end].touch.key, key)) {
            end++;
        }
        bool same_object = last != NULL && crdt_span_equal(last->object, key->object);
        bool same_part = same_object && key->depth >= CRDT_PART &&
                         last->depth >= CRDT_PART &&
                         crdt_span_equal(last->part, key->part);
        c.object_floor = same_object ? c.object_floor : SIZE_MAX;
        c.part_floor = same_part ? c.part_floor : SIZE_MAX;
        kept += follow(&c, i, end, &items[kept]);
        last = key;
        i = end;
    }
    *touches = (scene_touches){.items = items,
                               .count = kept,
                               .ops = c.ops,
                               .first_time = records[count - 1]->first_time};
    return CRDT_OK;
}
