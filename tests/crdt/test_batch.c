#include "crdt/batch.h"
#include "crdt/op_codec.h"
#include "crdt/value.h"
#include "tests/support/decoder.h"
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
            crdt_deps_row last;
            if (crdt_deps_find(deps, &batch.actor, &last) && gen_chance(&f.g, 50)) {
                batch.who = last.who;
                batch.wall_ms = gen_chance(&f.g, 50) ? last.wall_ms : batch.wall_ms;
            }
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

/* Whose it is and what it waits for can be told without the base. */
Test(batch, peek_needs_no_base)
{
    fixture f;
    fixture_open(&f, 9);
    crdt_deps *sender = NULL;
    cr_assert_eq(crdt_deps_open(&sender, f.alloc, 4), CRDT_OK);
    crdt_op op;
    crdt_stamp at10 = {.time = 10, .actor = gen_actor(0)};
    crdt_stamp at11 = {.time = 11, .actor = gen_actor(0)};
    crdt_batch first = one_set(&at10, 1, &op);
    crdt_batch second = one_set(&at11, 1, &op);
    crdt_actor author = gen_actor(3);
    uint64_t base_time = 77;
    cr_assert_eq(crdt_batch_encode(&first, sender, &f.bytes), CRDT_OK);
    cr_assert_eq(crdt_batch_peek(crdt_buf_span(&f.bytes), &author, &base_time),
                 CRDT_OK);
    cr_assert(crdt_actor_equal(&author, &first.actor));
    cr_assert_eq(base_time, 0);
    cr_assert_eq(crdt_deps_note(sender, &first), CRDT_OK);
    crdt_buf_clear(&f.bytes);
    cr_assert_eq(crdt_batch_encode(&second, sender, &f.bytes), CRDT_OK);
    cr_assert_eq(crdt_batch_peek(crdt_buf_span(&f.bytes), &author, &base_time),
                 CRDT_OK);
    cr_assert_eq(base_time, 11);
    crdt_span cut = {.data = f.bytes.data, .size = 10};
    cr_assert_eq(crdt_batch_peek(cut, &author, &base_time), CRDT_ECORRUPT);
    f.bytes.data[0] = 2;
    cr_assert_eq(crdt_batch_peek(crdt_buf_span(&f.bytes), &author, &base_time),
                 CRDT_EVERSION);
    crdt_deps_close(sender);
    fixture_close(&f);
}

/* What one message of an edit takes: nothing is named that both sides know. */
Test(batch, an_edit_is_small)
{
    fixture f;
    fixture_open(&f, 10);
    crdt_deps *deps = NULL;
    cr_assert_eq(crdt_deps_open(&deps, f.alloc, 4), CRDT_OK);
    static const uint8_t half[] = {0x93, 0xca, 0x3f, 0, 0, 0, 0, 0};
    crdt_op op = {.kind = CRDT_OP_SET,
                  .key = crdt_key_field(crdt_span_of("lamp"), crdt_span_of("Transform"),
                                        crdt_span_of("position")),
                  .value = {.data = half, .size = sizeof half}};
    crdt_stamp at = {.time = 10, .actor = gen_actor(0)};
    crdt_batch batch = {.actor = gen_actor(0),
                        .deps = &at,
                        .dep_count = 1,
                        .ops = &op,
                        .op_count = 1,
                        .who = crdt_span_of("ann"),
                        .wall_ms = UINT64_C(1700000000000)};
    check_round_trip(&f, &batch, deps);
    cr_assert_eq(crdt_deps_note(deps, &batch), CRDT_OK);
    fixture_reset(&f);
    at.time = 11;
    batch.wall_ms += 100;
    check_round_trip(&f, &batch, deps);
    /* head and author; base; 100 ms; count, head, lamp, vector */
    cr_assert_eq(f.bytes.size, 17 + 1 + 1 + 1 + 1 + 5 + 7);
    crdt_deps_close(deps);
    fixture_close(&f);
}

