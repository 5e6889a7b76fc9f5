#include "scene/difference.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "scene/format.h"
#include "scene/scene.h"
#include "tests/scene/scene_files.h"
#include "tests/support/gen.h"

static crdt_document *load(const char *text)
{
    return files_load(crdt_span_of(text), "x", SCENE_FORMAT_NONE);
}

static size_t difference(const crdt_document *from, const crdt_document *to,
                         crdt_op_list *ops)
{
    crdt_op_list_init(ops, crdt_alloc_default());
    cr_assert_eq(scene_difference_of(from, to, crdt_alloc_default(), ops), CRDT_OK);
    return ops->op_count;
}

/* Makes one the other, in `wanted` operations that say something. */
static void expect(const char *from, const char *to, size_t wanted)
{
    crdt_document *doc = load(from);
    crdt_document *target = load(to);
    crdt_op_list ops;
    size_t count = difference(doc, target, &ops);
    cr_expect_eq(count, wanted, "%zu operations, not %zu: %s", count, wanted, to);
    files_commit_onto(doc, ops.ops, ops.op_count);
    crdt_op_list_deinit(&ops);
    crdt_buf got = files_write(doc, SCENE_FORMAT_NONE);
    crdt_buf text = files_canonical(crdt_span_of(to));
    files_same(crdt_buf_span(&got), crdt_buf_span(&text), to);
    cr_expect_eq(difference(doc, target, &ops), 0);
    crdt_op_list_deinit(&ops);
    crdt_buf_deinit(&got);
    crdt_buf_deinit(&text);
    crdt_document_close(doc);
    crdt_document_close(target);
}

#define STATE(entities) "{\"schemaVersion\":1,\"entities\":[" entities "]}"
#define E(id, components) "{\"id\":\"" id "\",\"components\":[" components "]}"
#define C(type, value) "{\"type\":\"" type "\",\"value\":" value "}"

Test(difference, says_only_what_differs)
{
    const char *base =
        STATE(E("a", C("A", "{\"x\":1,\"y\":2}")) "," E("b", C("B", "7")));
    expect(base, base, 0);
    expect(base, STATE(E("a", C("A", "{\"x\":1,\"y\":3}")) "," E("b", C("B", "7"))), 1);
    expect(base, STATE(E("a", C("A", "{\"x\":1}")) "," E("b", C("B", "7"))), 1);
    expect(base, STATE(E("a", C("A", "{\"x\":1,\"y\":2}")) "," E("b", C("B", "{}"))),
           1);
    expect(base, STATE(E("a", C("A", "5")) "," E("b", C("B", "7"))), 3);
    expect(base, STATE(E("a", C("A", "{\"x\":1,\"y\":2}"))), 1);
    expect(base,
           STATE(E("a", C("A", "{\"x\":1,\"y\":2}")) "," E("b", C("B", "7")) "," E("c",
                                                                                   "")),
           1);
    expect(base,
           STATE(E("a", C("A", "{\"x\":1,\"y\":2}") "," C("Z", "{}")) "," E(
               "b", C("B", "7"))),
           1);
    expect(base, STATE(E("a", "") "," E("b", C("B", "7"))), 1);
}

Test(difference, places_are_written_only_if_the_order_differs)
{
    const char *ab = STATE(E("a", "") "," E("b", ""));
    const char *ba = STATE(E("b", "") "," E("a", ""));
    expect(ab, ba, 4); /* a part and a place each */
    expect(ba, ab, 2);
    /* One more at the end of a list in an order of its own moves nobody. */
    expect(ba, STATE(E("b", "") "," E("a", "") "," E("c", "")), 1);
    /* One taken out of it neither. */
    expect(STATE(E("c", "") "," E("a", "") "," E("b", "")),
           STATE(E("c", "") "," E("b", "")), 1);
    const char *components = STATE(E("a", C("B", "1") "," C("A", "2")));
    expect(components, STATE(E("a", C("B", "1") "," C("A", "2") "," C("C", "3"))), 2);
    expect(components, STATE(E("a", C("A", "2") "," C("B", "1"))), 2);
}

/* A file of another format that says nothing of ids, names and the rest takes none of
 * them away. */
