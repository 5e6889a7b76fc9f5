#ifndef CLI_WORKER_DISMISSAL_H
#define CLI_WORKER_DISMISSAL_H

/* Letting go of conflicts that stand in the document, without changing what is shown:
 *
 *   concurrent              the shown value is written again over its siblings
 *   edited-while-removed    what is hidden below the removed component is removed: of all of
 *                           its fields
 *   cycle, orphan           it hangs under the root, where it is shown
 *
 * Pure. */

#include "cli/worker/clashes.h"
#include "scene/tree.h"

/* Append the operations, for a batch that sweeps (sync/node.h); none where nothing that is
 * meant stands. A stamp chooses a field by one of the writes that do not show. `ops` is
 * empty; `tree` is the document's. O(what lies below the entity), and as scene_edit_move.
 * Errors: CRDT_ENOMEM. */
crdt_err worker_dismissal_write(const crdt_document *doc, const scene_tree *tree,
                                const worker_clash_choice *choice, crdt_op_list *ops,
                                crdt_diag *diag);

#endif /* CLI_WORKER_DISMISSAL_H */
