#include "crdt/trail.h"

#include "crdt/mutant.h"

#include <assert.h>
#include <string.h>

#define CAPACITY_MIN 4u
#define CAPACITY_MAX (1u << 31)
/* Slots beyond twice the entries that a trail may hold before it is rewritten. */
#define SLACK 64u

static size_t blocks_of(size_t capacity)
{
    return (capacity + CRDT_TRAIL_BLOCK - 1) / CRDT_TRAIL_BLOCK;
}

void crdt_trail_deinit(crdt_trail *trail, crdt_context *context)
{
    crdt_alloc alloc = context->alloc;
    for (size_t i = 0; i < trail->person_count; i++) {
        crdt_names_release(&context->names, trail->persons[i].name);
    }
    crdt_free(alloc, trail->slots, trail->capacity * sizeof *trail->slots);
    crdt_free(alloc, trail->times, blocks_of(trail->capacity) * sizeof *trail->times);
    crdt_free(alloc, trail->persons, trail->person_capacity * sizeof *trail->persons);
    *trail = (crdt_trail){0};
}

/* ---- reading ---- */

/* What a block may hold. */
typedef struct block_view {
    const uint32_t *slots;
    size_t size;
    crdt_dot first; /* its dots are from here on, */
    crdt_dot end;   /* and below this; of other actors are dots in between, too */
} block_view;

static block_view view_block(const crdt_trail *trail, size_t block)
{
    const size_t begin = block * CRDT_TRAIL_BLOCK;
    const size_t rest = trail->count - begin;
    const bool is_last = rest <= CRDT_TRAIL_BLOCK;
    return (block_view){.slots = trail->slots + begin,
                        .size = is_last ? rest : CRDT_TRAIL_BLOCK,
                        .first = crdt_dot_make(trail->times[block], 0),
                        .end = is_last ? UINT64_MAX
                                       : crdt_dot_make(trail->times[block + 1], 0)};
}

static bool is_held(const crdt_trail_of *of, const crdt_slot *slot,
                    const block_view *view)
{
    return crdt_dot_actor(slot->dot) == of->actor && slot->dot >= view->first &&
           slot->dot < view->end && !crdt_slot_is_free(slot);
}

/* Entries that moved may be named in any order, and twice. */
static size_t sort_block(const crdt_trail_of *of, const block_view *view,
                         crdt_trail_entry entries[CRDT_TRAIL_BLOCK])
{
    size_t count = 0;
    for (size_t i = 0; i < view->size; i++) {
        const crdt_slot *slot = crdt_slot_at(of->slots, view->slots[i]);
        if (!is_held(of, slot, view)) {
            continue;
        }
        size_t at = count;
        while (at > 0 && entries[at - 1].dot > slot->dot) {
            at--;
        }
        if (at > 0 && entries[at - 1].dot == slot->dot) {
            continue;
        }
        memmove(entries + at + 1, entries + at, (count - at) * sizeof *entries);
        entries[at] = (crdt_trail_entry){.dot = slot->dot, .slot = view->slots[i]};
        count++;
    }
    return count;
}

/* From its end on the times of what is held descend; one that does not is of a slot that
 * was written again later, and taken then. */
static size_t read_block(const crdt_trail_of *of, const block_view *view,
                         crdt_trail_entry entries[CRDT_TRAIL_BLOCK])
{
    size_t at = CRDT_TRAIL_BLOCK;
    crdt_dot before = UINT64_MAX;
    for (size_t i = view->size; i-- > 0;) {
        const crdt_slot *slot = crdt_slot_at(of->slots, view->slots[i]);
        if ((slot->dot < before || MUTANT(174)) && is_held(of, slot, view)) {
            before = slot->dot;
            entries[--at] = (crdt_trail_entry){.dot = before, .slot = view->slots[i]};
        }
    }
    const size_t count = CRDT_TRAIL_BLOCK - at;
    memmove(entries, entries + at, count * sizeof *entries);
    return count;
}

size_t crdt_trail_block(const crdt_trail *trail, const crdt_trail_of *of, size_t block,
                        crdt_trail_entry entries[CRDT_TRAIL_BLOCK])
{
    const block_view view = view_block(trail, block);
    for (size_t i = 0; i < view.size; i++) { /* they lie all over memory */
        __builtin_prefetch(crdt_slot_at(of->slots, view.slots[i]));
    }
    return trail->has_moved ? sort_block(of, &view, entries)
                            : read_block(of, &view, entries);
}

/* The number of blocks, or of persons' runs, that begin at or before a time. */
static size_t begun(const void *first, size_t count, size_t stride, uint64_t time)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t at;
        memcpy(&at, (const uint8_t *)first + middle * stride, sizeof at);
        if (at <= time) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t crdt_trail_person_at(const crdt_trail *trail, uint64_t time)
{
    size_t run =
        begun(trail->persons, trail->person_count, sizeof *trail->persons, time);
    return run == 0 ? 0 : trail->persons[run - 1].name;
}

/* ---- rewriting ---- */

