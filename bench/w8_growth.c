/* W8: what a document costs as it grows, and after much has come and gone. */

#include "bench/author.h"
#include "bench/catch_up.h"
#include "bench/grid.h"
#include "bench/heap.h"
#include "bench/result.h"
#include "bench/workloads.h"
#include "scene/materialize.h"

#include <math.h>

#define FIELDS_MIN 1000u
#define FIELDS_MAX 10000000u /* at scale 1 */
#define WRITES 200000u       /* remote ones that are timed */
#define BATCH 1000u
#define CYCLES 10000000u /* created and deleted, at scale 1 */
#define CYCLE_FIELDS 1000000u

/* ---- bytes a field ---- */

/* All canonical values that are held: of visible fields; there are no others here. */
static uint64_t value_bytes(const crdt_document *doc)
{
    uint64_t bytes = 0;
    crdt_object object = {0};
    while (crdt_document_next_object(doc, &object)) {
        crdt_part part = {0};
        while (crdt_document_next_part(doc, object, &part)) {
            crdt_field field = {0};
            crdt_entry entry;
            while (crdt_document_next_field(doc, part, &field)) {
                for (size_t i = 0; crdt_document_field_value(doc, field, i, &entry);
                     i++) {
                    bytes += entry.value.size;
                }
            }
        }
    }
    return bytes;
}

/* The heap of the document, and what of it is not values. */
static void tell_heap(bench_result *result, const bench_editor *editor,
                      const bench_heap *heap)
{
    uint64_t live = heap->live;
    uint64_t values = value_bytes(editor->doc);
    crdt_document_counts counts = crdt_document_count(editor->doc);
    bench_result_count(result, "objects", counts.objects);
    bench_result_count(result, "parts", counts.parts);
    bench_result_count(result, "fields", counts.fields);
    bench_result_count(result, "heap_bytes", live);
    bench_result_count(result, "heap_peak", heap->peak);
    bench_result_count(result, "value_bytes", values);
    bench_result_real(result, "heap_bytes_per_field",
                      (double)live / (double)counts.fields);
    bench_result_real(result, "metadata_bytes_per_field",
                      (double)(live - values) / (double)counts.fields);
}

/* The document that W1 ends in. */
static void measure_w1(const bench_options *o)
{
    bench_heap heap = {0};
    bench_editor editor;
    bench_ops ops;
    bench_stopwatch watch = {0};
    bench_stream stream = {.x = BENCH_SEED_BUILD};
    bench_editor_open(&editor, 0, bench_heap_alloc(&heap));
    bench_ops_open(&ops, 1);
    bench_stopwatch_start(&watch);
    for (uint32_t i = 0; i < o->entity_count; i++) {
        bench_entity entity = bench_entity_draw(&stream, i);
        bench_ops_clear(&ops);
        bench_ops_push_entity(&ops, &entity);
        bench_editor_commit(&editor, &ops);
    }
    stream.x = BENCH_SEED_UPDATE;
    for (uint32_t j = 0; j < o->update_count; j++) {
        bench_ops_clear(&ops);
        crdt_span id = bench_ops_id(&ops, bench_stream_next(&stream) % o->entity_count);
        bench_transform transform = bench_transform_draw(&stream);
        bench_ops_push_transform(&ops, id, &transform);
        bench_editor_commit(&editor, &ops);
    }
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, o, "W8-heap-w1");
    bench_result_watch(&result, &watch, o->entity_count + o->update_count);
    tell_heap(&result, &editor, &heap);
    bench_result_end(&result);
    bench_ops_close(&ops);
    bench_editor_close(&editor);
}

/* ---- growth ---- */

/* Messages of `per_message` writes of random fields, by somebody elsewhere; the time of
 * decoding and applying them. */
static bench_stopwatch write_remotely(bench_editor *editor, uint32_t fields,
                                      uint32_t per_message)
{
    bench_author author;
    bench_ops ops;
    bench_stopwatch watch = {0};
    bench_stream stream = {.x = BENCH_SEED_UPDATE};
    bench_author_open(&author, 50 + per_message, crdt_document_version(editor->doc));
    bench_ops_open(&ops, per_message);
    for (uint32_t i = 0; i < WRITES; i += per_message) {
        bench_ops_clear(&ops);
        for (uint32_t k = 0; k < per_message; k++) {
            uint32_t field = bench_stream_next(&stream) % fields;
            bench_grid_push_set(&ops, &stream, field);
        }
        bench_author_write(&author, &ops);
    }
    bench_stopwatch_start(&watch);
    bench_editor_hear(editor, &author);
    bench_stopwatch_stop(&watch);
    bench_ops_close(&ops);
    bench_author_close(&author);
    return watch;
}

