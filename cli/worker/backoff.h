#ifndef CLI_WORKER_BACKOFF_H
#define CLI_WORKER_BACKOFF_H

/* How long to wait before what failed is tried again: twice as long each time, up to a
 * limit, and up to a quarter more or less by chance, so that many who lost the same server
 * do not come back in step. Pure: chance is a seed. */

#include <stdint.h>

typedef struct worker_backoff {
    uint32_t ms_min;
    uint32_t ms_max;
    uint32_t failures; /* since the last success */
    uint64_t random;
} worker_backoff;

worker_backoff worker_backoff_make(uint32_t ms_min, uint32_t ms_max, uint64_t seed);
/* It failed (again): how long to wait, at most ms_max. */
uint64_t worker_backoff_fail(worker_backoff *backoff);
/* It worked. */
void worker_backoff_clear(worker_backoff *backoff);

#endif /* CLI_WORKER_BACKOFF_H */
