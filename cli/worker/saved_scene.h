#ifndef CLI_WORKER_SAVED_SCENE_H
#define CLI_WORKER_SAVED_SCENE_H

/* The scene of a node as a file that is saved or published: its bytes, and the version of
 * the document that they show. They name lineage, version and ancestors
 * (scene/descent.h). */

#include "crdt/version.h"
#include "scene/descent.h"
#include "scene/layout.h"
#include "sync/node.h"

typedef struct worker_saved_scene {
    crdt_buf text;
    crdt_version version;
    crdt_actor lineage;
    scene_descent descent; /* as written: this lineage and version first */
    char project[128];     /* the scene's own (manifests that were read); "": none */
} worker_saved_scene;

void worker_saved_scene_init(worker_saved_scene *scene, crdt_alloc alloc);
void worker_saved_scene_deinit(worker_saved_scene *scene);

/* Make the file in the node's thread: O(scene). `before` and `after` (may be NULL) are put
 * around it. SCENE_FORMAT_NONE: in the format that was imported, else a state.
 * Errors: CRDT_ESTALE: the node has no scene yet. CRDT_ECLOSED, CRDT_ENOMEM. */
crdt_err worker_saved_scene_make(worker_saved_scene *scene, sync_node *node,
                                 scene_format format, const char *before,
                                 const char *after);

/* The format that a path asks for: builder.json, manifest.json; *.composite; else a
 * state. */
scene_format worker_saved_scene_format(const char *path);
/* Put bytes in place of a file, whole or not at all: written beside, synced, renamed, the
 * folder synced. Errors: CRDT_EIO, CRDT_ENOMEM, the reason in `diag`. */
crdt_err worker_saved_scene_put(const char *path, crdt_span text, crdt_diag *diag);

#endif /* CLI_WORKER_SAVED_SCENE_H */
