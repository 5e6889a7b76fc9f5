#ifndef SYNC_REPLICA_H
#define SYNC_REPLICA_H

/* The protocol of docs/PROTOCOL.md as a pure state machine: what happened comes in as
 * one event, what is to be done comes out as effects. No I/O, no clock, no randomness
 * of its own, no thread: the node, the simulated world and the tests drive the very
 * same code.
 *
 *      edits, publications, requests, replies, links, disk, time
 *           │ event                                   ▲ effects
 *           ▼                                         │
 *      sync_replica_step ── applies to ──▶ crdt_document (the caller's)
 *
 * Durable before spoken of: a batch made here is published, and the version told to
 * others advances, only after the event STORED says that its record is on disk.
 *
 * Memory: from `alloc`; bounded by the limits in the options. Threads: no locking. */

#include "crdt/document.h"
#include "sync/meta.h"

typedef struct sync_replica sync_replica;

/* ---- events ---- */

typedef enum sync_replica_event_kind {
    SYNC_ON_TICK,      /* time passed: `effects.wake_at_ms` came */
    SYNC_ON_LOCAL,     /* `batch` was committed to the document here */
    SYNC_ON_STORED,    /* all appends up to `sequence` are on disk */
    SYNC_ON_RECEIVED,  /* `peer` published `bytes` */
    SYNC_ON_REQUEST,   /* somebody asks `bytes`; answer with `token` (the link's) */
    SYNC_ON_REPLY,     /* `bytes` answer the request `token` (the replica's) */
    SYNC_ON_FAILED,    /* the request `token` has no answer */
    SYNC_ON_LINK_UP,   /* `peer` is connected */
    SYNC_ON_LINK_DOWN, /* `peer` is no longer */
    SYNC_ON_ADD_PEER,  /* join up with the replica at `url` and stay so */
    SYNC_ON_URL,       /* this replica can be dialled at `url` */
    SYNC_ON_LINEAGE, /* this scene begins with the template of the pseudo-actor `actor`:
                      * before its batch comes as LOCAL. Only without a lineage */
    SYNC_ON_ACTOR,   /* from now on this replica writes as `actor`, a fresh one */
    SYNC_ON_PRESENCE, /* tell others `bytes` about the person here */
    SYNC_ON_LEAVE,    /* say goodbye; nothing is begun any more */
} sync_replica_event_kind;

typedef struct sync_replica_event {
    sync_replica_event_kind kind;
    uint64_t now_ms;         /* always: monotonic, never goes back */
    uint64_t wall_ms;        /* always: Unix time, for people only; 0 unknown */
    uint32_t peer;           /* RECEIVED, LINK_UP, LINK_DOWN: number as in sync_dial */
    uint64_t token;          /* REQUEST, REPLY, FAILED */
    uint64_t sequence;       /* STORED */
    crdt_span bytes;         /* RECEIVED, REQUEST, REPLY, PRESENCE: borrowed */
    crdt_span url;           /* ADD_PEER, URL: borrowed */
    crdt_actor actor;        /* LINEAGE, ACTOR */
    const crdt_batch *batch; /* LOCAL: borrowed; its author is this replica's actor, or
                              * the lineage's pseudo-actor */
} sync_replica_event;

/* ---- effects ---- */

/* To be stored, in order; a record must come back at the next start in this order:
 * BATCH by crdt_batch_decode and crdt_document_apply (noted in the crdt_deps), ANSWER
 * by crdt_document_merge. */
typedef enum sync_append_kind {
    SYNC_APPEND_BATCH,  /* one encoded batch, own or applied from others */
    SYNC_APPEND_ANSWER, /* one encoded answer that was merged */
} sync_append_kind;

typedef struct sync_append {
    sync_append_kind kind;
    uint64_t sequence; /* counts all appends since the open from 1, for STORED */
    crdt_span bytes;
} sync_append;

typedef struct sync_dial {
    uint32_t peer; /* number from now on; never used again for another */
    crdt_span url; /* empty: let go of `peer` */
} sync_dial;

typedef struct sync_request {
    uint32_t peer;
    uint64_t token; /* comes back with REPLY or FAILED */
    crdt_span bytes;
    uint32_t timeout_ms;
} sync_request;

typedef struct sync_reply {
    uint64_t token;
    crdt_span bytes;
} sync_reply;

