#ifndef CLI_FUZZ_JOBS_H
#define CLI_FUZZ_JOBS_H

/* One piece of work split over processes. */

#include "crdt/err.h"

#include <stdbool.h>

/* Call `work` as job 0 .. job_count - 1, each in a process of its own; what it writes into
 * `result` (`result_size` bytes, zero at first) is handed to `collect` when all are done.
 * `*ended`: did all of them end in order? Errors: CRDT_EIO: no process, no memory. */
crdt_err fuzz_jobs_run(uint32_t job_count, size_t result_size,
                       void (*work)(void *ctx, uint32_t job, void *result),
                       void (*collect)(void *ctx, const void *result), void *ctx,
                       bool *ended);

#endif /* CLI_FUZZ_JOBS_H */
