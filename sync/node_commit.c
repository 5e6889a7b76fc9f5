#include "sync/node_impl.h"

#include <assert.h>
#include <string.h>

#define MAINTAIN_BUDGET (1u << 20)        /* bytes a slice while idle */
#define MAINTAIN_BUSY_BUDGET (128u << 10) /* bytes that ride on an ordinary commit */

void sync_node_poison(sync_node *node, const crdt_diag *diag)
{
    if (node->poisoned) {
        return;
    }
    node->poisoned = true;
    node->poison = *diag;
    if (node->poison.text[0] == '\0') {
        crdt_diag_set(&node->poison, CRDT_EIO, 0, "the store cannot be written");
    }
    sync_node_emit(
        node, &(sync_event){.kind = SYNC_EVENT_POISONED, .text = node->poison.text});
}

void sync_node_open_group(sync_node *node)
{
    if (!node->group_open) {
        node->group_open = true;
        node->group_us = sync_node_now_us();
    }
}

crdt_err sync_node_append(sync_node *node, sync_record_kind kind, crdt_span bytes)
{
    crdt_diag diag = {0};
    crdt_err err = sync_store_append(node->store, kind, bytes, NULL, &diag);
    if (err != CRDT_OK) {
        /* The document has what the store has not: nothing may be written after it. */
        sync_node_poison(node, &diag);
        return err;
    }
    sync_node_open_group(node);
    node->group_size += bytes.size;
    return CRDT_OK;
}

void sync_node_record(sync_node *node, const crdt_batch *batch,
                      const crdt_history_note *note)
{
    node_record *record = crdt_allocate(node->alloc, sizeof *record);
    if (record != NULL) {
        *record = (node_record){0};
        crdt_buf_init(&record->bytes, node->alloc);
        crdt_err err = crdt_history_finish(node->history, batch, note, &record->bytes);
        if (err == CRDT_OK && node->records_last != NULL) {
            node->records_last->next = record;
        } else if (err == CRDT_OK) {
            node->records_first = record;
        }
        if (err == CRDT_OK) {
            node->records_last = record;
            node->records_new = node->records_new != NULL ? node->records_new : record;
        } else {
            crdt_buf_deinit(&record->bytes);
            crdt_free(node->alloc, record, sizeof *record);
            record = NULL;
        }
    }
    if (record == NULL) {
        sync_node_emit(node, &(sync_event){.kind = SYNC_EVENT_ALARM,
                                           .text = "out of memory: a change is missing "
                                                   "in the history"});
    }
    crdt_history_begin(node->history);
}

void sync_node_store_records(sync_node *node)
{
    for (; node->records_new != NULL; node->records_new = node->records_new->next) {
        if (!node->poisoned) {
            crdt_span bytes = crdt_buf_span(&node->records_new->bytes);
            sync_node_append(node, SYNC_RECORD_HISTORY, bytes);
        }
    }
}

/* The group is over: watchers get its changes, or nobody does. */
static void release_records(sync_node *node, bool durable)
{
    pthread_mutex_lock(&node->mutex);
    while (node->records_first != NULL) {
        node_record *record = node->records_first;
        node->records_first = record->next;
        for (size_t i = node->watch_count; durable && i-- > 0;) {
            if (!sync_watch_push(node->watches[i], crdt_buf_span(&record->bytes))) {
                sync_watch_end(node->watches[i]);
                node->watches[i] = node->watches[--node->watch_count];
            }
        }
        crdt_buf_deinit(&record->bytes);
        crdt_free(node->alloc, record, sizeof *record);
    }
    node->records_last = NULL;
    node->records_new = NULL;
    pthread_mutex_unlock(&node->mutex);
}

crdt_err sync_node_flush(sync_node *node)
{
    crdt_diag diag = {0};
    crdt_err err = node->poisoned ? CRDT_EIO : CRDT_OK;
    bool any = node->group_open;
    if (err == CRDT_OK && sync_store_dirty(node->store)) {
        uint64_t begin_us = sync_node_now_us();
        err = sync_store_commit(node->store, NULL, &diag);
        node->commit_us = sync_node_now_us() - begin_us;
        if (err == CRDT_OK) {
            /* A node that is never idle compacts too: with its next group. That no
             * checkpoint can be made now is no reason to fail. */
            (void)sync_store_maintain(node->store, MAINTAIN_BUSY_BUDGET, NULL, NULL);
        } else {
            sync_node_poison(node, &diag);
        }
    }
    node->group_open = false;
    node->group_size = 0;
    release_records(node, err == CRDT_OK);
    /* Those who wait are told first: acknowledged is what is durable, not what is sent. */
    while (node->durable_tasks.first != NULL) {
        sync_node_task_finish(node, sync_node_task_pop(&node->durable_tasks));
    }
    if (err == CRDT_OK && any) {
        node->maintain = true;
        sync_node_step(node, &(sync_replica_event){.kind = SYNC_ON_STORED,
                                                   .sequence = node->append_sequence});
    }
    return err == CRDT_OK ? CRDT_OK : CRDT_EIO;
}

bool sync_node_maintain(sync_node *node)
{
    crdt_diag diag = {0};
    bool more = false;
    if (!node->maintain || node->poisoned || node->options.read_only) {
        return false;
    }
    crdt_err err = sync_store_maintain(node->store, MAINTAIN_BUDGET, &more, &diag);
    node->maintain = err == CRDT_OK && more;
    if (err == CRDT_EIO) {
        sync_node_poison(node, &diag);
    } else if (sync_store_dirty(node->store)) {
        err = sync_store_commit(node->store, NULL, &diag);
        if (err != CRDT_OK) {
            sync_node_poison(node, &diag);
        }
    }
    return node->maintain && !node->poisoned;
}
