#include "sync/sim_fuzz.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_MS 30000u

typedef struct fuzz_run {
    const sync_sim_fuzz_rules *rules;
    const sync_sim_fuzz_options *o;
    const uint8_t *left_out; /* by step; NULL: none is */
    sync_sim *sim;
    crdt_op_list ops;
    crdt_digest checked[SYNC_SIM_PLACES_MAX]; /* the state that was looked at last */
    sync_sim_fuzz_result *result;
} fuzz_run;

static void must(bool ok)
{
    if (!ok) {
        fprintf(stderr, "fuzzing: out of memory\n");
        abort();
    }
}

sync_sim_fuzz_options sync_sim_fuzz_options_default(void)
{
    return (sync_sim_fuzz_options){
        .alloc = crdt_alloc_default(),
        .seed = 1,
        .place_count = 3,
        .step_count = 120,
        .drop_percent = 20,
        .crashes = true,
    };
}

/* ---- looking ---- */

static bool fail(fuzz_run *r, const char *text)
{
    snprintf(r->result->why, sizeof r->result->why, "%s", text);
    return false;
}

/* All places whose document is another one than when it was looked at last. */
static bool look(fuzz_run *r)
{
    if (sync_sim_fault(r->sim)[0] != '\0') {
        return fail(r, sync_sim_fault(r->sim));
    }
    for (uint32_t i = 0; i < r->o->place_count; i++) {
        if (!sync_sim_running(r->sim, i) || r->rules->check == NULL) {
            continue;
        }
        const crdt_document *doc = sync_sim_document(r->sim, i);
        crdt_digest digest = crdt_document_digest(doc);
        char why[SYNC_SIM_FUZZ_WHY] = "the check failed";
        if (crdt_digest_equal(digest, r->checked[i])) {
            continue;
        }
        r->checked[i] = digest;
        if (!r->rules->check(r->rules->ctx, doc, why)) {
            snprintf(r->result->why, sizeof r->result->why, "[%llu] place %u: %.*s",
                     (unsigned long long)sync_sim_now(r->sim), i,
                     (int)SYNC_SIM_FUZZ_WHY - 1, why);
            return false;
        }
    }
    return true;
}

/* Time passes, in pieces, so that no state between is missed for long. */
static bool wait_and_look(fuzz_run *r, uint64_t ms)
{
    enum { PIECE_MS = 20 };
    while (ms > 0) {
        uint64_t piece = ms < PIECE_MS ? ms : PIECE_MS;
        sync_sim_run(r->sim, piece);
        ms -= piece;
        if (!look(r)) {
            return false;
        }
    }
    return true;
}

/* ---- steps ---- */

static void edit(fuzz_run *r, uint32_t place, sync_sim_random *luck)
{
    crdt_op_list_clear(&r->ops);
    r->rules->edit(r->rules->ctx, place, sync_sim_document(r->sim, place), luck,
                   &r->ops);
    must(r->ops.err == CRDT_OK);
    if (r->ops.op_count > 0) {
        (void)sync_sim_commit(r->sim, place, r->ops.ops, r->ops.op_count);
    }
}

static void harm(fuzz_run *r, uint32_t place, sync_sim_random *luck)
{
    uint32_t other = (uint32_t)sync_sim_random_below(luck, r->o->place_count);
    switch (sync_sim_random_below(luck, r->o->crashes ? 9 : 6)) {
    case 0:
        sync_sim_cut(r->sim, place, other);
        break;
    case 1:
        sync_sim_cut_one_way(r->sim, place, other, place != other);
        break;
    case 2:
        sync_sim_heal_all(r->sim);
        break;
    case 3:
        sync_sim_stall(r->sim, place, !sync_sim_stalled(r->sim, place));
        break;
    case 4:
        sync_sim_checkpoint(r->sim, place);
        sync_sim_trim(r->sim, place, 0);
        break;
    case 5:
        sync_sim_jump_clock(r->sim, place,
                            (int64_t)sync_sim_random_below(luck, 7200000) - 3600000);
        break;
    case 6:
        sync_sim_cut_power(r->sim, place);
        break;
    default:
        sync_sim_crash(r->sim, place, true);
        break;
    }
}

/* Each step draws from luck of its own: leaving one out does not change the others. */
static bool take_step(fuzz_run *r, uint32_t step)
{
    sync_sim_random luck = {r->o->seed};
    luck.state = sync_sim_random_next(&luck) ^ (step + 1);
    luck.state = sync_sim_random_next(&luck);
    uint32_t place = (uint32_t)sync_sim_random_below(&luck, r->o->place_count);
    uint64_t what = sync_sim_random_below(&luck, 10);
    bool running = sync_sim_running(r->sim, place);
    uint64_t ms =
        sync_sim_random_below(&luck, sync_sim_random_below(&luck, 4) == 0 ? 1500 : 50);
    if (r->left_out == NULL || r->left_out[step] == 0) {
        if (!running && what >= 3) {
            must(sync_sim_start_place(r->sim, place, SYNC_SIM_PROVE) == CRDT_OK);
        } else if (what < 6 && running && !sync_sim_stalled(r->sim, place)) {
            edit(r, place, &luck);
        } else if (what == 6) {
            sync_sim_heal_all(r->sim);
        } else if (what > 6) {
            harm(r, place, &luck);
        }
    }
    return look(r) && wait_and_look(r, ms);
}

