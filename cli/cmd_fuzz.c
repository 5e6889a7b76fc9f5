#include "cli/files.h"
#include "cli/fuzz/beginning.h"
#include "cli/fuzz/campaign.h"
#include "cli/fuzz/study.h"
#include "cli/fuzz/shrink.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "sync/sim_world.h"

#include <stdlib.h>
#include <unistd.h>

#define PLAN_SIZE_MAX (8u << 20)
#define RUNS_DEFAULT 1000.0
#define RUN_SECONDS_MAX 20u
#define SHRINK_TRIALS_MAX 3000u
#define LINE_SECONDS 10.0 /* between lines of progress that nobody watches */

typedef struct fuzz_verb_run {
    cli_run *run;
    fuzz_campaign campaign;
    const char *dir; /* where findings go */
    bool watched;    /* progress is a line that is written over */
    double told;
    fuzz_verdict verdict; /* of the failure that is shrunk */
} fuzz_verb_run;

/* ---- how it goes ---- */

static void report_faults(cli_report *report, const sync_sim_counts *world)
{
    cli_report_open(report, "fault", '{');
    for (int kind = 0; kind < SYNC_SIM_FAULT_COUNT; kind++) {
        cli_report_number(report, sync_sim_fault_name((sync_sim_fault_kind)kind),
                          world->fault[kind]);
    }
    cli_report_close(report, '}');
}

static void report_counts(cli_run *run, const char *event, const fuzz_counts *counts,
                          double seconds)
{
    cli_report report;
    cli_report_begin(&report, run->out);
    cli_report_text(&report, "event", event);
    cli_report_number(&report, "runs", counts->runs);
    cli_report_number(&report, "steps", counts->steps);
    cli_report_number(&report, "edits", counts->batches);
    cli_report_number(&report, "events", counts->world.events);
    cli_report_number(&report, "faults", counts->world.faults);
    cli_report_number(&report, "histories", counts->histories);
    cli_report_number(&report, "quiets", counts->quiets);
    cli_report_number(&report, "undone", counts->undone);
    cli_report_number(&report, "coverage", sync_sim_coverage_count(counts->coverage));
    cli_report_number(&report, "equal_ms", counts->quiet_ms);
    cli_report_number(&report, "equal_ms_max", counts->quiet_ms_max);
    report_faults(&report, &counts->world);
    char hash[20];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)counts->hash);
    cli_report_text(&report, "hash", hash);
    cli_report_number(&report, "milliseconds", (uint64_t)(seconds * 1000));
    cli_report_end(&report);
}

static void print_line(FILE *out, const fuzz_counts *counts, double seconds)
{
    double per = seconds > 0 ? 1 / seconds : 0;
    fprintf(
        out,
        "%llu runs (%.0f/s), %.3g events (%.0fk/s), %.3g faults, %llu histories, %llu "
        "states",
        (unsigned long long)counts->runs, (double)counts->runs * per,
        (double)counts->world.events, (double)counts->world.events * per / 1000,
        (double)counts->world.faults, (unsigned long long)counts->histories,
        (unsigned long long)sync_sim_coverage_count(counts->coverage));
}

static void show_progress(void *ctx, const fuzz_counts *counts, double seconds)
{
    fuzz_verb_run *f = ctx;
    const fuzz_campaign *c = &f->campaign;
    if (!f->watched && seconds - f->told < LINE_SECONDS) {
        return;
    }
    f->told = seconds;
    if (f->run->json) {
        report_counts(f->run, "progress", counts, seconds);
        return;
    }
    double share = c->run_max != 0 ? (double)counts->runs / (double)c->run_max : 0;
    if (c->seconds_max > 0 && seconds / c->seconds_max > share) {
        share = seconds / c->seconds_max;
    }
    static const char bar[] = "####################";
    int width = (int)(share * 20 > 20 ? 20 : share * 20);
    fprintf(f->run->err, "%s[%-20.*s] ", f->watched ? "\r\033[K" : "", width, bar);
    print_line(f->run->err, counts, seconds);
    fputs(f->watched ? "" : "\n", f->run->err);
    fflush(f->run->err);
}

