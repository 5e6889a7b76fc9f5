#ifndef CRDT_ACTORS_H
#define CRDT_ACTORS_H

/* The actors of a document, numbered, under its version.
 *
 * A stamp of 24 bytes becomes a dot of 8: 48 bits of time, 16 bits of actor number.
 * Numbers start at 1 in order of arrival and are never given up, for a version never
 * forgets an actor. So there are at most 65,535 actors.
 *
 * Invariant: the actors that have a number are exactly those in `version`. */

#include "crdt/version.h"

#define CRDT_ACTORS_MAX 65535u

/* time << 16 | actor number; 0 is none. */
typedef uint64_t crdt_dot;

typedef struct crdt_actors {
    crdt_version version;
    uint16_t *rank_numbers; /* number of the actor at each place of version.stamps */
    crdt_actor *names;      /* by number - 1 */
    uint64_t *times;        /* by number - 1: the version again */
    size_t capacity;
    uint64_t time_max; /* of all times */
    size_t rank_last;  /* where the actor raised last is: mostly the next one, too */
} crdt_actors;

void crdt_actors_init(crdt_actors *actors, crdt_alloc alloc);
void crdt_actors_deinit(crdt_actors *actors);

/* The number of an actor; 0 if it has none. O(log n). */
uint16_t crdt_actors_find(const crdt_actors *actors, const crdt_actor *actor);
/* Room for `more` new actors: as many raises cannot fail.
 * Errors: CRDT_ENOMEM; CRDT_ELIMIT: more than CRDT_ACTORS_MAX. */
crdt_err crdt_actors_reserve(crdt_actors *actors, size_t more);
/* The actor's number; raises its time to `stamp.time` (a lower one changes nothing). For
 * a new actor there must be room. O(log n), O(n) for a new actor. */
uint16_t crdt_actors_raise(crdt_actors *actors, const crdt_stamp *stamp);

static inline crdt_dot crdt_dot_make(uint64_t time, uint16_t actor)
{
    return time << 16 | actor;
}

static inline uint64_t crdt_dot_time(crdt_dot dot)
{
    return dot >> 16;
}

static inline uint16_t crdt_dot_actor(crdt_dot dot)
{
    return (uint16_t)dot;
}

static inline crdt_stamp crdt_actors_stamp(const crdt_actors *actors, crdt_dot dot)
{
    return (crdt_stamp){.time = crdt_dot_time(dot),
                        .actor = actors->names[crdt_dot_actor(dot) - 1]};
}
/* As crdt_stamp_compare of the two stamps. */
int crdt_actors_compare(const crdt_actors *actors, crdt_dot a, crdt_dot b);

#endif /* CRDT_ACTORS_H */
