#ifndef CRDT_OP_LIST_H
#define CRDT_OP_LIST_H

/* A growing list of operations that owns copies of its names and values: what an edit
 * is put together in before it is committed.
 *
 * The first failure sticks: later pushes do nothing and return it, so a writer of many
 * operations may check once at the end (crdt_op_list.err).
 *
 * Memory: array and copies come from `alloc`, freed by deinit; clear keeps them warm.
 */

#include "crdt/op.h"

#define CRDT_OP_LIST_RECENT 32u

typedef struct crdt_op_list {
    crdt_alloc alloc;
    crdt_arena bytes; /* the copies */
    /* Copies of names of parts and fields, by a hash: most come again and again. The
     * well-known ones are not copied at all. */
    crdt_span recent[CRDT_OP_LIST_RECENT];
    crdt_op *ops;
    size_t op_count;
    size_t op_capacity;
    crdt_err err; /* CRDT_OK, or the first failure */
} crdt_op_list;

void crdt_op_list_init(crdt_op_list *list, crdt_alloc alloc);
void crdt_op_list_deinit(crdt_op_list *list);
/* Forget the operations and the failure, keep the memory. */
void crdt_op_list_clear(crdt_op_list *list);

/* Append a copy of `op`, which may not lie in the list. O(its bytes).
 * Errors: CRDT_ENOMEM; the list as before. */
crdt_err crdt_op_list_push(crdt_op_list *list, const crdt_op *op);
crdt_err crdt_op_list_add(crdt_op_list *list, crdt_key key);
crdt_err crdt_op_list_remove(crdt_op_list *list, crdt_key key);
crdt_err crdt_op_list_set(crdt_op_list *list, crdt_key key, crdt_span value);
crdt_err crdt_op_list_unset(crdt_op_list *list, crdt_key key);

#endif /* CRDT_OP_LIST_H */
