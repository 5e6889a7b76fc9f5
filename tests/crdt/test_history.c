#include "crdt/history.h"
#include "crdt/value.h"
#include "tests/support/decoder.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <string.h>

static crdt_history_record random_record(gen *g)
{
    crdt_history_record r = {.origin = (crdt_origin)gen_below(g, 7)};
    r.wall_ms = gen_below(g, UINT64_C(1) << 42);
    r.cut = gen_chance(g, 10);
    if (r.origin != CRDT_ORIGIN_ANSWER) {
        crdt_batch batch = gen_batch(g, 5, 5, 6);
        r.author = batch.actor;
        r.first_time = crdt_batch_first_time(&batch);
        r.last_time = crdt_batch_last_time(&batch);
        r.who = batch.who;
        r.ops = batch.ops;
        r.op_count = batch.op_count;
    }
    if (r.origin != CRDT_ORIGIN_ANSWER && gen_chance(g, 40)) {
        r.step = gen_text(g, CRDT_STEP_SIZE_MAX);
    }
    if (r.origin == CRDT_ORIGIN_UNDO || r.origin == CRDT_ORIGIN_REDO) {
        r.target = gen_stamp(g, 5, CRDT_TIME_MAX);
    }
    size_t count = (size_t)gen_below(g, 6);
    crdt_history_drop *drops = crdt_arena_alloc(g->arena, 6 * sizeof *drops);
    for (size_t i = 0; i < count; i++) {
        crdt_op op = gen_op(g, 4);
        if (i > 0 && gen_chance(g, 60)) {
            op.key.object = drops[i - 1].key.object;
        }
        drops[i] = (crdt_history_drop){
            .op_index = r.op_count == 0 || gen_chance(g, 5)
                            ? SIZE_MAX
                            : (size_t)gen_below(g, r.op_count),
            .key = op.key,
            .entry = {.stamp = gen_stamp(g, 5, CRDT_TIME_MAX),
                      .who = gen_chance(g, 50) && i > 0 ? drops[i - 1].entry.who
                                                        : gen_text(g, 8)},
            .was_live = gen_chance(g, 50)};
        if (op.key.depth == CRDT_FIELD) {
            drops[i].entry.value = gen_value(g, 2);
        }
    }
    r.drops = drops;
    r.drop_count = count;
    return r;
}

static bool drops_equal(const crdt_history_drop *a, const crdt_history_drop *b)
{
    return a->op_index == b->op_index && crdt_key_equal(&a->key, &b->key) &&
           crdt_stamp_compare(&a->entry.stamp, &b->entry.stamp) == 0 &&
           crdt_span_equal(a->entry.who, b->entry.who) &&
           crdt_span_equal(a->entry.value, b->entry.value) &&
           a->was_live == b->was_live;
}

static bool records_equal(const crdt_history_record *a, const crdt_history_record *b)
{
    bool equal = a->origin == b->origin && crdt_actor_equal(&a->author, &b->author) &&
                 a->first_time == b->first_time && a->last_time == b->last_time &&
                 crdt_span_equal(a->who, b->who) && crdt_span_equal(a->step, b->step) &&
                 a->wall_ms == b->wall_ms &&
                 crdt_stamp_compare(&a->target, &b->target) == 0 &&
                 a->op_count == b->op_count && a->drop_count == b->drop_count &&
                 a->cut == b->cut;
    for (size_t i = 0; equal && i < a->op_count; i++) {
        equal = gen_op_equal(&a->ops[i], &b->ops[i]);
    }
    for (size_t i = 0; equal && i < a->drop_count; i++) {
        equal = drops_equal(&a->drops[i], &b->drops[i]);
    }
    return equal;
}

static crdt_err decode(void *ctx, crdt_span bytes, crdt_arena *arena, crdt_diag *diag)
{
    return crdt_history_decode(bytes, arena, ctx, diag);
}

