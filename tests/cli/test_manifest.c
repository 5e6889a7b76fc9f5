#include "cli/servers/manifest.h"

#include <criterion/criterion.h>

#define ID "116570f2-8bdc-4887-a0fd-11ed8d5c8f20"
#define REQUIRED                                                                       \
    "\"id\":\"" ID "\",\"title\":\"t\",\"description\":\"d\",\"scene_id\":\"" ID       \
    "\",\"cols\":1,\"rows\":2"
#define SCENE "\"scene\":{\"entities\":{},\"components\":{},\"more\":1}"
#define MANIFEST(project, scene) "{\"version\":10,\"project\":{" project "}," scene "}"

static crdt_err check(const char *text, char found[160])
{
    scene_json *json = NULL;
    crdt_diag diag = {.text = ""};
    cr_assert_eq(
        scene_json_open(&json, crdt_alloc_default(), crdt_span_of(text), NULL, &diag),
        CRDT_OK, "%s: %s", text, diag.text);
    crdt_err err = servers_manifest_check(json, scene_json_root(json), &diag);
    cr_assert((err == CRDT_OK) == (diag.text[0] == '\0'));
    cr_assert(err == CRDT_OK || diag.line > 0, "the place is told");
    if (found != NULL) {
        memcpy(found, diag.text, sizeof diag.text);
    }
    scene_json_close(json);
    return err;
}

Test(manifest, good_ones)
{
    static const char *const texts[] = {
        MANIFEST(REQUIRED, SCENE),
        MANIFEST(REQUIRED
                 ",\"thumbnail\":null,\"eth_address\":\"0x\",\"is_public\":true,"
                 "\"created_at\":\"x\",\"updated_at\":null,\"creation_coords\":"
                 "\"0,0\",\"is_template\":false,\"video\":\"v\","
                 "\"template_status\":\"active\"",
                 SCENE),
        MANIFEST(REQUIRED ",\"template_status\":null", SCENE),
        MANIFEST(REQUIRED, "\"scene\":{\"sdk6\":{\"entities\":{},\"components\":{}},"
                           "\"sdk7\":null}"),
        MANIFEST(REQUIRED, "\"scene\":{\"sdk6\":null,\"sdk7\":{\"composite\":{},"
                           "\"mappings\":{}}}"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_assert_eq(check(texts[i], NULL), CRDT_OK, "%zu", i);
    }
}

Test(manifest, bad_ones)
{
    static const char *const texts[] = {
        "[]",
        "{}",
        "{\"version\":10,\"project\":{" REQUIRED "}}",
        "{\"version\":10," SCENE "}",
        "{\"project\":{" REQUIRED "}," SCENE "}",
        "{\"version\":\"10\",\"project\":{" REQUIRED "}," SCENE "}",
        "{\"version\":10,\"project\":{" REQUIRED "}," SCENE ",\"more\":1}",
        "{\"version\":10,\"project\":[]," SCENE "}",
        MANIFEST(REQUIRED ",\"more\":1", SCENE),
        MANIFEST(REQUIRED ",\"creation_coords\":null", SCENE),
        MANIFEST(REQUIRED ",\"is_public\":\"yes\"", SCENE),
        MANIFEST(REQUIRED ",\"template_status\":\"soon\"", SCENE),
        MANIFEST(REQUIRED ",\"thumbnail\":5", SCENE),
        MANIFEST("\"id\":\"x\",\"title\":\"t\",\"description\":\"d\",\"scene_id\":\"" ID
                 "\",\"cols\":1,\"rows\":2",
                 SCENE),
        MANIFEST("\"id\":\"" ID
                 "\",\"title\":\"t\",\"description\":\"d\",\"scene_id\":\"" ID
                 "\",\"cols\":\"1\",\"rows\":2",
                 SCENE),
        MANIFEST("\"id\":\"" ID "\",\"title\":\"t\",\"scene_id\":\"" ID
                 "\",\"cols\":1,\"rows\":2",
                 SCENE),
        MANIFEST(REQUIRED, "\"scene\":{}"),
        MANIFEST(REQUIRED, "\"scene\":5"),
        MANIFEST(REQUIRED, "\"scene\":{\"entities\":{}}"),
        MANIFEST(REQUIRED, "\"scene\":{\"entities\":[],\"components\":{}}"),
        MANIFEST(REQUIRED, "\"scene\":{\"sdk6\":null,\"sdk7\":null}"),
        MANIFEST(REQUIRED, "\"scene\":{\"sdk6\":{\"entities\":{},\"components\":{}},"
                           "\"sdk7\":{\"composite\":{},\"mappings\":{}}}"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_assert_eq(check(texts[i], NULL), CRDT_ECORRUPT, "%zu", i);
    }
}

Test(manifest, the_spelling_of_files_is_told)
{
    char text[160];
    cr_assert_eq(check(MANIFEST(REQUIRED ",\"isPublic\":true", SCENE), text),
                 CRDT_ECORRUPT);
    cr_assert_not_null(strstr(text, "is_public"));
}

static void translated(const char *project, const char *expected)
{
    scene_json *json = NULL;
    cr_assert_eq(
        scene_json_open(&json, crdt_alloc_default(), crdt_span_of(project), NULL, NULL),
        CRDT_OK);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    scene_json_writer writer;
    scene_json_writer_init(&writer, crdt_alloc_default(), &out);
    servers_project_translate(&writer, scene_json_root(json), ID);
    cr_assert_eq(writer.err, CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&out), crdt_span_of(expected)), "%.*s",
              (int)out.size, (const char *)out.data);
    scene_json_writer_deinit(&writer);
    crdt_buf_deinit(&out);
    scene_json_close(json);
}

