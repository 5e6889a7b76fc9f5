#ifndef BENCH_STOPWATCH_H
#define BENCH_STOPWATCH_H

/* Wall and processor time of the timed parts of a workload. */

typedef struct bench_stopwatch {
    double wall; /* seconds while it ran */
    double cpu;  /* of all threads, user and system */
} bench_stopwatch;

/* Begins as {0}; goes on where it stopped. */
void bench_stopwatch_start(bench_stopwatch *watch);
void bench_stopwatch_stop(bench_stopwatch *watch);

#endif /* BENCH_STOPWATCH_H */
