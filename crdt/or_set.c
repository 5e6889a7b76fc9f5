#include "crdt/or_set.h"

#include "crdt/mutant.h"
#include "crdt/dot_join.h"

void crdt_or_set_init(crdt_or_set *set, crdt_context *context, crdt_slots *slots)
{
    set->root = 0;
    crdt_dot_store_init(&set->store, context, slots, false);
}

void crdt_or_set_deinit(crdt_or_set *set)
{
    crdt_dot_store_deinit(&set->store);
    set->root = 0;
}

/* The slot of an element by its name; 0: none. */
static uint32_t find_element(const crdt_or_set *set, crdt_span element)
{
    uint32_t name = crdt_names_find(&set->store.context->names, element);
    return name == 0 ? 0 : crdt_dot_store_find(&set->store, 0, set->root, name);
}

static void drop_dots(crdt_or_set *set, uint32_t slot)
{
    while (crdt_dot_store_at(&set->store, slot)->dot != 0) {
        crdt_dot_store_remove(&set->store, slot, slot);
    }
}

crdt_err crdt_or_set_add(crdt_or_set *set, crdt_span element, const crdt_actor *actor,
                         crdt_stamp *stamp)
{
    crdt_context *context = set->store.context;
    uint32_t name = 0;
    uint32_t slot = 0;
    crdt_err err = crdt_names_intern(&context->names, element, &name);
    if (err == CRDT_OK) {
        err = crdt_dot_store_make(&set->store, 0, &set->root, name, 0, &slot);
    }
    crdt_names_release(&context->names, name);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_stamp next;
    size_t actor_count = context->actors.version.stamp_count;
    uint16_t number = crdt_actors_find(&context->actors, actor);
    number = number != 0 ? number : (uint16_t)(actor_count + 1);
    err = crdt_dot_store_reserve(&set->store, NULL, actor_count + 1);
    err =
        err != CRDT_OK ? err : crdt_dot_store_reserve_writes(&set->store, number, 1, 0);
    err = err != CRDT_OK ? err : crdt_context_tick(context, actor, &next);
    if (err != CRDT_OK) {
        if (crdt_dot_store_at(&set->store, slot)->dot == 0) {
            crdt_dot_store_drop(&set->store, &set->root, slot);
        }
        return err;
    }
    if (!MUTANT(169)) {
        drop_dots(set, slot);
    }
    number = crdt_actors_find(&context->actors, actor);
    crdt_dot_store_insert(&set->store, slot, crdt_dot_make(next.time, number), 0);
    if (stamp != NULL) {
        *stamp = next;
    }
    return CRDT_OK;
}

bool crdt_or_set_remove(crdt_or_set *set, crdt_span element)
{
    uint32_t slot = find_element(set, element);
    if (slot == 0) {
        return false;
    }
    drop_dots(set, slot);
    crdt_dot_store_drop(&set->store, &set->root, slot);
    return true;
}

bool crdt_or_set_has(const crdt_or_set *set, crdt_span element)
{
    return find_element(set, element) != 0;
}

bool crdt_or_set_dot(const crdt_or_set *set, crdt_span element, size_t index,
                     crdt_stamp *stamp)
{
    uint32_t id = find_element(set, element);
    for (; id != 0 && index > 0; index--) {
        id = crdt_slot_lower(crdt_dot_store_at(&set->store, id));
    }
    if (id != 0) {
        *stamp = crdt_actors_stamp(&set->store.context->actors,
                                   crdt_dot_store_at(&set->store, id)->dot);
    }
    return id != 0;
}

bool crdt_or_set_next(crdt_or_set *set, uint32_t *cursor, crdt_span *element)
{
    *cursor = *cursor == 0 ? crdt_dot_store_first(&set->store, &set->root)
                           : crdt_dot_store_next(&set->store, set->root, *cursor);
    if (*cursor != 0) {
        *element = crdt_names_get(&set->store.context->names,
                                  crdt_dot_store_at(&set->store, *cursor)->name);
    }
    return *cursor != 0;
}

crdt_err crdt_or_set_merge(crdt_or_set *set, const crdt_or_set *other,
                           const crdt_version *had)
{
    crdt_dot_arrival *arrivals;
    size_t arrival_count;
    crdt_err err = crdt_dot_join_plan(&set->store, &set->root, &other->store, had,
                                      &arrivals, &arrival_count);
    if (err != CRDT_OK) {
        return err;
    }
    for (uint32_t slot = crdt_dot_group_any(&set->store, set->root); slot != 0;
         slot = crdt_dot_store_next(&set->store, set->root, slot)) {
        for (uint32_t id = slot;
             id != 0 && crdt_dot_store_at(&set->store, id)->dot != 0;) {
            id = crdt_dot_join_is_removed(&set->store, id, &other->store, other->root)
                     ? crdt_dot_store_remove(&set->store, slot, id)
                     : crdt_slot_lower(crdt_dot_store_at(&set->store, id));
        }
    }
    for (size_t i = 0; i < arrival_count; i++) {
        crdt_dot_store_insert(&set->store, arrivals[i].key, arrivals[i].dot, 0);
    }
    crdt_dot_join_free(&set->store, arrivals, arrival_count);
    crdt_dot_join_sweep(&set->store, &set->root);
    return CRDT_OK;
}
