#include "crdt/document_state.h"

#include "crdt/mutant.h"
#include "crdt/answer.h"
#include "crdt/dot_sort.h"

#include <stdlib.h>
#include <string.h>

/* What one answer is made of. For a delta the touched keys are collected and sorted by
 * name; a full answer walks everything in order. */

/* A field; or a part, or an object, with all that is below: slots, 0 beyond its depth. */
typedef struct touched {
    uint32_t object;
    uint32_t part;
    uint32_t field;
} touched;

typedef struct gathering {
    const crdt_document *doc;
    const crdt_version *since;
    bool full;
    bool all;              /* every key is touched */
    uint64_t *since_times; /* by actor number - 1 */
    size_t actor_count;
    const crdt_remove_record **records;
    size_t record_count;
    touched *keys;
    size_t key_count;
    size_t key_capacity;
    crdt_err err;
} gathering;

static void push_key(gathering *gather, uint32_t object, uint32_t part, uint32_t field)
{
    if (gather->err != CRDT_OK) {
        return;
    }
    if (gather->key_count == gather->key_capacity) {
        size_t capacity = gather->key_capacity == 0 ? 64 : gather->key_capacity * 2;
        touched *keys = crdt_resize_array(gather->doc->context.alloc, gather->keys,
                                          gather->key_capacity, capacity, sizeof *keys);
        if (keys == NULL) {
            gather->err = CRDT_ENOMEM;
            return;
        }
        gather->keys = keys;
        gather->key_capacity = capacity;
    }
    gather->keys[gather->key_count++] =
        (touched){.object = object, .part = part, .field = field};
}

/* ---- collecting a delta ---- */

/* Is the highest entry of a key above `since`? */
static bool is_fresh(const gathering *gather, crdt_dot dot)
{
    return dot != 0 && crdt_dot_time(dot) + MUTANT(141) >
                           gather->since_times[crdt_dot_actor(dot) - 1];
}

/* An add above `since` is a prefix: it has dropped what was below. */
static void gather_dots(gathering *gather, uint16_t actor)
{
    const crdt_document *doc = gather->doc;
    const crdt_dot_store *store = &doc->keys.store;
    crdt_dot_walk walk;
    crdt_dot_walk_init(&walk, store, actor, gather->since_times[actor - 1]);
    for (uint32_t id = crdt_dot_walk_next(&walk); id != 0;
         id = crdt_dot_walk_next(&walk)) {
        uint32_t element = crdt_dot_store_key(store, id);
        uint32_t owner = crdt_state_element(doc, element)->owner;
        if (owner == 0) {
            push_key(gather, element, 0, 0);
        } else if (!is_fresh(gather, crdt_state_element(doc, owner)->dot)) {
            push_key(gather, owner, element, 0);
        }
    }
}

static void gather_values(gathering *gather, uint16_t actor)
{
    const crdt_document *doc = gather->doc;
    const crdt_dot_store *store = &doc->fields.store;
    crdt_dot_walk walk;
    crdt_dot_walk_init(&walk, store, actor, gather->since_times[actor - 1]);
    for (uint32_t id = crdt_dot_walk_next(&walk); id != 0;
         id = crdt_dot_walk_next(&walk)) {
        uint32_t field = crdt_dot_store_key(store, id);
        uint32_t part = crdt_state_field(doc, field)->owner;
        const crdt_slot *slot = crdt_state_element(doc, part);
        if (!is_fresh(gather, slot->dot)) {
            push_key(gather, slot->owner, part, field);
        }
    }
}

/* What is held at and below the key of a log record. */
static void touch_logged(gathering *gather, const crdt_remove_record *record)
{
    const crdt_document *doc = gather->doc;
    uint32_t object = crdt_state_find_object(doc, record->names[0]);
    if (object == 0) {
        return;
    }
    if (record->names[1] == 0) {
        push_key(gather, object, 0, 0);
        return;
    }
    uint32_t part = crdt_state_find_part(doc, object, record->names[1]);
    if (part == 0) {
        return;
    }
    if (record->names[2] == 0) {
        push_key(gather, object, part, 0);
        return;
    }
    uint32_t field = crdt_state_find_field(doc, part, record->names[2]);
    if (field != 0) {
        push_key(gather, object, part, field);
    }
}

