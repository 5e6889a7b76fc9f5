#ifndef CRDT_VERSION_H
#define CRDT_VERSION_H

/* A version vector: for each actor, the highest Lamport time seen of it, every operation
 * of that actor up to it included (the times themselves skip). The exact causal context.
 *
 * Invariant (crdt_version_check): stamps strictly sorted by actor, every time >= 1.
 * Equal versions are therefore equal byte for byte.
 *
 * Memory: `stamps` comes from `alloc` and is owned here. Threads: no locking.
 * Source: Almeida, Shoker, Baquero, "Delta State Replicated Data Types" (2018). */

#include "crdt/alloc.h"
#include "crdt/err.h"
#include "crdt/stamp.h"

typedef struct crdt_version {
    crdt_alloc alloc;
    crdt_stamp *stamps;
    size_t stamp_count;
    size_t stamp_capacity;
} crdt_version;

typedef enum crdt_order {
    CRDT_EQUAL,
    CRDT_BEFORE,
    CRDT_AFTER,
    CRDT_CONCURRENT
} crdt_order;

void crdt_version_init(crdt_version *version, crdt_alloc alloc);
void crdt_version_deinit(crdt_version *version);
/* Errors: CRDT_ENOMEM; `version` as before. `version` is initialized and overwritten. */
crdt_err crdt_version_copy(crdt_version *version, const crdt_version *other);
void crdt_version_clear(crdt_version *version);

/* The time seen of `actor`, 0 if none. O(log n). */
uint64_t crdt_version_get(const crdt_version *version, const crdt_actor *actor);
/* Raise the actor's time to `stamp.time`; a lower one changes nothing. O(n) for a new
 * actor, else O(log n). Errors: CRDT_ENOMEM; `version` as before. */
crdt_err crdt_version_raise(crdt_version *version, const crdt_stamp *stamp);
/* Room for `more` new actors: as many raises cannot fail afterwards. */
crdt_err crdt_version_reserve(crdt_version *version, size_t more);

/* Is the stamp's operation included? */
bool crdt_version_covers(const crdt_version *version, const crdt_stamp *stamp);
/* Does `version` include all of `other`? Equal versions include each other. O(n + m). */
bool crdt_version_includes(const crdt_version *version, const crdt_version *other);
crdt_order crdt_version_compare(const crdt_version *a, const crdt_version *b);
/* The highest time of all actors, 0 if empty. O(n). */
uint64_t crdt_version_time_max(const crdt_version *version);

/* Join: per actor the higher time. O(n + m). Allocates at most once, before any change.
 * Errors: CRDT_ENOMEM; `version` as before. */
crdt_err crdt_version_merge(crdt_version *version, const crdt_version *other);

/* Test of the invariant, for tests. */
bool crdt_version_check(const crdt_version *version);

#endif /* CRDT_VERSION_H */
