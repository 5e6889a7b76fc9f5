#include "crdt/document_state.h"

#include "crdt/answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Joining an answer, in three passes over its items: the first checks all bytes, the second
 * makes everything ready (what can fail), then the change is made.
 *
 * Per touched key: keep what both have, what I have and the answer's version does not
 * cover, what the answer has and my version does not cover. Touched are the keys with an
 * entry in the answer, and mine at or below a prefix: the keys of its log records, and its
 * objects and parts with an entry above `since`; all of mine if it is full. */

/* An entry that is new here. */
typedef struct new_entry {
    crdt_dot dot;
    uint32_t key; /* slot; of a field if `is_field` */
    uint32_t is_field : 1;
    uint32_t who : 31;
    crdt_lww_value value;
} new_entry;

/* A log record that is new here. */
typedef struct new_record {
    crdt_dot dot;
    uint32_t names[3];
} new_record;

/* A slot that the answer has entries of, or that lies above one; pinned. */
typedef struct visit_record {
    uint32_t slot;
    uint32_t depth : 2;
    uint32_t is_touched : 1;
    uint32_t is_prefix : 1;
} visit_record;

typedef struct item_array {
    void *items;
    size_t count;
    size_t capacity;
    size_t item_size;
} item_array;

typedef struct joining {
    crdt_document *doc;
    crdt_answer_reader *reader;
    uint16_t *numbers; /* by the reader's actor index: actor numbers here */
    size_t new_actor_count;
    item_array arrivals;
    item_array forgotten;
    item_array visited;
    item_array
        persons;     /* uint32_t: name by the reader's writer index; hold references */
    uint32_t object; /* slots of the key at hand */
    uint32_t part;
    uint32_t field;
    size_t extra_dots;
    size_t extra_values;
    bool beside_others; /* an entry of the key at hand stays or has arrived */
    bool came_alone;    /* the first that arrived was not counted as beside others */
} joining;

/* Room for one more item. */
static crdt_err reserve_item(joining *join, item_array *array)
{
    if (array->count < array->capacity) {
        return CRDT_OK;
    }
    size_t capacity = array->capacity == 0 ? 64 : array->capacity * 2;
    void *items = crdt_resize_array(join->doc->context.alloc, array->items,
                                    array->capacity, capacity, array->item_size);
    if (items == NULL) {
        return CRDT_ENOMEM;
    }
    array->items = items;
    array->capacity = capacity;
    return CRDT_OK;
}

/* NULL: no memory. */
static void *push(joining *join, item_array *array)
{
    if (reserve_item(join, array) != CRDT_OK) {
        return NULL;
    }
    return (uint8_t *)array->items + array->item_size * array->count++;
}

static void free_array(joining *join, item_array *array)
{
    crdt_free(join->doc->context.alloc, array->items,
              array->capacity * array->item_size);
}

/* ---- making ready ---- */

/* Actors that are new here get the next numbers, in the order of the answer's version, in
 * which they are raised later. (Its table has those of `since` too, who wrote nothing.) */
static crdt_err number_actors(joining *join, crdt_arena *arena)
{
    const crdt_answer_reader *reader = join->reader;
    const crdt_actors *actors = &join->doc->context.actors;
    join->numbers =
        crdt_arena_alloc(arena, reader->actor_count * sizeof *join->numbers);
    if (join->numbers == NULL) {
        return CRDT_ENOMEM;
    }
    size_t next = actors->version.stamp_count;
    size_t written = 0;
    for (size_t i = 0; i < reader->actor_count; i++) {
        join->numbers[i] = 0;
        if (written == reader->version.stamp_count ||
            !crdt_actor_equal(&reader->actors[i],
                              &reader->version.stamps[written].actor)) {
            continue;
        }
        written++;
        join->numbers[i] = crdt_actors_find(actors, &reader->actors[i]);
        if (join->numbers[i] == 0 && ++next > CRDT_ACTORS_MAX) {
            return CRDT_ELIMIT;
        }
        if (join->numbers[i] == 0) {
            join->numbers[i] = (uint16_t)next;
        }
    }
    join->new_actor_count = next - actors->version.stamp_count;
    return CRDT_OK;
}

