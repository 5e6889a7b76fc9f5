#ifndef CLI_WORKER_LOAD_IMPL_H
#define CLI_WORKER_LOAD_IMPL_H

/* What load.c (its functions for others, its thread), load_look.c (what is there and what
 * is told) and load_check.c (a store, and who else lives) share. All but the mutex'ed
 * members belong to the thread. */

#include "cli/worker/backoff.h"
#include "cli/worker/deployed.h"
#include "cli/worker/load.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct worker_load_stranger {
    bool heard;
    crdt_actor actor;
    crdt_actor lineage;
    char url[SYNC_NODE_NAME_SIZE];
    unsigned tries; /* to look at it that failed */
} worker_load_stranger;

struct worker_load {
    worker_load_options options;
    char scene[32];
    char *content_url;
    char *builder_url;
    char *project;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    atomic_bool stop;
    worker_backoff backoff;

    /* under the mutex */
    worker_load_source source;
    worker_load_stranger stranger;
    bool woken;

    /* the thread's own, and worker_load_rebase's after it has ended */
    bool rebasing;
    bool onto_file;
    crdt_err asked; /* what the peers said at the beginning */
    worker_deployed deployed;
    bool has_deployed;
    char peer_url[SYNC_NODE_NAME_SIZE]; /* of who lives, where it is known */
    uint64_t opened_ms;
    crdt_actor looked_at;
    uint64_t looked_ms;
};

/* What a node holds. */
typedef struct worker_load_holding {
    bool known; /* a scene is there */
    crdt_actor lineage;
    crdt_version version;
    scene_descent descent;
} worker_load_holding;

uint64_t worker_load_now_ms(void);
/* Wait, unless something comes that may change things. */
void worker_load_wait_ms(worker_load *load, uint64_t ms);
void worker_load_copy_text(char *out, size_t size, const char *text);

/* ---- telling ---- */

void worker_load_tell(worker_load *load, const worker_load_event *event);
void worker_load_tell_text(worker_load *load, worker_load_kind kind, const char *text);
void worker_load_become_ready(worker_load *load, const char *from, const char *where,
                              const char *text);
/* It is known how the store relates to what is deployed; told once. */
void worker_load_settle(worker_load *load);
void worker_load_note_deployed(worker_load *load, const char *project,
                               const char *entity);
/* Something failed: say so, and wait until it is time to try again. */
void worker_load_fail_and_wait(worker_load *load, worker_load_kind kind,
                               const char *why);

/* ---- what is there ---- */

crdt_err worker_load_look_at(worker_load *load, sync_node *node,
                             worker_load_holding *held);
void worker_load_deinit_holding(worker_load_holding *held);
bool worker_load_holds_scene(worker_load *load);
/* sync_node_ask in slices, so that a close is noticed. */
crdt_err worker_load_ask_bus(worker_load *load, sync_node *node, crdt_diag *diag);
worker_deployed_options worker_load_deployed_options(const worker_load *load);
/* Get what is deployed into load->deployed. */
crdt_err worker_load_fetch_deployed(worker_load *load, crdt_diag *diag);
crdt_err worker_load_import_deployed(worker_load *load, crdt_diag *diag);
void worker_load_drop_deployed(worker_load *load);

/* ---- load_check.c ---- */

/* A stranger that was heard; false: none. */
bool worker_load_take_stranger(worker_load *load, worker_load_stranger *met);
/* Somebody edits this scene under another lineage: look who comes over to whom. */
void worker_load_meet_stranger(worker_load *load, const worker_load_stranger *met);
/* The store holds a scene: does it still belong to the one that lives? */
void worker_load_check_store(worker_load *load);

#endif /* CLI_WORKER_LOAD_IMPL_H */