static crdt_err encode(void *ctx, crdt_buf *out)
{
    return crdt_history_encode(ctx, out);
}

/* An operation of one byte is 80 in memory, and the arena doubles. */
static decoder open_decoder(crdt_history_record *kept)
{
    return (decoder){.ctx = kept,
                     .decode = decode,
                     .encode = encode,
                     .canonical = true,
                     .memory_factor = 240,
                     .memory_fixed = 16384};
}

Test(history, round_trip_and_all_damage)
{
    crdt_arena arena;
    crdt_arena decoded;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_arena_init(&decoded, crdt_alloc_default());
    uint64_t seed = gen_seed(1);
    gen g = gen_open(seed, &arena);
    crdt_history_record kept;
    decoder d = open_decoder(&kept);
    for (int run = 0; run < 600; run++) {
        crdt_arena_reset(&arena);
        crdt_arena_reset(&decoded);
        crdt_history_record made = random_record(&g);
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        cr_assert_eq(crdt_history_encode(&made, &out), CRDT_OK);
        crdt_span bytes = crdt_buf_span(&out);
        crdt_history_record back;
        crdt_diag diag = {.text = ""};
        cr_assert_eq(crdt_history_decode(bytes, &decoded, &back, &diag), CRDT_OK,
                     "SCENESYNC_SEED=%llu: %s at %llu", (unsigned long long)seed,
                     diag.text, (unsigned long long)diag.offset);
        cr_assert(records_equal(&made, &back), "SCENESYNC_SEED=%llu",
                  (unsigned long long)seed);
        cr_assert(decoder_accepts(&d, bytes));
        if (run < 40) {
            cr_assert(decoder_refuses_truncated(&d, bytes));
            cr_assert(decoder_stands_flips(&d, bytes));
            cr_assert(decoder_stands_noise(&d, bytes, gen_next(&g), 300));
            cr_assert(decoder_stands_no_memory(&d, bytes));
        }
        crdt_buf_deinit(&out);
    }
    crdt_arena_deinit(&arena);
    crdt_arena_deinit(&decoded);
}

/* An answer's record, then one drop. */
#define ANSWER "04 06 00 00 c2 "
#define NOBODY "c4 10 00000000000000000000000000000000"
#define ACTOR "c4 10 10000000000000000000000000000000"

Test(history, bad_bytes)
{
    static const decoder_bad rows[] = {
        {"", CRDT_ECORRUPT, 0},
        {"01", CRDT_EVERSION, 0},
        {"02", CRDT_EVERSION, 0},
        {"05", CRDT_EVERSION, 0},
        {"04 07", CRDT_ELIMIT, 1}, /* no such origin */
        {"04 00 " ACTOR " 00", CRDT_ECORRUPT, 20},
        {"03 00 " ACTOR " 01 a0 00 00 c2 00 00", CRDT_ECORRUPT, 25}, /* no operation */
        {ANSWER "01", CRDT_ECORRUPT, 5},                             /* no drop */
        {ANSWER "00 00", CRDT_ECORRUPT, 6},
        {ANSWER "01 04 00 a1 6f 05 " ACTOR, CRDT_ECORRUPT, 6}, /* depth 0 */
        {ANSWER "01 0d 00 a1 6f 05 " ACTOR, CRDT_ECORRUPT, 6}, /* part of an object */
        {ANSWER "01 05 01 a1 6f 05 " ACTOR, CRDT_ECORRUPT, 7}, /* no operation 0 */
        {ANSWER "01 05 ff a1 6f 05 " ACTOR, CRDT_ECORRUPT, 7},
        {ANSWER "01 05 00 a1 6f 00 " ACTOR, CRDT_ECORRUPT, 10},       /* time 0 */
        {ANSWER "01 65 00 a1 6f 05 " ACTOR " a0", CRDT_ECORRUPT, 29}, /* person again */
        {ANSWER "01 45 00 a1 6f 05 " NOBODY, CRDT_ECORRUPT, 11},      /* writer again */
        {ANSWER "01 01 00 05 " ACTOR " 00 00", CRDT_ECORRUPT, 8}, /* no object yet */
        {ANSWER "01 05 00 c4 01 61 05 " ACTOR, CRDT_ECORRUPT, 8}, /* bin of UTF-8 */
        {ANSWER "01 45 00 a1 6f 05 " ACTOR " 00", CRDT_ECORRUPT, 29},
    };
    crdt_history_record kept;
    decoder d = open_decoder(&kept);
    cr_assert(decoder_refuses(&d, rows, sizeof rows / sizeof *rows));
}

