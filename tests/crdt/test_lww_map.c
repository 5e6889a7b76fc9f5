#include "crdt/lww_map.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* One replica of a map, under a context of its own. */
typedef struct replica {
    crdt_context context;
    crdt_lww_map map;
} replica;

static void replica_init(replica *r, crdt_alloc alloc)
{
    crdt_context_init(&r->context, alloc, 7);
    crdt_lww_map_init(&r->map, &r->context, NULL);
}

static void replica_deinit(replica *r)
{
    crdt_lww_map_deinit(&r->map);
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
        err = crdt_lww_map_merge(&r->map, &other->map, &had);
    }
    crdt_version_deinit(&had);
    return err;
}

static crdt_stamp set(replica *r, unsigned actor, const char *field, const char *value)
{
    const crdt_actor who = gen_actor(actor);
    crdt_stamp stamp;
    cr_assert_eq(crdt_lww_map_set(&r->map, crdt_span_of(field), crdt_span_of(value),
                                  &who, &stamp),
                 CRDT_OK);
    return stamp;
}

static bool shows(const replica *r, const char *field, const char *value)
{
    crdt_span shown;
    return crdt_lww_map_get(&r->map, crdt_span_of(field), &shown) &&
           crdt_span_equal(shown, crdt_span_of(value));
}

static size_t sibling_count(const replica *r, crdt_span field)
{
    crdt_stamp stamp;
    crdt_span value;
    size_t count = 0;
    while (crdt_lww_map_sibling(&r->map, field, count, &stamp, &value)) {
        count++;
    }
    return count;
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
    while (crdt_lww_map_next(&a->map, &at, &x)) {
        if (!crdt_lww_map_next(&b->map, &bt, &y) || !crdt_span_equal(x, y) ||
            sibling_count(a, x) != sibling_count(b, y)) {
            return false;
        }
        crdt_stamp s;
        crdt_stamp t;
        crdt_span v;
        crdt_span w;
        for (size_t i = 0; crdt_lww_map_sibling(&a->map, x, i, &s, &v); i++) {
            if (!crdt_lww_map_sibling(&b->map, y, i, &t, &w) ||
                crdt_stamp_compare(&s, &t) != 0 || !crdt_span_equal(v, w)) {
                return false;
            }
        }
    }
    return !crdt_lww_map_next(&b->map, &bt, &y) &&
           crdt_dot_store_check(&a->map.store) && crdt_dot_store_check(&b->map.store);
}

Test(lww_map, set_get_unset)
{
    replica r;
    replica_init(&r, crdt_alloc_default());
    cr_assert(!shows(&r, "name", "lamp"));
    set(&r, 1, "name", "lamp");
    cr_assert(shows(&r, "name", "lamp"));
    set(&r, 1, "name", "a name that does not fit into the slot");
    cr_assert(shows(&r, "name", "a name that does not fit into the slot"));
    set(&r, 1, "name", "");
    cr_assert(shows(&r, "name", ""));
    cr_assert(crdt_lww_map_unset(&r.map, crdt_span_of("name")));
    cr_assert(!crdt_lww_map_unset(&r.map, crdt_span_of("name")));
    cr_assert(!shows(&r, "name", ""));
    replica_deinit(&r);
}

Test(lww_map, the_higher_stamp_shows_and_the_lower_stays)
{
    replica a;
    replica b;
    replica_init(&a, crdt_alloc_default());
    replica_init(&b, crdt_alloc_default());
    set(&a, 1, "other", "x");
    crdt_stamp high = set(&a, 1, "name", "high");
    crdt_stamp low = set(&b, 2, "name", "low");
    cr_assert_gt(crdt_stamp_compare(&high, &low), 0);
    cr_assert_eq(join(&b, &a), CRDT_OK); /* the winner comes second */
    cr_assert_eq(join(&a, &b), CRDT_OK); /* the loser comes second */
    cr_assert(equal(&a, &b));
    cr_assert(shows(&a, "name", "high"));
    crdt_stamp stamp;
    crdt_span value;
    cr_assert(crdt_lww_map_sibling(&a.map, crdt_span_of("name"), 1, &stamp, &value));
    cr_assert_eq(crdt_stamp_compare(&stamp, &low), 0);
    cr_assert(crdt_span_equal(value, crdt_span_of("low")));
    set(&a, 1, "name", "settled"); /* whoever writes next has seen both */
    cr_assert_eq(sibling_count(&a, crdt_span_of("name")), 1);
    replica_deinit(&a);
    replica_deinit(&b);
}

/* A map that keeps one value per key: a remove takes the winner, and a concurrent loser
 * that should show now is gone on those replicas that had dropped it before. */
Test(lww_map, the_loser_shows_when_the_winner_is_unset)
{
    replica a;
    replica b;
    replica c;
    replica_init(&a, crdt_alloc_default());
    replica_init(&b, crdt_alloc_default());
    replica_init(&c, crdt_alloc_default());
    set(&a, 1, "other", "x");
    set(&a, 1, "name", "winner");
    set(&b, 2, "name", "loser");
    cr_assert_eq(join(&c, &a), CRDT_OK);
    cr_assert_eq(join(&c, &b), CRDT_OK);              /* c has seen both */
    crdt_lww_map_unset(&a.map, crdt_span_of("name")); /* a has not seen the loser */
    cr_assert_eq(join(&b, &a), CRDT_OK);
    cr_assert_eq(join(&c, &a), CRDT_OK);
    cr_assert(shows(&c, "name", "loser"));
    cr_assert(shows(&b, "name", "loser"));
    cr_assert_eq(join(&c, &b), CRDT_OK);
    cr_assert_eq(join(&b, &c), CRDT_OK);
    cr_assert(equal(&b, &c));
    replica_deinit(&a);
    replica_deinit(&b);
    replica_deinit(&c);
}

