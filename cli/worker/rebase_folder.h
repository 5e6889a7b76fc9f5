#ifndef CLI_WORKER_REBASE_FOLDER_H
#define CLI_WORKER_REBASE_FOLDER_H

/* A store and what stands beside it while it is brought over, so that it is whole or not
 * done at all whenever the process is killed:
 *
 *   DIR                    the store
 *   DIR.rebasing           the new store, locked; a file `rebasing` in it says whose it is
 *   DIR.rebasing.json      the report
 *   DIR.rebase             marker: the new store and its report are complete
 *   DIR.archive-<n>        what DIR was; DIR.archive-<n>.json the report
 *
 * Without the marker DIR.rebasing is dropped, with it the renames are done. A folder of
 * that name that is not ours is never touched. */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdbool.h>

#define WORKER_REBASE_PATH_SIZE 4096

typedef struct worker_rebase_folder {
    char store[WORKER_REBASE_PATH_SIZE];
    char fresh[WORKER_REBASE_PATH_SIZE];
    char tag[WORKER_REBASE_PATH_SIZE];
    char report[WORKER_REBASE_PATH_SIZE];
    char marker[WORKER_REBASE_PATH_SIZE];
    char archive[WORKER_REBASE_PATH_SIZE];
    char archive_report[WORKER_REBASE_PATH_SIZE];
    unsigned number; /* of the archive; 0: none chosen yet */
    int lock;        /* on `fresh`; -1: none */
    /* Test aid: called after each step on disk. */
    void (*on_step)(void *ctx, int step);
    void *step_ctx;
} worker_rebase_folder;

/* Names alone. Errors: CRDT_EINVAL: the path is too long. */
crdt_err worker_rebase_folder_open(worker_rebase_folder *folder, const char *store_dir,
                                   crdt_diag *diag);
/* Gives the lock up. */
void worker_rebase_folder_close(worker_rebase_folder *folder);

/* Finish or forget what a crash left. Errors: CRDT_EBUSY: another process is at it.
 * CRDT_EIO. */
crdt_err worker_rebase_folder_recover(worker_rebase_folder *folder, bool *finished,
                                      crdt_diag *diag);
/* Make DIR.rebasing, empty but for the tag, and lock it. Errors: CRDT_EEXIST: there is a
 * folder of that name that is not ours. CRDT_EBUSY, CRDT_EIO. */
crdt_err worker_rebase_folder_begin(worker_rebase_folder *folder, crdt_diag *diag);
/* Choose the archive's number: `archive` is its path. Errors: CRDT_ELIMIT. */
crdt_err worker_rebase_folder_choose(worker_rebase_folder *folder, crdt_diag *diag);
/* The new store is complete and closed: write the report and the marker (from then on
 * there is no way back), and do the renames. Errors: CRDT_EIO. */
crdt_err worker_rebase_folder_mark(worker_rebase_folder *folder, crdt_span report,
                                   crdt_diag *diag);
crdt_err worker_rebase_folder_switch(worker_rebase_folder *folder, crdt_diag *diag);
/* Drop what was begun, before the marker. */
void worker_rebase_folder_abandon(worker_rebase_folder *folder);

void worker_rebase_folder_step(const worker_rebase_folder *folder, int step);

#endif /* CLI_WORKER_REBASE_FOLDER_H */
