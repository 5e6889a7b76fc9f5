#include "bench/grid.h"

#define EDIT_OBJECTS 1000u
#define PART_FIELDS 5u

static const char *const part_names[] = {"Motion", "Physics"};
static const char *const field_names[] = {"speed", "angle", "mass", "drag", "phase"};

static void push_object(bench_ops *ops, bench_stream *stream, uint32_t index)
{
    crdt_span id = bench_ops_id(ops, index);
    bench_ops_push(ops, CRDT_OP_ADD, crdt_key_object(id), (crdt_span){0});
    for (uint32_t p = 0; p < BENCH_GRID_FIELDS / PART_FIELDS; p++) {
        crdt_span part = crdt_span_of(part_names[p]);
        bench_ops_push(ops, CRDT_OP_ADD, crdt_key_part(id, part), (crdt_span){0});
        for (uint32_t f = 0; f < PART_FIELDS; f++) {
            bench_ops_push(ops, CRDT_OP_SET,
                           crdt_key_field(id, part, crdt_span_of(field_names[f])),
                           bench_ops_integer(ops, bench_stream_next(stream) >> 16));
        }
    }
}

void bench_grid_build(bench_editor *editor, uint32_t begin, uint32_t end)
{
    bench_ops ops;
    bench_stream stream = {.x = BENCH_SEED_BUILD ^ begin};
    bench_ops_open(&ops, EDIT_OBJECTS * 2);
    for (uint32_t i = begin; i < end; i += EDIT_OBJECTS) {
        bench_ops_clear(&ops);
        for (uint32_t k = i; k < end && k < i + EDIT_OBJECTS; k++) {
            push_object(&ops, &stream, k);
        }
        bench_editor_commit(editor, &ops);
    }
    bench_ops_close(&ops);
}

void bench_grid_push_set(bench_ops *ops, bench_stream *stream, uint32_t field)
{
    uint32_t at = field % BENCH_GRID_FIELDS;
    crdt_span id = bench_ops_id(ops, field / BENCH_GRID_FIELDS);
    bench_ops_push(ops, CRDT_OP_SET,
                   crdt_key_field(id, crdt_span_of(part_names[at / PART_FIELDS]),
                                  crdt_span_of(field_names[at % PART_FIELDS])),
                   bench_ops_integer(ops, bench_stream_next(stream) >> 16));
}
