#ifndef SCENE_EDIT_PARENT_H
#define SCENE_EDIT_PARENT_H

/* Changing what an entity says of its parent, so that nothing else moves. Internal to
 * scene/edit*.
 *
 * All walks follow what will be said, from one entity up: O(depth), no recursion, no
 * memory. See scene/resolve.h for what is shown. */

#include "scene/edit.h"

bool scene_edit_is_transform(crdt_span component);

/* Does the entity name this live parent? */
bool scene_edit_names_parent(const scene_edit *edit, crdt_span entity,
                             crdt_span parent);
/* Is the entity in a cycle of what will be said? Then *hidden is whose edge is ignored. */
bool scene_edit_find_cycle(const scene_edit *edit, crdt_span entity, crdt_span *hidden);

/* Fill `diag` and return CRDT_EINVAL. */
crdt_err scene_edit_refuse_cycle(crdt_diag *diag);
/* The edge of the entity is about to change: to `parent`, NULL: to none. Refuses what
 * would close a cycle (CRDT_EINVAL); pins the entity whose hidden edge is freed by it. */
crdt_err scene_edit_change_parent(scene_edit *edit, crdt_span entity,
                                  const crdt_span *parent, crdt_diag *diag);
/* The component is about to say nothing of a parent any more. If it is the one that does,
 * as above, and no other spelling of the transform takes over. */
crdt_err scene_edit_leave_parent(scene_edit *edit, crdt_span entity,
                                 crdt_span component, crdt_diag *diag);
/* The field `parent` of this transform of the entity is about to become `value`, NULL: to
 * go. Refuses what would hang the entity below itself (CRDT_EINVAL), pins what a hidden
 * edge would free (scene_edit_move). */
crdt_err scene_edit_prepare_parent(scene_edit *edit, crdt_span entity,
                                   crdt_span component, const crdt_span *value,
                                   crdt_diag *diag);
/* An entity was just added, to hang under `parent`: if that waited, as an orphan, to hang
 * below it, it stays where it is shown. */
crdt_err scene_edit_adopt_parent(scene_edit *edit, crdt_span entity, crdt_span parent);

/* Write that the entity is under the root; that it is under `parent`. */
crdt_err scene_edit_drop_parent(scene_edit *edit, crdt_span entity);
crdt_err scene_edit_write_parent(scene_edit *edit, crdt_span entity, crdt_span parent);

#endif /* SCENE_EDIT_PARENT_H */
