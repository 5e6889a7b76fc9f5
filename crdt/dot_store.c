#include "crdt/dot_store.h"

#include "crdt/mutant.h"

#include <assert.h>
#include <string.h>

#define TABLE_SIZE_MIN 64u

static crdt_slot *at(const crdt_dot_store *store, uint32_t slot)
{
    return crdt_dot_store_at(store, slot);
}

void crdt_dot_store_init(crdt_dot_store *store, crdt_context *context,
                         crdt_slots *slots, bool has_values)
{
    *store = (crdt_dot_store){.context = context, .has_values = has_values};
    crdt_slots_init(&store->own, context->alloc);
    store->slots = slots != NULL ? slots : &store->own;
}

uint32_t crdt_dot_store_walk_all(const crdt_dot_store *store, uint32_t slot)
{
    do {
        slot = crdt_slots_next(store->slots, slot);
    } while (slot != 0 && (at(store, slot)->kind != 0) != store->has_values);
    return slot;
}

void crdt_dot_store_deinit(crdt_dot_store *store)
{
    crdt_alloc alloc = store->context->alloc;
    for (uint32_t id = crdt_dot_store_walk_all(store, 0); id != 0;
         id = crdt_dot_store_walk_all(store, id)) {
        if (!at(store, id)->is_sibling) {
            crdt_names_release(&store->context->names, at(store, id)->name);
        }
    }
    for (size_t i = 0; i < store->actor_capacity; i++) {
        crdt_trail_deinit(&store->trails[i], store->context);
    }
    crdt_free(alloc, store->table, store->table_size * sizeof *store->table);
    crdt_free(alloc, store->trails, store->actor_capacity * sizeof *store->trails);
    crdt_throngs_deinit(store);
    crdt_dot_group_deinit(store);
    crdt_slots_deinit(&store->own);
    *store = (crdt_dot_store){.context = store->context};
}

/* ---- keys ---- */

static uint32_t hash_of(const crdt_dot_store *store, uint32_t owner, uint32_t name)
{
    uint64_t hash = ((uint64_t)owner << 32 | name) ^ store->context->hash_seed;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(hash >> 32);
}

/* The cell of the key, or the free one where it belongs. */
static size_t probe(const crdt_dot_store *store, uint32_t owner, uint32_t name,
                    uint32_t hash)
{
    size_t mask = store->table_size - 1;
    size_t cell = hash & mask;
    for (; store->table[cell].slot != 0; cell = (cell + 1) & mask) {
        if (store->table[cell].hash == hash) {
            const crdt_slot *slot = at(store, store->table[cell].slot);
            if (slot->owner == owner && slot->name == name) {
                break;
            }
        }
    }
    return cell;
}

static crdt_err resize_table(crdt_dot_store *store, size_t size)
{
    crdt_alloc alloc = store->context->alloc;
    crdt_dot_cell *table = crdt_resize_array(alloc, NULL, 0, size, sizeof *table);
    if (table == NULL) {
        return CRDT_ENOMEM;
    }
    memset(table, 0, size * sizeof *table);
    for (size_t i = 0; i < store->table_size; i++) {
        crdt_dot_cell held = store->table[i];
        size_t cell = held.hash & (size - 1);
        while (held.slot != 0 && table[cell].slot != 0) {
            cell = (cell + 1) & (size - 1);
        }
        if (held.slot != 0) {
            table[cell] = held;
        }
    }
    crdt_free(alloc, store->table, store->table_size * sizeof *table);
    store->table = table;
    store->table_size = size;
    return CRDT_OK;
}

/* Room for `more` keys at a load of at most 3/4. */
static crdt_err reserve_cells(crdt_dot_store *store, size_t more)
{
    size_t size = store->table_size == 0 ? TABLE_SIZE_MIN : store->table_size;
    while (store->hashed_count + more > size / 4 * 3) {
        size *= 2;
    }
    return size == store->table_size ? CRDT_OK : resize_table(store, size);
}

