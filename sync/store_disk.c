#include "sync/store.h"

#include "sync/file.h"
#include "sync/identity.h"
#include "sync/store_impl.h"
#include "sync/table.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The store in a folder (docs/FORMAT.md, "Store"):
 *
 *   data.mdb        the tables; data.mdb-lock is LMDB's own
 *   data.new        while the store is being made; renamed when complete
 *   lock            held by the process that has the store open; holds its pid
 *
 * Every commit rewrites the head: what there is, the transaction that wrote it, and the
 * document's mark. Compaction, in slices within ordinary commits:
 *
 *   REST ──(log > max(min, checkpoint))──> WRITE ──(all chunks; head points)──> SWEEP
 *     ^                                                                           │
 *     └────────────(old log records and chunks are gone)──────────────────────────┘ */

enum {
    FRAGMENT_HEAD = 2, /* kind, flags */
    FRAGMENT_SIZE = SYNC_TABLE_VALUE_MAX - FRAGMENT_HEAD,
    FRAGMENT_FIRST = 1,
    FRAGMENT_LAST = 2,
    KIND_CHUNK = 9, /* of a checkpoint */
    QUEUE_HEAD = 9, /* kind, size */
    IDENTITY_SIZE = 32,
    CHUNK_KEY_BITS = 28, /* checkpoint keys: generation, then number of the chunk */
};
#define CHUNK_COUNT_MAX ((UINT64_C(1) << CHUNK_KEY_BITS) - 1)

/* What there is. All fields are kept as 8 bytes each, in this order. */
typedef struct head {
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
} head;

enum { HEAD_SIZE = 19 * 8 };

typedef enum phase { PHASE_REST, PHASE_WRITE, PHASE_SWEEP } phase;

/* Compaction at work. */
typedef struct work {
    phase phase;
    size_t offset; /* WRITE: bytes of the snapshot written */
    uint64_t generation, chunk_count;
    uint64_t log_next, log_size; /* the log at the moment of the snapshot */
    crdt_digest hash;
} work;

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
    head head; /* durable */
    sync_settings settings;
    crdt_buf queue;
    uint64_t sequence; /* of the newest queued record */
    work work;
    crdt_buf snapshot;
    size_t budget; /* granted for the next commit */
    uint64_t commit_count;
    crdt_err poison;
    crdt_diag poison_diag;
} disk_store;

static const sync_store_ops DISK_OPS;

static disk_store *as_disk(sync_store *store)
{
    assert(store->ops == &DISK_OPS);
    return (disk_store *)store;
}

static const disk_store *as_disk_const(const sync_store *store)
{
    assert(store->ops == &DISK_OPS);
    return (const disk_store *)store;
}

/* ---- the head ---- */

static void write_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t read_u64(const uint8_t *at)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

static void list_fields(head *h, uint64_t *fields[HEAD_SIZE / 8])
{
    uint64_t *all[HEAD_SIZE / 8] = {
        &h->format,
        &h->txn,
        &h->sequence,
        &h->log_first,
        &h->log_next,
        &h->log_size,
        &h->history_first,
        &h->history_next,
        &h->history_size,
        &h->generation,
        &h->generation_last,
        &h->chunk_count,
        &h->checkpoint_size,
        &h->checkpoint_hash.low,
        &h->checkpoint_hash.high,
        &h->mark.version.low,
        &h->mark.version.high,
        &h->mark.state.low,
        &h->mark.state.high,
    };
    memcpy(fields, all, sizeof all);
}

static crdt_err put_head(sync_table_txn *txn, head *h, crdt_diag *diag)
{
    uint64_t *fields[HEAD_SIZE / 8];
    uint8_t bytes[HEAD_SIZE];
    h->txn = sync_table_txn_id(txn);
    list_fields(h, fields);
    for (size_t i = 0; i < HEAD_SIZE / 8; i++) {
        write_u64(bytes + 8 * i, *fields[i]);
    }
    return sync_table_put_named(txn, "head", (crdt_span){bytes, sizeof bytes}, diag);
}

static crdt_err get_head(sync_table_txn *txn, head *h, crdt_diag *diag)
{
    crdt_span bytes;
    crdt_err err = sync_table_get_named(txn, "head", &bytes, diag);
    if (err != CRDT_OK) {
        return err == CRDT_ENOTFOUND
                   ? crdt_diag_set(diag, CRDT_ECORRUPT, 0, "the store has no head")
                   : err;
    }
    if (bytes.size >= 8 && read_u64(bytes.data) > SYNC_STORE_FORMAT) {
        return crdt_diag_set(diag, CRDT_EVERSION, 0,
                             "the store was written by a newer program (format %" PRIu64
                             ")",
                             read_u64(bytes.data));
    }
    if (bytes.size != HEAD_SIZE) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0, "the store's head has a bad size");
    }
    uint64_t *fields[HEAD_SIZE / 8];
    list_fields(h, fields);
    for (size_t i = 0; i < HEAD_SIZE / 8; i++) {
        *fields[i] = read_u64(bytes.data + 8 * i);
    }
    if (h->txn != sync_table_txn_id(txn)) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                             "the store's head is of transaction %" PRIu64
                             ", the file of %" PRIu64
                             ": restore a copy, or start anew from a peer",
                             h->txn, sync_table_txn_id(txn));
    }
    return CRDT_OK;
}

/* ---- records as fragments ---- */

