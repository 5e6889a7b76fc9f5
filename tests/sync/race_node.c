/* Everything a node offers, from many threads at once, for ThreadSanitizer: edits that
 * wait and edits that do not, reads, status, history, watches that come and go, presence,
 * listeners, peers that come and go, with a key and without. Ends by itself; exits 0 when both nodes hold the same. */

#include "crdt/value.h"
#include "sync/crypto.h"
#include "tests/sync/node_box.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EDITORS 4
#define EDITS 40

typedef struct editor {
    node_box *box;
    unsigned number;
} editor;

static void die(const char *what)
{
    fprintf(stderr, "FAILED: %s\n", what);
    exit(1);
}

static void *edit_and_wait(void *ctx)
{
    editor *e = ctx;
    for (int64_t i = 0; i < EDITS; i++) {
        char field[16];
        snprintf(field, sizeof field, "f%u", (unsigned)i % 5);
        crdt_err err = box_set(e->box, "shared", field, i * 10 + e->number, NULL);
        if (err != CRDT_OK) {
            die("edit");
        }
        if (i % 10 == 9) {
            err = box_remove(e->box, "shared");
            if (err != CRDT_OK && err != CRDT_ENOTHING) {
                die("remove");
            }
        }
    }
    return NULL;
}

typedef struct counter {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned done;
} counter;

static crdt_err fill_add(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                         crdt_diag *diag)
{
    (void)ctx;
    (void)diag;
    char name[32];
    snprintf(name, sizeof name, "n%u",
             (unsigned)crdt_version_time_max(crdt_document_version(doc)));
    return crdt_op_list_add(ops, crdt_key_object(crdt_span_of(name)));
}

static void count_done(void *ctx, const sync_edit_result *result)
{
    counter *c = ctx;
    pthread_mutex_lock(&c->mutex);
    c->done += result->err == CRDT_OK;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->mutex);
}

static void *edit_and_go_on(void *ctx)
{
    editor *e = ctx;
    counter c = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                 .changed = PTHREAD_COND_INITIALIZER};
    sync_edit edit = {.fn = fill_add};
    for (unsigned i = 0; i < EDITS; i++) {
        if (sync_node_edit_start(e->box->node, &edit, count_done, &c) != CRDT_OK) {
            die("edit start");
        }
    }
    pthread_mutex_lock(&c.mutex);
    while (c.done < EDITS) {
        pthread_cond_wait(&c.changed, &c.mutex);
    }
    pthread_mutex_unlock(&c.mutex);
    return NULL;
}

static bool see_record(void *ctx, crdt_span record)
{
    size_t *size = ctx;
    *size += record.size;
    return *size < 10000;
}

static void *look(void *ctx)
{
    editor *e = ctx;
    for (unsigned i = 0; i < EDITS; i++) {
        sync_node_status status;
        sync_watch *watch = NULL;
        size_t size = 0;
        if (sync_node_watch(e->box->node, 4, &watch) != CRDT_OK ||
            sync_node_status_get(e->box->node, &status) != CRDT_OK ||
            sync_node_history(e->box->node, see_record, &size, NULL) != CRDT_OK) {
            die("look");
        }
        sync_node_status_deinit(&status);
        box_get(e->box, "shared", "f1");
        sync_change change;
        if (sync_watch_take(watch, 1, &change) == CRDT_OK) {
            sync_change_deinit(&change);
        }
        sync_watch_close(watch);
    }
    return NULL;
}

static void note_change(void *ctx, crdt_span object)
{
    (void)object;
    *(unsigned *)ctx += 1; /* in the node's thread alone */
}

static crdt_err attach(void *ctx, crdt_document *doc)
{
    crdt_listener listener = {.ctx = ctx, .changed = note_change};
    return crdt_document_listen(doc, &listener);
}

static crdt_err detach(void *ctx, crdt_document *doc)
{
    crdt_document_unlisten(doc, ctx);
    return CRDT_OK;
}

/* Somebody moves about, and something hangs on the document for a while. */
static void *be_present(void *ctx)
{
    editor *e = ctx;
    for (unsigned i = 0; i < EDITS; i++) {
        unsigned changes = 0;
        char text[32];
        snprintf(text, sizeof text, "%u at %u", e->number, i);
        if (sync_node_presence(e->box->node, crdt_span_of(text)) != CRDT_OK ||
            sync_node_attach(e->box->node, attach, &changes) != CRDT_OK) {
            die("presence");
        }
        box_get(e->box, "shared", "f2");
        if (sync_node_attach(e->box->node, detach, &changes) != CRDT_OK) {
            die("detach");
        }
        if (i % 10 == 0) { /* it has a scene: this waits for what the peer has */
            crdt_err err = sync_node_ask(e->box->node, 120000, NULL);
            if (err != CRDT_OK && err != CRDT_ENOTFOUND) {
                die("ask");
            }
        }
    }
    return NULL;
}

/* The library below is made ready by whoever comes first. */
static void *use_crypto(void *ctx)
{
    sync_crypto_hash((crdt_span){0}, crdt_span_of("first"), ctx);
    sync_crypto_random(ctx, SYNC_CRYPTO_HASH_SIZE);
    return NULL;
}

static void race_for_crypto(void)
{
    pthread_t threads[4];
    uint8_t bytes[4][SYNC_CRYPTO_HASH_SIZE];
    for (size_t i = 0; i < 4; i++) {
        if (pthread_create(&threads[i], NULL, use_crypto, bytes[i]) != 0) {
            die("thread");
        }
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void run_threads(node_box *a, node_box *b)
{
    void *(*const roles[])(void *) = {edit_and_wait, edit_and_go_on, look, be_present};
    pthread_t threads[2 * EDITORS];
    editor editors[2 * EDITORS];
    for (unsigned i = 0; i < 2 * EDITORS; i++) {
        editors[i] = (editor){.box = i < EDITORS ? a : b, .number = i};
        if (pthread_create(&threads[i], NULL, roles[i % EDITORS], &editors[i]) != 0) {
            die("thread");
        }
    }
    for (unsigned i = 0; i < 2 * EDITORS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void check_round(const char *url)
{
    node_box a;
    node_box b;
    node_box c;
    box_start(&a, NULL, url, NULL);
    box_start(&b, NULL, url[0] == 'i' ? "inproc://race-b" : url, a.url);
    run_threads(&a, &b);
    box_start(&c, NULL, NULL, NULL);
    crdt_diag diag = {0};
    if (sync_node_sync_once(c.node, a.url, 120000, &diag) != CRDT_OK) {
        die(diag.text);
    }
    node_box *all[] = {&a, &b, &c};
    if (!box_await_equal(all, 3, 120000)) {
        die("not equal");
    }
    if (box_close(&c) != CRDT_OK || box_close(&a) != CRDT_OK ||
        box_close(&b) != CRDT_OK) {
        die("close");
    }
}

int main(void)
{
    static const uint8_t key[SYNC_CRYPTO_KEY_SIZE] = {7};
    race_for_crypto();
    check_round("inproc://race-a");
    check_round("tcp://127.0.0.1:0");
    box_key = key;
    check_round("tcp://127.0.0.1:0");
    printf("equal\n");
    return 0;
}
