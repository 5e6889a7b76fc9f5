/* A node with the loader and the saver of an edition worker and nothing else, driven by
 * lines on its standard input; what happens is told as lines of JSON. For tests of loading,
 * saving and bringing over, with any servers.
 *
 *   worker_box --scene X,Y [--store DIR] [--content URL] [--builder URL] [--project ID]
 *       [--listen URL] [--peer URL]... [--save FILE] [--autosave MS] [--retry MS]
 *       [--call MS] [--ask MS] [--who NAME]
 *
 *   set ENTITY COMPONENT FIELD JSON     remove ENTITY
 *   save [HEADER]                       force [HEADER]       one header, "Name: value"
 *   look        export        leave MS        quit */

#include "cli/report.h"
#include "cli/worker/load.h"
#include "cli/worker/rebase.h"
#include "cli/worker/save.h"
#include "scene/edit.h"
#include "scene/format.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct box {
    sync_node_options node_options;
    worker_load_options load_options;
    worker_save_options save_options;
    const char *peers[16];
    const char *listen[1];
    sync_node *node;
    worker_load *load;
    worker_save *save;
    pthread_mutex_t out; /* lines whole, and what follows */
    pthread_cond_t changed;
    pthread_mutex_t hearing; /* load, for the node's thread */
    pthread_mutex_t telling;
    pthread_mutex_t life; /* held while node and load are closed and opened again */
    bool rebase;
    bool stop;
} box;

static void put_actor(cli_report *r, const char *key, const crdt_actor *actor)
{
    cli_report_actor(r, key, actor);
}

/* What the loader knows goes to the saver. */
static void hand_over(box *b, worker_load_kind kind)
{
    worker_load_source source;
    worker_load_look(b->load, &source);
    if (source.deployed_known || b->load_options.content_url == NULL) {
        worker_save_set_project(b->save, source.project);
    }
    sync_node_status status;
    if (kind == WORKER_LOAD_SETTLED &&
        sync_node_status_get(b->node, &status) == CRDT_OK) {
        bool saved = strcmp(source.from, "builder") == 0;
        if (strcmp(source.from, "content") == 0) {
            worker_save_loaded(b->save, &status.version);
        }
        worker_save_allow(b->save, saved ? &status.version : NULL);
        worker_save_changed(b->save, &status.version);
        sync_node_status_deinit(&status);
    }
}

static void on_load(void *ctx, const worker_load_event *event)
{
    static const char *const NAMES[] = {"loading", "ready", "settled", "note",
                                        "rebase"};
    box *b = ctx;
    if (event->kind == WORKER_LOAD_SETTLED || event->kind == WORKER_LOAD_NOTE) {
        hand_over(b, event->kind);
    }
    pthread_mutex_lock(&b->out);
    cli_report r;
    cli_report_begin(&r, stdout);
    cli_report_text(&r, "event", NAMES[event->kind]);
    cli_report_text(&r, "text", event->text);
    cli_report_number(&r, "retryMs", event->retry_ms);
    cli_report_bool(&r, "failing", event->failing);
    cli_report_end(&r);
    b->rebase = b->rebase || event->kind == WORKER_LOAD_REBASE;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->out);
}

static void on_save(void *ctx, const worker_save_result *result)
{
    box *b = ctx;
    pthread_mutex_lock(&b->out);
    cli_report r;
    cli_report_begin(&r, stdout);
    cli_report_text(&r, "event", "save");
    cli_report_bool(&r, "ok", result->ok);
    put_actor(&r, "by", &result->by);
    if (result->ok) {
        cli_report_version(&r, "version", result->version);
        put_actor(&r, "lineage", &result->lineage);
    } else {
        cli_report_text(&r, "error", result->error);
        cli_report_number(&r, "retryMs", result->retry_ms);
        cli_report_bool(&r, "refused", result->refused);
    }
    cli_report_end(&r);
    pthread_mutex_unlock(&b->out);
}

static void on_done(void *ctx, const worker_save_result *result)
{
    box *b = ctx;
    pthread_mutex_lock(&b->out);
    cli_report r;
    cli_report_begin(&r, stdout);
    cli_report_text(&r, "event", "done");
    cli_report_bool(&r, "ok", result->ok);
    cli_report_text(&r, "error", result->ok ? "" : result->error);
    cli_report_end(&r);
    pthread_mutex_unlock(&b->out);
}

