#include "scene/format_builder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/value.h"
#include "scene/edit.h"
#include "scene/scene.h"
#include "tests/scene/scene_files.h"

#define MANIFEST(entities, components)                                                 \
    "{\"version\":10,\"project\":{\"id\":\"p\"},\"scene\":{\"id\":\"s\",\"entities\":" \
    "{" entities "},\"components\":{" components "},\"assets\":{},\"ground\":null}}"

static void expect_refused(const char *text, const char *reason)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    scene_format_options options = scene_format_options_default();
    crdt_diag diag = {0};
    crdt_err err = scene_format_read(crdt_span_of(text), &options, crdt_alloc_default(),
                                     &ops, NULL, &diag);
    cr_expect_eq(err, CRDT_ECORRUPT, "%s: %s", text, crdt_err_name(err));
    cr_expect_gt(diag.column, 0, "%s", text);
    cr_expect(strstr(diag.text, reason) != NULL, "%s: %s", text, diag.text);
    crdt_op_list_deinit(&ops);
}

static void expect_same(const char *text)
{
    crdt_document *doc = files_load(crdt_span_of(text), "test", SCENE_FORMAT_NONE);
    crdt_buf out = files_write(doc, SCENE_FORMAT_NONE);
    crdt_buf wanted = files_canonical(crdt_span_of(text));
    files_same(crdt_buf_span(&out), crdt_buf_span(&wanted), text);
    crdt_buf_deinit(&out);
    crdt_buf_deinit(&wanted);
    crdt_document_close(doc);
}

Test(format_builder, refuses)
{
    expect_refused("{\"version\":10,\"scene\":7}", "needs a scene");
    expect_refused("{\"version\":10,\"scene\":{}}", "object of entities");
    expect_refused("{\"version\":10,\"scene\":{\"entities\":{}}}",
                   "object of components");
    expect_refused("{\"version\":11,\"scene\":{\"sdk6\":null,\"sdk7\":null}}",
                   "neither");
    expect_refused("{\"version\":11,\"scene\":{\"sdk7\":{}}}", "needs a composite");
    expect_refused(MANIFEST("\"a\":1", ""), "must be an object");
    expect_refused(MANIFEST("\"a\":{}", ""), "an id is missing");
    expect_refused(MANIFEST("\"a\":{\"id\":\"b\",\"components\":[]}", ""),
                   "not the key");
    expect_refused(MANIFEST("\"a\":{\"id\":\"a\"}", ""), "list of components");
    expect_refused(MANIFEST("\"a\":{\"id\":\"a\",\"components\":[1]}", ""),
                   "by its id");
    expect_refused(MANIFEST("", "\"c\":{\"id\":\"c\",\"data\":{}}"), "needs a type");
}

Test(format_builder, odd_but_valid_manifests_survive)
{
    expect_same(MANIFEST("", ""));
    /* Listed twice, of nothing, of nobody, without data, null, of one type twice. */
    expect_same(MANIFEST(
        "\"a\":{\"id\":\"a\",\"components\":[\"none\",\"c\",\"c\",\"none\",\"d\"]},"
        "\"b\":{\"id\":\"b\",\"components\":[\"e\",\"f\"],\"disableGizmos\":false}",
        "\"c\":{\"id\":\"c\",\"type\":\"T\",\"data\":{\"x\":1}},"
        "\"d\":{\"id\":\"d\",\"type\":\"T\"},"
        "\"e\":{\"id\":\"e\",\"type\":\"T\",\"data\":null,\"more\":[1]},"
        "\"f\":{\"id\":\"f\",\"type\":\"T\",\"data\":{}},"
        "\"g\":{\"id\":\"g\",\"type\":\"U\",\"data\":\"of nobody\"}"));
    expect_same("{\"scene\":{\"entities\":{},\"components\":{}}}");
    expect_same("{\"version\":3,\"project\":null,\"more\":1,\"scene\":{\"entities\":{},"
                "\"components\":{},\"assets\":[],\"metrics\":null}}");
    expect_same("{\"version\":11,\"project\":{},\"scene\":{\"sdk7\":null,\"more\":1,"
                "\"sdk6\":{\"id\":\"s\",\"entities\":{},\"components\":{}}}}");
    expect_same(
        "{\"version\":11,\"project\":{\"rows\":1},\"scene\":{\"sdk6\":null,\"sdk7\":{"
        "\"id\":"
        "\"s\",\"mappings\":{\"a.glb\":\"Qm\"},\"composite\":{\"version\":1,"
        "\"components\":["
        "{\"name\":\"core::Transform\",\"data\":{\"512\":{\"json\":{\"parent\":0}}}},"
        "{\"name\":\"core-schema::Name\",\"data\":{}}]}}}}");
}

