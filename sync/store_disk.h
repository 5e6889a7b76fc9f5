#ifndef SYNC_STORE_DISK_H
#define SYNC_STORE_DISK_H

/* The store in a folder (docs/FORMAT.md, "Store"):
 *
 *   data.mdb        the tables; data.mdb-lock is LMDB's own
 *   journal         groups that the tables do not have yet (sync/journal.h)
 *   data.new        while the store is being made; renamed when complete
 *   lock            held by the process that has the store open; holds its pid
 *
 * A group of records goes to the journal. The tables take what waits there, all at once,
 * when the half is full, with whatever else there is to write, and at the end:
 *
 *   queue ──commit──> journal (and `pending` in memory) ──> tables
 *     └────────settings, actor, compaction, no room─────────^
 *
 * Every transaction of the tables rewrites the head: what there is, the transaction that
 * wrote it, the last group in it, and the document's mark. Compaction, in slices within ordinary commits:
 *
 *   REST ──(log > max(min, 2 checkpoints))─> WRITE ──(all chunks; head points)──> SWEEP
 *     ^                                                                           │
 *     └────────────(old log records and chunks are gone)──────────────────────────┘ */

#include "sync/file.h"
#include "sync/identity.h"
#include "sync/journal.h"
#include "sync/store_impl.h"
#include "sync/table.h"

enum {
    FRAGMENT_HEAD = 2, /* kind, flags */
    FRAGMENT_SIZE = SYNC_TABLE_VALUE_MAX - FRAGMENT_HEAD,
    FRAGMENT_FIRST = 1,
    FRAGMENT_LAST = 2,
    KIND_CHUNK = 9,      /* of a checkpoint */
    CHUNK_KEY_BITS = 28, /* checkpoint keys: generation, then number of the chunk */
};
#define CHUNK_COUNT_MAX ((UINT64_C(1) << CHUNK_KEY_BITS) - 1)

/* What there is. All fields are kept as 8 bytes each, in this order. */
typedef struct disk_head {
    uint64_t format;
    uint64_t txn; /* that wrote this head: one that is out of date betrays itself */
    uint64_t sequence;
    uint64_t log_first, log_next, log_size;             /* keys; bytes */
    uint64_t history_first, history_next, history_size; /* keys; bytes */
    uint64_t generation;                                /* of the checkpoint, 0: none */
    uint64_t generation_last;                           /* ever begun */
    uint64_t chunk_count, checkpoint_size;
    crdt_digest checkpoint_hash;
    sync_mark mark;
    uint64_t
        group; /* commits ever, those to the journal too: up to which it holds all */
} disk_head;

typedef enum disk_phase { PHASE_REST, PHASE_WRITE, PHASE_SWEEP } disk_phase;

/* Compaction at work. */
typedef struct disk_work {
    disk_phase phase;
    size_t offset; /* WRITE: bytes of the snapshot written */
    uint64_t generation, chunk_count;
    uint64_t log_next, log_size; /* the log at the moment of the snapshot */
    crdt_digest hash;
} disk_work;

typedef struct disk_store {
    sync_store base;
    sync_store_options options;
    char *dir;
    size_t dir_size;
    int lock_fd;
    sync_table_file *file;
    sync_identity identity;
    sync_token token;
    bool actor_queued;
    crdt_document *doc;
    crdt_deps *deps;
    disk_head head; /* of the tables */
    sync_journal journal;
    bool journal_failed; /* it cannot be made: the tables do alone */
    crdt_buf pending;    /* the journal's records, as they were queued */
    uint64_t group;      /* the last one, and */
    sync_mark mark;      /* the document's mark, that are durable */
    sync_settings settings;
    crdt_buf queue;
    uint64_t sequence; /* of the newest queued record */
    disk_work work;
    crdt_buf snapshot;
    size_t budget; /* granted for the next commit */
    uint64_t commit_count;
    crdt_err poison;
    crdt_diag poison_diag;
} disk_store;

/* ---- store_disk.c ---- */

disk_store *disk_of(sync_store *store);
const disk_store *disk_of_const(const sync_store *store);
/* Why the store takes no more, CRDT_OK if it does. */
crdt_err disk_refuse(const disk_store *store, crdt_diag *diag);
/* Nothing is written from here on. Returns `err`. */
crdt_err disk_poison(disk_store *store, crdt_err err, const crdt_diag *why);
bool disk_has_queued(const disk_store *store);
/* Let the tables take what waits in the journal, and nothing else. Errors: CRDT_EIO,
 * CRDT_ENOMEM: the store is poisoned, what is in the journal is safe. */
crdt_err disk_settle(disk_store *store, crdt_diag *diag);
/* Bytes of the records of the log, and of history, that wait in the journal. */
void disk_count_pending(const disk_store *store, uint64_t *log, uint64_t *history);
/* Step over a queue of records; false at its end. */
bool disk_next_queued(const crdt_buf *queue, size_t *offset, sync_record_kind *kind,
                      crdt_span *bytes);