/* What this box tells others, as presence: "<saves>|<version>". */
static void tell_others(void *ctx)
{
    box *b = ctx;
    bool saves;
    char version[WORKER_SAVE_VERSION_SIZE];
    char text[WORKER_SAVE_VERSION_SIZE + 8];
    worker_save_tell(b->save, &saves, version);
    snprintf(text, sizeof text, "%d|%s", saves, version);
    /* Not while the node is being changed: who changes it may be waiting for us. The new
     * node will be told of. */
    if (pthread_mutex_trylock(&b->telling) == 0) {
        if (b->node != NULL) {
            (void)sync_node_presence(b->node, crdt_span_of(text));
        }
        pthread_mutex_unlock(&b->telling);
    }
}

static void on_event(void *ctx, const sync_event *event)
{
    box *b = ctx;
    pthread_mutex_lock(&b->hearing);
    if (b->load != NULL) {
        worker_load_hear(b->load, event);
    }
    pthread_mutex_unlock(&b->hearing);
    if (event->kind == SYNC_EVENT_PRESENCE) {
        char text[WORKER_SAVE_VERSION_SIZE + 8];
        snprintf(text, sizeof text, "%.*s", (int)event->value.size,
                 (const char *)event->value.data);
        worker_save_heard(b->save, &event->actor, text[0] == '1', text + 2);
    } else if (event->kind == SYNC_EVENT_LEFT) {
        worker_save_left(b->save, &event->actor);
    } else if (event->kind == SYNC_EVENT_LISTENING) {
        pthread_mutex_lock(&b->out);
        cli_report r;
        cli_report_begin(&r, stdout);
        cli_report_text(&r, "event", "listening");
        cli_report_text(&r, "url", event->url);
        cli_report_end(&r);
        pthread_mutex_unlock(&b->out);
    }
}

/* ---- editing ---- */

typedef struct words {
    char *word[5];
    size_t count;
} words;

static crdt_err make_edit(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                          crdt_diag *diag)
{
    words *w = ctx;
    scene_edit edit;
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_err err = scene_edit_open(&edit, doc, ops);
    crdt_span entity = crdt_span_of(w->word[1]);
    if (err == CRDT_OK && w->word[0][0] == 'r') {
        err = scene_edit_remove(&edit, entity, diag);
    } else if (err == CRDT_OK) {
        err = scene_json_to_value(crdt_span_of(w->word[4]), crdt_alloc_default(),
                                  &value, diag);
        if (err == CRDT_OK) {
            err = scene_edit_set_field(&edit, entity, crdt_span_of(w->word[2]),
                                       crdt_span_of(w->word[3]), crdt_buf_span(&value),
                                       diag);
        }
    }
    scene_edit_close(&edit);
    crdt_buf_deinit(&value);
    return err;
}

static void tell_version(box *b)
{
    sync_node_status status;
    if (sync_node_status_get(b->node, &status) == CRDT_OK) {
        worker_save_changed(b->save, &status.version);
        sync_node_status_deinit(&status);
    }
}

static void do_edit(box *b, words *w)
{
    sync_edit edit = {.fn = make_edit, .ctx = w, .origin = CRDT_ORIGIN_EDIT};
    sync_edit_result result;
    crdt_err err = sync_node_edit(b->node, &edit, &result);
    tell_version(b);
    pthread_mutex_lock(&b->out);
    cli_report r;
    cli_report_begin(&r, stdout);
    cli_report_text(&r, "event", "edited");
    cli_report_text(&r, "error", err == CRDT_OK ? "" : crdt_err_name(err));
    cli_report_end(&r);
    pthread_mutex_unlock(&b->out);
}

/* ---- looking ---- */

static void do_look(box *b)
{
    worker_save_status status;
    worker_load_source source;
    tell_version(b);
    worker_save_look(b->save, &status);
    worker_load_look(b->load, &source);
    sync_node_status node;
    if (sync_node_status_get(b->node, &node) != CRDT_OK) {
        return;
    }
    pthread_mutex_lock(&b->out);
    cli_report r;
    cli_report_begin(&r, stdout);
    cli_report_text(&r, "event", "look");
    cli_report_text(&r, "state", worker_save_state_name(status.state));
    cli_report_text(&r, "version", status.version);
    cli_report_text(&r, "error", status.error);
    cli_report_number(&r, "retryMs", status.retry_ms);
    cli_report_bool(&r, "mine", status.mine);
    put_actor(&r, "saver", &status.saver);
    cli_report_text(&r, "from", source.from);
    cli_report_text(&r, "project", source.project);
    cli_report_bool(&r, "settled", source.settled);
    put_actor(&r, "actor", &node.actor);
    put_actor(&r, "lineage", &node.lineage);
    cli_report_version(&r, "now", &node.version);
    cli_report_end(&r);
    pthread_mutex_unlock(&b->out);
    sync_node_status_deinit(&node);
}

static crdt_err write_state(void *ctx, const crdt_document *doc)
{
    return scene_format_write(doc, SCENE_FORMAT_STATE, NULL, crdt_alloc_default(), ctx);
}

