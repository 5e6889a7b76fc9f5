#include "crdt/digest.h"
#include "crdt/names.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(names, a_name_has_one_number)
{
    crdt_slab slab;
    crdt_names names;
    crdt_slab_init(&slab, crdt_alloc_default());
    crdt_names_init(&names, &slab, 1);
    uint32_t a;
    uint32_t b;
    uint32_t empty;
    cr_assert_eq(crdt_names_intern(&names, crdt_span_of("lamp"), &a), CRDT_OK);
    cr_assert_eq(crdt_names_intern(&names, crdt_span_of("lamp"), &b), CRDT_OK);
    cr_assert_eq(crdt_names_intern(&names, (crdt_span){0}, &empty), CRDT_OK);
    cr_assert_eq(a, b);
    cr_assert_neq(a, 0);
    cr_assert_neq(empty, 0); /* the empty name is a name */
    cr_assert_neq(empty, a);
    cr_assert(crdt_span_equal(crdt_names_get(&names, a), crdt_span_of("lamp")));
    cr_assert_eq(crdt_names_find(&names, crdt_span_of("chair")), 0);
    crdt_names_release(&names, a);
    cr_assert_eq(crdt_names_find(&names, crdt_span_of("lamp")), a);
    crdt_names_release(&names, b);
    cr_assert_eq(crdt_names_find(&names, crdt_span_of("lamp")), 0);
    cr_assert_eq(crdt_names_count(&names), 1);
    crdt_names_deinit(&names);
    crdt_slab_deinit(&slab);
}

/* Against a plain array: random interning and releasing, full tables and holes in them. */
Test(names, agrees_with_an_array)
{
    enum { WORLD = 300 };
    crdt_slab slab;
    crdt_names names;
    fault_alloc fault;
    crdt_slab_init(&slab, fault_alloc_init(&fault));
    crdt_names_init(&names, &slab, 1);
    uint32_t numbers[WORLD] = {0};
    unsigned references[WORLD] = {0};
    gen g = gen_open(gen_seed(3), NULL);
    for (unsigned step = 0; step < 100000; step++) {
        size_t i = gen_below(&g, WORLD);
        char text[32];
        snprintf(text, sizeof text, "%.*s%zu", (int)(i % 20), "a long name and more",
                 i);
        /* Phases of growing and of shrinking. */
        if (gen_chance(&g, step / 10000 % 2 == 0 ? 70 : 30)) {
            uint32_t id;
            cr_assert_eq(crdt_names_intern(&names, crdt_span_of(text), &id), CRDT_OK);
            cr_assert(references[i] == 0 || numbers[i] == id);
            numbers[i] = id;
            references[i]++;
        } else if (references[i] > 0) {
            crdt_names_release(&names, numbers[i]);
            references[i]--;
        }
        uint32_t found = crdt_names_find(&names, crdt_span_of(text));
        cr_assert_eq(found, references[i] == 0 ? 0 : numbers[i]);
        cr_assert(found == 0 ||
                  crdt_span_equal(crdt_names_get(&names, found), crdt_span_of(text)));
    }
    crdt_names_deinit(&names);
    crdt_slab_deinit(&slab);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(names, failing_memory_changes_nothing)
{
    for (uint64_t n = 0, done = 0; !done; n++) {
        fault_alloc fault;
        crdt_slab slab;
        crdt_names names;
        crdt_slab_init(&slab, fault_alloc_init(&fault));
        crdt_names_init(&names, &slab, 1);
        fault_alloc_fail_at(&fault, n);
        uint32_t id;
        done = crdt_names_intern(&names, crdt_span_of("lamp"), &id) == CRDT_OK;
        fault_alloc_heal(&fault);
        cr_assert_eq(crdt_names_count(&names), done);
        crdt_names_deinit(&names);
        crdt_slab_deinit(&slab);
        cr_assert(fault_alloc_balanced(&fault));
    }
}

/* The steps of a lookup, and the short way for common names, find what find finds: while names
 * come and go, numbers are used again, and the table grows. */
Test(names, all_ways_find_the_same)
{
    enum { NAMES = 300 };
    crdt_slab slab;
    crdt_names names;
    crdt_slab_init(&slab, crdt_alloc_default());
    crdt_names_init(&names, &slab, 7);
    uint32_t ids[NAMES] = {0};
    gen g = gen_open(gen_seed(3), NULL);
    for (unsigned step = 0; step < 6000; step++) {
        char text[40];
        size_t i = gen_below(&g, NAMES);
        snprintf(text, sizeof text, i % 3 == 0 ? "a_name_over_16_bytes_%zu" : "n%zu",
                 i);
        crdt_span name = crdt_span_of(text);
        if (ids[i] == 0) {
            cr_assert_eq(crdt_names_intern(&names, name, &ids[i]), CRDT_OK);
            crdt_names_set_slot(&names, ids[i], (uint32_t)i + 1);
        } else if (gen_chance(&g, 40)) {
            crdt_names_release(&names, ids[i]);
            ids[i] = 0;
        }
        uint32_t hash = crdt_names_seek(&names, name);
        cr_assert_eq(crdt_names_find(&names, name), ids[i]);
        cr_assert_eq(crdt_names_find_common(&names, name), ids[i]);
        cr_assert_eq(crdt_names_find_hashed(&names, name, hash), ids[i]);
        cr_assert_eq(crdt_names_prefetch(&names, hash), ids[i] == 0 ? 0 : i + 1);
        if (ids[i] != 0) {
            cr_assert(crdt_names_equal(&names, ids[i], name));
            cr_assert_not(crdt_names_equal(&names, ids[i], crdt_span_of("other")));
            cr_assert_eq(crdt_names_hash(&names, ids[i]), crdt_digest_name(name));
        }
    }
    for (size_t i = 0; i < NAMES; i++) {
        crdt_names_release(&names, ids[i]);
    }
    cr_assert_eq(crdt_names_count(&names), 0);
    crdt_names_deinit(&names);
    crdt_slab_deinit(&slab);
}
