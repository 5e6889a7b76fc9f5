#include "bench/result.h"

#include "bench/heap.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bench_result_begin(bench_result *result, const bench_options *options,
                        const char *format, ...)
{
    result->peak_rss = bench_rss_peak();
    printf("{\"peer\":\"scenesync\",\"version\":\"%s\",\"workload\":\"", BENCH_VERSION);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\",\"scale\":%g,\"run\":%u", options->scale, options->run);
}

void bench_result_watch(bench_result *result, const bench_stopwatch *watch,
                        uint64_t ops)
{
    bench_result_real(result, "seconds", watch->wall);
    bench_result_real(result, "cpu_s", watch->cpu);
    bench_result_count(result, "ops", ops);
    printf(",\"ops_per_s\":%.0f,\"ops_per_cpu_s\":%.0f", (double)ops / watch->wall,
           (double)ops / watch->cpu);
}

void bench_result_wire(bench_result *result, uint64_t bytes, uint64_t ops)
{
    bench_result_count(result, "wire_bytes", bytes);
    printf(",\"bytes_per_op\":%.2f", (double)bytes / (double)ops);
}

void bench_result_count(bench_result *result, const char *key, uint64_t value)
{
    (void)result;
    printf(",\"%s\":%" PRIu64, key, value);
}

void bench_result_real(bench_result *result, const char *key, double value)
{
    (void)result;
    printf(",\"%s\":%.6f", key, value);
}

void bench_result_flag(bench_result *result, const char *key, bool value)
{
    (void)result;
    printf(",\"%s\":%s", key, value ? "true" : "false");
}

void bench_result_text(bench_result *result, const char *key, const char *value)
{
    (void)result;
    printf(",\"%s\":\"%s\"", key, value);
}

void bench_result_end(bench_result *result)
{
    double load = 0;
    if (getloadavg(&load, 1) != 1) {
        load = 0;
    }
    printf(",\"peak_rss\":%" PRIu64 ",\"load1\":%.2f}\n", result->peak_rss, load);
    fflush(stdout);
}