static bool is_known(const joining *join, crdt_dot dot)
{
    const crdt_actors *actors = &join->doc->context.actors;
    uint16_t number = crdt_dot_actor(dot);
    return number <= actors->version.stamp_count &&
           crdt_dot_time(dot) <= actors->times[number - 1];
}

static crdt_dot dot_of(const joining *join, const crdt_answer_item *item)
{
    return crdt_dot_make(item->stamp.time, join->numbers[item->actor_index]);
}

static crdt_dot_store *store_at(joining *join, crdt_depth depth)
{
    return depth == CRDT_FIELD ? &join->doc->fields.store : &join->doc->keys.store;
}

static visit_record *visited_at(const joining *join, size_t index)
{
    return (visit_record *)join->visited.items + index;
}

/* There must be room. */
static visit_record *visit(joining *join, uint32_t slot, crdt_depth depth)
{
    visit_record *visited = push(join, &join->visited);
    *visited = (visit_record){.slot = slot, .depth = (unsigned)depth & 3u};
    return visited;
}

/* The key of a log record is a prefix, if it exists here. */
static crdt_err plan_prefix(joining *join, const crdt_key *key)
{
    crdt_document *doc = join->doc;
    uint32_t slot = crdt_state_find(doc, key);
    if (slot == 0) {
        return CRDT_OK;
    }
    crdt_err err = reserve_item(join, &join->visited);
    if (err == CRDT_OK) {
        visit(join, slot, key->depth)->is_prefix = 1;
        crdt_dot_store_at(store_at(join, key->depth), slot)->pinned = 1;
    }
    return err;
}

static crdt_err plan_record(joining *join, const crdt_answer_item *item)
{
    crdt_names *names = &join->doc->context.names;
    crdt_err err = CRDT_OK;
    if (item->fresh && !join->reader->full) {
        err = plan_prefix(join, &item->key);
    }
    const crdt_dot dot = dot_of(join, item);
    if (err != CRDT_OK || is_known(join, dot)) {
        return err;
    }
    new_record *record = push(join, &join->forgotten);
    if (record == NULL) {
        return CRDT_ENOMEM;
    }
    *record = (new_record){.dot = dot};
    const crdt_span spans[3] = {item->key.object, item->key.part, item->key.field};
    for (size_t i = 0; i < (size_t)item->key.depth && err == CRDT_OK; i++) {
        err = crdt_names_intern(names, spans[i], &record->names[i]);
    }
    return err;
}

/* The slot of the key, made if missing: what has no entry in the end is forgotten again. */
static crdt_err plan_key(joining *join, const crdt_answer_item *item)
{
    crdt_document *doc = join->doc;
    const crdt_span spans[3] = {item->key.object, item->key.part, item->key.field};
    uint32_t name = 0;
    crdt_err err = reserve_item(join, &join->visited);
    if (err == CRDT_OK) {
        err = crdt_names_intern(&doc->context.names, spans[item->key.depth - 1], &name);
    }
    if (err != CRDT_OK) {
        return err;
    }
    uint32_t slot = 0;
    switch (item->key.depth) {
    case CRDT_OBJECT:
        err = crdt_state_make_element(doc, 0, name, &slot);
        join->object = slot;
        break;
    case CRDT_PART:
        err = crdt_state_make_element(doc, join->object, name, &slot);
        join->part = slot;
        break;
    case CRDT_FIELD:
        err = crdt_state_make_field(doc, join->part, name, &slot);
        join->field = slot;
        break;
    }
    crdt_names_release(&doc->context.names, name);
    if (err == CRDT_OK) {
        visit(join, slot, item->key.depth);
    }
    return err;
}

/* Does an entry that is here now stay, because the answer's version does not cover it? */
static bool some_stay(joining *join, crdt_depth depth, uint32_t key)
{
    const crdt_dot_store *store = store_at(join, depth);
    const crdt_seen theirs = crdt_seen_version(&join->reader->version);
    for (uint32_t id = key; id != 0 && crdt_dot_store_at(store, id)->dot != 0;
         id = crdt_dot_store_at(store, id)->sibling) {
        if (!crdt_seen_includes(&theirs, &join->doc->context.actors,
                                crdt_dot_store_at(store, id)->dot)) {
            return true;
        }
    }
    return false;
}

