/* bench-anchors: what the machine itself allows, on the scene and updates of W1 and W2; one
 * JSON line a result.
 *
 *     bench-anchors [--scale N] [--run K] [--dir D] */

#include "bench/anchors/drawing.h"
#include "bench/anchors/slot_table.h"
#include "bench/stopwatch.h"
#ifdef ANCHORS_SQLITE
#include "bench/anchors/sqlite_table.h"
#endif

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define COPY_SIZE ((size_t)256 << 20)
#define COPY_COUNT 8

typedef struct options {
    double scale;
    const char *run;
    const char *dir;
    uint32_t entity_count;
    uint32_t update_count;
} options;

/* A message that needs no decoding: its fields lie as they are read. */
typedef struct message {
    anchor_field field;
    uint64_t time;
    uint32_t writer;
} message;

static void print_result(const options *o, const char *peer, const char *workload,
                         const bench_stopwatch *watch, size_t ops, size_t doc_bytes)
{
    struct rusage usage;
    double load = 0;
    getrusage(RUSAGE_SELF, &usage);
    if (getloadavg(&load, 1) != 1) {
        load = 0;
    }
    printf("{\"peer\":\"%s\",\"workload\":\"%s\",\"scale\":%g,\"run\":%s,"
           "\"seconds\":%.6f,\"cpu_s\":%.6f,\"ops\":%zu,\"ops_per_s\":%.0f,"
           "\"ops_per_cpu_s\":%.0f",
           peer, workload, o->scale, o->run, watch->wall, watch->cpu, ops,
           (double)ops / watch->wall, (double)ops / watch->cpu);
    if (doc_bytes != 0) {
        printf(",\"doc_bytes\":%zu", doc_bytes);
    }
    printf(",\"peak_rss\":%ld,\"load1\":%.2f}\n", usage.ru_maxrss * 1024, load);
    fflush(stdout);
}

