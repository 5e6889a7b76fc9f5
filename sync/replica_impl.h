#ifndef SYNC_REPLICA_IMPL_H
#define SYNC_REPLICA_IMPL_H

/* The inside of a replica, shared by its files and nobody else:
 *
 *      replica.c           open, step, own batches, the disk, requests
 *      replica_live.c      publications: batches applied, held back, relayed
 *      replica_beacon.c    who is there: HELLO, beacons, dialling
 *      replica_lineage.c   which scene it is, and how it began
 *      replica_presence.c  what is told of the people
 *      replica_catchup.c   asking for answers, serving them, pushing them
 *      replica_identity.c  copies of this store, forks, healing
 */

#include "sync/held.h"
#include "sync/message.h"
#include "sync/outbox.h"
#include "sync/parcel.h"
#include "sync/peer.h"
#include "sync/replica.h"
#include "sync/unsent.h"

#define REPLICA_FLIGHT_MAX 4u /* chunks asked for and not here yet */
#define REPLICA_DEFERRED_MAX 256u
#define REPLICA_INCOMING_MAX 4u  /* PUSHes being put together */
#define REPLICA_FAILURES_MAX 12u /* chunks one after the other that do not come */

typedef enum replica_purpose {
    REPLICA_CATCH_UP, /* merge what I lack */
    REPLICA_HEAL,     /* equal versions, unequal digests: compare */
    REPLICA_RESCUE,   /* somebody else wrote under my former actor: compare */
} replica_purpose;

typedef struct replica_flight {
    uint64_t token; /* 0: free */
    uint64_t index;
    uint64_t sent_ms;
    uint64_t end_ms;
} replica_flight;

/* The one SYNC under way. */
typedef struct replica_ask {
    bool active;
    replica_purpose purpose;
    uint32_t peer;        /* number */
    replica_flight first; /* the SYNC itself; token 0 once it was answered */
    sync_staging staging;
    uint64_t next_index;
    uint32_t failures; /* since the last chunk that came */
    replica_flight flights[REPLICA_FLIGHT_MAX];
} replica_ask;

/* The one PUSH under way. */
typedef struct replica_push {
    bool active;
    uint32_t peer;
    uint64_t id; /* on the shelf */
    uint64_t chunk_count;
    uint64_t next_index;
    uint64_t taken_count;
    uint32_t failures;    /* since the last chunk that was taken */
    crdt_version version; /* what the peer has afterwards */
    uint64_t begin_ms;    /* not before it is durable: waits since then */
    replica_flight flights[REPLICA_FLIGHT_MAX];
} replica_push;

/* A PUSH of somebody else, being put together. */
typedef struct replica_incoming {
    crdt_actor actor;
    uint64_t used_at_ms;
    sync_staging staging;
} replica_incoming;

/* A reply that waits for the disk. */
typedef struct replica_deferred {
    uint64_t token;
    uint64_t id; /* on the shelf */
} replica_deferred;

/* Whether, and of which actor: in meta, since it outlives a restart. */
typedef struct replica_rescue {
    uint32_t peer; /* the link to who showed the other history; 0: none */
    uint64_t at_ms;
    uint32_t tries;
    uint32_t failures; /* questions in a row that brought no answer */
} replica_rescue;

typedef struct replica_heal {
    bool wanted;
    crdt_actor peer;
    uint64_t at_ms;
    uint32_t rounds; /* of comparing without having anything to write */
} replica_heal;

/* The refusal that was told last. */
typedef struct replica_refusal {
    bool told;
    uint64_t told_ms;
    crdt_actor actor;
    char text[160];
} replica_refusal;

struct sync_replica {
    sync_replica_options o; /* meta is not used after the open */
    crdt_alloc alloc;
    crdt_document *doc;
    crdt_deps *deps;      /* as the log would give them again */
    crdt_deps *live_deps; /* of batches seen live that are not in the log */
    uint64_t random;

    crdt_buf scene;
    uint8_t topic[SYNC_TOPIC_SIZE];
    sync_meta meta; /* its scene points to `scene` when effects are filled */
    bool meta_due;
    uint64_t confirmed_told; /* in the last meta */
    uint64_t confirmed_told_ms;
    bool leaving;
    crdt_buf urls[SYNC_URL_COUNT_MAX];
    size_t url_count;
    crdt_buf presence;
    uint64_t presence_number;  /* 0: none was ever given */
    uint64_t presence_at_ms;   /* when it is told next, beacons aside; or never */
    uint64_t presence_sent_ms; /* by whatever message */

    /* one step */
    uint64_t now_ms;
    uint64_t wall_ms;
    bool meta_changed;
    bool renew_actor;
    bool topic_changed;
    bool look; /* something happened that may set a timer or begin a request */
    sync_outbox out;
    crdt_arena arena;       /* the message at hand */
    crdt_arena batch_arena; /* the batch at hand */
    crdt_buf scratch;
    crdt_buf spent;  /* an answer that effects point to */
    crdt_span *pack; /* batches to publish in one message */
    size_t pack_count;
    size_t pack_capacity;
    size_t pack_size;