/* ---- there, edited, and back ---- */

static crdt_document *through_state(const char *path, crdt_buf *manifest)
{
    crdt_buf text = files_read(path);
    *manifest = files_canonical(crdt_buf_span(&text));
    crdt_document *doc = files_load(crdt_buf_span(&text), path, SCENE_FORMAT_NONE);
    crdt_buf state = files_write(doc, SCENE_FORMAT_STATE);
    crdt_document *other = files_load(crdt_buf_span(&state), "x", SCENE_FORMAT_STATE);
    crdt_buf_deinit(&state);
    crdt_buf_deinit(&text);
    crdt_document_close(doc);
    return other;
}

static void edit_field(crdt_document *doc, const char *entity, const char *component,
                       const char *field, const char *json)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    scene_edit edit;
    cr_assert_eq(scene_edit_open(&edit, doc, &ops), CRDT_OK);
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_diag diag = {0};
    cr_assert_eq(
        scene_json_to_value(crdt_span_of(json), crdt_alloc_default(), &value, &diag),
        CRDT_OK);
    cr_assert_eq(scene_edit_set_field(&edit, crdt_span_of(entity),
                                      crdt_span_of(component), crdt_span_of(field),
                                      crdt_buf_span(&value), &diag),
                 CRDT_OK, "%s", diag.text);
    cr_assert(files_commit_onto(doc, ops.ops, ops.op_count));
    scene_edit_close(&edit);
    crdt_op_list_deinit(&ops);
    crdt_buf_deinit(&value);
}

static void unset_field(crdt_document *doc, const char *entity, const char *component,
                        const char *field)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    scene_edit edit;
    crdt_diag diag = {0};
    cr_assert_eq(scene_edit_open(&edit, doc, &ops), CRDT_OK);
    cr_assert_eq(scene_edit_unset_field(&edit, crdt_span_of(entity),
                                        crdt_span_of(component), crdt_span_of(field),
                                        &diag),
                 CRDT_OK, "%s", diag.text);
    cr_assert(files_commit_onto(doc, ops.ops, ops.op_count));
    scene_edit_close(&edit);
    crdt_op_list_deinit(&ops);
}

static void remove_entity(crdt_document *doc, const char *entity)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    crdt_op_list_remove(&ops, crdt_key_object(crdt_span_of(entity)));
    cr_assert(files_commit_onto(doc, ops.ops, ops.op_count));
    crdt_op_list_deinit(&ops);
}

/* Replace the one occurrence of a text. */
static void replace(crdt_buf *buf, const char *old, const char *new)
{
    crdt_buf_append(buf, "", 1);
    char *at = strstr((char *)buf->data, old);
    cr_assert_not_null(at, "%s", old);
    cr_assert_null(strstr(at + 1, old), "%s twice", old);
    size_t before = (size_t)((uint8_t *)at - buf->data);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    crdt_buf_append(&out, buf->data, before);
    crdt_buf_append(&out, new, strlen(new));
    crdt_buf_append(&out, buf->data + before + strlen(old),
                    buf->size - 1 - before - strlen(old));
    crdt_buf_deinit(buf);
    *buf = out;
}

