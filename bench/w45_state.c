/* W4: join late. W5: load, look, save. Of the documents that `w1 --keep` left. */

#include "bench/catch_up.h"
#include "bench/heap.h"
#include "bench/result.h"
#include "bench/state_hash.h"
#include "bench/workloads.h"
#include "scene/materialize.h"

#include <stdlib.h>

/* Entities and components, as what an operation is here. */
static uint64_t op_count(const bench_options *o)
{
    return (uint64_t)o->entity_count * 4;
}

static crdt_span read_saved(const bench_options *o, const char *name)
{
    char path[BENCH_PATH_SIZE];
    bench_path(o, name, path);
    return bench_file_read(path);
}

static void load(const bench_options *o, bench_editor *editor)
{
    crdt_span saved = read_saved(o, "full.bin");
    uint64_t rss = bench_rss();
    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    bench_editor_open(editor, 2, crdt_alloc_default());
    bench_editor_load(editor, saved);
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, o, "W5-load");
    bench_result_watch(&result, &watch, op_count(o));
    bench_result_count(&result, "doc_bytes", saved.size);
    bench_result_count(&result, "rss_before", rss);
    bench_result_count(&result, "rss_after", bench_rss());
    bench_result_end(&result);
    free((void *)(uintptr_t)saved.data);
}

/* The scene as canonical JSON of its own schema; and as the plain object of objects that
 * the end states are compared by. */
static void write_json(const bench_options *o, const bench_editor *editor, bool plain)
{
    crdt_buf json;
    crdt_buf_init(&json, crdt_alloc_default());
    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    if (plain) {
        bench_must(bench_state_json(editor->doc, &json), "JSON");
    } else {
        bench_must(scene_materialize(editor->doc, crdt_alloc_default(), &json),
                   "snapshot");
    }
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, o, "%s", plain ? "W5-stringify" : "W5-snapshot");
    bench_result_watch(&result, &watch, op_count(o));
    bench_result_count(&result, "json_bytes", json.size);
    bench_result_end(&result);
    crdt_buf_deinit(&json);
}

static void save(const bench_options *o, const bench_editor *editor)
{
    crdt_buf saved;
    crdt_buf_init(&saved, crdt_alloc_default());
    bench_stopwatch watch = {0};
    bench_stopwatch_start(&watch);
    bench_editor_save(editor, &saved);
    bench_stopwatch_stop(&watch);
    bench_result result;
    bench_result_begin(&result, o, "W5-save");
    bench_result_watch(&result, &watch, op_count(o));
    bench_result_count(&result, "doc_bytes", saved.size);
    bench_state_hash_tell(&result, editor->doc);
    bench_result_end(&result);
    crdt_buf_deinit(&saved);
}

static bool is_equal(const bench_editor *a, const bench_editor *b)
{
    return crdt_version_compare(crdt_document_version(a->doc),
                                crdt_document_version(b->doc)) == CRDT_EQUAL &&
           crdt_digest_equal(crdt_document_digest(a->doc),
                             crdt_document_digest(b->doc));
}

/* The whole state as one answer to somebody who has nothing. */
static void join_late(const bench_options *o, const bench_editor *editor)
{
    crdt_buf answer;
    crdt_version nothing;
    bench_editor late;
    bench_stopwatch encode = {0};
    bench_stopwatch decode = {0};
    crdt_buf_init(&answer, crdt_alloc_default());
    crdt_version_init(&nothing, crdt_alloc_default());
    bench_stopwatch_start(&encode);
    bench_must(crdt_document_answer(editor->doc, &nothing, editor->deps, &answer),
               "answer");
    bench_stopwatch_stop(&encode);
    bench_stopwatch_start(&decode);
    bench_editor_open(&late, 3, crdt_alloc_default());
    bench_must(
        crdt_document_merge(late.doc, crdt_buf_span(&answer), late.deps, NULL, NULL),
        "merge");
    bench_stopwatch_stop(&decode);
    bench_stopwatch both = {.wall = encode.wall + decode.wall,
                            .cpu = encode.cpu + decode.cpu};
    bench_result result;
    bench_result_begin(&result, o, "W4-full-answer");
    bench_result_watch(&result, &both, op_count(o));
    bench_result_wire(&result, answer.size, op_count(o));
    bench_result_real(&result, "encode_s", encode.wall);
    bench_result_real(&result, "decode_s", decode.wall);
    bench_result_real(&result, "encode_cpu_s", encode.cpu);
    bench_result_real(&result, "decode_cpu_s", decode.cpu);
    bench_result_flag(&result, "equal", is_equal(editor, &late));
    bench_result_end(&result);
    bench_editor_close(&late);
    crdt_version_deinit(&nothing);
    crdt_buf_deinit(&answer);
}

/* Who was away for the last 1 % of the updates catches up by the protocol. */
static void miss_1_percent(const bench_options *o, bench_editor *editor)
{
    bench_editor old;
    bench_catch_up outcome;
    crdt_span saved = read_saved(o, "at99.bin");
    bench_editor_open(&old, 4, crdt_alloc_default());
    bench_editor_load(&old, saved);
    free((void *)(uintptr_t)saved.data);
    bench_catch_up_run(&old, editor, &outcome);
    bench_result result;
    bench_result_begin(&result, o, "W4-miss1pct");
    bench_result_watch(&result, &outcome.watch, o->update_count / 100);
    bench_result_wire(&result, outcome.request_bytes + outcome.answer_bytes,
                      o->update_count / 100);
    bench_catch_up_tell(&result, &outcome);
    bench_result_end(&result);
    bench_editor_close(&old);
}

void bench_w45_run(const bench_options *o)
{
    bench_editor editor;
    load(o, &editor);
    write_json(o, &editor, false);
    write_json(o, &editor, true);
    save(o, &editor);
    join_late(o, &editor);
    miss_1_percent(o, &editor);
    bench_editor_close(&editor);
}
