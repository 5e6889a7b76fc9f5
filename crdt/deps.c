#include "crdt/deps.h"

#include "crdt/mutant.h"

#include <assert.h>
#include <string.h>

typedef struct kept_row {
    crdt_actor actor;
    uint64_t last_time;
    uint64_t wall_ms;
    crdt_version after;
    crdt_buf who;
} kept_row;

/* A place among the rows; the beginning of the actor tells most others without a look. */
typedef struct row_place {
    uint64_t actor_head;
    kept_row *row;
} row_place;

/* Rows by use, the last used first. Authors that write are few, so a row is found by
 * walking. */
struct crdt_deps {
    crdt_alloc alloc;
    row_place *rows;
    size_t row_count;
    size_t row_capacity;
    size_t row_count_max;
};

crdt_err crdt_deps_open(crdt_deps **out, crdt_alloc alloc, size_t author_max)
{
    assert(author_max >= 1);
    crdt_deps *deps = crdt_allocate(alloc, sizeof *deps);
    if (deps == NULL) {
        return CRDT_ENOMEM;
    }
    *deps = (crdt_deps){.alloc = alloc, .row_count_max = author_max};
    *out = deps;
    return CRDT_OK;
}

static void close_row(crdt_deps *deps, kept_row *r)
{
    crdt_version_deinit(&r->after);
    crdt_buf_deinit(&r->who);
    crdt_free(deps->alloc, r, sizeof *r);
}

void crdt_deps_close(crdt_deps *deps)
{
    if (deps == NULL) {
        return;
    }
    for (size_t i = 0; i < deps->row_count; i++) {
        close_row(deps, deps->rows[i].row);
    }
    crdt_free(deps->alloc, deps->rows, deps->row_capacity * sizeof *deps->rows);
    crdt_free(deps->alloc, deps, sizeof *deps);
}

static uint64_t head_of(const crdt_actor *actor)
{
    uint64_t head;
    memcpy(&head, actor->bytes, sizeof head);
    return head;
}

static size_t find_row(const crdt_deps *deps, const crdt_actor *actor)
{
    const uint64_t head = head_of(actor);
    size_t i = 0;
    while (i < deps->row_count &&
           (deps->rows[i].actor_head != head ||
            !crdt_actor_equal(&deps->rows[i].row->actor, actor))) {
        i++;
    }
    return i;
}

static void move_to_front(crdt_deps *deps, size_t index)
{
    if (index == 0) {
        return;
    }
    const row_place place = deps->rows[index];
    memmove(deps->rows + 1, deps->rows, index * sizeof *deps->rows);
    deps->rows[0] = place;
}

/* Room for one more place, at most row_count_max. */
static crdt_err reserve_row(crdt_deps *deps)
{
    if (deps->row_count < deps->row_capacity ||
        deps->row_count == deps->row_count_max) {
        return CRDT_OK;
    }
    size_t capacity = deps->row_capacity == 0 ? 8 : deps->row_capacity * 2;
    if (capacity > deps->row_count_max) {
        capacity = deps->row_count_max;
    }
    row_place *rows = crdt_resize_array(deps->alloc, deps->rows, deps->row_capacity,
                                        capacity, sizeof *rows);
    if (rows == NULL) {
        return CRDT_ENOMEM;
    }
    deps->rows = rows;
    deps->row_capacity = capacity;
    return CRDT_OK;
}

static crdt_err open_row(crdt_deps *deps, const crdt_actor *actor, kept_row **out)
{
    crdt_err err = reserve_row(deps);
    if (err != CRDT_OK) {
        return err;
    }
    kept_row *r = crdt_allocate(deps->alloc, sizeof *r);
    if (r == NULL) {
        return CRDT_ENOMEM;
    }
    *r = (kept_row){.actor = *actor};
    crdt_version_init(&r->after, deps->alloc);
    crdt_buf_init(&r->who, deps->alloc);
    *out = r;
    return CRDT_OK;
}

/* Overwrite `r`. Room for all of it first: a copy must not fail half way. */
static crdt_err fill_row(kept_row *r, const crdt_deps_row *from)
{
    const crdt_stamp last = {.time = from->last_time, .actor = from->actor};
    size_t more = from->after->stamp_count + 1;
    more = more > r->after.stamp_count ? more - r->after.stamp_count : 0;
    crdt_err err = crdt_version_reserve(&r->after, more);
    if (err == CRDT_OK && from->who.size > r->who.size) {
        err = crdt_buf_reserve(&r->who, from->who.size - r->who.size);
    }
    if (err != CRDT_OK) {
        return err;
    }
    crdt_version_copy(&r->after, from->after);
    if (!MUTANT(160)) {
        crdt_version_raise(&r->after, &last);
    }
    if (!crdt_span_equal(crdt_buf_span(&r->who), from->who) && !MUTANT(161)) {
        crdt_buf_clear(&r->who);
        crdt_buf_append_span(&r->who, from->who);
    }
    r->last_time = from->last_time;
    r->wall_ms = from->wall_ms;
    return CRDT_OK;
}

crdt_err crdt_deps_put(crdt_deps *deps, const crdt_deps_row *from)
{
    size_t index = find_row(deps, &from->actor);
    bool known = index < deps->row_count;
    if (known && deps->rows[index].row->last_time >= from->last_time && !MUTANT(159)) {
        return CRDT_OK;
    }
    kept_row *r = known ? deps->rows[index].row : NULL;
    crdt_err err = known ? CRDT_OK : open_row(deps, &from->actor, &r);
    if (err != CRDT_OK) {
        return err;
    }
    err = fill_row(r, from);
    if (err != CRDT_OK) {
        if (!known) {
            close_row(deps, r);
        }
        return err;
    }
    if (!known) {
        if (deps->row_count == deps->row_count_max) {
            close_row(deps, deps->rows[--deps->row_count].row);
        }
        index = deps->row_count++;
        deps->rows[index] = (row_place){.actor_head = head_of(&from->actor), .row = r};
    }
    move_to_front(deps, index);
    return CRDT_OK;
}

crdt_err crdt_deps_note(crdt_deps *deps, const crdt_batch *batch)
{
    /* A view of the batch's deps: only read. */
    const crdt_version after = {.stamps = (crdt_stamp *)(uintptr_t)batch->deps,
                                .stamp_count = batch->dep_count,
                                .stamp_capacity = batch->dep_count};
    const crdt_deps_row from = {.actor = batch->actor,
                                .last_time = crdt_batch_last_time(batch),
                                .after = &after,
                                .who = batch->who,
                                .wall_ms = batch->wall_ms};
    return crdt_deps_put(deps, &from);
}

static crdt_deps_row row_of(const kept_row *r)
{
    return (crdt_deps_row){.actor = r->actor,
                           .last_time = r->last_time,
                           .after = &r->after,
                           .who = crdt_buf_span(&r->who),
                           .wall_ms = r->wall_ms};
}

bool crdt_deps_find(const crdt_deps *deps, const crdt_actor *actor, crdt_deps_row *row)
{
    static const crdt_version empty = {.stamp_count = 0};
    size_t index = find_row(deps, actor);
    bool known = index < deps->row_count;
    *row = known ? row_of(deps->rows[index].row)
                 : (crdt_deps_row){.actor = *actor, .after = &empty};
    return known;
}

bool crdt_deps_next(const crdt_deps *deps, size_t *index, crdt_deps_row *row)
{
    if (*index >= deps->row_count) {
        return false;
    }
    *row = row_of(deps->rows[(*index)++].row);
    return true;
}
