#ifndef CLI_CONTENT_ENTITY_TEXT_H
#define CLI_CONTENT_ENTITY_TEXT_H

/* The texts of a deployment: scene.json, which is the metadata too, and the entity. Pure,
 * canonical JSON: equal things give equal bytes.
 *
 *   entity {"version":"v3","type":"scene","pointers":["X,Y"],"timestamp":MS,
 *           "content":[{"file","hash"}],"metadata":{scene.json}}
 *
 * The CID of the entity is its id, and the text that is signed. */

#include "cli/content/parcels.h"
#include "scene/json.h"

#define CONTENT_FILE_NAME_MAX 1024u

typedef struct content_metadata {
    const scene_json_node
        *former; /* metadata of the deployed scene, NULL: none. What is
                                    * not said below stays as it is there */
    content_parcel base;
    const content_parcels *parcels;
    crdt_span title;       /* empty: as it was, else made of `base` */
    crdt_span description; /* data NULL: as it was */
    bool thumbnail;        /* there is a thumbnail.png */
    crdt_span project;     /* empty: none */
    bool empty; /* the scene is taken away: nothing of `former` but its land */
} content_metadata;

/* Append scene.json. `source` says where it comes from: {"version":1,
 * "origin":"builder-in-world","projectId","point","rotation","layout","isEmpty"?}; rotation
 * and layout as they were where they are told, else east (nothing is turned).
 * Errors: CRDT_ENOMEM. */
crdt_err content_metadata_write(const content_metadata *metadata, crdt_alloc alloc,
                                crdt_buf *out);

typedef struct content_entity_file {
    crdt_span name;
    const char *hash;
} content_entity_file;

/* Append the entity. `files` in this order. Errors: CRDT_ENOMEM. */
crdt_err content_entity_write(const content_parcels *parcels, uint64_t timestamp_ms,
                              const content_entity_file *files, size_t file_count,
                              crdt_span metadata, crdt_alloc alloc, crdt_buf *out);

/* May a deployed file be called so: a relative path in UTF-8, no "." or ".." or empty
 * part, no backslash or control character, up to 1,024 bytes? */
bool content_file_name_valid(crdt_span name);
/* As servers compare names: letters A-Z as a-z. */
bool content_file_name_equal(crdt_span a, crdt_span b);

#endif /* CLI_CONTENT_ENTITY_TEXT_H */
