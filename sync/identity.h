#ifndef SYNC_IDENTITY_H
#define SYNC_IDENTITY_H

/* Is this store provably the one that went on writing as its actor?
 *
 * Two stores that write as one actor give one stamp to two operations, and replicas differ
 * for ever. So a store keeps its actor only with a proof, else it takes a fresh one.
 *
 * The proof is a token of 16 random bytes, renewed at every open and kept twice: in the
 * store, and in the user's state folder in a file named after the device and inode of the
 * store's file. Both must match, and so must the file's time of birth (inodes are used
 * again), and the store must have reached at least the commit that the state file notes
 * (after each commit, unsynced): else an older content came back under the same inode.
 *
 *   copied     another inode: no state file, or another time of birth
 *   restored   another token, or a commit lower than noted
 *   moved      within its file system it is the same inode: kept; else as copied
 *
 * Order at open: the new token goes to the state file (synced), then into the store
 * (synced), only then anything is written as the actor. A crash between the two leaves
 * different tokens: a needless fresh actor, never a shared one. A machine that is rolled
 * back as a whole brings both back: the replica notices that at its first contact. */

#include "sync/file.h"
#include "sync/store.h"

#define SYNC_TOKEN_SIZE 16

typedef struct sync_token {
    uint8_t bytes[SYNC_TOKEN_SIZE];
} sync_token;

/* The state file of an open store. Invariant: fd is -1 where nothing can be proven. */
typedef struct sync_identity {
    int fd;
} sync_identity;

typedef struct sync_identity_claim {
    const char *state_dir; /* NULL: by the environment, see sync_store_options */
    int store_fd;          /* the store's file */
    sync_token token;      /* as the store holds it */
    uint64_t commit;       /* the last commit the store holds */
    sync_token token_next; /* what will be written into the store next */
    bool created;          /* the store is new */
} sync_identity_claim;

/* The folder of state files: `asked` (may be NULL), or by the environment.
 * Errors: CRDT_ENOTFOUND: there is no home folder; CRDT_ELIMIT. */
crdt_err sync_identity_dir(char path[SYNC_PATH_MAX], const char *asked,
                           crdt_diag *diag);

/* Judge the claim and write `token_next` to the state file, durably. Never fails: what
 * cannot be done ends in SYNC_ACTOR_UNPROVEN. `*unclean` tells whether the last run that
 * is known left without sync_identity_release. */
sync_actor_origin sync_identity_prove(sync_identity *identity,
                                      const sync_identity_claim *claim, bool *unclean,
                                      crdt_diag *why);

/* Note that the store durably holds `commit`. One write of 32 bytes, no sync. */
void sync_identity_note(sync_identity *identity, uint64_t commit);

/* The store is closed in order at `commit`. */
void sync_identity_release(sync_identity *identity, uint64_t commit);

#endif /* SYNC_IDENTITY_H */