/* The same made here, one an edit, encoded. */
static bench_stopwatch write_locally(bench_editor *editor, uint32_t fields)
{
    bench_ops ops;
    bench_stopwatch watch = {0};
    bench_stream stream = {.x = BENCH_SEED_UPDATE};
    bench_ops_open(&ops, 1);
    bench_stopwatch_start(&watch);
    for (uint32_t i = 0; i < WRITES; i++) {
        uint32_t field = bench_stream_next(&stream) % fields;
        bench_ops_clear(&ops);
        bench_grid_push_set(&ops, &stream, field);
        bench_editor_commit(editor, &ops);
    }
    bench_stopwatch_stop(&watch);
    bench_ops_close(&ops);
    return watch;
}

static void tell_ns(bench_result *result, const char *key, bench_stopwatch watch,
                    uint32_t ops)
{
    bench_result_real(result, key, watch.cpu * 1e9 / ops);
}

static void tell_save_and_load(bench_result *result, const bench_editor *editor)
{
    bench_stopwatch save = {0};
    bench_stopwatch load = {0};
    crdt_buf saved;
    bench_editor loaded;
    crdt_buf_init(&saved, crdt_alloc_default());
    bench_stopwatch_start(&save);
    bench_editor_save(editor, &saved);
    bench_stopwatch_stop(&save);
    bench_stopwatch_start(&load);
    bench_editor_open(&loaded, 1, crdt_alloc_default());
    bench_editor_load(&loaded, crdt_buf_span(&saved));
    bench_stopwatch_stop(&load);
    bench_result_count(result, "doc_bytes", saved.size);
    bench_result_real(result, "save_s", save.cpu);
    bench_result_real(result, "load_s", load.cpu);
    bench_editor_close(&loaded);
    crdt_buf_deinit(&saved);
}

static void tell_snapshot(bench_result *result, const bench_editor *editor)
{
    bench_stopwatch watch = {0};
    crdt_buf json;
    crdt_buf_init(&json, crdt_alloc_default());
    bench_stopwatch_start(&watch);
    bench_must(scene_materialize(editor->doc, crdt_alloc_default(), &json), "snapshot");
    bench_stopwatch_stop(&watch);
    bench_result_count(result, "json_bytes", json.size);
    bench_result_real(result, "snapshot_s", watch.cpu);
    crdt_buf_deinit(&json);
}

static void grow_to(const bench_options *o, uint32_t fields)
{
    bench_heap heap = {0};
    bench_editor editor;
    bench_stopwatch build = {0};
    bench_editor_open(&editor, 0, bench_heap_alloc(&heap));
    bench_stopwatch_start(&build);
    bench_grid_build(&editor, 0, fields / BENCH_GRID_FIELDS);
    bench_stopwatch_stop(&build);
    bench_stopwatch local = write_locally(&editor, fields);
    bench_stopwatch batch = write_remotely(&editor, fields, BATCH);
    bench_stopwatch op = write_remotely(&editor, fields, 1);
    bench_result result;
    bench_result_begin(&result, o, "W8-fields-%u", (unsigned)fields);
    bench_result_watch(&result, &op, WRITES);
    tell_ns(&result, "ns_per_op", op, WRITES);
    tell_ns(&result, "ns_per_op_batch", batch, WRITES);
    tell_ns(&result, "ns_per_op_local", local, WRITES);
    tell_ns(&result, "ns_per_field_build", build, fields);
    tell_heap(&result, &editor, &heap);
    tell_save_and_load(&result, &editor);
    tell_snapshot(&result, &editor);
    bench_result_end(&result);
    bench_editor_close(&editor);
}

/* ---- what comes and goes ---- */

