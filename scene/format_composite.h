#ifndef SCENE_FORMAT_COMPOSITE_H
#define SCENE_FORMAT_COMPOSITE_H

/* SDK7 composites (`main.composite`), version 1: a column a component type.
 *
 *   {"version": 1,
 *    "components": [{"name": TYPE, "jsonSchema": {...},
 *                    "data": {ENTITY: {"json": VALUE}, ...}}, ...]}
 *
 * Instead of {"json": V} also {"$case": "json", "json": V} and {"$case": "binary",
 * "binary": BASE64}. Types `core::` must be known; all others but `inspector::`,
 * `asset-packs::`, `core-schema::` and `composite::` need a jsonSchema. */

#include "scene/import.h"

/* Errors: CRDT_ECORRUPT, CRDT_EVERSION, CRDT_ELIMIT with the place; CRDT_ENOMEM. */
crdt_err scene_format_composite_read(scene_import *import);
/* The composite at `root`, without format and carried data: as inside a manifest. */
crdt_err scene_format_composite_read_node(scene_import *import,
                                          const scene_json_node *root);
/* Is `type` a component of the SDK (core::...)? */
bool scene_format_composite_is_core(crdt_span type);

#endif /* SCENE_FORMAT_COMPOSITE_H */
