#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H

/* The workloads of docs/BENCHMARKS.md; each one is a file of its name. */

#include "bench/bench.h"

void bench_w1_run(const bench_options *options);
void bench_w2_run(const bench_options *options);
void bench_w3_run(const bench_options *options);
/* Prints the list of edits of options->replica. */
void bench_w3_list_run(const bench_options *options);
void bench_w45_run(const bench_options *options);
void bench_w6_run(const bench_options *options);
void bench_w7_run(const bench_options *options);
void bench_w8_run(const bench_options *options);
void bench_w8b_run(const bench_options *options);
void bench_w9_run(const bench_options *options);
void bench_w10_run(const bench_options *options);
void bench_w11_run(const bench_options *options);

#endif /* BENCH_WORKLOADS_H */
