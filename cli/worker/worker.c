#include "cli/worker/worker.h"

#include "cli/serve.h"
#include "cli/worker/rebase.h"
#include "cli/worker/wording.h"
#include "cli/worker/worker_impl.h"
#include "sync/crypto.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define CONFLICTS_A_SECOND 50u
#define NOTES_A_SECOND 20u
#define BUSY_MS_MAX 2000 /* wait so long for a store that somebody has */
#define BUSY_MS 20       /* and look so often */

worker_options worker_options_default(void)
{
    return (worker_options){.alloc = crdt_alloc_default(),
                            .http = "127.0.0.1:0",
                            .node = sync_node_options_default(),
                            .autosave_ms = 5000,
                            .tick_ms = 50,
                            .loopback = ACCESS_EDIT};
}

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t worker_now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

uint64_t worker_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

/* What strangers can cause to be said shall not fill a disk. */
static bool is_too_much(worker *w)
{
    uint64_t second = worker_now_ms() / 1000;
    if (atomic_exchange(&w->note_second, second) != second) {
        atomic_store(&w->note_count, 0);
    }
    return atomic_fetch_add(&w->note_count, 1) >= NOTES_A_SECOND;
}

void worker_note(worker *w, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (w->options.note != NULL && !is_too_much(w)) {
        w->options.note(w->options.note_ctx, text);
    }
}

void worker_note_access(worker *w)
{
    const char *trouble = cli_access_trouble(w->access);
    if (trouble != NULL) {
        worker_note(w, "%s; until that is mended nobody is let in by a token", trouble);
    }
}

/* ---- the node, from any thread ---- */

sync_node *worker_node_acquire(worker *w)
{
    pthread_mutex_lock(&w->node_mutex);
    sync_node *node = w->node;
    w->node_users += node != NULL;
    pthread_mutex_unlock(&w->node_mutex);
    return node;
}

void worker_node_release(worker *w)
{
    pthread_mutex_lock(&w->node_mutex);
    if (--w->node_users == 0) {
        pthread_cond_broadcast(&w->node_free);
    }
    pthread_mutex_unlock(&w->node_mutex);
}

void worker_post(worker *w, worker_mail *mail)
{
    worker_mailbox_post(&w->mailbox, mail);
    web_server_wake(w->web);
}

void worker_post_text(worker *w, worker_mail_kind kind, const char *state,
                      crdt_span text)
{
    worker_mail *mail = worker_mail_open(&w->mailbox, kind);
    if (mail == NULL) {
        return;
    }
    mail->state = state;
    if (crdt_buf_append_span(&mail->text, text) == CRDT_OK) {
        worker_post(w, mail);
    } else {
        worker_mail_close(mail);
    }
}

void worker_wake_main(worker *w)
{
    uint64_t one = 1;
    if (write(w->wake_fd, &one, sizeof one) < 0) {
        return; /* it is awake already */
    }
}

/* ---- events of the node, in its thread ---- */

static void post_actor(worker *w, worker_mail_kind kind, const sync_event *event)
{
    worker_mail *mail = worker_mail_open(&w->mailbox, kind);
    if (mail == NULL) {
        return;
    }
    mail->actor = event->actor;
    if (crdt_buf_append_span(&mail->text, event->value) == CRDT_OK) {
        worker_post(w, mail);
    } else {
        worker_mail_close(mail);
    }
}

static void post_conflict(worker *w, const sync_event *event)
{
    const crdt_conflict *conflict = event->conflict;
    uint64_t second = worker_now_ms() / 1000;
    if (second != w->conflict_second) {
        w->conflict_second = second;
        w->conflict_count = 0;
    }
    if (!scene_layout_is_entity(conflict->key.object) ||
        w->conflict_count++ >= CONFLICTS_A_SECOND) {
        return;
    }
    const worker_conflict told = {.kind = conflict->kind == CRDT_CONFLICT_REMOVED
                                              ? "edited-while-removed"
                                              : "concurrent",
                                  .entity = conflict->key.object,
                                  .part = conflict->key.part,
                                  .field = conflict->key.field,
                                  .value = conflict->loser.value,
                                  .author = conflict->loser.who,
                                  .stamp = conflict->loser.stamp,
                                  .by = conflict->winner.who};
    worker_mail *mail = worker_mail_open(&w->mailbox, WORKER_MAIL_EVENT);
    if (mail == NULL) {
        return;
    }
    if (worker_word_conflict(&told, &mail->text) == CRDT_OK) {
        worker_post(w, mail);
    } else {
        worker_mail_close(mail);
    }
}

