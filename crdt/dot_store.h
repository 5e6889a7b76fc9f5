#ifndef CRDT_DOT_STORE_H
#define CRDT_DOT_STORE_H

/* A causal dot store: keys that hold entries, each entry under the dot that wrote it. What
 * or_set (entries without values) and lww_map (entries with values) are made of.
 *
 *   key (owner, name)  slot -- lower --> slot -- lower --> slot
 *                      highest stamp     lower             lowest
 *
 *   group of an owner: slot, slot, slot           the keys, one slot each
 *   trail of an actor: slot, slot, slot           the entries, by ascending time
 *
 * A key is a name under an owner (any number of the caller's below 2^29); the keys of one
 * owner form a group (dot_group.h), whose head the caller keeps. A small group is searched
 * by a walk, a large one through a hash table. The highest entry of a key lies in the key's
 * own slot, others, which exist only while writes are concurrent, in slots of their own
 * behind it. The slot of a key keeps its number as long as the key exists; it may exist
 * without an entry (dot 0), until the caller drops it.
 *
 * Entries of one actor must be inserted in ascending order of time, so "all of this actor
 * above this time" is a walk from the end of its trail (trail.h).
 *
 * Source: Almeida, Shoker, Baquero, "Delta State Replicated Data Types" (2018). */

#include "crdt/dot_group.h"
#include "crdt/throng.h"
#include "crdt/trail.h"

/* A cell of the hash table. The hash tells most cells of other keys without a look at
 * their slots, which lie all over memory. */
typedef struct crdt_dot_cell {
    uint32_t slot; /* 0: free */
    uint32_t hash;
} crdt_dot_cell;

typedef struct crdt_dot_store {
    crdt_context *context;
    crdt_slots own; /* where no others are shared */
    crdt_slots *slots;
    bool has_values; /* entries have payloads: its slots are of kinds 1 and above */
    crdt_dot_cell *table; /* open addressing, linear probing */
    size_t table_size;
    uint32_t key_count;
    uint32_t hashed_count; /* keys in the table: those of large groups */
    bool by_name; /* keys of owner 0 are found through their names (crdt_names_slot):
                   * one store of a context may be so */
    crdt_key_lists lists; /* of large groups */
    crdt_trail *trails;   /* by actor number - 1 */
    size_t actor_capacity;
    crdt_throngs throngs; /* of keys with many entries */
} crdt_dot_store;

/* `slots`: shared by a store with values and one without, whose keys then lie side by side
 * with what they own; outlives both. NULL: slots of its own. The store must not move. */
void crdt_dot_store_init(crdt_dot_store *store, crdt_context *context,
                         crdt_slots *slots, bool has_values);
void crdt_dot_store_deinit(crdt_dot_store *store);

static inline crdt_slot *crdt_dot_store_at(const crdt_dot_store *store, uint32_t slot)
{
    return crdt_slot_at(store->slots, slot);
}

/* Walk all slots of this store, in no order of the keys: start with 0; 0 at the end. */
uint32_t crdt_dot_store_walk_all(const crdt_dot_store *store, uint32_t slot);

/* The slot of a key; 0: none. */
uint32_t crdt_dot_store_find(const crdt_dot_store *store, uint32_t owner,
                             crdt_group group, uint32_t name);
/* The slot of a key, made of this kind, without an entry, where there is none.
 * Errors: CRDT_ENOMEM, CRDT_ELIMIT; `store` as before. */
crdt_err crdt_dot_store_make(crdt_dot_store *store, uint32_t owner, crdt_group *group,
                             uint32_t name, unsigned kind, uint32_t *slot);
/* Forget a key without an entry. */
void crdt_dot_store_drop(crdt_dot_store *store, crdt_group *group, uint32_t slot);

/* How many inserts beside others' entries, by the kind of the key's slot. */
typedef struct crdt_slot_room {
    size_t counts[CRDT_SLOT_KINDS];
} crdt_slot_room;

static inline void crdt_slot_room_add(crdt_slot_room *room, const crdt_slot *key)
{
    room->counts[key->kind]++;
}

/* Room for inserts beside others' entries (NULL: none; kinds of other stores are left out),
 * and for actors up to number `actor_count`. Errors: CRDT_ENOMEM, CRDT_ELIMIT; `store` as
 * before. */
crdt_err crdt_dot_store_reserve(crdt_dot_store *store, const crdt_slot_room *room,
                                size_t actor_count);
/* Room for `count` inserts of one actor, for which there is room, that change the person at
 * most `person_count` times. Errors: CRDT_ENOMEM, CRDT_ELIMIT; `store` as before. */
crdt_err crdt_dot_store_reserve_writes(crdt_dot_store *store, uint16_t actor,
                                       size_t count, size_t person_count);
/* Add an entry to a key; its slot is returned. With values, its payload is to be written then,
 * all of it. The dot must be the actor's highest here. There must be room unless the key has
 * no entry. */
uint32_t crdt_dot_store_insert(crdt_dot_store *store, uint32_t key, crdt_dot dot,
                               uint32_t who);

