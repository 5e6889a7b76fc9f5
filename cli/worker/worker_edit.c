/* Edits of renderers in the node's thread, and the news that follow from them.
 *
 * An edit is settled in this order: it is on disk; the view looks at what changed; news
 * are posted; then word that it is done. So when the desk hears of the edit, the hub shows
 * it already, and nothing old is told to its author. */

#include "cli/worker/wording.h"
#include "cli/worker/worker_impl.h"
#include "scene/restore.h"
#include "scene/undo.h"

#include <assert.h>

/* ---- in the node's thread ---- */

static crdt_err undo(worker_job *job, const crdt_document *doc, crdt_op_list *ops,
                     crdt_diag *diag)
{
    worker *w = job->w;
    scene_undo *work = NULL;
    const scene_undo_options options = {.redo = job->batch->intents[0].kind ==
                                                WORKER_INTENT_REDO,
                                        .person = true,
                                        .who = job->batch->who};
    crdt_err err = scene_undo_open(&work, w->alloc, doc, &w->actor, &options, ops);
    if (err != CRDT_OK) {
        return err;
    }
    err = sync_node_history(job->node, scene_undo_visit, work, NULL);
    if (err == CRDT_OK) {
        err = scene_undo_finish(work, &job->edit.target, diag);
    }
    if (err == CRDT_OK || err == CRDT_ENOTHING) {
        worker_undone *undone = &job->batch->undone;
        bool done = err == CRDT_OK;
        crdt_err kept = worker_undone_take(
            undone, work, done ? &job->edit.target : NULL, &job->batch->arena);
        err = kept == CRDT_OK ? err : kept;
        job->edit.step = undone->step;
    }
    scene_undo_close(work);
    return err;
}

static crdt_err restore(worker_job *job, const crdt_document *doc, crdt_op_list *ops,
                        crdt_diag *diag)
{
    scene_restore *work = NULL;
    crdt_err err = scene_restore_open(&work, job->w->alloc, doc,
                                      job->batch->intents[0].entity, ops);
    if (err == CRDT_OK) {
        err = sync_node_history(job->node, scene_restore_visit, work, NULL);
    }
    if (err == CRDT_OK) {
        err = scene_restore_finish(work, diag);
    }
    scene_restore_close(work);
    return err;
}

static crdt_err do_job(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                       crdt_diag *diag)
{
    worker_job *job = ctx;
    if (job->batch == NULL) {
        return CRDT_ENOTHING; /* a look changes nothing */
    }
    if (worker_batch_is_dismissal(job->batch)) {
        return worker_conflicts_write(job->w, job->batch, doc, ops, diag);
    }
    if (worker_batch_is_undo(job->batch)) {
        return undo(job, doc, ops, diag);
    }
    bool restores = job->batch->intent_count > 0 &&
                    job->batch->intents[0].kind == WORKER_INTENT_RESTORE;
    return restores ? restore(job, doc, ops, diag)
                    : worker_batch_apply(job->batch, doc, ops);
}

/* False: no memory; the view stays dirty, the next look tells it. */
static bool post_news(worker *w)
{
    worker_mail *mail = worker_mail_open(&w->mailbox, WORKER_MAIL_NEWS);
    if (mail == NULL) {
        return false;
    }
    if (worker_view_take(w->view, &mail->news) != CRDT_OK) {
        worker_mail_close(mail);
        return false;
    }
    worker_post(w, mail);
    worker_save_changed(w->save, worker_view_version(w->view));
    worker_conflicts_touch(w);
    return true;
}

void worker_view_post(worker *w)
{
    if (w->view != NULL && atomic_exchange(&w->news_lost, false)) {
        worker_view_again(w->view);
    }
    if (w->view == NULL) {
        return;
    }
    if (!worker_view_dirty(w->view) || post_news(w)) {
        worker_conflicts_post(w);
    }
}

/* Clashes are people's to hear of; what they dismissed is not told any more. */
static void note_conflicts(worker_job *job)
{
    const worker_batch *batch = job->batch;
    bool done = job->result.err == CRDT_OK || job->result.err == CRDT_ENOTHING;
    if (batch == NULL || !done) {
        return;
    }
    if (worker_batch_is_dismissal(batch)) {
        worker_conflicts_dismiss(job->w, batch);
    }
    for (size_t i = 0; job->result.err == CRDT_OK && i < batch->clash_count; i++) {
        worker_conflicts_keep(job->w, &batch->clashes[i], batch->who,
                              &job->result.last);
    }
}

static void job_done(void *ctx, const sync_edit_result *result)
{
    worker_job *job = ctx;
    worker *w = job->w;
    worker_mail *mail = job->mail;
    job->result = *result;
    job->mail = NULL;
    note_conflicts(job);
    worker_view_post(w);
    worker_post(w, mail);
}

typedef struct view_call {
    worker *w;
    crdt_actor actor;
} view_call;

/* The first change since the last look. */
static void wake_desk(void *ctx)
{
    worker *w = ctx;
    web_server_wake(w->web);
}

