#include "crdt/throng.h"

#include "crdt/dot_store.h"

#include <assert.h>
#include <string.h>

#define THRONG_MIN 16u /* entries that a walk may pass before there is a throng */
#define THRONG_FEW 8u  /* it goes when no more are left */
#define CELLS_MIN 8u

static crdt_slot *at(const crdt_dot_store *store, uint32_t slot)
{
    return crdt_dot_store_at(store, slot);
}

static int compare(const crdt_dot_store *store, uint32_t entry, crdt_dot dot)
{
    return crdt_actors_compare(&store->context->actors, at(store, entry)->dot, dot);
}

/* ---- the table of throngs ---- */

static size_t home_of(const crdt_dot_store *store, uint32_t key)
{
    uint64_t hash = (key ^ store->context->hash_seed) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 32) & (store->throngs.size - 1);
}

/* The cell of the key, or the free one where it belongs. */
static crdt_throng *probe(const crdt_dot_store *store, uint32_t key)
{
    const crdt_throngs *throngs = &store->throngs;
    size_t cell = home_of(store, key);
    while (throngs->cells[cell].key != 0 && throngs->cells[cell].key != key) {
        cell = (cell + 1) & (throngs->size - 1);
    }
    return &throngs->cells[cell];
}

static crdt_throng *find_throng(const crdt_dot_store *store, uint32_t key)
{
    if (store->throngs.count == 0) {
        return NULL;
    }
    crdt_throng *throng = probe(store, key);
    return throng->key == key ? throng : NULL;
}

static bool reserve_cell(crdt_dot_store *store)
{
    crdt_throngs old = store->throngs;
    if (old.count < old.size / 4 * 3) {
        return true;
    }
    size_t size = old.size == 0 ? CELLS_MIN : old.size * 2;
    crdt_alloc alloc = store->context->alloc;
    crdt_throng *cells = crdt_resize_array(alloc, NULL, 0, size, sizeof *cells);
    if (cells == NULL) {
        return false;
    }
    memset(cells, 0, size * sizeof *cells);
    store->throngs = (crdt_throngs){.cells = cells, .size = size, .count = old.count};
    for (size_t i = 0; i < old.size; i++) {
        if (old.cells[i].key != 0) {
            *probe(store, old.cells[i].key) = old.cells[i];
        }
    }
    crdt_free(alloc, old.cells, old.size * sizeof *old.cells);
    return true;
}

static void free_entries(crdt_dot_store *store, const crdt_throng *throng)
{
    crdt_free(store->context->alloc, throng->entries,
              throng->capacity * sizeof *throng->entries);
}

/* Empty the cell and move up those behind it that would no longer be found. */
static void forget_throng(crdt_dot_store *store, crdt_throng *throng)
{
    crdt_throngs *throngs = &store->throngs;
    size_t mask = throngs->size - 1;
    size_t hole = (size_t)(throng - throngs->cells);
    free_entries(store, throng);
    for (size_t next = (hole + 1) & mask; throngs->cells[next].key != 0;
         next = (next + 1) & mask) {
        size_t home = home_of(store, throngs->cells[next].key);
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            throngs->cells[hole] = throngs->cells[next];
            hole = next;
        }
    }
    throngs->cells[hole] = (crdt_throng){0};
    throngs->count--;
}

void crdt_throngs_deinit(crdt_dot_store *store)
{
    for (size_t i = 0; i < store->throngs.size; i++) {
        free_entries(store, &store->throngs.cells[i]);
    }
    crdt_free(store->context->alloc, store->throngs.cells,
              store->throngs.size * sizeof *store->throngs.cells);
    store->throngs = (crdt_throngs){0};
}

/* ---- one throng ---- */

