#include "cli/files.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "scene/difference.h"
#include "scene/format.h"

#include <stdlib.h>
#include <sys/stat.h>

#define FILE_SIZE_MAX (200u << 20)
#define TEXT_VALUE_MAX 60 /* bytes of a value on a line for people */

/* ---- the two sides ---- */

/* The document that importing the file would make. */
static crdt_err take_text(crdt_document *doc, crdt_span text, crdt_diag *diag)
{
    const scene_format_options options = scene_format_options_default();
    return scene_format_load(text, &options, crdt_alloc_default(), doc, NULL, diag);
}

/* All that the store holds, as a document of our own. */
static crdt_err take_document(void *ctx, const crdt_document *held)
{
    crdt_buf answer;
    crdt_buf_init(&answer, crdt_alloc_default());
    crdt_err err = crdt_document_answer_full(held, NULL, &answer);
    if (err == CRDT_OK) {
        err = crdt_document_merge(ctx, crdt_buf_span(&answer), NULL, NULL, NULL);
    }
    crdt_buf_deinit(&answer);
    return err;
}

/* A store that a node holds: what that exports, in the format that was imported. */
static crdt_err take_running(crdt_document *doc, const char *path, crdt_diag *diag)
{
    const char *const argv[] = {"export", "--store", path};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return CRDT_ENOMEM;
    }
    int code = CLI_FAILED;
    crdt_err err =
        cli_control_call(path, 3, argv, (crdt_span){0}, out, stderr, &code, diag);
    if (fclose(out) != 0) {
        err = CRDT_ENOMEM;
    } else if (err == CRDT_OK && code != CLI_DONE) {
        err =
            crdt_diag_set(diag, CRDT_EIO, 0, "the node that holds it cannot export it");
    } else if (err == CRDT_OK) {
        err = take_text(doc, (crdt_span){.data = (const uint8_t *)text, .size = size},
                        diag);
    }
    free(text);
    return err;
}

static crdt_err take_store(crdt_document *doc, const char *path, crdt_diag *diag)
{
    crdt_err running = take_running(doc, path, diag);
    if (running != CRDT_ENOTFOUND) {
        return running;
    }
    sync_node_options options = sync_node_options_default();
    options.store_dir = path;
    options.must_exist = true;
    options.read_only = true;
    sync_node *node = NULL;
    crdt_err err = sync_node_open(&node, &options, diag);
    if (err == CRDT_OK) {
        err = sync_node_read(node, take_document, doc);
        sync_node_close(node);
    }
    return err;
}

static crdt_err take_side(crdt_document *doc, const char *path, crdt_diag *diag)
{
    struct stat stat_of;
    if (stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode)) {
        return take_store(doc, path, diag);
    }
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    crdt_err err = cli_files_read(path, FILE_SIZE_MAX, &text, diag);
    if (err == CRDT_OK) {
        err = take_text(doc, crdt_buf_span(&text), diag);
    }
    crdt_buf_deinit(&text);
    return err;
}

/* ---- what is different ---- */

/* What is shown where the operation acts; NULL data: nothing, or it is no field. */
static crdt_span shown(const crdt_document *doc, const crdt_key *key)
{
    crdt_span value = {0};
    if (key->depth == CRDT_FIELD && !crdt_document_get(doc, key, &value)) {
        value = (crdt_span){0};
    }
    return value;
}

static void print_op(cli_run *run, const crdt_op *op, crdt_span a)
{
    bool gone = op->kind == CRDT_OP_REMOVE || op->kind == CRDT_OP_UNSET;
    crdt_span b = op->kind == CRDT_OP_SET ? op->value : (crdt_span){0};
    char mark = gone ? '-' : a.data != NULL ? '~' : '+';
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "difference");
        cli_report_text(&report, "change",
                        mark == '+'   ? "added"
                        : mark == '-' ? "removed"
                                      : "changed");
        cli_report_key(&report, &op->key);
        if (a.data != NULL) {
            cli_report_value(&report, "a", a);
        }
        if (b.data != NULL) {
            cli_report_value(&report, "b", b);
        }
        cli_report_end(&report);
        return;
    }
    fprintf(run->out, "%c ", mark);
    cli_report_path(run->out, &op->key);
    if (a.data != NULL || b.data != NULL) {
        fputs(mark == '~' ? ": " : " = ", run->out);
        cli_report_short(run->out, a.data != NULL ? a : b, TEXT_VALUE_MAX);
    }
    if (mark == '~') {
        fputs(" -> ", run->out);
        cli_report_short(run->out, b, TEXT_VALUE_MAX);
    }
    fputc('\n', run->out);
}

static int compare_ops(const void *a, const void *b)
{
    return crdt_key_compare(&((const crdt_op *)a)->key, &((const crdt_op *)b)->key);
}

/* Print what has to be done to `a` to make it `b`. */
static crdt_err compare(cli_run *run, const crdt_document *a, const crdt_document *b,
                        size_t *count)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    crdt_err err = scene_difference_of(a, b, crdt_alloc_default(), &ops);
    *count = ops.op_count;
    if (err == CRDT_OK && ops.op_count > 1) {
        qsort(ops.ops, ops.op_count, sizeof *ops.ops, compare_ops);
    }
    for (size_t i = 0; i < ops.op_count && err == CRDT_OK; i++) {
        print_op(run, &ops.ops[i], shown(a, &ops.ops[i].key));
    }
    crdt_op_list_deinit(&ops);
    return err;
}

int cli_cmd_diff(cli_run *run)
{
    crdt_document *sides[2] = {NULL, NULL};
    crdt_document_options options = crdt_document_options_default();
    int code = CLI_DONE;
    for (size_t i = 0; i < 2 && code == CLI_DONE; i++) {
        const char *path = run->args->arguments[i];
        crdt_diag diag = {0};
        crdt_err err = crdt_document_open(&sides[i], &options);
        if (err == CRDT_OK) {
            err = take_side(sides[i], path, &diag);
        }
        if (err == CRDT_EBUSY) {
            run->busy = true;
            code = CLI_FAILED;
        } else if (err != CRDT_OK) {
            code = cli_run_fail(run, err, &diag, "read %s", path);
        }
    }
    if (code == CLI_DONE) {
        size_t count = 0;
        crdt_err err = compare(run, sides[0], sides[1], &count);
        if (err != CRDT_OK) {
            code = cli_run_fail(run, err, NULL, "compare the two");
        } else if (count > 0) {
            code = CLI_FAILED;
        }
    }
    crdt_document_close(sides[0]);
    crdt_document_close(sides[1]);
    return code;
}
