#include "crdt/dot_join.h"

#include "crdt/mutant.h"

#include <assert.h>

static void walk_new(crdt_dot_walk *walk, const crdt_dot_store *other,
                     size_t actor_index, const crdt_version *had)
{
    const crdt_actor *actor = &other->context->actors.names[actor_index];
    crdt_dot_walk_init(walk, other, (uint16_t)(actor_index + 1),
                       crdt_version_get(had, actor));
}

static size_t count_new(const crdt_dot_store *other, size_t actor_index,
                        const crdt_version *had)
{
    size_t count = 0;
    crdt_dot_walk walk;
    walk_new(&walk, other, actor_index, had);
    while (crdt_dot_walk_next(&walk) != 0) {
        count++;
    }
    return count;
}

/* Room for the inserts of each actor; their number. */
static crdt_err reserve_writes(crdt_dot_store *store, const crdt_dot_store *other,
                               const crdt_version *had, size_t *count)
{
    const crdt_actors *theirs = &other->context->actors;
    *count = 0;
    for (size_t i = 0; i < theirs->version.stamp_count; i++) {
        size_t more = count_new(other, i, had);
        if (more > 0) {
            uint16_t number =
                crdt_actors_find(&store->context->actors, &theirs->names[i]);
            crdt_err err = crdt_dot_store_reserve_writes(store, number, more, 0);
            if (err != CRDT_OK) {
                return err;
            }
        }
        *count += more;
    }
    return CRDT_OK;
}

static crdt_span name_of_entry(const crdt_dot_store *store, uint32_t entry)
{
    uint32_t key = crdt_dot_store_key(store, entry);
    return crdt_names_get(&store->context->names, crdt_dot_store_at(store, key)->name);
}

static crdt_err plan_arrival(crdt_dot_store *store, crdt_group *group,
                             const crdt_dot_store *other, uint32_t source,
                             crdt_dot_arrival *arrival)
{
    const crdt_slot *slot = crdt_dot_store_at(other, source);
    const crdt_stamp stamp = crdt_actors_stamp(&other->context->actors, slot->dot);
    uint16_t number = crdt_actors_find(&store->context->actors, &stamp.actor);
    assert(number != 0); /* the contexts were merged before */
    *arrival =
        (crdt_dot_arrival){.dot = crdt_dot_make(stamp.time, number), .source = source};
    uint32_t name = 0;
    crdt_err err =
        crdt_names_intern(&store->context->names, name_of_entry(other, source), &name);
    if (err == CRDT_OK) {
        err = crdt_dot_store_make(store, 0, group, name, slot->kind, &arrival->key);
    }
    crdt_names_release(&store->context->names, name);
    return err;
}

crdt_err crdt_dot_join_plan(crdt_dot_store *store, crdt_group *group,
                            const crdt_dot_store *other, const crdt_version *had,
                            crdt_dot_arrival **arrivals, size_t *arrival_count)
{
    const size_t actor_count = other->context->actors.version.stamp_count;
    size_t count = 0;
    *arrivals = NULL;
    *arrival_count = 0;
    crdt_err err =
        crdt_dot_store_reserve(store, NULL, store->context->actors.version.stamp_count);
    err = err != CRDT_OK ? err : reserve_writes(store, other, had, &count);
    *arrival_count = count;
    if (err != CRDT_OK || count == 0) {
        return err;
    }
    *arrivals =
        crdt_resize_array(store->context->alloc, NULL, 0, count, sizeof **arrivals);
    err = *arrivals == NULL ? CRDT_ENOMEM : CRDT_OK;
    size_t end = 0; /* of the actor's arrivals, which are met from the newest on */
    for (size_t i = 0; i < actor_count && err == CRDT_OK; i++) {
        end += count_new(other, i, had);
        crdt_dot_walk walk;
        walk_new(&walk, other, i, had);
        size_t at = end;
        for (uint32_t id = crdt_dot_walk_next(&walk); id != 0 && err == CRDT_OK;
             id = crdt_dot_walk_next(&walk)) {
            err = plan_arrival(store, group, other, id, &(*arrivals)[--at]);
        }
    }
    /* Making keys has taken of the room. */
    crdt_slot_room room = {{0}};
    for (size_t i = 0; i < count && err == CRDT_OK; i++) {
        crdt_slot_room_add(&room, crdt_dot_store_at(store, (*arrivals)[i].key));
    }
    err = err != CRDT_OK ? err : crdt_dot_store_reserve(store, &room, 0);
    if (err != CRDT_OK) {
        crdt_dot_join_free(store, *arrivals, count);
        *arrivals = NULL;
        crdt_dot_join_sweep(store, group);
    }
    return err;
}

void crdt_dot_join_free(crdt_dot_store *store, crdt_dot_arrival *arrivals,
                        size_t arrival_count)
{
    crdt_free(store->context->alloc, arrivals, arrival_count * sizeof *arrivals);
}

bool crdt_dot_join_is_removed(const crdt_dot_store *store, uint32_t entry,
                              const crdt_dot_store *other, crdt_group other_group)
{
    const crdt_slot *slot = crdt_dot_store_at(store, entry);
    const crdt_stamp stamp = crdt_actors_stamp(&store->context->actors, slot->dot);
    if (!crdt_version_covers(&other->context->actors.version, &stamp) && !MUTANT(170)) {
        return false;
    }
    uint32_t name =
        crdt_names_find(&other->context->names, name_of_entry(store, entry));
    uint32_t id = name == 0 ? 0 : crdt_dot_store_find(other, 0, other_group, name);
    for (; id != 0; id = crdt_slot_lower(crdt_dot_store_at(other, id))) {
        crdt_dot dot = crdt_dot_store_at(other, id)->dot;
        if (MUTANT(1)) {
            return false;
        }
        if (dot != 0 && crdt_dot_time(dot) == stamp.time) {
            const crdt_stamp held = crdt_actors_stamp(&other->context->actors, dot);
            if (crdt_actor_equal(&held.actor, &stamp.actor)) {
                return false;
            }
        }
    }
    return true;
}

void crdt_dot_join_sweep(crdt_dot_store *store, crdt_group *group)
{
    for (uint32_t id = crdt_dot_group_any(store, *group); id != 0;) {
        uint32_t next = crdt_dot_store_next(store, *group, id);
        if (crdt_dot_store_at(store, id)->dot == 0) {
            crdt_dot_store_drop(store, group, id);
        }
        id = next;
    }
}
