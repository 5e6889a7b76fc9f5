#ifndef SCENE_EDIT_H
#define SCENE_EDIT_H

/* Intentions (add, set, move, remove) turned into operations.
 *
 * Where things lie on the document: scene/layout.h. */

#include "crdt/op_list.h"
#include "scene/scene.h"

/* Collects intentions as operations that say something, each judged after those before
 * it. Give its list to one crdt_document_commit on the very document, unchanged.
 *
 * Every function: Errors: CRDT_EINVAL: what is asked for makes no sense (text in
 * `diag`): an entity's id or a component's name that begins with byte FF, a parent
 * below its own child. CRDT_ENOTFOUND: names something that is not there. CRDT_ENOMEM.
 * After an error the list is as before the call, except after CRDT_ENOMEM, which
 * sticks.
 *
 * Memory: all from the list. Cost: O(fields of the component), and O(depth) where a
 * parent changes. */
typedef struct scene_edit {
    const crdt_document *doc;
    crdt_op_list *ops;
    struct scene_edit_index *index; /* the operations so far, by object */
} scene_edit;

/* `ops` is empty and outlives the edit; nothing else is put into it meanwhile. */
crdt_err scene_edit_open(scene_edit *edit, const crdt_document *doc, crdt_op_list *ops);
void scene_edit_close(scene_edit *edit);

/* Add an entity, under `parent` unless that is NULL. One that is there stays as it is,
 * but is moved under a parent given. The parent must be live. */
crdt_err scene_edit_add(scene_edit *edit, crdt_span entity, const crdt_span *parent,
                        crdt_diag *diag);
/* Remove an entity with all its components. Its children stay, under the root. */
crdt_err scene_edit_remove(scene_edit *edit, crdt_span entity, crdt_diag *diag);
/* Hang the entity under `parent`, NULL: the root. Entities elsewhere stay where they
 * are shown: where the move would free an edge that is hidden in a cycle, the shown
 * parent of that entity is written first. */
crdt_err scene_edit_move(scene_edit *edit, crdt_span entity, const crdt_span *parent,
                         crdt_diag *diag);

/* Is the entity there, and (`component` not NULL) the component, with the operations put
 * so far? */
bool scene_edit_has(const scene_edit *edit, crdt_span entity,
                    const crdt_span *component);

/* Make the component's value `value` (canonical), whole: fields that it lacks are
 * unset, equal ones are left alone. Creates what is missing, entity included. A
 * component that is shared stays so while it can. */
crdt_err scene_edit_set(scene_edit *edit, crdt_span entity, crdt_span component,
                        crdt_span value, crdt_diag *diag);
/* Set one top-level field. Creates what is missing. A component that was no object
 * becomes one. */
crdt_err scene_edit_set_field(scene_edit *edit, crdt_span entity, crdt_span component,
                              crdt_span field, crdt_span value, crdt_diag *diag);
/* Unset one field; one that the component inherits detaches it from what it shares: the
 * other fields are copied. */
crdt_err scene_edit_unset_field(scene_edit *edit, crdt_span entity, crdt_span component,
                                crdt_span field, crdt_diag *diag);
crdt_err scene_edit_remove_component(scene_edit *edit, crdt_span entity,
                                     crdt_span component, crdt_diag *diag);

/* ---- for what puts operations together itself (scene/invert.h) ---- */

/* Put one operation as it is; it must say something. */
crdt_err scene_edit_push(scene_edit *edit, crdt_op_kind kind, crdt_key key,
                         crdt_span value);
#endif /* SCENE_EDIT_H */
