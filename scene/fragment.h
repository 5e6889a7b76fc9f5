#ifndef SCENE_FRAGMENT_H
#define SCENE_FRAGMENT_H

/* What a snapshot (scene/materialize.h) lists among its conflicts of one object.
 *
 * Two texts, one after the other in `text`; mostly there is neither:
 *
 *   repair      {"entity":...,"kind":"cycle",...}      or nothing
 *   conflicts   {...},{...}                            or nothing
 */

#include "crdt/document.h"
#include "scene/tree.h"

#define SCENE_FRAGMENT_CONFLICTS_MAX 100u /* listed of one object */

typedef struct scene_fragment {
    crdt_buf text;
    size_t repair_size;
    uint32_t conflict_count;    /* listed */
    uint32_t conflict_left_out; /* beyond the limit */
} scene_fragment;

void scene_fragment_init(scene_fragment *fragment, crdt_alloc alloc);
void scene_fragment_deinit(scene_fragment *fragment);

crdt_span scene_fragment_repair(const scene_fragment *fragment);
crdt_span scene_fragment_conflicts(const scene_fragment *fragment);

/* Make it anew. `place`: what the tree shows of the object, NULL where it is no live
 * entity. O(what lies below the object). Errors: CRDT_ENOMEM: the fragment is empty. */
crdt_err scene_fragment_make(scene_fragment *fragment, const crdt_document *doc,
                             crdt_object object, const scene_place *place);

/* The list of what is wrong with all objects, while it is written: first the repairs of
 * all, then the conflicts of all. The first failure sticks. */
typedef struct scene_fragment_list {
    crdt_buf *out;
    crdt_err err;
    bool begun;
    uint64_t listed;
    uint64_t left_out;
} scene_fragment_list;

scene_fragment_list scene_fragment_list_open(crdt_buf *out);
/* Its repair, or (`conflicts`) its conflicts: all or none of them. */
void scene_fragment_list_put(scene_fragment_list *list, const scene_fragment *fragment,
                             bool conflicts);
/* Tell how many were left out. Errors: CRDT_ENOMEM. */
crdt_err scene_fragment_list_end(scene_fragment_list *list);

#endif /* SCENE_FRAGMENT_H */
