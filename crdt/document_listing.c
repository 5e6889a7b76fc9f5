#include "crdt/document_listing.h"

#include "crdt/dot_sort.h"

#include <assert.h>
#include <string.h>

#define NO_PERSON_YET UINT32_MAX

static crdt_dot_store *store_of(const crdt_listing *listing, bool of_field)
{
    return of_field ? &listing->doc->fields.store : &listing->doc->keys.store;
}

static bool is_value(const crdt_slot *slot)
{
    return slot->kind != 0;
}

crdt_err crdt_listing_open(crdt_listing *listing, crdt_document *doc, size_t size_max)
{
    const crdt_alloc alloc = doc->context.alloc;
    const size_t actor_count = doc->context.actors.version.stamp_count;
    *listing = (crdt_listing){.doc = doc};
    if (actor_count == 0) {
        return CRDT_OK;
    }
    listing->persons =
        crdt_resize_array(alloc, NULL, 0, actor_count, sizeof *listing->persons);
    if (listing->persons == NULL) {
        return CRDT_ENOMEM;
    }
    listing->person_count = actor_count;
    memset(listing->persons, 0xff, actor_count * sizeof *listing->persons);
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < 2 && err == CRDT_OK; i++) {
        err = crdt_dot_ranks_open(&listing->ranks[i], alloc, &doc->context.actors,
                                  size_max / 2);
    }
    listing->is_ranked = err == CRDT_OK;
    return err == CRDT_ELIMIT ? CRDT_OK : err;
}

void crdt_listing_close(crdt_listing *listing)
{
    const crdt_alloc alloc =
        listing->doc != NULL ? listing->doc->context.alloc : crdt_alloc_default();
    for (size_t i = 0; i < 2; i++) {
        crdt_dot_ranks_close(&listing->ranks[i]);
    }
    crdt_free(alloc, listing->persons, listing->person_count * sizeof(uint32_t));
    crdt_free(alloc, listing->exceptions,
              listing->exception_capacity * sizeof *listing->exceptions);
    *listing = (crdt_listing){0};
}

static crdt_err add_exception(crdt_listing *listing, uint32_t slot, uint32_t who)
{
    if (listing->exception_count == listing->exception_capacity) {
        size_t capacity =
            listing->exception_capacity == 0 ? 64 : listing->exception_capacity * 2;
        crdt_listing_exception *exceptions = crdt_resize_array(
            listing->doc->context.alloc, listing->exceptions,
            listing->exception_capacity, capacity, sizeof *exceptions);
        if (exceptions == NULL) {
            return CRDT_ENOMEM;
        }
        listing->exceptions = exceptions;
        listing->exception_capacity = capacity;
    }
    listing->exceptions[listing->exception_count++] =
        (crdt_listing_exception){.slot = slot, .who = who};
    return CRDT_OK;
}

crdt_err crdt_listing_add(crdt_listing *listing, uint32_t slot, crdt_dot dot,
                          uint32_t who)
{
    const bool of_field = is_value(crdt_slot_at(&listing->doc->slots, slot));
    listing->entry_count++;
    if (listing->is_ranked && !crdt_dot_ranks_add(&listing->ranks[of_field], dot)) {
        listing->is_twice = true;
    }
    uint32_t *person = &listing->persons[crdt_dot_actor(dot) - 1];
    *person = *person == NO_PERSON_YET ? who : *person;
    return *person == who ? CRDT_OK : add_exception(listing, slot, who);
}

/* An entry in its place: index is twice the slot, plus 1 for a value; tag is the name of
 * the person. */
static bool is_field(const crdt_dot_place *entry)
{
    return (entry->index & 1) != 0;
}

static uint32_t slot_of(const crdt_dot_place *entry)
{
    return entry->index >> 1;
}

/* ---- sorted ---- */

/* What goes into the trail of an actor in one of the stores. */
typedef struct trail_need {
    size_t count;
    size_t person_count; /* changes of the person */
    uint32_t person;     /* the last one */
} trail_need;

/* Room in a trail, and some more for what is written next. */
static crdt_err reserve_trail(const crdt_listing *listing, bool of_field, size_t actor,
                              const trail_need *need)
{
    return need->count == 0 ? CRDT_OK
                            : crdt_dot_store_reserve_writes(
                                  store_of(listing, of_field), (uint16_t)actor,
                                  need->count + need->count / 16, need->person_count);
}

/* `needs` are of dots and of values, by actor. */
static crdt_err reserve_trails(const crdt_listing *listing,
                               const crdt_dot_place *entries, trail_need (*needs)[2],
                               size_t actor_count)
{
    memset(needs, 0, actor_count * sizeof *needs);
    for (size_t i = 0; i < listing->entry_count; i++) {
        const crdt_dot_place *entry = &entries[i];
        trail_need *need = &needs[crdt_dot_actor(entry->dot) - 1][is_field(entry)];
        need->count++;
        need->person_count += entry->tag != need->person;
        need->person = entry->tag;
    }
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < actor_count * 2 && err == CRDT_OK; i++) {
        err = reserve_trail(listing, i % 2, i / 2 + 1, &needs[i / 2][i % 2]);
    }
    return err;
}

