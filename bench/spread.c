#include "bench/spread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void bench_spread_init(bench_spread *spread)
{
    *spread = (bench_spread){0};
}

void bench_spread_deinit(bench_spread *spread)
{
    free(spread->us);
    *spread = (bench_spread){0};
}

void bench_spread_add(bench_spread *spread, double us)
{
    if (spread->count == spread->capacity) {
        spread->capacity = spread->capacity * 2 + 1024;
        double *grown = realloc(spread->us, spread->capacity * sizeof *grown);
        bench_must_bytes(grown, "samples");
        spread->us = grown;
    }
    spread->us[spread->count++] = us;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_spread_at(bench_spread *spread, double share)
{
    if (spread->count == 0) {
        return 0;
    }
    qsort(spread->us, spread->count, sizeof *spread->us, compare);
    size_t index = (size_t)(share * (double)(spread->count - 1) + 0.5);
    return spread->us[index];
}

void bench_spread_tell(bench_result *result, const char *prefix, bench_spread *spread)
{
    static const struct {
        const char *name;
        double share;
    } rows[] = {{"p50_us", 0.5}, {"p99_us", 0.99}, {"p999_us", 0.999}, {"max_us", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s%s", prefix, rows[i].name);
        bench_result_real(result, key, bench_spread_at(spread, rows[i].share));
    }
}

double bench_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void bench_sleep_until(double us)
{
    struct timespec until = {.tv_sec = (time_t)(us / 1e6)};
    until.tv_nsec = (long)((us - (double)until.tv_sec * 1e6) * 1e3);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}
