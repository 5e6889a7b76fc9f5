#include "crdt/template.h"
#include "crdt/value.h"

#include "crdt/mutant.h"
#include "sync/node_impl.h"

#include <assert.h>
#include <string.h>

#define ASK_MS 3000    /* how long peers are asked for the scene's beginning */
#define FETCH_MS 30000 /* how long a known beginning may take to arrive */

/* One change of the document asked for by another thread. */
typedef struct edit_task {
    node_task head;
    /* Change the document, fill result. Errors: as the function of the header. */
    crdt_err (*change)(sync_node *node, struct edit_task *task);
    bool begins; /* it needs no beginning of the scene: it is one */
    uint64_t posted_ms;
    const sync_edit *edit;            /* edit */
    const crdt_batch *template_batch; /* import */
    const crdt_version *shown;        /* housekeeping */
    sync_edit_result result;
    void (*done)(void *ctx, const sync_edit_result *result); /* started ones */
    void *done_ctx;
} edit_task;

static crdt_err fail(edit_task *task, crdt_err err)
{
    task->result.err = err;
    return err;
}

/* ---- the scene's beginning ---- */

bool sync_node_has_begun(const sync_node *node)
{
    crdt_actor empty = crdt_template_actor_empty();
    return node->meta.lineage_known &&
           (crdt_actor_equal(&node->meta.lineage, &empty) ||
            crdt_version_get(crdt_document_version(node->doc), &node->meta.lineage) >
                0);
}

/* Is there somebody who may know how the scene begins? */
static bool may_be_told(const sync_node *node, uint64_t now_ms)
{
    return node->link != NULL && node->options.peer_count > 0 &&
           now_ms < node->opened_ms + ASK_MS;
}

static crdt_err begin_empty(sync_node *node, crdt_diag *diag)
{
    crdt_err err = sync_node_name_scene(node, diag);
    if (err == CRDT_OK) {
        err = sync_node_step(
            node, &(sync_replica_event){.kind = SYNC_ON_LINEAGE,
                                        .actor = crdt_template_actor_empty()});
    }
    return err;
}

/* CRDT_EGAP: wait until *again_ms; other errors are final. */
static crdt_err find_beginning(sync_node *node, const edit_task *task,
                               uint64_t *again_ms, crdt_diag *diag)
{
    uint64_t now = sync_node_now_ms();
    if (task->begins || MUTANT(48) || node->poisoned || node->options.read_only ||
        sync_node_has_begun(node)) {
        return CRDT_OK;
    }
    if (node->meta.lineage_known) {
        *again_ms = task->posted_ms + FETCH_MS;
        return now < *again_ms
                   ? CRDT_EGAP
                   : crdt_diag_set(
                         diag, CRDT_ETIMEOUT, 0,
                         "the scene's beginning is known by name, but no peer "
                         "has sent it yet");
    }
    if (may_be_told(node, now)) {
        *again_ms = node->opened_ms + ASK_MS;
        return CRDT_EGAP;
    }
    return begin_empty(node, diag);
}

/* ---- changing the document ---- */

static crdt_err check_writable(sync_node *node, crdt_diag *diag)
{
    if (node->poisoned) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "nothing can be written any more: %s",
                             node->poison.text);
    }
    if (node->options.read_only) {
        return crdt_diag_set(diag, CRDT_EREFUSED, 0,
                             "the store was opened to read only");
    }
    return CRDT_OK;
}

/* The batch is in the document: into the group with it. */
static crdt_err keep_batch(sync_node *node, edit_task *task, const crdt_batch *batch,
                           const crdt_history_note *note)
{
    task->result.first =
        (crdt_stamp){.time = crdt_batch_first_time(batch), .actor = batch->actor};
    task->result.last =
        (crdt_stamp){.time = crdt_batch_last_time(batch), .actor = batch->actor};
    task->result.op_count = batch->op_count;
    node->edit_count++;
    sync_node_record(node, batch, note);
    crdt_err err = sync_node_step(
        node, &(sync_replica_event){.kind = SYNC_ON_LOCAL, .batch = batch});
    if (err != CRDT_OK && !node->poisoned) {
        /* The document holds a batch that the log will never have. */
        crdt_diag diag = {0};
        crdt_diag_set(&diag, CRDT_EIO, 0, "an edit could not be encoded: %s",
                      crdt_err_text(err));
        sync_node_poison(node, &diag);
    }
    return node->poisoned ? CRDT_EIO : CRDT_OK;
}

