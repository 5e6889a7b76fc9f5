/* The bytes of every format version, as files: tests/golden. Files are added, never
 * edited: what was once written to a disk or a network must stay readable.
 *
 * With SCENESYNC_GOLDEN_WRITE=1 in the environment a missing file is written. */

#include "crdt/answer.h"
#include "crdt/batch.h"
#include "crdt/digest.h"
#include "crdt/history.h"
#include "crdt/template.h"
#include "crdt/value.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "tests/golden/"

static crdt_span span_of(const void *bytes, size_t size)
{
    return (crdt_span){.data = bytes, .size = size};
}

static bool read_file(const char *path, crdt_buf *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    uint8_t chunk[4096];
    size_t size;
    while ((size = fread(chunk, 1, sizeof chunk, file)) > 0) {
        cr_assert_eq(crdt_buf_append(out, chunk, size), CRDT_OK);
    }
    fclose(file);
    return true;
}

/* Are these the bytes of the golden file `name`? */
static void expect_file(const char *name, crdt_span bytes)
{
    char path[256];
    snprintf(path, sizeof path, FOLDER "%s", name);
    crdt_buf golden;
    crdt_buf_init(&golden, crdt_alloc_default());
    if (!read_file(path, &golden) && getenv("SCENESYNC_GOLDEN_WRITE") != NULL) {
        FILE *file = fopen(path, "wb");
        cr_assert_neq(file, NULL);
        cr_assert_eq(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
        cr_assert_eq(fclose(file), 0);
        cr_assert(read_file(path, &golden));
    }
    cr_assert(golden.size > 0, "%s is missing", path);
    cr_assert(crdt_span_equal(crdt_buf_span(&golden), bytes), "%s differs", path);
    crdt_buf_deinit(&golden);
}

/* Actor n: 16 bytes that count up from 16 n. */
static crdt_actor actor(unsigned n)
{
    crdt_actor a;
    for (unsigned i = 0; i < 16; i++) {
        a.bytes[i] = (uint8_t)(16 * n + i);
    }
    return a;
}

static crdt_stamp stamp(uint64_t time, unsigned n)
{
    return (crdt_stamp){.time = time, .actor = actor(n)};
}

/* [1, 0.5, -2] and 2 */
static const uint8_t position_bytes[] = {0x93, 0x01, 0xca, 0x3f,
                                         0x00, 0x00, 0x00, 0xfe};
static const uint8_t two_bytes[] = {0x02};
#define POSITION span_of(position_bytes, sizeof position_bytes)
#define TWO span_of(two_bytes, sizeof two_bytes)
#define WALL_MS UINT64_C(1700000000000)

static crdt_key object_key(const char *object)
{
    return crdt_key_object(crdt_span_of(object));
}

static crdt_key part_key(const char *object, const char *part)
{
    return crdt_key_part(crdt_span_of(object), crdt_span_of(part));
}

static crdt_key field_key(const char *object, const char *part, const char *field)
{
    return crdt_key_field(crdt_span_of(object), crdt_span_of(part),
                          crdt_span_of(field));
}

#define OP_COUNT 7
static void make_ops(crdt_op ops[OP_COUNT])
{
    ops[0] = (crdt_op){.kind = CRDT_OP_ADD, .key = object_key("lamp")};
    ops[1] = (crdt_op){.kind = CRDT_OP_ADD, .key = part_key("lamp", "Transform")};
    ops[2] = (crdt_op){.kind = CRDT_OP_SET,
                       .key = field_key("lamp", "Transform", "position"),
                       .value = POSITION};
    ops[3] = (crdt_op){.kind = CRDT_OP_SET,
                       .key = field_key("lamp", "Transform", "scale"),
                       .value = TWO};
    ops[4] = (crdt_op){.kind = CRDT_OP_UNSET,
                       .key = field_key("lamp", "Transform", "rotation")};
    ops[5] = (crdt_op){.kind = CRDT_OP_REMOVE, .key = part_key("lamp", "Name")};
    ops[6] = (crdt_op){.kind = CRDT_OP_REMOVE,
                       .key = object_key("\xff"
                                         "scene")};
}

static crdt_batch first_batch(crdt_op ops[OP_COUNT], crdt_stamp deps[2])
{
    make_ops(ops);
    deps[0] = stamp(7, 0);
    deps[1] = stamp(300, 1);
    return (crdt_batch){.actor = actor(0),
                        .deps = deps,
                        .dep_count = 2,
                        .ops = ops,
                        .op_count = OP_COUNT,
                        .who = crdt_span_of("ann"),
                        .wall_ms = WALL_MS};
}

static void check_decodes(crdt_span bytes, const crdt_deps *base,
                          const crdt_batch *batch)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch decoded;
    cr_assert_eq(crdt_batch_decode(bytes, base, &arena, &decoded, NULL), CRDT_OK);
    cr_assert(gen_batch_equal(batch, &decoded));
    crdt_arena_deinit(&arena);
}

