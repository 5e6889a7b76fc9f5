#include "sync/node_impl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define WATCH_CHANGES 4096
#define WATCH_SIZE_MAX (64u << 20)

/* ---- read ---- */

typedef struct read_task {
    node_task head;
    sync_read_fn fn;
    void *ctx;
    crdt_err err;
} read_task;

static bool run_read(sync_node *node, node_task *head)
{
    read_task *task = (read_task *)head;
    task->err = task->fn(task->ctx, node->doc);
    return true;
}

crdt_err sync_node_read(sync_node *node, sync_read_fn fn, void *ctx)
{
    read_task task = {.head = {.run = run_read}, .fn = fn, .ctx = ctx};
    crdt_err err = sync_node_task_call(node, &task.head);
    return err != CRDT_OK ? err : task.err;
}

/* ---- attach ---- */

typedef struct attach_task {
    node_task head;
    sync_attach_fn fn;
    void *ctx;
    crdt_err err;
} attach_task;

static bool run_attach(sync_node *node, node_task *head)
{
    attach_task *task = (attach_task *)head;
    task->err = task->fn(task->ctx, node->doc);
    return true;
}

crdt_err sync_node_attach(sync_node *node, sync_attach_fn fn, void *ctx)
{
    attach_task task = {.head = {.run = run_attach}, .fn = fn, .ctx = ctx};
    crdt_err err = sync_node_task_call(node, &task.head);
    return err != CRDT_OK ? err : task.err;
}

/* ---- history ---- */

typedef struct history_task {
    node_task head;
    bool (*visit)(void *ctx, crdt_span record);
    void *ctx;
    bool complete;
    crdt_err err;
} history_task;

/* Newest first. The records of a store are numbered from 1 and let go of oldest first: the
 * ring reaches back to the beginning where it still has the first. */
static bool run_history(sync_node *node, node_task *head)
{
    history_task *task = (history_task *)head;
    crdt_buf record;
    crdt_buf_init(&record, node->alloc);
    task->err = node->poisoned ? CRDT_OK : sync_node_flush(node);
    uint64_t at = UINT64_MAX;
    uint64_t oldest = UINT64_MAX;
    bool more = true;
    while (task->err == CRDT_OK && more) {
        crdt_buf_clear(&record);
        task->err = sync_store_history_prev(node->store, &at, &record, NULL);
        if (task->err == CRDT_OK) {
            oldest = at;
            more = task->visit(task->ctx, crdt_buf_span(&record));
        }
    }
    bool empty = crdt_document_version(node->doc)->stamp_count == 0;
    task->complete = task->err == CRDT_ENOTFOUND && (oldest <= 1 || empty);
    task->err = task->err == CRDT_ENOTFOUND ? CRDT_OK : task->err;
    crdt_buf_deinit(&record);
    return true;
}

crdt_err sync_node_history(sync_node *node, bool (*visit)(void *ctx, crdt_span record),
                           void *ctx, bool *complete)
{
    history_task task = {.head = {.run = run_history}, .visit = visit, .ctx = ctx};
    crdt_err err = CRDT_OK;
    if (sync_node_is_own_thread(node)) {
        run_history(node, &task.head);
    } else {
        err = sync_node_task_call(node, &task.head);
    }
    if (complete != NULL) {
        *complete = task.complete;
    }
    return err != CRDT_OK ? err : task.err;
}

/* ---- verify ---- */

typedef struct verify_task {
    node_task head;
    sync_store_report *report;
    crdt_diag *diag;
    crdt_err err;
} verify_task;

static bool run_verify(sync_node *node, node_task *head)
{
    verify_task *task = (verify_task *)head;
    task->err = node->poisoned ? CRDT_OK : sync_node_flush(node);
    if (task->err == CRDT_OK) {
        task->err = sync_store_verify(node->store, task->report, task->diag);
    }
    return true;
}

crdt_err sync_node_verify(sync_node *node, sync_store_report *report, crdt_diag *diag)
{
    verify_task task = {.head = {.run = run_verify}, .report = report, .diag = diag};
    crdt_err err = sync_node_task_call(node, &task.head);
    return err != CRDT_OK ? err : task.err;
}

/* ---- watch ---- */

crdt_err sync_node_watch(sync_node *node, size_t change_max, sync_watch **out)
{
    sync_watch *watch = NULL;
    crdt_err err =
        sync_watch_open(&watch, node->alloc,
                        change_max == 0 ? WATCH_CHANGES : change_max, WATCH_SIZE_MAX);
    if (err != CRDT_OK) {
        return err;
    }
    pthread_mutex_lock(&node->mutex);
    if (node->closing) {
        err = CRDT_ECLOSED;
    } else if (node->watch_count == NODE_WATCHES_MAX) {
        err = CRDT_ELIMIT;
    } else {
        node->watches[node->watch_count++] = watch;
    }
    pthread_mutex_unlock(&node->mutex);
    if (err != CRDT_OK) {
        sync_watch_end(watch);
        sync_watch_close(watch);
        return err;
    }
    *out = watch;
    return CRDT_OK;
}

/* ---- status ---- */

typedef struct status_task {
    node_task head;
    sync_node_status *status;
    crdt_err err;
} status_task;

