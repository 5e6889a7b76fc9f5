/* The assets of a scene: which are shown, what is known of them, of which files they are. */

#include "cli/content/asset_list.h"
#include "tests/scene/scene_files.h"

#include <criterion/criterion.h>

#include <string.h>

#define STATE                                                                          \
    "{\"schemaVersion\":1,\"entities\":["                                              \
    "{\"id\":\"a\",\"components\":[{\"type\":\"GLTFShape\",\"value\":{\"assetId\":"    \
    "\"x\"}},"                                                                         \
    "{\"type\":\"NFTShape\",\"value\":{\"assetId\":\"contract\",\"src\":\"ethereum://" \
    "1\"}}]},"                                                                         \
    "{\"id\":\"b\",\"components\":[{\"type\":\"GLTFShape\",\"value\":{\"assetId\":"    \
    "\"x\"}}]},"                                                                       \
    "{\"id\":\"c\",\"components\":[{\"type\":\"Script\",\"value\":{\"assetId\":"       \
    "\"door\"}},"                                                                      \
    "{\"type\":\"GLTFShape\",\"value\":{\"assetId\":\"\",\"src\":\"models/"            \
    "m.glb\"}}]}]}"

#define ANSWER                                                                         \
    "{\"ok\":true,\"data\":[{\"id\":\"x\",\"model\":\"F/f.glb\",\"contents\":{"        \
    "\"F/f.glb\":\"QmA\",\"F/"                                                         \
    "t.png\":\"QmB\",\"bad\":7},\"metrics\":{\"triangles\":12}},"                      \
    "{\"id\":\"unasked\",\"model\":\"u\"},{\"name\":\"no id\"},3]}"

static content_asset_list list;

static void open_list(void)
{
    crdt_document *doc = files_load(crdt_span_of(STATE), NULL, SCENE_FORMAT_STATE);
    content_asset_list_init(&list, crdt_alloc_default());
    cr_assert_eq(content_asset_list_read(&list, doc), CRDT_OK);
    crdt_document_close(doc); /* nothing is borrowed from it */
}

static void close_list(void)
{
    content_asset_list_deinit(&list);
}

TestSuite(asset_list, .init = open_list, .fini = close_list);

Test(asset_list, what_a_scene_shows)
{
    cr_assert_eq(list.asset_count, 2);
    cr_expect(crdt_span_equal(list.assets[0].id, crdt_span_of("door")));
    cr_expect(crdt_span_equal(list.assets[1].id, crdt_span_of("x")));
    cr_expect_eq(list.assets[1].uses, 2);
    cr_expect_eq(list.assets[1].value.size, 0);
    cr_assert_eq(list.source_count, 2);
    cr_expect(crdt_span_equal(list.sources[1], crdt_span_of("models/m.glb")));
    cr_expect_null(content_asset_list_find(&list, crdt_span_of("contract")));
}

Test(asset_list, what_the_builder_says)
{
    crdt_diag diag;
    crdt_span path;
    crdt_span hash;
    cr_expect_not(content_asset_list_model(&list, crdt_span_of("x"), &path));
    cr_assert_eq(content_asset_list_take(&list, crdt_span_of(ANSWER), &diag), CRDT_OK);
    cr_assert(content_asset_list_model(&list, crdt_span_of("x"), &path));
    cr_expect(crdt_span_equal(path, crdt_span_of("F/f.glb")));
    cr_expect_eq(list.asset_count, 2); /* none that nobody asked for */
    const content_asset *asset = content_asset_list_find(&list, crdt_span_of("x"));
    content_asset_cursor cursor = {0};
    size_t count = 0;
    while (content_asset_next_file(asset, &cursor, &path, &hash)) {
        count++;
    }
    cr_expect_eq(count, 2); /* the one without a text is passed over */
    cr_expect_eq(content_asset_metric(asset, "triangles"), 12);
    cr_expect_eq(content_asset_metric(asset, "bodies"), 0);

    /* What is known is not said anew. */
    static const char AGAIN[] = "[{\"id\":\"x\",\"model\":\"evil\"}]";
    cr_assert_eq(content_asset_list_take(&list, crdt_span_of(AGAIN), &diag), CRDT_OK);
    cr_assert(content_asset_list_model(&list, crdt_span_of("x"), &path));
    cr_expect(crdt_span_equal(path, crdt_span_of("F/f.glb")));

    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    cr_assert_eq(content_asset_list_write(&list, &text), CRDT_OK);
    static const char WANTED[] =
        "[{\"contents\":{\"F/f.glb\":\"QmA\",\"F/"
        "t.png\":\"QmB\",\"bad\":7},\"id\":\"x\","
        "\"metrics\":{\"triangles\":12},\"model\":\"F/f.glb\"}]";
    cr_expect(crdt_span_equal(crdt_buf_span(&text), crdt_span_of(WANTED)), "%.*s",
              (int)text.size, (char *)text.data);
    crdt_buf_deinit(&text);
}

Test(asset_list, answers_that_are_rubbish)
{
    static const char *const ROWS[] = {"", "{", "7", "{\"ok\":false}", "{\"data\":7}"};
    crdt_diag diag;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        cr_expect_eq(content_asset_list_take(&list, crdt_span_of(ROWS[i]), &diag),
                     CRDT_ECORRUPT, "%s", ROWS[i]);
    }
    static const char ODD[] =
        "[{\"id\":\"x\",\"contents\":[],\"metrics\":7,\"model\":{}},{\"id\":\"door\","
        "\"metrics\":{\"triangles\":-5,\"bodies\":\"x\"}}]";
    cr_assert_eq(content_asset_list_take(&list, crdt_span_of(ODD), &diag), CRDT_OK);
    const content_asset *asset = content_asset_list_find(&list, crdt_span_of("x"));
    const content_asset *door = content_asset_list_find(&list, crdt_span_of("door"));
    content_asset_cursor cursor = {0};
    crdt_span path;
    crdt_span hash;
    cr_expect_not(content_asset_next_file(asset, &cursor, &path, &hash));
    cr_expect_not(content_asset_list_model(&list, crdt_span_of("x"), &path));
    cr_expect_eq(content_asset_metric(asset, "triangles"), 0);
    cr_expect_eq(content_asset_metric(door, "triangles"), 0);
    cr_expect_eq(content_asset_metric(door, "bodies"), 0);
}
