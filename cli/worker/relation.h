#ifndef CLI_WORKER_RELATION_H
#define CLI_WORKER_RELATION_H

/* How what a store holds relates to a file that is deployed, or to an edition that lives:
 * by what each says it comes from (scene/descent.h). Pure. */

#include "scene/descent.h"

typedef enum worker_relation {
    WORKER_RELATION_SAME,  /* one lineage */
    WORKER_RELATION_AHEAD, /* ours holds all that it was saved from: go on */
    WORKER_RELATION_BEHIND, /* it descends from ours, and ours does not hold all: rebase */
    WORKER_RELATION_UNRELATED, /* neither descends from the other */
} worker_relation;

typedef struct worker_relation_side {
    crdt_actor lineage;
    const crdt_version *version; /* ours alone */
    const scene_descent *descent;
} worker_relation_side;

/* `theirs` is a file: what would be loaded now. */
worker_relation worker_relation_to_file(const worker_relation_side *ours,
                                        const worker_relation_side *theirs);
/* `theirs` is being edited. One that descends from ours is BEHIND whatever ours holds: the
 * living lineage is the one to be on. AHEAD: it descends into ours, and will come over. */
worker_relation worker_relation_to_living(const worker_relation_side *ours,
                                          const worker_relation_side *theirs);

/* Was `a` saved later than `b`: does it hold all that `b` was saved from, and not the
 * other way round? Of two that say nothing neither. */
bool worker_relation_newer(const worker_relation_side *a,
                           const worker_relation_side *b);

#endif /* CLI_WORKER_RELATION_H */
