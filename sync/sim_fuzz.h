#ifndef SYNC_SIM_FUZZ_H
#define SYNC_SIM_FUZZ_H

/* Fuzz your own operations: you say what people do to a document and what must always hold
 * of it; the simulated world does it at several places at once, over a bad network, with
 * crashes, power cuts and stops, and looks. docs/example_fuzz.c is a whole program.
 *
 *      your rules:  edit   what somebody does now, given the document as it is there
 *                   check  what holds of every document at any time
 *
 *      the world:   seed ─> steps: edits, cuts, crashes ... ─> quiet ─> all equal?
 *
 * What the engine itself promises is checked too: equal versions have equal digests at every
 * step, and in the end all places are equal and hold every acknowledged edit.
 *
 * A rule that holds at each place when it edits need not hold after a merge: "at most one
 * thing here" is broken by two people who each put one there. That is what this finds. */

#include "sync/sim_random.h"
#include "sync/sim_world.h"

#define SYNC_SIM_FUZZ_WHY 256u /* bytes of a reason, terminator included */

typedef struct sync_sim_fuzz_rules {
    void *ctx;
    /* Push to `ops` what somebody at `place` does, drawing from `random` alone. Pushing
     * nothing is fine. The document is only to be read. */
    void (*edit)(void *ctx, uint32_t place, const crdt_document *doc,
                 sync_sim_random *random, crdt_op_list *ops);
    /* Does it hold? If not, say in `why` what is wrong. Called after each change of a place's
     * document, so it should be quick. May be NULL. */
    bool (*check)(void *ctx, const crdt_document *doc, char why[SYNC_SIM_FUZZ_WHY]);
} sync_sim_fuzz_rules;

typedef struct sync_sim_fuzz_options {
    crdt_alloc alloc;
    uint64_t seed;
    uint32_t place_count;  /* default 3, 2 .. SYNC_SIM_PLACES_MAX */
    uint32_t step_count;   /* default 120; three in five are edits */
    uint32_t drop_percent; /* of messages, default 20 */
    bool crashes;          /* of processes and machines, default true */
    bool trace;            /* default false: the result has no lines */
} sync_sim_fuzz_options;

sync_sim_fuzz_options sync_sim_fuzz_options_default(void);

typedef struct sync_sim_fuzz_result {
    bool good;
    char why[SYNC_SIM_FUZZ_WHY + 64]; /* else: what was wrong, at which place, when */
    uint32_t step_count; /* that were taken; after shrinking: that were needed */
    sync_sim_counts counts;
    uint64_t hash;  /* of all that happened (sync/sim_log.h) */
    crdt_buf trace; /* lines for people, what happened; no terminator */
} sync_sim_fuzz_result;

/* One run: the seed decides all. True if all was good. Deinit the result in any case.
 * Aborts when memory is out. */
bool sync_sim_fuzz_run(const sync_sim_fuzz_rules *rules,
                       const sync_sim_fuzz_options *options,
                       sync_sim_fuzz_result *result);

/* The same with as few steps as still fail, given a seed that fails: the run ends where it
 * went wrong, and only the steps that are needed before are taken. At most
 * 3 * step_count runs. */
void sync_sim_fuzz_shrink(const sync_sim_fuzz_rules *rules,
                          const sync_sim_fuzz_options *options,
                          sync_sim_fuzz_result *result);

void sync_sim_fuzz_result_deinit(sync_sim_fuzz_result *result);

#endif /* SYNC_SIM_FUZZ_H */
