#include "tests/sync/node_box.h"

#include "crdt/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AWAIT_MS 120000

const uint8_t *box_key;

static void must(crdt_err err, const char *what, const char *text)
{
    if (err != CRDT_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, crdt_err_name(err), text);
        abort();
    }
}

uint64_t box_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void on_event(void *ctx, const sync_event *event)
{
    node_box *box = ctx;
    pthread_mutex_lock(&box->mutex);
    box->event_count++;
    box->counts[event->kind]++;
    snprintf(box->text[event->kind], sizeof box->text[0], "%s", event->text);
    if (event->kind == SYNC_EVENT_LISTENING) {
        snprintf(box->url, sizeof box->url, "%s", event->url);
    }
    if (event->kind == SYNC_EVENT_STRANGER) {
        box->lineage = event->lineage;
    }
    if (event->kind == SYNC_EVENT_PRESENCE) {
        snprintf(box->presence, sizeof box->presence, "%.*s", (int)event->value.size,
                 event->value.size > 0 ? (const char *)event->value.data : "");
        box->presence_size = event->value.size;
    }
    pthread_cond_broadcast(&box->happened);
    pthread_mutex_unlock(&box->mutex);
}

sync_node_options box_options(node_box *box)
{
    *box = (node_box){0};
    pthread_mutex_init(&box->mutex, NULL);
    pthread_cond_init(&box->happened, NULL);
    sync_node_options options = sync_node_options_default();
    options.scene = "test";
    options.key = box_key;
    options.on_event = on_event;
    options.event_ctx = box;
    return options;
}

crdt_err box_open(node_box *box, const sync_node_options *options)
{
    crdt_diag diag = {0};
    crdt_err err = sync_node_open(&box->node, options, &diag);
    if (err != CRDT_OK) {
        snprintf(box->text[0], sizeof box->text[0], "%s", diag.text);
    }
    return err;
}

void box_start(node_box *box, const char *dir, const char *url, const char *peer)
{
    sync_node_options options = box_options(box);
    options.store_dir = dir;
    options.listen_urls = &url;
    options.listen_count = url != NULL;
    options.peer_urls = &peer;
    options.peer_count = peer != NULL;
    must(box_open(box, &options), "open", box->text[0]);
}

crdt_err box_close(node_box *box)
{
    crdt_err err = sync_node_close(box->node);
    box->node = NULL;
    pthread_cond_destroy(&box->happened);
    pthread_mutex_destroy(&box->mutex);
    return err;
}

typedef struct set_edit {
    const char *object;
    const char *field;
    int64_t value;
} set_edit;

static crdt_err fill_set(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                         crdt_diag *diag)
{
    (void)doc;
    (void)diag;
    const set_edit *set = ctx;
    crdt_span object = crdt_span_of(set->object);
    crdt_span part = crdt_span_of("part");
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_err err = crdt_value_write_integer(&value, set->value);
    crdt_op_list_add(ops, crdt_key_object(object));
    crdt_op_list_add(ops, crdt_key_part(object, part));
    crdt_op_list_set(ops, crdt_key_field(object, part, crdt_span_of(set->field)),
                     crdt_buf_span(&value));
    crdt_buf_deinit(&value);
    return err;
}

crdt_err box_set(node_box *box, const char *object, const char *field, int64_t value,
                 sync_edit_result *result)
{
    set_edit set = {.object = object, .field = field, .value = value};
    sync_edit edit = {.fn = fill_set, .ctx = &set};
    return sync_node_edit(box->node, &edit, result);
}

static crdt_err fill_remove(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                            crdt_diag *diag)
{
    (void)doc;
    (void)diag;
    return crdt_op_list_remove(ops, crdt_key_object(crdt_span_of(ctx)));
}

crdt_err box_remove(node_box *box, const char *object)
{
    char name[256];
    snprintf(name, sizeof name, "%s", object);
    sync_edit edit = {.fn = fill_remove, .ctx = name};
    return sync_node_edit(box->node, &edit, NULL);
}

