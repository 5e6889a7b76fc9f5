#include "cli/worker/backoff.h"

#include <criterion/criterion.h>

/* Twice as long each time, a quarter more or less, never beyond the limit. */
Test(backoff, doubles_up_to_its_limit)
{
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        worker_backoff backoff = worker_backoff_make(1000, 60000, seed);
        uint64_t wanted = 1000;
        for (int i = 0; i < 100; i++) {
            uint64_t wait = worker_backoff_fail(&backoff);
            cr_assert_geq(wait, wanted - wanted / 4);
            cr_assert_leq(wait, wanted + wanted / 4 + 1);
            cr_assert_leq(wait, 60000);
            wanted = wanted * 2 < 60000 ? wanted * 2 : 60000;
        }
        worker_backoff_clear(&backoff);
        cr_assert_leq(worker_backoff_fail(&backoff), 1251);
    }
}

/* Who lost the same server does not come back in step. */
Test(backoff, differs_by_seed)
{
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        worker_backoff backoff = worker_backoff_make(1000, 60000, seed);
        uint64_t wait = worker_backoff_fail(&backoff);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    cr_expect_gt(most - least, 300);
}

Test(backoff, odd_limits)
{
    worker_backoff backoff = worker_backoff_make(0, 0, 1);
    cr_expect_leq(worker_backoff_fail(&backoff), 1);
    backoff = worker_backoff_make(UINT32_MAX, 5, 1);
    for (int i = 0; i < 100; i++) {
        cr_expect_leq(worker_backoff_fail(&backoff), UINT32_MAX);
    }
}
