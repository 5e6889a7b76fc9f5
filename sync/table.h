#ifndef SYNC_TABLE_H
#define SYNC_TABLE_H

/* Ordered tables in one file, changed in durable transactions. table.c alone meets LMDB.
 *
 * Each table maps numbers to small values in ascending order; besides there are named
 * values. Every value is sealed: an XXH3-64 over its table, key and bytes is kept before
 * it and checked whenever it is read, for LMDB has no checksums.
 *
 * Values in tables are kept below half a page, so that every page of the file is
 * allocated singly and freed pages are always of use again: the caller cuts what is
 * bigger. The structure of the file is checked (sync/page.h) before LMDB maps it, for LMDB
 * trusts what it reads.
 *
 * The pages of the last 64 transactions at least (more in a larger file: 1 for each 512
 * KiB) are not used again, so that a plain copy of the file (cp) is whole as long as no
 * more than these were made while it was read.
 *
 * Threads: no locking, one thread at a time. One open file a path and process. */

#include "crdt/buf.h"

typedef enum sync_table {
    SYNC_TABLE_LOG,
    SYNC_TABLE_HISTORY,
    SYNC_TABLE_CHECKPOINT,
    SYNC_TABLE_COUNT,
} sync_table;

#define SYNC_TABLE_VALUE_MAX 2012u /* bytes of a value in a table */
#define SYNC_TABLE_NAME_MAX 128u   /* bytes of the name of a named value */

typedef struct sync_table_file sync_table_file;

/* A view of the file at one moment (reading) or the change at hand (writing). */
typedef struct sync_table_txn sync_table_txn;

typedef enum sync_table_mode {
    SYNC_TABLE_CREATE, /* make the file; nobody else may know it yet */
    SYNC_TABLE_WRITE,
    SYNC_TABLE_READ, /* changes nothing, needs no lock file */
} sync_table_mode;

/* Errors: CRDT_ECORRUPT: the structure is damaged. CRDT_EVERSION, CRDT_EIO, CRDT_ENOMEM. */
crdt_err sync_table_open(sync_table_file **out, const char *path, sync_table_mode mode,
                         crdt_alloc alloc, crdt_diag *diag);
/* Accepts NULL. */
void sync_table_close(sync_table_file *file);
int sync_table_fd(const sync_table_file *file);
/* The structure of the file once more, as at open. Errors: CRDT_ECORRUPT, CRDT_EIO,
 * CRDT_ENOMEM. */
crdt_err sync_table_check(const sync_table_file *file, crdt_diag *diag);
/* Bytes of the file, and those of them in use. */
void sync_table_sizes(sync_table_file *file, uint64_t *file_size, uint64_t *live_size);
/* Bytes beyond the last transaction when the file was opened: of one that never ended. */
uint64_t sync_table_torn_size(const sync_table_file *file);

/* Run `fn` in one transaction and make it durable. If the map has to grow `fn` runs again
 * from the start, so it must only read what it did not change itself. `fn` returns what a
 * call here gave it, or an error of its own; any error undoes all.
 * Errors: CRDT_EIO (diag tells of a full disk), CRDT_ECORRUPT, CRDT_ENOMEM, fn's own. */
typedef crdt_err (*sync_table_fn)(void *ctx, sync_table_txn *txn, crdt_diag *diag);
crdt_err sync_table_write(sync_table_file *file, sync_table_fn fn, void *ctx,
                          crdt_diag *diag);
/* Run `fn` on what is durable now. */
crdt_err sync_table_read(sync_table_file *file, sync_table_fn fn, void *ctx,
                         crdt_diag *diag);

/* Number of the transaction; grows by one with each. */
uint64_t sync_table_txn_id(const sync_table_txn *txn);

/* Append: `key` greater than all in the table. The value is `head` and `bytes` joined.
 * Errors: CRDT_ECORRUPT: the key is not greater. CRDT_EIO, CRDT_ENOMEM. */
crdt_err sync_table_append(sync_table_txn *txn, sync_table table, uint64_t key,
                           crdt_span head, crdt_span bytes, crdt_diag *diag);
/* Errors: CRDT_ENOTFOUND. */
crdt_err sync_table_delete(sync_table_txn *txn, sync_table table, uint64_t key,
                           crdt_diag *diag);

typedef enum sync_table_seek {
    SYNC_SEEK_AT,       /* exactly the key */
    SYNC_SEEK_AT_LEAST, /* the first one at or after it */
    SYNC_SEEK_BELOW,    /* the last one before it */
} sync_table_seek;

/* Find a value; borrowed until the transaction changes or ends. `*key` becomes its key.
 * Errors: CRDT_ENOTFOUND; CRDT_ECORRUPT: the seal is broken. */
crdt_err sync_table_find(sync_table_txn *txn, sync_table table, sync_table_seek seek,
                         uint64_t *key, crdt_span *value, crdt_diag *diag);

/* Named values. An empty value removes the name. */
crdt_err sync_table_put_named(sync_table_txn *txn, const char *name, crdt_span value,
                              crdt_diag *diag);
/* Errors: CRDT_ENOTFOUND, CRDT_ECORRUPT. */
crdt_err sync_table_get_named(sync_table_txn *txn, const char *name, crdt_span *value,
                              crdt_diag *diag);
/* Step to the next name that begins with `prefix`; `name` starts as "". Errors: as above,
 * CRDT_ENOTFOUND at the end. */
crdt_err sync_table_next_named(sync_table_txn *txn, const char *prefix,
                               char name[SYNC_TABLE_NAME_MAX + 1], crdt_span *value,
                               crdt_diag *diag);

/* ---- the bytes alone, for who reads a damaged file ---- */

/* What is under the seal of a value as it lies in the file: borrowed. False: it is no value
 * of this table and key, or name. */
bool sync_table_unseal(sync_table table, uint64_t key, crdt_span value,
                       crdt_span *bytes);
bool sync_table_unseal_named(const char *name, crdt_span value, crdt_span *bytes);

#endif /* SYNC_TABLE_H */
