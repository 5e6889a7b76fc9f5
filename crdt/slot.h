#ifndef CRDT_SLOT_H
#define CRDT_SLOT_H

/* A record of a dot store: a key with its first entry, or a further entry of a key. What
 * the fields mean: dot_store.h. */

#include "crdt/actors.h"
#include "crdt/pool.h"

/* 32 bytes, then the payload of the entry. */
typedef struct crdt_slot {
    crdt_dot dot; /* 0: no entry */
    uint32_t owner;
    uint32_t name; /* holds a reference */
    uint32_t next; /* in the group, 0 at the end; of a sibling: unused */
    uint32_t
        prev; /* in the group, the head's is the tail; of a sibling: the key's slot */
    uint32_t sibling; /* entry with the next lower stamp, 0 at the end */
    uint32_t value_size : 25;
    uint32_t is_sibling : 1; /* not the slot of a key */
    uint32_t pinned : 1;     /* the key must stay for now */
    uint32_t watched : 1;    /* the key: look again at the end of the change */
    uint32_t kept : 1;       /* the entry: the other side of a join has it too */
    uint32_t arrived : 1;    /* the entry: a join brought it */
    uint32_t payload[];
} crdt_slot;

#define CRDT_SLOT_SIZE 32u

static inline crdt_slot *crdt_slot_at(const crdt_pool *pool, uint32_t id)
{
    return crdt_pool_at(pool, id);
}

/* Given back to the pool, which fills it with ones. */
static inline bool crdt_slot_is_free(const crdt_slot *slot)
{
    return slot->name == UINT32_MAX;
}

/* The slot of the entry of the same key with the next lower stamp; 0: none. */
static inline uint32_t crdt_slot_lower(const crdt_slot *slot)
{
    return slot->sibling;
}

#endif /* CRDT_SLOT_H */
