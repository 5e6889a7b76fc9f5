#ifndef SCENE_FORMAT_STATE_H
#define SCENE_FORMAT_STATE_H

/* `scene-state-definition.json`, the native snapshot:
 *
 *   {"schemaVersion": 1,
 *    "entities": [{"id": ID, "components": [{"type": TYPE, "value": ANY}, ...]}, ...]}
 *
 * Unknown fields anywhere survive. Ours are `scenesync` (docs/FORMATS.md) in any of the
 * records, and `conflicts` at the top, which reading ignores. */

#include "scene/import.h"

/* Read the parsed file of `import` into its list of operations.
 * Errors: CRDT_ECORRUPT, CRDT_EVERSION, CRDT_ELIMIT with the place; CRDT_ENOMEM. */
crdt_err scene_format_state_read(scene_import *import);

#endif /* SCENE_FORMAT_STATE_H */
