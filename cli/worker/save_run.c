#include "cli/worker/save_impl.h"

#include "cli/content/builder_client.h"
#include "cli/worker/save_try.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- telling; not under the mutex ---- */

static void say_changed(worker_save *save)
{
    if (save->options.on_change != NULL) {
        save->options.on_change(save->options.ctx);
    }
}

/* Tell once whenever it turns true that all is saved. */
static void say_if_all_saved(worker_save *save)
{
    pthread_mutex_lock(&save->mutex);
    bool all = worker_save_all_saved(save);
    bool tell = all && !save->all_told && save->allowed;
    save->all_told = all;
    int index = worker_save_main_place(save);
    save_place *at = &save->places[index];
    crdt_version version;
    crdt_version_init(&version, save->options.alloc);
    worker_save_result result = {.ok = true,
                                 .version = &version,
                                 .lineage = save->lineage,
                                 .by = save->last_saver,
                                 .where = worker_save_where(save, index),
                                 .at_ms = at->at_ms};
    tell = tell && crdt_version_copy(&version, &at->saved) == CRDT_OK;
    pthread_mutex_unlock(&save->mutex);
    if (tell && save->options.on_result != NULL) {
        save->options.on_result(save->options.ctx, &result);
    }
    crdt_version_deinit(&version);
}

/* ---- one try; the mutex is not held ---- */

/* Under the mutex. The headers are a copy, freed by end_try. */
static void begin_try(worker_save *save, int index, bool force, worker_save_try *try)
{
    worker_save_try_init(try, save->options.alloc);
    try->node = save->node;
    try->builder_url = save->builder_url;
    try->file = index == SAVE_FILE ? save->file : NULL;
    try->headers = (const char *const *)worker_save_copy_texts(save->headers);
    try->timeout_ms = save->options.call_ms;
    try->stop = &save->stop;
    try->force = force;
    try->checked = save->checked;
    try->project_given = save->project_given;
    snprintf(try->project, sizeof try->project, "%s", save->project);
    worker_save_target_begin(&save->places[index].target);
    save->places[index].busy = true;
    save->node_used = true;
}

/* What a failure changes beside the place itself. Under the mutex. */
static void note_failure(worker_save *save, int index, const worker_save_try *try,
                         crdt_err err)
{
    save_place *at = &save->places[index];
    snprintf(at->error, sizeof at->error, "%s",
             try->diag.text[0] != '\0' ? try->diag.text : crdt_err_text(err));
    if (index == SAVE_BUILDER) {
        save->checked = false;
    }
    at->foreign = try->foreign;
    at->gap = err == CRDT_EGAP;
    if (err == CRDT_EREFUSED && !try->foreign) {
        worker_save_free_texts(save->headers);
        save->headers = NULL;
    }
}

/* Under the mutex. */
static void end_try(worker_save *save, int index, worker_save_try *try, crdt_err err,
                    bool over)
{
    save_place *at = &save->places[index];
    at->busy = false;
    if (over) { /* what was saved is of a node that is closed */
        pthread_cond_broadcast(&save->changed);
        return;
    }
    if (err == CRDT_OK) {
        (void)crdt_version_merge(&save->doc, &try->scene.version);
        save->lineage = try->scene.lineage;
        save->lineage_known = true;
        /* No memory: not known to be saved, so it is saved again. */
        if (crdt_version_copy(&at->saved, &try->scene.version) == CRDT_OK) {
            at->at_ms = worker_save_wall_ms();
        }
        at->error[0] = '\0';
        at->foreign = false;
        at->gap = false;
        save->last_saver = save->self;
        if (index == SAVE_BUILDER) {
            save->checked = true;
            snprintf(save->used_project, sizeof save->used_project, "%s", try->project);
        }
    } else {
        note_failure(save, index, try, err);
    }
    worker_save_target_end(&at->target, err, worker_save_holds_all(save, index),
                           worker_save_now_ms());
    pthread_cond_broadcast(&save->changed);
}

static void say_failed(worker_save *save, int index, worker_save_done_fn done,
                       void *ctx)
{
    pthread_mutex_lock(&save->mutex);
    save_place *at = &save->places[index];
    char error[WORKER_SAVE_TEXT_SIZE];
    snprintf(error, sizeof error, "%s", at->error);
    uint64_t now = worker_save_now_ms();
    bool waits = at->target.failing && at->target.retry_at_ms != WORKER_SAVE_NEVER;
    worker_save_result result = {.lineage = save->lineage,
                                 .by = save->self,
                                 .where = worker_save_where(save, index),
                                 .error = error,
                                 .retry_ms = waits && at->target.retry_at_ms > now
                                                 ? at->target.retry_at_ms - now
                                                 : 0,
                                 .refused = at->target.refused};
    pthread_mutex_unlock(&save->mutex);
    done(ctx, &result);
}