/* A manifest becomes a state, is edited there, and comes back: what was edited is, and
 * all the rest is as it was: ids, names, scripts, sharing, project, assets. */
Test(format_builder, comes_back_from_a_state_that_was_edited)
{
    const char *small = MANIFEST(
        "\"a\":{\"id\":\"a\",\"components\":[\"s\",\"ta\"],\"name\":\"tree\"},"
        "\"b\":{\"id\":\"b\",\"components\":[\"s\",\"tb\"],\"name\":\"tree2\","
        "\"disableGizmos\":true},"
        "\"c\":{\"id\":\"c\",\"components\":[\"k\",\"s\",\"tc\"],\"name\":\"door\"}",
        "\"s\":{\"id\":\"s\",\"type\":\"GLTFShape\",\"data\":{\"assetId\":\"m\"}},"
        "\"k\":{\"id\":\"k\",\"type\":\"Script\",\"data\":{\"values\":{\"on\":"
        "[{\"entityName\":\"tree2\"}]}}},"
        "\"ta\":{\"id\":\"ta\",\"type\":\"Transform\",\"data\":{\"position\":1}},"
        "\"tb\":{\"id\":\"tb\",\"type\":\"Transform\",\"data\":{\"position\":2}},"
        "\"tc\":{\"id\":\"tc\",\"type\":\"Transform\",\"data\":{\"position\":3}}");
    crdt_document *doc = files_load(crdt_span_of(small), "x", SCENE_FORMAT_NONE);
    crdt_buf state = files_write(doc, SCENE_FORMAT_STATE);
    crdt_document *other = files_load(crdt_buf_span(&state), "x", SCENE_FORMAT_STATE);
    edit_field(other, "b", "Transform", "position", "22");
    remove_entity(other, "a");
    crdt_buf back = files_write(other, SCENE_FORMAT_BUILDER);
    crdt_buf wanted = files_canonical(crdt_span_of(small));
    replace(&wanted, "{\"position\":2}", "{\"position\":22}");
    replace(&wanted,
            "\"a\":{\"components\":[\"s\",\"ta\"],\"id\":\"a\",\"name\":\"tree\"},",
            "");
    replace(&wanted,
            "\"ta\":{\"data\":{\"position\":1},\"id\":\"ta\",\"type\":\"Transform\"},",
            "");
    files_same(crdt_buf_span(&back), crdt_buf_span(&wanted), "edited");
    crdt_buf_deinit(&back);
    crdt_buf_deinit(&wanted);
    crdt_buf_deinit(&state);
    crdt_document_close(other);
    crdt_document_close(doc);
}

/* Renaming what people see leaves the name that scripts refer to. */
Test(format_builder, a_rename_leaves_the_name_of_scripts)
{
    crdt_buf manifest;
    crdt_document *doc = through_state("docs/scenes/courtyard.builder.json", &manifest);
    crdt_object object = {0};
    cr_assert(scene_entity_next(doc, &object));
    crdt_span id = crdt_document_object_name(doc, object);
    char *entity = strndup((const char *)id.data, id.size);
    edit_field(doc, entity, "Name", "value", "\"what people see\"");
    crdt_buf back = files_write(doc, SCENE_FORMAT_BUILDER);
    crdt_document *again = files_load(crdt_buf_span(&back), "x", SCENE_FORMAT_BUILDER);
    crdt_span before;
    crdt_span after;
    crdt_key key = crdt_key_field(crdt_span_of(entity), crdt_span_of(SCENE_NAME_ENTITY),
                                  crdt_span_of("name"));
    cr_assert(crdt_document_get(doc, &key, &before));
    cr_assert(crdt_document_get(again, &key, &after));
    cr_expect(crdt_span_equal(before, after));
    crdt_span shown;
    cr_assert(scene_entity_name(again, crdt_span_of(entity), &shown));
    cr_expect(crdt_span_equal(shown, crdt_span_of("what people see")));
    free(entity);
    crdt_buf_deinit(&back);
    crdt_buf_deinit(&manifest);
    crdt_document_close(again);
    crdt_document_close(doc);
}

