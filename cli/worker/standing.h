#ifndef CLI_WORKER_STANDING_H
#define CLI_WORKER_STANDING_H

/* The conflicts that stand in the document now, followed entity by entity: listing them
 * costs what they are, not what the scene is.
 *
 *   cycle, orphan          its parent is shown as the root; the value is whom it names
 *   concurrent             a write that lost against another one, and is still held
 *   edited-while-removed   a write below an entity or component that is gone
 *
 * What people cannot see is not told: fields of our own (order, ids, sharing) but the whole
 * value, and parts that are no components, but the entity's own.
 *
 * Threads: the node's. */

#include "cli/worker/wording.h"
#include "scene/name_set.h"
#include "scene/tree.h"

typedef struct worker_standing {
    scene_name_set names; /* of entities that have conflicts, or had */
    uint64_t revision;    /* counts up when the list may have changed */
} worker_standing;

void worker_standing_init(worker_standing *standing, crdt_alloc alloc);
void worker_standing_deinit(worker_standing *standing);

/* The entity was looked at: it changed, came or went. O(what lies below it). Errors:
 * CRDT_ENOMEM: call worker_standing_build. */
crdt_err worker_standing_look(worker_standing *standing, const crdt_document *doc,
                              const scene_tree *tree, crdt_span entity);
/* Look at all of the document anew. O(document). Errors: CRDT_ENOMEM: the set is empty. */
crdt_err worker_standing_build(worker_standing *standing, const crdt_document *doc,
                               const scene_tree *tree);

typedef bool (*worker_standing_fn)(void *ctx, const worker_conflict *conflict);
/* Step through the conflicts: all repairs, then the rest, both in the default order of
 * entities (scene/layout.h). `visit` returns false to stop. Errors: CRDT_ENOMEM. */
crdt_err worker_standing_visit(worker_standing *standing, const crdt_document *doc,
                               const scene_tree *tree, worker_standing_fn visit,
                               void *ctx);

#endif /* CLI_WORKER_STANDING_H */
