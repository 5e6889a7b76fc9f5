#ifndef CRDT_TRAIL_H
#define CRDT_TRAIL_H

/* The trail of an actor: where its entries lie, by ascending time, and for whom it wrote.
 *
 *   slots    5 9 5 7 ... 5 | 3 9 8 ...      blocks of 64, only appended to
 *   times    12            | 80             of each block: no entry in it is older
 *   persons  12 "ann", 90 "bob"             from this time on
 *
 * A block says: those of these slots that hold an entry of the actor with a time of this
 * block. Whoever overwrites an entry leaves the trail alone: the slot then holds another
 * dot. The trail is rewritten without such slots when they are many: so a write costs an
 * append, and what is held stays O(entries). "All above this time" is a walk over the
 * blocks from the end: O(writes above it), at most O(entries).
 *
 * Memory: from the allocator of the context. Names of persons hold references. */

#include "crdt/context.h"
#include "crdt/slot.h"

#define CRDT_TRAIL_BLOCK 64u

typedef struct crdt_trail_person {
    uint64_t time;
    uint32_t name; /* 0: none */
} crdt_trail_person;

typedef struct crdt_trail {
    uint32_t *slots;
    uint64_t *times;
    crdt_trail_person *persons;
    uint32_t count;
    uint32_t capacity;
    uint32_t entry_count; /* held now */
    uint32_t promised;    /* appends that were reserved and not made yet */
    uint32_t person_count;
    uint32_t person_capacity;
    bool has_moved; /* an entry, since the trail was rewritten */
} crdt_trail;

/* Whose trail, through which slots. */
typedef struct crdt_trail_of {
    crdt_context *context;
    const crdt_slots *slots;
    uint16_t actor;
} crdt_trail_of;

/* An entry that a block names. */
typedef struct crdt_trail_entry {
    crdt_dot dot;
    uint32_t slot;
} crdt_trail_entry;

void crdt_trail_deinit(crdt_trail *trail, crdt_context *context);

/* Room for `count` appends that change the person at most `person_count` times.
 * Errors: CRDT_ENOMEM, CRDT_ELIMIT; the entries as before. */
crdt_err crdt_trail_reserve(crdt_trail *trail, const crdt_trail_of *of, size_t count,
                            size_t person_count);
/* An entry of this time, the highest yet, is in `slot`. There must be room. */
void crdt_trail_append(crdt_trail *trail, const crdt_trail_of *of, uint64_t time,
                       uint32_t slot, uint32_t person);
/* The same for all entries of an empty trail, all of one person: `count` slots, in the order
 * of time, were written to trail->slots. There must be room. */
void crdt_trail_fill(crdt_trail *trail, const crdt_trail_of *of, size_t count,
                     uint32_t person);
/* The entry of this time moves from one slot to another, which both are no others'. */
void crdt_trail_move(crdt_trail *trail, uint64_t time, uint32_t from, uint32_t to);
/* An entry is gone from this slot. */
void crdt_trail_forget(crdt_trail *trail, const crdt_trail_of *of, uint32_t slot);

/* The person at a time; 0: none. O(log persons). */
uint32_t crdt_trail_person_at(const crdt_trail *trail, uint64_t time);

static inline size_t crdt_trail_block_count(const crdt_trail *trail)
{
    return (trail->count + CRDT_TRAIL_BLOCK - 1) / CRDT_TRAIL_BLOCK;
}

/* The entries of a block by ascending time; their number. */
size_t crdt_trail_block(const crdt_trail *trail, const crdt_trail_of *of, size_t block,
                        crdt_trail_entry entries[CRDT_TRAIL_BLOCK]);

/* Deep test of the invariants, for tests. */
bool crdt_trail_check(const crdt_trail *trail, const crdt_trail_of *of);

#endif /* CRDT_TRAIL_H */
