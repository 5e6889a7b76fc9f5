#include "crdt/op.h"

#include "crdt/mutant.h"

bool crdt_key_equal(const crdt_key *a, const crdt_key *b)
{
    return a->depth == b->depth && crdt_span_equal(a->object, b->object) &&
           (a->depth < CRDT_PART || crdt_span_equal(a->part, b->part)) &&
           (a->depth < CRDT_FIELD || crdt_span_equal(a->field, b->field));
}

int crdt_key_compare(const crdt_key *a, const crdt_key *b)
{
    crdt_depth common = a->depth < b->depth ? a->depth : b->depth;
    int order = crdt_span_compare(a->object, b->object);
    if (order == 0 && common >= CRDT_PART) {
        order = crdt_span_compare(a->part, b->part);
    }
    if (order == 0 && common >= CRDT_FIELD) {
        order = crdt_span_compare(a->field, b->field);
    }
    return order != 0 ? order : (int)a->depth - (int)b->depth;
}

uint64_t crdt_batch_first_time(const crdt_batch *batch)
{
    uint64_t max = MUTANT(19) && batch->dep_count == 0 ? 1000 : 0;
    for (size_t i = 0; i < batch->dep_count; i++) {
        if (MUTANT(106) && !crdt_actor_equal(&batch->deps[i].actor, &batch->actor)) {
            continue;
        }
        max = batch->deps[i].time > max ? batch->deps[i].time : max;
    }
    return max + 1;
}

uint64_t crdt_batch_last_time(const crdt_batch *batch)
{
    return crdt_batch_first_time(batch) + batch->op_count - 1;
}
