/* The simulated world itself: that its faults happen, and what the engine does about them.
 * What the engine promises in general is in test_stories and in the campaigns. */

#include "sync/sim_world.h"
#include "crdt/value.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static sync_sim *open_world(uint32_t places, uint64_t seed)
{
    sync_sim_options o = sync_sim_options_default();
    o.place_count = places;
    o.seed = seed;
    sync_sim *sim = sync_sim_open(&o);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 3000);
    return sim;
}

static bool has(sync_sim *sim, uint32_t place, const char *object, const char *field,
                int64_t value)
{
    crdt_span bytes;
    crdt_key key =
        crdt_key_field(crdt_span_of(object), crdt_span_of("part"), crdt_span_of(field));
    if (!crdt_document_get(sync_sim_document(sim, place), &key, &bytes)) {
        return false;
    }
    crdt_value_reader reader = crdt_value_read_open(bytes);
    return crdt_value_read(&reader).integer == value;
}

static void expect_good(sync_sim *sim)
{
    cr_expect_str_eq(sync_sim_fault(sim), "");
    sync_sim_close(sim);
}

static uint64_t faults(const sync_sim *sim, sync_sim_fault_kind kind)
{
    return sync_sim_count(sim).fault[kind];
}

static uint64_t alarms(const sync_sim *sim)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < sync_sim_place_count(sim); i++) {
        count += sync_sim_notices(sim, i, SYNC_NOTICE_FORK) +
                 sync_sim_notices(sim, i, SYNC_NOTICE_FRESH) +
                 sync_sim_notices(sim, i, SYNC_NOTICE_LOST) +
                 sync_sim_notices(sim, i, SYNC_NOTICE_DIVERGED);
    }
    return count;
}

/* ---- one seed decides all ---- */

static uint64_t hash_of_run(uint64_t seed, bool extra, sync_sim_counts *counts)
{
    sync_sim *sim = open_world(3, seed);
    sync_sim_set_faults(sim, (sync_sim_faults){.drop_percent = 30,
                                               .duplicate_percent = 20,
                                               .delay_ms_min = 1,
                                               .delay_ms_max = 90});
    for (int i = 0; i < 20; i++) {
        sync_sim_set(sim, (uint32_t)i % 3, "o", i % 2 == 0 ? "a" : "b", i);
        sync_sim_run(sim, 70);
    }
    if (extra) {
        sync_sim_set(sim, 0, "o", "c", 1);
    }
    sync_sim_cut_power(sim, 1);
    sync_sim_start_place(sim, 1, SYNC_SIM_PROVE);
    sync_sim_run(sim, 2000);
    uint64_t hash = sync_sim_hash(sim);
    *counts = sync_sim_count(sim);
    expect_good(sim);
    return hash;
}

Test(sim_world, the_hash_tells_runs_apart_and_nothing_else)
{
    sync_sim_counts a;
    sync_sim_counts b;
    uint64_t hash = hash_of_run(5, false, &a);
    cr_assert_eq(hash_of_run(5, false, &b), hash);
    cr_assert(memcmp(&a, &b, sizeof a) == 0);
    cr_assert_neq(hash_of_run(6, false, &b), hash);
    cr_assert_neq(hash_of_run(5, true, &b), hash, "one edit more");
    cr_assert_eq(a.events, a.deliveries + a.timers + a.syncs + a.edits + a.controls);
    uint64_t sum = 0;
    for (size_t i = 0; i < SYNC_SIM_FAULT_COUNT; i++) {
        sum += a.fault[i];
    }
    cr_assert_eq(a.faults, sum);
    cr_assert_gt(a.fault[SYNC_SIM_FAULT_DROP], 0);
    cr_assert_gt(a.fault[SYNC_SIM_FAULT_REPEAT], 0);
    cr_assert_gt(a.fault[SYNC_SIM_FAULT_OVERTAKE], 0);
    cr_assert_eq(a.fault[SYNC_SIM_FAULT_POWER_CUT], 1);
}

Test(sim_world, coverage_grows_with_what_happens)
{
    uint8_t *coverage = calloc(1, SYNC_SIM_COVERAGE_SIZE);
    sync_sim_options o = sync_sim_options_default();
    o.coverage = coverage;
    sync_sim *sim = sync_sim_open(&o);
    uint64_t alone = sync_sim_coverage_count(coverage);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 3000);
    uint64_t met = sync_sim_coverage_count(coverage);
    sync_sim_set(sim, 0, "o", "f", 1);
    sync_sim_run(sim, 3000);
    cr_assert_gt(alone, 0);
    cr_assert_gt(met, alone);
    cr_assert_gt(sync_sim_coverage_count(coverage), met);
    expect_good(sim);
    free(coverage);
}

