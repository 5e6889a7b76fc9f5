#ifndef CLI_CONTENT_CONTENT_CLIENT_H
#define CLI_CONTENT_CONTENT_CLIENT_H

/* What is asked of a content server: which scene is deployed at a place, and its files.
 *
 *   POST /content/entities/active  {"pointers":["X,Y"]}  ->  [entity]
 *   GET  /content/contents/{hash}                        ->  bytes
 *
 *   entity {"id", "type":"scene", "pointers":["X,Y", ...], "timestamp",
 *           "content":[{"file","hash"}, ...], "metadata":{..., "source":{"projectId"}}}
 *
 * Reading what a server says is apart from the calls, so that it can be tested with any
 * bytes. A server may be hostile: sizes are bounded, a file must be what its hash names,
 * and a refusal says why. */

#include "crdt/buf.h"
#include "crdt/err.h"
#include "scene/layout.h"

#include <stdatomic.h>
#include <stdbool.h>

#define CONTENT_NAME_SIZE 256           /* of a file's name, with terminator */
#define CONTENT_TEXT_SIZE 128           /* of ids and hashes, with terminator */
#define CONTENT_ENTITIES_MAX (8u << 20) /* bytes of an answer that lists entities */
#define CONTENT_FILE_MAX (64u << 20)    /* bytes of a scene file */

/* A file of an entity that holds a scene. */
typedef struct content_scene_file {
    char name[CONTENT_NAME_SIZE]; /* as listed */
    char hash[CONTENT_TEXT_SIZE];
    scene_format format;
} content_scene_file;

/* What is deployed at a place. */
typedef struct content_scene {
    bool deployed; /* false: nothing; all else is empty then */
    char id[CONTENT_TEXT_SIZE];
    uint64_t timestamp;              /* ms */
    char project[CONTENT_TEXT_SIZE]; /* metadata.source.projectId; "": none */
    bool has_file;
    content_scene_file file; /* the first of scene-state-definition.json, builder.json,
                              * main.composite that it has */
    uint32_t file_count;
} content_scene;

/* Is it "X,Y", two decimal integers as pointers have them (no "+", no leading zeros, up to
 * 5 digits)? */
bool content_pointer_valid(const char *pointer);

/* Read the answer to entities/active: the entity of `pointer`. An empty list is a scene
 * that is not deployed.
 * Errors: CRDT_ECORRUPT: it is no such answer, or does not have the pointer asked for;
 * CRDT_ELIMIT; CRDT_ENOMEM. */
crdt_err content_scene_read(content_scene *scene, crdt_span answer, const char *pointer,
                            crdt_alloc alloc, crdt_diag *diag);
/* Which scene format does a file of this name hold (any letter case)? *rank (may be NULL)
 * is its place in the order above, from 0. SCENE_FORMAT_NONE: none. */
scene_format content_file_format(crdt_span name, uint32_t *rank);

/* How calls are made. */
typedef struct content_client {
    crdt_alloc alloc;
    const char *url; /* the base before /content/... */
    uint32_t timeout_ms;
    const atomic_bool *stop; /* NULL, or: give up soon after it turns true */
} content_client;

/* Ask for the scene at "X,Y". A 404 with a JSON body is a scene that is not deployed.
 * Errors: CRDT_EIO: no connection, or another status than 200 (text in `diag`);
 * CRDT_ETIMEOUT, CRDT_ECLOSED, CRDT_EINVAL (the URL), and those of content_scene_read. */
crdt_err content_client_find(const content_client *client, const char *pointer,
                             content_scene *scene, crdt_diag *diag);
/* Append a file to `out`. Errors: CRDT_ECORRUPT: the bytes are not what the hash names, or
 * the hash is none; CRDT_ELIMIT; and as above. `out` as before. */
crdt_err content_client_fetch(const content_client *client, const char *hash,
                              size_t size_max, crdt_buf *out, crdt_diag *diag);

#endif /* CLI_CONTENT_CONTENT_CLIENT_H */
