#include "sync/table.h"

#include "crdt/digest.h"
#include "sync/file.h"
#include "sync/little.h"
#include "sync/page.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    SEAL_SIZE = 8,
    PIN_COUNT = 2,
    PIN_TXNS_MIN = 64, /* transactions between moving one pin and the other; */
    PIN_PAGES = 128,   /* more in a larger file, which takes longer to copy */
};
#define MAP_SIZE_MIN ((size_t)16 << 20)
#define DISK_FULL_SIZE                                                                 \
    (256u << 10) /* with less room left a failed write is no wonder */

struct sync_table_file {
    crdt_alloc alloc;
    MDB_env *env;
    MDB_dbi names; /* LMDB's unnamed table, which also lists the others */
    MDB_dbi tables[SYNC_TABLE_COUNT];
    MDB_txn *pins[PIN_COUNT]; /* readers that keep old pages from being used again */
    uint64_t write_count;
    uint64_t pin_at; /* write_count when a pin was last moved */
    size_t pin_next;
    uint64_t torn_size;
    bool pinned;
};

struct sync_table_txn {
    sync_table_file *file;
    MDB_txn *txn;
    MDB_cursor *cursors[SYNC_TABLE_COUNT];
    bool full; /* some call found the map full */
};

static const char *const TABLE_NAMES[SYNC_TABLE_COUNT] = {"log", "history",
                                                          "checkpoint"};

static const char *reason(int rc)
{
    return rc > 0 ? sync_file_reason(rc) : mdb_strerror(rc);
}

/* What LMDB's codes mean here. Positive ones are errno. */
static crdt_err fail(int rc, const char *what, crdt_diag *diag)
{
    switch (rc) {
    case MDB_SUCCESS:
        return CRDT_OK;
    case ENOMEM:
        return crdt_diag_set(diag, CRDT_ENOMEM, 0, "%s: out of memory", what);
    case ENOSPC:
    case EDQUOT:
        return crdt_diag_set(diag, CRDT_EIO, 0,
                             "%s: the disk is full; make room and open again", what);
    case MDB_NOTFOUND:
        return CRDT_ENOTFOUND;
    case MDB_VERSION_MISMATCH:
        return crdt_diag_set(diag, CRDT_EVERSION, 0, "%s: another LMDB format", what);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_KEYEXIST:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_VALSIZE:
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                             "%s: the store's file is damaged (%s): restore a copy, or "
                             "start anew from a peer",
                             what, reason(rc));
    default:
        return crdt_diag_set(diag, CRDT_EIO, 0, "%s: %s", what, reason(rc));
    }
}

/* ---- opening ---- */

static void drop_pins(sync_table_file *file)
{
    for (size_t i = 0; i < PIN_COUNT; i++) {
        if (file->pins[i] != NULL) {
            mdb_txn_abort(file->pins[i]);
            file->pins[i] = NULL;
        }
    }
}

/* Let pin `i` hold what is newest now. A pin that cannot be had protects less, no more. */
static void move_pin(sync_table_file *file, size_t i)
{
    if (file->pins[i] == NULL) {
        if (mdb_txn_begin(file->env, NULL, MDB_RDONLY, &file->pins[i]) != 0) {
            file->pins[i] = NULL;
        }
        return;
    }
    mdb_txn_reset(file->pins[i]);
    if (mdb_txn_renew(file->pins[i]) != 0) {
        mdb_txn_abort(file->pins[i]);
        file->pins[i] = NULL;
    }
}

static uint64_t pin_txns(const sync_table_file *file)
{
    MDB_envinfo info;
    if (mdb_env_info(file->env, &info) != 0) {
        return PIN_TXNS_MIN;
    }
    uint64_t txns = info.me_last_pgno / PIN_PAGES;
    return txns > PIN_TXNS_MIN ? txns : PIN_TXNS_MIN;
}

static crdt_err check_pages(const char *path, sync_table_file *file, size_t *map_size,
                            crdt_diag *diag)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "%.120s: %s", path,
                             sync_file_reason(errno));
    }
    sync_page_report report;
    crdt_err err = sync_page_check(fd, file->alloc, &report, diag);
    close(fd);
    if (err != CRDT_OK) {
        return err;
    }
    if (report.file_size > report.used_size) {
        file->torn_size = report.file_size - report.used_size;
    }
    uint64_t size = report.used_size * 2;
    if (size > *map_size && size <= SIZE_MAX / 2) {
        *map_size = (size_t)size;
    }
    return CRDT_OK;
}

