#ifndef CRDT_NAMES_H
#define CRDT_NAMES_H

/* Interned names: bytes <-> small numbers, counted by reference.
 *
 * Every name is held once. Its number is valid as long as somebody holds a reference, and
 * is used again afterwards: names that nobody uses cost nothing. Any bytes are a name, the
 * empty name too. Number 0 is none.
 *
 * Memory: bytes from `slab` (borrowed, outlives the names), tables from its allocator. */

#include "crdt/buf.h"
#include "crdt/pool.h"
#include "crdt/slab.h"

typedef struct crdt_name_cell {
    uint32_t id; /* 0: free */
    uint32_t hash;
    uint32_t slot; /* that of the name, so that both can be asked for at once */
} crdt_name_cell;

/* Names asked for by crdt_names_find_common, where they were last. */
#define CRDT_NAMES_COMMON 64u

typedef struct crdt_names {
    crdt_slab *slab;
    crdt_pool pool;
    crdt_name_cell *table; /* open addressing, linear probing */
    size_t table_size;
    uint64_t seed;
    uint32_t common[CRDT_NAMES_COMMON];
} crdt_names;

void crdt_names_init(crdt_names *names, crdt_slab *slab, uint64_t seed);
void crdt_names_deinit(crdt_names *names);

/* The number of a name with one more reference; a new one is copied.
 * Errors: CRDT_ENOMEM, CRDT_ELIMIT; `names` as before. */
crdt_err crdt_names_intern(crdt_names *names, crdt_span name, uint32_t *id);
/* The number of a name, no reference taken; 0 where it is not held. */
uint32_t crdt_names_find(const crdt_names *names, crdt_span name);
/* As crdt_names_find, faster for the few names that are asked for again and again. */
uint32_t crdt_names_find_common(crdt_names *names, crdt_span name);

/* crdt_names_find in steps, for many names at once. Each step asks for the memory that the
 * next one reads: `hash` = seek; prefetch(hash); find_hashed(name, hash). The slot that
 * prefetch gives is mostly, but not surely, that of the name; 0: none. */
uint32_t crdt_names_seek(const crdt_names *names, crdt_span name);
uint32_t crdt_names_prefetch(const crdt_names *names, uint32_t hash);
uint32_t crdt_names_find_hashed(const crdt_names *names, crdt_span name, uint32_t hash);

/* Is this the name of a number that is held? */
bool crdt_names_equal(const crdt_names *names, uint32_t id, crdt_span name);

/* One more reference; id 0 is allowed in both. */
void crdt_names_hold(crdt_names *names, uint32_t id);
void crdt_names_release(crdt_names *names, uint32_t id);
/* The bytes, borrowed as long as a reference is held; id 0 gives the empty span. */
crdt_span crdt_names_get(const crdt_names *names, uint32_t id);
/* crdt_digest_name of a name that is held. */
uint64_t crdt_names_hash(const crdt_names *names, uint32_t id);
/* One number that whoever uses the names keeps with a name; 0 at first, and gone with the
 * name. The document keeps the slot of the object so named. */
uint32_t crdt_names_slot(const crdt_names *names, uint32_t id);
void crdt_names_set_slot(crdt_names *names, uint32_t id, uint32_t slot);
/* Names held. */
uint32_t crdt_names_count(const crdt_names *names);

/* Bring the record of a name into the cache. */
static inline void crdt_names_prefetch_name(const crdt_names *names, uint32_t id)
{
    __builtin_prefetch(crdt_pool_at(&names->pool, id));
}

#endif /* CRDT_NAMES_H */