/* ---- clocks ---- */

Test(sim_world, wall_clocks_may_jump)
{
    sync_sim *sim = open_world(3, 2);
    static const int64_t jumps[] = {-86400000, 1000000000000, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        sync_sim_jump_clock(sim, 1, jumps[i]);
        sync_sim_set(sim, 1, "o", "f", (int64_t)i);
        sync_sim_run(sim, 50);
        sync_sim_set(sim, 0, "o", "f", 100 + (int64_t)i);
        sync_sim_run(sim, 50);
        cr_assert(has(sim, 1, "o", "f", 100 + (int64_t)i), "the later one shows");
    }
    cr_assert_neq(sync_sim_run_until_equal(sim, 5000), UINT64_MAX);
    cr_assert_eq(faults(sim, SYNC_SIM_FAULT_JUMP), 4);
    expect_good(sim);
}

/* ---- slow readers ---- */

/* A process that is stopped for a while loses publications beyond what its queue holds, and
 * catches up; the others do not wait for it. */
Test(sim_world, who_stalls_catches_up)
{
    sync_sim *sim = open_world(3, 3);
    sync_sim_stall(sim, 2, true);
    for (int i = 0; i < 60; i++) {
        sync_sim_set(sim, 0, "o", "f", i);
        sync_sim_run(sim, 100);
    }
    cr_assert(has(sim, 1, "o", "f", 59), "nobody waits for it");
    cr_assert_not(has(sim, 2, "o", "f", 59));
    cr_assert_gt(faults(sim, SYNC_SIM_FAULT_OVERFLOW), 0);
    sync_sim_stall(sim, 2, false);
    cr_assert_leq(sync_sim_run_until_equal(sim, 5000), 3000);
    cr_assert(has(sim, 2, "o", "f", 59));
    cr_assert_eq(alarms(sim), 0);
    expect_good(sim);
}

/* All who run are equal, and what a queue holds of somebody who is gone, none of them knows.
 * Once it has come, it is known to all. */
Test(sim_world, equal_is_not_settled)
{
    sync_sim *sim = open_world(3, 3);
    sync_sim_cut(sim, 2, 0);
    sync_sim_stall(sim, 1, true);
    sync_sim_set(sim, 2, "o", "f", 1);
    sync_sim_run(sim, 50);
    sync_sim_crash(sim, 2, false);
    sync_sim_copy_disk(sim, 1, 2);
    cr_assert_eq(sync_sim_start_place(sim, 2, SYNC_SIM_PROVE), CRDT_OK);
    sync_sim_heal_all(sim);
    sync_sim_stall(sim, 1, false);
    cr_assert_eq(sync_sim_run_until_equal(sim, 0), 0);
    cr_assert_not(has(sim, 1, "o", "f", 1));
    sync_sim_settle(sim);
    cr_assert(has(sim, 1, "o", "f", 1));
    cr_assert_neq(sync_sim_run_until_equal(sim, 5000), UINT64_MAX);
    cr_assert(has(sim, 0, "o", "f", 1) && has(sim, 2, "o", "f", 1));
    expect_good(sim);
}

/* ---- programs of another version ---- */

/* A member was upgraded to a program that speaks a protocol of its own: it is refused and
 * refuses, both are told why, and the others go on as if it were not there. When it comes
 * back with the old program, nothing is lost. */