    /* durable before spoken of */
    sync_unsent unsent;
    uint64_t sequence; /* of the last append */
    uint64_t stored;
    crdt_version spoken;
    crdt_digest spoken_digest;
    bool spoken_stale; /* an entry of unsent was lost: copy when all is stored */
    bool unsent_waits; /* what is stored is not spoken of while a rescue is to come */
    uint64_t own_count;
    bool absolute_next;

    /* beacons */
    uint64_t beacon_at_ms;
    crdt_digest beacon_hash;     /* of the version last told */
    unsigned beacon_quiet;       /* beacons since that told the same */
    uint64_t beacon_sent_ms;     /* 0: none yet */
    uint64_t published_ms;       /* batches of mine, last time */
    crdt_version beacon_base[2]; /* [0]: the entries above it travel */
    uint32_t beacon_base_age;
    size_t known_next; /* whose URL is told next */

    sync_peers peers;
    sync_held held;
    uint64_t token; /* the last one */
    replica_ask ask;
    replica_push push;
    replica_incoming incoming[REPLICA_INCOMING_MAX];
    sync_shelf shelf;
    replica_deferred deferred[REPLICA_DEFERRED_MAX];
    size_t deferred_count;
    replica_rescue rescue;
    uint64_t remembered_used_ms[SYNC_REMEMBERED_COUNT_MAX]; /* of meta.remembered */
    uint64_t remembered_kept_ms;
    bool remembered_due; /* some time there is higher than in the last meta told */
    sync_start yours[SYNC_START_COUNT_MAX]; /* mine, as others remember them */
    size_t your_count;
    replica_heal heal;
    crdt_version answer_since; /* of the answer at hand */
    crdt_version answer_version;
    uint64_t swept_at_ms;
    uint64_t wake_at_ms; /* of the last look, beacons aside */
    replica_refusal refused;
    sync_replica_counts counts;
};

/* ---- replica.c ---- */

/* 64 random bits of the replica's own sequence; one in 0 .. bound - 1. */
uint64_t replica_random(sync_replica *replica);
uint64_t replica_random_below(sync_replica *replica, uint64_t bound);
/* Remember that something failed for want of memory. */
void replica_note_err(sync_replica *replica, crdt_err err);
/* The document was changed: by `batch`, or by an answer (NULL). */
void replica_tell_change(const sync_replica *replica, const crdt_batch *batch);
/* A message of this replica, its head filled. */
sync_message replica_message(const sync_replica *replica, sync_message_kind kind);
/* The bytes of `message` for this step; empty: no memory, or over the limit. */
crdt_span replica_encode(sync_replica *replica, const sync_message *message);
void replica_reply(sync_replica *replica, uint64_t token, const sync_message *message);
void replica_reply_refused(sync_replica *replica, uint64_t token, crdt_err err,
                           const char *text);
/* How long to wait for a reply of `peer`: a few of its former ones, more after failures. */
uint32_t replica_patience_ms(const sync_replica *replica, const sync_peer *peer,
                             const sync_message *message);
/* Ask `peer`; the token, 0 if it could not be. */
uint64_t replica_request(sync_replica *replica, const sync_peer *peer,
                         const sync_message *message);
/* The same, the bytes of `message` being there. */
uint64_t replica_request_bytes(sync_replica *replica, const sync_peer *peer,
                               const sync_message *message, crdt_span bytes);
/* Count and report foreign bytes that were refused. */
void replica_refuse(sync_replica *replica, const crdt_actor *actor, crdt_err err,
                    const char *text);
/* Queue a batch that the document has now: `bytes` live as long as the effects. */
void replica_append_batch(sync_replica *replica, const crdt_batch *batch,
                          crdt_span bytes, bool publish);
/* Queue an answer that was merged (answer_version is its version). */
void replica_append_answer(sync_replica *replica, crdt_span bytes);
/* Encode, note and queue a batch that was committed here. */
crdt_err replica_take_local(sync_replica *replica, const crdt_batch *batch);
/* Collect batches for publishing; flush makes messages of them. `bytes` live as long as
 * the effects. False: too large for a message. */
bool replica_pack(sync_replica *replica, crdt_span bytes);
void replica_pack_flush(sync_replica *replica);
/* Wake up at `at_ms` at the latest. */
void replica_wake(sync_replica *replica, uint64_t at_ms);
/* A version over borrowed stamps, for reading only. */
crdt_version replica_view(const crdt_stamp *stamps, size_t count);

/* ---- replica_live.c ---- */

/* BATCHES of `peer`. */
void replica_live_receive(sync_replica *replica, sync_peer *peer,
                          const sync_message *message);
/* Try again what was held back, after the version grew. */
void replica_live_retry(sync_replica *replica);
/* Drop what waited too long. */
void replica_live_expire(sync_replica *replica);

