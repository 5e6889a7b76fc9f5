#include "cli/run.h"
#include "cli/verbs.h"
#include "scene/materialize.h"

/* Written in the node's thread to memory, from there to the output: the node does not
 * wait for a slow reader. */
typedef struct export_text {
    scene_format format;
    crdt_buf text;
} export_text;

static crdt_err write_text(void *ctx, const crdt_document *doc)
{
    export_text *export = ctx;
    if (export->format != SCENE_FORMAT_NONE && export->format != SCENE_FORMAT_STATE) {
        return CRDT_EINVAL;
    }
    return scene_materialize(doc, crdt_alloc_default(), &export->text);
}

int cli_cmd_export(cli_run *run)
{
    const char *format = cli_args_get(run->args, "--format");
    export_text export = {.format = SCENE_FORMAT_NONE};
    if (format != NULL) {
        export.format = scene_format_parse(crdt_span_of(format));
    }
    if (!cli_run_open(run, CLI_OPEN_READ, NULL)) {
        return CLI_FAILED;
    }
    crdt_buf_init(&export.text, crdt_alloc_default());
    crdt_err err = sync_node_read(run->node, write_text, &export);
    if (err == CRDT_OK) {
        fwrite(export.text.data, 1, export.text.size, run->out);
    }
    crdt_buf_deinit(&export.text);
    return err == CRDT_OK ? CLI_DONE : cli_run_fail(run, err, NULL, "write the scene");
}
