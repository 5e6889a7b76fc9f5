#ifndef SCENE_INVERT_H
#define SCENE_INVERT_H

/* One transaction turned round: the operations that make each of its keys again what it
 * was before, as far as nobody else has touched it since. What undo (scene/undo.h) and
 * redo rest on; the rules are told there. */

#include "crdt/history.h"
#include "scene/edit.h"
#include "scene/undo.h"

/* Whom the caller takes for itself. */
typedef struct scene_invert_who {
    void *ctx;
    /* Is this one of my own writes, whichever? */
    bool (*is_own)(void *ctx, const crdt_stamp *stamp, crdt_span who);
    /* Is what the key holds the very write `written`, or one that restored it? */
    bool (*is_same)(void *ctx, const crdt_key *key, const crdt_stamp *held,
                    const crdt_stamp *written);
    /* A key that is left alone. */
    crdt_err (*skip)(void *ctx, const crdt_key *key, scene_undo_reason reason);
} scene_invert_who;

/* Put the operations into `edit`. `records`: those of the transaction, newest first: one,
 * or those of a step. `scratch` is for the call. O(n log n) in their operations and drops,
 * and O(entities) once if it created any.
 * Errors: CRDT_ENOMEM, and what `skip` returned. */
crdt_err scene_invert(const crdt_history_record *const *records, size_t count,
                      const scene_invert_who *who, scene_edit *edit,
                      crdt_arena *scratch);

/* Bring back an entity that the record took away: `record` holds what it dropped of it, and
 * nothing else. Errors: CRDT_ENOMEM. */
crdt_err scene_invert_removal(const crdt_history_record *record, scene_edit *edit,
                              crdt_arena *scratch);

#endif /* SCENE_INVERT_H */
