#include "sync/node_impl.h"

#include "sync/crypto.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define AUTHOR_MAX 4096   /* rows of the deps table */
#define EVENTS_A_TURN 256 /* taken from the link before all else gets its turn */
#define TASKS_A_TURN 64   /* and of what other threads want done */
#define GROUP_US_MAX UINT64_C(20000) /* however slow the disk is */
#define LEAVE_COMPACT_MS 1000
#define FAREWELL_MS 100

uint64_t sync_node_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t sync_node_now_ms(void)
{
    return sync_node_now_us() / 1000;
}

uint64_t sync_node_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const char *sync_event_name(sync_event_kind kind)
{
    static const char *const names[] = {
        [SYNC_EVENT_OPENED] = "opened",     [SYNC_EVENT_LISTENING] = "listening",
        [SYNC_EVENT_JOINED] = "joined",     [SYNC_EVENT_LEFT] = "left",
        [SYNC_EVENT_SYNCED] = "synced",     [SYNC_EVENT_CONFLICT] = "conflict",
        [SYNC_EVENT_FORK] = "fork",         [SYNC_EVENT_FRESH] = "fresh",
        [SYNC_EVENT_REFUSED] = "refused",   [SYNC_EVENT_ALARM] = "alarm",
        [SYNC_EVENT_POISONED] = "poisoned", [SYNC_EVENT_STUCK] = "stuck",
        [SYNC_EVENT_ADOPTED] = "adopted",   [SYNC_EVENT_REWRITTEN] = "rewritten",
        [SYNC_EVENT_LOST] = "lost",         [SYNC_EVENT_PRESENCE] = "presence",
        [SYNC_EVENT_STRANGER] = "stranger", [SYNC_EVENT_UNREACHABLE] = "unreachable",
    };
    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}

/* ---- tasks ---- */

void sync_node_task_push(node_tasks *tasks, node_task *task)
{
    task->next = NULL;
    if (tasks->last != NULL) {
        tasks->last->next = task;
    } else {
        tasks->first = task;
    }
    tasks->last = task;
}

node_task *sync_node_task_pop(node_tasks *tasks)
{
    node_task *task = tasks->first;
    if (task != NULL) {
        tasks->first = task->next;
        if (tasks->first == NULL) {
            tasks->last = NULL;
        }
    }
    return task;
}

void sync_node_task_finish(sync_node *node, node_task *task)
{
    if (task->done != NULL) {
        task->done(node, task);
        return;
    }
    pthread_mutex_lock(&node->mutex);
    task->finished = true; /* from here on its owner may be gone */
    pthread_cond_broadcast(&node->finished);
    pthread_mutex_unlock(&node->mutex);
}

static void wake(sync_node *node)
{
    uint64_t one = 1;
    ssize_t written = write(node->wake_fd, &one, sizeof one);
    (void)written; /* full: it is awake already */
}

crdt_err sync_node_task_post(sync_node *node, node_task *task, bool limited)
{
    crdt_err err = CRDT_OK;
    bool first = false;
    pthread_mutex_lock(&node->mutex);
    if (node->closing) {
        err = CRDT_ECLOSED;
    } else if (limited && node->mailbox_count >= NODE_TASKS_MAX) {
        err = CRDT_EBUSY;
    } else {
        sync_node_task_push(&node->mailbox, task);
        first = node->mailbox_count++ == 0;
    }
    pthread_mutex_unlock(&node->mutex);
    if (first) { /* it sleeps only after it has seen the mailbox empty */
        wake(node);
    }
    return err;
}

crdt_err sync_node_task_call(sync_node *node, node_task *task)
{
    assert(!sync_node_is_own_thread(node)); /* it would wait for itself */
    crdt_err err = sync_node_task_post(node, task, false);
    if (err == CRDT_OK) {
        pthread_mutex_lock(&node->mutex);
        while (!task->finished) {
            pthread_cond_wait(&node->finished, &node->mutex);
        }
        pthread_mutex_unlock(&node->mutex);
    }
    return err;
}

