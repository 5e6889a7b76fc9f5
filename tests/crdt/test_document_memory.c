/* Memory of the document: every allocation fails in turn, nothing is left behind, warm writes
 * allocate nothing; and its limits. */

#include "crdt/document.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include "tests/support/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define LONG "a_value_that_is_too_long_to_lie_in_a_slot_and_so_needs_memory_of_its_own"

/* A script, and before it enough new objects for every table and chunk to grow. */
static const char *with_many(const char *script)
{
    static char text[65536];
    size_t size = 0;
    for (unsigned i = 0; i < 300; i++) {
        int written = snprintf(text + size, sizeof text - size,
                               "add n%u; add n%u.p; set n%u.p.f " LONG "; ", i, i, i);
        size += (size_t)written;
    }
    size += (size_t)snprintf(text + size, sizeof text - size, "add big; add big.p; ");
    for (unsigned i = 0; i < 60; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 "add big.p%u; set big.p.f%u " LONG "; ", i, i);
    }
    snprintf(text + size, sizeof text - size, "%s", script);
    return text;
}

/* A base that the failing change meets with siblings, hidden values and a log. */
static crdt_document *busy_document(crdt_alloc alloc, crdt_buf *batch)
{
    crdt_document *doc = script_open_with(alloc);
    crdt_document *other = script_open();
    cr_assert_eq(script_edit(doc, 1,
                             "add o; add o.p; set o.p.f " LONG "; add x; add x.p;"
                             "set x.p.f 1; add z; remove z",
                             NULL),
                 CRDT_OK);
    cr_assert_eq(script_pull(other, doc), CRDT_OK);
    cr_assert_eq(script_edit(doc, 1, "set o.p.f 2; remove x", NULL), CRDT_OK);
    cr_assert_eq(script_edit(other, 2,
                             with_many("set o.p.f " LONG "2; set x.p.f 2; remove o.p;"
                                       "add o.q; add new2; remove new2; unset x.p.f"),
                             batch),
                 CRDT_OK);
    crdt_document_close(other);
    return doc;
}

static crdt_err try_commit(crdt_document *doc, const crdt_buf *bytes)
{
    (void)bytes;
    return script_edit(doc, 5,
                       with_many("set o.p.f " LONG "; remove o; add o; add o.p;"
                                 "set o.p.f 1; unset o.p.f; set q.q.q 1"),
                       NULL);
}

static crdt_err try_merge(crdt_document *doc, const crdt_buf *bytes)
{
    return crdt_document_merge(doc, crdt_buf_span(bytes), NULL, NULL, NULL);
}

static void fail_each(crdt_err (*change)(crdt_document *, const crdt_buf *),
                      const crdt_buf *bytes)
{
    for (uint64_t n = 0;; n++) {
        fault_alloc fault;
        crdt_buf batch = script_buf();
        crdt_document *doc = busy_document(fault_alloc_init(&fault), &batch);
        crdt_document *before = busy_document(crdt_alloc_default(), &batch);
        fault_alloc_fail_at(&fault, n);
        crdt_err err = change(doc, bytes == NULL ? &batch : bytes);
        fault_alloc_heal(&fault);
        cr_assert(err == CRDT_OK || err == CRDT_ENOMEM);
        cr_assert(crdt_document_check(doc), "allocation %d", (int)n);
        cr_assert_eq(script_equal(doc, before), err != CRDT_OK, "allocation %d",
                     (int)n);
        crdt_document_close(doc);
        crdt_document_close(before);
        crdt_buf_deinit(&batch);
        cr_assert(fault_alloc_balanced(&fault), "allocation %d", (int)n);
        if (err == CRDT_OK) {
            cr_assert_gt(n, 8); /* so many can fail */
            return;
        }
    }
}

Test(document_memory, failing_memory_in_commit_changes_nothing)
{
    fail_each(try_commit, NULL);
}

Test(document_memory, failing_memory_in_apply_changes_nothing)
{
    fail_each(script_apply, NULL);
}

Test(document_memory, failing_memory_in_merge_changes_nothing)
{
    crdt_buf batch = script_buf();
    crdt_document *doc = busy_document(crdt_alloc_default(), &batch);
    crdt_document *other = script_open();
    cr_assert_eq(script_pull(other, doc), CRDT_OK);
    crdt_document_close(doc);
    doc = busy_document(crdt_alloc_default(), &batch);
    cr_assert_eq(script_apply(other, &batch), CRDT_OK);
    cr_assert_eq(script_edit(other, 3, "remove o; add a; add a.p; set a.p.f 1", NULL),
                 CRDT_OK);
    crdt_buf answer = script_buf();
    cr_assert_eq(crdt_document_answer(other, crdt_document_version(doc), NULL, &answer),
                 CRDT_OK);
    fail_each(try_merge, &answer);
    crdt_buf_clear(&answer);
    cr_assert_eq(crdt_document_answer_full(other, NULL, &answer), CRDT_OK);
    fail_each(try_merge, &answer);
    crdt_buf_deinit(&answer);
    crdt_buf_deinit(&batch);
    crdt_document_close(doc);
    crdt_document_close(other);
}

