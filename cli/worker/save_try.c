#include "cli/worker/save_try.h"

#include "cli/content/builder_client.h"
#include "cli/servers/json_put.h"
#include "cli/servers/manifest.h"
#include "cli/worker/deployed.h"
#include "cli/worker/relation.h"
#include "cli/worker/save.h"
#include "scene/json.h"
#include "scene/json_writer.h"

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

/* `scenesync` of the scene in a manifest; NULL: none. */
static const scene_json_node *find_carry(const scene_json_node *scene)
{
    const scene_json_node *inner = scene_json_find(scene, "sdk6");
    inner = inner != NULL && inner->type == SCENE_JSON_OBJECT
                ? inner
                : scene_json_find(scene, "sdk7");
    inner = inner != NULL && inner->type == SCENE_JSON_OBJECT ? inner : scene;
    const scene_json_node *carry = scene_json_find(inner, "scenesync");
    return carry != NULL && carry->type == SCENE_JSON_OBJECT && carry->count > 0 ? carry
                                                                                 : NULL;
}

/* The scene, with the project as it was in its field `scenesync`
 * (scene/project_spelling.h). */
static crdt_err put_former(crdt_buf *out, crdt_span text, const scene_json_node *scene,
                           const scene_json_node *carry, const scene_json_node *project)
{
    crdt_span whole = builder_object_text(text, scene->offset);
    crdt_span former = builder_object_text(text, project->offset);
    size_t head = carry->offset + 1 - scene->offset; /* behind its bracket */
    crdt_err err = crdt_buf_append(out, whole.data, head);
    if (err == CRDT_OK) {
        err = crdt_buf_append_span(out, crdt_span_of("\"project\":"));
    }
    if (err == CRDT_OK) {
        err = crdt_buf_append_span(out, former);
    }
    if (err == CRDT_OK) {
        err = crdt_buf_append(out, ",", 1);
    }
    return err == CRDT_OK ? crdt_buf_append(out, whole.data + head, whole.size - head)
                          : err;
}

/* Put the project into the spelling that builder servers take, if it is not: the body as a
 * whole is written anew. What no server knows of a project stays in the document. */
static crdt_err respell(worker_save_try *try, const scene_json_node *manifest)
{
    const scene_json_node *scene = scene_json_find(manifest, "scene");
    const scene_json_node *version = scene_json_find(manifest, "version");
    const scene_json_node *project = scene_json_find(manifest, "project");
    project = project != NULL && project->type == SCENE_JSON_OBJECT ? project : NULL;
    const scene_json_node *carry = find_carry(scene);
    crdt_span text = crdt_buf_span(&try->scene.text);
    crdt_err err = CRDT_OK;
    crdt_buf out;
    crdt_buf kept;
    crdt_buf_init(&out, try->alloc);
    crdt_buf_init(&kept, try->alloc);
    scene_json_writer writer;
    scene_json_writer_init(&writer, try->alloc, &out);
    scene_json_writer_object_begin(&writer);
    scene_json_writer_key(&writer, crdt_span_of("manifest"));
    scene_json_writer_object_begin(&writer);
    scene_json_writer_key(&writer, crdt_span_of("project"));
    servers_project_translate(&writer, project, try->project);
    scene_json_writer_key(&writer, crdt_span_of("scene"));
    if (project == NULL || carry == NULL) {
        scene_json_writer_raw(&writer, builder_object_text(text, scene->offset));
    } else {
        err = put_former(&kept, text, scene, carry, project);
        scene_json_writer_raw(&writer, crdt_buf_span(&kept));
    }
    if (version != NULL) {
        scene_json_writer_key(&writer, crdt_span_of("version"));
        servers_json_node(&writer, version);
    }
    scene_json_writer_object_end(&writer);
    scene_json_writer_object_end(&writer);
    err = err != CRDT_OK ? err : writer.err;
    scene_json_writer_deinit(&writer);
    crdt_buf_deinit(&kept);
    if (err == CRDT_OK) {
        crdt_buf former = try->scene.text;
        try->scene.text = out;
        out = former;
    }
    crdt_buf_deinit(&out);
    return err;
}

