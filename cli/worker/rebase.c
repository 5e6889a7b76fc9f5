#include "cli/worker/rebase.h"

#include "cli/report.h"
#include "cli/worker/rebase_folder.h"
#include "cli/worker/rebase_plan.h"
#include "crdt/template.h"
#include "scene/descent.h"

#include <stdio.h>
#include <stdlib.h>

void worker_rebase_report_deinit(worker_rebase_report *report)
{
    worker_rebase_plan_deinit(&report->plan);
    free(report->text);
    report->text = NULL;
    report->text_size = 0;
}

crdt_err worker_rebase_finish(const char *store_dir, bool *finished, crdt_diag *diag)
{
    worker_rebase_folder folder;
    bool done = false;
    crdt_err err = worker_rebase_folder_open(&folder, store_dir, diag);
    if (err == CRDT_OK) {
        err = worker_rebase_folder_recover(&folder, &done, diag);
    }
    if (finished != NULL) {
        *finished = done;
    }
    return err;
}

/* ---- the two documents ---- */

/* A document apart from the node it comes from. */
typedef struct copy {
    crdt_alloc alloc;
    crdt_document *doc;
    crdt_actor lineage;
    crdt_actor actor;
} copy;

static crdt_err read_all(void *ctx, const crdt_document *doc)
{
    return crdt_document_answer_full(doc, NULL, ctx);
}

static crdt_err open_copy(copy *out, sync_node *node, crdt_alloc alloc)
{
    *out = (copy){.alloc = alloc};
    sync_node_status status;
    crdt_err err = sync_node_status_get(node, &status);
    if (err != CRDT_OK) {
        return err;
    }
    out->lineage = status.lineage;
    out->actor = status.actor;
    sync_node_status_deinit(&status);
    crdt_buf answer;
    crdt_buf_init(&answer, alloc);
    err = sync_node_read(node, read_all, &answer);
    crdt_document_options options = crdt_document_options_default();
    options.alloc = alloc;
    if (err == CRDT_OK) {
        err = crdt_document_open(&out->doc, &options);
    }
    if (err == CRDT_OK) {
        err = crdt_document_merge(out->doc, crdt_buf_span(&answer), NULL, NULL, NULL);
    }
    crdt_buf_deinit(&answer);
    return err;
}

static void close_copy(copy *one)
{
    crdt_document_close(one->doc);
    one->doc = NULL;
}

/* ---- the new store ---- */

static sync_node_options plain_options(const worker_rebase_options *options,
                                       const char *dir)
{
    sync_node_options node = sync_node_options_default();
    node.alloc = options->alloc;
    node.store_dir = dir;
    node.scene = options->scene;
    node.who = options->node != NULL ? options->node->who : NULL;
    node.discover = false;
    return node;
}

static crdt_err import_file(const worker_rebase_options *options, sync_node *node,
                            crdt_diag *diag)
{
    crdt_arena arena;
    crdt_arena_init(&arena, options->alloc);
    crdt_batch batch;
    crdt_err err =
        crdt_template_make(options->ops, options->op_count, &arena, &batch, diag);
    if (err == CRDT_OK) {
        err = sync_node_import(node, &batch, (crdt_span){NULL, 0}, diag);
    }
    crdt_arena_deinit(&arena);
    return err;
}

/* Take the living document from the bus, or the file, into a new store; closed again. */
static crdt_err fill_fresh(const worker_rebase_options *options, const char *dir,
                           crdt_diag *diag)
{
    sync_node_options node_options = plain_options(options, dir);
    bool file = options->op_count > 0;
    const char *urls[64];
    size_t count = 0;
    for (size_t i = 0; !file && options->more_peers != NULL &&
                       options->more_peers[i] != NULL && count < 64;
         i++) {
        urls[count++] = options->more_peers[i];
    }
    bool given = options->node != NULL && count == 0;
    for (size_t i = 0; !file && given && i < options->node->peer_count && count < 64;
         i++) {
        urls[count++] = options->node->peer_urls[i];
    }
    if (!file && options->node != NULL) {
        node_options.tls = options->node->tls;
        node_options.key = options->node->key;
        node_options.message_size_max = options->node->message_size_max;
    }
    node_options.peer_urls = urls;
    node_options.peer_count = count;
    sync_node *node = NULL;
    crdt_err err = sync_node_open(&node, &node_options, diag);
    if (err == CRDT_OK && file) {
        err = import_file(options, node, diag);
    } else if (err == CRDT_OK) {
        err = sync_node_ask(node, options->ask_ms > 0 ? options->ask_ms : 5000, diag);
    }
    crdt_err closed = sync_node_close(node);
    return err != CRDT_OK ? err : closed;
}

typedef struct making {
    const crdt_op *ops;
    size_t op_count;
} making;

