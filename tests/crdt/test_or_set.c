#include "crdt/or_set.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* One replica of a set, under a context of its own. */
typedef struct replica {
    crdt_context context;
    crdt_or_set set;
} replica;

static void replica_init(replica *r, crdt_alloc alloc)
{
    crdt_context_init(&r->context, alloc, 7);
    crdt_or_set_init(&r->set, &r->context, NULL);
}

static void replica_deinit(replica *r)
{
    crdt_or_set_deinit(&r->set);
    crdt_context_deinit(&r->context);
}

static crdt_err join(replica *r, const replica *other)
{
    crdt_version had;
    crdt_version_init(&had, r->context.alloc);
    crdt_err err = crdt_version_copy(&had, &r->context.actors.version);
    if (err == CRDT_OK) {
        err = crdt_context_merge(&r->context, &other->context);
    }
    if (err == CRDT_OK) {
        err = crdt_or_set_merge(&r->set, &other->set, &had);
    }
    crdt_version_deinit(&had);
    return err;
}

static void add(replica *r, unsigned actor, const char *element)
{
    const crdt_actor who = gen_actor(actor);
    cr_assert_eq(crdt_or_set_add(&r->set, crdt_span_of(element), &who, NULL), CRDT_OK);
}

static bool has(const replica *r, const char *element)
{
    return crdt_or_set_has(&r->set, crdt_span_of(element));
}

static bool equal(replica *a, replica *b)
{
    if (crdt_version_compare(&a->context.actors.version, &b->context.actors.version) !=
        CRDT_EQUAL) {
        return false;
    }
    uint32_t at = 0;
    uint32_t bt = 0;
    crdt_span x;
    crdt_span y;
    while (crdt_or_set_next(&a->set, &at, &x)) {
        if (!crdt_or_set_next(&b->set, &bt, &y) || !crdt_span_equal(x, y)) {
            return false;
        }
        crdt_stamp s;
        crdt_stamp t;
        for (size_t i = 0; crdt_or_set_dot(&a->set, x, i, &s); i++) {
            if (!crdt_or_set_dot(&b->set, y, i, &t) ||
                crdt_stamp_compare(&s, &t) != 0) {
                return false;
            }
        }
    }
    return !crdt_or_set_next(&b->set, &bt, &y) && crdt_dot_store_check(&a->set.store) &&
           crdt_dot_store_check(&b->set.store);
}

Test(or_set, add_has_remove)
{
    replica r;
    replica_init(&r, crdt_alloc_default());
    cr_assert(!has(&r, "lamp"));
    add(&r, 1, "lamp");
    add(&r, 1, "");
    cr_assert(has(&r, "lamp"));
    cr_assert(has(&r, ""));
    cr_assert(crdt_or_set_remove(&r.set, crdt_span_of("lamp")));
    cr_assert(!crdt_or_set_remove(&r.set, crdt_span_of("lamp")));
    cr_assert(!has(&r, "lamp"));
    replica_deinit(&r);
}

Test(or_set, elements_are_walked_in_byte_order)
{
    replica r;
    replica_init(&r, crdt_alloc_default());
    const char *const names[] = {"b", "a", "", "ab", "c", "aa"};
    const char *const sorted[] = {"", "a", "aa", "ab", "b", "c"};
    for (size_t i = 0; i < 6; i++) {
        add(&r, 1, names[i]);
    }
    uint32_t cursor = 0;
    crdt_span element;
    for (size_t i = 0; i < 6; i++) {
        cr_assert(crdt_or_set_next(&r.set, &cursor, &element));
        cr_assert(crdt_span_equal(element, crdt_span_of(sorted[i])));
    }
    cr_assert(!crdt_or_set_next(&r.set, &cursor, &element));
    cr_assert(crdt_dot_store_check(&r.set.store));
    replica_deinit(&r);
}

/* An element was kept because both sides had it, though one side had removed the dot: the
 * one that was removed and the one that was there were told apart by "both know it". */
