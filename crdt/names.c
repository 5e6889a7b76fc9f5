#include "crdt/names.h"

#include "crdt/digest.h"

#include <assert.h>
#include <string.h>

#define TABLE_SIZE_MIN 64u

#define INLINE_MAX 16u

/* A name is mostly found in as many cells behind its own, which may be in the next line. */
#define CELLS_AHEAD 4u

/* Short names lie in the record: one cache line less to look at. */
typedef struct name {
    uint64_t
        digest_hash; /* crdt_digest_name; unlike that of the table without a seed */
    uint32_t references;
    uint32_t slot;
    uint32_t hash;
    uint32_t size;
    union {
        uint8_t bytes[INLINE_MAX];
        uint8_t *block; /* size > INLINE_MAX */
    } at;
} name;

static name *at(const crdt_names *names, uint32_t id)
{
    return crdt_pool_at(&names->pool, id);
}

static crdt_span bytes_of(const name *held)
{
    const uint8_t *data = held->size > INLINE_MAX ? held->at.block : held->at.bytes;
    return (crdt_span){.data = data, .size = held->size};
}

static void free_bytes(crdt_names *names, name *held)
{
    if (held->size > INLINE_MAX) {
        crdt_slab_free(names->slab, held->at.block, held->size);
    }
}

void crdt_names_init(crdt_names *names, crdt_slab *slab, uint64_t seed)
{
    *names = (crdt_names){.slab = slab, .seed = seed};
    crdt_pool_init(&names->pool, slab->alloc, sizeof(name));
}

void crdt_names_deinit(crdt_names *names)
{
    for (size_t i = 0; i < names->table_size; i++) {
        if (names->table[i].id != 0) {
            free_bytes(names, at(names, names->table[i].id));
        }
    }
    crdt_free(names->slab->alloc, names->table,
              names->table_size * sizeof *names->table);
    crdt_pool_deinit(&names->pool);
    crdt_names_init(names, names->slab, names->seed);
}

/* The cell that holds `bytes`, or the free cell where it belongs. */
static size_t probe(const crdt_names *names, crdt_span bytes, uint32_t hash)
{
    size_t mask = names->table_size - 1;
    size_t cell = hash & mask;
    for (; names->table[cell].id != 0; cell = (cell + 1) & mask) {
        if (names->table[cell].hash == hash) {
            if (crdt_span_equal(bytes_of(at(names, names->table[cell].id)), bytes)) {
                break;
            }
        }
    }
    return cell;
}

static crdt_err resize_table(crdt_names *names, size_t size)
{
    crdt_name_cell *table =
        crdt_resize_array(names->slab->alloc, NULL, 0, size, sizeof *table);
    if (table == NULL) {
        return CRDT_ENOMEM;
    }
    memset(table, 0, size * sizeof *table);
    for (size_t i = 0; i < names->table_size; i++) {
        crdt_name_cell held = names->table[i];
        size_t cell = held.hash & (size - 1);
        while (held.id != 0 && table[cell].id != 0) {
            cell = (cell + 1) & (size - 1);
        }
        if (held.id != 0) {
            table[cell] = held;
        }
    }
    crdt_free(names->slab->alloc, names->table, names->table_size * sizeof *table);
    names->table = table;
    names->table_size = size;
    return CRDT_OK;
}

/* Room for one more name at a load of at most 7/8: a cell is told from others by its hash, and
 * those looked at lie side by side. */
static crdt_err reserve(crdt_names *names)
{
    if ((crdt_names_count(names) + 1u) > names->table_size / 8 * 7) {
        size_t size = names->table_size == 0 ? TABLE_SIZE_MIN : names->table_size * 2;
        crdt_err err = resize_table(names, size);
        if (err != CRDT_OK) {
            return err;
        }
    }
    return crdt_pool_reserve(&names->pool, 1);
}