bool sync_node_is_own_thread(const sync_node *node)
{
    return node->thread_runs && pthread_equal(pthread_self(), node->thread);
}

/* ---- the loop ---- */

/* False: the mailbox is empty. */
static bool run_next_task(sync_node *node)
{
    pthread_mutex_lock(&node->mutex);
    node_task *task = sync_node_task_pop(&node->mailbox);
    node->mailbox_count -= task != NULL;
    pthread_mutex_unlock(&node->mutex);
    if (task == NULL) {
        return false;
    }
    if (task->run(node, task)) {
        sync_node_task_finish(node, task);
    }
    return true;
}

static void count_link_event(sync_node *node, const sync_link_event *from)
{
    switch (from->kind) {
    case SYNC_LINK_PUBLISHED:
    case SYNC_LINK_REPLY:
        sync_traffic_received(&node->traffic, from->peer, from->bytes.size);
        break;
    case SYNC_LINK_REQUEST:
        sync_traffic_received(&node->traffic, 0, from->bytes.size);
        break;
    case SYNC_LINK_UP:
    case SYNC_LINK_DOWN:
        sync_traffic_connect(&node->traffic, from->peer, from->kind == SYNC_LINK_UP);
        break;
    case SYNC_LINK_FAILED:
        break;
    }
}

static void take_link_event(sync_node *node, const sync_link_event *from)
{
    static const sync_replica_event_kind kinds[] = {
        [SYNC_LINK_PUBLISHED] = SYNC_ON_RECEIVED, [SYNC_LINK_REQUEST] = SYNC_ON_REQUEST,
        [SYNC_LINK_REPLY] = SYNC_ON_REPLY,        [SYNC_LINK_FAILED] = SYNC_ON_FAILED,
        [SYNC_LINK_UP] = SYNC_ON_LINK_UP,         [SYNC_LINK_DOWN] = SYNC_ON_LINK_DOWN,
    };
    count_link_event(node, from);
    if (node->poisoned) {
        /* What cannot be stored is not taken; the asker looks for somebody else. */
        if (from->kind == SYNC_LINK_REQUEST) {
            sync_link_reply(node->link, from->token, (crdt_span){0});
        }
        return;
    }
    sync_node_step(node, &(sync_replica_event){.kind = kinds[from->kind],
                                               .peer = from->peer,
                                               .token = from->token,
                                               .bytes = from->bytes});
    if (node->group_size > NODE_GROUP_SIZE_MAX) {
        sync_node_flush(node);
    }
}

/* False: the mailbox is empty. */
static bool run_tasks(sync_node *node)
{
    for (size_t i = 0; i < TASKS_A_TURN; i++) {
        if (!run_next_task(node)) {
            return false;
        }
    }
    return true;
}

/* False: the link has nothing more now. */
static bool drain_link(sync_node *node)
{
    sync_link_event event;
    for (size_t i = 0; node->link != NULL && i < EVENTS_A_TURN; i++) {
        if (!sync_link_receive(node->link, &event)) {
            return false;
        }
        take_link_event(node, &event);
    }
    return node->link != NULL;
}

/* A group is over when its time is, or when nobody has anything to add and somebody waits
 * for it, or it costs nothing: there is no disk. Where more is waiting to be done it lasts as long as the last sync took:
 * on a slow disk all that came meanwhile shares the next one. */
static bool group_is_due(const sync_node *node, bool busy)
{
    if (!node->group_open) {
        return false;
    }
    bool waited_for = node->durable_tasks.first != NULL;
    uint64_t age_us = sync_node_now_us() - node->group_us;
    uint64_t time_us = (uint64_t)node->options.group_ms * 1000;
    if (busy && node->commit_us > time_us) {
        time_us = node->commit_us < GROUP_US_MAX ? node->commit_us : GROUP_US_MAX;
    }
    bool free_of_cost = node->disk != NULL;
    return age_us >= time_us || (!busy && (waited_for || free_of_cost));
}

