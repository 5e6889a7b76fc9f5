#ifndef CLI_FUZZ_SHRINK_H
#define CLI_FUZZ_SHRINK_H

/* A failing plan made as small as it will go: steps are left out, in halves, quarters, ...
 * (Zeller, Hildebrandt, "Simplifying and isolating failure-inducing input", 2002), places
 * too; faults are turned off, waits shortened, numbers made small, for as long as the plan
 * breaks the same promise. */

#include "cli/fuzz/plan.h"

/* Does the plan fail in the same way? It may crash or hang, so whoever asks runs it in a
 * process of its own. */
typedef bool (*fuzz_shrink_fails)(void *ctx, const fuzz_plan *plan);

typedef struct fuzz_shrink_result {
    uint64_t trials;
    size_t steps_before;
    size_t steps_after;
} fuzz_shrink_result;

/* Shrink `plan`, which fails, in place, in at most `trials_max` trials. */
fuzz_shrink_result fuzz_shrink(fuzz_plan *plan, fuzz_shrink_fails fails, void *ctx,
                               uint64_t trials_max);

#endif /* CLI_FUZZ_SHRINK_H */
