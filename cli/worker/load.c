#include "cli/worker/load.h"

#include "cli/content/builder_client.h"
#include "cli/worker/backoff.h"
#include "cli/worker/deployed.h"
#include "cli/worker/rebase.h"
#include "cli/worker/relation.h"
#include "crdt/template.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASK_SLICE_MS 250 /* how soon a close is noticed while peers are asked */
#define STRANGER_AGAIN_MS                                                              \
    60000 /* an unrelated stranger is looked at once in that time */

typedef struct stranger {
    bool heard;
    crdt_actor actor;
    crdt_actor lineage;
    char url[SYNC_NODE_NAME_SIZE];
    unsigned tries; /* to look at it that failed */
} stranger;

struct worker_load {
    worker_load_options options;
    char scene[32];
    char *content_url;
    char *builder_url;
    char *project;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    atomic_bool stop;
    worker_backoff backoff;

    /* under the mutex */
    worker_load_source source;
    stranger stranger;
    bool woken;

    /* the thread's own, and worker_load_rebase's after it has ended */
    bool rebasing;
    bool onto_file;
    crdt_err asked; /* what the peers said at the beginning */
    worker_deployed deployed;
    bool has_deployed;
    char peer_url[SYNC_NODE_NAME_SIZE]; /* of who lives, where it is known */
    uint64_t opened_ms;
    crdt_actor looked_at;
    uint64_t looked_ms;
};

worker_load_options worker_load_options_default(void)
{
    return (worker_load_options){.alloc = crdt_alloc_default(),
                                 .ask_ms = 3000,
                                 .call_ms = 20000,
                                 .retry_ms_min = 1000,
                                 .retry_ms_max = 60000,
                                 .patience_ms = 60000};
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Wait, unless something comes that may change things. */
static void wait_ms(worker_load *load, uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&load->mutex);
    int rc = 0;
    while (!load->stop && !load->woken && rc == 0) {
        rc = pthread_cond_timedwait(&load->changed, &load->mutex, &until);
    }
    load->woken = false;
    pthread_mutex_unlock(&load->mutex);
}

/* ---- telling ---- */

static void tell(worker_load *load, const worker_load_event *event)
{
    if (load->options.on_event != NULL && !load->stop) {
        load->options.on_event(load->options.ctx, event);
    }
}

static void tell_text(worker_load *load, worker_load_kind kind, const char *text)
{
    tell(load, &(worker_load_event){.kind = kind, .text = text});
}

static void copy_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

static void become_ready(worker_load *load, const char *from, const char *where,
                         const char *text)
{
    pthread_mutex_lock(&load->mutex);
    load->source.ready = true;
    copy_text(load->source.from, sizeof load->source.from, from);
    copy_text(load->source.where, sizeof load->source.where, where);
    pthread_mutex_unlock(&load->mutex);
    tell_text(load, WORKER_LOAD_READY, text);
}

static void settle(worker_load *load)
{
    pthread_mutex_lock(&load->mutex);
    bool first = !load->source.settled;
    load->source.settled = true;
    pthread_mutex_unlock(&load->mutex);
    if (first) {
        tell_text(load, WORKER_LOAD_SETTLED, "");
    }
}

static void note_deployed(worker_load *load, const char *project, const char *entity)
{
    pthread_mutex_lock(&load->mutex);
    load->source.deployed_known = true;
    if (project[0] != '\0') {
        copy_text(load->source.project, sizeof load->source.project, project);
    }
    copy_text(load->source.entity, sizeof load->source.entity, entity);
    pthread_mutex_unlock(&load->mutex);
}

/* Something failed: say so, and wait until it is time to try again. */
static void fail_and_wait(worker_load *load, worker_load_kind kind, const char *why)
{
    uint64_t wait = worker_backoff_fail(&load->backoff);
    char text[WORKER_LOAD_TEXT_SIZE];
    snprintf(text, sizeof text, "%s; next try in %llu s", why,
             (unsigned long long)(wait + 999) / 1000);
    tell(load, &(worker_load_event){
                   .kind = kind, .text = text, .retry_ms = wait, .failing = true});
    wait_ms(load, wait);
}

/* ---- what the node holds ---- */

typedef struct holding {
    bool known; /* a scene is there */
    crdt_actor lineage;
    crdt_version version;
    scene_descent descent;
} holding;

static crdt_err read_descent(void *ctx, const crdt_document *doc)
{
    return scene_descent_read(ctx, doc);
}