/* One of many that share a shape gets another: it has a component of its own then, the
 * others share on. */
Test(format_builder, a_shape_is_shared_until_it_is_edited)
{
    const char *text = MANIFEST(
        "\"a\":{\"id\":\"a\",\"components\":[\"s\"],\"name\":\"one\"},"
        "\"b\":{\"id\":\"b\",\"components\":[\"s\"],\"name\":\"two\"},"
        "\"c\":{\"id\":\"c\",\"components\":[\"s\"],\"name\":\"three\"}",
        "\"s\":{\"id\":\"s\",\"type\":\"GLTFShape\",\"data\":{\"assetId\":\"m\"}}");
    crdt_document *doc = files_load(crdt_span_of(text), "x", SCENE_FORMAT_NONE);
    edit_field(doc, "b", "GLTFShape", "assetId", "\"n\"");
    crdt_buf out = files_write(doc, SCENE_FORMAT_BUILDER);
    crdt_buf_append(&out, "", 1);
    const char *manifest = (const char *)out.data;
    cr_expect(strstr(manifest, "\"a\":{\"components\":[\"s\"]") != NULL);
    cr_expect(strstr(manifest, "\"c\":{\"components\":[\"s\"]") != NULL);
    cr_expect(strstr(manifest, "\"b\":{\"components\":[\"s\"]") == NULL);
    cr_expect(strstr(manifest, "\"data\":{\"assetId\":\"m\"},\"id\":\"s\"") != NULL);
    cr_expect(strstr(manifest, "\"data\":{\"assetId\":\"n\"}") != NULL);
    /* And what nobody refers to any more is not written. */
    remove_entity(doc, "a");
    remove_entity(doc, "c");
    crdt_buf less = files_write(doc, SCENE_FORMAT_BUILDER);
    crdt_buf_append(&less, "", 1);
    cr_expect(strstr((const char *)less.data, "\"id\":\"s\",\"type\"") == NULL);
    crdt_buf_deinit(&less);
    crdt_buf_deinit(&out);
    crdt_document_close(doc);
}

/* A manifest of a version that names its entities, with one that has no name: on the way
 * back from another format it was given one. */
Test(format_builder, an_entity_without_a_name_comes_back_without)
{
    const char *text = MANIFEST("\"a\":{\"id\":\"a\",\"components\":[]}", "");
    static const scene_format WAYS[] = {SCENE_FORMAT_STATE, SCENE_FORMAT_COMPOSITE};
    crdt_document *doc = files_load(crdt_span_of(text), "x", SCENE_FORMAT_NONE);
    crdt_buf wanted = files_canonical(crdt_span_of(text));
    for (size_t i = 0; i < sizeof(WAYS) / sizeof(WAYS[0]); i++) {
        crdt_buf there = files_write(doc, WAYS[i]);
        crdt_document *other = files_load(crdt_buf_span(&there), "x", WAYS[i]);
        crdt_buf back = files_write(other, SCENE_FORMAT_BUILDER);
        files_same(crdt_buf_span(&back), crdt_buf_span(&wanted), "nameless");
        crdt_buf_deinit(&back);
        crdt_buf_deinit(&there);
        crdt_document_close(other);
    }
    crdt_buf_deinit(&wanted);
    crdt_document_close(doc);
}

/* An edit of one entity's share takes the unknown members of the record along: they
 * were lost when the entity got a component of its own. */
