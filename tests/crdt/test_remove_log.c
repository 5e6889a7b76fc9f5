#include "crdt/remove_log.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>

typedef struct fixture {
    fault_alloc fault;
    crdt_context context;
    crdt_remove_log log;
    uint32_t name; /* "abcd" */
} fixture;

static void open_fixture(fixture *f, unsigned actor_count)
{
    crdt_context_init(&f->context, fault_alloc_init(&f->fault), 1);
    crdt_remove_log_init(&f->log, &f->context);
    for (unsigned i = 0; i < actor_count; i++) {
        const crdt_actor actor = gen_actor(i);
        crdt_stamp stamp;
        cr_assert_eq(crdt_context_tick(&f->context, &actor, &stamp), CRDT_OK);
    }
    cr_assert_eq(crdt_names_intern(&f->context.names, crdt_span_of("abcd"), &f->name),
                 CRDT_OK);
}

static void close_fixture(fixture *f)
{
    crdt_names_release(&f->context.names, f->name);
    crdt_remove_log_deinit(&f->log);
    cr_assert_eq(crdt_names_count(&f->context.names), 0, "names are given back");
    crdt_context_deinit(&f->context);
    cr_assert(fault_alloc_balanced(&f->fault));
}

static void append(fixture *f, uint64_t time, uint16_t actor)
{
    const uint32_t names[3] = {f->name, f->name, 0};
    cr_assert_eq(
        crdt_remove_log_reserve(&f->log, 1, f->context.actors.version.stamp_count),
        CRDT_OK);
    crdt_remove_log_append(&f->log, crdt_dot_make(time, actor), names);
}

static size_t count_above(const fixture *f, uint16_t actor, uint64_t time)
{
    size_t count = 0;
    uint32_t cursor = crdt_remove_log_newest(&f->log, actor);
    for (const crdt_remove_record *record = crdt_remove_log_older(&f->log, &cursor);
         record != NULL && crdt_dot_time(record->dot) > time;
         record = crdt_remove_log_older(&f->log, &cursor)) {
        count++;
    }
    return count;
}

#define RECORD (CRDT_REMOVE_LOG_RECORD_BYTES + 8) /* "abcd" twice */

Test(remove_log, an_actors_records_are_walked_from_the_newest)
{
    fixture f;
    open_fixture(&f, 2);
    for (uint64_t time = 1; time <= 200; time++) {
        append(&f, time, (uint16_t)(1 + time % 2));
    }
    cr_assert_eq(count_above(&f, 1, 0), 100);
    cr_assert_eq(count_above(&f, 2, 150), 25);
    cr_assert_eq(f.log.bytes, 200 * RECORD);
    uint32_t cursor = crdt_remove_log_newest(&f.log, 1);
    crdt_key key = crdt_remove_log_key(&f.log, crdt_remove_log_older(&f.log, &cursor));
    cr_assert_eq(key.depth, CRDT_PART);
    cr_assert(crdt_span_equal(key.part, crdt_span_of("abcd")));
    cr_assert(crdt_remove_log_check(&f.log));
    close_fixture(&f);
}

Test(remove_log, the_oldest_go_first_and_raise_the_floor)
{
    fixture f;
    open_fixture(&f, 2);
    for (uint64_t time = 1; time <= 10; time++) {
        append(&f, time, (uint16_t)(1 + time % 2));
    }
    crdt_remove_log_trim(&f.log, 10 * RECORD);
    cr_assert_eq(f.log.count, 10);
    crdt_remove_log_trim(&f.log, 10 * RECORD - 1);
    cr_assert_eq(f.log.count, 9);
    cr_assert_eq(crdt_remove_log_floor(&f.log, 1), 0);
    cr_assert_eq(crdt_remove_log_floor(&f.log, 2), 1);
    crdt_remove_log_trim(&f.log, 3 * RECORD);
    cr_assert_eq(crdt_remove_log_floor(&f.log, 1), 6);
    cr_assert_eq(crdt_remove_log_floor(&f.log, 2), 7);
    cr_assert_eq(count_above(&f, 1, 0), 2);
    cr_assert_eq(count_above(&f, 2, 0), 1);
    cr_assert(crdt_remove_log_check(&f.log));
    crdt_remove_log_trim(&f.log, 0);
    cr_assert_eq(f.log.count, 0);
    cr_assert_eq(count_above(&f, 1, 0), 0);
    append(&f, 11, 1);
    cr_assert_eq(count_above(&f, 1, 0), 1, "an emptied log goes on");
    cr_assert(crdt_remove_log_check(&f.log));
    close_fixture(&f);
}

/* Appending and trimming at random, against counting. */
Test(remove_log, agrees_with_counting)
{
    enum { ACTORS = 5, STEPS = 5000 };
    fixture f;
    open_fixture(&f, ACTORS);
    static uint16_t actor_at[STEPS + 1];
    uint64_t first = 1; /* the oldest time held */
    gen g = gen_open(gen_seed(9), NULL);
    for (uint64_t time = 1; time <= STEPS; time++) {
        actor_at[time] = (uint16_t)(1 + gen_below(&g, ACTORS));
        append(&f, time, actor_at[time]);
        if (gen_chance(&g, 5)) {
            uint64_t keep = gen_below(&g, time - first + 2);
            crdt_remove_log_trim(&f.log, keep * RECORD);
            first = time + 1 - keep;
        }
        if (time % 100 == 0) {
            uint64_t since = gen_below(&g, time);
            for (uint16_t actor = 1; actor <= ACTORS; actor++) {
                size_t held = 0;
                for (uint64_t t = first; t <= time; t++) {
                    held += actor_at[t] == actor && t > since;
                }
                cr_assert_eq(count_above(&f, actor, since), held);
            }
            cr_assert(crdt_remove_log_check(&f.log));
        }
    }
    close_fixture(&f);
}