static void deinit_holding(holding *held)
{
    crdt_version_deinit(&held->version);
    scene_descent_deinit(&held->descent);
}

static crdt_err look_at(worker_load *load, sync_node *node, holding *held)
{
    *held = (holding){.known = false};
    crdt_version_init(&held->version, load->options.alloc);
    scene_descent_init(&held->descent, load->options.alloc);
    sync_node_status status;
    crdt_err err = sync_node_status_get(node, &status);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_actor empty = crdt_template_actor_empty();
    held->known = status.lineage_known && (status.version.stamp_count > 0 ||
                                           crdt_actor_equal(&status.lineage, &empty));
    held->lineage = status.lineage;
    err = crdt_version_copy(&held->version, &status.version);
    sync_node_status_deinit(&status);
    if (err == CRDT_OK) {
        err = sync_node_read(node, read_descent, &held->descent);
    }
    return err;
}

static bool holds_scene(worker_load *load)
{
    holding held;
    bool known = look_at(load, load->options.node, &held) == CRDT_OK && held.known;
    deinit_holding(&held);
    return known;
}

/* ---- the bus ---- */

/* Ask in slices, so that a close is noticed. */
static crdt_err ask_bus(worker_load *load, sync_node *node, crdt_diag *diag)
{
    uint64_t end = now_ms() + load->options.ask_ms;
    crdt_err err = CRDT_ETIMEOUT;
    while (!load->stop && err == CRDT_ETIMEOUT) {
        uint64_t now = now_ms();
        if (now >= end) {
            break;
        }
        uint64_t left = end - now;
        err = sync_node_ask(node, (uint32_t)(left < ASK_SLICE_MS ? left : ASK_SLICE_MS),
                            diag);
    }
    return load->stop ? CRDT_ECLOSED : err;
}

/* ---- the servers ---- */

static worker_deployed_options deployed_options(const worker_load *load)
{
    return (worker_deployed_options){.alloc = load->options.alloc,
                                     .scene = load->scene,
                                     .content_url = load->content_url,
                                     .builder_url = load->builder_url,
                                     .project = load->project,
                                     .timeout_ms = load->options.call_ms,
                                     .stop = &load->stop};
}

static void drop_deployed(worker_load *load)
{
    if (load->has_deployed) {
        worker_deployed_deinit(&load->deployed);
        load->has_deployed = false;
    }
}

/* Get what is deployed into load->deployed. */
static crdt_err fetch_deployed(worker_load *load, crdt_diag *diag)
{
    drop_deployed(load);
    worker_deployed_options options = deployed_options(load);
    crdt_err err = worker_deployed_fetch(&load->deployed, &options, diag);
    if (err != CRDT_OK) {
        worker_deployed_deinit(&load->deployed);
        return err;
    }
    load->has_deployed = true;
    note_deployed(load, load->deployed.project, load->deployed.entity);
    return CRDT_OK;
}

static crdt_err import_deployed(worker_load *load, crdt_diag *diag)
{
    const worker_deployed *deployed = &load->deployed;
    crdt_arena arena;
    crdt_arena_init(&arena, load->options.alloc);
    crdt_batch batch;
    crdt_err err = crdt_template_make(deployed->ops.ops, deployed->ops.op_count, &arena,
                                      &batch, diag);
    if (err == CRDT_OK) {
        err = sync_node_import(load->options.node, &batch, (crdt_span){NULL, 0}, diag);
    }
    crdt_arena_deinit(&arena);
    return err;
}

/* ---- a node without a scene ---- */

static void say_loaded(worker_load *load)
{
    const worker_deployed *deployed = &load->deployed;
    char text[WORKER_LOAD_TEXT_SIZE + 64];
    if (deployed->where[0] == '\0') {
        snprintf(text, sizeof text, "an empty scene%s%s",
                 deployed->note[0] != '\0' ? ": " : "", deployed->note);
    } else {
        snprintf(text, sizeof text, "from the %s server%s%s", deployed->from,
                 deployed->note[0] != '\0' ? ": " : "", deployed->note);
    }
    become_ready(load, deployed->from, deployed->where, text);
}

