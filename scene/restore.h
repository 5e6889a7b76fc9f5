#ifndef SCENE_RESTORE_H
#define SCENE_RESTORE_H

/* Bring back an entity that was removed, by whomever: as it was then, with what others have
 * written into it since (which no one sees while it is gone). What hangs below it and was not
 * removed hangs there again by itself; what was removed with it is brought back by itself.
 *
 * What it was is read from the history records, newest first: of one's own edits, of those
 * of others, and of answers. */

#include "crdt/history.h"
#include "crdt/op_list.h"

typedef struct scene_restore scene_restore;

/* `ops` (empty) receives the operations; `entity` is copied. Errors: CRDT_ENOMEM. */
crdt_err scene_restore_open(scene_restore **out, crdt_alloc alloc,
                            const crdt_document *doc, crdt_span entity,
                            crdt_op_list *ops);
/* Accepts NULL. */
void scene_restore_close(scene_restore *restore);

/* Take one record; false: enough, stop. Shaped for sync_node_history. */
bool scene_restore_visit(void *restore, crdt_span record);

/* After the last record. Errors: CRDT_ENOTHING: it is there. CRDT_ENOTFOUND: no record
 * tells what it was (the history is bounded), or only in part. CRDT_ECORRUPT: a record.
 * CRDT_ENOMEM. */
crdt_err scene_restore_finish(scene_restore *restore, crdt_diag *diag);

#endif /* SCENE_RESTORE_H */
