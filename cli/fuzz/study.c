#include "cli/fuzz/study.h"

#include "cli/fuzz/convergence.h"
#include "cli/fuzz/jobs.h"
#include "cli/fuzz/scopes.h"

#include <string.h>

#define SCOPE_SHARES_A_JOB 8u

/* ---- small scopes ---- */

typedef struct scopes_run {
    fuzz_scope scope;
    uint32_t jobs;
    fuzz_scope_counts sum;
} scopes_run;

/* A job takes every so many of the shares, so that all are busy to the end. */
static void work_scopes(void *ctx, uint32_t job, void *result)
{
    const scopes_run *s = ctx;
    fuzz_scope scope = s->scope;
    scope.shares = s->jobs * SCOPE_SHARES_A_JOB;
    for (scope.share = job; scope.share < scope.shares; scope.share += s->jobs) {
        fuzz_scope_run(&scope, result);
    }
}

static void collect_scopes(void *ctx, const void *result)
{
    const fuzz_scope_counts *counts = result;
    scopes_run *s = ctx;
    s->sum.histories += counts->histories;
    s->sum.downsets += counts->downsets;
    s->sum.orders += counts->orders;
    s->sum.joins += counts->joins;
    if (counts->oracle[0] != '\0' && s->sum.oracle[0] == '\0') {
        memcpy(s->sum.oracle, counts->oracle, sizeof s->sum.oracle);
        memcpy(s->sum.text, counts->text, sizeof s->sum.text);
        memcpy(s->sum.history, counts->history, sizeof s->sum.history);
    }
}

static void print_scopes(cli_run *run, const fuzz_scope_counts *sum)
{
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "scopes");
        cli_report_number(&report, "histories", sum->histories);
        cli_report_number(&report, "orders", sum->orders);
        cli_report_number(&report, "joins", sum->joins);
        cli_report_text(&report, "oracle", sum->oracle);
        cli_report_text(&report, "text", sum->text);
        cli_report_text(&report, "history", sum->history);
        cli_report_end(&report);
        return;
    }
    fprintf(run->out,
            "%llu histories, %llu states, %llu orders of arrival, %llu joins\n",
            (unsigned long long)sum->histories, (unsigned long long)sum->downsets,
            (unsigned long long)sum->orders, (unsigned long long)sum->joins);
    if (sum->oracle[0] != '\0') {
        fprintf(run->out, "%s: %s\nhistory (author:letter{seen}): %s\n", sum->oracle,
                sum->text, sum->history);
    }
}

int fuzz_study_scopes(cli_run *run, uint32_t jobs, uint32_t authors, uint32_t batches)
{
    const char *letters = cli_args_get(run->args, "--letters");
    scopes_run s = {
        .jobs = jobs,
        .scope = {.authors = authors > 0 ? authors : 3,
                  .batches = batches > 0 ? batches : 4,
                  .letters = letters != NULL ? letters : fuzz_scope_letters}};
    if (s.scope.authors > 3 || s.scope.batches > 5 ||
        strspn(s.scope.letters, fuzz_scope_letters) != strlen(s.scope.letters)) {
        return cli_run_misuse(run,
                              "--scopes takes up to 3 replicas, up to 5 steps, and "
                              "letters of `%s`",
                              fuzz_scope_letters);
    }
    bool ended = false;
    crdt_err err = fuzz_jobs_run(jobs, sizeof(fuzz_scope_counts), work_scopes,
                                 collect_scopes, &s, &ended);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, NULL, "go through the scopes");
    }
    if (!ended && s.sum.oracle[0] == '\0') {
        snprintf(s.sum.oracle, sizeof s.sum.oracle, "crash");
    }
    print_scopes(run, &s.sum);
    return s.sum.oracle[0] == '\0' ? CLI_DONE : CLI_FAILED;
}

/* ---- convergence ---- */

static const uint32_t places_of[] = {2, 4, 8, 16, 32, 64};
static const uint32_t losses[] = {0, 10, 20, 30, 40, 50, 60, 75};
#define PLACES (sizeof places_of / sizeof places_of[0])
#define LOSSES (sizeof losses / sizeof losses[0])

typedef struct points {
    uint32_t runs;
    uint32_t jobs;
    fuzz_convergence point[PLACES * LOSSES];
} points;

static void work_points(void *ctx, uint32_t job, void *result)
{
    const points *all = ctx;
    points *mine = result;
    for (size_t i = PLACES * LOSSES; i > 0; i--) { /* the large ones first */
        if (i % all->jobs == job) {
            mine->point[i - 1] =
                (fuzz_convergence){.places = places_of[(i - 1) / LOSSES],
                                   .loss = losses[(i - 1) % LOSSES],
                                   .runs = all->runs};
            fuzz_convergence_measure(&mine->point[i - 1]);
        }
    }
}

static void collect_points(void *ctx, const void *result)
{
    points *all = ctx;
    const points *some = result;
    for (size_t i = 0; i < PLACES * LOSSES; i++) {
        if (some->point[i].runs > 0) {
            all->point[i] = some->point[i];
        }
    }
}

static void print_point(cli_run *run, const fuzz_convergence *point)
{
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "convergence");
        cli_report_number(&report, "replicas", point->places);
        cli_report_number(&report, "loss", point->loss);
        cli_report_number(&report, "mean_ms", point->mean_ms);
        cli_report_number(&report, "median_ms", point->median_ms);
        cli_report_number(&report, "longest_ms", point->longest_ms);
        cli_report_end(&report);
        return;
    }
    fprintf(run->out,
            "%2u replicas, %2u %% lost: equal after %5llu ms (median %llu, "
            "longest %llu)\n",
            point->places, point->loss, (unsigned long long)point->mean_ms,
            (unsigned long long)point->median_ms,
            (unsigned long long)point->longest_ms);
}

int fuzz_study_convergence(cli_run *run, uint32_t jobs, uint32_t runs)
{
    points all = {.runs = runs > FUZZ_CONVERGENCE_RUNS_MAX ? FUZZ_CONVERGENCE_RUNS_MAX
                                                           : runs,
                  .jobs = jobs};
    bool ended = false;
    bool equal = true;
    crdt_err err =
        fuzz_jobs_run(jobs, sizeof all, work_points, collect_points, &all, &ended);
    if (err != CRDT_OK || !ended) {
        return cli_run_fail(run, err == CRDT_OK ? CRDT_EIO : err, NULL,
                            "measure how long it takes");
    }
    for (size_t i = 0; i < PLACES * LOSSES; i++) {
        print_point(run, &all.point[i]);
        equal = equal && all.point[i].longest_ms != UINT64_MAX;
    }
    return equal ? CLI_DONE : CLI_FAILED;
}
