#ifndef CLI_SERVERS_ENTITY_H
#define CLI_SERVERS_ENTITY_H

/* A scene as it is deployed: the entity file of ADR-45 and ADR-79.
 *
 *   {"version":"v3","type":"scene","pointers":["x,y",...],"timestamp":MS,
 *    "content":[{"file":"bin/game.js","hash":"bafk..."},...],
 *    "metadata":{"main":"...","scene":{"base":"x,y","parcels":["x,y",...]},...}}
 *
 * Pure. Memory: the parsed text and its lists; the lists borrow from it. */

#include "scene/json.h"
#include "scene/json_writer.h"

#include <stdbool.h>

#define SERVERS_ENTITY_SIZE_MAX (2u << 20) /* bytes of an entity file */
#define SERVERS_POINTER_MAX 10000u
#define SERVERS_FILE_MAX 20000u
#define SERVERS_FILE_NAME_MAX 1024u

/* One file of the scene. */
typedef struct servers_entity_file {
    crdt_span file; /* its path */
    crdt_span hash; /* its CID */
} servers_entity_file;

typedef struct servers_entity {
    crdt_alloc alloc;
    scene_json *json;
    uint64_t timestamp_ms;
    crdt_span *pointers;
    size_t pointer_count;
    servers_entity_file *files;
    size_t file_count;
    const scene_json_node *metadata;
} servers_entity;

/* Parse and check an entity file.
 * Errors: CRDT_ECORRUPT: no JSON, or not as above (unknown members are taken); the
 * pointers are not the parcels; two files of one name (case ignored). CRDT_ELIMIT.
 * CRDT_ENOMEM. `entity` needs no deinit then. */
crdt_err servers_entity_init(servers_entity *entity, crdt_alloc alloc, crdt_span text,
                             crdt_diag *diag);
void servers_entity_deinit(servers_entity *entity);

/* Write it as the server answers: the members above and `id`. */
void servers_entity_write(const servers_entity *entity, crdt_span id,
                          scene_json_writer *writer);

/* Is it "x,y", two whole numbers as they are written shortest, up to 6 digits? */
bool servers_pointer_valid(crdt_span text);

#endif /* CLI_SERVERS_ENTITY_H */
