#ifndef CLI_FUZZ_CAMPAIGN_H
#define CLI_FUZZ_CAMPAIGN_H

/* Many runs, each in a process that may crash or hang without taking the others along.
 *
 *      parent ── fork ──▶ job    takes the next seed, draws, executes, counts
 *        ▲    ── fork ──▶ job            │
 *        └── a page that all share ◀─────┘ counts, seed at hand, verdict
 *
 * A job that ends other than in order, or stays with one seed for too long, has found
 * something: its seed says what. */

#include "cli/fuzz/execute.h"
#include "cli/fuzz/profile.h"

#define FUZZ_JOBS_MAX 64u

typedef struct fuzz_campaign {
    fuzz_wish wish;
    uint64_t seed_first;
    uint64_t run_max;   /* 0: no limit */
    double seconds_max; /* 0: no limit */
    uint32_t job_count;
    uint32_t run_seconds_max; /* a run that takes longer hangs */
    /* Told now and then (about five times a second) how it goes. May be NULL. */
    void (*progress)(void *ctx, const fuzz_counts *counts, double seconds);
    /* Is it time to stop? May be NULL. */
    bool (*stopped)(void *ctx);
    void *ctx;
} fuzz_campaign;

typedef struct fuzz_outcome {
    fuzz_counts counts;
    double seconds;
    bool failed;
    uint64_t seed; /* of the run that failed */
    fuzz_verdict verdict;
} fuzz_outcome;

/* Run it until something fails, or it is over. Errors: CRDT_EIO: no process, no memory. */
crdt_err fuzz_campaign_run(const fuzz_campaign *campaign, fuzz_outcome *outcome);

/* Execute one plan in a process of its own, for at most so many seconds. A crash is the
 * verdict "crash" with what it said last, an end that does not come "hang". The trace goes
 * to `trace` (NULL: none). Errors: CRDT_EIO. */
crdt_err fuzz_campaign_try(const fuzz_plan *plan, uint32_t seconds_max, FILE *trace,
                           fuzz_counts *counts, fuzz_verdict *verdict);

#endif /* CLI_FUZZ_CAMPAIGN_H */