/* ---- the log ---- */

static int compare_records(const void *a, const void *b, void *ctx)
{
    const crdt_remove_record *const *x = a;
    const crdt_remove_record *const *y = b;
    return crdt_actors_compare(ctx, (*x)->dot, (*y)->dot);
}

static size_t walk_records(const gathering *gather, const crdt_remove_record **out)
{
    const crdt_remove_log *log = &gather->doc->log;
    size_t count = 0;
    for (size_t i = 0; i < gather->actor_count; i++) {
        uint32_t cursor = crdt_remove_log_newest(log, (uint16_t)(i + 1));
        for (const crdt_remove_record *record = crdt_remove_log_older(log, &cursor);
             record != NULL; record = crdt_remove_log_older(log, &cursor)) {
            if (!gather->full &&
                crdt_dot_time(record->dot) <= gather->since_times[i] + MUTANT(144)) {
                break;
            }
            if (out != NULL) {
                out[count] = record;
            }
            count++;
        }
    }
    return count;
}

static crdt_err gather_records(gathering *gather)
{
    crdt_actors *actors = (crdt_actors *)(uintptr_t)&gather->doc->context.actors;
    size_t count = walk_records(gather, NULL);
    if (count == 0) {
        return CRDT_OK;
    }
    gather->records = crdt_resize_array(gather->doc->context.alloc, NULL, 0, count,
                                        sizeof *gather->records);
    if (gather->records == NULL) {
        return CRDT_ENOMEM;
    }
    gather->record_count = walk_records(gather, gather->records);
    qsort_r(gather->records, count, sizeof *gather->records, compare_records, actors);
    return CRDT_OK;
}

/* ---- writing ---- */

static size_t count_entries(const crdt_dot_store *store, uint32_t key)
{
    size_t count = 0;
    for (uint32_t id = key; id != 0 && crdt_dot_store_at(store, id)->dot != 0;
         id = MUTANT(147) ? 0 : crdt_slot_lower(crdt_dot_store_at(store, id))) {
        count++;
    }
    return count;
}

static void write_key(const crdt_document *doc, crdt_answer_writer *writer,
                      crdt_depth depth, uint32_t key, bool with_entries)
{
    const crdt_dot_store *store =
        depth == CRDT_FIELD ? &doc->fields.store : &doc->keys.store;
    size_t count = with_entries ? count_entries(store, key) : 0;
    if (MUTANT(40) && depth == CRDT_PART && !crdt_state_part_live(doc, key)) {
        count = 0;
    }
    crdt_answer_write_key(
        writer, depth,
        crdt_names_get(&doc->context.names, crdt_dot_store_at(store, key)->name),
        count);
    for (uint32_t id = key; count > 0; count--) {
        const crdt_slot *slot = crdt_dot_store_at(store, id);
        crdt_entry entry = crdt_state_entry(doc, slot, depth == CRDT_FIELD);
        crdt_answer_write_entry(writer, depth, &entry.stamp, entry.who, entry.value);
        id = crdt_slot_lower(slot);
    }
}

static void write_part(const crdt_document *doc, crdt_answer_writer *writer,
                       crdt_part part)
{
    write_key(doc, writer, CRDT_PART, part.id, true);
    crdt_field field = {0};
    while (crdt_document_next_field(doc, part, &field)) {
        write_key(doc, writer, CRDT_FIELD, field.id, true);
    }
}

static void write_object(const crdt_document *doc, crdt_answer_writer *writer,
                         crdt_object object)
{
    write_key(doc, writer, CRDT_OBJECT, object.id, true);
    crdt_part part = {0};
    while (crdt_document_next_part(doc, object, &part)) {
        write_part(doc, writer, part);
    }
}

