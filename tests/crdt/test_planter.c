/* A template that is planted while its operations are made: the document is what it would be
 * if they had been listed, made a batch and applied. */

#include "crdt/planter.h"
#include "crdt/op_list.h"
#include "crdt/template.h"
#include "crdt/value.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include "tests/support/script.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* A scene in key order: objects with some parts with some fields, in names that come again
 * (more than operations give an index to) and in names of their own. */
static void make_scene(gen *g, crdt_op_list *ops)
{
    char names[3][32];
    uint64_t objects = 1 + gen_next(g) % 40;
    for (uint64_t o = 0; o < objects; o++) {
        snprintf(names[0], sizeof names[0], "o%03u%s", (unsigned)o,
                 o % 7 == 0 ? " has a long name" : "");
        crdt_span object = crdt_span_of(names[0]);
        crdt_op_list_add(ops, crdt_key_object(object));
        uint64_t parts = o == 3 ? 100 : gen_next(g) % 5;
        for (uint64_t p = 0; p < parts; p++) {
            snprintf(names[1], sizeof names[1], p == 1 ? "p%03u %u" : "p%03u",
                     (unsigned)p, (unsigned)o);
            crdt_span part = crdt_span_of(names[1]);
            crdt_op_list_add(ops, crdt_key_part(object, part));
            for (uint64_t f = gen_next(g) % 12; f > 0; f--) {
                snprintf(names[2], sizeof names[2], "f%03u", 100 - (unsigned)f);
                crdt_op_list_set(ops,
                                 crdt_key_field(object, part, crdt_span_of(names[2])),
                                 gen_value(g, 2));
            }
        }
    }
    cr_assert_eq(ops->err, CRDT_OK);
}

/* A list that lives no longer than until it is put. */
static crdt_err put_copy(crdt_planter *planter, const crdt_op *ops, size_t op_count)
{
    crdt_op_list copy;
    crdt_op_list_init(&copy, crdt_alloc_default());
    for (size_t i = 0; i < op_count; i++) {
        cr_assert_eq(crdt_op_list_push(&copy, &ops[i]), CRDT_OK);
    }
    crdt_err err = crdt_planter_put(planter, copy.ops, op_count);
    crdt_op_list_deinit(&copy);
    return err;
}

/* Plant them some at a time; `most` at once. */
static crdt_err plant(crdt_document *doc, const crdt_op_list *ops, size_t most,
                      crdt_actor *author)
{
    crdt_planter *planter = NULL;
    crdt_err err = crdt_planter_open(&planter, doc, 0);
    for (size_t i = 0; i < ops->op_count && err == CRDT_OK;) {
        size_t count = i % most + 1;
        count = count < ops->op_count - i ? count : ops->op_count - i;
        err = put_copy(planter, ops->ops + i, count);
        i += count;
    }
    if (err == CRDT_OK) {
        *author = crdt_planter_finish(planter);
    }
    crdt_planter_close(planter);
    return err;
}

static void count_changed(void *ctx, crdt_span object)
{
    (void)object;
    ++*(size_t *)ctx;
}

static void run(uint64_t seed, crdt_arena *arena)
{
    crdt_arena_reset(arena);
    gen g = gen_open(seed, arena);
    crdt_op_list ops;
    crdt_batch batch;
    crdt_actor author;
    size_t told = 0;
    const crdt_listener listener = {.ctx = &told, .changed = count_changed};
    crdt_op_list_init(&ops, crdt_alloc_default());
    make_scene(&g, &ops);
    cr_assert_eq(crdt_template_make(ops.ops, ops.op_count, arena, &batch, NULL),
                 CRDT_OK);
    crdt_document *wanted = script_open();
    cr_assert_eq(crdt_document_apply(wanted, &batch, NULL), CRDT_OK);
    crdt_document *doc = script_open();
    cr_assert_eq(crdt_document_listen(doc, &listener), CRDT_OK);
    cr_assert_eq(plant(doc, &ops, 1 + (size_t)gen_next(&g) % 50, &author), CRDT_OK);
    cr_assert(crdt_actor_equal(&author, &batch.actor), "seed %llu",
              (unsigned long long)seed);
    cr_assert(crdt_document_check(doc));
    cr_assert_eq(told, crdt_document_count(doc).objects);
    cr_assert(script_equal(doc, wanted), "seed %llu", (unsigned long long)seed);
    cr_assert_eq(crdt_document_apply(doc, &batch, NULL), CRDT_EDUPLICATE);
    /* And goes on like any other. */
    cr_assert_eq(script_edit(doc, 1, "add o000; add o000.n; set o000.n.f 5", NULL),
                 CRDT_OK);
    cr_assert_eq(script_pull(wanted, doc), CRDT_OK);
    cr_assert(script_equal(doc, wanted));
    cr_assert(crdt_document_check(doc));
    crdt_document_close(wanted);
    crdt_document_close(doc);
    crdt_op_list_deinit(&ops);
}

Test(planter, plants_what_the_batch_would)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    for (uint64_t seed = 1; seed <= 60; seed++) {
        run(gen_seed(seed), &arena);
    }
    crdt_arena_deinit(&arena);
}

