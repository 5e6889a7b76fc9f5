#include "cli/run.h"
#include "cli/verbs.h"
#include "sync/store.h"

#include <inttypes.h>

/* Author rows remembered while replaying; more only cost time. */
#define AUTHOR_MAX 4096

static void report_result(cli_run *run, const sync_store_report *report,
                          const crdt_document *doc)
{
    char digest[CRDT_DIGEST_TEXT_SIZE];
    crdt_digest_format(crdt_document_digest(doc), digest);
    if (run->json) {
        cli_report line;
        cli_report_begin(&line, run->out);
        cli_report_text(&line, "event", "verified");
        cli_report_text(&line, "digest", digest);
        cli_report_version(&line, "version", crdt_document_version(doc));
        cli_report_number(&line, "checkpoint_bytes", report->checkpoint_size);
        cli_report_number(&line, "batches", report->batch_count);
        cli_report_number(&line, "answers", report->answer_count);
        cli_report_number(&line, "history", report->history_count);
        cli_report_number(&line, "dropped_bytes", report->dropped_size);
        cli_report_end(&line);
        return;
    }
    fprintf(run->out,
            "ok: checkpoint of %" PRIu64 " bytes, %" PRIu64 " batches, %" PRIu64
            " answers, %" PRIu64 " history records; digest %s\n",
            report->checkpoint_size, report->batch_count, report->answer_count,
            report->history_count, digest);
    if (report->dropped_size > 0) {
        fprintf(run->out,
                "the last run ended while writing: %" PRIu64
                " bytes that were never acknowledged are not there\n",
                report->dropped_size);
    }
}

/* Read beside whoever holds the store: what is checked is what is on disk. */
static crdt_err verify(cli_run *run, crdt_document *doc, crdt_deps *deps,
                       crdt_diag *diag)
{
    sync_store_options options = sync_store_options_default();
    options.create = false;
    options.read_only = true;
    sync_store *store = NULL;
    sync_store_report report = {0};
    crdt_err err = sync_store_open(&store, cli_args_get(run->args, "--store"), &options,
                                   doc, deps, &report, diag);
    if (err != CRDT_OK) {
        return err;
    }
    err = sync_store_verify(store, &report, diag);
    if (err == CRDT_OK && !crdt_document_check(doc)) {
        err = crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                            "the document's counts or digest do not fit its content");
    }
    if (err == CRDT_OK) {
        report_result(run, &report, doc);
    }
    sync_store_close(store);
    return err;
}

int cli_cmd_verify(cli_run *run)
{
    crdt_document_options options = crdt_document_options_default();
    crdt_document *doc = NULL;
    crdt_deps *deps = NULL;
    crdt_diag diag = {0};
    crdt_err err = crdt_document_open(&doc, &options);
    if (err == CRDT_OK) {
        err = crdt_deps_open(&deps, options.alloc, AUTHOR_MAX);
    }
    if (err == CRDT_OK) {
        err = verify(run, doc, deps, &diag);
    }
    crdt_deps_close(deps);
    crdt_document_close(doc);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "verify %s",
                            cli_args_get(run->args, "--store"));
    }
    return CLI_DONE;
}
