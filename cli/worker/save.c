#include "cli/worker/save.h"

#include "cli/content/builder_client.h"
#include "cli/worker/save_impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

worker_save_options worker_save_options_default(void)
{
    return (worker_save_options){.alloc = crdt_alloc_default(),
                                 .autosave_ms = 5000,
                                 .call_ms = 30000,
                                 .retry_ms_min = 1000,
                                 .retry_ms_max = 60000};
}

const char *worker_save_state_name(worker_save_state state)
{
    static const char *const NAMES[] = {"off", "saved", "unsaved", "saving", "failing"};
    return NAMES[state];
}

/* ---- opening, closing ---- */

static void free_rivals(worker_save *save)
{
    for (size_t i = 0; i < save->rival_count; i++) {
        free(save->rivals[i].told);
    }
    save->rival_count = 0;
}

static void free_save(worker_save *save)
{
    for (int i = 0; i < SAVE_PLACES; i++) {
        crdt_version_deinit(&save->places[i].saved);
    }
    crdt_version_deinit(&save->doc);
    crdt_version_deinit(&save->loaded);
    crdt_buf_deinit(&save->image);
    worker_save_free_texts(save->headers);
    free_rivals(save);
    free(save->rivals);
    free(save->builder_url);
    free(save->file);
    pthread_cond_destroy(&save->changed);
    pthread_mutex_destroy(&save->mutex);
    crdt_free(save->options.alloc, save, sizeof *save);
}

static void init_places(worker_save *save, const worker_save_options *options)
{
    for (int i = 0; i < SAVE_PLACES; i++) {
        save->places[i].target.backoff = worker_backoff_make(
            options->retry_ms_min, options->retry_ms_max, options->seed + (uint64_t)i);
        crdt_version_init(&save->places[i].saved, options->alloc);
    }
    save->places[SAVE_BUILDER].target.enabled = options->builder_url != NULL;
    save->places[SAVE_FILE].target.enabled = options->file != NULL;
}

static crdt_err init_texts(worker_save *save, const worker_save_options *options)
{
    save->builder_url =
        options->builder_url != NULL ? strdup(options->builder_url) : NULL;
    save->file = options->file != NULL ? strdup(options->file) : NULL;
    save->rivals = calloc(SAVE_RIVALS_MAX, sizeof *save->rivals);
    if (options->project != NULL) {
        snprintf(save->project, sizeof save->project, "%s", options->project);
        save->project_given = true;
    }
    bool whole = (options->builder_url == NULL || save->builder_url != NULL) &&
                 (options->file == NULL || save->file != NULL) && save->rivals != NULL;
    return whole ? CRDT_OK : CRDT_ENOMEM;
}

crdt_err worker_save_open(worker_save **out, const worker_save_options *options)
{
    *out = NULL;
    worker_save *save = crdt_allocate(options->alloc, sizeof *save);
    if (save == NULL) {
        return CRDT_ENOMEM;
    }
    *save = (worker_save){.options = *options};
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&save->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&save->mutex, NULL);
    crdt_version_init(&save->doc, options->alloc);
    crdt_version_init(&save->loaded, options->alloc);
    crdt_buf_init(&save->image, options->alloc);
    init_places(save, options);
    crdt_err err = init_texts(save, options);
    if (err == CRDT_OK && options->node != NULL) {
        save->node = options->node;
        save->learn = true;
    }
    *out = save; /* it may be called back before this returns */
    if (err == CRDT_OK &&
        pthread_create(&save->thread, NULL, worker_save_run, save) != 0) {
        err = CRDT_ENOMEM;
    }
    if (err != CRDT_OK) {
        *out = NULL;
        free_save(save);
        return err;
    }
    return CRDT_OK;
}

static void fail_requests(worker_save *save)
{
    worker_save_result result = {
        .by = save->self, .where = "", .error = "the worker is closing"};
    for (size_t i = 0; i < save->request_count; i++) {
        if (save->requests[i].done != NULL) {
            save->requests[i].done(save->requests[i].ctx, &result);
        }
    }
    save->request_count = 0;
}

void worker_save_close(worker_save *save)
{
    if (save == NULL) {
        return;
    }
    pthread_mutex_lock(&save->mutex);
    save->stop = true;
    pthread_cond_broadcast(&save->changed);
    pthread_mutex_unlock(&save->mutex);
    pthread_join(save->thread, NULL);
    fail_requests(save);
    free_save(save);
}