static crdt_err put_record(sync_table_txn *txn, sync_table table, uint64_t *next_key,
                           uint8_t kind, crdt_span bytes, crdt_diag *diag)
{
    size_t offset = 0;
    do {
        size_t left = bytes.size - offset;
        size_t size = left < FRAGMENT_SIZE ? left : (size_t)FRAGMENT_SIZE;
        uint8_t flags = (uint8_t)((offset == 0 ? FRAGMENT_FIRST : 0) |
                                  (size == left ? FRAGMENT_LAST : 0));
        uint8_t prefix[FRAGMENT_HEAD] = {kind, flags};
        crdt_span fragment = {bytes.data == NULL ? NULL : bytes.data + offset, size};
        crdt_err err = sync_table_append(
            txn, table, *next_key, (crdt_span){prefix, sizeof prefix}, fragment, diag);
        if (err != CRDT_OK) {
            return err;
        }
        *next_key += 1;
        offset += size;
    } while (offset < bytes.size);
    return CRDT_OK;
}

static crdt_err damaged_record(const char *table, uint64_t key, const char *what,
                               crdt_diag *diag)
{
    return crdt_diag_set(diag, CRDT_ECORRUPT, key,
                         "%s record %" PRIu64
                         " is damaged (%s): restore a copy, or start anew from a peer",
                         table, key, what);
}

/* One fragment, exactly at `key`. */
static crdt_err get_fragment(sync_table_txn *txn, sync_table table, uint64_t key,
                             uint8_t *kind, uint8_t *flags, crdt_span *bytes,
                             crdt_diag *diag)
{
    static const char *const names[] = {"log", "history", "checkpoint"};
    crdt_span value;
    crdt_err err = sync_table_find(txn, table, SYNC_SEEK_AT, &key, &value, diag);
    if (err == CRDT_ENOTFOUND) {
        return damaged_record(names[table], key, "it is missing", diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    if (value.size < FRAGMENT_HEAD) {
        return damaged_record(names[table], key, "it is too short", diag);
    }
    *kind = value.data[0];
    *flags = value.data[1];
    *bytes = (crdt_span){value.data + FRAGMENT_HEAD, value.size - FRAGMENT_HEAD};
    return CRDT_OK;
}

/* The record that begins at `*key`, below `end`; `*key` becomes the next record's.
 * `*bytes` is borrowed from the transaction or from `joined`. */
static crdt_err get_record(sync_table_txn *txn, sync_table table, uint64_t *key,
                           uint64_t end, crdt_buf *joined, uint8_t *kind,
                           crdt_span *bytes, crdt_diag *diag)
{
    const char *name = table == SYNC_TABLE_LOG ? "log" : "history";
    uint64_t first = *key;
    uint8_t flags = 0;
    crdt_buf_clear(joined);
    for (uint64_t at = first; at < end; at++) {
        uint8_t fragment_kind;
        crdt_err err =
            get_fragment(txn, table, at, &fragment_kind, &flags, bytes, diag);
        if (err != CRDT_OK) {
            return err;
        }
        if (((flags & FRAGMENT_FIRST) != 0) != (at == first) ||
            (at > first && fragment_kind != *kind)) {
            return damaged_record(name, at, "a part is out of place", diag);
        }
        *kind = fragment_kind;
        bool last = (flags & FRAGMENT_LAST) != 0;
        if (!last || at > first) {
            err = crdt_buf_append_span(joined, *bytes);
            *bytes = crdt_buf_span(joined);
        }
        if (err != CRDT_OK || last) {
            *key = at + 1;
            return err;
        }
    }
    return damaged_record(name, first, "its end is missing", diag);
}

/* ---- replaying ---- */

static crdt_err replay_checkpoint(sync_table_txn *txn, const head *h,
                                  sync_replay *replay, crdt_buf *joined,
                                  crdt_diag *diag)
{
    uint64_t chunk_size_max = h->chunk_count * FRAGMENT_SIZE;
    if (h->chunk_count > CHUNK_COUNT_MAX || h->checkpoint_size > chunk_size_max) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0, "the checkpoint's size is absurd");
    }
    crdt_buf_clear(joined);
    crdt_err err = CRDT_OK;
    for (uint64_t i = 0; i < h->chunk_count && err == CRDT_OK; i++) {
        uint8_t kind;
        uint8_t flags;
        crdt_span bytes = {0};
        uint64_t key = h->generation << CHUNK_KEY_BITS | i;
        err =
            get_fragment(txn, SYNC_TABLE_CHECKPOINT, key, &kind, &flags, &bytes, diag);
        if (err == CRDT_OK) {
            err = crdt_buf_append_span(joined, bytes);
        }
    }
    if (err != CRDT_OK) {
        return err;
    }
    crdt_span answer = crdt_buf_span(joined);
    if (answer.size != h->checkpoint_size ||
        !crdt_digest_equal(crdt_hash128(answer), h->checkpoint_hash)) {
        return crdt_diag_set(
            diag, CRDT_ECORRUPT, 0,
            "the checkpoint is damaged (total hash): restore a copy, or "
            "start anew from a peer");
    }
    replay->report->checkpoint_size = answer.size;
    return sync_replay_checkpoint(replay, answer, diag);
}

static crdt_err replay_log(sync_table_txn *txn, const head *h, sync_replay *replay,
                           crdt_buf *joined, crdt_diag *diag)
{
    for (uint64_t key = h->log_first; key < h->log_next;) {
        uint64_t number = key;
        uint8_t kind = 0;
        crdt_span bytes = {0};
        crdt_err err = get_record(txn, SYNC_TABLE_LOG, &key, h->log_next, joined, &kind,
                                  &bytes, diag);
        if (err == CRDT_OK) {
            err =
                sync_replay_record(replay, (sync_record_kind)kind, bytes, number, diag);
        }
        if (err != CRDT_OK) {
            return err;
        }
    }
    return CRDT_OK;
}