static void on_event(void *ctx, const sync_event *event)
{
    worker *w = ctx;
    worker_scene_hear(w, event);
    switch (event->kind) {
    case SYNC_EVENT_PRESENCE:
        post_actor(w, WORKER_MAIL_PRESENCE, event);
        break;
    case SYNC_EVENT_LEFT:
        post_actor(w, WORKER_MAIL_LEFT, event);
        break;
    case SYNC_EVENT_CONFLICT:
        post_conflict(w, event);
        break;
    case SYNC_EVENT_FRESH:
        w->actor = event->actor;
        w->fresh = true;
        post_actor(w, WORKER_MAIL_ACTOR, event);
        worker_note(w, "%s", event->text);
        break;
    case SYNC_EVENT_POISONED:
        atomic_store(&w->poisoned, true);
        worker_post_text(w, WORKER_MAIL_TEXT, NULL, crdt_span_of(event->text));
        worker_wake_main(w);
        break;
    case SYNC_EVENT_STUCK: /* its kernel, or whoever looks after it, starts it again */
        worker_note(w, "%s", event->text);
        atomic_store(&w->failed, true);
        worker_wake_main(w);
        break;
    case SYNC_EVENT_ALARM:
    case SYNC_EVENT_FORK:
    case SYNC_EVENT_UNREACHABLE:
    case SYNC_EVENT_REFUSED:
        if (event->text[0] != '\0') {
            worker_note(w, "%s: %s%s%s", sync_event_name(event->kind), event->url,
                        event->url[0] != '\0' ? ": " : "", event->text);
        }
        break;
    default:
        break;
    }
}

/* ---- opening ---- */

static crdt_err open_desk(worker *w, crdt_diag *diag)
{
    const worker_options *options = &w->options;
    const cli_access_options access = {.alloc = w->alloc,
                                       .file = options->access_file,
                                       .loopback = options->loopback,
                                       .master = options->master};
    crdt_err err = cli_access_open(&w->access, &access);
    if (err == CRDT_OK) {
        worker_note_access(w);
        err = worker_hub_open(&w->hub, w->alloc, crdt_span_of(options->scene));
    }
    if (err == CRDT_OK) {
        err = worker_presence_open(&w->presence, w->alloc);
    }
    if (err != CRDT_OK) {
        return err;
    }
    web_server_options web = web_server_options_default();
    web.alloc = w->alloc;
    web.address = options->http;
    web.tick_ms = options->tick_ms;
    web.hosts = options->hosts;
    web.origins = options->origins;
    web.cert_file = options->http_cert_file;
    web.key_file = options->http_key_file;
    web.handlers = (web_handlers){.ctx = w,
                                  .request = worker_http_request,
                                  .socket_open = worker_desk_open,
                                  .socket_message = worker_desk_message,
                                  .socket_write = worker_desk_write,
                                  .socket_arrived = worker_desk_arrived,
                                  .socket_closed = worker_desk_closed,
                                  .wake = worker_desk_wake,
                                  .tick = worker_desk_tick};
    return web_server_open(&w->web, &web, diag);
}

static crdt_err read_info(void *ctx, const crdt_document *doc)
{
    return outside_scene_info_read(ctx, doc);
}

/* For a page: what the scene at hand says of itself. */
static crdt_err tell_outside(void *ctx, outside_scene_info *info)
{
    worker *w = ctx;
    sync_node *node = worker_node_acquire(w);
    if (node == NULL) {
        return CRDT_ECLOSED;
    }
    crdt_err err = sync_node_read(node, read_info, info);
    worker_node_release(w);
    return err;
}

static crdt_err open_outside(worker *w, crdt_diag *diag)
{
    const worker_options *options = &w->options;
    const outside_options wanted = {.alloc = w->alloc,
                                    .web = w->web,
                                    .scene = options->scene,
                                    .content_url = options->content_url,
                                    .builder_url = options->builder_url,
                                    .kernel_url = options->kernel_url,
                                    .can_save = options->builder_url != NULL ||
                                                options->save_file != NULL,
                                    .can_publish = options->content_url != NULL,
                                    .read = tell_outside,
                                    .ctx = w};
    return outside_open(&w->outside, &wanted, diag);
}