/* One try. True: the node holds the scene. */
static bool try_servers(worker_load *load, char *why, size_t why_size)
{
    crdt_diag diag = {0};
    crdt_err err = fetch_deployed(load, &diag);
    if (err == CRDT_OK) {
        err = import_deployed(load, &diag);
    }
    if (err == CRDT_OK) {
        say_loaded(load);
        settle(load);
        return true;
    }
    if (err == CRDT_EEXIST && holds_scene(load)) {
        become_ready(load, "bus", "", "joined an edition");
        settle(load);
        return true;
    }
    snprintf(why, why_size, "%s",
             diag.text[0] != '\0' ? diag.text : crdt_err_text(err));
    return false;
}

static void load_first(worker_load *load)
{
    bool has_server = load->content_url != NULL ||
                      (load->builder_url != NULL && load->project != NULL);
    tell_text(load, WORKER_LOAD_LOADING, "asking the peers for the scene");
    while (!load->stop) {
        crdt_diag diag = {0};
        char why[sizeof diag.text];
        crdt_err err = ask_bus(load, load->options.node, &diag);
        if (err == CRDT_OK || (err == CRDT_ETIMEOUT && holds_scene(load))) {
            become_ready(load, "bus", "", "joined an edition");
            return;
        }
        if (err == CRDT_ECLOSED || load->stop) {
            return;
        }
        copy_text(why, sizeof why,
                  diag.text[0] != '\0' ? diag.text : "the peers do not answer");
        bool alone = !has_server && err == CRDT_ENOTFOUND;
        if (has_server || alone) {
            tell_text(load, WORKER_LOAD_LOADING,
                      has_server ? "asking the servers for the scene"
                                 : "beginning an empty scene");
            if (try_servers(load, why, sizeof why)) {
                return;
            }
        }
        if (!load->stop) {
            fail_and_wait(load, WORKER_LOAD_LOADING, why);
        }
    }
}

/* ---- a rebase is due ---- */

static void want_rebase(worker_load *load, const crdt_actor *lineage, bool onto_file,
                        const char *text)
{
    const sync_node_options *node = load->options.node_options;
    if (node == NULL || node->store_dir == NULL) {
        tell_text(load, WORKER_LOAD_NOTE,
                  "the scene lives on elsewhere; this node has no store to bring over");
        settle(load);
        return;
    }
    uint64_t now = now_ms();
    while (!load->stop && now < load->opened_ms + load->options.rebase_after_ms) {
        wait_ms(load, load->opened_ms + load->options.rebase_after_ms - now);
        now = now_ms();
    }
    if (load->stop) {
        return;
    }
    load->rebasing = true;
    load->onto_file = onto_file;
    tell(load, &(worker_load_event){
                   .kind = WORKER_LOAD_REBASE, .text = text, .lineage = *lineage});
}

static void say_unrelated(worker_load *load, const crdt_actor *lineage,
                          const char *what)
{
    char text[WORKER_LOAD_TEXT_SIZE];
    snprintf(
        text, sizeof text,
        "%s is not what this store descends from; they are kept apart. To take one "
        "over into the other: export it, then import --onto",
        what);
    tell(load, &(worker_load_event){.kind = WORKER_LOAD_NOTE,
                                    .text = text,
                                    .lineage = *lineage,
                                    .failing = true});
}

/* ---- strangers ---- */

/* Where the stranger is reached: as it said, or a peer heard as that actor; else those
 * given. */
static void find_stranger_url(worker_load *load, const stranger *met)
{
    copy_text(load->peer_url, sizeof load->peer_url, met->url);
    sync_node_status status;
    if (met->url[0] != '\0' ||
        sync_node_status_get(load->options.node, &status) != CRDT_OK) {
        return;
    }
    for (size_t i = 0; i < status.peer_count; i++) {
        if (crdt_actor_equal(&status.peers[i].actor, &met->actor)) {
            copy_text(load->peer_url, sizeof load->peer_url, status.peers[i].url);
        }
    }
    sync_node_status_deinit(&status);
}

/* A node of its own, in memory, that takes the stranger's scene to look at it. */
static crdt_err look_at_living(worker_load *load, holding *theirs)
{
    sync_node_options options = *load->options.node_options;
    const char *urls[1] = {load->peer_url};
    options.store_dir = NULL;
    options.scene = load->scene;
    options.listen_count = 0;
    options.discover = false;
    options.on_event = NULL;
    options.fault_drop = 0;
    if (load->peer_url[0] != '\0') {
        options.peer_urls = urls;
        options.peer_count = 1;
    }
    *theirs = (holding){.known = false};
    crdt_version_init(&theirs->version, load->options.alloc);
    scene_descent_init(&theirs->descent, load->options.alloc);
    sync_node *node = NULL;
    crdt_err err = sync_node_open(&node, &options, NULL);
    if (err == CRDT_OK) {
        err = ask_bus(load, node, NULL);
    }
    if (err == CRDT_OK) {
        err = look_at(load, node, theirs);
    }
    sync_node_close(node);
    return err;
}

