#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

/* What all workloads of scenesync-bench share: what was asked for, and the end of a run
 * that cannot go on. Errors end the process: a benchmark that failed has no result. */

#include "crdt/buf.h"

typedef struct bench_options {
    const char *variant; /* "op": a message of each transaction of one edit; "batch" */
    double scale;
    const char *dir;   /* files between workloads, stores */
    unsigned run;      /* number of the run, copied to the results */
    unsigned replicas; /* W3, W9 */
    unsigned replica;  /* W3's list */
    bool keep;         /* leave the files */
    uint32_t entity_count;
    uint32_t update_count;
    uint32_t per_message; /* entities or updates */
} bench_options;

/* One workload: runs, prints its results. */
typedef void (*bench_workload)(const bench_options *options);

_Noreturn void bench_die(const char *what, const char *why);
void bench_must(crdt_err err, const char *what);
void bench_must_bytes(const void *bytes, const char *what); /* NULL: out of memory */

/* "DIR/scenesync-SCALE-NAME". */
#define BENCH_PATH_SIZE 512
void bench_path(const bench_options *options, const char *name,
                char path[BENCH_PATH_SIZE]);
/* A whole file; the caller frees data with free(). */
crdt_span bench_file_read(const char *path);
void bench_file_write(const char *path, crdt_span bytes);

#endif /* BENCH_BENCH_H */