static void put_cell(crdt_dot_store *store, uint32_t id)
{
    const crdt_slot *slot = at(store, id);
    uint32_t hash = hash_of(store, slot->owner, slot->name);
    store->table[probe(store, slot->owner, slot->name, hash)] =
        (crdt_dot_cell){.slot = id, .hash = hash};
    store->hashed_count++;
}

static bool is_by_name(const crdt_dot_store *store, uint32_t owner)
{
    return owner == 0 && store->by_name;
}

/* Keys made together lie side by side in memory: a walk through a small group is cheaper
 * than a look into a table, and the table need not hold them. */
static uint32_t walk_group(const crdt_dot_store *store, crdt_group group, uint32_t name,
                           size_t *count)
{
    uint32_t id = crdt_dot_group_any(store, group);
    for (*count = 0; id != 0 && at(store, id)->name != name; (*count)++) {
        id = crdt_dot_store_next(store, group, id);
    }
    return id;
}

static uint32_t find(const crdt_dot_store *store, uint32_t owner, crdt_group group,
                     uint32_t name, size_t *walked)
{
    *walked = 0;
    if (is_by_name(store, owner)) {
        return crdt_names_slot(&store->context->names, name);
    }
    if ((group & CRDT_GROUP_LARGE) == 0) {
        return walk_group(store, group, name, walked);
    }
    uint32_t hash = hash_of(store, owner, name);
    return store->table[probe(store, owner, name, hash)].slot;
}

uint32_t crdt_dot_store_find(const crdt_dot_store *store, uint32_t owner,
                             crdt_group group, uint32_t name)
{
    size_t walked;
    return find(store, owner, group, name, &walked);
}

/* Room for a new key of the group; a group that becomes too large to be walked moves into
 * a list and into the table. */
static crdt_err reserve_key(crdt_dot_store *store, uint32_t owner, crdt_group *group,
                            size_t walked)
{
    const bool by_name = is_by_name(store, owner);
    if ((*group & CRDT_GROUP_LARGE) != 0) {
        crdt_err err = crdt_dot_group_reserve(store, *group);
        return err == CRDT_OK && !by_name ? reserve_cells(store, 1) : err;
    }
    if (!by_name && walked < CRDT_GROUP_SMALL_MAX) {
        return CRDT_OK;
    }
    crdt_err err = by_name ? CRDT_OK : reserve_cells(store, walked + 1);
    err = err != CRDT_OK ? err : crdt_dot_group_enlarge(store, group);
    for (uint32_t id = err == CRDT_OK && !by_name ? crdt_dot_group_any(store, *group)
                                                  : 0;
         id != 0; id = crdt_dot_group_next(store, *group, id)) {
        put_cell(store, id);
    }
    return err;
}

typedef struct new_key {
    uint32_t owner;
    uint32_t name;
    unsigned kind;
    bool in_order; /* comes after all of its group */
} new_key;

static crdt_err add_key(crdt_dot_store *store, crdt_group *group, size_t group_size,
                        const new_key *key, uint32_t *id)
{
    assert(key->name != 0 && (key->kind != 0) == store->has_values);
    crdt_err err = crdt_slots_make(store->slots, key->kind, id);
    if (err != CRDT_OK) {
        return err;
    }
    err = reserve_key(store, key->owner, group, group_size);
    if (err != CRDT_OK) {
        crdt_slots_give(store->slots, *id);
        *id = 0;
        return err;
    }
    crdt_slot *slot = at(store, *id);
    slot->owner = key->owner & 0x1fffffffu;
    slot->name = key->name & 0x1fffffffu;
    crdt_names_hold(&store->context->names, key->name);
    store->key_count++;
    if (is_by_name(store, key->owner)) {
        crdt_names_set_slot(&store->context->names, key->name, *id);
    } else if ((*group & CRDT_GROUP_LARGE) != 0) {
        put_cell(store, *id);
    }
    crdt_dot_group_link(store, group, *id, key->in_order);
    return CRDT_OK;
}

