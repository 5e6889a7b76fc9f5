#include "crdt/deps.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>

static crdt_span who_of(uint64_t time)
{
    static const char *const people[] = {"ann", "bob the builder", "", "eve"};
    return crdt_span_of(people[time % 4]);
}

static void put(crdt_deps *deps, unsigned author, uint64_t time)
{
    static const crdt_version none = {.stamp_count = 0};
    const crdt_deps_row row = {.actor = gen_actor(author),
                               .last_time = time,
                               .after = &none,
                               .who = who_of(time),
                               .wall_ms = 100 * time};
    cr_assert_eq(crdt_deps_put(deps, &row), CRDT_OK);
}

static uint64_t find(const crdt_deps *deps, unsigned author)
{
    crdt_deps_row row;
    crdt_actor actor = gen_actor(author);
    bool known = crdt_deps_find(deps, &actor, &row);
    cr_assert_eq(known, row.last_time != 0);
    cr_assert(crdt_actor_equal(&row.actor, &actor));
    cr_assert_eq(crdt_version_get(row.after, &actor), row.last_time);
    cr_assert(crdt_version_check(row.after));
    cr_assert(!known || crdt_span_equal(row.who, who_of(row.last_time)));
    cr_assert_eq(row.wall_ms, 100 * row.last_time);
    return row.last_time;
}

Test(deps, a_batch_is_its_authors_last)
{
    crdt_deps *deps = NULL;
    cr_assert_eq(crdt_deps_open(&deps, crdt_alloc_default(), 4), CRDT_OK);
    cr_assert_eq(find(deps, 0), 0);
    crdt_stamp seen = {.time = 9, .actor = gen_actor(1)};
    crdt_batch batch = {
        .actor = gen_actor(0), .deps = &seen, .dep_count = 1, .op_count = 3};
    batch.who = who_of(12);
    batch.wall_ms = 1200;
    cr_assert_eq(crdt_deps_note(deps, &batch), CRDT_OK);
    cr_assert_eq(find(deps, 0), 12);
    crdt_deps_row row;
    cr_assert(crdt_deps_find(deps, &batch.actor, &row));
    cr_assert_eq(row.after->stamp_count, 2);
    cr_assert_eq(crdt_version_get(row.after, &seen.actor), 9);
    cr_assert_eq(crdt_version_get(row.after, &batch.actor), 12);
    batch.op_count = 1; /* an older one changes nothing */
    cr_assert_eq(crdt_deps_note(deps, &batch), CRDT_OK);
    cr_assert_eq(find(deps, 0), 12);
    put(deps, 0, 11);
    cr_assert_eq(find(deps, 0), 12);
    put(deps, 0, 13);
    cr_assert_eq(find(deps, 0), 13);
    crdt_deps_close(deps);
}

Test(deps, the_least_recently_used_goes_first)
{
    fault_alloc fault;
    crdt_deps *deps = NULL;
    cr_assert_eq(crdt_deps_open(&deps, fault_alloc_init(&fault), 3), CRDT_OK);
    put(deps, 0, 1);
    put(deps, 1, 1);
    put(deps, 2, 1);
    put(deps, 0, 2);
    put(deps, 3, 1); /* 1 goes */
    cr_assert_eq(find(deps, 0), 2);
    cr_assert_eq(find(deps, 1), 0);
    cr_assert_eq(find(deps, 2), 1);
    static const unsigned order[] = {3, 0, 2};
    size_t index = 0;
    crdt_deps_row row;
    for (size_t i = 0; i < 3; i++) {
        cr_assert(crdt_deps_next(deps, &index, &row));
        crdt_actor expected = gen_actor(order[i]);
        cr_assert(crdt_actor_equal(&row.actor, &expected));
    }
    cr_assert_not(crdt_deps_next(deps, &index, &row));
    crdt_deps_close(deps);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(deps, without_memory_it_is_as_before)
{
    for (uint64_t fail_at = 0;; fail_at++) {
        fault_alloc fault;
        crdt_alloc alloc = fault_alloc_init(&fault);
        fault_alloc_fail_at(&fault, fail_at);
        crdt_deps *deps = NULL;
        crdt_err err = crdt_deps_open(&deps, alloc, 2);
        uint64_t expected[4] = {0};
        for (unsigned i = 0; err == CRDT_OK && i < 12; i++) {
            unsigned author = i % 4;
            crdt_version seen;
            crdt_version_init(&seen, crdt_alloc_default());
            crdt_stamp own = {.time = 2 * i + 1, .actor = gen_actor(author)};
            crdt_stamp other = {.time = 1, .actor = gen_actor(7)};
            crdt_version_raise(&seen, &own);
            crdt_version_raise(&seen, &other);
            const crdt_deps_row row = {.actor = own.actor,
                                       .last_time = own.time,
                                       .after = &seen,
                                       .who = who_of(own.time),
                                       .wall_ms = 100 * own.time};
            err = crdt_deps_put(deps, &row);
            crdt_version_deinit(&seen);
            if (err == CRDT_OK) {
                expected[author] = 2 * i + 1;
                expected[(author + 2) % 4] = 0; /* two rows: this one has gone */
            }
        }
        for (unsigned author = 0; deps != NULL && author < 4; author++) {
            cr_assert_eq(find(deps, author), expected[author]);
        }
        bool reached = fault.fail_at == UINT64_MAX;
        cr_assert_eq(err, reached ? CRDT_ENOMEM : CRDT_OK);
        crdt_deps_close(deps);
        cr_assert(fault_alloc_balanced(&fault));
        if (!reached) {
            break;
        }
    }
}