static crdt_err fill_ops(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                         crdt_diag *diag)
{
    const making *group = ctx;
    (void)doc;
    (void)diag;
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < group->op_count && err == CRDT_OK; i++) {
        err = crdt_op_list_push(ops, &group->ops[i]);
    }
    return err;
}

static crdt_err commit(sync_node *node, const crdt_op *ops, size_t op_count,
                       crdt_span who, crdt_origin origin, const crdt_stamp *seen,
                       crdt_diag *diag)
{
    making group = {ops, op_count};
    sync_edit edit = {
        .fn = fill_ops, .ctx = &group, .who = who, .origin = origin, .seen = seen};
    sync_edit_result result;
    crdt_err err = sync_node_edit(node, &edit, &result);
    if (err != CRDT_OK && err != CRDT_ENOTHING && diag != NULL) {
        *diag = result.diag;
    }
    return err == CRDT_ENOTHING ? CRDT_OK : err;
}

/* The work at hand. */
typedef struct rebase {
    const worker_rebase_options *options;
    worker_rebase_folder folder;
    copy ours;
    copy living;
    scene_descent descent; /* of the living document */
    crdt_version base;
    worker_rebase_plan plan;
    bool planned;
} rebase;

/* Note that all of ours is in the living document now. */
static crdt_err note_all(rebase *work, sync_node *node, crdt_diag *diag)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, work->options->alloc);
    crdt_version all;
    crdt_version_init(&all, work->options->alloc);
    crdt_err err = crdt_version_copy(&all, &work->base);
    if (err == CRDT_OK) {
        err = crdt_version_merge(&all, crdt_document_version(work->ours.doc));
    }
    if (err == CRDT_OK) {
        err = scene_descent_note(&work->ours.lineage, &all, &work->ours.actor, &ops);
    }
    if (err == CRDT_OK) {
        err = commit(node, ops.ops, ops.op_count, (crdt_span){NULL, 0},
                     CRDT_ORIGIN_IMPORT, NULL, diag);
    }
    crdt_version_deinit(&all);
    crdt_op_list_deinit(&ops);
    return err;
}

/* What has to be done on the living document that `node` holds. */
static crdt_err make_plan(rebase *work, sync_node *node, crdt_diag *diag)
{
    crdt_err err = open_copy(&work->living, node, work->options->alloc);
    if (err == CRDT_OK) {
        err = scene_descent_read(&work->descent, work->living.doc);
    }
    if (err != CRDT_OK) {
        return err;
    }
    const crdt_version *base = scene_descent_find(&work->descent, &work->ours.lineage);
    if (base == NULL || crdt_actor_equal(&work->living.lineage, &work->ours.lineage)) {
        return crdt_diag_set(diag, CRDT_ELINEAGE, 0,
                             "what lives there does not descend from this store");
    }
    err = crdt_version_copy(&work->base, base);
    if (err != CRDT_OK) {
        return err;
    }
    worker_rebase_plan_input input = {.ours = work->ours.doc,
                                      .base = &work->base,
                                      .living = work->living.doc,
                                      .template_actor = work->living.lineage};
    work->planned = true;
    return worker_rebase_plan_make(&work->plan, &input, work->options->alloc);
}

/* Make the edits again, each person's as batches of their own, last the note. */
static crdt_err do_plan(rebase *work, sync_node *node, crdt_diag *diag)
{
    const crdt_version *living = crdt_document_version(work->living.doc);
    crdt_stamp seen = {.time = crdt_version_get(living, &work->living.lineage),
                       .actor = work->living.lineage};
    crdt_err err = CRDT_OK;
    for (size_t i = 0; err == CRDT_OK && i < work->plan.group_count; i++) {
        const worker_rebase_group *group = &work->plan.groups[i];
        err = commit(node, group->ops, group->op_count, group->who, CRDT_ORIGIN_EDIT,
                     seen.time > 0 ? &seen : NULL, diag);
    }
    bool covered =
        crdt_version_includes(&work->base, crdt_document_version(work->ours.doc));
    return err == CRDT_OK && !covered ? note_all(work, node, diag) : err;
}

static crdt_err make_again(rebase *work, crdt_diag *diag)
{
    sync_node_options options = plain_options(work->options, work->folder.fresh);
    options.must_exist = true;
    sync_node *node = NULL;
    crdt_err err = sync_node_open(&node, &options, diag);
    if (err == CRDT_OK) {
        err = make_plan(work, node, diag);
    }
    if (err == CRDT_OK) {
        err = do_plan(work, node, diag);
    }
    crdt_err closed = sync_node_close(node);
    return err != CRDT_OK ? err : closed;
}

/* ---- the report ---- */

