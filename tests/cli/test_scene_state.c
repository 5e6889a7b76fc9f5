/* One scene's life, with time as an argument. */

#include "cli/kernel/scene_state.h"

#include <criterion/criterion.h>

static kernel_scene_state state;
static uint64_t now;

static void does(kernel_action wanted)
{
    kernel_action action = kernel_scene_state_step(&state, now);
    cr_assert_eq(action, wanted, "%d, not %d, in phase %d", action, wanted,
                 state.phase);
}

/* Start what is wanted, until it is ready. */
static void comes_up(void)
{
    does(KERNEL_DO_START);
    kernel_scene_state_started(&state, true, now);
    does(KERNEL_DO_NOTHING);
    kernel_scene_state_ready(&state, now);
    does(KERNEL_DO_PROBE);
    kernel_scene_state_heard(&state, true, now);
    does(KERNEL_DO_NOTHING);
    cr_assert(kernel_scene_state_settled(&state));
}

static void begin(kernel_mode mode)
{
    state = kernel_scene_state_restore(KERNEL_STOP, KERNEL_STOP, false);
    now = 1000;
    does(KERNEL_DO_NOTHING);
    cr_assert_str_eq(kernel_scene_state_name(&state), "stopped");
    kernel_scene_state_want(&state, mode);
}

static void begin_edit(void)
{
    begin(KERNEL_EDIT);
    comes_up();
    cr_assert_str_eq(kernel_scene_state_name(&state), "editing");
}

Test(scene_state, edit_then_stop)
{
    begin_edit();
    kernel_scene_state_want(&state, kernel_scene_state_stop_mode(&state));
    does(KERNEL_DO_LEAVE);
    does(KERNEL_DO_NOTHING);
    cr_assert_not(kernel_scene_state_settled(&state));
    kernel_scene_state_exited(&state, now);
    does(KERNEL_DO_NOTHING);
    cr_assert(kernel_scene_state_settled(&state));
    cr_assert_eq(state.restarts, 0);
}

Test(scene_state, wishes_are_idempotent)
{
    begin_edit();
    kernel_scene_state_want(&state, KERNEL_EDIT);
    does(KERNEL_DO_NOTHING);
    cr_assert(kernel_scene_state_settled(&state));
}

Test(scene_state, play_out_of_an_edition_and_back)
{
    begin_edit();
    kernel_scene_state_want(&state, KERNEL_PLAY);
    does(KERNEL_DO_FETCH);
    does(KERNEL_DO_NOTHING); /* the edition is there until the code is */
    cr_assert(state.alive);
    kernel_scene_state_fetched(&state, state.fetch, true);
    does(KERNEL_DO_LEAVE);
    kernel_scene_state_exited(&state, now);
    comes_up();
    cr_assert_str_eq(kernel_scene_state_name(&state), "running");
    cr_assert_eq(kernel_scene_state_stop_mode(&state), KERNEL_EDIT);
    kernel_scene_state_want(&state, KERNEL_EDIT);
    does(KERNEL_DO_LEAVE);
    kernel_scene_state_exited(&state, now);
    comes_up();
    kernel_scene_state_want(&state, KERNEL_PLAY);
    does(KERNEL_DO_FETCH); /* the code of before is not that of now */
}

Test(scene_state, play_from_nothing_and_back_to_nothing)
{
    begin(KERNEL_PLAY);
    does(KERNEL_DO_FETCH);
    cr_assert_not(state.alive);
    kernel_scene_state_fetched(&state, state.fetch, true);
    comes_up();
    cr_assert_eq(kernel_scene_state_stop_mode(&state), KERNEL_STOP);
}

Test(scene_state, without_code_there_is_no_play)
{
    begin_edit();
    kernel_scene_state_want(&state, KERNEL_PLAY);
    does(KERNEL_DO_FETCH);
    kernel_scene_state_fetched(&state, state.fetch, false);
    does(KERNEL_DO_NOTHING);
    cr_assert(kernel_scene_state_settled(&state));
    cr_assert(state.refused);
    cr_assert_eq(state.wanted, KERNEL_EDIT);
    begin(KERNEL_PLAY);
    does(KERNEL_DO_FETCH);
    kernel_scene_state_fetched(&state, state.fetch, false);
    does(KERNEL_DO_NOTHING);
    cr_assert_str_eq(kernel_scene_state_name(&state), "stopped");
}

