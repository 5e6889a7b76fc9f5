#ifndef BENCH_SPREAD_H
#define BENCH_SPREAD_H

/* How times are spread: samples in microseconds, and what share of them is below what. */

#include "bench/result.h"

typedef struct bench_spread {
    double *us; /* owned */
    size_t count;
    size_t capacity;
} bench_spread;

void bench_spread_init(bench_spread *spread);
void bench_spread_deinit(bench_spread *spread);
void bench_spread_add(bench_spread *spread, double us);
/* The sample that `share` (0..1) of all are not above; sorts them. 0 without samples. */
double bench_spread_at(bench_spread *spread, double share);
/* "PREFIXp50_us", "PREFIXp99_us", "PREFIXp999_us", "PREFIXmax_us". */
void bench_spread_tell(bench_result *result, const char *prefix, bench_spread *spread);

/* Microseconds of the monotonic clock. */
double bench_now_us(void);
/* Until that moment; the kernel may wake us some 50 us late. */
void bench_sleep_until(double us);

#endif /* BENCH_SPREAD_H */
