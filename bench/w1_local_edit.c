/* W1: edit here, write messages. */

#include "bench/editor.h"
#include "bench/heap.h"
#include "bench/message_log.h"
#include "bench/result.h"
#include "bench/state_hash.h"
#include "bench/workloads.h"

static void save_as(const bench_options *o, const bench_editor *e, const char *name)
{
    char path[BENCH_PATH_SIZE];
    crdt_buf saved;
    crdt_buf_init(&saved, crdt_alloc_default());
    bench_editor_save(e, &saved);
    bench_path(o, name, path);
    bench_file_write(path, crdt_buf_span(&saved));
    crdt_buf_deinit(&saved);
}

static void commit(bench_editor *e, const bench_ops *ops, bench_message_log *log)
{
    /* The values drawn may be those that are there: then there is no message. */
    if (bench_editor_commit(e, ops)) {
        bench_message_log_put(log, crdt_buf_span(&e->message));
    }
}

static void build(const bench_options *o, bench_editor *e, bench_ops *ops,
                  bench_message_log *log)
{
    bench_stopwatch watch = {0};
    bench_stream stream = {.x = BENCH_SEED_BUILD};
    bench_stopwatch_start(&watch);
    for (uint32_t i = 0; i < o->entity_count; i += o->per_message) {
        bench_ops_clear(ops);
        for (uint32_t k = i; k < i + o->per_message; k++) {
            bench_entity entity = bench_entity_draw(&stream, k);
            bench_ops_push_entity(ops, &entity);
        }
        commit(e, ops, log);
    }
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, o, "W1-build-%s", o->variant);
    bench_result_watch(&result, &watch, o->entity_count);
    bench_result_count(&result, "messages", log->message_count);
    bench_result_wire(&result, log->byte_count, o->entity_count);
    bench_result_end(&result);
}

/* The updates; with --keep the document is saved after 99 % of them and at the end, for
 * W4 and W5: outside of the timed part, and of the peak of memory, which is returned. */
static uint64_t update(const bench_options *o, bench_editor *e, bench_ops *ops,
                       bench_message_log *log, bench_stopwatch *watch)
{
    uint64_t peak = 0;
    uint32_t at_99 = o->update_count - o->update_count / 100;
    bench_stream stream = {.x = BENCH_SEED_UPDATE};
    bench_stopwatch_start(watch);
    for (uint32_t j = 0; j < o->update_count; j += o->per_message) {
        if (o->keep && o->per_message == 1 && j == at_99) {
            bench_stopwatch_stop(watch);
            peak = bench_rss_peak();
            save_as(o, e, "at99.bin");
            bench_rss_reset();
            bench_stopwatch_start(watch);
        }
        bench_ops_clear(ops);
        for (uint32_t k = 0; k < o->per_message; k++) {
            uint32_t target = bench_stream_next(&stream) % o->entity_count;
            bench_transform transform = bench_transform_draw(&stream);
            bench_ops_push_transform(ops, bench_ops_id(ops, target), &transform);
        }
        commit(e, ops, log);
    }
    bench_stopwatch_stop(watch);
    uint64_t end = bench_rss_peak();
    return end > peak ? end : peak;
}

void bench_w1_run(const bench_options *o)
{
    bench_editor e;
    bench_message_log log;
    bench_ops ops;
    bench_editor_open(&e, 0, crdt_alloc_default());
    bench_message_log_open(&log, o);
    bench_ops_open(&ops, o->per_message);
    build(o, &e, &ops, &log);

    uint64_t messages = log.message_count;
    uint64_t bytes = log.byte_count;
    bench_stopwatch watch = {0};
    bench_result result;
    uint64_t peak = update(o, &e, &ops, &log, &watch);
    bench_result_begin(&result, o, "W1-update-%s", o->variant);
    result.peak_rss = peak;
    bench_result_watch(&result, &watch, o->update_count);
    bench_result_count(&result, "messages", log.message_count - messages);
    bench_result_wire(&result, log.byte_count - bytes, o->update_count);
    crdt_buf saved;
    crdt_buf_init(&saved, crdt_alloc_default());
    bench_editor_save(&e, &saved);
    bench_result_count(&result, "doc_bytes", saved.size);
    crdt_buf_deinit(&saved);
    if (o->keep && o->per_message == 1) {
        save_as(o, &e, "full.bin");
    }
    bench_state_hash_tell(&result, e.doc);
    bench_result_end(&result);
    bench_ops_close(&ops);
    bench_message_log_close(&log, o);
    bench_editor_close(&e);
}
