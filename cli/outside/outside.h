#ifndef CLI_OUTSIDE_OUTSIDE_H
#define CLI_OUTSIDE_OUTSIDE_H

/* What a page asks of the world outside through its worker, whose thread of sockets must not
 * wait for it:
 *
 *   GET  /v1/info             what the scene is, and of which files its shapes are made
 *   GET  /v1/contents/{hash}  one of these files, from the content server or the builder's
 *                             storage, checked against its hash
 *   GET  /v1/kernel           what the kernel says of the scene
 *   POST /v1/play, /v1/stop   the kernel is asked to; with the caller's own token
 *
 * Only files that the scene itself names are given out: this is no way to other servers.
 * They never change, so pages keep them for good; the last ones stay in memory (64 MiB).
 *
 * Threads: calls come from the web server's; one thread asks, four get files (one file is
 * never asked for twice at once). Limits: 256 calls wait for each, beyond 503; a file has
 * up to 32 MiB; servers have 3 s for what is to know, 20 s for a file. */

#include "cli/outside/scene_info.h"
#include "cli/web/server.h"

#define OUTSIDE_FILE_MAX (32u << 20)

typedef struct outside outside;

typedef struct outside_options {
    crdt_alloc alloc;        /* used from several threads */
    web_server *web;         /* answers */
    const char *scene;       /* "X,Y" */
    const char *content_url; /* NULL: none */
    const char *builder_url; /* NULL: none */
    const char *kernel_url;  /* NULL: none */
    bool can_save;
    bool can_publish;
    /* Adds what the scene at hand says of itself; may wait. NULL: it says nothing. An error
     * other than CRDT_ENOMEM: there is no scene yet. */
    crdt_err (*read)(void *ctx, outside_scene_info *info);
    void *ctx;
    /* What GET /v1/info answered where the scene was edited: it is told instead. Empty: there
     * is none. Need not outlive the call. */
    crdt_span told;
} outside_options;

/* Errors: CRDT_ECORRUPT, CRDT_ELIMIT: `told` is no such answer. CRDT_ENOMEM. */
crdt_err outside_open(outside **out, const outside_options *options, crdt_diag *diag);
/* Gives up what is under way and answers no more. Once the web server has stopped, before
 * it is closed. Accepts NULL. */
void outside_close(outside *out);

/* Answer later; or at once, in `reply`, why not. `hash` and `token` are copied. */
void outside_info(outside *out, web_reply *reply);
void outside_file(outside *out, const char *hash, web_reply *reply);
/* `what`: "play", "stop", or "" to look. `token`: the caller's, "" if it has none. */
void outside_kernel(outside *out, const char *what, const char *token,
                    web_reply *reply);

/* What a browser may take the bytes of a file for: a model, a picture, or just bytes. Never
 * anything that could be a page or a script. */
const char *outside_file_type(crdt_span content);

#endif /* CLI_OUTSIDE_OUTSIDE_H */
