#include "cli/changes.h"
#include "cli/verbs.h"

#define ROUND_COUNT 256 /* records copied at a time, so the node is not kept waiting */

/* One copied record after the other, newest first. */
typedef struct log_page {
    crdt_buf bytes;
    size_t ends[ROUND_COUNT];
    size_t count;
    uint64_t skip; /* records of the rounds before */
    uint64_t met;
    crdt_err err;
} log_page;

static bool copy_record(void *ctx, crdt_span record)
{
    log_page *page = ctx;
    page->met++;
    if (page->met <= page->skip) {
        return true;
    }
    page->err = crdt_buf_append_span(&page->bytes, record);
    if (page->err != CRDT_OK) {
        return false;
    }
    page->ends[page->count++] = page->bytes.size;
    return page->count < ROUND_COUNT;
}

/* Print what was copied, up to `left` records. */
static crdt_err print_page(cli_run *run, const log_page *page, uint64_t left)
{
    size_t begin = 0;
    for (size_t i = 0; i < page->count && i < left; i++) {
        crdt_span record = {.data = page->bytes.data + begin,
                            .size = page->ends[i] - begin};
        crdt_err err = cli_changes_print(run, "edit", record);
        if (err != CRDT_OK) {
            return err;
        }
        begin = page->ends[i];
    }
    return CRDT_OK;
}

static void report_end(cli_run *run, bool complete, bool all)
{
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "end");
        cli_report_bool(&report, "complete", complete && all);
        cli_report_end(&report);
    } else if (all && !complete) {
        fputs("(older edits are not kept)\n", run->out);
    }
}

int cli_cmd_log(cli_run *run)
{
    double wanted = 1e15;
    const char *text = cli_args_get(run->args, "--count");
    if (text != NULL && !cli_args_number(text, 1, 1e15, &wanted)) {
        return cli_run_misuse(run, "--count takes a number from 1 on");
    }
    if (!cli_run_open(run, CLI_OPEN_READ, NULL)) {
        return CLI_FAILED;
    }
    uint64_t left = (uint64_t)wanted;
    uint64_t done = 0;
    bool complete = true;
    bool all = false;
    crdt_err err = CRDT_OK;
    log_page page = {0};
    crdt_buf_init(&page.bytes, crdt_alloc_default());
    while (err == CRDT_OK && left > 0 && !all && !cli_run_stopped(run)) {
        crdt_buf_clear(&page.bytes);
        page.count = 0;
        page.met = 0;
        page.skip = done;
        err = sync_node_history(run->node, copy_record, &page, &complete);
        err = err == CRDT_OK ? page.err : err;
        if (err == CRDT_OK) {
            err = print_page(run, &page, left);
        }
        done += page.count;
        left -= page.count < left ? page.count : left;
        all = page.count < ROUND_COUNT;
    }
    crdt_buf_deinit(&page.bytes);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, NULL, "read the history");
    }
    report_end(run, complete, all);
    return CLI_DONE;
}
