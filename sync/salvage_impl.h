#ifndef SYNC_SALVAGE_IMPL_H
#define SYNC_SALVAGE_IMPL_H

/* What the files of the salvage share: what was found so far. Not for others. */

#include "sync/salvage.h"
#include "sync/store_disk.h"

enum { TREE_NAMES = SYNC_TABLE_COUNT, TREE_COUNT, META_COUNT = 2, TOKEN_MAX = 2 };
enum { QUEUED_HEAD = 9 }; /* of a record in a group of the journal */
#define SALVAGE_JOURNAL_KEY                                                            \
    (UINT64_C(1) << 60)             /* keys from here on: records of the journal */
#define SALVAGE_JOURNAL_KEY_BITS 24 /* group, then number of the record in the group */

/* A value that was found whole. */
typedef struct salvage_part {
    sync_table table;
    uint64_t key;
    crdt_span bytes; /* in a file */
} salvage_part;

typedef struct salvage_found {
    sync_salvage_kind kind;
    sync_record_kind record;
    char name[SYNC_STORE_SETTING_KEY_MAX + 1];
    size_t offset, size; /* in `content` */
} salvage_found;

struct sync_salvage {
    crdt_alloc alloc;
    sync_salvage_report *report;
    crdt_buf tables, journal; /* the files */
    size_t page_size;
    uint64_t page_count;
    crdt_buf seen; /* a bit for each page and tree */
    crdt_buf parts, items, content;
    disk_head head; /* the newest that is whole */
    bool head_known;
    sync_token tokens[TOKEN_MAX];
    size_t token_count;
    uint64_t group_low, group_high, group_count; /* of the journal */
    crdt_err err;                                /* CRDT_ENOMEM, CRDT_EVERSION */
};

/* ---- salvage.c ---- */

/* A place could not be read: "data.mdb, page 12". */
void salvage_note(sync_salvage *s, const char *file, const char *unit, uint64_t number);
/* Append to one of the lists; s->err tells of memory that is not there. */
void salvage_keep(sync_salvage *s, crdt_buf *list, const void *row, size_t size);
void salvage_keep_part(sync_salvage *s, sync_table table, uint64_t key,
                       crdt_span bytes);
void salvage_keep_item(sync_salvage *s, salvage_found *item, crdt_span bytes);

/* ---- salvage_walk.c ---- */

/* All that both meta pages reach in the file of tables. Errors: CRDT_EVERSION,
 * CRDT_ENOMEM. */
crdt_err salvage_walk(sync_salvage *s);

#endif /* SYNC_SALVAGE_IMPL_H */
