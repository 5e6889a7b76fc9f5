#include "cli/run.h"
#include "cli/verbs.h"
#include "crdt/history.h"
#include "crdt/template.h"
#include "scene/difference.h"
#include "scene/format.h"

#include <inttypes.h>
#include <string.h>

#define LONG_SIZE (16u << 20) /* bytes of a file that takes a while */

/* What was read: the operations that make an empty document into the file's scene. */
typedef struct import_file {
    crdt_op_list ops;
    scene_format format;
    char name[SYNC_NODE_NAME_SIZE]; /* of the scene; empty: the file says none */
} import_file;

/* A composite that names its own file is refused, so the reader is told the name. */
static const char *file_name_of(const char *path)
{
    if (strcmp(path, "-") == 0) {
        return NULL;
    }
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static crdt_err read_file(cli_run *run, import_file *file, crdt_diag *diag)
{
    scene_format_options options = scene_format_options_default();
    const char *format = cli_args_get(run->args, "--format");
    if (format != NULL) {
        options.format = scene_format_parse(crdt_span_of(format));
    }
    options.file_name = file_name_of(run->args->arguments[0]);
    crdt_err err = scene_format_read(run->input, &options, crdt_alloc_default(),
                                     &file->ops, &file->format, diag);
    crdt_span name;
    if (err == CRDT_OK &&
        scene_format_scene_name(file->ops.ops, file->ops.op_count, &name) &&
        name.size < sizeof file->name && memchr(name.data, '\0', name.size) == NULL) {
        memcpy(file->name, name.data, name.size);
        file->name[name.size] = '\0';
    }
    return err;
}

/* The file as the beginning of a scene: the same batch for everybody who imports it. */
static crdt_err import_template(cli_run *run, const import_file *file, crdt_diag *diag)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    crdt_err err =
        crdt_template_make(file->ops.ops, file->ops.op_count, &arena, &batch, diag);
    if (err == CRDT_OK) {
        err = sync_node_import(run->node, &batch, run->who, diag);
    }
    crdt_arena_deinit(&arena);
    return err;
}

/* ---- onto what is there ---- */

static crdt_err fill_difference(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                                crdt_diag *diag)
{
    const import_file *file = ctx;
    return scene_difference_to_ops(doc, file->ops.ops, file->ops.op_count,
                                   crdt_alloc_default(), ops, diag);
}

static crdt_err import_onto(cli_run *run, import_file *file, sync_edit_result *result)
{
    sync_edit edit = {
        .fn = fill_difference,
        .ctx = file,
        .who = run->who,
        .origin = CRDT_ORIGIN_EDIT,
    };
    crdt_err err = sync_node_edit(run->node, &edit, result);
    return err == CRDT_ENOTHING ? CRDT_OK : err;
}

static void report_result(cli_run *run, const import_file *file, uint64_t op_count)
{
    const char *format = scene_format_name(file->format);
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "import");
        cli_report_text(&report, "format", format);
        cli_report_number(&report, "operations", op_count);
        cli_report_end(&report);
    } else {
        fprintf(run->out, "imported %s (%s): %" PRIu64 " operations\n",
                run->args->arguments[0], format, op_count);
    }
}

static int import(cli_run *run, import_file *file)
{
    bool onto = cli_args_has(run->args, "--onto");
    const char *name = cli_args_get(run->args, "--scene");
    if (name == NULL && file->name[0] != '\0') {
        name = file->name;
    }
    if (!cli_run_open(run, CLI_OPEN_CREATE, name)) {
        return CLI_FAILED;
    }
    uint64_t op_count = file->ops.op_count;
    crdt_diag diag = {0};
    crdt_err err = import_template(run, file, &diag);
    if (err == CRDT_EEXIST && onto) {
        sync_edit_result result = {0};
        err = import_onto(run, file, &result);
        diag = result.diag;
        op_count = result.op_count;
    }
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "import %s", run->args->arguments[0]);
    }
    report_result(run, file, op_count);
    return CLI_DONE;
}

int cli_cmd_import(cli_run *run)
{
    import_file file = {.format = SCENE_FORMAT_NONE};
    if (run->input.size >= LONG_SIZE) {
        fprintf(run->err, "reading %zu MB ...\n", run->input.size >> 20);
        fflush(run->err);
    }
    crdt_op_list_init(&file.ops, crdt_alloc_default());
    crdt_diag diag = {0};
    crdt_err err = read_file(run, &file, &diag);
    int code = err == CRDT_OK ? import(run, &file)
                              : cli_run_fail(run, err, &diag, "import %s",
                                             run->args->arguments[0]);
    crdt_op_list_deinit(&file.ops);
    return code;
}
