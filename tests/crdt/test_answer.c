#include "crdt/answer.h"
#include "crdt/value.h"
#include "tests/support/decoder.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- an answer as plain lists, to compare with ---- */

typedef struct item {
    crdt_answer_item_type type;
    crdt_key key;
    size_t entry_count;
    crdt_stamp stamp;
    crdt_span who;
    crdt_span value;
    bool fresh;
} item;

typedef struct answer {
    bool full;
    crdt_version since;
    crdt_version version;
    crdt_version floor;
    crdt_deps *deps;
    item *items;
    size_t item_count;
    size_t item_capacity;
} answer;

static void answer_init(answer *a)
{
    *a = (answer){.full = false};
    crdt_version_init(&a->since, crdt_alloc_default());
    crdt_version_init(&a->version, crdt_alloc_default());
    crdt_version_init(&a->floor, crdt_alloc_default());
    cr_assert_eq(crdt_deps_open(&a->deps, crdt_alloc_default(), 16), CRDT_OK);
}

static void answer_deinit(answer *a)
{
    crdt_version_deinit(&a->since);
    crdt_version_deinit(&a->version);
    crdt_version_deinit(&a->floor);
    crdt_deps_close(a->deps);
    free(a->items);
}

static void push(answer *a, item it)
{
    if (a->item_count == a->item_capacity) {
        a->item_capacity = a->item_capacity * 2 + 16;
        a->items = realloc(a->items, a->item_capacity * sizeof *a->items);
        cr_assert_neq(a->items, NULL);
    }
    a->items[a->item_count++] = it;
}

static crdt_err write_items(const answer *a, crdt_answer_writer *w)
{
    for (size_t i = 0; i < a->item_count; i++) {
        const item *it = &a->items[i];
        const crdt_span names[] = {it->key.object, it->key.part, it->key.field};
        if (it->type == CRDT_ANSWER_LOG) {
            crdt_answer_write_log(w, &it->stamp, &it->key);
        } else if (it->type == CRDT_ANSWER_KEY) {
            crdt_answer_write_key(w, it->key.depth, names[it->key.depth - 1],
                                  it->entry_count);
        } else {
            crdt_answer_write_entry(w, it->key.depth, &it->stamp, it->who, it->value);
        }
    }
    return w->err;
}

static crdt_err write_answer(const answer *a, crdt_buf *out)
{
    crdt_answer_head head = {.full = a->full,
                             .since = &a->since,
                             .version = &a->version,
                             .floor = &a->floor,
                             .deps = a->deps};
    crdt_answer_writer w;
    crdt_answer_write_open(&w, out, &head);
    write_items(a, &w);
    return crdt_answer_write_finish(&w);
}

/* ---- random answers ---- */

#define ACTORS 5u
#define TIME_MAX 1000u

static int compare_stamps(const void *a, const void *b)
{
    return crdt_stamp_compare(a, b);
}

static int compare_spans(const void *a, const void *b)
{
    return crdt_span_compare(*(const crdt_span *)a, *(const crdt_span *)b);
}

/* Up to `most` different stamps below the version, ascending. */
static size_t some_stamps(gen *g, const crdt_version *version, crdt_stamp *out,
                          size_t most)
{
    size_t wanted = (size_t)gen_below(g, most + 1);
    size_t count = 0;
    for (size_t i = 0; i < wanted && version->stamp_count > 0; i++) {
        const crdt_stamp *top = &version->stamps[gen_below(g, version->stamp_count)];
        out[count] =
            (crdt_stamp){.time = 1 + gen_below(g, top->time), .actor = top->actor};
        bool there = false;
        for (size_t j = 0; j < count; j++) {
            there |= crdt_stamp_compare(&out[j], &out[count]) == 0;
        }
        count += !there;
    }
    qsort(out, count, sizeof *out, compare_stamps);
    return count;
}

