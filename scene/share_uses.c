#include "scene/share_uses.h"

#include "scene/array.h"

#define NONE SCENE_ID_NONE

static crdt_span share_object(const void *ctx, uint32_t number)
{
    const scene_share_uses *uses = ctx;
    return uses->shares[number].object;
}

void scene_share_uses_init(scene_share_uses *uses, crdt_alloc alloc)
{
    *uses = (scene_share_uses){.alloc = alloc, .free_use = NONE, .free_share = NONE};
    scene_id_map_init(&uses->map, alloc, share_object);
}

void scene_share_uses_clear(scene_share_uses *uses)
{
    for (size_t i = 0; i < uses->share_count; i++) {
        if (uses->shares[i].object.data != NULL) {
            scene_id_free(uses->alloc, &uses->shares[i].object);
        }
    }
    scene_id_map_clear(&uses->map);
    uses->use_count = 0;
    uses->free_use = NONE;
    uses->share_count = 0;
    uses->free_share = NONE;
}

void scene_share_uses_deinit(scene_share_uses *uses)
{
    scene_share_uses_clear(uses);
    scene_id_map_deinit(&uses->map);
    crdt_free(uses->alloc, uses->uses, uses->use_capacity * sizeof(scene_share_use));
    crdt_free(uses->alloc, uses->shares, uses->share_capacity * sizeof(scene_share));
    uses->uses = NULL;
    uses->use_capacity = 0;
    uses->shares = NULL;
    uses->share_capacity = 0;
}

static void drop_unused_share(scene_share_uses *uses, uint32_t number)
{
    scene_share *share = &uses->shares[number];
    if (share->first_use == NONE) {
        scene_id_map_remove(&uses->map, uses, share->object);
        scene_id_free(uses->alloc, &share->object);
        share->first_use = uses->free_share;
        uses->free_share = number;
    }
}

void scene_share_uses_drop(scene_share_uses *uses, uint32_t *first)
{
    uint32_t at = *first;
    while (at != NONE) {
        scene_share_use *use = &uses->uses[at];
        uint32_t next = use->next_of_entity;
        if (use->previous_of_share == NONE) {
            uses->shares[use->share].first_use = use->next_of_share;
        } else {
            uses->uses[use->previous_of_share].next_of_share = use->next_of_share;
        }
        if (use->next_of_share != NONE) {
            uses->uses[use->next_of_share].previous_of_share = use->previous_of_share;
        }
        drop_unused_share(uses, use->share);
        use->next_of_entity = uses->free_use;
        uses->free_use = at;
        at = next;
    }
    *first = NONE;
}

static crdt_err find_or_make_share(scene_share_uses *uses, crdt_span object,
                                   uint32_t *number)
{
    *number = scene_id_map_find(&uses->map, uses, object);
    if (*number != NONE) {
        return CRDT_OK;
    }
    scene_share *shares = scene_array_grow(uses->alloc, uses->shares, uses->share_count,
                                           &uses->share_capacity, sizeof(scene_share));
    if (shares == NULL) {
        return CRDT_ENOMEM;
    }
    uses->shares = shares;
    crdt_span copy;
    if (scene_id_map_reserve(&uses->map) != CRDT_OK ||
        scene_id_copy(uses->alloc, object, &copy) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    if (uses->free_share != NONE) {
        *number = uses->free_share;
        uses->free_share = shares[*number].first_use;
    } else {
        *number = (uint32_t)uses->share_count++;
    }
    shares[*number] = (scene_share){.object = copy, .first_use = NONE};
    scene_id_map_insert(&uses->map, copy, *number);
    return CRDT_OK;
}

crdt_err scene_share_uses_add(scene_share_uses *uses, uint32_t *first, uint32_t entity,
                              crdt_span object)
{
    scene_share_use *list =
        scene_array_grow(uses->alloc, uses->uses, uses->use_count, &uses->use_capacity,
                         sizeof(scene_share_use));
    if (list == NULL) {
        return CRDT_ENOMEM;
    }
    uses->uses = list;
    uint32_t share_number;
    crdt_err err = find_or_make_share(uses, object, &share_number);
    if (err != CRDT_OK) {
        return err;
    }
    uint32_t number = uses->free_use;
    if (number != NONE) {
        uses->free_use = list[number].next_of_entity;
    } else {
        number = (uint32_t)uses->use_count++;
    }
    scene_share *share = &uses->shares[share_number];
    list[number] = (scene_share_use){.entity = entity,
                                     .share = share_number,
                                     .next_of_entity = *first,
                                     .previous_of_share = NONE,
                                     .next_of_share = share->first_use};
    if (share->first_use != NONE) {
        list[share->first_use].previous_of_share = number;
    }
    share->first_use = number;
    *first = number;
    return CRDT_OK;
}

uint32_t scene_share_uses_find(const scene_share_uses *uses, crdt_span object)
{
    uint32_t share = scene_id_map_find(&uses->map, uses, object);
    return share == NONE ? NONE : uses->shares[share].first_use;
}