/* Runs of persons of which an entry is left, while entries are met by ascending time. */
typedef struct persons_kept {
    size_t count;
    size_t at;        /* the run that the next entry may be in */
    bool at_is_taken; /* it is among those kept */
} persons_kept;

static void leave_run(crdt_trail *trail, persons_kept *kept, crdt_names *names)
{
    if (!kept->at_is_taken) {
        crdt_names_release(names, trail->persons[kept->at].name);
    }
    kept->at++;
    kept->at_is_taken = false;
}

static void keep_run(crdt_trail *trail, persons_kept *kept)
{
    if (!kept->at_is_taken) {
        trail->persons[kept->count++] = trail->persons[kept->at];
        kept->at_is_taken = true;
    }
}

static void keep_person(crdt_trail *trail, persons_kept *kept, crdt_names *names,
                        uint64_t time)
{
    while (kept->at + 1 < trail->person_count &&
           trail->persons[kept->at + 1].time <= time) {
        leave_run(trail, kept, names);
    }
    if (kept->at < trail->person_count && trail->persons[kept->at].time <= time) {
        keep_run(trail, kept);
    }
}

/* In place: what is written never overtakes what is read, block by block. The last run of
 * persons stays, it goes for what is appended next. */
static void rewrite(crdt_trail *trail, const crdt_trail_of *of)
{
    crdt_trail_entry entries[CRDT_TRAIL_BLOCK];
    persons_kept kept = {0};
    const size_t block_count =
        trail->entry_count == 0 ? 0 : crdt_trail_block_count(trail);
    uint32_t count = 0;
    for (size_t block = 0; block < block_count; block++) {
        size_t held = crdt_trail_block(trail, of, block, entries);
        for (size_t i = 0; i < held; i++, count++) {
            const uint64_t time = crdt_dot_time(entries[i].dot);
            trail->slots[count] = entries[i].slot;
            if (count % CRDT_TRAIL_BLOCK == 0) {
                trail->times[count / CRDT_TRAIL_BLOCK] = time;
            }
            keep_person(trail, &kept, &of->context->names, time);
        }
    }
    assert(count == trail->entry_count);
    trail->count = count;
    trail->has_moved = false;
    if (trail->person_count > 0) {
        while (kept.at + 1 < trail->person_count) {
            leave_run(trail, &kept, &of->context->names);
        }
        keep_run(trail, &kept);
        trail->person_count = (uint32_t)kept.count;
    }
}

/* ---- room ---- */

static crdt_err resize(crdt_trail *trail, crdt_alloc alloc, size_t capacity)
{
    const size_t old_blocks = blocks_of(trail->capacity);
    const size_t blocks = blocks_of(capacity);
    if (blocks != old_blocks) {
        uint64_t *times = crdt_resize_array(alloc, NULL, 0, blocks, sizeof *times);
        if (times == NULL) {
            return CRDT_ENOMEM;
        }
        if (trail->count > 0) {
            memcpy(times, trail->times, crdt_trail_block_count(trail) * sizeof *times);
        }
        uint32_t *slots = crdt_resize_array(alloc, trail->slots, trail->capacity,
                                            capacity, sizeof *slots);
        if (slots == NULL) {
            crdt_free(alloc, times, blocks * sizeof *times);
            return CRDT_ENOMEM;
        }
        crdt_free(alloc, trail->times, old_blocks * sizeof *times);
        trail->times = times;
        trail->slots = slots;
    } else {
        uint32_t *slots = crdt_resize_array(alloc, trail->slots, trail->capacity,
                                            capacity, sizeof *slots);
        if (slots == NULL) {
            return CRDT_ENOMEM;
        }
        trail->slots = slots;
    }
    trail->capacity = (uint32_t)capacity;
    return CRDT_OK;
}

static crdt_err reserve_persons(crdt_trail *trail, crdt_alloc alloc, size_t more)
{
    size_t needed = trail->person_count + more;
    if (needed <= trail->person_capacity) {
        return CRDT_OK;
    }
    size_t capacity = (size_t)trail->person_capacity * 2;
    capacity = capacity < needed ? needed : capacity;
    crdt_trail_person *persons = crdt_resize_array(
        alloc, trail->persons, trail->person_capacity, capacity, sizeof *persons);
    if (persons == NULL) {
        return CRDT_ENOMEM;
    }
    trail->persons = persons;
    trail->person_capacity = (uint32_t)capacity;
    return CRDT_OK;
}

crdt_err crdt_trail_reserve(crdt_trail *trail, const crdt_trail_of *of, size_t count,
                            size_t person_count)
{
    crdt_alloc alloc = of->context->alloc;
    if (count > CAPACITY_MAX - trail->count) {
        return CRDT_ELIMIT;
    }
    crdt_err err = reserve_persons(trail, alloc, person_count);
    if (err != CRDT_OK) {
        return err;
    }
    if (trail->count + count > trail->capacity &&
        trail->count - trail->entry_count > trail->count / 3) {
        rewrite(trail, of);
    }
    if (trail->count + count > trail->capacity) {
        size_t capacity = (size_t)trail->capacity * (trail->capacity < 256 ? 2 : 1) +
                          trail->capacity / 4 + CAPACITY_MIN;
        size_t needed = trail->count + count;
        needed += needed / 8; /* who reserves much at once will write more */
        err = resize(trail, alloc, capacity < needed ? needed : capacity);
    }
    trail->promised = err == CRDT_OK ? (uint32_t)count : 0;
    return err;
}

