#include "cli/worker/load_impl.h"

#include "crdt/template.h"

#include <stdio.h>
#include <time.h>

#define ASK_SLICE_MS 250 /* how soon a close is noticed while peers are asked */

uint64_t worker_load_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Wait, unless something comes that may change things. */
void worker_load_wait_ms(worker_load *load, uint64_t ms)
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

void worker_load_tell(worker_load *load, const worker_load_event *event)
{
    if (load->options.on_event != NULL && !load->stop) {
        load->options.on_event(load->options.ctx, event);
    }
}

void worker_load_tell_text(worker_load *load, worker_load_kind kind, const char *text)
{
    worker_load_tell(load, &(worker_load_event){.kind = kind, .text = text});
}

void worker_load_copy_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

void worker_load_become_ready(worker_load *load, const char *from, const char *where,
                              const char *text)
{
    pthread_mutex_lock(&load->mutex);
    load->source.ready = true;
    worker_load_copy_text(load->source.from, sizeof load->source.from, from);
    worker_load_copy_text(load->source.where, sizeof load->source.where, where);
    pthread_mutex_unlock(&load->mutex);
    worker_load_tell_text(load, WORKER_LOAD_READY, text);
}

void worker_load_settle(worker_load *load)
{
    pthread_mutex_lock(&load->mutex);
    bool first = !load->source.settled;
    load->source.settled = true;
    pthread_mutex_unlock(&load->mutex);
    if (first) {
        worker_load_tell_text(load, WORKER_LOAD_SETTLED, "");
    }
}

void worker_load_note_deployed(worker_load *load, const char *project,
                               const char *entity)
{
    pthread_mutex_lock(&load->mutex);
    load->source.deployed_known = true;
    if (project[0] != '\0') {
        worker_load_copy_text(load->source.project, sizeof load->source.project,
                              project);
    }
    worker_load_copy_text(load->source.entity, sizeof load->source.entity, entity);
    pthread_mutex_unlock(&load->mutex);
}

/* Something failed: say so, and wait until it is time to try again. */
void worker_load_fail_and_wait(worker_load *load, worker_load_kind kind,
                               const char *why)
{
    uint64_t wait = worker_backoff_fail(&load->backoff);
    char text[WORKER_LOAD_TEXT_SIZE];
    snprintf(text, sizeof text, "%s; next try in %llu s", why,
             (unsigned long long)(wait + 999) / 1000);
    worker_load_tell(
        load, &(worker_load_event){
                  .kind = kind, .text = text, .retry_ms = wait, .failing = true});
    worker_load_wait_ms(load, wait);
}

/* ---- what the node holds ---- */

static crdt_err read_descent(void *ctx, const crdt_document *doc)
{
    return scene_descent_read(ctx, doc);
}

void worker_load_deinit_holding(worker_load_holding *held)
{
    crdt_version_deinit(&held->version);
    scene_descent_deinit(&held->descent);
}

crdt_err worker_load_look_at(worker_load *load, sync_node *node,
                             worker_load_holding *held)
{
    *held = (worker_load_holding){.known = false};
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

bool worker_load_holds_scene(worker_load *load)
{
    worker_load_holding held;
    bool known =
        worker_load_look_at(load, load->options.node, &held) == CRDT_OK && held.known;
    worker_load_deinit_holding(&held);
    return known;
}

/* ---- the bus ---- */

/* Ask in slices, so that a close is noticed. */
crdt_err worker_load_ask_bus(worker_load *load, sync_node *node, crdt_diag *diag)
{
    uint64_t end = worker_load_now_ms() + load->options.ask_ms;
    crdt_err err = CRDT_ETIMEOUT;
    while (!load->stop && err == CRDT_ETIMEOUT) {
        uint64_t now = worker_load_now_ms();
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

worker_deployed_options worker_load_deployed_options(const worker_load *load)
{
    return (worker_deployed_options){.alloc = load->options.alloc,
                                     .scene = load->scene,
                                     .content_url = load->content_url,
                                     .builder_url = load->builder_url,
                                     .project = load->project,
                                     .timeout_ms = load->options.call_ms,
                                     .stop = &load->stop};
}

void worker_load_drop_deployed(worker_load *load)
{
    if (load->has_deployed) {
        worker_deployed_deinit(&load->deployed);
        load->has_deployed = false;
    }
}

/* Get what is deployed into load->deployed. */
crdt_err worker_load_fetch_deployed(worker_load *load, crdt_diag *diag)
{
    worker_load_drop_deployed(load);
    worker_deployed_options options = worker_load_deployed_options(load);
    crdt_err err = worker_deployed_fetch(&load->deployed, &options, diag);
    if (err != CRDT_OK) {
        worker_deployed_deinit(&load->deployed);
        return err;
    }
    load->has_deployed = true;
    worker_load_note_deployed(load, load->deployed.project, load->deployed.entity);
    return CRDT_OK;
}

crdt_err worker_load_import_deployed(worker_load *load, crdt_diag *diag)
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
