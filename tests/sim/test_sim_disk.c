#include "sync/sim_disk.h"

#include "crdt/value.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define SEEDS 400u
#define HALF 4096u

/* A place with nothing but a document and a disk. */
typedef struct box {
    sync_sim_disk disk;
    crdt_document *doc;
    crdt_deps *deps;
    crdt_arena arena;
    sync_sim_random random;
    uint64_t edits;
    uint64_t acknowledged; /* highest time of the one actor */
} box;

static const crdt_actor ME = {{7}};

static uint64_t below(box *b, uint64_t bound)
{
    return sync_sim_random_below(&b->random, bound);
}

static crdt_err open_box(box *b)
{
    crdt_document_options options = crdt_document_options_default();
    cr_assert_eq(crdt_document_open(&b->doc, &options), CRDT_OK);
    cr_assert_eq(crdt_deps_open(&b->deps, crdt_alloc_default(), 16), CRDT_OK);
    return sync_sim_disk_open(&b->disk, b->doc, b->deps, 1 + below(b, 1u << 20), NULL);
}

static void close_box(box *b)
{
    crdt_document_close(b->doc);
    crdt_deps_close(b->deps);
}

static box make_box(uint64_t seed)
{
    box b = {.random = {seed}};
    crdt_arena_init(&b.arena, crdt_alloc_default());
    cr_assert_eq(sync_sim_disk_init(&b.disk, crdt_alloc_default(), HALF), CRDT_OK);
    sync_sim_disk_set_actor(&b.disk, &ME);
    cr_assert_eq(open_box(&b), CRDT_OK);
    return b;
}

static void free_box(box *b)
{
    close_box(b);
    sync_sim_disk_deinit(&b->disk);
    crdt_arena_deinit(&b->arena);
}

/* One edit of up to a few sectors. */
static void edit(box *b)
{
    static const uint8_t filling[2000];
    crdt_buf value;
    crdt_buf bytes;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_buf_init(&bytes, crdt_alloc_default());
    crdt_span part = {filling, below(b, sizeof filling)};
    cr_assert_eq(crdt_value_write_string(&value, part), CRDT_OK);
    char name[16];
    snprintf(name, sizeof name, "f%llu", (unsigned long long)b->edits++);
    crdt_span o = crdt_span_of("o");
    crdt_op ops[3] = {{.kind = CRDT_OP_ADD, .key = crdt_key_object(o)},
                      {.kind = CRDT_OP_ADD, .key = crdt_key_part(o, o)},
                      {.kind = CRDT_OP_SET,
                       .key = crdt_key_field(o, o, crdt_span_of(name)),
                       .value = crdt_buf_span(&value)}};
    crdt_batch batch;
    crdt_arena_reset(&b->arena);
    cr_assert_eq(crdt_document_commit(b->doc, &(crdt_edit){.actor = ME}, ops, 3,
                                      &b->arena, &batch, NULL),
                 CRDT_OK);
    cr_assert_eq(crdt_batch_encode(&batch, NULL, &bytes), CRDT_OK);
    cr_assert_eq(
        sync_sim_disk_append(&b->disk, SYNC_APPEND_BATCH, crdt_buf_span(&bytes)),
        CRDT_OK);
    crdt_buf_deinit(&value);
    crdt_buf_deinit(&bytes);
}

static uint64_t own_time(const box *b)
{
    return crdt_version_get(crdt_document_version(b->doc), &ME);
}

static void begin(box *b)
{
    bool begun;
    cr_assert_eq(sync_sim_disk_begin(&b->disk, b->doc, &begun), CRDT_OK);
}

static uint64_t end(box *b, uint64_t time)
{
    if (b->disk.syncing && sync_sim_disk_end(&b->disk) == CRDT_OK) {
        b->acknowledged = time;
    }
    return b->acknowledged;
}

/* Some groups, the last of which is under way or not. */
static void work(box *b)
{
    uint64_t writing = 0;
    for (uint64_t i = 2 + below(b, 20); i > 0; i--) {
        for (uint64_t j = below(b, 3) + 1; j > 0; j--) {
            edit(b);
        }
        if (!b->disk.syncing) {
            writing = own_time(b);
            begin(b);
        }
        if (i > 1 || below(b, 2) == 0) {
            end(b, writing);
        }
        if (below(b, 8) == 0 && !b->disk.syncing && sync_sim_disk_settled(&b->disk)) {
            cr_assert_eq(sync_sim_disk_checkpoint(&b->disk, b->doc, b->deps), CRDT_OK);
        }
    }
}

static uint64_t crash(box *b, sync_sim_remains how)
{
    uint64_t reached = 0;
    uint64_t torn = 0;
    sync_sim_disk_crash(&b->disk, how, &b->random, &reached, &torn);
    close_box(b);
    return torn;
}

