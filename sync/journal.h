#ifndef SYNC_JOURNAL_H
#define SYNC_JOURNAL_H

/* Groups of records that are durable and do not lie in the tables yet: a file that is made
 * once, full of zeros, and written over again and again. A group is one write and one
 * sync, and the sync has no new size or block of the file to take along: about half of
 * what appending costs, and a third of a transaction of the tables.
 *
 *      half 0                         half 1
 *      ├ group ┤ ├ group ┤ remains    ├ group ┤ ├ group ┤ ├ group ┤ remains
 *
 * Groups are numbered without a gap over the life of a store, those of the tables too.
 * They fill one half; when the tables have taken them the other half is begun, so a copy
 * of the folder that is made meanwhile still finds what its tables lack.
 *
 * Each group begins a sector and is sealed with a seed that only this run of the store
 * has. Remains have lower numbers than what is written over them. So the groups are those
 * that follow each other from the begin of a half; the first that is not whole was being
 * written when a run ended, and was never acknowledged. Where a later one is whole, what is
 * missing was acknowledged: that is damage, and an error.
 *
 * Threads: no locking. Source: the write-ahead log of every database; the overwritten file
 * is PostgreSQL's (recycled segments) and xfs's. */

#include "sync/store_impl.h"

#define SYNC_JOURNAL_SECTOR 512u /* bytes; every group begins one */

/* Invariant: offset is a multiple of the sector, at most half_size. */
typedef struct sync_journal {
    int fd; /* -1: closed */
    uint64_t seed;
    size_t half_size; /* bytes */
    size_t offset;    /* in the half at hand */
    unsigned half;
    crdt_buf scratch; /* the group at hand as it is written */
} sync_journal;

typedef struct sync_journal_group {
    uint64_t number;
    uint64_t sequence; /* of its last record */
    sync_mark mark;    /* of the document after it */
    crdt_span bytes;
} sync_journal_group;

void sync_journal_init(sync_journal *journal, crdt_alloc alloc);
/* Closes the file and leaves it there. */
void sync_journal_deinit(sync_journal *journal);

/* Make the file at `path`, in the folder `dir`, and make it durable. `half_size` becomes a
 * multiple of the sector. Errors: CRDT_EIO; there is no file then. */
crdt_err sync_journal_make(sync_journal *journal, const char *dir, const char *path,
                           uint64_t seed, size_t half_size, crdt_diag *diag);

/* Is there room for a group of `size` bytes in this half? */
bool sync_journal_fits(const sync_journal *journal, size_t size);
/* Write the group and sync. Errors: CRDT_EIO: nobody knows what is on the disk; do not
 * write again. CRDT_ENOMEM: nothing was written. */
crdt_err sync_journal_append(sync_journal *journal, const sync_journal_group *group,
                             crdt_diag *diag);
/* All groups are in the tables: begin the other half. */
void sync_journal_turn(sync_journal *journal);

/* Hand the groups after number `after` to `visit`, in order; an error of it ends the walk.
 * No file: no groups. `*torn_size`: bytes of a group that was being written. Reads the
 * whole file into memory.
 * Errors: CRDT_ECORRUPT: an acknowledged group is damaged or missing. CRDT_EIO,
 * CRDT_ENOMEM. */
typedef crdt_err (*sync_journal_visit)(void *ctx, const sync_journal_group *group,
                                       crdt_diag *diag);
crdt_err sync_journal_read(const char *path, uint64_t seed, uint64_t after,
                           crdt_alloc alloc, sync_journal_visit visit, void *ctx,
                           uint64_t *torn_size, crdt_diag *diag);

/* ---- the bytes alone, for who has a device of his own ---- */

#define SYNC_JOURNAL_HEAD_SIZE 80u /* bytes of a group before its records */

/* Append the bytes of `group` to `out`, as sync_journal_append writes them at the begin of
 * a sector. Errors: CRDT_ENOMEM; `out` as before. */
crdt_err sync_journal_encode(const sync_journal_group *group, uint64_t seed,
                             size_t half_size, crdt_buf *out);
/* Walk the bytes of a whole file as sync_journal_read does. Errors: CRDT_ECORRUPT, and those of
 * `visit`. */
crdt_err sync_journal_scan(crdt_span file, uint64_t seed, uint64_t after,
                           sync_journal_visit visit, void *ctx, uint64_t *torn_size,
                           crdt_diag *diag);

/* All groups that are whole, in the order in which they lie, whatever is missing between
 * them. Returns how many are not whole. For who reads a damaged file. */
uint64_t sync_journal_salvage(crdt_span file, uint64_t seed,
                              void (*found)(void *ctx, const sync_journal_group *group),
                              void *ctx);

#endif /* SYNC_JOURNAL_H */
