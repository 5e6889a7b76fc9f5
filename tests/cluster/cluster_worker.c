/* One node of the cluster test, a process of its own: makes its share of edits as fast as
 * they are acknowledged, writes down what was (edit_log.h), and then answers questions on
 * its standard input. Killed and started again, it makes the rest.
 *
 *   cluster_worker FOLDER LISTEN EDITS SEED DROP PEER...
 *
 *   prints  ready            the store is open
 *           done             all edits are acknowledged
 *   asked   status           prints  status HASH-OF-VERSION DIGEST
 *   asked   quit, or end     leaves cleanly */

#include "crdt/value.h"
#include "sync/node.h"
#include "tests/cluster/edit_log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW 16 /* edits under way at once */

typedef struct writer {
    sync_node *node;
    int log_fd;
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    unsigned under_way;
    uint64_t acknowledged;
    uint64_t random_state;
} writer;

/* One edit under way. */
typedef struct pending {
    writer *owner;
    sync_edit edit;
    logged_edit logged;
} pending;

static uint64_t next_random(writer *w)
{
    uint64_t z = (w->random_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static crdt_err fill_set(const logged_edit *logged, const crdt_key *field,
                         crdt_op_list *ops)
{
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_err err = crdt_value_write_integer(&value, logged->value);
    if (logged->adds & 1) {
        crdt_op_list_add(ops, crdt_key_object(field->object));
    }
    if (logged->adds & 2) {
        crdt_op_list_add(ops, crdt_key_part(field->object, field->part));
    }
    crdt_op_list_set(ops, *field, crdt_buf_span(&value));
    crdt_buf_deinit(&value);
    return err;
}

/* In the node's thread: what is meant is written down with the version it is made on. */
static crdt_err fill_edit(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                          crdt_diag *diag)
{
    (void)diag;
    pending *p = ctx;
    logged_edit *logged = &p->logged;
    char object_name[16];
    char field_name[16];
    edit_log_object_name(logged->object, object_name);
    edit_log_field_name(logged->field, field_name);
    crdt_span object = crdt_span_of(object_name);
    crdt_key field =
        crdt_key_field(object, crdt_span_of("p"), crdt_span_of(field_name));
    crdt_key object_key = crdt_key_object(object);
    crdt_key part_key = crdt_key_part(object, field.part);
    bool live = crdt_document_live(doc, &object_key);
    logged->is_remove = logged->is_remove && live;
    /* Adding the object drops its parts, so the part is to be added with it. */
    logged->adds = logged->is_remove ? 0u
                   : !live           ? 3u
                                     : 2u * !crdt_document_live(doc, &part_key);
    logged->seen = *crdt_document_version(doc); /* borrowed */
    logged->first.time = crdt_version_time_max(&logged->seen) + 1;
    edit_log_meant(p->owner->log_fd, logged);
    return logged->is_remove ? crdt_op_list_remove(ops, object_key)
                             : fill_set(logged, &field, ops);
}

static void on_done(void *ctx, const sync_edit_result *result)
{
    pending *p = ctx;
    writer *w = p->owner;
    if (result->err != CRDT_OK) {
        fprintf(stderr, "edit: %s: %s\n", crdt_err_name(result->err),
                result->diag.text);
        _exit(3);
    }
    if (result->first.time != p->logged.first.time) {
        fprintf(stderr, "an edit got another stamp than meant\n");
        _exit(4);
    }
    edit_log_acknowledged(w->log_fd, p->logged.number);
    pthread_mutex_lock(&w->mutex);
    w->under_way--;
    w->acknowledged++;
    pthread_cond_signal(&w->freed);
    pthread_mutex_unlock(&w->mutex);
    free(p);
}

static void start_edit(writer *w, uint64_t number, const crdt_actor *actor)
{
    pending *p = calloc(1, sizeof *p);
    if (p == NULL) {
        abort();
    }
    p->owner = w;
    p->logged = (logged_edit){.number = number,
                              .first = {.actor = *actor},
                              .is_remove = next_random(w) % 20 == 0,
                              .object = (unsigned)(next_random(w) % EDIT_OBJECTS),
                              .field = (unsigned)(next_random(w) % EDIT_FIELDS),
                              .value = (int64_t)(next_random(w) >> 12)};
    p->edit = (sync_edit){.fn = fill_edit, .ctx = p};
    pthread_mutex_lock(&w->mutex);
    while (w->under_way == WINDOW) {
        pthread_cond_wait(&w->freed, &w->mutex);
    }
    w->under_way++;
    pthread_mutex_unlock(&w->mutex);
    crdt_err err = sync_node_edit_start(w->node, &p->edit, on_done, p);
    if (err != CRDT_OK) {
        fprintf(stderr, "edit: %s\n", crdt_err_name(err));
        exit(3);
    }
}

static void make_edits(writer *w, uint64_t from, uint64_t acknowledged, uint64_t count)
{
    sync_node_status status;
    if (sync_node_status_get(w->node, &status) != CRDT_OK) {
        exit(3);
    }
    crdt_actor actor = status.actor;
    sync_node_status_deinit(&status);
    for (uint64_t i = acknowledged; i < count; i++) {
        start_edit(w, from + i, &actor);
    }
    pthread_mutex_lock(&w->mutex);
    while (w->under_way > 0) {
        pthread_cond_wait(&w->freed, &w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
}

static void print_status(sync_node *node)
{
    sync_node_status status;
    if (sync_node_status_get(node, &status) != CRDT_OK) {
        exit(3);
    }
    char version[CRDT_DIGEST_TEXT_SIZE];
    char digest[CRDT_DIGEST_TEXT_SIZE];
    crdt_digest_format(crdt_digest_version(&status.version), version);
    crdt_digest_format(status.digest, digest);
    printf("status %s %s\n", version, digest);
    fflush(stdout);
    sync_node_status_deinit(&status);
}

static void on_event(void *ctx, const sync_event *event)
{
    if (event->kind != SYNC_EVENT_CONFLICT && getenv("CLUSTER_VERBOSE") != NULL) {
        fprintf(stderr, "%s: %s %s\n", (const char *)ctx, sync_event_name(event->kind),
                event->text);
    }
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr,
                "usage: cluster_worker FOLDER LISTEN EDITS SEED DROP PEER...\n");
        return 2;
    }
    char store[512];
    char log_path[512];
    snprintf(store, sizeof store, "%s/store", argv[1]);
    snprintf(log_path, sizeof log_path, "%s/edits.log", argv[1]);
    edit_log log = {0};
    edit_log_read(&log, log_path);

    writer w = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                .freed = PTHREAD_COND_INITIALIZER,
                .random_state = strtoull(argv[4], NULL, 10) + log.count};
    w.log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    const char *listen_url = argv[2];
    sync_node_options options = sync_node_options_default();
    options.store_dir = store;
    options.scene = "cluster";
    options.listen_urls = &listen_url;
    options.listen_count = 1;
    options.peer_urls = (const char *const *)(argv + 6);
    options.peer_count = (size_t)argc - 6;
    options.discover = false;
    static const uint8_t key[32] = {42};
    options.key = getenv("CLUSTER_KEY") != NULL ? key : NULL;
    options.fault_drop = strtod(argv[5], NULL);
    options.fault_seed = w.random_state;
    options.on_event = on_event;
    options.event_ctx = argv[1];
    crdt_diag diag = {0};
    crdt_err err = sync_node_open(&w.node, &options, &diag);
    if (err != CRDT_OK || w.log_fd < 0) {
        fprintf(stderr, "open: %s: %s\n", crdt_err_name(err), diag.text);
        return 3;
    }
    printf("ready\n");
    fflush(stdout);
    /* Numbers go on behind all that were ever meant. */
    make_edits(&w, log.count - log.acknowledged_count, log.acknowledged_count,
               strtoull(argv[3], NULL, 10));
    edit_log_free(&log);
    printf("done\n");
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
        print_status(w.node);
    }
    return sync_node_close(w.node) == CRDT_OK ? 0 : 3;
}
