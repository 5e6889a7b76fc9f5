/* W11: a node on a disk.
 *
 * One caller, one edit after the other, each acknowledged when it is on the disk: edits of
 * 1, 10 and 100 updates of W1, in turn with the least that the same bytes cost (append and
 * fdatasync) and with LMDB alone; medians of 5 rounds. Then 100,000 edits a second are
 * offered for 2 s at scale 1, whether they are acknowledged or not. Then a process that has
 * written 100,000 edits at scale 1 is killed, and its store opened. */

#include "bench/anchor_disk.h"
#include "bench/editor.h"
#include "bench/workloads.h"
#include "bench/node_writer.h"

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTITIES 10000u
#define ROUNDS 5
#define OFFERED_RATE 100000u
#define OFFERED_TICK_US 1000.0

static sync_node *open_node(const char *folder)
{
    sync_node_options options = sync_node_options_default();
    char dir[BENCH_PATH_SIZE + 32];
    crdt_diag diag = {0};
    sync_node *node = NULL;
    snprintf(dir, sizeof dir, "%s/store", folder);
    setenv("SCENESYNC_STATE_DIR", folder, 1);
    options.scene = "bench";
    options.store_dir = dir;
    if (sync_node_open(&node, &options, &diag) != CRDT_OK) {
        bench_die("node", diag.text);
    }
    return node;
}

/* ---- one caller ---- */

/* Bytes of an edit of `updates`, as it goes to the log. */
static size_t edit_size(uint32_t updates)
{
    bench_editor editor;
    bench_ops ops;
    bench_stream stream = {.x = BENCH_SEED_BUILD};
    bench_editor_open(&editor, 0, crdt_alloc_default());
    bench_ops_open(&ops, updates);
    for (uint32_t i = 0; i < updates; i++) {
        bench_entity entity = bench_entity_draw(&stream, i);
        bench_ops_push_entity(&ops, &entity);
    }
    bench_editor_commit(&editor, &ops);
    bench_ops_clear(&ops);
    for (uint32_t i = 0; i < updates; i++) {
        bench_transform transform = bench_transform_draw(&stream);
        bench_ops_push_transform(&ops, bench_ops_id(&ops, i), &transform);
    }
    bench_editor_commit(&editor, &ops);
    size_t size = editor.message.size;
    bench_ops_close(&ops);
    bench_editor_close(&editor);
    return size;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof values[0], compare);
    return values[ROUNDS / 2];
}

/* What took turns: edits acknowledged a second, in each round. */
typedef struct turns {
    size_t edit_size; /* bytes */
    double floors[ROUNDS];
    double lmdbs[ROUNDS];
    double nodes[ROUNDS];
    double ratios[ROUNDS]; /* of the floor */
    bench_spread spread;
    bench_stopwatch watch;
    uint64_t edits;
    uint64_t written; /* bytes, by the node's edits */
} turns;

/* Edits for `seconds`, one after the other; returns how many a second. */
static double edit_for(sync_node *node, const sync_edit *edit, double seconds, turns *t)
{
    uint64_t before = bench_disk_written();
    uint64_t count = 0;
    bench_stopwatch_start(&t->watch);
    double begin = bench_now_us();
    double at = begin;
    while (at - begin < seconds * 1e6) {
        bench_must(sync_node_edit(node, edit, NULL), "edit");
        double now = bench_now_us();
        bench_spread_add(&t->spread, now - at);
        at = now;
        count++;
    }
    bench_stopwatch_stop(&t->watch);
    t->edits += count;
    t->written += bench_disk_written() - before;
    return (double)count * 1e6 / (at - begin);
}

static void tell_turns(const bench_options *o, uint32_t updates, turns *t)
{
    bench_result result;
    bench_result_begin(&result, o, "W11-acknowledged-%u", updates);
    bench_result_watch(&result, &t->watch, t->edits * updates);
    bench_result_count(&result, "per_batch", updates);
    bench_result_count(&result, "batch_bytes", t->edit_size);
    bench_result_real(&result, "batches_per_s", median(t->nodes));
    bench_result_real(&result, "floor_batches_per_s", median(t->floors));
    bench_result_real(&result, "lmdb_batches_per_s", median(t->lmdbs));
    bench_result_real(&result, "floor_ratio", median(t->ratios));
    bench_result_real(&result, "write_amplification",
                      (double)t->written / (double)(t->edits * t->edit_size));
    bench_spread_tell(&result, "", &t->spread);
    bench_result_end(&result);
}

