#include "cli/changes.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "sync/file.h"
#include "sync/repair.h"

#include <inttypes.h>

#define SYNC_MS_MAX 60000 /* a peer is given so long */

static void print_lost(void *ctx, crdt_span record)
{
    cli_run *run = ctx;
    (void)cli_changes_print(run, "lost",
                            record); /* what cannot be read tells nothing */
}

static void report_json(cli_run *run, const sync_repair_report *r)
{
    cli_report line;
    cli_report_begin(&line, run->out);
    cli_report_text(&line, "event", r->whole ? "whole" : "repaired");
    if (!r->whole) {
        cli_report_text(&line, "what", r->what);
        cli_report_text(&line, "aside", r->aside);
        cli_report_actor(&line, "actor", &r->actor);
        cli_report_number(&line, "damaged_places", r->salvage.damaged_count);
        cli_report_text(&line, "first", r->salvage.first);
        cli_report_bool(&line, "checkpoint_lost", r->salvage.checkpoint_lost);
        cli_report_number(&line, "missing_records", r->salvage.lost_count);
        cli_report_number(&line, "applied", r->applied_count);
        cli_report_number(&line, "held_back", r->held_count);
        cli_report_number(&line, "history", r->history_count);
        cli_report_number(&line, "lost_edits", r->lost_count);
    }
    cli_report_end(&line);
}

static void report_text(cli_run *run, const sync_repair_report *r)
{
    const char *dir = cli_args_get(run->args, "--store");
    if (r->whole) {
        fputs("nothing is wrong with this store\n", run->out);
        return;
    }
    if (r->what[0] != '\0') {
        fprintf(run->out, "it was: %s\n", r->what);
    }
    fprintf(run->out,
            "%" PRIu64 " records read and applied, %" PRIu64 " of history; %" PRIu64
            " places could not be read%s%s%s\n",
            r->applied_count, r->history_count, r->salvage.damaged_count,
            r->salvage.first[0] != '\0' ? " (first: " : "", r->salvage.first,
            r->salvage.first[0] != '\0' ? ")" : "");
    if (r->salvage.headless) {
        fputs("its head is gone: what is missing cannot be counted\n", run->out);
    } else if (r->salvage.lost_count > 0 || r->salvage.checkpoint_lost) {
        fprintf(run->out, "missing: %" PRIu64 " parts of records%s\n",
                r->salvage.lost_count,
                r->salvage.checkpoint_lost ? ", and the checkpoint" : "");
    }
    if (r->aside[0] != '\0') {
        fprintf(run->out, "the damaged files are in %s/%s\n", dir, r->aside);
    }
    if (r->held_count > 0) {
        fprintf(
            run->out,
            "%" PRIu64 " records need what is missing: when peers have told what "
            "they know (`sync`, `node`),\n  scenesync repair --store %s --from %s\n",
            r->held_count, dir, r->aside[0] != '\0' ? r->aside : "damaged-N");
    }
    if (r->lost_count > 0) {
        fprintf(run->out,
                "%" PRIu64 " edits are known from the history alone (above): whoever "
                "has them gives them back, else they are lost\n",
                r->lost_count);
    }
}

/* Have the peers tell what they know. False: it has been said. */
static bool ask_peers(cli_run *run)
{
    size_t index = 0;
    const char *url;
    bool good = cli_run_open(run, CLI_OPEN_EDIT, NULL);
    while (good && (url = cli_args_next(run->args, "--peer", &index)) != NULL) {
        crdt_diag diag = {0};
        crdt_err err = sync_node_sync_once(run->node, url, SYNC_MS_MAX, &diag);
        if (err != CRDT_OK) {
            cli_run_fail(run, err, &diag, "sync with %s", url);
            good = false;
        }
    }
    crdt_err err = cli_run_close(run);
    return good && (err == CRDT_OK ||
                    cli_run_fail(run, err, NULL, "close the store") == CLI_DONE);
}

/* What was held back, once more: from this folder of the store. */
static crdt_err try_again(cli_run *run, const char *aside, sync_repair_options *options,
                          sync_repair_report *report, crdt_diag *diag)
{
    char from[SYNC_PATH_MAX];
    const char *dir = cli_args_get(run->args, "--store");
    crdt_err err = sync_file_join(from, dir, aside, diag);
    options->from = from;
    if (err == CRDT_OK) {
        err = sync_repair(dir, options, report, diag);
    }
    options->from = NULL;
    return err;
}

/* `*reached`: no peer was asked for, or all of them have told what they know. */
static crdt_err repair(cli_run *run, sync_repair_report *report, bool *reached,
                       crdt_diag *diag)
{
    const char *dir = cli_args_get(run->args, "--store");
    const char *from = cli_args_get(run->args, "--from");
    bool peers = cli_args_has(run->args, "--peer");
    sync_repair_options options = sync_repair_options_default();
    options.lost = peers ? NULL : print_lost;
    options.lost_ctx = run;
    *reached = true;
    crdt_err err = from == NULL ? sync_repair(dir, &options, report, diag)
                                : try_again(run, from, &options, report, diag);
    if (err != CRDT_OK || !peers || report->whole) {
        return err;
    }
    *reached = ask_peers(run);
    sync_repair_report again;
    options.lost = print_lost;
    err = try_again(run, from != NULL ? from : report->aside, &options, &again, diag);
    report->applied_count += again.applied_count;
    report->held_count = again.held_count;
    report->lost_count = again.lost_count;
    return err;
}

int cli_cmd_repair(cli_run *run)
{
    sync_repair_report report = {0};
    crdt_diag diag = {0};
    bool reached = false;
    crdt_err err = repair(run, &report, &reached, &diag);
    if (err == CRDT_EBUSY) {
        run->busy = true;
        return CLI_FAILED;
    }
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "repair %s",
                            cli_args_get(run->args, "--store"));
    }
    (run->json ? report_json : report_text)(run, &report);
    return reached ? CLI_DONE : CLI_FAILED;
}
