/* Calls that wait for the node: what a program wants to know of the scene. One thread, one
 * call after the other; too many are refused. */

#include "cli/worker/text.h"
#include "cli/worker/wording.h"
#include "cli/worker/worker_impl.h"
#include "scene/codegen.h"
#include "scene/format.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- the queue ---- */

worker_call *worker_call_open(worker *w, void (*run)(worker_call *call))
{
    worker_call *call = crdt_allocate(w->alloc, sizeof *call);
    if (call != NULL) {
        *call = (worker_call){.w = w, .run = run};
        crdt_buf_init(&call->reply.body, w->alloc);
        crdt_buf_init(&call->extra, w->alloc);
    }
    return call;
}

void worker_call_close(worker_call *call)
{
    crdt_buf_deinit(&call->extra);
    crdt_free(call->w->alloc, call, sizeof *call);
}

bool worker_clerk_give(worker_clerk *clerk, worker_call *call)
{
    pthread_mutex_lock(&clerk->mutex);
    bool taken = clerk->count < WORKER_CLERK_MAX && !clerk->stop;
    if (taken) {
        call->next = NULL;
        *(clerk->last == NULL ? &clerk->first : &clerk->last->next) = call;
        clerk->last = call;
        clerk->count++;
        pthread_cond_signal(&clerk->wake);
    }
    pthread_mutex_unlock(&clerk->mutex);
    return taken;
}

static worker_call *next_call(worker_clerk *clerk)
{
    pthread_mutex_lock(&clerk->mutex);
    while (clerk->first == NULL && !clerk->stop) {
        pthread_cond_wait(&clerk->wake, &clerk->mutex);
    }
    worker_call *call = clerk->first;
    if (call != NULL) {
        clerk->first = call->next;
        clerk->last = clerk->first == NULL ? NULL : clerk->last;
        clerk->count--;
    }
    pthread_mutex_unlock(&clerk->mutex);
    return call;
}

static void *run_clerk(void *ctx)
{
    worker_call *call;
    while ((call = next_call(ctx)) != NULL) {
        call->run(call);
    }
    return NULL;
}

crdt_err worker_clerk_open(worker_clerk *clerk, worker *w)
{
    *clerk = (worker_clerk){.w = w};
    pthread_mutex_init(&clerk->mutex, NULL);
    pthread_cond_init(&clerk->wake, NULL);
    clerk->running = pthread_create(&clerk->thread, NULL, run_clerk, clerk) == 0;
    return clerk->running ? CRDT_OK : CRDT_ENOMEM;
}

void worker_clerk_close(worker_clerk *clerk)
{
    if (clerk->w == NULL) {
        return; /* it was not opened */
    }
    pthread_mutex_lock(&clerk->mutex);
    clerk->stop = true;
    pthread_cond_broadcast(&clerk->wake);
    pthread_mutex_unlock(&clerk->mutex);
    if (clerk->running) {
        pthread_join(clerk->thread, NULL);
    }
    pthread_mutex_destroy(&clerk->mutex);
    pthread_cond_destroy(&clerk->wake);
}

/* ---- reading ---- */

/* Who is told a version finds it at the renderers' link too. */
static crdt_err look(void *ctx, const crdt_document *doc)
{
    (void)doc;
    worker_view_post(ctx);
    return CRDT_OK;
}

static void run_read(worker_call *call)
{
    worker *w = call->w;
    sync_node *node = worker_node_acquire(w);
    crdt_err err = CRDT_ECLOSED;
    if (node == NULL && call->read == worker_read_status) {
        err = call->read(call, NULL, &call->reply.body);
    } else if (node != NULL) {
        err = call->read(call, node, &call->reply.body);
        if (err == CRDT_OK) {
            err = sync_node_read(node, look, w);
        }
        worker_node_release(w);
    }
    if (err != CRDT_OK) {
        crdt_buf_clear(&call->reply.body);
        web_reply_error(&call->reply, err == CRDT_ECLOSED ? 503 : 500, "%s",
                        err == CRDT_ECLOSED ? "the scene is being loaded"
                                            : crdt_err_text(err));
    }
    web_server_answer(w->web, &call->reply);
    worker_call_close(call);
}

