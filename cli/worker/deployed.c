#include "cli/worker/deployed.h"

#include "cli/content/builder_client.h"
#include "cli/worker/relation.h"
#include "crdt/template.h"
#include "scene/format.h"

#include <stdio.h>
#include <string.h>

static void init(worker_deployed *deployed, crdt_alloc alloc)
{
    *deployed = (worker_deployed){.from = "empty"};
    crdt_op_list_init(&deployed->ops, alloc);
    scene_descent_init(&deployed->descent, alloc);
    deployed->lineage = crdt_template_actor_empty();
}

void worker_deployed_deinit(worker_deployed *deployed)
{
    crdt_op_list_deinit(&deployed->ops);
    scene_descent_deinit(&deployed->descent);
}

/* Put what failed before the reason. */
static crdt_err explain(crdt_diag *diag, crdt_err err, const char *what)
{
    if (diag == NULL) {
        return err;
    }
    char text[sizeof diag->text];
    snprintf(text, sizeof text, "%s",
             diag->text[0] != '\0' ? diag->text : crdt_err_text(err));
    uint32_t line = diag->line;
    uint32_t column = diag->column;
    crdt_diag_set(diag, err, diag->offset, "%s: %s", what, text);
    diag->line = line;
    diag->column = column;
    return err;
}

crdt_err worker_deployed_read(worker_deployed *deployed, crdt_span text,
                              scene_format format, const char *file_name,
                              crdt_diag *diag)
{
    scene_format_options options = scene_format_options_default();
    options.format = format;
    options.file_name = file_name;
    crdt_alloc alloc = deployed->ops.alloc;
    crdt_op_list_clear(&deployed->ops);
    crdt_err err = scene_format_read(text, &options, alloc, &deployed->ops,
                                     &deployed->format, diag);
    crdt_arena arena;
    crdt_arena_init(&arena, alloc);
    crdt_batch batch;
    if (err == CRDT_OK) {
        err = crdt_template_make(deployed->ops.ops, deployed->ops.op_count, &arena,
                                 &batch, diag);
    }
    if (err == CRDT_OK) {
        deployed->lineage = batch.actor;
        err = scene_descent_read_ops(&deployed->descent, deployed->ops.ops,
                                     deployed->ops.op_count);
    }
    crdt_arena_deinit(&arena);
    return err;
}

/* ---- asking ---- */

static content_client content_of(const worker_deployed_options *options)
{
    return (content_client){.alloc = options->alloc,
                            .url = options->content_url,
                            .timeout_ms = options->timeout_ms,
                            .stop = options->stop};
}

static builder_client builder_of(const worker_deployed_options *options)
{
    return (builder_client){.alloc = options->alloc,
                            .url = options->builder_url,
                            .timeout_ms = options->timeout_ms,
                            .stop = options->stop};
}

crdt_err worker_deployed_find(const worker_deployed_options *options,
                              content_scene *scene, crdt_diag *diag)
{
    *scene = (content_scene){.deployed = false};
    if (options->content_url == NULL) {
        return CRDT_OK;
    }
    content_client client = content_of(options);
    crdt_err err = content_client_find(&client, options->scene, scene, diag);
    return err != CRDT_OK ? explain(diag, err, "content server") : CRDT_OK;
}

/* The manifest of a project, or where `project` is "" of the one made for the place.
 * *found false: the builder server has none, or does not show it. */
