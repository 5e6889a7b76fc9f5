#ifndef BENCH_W3_EDITS_H
#define BENCH_W3_EDITS_H

/* The edits of one replica in W3: drawn without looking at any document, so that every
 * engine does the same. */

#include "bench/workload.h"

#define BENCH_W3_BASE 10000u  /* entities that all replicas begin with */
#define BENCH_W3_EDITS 10000u /* of each replica */

/* The components, in the order that they are drawn in. */
enum { BENCH_W3_TRANSFORM, BENCH_W3_COMPONENTS = 8 };
extern const char *const bench_w3_components[BENCH_W3_COMPONENTS];

typedef enum bench_w3_kind {
    BENCH_W3_SET_TRANSFORM,
    BENCH_W3_SET_VALUE,
    BENCH_W3_ADD,
    BENCH_W3_REMOVE,
    BENCH_W3_REMOVE_COMPONENT,
} bench_w3_kind;

typedef struct bench_w3_edit {
    bench_w3_kind kind;
    uint32_t component;  /* SET, REMOVE_COMPONENT */
    bool fresh;          /* SET: as far as this replica knows it was not there */
    uint32_t value;      /* SET_VALUE */
    bench_entity entity; /* its id always; ADD: all; SET_TRANSFORM: its transform */
} bench_w3_edit;

/* The list of `replica`; free(). */
bench_w3_edit *bench_w3_edits_draw(uint32_t replica);
/* Append the list as the JSON whose SHA-256 docs/BENCHMARKS.md gives. */
void bench_w3_edits_json(const bench_w3_edit *edits, crdt_buf *out);

#endif /* BENCH_W3_EDITS_H */