/* One try at one place. The mutex is held, and given up meanwhile. */
static crdt_err try_place(worker_save *save, int index, bool force)
{
    worker_save_try try;
    begin_try(save, index, force, &try);
    pthread_mutex_unlock(&save->mutex);
    say_changed(save);
    crdt_err err = worker_save_try_make(&try);
    pthread_mutex_lock(&save->mutex);
    uint64_t era = save->era;
    bool over = save->node == NULL; /* whoever changes it waits for us */
    save->node_used = false;
    pthread_cond_broadcast(&save->changed);
    pthread_mutex_unlock(&save->mutex);
    if (err == CRDT_OK) {
        err = worker_save_try_bring(&try);
    }
    pthread_mutex_lock(&save->mutex);
    over = over || era != save->era;
    bool given_up = save->stop;
    end_try(save, index, &try, err, over);
    pthread_mutex_unlock(&save->mutex);
    if (err != CRDT_OK && !given_up && !over && save->options.on_result != NULL) {
        say_failed(save, index, save->options.on_result, save->options.ctx);
    }
    worker_save_free_texts((char **)(uintptr_t)try.headers);
    worker_save_try_deinit(&try);
    say_if_all_saved(save);
    say_changed(save);
    pthread_mutex_lock(&save->mutex);
    return over && err == CRDT_OK ? CRDT_ECLOSED : err;
}

/* ---- requests ---- */

static void answer_ok(worker_save *save, const save_request *asked)
{
    pthread_mutex_lock(&save->mutex);
    int index = worker_save_main_place(save);
    crdt_version version;
    crdt_version_init(&version, save->options.alloc);
    bool copied = crdt_version_copy(&version, &save->places[index].saved) == CRDT_OK;
    worker_save_result result = {.ok = copied,
                                 .version = &version,
                                 .lineage = save->lineage,
                                 .by = save->last_saver,
                                 .where = worker_save_where(save, index),
                                 .at_ms = save->places[index].at_ms,
                                 .error = copied ? NULL : "out of memory"};
    pthread_mutex_unlock(&save->mutex);
    asked->done(asked->ctx, &result);
    crdt_version_deinit(&version);
}

static void answer_off(worker_save *save, const save_request *asked, const char *why)
{
    worker_save_result result = {.by = save->self, .where = "", .error = why};
    asked->done(asked->ctx, &result);
}

/* Serve all requests that wait with one try at each place. The mutex is held. */
static void serve_requests(worker_save *save)
{
    save_request asked[SAVE_REQUESTS_MAX];
    size_t count = save->request_count;
    bool force = false;
    memcpy(asked, save->requests, count * sizeof asked[0]);
    save->request_count = 0;
    for (size_t i = 0; i < count; i++) {
        force = force || asked[i].force;
    }
    const char *why = worker_save_why_off(save);
    int failed = -1;
    for (int i = 0; i < SAVE_PLACES && why == NULL && !save->stop && save->node != NULL;
         i++) {
        const worker_save_target *target = &save->places[i].target;
        bool due = target->enabled && (!worker_save_holds_all(save, i) ||
                                       target->unsaved || target->failing || force);
        if (due && try_place(save, i, force) != CRDT_OK) {
            failed = i;
        }
    }
    pthread_mutex_unlock(&save->mutex);
    for (size_t i = 0; i < count; i++) {
        if (asked[i].done == NULL) {
            continue;
        }
        if (why != NULL) {
            answer_off(save, &asked[i], why);
        } else if (failed >= 0) {
            say_failed(save, failed, asked[i].done, asked[i].ctx);
        } else {
            answer_ok(save, &asked[i]);
        }
    }
    pthread_mutex_lock(&save->mutex);
}

/* ---- the thumbnail ---- */

