#ifndef SCENE_FRAGMENT_H
#define SCENE_FRAGMENT_H

/* The part of a snapshot (scene/materialize.h) that one object of the document makes.
 *
 * Three texts, one after the other in `text`:
 *
 *   repair      {"entity":...,"kind":"cycle",...}      or nothing
 *   conflicts   {...},{...}                            or nothing
 *   entity      {"components":[...],"id":...}          or nothing: no live entity
 */

#include "scene/export.h"

#define SCENE_FRAGMENT_CONFLICTS_MAX 100u /* listed of one object */

typedef struct scene_fragment {
    crdt_buf text;
    size_t repair_size;
    size_t conflicts_size;
    uint32_t conflict_count;    /* listed */
    uint32_t conflict_left_out; /* beyond the limit */
} scene_fragment;

void scene_fragment_init(scene_fragment *fragment, crdt_alloc alloc);
void scene_fragment_deinit(scene_fragment *fragment);

crdt_span scene_fragment_repair(const scene_fragment *fragment);
crdt_span scene_fragment_conflicts(const scene_fragment *fragment);
crdt_span scene_fragment_entity(const scene_fragment *fragment);

/* Make it anew. `export`: one of states (scene_format_state_entity). `place`: what the
 * tree shows of the object, NULL where it is no live entity. O(what lies below the
 * object). Errors: CRDT_ENOMEM: the fragment is empty. */
crdt_err scene_fragment_make(scene_fragment *fragment, scene_export *export,
                             crdt_object object, const scene_place *place);

#endif /* SCENE_FRAGMENT_H */
