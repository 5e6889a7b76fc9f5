#ifndef SYNC_PEER_H
#define SYNC_PEER_H

/* What is known of one other replica, and the table of them.
 *
 * A peer is known by the URL at which we dial it, by the actor that it turned out to be,
 * or by both. Its `version` is the least it has: what its beacons said, and what it
 * published. Equality is judged by the hashes of its last beacon only. */

#include "sync/message.h"

#define SYNC_PEER_SLOW_MAX 12u
#define SYNC_PEER_LOSSES 4u /* failures in a row that do not say how slow a peer is */

typedef struct sync_peer {
    uint32_t number; /* of our link to it; 0: we do not dial it */
    crdt_buf url;    /* where we dial it, or would; may be empty */
    bool configured; /* given by the user: kept for ever */
    bool connected;  /* the link is up */
    bool alias; /* another peer is the same replica (or it is ourselves): no link */

    bool actor_known;
    crdt_actor actor;
    uint64_t nonce;
    bool refused;  /* another scene, lineage or protocol: no batches, no catch-up */
    bool stranger; /* refused for its lineage */
    uint64_t stranger_told_ms; /* when that was told last; 0: never */
    bool lineage_known;        /* its last beacon told a lineage */
    bool leaving;              /* it said goodbye */
    bool joined;               /* JOINED was told, LEFT not yet */

    crdt_version version;      /* the least it has */
    bool version_whole;        /* `version` is exactly that of its last beacon */
    bool beacon_known;         /* the two below are filled */
    crdt_digest version_hash;  /* of its last beacon */
    crdt_digest digest;        /* of its last beacon */
    bool synced;               /* SYNCED was told, and holds still */
    bool diverged;             /* DIVERGED was told for this version_hash */
    crdt_digest diverged_hash; /* the version at which it was */
    crdt_actor *heard;         /* whose publications it receives; sorted */
    size_t heard_count;
    size_t heard_capacity;
    bool hears_me;
    crdt_buf presence;
    uint64_t presence_number; /* 0: none was told */
    uint64_t presence_nonce;  /* of the start whose presence counts */
    bool misfit;              /* MISFIT was told */

    uint64_t heard_at_ms;     /* any beacon, HELLO or WELCOME; 0: never */
    uint64_t published_at_ms; /* its publications came over our link; 0: never */
    uint64_t found_at_ms;     /* when it came into the table */

    bool ahead;           /* it may have what we lack: look */
    bool certain;         /* it does, no use in waiting for a live batch */
    uint64_t gap_at_ms;   /* since when */
    uint64_t retry_at_ms; /* ask it for nothing before */
    uint32_t backoff_ms;  /* how long it is left alone after the next failure */
    uint64_t rtt_ms;      /* smoothed time of its replies */
    uint64_t bulk_ms;     /* the same of chunks, each behind others; 0: unknown */
    uint32_t slow;        /* doublings of the patience with it: the way may be slow */
    uint64_t slowed_ms;   /* when that was changed */

    bool vetted; /* answered a HELLO since it started: told what it remembers of me */
    bool
        set_back; /* it does not go on from what I remember of it, and has to be told */
    bool hello_wanted;
    uint64_t hello_token; /* in flight; 0: none */
    uint64_t hello_sent_ms;
    uint64_t hello_at_ms;  /* the next one, if wanted */
    uint64_t hello_end_ms; /* the one in flight has failed then */
    uint32_t hello_backoff_ms;
    uint64_t
        unheard_at_ms; /* since when it is there and does not hear us; 0: it does */
} sync_peer;

typedef struct sync_peers {
    crdt_alloc alloc;
    sync_peer **items; /* in order of coming */
    size_t count;
    size_t capacity;
    size_t count_max;
    uint32_t number;    /* the last one given */
    size_t ahead_count; /* peers with `ahead` */
} sync_peers;

void sync_peers_init(sync_peers *peers, crdt_alloc alloc, size_t count_max);
void sync_peers_deinit(sync_peers *peers);
/* A new peer with nothing known. Errors (NULL): no memory, or count_max is reached
 * (`*full` tells, may be NULL). */
sync_peer *sync_peers_add(sync_peers *peers, uint64_t now_ms, bool *full);
/* Forget `peer` and free it. */
void sync_peers_remove(sync_peers *peers, sync_peer *peer);
/* NULL where there is none. O(count). */
sync_peer *sync_peers_find_number(const sync_peers *peers, uint32_t number);
sync_peer *sync_peers_find_actor(const sync_peers *peers, const crdt_actor *actor);
/* The very process: a copy of a store that runs too has another nonce. */
sync_peer *sync_peers_find_life(const sync_peers *peers, const crdt_actor *actor,
                                uint64_t nonce);
sync_peer *sync_peers_find_url(const sync_peers *peers, crdt_span url);

/* Forget all that belongs to the replica behind the link, keep the link. */
void sync_peer_forget(sync_peers *peers, sync_peer *peer);
/* It has at least `version`; `me` is our own version. Notes since when it is ahead.
 * Errors: CRDT_ENOMEM. */
crdt_err sync_peer_raise(sync_peers *peers, sync_peer *peer,
                         const crdt_version *version, const crdt_version *me,
                         uint64_t now_ms);
/* It has exactly `version`. Errors: CRDT_ENOMEM. */
crdt_err sync_peer_assign(sync_peers *peers, sync_peer *peer,
                          const crdt_version *version, const crdt_version *me,
                          uint64_t now_ms);
/* Is it still ahead of `me`? Clears the flag if not. */
bool sync_peer_check_ahead(sync_peers *peers, sync_peer *peer, const crdt_version *me);
/* Errors: CRDT_ENOMEM. */
crdt_err sync_peer_set_heard(sync_peers *peers, sync_peer *peer,
                             const crdt_actor *heard, size_t count);
bool sync_peer_hears(const sync_peer *peer, const crdt_actor *actor);
/* Sum over actors of the times it has and `me` lacks. */
uint64_t sync_peer_lag(const sync_peer *peer, const crdt_version *me);

/* One more reply took this long. Down fast, up slowly: a connection that was just being
 * made says little about it. */
/* A chunk took so long; an answer came in time, after `ms`, at once if within `quick_ms`;
 * none came in time to a question asked at `sent_ms`. */
void sync_peer_note_bulk(sync_peer *peer, uint64_t ms);
void sync_peer_note_quick(sync_peer *peer, uint64_t ms, uint64_t quick_ms);
void sync_peer_note_slow(sync_peer *peer, uint64_t sent_ms, uint64_t now_ms);
void sync_peer_note_rtt(sync_peer *peer, uint64_t rtt_ms);

#endif /* SYNC_PEER_H */
