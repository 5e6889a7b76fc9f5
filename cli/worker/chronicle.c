#include "cli/worker/chronicle.h"

#include "cli/worker/text.h"
#include "scene/layout.h"

#include <assert.h>

#define PAUSE_MS 1000u /* longest pause within one doing */
#define OPEN_MAX 8u    /* entries, the last ones, that older records may belong to */

static const char *const WHAT[] = {"add", "remove", "set", "unset"};

typedef struct change {
    crdt_op_kind kind;
    crdt_span entity;
    crdt_span part;  /* empty: of the entity */
    crdt_span field; /* empty: of the component */
} change;

typedef struct entry {
    crdt_stamp stamp;
    uint64_t at_ms;     /* of its newest record */
    uint64_t oldest_ms; /* of its oldest one so far */
    crdt_actor author;
    crdt_origin origin;
    crdt_span who;
    crdt_span step;
    change changes[WORKER_CHRONICLE_CHANGES_MAX];
    size_t change_count;
    uint64_t more;
} entry;

struct worker_chronicle {
    worker_chronicle_options options;
    bool begun;  /* `before` was met */
    bool passed; /* and what else has its stamp */
    bool full;
    crdt_err err;
    crdt_arena names;   /* copies that entries hold */
    crdt_arena scratch; /* the record at hand */
    entry *at_hand;     /* what it changed */
    entry *entries;
    size_t count;
};

/* ---- opening ---- */

crdt_err worker_chronicle_open(worker_chronicle **out,
                               const worker_chronicle_options *options)
{
    assert(options->limit >= 1 && options->limit <= WORKER_CHRONICLE_ENTRIES_MAX);
    crdt_alloc alloc = options->alloc;
    worker_chronicle *c = crdt_allocate(alloc, sizeof *c);
    if (c == NULL) {
        return CRDT_ENOMEM;
    }
    *c = (worker_chronicle){.options = *options, .begun = !options->has_before};
    c->passed = c->begun;
    crdt_arena_init(&c->names, alloc);
    crdt_arena_init(&c->scratch, alloc);
    c->entries =
        crdt_resize_array(alloc, NULL, 0, options->limit + 1, sizeof *c->entries);
    if (c->entries == NULL) {
        worker_chronicle_close(c);
        return CRDT_ENOMEM;
    }
    c->at_hand = &c->entries[options->limit];
    *out = c;
    return CRDT_OK;
}

void worker_chronicle_close(worker_chronicle *c)
{
    if (c == NULL) {
        return;
    }
    crdt_alloc alloc = c->options.alloc;
    if (c->entries != NULL) {
        crdt_free(alloc, c->entries, (c->options.limit + 1) * sizeof *c->entries);
    }
    crdt_arena_deinit(&c->names);
    crdt_arena_deinit(&c->scratch);
    crdt_free(alloc, c, sizeof *c);
}

/* ---- what a record changed ---- */

crdt_stamp worker_chronicle_stamp(const crdt_history_record *record)
{
    if (record->origin == CRDT_ORIGIN_ANSWER) {
        return (crdt_stamp){.time = record->wall_ms & CRDT_TIME_MAX};
    }
    return (crdt_stamp){.time = record->first_time, .actor = record->author};
}

static bool same_change(const change *a, const change *b)
{
    return a->kind == b->kind && crdt_span_equal(a->entity, b->entity) &&
           crdt_span_equal(a->part, b->part) && crdt_span_equal(a->field, b->field);
}

static bool has_change(const entry *e, const change *wanted)
{
    for (size_t i = 0; i < e->change_count; i++) {
        if (same_change(&e->changes[i], wanted)) {
            return true;
        }
    }
    return false;
}

static void add_change(entry *e, const change *added)
{
    if (has_change(e, added)) {
        return;
    }
    if (e->change_count < WORKER_CHRONICLE_CHANGES_MAX) {
        e->changes[e->change_count++] = *added;
    } else {
        e->more++;
    }
}

