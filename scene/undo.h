#ifndef SCENE_UNDO_H
#define SCENE_UNDO_H

/* Undo and redo of one's own transactions.
 *
 * There is no stack in memory: it is read from the history records, newest first, so it
 * survives restarts. A transaction is one batch, or all batches of one step: a drag sends
 * twenty a second, and is undone at once. Among one's own records
 *
 *   edit            pushes itself on the undo stack, or joins its step there, and clears
 *                   the redo stack
 *   undo(target)    takes the target off the undo stack (with all of its step so far),
 *                   pushes itself on the redo stack
 *   redo(target)    takes that undo off the redo stack, pushes itself on the undo stack
 *   others          (import, housekeeping, remote, ...) are on no stack
 *
 * A step is named by who made it (crdt_history_record.step), and is that of one person; it
 * lies where its newest batch does. Steps may be interleaved (two tabs). Of two batches that
 * are more than SCENE_UNDO_PAUSE_MS apart the older is another step, whatever its name: so
 * no more of the history is read than that.
 *
 * To undo is to make each key of the transaction again what it was before it: the
 * former value, not "nothing". Redo is the same for the undo's own transaction.
 *
 * Never is touched what others did since: a key is left alone and reported unless all
 * that it holds comes from the transaction (or from an undo or redo that restored it).
 *
 *   a field          holds only the transaction's write. If a concurrent write of
 *                    somebody else lost against it, that value is what shows after the undo
 *   a created thing  is removed only if nobody else wrote in it or hung a child under it;
 *                    else the whole creation stays: no half objects
 *   a deleted thing  comes back under its own id with its former values; where others wrote
 *                    below it meanwhile, with theirs. Not if it lives again already
 *
 * What somebody else did between two batches of a step comes back: scene/touch.h.
 *
 * If no key of a transaction can be undone, the next older one is tried, so that a key
 * which somebody else took never blocks the stack. */

#include "crdt/history.h"
#include "crdt/op_list.h"
#include "crdt/document.h"

#define SCENE_UNDO_PAUSE_MS 60000u /* between two batches of one step, at most */

typedef enum scene_undo_reason {
    SCENE_UNDO_OVERWRITTEN,  /* somebody has written the field since */
    SCENE_UNDO_REMOVED,      /* what it lies in is gone since */
    SCENE_UNDO_EXISTS,       /* what was deleted lives again */
    SCENE_UNDO_EDITED_BELOW, /* others edited what was created */
    SCENE_UNDO_CYCLE,        /* the former parent is now below the entity */
    SCENE_UNDO_CUT,          /* the transaction was too large for the history */
} scene_undo_reason;

/* One line for people; never NULL. */
const char *scene_undo_reason_text(scene_undo_reason reason);

typedef struct scene_undo_skip {
    crdt_key key;
    scene_undo_reason reason;
    crdt_stamp transaction; /* first stamp of the one that it was part of */
} scene_undo_skip;

typedef struct scene_undo_options {
    bool redo;
    bool person;   /* only transactions of `who` */
    crdt_span who; /* empty: those without a person */
} scene_undo_options;

/* One undo or redo being worked out: fed with records newest first, until it has
 * enough. */
typedef struct scene_undo scene_undo;

/* For the store's present writer `actor`. Records of its former actors are own too: their
 * origin is neither remote nor an answer. `ops` (empty) receives the operations.
 * Errors: CRDT_ENOMEM. */
crdt_err scene_undo_open(scene_undo **out, crdt_alloc alloc, const crdt_document *doc,
                         const crdt_actor *actor, const scene_undo_options *options,
                         crdt_op_list *ops);
void scene_undo_close(scene_undo *undo);

/* Take one record; false: enough, stop. Shaped for sync_node_history. Records must not
 * change while they are fed; the bytes are borrowed for the call. */
bool scene_undo_visit(void *undo, crdt_span record);

/* After the last record. `target` is the first stamp of what is undone (of a step: of its
 * newest batch): it goes into the history record of the new transaction. The operations are
 * in `ops`. Errors:
 * CRDT_ENOTHING: there is nothing (more) to undo, or nothing that others left alone
 * (see the skips). CRDT_ECORRUPT: a record. CRDT_ENOMEM. */
crdt_err scene_undo_finish(scene_undo *undo, crdt_stamp *target, crdt_diag *diag);

/* The step that is undone or redone; empty: it has none. Borrowed until close. */
crdt_span scene_undo_step(const scene_undo *undo);
/* What was left alone, in the order it was met. Borrowed until close. */
const scene_undo_skip *scene_undo_skips(const scene_undo *undo, size_t *count);

#endif /* SCENE_UNDO_H */
