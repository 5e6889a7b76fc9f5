#ifndef CLI_WORKER_WORKER_H
#define CLI_WORKER_WORKER_H

/* The edition worker: one scene, its node, and the renderers that edit it.
 *
 *      renderers ── WebSocket ──▶ desk (thread of the sockets)
 *      programs ──── HTTP ──────▶  │  sessions, hub, presence
 *                                  │  edits posted ──▶ node's thread: document, store, peers
 *                                  ◀── news, answers ── (mailbox)
 *                                clerk (thread): calls that wait for the node
 *                                loader, saver (threads): servers
 *
 * The desk never waits: not for the node, the disk or the network. So pings, presence and
 * answers go on while a merge takes its time. docs/ARCHITECTURE.md, "The edition worker". */

#include "cli/visitor.h"
#include "sync/node.h"

typedef struct worker worker;

/* All that it takes over HTTP. */
extern const cli_route worker_routes[];
extern const size_t worker_route_count;

typedef struct worker_options {
    crdt_alloc alloc;       /* used from several threads at once */
    const char *scene;      /* "X,Y" */
    const char *http;       /* address; default 127.0.0.1:0 */
    sync_node_options node; /* how the node is opened; its on_event is the worker's */
    const char *content_url;
    const char *builder_url;
    const char *kernel_url; /* NULL: none started it */
    const char *project;
    const char *save_file;
    uint32_t autosave_ms;
    uint32_t tick_ms; /* default 50 */
    const char *access_file;
    access_role loopback; /* of callers on this machine without a token */
    const char *master;   /* NULL, or a token that may do all */
    const char *const *hosts;
    const char *const *origins;
    const char *http_cert_file; /* both: HTTPS */
    const char *http_key_file;
    /* Told in one sentence what people should know; from any thread. May be NULL. */
    void (*note)(void *ctx, const char *text);
    void *note_ctx;
} worker_options;

worker_options worker_options_default(void);

/* Open store and sockets, and begin to serve. Everything that `options` points to lives
 * until the close. Errors: as sync_node_open, web_server_open; CRDT_EINVAL: the scene. */
crdt_err worker_open(worker **out, const worker_options *options, crdt_diag *diag);
/* How it is reached: "http://127.0.0.1:8080", and by peers ("" where it does not listen);
 * borrowed. */
const char *worker_http_url(const worker *w);
const char *worker_peer_url(const worker *w);
/* Work until `stop_fd` can be read. The main thread's part: a store that must be rebased,
 * a disk that failed. Errors: CRDT_EIO: nothing can be written any more. */
crdt_err worker_run(worker *w, int stop_fd);
/* Leave: save what is unsaved (at most `save_ms`), say goodbye, close. Accepts NULL and
 * half-opened ones. Errors: CRDT_EIO: the store. */
crdt_err worker_close(worker *w, uint32_t save_ms);

#endif /* CLI_WORKER_WORKER_H */
