#ifndef CLI_WORKER_SESSION_IMPL_H
#define CLI_WORKER_SESSION_IMPL_H

/* What the files of the session share.
 *
 *      session.c          open and close, notices, settling, what is known of entities
 *      session_receive.c  messages into intents, with arrival.h
 *      session_write.c    what changed into messages */

#include "cli/worker/known.h"
#include "cli/worker/session.h"

struct worker_session {
    crdt_alloc alloc;
    worker_session_options options; /* id and name point to blobs */
    worker_blob *id;
    worker_blob *name;
    access_role role;
    const char *state;
    worker_blob *about; /* of the state; NULL: nothing */
    bool tell_welcome;
    bool tell_role;
    bool tell_state;
    bool broken;

    /* what it was told */
    bool started;      /* the initial state is being told, or was */
    bool finished;     /* it was told whole */
    worker_entity *at; /* held: the last one of the initial state told */
    uint64_t revision; /* all up to here is told */

    worker_known **known; /* by slot of the hub; NULL: nothing known */
    size_t known_capacity;
    uint32_t *queue; /* slots to be looked at whatever their revision */
    size_t queue_count;
    size_t queue_capacity;
    uint32_t *settling; /* slots to be looked at when they have been quiet */
    size_t settling_count;
    size_t settling_capacity;

    /* what it said */
    uint64_t batch_number; /* of the last batch opened */
    worker_batch *first;   /* gathered and not taken, oldest first; NULL: nothing */
    worker_batch *open;    /* the last of them: events join it */
    size_t held_events;    /* of them, counted in options.held */
    size_t held_size;
    size_t under_way; /* batches taken and not settled */
    size_t unanswered;
    crdt_arena scratch;

    crdt_buf notices; /* events, each preceded by its size (uint32_t) */
    size_t notices_read;

    worker_session_counts counts;
};

/* What is known of an entity by id, made if need be. NULL: no memory (broken). */
worker_known *worker_session_known(worker_session *session, crdt_span entity);
/* The same, not made: NULL: nothing is known. */
worker_known *worker_session_find(const worker_session *session,
                                  const worker_entity *entity);
/* Forget it if there is nothing to remember. */
void worker_session_tidy(worker_session *session, worker_known *known, uint64_t now_ms);
/* Look at it with the next write; when it has been quiet. */
void worker_session_look(worker_session *session, worker_known *known);
void worker_session_look_later(worker_session *session, worker_known *known);

/* Answer with a refusal, and count it. */
void worker_session_refuse(worker_session *session, crdt_span id, const char *code,
                           const char *reason);

#endif /* CLI_WORKER_SESSION_IMPL_H */