static void write_all(const crdt_document *doc, crdt_answer_writer *writer)
{
    crdt_object object = {crdt_state_first_object(doc)};
    for (; object.id != 0; object.id = crdt_state_next_object(doc, object.id)) {
        write_object(doc, writer, object);
    }
}

static int compare_names(const crdt_document *doc, const crdt_dot_store *store,
                         uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0) {
        return (a != 0) - (b != 0); /* a key before those below it */
    }
    return crdt_span_compare(
        crdt_names_get(&doc->context.names, crdt_dot_store_at(store, a)->name),
        crdt_names_get(&doc->context.names, crdt_dot_store_at(store, b)->name));
}

static int compare_keys(const void *a, const void *b, void *ctx)
{
    const crdt_document *doc = ctx;
    const touched *x = a;
    const touched *y = b;
    if (x->object != y->object) {
        return compare_names(doc, &doc->keys.store, x->object, y->object);
    }
    if (x->part != y->part) {
        return compare_names(doc, &doc->keys.store, x->part, y->part);
    }
    return x->field == y->field
               ? 0
               : compare_names(doc, &doc->fields.store, x->field, y->field);
}

/* ---- order ---- */

/* What keys need lies all over memory: it is fetched while those before are looked at. */
#define SLOTS_AHEAD 12u
#define CONTENTS_AHEAD 6u

static void prefetch_name(const gathering *gather, size_t at)
{
    const crdt_document *doc = gather->doc;
    if (at + SLOTS_AHEAD < gather->key_count) {
        crdt_dot_store_prefetch(&doc->keys.store,
                                gather->keys[at + SLOTS_AHEAD].object);
    }
    if (at + CONTENTS_AHEAD < gather->key_count) {
        uint32_t object = gather->keys[at + CONTENTS_AHEAD].object;
        crdt_names_prefetch_name(&doc->context.names,
                                 crdt_state_element(doc, object)->name);
    }
}

static crdt_span object_name(const crdt_document *doc, const touched *key)
{
    return crdt_names_get(&doc->context.names,
                          crdt_state_element(doc, key->object)->name);
}

/* How many bytes the names of all touched objects begin with alike. */
static size_t common_prefix(const gathering *gather)
{
    const crdt_span first = object_name(gather->doc, &gather->keys[0]);
    size_t size = first.size;
    for (size_t i = 1; i < gather->key_count && size > 0; i++) {
        prefetch_name(gather, i);
        if (gather->keys[i].object != gather->keys[i - 1].object) {
            crdt_span name = object_name(gather->doc, &gather->keys[i]);
            size = size < name.size ? size : name.size;
            while (size > 0 && memcmp(first.data, name.data, size) != 0) {
                size--;
            }
        }
    }
    return size;
}

/* Eight bytes of the name from `begin` on, as a number of the same order. */
static uint64_t rank_of(crdt_span name, size_t begin)
{
    uint64_t rank = 0;
    for (size_t i = begin; i < begin + 8; i++) {
        rank = rank << 8 | (i < name.size ? name.data[i] : 0);
    }
    return rank;
}

#define FEW 16u

/* Keys of objects of one rank: most often of one object. */
static void sort_run(const crdt_document *doc, touched *keys, size_t count)
{
    void *ctx = (crdt_document *)(uintptr_t)doc;
    if (count > FEW) {
        qsort_r(keys, count, sizeof *keys, compare_keys, ctx);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        const touched key = keys[i];
        size_t at = i;
        for (; at > 0 && compare_keys(&keys[at - 1], &key, ctx) > 0; at--) {
            keys[at] = keys[at - 1];
        }
        keys[at] = key;
    }
}

