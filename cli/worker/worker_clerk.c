/* Calls that wait for the node: what a program wants to know of the scene. One thread, one
 * call after the other; too many are refused. */

#include "cli/worker/chronicle.h"
#include "cli/worker/text.h"
#include "cli/worker/worker_impl.h"
#include "scene/codegen.h"
#include "scene/format.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- calls ---- */

worker_call *worker_call_open(worker *w, void (*run)(cli_job *job))
{
    worker_call *call = crdt_allocate(w->alloc, sizeof *call);
    if (call != NULL) {
        *call = (worker_call){.job = {.run = run}, .w = w};
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

/* ---- reading ---- */

/* Who is told a version finds it at the renderers' link too. */
static crdt_err look(void *ctx, const crdt_document *doc)
{
    (void)doc;
    worker_view_post(ctx);
    return CRDT_OK;
}

static void run_read(cli_job *job)
{
    worker_call *call = (worker_call *)job;
    worker *w = call->w;
    sync_node *node = worker_node_acquire(w);
    crdt_err err = CRDT_ECLOSED;
    bool always = call->read == worker_read_status || call->read == worker_read_metrics;
    if (node == NULL && always) {
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

/* NULL: no memory, and `reply` says so. */
static worker_call *open_read(worker *w, web_reply *reply,
                              crdt_err (*read)(worker_call *call, sync_node *node,
                                               crdt_buf *out))
{
    worker_call *call = worker_call_open(w, run_read);
    if (call == NULL) {
        web_reply_error(reply, 500, "out of memory");
        return NULL;
    }
    call->read = read;
    call->reply = *reply;
    crdt_buf_init(&call->reply.body, w->alloc);
    return call;
}

static void give_read(worker *w, web_reply *reply, worker_call *call)
{
    if (cli_clerk_give(&w->reader, &call->job)) {
        reply->deferred = true;
    } else {
        worker_call_close(call);
        web_reply_error(reply, 503, "too many calls wait");
    }
}

void worker_clerk_read(worker *w, web_reply *reply,
                       crdt_err (*read)(worker_call *call, sync_node *node,
                                        crdt_buf *out),
                       int format, crdt_buf *extra)
{
    worker_call *call = open_read(w, reply, read);
    if (call == NULL) {
        return;
    }
    call->format = format;
    if (extra != NULL) {
        call->extra = *extra;
        crdt_buf_init(extra, w->alloc);
    }
    give_read(w, reply, call);
}

/* ---- status ---- */

static void put_bool(worker_text *text, const char *key, bool value)
{
    worker_text_put(text, key);
    worker_text_put(text, value ? "true" : "false");
}

static void put_traffic(worker_text *text, const sync_traffic_counts *traffic)
{
    worker_text_put(text, ",\"messagesIn\":");
    worker_text_number(text, traffic->in);
    worker_text_put(text, ",\"bytesIn\":");
    worker_text_number(text, traffic->in_size);
    worker_text_put(text, ",\"messagesOut\":");
    worker_text_number(text, traffic->out);
    worker_text_put(text, ",\"bytesOut\":");
    worker_text_number(text, traffic->out_size);
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
        worker_text_put(text, ",\"version\":");
        worker_text_version(text, &peer->version);
        if (peer->heard_ms_ago != UINT64_MAX) {
            worker_text_put(text, ",\"heardMs\":");
            worker_text_number(text, peer->heard_ms_ago);
        }
        put_traffic(text, &peer->traffic);
        if (peer->trouble[0] != '\0') {
            worker_text_put(text, ",\"trouble\":");
            worker_text_string(text, crdt_span_of(peer->trouble));
        }
        worker_text_put(text, "}");
    }
    worker_text_put(text, "]");
}

static void put_number(worker_text *text, const char *key, uint64_t number)
{
    worker_text_put(text, key);
    worker_text_number(text, number);
}

static void put_since(worker_text *text, const sync_node_status *status)
{
    const sync_node_counts *since = &status->since;
    put_number(text, ",\"components\":", status->counts.parts);
    put_number(text, ",\"fields\":", status->counts.fields);
    put_number(text, ",\"held\":", status->held_back);
    put_number(text, ",\"tasks\":", since->tasks_now);
    put_number(text, ",\"since\":{\"edits\":", since->edits);
    put_number(text, ",\"batchesOut\":", since->batches_out);
    put_number(text, ",\"batchesIn\":", since->batches_in);
    put_number(text, ",\"duplicates\":", since->duplicates);
    put_number(text, ",\"answersOut\":", since->answers_out);
    put_number(text, ",\"answersIn\":", since->answers_in);
    put_number(text, ",\"commits\":", since->commits);
    put_number(text, ",\"diverged\":", since->diverged);
    put_number(text, ",\"refused\":", status->refused);
    put_traffic(text, &since->traffic);
    worker_text_put(text, "}");
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
    put_since(&text, &status);
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

/* ---- history ---- */

/* Tells whether the visits came to the end by themselves. */
typedef struct history_visit {
    worker_chronicle *chronicle;
    bool stopped;
} history_visit;

static bool visit_record(void *ctx, crdt_span record)
{
    history_visit *visit = ctx;
    visit->stopped = !worker_chronicle_visit(visit->chronicle, record);
    return !visit->stopped;
}

static crdt_err read_history(worker_call *call, sync_node *node, crdt_buf *out)
{
    const worker_chronicle_options options = {.alloc = call->w->alloc,
                                              .has_before = call->has_before,
                                              .before = call->before,
                                              .limit = (size_t)call->format};
    history_visit visit = {.chronicle = NULL};
    bool whole = false;
    crdt_err err = worker_chronicle_open(&visit.chronicle, &options);
    if (err == CRDT_OK) {
        err = sync_node_history(node, visit_record, &visit, &whole);
    }
    worker_text text = worker_text_open(out);
    text.err = err;
    worker_text_put(&text, "{\"ok\":true,");
    if (text.err == CRDT_OK) {
        text.err = worker_chronicle_write(visit.chronicle, !visit.stopped, out);
    }
    /* Older edits were made, and are not kept any more. */
    put_bool(&text, ",\"cut\":", !visit.stopped && !whole);
    worker_text_put(&text, "}");
    worker_chronicle_close(visit.chronicle);
    return text.err;
}

void worker_clerk_history(worker *w, web_reply *reply, const crdt_stamp *before,
                          uint32_t limit)
{
    worker_call *call = open_read(w, reply, read_history);
    if (call == NULL) {
        return;
    }
    call->format = (int)limit;
    call->has_before = before != NULL;
    if (before != NULL) {
        call->before = *before;
    }
    give_read(w, reply, call);
}
