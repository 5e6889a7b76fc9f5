#ifndef CLI_WORKER_ARRIVAL_H
#define CLI_WORKER_ARRIVAL_H

/* One event of a renderer on its way into a session: the batch that it joins, its intents,
 * what it says no to. Private to the session.
 *
 *      arrival.c       the batch, intents, types of components, refusals
 *      arrival_take.c  components as the renderer has them now
 *
 * Nothing here returns an error: without memory the session is broken (its `broken` is
 * set) and closes; what an event must not do is refused, and answered. */

#include "cli/worker/session_impl.h"

typedef struct worker_arrival {
    worker_session *session;
    const worker_event *event;
    crdt_span id; /* JSON text, empty: none */
    uint64_t now_ms;
    worker_batch *batch;  /* from worker_arrival_open on */
    bool entity_expected; /* the renderer was shown the entity */
    bool fresh;           /* it adds an entity that it perhaps did not show */
    bool anew;            /* it adds an entity that it does not show */
    size_t first;         /* its intents, as an await names them */
    size_t count;
} worker_arrival;

/* No memory: the session is broken. */
void worker_arrival_fail(worker_arrival *at);

/* Opens `batch`: the one that events of this step join. `alone`: one of its own, for what
 * is a batch by itself. false: no memory. */
bool worker_arrival_open(worker_arrival *at, bool alone);

/* One more intent of the event, with what its sender had seen. `entity` and `part` are
 * copied; empty: it is about none. It stays where it is until the next one. NULL: no
 * memory. */
worker_intent *worker_arrival_intend(worker_arrival *at, worker_intent_kind kind,
                                     crdt_span entity, crdt_span part);

/* The type that `component` names by text or number: by number what the entity at hand has
 * under it, since two types may share one. WORKER_NONE: there is none. */
uint32_t worker_arrival_type(worker_arrival *at, const scene_json_node *component);

/* Answers the event with an error. `code` as docs/RENDERER.md lists them. */
void worker_arrival_refuse(worker_arrival *at, const char *code, const char *reason);

/* The same for an edit, which is undone at its sender: what it was about is told as it
 * is. */
void worker_arrival_refuse_edit(worker_arrival *at, const char *code,
                                const char *reason);

/* One component as the renderer has it now: the fields that differ from what it was known
 * to show become intents. false: no memory. O(fields of the component + what crossed). */
bool worker_arrival_take(worker_arrival *at, worker_known *known, uint32_t type,
                         const scene_json_node *data);

/* The renderer removed the component, one of those it shows. false: no memory. */
bool worker_arrival_drop(worker_arrival *at, worker_known_part *part);

/* What the renderer shows of the entity as a whole is told again when it is quiet. */
void worker_arrival_doubt(worker_arrival *at, worker_known *known);

#endif /* CLI_WORKER_ARRIVAL_H */
