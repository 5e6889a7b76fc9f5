#include "crdt/trail.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Slots that two actors write to, their trails, and beside them what should be held. */
enum { SLOTS = 300, ACTORS = 2, PERSONS = 5 };

typedef struct world {
    crdt_context context;
    crdt_slots slots;
    uint32_t numbers[SLOTS + 1];
    crdt_trail trails[ACTORS];
    uint32_t persons[PERSONS];
    uint64_t time;
    uint32_t held[SLOTS + 1]; /* the person of the entry, by slot */
} world;

static void world_init(world *w, crdt_alloc alloc)
{
    memset(w, 0, sizeof *w);
    crdt_context_init(&w->context, alloc, 1);
    crdt_slots_init(&w->slots, alloc);
    cr_assert_eq(crdt_slots_reserve(&w->slots, 0, SLOTS), CRDT_OK);
    for (unsigned i = 1; i <= SLOTS; i++) {
        w->numbers[i] = crdt_slots_take(&w->slots, 0);
    }
    for (unsigned i = 0; i < PERSONS; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%u", i);
        cr_assert_eq(
            crdt_names_intern(&w->context.names, crdt_span_of(name), &w->persons[i]),
            CRDT_OK);
    }
}

static void world_deinit(world *w)
{
    for (unsigned i = 0; i < ACTORS; i++) {
        crdt_trail_deinit(&w->trails[i], &w->context);
    }
    for (unsigned i = 0; i < PERSONS; i++) {
        crdt_names_release(&w->context.names, w->persons[i]);
    }
    cr_assert_eq(crdt_names_count(&w->context.names), 0);
    crdt_slots_deinit(&w->slots);
    crdt_context_deinit(&w->context);
}

static crdt_slot *slot_of(world *w, uint32_t index)
{
    return crdt_slot_at(&w->slots, w->numbers[index]);
}

static crdt_trail_of of_actor(world *w, uint16_t actor)
{
    return (crdt_trail_of){.context = &w->context, .slots = &w->slots, .actor = actor};
}

static void drop(world *w, uint32_t slot)
{
    crdt_dot *dot = &slot_of(w, slot)->dot;
    if (*dot != 0) {
        const crdt_trail_of of = of_actor(w, crdt_dot_actor(*dot));
        *dot = 0;
        crdt_trail_forget(&w->trails[of.actor - 1], &of, w->numbers[slot]);
    }
}

static void put(world *w, uint16_t actor, uint32_t slot, uint32_t person)
{
    const crdt_trail_of of = of_actor(w, actor);
    cr_assert_eq(crdt_trail_reserve(&w->trails[actor - 1], &of, 1, 1), CRDT_OK);
    drop(w, slot);
    w->time++;
    slot_of(w, slot)->dot = crdt_dot_make(w->time, actor);
    crdt_trail_append(&w->trails[actor - 1], &of, w->time, w->numbers[slot], person);
    w->held[slot] = person;
}

static void move(world *w, uint32_t from, uint32_t to)
{
    crdt_dot dot = slot_of(w, from)->dot;
    if (dot == 0 || slot_of(w, to)->dot != 0) {
        return;
    }
    crdt_trail_move(&w->trails[crdt_dot_actor(dot) - 1], crdt_dot_time(dot),
                    w->numbers[from], w->numbers[to]);
    slot_of(w, to)->dot = dot;
    slot_of(w, from)->dot = 0;
    w->held[to] = w->held[from];
}

static uint32_t held_at(const world *w, uint32_t number)
{
    for (uint32_t i = 1; i <= SLOTS; i++) {
        if (w->numbers[i] == number) {
            return w->held[i];
        }
    }
    return UINT32_MAX;
}

