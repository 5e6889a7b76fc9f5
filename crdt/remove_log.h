#ifndef CRDT_REMOVE_LOG_H
#define CRDT_REMOVE_LOG_H

/* What was removed and unset lately: stamp -> key. A cache that makes answers small: a
 * replica that lacks only what the log still has gets a delta, others get everything.
 *
 * Records are kept in order of arrival and forgotten from the front. `floor` is, per actor,
 * the highest time whose record was forgotten: the log is complete for whoever is above it.
 *
 * Within an actor records arrive by ascending time, and each knows the one before it of its
 * actor: "all above this time" is O(result).
 *
 * Memory: a ring of records that grows by doubling; names are the context's. */

#include "crdt/context.h"
#include "crdt/op.h"

/* What one record counts against the limit, beside the bytes of its names: its place in the
 * ring, and a name that it alone holds, with its cell. */
#define CRDT_REMOVE_LOG_RECORD_BYTES 96u

typedef struct crdt_remove_record {
    crdt_dot dot;
    uint32_t before;   /* sequence of the one before of this actor, + 1; 0: none */
    uint32_t names[3]; /* object, part, field: hold references; 0 beyond the depth */
} crdt_remove_record;

typedef struct crdt_remove_log {
    crdt_context *context;
    crdt_remove_record *ring;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t first;    /* sequence of the oldest record held */
    uint32_t count;
    uint32_t *newest; /* by actor number - 1: sequence of its newest, + 1; 0: none */
    uint64_t *floors; /* by actor number - 1 */
    size_t actor_capacity;
    size_t bytes;
} crdt_remove_log;

void crdt_remove_log_init(crdt_remove_log *log, crdt_context *context);
void crdt_remove_log_deinit(crdt_remove_log *log);

/* Room for `records` more, and for actors up to number `actor_count`.
 * Errors: CRDT_ENOMEM, CRDT_ELIMIT; `log` as before. */
crdt_err crdt_remove_log_reserve(crdt_remove_log *log, size_t records,
                                 size_t actor_count);
/* Append; the dot must be its actor's highest here. `names`: object, part, field, 0 beyond
 * the depth; references are taken. There must be room. */
void crdt_remove_log_append(crdt_remove_log *log, crdt_dot dot,
                            const uint32_t names[3]);
/* Forget the oldest until at most `bytes` remain. */
void crdt_remove_log_trim(crdt_remove_log *log, size_t bytes);
/* Raise the floor of an actor. There must be room for its number. */
void crdt_remove_log_raise_floor(crdt_remove_log *log, uint16_t actor, uint64_t time);

uint64_t crdt_remove_log_floor(const crdt_remove_log *log, uint16_t actor);
/* Walk an actor's records from the newest to the oldest held: *cursor starts as
 * crdt_remove_log_newest; NULL at the end. */
uint32_t crdt_remove_log_newest(const crdt_remove_log *log, uint16_t actor);
const crdt_remove_record *crdt_remove_log_older(const crdt_remove_log *log,
                                                uint32_t *cursor);
/* The key of a record; spans are borrowed from the names. */
crdt_key crdt_remove_log_key(const crdt_remove_log *log,
                             const crdt_remove_record *record);

/* Deep test of the invariants, for tests. */
bool crdt_remove_log_check(const crdt_remove_log *log);

#endif /* CRDT_REMOVE_LOG_H */
