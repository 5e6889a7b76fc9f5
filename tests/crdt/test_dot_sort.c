#include "crdt/dot_sort.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>

enum { MANY = 5000 };

static void fill(gen *random, crdt_dot_place *places, size_t count, uint64_t below)
{
    for (size_t i = 0; i < count; i++) {
        places[i] =
            (crdt_dot_place){.dot = gen_below(random, below) + 1, .index = (uint32_t)i};
    }
}

static void check_sorted(const crdt_dot_place *places, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        cr_assert(places[i - 1].dot < places[i].dot ||
                  (places[i - 1].dot == places[i].dot &&
                   places[i - 1].index < places[i].index));
    }
}

/* Few and many, of small and of large times, many alike. */
Test(dot_sort, sorts_and_keeps_the_order_of_equal_ones)
{
    static const uint64_t below[] = {1, 5, 1 << 20, UINT64_MAX};
    static const size_t counts[] = {0, 1, 2, 63, 64, 65, 1000, MANY};
    static crdt_dot_place places[MANY];
    gen random = gen_open(gen_seed(1), NULL);
    for (size_t b = 0; b < 4; b++) {
        for (size_t c = 0; c < 8; c++) {
            fill(&random, places, counts[c], below[b]);
            cr_assert_eq(crdt_dot_sort(places, counts[c], crdt_alloc_default()),
                         CRDT_OK);
            check_sorted(places, counts[c]);
        }
    }
}

Test(dot_sort, without_memory_nothing_is_moved)
{
    static crdt_dot_place places[MANY];
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    gen random = gen_open(gen_seed(2), NULL);
    fill(&random, places, MANY, UINT64_MAX);
    for (uint64_t fail_at = 0; fail_at < 2; fail_at++) {
        fault_alloc_fail_at(&fault, fail_at);
        cr_assert_eq(crdt_dot_sort(places, MANY, alloc), CRDT_ENOMEM);
        for (size_t i = 0; i < MANY; i++) {
            cr_assert_eq(places[i].index, i);
        }
        cr_assert(fault_alloc_balanced(&fault));
    }
}
