/* What holds for every history: random edits, delivered in any order, late, twice, mixed
 * with answers; and the laws of the join. A failure names its seed:
 * SCENESYNC_SEED=n test_document_laws. */

#include "crdt/document.h"
#include "tests/support/gen.h"
#include "tests/support/script.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define REPLICAS 4
#define RUNS 150
#define STEPS 60

typedef struct cluster {
    crdt_document *docs[REPLICAS];
    crdt_version versions[REPLICAS]; /* as they were last seen, to see them only grow */
    crdt_buf batches[STEPS];
    size_t batch_count;
    uint64_t seed;
} cluster;

static void cluster_open(cluster *c, uint64_t seed)
{
    *c = (cluster){.seed = seed};
    for (size_t i = 0; i < REPLICAS; i++) {
        c->docs[i] = script_open();
        crdt_version_init(&c->versions[i], crdt_alloc_default());
    }
}

static void cluster_close(cluster *c)
{
    for (size_t i = 0; i < REPLICAS; i++) {
        crdt_document_close(c->docs[i]);
        crdt_version_deinit(&c->versions[i]);
    }
    for (size_t i = 0; i < c->batch_count; i++) {
        crdt_buf_deinit(&c->batches[i]);
    }
}

static void check(cluster *c, size_t i)
{
    const crdt_version *now = crdt_document_version(c->docs[i]);
    cr_assert(crdt_version_includes(now, &c->versions[i]), "seed %d: a version shrank",
              (int)c->seed);
    cr_assert_eq(crdt_version_copy(&c->versions[i], now), CRDT_OK);
    cr_assert(crdt_document_check(c->docs[i]), "seed %d: an invariant is broken",
              (int)c->seed);
}

/* A script of one to three operations in a small world, and a value of its own. */
static void random_script(gen *g, char *text, size_t size, size_t step)
{
    size_t length = 0;
    for (uint64_t left = 1 + gen_below(g, 3); left > 0; left--) {
        int o = (int)gen_below(g, 3);
        int p = (int)gen_below(g, 2);
        int f = (int)gen_below(g, 2);
        const char *const forms[] = {"add o%d; add o%d.p%d; set o%d.p%d.f%d %zu; ",
                                     "set o%d.p%d.f%d %zu; ", "unset o%d.p%d.f%d; ",
                                     "remove o%d.p%d; add o%d.p%d; ", "remove o%d; "};
        char *at = text + length;
        size_t room = size - length;
        int written = 0;
        switch (gen_below(g, 8)) {
        case 0:
        case 1:
            written = snprintf(at, room, forms[0], o, o, p, o, p, f, step);
            break;
        case 2:
            written = snprintf(at, room, forms[2], o, p, f);
            break;
        case 3:
            written = snprintf(at, room, forms[3], o, p, o, p);
            break;
        case 4:
            written = snprintf(at, room, forms[4], o);
            break;
        default:
            written = snprintf(at, room, forms[1], o, p, f, step);
            break;
        }
        length += (size_t)written;
    }
}

static void edit(cluster *c, size_t i, gen *g, size_t step)
{
    char text[256];
    random_script(g, text, sizeof text, step);
    crdt_buf bytes = script_buf();
    if (script_edit(c->docs[i], (unsigned)i, text, &bytes) == CRDT_OK) {
        c->batches[c->batch_count++] = bytes;
    } else {
        crdt_buf_deinit(&bytes);
    }
}

/* Deliver a batch of any age to anybody: it is new, known, or too early. */
static void deliver(cluster *c, size_t i, gen *g)
{
    if (c->batch_count > 0) {
        crdt_err err =
            script_apply(c->docs[i], &c->batches[gen_below(g, c->batch_count)]);
        cr_assert(err == CRDT_OK || err == CRDT_EDUPLICATE || err == CRDT_EGAP,
                  "seed %d: %s", (int)c->seed, crdt_err_name(err));
    }
}

