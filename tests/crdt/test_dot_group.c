#include "crdt/dot_store.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { NAMES = 200, OWNER = 5 };

/* Keys of one owner, and beside them which should be there. */
typedef struct world {
    crdt_context context;
    crdt_dot_store store;
    crdt_group group;
    uint32_t names[NAMES];
    bool has[NAMES];
    size_t count;
} world;

static void world_init(world *w, crdt_alloc alloc)
{
    memset(w, 0, sizeof *w);
    crdt_context_init(&w->context, alloc, 3);
    crdt_dot_store_init(&w->store, &w->context, NULL, false);
    for (unsigned i = 0; i < NAMES; i++) {
        char name[8];
        snprintf(name, sizeof name, "k%03u", i);
        cr_assert_eq(
            crdt_names_intern(&w->context.names, crdt_span_of(name), &w->names[i]),
            CRDT_OK);
    }
}

static void world_deinit(world *w)
{
    crdt_dot_store_deinit(&w->store);
    for (unsigned i = 0; i < NAMES; i++) {
        crdt_names_release(&w->context.names, w->names[i]);
    }
    cr_assert_eq(crdt_names_count(&w->context.names), 0);
    crdt_context_deinit(&w->context);
}

static uint32_t find(const world *w, unsigned name)
{
    return crdt_dot_store_find(&w->store, OWNER, w->group, w->names[name]);
}

static crdt_err make(world *w, unsigned name)
{
    uint32_t slot;
    crdt_err err =
        crdt_dot_store_make(&w->store, OWNER, &w->group, w->names[name], 0, &slot);
    if (err == CRDT_OK) {
        w->count += !w->has[name];
        w->has[name] = true;
    }
    return err;
}

static void drop(world *w, unsigned name)
{
    crdt_dot_store_drop(&w->store, &w->group, find(w, name));
    w->has[name] = false;
    w->count--;
}

/* All that should be there is found, and walked to once; in order if asked for. */
static void check(world *w)
{
    cr_assert(crdt_dot_store_check(&w->store));
    cr_assert(crdt_dot_group_check(&w->store, w->group));
    size_t count = 0;
    for (uint32_t id = crdt_dot_group_any(&w->store, w->group); id != 0;
         id = crdt_dot_store_next(&w->store, w->group, id)) {
        count++;
    }
    cr_assert_eq(count, w->count);
    uint32_t id = crdt_dot_store_first(&w->store, &w->group);
    for (unsigned i = 0; i < NAMES; i++) {
        cr_assert_eq(find(w, i) != 0, w->has[i]);
        if (w->has[i]) {
            cr_assert_eq(id, find(w, i));
            id = crdt_dot_store_next(&w->store, w->group, id);
        }
    }
    cr_assert_eq(id, 0);
}

/* Keys come and go, the group grows large and empty again: it is walked in order, whatever
 * came first. */
Test(dot_group, is_in_order_while_keys_come_and_go)
{
    for (unsigned seed = 0; seed < 20; seed++) {
        fault_alloc fault;
        static world w;
        world_init(&w, fault_alloc_init(&fault));
        gen g = gen_open(gen_seed(seed), NULL);
        for (unsigned step = 0; step < 3000; step++) {
            unsigned limit = seed % 3 == 0 ? 9 : NAMES; /* about where it grows large */
            unsigned name = (unsigned)gen_below(&g, limit);
            bool grows = step / 500 % 2 == 0;
            if (!w.has[name] && gen_chance(&g, grows ? 90 : 10)) {
                cr_assert_eq(make(&w, name), CRDT_OK);
            } else if (w.has[name] && gen_chance(&g, grows ? 10 : 90)) {
                drop(&w, name);
            }
            if (gen_chance(&g, 3)) {
                check(&w);
            }
        }
        check(&w);
        world_deinit(&w);
        cr_assert(fault_alloc_balanced(&fault));
    }
}

/* A key may go while the walk is at it. */
Test(dot_group, keys_are_dropped_in_a_walk)
{
    static world w;
    world_init(&w, crdt_alloc_default());
    for (unsigned i = 0; i < NAMES; i++) {
        cr_assert_eq(make(&w, i), CRDT_OK);
    }
    size_t walked = 0;
    for (uint32_t id = crdt_dot_group_any(&w.store, w.group); id != 0; walked++) {
        uint32_t next = crdt_dot_store_next(&w.store, w.group, id);
        if (walked % 10 != 0) {
            crdt_dot_store_drop(&w.store, &w.group, id);
        }
        id = next;
    }
    cr_assert_eq(walked, NAMES);
    cr_assert_eq(w.store.key_count, NAMES / 10);
    world_deinit(&w);
}

Test(dot_group, failing_memory_changes_nothing)
{
    for (uint64_t n = 0;; n++) {
        fault_alloc fault;
        static world w;
        world_init(&w, fault_alloc_init(&fault));
        fault_alloc_fail_at(&fault, n);
        crdt_err err = CRDT_OK;
        for (unsigned i = 0; i < NAMES && err == CRDT_OK; i++) {
            err = make(&w, (i * 7) % NAMES);
        }
        fault_alloc_heal(&fault);
        check(&w);
        world_deinit(&w);
        cr_assert(fault_alloc_balanced(&fault));
        if (err == CRDT_OK) {
            cr_assert_gt(n, 4);
            return;
        }
    }
}
