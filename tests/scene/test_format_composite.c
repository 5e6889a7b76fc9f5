#include "scene/format_composite.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "scene/format.h"
#include "scene/scene.h"
#include "tests/scene/scene_files.h"

#define COMPOSITE(columns) "{\"version\":1,\"components\":[" columns "]}"

static crdt_err read_named(const char *text, const char *file_name, crdt_diag *diag)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    scene_format_options options = scene_format_options_default();
    options.file_name = file_name;
    crdt_err err = scene_format_read(crdt_span_of(text), &options, crdt_alloc_default(),
                                     &ops, NULL, diag);
    crdt_op_list_deinit(&ops);
    return err;
}

static void expect_refused(const char *text, crdt_err wanted, const char *reason)
{
    crdt_diag diag = {0};
    crdt_err err = read_named(text, "main.composite", &diag);
    cr_expect_eq(err, wanted, "%s: %s", text, crdt_err_name(err));
    cr_expect_gt(diag.column, 0);
    cr_expect(strstr(diag.text, reason) != NULL, "%s: %s", text, diag.text);
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

Test(format_composite, refuses)
{
    expect_refused("{\"version\":2,\"components\":[]}", CRDT_EVERSION, "version 2");
    expect_refused("{\"version\":\"1\",\"components\":[]}", CRDT_ECORRUPT, "number");
    expect_refused(COMPOSITE("7"), CRDT_ECORRUPT, "needs a name");
    expect_refused(COMPOSITE("{\"name\":1,\"data\":{}}"), CRDT_ECORRUPT,
                   "needs a name");
    expect_refused(COMPOSITE("{\"name\":\"core::Nonsense\",\"data\":{}}"),
                   CRDT_ECORRUPT, "no component of the SDK");
    expect_refused(COMPOSITE("{\"name\":\"core::\",\"data\":{}}"), CRDT_ECORRUPT,
                   "no component of the SDK");
    expect_refused(COMPOSITE("{\"name\":\"my::Own\",\"data\":{}}"), CRDT_ECORRUPT,
                   "needs a jsonSchema");
    expect_refused(COMPOSITE("{\"name\":\"core::Tween\",\"data\":[]}"), CRDT_ECORRUPT,
                   "must be an object");
    expect_refused(
        COMPOSITE("{\"name\":\"core::Tween\",\"data\":{\"x\":{\"json\":1}}}"),
        CRDT_ECORRUPT, "is a number");
    expect_refused(
        COMPOSITE("{\"name\":\"core::Tween\",\"data\":{\"01\":{\"json\":1}}}"),
        CRDT_ECORRUPT, "is a number");
    expect_refused(COMPOSITE("{\"name\":\"core::Tween\",\"data\":{\"1\":7}}"),
                   CRDT_ECORRUPT, "json or binary");
    expect_refused(COMPOSITE("{\"name\":\"core::Tween\",\"data\":{\"1\":{}}}"),
                   CRDT_ECORRUPT, "json, or binary");
}

Test(format_composite, a_composite_may_not_contain_itself)
{
    static const struct {
        const char *file;
        const char *src;
        bool refused;
    } ROWS[] = {
        {"main.composite", "./main.composite", true},
        {"main.composite", "main.composite", true},
        {"/a/b/main.composite", "main.composite", true},
        {"/a/b/main.composite", "b/main.composite", true},
        {"/a/b/main.composite.json", "./main.composite", true},
        {"a__b__main.composite.json", "./main.composite", true},
        {"a__b__main.composite.json", "b/main.composite", true},
        {"main.composite", "other.composite", false},
        {"main.composite", "sub/main.composite", false},
        {"/a/xmain.composite", "main.composite", false},
        {"main.composite", "", false},
        {NULL, "main.composite", false},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 COMPOSITE("{\"name\":\"composite::root\",\"data\":{\"512\":{\"json\":"
                           "{\"src\":\"%s\"}}}}"),
                 ROWS[i].src);
        crdt_diag diag = {0};
        crdt_err err = read_named(text, ROWS[i].file, &diag);
        cr_expect_eq(err, ROWS[i].refused ? CRDT_ECORRUPT : CRDT_OK, "%s in %s",
                     ROWS[i].src, ROWS[i].file != NULL ? ROWS[i].file : "(none)");
    }
}

