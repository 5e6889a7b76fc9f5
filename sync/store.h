#ifndef SYNC_STORE_H
#define SYNC_STORE_H

/* The durable store of one replica: what it acknowledged survives kill -9 and power
 * loss.
 *
 *   log          batches (own and others') and merged answers, in the order applied here
 *   checkpoint   the whole document at one moment; older log records are deleted
 *   history      a bounded ring of history records (crdt/history.h), for log and undo
 *   settings     small keyed values: scene, lineage, format, ...
 *   actor        who this store writes as (sync/identity.h)
 *
 * A store is a table of operations, so that a simulated one replaces it:
 * store_lmdb.c keeps a folder, store_mem.c (sync/store_mem.h) keeps memory.
 *
 * Group commit: sync_store_append and sync_store_set queue; sync_store_commit makes all
 * that is queued durable in one transaction with one sync. Only then may it be spoken
 * of.
 *
 * Errors of writing are final: the store is poisoned, nothing is tried again (after a
 * failed sync nobody knows what is on the disk), every later append, set, commit
 * returns the same error; reading goes on. What was acknowledged stays and is there at
 * the next open.
 *
 * The document and the deps table given to open are borrowed until close: commit
 * records the document's version and digest, checkpoints are made of it. So whenever
 * commit or maintain is called, what was appended since open and what the document
 * holds must be the same.
 *
 * Threads: no locking, one thread at a time. */

#include "crdt/document.h"

#include <stdbool.h>
#include <stdint.h>

#define SYNC_STORE_FORMAT 3                   /* of the folder's content */
#define SYNC_STORE_RECORD_SIZE_MAX (1u << 30) /* bytes of one record */
#define SYNC_STORE_AUTHOR_MAX                                                          \
    4096u                              /* rows to open the deps table with: with
                                                * fewer a replay may miss a base */
#define SYNC_STORE_SETTING_KEY_MAX 64u /* bytes of a setting's name */
#define SYNC_STORE_SETTING_SIZE_MAX (64u << 10) /* bytes of one setting */
#define SYNC_STORE_SETTING_COUNT_MAX 256u

/* Names of settings that every layer agrees on. Others may be added freely. */
#define SYNC_SETTING_SCENE "scene"     /* the scene's name, UTF-8 */
#define SYNC_SETTING_LINEAGE "lineage" /* 16 bytes: the template's pseudo-actor */
#define SYNC_SETTING_FORMAT "format"   /* what was imported: "state", "builder", ... */

typedef enum sync_record_kind {
    SYNC_RECORD_BATCH = 1,   /* crdt_batch_encode's bytes, as applied */
    SYNC_RECORD_ANSWER = 2,  /* a merged answer's bytes */
    SYNC_RECORD_HISTORY = 3, /* crdt_history's bytes; goes to the ring */
} sync_record_kind;

/* Why this store writes as the actor it does. */
typedef enum sync_actor_origin {
    SYNC_ACTOR_NEW,      /* the store was created */
    SYNC_ACTOR_KEPT,     /* provably the very store that went on writing */
    SYNC_ACTOR_COPIED,   /* fresh: this file is not known on this machine */
    SYNC_ACTOR_RESTORED, /* fresh: the file is known, but its content is an older one */
    SYNC_ACTOR_UNPROVEN, /* fresh: the state folder cannot be used, so nothing is proven
                          */
    SYNC_ACTOR_NONE,     /* opened to read only: writes as nobody */
} sync_actor_origin;

/* What open found. `text` says it in one line for people. */
typedef struct sync_store_report {
    bool created;
    bool unclean;   /* the last run did not close the store */
    bool read_only; /* asked for, or the disk takes no writes */
    sync_actor_origin origin;
    uint64_t checkpoint_size; /* bytes, 0: none */
    uint64_t batch_count;     /* log records replayed after the checkpoint */
    uint64_t answer_count;
    uint64_t duplicate_count; /* of these, such as were covered already */
    uint64_t history_count;
    uint64_t dropped_size; /* bytes of groups that were being written when a run ended:
                            * never acknowledged, not replayed */
    char text[256];
} sync_store_report;

