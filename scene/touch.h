#ifndef SCENE_TOUCH_H
#define SCENE_TOUCH_H

/* What a transaction did, key by key: what it left there, and what had shown before it.
 *
 * A transaction is one batch, or several of one step (a drag is many). Of several, a key's
 * story is followed from the newest batch to the oldest:
 *
 *      a1 sets x: 0 -> 1        a2 sets x: 1 -> 2        x was 0, is 2
 *      a1 sets x: 0 -> 1        a2 sets x: 5 -> 2        x was 5: somebody wrote it between
 *
 * as long as each batch found there what the one before it had left. Where it did not,
 * somebody else was there between, and what was theirs is what had been before. So is a
 * value that had lost against the step and was cleared away by a later batch of it, and all
 * of a thing that the step made and took away again, if others had put something into it.
 * To undo the whole is then never less to others than to undo batch by batch. */

#include "crdt/history.h"

#define SCENE_TOUCH_NO_OP SIZE_MAX

struct scene_invert_who;

/* All that the transaction did to one key. */
typedef struct scene_touch {
    crdt_key key;
    size_t last_op; /* the last one on this very key, SCENE_TOUCH_NO_OP: none */
    const crdt_history_drop *former; /* what lived or showed before; NULL: nothing */
    bool moves;  /* for scene/invert.c: turning it round changes what the entity says of
                  * its parent */
    bool cyclic; /* and would hang it below itself: it is left alone */
} scene_touch;

/* An operation of the transaction, and when it was made. */
typedef struct scene_touch_op {
    const crdt_op *op;
    crdt_stamp stamp;
} scene_touch_op;

typedef struct scene_touches {
    scene_touch *items; /* in key order */
    size_t count;
    const scene_touch_op *ops; /* by index, oldest first */
    uint64_t first_time;       /* of the first of them */
} scene_touches;

/* `records`: of one transaction, newest first. All comes from `arena`, and borrows from the
 * records. O(n log n) in their operations and drops. Errors: CRDT_ENOMEM. */
crdt_err scene_touches_collect(scene_touches *touches,
                               const crdt_history_record *const *records, size_t count,
                               const struct scene_invert_who *who, crdt_arena *arena);

/* One past the touches at or below the key of `first`. */
size_t scene_touches_end(const scene_touches *touches, size_t first);

#endif /* SCENE_TOUCH_H */
