#ifndef SYNC_REPAIR_H
#define SYNC_REPAIR_H

/* Make a store usable again whose files are damaged.
 *
 *     store/data.mdb  journal          ──▶  store/damaged-1/data.mdb  journal    set aside
 *       │ salvage (sync/salvage.h)
 *       ▼
 *     store/repairing/data.mdb         ──▶  store/data.mdb                       a new store
 *
 * What can be read goes into a new store that writes as a fresh actor: the old one may have
 * spoken of more than is left. Records that need something that is missing are held back;
 * when peers have told what they know, they are tried again (`from`). Nothing is deleted.
 * A crash at any moment leaves the damaged store or the new one in its place.
 *
 * What only the damaged part held is gone, where no peer has it, and with it what its author
 * did afterwards and nobody heard: that depends on it. The history, a part of the store of
 * its own, often still tells what it was: such edits are handed to `lost`. */

#include "sync/salvage.h"

typedef struct sync_repair_options {
    crdt_alloc alloc;
    const char *state_dir; /* as in sync_store_options */
    /* NULL: repair the store. Else a folder that a repair made: its files are read again,
     * and what can be applied by now goes into the store, which must be whole. */
    const char *from;
    /* An edit that is not in the store now, as history tells it (crdt/history.h); oldest
     * first. May be NULL. */
    void (*lost)(void *ctx, crdt_span record);
    void *lost_ctx;
} sync_repair_options;

sync_repair_options sync_repair_options_default(void);

typedef struct sync_repair_report {
    bool whole;     /* nothing was wrong, nothing was done */
    char what[160]; /* what was wrong, as verify says it */
    char aside
        [24]; /* where the damaged files are now, in the store's folder; "": nowhere
                     */
    crdt_actor actor; /* as whom the store writes now */
    sync_salvage_report salvage;
    uint64_t
        applied_count;    /* records that went into the store; the checkpoint counts */
    uint64_t known_count; /* of which all was there already */
    uint64_t held_count;  /* that need something that is not there */
    uint64_t history_count;
    uint64_t lost_count; /* edits handed to `lost` */
} sync_repair_report;

/* Errors: CRDT_EBUSY: the store is in use. CRDT_ENOTFOUND: there is none. CRDT_EVERSION: of
 * another format. With `from`, CRDT_ECORRUPT: the store itself is damaged.
 * CRDT_EIO, CRDT_ENOMEM, CRDT_ELIMIT. The store's files are as before, then. */
crdt_err sync_repair(const char *dir, const sync_repair_options *options,
                     sync_repair_report *report, crdt_diag *diag);

#endif /* SYNC_REPAIR_H */