static void scatter(cluster *c, gen *g)
{
    for (size_t step = 0; step < STEPS; step++) {
        size_t i = gen_below(g, REPLICAS);
        switch (gen_below(g, 10)) {
        case 0:
        case 1:
        case 2:
            edit(c, i, g, step);
            break;
        case 3:
            cr_assert_eq(script_pull(c->docs[i], c->docs[gen_below(g, REPLICAS)]),
                         CRDT_OK);
            break;
        case 4:
            crdt_document_trim_log(c->docs[i], gen_below(g, 200));
            break;
        default:
            deliver(c, i, g);
            break;
        }
        check(c, i);
    }
}

/* All batches, in an order drawn anew for each replica, again and again until nothing is
 * new: the causal order is found by refusal alone. */
static void deliver_all(cluster *c, size_t i, gen *g)
{
    bool progress = true;
    while (progress) {
        progress = false;
        size_t offset = gen_below(g, c->batch_count + 1);
        for (size_t j = 0; j < c->batch_count; j++) {
            size_t pick = (j * 7919 + offset) % c->batch_count;
            progress |= script_apply(c->docs[i], &c->batches[pick]) == CRDT_OK;
        }
    }
    check(c, i);
}

Test(document_laws, any_order_of_delivery_gives_one_state)
{
    uint64_t first = gen_seed(1);
    for (uint64_t seed = first; seed < first + RUNS; seed++) {
        gen g = gen_open(seed, NULL);
        cluster c;
        cluster_open(&c, seed);
        scatter(&c, &g);
        for (size_t i = 0; i < REPLICAS; i++) {
            deliver_all(&c, i, &g);
        }
        crdt_document *fresh = script_open(); /* has nothing but batches, in order */
        for (size_t j = 0; j < c.batch_count; j++) {
            cr_assert_eq(script_apply(fresh, &c.batches[j]), CRDT_OK);
        }
        for (size_t i = 0; i < REPLICAS; i++) {
            cr_assert(script_same_state(fresh, c.docs[i]),
                      "seed %d: replica %zu differs", (int)seed, i);
        }
        crdt_document_close(fresh);
        cluster_close(&c);
    }
}

static crdt_document *copy(const crdt_document *doc)
{
    crdt_document *made = script_open();
    cr_assert_eq(script_pull(made, doc), CRDT_OK);
    return made;
}

static void check_join(cluster *c)
{
    crdt_document *const *d = c->docs;
    int seed = (int)c->seed;
    crdt_document *x = copy(d[0]);
    cr_assert(script_same_state(x, d[0]), "seed %d: a joined to nothing is a", seed);
    cr_assert_eq(script_pull(x, d[0]), CRDT_OK);
    cr_assert(script_same_state(x, d[0]), "seed %d: not idempotent", seed);
    crdt_document *y = copy(d[1]);
    cr_assert_eq(script_pull(x, d[1]), CRDT_OK);
    cr_assert_eq(script_pull(y, d[0]), CRDT_OK);
    cr_assert(script_same_state(x, y), "seed %d: not commutative", seed);
    crdt_document_close(y);
    cr_assert_eq(script_pull(x, d[2]), CRDT_OK); /* (a b) c */
    crdt_document *z = copy(d[1]);
    cr_assert_eq(script_pull(z, d[2]), CRDT_OK);
    y = copy(d[0]);
    cr_assert_eq(script_pull(y, z), CRDT_OK); /* a (b c) */
    cr_assert(script_same_state(x, y), "seed %d: not associative", seed);
    /* The whole state joined again changes nothing either, log trimmed or not. */
    crdt_buf full = script_buf();
    cr_assert_eq(crdt_document_answer_full(z, NULL, &full), CRDT_OK);
    bool news = true;
    cr_assert_eq(crdt_document_merge(x, crdt_buf_span(&full), NULL, &news, NULL),
                 CRDT_OK);
    cr_assert(!news && script_same_state(x, y), "seed %d: a full answer again", seed);
    crdt_buf_deinit(&full);
    crdt_document_close(x);
    crdt_document_close(y);
    crdt_document_close(z);
}