/* All there is, into the replay's document; its mark compared with the recorded one. */
static crdt_err replay_all(sync_table_txn *txn, const head *h, sync_replay *replay,
                           crdt_alloc alloc, crdt_diag *diag)
{
    crdt_buf joined;
    crdt_buf_init(&joined, alloc);
    crdt_err err = CRDT_OK;
    if (h->generation != 0) {
        err = replay_checkpoint(txn, h, replay, &joined, diag);
    }
    if (err == CRDT_OK) {
        err = replay_log(txn, h, replay, &joined, diag);
    }
    crdt_buf_deinit(&joined);
    if (err != CRDT_OK) {
        return err;
    }
    sync_mark mark = sync_mark_of(replay->doc);
    return sync_mark_compare(&h->mark, &mark, diag);
}

static crdt_err load_settings(sync_table_txn *txn, sync_settings *settings,
                              crdt_diag *diag)
{
    static const char prefix[] = "set:";
    char name[SYNC_TABLE_NAME_MAX + 1] = "";
    for (;;) {
        crdt_span value;
        crdt_err err = sync_table_next_named(txn, prefix, name, &value, diag);
        if (err == CRDT_ENOTFOUND) {
            break;
        }
        if (err == CRDT_OK) {
            err = sync_settings_set(settings, name + sizeof prefix - 1, value, diag);
        }
        if (err != CRDT_OK) {
            return err;
        }
    }
    sync_settings_settle(settings);
    return CRDT_OK;
}

static crdt_err load_identity(sync_table_txn *txn, crdt_actor *actor, sync_token *token,
                              crdt_diag *diag)
{
    crdt_span bytes;
    crdt_err err = sync_table_get_named(txn, "identity", &bytes, diag);
    if (err == CRDT_ENOTFOUND || (err == CRDT_OK && bytes.size != IDENTITY_SIZE)) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0, "the store has no identity");
    }
    if (err == CRDT_OK) {
        memcpy(actor->bytes, bytes.data, 16);
        memcpy(token->bytes, bytes.data + 16, SYNC_TOKEN_SIZE);
    }
    return err;
}

static crdt_err put_identity(sync_table_txn *txn, const crdt_actor *actor,
                             const sync_token *token, crdt_diag *diag)
{
    uint8_t bytes[IDENTITY_SIZE];
    memcpy(bytes, actor->bytes, 16);
    memcpy(bytes + 16, token->bytes, SYNC_TOKEN_SIZE);
    return sync_table_put_named(txn, "identity", (crdt_span){bytes, sizeof bytes},
                                diag);
}

/* ---- writing ---- */

static crdt_err refuse(const disk_store *store, crdt_diag *diag)
{
    if (store->poison != CRDT_OK && diag != NULL) {
        *diag = store->poison_diag;
    }
    return store->poison;
}

/* Nothing is written from here on. */
static crdt_err poison(disk_store *store, crdt_err err, const crdt_diag *why)
{
    store->poison = err;
    store->poison_diag = *why;
    return err;
}

static crdt_err disk_append(sync_store *base, sync_record_kind kind, crdt_span bytes,
                            uint64_t *sequence, crdt_diag *diag)
{
    disk_store *store = as_disk(base);
    if (store->poison != CRDT_OK) {
        return refuse(store, diag);
    }
    if (bytes.size > SYNC_STORE_RECORD_SIZE_MAX ||
        (store->queue.size > 0 &&
         store->queue.size + bytes.size > store->options.queue_size_max)) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "the store's queue is full");
    }
    uint8_t prefix[QUEUE_HEAD] = {(uint8_t)kind};
    write_u64(prefix + 1, bytes.size);
    crdt_err err = crdt_buf_reserve(&store->queue, sizeof prefix + bytes.size);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_buf_append(&store->queue, prefix, sizeof prefix);
    crdt_buf_append_span(&store->queue, bytes);
    store->sequence++;
    if (sequence != NULL) {
        *sequence = store->sequence;
    }
    return CRDT_OK;
}

static crdt_err disk_set(sync_store *base, const char *key, crdt_span value,
                         crdt_diag *diag)
{
    disk_store *store = as_disk(base);
    if (store->poison != CRDT_OK) {
        return refuse(store, diag);
    }
    return sync_settings_set(&store->settings, key, value, diag);
}

static bool disk_get(const sync_store *base, const char *key, crdt_span *value)
{
    return sync_settings_get(&as_disk_const(base)->settings, key, value);
}

/* What one commit changes; made anew for each try of the transaction. */
typedef struct change {
    disk_store *store;
    head head;
    work work;
} change;

static crdt_err write_queue(const disk_store *store, sync_table_txn *txn, head *h,
                            crdt_diag *diag)
{
    const uint8_t *at = store->queue.data;
    const uint8_t *end = at + store->queue.size;
    while (at < end) {
        sync_record_kind kind = (sync_record_kind)at[0];
        crdt_span bytes = {at + QUEUE_HEAD, (size_t)read_u64(at + 1)};
        bool history = kind == SYNC_RECORD_HISTORY;
        crdt_err err = put_record(txn, history ? SYNC_TABLE_HISTORY : SYNC_TABLE_LOG,
                                  history ? &h->history_next : &h->log_next,
                                  (uint8_t)kind, bytes, diag);
        if (err != CRDT_OK) {
            return err;
        }
        *(history ? &h->history_size : &h->log_size) += bytes.size;
        at = bytes.data + bytes.size;
    }
    return CRDT_OK;
}

