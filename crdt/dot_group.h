#ifndef CRDT_DOT_GROUP_H
#define CRDT_DOT_GROUP_H

/* The keys of one owner in a dot store, in byte order of their names when asked for.
 *
 *   small, up to eight:  link of a key = the next key; 0 at the end
 *   large:               link of a key = its place in the list, from 0
 *
 *   list   [12, 15, 0, 13]     slots; 0: a key that was dropped
 *
 * A small group has no memory of its own. A large one is a list, so that a key can be
 * dropped without a search; places without a key are closed when they are many. */

#include "crdt/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crdt_dot_store;

/* What an owner keeps: the first key's slot, or the number of a list; and two bits. 0: no
 * keys. */
typedef uint32_t crdt_group;
#define CRDT_GROUP_UNSORTED 0x80000000u
#define CRDT_GROUP_LARGE 0x40000000u
#define CRDT_GROUP_SMALL_MAX 8u

typedef struct crdt_key_list {
    uint32_t *slots;
    uint32_t end; /* places in use */
    uint32_t capacity;
    uint32_t key_count; /* 0: the list is free */
    uint32_t free_next; /* number of the next free list */
} crdt_key_list;

typedef struct crdt_key_lists {
    crdt_key_list *lists; /* by number - 1 */
    uint32_t count;
    uint32_t capacity;
    uint32_t free_first;
} crdt_key_lists;

void crdt_dot_group_deinit(struct crdt_dot_store *store);

/* Room for one more key. Errors: CRDT_ENOMEM. */
crdt_err crdt_dot_group_reserve(struct crdt_dot_store *store, crdt_group group);
/* Make a group, which may be empty, large, with room for one more key; an empty one must be
 * linked to at once. Errors: CRDT_ENOMEM; the group as before. */
crdt_err crdt_dot_group_enlarge(struct crdt_dot_store *store, crdt_group *group);
/* Append a key: one that comes in order leaves the group sorted. `in_order`: it is known
 * to, and nothing is compared. There must be room. */
void crdt_dot_group_link(struct crdt_dot_store *store, crdt_group *group, uint32_t key,
                         bool in_order);
void crdt_dot_group_unlink(struct crdt_dot_store *store, crdt_group *group,
                           uint32_t key);

/* The first key in no particular order; the key after `key`; 0: none. O(1), where no keys
 * were dropped. A key may be dropped while others are still to be walked to. */
uint32_t crdt_dot_group_any(const struct crdt_dot_store *store, crdt_group group);
uint32_t crdt_dot_group_next(const struct crdt_dot_store *store, crdt_group group,
                             uint32_t key);
/* Bring the keys into byte order of their names: O(n) where a few have come since it was
 * done last, O(n log n) at worst. */
void crdt_dot_group_sort(const struct crdt_dot_store *store, crdt_group *group);

/* Is the group linked as it says, and of so many keys? For tests. */
bool crdt_dot_group_check(const struct crdt_dot_store *store, crdt_group group);

#endif /* CRDT_DOT_GROUP_H */
