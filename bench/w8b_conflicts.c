/* W8b: conflicts stay cheap, and what was overwritten or removed leaves nothing behind. */

#include "bench/author.h"
#include "bench/heap.h"
#include "bench/message_log.h"
#include "bench/result.h"
#include "bench/workloads.h"

#include <math.h>
#include <stdio.h>

#define OVERWRITES 100000u
#define OVERWRITTEN 10u /* fields */
#define CYCLES 100000u  /* at scale 1 */

static crdt_key field_key(crdt_span field)
{
    return crdt_key_field(crdt_span_of("map"), crdt_span_of("part"), field);
}

/* A document of the object and the part. */
static void open_document(bench_editor *editor, bench_ops *ops, bench_heap *heap)
{
    const crdt_key key = field_key((crdt_span){0});
    bench_editor_open(editor, 0, bench_heap_alloc(heap));
    bench_ops_open(ops, 1);
    bench_ops_push(ops, CRDT_OP_ADD, crdt_key_object(key.object), (crdt_span){0});
    bench_ops_push(ops, CRDT_OP_ADD, crdt_key_part(key.object, key.part),
                   (crdt_span){0});
    bench_editor_commit(editor, ops);
}

/* `count` authors set one field, none having heard of the others. */
static void write_at_once(const bench_options *o, uint32_t count)
{
    bench_heap heap = {0};
    bench_editor editor;
    bench_ops ops;
    crdt_buf messages;
    size_t at = 0;
    crdt_span message;
    open_document(&editor, &ops, &heap);
    crdt_buf_init(&messages, crdt_alloc_default());
    bench_stream stream = {.x = BENCH_SEED_WRITERS};
    for (uint32_t i = 0; i < count; i++) {
        bench_author author;
        bench_author_open(&author, bench_stream_next(&stream),
                          crdt_document_version(editor.doc));
        bench_ops_clear(&ops);
        bench_ops_push(&ops, CRDT_OP_SET, field_key(crdt_span_of("v")),
                       bench_ops_integer(&ops, i));
        bench_author_write(&author, &ops);
        bench_must(crdt_buf_append_span(&messages, crdt_buf_span(&author.messages)),
                   "messages");
        bench_author_close(&author);
    }
    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    while (bench_message_log_next(crdt_buf_span(&messages), &at, &message)) {
        bench_editor_apply(&editor, message);
    }
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, o, "W8b-writers-%u", (unsigned)count);
    bench_result_watch(&result, &watch, count);
    bench_result_real(&result, "ns_per_op", watch.cpu * 1e9 / count);
    bench_result_count(&result, "heap_bytes", heap.live);
    bench_result_end(&result);
    crdt_buf_deinit(&messages);
    bench_ops_close(&ops);
    bench_editor_close(&editor);
}

/* The last `count` of 100,000 overwrites of 10 fields, each an edit. */
static void overwrite(const bench_options *o, uint32_t count, const char *name)
{
    bench_heap heap = {0};
    bench_editor editor;
    bench_ops ops;
    crdt_buf saved;
    bench_stopwatch watch = {0};
    open_document(&editor, &ops, &heap);
    bench_stopwatch_start(&watch);
    for (uint32_t i = OVERWRITES - count; i < OVERWRITES; i++) {
        char text[16];
        snprintf(text, sizeof text, "field%u", (unsigned)(i % OVERWRITTEN));
        bench_ops_clear(&ops);
        bench_ops_push(&ops, CRDT_OP_SET, field_key(crdt_span_of(text)),
                       bench_ops_integer(&ops, i));
        bench_editor_commit(&editor, &ops);
    }
    bench_stopwatch_stop(&watch);
    crdt_buf_init(&saved, crdt_alloc_default());
    bench_editor_save(&editor, &saved);
    bench_result result;
    bench_result_begin(&result, o, "W8b-%s", name);
    bench_result_watch(&result, &watch, count);
    bench_result_real(&result, "ns_per_op", watch.cpu * 1e9 / count);
    bench_result_count(&result, "heap_bytes", heap.live);
    bench_result_count(&result, "doc_bytes", saved.size);
    bench_result_end(&result);
    crdt_buf_deinit(&saved);
    bench_ops_close(&ops);
    bench_editor_close(&editor);
}

/* Entities of W1 that come and go one by one, each in two edits. */
static void come_and_go(const bench_options *o)
{
    bench_heap heap = {0};
    bench_editor editor;
    bench_ops ops;
    crdt_buf saved;
    bench_stopwatch watch = {0};
    uint32_t cycles = (uint32_t)lround(CYCLES * o->scale);
    bench_stream stream = {.x = BENCH_SEED_BUILD};
    const bench_entity entity = bench_entity_draw(&stream, 0);
    bench_editor_open(&editor, 0, bench_heap_alloc(&heap));
    bench_ops_open(&ops, 1);
    bench_stopwatch_start(&watch);
    for (uint32_t i = 0; i < cycles; i++) {
        bench_entity one = entity;
        snprintf(one.id, sizeof one.id, "e%06u", (unsigned)i);
        bench_ops_clear(&ops);
        bench_ops_push_entity(&ops, &one);
        bench_editor_commit(&editor, &ops);
        bench_ops_clear(&ops);
        bench_ops_push(&ops, CRDT_OP_REMOVE, crdt_key_object(bench_ops_id(&ops, i)),
                       (crdt_span){0});
        bench_editor_commit(&editor, &ops);
    }
    bench_stopwatch_stop(&watch);
    crdt_buf_init(&saved, crdt_alloc_default());
    bench_editor_save(&editor, &saved);
    bench_result result;
    bench_result_begin(&result, o, "W8b-cycles");
    bench_result_watch(&result, &watch, cycles);
    bench_result_count(&result, "heap_bytes", heap.live);
    bench_result_count(&result, "doc_bytes", saved.size);
    bench_result_end(&result);
    crdt_buf_deinit(&saved);
    bench_ops_close(&ops);
    bench_editor_close(&editor);
}

void bench_w8b_run(const bench_options *o)
{
    static const uint32_t writers[] = {154, 1540, 15400};
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
        write_at_once(o, writers[i]);
    }
    overwrite(o, OVERWRITES, "overwrite");
    overwrite(o, OVERWRITTEN, "last-values");
    come_and_go(o);
}