typedef enum sync_notice_kind {
    SYNC_NOTICE_JOINED,   /* `actor` at `url` (may be empty) was heard */
    SYNC_NOTICE_LEFT,     /* it said goodbye or was silent for three beacons */
    SYNC_NOTICE_PRESENCE, /* `bytes`: what `actor` tells about its person now */
    SYNC_NOTICE_SYNCED, /* versions and digests of `actor` and this replica are equal */
    SYNC_NOTICE_ADOPTED, /* scene or lineage was taken from `actor` */
    SYNC_NOTICE_REFUSED, /* bytes of `actor` or a whole peer were refused: `err`, text
                          */
    SYNC_NOTICE_FORK,  /* two histories under `actor`: found or healed, `key` if any */
    SYNC_NOTICE_FRESH, /* this replica writes as `actor` from now on */
    SYNC_NOTICE_REWRITTEN, /* `key`, `value`: only held here, was written again */
    SYNC_NOTICE_LOST,     /* `key`, `value`: an edit that does not show after healing */
    SYNC_NOTICE_DIVERGED, /* equal versions, unequal digests with `actor`: healing */
    SYNC_NOTICE_GAVE_UP,  /* a batch of `actor` was dropped: nobody has what it needs */
    SYNC_NOTICE_STRANGER, /* `actor` edits this scene in another `lineage` */
    SYNC_NOTICE_MISFIT,   /* `actor` is there, and not all can be exchanged with it */
    SYNC_NOTICE_COUNT,    /* how many there are */
} sync_notice_kind;

typedef struct sync_notice {
    sync_notice_kind kind;
    crdt_actor actor;
    crdt_span url;
    crdt_err err;
    crdt_key key; /* depth 0: none */
    crdt_span value;
    crdt_span bytes;
    crdt_actor lineage; /* STRANGER */
    char text[160];     /* one sentence for people; may be empty */
} sync_notice;

/* All spans belong to the replica and last until the next step. Do the appends (queue
 * them; durable comes later) before all else. */
typedef struct sync_effects {
    const sync_append *appends;
    size_t append_count;
    const sync_dial *dials;
    size_t dial_count;
    const crdt_span *publishes;
    size_t publish_count;
    const sync_request *requests;
    size_t request_count;
    const sync_reply *replies;
    size_t reply_count;
    const sync_notice *notices;
    size_t notice_count;
    const sync_meta *meta; /* always filled; borrowed until the next step */
    bool meta_changed;     /* keep it in the store's next group; nobody waits for it */
    bool renew_actor;    /* a copy of this store writes too: have the store make a fresh
                          * actor and step ACTOR with it before anything is committed */
    bool topic_changed;  /* subscribe to sync_replica_topic from now on */
    uint64_t wake_at_ms; /* step a TICK then at the latest; UINT64_MAX: never */
} sync_effects;

/* ---- options ---- */

typedef struct sync_replica_options {
    crdt_alloc alloc;
    crdt_document *doc; /* what is replicated; outlives the replica */
    crdt_deps *deps;    /* as replayed with the document; outlives the replica */
    sync_meta meta; /* its scene is borrowed during the open; actor is never all zero */
    uint64_t nonce; /* random, new at every start of the same actor */
    uint64_t seed;  /* jitter comes of it */
    uint64_t now_ms;
    bool discover; /* dial replicas that beacons tell of; default true */

    /* Told right after every change that a step made to the document, before the step goes
     * on: the batch applied or committed, or NULL for an answer merged. For the history
     * recorder. May be NULL. */
    void (*on_change)(void *ctx, const crdt_batch *batch);
    void *change_ctx;

    /* Times, ms. */
    uint32_t beacon_ms;       /* default 1000 */
    uint32_t beacon_gap_ms;   /* no two beacons closer than this; default 50 */
    uint32_t presence_gap_ms; /* nor two tellings of presence; default 100 */
    uint32_t
        request_ms_min;    /* a request without answer has failed after this long and */
    uint32_t request_ms;   /* what the peer's former replies took; defaults 100, and
                              * 3000 at most */
    uint32_t grace_ms_min; /* wait for a live batch before asking; default 10 */
    uint32_t grace_ms_max; /* default 200 */
    uint32_t backoff_ms_min; /* default 50 */
    uint32_t backoff_ms_max; /* default 10000 */
    uint32_t held_ms_max;    /* a batch waits this long for others; default 30000 */
    uint32_t unknown_ms_max; /* a found peer that never answers is let go; 30000 */
    uint32_t answer_ms;      /* an answer is kept for its chunks; default 10000 */

    /* Limits. */
    size_t message_size_max;  /* bytes of one message; default 1 MiB, at least 4 KiB */
    size_t peer_count_max;    /* default 1024 */
    size_t held_count_max;    /* batches held back; default 4096 */
    size_t held_size_max;     /* their bytes; default 16 MiB */
    size_t unsent_size_max;   /* own batches that wait for the disk; default 16 MiB */
    size_t answer_count_max;  /* answers kept for askers; default 8 */
    size_t answer_size_max;   /* bytes of all of them; default 1 GiB */
    size_t staged_size_max;   /* bytes of an answer being fetched; default 1 GiB */
    size_t presence_size_max; /* default 16 KiB, at most a quarter of a message */
    uint64_t time_jump_max;   /* refuse versions this far ahead; default 2^40 */
    uint32_t absolute_every;  /* every N-th own batch has absolute deps; default 64 */
} sync_replica_options;

sync_replica_options sync_replica_options_default(void);

/* ---- the machine ---- */

/* What the document holds already counts as durable and is told to others.
 * Errors: CRDT_ENOMEM; CRDT_EINVAL: an option is out of its range. */
crdt_err sync_replica_open(sync_replica **out, const sync_replica_options *options);
/* Accepts NULL. The document and the deps stay. */
void sync_replica_close(sync_replica *replica);

