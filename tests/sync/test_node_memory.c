/* A node whose memory runs out: one allocation after the other fails, from the open to the
 * close, in whichever thread it is. Nothing crashes, nothing is left behind, and what was
 * acknowledged is in the store afterwards. */

#include "crdt/template.h"
#include "crdt/value.h"
#include "sync/store.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/temp_dir.h"
#include "tests/sync/node_box.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* The allocator of a node: used by several threads. */
typedef struct shared_fault {
    pthread_mutex_t mutex;
    fault_alloc fault;
    crdt_alloc inner;
    bool failed; /* the one that was to fail has failed */
} shared_fault;

static void *shared_fn(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    shared_fault *shared = ctx;
    pthread_mutex_lock(&shared->mutex);
    bool armed = shared->fault.fail_at != UINT64_MAX;
    void *block = shared->inner.fn(shared->inner.ctx, ptr, old_size, new_size);
    shared->failed |= armed && shared->fault.fail_at == UINT64_MAX;
    pthread_mutex_unlock(&shared->mutex);
    return block;
}

static crdt_alloc shared_init(shared_fault *shared)
{
    *shared = (shared_fault){0};
    pthread_mutex_init(&shared->mutex, NULL);
    shared->inner = fault_alloc_init(&shared->fault);
    return (crdt_alloc){.fn = shared_fn, .ctx = shared};
}

static void fail_at(shared_fault *shared, uint64_t index)
{
    pthread_mutex_lock(&shared->mutex);
    shared->failed = false;
    fault_alloc_fail_at(&shared->fault, index);
    pthread_mutex_unlock(&shared->mutex);
}

/* Fail no more; has one failed? */
static bool heal(shared_fault *shared)
{
    pthread_mutex_lock(&shared->mutex);
    fault_alloc_heal(&shared->fault);
    bool failed = shared->failed;
    pthread_mutex_unlock(&shared->mutex);
    return failed;
}

static bool is_lack(crdt_err err)
{
    return err == CRDT_ENOMEM || err == CRDT_EIO; /* EIO: poisoned for that reason */
}

/* ---- opening ---- */

/* Opens at most `count_max` times, with one more allocation succeeding each time. */
static void open_failing(const char *dir, const char *peer, const uint8_t *key,
                         uint64_t step, uint64_t count_max)
{
    const char *url = "tcp://127.0.0.1:0";
    bool failed = true;
    uint64_t failures = 0;
    for (uint64_t n = 0; failed && failures < count_max; n += step) {
        shared_fault shared;
        node_box box;
        sync_node_options options = box_options(&box);
        options.alloc = shared_init(&shared);
        options.who = "ann";
        options.key = key;
        options.store_dir = dir;
        options.listen_urls = &url;
        options.peer_urls = &peer;
        options.listen_count = options.peer_count = peer != NULL;
        fail_at(&shared, n);
        crdt_err err = box_open(&box, &options);
        failed = heal(&shared);
        cr_assert(err == CRDT_OK || (failed && is_lack(err)), "%llu: %s: %s",
                  (unsigned long long)n, crdt_err_name(err), box.text[0]);
        err = box_close(&box);
        cr_assert(err == CRDT_OK || is_lack(err));
        cr_assert(fault_alloc_balanced(&shared.fault), "%llu", (unsigned long long)n);
        failures += failed;
    }
    cr_expect_gt(failures, 10);
}

Test(node_memory, opening_in_memory, .timeout = 60)
{
    node_box other;
    box_start(&other, NULL, "tcp://127.0.0.1:0", NULL);
    open_failing(NULL, other.url, NULL, 1, 1000);
    cr_assert_eq(box_close(&other), CRDT_OK);
}

Test(node_memory, opening_sealed, .timeout = 60)
{
    static const uint8_t key[32] = {1, 2, 3};
    box_key = key;
    node_box other;
    box_start(&other, NULL, "tcp://127.0.0.1:0", NULL);
    open_failing(NULL, other.url, key, 2, 1000);
    cr_assert_eq(box_close(&other), CRDT_OK);
}

Test(node_memory, opening_a_store, .timeout = 60)
{
    temp_dir folder;
    temp_dir_open(&folder);
    char dir[300];
    snprintf(dir, sizeof dir, "%s/store", folder.path);
    setenv("SCENESYNC_STATE_DIR", folder.path, 1);
    node_box box;
    box_start(&box, dir, NULL, NULL);
    for (int64_t i = 0; i < 20; i++) {
        cr_assert_eq(box_set(&box, "o", "f", i, NULL), CRDT_OK);
    }
    cr_assert_eq(box_close(&box), CRDT_OK);
    open_failing(dir, NULL, NULL, 1, 1000);
    box_start(&box, dir, NULL, NULL);
    cr_expect_eq(box_get(&box, "o", "f"), 19);
    cr_assert_eq(box_close(&box), CRDT_OK);
    temp_dir_close(&folder);
}