/* Whatever a power cut makes of the sectors being written, what was acknowledged is there,
 * and what comes back is a state that was (the marks are compared). */
Test(sim_disk, what_was_acknowledged_survives_power_cuts)
{
    uint64_t torn = 0;
    uint64_t more = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        box b = make_box(seed);
        for (int run = 0; run < 3; run++) {
            work(&b);
            uint64_t written = own_time(&b);
            torn += crash(&b, (sync_sim_remains)below(&b, 3));
            cr_assert_eq(open_box(&b), CRDT_OK, "seed %llu", (unsigned long long)seed);
            cr_assert_geq(own_time(&b), b.acknowledged, "seed %llu",
                          (unsigned long long)seed);
            cr_assert_leq(own_time(&b), written);
            more += own_time(&b) > b.acknowledged ? 1 : 0;
            b.acknowledged = own_time(&b);
        }
        free_box(&b);
    }
    cr_assert_gt(torn, SEEDS / 8, "sectors do get torn");
    cr_assert_gt(more, SEEDS / 8, "what nobody was told may be there");
}

/* A disk that lies loses what was acknowledged: then the store says so, or comes back as it
 * was before. The test that would see that the other one sees nothing. */
Test(sim_disk, lies_lose_and_are_told_or_set_back)
{
    uint64_t told = 0;
    uint64_t set_back = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        box b = make_box(seed);
        b.disk.lies = true;
        work(&b);
        crash(&b, SYNC_SIM_REMAINS_TORN);
        crdt_err err = open_box(&b);
        cr_assert(err == CRDT_OK || err == CRDT_ECORRUPT);
        cr_assert_eq(b.disk.damaged, err == CRDT_ECORRUPT);
        told += err == CRDT_ECORRUPT ? 1 : 0;
        set_back += err == CRDT_OK && own_time(&b) < b.acknowledged ? 1 : 0;
        free_box(&b);
    }
    cr_assert_gt(told, 0);
    cr_assert_gt(set_back, 0);
}

/* Of a sync that failed nothing is acknowledged; what was before it is there. */
Test(sim_disk, a_failed_sync_is_final)
{
    for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
        box b = make_box(seed);
        work(&b);
        b.disk.fails = true;
        edit(&b);
        begin(&b);
        cr_assert(b.disk.syncing);
        cr_assert_eq(sync_sim_disk_end(&b.disk), CRDT_EIO);
        crash(&b, SYNC_SIM_REMAINS_TORN);
        b.disk.fails = false;
        cr_assert_eq(open_box(&b), CRDT_OK);
        cr_assert_geq(own_time(&b), b.acknowledged);
        free_box(&b);
    }
}

/* A copy has what was synced when it was made, and opens as the original would. */
Test(sim_disk, a_copy_has_what_is_durable)
{
    for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
        box b = make_box(seed);
        box copy = make_box(seed + SEEDS);
        work(&b);
        close_box(&copy);
        cr_assert_eq(sync_sim_disk_copy(&copy.disk, &b.disk), CRDT_OK);
        cr_assert_eq(open_box(&copy), CRDT_OK);
        cr_assert_eq(own_time(&copy), b.acknowledged);
        free_box(&copy);
        free_box(&b);
    }
}

/* Who the replica is becomes durable with a transaction, and belongs to its actor. */
Test(sim_disk, settings_go_with_a_transaction_and_their_actor)
{
    box b = make_box(1);
    sync_meta meta = {.actor = ME, .confirmed_time = 9};
    sync_meta_add_start(&meta, 5, 0);
    sync_sim_disk_set_meta(&b.disk, &meta);
    crash(&b, SYNC_SIM_REMAINS_ALL);
    cr_assert_eq(open_box(&b), CRDT_OK);
    sync_meta read;
    cr_assert_eq(sync_sim_disk_meta(&b.disk, &read), CRDT_OK);
    cr_assert_eq(read.start_count, 0, "it was queued only");
    sync_sim_disk_set_meta(&b.disk, &meta);
    begin(&b);
    cr_assert_eq(sync_sim_disk_end(&b.disk), CRDT_OK);
    cr_assert_eq(sync_sim_disk_meta(&b.disk, &read), CRDT_OK);
    cr_assert_eq(read.start_count, 1);
    cr_assert_eq(read.confirmed_time, 9);
    sync_sim_disk_set_actor(&b.disk, &(crdt_actor){{8}});
    cr_assert_eq(sync_sim_disk_meta(&b.disk, &read), CRDT_OK);
    cr_assert_eq(read.start_count, 0, "those were another one's");
    free_box(&b);
}
