#include "crdt/context.h"

void crdt_context_init(crdt_context *context, crdt_alloc alloc, uint64_t hash_seed)
{
    *context = (crdt_context){.alloc = alloc, .hash_seed = hash_seed};
    crdt_slab_init(&context->slab, alloc);
    crdt_names_init(&context->names, &context->slab, hash_seed);
    crdt_actors_init(&context->actors, alloc);
}

void crdt_context_deinit(crdt_context *context)
{
    crdt_actors_deinit(&context->actors);
    crdt_names_deinit(&context->names);
    crdt_slab_deinit(&context->slab);
}

crdt_err crdt_context_tick(crdt_context *context, const crdt_actor *actor,
                           crdt_stamp *stamp)
{
    if (context->actors.time_max >= CRDT_TIME_MAX) {
        return CRDT_ELIMIT;
    }
    if (crdt_actors_find(&context->actors, actor) == 0) {
        crdt_err err = crdt_actors_reserve(&context->actors, 1);
        if (err != CRDT_OK) {
            return err;
        }
    }
    *stamp = (crdt_stamp){.time = context->actors.time_max + 1, .actor = *actor};
    crdt_actors_raise(&context->actors, stamp);
    return CRDT_OK;
}

crdt_err crdt_context_merge(crdt_context *context, const crdt_context *other)
{
    const crdt_version *theirs = &other->actors.version;
    size_t fresh = 0;
    for (size_t i = 0; i < theirs->stamp_count; i++) {
        fresh += crdt_actors_find(&context->actors, &theirs->stamps[i].actor) == 0;
    }
    crdt_err err = crdt_actors_reserve(&context->actors, fresh);
    if (err != CRDT_OK) {
        return err;
    }
    for (size_t i = 0; i < theirs->stamp_count; i++) {
        crdt_actors_raise(&context->actors, &theirs->stamps[i]);
    }
    return CRDT_OK;
}

bool crdt_seen_includes(const crdt_seen *seen, const crdt_actors *actors, crdt_dot dot)
{
    uint64_t time = crdt_dot_time(dot);
    uint16_t number = crdt_dot_actor(dot);
    if (seen->actor != 0 && number == seen->actor) {
        return time < seen->time;
    }
    if (seen->all) {
        return true;
    }
    if (seen->times != NULL) {
        return number <= seen->time_count && time <= seen->times[number - 1];
    }
    const crdt_actor *actor = &actors->names[number - 1];
    size_t low = 0;
    size_t high = seen->stamp_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = crdt_actor_compare(&seen->stamps[middle].actor, actor);
        if (order == 0) {
            return time <= seen->stamps[middle].time;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}
