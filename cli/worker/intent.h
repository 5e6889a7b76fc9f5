#ifndef CLI_WORKER_INTENT_H
#define CLI_WORKER_INTENT_H

/* What one person wants within one tick: gathered in the thread of the sockets, done in
 * the node's thread as one batch, answered when it is on disk.
 *
 *      events ──▶ intents (the last value per field wins) ──▶ operations
 *         └─────────── answers ◀── err of each intent ◀─────────┘
 *
 * All are of one step (or of none): an event of another one begins another batch.
 *
 * The intents of one event form a group: if one is refused, the rest of the group is left
 * out. An intent that is refused takes no other event with it.
 *
 * Memory: copies in one arena, freed with the batch. */

#include "cli/worker/event.h"
#include "cli/worker/undone.h"
#include "scene/edit.h"

typedef enum worker_intent_kind {
    WORKER_INTENT_ADD,    /* the entity, if it is not there */
    WORKER_INTENT_REMOVE, /* the entity, if it is there */
    WORKER_INTENT_FIELDS, /* fields of a component */
    WORKER_INTENT_WHOLE,  /* a component whose value is no object */
    WORKER_INTENT_REMOVE_PART,
    WORKER_INTENT_PROJECT, /* fields of the project (FF scene); alone in its batch */
    WORKER_INTENT_UNDO,    /* alone in its batch */
    WORKER_INTENT_REDO,
    WORKER_INTENT_RESTORE, /* the entity, as it was; alone in its batch */
    WORKER_INTENT_DISMISS, /* conflicts of `entity`; alone in its batch */
} worker_intent_kind;

/* One field to be set or unset. */
typedef struct worker_intent_field {
    crdt_span name;
    crdt_span value; /* canonical; data NULL: unset */
    bool has_seen;
    crdt_stamp seen;
    crdt_span mine; /* what the same renderer wrote there last; data NULL: nothing */
} worker_intent_field;

typedef struct worker_intent {
    worker_intent_kind kind;
    crdt_span entity;
    crdt_span part;
    bool entity_expected; /* the renderer was shown the entity: it must be there */
    bool expected;        /* likewise the component */
    crdt_span value; /* WHOLE; FIELDS of one that is not expected: its whole value */
    bool has_seen;   /* of REMOVE and REMOVE_PART; fields have their own */
    crdt_stamp seen;
    worker_intent_field *fields;
    size_t field_count;
    size_t field_capacity;
    crdt_span field; /* DISMISS: of this field; empty: of any */
    bool has_stamp;  /* DISMISS: of this write that does not show */
    crdt_stamp stamp;
    bool places;  /* it may move the entity in the tree: not merged with others */
    size_t group; /* the first intent of its event */
    crdt_err err; /* what became of it */
    char reason[160];
} worker_intent;

/* Who waits for which intents. */
typedef struct worker_await {
    crdt_span id; /* JSON text; empty: told only if it is refused */
    size_t first;
    size_t count;
} worker_await;

/* An edit that replaced or removed something newer than its author had seen. */
typedef struct worker_clash {
    bool removed; /* it took that away altogether */
    crdt_span entity;
    crdt_span part;
    crdt_span field;
    crdt_span value; /* what was replaced */
    crdt_span author;
    crdt_stamp stamp;
} worker_clash;
#define WORKER_CLASHES_MAX 64 /* told of one batch */

typedef struct worker_batch {
    struct worker_batch *next; /* of those gathered and not yet taken */
    crdt_alloc alloc;
    crdt_arena arena;
    uint64_t number; /* among the batches of its session */
    crdt_span who;
    crdt_span step; /* of all its intents; empty: none */
    worker_intent *intents;
    size_t intent_count;
    size_t intent_capacity;
    worker_await *awaits;
    size_t await_count;
    size_t await_capacity;
    worker_clash *clashes; /* in the arena; NULL: there are none */
    size_t clash_count;
    worker_undone undone; /* of an undo or redo: what became of it */
    bool alone;           /* no more intents may join */
} worker_batch;

/* NULL: no memory. */
worker_batch *worker_batch_open(crdt_alloc alloc, crdt_span who, crdt_span step,
                                uint64_t number);
void worker_batch_close(worker_batch *batch);

/* A copy in the arena. Data NULL: no memory (or nothing to copy). */
crdt_span worker_batch_copy(worker_batch *batch, crdt_span bytes);
/* One more intent, zeroed but for kind, group and copies of the names; NULL: no memory. */
worker_intent *worker_batch_add(worker_batch *batch, worker_intent_kind kind,
                                crdt_span entity, crdt_span part);
/* The intent that fields of this component may join: FIELDS of the same component, with
 * nothing after it that concerns the entity as a whole. NULL: none. */
worker_intent *worker_batch_find(worker_batch *batch, crdt_span entity, crdt_span part);
/* Set or replace a field of the intent; the last value wins. Errors: CRDT_ENOMEM. */
crdt_err worker_batch_put(worker_batch *batch, worker_intent *intent,
                          const worker_intent_field *field);
/* `id` (may be empty) is answered for intents `first` to the last one but `count`.
 * Errors: CRDT_ENOMEM. */
crdt_err worker_batch_await(worker_batch *batch, crdt_span id, size_t first,
                            size_t count);
/* Is it an undo or a redo? */
bool worker_batch_is_undo(const worker_batch *batch);
bool worker_batch_is_dismissal(const worker_batch *batch);
/* Bytes of memory. */
size_t worker_batch_size(const worker_batch *batch);

/* In the node's thread: turn all intents but UNDO, REDO, RESTORE into operations; each one's
 * `err` says whether it was taken. `doc` is the document as it is.
 * Errors: CRDT_ENOMEM. */
crdt_err worker_batch_apply(worker_batch *batch, const crdt_document *doc,
                            crdt_op_list *ops);

#endif /* CLI_WORKER_INTENT_H */