/* A batch outlives the row that it was coded against. */
Test(batch, is_not_in_the_table)
{
    fixture f;
    fixture_open(&f, 11);
    crdt_deps *deps = NULL;
    cr_assert_eq(crdt_deps_open(&deps, f.alloc, 4), CRDT_OK);
    crdt_op op;
    crdt_stamp at10 = {.time = 10, .actor = gen_actor(0)};
    crdt_stamp at11 = {.time = 11, .actor = gen_actor(0)};
    crdt_batch first = one_set(&at10, 1, &op);
    crdt_batch second = one_set(&at11, 1, &op);
    first.who = crdt_span_of("somebody");
    second.who = first.who;
    cr_assert_eq(crdt_deps_note(deps, &first), CRDT_OK);
    cr_assert_eq(crdt_batch_encode(&second, deps, &f.bytes), CRDT_OK);
    crdt_batch out;
    cr_assert_eq(
        crdt_batch_decode(crdt_buf_span(&f.bytes), deps, &f.decoded, &out, NULL),
        CRDT_OK);
    crdt_batch third = second;
    third.who = crdt_span_of("else");
    third.wall_ms = 3;
    crdt_stamp at12 = {.time = 12, .actor = gen_actor(0)};
    third.deps = &at12;
    cr_assert_eq(crdt_deps_note(deps, &third), CRDT_OK);
    cr_assert(gen_batch_equal(&second, &out));
    crdt_deps_close(deps);
    cr_assert(gen_batch_equal(&second, &out));
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

/* ---- foreign bytes ---- */

static crdt_err decode(void *ctx, crdt_span bytes, crdt_arena *arena, crdt_diag *diag)
{
    return crdt_batch_decode(bytes, NULL, arena, ctx, diag);
}

static crdt_err encode(void *ctx, crdt_buf *out)
{
    return crdt_batch_encode(ctx, NULL, out);
}

/* An operation of one byte is 80 in memory, and the arena doubles. */
static decoder open_decoder(crdt_batch *kept)
{
    return (decoder){.ctx = kept,
                     .decode = decode,
                     .encode = encode,
                     .canonical = true,
                     .memory_factor = 240,
                     .memory_fixed = 16384};
}

Test(batch, stands_all_damage)
{
    fixture f;
    fixture_open(&f, 6);
    crdt_batch kept;
    decoder d = open_decoder(&kept);
    for (int i = 0; i < 60; i++) {
        fixture_reset(&f);
        crdt_batch batch = gen_batch(&f.g, 4, 4, 8);
        cr_assert_eq(crdt_batch_encode(&batch, NULL, &f.bytes), CRDT_OK);
        crdt_span bytes = crdt_buf_span(&f.bytes);
        cr_assert(decoder_accepts(&d, bytes));
        cr_assert(decoder_refuses_truncated(&d, bytes));
        cr_assert(decoder_stands_flips(&d, bytes));
        cr_assert(decoder_stands_noise(&d, bytes, gen_next(&f.g), 400));
        cr_assert(decoder_stands_no_memory(&d, bytes));
    }
    fixture_close(&f);
}

/* The same of batches that are coded against another one. */
typedef struct relative {
    crdt_deps *base;
    crdt_batch batch;
} relative;

static crdt_err decode_relative(void *ctx, crdt_span bytes, crdt_arena *arena,
                                crdt_diag *diag)
{
    relative *kept = ctx;
    return crdt_batch_decode(bytes, kept->base, arena, &kept->batch, diag);
}

/* A flip may turn it into an absolute batch, or one of an author without a row. */
static crdt_err encode_relative(void *ctx, crdt_buf *out)
{
    relative *kept = ctx;
    return crdt_batch_encode(&kept->batch, kept->base, out);
}

Test(batch, relative_stands_all_damage)
{
    fixture f;
    fixture_open(&f, 7);
    for (int i = 0; i < 40; i++) {
        fixture_reset(&f);
        relative kept;
        cr_assert_eq(crdt_deps_open(&kept.base, f.alloc, 4), CRDT_OK);
        decoder d = {.ctx = &kept,
                     .decode = decode_relative,
                     .encode = encode_relative,
                     .memory_factor = 240,
                     .memory_fixed = 16384};
        crdt_batch first = gen_batch(&f.g, 4, 4, 3);
        cr_assert_eq(crdt_deps_note(kept.base, &first), CRDT_OK);
        crdt_version version;
        crdt_version_init(&version, f.alloc);
        crdt_deps_row row;
        cr_assert(crdt_deps_find(kept.base, &first.actor, &row));
        cr_assert_eq(crdt_version_copy(&version, row.after), CRDT_OK);
        for (int raises = 0; raises < 2; raises++) {
            crdt_stamp heard = gen_stamp(&f.g, 6, 3000);
            cr_assert_eq(crdt_version_raise(&version, &heard), CRDT_OK);
        }
        crdt_batch second = gen_batch(&f.g, 4, 4, 4);
        second.actor = first.actor;
        second.deps = version.stamps;
        second.dep_count = version.stamp_count;
        if (i % 2 == 0) { /* nothing new to tell */
            second.who = first.who;
            second.wall_ms = first.wall_ms;
        }
        cr_assert_eq(crdt_batch_encode(&second, kept.base, &f.bytes), CRDT_OK);
        crdt_span bytes = crdt_buf_span(&f.bytes);
        cr_assert(decoder_accepts(&d, bytes));
        cr_assert(decoder_refuses_truncated(&d, bytes));
        cr_assert(decoder_stands_flips(&d, bytes));
        cr_assert(decoder_stands_noise(&d, bytes, gen_next(&f.g), 300));
        cr_assert(decoder_stands_no_memory(&d, bytes));
        crdt_version_deinit(&version);
        crdt_deps_close(kept.base);
    }
    fixture_close(&f);
}

#define AUTHOR "00000000000000000000000000000000 "
#define ACTOR "c4 10 00000000000000000000000000000000 "
#define ACTOR_1 "c4 10 01000000000000000000000000000000 "
/* No deps, no person, no wall time. */
#define HEAD "20 " AUTHOR
#define ONE_ADD "01 04 a0"
#define OPS_AT 17
#define ROWS_AT 18

Test(batch, bad_heads)
{
    static const decoder_bad rows[] = {
        {"", CRDT_ECORRUPT, 0},
        {"01", CRDT_EVERSION, 0},
        {"30", CRDT_EVERSION, 0},
        {"20 00", CRDT_ECORRUPT, 0},
        {"21 " AUTHOR "05", CRDT_EGAP, 17},
        {"21 " AUTHOR "00", CRDT_ECORRUPT, 17}, /* base at time 0 */
        {"21 " AUTHOR "cf 0001 0000 0000 0000", CRDT_ELIMIT, 17},
        /* rows: none, at time 0, of a base that is not there, more than the bytes hold */
        {"22 " AUTHOR "00 " ONE_ADD, CRDT_ECORRUPT, 17},
        {"22 " AUTHOR "01 " ACTOR "00 " ONE_ADD, CRDT_ECORRUPT, ROWS_AT + 18},
        {"22 " AUTHOR "01 00 05 " ONE_ADD AUTHOR, CRDT_ECORRUPT, ROWS_AT},
        {"22 " AUTHOR "7f " ACTOR "01", CRDT_ECORRUPT, 17},
        /* not in order, twice the same, over the limit */
        {"22 " AUTHOR "02 " ACTOR_1 "01 " ACTOR "01 " ONE_ADD, CRDT_ECORRUPT,
         ROWS_AT + 19},
        {"22 " AUTHOR "02 " ACTOR "01 " ACTOR "01 " ONE_ADD, CRDT_ECORRUPT,
         ROWS_AT + 19},
        {"22 " AUTHOR "01 " ACTOR "cf 0001 0000 0000 0000 " ONE_ADD, CRDT_ELIMIT,
         ROWS_AT + 18},
        /* the last time there is, and two operations after it */
        {"22 " AUTHOR "01 " ACTOR "cf 0000 ffff ffff fffe 02 04 a0 01", CRDT_ELIMIT,
         ROWS_AT + 18 + 9},
        /* a person: no UTF-8, not another one; a time: not another one */
        {"24 " AUTHOR "a1 ff " ONE_ADD, CRDT_ECORRUPT, 18},
        {"24 " AUTHOR "a0 " ONE_ADD, CRDT_ECORRUPT, 17},
        {"28 " AUTHOR "00 " ONE_ADD, CRDT_ECORRUPT, 17},
    };
    crdt_batch kept;
    decoder d = open_decoder(&kept);
    cr_assert(decoder_refuses(&d, rows, sizeof rows / sizeof *rows));
}

Test(batch, bad_operations)
{
    static const decoder_bad rows[] = {
        {HEAD, CRDT_ECORRUPT, OPS_AT},
        {HEAD "00", CRDT_ECORRUPT, OPS_AT}, /* no operation */
        {HEAD "02 04 a0", CRDT_ECORRUPT, OPS_AT + 3},
        {HEAD "05 04 a0", CRDT_ECORRUPT, OPS_AT},
        {HEAD "ce ff ff ff ff", CRDT_ELIMIT, OPS_AT},
        {HEAD "01 00", CRDT_ECORRUPT, OPS_AT + 2},    /* no object before */
        {HEAD "01 20 a0", CRDT_ECORRUPT, OPS_AT + 1}, /* bit of a later format */
        {HEAD "01 40 a0", CRDT_ECORRUPT, OPS_AT + 1},
        {HEAD "01 0c a0 a0", CRDT_ECORRUPT, OPS_AT + 1}, /* part of an object's add */
        {HEAD "01 1e a0 a0 a0 01", CRDT_ECORRUPT, OPS_AT + 1}, /* set of a part */
        {HEAD "01 0e a0 a0 a0 01", CRDT_ECORRUPT, OPS_AT + 4}, /* name in the table */
        {HEAD "01 0e a0 a0 61 01", CRDT_ECORRUPT, OPS_AT + 4}, /* name 97 of 97 */
        {HEAD "01 0e a0 60 a0 01", CRDT_ECORRUPT, OPS_AT + 3}, /* name 96 of 96 */
        {HEAD "01 0e a0 a0 a1 66 cc 01", CRDT_ECORRUPT, OPS_AT + 6}, /* value */
        {HEAD "01 0e a0 a0 a1 66 a1 ff", CRDT_ECORRUPT, OPS_AT + 7},
        {HEAD "01 04 c4 01 61", CRDT_ECORRUPT, OPS_AT + 2},    /* bin of UTF-8 */
        {HEAD "01 04 a1 ff", CRDT_ECORRUPT, OPS_AT + 3},       /* str of other bytes */
        {HEAD "02 04 a0 04 a0", CRDT_ECORRUPT, OPS_AT + 4},    /* object again */
        {HEAD "02 1c a0 a0 18 60", CRDT_ECORRUPT, OPS_AT + 5}, /* part again */
        {HEAD "01 04 da 10 01", CRDT_ELIMIT, OPS_AT + 2},      /* name of 4097 bytes */
        {HEAD "01 04 a0 00", CRDT_ECORRUPT, OPS_AT + 3},       /* bytes after the end */
        /* well-known names: the part that is there at first; "scale" in letters */
        {HEAD "01 1c a0 00", CRDT_ECORRUPT, OPS_AT + 3},
        {HEAD "01 0e a0 a0 a5 7363616c65 01", CRDT_ECORRUPT, OPS_AT + 4},
        /* a SET of position with the long head; short heads: no object, object again */
        {HEAD "01 06 a0 01 01", CRDT_ECORRUPT, OPS_AT + 1},
        {HEAD "01 81 01", CRDT_ECORRUPT, OPS_AT + 2},
        {HEAD "02 c1 a0 01 c1 a0 02", CRDT_ECORRUPT, OPS_AT + 5},
        {HEAD "01 c1 a0", CRDT_ECORRUPT, OPS_AT + 3},
        /* a vector that is not packed, one that is packed in vain */
        {HEAD "01 c1 a0 93 ca3f000000 ca3fc00000 cac0200000", CRDT_ECORRUPT,
         OPS_AT + 3},
        {HEAD "01 c1 a0 d4 3f80 3f80 3f80", CRDT_ECORRUPT, OPS_AT + 3},
    };
    crdt_batch kept;
    decoder d = open_decoder(&kept);
    cr_assert(decoder_refuses(&d, rows, sizeof rows / sizeof *rows));
}

Test(batch, encoding_without_memory)
{
    fixture f;
    fixture_open(&f, 8);
    crdt_batch batch = gen_batch(&f.g, 5, 5, 40);
    for (uint64_t fail_at = 0;; fail_at++) {
        fault_alloc fault;
        crdt_buf out;
        crdt_buf_init(&out, fault_alloc_init(&fault));
        fault_alloc_fail_at(&fault, fail_at);
        crdt_err err = crdt_batch_encode(&batch, NULL, &out);
        bool reached = fault.fail_at == UINT64_MAX;
        cr_assert_eq(err, reached ? CRDT_ENOMEM : CRDT_OK);
        cr_assert(!reached || out.size == 0);
        crdt_buf_deinit(&out);
        cr_assert(fault_alloc_balanced(&fault));
        if (!reached) {
            break;
        }
    }
    fixture_close(&f);
}