static crdt_err fetch_manifest(worker_deployed *deployed,
                               const worker_deployed_options *options,
                               const char *project, bool *found, crdt_diag *diag)
{
    builder_client client = builder_of(options);
    crdt_buf text;
    crdt_buf_init(&text, options->alloc);
    bool named = project[0] != '\0';
    crdt_err err = named ? builder_client_get(&client, project, &text, diag)
                         : builder_client_find(&client, options->scene, &text, diag);
    *found = err == CRDT_OK;
    if (err == CRDT_ENOTFOUND || err == CRDT_EREFUSED) {
        if (named || err == CRDT_EREFUSED) {
            snprintf(deployed->note, sizeof deployed->note,
                     "the builder server %s project %s",
                     err == CRDT_EREFUSED ? "does not show" : "has no",
                     named ? project : options->scene);
        }
        err = CRDT_OK;
    }
    if (*found) {
        err = worker_deployed_read(deployed, crdt_buf_span(&text), SCENE_FORMAT_BUILDER,
                                   "builder.json", diag);
        deployed->from = "builder";
        snprintf(deployed->where, sizeof deployed->where, "%s", options->builder_url);
    }
    crdt_buf_deinit(&text);
    return err != CRDT_OK ? explain(diag, err, "builder server") : CRDT_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static crdt_err fetch_file(worker_deployed *deployed,
                           const worker_deployed_options *options,
                           const content_scene_file *file, crdt_diag *diag)
{
    content_client client = content_of(options);
    crdt_buf text;
    crdt_buf_init(&text, options->alloc);
    crdt_err err =
        content_client_fetch(&client, file->hash, CONTENT_FILE_MAX, &text, diag);
    if (err == CRDT_OK) {
        err = worker_deployed_read(deployed, crdt_buf_span(&text), file->format,
                                   base_name(file->name), diag);
    }
    crdt_buf_deinit(&text);
    deployed->from = "content";
    snprintf(deployed->where, sizeof deployed->where, "%s", options->content_url);
    if (err != CRDT_OK) {
        char what[CONTENT_NAME_SIZE + 32];
        snprintf(what, sizeof what, "content server, %s", file->name);
        return explain(diag, err, what);
    }
    return CRDT_OK;
}

/* What is deployed takes the place of the manifest if it was saved later. What cannot be
 * had of it is no reason not to take the manifest. */
static void prefer_newer(worker_deployed *manifest,
                         const worker_deployed_options *options,
                         const content_scene_file *file)
{
    worker_deployed other;
    init(&other, options->alloc);
    crdt_diag diag = {0};
    crdt_err err = fetch_file(&other, options, file, &diag);
    worker_relation_side a = {.lineage = other.lineage, .descent = &other.descent};
    worker_relation_side b = {.lineage = manifest->lineage,
                              .descent = &manifest->descent};
    if (err == CRDT_OK && worker_relation_newer(&a, &b)) {
        worker_deployed older = *manifest;
        *manifest = other;
        other = older;
        snprintf(manifest->note, sizeof manifest->note,
                 "what is deployed was saved later than the builder's project");
    } else if (err != CRDT_OK) {
        snprintf(manifest->note, sizeof manifest->note, "%s", diag.text);
    }
    worker_deployed_deinit(&other);
}

static crdt_err fetch(worker_deployed *deployed, const worker_deployed_options *options,
                      crdt_diag *diag)
{
    content_scene scene;
    crdt_err err = worker_deployed_find(options, &scene, diag);
    if (err != CRDT_OK) {
        return err;
    }
    char project[sizeof deployed->project];
    snprintf(project, sizeof project, "%s",
             options->project != NULL ? options->project : scene.project);
    bool found = false;
    if (options->builder_url != NULL && project[0] != '\0') {
        err = fetch_manifest(deployed, options, project, &found, diag);
    }
    if (err == CRDT_OK && scene.has_file && found) {
        prefer_newer(deployed, options, &scene.file);
    } else if (err == CRDT_OK && scene.has_file) {
        err = fetch_file(deployed, options, &scene.file, diag);
        found = true;
    }
    if (err == CRDT_OK && !found && !scene.deployed && options->builder_url != NULL &&
        project[0] == '\0') {
        err = fetch_manifest(deployed, options, "", &found, diag);
    }
    if (err == CRDT_OK && !found && scene.deployed && deployed->note[0] == '\0') {
        snprintf(deployed->note, sizeof deployed->note,
                 "the scene that is deployed has no file that can be edited");
    }
    snprintf(deployed->project, sizeof deployed->project, "%s", project);
    snprintf(deployed->entity, sizeof deployed->entity, "%s", scene.id);
    return err;
}

crdt_err worker_deployed_fetch(worker_deployed *deployed,
                               const worker_deployed_options *options, crdt_diag *diag)
{
    init(deployed, options->alloc);
    crdt_err err = fetch(deployed, options, diag);
    if (err != CRDT_OK) {
        crdt_op_list_clear(&deployed->ops);
    }
    return err;
}