static size_t some_names(gen *g, char prefix, crdt_span *out, size_t most)
{
    size_t wanted = 1 + (size_t)gen_below(g, most);
    size_t count = 0;
    for (size_t i = 0; i < wanted; i++) {
        out[count] = gen_name(g, prefix, 9);
        bool there = false;
        for (size_t j = 0; j < count; j++) {
            there |= crdt_span_equal(out[j], out[count]);
        }
        count += !there;
    }
    qsort(out, count, sizeof *out, compare_spans);
    return count;
}

static void random_entries(gen *g, answer *a, crdt_key key, size_t most)
{
    crdt_stamp stamps[4];
    size_t count = some_stamps(g, &a->version, stamps, most);
    static const char *const people[] = {"", "ann", "bob", "zo\xc3\xab"};
    push(a, (item){.type = CRDT_ANSWER_KEY, .key = key, .entry_count = count});
    for (size_t i = count; i-- > 0;) {
        item it = {.type = CRDT_ANSWER_ENTRY,
                   .key = key,
                   .stamp = stamps[i],
                   .who = crdt_span_of(people[gen_below(g, 4)])};
        it.fresh = !crdt_version_covers(&a->since, &it.stamp);
        if (key.depth == CRDT_FIELD) {
            it.value = gen_value(g, 1);
        }
        push(a, it);
    }
}

static void random_part(gen *g, answer *a, crdt_span object, crdt_span part)
{
    size_t key_at = a->item_count;
    random_entries(g, a, crdt_key_part(object, part), 2);
    bool bare = a->items[key_at].entry_count == 0;
    crdt_span fields[4];
    size_t count = some_names(g, 'f', fields, 4);
    size_t given = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = a->item_count;
        random_entries(g, a, crdt_key_field(object, part, fields[i]), 2);
        if (a->items[at].entry_count == 0) {
            a->item_count = at;
        } else {
            given++;
        }
    }
    if (bare && given == 0) {
        a->item_count = key_at;
    }
}

static void random_answer(gen *g, answer *a)
{
    a->full = gen_chance(g, 40);
    for (unsigned i = 0; i < ACTORS; i++) {
        crdt_stamp top = {.time = 1 + gen_below(g, TIME_MAX), .actor = gen_actor(i)};
        crdt_stamp since = {.time = gen_below(g, 2 * TIME_MAX), .actor = gen_actor(i)};
        if (gen_chance(g, 80)) {
            cr_assert_eq(crdt_version_raise(&a->version, &top), CRDT_OK);
            top.time = gen_below(g, top.time + 1);
            cr_assert_eq(a->full ? crdt_version_raise(&a->floor, &top) : CRDT_OK,
                         CRDT_OK);
        }
        if (gen_chance(g, 60)) {
            cr_assert_eq(crdt_version_raise(&a->since, &since), CRDT_OK);
        }
    }
    for (size_t i = 0; i < a->version.stamp_count; i++) {
        if (gen_chance(g, 50)) {
            const crdt_deps_row row = {
                .actor = a->version.stamps[i].actor,
                .last_time = 1 + gen_below(g, a->version.stamps[i].time),
                .after = gen_chance(g, 50) ? &a->version : &a->floor,
                .who = gen_text(g, 12),
                .wall_ms = gen_below(g, UINT64_C(1) << 41)};
            /* One that the receiver has had would not travel. */
            if (a->full || crdt_version_get(&a->since, &row.actor) < row.last_time) {
                cr_assert_eq(crdt_deps_put(a->deps, &row), CRDT_OK);
            }
        }
    }
    crdt_stamp stamps[8];
    size_t count = some_stamps(g, &a->version, stamps, 8);
    for (size_t i = 0; i < count; i++) {
        bool fresh = !crdt_version_covers(&a->since, &stamps[i]);
        crdt_op op = gen_op(g, 4);
        if (fresh || a->full) {
            push(a, (item){.type = CRDT_ANSWER_LOG,
                           .key = op.key,
                           .stamp = stamps[i],
                           .fresh = fresh});
        }
    }
    crdt_span objects[5];
    size_t object_count = some_names(g, 'o', objects, 5);
    for (size_t i = 0; i < object_count; i++) {
        size_t key_at = a->item_count;
        random_entries(g, a, crdt_key_object(objects[i]), 2);
        size_t below_at = a->item_count;
        crdt_span parts[3];
        size_t part_count = some_names(g, 'p', parts, 3);
        for (size_t j = 0; j < part_count; j++) {
            random_part(g, a, objects[i], parts[j]);
        }
        if (a->items[key_at].entry_count == 0 && a->item_count == below_at) {
            a->item_count = key_at;
        }
    }
}

