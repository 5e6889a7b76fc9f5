#include "cli/fuzz/profile.h"

#include <stdlib.h>

/* How often each kind of step comes, in a profile. */
typedef struct weights {
    uint32_t operations; /* past the editor */
    uint32_t intentions; /* through it */
    uint32_t undo;
    uint32_t burst;
    uint32_t chores; /* housekeeping, trimming, presence */
    uint32_t quiet;
    uint32_t network;
    uint32_t cuts;
    uint32_t crashes;
    uint32_t disks;
    uint32_t oddities; /* stalls, clocks, other programs, forged bytes */
    uint32_t forks;
} weights;

static const struct {
    const char *name;
    weights weights;
} profiles[FUZZ_PROFILE_COUNT] = {
    [FUZZ_CALM] = {"calm", {40, 30, 8, 4, 8, 2, 0, 0, 0, 0, 0, 0}},
    [FUZZ_LOSSY] = {"lossy", {40, 30, 8, 4, 8, 2, 3, 0, 0, 0, 2, 0}},
    [FUZZ_PARTITION] = {"partition", {35, 25, 8, 4, 8, 1, 2, 20, 0, 0, 3, 0}},
    [FUZZ_CRASHES] = {"crash", {32, 22, 6, 4, 8, 1, 2, 12, 14, 8, 4, 0}},
    [FUZZ_HOSTILE] = {"hostile", {0, 0, 0, 60, 3, 0, 1, 18, 5, 1, 3, 7}},
    [FUZZ_EVERYTHING] = {"everything", {0}},
};

const char *fuzz_profile_name(fuzz_profile profile)
{
    return profiles[profile].name;
}

fuzz_profile fuzz_profile_find(const char *name)
{
    fuzz_profile profile = FUZZ_CALM;
    while (profile < FUZZ_PROFILE_COUNT && strcmp(profiles[profile].name, name) != 0) {
        profile++;
    }
    return profile;
}

typedef struct draw {
    fuzz_plan *plan;
    uint64_t random;
    uint32_t entities;
    bool unnoticed; /* disks may be copied and set back without anybody knowing */
    bool tree;      /* most edits are of parents */
    uint32_t edits; /* so far: values that no other edit has */
} draw;

/* splitmix64 */
static uint32_t below(draw *d, uint32_t bound)
{
    uint64_t z = d->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (uint32_t)(z % bound);
}

static void push(draw *d, fuzz_step step)
{
    fuzz_plan_push(d->plan, &step);
}

/* Mostly a value of its own; sometimes one that others write too; sometimes a long one. */
static uint32_t draw_value(draw *d)
{
    uint32_t x = below(d, 20);
    if (x == 0 || (x < 4 && d->plan->small)) { /* more than a message can take */
        return FUZZ_VALUE_LONG + 1 + below(d, d->plan->small ? 3000 : 300);
    }
    return x < 8 ? below(d, 3) : 10 + d->edits++;
}

static fuzz_step any_edit(draw *d, uint32_t place)
{
    return (fuzz_step){
        .place = (uint8_t)place,
        .entity = (uint8_t)below(d, d->entities),
        .parent =
            below(d, 5) == 0 ? (uint8_t)FUZZ_ROOT : (uint8_t)below(d, d->entities),
        .component = (uint8_t)below(d, FUZZ_COMPONENTS),
        .field = (uint8_t)below(d, 2),
        .joined = below(d, 5) == 0,
    };
}

static fuzz_verb pick(draw *d, const uint32_t *chances, const fuzz_verb *verbs,
                      size_t count)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += chances[i];
    }
    uint32_t x = below(d, sum);
    size_t i = 0;
    while (x >= chances[i]) {
        x -= chances[i++];
    }
    return verbs[i];
}

static void draw_operation(draw *d, uint32_t place)
{
    static const fuzz_verb verbs[] = {FUZZ_PUT,  FUZZ_SET,      FUZZ_UNSET,
                                      FUZZ_ADD,  FUZZ_ADD_PART, FUZZ_REMOVE,
                                      FUZZ_DROP, FUZZ_HANG};
    static const uint32_t chances[] = {40, 28, 6, 3, 2, 9, 5, 7};
    static const uint32_t in_trees[] = {10, 4, 1, 6, 1, 10, 2, 40};
    fuzz_step step = any_edit(d, place);
    step.verb =
        pick(d, d->tree ? in_trees : chances, verbs, sizeof verbs / sizeof verbs[0]);
    step.value = draw_value(d);
    push(d, step);
}

