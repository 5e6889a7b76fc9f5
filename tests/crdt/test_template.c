#include "crdt/template.h"
#include "crdt/value.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void shuffle(gen *g, crdt_op *ops, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)gen_below(g, i);
        crdt_op op = ops[i - 1];
        ops[i - 1] = ops[j];
        ops[j] = op;
    }
}

/* Random operations, one for each key. */
static size_t random_ops(gen *g, crdt_op *ops, size_t most)
{
    size_t count = 0;
    while (count < most) {
        ops[count] = gen_op(g, 12);
        bool there = false;
        for (size_t i = 0; i < count; i++) {
            there |= crdt_key_equal(&ops[i].key, &ops[count].key);
        }
        if (there && gen_chance(g, 20)) {
            break;
        }
        count += !there;
    }
    return count;
}

Test(template, any_order_gives_the_same_batch)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(gen_seed(1), &arena);
    for (int run = 0; run < 300; run++) {
        crdt_arena_reset(&arena);
        crdt_op ops[60];
        size_t count = random_ops(&g, ops, 1 + (size_t)gen_below(&g, 60));
        crdt_batch first;
        crdt_batch second;
        cr_assert_eq(crdt_template_make(ops, count, &arena, &first, NULL), CRDT_OK);
        shuffle(&g, ops, count);
        cr_assert_eq(crdt_template_make(ops, count, &arena, &second, NULL), CRDT_OK);
        cr_assert(gen_batch_equal(&first, &second));
        cr_assert_eq(first.op_count, count);
        cr_assert_eq(first.dep_count, 0);
        cr_assert_eq(count == 0 || crdt_batch_first_time(&first) == 1, true);
        cr_assert_eq(crdt_template_check(&first, crdt_alloc_default()), CRDT_OK);
        for (size_t i = 1; i < count; i++) {
            cr_assert_lt(crdt_key_compare(&first.ops[i - 1].key, &first.ops[i].key), 0);
        }
    }
    crdt_arena_deinit(&arena);
}

/* A remove and an add of one key are two operations in their order. */
Test(template, operations_on_one_key_keep_their_order)
{
    crdt_key o = crdt_key_object(crdt_span_of("o"));
    crdt_key n = crdt_key_object(crdt_span_of("n"));
    crdt_op ops[] = {{.kind = CRDT_OP_ADD, .key = o},
                     {.kind = CRDT_OP_ADD, .key = n},
                     {.kind = CRDT_OP_REMOVE, .key = o},
                     {.kind = CRDT_OP_ADD, .key = o}};
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    cr_assert_eq(crdt_template_make(ops, 4, &arena, &batch, NULL), CRDT_OK);
    cr_assert(crdt_key_equal(&batch.ops[0].key, &n));
    cr_assert_eq(batch.ops[1].kind, CRDT_OP_ADD);
    cr_assert_eq(batch.ops[2].kind, CRDT_OP_REMOVE);
    cr_assert_eq(batch.ops[3].kind, CRDT_OP_ADD);
    crdt_arena_deinit(&arena);
}

Test(template, no_operations_are_the_empty_template)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    cr_assert_eq(crdt_template_make(NULL, 0, &arena, &batch, NULL), CRDT_OK);
    cr_assert_eq(batch.op_count, 0);
    crdt_actor empty = crdt_template_actor_empty();
    cr_assert(crdt_actor_equal(&batch.actor, &empty));
    crdt_arena_deinit(&arena);
}

Test(template, a_forged_one_is_told)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_op op = {.kind = CRDT_OP_ADD, .key = crdt_key_object(crdt_span_of("o"))};
    crdt_batch batch;
    cr_assert_eq(crdt_template_make(&op, 1, &arena, &batch, NULL), CRDT_OK);
    crdt_batch forged = batch;
    forged.actor.bytes[3] ^= 1;
    cr_assert_eq(crdt_template_check(&forged, crdt_alloc_default()), CRDT_ECORRUPT);
    forged = batch;
    crdt_op other = {.kind = CRDT_OP_ADD, .key = crdt_key_object(crdt_span_of("p"))};
    forged.ops = &other;
    cr_assert_eq(crdt_template_check(&forged, crdt_alloc_default()), CRDT_ECORRUPT);
    forged = batch;
    forged.wall_ms = 1;
    cr_assert_eq(crdt_template_check(&forged, crdt_alloc_default()), CRDT_ECORRUPT);
    forged = batch;
    forged.who = crdt_span_of("ann");
    cr_assert_eq(crdt_template_check(&forged, crdt_alloc_default()), CRDT_ECORRUPT);
    crdt_stamp dep = {.time = 1, .actor = gen_actor(0)};
    forged = batch;
    forged.deps = &dep;
    forged.dep_count = 1;
    cr_assert_eq(crdt_template_check(&forged, crdt_alloc_default()), CRDT_ECORRUPT);
    crdt_arena_deinit(&arena);
}

Test(template, bad_operations_are_refused_by_index)
{
    static uint8_t bytes[CRDT_NAME_SIZE_MAX + 1];
    static const uint8_t nan_bytes[] = {0xca, 0x7f, 0xc0, 0x00, 0x00};
    crdt_op ops[] = {
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(crdt_span_of("o"))},
        {.kind = CRDT_OP_SET,
         .key = crdt_key_field(crdt_span_of("o"), crdt_span_of("p"), crdt_span_of("f")),
         .value = {.data = nan_bytes, .size = sizeof nan_bytes}}};
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    crdt_diag diag;
    cr_assert_eq(crdt_template_make(ops, 2, &arena, &batch, &diag), CRDT_EINVAL);
    cr_assert_eq(diag.offset, 1);
    memset(bytes, 'x', sizeof bytes);
    ops[0].key.object = (crdt_span){.data = bytes, .size = sizeof bytes};
    cr_assert_eq(crdt_template_make(ops, 2, &arena, &batch, &diag), CRDT_ELIMIT);
    cr_assert_eq(diag.offset, 0);
    crdt_arena_deinit(&arena);
}

Test(template, without_memory)
{
    crdt_arena random;
    crdt_arena_init(&random, crdt_alloc_default());
    gen g = gen_open(gen_seed(2), &random);
    crdt_op ops[400];
    for (size_t i = 0; i < 400; i++) {
        ops[i] = gen_op(&g, 20);
    }
    for (uint64_t fail_at = 0;; fail_at++) {
        fault_alloc fault;
        crdt_arena arena;
        crdt_arena_init(&arena, fault_alloc_init(&fault));
        fault_alloc_fail_at(&fault, fail_at);
        crdt_batch batch;
        crdt_err err = crdt_template_make(ops, 400, &arena, &batch, NULL);
        bool reached = fault.fail_at == UINT64_MAX;
        cr_assert_eq(err, reached ? CRDT_ENOMEM : CRDT_OK);
        crdt_arena_deinit(&arena);
        cr_assert(fault_alloc_balanced(&fault));
        if (!reached) {
            break;
        }
    }
    crdt_arena_deinit(&random);
}