/* ---- reading back ---- */

static crdt_err read_items(crdt_answer_reader *r, answer *a)
{
    for (;;) {
        crdt_answer_item it;
        crdt_err err = crdt_answer_read_next(r, &it);
        if (err != CRDT_OK || it.type == CRDT_ANSWER_END) {
            return err;
        }
        item got = {.type = it.type, .key = it.key};
        if (it.type == CRDT_ANSWER_KEY) {
            got.entry_count = it.entry_count;
        } else {
            got.stamp = it.stamp;
            got.fresh = it.fresh;
        }
        if (it.type == CRDT_ANSWER_ENTRY) {
            got.who = it.who;
            got.value = it.value;
        }
        push(a, got);
    }
}

/* Into an initialized answer. Reads twice: both passes must tell the same. */
static crdt_err read_answer(crdt_span bytes, crdt_arena *arena, answer *a,
                            crdt_diag *diag)
{
    crdt_answer_reader r;
    crdt_err err = crdt_answer_read_open(&r, bytes, arena, diag);
    if (err == CRDT_OK) {
        err = read_items(&r, a);
    }
    if (err != CRDT_OK) {
        return err;
    }
    size_t once = a->item_count;
    crdt_answer_read_rewind(&r);
    cr_assert_eq(read_items(&r, a), CRDT_OK);
    cr_assert_eq(a->item_count, 2 * once);
    a->item_count = once;
    a->full = r.full;
    crdt_version_copy(&a->since, &r.since);
    crdt_version_copy(&a->version, &r.version);
    crdt_version_copy(&a->floor, &r.floor);
    cr_assert(crdt_version_check(&a->since));
    cr_assert(crdt_version_check(&a->version));
    cr_assert(crdt_version_check(&a->floor));
    crdt_deps_row row;
    crdt_deps_close(a->deps);
    cr_assert_eq(crdt_deps_open(&a->deps, crdt_alloc_default(), 16), CRDT_OK);
    /* From the last, so that the most recently used comes first again. */
    for (size_t left = r.deps_count; left > 0; left--) {
        size_t index = left - 1;
        cr_assert(crdt_answer_read_deps(&r, &index, &row));
        cr_assert(crdt_version_check(row.after));
        cr_assert_eq(crdt_deps_put(a->deps, &row), CRDT_OK);
    }
    return CRDT_OK;
}

static bool items_equal(const item *a, const item *b)
{
    return a->type == b->type && crdt_key_equal(&a->key, &b->key) &&
           a->entry_count == b->entry_count &&
           crdt_stamp_compare(&a->stamp, &b->stamp) == 0 &&
           crdt_span_equal(a->who, b->who) && crdt_span_equal(a->value, b->value) &&
           a->fresh == b->fresh;
}

static bool deps_equal(const crdt_deps *a, const crdt_deps *b)
{
    size_t i = 0;
    size_t j = 0;
    crdt_deps_row row_a;
    crdt_deps_row row_b;
    for (;;) {
        bool more_a = crdt_deps_next(a, &i, &row_a);
        bool more_b = crdt_deps_next(b, &j, &row_b);
        if (!more_a || !more_b) {
            return more_a == more_b;
        }
        if (!crdt_actor_equal(&row_a.actor, &row_b.actor) ||
            row_a.last_time != row_b.last_time ||
            !crdt_span_equal(row_a.who, row_b.who) || row_a.wall_ms != row_b.wall_ms ||
            crdt_version_compare(row_a.after, row_b.after) != CRDT_EQUAL) {
            return false;
        }
    }
}

