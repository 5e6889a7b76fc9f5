/* Publishing and unpublishing: in a thread of its own, since servers are waited for. */

#include "cli/content/publish.h"
#include "cli/worker/saved_scene.h"
#include "cli/worker/text.h"
#include "cli/worker/worker_impl.h"

#include <stdio.h>

#define TEXT_MAX 4096u /* bytes of a title, a description, ... */
#define HEADERS_MAX 24u

/* What is asked for, kept until it is done. */
typedef struct publish_job {
    crdt_arena arena;
    uint64_t serial;
    crdt_span id;
    bool unpublish;
    const char *confirm; /* NULL: prepare */
    bool as_prepared;    /* confirm though the scene has changed since */
    crdt_span auth_chain;
    const char *title;
    const char *description;
    const char *parcels;
    crdt_span thumbnail;
    const char *headers[HEADERS_MAX + 1];
    char folder[4096];
} publish_job;

/* ---- reading what is asked for ---- */

static crdt_span copy(publish_job *job, crdt_span bytes)
{
    uint8_t *data = crdt_arena_alloc(&job->arena, bytes.size + 1);
    if (data == NULL) {
        return (crdt_span){0};
    }
    if (bytes.size > 0) {
        memcpy(data, bytes.data, bytes.size);
    }
    data[bytes.size] = '\0';
    return (crdt_span){data, bytes.size};
}

/* The member as a terminated text; NULL where it is missing. */
static crdt_err read_text(publish_job *job, const scene_json_node *payload,
                          const char *key, const char **text, crdt_diag *diag)
{
    const scene_json_node *node =
        payload == NULL ? NULL : scene_json_find(payload, key);
    *text = NULL;
    if (node == NULL || node->type == SCENE_JSON_NULL) {
        return CRDT_OK;
    }
    if (node->type != SCENE_JSON_STRING || node->count > TEXT_MAX ||
        memchr(node->as.text, '\0', node->count) != NULL) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "%s is a text of at most %u bytes",
                             key, TEXT_MAX);
    }
    *text = (const char *)copy(job, scene_json_text(node)).data;
    return *text == NULL ? CRDT_ENOMEM : CRDT_OK;
}

/* The member as JSON text again. */
static crdt_err read_json(publish_job *job, const scene_json_node *payload,
                          const char *key, crdt_span *text)
{
    const scene_json_node *node =
        payload == NULL ? NULL : scene_json_find(payload, key);
    if (node == NULL) {
        return CRDT_OK;
    }
    crdt_buf value;
    crdt_buf json;
    crdt_buf_init(&value, job->arena.alloc);
    crdt_buf_init(&json, job->arena.alloc);
    crdt_err err = scene_json_encode(node, job->arena.alloc, &value);
    if (err == CRDT_OK) {
        err = scene_json_write_value(crdt_buf_span(&value), &json);
    }
    if (err == CRDT_OK) {
        *text = copy(job, crdt_buf_span(&json));
        err = text->data == NULL ? CRDT_ENOMEM : CRDT_OK;
    }
    crdt_buf_deinit(&value);
    crdt_buf_deinit(&json);
    return err;
}

static crdt_err read_thumbnail(publish_job *job, const scene_json_node *payload,
                               crdt_diag *diag)
{
    const scene_json_node *node =
        payload == NULL ? NULL : scene_json_find(payload, "screenshot");
    if (node == NULL || node->type != SCENE_JSON_STRING || node->count == 0) {
        return CRDT_OK;
    }
    crdt_buf bytes;
    crdt_buf_init(&bytes, job->arena.alloc);
    crdt_err err = CRDT_OK;
    if (!worker_wish_image(scene_json_text(node), &bytes)) {
        err = crdt_diag_set(diag, CRDT_EINVAL, 0,
                            "screenshot is no image in base64 of at most 2 MiB");
    } else {
        job->thumbnail = copy(job, crdt_buf_span(&bytes));
    }
    crdt_buf_deinit(&bytes);
    return err;
}