Test(format_builder, unknown_members_follow_an_edited_share)
{
    const char *text =
        MANIFEST("\"a\":{\"id\":\"a\",\"components\":[\"s\"],\"name\":\"one\"},"
                 "\"b\":{\"id\":\"b\",\"components\":[\"s\"],\"name\":\"two\"},"
                 "\"c\":{\"id\":\"c\",\"components\":[\"s\"],\"name\":\"three\"}",
                 "\"s\":{\"id\":\"s\",\"type\":\"GLTFShape\",\"data\":{\"assetId\":"
                 "\"m\",\"x\":1},"
                 "\"more\":7}");
    crdt_document *doc = files_load(crdt_span_of(text), "x", SCENE_FORMAT_NONE);
    edit_field(doc, "a", "GLTFShape", "assetId", "\"n\"");
    unset_field(doc, "b", "GLTFShape", "x");
    crdt_buf out = files_write(doc, SCENE_FORMAT_BUILDER);
    crdt_buf_append(&out, "", 1);
    size_t count = 0;
    const char *at = strstr((const char *)out.data, "\"more\":7");
    for (; at != NULL; at = strstr(at + 1, "\"more\":7")) {
        count++;
    }
    cr_expect_eq(count, 3, "%zu: %s", count, (const char *)out.data);
    crdt_buf_deinit(&out);
    crdt_document_close(doc);
}

/* A scene that never was a manifest becomes a whole one: unique identifiers as names,
 * limits of its parcels, an asset a model; all the same every time. */
Test(format_builder, scenes_of_other_formats_become_manifests)
{
    crdt_buf text = files_read("docs/scenes/courtyard.composite.json");
    crdt_document *doc = files_load(crdt_buf_span(&text), "x", SCENE_FORMAT_NONE);
    crdt_buf out = files_write(doc, SCENE_FORMAT_BUILDER);
    crdt_buf_append(&out, "", 1);
    const char *manifest = (const char *)out.data;
    static const char *const WANTED[] = {
        "\"version\":10",
        "\"layout\":{\"cols\":1,\"rows\":1}",
        "\"name\":\"ground\"",
        "\"name\":\"cart\"",
        "\"name\":\"cart2\"",
        "\"name\":\"lantern\"",
        "\"model\":\"models/cart.glb\"",
        "\"type\":\"Transform\"",
        "\"type\":\"GLTFShape\"",
        ("\"limits\":{\"bodies\":300,\"entities\":200,\"materials\":20,\"meshes\":200,"
         "\"textures\":10,\"triangles\":10000}"),
        "\"metrics\":{\"bodies\":0,\"entities\":5,",
        "\"ground\":null",
        "\"ethAddress\":null"};
    for (size_t i = 0; i < sizeof(WANTED) / sizeof(WANTED[0]); i++) {
        cr_expect(strstr(manifest, WANTED[i]) != NULL, "%s", WANTED[i]);
    }
    crdt_buf again = files_write(doc, SCENE_FORMAT_BUILDER);
    out.size--;
    files_same(crdt_buf_span(&again), crdt_buf_span(&out), "again");
    crdt_buf_deinit(&again);
    crdt_buf_deinit(&out);
    crdt_buf_deinit(&text);
    crdt_document_close(doc);
}

/* What the builder edited in a manifest that was made up is an edit. */
Test(format_builder, made_up_fields_that_were_edited_are_kept)
{
    crdt_document *doc = files_load(
        crdt_span_of(
            "{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":[]}]}"),
        "x", SCENE_FORMAT_NONE);
    crdt_buf out = files_write(doc, SCENE_FORMAT_BUILDER);
    crdt_buf_append(&out, "", 1);
    char *title = strstr((char *)out.data, "\"title\":\"scene\"");
    cr_assert_not_null(title);
    memcpy(title, "\"title\":\"Scene\"", 15);
    out.size--;
    crdt_document *edited = files_load(crdt_buf_span(&out), "x", SCENE_FORMAT_NONE);
    crdt_key key = crdt_key_field(crdt_span_of(SCENE_NAME_SCENE),
                                  crdt_span_of("project"), crdt_span_of("title"));
    crdt_span value;
    cr_assert(crdt_document_get(edited, &key, &value));
    key.field = crdt_span_of("description");
    cr_expect_not(crdt_document_get(edited, &key, &value));
    crdt_document_close(edited);
    crdt_document_close(doc);
    crdt_buf_deinit(&out);
}
