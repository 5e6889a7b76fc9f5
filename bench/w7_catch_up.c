/* W7: who missed k entries of a million catches up by the protocol itself. */

#include "bench/catch_up.h"
#include "bench/grid.h"
#include "bench/workloads.h"

#include <math.h>

#define ENTRIES 1000000u /* at scale 1 */
#define AUTHORS 16u      /* of the shared history */
#define FIRST_AUTHOR 100u

/* Entries of a grid: the objects, their 2 parts and 10 fields each. */
#define OBJECT_ENTRIES 13u

/* The history that both share, by its authors in turn. */
static void build(uint32_t objects, crdt_buf *saved)
{
    bench_editor editor;
    bench_editor_open(&editor, 0, crdt_alloc_default());
    for (uint32_t a = 0; a < AUTHORS; a++) {
        editor.actor = bench_actor(FIRST_AUTHOR + a);
        bench_grid_build(&editor, (uint32_t)((uint64_t)objects * a / AUTHORS),
                         (uint32_t)((uint64_t)objects * (a + 1) / AUTHORS));
    }
    bench_editor_save(&editor, saved);
    bench_editor_close(&editor);
}

/* k different fields are set, one edit each, by the authors in turn. */
static void edit(bench_editor *editor, uint32_t objects, uint32_t k)
{
    bench_ops ops;
    bench_stream stream = {.x = BENCH_SEED_UPDATE};
    uint32_t fields = objects * BENCH_GRID_FIELDS;
    bench_ops_open(&ops, 1);
    for (uint32_t i = 0; i < k; i++) {
        bench_ops_clear(&ops);
        bench_grid_push_set(&ops, &stream, (uint32_t)((uint64_t)fields * i / k));
        editor->actor = bench_actor(FIRST_AUTHOR + i % AUTHORS);
        bench_editor_commit(editor, &ops);
    }
    bench_ops_close(&ops);
}

static void tell(const bench_options *o, const char *name, uint64_t missed,
                 bench_editor *behind, bench_editor *ahead)
{
    bench_catch_up outcome;
    bench_catch_up_run(behind, ahead, &outcome);
    bench_result result;
    bench_result_begin(&result, o, "W7-%s", name);
    bench_result_watch(&result, &outcome.watch, missed);
    bench_result_count(&result, "missed", missed);
    bench_result_count(&result, "wire_bytes",
                       outcome.request_bytes + outcome.answer_bytes +
                           outcome.greeting_bytes);
    bench_catch_up_tell(&result, &outcome);
    bench_result_end(&result);
}

static void miss(const bench_options *o, uint32_t objects, crdt_span saved, uint32_t k,
                 const char *name)
{
    bench_editor behind;
    bench_editor ahead;
    bench_editor_open(&behind, 1, crdt_alloc_default());
    bench_editor_open(&ahead, 2, crdt_alloc_default());
    bench_editor_load(&behind, saved);
    bench_editor_load(&ahead, saved);
    edit(&ahead, objects, k);
    tell(o, name, k, &behind, &ahead);
    bench_editor_close(&behind);
    bench_editor_close(&ahead);
}

static void join(const bench_options *o, uint32_t objects, crdt_span saved)
{
    bench_editor behind;
    bench_editor ahead;
    bench_editor_open(&behind, 1, crdt_alloc_default());
    bench_editor_open(&ahead, 2, crdt_alloc_default());
    bench_editor_load(&ahead, saved);
    tell(o, "join", (uint64_t)objects * OBJECT_ENTRIES, &behind, &ahead);
    bench_editor_close(&behind);
    bench_editor_close(&ahead);
}

void bench_w7_run(const bench_options *o)
{
    uint32_t objects = (uint32_t)lround(ENTRIES * o->scale / OBJECT_ENTRIES);
    crdt_buf saved;
    crdt_buf_init(&saved, crdt_alloc_default());
    build(objects, &saved);
    miss(o, objects, crdt_buf_span(&saved), 0, "catch-up-0");
    miss(o, objects, crdt_buf_span(&saved), 10, "catch-up-10");
    miss(o, objects, crdt_buf_span(&saved), 1000, "catch-up-1000");
    if (o->scale >= 1) {
        miss(o, objects, crdt_buf_span(&saved), 100000, "catch-up-100000");
    }
    join(o, objects, crdt_buf_span(&saved));
    crdt_buf_deinit(&saved);
}
