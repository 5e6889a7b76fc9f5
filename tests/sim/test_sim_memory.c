/* Replicas whose memory runs out now and then, anywhere in a step. As the node does
 * (sync/node.h), a place where that happened ends and starts again from its disk. However
 * often: no acknowledged edit is gone, and in the end all are equal.
 *
 * The linker has the world call `__wrap_sync_replica_step` (tests/sim/tests.cmake): only what
 * is asked for within a step fails, the world itself cannot go on without memory.
 *
 * SCENESYNC_SEED=N repeats one run. */

#include "sync/sim_world.h"
#include "crdt/template.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 4u
#define SEEDS 60u

typedef struct flaky {
    fault_alloc fault;
    crdt_alloc inner;
    uint64_t random;
    uint32_t one_in; /* so many requests for memory within steps; 0: none */
    bool in_step;
    uint64_t failed;
} flaky;

static flaky memory;
static sync_sim *world;
static bool broken[PLACES]; /* a step had no memory, until it is started again */

crdt_err __real_sync_replica_step(sync_replica *replica,
                                  const sync_replica_event *event,
                                  sync_effects *effects);
crdt_err __wrap_sync_replica_step(sync_replica *replica,
                                  const sync_replica_event *event,
                                  sync_effects *effects);

crdt_err __wrap_sync_replica_step(sync_replica *replica,
                                  const sync_replica_event *event,
                                  sync_effects *effects)
{
    memory.in_step = true;
    crdt_err err = __real_sync_replica_step(replica, event, effects);
    memory.in_step = false;
    if (err != CRDT_ENOMEM) {
        return err;
    }
    *effects = (sync_effects){.meta = effects->meta, .wake_at_ms = UINT64_MAX};
    for (uint32_t i = 0; i < PLACES; i++) {
        if (world != NULL && sync_sim_running(world, i) &&
            sync_sim_replica(world, i) == replica) {
            broken[i] = true; /* poisoned: nothing is said or written any more */
            sync_sim_stall(world, i, true);
        }
    }
    return CRDT_OK;
}

