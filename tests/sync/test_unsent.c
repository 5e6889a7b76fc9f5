#include "sync/unsent.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>

static sync_unsent_entry entry(uint64_t sequence, uint8_t actor)
{
    return (sync_unsent_entry){.sequence = sequence, .stamp = {sequence, {{actor}}}};
}

/* A queue that wraps and grows keeps its order; entries come out only once stored. */
Test(unsent, in_order_and_only_when_stored)
{
    fault_alloc fault;
    sync_unsent unsent;
    sync_unsent_init(&unsent, fault_alloc_init(&fault), 1000);
    uint64_t in = 0;
    uint64_t out = 0;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 5; i++) {
            sync_unsent_entry e = entry(++in, 1);
            cr_assert_eq(sync_unsent_add(&unsent, &e, crdt_span_of("b")), CRDT_OK);
        }
        cr_assert_null(sync_unsent_peek(&unsent, out));
        for (int i = 0; i < 4; i++) {
            const sync_unsent_entry *e = sync_unsent_peek(&unsent, in);
            cr_assert_not_null(e);
            cr_assert_eq(e->sequence, ++out);
            sync_unsent_drop(&unsent);
        }
    }
    cr_assert_eq(unsent.count, 200);
    sync_unsent_deinit(&unsent);
    cr_assert(fault_alloc_balanced(&fault));
}

/* Beyond the limit batches are kept without their bytes: peers catch up instead. */
Test(unsent, bytes_are_bounded)
{
    sync_unsent unsent;
    sync_unsent_init(&unsent, crdt_alloc_default(), 7);
    sync_unsent_entry e = entry(1, 1);
    cr_assert_eq(sync_unsent_add(&unsent, &e, crdt_span_of("12345")), CRDT_OK);
    e = entry(2, 1);
    cr_assert_eq(sync_unsent_add(&unsent, &e, crdt_span_of("12345")), CRDT_OK);
    cr_assert_eq(unsent.size, 5);
    cr_assert_eq(sync_unsent_peek(&unsent, 9)->size, 5);
    sync_unsent_drop(&unsent);
    cr_assert_eq(sync_unsent_peek(&unsent, 9)->size, 0);
    cr_assert_eq(unsent.size, 0);
    sync_unsent_deinit(&unsent);
}

Test(unsent, silenced)
{
    sync_unsent unsent;
    sync_unsent_init(&unsent, crdt_alloc_default(), 100);
    sync_unsent_entry mine = entry(1, 1);
    sync_unsent_entry other = entry(2, 2);
    cr_assert_eq(sync_unsent_add(&unsent, &mine, crdt_span_of("abc")), CRDT_OK);
    cr_assert_eq(sync_unsent_add(&unsent, &other, crdt_span_of("de")), CRDT_OK);
    sync_unsent_silence(&unsent, &mine.stamp.actor);
    cr_assert_eq(unsent.size, 2);
    cr_assert_eq(unsent.count, 2, "the version still grows by it");
    cr_assert_null(sync_unsent_peek(&unsent, 2)->bytes);
    sync_unsent_deinit(&unsent);
}
