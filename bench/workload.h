#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

/* The workloads' random scenes and edits, bit for bit as docs/BENCHMARKS.md describes
 * them: a stream of xorshift32, drawn in a fixed order; and the operations of them. */

#include "crdt/op.h"

#define BENCH_ENTITY_COUNT 100000u /* at scale 1 */
#define BENCH_UPDATE_COUNT 1000000u
#define BENCH_SEED_BUILD 0x9e3779b9u
#define BENCH_SEED_UPDATE 0x12345678u
#define BENCH_SEED_WRITERS 0x5eed0006u /* W6 */

typedef struct bench_stream {
    uint32_t x; /* never 0 */
} bench_stream;

uint32_t bench_stream_next(bench_stream *stream);

/* position 3, rotation 4, scale 3. */
typedef struct bench_transform {
    double numbers[10];
} bench_transform;

/* 10 draws. */
bench_transform bench_transform_draw(bench_stream *stream);

typedef struct bench_entity {
    char id[16];
    char name[32];
    char src[24];
    bench_transform transform;
    bool visible;
} bench_entity;

/* 12 draws. Entity `index` of the scene: e%06u, "Entity %u". */
bench_entity bench_entity_draw(bench_stream *stream, uint32_t index);
/* 12 draws; its id and name are left to the caller. */
bench_entity bench_entity_draw_unnamed(bench_stream *stream);

/* Operations of one transaction; names and values lie in `bytes`, which has its room from
 * the start, so that spans stay good. */
typedef struct bench_ops {
    crdt_buf bytes;
    crdt_op *ops;
    size_t op_count;
    size_t op_capacity;
} bench_ops;

/* Room for `entity_count` entities. */
void bench_ops_open(bench_ops *ops, size_t entity_count);
void bench_ops_close(bench_ops *ops);
void bench_ops_clear(bench_ops *ops);
/* One operation; what it names is borrowed. */
void bench_ops_push(bench_ops *ops, crdt_op_kind kind, crdt_key key, crdt_span value);
/* The letter and %06u (its last digits), written into `ops`. */
crdt_span bench_ops_name(bench_ops *ops, char letter, uint32_t index);
/* The same of an entity: e%06u. */
crdt_span bench_ops_id(bench_ops *ops, uint32_t index);
/* An integer as a value, written into `ops`. */
crdt_span bench_ops_integer(bench_ops *ops, int64_t value);
/* Add the entity with Transform, GLTFShape, Name and Visible. */
void bench_ops_push_entity(bench_ops *ops, const bench_entity *entity);
/* Set a Transform that is there: three operations. */
void bench_ops_push_transform(bench_ops *ops, crdt_span id,
                              const bench_transform *transform);

#endif /* BENCH_WORKLOAD_H */
