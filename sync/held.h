#ifndef SYNC_HELD_H
#define SYNC_HELD_H

/* Batches held back until what they depend on is here: a bounded cache of their bytes.
 * When it is full the oldest goes; catch-up brings what was dropped.
 *
 * Each waits for one stamp: the first dependency that was not covered when it came. So
 * after progress only those are tried again whose stamp is covered now. */

#include "crdt/batch.h"

typedef struct sync_held_batch {
    uint8_t *bytes; /* owned */
    size_t size;
    crdt_stamp wants; /* tried again when this is covered */
    crdt_actor author;
    crdt_actor sender; /* whose publication it was */
    uint64_t hash;     /* of the bytes: the same batch is held once */
    uint64_t since_ms;
} sync_held_batch;

/* Invariant: `items` in order of arrival; size is the sum of theirs. */
typedef struct sync_held {
    crdt_alloc alloc;
    sync_held_batch *items;
    size_t count;
    size_t capacity;
    size_t size;
    size_t count_max;
    size_t size_max;
    uint64_t dropped; /* because the cache was full */
} sync_held;

void sync_held_init(sync_held *held, crdt_alloc alloc, size_t count_max,
                    size_t size_max);
void sync_held_deinit(sync_held *held);

/* Keep a copy of `bytes`; the other fields are taken from `about`. Held already: only
 * `wants` is renewed. Errors: CRDT_ENOMEM; CRDT_ELIMIT: larger than the whole cache. */
crdt_err sync_held_add(sync_held *held, crdt_span bytes, const sync_held_batch *about);

/* Take out the first batch whose `wants` is covered by `version`. False: none. The
 * caller gives it back with sync_held_free. O(count). */
bool sync_held_take_ready(sync_held *held, const crdt_version *version,
                          sync_held_batch *out);
/* Take out the oldest if it came before `before_ms`. */
bool sync_held_take_older(sync_held *held, uint64_t before_ms, sync_held_batch *out);
void sync_held_free(sync_held *held, sync_held_batch *batch);

#endif /* SYNC_HELD_H */