void worker_save_set_node(worker_save *save, sync_node *node)
{
    pthread_mutex_lock(&save->mutex);
    save->node = NULL;
    save->era++;
    while (save->node_used) {
        pthread_cond_wait(&save->changed, &save->mutex);
    }
    save->allowed = false;
    save->checked = false;
    save->all_told = false;
    save->told_digest = false;
    crdt_version_clear(&save->loaded);
    save->node = node;
    save->learn = node != NULL;
    save->told_stale = true;
    pthread_cond_broadcast(&save->changed);
    pthread_mutex_unlock(&save->mutex);
}

void worker_save_set_project(worker_save *save, const char *project)
{
    pthread_mutex_lock(&save->mutex);
    if (!save->project_given) {
        snprintf(save->project, sizeof save->project, "%s", project);
        save->project_none = project[0] == '\0';
    }
    save->told_stale = true;
    pthread_cond_broadcast(&save->changed);
    pthread_mutex_unlock(&save->mutex);
}

/* ---- changes ---- */

void worker_save_allow(worker_save *save, const crdt_version *saved)
{
    pthread_mutex_lock(&save->mutex);
    save->allowed = true;
    save->told_stale = true;
    save->learn = save->node != NULL;
    if (saved != NULL) {
        (void)crdt_version_merge(&save->places[SAVE_BUILDER].saved, saved);
        (void)crdt_version_merge(&save->doc, saved);
    }
    worker_save_note_change(save);
    pthread_mutex_unlock(&save->mutex);
}

void worker_save_loaded(worker_save *save, const crdt_version *version)
{
    pthread_mutex_lock(&save->mutex);
    (void)crdt_version_copy(&save->loaded, version); /* no memory: it is saved once */
    worker_save_note_change(save);
    pthread_mutex_unlock(&save->mutex);
}

void worker_save_changed(worker_save *save, const crdt_version *version)
{
    pthread_mutex_lock(&save->mutex);
    if (!crdt_version_includes(&save->doc, version)) {
        (void)crdt_version_merge(&save->doc, version);
        save->told_stale = save->told_stale || save->places[SAVE_BUILDER].gap;
        save->places[SAVE_BUILDER].gap = false; /* perhaps it is what was lacking */
        worker_save_note_change(save);
    }
    pthread_mutex_unlock(&save->mutex);
}

/* ---- requests ---- */

/* Headers that a call may carry: "Name: value", printable. */
static bool good_headers(const char *const *headers)
{
    size_t count = 0;
    for (; headers[count] != NULL; count++) {
        size_t size = strnlen(headers[count], SAVE_HEADER_SIZE_MAX + 1);
        bool named = strchr(headers[count], ':') != NULL;
        if (count >= SAVE_HEADERS_MAX || size > SAVE_HEADER_SIZE_MAX || !named) {
            return false;
        }
        for (size_t i = 0; i < size; i++) {
            if ((uint8_t)headers[count][i] < 0x20 || headers[count][i] == 0x7f) {
                return false;
            }
        }
    }
    return count > 0;
}

crdt_err worker_save_request(worker_save *save, const char *const *headers, bool force,
                             worker_save_done_fn done, void *ctx)
{
    char **copy = NULL;
    if (headers != NULL && good_headers(headers)) {
        copy = worker_save_copy_texts((char *const *)(uintptr_t)headers);
        if (copy == NULL) {
            return CRDT_ENOMEM;
        }
    }
    pthread_mutex_lock(&save->mutex);
    if (save->request_count == SAVE_REQUESTS_MAX || save->stop) {
        pthread_mutex_unlock(&save->mutex);
        worker_save_free_texts(copy);
        return CRDT_EBUSY;
    }
    if (copy != NULL) {
        worker_save_free_texts(save->headers);
        save->headers = copy;
        save->places[SAVE_BUILDER].target.refused = false;
        save->told_stale = true;
    }
    save->requests[save->request_count++] =
        (save_request){.done = done, .ctx = ctx, .force = force};
    save->learn = save->node != NULL; /* what was edited just now is meant too */
    pthread_cond_broadcast(&save->changed);
    pthread_mutex_unlock(&save->mutex);
    return CRDT_OK;
}

