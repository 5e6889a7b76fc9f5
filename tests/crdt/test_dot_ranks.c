#include "crdt/dot_ranks.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>

enum { ACTORS = 3, TIMES = 1000 };

static void actors_open(crdt_actors *actors, crdt_alloc alloc, uint64_t time)
{
    crdt_actors_init(actors, alloc);
    cr_assert_eq(crdt_actors_reserve(actors, ACTORS), CRDT_OK);
    for (uint8_t i = 0; i < ACTORS; i++) {
        const crdt_stamp stamp = {.time = time + i, .actor = {.bytes = {i}}};
        crdt_actors_raise(actors, &stamp);
    }
}

/* Beside an array of all times. */
Test(dot_ranks, rank_is_the_number_of_older_dots_of_the_actor)
{
    static bool held[ACTORS + 1][TIMES + ACTORS];
    gen random = gen_open(gen_seed(1), NULL);
    crdt_actors actors;
    crdt_dot_ranks ranks;
    actors_open(&actors, crdt_alloc_default(), TIMES);
    cr_assert_eq(crdt_dot_ranks_open(&ranks, crdt_alloc_default(), &actors, SIZE_MAX),
                 CRDT_OK);
    for (size_t i = 0; i < TIMES; i++) {
        const uint16_t actor = (uint16_t)(1 + gen_below(&random, ACTORS - 1));
        const uint64_t time = 1 + gen_below(&random, TIMES);
        cr_assert_eq(crdt_dot_ranks_add(&ranks, crdt_dot_make(time, actor)),
                     !held[actor][time]);
        held[actor][time] = true;
    }
    const crdt_dot last = crdt_dot_make(TIMES + 1, 2); /* what the version ends with */
    cr_assert(crdt_dot_ranks_add(&ranks, last));
    held[2][TIMES + 1] = true;
    crdt_dot_ranks_count(&ranks);
    for (uint16_t actor = 1; actor <= ACTORS; actor++) { /* the last one has none */
        size_t count = 0;
        for (uint64_t time = 0; time < TIMES + ACTORS; time++) {
            if (held[actor][time]) {
                cr_assert_eq(crdt_dot_ranks_of(&ranks, crdt_dot_make(time, actor)),
                             count);
                count++;
            }
        }
        cr_assert_eq(crdt_dot_ranks_total(&ranks, actor), count);
    }
    crdt_dot_ranks_close(&ranks);
    crdt_actors_deinit(&actors);
}

Test(dot_ranks, a_dot_of_both_is_seen)
{
    crdt_actors actors;
    crdt_dot_ranks a;
    crdt_dot_ranks b;
    actors_open(&actors, crdt_alloc_default(), TIMES);
    cr_assert_eq(crdt_dot_ranks_open(&a, crdt_alloc_default(), &actors, SIZE_MAX),
                 CRDT_OK);
    cr_assert_eq(crdt_dot_ranks_open(&b, crdt_alloc_default(), &actors, SIZE_MAX),
                 CRDT_OK);
    crdt_dot_ranks_add(&a, crdt_dot_make(64, 3));
    crdt_dot_ranks_add(&b, crdt_dot_make(64, 2));
    crdt_dot_ranks_add(&b, crdt_dot_make(65, 3));
    cr_assert(crdt_dot_ranks_apart(&a, &b));
    crdt_dot_ranks_add(&a, crdt_dot_make(65, 3));
    cr_assert_not(crdt_dot_ranks_apart(&a, &b));
    crdt_dot_ranks_close(&a);
    crdt_dot_ranks_close(&b);
    crdt_actors_deinit(&actors);
}

/* Times come from outside: whoever says that it is old takes no memory by that. */
Test(dot_ranks, takes_no_more_memory_than_allowed)
{
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    crdt_actors actors;
    crdt_dot_ranks ranks;
    actors_open(&actors, crdt_alloc_default(), UINT64_C(1) << 47);
    cr_assert_eq(crdt_dot_ranks_open(&ranks, alloc, &actors, (size_t)1 << 30),
                 CRDT_ELIMIT);
    cr_assert_eq(fault.call_count, 0);
    crdt_dot_ranks_close(&ranks);
    crdt_actors_deinit(&actors);

    actors_open(&actors, crdt_alloc_default(), TIMES);
    const size_t size = ACTORS * (TIMES / 32 + 1) * sizeof(crdt_dot_word);
    cr_assert_eq(crdt_dot_ranks_open(&ranks, alloc, &actors, size - 1), CRDT_ELIMIT);
    for (uint64_t fail_at = 0; fail_at < 2; fail_at++) {
        fault_alloc_fail_at(&fault, fail_at);
        cr_assert_eq(crdt_dot_ranks_open(&ranks, alloc, &actors, size), CRDT_ENOMEM);
        crdt_dot_ranks_close(&ranks);
        cr_assert(fault_alloc_balanced(&fault));
    }
    fault_alloc_heal(&fault);
    cr_assert_eq(crdt_dot_ranks_open(&ranks, alloc, &actors, size), CRDT_OK);
    crdt_dot_ranks_close(&ranks);
    cr_assert(fault_alloc_balanced(&fault));
    crdt_actors_deinit(&actors);
}