static bool answers_equal(const answer *a, const answer *b)
{
    bool equal =
        a->full == b->full && a->item_count == b->item_count &&
        crdt_version_compare(&a->since, &b->since) == CRDT_EQUAL &&
        crdt_version_compare(&a->version, &b->version) == CRDT_EQUAL &&
        (!a->full || crdt_version_compare(&a->floor, &b->floor) == CRDT_EQUAL) &&
        deps_equal(a->deps, b->deps);
    for (size_t i = 0; equal && i < a->item_count; i++) {
        equal = items_equal(&a->items[i], &b->items[i]);
    }
    return equal;
}

/* ---- as a decoder; what it keeps borrows from the bytes and the arena ---- */

static crdt_err decode(void *ctx, crdt_span bytes, crdt_arena *arena, crdt_diag *diag)
{
    answer *kept = ctx;
    answer_deinit(kept);
    answer_init(kept);
    return read_answer(bytes, arena, kept, diag);
}

static crdt_err encode(void *ctx, crdt_buf *out)
{
    return write_answer(ctx, out);
}

/* One name of one byte takes 16 bytes in a table that doubles, one time of one byte 24 in
 * three versions, one row of deps of two bytes 100. */
static decoder open_decoder(answer *kept)
{
    answer_init(kept);
    return (decoder){.ctx = kept,
                     .decode = decode,
                     .encode = encode,
                     .memory_factor = 256,
                     .memory_fixed = 16384};
}

Test(answer, round_trip)
{
    crdt_arena arena;
    crdt_arena decoded;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_arena_init(&decoded, crdt_alloc_default());
    uint64_t seed = gen_seed(21);
    gen g = gen_open(seed, &arena);
    for (int i = 0; i < 1500; i++) {
        crdt_arena_reset(&arena);
        crdt_arena_reset(&decoded);
        answer made;
        answer back;
        answer_init(&made);
        answer_init(&back);
        random_answer(&g, &made);
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        cr_assert_eq(write_answer(&made, &out), CRDT_OK);
        crdt_diag diag = {.text = ""};
        cr_assert_eq(read_answer(crdt_buf_span(&out), &decoded, &back, &diag), CRDT_OK,
                     "SCENESYNC_SEED=%llu: %s at %llu", (unsigned long long)seed,
                     diag.text, (unsigned long long)diag.offset);
        cr_assert(answers_equal(&made, &back), "SCENESYNC_SEED=%llu",
                  (unsigned long long)seed);
        answer_deinit(&made);
        answer_deinit(&back);
        crdt_buf_deinit(&out);
    }
    crdt_arena_deinit(&arena);
    crdt_arena_deinit(&decoded);
}

Test(answer, stands_all_damage)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(gen_seed(22), &arena);
    answer kept;
    decoder d = open_decoder(&kept);
    for (int i = 0; i < 40; i++) {
        crdt_arena_reset(&arena);
        answer made;
        answer_init(&made);
        random_answer(&g, &made);
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        cr_assert_eq(write_answer(&made, &out), CRDT_OK);
        crdt_span bytes = crdt_buf_span(&out);
        cr_assert(decoder_accepts(&d, bytes));
        if (bytes.size < 600) {
            cr_assert(decoder_refuses_truncated(&d, bytes));
            cr_assert(decoder_stands_flips(&d, bytes));
        }
        cr_assert(decoder_stands_noise(&d, bytes, gen_next(&g), 300));
        cr_assert(decoder_stands_no_memory(&d, bytes));
        answer_deinit(&made);
        crdt_buf_deinit(&out);
    }
    answer_deinit(&kept);
    crdt_arena_deinit(&arena);
}

