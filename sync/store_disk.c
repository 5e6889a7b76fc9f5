#include "sync/store_disk.h"

#include "crdt/mutant.h"
#include "crdt/digest.h"
#include "sync/little.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { QUEUE_HEAD = 9 }; /* kind, size */

disk_store *disk_of(sync_store *store)
{
    assert(store->ops == &DISK_OPS);
    return (disk_store *)store;
}

const disk_store *disk_of_const(const sync_store *store)
{
    assert(store->ops == &DISK_OPS);
    return (const disk_store *)store;
}

/* ---- writing ---- */

crdt_err disk_refuse(const disk_store *store, crdt_diag *diag)
{
    if (store->poison != CRDT_OK && diag != NULL) {
        *diag = store->poison_diag;
    }
    return store->poison;
}

crdt_err disk_poison(disk_store *store, crdt_err err, const crdt_diag *why)
{
    store->poison = err;
    store->poison_diag = *why;
    return err;
}

static crdt_err disk_append(sync_store *base, sync_record_kind kind, crdt_span bytes,
                            uint64_t *sequence, crdt_diag *diag)
{
    disk_store *store = disk_of(base);
    if (store->poison != CRDT_OK) {
        return disk_refuse(store, diag);
    }
    if (bytes.size > SYNC_STORE_RECORD_SIZE_MAX ||
        (store->queue.size > 0 &&
         store->queue.size + bytes.size > store->options.queue_size_max)) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "the store's queue is full");
    }
    uint8_t prefix[QUEUE_HEAD] = {(uint8_t)kind};
    sync_put_u64(prefix + 1, bytes.size);
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
    disk_store *store = disk_of(base);
    if (store->poison != CRDT_OK) {
        return disk_refuse(store, diag);
    }
    return sync_settings_set(&store->settings, key, value, diag);
}

static bool disk_get(const sync_store *base, const char *key, crdt_span *value)
{
    return sync_settings_get(&disk_of_const(base)->settings, key, value);
}

bool disk_next_queued(const crdt_buf *queue, size_t *offset, sync_record_kind *kind,
                      crdt_span *bytes)
{
    if (*offset == queue->size) {
        return false;
    }
    const uint8_t *at = queue->data + *offset;
    *kind = (sync_record_kind)at[0];
    *bytes = (crdt_span){at + QUEUE_HEAD, (size_t)sync_get_u64(at + 1)};
    *offset += QUEUE_HEAD + bytes->size;
    return true;
}

void disk_count_pending(const disk_store *store, uint64_t *log, uint64_t *history)
{
    sync_record_kind kind;
    crdt_span bytes;
    *log = 0;
    *history = 0;
    for (size_t at = 0; disk_next_queued(&store->pending, &at, &kind, &bytes);) {
        *(kind == SYNC_RECORD_HISTORY ? history : log) += bytes.size;
    }
}

/* What one transaction of the tables changes; made anew for each try. */
typedef struct change {
    disk_store *store;
    bool settle; /* only what the journal has */
    disk_head head;
    disk_work work;
} change;

static crdt_err write_queue(const crdt_buf *queue, sync_table_txn *txn, disk_head *h,
                            crdt_diag *diag)
{
    sync_record_kind kind;
    crdt_span bytes;
    for (size_t at = 0; disk_next_queued(queue, &at, &kind, &bytes);) {
        bool history = kind == SYNC_RECORD_HISTORY;
        crdt_err err = disk_put_record(
            txn, history ? SYNC_TABLE_HISTORY : SYNC_TABLE_LOG,
            history ? &h->history_next : &h->log_next, (uint8_t)kind, bytes, diag);
        if (err != CRDT_OK) {
            return err;
        }
        *(history ? &h->history_size : &h->log_size) += bytes.size;
    }
    return CRDT_OK;
}