/* The two halves of an insert, for whoever fills a store in the order of keys, so that what
 * is looked at together is made together: first the entries, those of one key by descending
 * stamp, then each one goes into the trail of its actor, by ascending time. Nothing else may
 * be done with the store in between. */
uint32_t crdt_dot_store_place(crdt_dot_store *store, uint32_t key, crdt_dot dot);
void crdt_dot_store_list(crdt_dot_store *store, uint32_t entry, crdt_dot dot,
                         uint32_t who);
/* The second half for all entries that an actor has in a store where it has none listed:
 * reserve as many writes, put their slots into this array by ascending time, then list. */
static inline uint32_t *crdt_dot_store_unlisted(const crdt_dot_store *store,
                                                uint16_t actor)
{
    return store->trails[actor - 1].slots;
}
void crdt_dot_store_list_all(crdt_dot_store *store, uint16_t actor, size_t count,
                             uint32_t who);
/* crdt_dot_store_make for a key that is known to be new and to come after the
 * `group_size` keys of its group: nothing is searched. */
crdt_err crdt_dot_store_append(crdt_dot_store *store, uint32_t owner, crdt_group *group,
                               size_t group_size, uint32_t name, unsigned kind,
                               uint32_t *slot);

/* The only entry of a key becomes one of a newer dot; its payload stays. As remove and
 * insert. */
void crdt_dot_store_renew(crdt_dot_store *store, uint32_t key, crdt_dot dot,
                          uint32_t who);
/* The same in three steps, for whoever renews many: the old entries leave, but for their
 * payloads; new ones enter; and are listed, as those that were placed. */
void crdt_dot_store_leave(crdt_dot_store *store, uint32_t key);
void crdt_dot_store_enter(crdt_dot_store *store, uint32_t key, crdt_dot dot);
/* Drop the entry in slot `entry` of a key; what its payload refers to is the caller's to
 * free before. Afterwards `entry` may hold the next lower entry: if it is the key's own
 * slot. Returns the slot to go on with in a walk from the highest to the lowest. */
uint32_t crdt_dot_store_remove(crdt_dot_store *store, uint32_t key, uint32_t entry);
/* The slot of the highest entry of the key from before `time`, to go on with in such a
 * walk; 0: none. O(log n). */
static inline uint32_t crdt_dot_store_before(crdt_dot_store *store, uint32_t key,
                                             uint64_t time)
{
    return crdt_throng_before(store, key, time);
}
/* The name of the person who wrote the entry; 0: none. */
static inline uint32_t crdt_dot_store_who(const crdt_dot_store *store,
                                          const crdt_slot *slot)
{
    return crdt_trail_person_at(&store->trails[crdt_dot_actor(slot->dot) - 1],
                                crdt_dot_time(slot->dot));
}
/* The slot of the key that the entry in `entry` belongs to. */
uint32_t crdt_dot_store_key(const crdt_dot_store *store, uint32_t entry);

/* The first key of a group, 0: empty; further ones by crdt_dot_store_next, in byte order of
 * their names. Sorts where needed: O(n log n) once after inserts out of order. */
static inline uint32_t crdt_dot_store_first(const crdt_dot_store *store,
                                            crdt_group *group)
{
    if ((*group & CRDT_GROUP_UNSORTED) != 0) {
        crdt_dot_group_sort(store, group);
    }
    return crdt_dot_group_any(store, *group);
}
/* The key after `slot` in its group; 0 at the end. */
static inline uint32_t crdt_dot_store_next(const crdt_dot_store *store,
                                           crdt_group group, uint32_t slot)
{
    const crdt_slot *key = crdt_dot_store_at(store, slot);
    return key->has_lower || (group & CRDT_GROUP_LARGE) != 0
               ? crdt_dot_group_next(store, group, slot)
               : key->next;
}

/* A walk through the entries of one actor above a time, from the newest to the oldest. */
typedef struct crdt_dot_walk {
    const crdt_dot_store *store;
    uint16_t actor;
    uint64_t since;
    size_t block_count; /* still to be looked at */
    size_t entry_count; /* of the block at hand, still to be told */
    crdt_trail_entry entries[CRDT_TRAIL_BLOCK];
} crdt_dot_walk;

/* Any actor number. */
void crdt_dot_walk_init(crdt_dot_walk *walk, const crdt_dot_store *store,
                        uint16_t actor, uint64_t since);
/* The next entry's slot; 0 at the end. The store must not change in between. */
uint32_t crdt_dot_walk_next(crdt_dot_walk *walk);

/* Bring into the cache what a look at a slot, which may follow, will touch; and what lies
 * behind it: what was made after a key is mostly below it. */
static inline void crdt_dot_store_prefetch(const crdt_dot_store *store, uint32_t slot)
{
    const uint8_t *at = (const uint8_t *)crdt_dot_store_at(store, slot);
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
}

/* The same for a look through a group. */
void crdt_dot_store_prefetch_group(const crdt_dot_store *store, crdt_group group);

/* Deep test of the invariants, for tests: table, lists, order, counts. */
bool crdt_dot_store_check(const crdt_dot_store *store);

#endif /* CRDT_DOT_STORE_H */
