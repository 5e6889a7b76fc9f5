/* A thread that does jobs: all that it took, in order, and no more than it may hold. A plain
 * program, so that it runs under ThreadSanitizer. */

#include "cli/clerk.h"

#include <stdio.h>

#define MANY 1000

static int failures;

static void check(bool condition, const char *what, int line)
{
    if (!condition) {
        printf("test_clerk.c:%d: %s\n", line, what);
        failures++;
    }
}
#define CHECK(condition) check((condition), #condition, __LINE__)

typedef struct numbered_job {
    cli_job job;
    size_t number;
} numbered_job;

static size_t done[MANY];
static size_t done_count;

static void note(cli_job *job)
{
    done[done_count++] = ((numbered_job *)job)->number;
}

static void does_all_in_order(void)
{
    static numbered_job jobs[MANY];
    cli_clerk clerk;
    CHECK(cli_clerk_open(&clerk, MANY) == CRDT_OK);
    for (size_t i = 0; i < MANY; i++) {
        jobs[i] = (numbered_job){.job = {.run = note}, .number = i};
        CHECK(cli_clerk_give(&clerk, &jobs[i].job));
    }
    cli_clerk_close(&clerk); /* what waits is still done */
    CHECK(done_count == MANY);
    for (size_t i = 0; i < MANY; i++) {
        CHECK(done[i] == i);
    }
    cli_clerk_close(&clerk); /* closed already */
    cli_clerk never = {.count = 0};
    cli_clerk_close(&never);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wait_at_gate(cli_job *job)
{
    (void)job;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void refuses_what_is_too_much(void)
{
    cli_job jobs[5] = {{.run = wait_at_gate},
                       {.run = wait_at_gate},
                       {.run = wait_at_gate},
                       {.run = wait_at_gate},
                       {.run = wait_at_gate}};
    cli_clerk clerk;
    size_t taken = 0;
    pthread_mutex_lock(&gate);
    CHECK(cli_clerk_open(&clerk, 2) == CRDT_OK);
    for (size_t i = 0; i < 5; i++) {
        taken += cli_clerk_give(&clerk, &jobs[i]);
    }
    /* Two wait; a third one may have been begun before they came. */
    CHECK(taken == 2 || taken == 3);
    CHECK(cli_clerk_count(&clerk) <= 2);
    pthread_mutex_unlock(&gate);
    cli_clerk_close(&clerk);
}

int main(void)
{
    does_all_in_order();
    refuses_what_is_too_much();
    printf("test_clerk: %d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
