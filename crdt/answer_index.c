#include "crdt/answer_index.h"
#include "crdt/digest.h"

#include <string.h>

void crdt_answer_index_init(crdt_answer_index *index, crdt_alloc alloc)
{
    *index = (crdt_answer_index){.alloc = alloc};
}

void crdt_answer_index_deinit(crdt_answer_index *index)
{
    crdt_free(index->alloc, index->rows, index->row_capacity * sizeof *index->rows);
    crdt_free(index->alloc, index->slots, index->slot_count * sizeof *index->slots);
    crdt_answer_index_init(index, index->alloc);
}

static uint32_t hash_of(crdt_span text, uint32_t tag)
{
    return (uint32_t)crdt_hash64(text, tag);
}

uint32_t crdt_answer_index_find(const crdt_answer_index *index, crdt_span text,
                                uint32_t tag)
{
    if (index->slot_count == 0) {
        return 0;
    }
    const uint32_t hash = hash_of(text, tag);
    const size_t mask = index->slot_count - 1;
    for (size_t slot = hash & mask; index->slots[slot] != 0; slot = (slot + 1) & mask) {
        const crdt_answer_row *row = &index->rows[index->slots[slot] - 1];
        if (row->hash == hash && row->tag == tag && crdt_span_equal(row->text, text)) {
            return index->slots[slot] - 1;
        }
    }
    return (uint32_t)index->row_count;
}

static void place(crdt_answer_index *index, uint32_t row)
{
    size_t mask = index->slot_count - 1;
    size_t slot = index->rows[row].hash & mask;
    while (index->slots[slot] != 0) {
        slot = (slot + 1) & mask;
    }
    index->slots[slot] = row + 1;
}

/* Room for one more row. */
static crdt_err reserve(crdt_answer_index *index)
{
    if (index->row_count == index->row_capacity) {
        size_t capacity = index->row_capacity == 0 ? 16 : index->row_capacity * 2;
        crdt_answer_row *rows = crdt_resize_array(
            index->alloc, index->rows, index->row_capacity, capacity, sizeof *rows);
        if (rows == NULL) {
            return CRDT_ENOMEM;
        }
        index->rows = rows;
        index->row_capacity = capacity;
    }
    if ((index->row_count + 1) * 4 > index->slot_count * 3) {
        size_t count = index->slot_count == 0 ? 32 : index->slot_count * 2;
        uint32_t *slots =
            crdt_resize_array(index->alloc, NULL, 0, count, sizeof *slots);
        if (slots == NULL) {
            return CRDT_ENOMEM;
        }
        crdt_free(index->alloc, index->slots, index->slot_count * sizeof *slots);
        memset(slots, 0, count * sizeof *slots);
        index->slots = slots;
        index->slot_count = count;
        for (size_t i = 0; i < index->row_count; i++) {
            place(index, (uint32_t)i);
        }
    }
    return CRDT_OK;
}

crdt_err crdt_answer_index_add(crdt_answer_index *index, crdt_span text, uint32_t tag)
{
    crdt_err err = reserve(index);
    if (err == CRDT_OK) {
        index->rows[index->row_count] =
            (crdt_answer_row){.text = text, .tag = tag, .hash = hash_of(text, tag)};
        place(index, (uint32_t)index->row_count++);
    }
    return err;
}
