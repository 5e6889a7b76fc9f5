/* Where the scene comes from and where it goes: loader and saver wired to node and desk.
 *
 *   loader's thread   READY: the view is made, renderers are shown the scene
 *                     REBASE: the main thread closes the node and opens it again
 *   saver's thread    results to the renderers, what is told to other workers
 *   node's thread     what the node says, to the loader; what changed, to the saver */

#include "cli/worker/rebase.h"
#include "cli/worker/text.h"
#include "cli/worker/wording.h"
#include "cli/worker/worker_impl.h"

#include <stdio.h>
#include <unistd.h>

#define CLASHES_MAX 1000u      /* told after a rebase; its report has all */
#define REBASE_AGAIN_MS 30000u /* after one that failed */

/* ---- loading ---- */

static void tell(worker *w, worker_mail_kind kind, const char *state, const char *text)
{
    worker_post_text(w, kind, state, crdt_span_of(text));
}

/* The node holds the scene: show it. */
static void on_ready(worker *w, sync_node *node)
{
    crdt_err err = worker_view_attach(w, node);
    if (err != CRDT_OK) {
        worker_note(w, "the scene cannot be shown: %s", crdt_err_text(err));
        atomic_store(&w->failed, true);
        worker_wake_main(w);
        return;
    }
    worker_save_set_node(w->save, node);
    tell(w, WORKER_MAIL_STATE, "editing", "");
}

/* What is deployed may have become known, also after the scene is there. False: there is no
 * loader any more. */
static bool learn_project(worker *w, worker_load_source *source)
{
    pthread_mutex_lock(&w->load_mutex);
    worker_load *load = w->load;
    pthread_mutex_unlock(&w->load_mutex);
    if (load == NULL) {
        return false;
    }
    worker_load_look(load, source);
    if (source->project[0] != '\0' || source->deployed_known) { /* "": it has none */
        worker_save_set_project(w->save, source->project);
    }
    return true;
}

/* It is known how this store relates to what is deployed. */
static void on_settled(worker *w)
{
    worker_load_source source;
    if (learn_project(w, &source)) {
        bool from_builder = strcmp(source.from, "builder") == 0;
        if (strcmp(source.from, "content") == 0 || strcmp(source.from, "empty") == 0) {
            worker_save_loaded(w->save, &w->loaded);
        }
        worker_save_allow(w->save, from_builder ? &w->loaded : NULL);
    }
}

static void on_note(worker *w, const char *text)
{
    worker_load_source source;
    (void)learn_project(w, &source);
    if (text[0] != '\0') {
        tell(w, WORKER_MAIL_TEXT, NULL, text);
    }
}

static void on_load(void *ctx, const worker_load_event *event)
{
    worker *w = ctx;
    switch (event->kind) {
    case WORKER_LOAD_LOADING:
        tell(w, WORKER_MAIL_TEXT, NULL, event->text);
        break;
    case WORKER_LOAD_READY:
        on_ready(w, w->load_node);
        break;
    case WORKER_LOAD_SETTLED:
        on_settled(w);
        break;
    case WORKER_LOAD_NOTE:
        on_note(w, event->text);
        break;
    case WORKER_LOAD_REBASE:
        worker_note(w, "%s", event->text);
        atomic_store(&w->rebase, true);
        worker_wake_main(w);
        break;
    }
    if (event->failing) {
        worker_note(w, "%s", event->text);
    }
}

/* In the node's thread. */
void worker_scene_hear(worker *w, const sync_event *event)
{
    pthread_mutex_lock(&w->load_mutex);
    if (w->load != NULL) {
        worker_load_hear(w->load, event);
    }
    pthread_mutex_unlock(&w->load_mutex);
}

static uint64_t seed_of(const worker *w)
{
    uint64_t seed = worker_wall_ms();
    for (const char *at = w->instance; *at != '\0'; at++) {
        seed = seed * 31 + (uint64_t)*at;
    }
    return seed;
}

crdt_err worker_scene_load(worker *w, sync_node *node, crdt_diag *diag)
{
    worker_load_options options = worker_load_options_default();
    options.alloc = w->alloc;
    options.node = node;
    options.scene = w->options.scene;
    options.content_url = w->options.content_url;
    options.builder_url = w->options.builder_url;
    options.project = w->options.project;
    options.seed = seed_of(w);
    options.rebase_after_ms = w->rebase_after_ms;
    options.node_options = &w->options.node;
    options.on_event = on_load;
    options.ctx = w;
    w->load_node = node;
    /* Its events may come before this returns: they wait at the mutex. */
    worker_load *load = NULL;
    pthread_mutex_lock(&w->load_mutex);
    crdt_err err = worker_load_open(&load, &options, diag);
    w->load = err == CRDT_OK ? load : NULL;
    pthread_mutex_unlock(&w->load_mutex);
    return err;
}

static worker_load *take_load(worker *w)
{
    pthread_mutex_lock(&w->load_mutex);
    worker_load *load = w->load;
    w->load = NULL;
    pthread_mutex_unlock(&w->load_mutex);
    return load;
}