static int open_tables(sync_table_file *file, bool create)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(file->env, NULL, create ? 0 : MDB_RDONLY, &txn);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_dbi_open(txn, NULL, 0, &file->names);
    unsigned flags = MDB_INTEGERKEY | (create ? MDB_CREATE : 0u);
    for (size_t i = 0; i < SYNC_TABLE_COUNT && rc == 0; i++) {
        rc = mdb_dbi_open(txn, TABLE_NAMES[i], flags, &file->tables[i]);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
    }
    return mdb_txn_commit(txn);
}

static int open_env(sync_table_file *file, const char *path, sync_table_mode mode,
                    size_t map_size)
{
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS;
    if (mode == SYNC_TABLE_CREATE) {
        flags |= MDB_NOLOCK;
    } else if (mode == SYNC_TABLE_READ) {
        flags |= MDB_NOLOCK | MDB_RDONLY;
    }
    int rc = mdb_env_create(&file->env);
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(file->env, SYNC_TABLE_COUNT);
    }
    if (rc == 0) {
        rc = mdb_env_set_mapsize(file->env, map_size);
    }
    if (rc == 0) {
        rc = mdb_env_open(file->env, path, flags, 0600);
    }
    return rc != 0 ? rc : open_tables(file, mode == SYNC_TABLE_CREATE);
}

crdt_err sync_table_open(sync_table_file **out, const char *path, sync_table_mode mode,
                         crdt_alloc alloc, crdt_diag *diag)
{
    sync_table_file *file = crdt_allocate(alloc, sizeof *file);
    if (file == NULL) {
        return CRDT_ENOMEM;
    }
    *file = (sync_table_file){.alloc = alloc, .pinned = mode == SYNC_TABLE_WRITE};
    size_t map_size = MAP_SIZE_MIN;
    crdt_err err = CRDT_OK;
    if (mode != SYNC_TABLE_CREATE) {
        err = check_pages(path, file, &map_size, diag);
    }
    if (err == CRDT_OK) {
        err = fail(open_env(file, path, mode, map_size), "cannot open the store", diag);
    }
    if (err != CRDT_OK) {
        sync_table_close(file);
        return err;
    }
    for (size_t i = 0; i < PIN_COUNT && file->pinned; i++) {
        move_pin(file, i);
    }
    *out = file;
    return CRDT_OK;
}

void sync_table_close(sync_table_file *file)
{
    if (file == NULL) {
        return;
    }
    if (file->env != NULL) {
        drop_pins(file);
        mdb_env_close(file->env);
    }
    crdt_free(file->alloc, file, sizeof *file);
}

int sync_table_fd(const sync_table_file *file)
{
    mdb_filehandle_t fd = -1;
    (void)mdb_env_get_fd(file->env, &fd);
    return fd;
}

crdt_err sync_table_check(const sync_table_file *file, crdt_diag *diag)
{
    return sync_page_check(sync_table_fd(file), file->alloc, NULL, diag);
}

uint64_t sync_table_torn_size(const sync_table_file *file)
{
    return file->torn_size;
}

static uint64_t table_size(MDB_txn *txn, MDB_dbi dbi)
{
    MDB_stat stat;
    if (mdb_stat(txn, dbi, &stat) != 0) {
        return 0;
    }
    return (uint64_t)stat.ms_psize *
           (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages);
}

void sync_table_sizes(sync_table_file *file, uint64_t *file_size, uint64_t *live_size)
{
    struct stat st;
    MDB_txn *txn = NULL;
    *file_size = fstat(sync_table_fd(file), &st) == 0 ? (uint64_t)st.st_size : 0;
    *live_size = 0;
    if (mdb_txn_begin(file->env, NULL, MDB_RDONLY, &txn) == 0) {
        *live_size = table_size(txn, file->names);
        for (size_t i = 0; i < SYNC_TABLE_COUNT; i++) {
            *live_size += table_size(txn, file->tables[i]);
        }
        mdb_txn_abort(txn);
    }
}

