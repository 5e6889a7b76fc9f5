#ifndef SYNC_LINK_H
#define SYNC_LINK_H

/* The transport as a table of operations: publish to whoever subscribes, ask one peer,
 * answer one who asks. link_nng.h makes one out of nng; tests may bring their own.
 *
 * A URL names the socket that answers requests; publications go out beside it:
 *
 *   inproc://NAME             publishes at inproc://NAME/pub
 *   tcp://HOST:PORT           publishes at port PORT + 1
 *   tls+tcp://HOST:PORT       publishes at port PORT + 1; both sides show certificates
 *
 * What is published may be lost, late for a new subscriber, but comes in order from one
 * peer and at most once. A request is answered once or fails after its time. Nothing
 * here waits for a peer: operations queue or fail at once.
 *
 * Threads: one thread calls the operations; whatever runs behind them wakes it by `fd`.
 */

#include "crdt/buf.h"

#define SYNC_LINK_URL_SIZE 256 /* bytes of a URL, with its terminator */
/* Requests that may wait for one peer's reply: chunks that are fetched and handed over, a
 * HELLO, and those whose end was told and not looked at yet. */
#define SYNC_LINK_REQUESTS_PER_PEER 12

typedef enum sync_link_event_kind {
    SYNC_LINK_PUBLISHED, /* `peer` published `bytes` */
    SYNC_LINK_REQUEST,   /* somebody asks `bytes`; answer with `token` */
    SYNC_LINK_REPLY,     /* the answer to the request `token` of `peer` */
    SYNC_LINK_FAILED,    /* the request `token` of `peer` has no answer: `err` */
    SYNC_LINK_UP,        /* `peer` is connected, both sockets */
    SYNC_LINK_DOWN,      /* `peer` is no longer */
} sync_link_event_kind;

typedef struct sync_link_event {
    sync_link_event_kind kind;
    uint32_t peer;   /* as given to dial; unspecified for REQUEST */
    uint64_t token;  /* REQUEST: the link's; REPLY, FAILED: the caller's */
    crdt_err err;    /* FAILED: CRDT_ETIMEOUT, CRDT_EREFUSED, CRDT_ECLOSED */
    crdt_span bytes; /* borrowed until the next receive */
} sync_link_event;

typedef struct sync_link_counts {
    uint64_t published;      /* messages handed to publish */
    uint64_t published_size; /* their bytes */
    uint64_t received;       /* publications received */
    uint64_t received_size;
    uint64_t requested; /* requests sent */
    uint64_t answered;  /* requests received and answered */
    uint64_t dropped;   /* lost on purpose (fault_drop) */
    uint64_t refused;   /* connections refused: too many */
    uint64_t unsealed;  /* messages that did not open: a foreign key, or forged */
    bool stuck; /* connections are not given back any more: only a new process helps */
} sync_link_counts;

/* Why does a peer not get through? `peer` 0: somebody who came to us was refused. */
typedef void (*sync_link_tell)(void *ctx, uint32_t peer, const char *reason);

typedef struct sync_link sync_link;

typedef struct sync_link_ops {
    crdt_err (*listen)(sync_link *link, const char *url, char bound[SYNC_LINK_URL_SIZE],
                       crdt_diag *diag);
    crdt_err (*subscribe)(sync_link *link, crdt_span topic);
    crdt_err (*dial)(sync_link *link, uint32_t peer, const char *url, crdt_diag *diag);
    void (*undial)(sync_link *link, uint32_t peer);
    void (*redial)(sync_link *link, uint32_t peer); /* may be NULL */
    crdt_err (*publish)(sync_link *link, crdt_span bytes);
    crdt_err (*request)(sync_link *link, uint32_t peer, crdt_span bytes, uint64_t token,
                        uint32_t timeout_ms);
    crdt_err (*reply)(sync_link *link, uint64_t token, crdt_span bytes);
    bool (*receive)(sync_link *link, sync_link_event *event);
    int (*fd)(const sync_link *link);
    sync_link_counts (*count)(sync_link *link);
    void (*look)(sync_link *link, sync_link_tell tell, void *ctx);
    void (*close)(sync_link *link);
} sync_link_ops;

