#include "bench/writers.h"

#include "bench/bench.h"
#include "crdt/template.h"

#include <stdlib.h>

static crdt_key field_key(void)
{
    return crdt_key_field(crdt_span_of("map"), crdt_span_of("part"), crdt_span_of("v"));
}

/* The same for all: made once, applied by each. */
static void apply_template(bench_editor *editor)
{
    const crdt_key key = field_key();
    const crdt_op ops[] = {
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(key.object)},
        {.kind = CRDT_OP_ADD, .key = crdt_key_part(key.object, key.part)},
    };
    crdt_batch batch;
    bench_must(crdt_template_make(ops, 2, &editor->arena, &batch, NULL), "template");
    bench_must(crdt_document_apply(editor->doc, &batch, NULL), "template");
    crdt_arena_reset(&editor->arena);
}

void bench_writers_open(bench_writers *writers, size_t count)
{
    *writers = (bench_writers){.editors = calloc(count, sizeof(bench_editor)),
                               .count = count,
                               .ends = calloc(count, sizeof(size_t))};
    bench_must_bytes(writers->editors, "writers");
    bench_must_bytes(writers->ends, "writers");
    crdt_buf_init(&writers->updates, crdt_alloc_default());
    bench_stream stream = {.x = BENCH_SEED_WRITERS};
    for (size_t i = 0; i < count; i++) {
        bench_editor_open(&writers->editors[i], bench_stream_next(&stream),
                          crdt_alloc_default());
        apply_template(&writers->editors[i]);
    }
}

void bench_writers_close(bench_writers *writers)
{
    for (size_t i = 0; i < writers->count; i++) {
        bench_editor_close(&writers->editors[i]);
    }
    free(writers->editors);
    free(writers->ends);
    crdt_buf_deinit(&writers->updates);
}

void bench_writers_write(bench_writers *writers, size_t index, crdt_span value)
{
    crdt_op op = {.kind = CRDT_OP_SET, .key = field_key(), .value = value};
    const bench_ops ops = {.ops = &op, .op_count = 1};
    bench_editor *editor = &writers->editors[index];
    if (!bench_editor_commit(editor, &ops)) {
        bench_die("writers", "an edit says nothing");
    }
    bench_must(crdt_buf_append_span(&writers->updates, crdt_buf_span(&editor->message)),
               "updates");
    writers->ends[writers->written++] = writers->updates.size;
}

void bench_writers_apply(bench_writers *writers, size_t index)
{
    size_t begin = 0;
    for (size_t i = 0; i < writers->written; i++) {
        const crdt_span message = {.data = writers->updates.data + begin,
                                   .size = writers->ends[i] - begin};
        begin = writers->ends[i];
        if (i != index) {
            bench_editor_apply(&writers->editors[index], message);
        }
    }
}

bool bench_writers_equal(const bench_editor *a, const bench_editor *b)
{
    const crdt_key key = field_key();
    crdt_span x;
    crdt_span y;
    return crdt_document_get(a->doc, &key, &x) && crdt_document_get(b->doc, &key, &y) &&
           crdt_span_equal(x, y) &&
           crdt_version_compare(crdt_document_version(a->doc),
                                crdt_document_version(b->doc)) == CRDT_EQUAL &&
           crdt_digest_equal(crdt_document_digest(a->doc),
                             crdt_document_digest(b->doc));
}
