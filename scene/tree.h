#ifndef SCENE_TREE_H
#define SCENE_TREE_H

/* The resolved tree of a document, kept up to date entity by entity.
 *
 * It holds what scene_resolve would say of the whole document, and after a change
 * recomputes only what the change can reach:
 *
 *   an edit that touches no parent     O(1) for each entity touched
 *   a move                             O(depth): walks up from the old and the new parent
 *   an entity comes or goes            O(depth) for it and for each that names it
 *   build                              O(entities)
 *
 * The walks of one update are bounded: once they have made as many steps as building
 * would (a burst of moves deep down), the rest is resolved at once, O(entities).
 *
 * Memory: from `alloc`, O(entities and names of missing parents). It borrows the
 * document for the calls only. Threads: no locking. */

#include "crdt/document.h"
#include "scene/resolve.h"

typedef struct scene_tree scene_tree;

/* Errors: CRDT_ENOMEM. */
crdt_err scene_tree_open(scene_tree **out, crdt_alloc alloc);
void scene_tree_close(scene_tree *tree);

/* Forget all, read all of `doc`. O(entities).
 * Errors: CRDT_ENOMEM: the tree is empty. */
crdt_err scene_tree_build(scene_tree *tree, const crdt_document *doc);

/* Take in the changes of these entities (names, any order, repeats allowed; names that
 * are no entities say nothing). `moved` (may be NULL) is told each entity whose shown
 * parent or repair changed; it may be told more than once.
 * Errors: CRDT_ENOMEM: build again. */
crdt_err scene_tree_update(scene_tree *tree, const crdt_document *doc,
                           const crdt_span *entities, size_t count,
                           void (*moved)(void *ctx, crdt_span entity), void *ctx);

/* What is shown of one live entity. Its spans are borrowed until the next build or
 * update. */
typedef struct scene_place {
    crdt_span id;
    bool under_root;     /* shown under the root */
    crdt_span parent;    /* else shown under this one */
    scene_repair repair; /* with one, `wanted` is what the entity itself names */
    crdt_span wanted;
} scene_place;

/* False where there is no such live entity. O(1). */
bool scene_tree_find(const scene_tree *tree, crdt_span entity, scene_place *place);
/* Step through the live entities; start with 0; order unspecified. False at the end. */
bool scene_tree_next(const scene_tree *tree, size_t *index, scene_place *place);
size_t scene_tree_count(const scene_tree *tree);        /* live entities */
size_t scene_tree_repair_count(const scene_tree *tree); /* of them shown repaired */

/* Deep test against scene_resolve on the whole document, for tests. */
bool scene_tree_check(const scene_tree *tree, const crdt_document *doc);

#endif /* SCENE_TREE_H */