Test(document_laws, join)
{
    uint64_t first = gen_seed(1000);
    for (uint64_t seed = first; seed < first + RUNS; seed++) {
        gen g = gen_open(seed, NULL);
        cluster c;
        cluster_open(&c, seed);
        scatter(&c, &g);
        check_join(&c);
        cluster_close(&c);
    }
}

/* Joining what an answer says is joining the live document: through bytes or not. Here:
 * batch after batch gives what one answer gives. */
Test(document_laws, an_answer_says_what_its_batches_say)
{
    uint64_t first = gen_seed(2000);
    for (uint64_t seed = first; seed < first + RUNS; seed++) {
        gen g = gen_open(seed, NULL);
        cluster c;
        cluster_open(&c, seed);
        scatter(&c, &g);
        crdt_document *by_answer = copy(c.docs[0]);
        crdt_document *by_batches = copy(c.docs[0]);
        for (size_t i = 0; i < REPLICAS; i++) {
            cr_assert_eq(script_pull(by_answer, c.docs[i]), CRDT_OK);
        }
        for (size_t j = 0; j < c.batch_count; j++) {
            crdt_err err = script_apply(by_batches, &c.batches[j]);
            cr_assert(err == CRDT_OK || err == CRDT_EDUPLICATE);
        }
        cr_assert(script_same_state(by_answer, by_batches), "seed %d", (int)seed);
        crdt_document_close(by_answer);
        crdt_document_close(by_batches);
        cluster_close(&c);
    }
}

/* Housekeeping by any replica changes nothing that is seen, and all follow. */
Test(document_laws, housekeeping)
{
    uint64_t first = gen_seed(3000);
    for (uint64_t seed = first; seed < first + RUNS; seed++) {
        gen g = gen_open(seed, NULL);
        cluster c;
        cluster_open(&c, seed);
        scatter(&c, &g);
        size_t i = gen_below(&g, REPLICAS);
        crdt_document_counts before = crdt_document_count(c.docs[i]);
        crdt_buf bytes = script_buf();
        crdt_err err = script_housekeep(c.docs[i], 77, NULL, &bytes);
        crdt_document_counts after = crdt_document_count(c.docs[i]);
        cr_assert_eq(err == CRDT_OK, before.conflicts > 0 || err == CRDT_OK);
        cr_assert_eq(before.objects, after.objects);
        cr_assert_eq(before.parts, after.parts);
        cr_assert_eq(before.fields, after.fields);
        cr_assert_eq(after.conflicts, 0, "seed %d", (int)seed);
        check(&c, i);
        for (size_t j = 0; j < REPLICAS; j++) {
            cr_assert_eq(script_pull(c.docs[j], c.docs[i]), CRDT_OK);
        }
        crdt_buf_deinit(&bytes);
        cluster_close(&c);
    }
}

/* One author writes, unsets and removes, one operation a batch: who knows the first n gets
 * the rest from an answer, whatever n is. No edge of a block or of the log is special. */
Test(document_laws, a_delta_begins_anywhere)
{
    enum { COUNT = 260 };
    static crdt_buf batches[COUNT];
    crdt_document *all = script_open();
    for (size_t i = 0; i < COUNT; i++) {
        char text[64];
        const char *form = i == 0         ? "add o%zu"
                           : i == 1       ? "add o0.p"
                           : i % 11 == 10 ? "unset o0.p.f%zu"
                                          : "set o0.p.f%zu 7";
        snprintf(text, sizeof text, form, i % 11 == 10 ? i - 4 : i);
        batches[i] = script_buf();
        cr_assert_eq(script_edit(all, 1, text, &batches[i]), CRDT_OK, "%s", text);
    }
    for (size_t n = 0; n <= COUNT; n++) {
        crdt_document *some = script_open();
        for (size_t i = 0; i < n; i++) {
            cr_assert_eq(script_apply(some, &batches[i]), CRDT_OK);
        }
        cr_assert_eq(script_pull(some, all), CRDT_OK);
        cr_assert(script_same_state(some, all), "since %zu", n);
        crdt_document_close(some);
    }
    for (size_t i = 0; i < COUNT; i++) {
        crdt_buf_deinit(&batches[i]);
    }
    crdt_document_close(all);
}
