#include "sync/store_disk.h"

#include "crdt/mutant.h"

#include "sync/little.h"

#include <inttypes.h>
#include <string.h>

enum { HEAD_SIZE = 20 * 8, IDENTITY_SIZE = 32 };

/* ---- the head ---- */

static void list_fields(disk_head *h, uint64_t *fields[HEAD_SIZE / 8])
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
        &h->group,
    };
    memcpy(fields, all, sizeof all);
}

crdt_err disk_put_head(sync_table_txn *txn, disk_head *h, crdt_diag *diag)
{
    uint64_t *fields[HEAD_SIZE / 8];
    uint8_t bytes[HEAD_SIZE];
    h->txn = sync_table_txn_id(txn);
    list_fields(h, fields);
    for (size_t i = 0; i < HEAD_SIZE / 8; i++) {
        sync_put_u64(bytes + 8 * i, *fields[i]);
    }
    return sync_table_put_named(txn, "head", (crdt_span){bytes, sizeof bytes}, diag);
}

crdt_err disk_decode_head(crdt_span bytes, disk_head *h, crdt_diag *diag)
{
    if (bytes.size >= 8 && sync_get_u64(bytes.data) != SYNC_STORE_FORMAT) {
        return crdt_diag_set(diag, CRDT_EVERSION, 0,
                             "the store is of format %" PRIu64 ", this program's is %u",
                             sync_get_u64(bytes.data), SYNC_STORE_FORMAT);
    }
    if (bytes.size != HEAD_SIZE) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0, "the store's head has a bad size");
    }
    uint64_t *fields[HEAD_SIZE / 8];
    list_fields(h, fields);
    for (size_t i = 0; i < HEAD_SIZE / 8; i++) {
        *fields[i] = sync_get_u64(bytes.data + 8 * i);
    }
    return CRDT_OK;
}

crdt_err disk_get_head(sync_table_txn *txn, disk_head *h, crdt_diag *diag)
{
    crdt_span bytes;
    crdt_err err = sync_table_get_named(txn, "head", &bytes, diag);
    if (err != CRDT_OK) {
        return err == CRDT_ENOTFOUND
                   ? crdt_diag_set(diag, CRDT_ECORRUPT, 0, "the store has no head")
                   : err;
    }
    err = disk_decode_head(bytes, h, diag);
    if (err != CRDT_OK) {
        return err;
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

crdt_err disk_put_record(sync_table_txn *txn, sync_table table, uint64_t *next_key,
                         uint8_t kind, crdt_span bytes, crdt_diag *diag)
{
    size_t offset = 0;
    do {
        size_t left = bytes.size - offset;
        size_t size = left < FRAGMENT_SIZE ? left : (size_t)FRAGMENT_SIZE;
        uint8_t flags =
            (uint8_t)((offset == 0 ? FRAGMENT_FIRST : 0) |
                      (size == left && !(MUTANT(313) && offset > 0) ? FRAGMENT_LAST
                                                                    : 0));
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

crdt_err disk_get_fragment(sync_table_txn *txn, sync_table table, uint64_t key,
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

crdt_err disk_get_record(sync_table_txn *txn, sync_table table, uint64_t *key,
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
            disk_get_fragment(txn, table, at, &fragment_kind, &flags, bytes, diag);
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

crdt_err disk_get_settings(sync_table_txn *txn, sync_settings *settings,
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

crdt_err disk_get_identity(sync_table_txn *txn, crdt_actor *actor, sync_token *token,
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

crdt_err disk_put_identity(sync_table_txn *txn, const crdt_actor *actor,
                           const sync_token *token, crdt_diag *diag)
{
    uint8_t bytes[IDENTITY_SIZE];
    memcpy(bytes, actor->bytes, 16);
    memcpy(bytes + 16, token->bytes, SYNC_TOKEN_SIZE);
    return sync_table_put_named(txn, "identity", (crdt_span){bytes, sizeof bytes},
                                diag);
}