static bool is_stopped(void *ctx)
{
    return cli_run_stopped(((fuzz_verb_run *)ctx)->run);
}

static void print_summary(cli_run *run, const fuzz_counts *counts, double seconds)
{
    if (run->json) {
        report_counts(run, "summary", counts, seconds);
        return;
    }
    const sync_sim_counts *world = &counts->world;
    double quiets = counts->quiets > 0 ? (double)counts->quiets : 1;
    print_line(run->out, counts, seconds);
    fprintf(
        run->out,
        "\n%llu edits, %llu undone or redone; %llu quiet points, equal after %.0f ms "
        "(mean), %llu ms (longest) of virtual time\nfaults:",
        (unsigned long long)counts->batches, (unsigned long long)counts->undone,
        (unsigned long long)counts->quiets, (double)counts->quiet_ms / quiets,
        (unsigned long long)counts->quiet_ms_max);
    for (int kind = 0; kind < SYNC_SIM_FAULT_COUNT; kind++) {
        if (world->fault[kind] > 0) {
            fprintf(run->out, " %s %llu",
                    sync_sim_fault_name((sync_sim_fault_kind)kind),
                    (unsigned long long)world->fault[kind]);
        }
    }
    fprintf(run->out, "\ntrace hash %016llx\n", (unsigned long long)counts->hash);
}

/* ---- what was found ---- */

static bool fails_alike(void *ctx, const fuzz_plan *plan)
{
    fuzz_verb_run *f = ctx;
    fuzz_counts counts = {0};
    fuzz_verdict verdict = {.oracle = ""};
    if (cli_run_stopped(f->run)) {
        return false;
    }
    uint32_t seconds = strcmp(f->verdict.oracle, "hang") == 0 ? 5 : RUN_SECONDS_MAX;
    return fuzz_campaign_try(plan, seconds, NULL, &counts, &verdict) == CRDT_OK &&
           strcmp(verdict.oracle, f->verdict.oracle) == 0;
}

/* Write the plan, and the trace of one more run of it, which gives the last verdict. */
static crdt_err write_finding(fuzz_verb_run *f, const fuzz_plan *plan, uint64_t seed,
                              char plan_path[512], char trace_path[512])
{
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    snprintf(plan_path, 512, "%s/fuzz-%llu.plan", f->dir, (unsigned long long)seed);
    snprintf(trace_path, 512, "%s/fuzz-%llu.trace", f->dir, (unsigned long long)seed);
    crdt_err err = CRDT_EIO;
    FILE *trace = fopen(trace_path, "w");
    FILE *out = fopen(plan_path, "w");
    if (trace != NULL && out != NULL) {
        fuzz_counts counts = {0};
        fuzz_verdict verdict;
        err = fuzz_campaign_try(plan, RUN_SECONDS_MAX, trace, &counts, &verdict);
        if (err == CRDT_OK && verdict.oracle[0] != '\0') {
            f->verdict = verdict;
            fseek(trace, 0, SEEK_END);
            fprintf(trace, "%s: %s\n", verdict.oracle, verdict.text);
        }
        fuzz_plan_write(plan, &text);
        fwrite(text.data, 1, text.size, out);
        fprintf(out, "# %s: %s\n", f->verdict.oracle, f->verdict.text);
    }
    err = out != NULL && fclose(out) != 0 ? CRDT_EIO : err;
    err = trace != NULL && fclose(trace) != 0 ? CRDT_EIO : err;
    crdt_buf_deinit(&text);
    return err;
}

static void print_plan(FILE *out, const fuzz_plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        char text[FUZZ_STEP_TEXT_SIZE];
        fuzz_step_write(&plan->steps[i], text);
        fprintf(out, "    %s\n", text);
    }
}