/* Let go of the oldest history records until the rest fits. */
static crdt_err trim_history(const disk_store *store, sync_table_txn *txn, head *h,
                             crdt_diag *diag)
{
    while (h->history_size > store->options.history_size_max &&
           h->history_first < h->history_next) {
        uint8_t kind;
        uint8_t flags = 0;
        while ((flags & FRAGMENT_LAST) == 0 && h->history_first < h->history_next) {
            crdt_span bytes;
            crdt_err err = get_fragment(txn, SYNC_TABLE_HISTORY, h->history_first,
                                        &kind, &flags, &bytes, diag);
            if (err == CRDT_OK) {
                h->history_size -= bytes.size;
                err =
                    sync_table_delete(txn, SYNC_TABLE_HISTORY, h->history_first, diag);
            }
            if (err != CRDT_OK) {
                return err;
            }
            h->history_first++;
        }
    }
    return CRDT_OK;
}

static crdt_err write_settings(const disk_store *store, sync_table_txn *txn,
                               crdt_diag *diag)
{
    for (size_t i = 0; i < store->settings.count; i++) {
        const sync_setting *row = &store->settings.rows[i];
        if (!row->queued) {
            continue;
        }
        char name[SYNC_TABLE_NAME_MAX];
        snprintf(name, sizeof name, "set:%s", row->key);
        crdt_err err =
            sync_table_put_named(txn, name, crdt_buf_span(&row->value), diag);
        if (err != CRDT_OK) {
            return err;
        }
    }
    return CRDT_OK;
}

/* ---- compaction ---- */

/* Write chunks of the snapshot; with the last one the head points to them. */
static crdt_err write_chunks(const disk_store *store, sync_table_txn *txn, head *h,
                             work *w, crdt_diag *diag)
{
    static const uint8_t prefix[FRAGMENT_HEAD] = {KIND_CHUNK, 0};
    size_t budget = store->budget;
    h->generation_last = w->generation;
    while (w->offset < store->snapshot.size) {
        size_t left = store->snapshot.size - w->offset;
        size_t size = left < FRAGMENT_SIZE ? left : (size_t)FRAGMENT_SIZE;
        if (budget < size) {
            return CRDT_OK;
        }
        uint64_t key = w->generation << CHUNK_KEY_BITS | w->chunk_count;
        crdt_err err = sync_table_append(
            txn, SYNC_TABLE_CHECKPOINT, key, (crdt_span){prefix, sizeof prefix},
            (crdt_span){store->snapshot.data + w->offset, size}, diag);
        if (err != CRDT_OK) {
            return err;
        }
        w->chunk_count++;
        w->offset += size;
        budget -= size;
    }
    h->generation = w->generation;
    h->chunk_count = w->chunk_count;
    h->checkpoint_size = store->snapshot.size;
    h->checkpoint_hash = w->hash;
    h->log_first = w->log_next;
    h->log_size -= w->log_size;
    w->phase = PHASE_SWEEP;
    return CRDT_OK;
}

/* The first record in `table` that nothing refers to any more, if it is below `below` or,
 * for chunks, of another generation than the head's. */
static crdt_err find_garbage(sync_table_txn *txn, sync_table table, const head *h,
                             uint64_t *key, size_t *size, crdt_diag *diag)
{
    crdt_span value;
    *key = 0;
    crdt_err err = sync_table_find(txn, table, SYNC_SEEK_AT_LEAST, key, &value, diag);
    if (err == CRDT_OK && table == SYNC_TABLE_LOG && *key >= h->log_first) {
        err = CRDT_ENOTFOUND;
    }
    if (err == CRDT_OK && table == SYNC_TABLE_CHECKPOINT &&
        *key >> CHUNK_KEY_BITS == h->generation) {
        *key = (h->generation + 1) << CHUNK_KEY_BITS;
        err = sync_table_find(txn, table, SYNC_SEEK_AT_LEAST, key, &value, diag);
    }
    *size = err == CRDT_OK ? value.size : 0;
    return err;
}

static crdt_err sweep(const disk_store *store, sync_table_txn *txn, const head *h,
                      work *w, crdt_diag *diag)
{
    static const sync_table tables[] = {SYNC_TABLE_LOG, SYNC_TABLE_CHECKPOINT};
    size_t budget = store->budget;
    for (size_t i = 0; i < 2; i++) {
        for (;;) {
            uint64_t key;
            size_t size;
            crdt_err err = find_garbage(txn, tables[i], h, &key, &size, diag);
            if (err == CRDT_ENOTFOUND) {
                break;
            }
            size += 64; /* a small record costs something too */
            if (err == CRDT_OK && budget < size) {
                return CRDT_OK;
            }
            if (err == CRDT_OK) {
                err = sync_table_delete(txn, tables[i], key, diag);
            }
            if (err != CRDT_OK) {
                return err;
            }
            budget -= size;
        }
    }
    w->phase = PHASE_REST;
    return CRDT_OK;
}

static crdt_err compact(const disk_store *store, sync_table_txn *txn, head *h, work *w,
                        crdt_diag *diag)
{
    if (store->budget == 0 || w->phase == PHASE_REST) {
        return CRDT_OK;
    }
    return w->phase == PHASE_WRITE ? write_chunks(store, txn, h, w, diag)
                                   : sweep(store, txn, h, w, diag);
}

/* Take the snapshot of what is durable now. */
static crdt_err begin_checkpoint(disk_store *store)
{
    crdt_buf_clear(&store->snapshot);
    crdt_err err = crdt_document_answer_full(store->doc, store->deps, &store->snapshot);
    if (err == CRDT_OK && store->snapshot.size / FRAGMENT_SIZE >= CHUNK_COUNT_MAX) {
        err = CRDT_ELIMIT;
    }
    if (err != CRDT_OK) {
        crdt_buf_deinit(&store->snapshot);
        return err;
    }
    store->work = (work){
        .phase = PHASE_WRITE,
        .generation = store->head.generation_last + 1,
        .log_next = store->head.log_next,
        .log_size = store->head.log_size,
        .hash = crdt_hash128(crdt_buf_span(&store->snapshot)),
    };
    return CRDT_OK;
}