static void *must_have(void *memory)
{
    if (memory == NULL) {
        fputs("bench-anchors: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* Drawing the updates, which is part of every W1. */
static void run_drawing(const options *o)
{
    bench_stopwatch watch = {0};
    anchor_field field;
    uint32_t stream = ANCHOR_SEED_UPDATE;
    volatile char sink = 0;
    bench_stopwatch_start(&watch);
    for (uint32_t i = 0; i < o->update_count; i++) {
        anchor_draw_update(&stream, o->entity_count, &field);
        sink = field.value[0];
    }
    bench_stopwatch_stop(&watch);
    (void)sink;
    print_result(o, "c-drawing", "W1-update-op", &watch, o->update_count, 0);
}

static message *draw_messages(const options *o, uint64_t time)
{
    message *messages = must_have(malloc(o->update_count * sizeof *messages));
    uint32_t stream = ANCHOR_SEED_UPDATE;
    for (uint32_t i = 0; i < o->update_count; i++) {
        anchor_draw_update(&stream, o->entity_count, &messages[i].field);
        messages[i].time = ++time;
        messages[i].writer = 2;
    }
    return messages;
}

static void run_hash_table(const options *o)
{
    bench_stopwatch build = {0};
    bench_stopwatch update = {0};
    bench_stopwatch apply = {0};
    anchor_table table;
    anchor_field field;
    uint64_t time = 0;
    uint32_t stream = ANCHOR_SEED_BUILD;
    bench_stopwatch_start(&build);
    anchor_table_open(&table, (size_t)o->entity_count * ANCHOR_COMPONENT_COUNT);
    for (uint32_t i = 0; i < o->entity_count * ANCHOR_COMPONENT_COUNT; i++) {
        anchor_draw_component(&stream, i / ANCHOR_COMPONENT_COUNT,
                              i % ANCHOR_COMPONENT_COUNT, &field);
        anchor_table_put(&table, &field, ++time, 1);
    }
    bench_stopwatch_stop(&build);
    print_result(o, "c-hashtable", "W1-build-op", &build, o->entity_count,
                 anchor_table_size(&table));

    stream = ANCHOR_SEED_UPDATE;
    bench_stopwatch_start(&update);
    for (uint32_t i = 0; i < o->update_count; i++) {
        anchor_draw_update(&stream, o->entity_count, &field);
        anchor_table_put(&table, &field, ++time, 1);
    }
    bench_stopwatch_stop(&update);
    print_result(o, "c-hashtable", "W1-update-op", &update, o->update_count,
                 anchor_table_size(&table));

    message *messages = draw_messages(o, time);
    bench_stopwatch_start(&apply);
    for (uint32_t i = 0; i < o->update_count; i++) {
        anchor_table_put(&table, &messages[i].field, messages[i].time,
                         messages[i].writer);
    }
    bench_stopwatch_stop(&apply);
    print_result(o, "c-hashtable", "W2-update-op", &apply, o->update_count,
                 anchor_table_size(&table));
    free(messages);
    anchor_table_close(&table);
}

static void run_copy(const options *o)
{
    bench_stopwatch watch = {0};
    char *from = must_have(malloc(COPY_SIZE));
    char *to = must_have(malloc(COPY_SIZE));
    memset(from, 1, COPY_SIZE);
    memset(to, 2, COPY_SIZE);
    bench_stopwatch_start(&watch);
    for (size_t i = 0; i < COPY_COUNT; i++) {
        memcpy(to, from, COPY_SIZE);
        from[i] = to[COPY_SIZE - 1 - i]; /* so that no copy can be left out */
    }
    bench_stopwatch_stop(&watch);
    print_result(o, "c-memcpy", "memcpy-256MiB", &watch, COPY_COUNT, COPY_SIZE);
    free(from);
    free(to);
}

#ifdef ANCHORS_SQLITE
/* The build and the updates are one transaction each. */
static void run_sqlite(const options *o, const char *peer, const char *path)
{
    bench_stopwatch build = {0};
    bench_stopwatch update = {0};
    anchor_sqlite *table = anchor_sqlite_open(path);
    anchor_field field;
    uint64_t time = 0;
    uint32_t stream = ANCHOR_SEED_BUILD;
    bench_stopwatch_start(&build);
    anchor_sqlite_begin(table);
    for (uint32_t i = 0; i < o->entity_count * ANCHOR_COMPONENT_COUNT; i++) {
        anchor_draw_component(&stream, i / ANCHOR_COMPONENT_COUNT,
                              i % ANCHOR_COMPONENT_COUNT, &field);
        anchor_sqlite_put(table, &field, ++time);
    }
    anchor_sqlite_commit(table);
    bench_stopwatch_stop(&build);
    print_result(o, peer, "W1-build-batch", &build, o->entity_count, 0);

    stream = ANCHOR_SEED_UPDATE;
    bench_stopwatch_start(&update);
    anchor_sqlite_begin(table);
    for (uint32_t i = 0; i < o->update_count; i++) {
        anchor_draw_update(&stream, o->entity_count, &field);
        anchor_sqlite_put(table, &field, ++time);
    }
    anchor_sqlite_commit(table);
    bench_stopwatch_stop(&update);
    print_result(o, peer, "W1-update-batch", &update, o->update_count,
                 anchor_sqlite_size(table));
    anchor_sqlite_close(table);
}
#endif

static int parse(int argc, char **argv, options *o)
{
    *o = (options){.scale = 1, .run = "0", .dir = "/tmp"};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--scale") == 0) {
            o->scale = strtod(argv[i + 1], NULL);
        } else if (strcmp(argv[i], "--run") == 0) {
            o->run = argv[i + 1];
        } else if (strcmp(argv[i], "--dir") == 0) {
            o->dir = argv[i + 1];
        } else {
            return 0;
        }
    }
    o->entity_count = (uint32_t)lround(100000 * o->scale);
    o->update_count = (uint32_t)lround(1000000 * o->scale);
    return argc % 2 == 1 && o->scale >= 0.001 && o->scale <= 100;
}

int main(int argc, char **argv)
{
    options o;
    if (!parse(argc, argv, &o)) {
        fputs("usage: bench-anchors [--scale N] [--run K] [--dir D]\n", stderr);
        return 2;
    }
    run_drawing(&o);
    run_hash_table(&o);
#ifdef ANCHORS_SQLITE
    char path[512];
    snprintf(path, sizeof path, "%s/anchor.db", o.dir);
    run_sqlite(&o, "sqlite-memory", ":memory:");
    run_sqlite(&o, "sqlite-file", path);
#endif
    run_copy(&o);
    return 0;
}
