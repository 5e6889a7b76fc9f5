/* The conflicts that stand: what the document holds of them (standing), and the clashes of
 * edits that had not seen each other, which it does not hold (clashes).
 *
 *      node's thread    batches ──▶ clashes ─┐
 *                       view ─────▶ standing ┴──▶ list ──▶ mail
 *      desk             mail ──▶ text ──▶ each renderer, once it has the whole scene
 *
 * The list is made when something in it may be another, at most twice a second. */

#include "cli/worker/dismissal.h"
#include "cli/worker/text.h"
#include "cli/worker/worker_impl.h"
#include "scene/scene.h"

#define LIST_MS 500u               /* between two lists, at least */
#define TOLD_MAX 500u              /* conflicts told to renderers */
#define TOLD_SIZE_MAX (128u << 10) /* bytes of them, less than a renderer's notices */
#define READ_MAX 10000u            /* conflicts that a program gets */
#define READ_SIZE_MAX (16u << 20)

/* ---- keeping ---- */

/* Some came or went. */
static void clashes_changed(worker_conflicts *c)
{
    c->clash_revision++;
    atomic_store(&c->kept, c->clashes.count);
}

void worker_conflicts_keep(worker *w, const worker_clash *clash, crdt_span by,
                           const crdt_stamp *until)
{
    worker_conflicts *c = &w->conflicts;
    if (worker_clashes_add(&c->clashes, clash, by, until, worker_now_ms()) != CRDT_OK) {
        worker_note(w, "out of memory: a clash of edits is not kept");
        return;
    }
    clashes_changed(c);
}

crdt_err worker_conflicts_write(worker *w, const worker_batch *batch,
                                const crdt_document *doc, crdt_op_list *ops,
                                crdt_diag *diag)
{
    const worker_clash_choice choice = worker_clash_choice_of(&batch->intents[0]);
    if (w->view == NULL) {
        return CRDT_ECLOSED; /* the next node does it */
    }
    scene_snapshot *snapshot = worker_view_snapshot(w->view);
    crdt_err err = scene_snapshot_update(snapshot);
    return err != CRDT_OK ? err
                          : worker_dismissal_write(doc, scene_snapshot_tree(snapshot),
                                                   &choice, ops, diag);
}

void worker_conflicts_dismiss(worker *w, const worker_batch *batch)
{
    const worker_clash_choice choice = worker_clash_choice_of(&batch->intents[0]);
    if (worker_clashes_dismiss(&w->conflicts.clashes, &choice) > 0) {
        clashes_changed(&w->conflicts);
    }
}

void worker_conflicts_touch(worker *w)
{
    w->conflicts.touched = true;
}

void worker_conflicts_again(worker *w)
{
    w->conflicts.touched = true;
    w->conflicts.told_standing = 0;
}

static void check_clashes(worker *w)
{
    worker_conflicts *c = &w->conflicts;
    if (c->touched && worker_clashes_check(&c->clashes, worker_view_document(w->view),
                                           worker_now_ms())) {
        clashes_changed(c);
    }
    c->touched = false;
}

/* ---- listing ---- */

typedef struct conflict_list {
    crdt_buf *out;
    size_t count;
    size_t count_max;
    size_t size_max;
    uint64_t left_out;
    crdt_err err;
} conflict_list;

static bool list_one(void *ctx, const worker_conflict *conflict)
{
    conflict_list *list = ctx;
    size_t before = list->out->size;
    if (list->count == list->count_max || list->left_out > 0) {
        list->left_out++;
        return true;
    }
    if (list->count > 0) {
        list->err = crdt_buf_append(list->out, ",", 1);
    }
    if (list->err == CRDT_OK) {
        list->err = worker_word_conflict_payload(conflict, list->out);
    }
    if (list->err == CRDT_OK && list->out->size > list->size_max) {
        list->out->size = before;
        list->left_out++;
    } else {
        list->count++;
    }
    return list->err == CRDT_OK;
}