/* Let go of the oldest history records until the rest fits. */
static crdt_err trim_history(const disk_store *store, sync_table_txn *txn, disk_head *h,
                             crdt_diag *diag)
{
    while (h->history_size > store->options.history_size_max &&
           h->history_first < h->history_next) {
        uint8_t kind;
        uint8_t flags = 0;
        while ((flags & FRAGMENT_LAST) == 0 && h->history_first < h->history_next) {
            crdt_span bytes;
            crdt_err err = disk_get_fragment(txn, SYNC_TABLE_HISTORY, h->history_first,
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
        if (!row->queued || MUTANT(315)) {
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

bool disk_has_queued(const disk_store *store)
{
    return store->queue.size > 0 || store->settings.queued || store->actor_queued;
}

/* ---- group commit: into the tables ---- */

/* What was queued, and compaction. */
static crdt_err write_new(change *c, sync_table_txn *txn, crdt_diag *diag)
{
    const disk_store *store = c->store;
    c->head.sequence = store->sequence;
    c->head.group = store->group + 1;
    c->head.mark = sync_mark_of(store->doc);
    crdt_err err = write_queue(&store->queue, txn, &c->head, diag);
    if (err == CRDT_OK) {
        err = write_settings(store, txn, diag);
    }
    if (err == CRDT_OK && store->actor_queued) {
        err = disk_put_identity(txn, &store->base.actor, &store->token, diag);
    }
    return err == CRDT_OK ? disk_compact(store, txn, &c->head, &c->work, diag) : err;
}

static crdt_err write_group(void *ctx, sync_table_txn *txn, crdt_diag *diag)
{
    change *c = ctx;
    const disk_store *store = c->store;
    c->head = store->head;
    c->work = store->work;
    c->head.sequence = store->base.durable;
    c->head.group = store->group;
    c->head.mark = store->mark;
    crdt_err err = write_queue(&store->pending, txn, &c->head, diag);
    if (err == CRDT_OK && !c->settle) {
        err = write_new(c, txn, diag);
    }
    if (err == CRDT_OK) {
        err = trim_history(store, txn, &c->head, diag);
    }
    return err == CRDT_OK ? disk_put_head(txn, &c->head, diag) : err;
}

static crdt_err commit_to_tables(disk_store *store, bool settle, crdt_diag *why)
{
    change c = {.store = store, .settle = settle};
    crdt_err err = sync_table_write(store->file, write_group, &c, why);
    if (err != CRDT_OK) {
        return err;
    }
    store->head = c.head;
    store->work = c.work;
    store->group = c.head.group;
    store->mark = c.head.mark;
    if (store->pending.size > 0) {
        crdt_buf_clear(&store->pending);
        sync_journal_turn(&store->journal);
    }
    if (settle) {
        return CRDT_OK;
    }
    store->budget = 0;
    store->actor_queued = false;
    sync_settings_settle(&store->settings);
    if (store->work.phase != PHASE_WRITE) {
        crdt_buf_deinit(&store->snapshot);
    }
    return CRDT_OK;
}

static crdt_err explain(disk_store *store, crdt_err err, crdt_diag *why,
                        crdt_diag *diag)
{
    if (why->text[0] == '\0') {
        crdt_diag_set(why, err, 0, "cannot write to the store: %s", crdt_err_text(err));
    }
    disk_poison(store, err, why);
    return disk_refuse(store, diag);
}

crdt_err disk_settle(disk_store *store, crdt_diag *diag)
{
    crdt_diag why = {0};
    if (store->pending.size == 0 || store->poison != CRDT_OK) {
        return disk_refuse(store, diag);
    }
    crdt_err err = commit_to_tables(store, true, &why);
    return err == CRDT_OK ? err : explain(store, err, &why, diag);
}

/* ---- group commit: into the journal ---- */

uint64_t disk_journal_seed(const sync_token *token)
{
    return crdt_hash64((crdt_span){token->bytes, sizeof token->bytes}, 0);
}

/* Made when it is wanted for the first time; where it cannot be, the tables do alone. */
static bool has_journal(disk_store *store)
{
    char path[SYNC_PATH_MAX];
    if (store->journal.fd >= 0 || store->journal_failed) {
        return !store->journal_failed;
    }
    crdt_err err = disk_join(store, "journal", path, NULL);
    if (err == CRDT_OK) {
        err = sync_journal_make(&store->journal, store->dir, path,
                                disk_journal_seed(&store->token),
                                store->options.journal_size, NULL);
    }
    store->journal_failed = err != CRDT_OK;
    return !store->journal_failed;
}

/* Records only, and room for them in file and memory. */
static bool suits_journal(disk_store *store)
{
    return store->pending.size <= store->options.history_size_max / 4 &&
           !store->settings.queued && !store->actor_queued && store->budget == 0 &&
           store->commit_count >= store->options.journal_after &&
           store->queue.size <= store->options.journal_size / 4 && has_journal(store) &&
           sync_journal_fits(&store->journal, store->queue.size) &&
           crdt_buf_reserve(&store->pending, store->queue.size) == CRDT_OK;
}

static crdt_err commit_to_journal(disk_store *store, crdt_diag *why)
{
    sync_journal_group group = {.number = store->group + 1,
                                .sequence = store->sequence,
                                .mark = sync_mark_of(store->doc),
                                .bytes = crdt_buf_span(&store->queue)};
    crdt_err err = sync_journal_append(&store->journal, &group, why);
    if (err == CRDT_OK) {
        if (!MUTANT(302)) {
            crdt_buf_append_span(&store->pending, group.bytes); /* there is room */
        }
        store->group = group.number;
        store->mark = group.mark;
    }
    return err;
}

static bool disk_dirty(const sync_store *base)
{
    const disk_store *store = disk_of_const(base);
    return disk_has_queued(store) || store->budget > 0;
}

static crdt_err disk_commit(sync_store *base, uint64_t *sequence, crdt_diag *diag)
{
    disk_store *store = disk_of(base);
    if (store->poison != CRDT_OK) {
        return disk_refuse(store, diag);
    }
    if (disk_dirty(base)) {
        crdt_diag why = {0};
        crdt_err err = suits_journal(store) ? commit_to_journal(store, &why)
                                            : commit_to_tables(store, false, &why);
        if (err != CRDT_OK) {
            return MUTANT(312) ? err : explain(store, err, &why, diag);
        }
        store->base.durable = store->sequence;
        store->commit_count++;
        crdt_buf_clear(&store->queue);
        if (!MUTANT(319)) {
            sync_identity_note(&store->identity, store->group);
        }
    }
    if (sequence != NULL) {
        *sequence = store->base.durable;
    }
    return CRDT_OK;
}

/* ---- identity ---- */

bool disk_draw(const sync_store_options *options, void *bytes, size_t size)
{
    return options->random != NULL ? options->random(options->random_ctx, bytes, size)
                                   : sync_file_random(NULL, bytes, size);
}

static crdt_err disk_renew_actor(sync_store *base, crdt_actor *actor, crdt_diag *diag)
{
    disk_store *store = disk_of(base);
    if (store->poison != CRDT_OK) {
        return disk_refuse(store, diag);
    }
    if (!disk_draw(&store->options, &store->base.actor, sizeof store->base.actor)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "no random bytes");
    }
    if (MUTANT(30)) {
        memset(store->base.actor.bytes, 1, 16); /* "the second" it was made in */
    }
    store->actor_queued = true;
    if (actor != NULL) {
        *actor = store->base.actor;
    }
    return CRDT_OK;
}

static void disk_close(sync_store *base)
{
    disk_store *store = disk_of(base);
    crdt_alloc alloc = store->options.alloc;
    char path[SYNC_PATH_MAX];
    if (disk_settle(store, NULL) == CRDT_OK &&
        disk_join(store, "journal", path, NULL) == CRDT_OK) {
        (void)unlink(path); /* the tables have it all: what stays of it says nothing */
    }
    if (store->identity.fd >= 0) {
        sync_identity_release(&store->identity, store->group);
    }
    sync_journal_deinit(&store->journal);
    sync_table_close(store->file);
    if (store->lock_fd >= 0) {
        close(store->lock_fd); /* lets go of the lock: last */
    }
    sync_settings_deinit(&store->settings);
    crdt_buf_deinit(&store->queue);
    crdt_buf_deinit(&store->pending);
    crdt_buf_deinit(&store->snapshot);
    crdt_free(alloc, store->dir, store->dir_size);
    crdt_free(alloc, store, sizeof *store);
}

const sync_store_ops DISK_OPS = {
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
