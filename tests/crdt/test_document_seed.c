/* The first batch of an empty document: put in place at once, it leaves what the long way
 * leaves. */

#include "crdt/document_seed.h"
#include "crdt/op_list.h"
#include "crdt/template.h"
#include "crdt/value.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include "tests/support/script.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* A scene: objects with some parts with some fields; one object of many parts. */
static void make_scene(gen *g, crdt_op_list *ops)
{
    char names[3][32];
    uint64_t objects = 5 + gen_next(g) % 30;
    for (uint64_t o = 0; o < objects; o++) {
        snprintf(names[0], sizeof names[0], "o%03u", (unsigned)o);
        crdt_op_list_add(ops, crdt_key_object(crdt_span_of(names[0])));
        uint64_t parts = o == 3 ? 100 : gen_next(g) % 5;
        for (uint64_t p = 0; p < parts; p++) {
            snprintf(names[1], sizeof names[1], "p%03u", (unsigned)p);
            crdt_span part = crdt_span_of(names[1]);
            crdt_op_list_add(ops, crdt_key_part(crdt_span_of(names[0]), part));
            for (uint64_t f = gen_next(g) % 12; f > 0; f--) {
                snprintf(names[2], sizeof names[2], "f%03u", 100 - (unsigned)f);
                crdt_op_list_set(ops,
                                 crdt_key_field(crdt_span_of(names[0]), part,
                                                crdt_span_of(names[2])),
                                 gen_value(g, 2));
            }
        }
    }
    cr_assert_eq(ops->err, CRDT_OK);
}

static void count_changed(void *ctx, crdt_span object)
{
    (void)object;
    ++*(size_t *)ctx;
}

/* All that was said, by reading it again. */
static void expect_said(const crdt_document *doc, const crdt_batch *batch)
{
    size_t objects = 0;
    for (size_t i = 0; i < batch->op_count; i++) {
        const crdt_op *op = &batch->ops[i];
        crdt_span value;
        objects += op->key.depth == CRDT_OBJECT;
        if (op->key.depth == CRDT_FIELD) {
            cr_assert(crdt_document_get(doc, &op->key, &value));
            cr_assert(crdt_span_equal(value, op->value));
        } else {
            cr_assert(crdt_document_live(doc, &op->key));
        }
    }
    crdt_document_counts counts = crdt_document_count(doc);
    cr_assert_eq(counts.objects, objects);
    cr_assert_eq(counts.objects + counts.parts + counts.fields, batch->op_count);
    cr_assert_eq(counts.conflicts, 0);
}

/* The long way knows the same: a document that knows another author already goes it. */
static crdt_document *the_long_way(const crdt_batch *batch, const crdt_buf *strange)
{
    crdt_document *doc = script_open();
    cr_assert_eq(script_apply(doc, strange), CRDT_OK);
    cr_assert(!crdt_seed_fits(doc, batch));
    cr_assert_eq(crdt_document_apply(doc, batch, NULL), CRDT_OK);
    return doc;
}

/* A batch of somebody who knows nothing of the scene. */
static crdt_buf strange_batch(void)
{
    crdt_buf bytes = script_buf();
    crdt_document *doc = script_open();
    cr_assert_eq(script_edit(doc, 7, "add zz; add zz.p; set zz.p.f 1", &bytes),
                 CRDT_OK);
    crdt_document_close(doc);
    return bytes;
}

static void run(uint64_t seed, crdt_arena *arena)
{
    crdt_arena_reset(arena);
    gen g = gen_open(gen_seed(seed), arena);
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    make_scene(&g, &ops);
    crdt_batch batch;
    crdt_buf strange = strange_batch();
    cr_assert_eq(crdt_template_make(ops.ops, ops.op_count, arena, &batch, NULL),
                 CRDT_OK);
    crdt_document *doc = script_open();
    size_t told = 0;
    const crdt_listener listener = {.ctx = &told, .changed = count_changed};
    cr_assert_eq(crdt_document_listen(doc, &listener), CRDT_OK);
    cr_assert(crdt_seed_fits(doc, &batch));
    cr_assert_eq(crdt_document_apply(doc, &batch, NULL), CRDT_OK);
    cr_assert(crdt_document_check(doc));
    expect_said(doc, &batch);
    cr_assert_eq(told, crdt_document_count(doc).objects);
    cr_assert_eq(crdt_document_apply(doc, &batch, NULL), CRDT_EDUPLICATE);
    crdt_document *other = the_long_way(&batch, &strange);
    cr_assert_eq(script_apply(doc, &strange), CRDT_OK);
    cr_assert(
        crdt_digest_equal(crdt_document_digest(doc), crdt_document_digest(other)));
    /* And goes on like any other. */
    cr_assert_eq(script_edit(doc, 1, "add o000; add o000.n; set o000.n.f 5", NULL),
                 CRDT_OK);
    cr_assert_eq(script_pull(other, doc), CRDT_OK);
    cr_assert(script_equal(doc, other));
    cr_assert(crdt_document_check(doc));
    crdt_buf_deinit(&strange);
    crdt_document_close(other);
    crdt_document_close(doc);
    crdt_op_list_deinit(&ops);
}