crdt_err worker_save_thumbnail(worker_save *save, crdt_span image)
{
    if (builder_image_type(image) == NULL) {
        return CRDT_EINVAL;
    }
    if (image.size > SAVE_IMAGE_MAX) {
        return CRDT_ELIMIT;
    }
    pthread_mutex_lock(&save->mutex);
    crdt_buf_clear(&save->image);
    crdt_err err = crdt_buf_append_span(&save->image, image);
    save->image_due = err == CRDT_OK && save->builder_url != NULL;
    pthread_cond_broadcast(&save->changed);
    pthread_mutex_unlock(&save->mutex);
    return err;
}

/* ---- leaving ---- */

/* Is something unsaved that nobody else will save? Under the mutex. */
static bool must_save(const worker_save *save)
{
    for (int i = 0; i < SAVE_PLACES; i++) {
        if (save->places[i].target.enabled && worker_save_is_due(save, i) &&
            worker_save_is_mine(save, i)) {
            return true;
        }
    }
    return false;
}

/* Is all that is unsaved in other hands? Under the mutex. */
static bool left_in_order(const worker_save *save)
{
    crdt_actor chosen;
    for (int i = 0; i < SAVE_PLACES; i++) {
        bool due = save->places[i].target.enabled && worker_save_is_due(save, i);
        bool others = i == SAVE_BUILDER && worker_save_chosen(save, &chosen) &&
                      !crdt_actor_equal(&chosen, &save->self);
        if (due && !others) {
            return false;
        }
    }
    return true;
}

static void add_ms(struct timespec *at, uint64_t ms)
{
    at->tv_sec += (time_t)(ms / 1000);
    at->tv_nsec += (long)(ms % 1000) * 1000000;
    if (at->tv_nsec >= 1000000000) {
        at->tv_sec++;
        at->tv_nsec -= 1000000000;
    }
}

bool worker_save_leave(worker_save *save, uint32_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    add_ms(&until, timeout_ms);
    pthread_mutex_lock(&save->mutex);
    save->leaving = true;
    save->told_stale = true;
    save->learn = save->node != NULL; /* what was edited last may not have been told */
    pthread_cond_broadcast(&save->changed);
    int rc = 0;
    while (rc == 0 && !save->stop && (save->learn || save->learning)) {
        rc = pthread_cond_timedwait(&save->changed, &save->mutex, &until);
    }
    if (must_save(save) && save->request_count < SAVE_REQUESTS_MAX) {
        save->requests[save->request_count++] = (save_request){.done = NULL};
        pthread_cond_broadcast(&save->changed);
    }
    while (rc == 0 && !save->stop && must_save(save)) {
        rc = pthread_cond_timedwait(&save->changed, &save->mutex, &until);
    }
    bool saved = left_in_order(save);
    pthread_mutex_unlock(&save->mutex);
    return saved;
}

/* ---- others ---- */

void worker_save_tell(worker_save *save, bool *saves,
                      char version[WORKER_SAVE_VERSION_SIZE])
{
    pthread_mutex_lock(&save->mutex);
    *saves = worker_save_can(save) && !save->leaving;
    const crdt_version *saved = &save->places[SAVE_BUILDER].saved;
    if (!worker_version_format(saved, version, WORKER_SAVE_VERSION_SIZE)) {
        version[0] = '#';
        crdt_digest_format(crdt_digest_version(saved), version + 1);
    }
    pthread_mutex_unlock(&save->mutex);
}

static save_rival *find_rival(worker_save *save, const crdt_actor *actor)
{
    for (size_t i = 0; i < save->rival_count; i++) {
        if (crdt_actor_equal(&save->rivals[i].who.actor, actor)) {
            return &save->rivals[i];
        }
    }
    if (save->rival_count == SAVE_RIVALS_MAX) {
        return NULL;
    }
    save_rival *rival = &save->rivals[save->rival_count++];
    *rival = (save_rival){.who = {.actor = *actor}};
    return rival;
}