Test(or_set, a_dot_that_one_side_removed_goes)
{
    replica a;
    replica b;
    replica_init(&a, crdt_alloc_default());
    replica_init(&b, crdt_alloc_default());
    add(&a, 1, "lamp");
    cr_assert_eq(join(&b, &a), CRDT_OK);
    crdt_or_set_remove(&a.set, crdt_span_of("lamp"));
    cr_assert_eq(join(&b, &a), CRDT_OK);
    cr_assert(!has(&b, "lamp"));
    cr_assert_eq(join(&a, &b), CRDT_OK);
    cr_assert(!has(&a, "lamp"));
    replica_deinit(&a);
    replica_deinit(&b);
}

Test(or_set, an_add_wins_over_a_concurrent_remove)
{
    replica a;
    replica b;
    replica_init(&a, crdt_alloc_default());
    replica_init(&b, crdt_alloc_default());
    add(&a, 1, "lamp");
    cr_assert_eq(join(&b, &a), CRDT_OK);
    add(&b, 2, "lamp"); /* a new dot that a has not seen */
    crdt_or_set_remove(&a.set, crdt_span_of("lamp"));
    cr_assert_eq(join(&a, &b), CRDT_OK);
    cr_assert_eq(join(&b, &a), CRDT_OK);
    cr_assert(has(&a, "lamp"));
    cr_assert(equal(&a, &b));
    replica_deinit(&a);
    replica_deinit(&b);
}

/* A remove gave another result than a remove and an add again: the second add must be as
 * good as any. */
Test(or_set, remove_and_add_again_stays_added)
{
    replica a;
    replica b;
    replica_init(&a, crdt_alloc_default());
    replica_init(&b, crdt_alloc_default());
    add(&a, 1, "lamp");
    cr_assert_eq(join(&b, &a), CRDT_OK);
    crdt_or_set_remove(&a.set, crdt_span_of("lamp"));
    add(&a, 1, "lamp");
    crdt_or_set_remove(&b.set, crdt_span_of("lamp"));
    cr_assert_eq(join(&b, &a), CRDT_OK);
    cr_assert_eq(join(&a, &b), CRDT_OK);
    cr_assert(has(&a, "lamp"));
    cr_assert(equal(&a, &b));
    replica_deinit(&a);
    replica_deinit(&b);
}

/* A tombstone was dropped when two replicas agreed while a third still had a concurrent
 * add. There are no tombstones here, so there is nothing to drop too early. */
Test(or_set, a_third_replica_with_a_concurrent_add)
{
    replica r[3];
    for (size_t i = 0; i < 3; i++) {
        replica_init(&r[i], crdt_alloc_default());
    }
    add(&r[0], 0, "lamp");
    cr_assert_eq(join(&r[1], &r[0]), CRDT_OK);
    cr_assert_eq(join(&r[2], &r[0]), CRDT_OK);
    add(&r[2], 2, "lamp");
    crdt_or_set_remove(&r[0].set, crdt_span_of("lamp"));
    cr_assert_eq(join(&r[1], &r[0]), CRDT_OK); /* 0 and 1 agree that it is gone */
    cr_assert_eq(join(&r[0], &r[1]), CRDT_OK);
    cr_assert_eq(join(&r[0], &r[2]), CRDT_OK);
    cr_assert_eq(join(&r[2], &r[1]), CRDT_OK);
    cr_assert_eq(join(&r[1], &r[2]), CRDT_OK);
    cr_assert(has(&r[0], "lamp"));
    cr_assert(equal(&r[0], &r[1]) && equal(&r[1], &r[2]));
    for (size_t i = 0; i < 3; i++) {
        replica_deinit(&r[i]);
    }
}

/* ---- laws ---- */

/* Three replicas after random adds, removes and joins. */
static void scatter(replica r[3], gen *g)
{
    for (size_t i = 0; i < 3; i++) {
        replica_init(&r[i], crdt_alloc_default());
    }
    size_t steps = gen_below(g, 40);
    unsigned world = 3;
    if (gen_chance(g, 20)) { /* large enough for the hash table */
        steps += 100;
        world = 25;
    }
    for (size_t step = 0; step < steps; step++) {
        size_t i = gen_below(g, 3);
        char element[4] = {'e', (char)('a' + gen_below(g, world)), '\0', '\0'};
        switch (gen_below(g, 5)) {
        case 0:
        case 1:
            add(&r[i], (unsigned)i, element);
            break;
        case 2:
            crdt_or_set_remove(&r[i].set, crdt_span_of(element));
            break;
        default:
            cr_assert_eq(join(&r[i], &r[gen_below(g, 3)]), CRDT_OK);
            break;
        }
    }
}