static crdt_err person_of(joining *join, const crdt_answer_item *item, uint32_t *who)
{
    if (item->writer == join->persons.count) {
        uint32_t *name = push(join, &join->persons);
        if (name == NULL) {
            return CRDT_ENOMEM;
        }
        *name = 0;
        if (item->who.size > 0) {
            crdt_err err =
                crdt_names_intern(&join->doc->context.names, item->who, name);
            if (err != CRDT_OK) {
                return err;
            }
        }
    }
    assert(item->writer < join->persons.count);
    *who = ((uint32_t *)join->persons.items)[item->writer];
    return CRDT_OK;
}

static crdt_err plan_arrival(joining *join, const crdt_answer_item *item, uint32_t key,
                             crdt_dot dot)
{
    uint32_t who = 0;
    crdt_err err = person_of(join, item, &who);
    if (err != CRDT_OK) {
        return err;
    }
    new_entry *arrival = push(join, &join->arrivals);
    if (arrival == NULL) {
        return CRDT_ENOMEM;
    }
    bool is_field = item->key.depth == CRDT_FIELD;
    *arrival = (struct new_entry){
        .dot = dot, .key = key, .is_field = is_field, .who = who & 0x7fffffffu};
    if (join->beside_others) {
        *(is_field ? &join->extra_values : &join->extra_dots) += 1;
    } else {
        join->came_alone = true;
    }
    join->beside_others = true;
    return is_field
               ? crdt_lww_value_make(&join->doc->context, item->value, &arrival->value)
               : CRDT_OK;
}

static crdt_err plan_entry(joining *join, const crdt_answer_item *item)
{
    crdt_depth depth = item->key.depth;
    uint32_t key = depth == CRDT_OBJECT ? join->object
                   : depth == CRDT_PART ? join->part
                                        : join->field;
    visit_record *visited = visited_at(join, join->visited.count - 1);
    if (!visited->is_touched) {
        visited->is_touched = 1;
        join->beside_others = some_stay(join, depth, key);
        join->came_alone = false;
    }
    visited->is_prefix |= item->fresh && depth != CRDT_FIELD;
    const crdt_dot dot = dot_of(join, item);
    crdt_err err = CRDT_OK;
    if (is_known(join, dot)) {
        /* The same dot here: both have it. No such dot here: I know that it was removed. */
        crdt_dot_store *store = store_at(join, depth);
        for (uint32_t id = key; id != 0; id = crdt_dot_store_at(store, id)->sibling) {
            if (crdt_dot_store_at(store, id)->dot == dot) {
                crdt_dot_store_at(store, id)->kept = 1;
                join->beside_others = true;
                if (join->came_alone) { /* it came before, and is not alone after all */
                    join->came_alone = false;
                    *(depth == CRDT_FIELD ? &join->extra_values : &join->extra_dots) +=
                        1;
                }
            }
        }
    } else {
        err = plan_arrival(join, item, key, dot);
    }
    /* Persons are numbered by first use: none may be left out. */
    uint32_t who;
    return err != CRDT_OK ? err : person_of(join, item, &who);
}

static crdt_err plan_items(joining *join)
{
    crdt_answer_item item;
    crdt_err err = CRDT_OK;
    do {
        err = crdt_answer_read_next(join->reader, &item);
        if (err != CRDT_OK) {
            return err;
        }
        switch (item.type) {
        case CRDT_ANSWER_LOG:
            err = plan_record(join, &item);
            break;
        case CRDT_ANSWER_KEY:
            err = plan_key(join, &item);
            break;
        case CRDT_ANSWER_ENTRY:
            err = plan_entry(join, &item);
            break;
        case CRDT_ANSWER_END:
            break;
        }
    } while (err == CRDT_OK && item.type != CRDT_ANSWER_END);
    return err;
}

static int compare_arrivals(const void *a, const void *b)
{
    const new_entry *x = a;
    const new_entry *y = b;
    return (x->dot > y->dot) - (x->dot < y->dot);
}

/* In the order of time, as the lists of actors want them. A stamp is one operation's: an
 * answer that holds one twice is none. */
