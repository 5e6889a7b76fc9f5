#ifndef SYNC_STORE_MEM_H
#define SYNC_STORE_MEM_H

/* A store in memory, for simulated worlds: the same operations, commits that cost
 * nothing, crashes at will, copies and faults.
 *
 * The disk is what survives: close the store without a commit and open another on the
 * same disk, and it is as after a kill -9 or a power cut. */

#include "sync/store.h"

typedef struct sync_mem_disk sync_mem_disk;

/* Errors: CRDT_ENOMEM. */
crdt_err sync_mem_disk_open(sync_mem_disk **out, crdt_alloc alloc);
void sync_mem_disk_close(sync_mem_disk *disk);
/* Another disk with the same durable content. `same_machine_state`: also the proof of
 * identity is copied (a machine that is rolled back as a whole): the next open keeps
 * the actor; else it takes a fresh one, as a copied or restored folder does. Errors:
 * CRDT_ENOMEM. */
crdt_err sync_mem_disk_copy(const sync_mem_disk *disk, bool same_machine_state,
                            sync_mem_disk **out);
/* The n-th commit from now on fails and poisons the store; 0: none. */
void sync_mem_disk_fail(sync_mem_disk *disk, uint64_t commit);

/* As sync_store_open. options->random must be set (worlds are seeded); dir and state
 * folder are not used. One open store a disk: else CRDT_EBUSY. */
crdt_err sync_store_mem_open(sync_store **out, sync_mem_disk *disk,
                             const sync_store_options *options, crdt_document *doc,
                             crdt_deps *deps, sync_store_report *report,
                             crdt_diag *diag);

#endif /* SYNC_STORE_MEM_H */
