#ifndef CRDT_ANSWER_INDEX_H
#define CRDT_ANSWER_INDEX_H

/* What the writer of an answer has written before: text and tag -> 0, 1, 2, ... by first
 * use. Names, persons of an actor, shapes of objects. Texts are borrowed.
 *
 * Memory: a hash table that doubles; O(1) a look. */

#include "crdt/buf.h"

typedef struct crdt_answer_row {
    crdt_span text;
    uint32_t tag;
    uint32_t hash;
} crdt_answer_row;

/* Open addressing, linear probing. Invariant: slot_count is a power of two, 0 at first,
 * and more than 4/3 of row_count. A slot holds 1 + the index of a row; 0: free. */
typedef struct crdt_answer_index {
    crdt_alloc alloc;
    crdt_answer_row *rows;
    size_t row_count;
    size_t row_capacity;
    uint32_t *slots;
    size_t slot_count;
} crdt_answer_index;

void crdt_answer_index_init(crdt_answer_index *index, crdt_alloc alloc);
void crdt_answer_index_deinit(crdt_answer_index *index);

/* The row of (text, tag); index->row_count, one beyond the last, where there is none. */
uint32_t crdt_answer_index_find(const crdt_answer_index *index, crdt_span text,
                                uint32_t tag);
/* Add one that is not there: it becomes the last row. Errors: CRDT_ENOMEM. */
crdt_err crdt_answer_index_add(crdt_answer_index *index, crdt_span text, uint32_t tag);

#endif /* CRDT_ANSWER_INDEX_H */