static void report_clash(cli_report *out, const worker_rebase_clash *clash)
{
    cli_report_open(out, NULL, '{');
    cli_report_text(out, "kind", worker_rebase_clash_name(clash->kind));
    cli_report_key(out, &clash->key);
    if (clash->ours.size > 0) {
        cli_report_value(out, "ours", clash->ours);
        cli_report_span(out, "author", clash->who);
    }
    if (clash->theirs.size > 0) {
        cli_report_value(out, "theirs", clash->theirs);
        cli_report_span(out, "theirAuthor", clash->their_who);
        cli_report_stamp(out, "stamp", &clash->their_stamp);
    }
    cli_report_close(out, '}');
}

static crdt_err make_report(const rebase *work, worker_rebase_report *report)
{
    FILE *file = open_memstream(&report->text, &report->text_size);
    if (file == NULL) {
        return CRDT_ENOMEM;
    }
    cli_report out;
    cli_report_begin(&out, file);
    cli_report_text(&out, "event", "rebased");
    cli_report_actor(&out, "from", &work->ours.lineage);
    cli_report_version(&out, "version", crdt_document_version(work->ours.doc));
    cli_report_version(&out, "saved", &work->base);
    cli_report_actor(&out, "onto", &work->living.lineage);
    cli_report_text(&out, "archive", report->archive);
    cli_report_number(&out, "operations", work->plan.op_count);
    cli_report_bool(&out, "removesUnknown", work->plan.removes_unknown);
    cli_report_open(&out, "clashes", '[');
    for (size_t i = 0; i < work->plan.clash_count; i++) {
        report_clash(&out, &work->plan.clashes[i]);
    }
    cli_report_close(&out, ']');
    cli_report_end(&out);
    bool good = ferror(file) == 0;
    good = fclose(file) == 0 && good;
    report->op_count = work->plan.op_count;
    report->clash_count = work->plan.clash_count;
    report->from = work->ours.lineage;
    report->onto = work->living.lineage;
    report->nothing_unsaved =
        crdt_version_includes(&work->base, crdt_document_version(work->ours.doc));
    return good ? CRDT_OK : CRDT_ENOMEM;
}

/* ---- all of it ---- */

/* Everything up to the marker. */
static crdt_err prepare(rebase *work, worker_rebase_report *report, crdt_diag *diag)
{
    worker_rebase_folder *folder = &work->folder;
    crdt_err err = fill_fresh(work->options, folder->fresh, diag);
    worker_rebase_folder_step(folder, 1);
    if (err == CRDT_OK) {
        err = make_again(work, diag);
    }
    worker_rebase_folder_step(folder, 2);
    if (err == CRDT_OK) {
        err = worker_rebase_folder_choose(folder, diag);
    }
    if (err == CRDT_OK) {
        snprintf(report->archive, sizeof report->archive, "%s", folder->archive);
        err = make_report(work, report);
    }
    if (err == CRDT_OK) {
        crdt_span text = {(const uint8_t *)report->text, report->text_size};
        err = worker_rebase_folder_mark(folder, text, diag);
    }
    worker_rebase_folder_step(folder, 3);
    return err;
}

/* With our store open, so that nobody else opens it meanwhile. */
static crdt_err bring_over(rebase *work, worker_rebase_report *report, crdt_diag *diag)
{
    worker_rebase_folder *folder = &work->folder;
    folder->on_step = work->options->on_step;
    folder->step_ctx = work->options->step_ctx;
    crdt_err err = worker_rebase_folder_begin(folder, diag);
    if (err != CRDT_OK) {
        return err;
    }
    err = prepare(work, report, diag);
    if (err == CRDT_OK) {
        err = worker_rebase_folder_switch(folder, diag);
        report->done = err == CRDT_OK;
    } else {
        worker_rebase_folder_abandon(folder);
    }
    worker_rebase_folder_close(folder);
    return err;
}

crdt_err worker_rebase_run(const worker_rebase_options *options,
                           worker_rebase_report *report, crdt_diag *diag)
{
    *report = (worker_rebase_report){.done = false};
    rebase work = {.options = options, .folder = {.lock = -1}};
    scene_descent_init(&work.descent, options->alloc);
    crdt_version_init(&work.base, options->alloc);
    crdt_err err = worker_rebase_finish(options->store_dir, NULL, diag);
    if (err == CRDT_OK) {
        err = worker_rebase_folder_open(&work.folder, options->store_dir, diag);
    }
    sync_node *node = NULL;
    if (err == CRDT_OK) {
        sync_node_options own = plain_options(options, work.folder.store);
        own.must_exist = true;
        err = sync_node_open(&node, &own, diag);
    }
    if (err == CRDT_OK) {
        err = open_copy(&work.ours, node, options->alloc);
    }
    if (err == CRDT_OK) {
        err = bring_over(&work, report, diag);
    }
    sync_node_close(node);
    close_copy(&work.ours);
    close_copy(&work.living);
    if (work.planned) {
        report->plan = work.plan;
    }
    scene_descent_deinit(&work.descent);
    crdt_version_deinit(&work.base);
    if (err != CRDT_OK) {
        worker_rebase_report_deinit(report);
    }
    return err;
}