void worker_clerk_read(worker *w, web_reply *reply,
                       crdt_err (*read)(worker_call *call, sync_node *node,
                                        crdt_buf *out),
                       int format, crdt_buf *extra)
{
    worker_call *call = worker_call_open(w, run_read);
    if (call == NULL) {
        web_reply_error(reply, 500, "out of memory");
        return;
    }
    call->read = read;
    call->format = format;
    call->reply = *reply;
    crdt_buf_init(&call->reply.body, w->alloc);
    if (extra != NULL) {
        call->extra = *extra;
        crdt_buf_init(extra, w->alloc);
    }
    if (worker_clerk_give(&w->reader, call)) {
        reply->deferred = true;
    } else {
        worker_call_close(call);
        web_reply_error(reply, 503, "too many calls wait");
    }
}

/* ---- status ---- */

static void put_bool(worker_text *text, const char *key, bool value)
{
    worker_text_put(text, key);
    worker_text_put(text, value ? "true" : "false");
}

static void put_peers(worker_text *text, const sync_node_status *status)
{
    static const crdt_actor nobody = {{0}};
    worker_text_put(text, ",\"peers\":[");
    for (size_t i = 0; i < status->peer_count; i++) {
        const sync_node_peer *peer = &status->peers[i];
        worker_text_put(text, i > 0 ? ",{\"url\":" : "{\"url\":");
        worker_text_string(text, crdt_span_of(peer->url));
        if (!crdt_actor_equal(&peer->actor, &nobody)) {
            worker_text_put(text, ",\"actor\":");
            worker_text_actor(text, &peer->actor);
        }
        put_bool(text, ",\"connected\":", peer->connected);
        put_bool(text, ",\"heard\":", peer->heard);
        put_bool(text, ",\"versionEqual\":", peer->version_equal);
        put_bool(text, ",\"digestEqual\":", peer->digest_equal);
        worker_text_put(text, ",\"lag\":");
        worker_text_number(text, peer->lag);
        worker_text_put(text, "}");
    }
    worker_text_put(text, "]");
}

static void put_digest(worker_text *text, crdt_digest digest)
{
    char hex[CRDT_DIGEST_TEXT_SIZE];
    crdt_digest_format(digest, hex);
    worker_text_put(text, ",\"digest\":\"");
    worker_text_put(text, hex);
    worker_text_put(text, "\"");
}

/* `node` NULL: it is being opened again. */
crdt_err worker_read_status(worker_call *call, sync_node *node, crdt_buf *out)
{
    sync_node_status status = {.lineage_known = false};
    crdt_err err = node != NULL ? sync_node_status_get(node, &status) : CRDT_OK;
    if (err != CRDT_OK) {
        return err;
    }
    worker_text text = worker_text_open(out);
    worker_text_put(&text, "{\"ok\":true,\"scene\":");
    worker_text_string(&text, crdt_span_of(call->w->options.scene));
    worker_text_put(&text, ",\"worker\":");
    worker_text_actor(&text, &status.actor);
    worker_text_put(&text, ",\"lineage\":");
    if (status.lineage_known) {
        worker_text_actor(&text, &status.lineage);
    } else {
        worker_text_put(&text, "null");
    }
    worker_text_put(&text, ",\"version\":");
    worker_text_version(&text, &status.version);
    put_digest(&text, status.digest);
    worker_text_put(&text, ",\"conflicts\":");
    worker_text_number(&text, status.counts.conflicts);
    worker_text_put(&text, ",\"storeBytes\":");
    worker_text_number(&text, status.bytes);
    worker_text_put(&text, ",\"lag\":");
    worker_text_number(&text, status.lag);
    put_bool(&text, ",\"poisoned\":", status.poisoned);
    worker_text_put(&text, ",\"url\":");
    worker_text_string(&text, crdt_span_of(status.url_count > 0 ? status.urls[0] : ""));
    put_peers(&text, &status);
    worker_text_raw(&text, crdt_buf_span(&call->extra));
    worker_text_put(&text, "}");
    if (node != NULL) {
        sync_node_status_deinit(&status);
    }
    return text.err;
}

/* ---- the scene ---- */

typedef struct scene_call {
    worker_call *call;
    crdt_buf *out;
} scene_call;

