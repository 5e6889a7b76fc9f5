#include "bench/stopwatch.h"

#include <time.h>

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void bench_stopwatch_start(bench_stopwatch *watch)
{
    watch->wall -= seconds_of(CLOCK_MONOTONIC);
    watch->cpu -= seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

void bench_stopwatch_stop(bench_stopwatch *watch)
{
    watch->cpu += seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    watch->wall += seconds_of(CLOCK_MONOTONIC);
}