static void wait_for_events(sync_node *node, uint64_t until_ms)
{
    struct pollfd fds[2] = {{.fd = node->wake_fd, .events = POLLIN}};
    nfds_t count = 1;
    if (node->link != NULL) {
        fds[count++] =
            (struct pollfd){.fd = sync_link_fd(node->link), .events = POLLIN};
    }
    uint64_t now = sync_node_now_ms();
    uint64_t left = until_ms > now ? until_ms - now : 0;
    int timeout = until_ms == UINT64_MAX ? -1 : left > 60000 ? 60000 : (int)left;
    if (poll(fds, count, timeout) > 0 && (fds[0].revents & POLLIN) != 0) {
        uint64_t wakes = 0;
        ssize_t got = read(node->wake_fd, &wakes, sizeof wakes);
        (void)got;
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool is_closing(sync_node *node)
{
    pthread_mutex_lock(&node->mutex);
    bool closing = node->closing && node->mailbox.first == NULL;
    pthread_mutex_unlock(&node->mutex);
    return closing;
}

static void turn(sync_node *node)
{
    bool more_tasks = run_tasks(node);
    bool busy = drain_link(node) || more_tasks;
    if (sync_node_now_ms() >= node->wake_at_ms && !node->poisoned) {
        sync_node_step(node, &(sync_replica_event){.kind = SYNC_ON_TICK});
    }
    uint64_t until = sync_node_run_intents(node);
    if (group_is_due(node, busy)) {
        sync_node_flush(node);
    }
    until = least(until, sync_node_run_waits(node));
    until = least(until, sync_node_look_around(node));
    if (busy) {
        return;
    }
    if (!node->group_open && sync_node_maintain(node)) {
        return;
    }
    if (node->group_open) {
        uint64_t due_us = node->group_us + (uint64_t)node->options.group_ms * 1000;
        until = least(until, (due_us + 999) / 1000);
    }
    if (!node->poisoned) {
        until = least(until, node->wake_at_ms);
    }
    if (!is_closing(node)) {
        wait_for_events(node, until);
    }
}

/* A goodbye that was said as a question has arrived when it is answered. */
static void await_farewells(sync_node *node)
{
    uint64_t until = sync_node_now_ms() + FAREWELL_MS;
    sync_link_event event;
    while (node->link != NULL && node->farewells > 0) {
        if (sync_link_receive(node->link, &event)) {
            node->farewells -=
                event.kind == SYNC_LINK_REPLY || event.kind == SYNC_LINK_FAILED;
            continue;
        }
        uint64_t now = sync_node_now_ms();
        struct pollfd fd = {.fd = sync_link_fd(node->link), .events = POLLIN};
        if (now >= until || poll(&fd, 1, (int)(until - now)) <= 0) {
            return;
        }
    }
}

/* Finish what waits, say goodbye, and leave the store small. */
static void leave(sync_node *node)
{
    node->opened_ms = 0; /* nobody is asked for the scene's beginning any more */
    sync_node_end_intents(node);
    sync_node_flush(node);
    sync_node_end_waits(node);
    if (!node->poisoned) {
        node->farewells = 0;
        sync_node_step(node, &(sync_replica_event){.kind = SYNC_ON_LEAVE});
        sync_node_flush(node);
        await_farewells(node);
    }
    uint64_t until = sync_node_now_ms() + LEAVE_COMPACT_MS;
    while (sync_node_maintain(node) && sync_node_now_ms() < until) {
    }
}

static void *run_node(void *ctx)
{
    sync_node *node = ctx;
    pthread_mutex_lock(&node->mutex); /* until open has noted the thread */
    pthread_mutex_unlock(&node->mutex);
    while (!is_closing(node)) {
        turn(node);
    }
    leave(node);
    return NULL;
}

/* ---- open and close ---- */

sync_node_options sync_node_options_default(void)
{
    return (sync_node_options){
        .alloc = crdt_alloc_default(),
        .discover = true,
        .message_size_max = 1u << 20,
        .group_ms = 2,
        .history_size_max = 16u << 20,
    };
}

static void on_conflict(void *ctx, const crdt_conflict *conflict)
{
    sync_node_emit(ctx, &(sync_event){.kind = SYNC_EVENT_CONFLICT,
                                      .actor = conflict->loser.stamp.actor,
                                      .conflict = conflict});
}

static bool fill_random(void *ctx, void *bytes, size_t size)
{
    (void)ctx;
    return getrandom(bytes, size, 0) == (ssize_t)size;
}

static crdt_err open_store(sync_node *node, crdt_diag *diag)
{
    const sync_node_options *asked = &node->options;
    sync_store_options options = sync_store_options_default();
    sync_store_report report = {0};
    options.alloc = node->alloc;
    options.history_size_max = asked->history_size_max;
    /* Groups are closed by the node; a single answer may be large. */
    options.queue_size_max = (size_t)SYNC_STORE_RECORD_SIZE_MAX * 2;
    options.create = !asked->must_exist && !asked->read_only;
    options.read_only = asked->read_only;
    crdt_err err = CRDT_OK;
    if (asked->store_dir != NULL) {
        err = sync_store_open(&node->store, asked->store_dir, &options, node->doc,
                              node->deps, &report, diag);
    } else {
        options.random = fill_random;
        err = sync_mem_disk_open(&node->disk, node->alloc);
        if (err == CRDT_OK) {
            err = sync_store_mem_open(&node->store, node->disk, &options, node->doc,
                                      node->deps, &report, diag);
        }
    }
    if (err == CRDT_OK) {
        node->options.read_only = asked->read_only || report.read_only;
        sync_node_emit(node, &(sync_event){.kind = SYNC_EVENT_OPENED,
                                           .actor = sync_store_actor(node->store),
                                           .text = report.text});
    }
    return err;
}

static crdt_err open_document(sync_node *node, crdt_diag *diag)
{
    crdt_document_options options = crdt_document_options_default();
    options.alloc = node->alloc;
    if (getrandom(&options.hash_seed, sizeof options.hash_seed, 0) !=
        sizeof options.hash_seed) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "no randomness");
    }
    crdt_err err = crdt_document_open(&node->doc, &options);
    if (err == CRDT_OK) {
        err = crdt_deps_open(&node->deps, node->alloc, AUTHOR_MAX);
    }
    if (err == CRDT_OK) {
        err = crdt_history_open(&node->history, node->alloc, 0);
    }
    return err;
}

