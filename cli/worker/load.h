#ifndef CLI_WORKER_LOAD_H
#define CLI_WORKER_LOAD_H

/* The initial load: where the scene comes from when a worker begins, and, while it runs,
 * whether what it holds still belongs to the scene that lives.
 *
 *   store      a store that holds the scene is served at once; what follows is checked
 *              beside it
 *   bus        the peers are asked: a scene that is being edited is joined
 *   content    else the content server: which scene is deployed, and which file holds it
 *   builder    if the deployed scene names a builder project (or one is given): its manifest,
 *              unless the deployed file was saved later (its `scenesync` says so)
 *   files      scene-state-definition.json, builder.json, main.composite of the deployed
 *              scene
 *   coords     nothing deployed: the builder project made for these coordinates
 *   empty      nothing anywhere
 *
 * A server that does not answer, answers rubbish, or gives bytes that are not what their
 * hash says is an error: tried again after 1 s, 2 s, ... 60 s (with jitter), told each
 * time. Never does an error begin an empty scene.
 *
 * Two workers that load at once hold the same state: a file is a template
 * (crdt/template.h).
 *
 * Threads: a thread of its own; every function from any thread. Callbacks come from it. */

#include "crdt/stamp.h"
#include "sync/node.h"

#define WORKER_LOAD_TEXT_SIZE 256
#define WORKER_PROJECT_SIZE 128 /* a project's id, with terminator */

typedef enum worker_load_kind {
    WORKER_LOAD_LOADING, /* nothing to show yet; `text` says what is being tried */
    WORKER_LOAD_READY,   /* the node holds the scene: serve it. Once */
    WORKER_LOAD_SETTLED, /* it is known how the store relates to what is deployed and to
                          * who lives; saving may begin. Once, after READY; late where
                          * a server is down */
    WORKER_LOAD_NOTE, /* READY holds; something to tell people: a server that is down, an
                       * unrelated scene, ...; without a text: what worker_load_look tells
                       * has changed */
    WORKER_LOAD_REBASE, /* the store must be rebased. At most once. Take no more edits
                          * (keep them as at the beginning), close the node, call
                          * worker_load_rebase, close the load, open node and load again */
} worker_load_kind;

typedef struct worker_load_event {
    worker_load_kind kind;
    const char *text;   /* one sentence for people */
    crdt_actor lineage; /* NOTE, REBASE: the other one, where it is about one */
    uint64_t retry_ms;  /* LOADING, NOTE: until the next try; 0: none */
    bool failing;       /* LOADING, NOTE: something that should work does not */
} worker_load_event;

typedef struct worker_load_options {
    crdt_alloc alloc;        /* used from several threads */
    sync_node *node;         /* open; until worker_load_close, or worker_load_rebase */
    const char *scene;       /* "X,Y" */
    const char *content_url; /* NULL: none */
    const char *builder_url; /* NULL: none */
    const char *project;     /* NULL, or the builder project to load */
    uint32_t ask_ms;         /* for the peers to answer; default 3 s */
    uint32_t call_ms;        /* for one call to a server; default 20 s */
    uint32_t retry_ms_min;   /* default 1 s */
    uint32_t retry_ms_max;   /* default 60 s */
    /* So long peers that are silent are waited for before a store is brought over to a file
     * that its own lineage saved: they may live on beyond a way that is cut, and two
     * editions would be made of one. Default 60 s. A node that others dial waits a sixth
     * of it for them. */
    uint32_t patience_ms;
    uint64_t seed; /* of the jitter */
    uint32_t
        rebase_after_ms; /* no REBASE before so long: the last one failed; default 0 */
    /* How `node` was opened: its peers, key, TLS and store_dir serve to look at strangers
     * and to rebase. Borrowed until close, with all it points to. */
    const sync_node_options *node_options;
    void (*on_event)(void *ctx, const worker_load_event *event);
    void *ctx;
} worker_load_options;

worker_load_options worker_load_options_default(void);

typedef struct worker_load worker_load;

/* Start. All texts are copied. Events may come before this returns; `*out` is set by then.
 * Errors: CRDT_EINVAL: the scene is no "X,Y". CRDT_ENOMEM. */
crdt_err worker_load_open(worker_load **out, const worker_load_options *options,
                          crdt_diag *diag);
/* Stop soon, whatever it waits for. Accepts NULL. */
void worker_load_close(worker_load *load);

/* Tell it what the node says: call this for every event, in the node's thread. Quick. */
void worker_load_hear(worker_load *load, const sync_event *event);

/* What is known of the scene around the state. Empty texts where it is not known. */
typedef struct worker_load_source {
    bool ready;
    bool settled;
    bool deployed_known; /* the content server has told what is deployed */
    char from[16]; /* "store", "bus", "builder", "content", "empty"; "" before READY */
    char where[256];                   /* URL */
    char project[WORKER_PROJECT_SIZE]; /* given, or named by the deployed scene */
    char entity[128];                  /* id of the deployed entity */
} worker_load_source;
void worker_load_look(worker_load *load, worker_load_source *source);

/* After WORKER_LOAD_REBASE and sync_node_close: rebase the store (cli/worker/rebase.h).
 * Waits for peers and disk, some seconds. Whatever it returns the store can be opened
 * again: on error it is as it was, and the load that is opened next tries again later.
 * `report` tells what was done; free it with worker_rebase_report_deinit. */
struct worker_rebase_report;
crdt_err worker_load_rebase(worker_load *load, struct worker_rebase_report *report,
                            crdt_diag *diag);

#endif /* CLI_WORKER_LOAD_H */
