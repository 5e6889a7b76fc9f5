#include "sync/store_disk.h"

#include "crdt/mutant.h"

#include <inttypes.h>

/* ---- replaying ---- */

static crdt_err replay_checkpoint(sync_table_txn *txn, const disk_head *h,
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
        err = disk_get_fragment(txn, SYNC_TABLE_CHECKPOINT, key, &kind, &flags, &bytes,
                                diag);
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

static crdt_err replay_log(sync_table_txn *txn, const disk_head *h, sync_replay *replay,
                           crdt_buf *joined, crdt_diag *diag)
{
    for (uint64_t key = h->log_first; key < h->log_next;) {
        uint64_t number = key;
        uint8_t kind = 0;
        crdt_span bytes = {0};
        crdt_err err = disk_get_record(txn, SYNC_TABLE_LOG, &key, h->log_next, joined,
                                       &kind, &bytes, diag);
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

crdt_err disk_replay(sync_table_txn *txn, const disk_head *h, sync_replay *replay,
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

/* Groups of the journal, one after the other. */
typedef struct journal_replay {
    sync_replay *replay;
    disk_head *head;
    crdt_buf *pending; /* or NULL */
    uint64_t number;   /* of the next record, as if it were in the log */
    crdt_buf records;  /* of the group at hand */
} journal_replay;

static crdt_err replay_group(void *ctx, const sync_journal_group *group,
                             crdt_diag *diag)
{
    journal_replay *r = ctx;
    sync_record_kind kind;
    crdt_span bytes = {0};
    crdt_buf_clear(&r->records);
    crdt_err err = crdt_buf_append_span(&r->records, group->bytes);
    if (err == CRDT_OK && r->pending != NULL) {
        err = crdt_buf_append_span(r->pending, group->bytes);
    }
    for (size_t at = 0;
         err == CRDT_OK && disk_next_queued(&r->records, &at, &kind, &bytes);) {
        if (kind != SYNC_RECORD_HISTORY) {
            err = sync_replay_record(r->replay, kind, bytes, r->number++, diag);
        } else {
            r->replay->report->history_count++;
        }
    }
    r->head->group = group->number;
    r->head->sequence = MUTANT(320) ? r->head->sequence : group->sequence;
    r->head->mark = group->mark;
    return err;
}

crdt_err disk_replay_journal(const disk_store *store, const sync_token *token,
                             disk_head *h, sync_replay *replay, crdt_buf *pending,
                             uint64_t *torn_size, crdt_diag *diag)
{
    char path[SYNC_PATH_MAX];
    uint64_t tables = h->group;
    journal_replay r = {
        .replay = replay, .head = h, .pending = pending, .number = h->log_next};
    crdt_buf_init(&r.records, store->options.alloc);
    *torn_size = 0;
    crdt_err err = disk_join(store, "journal", path, diag);
    if (err == CRDT_OK) {
        err =
            sync_journal_read(path, disk_journal_seed(token), tables,
                              store->options.alloc, replay_group, &r, torn_size, diag);
    }
    crdt_buf_deinit(&r.records);
    if (err != CRDT_OK || h->group == tables) {
        return err;
    }
    sync_mark mark = sync_mark_of(replay->doc);
    return sync_mark_compare(&h->mark, &mark, diag);
}

/* ---- reading ---- */

/* The history record of the journal that comes right after `*at` (`newer`), or before it.
 * Its key is the one that the tables will give it. */
static bool find_pending(const disk_store *store, bool newer, uint64_t *at,
                         crdt_span *found)
{
    sync_record_kind kind;
    crdt_span bytes;
    uint64_t next = store->head.history_next;
    uint64_t found_at = 0;
    for (size_t offset = 0;
         disk_next_queued(&store->pending, &offset, &kind, &bytes);) {
        if (kind != SYNC_RECORD_HISTORY) {
            continue;
        }
        uint64_t key = next;
        next += bytes.size <= FRAGMENT_SIZE
                    ? 1
                    : (bytes.size + FRAGMENT_SIZE - 1) / FRAGMENT_SIZE;
        if (newer ? key > *at : key < *at) {
            *found = bytes;
            found_at = key;
        }
        if (newer ? found_at != 0 : key >= *at) {
            break;
        }
    }
    *at = found_at != 0 ? found_at : *at;
    return found_at != 0;
}

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
    err = disk_get_record(txn, SYNC_TABLE_HISTORY, &key, s->store->head.history_next,
                          s->out, &kind, &bytes, diag);
    if (err == CRDT_OK && s->out->size == 0) { /* in one piece: still in the file */
        err = crdt_buf_append_span(s->out, bytes);
    }
    if (err == CRDT_OK) {
        *s->at = first;
    }
    return err;
}

crdt_err disk_history_step(sync_store *base, bool newer, uint64_t *at, crdt_buf *out,
                           crdt_diag *diag)
{
    step s = {disk_of(base), newer, at, out};
    crdt_span found;
    crdt_err err = CRDT_ENOTFOUND;
    if (newer) {
        err = sync_table_read(s.store->file, step_history, &s, diag);
    }
    if (err == CRDT_ENOTFOUND && find_pending(s.store, newer, at, &found)) {
        crdt_buf_clear(out);
        return crdt_buf_append_span(out, found);
    }
    return newer ? err : sync_table_read(s.store->file, step_history, &s, diag);
}

sync_store_stats disk_stat(sync_store *base)
{
    disk_store *store = disk_of(base);
    uint64_t log = 0;
    uint64_t history = 0;
    disk_count_pending(store, &log, &history);
    sync_store_stats stats = {
        .log_size = store->head.log_size + log,
        .checkpoint_size = store->head.checkpoint_size,
        .history_size = store->head.history_size + history,
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

static crdt_err check_history(sync_table_txn *txn, const disk_head *h, crdt_buf *joined,
                              uint64_t *count, crdt_diag *diag)
{
    uint64_t size = 0;
    *count = 0;
    for (uint64_t key = h->history_first; key < h->history_next; *count += 1) {
        uint8_t kind;
        crdt_span bytes = {0};
        crdt_err err = disk_get_record(txn, SYNC_TABLE_HISTORY, &key, h->history_next,
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
    disk_head h = {0};
    crdt_err err = disk_get_head(txn, &h, diag);
    for (size_t i = 0; i < SYNC_TABLE_COUNT && err == CRDT_OK; i++) {
        err = check_seals(txn, (sync_table)i, diag);
    }
    crdt_buf joined;
    crdt_buf_init(&joined, alloc);
    if (err == CRDT_OK) {
        err = check_history(txn, &h, &joined, &v->replay.report->history_count, diag);
    }
    crdt_buf_deinit(&joined);
    crdt_actor actor;
    sync_token token;
    if (err == CRDT_OK) {
        err = disk_get_identity(txn, &actor, &token, diag);
    }
    if (err == CRDT_OK) {
        sync_settings settings;
        sync_settings_init(&settings, alloc);
        err = disk_get_settings(txn, &settings, diag);
        sync_settings_deinit(&settings);
    }
    if (err == CRDT_OK) {
        err = disk_replay(txn, &h, &v->replay, alloc, diag);
    }
    uint64_t torn_size = 0;
    return err == CRDT_OK ? disk_replay_journal(v->store, &token, &h, &v->replay, NULL,
                                                &torn_size, diag)
                          : err;
}

static crdt_err verify_document(const crdt_document *doc, crdt_diag *diag)
{
    if (!crdt_document_check(doc)) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                             "the document breaks its own invariants");
    }
    return CRDT_OK;
}

crdt_err disk_verify(sync_store *base, sync_store_report *report, crdt_diag *diag)
{
    disk_store *store = disk_of(base);
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
        disk_describe(store, report);
    }
    crdt_deps_close(deps);
    crdt_document_close(doc);
    return err;
}
