#include "cli/fuzz/full_history_impl.h"

#include <stdio.h>
#include <stdlib.h>

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("fuzz: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static void *grow(void *items, size_t count, size_t *capacity, size_t item_size)
{
    if (count == *capacity) {
        *capacity = *capacity == 0 ? 64 : *capacity * 2;
        items = must(realloc(items, *capacity * item_size));
    }
    return items;
}

#define PUSH(list, item)                                                               \
    ((list).items =                                                                    \
         grow((list).items, (list).count, &(list).capacity, sizeof *(list).items),     \
     (list).items[(list).count++] = (item), (uint32_t)((list).count - 1))

fuzz_full_history *fuzz_full_history_open(void)
{
    return must(calloc(1, sizeof(fuzz_full_history)));
}

static void free_key(crdt_key *key)
{
    free((void *)(uintptr_t)key->object.data);
}

void fuzz_full_history_close(fuzz_full_history *h)
{
    if (h == NULL) {
        return;
    }
    for (size_t i = 0; i < h->keys.count; i++) {
        free_key(&h->keys.items[i].key);
    }
    for (size_t i = 0; i < h->entries.count; i++) {
        free(h->entries.items[i].value);
    }
    free(h->actors.items);
    free(h->keys.items);
    free(h->entries.items);
    free(h->removers.items);
    free(h->batches.items);
    free(h->seen.items);
    free(h->buckets);
    free(h);
}

/* ---- names and numbers ---- */

static uint32_t number_of_actor(fuzz_full_history *h, const crdt_actor *actor)
{
    for (size_t i = h->actors.count; i > 0; i--) {
        if (crdt_actor_equal(&h->actors.items[i - 1], actor)) {
            return (uint32_t)(i - 1);
        }
    }
    (void)PUSH(h->seen, 0);
    return PUSH(h->actors, *actor);
}

void fuzz_full_history_spread(fuzz_full_history *h, const crdt_stamp *stamps,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        number_of_actor(h, &stamps[i].actor);
    }
    if (h->seen.count > 0) {
        memset(h->seen.items, 0, h->seen.count * sizeof *h->seen.items);
    }
    for (size_t i = 0; i < count; i++) {
        h->seen.items[number_of_actor(h, &stamps[i].actor)] = stamps[i].time;
    }
}

static uint64_t hash_bytes(uint64_t hash, crdt_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        hash = (hash ^ bytes.data[i]) * UINT64_C(0x100000001b3);
    }
    return (hash ^ bytes.size) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t hash_key(const crdt_key *key)
{
    uint64_t hash = hash_bytes(key->depth, key->object);
    hash = key->depth >= CRDT_PART ? hash_bytes(hash, key->part) : hash;
    hash = key->depth == CRDT_FIELD ? hash_bytes(hash, key->field) : hash;
    return hash ^ hash >> 29;
}

static crdt_key copy_key(const crdt_key *key)
{
    size_t part_size = key->depth >= CRDT_PART ? key->part.size : 0;
    size_t field_size = key->depth == CRDT_FIELD ? key->field.size : 0;
    uint8_t *bytes = must(malloc(key->object.size + part_size + field_size + 1));
    crdt_key copy = {.depth = key->depth,
                     .object = {bytes, key->object.size},
                     .part = {bytes + key->object.size, part_size},
                     .field = {bytes + key->object.size + part_size, field_size}};
    if (key->object.size > 0) {
        memcpy(bytes, key->object.data, key->object.size);
    }
    if (part_size > 0) {
        memcpy(bytes + key->object.size, key->part.data, part_size);
    }
    if (field_size > 0) {
        memcpy(bytes + key->object.size + part_size, key->field.data, field_size);
    }
    return copy;
}

static uint32_t *bucket_of(fuzz_full_history *h, const crdt_key *key, uint64_t hash)
{
    size_t at = hash & (h->bucket_count - 1);
    while (h->buckets[at] != 0) {
        const key_node *node = &h->keys.items[h->buckets[at] - 1];
        if (node->hash == hash && crdt_key_equal(&node->key, key)) {
            break;
        }
        at = (at + 1) & (h->bucket_count - 1);
    }
    return &h->buckets[at];
}