static crdt_err sort_arrivals(joining *join, crdt_diag *diag)
{
    new_entry *arrivals = join->arrivals.items;
    if (join->arrivals.count > 1) {
        qsort(arrivals, join->arrivals.count, sizeof *arrivals, compare_arrivals);
    }
    for (size_t i = 1; i < join->arrivals.count; i++) {
        if (arrivals[i].dot == arrivals[i - 1].dot) {
            return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                                 "two entries of the answer have one stamp");
        }
    }
    return CRDT_OK;
}

static crdt_err reserve_all(joining *join)
{
    crdt_document *doc = join->doc;
    size_t actor_count =
        doc->context.actors.version.stamp_count + join->new_actor_count;
    crdt_err err = crdt_actors_reserve(&doc->context.actors, join->new_actor_count);
    if (err == CRDT_OK) {
        err = crdt_dot_store_reserve(&doc->keys.store, join->extra_dots, actor_count);
    }
    if (err == CRDT_OK) {
        err =
            crdt_dot_store_reserve(&doc->fields.store, join->extra_values, actor_count);
    }
    if (err == CRDT_OK) {
        err = crdt_remove_log_reserve(&doc->log, join->forgotten.count, actor_count);
    }
    return err;
}

/* ---- making the change ---- */

/* Drop values first, then dots of parts, then of objects: what was live is then still to
 * be seen. Slots below a prefix may go, those that were visited are pinned. */
static void drop_below(crdt_change *change, const visit_record *prefix,
                       crdt_depth round)
{
    crdt_document *doc = change->doc;
    if (prefix->depth == CRDT_FIELD) {
        if (round == CRDT_FIELD) {
            crdt_state_drop_field(change, prefix->slot);
        }
        return;
    }
    if (prefix->depth == CRDT_PART) {
        if (round == CRDT_FIELD) {
            crdt_state_drop_values(change, prefix->slot);
        } else if (round == CRDT_PART) {
            crdt_state_drop_dots(change, prefix->slot);
        }
        return;
    }
    for (uint32_t part = crdt_group_first(*crdt_state_group(doc, prefix->slot));
         part != 0;) {
        uint32_t next = crdt_state_element(doc, part)->next;
        if (round == CRDT_FIELD) {
            crdt_state_drop_values(change, part);
        } else if (round == CRDT_PART) {
            crdt_state_drop_part(change, part);
        }
        part = next;
    }
    if (round == CRDT_OBJECT) {
        crdt_state_drop_dots(change, prefix->slot);
    }
}

static void drop_own(crdt_change *change, const visit_record *visited)
{
    if (visited->depth == CRDT_FIELD) {
        crdt_state_drop_field(change, visited->slot);
    } else {
        crdt_state_drop_dots(change, visited->slot);
    }
}

static void drop_touched(crdt_change *change, const joining *join)
{
    static const crdt_depth rounds[3] = {CRDT_FIELD, CRDT_PART, CRDT_OBJECT};
    for (size_t r = 0; r < 3; r++) {
        for (size_t i = 0; i < join->visited.count; i++) {
            const visit_record *visited = visited_at(join, i);
            if (visited->is_prefix) {
                drop_below(change, visited, rounds[r]);
            } else if (visited->is_touched && visited->depth == rounds[r]) {
                drop_own(change, visited);
            }
        }
    }
}

static void drop_everywhere(crdt_change *change)
{
    static const crdt_depth rounds[3] = {CRDT_FIELD, CRDT_PART, CRDT_OBJECT};
    crdt_document *doc = change->doc;
    for (size_t r = 0; r < 3; r++) {
        for (uint32_t object = crdt_group_first(doc->keys.root); object != 0;) {
            uint32_t next = crdt_state_element(doc, object)->next;
            const visit_record all = {.slot = object, .depth = CRDT_OBJECT};
            drop_below(change, &all, rounds[r]);
            if (rounds[r] == CRDT_OBJECT) {
                crdt_state_release_element(doc, object);
            }
            object = next;
        }
    }
}

static void insert_arrivals(crdt_change *change, joining *join)
{
    new_entry *arrivals = join->arrivals.items;
    for (size_t i = 0; i < join->arrivals.count; i++) {
        new_entry *arrival = &arrivals[i];
        if (arrival->is_field) {
            crdt_state_add_value(change, arrival->key, arrival->dot, arrival->who,
                                 &arrival->value);
            arrival->value = (crdt_lww_value){0};
        } else {
            crdt_state_insert_dot(change, arrival->key, arrival->dot, arrival->who);
        }
    }
}

