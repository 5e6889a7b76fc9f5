#ifndef BENCH_ANCHORS_SLOT_TABLE_H
#define BENCH_ANCHORS_SLOT_TABLE_H

/* A last-writer-wins map and nothing more: open addressing, a cache line a field, no
 * deletes, no log. What any engine has to do at least. */

#include "bench/anchors/drawing.h"

typedef struct anchor_slot {
    char key[ANCHOR_KEY_SIZE];
    uint64_t time;
    uint32_t writer;
    uint8_t value_size;
    uint8_t used;
    char value[ANCHOR_VALUE_SIZE_MAX];
} anchor_slot;

typedef struct anchor_table {
    anchor_slot *slots;
    uint64_t mask;
} anchor_table;

/* Room for twice `field_count`; it does not grow. */
void anchor_table_open(anchor_table *table, size_t field_count);
void anchor_table_close(anchor_table *table);
size_t anchor_table_size(const anchor_table *table); /* bytes */
/* False: what is there is newer. */
_Bool anchor_table_put(anchor_table *table, const anchor_field *field, uint64_t time,
                       uint32_t writer);

#endif /* BENCH_ANCHORS_SLOT_TABLE_H */