static void upload_image(worker_save *save)
{
    char project[sizeof save->used_project];
    snprintf(project, sizeof project, "%s", save->used_project);
    char **headers = worker_save_copy_texts(save->headers);
    crdt_buf image = save->image;
    crdt_buf_init(&save->image, save->options.alloc);
    save->image_due = false;
    pthread_mutex_unlock(&save->mutex);
    builder_client client = {.alloc = save->options.alloc,
                             .url = save->builder_url,
                             .headers = (const char *const *)headers,
                             .timeout_ms = save->options.call_ms,
                             .stop = &save->stop};
    crdt_diag diag = {0};
    crdt_err err =
        builder_client_thumbnail(&client, project, crdt_buf_span(&image), &diag);
    if (err != CRDT_OK && save->options.on_result != NULL && !save->stop) {
        char error[WORKER_SAVE_TEXT_SIZE];
        snprintf(error, sizeof error, "thumbnail: %s",
                 diag.text[0] != '\0' ? diag.text : crdt_err_text(err));
        worker_save_result result = {.by = save->self,
                                     .where = save->builder_url,
                                     .error = error,
                                     .refused = err == CRDT_EREFUSED};
        save->options.on_result(save->options.ctx, &result);
    }
    crdt_buf_deinit(&image);
    worker_save_free_texts(headers);
    pthread_mutex_lock(&save->mutex);
}

/* ---- the thread ---- */

/* What the saver has to know of the node. The mutex is held, and given up meanwhile. */
static void learn_node(worker_save *save)
{
    sync_node *node = save->node;
    save->learn = false;
    save->learning = true;
    save->node_used = true;
    pthread_mutex_unlock(&save->mutex);
    sync_node_status status;
    crdt_err err = sync_node_status_get(node, &status);
    pthread_mutex_lock(&save->mutex);
    save->learning = false;
    save->node_used = false;
    if (err == CRDT_OK) {
        if (!crdt_actor_equal(&save->lineage, &status.lineage)) {
            for (int i = 0; i < SAVE_PLACES && save->lineage_known; i++) {
                crdt_version_clear(&save->places[i].saved);
            }
            if (save->lineage_known) {
                crdt_version_clear(&save->doc);
            }
            save->lineage = status.lineage;
            save->lineage_known = status.lineage_known;
        }
        if (crdt_actor_equal(&save->last_saver, &save->self)) {
            save->last_saver = status.actor;
        }
        save->self = status.actor;
        (void)crdt_version_merge(&save->doc, &status.version);
        sync_node_status_deinit(&status);
    }
    save->told_stale = true;
    worker_save_note_change(save);
    pthread_cond_broadcast(&save->changed);
}

static void wait_until(worker_save *save, uint64_t at_ms)
{
    uint64_t now = worker_save_now_ms();
    uint64_t left = at_ms > now ? at_ms - now : 0;
    left = left < 3600000 ? left : 3600000;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(left / 1000);
    until.tv_nsec += (long)(left % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&save->changed, &save->mutex, &until);
}

/* The place whose try is due first. */
static uint64_t next_due(const worker_save *save, int *index)
{
    uint64_t due = WORKER_SAVE_NEVER;
    for (int i = 0; i < SAVE_PLACES && save->node != NULL; i++) {
        uint64_t at = worker_save_target_due(&save->places[i].target,
                                             worker_save_is_mine(save, i),
                                             save->options.autosave_ms);
        if (at < due) {
            due = at;
            *index = i;
        }
    }
    return due;
}

void *worker_save_run(void *ctx)
{
    worker_save *save = ctx;
    pthread_mutex_lock(&save->mutex);
    while (!save->stop) {
        int index = 0;
        if (save->learn && save->node != NULL) {
            learn_node(save);
            continue;
        }
        if (save->told_stale) {
            save->told_stale = false;
            pthread_mutex_unlock(&save->mutex);
            say_changed(save);
            pthread_mutex_lock(&save->mutex);
            continue;
        }
        if (save->request_count > 0) {
            serve_requests(save);
            continue;
        }
        if (save->image_due && save->used_project[0] != '\0') {
            upload_image(save);
            continue;
        }
        uint64_t due = next_due(save, &index);
        if (due <= worker_save_now_ms()) {
            try_place(save, index, false);
        } else if (worker_save_all_saved(save) != save->all_told) {
            pthread_mutex_unlock(&save->mutex);
            say_if_all_saved(save);
            say_changed(save);
            pthread_mutex_lock(&save->mutex);
            save->all_told = worker_save_all_saved(save);
        } else {
            wait_until(save, due);
        }
    }
    pthread_mutex_unlock(&save->mutex);
    return NULL;
}
