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
                              scene_format kind, crdt_diag *diag)
{
    crdt_document_options options = crdt_document_options_default();
    scene_format_options format = scene_format_options_default();
    format.format = kind;
    format.limits.size_max = CONTENT_STATE_SIZE_MAX;
    options.alloc = scene->alloc;
    crdt_err err = crdt_document_open(&scene->doc, &options);
    if (err == CRDT_OK) {
        err = scene_format_load(state, &format, scene->alloc, scene->doc, NULL, diag);
    }
    err = err == CRDT_OK ? scene_tree_open(&scene->tree, scene->alloc) : err;
    return err == CRDT_OK ? scene_tree_build(scene->tree, scene->doc) : err;
}

/* ---- the whole ---- */

static crdt_err read_scene(content_published_scene *scene, crdt_alloc alloc,
                           crdt_span state, scene_format kind, crdt_diag *diag)
{
    *scene = (content_published_scene){.alloc = alloc};
    content_asset_list_init(&scene->assets, alloc);
    crdt_buf_init(&scene->version, alloc);
    crdt_err err =
        content_state_version(state, alloc, &scene->version, scene->lineage, diag);
    err = err == CRDT_OK ? read_document(scene, state, kind, diag) : err;
    err = err == CRDT_OK ? content_asset_list_read(&scene->assets, scene->doc) : err;
    if (err != CRDT_OK) {
        if (diag != NULL && diag->text[0] == '\0') {
            crdt_diag_set(diag, err, 0, "the scene: %s", crdt_err_text(err));
        }
        return err;
    }
    scene->origin = scene_origin_of(scene->doc);
    scene->entity_count = scene_tree_count(scene->tree);
    content_project_read(&scene->project, scene->doc);
    return CRDT_OK;
}

crdt_err content_published_scene_read(content_published_scene *scene, crdt_alloc alloc,
                                      crdt_span state, crdt_diag *diag)
{
    return read_scene(scene, alloc, state, SCENE_FORMAT_STATE, diag);
}

crdt_err content_published_scene_read_any(content_published_scene *scene,
                                          crdt_alloc alloc, crdt_span file,
                                          crdt_diag *diag)
{
    return read_scene(scene, alloc, file, SCENE_FORMAT_NONE, diag);
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
