#ifndef SCENE_EDIT_PUT_H
#define SCENE_EDIT_PUT_H

/* Operations that bring about a state of a key, where it is not so already. Internal to
 * scene/edit*. Errors of all: CRDT_ENOMEM. */

#include "scene/edit_view.h"

/* There is such an object, such a part of it. */
crdt_err scene_edit_put_object(scene_edit *edit, crdt_span object);
crdt_err scene_edit_put_part(scene_edit *edit, crdt_span object, crdt_span part);
/* The live part's own field has this value, and no siblings. */
crdt_err scene_edit_put_field(scene_edit *edit, crdt_span object, crdt_span part,
                              crdt_span field, crdt_span value);
/* The part has no own field of this name. */
crdt_err scene_edit_drop_field(scene_edit *edit, crdt_span object, crdt_span part,
                               crdt_span field);
/* None of our fields says that the component is no object, or has no value.
 * `keep_value`: but for the whole value itself. */
crdt_err scene_edit_drop_whole(scene_edit *edit, crdt_span entity, crdt_span component,
                               bool keep_value);

/* The component shows no such field, neither own nor inherited. */
crdt_err scene_edit_drop_shown(scene_edit *edit, crdt_span entity, crdt_span part,
                               crdt_span name);
/* The component is an object and shows this field so; what is missing is made. */
crdt_err scene_edit_put_component_field(scene_edit *edit, crdt_span entity,
                                        crdt_span part, crdt_span field,
                                        crdt_span value);

#endif /* SCENE_EDIT_PUT_H */
