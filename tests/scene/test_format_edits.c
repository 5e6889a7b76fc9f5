/* Scenes that were edited survive every way as well: random edits on the samples, then
 * into each format and back. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "crdt/value.h"
#include "scene/difference.h"
#include "scene/edit.h"
#include "scene/format.h"
#include "scene/scene.h"
#include "tests/scene/scene_files.h"
#include "tests/support/gen.h"

static const char *const SAMPLES[] = {
    "docs/scenes/courtyard.scene-state-definition.json",
    "docs/scenes/courtyard.builder.json",
    "docs/scenes/courtyard.composite.json",
};

/* A live entity, or a name that may be new. */
static crdt_span pick_entity(gen *g, const crdt_document *doc)
{
    static const char *const NEW[] = {"lamp", "7", "512", "600", "Ünï", "", "new one"};
    if (gen_chance(g, 25)) {
        return crdt_span_of(NEW[gen_below(g, 7)]);
    }
    crdt_span picked = crdt_span_of("first");
    uint64_t seen = 0;
    crdt_object object = {0};
    while (scene_entity_next(doc, &object)) {
        crdt_span name = crdt_document_object_name(doc, object);
        /* The order of iteration is nobody's: choose by the name alone. */
        if (seen++ == 0 || crdt_span_compare(name, picked) < 0 || gen_chance(g, 20)) {
            picked = name;
        }
    }
    return picked;
}

static crdt_span pick_component(gen *g)
{
    static const char *const TYPES[] = {"Transform",
                                        "core::Transform",
                                        "Name",
                                        "core-schema::Name",
                                        "GLTFShape",
                                        "core::GltfContainer",
                                        "Glow",
                                        "core::NotThere",
                                        "Script",
                                        "NFTShape",
                                        "inspector::Config"};
    return crdt_span_of(TYPES[gen_below(g, 11)]);
}

static crdt_span pick_field(gen *g)
{
    static const char *const FIELDS[] = {"value", "src",  "assetId", "position",
                                         "url",   "name", "x",       ""};
    return crdt_span_of(FIELDS[gen_below(g, 8)]);
}

/* A random edit; one that makes no sense is none. */
static void random_edit(gen *g, scene_edit *edit, crdt_document *doc)
{
    crdt_span entity = pick_entity(g, doc);
    crdt_span other = pick_entity(g, doc);
    crdt_span component = pick_component(g);
    crdt_diag diag;
    switch (gen_below(g, 9)) {
    case 0:
        (void)scene_edit_add(edit, entity, NULL, &diag);
        break;
    case 1:
        (void)scene_edit_add(edit, entity, &other, &diag);
        break;
    case 2:
        (void)scene_edit_remove(edit, entity, &diag);
        break;
    case 3:
        (void)scene_edit_move(edit, entity, gen_chance(g, 30) ? NULL : &other, &diag);
        break;
    case 4:
        (void)scene_edit_set(edit, entity, component, gen_value(g, 3), &diag);
        break;
    case 5:
        (void)scene_edit_remove_component(edit, entity, component, &diag);
        break;
    case 6:
        (void)scene_edit_unset_field(edit, entity, component, pick_field(g), &diag);
        break;
    default:
        (void)scene_edit_set_field(edit, entity, component, pick_field(g),
                                   gen_value(g, 2), &diag);
        break;
    }
}

static void edit_scene(gen *g, crdt_document *doc, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        crdt_op_list ops;
        crdt_op_list_init(&ops, crdt_alloc_default());
        scene_edit edit;
        cr_assert_eq(scene_edit_open(&edit, doc, &ops), CRDT_OK);
        random_edit(g, &edit, doc);
        files_commit_onto(doc, ops.ops, ops.op_count);
        scene_edit_close(&edit);
        crdt_op_list_deinit(&ops);
    }
}

