#ifndef SCENE_EDIT_VIEW_H
#define SCENE_EDIT_VIEW_H

/* The document as it will be with the operations that an edit has put so far.
 *
 * The operations are chained per object from the newest. Each of them says something, so
 * the newest one that concerns a key decides; where none does, the document. Internal to
 * scene/edit*. Cost of each question: O(operations so far on the same object). */

#include "scene/edit.h"
#include "scene/id_map.h"

struct scene_edit_index {
    crdt_alloc alloc;
    scene_id_map map;   /* object -> number in `newest` */
    uint32_t *newest;   /* object -> its newest operation */
    uint32_t *previous; /* operation -> the one before it on the same object */
    size_t newest_count;
    size_t newest_capacity;
    size_t previous_capacity;
    const scene_edit *edit;
};

/* SCENE_ID_NONE: none yet. */
uint32_t scene_edit_newest_op(const scene_edit *edit, crdt_span object);

bool scene_edit_object_live(const scene_edit *edit, crdt_span object);
bool scene_edit_part_live(const scene_edit *edit, crdt_span object, crdt_span part);
/* The value of the part's own field; false if none. */
bool scene_edit_field(const scene_edit *edit, crdt_span object, crdt_span part,
                      crdt_span field, crdt_span *value);

/* Would it say nothing to set the part's own field so? */
bool scene_edit_field_is(const scene_edit *edit, crdt_span object, crdt_span part,
                         crdt_span field, crdt_span value);

typedef enum scene_edit_verdict {
    SCENE_EDIT_SILENT, /* the operations say nothing of it: as in the document */
    SCENE_EDIT_GONE,
    SCENE_EDIT_THERE, /* *decided is the one that says so */
} scene_edit_verdict;

/* What the operations say of a part, or (`field` not NULL) of a field of it. */
scene_edit_verdict scene_edit_judge(const scene_edit *edit, crdt_span object,
                                    crdt_span part, const crdt_span *field,
                                    const crdt_op **decided);
/* The live part in the document as it is; {0}: none. */
crdt_part scene_edit_document_part(const scene_edit *edit, crdt_span object,
                                   crdt_span part);

/* ---- what is shared ---- */

/* The component as the document shows it; false where the operations have made its part
 * anew, or there is none. */
bool scene_edit_open_component(const scene_edit *edit, crdt_span entity, crdt_span part,
                               scene_component *component);
/* The same where it inherits fields, and still will. */
bool scene_edit_open_sharing(const scene_edit *edit, crdt_span entity, crdt_span part,
                             scene_component *component);
/* Does what is shared have this field, whether or not an own one stands before it? */
bool scene_edit_shares_field(const scene_component *component, crdt_span name,
                             crdt_span *value);
/* The value shown, own or inherited; false if none. Not for whole values. */
bool scene_edit_shown(const scene_edit *edit, crdt_span entity, crdt_span part,
                      crdt_span name, crdt_span *value, bool *inherited);

#endif /* SCENE_EDIT_VIEW_H */