/* Create 1,000 objects in one edit, delete them in the next. */
static void cycle(bench_editor *editor, uint32_t cycles)
{
    bench_ops ops;
    const crdt_span part = crdt_span_of("Motion");
    bench_ops_open(&ops, BATCH);
    for (uint32_t i = 0; i < cycles; i += BATCH) {
        bench_ops_clear(&ops);
        for (uint32_t k = i; k < i + BATCH; k++) {
            crdt_span id = bench_ops_name(&ops, 'x', k);
            bench_ops_push(&ops, CRDT_OP_ADD, crdt_key_object(id), (crdt_span){0});
            bench_ops_push(&ops, CRDT_OP_ADD, crdt_key_part(id, part), (crdt_span){0});
            bench_ops_push(&ops, CRDT_OP_SET,
                           crdt_key_field(id, part, crdt_span_of("speed")),
                           bench_ops_integer(&ops, k));
        }
        bench_editor_commit(editor, &ops);
        bench_ops_clear(&ops);
        for (uint32_t k = i; k < i + BATCH; k++) {
            crdt_span id = bench_ops_name(&ops, 'x', k);
            bench_ops_push(&ops, CRDT_OP_REMOVE, crdt_key_object(id), (crdt_span){0});
        }
        bench_editor_commit(editor, &ops);
    }
    bench_ops_close(&ops);
}

/* Heap and saved size beside those of a document that was only built. */
static void tell_cycles(const bench_options *o, const bench_editor *editor,
                        const bench_heap *heap, uint32_t fields, uint32_t cycles,
                        const bench_stopwatch *watch)
{
    bench_heap fresh_heap = {0};
    bench_editor fresh;
    crdt_buf saved;
    crdt_buf fresh_saved;
    crdt_buf_init(&saved, crdt_alloc_default());
    crdt_buf_init(&fresh_saved, crdt_alloc_default());
    bench_editor_open(&fresh, 0, bench_heap_alloc(&fresh_heap));
    bench_grid_build(&fresh, 0, fields / BENCH_GRID_FIELDS);
    bench_editor_save(editor, &saved);
    bench_editor_save(&fresh, &fresh_saved);
    bench_result result;
    bench_result_begin(&result, o, "W8-cycles");
    bench_result_watch(&result, watch, cycles);
    bench_result_real(&result, "ns_per_op", watch->cpu * 1e9 / cycles);
    bench_result_count(&result, "fields", fields);
    bench_result_count(&result, "heap_bytes", heap->live);
    bench_result_count(&result, "fresh_heap_bytes", fresh_heap.live);
    bench_result_real(&result, "heap_ratio",
                      (double)heap->live / (double)fresh_heap.live);
    bench_result_count(&result, "doc_bytes", saved.size);
    bench_result_count(&result, "fresh_doc_bytes", fresh_saved.size);
    bench_result_real(&result, "doc_ratio",
                      (double)saved.size / (double)fresh_saved.size);
    bench_result_end(&result);
    bench_editor_close(&fresh);
    crdt_buf_deinit(&saved);
    crdt_buf_deinit(&fresh_saved);
}

static void run_cycles(const bench_options *o)
{
    uint32_t fields = (uint32_t)lround(CYCLE_FIELDS * o->scale);
    uint32_t cycles = (uint32_t)lround(CYCLES * o->scale);
    bench_heap heap = {0};
    bench_editor editor;
    bench_editor absent;
    crdt_buf saved;
    crdt_buf_init(&saved, crdt_alloc_default());
    bench_editor_open(&editor, 0, bench_heap_alloc(&heap));
    bench_grid_build(&editor, 0, fields / BENCH_GRID_FIELDS);
    bench_editor_save(&editor, &saved);
    bench_editor_open(&absent, 1, crdt_alloc_default());
    bench_editor_load(&absent, crdt_buf_span(&saved));
    crdt_buf_deinit(&saved);

    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    cycle(&editor, cycles);
    bench_stopwatch_stop(&watch);
    tell_cycles(o, &editor, &heap, fields, cycles, &watch);

    bench_catch_up outcome;
    bench_catch_up_run(&absent, &editor, &outcome);
    bench_result result;
    bench_result_begin(&result, o, "W8-return");
    bench_result_watch(&result, &outcome.watch, cycles);
    bench_catch_up_tell(&result, &outcome);
    bench_result_end(&result);
    bench_editor_close(&editor);
    bench_editor_close(&absent);
}

void bench_w8_run(const bench_options *o)
{
    measure_w1(o);
    for (uint32_t fields = FIELDS_MIN; fields <= FIELDS_MAX * o->scale; fields *= 10) {
        grow_to(o, fields);
    }
    run_cycles(o);
}
