#include "cli/run.h"
#include "cli/verbs.h"
#include "sync/store.h"

#include <inttypes.h>

/* What the store holds, once it has been found whole. */
typedef struct verify_result {
    sync_store_report report;
    bool sound; /* the document in memory is in itself consistent */
} verify_result;

static crdt_err check_document(void *ctx, const crdt_document *doc)
{
    verify_result *result = ctx;
    result->sound = crdt_document_check(doc);
    return CRDT_OK;
}

static void report_result(cli_run *run, const verify_result *result,
                          const sync_node_status *status)
{
    const sync_store_report *report = &result->report;
    char digest[CRDT_DIGEST_TEXT_SIZE];
    crdt_digest_format(status->digest, digest);
    if (run->json) {
        cli_report line;
        cli_report_begin(&line, run->out);
        cli_report_text(&line, "event", "verified");
        cli_report_text(&line, "digest", digest);
        cli_report_version(&line, "version", &status->version);
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

/* The store is replayed and compared with what it says of itself, then the document that
 * is in use is looked at. */
static crdt_err verify(cli_run *run, crdt_diag *diag)
{
    verify_result result = {.sound = false};
    crdt_err err = sync_node_verify(run->node, &result.report, diag);
    if (err == CRDT_OK) {
        err = sync_node_read(run->node, check_document, &result);
    }
    if (err == CRDT_OK && !result.sound) {
        err = crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                            "the document's counts or digest do not fit its content");
    }
    sync_node_status status;
    if (err == CRDT_OK) {
        err = sync_node_status_get(run->node, &status);
    }
    if (err == CRDT_OK) {
        report_result(run, &result, &status);
        sync_node_status_deinit(&status);
    }
    return err;
}

int cli_cmd_verify(cli_run *run)
{
    if (!cli_run_open(run, CLI_OPEN_READ, NULL)) {
        return CLI_FAILED;
    }
    crdt_diag diag = {0};
    crdt_err err = verify(run, &diag);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "verify %s",
                            cli_args_get(run->args, "--store"));
    }
    return CLI_DONE;
}