typedef struct sync_store_stats {
    uint64_t file_size;       /* bytes on disk */
    uint64_t live_size;       /* bytes of it in use */
    uint64_t log_size;        /* bytes of records since the checkpoint */
    uint64_t checkpoint_size; /* bytes */
    uint64_t history_size;    /* bytes */
    uint64_t commit_count;    /* since open */
} sync_store_stats;

typedef struct sync_store_options {
    crdt_alloc alloc;
    size_t queue_size_max; /* bytes queued between commits; default 64 MiB */
    size_t
        history_size_max;   /* bytes of the ring; default 16 MiB; the journal may hold a
                              * quarter more */
    size_t journal_size;    /* bytes of a half of the journal; default 1 MiB, 0: none */
    uint64_t journal_after; /* commits of this run that go to the tables before there is
                              * a journal, so that a short run has none; default 16 */
    size_t checkpoint_size_min; /* a checkpoint is made when the log since the last one
                              * exceeds this and twice the last one's size; default 1 MiB */
    const char
        *state_dir; /* NULL: $SCENESYNC_STATE_DIR, else $XDG_STATE_HOME/scenesync,
                     * else ~/.local/state/scenesync */
    bool create;    /* make a missing store; default true */
    bool read_only; /* change nothing, take no actor; default false */
    /* Fill with random bytes, false if that fails. NULL: getrandom. */
    bool (*random)(void *ctx, void *bytes, size_t size);
    void *random_ctx;
} sync_store_options;

sync_store_options sync_store_options_default(void);

typedef struct sync_store sync_store;

/* Open the store in folder `dir` and replay it into `doc` and `deps`, both empty and
 * borrowed until close. `report` (may be NULL) is filled in any case. On error `doc`
 * and `deps` may hold a part: close them.
 *
 * Errors:
 *
 * CRDT_EBUSY
 *     Another process (or this one) has it open; diag names the pid.
 * CRDT_ENOTFOUND
 *     No store there, and options->create is false.
 * CRDT_ECORRUPT
 *     The content is damaged; diag names the record and what to do. Never skipped over.
 * CRDT_EVERSION
 *     Written by a program of another format, older or newer.
 * CRDT_EIO, CRDT_ENOMEM */
crdt_err sync_store_open(sync_store **out, const char *dir,
                         const sync_store_options *options, crdt_document *doc,
                         crdt_deps *deps, sync_store_report *report, crdt_diag *diag);

/* What is queued and not committed is dropped. Accepts NULL. */
void sync_store_close(sync_store *store);

/* Whom to write as, and the nonce of this start (for beacons: tells two runs apart). */
crdt_actor sync_store_actor(const sync_store *store);
uint64_t sync_store_start_nonce(const sync_store *store);

/* From now on write as a fresh random actor; durable with the next commit (so commit
 * before it speaks). For a replica that finds out that it is not alone under its name.
 * Errors: CRDT_EIO: no randomness, or poisoned. */
crdt_err sync_store_renew_actor(sync_store *store, crdt_actor *actor, crdt_diag *diag);

/* ---- writing ---- */

/* Queue one record; the bytes are copied. `*sequence` (may be NULL) grows by one with
 * every record, and over restarts.
 * Errors: CRDT_EINVAL: no bytes, but of history. CRDT_ELIMIT: the queue is full (a record of any size up to
 * SYNC_STORE_RECORD_SIZE_MAX fits an empty queue): commit, then again. CRDT_EIO:
 * poisoned or read only. CRDT_ENOMEM. */
crdt_err sync_store_append(sync_store *store, sync_record_kind kind, crdt_span bytes,
                           uint64_t *sequence, crdt_diag *diag);

/* Queue a setting; sync_store_get sees it at once. An empty value removes it.
 * Errors: CRDT_ELIMIT, CRDT_EIO, CRDT_ENOMEM. */
