#ifndef SCENE_FORMAT_STATE_H
#define SCENE_FORMAT_STATE_H

/* `scene-state-definition.json`, the native snapshot:
 *
 *   {"schemaVersion": 1,
 *    "entities": [{"id": ID, "components": [{"type": TYPE, "value": ANY}, ...]}, ...]}
 *
 * Unknown fields anywhere survive. Ours are `scenesync` (docs/FORMATS.md) in any of the
 * records, and `conflicts` at the top, which reading ignores. */

#include "crdt/document.h"
#include "scene/descent.h"
#include "scene/export.h"
#include "scene/import.h"
#include "scene/tree.h"

/* Read the parsed file of `import` into its list of operations.
 * Errors: CRDT_ECORRUPT, CRDT_EVERSION, CRDT_ELIMIT with the place; CRDT_ENOMEM. */
crdt_err scene_format_state_read(scene_import *import);

/* Read a text entity by entity, as most states can be: their ids ascend, and they come from
 * no other format. *done: it is one, and all of it is in the list of `import` (whose `json` is
 * not set), or with its planter. Else what is there is to be forgotten, and *json (may be NULL)
 * is the whole text parsed, if that has come of it.
 * Errors: CRDT_ENOMEM. What is wrong with a text is left to the other way to say. */
crdt_err scene_format_state_read_each(scene_import *import, crdt_span text,
                                      const scene_json_limits *limits,
                                      scene_json **json, bool *done);

/* Append the record of one live entity to `out`: canonical JSON, a function of the entity,
 * the components it shares, `under_root` (leave its parent out, whatever it says) and of
 * the origin that FF scene names. `export` is one of states that was opened since the
 * document's last change; its `plain` tells afterwards that the entity shares nothing and
 * has nothing else of ours. O(its fields). Errors: CRDT_ENOMEM; `out` as before. */
crdt_err scene_format_state_entity(scene_export *export, crdt_object entity,
                                   bool under_root, crdt_buf *out);

/* Append the text around the entities, with empty lists: *conflicts_at (only if there is
 * to be a list of conflicts) and *entities_at are the places in `out` where records go,
 * separated by commas. A function of the objects FF scene and FF c....
 * Errors: CRDT_ENOMEM; `out` as before. */
crdt_err scene_format_state_frame(const crdt_document *doc,
                                  const scene_descent *descent, bool with_conflicts,
                                  crdt_alloc alloc, crdt_buf *out, size_t *conflicts_at,
                                  size_t *entities_at);

/* Append the whole file, without conflicts. `descent` (NULL: what the document says) is where
 * it comes from. Errors: CRDT_ENOMEM; `out` as before. */
crdt_err scene_format_state_write(const crdt_document *doc, const scene_tree *tree,
                                  const scene_descent *descent, crdt_alloc alloc,
                                  crdt_buf *out);

#endif /* SCENE_FORMAT_STATE_H */
