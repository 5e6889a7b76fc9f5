#include "crdt/slot.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <string.h>

enum { WORLD = 30000 };

typedef struct world {
    crdt_slots slots;
    uint32_t numbers[WORLD]; /* 0: not taken */
    uint32_t count;
} world;

static void fill(world *w, uint32_t i)
{
    crdt_slot *slot = crdt_slot_at(&w->slots, w->numbers[i]);
    slot->dot = i;
    slot->name = i & 0xffffu;
    memset(slot->payload, (int)(i & 0xff), crdt_slot_payload_size(slot->kind));
}

static void check_filled(const world *w, uint32_t i)
{
    const crdt_slot *slot = crdt_slot_at(&w->slots, w->numbers[i]);
    cr_assert_eq(slot->dot, i);
    cr_assert_eq(slot->name, i & 0xffffu);
    const uint8_t *payload = (const uint8_t *)slot->payload;
    for (size_t j = 0; j < crdt_slot_payload_size(slot->kind); j++) {
        cr_assert_eq(payload[j], i & 0xff);
    }
}

static void take(world *w, uint32_t i, unsigned kind)
{
    cr_assert_eq(crdt_slots_reserve(&w->slots, kind, 1), CRDT_OK);
    w->numbers[i] = crdt_slots_take(&w->slots, kind);
    cr_assert_neq(w->numbers[i], 0);
    cr_assert_eq(crdt_slot_at(&w->slots, w->numbers[i])->kind, kind);
    cr_assert_eq(crdt_slot_at(&w->slots, w->numbers[i])->dot, 0);
    fill(w, i);
    w->count++;
}

static void give(world *w, uint32_t i)
{
    check_filled(w, i);
    crdt_slots_give(&w->slots, w->numbers[i]);
    w->numbers[i] = 0;
    w->count--;
}

/* Slots of all kinds come and go: nobody's bytes are another's, a walk meets each once. */
Test(slot, slots_do_not_overlap_and_are_all_walked_to)
{
    static world w;
    fault_alloc fault;
    crdt_slots_init(&w.slots, fault_alloc_init(&fault));
    gen g = gen_open(gen_seed(1), NULL);
    for (unsigned step = 0; step < 120000; step++) {
        uint32_t i = (uint32_t)gen_below(&g, WORLD);
        if (w.numbers[i] == 0) {
            take(&w, i, (unsigned)gen_below(&g, CRDT_SLOT_KINDS));
        } else if (step > 60000 || gen_chance(&g, 30)) {
            give(&w, i);
        }
    }
    uint32_t walked = 0;
    for (uint32_t at = crdt_slots_next(&w.slots, 0); at != 0;
         at = crdt_slots_next(&w.slots, at)) {
        cr_assert_eq(w.numbers[crdt_slot_at(&w.slots, at)->dot], at);
        walked++;
    }
    cr_assert_eq(walked, w.count);
    cr_assert_eq(w.slots.count, w.count);
    for (uint32_t i = 0; i < WORLD; i++) {
        if (w.numbers[i] != 0) {
            give(&w, i);
        }
    }
    cr_assert_eq(w.slots.chunk_count, 1); /* only the first, small one is kept */
    cr_assert_eq(crdt_slots_next(&w.slots, 0), 0);
    crdt_slots_deinit(&w.slots);
    cr_assert(fault_alloc_balanced(&fault));
}

/* What was reserved is there, for several kinds at once; what fails changes nothing. */
Test(slot, what_is_reserved_is_there)
{
    for (uint64_t n = 0;; n++) {
        static world w;
        fault_alloc fault;
        memset(&w, 0, sizeof w);
        crdt_slots_init(&w.slots, fault_alloc_init(&fault));
        take(&w, 0, 3);
        fault_alloc_fail_at(&fault, n);
        crdt_err err = crdt_slots_reserve(&w.slots, 0, 5000);
        err = err != CRDT_OK ? err : crdt_slots_reserve(&w.slots, 1, 3000);
        err = err != CRDT_OK ? err : crdt_slots_reserve(&w.slots, 3, 2000);
        for (unsigned i = 0; i < 10000 && err == CRDT_OK; i++) {
            unsigned kind = i % 2 == 0 ? 0 : i % 10 < 6 ? 1 : 3;
            cr_assert_neq(crdt_slots_take(&w.slots, kind), 0);
        }
        fault_alloc_heal(&fault);
        check_filled(&w, 0);
        crdt_slots_deinit(&w.slots);
        cr_assert(fault_alloc_balanced(&fault));
        if (err == CRDT_OK) {
            cr_assert_gt(n, 4);
            return;
        }
    }
}

Test(slot, numbers_end)
{
    crdt_slots slots;
    crdt_slots_init(&slots, crdt_alloc_default());
    cr_assert_eq(crdt_slots_reserve(&slots, 0, (size_t)CRDT_SLOT_NUMBER_MAX + 1),
                 CRDT_ELIMIT);
    crdt_slots_deinit(&slots);
}