static crdt_edit edit_as(const sync_node *node, crdt_span who)
{
    crdt_edit edit = {.actor = sync_replica_actor(node->replica),
                      .who = who,
                      .wall_ms = sync_node_wall_ms()};
    if (who.size == 0 && node->options.who != NULL) {
        edit.who = crdt_span_of(node->options.who);
    }
    return edit;
}

/* The name of a step goes into the history, as text. */
static crdt_err check_step(crdt_span step, crdt_diag *diag)
{
    if (step.size > CRDT_STEP_SIZE_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "a step's name has at most %u bytes",
                             CRDT_STEP_SIZE_MAX);
    }
    return crdt_utf8_valid(step, NULL)
               ? CRDT_OK
               : crdt_diag_set(diag, CRDT_EINVAL, 0, "a step's name is not UTF-8");
}

static crdt_err change_by_edit(sync_node *node, edit_task *task)
{
    const sync_edit *asked = task->edit;
    crdt_diag *diag = &task->result.diag;
    crdt_op_list_clear(&node->ops);
    crdt_err err = asked->fn(asked->ctx, node->doc, &node->ops, diag);
    if (err == CRDT_OK) {
        err = node->ops.err;
    }
    if (err == CRDT_OK && node->ops.op_count == 0) {
        err = CRDT_ENOTHING;
    }
    if (err == CRDT_OK) {
        err = check_step(asked->step, diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    crdt_batch batch;
    crdt_edit edit = edit_as(node, asked->who);
    edit.seen = asked->seen;
    edit.sweep = asked->sweep;
    crdt_arena_reset(&node->arena);
    crdt_history_begin(node->history);
    err = crdt_document_commit(node->doc, &edit, node->ops.ops, node->ops.op_count,
                               &node->arena, &batch, diag);
    if (err != CRDT_OK) {
        return err;
    }
    const crdt_history_note note = {
        .origin = asked->origin, .target = asked->target, .step = asked->step};
    return keep_batch(node, task, &batch, &note);
}

static crdt_err change_by_import(sync_node *node, edit_task *task)
{
    const crdt_batch *batch = task->template_batch;
    crdt_diag *diag = &task->result.diag;
    bool given_up = node->meta.lineage_known &&
                    sync_replica_drop_lineage(node->replica, &batch->actor);
    if ((node->meta.lineage_known && !given_up) ||
        crdt_document_version(node->doc)->stamp_count > 0) {
        return crdt_diag_set(diag, CRDT_EEXIST, 0, "the store holds a scene already");
    }
    crdt_err err = sync_node_name_scene(node, diag);
    if (err == CRDT_OK && batch->op_count > 0) {
        crdt_history_begin(node->history);
        err = crdt_document_apply(node->doc, batch, diag);
    }
    if (err == CRDT_OK) {
        err = sync_node_step(node, &(sync_replica_event){.kind = SYNC_ON_LINEAGE,
                                                         .actor = batch->actor});
    }
    if (err != CRDT_OK || batch->op_count == 0) {
        return err;
    }
    const crdt_history_note note = {.origin = CRDT_ORIGIN_IMPORT};
    return keep_batch(node, task, batch, &note);
}

static crdt_err change_by_housekeeping(sync_node *node, edit_task *task)
{
    crdt_batch batch;
    crdt_edit edit = edit_as(node, (crdt_span){0});
    crdt_arena_reset(&node->arena);
    crdt_history_begin(node->history);
    crdt_err err = crdt_document_housekeep(node->doc, &edit, task->shown, &node->arena,
                                           &batch, &task->result.diag);
    if (err != CRDT_OK) {
        return err;
    }
    const crdt_history_note note = {.origin = CRDT_ORIGIN_HOUSEKEEPING};
    return keep_batch(node, task, &batch, &note);
}

/* ---- tasks ---- */

/* True: over; false: it waits for the disk. */
static bool change_now(sync_node *node, edit_task *task)
{
    crdt_err err = check_writable(node, &task->result.diag);
    if (err == CRDT_OK) {
        err = task->change(node, task);
    }
    if (err != CRDT_OK) {
        fail(task, err);
        return true;
    }
    if (!sync_store_dirty(node->store)) {
        return true;
    }
    sync_node_open_group(node); /* only settings: an empty template */
    sync_node_task_push(&node->durable_tasks, &task->head);
    if (node->group_size > NODE_GROUP_SIZE_MAX) {
        sync_node_flush(node);
    }
    return false;
}

static bool run_edit(sync_node *node, node_task *head)
{
    edit_task *task = (edit_task *)head;
    uint64_t again = 0;
    crdt_err err = node->intents.first != NULL && !task->begins
                       ? CRDT_EGAP /* behind those that wait already */
                       : find_beginning(node, task, &again, &task->result.diag);
    if (err == CRDT_EGAP) {
        sync_node_task_push(&node->intents, head);
        return false;
    }
    if (err != CRDT_OK) {
        fail(task, err);
        return true;
    }
    return change_now(node, task);
}

uint64_t sync_node_run_intents(sync_node *node)
{
    uint64_t again = UINT64_MAX;
    while (node->intents.first != NULL) {
        edit_task *task = (edit_task *)node->intents.first;
        crdt_err err = find_beginning(node, task, &again, &task->result.diag);
        if (err == CRDT_EGAP) {
            return again;
        }
        sync_node_task_pop(&node->intents);
        if (err != CRDT_OK) {
            fail(task, err);
        }
        if (err != CRDT_OK || change_now(node, task)) {
            sync_node_task_finish(node, &task->head);
        }
    }
    return UINT64_MAX;
}

void sync_node_end_intents(sync_node *node)
{
    sync_node_run_intents(node);
    while (node->intents.first != NULL) {
        edit_task *task = (edit_task *)sync_node_task_pop(&node->intents);
        fail(task, CRDT_ECLOSED);
        sync_node_task_finish(node, &task->head);
    }
}

/* The commit that this edit waited for has failed, or not. */
static void settle(sync_node *node, edit_task *task)
{
    if (task->result.err == CRDT_OK && node->poisoned) {
        crdt_diag_set(&task->result.diag, CRDT_EIO, 0, "%s", node->poison.text);
        fail(task, CRDT_EIO);
    }
}

static void finish_started(sync_node *node, node_task *head)
{
    edit_task *task = (edit_task *)head;
    settle(node, task);
    task->done(task->done_ctx, &task->result);
    crdt_free(node->alloc, task, sizeof *task);
}

static crdt_err call(sync_node *node, edit_task *task, sync_edit_result *result)
{
    task->head.run = run_edit;
    task->posted_ms = sync_node_now_ms();
    crdt_err err = sync_node_task_call(node, &task->head);
    if (err == CRDT_OK) {
        settle(node, task);
        err = task->result.err;
    }
    task->result.err = err;
    if (result != NULL) {
        *result = task->result;
    }
    return err;
}

crdt_err sync_node_edit(sync_node *node, const sync_edit *edit,
                        sync_edit_result *result)
{
    edit_task task = {.change = change_by_edit, .edit = edit};
    return call(node, &task, result);
}

crdt_err sync_node_edit_start(sync_node *node, const sync_edit *edit,
                              void (*done)(void *ctx, const sync_edit_result *result),
                              void *done_ctx)
{
    edit_task *task = crdt_allocate(node->alloc, sizeof *task);
    if (task == NULL) {
        return CRDT_ENOMEM;
    }
    *task = (edit_task){.head = {.run = run_edit, .done = finish_started},
                        .change = change_by_edit,
                        .posted_ms = sync_node_now_ms(),
                        .edit = edit,
                        .done = done,
                        .done_ctx = done_ctx};
    crdt_err err = sync_node_task_post(node, &task->head, true);
    if (err != CRDT_OK) {
        crdt_free(node->alloc, task, sizeof *task);
    }
    return err;
}

crdt_err sync_node_import(sync_node *node, const crdt_batch *template_batch,
                          crdt_span who, crdt_diag *diag)
{
    (void)who; /* a template is nobody's: it is the same wherever it is imported */
    edit_task task = {
        .change = change_by_import, .begins = true, .template_batch = template_batch};
    crdt_err err = call(node, &task, NULL);
    if (err != CRDT_OK && diag != NULL) {
        *diag = task.result.diag;
    }
    return err;
}

crdt_err sync_node_housekeep(sync_node *node, const crdt_version *shown,
                             sync_edit_result *result)
{
    edit_task task = {.change = change_by_housekeeping, .shown = shown};
    return call(node, &task, result);
}