void worker_scene_unload(worker *w)
{
    worker_load_close(take_load(w));
}

/* What the living edition and this store both had changed, to the renderers. */
static void tell_clashes(worker *w, const worker_rebase_plan *plan)
{
    for (size_t i = 0; i < plan->clash_count && i < CLASHES_MAX; i++) {
        const worker_rebase_clash *clash = &plan->clashes[i];
        if (!scene_layout_is_entity(clash->key.object)) {
            continue;
        }
        bool gone = clash->kind == WORKER_REBASE_GONE;
        const worker_conflict told = {
            .kind = gone || clash->kind == WORKER_REBASE_REMOVED ? "removed" : "stale",
            .entity = clash->key.object,
            .part = clash->key.part,
            .field = clash->key.field,
            .value = gone ? clash->ours : clash->theirs,
            .author = gone ? clash->who : clash->their_who,
            .stamp = clash->their_stamp,
            .by = gone ? clash->their_who : clash->who};
        const worker_clash kept = {.removed = told.kind[0] == 'r',
                                   .entity = told.entity,
                                   .part = told.part,
                                   .field = told.field,
                                   .value = told.value,
                                   .author = told.author,
                                   .stamp = told.stamp};
        worker_conflicts_keep(w, &kept, told.by, NULL);
        worker_mail *mail = worker_mail_open(&w->mailbox, WORKER_MAIL_EVENT);
        if (mail != NULL && worker_word_conflict(&told, &mail->text) == CRDT_OK) {
            worker_post(w, mail);
        } else if (mail != NULL) {
            worker_mail_close(mail);
        }
    }
}

/* The node is opened again at the port it had, and dials who was joined. */
static void keep_reachable(worker *w, const char *living_url)
{
    sync_node_options *node = &w->options.node;
    if (node->listen_count > 0 && w->peer_url[0] != '\0') {
        snprintf(w->listen_url, sizeof w->listen_url, "%s", w->peer_url);
        for (size_t i = 0; i < node->listen_count && i < WORKER_URLS_MAX; i++) {
            w->listen_urls[i] = i == 0 ? w->listen_url : node->listen_urls[i];
        }
        node->listen_urls = w->listen_urls;
    }
    if (living_url[0] != '\0' && node->peer_count + 1 < WORKER_URLS_MAX) {
        snprintf(w->living_url, sizeof w->living_url, "%s", living_url);
        bool known = node->peer_urls == w->peer_urls;
        for (size_t i = 0; i < node->peer_count; i++) {
            w->peer_urls[i] = node->peer_urls[i];
        }
        node->peer_count -= known ? 1 : 0; /* the one joined before */
        w->peer_urls[node->peer_count++] = w->living_url;
        node->peer_urls = w->peer_urls;
    }
}

/* The main thread's: renderers keep what they see and go on; their edits wait. */
crdt_err worker_scene_rebase(worker *w, crdt_diag *diag)
{
    worker_rebase_report report = {.done = false};
    worker_load *load = take_load(w);
    tell(w, WORKER_MAIL_STATE, "loading",
         "unsaved edits are taken over into the scene");
    worker_save_set_node(w->save, NULL);
    crdt_err err = worker_node_close(w);
    if (err == CRDT_OK && load != NULL) {
        crdt_diag why = {0};
        crdt_err rebased = worker_load_rebase(load, &report, &why);
        if (rebased != CRDT_OK) {
            worker_note(w, "the store could not be rebased now: %s", why.text);
            w->rebase_after_ms = REBASE_AGAIN_MS;
        } else {
            w->rebase_after_ms = 0;
            keep_reachable(w, report.living_url);
            tell_clashes(w, &report.plan);
            worker_note(w, "rebased: %zu operations made again, %zu clashes; %s",
                        report.op_count, report.clash_count, report.archive);
        }
        worker_rebase_report_deinit(&report);
    }
    worker_load_close(load);
    return err == CRDT_OK ? worker_node_open(w, diag) : err;
}

/* ---- saving ---- */

static void put_result(worker_text *text, const worker_save_result *result)
{
    worker_text_put(text, result->ok ? "{\"ok\":true" : "{\"ok\":false");
    if (result->ok) {
        worker_text_put(text, ",\"version\":");
        worker_text_version(text, result->version);
        worker_text_put(text, ",\"lineage\":");
        worker_text_actor(text, &result->lineage);
        worker_text_put(text, ",\"by\":");
        worker_text_actor(text, &result->by);
        worker_text_put(text, ",\"where\":");
        worker_text_string(text, crdt_span_of(result->where));
        worker_text_put(text, ",\"at\":");
        worker_text_number(text, result->at_ms);
    } else {
        worker_text_put(text, ",\"error\":");
        worker_text_string(text, crdt_span_of(result->error));
        if (result->retry_ms > 0) {
            worker_text_put(text, ",\"retryMs\":");
            worker_text_number(text, result->retry_ms);
        }
        worker_text_put(text, result->refused ? ",\"refused\":true" : "");
    }
    worker_text_put(text, "}");
}