/* ---- replica_beacon.c ---- */

void replica_beacon_send(sync_replica *replica);
/* Whoever else writes as I did until now is told of my starts, as of anybody's. */
void replica_beacon_remember_me(sync_replica *replica);
/* It has published operations of its own up to `time` since the start it is heard under. */
void replica_beacon_heard_time(sync_replica *replica, const sync_peer *peer,
                               uint64_t time);
/* What is remembered of others goes to the store. */
void replica_beacon_keep_remembered(sync_replica *replica);
/* Send one within `ms`. */
void replica_beacon_soon(sync_replica *replica, uint32_t ms);
/* A HELLO that says goodbye, to whom the beacon does not reach. */
void replica_beacon_say_goodbye(sync_replica *replica);
/* A beacon was published by `peer`. */
void replica_beacon_receive(sync_replica *replica, sync_peer *peer,
                            const sync_message *message);
void replica_beacon_hello(sync_replica *replica, uint64_t token,
                          const sync_message *message);
void replica_beacon_welcome(sync_replica *replica, sync_peer *peer,
                            const sync_message *message);
/* The publication of `peer` was sent by `message`: it is who it is, and is heard. NULL:
 * it is this replica itself, or another link to one that is known: no more of it. */
sync_peer *replica_beacon_identify(sync_replica *replica, sync_peer *peer,
                                   const sync_message *message);
/* May batches and answers of that scene and lineage come in? */
bool replica_beacon_reachable(const sync_replica *replica, const sync_peer *peer);
sync_peer *replica_beacon_dial(sync_replica *replica, crdt_span url, bool configured,
                               crdt_err *err);
/* HELLOs that are due, peers that fell silent. */
void replica_beacon_look(sync_replica *replica);
/* The peer's digest may be ours now, or no longer. */
void replica_beacon_compare(sync_replica *replica, sync_peer *peer);
void replica_peer_failed(sync_replica *replica, sync_peer *peer);

/* `peer` was here, and is no longer. */
void replica_beacon_left(sync_replica *replica, sync_peer *peer);

/* ---- replica_lineage.c ---- */

/* A replica without a scene takes that of the peer that welcomes it. */
void replica_lineage_adopt_scene(sync_replica *replica, const sync_message *message);
/* May `peer` and this replica exchange anything? Takes over a lineage if there is none. */
bool replica_lineage_check(sync_replica *replica, sync_peer *peer,
                           const sync_message *message);
/* The scene begins here. Errors: CRDT_EINVAL: it has begun with another one. */
crdt_err replica_lineage_begin(sync_replica *replica, const crdt_actor *lineage);

/* ---- replica_presence.c ---- */

/* Tell `bytes` from now on. Errors: CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err replica_presence_set(sync_replica *replica, crdt_span bytes);
/* From now on the presence that the peer tells in the life that it is in counts, from its
 * first number on; what it tells in others does not. */
void replica_presence_follow(sync_peer *peer);
/* `peer` told this. What is older than what is known came by a slower way: a reply, a
 * HELLO. */
void replica_presence_note(sync_replica *replica, sync_peer *peer,
                           const sync_presence *presence);
/* The same, published between beacons. */
void replica_presence_receive(sync_replica *replica, sync_peer *peer,
                              const sync_presence *presence);
/* Tell it now, to who listens and to who cannot. */
void replica_presence_send(sync_replica *replica);

/* ---- replica_catchup.c ---- */

void replica_catchup_look(sync_replica *replica);
void replica_catchup_serve(sync_replica *replica, uint64_t token,
                           const sync_message *message);
void replica_catchup_fetch(sync_replica *replica, uint64_t token,
                           const sync_message *message);
void replica_catchup_take_push(sync_replica *replica, uint64_t token,
                               const sync_message *message);
void replica_catchup_stored(sync_replica *replica); /* deferred replies */
/* `message` NULL: the request failed. False: the token is not of a SYNC, FETCH, PUSH. */
bool replica_catchup_reply(sync_replica *replica, uint64_t token,
                           const sync_message *message);
void replica_catchup_stop(sync_replica *replica);

/* ---- replica_identity.c ---- */

/* Somebody else writes as this replica: ask for a fresh actor, rescue what is ours.
 * `witness` (may be NULL) showed it; `twin`: what that other one says of itself, NULL:
 * not known. */
void replica_identity_trip(sync_replica *replica, const sync_peer *witness,
                           const sync_beacon *twin, const char *text);
void replica_identity_fresh(sync_replica *replica, const crdt_actor *actor);
/* Equal versions, unequal digests with `peer`. */
void replica_identity_diverged(sync_replica *replica, sync_peer *peer);
/* A full answer of `peer` for the purpose HEAL or RESCUE is here. */
void replica_identity_compare(sync_replica *replica, sync_peer *peer,
                              replica_purpose purpose, crdt_span answer);

#endif /* SYNC_REPLICA_IMPL_H */