static worker_relation relate(const holding *ours, const holding *theirs)
{
    worker_relation_side a = {ours->lineage, &ours->version, &ours->descent};
    worker_relation_side b = {theirs->lineage, NULL, &theirs->descent};
    return worker_relation_to_living(&a, &b);
}

#define STRANGER_TRIES 3

/* It could not be looked at: later again, unless another one is heard first. */
static void keep_stranger(worker_load *load, const stranger *met)
{
    pthread_mutex_lock(&load->mutex);
    if (!load->stranger.heard && met->heard && met->tries < STRANGER_TRIES) {
        load->stranger = *met;
        load->stranger.tries++;
    }
    pthread_mutex_unlock(&load->mutex);
}

static void judge_stranger(worker_load *load, const holding *ours,
                           const holding *theirs)
{
    switch (relate(ours, theirs)) {
    case WORKER_RELATION_SAME:
        break;
    case WORKER_RELATION_BEHIND:
        want_rebase(load, &theirs->lineage, false,
                    "this scene was saved and lives on in another edition: joining it");
        break;
    case WORKER_RELATION_AHEAD:
        tell(load, &(worker_load_event){
                       .kind = WORKER_LOAD_NOTE,
                       .lineage = theirs->lineage,
                       .text = "an older edition of this scene is still alive; it is "
                               "expected to come over"});
        break;
    case WORKER_RELATION_UNRELATED:
        say_unrelated(load, &theirs->lineage, "an edition that is alive");
        break;
    }
}

/* Somebody edits this scene under another lineage: look who comes over to whom. */
static void meet_stranger(worker_load *load, const stranger *met)
{
    uint64_t now = now_ms();
    if (load->looked_ms != 0 && crdt_actor_equal(&load->looked_at, &met->lineage) &&
        now - load->looked_ms < STRANGER_AGAIN_MS) {
        return;
    }
    find_stranger_url(load, met);
    holding ours;
    holding theirs;
    crdt_err err = look_at(load, load->options.node, &ours);
    crdt_err seen = look_at_living(load, &theirs);
    if (load->stop) {
        err = CRDT_ECLOSED;
    } else if (err == CRDT_OK && seen == CRDT_OK && theirs.known) {
        load->looked_at = met->lineage;
        load->looked_ms = now;
        judge_stranger(load, &ours, &theirs);
    } else {
        keep_stranger(load, met);
    }
    deinit_holding(&ours);
    deinit_holding(&theirs);
}

/* ---- a store that holds a scene ---- */

/* A stranger that was heard while the peers were asked is looked at first. */
static bool take_stranger(worker_load *load, stranger *met)
{
    pthread_mutex_lock(&load->mutex);
    *met = load->stranger;
    load->stranger.heard = false;
    pthread_mutex_unlock(&load->mutex);
    return met->heard;
}

/* Is anybody of this lineage heard? */
static bool hears_anybody(worker_load *load)
{
    sync_node_status status;
    if (sync_node_status_get(load->options.node, &status) != CRDT_OK) {
        return false;
    }
    bool heard = false;
    for (size_t i = 0; i < status.peer_count; i++) {
        heard = heard || (status.peers[i].connected && status.peers[i].heard);
    }
    sync_node_status_deinit(&status);
    return heard;
}

/* A file that our own lineage saved holds what we lack. Whoever saved it may be alive
 * beyond a way that is cut: wait for them. True: they are there, or it is decided. */
static bool others_come(worker_load *load)
{
    const sync_node_options *node = load->options.node_options;
    uint64_t patience = 0;
    if (load->asked == CRDT_ETIMEOUT) {
        patience = load->options.patience_ms;
    } else if (node != NULL && node->listen_count > 0) {
        patience = load->options.patience_ms / 6;
    }
    uint64_t end = now_ms() + patience;
    if (patience > 0) {
        tell_text(
            load, WORKER_LOAD_NOTE,
            "others saved what this store lacks, and nobody is heard: waiting for "
            "them before it is brought over");
    }
    while (!load->stop && !load->rebasing && now_ms() < end) {
        stranger met;
        if (take_stranger(load, &met)) {
            meet_stranger(load, &met);
        } else if (hears_anybody(load)) {
            tell_text(load, WORKER_LOAD_NOTE, "");
            settle(load);
            return true;
        } else {
            wait_ms(load, 250);
        }
    }
    return load->stop || load->rebasing;
}