static crdt_err read_field(void *ctx, const crdt_document *doc)
{
    set_edit *get = ctx;
    crdt_key key = crdt_key_field(crdt_span_of(get->object), crdt_span_of("part"),
                                  crdt_span_of(get->field));
    crdt_span value;
    get->value = -1;
    if (crdt_document_get(doc, &key, &value)) {
        crdt_value_reader reader = crdt_value_read_open(value);
        get->value = crdt_value_read(&reader).integer;
    }
    return CRDT_OK;
}

int64_t box_get(node_box *box, const char *object, const char *field)
{
    set_edit get = {.object = object, .field = field};
    must(sync_node_read(box->node, read_field, &get), "read", "");
    return get.value;
}

crdt_digest box_digest(node_box *box)
{
    sync_node_status status;
    must(sync_node_status_get(box->node, &status), "status", "");
    crdt_digest digest = status.digest;
    sync_node_status_deinit(&status);
    return digest;
}

uint64_t box_count(node_box *box, sync_event_kind kind)
{
    pthread_mutex_lock(&box->mutex);
    uint64_t count = box->counts[kind];
    pthread_mutex_unlock(&box->mutex);
    return count;
}

static void deadline_after(struct timespec *at, unsigned ms)
{
    clock_gettime(CLOCK_REALTIME, at);
    at->tv_sec += ms / 1000;
    at->tv_nsec += (long)(ms % 1000) * 1000000;
    at->tv_sec += at->tv_nsec / 1000000000;
    at->tv_nsec %= 1000000000;
}

bool box_await(node_box *box, sync_event_kind kind, uint64_t count)
{
    struct timespec until;
    deadline_after(&until, AWAIT_MS);
    pthread_mutex_lock(&box->mutex);
    int result = 0;
    while (box->counts[kind] < count && result == 0) {
        result = pthread_cond_timedwait(&box->happened, &box->mutex, &until);
    }
    bool reached = box->counts[kind] >= count;
    pthread_mutex_unlock(&box->mutex);
    return reached;
}

/* Texts are told again, and may be others while a peer is slow to come up. */
bool box_await_text(node_box *box, sync_event_kind kind, const char *word)
{
    struct timespec until;
    deadline_after(&until, AWAIT_MS);
    pthread_mutex_lock(&box->mutex);
    int result = 0;
    while (strstr(box->text[kind], word) == NULL && result == 0) {
        result = pthread_cond_timedwait(&box->happened, &box->mutex, &until);
    }
    bool told = strstr(box->text[kind], word) != NULL;
    pthread_mutex_unlock(&box->mutex);
    return told;
}

bool box_await_presence(node_box *box, const char *text)
{
    struct timespec until;
    deadline_after(&until, AWAIT_MS);
    pthread_mutex_lock(&box->mutex);
    int result = 0;
    while (strcmp(box->presence, text) != 0 && result == 0) {
        result = pthread_cond_timedwait(&box->happened, &box->mutex, &until);
    }
    bool same = strcmp(box->presence, text) == 0;
    pthread_mutex_unlock(&box->mutex);
    return same;
}

static bool all_equal(node_box *const *boxes, size_t count)
{
    bool equal = true;
    sync_node_status first;
    must(sync_node_status_get(boxes[0]->node, &first), "status", "");
    for (size_t i = 1; i < count && equal; i++) {
        sync_node_status other;
        must(sync_node_status_get(boxes[i]->node, &other), "status", "");
        equal = crdt_version_compare(&first.version, &other.version) == CRDT_EQUAL;
        if (equal && !crdt_digest_equal(first.digest, other.digest)) {
            fprintf(stderr, "equal versions, unequal digests\n");
            abort();
        }
        sync_node_status_deinit(&other);
    }
    sync_node_status_deinit(&first);
    return equal;
}

/* Whatever makes a node equal to another makes an event at it (SYNCED); a short wait is
 * the fallback for those that come from the third side. */
bool box_await_equal(node_box *const *boxes, size_t count, unsigned timeout_ms)
{
    uint64_t deadline = box_now_ms() + timeout_ms;
    while (!all_equal(boxes, count)) {
        if (box_now_ms() >= deadline) {
            return false;
        }
        struct timespec until;
        deadline_after(&until, 20);
        pthread_mutex_lock(&boxes[0]->mutex);
        pthread_cond_timedwait(&boxes[0]->happened, &boxes[0]->mutex, &until);
        pthread_mutex_unlock(&boxes[0]->mutex);
    }
    return true;
}
