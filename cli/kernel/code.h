#ifndef CLI_KERNEL_CODE_H
#define CLI_KERNEL_CODE_H

/* The code that a running worker is to run, as the file game.js of the scene's folder:
 *
 *   there is an edition worker   it saves, and makes the code         (kernel_code_ask)
 *   there was one: its store     `scenesync codegen` makes it         (kernel_code_make)
 *   never edited                 the deployed bin/game.js; else it is made of the deployed
 *                                scene file                           (kernel_code_deployed)
 *
 * What the edition worker says in GET /v1/info is kept beside it as info.json: the running
 * worker tells it on (which files its models are). Of what is deployed there is none.
 *
 * Blocking. Scene files of others are read by processes of their own. The file is replaced
 * whole or not at all. */

#include "cli/kernel/place.h"
#include "cli/web/client.h"

typedef struct kernel_code {
    const char *program;
    const char *scene; /* "X,Y" */
    const kernel_place *place;
    const char *content; /* URL of the content server; NULL: none */
    const atomic_bool *stop;
} kernel_code;

/* How saving went, before the code was made. */
typedef struct kernel_saved {
    bool asked;
    bool ok;
    char text[160]; /* why not */
} kernel_saved;

/* Ask the edition worker at `http`; `token` lets us. It goes on without having saved: all
 * is in its store. Errors: CRDT_EIO, CRDT_ETIMEOUT, CRDT_EREFUSED, in `diag`. */
crdt_err kernel_code_ask(const kernel_code *code, const char *http, const char *token,
                         kernel_saved *saved, crdt_diag *diag);
/* Make it from the store. Errors: as kernel_process_run. */
crdt_err kernel_code_make(const kernel_code *code, crdt_diag *diag);
/* Take or make that of what is deployed; of nothing, an empty scene. Errors: as
 * content_client_find and _fetch. */
crdt_err kernel_code_deployed(const kernel_code *code, crdt_diag *diag);

/* The hash of the file `name` (in any letter case) in an answer to entities/active, of the
 * first entity. False: there is none. */
bool kernel_code_find_hash(crdt_span answer, const char *name, char *hash, size_t size);

#endif /* CLI_KERNEL_CODE_H */