/* Every allocation fails in turn: the document is empty again, and can be planted. */
Test(planter, is_all_or_nothing)
{
    crdt_op_list ops;
    crdt_arena arena;
    crdt_actor author;
    crdt_op_list_init(&ops, crdt_alloc_default());
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(gen_seed(1), &arena);
    make_scene(&g, &ops);
    fault_alloc fault;
    crdt_document *doc = script_open_with(fault_alloc_init(&fault));
    crdt_err err = CRDT_ENOMEM;
    for (uint64_t n = 0; err != CRDT_OK; n++) {
        fault_alloc_fail_at(&fault, n);
        err = plant(doc, &ops, 20, &author);
        fault_alloc_heal(&fault);
        cr_assert(crdt_document_check(doc));
        cr_assert(err == CRDT_OK || err == CRDT_ENOMEM);
        cr_assert_eq(crdt_document_count(doc).objects == 0, err != CRDT_OK);
        cr_assert(n < 1000);
    }
    cr_assert_eq(crdt_document_count(doc).objects + crdt_document_count(doc).parts +
                     crdt_document_count(doc).fields,
                 ops.op_count);
    crdt_document_close(doc);
    cr_assert(fault_alloc_balanced(&fault));
    crdt_arena_deinit(&arena);
    crdt_op_list_deinit(&ops);
}

static crdt_op op_of(crdt_op_kind kind, const char *key)
{
    return (crdt_op){
        .kind = kind, .key = script_key(key), .value = crdt_span_of("\x01")};
}

/* What does not follow is refused, and nothing of it all stays. */
Test(planter, refuses_what_does_not_follow)
{
    static const struct {
        crdt_op_kind kind;
        const char *key;
        crdt_err err;
    } ROWS[] = {
        /* after: add o, add o.m, set o.m.m */
        {CRDT_OP_SET, "o.m.n", CRDT_OK},       {CRDT_OP_SET, "o.m.m", CRDT_EINVAL},
        {CRDT_OP_SET, "o.m.l", CRDT_EINVAL},   {CRDT_OP_SET, "o.n.a", CRDT_EINVAL},
        {CRDT_OP_UNSET, "o.m.n", CRDT_EINVAL}, {CRDT_OP_ADD, "o.n", CRDT_OK},
        {CRDT_OP_ADD, "o.m", CRDT_EINVAL},     {CRDT_OP_ADD, "o.l", CRDT_EINVAL},
        {CRDT_OP_ADD, "o", CRDT_EINVAL},       {CRDT_OP_ADD, "p", CRDT_OK},
        {CRDT_OP_REMOVE, "o.n", CRDT_EINVAL},  {CRDT_OP_REMOVE, "p", CRDT_EINVAL},
        {CRDT_OP_ADD, "p.m", CRDT_EINVAL},     {CRDT_OP_ADD, "n", CRDT_EINVAL},
    };
    const crdt_op first[] = {op_of(CRDT_OP_ADD, "o"), op_of(CRDT_OP_ADD, "o.m"),
                             op_of(CRDT_OP_SET, "o.m.m")};
    crdt_document *doc = script_open();
    crdt_planter *planter;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const crdt_op next = op_of(ROWS[i].kind, ROWS[i].key);
        cr_assert_eq(crdt_planter_open(&planter, doc, 0), CRDT_OK);
        cr_assert_eq(put_copy(planter, first, 3), CRDT_OK);
        cr_assert_eq(put_copy(planter, &next, 1), ROWS[i].err, "row %zu", i);
        crdt_planter_close(planter);
        cr_assert(crdt_document_check(doc));
        cr_assert_eq(crdt_document_count(doc).objects, 0);
    }
    cr_assert_eq(crdt_planter_open(&planter, doc, 0), CRDT_OK);
    cr_assert_eq(put_copy(planter, &first[1], 1), CRDT_EINVAL, "nothing to be below");
    crdt_planter_close(planter);
    static uint8_t many[CRDT_NAME_SIZE_MAX + 1];
    crdt_op long_name = first[0];
    for (size_t size = CRDT_NAME_SIZE_MAX; size <= sizeof many; size++) {
        long_name.key.object = (crdt_span){many, size};
        cr_assert_eq(crdt_planter_open(&planter, doc, 0), CRDT_OK);
        cr_assert_eq(put_copy(planter, &long_name, 1),
                     size == sizeof many ? CRDT_ELIMIT : CRDT_OK);
        crdt_planter_close(planter);
    }
    crdt_document_close(doc);
}

Test(planter, wants_an_empty_document)
{
    crdt_document *doc = script_open();
    crdt_planter *planter = NULL;
    cr_assert_eq(script_edit(doc, 1, "add lamp", NULL), CRDT_OK);
    cr_assert_eq(script_edit(doc, 1, "remove lamp", NULL), CRDT_OK);
    cr_assert_eq(crdt_planter_open(&planter, doc, 0), CRDT_EEXIST);
    cr_assert_null(planter);
    crdt_planter_close(NULL);
    crdt_document_close(doc);
}
