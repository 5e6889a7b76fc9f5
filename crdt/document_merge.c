#include "crdt/document_join.h"

#include "crdt/mutant.h"

#include <assert.h>

/* Drop values first, then dots of parts, then of objects: what was live is then still to
 * be seen. Slots below a prefix may go, those that were visited are pinned. */
static void drop_below(crdt_change *change, const crdt_join_visit *prefix,
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
        if (round == CRDT_FIELD && !MUTANT(136)) {
            crdt_state_drop_values(change, prefix->slot);
        } else if (round == CRDT_PART) {
            crdt_state_drop_dots(change, prefix->slot);
        }
        return;
    }
    for (uint32_t part = crdt_state_any_part(doc, prefix->slot); part != 0;) {
        uint32_t next = crdt_state_next_part(doc, part);
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

static void drop_own(crdt_change *change, const crdt_join_visit *visited)
{
    if (visited->depth == CRDT_FIELD) {
        crdt_state_drop_field(change, visited->slot);
    } else {
        crdt_state_drop_dots(change, visited->slot);
    }
}

static void drop_touched(crdt_change *change, const crdt_join *join)
{
    static const crdt_depth rounds[3] = {CRDT_FIELD, CRDT_PART, CRDT_OBJECT};
    for (size_t r = 0; r < 3; r++) {
        for (size_t i = 0; i < join->visited.count; i++) {
            const crdt_join_visit *visited = crdt_join_visited(join, i);
            if (visited->is_bare) {
                continue;
            }
            if (visited->is_prefix) {
                drop_below(change, visited, rounds[r]);
            } else if (visited->is_touched && !visited->is_overwritten &&
                       visited->depth == rounds[r]) {
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
        for (uint32_t object = crdt_state_any_object(doc); object != 0;) {
            uint32_t next = crdt_state_next_object(doc, object);
            const crdt_join_visit all = {.slot = object, .depth = CRDT_OBJECT};
            const crdt_digest before = doc->digest;
            const bool was_pinned = crdt_state_element(doc, object)->pinned;
            crdt_state_element(doc, object)->pinned = 1;
            drop_below(change, &all, rounds[r]);
            crdt_state_element(doc, object)->pinned = was_pinned;
            if (!crdt_digest_equal(before,
                                   doc->digest)) { /* the answer may not name it */
                crdt_state_tell_changed(change, crdt_state_element(doc, object)->name);
            }
            if (rounds[r] == CRDT_OBJECT) {
                crdt_state_release_element(doc, object);
            }
            object = next;
        }
    }
}

/* What is written over goes first, so that trails hold just what is here when new entries
 * are placed. It may be gone already, with what is below a prefix. */
static void leave_overwritten(crdt_change *change, crdt_join *join)
{
    crdt_document *doc = change->doc;
    crdt_join_entry *arrivals = join->arrivals.items;
    for (size_t i = 0; i < join->arrivals.count; i++) {
        crdt_join_entry *arrival = &arrivals[i];
        if (!arrival->overwrites) {
            continue;
        }
        if (crdt_state_field(doc, arrival->key)->dot == 0) {
            arrival->overwrites = 0;
            continue;
        }
        crdt_state_leave_value(change, arrival->key, arrival->key_hash);
        crdt_dot_store_leave(&doc->fields.store, arrival->key);
    }
}

static void place(crdt_change *change, crdt_join_entry *arrival)
{
    crdt_document *doc = change->doc;
    if (!arrival->is_field) {
        arrival->entry =
            crdt_state_place_dot(change, arrival->key, arrival->dot, arrival->key_hash);
        return;
    }
    if (arrival->overwrites) {
        crdt_lww_map_enter(&doc->fields, arrival->key, arrival->dot, &arrival->value);
        crdt_state_enter_value(change, arrival->key, arrival->key_hash);
        arrival->entry = arrival->key;
    } else {
        arrival->entry = crdt_state_place_value(change, arrival->key, arrival->dot,
                                                &arrival->value, arrival->key_hash);
    }
    arrival->value = (crdt_lww_value){0};
}

/* In the order of keys, so that concurrent values of neighbours lie side by side, and those
 * who look at them later find them in the cache; then into trails, by time. */
static void insert_arrivals(crdt_change *change, crdt_join *join)
{
    crdt_document *doc = change->doc;
    crdt_join_entry *arrivals = join->arrivals.items;
    leave_overwritten(change, join);
    for (size_t i = 0; i < join->arrivals.count; i++) {
        place(change, &arrivals[i]);
    }
    for (size_t i = 0; i < join->arrivals.count; i++) {
        const crdt_join_entry *arrival = &arrivals[join->order[i].index];
        crdt_dot_store_list(arrival->is_field ? &doc->fields.store : &doc->keys.store,
                            arrival->entry, arrival->dot, arrival->who);
    }
}

static void tell_watched_below(const crdt_document *doc, const crdt_join_visit *key)
{
    if (key->depth == CRDT_PART) {
        crdt_state_tell_watched(doc, key->slot);
    } else if (key->depth == CRDT_OBJECT) {
        for (uint32_t part = crdt_state_any_part(doc, key->slot); part != 0;
             part = crdt_state_next_part(doc, part)) {
            crdt_state_tell_watched(doc, part);
        }
    }
}

static void tell_joined(crdt_change *change, const crdt_join *join)
{
    const crdt_document *doc = change->doc;
    const crdt_join_entry *arrivals = join->arrivals.items;
    for (size_t i = 0; i < join->arrivals.count && doc->tells_conflict; i++) {
        if (arrivals[i].is_field) {
            crdt_state_tell_landed(doc, arrivals[i].key, arrivals[i].dot);
        }
    }
    if (!change->watching) {
        return;
    }
    for (uint32_t object = crdt_state_any_object(doc);
         object != 0 && join->reader->full;
         object = crdt_state_next_object(doc, object)) {
        const crdt_join_visit all = {.slot = object, .depth = CRDT_OBJECT};
        tell_watched_below(doc, &all);
    }
    for (size_t i = 0; i < join->visited.count; i++) {
        tell_watched_below(doc, crdt_join_visited(join, i));
    }
}

static void tell_objects(crdt_change *change, const crdt_join *join)
{
    const crdt_document *doc = change->doc;
    for (size_t i = 0; i < join->visited.count && doc->listener_count > 0; i++) {
        const crdt_join_visit *visited = crdt_join_visited(join, i);
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

static void raise_version(crdt_join *join)
{
    crdt_document *doc = join->doc;
    const crdt_version *theirs = &join->reader->version;
    for (size_t i = 0; i + (MUTANT(139) && i > 1) < theirs->stamp_count; i++) {
        crdt_actors_raise(&doc->context.actors, &theirs->stamps[i]);
    }
    const crdt_join_record *records = join->records.items;
    for (size_t i = 0; i < join->records.count; i++) {
        if (!MUTANT(134)) {
            crdt_remove_log_append(&doc->log, records[i].dot, records[i].names);
        }
    }
    for (size_t i = MUTANT(135); i < join->reader->floor.stamp_count; i++) {
        const crdt_stamp *floor = &join->reader->floor.stamps[i];
        crdt_remove_log_raise_floor(
            &doc->log, crdt_actors_find(&doc->context.actors, &floor->actor),
            floor->time);
    }
}

static void perform(crdt_join *join)
{
    crdt_change change = {
        .doc = join->doc, .op_index = SIZE_MAX, .is_join = true, .changed_name = 0};
    change.seen = join->theirs;
    if (join->reader->full && !MUTANT(138)) {
        drop_everywhere(&change);
    } else {
        drop_touched(&change, join);
    }
    raise_version(join);
    insert_arrivals(&change, join);
    tell_joined(&change, join);
    tell_objects(&change, join);
}

static crdt_err put_deps(crdt_answer_reader *reader, crdt_deps *deps)
{
    crdt_deps_row row;
    crdt_err err = CRDT_OK;
    size_t index = 0;
    while (deps != NULL && err == CRDT_OK &&
           crdt_answer_read_deps(reader, &index, &row)) {
        err = crdt_deps_put(deps, &row);
    }
    return err;
}

static crdt_err check_since(const crdt_document *doc, const crdt_answer_reader *reader,
                            crdt_diag *diag)
{
    if (!reader->full && !MUTANT(42) &&
        !crdt_version_includes(&doc->context.actors.version, &reader->since)) {
        return crdt_diag_set(diag, CRDT_ESTALE, 0,
                             "the answer was made for a version that is not here");
    }
    return CRDT_OK;
}

static crdt_err merge(crdt_document *doc, crdt_answer_reader *reader, crdt_arena *arena,
                      crdt_deps *deps, crdt_diag *diag)
{
    crdt_join join = {.doc = doc, .reader = reader};
    crdt_err err = crdt_join_plan(&join, arena, diag);
    err = err != CRDT_OK ? err : put_deps(reader, MUTANT(44) ? NULL : deps);
    if (err == CRDT_OK) {
        perform(&join);
    }
    crdt_join_close(&join);
    return err;
}

static crdt_err load(crdt_document *doc, crdt_answer_reader *reader, crdt_deps *deps,
                     crdt_diag *diag)
{
    crdt_err err = crdt_join_load(doc, reader, diag);
    return err != CRDT_OK ? err : put_deps(reader, deps);
}

crdt_err crdt_document_merge(crdt_document *doc, crdt_span answer, crdt_deps *deps,
                             bool *news, crdt_diag *diag)
{
    crdt_arena arena;
    crdt_arena_init(&arena, doc->context.alloc);
    crdt_answer_reader reader;
    crdt_err err = crdt_answer_read_open(&reader, answer, &arena, diag);
    err = err != CRDT_OK ? err : check_since(doc, &reader, diag);
    if (err == CRDT_OK) {
        bool is_empty = doc->context.actors.version.stamp_count == 0;
        const bool grows =
            !crdt_version_includes(&doc->context.actors.version, &reader.version);
        if (MUTANT(25) && reader.since.stamp_count == 0) {
            crdt_state_clear(doc);
            is_empty = true;
        }
        err = is_empty ? load(doc, &reader, deps, diag)
                       : merge(doc, &reader, &arena, deps, diag);
        if (err == CRDT_OK && news != NULL) {
            *news = grows;
        }
    }
    if (err == CRDT_OK) {
        crdt_remove_log_trim(&doc->log, crdt_state_log_bytes_max(doc));
    }
    crdt_arena_deinit(&arena);
    return err;
}
