#include "cli/run.h"
#include "cli/verbs.h"
#include "cli/worker/saved_scene.h"
#include "crdt/value.h"
#include "scene/format.h"
#include "scene/materialize.h"

/* Written in the node's thread to memory, from there to the output: the node does not
 * wait for a slow reader. */
typedef struct export_text {
    scene_format format;
    crdt_buf text;
} export_text;

/* The format that was imported, as the scene itself says. */
static scene_format imported_format(const crdt_document *doc)
{
    crdt_key key =
        crdt_key_field(crdt_span_of(SCENE_NAME_SCENE), crdt_span_of(SCENE_NAME_ENTITY),
                       crdt_span_of(SCENE_NAME_FORMAT));
    crdt_span value;
    if (!crdt_document_get(doc, &key, &value) ||
        crdt_value_type_of(value) != CRDT_VALUE_STRING) {
        return SCENE_FORMAT_STATE;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    scene_format format = scene_format_parse(crdt_value_read(&reader).string);
    return format == SCENE_FORMAT_NONE ? SCENE_FORMAT_STATE : format;
}

/* A state is the snapshot, which lists conflicts too. */
static crdt_err write_text(void *ctx, const crdt_document *doc)
{
    export_text *export = ctx;
    crdt_alloc alloc = crdt_alloc_default();
    scene_format format = export->format;
    if (format == SCENE_FORMAT_NONE) {
        format = imported_format(doc);
    }
    if (format == SCENE_FORMAT_STATE) {
        return scene_materialize(doc, alloc, &export->text);
    }
    scene_tree *tree = NULL;
    crdt_err err = scene_tree_open(&tree, alloc);
    if (err == CRDT_OK) {
        err = scene_tree_build(tree, doc);
    }
    if (err == CRDT_OK) {
        err = scene_format_write(doc, format, tree, alloc, &export->text);
    }
    scene_tree_close(tree);
    return err;
}

/* With its lineage and version: what others go on from. */
static int export_saved(cli_run *run, scene_format format)
{
    worker_saved_scene scene;
    worker_saved_scene_init(&scene, crdt_alloc_default());
    crdt_err err = worker_saved_scene_make(&scene, run->node, format, NULL, NULL);
    if (err == CRDT_OK) {
        fwrite(scene.text.data, 1, scene.text.size, run->out);
    }
    worker_saved_scene_deinit(&scene);
    return err == CRDT_OK ? CLI_DONE : cli_run_fail(run, err, NULL, "write the scene");
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
    if (cli_args_has(run->args, "--saved")) {
        return export_saved(run, export.format);
    }
    crdt_buf_init(&export.text, crdt_alloc_default());
    crdt_err err = sync_node_read(run->node, write_text, &export);
    if (err == CRDT_OK) {
        fwrite(export.text.data, 1, export.text.size, run->out);
    }
    crdt_buf_deinit(&export.text);
    return err == CRDT_OK ? CLI_DONE : cli_run_fail(run, err, NULL, "write the scene");
}
