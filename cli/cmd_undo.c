#include "cli/run.h"
#include "cli/verbs.h"
#include "scene/undo.h"

#include <string.h>

/* One undo or redo; what was left alone is printed. */
typedef struct undo_intent {
    cli_run *run;
    sync_edit edit; /* its target and step are found by `work_out` */
    char step[CRDT_STEP_SIZE_MAX];
    scene_undo_options options;
    crdt_actor actor;
} undo_intent;

static void report_skips(cli_run *run, const scene_undo *undo)
{
    size_t count = 0;
    const scene_undo_skip *skips = scene_undo_skips(undo, &count);
    for (size_t i = 0; i < count; i++) {
        const char *reason = scene_undo_reason_text(skips[i].reason);
        if (run->json) {
            cli_report report;
            cli_report_begin(&report, run->out);
            cli_report_text(&report, "event", "skipped");
            cli_report_key(&report, &skips[i].key);
            cli_report_text(&report, "reason", reason);
            cli_report_end(&report);
        } else {
            fputs("left alone: ", run->out);
            cli_report_path(run->out, &skips[i].key);
            fprintf(run->out, ": %s\n", reason);
        }
    }
}

/* What is undone or redone, where it has a name. */
static void report_step(cli_run *run, crdt_span step)
{
    if (step.size == 0) {
        return;
    }
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "step");
        cli_report_span(&report, "step", step);
        cli_report_end(&report);
    } else {
        fprintf(run->out, "%s: step %.*s\n", run->args->verb->name, (int)step.size,
                (const char *)step.data);
    }
}

/* In the node's thread: read the history, fill in operations and target. */
static crdt_err work_out(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                         crdt_diag *diag)
{
    undo_intent *intent = ctx;
    scene_undo *undo = NULL;
    crdt_err err = scene_undo_open(&undo, crdt_alloc_default(), doc, &intent->actor,
                                   &intent->options, ops);
    if (err != CRDT_OK) {
        return err;
    }
    err = sync_node_history(intent->run->node, scene_undo_visit, undo, NULL);
    if (err == CRDT_OK) {
        err = scene_undo_finish(undo, &intent->edit.target, diag);
    }
    crdt_span step = scene_undo_step(undo);
    if (step.size > 0) {
        memcpy(intent->step, step.data, step.size);
        intent->edit.step = (crdt_span){(const uint8_t *)intent->step, step.size};
        report_step(intent->run, step);
    }
    report_skips(intent->run, undo);
    scene_undo_close(undo);
    return err;
}

static int undo_or_redo(cli_run *run, bool redo)
{
    if (!cli_run_open(run, CLI_OPEN_EDIT, NULL)) {
        return CLI_FAILED;
    }
    sync_node_status status;
    crdt_err err = sync_node_status_get(run->node, &status);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, NULL, "ask the node who it is");
    }
    undo_intent intent = {
        .run = run,
        .options = {.redo = redo,
                    .person = cli_args_has(run->args, "--as"),
                    .who = run->who},
        .actor = status.actor,
    };
    sync_node_status_deinit(&status);
    intent.edit = (sync_edit){
        .fn = work_out,
        .ctx = &intent,
        .who = run->who,
        .origin = redo ? CRDT_ORIGIN_REDO : CRDT_ORIGIN_UNDO,
    };
    sync_edit_result result = {0};
    err = sync_node_edit(run->node, &intent.edit, &result);
    if (err == CRDT_ENOTHING && !run->json) {
        fprintf(run->err, "there is nothing (more) to %s\n", redo ? "redo" : "undo");
        return CLI_DONE;
    }
    return cli_run_edited(run, err, &result);
}

int cli_cmd_undo(cli_run *run)
{
    return undo_or_redo(run, false);
}

int cli_cmd_redo(cli_run *run)
{
    return undo_or_redo(run, true);
}