Test(golden, batches)
{
    crdt_op ops[OP_COUNT];
    crdt_stamp deps[2];
    crdt_batch first = first_batch(ops, deps);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(crdt_batch_encode(&first, NULL, &out), CRDT_OK);
    expect_file("batch_absolute.v2.bin", crdt_buf_span(&out));
    check_decodes(crdt_buf_span(&out), NULL, &first);

    crdt_deps *table = NULL;
    cr_assert_eq(crdt_deps_open(&table, crdt_alloc_default(), 8), CRDT_OK);
    cr_assert_eq(crdt_deps_note(table, &first), CRDT_OK);
    crdt_stamp later[] = {stamp(307, 0), stamp(302, 1), stamp(5, 2)};
    crdt_batch second = {.actor = actor(0),
                         .deps = later,
                         .dep_count = 3,
                         .ops = ops + 2,
                         .op_count = 2,
                         .who = crdt_span_of("ann"),
                         .wall_ms = WALL_MS + 40};
    crdt_buf_clear(&out);
    cr_assert_eq(crdt_batch_encode(&second, table, &out), CRDT_OK);
    expect_file("batch_relative.v2.bin", crdt_buf_span(&out));
    check_decodes(crdt_buf_span(&out), table, &second);
    crdt_deps_close(table);
    crdt_buf_deinit(&out);
}

static crdt_version version_of(const crdt_stamp *stamps, size_t count)
{
    crdt_version version;
    crdt_version_init(&version, crdt_alloc_default());
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(crdt_version_raise(&version, &stamps[i]), CRDT_OK);
    }
    return version;
}

static void make_answer(bool full, const crdt_deps *deps, crdt_buf *out)
{
    crdt_version version = version_of((crdt_stamp[]){stamp(310, 0), stamp(302, 1)}, 2);
    crdt_version since = version_of((crdt_stamp[]){stamp(290, 1), stamp(4, 3)}, 2);
    crdt_version floor = version_of((crdt_stamp[]){stamp(100, 1)}, 1);
    crdt_answer_head head = {.full = full,
                             .since = &since,
                             .version = &version,
                             .floor = &floor,
                             .deps = deps};
    crdt_span ann = crdt_span_of("ann");
    crdt_span bob = crdt_span_of("bob");
    crdt_span none = {0};
    crdt_stamp s301 = stamp(301, 0);
    crdt_stamp s302a = stamp(302, 0);
    crdt_stamp s302b = stamp(302, 1);
    crdt_stamp s303 = stamp(303, 0);
    crdt_stamp s305 = stamp(305, 0);
    crdt_stamp s306 = stamp(306, 0);
    crdt_key removed = part_key("lamp", "Name");
    crdt_key unset = field_key("lamp", "Transform", "rotation");
    crdt_answer_writer w;
    crdt_answer_write_open(&w, out, &head);
    crdt_answer_write_log(&w, &s305, &unset);
    crdt_answer_write_log(&w, &s306, &removed);
    crdt_answer_write_key(&w, CRDT_OBJECT, crdt_span_of("lamp"), 1);
    crdt_answer_write_entry(&w, CRDT_OBJECT, &s301, ann, none);
    crdt_answer_write_key(&w, CRDT_PART, crdt_span_of("Transform"), 1);
    crdt_answer_write_entry(&w, CRDT_PART, &s302a, ann, none);
    crdt_answer_write_key(&w, CRDT_FIELD, crdt_span_of("position"), 2);
    crdt_answer_write_entry(&w, CRDT_FIELD, &s303, ann, POSITION);
    crdt_answer_write_entry(&w, CRDT_FIELD, &s302b, bob, TWO);
    cr_assert_eq(crdt_answer_write_finish(&w), CRDT_OK);
    crdt_version_deinit(&version);
    crdt_version_deinit(&since);
    crdt_version_deinit(&floor);
}

Test(golden, answers)
{
    crdt_op ops[OP_COUNT];
    crdt_stamp deps[2];
    crdt_batch first = first_batch(ops, deps);
    crdt_deps *table = NULL;
    cr_assert_eq(crdt_deps_open(&table, crdt_alloc_default(), 8), CRDT_OK);
    cr_assert_eq(crdt_deps_note(table, &first), CRDT_OK);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    make_answer(false, table, &out);
    expect_file("answer.v2.bin", crdt_buf_span(&out));
    crdt_buf_clear(&out);
    make_answer(true, NULL, &out);
    expect_file("answer_full.v2.bin", crdt_buf_span(&out));
    crdt_buf_deinit(&out);
    crdt_deps_close(table);
}