/* Writing: each allocation fails once; `out` is as before. */
Test(answer, writing_without_memory)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(gen_seed(23), &arena);
    answer made;
    answer_init(&made);
    random_answer(&g, &made);
    for (uint64_t index = 0;; index++) {
        fault_alloc fault;
        crdt_buf out;
        crdt_buf_init(&out, fault_alloc_init(&fault));
        cr_assert_eq(crdt_buf_append(&out, "before", 6), CRDT_OK);
        fault_alloc_fail_at(&fault, index);
        crdt_err err = write_answer(&made, &out);
        bool reached = fault.fail_at == UINT64_MAX;
        cr_assert_eq(err, reached ? CRDT_ENOMEM : CRDT_OK);
        cr_assert(!reached || out.size == 6);
        crdt_buf_deinit(&out);
        cr_assert(fault_alloc_balanced(&fault));
        if (!reached) {
            break;
        }
    }
    answer_deinit(&made);
    crdt_arena_deinit(&arena);
}

/* A head with one actor of 16 zero bytes, version 9, since 3, not full, no deps; then a
 * plain body. */
#define ACTOR "c4 10 00000000000000000000000000000000 "
#define HEAD "02 c2 " ACTOR "09 03 00 00 "
#define BODY_AT 24
/* An object o of a new shape. */
#define OBJECT HEAD "00 01 a1 6f "

