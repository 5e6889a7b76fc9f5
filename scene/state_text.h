#ifndef SCENE_STATE_TEXT_H
#define SCENE_STATE_TEXT_H

/* How a scene's own fields and one entity look in a snapshot. */

#include "scene/scene.h"

/* Append `{"components":[{"type":T,"value":V},...],"id":ID, own fields}`, canonical.
 * `under_root`: leave its parent out, whatever it says. */
crdt_err scene_state_text_entity(const crdt_document *doc, crdt_object entity,
                                 bool under_root, crdt_buf *out);

/* Append the fields of the file but `entities` and `conflicts`, as one canonical map. */
crdt_err scene_state_text_fields(const crdt_document *doc, crdt_buf *out);

#endif /* SCENE_STATE_TEXT_H */
