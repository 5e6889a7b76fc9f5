#include "sync/traffic.h"

void sync_traffic_init(sync_traffic *traffic, crdt_alloc alloc)
{
    *traffic = (sync_traffic){.alloc = alloc};
}

void sync_traffic_deinit(sync_traffic *traffic)
{
    crdt_free(traffic->alloc, traffic->peers,
              traffic->capacity * sizeof *traffic->peers);
    *traffic = (sync_traffic){.alloc = traffic->alloc};
}

static sync_traffic_peer *find(const sync_traffic *traffic, uint32_t peer)
{
    for (size_t i = 0; i < traffic->count; i++) {
        if (traffic->peers[i].peer == peer) {
            return &traffic->peers[i];
        }
    }
    return NULL;
}

static sync_traffic_peer *add(sync_traffic *traffic, uint32_t peer)
{
    if (traffic->count == traffic->capacity) {
        size_t capacity = traffic->capacity * 2 + 4;
        sync_traffic_peer *peers = crdt_resize_array(
            traffic->alloc, traffic->peers, traffic->capacity, capacity, sizeof *peers);
        if (peers == NULL) {
            return NULL;
        }
        traffic->peers = peers;
        traffic->capacity = capacity;
    }
    sync_traffic_peer *added = &traffic->peers[traffic->count++];
    *added = (sync_traffic_peer){.peer = peer};
    return added;
}

void sync_traffic_connect(sync_traffic *traffic, uint32_t peer, bool connected)
{
    sync_traffic_peer *found = find(traffic, peer);
    if (found == NULL && connected) {
        found = add(traffic, peer);
    }
    if (found != NULL) {
        found->connected = connected;
    }
}

void sync_traffic_forget(sync_traffic *traffic, uint32_t peer)
{
    sync_traffic_peer *found = find(traffic, peer);
    if (found != NULL) {
        *found = traffic->peers[--traffic->count];
    }
}

static void count_in(sync_traffic_counts *counts, size_t size)
{
    counts->in++;
    counts->in_size += size;
}

static void count_out(sync_traffic_counts *counts, size_t size)
{
    counts->out++;
    counts->out_size += size;
}

void sync_traffic_received(sync_traffic *traffic, uint32_t peer, size_t size)
{
    sync_traffic_peer *found = peer == 0 ? NULL : find(traffic, peer);
    count_in(&traffic->sum, size);
    if (found != NULL) {
        count_in(&found->counts, size);
    }
}

void sync_traffic_sent(sync_traffic *traffic, uint32_t peer, size_t size)
{
    sync_traffic_peer *found = peer == 0 ? NULL : find(traffic, peer);
    count_out(&traffic->sum, size);
    if (found != NULL) {
        count_out(&found->counts, size);
    }
}

void sync_traffic_published(sync_traffic *traffic, size_t size)
{
    count_out(&traffic->sum, size);
    for (size_t i = 0; i < traffic->count; i++) {
        if (traffic->peers[i].connected) {
            count_out(&traffic->peers[i].counts, size);
        }
    }
}

sync_traffic_counts sync_traffic_of(const sync_traffic *traffic, uint32_t peer)
{
    const sync_traffic_peer *found = peer == 0 ? NULL : find(traffic, peer);
    return found == NULL ? (sync_traffic_counts){0} : found->counts;
}