static void print_finding(const fuzz_verb_run *f, const fuzz_plan *plan,
                          const fuzz_outcome *outcome, const char *plan_path,
                          const char *trace_path)
{
    cli_run *run = f->run;
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "failure");
        cli_report_number(&report, "seed", outcome->seed);
        cli_report_text(&report, "profile",
                        fuzz_profile_name(f->campaign.wish.profile));
        cli_report_text(&report, "oracle", f->verdict.oracle);
        cli_report_text(&report, "text", f->verdict.text);
        cli_report_number(&report, "steps", plan->step_count);
        cli_report_text(&report, "plan", plan_path);
        cli_report_text(&report, "trace", trace_path);
        cli_report_end(&report);
        return;
    }
    fprintf(run->out, "seed %llu: %s: %s\n", (unsigned long long)outcome->seed,
            f->verdict.oracle, f->verdict.text);
    fprintf(run->out, "%zu steps are left of it, at %u places:\n", plan->step_count,
            plan->place_count);
    print_plan(run->out, plan);
    fprintf(run->out, "plan: %s\ntrace: %s\nagain: scenesync fuzz --replay %s\n",
            plan_path, trace_path, plan_path);
}

static int report_failure(fuzz_verb_run *f, fuzz_plan *plan,
                          const fuzz_outcome *outcome)
{
    char plan_path[512];
    char trace_path[512];
    f->verdict = outcome->verdict;
    if (!cli_args_has(f->run->args, "--no-shrink")) {
        if (!f->run->json) {
            fprintf(f->run->err, "%sseed %llu: %s: %s\nmaking it smaller ...\n",
                    f->watched ? "\n" : "", (unsigned long long)outcome->seed,
                    f->verdict.oracle, f->verdict.text);
        }
        fuzz_shrink(plan, fails_alike, f, SHRINK_TRIALS_MAX);
    }
    crdt_err err = write_finding(f, plan, outcome->seed, plan_path, trace_path);
    print_finding(f, plan, outcome, plan_path, trace_path);
    return err == CRDT_OK ? CLI_FAILED
                          : cli_run_fail(f->run, err, NULL, "write %s", plan_path);
}

/* ---- ways to run ---- */

static int replay(fuzz_verb_run *f, const char *path)
{
    crdt_buf text;
    fuzz_plan plan;
    crdt_diag diag = {0};
    crdt_buf_init(&text, crdt_alloc_default());
    fuzz_plan_init(&plan);
    crdt_err err = cli_files_read(path, PLAN_SIZE_MAX, &text, &diag);
    if (err == CRDT_OK) {
        err = fuzz_plan_read(&plan, crdt_buf_span(&text), &diag);
    }
    crdt_buf_deinit(&text);
    if (err != CRDT_OK) {
        return cli_run_fail(f->run, err, &diag, "read %s", path);
    }
    fuzz_outcome outcome = {.seed = plan.seed};
    FILE *trace = cli_args_has(f->run->args, "--trace") ? f->run->out : NULL;
    err = fuzz_campaign_try(&plan, RUN_SECONDS_MAX, trace, &outcome.counts,
                            &outcome.verdict);
    int code = CLI_DONE;
    if (err != CRDT_OK) {
        code = cli_run_fail(f->run, err, NULL, "run %s", path);
    } else if (outcome.verdict.oracle[0] != '\0') {
        f->verdict = outcome.verdict;
        print_finding(f, &plan, &outcome, path, "");
        code = CLI_FAILED;
    } else {
        print_summary(f->run, &outcome.counts, 0);
    }
    fuzz_plan_deinit(&plan);
    return code;
}