/* Every entry is named once, in order, with its person. */
static void check(world *w, uint16_t actor)
{
    const crdt_trail *trail = &w->trails[actor - 1];
    const crdt_trail_of of = of_actor(w, actor);
    cr_assert(crdt_trail_check(trail, &of));
    uint64_t before = 0;
    size_t count = 0;
    for (size_t block = 0; block < crdt_trail_block_count(trail); block++) {
        crdt_trail_entry entries[CRDT_TRAIL_BLOCK];
        size_t size = crdt_trail_block(trail, &of, block, entries);
        for (size_t i = 0; i < size; i++, count++) {
            uint64_t time = crdt_dot_time(entries[i].dot);
            cr_assert_gt(time, before);
            cr_assert_eq(entries[i].dot, crdt_slot_at(&w->slots, entries[i].slot)->dot);
            cr_assert_eq(crdt_trail_person_at(trail, time),
                         held_at(w, entries[i].slot));
            before = time;
        }
    }
    size_t held = 0;
    for (uint32_t slot = 1; slot <= SLOTS; slot++) {
        held += crdt_dot_actor(slot_of(w, slot)->dot) == actor;
    }
    cr_assert_eq(count, held);
    cr_assert_leq(trail->count, 2 * held + 130);
    cr_assert_leq(trail->person_count, trail->count + 1);
}

/* Two actors write over each other, entries go and move: the trails name what is held, and
 * stay as large as that. */
Test(trail, names_what_is_held_in_order)
{
    for (unsigned seed = 0; seed < 20; seed++) {
        fault_alloc fault;
        static world w;
        world_init(&w, fault_alloc_init(&fault));
        gen g = gen_open(gen_seed(seed), NULL);
        for (unsigned step = 0; step < 4000; step++) {
            uint32_t slot = 1 + (uint32_t)gen_below(&g, seed % 2 ? SLOTS : 10);
            unsigned kind = (unsigned)gen_below(&g, 10);
            if (kind < 6) {
                put(&w, (uint16_t)(1 + gen_below(&g, ACTORS)), slot,
                    gen_chance(&g, 10) ? 0 : w.persons[gen_below(&g, PERSONS)]);
            } else if (kind < 8) {
                move(&w, slot, 1 + (uint32_t)gen_below(&g, SLOTS));
            } else {
                drop(&w, slot);
            }
            if (step % 50 == 0) {
                check(&w, 1);
                check(&w, 2);
            }
        }
        for (uint32_t slot = 1; slot <= SLOTS; slot++) {
            drop(&w, slot);
        }
        check(&w, 1);
        cr_assert_eq(w.trails[0].count, 0);
        world_deinit(&w);
        cr_assert(fault_alloc_balanced(&fault));
    }
}

/* A slot that is written again and again is named once in a block. */
Test(trail, one_slot_written_often_takes_no_room)
{
    static world w;
    world_init(&w, crdt_alloc_default());
    for (unsigned i = 0; i < 1000; i++) {
        put(&w, 1, 7, w.persons[0]);
    }
    cr_assert_eq(w.trails[0].count, 1);
    cr_assert_leq(w.trails[0].capacity, 64);
    check(&w, 1);
    world_deinit(&w);
}

/* Room is made before, or nothing is changed. */
Test(trail, failing_memory_in_reserve_changes_nothing)
{
    for (uint64_t n = 0;; n++) {
        fault_alloc fault;
        static world w;
        world_init(&w, fault_alloc_init(&fault));
        for (uint32_t slot = 1; slot <= SLOTS; slot++) {
            put(&w, 1, slot, w.persons[slot % PERSONS]);
        }
        const crdt_trail_of of = of_actor(&w, 1);
        fault_alloc_fail_at(&fault, n);
        crdt_err err = crdt_trail_reserve(&w.trails[0], &of, 1000, 1000);
        fault_alloc_heal(&fault);
        cr_assert(err == CRDT_OK || err == CRDT_ENOMEM);
        check(&w, 1);
        world_deinit(&w);
        cr_assert(fault_alloc_balanced(&fault));
        if (err == CRDT_OK) {
            cr_assert_eq(n, 3);
            return;
        }
    }
}
