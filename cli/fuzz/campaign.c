#include "cli/fuzz/campaign.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 50
#define PROGRESS_MS 200.0
#define EXIT_FOUND 3 /* of a job: the verdict is in its slot */

/* What a job tells its parent. */
typedef struct job_slot {
    _Atomic uint64_t seed; /* at hand */
    _Atomic uint64_t beat; /* counts runs */
    fuzz_counts counts;
    fuzz_verdict verdict;
} job_slot;

typedef struct shared {
    _Atomic uint64_t next; /* runs handed out */
    _Atomic bool stop;
    job_slot slots[FUZZ_JOBS_MAX];
} shared;

typedef struct job_process {
    pid_t pid;  /* 0: has ended */
    int errors; /* what it says before it crashes */
    uint64_t beat;
    double beat_at;
} job_process;

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static shared *open_shared(void)
{
    void *page = mmap(NULL, sizeof(shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? NULL : page;
}

/* Fork; the child says its last words into job->errors. Returns as fork. */
static pid_t start_child(job_process *job)
{
    FILE *errors = tmpfile();
    if (errors == NULL) {
        return -1;
    }
    job->errors = dup(fileno(errors));
    fclose(errors);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        dup2(job->errors, STDERR_FILENO);
        signal(SIGINT, SIG_IGN); /* the parent decides */
    } else if (pid < 0) {
        close(job->errors);
    }
    return pid;
}

/* The verdict on a child that ended as `status`, or was killed for taking too long. */
static void judge(const job_process *job, const job_slot *slot, int status, bool hung,
                  fuzz_verdict *verdict)
{
    char said[300] = "";
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FOUND) {
        *verdict = slot->verdict;
        return;
    }
    ssize_t got = pread(job->errors, said, sizeof said - 1, 0); /* what came first */
    said[got < 0 ? 0 : got] = '\0';
    for (char *at = said; *at != '\0'; at++) {
        *at = *at == '\n' ? ' ' : *at;
    }
    *verdict = (fuzz_verdict){.step = slot->verdict.step};
    snprintf(verdict->oracle, sizeof verdict->oracle, "%s", hung ? "hang" : "crash");
    if (WIFSIGNALED(status)) {
        snprintf(verdict->text, sizeof verdict->text, "%s, signal %d: %s",
                 hung ? "it does not end" : "the process ended", WTERMSIG(status),
                 said);
    } else {
        snprintf(verdict->text, sizeof verdict->text, "the process ended, code %d: %s",
                 WEXITSTATUS(status), said);
    }
}

/* ---- one plan ---- */

crdt_err fuzz_campaign_try(const fuzz_plan *plan, uint32_t seconds_max, FILE *trace,
                           fuzz_counts *counts, fuzz_verdict *verdict)
{
    shared *page = open_shared();
    job_process job = {0};
    job.pid = page == NULL ? -1 : start_child(&job);
    if (job.pid < 0) {
        if (page != NULL) {
            munmap(page, sizeof *page);
        }
        return CRDT_EIO;
    }
    job_slot *slot = &page->slots[0];
    if (job.pid == 0) {
        fuzz_execute(plan, trace, &slot->counts, &slot->verdict);
        _exit(slot->verdict.oracle[0] != '\0' ? EXIT_FOUND : 0);
    }
    int status = 0;
    bool hung = false;
    double end = now_seconds() + seconds_max;
    while (waitpid(job.pid, &status, WNOHANG) == 0) {
        if (now_seconds() > end && !hung) {
            hung = true;
            kill(job.pid, SIGKILL);
        }
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    *verdict = (fuzz_verdict){.oracle = ""};
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        judge(&job, slot, status, hung, verdict);
    }
    fuzz_counts_add(counts, &slot->counts);
    close(job.errors);
    munmap(page, sizeof *page);
    return CRDT_OK;
}

/* ---- many ---- */

/* What one run gives back, the next one takes: no page goes to the kernel and comes again,
 * empty, a thousand times a second. */
static void keep_memory(void)
{
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
}