/* By the ranks of their objects first, which takes no comparisons. */
static crdt_err sort_keys(gathering *gather)
{
    const crdt_document *doc = gather->doc;
    const crdt_alloc alloc = doc->context.alloc;
    const size_t count = gather->key_count;
    crdt_dot_place *places = crdt_resize_array(alloc, NULL, 0, count, sizeof *places);
    touched *sorted = crdt_resize_array(alloc, NULL, 0, count, sizeof *sorted);
    crdt_err err = places == NULL || sorted == NULL ? CRDT_ENOMEM : CRDT_OK;
    const size_t begin = err == CRDT_OK ? common_prefix(gather) : 0;
    for (size_t i = 0; i < count && err == CRDT_OK; i++) {
        const touched *key = &gather->keys[i];
        const bool again = i > 0 && key->object == gather->keys[i - 1].object;
        prefetch_name(gather, i);
        places[i].dot =
            again ? places[i - 1].dot : rank_of(object_name(doc, key), begin);
        places[i].index = (uint32_t)i;
    }
    err = err != CRDT_OK ? err : crdt_dot_sort(places, count, alloc);
    for (size_t i = 0, run = 0; i < count && err == CRDT_OK; i++) {
        sorted[i] = gather->keys[places[i].index];
        if (i + 1 == count || places[i + 1].dot != places[i].dot) {
            sort_run(doc, sorted + run, i + 1 - run);
            run = i + 1;
        }
    }
    crdt_free(alloc, places, count * sizeof *places);
    if (err != CRDT_OK) {
        crdt_free(alloc, sorted, count * sizeof *sorted);
        return err;
    }
    crdt_free(alloc, gather->keys, gather->key_capacity * sizeof *gather->keys);
    gather->keys = sorted;
    gather->key_capacity = count;
    return CRDT_OK;
}

static void prefetch_value(const gathering *gather, size_t at)
{
    const crdt_document *doc = gather->doc;
    if (at + SLOTS_AHEAD < gather->key_count) {
        const touched *key = &gather->keys[at + SLOTS_AHEAD];
        if (key->field != 0) {
            crdt_dot_store_prefetch(&doc->fields.store, key->field);
        }
    }
    if (at + CONTENTS_AHEAD < gather->key_count) {
        const touched *key = &gather->keys[at + CONTENTS_AHEAD];
        if (key->field != 0) {
            crdt_lww_map_prefetch(&doc->fields, key->field);
        }
    }
}

/* The touched keys in order, each once; what lies below one that was written whole is
 * written already. Where a key is touched and its parents are not, those go before it
 * without entries. */
static void write_touched(const crdt_document *doc, crdt_answer_writer *writer,
                          const gathering *gather)
{
    touched open = {0}; /* part, field 0: nothing below was written, unless whole */
    bool object_whole = false;
    bool part_whole = false;
    for (size_t i = 0; i < gather->key_count; i++) {
        const touched *key = &gather->keys[i];
        prefetch_value(gather, i);
        if (key->object != open.object) {
            open = (touched){.object = key->object};
            object_whole = key->part == 0;
            if (object_whole) {
                write_object(doc, writer, (crdt_object){key->object});
            } else {
                write_key(doc, writer, CRDT_OBJECT, key->object, false);
            }
        }
        if (object_whole) {
            continue;
        }
        if (key->part != open.part) {
            open.part = key->part;
            open.field = 0;
            part_whole = key->field == 0;
            if (part_whole) {
                write_part(doc, writer, (crdt_part){key->part});
            } else {
                write_key(doc, writer, CRDT_PART, key->part, false);
            }
        }
        if (!part_whole && key->field != open.field) {
            write_key(doc, writer, CRDT_FIELD, key->field, true);
            open.field = key->field;
        }
    }
}

static crdt_err prepare_floor(const crdt_document *doc, crdt_version *floor)
{
    const crdt_actors *actors = &doc->context.actors;
    for (size_t i = 0; i < actors->version.stamp_count; i++) {
        crdt_stamp stamp = {.time = crdt_remove_log_floor(&doc->log, (uint16_t)(i + 1)),
                            .actor = actors->names[i]};
        crdt_err err = stamp.time == 0 || MUTANT(146)
                           ? CRDT_OK
                           : crdt_version_raise(floor, &stamp);
        if (err != CRDT_OK) {
            return err;
        }
    }
    return CRDT_OK;
}

static bool is_below_floor(const gathering *gather)
{
    for (size_t i = 0; i < gather->actor_count; i++) {
        if (gather->since_times[i] <
            crdt_remove_log_floor(&gather->doc->log, (uint16_t)(i + 1))) {
            return true;
        }
    }
    return false;
}

