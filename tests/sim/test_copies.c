/* Random runs with stores that are copied while they run, and both go on; and with whole
 * machines set back to yesterday, so that the store cannot know. Nothing can prevent two
 * replicas from writing under one actor for a while then: it has to be found at first
 * contact, and nothing may be lost.
 *
 *     test_copies [FIRST_SEED [COUNT]]      default: 1, 500
 *
 * Every edit sets a field of its own. In the quiet after the run all places are equal, no
 * two write under one actor, and every acknowledged edit is there, unless its only disk
 * was set back or overwritten. */

#include "crdt/value.h"
#include "sync/sim_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EDITS_MAX 512u
#define ACTIONS 60u
#define QUIET_MS 60000u

typedef struct edit {
    uint32_t place;
    size_t batch; /* index in sync_sim_batches */
    bool excused;
} edit;

typedef struct run {
    sync_sim *sim;
    uint32_t places;
    uint64_t random;
    bool verbose;
    bool saved[SYNC_SIM_PLACES_MAX];
    edit edits[EDITS_MAX];
    size_t edit_count;
    uint64_t copies;
    char why[400];
} run;

static uint32_t below(run *r, uint32_t bound)
{
    uint64_t z = r->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % bound);
}

static void names_of(size_t index, char object[16], char field[16])
{
    snprintf(object, 16, "o%zu", index % 5);
    snprintf(field, 16, "f%zu", index);
}

static void make_edit(run *r, uint32_t place)
{
    size_t count = 0;
    if (r->edit_count == EDITS_MAX) {
        return;
    }
    char object[16];
    char field[16];
    names_of(r->edit_count, object, field);
    sync_sim_set(r->sim, place, object, field, (int64_t)r->edit_count);
    sync_sim_batches(r->sim, &count);
    r->edits[r->edit_count++] = (edit){.place = place, .batch = count - 1};
}

