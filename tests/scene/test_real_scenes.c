/* Real scenes of all three formats, where they are at hand (SCENESYNC_SHARED, or
 * ../shared beside the project): edited by two at once, undone, and seen through the
 * snapshot that is kept along. */

#include "scene/format.h"
#include "scene/scene.h"
#include "tests/scene/world.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *data_folder(void)
{
    const char *folder = getenv("SCENESYNC_SHARED");
    return folder != NULL ? folder : "../shared";
}

static crdt_buf read_file(const char *path)
{
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    char block[65536];
    size_t size;
    while ((size = fread(block, 1, sizeof block, file)) > 0) {
        cr_assert_eq(crdt_buf_append(&text, block, size), CRDT_OK);
    }
    fclose(file);
    return text;
}

/* Both replicas hold the file. False: it is none that can be read. */
static bool import_file(world *w, const char *path)
{
    crdt_buf text = read_file(path);
    scene_format_options options = scene_format_options_default();
    crdt_err err =
        scene_format_read(crdt_buf_span(&text), &options, crdt_alloc_default(),
                          &w->replicas[0].ops, NULL, NULL);
    crdt_buf_deinit(&text);
    if (err != CRDT_OK) {
        crdt_op_list_clear(&w->replicas[0].ops);
        return false;
    }
    world_commit(w, 0, CRDT_ORIGIN_IMPORT, NULL);
    world_sync(w);
    return true;
}

/* The names of some entities, to edit; the fields that are there, to change. */
enum { PICK_MAX = 200 };

typedef struct pick {
    char entity[64];
    char component[64];
    char field[64];
} pick;

static size_t pick_fields(const world *w, gen *g, pick *picks)
{
    const crdt_document *doc = w->replicas[0].doc;
    size_t count = 0;
    size_t seen = 0;
    crdt_object entity = {0};
    while (scene_entity_next(doc, &entity)) {
        crdt_part part = {0};
        while (crdt_document_next_part(doc, entity, &part)) {
            crdt_span id = crdt_document_object_name(doc, entity);
            crdt_span name = crdt_document_part_name(doc, part);
            scene_component component;
            scene_field field;
            scene_field_cursor cursor = {0};
            if (!crdt_document_part_live(doc, part) ||
                !scene_layout_is_component(name, NULL)) {
                continue;
            }
            scene_component_open(doc, part, &component);
            while (scene_component_next_field(&component, &cursor, &field)) {
                if (id.size > 60 || name.size > 60 || field.name.size > 60) {
                    continue;
                }
                /* A sample of all: each with the same chance. */
                seen++;
                size_t at = count < PICK_MAX ? count++ : gen_below(g, seen);
                if (at >= PICK_MAX) {
                    continue;
                }
                snprintf(picks[at].entity, 64, "%.*s", (int)id.size, id.data);
                snprintf(picks[at].component, 64, "%.*s", (int)name.size, name.data);
                snprintf(picks[at].field, 64, "%.*s", (int)field.name.size,
                         field.name.data);
            }
        }
    }
    return count;
}

static crdt_err random_edit(world *w, gen *g, size_t r, const pick *picks, size_t count)
{
    const pick *p = &picks[gen_below(g, count)];
    const pick *other = &picks[gen_below(g, count)];
    char number[16];
    snprintf(number, sizeof number, "%d", (int)gen_below(g, 1000));
    switch (gen_below(g, 8)) {
    case 0:
        return world_remove(w, r, p->entity);
    case 1:
        return world_remove_component(w, r, p->entity, p->component);
    case 2:
        return world_unset(w, r, p->entity, p->component, p->field);
    case 3:
        return world_move(w, r, p->entity, gen_chance(g, 70) ? other->entity : NULL);
    case 4:
        return world_set(w, r, p->entity, p->component,
                         gen_chance(g, 50) ? "{\"a\":1}" : "[2]");
    case 5:
        return world_set_field(w, r, p->entity, "added", "by", number);
    default:
        return world_set_field(w, r, p->entity, p->component, p->field, number);
    }
}

typedef void (*scene_test)(world *w, gen *g, const pick *picks, size_t count,
                           const char *path);

static void with_each_scene(scene_test test)
{
    static const char *const PATTERNS[] = {"builder/*.json",
                                           "state/*.scene-state-definition.json",
                                           "composite/*/*.composite.json"};
    size_t scenes = 0;
    for (size_t i = 0; i < 3; i++) {
        char pattern[512];
        snprintf(pattern, sizeof pattern, "%s/data/%s", data_folder(), PATTERNS[i]);
        glob_t found;
        if (glob(pattern, 0, NULL, &found) != 0) {
            continue;
        }
        for (size_t k = 0; k < found.gl_pathc; k++) {
            world w;
            world_open(&w, 2);
            gen g = gen_open(k + 1, NULL);
            static pick picks[PICK_MAX];
            if (import_file(&w, found.gl_pathv[k])) {
                size_t count = pick_fields(&w, &g, picks);
                if (count > 0) {
                    test(&w, &g, picks, count, found.gl_pathv[k]);
                    scenes++;
                }
            }
            world_close(&w);
        }
        globfree(&found);
    }
    if (scenes == 0) {
        cr_skip_test("no scenes below %s/data", data_folder());
    }
}

static void edit_at_once(world *w, gen *g, const pick *picks, size_t count,
                         const char *path)
{
    (void)path;
    world_assert_equal(w);
    for (size_t i = 0; i < 40; i++) {
        random_edit(w, g, gen_below(g, 2), picks, count);
        if (gen_chance(g, 20)) {
            world_json(w, gen_below(g, 2));
        }
        if (gen_chance(g, 10)) {
            world_sync(w);
        }
    }
    world_sync(w);
    world_assert_equal(w);
}

Test(real_scenes, equal_states_give_equal_bytes)
{
    with_each_scene(edit_at_once);
}

/* Undo of all that one did gives the very bytes that were imported; redo of all gives the
 * edited ones again. */
static void undo_all(world *w, gen *g, const pick *picks, size_t count,
                     const char *path)
{
    char *imported = strdup(world_json(w, 0));
    size_t made = 0;
    for (size_t i = 0; i < 30; i++) {
        made += random_edit(w, g, 0, picks, count) == CRDT_OK;
    }
    char *edited = strdup(world_json(w, 0));
    for (size_t i = 0; i < made; i++) {
        cr_assert_eq(world_undo(w, 0), CRDT_OK, "%s: undo %zu of %zu", path, i, made);
    }
    cr_assert_eq(world_undo(w, 0), CRDT_ENOTHING);
    cr_assert_str_eq(world_json(w, 0), imported, "%s", path);
    for (size_t i = 0; i < made; i++) {
        cr_assert_eq(world_redo(w, 0), CRDT_OK, "%s: redo %zu of %zu", path, i, made);
    }
    cr_assert_str_eq(world_json(w, 0), edited, "%s", path);
    free(imported);
    free(edited);
}

Test(real_scenes, undo_all_is_as_imported)
{
    with_each_scene(undo_all);
}