/* Read the manifest that was made: whose project it is, and how that is spelled. */
static crdt_err check_project(worker_save_try *try)
{
    scene_json_limits limits = scene_json_limits_default();
    limits.depth_max = SCENE_JSON_DEPTH_MAX;
    scene_json *json = NULL;
    crdt_err err = scene_json_open(&json, try->alloc, crdt_buf_span(&try->scene.text),
                                   &limits, &try->diag);
    if (err != CRDT_OK) {
        return err;
    }
    const scene_json_node *manifest =
        scene_json_find(scene_json_root(json), "manifest");
    const scene_json_node *project = scene_json_find(manifest, "project");
    const scene_json_node *id = scene_json_find(project, "id");
    if (try->project[0] == '\0' && id != NULL && id->type == SCENE_JSON_STRING &&
        id->count < sizeof try->project) {
        memcpy(try->project, id->as.text, id->count);
        try->project[id->count] = '\0';
    }
    if (!builder_project_valid(try->project)) {
        err = crdt_diag_set(&try->diag, CRDT_EINVAL, 0,
                            "the scene names no project that can be saved to");
    } else if (servers_manifest_check(json, manifest, NULL) != CRDT_OK) {
        err = respell(try, manifest);
    }
    scene_json_close(json);
    return err;
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
    err = check_project(try);
    if (err != CRDT_OK) {
        return err;
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

/* Ours may not replace it, and why. */
static crdt_err refuse(worker_save_try *try, const worker_deployed *stored)
{
    bool own = stored->descent.row_count > 0 &&
               crdt_actor_equal(&stored->descent.rows[0].lineage, &try->scene.lineage);
    if (own) {
        return crdt_diag_set(
            &try->diag, CRDT_EGAP, 0,
            "project %.40s holds edits of another worker that have not "
            "come here yet; a save with force replaces it",
            try->project);
    }
    try->foreign = true;
    return crdt_diag_set(&try->diag, CRDT_EREFUSED, 0,
                         "project %.40s holds what another edition or program saved; "
                         "a save with force replaces it",
                         try->project);
}

/* May the manifest at the server be replaced: does ours hold all that it shows? */
static crdt_err judge_stored(worker_save_try *try, crdt_span text)
{
    worker_deployed stored = {.from = ""};
    crdt_op_list_init(&stored.ops, try->alloc);
    scene_descent_init(&stored.descent, try->alloc);
    worker_relation relation = WORKER_RELATION_UNRELATED;
    if (worker_deployed_read(&stored, text, SCENE_FORMAT_BUILDER, "builder.json",
                             NULL) == CRDT_OK) {
        worker_relation_side ours = {try->scene.lineage, &try->scene.version,
                                     &try->scene.descent};
        worker_relation_side theirs = {stored.lineage, NULL, &stored.descent};
        relation = worker_relation_to_file(&ours, &theirs);
    }
    bool good = relation == WORKER_RELATION_SAME || relation == WORKER_RELATION_AHEAD;
    crdt_err err = good ? CRDT_OK : refuse(try, &stored);
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

crdt_err worker_save_try_make(worker_save_try *try)
{
    if (try->file == NULL) {
        return make_manifest(try);
    }
    return worker_saved_scene_make(&try->scene, try->node,
                                   worker_saved_scene_format(try->file), NULL, NULL);
}

crdt_err worker_save_try_bring(worker_save_try *try)
{
    crdt_span text = crdt_buf_span(&try->scene.text);
    if (try->file != NULL) {
        return worker_saved_scene_put(try->file, text, &try->diag);
    }
    crdt_err err = check_stored(try);
    if (err == CRDT_OK) {
        builder_client client = client_of(try);
        err = builder_client_put(&client, try->project, text, &try->diag);
    }
    return err;
}
