#ifndef CLI_WORKER_REBASE_H
#define CLI_WORKER_REBASE_H

/* Rebase: a store comes back whose lineage was saved, and lives on under another one.
 *
 *   ours    L1:  ──▶ saved at V ──▶ unsaved edits ──▶ (V1)
 *                       └─ loaded as the template of L2 ──▶ others' edits       living
 *
 * A file that is saved names its lineage, version and ancestors (scene/descent.h); so the
 * living document says what of L1 it holds. What our store has beyond that is made again
 * as edits on the living document, under the persons who made them where that is known:
 *
 *   - adds and shown values whose stamps V does not cover, and removes and unsets that the
 *     remove log tells above V (if the log was trimmed: what is gone of the template)
 *   - a value that the living lineage has changed too: ours is written, theirs is reported
 *   - an edit in an entity that the living lineage has removed: reported, not revived
 *   - a remove of what the living lineage has changed: done, theirs is reported; of what it
 *     has added anew: not done, reported
 *
 * The last batch notes in the living document that it holds L1 up to V1, so that another
 * store of L1 that comes back does not bring the same edits again.
 *
 * On disk it is a new store that takes the place of the old one, whole or not at all
 * whenever the process is killed; the old one stays as an archive
 * (cli/worker/rebase_folder.h). */

#include "cli/worker/rebase_plan.h"
#include "crdt/op_list.h"
#include "sync/node.h"

typedef struct worker_rebase_report {
    bool done;
    worker_rebase_plan plan; /* what was made again, and the clashes */
    bool
        nothing_unsaved; /* the living lineage holds all: archived, nothing made again */
    size_t op_count;
    size_t clash_count;
    crdt_actor from;                      /* lineage */
    crdt_actor onto;                      /* lineage */
    char living_url[SYNC_NODE_NAME_SIZE]; /* of who lives there; "" : not known. Dial it
                                           * when the node is opened again */
    char archive[4096];                   /* its path */
    char *text; /* JSON, as DIR.archive-<n>.json; NULL: none */
    size_t text_size;
} worker_rebase_report;
void worker_rebase_report_deinit(worker_rebase_report *report);

/* Test aid: called after each step on disk: 1 the living document is copied, 2 our edits
 * are made, 3 the marker is there, 4 archive, 5 new store, 6 report, 7 no marker. */
typedef void (*worker_rebase_step_fn)(void *ctx, int step);

typedef struct worker_rebase_options {
    crdt_alloc alloc;
    const char *store_dir;
    const char *scene;
    const sync_node_options *node; /* peers, key, TLS: for a living edition */
    const char *const *more_peers; /* beside those; NULL-terminated; may be NULL */
    /* Onto a file instead of a living edition: the operations of its template. */
    const crdt_op *ops;
    size_t op_count;
    uint32_t ask_ms; /* for the peers; default 5 s */
    worker_rebase_step_fn on_step;
    void *step_ctx;
} worker_rebase_options;

/* Rebase a store that nobody has open. Errors: CRDT_ETIMEOUT, CRDT_ENOTFOUND: nobody lives
 * there any more. CRDT_ELINEAGE: what lives does not descend from ours. CRDT_EIO,
 * CRDT_EBUSY, CRDT_ENOMEM. After an error the store is as it was. */
crdt_err worker_rebase_run(const worker_rebase_options *options,
                           worker_rebase_report *report, crdt_diag *diag);
/* Finish or forget what a crash left beside `store_dir`; call it before the store is
 * opened. *finished (may be NULL): a rebase was finished. Errors: CRDT_EIO. */
crdt_err worker_rebase_finish(const char *store_dir, bool *finished, crdt_diag *diag);

#endif /* CLI_WORKER_REBASE_H */
