#ifndef SCENE_NAME_SET_H
#define SCENE_NAME_SET_H

/* Names to come back to: each once, in the order they came.
 *
 * Memory: copies in an arena, kept warm over a clear. */

#include "scene/id_map.h"

typedef struct scene_name_set {
    crdt_arena bytes;
    scene_id_map map;
    crdt_span *names;
    size_t count;
    size_t capacity;
} scene_name_set;

void scene_name_set_init(scene_name_set *set, crdt_alloc alloc);
void scene_name_set_deinit(scene_name_set *set);
void scene_name_set_clear(scene_name_set *set);
bool scene_name_set_has(const scene_name_set *set, crdt_span name);
/* Add a copy, unless it is there. Errors: CRDT_ENOMEM; the set as before. */
crdt_err scene_name_set_add(scene_name_set *set, crdt_span name);

#endif /* SCENE_NAME_SET_H */