static void do_export(box *b)
{
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    if (sync_node_read(b->node, write_state, &text) == CRDT_OK) {
        pthread_mutex_lock(&b->out);
        printf("{\"event\":\"export\",\"scene\":%.*s}\n", (int)text.size,
               (const char *)text.data);
        fflush(stdout);
        pthread_mutex_unlock(&b->out);
    }
    crdt_buf_deinit(&text);
}

/* ---- life ---- */

static void say_error(box *b, const char *what, crdt_err err, const crdt_diag *diag)
{
    pthread_mutex_lock(&b->out);
    cli_report r;
    cli_report_begin(&r, stdout);
    cli_report_text(&r, "event", "error");
    cli_report_text(&r, "what", what);
    cli_report_text(&r, "error", crdt_err_name(err));
    cli_report_text(&r, "text", diag->text);
    cli_report_end(&r);
    pthread_mutex_unlock(&b->out);
}

static bool begin(box *b)
{
    crdt_diag diag = {0};
    sync_node *node = NULL;
    crdt_err err = sync_node_open(&node, &b->node_options, &diag);
    if (err != CRDT_OK) {
        say_error(b, "open", err, &diag);
        return false;
    }
    pthread_mutex_lock(&b->telling);
    b->node = node;
    pthread_mutex_unlock(&b->telling);
    worker_save_set_node(b->save, node);
    b->load_options.node = b->node;
    b->load_options.node_options = &b->node_options;
    pthread_mutex_lock(&b->hearing);
    err = worker_load_open(&b->load, &b->load_options, &diag);
    pthread_mutex_unlock(&b->hearing);
    if (err != CRDT_OK) {
        say_error(b, "begin", err, &diag);
    }
    return err == CRDT_OK;
}

/* Bring the store over, and begin again. */
static bool rebase(box *b)
{
    pthread_mutex_lock(&b->telling);
    sync_node *node = b->node;
    b->node = NULL;
    worker_save_set_node(b->save, NULL);
    sync_node_close(node);
    worker_rebase_report report;
    crdt_diag diag = {0};
    crdt_err err = worker_load_rebase(b->load, &report, &diag);
    worker_load *load = b->load;
    pthread_mutex_lock(&b->hearing);
    b->load = NULL;
    pthread_mutex_unlock(&b->hearing);
    worker_load_close(load);
    pthread_mutex_unlock(&b->telling);
    if (err != CRDT_OK) {
        say_error(b, "rebase", err, &diag);
    } else {
        if (report.living_url[0] != '\0' && b->node_options.peer_count < 16) {
            b->peers[b->node_options.peer_count++] = strdup(report.living_url);
            b->node_options.peer_urls = b->peers;
        }
        pthread_mutex_lock(&b->out);
        fwrite(report.text, 1, report.text_size, stdout);
        fflush(stdout);
        pthread_mutex_unlock(&b->out);
    }
    worker_rebase_report_deinit(&report);
    return begin(b);
}

/* Tells the saver how far the document is, and waits for the loader to want a rebase. */
static void *attend(void *ctx)
{
    box *b = ctx;
    for (bool good = true; good;) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_mutex_lock(&b->out);
        if (!b->rebase && !b->stop) {
            pthread_cond_timedwait(&b->changed, &b->out, &until);
        }
        bool stop = b->stop;
        bool due = b->rebase;
        b->rebase = false;
        pthread_mutex_unlock(&b->out);
        if (stop) {
            return NULL;
        }
        pthread_mutex_lock(&b->life);
        good = due ? rebase(b) : true;
        tell_version(b);
        pthread_mutex_unlock(&b->life);
    }
    return NULL;
}

static size_t split(char *line, words *w, size_t most)
{
    *w = (words){.count = 0};
    line[strcspn(line, "\n")] = '\0';
    char *at = line;
    while (*at != '\0' && w->count < most) {
        w->word[w->count++] = at;
        char *space = w->count < most ? strchr(at, ' ') : NULL;
        if (space == NULL) {
            break;
        }
        *space = '\0';
        at = space + 1;
    }
    return w->count;
}

