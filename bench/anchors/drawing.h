#ifndef BENCH_ANCHORS_DRAWING_H
#define BENCH_ANCHORS_DRAWING_H

/* The scene of docs/BENCHMARKS.md as a program that knew nothing else would hold it: a key
 * of eight bytes for a component of an entity, ten floats for a Transform. */

#include <stddef.h>
#include <stdint.h>

#define ANCHOR_KEY_SIZE 8
#define ANCHOR_VALUE_SIZE_MAX 42
#define ANCHOR_COMPONENT_COUNT 4

typedef struct anchor_transform {
    float numbers[10]; /* position, rotation, scale */
} anchor_transform;

/* A component's value; the key is the entity's id, "e000012", and the component's number. */
typedef struct anchor_field {
    char key[ANCHOR_KEY_SIZE];
    uint8_t value_size;
    char value[ANCHOR_VALUE_SIZE_MAX];
} anchor_field;

/* Streams of xorshift32, which begin as these. */
#define ANCHOR_SEED_BUILD 0x9e3779b9u
#define ANCHOR_SEED_UPDATE 0x12345678u

/* One component of the entity `index`; the four are drawn in their order. */
void anchor_draw_component(uint32_t *stream, uint32_t index, unsigned component,
                           anchor_field *field);
/* A new Transform of one of `entity_count` entities. */
void anchor_draw_update(uint32_t *stream, uint32_t entity_count, anchor_field *field);

#endif /* BENCH_ANCHORS_DRAWING_H */