static void draw_intention(draw *d, uint32_t place)
{
    static const fuzz_verb verbs[] = {FUZZ_CREATE, FUZZ_DELETE, FUZZ_MOVE, FUZZ_EDIT,
                                      FUZZ_CLEAR,  FUZZ_WHOLE,  FUZZ_STRIP};
    static const uint32_t chances[] = {14, 8, 20, 36, 6, 10, 6};
    static const uint32_t in_trees[] = {20, 12, 50, 6, 1, 2, 2};
    fuzz_step step = any_edit(d, place);
    step.verb =
        pick(d, d->tree ? in_trees : chances, verbs, sizeof verbs / sizeof verbs[0]);
    step.value = draw_value(d);
    push(d, step);
}

static void draw_chore(draw *d, uint32_t place)
{
    uint32_t x = below(d, 3);
    fuzz_step step = {.place = (uint8_t)place};
    if (x == 0) {
        step.verb = FUZZ_HOUSEKEEP;
    } else if (x == 1) {
        step.verb = FUZZ_TRIM;
        step.n[0] = below(d, 200);
    } else {
        step.verb = FUZZ_PRESENCE;
        step.n[0] = below(d, 1000);
    }
    push(d, step);
}

static fuzz_network draw_network(draw *d, uint32_t loss_max)
{
    static const uint32_t delays[] = {2, 20, 100, 400};
    fuzz_network network = {.delay_from = 1};
    network.loss = below(d, 3) == 0 ? 0 : below(d, loss_max + 1);
    network.repeats = below(d, 2) == 0 ? 0 : below(d, 25);
    network.delay_to = delays[below(d, 4)];
    return network;
}

static void draw_cut(draw *d, uint32_t place, uint32_t other)
{
    uint32_t x = below(d, 20);
    fuzz_step step = {.place = (uint8_t)place, .other = (uint8_t)other};
    step.verb = x < 8    ? FUZZ_CUT
                : x < 12 ? FUZZ_CUT_WAY
                : x < 19 ? FUZZ_HEAL
                         : FUZZ_HEAL_ALL;
    if (place != other || x >= 12) {
        push(d, step);
    }
}

static void draw_crash(draw *d, uint32_t place)
{
    static const fuzz_verb verbs[] = {FUZZ_CRASH,      FUZZ_CRASH_KEPT, FUZZ_CUT_POWER,
                                      FUZZ_DISK_FAILS, FUZZ_STOP,       FUZZ_START};
    static const uint32_t chances[] = {2, 3, 3, 1, 1, 12};
    push(d, (fuzz_step){.verb = pick(d, chances, verbs, 6), .place = (uint8_t)place});
}

static void draw_disk(draw *d, uint32_t place, uint32_t other)
{
    static const fuzz_verb verbs[] = {FUZZ_CHECKPOINT, FUZZ_SAVE_DISK, FUZZ_RESTORE,
                                      FUZZ_COPY, FUZZ_NEW_DISK};
    static const uint32_t chances[] = {5, 4, 2, 2, 1};
    push(d, (fuzz_step){.verb = pick(d, chances, verbs, 5),
                        .place = (uint8_t)place,
                        .other = (uint8_t)other});
}

static void draw_fork(draw *d, uint32_t place, uint32_t other)
{
    static const fuzz_verb verbs[] = {FUZZ_SAVE_DISK, FUZZ_SET_BACK, FUZZ_TWIN,
                                      FUZZ_DISK_LIES};
    static const uint32_t chances[] = {2, 2, 4, 1};
    static const uint32_t noticed[] = {2, 0, 0, 1};
    push(d, (fuzz_step){.verb = pick(d, d->unnoticed ? chances : noticed, verbs, 4),
                        .place = (uint8_t)place,
                        .other = (uint8_t)other});
}

static void draw_oddity(draw *d, uint32_t place, uint32_t other)
{
    static const fuzz_verb verbs[] = {FUZZ_STALL,      FUZZ_GO_ON,    FUZZ_CLOCK_AHEAD,
                                      FUZZ_CLOCK_BACK, FUZZ_PROTOCOL, FUZZ_FORGE};
    static const uint32_t chances[] = {3, 4, 1, 1, 1, 4};
    push(d, (fuzz_step){.verb = pick(d, chances, verbs, 6),
                        .place = (uint8_t)place,
                        .other = (uint8_t)other,
                        .n = {below(d, 100000)}});
}

