#include "scene/descent.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "scene/difference.h"
#include "scene/format.h"
#include "tests/scene/scene_files.h"

#define L1 "11111111111111111111111111111111"
#define L2 "22222222222222222222222222222222"
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ROWS                                                                           \
    "\"ancestors\":[{\"lineage\":\"" L2 "\",\"version\":{\"" A "\":3}}],"              \
    "\"lineage\":\"" L1 "\",\"version\":{\"" A "\":12,\"" B "\":7}"

static crdt_document *load(const char *text)
{
    return files_load(crdt_span_of(text), "x", SCENE_FORMAT_NONE);
}

static crdt_actor actor(const char *text)
{
    crdt_actor result;
    cr_assert(crdt_actor_parse(text, &result));
    return result;
}

static scene_descent read_descent(const crdt_document *doc)
{
    scene_descent descent;
    scene_descent_init(&descent, crdt_alloc_default());
    cr_assert_eq(scene_descent_read(&descent, doc), CRDT_OK);
    return descent;
}

static uint64_t time_of(const scene_descent *descent, const char *lineage,
                        const char *by)
{
    crdt_actor wanted = actor(lineage);
    crdt_actor writer = actor(by);
    const crdt_version *version = scene_descent_find(descent, &wanted);
    return version == NULL ? 0 : crdt_version_get(version, &writer);
}

static const char STATE_FILE[] = "{\"entities\":[],\"scenesync\":{" ROWS "},"
                                 "\"schemaVersion\":1}";

/* In each format: read, kept as data, written as it was. */
Test(descent, survives_every_format)
{
    static const scene_format FORMATS[] = {SCENE_FORMAT_STATE, SCENE_FORMAT_BUILDER,
                                           SCENE_FORMAT_COMPOSITE};
    crdt_document *first = load(STATE_FILE);
    crdt_buf again = files_write(first, SCENE_FORMAT_STATE);
    files_same(crdt_buf_span(&again), crdt_span_of(STATE_FILE), "state");
    crdt_buf_deinit(&again);
    for (size_t i = 0; i < 3; i++) {
        crdt_buf text = files_write(first, FORMATS[i]);
        crdt_document *doc = files_load(crdt_buf_span(&text), "x", FORMATS[i]);
        scene_descent descent = read_descent(doc);
        cr_expect_eq(descent.row_count, 2);
        cr_expect_eq(time_of(&descent, L1, A), 12);
        cr_expect_eq(time_of(&descent, L1, B), 7);
        cr_expect_eq(time_of(&descent, L2, A), 3);
        scene_descent_deinit(&descent);
        crdt_buf back = files_write(doc, SCENE_FORMAT_STATE);
        files_same(crdt_buf_span(&back), crdt_span_of(STATE_FILE), "back");
        crdt_buf_deinit(&back);
        crdt_buf_deinit(&text);
        crdt_document_close(doc);
    }
    crdt_document_close(first);
}

/* What is saved names the document's own lineage first, then what it came from. */
Test(descent, a_save_puts_its_own_in_front)
{
    crdt_document *doc = load(STATE_FILE);
    scene_descent descent = read_descent(doc);
    crdt_actor own = actor("cccccccccccccccccccccccccccccccc");
    cr_assert_eq(scene_descent_push(&descent, &own, crdt_document_version(doc)),
                 CRDT_OK);
    static const scene_format FORMATS[] = {SCENE_FORMAT_STATE, SCENE_FORMAT_BUILDER,
                                           SCENE_FORMAT_COMPOSITE};
    for (size_t i = 0; i < 3; i++) {
        crdt_buf text;
        crdt_buf_init(&text, crdt_alloc_default());
        cr_assert_eq(scene_format_write_saved(doc, FORMATS[i], NULL, &descent,
                                              crdt_alloc_default(), &text),
                     CRDT_OK);
        crdt_document *loaded = files_load(crdt_buf_span(&text), "x", FORMATS[i]);
        scene_descent found = read_descent(loaded);
        cr_expect_eq(found.row_count, 3);
        cr_expect(crdt_actor_equal(&found.rows[0].lineage, &own));
        cr_expect_eq(
            crdt_version_compare(&found.rows[0].version, crdt_document_version(doc)),
            CRDT_EQUAL);
        cr_expect_eq(time_of(&found, L1, A), 12);
        scene_descent_deinit(&found);
        crdt_document_close(loaded);
        crdt_buf_deinit(&text);
    }
    scene_descent_deinit(&descent);
    crdt_document_close(doc);
}

