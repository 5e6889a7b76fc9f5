/* The second step of publishing (cli/content/publish.h). */

#include "cli/content/deploy.h"
#include "cli/content/preparation.h"
#include "cli/content/published_scene.h"
#include "cli/content/publish.h"
#include "scene/json_writer.h"

#include <stdio.h>
#include <stdlib.h>

#define SEND_TIMES 10 /* as long as other calls may an upload take */

typedef struct confirm_job {
    const content_publish_options *options;
    const content_publish_confirmation *given;
    content_prepared prepared;
    content_auth_links links;
    content_deploy_file *files; /* the entity first; each content once */
    size_t file_count;
    size_t uploaded;
    bool repeated; /* it was confirmed before */
    bool already;  /* it is deployed already */
    bool unlinked;
    char warning[160];
    crdt_diag *diag;
} confirm_job;

/* ---- may it be done? ---- */

static crdt_err check_version(confirm_job *job)
{
    if (job->given->state.size == 0 || job->prepared.unpublish) {
        return CRDT_OK;
    }
    crdt_buf version;
    char lineage[40];
    crdt_buf_init(&version, job->options->alloc);
    crdt_err err = content_state_version(job->given->state, job->options->alloc,
                                         &version, lineage, job->diag);
    if (err == CRDT_OK &&
        (!crdt_span_equal(crdt_buf_span(&version), job->prepared.version) ||
         !crdt_span_equal(crdt_span_of(lineage), job->prepared.lineage))) {
        err = crdt_diag_set(job->diag, CRDT_ESTALE, 0,
                            "the scene has changed since it was prepared: prepare it "
                            "again, or say that it is to be published as prepared");
    }
    crdt_buf_deinit(&version);
    return err;
}

/* The chain that was given; none where the server wants none. */
static crdt_err read_links(confirm_job *job)
{
    crdt_span given = job->given->auth_chain;
    const char *id = job->prepared.entity_id;
    crdt_buf own;
    crdt_buf_init(&own, job->options->alloc);
    crdt_err err = CRDT_OK;
    if (given.size == 0 && content_deploy_unsigned(job->options)) {
        err = content_auth_links_unsigned(id, &own);
        given = crdt_buf_span(&own);
    }
    err = err == CRDT_OK ? content_auth_links_read(&job->links, job->options->alloc,
                                                   given, id, job->diag)
                         : err;
    crdt_buf_deinit(&own); /* what was read is a copy */
    return err;
}

static crdt_err check_preparation(confirm_job *job)
{
    const content_prepared *prepared = &job->prepared;
    if (prepared->unpublish != job->given->unpublish) {
        return crdt_diag_set(job->diag, CRDT_EINVAL, 0, "%s is a preparation to %s",
                             prepared->id,
                             prepared->unpublish ? "unpublish" : "publish");
    }
    if (prepared->done) {
        job->repeated = true;
        job->already = true;
        return CRDT_OK;
    }
    if (prepared->expires_ms <= job->options->now_ms) {
        return crdt_diag_set(job->diag, CRDT_ETIMEOUT, 0,
                             "the preparation %s is too old: prepare it again",
                             prepared->id);
    }
    crdt_err err = check_version(job);
    return err == CRDT_OK ? read_links(job) : err;
}

/* Is it deployed already (the answer of a first try was lost), or something else since? */
static crdt_err check_server(confirm_job *job)
{
    content_deployed found;
    crdt_err err = content_deploy_find(job->options, job->prepared.pointer, false,
                                       &found, job->diag);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_span id = content_deployed_id(&found);
    if (crdt_span_equal(id, crdt_span_of(job->prepared.entity_id))) {
        const scene_json_node *time = scene_json_find(found.entity, "timestamp");
        bool told = time != NULL && time->type == SCENE_JSON_NUMBER &&
                    time->as.number >= 0 && time->as.number < 9e15;
        job->already = true;
        err = content_prepared_finish(&job->prepared,
                                      told ? (uint64_t)time->as.number : 0, job->diag);
    } else if (!crdt_span_equal(id, job->prepared.replaces)) {
        err = crdt_diag_set(job->diag, CRDT_ESTALE, 0,
                            "another scene was deployed at %s since it was prepared: "
                            "look at it, and prepare again",
                            job->prepared.pointer);
    }
    content_deployed_deinit(&found);
    return err;
}

/* ---- doing it ---- */

static void list_files(confirm_job *job)
{
    const content_prepared *prepared = &job->prepared;
    job->files[job->file_count++] = (content_deploy_file){.hash = prepared->entity_id};
    for (size_t i = 0; i < prepared->file_count; i++) {
        bool seen = false;
        for (size_t f = 0; f < job->file_count && !seen; f++) {
            seen = strcmp(job->files[f].hash, prepared->files[i].hash) == 0;
        }
        if (!seen) {
            job->files[job->file_count++] =
                (content_deploy_file){.hash = prepared->files[i].hash};
        }
    }
}

