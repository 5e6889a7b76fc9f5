#ifndef SCENE_CODEGEN_H
#define SCENE_CODEGEN_H

/* The generated code of a scene, bin/game.js: calls on the global `dcl` that build what the
 * snapshot shows (as written by dcl-scene-writer 1.1.2, "lightweight").
 *
 *   dcl.subscribe('sceneStart');
 *   dcl.addEntity('1');
 *   dcl.setParent('1','0');
 *   dcl.updateEntityComponent('1', 'engine.transform', 1, JSON.stringify({...}));
 *   dcl.componentCreated('2', 'engine.shape', 54); ...
 *
 * A pure function of what is shown: equal states give equal bytes. Entities in the order
 * of the snapshot, numbered 1, 2, 3; values canonical JSON. A component that several
 * entities share is declared once and attached to each. Two entities of one name are no
 * trouble: names are not identifiers here. */

#include "crdt/document.h"
#include "scene/tree.h"

/* Append the code. `tree` resolves parents. Errors: CRDT_ENOMEM; `out` as before. */
crdt_err scene_codegen_write(const crdt_document *doc, const scene_tree *tree,
                             crdt_alloc alloc, crdt_buf *out);

#endif /* SCENE_CODEGEN_H */
