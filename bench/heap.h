#ifndef BENCH_HEAP_H
#define BENCH_HEAP_H

/* Memory as a benchmark sees it: of the process, and of one object by its allocator. */

#include "crdt/alloc.h"

#include <stdint.h>

/* The most resident bytes so far; `reset` makes it the resident bytes of now. */
uint64_t bench_rss_peak(void);
void bench_rss_reset(void);
/* Resident bytes now. */
uint64_t bench_rss(void);

/* Counts what is allocated and not freed, as asked for; what malloc adds is not in it. */
typedef struct bench_heap {
    uint64_t live;  /* bytes now */
    uint64_t peak;  /* the most since the last reset by the caller */
    uint64_t calls; /* allocations and growths */
} bench_heap;

/* The C library's allocator, counted in `heap`, which outlives what is allocated. */
crdt_alloc bench_heap_alloc(bench_heap *heap);

#endif /* BENCH_HEAP_H */
