#include "crdt/batch.h"
#include "crdt/op_codec.h"
#include "crdt/value.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Everything a test of batches needs: scratch memory that counts, random things. */
typedef struct fixture {
    fault_alloc fault;
    crdt_alloc alloc;
    crdt_arena arena; /* what is generated */
    crdt_arena decoded;
    crdt_buf bytes;
    crdt_buf again;
    uint64_t seed;
    gen g;
} fixture;

static void fixture_open(fixture *f, uint64_t seed)
{
    f->alloc = fault_alloc_init(&f->fault);
    crdt_arena_init(&f->arena, crdt_alloc_default());
    crdt_arena_init(&f->decoded, f->alloc);
    crdt_buf_init(&f->bytes, f->alloc);
    crdt_buf_init(&f->again, f->alloc);
    f->seed = gen_seed(seed);
    f->g = gen_open(f->seed, &f->arena);
}

static void fixture_close(fixture *f)
{
    crdt_arena_deinit(&f->arena);
    crdt_arena_deinit(&f->decoded);
    crdt_buf_deinit(&f->bytes);
    crdt_buf_deinit(&f->again);
    cr_assert(fault_alloc_balanced(&f->fault));
}

static void fixture_reset(fixture *f)
{
    crdt_arena_reset(&f->arena);
    crdt_arena_reset(&f->decoded);
    crdt_buf_clear(&f->bytes);
    crdt_buf_clear(&f->again);
}

/* decode(encode(x)) = x, and there is no second encoding. */
static void check_round_trip(fixture *f, const crdt_batch *batch, const crdt_deps *base)
{
    cr_assert_eq(crdt_batch_encode(batch, base, &f->bytes), CRDT_OK);
    crdt_batch decoded;
    crdt_diag diag = {.text = ""};
    crdt_err err =
        crdt_batch_decode(crdt_buf_span(&f->bytes), base, &f->decoded, &decoded, &diag);
    cr_assert_eq(err, CRDT_OK, "SCENESYNC_SEED=%llu: %s at %llu",
                 (unsigned long long)f->seed, diag.text,
                 (unsigned long long)diag.offset);
    cr_assert(gen_batch_equal(batch, &decoded), "SCENESYNC_SEED=%llu",
              (unsigned long long)f->seed);
    cr_assert_eq(crdt_batch_encode(&decoded, base, &f->again), CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&f->bytes), crdt_buf_span(&f->again)));
}

Test(batch, round_trip_absolute)
{
    fixture f;
    fixture_open(&f, 1);
    for (int i = 0; i < 3000; i++) {
        fixture_reset(&f);
        crdt_batch batch = gen_batch(&f.g, 6, 6, i % 10 == 0 ? 400 : 8);
        check_round_trip(&f, &batch, NULL);
    }
    fixture_close(&f);
}

/* Batches of one author after the other, each coded against the one before. */
Test(batch, round_trip_relative)
{
    fixture f;
    fixture_open(&f, 2);
    for (int i = 0; i < 300; i++) {
        crdt_deps *deps = NULL;
        cr_assert_eq(crdt_deps_open(&deps, f.alloc, 4), CRDT_OK);
        crdt_version version;
        crdt_version_init(&version, f.alloc);
        for (int j = 0; j < 20; j++) {
            fixture_reset(&f);
            crdt_batch batch = gen_batch(&f.g, 6, 4, 4);
            batch.actor = gen_actor((unsigned)gen_below(&f.g, 3));
            crdt_stamp heard = gen_stamp(&f.g, 6, 1000000);
            cr_assert_eq(crdt_version_raise(&version, &heard), CRDT_OK);
            batch.deps = version.stamps;
            batch.dep_count = version.stamp_count;
            check_round_trip(&f, &batch, deps);
            cr_assert_eq(crdt_deps_note(deps, &batch), CRDT_OK);
            crdt_stamp own = {.time = crdt_batch_last_time(&batch),
                              .actor = batch.actor};
            cr_assert_eq(crdt_version_raise(&version, &own), CRDT_OK);
        }
        crdt_version_deinit(&version);
        crdt_deps_close(deps);
    }
    fixture_close(&f);
}