Test(manifest, files_are_translated)
{
    translated(
        "{\"id\":\"other\",\"title\":\"T\",\"description\":\"D\",\"thumbnail\":null,"
        "\"isPublic\":true,\"sceneId\":\"" ID "\",\"ethAddress\":null,"
        "\"layout\":{\"rows\":3,\"cols\":4},\"createdAt\":\"C\",\"updatedAt\":5,"
        "\"userId\":\"u\",\"templateStatus\":\"coming_soon\"}",
        "{\"cols\":4,\"created_at\":\"C\",\"description\":\"D\",\"eth_address\":null,"
        "\"id\":\"" ID "\",\"is_public\":true,\"rows\":3,\"scene_id\":\"" ID
        "\",\"template_status\":\"coming_soon\",\"thumbnail\":null,\"title\":\"T\"}");
    /* what is required is made up */
    translated("{}", "{\"cols\":1,\"description\":\"\",\"id\":\"" ID
                     "\",\"rows\":1,\"scene_id\":\"" ID "\",\"title\":\"\"}");
    /* the server's spelling stays */
    translated("{" REQUIRED "}",
               "{\"cols\":1,\"description\":\"d\",\"id\":\"" ID
               "\",\"rows\":2,\"scene_id\":\"" ID "\",\"title\":\"t\"}");
}

Test(manifest, layouts_that_are_none)
{
    static const char *const texts[] = {"{}", "{\"layout\":5}",
                                        "{\"rows\":0,\"cols\":-1}",
                                        "{\"rows\":1e9,\"cols\":1.5}"};
    for (size_t i = 0; i < 4; i++) {
        scene_json *json = NULL;
        cr_assert_eq(scene_json_open(&json, crdt_alloc_default(),
                                     crdt_span_of(texts[i]), NULL, NULL),
                     CRDT_OK);
        unsigned rows;
        unsigned cols;
        servers_project_layout(scene_json_root(json), &rows, &cols);
        cr_assert_eq(rows * cols, 1, "%s", texts[i]);
        scene_json_close(json);
    }
}

Test(manifest, uuids)
{
    cr_assert(servers_uuid_valid(crdt_span_of(ID)));
    cr_assert(servers_uuid_valid(crdt_span_of("116570F2-8BDC-4887-A0FD-11ED8D5C8F20")));
    static const char *const bad[] = {"",
                                      "116570f2",
                                      "116570f2-8bdc-4887-a0fd-11ed8d5c8f2",
                                      "116570f2-8bdc-4887-a0fd-11ed8d5c8f200",
                                      "116570f2x8bdc-4887-a0fd-11ed8d5c8f20",
                                      "../570f2-8bdc-4887-a0fd-11ed8d5c8f20"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_not(servers_uuid_valid(crdt_span_of(bad[i])), "%s", bad[i]);
    }
}