static void tell_watched_below(const crdt_document *doc, const visit_record *key)
{
    if (key->depth == CRDT_PART) {
        crdt_state_tell_watched(doc, key->slot);
    } else if (key->depth == CRDT_OBJECT) {
        for (uint32_t part = crdt_group_first(*crdt_state_group(doc, key->slot));
             part != 0; part = crdt_state_element(doc, part)->next) {
            crdt_state_tell_watched(doc, part);
        }
    }
}

static void tell_joined(crdt_change *change, const joining *join)
{
    const crdt_document *doc = change->doc;
    const new_entry *arrivals = join->arrivals.items;
    for (size_t i = 0; i < join->arrivals.count && doc->tells_conflict; i++) {
        if (arrivals[i].is_field) {
            crdt_state_tell_landed(doc, arrivals[i].key, arrivals[i].dot);
        }
    }
    if (!change->watching) {
        return;
    }
    for (uint32_t object = crdt_group_first(doc->keys.root);
         object != 0 && join->reader->full;
         object = crdt_state_element(doc, object)->next) {
        const visit_record all = {.slot = object, .depth = CRDT_OBJECT};
        tell_watched_below(doc, &all);
    }
    for (size_t i = 0; i < join->visited.count; i++) {
        tell_watched_below(doc, visited_at(join, i));
    }
}

static void tell_objects(crdt_change *change, const joining *join)
{
    const crdt_document *doc = change->doc;
    for (size_t i = 0; i < join->visited.count; i++) {
        const visit_record *visited = visited_at(join, i);
        uint32_t element = visited->slot;
        if (visited->depth == CRDT_FIELD) {
            element = crdt_state_field(doc, element)->owner;
        }
        if (visited->depth != CRDT_OBJECT) {
            element = crdt_state_element(doc, element)->owner;
        }
        crdt_state_tell_changed(change, crdt_state_element(doc, element)->name);
    }
}

static void raise_version(joining *join)
{
    crdt_document *doc = join->doc;
    const crdt_version *theirs = &join->reader->version;
    for (size_t i = 0; i < theirs->stamp_count; i++) {
        crdt_actors_raise(&doc->context.actors, &theirs->stamps[i]);
    }
    const new_record *records = join->forgotten.items;
    for (size_t i = 0; i < join->forgotten.count; i++) {
        crdt_remove_log_append(&doc->log, records[i].dot, records[i].names);
    }
    for (size_t i = 0; i < join->reader->floor.stamp_count; i++) {
        const crdt_stamp *floor = &join->reader->floor.stamps[i];
        crdt_remove_log_raise_floor(
            &doc->log, crdt_actors_find(&doc->context.actors, &floor->actor),
            floor->time);
    }
}

static void perform(joining *join)
{
    crdt_change change = {
        .doc = join->doc, .op_index = SIZE_MAX, .is_join = true, .changed_name = 0};
    change.seen = crdt_seen_version(&join->reader->version);
    if (join->reader->full) {
        drop_everywhere(&change);
    } else {
        drop_touched(&change, join);
    }
    raise_version(join);
    insert_arrivals(&change, join);
    tell_joined(&change, join);
    tell_objects(&change, join);
}

/* ---- cleaning up, whether the change was made or not ---- */

static void clear_marks(crdt_dot_store *store, uint32_t key)
{
    for (uint32_t id = key; id != 0; id = crdt_dot_store_at(store, id)->sibling) {
        crdt_dot_store_at(store, id)->kept = 0;
        crdt_dot_store_at(store, id)->arrived = 0;
    }
}

/* A slot may be listed twice: the first to take the pin off keeps it (see
 * document_edit.c). */
static void unpin(joining *join, crdt_depth depth)
{
    crdt_document *doc = join->doc;
    crdt_dot_store *store = store_at(join, depth);
    for (size_t i = 0; i < join->visited.count; i++) {
        visit_record *visited = visited_at(join, i);
        if (visited->depth != depth) {
            continue;
        }
        if (!crdt_dot_store_at(store, visited->slot)->pinned) {
            visited->slot = 0;
            continue;
        }
        crdt_dot_store_at(store, visited->slot)->pinned = 0;
        clear_marks(store, visited->slot);
    }
    for (size_t i = 0; i < join->visited.count; i++) {
        const visit_record *visited = visited_at(join, i);
        if (visited->depth != depth || visited->slot == 0) {
            continue;
        }
        if (depth == CRDT_FIELD) {
            crdt_state_release_field(doc, visited->slot);
        } else {
            crdt_state_release_element(doc, visited->slot);
        }
    }
}

