#ifndef CLI_WORKER_EVENT_H
#define CLI_WORKER_EVENT_H

/* What a renderer says: one text message of docs/RENDERER.md as typed events.
 *
 * A message that is no JSON, or no event and no array of events, is refused whole. In an
 * array each event is judged by itself: one that makes no sense is refused and the others
 * count. Foreign bytes: checked, bounded, nothing of them is trusted.
 *
 * Memory: the parsed text; events borrow from it. */

#include "crdt/stamp.h"
#include "scene/json.h"

#define WORKER_EVENTS_MAX 1000u  /* in one message */
#define WORKER_EVENT_ID_MAX 256u /* bytes of an `id` as JSON text */

typedef enum worker_event_kind {
    WORKER_EVENT_ADD_ENTITY,
    WORKER_EVENT_REMOVE_ENTITY,
    WORKER_EVENT_SET_COMPONENT,
    WORKER_EVENT_REMOVE_COMPONENT,
    WORKER_EVENT_SAVE,
    WORKER_EVENT_PROJECT,
    WORKER_EVENT_PUBLISH,
    WORKER_EVENT_UNDO,
    WORKER_EVENT_REDO,
    WORKER_EVENT_RESTORE,
    WORKER_EVENT_PRESENCE,
    WORKER_EVENT_DISMISS,
} worker_event_kind;

/* "AddEntity", ... */
const char *worker_event_name(worker_event_kind kind);

typedef struct worker_event {
    crdt_err err; /* CRDT_OK; else it is refused: `reason`, `id`, and no more */
    char reason[160];
    worker_event_kind kind;
    const scene_json_node *id; /* text or number; NULL: no answer is asked for */
    bool has_seen;
    crdt_stamp seen;
    crdt_span step; /* of edits: those of one step are undone together; empty: none */
    const scene_json_node *payload;
    crdt_span entity;                 /* the four edits, RESTORE, DISMISS */
    const scene_json_node *component; /* SET, REMOVE_COMPONENT: number or text; DISMISS:
                                       * or NULL */
    crdt_span field;                  /* DISMISS; empty: any */
    bool has_stamp;                   /* DISMISS: of the write that does not show */
    crdt_stamp stamp;
    const scene_json_node *data; /* SET_COMPONENT */
    const scene_json_node
        *components; /* ADD_ENTITY: array of records with both, or NULL */
} worker_event;

typedef struct worker_message {
    scene_json *json;
    crdt_span scene;
    const scene_json_node *at;
    size_t left;
} worker_message;

/* Parse a message of a renderer of `scene`. Errors: CRDT_ECORRUPT: no JSON, no events;
 * CRDT_ELIMIT: too many, too deep; CRDT_ENOMEM. */
crdt_err worker_message_open(worker_message *message, crdt_alloc alloc, crdt_span scene,
                             crdt_span text, crdt_diag *diag);
void worker_message_close(worker_message *message);
/* The next event; false: the end. */
bool worker_message_next(worker_message *message, worker_event *event);

/* The `componentId` and `data` of one record of `components`; false: it is no such record,
 * `reason` says why. */
bool worker_event_component(const scene_json_node *record,
                            const scene_json_node **component,
                            const scene_json_node **data, char reason[160]);

/* Append the id as JSON text. Errors: CRDT_ENOMEM. */
crdt_err worker_event_write_id(const scene_json_node *id, crdt_buf *out);

#endif /* CLI_WORKER_EVENT_H */
