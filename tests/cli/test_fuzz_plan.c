/* The text of plans: what is written is read again; what is no plan is refused where it is
 * wrong; shrinking finds the steps that matter. */

#include "cli/fuzz/profile.h"
#include "cli/fuzz/shrink.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void write_plan(const fuzz_plan *plan, crdt_buf *text)
{
    crdt_buf_init(text, crdt_alloc_default());
    fuzz_plan_write(plan, text);
}

/* Plans of all profiles come back as they were. */
Test(fuzz_plan, what_is_written_is_read)
{
    for (uint64_t seed = 1; seed < 200; seed++) {
        fuzz_wish wish = {.profile = (fuzz_profile)(seed % FUZZ_PROFILE_COUNT),
                          .loss = FUZZ_LOSS_ANY,
                          .scene = seed % 5 == 0 ? "a.json" : NULL};
        fuzz_plan plan;
        fuzz_plan again;
        crdt_buf first;
        crdt_buf second;
        crdt_diag diag = {.text = ""};
        fuzz_plan_init(&plan);
        fuzz_plan_init(&again);
        fuzz_profile_draw(&plan, &wish, seed);
        write_plan(&plan, &first);
        cr_assert_eq(fuzz_plan_read(&again, crdt_buf_span(&first), &diag), CRDT_OK,
                     "seed %llu, line %u: %s", (unsigned long long)seed, diag.line,
                     diag.text);
        write_plan(&again, &second);
        cr_assert(crdt_span_equal(crdt_buf_span(&first), crdt_buf_span(&second)));
        cr_assert_eq(plan.step_count, again.step_count);
        crdt_buf_deinit(&first);
        crdt_buf_deinit(&second);
        fuzz_plan_deinit(&plan);
        fuzz_plan_deinit(&again);
    }
}

static const char *const plan_head = "scenesync fuzz plan 1\nplaces 3\nsteps\n";

Test(fuzz_plan, what_is_no_plan_is_refused)
{
    static const struct {
        const char *text;
        uint32_t line;
    } bad[] = {
        {"", 0},
        {"scenesync fuzz plan 2\n", 1},
        {"scenesync fuzz plan 1\nplaces 0\n", 2},
        {"scenesync fuzz plan 1\nplaces 65\n", 2},
        {"scenesync fuzz plan 1\nseed -1\n", 2},
        {"scenesync fuzz plan 1\nnetwork 101 0 1 1\n", 2},
        {"scenesync fuzz plan 1\nnetwork 1 0 5 1\n", 2},
        {"scenesync fuzz plan 1\nshape star\n", 2},
        {"scenesync fuzz plan 1\nsteps\nfly 0\n", 3},
        {"scenesync fuzz plan 1\nplaces 3\nsteps\nput 3 e0 Name value 1\n", 4},
        {"scenesync fuzz plan 1\nsteps\nput 0 x0 Name value 1\n", 3},
        {"scenesync fuzz plan 1\nsteps\nput 0 e0 Name value\n", 3},
        {"scenesync fuzz plan 1\nsteps\nput 0 e0 Name value 1 1 &\n", 3},
        {"scenesync fuzz plan 1\nsteps\nput 0 e64 Name value 1\n", 3},
        {"scenesync fuzz plan 1\nsteps\nput 0 e0 Name value 1100001\n", 3},
        {"scenesync fuzz plan 1\nsteps\n\n# a remark\nwait 3600001\n", 5},
        {"scenesync fuzz plan 1\nsteps\nburst 0 10001\n", 3},
        {"scenesync fuzz plan 1\nsteps\nnetwork 0 101 1 1\n", 3},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fuzz_plan plan;
        crdt_diag diag = {.line = 99};
        fuzz_plan_init(&plan);
        cr_assert_eq(fuzz_plan_read(&plan, crdt_span_of(bad[i].text), &diag),
                     CRDT_ECORRUPT, "%s", bad[i].text);
        cr_assert_eq(diag.line, bad[i].line, "%s", bad[i].text);
        cr_assert_eq(plan.step_count, 0);
        fuzz_plan_deinit(&plan);
    }
}

/* Cut anywhere, a plan is a plan or is refused; it never comes to harm. */
Test(fuzz_plan, cut_anywhere)
{
    fuzz_plan plan;
    fuzz_wish wish = {.profile = FUZZ_CRASHES, .loss = FUZZ_LOSS_ANY};
    crdt_buf text;
    fuzz_plan_init(&plan);
    fuzz_profile_draw(&plan, &wish, 4711);
    write_plan(&plan, &text);
    for (size_t size = 0; size < text.size; size++) {
        fuzz_plan part;
        fuzz_plan_init(&part);
        fuzz_plan_read(&part, (crdt_span){text.data, size}, NULL);
        cr_assert_leq(part.step_count, plan.step_count);
        fuzz_plan_deinit(&part);
    }
    crdt_buf_deinit(&text);
    fuzz_plan_deinit(&plan);
}

/* Fails if 1 is cut off from 2 and something is removed at 2 after that. */
static bool fails(void *ctx, const fuzz_plan *plan)
{
    bool cut = false;
    ++*(int *)ctx;
    for (size_t i = 0; i < plan->step_count; i++) {
        const fuzz_step *step = &plan->steps[i];
        cut = cut || (step->verb == FUZZ_CUT && step->place + step->other == 3);
        if (cut && step->verb == FUZZ_REMOVE && step->place == 2) {
            return true;
        }
    }
    return false;
}

Test(fuzz_plan, shrinks_to_what_matters)
{
    fuzz_plan plan;
    fuzz_wish wish = {
        .profile = FUZZ_PARTITION, .places = 3, .steps = 300, .loss = FUZZ_LOSS_ANY};
    int trials = 0;
    fuzz_plan_init(&plan);
    fuzz_profile_draw(&plan, &wish, 1);
    fuzz_step cut = {.verb = FUZZ_CUT, .place = 1, .other = 2};
    fuzz_step gone = {.verb = FUZZ_REMOVE, .place = 2, .entity = 1};
    fuzz_plan_push(&plan, &cut);
    fuzz_plan_push(&plan, &gone);
    fuzz_shrink_result result = fuzz_shrink(&plan, fails, &trials, 3000);
    cr_assert_eq(plan.step_count, 2);
    cr_assert_eq(plan.steps[0].verb, FUZZ_CUT);
    cr_assert_eq(plan.steps[1].verb, FUZZ_REMOVE);
    cr_assert_eq(plan.network.loss, 0);
    cr_assert_eq(result.trials, (uint64_t)trials);
    cr_assert_eq(result.steps_after, 2);
    fuzz_plan_deinit(&plan);
}

/* It reads a plan with remarks, blanks and joined edits. */
Test(fuzz_plan, reads_what_people_write)
{
    fuzz_plan plan;
    char text[400];
    snprintf(text, sizeof text,
             "%s\n  put 0 e1 Transform position 3 &   # a remark\n\tmove 2 e1 root\n",
             plan_head);
    fuzz_plan_init(&plan);
    cr_assert_eq(fuzz_plan_read(&plan, crdt_span_of(text), NULL), CRDT_OK);
    cr_assert_eq(plan.step_count, 2);
    cr_assert(plan.steps[0].joined);
    cr_assert_eq(plan.steps[1].parent, FUZZ_ROOT);
    cr_assert_eq(plan.steps[1].place, 2);
    fuzz_plan_deinit(&plan);
}
