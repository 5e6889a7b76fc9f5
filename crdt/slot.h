#ifndef CRDT_SLOT_H
#define CRDT_SLOT_H

/* A record of a dot store: a key with its highest entry, or a further entry of a key.
 *
 *   key's slot  next --> first sibling  next --> sibling  next --> 0
 *                        name: what the key's next would be
 *
 * Slots and names are numbers below 2^30; flags share their words. */

#include "crdt/actors.h"
#include "crdt/pool.h"

/* 20 bytes, then the payload. */
typedef struct crdt_slot {
    crdt_dot dot;            /* 0: no entry */
    uint32_t owner : 30;     /* of a sibling: the slot of its key */
    uint32_t is_sibling : 1; /* not the slot of a key */
    uint32_t has_lower : 1;  /* `next` is the entry with the next lower stamp */
    uint32_t name : 30;      /* of a key; holds a reference */
    uint32_t pinned : 1;     /* the key must stay for now */
    uint32_t watched : 1;    /* the key: look again at the end of the change */
    uint32_t next : 30;      /* of a key: its link in the group (dot_group.h) */
    uint32_t kept : 1;       /* the entry: the other side of a join has it too */
    uint32_t arrived : 1;    /* the entry: a join brought it */
    uint32_t payload[];
} crdt_slot;

#define CRDT_SLOT_SIZE 20u

static inline crdt_slot *crdt_slot_at(const crdt_pool *pool, uint32_t id)
{
    return crdt_pool_at(pool, id);
}

/* Given back to the pool, which fills it with ones: no number is that high. */
static inline bool crdt_slot_is_free(const crdt_slot *slot)
{
    return slot->name == (1u << 30) - 1;
}

/* The slot of the entry of the same key with the next lower stamp; 0: none. */
static inline uint32_t crdt_slot_lower(const crdt_slot *slot)
{
    return slot->has_lower ? slot->next : 0;
}

#endif /* CRDT_SLOT_H */
