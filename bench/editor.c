#include "bench/editor.h"

#include "bench/bench.h"

#define WALL_MS UINT64_C(1700000000000)
#define AUTHORS_MAX 1024u

crdt_actor bench_actor(uint32_t number)
{
    crdt_actor actor;
    bench_stream stream = {.x = BENCH_SEED_BUILD ^ number};
    stream.x = stream.x == 0 ? 1 : stream.x;
    for (size_t i = 0; i < sizeof actor.bytes; i++) {
        actor.bytes[i] = (uint8_t)(bench_stream_next(&stream) >> 13);
    }
    return actor;
}

void bench_editor_open(bench_editor *editor, uint32_t number, crdt_alloc alloc)
{
    crdt_document_options options = crdt_document_options_default();
    options.alloc = alloc;
    *editor = (bench_editor){.wall_ms = WALL_MS};
    bench_must(crdt_document_open(&editor->doc, &options), "document");
    bench_must(crdt_deps_open(&editor->deps, crdt_alloc_default(), AUTHORS_MAX),
               "deps");
    crdt_arena_init(&editor->arena, crdt_alloc_default());
    crdt_buf_init(&editor->message, crdt_alloc_default());
    editor->actor = bench_actor(number);
}

void bench_editor_close(bench_editor *editor)
{
    crdt_document_close(editor->doc);
    crdt_deps_close(editor->deps);
    crdt_arena_deinit(&editor->arena);
    crdt_buf_deinit(&editor->message);
}

bool bench_editor_commit(bench_editor *editor, const bench_ops *ops)
{
    const crdt_edit edit = {.actor = editor->actor, .wall_ms = editor->wall_ms++};
    crdt_batch batch;
    crdt_arena_reset(&editor->arena);
    crdt_buf_clear(&editor->message);
    crdt_err err = crdt_document_commit(editor->doc, &edit, ops->ops, ops->op_count,
                                        &editor->arena, &batch, NULL);
    if (err == CRDT_ENOTHING) {
        return false;
    }
    bench_must(err, "commit");
    bench_must(crdt_batch_encode(&batch, editor->deps, &editor->message), "encode");
    bench_must(crdt_deps_note(editor->deps, &batch), "deps");
    return true;
}

void bench_editor_apply(bench_editor *editor, crdt_span message)
{
    crdt_batch batch;
    crdt_arena_reset(&editor->arena);
    bench_must(crdt_batch_decode(message, editor->deps, &editor->arena, &batch, NULL),
               "decode");
    bench_must(crdt_document_apply(editor->doc, &batch, NULL), "apply");
    bench_must(crdt_deps_note(editor->deps, &batch), "deps");
}

void bench_editor_save(const bench_editor *editor, crdt_buf *out)
{
    bench_must(crdt_document_answer_full(editor->doc, editor->deps, out), "save");
}

void bench_editor_load(bench_editor *editor, crdt_span saved)
{
    bench_must(crdt_document_merge(editor->doc, saved, editor->deps, NULL, NULL),
               "load");
}