/* The newest first. */
static void list_clashes(const worker_clashes *clashes, conflict_list *list)
{
    for (size_t i = clashes->count; i > 0 && list->err == CRDT_OK; i--) {
        const worker_kept_clash *item = &clashes->items[i - 1];
        const worker_conflict told = {.kind = item->told.removed ? "removed" : "stale",
                                      .entity = item->told.entity,
                                      .part = item->told.part,
                                      .field = item->told.field,
                                      .value = item->told.value,
                                      .author = item->told.author,
                                      .stamp = item->told.stamp,
                                      .by = item->by};
        list_one(list, &told);
    }
}

/* Append `"conflicts":[...]`, and `"more"` where some were left out. In the node's thread,
 * the view being up to date. */
static crdt_err write_list(worker *w, size_t count_max, size_t size_max, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    conflict_list list = {
        .out = out, .count_max = count_max, .size_max = out->size + size_max};
    worker_text_put(&text, "\"conflicts\":[");
    list.err = text.err;
    list_clashes(&w->conflicts.clashes, &list);
    if (list.err == CRDT_OK) {
        crdt_err err = worker_standing_visit(
            worker_view_standing(w->view), worker_view_document(w->view),
            scene_snapshot_tree(worker_view_snapshot(w->view)), list_one, &list);
        list.err = list.err == CRDT_OK ? err : list.err;
    }
    text.err = list.err;
    worker_text_put(&text, "]");
    if (list.left_out > 0) {
        worker_text_put(&text, ",\"more\":");
        worker_text_number(&text, list.left_out);
    }
    return text.err;
}

static crdt_err write_event(worker *w, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    worker_text_put(&text, "{\"eventType\":\"Conflicts\",\"payload\":{");
    if (text.err == CRDT_OK) {
        text.err = write_list(w, TOLD_MAX, TOLD_SIZE_MAX, out);
    }
    worker_text_put(&text, "}}");
    return text.err;
}

/* May the list be another than the one that was posted last? */
static bool is_stale(const worker *w)
{
    const worker_conflicts *c = &w->conflicts;
    return worker_view_standing(w->view)->revision != c->told_standing ||
           c->clash_revision != c->told_clashes || (c->touched && c->clashes.count > 0);
}

void worker_conflicts_post(worker *w)
{
    worker_conflicts *c = &w->conflicts;
    uint64_t now = worker_now_ms();
    if (!is_stale(w)) {
        atomic_store(&c->due_ms, 0);
        return;
    }
    if (c->told_standing != 0 && now < c->listed_ms + LIST_MS) {
        atomic_store(&c->due_ms, c->listed_ms + LIST_MS);
        return;
    }
    atomic_store(&c->due_ms, now + LIST_MS); /* again, if there is no memory now */
    check_clashes(w);
    c->listed_ms = now;
    worker_mail *mail = worker_mail_open(&w->mailbox, WORKER_MAIL_CONFLICTS);
    if (mail == NULL) {
        return;
    }
    if (write_event(w, &mail->text) != CRDT_OK) {
        worker_mail_close(mail);
        return;
    }
    c->told_standing = worker_view_standing(w->view)->revision;
    c->told_clashes = c->clash_revision;
    atomic_store(&c->due_ms, 0);
    worker_post(w, mail);
}

bool worker_conflicts_due(const worker *w, uint64_t now_ms)
{
    uint64_t due = atomic_load(&w->conflicts.due_ms);
    return due != 0 && due <= now_ms;
}

/* ---- at the desk ---- */

void worker_conflicts_take(worker *w, worker_mail *mail)
{
    worker_conflicts *c = &w->conflicts;
    if (c->revision > 0 &&
        crdt_span_equal(crdt_buf_span(&c->text), crdt_buf_span(&mail->text))) {
        return;
    }
    crdt_buf text = c->text;
    c->text = mail->text;
    mail->text = text;
    c->revision++;
}