static crdt_err read_wish(publish_job *job, const worker_publish_wish *wish,
                          crdt_diag *diag)
{
    const scene_json_node *payload = wish->payload;
    if (payload != NULL && payload->type != SCENE_JSON_OBJECT) {
        payload = NULL; /* the real ones send anything */
    }
    crdt_err err = read_text(job, payload, "confirm", &job->confirm, diag);
    if (err == CRDT_OK) {
        err = read_text(job, payload, "title", &job->title, diag);
    }
    if (err == CRDT_OK) {
        err = read_text(job, payload, "description", &job->description, diag);
    }
    if (err == CRDT_OK) {
        err = read_text(job, payload, "parcels", &job->parcels, diag);
    }
    if (err == CRDT_OK) {
        err = read_json(job, payload, "authChain", &job->auth_chain);
    }
    if (err == CRDT_OK) {
        err = read_thumbnail(job, payload, diag);
    }
    for (size_t i = 0; err == CRDT_OK && i < HEADERS_MAX && wish->headers[i] != NULL;
         i++) {
        job->headers[i] = (const char *)copy(job, crdt_span_of(wish->headers[i])).data;
        err = job->headers[i] == NULL ? CRDT_ENOMEM : CRDT_OK;
    }
    const scene_json_node *as_prepared =
        payload == NULL ? NULL : scene_json_find(payload, "asPrepared");
    job->as_prepared = as_prepared != NULL && as_prepared->type == SCENE_JSON_BOOL &&
                       as_prepared->boolean;
    job->serial = wish->serial;
    job->unpublish = wish->unpublish;
    job->id = copy(job, wish->id);
    return err == CRDT_OK && job->id.data == NULL ? CRDT_ENOMEM : err;
}

/* ---- answering ---- */

static int status_of(crdt_err err)
{
    switch (err) {
    case CRDT_OK:
        return 200;
    case CRDT_EINVAL:
    case CRDT_ECORRUPT:
        return 400;
    case CRDT_EREFUSED:
        return 403;
    case CRDT_ENOTFOUND:
        return 404;
    case CRDT_ESTALE:
        return 409;
    case CRDT_ELIMIT:
        return 413;
    case CRDT_ENOMEM:
        return 500;
    case CRDT_ECLOSED:
        return 503;
    default:
        return 502;
    }
}

static const char *code_of(crdt_err err)
{
    int status = status_of(err);
    return status == 200   ? NULL
           : status == 400 ? "invalid"
           : status == 403 ? "forbidden"
           : status == 404 ? "not-found"
                           : "failed";
}

static void answer_renderer(worker *w, const publish_job *job, crdt_err err,
                            const crdt_buf *result, const crdt_diag *diag)
{
    worker_mail *told = worker_mail_open(&w->mailbox, WORKER_MAIL_RESULT);
    worker_mail *answer = worker_mail_open(&w->mailbox, WORKER_MAIL_ANSWER);
    if (told != NULL) {
        worker_text text = worker_text_open(&told->text);
        worker_text_put(&text, "{\"eventType\":\"PublishSceneResult\",\"payload\":");
        worker_text_raw(&text, crdt_buf_span(result));
        worker_text_put(&text, "}");
        told->serial = job->serial;
        worker_post(w, told);
    }
    if (answer != NULL && job->id.size > 0 &&
        crdt_buf_append_span(&answer->id, job->id) == CRDT_OK) {
        answer->serial = job->serial;
        answer->code = code_of(err);
        crdt_buf_append_span(&answer->text, crdt_span_of(diag->text));
        worker_post(w, answer);
    } else if (answer != NULL) {
        worker_mail_close(answer);
    }
}

/* ---- doing it ---- */

static crdt_err make_state(worker *w, worker_saved_scene *scene, crdt_diag *diag)
{
    sync_node *node = worker_node_acquire(w);
    crdt_err err = CRDT_ECLOSED;
    if (node != NULL) {
        err = worker_saved_scene_make(scene, node, SCENE_FORMAT_STATE, NULL, NULL);
        worker_node_release(w);
    }
    if (err != CRDT_OK) {
        crdt_diag_set(diag, err, 0, "%s",
                      err == CRDT_ECLOSED || err == CRDT_ESTALE
                          ? "the scene is being loaded"
                          : crdt_err_text(err));
    }
    return err;
}

