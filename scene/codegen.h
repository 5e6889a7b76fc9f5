#ifndef SCENE_CODEGEN_H
#define SCENE_CODEGEN_H

/* The generated code of a scene, bin/game.js: calls on the global `dcl` that build what the
 * snapshot shows (as written by dcl-scene-writer 1.1.2, "lightweight").
 *
 *   dcl.subscribe('sceneStart');
 *   dcl.addEntity('1');
 *   dcl.setParent('1', '0');
 *   dcl.updateEntityComponent('1', 'engine.transform', 1, JSON.stringify({...}));
 *   dcl.componentCreated('gltfShape', 'engine.shape', 54); ...
 *
 * and, in further arguments that the real runtime does not look at, what it takes to build
 * exactly that again: ids, types, what only editors read. docs/CODEGEN.md is the format.
 *
 * A pure function of what is shown: equal states give equal bytes. Entities in the order
 * of the snapshot, numbered 1, 2, 3; values canonical JSON. A component that several
 * entities share is declared once and attached to each. Two entities of one name are no
 * trouble: names are not identifiers here.
 *
 * O(document). Memory: 100 bytes an entity beside the text. */

#include "crdt/document.h"
#include "scene/tree.h"

/* Append the code. `tree` resolves parents. Errors: CRDT_ENOMEM; `out` as before. */
crdt_err scene_codegen_write(const crdt_document *doc, const scene_tree *tree,
                             crdt_alloc alloc, crdt_buf *out);

/* Assets that the scene itself does not hold. `model` finds the path of an asset's model
 * ("Floor/Floor.glb", borrowed until the next call); false: not known. */
typedef struct scene_codegen_assets {
    bool (*model)(void *ctx, crdt_span asset, crdt_span *path);
    void *ctx;
} scene_codegen_assets;

/* The same with an asset catalogue (NULL: none); the scene's own assets come first. */
crdt_err scene_codegen_write_with(const crdt_document *doc, const scene_tree *tree,
                                  const scene_codegen_assets *assets, crdt_alloc alloc,
                                  crdt_buf *out);

#endif /* SCENE_CODEGEN_H */
