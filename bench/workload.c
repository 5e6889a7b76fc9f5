#include "bench/workload.h"

#include "bench/bench.h"
#include "crdt/value.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than an entity with four components takes. */
#define ENTITY_OPS 11u
#define ENTITY_BYTES 512u

uint32_t bench_stream_next(bench_stream *stream)
{
    uint32_t x = stream->x;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    stream->x = x;
    return x;
}

/* ---- what is drawn ---- */

static double position_of(uint32_t r)
{
    return ((double)(r % 200001) - 100000) / 64;
}

static double rotation_of(uint32_t r)
{
    return ((double)(r % 513) - 256) / 256;
}

static double scale_of(uint32_t r)
{
    return (double)(r % 256 + 1) / 64;
}

bench_transform bench_transform_draw(bench_stream *stream)
{
    bench_transform transform;
    for (size_t i = 0; i < 10; i++) {
        uint32_t r = bench_stream_next(stream);
        transform.numbers[i] = i < 3   ? position_of(r)
                               : i < 7 ? rotation_of(r)
                                       : scale_of(r);
    }
    return transform;
}

bench_entity bench_entity_draw_unnamed(bench_stream *stream)
{
    bench_entity entity = {.transform = bench_transform_draw(stream)};
    uint32_t model = bench_stream_next(stream) % 500;
    uint32_t visible = bench_stream_next(stream);
    snprintf(entity.src, sizeof entity.src, "models/m%04u.glb", (unsigned)model);
    entity.visible = (visible >> 16 & 1) == 1;
    return entity;
}

bench_entity bench_entity_draw(bench_stream *stream, uint32_t index)
{
    bench_entity entity = bench_entity_draw_unnamed(stream);
    snprintf(entity.id, sizeof entity.id, "e%06u", (unsigned)index);
    snprintf(entity.name, sizeof entity.name, "Entity %u", (unsigned)index);
    return entity;
}

/* ---- operations ---- */

void bench_ops_open(bench_ops *ops, size_t entity_count)
{
    *ops = (bench_ops){.op_capacity = entity_count * ENTITY_OPS};
    crdt_buf_init(&ops->bytes, crdt_alloc_default());
    ops->ops = malloc(ops->op_capacity * sizeof *ops->ops);
    bench_must_bytes(ops->ops, "operations");
    bench_must(crdt_buf_reserve(&ops->bytes, entity_count * ENTITY_BYTES),
               "operations");
}

void bench_ops_close(bench_ops *ops)
{
    free(ops->ops);
    crdt_buf_deinit(&ops->bytes);
}

void bench_ops_clear(bench_ops *ops)
{
    ops->op_count = 0;
    crdt_buf_clear(&ops->bytes);
}

void bench_ops_push(bench_ops *ops, crdt_op_kind kind, crdt_key key, crdt_span value)
{
    assert(ops->op_count < ops->op_capacity);
    ops->ops[ops->op_count++] = (crdt_op){.kind = kind, .key = key, .value = value};
}

/* What was written to `bytes` from `begin` on. */
static crdt_span since(const bench_ops *ops, size_t begin)
{
    return (crdt_span){.data = ops->bytes.data + begin,
                       .size = ops->bytes.size - begin};
}

/* Without printf: it is part of what is measured. */
crdt_span bench_ops_name(bench_ops *ops, char letter, uint32_t index)
{
    char text[7] = {letter};
    for (size_t i = 6; i > 0; i--) {
        text[i] = (char)('0' + index % 10);
        index /= 10;
    }
    size_t begin = ops->bytes.size;
    crdt_buf_append(&ops->bytes, text, sizeof text);
    return since(ops, begin);
}

crdt_span bench_ops_id(bench_ops *ops, uint32_t index)
{
    return bench_ops_name(ops, 'e', index);
}

crdt_span bench_ops_integer(bench_ops *ops, int64_t value)
{
    size_t begin = ops->bytes.size;
    crdt_value_write_integer(&ops->bytes, value);
    return since(ops, begin);
}

static crdt_span array_of(bench_ops *ops, const double *numbers, uint32_t count)
{
    size_t begin = ops->bytes.size;
    crdt_value_write_array(&ops->bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        crdt_value_write_number(&ops->bytes, numbers[i]);
    }
    return since(ops, begin);
}

void bench_ops_push_transform(bench_ops *ops, crdt_span id,
                              const bench_transform *transform)
{
    static const uint8_t names[] = "Transformpositionrotationscale";
    const crdt_span part = {.data = names, .size = 9};
    const double *numbers = transform->numbers;
    bench_ops_push(ops, CRDT_OP_SET,
                   crdt_key_field(id, part, (crdt_span){names + 9, 8}),
                   array_of(ops, numbers, 3));
    bench_ops_push(ops, CRDT_OP_SET,
                   crdt_key_field(id, part, (crdt_span){names + 17, 8}),
                   array_of(ops, numbers + 3, 4));
    bench_ops_push(ops, CRDT_OP_SET,
                   crdt_key_field(id, part, (crdt_span){names + 25, 5}),
                   array_of(ops, numbers + 7, 3));
}

static void add_part(bench_ops *ops, crdt_span id, const char *part, const char *field,
                     crdt_span value)
{
    bench_ops_push(ops, CRDT_OP_ADD, crdt_key_part(id, crdt_span_of(part)),
                   (crdt_span){0});
    bench_ops_push(ops, CRDT_OP_SET,
                   crdt_key_field(id, crdt_span_of(part), crdt_span_of(field)), value);
}

static crdt_span text_of(bench_ops *ops, const char *text)
{
    size_t begin = ops->bytes.size;
    crdt_value_write_string(&ops->bytes, crdt_span_of(text));
    return since(ops, begin);
}

void bench_ops_push_entity(bench_ops *ops, const bench_entity *entity)
{
    size_t begin = ops->bytes.size;
    crdt_buf_append_span(&ops->bytes, crdt_span_of(entity->id));
    crdt_span id = since(ops, begin);
    bench_ops_push(ops, CRDT_OP_ADD, crdt_key_object(id), (crdt_span){0});
    bench_ops_push(ops, CRDT_OP_ADD, crdt_key_part(id, crdt_span_of("Transform")),
                   (crdt_span){0});
    bench_ops_push_transform(ops, id, &entity->transform);
    add_part(ops, id, "GLTFShape", "src", text_of(ops, entity->src));
    add_part(ops, id, "Name", "value", text_of(ops, entity->name));
    begin = ops->bytes.size;
    crdt_value_write_bool(&ops->bytes, entity->visible);
    add_part(ops, id, "Visible", "value", since(ops, begin));
}
