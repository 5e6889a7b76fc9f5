#ifndef CLI_CLERK_H
#define CLI_CLERK_H

/* A thread that does what has to be waited for, one job after the other, so that whoever
 * handed it over goes on. Who waits is bounded: beyond, a job is refused.
 *
 * Threads: give and count from any; open and close from one. */

#include "crdt/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* The first member of what is to be done. `run` does it, answers, and frees it. */
typedef struct cli_job {
    struct cli_job *next;
    void (*run)(struct cli_job *job);
} cli_job;

/* Plain memory of the owner; zeroed: not open. */
typedef struct cli_clerk {
    bool open;
    bool running;
    bool stop;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    cli_job *first;
    cli_job *last;
    size_t count;
    size_t count_max;
} cli_clerk;

/* At most `count_max` jobs wait. Errors: CRDT_ENOMEM: no thread; close it all the same. */
crdt_err cli_clerk_open(cli_clerk *clerk, size_t count_max);
/* What waits is still done. Accepts one that was not opened. */
void cli_clerk_close(cli_clerk *clerk);
/* Hand over a job. False: too many wait, or it is being closed; nothing happened. */
bool cli_clerk_give(cli_clerk *clerk, cli_job *job);
/* How many wait. */
size_t cli_clerk_count(cli_clerk *clerk);

#endif /* CLI_CLERK_H */