bool worker_conflicts_wait(const worker *w, const worker_link *link)
{
    return link->conflicts_revision < w->conflicts.revision &&
           worker_session_finished(link->session) &&
           worker_session_room(link->session, w->conflicts.text.size);
}

void worker_conflicts_tell(worker *w, worker_link *link)
{
    if (worker_conflicts_wait(w, link) &&
        worker_session_tell(link->session, crdt_buf_span(&w->conflicts.text))) {
        link->conflicts_revision = w->conflicts.revision;
    }
}

/* ---- for programs ---- */

typedef struct read_list {
    worker *w;
    crdt_buf *out;
} read_list;

static crdt_err read_conflicts(void *ctx, const crdt_document *doc)
{
    read_list *list = ctx;
    (void)doc;
    if (list->w->view == NULL) {
        return CRDT_ECLOSED;
    }
    worker_view_post(list->w); /* the view is as the document */
    check_clashes(list->w);
    return write_list(list->w, READ_MAX, READ_SIZE_MAX, list->out);
}

crdt_err worker_read_conflicts(worker_call *call, sync_node *node, crdt_buf *out)
{
    read_list list = {.w = call->w, .out = out};
    crdt_err err = crdt_buf_append_span(out, crdt_span_of("{\"ok\":true,"));
    if (err == CRDT_OK) {
        err = sync_node_read(node, read_conflicts, &list);
    }
    return err == CRDT_OK ? crdt_buf_append(out, "}", 1) : err;
}

/* ---- for verbs ---- */

typedef struct clash_visit {
    worker *w;
    cli_clash_fn visit; /* NULL: let go of all */
    void *ctx;
} clash_visit;

/* What shows instead of a value that was replaced. */
static crdt_entry shown_instead(const crdt_document *doc, const worker_clash *clash)
{
    scene_component component;
    scene_field field;
    crdt_entry entry = {.stamp = {0}};
    if (!clash->removed &&
        scene_component_find(doc, clash->entity, clash->part, &component) &&
        scene_component_field(&component, clash->field, &field)) {
        entry =
            (crdt_entry){.stamp = field.stamp, .who = field.who, .value = field.value};
    }
    return entry;
}

static crdt_err visit_clashes(void *ctx, const crdt_document *doc)
{
    clash_visit *call = ctx;
    worker_conflicts *c = &call->w->conflicts;
    bool more = true;
    if (call->w->view != NULL) {
        worker_view_post(call->w);
        check_clashes(call->w);
    }
    for (size_t i = c->clashes.count; i > 0 && more && call->visit != NULL; i--) {
        const worker_clash *told = &c->clashes.items[i - 1].told;
        crdt_conflict conflict = {
            .kind = CRDT_CONFLICT_STALE,
            .key = crdt_key_field(told->entity, told->part, told->field),
            .loser = {.stamp = told->stamp, .who = told->author, .value = told->value},
            .winner = shown_instead(doc, told)};
        more = call->visit(call->ctx, told->removed ? "removed" : "stale", &conflict);
    }
    if (call->visit == NULL && c->clashes.count > 0) {
        worker_clashes_clear(&c->clashes);
        clashes_changed(c);
        if (call->w->view != NULL) {
            worker_conflicts_post(call->w);
        }
    }
    return CRDT_OK;
}

static crdt_err call_clashes(worker *w, cli_clash_fn visit, void *ctx)
{
    clash_visit call = {.w = w, .visit = visit, .ctx = ctx};
    sync_node *node = worker_node_acquire(w);
    if (node == NULL) {
        return CRDT_ECLOSED;
    }
    crdt_err err = sync_node_read(node, visit_clashes, &call);
    worker_node_release(w);
    return err;
}

crdt_err worker_conflicts_visit(void *ctx, cli_clash_fn visit, void *visit_ctx)
{
    return call_clashes(ctx, visit, visit_ctx);
}

crdt_err worker_conflicts_forget(void *ctx)
{
    return call_clashes(ctx, NULL, NULL);
}
