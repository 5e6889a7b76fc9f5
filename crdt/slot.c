#include "crdt/slot.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define UNITS_MAX 6u /* of the largest slot */
#define CHUNKS_MAX ((CRDT_SLOT_NUMBER_MAX >> CRDT_SLOT_CHUNK_BITS) + 1)

static_assert(offsetof(crdt_slot, payload) == CRDT_SLOT_SIZE, "layout of a slot");

/* The first chunks are small, for small documents; numbers beyond their end name nothing.
 * In units. */
static uint32_t chunk_size(size_t chunk)
{
    return chunk < 3 ? CRDT_SLOT_CHUNK_UNITS >> (3 - chunk) : CRDT_SLOT_CHUNK_UNITS;
}

/* Chunks come from the allocator one by one, from 2 MiB on several in a block, from 4 MiB on
 * as many as are a large page. The chunks of the block that begins with this one. */
static size_t block_size(size_t chunk)
{
    return chunk < 64 ? 1 : chunk < 128 ? 8 : 64;
}

static size_t block_bytes(size_t chunk)
{
    return block_size(chunk) * chunk_size(chunk) * sizeof(uint64_t);
}

void crdt_slots_init(crdt_slots *slots, crdt_alloc alloc)
{
    *slots = (crdt_slots){.alloc = alloc};
}

static void free_chunks_from(crdt_slots *slots, size_t first)
{
    for (size_t i = first; i < slots->chunk_count; i += block_size(i)) {
        crdt_free(slots->alloc, slots->chunks[i], block_bytes(i));
    }
    slots->chunk_count = slots->chunk_count < first ? slots->chunk_count : first;
}

void crdt_slots_deinit(crdt_slots *slots)
{
    free_chunks_from(slots, 0);
    crdt_free(slots->alloc, slots->chunks,
              slots->chunk_capacity * sizeof *slots->chunks);
    crdt_free(slots->alloc, slots->ends, slots->chunk_capacity * sizeof *slots->ends);
    crdt_slots_init(slots, slots->alloc);
}

static crdt_err grow_index(crdt_slots *slots)
{
    size_t capacity = slots->chunk_capacity == 0 ? 4 : slots->chunk_capacity * 2;
    capacity = capacity < 64 ? capacity : (capacity + 63) / 64 * 64;
    uint64_t **chunks =
        crdt_resize_array(slots->alloc, NULL, 0, capacity, sizeof *chunks);
    uint32_t *ends = crdt_resize_array(slots->alloc, NULL, 0, capacity, sizeof *ends);
    if (chunks == NULL || ends == NULL) {
        crdt_free(slots->alloc, chunks, capacity * sizeof *chunks);
        crdt_free(slots->alloc, ends, capacity * sizeof *ends);
        return CRDT_ENOMEM;
    }
    if (slots->chunk_count > 0) {
        memcpy(chunks, slots->chunks, slots->chunk_count * sizeof *chunks);
        memcpy(ends, slots->ends, slots->chunk_count * sizeof *ends);
    }
    crdt_free(slots->alloc, slots->chunks,
              slots->chunk_capacity * sizeof *slots->chunks);
    crdt_free(slots->alloc, slots->ends, slots->chunk_capacity * sizeof *slots->ends);
    slots->chunks = chunks;
    slots->ends = ends;
    slots->chunk_capacity = capacity;
    return CRDT_OK;
}

static crdt_err add_block(crdt_slots *slots)
{
    size_t first = slots->chunk_count;
    size_t count = block_size(first);
    if (first + count > CHUNKS_MAX) {
        return CRDT_ELIMIT;
    }
    while (first + count > slots->chunk_capacity) {
        crdt_err err = grow_index(slots);
        if (err != CRDT_OK) {
            return err;
        }
    }
    uint64_t *block = crdt_allocate(slots->alloc, block_bytes(first));
    if (block == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        slots->chunks[first + i] = block + i * CRDT_SLOT_CHUNK_UNITS;
        slots->ends[first + i] = first + i == 0 ? 1 : 0; /* number 0 is none */
    }
    slots->chunk_count += count;
    return CRDT_OK;
}

/* Units left in a chunk for slots of any size. */
static size_t room_in(const crdt_slots *slots, size_t chunk)
{
    size_t left = chunk_size(chunk) - slots->ends[chunk];
    return left < UNITS_MAX ? 0 : left - (UNITS_MAX - 1);
}

/* Room for what is promised of all kinds; `kind` is the one just asked for, which was
 * promised `before`. */
static crdt_err make_room(crdt_slots *slots, unsigned kind, uint32_t before)
{
    size_t needed = 0;
    for (unsigned i = 0; i < CRDT_SLOT_KINDS; i++) {
        uint32_t promised = slots->kinds[i].promised;
        uint32_t free = slots->kinds[i].free_count;
        needed += promised > free ? (promised - free) * (size_t)crdt_slot_units(i) : 0;
    }
    size_t room = 0;
    for (size_t i = slots->chunk; room < needed; i++) {
        if (i == slots->chunk_count) {
            crdt_err err = add_block(slots);
            if (err != CRDT_OK) {
                slots->kinds[kind].promised = before;
                return err;
            }
        }
        room += room_in(slots, i);
    }
    return CRDT_OK;
}

