#include "sync/peer.h"

#include "crdt/mutant.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void sync_peers_init(sync_peers *peers, crdt_alloc alloc, size_t count_max)
{
    *peers = (sync_peers){.alloc = alloc, .count_max = count_max};
}

static void free_peer(sync_peers *peers, sync_peer *peer)
{
    crdt_buf_deinit(&peer->url);
    crdt_buf_deinit(&peer->presence);
    crdt_version_deinit(&peer->version);
    crdt_free(peers->alloc, peer->heard, peer->heard_capacity * sizeof *peer->heard);
    crdt_free(peers->alloc, peer, sizeof *peer);
}

void sync_peers_deinit(sync_peers *peers)
{
    for (size_t i = 0; i < peers->count; i++) {
        free_peer(peers, peers->items[i]);
    }
    crdt_free(peers->alloc, peers->items, peers->capacity * sizeof *peers->items);
}

sync_peer *sync_peers_add(sync_peers *peers, uint64_t now_ms, bool *full)
{
    bool at_limit = peers->count >= peers->count_max;
    if (full != NULL) {
        *full = at_limit;
    }
    if (at_limit) {
        return NULL;
    }
    if (peers->count == peers->capacity) {
        size_t capacity = peers->capacity == 0 ? 8 : peers->capacity * 2;
        sync_peer **items = crdt_resize_array(peers->alloc, peers->items,
                                              peers->capacity, capacity, sizeof *items);
        if (items == NULL) {
            return NULL;
        }
        peers->items = items;
        peers->capacity = capacity;
    }
    sync_peer *peer = crdt_allocate(peers->alloc, sizeof *peer);
    if (peer == NULL) {
        return NULL;
    }
    *peer = (sync_peer){.found_at_ms = now_ms};
    crdt_buf_init(&peer->url, peers->alloc);
    crdt_buf_init(&peer->presence, peers->alloc);
    crdt_version_init(&peer->version, peers->alloc);
    peers->items[peers->count++] = peer;
    return peer;
}

static void set_ahead(sync_peers *peers, sync_peer *peer, bool ahead)
{
    if (peer->ahead != ahead) {
        peer->ahead = ahead;
        peers->ahead_count += ahead ? 1 : (size_t)-1;
    }
}

void sync_peers_remove(sync_peers *peers, sync_peer *peer)
{
    size_t index = 0;
    while (peers->items[index] != peer) {
        index++;
        assert(index < peers->count);
    }
    set_ahead(peers, peer, false);
    peers->count--;
    memmove(&peers->items[index], &peers->items[index + 1],
            (peers->count - index) * sizeof(sync_peer *));
    free_peer(peers, peer);
}

sync_peer *sync_peers_find_number(const sync_peers *peers, uint32_t number)
{
    for (size_t i = 0; i < peers->count && number != 0; i++) {
        if (peers->items[i]->number == number) {
            return peers->items[i];
        }
    }
    return NULL;
}

sync_peer *sync_peers_find_actor(const sync_peers *peers, const crdt_actor *actor)
{
    for (size_t i = 0; i < peers->count; i++) {
        const sync_peer *peer = peers->items[i];
        if (peer->actor_known && !peer->alias &&
            crdt_actor_equal(&peer->actor, actor)) {
            return peers->items[i];
        }
    }
    return NULL;
}

sync_peer *sync_peers_find_life(const sync_peers *peers, const crdt_actor *actor,
                                uint64_t nonce)
{
    for (size_t i = 0; i < peers->count; i++) {
        const sync_peer *peer = peers->items[i];
        if (peer->actor_known && !peer->alias && peer->nonce == nonce &&
            crdt_actor_equal(&peer->actor, actor)) {
            return peers->items[i];
        }
    }
    return NULL;
}

sync_peer *sync_peers_find_url(const sync_peers *peers, crdt_span url)
{
    for (size_t i = 0; i < peers->count; i++) {
        if (peers->items[i]->url.size > 0 &&
            crdt_span_equal(crdt_buf_span(&peers->items[i]->url), url)) {
            return peers->items[i];
        }
    }
    return NULL;
}

void sync_peer_forget(sync_peers *peers, sync_peer *peer)
{
    set_ahead(peers, peer, false);
    crdt_version_clear(&peer->version);
    crdt_buf_clear(&peer->presence);
    peer->presence_number = 0;
    peer->presence_nonce = 0;
    peer->misfit = false;
    peer->actor_known = false;
    peer->refused = false;
    peer->stranger = false;
    peer->stranger_told_ms = 0;
    peer->lineage_known = false;
    peer->leaving = false;
    peer->joined = false;
    peer->version_whole = false;
    peer->beacon_known = false;
    peer->synced = false;
    peer->diverged = false;
    peer->heard_count = 0;
    peer->hears_me = false;
    peer->vetted = false;
    peer->set_back = false;
    peer->certain = false;
    peer->heard_at_ms = 0;
    peer->published_at_ms = 0;
    peer->unheard_at_ms = 0;
    peer->backoff_ms = 0;
    peer->retry_at_ms = 0;
}

