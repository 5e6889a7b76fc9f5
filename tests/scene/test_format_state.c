#include "scene/format_state.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "scene/scene.h"
#include "tests/scene/scene_files.h"

static void expect_refused(const char *text, crdt_err wanted, uint32_t line,
                           uint32_t column, const char *reason)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    scene_format_options options = scene_format_options_default();
    crdt_diag diag = {0};
    crdt_err err = scene_format_read(crdt_span_of(text), &options, crdt_alloc_default(),
                                     &ops, NULL, &diag);
    cr_expect_eq(err, wanted, "%s: %s", text, crdt_err_name(err));
    cr_expect(diag.line == line && diag.column == column, "%s: %u:%u", text, diag.line,
              diag.column);
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

Test(format_state, refuses_with_the_place)
{
    static const struct {
        const char *text;
        crdt_err err;
        uint32_t column;
        const char *reason;
    } ROWS[] = {
        {"\n{\"schemaVersion\":2,\"entities\":[]}", CRDT_EVERSION, 18,
         "schemaVersion 2"},
        {"\n{\"schemaVersion\":\"1\",\"entities\":[]}", CRDT_ECORRUPT, 18, "number"},
        {"\n{\"schemaVersion\":1}", CRDT_ECORRUPT, 1, "list of entities"},
        {"\n{\"schemaVersion\":1,\"entities\":{}}", CRDT_ECORRUPT, 31,
         "list of entities"},
        {"\n{\"schemaVersion\":1,\"entities\":[7]}", CRDT_ECORRUPT, 32, "with an id"},
        {"\n{\"schemaVersion\":1,\"entities\":[{\"id\":7}]}", CRDT_ECORRUPT, 32,
         "with an id"},
        {"\n{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\"}]}", CRDT_ECORRUPT, 32,
         "list of components"},
        {"\n{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":[]},"
         "{\"id\":\"a\",\"components\":[]}]}",
         CRDT_ECORRUPT, 65, "two entities"},
        {"\n{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":[{}]}]}",
         CRDT_ECORRUPT, 56, "with a type"},
        {"\n{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":[{\"type\":"
         "1}]}]}",
         CRDT_ECORRUPT, 56, "with a type"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        expect_refused(ROWS[i].text, ROWS[i].err, 2, ROWS[i].column, ROWS[i].reason);
    }
}

Test(format_state, odd_but_valid_files_survive)
{
    static const char *const TEXTS[] = {
        "{\"schemaVersion\":1,\"entities\":[]}",
        "{\"schemaVersion\":1,\"entities\":[],\"aaa\":null,\"ddd\":[1],\"zzz\":{\"a\":{"
        "}}}",
        "{\"schemaVersion\":1,\"entities\":[{\"id\":\"\",\"components\":[]}]}",
        "{\"schemaVersion\":1,\"entities\":[{\"id\":\"b\",\"components\":[]},"
        "{\"id\":\"a\",\"components\":[],\"name\":\"n\",\"order\":3}]}",
        /* Nothing but plain fields: the short way to the text. */
        "{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":["
        "{\"type\":\"A\",\"value\":{\"\":true,\"b\":[0.1,-3,1e30,-1.5,300,null,{\"x\":["
        "[]]}]}},"
        "{\"type\":\"B\",\"value\":{}}]},{\"id\":\"b\",\"components\":[]},"
        "{\"id\":\"c\\n\\u0001\",\"components\":[{\"type\":\"\\\"\\\\\",\"value\":{"
        "\"\\t\":"
        "\"long enough to be looked through by eights \\u007f \\\" \\u001f end\"}}]}]}",
        /* Fields whose order as text is not that of their bytes. */
        "{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":[{\"type\":"
        "\"A\","
        "\"value\":{\"b\":1,\"\\ud83d\\ude00\":2,\"\\uffee\":3}}]}]}",
        /* A script comes first, whatever else there is. */
        "{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":[{\"type\":"
        "\"Script\",\"value\":{\"s\":1}},{\"type\":\"A\",\"value\":{\"s\":1}}]}]}",
        /* One type more than once, in an order of its own. */
        "{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":["
        "{\"type\":\"T\",\"value\":1},{\"type\":\"A\",\"value\":2},{\"type\":\"T\","
        "\"value\":3},"
        "{\"type\":\"T\",\"value\":4}]}]}",
        /* No value, null, {}, and members that mean something elsewhere. */
        "{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":["
        "{\"type\":\"A\"},{\"type\":\"B\",\"value\":null},{\"type\":\"C\",\"value\":{}}"
        ","
        "{\"type\":\"D\",\"value\":{},\"id\":\"x\",\"data\":1,\"json\":2,\"shared\":"
        "true},"
        "{\"type\":\"\",\"value\":{\"\":0}}]}]}",
        /* Spellings of other formats are types like any other. */
        "{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":["
        "{\"type\":\"core::Transform\",\"value\":{\"parent\":0}},"
        "{\"type\":\"Transform\",\"value\":{\"parent\":null}}]}]}",
    };
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        expect_same(TEXTS[i]);
    }
}

/* Only what differs from the default order costs a field. */
Test(format_state, order_is_written_where_it_says_something)
{
    static const char *const ROWS[][2] = {
        {"A", "B"}, {"B", "A"}, {"Script", "A"}, {"A", "Script"}};
    for (size_t i = 0; i < 4; i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":["
                 "{\"type\":\"%s\",\"value\":1},{\"type\":\"%s\",\"value\":2}]}]}",
                 ROWS[i][0], ROWS[i][1]);
        crdt_op_list ops;
        crdt_op_list_init(&ops, crdt_alloc_default());
        scene_format_options options = scene_format_options_default();
        cr_assert_eq(scene_format_read(crdt_span_of(text), &options,
                                       crdt_alloc_default(), &ops, NULL, NULL),
                     CRDT_OK);
        size_t places = 0;
        for (size_t k = 0; k < ops.op_count; k++) {
            if (crdt_span_equal(ops.ops[k].key.field, crdt_span_of(SCENE_NAME_ORDER))) {
                places++;
            }
        }
        cr_expect_eq(places, i % 2 == 0 ? 0 : 2);
        crdt_op_list_deinit(&ops);
        expect_same(text);
    }
}

/* `conflicts` is ours to write: reading ignores it. */
Test(format_state, conflicts_are_not_read)
{
    crdt_document *doc = files_load(
        crdt_span_of(
            "{\"schemaVersion\":1,\"entities\":[],\"conflicts\":[{\"kind\":1}]}"),
        "test", SCENE_FORMAT_NONE);
    crdt_buf out = files_write(doc, SCENE_FORMAT_STATE);
    files_same(crdt_buf_span(&out),
               crdt_span_of("{\"entities\":[],\"schemaVersion\":1}"), "conflicts");
    crdt_buf_deinit(&out);
    crdt_document_close(doc);
}

/* A scene that was never a file is a state. */
Test(format_state, a_scene_from_nothing)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    crdt_op_list_add(&ops, crdt_key_object(crdt_span_of("lamp")));
    crdt_op_list_add(&ops, crdt_key_part(crdt_span_of("lamp"), crdt_span_of("Name")));
    crdt_op_list_set(&ops,
                     crdt_key_field(crdt_span_of("lamp"), crdt_span_of("Name"),
                                    crdt_span_of("value")),
                     crdt_span_of("\xa4"
                                  "desk"));
    crdt_document *doc = files_commit(ops.ops, ops.op_count);
    crdt_buf out = files_write(doc, SCENE_FORMAT_NONE);
    files_same(
        crdt_buf_span(&out),
        crdt_span_of("{\"entities\":[{\"components\":[{\"type\":\"Name\",\"value\":"
                     "{\"value\":\"desk\"}}],\"id\":\"lamp\"}],\"schemaVersion\":1}"),
        "from nothing");
    crdt_buf_deinit(&out);
    crdt_op_list_deinit(&ops);
    crdt_document_close(doc);
}

/* The names that readers of states know, and the values they need, as the world's own
 * conversion makes them; ours differ by `scenesync` alone. */
Test(format_state, builder_scenes_are_as_their_readers_expect)
{
    crdt_buf text = files_read("docs/scenes/courtyard.builder.json");
    crdt_document *doc = files_load(crdt_buf_span(&text), "test", SCENE_FORMAT_NONE);
    crdt_buf out = files_write(doc, SCENE_FORMAT_STATE);
    crdt_buf_append(&out, "", 1);
    const char *state = (const char *)out.data;
    cr_expect(strstr(state,
                     "\"made\":{\"builderValue\":\"limeTree3\",\"value\":\"limeTree3\"}"
                     "},\"type\":\"Name\",\"value\":{\"builderValue\":\"limeTree3\","
                     "\"value\":\"limeTree3\"}") != NULL);
    cr_expect(strstr(state,
                     "\"src\":\"ethereum://0x00000000000000000000000000000000000000"
                     "01/7\",\"style\":0") != NULL);
    cr_expect(strstr(state,
                     "\"assetId\":\"0x0000000000000000000000000000000000000001\","
                     "\"color\":{\"a\":1,\"b\":0.8584906,\"g\":0.611472,"
                     "\"r\":0.6404918}") != NULL);
    crdt_buf_deinit(&out);
    crdt_buf_deinit(&text);
    crdt_document_close(doc);
}

/* ---- readers that know seven types ---- */

static void expect_readable(crdt_span state, const char *what)
{
    static const char *const TYPES[] = {"Transform",    "NFTShape", "GLTFShape",
                                        "Script",       "Name",     "LockedOnEdit",
                                        "VisibleOnEdit"};
    scene_json *json;
    crdt_diag diag = {0};
    cr_assert_eq(scene_json_open(&json, crdt_alloc_default(), state, NULL, &diag),
                 CRDT_OK, "%s", diag.text);
    const scene_json_node *entities =
        scene_json_find(scene_json_root(json), "entities");
    cr_assert_eq(entities->type, SCENE_JSON_ARRAY);
    const scene_json_node *entity = entities + 1;
    for (uint32_t i = 0; i < entities->count; i++) {
        const scene_json_node *list = scene_json_find(entity, "components");
        const scene_json_node *component = list + 1;
        for (uint32_t j = 0; j < list->count; j++) {
            crdt_span type = scene_json_text(scene_json_find(component, "type"));
            bool known = false;
            for (size_t k = 0; k < sizeof(TYPES) / sizeof(TYPES[0]); k++) {
                known = known || crdt_span_equal(type, crdt_span_of(TYPES[k]));
            }
            cr_expect(known, "%s: %.*s", what, (int)type.size, (const char *)type.data);
            component = scene_json_next(component);
        }
        entity = scene_json_next(entity);
    }
    scene_json_close(json);
}

/* One type that they do not know, and they refuse the whole file: states of composites
 * listed all of theirs. Now those are carried, each in its place. */
Test(format_state, scenes_of_other_formats_are_read_by_strict_readers)
{
    static const char *const TEXTS[] = {
        "{\"version\":1,\"components\":["
        "{\"name\":\"core::Transform\",\"data\":{\"512\":{\"json\":{}}}},"
        "{\"name\":\"core::Billboard\",\"data\":{\"512\":{\"json\":{\"m\":1}},"
        "\"513\":{\"json\":{}}}},"
        "{\"name\":\"inspector::Nodes\",\"data\":{\"0\":{\"json\":[]}}}]}",
        "{\"version\":10,\"project\":{},\"scene\":{\"id\":\"s\",\"entities\":{\"e\":{"
        "\"id\":\"e\",\"components\":[\"z\",\"x\",\"none\",\"t\",\"y\"],\"name\":\"n\"}"
        "},"
        "\"components\":{"
        "\"x\":{\"id\":\"x\",\"type\":\"X\",\"data\":1},"
        "\"y\":{\"id\":\"y\",\"type\":\"X\",\"data\":{\"b\":2}},"
        "\"z\":{\"id\":\"z\",\"type\":\"Script\",\"data\":{}},"
        "\"t\":{\"id\":\"t\",\"type\":\"Transform\",\"data\":{}}},\"assets\":{}}}",
    };
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        crdt_document *doc = files_load(crdt_span_of(TEXTS[i]), "x", SCENE_FORMAT_NONE);
        crdt_buf state = files_write(doc, SCENE_FORMAT_STATE);
        expect_readable(crdt_buf_span(&state), TEXTS[i]);
        crdt_document *other =
            files_load(crdt_buf_span(&state), "y", SCENE_FORMAT_STATE);
        crdt_buf back = files_write(other, scene_origin_of(doc));
        crdt_buf wanted = files_canonical(crdt_span_of(TEXTS[i]));
        files_same(crdt_buf_span(&back), crdt_buf_span(&wanted), "back");
        crdt_buf again = files_write(other, SCENE_FORMAT_STATE);
        files_same(crdt_buf_span(&again), crdt_buf_span(&state), "again");
        crdt_buf_deinit(&again);
        crdt_buf_deinit(&wanted);
        crdt_buf_deinit(&back);
        crdt_buf_deinit(&state);
        crdt_document_close(other);
        crdt_document_close(doc);
    }
}

/* Rows that are no pairs are refused with their place. */
Test(format_state, carried_components_are_checked)
{
    expect_refused("{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":[],"
                   "\"scenesync\":{\"components\":[7]}}]}",
                   CRDT_ECORRUPT, 1, 85, "is a pair");
    expect_refused("{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":[],"
                   "\"scenesync\":{\"components\":[[0,7]]}}]}",
                   CRDT_ECORRUPT, 1, 88, "with a type");
}

/* Whatever a file carries of the state that it once was, the version is the one written. */
Test(format_state, the_version_is_not_carried)
{
    crdt_document *doc = files_load(
        crdt_span_of(
            "{\"version\":1,\"components\":[],\"scenesync\":{\"format\":\"state\","
            "\"parts\":{\"state\":{\"schemaVersion\":[7],\"more\":1}}}}"),
        "x", SCENE_FORMAT_NONE);
    crdt_buf out = files_write(doc, SCENE_FORMAT_STATE);
    files_same(crdt_buf_span(&out),
               crdt_span_of("{\"entities\":[],\"more\":1,\"schemaVersion\":1}"),
               "state");
    crdt_buf_deinit(&out);
    crdt_document_close(doc);
}