static bool reserve_entry(crdt_dot_store *store, crdt_throng *throng, size_t count)
{
    if (count <= throng->capacity) {
        return true;
    }
    size_t capacity = count + count / 2;
    uint32_t *entries = crdt_resize_array(store->context->alloc, throng->entries,
                                          throng->capacity, capacity, sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    throng->entries = entries;
    throng->capacity = (uint32_t)capacity;
    return true;
}

/* A throng of what is linked behind the key now, if there is memory for it. */
static void make_throng(crdt_dot_store *store, uint32_t key)
{
    size_t count = 0;
    for (uint32_t id = crdt_slot_lower(at(store, key)); id != 0;
         id = crdt_slot_lower(at(store, id))) {
        count++;
    }
    crdt_throng throng = {.key = key, .count = (uint32_t)count};
    if (!reserve_cell(store) || !reserve_entry(store, &throng, count)) {
        return;
    }
    for (uint32_t id = crdt_slot_lower(at(store, key)); id != 0;
         id = crdt_slot_lower(at(store, id))) {
        throng.entries[--count] = id;
    }
    *probe(store, key) = throng;
    store->throngs.count++;
}

/* How many of the throng are below the stamp. */
static size_t count_below(const crdt_dot_store *store, const crdt_throng *throng,
                          crdt_dot dot)
{
    size_t low = 0;
    size_t high = throng->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(store, throng->entries[middle], dot) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static size_t count_before(const crdt_dot_store *store, const crdt_throng *throng,
                           uint64_t time)
{
    size_t low = 0;
    size_t high = throng->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (crdt_dot_time(at(store, throng->entries[middle])->dot) < time) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- looking ---- */

uint32_t crdt_throng_above(crdt_dot_store *store, uint32_t key, crdt_dot dot)
{
    if (at(store, key)->dot == 0 || compare(store, key, dot) <= 0) {
        return 0;
    }
    const crdt_throng *throng = find_throng(store, key);
    if (throng != NULL) {
        size_t above = count_below(store, throng, dot);
        bool is_there =
            above < throng->count && at(store, throng->entries[above])->dot == dot;
        above += is_there ? 1 : 0;
        return above < throng->count ? throng->entries[above] : key;
    }
    uint32_t above = key;
    size_t passed = 0;
    for (uint32_t id = crdt_slot_lower(at(store, key));
         id != 0 && compare(store, id, dot) > 0; id = crdt_slot_lower(at(store, id))) {
        above = id;
        passed++;
    }
    if (passed > THRONG_MIN) {
        make_throng(store, key);
    }
    return above;
}

uint32_t crdt_throng_before(crdt_dot_store *store, uint32_t key, uint64_t time)
{
    if (at(store, key)->dot == 0 || crdt_dot_time(at(store, key)->dot) < time) {
        return at(store, key)->dot == 0 ? 0 : key;
    }
    const crdt_throng *throng = find_throng(store, key);
    if (throng != NULL) {
        size_t before = count_before(store, throng, time);
        return before > 0 ? throng->entries[before - 1] : 0;
    }
    size_t passed = 0;
    uint32_t id = crdt_slot_lower(at(store, key));
    while (id != 0 && crdt_dot_time(at(store, id)->dot) >= time) {
        id = crdt_slot_lower(at(store, id));
        passed++;
    }
    if (passed > THRONG_MIN) {
        make_throng(store, key);
    }
    return id;
}

uint32_t crdt_throng_find(const crdt_dot_store *store, uint32_t key, crdt_dot dot)
{
    const crdt_throng *throng = find_throng(store, key);
    if (throng != NULL && at(store, key)->dot != dot) {
        size_t index = count_below(store, throng, dot);
        bool is_there =
            index < throng->count && at(store, throng->entries[index])->dot == dot;
        return is_there ? throng->entries[index] : 0;
    }
    uint32_t id = key;
    while (id != 0 && at(store, id)->dot != dot) {
        id = crdt_slot_lower(at(store, id));
    }
    return id;
}

/* ---- changing ---- */

void crdt_throng_insert(crdt_dot_store *store, uint32_t key, uint32_t entry)
{
    crdt_throng *throng = find_throng(store, key);
    if (throng == NULL) {
        return;
    }
    if (!reserve_entry(store, throng, (size_t)throng->count + 1)) {
        forget_throng(store, throng);
        return;
    }
    size_t index = count_below(store, throng, at(store, entry)->dot);
    memmove(&throng->entries[index + 1], &throng->entries[index],
            (throng->count - index) * sizeof *throng->entries);
    throng->entries[index] = entry;
    throng->count++;
}

void crdt_throng_remove(crdt_dot_store *store, uint32_t key, uint32_t entry)
{
    crdt_throng *throng = find_throng(store, key);
    if (throng == NULL) {
        return;
    }
    size_t index = count_below(store, throng, at(store, entry)->dot);
    assert(index < throng->count && throng->entries[index] == entry);
    memmove(&throng->entries[index], &throng->entries[index + 1],
            (throng->count - index - 1) * sizeof *throng->entries);
    throng->count--;
    if (throng->count <= THRONG_FEW) {
        forget_throng(store, throng);
    }
}

/* ---- check ---- */

bool crdt_throngs_check(const crdt_dot_store *store)
{
    size_t count = 0;
    for (size_t i = 0; i < store->throngs.size; i++) {
        const crdt_throng *throng = &store->throngs.cells[i];
        if (throng->key == 0) {
            continue;
        }
        size_t left = throng->count;
        uint32_t id = crdt_slot_lower(at(store, throng->key));
        while (id != 0 && left > 0 && throng->entries[left - 1] == id) {
            id = crdt_slot_lower(at(store, id));
            left--;
        }
        if (id != 0 || left != 0 || find_throng(store, throng->key) != throng) {
            return false;
        }
        count++;
    }
    return count == store->throngs.count;
}
