#include "cli/worker/load.h"

#include "cli/content/builder_client.h"
#include "cli/worker/load_impl.h"
#include "cli/worker/rebase.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

worker_load_options worker_load_options_default(void)
{
    return (worker_load_options){.alloc = crdt_alloc_default(),
                                 .ask_ms = 3000,
                                 .call_ms = 20000,
                                 .retry_ms_min = 1000,
                                 .retry_ms_max = 60000,
                                 .patience_ms = 60000};
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
    worker_load_become_ready(load, deployed->from, deployed->where, text);
}

/* One try. True: the node holds the scene. */
static bool try_servers(worker_load *load, char *why, size_t why_size)
{
    crdt_diag diag = {0};
    crdt_err err = worker_load_fetch_deployed(load, &diag);
    if (err == CRDT_OK) {
        err = worker_load_import_deployed(load, &diag);
    }
    if (err == CRDT_OK) {
        say_loaded(load);
        worker_load_settle(load);
        return true;
    }
    if (err == CRDT_EEXIST && worker_load_holds_scene(load)) {
        worker_load_become_ready(load, "bus", "", "joined an edition");
        worker_load_settle(load);
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
    worker_load_tell_text(load, WORKER_LOAD_LOADING, "asking the peers for the scene");
    while (!load->stop) {
        crdt_diag diag = {0};
        char why[sizeof diag.text];
        crdt_err err = worker_load_ask_bus(load, load->options.node, &diag);
        if (err == CRDT_OK || (err == CRDT_ETIMEOUT && worker_load_holds_scene(load))) {
            worker_load_become_ready(load, "bus", "", "joined an edition");
            return;
        }
        if (err == CRDT_ECLOSED || load->stop) {
            return;
        }
        worker_load_copy_text(why, sizeof why,
                              diag.text[0] != '\0' ? diag.text
                                                   : "the peers do not answer");
        bool alone = !has_server && err == CRDT_ENOTFOUND;
        if (has_server || alone) {
            worker_load_tell_text(load, WORKER_LOAD_LOADING,
                                  has_server ? "asking the servers for the scene"
                                             : "beginning an empty scene");
            if (try_servers(load, why, sizeof why)) {
                return;
            }
        }
        if (!load->stop) {
            worker_load_fail_and_wait(load, WORKER_LOAD_LOADING, why);
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
    worker_deployed_options options = worker_load_deployed_options(load);
    content_scene scene;
    crdt_diag diag = {0};
    if (worker_deployed_find(&options, &scene, &diag) != CRDT_OK) {
        if (!load->stop) {
            worker_load_fail_and_wait(load, WORKER_LOAD_NOTE, diag.text);
        }
        return false;
    }
    worker_load_note_deployed(load, scene.project, scene.id);
    worker_load_tell_text(load, WORKER_LOAD_NOTE,
                          load->backoff.failures > 0 ? "the content server answers"
                                                     : "");
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
        worker_load_stranger met;
        if (worker_load_take_stranger(load, &met)) {
            worker_load_meet_stranger(load, &met);
        } else if (known && !load->stop) {
            worker_load_wait_ms(load, 3600000);
        }
    }
}

static void *run(void *ctx)
{
    worker_load *load = ctx;
    if (worker_load_holds_scene(load)) {
        /* Where there is no store, a peer was quicker than we. */
        const sync_node_options *node = load->options.node_options;
        bool store = node == NULL || node->store_dir != NULL;
        worker_load_become_ready(load, store ? "store" : "bus", "",
                                 store ? "from the store" : "joined an edition");
        worker_load_check_store(load);
    } else {
        load_first(load);
        if (!load->stop) {
            worker_load_settle(load);
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
    worker_load_copy_text(load->scene, sizeof load->scene, options->scene);
    load->content_url = copy_string(options->content_url);
    load->builder_url = copy_string(options->builder_url);
    load->project = copy_string(options->project);
    if (options->project != NULL) {
        worker_load_copy_text(load->source.project, sizeof load->source.project,
                              options->project);
    }
    return (options->content_url == NULL || load->content_url != NULL) &&
           (options->builder_url == NULL || load->builder_url != NULL) &&
           (options->project == NULL || load->project != NULL);
}

static void free_load(worker_load *load)
{
    worker_load_drop_deployed(load);
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
    load->opened_ms = worker_load_now_ms();
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
        load->stranger = (worker_load_stranger){
            .heard = true, .actor = event->actor, .lineage = event->lineage};
        worker_load_copy_text(load->stranger.url, sizeof load->stranger.url,
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
        worker_load_copy_text(report->living_url, sizeof report->living_url,
                              load->peer_url);
    }
    return err;
}
