#include "crdt/op_list.h"
#include "crdt/well_known.h"

#include <assert.h>
#include <string.h>

void crdt_op_list_init(crdt_op_list *list, crdt_alloc alloc)
{
    *list = (crdt_op_list){.alloc = alloc};
    crdt_arena_init(&list->bytes, alloc);
}

void crdt_op_list_deinit(crdt_op_list *list)
{
    crdt_arena_deinit(&list->bytes);
    crdt_free(list->alloc, list->ops, list->op_capacity * sizeof(crdt_op));
    list->ops = NULL;
    list->op_count = 0;
    list->op_capacity = 0;
}

void crdt_op_list_clear(crdt_op_list *list)
{
    memset(list->recent, 0, sizeof list->recent);
    crdt_arena_reset(&list->bytes);
    list->op_count = 0;
    list->err = CRDT_OK;
}

static bool copy_span(crdt_op_list *list, crdt_span *span)
{
    uint8_t *copy = crdt_arena_alloc(&list->bytes, span->size);
    if (copy == NULL) {
        return false;
    }
    if (span->size > 0) {
        memcpy(copy, span->data, span->size);
    }
    span->data = copy;
    return true;
}

/* As copy_span; but an object that the operation before has too is not copied again. */
static bool copy_object(crdt_op_list *list, crdt_span *name)
{
    if (list->op_count > 0) {
        crdt_span before = list->ops[list->op_count - 1].key.object;
        if (crdt_span_equal(*name, before)) {
            *name = before;
            return true;
        }
    }
    return copy_span(list, name);
}

/* Is it the copy that the operation before has as its part? */
static bool is_last_part(const crdt_op_list *list, crdt_span name)
{
    const crdt_op *last = list->op_count > 0 ? &list->ops[list->op_count - 1] : NULL;
    return last != NULL && last->key.depth >= CRDT_PART &&
           last->key.part.data == name.data && last->key.part.size == name.size;
}

/* As copy_span, for the name of a part or field. */
static bool copy_name(crdt_op_list *list, crdt_span *name)
{
    uint8_t hash = crdt_well_known_hash(*name);
    size_t index = crdt_well_known_find(*name, hash);
    if (index < CRDT_WELL_KNOWN_COUNT) {
        *name = crdt_well_known_names[index];
        return true;
    }
    crdt_span *recent = &list->recent[hash % CRDT_OP_LIST_RECENT];
    if (recent->data != NULL && crdt_span_equal(*name, *recent)) {
        *name = *recent;
        return true;
    }
    bool copied = copy_span(list, name);
    if (copied) {
        *recent = *name;
    }
    return copied;
}

static crdt_err reserve_op(crdt_op_list *list)
{
    if (list->op_count < list->op_capacity) {
        return CRDT_OK;
    }
    size_t capacity = list->op_capacity < 8 ? 8 : list->op_capacity * 2;
    crdt_op *ops = crdt_resize_array(list->alloc, list->ops, list->op_capacity,
                                     capacity, sizeof(crdt_op));
    if (ops == NULL) {
        return CRDT_ENOMEM;
    }
    list->ops = ops;
    list->op_capacity = capacity;
    return CRDT_OK;
}

crdt_err crdt_op_list_push(crdt_op_list *list, const crdt_op *op)
{
    assert(op->key.depth >= CRDT_OBJECT && op->key.depth <= CRDT_FIELD);
    if (list->err != CRDT_OK) {
        return list->err;
    }
    bool copied = reserve_op(list) == CRDT_OK;
    crdt_op *copy = NULL;
    if (copied) {
        copy = &list->ops[list->op_count]; /* it counts only once all is there */
        *copy = *op;
        copied = copy_object(list, &copy->key.object);
    }
    if (copied && op->key.depth >= CRDT_PART && !is_last_part(list, op->key.part)) {
        copied = copy_name(list, &copy->key.part);
    }
    if (copied && op->key.depth == CRDT_FIELD) {
        copied = copy_name(list, &copy->key.field);
    }
    if (copied && op->kind == CRDT_OP_SET) {
        copied = copy_span(list, &copy->value);
    }
    if (!copied) {
        list->err = CRDT_ENOMEM;
        return CRDT_ENOMEM;
    }
    list->op_count++;
    return CRDT_OK;
}

crdt_err crdt_op_list_add(crdt_op_list *list, crdt_key key)
{
    return crdt_op_list_push(list, &(crdt_op){.kind = CRDT_OP_ADD, .key = key});
}

crdt_err crdt_op_list_remove(crdt_op_list *list, crdt_key key)
{
    return crdt_op_list_push(list, &(crdt_op){.kind = CRDT_OP_REMOVE, .key = key});
}

crdt_err crdt_op_list_set(crdt_op_list *list, crdt_key key, crdt_span value)
{
    return crdt_op_list_push(
        list, &(crdt_op){.kind = CRDT_OP_SET, .key = key, .value = value});
}

crdt_err crdt_op_list_unset(crdt_op_list *list, crdt_key key)
{
    return crdt_op_list_push(list, &(crdt_op){.kind = CRDT_OP_UNSET, .key = key});
}