/* The tree of the view, or one made for the moment. */
static crdt_err with_tree(const worker *w, const crdt_document *doc,
                          crdt_err (*write)(const crdt_document *doc,
                                            const scene_tree *tree, scene_call *ctx),
                          scene_call *ctx)
{
    if (w->view != NULL &&
        scene_snapshot_update(worker_view_snapshot(w->view)) == CRDT_OK) {
        return write(doc, scene_snapshot_tree(worker_view_snapshot(w->view)), ctx);
    }
    scene_tree *tree = NULL;
    crdt_err err = scene_tree_open(&tree, w->alloc);
    if (err == CRDT_OK) {
        err = scene_tree_build(tree, doc);
    }
    if (err == CRDT_OK) {
        err = write(doc, tree, ctx);
    }
    scene_tree_close(tree);
    return err;
}

static crdt_err read_snapshot(void *ctx, const crdt_document *doc)
{
    scene_call *scene = ctx;
    worker *w = scene->call->w;
    if (w->view != NULL) {
        return scene_snapshot_write(worker_view_snapshot(w->view), scene->out);
    }
    return scene_materialize(doc, w->alloc, scene->out);
}

crdt_err worker_read_snapshot(worker_call *call, sync_node *node, crdt_buf *out)
{
    scene_call scene = {.call = call, .out = out};
    return sync_node_read(node, read_snapshot, &scene);
}

static crdt_err write_export(const crdt_document *doc, const scene_tree *tree,
                             scene_call *ctx)
{
    return scene_format_write(doc, (scene_format)ctx->call->format, tree,
                              ctx->call->w->alloc, ctx->out);
}

static crdt_err read_export(void *ctx, const crdt_document *doc)
{
    scene_call *scene = ctx;
    return with_tree(scene->call->w, doc, write_export, scene);
}

crdt_err worker_read_export(worker_call *call, sync_node *node, crdt_buf *out)
{
    scene_call scene = {.call = call, .out = out};
    return sync_node_read(node, read_export, &scene);
}

static crdt_err write_code(const crdt_document *doc, const scene_tree *tree,
                           scene_call *ctx)
{
    return scene_codegen_write(doc, tree, ctx->call->w->alloc, ctx->out);
}

static crdt_err read_code(void *ctx, const crdt_document *doc)
{
    scene_call *scene = ctx;
    return with_tree(scene->call->w, doc, write_code, scene);
}

crdt_err worker_read_code(worker_call *call, sync_node *node, crdt_buf *out)
{
    scene_call scene = {.call = call, .out = out};
    call->reply.type = "application/javascript";
    return sync_node_read(node, read_code, &scene);
}

/* ---- conflicts ---- */

#define CONFLICTS_MAX 10000u

typedef struct conflict_list {
    crdt_buf *out;
    uint64_t count;
    crdt_err err;
} conflict_list;

static const char *conflict_name(crdt_conflict_kind kind)
{
    switch (kind) {
    case CRDT_CONFLICT_CONCURRENT:
        return "concurrent";
    case CRDT_CONFLICT_REMOVED:
        return "removed";
    case CRDT_CONFLICT_STALE:
        break;
    }
    return "stale";
}

static bool list_conflict(void *ctx, const crdt_conflict *conflict)
{
    conflict_list *list = ctx;
    if (!scene_layout_is_entity(conflict->key.object) || list->count >= CONFLICTS_MAX) {
        return true;
    }
    const worker_conflict told = {.kind = conflict_name(conflict->kind),
                                  .entity = conflict->key.object,
                                  .part = conflict->key.part,
                                  .field = conflict->key.field,
                                  .value = conflict->loser.value,
                                  .author = conflict->loser.who,
                                  .stamp = conflict->loser.stamp};
    list->err = list->count++ == 0 ? CRDT_OK : crdt_buf_append(list->out, ",", 1);
    if (list->err == CRDT_OK) {
        list->err = worker_word_conflict_payload(&told, list->out);
    }
    return list->err == CRDT_OK;
}

static crdt_err read_conflicts(void *ctx, const crdt_document *doc)
{
    conflict_list *list = ctx;
    crdt_err err = crdt_document_conflicts(doc, list_conflict, list);
    return err == CRDT_OK ? list->err : err;
}

crdt_err worker_read_conflicts(worker_call *call, sync_node *node, crdt_buf *out)
{
    (void)call;
    conflict_list list = {.out = out};
    crdt_err err =
        crdt_buf_append_span(out, crdt_span_of("{\"ok\":true,\"conflicts\":["));
    if (err == CRDT_OK) {
        err = sync_node_read(node, read_conflicts, &list);
    }
    return err == CRDT_OK ? crdt_buf_append(out, "]}", 2) : err;
}