/* Saving may take long; whoever is not asked after meanwhile does not hang. */
Test(scene_state, a_long_fetch_kills_nobody)
{
    begin_edit();
    kernel_scene_state_want(&state, KERNEL_PLAY);
    does(KERNEL_DO_FETCH);
    now += 3 * KERNEL_HUNG_MS;
    does(KERNEL_DO_NOTHING);
    kernel_scene_state_fetched(&state, state.fetch, false);
    does(KERNEL_DO_PROBE);
    does(KERNEL_DO_NOTHING);
    cr_assert(kernel_scene_state_settled(&state));
}

/* Somebody thinks better of it while the code is got. */
Test(scene_state, a_late_answer_does_not_count)
{
    begin_edit();
    kernel_scene_state_want(&state, KERNEL_PLAY);
    does(KERNEL_DO_FETCH);
    uint64_t first = state.fetch;
    kernel_scene_state_want(&state, KERNEL_EDIT);
    does(KERNEL_DO_NOTHING);
    cr_assert(kernel_scene_state_settled(&state));
    kernel_scene_state_fetched(&state, first, true);
    cr_assert(kernel_scene_state_settled(&state));
    kernel_scene_state_want(&state, KERNEL_PLAY);
    does(KERNEL_DO_FETCH);
    kernel_scene_state_fetched(&state, first, true);
    does(KERNEL_DO_NOTHING);
    cr_assert_eq(state.phase, KERNEL_FETCHING);
}

Test(scene_state, who_crashes_comes_again_more_and_more_slowly)
{
    static const uint64_t delays[] = {0, 100, 500, 2000, 8000, 30000, 30000};
    begin_edit();
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        now += 5;
        kernel_scene_state_exited(&state, now);
        if (delays[i] > 0) {
            now += delays[i] - 1;
            does(KERNEL_DO_NOTHING);
            cr_assert_str_eq(kernel_scene_state_name(&state), "waiting");
            cr_assert_eq(kernel_scene_state_next(&state), now + 1);
            now++;
        }
        comes_up();
        cr_assert_eq(state.restarts, i + 1);
    }
}

Test(scene_state, a_minute_of_life_is_forgiven)
{
    begin_edit();
    kernel_scene_state_exited(&state, now);
    comes_up();
    for (int second = 0; second < 60; second++) {
        now += 1000;
        does(KERNEL_DO_PROBE);
        kernel_scene_state_heard(&state, true, now);
    }
    does(KERNEL_DO_NOTHING);
    kernel_scene_state_exited(&state, now);
    comes_up(); /* at once */
}

Test(scene_state, what_does_not_start_is_tried_again)
{
    begin(KERNEL_EDIT);
    does(KERNEL_DO_START);
    kernel_scene_state_started(&state, false, now);
    does(KERNEL_DO_START);
    kernel_scene_state_started(&state, false, now);
    does(KERNEL_DO_NOTHING);
    now += 100;
    does(KERNEL_DO_START);
    kernel_scene_state_started(&state, true, now);
    now += KERNEL_START_MS - 1;
    does(KERNEL_DO_NOTHING);
    now++;
    does(KERNEL_DO_KILL); /* it never became ready */
    does(KERNEL_DO_NOTHING);
    kernel_scene_state_exited(&state, now);
    now += 500;
    comes_up();
}

Test(scene_state, who_hangs_is_killed)
{
    begin_edit();
    now += 1000;
    does(KERNEL_DO_PROBE);
    now += 4000;
    does(KERNEL_DO_NOTHING); /* the question is still under way */
    kernel_scene_state_heard(&state, false, now);
    does(KERNEL_DO_PROBE);
    now += 4999;
    does(KERNEL_DO_NOTHING);
    cr_assert_eq(kernel_scene_state_next(&state), now + 1);
    now++;
    does(KERNEL_DO_KILL);
    does(KERNEL_DO_NOTHING);
    kernel_scene_state_exited(&state, now);
    comes_up();
    cr_assert_eq(state.restarts, 1);
}

Test(scene_state, who_does_not_leave_is_killed)
{
    begin_edit();
    kernel_scene_state_want(&state, KERNEL_STOP);
    does(KERNEL_DO_LEAVE);
    now += KERNEL_LEAVE_EDIT_MS - 1;
    does(KERNEL_DO_NOTHING);
    now++;
    does(KERNEL_DO_KILL);
    does(KERNEL_DO_NOTHING);
    kernel_scene_state_exited(&state, now);
    does(KERNEL_DO_NOTHING);
    cr_assert(kernel_scene_state_settled(&state));
}

