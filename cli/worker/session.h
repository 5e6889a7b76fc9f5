#ifndef CLI_WORKER_SESSION_H
#define CLI_WORKER_SESSION_H

/* One renderer: what it says becomes batches, what the hub shows becomes messages.
 *
 *   text ──▶ receive ──▶ batch ──▶ (the node) ──▶ settle ──▶ answers
 *   hub ───▶ write ───▶ text
 *
 * It remembers one revision of the hub, and what this renderer was last known to show
 * (cli/worker/known.h). A message is made when the socket can take one, of what is true
 * then; so a renderer that does not read costs what it was told so far, and no more.
 *
 * Bounded: edits not yet answered and bytes gathered (worker_session_busy: stop reading
 * from the socket), notices (dropped and counted).
 *
 * Pure: time comes in; no socket, no thread, no node. */

#include "cli/access.h"
#include "cli/worker/event.h"
#include "cli/worker/hub.h"
#include "cli/worker/intent.h"

#define WORKER_UNANSWERED_MAX 1024u     /* events; then the socket waits */
#define WORKER_GATHERED_MAX (1u << 20)  /* bytes of batches; then the socket waits */
#define WORKER_BATCHES_MAX 4u           /* under way at once */
#define WORKER_NOTICES_MAX (256u << 10) /* bytes of answers and notices unsent */
#define WORKER_WRITE_MAX (256u << 10)   /* bytes after which a message is ended */
#define WORKER_HELD_EVENTS_MAX 10000u   /* kept before the scene is there */
#define WORKER_HELD_SIZE_MAX (16u << 20)

typedef struct worker_session worker_session;

/* What the sessions of one worker keep together before the scene is there. */
typedef struct worker_held {
    size_t events;
    size_t size;
} worker_held;

typedef struct worker_session_options {
    worker_hub *hub;
    crdt_span id;   /* "r7-1f2e3d4c" */
    crdt_span name; /* as whom it edits */
    access_role role;
    uint32_t tick_ms;
    const char *state; /* static: "loading", "editing", "running" */
    worker_held *held;
    /* What is not an edit: SAVE, PROJECT, PUBLISH, PRESENCE; allowed already. `id` is JSON
     * text to answer with, empty if none is asked for. */
    void (*request)(void *ctx, worker_session *session, const worker_event *event,
                    crdt_span id);
    void *ctx;
} worker_session_options;

/* Errors: CRDT_ENOMEM. */
crdt_err worker_session_open(worker_session **out,
                             const worker_session_options *options);
/* Batches of it that are under way are settled by nobody. Accepts NULL. */
void worker_session_close(worker_session *session);

crdt_span worker_session_id(const worker_session *session);
crdt_span worker_session_name(const worker_session *session);
/* No memory was left for something that cannot be made up for: close it. */
bool worker_session_broken(const worker_session *session);

/* ---- in ---- */

/* Take one message; `role` is what the person may do now. */
void worker_session_receive(worker_session *session, crdt_span text, access_role role,
                            uint64_t now_ms);
/* It has enough to do: read no more from the socket. */
bool worker_session_busy(const worker_session *session);
/* What was gathered, to be done; NULL: nothing, or enough is under way, or the scene is
 * not there yet. The caller owns it, gives it back to settle, and closes it. */
worker_batch *worker_session_take(worker_session *session);
/* The batch is on disk, or was refused (`err`, `reason`) as a whole, and the hub shows
 * it. `stamp` NULL: it said nothing new. In the order they were taken. */
void worker_session_settle(worker_session *session, const worker_batch *batch,
                           crdt_err err, const char *reason, const crdt_stamp *stamp,
                           uint64_t now_ms);
/* Its person leaves, and it is closed next: all that was gathered and not taken, linked by
 * `next`, also before the scene is there. `held`: what of options.held they are, and go on
 * to be. The caller owns them. */
worker_batch *worker_session_leave(worker_session *session, worker_held *held);
/* Answer a request. `code` NULL: it is done. */
void worker_session_answer(worker_session *session, crdt_span id, const char *code,
                           crdt_span reason);

/* ---- out ---- */

/* Is there anything to write now? O(1) but for things that changed. */
bool worker_session_wants(const worker_session *session);
/* Append the next message; nothing: there is none. */
void worker_session_write(worker_session *session, uint64_t now_ms, crdt_buf *out);
/* Now and then: look again at what has been quiet. */
void worker_session_tick(worker_session *session, uint64_t now_ms);

/* Tell one event (whole JSON text). Dropped, and false, if too much waits. */
bool worker_session_tell(worker_session *session, crdt_span event);
/* Was it told the whole scene once (InitMessagesFinished)? */
bool worker_session_finished(const worker_session *session);
/* Room for so much to be told? */
bool worker_session_room(const worker_session *session, size_t size);
void worker_session_set_role(worker_session *session, access_role role);
/* `state` is static; `about` is copied. */
void worker_session_set_state(worker_session *session, const char *state,
                              crdt_span about);

typedef struct worker_session_counts {
    uint64_t events;
    uint64_t forbidden;
    uint64_t invalid;
    uint64_t other; /* refused: not-found, busy, failed */
    uint64_t lost;  /* notices that had no room */
} worker_session_counts;
worker_session_counts worker_session_count(const worker_session *session);
/* Events that are not answered yet. */
size_t worker_session_unanswered(const worker_session *session);

/* The value that the renderer is known to show; false: it does not show the component.
 * For tests. */
bool worker_session_shows(const worker_session *session, crdt_span entity,
                          crdt_span part, crdt_span *value);

#endif /* CLI_WORKER_SESSION_H */