/* ---- transactions ---- */

static crdt_err grow_map(sync_table_file *file, crdt_diag *diag)
{
    MDB_envinfo info;
    int rc = mdb_env_info(file->env, &info);
    if (rc == 0 && info.me_mapsize > SIZE_MAX / 4) {
        rc = ENOMEM;
    }
    drop_pins(file); /* the map may only move while nobody looks at it */
    if (rc == 0) {
        rc = mdb_env_set_mapsize(file->env, info.me_mapsize * 2);
    }
    for (size_t i = 0; i < PIN_COUNT && file->pinned && rc == 0; i++) {
        move_pin(file, i);
    }
    return fail(rc, "cannot grow the store's map", diag);
}

static void close_cursors(sync_table_txn *txn)
{
    for (size_t i = 0; i < SYNC_TABLE_COUNT; i++) {
        if (txn->cursors[i] != NULL) {
            mdb_cursor_close(txn->cursors[i]);
            txn->cursors[i] = NULL;
        }
    }
}

/* LMDB calls a write that ended early, as the last one on a full disk does, EIO. */
static int explain_write(const sync_table_file *file, int rc)
{
    struct statvfs st;
    if (rc == EIO && fstatvfs(sync_table_fd(file), &st) == 0 &&
        st.f_bavail * st.f_frsize < DISK_FULL_SIZE) {
        return ENOSPC;
    }
    return rc;
}

/* One try; *full tells that it failed for want of map only. */
static crdt_err write_once(sync_table_file *file, sync_table_fn fn, void *ctx,
                           bool *full, crdt_diag *diag)
{
    sync_table_txn txn = {.file = file};
    int rc = mdb_txn_begin(file->env, NULL, 0, &txn.txn);
    if (rc != 0) {
        return fail(rc, "cannot begin a transaction", diag);
    }
    crdt_err err = fn(ctx, &txn, diag);
    close_cursors(&txn);
    *full = txn.full;
    if (err != CRDT_OK || txn.full) {
        mdb_txn_abort(txn.txn);
        return err;
    }
    rc = explain_write(file, mdb_txn_commit(txn.txn));
    *full = rc == MDB_MAP_FULL;
    return *full ? CRDT_OK : fail(rc, "cannot write to the store", diag);
}

crdt_err sync_table_write(sync_table_file *file, sync_table_fn fn, void *ctx,
                          crdt_diag *diag)
{
    bool full = true;
    while (full) {
        full = false;
        crdt_err err = write_once(file, fn, ctx, &full, diag);
        if (full) {
            err = grow_map(file, diag);
        }
        if (err != CRDT_OK) {
            return err;
        }
    }
    file->write_count++;
    if (file->pinned && file->write_count - file->pin_at >= pin_txns(file)) {
        file->pin_at = file->write_count;
        move_pin(file, file->pin_next);
        file->pin_next = (file->pin_next + 1) % PIN_COUNT;
    }
    return CRDT_OK;
}

crdt_err sync_table_read(sync_table_file *file, sync_table_fn fn, void *ctx,
                         crdt_diag *diag)
{
    sync_table_txn txn = {.file = file};
    int rc = mdb_txn_begin(file->env, NULL, MDB_RDONLY, &txn.txn);
    if (rc != 0) {
        return fail(rc, "cannot read the store", diag);
    }
    crdt_err err = fn(ctx, &txn, diag);
    close_cursors(&txn);
    mdb_txn_abort(txn.txn);
    return err;
}

uint64_t sync_table_txn_id(const sync_table_txn *txn)
{
    return mdb_txn_id(txn->txn);
}

/* Record a failed call; a full map is told by the txn, the code is of no interest then. */
static crdt_err fail_put(sync_table_txn *txn, int rc, crdt_diag *diag)
{
    if (rc == MDB_MAP_FULL) {
        txn->full = true;
        return CRDT_EIO;
    }
    return fail(rc, "cannot write to the store", diag);
}

/* ---- sealed values ---- */

static uint64_t table_seed(sync_table table, uint64_t key)
{
    return ((uint64_t)table + 1) << 60 ^ key;
}

