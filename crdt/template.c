#include "crdt/template.h"
#include "crdt/mutant.h"
#include "crdt/digest.h"
#include "crdt/op_codec.h"
#include "crdt/value.h"

#include <string.h>

/* XXH3-128 in its canonical form: high half first, most significant byte first. */
crdt_actor crdt_template_actor(crdt_span ops)
{
    const crdt_digest hash = crdt_hash128(ops);
    crdt_actor actor;
    for (size_t i = 0; i < 8; i++) {
        actor.bytes[i] = (uint8_t)(hash.high >> (56 - 8 * i));
        actor.bytes[8 + i] = (uint8_t)(hash.low >> (56 - 8 * i));
    }
    return actor;
}

static crdt_err hash_ops(const crdt_op *ops, size_t op_count, crdt_alloc alloc,
                         crdt_actor *actor)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, alloc);
    crdt_err err = crdt_ops_encode(ops, op_count, &bytes);
    if (err == CRDT_OK) {
        *actor = crdt_template_actor(crdt_buf_span(&bytes));
    }
    crdt_buf_deinit(&bytes);
    return err;
}

static crdt_err check_op(const crdt_op *op, size_t index, crdt_diag *diag)
{
    const crdt_key *key = &op->key;
    if (key->object.size > CRDT_NAME_SIZE_MAX ||
        (key->depth >= CRDT_PART && key->part.size > CRDT_NAME_SIZE_MAX) ||
        (key->depth >= CRDT_FIELD && key->field.size > CRDT_NAME_SIZE_MAX)) {
        return crdt_diag_set(diag, CRDT_ELIMIT, index,
                             "name of an operation is too long");
    }
    if (op->kind != CRDT_OP_SET) {
        return CRDT_OK;
    }
    crdt_diag inner = {.offset = 0};
    crdt_err err = crdt_value_check(op->value, &inner);
    if (err == CRDT_OK) {
        return CRDT_OK;
    }
    return crdt_diag_set(diag, err == CRDT_ELIMIT ? CRDT_ELIMIT : CRDT_EINVAL, index,
                         "value of an operation: %s", inner.text);
}

/* Merge the sorted runs [low, middle) and [middle, high) of `from` into `to`. Of equal
 * keys the left one goes first: the sort is stable. */
static void merge_runs(const crdt_op **from, const crdt_op **to, size_t low,
                       size_t middle, size_t high)
{
    size_t i = low;
    size_t j = middle;
    for (size_t k = low; k < high; k++) {
        bool left = j == high ||
                    (i < middle && crdt_key_compare(&from[i]->key, &from[j]->key) <= 0);
        to[k] = left ? from[i++] : from[j++];
    }
}

static size_t run_end(const crdt_op **ops, size_t begin, size_t count)
{
    size_t end = begin + 1;
    while (end < count && crdt_key_compare(&ops[end - 1]->key, &ops[end]->key) <= 0) {
        end++;
    }
    return end;
}

/* Natural merge sort: merges the runs that are there, pairwise, until one is left. One
 * pass over sorted input. Returns the array that holds the result. */
static const crdt_op **sort(const crdt_op **ops, const crdt_op **scratch, size_t count)
{
    for (;;) {
        size_t begin = 0;
        while (begin < count) {
            size_t middle = run_end(ops, begin, count);
            if (begin == 0 && middle == count) {
                return ops;
            }
            size_t end = middle < count ? run_end(ops, middle, count) : middle;
            merge_runs(ops, scratch, begin, middle, end);
            begin = end;
        }
        const crdt_op **sorted = scratch;
        scratch = ops;
        ops = sorted;
    }
}

static bool is_sorted(const crdt_op *ops, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (crdt_key_compare(&ops[i - 1].key, &ops[i].key) > 0) {
            return false;
        }
    }
    return true;
}

/* A copy in key order, in the arena; NULL: no memory. */
static const crdt_op *sorted_copy(const crdt_op *ops, size_t count, crdt_arena *arena)
{
    const crdt_op **order = crdt_arena_alloc(arena, count * sizeof *order);
    const crdt_op **scratch = crdt_arena_alloc(arena, count * sizeof *scratch);
    crdt_op *sorted = crdt_arena_alloc(arena, count * sizeof *sorted);
    if (order == NULL || scratch == NULL || sorted == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        order[i] = &ops[i];
    }
    order = sort(order, scratch, count);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = *order[i];
    }
    return sorted;
}

crdt_err crdt_template_make(const crdt_op *ops, size_t op_count, crdt_arena *arena,
                            crdt_batch *batch, crdt_diag *diag)
{
    if (op_count > CRDT_BATCH_OPS_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "too many operations");
    }
    for (size_t i = 0; i < op_count; i++) {
        crdt_err err = check_op(&ops[i], i, diag);
        if (err != CRDT_OK) {
            return err;
        }
    }
    const crdt_op *sorted = MUTANT(47) || is_sorted(ops, op_count)
                                ? ops
                                : sorted_copy(ops, op_count, arena);
    if (sorted == NULL && op_count > 0) {
        return CRDT_ENOMEM;
    }
    crdt_actor actor;
    crdt_err err = hash_ops(sorted, op_count, arena->alloc, &actor);
    if (err == CRDT_OK) {
        *batch = (crdt_batch){.actor = actor, .ops = sorted, .op_count = op_count};
    }
    return err;
}

crdt_err crdt_template_check(const crdt_batch *batch, crdt_alloc alloc)
{
    crdt_actor actor;
    crdt_err err = hash_ops(batch->ops, batch->op_count, alloc, &actor);
    if (err != CRDT_OK) {
        return err;
    }
    bool genuine = crdt_actor_equal(&actor, &batch->actor) && batch->dep_count == 0 &&
                   batch->who.size == 0 && batch->wall_ms == 0;
    return genuine ? CRDT_OK : CRDT_ECORRUPT;
}

crdt_actor crdt_template_actor_empty(void)
{
    static const uint8_t no_ops[] = {0x00}; /* the count alone, as crdt_ops_encode */
    crdt_span bytes = {.data = no_ops, .size = sizeof no_ops};
    return crdt_template_actor(bytes);
}
