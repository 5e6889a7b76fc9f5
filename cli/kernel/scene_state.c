#include "cli/kernel/scene_state.h"

static const uint32_t delays_ms[] = {0, 100, 500, 2000, 8000, 30000};
#define DELAY_COUNT (sizeof delays_ms / sizeof delays_ms[0])

const char *kernel_mode_name(kernel_mode mode)
{
    static const char *const names[] = {"stop", "edit", "play"};
    return names[mode];
}

const char *kernel_scene_state_name(const kernel_scene_state *state)
{
    switch (state->phase) {
    case KERNEL_IDLE:
        return state->wanted == KERNEL_STOP ? "stopped" : "starting";
    case KERNEL_FETCHING:
        return "preparing";
    case KERNEL_STARTING:
        return "starting";
    case KERNEL_UP:
        return state->kind == KERNEL_EDIT ? "editing" : "running";
    case KERNEL_LEAVING:
        return "leaving";
    default:
        return "waiting";
    }
}

kernel_scene_state kernel_scene_state_restore(kernel_mode wanted, kernel_mode before,
                                              bool has_code)
{
    return (kernel_scene_state){
        .wanted = wanted, .before = before, .has_code = has_code};
}

/* ---- wishes ---- */

void kernel_scene_state_want(kernel_scene_state *state, kernel_mode mode)
{
    state->refused = false;
    if (mode == state->wanted) {
        return;
    }
    if (mode == KERNEL_PLAY) {
        state->before = state->wanted;
        state->has_code = false; /* that of another edition */
    }
    state->wanted = mode;
    state->crashes = 0;
    if (state->phase == KERNEL_WAITING) {
        state->phase = KERNEL_IDLE;
    } else if (state->phase == KERNEL_FETCHING) {
        state->phase = state->alive ? KERNEL_UP : KERNEL_IDLE;
        state->fetch++; /* what is under way does not count any more */
    }
}

kernel_mode kernel_scene_state_stop_mode(const kernel_scene_state *state)
{
    return state->wanted == KERNEL_PLAY ? state->before : KERNEL_STOP;
}

/* ---- what to do ---- */

static kernel_action start(kernel_scene_state *state, uint64_t now)
{
    state->kind = state->wanted;
    state->phase = KERNEL_STARTING;
    state->until = now + KERNEL_START_MS;
    return KERNEL_DO_START;
}

static kernel_action fetch(kernel_scene_state *state)
{
    state->phase = KERNEL_FETCHING;
    state->fetch++;
    return KERNEL_DO_FETCH;
}

static kernel_action leave(kernel_scene_state *state, uint64_t now)
{
    bool edit = state->kind == KERNEL_EDIT;
    state->phase = KERNEL_LEAVING;
    state->until = now + (edit ? KERNEL_LEAVE_EDIT_MS : KERNEL_LEAVE_PLAY_MS);
    return KERNEL_DO_LEAVE;
}

static kernel_action kill_once(kernel_scene_state *state)
{
    if (state->killed) {
        return KERNEL_DO_NOTHING;
    }
    state->killed = true;
    return KERNEL_DO_KILL;
}

static kernel_action step_idle(kernel_scene_state *state, uint64_t now)
{
    if (state->wanted == KERNEL_STOP) {
        return KERNEL_DO_NOTHING;
    }
    if (state->wanted == KERNEL_PLAY && !state->has_code) {
        return fetch(state);
    }
    return start(state, now);
}

static kernel_action step_up(kernel_scene_state *state, uint64_t now)
{
    if (now - state->up_at >= KERNEL_STEADY_MS) {
        state->crashes = 0;
    }
    if (state->wanted != state->kind) {
        bool code = state->wanted == KERNEL_PLAY && !state->has_code;
        return code ? fetch(state) : leave(state, now);
    }
    if (now - state->heard_at >= KERNEL_HUNG_MS) {
        return kill_once(state);
    }
    if (!state->probing && now >= state->probe_at) {
        state->probing = true;
        state->probe_at = now + KERNEL_PROBE_MS;
        return KERNEL_DO_PROBE;
    }
    return KERNEL_DO_NOTHING;
}

kernel_action kernel_scene_state_step(kernel_scene_state *state, uint64_t now)
{
    switch (state->phase) {
    case KERNEL_WAITING:
        if (now < state->until) {
            return KERNEL_DO_NOTHING;
        }
        state->phase = KERNEL_IDLE;
        return step_idle(state, now);
    case KERNEL_IDLE:
        return step_idle(state, now);
    case KERNEL_STARTING:
        if (state->wanted != state->kind) {
            return leave(state, now);
        }
        return now >= state->until ? kill_once(state) : KERNEL_DO_NOTHING;
    case KERNEL_UP:
        return step_up(state, now);
    case KERNEL_LEAVING:
        return now >= state->until ? kill_once(state) : KERNEL_DO_NOTHING;
    default: /* FETCHING: it is not asked after meanwhile, so its silence says nothing */
        state->heard_at = now;
        return KERNEL_DO_NOTHING;
    }
}

uint64_t kernel_scene_state_next(const kernel_scene_state *state)
{
    uint64_t hung = state->heard_at + KERNEL_HUNG_MS;
    switch (state->phase) {
    case KERNEL_WAITING:
    case KERNEL_STARTING:
    case KERNEL_LEAVING:
        return state->killed ? UINT64_MAX : state->until;
    case KERNEL_UP:
        return state->probing || hung < state->probe_at ? hung : state->probe_at;
    default:
        return UINT64_MAX;
    }
}

/* ---- what happened ---- */

static void crash(kernel_scene_state *state, uint64_t now)
{
    uint32_t row = state->crashes < DELAY_COUNT ? state->crashes : DELAY_COUNT - 1;
    state->crashes++;
    state->restarts++;
    state->phase = KERNEL_WAITING;
    state->until = now + delays_ms[row];
}

void kernel_scene_state_started(kernel_scene_state *state, bool ok, uint64_t now)
{
    state->alive = ok;
    state->killed = false;
    state->probing = false;
    if (!ok) {
        crash(state, now);
    }
}

void kernel_scene_state_ready(kernel_scene_state *state, uint64_t now)
{
    if (state->phase == KERNEL_STARTING) {
        state->phase = KERNEL_UP;
        state->up_at = now;
        state->heard_at = now;
        state->probe_at = now;
    }
}

void kernel_scene_state_exited(kernel_scene_state *state, uint64_t now)
{
    state->alive = false;
    state->killed = false;
    state->probing = false;
    if (state->phase == KERNEL_LEAVING) {
        state->phase = KERNEL_IDLE;
    } else if (state->phase == KERNEL_STARTING || state->phase == KERNEL_UP) {
        crash(state, now);
    } /* else FETCHING: its end says how it goes on */
}

void kernel_scene_state_heard(kernel_scene_state *state, bool ok, uint64_t now)
{
    state->probing = false;
    if (ok) {
        state->heard_at = now;
    }
}

void kernel_scene_state_fetched(kernel_scene_state *state, uint64_t number, bool ok)
{
    if (state->phase != KERNEL_FETCHING || number != state->fetch) {
        return;
    }
    state->phase = state->alive ? KERNEL_UP : KERNEL_IDLE;
    state->has_code = ok;
    if (!ok) {
        state->refused = true;
        state->wanted = state->before;
    }
}

bool kernel_scene_state_settled(const kernel_scene_state *state)
{
    return state->wanted == KERNEL_STOP
               ? state->phase == KERNEL_IDLE
               : state->phase == KERNEL_UP && state->kind == state->wanted;
}
