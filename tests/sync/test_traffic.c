#include "sync/traffic.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>

/* A publication goes to all that are connected, and counts once in the sum. */
Test(traffic, counts_for_each_peer)
{
    sync_traffic traffic;
    sync_traffic_init(&traffic, crdt_alloc_default());
    sync_traffic_connect(&traffic, 1, true);
    sync_traffic_connect(&traffic, 2, true);
    sync_traffic_published(&traffic, 100);
    sync_traffic_connect(&traffic, 2, false);
    sync_traffic_published(&traffic, 10);
    sync_traffic_sent(&traffic, 2, 7);
    sync_traffic_received(&traffic, 1, 5);
    sync_traffic_received(&traffic, 0, 3);
    sync_traffic_received(&traffic, 9, 2); /* not dialed: in the sum alone */
    sync_traffic_counts one = sync_traffic_of(&traffic, 1);
    sync_traffic_counts two = sync_traffic_of(&traffic, 2);
    cr_assert(one.out == 2 && one.out_size == 110 && one.in == 1 && one.in_size == 5);
    cr_assert(two.out == 2 && two.out_size == 107 && two.in == 0);
    cr_assert(traffic.sum.out == 3 && traffic.sum.out_size == 117);
    cr_assert(traffic.sum.in == 3 && traffic.sum.in_size == 10);
    cr_assert_eq(sync_traffic_of(&traffic, 0).in, 0);
    sync_traffic_forget(&traffic, 1);
    sync_traffic_forget(&traffic, 77);
    cr_assert_eq(sync_traffic_of(&traffic, 1).out, 0);
    cr_assert_eq(sync_traffic_of(&traffic, 2).out, 2);
    sync_traffic_deinit(&traffic);
}

/* Without memory a peer is not counted; the sums are. */
Test(traffic, without_memory)
{
    fault_alloc faults;
    sync_traffic traffic;
    sync_traffic_init(&traffic, fault_alloc_init(&faults));
    fault_alloc_fail_at(&faults, 0);
    sync_traffic_connect(&traffic, 1, true);
    sync_traffic_received(&traffic, 1, 5);
    cr_assert_eq(sync_traffic_of(&traffic, 1).in, 0);
    cr_assert_eq(traffic.sum.in, 1);
    for (uint32_t peer = 1; peer < 100; peer++) {
        sync_traffic_connect(&traffic, peer, true);
        sync_traffic_connect(&traffic, peer, true);
    }
    cr_assert_eq(traffic.count, 99);
    sync_traffic_deinit(&traffic);
    cr_assert(fault_alloc_balanced(&faults));
}