/* A verb may have the store for a moment. */
static crdt_err open_patiently(sync_node **node, const sync_node_options *options,
                               crdt_diag *diag)
{
    uint64_t until = worker_now_ms() + BUSY_MS_MAX;
    crdt_err err;
    while ((err = sync_node_open(node, options, diag)) == CRDT_EBUSY &&
           worker_now_ms() < until) {
        poll(NULL, 0, BUSY_MS);
    }
    return err;
}

crdt_err worker_node_open(worker *w, crdt_diag *diag)
{
    const sync_node_options options = w->options.node;
    sync_node *node = NULL;
    bool finished = false;
    w->fresh = false;
    crdt_err err = CRDT_OK;
    if (options.store_dir != NULL) {
        err = worker_rebase_finish(options.store_dir, &finished, diag);
    }
    if (finished) {
        worker_note(w, "a rebase that was cut short is finished");
    }
    err = err == CRDT_OK ? open_patiently(&node, &options, diag) : err;
    if (err != CRDT_OK) {
        return err;
    }
    sync_node_status status;
    err = sync_node_status_get(node, &status);
    if (err == CRDT_OK) {
        snprintf(w->peer_url, sizeof w->peer_url, "%s",
                 status.url_count > 0 ? status.urls[0] : "");
        if (strcmp(status.scene, w->options.scene) != 0 && status.scene[0] != '\0') {
            err = crdt_diag_set(diag, CRDT_EINVAL, 0, "the store holds the scene %s",
                                status.scene);
        }
        post_actor(w, WORKER_MAIL_ACTOR, &(sync_event){.actor = status.actor});
        sync_node_status_deinit(&status);
    }
    w->host = (cli_host){.node = node,
                         .clashes = worker_conflicts_visit,
                         .forget_clashes = worker_conflicts_forget,
                         .ctx = w};
    if (err == CRDT_OK && options.store_dir != NULL) {
        err =
            cli_control_open(&w->control, options.store_dir, cli_serve, &w->host, diag);
    }
    if (err != CRDT_OK) {
        sync_node_close(node);
        return err;
    }
    pthread_mutex_lock(&w->node_mutex);
    w->node = node;
    pthread_mutex_unlock(&w->node_mutex);
    return worker_scene_load(w, node, diag);
}

/* Nobody uses the node any more: close it. */
crdt_err worker_node_close(worker *w)
{
    pthread_mutex_lock(&w->node_mutex);
    sync_node *node = w->node;
    w->node = NULL;
    while (w->node_users > 0) {
        pthread_cond_wait(&w->node_free, &w->node_mutex);
    }
    pthread_mutex_unlock(&w->node_mutex);
    if (node == NULL) {
        return CRDT_OK;
    }
    cli_control_close(w->control);
    w->control = NULL;
    worker_view_detach(w, node);
    return sync_node_close(node);
}

static void *run_web(void *ctx)
{
    worker *w = ctx;
    web_server_run(w->web);
    return NULL;
}

static crdt_err start_threads(worker *w)
{
    crdt_err err = cli_clerk_open(&w->reader, WORKER_CLERK_MAX);
    if (err == CRDT_OK) {
        err = cli_clerk_open(&w->publisher, WORKER_CLERK_MAX);
    }
    w->web_running = pthread_create(&w->web_thread, NULL, run_web, w) == 0;
    return err == CRDT_OK && w->web_running ? CRDT_OK : CRDT_ENOMEM;
}

