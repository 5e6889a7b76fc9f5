#ifndef TESTS_SYNC_STORE_BOX_H
#define TESTS_SYNC_STORE_BOX_H

/* A store with its document and deps table, and edits made as a node makes them: into the
 * document, then as a record into the store. Failures abort with a text: test code. */

#include "sync/store.h"
#include "sync/store_mem.h"

typedef struct store_box {
    crdt_document *doc;
    crdt_deps *deps;
    sync_store *store; /* NULL: the open failed */
    sync_store_report report;
    crdt_diag diag;
    crdt_arena arena;
    crdt_buf bytes;
    crdt_err err; /* of the open */
} store_box;

/* Document and deps, and no store yet: for who opens it himself. */
void store_box_prepare(store_box *box);
/* What fails is in box->err, never fatal. `options` NULL: the defaults. */
void store_box_open(store_box *box, const char *dir, const sync_store_options *options);
void store_box_open_mem(store_box *box, sync_mem_disk *disk,
                        const sync_store_options *options);
void store_box_close(store_box *box);

/* Set the field `object`.p.`field` to `value`, as one batch appended to the store; the
 * object and its part are added where missing. Returns the last stamp's time. */
uint64_t store_box_set(store_box *box, const char *object, const char *field,
                       int64_t value);
void store_box_commit(store_box *box);
/* The field's value; `missing` where it is not visible. */
int64_t store_box_get(const store_box *box, const char *object, const char *field,
                      int64_t missing);
crdt_digest store_box_digest(const store_box *box);

#endif /* TESTS_SYNC_STORE_BOX_H */