static bool checkpoint_is_due(const disk_store *store)
{
    uint64_t due = store->head.checkpoint_size;
    if (due < store->options.checkpoint_size_min) {
        due = store->options.checkpoint_size_min;
    }
    return store->head.log_size > due;
}

static bool has_queued(const disk_store *store)
{
    return store->queue.size > 0 || store->settings.queued || store->actor_queued;
}

static crdt_err disk_maintain(sync_store *base, size_t budget, bool *more,
                              crdt_diag *diag)
{
    disk_store *store = as_disk(base);
    if (more != NULL) {
        *more = false;
    }
    if (store->poison != CRDT_OK) {
        return refuse(store, diag);
    }
    if (store->work.phase == PHASE_REST && !has_queued(store) &&
        checkpoint_is_due(store)) {
        crdt_err err = begin_checkpoint(store);
        if (err != CRDT_OK) {
            return crdt_diag_set(diag, err, 0, "no checkpoint could be made: %s",
                                 crdt_err_text(err));
        }
    }
    if (store->work.phase != PHASE_REST) {
        store->budget = budget > FRAGMENT_SIZE * 2 ? budget : FRAGMENT_SIZE * 2;
        if (more != NULL) {
            *more = true;
        }
    }
    return CRDT_OK;
}

/* ---- group commit ---- */

static crdt_err write_group(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    change *c = ctx;
    const disk_store *store = c->store;
    c->head = store->head;
    c->work = store->work;
    c->head.sequence = store->sequence;
    c->head.mark = sync_mark_of(store->doc);
    crdt_err err = write_queue(store, txn, &c->head, diag);
    if (err == CRDT_OK) {
        err = trim_history(store, txn, &c->head, diag);
    }
    if (err == CRDT_OK) {
        err = write_settings(store, txn, diag);
    }
    if (err == CRDT_OK && store->actor_queued) {
        err = put_identity(txn, &store->base.actor, &store->token, diag);
    }
    if (err == CRDT_OK) {
        err = compact(store, txn, &c->head, &c->work, diag);
    }
    return err == CRDT_OK ? put_head(txn, &c->head, diag) : err;
}

static bool disk_dirty(const sync_store *base)
{
    const disk_store *store = as_disk_const(base);
    return has_queued(store) || store->budget > 0;
}

static crdt_err disk_commit(sync_store *base, uint64_t *sequence, crdt_diag *diag)
{
    disk_store *store = as_disk(base);
    if (store->poison != CRDT_OK) {
        return refuse(store, diag);
    }
    if (disk_dirty(base)) {
        change c = {.store = store};
        crdt_diag why = {0};
        crdt_err err = sync_table_write(store->file, write_group, &c, &why);
        if (err != CRDT_OK) {
            if (why.text[0] == '\0') {
                crdt_diag_set(&why, err, 0, "cannot write to the store: %s",
                              crdt_err_text(err));
            }
            poison(store, err, &why);
            return refuse(store, diag);
        }
        store->head = c.head;
        store->work = c.work;
        store->base.durable = c.head.sequence;
        store->commit_count++;
        store->budget = 0;
        store->actor_queued = false;
        crdt_buf_clear(&store->queue);
        sync_settings_settle(&store->settings);
        if (store->work.phase != PHASE_WRITE) {
            crdt_buf_deinit(&store->snapshot);
        }
        sync_identity_note(&store->identity, store->head.txn);
    }
    if (sequence != NULL) {
        *sequence = store->base.durable;
    }
    return CRDT_OK;
}

/* ---- identity ---- */

static bool draw(const sync_store_options *options, void *bytes, size_t size)
{
    return options->random != NULL ? options->random(options->random_ctx, bytes, size)
                                   : sync_file_random(NULL, bytes, size);
}

static crdt_err disk_renew_actor(sync_store *base, crdt_actor *actor, crdt_diag *diag)
{
    disk_store *store = as_disk(base);
    if (store->poison != CRDT_OK) {
        return refuse(store, diag);
    }
    if (!draw(&store->options, &store->base.actor, sizeof store->base.actor)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "no random bytes");
    }
    store->actor_queued = true;
    if (actor != NULL) {
        *actor = store->base.actor;
    }
    return CRDT_OK;
}

/* Prove who this store is, or take a fresh actor; renew the token. */
static crdt_err take_identity(disk_store *store, sync_store_report *report,
                              crdt_diag *diag)
{
    sync_identity_claim claim = {
        .state_dir = store->options.state_dir,
        .store_fd = sync_table_fd(store->file),
        .token = store->token,
        .commit = store->head.txn,
        .created = report->created,
    };
    if (!draw(&store->options, &claim.token_next, sizeof claim.token_next)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "no random bytes");
    }
    crdt_diag why = {0};
    report->origin =
        sync_identity_prove(&store->identity, &claim, &report->unclean, &why);
    store->token = claim.token_next;
    if (report->origin != SYNC_ACTOR_KEPT) {
        crdt_err err = disk_renew_actor(&store->base, NULL, diag);
        if (err != CRDT_OK) {
            return err;
        }
    }
    store->actor_queued = true; /* the token, at least */
    crdt_err err = disk_commit(&store->base, NULL, diag);
    if (err == CRDT_EIO) { /* a full disk is still read */
        report->read_only = true;
        return CRDT_OK;
    }
    return err;
}

/* ---- opening ---- */

static crdt_err join(disk_store *store, const char *name, char path[SYNC_PATH_MAX],
                     crdt_diag *diag)
{
    return sync_file_join(path, store->dir, name, diag);
}

