#include "crdt/pool.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <string.h>

typedef struct record {
    uint32_t value;
    uint32_t copy;
    uint32_t rest;
} record;

/* Against plain arrays: taken records keep what was written, others do not overlap. */
Test(pool, records_keep_their_bytes)
{
    enum { WORLD = 3000 };
    static uint32_t ids[WORLD];
    static uint32_t values[WORLD];
    size_t count = 0;
    fault_alloc fault;
    crdt_pool pool;
    crdt_pool_init(&pool, fault_alloc_init(&fault), sizeof(record));
    gen g = gen_open(gen_seed(1), NULL);
    for (uint32_t step = 1; step < 30000; step++) {
        if (count < WORLD && gen_chance(&g, step / 3000 % 2 == 0 ? 80 : 20)) {
            cr_assert_eq(crdt_pool_reserve(&pool, 1), CRDT_OK);
            uint32_t id = crdt_pool_take(&pool);
            record *taken = crdt_pool_at(&pool, id);
            cr_assert_neq(id, 0);
            cr_assert(taken->value == 0 && taken->copy == 0 && taken->rest == 0);
            *taken = (record){.value = step, .copy = step, .rest = step};
            ids[count] = id;
            values[count++] = step;
        } else if (count > 0) {
            size_t i = gen_below(&g, count);
            const record *held = crdt_pool_at(&pool, ids[i]);
            cr_assert(held->value == values[i] && held->rest == values[i]);
            crdt_pool_give(&pool, ids[i]);
            ids[i] = ids[--count];
            values[i] = values[count];
        }
        cr_assert_eq(crdt_pool_count(&pool), count);
    }
    crdt_pool_deinit(&pool);
    cr_assert(fault_alloc_balanced(&fault));
}

/* What an id names depends on the calls alone. */
Test(pool, ids_are_used_again_last_first)
{
    crdt_pool pool;
    crdt_pool_init(&pool, crdt_alloc_default(), sizeof(record));
    cr_assert_eq(crdt_pool_reserve(&pool, 5), CRDT_OK);
    for (uint32_t id = 1; id <= 3; id++) {
        cr_assert_eq(crdt_pool_take(&pool), id);
    }
    crdt_pool_give(&pool, 1);
    crdt_pool_give(&pool, 2);
    cr_assert_eq(crdt_pool_take(&pool), 2);
    cr_assert_eq(crdt_pool_take(&pool), 1);
    crdt_pool_deinit(&pool);
}

/* A pool that is emptied is as small as one that was used a little. */
Test(pool, an_empty_pool_gives_its_memory_back)
{
    fault_alloc fault;
    crdt_pool pool;
    crdt_pool_init(&pool, fault_alloc_init(&fault), sizeof(record));
    cr_assert_eq(crdt_pool_reserve(&pool, 1), CRDT_OK);
    crdt_pool_give(&pool, crdt_pool_take(&pool));
    size_t blocks = fault.live_count;
    cr_assert_eq(crdt_pool_reserve(&pool, 10 * CRDT_POOL_CHUNK_SIZE), CRDT_OK);
    for (uint32_t i = 0; i < 10 * CRDT_POOL_CHUNK_SIZE; i++) {
        crdt_pool_take(&pool);
    }
    cr_assert_gt(fault.live_count, blocks);
    for (uint32_t i = 10 * CRDT_POOL_CHUNK_SIZE; i > 0; i--) {
        crdt_pool_give(&pool, i);
    }
    cr_assert_eq(fault.live_count, blocks);
    crdt_pool_deinit(&pool);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(pool, failing_memory_changes_nothing)
{
    for (uint64_t n = 0;; n++) {
        fault_alloc fault;
        crdt_pool pool;
        crdt_pool_init(&pool, fault_alloc_init(&fault), sizeof(record));
        fault_alloc_fail_at(&fault, n);
        crdt_err err = crdt_pool_reserve(&pool, 10000);
        fault_alloc_heal(&fault);
        cr_assert_eq(crdt_pool_count(&pool), 0);
        cr_assert_eq(crdt_pool_reserve(&pool, 10000), CRDT_OK);
        crdt_pool_deinit(&pool);
        cr_assert(fault_alloc_balanced(&fault));
        if (err == CRDT_OK) {
            cr_assert_gt(n, 10);
            break;
        }
    }
}
