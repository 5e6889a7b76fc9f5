/* The generated code: what it looks like, that it is a function of what is shown alone, and
 * that no text of a scene gets out of its quotes. That a JavaScript engine builds the
 * snapshot from it: tests/cli/test_generated_code.py. */

#include "scene/codegen.h"
#include "tests/scene/world.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static world w;

static void open_world(void)
{
    world_open(&w, 3);
}

static void close_world(void)
{
    world_close(&w);
}

TestSuite(codegen, .init = open_world, .fini = close_world);

static bool model_of(void *ctx, crdt_span asset, crdt_span *path)
{
    (void)ctx;
    *path = crdt_span_of("Floor/Floor.glb");
    return crdt_span_equal(asset, crdt_span_of("known"));
}

/* The code of a replica, terminated; to be freed. */
static char *code_of(size_t r, bool with_assets)
{
    const crdt_document *doc = w.replicas[r].doc;
    crdt_alloc alloc = crdt_alloc_default();
    scene_tree *tree;
    cr_assert_eq(scene_tree_open(&tree, alloc), CRDT_OK);
    cr_assert_eq(scene_tree_build(tree, doc), CRDT_OK);
    crdt_buf out;
    crdt_buf_init(&out, alloc);
    scene_codegen_assets assets = {.model = model_of};
    cr_assert_eq(
        scene_codegen_write_with(doc, tree, with_assets ? &assets : NULL, alloc, &out),
        CRDT_OK);
    scene_tree_close(tree);
    char *text = strndup((const char *)out.data, out.size);
    cr_assert_not_null(text);
    crdt_buf_deinit(&out);
    return text;
}

static void expect_code(size_t r, bool with_assets, const char *wanted)
{
    char *code = code_of(r, with_assets);
    cr_expect_str_eq(code, wanted, "got:\n%s", code);
    free(code);
}

static void expect_line(const char *line)
{
    char *code = code_of(0, true);
    cr_expect_not_null(strstr(code, line), "%s\nis not in\n%s", line, code);
    free(code);
}

static void must(crdt_err err)
{
    cr_assert_eq(err, CRDT_OK, "%s", crdt_err_text(err));
}

Test(codegen, an_empty_scene)
{
    expect_code(
        0, false,
        "dcl.subscribe('sceneStart', {\"origin\":\"state\",\"scenesync\":1});\n");
}

