#ifndef CRDT_SLOT_H
#define CRDT_SLOT_H

/* Slots: the records of dot stores, of four sizes, side by side.
 *
 *   chunk   [object][part][field   ][field     ][field   ][part][field  ]...
 *
 * A slot is a key with its highest entry, or a further entry of a key:
 *
 *   key's slot  next --> first sibling  next --> sibling  next --> 0
 *                        name: what the key's next would be
 *
 * Slots made together lie together, whatever their size: so a look at an object, a part and
 * its fields touches neighbouring cache lines. A slot is named by the number of the 8 bytes
 * where it begins, below 2^29, and never moves; 0 is none. Slots that were given back are
 * used again for one of the same kind, last returned first: what a number names depends on
 * the calls alone, never on addresses.
 *
 * Memory: chunks from `alloc`, all but the first freed when no slot is left. */

#include "crdt/actors.h"
#include "crdt/alloc.h"
#include "crdt/err.h"

/* 20 bytes, then the payload. */
typedef struct crdt_slot {
    crdt_dot dot;            /* 0: no entry */
    uint32_t owner : 29;     /* of a sibling: the slot of its key */
    uint32_t is_sibling : 1; /* not the slot of a key */
    uint32_t kind : 2;       /* how large it is */
    uint32_t name : 29;      /* of a key; holds a reference */
    uint32_t has_lower : 1;  /* `next` is the entry with the next lower stamp */
    uint32_t pinned : 1;     /* the key: the change at hand needs it until it is done */
    uint32_t watched : 1;    /* the key: look again at the end of the change */
    uint32_t next : 29;      /* of a key: its link in the group (dot_group.h) */
    uint32_t kept : 1;       /* the entry: the other side of a join has it too */
    uint32_t arrived : 1;    /* the entry: a join brought it */
    uint32_t payload[];
} crdt_slot;

#define CRDT_SLOT_SIZE 20u
#define CRDT_SLOT_NUMBER_MAX ((1u << 29) - 2) /* of names, too */

/* Payloads of 4, 12, 20 and 28 bytes: or_set has the first, lww_map the others. */
#define CRDT_SLOT_KINDS 4u

static inline uint32_t crdt_slot_units(unsigned kind)
{
    return 3 + kind;
}

static inline size_t crdt_slot_payload_size(unsigned kind)
{
    return (size_t)crdt_slot_units(kind) * 8 - CRDT_SLOT_SIZE;
}

#define CRDT_SLOT_CHUNK_BITS 12
#define CRDT_SLOT_CHUNK_UNITS (1u << CRDT_SLOT_CHUNK_BITS)

typedef struct crdt_slots {
    crdt_alloc alloc;
    uint64_t **chunks; /* by number / CRDT_SLOT_CHUNK_UNITS */
    uint32_t *ends;    /* units of each chunk that slots were made in */
    size_t chunk_count;
    size_t chunk_capacity;
    size_t chunk; /* the one where slots are made now */
    uint32_t count;
    struct {
        uint32_t free_first; /* linked by the first four bytes */
        uint32_t free_count;
        uint32_t promised; /* takes that were reserved and not made yet */
    } kinds[CRDT_SLOT_KINDS];
} crdt_slots;

void crdt_slots_init(crdt_slots *slots, crdt_alloc alloc);
void crdt_slots_deinit(crdt_slots *slots);

static inline crdt_slot *crdt_slot_at(const crdt_slots *slots, uint32_t number)
{
    uint64_t *chunk = slots->chunks[number >> CRDT_SLOT_CHUNK_BITS];
    return (crdt_slot *)(chunk + (number & (CRDT_SLOT_CHUNK_UNITS - 1)));
}

/* Make sure that the next `count` takes of this kind, and those reserved of others, cannot
 * fail. Errors: CRDT_ENOMEM; CRDT_ELIMIT: numbers are at their end. */
crdt_err crdt_slots_reserve(crdt_slots *slots, unsigned kind, size_t count);
/* A slot, all zero but its kind. It must have been reserved, so that a call that counts its
 * needs wrong shows itself at once. */
uint32_t crdt_slots_take(crdt_slots *slots, unsigned kind);
void crdt_slots_give(crdt_slots *slots, uint32_t number);
/* Both for one slot. Errors: CRDT_ENOMEM, CRDT_ELIMIT. */
crdt_err crdt_slots_make(crdt_slots *slots, unsigned kind, uint32_t *number);

/* Walk all slots: start with 0; 0 at the end. */
uint32_t crdt_slots_next(const crdt_slots *slots, uint32_t number);

/* Given back: all ones but for its kind and a link; no number is that high. */
static inline bool crdt_slot_is_free(const crdt_slot *slot)
{
    return slot->name == (1u << 29) - 1;
}

/* The slot of the entry of the same key with the next lower stamp; 0: none. */
static inline uint32_t crdt_slot_lower(const crdt_slot *slot)
{
    return slot->has_lower ? slot->next : 0;
}

#endif /* CRDT_SLOT_H */
