#include "cli/content/published_scene.h"

#include "crdt/value.h"
#include "scene/codegen.h"
#include "scene/format.h"
#include "scene/scene.h"

#include <stdio.h>

/* ---- the state file ---- */

/* {actor: time} of `scenesync`, canonical. */
static crdt_err take_version(const scene_json_node *carry, crdt_alloc alloc,
                             crdt_buf *version)
{
    const scene_json_node *node = scene_json_find(carry, "version");
    if (node == NULL || node->type != SCENE_JSON_OBJECT) {
        return CRDT_OK;
    }
    crdt_buf value;
    crdt_buf_init(&value, alloc);
    crdt_err err = scene_json_encode(node, alloc, &value);
    if (err == CRDT_OK) {
        err = scene_json_write_value(crdt_buf_span(&value), version);
    }
    crdt_buf_deinit(&value);
    return err;
}

crdt_err content_state_version(crdt_span state, crdt_alloc alloc, crdt_buf *version,
                               char lineage[40], crdt_diag *diag)
{
    scene_json_limits limits = {.size_max = CONTENT_STATE_SIZE_MAX,
                                .depth_max = SCENE_JSON_DEPTH_MAX};
    scene_json *json;
    lineage[0] = '\0';
    crdt_err err = scene_json_open(&json, alloc, state, &limits, diag);
    if (err != CRDT_OK) {
        return err;
    }
    const scene_json_node *carry = scene_json_find(scene_json_root(json), "scenesync");
    const scene_json_node *name =
        carry != NULL ? scene_json_find(carry, "lineage") : NULL;
    if (name != NULL && name->type == SCENE_JSON_STRING && name->count < 40) {
        memcpy(lineage, name->as.text, name->count);
        lineage[name->count] = '\0';
    }
    err = carry != NULL ? take_version(carry, alloc, version) : CRDT_OK;
    scene_json_close(json);
    return err;
}

static crdt_err read_document(content_published_scene *scene, crdt_span state,
                              crdt_diag *diag)
{
    crdt_op_list ops;
    crdt_arena arena;
    crdt_batch batch;
    crdt_edit edit = {.actor = {{1}}};
    crdt_document_options options = crdt_document_options_default();
    scene_format_options format = scene_format_options_default();
    format.format = SCENE_FORMAT_STATE;
    format.limits.size_max = CONTENT_STATE_SIZE_MAX;
    options.alloc = scene->alloc;
    crdt_op_list_init(&ops, scene->alloc);
    crdt_arena_init(&arena, scene->alloc);
    crdt_err err = scene_format_read(state, &format, scene->alloc, &ops, NULL, diag);
    err = err == CRDT_OK ? crdt_document_open(&scene->doc, &options) : err;
    if (err == CRDT_OK && ops.op_count > 0) {
        err = crdt_document_commit(scene->doc, &edit, ops.ops, ops.op_count, &arena,
                                   &batch, diag);
        err = err == CRDT_ENOTHING ? CRDT_OK : err;
    }
    crdt_arena_deinit(&arena);
    crdt_op_list_deinit(&ops);
    err = err == CRDT_OK ? scene_tree_open(&scene->tree, scene->alloc) : err;
    return err == CRDT_OK ? scene_tree_build(scene->tree, scene->doc) : err;
}

/* ---- the project ---- */

static bool project_value(const content_published_scene *scene, const char *name,
                          crdt_span *value)
{
    crdt_object object =
        crdt_document_find_object(scene->doc, crdt_span_of(SCENE_NAME_SCENE));
    if (object.id == 0 || !crdt_document_object_live(scene->doc, object)) {
        return false;
    }
    crdt_part part = scene_part_find(scene->doc, object, crdt_span_of("project"));
    crdt_entry entry;
    crdt_field field = {0};
    if (part.id != 0) {
        field = crdt_document_find_field(scene->doc, part, crdt_span_of(name));
    }
    if (field.id == 0 || !crdt_document_field_value(scene->doc, field, 0, &entry)) {
        return false;
    }
    *value = entry.value;
    return true;
}

