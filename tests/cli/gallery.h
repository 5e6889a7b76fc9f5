#ifndef TESTS_CLI_GALLERY_H
#define TESTS_CLI_GALLERY_H

/* Renderers at one worker, without sockets, threads and clocks: sessions and hub as they
 * are, a document and its view as the node has them, wires that take their time, and a
 * model of each renderer that shows what it is told and nothing else.
 *
 *   model ──(wire)──▶ session ──▶ batch ──(node)──▶ document ──▶ view ──▶ hub
 *     ◀────(wire)──── session ◀──────────────────────────────────────────┘
 *
 * Replica 0 of `w` is the worker's document; the others are other workers'. What cannot
 * fail in a test is asserted here. */

#include "cli/worker/session.h"
#include "cli/worker/view.h"
#include "tests/scene/world.h"
#include "tests/support/gen.h"

#define GALLERY_MAX 8
#define GALLERY_TICK_MS 50

/* A component as a renderer shows it. */
typedef struct gallery_part {
    char name[64];
    crdt_buf value;
} gallery_part;

typedef struct gallery_entity {
    char id[64];
    gallery_part parts[16];
    size_t part_count;
} gallery_entity;

/* A message on its way. */
typedef struct gallery_wire {
    struct gallery_wire *next;
    uint64_t at_ms;
    crdt_buf text;
} gallery_wire;

typedef struct gallery_answer {
    long id; /* -1: null */
    bool ok;
    char code[16];
    char stamp[CRDT_STAMP_TEXT_SIZE]; /* "": none */
} gallery_answer;

typedef struct gallery_renderer {
    worker_session *session; /* NULL: not there */
    bool ready;              /* it was told that the state is whole */
    gallery_entity *entities;
    size_t entity_count;
    gallery_wire *coming; /* to it */
    gallery_wire *going;  /* from it */
    uint64_t delay_ms;    /* of its wires */
    uint64_t pause_ms;    /* it takes a message so often */
    uint64_t next_ms;
    gallery_answer *answers;
    size_t answer_count;
    size_t message_count; /* it was told */
    size_t event_count;
    size_t size; /* bytes */
    access_role role;
    long next_id;
} gallery_renderer;

typedef struct gallery_job {
    struct gallery_job *next;
    size_t renderer;
    worker_session *session;
    worker_batch *batch;
    uint64_t run_ms;
    uint64_t done_ms;
    bool ran;
    crdt_err err;
    crdt_stamp last;
} gallery_job;

typedef struct gallery {
    world w;
    crdt_alloc alloc;
    worker_hub *hub;
    worker_view *view;
    worker_held held;
    gallery_renderer renderers[GALLERY_MAX];
    uint64_t now_ms;
    uint64_t tick_ms; /* of the last tick */
    gallery_job *jobs;
    uint64_t run_delay_ms; /* until the node does a batch */
    uint64_t disk_ms;      /* until it is on disk */
    size_t batch_count;
    size_t request_count; /* what is no edit */
    /* Looks at the operations of a batch before they are done; may be NULL. */
    void (*on_batch)(void *ctx, size_t renderer, const worker_batch *batch,
                     const crdt_op_list *ops);
    void *ctx;
    char label[64]; /* told where something is wrong: the seed */
} gallery;

void gallery_open(gallery *g, size_t replicas);
void gallery_close(gallery *g);

/* Somebody comes, as "p<index>", with this role; `state`: static. */
void gallery_join(gallery *g, size_t index, access_role role, const char *state);
void gallery_leave(gallery *g, size_t index);
void gallery_state(gallery *g, const char *state);

/* Time goes on. */
void gallery_run(gallery *g, uint64_t ms);
/* Until nothing is under way any more and nothing is unsure. */
void gallery_settle(gallery *g);

/* A renderer says something: JSON text, as it is. */
void gallery_say(gallery *g, size_t index, const char *text);
/* An edit with a new id, which is returned. `payload`: JSON text; `seen` may be NULL. */
long gallery_edit(gallery *g, size_t index, const char *type, const char *payload,
                  const char *seen);
/* It sets the component to `value` (JSON text), and shows it so at once. */
long gallery_set(gallery *g, size_t index, const char *entity, const char *component,
                 const char *value, const char *seen);

/* It shows at once what it did itself: an event; an entity or component gone. */
void gallery_show(gallery *g, size_t index, const char *event);
void gallery_show_removed(gallery *g, size_t index, const char *entity,
                          const char *component);

/* The answer of this id; NULL: none yet. */
const gallery_answer *gallery_answered(const gallery *g, size_t index, long id);
gallery_entity *gallery_find(gallery *g, size_t index, const char *id);
/* What it shows of a component, as JSON; "-": nothing. Valid for a few calls. */
const char *gallery_shows(gallery *g, size_t index, const char *entity,
                          const char *component);
/* Every renderer shows what the document shows, and is known to. */
void gallery_assert_equal(gallery *g);

#endif /* TESTS_CLI_GALLERY_H */