/* Then all that is held is new to the asker: no key need be gathered. */
static bool is_since_nothing(const gathering *gather)
{
    for (size_t i = 0; i < gather->actor_count; i++) {
        if (gather->since_times[i] > 0) {
            return false;
        }
    }
    return true;
}

static crdt_err gather_all(gathering *gather, bool force_full)
{
    const crdt_document *doc = gather->doc;
    const crdt_actors *actors = &doc->context.actors;
    gather->actor_count = actors->version.stamp_count;
    gather->since_times =
        crdt_resize_array(doc->context.alloc, NULL, 0, gather->actor_count + 1,
                          sizeof *gather->since_times);
    if (gather->since_times == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < gather->actor_count; i++) {
        gather->since_times[i] = crdt_version_get(gather->since, &actors->names[i]);
    }
    gather->full = force_full || (is_below_floor(gather) && !MUTANT(26));
    gather->all = gather->full || is_since_nothing(gather);
    crdt_err err = gather_records(gather);
    if (err != CRDT_OK || gather->all) {
        return err;
    }
    for (size_t i = MUTANT(142); i < gather->actor_count; i++) {
        gather_dots(gather, (uint16_t)(i + 1));
        gather_values(gather, (uint16_t)(i + 1));
    }
    for (size_t i = 0; i < gather->record_count; i++) {
        touch_logged(gather, gather->records[i]);
    }
    if (gather->err == CRDT_OK && gather->key_count > 0 && !MUTANT(145)) {
        gather->err = sort_keys(gather);
    }
    return gather->err;
}

static crdt_err write_answer(const gathering *gather, const crdt_deps *deps,
                             const crdt_version *floor, crdt_buf *out)
{
    const crdt_document *doc = gather->doc;
    const crdt_answer_head head = {.full = gather->full,
                                   .since = gather->since,
                                   .version = &doc->context.actors.version,
                                   .floor = floor,
                                   .deps = MUTANT(23) ? NULL : deps};
    crdt_answer_writer writer;
    crdt_answer_write_open(&writer, out, &head);
    for (size_t i = 0; i < gather->record_count; i++) {
        crdt_stamp stamp =
            crdt_actors_stamp(&doc->context.actors, gather->records[i]->dot);
        crdt_key key = crdt_remove_log_key(&doc->log, gather->records[i]);
        crdt_answer_write_log(&writer, &stamp, &key);
    }
    if (gather->all) {
        write_all(doc, &writer);
    } else {
        write_touched(doc, &writer, gather);
    }
    return crdt_answer_write_finish(&writer);
}

static crdt_err answer(const crdt_document *doc, const crdt_version *since,
                       bool force_full, const crdt_deps *deps, crdt_buf *out)
{
    crdt_alloc alloc = doc->context.alloc;
    gathering gather = {.doc = doc, .since = since};
    crdt_version floor;
    crdt_version_init(&floor, alloc);
    crdt_err err = gather_all(&gather, force_full);
    err = err != CRDT_OK ? err : prepare_floor(doc, &floor);
    err = err != CRDT_OK ? err : write_answer(&gather, deps, &floor, out);
    crdt_version_deinit(&floor);
    crdt_free(alloc, gather.since_times,
              (gather.actor_count + 1) * sizeof *gather.since_times);
    crdt_free(alloc, gather.records, gather.record_count * sizeof *gather.records);
    crdt_free(alloc, gather.keys, gather.key_capacity * sizeof *gather.keys);
    return err;
}

crdt_err crdt_document_answer(const crdt_document *doc, const crdt_version *since,
                              const crdt_deps *deps, crdt_buf *out)
{
    return answer(doc, since, false, deps, out);
}

crdt_err crdt_document_answer_full(const crdt_document *doc, const crdt_deps *deps,
                                   crdt_buf *out)
{
    crdt_version nothing;
    crdt_version_init(&nothing, doc->context.alloc);
    return answer(doc, &nothing, true, deps, out);
}
