#include "cli/worker/save_try.h"

#include "cli/content/builder_client.h"
#include "cli/worker/deployed.h"
#include "cli/worker/relation.h"
#include "cli/worker/save.h"
#include "scene/json.h"

#include <stdio.h>
#include <string.h>

void worker_save_try_init(worker_save_try *try, crdt_alloc alloc)
{
    *try = (worker_save_try){.alloc = alloc};
    worker_saved_scene_init(&try->scene, alloc);
}

void worker_save_try_deinit(worker_save_try *try)
{
    worker_saved_scene_deinit(&try->scene);
}

/* The id that a manifest names; for scenes that never were a project it was made up, the
 * same everywhere. */
static void read_made_project(worker_save_try *try)
{
    scene_json_limits limits = scene_json_limits_default();
    limits.depth_max = SCENE_JSON_DEPTH_MAX;
    scene_json *json = NULL;
    if (scene_json_open(&json, try->alloc, crdt_buf_span(&try->scene.text), &limits,
                        NULL) != CRDT_OK) {
        return;
    }
    const scene_json_node *manifest =
        scene_json_find(scene_json_root(json), "manifest");
    const scene_json_node *id =
        scene_json_find(scene_json_find(manifest, "project"), "id");
    if (id != NULL && id->type == SCENE_JSON_STRING &&
        id->count < sizeof try->project) {
        memcpy(try->project, id->as.text, id->count);
        try->project[id->count] = '\0';
    }
    scene_json_close(json);
}

static crdt_err make_manifest(worker_save_try *try)
{
    crdt_err err = worker_saved_scene_make(&try->scene, try->node, SCENE_FORMAT_BUILDER,
                                           "{\"manifest\":", "}");
    if (err != CRDT_OK) {
        return err;
    }
    if (!try->project_given && try->scene.project[0] != '\0') {
        snprintf(try->project, sizeof try->project, "%s", try->scene.project);
    }
    if (try->project[0] == '\0') {
        read_made_project(try);
    }
    size_t size = try->scene.text.size;
    if (size > WORKER_SAVE_BODY_MAX) {
        return crdt_diag_set(&try->diag, CRDT_ELIMIT, 0,
                             "the manifest has %zu bytes, and builder servers take no "
                             "more than %u",
                             size, WORKER_SAVE_BODY_MAX);
    }
    return CRDT_OK;
}

static builder_client client_of(const worker_save_try *try)
{
    return (builder_client){.alloc = try->alloc,
                            .url = try->builder_url,
                            .headers = try->headers,
                            .timeout_ms = try->timeout_ms,
                            .stop = try->stop};
}

typedef struct reading {
    scene_descent descent;
    crdt_version version;
} reading;

static crdt_err read_own(void *ctx, const crdt_document *doc)
{
    reading *own = ctx;
    crdt_err err = crdt_version_copy(&own->version, crdt_document_version(doc));
    return err == CRDT_OK ? scene_descent_read(&own->descent, doc) : err;
}

/* May the manifest at the server be replaced: does ours hold all that it shows? */
static crdt_err judge_stored(worker_save_try *try, crdt_span text)
{
    crdt_alloc alloc = try->alloc;
    reading own;
    crdt_version_init(&own.version, alloc);
    scene_descent_init(&own.descent, alloc);
    worker_deployed stored = {.from = ""};
    crdt_op_list_init(&stored.ops, alloc);
    scene_descent_init(&stored.descent, alloc);
    bool readable = worker_deployed_read(&stored, text, SCENE_FORMAT_BUILDER,
                                         "builder.json", NULL) == CRDT_OK;
    crdt_err err = sync_node_read(try->node, read_own, &own);
    worker_relation relation = WORKER_RELATION_UNRELATED;
    if (err == CRDT_OK && readable) {
        worker_relation_side ours = {try->scene.lineage, &own.version, &own.descent};
        worker_relation_side theirs = {stored.lineage, NULL, &stored.descent};
        relation = worker_relation_to_file(&ours, &theirs);
    }
    if (err == CRDT_OK && relation != WORKER_RELATION_SAME &&
        relation != WORKER_RELATION_AHEAD) {
        try->foreign = true;
        err = crdt_diag_set(&try->diag, CRDT_EREFUSED, 0,
                            "project %s holds what another edition or program saved; "
                            "save by hand to replace it",
                            try->project);
    }
    crdt_version_deinit(&own.version);
    scene_descent_deinit(&own.descent);
    worker_deployed_deinit(&stored);
    return err;
}

static crdt_err check_stored(worker_save_try *try)
{
    if (try->checked || try->force) {
        return CRDT_OK;
    }
    builder_client client = client_of(try);
    crdt_buf text;
    crdt_buf_init(&text, try->alloc);
    crdt_err err = builder_client_get(&client, try->project, &text, &try->diag);
    if (err == CRDT_OK) {
        err = judge_stored(try, crdt_buf_span(&text));
    } else if (err == CRDT_ENOTFOUND || err == CRDT_EREFUSED) {
        err = CRDT_OK; /* a new one; or it does not show it, but may take it */
    }
    crdt_buf_deinit(&text);
    return err;
}

crdt_err worker_save_try_builder(worker_save_try *try)
{
    crdt_err err = make_manifest(try);
    if (err == CRDT_OK) {
        err = check_stored(try);
    }
    if (err == CRDT_OK) {
        builder_client client = client_of(try);
        err = builder_client_put(&client, try->project, crdt_buf_span(&try->scene.text),
                                 &try->diag);
    }
    return err;
}

crdt_err worker_save_try_file(worker_save_try *try)
{
    crdt_err err = worker_saved_scene_make(
        &try->scene, try->node, worker_saved_scene_format(try->file), NULL, NULL);
    if (err == CRDT_OK) {
        err = worker_saved_scene_put(try->file, crdt_buf_span(&try->scene.text),
                                     &try->diag);
    }
    return err;
}