static void through(const crdt_document *doc, scene_format format, crdt_span wanted,
                    const char *what)
{
    crdt_buf there = files_write(doc, format);
    crdt_buf canonical = files_canonical(crdt_buf_span(&there));
    files_same(crdt_buf_span(&there), crdt_buf_span(&canonical), what);
    crdt_document *other = files_load(crdt_buf_span(&there), what, format);
    crdt_buf back = files_write(other, scene_format_of(doc));
    files_same(crdt_buf_span(&back), wanted, what);
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    cr_assert_eq(scene_difference_of(doc, other, crdt_alloc_default(), &ops), CRDT_OK);
    cr_assert_eq(ops.op_count, 0, "%s: %zu differences, first %d %.*s/%.*s/%.*s", what,
                 ops.op_count, (int)ops.ops[0].kind, (int)ops.ops[0].key.object.size,
                 (const char *)ops.ops[0].key.object.data,
                 (int)ops.ops[0].key.part.size, (const char *)ops.ops[0].key.part.data,
                 (int)ops.ops[0].key.field.size,
                 (const char *)ops.ops[0].key.field.data);
    crdt_op_list_deinit(&ops);
    crdt_document_close(other);
    crdt_buf_deinit(&there);
    crdt_buf_deinit(&canonical);
    crdt_buf_deinit(&back);
}

Test(format_edits, edited_scenes_survive_every_way)
{
    uint64_t seed = gen_seed(1);
    for (uint64_t run = 0; run < 300; run++) {
        crdt_arena arena;
        crdt_arena_init(&arena, crdt_alloc_default());
        gen g = gen_open(seed + run, &arena);
        crdt_buf text = files_read(SAMPLES[run % 3]);
        crdt_document *doc = files_load(crdt_buf_span(&text), "x", SCENE_FORMAT_NONE);
        edit_scene(&g, doc, 1 + (size_t)gen_below(&g, 20));
        crdt_buf wanted = files_write(doc, SCENE_FORMAT_NONE);
        for (int f = SCENE_FORMAT_STATE; f <= SCENE_FORMAT_COMPOSITE; f++) {
            char what[96];
            snprintf(what, sizeof(what), "SCENESYNC_SEED=%llu: %s through %s",
                     (unsigned long long)(seed + run), SAMPLES[run % 3] + 12,
                     scene_format_name((scene_format)f));
            through(doc, (scene_format)f, crdt_buf_span(&wanted), what);
        }
        crdt_document_close(doc);
        crdt_buf_deinit(&wanted);
        crdt_buf_deinit(&text);
        crdt_arena_deinit(&arena);
    }
}

/* A value as deep as values may be can be exported and read again; a deeper one in a file
 * is refused where it stands. */
Test(format_edits, the_deepest_value_survives)
{
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    static const char HEAD[] = "{\"schemaVersion\":1,\"entities\":[{\"id\":\"512\","
                               "\"components\":[{\"type\":\"Deep\",\"value\":{\"x\":\n";
    static const char TAIL[] = "}}]}]}";
    for (size_t depth = 128; depth <= 129; depth++) {
        crdt_buf_clear(&text);
        crdt_buf_append(&text, HEAD, sizeof(HEAD) - 1);
        for (size_t i = 0; i < 2 * depth; i++) {
            crdt_buf_append(&text, i < depth ? "[" : "]", 1);
        }
        crdt_buf_append(&text, TAIL, sizeof(TAIL) - 1);
        crdt_op_list ops;
        crdt_op_list_init(&ops, crdt_alloc_default());
        scene_format_options options = scene_format_options_default();
        crdt_diag diag = {0};
        crdt_err err = scene_format_read(crdt_buf_span(&text), &options,
                                         crdt_alloc_default(), &ops, NULL, &diag);
        cr_expect_eq(err, depth == 128 ? CRDT_OK : CRDT_ELIMIT);
        cr_expect(depth == 128 || (diag.line == 2 && diag.column == 1));
        if (err == CRDT_OK) {
            crdt_document *doc = files_commit(ops.ops, ops.op_count);
            crdt_buf wanted = files_write(doc, SCENE_FORMAT_STATE);
            for (int f = SCENE_FORMAT_STATE; f <= SCENE_FORMAT_COMPOSITE; f++) {
                crdt_buf there = files_write(doc, (scene_format)f);
                crdt_document *other =
                    files_load(crdt_buf_span(&there), "deep", (scene_format)f);
                crdt_buf back = files_write(other, SCENE_FORMAT_STATE);
                files_same(crdt_buf_span(&back), crdt_buf_span(&wanted), "deep");
                crdt_buf_deinit(&there);
                crdt_buf_deinit(&back);
                crdt_document_close(other);
            }
            crdt_document_close(doc);
            crdt_buf_deinit(&wanted);
        }
        crdt_op_list_deinit(&ops);
    }
    crdt_buf_deinit(&text);
}
