#include "cli/fuzz/shrink.h"

typedef struct shrink {
    fuzz_plan *plan; /* fails */
    fuzz_plan next;  /* what is tried */
    fuzz_shrink_fails fails;
    void *ctx;
    uint64_t trials;
    uint64_t trials_max;
} shrink;

/* Try `next`; if it fails too, it is the plan from now on. */
static bool keep_if_fails(shrink *s)
{
    if (s->trials == s->trials_max) {
        return false;
    }
    s->trials++;
    if (!s->fails(s->ctx, &s->next)) {
        return false;
    }
    fuzz_plan_copy(s->plan, &s->next);
    return true;
}

static bool without_steps(shrink *s, size_t from, size_t count)
{
    fuzz_plan_copy(&s->next, s->plan);
    fuzz_plan *next = &s->next;
    memmove(next->steps + from, next->steps + from + count,
            (next->step_count - from - count) * sizeof *next->steps);
    next->step_count -= count;
    return keep_if_fails(s);
}

/* Leave out ever smaller pieces, from the end: what comes last is the effect more often
 * than the cause. */
static void drop_steps(shrink *s)
{
    size_t size = s->plan->step_count;
    while (size > 0 && s->trials < s->trials_max) {
        size_t end = s->plan->step_count;
        while (end > 0) {
            size_t count = size < end ? size : end;
            without_steps(s, end - count, count);
            end -= count;
        }
        size /= 2;
    }
}

static bool mentions(const fuzz_step *step, uint32_t place)
{
    const char *arguments = fuzz_verb_arguments(step->verb);
    return (strchr(arguments, 'p') != NULL && step->place == place) ||
           (strchr(arguments, 'q') != NULL && step->other == place);
}

static bool without_place(shrink *s, uint32_t place)
{
    fuzz_plan_copy(&s->next, s->plan);
    fuzz_plan *next = &s->next;
    size_t kept = 0;
    for (size_t i = 0; i < next->step_count; i++) {
        fuzz_step step = next->steps[i];
        if (!mentions(&step, place)) {
            step.place = (uint8_t)(step.place - (step.place > place));
            step.other = (uint8_t)(step.other - (step.other > place));
            next->steps[kept++] = step;
        }
    }
    next->step_count = kept;
    next->place_count--;
    return keep_if_fails(s);
}

static void drop_places(shrink *s)
{
    for (uint32_t place = s->plan->place_count; place > 0; place--) {
        if (s->plan->place_count > 2) {
            without_place(s, place - 1);
        }
    }
}

/* One setting after the other is made plain. */
static void plain_settings(shrink *s)
{
    for (unsigned i = 0; i < 9; i++) {
        fuzz_plan_copy(&s->next, s->plan);
        fuzz_plan *p = &s->next;
        fuzz_plan was = *p;
        p->network.loss = i == 0 ? 0 : p->network.loss;
        p->network.repeats = i == 1 ? 0 : p->network.repeats;
        p->network.delay_to = i == 2 ? p->network.delay_from : p->network.delay_to;
        p->disk_ms = i == 3 ? 1 : p->disk_ms;
        p->line = i == 4 ? false : p->line;
        p->undialable = i == 5 ? false : p->undialable;
        p->no_discover = i == 6 ? false : p->no_discover;
        p->small = i == 7 ? false : p->small;
        p->seed = i == 8 ? 1 : p->seed;
        if (memcmp(&was, p, sizeof was) != 0) {
            keep_if_fails(s);
        }
    }
}

static bool plainer(fuzz_step *step, unsigned how)
{
    fuzz_step was = *step;
    switch (how) {
    case 0:
        step->joined = false;
        break;
    case 1:
        step->n[0] = step->verb == FUZZ_WAIT ? step->n[0] / 10 : step->n[0];
        break;
    case 2:
        step->n[0] = step->verb == FUZZ_BURST ? 1 : step->n[0];
        break;
    case 3:
        step->value = 1;
        break;
    default:
        step->entity = 0;
        break;
    }
    bool takes = strchr(fuzz_verb_arguments(step->verb), how == 3 ? 'v' : 'e') != NULL;
    if (how >= 3 && !takes) {
        *step = was;
    }
    return memcmp(&was, step, sizeof was) != 0;
}

static void plain_steps(shrink *s)
{
    for (unsigned how = 0; how < 5; how++) {
        for (size_t i = 0; i < s->plan->step_count; i++) {
            fuzz_plan_copy(&s->next, s->plan);
            if (plainer(&s->next.steps[i], how)) {
                keep_if_fails(s);
            }
        }
    }
}

fuzz_shrink_result fuzz_shrink(fuzz_plan *plan, fuzz_shrink_fails fails, void *ctx,
                               uint64_t trials_max)
{
    shrink s = {.plan = plan, .fails = fails, .ctx = ctx, .trials_max = trials_max};
    fuzz_shrink_result result = {.steps_before = plan->step_count};
    size_t before;
    fuzz_plan_init(&s.next);
    do {
        before = plan->step_count;
        drop_places(&s);
        drop_steps(&s);
        plain_settings(&s);
        plain_steps(&s);
    } while (plan->step_count < before && s.trials < trials_max);
    fuzz_plan_deinit(&s.next);
    result.trials = s.trials;
    result.steps_after = plan->step_count;
    return result;
}