crdt_err sync_store_set(sync_store *store, const char *key, crdt_span value,
                        crdt_diag *diag);

/* Is there anything queued, records or maintenance? */
bool sync_store_dirty(const sync_store *store);

/* Make all that is queued durable: one transaction, one sync. `*sequence` (may be
 * NULL): all records up to it are durable. Without anything queued: no I/O. Errors:
 * CRDT_EIO: poisoned; what was queued is not durable. CRDT_ENOMEM: poisoned. */
crdt_err sync_store_commit(sync_store *store, uint64_t *sequence, crdt_diag *diag);

/* Compaction, a slice at a time: let the next commit also carry up to `budget` bytes of
 * checkpoint writing or of deleting what is old. Call it with an empty queue (right
 * after a commit), now and then; cost: nothing to do O(1); starting a checkpoint
 * O(document); else O(budget). `*more` (may be NULL): there is more to do after that
 * commit. Errors: CRDT_EIO: poisoned. CRDT_ENOMEM: no checkpoint this time, the store
 * goes on. */
crdt_err sync_store_maintain(sync_store *store, size_t budget, bool *more,
                             crdt_diag *diag);

/* Sequence up to which all is durable. */
uint64_t sync_store_durable(const sync_store *store);

/* ---- reading ---- */

/* The setting's value, borrowed until the next set of the same key; false: not set. */
bool sync_store_get(const sync_store *store, const char *key, crdt_span *value);

/* Step to the next older (_prev; start with UINT64_MAX) or newer (_next; start with 0)
 * history record that is durable; its bytes replace those in `out`.
 * Errors: CRDT_ENOTFOUND: no further one. CRDT_ECORRUPT, CRDT_EIO, CRDT_ENOMEM. */
crdt_err sync_store_history_prev(sync_store *store, uint64_t *at, crdt_buf *out,
                                 crdt_diag *diag);
crdt_err sync_store_history_next(sync_store *store, uint64_t *at, crdt_buf *out,
                                 crdt_diag *diag);

sync_store_stats sync_store_stat(sync_store *store);

/* Deep check of what is durable: structure, every checksum, replay into a document of
 * its own, its version and digest equal to the recorded ones. O(store), memory of a
 * second document. `report` (may be NULL) as open fills it. Errors: CRDT_ECORRUPT with
 * the record and the reason; CRDT_EIO, CRDT_ENOMEM. */
crdt_err sync_store_verify(sync_store *store, sync_store_report *report,
                           crdt_diag *diag);

/* ---- for implementations ---- */

/* The table of operations; same contracts as the functions above. */
typedef struct sync_store_ops {
    void (*close)(sync_store *store);
    crdt_err (*renew_actor)(sync_store *store, crdt_actor *actor, crdt_diag *diag);
    crdt_err (*append)(sync_store *store, sync_record_kind kind, crdt_span bytes,
                       uint64_t *sequence, crdt_diag *diag);
    crdt_err (*set)(sync_store *store, const char *key, crdt_span value,
                    crdt_diag *diag);
    bool (*dirty)(const sync_store *store);
    crdt_err (*commit)(sync_store *store, uint64_t *sequence, crdt_diag *diag);
    crdt_err (*maintain)(sync_store *store, size_t budget, bool *more, crdt_diag *diag);
    bool (*get)(const sync_store *store, const char *key, crdt_span *value);
    crdt_err (*history_step)(sync_store *store, bool newer, uint64_t *at, crdt_buf *out,
                             crdt_diag *diag);
    sync_store_stats (*stat)(sync_store *store);
    crdt_err (*verify)(sync_store *store, sync_store_report *report, crdt_diag *diag);
} sync_store_ops;

/* What every store begins with. */
struct sync_store {
    const sync_store_ops *ops;
    crdt_actor actor;
    uint64_t start_nonce;
    uint64_t durable; /* sequence */
};

#endif /* SYNC_STORE_H */
