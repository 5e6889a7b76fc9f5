#include "cli/path.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "scene/json.h"

#include <stdlib.h>
#include <string.h>

typedef struct set_intent {
    crdt_span entity;
    const char *text; /* COMPONENT[.FIELD] */
    char *scratch;
    crdt_span value;
} set_intent;

static crdt_err set(void *ctx, scene_edit *edit, crdt_diag *diag)
{
    const set_intent *intent = ctx;
    crdt_key key;
    crdt_err err = cli_path_resolve(intent->text, &intent->entity, CRDT_PART,
                                    CRDT_FIELD, edit->doc, intent->scratch, &key, diag);
    if (err != CRDT_OK) {
        return err;
    }
    if (key.depth == CRDT_PART) {
        return scene_edit_set(edit, key.object, key.part, intent->value, diag);
    }
    return scene_edit_set_field(edit, key.object, key.part, key.field, intent->value,
                                diag);
}

int cli_cmd_set(cli_run *run)
{
    const cli_args *args = run->args;
    const char *seen_text = cli_args_get(args, "--seen");
    crdt_stamp seen;
    if (seen_text != NULL && !crdt_stamp_parse(seen_text, &seen)) {
        return cli_run_misuse(run, "--seen takes TIME@ACTOR, as `blame` shows it");
    }
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_diag diag = {0};
    crdt_err err = scene_json_to_value(crdt_span_of(args->arguments[2]),
                                       crdt_alloc_default(), &value, &diag);
    int code = CLI_FAILED;
    char *scratch = malloc(strlen(args->arguments[1]) + 1);
    if (err == CRDT_OK && scratch == NULL) {
        err = CRDT_ENOMEM;
    }
    if (err != CRDT_OK) {
        cli_run_fail(run, err, &diag, "read the JSON of the value");
        if (err == CRDT_ECORRUPT && !run->served) {
            fputs("  text needs quotes of its own: '\"text\"'\n", run->err);
        }
    } else if (cli_run_open(run, CLI_OPEN_CREATE, NULL)) {
        set_intent intent = {
            .entity = crdt_span_of(args->arguments[0]),
            .text = args->arguments[1],
            .scratch = scratch,
            .value = crdt_buf_span(&value),
        };
        code = cli_run_edit(run, set, &intent, seen_text != NULL ? &seen : NULL);
    }
    free(scratch);
    crdt_buf_deinit(&value);
    return code;
}
