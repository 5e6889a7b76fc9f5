#ifndef CLI_WORKER_SAVE_H
#define CLI_WORKER_SAVE_H

/* Saving: to the builder server (PUT of the manifest), to a file, or both; on demand, by
 * itself after changes, and when the worker leaves.
 *
 * "Saved" is a version whose bytes the server has confirmed (or the disk: written, synced,
 * renamed). All is saved iff that version includes the document's.
 *
 * What is written carries lineage, version and ancestors (scene/descent.h). Before the
 * first PUT of a session, and after a failure, the manifest at the server is looked at:
 * what was put there by an edition that ours does not descend from is not replaced by
 * autosave, and by a person's request only where it says so (`force`); nor what holds edits
 * of this edition that have not come here: who has them saves, or we do when they come.
 *
 * Of several workers one saves to the builder: the smallest actor among those alive that
 * say they can. Who is asked by a person saves himself. If the chosen one is gone, the next
 * takes over; what it said was saved counts. A file is every worker's own.
 *
 * Signed-fetch headers given with a request are kept in memory for autosaves until the
 * server refuses them (401, 403). Failures are tried again after 1 s, 2 s ... 60 s, with
 * jitter. A manifest beyond 5 MB is not sent: the real server takes no more.
 *
 * Threads: a thread of its own; every function from any thread, and none waits for a
 * server but worker_save_leave. */

#include "crdt/buf.h"
#include "crdt/version.h"
#include "sync/node.h"

#define WORKER_SAVE_BODY_MAX (5u << 20) /* bytes of a PUT */
#define WORKER_SAVE_TEXT_SIZE 256
#define WORKER_SAVE_VERSION_SIZE                                                       \
    4096 /* of a version's text; one that is longer is "" */

typedef enum worker_save_state {
    WORKER_SAVE_OFF,     /* nowhere to save to; `error` says why */
    WORKER_SAVE_SAVED,   /* all is saved, or as it was loaded */
    WORKER_SAVE_UNSAVED, /* changes wait for the next autosave, here or elsewhere */
    WORKER_SAVE_SAVING,
    WORKER_SAVE_FAILING, /* the last try failed; the next is at retry_ms */
} worker_save_state;

/* "off", "saved", ... */
const char *worker_save_state_name(worker_save_state state);

typedef struct worker_save_status {
    worker_save_state state;
    char version[WORKER_SAVE_VERSION_SIZE]; /* saved; worker_version_parse; "": none */
    uint64_t at_ms;                         /* Unix time it was saved; 0: never */
    uint64_t retry_ms;                      /* FAILING: until the next try */
    crdt_actor saver; /* who saves to the builder; all zero: nobody can */
    bool mine;        /* this worker does */
    char where[512];  /* URL or path */
    char error[WORKER_SAVE_TEXT_SIZE]; /* "": none */
} worker_save_status;

/* What became of one try, or of a request. All borrowed for the call. */
typedef struct worker_save_result {
    bool ok;
    const crdt_version *version; /* ok: what is saved */
    crdt_actor lineage;
    crdt_actor by; /* this node's actor */
    const char *where;
    uint64_t at_ms;
    const char *error; /* not ok */
    uint64_t retry_ms; /* not ok: until the next try; 0: none by itself */
    bool refused;      /* not ok: 401, 403, or a foreign edition: a person must act */
} worker_save_result;

typedef void (*worker_save_done_fn)(void *ctx, const worker_save_result *result);

