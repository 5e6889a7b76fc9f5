#include "cli/run.h"
#include "cli/verbs.h"

typedef struct move_intent {
    crdt_span entity;
    crdt_span parent;
    bool to_root;
} move_intent;

static crdt_err move(void *ctx, scene_edit *edit, crdt_diag *diag)
{
    const move_intent *intent = ctx;
    return scene_edit_move(edit, intent->entity,
                           intent->to_root ? NULL : &intent->parent, diag);
}

int cli_cmd_move(cli_run *run)
{
    const char *parent = cli_args_get(run->args, "--parent");
    move_intent intent = {
        .entity = crdt_span_of(run->args->arguments[0]),
        .parent = crdt_span_of(parent != NULL ? parent : ""),
        .to_root = parent == NULL,
    };
    if (!cli_run_open(run, CLI_OPEN_EDIT, NULL)) {
        return CLI_FAILED;
    }
    return cli_run_edit(run, move, &intent, NULL);
}
