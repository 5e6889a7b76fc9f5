#ifndef SCENE_FORMAT_BUILDER_H
#define SCENE_FORMAT_BUILDER_H

/* Builder manifests (`builder.json`, `manifest.json`), versions 1 to 11:
 *
 *   {"version": N, "project": {...},
 *    "scene": {"id", "entities": {ID: {"id", "components": [COMPONENT ID...], "name"...}},
 *              "components": {ID: {"id", "type", "data"}}, "assets", "ground", ...}}
 *
 * From version 11 on, `scene` is {"sdk6": such a scene or null, "sdk7": {"composite": {...},
 * "mappings", ...} or null}. Project is kept as spelled (camel or snake case).
 *
 * Components are shared: one that several entities list is one here too. The order of
 * keys is not data in JSON, and export sorts them; the order of entities in a file that
 * is read is kept as a hint for other formats. */

#include "crdt/document.h"
#include "scene/descent.h"
#include "scene/import.h"
#include "scene/tree.h"

/* Errors: CRDT_ECORRUPT, CRDT_ELIMIT with the place; CRDT_ENOMEM. */
crdt_err scene_format_builder_read(scene_import *import);

/* Append the manifest. A scene that was none gets one of version 10: ids, names, project,
 * limits and assets of its models are made up, the same every time, and marked, so that
 * reading drops them again unless they were edited.
 * `tree` (NULL: parents as written) resolves parents; `descent` (NULL: what the document
 * says) is where it comes from. Errors: CRDT_ENOMEM; `out` as
 * before. */
crdt_err scene_format_builder_write(const crdt_document *doc, const scene_tree *tree,
                                    const scene_descent *descent, crdt_alloc alloc,
                                    crdt_buf *out);

#endif /* SCENE_FORMAT_BUILDER_H */
