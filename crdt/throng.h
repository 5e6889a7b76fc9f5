#ifndef CRDT_THRONG_H
#define CRDT_THRONG_H

/* An index over the entries of a key that many have written at once.
 *
 * The entries of a key are linked from the highest stamp to the lowest (dot_store.h). Where
 * there are more than a few, a throng has their slots in an array, so that the place of a
 * stamp is found by bisection and not by a walk:
 *
 *   key's slot -- sibling --> 31 -- sibling --> 12 -- sibling --> 47
 *   throng                    [47, 12, 31]       by ascending stamp
 *
 * A throng is a cache and never has to be: it comes when a walk was long, stays away where
 * there is no memory, and goes when few entries are left. So nothing here fails.
 *
 * Memory: 4 bytes an entry, and slack, from the store's allocator. */

#include "crdt/actors.h"

struct crdt_dot_store;

typedef struct crdt_throng {
    uint32_t key; /* its slot; 0: a free cell */
    uint32_t count;
    uint32_t capacity;
    uint32_t *entries; /* by ascending stamp; all but the one in the key's slot */
} crdt_throng;

typedef struct crdt_throngs {
    crdt_throng *cells; /* open addressing, linear probing */
    size_t size;        /* a power of two, or 0 */
    size_t count;
} crdt_throngs;

void crdt_throngs_deinit(struct crdt_dot_store *store);

/* The slot of the lowest entry of `key` that is above `dot`: the one behind which it stands
 * or belongs. 0: none is above, or there are none. */
uint32_t crdt_throng_above(struct crdt_dot_store *store, uint32_t key, crdt_dot dot);
/* The slot of the highest entry before `time`; 0: none. */
uint32_t crdt_throng_before(struct crdt_dot_store *store, uint32_t key, uint64_t time);
/* The slot of the entry `dot`; 0: there is none. Leaves the throngs as they are. */
uint32_t crdt_throng_find(const struct crdt_dot_store *store, uint32_t key,
                          crdt_dot dot);

/* To be told of every change of a key with more than one entry. After the entry in slot
 * `entry`, which is not the key's, was linked. */
void crdt_throng_insert(struct crdt_dot_store *store, uint32_t key, uint32_t entry);
/* Before the entry leaves that slot: it is dropped, or moves into the key's. */
void crdt_throng_remove(struct crdt_dot_store *store, uint32_t key, uint32_t entry);

/* Does each throng have the entries of its key? For tests. */
bool crdt_throngs_check(const struct crdt_dot_store *store);

#endif /* CRDT_THRONG_H */