crdt_err crdt_dot_store_make(crdt_dot_store *store, uint32_t owner, crdt_group *group,
                             uint32_t name, unsigned kind, uint32_t *id)
{
    size_t walked;
    *id = find(store, owner, *group, name, &walked);
    if (*id != 0) {
        return CRDT_OK;
    }
    const new_key key = {.owner = owner, .name = name, .kind = kind};
    return add_key(store, group, walked, &key, id);
}

crdt_err crdt_dot_store_append(crdt_dot_store *store, uint32_t owner, crdt_group *group,
                               size_t group_size, uint32_t name, unsigned kind,
                               uint32_t *id)
{
    const new_key key = {.owner = owner, .name = name, .kind = kind, .in_order = true};
    return add_key(store, group, group_size, &key, id);
}

/* Empty a cell and move up those behind it that would no longer be found. */
static void clear_cell(crdt_dot_store *store, size_t cell)
{
    size_t mask = store->table_size - 1;
    size_t hole = cell;
    for (size_t next = (hole + 1) & mask; store->table[next].slot != 0;
         next = (next + 1) & mask) {
        size_t home = store->table[next].hash & mask;
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            store->table[hole] = store->table[next];
            hole = next;
        }
    }
    store->table[hole].slot = 0;
}

void crdt_dot_store_drop(crdt_dot_store *store, crdt_group *group, uint32_t id)
{
    crdt_slot *slot = at(store, id);
    assert(slot->dot == 0 && !slot->has_lower && !slot->is_sibling);
    if (is_by_name(store, slot->owner)) {
        crdt_names_set_slot(&store->context->names, slot->name, 0);
    } else if ((*group & CRDT_GROUP_LARGE) != 0) {
        uint32_t hash = hash_of(store, slot->owner, slot->name);
        clear_cell(store, probe(store, slot->owner, slot->name, hash));
        store->hashed_count--;
    }
    crdt_dot_group_unlink(store, group, id);
    crdt_names_release(&store->context->names, slot->name);
    crdt_slots_give(store->slots, id);
    store->key_count--;
    if (store->hashed_count == 0) {
        crdt_free(store->context->alloc, store->table,
                  store->table_size * sizeof *store->table);
        store->table = NULL;
        store->table_size = 0;
    }
}

/* ---- entries ---- */

crdt_err crdt_dot_store_reserve(crdt_dot_store *store, const crdt_slot_room *room,
                                size_t actor_count)
{
    if (actor_count > store->actor_capacity) {
        size_t capacity = store->actor_capacity == 0 ? 8 : store->actor_capacity * 2;
        capacity = capacity < actor_count ? actor_count : capacity;
        crdt_trail *trails =
            crdt_resize_array(store->context->alloc, store->trails,
                              store->actor_capacity, capacity, sizeof *trails);
        if (trails == NULL) {
            return CRDT_ENOMEM;
        }
        memset(trails + store->actor_capacity, 0,
               (capacity - store->actor_capacity) * sizeof *trails);
        store->trails = trails;
        store->actor_capacity = capacity;
    }
    crdt_err err = CRDT_OK;
    unsigned end = store->has_values ? CRDT_SLOT_KINDS : 1;
    for (unsigned kind = store->has_values ? 1 : 0; kind < end && err == CRDT_OK;
         kind++) {
        err = crdt_slots_reserve(store->slots, kind,
                                 room == NULL ? 0 : room->counts[kind]);
    }
    return err;
}

static crdt_trail_of trail_of(const crdt_dot_store *store, uint16_t actor)
{
    return (crdt_trail_of){
        .context = store->context, .slots = store->slots, .actor = actor};
}

crdt_err crdt_dot_store_reserve_writes(crdt_dot_store *store, uint16_t actor,
                                       size_t count, size_t person_count)
{
    assert(actor <= store->actor_capacity);
    const crdt_trail_of of = trail_of(store, actor);
    return crdt_trail_reserve(&store->trails[actor - 1], &of, count, person_count);
}

