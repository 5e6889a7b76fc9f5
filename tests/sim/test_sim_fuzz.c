#include "sync/sim_fuzz.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Adds one of some objects, or removes it. */
static void edit(void *ctx, uint32_t place, const crdt_document *doc,
                 sync_sim_random *random, crdt_op_list *ops)
{
    (void)place;
    (void)doc;
    const char *names = ctx;
    crdt_span name = {
        (const uint8_t *)names + sync_sim_random_below(random, strlen(names)), 1};
    if (sync_sim_random_below(random, 3) == 0) {
        crdt_op_list_remove(ops, crdt_key_object(name));
    } else {
        crdt_op_list_add(ops, crdt_key_object(name));
    }
}

/* Holds for each place alone as long as one name is used; not with two. */
static bool at_most_one(void *ctx, const crdt_document *doc,
                        char why[SYNC_SIM_FUZZ_WHY])
{
    (void)ctx;
    unsigned live = 0;
    crdt_object object = {0};
    while (crdt_document_next_object(doc, &object)) {
        live += crdt_document_object_live(doc, object) ? 1 : 0;
    }
    snprintf(why, SYNC_SIM_FUZZ_WHY, "%u objects", live);
    return live <= 1;
}

static sync_sim_fuzz_rules rules_for(const char *names)
{
    static char copy[8];
    snprintf(copy, sizeof copy, "%s", names);
    return (sync_sim_fuzz_rules){.ctx = copy, .edit = edit, .check = at_most_one};
}

Test(sim_fuzz, what_holds_is_not_blamed)
{
    sync_sim_fuzz_rules rules = rules_for("a");
    sync_sim_counts counts = {0};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        sync_sim_fuzz_options o = sync_sim_fuzz_options_default();
        sync_sim_fuzz_result result;
        o.seed = seed;
        o.place_count = 2 + (uint32_t)seed % 4;
        cr_assert(sync_sim_fuzz_run(&rules, &o, &result), "seed %llu: %s",
                  (unsigned long long)seed, result.why);
        sync_sim_counts_add(&counts, &result.counts);
        cr_assert_eq(result.trace.size, 0);
        sync_sim_fuzz_result_deinit(&result);
    }
    cr_assert_gt(counts.fault[SYNC_SIM_FAULT_POWER_CUT], 0);
    cr_assert_gt(counts.fault[SYNC_SIM_FAULT_STALL], 0);
    cr_assert_gt(counts.fault[SYNC_SIM_FAULT_CUT], 0);
    cr_assert_gt(counts.fault[SYNC_SIM_FAULT_TRIM], 0);
}

Test(sim_fuzz, what_does_not_hold_is_found_and_made_small)
{
    sync_sim_fuzz_rules rules = rules_for("ab");
    for (uint64_t seed = 1; seed <= 10; seed++) {
        sync_sim_fuzz_options o = sync_sim_fuzz_options_default();
        sync_sim_fuzz_result whole;
        sync_sim_fuzz_result again;
        sync_sim_fuzz_result small;
        o.seed = seed;
        o.trace = true;
        cr_assert_not(sync_sim_fuzz_run(&rules, &o, &whole));
        cr_assert_not(sync_sim_fuzz_run(&rules, &o, &again));
        cr_assert_eq(whole.hash, again.hash);
        cr_assert_str_eq(whole.why, again.why);
        sync_sim_fuzz_shrink(&rules, &o, &small);
        cr_assert_not(small.good);
        cr_assert_eq(small.step_count, 2, "two adds do it: %u steps", small.step_count);
        cr_assert_leq(small.step_count, whole.step_count);
        cr_assert_gt(small.trace.size, 0);
        sync_sim_fuzz_result_deinit(&whole);
        sync_sim_fuzz_result_deinit(&again);
        sync_sim_fuzz_result_deinit(&small);
    }
}
