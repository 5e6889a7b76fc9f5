#include "crdt/actors.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>

/* Numbers stay, in order of arrival, whatever the order of the actors' bytes; the version
 * is the one that was raised. */
Test(actors, numbers_stay)
{
    enum { WORLD = 200 };
    fault_alloc fault;
    crdt_actors actors;
    crdt_actors_init(&actors, fault_alloc_init(&fault));
    uint16_t numbers[WORLD] = {0};
    uint64_t times[WORLD] = {0};
    uint16_t next = 1;
    uint64_t time_max = 0;
    gen g = gen_open(gen_seed(3), NULL);
    for (unsigned step = 0; step < 5000; step++) {
        size_t i = gen_below(&g, WORLD);
        const crdt_stamp stamp = {.time = 1 + gen_below(&g, 100000),
                                  .actor = gen_actor((unsigned)i)};
        cr_assert_eq(crdt_actors_find(&actors, &stamp.actor), numbers[i]);
        cr_assert_eq(crdt_actors_reserve(&actors, 1), CRDT_OK);
        uint16_t number = crdt_actors_raise(&actors, &stamp);
        if (numbers[i] == 0) {
            numbers[i] = next++;
        }
        cr_assert_eq(number, numbers[i]);
        times[i] = stamp.time > times[i] ? stamp.time : times[i];
        time_max = stamp.time > time_max ? stamp.time : time_max;
        cr_assert_eq(crdt_version_get(&actors.version, &stamp.actor), times[i]);
        cr_assert_eq(actors.times[number - 1], times[i]);
        cr_assert_eq(actors.time_max, time_max);
    }
    cr_assert(crdt_version_check(&actors.version));
    crdt_actors_deinit(&actors);
    cr_assert(fault_alloc_balanced(&fault));
}

/* Dots compare as their stamps do: time, then actor bytes, not numbers. */
Test(actors, dots_compare_as_stamps)
{
    crdt_actors actors;
    crdt_actors_init(&actors, crdt_alloc_default());
    gen g = gen_open(gen_seed(4), NULL);
    cr_assert_eq(crdt_actors_reserve(&actors, 20), CRDT_OK);
    for (unsigned i = 0; i < 20; i++) {
        const crdt_stamp stamp = {.time = 100, .actor = gen_actor(i)};
        crdt_actors_raise(&actors, &stamp);
    }
    for (unsigned i = 0; i < 2000; i++) {
        crdt_dot a =
            crdt_dot_make(1 + gen_below(&g, 5), (uint16_t)(1 + gen_below(&g, 20)));
        crdt_dot b =
            crdt_dot_make(1 + gen_below(&g, 5), (uint16_t)(1 + gen_below(&g, 20)));
        const crdt_stamp x = crdt_actors_stamp(&actors, a);
        const crdt_stamp y = crdt_actors_stamp(&actors, b);
        int order = crdt_stamp_compare(&x, &y);
        int got = crdt_actors_compare(&actors, a, b);
        cr_assert_eq((got > 0) - (got < 0), (order > 0) - (order < 0));
    }
    crdt_actors_deinit(&actors);
}

Test(actors, dots_hold_the_highest_time_and_number)
{
    crdt_dot dot = crdt_dot_make(CRDT_TIME_MAX, CRDT_ACTORS_MAX);
    cr_assert_eq(crdt_dot_time(dot), CRDT_TIME_MAX);
    cr_assert_eq(crdt_dot_actor(dot), CRDT_ACTORS_MAX);
}

Test(actors, limits_and_failing_memory)
{
    fault_alloc fault;
    crdt_actors actors;
    crdt_actors_init(&actors, fault_alloc_init(&fault));
    cr_assert_eq(crdt_actors_reserve(&actors, CRDT_ACTORS_MAX + 1), CRDT_ELIMIT);
    for (uint64_t n = 0; n < 4; n++) { /* three arrays and the version */
        fault_alloc_fail_at(&fault, n);
        cr_assert_eq(crdt_actors_reserve(&actors, 100), CRDT_ENOMEM);
        fault_alloc_heal(&fault);
        cr_assert_eq(actors.version.stamp_count, 0);
    }
    cr_assert_eq(crdt_actors_reserve(&actors, 100), CRDT_OK);
    crdt_actors_deinit(&actors);
    cr_assert(fault_alloc_balanced(&fault));
}