static void draw_change(draw *d, uint32_t loss_max)
{
    fuzz_network network = draw_network(d, loss_max);
    push(d, (fuzz_step){.verb = FUZZ_NETWORK,
                        .n = {network.loss, network.repeats, network.delay_from,
                              network.delay_to}});
}

static void draw_step(draw *d, const weights *w, uint32_t loss_max)
{
    uint32_t place = below(d, d->plan->place_count);
    uint32_t other = below(d, d->plan->place_count);
    const uint32_t *chances = &w->operations;
    uint32_t sum = 0;
    for (size_t i = 0; i < sizeof *w / sizeof *chances; i++) {
        sum += chances[i];
    }
    uint32_t x = below(d, sum);
    size_t kind = 0;
    while (x >= chances[kind]) {
        x -= chances[kind++];
    }
    switch (kind) {
    case 0:
        draw_operation(d, place);
        break;
    case 1:
        draw_intention(d, place);
        break;
    case 2:
        push(d, (fuzz_step){.verb = below(d, 3) == 0 ? FUZZ_REDO : FUZZ_UNDO,
                            .place = (uint8_t)place});
        break;
    case 3:
        push(d, (fuzz_step){.verb = FUZZ_BURST,
                            .place = (uint8_t)place,
                            .n = {1 + below(d, 5)}});
        break;
    case 4:
        draw_chore(d, place);
        break;
    case 5:
        push(d, (fuzz_step){.verb = FUZZ_QUIET});
        break;
    case 6:
        draw_change(d, loss_max);
        break;
    case 7:
        draw_cut(d, place, other);
        break;
    case 8:
        draw_crash(d, place);
        break;
    case 9:
        draw_disk(d, place, other);
        break;
    case 10:
        draw_oddity(d, place, other);
        break;
    default:
        draw_fork(d, place, other);
        break;
    }
}

static void draw_world(draw *d, const fuzz_wish *wish, fuzz_profile profile)
{
    fuzz_plan *plan = d->plan;
    plan->place_count = wish->places != 0 ? wish->places : 2 + below(d, 4);
    if (profile != FUZZ_CALM) {
        plan->network = draw_network(d, profile == FUZZ_HOSTILE ? 30 : 75);
    }
    if (wish->loss != FUZZ_LOSS_ANY) {
        plan->network.loss = wish->loss;
    }
    plan->disk_ms = below(d, 2) == 0 ? 3 : 40;
    plan->line = profile != FUZZ_HOSTILE && below(d, 2) == 0;
    plan->no_discover = profile != FUZZ_HOSTILE && below(d, 2) == 0;
    plan->undialable =
        profile >= FUZZ_PARTITION && profile != FUZZ_HOSTILE && below(d, 5) == 0;
    plan->small = profile != FUZZ_HOSTILE && below(d, 3) == 0;
    plan->scene = wish->scene == NULL ? NULL : strdup(wish->scene);
    d->tree = below(d, 3) == 0;
    d->entities = 2 + below(d, d->tree ? 8 : wish->scene == NULL ? 5 : 20);
}

void fuzz_profile_draw(fuzz_plan *plan, const fuzz_wish *wish, uint64_t seed)
{
    draw d = {.plan = plan, .random = seed * UINT64_C(0xd1342543de82ef95) + 1};
    fuzz_plan_deinit(plan);
    plan->seed = seed;
    d.unnoticed = wish->profile == FUZZ_HOSTILE;
    fuzz_profile profile = wish->profile;
    if (profile == FUZZ_EVERYTHING) {
        static const fuzz_profile any[] = {FUZZ_CALM,    FUZZ_LOSSY,     FUZZ_LOSSY,
                                           FUZZ_CRASHES, FUZZ_PARTITION, FUZZ_CRASHES,
                                           FUZZ_CRASHES, FUZZ_HOSTILE};
        profile = any[below(&d, sizeof any / sizeof any[0])];
    }
    draw_world(&d, wish, profile);
    uint32_t steps = wish->steps != 0 ? wish->steps : 20 + below(&d, 180);
    uint32_t loss_max = wish->loss != FUZZ_LOSS_ANY ? wish->loss
                        : profile == FUZZ_HOSTILE   ? 30
                                                    : 75;
    while (plan->step_count < steps) {
        draw_step(&d, &profiles[profile].weights, loss_max);
        uint32_t x = below(&d, 4);
        if (x > 0) {
            push(&d, (fuzz_step){.verb = FUZZ_WAIT,
                                 .n = {x == 1 ? below(&d, 1500) : below(&d, 50)}});
        }
    }
    push(&d, (fuzz_step){.verb = FUZZ_QUIET});
}
