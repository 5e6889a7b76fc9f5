#include "bench/anchors/slot_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(sizeof(anchor_slot) == 64, "a cache line");

void anchor_table_open(anchor_table *table, size_t field_count)
{
    uint64_t capacity = 1;
    while (capacity < field_count * 2) {
        capacity *= 2;
    }
    table->mask = capacity - 1;
    table->slots = calloc(capacity, sizeof *table->slots);
    if (table->slots == NULL) {
        fputs("bench-anchors: out of memory\n", stderr);
        exit(1);
    }
}

void anchor_table_close(anchor_table *table)
{
    free(table->slots);
}

size_t anchor_table_size(const anchor_table *table)
{
    return (table->mask + 1) * sizeof *table->slots;
}

_Bool anchor_table_put(anchor_table *table, const anchor_field *field, uint64_t time,
                       uint32_t writer)
{
    uint64_t at = XXH3_64bits(field->key, ANCHOR_KEY_SIZE) & table->mask;
    anchor_slot *slot = &table->slots[at];
    while (slot->used && memcmp(slot->key, field->key, ANCHOR_KEY_SIZE) != 0) {
        at = (at + 1) & table->mask;
        slot = &table->slots[at];
    }
    if (slot->used &&
        (time < slot->time || (time == slot->time && writer <= slot->writer))) {
        return 0;
    }
    memcpy(slot->key, field->key, ANCHOR_KEY_SIZE);
    memcpy(slot->value, field->value, field->value_size);
    slot->time = time;
    slot->writer = writer;
    slot->value_size = field->value_size;
    slot->used = 1;
    return 1;
}