static crdt_err refuse_busy(int fd, const char *dir, crdt_diag *diag)
{
    char pid[24] = {0};
    ssize_t size = pread(fd, pid, sizeof pid - 1, 0);
    pid[size > 0 ? strcspn(pid, "\n") : 0] = '\0';
    return crdt_diag_set(diag, CRDT_EBUSY, 0, "store %.80s is in use by process %s",
                         dir, pid[0] != '\0' ? pid : "(unknown)");
}

/* Held until the process ends or closes it: a lock of the open file, not of the process,
 * so that a second open in one process is refused too. */
static crdt_err take_lock(disk_store *store, crdt_diag *diag)
{
    char path[SYNC_PATH_MAX];
    crdt_err err = join(store, "lock", path, diag);
    if (err != CRDT_OK) {
        return err;
    }
    bool shared = store->options.read_only;
    int flags = shared ? O_RDONLY : O_RDWR | O_CREAT;
    store->lock_fd = open(path, flags | O_CLOEXEC, 0600);
    if (store->lock_fd < 0 && shared && errno == ENOENT) {
        return CRDT_OK; /* a folder without a lock file is not in use */
    }
    struct flock lock = {.l_type = shared ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
    if (store->lock_fd < 0 || fcntl(store->lock_fd, F_OFD_SETLK, &lock) != 0) {
        if (store->lock_fd >= 0 && (errno == EAGAIN || errno == EACCES)) {
            return refuse_busy(store->lock_fd, store->dir, diag);
        }
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot lock %.110s: %s", path,
                             sync_file_reason(errno));
    }
    if (!shared) {
        char pid[24];
        int size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
        if (ftruncate(store->lock_fd, 0) == 0) {
            (void)sync_file_write(store->lock_fd, pid, (size_t)size, 0);
        }
    }
    return CRDT_OK;
}

static crdt_err write_first(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    disk_store *store = ctx;
    head first = {
        .format = SYNC_STORE_FORMAT,
        .log_first = 1,
        .log_next = 1,
        .history_first = 1,
        .history_next = 1,
        .mark = sync_mark_of(store->doc),
    };
    crdt_err err = put_identity(txn, &(crdt_actor){0}, &(sync_token){0}, diag);
    return err == CRDT_OK ? put_head(txn, &first, diag) : err;
}

/* Make the file under another name and rename it when it is complete and durable: there
 * is never half a store under its name. */
static crdt_err create_file(disk_store *store, const char *path, crdt_diag *diag)
{
    char path_new[SYNC_PATH_MAX];
    crdt_err err = join(store, "data.new", path_new, diag);
    if (err != CRDT_OK) {
        return err;
    }
    (void)unlink(path_new); /* of a creation that did not end */
    sync_table_file *file = NULL;
    err =
        sync_table_open(&file, path_new, SYNC_TABLE_CREATE, store->options.alloc, diag);
    if (err == CRDT_OK) {
        err = sync_table_write(file, write_first, store, diag);
    }
    sync_table_close(file);
    if (err != CRDT_OK) {
        return err;
    }
    if (rename(path_new, path) != 0) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot make %.110s: %s", path,
                             sync_file_reason(errno));
    }
    return sync_file_sync_dir(store->dir, diag);
}

static crdt_err open_file(disk_store *store, sync_store_report *report, crdt_diag *diag)
{
    char path[SYNC_PATH_MAX];
    struct stat st;
    crdt_err err = join(store, "data.mdb", path, diag);
    bool there = err == CRDT_OK && stat(path, &st) == 0;
    bool create = store->options.create && !store->options.read_only;
    if (err == CRDT_OK && !there && !create) {
        err = crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "there is no store in %.110s",
                            store->dir);
    }
    if (err == CRDT_OK && !there) {
        err = sync_file_make_dir(store->dir, diag);
    }
    if (err == CRDT_OK) {
        err = take_lock(store, diag);
    }
    if (err == CRDT_OK && !there && stat(path, &st) != 0) {
        report->created = true;
        err = create_file(store, path, diag);
    }
    if (err == CRDT_OK) {
        err = sync_table_open(&store->file, path,
                              store->options.read_only ? SYNC_TABLE_READ
                                                       : SYNC_TABLE_WRITE,
                              store->options.alloc, diag);
    }
    return err;
}

typedef struct load {
    disk_store *store;
    sync_store_report *report;
} load;

