#include "crdt/or_set.h"

#define RECORD_SIZE 48u /* a slot and the head of a group */

void crdt_or_set_init(crdt_or_set *set, crdt_context *context)
{
    set->root = 0;
    crdt_dot_store_init(&set->store, context, RECORD_SIZE, 0);
}

void crdt_or_set_deinit(crdt_or_set *set)
{
    crdt_dot_store_deinit(&set->store);
    set->root = 0;
}
