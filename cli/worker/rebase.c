#include "cli/worker/rebase.h"

#include <stdlib.h>

void worker_rebase_report_deinit(worker_rebase_report *report)
{
    free(report->text);
    report->text = NULL;
}

crdt_err worker_rebase_run(const worker_rebase_options *options,
                           worker_rebase_report *report, crdt_diag *diag)
{
    (void)options;
    *report = (worker_rebase_report){.done = false};
    return crdt_diag_set(diag, CRDT_ELINEAGE, 0, "stores are not brought over yet");
}

crdt_err worker_rebase_finish(const char *store_dir, bool *finished, crdt_diag *diag)
{
    (void)store_dir;
    (void)diag;
    if (finished != NULL) {
        *finished = false;
    }
    return CRDT_OK;
}
