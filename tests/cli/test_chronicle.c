#include "cli/worker/chronicle.h"
#include "scene/json.h"
#include "tests/scene/world.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* Records are made here, oldest first, and told newest first. */
#define RECORDS_MAX 64

typedef struct past {
    crdt_buf records[RECORDS_MAX];
    size_t count;
} past;

typedef struct doing {
    const char *who;
    uint64_t at_ms;
    const char *step; /* NULL: none */
    crdt_origin origin;
    crdt_op ops[4];
    size_t op_count;
} doing;

static crdt_op set(const char *object, const char *part, const char *field)
{
    return (crdt_op){.kind = CRDT_OP_SET,
                     .key = crdt_key_field(crdt_span_of(object), crdt_span_of(part),
                                           crdt_span_of(field)),
                     .value = crdt_span_of("\1")};
}

static crdt_op on_object(crdt_op_kind kind, const char *object)
{
    return (crdt_op){.kind = kind, .key = crdt_key_object(crdt_span_of(object))};
}

static crdt_op on_part(crdt_op_kind kind, const char *object, const char *part)
{
    return (crdt_op){.kind = kind,
                     .key = crdt_key_part(crdt_span_of(object), crdt_span_of(part))};
}

static void add(past *p, const doing *d)
{
    uint64_t time = 1 + 10 * p->count;
    const crdt_history_record record = {
        .origin = d->origin,
        .author = {.bytes = {d->who[0]}},
        .first_time = d->origin == CRDT_ORIGIN_ANSWER ? 0 : time,
        .last_time = d->origin == CRDT_ORIGIN_ANSWER ? 0 : time + d->op_count - 1,
        .who = crdt_span_of(d->who),
        .step = d->step == NULL ? (crdt_span){0} : crdt_span_of(d->step),
        .wall_ms = d->at_ms,
        .ops = d->ops,
        .op_count = d->op_count};
    cr_assert_lt(p->count, RECORDS_MAX);
    crdt_buf_init(&p->records[p->count], crdt_alloc_default());
    cr_assert_eq(crdt_history_encode(&record, &p->records[p->count++]), CRDT_OK);
}

static void moved(past *p, const char *who, uint64_t at_ms, const char *step)
{
    add(p, &(doing){.who = who,
                    .at_ms = at_ms,
                    .step = step,
                    .ops = {set("lamp", "Transform", "position")},
                    .op_count = 1});
}

static void forget(past *p)
{
    while (p->count > 0) {
        crdt_buf_deinit(&p->records[--p->count]);
    }
}

/* What is told, as text. To be freed. */
static char *tell(const past *p, size_t limit, const crdt_stamp *before)
{
    worker_chronicle *chronicle;
    crdt_buf out;
    const worker_chronicle_options options = {
        .alloc = crdt_alloc_default(),
        .limit = limit,
        .has_before = before != NULL,
        .before = before != NULL ? *before : (crdt_stamp){.time = 0}};
    cr_assert_eq(worker_chronicle_open(&chronicle, &options), CRDT_OK);
    bool more = true;
    for (size_t i = p->count; i > 0 && more; i--) {
        more = worker_chronicle_visit(chronicle, crdt_buf_span(&p->records[i - 1]));
    }
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(worker_chronicle_write(chronicle, more, &out), CRDT_OK);
    worker_chronicle_close(chronicle);
    char *text = calloc(1, out.size + 1);
    memcpy(text, out.data, out.size);
    crdt_buf_deinit(&out);
    return text;
}

static size_t count_of(const char *text, const char *piece)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, piece)) != NULL; at++) {
        count++;
    }
    return count;
}

static void assert_entries(const past *p, size_t wanted)
{
    char *text = tell(p, 50, NULL);
    cr_assert_eq(count_of(text, "\"stamp\""), wanted, "%s", text);
    cr_assert_not_null(strstr(text, "\"complete\":true"));
    free(text);
}

/* ---- one doing ---- */

Test(chronicle, a_drag_is_one_entry)
{
    past p = {.count = 0};
    for (uint64_t i = 0; i < 20; i++) {
        moved(&p, "ana", 1000 + 1000 * i, NULL);
    }
    assert_entries(&p, 1);
    moved(&p, "ana", 21001, NULL); /* 1 ms too late */
    assert_entries(&p, 2);
    forget(&p);
}

/* Whatever they changed, and however long it took; two people's go side by side. */
Test(chronicle, a_step_is_one_entry)
{
    past p = {.count = 0};
    for (uint64_t i = 0; i < 10; i++) {
        moved(&p, "ana", 60000 * i, "s1");
        moved(&p, "ben", 60000 * i, "s1");
        add(&p, &(doing){.who = "ana",
                         .at_ms = 60000 * i + 1,
                         .step = "s1",
                         .ops = {set("lamp", "Name", "value")},
                         .op_count = 1});
    }
    assert_entries(&p, 2);
    moved(&p, "ana", 600000, "s2");
    moved(&p, "ana", 600001, NULL);
    assert_entries(&p, 4);
    char *text = tell(&p, 50, NULL);
    cr_assert_eq(count_of(text, "\"step\":\"s1\""), 2, "%s", text);
    cr_assert_eq(count_of(text, "\"field\":\"value\",\"what\":\"set\""), 1);
    free(text);
    forget(&p);
}

