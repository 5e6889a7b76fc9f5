#ifndef SYNC_NODE_H
#define SYNC_NODE_H

/* A node: one scene's replica, its store and its links, run by a thread of its own.
 *
 * Whatever wants to read or edit hands the node a function; the node runs it on the
 * document in its thread, makes one batch of what it asks for, has the store make it
 * durable, and only then says so, and publishes it. Without listen and peer URLs it is
 * plain access to a store: no socket, no network thread.
 *
 *      open ── edit ─┐                     ┌── watch, on_event
 *        │     read ─┼─▶ thread: document ─┤
 *        │   import ─┘   replica  store    └── batches to peers
 *      close            (group commit: some 2 ms of edits, one sync)
 *
 * Errors of the disk: the node writes no more, says so (SYNC_EVENT_POISONED), and every
 * edit from then on fails with CRDT_EIO; reading goes on. A program should exit
 * non-zero. Killed at any moment, a store opens again with every acknowledged edit.
 *
 * Threads: every function may be called from any thread. Functions handed in run in the
 * node's thread: they may call sync_node_history, and nothing else of the node. */

#include "crdt/history.h"
#include "crdt/op_list.h"
#include "sync/traffic.h"
#include "sync/watch.h"

typedef struct sync_node sync_node;

/* ---- what happens ---- */

#define SYNC_NODE_REFUSED_A_SECOND 10u

typedef enum sync_event_kind {
    SYNC_EVENT_OPENED, /* the store is read; `text` says what recovery dropped, if so */
    SYNC_EVENT_LISTENING, /* `url`: as others dial it */
    SYNC_EVENT_JOINED,    /* the replica `actor` at `url` is there */
    SYNC_EVENT_LEFT,      /* it said goodbye, or was silent too long */
    SYNC_EVENT_SYNCED,    /* my version and digest now equal those of `actor` */
    SYNC_EVENT_CONFLICT,  /* `conflict`: concurrent writes met */
    SYNC_EVENT_FORK,      /* two histories under one actor were found; healing */
    SYNC_EVENT_FRESH, /* this store was copied or restored: it writes as `actor` now */
    SYNC_EVENT_REFUSED, /* foreign bytes, or a peer of another lineage, were refused; at
                         * most SYNC_NODE_REFUSED_A_SECOND are told, status counts all */
    SYNC_EVENT_ALARM,   /* equal versions, unequal digests; dependencies nobody has; ...
                         */
    SYNC_EVENT_POISONED,  /* the disk failed: no more writing */
    SYNC_EVENT_ADOPTED,   /* scene or lineage was taken from `actor` */
    SYNC_EVENT_REWRITTEN, /* `key`, `value`: was only held here, is written again */
    SYNC_EVENT_LOST,      /* `key`, `value`: an edit that does not show after healing */
    SYNC_EVENT_PRESENCE,  /* `value`: what `actor` tells of the people there, whole; it
                           * holds until the next one, and ends with LEFT */
    SYNC_EVENT_STRANGER,  /* `actor`, alive, edits a scene of this name that began with
                           * another template, `lineage`; told again every 10 s */
    SYNC_EVENT_UNREACHABLE, /* `url`: a peer that was asked for is not there, `text`:
                             * why; told again ever more seldom while it lasts */
    SYNC_EVENT_STUCK, /* the transport hangs (sync_link_counts.stuck), told once: who is
                       * connected stays so, nobody else comes; only a new process helps */
} sync_event_kind;

typedef struct sync_event {
    sync_event_kind kind;
    uint64_t wall_ms;
    crdt_actor actor;              /* whom it is about; all zero: nobody */
    const char *url;               /* or "" */
    const char *text;              /* one sentence, or "" */
    const crdt_conflict *conflict; /* CONFLICT, else NULL */
    const crdt_key *key;           /* REWRITTEN, LOST, perhaps FORK; else NULL */
    crdt_span value;               /* with `key`; PRESENCE: all of it */
    crdt_actor lineage;            /* STRANGER, else all zero */
} sync_event;

/* The event's name in lower case ("joined"), for people and JSON. */
const char *sync_event_name(sync_event_kind kind);

/* ---- opening ---- */

