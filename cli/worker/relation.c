#include "cli/worker/relation.h"

/* Does `side` hold all of `lineage` up to `version`? */
static bool holds(const worker_relation_side *side, const scene_descent_row *row)
{
    const crdt_version *held =
        side->version != NULL && crdt_actor_equal(&side->lineage, &row->lineage)
            ? side->version
            : scene_descent_find(side->descent, &row->lineage);
    return held != NULL && crdt_version_includes(held, &row->version);
}

/* Does `side` hold all that `other` was saved from? */
static bool holds_origin(const worker_relation_side *side,
                         const worker_relation_side *other)
{
    return other->descent->row_count > 0 && holds(side, &other->descent->rows[0]);
}

worker_relation worker_relation_to_file(const worker_relation_side *ours,
                                        const worker_relation_side *theirs)
{
    if (crdt_actor_equal(&ours->lineage, &theirs->lineage)) {
        return WORKER_RELATION_SAME;
    }
    if (holds_origin(ours, theirs)) {
        return WORKER_RELATION_AHEAD;
    }
    if (scene_descent_find(theirs->descent, &ours->lineage) != NULL) {
        return WORKER_RELATION_BEHIND;
    }
    return scene_descent_find(ours->descent, &theirs->lineage) != NULL
               ? WORKER_RELATION_AHEAD
               : WORKER_RELATION_UNRELATED;
}

worker_relation worker_relation_to_living(const worker_relation_side *ours,
                                          const worker_relation_side *theirs)
{
    if (crdt_actor_equal(&ours->lineage, &theirs->lineage)) {
        return WORKER_RELATION_SAME;
    }
    if (scene_descent_find(theirs->descent, &ours->lineage) != NULL) {
        return WORKER_RELATION_BEHIND;
    }
    return scene_descent_find(ours->descent, &theirs->lineage) != NULL
               ? WORKER_RELATION_AHEAD
               : WORKER_RELATION_UNRELATED;
}

bool worker_relation_newer(const worker_relation_side *a, const worker_relation_side *b)
{
    return holds_origin(a, b) && !holds_origin(b, a);
}
