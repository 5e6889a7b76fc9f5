#include "cli/changes.h"
#include "cli/verbs.h"

#include <inttypes.h>
#include <time.h>

#define LOOK_MS 200 /* how often it looks whether it is to stop */

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void report_lost(cli_run *run, uint64_t count)
{
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "missed");
        cli_report_number(&report, "count", count);
        cli_report_end(&report);
    } else {
        fprintf(run->out, "(%" PRIu64 " changes came too fast to be shown)\n", count);
    }
}

static crdt_err follow(cli_run *run, sync_watch *watch, uint64_t until_ms)
{
    while (!cli_run_stopped(run) && now_ms() < until_ms) {
        uint64_t left = until_ms - now_ms();
        sync_change change;
        crdt_err err =
            sync_watch_take(watch, left < LOOK_MS ? (int)left : LOOK_MS, &change);
        if (err == CRDT_ETIMEOUT) {
            continue;
        }
        if (err != CRDT_OK) {
            return err == CRDT_ECLOSED ? CRDT_OK : err;
        }
        if (change.lost_count > 0) {
            report_lost(run, change.lost_count);
        }
        err = cli_changes_print(run, "change", crdt_buf_span(&change.history));
        sync_change_deinit(&change);
        if (err != CRDT_OK) {
            return err;
        }
        if (ferror(run->out)) {
            return CRDT_OK;
        }
    }
    return CRDT_OK;
}

int cli_cmd_watch(cli_run *run)
{
    double seconds = 0;
    const char *text = cli_args_get(run->args, "--for");
    if (text != NULL && !cli_args_number(text, 0, 1e9, &seconds)) {
        return cli_run_misuse(run, "--for takes a number of seconds");
    }
    if (!run->served) {
        fprintf(
            run->err,
            "scenesync watch: no node runs on %s, so nothing would change\n"
            "  start one with `scenesync node --store %s --listen tcp://HOST:PORT`\n",
            cli_args_get(run->args, "--store"), cli_args_get(run->args, "--store"));
        return CLI_FAILED;
    }
    sync_watch *watch = NULL;
    crdt_err err = sync_node_watch(run->node, 0, &watch);
    if (err == CRDT_OK) {
        if (run->json) {
            cli_report report;
            cli_report_begin(&report, run->out);
            cli_report_text(&report, "event", "watching");
            cli_report_end(&report);
        } else {
            fputs("following the changes\n", run->err);
        }
        uint64_t until =
            text == NULL ? UINT64_MAX : now_ms() + (uint64_t)(seconds * 1e3);
        err = follow(run, watch, until);
        sync_watch_close(watch);
    }
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, NULL, "follow the changes");
    }
    return CLI_DONE;
}
