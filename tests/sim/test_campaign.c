/* Random runs of a simulated world: edits at several places under loss, repetition,
 * reordering, delay, partitions (also one-way), crashes between write and sync, power cuts that
 * tear sectors, restarts, stalls, clocks that jump, restored and copied stores, checkpoints,
 * trimmed logs; then quiet.
 *
 *     test_campaign [FIRST_SEED [COUNT]]      default: 1, 300
 *
 * Checked at every step: equal versions have equal digests (also with all that was seen
 * before in the run), the replicas' invariants. In the quiet: all places are equal within
 * a bounded time and say so, equal to an oracle of all surviving batches; no acknowledged
 * edit is gone; only beacons are sent. */

#include "crdt/value.h"
#include "tests/sim/sim_oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTIONS 120u
#define QUIET_MS 30000u

typedef struct run {
    sync_sim *sim;
    uint32_t places;
    uint64_t random;
    uint32_t set_back; /* places whose disk lost something acknowledged */
    bool verbose;
    char why[400];
} run;

static uint64_t next(run *r)
{
    uint64_t z = r->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t below(run *r, uint32_t bound)
{
    return (uint32_t)(next(r) % bound);
}

/* A few operations on a few names, so that they meet. */
static void edit(run *r, uint32_t place)
{
    char names[3][8];
    snprintf(names[0], 8, "o%u", below(r, 3));
    snprintf(names[1], 8, "p%u", below(r, 2));
    snprintf(names[2], 8, "f%u", below(r, 2));
    crdt_span o = crdt_span_of(names[0]);
    crdt_span p = crdt_span_of(names[1]);
    crdt_key object = crdt_key_object(o);
    crdt_key part = crdt_key_part(o, p);
    crdt_key field = crdt_key_field(o, p, crdt_span_of(names[2]));
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_value_write_integer(&value, below(r, 1000));
    crdt_op ops[3] = {
        {.kind = CRDT_OP_ADD, .key = object},
        {.kind = CRDT_OP_ADD, .key = part},
        {.kind = CRDT_OP_SET, .key = field, .value = crdt_buf_span(&value)}};
    uint32_t x = below(r, 100);
    if (x < 45) {
        sync_sim_commit(r->sim, place, ops, 3);
    } else if (x < 75) {
        sync_sim_commit(r->sim, place, &ops[2], 1);
    } else if (x < 84) {
        ops[0].kind = CRDT_OP_REMOVE;
        sync_sim_commit(r->sim, place, ops, 1);
    } else if (x < 90) {
        ops[1].kind = CRDT_OP_REMOVE;
        sync_sim_commit(r->sim, place, &ops[1], 1);
    } else if (x < 96) {
        ops[2].kind = CRDT_OP_UNSET;
        sync_sim_commit(r->sim, place, &ops[2], 1);
    } else {
        sync_sim_housekeep(r->sim, place);
    }
    crdt_buf_deinit(&value);
}

static void disk_action(run *r, uint32_t place)
{
    uint32_t x = below(r, 10);
    bool running = sync_sim_running(r->sim, place);
    if (x < 4) {
        sync_sim_checkpoint(r->sim, place);
    } else if (x < 6) {
        sync_sim_save_disk(r->sim, place);
    } else if (x < 8 && !running) {
        sync_sim_restore_disk(r->sim, place);
        r->set_back |= 1u << place;
        sync_sim_start_place(r->sim, place, SYNC_SIM_FRESH);
    } else if (!running) {
        sync_sim_copy_disk(r->sim, below(r, r->places), place);
        r->set_back |= 1u << place;
        sync_sim_start_place(r->sim, place, SYNC_SIM_FRESH);
    }
}

/* A process ends, or a machine, or a machine in the midst of writing. */
static void end_place(run *r, uint32_t place)
{
    uint32_t x = below(r, 3);
    if (x == 2) {
        sync_sim_cut_power(r->sim, place);
    } else {
        sync_sim_crash(r->sim, place, x == 0);
    }
}

static void act(run *r)
{
    uint32_t place = below(r, r->places);
    uint32_t other = below(r, r->places);
    bool running = sync_sim_running(r->sim, place);
    uint32_t x = below(r, 100);
    if (x < 60) {
        bool awake = running && !sync_sim_stalled(r->sim, place);
        for (uint32_t i = below(r, 6); awake && i > 0; i--) {
            edit(r, place);
        }
    } else if (x < 66 && place != other) {
        sync_sim_cut(r->sim, place, other);
    } else if (x < 69 && place != other) {
        sync_sim_cut_one_way(r->sim, place, other, true);
    } else if (x < 76) {
        sync_sim_heal(r->sim, place, other);
    } else if (x < 82) {
        end_place(r, place);
    } else if (x < 84) {
        sync_sim_stall(r->sim, place, !sync_sim_stalled(r->sim, place));
    } else if (x < 85) {
        sync_sim_jump_clock(r->sim, place, (int64_t)below(r, 1u << 31) - (1 << 30));
    } else if (x < 90 && !running) {
        sync_sim_start_place(r->sim, place,
                             below(r, 2) == 0 ? SYNC_SIM_KEEP : SYNC_SIM_PROVE);
    } else if (x < 96) {
        disk_action(r, place);
    } else if (running) {
        crdt_document_trim_log(sync_sim_document(r->sim, place), below(r, 200));
    }
}

static void set_up(run *r, uint64_t seed)
{
    sync_sim_options o = sync_sim_options_default();
    o.seed = seed;
    o.place_count = r->places = 2 + below(r, 4);
    o.trace = r->verbose;
    o.faults.drop_percent = below(r, 3) == 0 ? 0 : below(r, 60);
    o.faults.duplicate_percent = below(r, 2) == 0 ? 0 : below(r, 25);
    static const uint32_t delays[] = {2, 20, 100, 400};
    o.faults.delay_ms_max = delays[below(r, 4)];
    o.disk_ms_max = below(r, 2) == 0 ? 3 : 40;
    o.replica.discover = below(r, 2) == 0;
    o.lineage_known = true;
    if (below(r, 3) == 0) { /* everything in pieces, caches that overflow */
        o.replica.message_size_max = 4096;
        o.replica.presence_size_max = 512;
        o.replica.held_count_max = 3;
        o.replica.unsent_size_max = 300;
    }
    r->sim = sync_sim_open(&o);
    if (below(r, 2) == 0) {
        sync_sim_line(r->sim);
    } else {
        sync_sim_mesh(r->sim);
    }
    if (below(r, 4) == 0) { /* one that cannot be dialled, so has to push */
        sync_sim_set_dialable(r->sim, r->places - 1, false);
    }
}

static bool fail(run *r, const char *text)
{
    snprintf(r->why, sizeof r->why, "%s", text);
    return false;
}

/* Beacons only, once all is said. Where a disk was set back, batches may wait for others
 * that died with it, until they are given up. */
static bool check_silence(run *r)
{
    sync_sim_run(r->sim, r->set_back != 0 ? 35000 : 5000);
    sync_replica_counts before[SYNC_SIM_PLACES_MAX];
    for (uint32_t i = 0; i < r->places; i++) {
        before[i] = sync_replica_count(sync_sim_replica(r->sim, i));
    }
    sync_sim_run(r->sim, 10000);
    for (uint32_t i = 0; i < r->places; i++) {
        sync_replica_counts now = sync_replica_count(sync_sim_replica(r->sim, i));
        if (now.asked != before[i].asked || now.pushed != before[i].pushed ||
            now.published != before[i].published || now.relayed != before[i].relayed ||
            now.beacons - before[i].beacons > 13 || now.held != 0) {
            snprintf(r->why, sizeof r->why,
                     "no silence: place %u asked %llu, pushed %llu, published %llu, "
                     "relayed %llu, beacons %llu, holds %llu",
                     i, (unsigned long long)(now.asked - before[i].asked),
                     (unsigned long long)(now.pushed - before[i].pushed),
                     (unsigned long long)(now.published - before[i].published),
                     (unsigned long long)(now.relayed - before[i].relayed),
                     (unsigned long long)(now.beacons - before[i].beacons),
                     (unsigned long long)now.held);
            return false;
        }
        if (!sync_replica_in_sync(sync_sim_replica(r->sim, i))) {
            return fail(r, "a place does not say that it is in sync");
        }
    }
    return true;
}

/* Nothing in these runs is a fault of anybody: no alarm may go off. */
static bool check_no_alarm(run *r)
{
    static const struct {
        sync_notice_kind kind;
        const char *text;
    } alarms[] = {{SYNC_NOTICE_REFUSED, "something was refused"},
                  {SYNC_NOTICE_FORK, "a fork was reported"},
                  {SYNC_NOTICE_FRESH, "an actor was renewed"},
                  {SYNC_NOTICE_REWRITTEN, "something was written again"},
                  {SYNC_NOTICE_LOST, "something was lost in healing"},
                  {SYNC_NOTICE_DIVERGED, "a divergence was reported"}};
    for (uint32_t i = 0; i < r->places; i++) {
        for (size_t j = 0; j < sizeof alarms / sizeof alarms[0]; j++) {
            if (sync_sim_notices(r->sim, i, alarms[j].kind) > 0) {
                return fail(r, alarms[j].text);
            }
        }
    }
    return true;
}

static bool check_quiet(run *r)
{
    sync_sim_set_faults(r->sim,
                        (sync_sim_faults){.delay_ms_min = 1, .delay_ms_max = 5});
    sync_sim_heal_all(r->sim);
    for (uint32_t i = 0; i < r->places; i++) {
        sync_sim_stall(r->sim, i, false);
        if (!sync_sim_running(r->sim, i)) {
            sync_sim_start_place(r->sim, i, SYNC_SIM_KEEP);
        }
    }
    uint64_t took = sync_sim_run_until_equal(r->sim, QUIET_MS);
    if (sync_sim_fault(r->sim)[0] != '\0') {
        return fail(r, sync_sim_fault(r->sim));
    }
    if (took == UINT64_MAX) {
        return fail(r, "not equal after 30 quiet seconds");
    }
    for (uint32_t i = 0; i < r->places; i++) {
        if (!crdt_document_check(sync_sim_document(r->sim, i))) {
            return fail(r, "a document's invariant is broken");
        }
    }
    return sim_oracle_check(r->sim, 0, r->why, sizeof r->why) &&
           sim_oracle_acknowledged(r->sim, 0, r->set_back, r->why, sizeof r->why) &&
           check_silence(r) && check_no_alarm(r);
}

/* What all runs came to. */
typedef struct total {
    sync_sim_counts counts;
    uint64_t hash;
} total;

static bool run_seed(uint64_t seed, bool verbose, char why[400], total *all)
{
    run r = {.random = seed, .verbose = verbose};
    set_up(&r, seed);
    for (uint32_t i = 0; i < ACTIONS && sync_sim_fault(r.sim)[0] == '\0'; i++) {
        act(&r);
        sync_sim_run(r.sim, below(&r, 4) == 0 ? below(&r, 1500) : below(&r, 50));
    }
    bool ok = check_quiet(&r);
    if (verbose) {
        printf("%s", sync_sim_trace(r.sim));
    }
    memcpy(why, r.why, sizeof r.why);
    sync_sim_counts counts = sync_sim_count(r.sim);
    sync_sim_counts_add(&all->counts, &counts);
    all->hash = (all->hash ^ sync_sim_hash(r.sim)) * UINT64_C(0x100000001b3);
    sync_sim_close(r.sim);
    return ok;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
    bool verbose = getenv("SCENESYNC_SIM_TRACE") != NULL;
    uint64_t failed = 0;
    total all = {0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        char why[400];
        if (!run_seed(seed, verbose, why, &all)) {
            failed++;
            printf("seed %llu: %s\n    again: %s %llu 1\n", (unsigned long long)seed,
                   why, argv[0], (unsigned long long)seed);
        }
    }
    printf("%llu events, %llu faults, trace hash %016llx\n",
           (unsigned long long)all.counts.events, (unsigned long long)all.counts.faults,
           (unsigned long long)all.hash);
    printf("%llu runs, %llu failed\n", (unsigned long long)count,
           (unsigned long long)failed);
    return failed == 0 ? 0 : 1;
}