/* Listeners come after the store is replayed: what was told once is not told again. */
static crdt_err listen_document(sync_node *node)
{
    crdt_listener recorder = crdt_history_listener(node->history);
    crdt_listener teller = {.ctx = node, .conflict = on_conflict};
    crdt_err err = crdt_document_listen(node->doc, &recorder);
    return err == CRDT_OK ? crdt_document_listen(node->doc, &teller) : err;
}

/* The name of the scene: the store's, else the one given, else "scene" where nobody can
 * tell another one. */
static crdt_err find_scene(sync_node *node, crdt_diag *diag)
{
    const sync_node_options *asked = &node->options;
    crdt_span name = {0};
    bool stored =
        sync_store_get(node->store, SYNC_SETTING_SCENE, &name) && name.size > 0;
    if (!stored && asked->scene != NULL) {
        name = crdt_span_of(asked->scene);
    } else if (!stored && asked->listen_count > 0 && asked->peer_count == 0) {
        name = crdt_span_of("scene");
    }
    if (name.size >= sizeof node->scene) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the scene's name is too long");
    }
    snprintf(node->scene, sizeof node->scene, "%.*s", (int)name.size,
             name.size > 0 ? (const char *)name.data : "");
    node->meta.scene = crdt_span_of(node->scene);
    if (!stored && name.size > 0 && !node->options.read_only) {
        return sync_store_set(node->store, SYNC_SETTING_SCENE, node->meta.scene, diag);
    }
    return CRDT_OK;
}

