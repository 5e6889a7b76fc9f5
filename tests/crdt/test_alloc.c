#include "crdt/alloc.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

Test(alloc, arrays_do_not_overflow)
{
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    cr_assert_eq(crdt_resize_array(alloc, NULL, 0, SIZE_MAX / 8 + 1, 8), NULL);
    cr_assert_eq(fault.call_count, 0);
    uint64_t *numbers = crdt_resize_array(alloc, NULL, 0, 3, sizeof *numbers);
    cr_assert_neq(numbers, NULL);
    numbers[2] = 7;
    numbers = crdt_resize_array(alloc, numbers, 3, 100, sizeof *numbers);
    cr_assert_eq(numbers[2], 7);
    crdt_free(alloc, numbers, 100 * sizeof *numbers);
    crdt_free(alloc, NULL, 5);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(alloc, the_default_is_the_c_library)
{
    crdt_alloc alloc = crdt_alloc_default();
    char *text = crdt_allocate(alloc, 6);
    memcpy(text, "hello", 6);
    text = crdt_resize_array(alloc, text, 6, 600, 1);
    cr_assert_str_eq(text, "hello");
    crdt_free(alloc, text, 600);
}

/* Blocks are aligned, apart, and live until the reset; a warm arena allocates nothing. */
Test(alloc, an_arena_gives_and_forgets)
{
    fault_alloc fault;
    crdt_arena arena;
    crdt_arena_init(&arena, fault_alloc_init(&fault));
    uint64_t calls = 0;
    for (int round = 0; round < 4; round++) {
        unsigned char *blocks[200];
        for (size_t i = 0; i < 200; i++) {
            blocks[i] = crdt_arena_alloc(&arena, i * 7);
            cr_assert_neq(blocks[i], NULL);
            cr_assert_eq((uintptr_t)blocks[i] % alignof(max_align_t), 0);
            memset(blocks[i], (int)i, i * 7);
        }
        for (size_t i = 1; i < 200; i++) {
            cr_assert_eq(blocks[i][0], i);
            cr_assert_eq(blocks[i][i * 7 - 1], i);
        }
        cr_assert(round < 2 || fault.call_count == calls);
        calls = fault.call_count;
        crdt_arena_reset(&arena);
        cr_assert_eq(arena.size, 0);
    }
    crdt_arena_deinit(&arena);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(alloc, an_arena_has_its_limits)
{
    fault_alloc fault;
    crdt_arena arena;
    crdt_arena_init(&arena, fault_alloc_init(&fault));
    cr_assert_eq(crdt_arena_alloc(&arena, SIZE_MAX), NULL);
    cr_assert_eq(crdt_arena_alloc(&arena, SIZE_MAX / 2), NULL);
    arena.size_max = 1000;
    cr_assert_neq(crdt_arena_alloc(&arena, 900), NULL);
    cr_assert_eq(crdt_arena_alloc(&arena, 200), NULL);
    cr_assert_neq(crdt_arena_alloc(&arena, 64), NULL);
    crdt_arena_reset(&arena);
    cr_assert_neq(crdt_arena_alloc(&arena, 200), NULL);
    arena.size_max = 0;
    fault_alloc_fail_at(&fault, 0);
    cr_assert_eq(crdt_arena_alloc(&arena, 100000), NULL);
    cr_assert_neq(crdt_arena_alloc(&arena, 100000), NULL);
    crdt_arena_deinit(&arena);
    cr_assert(fault_alloc_balanced(&fault));
}