/* ---- writing ---- */

void crdt_trail_append(crdt_trail *trail, const crdt_trail_of *of, uint64_t time,
                       uint32_t slot, uint32_t person)
{
    assert(trail->promised > 0);
    trail->promised--;
    trail->entry_count++;
    uint32_t last =
        trail->person_count == 0 ? 0 : trail->persons[trail->person_count - 1].name;
    bool same_person = person == last;
    if (!same_person) {
        assert(trail->person_count < trail->person_capacity);
        trail->persons[trail->person_count++] =
            (crdt_trail_person){.time = time, .name = person};
        crdt_names_hold(&of->context->names, person);
    }
    /* A slot that is written again and again is named once in a block. A new run of
     * persons has a slot of its own, so that runs are as many as slots at most. */
    bool new_block = trail->count % CRDT_TRAIL_BLOCK == 0;
    if (!new_block && same_person && trail->slots[trail->count - 1] == slot) {
        return;
    }
    assert(trail->count < trail->capacity);
    if (new_block) {
        trail->times[trail->count / CRDT_TRAIL_BLOCK] = time;
    }
    trail->slots[trail->count++] = slot;
}

void crdt_trail_fill(crdt_trail *trail, const crdt_trail_of *of, size_t count,
                     uint32_t person)
{
    assert(trail->count == 0 && trail->person_count == 0 && count <= trail->promised);
    for (size_t i = 0; i < count; i += CRDT_TRAIL_BLOCK) {
        const crdt_slot *first = crdt_slot_at(of->slots, trail->slots[i]);
        trail->times[i / CRDT_TRAIL_BLOCK] = crdt_dot_time(first->dot);
    }
    trail->count = (uint32_t)count;
    trail->entry_count = (uint32_t)count;
    trail->promised -= (uint32_t)count;
    if (person != 0) {
        assert(trail->person_capacity > 0);
        trail->persons[trail->person_count++] =
            (crdt_trail_person){.time = trail->times[0], .name = person};
        crdt_names_hold(&of->context->names, person);
    }
}

void crdt_trail_move(crdt_trail *trail, uint64_t time, uint32_t from, uint32_t to)
{
    size_t block =
        begun(trail->times, crdt_trail_block_count(trail), sizeof *trail->times, time);
    assert(block > 0);
    size_t at = (block - 1) * CRDT_TRAIL_BLOCK;
    while (trail->slots[at] != from) {
        at++;
        assert(at < trail->count);
    }
    trail->slots[at] = to;
    trail->has_moved = true;
}

/* What came last and is gone leaves nothing, nor does its person: things that come and go
 * take no room. An entry that has moved may not be the last where it is named. */
static void cut_end(crdt_trail *trail, const crdt_trail_of *of)
{
    uint64_t last = 0; /* time of the newest entry */
    while (trail->count > 0 && last == 0) {
        const block_view view =
            view_block(trail, (trail->count - 1) / CRDT_TRAIL_BLOCK);
        const crdt_slot *slot = crdt_slot_at(of->slots, trail->slots[trail->count - 1]);
        if (is_held(of, slot, &view)) {
            last = crdt_dot_time(slot->dot);
        } else {
            trail->count--;
        }
    }
    while (trail->person_count > 0 &&
           trail->persons[trail->person_count - 1].time > last) {
        crdt_names_release(&of->context->names,
                           trail->persons[--trail->person_count].name);
    }
}

void crdt_trail_forget(crdt_trail *trail, const crdt_trail_of *of, uint32_t slot)
{
    trail->entry_count--;
    if (trail->entry_count > 0 && !trail->has_moved &&
        trail->slots[trail->count - 1] == slot) {
        cut_end(trail, of);
    }
    if (trail->entry_count == 0 || trail->count / 2 > trail->entry_count + SLACK) {
        rewrite(trail, of);
        size_t needed = (size_t)trail->count + trail->promised;
        if (trail->capacity / 4 > needed + SLACK) {
            resize(trail, of->context->alloc, needed * 2 + SLACK); /* or stays large */
        }
    }
}

/* ---- check ---- */

bool crdt_trail_check(const crdt_trail *trail, const crdt_trail_of *of)
{
    crdt_trail_entry entries[CRDT_TRAIL_BLOCK];
    size_t count = 0;
    for (size_t block = 0; block < crdt_trail_block_count(trail); block++) {
        if (block > 0 && trail->times[block] <= trail->times[block - 1]) {
            return false;
        }
        count += crdt_trail_block(trail, of, block, entries);
    }
    for (size_t i = 1; i < trail->person_count; i++) {
        if (trail->persons[i].time <= trail->persons[i - 1].time) {
            return false;
        }
    }
    return count == trail->entry_count && trail->count <= trail->capacity &&
           trail->person_count <= trail->person_capacity;
}