Test(chronicle, what_differs_is_another_doing)
{
    past p = {.count = 0};
    moved(&p, "ana", 1000, NULL);
    moved(&p, "ben", 1000, NULL);
    add(&p, &(doing){.who = "ana",
                     .at_ms = 1000,
                     .ops = {set("desk", "Transform", "position")},
                     .op_count = 1});
    add(&p, &(doing){.who = "ana",
                     .at_ms = 1000,
                     .origin = CRDT_ORIGIN_UNDO,
                     .ops = {set("desk", "Transform", "position")},
                     .op_count = 1});
    add(&p, &(doing){.who = "ana",
                     .at_ms = 1000,
                     .origin = CRDT_ORIGIN_UNDO,
                     .ops = {set("desk", "Transform", "position")},
                     .op_count = 1});
    assert_entries(&p, 5);
    forget(&p);
}

/* ---- what is told of it ---- */

Test(chronicle, of_what_was_added_only_that_it_was)
{
    past p = {.count = 0};
    add(&p, &(doing){.who = "ana",
                     .at_ms = 5,
                     .ops = {on_object(CRDT_OP_ADD, "lamp"),
                             on_part(CRDT_OP_ADD, "lamp", "Transform"),
                             set("lamp", "Transform", "position"),
                             set("desk", "Transform", "position")},
                     .op_count = 4});
    add(&p, &(doing){.who = "ben",
                     .at_ms = 6,
                     .ops = {on_part(CRDT_OP_ADD, "lamp", "\377r2:Script"),
                             set("lamp", "\377r2:Script", "values"),
                             set("lamp", "Name", SCENE_NAME_VALUE),
                             set("lamp", "Name", SCENE_NAME_ORDER)},
                     .op_count = 4});
    add(&p, &(doing){.who = "ana",
                     .at_ms = 7,
                     .ops = {set(SCENE_NAME_SCENE, "project", "title")},
                     .op_count = 1});
    char *text = tell(&p, 50, NULL);
    cr_assert_not_null(
        strstr(text, "\"who\":\"ana\",\"origin\":\"edit\",\"changes\":[],\"more\":1}"),
        "%s", text);
    cr_assert_not_null(
        strstr(text, "\"changes\":[{\"entity\":\"lamp\",\"component\":\"Script#2\","
                     "\"what\":\"add\"},{\"entity\":\"lamp\",\"component\":\"Name\","
                     "\"what\":\"set\"}],\"more\":0}"),
        "%s", text);
    cr_assert_not_null(
        strstr(text, "\"changes\":[{\"entity\":\"lamp\",\"what\":\"add\"},"
                     "{\"entity\":\"desk\",\"component\":\"Transform\",\"field\":"
                     "\"position\",\"what\":\"set\"}],\"more\":0}"),
        "%s", text);
    free(text);
    forget(&p);
}

Test(chronicle, changes_are_bounded)
{
    past p = {.count = 0};
    char entity[16];
    for (int i = 0; i < 60; i++) {
        snprintf(entity, sizeof entity, "e%d", i);
        add(&p, &(doing){.who = "ana",
                         .at_ms = 5,
                         .step = "paste",
                         .ops = {on_object(CRDT_OP_ADD, entity)},
                         .op_count = 1});
    }
    char *text = tell(&p, 50, NULL);
    cr_assert_eq(count_of(text, "\"what\""), WORKER_CHRONICLE_CHANGES_MAX);
    cr_assert_not_null(strstr(text, "\"more\":36"), "%s", text);
    free(text);
    forget(&p);
}

/* ---- pages ---- */

/* The stamp of the last entry told; false: there is none. */
static bool last_stamp(const char *text, crdt_stamp *stamp)
{
    const char *found = NULL;
    char copy[CRDT_STAMP_TEXT_SIZE];
    for (const char *at = text; (at = strstr(at, "\"stamp\":\"")) != NULL; at++) {
        found = at + 9;
    }
    if (found == NULL) {
        return false;
    }
    snprintf(copy, sizeof copy, "%.*s", (int)strcspn(found, "\""), found);
    return crdt_stamp_parse(copy, stamp);
}

/* Pages of any size tell all of it, each entry once, and then that there is no more. */
Test(chronicle, pages_tell_all_of_it)
{
    past p = {.count = 0};
    for (uint64_t i = 0; i < 40; i++) {
        bool answer = i % 7 == 3;
        add(&p,
            &(doing){.who = i % 3 == 0 ? "ana" : "ben",
                     .at_ms = 5000 * i,
                     .origin = answer ? CRDT_ORIGIN_ANSWER : CRDT_ORIGIN_EDIT,
                     .ops = {set("lamp", "Transform", i % 2 ? "position" : "scale")},
                     .op_count = answer ? 0 : 1});
    }
    for (size_t limit = 1; limit <= 41; limit += 4) {
        crdt_stamp before;
        bool older = false;
        size_t told = 0;
        size_t pages = 0;
        for (bool complete = false; !complete; pages++) {
            char *text = tell(&p, limit, older ? &before : NULL);
            size_t count = count_of(text, "\"stamp\"");
            cr_assert_leq(count, limit);
            told += count;
            complete = strstr(text, "\"complete\":true") != NULL;
            older = last_stamp(text, &before) || older;
            free(text);
            cr_assert_lt(pages, 60);
        }
        cr_assert_eq(told, 40, "limit %zu", limit);
    }
    forget(&p);
}

Test(chronicle, bytes_that_are_no_record)
{
    worker_chronicle *chronicle;
    crdt_buf out;
    const worker_chronicle_options options = {.alloc = crdt_alloc_default(),
                                              .limit = 1};
    cr_assert_eq(worker_chronicle_open(&chronicle, &options), CRDT_OK);
    cr_assert_not(worker_chronicle_visit(chronicle, crdt_span_of("\xc1")));
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(worker_chronicle_write(chronicle, true, &out), CRDT_ECORRUPT);
    crdt_buf_deinit(&out);
    worker_chronicle_close(chronicle);
}
