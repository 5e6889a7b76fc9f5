/* Plans that were carried out and said what is not so: an oracle that cries wolf is worth as
 * little as one that never does. What the oracles find is shown by tests/mutants. */

#include "cli/fuzz/execute.h"

#include <criterion/criterion.h>

/* Carry a plan out; what comes of it. */
static fuzz_verdict execute(const char *text, fuzz_counts *counts)
{
    fuzz_plan plan;
    fuzz_verdict verdict;
    crdt_diag diag = {.text = ""};
    fuzz_plan_init(&plan);
    cr_assert_eq(fuzz_plan_read(&plan, crdt_span_of(text), &diag), CRDT_OK,
                 "line %u: %s", diag.line, diag.text);
    fuzz_execute(&plan, NULL, counts, &verdict);
    fuzz_plan_deinit(&plan);
    return verdict;
}

/* Place 2 wrote, and was heard by 1 alone, which had been stopped: what 2 said lies in its
 * queue. Then the disk of 2 is replaced by a copy of 1's: all places are equal at once, and
 * none of them knows of the edit. Housekeeping is done, 1 reads its queue, the edit is there,
 * and what was counted before was less: "what shows has changed". (Seed 2000140390, where a
 * store was copied twice within a second.) What is under way comes first. */
Test(fuzz_execute, what_only_a_queue_knows_of_comes_before_housekeeping)
{
    static fuzz_counts counts;
    fuzz_verdict verdict = execute("scenesync fuzz plan 1\n"
                                   "seed 1\n"
                                   "places 3\n"
                                   "network 0 0 1 5\n"
                                   "shape mesh\n"
                                   "steps\n"
                                   "wait 3000\n"
                                   "add-part 0 e4 Transform\n" /* to be cleared */
                                   "wait 3000\n"
                                   "cut 2 0\n"
                                   "stall 1\n"
                                   "put 2 e0 Thing value 1\n"
                                   "wait 50\n"
                                   "copy 2 1\n",
                                   &counts);
    cr_assert_str_eq(verdict.oracle, "", "%s: %s", verdict.oracle, verdict.text);
    cr_assert_eq(counts.world.fault[SYNC_SIM_FAULT_STALL], 1);
    cr_assert_eq(counts.world.fault[SYNC_SIM_FAULT_COPY], 1);
    cr_assert_eq(counts.quiet_ms, 0, "equal at once: nobody had heard of it");
}

/* Place 1 hangs e1 below e0, and place 2, which has not heard of it, makes e1 with a whole
 * value for its transform, by a later time: of fields and a whole value written at once the
 * later shows, so e1 hangs nowhere, and the undo of e0 takes it. The oracle saw the field
 * `parent`: "goes by an undo, though others hung something below". (Seed 2000364417.) */
Test(fuzz_execute, a_parent_behind_a_whole_value_hangs_nothing)
{
    static fuzz_counts counts;
    fuzz_verdict verdict = execute("scenesync fuzz plan 1\n"
                                   "seed 1\n"
                                   "places 3\n"
                                   "network 0 0 1 5\n"
                                   "shape mesh\n"
                                   "steps\n"
                                   "wait 3000\n"
                                   "put 0 e0 Name value 1\n"
                                   "wait 3000\n"
                                   "create 1 e1 e0\n"
                                   "put 2 e5 Thing value 1\n" /* later */
                                   "whole 2 e1 Transform 21\n"
                                   "wait 3000\n"
                                   "undo 0\n",
                                   &counts);
    cr_assert_str_eq(verdict.oracle, "", "%s: %s", verdict.oracle, verdict.text);
    cr_assert_eq(counts.undone, 1);
}

/* Where the field is the later one it shows, and e0 stays: nothing is undone. */
Test(fuzz_execute, a_parent_before_a_whole_value_holds)
{
    static fuzz_counts counts;
    fuzz_verdict verdict = execute("scenesync fuzz plan 1\n"
                                   "seed 1\n"
                                   "places 3\n"
                                   "network 0 0 1 5\n"
                                   "shape mesh\n"
                                   "steps\n"
                                   "wait 3000\n"
                                   "put 0 e0 Name value 1\n"
                                   "wait 3000\n"
                                   "put 1 e5 Thing value 1\n" /* later */
                                   "create 1 e1 e0\n"
                                   "whole 2 e1 Transform 21\n"
                                   "wait 3000\n"
                                   "undo 0\n",
                                   &counts);
    cr_assert_str_eq(verdict.oracle, "", "%s: %s", verdict.oracle, verdict.text);
    cr_assert_eq(counts.undone, 0);
}
