#include "cli/clerk.h"

bool cli_clerk_give(cli_clerk *clerk, cli_job *job)
{
    pthread_mutex_lock(&clerk->mutex);
    bool taken = clerk->count < clerk->count_max && !clerk->stop;
    if (taken) {
        job->next = NULL;
        *(clerk->last == NULL ? &clerk->first : &clerk->last->next) = job;
        clerk->last = job;
        clerk->count++;
        pthread_cond_signal(&clerk->wake);
    }
    pthread_mutex_unlock(&clerk->mutex);
    return taken;
}

size_t cli_clerk_count(cli_clerk *clerk)
{
    pthread_mutex_lock(&clerk->mutex);
    size_t count = clerk->count;
    pthread_mutex_unlock(&clerk->mutex);
    return count;
}

static cli_job *next_job(cli_clerk *clerk)
{
    pthread_mutex_lock(&clerk->mutex);
    while (clerk->first == NULL && !clerk->stop) {
        pthread_cond_wait(&clerk->wake, &clerk->mutex);
    }
    cli_job *job = clerk->first;
    if (job != NULL) {
        clerk->first = job->next;
        clerk->last = clerk->first == NULL ? NULL : clerk->last;
        clerk->count--;
    }
    pthread_mutex_unlock(&clerk->mutex);
    return job;
}

static void *run_clerk(void *ctx)
{
    cli_job *job;
    while ((job = next_job(ctx)) != NULL) {
        job->run(job);
    }
    return NULL;
}

crdt_err cli_clerk_open(cli_clerk *clerk, size_t count_max)
{
    *clerk = (cli_clerk){.open = true, .count_max = count_max};
    pthread_mutex_init(&clerk->mutex, NULL);
    pthread_cond_init(&clerk->wake, NULL);
    clerk->running = pthread_create(&clerk->thread, NULL, run_clerk, clerk) == 0;
    return clerk->running ? CRDT_OK : CRDT_ENOMEM;
}

void cli_clerk_close(cli_clerk *clerk)
{
    if (!clerk->open) {
        return;
    }
    pthread_mutex_lock(&clerk->mutex);
    clerk->stop = true;
    pthread_cond_broadcast(&clerk->wake);
    pthread_mutex_unlock(&clerk->mutex);
    if (clerk->running) {
        pthread_join(clerk->thread, NULL);
    }
    pthread_mutex_destroy(&clerk->mutex);
    pthread_cond_destroy(&clerk->wake);
    clerk->open = false;
}
