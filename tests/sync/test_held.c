#include "sync/held.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>

static const crdt_actor A = {{1}};

static sync_held_batch about(uint64_t wants, uint64_t since_ms)
{
    return (sync_held_batch){.wants = {wants, A}, .author = A, .since_ms = since_ms};
}

static crdt_version at(crdt_stamp *stamp, uint64_t time)
{
    *stamp = (crdt_stamp){time, A};
    return (crdt_version){.stamps = stamp, .stamp_count = 1};
}

Test(held, given_back_when_wanted_is_there)
{
    sync_held held;
    crdt_stamp stamp;
    sync_held_batch out;
    sync_held_init(&held, crdt_alloc_default(), 10, 1000);
    sync_held_batch late = about(20, 1);
    sync_held_batch soon = about(10, 2);
    cr_assert_eq(sync_held_add(&held, crdt_span_of("late"), &late), CRDT_OK);
    cr_assert_eq(sync_held_add(&held, crdt_span_of("soon"), &soon), CRDT_OK);
    crdt_version version = at(&stamp, 9);
    cr_assert(!sync_held_take_ready(&held, &version, &out));
    version = at(&stamp, 10);
    cr_assert(sync_held_take_ready(&held, &version, &out));
    cr_assert(crdt_span_equal((crdt_span){out.bytes, out.size}, crdt_span_of("soon")));
    sync_held_free(&held, &out);
    cr_assert_eq(held.count, 1);
    cr_assert_eq(held.size, 4);
    sync_held_deinit(&held);
}

Test(held, same_batch_once)
{
    sync_held held;
    sync_held_init(&held, crdt_alloc_default(), 10, 1000);
    sync_held_batch first = about(20, 1);
    sync_held_batch again = about(30, 2);
    cr_assert_eq(sync_held_add(&held, crdt_span_of("batch"), &first), CRDT_OK);
    cr_assert_eq(sync_held_add(&held, crdt_span_of("batch"), &again), CRDT_OK);
    cr_assert_eq(held.count, 1);
    cr_assert_eq(held.items[0].wants.time, 30);
    sync_held_deinit(&held);
}

/* Bounded in count and bytes; the oldest go. */
Test(held, bounded)
{
    sync_held held;
    sync_held_init(&held, crdt_alloc_default(), 3, 12);
    static const char *const names[] = {"a1", "a2", "a3", "a4", "0123456789"};
    for (uint64_t i = 0; i < 5; i++) {
        sync_held_batch batch = about(i + 1, i);
        cr_assert_eq(sync_held_add(&held, crdt_span_of(names[i]), &batch), CRDT_OK);
        cr_assert(held.count <= 3);
        cr_assert(held.size <= 12);
    }
    cr_assert_eq(held.count, 2);
    cr_assert_eq(held.dropped, 3);
    sync_held_batch batch = about(1, 1);
    cr_assert_eq(sync_held_add(&held, crdt_span_of("0123456789abc"), &batch),
                 CRDT_ELIMIT);
    cr_assert_eq(held.count, 2, "what is too large drops nothing else");
    sync_held_deinit(&held);
}

Test(held, expires_and_runs_out_of_memory)
{
    fault_alloc fault;
    sync_held held;
    sync_held_batch out;
    sync_held_init(&held, fault_alloc_init(&fault), 100, 1000);
    for (uint64_t at_call = 0; at_call < 2; at_call++) {
        sync_held_batch batch = about(1, 5);
        fault_alloc_fail_at(&fault, at_call);
        cr_assert_eq(sync_held_add(&held, crdt_span_of("x"), &batch), CRDT_ENOMEM);
        cr_assert_eq(held.count, 0);
        cr_assert_eq(held.size, 0);
    }
    fault_alloc_heal(&fault);
    sync_held_batch batch = about(1, 5);
    cr_assert_eq(sync_held_add(&held, crdt_span_of("x"), &batch), CRDT_OK);
    cr_assert(!sync_held_take_older(&held, 5, &out));
    cr_assert(sync_held_take_older(&held, 6, &out));
    sync_held_free(&held, &out);
    sync_held_deinit(&held);
    cr_assert(fault_alloc_balanced(&fault));
}
