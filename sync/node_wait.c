#include "sync/node_impl.h"

#include <stdio.h>
#include <string.h>

#define WAIT_MS 10 /* how often a wait for a peer looks at least */

/* ---- presence ---- */

/* The newest presence goes to the replica; what was told in between nobody needs. */
static bool run_presence(sync_node *node, node_task *head)
{
    (void)head;
    pthread_mutex_lock(&node->mutex);
    crdt_buf bytes = node->presence;
    crdt_buf_init(&node->presence, node->alloc);
    node->presence_posted = false;
    pthread_mutex_unlock(&node->mutex);
    if (!node->poisoned) {
        sync_node_step(node, &(sync_replica_event){.kind = SYNC_ON_PRESENCE,
                                                   .bytes = crdt_buf_span(&bytes)});
    }
    crdt_buf_deinit(&bytes);
    return false; /* nobody waits for it, and it may have been posted again already */
}

void sync_node_init_presence(sync_node *node)
{
    crdt_buf_init(&node->presence, node->alloc);
    node->presence_task.run = run_presence;
}

crdt_err sync_node_presence(sync_node *node, crdt_span bytes)
{
    if (bytes.size > SYNC_NODE_PRESENCE_SIZE_MAX ||
        bytes.size > node->options.message_size_max / 4) {
        return CRDT_ELIMIT;
    }
    pthread_mutex_lock(&node->mutex);
    crdt_err err =
        node->closing ? CRDT_ECLOSED : crdt_buf_reserve(&node->presence, bytes.size);
    if (err == CRDT_OK) {
        crdt_buf_clear(&node->presence);
        err = crdt_buf_append_span(&node->presence, bytes);
    }
    bool post = err == CRDT_OK && !node->presence_posted;
    node->presence_posted = node->presence_posted || post;
    pthread_mutex_unlock(&node->mutex);
    return post ? sync_node_task_post(node, &node->presence_task, false) : err;
}

/* ---- waits ---- */

typedef struct wait_task {
    node_task head;
    /* CRDT_EGAP: not yet. */
    crdt_err (*look)(sync_node *node, struct wait_task *task);
    const char *url;     /* sync once */
    crdt_version wanted; /* ask: what the peers had */
    bool wanted_known;
    uint64_t deadline_ms;
    crdt_err late; /* what it is when the time is over */
    crdt_err err;
    crdt_diag diag;
} wait_task;

uint64_t sync_node_run_waits(sync_node *node)
{
    uint64_t now = sync_node_now_ms();
    uint64_t again = UINT64_MAX;
    node_tasks waiting = node->waits;
    node->waits = (node_tasks){0};
    while (waiting.first != NULL) {
        wait_task *task = (wait_task *)sync_node_task_pop(&waiting);
        task->err = task->look(node, task);
        if (task->err == CRDT_OK) {
            task->err = sync_node_flush(node);
        } else if (task->err == CRDT_EGAP && now >= task->deadline_ms) {
            task->err = task->late;
        }
        if (task->err == CRDT_EGAP) {
            sync_node_task_push(&node->waits, &task->head);
            again = now + WAIT_MS;
        } else {
            sync_node_task_finish(node, &task->head);
        }
    }
    return again;
}

void sync_node_end_waits(sync_node *node)
{
    while (node->waits.first != NULL) {
        wait_task *task = (wait_task *)sync_node_task_pop(&node->waits);
        task->err = CRDT_ECLOSED;
        sync_node_task_finish(node, &task->head);
    }
}

/* ---- sync once ---- */

static crdt_err look_at_peer(sync_node *node, wait_task *task)
{
    const char *url = task->url;
    crdt_diag *diag = &task->diag;
    sync_peer_status peer;
    for (size_t index = 0; sync_replica_next_peer(node->replica, &index, &peer);) {
        if (!crdt_span_equal(peer.url, crdt_span_of(url))) {
            continue;
        }
        if (peer.refused) {
            return crdt_diag_set(diag, CRDT_ELINEAGE, 0, "%s",
                                 node->refusal[0] != '\0' ? node->refusal
                                                          : "the peer was refused");
        }
        if (peer.connected && peer.heard && peer.version_equal && peer.digest_equal) {
            return CRDT_OK;
        }
        crdt_diag_set(diag, CRDT_ETIMEOUT, 0, "%s",
                      peer.connected && peer.heard
                          ? "the peer does not hold the same state yet"
                          : sync_node_reason(node, &peer));
    }
    return CRDT_EGAP;
}

