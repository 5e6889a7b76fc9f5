#ifndef SYNC_MESSAGE_H
#define SYNC_MESSAGE_H

/* What replicas say to each other, and its bytes (docs/PROTOCOL.md, "Messages").
 *
 * A message is a head and a body. The head begins with the topic, so that a transport
 * can filter publications by scene:
 *
 *      "SSN" version(1)  scene hash(8)  │ kind  actor  nonce │ body
 *      ╰──────── topic, 12 bytes ─────╯   ╰──── msgpack tokens ────╯
 *
 * Decoded messages borrow from the bytes and the arena they were decoded with. */

#include "crdt/document.h"
#include "sync/meta.h"

#define SYNC_MESSAGE_VERSION 3u
#define SYNC_TOPIC_SIZE 12u
#define SYNC_URL_SIZE_MAX 255u
#define SYNC_SCENE_SIZE_MAX 255u
#define SYNC_URL_COUNT_MAX 8u      /* own URLs in a beacon */
#define SYNC_HEARD_COUNT_MAX 4096u /* actors heard in a beacon */
#define SYNC_KNOWN_COUNT_MAX 64u   /* URLs of others in a beacon */

typedef enum sync_message_kind {
    /* published */
    SYNC_MESSAGE_BEACON = 1,
    SYNC_MESSAGE_BATCHES = 2,
    SYNC_MESSAGE_PRESENCE = 3, /* between beacons */
    /* requests */
    SYNC_MESSAGE_HELLO = 16, /* body of a beacon; the reply is WELCOME */
    SYNC_MESSAGE_SYNC = 17,  /* replies: ANSWER, BUSY */
    SYNC_MESSAGE_FETCH = 18, /* replies: CHUNK, GONE */
    SYNC_MESSAGE_PUSH = 19,  /* replies: TAKEN, BUSY */
    /* replies; REFUSED answers anything */
    SYNC_MESSAGE_WELCOME = 32, /* body of a beacon */
    SYNC_MESSAGE_ANSWER = 33,
    SYNC_MESSAGE_CHUNK = 34,
    SYNC_MESSAGE_GONE = 35,
    SYNC_MESSAGE_TAKEN = 36,
    SYNC_MESSAGE_BUSY = 37,
    SYNC_MESSAGE_REFUSED = 38,
} sync_message_kind;

/* Where another replica can be dialled. */
typedef struct sync_known {
    crdt_actor actor;
    crdt_span url;
} sync_known;

/* PRESENCE, and a part of beacons: what the sender tells of the people there. */
typedef struct sync_presence {
    uint64_t number; /* grows with each change since the sender's start; 0: nothing is
                      * told, neither that there is something nor that there is not */
    crdt_span bytes;
} sync_presence;

/* BEACON, HELLO, WELCOME: who I am, what I have, whom I hear. */
typedef struct sync_beacon {
    crdt_span scene; /* empty: none yet */
    bool lineage_known;
    crdt_actor lineage;
    bool leaving;
    bool whole;                /* `entries` is the whole version, else what changed */
    crdt_digest version_hash;  /* crdt_digest_version of the whole version */
    crdt_digest digest;        /* of the state at that version */
    const crdt_stamp *entries; /* sorted by actor */
    size_t entry_count;
    const crdt_actor *heard; /* whose publications I receive from themselves */
    size_t heard_count;
    const sync_start *starts; /* of my actor; at most SYNC_START_COUNT_MAX */
    size_t start_count;
    const sync_start *yours; /* HELLO, WELCOME: the receiver's, as heard before, */
    size_t your_count;       /* when it wrote as `your_actor` */
    crdt_actor your_actor;   /* these two travel if your_count is not 0 */
    uint64_t your_time;      /* of that actor's last operation then */
    const crdt_span *urls;   /* my own */
    size_t url_count;
    const sync_known *known; /* some of those heard */
    size_t known_count;
    uint64_t message_size_max; /* the sender takes no longer ones */
    sync_presence presence;
} sync_beacon;

/* BATCHES: encoded batches, oldest first (crdt/batch.h). */
typedef struct sync_batches {
    const crdt_span *batches;
    size_t batch_count;
} sync_batches;

/* SYNC: answer me for `since`. */
typedef struct sync_ask {
    bool full; /* a full answer, whatever `since` is */
    bool lineage_known;
    crdt_actor lineage;
    const crdt_stamp *since; /* sorted by actor */
    size_t since_count;
} sync_ask;

/* FETCH: chunk `index` of the answer `id`. CHUNK: here it is. GONE: only `id`. */
typedef struct sync_chunk {
    uint64_t id;
    uint64_t index;
    crdt_span bytes; /* CHUNK */
} sync_chunk;

/* ANSWER: an encoded answer in chunks of `chunk_size` bytes (the last one shorter); its
 * first chunk comes along. PUSH: the same for the chunk `index`. */
typedef struct sync_parcel {
    uint64_t id; /* the sender's; names these bytes and no others */
    uint64_t size;
    uint64_t chunk_size;
    crdt_digest hash; /* crdt_hash128 of the whole */
    uint64_t index;   /* ANSWER: 0 */
    bool lineage_known;
    crdt_actor lineage;
    crdt_span bytes;
} sync_parcel;

/* TAKEN: the chunk of a PUSH is here. */
typedef struct sync_taken {
    uint64_t id;
    bool complete; /* it was the last one, and the answer was merged or was no news */
} sync_taken;

typedef struct sync_message {
    sync_message_kind kind;
    uint8_t topic[SYNC_TOPIC_SIZE];
    crdt_actor actor; /* who speaks */
    uint64_t nonce;   /* of its start */
    union {
        sync_beacon beacon;     /* BEACON, HELLO, WELCOME */
        sync_batches batches;   /* BATCHES */
        sync_presence presence; /* PRESENCE */
        sync_ask ask;           /* SYNC */
        sync_chunk chunk;       /* FETCH, CHUNK, GONE */
        sync_parcel parcel;     /* ANSWER, PUSH */
        sync_taken taken;       /* TAKEN */
        uint64_t retry_ms;      /* BUSY */
        struct {
            crdt_err err;
            crdt_span text;
        } refused; /* REFUSED */
    } body;
} sync_message;

/* The topic of a scene; with an empty name that of a replica which has none yet. */
void sync_message_topic(crdt_span scene, uint8_t topic[SYNC_TOPIC_SIZE]);

/* Append the bytes of `message` to `out`. Errors: CRDT_ENOMEM; `out` as before. */
crdt_err sync_message_encode(const sync_message *message, crdt_buf *out);

/* Decode foreign bytes. Checks everything: counts against the bytes left before
 * anything is allocated, order of versions, times <= CRDT_TIME_MAX, UTF-8 of names and
 * URLs. Errors: CRDT_ECORRUPT, CRDT_EVERSION, CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err sync_message_decode(crdt_span bytes, crdt_arena *arena, sync_message *message,
                             crdt_diag *diag);

/* An upper bound of the bytes that everything around `bytes` takes in a PUSH, ANSWER or
 * CHUNK message, and around one batch in a BATCHES message. */
#define SYNC_MESSAGE_OVERHEAD 256u

#endif /* SYNC_MESSAGE_H */
