#ifndef CLI_WORKER_DEPLOYED_H
#define CLI_WORKER_DEPLOYED_H

/* The scene that the servers have for a place: what a worker begins with where nobody
 * edits it.
 *
 *   content server   which entity is deployed at X,Y; its scene file
 *   builder server   the manifest of the project given, or named by that entity; where
 *                    nothing is deployed: of the project made for X,Y
 *
 * Of a manifest and a deployed file the manifest is taken (it is saved all the time, a
 * deployment is rare), unless the file says that it was saved later. What a server refuses
 * to show (401, 403) or does not have (404) is as if it were not there, and told; any other
 * failure is an error, never an empty scene. */

#include "cli/content/content_client.h"
#include "crdt/op_list.h"
#include "scene/descent.h"

typedef struct worker_deployed_options {
    crdt_alloc alloc;
    const char *scene;       /* "X,Y" */
    const char *content_url; /* NULL: none */
    const char *builder_url; /* NULL: none */
    const char *project;     /* NULL, or the project whatever is deployed */
    uint32_t timeout_ms;     /* of a call */
    const atomic_bool *stop; /* may be NULL */
} worker_deployed_options;

typedef struct worker_deployed {
    const char *from;  /* "builder", "content", "empty" */
    char where[256];   /* what it was read from */
    char project[128]; /* the builder project of the place; "": none is known */
    char entity[CONTENT_TEXT_SIZE]; /* deployed; "": none */
    char note[256]; /* something that people should know; "" : nothing */
    scene_format format;
    crdt_op_list ops;   /* of its template; none: an empty scene */
    crdt_actor lineage; /* of its template */
    scene_descent descent;
} worker_deployed;

/* Which entity is deployed, and which project it names: without the scene itself.
 * Errors: those of content_client_find. */
crdt_err worker_deployed_find(const worker_deployed_options *options,
                              content_scene *scene, crdt_diag *diag);
/* Get the scene. Errors: those of the clients; CRDT_ECORRUPT and others where the scene
 * cannot be read, `diag` beginning with what failed ("content server: ..."). Free with
 * deinit in every case. */
crdt_err worker_deployed_fetch(worker_deployed *deployed,
                               const worker_deployed_options *options, crdt_diag *diag);
void worker_deployed_deinit(worker_deployed *deployed);

/* Read the text of a scene file into ops, lineage and descent. Errors: as
 * scene_format_read; CRDT_ENOMEM. */
crdt_err worker_deployed_read(worker_deployed *deployed, crdt_span text,
                              scene_format format, const char *file_name,
                              crdt_diag *diag);

#endif /* CLI_WORKER_DEPLOYED_H */
