#ifndef CRDT_LWW_MAP_H
#define CRDT_LWW_MAP_H

/* A map of registers; the last writer wins, concurrent losers stay to be seen.
 *
 * A field holds siblings: the values of writes that had not seen each other, each under
 * its stamp. It shows the one with the highest stamp. A write drops the siblings that its
 * author had seen, so there is one sibling except while writes are concurrent.
 *
 *   set(f, v, seen)    drop seen siblings of f; hold v at a new stamp
 *   unset(f, seen)     drop seen siblings of f
 *   merge              per sibling: keep what both hold, what one holds and the other has
 *                      never known
 *
 * Fields are names under an owner (a document's parts; 0 for a map by itself).
 *
 * Memory: slots of 32 to 48 bytes a sibling, 4 to 8 in the trail of its actor, and about 17 a
 * field of a large map; values of at most 24 bytes lie in the slot, others in the
 * context's slab. Names and actors are the context's. Failed calls leave the map as it was. Threads: no locking.
 * Source: Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated
 * Data Types" (2011); as a causal dot store: Almeida et al. (2018). */

#include "crdt/dot_store.h"

typedef struct crdt_lww_map {
    crdt_dot_store store;
    crdt_group root; /* fields of owner 0 */
} crdt_lww_map;

/* `context` outlives the map, and so do `slots`, which may be shared with a set; NULL: slots
 * of its own. The map must not move. */
void crdt_lww_map_init(crdt_lww_map *map, crdt_context *context, crdt_slots *slots);
void crdt_lww_map_deinit(crdt_lww_map *map);

/* ---- a map by itself: fields of owner 0 ---- */

/* Write as `actor`, who has seen all that is here; the operation's stamp goes to `stamp`
 * (may be NULL). Errors: CRDT_ENOMEM, CRDT_ELIMIT. */
crdt_err crdt_lww_map_set(crdt_lww_map *map, crdt_span field, crdt_span value,
                          const crdt_actor *actor, crdt_stamp *stamp);
/* Drop what is here of the field. False: there was nothing. */
bool crdt_lww_map_unset(crdt_lww_map *map, crdt_span field);
/* The shown value, borrowed until the next change; false: none. */
bool crdt_lww_map_get(const crdt_lww_map *map, crdt_span field, crdt_span *value);
/* Sibling `index`, highest stamp first; false where there is none. */
bool crdt_lww_map_sibling(const crdt_lww_map *map, crdt_span field, size_t index,
                          crdt_stamp *stamp, crdt_span *value);
/* Walk the fields in byte order: *cursor starts at 0. False at the end. */
bool crdt_lww_map_next(crdt_lww_map *map, uint32_t *cursor, crdt_span *field);
/* Join another replica of this map. `had` is what this replica knew before the contexts
 * were merged: copy the version, crdt_context_merge, then merge every container. O(both).
 * Errors: CRDT_ENOMEM, CRDT_ELIMIT. */
crdt_err crdt_lww_map_merge(crdt_lww_map *map, const crdt_lww_map *other,
                            const crdt_version *had);

/* ---- for owners that keep groups of fields: by slots ---- */

/* The kind of slot for a field whose first value has this size: values of up to 8, 16, 24
 * bytes lie in it; others in a block, as do those that come later and do not fit. */
static inline unsigned crdt_lww_map_kind(size_t value_size)
{
    return value_size <= 8 || value_size > 24 ? 1 : value_size <= 16 ? 2 : 3;
}

/* A value as a slot holds it, ready to be held; making it is the part that can fail. */
typedef struct crdt_lww_value {
    uint32_t size : 31;
    uint32_t is_block : 1;
    uint32_t words[6]; /* the bytes, or the address of their block */
} crdt_lww_value;

static inline size_t crdt_lww_inline_max(unsigned kind)
{
    return (size_t)kind * 8;
}

/* For the slot of a field. Errors: CRDT_ENOMEM. */
crdt_err crdt_lww_value_make(crdt_context *context, const crdt_slot *field,
                             crdt_span bytes, crdt_lww_value *value);
/* For one that was not inserted. */
void crdt_lww_value_free(crdt_context *context, crdt_lww_value *value);

/* Add a sibling (crdt_dot_store_insert); owns `value` from here on. */
uint32_t crdt_lww_map_insert(crdt_lww_map *map, uint32_t field, crdt_dot dot,
                             uint32_t who, const crdt_lww_value *value);
/* The same by crdt_dot_store_place: to be listed later. */
uint32_t crdt_lww_map_place(crdt_lww_map *map, uint32_t field, crdt_dot dot,
                            const crdt_lww_value *value);
/* Drop a sibling (crdt_dot_store_remove). */
uint32_t crdt_lww_map_remove(crdt_lww_map *map, uint32_t field, uint32_t entry);

/* Would a value of `size` bytes fit where the slot's value is? If so it may overwrite it. */
bool crdt_lww_map_fits(const crdt_slot *slot, size_t size);
/* A new value instead of the only sibling: as remove and insert. The one is copied to where
 * the other was, which it fits; or it is handed over. */
void crdt_lww_map_overwrite(crdt_lww_map *map, uint32_t field, crdt_dot dot,
                            uint32_t who, crdt_span bytes);
void crdt_lww_map_replace(crdt_lww_map *map, uint32_t field, crdt_dot dot, uint32_t who,
                          const crdt_lww_value *value);
/* The same after crdt_dot_store_leave; to be listed later. */
void crdt_lww_map_enter(crdt_lww_map *map, uint32_t field, crdt_dot dot,
                        const crdt_lww_value *value);
/* Ask for the memory that these will need. */
void crdt_lww_map_prefetch(const crdt_lww_map *map, uint32_t field);

static inline crdt_span crdt_lww_map_value(const crdt_slot *slot)
{
    const crdt_lww_value *value = (const crdt_lww_value *)slot->payload;
    crdt_span span = {.data = (const uint8_t *)value->words, .size = value->size};
    if (value->is_block) {
        __builtin_memcpy(&span.data, value->words, sizeof span.data);
    }
    return span;
}

#endif /* CRDT_LWW_MAP_H */