/* The golden text: numbers, parents that come later, names, what only editors read. */
Test(codegen, what_it_looks_like)
{
    must(world_set(&w, 0, "a", "GLTFShape",
                   "{\"assetId\":\"known\",\"visible\":false}"));
    must(world_set(&w, 0, "a", "Transform",
                   "{\"position\":{\"x\":1.5,\"y\":0,\"z\":8},\"parent\":\"b\"}"));
    must(world_set(&w, 0, "b", "Name",
                   "{\"value\":\"Lamp\",\"builderValue\":\"lamp\"}"));
    must(world_set(&w, 0, "b", "GLTFShape", "{\"src\":\"x.glb\"}"));
    must(world_set(&w, 0, "b", "AudioSource", "{\"volume\":1}"));
    must(world_set(&w, 0, "c", "Glow", "{\"level\":2}"));
    must(world_set(&w, 0, "c", "Name", "{\"value\":\"Lamp\"}"));
    must(world_set(&w, 0, "c", "BoxShape", "7"));
    must(world_set(&w, 0, "c", "Transform", "{\"position\":{\"x\":1}}"));
    expect_code(
        0, true,
        "dcl.subscribe('sceneStart', {\"origin\":\"state\",\"scenesync\":1});\n"
        "\n"
        "dcl.addEntity('1', {\"id\":\"a\"});\n"
        "dcl.setParent('1', '0');\n"
        "dcl.componentCreated('gltfShape', 'engine.shape', 54, "
        "{\"type\":\"GLTFShape\"});\n"
        "dcl.componentUpdated('gltfShape', JSON.stringify({\"assetId\":\"known\","
        "\"isPointerBlocker\":true,\"src\":\"models/Floor/"
        "Floor.glb\",\"visible\":false,"
        "\"withCollisions\":true}), "
        "{\"made\":[\"isPointerBlocker\",\"src\",\"withCollisions\"]});\n"
        "dcl.attachEntityComponent('1', 'engine.shape', 'gltfShape');\n"
        "dcl.updateEntityComponent('1', 'engine.transform', 1, "
        "JSON.stringify({\"parent\":\"b\",\"position\":{\"x\":1.5,\"y\":0,\"z\":8},"
        "\"rotation\":{\"w\":1,\"x\":0,\"y\":0,\"z\":0},"
        "\"scale\":{\"x\":1,\"y\":1,\"z\":1}}), "
        "{\"made\":[\"rotation\",\"scale\"],\"type\":\"Transform\"});\n"
        "\n"
        "dcl.addEntity('2', {\"id\":\"b\"});\n"
        "dcl.setParent('2', '0');\n"
        "dcl.updateEntityComponent('2', 'engine.AudioSource', 201, "
        "JSON.stringify({\"volume\":1}), {\"type\":\"AudioSource\"});\n"
        "dcl.componentCreated('gltfShape_2', 'engine.shape', 54, "
        "{\"type\":\"GLTFShape\"});\n"
        "dcl.componentUpdated('gltfShape_2', "
        "JSON.stringify({\"isPointerBlocker\":true,\"src\":\"x.glb\",\"visible\":true,"
        "\"withCollisions\":true}), "
        "{\"made\":[\"isPointerBlocker\",\"visible\",\"withCollisions\"]});\n"
        "dcl.attachEntityComponent('2', 'engine.shape', 'gltfShape_2');\n"
        "dcl.scenesync && dcl.scenesync('2', {\"type\":\"Name\","
        "\"value\":{\"builderValue\":\"lamp\",\"value\":\"Lamp\"}});\n"
        "\n"
        "dcl.addEntity('3', {\"id\":\"c\"});\n"
        "dcl.setParent('3', '0');\n"
        "dcl.scenesync && dcl.scenesync('3', {\"type\":\"BoxShape\",\"value\":7});\n"
        "dcl.scenesync && dcl.scenesync('3', "
        "{\"type\":\"Glow\",\"value\":{\"level\":2}});\n"
        "dcl.scenesync && dcl.scenesync('3', "
        "{\"type\":\"Name\",\"value\":{\"value\":\"Lamp\"}});\n"
        "dcl.scenesync && dcl.scenesync('3', "
        "{\"type\":\"Transform\",\"value\":{\"position\":{\"x\":1}}});\n"
        "\n"
        "dcl.setParent('1', '2');\n");
}

/* A component that several share is declared once; one with an own field by itself. */
Test(codegen, shared_components)
{
    for (int i = 0; i < 3; i++) {
        const char *entities[] = {"a", "b", "c"};
        world_raw(&w, 0, CRDT_OP_ADD, entities[i], NULL, NULL, NULL);
        world_raw(&w, 0, CRDT_OP_ADD, entities[i], "GLTFShape", NULL, NULL);
        world_raw(&w, 0, CRDT_OP_SET, entities[i], "GLTFShape", "\377s", "\"floor\"");
    }
    world_raw(&w, 0, CRDT_OP_ADD, "\377cfloor", NULL, NULL, NULL);
    world_raw(&w, 0, CRDT_OP_ADD, "\377cfloor", "GLTFShape", NULL, NULL);
    world_raw(&w, 0, CRDT_OP_SET, "\377cfloor", "GLTFShape", "assetId", "\"f\"");
    world_raw(&w, 0, CRDT_OP_SET, "b", "GLTFShape", "visible", "false");
    char *code = code_of(0, false);
    size_t created = 0;
    for (const char *at = code; (at = strstr(at, "componentCreated")) != NULL; at++) {
        created++;
    }
    cr_expect_eq(created, 2, "%s", code);
    cr_expect_not_null(strstr(code, "('1', 'engine.shape', 'gltfShape');"));
    cr_expect_not_null(strstr(code, "('2', 'engine.shape', 'gltfShape_2');"));
    cr_expect_not_null(strstr(code, "('3', 'engine.shape', 'gltfShape');"));
    free(code);
}