crdt_err worker_open(worker **out, const worker_options *options, crdt_diag *diag)
{
    worker *w = crdt_allocate(options->alloc, sizeof *w);
    if (w == NULL) {
        return CRDT_ENOMEM;
    }
    *w = (worker){.options = *options,
                  .alloc = options->alloc,
                  .state = "loading",
                  .opened_ms = worker_now_ms(),
                  .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    crdt_buf_init(&w->about, w->alloc);
    crdt_buf_init(&w->conflicts.text, w->alloc);
    worker_clashes_init(&w->conflicts.clashes, w->alloc);
    worker_mailbox_init(&w->mailbox, w->alloc);
    pthread_mutex_init(&w->node_mutex, NULL);
    pthread_cond_init(&w->node_free, NULL);
    pthread_mutex_init(&w->load_mutex, NULL);
    crdt_version_init(&w->loaded, w->alloc);
    w->options.node.scene = options->scene;
    w->options.node.on_event = on_event;
    w->options.node.event_ctx = w;
    uint32_t random;
    sync_crypto_random(&random, sizeof random);
    snprintf(w->instance, sizeof w->instance, "%08" PRIx32, random);
    crdt_err err = w->wake_fd < 0 ? CRDT_EIO : open_desk(w, diag);
    if (err == CRDT_OK) {
        err = worker_scene_open_saver(w);
    }
    if (err == CRDT_OK) {
        err = worker_node_open(w, diag);
    }
    if (err == CRDT_OK) {
        err = open_outside(w, diag);
    }
    if (err == CRDT_OK) {
        err = start_threads(w);
    }
    if (err != CRDT_OK) {
        worker_close(w, 0);
        return err;
    }
    *out = w;
    return CRDT_OK;
}

const char *worker_http_url(const worker *w)
{
    return web_server_url(w->web);
}

const char *worker_peer_url(const worker *w)
{
    return w->peer_url;
}

/* ---- working ---- */

crdt_err worker_run(worker *w, int stop_fd)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = stop_fd, .events = POLLIN},
                                {.fd = w->wake_fd, .events = POLLIN}};
        poll(fds, 2, -1);
        uint64_t count;
        if (fds[1].revents != 0 && read(w->wake_fd, &count, sizeof count) < 0) {
            continue;
        }
        if (atomic_load(&w->poisoned) || atomic_load(&w->failed)) {
            return CRDT_EIO;
        }
        if (fds[0].revents != 0) {
            return CRDT_OK;
        }
        if (atomic_exchange(&w->rebase, false)) {
            crdt_diag diag = {0};
            crdt_err err = worker_scene_rebase(w, &diag);
            if (err != CRDT_OK) {
                worker_note(w, "the store cannot be opened again: %s", diag.text);
                return err;
            }
        }
    }
}

/* Letters that nobody reads any more, with the jobs they tell of. */
static void drop_mail(worker *w)
{
    worker_mail *mail;
    while ((mail = worker_mailbox_take(&w->mailbox)) != NULL) {
        if (mail->kind == WORKER_MAIL_DONE || mail->kind == WORKER_MAIL_PULLED) {
            worker_job_close(mail->job);
        }
        worker_mail_close(mail);
    }
}

/* The node reads after the edits that it was given before. */
static crdt_err look(void *ctx, const crdt_document *doc)
{
    (void)doc;
    worker_view_post(ctx);
    return CRDT_OK;
}

/* What was said last is done, and the saver knows of it. The desk is empty, this is its
 * thread. */
static void finish_edits(worker *w)
{
    crdt_err err = CRDT_OK;
    do {
        worker_edit_retry(w);
        sync_node *node = worker_node_acquire(w);
        err = node == NULL ? CRDT_ECLOSED : sync_node_read(node, look, w);
        if (node != NULL) {
            worker_node_release(w);
        }
    } while (err == CRDT_OK && w->stalled_first != NULL);
}

crdt_err worker_close(worker *w, uint32_t save_ms)
{
    if (w == NULL) {
        return CRDT_OK;
    }
    atomic_store(&w->leaving, true); /* a publisher gives up */
    worker_scene_unload(w);
    if (w->web_running) {
        web_server_stop(w->web);
        pthread_join(w->web_thread, NULL);
    }
    finish_edits(w);
    if (w->save != NULL && w->node != NULL && save_ms > 0 &&
        !worker_save_leave(w->save, save_ms)) {
        worker_note(w, "not all is saved; the store holds it");
    }
    cli_clerk_close(&w->reader);
    cli_clerk_close(&w->publisher);
    outside_close(w->outside);
    if (w->save != NULL) {
        worker_save_set_node(w->save, NULL);
    }
    crdt_err err = worker_node_close(w);
    worker_save_close(w->save);
    worker_desk_close(w);
    drop_mail(w);
    worker_mailbox_deinit(&w->mailbox);
    web_server_close(w->web);
    worker_presence_close(w->presence);
    worker_hub_close(w->hub);
    if (w->access != NULL) {
        cli_access_close(w->access);
    }
    crdt_buf_deinit(&w->about);
    crdt_buf_deinit(&w->conflicts.text);
    worker_clashes_deinit(&w->conflicts.clashes);
    if (w->wake_fd >= 0) {
        close(w->wake_fd);
    }
    pthread_mutex_destroy(&w->node_mutex);
    pthread_cond_destroy(&w->node_free);
    pthread_mutex_destroy(&w->load_mutex);
    crdt_version_deinit(&w->loaded);
    crdt_free(w->alloc, w, sizeof *w);
    return err;
}
