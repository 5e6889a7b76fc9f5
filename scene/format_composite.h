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

#include "scene/export.h"
#include "scene/import.h"

/* Errors: CRDT_ECORRUPT, CRDT_EVERSION, CRDT_ELIMIT with the place; CRDT_ENOMEM. */
crdt_err scene_format_composite_read(scene_import *import);
/* The composite at `root`, without format and carried data: as inside a manifest. */
crdt_err scene_format_composite_read_node(scene_import *import,
                                          const scene_json_node *root);
/* Is `type` a component of the SDK (core::...)? */
bool scene_format_composite_is_core(crdt_span type);
/* Must a column of `type` bring a jsonSchema? */
bool scene_format_composite_needs_schema(crdt_span type);

/* Append the composite. Ids that are no numbers get numbers from 512 on, in the order of
 * the entities; `scenesync` at the top says whose they are.
 * `tree` (NULL: parents as written) resolves parents; `descent` (NULL: what the document
 * says) is where it comes from. Errors: CRDT_ENOMEM; `out` as
 * before. */
crdt_err scene_format_composite_write(const crdt_document *doc, const scene_tree *tree,
                                      const scene_descent *descent, crdt_alloc alloc,
                                      crdt_buf *out);
/* The pieces, as they stand inside a manifest: the composite as a value, and members of
 * `scenesync` (after it). */
void scene_format_composite_write_node(scene_export *export, bool with_carry);
void scene_format_composite_write_carry(scene_export *export);

#endif /* SCENE_FORMAT_COMPOSITE_H */
