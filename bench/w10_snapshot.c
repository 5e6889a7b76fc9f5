/* W10: the scene of W1 as JSON, out of a document and into another one; and out again after
 * k edits. */

#include "bench/editor.h"
#include "bench/heap.h"
#include "bench/result.h"
#include "bench/state_hash.h"
#include "bench/workloads.h"
#include "scene/format.h"
#include "scene/materialize.h"

#define PER_EDIT 1000u /* entities or updates in one transaction */

/* What is measured, and how large it is: `json_bytes` as the plain object that all engines
 * write (the rates are of it), `text_bytes` as the file that is written here. */
typedef struct snapshot_run {
    const bench_options *options;
    bench_editor editor;
    bench_ops ops;
    bench_stream stream;
    crdt_buf text;
    size_t plain_size;
} snapshot_run;

static void build(snapshot_run *run)
{
    const bench_options *o = run->options;
    bench_stream stream = {.x = BENCH_SEED_BUILD};
    for (uint32_t i = 0; i < o->entity_count;) {
        bench_ops_clear(&run->ops);
        for (uint32_t k = 0; k < PER_EDIT && i < o->entity_count; k++, i++) {
            bench_entity entity = bench_entity_draw(&stream, i);
            bench_ops_push_entity(&run->ops, &entity);
        }
        (void)bench_editor_commit(&run->editor, &run->ops);
    }
}

/* Set the Transforms of `count` entities drawn at random. */
static void edit(snapshot_run *run, uint32_t count)
{
    for (uint32_t i = 0; i < count;) {
        bench_ops_clear(&run->ops);
        for (uint32_t k = 0; k < PER_EDIT && i < count; k++, i++) {
            uint32_t target =
                bench_stream_next(&run->stream) % run->options->entity_count;
            bench_transform transform = bench_transform_draw(&run->stream);
            bench_ops_push_transform(&run->ops, bench_ops_id(&run->ops, target),
                                     &transform);
        }
        (void)bench_editor_commit(&run->editor, &run->ops);
    }
}

static void tell_rate(bench_result *result, const snapshot_run *run,
                      const bench_stopwatch *watch)
{
    bench_result_watch(result, watch, run->options->entity_count);
    bench_result_count(result, "json_bytes", run->plain_size);
    bench_result_count(result, "text_bytes", run->text.size);
    bench_result_real(result, "mb_per_cpu_s",
                      (double)run->plain_size / watch->cpu / 1e6);
    bench_result_real(result, "text_mb_per_cpu_s",
                      (double)run->text.size / watch->cpu / 1e6);
}

static void export_once(snapshot_run *run)
{
    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    bench_must(scene_materialize(run->editor.doc, crdt_alloc_default(), &run->text),
               "export");
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, run->options, "W10-export");
    tell_rate(&result, run, &watch);
    bench_result_end(&result);
}

/* ---- in ---- */

static bool same_text(const snapshot_run *run, const crdt_document *doc)
{
    crdt_buf again;
    crdt_buf_init(&again, crdt_alloc_default());
    bench_must(scene_materialize(doc, crdt_alloc_default(), &again), "export again");
    bool same = crdt_span_equal(crdt_buf_span(&again), crdt_buf_span(&run->text));
    crdt_buf_deinit(&again);
    return same;
}

/* Read the text into an empty document. */
static void import_once(const snapshot_run *run)
{
    scene_format_options format = scene_format_options_default();
    crdt_document_options options = crdt_document_options_default();
    crdt_document *doc;
    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    bench_must(crdt_document_open(&doc, &options), "document");
    bench_must(scene_format_load(crdt_buf_span(&run->text), &format,
                                 crdt_alloc_default(), doc, NULL, NULL),
               "import");
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, run->options, "W10-import");
    tell_rate(&result, run, &watch);
    bench_result_flag(&result, "equal", same_text(run, doc));
    bench_result_end(&result);
    crdt_document_close(doc);
}

/* ---- again ---- */

static bool count_piece(void *ctx, crdt_span piece)
{
    uint64_t *counts = ctx;
    counts[0]++;
    counts[1] += piece.size;
    return true;
}

/* After `count` edits: bring the snapshot up to date and hand out its text; `copy_cpu_s`
 * is what one copy of all of it takes besides. */
static void export_again(snapshot_run *run, scene_snapshot *snapshot, uint32_t count)
{
    uint64_t counts[2] = {0, 0};
    bench_stopwatch watch = {0};
    bench_stopwatch copying = {0};
    edit(run, count);
    bench_stopwatch_start(&watch);
    bench_must(scene_snapshot_visit(snapshot, count_piece, counts), "visit");
    bench_stopwatch_stop(&watch);
    crdt_buf_clear(&run->text);
    bench_stopwatch_start(&copying);
    bench_must(scene_snapshot_write(snapshot, &run->text), "write");
    bench_stopwatch_stop(&copying);
    bench_result result;
    bench_result_begin(&result, run->options, "W10-reexport-%u", count);
    bench_result_watch(&result, &watch, count);
    bench_result_count(&result, "text_bytes", counts[1]);
    bench_result_count(&result, "pieces", counts[0]);
    bench_result_real(&result, "copy_cpu_s", copying.cpu);
    bench_result_flag(&result, "equal", same_text(run, run->editor.doc));
    bench_result_end(&result);
}

/* The first time all of it is made; then what changed. */
static void follow(snapshot_run *run)
{
    static const uint32_t COUNTS[] = {1, 100, 10000};
    scene_snapshot *snapshot;
    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    bench_must(scene_snapshot_open(&snapshot, run->editor.doc, crdt_alloc_default()),
               "snapshot");
    uint64_t counts[2] = {0, 0};
    bench_must(scene_snapshot_visit(snapshot, count_piece, counts), "visit");
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, run->options, "W10-follow");
    tell_rate(&result, run, &watch);
    bench_result_end(&result);
    run->stream = (bench_stream){.x = BENCH_SEED_UPDATE};
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++) {
        export_again(run, snapshot, COUNTS[i]);
    }
    scene_snapshot_close(snapshot);
}

void bench_w10_run(const bench_options *options)
{
    snapshot_run run = {.options = options};
    bench_editor_open(&run.editor, 1, crdt_alloc_default());
    bench_ops_open(&run.ops, PER_EDIT);
    crdt_buf_init(&run.text, crdt_alloc_default());
    build(&run);
    bench_must(bench_state_json(run.editor.doc, &run.text), "JSON");
    run.plain_size = run.text.size;
    crdt_buf_deinit(&run.text);
    export_once(&run);
    import_once(&run);
    follow(&run);
    crdt_buf_deinit(&run.text);
    bench_ops_close(&run.ops);
    bench_editor_close(&run.editor);
}
