#ifndef SCENE_SHARE_USES_H
#define SCENE_SHARE_USES_H

/* Which entities show fields of which shared objects: whoever shares with a changed object
 * has changed too.
 *
 * Entities are numbers of the caller's, who keeps the head of each one's list of uses
 * (SCENE_ID_NONE: none). A use is linked in the lists of its entity and of its object.
 *
 * Memory: from `alloc`, 20 bytes a use, and the names of the objects. */

#include "scene/id_map.h"

typedef struct scene_share_use {
    uint32_t entity;
    uint32_t share;
    uint32_t next_of_entity;
    uint32_t previous_of_share;
    uint32_t next_of_share;
} scene_share_use;

/* The name of a shared object (there or not), and who shows fields of it. */
typedef struct scene_share {
    crdt_span object; /* owned; data NULL: free, first_use the next free one */
    uint32_t first_use;
} scene_share;

typedef struct scene_share_uses {
    crdt_alloc alloc;
    scene_share_use *uses;
    size_t use_count;
    size_t use_capacity;
    uint32_t free_use;
    scene_share *shares;
    size_t share_count;
    size_t share_capacity;
    uint32_t free_share;
    scene_id_map map;
} scene_share_uses;

void scene_share_uses_init(scene_share_uses *uses, crdt_alloc alloc);
void scene_share_uses_deinit(scene_share_uses *uses);
/* Forget all; the heads that the caller keeps are void. */
void scene_share_uses_clear(scene_share_uses *uses);

/* The entity shows fields of the object. `first`: the head of its list.
 * Errors: CRDT_ENOMEM; all as before. */
crdt_err scene_share_uses_add(scene_share_uses *uses, uint32_t *first, uint32_t entity,
                              crdt_span object);
/* Forget what an entity uses. */
void scene_share_uses_drop(scene_share_uses *uses, uint32_t *first);

/* Step through the entities that use an object: the first use, then the next;
 * SCENE_ID_NONE at the end. */
uint32_t scene_share_uses_find(const scene_share_uses *uses, crdt_span object);
static inline uint32_t scene_share_uses_next(const scene_share_uses *uses, uint32_t use)
{
    return uses->uses[use].next_of_share;
}

#endif /* SCENE_SHARE_USES_H */
