#ifndef CLI_CONTENT_ASSET_LIST_H
#define CLI_CONTENT_ASSET_LIST_H

/* The assets that a scene shows: which, what the scene or a catalogue says of each, and
 * which files they are made of. Pure.
 *
 *   asset {"id","name","model":"Floor/Floor.glb","contents":{"Floor/Floor.glb":"<CID>",...},
 *          "metrics":{"triangles":...},...}
 *
 * Shown are assets that a GLTFShape or a Script names (`assetId`). */

#include "crdt/document.h"
#include "crdt/op.h"
#include "scene/json.h"

#define CONTENT_ASSETS_MAX 4096u
#define CONTENT_SOURCES_MAX 65536u

typedef struct content_asset {
    crdt_span id;
    crdt_span value; /* of the document, canonical; empty: nothing is known of it */
    uint32_t uses;   /* components that name it */
} content_asset;

typedef struct content_asset_list {
    crdt_alloc alloc;
    crdt_arena arena;      /* all texts */
    content_asset *assets; /* sorted by id */
    size_t asset_count;
    size_t asset_capacity;
    crdt_span *sources; /* `src` of components, sorted, each once */
    size_t source_count;
    size_t source_capacity;
} content_asset_list;

void content_asset_list_init(content_asset_list *list, crdt_alloc alloc);
void content_asset_list_deinit(content_asset_list *list);

/* Collect from a document; nothing of it is borrowed afterwards. Errors: CRDT_ELIMIT,
 * CRDT_ENOMEM. */
crdt_err content_asset_list_read(content_asset_list *list, const crdt_document *doc);
/* Take what a builder server says of assets: {"ok":true,"data":[asset,...]} or the list
 * alone, for those of which nothing is known. Errors: CRDT_ECORRUPT, CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err content_asset_list_take(content_asset_list *list, crdt_span answer,
                                 crdt_diag *diag);

const content_asset *content_asset_list_find(const content_asset_list *list,
                                             crdt_span id);
/* For scene/codegen.h: ctx is the list. */
bool content_asset_list_model(void *ctx, crdt_span asset, crdt_span *path);

/* Step through the files of an asset; start with {0}. False at the end. */
typedef struct content_asset_cursor {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t left;
} content_asset_cursor;
bool content_asset_next_file(const content_asset *asset, content_asset_cursor *cursor,
                             crdt_span *path, crdt_span *hash);
/* A number of its metrics ("triangles"), 0 where it is not told. */
double content_asset_metric(const content_asset *asset, const char *name);

/* Append scene-assets.json: the list of what is known. Errors: CRDT_ENOMEM. */
crdt_err content_asset_list_write(const content_asset_list *list, crdt_buf *out);

#endif /* CLI_CONTENT_ASSET_LIST_H */
