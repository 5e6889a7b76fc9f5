#ifndef CLI_WORKER_WORDING_H
#define CLI_WORKER_WORDING_H

/* What is told to renderers, in the words of docs/RENDERER.md. Each function appends one
 * event. Errors: CRDT_ENOMEM; `out` may then have grown: the caller cuts it. */

#include "cli/worker/hub.h"

/* SetComponent; `json`: the value to show. */
crdt_err worker_word_set(const worker_hub *hub, const worker_entity *entity,
                         const worker_part *part, crdt_span json, crdt_buf *out);
/* AddEntity; `values[i]` is what to show of part i, NULL: not this one. */
crdt_err worker_word_add(const worker_hub *hub, const worker_entity *entity,
                         worker_blob *const *values, crdt_buf *out);
crdt_err worker_word_remove(const worker_hub *hub, const worker_entity *entity,
                            crdt_buf *out);
crdt_err worker_word_remove_part(const worker_hub *hub, const worker_entity *entity,
                                 uint32_t type, crdt_buf *out);
crdt_err worker_word_finished(crdt_buf *out);

/* {"eventType":"Answer",...}. `id`: JSON text. `stamp` NULL: it said nothing new. `more`:
 * members to be added, each with a comma before it. */
crdt_err worker_word_accepted(crdt_span id, const crdt_stamp *stamp, crdt_span more,
                              crdt_buf *out);
crdt_err worker_word_refused(crdt_span id, const char *code, crdt_span reason,
                             crdt_span more, crdt_buf *out);

typedef struct worker_welcome {
    crdt_span scene;
    const char *state; /* "loading", "editing", "running" */
    uint32_t tick_ms;
    crdt_span id;
    crdt_span name;
    const char *role;
} worker_welcome;
crdt_err worker_word_welcome(const worker_welcome *welcome, crdt_buf *out);
crdt_err worker_word_state(const char *state, crdt_span about, crdt_buf *out);
crdt_err worker_word_role(const char *role, crdt_buf *out);

/* Two edits met: `value` is the one that is not shown. */
typedef struct worker_conflict {
    const char
        *kind; /* "concurrent", "removed", "stale", "edited-while-removed", "cycle",
                       * "orphan" */
    crdt_span entity;
    crdt_span part;
    crdt_span field; /* empty: none */
    crdt_span value; /* canonical; empty: none */
    crdt_span author;
    crdt_stamp stamp;
    crdt_span by; /* who wrote what shows instead, or removed it; empty: not known */
} worker_conflict;
crdt_err worker_word_conflict(const worker_conflict *conflict, crdt_buf *out);
/* Its payload alone. */
crdt_err worker_word_conflict_payload(const worker_conflict *conflict, crdt_buf *out);

#endif /* CLI_WORKER_WORDING_H */