static crdt_trail *trail_at(const crdt_dot_store *store, crdt_dot dot)
{
    return &store->trails[crdt_dot_actor(dot) - 1];
}

/* Without values, the payload is the key's. */
static void clear_payload(const crdt_dot_store *store, crdt_slot *slot)
{
    if (store->has_values) {
        memset(slot->payload, 0, crdt_slot_payload_size(slot->kind));
    }
}

/* Move the entry (not the key) of slot `from` to slot `to`, which holds none. */
static void move_entry(crdt_dot_store *store, uint32_t from, uint32_t to)
{
    const crdt_slot *source = at(store, from);
    crdt_slot *target = at(store, to);
    target->dot = source->dot;
    target->kept = source->kept;
    target->arrived = source->arrived;
    if (store->has_values) {
        memcpy(target->payload, source->payload, crdt_slot_payload_size(source->kind));
    }
    crdt_trail_move(trail_at(store, source->dot), crdt_dot_time(source->dot), from, to);
}

/* Put a new slot behind `above`, an entry of the key. The first sibling of a key keeps its
 * link. */
static void link_sibling(crdt_dot_store *store, uint32_t above, uint32_t id)
{
    crdt_slot *upper = at(store, above);
    crdt_slot *slot = at(store, id);
    slot->has_lower = upper->has_lower;
    slot->next = upper->has_lower ? upper->next : 0;
    if (!upper->is_sibling) {
        slot->name = upper->has_lower ? at(store, upper->next)->name : upper->next;
    }
    upper->has_lower = 1;
    upper->next = id & 0x1fffffffu;
}

/* Take the slot behind `above` out. */
static void unlink_sibling(crdt_dot_store *store, uint32_t above)
{
    crdt_slot *upper = at(store, above);
    const crdt_slot *slot = at(store, upper->next);
    const uint32_t link = slot->name;
    upper->has_lower = slot->has_lower;
    upper->next = slot->next;
    if (!upper->is_sibling && upper->has_lower) {
        at(store, upper->next)->name = link & 0x1fffffffu;
    } else if (!upper->is_sibling) {
        upper->next = link & 0x1fffffffu;
    }
}

static uint32_t lower_of(const crdt_dot_store *store, uint32_t entry)
{
    return crdt_slot_lower(at(store, entry));
}

/* The slot for a new entry of the key, linked among its siblings by stamp. */
static uint32_t place_entry(crdt_dot_store *store, uint32_t key, crdt_dot dot)
{
    const crdt_actors *actors = &store->context->actors;
    if (at(store, key)->dot == 0) {
        return key;
    }
    uint32_t id = crdt_slots_take(store->slots, at(store, key)->kind);
    at(store, id)->is_sibling = 1;
    at(store, id)->owner = key & 0x1fffffffu;
    if ((crdt_actors_compare(actors, dot, at(store, key)->dot) > 0) != MUTANT(148)) {
        move_entry(store, key, id);
        link_sibling(store, key, id);
        crdt_throng_insert(store, key, id);
        return key;
    }
    uint32_t above = crdt_throng_above(store, key, dot);
    at(store, id)->dot = dot;
    link_sibling(store, above, id);
    crdt_throng_insert(store, key, id);
    return id;
}

uint32_t crdt_dot_store_place(crdt_dot_store *store, uint32_t key, crdt_dot dot)
{
    uint32_t id = place_entry(store, key, dot);
    crdt_slot *slot = at(store, id);
    slot->dot = dot;
    slot->kept = 0;
    slot->arrived = 0;
    return id;
}

void crdt_dot_store_list(crdt_dot_store *store, uint32_t entry, crdt_dot dot,
                         uint32_t who)
{
    const crdt_trail_of of = trail_of(store, crdt_dot_actor(dot));
    crdt_trail_append(trail_at(store, dot), &of, crdt_dot_time(dot), entry, who);
}

