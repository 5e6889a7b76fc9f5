#ifndef CRDT_OP_H
#define CRDT_OP_H

/* Keys, operations and batches as plain borrowed values.
 *
 * A document holds objects (entities) that have parts (components) that have fields. */

#include "crdt/buf.h"
#include "crdt/version.h"

/* What an operation or an event is about. Any bytes are a name, the empty name too; so
 * `depth` says what is meant, never an empty span. */
typedef enum crdt_depth { CRDT_OBJECT = 1, CRDT_PART = 2, CRDT_FIELD = 3 } crdt_depth;

typedef struct crdt_key {
    crdt_depth depth;
    crdt_span object;
    crdt_span part;  /* depth >= CRDT_PART */
    crdt_span field; /* depth == CRDT_FIELD */
} crdt_key;

static inline crdt_key crdt_key_object(crdt_span object)
{
    return (crdt_key){.depth = CRDT_OBJECT, .object = object};
}

static inline crdt_key crdt_key_part(crdt_span object, crdt_span part)
{
    return (crdt_key){.depth = CRDT_PART, .object = object, .part = part};
}

static inline crdt_key crdt_key_field(crdt_span object, crdt_span part, crdt_span field)
{
    return (crdt_key){
        .depth = CRDT_FIELD, .object = object, .part = part, .field = field};
}

bool crdt_key_equal(const crdt_key *a, const crdt_key *b);
/* By object, part, field bytes; a key before the keys below it. */
int crdt_key_compare(const crdt_key *a, const crdt_key *b);

/* What one operation does to the state; D = what its author had seen, plus what came
 * earlier in the same batch:
 *
 *   ADD     key of depth 1 or 2: drop seen dots of the key, and seen dots and values
 *           below it; the key gets this operation's stamp as a dot
 *   REMOVE  key of depth 1 or 2: drop seen dots of the key, and dots and values below
 *   SET     key of depth 3: drop seen siblings of the field; hold `value` at this stamp
 *   UNSET   key of depth 3: drop seen siblings of the field */
typedef enum crdt_op_kind {
    CRDT_OP_ADD = 0,
    CRDT_OP_REMOVE = 1,
    CRDT_OP_SET = 2,
    CRDT_OP_UNSET = 3,
} crdt_op_kind;

typedef struct crdt_op {
    crdt_op_kind kind;
    crdt_key key;
    crdt_span value; /* SET: canonical bytes (crdt_value_check) */
} crdt_op;

/* The atomic group of operations that one actor makes at once: the delta message.
 *
 * `deps` is the author's version before it (its own earlier times included). The i-th
 * operation's stamp is (1 + max(times in deps) + i, actor): computed, never written.
 * Everything is borrowed. Invariant: op_count >= 1; deps as crdt_version. */
typedef struct crdt_batch {
    crdt_actor actor;
    const crdt_stamp *deps; /* sorted by actor, as crdt_version.stamps */
    size_t dep_count;
    const crdt_op *ops;
    size_t op_count;
    crdt_span who;    /* the person, UTF-8, for blame and history; may be empty */
    uint64_t wall_ms; /* Unix time in ms, for people only, never for order; 0 unknown */
} crdt_batch;

/* Stamps of the first and the last operation. O(dep_count). */
uint64_t crdt_batch_first_time(const crdt_batch *batch);
uint64_t crdt_batch_last_time(const crdt_batch *batch);

#endif /* CRDT_OP_H */