/* ---- the end ---- */

static bool has_all_acknowledged(fuzz_run *r)
{
    size_t count = 0;
    const sync_sim_batch *batches = sync_sim_batches(r->sim, &count);
    const crdt_version *version = crdt_document_version(sync_sim_document(r->sim, 0));
    for (size_t i = 0; i < count; i++) {
        if (batches[i].durable && !batches[i].excused &&
            !crdt_version_covers(version, &batches[i].last)) {
            return fail(r, "an acknowledged edit is gone");
        }
    }
    return true;
}

static bool quiet(fuzz_run *r)
{
    sync_sim_set_faults(r->sim,
                        (sync_sim_faults){.delay_ms_min = 1, .delay_ms_max = 5});
    sync_sim_heal_all(r->sim);
    for (uint32_t i = 0; i < r->o->place_count; i++) {
        sync_sim_stall(r->sim, i, false);
        if (!sync_sim_running(r->sim, i)) {
            must(sync_sim_start_place(r->sim, i, SYNC_SIM_PROVE) == CRDT_OK);
        }
    }
    uint64_t end_ms = sync_sim_now(r->sim) + QUIET_MS;
    while (!sync_sim_equal(r->sim)) {
        if (sync_sim_now(r->sim) >= end_ms) {
            return fail(r, "the places are not equal after 30 quiet seconds");
        }
        if (!wait_and_look(r, 100)) {
            return false;
        }
    }
    return look(r) && has_all_acknowledged(r);
}

static void open_run(fuzz_run *r)
{
    sync_sim_options world = sync_sim_options_default();
    world.replica.alloc = r->o->alloc;
    world.place_count = r->o->place_count;
    world.seed = r->o->seed;
    world.trace = r->o->trace;
    world.faults = (sync_sim_faults){.drop_percent = r->o->drop_percent,
                                     .duplicate_percent = 10,
                                     .delay_ms_min = 1,
                                     .delay_ms_max = 60};
    assert(r->o->place_count >= 2);
    crdt_op_list_init(&r->ops, r->o->alloc);
    r->sim = sync_sim_open(&world);
    sync_sim_mesh(r->sim);
}

static bool run(const sync_sim_fuzz_rules *rules, const sync_sim_fuzz_options *options,
                const uint8_t *left_out, sync_sim_fuzz_result *result)
{
    fuzz_run r = {.rules = rules, .o = options, .left_out = left_out, .result = result};
    *result = (sync_sim_fuzz_result){0};
    crdt_buf_init(&result->trace, options->alloc);
    open_run(&r);
    result->good = true;
    while (result->good && result->step_count < options->step_count) {
        result->good = take_step(&r, result->step_count++);
    }
    result->good = result->good && quiet(&r);
    result->counts = sync_sim_count(r.sim);
    result->hash = sync_sim_hash(r.sim);
    must(crdt_buf_append_span(&result->trace, crdt_span_of(sync_sim_trace(r.sim))) ==
         CRDT_OK);
    sync_sim_close(r.sim);
    crdt_op_list_deinit(&r.ops);
    return result->good;
}

bool sync_sim_fuzz_run(const sync_sim_fuzz_rules *rules,
                       const sync_sim_fuzz_options *options,
                       sync_sim_fuzz_result *result)
{
    return run(rules, options, NULL, result);
}

/* ---- shrinking ---- */

/* Does it still fail without the steps from `at` to `end`? Then they stay out. */
static void try_without(const sync_sim_fuzz_rules *rules,
                        const sync_sim_fuzz_options *options, uint8_t *left_out,
                        uint32_t at, uint32_t end)
{
    enum { OUT = 1, TRIED = 2 };
    sync_sim_fuzz_result result;
    for (uint32_t i = at; i < end; i++) {
        left_out[i] |= TRIED;
    }
    bool good = run(rules, options, left_out, &result);
    sync_sim_fuzz_result_deinit(&result);
    for (uint32_t i = at; i < end; i++) {
        left_out[i] = good ? left_out[i] & OUT : OUT;
    }
}

/* As many steps at once as can be, then half as many ... one. */
void sync_sim_fuzz_shrink(const sync_sim_fuzz_rules *rules,
                          const sync_sim_fuzz_options *options,
                          sync_sim_fuzz_result *result)
{
    sync_sim_fuzz_options o = *options;
    if (run(rules, &o, NULL, result)) {
        return;
    }
    o.trace = false;
    o.step_count = result->step_count;
    uint8_t *left_out = crdt_allocate(o.alloc, o.step_count);
    must(left_out != NULL);
    memset(left_out, 0, o.step_count);
    for (uint32_t size = o.step_count; size > 0; size /= 2) {
        for (uint32_t at = 0; at < o.step_count; at += size) {
            uint32_t left = o.step_count - at;
            try_without(rules, &o, left_out, at, at + (left < size ? left : size));
        }
    }
    sync_sim_fuzz_result_deinit(result);
    o.trace = options->trace;
    run(rules, &o, left_out, result);
    result->step_count = o.step_count;
    for (uint32_t i = 0; i < o.step_count; i++) {
        result->step_count -= left_out[i];
    }
    crdt_free(o.alloc, left_out, o.step_count);
}

void sync_sim_fuzz_result_deinit(sync_sim_fuzz_result *result)
{
    crdt_buf_deinit(&result->trace);
}