static void close_join(joining *join)
{
    crdt_names *names = &join->doc->context.names;
    unpin(join, CRDT_FIELD);
    unpin(join, CRDT_PART);
    unpin(join, CRDT_OBJECT);
    new_entry *arrivals = join->arrivals.items;
    for (size_t i = 0; i < join->arrivals.count; i++) {
        crdt_lww_value_free(&join->doc->context, &arrivals[i].value);
    }
    const new_record *records = join->forgotten.items;
    for (size_t i = 0; i < join->forgotten.count; i++) {
        for (size_t j = 0; j < 3; j++) {
            crdt_names_release(names, records[i].names[j]);
        }
    }
    const uint32_t *persons = join->persons.items;
    for (size_t i = 0; i < join->persons.count; i++) {
        crdt_names_release(names, persons[i]);
    }
    free_array(join, &join->arrivals);
    free_array(join, &join->forgotten);
    free_array(join, &join->visited);
    free_array(join, &join->persons);
}

static crdt_err put_deps(crdt_answer_reader *reader, crdt_deps *deps)
{
    crdt_actor author;
    uint64_t last_time;
    crdt_version after;
    crdt_err err = CRDT_OK;
    size_t index = 0;
    while (deps != NULL && err == CRDT_OK &&
           crdt_answer_read_deps(reader, &index, &author, &last_time, &after)) {
        err = crdt_deps_put(deps, &author, last_time, &after);
    }
    return err;
}

static crdt_err check_answer(const crdt_document *doc, crdt_answer_reader *reader,
                             crdt_diag *diag)
{
    if (!reader->full &&
        !crdt_version_includes(&doc->context.actors.version, &reader->since)) {
        return crdt_diag_set(diag, CRDT_ESTALE, 0,
                             "the answer was made for a version that is not here");
    }
    crdt_answer_item item;
    do {
        crdt_err err = crdt_answer_read_next(reader, &item);
        if (err != CRDT_OK) {
            return err;
        }
    } while (item.type != CRDT_ANSWER_END);
    crdt_answer_read_rewind(reader);
    return CRDT_OK;
}

static crdt_err merge(crdt_document *doc, crdt_answer_reader *reader, crdt_arena *arena,
                      crdt_deps *deps, crdt_diag *diag)
{
    joining join = {.doc = doc,
                    .reader = reader,
                    .arrivals.item_size = sizeof(new_entry),
                    .forgotten.item_size = sizeof(new_record),
                    .visited.item_size = sizeof(visit_record),
                    .persons.item_size = sizeof(uint32_t)};
    crdt_err err = number_actors(&join, arena);
    err = err != CRDT_OK ? err : plan_items(&join);
    err = err != CRDT_OK ? err : sort_arrivals(&join, diag);
    err = err != CRDT_OK ? err : reserve_all(&join);
    err = err != CRDT_OK ? err : put_deps(reader, deps);
    if (err == CRDT_OK) {
        perform(&join);
    }
    close_join(&join);
    return err;
}

crdt_err crdt_document_merge(crdt_document *doc, crdt_span answer, crdt_deps *deps,
                             bool *news, crdt_diag *diag)
{
    crdt_arena arena;
    crdt_arena_init(&arena, doc->context.alloc);
    crdt_answer_reader reader;
    crdt_err err = crdt_answer_read_open(&reader, answer, &arena, diag);
    err = err != CRDT_OK ? err : check_answer(doc, &reader, diag);
    if (err == CRDT_OK) {
        bool grows =
            !crdt_version_includes(&doc->context.actors.version, &reader.version);
        err = merge(doc, &reader, &arena, deps, diag);
        if (err == CRDT_OK && news != NULL) {
            *news = grows;
        }
    }
    if (err == CRDT_OK) {
        crdt_remove_log_trim(&doc->log, doc->log_bytes_max);
    }
    crdt_arena_deinit(&arena);
    return err;
}
