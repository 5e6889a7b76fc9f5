#ifndef CLI_OUTSIDE_SCENE_INFO_H
#define CLI_OUTSIDE_SCENE_INFO_H

/* What a page needs to know of a scene beside its entities: what it is called, the land it
 * lies on, and which files its shapes are made of. Collected in any order from
 *
 *   the document    the Builder project (title, layout), the assets that shapes name, the
 *                   files that an SDK7 project lists
 *   what is         title, land and files of the scene that a content server has at the
 *   deployed        place
 *   the builder     what it knows of assets of which the scene says nothing
 *
 * and told as GET /v1/info tells it (docs/RENDERER.md). Positions of a Builder scene are in
 * the Builder's own coordinates, so its layout counts before the land that is deployed.
 *
 * Only what can be a model or a part of one is listed, with hashes that can be checked.
 * Pure. Limits: SCENE_INFO_FILES_MAX files beside those of assets. */

#include "cli/content/asset_list.h"
#include "cli/content/deploy.h"
#include "cli/content/parcels.h"
#include "cli/content/project.h"
#include "scene/text_map.h"

#define SCENE_INFO_FILES_MAX 20000u
#define SCENE_INFO_TITLE_MAX 256u /* bytes; a longer one is not told */

typedef struct outside_scene_file {
    crdt_span path;
    crdt_span hash;
} outside_scene_file;

typedef struct outside_scene_info {
    crdt_alloc alloc;
    crdt_arena arena; /* texts */
    content_asset_list assets;
    crdt_span title; /* empty: not known */
    content_parcel base;
    content_parcels land;
    bool project_land;         /* `land` is the project's */
    outside_scene_file *files; /* each path once: the first that named it counts */
    scene_text_map paths;      /* of them, in small letters */
    size_t file_count;
    size_t file_capacity;
} outside_scene_info;

/* A scene at `pointer` ("X,Y") of which nothing is known: one parcel. */
void outside_scene_info_init(outside_scene_info *info, crdt_alloc alloc,
                             const char *pointer);
void outside_scene_info_deinit(outside_scene_info *info);

/* Take what the document says; nothing of it is borrowed afterwards. O(scene). Before what
 * is deployed. Errors: CRDT_ELIMIT: more assets than anybody has; CRDT_ENOMEM. */
crdt_err outside_scene_info_read(outside_scene_info *info, const crdt_document *doc);
/* Take what is deployed. Errors: CRDT_ENOMEM. */
crdt_err outside_scene_info_take(outside_scene_info *info,
                                 const content_deployed *deployed);

typedef struct outside_scene_powers {
    bool play;
    bool save;
    bool publish;
    bool fetch; /* there is a server to get files from; else none are told */
} outside_scene_powers;

/* Append {"ok":true,"title"...}. Errors: CRDT_ENOMEM. */
crdt_err outside_scene_info_write(const outside_scene_info *info,
                                  const outside_scene_powers *powers, crdt_buf *out);
/* Call for each file that is named: only these are given out. An error ends it. */
crdt_err outside_scene_info_each_hash(const outside_scene_info *info,
                                      crdt_err (*take)(void *ctx, crdt_span hash),
                                      void *ctx);

#endif /* CLI_OUTSIDE_SCENE_INFO_H */
