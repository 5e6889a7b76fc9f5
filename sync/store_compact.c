#include "sync/store_disk.h"

#include "crdt/mutant.h"

/* Write chunks of the snapshot; with the last one the head points to them. */
static crdt_err write_chunks(const disk_store *store, sync_table_txn *txn, disk_head *h,
                             disk_work *w, crdt_diag *diag)
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
    h->log_first = w->log_next + MUTANT(310);
    h->log_size -= w->log_size;
    w->phase = PHASE_SWEEP;
    return CRDT_OK;
}

crdt_err disk_find_garbage(sync_table_txn *txn, sync_table table, const disk_head *h,
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

static crdt_err sweep(const disk_store *store, sync_table_txn *txn, const disk_head *h,
                      disk_work *w, crdt_diag *diag)
{
    static const sync_table tables[] = {SYNC_TABLE_LOG, SYNC_TABLE_CHECKPOINT};
    size_t budget = store->budget;
    for (size_t i = 0; i < 2; i++) {
        for (;;) {
            uint64_t key;
            size_t size;
            crdt_err err = disk_find_garbage(txn, tables[i], h, &key, &size, diag);
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

crdt_err disk_compact(const disk_store *store, sync_table_txn *txn, disk_head *h,
                      disk_work *w, crdt_diag *diag)
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
    crdt_err err = disk_settle(store, NULL);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_buf_clear(&store->snapshot);
    err = crdt_document_answer_full(store->doc, store->deps, &store->snapshot);
    if (err == CRDT_OK && store->snapshot.size / FRAGMENT_SIZE >= CHUNK_COUNT_MAX) {
        err = CRDT_ELIMIT;
    }
    if (err != CRDT_OK) {
        crdt_buf_deinit(&store->snapshot);
        return err;
    }
    store->work = (disk_work){
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
    uint64_t due = 2 * store->head.checkpoint_size;
    uint64_t log = 0;
    uint64_t history = 0;
    if (due < store->options.checkpoint_size_min) {
        due = store->options.checkpoint_size_min;
    }
    /* The journal is looked through only where it can make a difference. */
    if (store->head.log_size + store->pending.size > due) {
        disk_count_pending(store, &log, &history);
    }
    return store->head.log_size + log > due;
}

crdt_err disk_maintain(sync_store *base, size_t budget, bool *more, crdt_diag *diag)
{
    disk_store *store = disk_of(base);
    if (more != NULL) {
        *more = false;
    }
    if (store->poison != CRDT_OK) {
        return disk_refuse(store, diag);
    }
    if (store->work.phase == PHASE_REST && !disk_has_queued(store) &&
        checkpoint_is_due(store)) {
        crdt_err err = begin_checkpoint(store);
        if (store->poison != CRDT_OK) {
            return disk_refuse(store, diag);
        }
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