/* The "#<digest>" of a version that is too long to be told. Into version->told. */
static bool learn_digest(worker_save *save, const char *text)
{
    crdt_actor halves; /* as long, and spelled the same */
    if (text[0] != '#' || !crdt_actor_parse(text + 1, &halves)) {
        return false;
    }
    crdt_digest digest = {0, 0};
    for (size_t i = 0; i < 8; i++) {
        digest.high = digest.high << 8 | halves.bytes[i];
        digest.low = digest.low << 8 | halves.bytes[i + 8];
    }
    save->told = digest;
    save->told_digest = true;
    return true;
}

static bool learn_version(worker_save *save, const char *text)
{
    crdt_version told;
    crdt_version_init(&told, save->options.alloc);
    bool good = worker_version_parse(text, &told) == CRDT_OK && told.stamp_count > 0 &&
                worker_save_learn(&save->places[SAVE_BUILDER].saved, &told) == CRDT_OK;
    crdt_version_deinit(&told);
    return good;
}

/* Another version was told than before: another save. Under the mutex. */
static void learn_saved(worker_save *save, const crdt_actor *actor, const char *text)
{
    save_place *builder = &save->places[SAVE_BUILDER];
    if (!learn_digest(save, text) && !learn_version(save, text)) {
        return;
    }
    builder->at_ms = worker_save_wall_ms();
    save->last_saver = *actor;
    save->told_stale = true;
    builder->gap = false;
    if (builder->foreign) { /* what is at the server is ours now */
        builder->foreign = false;
        builder->target.refused = false;
        builder->target.failing = false;
        builder->error[0] = '\0';
    }
    if (builder->busy) {
        /* Which of the two came last is not known: ours is written once more. */
        worker_save_target_change(&builder->target, worker_save_now_ms());
    }
    worker_save_note_change(save);
}

void worker_save_heard(worker_save *save, const crdt_actor *actor, bool saves,
                       const char *version)
{
    pthread_mutex_lock(&save->mutex);
    save_rival *rival =
        crdt_actor_equal(actor, &save->self) ? NULL : find_rival(save, actor);
    if (rival != NULL) {
        save->told_stale = save->told_stale || rival->who.saves != saves;
        rival->who.saves = saves;
        bool other = version != NULL && version[0] != '\0' &&
                     (rival->told == NULL || strcmp(rival->told, version) != 0);
        if (other) {
            free(rival->told);
            rival->told = strdup(version);
            learn_saved(save, actor, version);
        }
        pthread_cond_broadcast(&save->changed);
    }
    pthread_mutex_unlock(&save->mutex);
}

void worker_save_left(worker_save *save, const crdt_actor *actor)
{
    pthread_mutex_lock(&save->mutex);
    for (size_t i = 0; i < save->rival_count; i++) {
        if (crdt_actor_equal(&save->rivals[i].who.actor, actor)) {
            free(save->rivals[i].told);
            save->rivals[i] = save->rivals[--save->rival_count];
            save->checked = false; /* it may have saved after we looked */
            break;
        }
    }
    save->told_stale = true;
    pthread_cond_broadcast(&save->changed);
    pthread_mutex_unlock(&save->mutex);
}

/* ---- looking ---- */

void worker_save_look(worker_save *save, worker_save_status *status)
{
    pthread_mutex_lock(&save->mutex);
    int index = worker_save_main_place(save);
    const save_place *at = &save->places[index];
    *status =
        (worker_save_status){.state = worker_save_state_of(save), .at_ms = at->at_ms};
    (void)worker_version_format(&at->saved, status->version, sizeof status->version);
    if (worker_save_chosen(save, &status->saver)) {
        status->mine = crdt_actor_equal(&status->saver, &save->self);
    }
    snprintf(status->where, sizeof status->where, "%s", worker_save_where(save, index));
    uint64_t now = worker_save_now_ms();
    for (int i = 0; i < SAVE_PLACES; i++) {
        const save_place *other = &save->places[i];
        if (other->target.enabled && other->target.failing) {
            snprintf(status->error, sizeof status->error, "%s", other->error);
            uint64_t retry = other->target.retry_at_ms;
            status->retry_ms =
                retry != WORKER_SAVE_NEVER && retry > now ? retry - now : 0;
        }
    }
    const char *why = worker_save_why_off(save);
    if (status->error[0] == '\0' && why != NULL && save->node != NULL) {
        snprintf(status->error, sizeof status->error, "%s", why);
    }
    pthread_mutex_unlock(&save->mutex);
}