Test(scene_state, never_two_at_once)
{
    begin_edit();
    kernel_scene_state_want(&state, KERNEL_STOP);
    does(KERNEL_DO_LEAVE);
    kernel_scene_state_want(&state, KERNEL_EDIT);
    does(KERNEL_DO_NOTHING); /* the old one is still leaving */
    kernel_scene_state_exited(&state, now);
    comes_up();
    cr_assert_eq(state.restarts, 0);
    begin(KERNEL_EDIT);
    does(KERNEL_DO_START);
    kernel_scene_state_started(&state, true, now);
    kernel_scene_state_want(&state, KERNEL_STOP); /* before it was ready */
    does(KERNEL_DO_LEAVE);
    kernel_scene_state_ready(&state, now);
    does(KERNEL_DO_NOTHING);
    cr_assert_not(kernel_scene_state_settled(&state));
}

Test(scene_state, a_worker_that_dies_while_its_code_is_got)
{
    begin_edit();
    kernel_scene_state_want(&state, KERNEL_PLAY);
    does(KERNEL_DO_FETCH);
    kernel_scene_state_exited(&state, now);
    does(KERNEL_DO_NOTHING);
    kernel_scene_state_fetched(&state, state.fetch, false);
    comes_up(); /* the edition again */
    cr_assert_eq(state.kind, KERNEL_EDIT);
    kernel_scene_state_want(&state, KERNEL_PLAY);
    does(KERNEL_DO_FETCH);
    kernel_scene_state_exited(&state, now);
    kernel_scene_state_fetched(&state, state.fetch, true);
    comes_up();
    cr_assert_eq(state.kind, KERNEL_PLAY);
}

Test(scene_state, a_running_worker_that_crashes_runs_the_same_code_again)
{
    begin(KERNEL_PLAY);
    does(KERNEL_DO_FETCH);
    kernel_scene_state_fetched(&state, state.fetch, true);
    comes_up();
    kernel_scene_state_exited(&state, now);
    comes_up();
}

Test(scene_state, a_wish_ends_the_waiting)
{
    begin_edit();
    for (int i = 0; i < 5; i++) {
        kernel_scene_state_exited(&state, now);
        now += 60000;
        comes_up();
    }
    kernel_scene_state_exited(&state, now);
    does(KERNEL_DO_NOTHING);
    kernel_scene_state_want(&state, KERNEL_STOP);
    does(KERNEL_DO_NOTHING);
    cr_assert(kernel_scene_state_settled(&state));
    kernel_scene_state_want(&state, KERNEL_EDIT);
    comes_up();
}

Test(scene_state, as_it_was_before_the_kernel_ended)
{
    state = kernel_scene_state_restore(KERNEL_PLAY, KERNEL_EDIT, true);
    now = 5;
    comes_up();
    cr_assert_eq(state.kind, KERNEL_PLAY);
    cr_assert_eq(kernel_scene_state_stop_mode(&state), KERNEL_EDIT);
    state = kernel_scene_state_restore(KERNEL_PLAY, KERNEL_EDIT, false);
    does(KERNEL_DO_FETCH);
}

/* Whatever happens in whatever order: never a start while a process is there, and the
 * machine always says something or waits for something. */
Test(scene_state, random_lives)
{
    uint64_t seed = 88172645463325252u;
    state = kernel_scene_state_restore(KERNEL_STOP, KERNEL_STOP, false);
    now = 0;
    for (int i = 0; i < 200000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        switch (seed % 8) {
        case 0:
            kernel_scene_state_want(&state, (kernel_mode)(seed / 8 % 3));
            break;
        case 1:
            if (state.alive) {
                kernel_scene_state_exited(&state, now);
            }
            break;
        case 2:
            kernel_scene_state_ready(&state, now);
            break;
        case 3:
            kernel_scene_state_heard(&state, seed / 8 % 2, now);
            break;
        case 4:
            kernel_scene_state_fetched(&state, state.fetch - seed / 16 % 2,
                                       seed / 8 % 2);
            break;
        default:
            now += seed / 8 % 3000;
        }
        bool alive = state.alive;
        kernel_action action = kernel_scene_state_step(&state, now);
        cr_assert(action != KERNEL_DO_START || !alive);
        bool signal = action == KERNEL_DO_LEAVE || action == KERNEL_DO_KILL;
        cr_assert(!signal || alive || state.phase == KERNEL_STARTING);
        if (action == KERNEL_DO_START) {
            kernel_scene_state_started(&state, seed / 64 % 4 != 0, now);
        }
        bool stuck = kernel_scene_state_next(&state) == UINT64_MAX && !state.alive &&
                     state.phase != KERNEL_FETCHING &&
                     !kernel_scene_state_settled(&state) && state.phase != KERNEL_IDLE;
        cr_assert_not(stuck);
    }
}
