#ifndef CRDT_CONTEXT_H
#define CRDT_CONTEXT_H

/* What the CRDTs of one replica have in common: the causal context (which operations are
 * known: a version, its actors numbered), the interned names, memory for small blocks.
 *
 * A containing object makes one context, then any number of or_sets and lww_maps on it. To
 * join two replicas: merge each container with its counterpart first, then the contexts;
 * the merges need to know what each side knew before. */

#include "crdt/actors.h"
#include "crdt/names.h"
#include "crdt/slab.h"

typedef struct crdt_context {
    crdt_alloc alloc;
    uint64_t hash_seed;
    crdt_slab slab;
    crdt_names names;
    crdt_actors actors;
} crdt_context;

/* `context` must not move afterwards: its parts point into it. */
void crdt_context_init(crdt_context *context, crdt_alloc alloc, uint64_t hash_seed);
/* After the containers on it. */
void crdt_context_deinit(crdt_context *context);

/* The stamp of `actor`'s next operation here: one above all known times. Counts as known
 * from now on. Errors: CRDT_ENOMEM, CRDT_ELIMIT; `context` as before. */
crdt_err crdt_context_tick(crdt_context *context, const crdt_actor *actor,
                           crdt_stamp *stamp);
/* Join what `other` knows. Errors: CRDT_ENOMEM, CRDT_ELIMIT; `context` as before. */
crdt_err crdt_context_merge(crdt_context *context, const crdt_context *other);

/* What the author of an operation had seen, or what the state to be joined includes: a
 * version, and beyond it one actor's stamps below a time. */
typedef struct crdt_seen {
    const crdt_stamp *stamps; /* sorted by actor, as crdt_version.stamps */
    size_t stamp_count;
    const uint64_t *times; /* NULL, or instead of these: by actor number - 1 */
    size_t time_count;
    bool all;       /* everything that is held here is included */
    uint16_t actor; /* if not 0: of this actor the stamps below `time`, exactly */
    uint64_t time;
} crdt_seen;

bool crdt_seen_includes(const crdt_seen *seen, const crdt_actors *actors, crdt_dot dot);

#endif /* CRDT_CONTEXT_H */
