#include "cli/path.h"
#include "cli/run.h"
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

typedef struct unset_intent {
    crdt_span entity;
    const char *text; /* COMPONENT.FIELD */
    char *scratch;
} unset_intent;

static crdt_err unset(void *ctx, scene_edit *edit, crdt_diag *diag)
{
    const unset_intent *intent = ctx;
    crdt_key key;
    crdt_err err = cli_path_resolve(intent->text, &intent->entity, CRDT_FIELD,
                                    CRDT_FIELD, edit->doc, intent->scratch, &key, diag);
    if (err != CRDT_OK) {
        return err;
    }
    return scene_edit_unset_field(edit, key.object, key.part, key.field, diag);
}

int cli_cmd_unset(cli_run *run)
{
    unset_intent intent = {
        .entity = crdt_span_of(run->args->arguments[0]),
        .text = run->args->arguments[1],
    };
    if (!cli_run_open(run, CLI_OPEN_EDIT, NULL)) {
        return CLI_FAILED;
    }
    intent.scratch = malloc(strlen(intent.text) + 1);
    if (intent.scratch == NULL) {
        return cli_run_fail(run, CRDT_ENOMEM, NULL, "unset %s", intent.text);
    }
    int code = cli_run_edit(run, unset, &intent, NULL);
    free(intent.scratch);
    return code;
}
