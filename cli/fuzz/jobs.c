#include "cli/fuzz/jobs.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 64u

crdt_err fuzz_jobs_run(uint32_t job_count, size_t result_size,
                       void (*work)(void *ctx, uint32_t job, void *result),
                       void (*collect)(void *ctx, const void *result), void *ctx,
                       bool *ended)
{
    pid_t pids[JOBS_MAX];
    uint32_t count = job_count < JOBS_MAX ? job_count : JOBS_MAX;
    size_t size = result_size * count;
    char *page =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return CRDT_EIO;
    }
    fflush(NULL);
    *ended = true;
    for (uint32_t i = 0; i < count; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            work(ctx, i, page + i * result_size);
            _exit(0);
        }
    }
    crdt_err err = CRDT_OK;
    for (uint32_t i = 0; i < count; i++) {
        int status = 0;
        if (pids[i] < 0 || waitpid(pids[i], &status, 0) != pids[i]) {
            err = CRDT_EIO;
        } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            *ended = false;
        }
        collect(ctx, page + i * result_size);
    }
    munmap(page, size);
    return err;
}
