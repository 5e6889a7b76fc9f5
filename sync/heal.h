#ifndef SYNC_HEAL_H
#define SYNC_HEAL_H

/* What must be written again so that two documents that should be equal, and are not,
 * become so: without dropping anything that only one of them holds.
 *
 * HEAL    The versions are equal, the states differ: a disk, memory, or an actor used
 *         twice. What only one side holds, that side writes again as ordinary operations
 *         (a join would be an intersection, and one faulty replica could erase all).
 * RESCUE  Somebody else wrote under my former actor: two histories beyond a common time.
 *         Then a version that covers a stamp of that actor says nothing about it. What
 *         only I have of it is written again, and so is what only they have; the rest is
 *         judged as any join does.
 *
 * Pure: compares, and puts operations together; the caller commits them. In a RESCUE the
 * caller merges their answer first, after the plan was made. */

#include "crdt/document.h"
#include "crdt/op_list.h"
#include "sync/meta.h"

typedef struct sync_heal_options {
    bool rescue;
    bool both;                  /* HEAL: write what only they hold too */
    crdt_actor actor;           /* HEAL: as whom I write */
    const sync_former *formers; /* RESCUE: as whom I wrote */
    size_t former_count;

    /* Told of every value that is written again (`lost` false), and of every one that
     * only one side held and that a later write hides. May be NULL. */
    void (*tell)(void *ctx, const crdt_key *key, const crdt_entry *entry, bool lost);
    void *tell_ctx;
} sync_heal_options;

typedef struct sync_heal_counts {
    uint64_t mine;   /* entries that only I hold */
    uint64_t theirs; /* entries that only they hold */
    uint64_t own;    /* of mine, such as `actor` wrote */
    uint64_t forks;  /* stamps with two values */
} sync_heal_counts;

/* Append to `ops` what I have to write (to be committed with crdt_edit.sweep). O(size of
 * both). Errors: CRDT_ENOMEM. */
crdt_err sync_heal_plan(const crdt_document *mine, const crdt_document *theirs,
                        const sync_heal_options *options, crdt_op_list *ops,
                        sync_heal_counts *counts);

#endif /* SYNC_HEAL_H */