static uint64_t name_seed(const char *name)
{
    return crdt_hash64(crdt_span_of(name), 0);
}

static void seal(uint8_t *value, size_t size, uint64_t seed)
{
    crdt_span bytes = {value + SEAL_SIZE, size - SEAL_SIZE};
    sync_put_u64(value, crdt_hash64(bytes, seed));
}

/* The bytes under the seal; false: it is broken. */
static bool unseal(const MDB_val *value, uint64_t seed, crdt_span *bytes)
{
    const uint8_t *data = value->mv_data;
    if (value->mv_size < SEAL_SIZE) {
        return false;
    }
    *bytes = (crdt_span){data + SEAL_SIZE, value->mv_size - SEAL_SIZE};
    return sync_get_u64(data) == crdt_hash64(*bytes, seed);
}

bool sync_table_unseal(sync_table table, uint64_t key, crdt_span value,
                       crdt_span *bytes)
{
    MDB_val sealed = {value.size, (void *)(uintptr_t)value.data};
    return unseal(&sealed, table_seed(table, key), bytes);
}

bool sync_table_unseal_named(const char *name, crdt_span value, crdt_span *bytes)
{
    MDB_val sealed = {value.size, (void *)(uintptr_t)value.data};
    return unseal(&sealed, name_seed(name), bytes);
}

/* ---- tables ---- */

static int open_cursor(sync_table_txn *txn, sync_table table)
{
    if (txn->cursors[table] != NULL) {
        return 0;
    }
    return mdb_cursor_open(txn->txn, txn->file->tables[table], &txn->cursors[table]);
}

crdt_err sync_table_append(sync_table_txn *txn, sync_table table, uint64_t key,
                           crdt_span head, crdt_span bytes, crdt_diag *diag)
{
    size_t number = (size_t)key;
    MDB_val mdb_key = {sizeof number, &number};
    MDB_val value = {SEAL_SIZE + head.size + bytes.size, NULL};
    int rc = mdb_put(txn->txn, txn->file->tables[table], &mdb_key, &value,
                     MDB_RESERVE | MDB_APPEND);
    if (rc != 0) {
        return fail_put(txn, rc, diag);
    }
    uint8_t *at = value.mv_data;
    memcpy(at + SEAL_SIZE, head.data, head.size);
    if (bytes.size > 0) {
        memcpy(at + SEAL_SIZE + head.size, bytes.data, bytes.size);
    }
    seal(at, value.mv_size, table_seed(table, key));
    return CRDT_OK;
}

crdt_err sync_table_delete(sync_table_txn *txn, sync_table table, uint64_t key,
                           crdt_diag *diag)
{
    size_t number = (size_t)key;
    MDB_val mdb_key = {sizeof number, &number};
    int rc = open_cursor(txn, table);
    if (rc == 0) {
        rc = mdb_cursor_get(txn->cursors[table], &mdb_key, NULL, MDB_SET);
    }
    if (rc == 0) {
        rc = mdb_cursor_del(txn->cursors[table], 0);
    }
    return fail_put(txn, rc, diag);
}

static int move_cursor(MDB_cursor *cursor, sync_table_seek seek, MDB_val *key,
                       MDB_val *value)
{
    switch (seek) {
    case SYNC_SEEK_AT:
        return mdb_cursor_get(cursor, key, value, MDB_SET_KEY);
    case SYNC_SEEK_AT_LEAST:
        return mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    case SYNC_SEEK_BELOW:
        break;
    }
    int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    return mdb_cursor_get(cursor, key, value, rc == 0 ? MDB_PREV : MDB_LAST);
}

crdt_err sync_table_find(sync_table_txn *txn, sync_table table, sync_table_seek seek,
                         uint64_t *key, crdt_span *value, crdt_diag *diag)
{
    size_t number = (size_t)*key;
    MDB_val mdb_key = {sizeof number, &number};
    MDB_val mdb_value;
    int rc = open_cursor(txn, table);
    if (rc == 0) {
        rc = move_cursor(txn->cursors[table], seek, &mdb_key, &mdb_value);
    }
    if (rc != 0) {
        return fail(rc, "cannot read the store", diag);
    }
    memcpy(&number, mdb_key.mv_data, sizeof number);
    *key = number;
    if (!unseal(&mdb_value, table_seed(table, number), value)) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, number,
                             "%s record %" PRIu64 " is damaged (checksum): restore a "
                             "copy, or start anew from a peer",
                             TABLE_NAMES[table], *key);
    }
    return CRDT_OK;
}

