#include "cli/path.h"
#include "cli/run.h"
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

typedef struct remove_intent {
    const char *text;
    char *scratch;
} remove_intent;

static crdt_err remove_it(void *ctx, scene_edit *edit, crdt_diag *diag)
{
    const remove_intent *intent = ctx;
    crdt_key key;
    crdt_err err = cli_path_resolve(intent->text, NULL, CRDT_OBJECT, CRDT_PART,
                                    edit->doc, intent->scratch, &key, diag);
    if (err != CRDT_OK) {
        return err;
    }
    if (key.depth == CRDT_OBJECT) {
        return scene_edit_remove(edit, key.object, diag);
    }
    return scene_edit_remove_component(edit, key.object, key.part, diag);
}

int cli_cmd_remove(cli_run *run)
{
    remove_intent intent = {.text = run->args->arguments[0]};
    if (!cli_run_open(run, CLI_OPEN_EDIT, NULL)) {
        return CLI_FAILED;
    }
    intent.scratch = malloc(strlen(intent.text) + 1);
    if (intent.scratch == NULL) {
        return cli_run_fail(run, CRDT_ENOMEM, NULL, "remove %s", intent.text);
    }
    int code = cli_run_edit(run, remove_it, &intent, NULL);
    free(intent.scratch);
    return code;
}