static bool is_own(const holding *ours, const worker_deployed *deployed)
{
    return deployed->descent.row_count > 0 &&
           crdt_actor_equal(&deployed->descent.rows[0].lineage, &ours->lineage);
}

/* How does what is deployed relate to the store? */
static void compare_deployed(worker_load *load)
{
    holding ours;
    const worker_deployed *deployed = &load->deployed;
    if (look_at(load, load->options.node, &ours) != CRDT_OK) {
        deinit_holding(&ours);
        return;
    }
    worker_relation_side a = {ours.lineage, &ours.version, &ours.descent};
    worker_relation_side b = {deployed->lineage, NULL, &deployed->descent};
    bool nothing = deployed->where[0] == '\0';
    worker_relation relation =
        nothing ? WORKER_RELATION_AHEAD : worker_relation_to_file(&a, &b);
    if (relation == WORKER_RELATION_BEHIND) {
        if (!is_own(&ours, deployed) || !others_come(load)) {
            want_rebase(
                load, &deployed->lineage, true,
                "what was saved of this scene has gone on: bringing this store over");
        }
    } else if (relation == WORKER_RELATION_UNRELATED) {
        say_unrelated(load, &deployed->lineage, "what is deployed");
        settle(load);
    } else {
        settle(load);
    }
    deinit_holding(&ours);
}

static void check_store(worker_load *load)
{
    crdt_diag diag = {0};
    crdt_err err = ask_bus(load, load->options.node, &diag);
    load->asked = err;
    stranger met;
    if (take_stranger(load, &met) || err == CRDT_ELINEAGE) {
        meet_stranger(load, &met);
    }
    if (load->rebasing || load->stop) {
        return;
    }
    if (err == CRDT_OK) {
        settle(load); /* others live in this very lineage */
        return;
    }
    if (load->content_url == NULL &&
        (load->builder_url == NULL || load->project == NULL)) {
        settle(load);
        return;
    }
    while (!load->stop && !load->rebasing && !load->source.settled) {
        diag = (crdt_diag){0};
        err = fetch_deployed(load, &diag);
        if (err == CRDT_OK) {
            worker_backoff_clear(&load->backoff);
            compare_deployed(load);
            return;
        }
        if (load->stop) {
            return;
        }
        fail_and_wait(load, WORKER_LOAD_NOTE,
                      diag.text[0] != '\0' ? diag.text : crdt_err_text(err));
        if (take_stranger(load, &met)) {
            meet_stranger(load, &met);
        }
    }
}

/* ---- afterwards ---- */

/* Which project the deployed scene names, where the scene came from elsewhere. False: try
 * again after a while. */
static bool learn_deployed(worker_load *load)
{
    pthread_mutex_lock(&load->mutex);
    bool known = load->source.deployed_known;
    pthread_mutex_unlock(&load->mutex);
    if (known || load->content_url == NULL) {
        return true;
    }
    worker_deployed_options options = deployed_options(load);
    content_scene scene;
    crdt_diag diag = {0};
    if (worker_deployed_find(&options, &scene, &diag) != CRDT_OK) {
        if (!load->stop) {
            fail_and_wait(load, WORKER_LOAD_NOTE, diag.text);
        }
        return false;
    }
    note_deployed(load, scene.project, scene.id);
    tell_text(load, WORKER_LOAD_NOTE,
              load->backoff.failures > 0 ? "the content server answers" : "");
    return true;
}

static void watch(worker_load *load)
{
    worker_backoff_clear(&load->backoff);
    bool known = false;
    while (!load->stop && !load->rebasing) {
        if (!known) {
            known = learn_deployed(load);
        }
        stranger met;
        if (take_stranger(load, &met)) {
            meet_stranger(load, &met);
        } else if (known && !load->stop) {
            wait_ms(load, 3600000);
        }
    }
}

static void *run(void *ctx)
{
    worker_load *load = ctx;
    if (holds_scene(load)) {
        become_ready(load, "store", "", "from the store");
        check_store(load);
    } else {
        load_first(load);
        if (!load->stop) {
            settle(load);
        }
    }
    watch(load);
    return NULL;
}