/* What the listener hears is what the record says, though its spans are gone. */
/* Drops of one writer name it once. They were refused when all were so short that the
 * least size of a drop, with its writer, was more than there was. */
Test(history, writer_is_named_once)
{
    crdt_buf out;
    crdt_arena arena;
    crdt_buf_init(&out, crdt_alloc_default());
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_history_drop drops[20];
    for (size_t i = 0; i < 20; i++) {
        drops[i] = (crdt_history_drop){
            .op_index = SIZE_MAX,
            .key = crdt_key_object(crdt_span_of("o")),
            .entry = {.stamp = {.time = i + 1, .actor = {{7}}}},
        };
    }
    crdt_history_record made = {
        .origin = CRDT_ORIGIN_ANSWER, .drops = drops, .drop_count = 20};
    crdt_history_record back;
    cr_assert_eq(crdt_history_encode(&made, &out), CRDT_OK);
    cr_assert(out.size < 100, "%zu bytes", out.size);
    cr_assert_eq(crdt_history_decode(crdt_buf_span(&out), &arena, &back, NULL),
                 CRDT_OK);
    cr_assert(records_equal(&made, &back));
    crdt_arena_deinit(&arena);
    crdt_buf_deinit(&out);
}

Test(history, recorder_keeps_what_it_heard)
{
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(gen_seed(2), &arena);
    crdt_history *history = NULL;
    cr_assert_eq(crdt_history_open(&history, alloc, 0), CRDT_OK);
    crdt_listener listener = crdt_history_listener(history);
    for (int run = 0; run < 300; run++) {
        crdt_arena_reset(&arena);
        crdt_history_record made = random_record(&g);
        made.cut = false;
        crdt_history_begin(history);
        for (size_t i = 0; i < made.drop_count; i++) {
            crdt_history_drop drop = made.drops[i];
            char scratch[4][512];
            crdt_span *spans[] = {&drop.key.object, &drop.key.part, &drop.key.field,
                                  &drop.entry.who};
            for (size_t s = 0; s < 4; s++) {
                if (spans[s]->size > 0) {
                    memcpy(scratch[s], spans[s]->data, spans[s]->size);
                    spans[s]->data = (const uint8_t *)scratch[s];
                }
            }
            listener.dropped(listener.ctx, drop.op_index, &drop.key, &drop.entry,
                             drop.was_live);
            memset(scratch, 0x5a, sizeof scratch);
        }
        crdt_buf expected;
        crdt_buf out;
        crdt_buf_init(&expected, crdt_alloc_default());
        crdt_buf_init(&out, crdt_alloc_default());
        crdt_stamp before = {.time = made.first_time - 1, .actor = gen_actor(1)};
        crdt_batch batch = {.actor = made.author,
                            .deps = &before,
                            .dep_count = made.first_time > 1,
                            .ops = made.ops,
                            .op_count = made.op_count,
                            .who = made.who,
                            .wall_ms = made.wall_ms};
        cr_assert_eq(crdt_history_encode(&made, &expected), CRDT_OK);
        const crdt_history_note note = {.origin = made.origin,
                                        .target = made.target,
                                        .step = made.step,
                                        .wall_ms = made.wall_ms};
        cr_assert_eq(crdt_history_finish(history, made.op_count > 0 ? &batch : NULL,
                                         &note, &out),
                     CRDT_OK);
        cr_assert(crdt_span_equal(crdt_buf_span(&expected), crdt_buf_span(&out)));
        crdt_buf_deinit(&expected);
        crdt_buf_deinit(&out);
    }
    crdt_history_close(history);
    crdt_arena_deinit(&arena);
    cr_assert(fault_alloc_balanced(&fault));
}

