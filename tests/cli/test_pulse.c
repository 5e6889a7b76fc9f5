#include "cli/worker/known.h"
#include "cli/worker/pulse.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>

#define TOLD_MAX 64

Test(pulse, what_arrived_counts_as_heard_after_the_grace)
{
    worker_pulse pulse = worker_pulse_make(5000);
    uint64_t told = worker_pulse_now(&pulse, 5000);
    worker_pulse_tell(&pulse, 5000);
    cr_assert(worker_pulse_ask(&pulse, 5000));
    cr_assert_not(worker_pulse_ask(&pulse, 5000), "one is under way");
    worker_pulse_arrive(&pulse, 5002);
    cr_assert_lt(worker_pulse_now(&pulse, 5090), told + WORKER_CROSSING_MS);
    cr_assert_geq(worker_pulse_now(&pulse, 5110), told + WORKER_CROSSING_MS);
}

Test(pulse, time_stands_still_for_who_does_not_read)
{
    worker_pulse pulse = worker_pulse_make(5000);
    uint64_t told = worker_pulse_now(&pulse, 5000);
    worker_pulse_tell(&pulse, 5000);
    cr_assert(worker_pulse_ask(&pulse, 5000));
    cr_assert_lt(worker_pulse_now(&pulse, 65000), told + WORKER_CROSSING_MS);
    worker_pulse_arrive(&pulse, 65000);
    cr_assert_lt(worker_pulse_now(&pulse, 65010), told + WORKER_CROSSING_MS);
    cr_assert_geq(worker_pulse_now(&pulse, 65200), told + WORKER_CROSSING_MS);
}

Test(pulse, who_is_told_nothing_is_asked_nothing)
{
    worker_pulse pulse = worker_pulse_make(5000);
    cr_assert_not(worker_pulse_ask(&pulse, 9000));
    cr_assert_eq(worker_pulse_now(&pulse, 9000), 9000);
    worker_pulse_arrive(&pulse, 9000); /* nobody asked */
    cr_assert_eq(worker_pulse_now(&pulse, 9000), 9000);
}

/* The law of the header, with pings that take any time. */
typedef struct told {
    uint64_t clock_ms;
    bool asked; /* a ping was sent behind it */
} told;

static void run_law(uint64_t seed)
{
    gen random = gen_open(seed, NULL);
    uint64_t now = 1000 + gen_below(&random, 1000);
    uint64_t before = now;
    worker_pulse pulse = worker_pulse_make(now);
    told list[TOLD_MAX];
    size_t count = 0;
    for (int step = 0; step < 2000; step++) {
        now += gen_below(&random, 4) == 0 ? gen_below(&random, 1500)
                                          : gen_below(&random, 30);
        uint64_t clock = worker_pulse_now(&pulse, now);
        cr_assert_geq(clock, before, "seed %llu", (unsigned long long)seed);
        before = clock;
        for (size_t i = 0; i < count; i++) {
            cr_assert_lt(clock, list[i].clock_ms + WORKER_CROSSING_MS,
                         "not arrived, and counts as heard: seed %llu",
                         (unsigned long long)seed);
        }
        if (count < TOLD_MAX && gen_below(&random, 2) == 0) {
            list[count++] = (told){.clock_ms = clock};
            worker_pulse_tell(&pulse, now);
        }
        if (worker_pulse_ask(&pulse, now)) {
            for (size_t i = 0; i < count; i++) {
                list[i].asked = true;
            }
        }
        if (pulse.asked && gen_below(&random, 5) == 0) {
            size_t kept = 0;
            for (size_t i = 0; i < count; i++) {
                if (!list[i].asked) {
                    list[kept++] = list[i];
                }
            }
            count = kept;
            worker_pulse_arrive(&pulse, now);
        }
    }
}

Test(pulse, what_has_not_arrived_never_counts_as_heard)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        run_law(seed);
    }
}