void crdt_dot_store_list_all(crdt_dot_store *store, uint16_t actor, size_t count,
                             uint32_t who)
{
    const crdt_trail_of of = trail_of(store, actor);
    crdt_trail_fill(&store->trails[actor - 1], &of, count, who);
}

uint32_t crdt_dot_store_insert(crdt_dot_store *store, uint32_t key, crdt_dot dot,
                               uint32_t who)
{
    uint32_t id = crdt_dot_store_place(store, key, dot);
    crdt_dot_store_list(store, id, dot, who);
    return id;
}

/* An entry of this dot is gone from its slot. */
static void forget(crdt_dot_store *store, crdt_dot dot, uint32_t slot)
{
    const crdt_trail_of of = trail_of(store, crdt_dot_actor(dot));
    if (!MUTANT(149)) {
        crdt_trail_forget(trail_at(store, dot), &of, slot);
    }
}

/* Take the entry out of its slot, and what is lower up. Returns as remove does. */
static uint32_t take_out(crdt_dot_store *store, uint32_t key, uint32_t entry)
{
    uint32_t next = lower_of(store, entry);
    if (entry != key) {
        uint32_t above = crdt_throng_above(store, key, at(store, entry)->dot);
        crdt_throng_remove(store, key, entry);
        unlink_sibling(store, above);
        crdt_slots_give(store->slots, entry);
        return next;
    }
    if (next == 0) {
        crdt_slot *slot = at(store, key);
        slot->dot = 0;
        slot->kept = 0;
        slot->arrived = 0;
        clear_payload(store, slot);
        return 0;
    }
    crdt_throng_remove(store, key, next);
    move_entry(store, next, key);
    unlink_sibling(store, key);
    crdt_slots_give(store->slots, next);
    return key;
}

uint32_t crdt_dot_store_remove(crdt_dot_store *store, uint32_t key, uint32_t entry)
{
    const crdt_dot dot = at(store, entry)->dot;
    assert(dot != 0);
    uint32_t next = take_out(store, key, entry);
    forget(store, dot, entry);
    return next;
}

void crdt_dot_store_leave(crdt_dot_store *store, uint32_t key)
{
    crdt_slot *slot = at(store, key);
    const crdt_dot old = slot->dot;
    assert(old != 0 && !slot->has_lower);
    slot->dot = 0;
    forget(store, old, key);
}

void crdt_dot_store_enter(crdt_dot_store *store, uint32_t key, crdt_dot dot)
{
    crdt_slot *slot = at(store, key);
    assert(slot->dot == 0);
    slot->dot = dot;
    slot->kept = 0;
    slot->arrived = 0;
}

void crdt_dot_store_renew(crdt_dot_store *store, uint32_t key, crdt_dot dot,
                          uint32_t who)
{
    crdt_dot_store_leave(store, key);
    crdt_dot_store_enter(store, key, dot);
    crdt_dot_store_list(store, key, dot, who);
}

/* A slot often reaches into a second line. */
#define LINE_SIZE 64u

void crdt_dot_store_prefetch_group(const crdt_dot_store *store, crdt_group group)
{
    uint32_t first = crdt_dot_group_any(store, group);
    if (first != 0) {
        const uint8_t *slot = (const uint8_t *)at(store, first);
        __builtin_prefetch(slot);
        __builtin_prefetch(slot + LINE_SIZE);
        __builtin_prefetch(slot + 2 * LINE_SIZE);
    }
}

uint32_t crdt_dot_store_key(const crdt_dot_store *store, uint32_t entry)
{
    const crdt_slot *slot = at(store, entry);
    return slot->is_sibling ? slot->owner : entry;
}

void crdt_dot_walk_init(crdt_dot_walk *walk, const crdt_dot_store *store,
                        uint16_t actor, uint64_t since)
{
    walk->store = store;
    walk->actor = actor;
    walk->since = since;
    walk->block_count = 0;
    walk->entry_count = 0;
    if (actor <= store->actor_capacity) {
        walk->block_count = crdt_trail_block_count(&store->trails[actor - 1]);
    }
}