static crdt_span project_text(const content_published_scene *scene, const char *name)
{
    crdt_span value;
    crdt_span text;
    if (project_value(scene, name, &value) && scene_value_text(value, &text)) {
        return text;
    }
    return (crdt_span){0};
}

static uint32_t whole_number(crdt_span value)
{
    crdt_value_reader reader = crdt_value_read_open(value);
    crdt_value_token token = crdt_value_read(&reader);
    bool good = token.type == CRDT_VALUE_NUMBER && token.integral &&
                token.integer > 0 && token.integer <= CONTENT_PARCELS_MAX;
    return good ? (uint32_t)token.integer : 0;
}

/* In a file `layout` holds both, at a server they stand by themselves. */
static uint32_t layout_number(const content_published_scene *scene, const char *name)
{
    crdt_span value;
    crdt_span inner;
    if (project_value(scene, "layout", &value) &&
        crdt_value_type_of(value) == CRDT_VALUE_MAP &&
        crdt_value_map_find(value, name, &inner)) {
        return whole_number(inner);
    }
    return project_value(scene, name, &value) ? whole_number(value) : 0;
}

crdt_err content_published_scene_read(content_published_scene *scene, crdt_alloc alloc,
                                      crdt_span state, crdt_diag *diag)
{
    *scene = (content_published_scene){.alloc = alloc};
    content_asset_list_init(&scene->assets, alloc);
    crdt_buf_init(&scene->version, alloc);
    crdt_err err =
        content_state_version(state, alloc, &scene->version, scene->lineage, diag);
    err = err == CRDT_OK ? read_document(scene, state, diag) : err;
    err = err == CRDT_OK ? content_asset_list_read(&scene->assets, scene->doc) : err;
    if (err != CRDT_OK) {
        if (diag != NULL && diag->text[0] == '\0') {
            crdt_diag_set(diag, err, 0, "the scene: %s", crdt_err_text(err));
        }
        return err;
    }
    scene->origin = scene_origin_of(scene->doc);
    scene->entity_count = scene_tree_count(scene->tree);
    scene->title = project_text(scene, "title");
    scene->description = project_text(scene, "description");
    scene->project = project_text(scene, "id");
    scene->rows = layout_number(scene, "rows");
    scene->cols = layout_number(scene, "cols");
    return CRDT_OK;
}

void content_published_scene_deinit(content_published_scene *scene)
{
    scene_tree_close(scene->tree);
    if (scene->doc != NULL) {
        crdt_document_close(scene->doc);
    }
    content_asset_list_deinit(&scene->assets);
    crdt_buf_deinit(&scene->version);
}

/* ---- what is deployed ---- */

crdt_err content_published_scene_code(content_published_scene *scene, crdt_buf *out)
{
    scene_codegen_assets assets = {.model = content_asset_list_model,
                                   .ctx = &scene->assets};
    return scene_codegen_write_with(scene->doc, scene->tree, &assets, scene->alloc,
                                    out);
}

bool content_published_scene_path(const content_published_scene *scene,
                                  const content_asset *asset, crdt_span path, char *out,
                                  size_t size)
{
    bool builder = scene->origin == SCENE_FORMAT_BUILDER;
    crdt_span folder = builder ? asset->id : crdt_span_of("models");
    if (memchr(path.data, '\0', path.size) != NULL ||
        memchr(folder.data, '\0', folder.size) != NULL ||
        folder.size + 1 + path.size >= size) {
        return false;
    }
    memcpy(out, folder.data, folder.size);
    out[folder.size] = '/';
    memcpy(out + folder.size + 1, path.data, path.size);
    out[folder.size + 1 + path.size] = '\0';
    return true;
}

double content_published_scene_metric(const content_published_scene *scene,
                                      const char *name)
{
    double sum = 0;
    for (size_t i = 0; i < scene->assets.asset_count; i++) {
        const content_asset *asset = &scene->assets.assets[i];
        sum += content_asset_metric(asset, name) * asset->uses;
    }
    return sum;
}
