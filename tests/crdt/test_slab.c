#include "crdt/slab.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <string.h>

/* Blocks of all sizes, small and large, filled to the last byte: nobody writes into
 * another's. */
Test(slab, blocks_do_not_overlap)
{
    enum { WORLD = 400 };
    static uint8_t *blocks[WORLD];
    static size_t sizes[WORLD];
    fault_alloc fault;
    crdt_slab slab;
    crdt_slab_init(&slab, fault_alloc_init(&fault));
    gen g = gen_open(gen_seed(2), NULL);
    for (unsigned step = 0; step < 40000; step++) {
        size_t i = gen_below(&g, WORLD);
        if (blocks[i] == NULL) {
            sizes[i] = 1 + gen_below(&g, gen_chance(&g, 10) ? 5000 : 1100);
            blocks[i] = crdt_slab_alloc(&slab, sizes[i]);
            cr_assert_eq((uintptr_t)blocks[i] % 8, 0);
            memset(blocks[i], (int)(i & 0xff), sizes[i]);
        } else {
            for (size_t j = 0; j < sizes[i]; j++) {
                cr_assert_eq(blocks[i][j], i & 0xff);
            }
            crdt_slab_free(&slab, blocks[i], sizes[i]);
            blocks[i] = NULL;
        }
    }
    uint64_t bytes = 0;
    for (size_t i = 0; i < WORLD; i++) {
        bytes += blocks[i] == NULL ? 0 : sizes[i];
    }
    cr_assert_eq(slab.bytes, bytes);
    for (size_t i = 0; i < WORLD; i++) {
        crdt_slab_free(&slab, blocks[i], sizes[i]);
    }
    cr_assert(fault_alloc_balanced(&fault), "all returned: no chunk is kept");
    crdt_slab_deinit(&slab);
}

/* Taking and returning within a class allocates nothing once warm. */
Test(slab, a_class_is_used_again)
{
    fault_alloc fault;
    crdt_slab slab;
    crdt_slab_init(&slab, fault_alloc_init(&fault));
    void *held = crdt_slab_alloc(&slab, 100);
    uint64_t calls = fault.call_count;
    for (unsigned i = 0; i < 10000; i++) {
        void *other = crdt_slab_alloc(&slab, 97 + i % 31);
        crdt_slab_free(&slab, held, i == 0 ? 100 : 97 + (i - 1) % 31);
        held = other;
    }
    cr_assert_eq(fault.call_count, calls);
    crdt_slab_free(&slab, held, 97 + 9999 % 31);
    crdt_slab_deinit(&slab);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(slab, no_memory_is_said)
{
    fault_alloc fault;
    crdt_slab slab;
    crdt_slab_init(&slab, fault_alloc_init(&fault));
    fault_alloc_fail_at(&fault, 0);
    cr_assert_null(crdt_slab_alloc(&slab, 16));
    fault_alloc_fail_at(&fault, 0);
    cr_assert_null(crdt_slab_alloc(&slab, 5000));
    fault_alloc_heal(&fault);
    cr_assert_eq(slab.bytes, 0);
    crdt_slab_deinit(&slab);
    cr_assert(fault_alloc_balanced(&fault));
}