Test(format_composite, odd_but_valid_composites_survive)
{
    expect_same(COMPOSITE(""));
    expect_same("{\"version\":1,\"components\":[],\"more\":{\"a\":null}}");
    /* Columns out of order, repeated, empty, without data, with more. */
    expect_same(COMPOSITE("{\"name\":\"core::Tween\",\"data\":{}},"
                          "{\"name\":\"core::Animator\"},"
                          "{\"name\":\"core::Tween\",\"data\":{},\"jsonSchema\":null},"
                          "{\"name\":\"core::Tween\",\"data\":{},\"more\":1}"));
    /* One entity in several columns of one name, and in the second alone. */
    expect_same(COMPOSITE("{\"name\":\"inspector::C\",\"data\":{\"1\":{\"json\":1}}},"
                          "{\"name\":\"inspector::C\",\"data\":{\"1\":{\"json\":2},"
                          "\"2\":{\"json\":3}}},"
                          "{\"name\":\"inspector::C\",\"data\":{\"1\":{\"json\":4}}}"));
    /* $case in every form, unknown members, binary. */
    expect_same(COMPOSITE(
        "{\"name\":\"core::Tween\",\"data\":{"
        "\"1\":{\"$case\":\"json\",\"json\":{}},\"2\":{\"json\":null},"
        "\"3\":{\"$case\":\"binary\",\"binary\":\"AA==\"},\"4\":{\"binary\":\"\"},"
        "\"5\":{\"$case\":\"odd\",\"json\":[1],\"more\":2},"
        "\"6\":{\"$case\":null,\"json\":1,\"binary\":7}}}"));
    /* The root, and numbers beyond those of the SDK. */
    expect_same(COMPOSITE("{\"name\":\"core::Transform\",\"data\":{\"0\":{\"json\":{}},"
                          "\"99999999999\":{\"json\":{\"parent\":0}},"
                          "\"512\":{\"json\":{\"parent\":99999999999}}}}"));
}

/* Ids that are no numbers get numbers from 512 on; parents follow. */
Test(format_composite, ids_get_numbers)
{
    crdt_document *doc = files_load(
        crdt_span_of(
            "{\"schemaVersion\":1,\"entities\":["
            "{\"id\":\"z\",\"components\":[{\"type\":\"Transform\",\"value\":{}}]},"
            "{\"id\":\"513\",\"components\":[{\"type\":\"Transform\",\"value\":"
            "{\"parent\":\"a\"}}]},"
            "{\"id\":\"a\",\"components\":[{\"type\":\"Transform\",\"value\":"
            "{\"parent\":\"z\"}}]},"
            "{\"id\":\"bare\",\"components\":[]}]}"),
        "x", SCENE_FORMAT_NONE);
    crdt_buf out = files_write(doc, SCENE_FORMAT_COMPOSITE);
    crdt_buf_append(&out, "", 1);
    const char *text = (const char *)out.data;
    static const char *const WANTED[] = {"\"512\":{\"json\":{}}",
                                         "\"514\":{\"json\":{\"parent\":512}}",
                                         "\"513\":{\"json\":{\"parent\":514}}",
                                         "\"512\":{\"id\":\"z\"",
                                         "\"514\":{\"id\":\"a\"",
                                         "\"515\":{\"bare\":true,\"id\":\"bare\"",
                                         "\"name\":\"core::Transform\""};
    for (size_t i = 0; i < sizeof(WANTED) / sizeof(WANTED[0]); i++) {
        cr_expect(strstr(text, WANTED[i]) != NULL, "%s in %s", WANTED[i], text);
    }
    /* Somebody hangs 513 under 512 there: it is z when it comes back. */
    char *parent = strstr((char *)out.data, "\"513\":{\"json\":{\"parent\":514}}");
    cr_assert_not_null(parent);
    memcpy(parent + 26, "2", 1);
    out.size--;
    crdt_document *back = files_load(crdt_buf_span(&out), "x", SCENE_FORMAT_NONE);
    crdt_buf state = files_write(back, SCENE_FORMAT_STATE);
    crdt_buf_append(&state, "", 1);
    cr_expect(strstr((const char *)state.data, "{\"parent\":\"z\"}}],\"id\":\"513\"") !=
                  NULL,
              "%s", (const char *)state.data);
    crdt_buf_deinit(&state);
    crdt_buf_deinit(&out);
    crdt_document_close(back);
    crdt_document_close(doc);
}

/* What is written is valid: types that the SDK does not know bring a schema. */
Test(format_composite, new_columns_bring_a_schema)
{
    crdt_document *doc = files_load(
        crdt_span_of(
            "{\"schemaVersion\":1,\"entities\":[{\"id\":\"600\",\"components\":["
            "{\"type\":\"Glow\",\"value\":{\"r\":1}},"
            "{\"type\":\"core::NotThere\",\"value\":{}}]}]}"),
        "x", SCENE_FORMAT_NONE);
    crdt_buf out = files_write(doc, SCENE_FORMAT_COMPOSITE);
    crdt_document *back = files_load(crdt_buf_span(&out), "x", SCENE_FORMAT_NONE);
    crdt_buf_append(&out, "", 1);
    cr_expect(strstr((const char *)out.data,
                     "\"jsonSchema\":{\"properties\":{},\"serializationType\":\"map\","
                     "\"type\":\"object\"},\"name\":\"Glow\"") != NULL);
    cr_expect(strstr((const char *)out.data,
                     "\"name\":\"scenesync::core::NotThere\"") != NULL);
    cr_expect(scene_entity_live(back, crdt_span_of("600")));
    scene_component component;
    cr_expect(scene_component_find(back, crdt_span_of("600"),
                                   crdt_span_of("core::NotThere"), &component));
    crdt_buf_deinit(&out);
    crdt_document_close(back);
    crdt_document_close(doc);
}