/* PEM files; all three or none. See sync/link_nng.h. */
typedef struct sync_node_tls {
    const char *cert_file;
    const char *key_file;
    const char *ca_file;
    const char *peer_name; /* NULL: the host in the URL */
} sync_node_tls;

typedef struct sync_node_options {
    crdt_alloc alloc;      /* used from several threads at once */
    const char *store_dir; /* NULL: in memory, forgotten at close */
    const char
        *scene;      /* name given to a new store; NULL: "scene", or the first heard */
    bool must_exist; /* do not make a missing store: CRDT_ENOTFOUND */
    bool read_only;  /* nothing is written; works beside a node that is running */
    const char *who; /* the person, where an edit names none; may be NULL */

    /* A URL at every address (tcp://0.0.0.0:PORT) is not told to others: nobody dials back,
     * those who have dialled it tell others how. */
    const char *const *listen_urls;
    size_t listen_count;
    const char *const *peer_urls;
    size_t peer_count;
    bool discover; /* find replicas through others' beacons; default true */
    sync_node_tls tls;
    /* NULL, or the scene's key: 32 bytes, copied. All that is sent is sealed with it; who
     * has not the same key is not heard and hears nothing (sync/link_sealed.h). May be
     * used together with TLS. */
    const uint8_t *key;
    size_t message_size_max; /* bytes on the wire; default 1 MiB */
    double fault_drop;       /* TEST AID: lose this share of all messages */
    uint64_t fault_seed;

    uint32_t group_ms; /* a group is synced this long after its first edit: 2; later, at
                        * most 20, where the disk is slow and more edits wait */
    uint64_t history_size_max; /* bytes of the history ring; default 16 MiB */

    /* Told what happens, in the node's thread: be quick, call nothing of the node. All
     * that `event` points to is borrowed. May be NULL. */
    void (*on_event)(void *ctx, const sync_event *event);
    void *event_ctx;
} sync_node_options;

sync_node_options sync_node_options_default(void);

/* Open or make the store, start the thread, listen and dial. Returns when edits are
 * possible; being joined by peers comes later (on_event).
 * Errors: CRDT_EBUSY: the store is held by another process (ask that one).
 * CRDT_ENOTFOUND (must_exist). CRDT_ECORRUPT, CRDT_EVERSION: a store that cannot be
 * used. CRDT_EINVAL, CRDT_EEXIST: a URL, the TLS files. CRDT_EIO, CRDT_ENOMEM. */
crdt_err sync_node_open(sync_node **out, const sync_node_options *options,
                        crdt_diag *diag);
/* Say goodbye to the peers, make everything durable, stop. Accepts NULL. Bounded: a few
 * seconds whatever the peers do. Watches end; edits still waiting are finished first.
 * Errors: CRDT_EIO: the store is poisoned; what was acknowledged is safe. */
crdt_err sync_node_close(sync_node *node);

/* ---- editing ---- */

/* Fill `ops` with what shall be done, given the document (read only) as it is. An error
 * returned ends the edit without a trace and is what the caller gets. */
typedef crdt_err (*sync_edit_fn)(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                                 crdt_diag *diag);

typedef struct sync_edit {
    sync_edit_fn fn;
    void *ctx;
    crdt_span who;          /* empty: the node's */
    crdt_origin origin;     /* CRDT_ORIGIN_EDIT, _UNDO, _REDO, _HOUSEKEEPING, ... */
    crdt_stamp target;      /* UNDO, REDO: first stamp of the transaction meant */
    crdt_span step;         /* crdt_history_note.step; `fn` may set it, as the target */
    const crdt_stamp *seen; /* NULL, or what the author last saw (crdt_edit.seen) */
    bool sweep;             /* crdt_edit.sweep: REMOVE also of what is gone already */
} sync_edit;

/* What became of an edit: the stamps of its first and last operation, and how many. */
typedef struct sync_edit_result {
    crdt_err err;
    crdt_stamp first;
    crdt_stamp last;
    size_t op_count;
    crdt_diag diag;
} sync_edit_result;

/* Run, commit as one batch, and wait until it is on disk. Edits of several threads that
 * come together share one sync.
 * Errors (also in result->err; `result` may be NULL): CRDT_ENOTHING: no operation says
 * anything. What `fn` returned. CRDT_EINVAL, CRDT_ELIMIT: names, values, the step. CRDT_EIO:
 * poisoned, or the sync failed: it may or may not be there after a restart.
 * CRDT_EREFUSED: read only. CRDT_ECLOSED; CRDT_ENOMEM. */
