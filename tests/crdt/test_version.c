#include "crdt/version.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>

#define ACTORS 8u

/* A version as a plain table, to compare with: actor number -> time, 0 none. */
typedef struct model {
    uint64_t times[ACTORS];
} model;

static void random_version(gen *g, model *m, crdt_version *version)
{
    for (unsigned i = 0; i < ACTORS; i++) {
        m->times[i] = gen_chance(g, 40) ? 0 : 1 + gen_below(g, 4);
    }
    for (unsigned n = 0; n < ACTORS; n++) {
        unsigned i = (n * 5 + 3) % ACTORS; /* not in the order of actors */
        crdt_stamp stamp = {.time = m->times[i], .actor = gen_actor(i)};
        cr_assert_eq(crdt_version_raise(version, &stamp), CRDT_OK);
    }
    cr_assert(crdt_version_check(version));
}

static void expect_model(const crdt_version *version, const model *m)
{
    size_t count = 0;
    uint64_t max = 0;
    cr_assert(crdt_version_check(version));
    for (unsigned i = 0; i < ACTORS; i++) {
        crdt_actor actor = gen_actor(i);
        cr_assert_eq(crdt_version_get(version, &actor), m->times[i]);
        crdt_stamp next = {.time = m->times[i] + 1, .actor = actor};
        cr_assert_not(crdt_version_covers(version, &next));
        next.time--;
        cr_assert(crdt_version_covers(version, &next));
        count += m->times[i] != 0;
        max = m->times[i] > max ? m->times[i] : max;
    }
    cr_assert_eq(version->stamp_count, count);
    cr_assert_eq(crdt_version_time_max(version), max);
}

/* A short version is looked up in a long one, actor by actor: the way for versions of one
 * length is not taken then. */
Test(version, a_few_among_many)
{
    crdt_version many;
    crdt_version few;
    crdt_version_init(&many, crdt_alloc_default());
    for (unsigned i = 0; i < 64; i++) {
        crdt_stamp stamp = {.time = 10, .actor = gen_actor(i)};
        cr_assert_eq(crdt_version_raise(&many, &stamp), CRDT_OK);
    }
    for (unsigned i = 0; i < 70; i++) {
        for (uint64_t time = 9; time <= 11; time++) {
            crdt_stamp stamp = {.time = time, .actor = gen_actor(i)};
            crdt_version_init(&few, crdt_alloc_default());
            cr_assert_eq(crdt_version_raise(&few, &stamp), CRDT_OK);
            bool covered = i < 64 && time <= 10;
            cr_assert_eq(crdt_version_includes(&many, &few), covered);
            crdt_version_deinit(&few);
        }
    }
    crdt_version_deinit(&many);
}

static crdt_order model_compare(const model *a, const model *b)
{
    bool more = false;
    bool less = false;
    for (unsigned i = 0; i < ACTORS; i++) {
        more |= a->times[i] > b->times[i];
        less |= a->times[i] < b->times[i];
    }
    return more && less ? CRDT_CONCURRENT
           : more       ? CRDT_AFTER
           : less       ? CRDT_BEFORE
                        : CRDT_EQUAL;
}

/* Random pairs against the table: get, covers, compare, includes, merge; and that merge
 * is commutative, associative, idempotent and goes up only. */
Test(version, agrees_with_a_table)
{
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    gen g = gen_open(gen_seed(1), NULL);
    for (int run = 0; run < 3000; run++) {
        crdt_version a;
        crdt_version b;
        crdt_version joined;
        crdt_version other;
        crdt_version_init(&a, alloc);
        crdt_version_init(&b, alloc);
        crdt_version_init(&joined, alloc);
        crdt_version_init(&other, alloc);
        model ma;
        model mb;
        random_version(&g, &ma, &a);
        random_version(&g, &mb, &b);
        expect_model(&a, &ma);
        expect_model(&b, &mb);
        crdt_order order = model_compare(&ma, &mb);
        cr_assert_eq(crdt_version_compare(&a, &b), order);
        cr_assert_eq(crdt_version_includes(&a, &b),
                     order == CRDT_EQUAL || order == CRDT_AFTER);

        model mj = ma;
        for (unsigned i = 0; i < ACTORS; i++) {
            mj.times[i] = mb.times[i] > mj.times[i] ? mb.times[i] : mj.times[i];
        }
        cr_assert_eq(crdt_version_copy(&joined, &a), CRDT_OK);
        cr_assert_eq(crdt_version_merge(&joined, &b), CRDT_OK);
        expect_model(&joined, &mj);
        cr_assert_eq(crdt_version_copy(&other, &b), CRDT_OK);
        cr_assert_eq(crdt_version_merge(&other, &a), CRDT_OK);
        cr_assert_eq(crdt_version_compare(&joined, &other), CRDT_EQUAL);
        cr_assert_eq(crdt_version_merge(&other, &b), CRDT_OK);
        cr_assert_eq(crdt_version_merge(&other, &joined), CRDT_OK);
        cr_assert_eq(crdt_version_compare(&joined, &other), CRDT_EQUAL);
        cr_assert(crdt_version_includes(&joined, &a));
        cr_assert(crdt_version_includes(&joined, &b));

        crdt_version_deinit(&a);
        crdt_version_deinit(&b);
        crdt_version_deinit(&joined);
        crdt_version_deinit(&other);
    }
    cr_assert(fault_alloc_balanced(&fault));
}