static crdt_err do_publish(worker *w, publish_job *job, crdt_buf *result,
                           crdt_diag *diag)
{
    content_publish_options options = content_publish_options_default();
    options.alloc = w->alloc;
    options.folder = job->folder;
    options.content_url = w->options.content_url;
    options.builder_url = w->options.builder_url;
    options.headers = job->headers[0] == NULL ? NULL : job->headers;
    options.now_ms = worker_wall_ms();
    options.stop = &w->leaving;
    if (options.content_url == NULL) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "this worker was given no content server");
    }
    worker_saved_scene scene;
    worker_saved_scene_init(&scene, w->alloc);
    crdt_err err = CRDT_OK;
    if (!job->unpublish && (job->confirm == NULL || !job->as_prepared)) {
        err = make_state(w, &scene, diag);
    }
    if (err == CRDT_OK && job->confirm != NULL) {
        const content_publish_confirmation confirmation = {
            .id = job->confirm,
            .auth_chain = job->auth_chain,
            .state = crdt_buf_span(&scene.text),
            .unpublish = job->unpublish};
        err = content_publish_confirm(&options, &confirmation, result, diag);
    } else if (err == CRDT_OK && job->unpublish) {
        err = content_unpublish_prepare(&options, w->options.scene, result, diag);
    } else if (err == CRDT_OK) {
        const content_publish_scene wanted = {.pointer = w->options.scene,
                                              .parcels = job->parcels,
                                              .state = crdt_buf_span(&scene.text),
                                              .title = job->title,
                                              .description = job->description,
                                              .thumbnail = job->thumbnail,
                                              .project = w->options.project};
        err = content_publish_prepare(&options, &wanted, result, diag);
    }
    worker_saved_scene_deinit(&scene);
    return err;
}

static void close_job(worker *w, publish_job *job)
{
    crdt_arena_deinit(&job->arena);
    crdt_free(w->alloc, job, sizeof *job);
}

static void run_publish(cli_job *done)
{
    worker_call *call = (worker_call *)done;
    worker *w = call->w;
    publish_job *job = call->data;
    crdt_diag diag = {0};
    crdt_buf result;
    crdt_buf_init(&result, w->alloc);
    crdt_err err = do_publish(w, job, &result, &diag);
    if (err != CRDT_OK) {
        crdt_buf_clear(&result);
        if (diag.text[0] == '\0') {
            crdt_diag_set(&diag, err, 0, "%s", crdt_err_text(err));
        }
        content_publish_refusal(err, &diag, &result);
    }
    if (job->serial != 0) {
        answer_renderer(w, job, err, &result, &diag);
        crdt_buf_deinit(&result);
    } else {
        call->reply.status = status_of(err);
        call->reply.body = result;
        web_server_answer(w->web, &call->reply);
    }
    close_job(w, job);
    worker_call_close(call);
}

crdt_err worker_publish_start(worker *w, const worker_publish_wish *wish,
                              crdt_diag *diag)
{
    publish_job *job = crdt_allocate(w->alloc, sizeof *job);
    worker_call *call = worker_call_open(w, run_publish);
    if (job == NULL || call == NULL) {
        crdt_free(w->alloc, job, sizeof *job);
        if (call != NULL) {
            worker_call_close(call);
        }
        return CRDT_ENOMEM;
    }
    *job = (publish_job){.serial = 0};
    crdt_arena_init(&job->arena, w->alloc);
    snprintf(job->folder, sizeof job->folder, "%s/publish",
             w->options.node.store_dir != NULL ? w->options.node.store_dir : ".");
    crdt_err err = read_wish(job, wish, diag);
    if (err == CRDT_OK) {
        call->data = job;
        if (wish->reply != NULL) {
            call->reply = *wish->reply;
            crdt_buf_init(&call->reply.body, w->alloc);
        }
        if (!cli_clerk_give(&w->publisher, &call->job)) {
            err = crdt_diag_set(diag, CRDT_EBUSY, 0, "too many calls wait");
        }
    }
    if (err != CRDT_OK) {
        close_job(w, job);
        worker_call_close(call);
    } else if (wish->reply != NULL) {
        wish->reply->deferred = true;
    }
    return err;
}
