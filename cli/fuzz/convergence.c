#include "cli/fuzz/convergence.h"

#include "sync/sim_world.h"

#include <stdio.h>
#include <stdlib.h>

#define EDITS 5u
#define EDIT_MS 50u
#define DELAY_MS 20u
#define WAIT_MS 60000u

static uint64_t measure_one(const fuzz_convergence *point, uint64_t seed)
{
    sync_sim_options o = sync_sim_options_default();
    o.place_count = point->places;
    o.seed = seed;
    o.check = false; /* time alone is wanted here */
    o.faults = (sync_sim_faults){.delay_ms_min = 1, .delay_ms_max = DELAY_MS};
    sync_sim *sim = sync_sim_open(&o);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 2000); /* they have met */
    o.faults.drop_percent = point->loss;
    sync_sim_set_faults(sim, o.faults);
    for (uint32_t i = 0; i < EDITS; i++) {
        for (uint32_t place = 0; place < point->places; place++) {
            char object[16];
            snprintf(object, sizeof object, "object %u", (place + i) % 7);
            sync_sim_set(sim, place, object, "value", place * EDITS + i);
        }
        sync_sim_run(sim, i + 1 < EDITS ? EDIT_MS : 0);
    }
    uint64_t took = sync_sim_run_until_equal(sim, WAIT_MS);
    sync_sim_close(sim);
    return took;
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void fuzz_convergence_measure(fuzz_convergence *point)
{
    uint64_t times[FUZZ_CONVERGENCE_RUNS_MAX];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < point->runs; i++) {
        times[i] = measure_one(point, i + 1);
        sum += times[i] < WAIT_MS ? times[i] : WAIT_MS;
    }
    qsort(times, point->runs, sizeof times[0], compare_times);
    point->mean_ms = sum / point->runs;
    point->median_ms = times[point->runs / 2];
    point->longest_ms = times[point->runs - 1];
}