static bool obey(box *b, char *line)
{
    words w;
    bool save = strncmp(line, "save", 4) == 0 || strncmp(line, "force", 5) == 0;
    if (split(line, &w, save ? 2 : 5) == 0) {
        return true;
    }
    if (strcmp(w.word[0], "set") == 0 || strcmp(w.word[0], "remove") == 0) {
        do_edit(b, &w);
    } else if (save) {
        const char *headers[2] = {w.count > 1 ? w.word[1] : NULL, NULL};
        worker_save_request(b->save, w.count > 1 ? headers : NULL, line[0] == 'f',
                            on_done, b);
    } else if (strcmp(w.word[0], "look") == 0) {
        do_look(b);
    } else if (strcmp(w.word[0], "export") == 0) {
        do_export(b);
    } else if (strcmp(w.word[0], "leave") == 0) {
        bool all = worker_save_leave(b->save, (uint32_t)atoi(w.word[1]));
        pthread_mutex_lock(&b->out);
        printf("{\"event\":\"left\",\"saved\":%s}\n", all ? "true" : "false");
        fflush(stdout);
        pthread_mutex_unlock(&b->out);
    } else if (strcmp(w.word[0], "quit") == 0) {
        return false;
    }
    return true;
}

static bool parse(box *b, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i];
        const char *value = argv[i + 1];
        if (strcmp(name, "--scene") == 0) {
            b->node_options.scene = b->load_options.scene = value;
        } else if (strcmp(name, "--store") == 0) {
            b->node_options.store_dir = value;
        } else if (strcmp(name, "--content") == 0) {
            b->load_options.content_url = value;
        } else if (strcmp(name, "--builder") == 0) {
            b->load_options.builder_url = b->save_options.builder_url = value;
        } else if (strcmp(name, "--project") == 0) {
            b->load_options.project = b->save_options.project = value;
        } else if (strcmp(name, "--listen") == 0) {
            b->listen[0] = value;
            b->node_options.listen_urls = b->listen;
            b->node_options.listen_count = 1;
        } else if (strcmp(name, "--peer") == 0 && b->node_options.peer_count < 16) {
            b->peers[b->node_options.peer_count++] = value;
            b->node_options.peer_urls = b->peers;
        } else if (strcmp(name, "--save") == 0) {
            b->save_options.file = value;
        } else if (strcmp(name, "--autosave") == 0) {
            b->save_options.autosave_ms = (uint32_t)atoi(value);
        } else if (strcmp(name, "--retry") == 0) {
            b->load_options.retry_ms_min = b->save_options.retry_ms_min =
                (uint32_t)atoi(value);
        } else if (strcmp(name, "--call") == 0) {
            b->load_options.call_ms = b->save_options.call_ms = (uint32_t)atoi(value);
        } else if (strcmp(name, "--ask") == 0) {
            b->load_options.ask_ms = (uint32_t)atoi(value);
        } else if (strcmp(name, "--who") == 0) {
            b->node_options.who = value;
        } else {
            return false;
        }
    }
    return b->load_options.scene != NULL;
}

int main(int argc, char **argv)
{
    static box b;
    b.node_options = sync_node_options_default();
    b.load_options = worker_load_options_default();
    b.save_options = worker_save_options_default();
    b.node_options.on_event = on_event;
    b.node_options.event_ctx = &b;
    b.load_options.ask_ms = 30000; /* machines of tests are slow */
    b.load_options.on_event = on_load;
    b.load_options.ctx = &b;
    b.save_options.on_result = on_save;
    b.save_options.on_change = tell_others;
    b.save_options.ctx = &b;
    pthread_mutex_init(&b.out, NULL);
    pthread_mutex_init(&b.hearing, NULL);
    pthread_mutex_init(&b.telling, NULL);
    pthread_mutex_init(&b.life, NULL);
    pthread_cond_init(&b.changed, NULL);
    if (!parse(&b, argc, argv)) {
        fprintf(stderr, "usage: see the source\n");
        return 2;
    }
    crdt_diag diag = {0};
    if (b.node_options.store_dir != NULL) {
        bool finished;
        crdt_err err = worker_rebase_finish(b.node_options.store_dir, &finished, &diag);
        if (err != CRDT_OK) {
            say_error(&b, "finish", err, &diag);
        }
    }
    if (worker_save_open(&b.save, &b.save_options) != CRDT_OK || !begin(&b)) {
        return 1;
    }
    pthread_t attendant;
    pthread_create(&attendant, NULL, attend, &b);
    char line[65536];
    for (bool more = true; more && fgets(line, sizeof line, stdin) != NULL;) {
        pthread_mutex_lock(&b.life);
        more = obey(&b, line);
        pthread_mutex_unlock(&b.life);
    }
    pthread_mutex_lock(&b.out);
    b.stop = true;
    pthread_cond_broadcast(&b.changed);
    pthread_mutex_unlock(&b.out);
    pthread_join(attendant, NULL);
    worker_load_close(b.load);
    pthread_mutex_lock(&b.telling);
    sync_node *node = b.node;
    b.node = NULL;
    pthread_mutex_unlock(&b.telling);
    worker_save_set_node(b.save, NULL);
    sync_node_close(node);
    worker_save_close(b.save);
    return 0;
}