Test(sim_world, another_protocol_is_told_and_harms_nobody)
{
    sync_sim *sim = open_world(3, 4);
    sync_sim_set(sim, 2, "o", "before", 1);
    sync_sim_run(sim, 1000);
    sync_sim_stop(sim, 2);
    sync_sim_set_protocol(sim, 2, 1);
    cr_assert_eq(sync_sim_start_place(sim, 2, SYNC_SIM_KEEP), CRDT_OK);
    sync_sim_set(sim, 2, "o", "there", 2);
    sync_sim_set(sim, 0, "o", "here", 3);
    sync_sim_run(sim, 8000);
    cr_assert(has(sim, 1, "o", "here", 3));
    cr_assert_not(has(sim, 1, "o", "there", 2));
    cr_assert_not(has(sim, 2, "o", "here", 3));
    cr_assert_gt(faults(sim, SYNC_SIM_FAULT_FOREIGN), 0);
    cr_assert_gt(sync_sim_notices(sim, 2, SYNC_NOTICE_REFUSED) +
                     sync_sim_notices(sim, 2, SYNC_NOTICE_MISFIT),
                 0, "who is refused is told");
    cr_assert(sync_replica_in_sync(sync_sim_replica(sim, 0)), "the others are in sync");
    cr_assert_not(sync_replica_in_sync(sync_sim_replica(sim, 2)), "it does not say so");
    sync_sim_stop(sim, 2);
    sync_sim_set_protocol(sim, 2, 0);
    cr_assert_eq(sync_sim_start_place(sim, 2, SYNC_SIM_KEEP), CRDT_OK);
    cr_assert_neq(sync_sim_run_until_equal(sim, 10000), UINT64_MAX);
    cr_assert(has(sim, 1, "o", "there", 2));
    cr_assert(has(sim, 2, "o", "here", 3));
    cr_assert_eq(alarms(sim), 0);
    expect_good(sim);
}

/* ---- disks ---- */

Test(sim_world, a_full_disk_ends_its_place_and_loses_nothing)
{
    sync_sim *sim = open_world(2, 5);
    sync_sim_set(sim, 1, "o", "f", 1);
    sync_sim_run(sim, 1000);
    sync_sim_set_disk(sim, 1, SYNC_SIM_DISK_FAILS);
    sync_sim_set(sim, 1, "o", "f", 2);
    sync_sim_run(sim, 1000);
    cr_assert_not(sync_sim_running(sim, 1));
    cr_assert_eq(sync_sim_start_place(sim, 1, SYNC_SIM_PROVE), CRDT_EIO);
    size_t count;
    const sync_sim_batch *batches = sync_sim_batches(sim, &count);
    cr_assert_not(batches[count - 1].durable, "it was never acknowledged");
    sync_sim_set_disk(sim, 1, SYNC_SIM_DISK_GOOD);
    cr_assert_eq(sync_sim_start_place(sim, 1, SYNC_SIM_PROVE), CRDT_OK);
    cr_assert_neq(sync_sim_run_until_equal(sim, 5000), UINT64_MAX);
    cr_assert(has(sim, 0, "o", "f", 1) || has(sim, 0, "o", "f", 2));
    expect_good(sim);
}

/* A disk that lies, and a power cut: the place is set back, or its store says that it is
 * damaged and is replaced. What others had heard comes back in both cases. */
Test(sim_world, a_lying_disk_costs_only_what_nobody_else_had)
{
    unsigned replaced = 0;
    unsigned fresh = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        sync_sim_options o = sync_sim_options_default();
        o.place_count = 3;
        o.seed = seed;
        o.check = false; /* an actor may have two histories for a while */
        sync_sim *sim = sync_sim_open(&o);
        sync_sim_mesh(sim);
        sync_sim_run(sim, 3000);
        sync_sim_set_disk(sim, 1, SYNC_SIM_DISK_LIES);
        for (int i = 0; i < 6; i++) {
            char field[8] = {'f', (char)('0' + i)};
            sync_sim_set(sim, 1, "o", field, i);
            sync_sim_run(sim, 100);
        }
        sync_sim_cut_power(sim, 1);
        sync_sim_set_disk(sim, 1, SYNC_SIM_DISK_GOOD);
        if (sync_sim_start_place(sim, 1, SYNC_SIM_PROVE) == CRDT_ECORRUPT) {
            replaced++;
            sync_sim_replace_disk(sim, 1);
            cr_assert_eq(sync_sim_start_place(sim, 1, SYNC_SIM_PROVE), CRDT_OK);
        }
        cr_assert_neq(sync_sim_run_until_equal(sim, 60000), UINT64_MAX, "seed %llu",
                      (unsigned long long)seed);
        for (int i = 0; i < 6; i++) {
            char field[8] = {'f', (char)('0' + i)};
            cr_assert(has(sim, 1, "o", field, i), "seed %llu, edit %d",
                      (unsigned long long)seed, i);
        }
        fresh += sync_sim_notices(sim, 1, SYNC_NOTICE_FRESH) > 0 ? 1 : 0;
        expect_good(sim);
    }
    cr_assert_gt(replaced, 0);
    cr_assert_gt(fresh, 0, "a place that was set back finds out");
}