/* At every address of the machine: as a URL to dial it means the dialler's own machine. */
static bool is_wildcard(const char *url)
{
    const char *host = strstr(url, "://");
    return host != NULL &&
           (strncmp(host, "://0.0.0.0:", 11) == 0 ||
            strncmp(host, "://[::]:", 8) == 0 || strncmp(host, "://*:", 5) == 0);
}

static crdt_err listen_at(sync_node *node, const char *url, crdt_diag *diag)
{
    char *bound = node->urls[node->url_count];
    crdt_err err = sync_link_listen(node->link, url, bound, diag);
    if (err != CRDT_OK) {
        return err;
    }
    node->url_count++;
    if (!is_wildcard(bound)) {
        err = sync_node_step(node, &(sync_replica_event){.kind = SYNC_ON_URL,
                                                         .url = crdt_span_of(bound)});
    }
    sync_node_emit(node, &(sync_event){.kind = SYNC_EVENT_LISTENING, .url = bound});
    return err;
}

static crdt_err listen_and_dial(sync_node *node, crdt_diag *diag)
{
    const sync_node_options *asked = &node->options;
    if (asked->listen_count == 0 && asked->peer_count == 0) {
        return CRDT_OK;
    }
    if (asked->listen_count > 8) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "at most 8 URLs to listen at");
    }
    crdt_err err = sync_node_open_link(node, diag);
    for (size_t i = 0; err == CRDT_OK && i < asked->listen_count; i++) {
        err = listen_at(node, asked->listen_urls[i], diag);
    }
    for (size_t i = 0; err == CRDT_OK && i < asked->peer_count; i++) {
        err = sync_node_step(
            node, &(sync_replica_event){.kind = SYNC_ON_ADD_PEER,
                                        .url = crdt_span_of(asked->peer_urls[i])});
        if (err == CRDT_OK && node->dial_err != CRDT_OK) {
            err = node->dial_err;
            if (diag != NULL) {
                *diag = node->dial_diag;
            }
        }
    }
    return err;
}

static crdt_err start_thread(sync_node *node, crdt_diag *diag)
{
    pthread_mutex_lock(&node->mutex);
    int result = pthread_create(&node->thread, NULL, run_node, node);
    node->thread_runs = result == 0;
    pthread_mutex_unlock(&node->mutex);
    if (result != 0) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "no thread: %s",
                             strerrordesc_np(result));
    }
    return CRDT_OK;
}

/* Copies of the texts that are needed after open. */
static bool copy_texts(sync_node *node)
{
    sync_node_tls *tls = &node->options.tls;
    const char **texts[5] = {&node->options.who, &tls->cert_file, &tls->key_file,
                             &tls->ca_file, &tls->peer_name};
    for (size_t i = 0; i < 5; i++) {
        if (*texts[i] == NULL) {
            continue;
        }
        size_t size = strlen(*texts[i]) + 1;
        node->texts[i] = crdt_allocate(node->alloc, size);
        if (node->texts[i] == NULL) {
            return false;
        }
        memcpy(node->texts[i], *texts[i], size);
        *texts[i] = node->texts[i];
    }
    return true;
}