/* Read everything there is into the document and the store's own memory. */
static crdt_err load_all(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    load *l = ctx;
    disk_store *store = l->store;
    crdt_err err = get_head(txn, &store->head, diag);
    if (err == CRDT_OK) {
        err = load_identity(txn, &store->base.actor, &store->token, diag);
    }
    if (err == CRDT_OK) {
        err = load_settings(txn, &store->settings, diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    sync_replay replay;
    sync_replay_init(&replay, store->options.alloc, store->doc, store->deps, l->report);
    err = replay_all(txn, &store->head, &replay, store->options.alloc, diag);
    sync_replay_deinit(&replay);
    if (err != CRDT_OK) {
        return err;
    }
    store->sequence = store->head.sequence;
    store->base.durable = store->head.sequence;
    uint64_t key;
    size_t size;
    static const sync_table tables[] = {SYNC_TABLE_LOG, SYNC_TABLE_CHECKPOINT};
    for (size_t i = 0; i < 2; i++) { /* a sweep that was cut short goes on */
        err = find_garbage(txn, tables[i], &store->head, &key, &size, diag);
        if (err == CRDT_OK) {
            store->work.phase = PHASE_SWEEP;
        } else if (err != CRDT_ENOTFOUND) {
            return err;
        }
    }
    return CRDT_OK;
}

static void describe(const disk_store *store, sync_store_report *report)
{
    static const char *const origins[] = {
        [SYNC_ACTOR_NEW] = "a new actor",
        [SYNC_ACTOR_KEPT] = "the same actor",
        [SYNC_ACTOR_COPIED] = "a fresh actor: the store was copied or moved",
        [SYNC_ACTOR_RESTORED] = "a fresh actor: the store was restored",
        [SYNC_ACTOR_UNPROVEN] = "a fresh actor: the state folder cannot be used",
        [SYNC_ACTOR_NONE] = "nobody (read only)",
    };
    int size =
        snprintf(report->text, sizeof report->text,
                 "%s: checkpoint of %" PRIu64 " bytes, %" PRIu64 " batches and %" PRIu64
                 " answers replayed; writes as %s",
                 report->created ? "created" : "opened", report->checkpoint_size,
                 report->batch_count, report->answer_count, origins[report->origin]);
    if (report->dropped_size > 0 && size > 0 && (size_t)size < sizeof report->text) {
        size += snprintf(report->text + size, sizeof report->text - (size_t)size,
                         "; %" PRIu64 " bytes of an unfinished group dropped",
                         report->dropped_size);
    }
    if (store->poison != CRDT_OK && size > 0 && (size_t)size < sizeof report->text) {
        snprintf(report->text + size, sizeof report->text - (size_t)size, "; %s",
                 store->poison_diag.text);
    }
}

static crdt_err open_disk(disk_store *store, sync_store_report *report, crdt_diag *diag)
{
    crdt_err err = open_file(store, report, diag);
    if (err != CRDT_OK) {
        return err;
    }
    report->dropped_size = sync_table_torn_size(store->file);
    load l = {store, report};
    err = sync_table_read(store->file, load_all, &l, diag);
    if (err != CRDT_OK) {
        return err;
    }
    report->history_count = store->head.history_next - store->head.history_first;
    if (!draw(&store->options, &store->base.start_nonce, sizeof(uint64_t))) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "no random bytes");
    }
    if (store->options.read_only) {
        report->origin = SYNC_ACTOR_NONE;
        report->read_only = true;
        crdt_diag why;
        crdt_diag_set(&why, CRDT_EIO, 0, "the store is open to read only");
        poison(store, CRDT_EIO, &why);
    } else {
        err = take_identity(store, report, diag);
    }
    if (err == CRDT_OK && report->created) {
        err = sync_file_sync_dir(store->dir, diag);
    }
    return err;
}

crdt_err sync_store_open(sync_store **out, const char *dir,
                         const sync_store_options *options, crdt_document *doc,
                         crdt_deps *deps, sync_store_report *report, crdt_diag *diag)
{
    sync_store_report unread;
    sync_store_options defaults = sync_store_options_default();
    report = report != NULL ? report : &unread;
    options = options != NULL ? options : &defaults;
    *report = (sync_store_report){.origin = SYNC_ACTOR_NONE};
    disk_store *store = crdt_allocate(options->alloc, sizeof *store);
    if (store == NULL) {
        return CRDT_ENOMEM;
    }
    *store = (disk_store){
        .base.ops = &DISK_OPS,
        .options = *options,
        .dir_size = strlen(dir) + 1,
        .lock_fd = -1,
        .identity.fd = -1,
        .doc = doc,
        .deps = deps,
    };
    sync_settings_init(&store->settings, options->alloc);
    crdt_buf_init(&store->queue, options->alloc);
    crdt_buf_init(&store->snapshot, options->alloc);
    store->dir = crdt_allocate(options->alloc, store->dir_size);
    crdt_err err = CRDT_ENOMEM;
    if (store->dir != NULL) {
        memcpy(store->dir, dir, store->dir_size);
        err = open_disk(store, report, diag);
    }
    if (err != CRDT_OK) {
        sync_store_close(&store->base);
        return err;
    }
    store->options.state_dir = NULL; /* the caller's, no longer needed */
    describe(store, report);
    *out = &store->base;
    return CRDT_OK;
}

static void disk_close(sync_store *base)
{
    disk_store *store = as_disk(base);
    crdt_alloc alloc = store->options.alloc;
    if (store->identity.fd >= 0) {
        sync_identity_release(&store->identity, store->head.txn);
    }
    sync_table_close(store->file);
    if (store->lock_fd >= 0) {
        close(store->lock_fd); /* lets go of the lock: last */
    }
    sync_settings_deinit(&store->settings);
    crdt_buf_deinit(&store->queue);
    crdt_buf_deinit(&store->snapshot);
    crdt_free(alloc, store->dir, store->dir_size);
    crdt_free(alloc, store, sizeof *store);
}

/* ---- reading ---- */

typedef struct step {
    disk_store *store;
    bool newer;
    uint64_t *at;
    crdt_buf *out;
} step;

/* The key of the first part of the record wanted. */
static crdt_err find_history(const step *s, sync_table_txn *txn, uint64_t *key,
                             crdt_diag *diag)
{
    crdt_span value;
    sync_table_seek seek = s->newer ? SYNC_SEEK_AT_LEAST : SYNC_SEEK_BELOW;
    if (s->newer && *s->at == UINT64_MAX) {
        return CRDT_ENOTFOUND;
    }
    *key = s->newer ? *s->at + 1 : *s->at;
    for (;;) {
        crdt_err err =
            sync_table_find(txn, SYNC_TABLE_HISTORY, seek, key, &value, diag);
        if (err != CRDT_OK) {
            return err;
        }
        if (value.size >= FRAGMENT_HEAD && (value.data[1] & FRAGMENT_FIRST) != 0) {
            return CRDT_OK;
        }
        *key += s->newer ? 1 : 0;
    }
}

