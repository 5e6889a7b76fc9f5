#ifndef CLI_KERNEL_SCENE_STATE_H
#define CLI_KERNEL_SCENE_STATE_H

/* What becomes of one scene: which worker it should have, which it has, what to do next.
 *
 *                    ┌──────── crash ────────▶ WAITING ── time ──┐
 *                    │                                           ▼
 *   IDLE ── start ─▶ STARTING ── ready ─▶ UP ── wanted otherwise ─▶ LEAVING ── gone ─▶ IDLE
 *     └── play ─▶ FETCHING the code ◀── play, out of an edition ──┘
 *
 * At most one process at any time: a new one is started only once the old one is gone.
 * A worker that ends by itself is started again: at once, then after 0.1, 0.5, 2, 8 and 30
 * seconds if it ends again and again; after a minute of life the count begins anew. One
 * that says nothing for 10 s is killed first.
 *
 * Pure: time is an argument (monotonic, ms), what is to be done is returned. */

#include <stdbool.h>
#include <stdint.h>

#define KERNEL_START_MS 20000      /* from start to ready */
#define KERNEL_LEAVE_EDIT_MS 15000 /* to save and leave */
#define KERNEL_LEAVE_PLAY_MS 3000
#define KERNEL_PROBE_MS 1000   /* between questions after its health */
#define KERNEL_HUNG_MS 10000   /* without a good answer */
#define KERNEL_STEADY_MS 60000 /* of life, then crashes are forgotten */

typedef enum kernel_mode {
    KERNEL_STOP = 0,
    KERNEL_EDIT,
    KERNEL_PLAY,
} kernel_mode;

typedef enum kernel_phase {
    KERNEL_IDLE,     /* there is no process */
    KERNEL_FETCHING, /* code for play is got; a process may be there meanwhile */
    KERNEL_STARTING,
    KERNEL_UP,
    KERNEL_LEAVING,
    KERNEL_WAITING, /* it crashed: the next one starts at `until` */
} kernel_phase;

typedef enum kernel_action {
    KERNEL_DO_NOTHING,
    KERNEL_DO_START, /* a process of state->kind */
    KERNEL_DO_LEAVE, /* tell it to leave */
    KERNEL_DO_KILL,
    KERNEL_DO_FETCH, /* the code; from the edition worker, if state->alive */
    KERNEL_DO_PROBE, /* ask after its health */
} kernel_action;

typedef struct kernel_scene_state {
    kernel_mode wanted;
    kernel_mode before; /* what play came out of, and stop goes back to */
    kernel_mode kind;   /* of the process that is there, or was */
    kernel_phase phase;
    bool alive;        /* there is a process */
    bool killed;       /* it was sent SIGKILL */
    bool has_code;     /* for play */
    bool refused;      /* the last wish for play failed: no code */
    bool probing;      /* a question is under way */
    uint64_t until;    /* end of STARTING, LEAVING, WAITING */
    uint64_t up_at;    /* it became ready */
    uint64_t heard_at; /* the last sign of life */
    uint64_t probe_at;
    uint32_t crashes;  /* in a row */
    uint64_t restarts; /* after crashes, in all */
    uint64_t fetch; /* number of the last FETCH: answers to older ones do not count */
} kernel_scene_state;

const char *kernel_mode_name(kernel_mode mode); /* "stop", "edit", "play" */
/* As people read it: "stopped", "editing", "running", "starting", "leaving", "preparing",
 * "waiting". */
const char *kernel_scene_state_name(const kernel_scene_state *state);

/* How it was when the kernel last ended. `has_code`: that for play is there. */
kernel_scene_state kernel_scene_state_restore(kernel_mode wanted, kernel_mode before,
                                              bool has_code);

/* Somebody wants this mode. Nothing happens if it is wanted already. */
void kernel_scene_state_want(kernel_scene_state *state, kernel_mode mode);
/* Somebody wants an end: of play, back to where it came from; of an edition. */
kernel_mode kernel_scene_state_stop_mode(const kernel_scene_state *state);

/* What is to be done now? It counts as done (KERNEL_DO_START must be followed by
 * _started). Ask again until it is nothing. */
kernel_action kernel_scene_state_step(kernel_scene_state *state, uint64_t now);
/* When to ask again even if nothing happens; UINT64_MAX: never. */
uint64_t kernel_scene_state_next(const kernel_scene_state *state);

/* What happened. */
void kernel_scene_state_started(kernel_scene_state *state, bool ok, uint64_t now);
void kernel_scene_state_ready(kernel_scene_state *state, uint64_t now);
void kernel_scene_state_exited(kernel_scene_state *state, uint64_t now);
/* The answer to a PROBE: was it one? */
void kernel_scene_state_heard(kernel_scene_state *state, bool ok, uint64_t now);
/* The answer to FETCH number `fetch`. */
void kernel_scene_state_fetched(kernel_scene_state *state, uint64_t fetch, bool ok);

/* Is it as wanted, and not on its way? */
bool kernel_scene_state_settled(const kernel_scene_state *state);

#endif /* CLI_KERNEL_SCENE_STATE_H */