/* ---- opening, closing ---- */

static char *copy_string(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

static bool copy_options(worker_load *load, const worker_load_options *options)
{
    load->options = *options;
    copy_text(load->scene, sizeof load->scene, options->scene);
    load->content_url = copy_string(options->content_url);
    load->builder_url = copy_string(options->builder_url);
    load->project = copy_string(options->project);
    if (options->project != NULL) {
        copy_text(load->source.project, sizeof load->source.project, options->project);
    }
    return (options->content_url == NULL || load->content_url != NULL) &&
           (options->builder_url == NULL || load->builder_url != NULL) &&
           (options->project == NULL || load->project != NULL);
}

static void free_load(worker_load *load)
{
    drop_deployed(load);
    pthread_cond_destroy(&load->changed);
    pthread_mutex_destroy(&load->mutex);
    free(load->content_url);
    free(load->builder_url);
    free(load->project);
    crdt_free(load->options.alloc, load, sizeof *load);
}

crdt_err worker_load_open(worker_load **out, const worker_load_options *options,
                          crdt_diag *diag)
{
    *out = NULL;
    if (!content_pointer_valid(options->scene)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "%.40s is no place X,Y",
                             options->scene);
    }
    if (options->project != NULL && !builder_project_valid(options->project)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "%.64s is no id of a project",
                             options->project);
    }
    worker_load *load = crdt_allocate(options->alloc, sizeof *load);
    if (load == NULL) {
        return CRDT_ENOMEM;
    }
    *load = (worker_load){.options = {.alloc = options->alloc}};
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&load->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&load->mutex, NULL);
    load->opened_ms = now_ms();
    load->source.deployed_known = options->content_url == NULL;
    load->backoff = worker_backoff_make(options->retry_ms_min, options->retry_ms_max,
                                        options->seed);
    *out = load; /* events may come before this returns */
    if (!copy_options(load, options) ||
        pthread_create(&load->thread, NULL, run, load) != 0) {
        *out = NULL;
        free_load(load);
        return crdt_diag_set(diag, CRDT_ENOMEM, 0, "no thread can be started");
    }
    return CRDT_OK;
}

void worker_load_close(worker_load *load)
{
    if (load == NULL) {
        return;
    }
    pthread_mutex_lock(&load->mutex);
    load->stop = true;
    pthread_cond_broadcast(&load->changed);
    pthread_mutex_unlock(&load->mutex);
    pthread_join(load->thread, NULL);
    free_load(load);
}

void worker_load_hear(worker_load *load, const sync_event *event)
{
    if (event->kind != SYNC_EVENT_STRANGER && event->kind != SYNC_EVENT_ADOPTED) {
        return;
    }
    pthread_mutex_lock(&load->mutex);
    if (event->kind == SYNC_EVENT_STRANGER) {
        load->stranger =
            (stranger){.heard = true, .actor = event->actor, .lineage = event->lineage};
        copy_text(load->stranger.url, sizeof load->stranger.url,
                  event->url != NULL ? event->url : "");
    }
    load->woken = true;
    pthread_cond_broadcast(&load->changed);
    pthread_mutex_unlock(&load->mutex);
}

void worker_load_look(worker_load *load, worker_load_source *source)
{
    pthread_mutex_lock(&load->mutex);
    *source = load->source;
    pthread_mutex_unlock(&load->mutex);
}

crdt_err worker_load_rebase(worker_load *load, worker_rebase_report *report,
                            crdt_diag *diag)
{
    const char *urls[2] = {load->peer_url, NULL};
    worker_rebase_options options = {
        .alloc = load->options.alloc,
        .store_dir = load->options.node_options->store_dir,
        .scene = load->scene,
        .node = load->options.node_options,
        .more_peers = load->peer_url[0] != '\0' ? urls : NULL,
        .ask_ms = load->options.ask_ms > 5000 ? load->options.ask_ms : 5000,
    };
    if (load->onto_file && load->has_deployed) {
        options.ops = load->deployed.ops.ops;
        options.op_count = load->deployed.ops.op_count;
    }
    crdt_err err = worker_rebase_run(&options, report, diag);
    if (err == CRDT_OK && !load->onto_file) {
        copy_text(report->living_url, sizeof report->living_url, load->peer_url);
    }
    return err;
}