Test(answer, bad_bytes)
{
    static const decoder_bad rows[] = {
        {"", CRDT_ECORRUPT, 0},
        {"01", CRDT_EVERSION, 0},
        {"cc 80", CRDT_EVERSION, 0},
        {"02 01", CRDT_ECORRUPT, 1},                      /* full is no bool */
        {"02 c2 c4 01 00", CRDT_ECORRUPT, 5},             /* an actor of one byte */
        {"02 c2 c4 00 00 00", CRDT_ECORRUPT, 6},          /* no end */
        {"02 c2 c4 00 00 00 00 01", CRDT_ECORRUPT, 8},    /* object without a name */
        {HEAD "00", CRDT_ECORRUPT, BODY_AT + 1},          /* no end */
        {HEAD "00 00 00", CRDT_ECORRUPT, BODY_AT + 2},    /* more behind it */
        {HEAD "00 02 a1 6f", CRDT_ECORRUPT, BODY_AT + 2}, /* shape 1 of none */
        /* entries */
        {OBJECT "01 00 14", CRDT_ECORRUPT, BODY_AT + 6},          /* no writer */
        {OBJECT "01 00 15 01", CRDT_ECORRUPT, BODY_AT + 7},       /* writer 1 first */
        {OBJECT "01 00 15 00 01 a0", CRDT_ECORRUPT, BODY_AT + 8}, /* actor 1 */
        {OBJECT "01 00 29 00 00 a0", CRDT_ECORRUPT, BODY_AT + 6}, /* above 9 */
        {OBJECT "01 00 01 00 00 a0", CRDT_ECORRUPT, BODY_AT + 6}, /* time 0 */
        {OBJECT "01 00 03 00 00 a0", CRDT_ECORRUPT, BODY_AT + 6}, /* below 0 */
        {OBJECT "01 00 15 00 00 a1 ff", CRDT_ECORRUPT, BODY_AT + 10},    /* UTF-8 */
        {OBJECT "02 00 15 00 00 a0 00 00", CRDT_ECORRUPT, BODY_AT + 10}, /* not lower */
        {OBJECT "02 00 15 00 00 a0 03 00", CRDT_ECORRUPT,
         BODY_AT + 11},                                       /* the writer before */
        {OBJECT "cd 0100 00 15", CRDT_ECORRUPT, BODY_AT + 8}, /* 256 in one byte */
        {OBJECT "ce 40000000 00", CRDT_ELIMIT, BODY_AT + 4},
        {OBJECT "00 01 a1 70 06 a1 66 00 15 00 00 a0 c1", CRDT_ECORRUPT,
         BODY_AT + 16}, /* no value */
        {OBJECT "00 01 a1 70 06 a1 66 00 15 00 00 a0 93 01 02 ca 3f000000",
         CRDT_ECORRUPT, BODY_AT + 16}, /* a vector that is not packed */
        /* shapes */
        {OBJECT "00 00", CRDT_ECORRUPT, BODY_AT + 5},          /* nothing in it */
        {OBJECT "00 01 a1 70 00", CRDT_ECORRUPT, BODY_AT + 8}, /* nothing below */
        {OBJECT "01 06 a1 66 00", CRDT_ECORRUPT, BODY_AT + 5}, /* field of an object */
        {OBJECT "01 04 a1 66 00", CRDT_ECORRUPT, BODY_AT + 5}, /* object of an object */
        {OBJECT "01 07 a1 66 00", CRDT_ECORRUPT, BODY_AT + 5},
        {OBJECT "01 05 05", CRDT_ECORRUPT, BODY_AT + 6}, /* name 5 of none */
        {OBJECT "00 01 a1 70 02 a1 66", CRDT_ECORRUPT,
         BODY_AT + 8}, /* a field without entries */
        {OBJECT "01 05 a1 70 06 a1 67 06 a1 66 00", CRDT_ECORRUPT,
         BODY_AT + 11},                                              /* f after g */
        {OBJECT "01 05 a1 70 05 00 00", CRDT_ECORRUPT, BODY_AT + 8}, /* p after p */
        {OBJECT "01 00 15 00 00 a0 01 a1 6e", CRDT_ECORRUPT, BODY_AT + 11}, /* n, o */
        /* the log */
        {HEAD "08", CRDT_ELIMIT, BODY_AT},
        {HEAD "04", CRDT_ECORRUPT, BODY_AT + 1},
        {HEAD "05 00 0a 00", CRDT_ECORRUPT, BODY_AT + 1}, /* same as nothing */
        {HEAD "01 01 0a a1 6f", CRDT_ECORRUPT, BODY_AT + 1},
        {HEAD "01 00 06 a1 6f", CRDT_ECORRUPT, BODY_AT + 2},          /* covered */
        {HEAD "01 00 0a a1 6f 05 00 00", CRDT_ECORRUPT, BODY_AT + 7}, /* twice */
        {HEAD "01 00 0a a1 6f 01 00 02 a1 6f", CRDT_ECORRUPT,
         BODY_AT + 8}, /* named again */
        /* the head */
        {"02 c2 c4 20 00000000000000000000000000000000 "
         "00000000000000000000000000000000",
         CRDT_ECORRUPT, 36},
        {"02 c2 c4 20 00000000000000000000000000000000 "
         "01000000000000000000000000000000 00 01 00 01 00 02 00 00",
         CRDT_ECORRUPT, 36}, /* a run cut in two */
        {"02 c2 " ACTOR "09 00 02 00 00", CRDT_ECORRUPT, 22},
        {"02 c2 " ACTOR "09 00 00 00 00", CRDT_ECORRUPT, 22},
        {"02 c3 " ACTOR "09 03 0a 00 00", CRDT_ECORRUPT,
         23}, /* floor above the version */
        {"02 c2 " ACTOR "cf 0001 0000 0000 0000 03 00", CRDT_ELIMIT, 20}, /* 2^48 */
        {"02 c2 " ACTOR "09 03 01 00 00 a0 00 01 00", CRDT_ECORRUPT, 24},
        {"02 c2 " ACTOR "09 03 01 00 0a a0 00 01 00", CRDT_ELIMIT, 24},
        {"02 c2 " ACTOR "09 03 01 01 05 a0 00 01 00", CRDT_ECORRUPT, 23},
        {"02 c2 " ACTOR "09 03 01 00 05 a0 00 0a 00", CRDT_ELIMIT, 27},
        {"02 c2 " ACTOR "09 03 ce 7f ff ff ff 00 00", CRDT_ECORRUPT, 22},
        {"02 c2 " ACTOR "09 03 00 02", CRDT_ELIMIT, 23},
        {"02 c2 " ACTOR "09 03 00 01 05 c4 01 00", CRDT_ECORRUPT, 24}, /* no frame */
        {"02 c2 " ACTOR "09 03 00 01 ce 40000001 c4 01 00", CRDT_ELIMIT, 24},
    };
    answer kept;
    decoder d = open_decoder(&kept);
    cr_assert(decoder_refuses(&d, rows, sizeof rows / sizeof *rows));
    answer_deinit(&kept);
}