static void grow_buckets(fuzz_full_history *h)
{
    if (2 * (h->keys.count + 1) < h->bucket_count) {
        return;
    }
    free(h->buckets);
    h->bucket_count = h->bucket_count == 0 ? 64 : h->bucket_count * 2;
    h->buckets = must(calloc(h->bucket_count, sizeof *h->buckets));
    for (size_t i = 0; i < h->keys.count; i++) {
        *bucket_of(h, &h->keys.items[i].key, h->keys.items[i].hash) = (uint32_t)i + 1;
    }
}

uint32_t fuzz_full_history_key(fuzz_full_history *h, const crdt_key *key)
{
    if (h->bucket_count == 0) {
        return NONE;
    }
    uint32_t found = *bucket_of(h, key, hash_key(key));
    return found == 0 ? NONE : found - 1;
}

static uint32_t number_of_key(fuzz_full_history *h, const crdt_key *key)
{
    uint32_t owner = NONE;
    for (crdt_depth depth = CRDT_OBJECT; depth <= key->depth; depth++) {
        crdt_key part = *key;
        part.depth = depth;
        uint32_t number = fuzz_full_history_key(h, &part);
        if (number == NONE) {
            grow_buckets(h);
            key_node node = {.key = copy_key(&part),
                             .hash = hash_key(&part),
                             .owner = owner,
                             .below = NONE,
                             .beside = NONE,
                             .entry = NONE};
            if (owner != NONE) {
                node.beside = h->keys.items[owner].below;
            }
            number = PUSH(h->keys, node);
            if (owner != NONE) {
                h->keys.items[owner].below = number;
            }
            *bucket_of(h, &h->keys.items[number].key, node.hash) = number + 1;
        }
        owner = number;
    }
    return owner;
}

/* ---- taking batches in ---- */

/* The operation at `remover` drops what it has seen of one key. */
static void drop_seen(fuzz_full_history *h, uint32_t key, const remover_node *remover)
{
    for (uint32_t i = h->keys.items[key].entry; i != NONE;) {
        entry_node *entry = &h->entries.items[i];
        bool seen = entry->author == remover->author
                        ? entry->time < remover->time
                        : entry->time <= h->seen.items[entry->author];
        if (seen && !h->batches.items[entry->batch].lost) {
            remover_node node = *remover;
            node.next = entry->remover;
            uint32_t number = PUSH(h->removers, node);
            h->entries.items[i].remover = number;
        }
        i = h->entries.items[i].next;
    }
}

static void drop_below(fuzz_full_history *h, uint32_t key, const remover_node *remover)
{
    drop_seen(h, key, remover);
    for (uint32_t part = h->keys.items[key].below; part != NONE;
         part = h->keys.items[part].beside) {
        drop_seen(h, part, remover);
        for (uint32_t field = h->keys.items[part].below; field != NONE;
             field = h->keys.items[field].beside) {
            drop_seen(h, field, remover);
        }
    }
}

static void put_entry(fuzz_full_history *h, uint32_t key, const remover_node *by,
                      crdt_span value, bool is_value)
{
    entry_node entry = {.next = h->keys.items[key].entry,
                        .key = key,
                        .batch = by->batch,
                        .author = by->author,
                        .time = by->time,
                        .remover = NONE};
    if (is_value) {
        entry.value = must(malloc(value.size + 1));
        memcpy(entry.value, value.data, value.size); /* a value has a byte at least */
        entry.value_size = value.size;
    }
    h->keys.items[key].entry = PUSH(h->entries, entry);
}

void fuzz_full_history_add(fuzz_full_history *h, const crdt_batch *batch)
{
    uint32_t author = number_of_actor(h, &batch->actor);
    batch_node node = {.author = author};
    snprintf(node.who, sizeof node.who, "%.*s", (int)batch->who.size,
             batch->who.size > 0 ? (const char *)batch->who.data : "");
    uint32_t number = PUSH(h->batches, node);
    uint64_t time = crdt_batch_first_time(batch);
    fuzz_full_history_spread(h, batch->deps, batch->dep_count);
    for (size_t i = 0; i < batch->op_count; i++) {
        const crdt_op *op = &batch->ops[i];
        remover_node remover = {.batch = number, .author = author, .time = time + i};
        uint32_t key = number_of_key(h, &op->key);
        drop_below(h, key, &remover);
        if (op->kind == CRDT_OP_ADD || op->kind == CRDT_OP_SET) {
            put_entry(h, key, &remover, op->value, op->kind == CRDT_OP_SET);
        }
    }
}

void fuzz_full_history_lose(fuzz_full_history *h, size_t index)
{
    if (index < h->batches.count) {
        h->batches.items[index].lost = true;
    }
}