/* ---- named values ---- */

/* LMDB keeps the tables' own rows under their names in the same place: ours begin with
 * '=', theirs do not. */
static MDB_val name_key(char key[SYNC_TABLE_NAME_MAX + 2], const char *name)
{
    int size = snprintf(key, SYNC_TABLE_NAME_MAX + 2, "=%s", name);
    return (MDB_val){(size_t)size, key};
}

crdt_err sync_table_put_named(sync_table_txn *txn, const char *name, crdt_span value,
                              crdt_diag *diag)
{
    char text[SYNC_TABLE_NAME_MAX + 2];
    MDB_val key = name_key(text, name);
    if (value.size == 0) {
        int gone = mdb_del(txn->txn, txn->file->names, &key, NULL);
        return gone == MDB_NOTFOUND ? CRDT_OK : fail_put(txn, gone, diag);
    }
    MDB_val sealed = {SEAL_SIZE + value.size, NULL};
    int rc = mdb_put(txn->txn, txn->file->names, &key, &sealed, MDB_RESERVE);
    if (rc != 0) {
        return fail_put(txn, rc, diag);
    }
    memcpy((uint8_t *)sealed.mv_data + SEAL_SIZE, value.data, value.size);
    seal(sealed.mv_data, sealed.mv_size, name_seed(name));
    return CRDT_OK;
}

static crdt_err open_named(const char *name, const MDB_val *sealed, crdt_span *value,
                           crdt_diag *diag)
{
    if (!unseal(sealed, name_seed(name), value)) {
        return crdt_diag_set(
            diag, CRDT_ECORRUPT, 0,
            "the store's entry '%.40s' is damaged (checksum): restore a "
            "copy, or start anew from a peer",
            name);
    }
    return CRDT_OK;
}

crdt_err sync_table_get_named(sync_table_txn *txn, const char *name, crdt_span *value,
                              crdt_diag *diag)
{
    char text[SYNC_TABLE_NAME_MAX + 2];
    MDB_val key = name_key(text, name);
    MDB_val sealed;
    int rc = mdb_get(txn->txn, txn->file->names, &key, &sealed);
    if (rc != 0) {
        return fail(rc, "cannot read the store", diag);
    }
    return open_named(name, &sealed, value, diag);
}

crdt_err sync_table_next_named(sync_table_txn *txn, const char *prefix,
                               char name[SYNC_TABLE_NAME_MAX + 1], crdt_span *value,
                               crdt_diag *diag)
{
    char text[SYNC_TABLE_NAME_MAX + 2];
    MDB_val key = name_key(text, name[0] != '\0' ? name : prefix);
    MDB_val sealed;
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(txn->txn, txn->file->names, &cursor);
    if (rc == 0) {
        rc = mdb_cursor_get(cursor, &key, &sealed, MDB_SET_RANGE);
    }
    size_t name_size = strlen(name);
    if (rc == 0 && name_size > 0 && key.mv_size == name_size + 1 &&
        memcmp((const char *)key.mv_data + 1, name, name_size) == 0) {
        rc = mdb_cursor_get(cursor, &key, &sealed, MDB_NEXT);
    }
    const char *found = key.mv_data;
    size_t prefix_size = strlen(prefix);
    if (rc == 0 &&
        (key.mv_size < 1 + prefix_size || key.mv_size > SYNC_TABLE_NAME_MAX + 1 ||
         found[0] != '=' || memcmp(found + 1, prefix, prefix_size) != 0)) {
        rc = MDB_NOTFOUND;
    }
    if (rc == 0) {
        memcpy(name, found + 1, key.mv_size - 1);
        name[key.mv_size - 1] = '\0';
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc != 0 ? fail(rc, "cannot read the store", diag)
                   : open_named(name, &sealed, value, diag);
}
