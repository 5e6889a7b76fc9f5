#ifndef CLI_WORKER_UNDONE_H
#define CLI_WORKER_UNDONE_H

/* What an undo or redo did and what it left alone, from the node's thread to the answer. */

#include "cli/worker/hub.h"
#include "scene/undo.h"

#define WORKER_SKIPS_MAX 64u /* told of one undo; of more their number */

typedef struct worker_skip {
    crdt_span
        entity; /* these three may be empty: what is left alone is not a renderer's */
    crdt_span part;
    crdt_span field;
    scene_undo_reason reason;
} worker_skip;

/* Memory: in the arena that it was taken into. */
typedef struct worker_undone {
    crdt_stamp target; /* time 0: nothing was done */
    crdt_span step;    /* empty: `target` names it */
    worker_skip *skips;
    size_t skip_count;
    size_t skip_total;
} worker_undone;

/* Copies of what `undo` found; `target` as it told, NULL: nothing. Errors: CRDT_ENOMEM. */
crdt_err worker_undone_take(worker_undone *undone, const scene_undo *undo,
                            const crdt_stamp *target, crdt_arena *arena);

/* Append its members of an answer, each with a comma before it:
 * `,"undone":STEP,"skips":[{"entityId":...,"reason":...}],"more":N`. Errors: CRDT_ENOMEM. */
crdt_err worker_undone_write(const worker_undone *undone, bool redo, worker_hub *hub,
                             crdt_buf *out);

#endif /* CLI_WORKER_UNDONE_H */