/* A merge changed an entry's clock and then went on as if it had not: what counts is what
 * was known before the merge began, so a second container under the same context must get
 * the same answer as the first. */
Test(lww_map, two_maps_under_one_context)
{
    replica a;
    replica b;
    crdt_lww_map second_a;
    crdt_lww_map second_b;
    replica_init(&a, crdt_alloc_default());
    replica_init(&b, crdt_alloc_default());
    crdt_lww_map_init(&second_a, &a.context, NULL);
    crdt_lww_map_init(&second_b, &b.context, NULL);
    const crdt_actor who = gen_actor(1);
    set(&a, 1, "f", "first");
    cr_assert_eq(crdt_lww_map_set(&second_a, crdt_span_of("f"), crdt_span_of("second"),
                                  &who, NULL),
                 CRDT_OK);
    crdt_version had;
    crdt_version_init(&had, crdt_alloc_default());
    cr_assert_eq(crdt_version_copy(&had, &b.context.actors.version), CRDT_OK);
    cr_assert_eq(crdt_context_merge(&b.context, &a.context), CRDT_OK);
    cr_assert_eq(crdt_lww_map_merge(&b.map, &a.map, &had), CRDT_OK);
    cr_assert_eq(crdt_lww_map_merge(&second_b, &second_a, &had), CRDT_OK);
    crdt_version_deinit(&had);
    crdt_span value;
    cr_assert(shows(&b, "f", "first"));
    cr_assert(crdt_lww_map_get(&second_b, crdt_span_of("f"), &value));
    cr_assert(crdt_span_equal(value, crdt_span_of("second")));
    crdt_lww_map_deinit(&second_a);
    crdt_lww_map_deinit(&second_b);
    replica_deinit(&a);
    replica_deinit(&b);
}

/* ---- laws ---- */

/* Three replicas after random writes and joins. */
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
        char field[3] = {'f', (char)('a' + gen_below(g, world)), '\0'};
        char value[80];
        snprintf(value, sizeof value, "%.*s%zu", (int)gen_below(g, 40),
                 "a value that is sometimes too long for a slot", step);
        switch (gen_below(g, 5)) {
        case 0:
        case 1:
            set(&r[i], (unsigned)i, field, value);
            break;
        case 2:
            crdt_lww_map_unset(&r[i].map, crdt_span_of(field));
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

Test(lww_map, laws)
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

#define LONG                                                                           \
    "a value that is too long to lie in the slot, so it needs memory of its own"

Test(lww_map, failing_memory_changes_nothing)
{
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    replica other;
    replica_init(&other, crdt_alloc_default());
    for (char c = 'a'; c < 'k'; c++) {
        set(&other, 2, (char[]){c, '\0'}, LONG);
    }
    for (uint64_t n = 0;; n++) {
        replica r;
        replica before;
        replica_init(&r, alloc);
        set(&r, 1, "name", "lamp");
        copy(&before, &r);
        cr_assert_eq(crdt_context_merge(&r.context, &other.context), CRDT_OK);
        fault_alloc_fail_at(&fault, n);
        crdt_err err =
            crdt_lww_map_merge(&r.map, &other.map, &before.context.actors.version);
        fault_alloc_heal(&fault);
        cr_assert(crdt_dot_store_check(&r.map.store));
        cr_assert(shows(&r, "name", "lamp"));
        cr_assert_eq(shows(&r, "a", LONG), err == CRDT_OK);
        const crdt_actor who = gen_actor(3);
        fault_alloc_fail_at(&fault, n);
        crdt_err set_err = crdt_lww_map_set(&r.map, crdt_span_of("size"),
                                            crdt_span_of(LONG), &who, NULL);
        fault_alloc_heal(&fault);
        cr_assert_eq(shows(&r, "size", LONG), set_err == CRDT_OK);
        cr_assert(crdt_dot_store_check(&r.map.store));
        replica_deinit(&r);
        replica_deinit(&before);
        cr_assert(fault_alloc_balanced(&fault));
        if (err == CRDT_OK && set_err == CRDT_OK) {
            cr_assert_gt(n, 0);
            break;
        }
    }
    replica_deinit(&other);
}

/* Overwriting by values of one size allocates nothing once warm. */
Test(lww_map, overwriting_allocates_nothing)
{
    fault_alloc fault;
    replica r;
    replica_init(&r, fault_alloc_init(&fault));
    set(&r, 1, "name", LONG);
    set(&r, 1, "name", LONG);
    uint64_t calls = fault.call_count;
    for (unsigned i = 0; i < 1000; i++) {
        set(&r, 1, "name", LONG);
    }
    cr_assert_eq(fault.call_count, calls);
    replica_deinit(&r);
    cr_assert(fault_alloc_balanced(&fault));
}
