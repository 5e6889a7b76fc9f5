#ifndef SCENE_RESOLVE_H
#define SCENE_RESOLVE_H

/* The tree that a reader sees, as a pure function of what the state says.
 *
 * An entity's parent is a field like any other, so concurrent moves can make cycles,
 * and concurrent removes orphans. The state is never repaired; this shows it so:
 *
 *   cycle    in each cycle the edge with the greatest stamp is ignored: that entity
 *            hangs under the root (cf. ADR-153); naming oneself is a cycle of one
 *   orphan   an entity whose parent is not there hangs under the root
 *
 *            a -> b -> c -> a          the edge of b is the newest:
 *            ^                         b under the root, a under b, c under a;
 *            d                         d stays where it is, under a
 *
 * An entity names at most one parent, so the cycles are disjoint and a component has at
 * most one: breaking one edge of each leaves a forest. All replicas hold the same
 * stamps, so all break the same edge.
 *
 * No recursion, no allocation: one pass over arrays, O(count). */

#include "crdt/stamp.h"

#include <stddef.h>

#define SCENE_RESOLVE_ROOT UINT32_MAX           /* names no parent */
#define SCENE_RESOLVE_MISSING (UINT32_MAX - 1u) /* names one that is not there */

typedef enum scene_repair {
    SCENE_REPAIR_NONE = 0,
    SCENE_REPAIR_CYCLE,  /* its edge is ignored, it closes a cycle */
    SCENE_REPAIR_ORPHAN, /* its parent is not there */
} scene_repair;

/* "cycle", "orphan"; "none". Never NULL. */
const char *scene_repair_name(scene_repair repair);

/* What one entity says: the index of its parent, SCENE_RESOLVE_ROOT or _MISSING, and
 * the stamp of the field that says so (of no meaning at the root). */
typedef struct scene_edge {
    uint32_t parent;
    crdt_stamp stamp;
} scene_edge;

/* Fill `repairs[i]` for each of `count` edges: with anything but SCENE_REPAIR_NONE the
 * entity is shown under the root, else under edges[i].parent. Equal stamps in one cycle
 * (no document has them) are settled by the greater index. `mark` is scratch of `count`
 * entries. Returns the number of repairs. */
size_t scene_resolve(const scene_edge *edges, size_t count, scene_repair *repairs,
                     uint32_t *mark);

#endif /* SCENE_RESOLVE_H */