/* A large answer travels as a frame, which is bounded and damaged like all else. */
Test(answer, packed_stands_all_damage)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(gen_seed(24), &arena);
    answer kept;
    decoder d = open_decoder(&kept);
    d.memory_factor = 32 * 64; /* what it unpacks to, and its tables */
    d.memory_fixed = 262144;   /* libzstd's */
    answer made;
    answer_init(&made);
    crdt_stamp top = {.time = 300, .actor = gen_actor(0)};
    cr_assert_eq(crdt_version_raise(&made.version, &top), CRDT_OK);
    static char names[100][8];
    for (size_t i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "e%06zu", i);
        crdt_key key = crdt_key_object(crdt_span_of(names[i]));
        push(&made, (item){.type = CRDT_ANSWER_KEY, .key = key, .entry_count = 1});
        push(&made,
             (item){.type = CRDT_ANSWER_ENTRY,
                    .key = key,
                    .stamp = {.time = 1 + gen_below(&g, 300), .actor = gen_actor(0)},
                    .fresh = true});
    }
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(write_answer(&made, &out), CRDT_OK);
    cr_assert_lt(out.size, 800);
    crdt_span bytes = crdt_buf_span(&out);
    cr_assert(decoder_accepts(&d, bytes));
    cr_assert(decoder_refuses_truncated(&d, bytes));
    cr_assert(decoder_stands_flips(&d, bytes));
    cr_assert(decoder_stands_noise(&d, bytes, gen_next(&g), 300));
    cr_assert(decoder_stands_no_memory(&d, bytes));
    crdt_arena back;
    crdt_arena_init(&back, crdt_alloc_default());
    cr_assert_eq(decode(&kept, bytes, &back, NULL), CRDT_OK);
    cr_assert(answers_equal(&made, &kept));
    crdt_arena_deinit(&back);
    crdt_buf_deinit(&out);
    answer_deinit(&made);
    answer_deinit(&kept);
    crdt_arena_deinit(&arena);
}

Test(answer, peek_tells_what_it_is_for)
{
    answer made;
    answer_init(&made);
    crdt_stamp top = {.time = 9, .actor = gen_actor(0)};
    crdt_stamp since = {.time = 3, .actor = gen_actor(1)};
    cr_assert_eq(crdt_version_raise(&made.version, &top), CRDT_OK);
    cr_assert_eq(crdt_version_raise(&made.since, &since), CRDT_OK);
    made.full = true;
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(write_answer(&made, &out), CRDT_OK);
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    crdt_version got_since;
    crdt_version got_version;
    crdt_version_init(&got_since, alloc);
    crdt_version_init(&got_version, alloc);
    bool full = false;
    cr_assert_eq(
        crdt_answer_peek(crdt_buf_span(&out), &got_since, &got_version, &full, NULL),
        CRDT_OK);
    cr_assert(full);
    cr_assert_eq(crdt_version_compare(&got_since, &made.since), CRDT_EQUAL);
    cr_assert_eq(crdt_version_compare(&got_version, &made.version), CRDT_EQUAL);
    crdt_version_deinit(&got_since);
    crdt_version_deinit(&got_version);
    cr_assert(fault_alloc_balanced(&fault));
    crdt_buf_deinit(&out);
    answer_deinit(&made);
}

/* Rows of deps that the version does not cover would let a receiver apply a batch whose
 * dependencies it lacks: they do not travel. */