static uint64_t next(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void *flaky_fn(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    flaky *f = ctx;
    if (f->in_step && f->one_in > 0 && new_size > 0 &&
        next(&f->random) % f->one_in == 0) {
        f->failed++;
        return NULL;
    }
    return f->inner.fn(f->inner.ctx, ptr, old_size, new_size);
}

static sync_sim *open_world(uint64_t seed)
{
    memory = (flaky){.random = seed};
    memory.inner = fault_alloc_init(&memory.fault);
    world = NULL;
    memset(broken, 0, sizeof broken);
    sync_sim_options o = sync_sim_options_default();
    o.place_count = PLACES;
    o.seed = seed;
    o.faults.drop_percent = seed % 3 == 0 ? 30 : 0;
    o.faults.delay_ms_max = 30;
    o.replica.alloc = (crdt_alloc){.fn = flaky_fn, .ctx = &memory};
    if (seed % 2 == 0) { /* everything in pieces */
        o.replica.message_size_max = 4096;
        o.replica.presence_size_max = 512;
        o.replica.unsent_size_max = 300;
        o.replica.held_count_max = 3;
    }
    o.check = seed % 5 != 0; /* there, two write as one actor */
    sync_sim *sim = world = sync_sim_open(&o);
    sync_sim_mesh(sim);
    sync_sim_set_dialable(sim, PLACES - 1, false);
    return sim;
}

/* A place whose memory ran out ends, and starts from its disk. */
static void restart_broken(sync_sim *sim)
{
    for (uint32_t i = 0; i < PLACES; i++) {
        if (broken[i] && sync_sim_running(sim, i)) {
            sync_sim_crash(sim, i, false);
        }
    }
    uint32_t one_in = memory.one_in;
    memory.one_in = 0;
    for (uint32_t i = 0; i < PLACES; i++) {
        if (!sync_sim_running(sim, i)) {
            broken[i] = false;
            crdt_err err = sync_sim_start_place(sim, i, SYNC_SIM_KEEP);
            cr_assert_eq(err, CRDT_OK, "%s %s", crdt_err_name(err),
                         sync_sim_fault(sim));
        }
    }
    memory.one_in = one_in;
}

static void act(sync_sim *sim, uint64_t *random, int64_t value)
{
    static const char *const objects[] = {"a", "b", "c", "d", "e"};
    static const char *const fields[] = {"f", "g", "h"};
    uint32_t place = (uint32_t)(next(random) % PLACES);
    uint32_t other = (uint32_t)(next(random) % PLACES);
    uint64_t x = next(random) % 20;
    if (x < 12) {
        sync_sim_set(sim, place, objects[next(random) % 5], fields[next(random) % 3],
                     value);
    } else if (x < 13) {
        sync_sim_remove(sim, place, objects[next(random) % 5]);
    } else if (x < 15 && place != other) {
        sync_sim_cut(sim, place, other);
    } else if (x < 16) {
        sync_sim_heal_all(sim);
    } else if (x < 17) {
        sync_sim_presence(sim, place, "here");
    } else if (x < 18) {
        sync_sim_trim(sim, place, 1);
    } else {
        sync_sim_checkpoint(sim, place);
    }
}

/* The disk of one place in another: two write as one actor, until they meet. */
static void make_twins(sync_sim *sim)
{
    sync_sim_crash(sim, 1, true);
    sync_sim_copy_disk(sim, 0, 1);
    cr_assert_eq(sync_sim_start_place(sim, 1, SYNC_SIM_KEEP), CRDT_OK);
    sync_sim_set(sim, 0, "twin", "f", 1);
    sync_sim_set(sim, 1, "twin", "g", 2);
}

static void check_acknowledged(sync_sim *sim, uint64_t seed)
{
    size_t count;
    const sync_sim_batch *batches = sync_sim_batches(sim, &count);
    const crdt_version *version = crdt_document_version(sync_sim_document(sim, 0));
    for (size_t i = 0; i < count; i++) {
        if (batches[i].durable && !batches[i].excused) {
            cr_expect(crdt_version_covers(version, &batches[i].last),
                      "seed %" PRIu64 ": an acknowledged edit is gone", seed);
        }
    }
}

static uint64_t run(uint64_t seed)
{
    static const uint32_t chances[] = {6, 25, 120};
    uint64_t random = seed * 77;
    sync_sim *sim = open_world(seed);
    sync_sim_run(sim, 500);
    if (seed % 5 == 0) {
        make_twins(sim);
    }
    memory.one_in = chances[seed / 2 % 3];
    for (int64_t i = 0; i < 60; i++) {
        act(sim, &random, i);
        sync_sim_run(sim, 5 + next(&random) % 60);
        restart_broken(sim);
    }
    memory.one_in = 0;
    sync_sim_set_faults(sim, (sync_sim_faults){.delay_ms_max = 10});
    sync_sim_heal_all(sim);
    cr_expect_neq(sync_sim_run_until_equal(sim, 60000), UINT64_MAX,
                  "seed %" PRIu64 ": not equal", seed);
    cr_expect_str_eq(sync_sim_fault(sim), "", "seed %" PRIu64 ": %s", seed,
                     sync_sim_fault(sim));
    if (seed % 5 != 0) {
        check_acknowledged(sim, seed);
    }
    sync_sim_close(sim);
    cr_expect(fault_alloc_balanced(&memory.fault), "seed %" PRIu64 ": memory is lost",
              seed);
    return memory.failed;
}

Test(sim_memory, no_memory_now_and_then_loses_nothing)
{
    const char *only = getenv("SCENESYNC_SEED");
    uint64_t failed = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        if (only == NULL || strtoull(only, NULL, 10) == seed) {
            failed += run(seed);
        }
    }
    cr_expect_gt(failed, only == NULL ? 1000 : 0,
                 "memory failed %" PRIu64 " times only", failed);
}