Test(document_seed, leaves_what_the_long_way_leaves)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    for (uint64_t seed = 1; seed <= 60; seed++) {
        run(seed, &arena);
    }
    crdt_arena_deinit(&arena);
}

/* Every allocation fails in turn: the document is empty again, and can be seeded. */
Test(document_seed, is_all_or_nothing)
{
    crdt_op_list ops;
    crdt_arena arena;
    crdt_batch batch;
    crdt_op_list_init(&ops, crdt_alloc_default());
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(gen_seed(1), &arena);
    make_scene(&g, &ops);
    cr_assert_eq(crdt_template_make(ops.ops, ops.op_count, &arena, &batch, NULL),
                 CRDT_OK);
    fault_alloc fault;
    crdt_document *doc = script_open_with(fault_alloc_init(&fault));
    crdt_err err = CRDT_ENOMEM;
    for (uint64_t n = 0; err != CRDT_OK; n++) {
        cr_assert(crdt_seed_fits(doc, &batch));
        fault_alloc_fail_at(&fault, n);
        err = crdt_document_apply(doc, &batch, NULL);
        fault_alloc_heal(&fault);
        cr_assert(crdt_document_check(doc));
        cr_assert(err == CRDT_OK || err == CRDT_ENOMEM);
        cr_assert_eq(crdt_document_count(doc).objects == 0, err != CRDT_OK);
        cr_assert(n < 1000);
    }
    expect_said(doc, &batch);
    crdt_document_close(doc);
    cr_assert(fault_alloc_balanced(&fault));
    crdt_arena_deinit(&arena);
    crdt_op_list_deinit(&ops);
}

static crdt_op op_of(crdt_op_kind kind, const char *part, const char *field)
{
    crdt_op op = {.kind = kind, .value = crdt_span_of("\x01")};
    op.key = crdt_key_object(crdt_span_of("o"));
    if (part != NULL) {
        op.key = crdt_key_part(crdt_span_of("o"), crdt_span_of(part));
    }
    if (field != NULL) {
        op.key =
            crdt_key_field(crdt_span_of("o"), crdt_span_of(part), crdt_span_of(field));
    }
    return op;
}

/* What is no such batch goes the long way. */
Test(document_seed, knows_what_fits)
{
    static const struct {
        crdt_op_kind kind;
        const char *part;
        const char *field;
        bool fits;
    } ROWS[] = {
        /* after: add o, add o.m, set o.m.m */
        {CRDT_OP_SET, "m", "n", true},    {CRDT_OP_SET, "m", "m", false},
        {CRDT_OP_SET, "m", "l", false},   {CRDT_OP_SET, "n", "a", false},
        {CRDT_OP_UNSET, "m", "n", false}, {CRDT_OP_ADD, "n", NULL, true},
        {CRDT_OP_ADD, "m", NULL, false},  {CRDT_OP_ADD, "l", NULL, false},
        {CRDT_OP_ADD, NULL, NULL, false}, {CRDT_OP_REMOVE, "n", NULL, false},
    };
    enum { BEFORE = 64 };
    char names[BEFORE][8];
    crdt_op ops[BEFORE + 4];
    for (int k = 0; k < BEFORE; k++) { /* enough of them */
        snprintf(names[k], sizeof names[k], "a%02d", k);
        ops[k] = (crdt_op){.kind = CRDT_OP_ADD,
                           .key = crdt_key_object(crdt_span_of(names[k]))};
    }
    ops[BEFORE] = op_of(CRDT_OP_ADD, NULL, NULL);
    ops[BEFORE + 1] = op_of(CRDT_OP_ADD, "m", NULL);
    ops[BEFORE + 2] = op_of(CRDT_OP_SET, "m", "m");
    crdt_document *doc = script_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        ops[BEFORE + 3] = op_of(ROWS[i].kind, ROWS[i].part, ROWS[i].field);
        const crdt_batch batch = {.ops = ops, .op_count = BEFORE + 4};
        cr_assert_eq(crdt_seed_fits(doc, &batch), ROWS[i].fits, "row %zu", i);
    }
    const crdt_batch orphan = {.ops = ops + BEFORE + 2, .op_count = 1};
    cr_assert(!crdt_seed_fits(doc, &orphan));
    crdt_document_close(doc);
}