crdt_err sync_node_edit(sync_node *node, const sync_edit *edit,
                        sync_edit_result *result);

/* The same without waiting: `done` is called once, in the node's thread, when the batch
 * is durable or has failed. Whatever `edit` points to must live until then. Errors:
 * CRDT_ECLOSED, CRDT_ENOMEM: `done` is not called. CRDT_EBUSY: 4096 edits wait. */
crdt_err sync_node_edit_start(sync_node *node, const sync_edit *edit,
                              void (*done)(void *ctx, const sync_edit_result *result),
                              void *done_ctx);

/* Take a template (crdt/template.h) as the scene's beginning; sets the lineage. Edits that
 * wait for a beginning follow it. A lineage that was adopted from a peer is given up for
 * it if nothing of that scene has come and nobody who has it is heard any more.
 * Errors: as edit; CRDT_EEXIST: the store has a lineage or state already. */
crdt_err sync_node_import(sync_node *node, const crdt_batch *template_batch,
                          crdt_span who, crdt_diag *diag);

/* Clear what conflicts left behind (crdt_document_housekeep); `shown` NULL: all.
 * Errors: as edit; CRDT_ENOTHING. */
crdt_err sync_node_housekeep(sync_node *node, const crdt_version *shown,
                             sync_edit_result *result);

/* ---- reading ---- */

/* Run `fn` on the document in the node's thread, and return what it returned.
 * Errors: CRDT_ECLOSED; CRDT_ENOMEM. */
typedef crdt_err (*sync_read_fn)(void *ctx, const crdt_document *doc);
crdt_err sync_node_read(sync_node *node, sync_read_fn fn, void *ctx);

/* Step through the history records (crdt/history.h), newest first, until `visit` says
 * false. Also from within a function that the node runs. `*complete` (may be NULL):
 * does the ring still reach back to the beginning? Errors: CRDT_EIO, CRDT_ECORRUPT,
 * CRDT_ECLOSED, CRDT_ENOMEM. */
crdt_err sync_node_history(sync_node *node, bool (*visit)(void *ctx, crdt_span record),
                           void *ctx, bool *complete);

/* Follow changes from now on: a queue of history records, one a batch or answer
 * applied, in the order of application; see sync/watch.h. `change_max` 0: 4096. Close
 * the watch with sync_watch_close, before or after the node. Errors: CRDT_ELIMIT: 64
 * watches are open; CRDT_ECLOSED; CRDT_EIO; CRDT_ENOMEM. */
crdt_err sync_node_watch(sync_node *node, size_t change_max, sync_watch **out);

/* Run `fn` once in the node's thread with the document itself, so that it can attach or
 * detach listeners (crdt_document_listen allows 8, the node has 2 of them). It may read,
 * and must change nothing. A listener attached so is told of every change from then on:
 * edits, batches of others, answers; not of what was read from the store at the open. It
 * runs in the node's thread, and must be detached, or live, until the node is closed.
 * Returns what `fn` returned. Errors: CRDT_ECLOSED. */
typedef crdt_err (*sync_attach_fn)(void *ctx, crdt_document *doc);
crdt_err sync_node_attach(sync_node *node, sync_attach_fn fn, void *ctx);

#define SYNC_NODE_NAME_SIZE 256 /* bytes of a scene's name or URL, with terminator */

typedef struct sync_node_peer {
    uint32_t
        number; /* of our link to it, as long as the node runs; 0: we do not dial it */
    char url[SYNC_NODE_NAME_SIZE];
    crdt_actor actor; /* all zero: not heard yet */
    bool connected;
    bool heard;         /* a beacon came within three periods */
    bool version_equal; /* as of its last beacon */
    bool digest_equal;
    uint64_t heard_ms_ago; /* since its last beacon; UINT64_MAX: never */
    uint64_t lag;          /* operations' times it has and I lack; 0: none known */
    crdt_version version;  /* the least it has, as far as it is known */
    sync_traffic_counts traffic; /* all zero: we do not dial it */
    char trouble[160];           /* why a peer that was given is not there, else "" */
} sync_node_peer;