/* A state shows null for a binary value. Where somebody wrote a value instead, that is an
 * edit; it was dropped in favour of the bytes that the state carried. */
Test(format_composite, an_edit_of_a_carried_binary_value_is_kept)
{
    const char *text = "{\"version\":1,\"components\":[{\"name\":\"core::Billboard\","
                       "\"data\":{\"512\":{\"binary\":\"AA==\"}}}]}";
    crdt_document *doc = files_load(crdt_span_of(text), "x", SCENE_FORMAT_NONE);
    crdt_buf state = files_write(doc, SCENE_FORMAT_STATE);
    crdt_buf_append(&state, "", 1);
    state.size--;
    char *value = strstr((char *)state.data, "\"value\":null");
    cr_assert_not_null(value, "%s", (const char *)state.data);
    memcpy(value, "\"value\":1234", 12);
    crdt_document *edited = files_load(crdt_buf_span(&state), "x", SCENE_FORMAT_STATE);
    crdt_buf back = files_write(edited, SCENE_FORMAT_COMPOSITE);
    crdt_buf_append(&back, "", 1);
    cr_expect(strstr((char *)back.data, "{\"json\":1234}") != NULL, "%s",
              (const char *)back.data);
    crdt_buf_deinit(&back);
    crdt_buf_deinit(&state);
    crdt_document_close(edited);
    crdt_document_close(doc);
}

/* What hangs on the camera names a parent that no composite holds. It lost it when it was
 * written again. */
Test(format_composite, parents_without_an_entity_are_kept)
{
    const char *text =
        "{\"version\":1,\"components\":[{\"name\":\"core::Transform\",\"data\":{"
        "\"512\":{\"json\":{\"parent\":2}},"
        "\"513\":{\"json\":{\"parent\":777}},"
        "\"514\":{\"json\":{\"parent\":515}},"
        "\"515\":{\"json\":{}}}}]}";
    crdt_buf wanted = files_canonical(crdt_span_of(text));
    static const scene_format WAYS[] = {SCENE_FORMAT_COMPOSITE, SCENE_FORMAT_STATE,
                                        SCENE_FORMAT_BUILDER};
    crdt_document *doc = files_load(crdt_span_of(text), "x", SCENE_FORMAT_NONE);
    for (size_t i = 0; i < sizeof(WAYS) / sizeof(WAYS[0]); i++) {
        crdt_buf there = files_write(doc, WAYS[i]);
        crdt_document *other = files_load(crdt_buf_span(&there), "x", WAYS[i]);
        crdt_buf back = files_write(other, SCENE_FORMAT_COMPOSITE);
        files_same(crdt_buf_span(&back), crdt_buf_span(&wanted), "parents");
        crdt_buf_deinit(&back);
        crdt_buf_deinit(&there);
        crdt_document_close(other);
    }
    crdt_buf_deinit(&wanted);
    crdt_document_close(doc);
}

/* An entity without a number must not get the one that somebody's missing parent had. */
Test(format_composite, numbers_of_missing_parents_are_not_given_away)
{
    const char *text =
        "{\"version\":1,\"components\":[{\"name\":\"core::Transform\",\"data\":{"
        "\"600\":{\"json\":{\"parent\":512}}}}]}";
    crdt_document *doc = files_load(crdt_span_of(text), "x", SCENE_FORMAT_NONE);
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    cr_assert_eq(crdt_op_list_add(&ops, crdt_key_object(crdt_span_of("lamp"))),
                 CRDT_OK);
    cr_assert(files_commit_onto(doc, ops.ops, ops.op_count));
    crdt_op_list_deinit(&ops);
    crdt_buf out = files_write(doc, SCENE_FORMAT_COMPOSITE);
    crdt_buf_append(&out, "", 1);
    cr_expect(strstr((char *)out.data, "{\"parent\":512}") != NULL);
    cr_expect(strstr((char *)out.data, "\"513\":{\"bare\":true,\"id\":\"lamp\"}") !=
                  NULL,
              "%s", (char *)out.data);
    crdt_buf_deinit(&out);
    crdt_document_close(doc);
}

/* Whatever a state carries of the composite that it was, the version is the one written. */
Test(format_composite, the_version_is_not_carried)
{
    crdt_document *doc = files_load(
        crdt_span_of("{\"schemaVersion\":1,\"entities\":[],\"scenesync\":{\"format\":"
                     "\"composite\",\"parts\":{\"composite\":{\"version\":[7]}}}}"),
        "x", SCENE_FORMAT_NONE);
    crdt_buf out = files_write(doc, SCENE_FORMAT_COMPOSITE);
    files_same(crdt_buf_span(&out), crdt_span_of("{\"components\":[],\"version\":1}"),
               "composite");
    crdt_buf_deinit(&out);
    crdt_document_close(doc);
}