static crdt_batch one_set(const crdt_stamp *deps, size_t dep_count, crdt_op *op)
{
    static const uint8_t one[] = {0x01};
    *op = (crdt_op){
        .kind = CRDT_OP_SET,
        .key = crdt_key_field(crdt_span_of("o"), crdt_span_of("p"), crdt_span_of("f")),
        .value = {.data = one, .size = 1}};
    return (crdt_batch){.actor = gen_actor(0),
                        .deps = deps,
                        .dep_count = dep_count,
                        .ops = op,
                        .op_count = 1};
}

/* Without the very batch it is coded against, a batch says which way it is off. */
Test(batch, other_base_is_a_gap_or_a_duplicate)
{
    fixture f;
    fixture_open(&f, 3);
    crdt_deps *sender = NULL;
    crdt_deps *receiver = NULL;
    cr_assert_eq(crdt_deps_open(&sender, f.alloc, 4), CRDT_OK);
    cr_assert_eq(crdt_deps_open(&receiver, f.alloc, 4), CRDT_OK);
    crdt_op op;
    crdt_stamp at10 = {.time = 10, .actor = gen_actor(0)};
    crdt_stamp at11 = {.time = 11, .actor = gen_actor(0)};
    crdt_batch first = one_set(&at10, 1, &op);  /* stamp 11 */
    crdt_batch second = one_set(&at11, 1, &op); /* stamp 12 */
    cr_assert_eq(crdt_deps_note(sender, &first), CRDT_OK);
    cr_assert_eq(crdt_batch_encode(&second, sender, &f.bytes), CRDT_OK);

    crdt_batch out;
    crdt_span bytes = crdt_buf_span(&f.bytes);
    cr_assert_eq(crdt_batch_decode(bytes, NULL, &f.decoded, &out, NULL), CRDT_EGAP);
    cr_assert_eq(crdt_batch_decode(bytes, receiver, &f.decoded, &out, NULL), CRDT_EGAP);
    cr_assert(crdt_actor_equal(&out.actor, &second.actor));
    cr_assert_eq(crdt_deps_note(receiver, &first), CRDT_OK);
    cr_assert_eq(crdt_batch_decode(bytes, receiver, &f.decoded, &out, NULL), CRDT_OK);
    cr_assert(gen_batch_equal(&second, &out));
    cr_assert_eq(crdt_deps_note(receiver, &second), CRDT_OK);
    cr_assert_eq(crdt_batch_decode(bytes, receiver, &f.decoded, &out, NULL),
                 CRDT_EDUPLICATE);
    crdt_deps_close(sender);
    crdt_deps_close(receiver);
    fixture_close(&f);
}

/* An author that went back behind its last batch is coded absolutely. */
Test(batch, deps_below_the_base_are_absolute)
{
    fixture f;
    fixture_open(&f, 4);
    crdt_deps *deps = NULL;
    cr_assert_eq(crdt_deps_open(&deps, f.alloc, 4), CRDT_OK);
    crdt_op op;
    crdt_stamp high = {.time = 10, .actor = gen_actor(0)};
    crdt_stamp low = {.time = 9, .actor = gen_actor(0)};
    crdt_batch first = one_set(&high, 1, &op);
    crdt_batch second = one_set(&low, 1, &op);
    cr_assert_eq(crdt_deps_note(deps, &first), CRDT_OK);
    cr_assert_eq(crdt_batch_encode(&second, deps, &f.bytes), CRDT_OK);
    crdt_batch out;
    cr_assert_eq(
        crdt_batch_decode(crdt_buf_span(&f.bytes), NULL, &f.decoded, &out, NULL),
        CRDT_OK);
    cr_assert(gen_batch_equal(&second, &out));
    crdt_deps_close(deps);
    fixture_close(&f);
}

/* More names than the table holds: the rest is written out each time. */
Test(batch, more_names_than_the_table)
{
    fixture f;
    fixture_open(&f, 5);
    static char texts[300][8];
    static crdt_op ops[600];
    for (size_t i = 0; i < 600; i++) {
        char *text = texts[i % 300];
        snprintf(text, sizeof texts[0], "f%zu", i % 300);
        ops[i] =
            (crdt_op){.kind = CRDT_OP_UNSET,
                      .key = crdt_key_field(crdt_span_of("o"), crdt_span_of("part"),
                                            crdt_span_of(text))};
    }
    crdt_batch batch = {.actor = gen_actor(1), .ops = ops, .op_count = 600};
    check_round_trip(&f, &batch, NULL);
    fixture_close(&f);
}