/* The last block that is left may hold what is above `since` if it ends above. */
static bool next_block(crdt_dot_walk *walk)
{
    const crdt_dot_store *store = walk->store;
    const crdt_trail *trail = &store->trails[walk->actor - 1];
    const crdt_trail_of of = trail_of(store, walk->actor);
    size_t block = walk->block_count;
    if (block < crdt_trail_block_count(trail) &&
        trail->times[block] <= walk->since + 1 + MUTANT(143)) {
        return false;
    }
    walk->block_count--;
    walk->entry_count = crdt_trail_block(trail, &of, block - 1, walk->entries);
    return true;
}

uint32_t crdt_dot_walk_next(crdt_dot_walk *walk)
{
    while (walk->entry_count == 0) {
        if (walk->block_count == 0 || !next_block(walk)) {
            return 0;
        }
    }
    const crdt_trail_entry *entry = &walk->entries[--walk->entry_count];
    if (crdt_dot_time(entry->dot) <= walk->since) {
        walk->block_count = 0;
        walk->entry_count = 0;
        return 0;
    }
    return entry->slot;
}

/* ---- check ---- */

static bool check_key(const crdt_dot_store *store, uint32_t id)
{
    const crdt_slot *slot = at(store, id);
    if (slot->dot == 0 && slot->has_lower) {
        return false;
    }
    for (uint32_t entry = id; lower_of(store, entry) != 0;
         entry = lower_of(store, entry)) {
        const crdt_slot *lower = at(store, lower_of(store, entry));
        if (!lower->is_sibling || lower->owner != id ||
            crdt_actors_compare(&store->context->actors, at(store, entry)->dot,
                                lower->dot) <= 0) {
            return false;
        }
    }
    return true;
}

/* The trail names as many entries as the actor has, none newer than what is known. */
static bool check_trail(const crdt_dot_store *store, uint16_t actor)
{
    const crdt_trail_of of = trail_of(store, actor);
    crdt_dot_walk walk;
    crdt_dot_walk_init(&walk, store, actor, 0);
    uint32_t newest = crdt_dot_walk_next(&walk);
    return crdt_trail_check(&store->trails[actor - 1], &of) &&
           (newest == 0 || crdt_dot_time(at(store, newest)->dot) <=
                               store->context->actors.times[actor - 1]);
}

/* Every cell is where its key is looked for. */
static bool check_table(const crdt_dot_store *store)
{
    size_t count = 0;
    for (size_t cell = 0; cell < store->table_size; cell++) {
        uint32_t id = store->table[cell].slot;
        if (id != 0) {
            const crdt_slot *slot = at(store, id);
            uint32_t hash = hash_of(store, slot->owner, slot->name);
            if (probe(store, slot->owner, slot->name, hash) != cell) {
                return false;
            }
            count++;
        }
    }
    return count == store->hashed_count;
}

bool crdt_dot_store_check(const crdt_dot_store *store)
{
    size_t keys = 0;
    size_t entries = 0;
    for (uint32_t id = crdt_dot_store_walk_all(store, 0); id != 0;
         id = crdt_dot_store_walk_all(store, id)) {
        const crdt_slot *slot = at(store, id);
        entries += slot->dot != 0;
        if (slot->is_sibling) {
            if (slot->dot == 0) {
                return false;
            }
            continue;
        }
        keys++;
        if (!check_key(store, id)) {
            return false;
        }
    }
    size_t listed = 0;
    for (size_t i = 0; i < store->actor_capacity; i++) {
        if (!check_trail(store, (uint16_t)(i + 1))) {
            return false;
        }
        listed += store->trails[i].entry_count;
    }
    return keys == store->key_count && entries == listed && check_table(store) &&
           crdt_throngs_check(store);
}
