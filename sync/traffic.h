#ifndef SYNC_TRAFFIC_H
#define SYNC_TRAFFIC_H

/* What goes over the links of a node, counted for each peer that it dials: messages and
 * their bytes, before they are sealed. For status pages; nothing depends on it.
 *
 *   in    what the peer published and we received, and its replies
 *   out   what we published while it was connected, and our requests to it
 *
 * Who only calls us is in the sums alone. Pure. Threads: one. */

#include "crdt/alloc.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct sync_traffic_counts {
    uint64_t in;
    uint64_t in_size;
    uint64_t out;
    uint64_t out_size;
} sync_traffic_counts;

typedef struct sync_traffic_peer {
    uint32_t peer; /* as in sync_dial */
    bool connected;
    sync_traffic_counts counts;
} sync_traffic_peer;

typedef struct sync_traffic {
    crdt_alloc alloc;
    sync_traffic_peer *peers; /* as they were dialed */
    size_t count;
    size_t capacity;
    sync_traffic_counts sum; /* a publication counts once */
} sync_traffic;

void sync_traffic_init(sync_traffic *traffic, crdt_alloc alloc);
void sync_traffic_deinit(sync_traffic *traffic);

/* It is connected, or no longer. Without memory it is not counted. O(peers). */
void sync_traffic_connect(sync_traffic *traffic, uint32_t peer, bool connected);
/* It is not dialed any more. */
void sync_traffic_forget(sync_traffic *traffic, uint32_t peer);
/* `peer` 0: somebody who is not dialed. */
void sync_traffic_received(sync_traffic *traffic, uint32_t peer, size_t size);
void sync_traffic_sent(sync_traffic *traffic, uint32_t peer, size_t size);
void sync_traffic_published(sync_traffic *traffic, size_t size);
/* All zero where there is none. */
sync_traffic_counts sync_traffic_of(const sync_traffic *traffic, uint32_t peer);

#endif /* SYNC_TRAFFIC_H */
