#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

/* A result is one line of JSON on standard output: `peer`, `version`, `workload`, `scale`,
 * `run`; what the workload adds; `peak_rss`, `load1`. Nothing else is printed there. */

#include "bench/bench.h"
#include "bench/stopwatch.h"

/* Begin the line of the workload called by `format`: "W3-merge-R%u". The peak of memory
 * is that of this moment, so that what is done to describe a result is not in it. */
typedef struct bench_result {
    uint64_t peak_rss;
} bench_result;
void bench_result_begin(bench_result *result, const bench_options *options,
                        const char *format, ...) __attribute__((format(printf, 3, 4)));
/* `seconds`, `cpu_s`, `ops`, `ops_per_s`, `ops_per_cpu_s`. */
void bench_result_watch(bench_result *result, const bench_stopwatch *watch,
                        uint64_t ops);
/* `wire_bytes`, `bytes_per_op`. */
void bench_result_wire(bench_result *result, uint64_t bytes, uint64_t ops);
void bench_result_count(bench_result *result, const char *key, uint64_t value);
void bench_result_real(bench_result *result, const char *key, double value);
void bench_result_flag(bench_result *result, const char *key, bool value);
void bench_result_text(bench_result *result, const char *key, const char *value);
void bench_result_end(bench_result *result);

#endif /* BENCH_RESULT_H */
