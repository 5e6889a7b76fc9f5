#ifndef CLI_FUZZ_STUDY_H
#define CLI_FUZZ_STUDY_H

/* What the verb fuzz does besides running plans: all small scopes, and how long replicas need
 * to be equal. Both split their work over processes and print what came of it. */

#include "cli/run.h"

/* `authors` 0: 3; `batches` 0: 4. Returns the exit code. */
int fuzz_study_scopes(cli_run *run, uint32_t jobs, uint32_t authors, uint32_t batches);

/* Losses of 0 to 75 %, 2 to 64 replicas, `runs` seeds each. Returns the exit code. */
int fuzz_study_convergence(cli_run *run, uint32_t jobs, uint32_t runs);

#endif /* CLI_FUZZ_STUDY_H */