static crdt_err write_result(const worker_save_result *result, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    worker_text_put(&text, "{\"eventType\":\"SaveResult\",\"payload\":");
    put_result(&text, result);
    worker_text_put(&text, "}");
    return text.err;
}

/* From the saver's thread, to everybody. */
static void on_result(void *ctx, const worker_save_result *result)
{
    worker *w = ctx;
    worker_mail *mail = worker_mail_open(&w->mailbox, WORKER_MAIL_EVENT);
    if (mail == NULL) {
        return;
    }
    if (write_result(result, &mail->text) == CRDT_OK) {
        worker_post(w, mail);
    } else {
        worker_mail_close(mail);
    }
}

static void on_change(void *ctx)
{
    worker *w = ctx;
    worker_mail *mail = worker_mail_open(&w->mailbox, WORKER_MAIL_SAVER);
    if (mail != NULL) {
        worker_post(w, mail);
    }
}

crdt_err worker_scene_open_saver(worker *w)
{
    worker_save_options options = worker_save_options_default();
    options.alloc = w->alloc;
    options.builder_url = w->options.builder_url;
    options.project = w->options.project;
    options.file = w->options.save_file;
    options.autosave_ms = w->options.autosave_ms;
    options.seed = seed_of(w);
    options.on_result = on_result;
    options.on_change = on_change;
    options.ctx = w;
    return worker_save_open(&w->save, &options);
}

/* ---- saving because somebody asks ---- */

/* Who is to be answered: a renderer (`serial`), or a program (`token`). */
typedef struct save_wish {
    worker *w;
    uint64_t serial;
    crdt_buf id;
    web_reply reply;
} save_wish;

static void answer_renderer(save_wish *wish, const worker_save_result *result)
{
    worker *w = wish->w;
    worker_mail *told = worker_mail_open(&w->mailbox, WORKER_MAIL_RESULT);
    if (told != NULL) {
        told->serial = wish->serial;
        if (write_result(result, &told->text) == CRDT_OK) {
            worker_post(w, told);
        } else {
            worker_mail_close(told);
        }
    }
    worker_mail *mail = worker_mail_open(&w->mailbox, WORKER_MAIL_ANSWER);
    if (mail == NULL || wish->id.size == 0) {
        if (mail != NULL) {
            worker_mail_close(mail);
        }
        return;
    }
    mail->serial = wish->serial;
    mail->code = result->ok ? NULL : result->refused ? "forbidden" : "failed";
    crdt_buf_deinit(&mail->id);
    mail->id = wish->id;
    crdt_buf_init(&wish->id, w->alloc);
    crdt_buf_append_span(&mail->text, crdt_span_of(result->ok ? "" : result->error));
    worker_post(w, mail);
}

static void answer_program(save_wish *wish, const worker_save_result *result)
{
    crdt_buf_init(&wish->reply.body, wish->w->alloc);
    worker_text text = worker_text_open(&wish->reply.body);
    put_result(&text, result);
    wish->reply.status = result->ok ? 200 : result->refused ? 403 : 502;
    if (text.err != CRDT_OK) {
        web_reply_error(&wish->reply, 500, "out of memory");
    }
    web_server_answer(wish->w->web, &wish->reply);
}

static void on_wish_done(void *ctx, const worker_save_result *result)
{
    save_wish *wish = ctx;
    if (wish->serial != 0) {
        answer_renderer(wish, result);
    } else {
        answer_program(wish, result);
    }
    crdt_buf_deinit(&wish->id);
    crdt_free(wish->w->alloc, wish, sizeof *wish);
}

crdt_err worker_scene_save(worker *w, uint64_t serial, crdt_span id,
                           const web_reply *reply, const char *const *headers,
                           bool force)
{
    save_wish *wish = crdt_allocate(w->alloc, sizeof *wish);
    if (wish == NULL) {
        return CRDT_ENOMEM;
    }
    *wish = (save_wish){.w = w, .serial = serial};
    crdt_buf_init(&wish->id, w->alloc);
    if (reply != NULL) {
        wish->reply = *reply;
    }
    crdt_err err = crdt_buf_append_span(&wish->id, id);
    if (err == CRDT_OK) {
        err = worker_save_request(w->save, headers, force, on_wish_done, wish);
    }
    if (err != CRDT_OK) {
        crdt_buf_deinit(&wish->id);
        crdt_free(w->alloc, wish, sizeof *wish);
    }
    return err;
}

/* ---- what workers tell each other of saving ---- */

void worker_hear_saver(worker *w, const crdt_actor *actor,
                       const worker_presence_worker *told)
{
    worker_save_heard(w->save, actor, told->saves, told->saved);
}

crdt_err worker_write_presence(worker *w, crdt_buf *out)
{
    char saved[WORKER_SAVE_VERSION_SIZE];
    bool saves;
    worker_save_tell(w->save, &saves, saved);
    return worker_presence_write(w->presence, saves, crdt_span_of(saved),
                                 SYNC_NODE_PRESENCE_SIZE_MAX, out);
}