static void copy_text(char out[SYNC_NODE_NAME_SIZE], crdt_span text)
{
    size_t size =
        text.size < SYNC_NODE_NAME_SIZE ? text.size : (size_t)SYNC_NODE_NAME_SIZE - 1;
    if (size > 0) {
        memcpy(out, text.data, size);
    }
    out[size] = '\0';
}

static crdt_err copy_peers(sync_node *node, sync_node_status *status)
{
    sync_peer_status peer;
    size_t count = 0;
    for (size_t index = 0; sync_replica_next_peer(node->replica, &index, &peer);) {
        count++;
    }
    if (count == 0) {
        return CRDT_OK;
    }
    status->peers =
        crdt_resize_array(node->alloc, NULL, 0, count, sizeof *status->peers);
    if (status->peers == NULL) {
        return CRDT_ENOMEM;
    }
    crdt_err err = CRDT_OK;
    uint64_t now = sync_node_now_ms();
    for (size_t index = 0; status->peer_count < count &&
                           sync_replica_next_peer(node->replica, &index, &peer);) {
        sync_node_peer *to = &status->peers[status->peer_count++];
        *to = (sync_node_peer){
            .number = peer.peer,
            .actor = peer.actor,
            .connected = peer.connected,
            .heard = peer.heard,
            .version_equal = peer.version_equal,
            .digest_equal = peer.digest_equal,
            .heard_ms_ago = peer.heard_at_ms == 0 ? UINT64_MAX : now - peer.heard_at_ms,
            .lag = peer.lag,
            .traffic = sync_traffic_of(&node->traffic, peer.peer)};
        crdt_version_init(&to->version, node->alloc);
        if (peer.version != NULL &&
            crdt_version_copy(&to->version, peer.version) != CRDT_OK) {
            err = CRDT_ENOMEM; /* all are filled in: they are freed together */
        }
        copy_text(to->url, peer.url);
        if (peer.configured && !peer.heard && node->link != NULL) {
            snprintf(to->trouble, sizeof to->trouble, "%s",
                     sync_node_reason(node, &peer));
        }
        if (peer.heard && peer.lag > status->lag) {
            status->lag = peer.lag;
        }
    }
    return err;
}

static void fill_counts(sync_node *node, sync_node_counts *since)
{
    sync_replica_counts counts = sync_replica_count(node->replica);
    *since = (sync_node_counts){.edits = node->edit_count,
                                .batches_out = counts.published + counts.relayed,
                                .batches_in = counts.applied,
                                .duplicates = counts.duplicates,
                                .answers_in = counts.merged,
                                .answers_out = counts.served + counts.pushed,
                                .commits = sync_store_stat(node->store).commit_count,
                                .forks = counts.forks,
                                .diverged = counts.diverged,
                                .traffic = node->traffic.sum};
    pthread_mutex_lock(&node->mutex);
    since->tasks_now = node->mailbox_count;
    pthread_mutex_unlock(&node->mutex);
}

static crdt_err fill_status(sync_node *node, sync_node_status *status)
{
    crdt_err err =
        crdt_version_copy(&status->version, crdt_document_version(node->doc));
    if (err == CRDT_OK) {
        err = copy_peers(node, status);
    }
    status->urls = crdt_resize_array(node->alloc, NULL, 0, 8, sizeof *status->urls);
    if (err != CRDT_OK || status->urls == NULL) {
        return CRDT_ENOMEM;
    }
    memcpy(status->urls, node->urls, sizeof node->urls);
    status->url_count = node->url_count;
    copy_text(status->scene, node->meta.scene);
    status->lineage_known = node->meta.lineage_known;
    status->lineage = node->meta.lineage;
    status->actor = sync_replica_actor(node->replica);
    status->digest = crdt_document_digest(node->doc);
    status->counts = crdt_document_count(node->doc);
    status->bytes = sync_store_stat(node->store).file_size;
    status->poisoned = node->poisoned;
    sync_replica_counts counts = sync_replica_count(node->replica);
    status->held_back = counts.held;
    status->refused = counts.refused;
    fill_counts(node, &status->since);
    if (node->link != NULL) {
        status->refused += sync_link_count(node->link).unsealed;
    }
    return CRDT_OK;
}

static bool run_status(sync_node *node, node_task *head)
{
    status_task *task = (status_task *)head;
    if (!node->poisoned) {
        sync_node_flush(node); /* what is told is durable */
    }
    task->err = fill_status(node, task->status);
    return true;
}

crdt_err sync_node_status_get(sync_node *node, sync_node_status *status)
{
    *status = (sync_node_status){.alloc = node->alloc};
    crdt_version_init(&status->version, node->alloc);
    status_task task = {.head = {.run = run_status}, .status = status};
    crdt_err err = sync_node_task_call(node, &task.head);
    err = err != CRDT_OK ? err : task.err;
    if (err != CRDT_OK) {
        sync_node_status_deinit(status);
    }
    return err;
}

void sync_node_status_deinit(sync_node_status *status)
{
    crdt_version_deinit(&status->version);
    if (status->urls != NULL) {
        crdt_free(status->alloc, status->urls, 8 * sizeof *status->urls);
    }
    for (size_t i = 0; i < status->peer_count; i++) {
        crdt_version_deinit(&status->peers[i].version);
    }
    crdt_free(status->alloc, status->peers, status->peer_count * sizeof *status->peers);
    status->urls = NULL;
    status->peers = NULL;
    status->peer_count = 0;
}