static bool run_sync(sync_node *node, node_task *head)
{
    wait_task *task = (wait_task *)head;
    task->err = sync_node_open_link(node, &task->diag);
    node->dial_err = CRDT_OK;
    if (task->err == CRDT_OK) {
        task->err =
            sync_node_step(node, &(sync_replica_event){.kind = SYNC_ON_ADD_PEER,
                                                       .url = crdt_span_of(task->url)});
    }
    if (task->err == CRDT_OK && node->dial_err != CRDT_OK) {
        task->err = node->dial_err;
        task->diag = node->dial_diag;
    }
    if (task->err != CRDT_OK) {
        return true;
    }
    sync_node_task_push(&node->waits, head);
    return false;
}

crdt_err sync_node_sync_once(sync_node *node, const char *peer_url, uint32_t timeout_ms,
                             crdt_diag *diag)
{
    wait_task task = {.head = {.run = run_sync},
                      .look = look_at_peer,
                      .url = peer_url,
                      .late = CRDT_ETIMEOUT,
                      .deadline_ms = sync_node_now_ms() + timeout_ms};
    crdt_err err = sync_node_task_call(node, &task.head);
    err = err != CRDT_OK ? err : task.err;
    if (err != CRDT_OK && diag != NULL) {
        *diag = task.diag;
    }
    return err;
}

/* ---- ask ---- */

typedef struct ask_count {
    size_t given;     /* peers that were given at the open */
    size_t answered;  /* those of them that spoke */
    size_t heard;     /* whoever edits this scene, and how much of it they have */
    size_t strangers; /* whoever edits another one of this name */
} ask_count;

/* Who is there? What those who edit this scene have is wanted. */
static crdt_err count_peers(sync_node *node, wait_task *task, ask_count *count)
{
    sync_peer_status peer;
    crdt_err err = CRDT_OK;
    for (size_t index = 0;
         err == CRDT_OK && sync_replica_next_peer(node->replica, &index, &peer);) {
        bool edits = peer.heard && !peer.refused && peer.lineage_known;
        count->given += peer.configured;
        count->answered += peer.configured && (peer.heard || peer.refused);
        count->strangers += peer.heard && peer.stranger;
        count->heard += edits;
        if (edits && !task->wanted_known) {
            err = crdt_version_merge(&task->wanted, peer.version);
        }
    }
    task->wanted_known = task->wanted_known || (err == CRDT_OK && count->heard > 0);
    return err;
}

static crdt_err look_for_scene(sync_node *node, wait_task *task)
{
    ask_count count = {0};
    crdt_diag *diag = &task->diag;
    crdt_err err = count_peers(node, task, &count);
    if (err != CRDT_OK) {
        return err;
    }
    if (task->wanted_known) {
        task->late = CRDT_ETIMEOUT;
        crdt_diag_set(diag, CRDT_ETIMEOUT, 0,
                      "peers have the scene, and not all of it has come");
        return sync_node_has_begun(node) &&
                       crdt_version_includes(crdt_document_version(node->doc),
                                             &task->wanted)
                   ? CRDT_OK
                   : CRDT_EGAP;
    }
    bool all = count.answered == count.given;
    task->late = count.strangers > 0 ? CRDT_ELINEAGE
                 : all               ? CRDT_ENOTFOUND
                                     : CRDT_ETIMEOUT;
    crdt_diag_set(diag, task->late, 0, "%s",
                  count.strangers > 0 ? "the peers edit an unrelated scene of this name"
                  : all               ? "no peer has the scene"
                  : count.answered > 0 ? "no peer that answers has the scene"
                                       : "no peer answers");
    if (count.given == 0) {
        return crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "there are no peers to ask");
    }
    return all ? task->late : CRDT_EGAP;
}

static bool run_ask(sync_node *node, node_task *head)
{
    sync_node_task_push(&node->waits, head);
    return false;
}

crdt_err sync_node_ask(sync_node *node, uint32_t timeout_ms, crdt_diag *diag)
{
    wait_task task = {.head = {.run = run_ask},
                      .look = look_for_scene,
                      .deadline_ms = sync_node_now_ms() + timeout_ms,
                      .late = CRDT_ETIMEOUT};
    crdt_version_init(&task.wanted, node->alloc);
    crdt_err err = sync_node_task_call(node, &task.head);
    crdt_version_deinit(&task.wanted);
    err = err != CRDT_OK ? err : task.err;
    if (err != CRDT_OK && diag != NULL) {
        *diag = task.diag;
    }
    return err;
}
