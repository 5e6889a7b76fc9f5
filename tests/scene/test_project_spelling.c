#include "scene/project_spelling.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "crdt/value.h"
#include "scene/format.h"
#include "tests/scene/scene_files.h"

/* A manifest at a server: its project, and the project as its file had it. */
#define MANIFEST(project, was)                                                         \
    "{\"project\":" project                                                            \
    ",\"scene\":{\"components\":{},\"entities\":{},\"id\":\"s\","                      \
    "\"scenesync\":{\"project\":" was "}},\"version\":10}"

/* What is read of it, written as a file. */
static void expect(const char *project, const char *was, const char *wanted)
{
    char text[2048];
    snprintf(text, sizeof text, MANIFEST("%s", "%s"), project, was);
    crdt_document *doc =
        files_load(crdt_span_of(text), "builder.json", SCENE_FORMAT_BUILDER);
    crdt_buf file = files_write(doc, SCENE_FORMAT_BUILDER);
    cr_assert_eq(crdt_buf_append(&file, "", 1), CRDT_OK);
    char *begin = strstr((char *)file.data, "\"project\":");
    char *end = strstr((char *)file.data, ",\"scene\":");
    cr_assert(begin != NULL && end != NULL && begin < end, "%s", (char *)file.data);
    *end = '\0';
    cr_expect_str_eq(begin + strlen("\"project\":"), wanted);
    cr_expect_null(strstr(end + 1, "\"project\""), "it is not carried any more");
    crdt_buf_deinit(&file);
    crdt_document_close(doc);
}

Test(project_spelling, names)
{
    cr_expect_str_eq(scene_project_server_name(crdt_span_of("sceneId")), "scene_id");
    cr_expect_str_eq(scene_project_server_name(crdt_span_of("scene_id")), "scene_id");
    cr_expect_null(scene_project_server_name(crdt_span_of("userId")));
    cr_expect_null(scene_project_server_name(crdt_span_of("layout")));
}

Test(project_spelling, comes_back_as_it_was)
{
    expect(
        "{\"id\":\"p\",\"title\":\"t\",\"description\":\"\",\"scene_id\":\"s\","
        "\"rows\":2,\"cols\":3,\"is_public\":false,\"eth_address\":null}",
        "{\"id\":\"p\",\"title\":\"t\",\"sceneId\":\"s\",\"layout\":{\"rows\":2,"
        "\"cols\":3},\"isPublic\":false,\"ethAddress\":null,\"userId\":5}",
        "{\"ethAddress\":null,\"id\":\"p\",\"isPublic\":false,\"layout\":{\"cols\":3,"
        "\"rows\":2},\"sceneId\":\"s\",\"title\":\"t\",\"userId\":5}");
}

/* What the server changed shows, under the name that the file has for it. */
Test(project_spelling, with_what_the_server_changed)
{
    expect("{\"id\":\"q\",\"title\":\"new\",\"description\":\"d\",\"scene_id\":\"s\","
           "\"rows\":4,\"cols\":3,\"updated_at\":\"later\",\"eth_address\":\"0x1\","
           "\"creation_coords\":\"0,0\"}",
           "{\"id\":\"p\",\"title\":\"t\",\"sceneId\":\"s\",\"layout\":{\"rows\":2,"
           "\"cols\":3,\"odd\":1},\"updatedAt\":\"once\",\"ethAddress\":null}",
           "{\"creation_coords\":\"0,0\",\"ethAddress\":\"0x1\",\"id\":\"q\","
           "\"layout\":{\"cols\":3,\"rows\":4},\"sceneId\":\"s\",\"title\":\"new\","
           "\"updatedAt\":\"later\"}");
}

/* What is no project as it was is passed over. */
Test(project_spelling, foreign_words)
{
    static const char *const WAS[] = {"null", "5", "[]", "\"x\""};
    for (size_t i = 0; i < sizeof WAS / sizeof WAS[0]; i++) {
        expect("{\"id\":\"p\",\"rows\":1}", WAS[i], "{\"id\":\"p\",\"rows\":1}");
    }
    expect("{\"id\":\"p\",\"rows\":1,\"cols\":1}", "{\"layout\":5,\"title\":null}",
           "{\"layout\":5,\"title\":null}");
}

/* A scene that never was a manifest: a title that somebody gave it stands in the project
 * that is made up, and comes back alone. */
Test(project_spelling, a_title_of_a_scene_that_has_no_project)
{
    static const char SCENE[] = "{\"schemaVersion\":1,\"entities\":[]}";
    crdt_document *doc = files_load(crdt_span_of(SCENE), "x", SCENE_FORMAT_STATE);
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    crdt_span scene = crdt_span_of(SCENE_NAME_SCENE);
    crdt_span part = crdt_span_of("project");
    crdt_buf title;
    crdt_buf_init(&title, crdt_alloc_default());
    cr_assert_eq(crdt_value_write_string(&title, crdt_span_of("Courtyard")), CRDT_OK);
    cr_assert_eq(crdt_op_list_add(&ops, crdt_key_part(scene, part)), CRDT_OK);
    cr_assert_eq(crdt_op_list_set(&ops,
                                  crdt_key_field(scene, part, crdt_span_of("title")),
                                  crdt_buf_span(&title)),
                 CRDT_OK);
    cr_assert(files_commit_onto(doc, ops.ops, ops.op_count));
    crdt_buf file = files_write(doc, SCENE_FORMAT_BUILDER);
    cr_assert_eq(crdt_buf_append(&file, "", 1), CRDT_OK);
    file.size--;
    cr_expect_not_null(strstr((char *)file.data, "\"title\":\"Courtyard\""));
    crdt_document *again =
        files_load(crdt_buf_span(&file), "builder.json", SCENE_FORMAT_BUILDER);
    crdt_key key = crdt_key_field(scene, part, crdt_span_of("title"));
    crdt_span value;
    cr_assert(crdt_document_get(again, &key, &value));
    cr_expect(crdt_span_equal(value, crdt_buf_span(&title)));
    key.field = crdt_span_of("description");
    cr_expect_not(crdt_document_get(again, &key, &value), "it was made up");
    crdt_buf once_more = files_write(again, SCENE_FORMAT_BUILDER);
    files_same(crdt_buf_span(&once_more), crdt_buf_span(&file), "written again");
    crdt_buf_deinit(&once_more);
    crdt_buf_deinit(&file);
    crdt_buf_deinit(&title);
    crdt_op_list_deinit(&ops);
    crdt_document_close(doc);
    crdt_document_close(again);
}
