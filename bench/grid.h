#ifndef BENCH_GRID_H
#define BENCH_GRID_H

/* Documents of any size: objects e%06u of 2 parts of 5 fields each, every field an integer
 * below 2^16 drawn from the build stream. So n fields are n / 10 objects, n / 5 parts. */

#include "bench/editor.h"

#define BENCH_GRID_FIELDS 10u /* of an object */

/* Adds objects `begin` .. `end` - 1, 1,000 an edit. */
void bench_grid_build(bench_editor *editor, uint32_t begin, uint32_t end);
/* Set field `field` (of all: object * 10 + its number) to what the stream draws. */
void bench_grid_push_set(bench_ops *ops, bench_stream *stream, uint32_t field);

#endif /* BENCH_GRID_H */
