#ifndef CLI_WORKER_VIEW_H
#define CLI_WORKER_VIEW_H

/* What the scene shows now, followed in the node's thread: after k entities changed, the
 * news of them cost O(k).
 *
 * A snapshot (scene/materialize.h) does the following: who shares with whom, whose place in
 * the tree was changed by others. The view reads the entities that it looked at.
 *
 * Threads: all but worker_view_dirty in the node's (sync_node_attach, and the functions
 * that the node runs). */

#include "cli/worker/news.h"
#include "cli/worker/standing.h"
#include "scene/materialize.h"

typedef struct worker_view worker_view;

/* Follow `doc`, which outlives the view. Uses two of its listeners. The first news tell
 * everything. `changed` (may be NULL) is called with the first change after a take: be
 * quick. Errors: CRDT_ENOMEM; CRDT_ELIMIT: too many listeners. */
crdt_err worker_view_open(worker_view **out, crdt_document *doc, crdt_alloc alloc,
                          void (*changed)(void *ctx), void *ctx);
/* Accepts NULL. */
void worker_view_close(worker_view *view);

/* Did anything change since the last take? Any thread. */
bool worker_view_dirty(const worker_view *view);
/* Append what changed since the last take to `news` (initialized, empty).
 * Errors: CRDT_ENOMEM: nothing is lost, the next take tells everything; CRDT_ELIMIT. */
crdt_err worker_view_take(worker_view *view, worker_news *news);

/* What was taken got lost: the next take tells everything. */
void worker_view_again(worker_view *view);
/* Of the document as it is. Borrowed until its next change. */
const crdt_version *worker_view_version(const worker_view *view);
const crdt_document *worker_view_document(const worker_view *view);
/* The snapshot, for whoever writes the scene in the node's thread. */
scene_snapshot *worker_view_snapshot(worker_view *view);
/* The conflicts that stand, as of the last take. */
worker_standing *worker_view_standing(worker_view *view);

#endif /* CLI_WORKER_VIEW_H */