/* Advance by one event. `effects` is filled, and belongs to the replica until the next
 * step. Foreign bytes never make it fail: what is wrong with them is counted and
 * noticed. May change the document (batches and answers applied, healing) and the
 * actor.
 *
 * Errors: CRDT_ENOMEM: the event may have had a part of its effect only; the effects
 * are valid and must be performed; the protocol repairs the rest. CRDT_EINVAL: LOCAL of
 * a foreign author, LINEAGE where there is one, a URL that is empty or over
 * SYNC_URL_SIZE_MAX. CRDT_ELIMIT: too many peers or URLs. */
crdt_err sync_replica_step(sync_replica *replica, const sync_replica_event *event,
                           sync_effects *effects);

/* A lineage that was adopted, of which nothing has come yet: is `lineage` that one, or is
 * it given up, since nobody is heard who has more of it than its name? Then the scene may
 * begin here (LINEAGE, LOCAL). */
bool sync_replica_drop_lineage(sync_replica *replica, const crdt_actor *lineage);

/* ---- looking ---- */

/* Write as this actor: ask before every commit, it changes when a copy is found. */
crdt_actor sync_replica_actor(const sync_replica *replica);
/* What publications of this scene begin with (the link's subscription); empty while the
 * scene is unknown. Borrowed. */
crdt_span sync_replica_topic(const sync_replica *replica);
/* What others are told: the durable version and its digest. */
const crdt_version *sync_replica_version(const sync_replica *replica);
crdt_digest sync_replica_digest(const sync_replica *replica);

typedef struct sync_replica_counts {
    uint64_t published;  /* batches of this replica published */
    uint64_t relayed;    /* batches of others published again */
    uint64_t applied;    /* foreign batches applied */
    uint64_t duplicates; /* foreign batches that were known */
    uint64_t held;       /* batches held back now */
    uint64_t held_size;  /* their bytes */
    uint64_t dropped;    /* held batches dropped: cache full, or too old */
    uint64_t asked;      /* SYNC requests sent */
    uint64_t merged;     /* answers merged */
    uint64_t served;     /* answers made for others */
    uint64_t pushed;     /* answers handed to peers that cannot ask */
    uint64_t beacons;    /* sent */
    uint64_t presences;  /* sent between beacons */
    uint64_t refused;    /* foreign messages refused */
    uint64_t forks;      /* forked batches and entries seen */
    uint64_t diverged;   /* times that equal versions had unequal digests */
    uint64_t healed;     /* healing batches written */
} sync_replica_counts;
sync_replica_counts sync_replica_count(const sync_replica *replica);

typedef struct sync_peer_status {
    uint32_t peer; /* 0: no link of ours, heard only by its requests */
    crdt_span url; /* empty: unknown; borrowed until the next step */
    bool actor_known;
    crdt_actor actor;
    bool connected;
    bool heard;         /* a beacon, HELLO or WELCOME came within three periods */
    bool version_equal; /* as of its last beacon, against the document now */
    bool digest_equal;
    bool configured;      /* given by the user (ADD_PEER) */
    bool refused;         /* another scene, lineage or protocol */
    bool stranger;        /* another lineage */
    bool lineage_known;   /* it has a lineage; this one's, unless it is a stranger */
    uint64_t heard_at_ms; /* 0: never */
    uint64_t lag; /* sum over actors of times that it has and the document lacks */
    const crdt_version *version; /* the least it has; borrowed until the next step */
} sync_peer_status;
/* Step through the peers; `*index` starts at 0. False at the end. */
bool sync_replica_next_peer(const sync_replica *replica, size_t *index,
                            sync_peer_status *status);
/* At least one peer is heard, and all that are heard have this document's version and
 * digest. */
bool sync_replica_in_sync(const sync_replica *replica);

/* What it is busy with now, as a set: for status lines, and for who wants to know which
 * states a test has been in. */
typedef enum sync_replica_state_bit {
    SYNC_STATE_ASKING = 1,     /* an answer is being fetched, to be merged */
    SYNC_STATE_COMPARING = 2,  /* likewise, to be compared: healing, rescue */
    SYNC_STATE_PUSHING = 4,    /* an answer is being handed to a peer */
    SYNC_STATE_TAKING = 8,     /* one of a peer is being put together */
    SYNC_STATE_HOLDING = 16,   /* batches wait for others that they need */
    SYNC_STATE_UNSENT = 32,    /* own batches wait for the disk */
    SYNC_STATE_DEFERRING = 64, /* replies wait for the disk */
    SYNC_STATE_RESCUING = 128, /* what was written as a former actor may be lost */
    SYNC_STATE_DIVERGED = 256, /* a peer has this version with another digest */
} sync_replica_state_bit;
#define SYNC_STATE_COUNT 512u /* sets of them */
uint32_t sync_replica_state(const sync_replica *replica);

/* Deep test of the invariants, for tests. */
bool sync_replica_check(const sync_replica *replica);

#endif /* SYNC_REPLICA_H */