static crdt_err send_files(confirm_job *job)
{
    const content_publish_options *options = job->options;
    list_files(job);
    crdt_err err = content_deploy_available(options, job->files + 1,
                                            job->file_count - 1, job->diag);
    for (size_t i = 0; err == CRDT_OK && i < job->file_count; i++) {
        if (!job->files[i].available) {
            err = content_prepared_map(&job->prepared, job->files[i].hash,
                                       &job->files[i].content, job->diag);
            job->uploaded++;
        }
    }
    uint64_t timestamp = 0;
    if (err == CRDT_OK) {
        content_publish_options patient = *options;
        patient.timeout_ms = options->timeout_ms * SEND_TIMES;
        err = content_deploy_send(&patient, job->prepared.entity_id, &job->links,
                                  job->files, job->file_count, &timestamp, job->diag);
    }
    for (size_t i = 0; i < job->file_count; i++) {
        content_prepared_unmap(job->files[i].content);
    }
    if (err == CRDT_OK) {
        crdt_diag why = {0};
        if (content_prepared_finish(&job->prepared, timestamp, &why) != CRDT_OK) {
            snprintf(job->warning, sizeof job->warning,
                     "it is deployed, but that could not be noted: %.90s", why.text);
        }
    }
    return err;
}

static crdt_err deploy(confirm_job *job)
{
    crdt_alloc alloc = job->options->alloc;
    size_t room = job->prepared.file_count + 1;
    job->files = crdt_allocate(alloc, room * sizeof job->files[0]);
    if (job->files == NULL) {
        return crdt_diag_set(job->diag, CRDT_ENOMEM, 0, "out of memory");
    }
    crdt_err err = send_files(job);
    crdt_free(alloc, job->files, room * sizeof job->files[0]);
    return err;
}

/* What is deployed is deployed: that the project is still linked is only worth a word. */
static void unlink_project(confirm_job *job)
{
    crdt_diag why = {0};
    if (job->options->builder_url == NULL) {
        return;
    }
    job->unlinked =
        content_deploy_unlink(job->options, job->prepared.pointer, &why) == CRDT_OK;
    if (!job->unlinked) {
        snprintf(job->warning, sizeof job->warning,
                 "the project is still linked to the land: %.100s", why.text);
    }
}

/* ---- telling ---- */

static void member(scene_json_writer *json, const char *key, const char *text)
{
    scene_json_writer_key(json, crdt_span_of(key));
    scene_json_writer_string(json, crdt_span_of(text));
}

static void flag(scene_json_writer *json, const char *key, bool value)
{
    scene_json_writer_key(json, crdt_span_of(key));
    scene_json_writer_bool(json, value);
}

static crdt_err tell(const confirm_job *job, crdt_buf *result)
{
    const content_prepared *prepared = &job->prepared;
    scene_json_writer json;
    scene_json_writer_init(&json, job->options->alloc, result);
    scene_json_writer_object_begin(&json);
    flag(&json, "ok", true);
    scene_json_writer_key(&json, crdt_span_of("published"));
    scene_json_writer_object_begin(&json);
    member(&json, "id", prepared->id);
    member(&json, "kind", prepared->unpublish ? "unpublish" : "publish");
    member(&json, "entityId", prepared->entity_id);
    scene_json_writer_key(&json, crdt_span_of("pointers"));
    scene_json_writer_array_begin(&json);
    for (size_t i = 0; i < prepared->parcels.count; i++) {
        char pointer[CONTENT_POINTER_SIZE];
        content_parcel_format(prepared->parcels.list[i], pointer);
        scene_json_writer_string(&json, crdt_span_of(pointer));
    }
    scene_json_writer_array_end(&json);
    scene_json_writer_key(&json, crdt_span_of("timestamp"));
    scene_json_writer_integer(&json, (int64_t)prepared->timestamp_ms);
    scene_json_writer_key(&json, crdt_span_of("uploaded"));
    scene_json_writer_integer(&json, (int64_t)job->uploaded);
    flag(&json, "already", job->already);
    flag(&json, "unlinked", job->unlinked);
    scene_json_writer_key(&json, crdt_span_of("warnings"));
    scene_json_writer_array_begin(&json);
    if (job->warning[0] != '\0') {
        scene_json_writer_string(&json, crdt_span_of(job->warning));
    }
    scene_json_writer_array_end(&json);
    scene_json_writer_object_end(&json);
    scene_json_writer_object_end(&json);
    crdt_err err = json.err;
    scene_json_writer_deinit(&json);
    return err;
}

crdt_err content_publish_confirm(const content_publish_options *options,
                                 const content_publish_confirmation *confirmation,
                                 crdt_buf *result, crdt_diag *diag)
{
    crdt_diag own;
    confirm_job job = {
        .options = options, .given = confirmation, .diag = diag != NULL ? diag : &own};
    *job.diag = (crdt_diag){0};
    if (options->content_url == NULL || options->folder == NULL) {
        return crdt_diag_set(job.diag, CRDT_EINVAL, 0,
                             "there is no content server to publish to");
    }
    crdt_err err = content_prepared_load(&job.prepared, options->alloc, options->folder,
                                         confirmation->id, job.diag);
    err = err == CRDT_OK ? check_preparation(&job) : err;
    if (err == CRDT_OK && !job.already) {
        err = check_server(&job);
    }
    if (err == CRDT_OK && !job.already) {
        err = deploy(&job);
    }
    if (err == CRDT_OK) {
        if (!job.repeated) {
            unlink_project(&job);
        }
        err = tell(&job, result);
    }
    content_auth_links_deinit(&job.links);
    content_prepared_close(&job.prepared);
    return err;
}

crdt_err content_publish_refusal(crdt_err why, const crdt_diag *diag, crdt_buf *result)
{
    scene_json_writer json;
    bool told = diag != NULL && diag->text[0] != '\0';
    scene_json_writer_init(&json, result->alloc, result);
    scene_json_writer_object_begin(&json);
    flag(&json, "ok", false);
    member(&json, "error", told ? diag->text : crdt_err_text(why));
    scene_json_writer_object_end(&json);
    crdt_err err = json.err;
    scene_json_writer_deinit(&json);
    return err;
}
