/* A state file as it is published says all that the scene did: the same code is made of
 * it. Every sample, in every format, and every real scene that is at hand. */

#include "cli/content/published_scene.h"
#include "scene/codegen.h"
#include "scene/descent.h"
#include "scene/format.h"
#include "tests/scene/scene_files.h"

#include <criterion/criterion.h>

#include <string.h>

static const crdt_actor LINEAGE = {{0xab, 0xcd}};

/* As it is saved: with a lineage and a version. */
static crdt_buf saved_state(const crdt_document *doc, const scene_tree *tree)
{
    crdt_alloc alloc = crdt_alloc_default();
    scene_descent descent;
    scene_descent_init(&descent, alloc);
    cr_assert_eq(scene_descent_read(&descent, doc), CRDT_OK);
    cr_assert_eq(scene_descent_push(&descent, &LINEAGE, crdt_document_version(doc)),
                 CRDT_OK);
    crdt_buf state;
    crdt_buf_init(&state, alloc);
    cr_assert_eq(scene_format_write_saved(doc, SCENE_FORMAT_STATE, tree, &descent,
                                          alloc, &state),
                 CRDT_OK);
    scene_descent_deinit(&descent);
    return state;
}

Test(published_scene, the_same_code_is_made_of_its_state)
{
    crdt_alloc alloc = crdt_alloc_default();
    files list = files_open(false);
    cr_assert_gt(list.count, 3);
    for (size_t i = 0; i < list.count; i++) {
        crdt_buf text = files_read(list.paths[i]);
        crdt_document *doc =
            files_load(crdt_buf_span(&text), list.paths[i], SCENE_FORMAT_NONE);
        scene_tree *tree;
        cr_assert_eq(scene_tree_open(&tree, alloc), CRDT_OK);
        cr_assert_eq(scene_tree_build(tree, doc), CRDT_OK);
        crdt_buf code;
        crdt_buf again;
        crdt_buf_init(&code, alloc);
        crdt_buf_init(&again, alloc);
        cr_assert_eq(scene_codegen_write(doc, tree, alloc, &code), CRDT_OK);
        crdt_buf state = saved_state(doc, tree);

        content_published_scene scene;
        crdt_diag diag = {0};
        cr_assert_eq(
            content_published_scene_read(&scene, alloc, crdt_buf_span(&state), &diag),
            CRDT_OK, "%s: %s", list.paths[i], diag.text);
        cr_expect_str_eq(scene.lineage, "abcd0000000000000000000000000000");
        cr_expect_gt(scene.version.size, 2);
        cr_assert_eq(content_published_scene_code(&scene, &again), CRDT_OK);
        files_same(crdt_buf_span(&again), crdt_buf_span(&code), list.paths[i]);
        content_published_scene_deinit(&scene);

        crdt_buf_deinit(&state);
        crdt_buf_deinit(&again);
        crdt_buf_deinit(&code);
        scene_tree_close(tree);
        crdt_document_close(doc);
        crdt_buf_deinit(&text);
    }
    files_close(&list);
}

Test(published_scene, what_a_state_says_of_its_project)
{
    static const char STATE[] =
        "{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"components\":["
        "{\"type\":\"GLTFShape\",\"value\":{\"assetId\":\"f\"}}]}],"
        "\"scenesync\":{\"format\":\"builder\",\"lineage\":\"0a\",\"version\":{\"b\":1,"
        "\"a\":22},\"parts\":{\"project\":{\"id\":\"p\",\"title\":\"T\","
        "\"layout\":{\"rows\":2,\"cols\":3}},\"assets\":{\"f\":{\"model\":\"m.glb\","
        "\"metrics\":{\"triangles\":7}}}}}}";
    content_published_scene scene;
    crdt_diag diag = {0};
    cr_assert_eq(content_published_scene_read(&scene, crdt_alloc_default(),
                                              crdt_span_of(STATE), &diag),
                 CRDT_OK, "%s", diag.text);
    cr_expect(crdt_span_equal(scene.project.title, crdt_span_of("T")));
    cr_expect(crdt_span_equal(scene.project.id, crdt_span_of("p")));
    cr_expect_eq(scene.project.description.size, 0);
    cr_expect_eq(scene.project.rows, 2);
    cr_expect_eq(scene.project.cols, 3);
    cr_expect_eq(scene.entity_count, 1);
    cr_expect_eq(scene.origin, SCENE_FORMAT_BUILDER);
    cr_expect(crdt_span_equal(crdt_buf_span(&scene.version),
                              crdt_span_of("{\"a\":22,\"b\":1}")));
    cr_expect_eq(content_published_scene_metric(&scene, "triangles"), 7);
    char name[64];
    cr_assert(content_published_scene_path(&scene, &scene.assets.assets[0],
                                           crdt_span_of("m.glb"), name, sizeof name));
    cr_expect_str_eq(name, "f/m.glb");
    cr_expect_not(content_published_scene_path(&scene, &scene.assets.assets[0],
                                               crdt_span_of("m.glb"), name, 7));
    content_published_scene_deinit(&scene);
}

Test(published_scene, states_that_are_none)
{
    static const char *const ROWS[] = {"", "{}", "[]", "{\"schemaVersion\":2}",
                                       "{\"schemaVersion\":1,\"entities\":7}"};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        content_published_scene scene;
        crdt_diag diag = {0};
        cr_expect_neq(content_published_scene_read(&scene, crdt_alloc_default(),
                                                   crdt_span_of(ROWS[i]), &diag),
                      CRDT_OK);
        cr_expect_str_neq(diag.text, "");
        content_published_scene_deinit(&scene);
    }
}