static _Noreturn void work(const fuzz_campaign *c, shared *page, job_slot *slot)
{
    fuzz_plan plan;
    fuzz_plan_init(&plan);
    keep_memory();
    while (!page->stop) {
        uint64_t number = page->next++;
        if (c->run_max != 0 && number >= c->run_max) {
            break;
        }
        slot->seed = c->seed_first + number;
        fuzz_profile_draw(&plan, &c->wish, slot->seed);
        fuzz_execute(&plan, NULL, &slot->counts, &slot->verdict);
        slot->beat++;
        if (slot->verdict.oracle[0] != '\0') {
            _exit(EXIT_FOUND);
        }
    }
    fuzz_plan_deinit(&plan);
    exit(0); /* in order: who looks for leaks, or counts what was run, does so now */
}

typedef struct running {
    const fuzz_campaign *c;
    shared *page;
    job_process jobs[FUZZ_JOBS_MAX];
    fuzz_outcome *outcome;
    uint32_t alive;
    double begin;
} running;

static void sum_counts(running *r)
{
    r->outcome->counts = (fuzz_counts){0};
    for (uint32_t i = 0; i < r->c->job_count; i++) {
        fuzz_counts_add(&r->outcome->counts, &r->page->slots[i].counts);
    }
    r->outcome->seconds = now_seconds() - r->begin;
}

static void look_after(running *r, uint32_t index, bool kill_it)
{
    job_process *job = &r->jobs[index];
    job_slot *slot = &r->page->slots[index];
    int status = 0;
    double now = now_seconds();
    if (slot->beat != job->beat) {
        job->beat = slot->beat;
        job->beat_at = now;
    }
    bool hung = now - job->beat_at > r->c->run_seconds_max;
    if (kill_it || hung) {
        kill(job->pid, SIGKILL);
    }
    if (waitpid(job->pid, &status, kill_it || hung ? 0 : WNOHANG) != job->pid) {
        return;
    }
    r->alive--;
    job->pid = 0;
    bool in_order = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!in_order && !kill_it && !r->outcome->failed) {
        r->outcome->failed = true;
        r->outcome->seed = slot->seed;
        judge(job, slot, status, hung, &r->outcome->verdict);
    }
    close(job->errors);
}

static void look_after_all(running *r, bool kill_them)
{
    for (uint32_t i = 0; i < r->c->job_count; i++) {
        if (r->jobs[i].pid > 0) {
            look_after(r, i, kill_them);
        }
    }
}

static crdt_err start_jobs(running *r)
{
    for (uint32_t i = 0; i < r->c->job_count; i++) {
        job_process *job = &r->jobs[i];
        job->pid = start_child(job);
        job->beat_at = now_seconds();
        if (job->pid == 0) {
            work(r->c, r->page, &r->page->slots[i]);
        }
        if (job->pid < 0) {
            return CRDT_EIO;
        }
        r->alive++;
    }
    return CRDT_OK;
}

crdt_err fuzz_campaign_run(const fuzz_campaign *campaign, fuzz_outcome *outcome)
{
    running r = {.c = campaign, .page = open_shared(), .outcome = outcome};
    *outcome = (fuzz_outcome){.failed = false};
    if (r.page == NULL) {
        return CRDT_EIO;
    }
    r.begin = now_seconds();
    crdt_err err = start_jobs(&r);
    double told = r.begin;
    while (err == CRDT_OK && r.alive > 0 && !outcome->failed) {
        wait_ms(POLL_MS);
        look_after_all(&r, false);
        sum_counts(&r);
        bool over =
            campaign->seconds_max > 0 && outcome->seconds > campaign->seconds_max;
        if (over || (campaign->stopped != NULL && campaign->stopped(campaign->ctx))) {
            r.page->stop = true;
        }
        if (campaign->progress != NULL && now_seconds() - told > PROGRESS_MS / 1000) {
            told = now_seconds();
            campaign->progress(campaign->ctx, &outcome->counts, outcome->seconds);
        }
    }
    look_after_all(&r, true);
    sum_counts(&r);
    munmap(r.page, sizeof *r.page);
    return err;
}
