#ifndef SCENE_SCENE_H
#define SCENE_SCENE_H

/* Entities and components on a document: reading what they are, and turning intentions
 * (add, set, move, remove) into operations.
 *
 * How they lie on objects, parts and fields, and the spellings of Transform and Name:
 * scene/layout.h. A component may be shared by many entities: then its fields lie in an
 * object of their own, and fields of the entity's part stand before those (copy on
 * write, field by field). All names and ids are bytes as given, never translated. */

#include "crdt/document.h"
#include "crdt/op_list.h"
#include "scene/layout.h"

/* ---- reading ---- */

/* Is there such an entity? */
bool scene_entity_live(const crdt_document *doc, crdt_span entity);

/* Step through the live entities (objects that are not ours): start with {0}; order
 * unspecified; false at the end. */
bool scene_entity_next(const crdt_document *doc, crdt_object *entity);

/* One top-level field as it is shown. Borrowed until the next change. */
typedef struct scene_field {
    crdt_span name;
    crdt_span value;
    crdt_stamp stamp;
    bool inherited; /* it is the shared component's */
} scene_field;

/* A component of a live entity as it is shown. A plain value with cursors into the
 * document: valid until its next change. */
typedef struct scene_component {
    const crdt_document *doc;
    crdt_part own;
    crdt_part shared; /* {0}: not shared, or what is shared is gone */
    crdt_span shared_id;
    bool whole; /* it is no object: `value` is all there is */
    crdt_span value;
} scene_component;

/* False where the entity or the component is not live. O(fields). */
bool scene_component_find(const crdt_document *doc, crdt_span entity, crdt_span name,
                          scene_component *component);
/* The same for a part at hand, which must be live. */
void scene_component_open(const crdt_document *doc, crdt_part part,
                          scene_component *component);

/* Step through the fields that are shown, in byte order of names: start with a zeroed
 * cursor. False at the end; at once for a whole value. */
typedef struct scene_field_cursor {
    crdt_field own;
    crdt_field shared;
    bool begun;
    bool own_ended;
    bool shared_ended;
} scene_field_cursor;
bool scene_component_next_field(const scene_component *component,
                                scene_field_cursor *cursor, scene_field *field);
/* One field by name; false if it is not shown. */
bool scene_component_field(const scene_component *component, crdt_span name,
                           scene_field *field);

/* Append the component's whole value, canonical. Errors: CRDT_ENOMEM. */
crdt_err scene_component_value(const scene_component *component, crdt_buf *out);

/* What an entity says of its parent, before the tree is resolved. */
typedef struct scene_parent {
    bool named;       /* it names one; else it is under the root */
    crdt_span id;     /* borrowed from the document, or from `text` */
    crdt_stamp stamp; /* of the field that says so; time 0 where there is none */
    char text[SCENE_PARENT_TEXT_SIZE];
} scene_parent;

/* Fill `parent` (do not move it afterwards) for a live entity. O(log parts). */
void scene_entity_parent(const crdt_document *doc, crdt_object entity,
                         scene_parent *parent);

/* The name shown for an entity: the field `value` of its Name component if that is
 * text; false if it has none. */
bool scene_entity_name(const crdt_document *doc, crdt_span entity, crdt_span *utf8);

/* ---- editing ---- */

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

#endif /* SCENE_SCENE_H */