Test(version, merge_is_associative)
{
    crdt_alloc alloc = crdt_alloc_default();
    gen g = gen_open(gen_seed(2), NULL);
    for (int run = 0; run < 500; run++) {
        crdt_version v[5];
        model m;
        for (int i = 0; i < 5; i++) {
            crdt_version_init(&v[i], alloc);
        }
        for (int i = 0; i < 3; i++) {
            random_version(&g, &m, &v[i]);
        }
        crdt_version_copy(&v[3], &v[0]); /* (a b) c */
        crdt_version_merge(&v[3], &v[1]);
        crdt_version_merge(&v[3], &v[2]);
        crdt_version_copy(&v[4], &v[1]); /* a (b c) */
        crdt_version_merge(&v[4], &v[2]);
        crdt_version_merge(&v[4], &v[0]);
        cr_assert_eq(crdt_version_compare(&v[3], &v[4]), CRDT_EQUAL);
        for (int i = 0; i < 5; i++) {
            crdt_version_deinit(&v[i]);
        }
    }
}

/* Without memory nothing changes; with room reserved nothing can fail. */
Test(version, without_memory)
{
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    crdt_version a;
    crdt_version b;
    crdt_version_init(&a, alloc);
    crdt_version_init(&b, alloc);
    for (unsigned i = 0; i < 4; i++) {
        crdt_stamp even = {.time = 5, .actor = gen_actor(2 * i)};
        crdt_stamp odd = {.time = 5, .actor = gen_actor(2 * i + 1)};
        cr_assert_eq(crdt_version_raise(&a, &even), CRDT_OK);
        cr_assert_eq(crdt_version_raise(&b, &odd), CRDT_OK);
    }
    crdt_stamp more = {.time = 5, .actor = gen_actor(9)};
    fault_alloc_fail_at(&fault, 0);
    cr_assert_eq(crdt_version_raise(&a, &more), CRDT_ENOMEM);
    fault_alloc_fail_at(&fault, 0);
    cr_assert_eq(crdt_version_merge(&a, &b), CRDT_ENOMEM);
    cr_assert_eq(a.stamp_count, 4);
    cr_assert(crdt_version_check(&a));
    crdt_stamp again = {.time = 6, .actor = gen_actor(0)};
    fault_alloc_fail_at(&fault, 0);
    cr_assert_eq(crdt_version_raise(&a, &again), CRDT_OK);
    fault_alloc_heal(&fault);
    cr_assert_eq(crdt_version_reserve(&a, 5), CRDT_OK);
    fault_alloc_fail_at(&fault, 0);
    cr_assert_eq(crdt_version_merge(&a, &b), CRDT_OK);
    cr_assert_eq(crdt_version_raise(&a, &more), CRDT_OK);
    cr_assert_eq(a.stamp_count, 9);
    crdt_version_deinit(&a);
    crdt_version_deinit(&b);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(version, stamp_zero_is_no_stamp)
{
    crdt_version version;
    crdt_version_init(&version, crdt_alloc_default());
    crdt_stamp none = {.time = 0, .actor = gen_actor(0)};
    cr_assert(crdt_version_covers(&version, &none));
    cr_assert_eq(crdt_version_raise(&version, &none), CRDT_OK);
    cr_assert_eq(version.stamp_count, 0);
    crdt_version_deinit(&version);
}

/* The check sees what it is there for. */
Test(version, a_broken_version_is_seen)
{
    crdt_stamp stamps[] = {{3, gen_actor(0)}, {4, gen_actor(1)}, {5, gen_actor(2)}};
    bool falls = crdt_actor_compare(&stamps[0].actor, &stamps[1].actor) > 0;
    crdt_version version = {.stamps = stamps, .stamp_count = 1, .stamp_capacity = 3};
    cr_assert(crdt_version_check(&version));
    version.stamp_count = 4;
    cr_expect_not(crdt_version_check(&version), "more than there is room for");
    version.stamp_count = 2;
    if (!falls) {
        stamps[2] = stamps[0];
        stamps[0] = stamps[1];
        stamps[1] = stamps[2];
    }
    cr_expect_not(crdt_version_check(&version), "not sorted");
    stamps[1] = stamps[0];
    cr_expect_not(crdt_version_check(&version), "one actor twice");
    version.stamp_count = 1;
    stamps[0].time = 0;
    cr_expect_not(crdt_version_check(&version), "no time");
    stamps[0].time = CRDT_TIME_MAX + 1;
    cr_expect_not(crdt_version_check(&version), "beyond all times");
}