/* Two machines start on copies of one disk: the store's own rule makes one of them another
 * actor, and nothing has to be healed. */
Test(sim_world, a_copy_proves_nothing)
{
    sync_sim *sim = open_world(3, 6);
    sync_sim_set(sim, 0, "o", "f", 1);
    sync_sim_run(sim, 1000);
    sync_sim_crash(sim, 2, true);
    sync_sim_copy_disk(sim, 0, 2);
    cr_assert_eq(sync_sim_start_place(sim, 2, SYNC_SIM_PROVE), CRDT_OK);
    crdt_actor original = sync_sim_actor(sim, 0);
    crdt_actor copy = sync_sim_actor(sim, 2);
    cr_assert_not(crdt_actor_equal(&original, &copy));
    sync_sim_crash(sim, 0, true);
    cr_assert_eq(sync_sim_start_place(sim, 0, SYNC_SIM_PROVE), CRDT_OK);
    crdt_actor again = sync_sim_actor(sim, 0);
    cr_assert(crdt_actor_equal(&original, &again), "the original keeps its own");
    sync_sim_set(sim, 0, "o", "f", 2);
    sync_sim_set(sim, 2, "o", "g", 3);
    cr_assert_neq(sync_sim_run_until_equal(sim, 5000), UINT64_MAX);
    cr_assert_eq(alarms(sim), 0);
    expect_good(sim);
}

/* A disk set back while the machine remembers what it had noted: a fresh actor at once. */
Test(sim_world, an_older_disk_proves_nothing)
{
    sync_sim *sim = open_world(2, 7);
    crdt_actor before = sync_sim_actor(sim, 1);
    sync_sim_save_disk(sim, 1);
    sync_sim_set(sim, 1, "o", "f", 1);
    sync_sim_run(sim, 1000);
    sync_sim_crash(sim, 1, true);
    sync_sim_restore_disk(sim, 1);
    cr_assert_eq(sync_sim_start_place(sim, 1, SYNC_SIM_PROVE), CRDT_OK);
    crdt_actor after = sync_sim_actor(sim, 1);
    cr_assert_not(crdt_actor_equal(&before, &after));
    cr_assert_neq(sync_sim_run_until_equal(sim, 5000), UINT64_MAX);
    cr_assert(has(sim, 1, "o", "f", 1), "it comes back from the other");
    cr_assert_eq(alarms(sim), 0);
    expect_good(sim);
}

/* ---- hooks ---- */

typedef struct watched {
    int opened;
    int closing;
    int own;
    int foreign;
    int notices;
} watched;

static void on_opened(void *ctx, uint32_t place, crdt_document *doc)
{
    (void)place;
    cr_assert_not_null(doc);
    ((watched *)ctx)->opened++;
}

static void on_closing(void *ctx, uint32_t place, crdt_document *doc)
{
    (void)place;
    cr_assert_not_null(doc);
    ((watched *)ctx)->closing++;
}

static void on_changed(void *ctx, uint32_t place, const crdt_batch *batch, bool own)
{
    (void)place;
    (void)batch;
    ((watched *)ctx)->own += own ? 1 : 0;
    ((watched *)ctx)->foreign += own ? 0 : 1;
}

static void on_notice(void *ctx, uint32_t place, const sync_notice *notice)
{
    (void)place;
    (void)notice;
    ((watched *)ctx)->notices++;
}

Test(sim_world, hooks_see_every_change)
{
    watched w = {0};
    sync_sim_options o = sync_sim_options_default();
    o.hooks = (sync_sim_hooks){.ctx = &w,
                               .opened = on_opened,
                               .closing = on_closing,
                               .changed = on_changed,
                               .noticed = on_notice};
    sync_sim *sim = sync_sim_open(&o);
    sync_sim_mesh(sim);
    sync_sim_run(sim, 3000);
    sync_sim_set(sim, 0, "o", "f", 1);
    sync_sim_run(sim, 3000);
    sync_sim_crash(sim, 1, true);
    sync_sim_start_place(sim, 1, SYNC_SIM_KEEP);
    expect_good(sim);
    cr_assert_eq(w.opened, 3);
    cr_assert_eq(w.closing, 3);
    cr_assert_eq(w.own, 1);
    cr_assert_eq(w.foreign, 1, "at the other place, once");
    cr_assert_gt(w.notices, 0);
}
