#include "cli/run.h"
#include "cli/verbs.h"
#include "scene/codegen.h"

/* Written in the node's thread to memory, from there to the output: the node does not
 * wait for a slow reader. */
static crdt_err write_code(void *ctx, const crdt_document *doc)
{
    crdt_buf *text = ctx;
    scene_tree *tree = NULL;
    crdt_err err = scene_tree_open(&tree, crdt_alloc_default());
    if (err == CRDT_OK) {
        err = scene_tree_build(tree, doc);
    }
    if (err == CRDT_OK) {
        err = scene_codegen_write(doc, tree, crdt_alloc_default(), text);
    }
    scene_tree_close(tree);
    return err;
}

int cli_cmd_codegen(cli_run *run)
{
    if (!cli_run_open(run, CLI_OPEN_READ, NULL)) {
        return CLI_FAILED;
    }
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    crdt_err err = sync_node_read(run->node, write_code, &text);
    if (err == CRDT_OK) {
        fwrite(text.data, 1, text.size, run->out);
    }
    crdt_buf_deinit(&text);
    return err == CRDT_OK ? CLI_DONE : cli_run_fail(run, err, NULL, "write the code");
}
