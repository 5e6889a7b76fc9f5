#ifndef CLI_FUZZ_EXECUTE_H
#define CLI_FUZZ_EXECUTE_H

/* A plan carried out on the simulated world, with every oracle watching. Pure: the same
 * plan gives the same run, on every machine.
 *
 * At every step (sync/sim_world.h): versions that were told and are equal have equal
 * digests; the replicas' invariants; "in sync" is said only of what is equal.
 * At every edit: its author shows it at once; its stamp is above all that it replaces, and
 * what it says to have seen covers all that its author was shown; and the author's document
 * is what the full history says (full_history.h).
 * In every quiet (`quiet`): execute_quiet.c. */

#include "cli/fuzz/plan.h"
#include "sync/sim_log.h"

#include <stdio.h>

typedef struct fuzz_counts {
    uint64_t runs;
    uint64_t steps;   /* of plans, those that did something */
    uint64_t batches; /* edits committed */
    uint64_t undone;  /* undo and redo that had something to do */
    uint64_t events;  /* what happened in the simulated worlds */
    uint64_t faults;  /* injected: packets lost, repeated; cuts, crashes, disks, ... */
    uint64_t histories; /* documents compared with the full history */
    uint64_t quiets;    /* quiet points reached */
    uint64_t quiet_ms;  /* virtual time until all were equal, summed over them */
    uint64_t quiet_ms_max;
    sync_sim_counts world; /* events and faults of the simulated worlds */
    uint8_t coverage[SYNC_SIM_COVERAGE_SIZE]; /* states they have been in */
    uint64_t hash; /* over all that happened in these runs, in whatever order */
} fuzz_counts;

void fuzz_counts_add(fuzz_counts *sum, const fuzz_counts *more);

/* Which promise was broken, first. */
typedef struct fuzz_verdict {
    char oracle[40]; /* empty: none */
    char text[400];
    uint64_t step; /* of the plan, from 0; step_count: the quiet after the last one */
    uint64_t now_ms;
} fuzz_verdict;

/* Carry `plan` out. What happens is written to `trace` (NULL: not), line by line and
 * flushed, so that it is there when the engine crashes. Adds to `counts`. */
void fuzz_execute(const fuzz_plan *plan, FILE *trace, fuzz_counts *counts,
                  fuzz_verdict *verdict);

#endif /* CLI_FUZZ_EXECUTE_H */