/* Rows that are none say nothing; they are no reason to refuse a file. */
Test(descent, foreign_rows_are_passed_over)
{
    static const char *const ROWS_OF[] = {
        "\"lineage\":5,\"version\":{\"" A "\":1}",
        "\"lineage\":\"x\",\"version\":{\"" A "\":1}",
        "\"lineage\":\"" L1 "\",\"version\":[1]",
        "\"lineage\":\"" L1 "\",\"version\":{\"" A "\":0}",
        "\"lineage\":\"" L1 "\",\"version\":{\"" A "\":1.5}",
        "\"lineage\":\"" L1 "\",\"version\":{\"" A "\":281474976710656}",
        "\"lineage\":\"" L1 "\",\"version\":{\"A\":1}",
        "\"ancestors\":{}",
        "\"ancestors\":[null,7,{}]",
    };
    for (size_t i = 0; i < sizeof ROWS_OF / sizeof ROWS_OF[0]; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "{\"schemaVersion\":1,\"entities\":[],\"scenesync\":{%s}}",
                 ROWS_OF[i]);
        crdt_document *doc = load(text);
        scene_descent descent = read_descent(doc);
        cr_expect_eq(descent.row_count, 0, "%s", ROWS_OF[i]);
        scene_descent_deinit(&descent);
        crdt_document_close(doc);
    }
}

/* A rebase adds a field of its own; fields of one lineage, and concurrent values, count
 * together. */
Test(descent, notes_of_rebases_join)
{
    crdt_document *doc = load(STATE_FILE);
    crdt_version more;
    crdt_version_init(&more, crdt_alloc_default());
    crdt_actor lineage = actor(L1);
    crdt_actor by = actor(B);
    cr_assert_eq(crdt_version_raise(&more, &(crdt_stamp){20, actor(A)}), CRDT_OK);
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    cr_assert_eq(scene_descent_note(&lineage, &more, &by, &ops), CRDT_OK);
    cr_assert(files_commit_onto(doc, ops.ops, ops.op_count));
    scene_descent descent = read_descent(doc);
    cr_expect_eq(descent.row_count, 2);
    cr_expect_eq(time_of(&descent, L1, A), 20);
    cr_expect_eq(time_of(&descent, L1, B), 7);
    scene_descent_deinit(&descent);
    crdt_op_list_deinit(&ops);
    crdt_version_deinit(&more);
    crdt_document_close(doc);
}

/* Where two scenes come from is no difference between them. */
Test(descent, is_no_difference)
{
    crdt_document *plain = load("{\"schemaVersion\":1,\"entities\":[]}");
    crdt_document *saved = load(STATE_FILE);
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    cr_expect_eq(scene_difference_of(plain, saved, crdt_alloc_default(), &ops),
                 CRDT_OK);
    cr_expect_eq(scene_difference_of(saved, plain, crdt_alloc_default(), &ops),
                 CRDT_OK);
    cr_expect_eq(ops.op_count, 0);
    crdt_op_list_deinit(&ops);
    crdt_document_close(plain);
    crdt_document_close(saved);
}

/* No more rows than are allowed, the youngest stay, a lineage stands once. */
Test(descent, is_bounded)
{
    scene_descent descent;
    scene_descent_init(&descent, crdt_alloc_default());
    crdt_version version;
    crdt_version_init(&version, crdt_alloc_default());
    cr_assert_eq(crdt_version_raise(&version, &(crdt_stamp){5, actor(A)}), CRDT_OK);
    for (uint8_t i = 0; i < 40; i++) {
        crdt_actor lineage = {{(uint8_t)(i / 2), 1}};
        cr_assert_eq(scene_descent_push(&descent, &lineage, &version), CRDT_OK);
    }
    cr_expect_eq(descent.row_count, SCENE_DESCENT_MAX);
    cr_expect_eq(descent.rows[0].lineage.bytes[0], 19);
    cr_expect_eq(descent.rows[16].lineage.bytes[0], 3);
    for (uint32_t i = 0; i < 2000; i++) {
        crdt_stamp stamp = {1, {{(uint8_t)i, (uint8_t)(i >> 8)}}};
        cr_assert_eq(crdt_version_raise(&version, &stamp), CRDT_OK);
    }
    for (uint8_t i = 0; i < 3; i++) {
        crdt_actor lineage = {{(uint8_t)(i + 100), 1}};
        cr_assert_eq(scene_descent_push(&descent, &lineage, &version), CRDT_OK);
    }
    cr_expect_eq(descent.rows[0].lineage.bytes[0], 102);
    size_t size = 0;
    for (size_t i = 1; i < descent.row_count; i++) {
        size += descent.rows[i].version.stamp_count * sizeof(crdt_stamp);
    }
    cr_expect_leq(size, SCENE_DESCENT_SIZE_MAX);
    crdt_version_deinit(&version);
    scene_descent_deinit(&descent);
}
