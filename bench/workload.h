#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

/* The workloads' random scenes and edits, bit for bit as docs/BENCHMARKS.md describes
 * them: a stream of xorshift32, drawn in a fixed order. */

#include "crdt/op.h"

#define BENCH_ENTITY_COUNT 100000u /* at scale 1 */
#define BENCH_UPDATE_COUNT 1000000u
#define BENCH_SEED_BUILD 0x9e3779b9u
#define BENCH_SEED_UPDATE 0x12345678u

typedef struct bench_stream {
    uint32_t x;
} bench_stream;

uint32_t bench_stream_next(bench_stream *stream);

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
/* Add entity `index` with Transform, GLTFShape, Name and Visible: 12 draws. */
void bench_ops_push_entity(bench_ops *ops, bench_stream *stream, uint32_t index);
/* Set the Transform of an entity: 10 draws, three operations. */
void bench_ops_push_transform(bench_ops *ops, bench_stream *stream, uint32_t index);

#endif /* BENCH_WORKLOAD_H */
