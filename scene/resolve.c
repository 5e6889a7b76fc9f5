#include "scene/resolve.h"

#include "crdt/mutant.h"

#include <assert.h>

const char *scene_repair_name(scene_repair repair)
{
    switch (repair) {
    case SCENE_REPAIR_CYCLE:
        return "cycle";
    case SCENE_REPAIR_ORPHAN:
        return "orphan";
    case SCENE_REPAIR_NONE:
        break;
    }
    return "none";
}

static bool names_entity(const scene_edge *edge)
{
    return edge->parent != SCENE_RESOLVE_ROOT && edge->parent != SCENE_RESOLVE_MISSING;
}

/* The entity of the cycle through `start` whose edge has the greatest stamp. */
static uint32_t newest_of_cycle(const scene_edge *edges, uint32_t start)
{
    uint32_t newest = start;
    for (uint32_t at = edges[start].parent; at != start; at = edges[at].parent) {
        int order = crdt_stamp_compare(&edges[at].stamp, &edges[newest].stamp);
        if ((order > 0) != MUTANT(406) || (order == 0 && at > newest)) {
            newest = at;
        }
    }
    return newest;
}

size_t scene_resolve(const scene_edge *edges, size_t count, scene_repair *repairs,
                     uint32_t *mark)
{
    assert(count < SCENE_RESOLVE_MISSING);
    size_t repair_count = 0;
    for (size_t i = 0; i < count; i++) {
        assert(edges[i].parent >= SCENE_RESOLVE_MISSING || edges[i].parent < count);
        bool orphan = edges[i].parent == SCENE_RESOLVE_MISSING;
        repairs[i] = orphan && !MUTANT(405) ? SCENE_REPAIR_ORPHAN : SCENE_REPAIR_NONE;
        repair_count += orphan;
        mark[i] = 0;
    }

    /* Each walk marks what it meets with its own number, and stops at the first entity
     * that is marked: by an earlier walk, the rest is known; by this one, a cycle.
     * Every entity is marked once, and each cycle is met by one walk only: O(count). */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t walk = i + 1;
        uint32_t at = i;
        while (mark[at] == 0 && names_entity(&edges[at])) {
            mark[at] = walk;
            at = edges[at].parent;
        }
        if (mark[at] == walk) {
            repairs[newest_of_cycle(edges, at)] = SCENE_REPAIR_CYCLE;
            repair_count++;
        }
        if (mark[at] == 0) {
            mark[at] = walk; /* the end of a chain */
        }
    }
    return repair_count;
}
