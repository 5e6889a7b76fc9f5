#include "cli/run.h"
#include "cli/verbs.h"

typedef struct add_intent {
    crdt_span entity;
    crdt_span parent;
    bool has_parent;
} add_intent;

static crdt_err add(void *ctx, scene_edit *edit, crdt_diag *diag)
{
    const add_intent *intent = ctx;
    return scene_edit_add(edit, intent->entity,
                          intent->has_parent ? &intent->parent : NULL, diag);
}

int cli_cmd_add(cli_run *run)
{
    const char *parent = cli_args_get(run->args, "--parent");
    add_intent intent = {
        .entity = crdt_span_of(run->args->arguments[0]),
        .parent = crdt_span_of(parent != NULL ? parent : ""),
        .has_parent = parent != NULL,
    };
    if (!cli_run_open(run, CLI_OPEN_CREATE, NULL)) {
        return CLI_FAILED;
    }
    return cli_run_edit(run, add, &intent, NULL);
}