crdt_err crdt_names_intern(crdt_names *names, crdt_span bytes, uint32_t *id)
{
    uint32_t hash = (uint32_t)crdt_hash64(bytes, names->seed);
    const size_t table_size = names->table_size;
    size_t cell = table_size > 0 ? probe(names, bytes, hash) : 0;
    if (table_size > 0 && names->table[cell].id != 0) {
        *id = names->table[cell].id;
        at(names, *id)->references++;
        return CRDT_OK;
    }
    if (bytes.size > UINT32_MAX) {
        return CRDT_ELIMIT;
    }
    crdt_err err = reserve(names);
    if (err != CRDT_OK) {
        return err;
    }
    if (names->table_size != table_size) {
        cell = probe(names, bytes, hash);
    }
    name made = {.digest_hash = crdt_digest_name(bytes),
                 .references = 1,
                 .hash = hash,
                 .size = (uint32_t)bytes.size};
    uint8_t *copy = made.at.bytes;
    if (bytes.size > INLINE_MAX) {
        copy = crdt_slab_alloc(names->slab, bytes.size);
        if (copy == NULL) {
            return CRDT_ENOMEM;
        }
        made.at.block = copy;
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    *id = crdt_pool_take(&names->pool);
    *at(names, *id) = made;
    names->table[cell] = (crdt_name_cell){.id = *id, .hash = hash};
    return CRDT_OK;
}

uint32_t crdt_names_seek(const crdt_names *names, crdt_span bytes)
{
    uint32_t hash = (uint32_t)crdt_hash64(bytes, names->seed);
    if (names->table_size > 0) {
        const size_t mask = names->table_size - 1;
        __builtin_prefetch(&names->table[hash & mask]);
        __builtin_prefetch(&names->table[(hash + CELLS_AHEAD) & mask]);
    }
    return hash;
}

uint32_t crdt_names_prefetch(const crdt_names *names, uint32_t hash)
{
    size_t mask = names->table_size - 1;
    if (names->table_size > 0) {
        for (size_t cell = hash & mask; names->table[cell].id != 0;
             cell = (cell + 1) & mask) {
            if (names->table[cell].hash == hash) {
                __builtin_prefetch(at(names, names->table[cell].id));
                return names->table[cell].slot;
            }
        }
    }
    return 0;
}

uint32_t crdt_names_find_hashed(const crdt_names *names, crdt_span bytes, uint32_t hash)
{
    return names->table_size == 0 ? 0 : names->table[probe(names, bytes, hash)].id;
}

uint32_t crdt_names_find(const crdt_names *names, crdt_span bytes)
{
    return crdt_names_find_hashed(names, bytes,
                                  (uint32_t)crdt_hash64(bytes, names->seed));
}

/* Where a name is kept among the common ones: told by its size and its ends, which tells all
 * those apart that nearly every entity has. */
static uint32_t *common_of(crdt_names *names, crdt_span bytes)
{
    size_t place = 3 * bytes.size;
    if (bytes.size > 0) {
        place += 5u * bytes.data[0] + 17u * bytes.data[bytes.size - 1];
    }
    return &names->common[place % CRDT_NAMES_COMMON];
}

bool crdt_names_equal(const crdt_names *names, uint32_t id, crdt_span bytes)
{
    return crdt_span_equal(bytes_of(at(names, id)), bytes);
}

uint32_t crdt_names_find_common(crdt_names *names, crdt_span bytes)
{
    uint32_t *common = common_of(names, bytes);
    if (*common == 0 || !crdt_span_equal(bytes_of(at(names, *common)), bytes)) {
        uint32_t id = crdt_names_find(names, bytes);
        if (id == 0) {
            return 0;
        }
        *common = id;
    }
    return *common;
}

void crdt_names_hold(crdt_names *names, uint32_t id)
{
    if (id != 0) {
        at(names, id)->references++;
    }
}

/* Empty a cell and move up those behind it that would no longer be found (no tombstones:
 * a table that names come and go in stays as fast as a fresh one). */
static void clear_cell(crdt_names *names, size_t cell)
{
    size_t mask = names->table_size - 1;
    size_t hole = cell;
    for (size_t next = (hole + 1) & mask; names->table[next].id != 0;
         next = (next + 1) & mask) {
        size_t home = names->table[next].hash & mask;
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            names->table[hole] = names->table[next];
            hole = next;
        }
    }
    names->table[hole].id = 0;
}

static size_t cell_of(const crdt_names *names, const name *held, uint32_t id)
{
    size_t mask = names->table_size - 1;
    size_t cell = held->hash & mask;
    while (names->table[cell].id != id) {
        cell = (cell + 1) & mask;
    }
    return cell;
}

void crdt_names_release(crdt_names *names, uint32_t id)
{
    if (id == 0) {
        return;
    }
    name *held = at(names, id);
    assert(held->references > 0);
    if (--held->references > 0) {
        return;
    }
    clear_cell(names, cell_of(names, held, id));
    uint32_t *common = common_of(names, bytes_of(held));
    if (*common == id) {
        *common = 0;
    }
    free_bytes(names, held);
    crdt_pool_give(&names->pool, id);
}

crdt_span crdt_names_get(const crdt_names *names, uint32_t id)
{
    if (id == 0) {
        return (crdt_span){0};
    }
    return bytes_of(at(names, id));
}

uint64_t crdt_names_hash(const crdt_names *names, uint32_t id)
{
    return at(names, id)->digest_hash;
}

uint32_t crdt_names_count(const crdt_names *names)
{
    return crdt_pool_count(&names->pool);
}

uint32_t crdt_names_slot(const crdt_names *names, uint32_t id)
{
    return at(names, id)->slot;
}

void crdt_names_set_slot(crdt_names *names, uint32_t id, uint32_t slot)
{
    name *held = at(names, id);
    held->slot = slot;
    names->table[cell_of(names, held, id)].slot = slot;
}