static crdt_err open_view(void *ctx, crdt_document *doc)
{
    view_call *call = ctx;
    if (!call->w->fresh) {
        call->w->actor = call->actor;
    }
    worker_view *view;
    crdt_err err = worker_view_open(&view, doc, call->w->alloc, wake_desk, call->w);
    if (err == CRDT_OK) {
        pthread_mutex_lock(&call->w->node_mutex);
        call->w->view = view;
        pthread_mutex_unlock(&call->w->node_mutex);
        worker_conflicts_again(call->w);
        err = crdt_version_copy(&call->w->loaded, crdt_document_version(doc));
        worker_view_post(call->w);
    }
    return err;
}

static crdt_err close_view(void *ctx, crdt_document *doc)
{
    view_call *call = ctx;
    (void)doc;
    pthread_mutex_lock(&call->w->node_mutex);
    worker_view *view = call->w->view;
    call->w->view = NULL;
    pthread_mutex_unlock(&call->w->node_mutex);
    worker_view_close(view);
    return CRDT_OK;
}

crdt_err worker_view_attach(worker *w, sync_node *node)
{
    sync_node_status status;
    crdt_err err = sync_node_status_get(node, &status);
    if (err != CRDT_OK) {
        return err;
    }
    view_call call = {.w = w, .actor = status.actor};
    sync_node_status_deinit(&status);
    return sync_node_attach(node, open_view, &call);
}

void worker_view_detach(worker *w, sync_node *node)
{
    view_call call = {.w = w};
    if (sync_node_attach(node, close_view, &call) != CRDT_OK) {
        assert(w->view == NULL);
    }
}

/* ---- at the desk ---- */

bool worker_view_changed(worker *w)
{
    pthread_mutex_lock(&w->node_mutex);
    bool changed =
        w->view != NULL && (worker_view_dirty(w->view) || atomic_load(&w->news_lost));
    pthread_mutex_unlock(&w->node_mutex);
    return changed;
}

void worker_job_close(worker_job *job)
{
    worker_batch_close(job->batch);
    if (job->mail != NULL) {
        worker_mail_close(job->mail);
    }
    crdt_free(job->w->alloc, job, sizeof *job);
}

/* False: the node cannot take it now. */
static bool post_job(worker *w, worker_job *job)
{
    sync_node *node = worker_node_acquire(w);
    if (node == NULL) {
        return false;
    }
    job->node = node; /* it may be closing when its turn comes, and is still there */
    crdt_err err = sync_node_edit_start(node, &job->edit, job_done, job);
    worker_node_release(w);
    if (err == CRDT_EBUSY || err == CRDT_ECLOSED) {
        return false;
    }
    if (err != CRDT_OK) { /* it was not taken: the view is not ours to look at */
        worker_mail *mail = job->mail;
        job->result = (sync_edit_result){.err = err};
        job->mail = NULL;
        worker_post(w, mail);
    }
    return true;
}

void worker_edit_retry(worker *w)
{
    while (w->stalled_first != NULL) {
        worker_job *job = w->stalled_first;
        worker_job *next = job->next;
        if (!post_job(w, job)) {
            return;
        }
        w->stalled_first = next;
        w->stalled_last = next == NULL ? NULL : w->stalled_last;
    }
}

static void queue_job(worker *w, worker_job *job)
{
    job->next = NULL;
    *(w->stalled_last == NULL ? &w->stalled_first : &w->stalled_last->next) = job;
    w->stalled_last = job;
}

bool worker_edit_again(worker *w, worker_job *job)
{
    job->mail = worker_mail_open(&w->mailbox, WORKER_MAIL_DONE);
    if (job->mail == NULL) {
        return false;
    }
    job->mail->job = job;
    queue_job(w, job);
    return true;
}

bool worker_edit_start(worker *w, uint64_t serial, worker_batch *batch)
{
    worker_job *job = crdt_allocate(w->alloc, sizeof *job);
    worker_mail *mail = worker_mail_open(&w->mailbox, batch == NULL ? WORKER_MAIL_PULLED
                                                                    : WORKER_MAIL_DONE);
    if (job == NULL || mail == NULL) {
        crdt_free(w->alloc, job, sizeof *job);
        if (mail != NULL) {
            worker_mail_close(mail);
        }
        return false;
    }
    *job = (worker_job){.w = w, .serial = serial, .batch = batch, .mail = mail};
    mail->job = job;
    job->edit = (sync_edit){.fn = do_job, .ctx = job, .origin = CRDT_ORIGIN_EDIT};
    if (batch != NULL) {
        job->edit.who = batch->who;
        job->edit.step = batch->step;
    }
    if (batch != NULL && worker_batch_is_undo(batch)) {
        bool redo = batch->intents[0].kind == WORKER_INTENT_REDO;
        job->edit.origin = redo ? CRDT_ORIGIN_REDO : CRDT_ORIGIN_UNDO;
    }
    if (batch != NULL && worker_batch_is_dismissal(batch)) {
        job->edit.origin = CRDT_ORIGIN_HOUSEKEEPING;
        job->edit.sweep = true;
    }
    queue_job(w, job);
    worker_edit_retry(w);
    return true;
}