crdt_err crdt_slots_reserve(crdt_slots *slots, unsigned kind, size_t count)
{
    if (count > CRDT_SLOT_NUMBER_MAX) {
        return CRDT_ELIMIT;
    }
    const uint32_t before = slots->kinds[kind].promised;
    slots->kinds[kind].promised = (uint32_t)count;
    if (count <= slots->kinds[kind].free_count) {
        return CRDT_OK; /* what others were promised is there */
    }
    size_t promised = 0;
    for (unsigned i = 0; i < CRDT_SLOT_KINDS; i++) {
        promised += slots->kinds[i].promised;
    }
    if (slots->chunk < slots->chunk_count &&
        promised * UNITS_MAX <= room_in(slots, slots->chunk)) {
        return CRDT_OK;
    }
    return make_room(slots, kind, before);
}

static uint32_t take_fresh(crdt_slots *slots, uint32_t units)
{
    while (slots->ends[slots->chunk] + units > chunk_size(slots->chunk)) {
        slots->chunk++;
        assert(slots->chunk < slots->chunk_count);
    }
    uint32_t *end = &slots->ends[slots->chunk];
    uint32_t number = ((uint32_t)slots->chunk << CRDT_SLOT_CHUNK_BITS) + *end;
    *end += units;
    return number;
}

/* With sizes that the compiler knows: cheaper than a call. */
static inline void clear(crdt_slot *slot, unsigned kind)
{
    static_assert(CRDT_SLOT_KINDS == 4 && UNITS_MAX == 6, "sizes of slots");
    memset(slot, 0, 3 * sizeof(uint64_t));
    uint64_t *rest = (uint64_t *)(void *)slot + 3;
    switch (kind) {
    case 0:
        break;
    case 1:
        memset(rest, 0, sizeof *rest);
        break;
    case 2:
        memset(rest, 0, 2 * sizeof *rest);
        break;
    default:
        memset(rest, 0, 3 * sizeof *rest);
        break;
    }
}

uint32_t crdt_slots_take(crdt_slots *slots, unsigned kind)
{
    assert(slots->kinds[kind].promised > 0);
    slots->kinds[kind].promised--;
    uint32_t number = slots->kinds[kind].free_first;
    if (number != 0) {
        memcpy(&slots->kinds[kind].free_first, crdt_slot_at(slots, number),
               sizeof number);
        slots->kinds[kind].free_count--;
    } else {
        number = take_fresh(slots, crdt_slot_units(kind));
    }
    slots->count++;
    crdt_slot *slot = crdt_slot_at(slots, number);
    clear(slot, kind);
    slot->kind = kind & 3u;
    return number;
}

static bool is_promised(const crdt_slots *slots)
{
    static_assert(CRDT_SLOT_KINDS == 4, "kinds of slots");
    return (slots->kinds[0].promised | slots->kinds[1].promised |
            slots->kinds[2].promised | slots->kinds[3].promised) != 0;
}

crdt_err crdt_slots_make(crdt_slots *slots, unsigned kind, uint32_t *number)
{
    const uint32_t units = crdt_slot_units(kind);
    /* Mostly it lies behind the last one that was made. */
    if (slots->kinds[kind].free_first == 0 && slots->chunk < slots->chunk_count &&
        slots->ends[slots->chunk] + units <= chunk_size(slots->chunk) &&
        !is_promised(slots)) {
        uint32_t *end = &slots->ends[slots->chunk];
        *number = ((uint32_t)slots->chunk << CRDT_SLOT_CHUNK_BITS) + *end;
        *end += units;
        slots->count++;
        crdt_slot *slot = crdt_slot_at(slots, *number);
        clear(slot, kind);
        slot->kind = kind & 3u;
        return CRDT_OK;
    }
    crdt_err err = crdt_slots_reserve(slots, kind, 1);
    if (err == CRDT_OK) {
        *number = crdt_slots_take(slots, kind);
    }
    return err;
}

static void forget_all(crdt_slots *slots)
{
    for (unsigned i = 0; i < CRDT_SLOT_KINDS; i++) {
        slots->kinds[i].free_first = 0;
        slots->kinds[i].free_count = 0;
    }
    free_chunks_from(slots, 1);
    slots->chunk = 0;
    slots->ends[0] = 1;
}

void crdt_slots_give(crdt_slots *slots, uint32_t number)
{
    crdt_slot *slot = crdt_slot_at(slots, number);
    const unsigned kind = slot->kind;
    assert(!crdt_slot_is_free(slot));
    memset(slot, 0xff, crdt_slot_units(kind) * sizeof(uint64_t)); /* shows later use */
    slot->kind = kind & 3u;
    memcpy(slot, &slots->kinds[kind].free_first, sizeof number);
    slots->kinds[kind].free_first = number;
    slots->kinds[kind].free_count++;
    slots->count--;
    if (slots->count == 0) {
        forget_all(slots);
    }
}

uint32_t crdt_slots_next(const crdt_slots *slots, uint32_t number)
{
    size_t chunk = number >> CRDT_SLOT_CHUNK_BITS;
    uint32_t unit = number & (CRDT_SLOT_CHUNK_UNITS - 1);
    unit += number == 0 ? 1 : crdt_slot_units(crdt_slot_at(slots, number)->kind);
    for (;;) {
        while (chunk < slots->chunk_count && unit >= slots->ends[chunk]) {
            chunk++;
            unit = 0;
        }
        if (chunk >= slots->chunk_count) {
            return 0;
        }
        number = ((uint32_t)chunk << CRDT_SLOT_CHUNK_BITS) + unit;
        const crdt_slot *slot = crdt_slot_at(slots, number);
        if (!crdt_slot_is_free(slot)) {
            return number;
        }
        unit += crdt_slot_units(slot->kind);
    }
}