Test(document_memory, failing_memory_in_answer_leaves_the_bytes)
{
    fault_alloc fault;
    crdt_buf batch = script_buf();
    crdt_document *doc = busy_document(fault_alloc_init(&fault), &batch);
    crdt_version since;
    crdt_version_init(&since, crdt_alloc_default());
    for (uint64_t n = 0;; n++) {
        crdt_buf out;
        crdt_buf_init(&out, (crdt_alloc){.fn = NULL});
        out = script_buf();
        cr_assert_eq(crdt_buf_append(&out, "before", 6), CRDT_OK);
        fault_alloc_fail_at(&fault, n);
        crdt_err err = crdt_document_answer(doc, &since, NULL, &out);
        fault_alloc_heal(&fault);
        cr_assert(crdt_document_check(doc));
        if (err != CRDT_OK) {
            cr_assert_eq(out.size, 6);
        }
        crdt_buf_deinit(&out);
        if (err == CRDT_OK) {
            cr_assert_gt(n, 0);
            break;
        }
    }
    crdt_document_close(doc);
    crdt_buf_deinit(&batch);
    cr_assert(fault_alloc_balanced(&fault));
}

/* A remote write of known names allocates nothing once warm. */
Test(document_memory, a_remote_write_allocates_nothing)
{
    enum { WRITES = 500 };
    crdt_document *a = script_open();
    fault_alloc fault;
    crdt_document *b = script_open_with(fault_alloc_init(&fault));
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 0; set o.p.g 0", NULL),
                 CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    crdt_buf batches[WRITES];
    for (int i = 0; i < WRITES; i++) {
        char text[160];
        snprintf(text, sizeof text, "set o.p.f " LONG "%d; set o.p.g %d", i, i);
        batches[i] = script_buf();
        cr_assert_eq(script_edit(a, 1, text, &batches[i]), CRDT_OK);
    }
    uint64_t calls = 0;
    for (int i = 0; i < WRITES; i++) {
        cr_assert_eq(script_apply(b, &batches[i]), CRDT_OK);
        if (i == WRITES / 10) {
            calls = fault.call_count; /* warm */
        }
        crdt_buf_deinit(&batches[i]);
    }
    cr_assert_eq(fault.call_count, calls);
    cr_assert(script_same_state(a, b));
    crdt_document_close(a);
    crdt_document_close(b);
    cr_assert(fault_alloc_balanced(&fault));
}

/* Objects that come and go, each under a name of its own, leave nothing behind but the
 * remove log, and that is bounded. */
Test(document_memory, removed_objects_cost_nothing)
{
    fault_alloc fault;
    crdt_document_options options = crdt_document_options_default();
    options.alloc = fault_alloc_init(&fault);
    options.log_bytes_max = 4096;
    crdt_document *doc;
    cr_assert_eq(crdt_document_open(&doc, &options), CRDT_OK);
    size_t size = 0;
    for (unsigned i = 0; i < 30000; i++) {
        char text[128];
        snprintf(text, sizeof text, "add e%u; add e%u.p; set e%u.p.f " LONG, i, i, i);
        cr_assert_eq(script_edit(doc, 1, text, NULL), CRDT_OK);
        snprintf(text, sizeof text, "remove e%u", i);
        cr_assert_eq(script_edit(doc, 1, text, NULL), CRDT_OK);
        if (i == 3000) {
            size = fault.live_size;
        }
    }
    cr_assert_leq(fault.live_size, size);
    cr_assert(crdt_document_check(doc));
    crdt_document_close(doc);
    cr_assert(fault_alloc_balanced(&fault));
}

/* Groups that grow out of being walked, and shrink again: against a plain array. */
Test(document_memory, large_groups)
{
    enum { WORLD = 40 };
    crdt_document *doc = script_open();
    cr_assert_eq(script_edit(doc, 1, "add o; add o.p", NULL), CRDT_OK);
    int values[WORLD] = {0};
    gen g = gen_open(gen_seed(5), NULL);
    for (int step = 1; step < 4000; step++) {
        size_t i = gen_below(&g, WORLD);
        bool grow = gen_chance(&g, step / 500 % 2 == 0 ? 80 : 15);
        char text[64];
        snprintf(text, sizeof text, grow ? "set o.p.f%zu %d" : "unset o.p.f%zu", i,
                 step);
        crdt_err err = script_edit(doc, 1, text, NULL);
        cr_assert_eq(err, grow || values[i] != 0 ? CRDT_OK : CRDT_ENOTHING);
        values[i] = grow ? step : 0;
        snprintf(text, sizeof text, "o.p.f%zu", i);
        char value[16];
        snprintf(value, sizeof value, grow ? "%d" : "-", step);
        cr_assert(script_shows(doc, text, value));
        if (step % 50 == 0) {
            size_t held = 0;
            for (size_t j = 0; j < WORLD; j++) {
                held += values[j] != 0;
            }
            cr_assert_eq(crdt_document_count(doc).fields, held);
            cr_assert(crdt_document_check(doc));
        }
    }
    crdt_document_close(doc);
}

/* 65,536 actors do not fit into a dot: refused, nothing changed. */
Test(document_memory, too_many_actors_are_refused)
{
    crdt_document *doc = script_open();
    for (unsigned i = 0; i < 65536; i++) {
        char name[16];
        snprintf(name, sizeof name, "o%u", i);
        const crdt_op op = {.kind = CRDT_OP_ADD, .key = script_key(name)};
        const crdt_actor actor = {{(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        const crdt_batch batch = {.actor = actor, .ops = &op, .op_count = 1};
        cr_assert_eq(crdt_document_apply(doc, &batch, NULL),
                     i < 65535 ? CRDT_OK : CRDT_ELIMIT);
    }
    cr_assert_eq(crdt_document_version(doc)->stamp_count, 65535);
    cr_assert_eq(crdt_document_count(doc).objects, 65535);
    crdt_document_close(doc);
}