/* ---- working ---- */

typedef struct number_edit {
    const char *object;
    int64_t value;
} number_edit;

static crdt_err fill(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                     crdt_diag *diag)
{
    (void)doc;
    (void)diag;
    const number_edit *edit = ctx;
    crdt_span object = crdt_span_of(edit->object);
    crdt_span part = crdt_span_of("part");
    crdt_key field = crdt_key_field(object, part, crdt_span_of("f"));
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_value_write_integer(&value, edit->value);
    crdt_err err = crdt_op_list_add(ops, crdt_key_object(object));
    err = err != CRDT_OK ? err : crdt_op_list_add(ops, crdt_key_part(object, part));
    err = err != CRDT_OK ? err : crdt_op_list_set(ops, field, crdt_buf_span(&value));
    crdt_buf_deinit(&value);
    return err;
}

static crdt_err attach(void *ctx, crdt_document *doc)
{
    (void)ctx;
    (void)doc;
    return CRDT_OK;
}

static bool count_record(void *ctx, crdt_span record)
{
    (void)record;
    ++*(size_t *)ctx;
    return true;
}

static void expect_lack(crdt_err err, const char *what)
{
    cr_expect(err == CRDT_OK || err == CRDT_ENOTHING || is_lack(err), "%s: %s", what,
              crdt_err_name(err));
}

/* Everything that can be asked of a node. The highest value that was acknowledged. */
static int64_t work(node_box *box)
{
    int64_t last = 0;
    for (int64_t i = 1; i <= 3; i++) {
        number_edit number = {"lamp", i};
        sync_edit edit = {.fn = fill, .ctx = &number, .who = crdt_span_of("bob")};
        sync_edit_result result;
        crdt_err err = sync_node_edit(box->node, &edit, &result);
        expect_lack(err, "edit");
        last = err == CRDT_OK ? i : last;
    }
    sync_watch *watch = NULL;
    crdt_err err = sync_node_watch(box->node, 2, &watch);
    expect_lack(err, "watch");
    number_edit other = {"door", 1};
    sync_edit edit = {.fn = fill, .ctx = &other};
    expect_lack(sync_node_edit(box->node, &edit, NULL), "second edit");
    sync_change change;
    if (watch != NULL && sync_watch_take(watch, 0, &change) == CRDT_OK) {
        sync_change_deinit(&change);
    }
    sync_watch_close(watch);
    size_t records = 0;
    expect_lack(sync_node_history(box->node, count_record, &records, NULL), "history");
    sync_node_status status;
    err = sync_node_status_get(box->node, &status);
    expect_lack(err, "status");
    if (err == CRDT_OK) {
        sync_node_status_deinit(&status);
    }
    expect_lack(sync_node_attach(box->node, attach, NULL), "attach");
    expect_lack(sync_node_presence(box->node, crdt_span_of("here")), "presence");
    sync_store_report report;
    expect_lack(sync_node_verify(box->node, &report, NULL), "verify");
    expect_lack(sync_node_housekeep(box->node, NULL, NULL), "housekeep");
    return last;
}

/* Work while the n-th allocation fails: false if none failed. */
static bool work_failing(const char *dir, uint64_t n)
{
    shared_fault shared;
    node_box box;
    sync_node_options options = box_options(&box);
    options.alloc = shared_init(&shared);
    options.store_dir = dir;
    cr_assert_eq(box_open(&box, &options), CRDT_OK, "%s", box.text[0]);
    fail_at(&shared, n);
    int64_t last = work(&box);
    bool failed = heal(&shared);
    cr_assert(failed || last == 3);
    box_close(&box);
    cr_assert(fault_alloc_balanced(&shared.fault), "%llu", (unsigned long long)n);
    if (dir != NULL) {
        box_start(&box, dir, NULL, NULL);
        int64_t found = box_get(&box, "lamp", "f");
        cr_expect(found >= last || (last == 0 && found == -1),
                  "%llu: %lld was acknowledged, %lld is there", (unsigned long long)n,
                  (long long)last, (long long)found);
        box_close(&box);
    }
    return failed;
}

Test(node_memory, working_in_memory, .timeout = 60)
{
    uint64_t n = 0;
    while (work_failing(NULL, n)) {
        n++;
    }
    cr_expect_gt(n, 30);
}

Test(node_memory, working_with_a_store, .timeout = 120)
{
    temp_dir folder;
    temp_dir_open(&folder);
    setenv("SCENESYNC_STATE_DIR", folder.path, 1);
    char dir[300];
    uint64_t n = 0;
    do {
        snprintf(dir, sizeof dir, "%s/store%llu", folder.path, (unsigned long long)n);
    } while (work_failing(dir, n += 7));
    temp_dir_close(&folder);
}