/* Seals of a run's journal are made with this. */
uint64_t disk_journal_seed(const sync_token *token);
bool disk_draw(const sync_store_options *options, void *bytes, size_t size);
extern const sync_store_ops DISK_OPS;

/* ---- store_format.c: what lies in the tables ---- */

/* The head of this transaction; sets its number. Errors: of the table. */
crdt_err disk_put_head(sync_table_txn *txn, disk_head *h, crdt_diag *diag);
/* Errors: CRDT_ECORRUPT: none, or of another transaction. CRDT_EVERSION. */
crdt_err disk_get_head(sync_table_txn *txn, disk_head *h, crdt_diag *diag);

/* The bytes of a head, as they lie under its seal. Errors: as above. */
crdt_err disk_decode_head(crdt_span bytes, disk_head *h, crdt_diag *diag);

/* Cut a record into fragments from `*next_key` on, which becomes the one after them. */
crdt_err disk_put_record(sync_table_txn *txn, sync_table table, uint64_t *next_key,
                         uint8_t kind, crdt_span bytes, crdt_diag *diag);
/* One fragment, exactly at `key`. Errors: CRDT_ECORRUPT: it is missing, or damaged. */
crdt_err disk_get_fragment(sync_table_txn *txn, sync_table table, uint64_t key,
                           uint8_t *kind, uint8_t *flags, crdt_span *bytes,
                           crdt_diag *diag);
/* The record that begins at `*key`, below `end`; `*key` becomes the next record's.
 * `*bytes` is borrowed from the transaction or from `joined`. Errors: as above. */
crdt_err disk_get_record(sync_table_txn *txn, sync_table table, uint64_t *key,
                         uint64_t end, crdt_buf *joined, uint8_t *kind,
                         crdt_span *bytes, crdt_diag *diag);

crdt_err disk_get_settings(sync_table_txn *txn, sync_settings *settings,
                           crdt_diag *diag);
crdt_err disk_get_identity(sync_table_txn *txn, crdt_actor *actor, sync_token *token,
                           crdt_diag *diag);
crdt_err disk_put_identity(sync_table_txn *txn, const crdt_actor *actor,
                           const sync_token *token, crdt_diag *diag);

/* ---- store_compact.c ---- */

/* Do as much compaction as the store's budget allows, in this transaction. */
crdt_err disk_compact(const disk_store *store, sync_table_txn *txn, disk_head *h,
                      disk_work *w, crdt_diag *diag);
/* The first value in `table` that nothing refers to any more, with its size.
 * Errors: CRDT_ENOTFOUND: there is none. */
crdt_err disk_find_garbage(sync_table_txn *txn, sync_table table, const disk_head *h,
                           uint64_t *key, size_t *size, crdt_diag *diag);
crdt_err disk_maintain(sync_store *base, size_t budget, bool *more, crdt_diag *diag);

/* ---- store_read.c ---- */

/* All there is in the tables, into the replay's document; its mark compared with the
 * recorded one. */
crdt_err disk_replay(sync_table_txn *txn, const disk_head *h, sync_replay *replay,
                     crdt_alloc alloc, crdt_diag *diag);
/* Then the groups that only the journal has, of a run with `token`; they are appended to
 * `pending` (may be NULL). `h` becomes what the head will be, but for its keys. */
crdt_err disk_replay_journal(const disk_store *store, const sync_token *token,
                             disk_head *h, sync_replay *replay, crdt_buf *pending,
                             uint64_t *torn_size, crdt_diag *diag);
crdt_err disk_history_step(sync_store *base, bool newer, uint64_t *at, crdt_buf *out,
                           crdt_diag *diag);
sync_store_stats disk_stat(sync_store *base);
crdt_err disk_verify(sync_store *base, sync_store_report *report, crdt_diag *diag);

/* ---- store_open.c ---- */

/* The name of a file in the store's folder. Errors: CRDT_ELIMIT. */
crdt_err disk_join(const disk_store *store, const char *name, char path[SYNC_PATH_MAX],
                   crdt_diag *diag);
/* Lock a store's folder until the process ends or `*fd` is closed: a lock of the open file,
 * not of the process, so that a second open in one process is refused too. `*fd` is -1
 * where nothing is there to be locked (`shared`); it may be open after an error.
 * Errors: CRDT_EBUSY, CRDT_EIO, CRDT_ELIMIT. */
crdt_err disk_lock(const char *dir, bool shared, int *fd, crdt_diag *diag);
/* The report's line for people. */
void disk_describe(const disk_store *store, sync_store_report *report);

#endif /* SYNC_STORE_DISK_H */
