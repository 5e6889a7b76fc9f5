#include "sync/held.h"

#include "crdt/mutant.h"
#include "crdt/digest.h"

#include <string.h>

void sync_held_init(sync_held *held, crdt_alloc alloc, size_t count_max,
                    size_t size_max)
{
    *held = (sync_held){.alloc = alloc, .count_max = count_max, .size_max = size_max};
}

void sync_held_deinit(sync_held *held)
{
    for (size_t i = 0; i < held->count; i++) {
        crdt_free(held->alloc, held->items[i].bytes, held->items[i].size);
    }
    crdt_free(held->alloc, held->items, held->capacity * sizeof *held->items);
}

static sync_held_batch take_out(sync_held *held, size_t index)
{
    sync_held_batch batch = held->items[index];
    held->count--;
    memmove(&held->items[index], &held->items[index + 1],
            (held->count - index) * sizeof *held->items);
    held->size -= batch.size;
    return batch;
}

void sync_held_free(sync_held *held, sync_held_batch *batch)
{
    crdt_free(held->alloc, batch->bytes, batch->size);
    batch->bytes = NULL;
}

static crdt_err reserve(sync_held *held)
{
    if (held->count < held->capacity) {
        return CRDT_OK;
    }
    size_t capacity = held->capacity == 0 ? 16 : held->capacity * 2;
    sync_held_batch *items = crdt_resize_array(held->alloc, held->items, held->capacity,
                                               capacity, sizeof *items);
    if (items == NULL) {
        return CRDT_ENOMEM;
    }
    held->items = items;
    held->capacity = capacity;
    return CRDT_OK;
}

crdt_err sync_held_add(sync_held *held, crdt_span bytes, const sync_held_batch *about)
{
    if (bytes.size > held->size_max || held->count_max == 0) {
        return CRDT_ELIMIT;
    }
    uint64_t hash = crdt_hash64(bytes, 0);
    for (size_t i = 0; i < held->count; i++) {
        if (held->items[i].hash == hash && held->items[i].size == bytes.size &&
            !MUTANT(205)) {
            held->items[i].wants = about->wants;
            return CRDT_OK;
        }
    }
    crdt_err err = reserve(held);
    if (err != CRDT_OK) {
        return err;
    }
    uint8_t *copy = crdt_allocate(held->alloc, bytes.size);
    if (copy == NULL) {
        return CRDT_ENOMEM;
    }
    memcpy(copy, bytes.data, bytes.size);
    while (held->count >= held->count_max || held->size + bytes.size > held->size_max) {
        sync_held_batch oldest = take_out(held, 0);
        sync_held_free(held, &oldest);
        held->dropped++;
    }
    sync_held_batch *item = &held->items[held->count++];
    *item = *about;
    item->bytes = copy;
    item->size = bytes.size;
    item->hash = hash;
    held->size += bytes.size;
    return CRDT_OK;
}

bool sync_held_take_ready(sync_held *held, const crdt_version *version,
                          sync_held_batch *out)
{
    for (size_t i = 0; i < held->count; i++) {
        if (crdt_version_covers(version, &held->items[i].wants)) {
            *out = take_out(held, i);
            return true;
        }
    }
    return false;
}

bool sync_held_take_older(sync_held *held, uint64_t before_ms, sync_held_batch *out)
{
    if (held->count == 0 || held->items[0].since_ms >= before_ms || MUTANT(261)) {
        return false;
    }
    *out = take_out(held, 0);
    return true;
}
