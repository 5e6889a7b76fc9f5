#ifndef SYNC_SALVAGE_H
#define SYNC_SALVAGE_H

/* What can still be read of a damaged store.
 *
 * The file of tables is read without LMDB, from both of its meta pages: a page that is not
 * sound is passed over, with what is reached through it alone. What two transactions reach
 * is what was committed; and every value is taken only if its seal is whole. So all that is
 * handed out was once acknowledged here (but for a last group that was on its way), and
 * nothing is made up; what is missing is counted. Of the journal all whole groups are
 * taken.
 *
 * Changes nothing. Memory: twice the files. Time: O(files). */

#include "sync/store.h"

typedef enum sync_salvage_kind {
    SYNC_SALVAGE_SETTING,    /* `name` is `bytes` */
    SYNC_SALVAGE_CHECKPOINT, /* an answer's bytes: before all records */
    SYNC_SALVAGE_RECORD,     /* of the log: `record` tells what `bytes` are */
    SYNC_SALVAGE_HISTORY,
} sync_salvage_kind;

/* Borrowed until the salvage is closed. */
typedef struct sync_salvage_item {
    sync_salvage_kind kind;
    sync_record_kind record;
    const char *name;
    crdt_span bytes;
} sync_salvage_item;

typedef struct sync_salvage_report {
    uint64_t damaged_count; /* places that could not be read */
    char first[96];         /* the first of them: "data.mdb, page 12" */
    uint64_t lost_count;  /* parts of records that the head tells of, and groups of the
                             * journal between others, that are not there */
    bool checkpoint_lost; /* there was one */
    bool headless;        /* no head is left: what is lost cannot be counted */
} sync_salvage_report;

typedef struct sync_salvage sync_salvage;

/* Read the store in `dir`. A file that is missing counts as damage.
 * Errors: CRDT_EVERSION: a store of another format. CRDT_ECORRUPT: a file of an absurd
 * size. CRDT_EIO, CRDT_ENOMEM. */
crdt_err sync_salvage_open(sync_salvage **out, const char *dir, crdt_alloc alloc,
                           sync_salvage_report *report, crdt_diag *diag);
/* Accepts NULL. */
void sync_salvage_close(sync_salvage *salvage);

/* The next item: settings, the checkpoint, records in their order, history in its order.
 * `*index` starts at 0. False: no more. */
bool sync_salvage_next(const sync_salvage *salvage, size_t *index,
                       sync_salvage_item *item);

#endif /* SYNC_SALVAGE_H */