static int run_campaign(fuzz_verb_run *f)
{
    fuzz_outcome outcome;
    const fuzz_beginning *beginning = NULL;
    const char *scene = f->campaign.wish.scene;
    crdt_diag diag = {0};
    if (scene != NULL) {
        crdt_err bad = fuzz_beginning_read(scene, &beginning, &diag);
        if (bad != CRDT_OK) {
            return cli_run_fail(f->run, bad, &diag, "read %s", scene);
        }
    }
    cli_run_catch_signals();
    crdt_err err = fuzz_campaign_run(&f->campaign, &outcome);
    if (err != CRDT_OK) {
        return cli_run_fail(f->run, err, NULL, "start the runs");
    }
    if (f->watched) {
        fputs("\r\033[K", f->run->err);
    }
    int code = CLI_DONE;
    if (outcome.failed) {
        fuzz_plan plan;
        fuzz_plan_init(&plan);
        fuzz_profile_draw(&plan, &f->campaign.wish, outcome.seed);
        code = report_failure(f, &plan, &outcome);
        fuzz_plan_deinit(&plan);
    }
    print_summary(f->run, &outcome.counts, outcome.seconds);
    return code;
}

/* A number given as an option, else `value`. False: it has been said. */
static bool read_option(cli_run *run, const char *name, double minimum, double maximum,
                        double *value)
{
    const char *text = cli_args_get(run->args, name);
    if (text != NULL && !cli_args_number(text, minimum, maximum, value)) {
        cli_run_misuse(run, "%s takes a number, %.0f to %.0f", name, minimum, maximum);
        return false;
    }
    return true;
}

int cli_cmd_fuzz(cli_run *run)
{
    double seed = 1;
    double runs = 0;
    double minutes = 0;
    double places = 0;
    double steps = 0;
    double loss = -1;
    double jobs = (double)sysconf(_SC_NPROCESSORS_ONLN);
    if (!read_option(run, "--seed", 0, 9007199254740992.0, &seed) ||
        !read_option(run, "--runs", 1, 1e15, &runs) ||
        !read_option(run, "--minutes", 0.001, 1e6, &minutes) ||
        !read_option(run, "--replicas", 1, SYNC_SIM_PLACES_MAX, &places) ||
        !read_option(run, "--steps", 1, FUZZ_STEPS_MAX, &steps) ||
        !read_option(run, "--loss", 0, 100, &loss) ||
        !read_option(run, "--jobs", 1, FUZZ_JOBS_MAX, &jobs)) {
        return CLI_USAGE;
    }
    const char *profile = cli_args_get(run->args, "--profile");
    const char *dir = cli_args_get(run->args, "--output-dir");
    fuzz_verb_run f = {.run = run,
                       .dir = dir != NULL ? dir : ".",
                       .watched = !run->json && isatty(STDERR_FILENO) != 0};
    runs = runs == 0 && minutes == 0 ? RUNS_DEFAULT : runs;
    f.campaign = (fuzz_campaign){
        .wish = {.profile =
                     profile == NULL ? FUZZ_EVERYTHING : fuzz_profile_find(profile),
                 .places = (uint32_t)places,
                 .steps = (uint32_t)steps,
                 .loss = loss < 0 ? FUZZ_LOSS_ANY : (uint32_t)loss,
                 .scene = cli_args_get(run->args, "--scene")},
        .seed_first = (uint64_t)seed,
        .run_max = (uint64_t)runs,
        .seconds_max = minutes * 60,
        .job_count = jobs < 1 ? 1 : (uint32_t)jobs,
        .run_seconds_max = RUN_SECONDS_MAX,
        .progress = show_progress,
        .stopped = is_stopped,
        .ctx = &f,
    };
    if (cli_args_has(run->args, "--scopes")) {
        return fuzz_study_scopes(run, f.campaign.job_count, (uint32_t)places,
                                 (uint32_t)steps);
    }
    if (cli_args_has(run->args, "--convergence")) {
        return fuzz_study_convergence(run, f.campaign.job_count,
                                      (uint32_t)f.campaign.run_max);
    }
    const char *path = cli_args_get(run->args, "--replay");
    return path != NULL ? replay(&f, path) : run_campaign(&f);
}
