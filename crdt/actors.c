#include "crdt/actors.h"

#include "crdt/mutant.h"

#include <assert.h>
#include <string.h>

void crdt_actors_init(crdt_actors *actors, crdt_alloc alloc)
{
    *actors = (crdt_actors){0};
    crdt_version_init(&actors->version, alloc);
}

void crdt_actors_deinit(crdt_actors *actors)
{
    crdt_alloc alloc = actors->version.alloc;
    crdt_free(alloc, actors->rank_numbers, actors->capacity * sizeof(uint16_t));
    crdt_free(alloc, actors->names, actors->capacity * sizeof(crdt_actor));
    crdt_free(alloc, actors->times, actors->capacity * sizeof(uint64_t));
    crdt_version_deinit(&actors->version);
    crdt_actors_init(actors, alloc);
}

static bool is_at(const crdt_actors *actors, size_t rank, const crdt_actor *actor)
{
    return rank < actors->version.stamp_count &&
           crdt_actor_equal(&actors->version.stamps[rank].actor, actor);
}

/* The place of the first stamp in the version whose actor is not below `actor`. */
static size_t rank_of(const crdt_actors *actors, const crdt_actor *actor)
{
    if (is_at(actors, actors->rank_last, actor)) {
        return actors->rank_last;
    }
    size_t low = 0;
    size_t high = actors->version.stamp_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (crdt_actor_compare(&actors->version.stamps[middle].actor, actor) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint16_t crdt_actors_find(const crdt_actors *actors, const crdt_actor *actor)
{
    size_t rank = rank_of(actors, actor);
    return is_at(actors, rank, actor) ? actors->rank_numbers[rank] : 0;
}

/* Each array is grown by itself; the capacity counts once all have grown. */
static crdt_err grow(crdt_actors *actors, size_t capacity)
{
    crdt_alloc alloc = actors->version.alloc;
    uint16_t *numbers = crdt_resize_array(alloc, NULL, 0, capacity, sizeof *numbers);
    crdt_actor *names = crdt_resize_array(alloc, NULL, 0, capacity, sizeof *names);
    uint64_t *times = crdt_resize_array(alloc, NULL, 0, capacity, sizeof *times);
    if (numbers == NULL || names == NULL || times == NULL) {
        crdt_free(alloc, numbers, capacity * sizeof *numbers);
        crdt_free(alloc, names, capacity * sizeof *names);
        crdt_free(alloc, times, capacity * sizeof *times);
        return CRDT_ENOMEM;
    }
    size_t count = actors->version.stamp_count;
    if (count > 0) {
        memcpy(numbers, actors->rank_numbers, count * sizeof *numbers);
        memcpy(names, actors->names, count * sizeof *names);
        memcpy(times, actors->times, count * sizeof *times);
    }
    crdt_free(alloc, actors->rank_numbers, actors->capacity * sizeof *numbers);
    crdt_free(alloc, actors->names, actors->capacity * sizeof *names);
    crdt_free(alloc, actors->times, actors->capacity * sizeof *times);
    actors->rank_numbers = numbers;
    actors->names = names;
    actors->times = times;
    actors->capacity = capacity;
    return CRDT_OK;
}

crdt_err crdt_actors_reserve(crdt_actors *actors, size_t more)
{
    size_t count = actors->version.stamp_count;
    if (more > CRDT_ACTORS_MAX - count) {
        return CRDT_ELIMIT;
    }
    if (count + more > actors->capacity) {
        size_t capacity = actors->capacity == 0 ? 8 : actors->capacity * 2;
        capacity = capacity < count + more ? count + more : capacity;
        crdt_err err = grow(actors, capacity);
        if (err != CRDT_OK) {
            return err;
        }
    }
    return crdt_version_reserve(&actors->version, more);
}

uint16_t crdt_actors_raise(crdt_actors *actors, const crdt_stamp *stamp)
{
    assert(stamp->time >= 1 && stamp->time <= CRDT_TIME_MAX);
    size_t rank = rank_of(actors, &stamp->actor);
    size_t count = actors->version.stamp_count;
    uint16_t number;
    if (is_at(actors, rank, &stamp->actor)) {
        number = actors->rank_numbers[rank];
        if (stamp->time > actors->times[number - 1] || MUTANT(107)) {
            actors->version.stamps[rank].time = stamp->time;
            actors->times[number - 1] = stamp->time;
        }
    } else {
        assert(count < actors->capacity);
        crdt_err err = crdt_version_raise(&actors->version, stamp);
        assert(err == CRDT_OK); /* reserved */
        (void)err;
        number = (uint16_t)(count + 1);
        memmove(&actors->rank_numbers[rank + 1], &actors->rank_numbers[rank],
                (count - rank) * sizeof *actors->rank_numbers);
        actors->rank_numbers[rank] = number;
        actors->names[count] = stamp->actor;
        actors->times[count] = stamp->time;
    }
    if (stamp->time > actors->time_max) {
        actors->time_max = stamp->time;
    }
    actors->rank_last = rank;
    return number;
}

int crdt_actors_compare(const crdt_actors *actors, crdt_dot a, crdt_dot b)
{
    uint64_t time_a = crdt_dot_time(a);
    uint64_t time_b = crdt_dot_time(b);
    if (time_a != time_b) {
        return time_a < time_b ? -1 : 1;
    }
    if (MUTANT(10)) {
        return (crdt_dot_actor(a) > crdt_dot_actor(b)) -
               (crdt_dot_actor(a) < crdt_dot_actor(b));
    }
    return crdt_actor_compare(&actors->names[crdt_dot_actor(a) - 1],
                              &actors->names[crdt_dot_actor(b) - 1]);
}
