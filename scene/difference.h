#ifndef SCENE_DIFFERENCE_H
#define SCENE_DIFFERENCE_H

/* What has to be done to one scene to make it another: the edits of `import --onto`, and
 * what `diff` prints.
 *
 * Both scenes are compared as they are shown (scene/layout.h). What a file cannot say is
 * no difference:
 *
 *   - the order of entities in a manifest of the builder (order of keys is no data)
 *   - scene-wide parts, ids, extra fields and entity data of another origin, where the
 *     other scene has none
 *   - whether a component is shared, where it shows the same
 *   - what a file was saved from (scene/descent.h)
 *   - how a composite spells "$case" where the value is there already
 *   - places, as long as the order that they give is the same
 *
 * Types are compared in the spelling of `from`, if the origins differ. */

#include "crdt/document.h"
#include "crdt/op_list.h"

/* Append the operations that turn `from` into `to`; none where they show the same. Sorted
 * by object, removes last: the same for the same two scenes.
 * O(n log n). Errors: CRDT_ENOMEM. */
crdt_err scene_difference_of(const crdt_document *from, const crdt_document *to,
                             crdt_alloc alloc, crdt_op_list *out);

/* The same, to what the operations of a file say (scene_format_read).
 * Errors: CRDT_ENOMEM, and those of crdt_document_commit. */
crdt_err scene_difference_to_ops(const crdt_document *from, const crdt_op *ops,
                                 size_t op_count, crdt_alloc alloc, crdt_op_list *out,
                                 crdt_diag *diag);

#endif /* SCENE_DIFFERENCE_H */
