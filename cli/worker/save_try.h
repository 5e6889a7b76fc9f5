#ifndef CLI_WORKER_SAVE_TRY_H
#define CLI_WORKER_SAVE_TRY_H

/* One try at saving: the scene made into a file, and brought to its place. Waits for node,
 * disk and server; shares nothing with other threads. */

#include "cli/worker/saved_scene.h"

#include <stdatomic.h>

typedef struct worker_save_try {
    crdt_alloc alloc;
    sync_node *node;
    const char *builder_url;
    const char *file;           /* NULL: to the builder server */
    const char *const *headers; /* to pass on; may be NULL */
    uint32_t timeout_ms;        /* of a call */
    const atomic_bool *stop;
    bool force;         /* replace whatever is at the server */
    bool checked;       /* what is at the server is known to be ours */
    bool project_given; /* `project` counts before the scene's own */
    char project[128];  /* "": the scene's own, or the one its manifest makes up */

    /* what came of it */
    worker_saved_scene scene; /* what was written, at which version */
    crdt_diag diag;
    bool foreign; /* CRDT_EREFUSED because of what is at the server */
} worker_save_try;

void worker_save_try_init(worker_save_try *try, crdt_alloc alloc);
void worker_save_try_deinit(worker_save_try *try);

/* Make the file: all that the node is needed for. Errors: CRDT_ELIMIT: too large for a
 * builder server; of the node; CRDT_ENOMEM. */
crdt_err worker_save_try_make(worker_save_try *try);
/* Bring it there. Errors: CRDT_EREFUSED: 401, 403, or the project holds what ours does not
 * descend from; CRDT_EGAP: it holds edits of this edition that have not come here; others
 * of cli/content/builder_client.h; CRDT_EIO: the file. */
crdt_err worker_save_try_bring(worker_save_try *try);

#endif /* CLI_WORKER_SAVE_TRY_H */