/* Slots were made one after the other: so the walk meets them as they were loaded. */
static void collect_entries(const crdt_listing *listing, crdt_dot_place *entries)
{
    const crdt_slots *slots = &listing->doc->slots;
    size_t count = 0;
    size_t next = 0; /* of the exceptions */
    for (uint32_t id = crdt_slots_next(slots, 0); id != 0;
         id = crdt_slots_next(slots, id)) {
        const crdt_slot *slot = crdt_slot_at(slots, id);
        if (slot->dot == 0) {
            continue;
        }
        uint32_t who = listing->persons[crdt_dot_actor(slot->dot) - 1];
        if (next < listing->exception_count && listing->exceptions[next].slot == id) {
            who = listing->exceptions[next++].who;
        }
        entries[count++] = (crdt_dot_place){
            .dot = slot->dot, .index = id * 2 + is_value(slot), .tag = who};
    }
    assert(count == listing->entry_count && next == listing->exception_count);
}

static crdt_err fail_twice(crdt_diag *diag)
{
    return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                         "two entries of the answer have one stamp");
}

static crdt_err list_sorted(crdt_listing *listing, crdt_dot_place *entries,
                            crdt_diag *diag)
{
    crdt_document *doc = listing->doc;
    collect_entries(listing, entries);
    crdt_err err = crdt_dot_sort(entries, listing->entry_count, doc->context.alloc);
    for (size_t i = 1; i < listing->entry_count && err == CRDT_OK; i++) {
        if (entries[i].dot == entries[i - 1].dot) {
            err = fail_twice(diag);
        }
    }
    const size_t actor_count = doc->context.actors.version.stamp_count;
    trail_need(*needs)[2] =
        crdt_resize_array(doc->context.alloc, NULL, 0, actor_count, sizeof *needs);
    if (needs == NULL) {
        return CRDT_ENOMEM;
    }
    err = err != CRDT_OK ? err : reserve_trails(listing, entries, needs, actor_count);
    crdt_free(doc->context.alloc, needs, actor_count * sizeof *needs);
    for (size_t i = 0; i < listing->entry_count && err == CRDT_OK; i++) {
        crdt_dot_store_list(store_of(listing, is_field(&entries[i])),
                            slot_of(&entries[i]), entries[i].dot, entries[i].tag);
    }
    return err;
}

/* ---- by rank ---- */

static crdt_err reserve_ranked(const crdt_listing *listing)
{
    crdt_err err = CRDT_OK;
    const size_t actor_count = listing->doc->context.actors.version.stamp_count;
    for (size_t i = 0; i < actor_count * 2 && err == CRDT_OK; i++) {
        const uint16_t actor = (uint16_t)(i / 2 + 1);
        const trail_need need = {
            .count = crdt_dot_ranks_total(&listing->ranks[i % 2], actor),
            .person_count = 1};
        err = reserve_trail(listing, i % 2, actor, &need);
    }
    return err;
}

/* Each slot goes to the place in its actor's trail that the rank of its dot says. */
static void rank_slots(const crdt_listing *listing)
{
    const crdt_slots *slots = &listing->doc->slots;
    for (uint32_t id = crdt_slots_next(slots, 0); id != 0;
         id = crdt_slots_next(slots, id)) {
        const crdt_slot *slot = crdt_slot_at(slots, id);
        if (slot->dot != 0) {
            const bool of_field = is_value(slot);
            uint32_t *list = crdt_dot_store_unlisted(store_of(listing, of_field),
                                                     crdt_dot_actor(slot->dot));
            list[crdt_dot_ranks_of(&listing->ranks[of_field], slot->dot)] = id;
        }
    }
}

/* Each actor wrote for one person. */
static crdt_err list_ranked(crdt_listing *listing, crdt_diag *diag)
{
    for (size_t i = 0; i < 2; i++) {
        crdt_dot_ranks_count(&listing->ranks[i]);
    }
    if (listing->is_twice ||
        !crdt_dot_ranks_apart(&listing->ranks[0], &listing->ranks[1])) {
        return fail_twice(diag);
    }
    crdt_err err = reserve_ranked(listing);
    if (err != CRDT_OK) {
        return err;
    }
    rank_slots(listing);
    for (size_t i = 0; i < listing->ranks[0].actor_count * 2; i++) {
        const uint16_t actor = (uint16_t)(i / 2 + 1);
        const size_t count = crdt_dot_ranks_total(&listing->ranks[i % 2], actor);
        if (count > 0) {
            crdt_dot_store_list_all(store_of(listing, i % 2), actor, count,
                                    listing->persons[actor - 1]);
        }
    }
    return CRDT_OK;
}

crdt_err crdt_listing_finish(crdt_listing *listing, crdt_diag *diag)
{
    if (listing->is_ranked && listing->exception_count == 0) {
        return list_ranked(listing, diag);
    }
    const crdt_alloc alloc = listing->doc->context.alloc;
    const size_t count = listing->entry_count;
    if (count == 0) {
        return CRDT_OK;
    }
    crdt_dot_place *entries = crdt_resize_array(alloc, NULL, 0, count, sizeof *entries);
    crdt_err err = entries == NULL ? CRDT_ENOMEM : list_sorted(listing, entries, diag);
    crdt_free(alloc, entries, count * sizeof *entries);
    return err;
}
