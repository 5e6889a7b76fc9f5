#ifndef SYNC_PAGE_H
#define SYNC_PAGE_H

/* Is the file of tables sound in its structure? To be asked before LMDB maps it.
 *
 * LMDB trusts what it maps: a bit flipped on the disk in a page's header or in a page
 * number makes it crash, or overwrite what is in use. So every page that the newest
 * transaction reaches is looked at first: its own number, kind and bounds; its nodes'
 * places, sizes and order; the counts against those recorded; every page reached once;
 * none of them free. The values' own bytes are covered by their seals (sync/table.h).
 *
 * The format is that of LMDB 0.9 (MDB_DATA_VERSION 1), as described in its mdb.c.
 * O(pages of the trees), not of their long values. */

#include "crdt/alloc.h"
#include "crdt/err.h"

typedef struct sync_page_report {
    uint64_t txn_id;    /* newest transaction */
    uint64_t file_size; /* bytes */
    uint64_t used_size; /* bytes up to the last page that was ever given out */
    uint64_t live_size; /* bytes of pages reached */
} sync_page_report;

/* `report` may be NULL. Errors: CRDT_ECORRUPT, with the page's offset and the reason;
 * CRDT_EVERSION: no such file, or another version; CRDT_EIO, CRDT_ENOMEM. */
crdt_err sync_page_check(int fd, crdt_alloc alloc, sync_page_report *report,
                         crdt_diag *diag);

#endif /* SYNC_PAGE_H */
