#include "crdt/deps.h"

#include <assert.h>
#include <string.h>

typedef struct row {
    crdt_actor actor;
    uint64_t last_time;
    crdt_version after;
} row;

/* Rows by use, the last used first. Authors that write are few, so a row is found by
 * walking. */
struct crdt_deps {
    crdt_alloc alloc;
    row **rows;
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

static void close_row(crdt_deps *deps, row *r)
{
    crdt_version_deinit(&r->after);
    crdt_free(deps->alloc, r, sizeof *r);
}

void crdt_deps_close(crdt_deps *deps)
{
    if (deps == NULL) {
        return;
    }
    for (size_t i = 0; i < deps->row_count; i++) {
        close_row(deps, deps->rows[i]);
    }
    crdt_free(deps->alloc, deps->rows, deps->row_capacity * sizeof(row *));
    crdt_free(deps->alloc, deps, sizeof *deps);
}

static size_t find_row(const crdt_deps *deps, const crdt_actor *actor)
{
    size_t i = 0;
    while (i < deps->row_count && !crdt_actor_equal(&deps->rows[i]->actor, actor)) {
        i++;
    }
    return i;
}

static void move_to_front(crdt_deps *deps, size_t index)
{
    row *r = deps->rows[index];
    memmove(deps->rows + 1, deps->rows, index * sizeof(row *));
    deps->rows[0] = r;
}

/* Room for one more pointer to a row, at most row_count_max. */
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
    row **rows = crdt_resize_array(deps->alloc, deps->rows, deps->row_capacity,
                                   capacity, sizeof *rows);
    if (rows == NULL) {
        return CRDT_ENOMEM;
    }
    deps->rows = rows;
    deps->row_capacity = capacity;
    return CRDT_OK;
}

/* `after` is what the batch saw, with or without the batch itself. */
static crdt_err put(crdt_deps *deps, const crdt_actor *actor, uint64_t last_time,
                    const crdt_version *after)
{
    const crdt_stamp last = {.time = last_time, .actor = *actor};
    size_t index = find_row(deps, actor);
    bool known = index < deps->row_count;
    if (known && deps->rows[index]->last_time >= last_time) {
        return CRDT_OK;
    }
    row *r = known ? deps->rows[index] : NULL;
    if (!known) {
        crdt_err err = reserve_row(deps);
        if (err != CRDT_OK) {
            return err;
        }
        r = crdt_allocate(deps->alloc, sizeof *r);
        if (r == NULL) {
            return CRDT_ENOMEM;
        }
        *r = (row){.actor = *actor};
        crdt_version_init(&r->after, deps->alloc);
    }

    /* The copy must not fail half way: room for all and for the author first. */
    size_t more = after->stamp_count + 1;
    more = more > r->after.stamp_count ? more - r->after.stamp_count : 0;
    crdt_err err = crdt_version_reserve(&r->after, more);
    if (err != CRDT_OK) {
        if (!known) {
            close_row(deps, r);
        }
        return err;
    }
    crdt_version_copy(&r->after, after);
    crdt_version_raise(&r->after, &last);
    r->last_time = last_time;
    if (!known) {
        if (deps->row_count == deps->row_count_max) {
            close_row(deps, deps->rows[--deps->row_count]);
        }
        index = deps->row_count++;
        deps->rows[index] = r;
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
    return put(deps, &batch->actor, crdt_batch_last_time(batch), &after);
}

crdt_err crdt_deps_put(crdt_deps *deps, const crdt_actor *actor, uint64_t last_time,
                       const crdt_version *version_after)
{
    return put(deps, actor, last_time, version_after);
}

uint64_t crdt_deps_find(const crdt_deps *deps, const crdt_actor *actor,
                        const crdt_version **version_after)
{
    static const crdt_version empty = {.stamp_count = 0};
    size_t index = find_row(deps, actor);
    bool known = index < deps->row_count;
    *version_after = known ? &deps->rows[index]->after : &empty;
    return known ? deps->rows[index]->last_time : 0;
}

bool crdt_deps_next(const crdt_deps *deps, size_t *index, crdt_actor *actor,
                    uint64_t *last_time, const crdt_version **version_after)
{
    if (*index >= deps->row_count) {
        return false;
    }
    const row *r = deps->rows[(*index)++];
    *actor = r->actor;
    *last_time = r->last_time;
    *version_after = &r->after;
    return true;
}