static void copy(replica *to, const replica *from)
{
    replica_init(to, crdt_alloc_default());
    cr_assert_eq(join(to, from), CRDT_OK);
}

static void check_laws(replica r[3])
{
    replica x;
    replica y;
    copy(&x, &r[0]);
    cr_assert(equal(&x, &r[0]), "a joined to nothing is a");
    cr_assert_eq(join(&x, &r[0]), CRDT_OK);
    cr_assert(equal(&x, &r[0]), "idempotent");
    copy(&y, &r[1]);
    cr_assert_eq(join(&x, &r[1]), CRDT_OK);
    cr_assert_eq(join(&y, &r[0]), CRDT_OK);
    cr_assert(equal(&x, &y), "commutative");
    cr_assert(
        crdt_version_includes(&x.context.actors.version, &r[0].context.actors.version),
        "monotone");
    cr_assert_eq(join(&x, &r[2]), CRDT_OK); /* (a b) c */
    replica z;
    copy(&z, &r[1]);
    cr_assert_eq(join(&z, &r[2]), CRDT_OK);
    replica_deinit(&y);
    copy(&y, &r[0]);
    cr_assert_eq(join(&y, &z), CRDT_OK); /* a (b c) */
    cr_assert(equal(&x, &y), "associative");
    replica_deinit(&x);
    replica_deinit(&y);
    replica_deinit(&z);
}

Test(or_set, laws)
{
    uint64_t seed = gen_seed(1);
    for (uint64_t i = 0; i < 2000; i++) {
        gen g = gen_open(seed + i, NULL);
        replica r[3];
        scatter(r, &g);
        check_laws(r);
        for (size_t j = 0; j < 3; j++) {
            replica_deinit(&r[j]);
        }
    }
}

/* ---- memory ---- */

/* Every allocation of an add and a merge fails in turn: the set is as before. */
Test(or_set, failing_memory_changes_nothing)
{
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    replica other;
    replica_init(&other, crdt_alloc_default());
    for (char c = 'a'; c < 'k'; c++) {
        add(&other, 2, (char[]){c, '\0'});
    }
    for (uint64_t n = 0;; n++) {
        replica r;
        replica before;
        replica_init(&r, alloc);
        add(&r, 1, "lamp");
        copy(&before, &r);
        cr_assert_eq(crdt_context_merge(&r.context, &other.context), CRDT_OK);
        fault_alloc_fail_at(&fault, n);
        crdt_err err =
            crdt_or_set_merge(&r.set, &other.set, &before.context.actors.version);
        fault_alloc_heal(&fault);
        cr_assert(crdt_dot_store_check(&r.set.store));
        cr_assert(has(&r, "lamp"));
        cr_assert_eq(has(&r, "a"), err == CRDT_OK);
        const crdt_actor who = gen_actor(3);
        fault_alloc_fail_at(&fault, n);
        crdt_err add_err = crdt_or_set_add(&r.set, crdt_span_of("chair"), &who, NULL);
        fault_alloc_heal(&fault);
        cr_assert_eq(has(&r, "chair"), add_err == CRDT_OK);
        cr_assert(crdt_dot_store_check(&r.set.store));
        replica_deinit(&r);
        replica_deinit(&before);
        cr_assert(fault_alloc_balanced(&fault));
        if (err == CRDT_OK && add_err == CRDT_OK) {
            cr_assert_gt(n, 0);
            break;
        }
    }
    replica_deinit(&other);
}

/* What was removed leaves no memory behind, however often. */
Test(or_set, removed_elements_cost_nothing)
{
    fault_alloc fault;
    replica r;
    replica_init(&r, fault_alloc_init(&fault));
    add(&r, 1, "warm");
    crdt_or_set_remove(&r.set, crdt_span_of("warm"));
    size_t size = fault.live_size;
    for (unsigned i = 0; i < 100000; i++) {
        char element[16];
        snprintf(element, sizeof element, "e%u", i);
        add(&r, 1, element);
        crdt_or_set_remove(&r.set, crdt_span_of(element));
    }
    cr_assert_eq(fault.live_size, size);
    replica_deinit(&r);
    cr_assert(fault_alloc_balanced(&fault));
}