/* The head of every link; an implementation puts it first in its own struct. */
struct sync_link {
    const sync_link_ops *ops;
};

/* Answer requests at `url` and publish beside it. Port 0: any free pair of ports.
 * `bound` is the URL that others dial. May be called for several URLs. Errors:
 * CRDT_EINVAL: no such URL. CRDT_EEXIST: in use. CRDT_ELIMIT: too many. CRDT_EIO;
 * CRDT_ENOMEM. */
crdt_err sync_link_listen(sync_link *link, const char *url,
                          char bound[SYNC_LINK_URL_SIZE], crdt_diag *diag);
/* Receive what is published with this prefix. Nothing is received before.
 * Errors: CRDT_ENOMEM. */
crdt_err sync_link_subscribe(sync_link *link, crdt_span topic);
/* Connect to the peer at `url`, known as `peer` (the caller's number) from now on:
 * again and again until it is there, and whenever it is lost. Errors: CRDT_EINVAL;
 * CRDT_EEXIST: `peer` is in use; CRDT_ELIMIT; CRDT_ENOMEM. */
crdt_err sync_link_dial(sync_link *link, uint32_t peer, const char *url,
                        crdt_diag *diag);
/* Let go of `peer`; its requests fail with CRDT_ECLOSED. Unknown peers are ignored. */
void sync_link_undial(sync_link *link, uint32_t peer);
/* Give up the connections to `peer`, or those that are being made, and make new ones at
 * once: for a peer that is connected and silent. A way that broke without a word (an address
 * that moved, a NAT that forgot us) is noticed by the kernel after a quarter of an hour, and
 * one that was cut for long is tried again after as long a pause. What was
 * asked and not answered yet fails, with its time. Unknown peers are ignored; without memory all stays as it was. */
void sync_link_redial(sync_link *link, uint32_t peer);
/* Errors: CRDT_ELIMIT: over the message size. CRDT_ENOMEM. */
crdt_err sync_link_publish(sync_link *link, crdt_span bytes);
/* Ask `peer`. Exactly one REPLY or FAILED with `token` follows, unless an error is
 * returned. Errors: CRDT_ENOTFOUND: no such peer. CRDT_EBUSY: too many wait already.
 * CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err sync_link_request(sync_link *link, uint32_t peer, crdt_span bytes,
                           uint64_t token, uint32_t timeout_ms);
/* Answer the request `token`. Every request must be answered: an empty answer lets the
 * asker's time run out. Errors: CRDT_ENOTFOUND: no such request (any more).
 * CRDT_ELIMIT, CRDT_ENOMEM: nothing was sent, the request is let go. */
crdt_err sync_link_reply(sync_link *link, uint64_t token, crdt_span bytes);
/* The next event, false if there is none now. */
bool sync_link_receive(sync_link *link, sync_link_event *event);
/* Readable (poll) while events may wait. */
int sync_link_fd(const sync_link *link);
sync_link_counts sync_link_count(sync_link *link);
/* Tell of each dialed peer that does not get through why that is, as far as it is known,
 * and whether somebody was refused here since the last look. Costs some 100 us: for now
 * and then. `reason` is a sentence without its subject, borrowed for the call. */
void sync_link_look(sync_link *link, sync_link_tell tell, void *ctx);
/* Accepts NULL. Returns within about two seconds whatever the peers do. */
void sync_link_close(sync_link *link);

/* The URL where the node at `url` publishes. Errors: CRDT_EINVAL. Port 0 stays 0. */
crdt_err sync_link_publish_url(const char *url, char out[SYNC_LINK_URL_SIZE],
                               crdt_diag *diag);

#endif /* SYNC_LINK_H */
