#ifndef TESTS_SCENE_WORLD_H
#define TESTS_SCENE_WORLD_H

/* A few replicas of one scene without a network: what tests of scenes edit, bring
 * together and look at. Values are JSON text; each call is one transaction, unless between
 * world_begin and world_end. Whatever cannot fail in a test is asserted here. */

#include "crdt/batch.h"
#include "crdt/history.h"
#include "scene/edit.h"
#include "scene/materialize.h"
#include "scene/undo.h"

#define WORLD_REPLICAS_MAX 4

typedef struct world_bytes {
    uint8_t *data;
    size_t size;
} world_bytes;

typedef struct world_list {
    world_bytes *items;
    size_t count;
    size_t capacity;
} world_list;

typedef struct world_replica {
    crdt_document *doc;
    crdt_actor actor;
    const char *who;
    const char *step; /* of its edits from now on; NULL: none */
    uint64_t wall_ms; /* its clock; 0: it has none */
    crdt_history *history;
    world_list records; /* oldest first */
    scene_snapshot *snapshot;
    crdt_op_list ops;
    scene_edit edit;
    bool in_group;
    bool *received; /* of the batches: applied here */
    size_t received_capacity;
    /* What the last undo or redo left alone. */
    scene_undo_skip skips[32];
    size_t skip_count;
    char undone_step[CRDT_STEP_SIZE_MAX + 1];
    crdt_arena skip_names;
} world_replica;

typedef struct world {
    size_t count;
    world_replica replicas[WORLD_REPLICAS_MAX];
    world_list batches; /* in an order that is causal */
    char *texts[16];    /* what was handed out last */
    size_t next_text;
} world;

void world_open(world *w, size_t count);
void world_close(world *w);

/* Each replica gets every batch that there is. */
void world_sync(world *w);
/* Replica `to` applies batch `index` if it can; false if it lacks what comes before. */
bool world_deliver(world *w, size_t to, size_t index);
/* All that `from` holds goes to `to` as a catch-up answer. */
void world_answer(world *w, size_t from, size_t to);

void world_begin(world *w, size_t r);
crdt_err world_end(world *w, size_t r);
/* Commit what is in the replica's list as made for this reason; `target` may be NULL. */
crdt_err world_commit(world *w, size_t r, crdt_origin origin, const crdt_stamp *target);

crdt_err world_add(world *w, size_t r, const char *entity, const char *parent);
crdt_err world_remove(world *w, size_t r, const char *entity);
crdt_err world_move(world *w, size_t r, const char *entity, const char *parent);
crdt_err world_set(world *w, size_t r, const char *entity, const char *component,
                   const char *json);
crdt_err world_set_field(world *w, size_t r, const char *entity, const char *component,
                         const char *field, const char *json);
crdt_err world_unset(world *w, size_t r, const char *entity, const char *component,
                     const char *field);
crdt_err world_remove_component(world *w, size_t r, const char *entity,
                                const char *component);
/* An operation past the editor: names with FF, broken trees. `json` NULL: no SET. */
void world_raw(world *w, size_t r, crdt_op_kind kind, const char *object,
               const char *part, const char *field, const char *json);

crdt_err world_undo(world *w, size_t r);
crdt_err world_redo(world *w, size_t r);
/* Of what was undone or redone last; "" where it had none. */
const char *world_step(const world *w, size_t r);
bool world_skipped(const world *w, size_t r, const char *object, const char *part,
                   const char *field, scene_undo_reason reason);

/* The JSON of a field, a component ("-" where there is none), the whole snapshot. Valid
 * for the next dozen calls. */
const char *world_get(world *w, size_t r, const char *entity, const char *component,
                      const char *field);
const char *world_component(world *w, size_t r, const char *entity,
                            const char *component);
const char *world_json(world *w, size_t r);
/* Where the entity is shown: "parent", "(root)", "parent's id?" with a repair's name as
 * "(cycle b)", "(orphan b)"; "-" where it does not live. */
const char *world_place(world *w, size_t r, const char *entity);

/* Same version, digest and snapshot everywhere; snapshots as if made anew. */
void world_assert_equal(world *w);

#endif /* TESTS_SCENE_WORLD_H */