/* As people see it; false: they do not. */
static bool read_change(const crdt_op *op, change *out)
{
    *out = (change){.kind = op->kind, .entity = op->key.object};
    if (op->key.depth >= CRDT_PART && !scene_layout_is_own(op->key.part)) {
        out->part = op->key.part;
    } else if (op->key.depth == CRDT_PART) {
        uint32_t number;
        out->part = op->key.part;
        return !scene_layout_is_own(scene_layout_base(op->key.part, &number));
    } else if (op->key.depth == CRDT_FIELD) {
        uint32_t number;
        crdt_span base = scene_layout_base(op->key.part, &number);
        bool own = scene_layout_is_own(base);
        out->part = own ? (crdt_span){0} : op->key.part;
        if (own && !crdt_span_equal(base, crdt_span_of(SCENE_NAME_ENTITY))) {
            return false;
        }
    }
    if (op->key.depth == CRDT_FIELD) {
        bool own = scene_layout_is_own(op->key.field);
        out->field = own ? (crdt_span){0} : op->key.field;
        return !own || crdt_span_equal(op->key.field, crdt_span_of(SCENE_NAME_VALUE));
    }
    return true;
}

static bool lies_below(const crdt_key *key, const crdt_key *top)
{
    return key->depth > top->depth && crdt_span_equal(key->object, top->object) &&
           (top->depth == CRDT_OBJECT || crdt_span_equal(key->part, top->part));
}

/* What is told of the record, into `e`. The operations of what was added follow it. */
static void read_changes(const crdt_history_record *record, entry *e)
{
    const crdt_op *object = NULL; /* the last that was added */
    const crdt_op *part = NULL;
    for (size_t i = 0; i < record->op_count; i++) {
        const crdt_op *op = &record->ops[i];
        change seen;
        if (!scene_layout_is_entity(op->key.object)) {
            e->more++;
            continue;
        }
        if ((object != NULL && lies_below(&op->key, &object->key)) ||
            (part != NULL && lies_below(&op->key, &part->key))) {
            continue;
        }
        if (op->kind == CRDT_OP_ADD) {
            *(op->key.depth == CRDT_OBJECT ? &object : &part) = op;
        }
        if (read_change(op, &seen)) {
            add_change(e, &seen);
        }
    }
}

/* ---- one doing ---- */

static bool same_changes(const entry *a, const entry *b)
{
    bool same = a->change_count == b->change_count && a->more == b->more;
    for (size_t i = 0; same && i < a->change_count; i++) {
        same = has_change(b, &a->changes[i]);
    }
    return same;
}

/* Is the older `e` of one doing with `newer`? */
static bool is_one_doing(const entry *newer, const entry *e)
{
    if (newer->origin != e->origin || !crdt_span_equal(newer->who, e->who) ||
        (e->origin != CRDT_ORIGIN_EDIT && e->origin != CRDT_ORIGIN_REMOTE)) {
        return false;
    }
    if (e->step.size > 0 || newer->step.size > 0) {
        return crdt_span_equal(newer->step, e->step);
    }
    return crdt_actor_equal(&newer->author, &e->author) &&
           newer->oldest_ms <= e->at_ms + PAUSE_MS && same_changes(newer, e);
}

static crdt_span copy(worker_chronicle *c, crdt_span bytes)
{
    uint8_t *data = crdt_arena_alloc(&c->names, bytes.size + 1);
    if (data == NULL) {
        c->err = CRDT_ENOMEM;
        return (crdt_span){0};
    }
    if (bytes.size > 0) {
        memcpy(data, bytes.data, bytes.size);
    }
    return (crdt_span){data, bytes.size};
}

static void join(worker_chronicle *c, entry *newer, const entry *e)
{
    for (size_t i = 0; i < e->change_count; i++) {
        change one = e->changes[i];
        if (has_change(newer, &one)) {
            continue;
        }
        if (newer->change_count < WORKER_CHRONICLE_CHANGES_MAX) {
            one.entity = copy(c, one.entity);
            one.part = copy(c, one.part);
            one.field = copy(c, one.field);
        }
        add_change(newer, &one);
    }
    newer->more += newer->step.size > 0 ? e->more : 0;
    newer->stamp = e->stamp;
    newer->oldest_ms = e->oldest_ms;
}