static bool has_edit(run *r, uint32_t place, size_t index)
{
    char object[16];
    char field[16];
    crdt_span value;
    names_of(index, object, field);
    crdt_key key =
        crdt_key_field(crdt_span_of(object), crdt_span_of("part"), crdt_span_of(field));
    if (!crdt_document_get(sync_sim_document(r->sim, place), &key, &value)) {
        return false;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    return crdt_value_read(&reader).integer == (int64_t)index;
}

/* What no running place has may die with the disk of `place`. */
static void excuse_unshared(run *r)
{
    for (size_t i = 0; i < r->edit_count; i++) {
        bool shared = false;
        for (uint32_t p = 0; p < r->places && !shared; p++) {
            shared = sync_sim_running(r->sim, p) && has_edit(r, p, i);
        }
        r->edits[i].excused = r->edits[i].excused || !shared;
    }
}

static void copy_or_set_back(run *r, uint32_t place)
{
    uint32_t from = below(r, r->places);
    uint32_t x = below(r, 4);
    if (x == 0) {
        sync_sim_save_disk(r->sim, place);
        r->saved[place] = true;
        return;
    }
    if ((x == 1 && !r->saved[place]) || (x > 1 && from == place)) {
        return;
    }
    sync_sim_crash(r->sim, place, false);
    excuse_unshared(r);
    r->copies++;
    if (x == 1) {
        sync_sim_restore_disk(r->sim, place);
    } else {
        sync_sim_copy_disk(r->sim, from, place);
    }
    sync_sim_start_place(r->sim, place, SYNC_SIM_KEEP);
}

static void act(run *r)
{
    uint32_t place = below(r, r->places);
    uint32_t other = below(r, r->places);
    uint32_t x = below(r, 100);
    if (x < 65) {
        for (uint32_t i = below(r, 5); i > 0; i--) {
            make_edit(r, place);
        }
    } else if (x < 73 && place != other) {
        sync_sim_cut(r->sim, place, other);
    } else if (x < 83) {
        sync_sim_heal(r->sim, place, other);
    } else if (x < 88) {
        sync_sim_crash(r->sim, place, false);
        sync_sim_start_place(r->sim, place, SYNC_SIM_KEEP);
    } else if (x < 95) {
        copy_or_set_back(r, place);
    }
}

static bool check(run *r)
{
    size_t count = 0;
    const sync_sim_batch *batches = sync_sim_batches(r->sim, &count);
    for (uint32_t p = 0; p < r->places; p++) {
        if (!crdt_document_check(sync_sim_document(r->sim, p))) {
            snprintf(r->why, sizeof r->why, "a document's invariant is broken");
            return false;
        }
        for (uint32_t q = 0; q < p; q++) {
            crdt_actor a = sync_sim_actor(r->sim, p);
            crdt_actor b = sync_sim_actor(r->sim, q);
            if (crdt_actor_equal(&a, &b)) {
                snprintf(r->why, sizeof r->why, "two places write under one actor");
                return false;
            }
        }
    }
    for (size_t i = 0; i < r->edit_count; i++) {
        const edit *e = &r->edits[i];
        if (batches[e->batch].durable && !e->excused && !has_edit(r, 0, i)) {
            snprintf(r->why, sizeof r->why, "acknowledged edit %zu of place %u is gone",
                     i, e->place);
            return false;
        }
    }
    return true;
}

static bool run_seed(uint64_t seed, bool verbose, char why[400], uint64_t *copies)
{
    run r = {.random = seed, .verbose = verbose};
    sync_sim_options o = sync_sim_options_default();
    o.seed = seed;
    o.place_count = r.places = 2 + below(&r, 3);
    o.check = false; /* two histories of one actor are what this is about */
    o.trace = verbose;
    o.faults.drop_percent = below(&r, 2) == 0 ? 0 : below(&r, 30);
    o.faults.delay_ms_max = below(&r, 2) == 0 ? 3 : 60;
    r.sim = sync_sim_open(&o);
    sync_sim_mesh(r.sim);
    for (uint32_t i = 0; i < ACTIONS && sync_sim_fault(r.sim)[0] == '\0'; i++) {
        act(&r);
        sync_sim_run(r.sim, below(&r, 3) == 0 ? below(&r, 2000) : below(&r, 50));
    }
    sync_sim_set_faults(r.sim, (sync_sim_faults){.delay_ms_min = 1, .delay_ms_max = 5});
    sync_sim_heal_all(r.sim);
    sync_sim_run(r.sim, 10000);
    bool ok = sync_sim_run_until_equal(r.sim, QUIET_MS) != UINT64_MAX;
    if (sync_sim_fault(r.sim)[0] != '\0') {
        snprintf(r.why, sizeof r.why, "%s", sync_sim_fault(r.sim));
        ok = false;
    } else if (!ok) {
        snprintf(r.why, sizeof r.why, "not equal after 70 quiet seconds");
    } else {
        ok = check(&r);
    }
    if (verbose) {
        printf("%s", sync_sim_trace(r.sim));
        for (uint32_t p = 0; p < r.places; p++) {
            const crdt_version *v = crdt_document_version(sync_sim_document(r.sim, p));
            char text[CRDT_DIGEST_TEXT_SIZE];
            crdt_digest_format(crdt_document_digest(sync_sim_document(r.sim, p)), text);
            crdt_actor me = sync_sim_actor(r.sim, p);
            printf("%u: %s me %02x", p, text, me.bytes[0]);
            for (size_t i = 0; i < v->stamp_count; i++) {
                printf(" %02x:%llu", v->stamps[i].actor.bytes[0],
                       (unsigned long long)v->stamps[i].time);
            }
            printf("\n");
        }
    }
    *copies += r.copies;
    memcpy(why, r.why, sizeof r.why);
    sync_sim_close(r.sim);
    return ok;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 500;
    bool verbose = getenv("SCENESYNC_SIM_TRACE") != NULL;
    uint64_t failed = 0;
    uint64_t copies = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        char why[400];
        if (!run_seed(seed, verbose, why, &copies)) {
            failed++;
            printf("seed %llu: %s\n    again: %s %llu 1\n", (unsigned long long)seed,
                   why, argv[0], (unsigned long long)seed);
        }
    }
    printf("%llu runs with %llu copies, %llu failed\n", (unsigned long long)count,
           (unsigned long long)copies, (unsigned long long)failed);
    return failed == 0 ? 0 : 1;
}