/* Since the node was opened, but for what says `now`. */
typedef struct sync_node_counts {
    uint64_t edits;       /* batches made here */
    uint64_t batches_out; /* published, own and others' */
    uint64_t batches_in;  /* of others, applied */
    uint64_t duplicates;  /* of others, known already */
    uint64_t answers_in;  /* catch-up answers merged */
    uint64_t answers_out; /* made for others */
    uint64_t commits;     /* syncs of the store */
    uint64_t forks;
    uint64_t diverged;           /* times that equal versions had unequal digests */
    uint64_t tasks_now;          /* edits and reads that wait for the node */
    sync_traffic_counts traffic; /* of all links */
} sync_node_counts;

typedef struct sync_node_status {
    crdt_alloc alloc;
    char scene[SYNC_NODE_NAME_SIZE];
    bool lineage_known;
    crdt_actor lineage; /* pseudo-actor of the template */
    crdt_actor actor;   /* as whom this store writes */
    crdt_version version;
    crdt_digest digest;
    crdt_document_counts counts;
    uint64_t bytes;     /* of the store on disk */
    bool poisoned;      /* the disk failed: no more writing */
    uint64_t held_back; /* batches that wait for what they depend on */
    uint64_t lag;       /* greatest lag of any peer heard */
    uint64_t refused;   /* foreign messages refused since start */
    sync_node_counts since;
    char (*urls)[SYNC_NODE_NAME_SIZE]; /* own, as others dial them */
    size_t url_count;
    sync_node_peer *peers;
    size_t peer_count;
} sync_node_status;

/* A consistent look at everything. Free with sync_node_status_deinit.
 * Errors: CRDT_ECLOSED; CRDT_ENOMEM: nothing to free. */
crdt_err sync_node_status_get(sync_node *node, sync_node_status *status);
void sync_node_status_deinit(sync_node_status *status);

/* Check all that is durable, as sync_store_verify does, in the node's thread: nothing else
 * is done meanwhile. `report` (sync/store.h) may be NULL. Errors: CRDT_ECORRUPT with the
 * record and the reason; CRDT_EIO, CRDT_ECLOSED, CRDT_ENOMEM. */
struct sync_store_report;
crdt_err sync_node_verify(sync_node *node, struct sync_store_report *report,
                          crdt_diag *diag);

/* ---- the people here ---- */

#define SYNC_NODE_PRESENCE_SIZE_MAX 16384 /* bytes; a quarter of a message, if less */

/* Tell the peers `bytes` of the people here, until the next call: at once after a quiet
 * time, at most every 100 ms, then again now and then; newcomers are told with the first
 * beacon. What it means is not looked at. Empty: nothing to tell (any more). The bytes
 * are copied, nothing is waited for; also from within what the node runs.
 * Errors: CRDT_ELIMIT: too long. CRDT_ECLOSED; CRDT_ENOMEM. */
crdt_err sync_node_presence(sync_node *node, crdt_span bytes);

/* ---- once ---- */

/* Ask the peers given at the open whether this scene is being edited, and wait until it
 * is here: its lineage, and all that they had when they were first heard. For a node
 * without lineage, before it imports a template; where the lineage is known already it
 * waits likewise until all is here that the peers had.
 * Errors: CRDT_ENOTFOUND: all peers answered, and none of them has the scene; or there are
 * no peers to ask. CRDT_ETIMEOUT: not all of them answered, and none of those that did has
 * it; or it did not all come; `diag` tells. CRDT_ELINEAGE: peers edit another lineage, and
 * none edits this one (STRANGER tells which).
 * CRDT_EIO, CRDT_ECLOSED, CRDT_ENOMEM. */
crdt_err sync_node_ask(sync_node *node, uint32_t timeout_ms, crdt_diag *diag);

/* Catch up with the node at `peer_url`, both ways, until versions and digests are equal
 * and all is durable here. The node must have been opened without peers; it need not
 * listen.
 * Errors: CRDT_ETIMEOUT, with the last reason in `diag`; CRDT_ELINEAGE: another
 * lineage; CRDT_EINVAL: the URL; CRDT_EIO, CRDT_ECLOSED, CRDT_ENOMEM. */
crdt_err sync_node_sync_once(sync_node *node, const char *peer_url, uint32_t timeout_ms,
                             crdt_diag *diag);

#endif /* SYNC_NODE_H */
