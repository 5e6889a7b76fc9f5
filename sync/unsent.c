#include "sync/unsent.h"

#include "crdt/mutant.h"

#include <assert.h>
#include <string.h>

void sync_unsent_init(sync_unsent *unsent, crdt_alloc alloc, size_t size_max)
{
    *unsent = (sync_unsent){.alloc = alloc, .size_max = size_max};
}

static sync_unsent_entry *entry_at(const sync_unsent *unsent, size_t index)
{
    return &unsent->entries[(unsent->first + index) % unsent->capacity];
}

static void forget_bytes(sync_unsent *unsent, sync_unsent_entry *entry)
{
    unsent->size -= entry->size;
    crdt_free(unsent->alloc, entry->bytes, entry->size);
    entry->bytes = NULL;
    entry->size = 0;
}

void sync_unsent_deinit(sync_unsent *unsent)
{
    while (unsent->count > 0) {
        sync_unsent_drop(unsent);
    }
    crdt_free(unsent->alloc, unsent->entries,
              unsent->capacity * sizeof *unsent->entries);
}

/* Twice the room, the entries unrolled to its beginning. */
static crdt_err grow(sync_unsent *unsent)
{
    size_t capacity = unsent->capacity == 0 ? 16 : unsent->capacity * 2;
    sync_unsent_entry *entries =
        crdt_allocate(unsent->alloc, capacity * sizeof *entries);
    if (entries == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < unsent->count; i++) {
        entries[i] = *entry_at(unsent, i);
    }
    crdt_free(unsent->alloc, unsent->entries, unsent->capacity * sizeof *entries);
    unsent->entries = entries;
    unsent->capacity = capacity;
    unsent->first = 0;
    return CRDT_OK;
}

crdt_err sync_unsent_add(sync_unsent *unsent, const sync_unsent_entry *entry,
                         crdt_span publish)
{
    sync_unsent_entry copy = *entry;
    copy.bytes = NULL;
    copy.size = 0;
    if (unsent->count == unsent->capacity && grow(unsent) != CRDT_OK) {
        crdt_version_deinit(&copy.answer);
        return CRDT_ENOMEM;
    }
    if (publish.size > 0 && unsent->size + publish.size <= unsent->size_max) {
        copy.bytes = crdt_allocate(unsent->alloc, publish.size);
        if (copy.bytes != NULL) {
            memcpy(copy.bytes, publish.data, publish.size);
            copy.size = publish.size;
            unsent->size += publish.size;
        }
    }
    assert(unsent->count == 0 ||
           entry_at(unsent, unsent->count - 1)->sequence < copy.sequence);
    unsent->count++;
    *entry_at(unsent, unsent->count - 1) = copy;
    return CRDT_OK;
}

const sync_unsent_entry *sync_unsent_peek(const sync_unsent *unsent, uint64_t sequence)
{
    if (unsent->count == 0 ||
        (entry_at(unsent, 0)->sequence > sequence && !MUTANT(211))) {
        return NULL;
    }
    return entry_at(unsent, 0);
}

void sync_unsent_drop(sync_unsent *unsent)
{
    assert(unsent->count > 0);
    sync_unsent_entry *entry = entry_at(unsent, 0);
    forget_bytes(unsent, entry);
    crdt_version_deinit(&entry->answer);
    unsent->first = (unsent->first + 1) % unsent->capacity;
    unsent->count--;
}

void sync_unsent_silence(sync_unsent *unsent, const crdt_actor *actor)
{
    for (size_t i = 0; i < unsent->count; i++) {
        sync_unsent_entry *entry = entry_at(unsent, i);
        if (crdt_actor_equal(&entry->stamp.actor, actor)) {
            forget_bytes(unsent, entry);
        }
    }
}
