#include "cli/worker/members.h"

#include <assert.h>

#define COMPARED_MAX 32768u /* fields compared with what crossed: a bound on the work */

crdt_err worker_members_open(worker_members *members, crdt_arena *arena, crdt_span map,
                             size_t room)
{
    *members = (worker_members){.count = 0};
    uint32_t count = 0;
    crdt_value_reader reader = {0};
    if (map.data != NULL && crdt_value_type_of(map) == CRDT_VALUE_MAP) {
        reader = crdt_value_read_open(map);
        count = crdt_value_read(&reader).count;
    }
    members->items = crdt_arena_alloc(arena, (count + room) * sizeof(worker_member));
    if (members->items == NULL) {
        return CRDT_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        worker_member *member = &members->items[members->count++];
        member->name = crdt_value_read(&reader).string;
        member->value = crdt_value_read_span(&reader);
    }
    return CRDT_OK;
}

/* Where it is, or would be. */
static size_t place_of(const worker_members *members, crdt_span name, bool *found)
{
    size_t low = 0;
    size_t high = members->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = crdt_value_key_compare(members->items[middle].name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = false;
    return low;
}

const worker_member *worker_members_find(const worker_members *members, crdt_span name)
{
    bool found;
    size_t at = place_of(members, name, &found);
    return found ? &members->items[at] : NULL;
}

void worker_members_put(worker_members *members, const worker_member *member)
{
    bool found;
    size_t at = place_of(members, member->name, &found);
    worker_member *items = members->items;
    if (found && member->value.data != NULL) {
        items[at].value = member->value;
    } else if (found) {
        members->count--;
        memmove(&items[at], &items[at + 1], (members->count - at) * sizeof *items);
    } else if (member->value.data != NULL) {
        memmove(&items[at + 1], &items[at], (members->count - at) * sizeof *items);
        members->count++;
        items[at] = *member;
    }
}

crdt_err worker_members_write(const worker_members *members, crdt_buf *out)
{
    crdt_err err = crdt_value_write_map(out, (uint32_t)members->count);
    for (size_t i = 0; i < members->count && err == CRDT_OK; i++) {
        err = crdt_value_write_string(out, members->items[i].name);
        if (err == CRDT_OK) {
            err = crdt_buf_append_span(out, members->items[i].value);
        }
    }
    return err;
}

/* ---- comparing ---- */

static bool same(const worker_member *a, const worker_member *b)
{
    return a == b || (a != NULL && b != NULL && crdt_span_equal(a->value, b->value));
}

typedef struct opened_crossing {
    worker_members from;
    worker_members to;
} opened_crossing;

/* Is the field `name`, sent as `now` (NULL: without it), as it was before something that
 * was sent changed it? */
static bool crosses(const opened_crossing *crossings, size_t count, crdt_span name,
                    const worker_member *now)
{
    for (size_t i = 0; i < count; i++) {
        const worker_member *from = worker_members_find(&crossings[i].from, name);
        const worker_member *to = worker_members_find(&crossings[i].to, name);
        if (!same(from, to) && same(from, now)) {
            return true;
        }
    }
    return false;
}

static size_t count_of(crdt_span map)
{
    crdt_value_reader reader = crdt_value_read_open(map);
    return crdt_value_read(&reader).count;
}

crdt_err worker_members_touched(crdt_arena *arena, crdt_span base, crdt_span value,
                                const worker_crossing *crossings, size_t crossing_count,
                                worker_members *touched)
{
    worker_members before;
    worker_members after;
    size_t fields = count_of(value);
    while (crossing_count > 1 && crossing_count * fields > COMPARED_MAX) {
        crossings++; /* the oldest go first */
        crossing_count--;
    }
    opened_crossing *opened = crdt_arena_alloc(arena, crossing_count * sizeof *opened);
    crdt_err err = opened == NULL ? CRDT_ENOMEM : CRDT_OK;
    for (size_t i = 0; i < crossing_count && err == CRDT_OK; i++) {
        err = worker_members_open(&opened[i].from, arena, crossings[i].from, 0);
        if (err == CRDT_OK) {
            err = worker_members_open(&opened[i].to, arena, crossings[i].to, 0);
        }
    }
    if (err == CRDT_OK) {
        err = worker_members_open(&before, arena, base, 0);
    }
    if (err == CRDT_OK) {
        err = worker_members_open(&after, arena, value, 0);
    }
    if (err == CRDT_OK) {
        err = worker_members_open(touched, arena, (crdt_span){0},
                                  before.count + after.count);
    }
    if (err != CRDT_OK) {
        return err;
    }
    for (size_t i = 0; i < after.count; i++) {
        const worker_member *now = &after.items[i];
        if (!same(worker_members_find(&before, now->name), now) &&
            !crosses(opened, crossing_count, now->name, now)) {
            touched->items[touched->count++] = *now;
        }
    }
    for (size_t i = 0; i < before.count; i++) {
        crdt_span name = before.items[i].name;
        if (worker_members_find(&after, name) == NULL &&
            !crosses(opened, crossing_count, name, NULL)) {
            touched->items[touched->count++] = (worker_member){.name = name};
        }
    }
    return CRDT_OK;
}