Test(codegen, texts_stay_in_their_quotes)
{
    must(world_set(&w, 0, "a'); alert(1); ('", "Glow",
                   "{\"</script><!--\":\"\\u2028\\u2029'\\\"\\\\\\u0000\"}"));
    expect_line("{\"id\":\"a'); alert(1); ('\"}");
    expect_line("{\"\\u003c/script>\\u003c!--\":\"\\u2028\\u2029'\\\"\\\\\\u0000\"}");
    must(world_set(&w, 0, "p", "BoxShape", "{\"__proto__\":{\"x\":1}}"));
    expect_line("dcl.componentUpdated('boxShape', \"{\\\"__proto__\\\":{\\\"x\\\":1},");
    must(world_set(&w, 0, "p", "Glow", "{\"__proto__\":null}"));
    expect_line("\"value\":JSON.parse(\"{\\\"__proto__\\\":null}\")");
    char *code = code_of(0, false);
    cr_expect_null(strstr(code, "</"));
    cr_expect_null(strstr(code, "<!"));
    cr_expect_null(strstr(code, "\xe2\x80\xa8"));
    free(code);
}

/* Cycles and orphans hang at the root, as the snapshot shows them. */
Test(codegen, parents_as_shown)
{
    must(world_add(&w, 0, "a", NULL));
    must(world_add(&w, 0, "b", NULL));
    world_sync(&w);
    must(world_move(&w, 0, "a", "b"));
    must(world_move(&w, 1, "b", "a"));
    world_sync(&w);
    world_raw(&w, 0, CRDT_OP_ADD, "c", NULL, NULL, NULL);
    world_raw(&w, 0, CRDT_OP_ADD, "c", "Transform", NULL, NULL);
    world_raw(&w, 0, CRDT_OP_SET, "c", "Transform", "parent", "\"gone\"");
    char *code = code_of(0, false);
    cr_expect_null(strstr(code, "gone"), "%s", code);
    bool a_below = strstr(code, "dcl.setParent('1', '2');") != NULL;
    bool b_below = strstr(code, "dcl.setParent('2', '1');") != NULL;
    cr_expect(a_below != b_below, "%s", code);
    cr_expect_not_null(strstr(code, "dcl.setParent('3', '0');"));
    free(code);
}

/* One state, three ways to it: edits made elsewhere, in another order, taken back. */
Test(codegen, equal_states_give_equal_bytes)
{
    must(world_set(&w, 0, "b", "GLTFShape", "{\"src\":\"b\"}"));
    must(world_set(&w, 0, "b", "Name", "{\"value\":\"B\"}"));
    must(world_set(&w, 1, "a", "GLTFShape", "{\"src\":\"a\"}"));
    must(world_add(&w, 2, "gone", NULL));
    world_sync(&w);
    must(world_remove(&w, 0, "gone"));
    must(world_set(&w, 1, "a", "NFTShape", "{\"url\":\"ethereum://0x1/2\"}"));
    must(world_remove_component(&w, 2, "b", "Name"));
    must(world_undo(&w, 2));
    world_sync(&w);
    char *first = code_of(0, true);
    for (size_t r = 1; r < 3; r++) {
        expect_code(r, true, first);
    }
    free(first);
}

Test(codegen, out_of_memory)
{
    must(world_set(&w, 0, "a", "GLTFShape", "{\"assetId\":\"known\"}"));
    must(world_set(&w, 0, "a", "Transform", "{\"__proto__\":1}"));
    const crdt_document *doc = w.replicas[0].doc;
    char *wanted = code_of(0, true);
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    scene_codegen_assets assets = {.model = model_of};
    scene_tree *tree;
    must(scene_tree_open(&tree, crdt_alloc_default()));
    must(scene_tree_build(tree, doc));
    crdt_err err = CRDT_ENOMEM;
    for (uint64_t n = 0; err == CRDT_ENOMEM; n++) {
        crdt_buf out;
        crdt_buf_init(&out, alloc);
        fault_alloc_fail_at(&fault, n);
        err = scene_codegen_write_with(doc, tree, &assets, alloc, &out);
        cr_assert(err == CRDT_OK || (err == CRDT_ENOMEM && out.size == 0));
        if (err == CRDT_OK) {
            cr_expect_eq(out.size, strlen(wanted));
            cr_expect_gt(n, 5);
        }
        crdt_buf_deinit(&out);
        cr_assert(fault_alloc_balanced(&fault));
    }
    scene_tree_close(tree);
    free(wanted);
}