static crdt_err step_history(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    step *s = ctx;
    uint64_t key = 0;
    crdt_err err = find_history(s, txn, &key, diag);
    if (err != CRDT_OK) {
        return err;
    }
    uint64_t first = key;
    uint8_t kind;
    crdt_span bytes = {0};
    err = get_record(txn, SYNC_TABLE_HISTORY, &key, s->store->head.history_next, s->out,
                     &kind, &bytes, diag);
    if (err == CRDT_OK && s->out->size == 0) { /* in one piece: still in the file */
        err = crdt_buf_append_span(s->out, bytes);
    }
    if (err == CRDT_OK) {
        *s->at = first;
    }
    return err;
}

static crdt_err disk_history_step(sync_store *base, bool newer, uint64_t *at,
                                  crdt_buf *out, crdt_diag *diag)
{
    step s = {as_disk(base), newer, at, out};
    return sync_table_read(s.store->file, step_history, &s, diag);
}

static sync_store_stats disk_stat(sync_store *base)
{
    disk_store *store = as_disk(base);
    sync_store_stats stats = {
        .log_size = store->head.log_size,
        .checkpoint_size = store->head.checkpoint_size,
        .history_size = store->head.history_size,
        .commit_count = store->commit_count,
    };
    sync_table_sizes(store->file, &stats.file_size, &stats.live_size);
    return stats;
}

/* ---- verify ---- */

/* Every seal of a table, also of what nothing refers to. */
static crdt_err check_seals(sync_table_txn *txn, sync_table table, crdt_diag *diag)
{
    for (uint64_t key = 0;; key++) {
        crdt_span value;
        crdt_err err =
            sync_table_find(txn, table, SYNC_SEEK_AT_LEAST, &key, &value, diag);
        if (err != CRDT_OK) {
            return err == CRDT_ENOTFOUND ? CRDT_OK : err;
        }
    }
}

static crdt_err check_history(sync_table_txn *txn, const head *h, crdt_buf *joined,
                              uint64_t *count, crdt_diag *diag)
{
    uint64_t size = 0;
    *count = 0;
    for (uint64_t key = h->history_first; key < h->history_next; *count += 1) {
        uint8_t kind;
        crdt_span bytes = {0};
        crdt_err err = get_record(txn, SYNC_TABLE_HISTORY, &key, h->history_next,
                                  joined, &kind, &bytes, diag);
        if (err != CRDT_OK) {
            return err;
        }
        size += bytes.size;
    }
    if (size != h->history_size) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                             "the history has %" PRIu64 " bytes, %" PRIu64
                             " are recorded",
                             size, h->history_size);
    }
    return CRDT_OK;
}

typedef struct verification {
    disk_store *store;
    sync_replay replay;
} verification;

static crdt_err verify_all(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    verification *v = ctx;
    crdt_alloc alloc = v->store->options.alloc;
    head h = {0};
    crdt_err err = get_head(txn, &h, diag);
    for (size_t i = 0; i < SYNC_TABLE_COUNT && err == CRDT_OK; i++) {
        err = check_seals(txn, (sync_table)i, diag);
    }
    crdt_buf joined;
    crdt_buf_init(&joined, alloc);
    if (err == CRDT_OK) {
        err = check_history(txn, &h, &joined, &v->replay.report->history_count, diag);
    }
    crdt_buf_deinit(&joined);
    if (err == CRDT_OK) {
        crdt_actor actor;
        sync_token token;
        err = load_identity(txn, &actor, &token, diag);
    }
    if (err == CRDT_OK) {
        sync_settings settings;
        sync_settings_init(&settings, alloc);
        err = load_settings(txn, &settings, diag);
        sync_settings_deinit(&settings);
    }
    return err == CRDT_OK ? replay_all(txn, &h, &v->replay, alloc, diag) : err;
}

static crdt_err verify_document(const crdt_document *doc, crdt_diag *diag)
{
    if (!crdt_document_check(doc)) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                             "the document breaks its own invariants");
    }
    return CRDT_OK;
}

static crdt_err disk_verify(sync_store *base, sync_store_report *report,
                            crdt_diag *diag)
{
    disk_store *store = as_disk(base);
    sync_store_report unread;
    report = report != NULL ? report : &unread;
    *report = (sync_store_report){.origin = SYNC_ACTOR_NONE, .read_only = true};
    crdt_err err = sync_table_check(store->file, diag);
    crdt_document *doc = NULL;
    crdt_deps *deps = NULL;
    if (err == CRDT_OK) {
        crdt_document_options options = crdt_document_options_default();
        options.alloc = store->options.alloc;
        err = crdt_document_open(&doc, &options);
    }
    if (err == CRDT_OK) {
        err = crdt_deps_open(&deps, store->options.alloc, SYNC_STORE_AUTHOR_MAX);
    }
    if (err == CRDT_OK) {
        verification v = {.store = store};
        sync_replay_init(&v.replay, store->options.alloc, doc, deps, report);
        err = sync_table_read(store->file, verify_all, &v, diag);
        sync_replay_deinit(&v.replay);
    }
    if (err == CRDT_OK) {
        err = verify_document(doc, diag);
    }
    if (err == CRDT_OK) {
        describe(store, report);
    }
    crdt_deps_close(deps);
    crdt_document_close(doc);
    return err;
}

static const sync_store_ops DISK_OPS = {
    .close = disk_close,
    .renew_actor = disk_renew_actor,
    .append = disk_append,
    .set = disk_set,
    .dirty = disk_dirty,
    .commit = disk_commit,
    .maintain = disk_maintain,
    .get = disk_get,
    .history_step = disk_history_step,
    .stat = disk_stat,
    .verify = disk_verify,
};
