#include "tests/sim/sim_oracle.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct held {
    crdt_key key;
    crdt_stamp stamp;
    crdt_span value;
    bool dropped;
} held;

typedef struct oracle {
    crdt_arena arena;
    crdt_batch *batches;
    size_t batch_count;
    held *items;
    size_t item_count;
} oracle;

static void load(oracle *o, sync_sim *sim, uint32_t place)
{
    size_t count = 0;
    const sync_sim_batch *batches = sync_sim_batches(sim, &count);
    const crdt_version *version = crdt_document_version(sync_sim_document(sim, place));
    size_t op_count = 0;
    o->batches = calloc(count + 1, sizeof *o->batches);
    for (size_t i = 0; i < count; i++) {
        if (batches[i].lost || !crdt_version_covers(version, &batches[i].last)) {
            continue;
        }
        crdt_batch *batch = &o->batches[o->batch_count++];
        if (crdt_batch_decode(crdt_buf_span(&batches[i].bytes), NULL, &o->arena, batch,
                              NULL) != CRDT_OK) {
            abort();
        }
        op_count += batch->op_count;
    }
    o->items = calloc(op_count + 1, sizeof *o->items);
    for (size_t i = 0; i < o->batch_count; i++) {
        const crdt_batch *batch = &o->batches[i];
        uint64_t time = crdt_batch_first_time(batch);
        for (size_t j = 0; j < batch->op_count; j++) {
            if (batch->ops[j].kind == CRDT_OP_ADD ||
                batch->ops[j].kind == CRDT_OP_SET) {
                o->items[o->item_count++] = (held){.key = batch->ops[j].key,
                                                   .stamp = {time + j, batch->actor},
                                                   .value = batch->ops[j].value};
            }
        }
    }
}

static bool is_below(const crdt_key *key, const crdt_key *top)
{
    return key->depth >= top->depth && crdt_span_equal(key->object, top->object) &&
           (top->depth < CRDT_PART || crdt_span_equal(key->part, top->part)) &&
           (top->depth < CRDT_FIELD || crdt_span_equal(key->field, top->field));
}

static bool has_seen(const crdt_batch *batch, uint64_t time, const crdt_stamp *stamp)
{
    if (crdt_actor_equal(&stamp->actor, &batch->actor)) {
        return stamp->time < time;
    }
    for (size_t i = 0; i < batch->dep_count; i++) {
        if (crdt_actor_equal(&batch->deps[i].actor, &stamp->actor)) {
            return stamp->time <= batch->deps[i].time;
        }
    }
    return false;
}

static void drop_seen(oracle *o)
{
    for (size_t i = 0; i < o->batch_count; i++) {
        const crdt_batch *batch = &o->batches[i];
        uint64_t time = crdt_batch_first_time(batch);
        for (size_t j = 0; j < batch->op_count; j++) {
            for (size_t k = 0; k < o->item_count; k++) {
                held *item = &o->items[k];
                if (!item->dropped && is_below(&item->key, &batch->ops[j].key) &&
                    has_seen(batch, time + j, &item->stamp)) {
                    item->dropped = true;
                }
            }
        }
    }
}

static bool holds(const crdt_document *doc, const held *item)
{
    crdt_object object = crdt_document_find_object(doc, item->key.object);
    crdt_part part = {0};
    crdt_field field = {0};
    if (object.id != 0 && item->key.depth >= CRDT_PART) {
        part = crdt_document_find_part(doc, object, item->key.part);
    }
    if (part.id != 0 && item->key.depth == CRDT_FIELD) {
        field = crdt_document_find_field(doc, part, item->key.field);
    }
    crdt_entry entry;
    for (size_t i = 0;; i++) {
        bool there =
            item->key.depth == CRDT_OBJECT
                ? object.id != 0 && crdt_document_object_dot(doc, object, i, &entry)
            : item->key.depth == CRDT_PART
                ? part.id != 0 && crdt_document_part_dot(doc, part, i, &entry)
                : field.id != 0 && crdt_document_field_value(doc, field, i, &entry);
        if (!there) {
            return false;
        }
        if (crdt_stamp_compare(&entry.stamp, &item->stamp) == 0) {
            return crdt_span_equal(entry.value, item->value);
        }
    }
}

static size_t count_entries(const crdt_document *doc)
{
    size_t count = 0;
    crdt_entry entry;
    crdt_object object = {0};
    while (crdt_document_next_object(doc, &object)) {
        for (size_t i = 0; crdt_document_object_dot(doc, object, i, &entry); i++) {
            count++;
        }
        crdt_part part = {0};
        while (crdt_document_next_part(doc, object, &part)) {
            for (size_t i = 0; crdt_document_part_dot(doc, part, i, &entry); i++) {
                count++;
            }
            crdt_field field = {0};
            while (crdt_document_next_field(doc, part, &field)) {
                for (size_t i = 0; crdt_document_field_value(doc, field, i, &entry);
                     i++) {
                    count++;
                }
            }
        }
    }
    return count;
}

bool sim_oracle_check(sync_sim *sim, uint32_t place, char *why, size_t why_size)
{
    const crdt_document *doc = sync_sim_document(sim, place);
    oracle o = {0};
    crdt_arena_init(&o.arena, crdt_alloc_default());
    load(&o, sim, place);
    drop_seen(&o);
    size_t expected = 0;
    bool ok = true;
    for (size_t i = 0; i < o.item_count && ok; i++) {
        if (o.items[i].dropped) {
            continue;
        }
        expected++;
        if (!holds(doc, &o.items[i])) {
            char stamp[CRDT_STAMP_TEXT_SIZE];
            crdt_stamp_format(&o.items[i].stamp, stamp);
            snprintf(why, why_size, "the entry %s of object %.*s is missing", stamp,
                     (int)o.items[i].key.object.size, o.items[i].key.object.data);
            ok = false;
        }
    }
    size_t held_count = count_entries(doc);
    if (ok && held_count != expected) {
        snprintf(why, why_size, "%zu entries are held, %zu expected", held_count,
                 expected);
        ok = false;
    }
    free(o.items);
    free(o.batches);
    crdt_arena_deinit(&o.arena);
    return ok;
}

bool sim_oracle_acknowledged(sync_sim *sim, uint32_t place, uint32_t except, char *why,
                             size_t why_size)
{
    size_t count = 0;
    const sync_sim_batch *batches = sync_sim_batches(sim, &count);
    const crdt_version *version = crdt_document_version(sync_sim_document(sim, place));
    for (size_t i = 0; i < count; i++) {
        if (batches[i].durable && (except >> batches[i].place & 1) == 0 &&
            !crdt_version_covers(version, &batches[i].last)) {
            snprintf(why, why_size, "acknowledged batch %zu of place %u is gone", i,
                     batches[i].place);
            return false;
        }
    }
    return true;
}