Test(answer, uncovered_deps_stay_at_home)
{
    answer made;
    answer_init(&made);
    crdt_stamp low = {.time = 5, .actor = gen_actor(0)};
    crdt_stamp high = {.time = 6, .actor = gen_actor(0)};
    cr_assert_eq(crdt_version_raise(&made.version, &low), CRDT_OK);
    crdt_version above;
    crdt_version_init(&above, crdt_alloc_default());
    cr_assert_eq(crdt_version_raise(&above, &high), CRDT_OK);
    const crdt_deps_row row = {.actor = high.actor, .last_time = 6, .after = &above};
    cr_assert_eq(crdt_deps_put(made.deps, &row), CRDT_OK);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(write_answer(&made, &out), CRDT_OK);
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_answer_reader r;
    cr_assert_eq(crdt_answer_read_open(&r, crdt_buf_span(&out), &arena, NULL), CRDT_OK);
    cr_assert_eq(r.deps_count, 0);
    crdt_arena_deinit(&arena);
    crdt_buf_deinit(&out);
    crdt_version_deinit(&above);
    answer_deinit(&made);
}

/* Who has applied an author's last batch has noted it: its row need not travel, and would be
 * most of a small answer where many write. */
Test(answer, deps_that_the_receiver_has_stay_at_home)
{
    for (unsigned full = 0; full < 2; full++) {
        answer made;
        answer_init(&made);
        made.full = full == 1;
        for (unsigned i = 0; i < 2; i++) {
            const crdt_stamp stamp = {.time = 5, .actor = gen_actor(i)};
            cr_assert_eq(crdt_version_raise(&made.version, &stamp), CRDT_OK);
            const crdt_stamp seen = {.time = 4 + i, .actor = gen_actor(i)};
            cr_assert_eq(crdt_version_raise(&made.since, &seen), CRDT_OK);
            const crdt_deps_row row = {
                .actor = stamp.actor, .last_time = 5, .after = &made.version};
            cr_assert_eq(crdt_deps_put(made.deps, &row), CRDT_OK);
        }
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        cr_assert_eq(write_answer(&made, &out), CRDT_OK);
        crdt_arena arena;
        crdt_arena_init(&arena, crdt_alloc_default());
        crdt_answer_reader r;
        cr_assert_eq(crdt_answer_read_open(&r, crdt_buf_span(&out), &arena, NULL),
                     CRDT_OK);
        cr_assert_eq(r.deps_count, full == 1 ? 2 : 1);
        crdt_arena_deinit(&arena);
        crdt_buf_deinit(&out);
        answer_deinit(&made);
    }
}

/* 10,000 entries cost no more allocations than the buffer's and the tables' growth. */
Test(answer, no_allocation_per_entry)
{
    fault_alloc fault;
    crdt_buf out;
    crdt_buf_init(&out, fault_alloc_init(&fault));
    answer made;
    answer_init(&made);
    crdt_stamp top = {.time = 100000, .actor = gen_actor(0)};
    cr_assert_eq(crdt_version_raise(&made.version, &top), CRDT_OK);
    static char names[10000][8];
    crdt_span none = {0};
    for (size_t i = 0; i < 10000; i++) {
        snprintf(names[i], sizeof names[i], "e%06zu", i);
        crdt_key key = crdt_key_object(crdt_span_of(names[i]));
        crdt_stamp stamp = {.time = 1 + i, .actor = gen_actor(0)};
        push(&made, (item){.type = CRDT_ANSWER_KEY, .key = key, .entry_count = 1});
        push(&made, (item){.type = CRDT_ANSWER_ENTRY,
                           .key = key,
                           .stamp = stamp,
                           .who = none,
                           .fresh = true});
    }
    cr_assert_eq(write_answer(&made, &out), CRDT_OK);
    cr_assert_lt(fault.call_count, 40);
    fault_alloc reading;
    crdt_arena arena;
    crdt_arena_init(&arena, fault_alloc_init(&reading));
    answer back;
    answer_init(&back);
    cr_assert_eq(read_answer(crdt_buf_span(&out), &arena, &back, NULL), CRDT_OK);
    cr_assert_lt(reading.call_count, 10);
    cr_assert(answers_equal(&made, &back));
    crdt_arena_deinit(&arena);
    answer_deinit(&back);
    answer_deinit(&made);
    crdt_buf_deinit(&out);
}