Test(golden, template_and_history)
{
    crdt_op ops[OP_COUNT];
    make_ops(ops);
    crdt_op shuffled[] = {ops[3], ops[1], ops[2], ops[0]};
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    cr_assert_eq(crdt_template_make(shuffled, 4, &arena, &batch, NULL), CRDT_OK);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(crdt_batch_encode(&batch, NULL, &out), CRDT_OK);
    expect_file("template.v2.bin", crdt_buf_span(&out));
    char text[CRDT_ACTOR_TEXT_SIZE];
    crdt_actor empty = crdt_template_actor_empty();
    crdt_actor_format(&empty, text);
    cr_assert_str_eq(text, "a6cd5e9392000f6ac44bdff4074eecdb");

    crdt_stamp deps[2];
    crdt_batch first = first_batch(ops, deps);
    crdt_history_drop drops[] = {
        {.op_index = 2,
         .key = ops[2].key,
         .entry = {.stamp = stamp(6, 0), .who = crdt_span_of("bob"), .value = TWO},
         .was_live = true},
        {.op_index = 5,
         .key = ops[5].key,
         .entry = {.stamp = stamp(3, 1), .who = crdt_span_of("bob")}}};
    crdt_history_record record = {.origin = CRDT_ORIGIN_UNDO,
                                  .author = first.actor,
                                  .first_time = 301,
                                  .last_time = 307,
                                  .who = first.who,
                                  .step = crdt_span_of("drag 7"),
                                  .wall_ms = first.wall_ms,
                                  .target = stamp(5, 0),
                                  .ops = ops,
                                  .op_count = OP_COUNT,
                                  .drops = drops,
                                  .drop_count = 2};
    crdt_buf_clear(&out);
    cr_assert_eq(crdt_history_encode(&record, &out), CRDT_OK);
    expect_file("history.v4.bin", crdt_buf_span(&out));

    crdt_buf old;
    crdt_history_record back;
    crdt_buf_init(&old, crdt_alloc_default());
    cr_assert(read_file(FOLDER "history.v3.bin", &old));
    cr_assert_eq(crdt_history_decode(crdt_buf_span(&old), &arena, &back, NULL),
                 CRDT_OK);
    cr_assert_eq(back.step.size, 0, "format 3 knows no steps");
    back.step = record.step;
    crdt_buf anew;
    crdt_buf_init(&anew, crdt_alloc_default());
    cr_assert_eq(crdt_history_encode(&back, &anew), CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&anew), crdt_buf_span(&out)));
    crdt_buf_deinit(&anew);
    crdt_buf_deinit(&old);
    crdt_buf_deinit(&out);
    crdt_arena_deinit(&arena);
}

/* What an earlier format wrote is refused for what it is. */
Test(golden, earlier_formats)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    crdt_answer_reader reader;
    crdt_history_record record;
    cr_assert(read_file(FOLDER "batch_absolute.v1.bin", &bytes));
    cr_assert_eq(crdt_batch_decode(crdt_buf_span(&bytes), NULL, &arena, &batch, NULL),
                 CRDT_EVERSION);
    crdt_buf_clear(&bytes);
    cr_assert(read_file(FOLDER "answer.v1.bin", &bytes));
    cr_assert_eq(crdt_answer_read_open(&reader, crdt_buf_span(&bytes), &arena, NULL),
                 CRDT_EVERSION);
    static const char *const histories[] = {"history.v1.bin", "history.v2.bin"};
    for (size_t i = 0; i < 2; i++) {
        char path[256];
        snprintf(path, sizeof path, FOLDER "%s", histories[i]);
        crdt_buf_clear(&bytes);
        cr_assert(read_file(path, &bytes));
        cr_assert_eq(crdt_history_decode(crdt_buf_span(&bytes), &arena, &record, NULL),
                     CRDT_EVERSION);
    }
    crdt_arena_deinit(&arena);
    crdt_buf_deinit(&bytes);
}

static void print_digest(crdt_buf *out, const char *what, crdt_digest digest)
{
    char text[CRDT_DIGEST_TEXT_SIZE];
    char line[128];
    crdt_digest_format(digest, text);
    int size = snprintf(line, sizeof line, "%s %s\n", text, what);
    cr_assert_eq(crdt_buf_append(out, line, (size_t)size), CRDT_OK);
}

Test(golden, digests)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    crdt_span none = {0};
    static char large_bytes[3000];
    memset(large_bytes, 'x', sizeof large_bytes);
    crdt_span large = span_of(large_bytes, sizeof large_bytes);
    crdt_stamp s = stamp(301, 0);
    crdt_key key = object_key("lamp");
    crdt_digest sum = crdt_digest_entry(&key, &s, none);
    print_digest(&out, "object lamp, time 301, actor 00..0f", sum);
    key = part_key("lamp", "Transform");
    crdt_digest term = crdt_digest_entry(&key, &s, none);
    print_digest(&out, "part lamp.Transform, same stamp", term);
    crdt_digest_add(&sum, term);
    key = field_key("lamp", "Transform", "position");
    term = crdt_digest_entry(&key, &s, POSITION);
    print_digest(&out, "field position = [1, 0.5, -2], same stamp", term);
    crdt_digest_add(&sum, term);
    print_digest(&out, "sum of the three", sum);
    print_digest(&out, "field position = 3000 times x, same stamp",
                 crdt_digest_entry(&key, &s, large));
    crdt_version version = version_of((crdt_stamp[]){stamp(310, 0), stamp(302, 1)}, 2);
    print_digest(&out, "version 00..0f: 310, 10..1f: 302",
                 crdt_digest_version(&version));
    crdt_version_deinit(&version);
    print_digest(&out, "no bytes at all, and the empty version", crdt_hash128(none));
    expect_file("digests.v1.txt", crdt_buf_span(&out));
    crdt_buf_deinit(&out);
}