typedef struct worker_save_options {
    crdt_alloc alloc;
    sync_node *node;         /* NULL: given later (worker_save_set_node) */
    const char *builder_url; /* NULL: not to a builder */
    const char *project;     /* NULL: the scene's own, or worker_save_set_project */
    /* NULL, or a path: a state, or a manifest where it is called builder.json or
     * manifest.json, or a composite (*.composite). */
    const char *file;
    uint32_t autosave_ms;  /* at most that often, at the latest so long after a change;
                            * default 5 s; 0: only on demand and on leaving */
    uint32_t call_ms;      /* for one call; default 30 s */
    uint32_t retry_ms_min; /* default 1 s */
    uint32_t retry_ms_max; /* default 60 s */
    uint64_t seed;         /* of the jitter */
    /* Called whenever it turns true that all is saved, and for every failure. */
    worker_save_done_fn on_result;
    /* Called when what others are told (worker_save_tell) or the status has changed. */
    void (*on_change)(void *ctx);
    void *ctx;
} worker_save_options;

worker_save_options worker_save_options_default(void);

typedef struct worker_save worker_save;

/* Start; nothing is saved before worker_save_allow. All texts are copied.
 * Errors: CRDT_ENOMEM. */
crdt_err worker_save_open(worker_save **out, const worker_save_options *options);
/* Stop soon; requests that wait fail. Does not save: see worker_save_leave. Accepts
 * NULL. */
void worker_save_close(worker_save *save);

/* The node was closed (NULL) or another one opened; waits until it is not in use. What was
 * saved of another lineage is forgotten. Nothing is saved before worker_save_allow. */
void worker_save_set_node(worker_save *save, sync_node *node);
/* The deployed scene names this project. Copied; one given at the open stays. */
void worker_save_set_project(worker_save *save, const char *project);
/* Autosaving to the builder may begin: the load is settled (WORKER_LOAD_SETTLED). A file is
 * saved as soon as the node holds a scene. `saved` (may be NULL):
 * what was just loaded from the builder is saved. A person's request works before too. */
void worker_save_allow(worker_save *save, const crdt_version *saved);

/* The scene was just loaded, and is at this version: that alone is no reason to save. */
void worker_save_loaded(worker_save *save, const crdt_version *version);

/* The document has changed. Cheap; call it as often as you like. */
void worker_save_changed(worker_save *save, const crdt_version *version);

/* Save now. `headers` (NULL-terminated, "x-identity-...: value"; may be NULL) are kept.
 * `done` (may be NULL) is called once, from the saver's thread, also where all was saved
 * already; or at once, with an error, when too many (64) wait.
 * Errors: CRDT_EBUSY; CRDT_ENOMEM: `done` is not called. */
crdt_err worker_save_request(worker_save *save, const char *const *headers, bool force,
                             worker_save_done_fn done, void *ctx);
/* Upload a thumbnail (png or jpeg; up to 2 MiB) to the project, with the kept headers; the
 * latest counts, failures are told by on_result. Errors: CRDT_EINVAL: it is neither.
 * CRDT_ELIMIT; CRDT_ENOMEM. */
crdt_err worker_save_thumbnail(worker_save *save, crdt_span image);

/* The worker leaves: save what is unsaved and ours to save, at most so long. True: all is
 * saved, or another worker will. Call it before sync_node_close. */
bool worker_save_leave(worker_save *save, uint32_t timeout_ms);

void worker_save_look(worker_save *save, worker_save_status *status);

/* ---- others ---- */

/* What is told of this worker: can it save to the builder, and what is saved: a version,
 * "#" and the digest of one that is too long, or "". */
void worker_save_tell(worker_save *save, bool *saves,
                      char version[WORKER_SAVE_VERSION_SIZE]);
/* Another worker tells the same; `version` may be NULL. */
void worker_save_heard(worker_save *save, const crdt_actor *actor, bool saves,
                       const char *version);
/* It is gone. */
void worker_save_left(worker_save *save, const crdt_actor *actor);

/* ---- versions as text: "<actor>:<time>,..." by actor, "" for none ---- */

/* False, and an empty text, where it does not fit. */
bool worker_version_format(const crdt_version *version, char *text, size_t size);
/* Into an initialized version. Errors: CRDT_EINVAL: it is no such text; `version` is then
 * empty. CRDT_ENOMEM. */
crdt_err worker_version_parse(const char *text, crdt_version *version);

#endif /* CLI_WORKER_SAVE_H */