static void drop_one(crdt_listener *listener, crdt_span value)
{
    crdt_key key = crdt_key_field(crdt_span_of("object"), crdt_span_of("part"),
                                  crdt_span_of("field"));
    crdt_entry entry = {.stamp = {.time = 5, .actor = gen_actor(0)}, .value = value};
    listener->dropped(listener->ctx, SIZE_MAX, &key, &entry, true);
}

Test(history, what_is_over_the_limit_is_cut_and_said)
{
    static uint8_t bytes[600] = {0xda, 0x02, 0x00};
    crdt_span value = {.data = bytes, .size = 515};
    crdt_history *history = NULL;
    cr_assert_eq(crdt_history_open(&history, crdt_alloc_default(), 1000), CRDT_OK);
    crdt_listener listener = crdt_history_listener(history);
    crdt_arena arena;
    crdt_buf out;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_buf_init(&out, crdt_alloc_default());
    for (size_t drops = 0; drops < 4; drops++) {
        crdt_history_begin(history);
        for (size_t i = 0; i < drops; i++) {
            drop_one(&listener, value);
        }
        crdt_buf_clear(&out);
        const crdt_history_note note = {.origin = CRDT_ORIGIN_ANSWER, .wall_ms = 7};
        cr_assert_eq(crdt_history_finish(history, NULL, &note, &out), CRDT_OK);
        crdt_history_record record;
        cr_assert_eq(crdt_history_decode(crdt_buf_span(&out), &arena, &record, NULL),
                     CRDT_OK);
        cr_assert_eq(record.drop_count, drops > 1 ? 1 : drops);
        cr_assert_eq(record.cut, drops > 1);
        cr_assert_eq(record.wall_ms, 7);
    }
    crdt_buf_deinit(&out);
    crdt_arena_deinit(&arena);
    crdt_history_close(history);
}

/* A listener cannot say that it had no memory: the record does. */
Test(history, without_memory)
{
    static const uint8_t one[] = {0x01};
    for (uint64_t fail_at = 0;; fail_at++) {
        fault_alloc fault;
        crdt_alloc alloc = fault_alloc_init(&fault);
        fault_alloc_fail_at(&fault, fail_at);
        crdt_history *history = NULL;
        crdt_err err = crdt_history_open(&history, alloc, 0);
        crdt_buf out;
        crdt_buf_init(&out, alloc);
        if (err == CRDT_OK) {
            crdt_listener listener = crdt_history_listener(history);
            drop_one(&listener, (crdt_span){.data = one, .size = 1});
            const crdt_history_note note = {.origin = CRDT_ORIGIN_ANSWER};
            err = crdt_history_finish(history, NULL, &note, &out);
        }
        bool reached = fault.fail_at == UINT64_MAX;
        cr_assert_eq(err, reached ? CRDT_ENOMEM : CRDT_OK);
        cr_assert(!reached || out.size == 0);
        crdt_buf_deinit(&out);
        crdt_history_close(history);
        cr_assert(fault_alloc_balanced(&fault));
        if (!reached) {
            break;
        }
    }
}

/* Names are printed and stand in JSON: they do not change. */
Test(history, origins_have_names)
{
    static const char *const names[] = {"edit",         "undo",   "redo",  "import",
                                        "housekeeping", "remote", "answer"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cr_expect_str_eq(crdt_origin_name((crdt_origin)i), names[i]);
    }
    cr_expect_str_eq(crdt_origin_name((crdt_origin)77), "unknown");
}
