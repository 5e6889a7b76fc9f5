/* scenesync-bench: the workloads of docs/BENCHMARKS.md, one JSON line a result. */

#include "bench/workload.h"
#include "bench/workloads.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    bench_workload run;
    const char *what;
} workloads[] = {
    {"w1", bench_w1_run, "local edits; --keep leaves files for w2 and w45"},
    {"w2", bench_w2_run, "remote edits: the messages of a w1"},
    {"w3", bench_w3_run, "--replicas R edit 10,000 entities apart, then merge"},
    {"w3-list", bench_w3_list_run, "the edits of --replica N in w3"},
    {"w45", bench_w45_run, "late join, load and save: the documents of a w1"},
    {"w6", bench_w6_run, "1,540 clients write one field at once"},
    {"w7", bench_w7_run, "who missed k of a million entries catches up"},
    {"w8", bench_w8_run, "1e3 to 1e7 fields; 1e7 objects that come and go"},
    {"w8b", bench_w8b_run, "conflicts, overwrites"},
    {"w9", bench_w9_run, "edits between nodes: latency, saturation, fan-out"},
    {"w10", bench_w10_run, "the scene as JSON: out, in, out again after k edits"},
    {"w11", bench_w11_run, "a node on a disk: acknowledged edits, opening"},
};

enum { WORKLOAD_COUNT = sizeof workloads / sizeof workloads[0] };

static void usage(FILE *out)
{
    fputs("usage: scenesync-bench WORKLOAD [--variant op|batch] [--scale N] "
          "[--replicas R]\n"
          "                       [--keep] [--dir D] [--run K]\n",
          out);
    for (size_t i = 0; i < WORKLOAD_COUNT; i++) {
        fprintf(out, "  %-8s %s\n", workloads[i].name, workloads[i].what);
    }
}

static const char *value_of(int argc, char **argv, int *i, const char *name)
{
    size_t size = strlen(name);
    if (strncmp(argv[*i], name, size) != 0) {
        return NULL;
    }
    if (argv[*i][size] == '=') {
        return argv[*i] + size + 1;
    }
    return argv[*i][size] == '\0' && *i + 1 < argc ? argv[++*i] : NULL;
}

static bool number_of(const char *text, unsigned max, unsigned *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    *number = (unsigned)value;
    return *text != '\0' && *end == '\0' && value <= max;
}

static bool parse_options(int argc, char **argv, bench_options *o)
{
    for (int i = 2; i < argc; i++) {
        const char *value;
        bool good = true;
        if (strcmp(argv[i], "--keep") == 0) {
            o->keep = true;
        } else if ((value = value_of(argc, argv, &i, "--variant")) != NULL) {
            o->variant = value;
        } else if ((value = value_of(argc, argv, &i, "--scale")) != NULL) {
            o->scale = strtod(value, NULL);
        } else if ((value = value_of(argc, argv, &i, "--dir")) != NULL) {
            o->dir = value;
        } else if ((value = value_of(argc, argv, &i, "--run")) != NULL) {
            good = number_of(value, 1000000, &o->run);
        } else if ((value = value_of(argc, argv, &i, "--replicas")) != NULL) {
            good = number_of(value, 1000, &o->replicas) && o->replicas >= 1;
        } else if ((value = value_of(argc, argv, &i, "--replica")) != NULL) {
            good = number_of(value, 99, &o->replica);
        } else {
            return false;
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

static bool parse(int argc, char **argv, bench_options *o)
{
    *o = (bench_options){
        .variant = "op", .scale = 1, .dir = "/tmp", .replicas = 2, .per_message = 1};
    if (!parse_options(argc, argv, o)) {
        return false;
    }
    if (strcmp(o->variant, "batch") == 0) {
        o->per_message = 1000;
    } else if (strcmp(o->variant, "op") != 0) {
        return false;
    }
    if (!(o->scale >= 0.01 && o->scale <= 100)) {
        return false;
    }
    o->entity_count = (uint32_t)lround(BENCH_ENTITY_COUNT * o->scale);
    o->update_count = (uint32_t)lround(BENCH_UPDATE_COUNT * o->scale);
    /* Whole messages only, so that both variants do the same work. */
    return o->entity_count % o->per_message == 0 &&
           o->update_count % o->per_message == 0;
}

int main(int argc, char **argv)
{
    bench_options o;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (argc >= 2 && parse(argc, argv, &o)) {
        for (size_t i = 0; i < WORKLOAD_COUNT; i++) {
            if (strcmp(argv[1], workloads[i].name) == 0) {
                workloads[i].run(&o);
                return 0;
            }
        }
    }
    usage(stderr);
    return 2;
}