/* A gap that was filled since is over; another one begins now. */
static void note_gap(sync_peers *peers, sync_peer *peer, bool was_ahead,
                     const crdt_version *me, uint64_t now_ms)
{
    bool is_ahead = MUTANT(264) ? sync_peer_lag(peer, me) > 1
                                : !crdt_version_includes(me, &peer->version);
    if (is_ahead && !was_ahead) {
        peer->gap_at_ms = now_ms;
    }
    set_ahead(peers, peer, is_ahead);
    peer->certain = peer->certain && is_ahead;
}

crdt_err sync_peer_raise(sync_peers *peers, sync_peer *peer,
                         const crdt_version *version, const crdt_version *me,
                         uint64_t now_ms)
{
    bool was_ahead = peer->ahead && !crdt_version_includes(me, &peer->version);
    crdt_err err = crdt_version_merge(&peer->version, version);
    if (err == CRDT_OK) {
        note_gap(peers, peer, was_ahead, me, now_ms);
    }
    return err;
}

crdt_err sync_peer_assign(sync_peers *peers, sync_peer *peer,
                          const crdt_version *version, const crdt_version *me,
                          uint64_t now_ms)
{
    bool was_ahead = peer->ahead && !crdt_version_includes(me, &peer->version);
    crdt_err err = crdt_version_copy(&peer->version, version);
    if (err == CRDT_OK) {
        note_gap(peers, peer, was_ahead, me, now_ms);
    }
    return err;
}

bool sync_peer_check_ahead(sync_peers *peers, sync_peer *peer, const crdt_version *me)
{
    if (peer->ahead && crdt_version_includes(me, &peer->version)) {
        set_ahead(peers, peer, false);
        peer->certain = false;
    }
    return peer->ahead;
}

static int compare_actors(const void *a, const void *b)
{
    return crdt_actor_compare(a, b);
}

/* Few are put in one by one. */
static void sort_actors(crdt_actor *actors, size_t count)
{
    if (count > 16) {
        qsort(actors, count, sizeof *actors, compare_actors);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        crdt_actor actor = actors[i];
        size_t at = i;
        for (; at > 0 && crdt_actor_compare(&actors[at - 1], &actor) > 0; at--) {
            actors[at] = actors[at - 1];
        }
        actors[at] = actor;
    }
}

crdt_err sync_peer_set_heard(sync_peers *peers, sync_peer *peer,
                             const crdt_actor *heard, size_t count)
{
    if (count > peer->heard_capacity) {
        crdt_actor *grown = crdt_resize_array(
            peers->alloc, peer->heard, peer->heard_capacity, count, sizeof *grown);
        if (grown == NULL) {
            return CRDT_ENOMEM;
        }
        peer->heard = grown;
        peer->heard_capacity = count;
    }
    if (count > 0) {
        memcpy(peer->heard, heard, count * sizeof *heard);
        sort_actors(peer->heard, count);
    }
    peer->heard_count = count;
    return CRDT_OK;
}

bool sync_peer_hears(const sync_peer *peer, const crdt_actor *actor)
{
    return peer->heard_count > 0 &&
           bsearch(actor, peer->heard, peer->heard_count, sizeof *peer->heard,
                   compare_actors) != NULL;
}

uint64_t sync_peer_lag(const sync_peer *peer, const crdt_version *me)
{
    uint64_t lag = 0;
    for (size_t i = 0; i < peer->version.stamp_count; i++) {
        const crdt_stamp *stamp = &peer->version.stamps[i];
        uint64_t mine = crdt_version_get(me, &stamp->actor);
        lag += stamp->time > mine ? stamp->time - mine : 0;
    }
    return lag;
}

static uint64_t smooth(uint64_t former, uint64_t ms)
{
    return former == 0 ? ms : ms < former ? (former + ms) / 2 : (3 * former + ms) / 4;
}

void sync_peer_note_rtt(sync_peer *peer, uint64_t rtt_ms)
{
    peer->rtt_ms = smooth(peer->rtt_ms, rtt_ms);
}

void sync_peer_note_bulk(sync_peer *peer, uint64_t ms)
{
    peer->bulk_ms = ms > peer->bulk_ms ? ms : smooth(peer->bulk_ms, ms);
}

void sync_peer_note_quick(sync_peer *peer, uint64_t ms, uint64_t quick_ms)
{
    if (ms <= quick_ms) {
        peer->slow = 0; /* what did not come before was lost */
    } else {
        peer->slow -= peer->slow > 0 ? 1 : 0;
    }
}

void sync_peer_note_slow(sync_peer *peer, uint64_t sent_ms, uint64_t now_ms)
{
    if (sent_ms >= peer->slowed_ms && peer->slow < SYNC_PEER_SLOW_MAX) {
        peer->slow++; /* once for all that was asked meanwhile */
        peer->slowed_ms = now_ms;
        if (peer->slow >= SYNC_PEER_LOSSES) {
            /* Slow, or lossy? A HELLO comes back soon, if at all, unless the way is slow. */
            peer->hello_wanted = true;
            peer->hello_at_ms = now_ms < peer->hello_at_ms ? now_ms : peer->hello_at_ms;
        }
    }
}
