#ifndef SYNC_WATCH_H
#define SYNC_WATCH_H

/* A bounded queue of changes between the node's thread and one that follows along.
 *
 * The node never waits for a watcher: when the queue is full, the oldest change is
 * dropped, and the next one taken says how many were lost before it. A watcher that
 * lost changes reads the document anew (sync_node_read).
 *
 * Threads: one side pushes, one side takes; both may be any thread. */

#include "crdt/buf.h"

typedef struct sync_watch sync_watch;

/* One change of the document, as it became durable or arrived. */
typedef struct sync_change {
    crdt_buf history; /* the history record (crdt/history.h): author, ops, dropped... */
    uint64_t lost_count; /* changes lost right before this one */
} sync_change;

/* Errors: CRDT_ENOMEM, CRDT_EIO (no file descriptor left). */
crdt_err sync_watch_open(sync_watch **out, crdt_alloc alloc, size_t change_max,
                         size_t bytes_max);

/* Two hold a watch, and each lets go in its own time: the taker closes it, the pusher ends
 * it; the later one frees it. */
void sync_watch_close(sync_watch *watch); /* accepts NULL */
/* No more will come: takers get CRDT_ECLOSED after the last change. */
void sync_watch_end(sync_watch *watch);

/* Readable while a change waits, or the end was reached. For poll(). */
int sync_watch_fd(const sync_watch *watch);

/* Append a copy of `history`. Never waits; drops the oldest when full. False: the taker
 * has closed the watch; nobody will see it. */
bool sync_watch_push(sync_watch *watch, crdt_span history);

/* Take the oldest change; waits up to `timeout_ms` (-1: for ever). The caller frees it
 * with sync_change_deinit.
 * Errors: CRDT_ETIMEOUT. CRDT_ECLOSED: ended, and all taken. */
crdt_err sync_watch_take(sync_watch *watch, int timeout_ms, sync_change *change);
void sync_change_deinit(sync_change *change);

#endif /* SYNC_WATCH_H */
