#ifndef CLI_CONTENT_PUBLISHED_SCENE_H
#define CLI_CONTENT_PUBLISHED_SCENE_H

/* A scene as it is about to be published: its state file, read; what that says of the
 * project; the assets it shows; the files it needs. Pure but for what it is handed.
 *
 * The document is made of the state file alone: so what is deployed beside it (game.js, the
 * assets) shows just that state, whoever made it. */

#include "cli/content/asset_list.h"
#include "cli/content/parcels.h"
#include "cli/content/project.h"
#include "crdt/document.h"
#include "scene/layout.h"
#include "scene/tree.h"

#define CONTENT_STATE_SIZE_MAX (100u << 20) /* bytes of a state file */

typedef struct content_published_scene {
    crdt_alloc alloc;
    crdt_document *doc;
    scene_tree *tree;
    scene_format origin;
    content_asset_list assets;
    size_t entity_count;
    crdt_buf version; /* JSON {actor: time}, canonical; empty: the file does not say */
    char lineage[40]; /* "": likewise */
    content_project project; /* borrowed from doc */
} content_published_scene;

/* Read a state file. Free with deinit in every case. Errors: CRDT_ECORRUPT, CRDT_ELIMIT,
 * CRDT_ENOMEM, in `diag`. */
crdt_err content_published_scene_read(content_published_scene *scene, crdt_alloc alloc,
                                      crdt_span state, crdt_diag *diag);
/* The same of a scene file of any format. */
crdt_err content_published_scene_read_any(content_published_scene *scene,
                                          crdt_alloc alloc, crdt_span file,
                                          crdt_diag *diag);
void content_published_scene_deinit(content_published_scene *scene);

/* The version that a state file names, as canonical JSON; empty: none. Errors as read. */
crdt_err content_state_version(crdt_span state, crdt_alloc alloc, crdt_buf *version,
                               char lineage[40], crdt_diag *diag);

/* Append bin/game.js. Errors: CRDT_ENOMEM. */
crdt_err content_published_scene_code(content_published_scene *scene, crdt_buf *out);
/* What a file of an asset is called when it is deployed: as game.js names models.
 * False: it is too long. */
bool content_published_scene_path(const content_published_scene *scene,
                                  const content_asset *asset, crdt_span path, char *out,
                                  size_t size);
/* How much of something its models have together ("triangles", "bodies"). */
double content_published_scene_metric(const content_published_scene *scene,
                                      const char *name);

#endif /* CLI_CONTENT_PUBLISHED_SCENE_H */