static crdt_err make_node(sync_node **out, const sync_node_options *options)
{
    sync_node *node = crdt_allocate(options->alloc, sizeof *node);
    if (node == NULL) {
        return CRDT_ENOMEM;
    }
    *node = (sync_node){.options = *options,
                        .alloc = options->alloc,
                        .opened_ms = sync_node_now_ms(),
                        .wake_fd = -1};
    crdt_op_list_init(&node->ops, node->alloc);
    crdt_arena_init(&node->arena, node->alloc);
    sync_traffic_init(&node->traffic, node->alloc);
    sync_node_init_presence(node);
    if (options->key != NULL) {
        node->key = sync_crypto_secret_open(SYNC_CRYPTO_KEY_SIZE);
        node->options.key = node->key;
    }
    if (node->key != NULL) {
        memcpy(node->key, options->key, SYNC_CRYPTO_KEY_SIZE);
    }
    pthread_mutex_init(&node->mutex, NULL);
    pthread_cond_init(&node->finished, NULL);
    if (!copy_texts(node) || (options->key != NULL && node->key == NULL)) {
        sync_node_close(node);
        return CRDT_ENOMEM;
    }
    *out = node;
    return CRDT_OK;
}

crdt_err sync_node_open(sync_node **out, const sync_node_options *options,
                        crdt_diag *diag)
{
    sync_node *node = NULL;
    crdt_err err = make_node(&node, options);
    if (err != CRDT_OK) {
        return err;
    }
    node->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (node->wake_fd < 0) {
        err = crdt_diag_set(diag, CRDT_EIO, 0, "eventfd: %s", strerrordesc_np(errno));
    }
    if (err == CRDT_OK) {
        err = open_document(node, diag);
    }
    if (err == CRDT_OK) {
        err = open_store(node, diag);
    }
    if (err == CRDT_OK) {
        err = listen_document(node);
    }
    if (err == CRDT_OK) {
        err = find_scene(node, diag);
    }
    if (err == CRDT_OK) {
        err = sync_node_open_replica(node, diag);
    }
    if (err == CRDT_OK) {
        err = listen_and_dial(node, diag);
    }
    if (err == CRDT_OK) {
        err = start_thread(node, diag);
    }
    if (err != CRDT_OK) {
        sync_node_close(node);
        return err;
    }
    *out = node;
    return CRDT_OK;
}

static void stop_thread(sync_node *node)
{
    if (!node->thread_runs) {
        return;
    }
    pthread_mutex_lock(&node->mutex);
    node->closing = true;
    pthread_mutex_unlock(&node->mutex);
    wake(node);
    pthread_join(node->thread, NULL);
    node->thread_runs = false;
}

crdt_err sync_node_close(sync_node *node)
{
    if (node == NULL) {
        return CRDT_OK;
    }
    stop_thread(node);
    for (size_t i = 0; i < node->watch_count; i++) {
        sync_watch_end(node->watches[i]);
    }
    crdt_err err = node->poisoned ? CRDT_EIO : CRDT_OK;
    crdt_alloc alloc = node->alloc;
    sync_link_close(node->link);
    sync_replica_close(node->replica);
    sync_store_close(node->store);
    sync_mem_disk_close(node->disk);
    crdt_history_close(node->history);
    crdt_deps_close(node->deps);
    crdt_document_close(node->doc);
    crdt_op_list_deinit(&node->ops);
    crdt_arena_deinit(&node->arena);
    crdt_buf_deinit(&node->presence);
    sync_traffic_deinit(&node->traffic);
    crdt_free(alloc, node->troubles, node->trouble_capacity * sizeof *node->troubles);
    sync_crypto_secret_close(node->key);
    crdt_free(alloc, node->failed, node->failed_capacity * sizeof *node->failed);
    for (size_t i = 0; i < 5; i++) {
        if (node->texts[i] != NULL) {
            crdt_free(alloc, node->texts[i], strlen(node->texts[i]) + 1);
        }
    }
    if (node->wake_fd >= 0) {
        close(node->wake_fd);
    }
    pthread_cond_destroy(&node->finished);
    pthread_mutex_destroy(&node->mutex);
    crdt_free(alloc, node, sizeof *node);
    return err;
}