Test(difference, what_a_file_cannot_say_stays)
{
    crdt_document *doc = load(
        "{\"version\":10,\"project\":{\"id\":\"p\"},\"scene\":{\"entities\":{\"a\":{"
        "\"id\":\"a\",\"components\":[\"s\",\"t\"],\"name\":\"one\"},\"b\":{\"id\":"
        "\"b\","
        "\"components\":[\"s\"],\"name\":\"two\"}},\"components\":{\"s\":{\"id\":\"s\","
        "\"type\":\"GLTFShape\",\"data\":{\"assetId\":\"m\"}},\"t\":{\"id\":\"t\","
        "\"type\":"
        "\"Transform\",\"data\":{\"position\":1}}},\"assets\":{}}}");
    crdt_document *plain = load(STATE(
        E("a", C("GLTFShape", "{\"assetId\":\"m\"}") "," C(
                   "Transform", "{\"position\":2}")) "," E("b",
                                                           C("GLTFShape",
                                                             "{\"assetId\":\"m\"}"))));
    crdt_op_list ops;
    cr_assert_eq(difference(doc, plain, &ops), 1);
    cr_expect_eq(ops.ops[0].kind, CRDT_OP_SET);
    cr_expect(crdt_span_equal(ops.ops[0].key.field, crdt_span_of("position")));
    crdt_op_list_deinit(&ops);
    crdt_document_close(doc);
    crdt_document_close(plain);
}

/* Every scene at hand, on every other of its format: it becomes that one. */
Test(difference, any_scene_becomes_any_other)
{
    static const char *const PATHS[] = {
        "docs/scenes/courtyard.builder.json", "docs/scenes/village.builder.json",
        "docs/scenes/courtyard.composite.json",
        "docs/scenes/courtyard.scene-state-definition.json"};
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            crdt_buf a = files_read(PATHS[i]);
            crdt_buf b = files_read(PATHS[j]);
            crdt_document *from = files_load(crdt_buf_span(&a), "x", SCENE_FORMAT_NONE);
            crdt_document *to = files_load(crdt_buf_span(&b), "x", SCENE_FORMAT_NONE);
            crdt_op_list ops;
            difference(from, to, &ops);
            cr_expect((i == j) == (ops.op_count == 0));
            files_commit_onto(from, ops.ops, ops.op_count);
            crdt_op_list_deinit(&ops);
            difference(from, to, &ops);
            crdt_key none = {.depth = CRDT_OBJECT};
            const crdt_key *key = ops.op_count > 0 ? &ops.ops[0].key : &none;
            cr_expect_eq(ops.op_count, 0, "%s to %s: %.*s %.*s %.*s", PATHS[i],
                         PATHS[j], (int)key->object.size,
                         (const char *)key->object.data, (int)key->part.size,
                         (const char *)key->part.data, (int)key->field.size,
                         (const char *)key->field.data);
            crdt_op_list_deinit(&ops);
            if (scene_format_of(from) == scene_format_of(to)) {
                crdt_buf got = files_write(from, SCENE_FORMAT_NONE);
                crdt_buf wanted = files_canonical(crdt_buf_span(&b));
                files_same(crdt_buf_span(&got), crdt_buf_span(&wanted), PATHS[j]);
                crdt_buf_deinit(&got);
                crdt_buf_deinit(&wanted);
            }
            crdt_document_close(from);
            crdt_document_close(to);
            crdt_buf_deinit(&a);
            crdt_buf_deinit(&b);
        }
    }
}

/* Onto a store without anything, a file is all that it says. */
Test(difference, onto_nothing)
{
    crdt_document *nothing = files_commit(NULL, 0);
    crdt_buf text = files_read("docs/scenes/courtyard.builder.json");
    crdt_op_list file;
    crdt_op_list_init(&file, crdt_alloc_default());
    scene_format_options options = scene_format_options_default();
    cr_assert_eq(scene_format_read(crdt_buf_span(&text), &options, crdt_alloc_default(),
                                   &file, NULL, NULL),
                 CRDT_OK);
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    crdt_diag diag = {0};
    cr_assert_eq(scene_difference_to_ops(nothing, file.ops, file.op_count,
                                         crdt_alloc_default(), &ops, &diag),
                 CRDT_OK);
    files_commit_onto(nothing, ops.ops, ops.op_count);
    crdt_buf got = files_write(nothing, SCENE_FORMAT_NONE);
    crdt_buf wanted = files_canonical(crdt_buf_span(&text));
    files_same(crdt_buf_span(&got), crdt_buf_span(&wanted), "onto nothing");
    crdt_buf_deinit(&got);
    crdt_buf_deinit(&wanted);
    crdt_buf_deinit(&text);
    crdt_op_list_deinit(&ops);
    crdt_op_list_deinit(&file);
    crdt_document_close(nothing);
}