static void push(worker_chronicle *c, const entry *e)
{
    entry *to = &c->entries[c->count++];
    *to = *e;
    to->who = copy(c, e->who);
    to->step = copy(c, e->step);
    for (size_t i = 0; i < to->change_count; i++) {
        to->changes[i].entity = copy(c, to->changes[i].entity);
        to->changes[i].part = copy(c, to->changes[i].part);
        to->changes[i].field = copy(c, to->changes[i].field);
    }
}

static void take(worker_chronicle *c, const crdt_history_record *record)
{
    entry *e = c->at_hand;
    *e = (entry){.stamp = worker_chronicle_stamp(record),
                 .at_ms = record->wall_ms,
                 .oldest_ms = record->wall_ms,
                 .author = record->author,
                 .origin = record->origin,
                 .who = record->who,
                 .step = record->step};
    read_changes(record, e);
    for (size_t i = c->count; i > 0 && i + OPEN_MAX > c->count; i--) {
        if (is_one_doing(&c->entries[i - 1], e)) {
            join(c, &c->entries[i - 1], e);
            return;
        }
    }
    if (c->count == c->options.limit) {
        c->full = true;
    } else {
        push(c, e);
    }
}

/* Is the record one that was told before, or the one to begin after? */
static bool is_skipped(worker_chronicle *c, const crdt_history_record *record)
{
    crdt_stamp stamp = worker_chronicle_stamp(record);
    bool meant = crdt_stamp_compare(&stamp, &c->options.before) == 0;
    if (!c->begun) {
        c->begun = meant;
        return true;
    }
    c->passed = c->passed || !meant;
    return !c->passed;
}

bool worker_chronicle_visit(void *ctx, crdt_span bytes)
{
    worker_chronicle *c = ctx;
    crdt_history_record record;
    if (!c->passed) {
        c->err = crdt_history_decode_head(bytes, &record, NULL);
        if (c->err != CRDT_OK || is_skipped(c, &record)) {
            return c->err == CRDT_OK;
        }
    }
    crdt_arena_reset(&c->scratch);
    c->err = crdt_history_decode(bytes, &c->scratch, &record, NULL);
    if (c->err == CRDT_OK) {
        take(c, &record);
    }
    return c->err == CRDT_OK && !c->full;
}

/* ---- telling ---- */

static void put_change(worker_text *text, const change *one)
{
    worker_text_put(text, "{\"entity\":");
    worker_text_string(text, one->entity);
    if (one->part.size > 0) {
        worker_text_put(text, ",\"component\":");
        worker_text_part(text, one->part);
    }
    if (one->field.size > 0) {
        worker_text_put(text, ",\"field\":");
        worker_text_string(text, one->field);
    }
    worker_text_put(text, ",\"what\":\"");
    worker_text_put(text, WHAT[one->kind]);
    worker_text_put(text, "\"}");
}

static void put_entry(worker_text *text, const entry *e)
{
    worker_text_put(text, "{\"stamp\":");
    worker_text_stamp(text, &e->stamp);
    worker_text_put(text, ",\"at\":");
    worker_text_number(text, e->at_ms);
    worker_text_put(text, ",\"who\":");
    worker_text_string(text, e->who);
    worker_text_put(text, ",\"origin\":\"");
    worker_text_put(text, crdt_origin_name(e->origin));
    worker_text_put(text, "\"");
    if (e->step.size > 0) {
        worker_text_put(text, ",\"step\":");
        worker_text_string(text, e->step);
    }
    worker_text_put(text, ",\"changes\":[");
    for (size_t i = 0; i < e->change_count; i++) {
        worker_text_put(text, i > 0 ? "," : "");
        put_change(text, &e->changes[i]);
    }
    worker_text_put(text, "],\"more\":");
    worker_text_number(text, e->more);
    worker_text_put(text, "}");
}

crdt_err worker_chronicle_write(const worker_chronicle *c, bool ended, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    if (c->err != CRDT_OK) {
        return c->err;
    }
    worker_text_put(&text, "\"entries\":[");
    for (size_t i = 0; i < c->count; i++) {
        worker_text_put(&text, i > 0 ? "," : "");
        put_entry(&text, &c->entries[i]);
    }
    worker_text_put(&text, ended ? "],\"complete\":true" : "],\"complete\":false");
    return text.err;
}