static void run_caller(const bench_options *o, sync_node *node, bench_disk *disk,
                       uint32_t updates)
{
    bench_node_writer writer;
    turns t = {.edit_size = edit_size(updates)};
    bench_node_writer_open(&writer, node, ENTITIES, updates);
    const sync_edit edit = bench_node_writer_edit(&writer);
    double seconds = o->scale < 0.2 ? 0.2 : o->scale > 1 ? 1 : o->scale;
    turns warm = {.edits = 0};
    edit_for(node, &edit, 0.1, &warm); /* the first edits make the journal */
    bench_spread_deinit(&warm.spread);
    for (size_t i = 0; i < ROUNDS; i++) {
        t.floors[i] = bench_disk_append(disk, 1, t.edit_size, seconds, NULL);
        t.lmdbs[i] = bench_disk_lmdb(disk, updates, t.edit_size / updates, seconds);
        t.nodes[i] = edit_for(node, &edit, seconds, &t);
        t.ratios[i] = t.nodes[i] / t.floors[i];
    }
    tell_turns(o, updates, &t);
    bench_spread_deinit(&t.spread);
    bench_node_writer_close(&writer);
}

/* ---- many edits on their way ---- */

typedef struct offer offer;

typedef struct offer_slot {
    offer *of;
    double begin_us;
    double done_us;
} offer_slot;

struct offer {
    offer_slot *slots;
    _Atomic uint32_t acknowledged;
};

static void on_done(void *ctx, const sync_edit_result *result)
{
    offer_slot *slot = ctx;
    bench_must(result->err, "edit");
    slot->done_us = bench_now_us();
    slot->of->acknowledged++;
}

/* An edit begins when it is due, also if there is no room for it yet. */
static void offer_all(sync_node *node, const sync_edit *edit, offer *all,
                      uint32_t count)
{
    double begin = bench_now_us();
    for (uint32_t i = 0; i < count; i++) {
        double due = begin + (double)i * 1e6 / OFFERED_RATE;
        double tick = begin + floor((due - begin) / OFFERED_TICK_US) * OFFERED_TICK_US;
        if (bench_now_us() < tick) {
            bench_sleep_until(tick);
        }
        all->slots[i] = (offer_slot){.of = all, .begin_us = tick};
        crdt_err err = CRDT_EBUSY;
        while (err == CRDT_EBUSY) {
            err = sync_node_edit_start(node, edit, on_done, &all->slots[i]);
            if (err == CRDT_EBUSY) {
                bench_sleep_until(bench_now_us() + 100);
            }
        }
        bench_must(err, "edit");
    }
    while (all->acknowledged < count) {
        bench_sleep_until(bench_now_us() + 1000);
    }
}

static void run_offered(const bench_options *o, sync_node *node)
{
    bench_node_writer writer;
    uint32_t count = (uint32_t)(OFFERED_RATE * fmax(0.2, fmin(10, 2 * o->scale)));
    offer all = {.slots = calloc(count, sizeof *all.slots)};
    bench_must_bytes(all.slots, "edits");
    bench_node_writer_open(&writer, node, ENTITIES, 1);
    sync_edit edit = bench_node_writer_edit(&writer);
    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    offer_all(node, &edit, &all, count);
    bench_stopwatch_stop(&watch);
    bench_spread spread;
    bench_spread_init(&spread);
    for (uint32_t i = 0; i < count; i++) {
        bench_spread_add(&spread, all.slots[i].done_us - all.slots[i].begin_us);
    }
    bench_result result;
    bench_result_begin(&result, o, "W11-offered-100k");
    bench_result_watch(&result, &watch, count);
    bench_spread_tell(&result, "", &spread);
    bench_result_end(&result);
    bench_spread_deinit(&spread);
    bench_node_writer_close(&writer);
    free(all.slots);
}

/* ---- opening after a crash ---- */

/* In a child: write, and be killed. */
static void write_and_die(const bench_options *o, const char *folder, uint32_t count)
{
    pid_t child = fork();
    if (child == 0) {
        sync_node *node = open_node(folder);
        bench_node_writer writer;
        bench_node_writer_open(&writer, node, ENTITIES, 1);
        sync_edit edit = bench_node_writer_edit(&writer);
        offer all = {.slots = calloc(count, sizeof *all.slots)};
        bench_must_bytes(all.slots, "edits");
        offer_all(node, &edit, &all, count);
        kill(getpid(), SIGKILL);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) {
        bench_die("crash", "the child did not write to its end");
    }
    (void)o;
}

static void run_reopen(const bench_options *o)
{
    char folder[BENCH_PATH_SIZE];
    uint32_t count = (uint32_t)lround(100000 * o->scale);
    bench_folder_open(o, "w11-crash", folder);
    write_and_die(o, folder, count);
    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    sync_node *node = open_node(folder);
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, o, "W11-open");
    bench_result_watch(&result, &watch, count);
    bench_result_end(&result);
    sync_node_close(node);
    bench_folder_close(folder);
}

void bench_w11_run(const bench_options *o)
{
    static const uint32_t updates[] = {1, 10, 100};
    char folder[BENCH_PATH_SIZE];
    run_reopen(o); /* forks: before there is any thread */
    bench_folder_open(o, "w11", folder);
    sync_node *node = open_node(folder);
    bench_disk *disk = bench_disk_open(folder);
    for (size_t i = 0; i < sizeof updates / sizeof updates[0]; i++) {
        run_caller(o, node, disk, updates[i]);
    }
    run_offered(o, node);
    bench_disk_close(disk);
    sync_node_close(node);
    bench_folder_close(folder);
}
