#include "scene/project_spelling.h"

#include <string.h>

#include "crdt/value.h"

/* In files, and at servers; those that a server needs are made up where a file has none. */
static const struct {
    const char *file;
    const char *server;
    bool needed;
} NAMES[] = {
    {"id", "id", true},
    {"title", "title", true},
    {"description", "description", true},
    {"sceneId", "scene_id", true},
    {"thumbnail", "thumbnail", false},
    {"ethAddress", "eth_address", false},
    {"isPublic", "is_public", false},
    {"createdAt", "created_at", false},
    {"updatedAt", "updated_at", false},
    {"creationCoords", "creation_coords", false},
    {"isTemplate", "is_template", false},
    {"video", "video", false},
    {"templateStatus", "template_status", false},
    {"layout", "rows", true},
    {"layout", "cols", true},
};
#define NAME_COUNT (sizeof NAMES / sizeof NAMES[0])

static bool same(crdt_span name, const char *text)
{
    return crdt_span_equal(name, crdt_span_of(text));
}

const char *scene_project_server_name(crdt_span name)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        bool layout = same(name, "layout");
        if (!layout && (same(name, NAMES[i].file) || same(name, NAMES[i].server))) {
            return NAMES[i].server;
        }
    }
    return NULL;
}

/* {"cols": c, "rows": r} as the server has them, if the layout was another. */
static crdt_err visit_layout(scene_import *import, crdt_span name,
                             const scene_json_node *project, const scene_json_node *was,
                             scene_project_visit visit, void *ctx)
{
    const scene_json_node *sides[2] = {scene_json_find(project, "cols"),
                                       scene_json_find(project, "rows")};
    const char *const keys[2] = {"cols", "rows"};
    bool equal = true;
    for (size_t i = 0; i < 2; i++) {
        const scene_json_node *former = scene_json_find(was, keys[i]);
        equal =
            equal && (sides[i] == NULL ||
                      (former != NULL && scene_import_equal(import, former, sides[i])));
    }
    if (equal || sides[0] == NULL || sides[1] == NULL) {
        return visit(ctx, name, was, (crdt_span){NULL, 0});
    }
    crdt_buf value;
    crdt_buf_init(&value, import->alloc);
    crdt_err err = crdt_value_write_map(&value, 2);
    for (size_t i = 0; i < 2 && err == CRDT_OK; i++) {
        err = crdt_value_write_string(&value, crdt_span_of(keys[i]));
        if (err == CRDT_OK) {
            err = scene_json_encode(sides[i], import->alloc, &value);
        }
    }
    if (err == CRDT_OK) {
        err = visit(ctx, name, NULL, crdt_buf_span(&value));
    }
    crdt_buf_deinit(&value);
    return err;
}

/* Is the server's member one of those that the file had, in whatever spelling? Or was it
 * made up because a server needs it? */
static bool is_told(crdt_span name, const scene_json_node *was)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (same(name, NAMES[i].server)) {
            return NAMES[i].needed || scene_json_find(was, NAMES[i].file) != NULL ||
                   scene_json_find(was, NAMES[i].server) != NULL;
        }
    }
    return scene_json_find_text(was, name) != NULL;
}

static crdt_err visit_all(const scene_json_node *object, scene_project_visit visit,
                          void *ctx)
{
    crdt_err err = CRDT_OK;
    const scene_json_node *key = object + 1;
    for (uint32_t i = 0; i < object->count && err == CRDT_OK; i++) {
        err = visit(ctx, scene_json_text(key), key + 1, (crdt_span){NULL, 0});
        key = scene_json_next(key + 1);
    }
    return err;
}

crdt_err scene_project_members(scene_import *import, const scene_json_node *project,
                               const scene_json_node *was, scene_project_visit visit,
                               void *ctx)
{
    bool kept = was != NULL && was->type == SCENE_JSON_OBJECT && was->count <= 64;
    if (!kept) {
        return visit_all(project, visit, ctx);
    }
    crdt_err err = CRDT_OK;
    const scene_json_node *key = was + 1;
    for (uint32_t i = 0; i < was->count && err == CRDT_OK; i++) {
        crdt_span name = scene_json_text(key);
        const char *server = scene_project_server_name(name);
        const scene_json_node *now =
            server != NULL ? scene_json_find(project, server) : NULL;
        if (same(name, "layout") && key[1].type == SCENE_JSON_OBJECT) {
            err = visit_layout(import, name, project, key + 1, visit, ctx);
        } else {
            err = visit(ctx, name, now != NULL ? now : key + 1, (crdt_span){NULL, 0});
        }
        key = scene_json_next(key + 1);
    }
    key = project + 1;
    for (uint32_t i = 0; i < project->count && err == CRDT_OK; i++) {
        if (!is_told(scene_json_text(key), was)) {
            err = visit(ctx, scene_json_text(key), key + 1, (crdt_span){NULL, 0});
        }
        key = scene_json_next(key + 1);
    }
    return err;
}
