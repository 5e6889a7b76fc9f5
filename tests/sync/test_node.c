/* Nodes in one process: what is acknowledged is durable, and all come to hold the same. */

#include "crdt/template.h"
#include "crdt/value.h"
#include "tests/sync/node_box.h"

#include <criterion/criterion.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 120000

/* A folder of its own for stores and for the proof of identity. */
static void make_folder(char folder[64])
{
    snprintf(folder, 64, "/tmp/scenesync-node-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    char state[128];
    snprintf(state, sizeof state, "%s/state", folder);
    setenv("SCENESYNC_STATE_DIR", state, 1);
}

static void drop_folder(const char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    cr_assert_eq(system(command), 0);
}

static void path_in(char path[128], const char *folder, const char *name)
{
    snprintf(path, 128, "%s/%s", folder, name);
}

/* ---- one node ---- */

Test(node, offline_edit_and_reopen)
{
    char folder[64];
    char dir[128];
    make_folder(folder);
    path_in(dir, folder, "store");
    node_box box;
    box_start(&box, dir, NULL, NULL);
    sync_edit_result result;
    cr_assert_eq(box_set(&box, "lamp", "x", 7, &result), CRDT_OK, "%s",
                 result.diag.text);
    cr_assert_eq(result.op_count, 3);
    cr_assert_eq(result.last.time, result.first.time + 2);
    cr_assert_eq(box_set(&box, "lamp", "x", 7, &result), CRDT_ENOTHING);
    cr_assert_eq(box_get(&box, "lamp", "x"), 7);
    crdt_digest before = box_digest(&box);
    cr_assert_eq(box_close(&box), CRDT_OK);

    box_start(&box, dir, NULL, NULL);
    cr_assert_eq(box_get(&box, "lamp", "x"), 7);
    cr_assert(crdt_digest_equal(before, box_digest(&box)));
    sync_node_status status;
    cr_assert_eq(sync_node_status_get(box.node, &status), CRDT_OK);
    cr_assert_str_eq(status.scene, "test");
    cr_assert(status.lineage_known);
    crdt_actor empty = crdt_template_actor_empty();
    cr_assert(crdt_actor_equal(&status.lineage, &empty));
    cr_assert(crdt_actor_equal(&status.actor, &result.last.actor) ||
              result.op_count == 0);
    cr_assert_eq(status.counts.fields, 1);
    cr_assert_gt(status.bytes, 0);
    cr_assert_eq(status.peer_count, 0);
    sync_node_status_deinit(&status);
    cr_assert_eq(box_remove(&box, "lamp"), CRDT_OK);
    cr_assert_eq(box_get(&box, "lamp", "x"), -1);
    cr_assert_eq(box_close(&box), CRDT_OK);
    drop_folder(folder);
}

/* A verb is quick: no network, no waiting. */
Test(node, offline_open_is_quick)
{
    char folder[64];
    char dir[128];
    make_folder(folder);
    path_in(dir, folder, "store");
    node_box box;
    box_start(&box, dir, NULL, NULL);
    cr_assert_eq(box_set(&box, "lamp", "x", 1, NULL), CRDT_OK);
    cr_assert_eq(box_close(&box), CRDT_OK);
    uint64_t best = UINT64_MAX;
    for (unsigned i = 0; i < 100 && best >= 100; i++) { /* one undisturbed is enough */
        uint64_t from = box_now_ms();
        box_start(&box, dir, NULL, NULL);
        uint64_t took = box_now_ms() - from;
        best = took < best ? took : best;
        cr_assert_eq(box_close(&box), CRDT_OK);
    }
    cr_assert_lt(best, 100, "%u ms", (unsigned)best);
    drop_folder(folder);
}

Test(node, second_process_is_refused_and_missing_store_found_missing)
{
    char folder[64];
    char dir[128];
    make_folder(folder);
    path_in(dir, folder, "store");
    node_box box;
    sync_node_options options = box_options(&box);
    options.store_dir = dir;
    options.must_exist = true;
    cr_assert_eq(box_open(&box, &options), CRDT_ENOTFOUND);
    box_start(&box, dir, NULL, NULL);
    pid_t child = fork();
    if (child == 0) {
        node_box other;
        sync_node_options same = box_options(&other);
        same.store_dir = dir;
        _exit(box_open(&other, &same) == CRDT_EBUSY ? 0 : 1);
    }
    int state = 0;
    cr_assert_eq(waitpid(child, &state, 0), child);
    cr_assert(WIFEXITED(state) && WEXITSTATUS(state) == 0);
    cr_assert_eq(box_close(&box), CRDT_OK);
    drop_folder(folder);
}

static crdt_err refuse(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                       crdt_diag *diag)
{
    (void)doc;
    crdt_op_list_add(ops, crdt_key_object(crdt_span_of("ghost")));
    *(unsigned *)ctx += 1;
    return crdt_diag_set(diag, CRDT_EINVAL, 3, "not today");
}

Test(node, refused_edit_leaves_no_trace)
{
    node_box box;
    box_start(&box, NULL, NULL, NULL);
    unsigned called = 0;
    sync_edit edit = {.fn = refuse, .ctx = &called};
    sync_edit_result result;
    crdt_digest before = box_digest(&box);
    cr_assert_eq(sync_node_edit(box.node, &edit, &result), CRDT_EINVAL);
    cr_assert_eq(result.err, CRDT_EINVAL);
    cr_assert_str_eq(result.diag.text, "not today");
    cr_assert_eq(called, 1);
    cr_assert(crdt_digest_equal(before, box_digest(&box)));
    cr_assert_eq(box_close(&box), CRDT_OK);
}

Test(node, import_is_the_beginning_or_refused)
{
    node_box box;
    box_start(&box, NULL, NULL, NULL);
    static const uint8_t one[1] = {1};
    crdt_span names[2] = {crdt_span_of("b"), crdt_span_of("a")};
    crdt_op ops[3] = {
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(names[1])},
        {.kind = CRDT_OP_ADD, .key = crdt_key_part(names[1], crdt_span_of("part"))},
        {.kind = CRDT_OP_SET,
         .key = crdt_key_field(names[1], crdt_span_of("part"), crdt_span_of("x")),
         .value = {one, 1}},
    };
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    crdt_diag diag = {0};
    cr_assert_eq(crdt_template_make(ops, 3, &arena, &batch, &diag), CRDT_OK);
    cr_assert_eq(sync_node_import(box.node, &batch, crdt_span_of(""), &diag), CRDT_OK,
                 "%s", diag.text);
    cr_assert_eq(box_get(&box, "a", "x"), 1);
    sync_node_status status;
    cr_assert_eq(sync_node_status_get(box.node, &status), CRDT_OK);
    cr_assert(crdt_actor_equal(&status.lineage, &batch.actor));
    sync_node_status_deinit(&status);
    cr_assert_eq(sync_node_import(box.node, &batch, crdt_span_of(""), &diag),
                 CRDT_EEXIST);
    cr_assert_eq(box_set(&box, "a", "x", 2, NULL), CRDT_OK);
    cr_assert_eq(box_get(&box, "a", "x"), 2);
    crdt_arena_deinit(&arena);
    cr_assert_eq(box_close(&box), CRDT_OK);
}

/* ---- history and watch ---- */

typedef struct seen_records {
    unsigned count;
    crdt_origin origins[16];
    unsigned drops;
} seen_records;

static bool see_record(void *ctx, crdt_span bytes)
{
    seen_records *seen = ctx;
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_history_record record;
    cr_assert_eq(crdt_history_decode(bytes, &arena, &record, NULL), CRDT_OK);
    seen->origins[seen->count++ % 16] = record.origin;
    seen->drops += (unsigned)record.drop_count;
    crdt_arena_deinit(&arena);
    return true;
}

Test(node, history_and_watch_tell_every_change)
{
    char folder[64];
    char dir[128];
    make_folder(folder);
    path_in(dir, folder, "store");
    node_box box;
    box_start(&box, dir, NULL, NULL);
    sync_watch *watch = NULL;
    cr_assert_eq(sync_node_watch(box.node, 0, &watch), CRDT_OK);
    cr_assert_eq(box_set(&box, "lamp", "x", 1, NULL), CRDT_OK);
    cr_assert_eq(box_set(&box, "lamp", "x", 2, NULL), CRDT_OK);
    cr_assert_eq(box_remove(&box, "lamp"), CRDT_OK);
    seen_records watched = {0};
    for (unsigned i = 0; i < 3; i++) {
        sync_change change;
        cr_assert_eq(sync_watch_take(watch, WAIT_MS, &change), CRDT_OK);
        cr_assert_eq(change.lost_count, 0);
        see_record(&watched, crdt_buf_span(&change.history));
        sync_change_deinit(&change);
    }
    cr_assert_eq(watched.drops, 1 + 3, "the former value; two dots and the last value");
    cr_assert_eq(box_close(&box), CRDT_OK);
    sync_change change;
    cr_assert_eq(sync_watch_take(watch, WAIT_MS, &change), CRDT_ECLOSED);
    sync_watch_close(watch);

    box_start(&box, dir, NULL, NULL);
    seen_records kept = {0};
    bool complete = false;
    cr_assert_eq(sync_node_history(box.node, see_record, &kept, &complete), CRDT_OK);
    cr_assert_eq(kept.count, 3);
    cr_assert_eq(kept.drops, 4);
    cr_assert(complete);
    cr_assert_eq(box_close(&box), CRDT_OK);
    drop_folder(folder);
}

static bool count_record(void *ctx, crdt_span bytes)
{
    (void)bytes;
    *(unsigned *)ctx += 1;
    return true;
}

/* The ring is bounded, and says whether it still reaches back to the beginning. */
Test(node, history_says_how_far_it_reaches)
{
    char folder[64];
    char dir[128];
    make_folder(folder);
    path_in(dir, folder, "store");
    node_box box;
    sync_node_options options = box_options(&box);
    options.store_dir = dir;
    options.history_size_max = 1000;
    cr_assert_eq(box_open(&box, &options), CRDT_OK);
    unsigned count = 0;
    bool complete = false;
    for (int64_t i = 0; i < 3; i++) {
        cr_assert_eq(box_set(&box, "lamp", "x", i, NULL), CRDT_OK);
    }
    cr_assert_eq(sync_node_history(box.node, count_record, &count, &complete), CRDT_OK);
    cr_assert_eq(count, 3);
    cr_assert(complete);
    for (int64_t i = 3; i < 100; i++) {
        cr_assert_eq(box_set(&box, "lamp", "x", i, NULL), CRDT_OK);
    }
    count = 0;
    cr_assert_eq(sync_node_history(box.node, count_record, &count, &complete), CRDT_OK);
    cr_assert(count > 0 && count < 50, "%u", count);
    cr_assert_not(complete);
    cr_assert_eq(box_close(&box), CRDT_OK);
    drop_folder(folder);
}

/* A watch that is closed before its node does no harm. */
Test(node, watch_may_go_first)
{
    node_box box;
    box_start(&box, NULL, NULL, NULL);
    sync_watch *watch = NULL;
    cr_assert_eq(sync_node_watch(box.node, 1, &watch), CRDT_OK);
    sync_watch_close(watch);
    for (int64_t i = 0; i < 3; i++) {
        cr_assert_eq(box_set(&box, "lamp", "x", i, NULL), CRDT_OK);
    }
    cr_assert_eq(box_close(&box), CRDT_OK);
}

/* ---- durable ---- */

/* Edits are acknowledged to the parent through a pipe; the child is killed in the midst.
 * What was acknowledged is there. */
Test(node, acknowledged_edits_survive_kill, .timeout = 600)
{
    char folder[64];
    char dir[128];
    make_folder(folder);
    path_in(dir, folder, "store");
    int64_t last = -1;
    for (unsigned round = 0; round < 10; round++) {
        int ends[2];
        cr_assert_eq(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            node_box box;
            box_start(&box, dir, NULL, NULL);
            for (int64_t i = last + 1;; i++) {
                if (box_set(&box, "lamp", "x", i, NULL) != CRDT_OK ||
                    write(ends[1], &i, sizeof i) != sizeof i) {
                    _exit(1);
                }
            }
        }
        close(ends[1]);
        int64_t acknowledged = last;
        for (unsigned i = 0; i < 5 + 7 * round; i++) {
            cr_assert_eq(read(ends[0], &acknowledged, sizeof acknowledged),
                         sizeof acknowledged);
        }
        kill(child, SIGKILL);
        int64_t more;
        while (read(ends[0], &more, sizeof more) == sizeof more) {
            acknowledged = more;
        }
        close(ends[0]);
        waitpid(child, NULL, 0);
        node_box box;
        box_start(&box, dir, NULL, NULL);
        last = box_get(&box, "lamp", "x");
        cr_assert_geq(last, acknowledged);
        cr_assert_leq(last, acknowledged + 1, "one may have been under way");
        cr_assert_eq(box_close(&box), CRDT_OK);
    }
    drop_folder(folder);
}

/* The disk takes no more: the edit is not acknowledged, the node says so and writes no
 * more, reading goes on; what was acknowledged is there at the next open. */
Test(node, failing_disk_ends_writing, .timeout = 600)
{
    char folder[64];
    char dir[128];
    make_folder(folder);
    path_in(dir, folder, "store");
    node_box box;
    box_start(&box, dir, NULL, NULL);
    cr_assert_eq(box_set(&box, "lamp", "x", 1, NULL), CRDT_OK);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit unlimited;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    struct rlimit none = {.rlim_cur = 1, .rlim_max = unlimited.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    sync_edit_result result;
    cr_assert_eq(box_set(&box, "lamp", "x", 2, &result), CRDT_EIO);
    cr_assert_gt(strlen(result.diag.text), 0);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    cr_assert(box_await(&box, SYNC_EVENT_POISONED, 1));
    cr_assert_eq(box_count(&box, SYNC_EVENT_POISONED), 1);
    cr_assert_eq(box_set(&box, "lamp", "x", 3, &result), CRDT_EIO,
                 "no second try on a disk that has failed");
    sync_node_status status;
    cr_assert_eq(sync_node_status_get(box.node, &status), CRDT_OK);
    cr_assert(status.poisoned);
    sync_node_status_deinit(&status);
    cr_assert_neq(box_get(&box, "lamp", "x"), 3);
    cr_assert_eq(box_close(&box), CRDT_EIO);
    box_start(&box, dir, NULL, NULL);
    cr_assert_eq(box_get(&box, "lamp", "x"), 1);
    cr_assert_eq(box_set(&box, "lamp", "x", 4, NULL), CRDT_OK);
    cr_assert_eq(box_close(&box), CRDT_OK);
    drop_folder(folder);
}

/* ---- several nodes ---- */

Test(node, two_converge)
{
    node_box a;
    node_box b;
    box_start(&a, NULL, "inproc://two-a", NULL);
    cr_assert_eq(box_set(&a, "lamp", "x", 1, NULL), CRDT_OK);
    box_start(&b, NULL, "inproc://two-b", "inproc://two-a");
    cr_assert(box_await(&b, SYNC_EVENT_SYNCED, 1));
    cr_assert_eq(box_get(&b, "lamp", "x"), 1);
    cr_assert_eq(box_set(&b, "lamp", "y", 2, NULL), CRDT_OK);
    cr_assert_eq(box_set(&a, "chair", "x", 3, NULL), CRDT_OK);
    node_box *both[] = {&a, &b};
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    cr_assert_eq(box_get(&a, "lamp", "y"), 2);
    cr_assert_eq(box_get(&b, "chair", "x"), 3);
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert(box_await(&a, SYNC_EVENT_LEFT, 1));
    cr_assert_eq(box_close(&a), CRDT_OK);
}

/* A node that listens at every address cannot say how it is dialled; who dials it syncs both
 * ways all the same, and others find it through that one. */
Test(node, wildcard_is_not_told)
{
    node_box a;
    node_box b;
    node_box c;
    box_start(&a, NULL, "tcp://0.0.0.0:0", NULL);
    char url[SYNC_NODE_NAME_SIZE];
    snprintf(url, sizeof url, "tcp://127.0.0.1%s", strrchr(a.url, ':'));
    box_start(&b, NULL, "tcp://127.0.0.1:0", url);
    box_start(&c, NULL, "tcp://127.0.0.1:0", b.url);
    cr_assert_eq(box_set(&a, "lamp", "x", 1, NULL), CRDT_OK);
    cr_assert_eq(box_set(&b, "lamp", "y", 2, NULL), CRDT_OK);
    cr_assert_eq(box_set(&c, "lamp", "z", 3, NULL), CRDT_OK);
    node_box *all[] = {&a, &b, &c};
    cr_assert(box_await_equal(all, 3, WAIT_MS));
    cr_assert(box_await(&c, SYNC_EVENT_JOINED, 2), "found through b");
    for (unsigned i = 0; i < 3; i++) {
        sync_node_status status;
        cr_assert_eq(sync_node_status_get(all[i]->node, &status), CRDT_OK);
        for (size_t p = 0; p < status.peer_count; p++) {
            cr_assert_null(strstr(status.peers[p].url, "0.0.0.0"));
        }
        sync_node_status_deinit(&status);
    }
    cr_assert_eq(box_close(&c), CRDT_OK);
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
}

/* Who knows one finds all. */
Test(node, discovery_finds_all)
{
    node_box a;
    node_box b;
    node_box c;
    box_start(&a, NULL, "inproc://find-a", NULL);
    box_start(&b, NULL, "inproc://find-b", "inproc://find-a");
    box_start(&c, NULL, "inproc://find-c", "inproc://find-a");
    cr_assert(box_await(&a, SYNC_EVENT_JOINED, 2));
    cr_assert(box_await(&b, SYNC_EVENT_JOINED, 2));
    cr_assert(box_await(&c, SYNC_EVENT_JOINED, 2));
    cr_assert_eq(box_close(&a), CRDT_OK);
    cr_assert_eq(box_set(&b, "lamp", "x", 1, NULL), CRDT_OK);
    node_box *rest[] = {&b, &c};
    cr_assert(box_await_equal(rest, 2, WAIT_MS));
    cr_assert_eq(box_get(&c, "lamp", "x"), 1);
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&c), CRDT_OK);
}

/* All edit at once, over a link that loses a third; one comes late, one goes and comes
 * back with its store. */
Test(node, three_converge_over_a_lossy_link, .timeout = 600)
{
    char folder[64];
    make_folder(folder);
    node_box boxes[3];
    char urls[3][64];
    char dirs[3][128];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(urls[i], sizeof urls[i], "tcp://127.0.0.1:0");
        path_in(dirs[i], folder, i == 0 ? "a" : i == 1 ? "b" : "c");
    }
    const char *peer = NULL;
    for (unsigned i = 0; i < 3; i++) {
        sync_node_options options = box_options(&boxes[i]);
        const char *url = urls[i];
        options.store_dir = dirs[i];
        options.listen_urls = &url;
        options.listen_count = 1;
        options.peer_urls = &peer;
        options.peer_count = i > 0;
        options.fault_drop = 0.3;
        options.fault_seed = 100 + i;
        cr_assert_eq(box_open(&boxes[i], &options), CRDT_OK);
        for (int64_t n = 0; n < 100; n++) {
            char field[16];
            snprintf(field, sizeof field, "f%u", (unsigned)n % 7);
            cr_assert_eq(box_set(&boxes[i], "shared", field, n * 3 + i, NULL), CRDT_OK);
        }
        peer = boxes[0].url;
    }
    node_box *all[] = {&boxes[0], &boxes[1], &boxes[2]};
    cr_assert(box_await_equal(all, 3, WAIT_MS));
    cr_assert_eq(box_close(&boxes[1]), CRDT_OK);
    cr_assert_eq(box_set(&boxes[0], "later", "x", 1, NULL), CRDT_OK);
    cr_assert_eq(box_remove(&boxes[2], "shared"), CRDT_OK);
    box_start(&boxes[1], dirs[1], "tcp://127.0.0.1:0", boxes[0].url);
    cr_assert(box_await_equal(all, 3, WAIT_MS));
    cr_assert_eq(box_get(&boxes[1], "later", "x"), 1);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(box_close(&boxes[i]), CRDT_OK);
    }
    drop_folder(folder);
}

/* Concurrent writes: one shows everywhere, the other is told of. */
Test(node, conflicts_are_told)
{
    char folder[64];
    char dirs[2][128];
    make_folder(folder);
    path_in(dirs[0], folder, "a");
    path_in(dirs[1], folder, "b");
    node_box a;
    node_box b;
    box_start(&a, dirs[0], NULL, NULL);
    cr_assert_eq(box_set(&a, "lamp", "x", 1, NULL), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
    box_start(&b, dirs[1], NULL, NULL);
    cr_assert_eq(box_set(&b, "lamp", "x", 2, NULL), CRDT_OK);
    cr_assert_eq(box_close(&b), CRDT_OK);
    box_start(&a, dirs[0], "inproc://conflict-a", NULL);
    box_start(&b, dirs[1], NULL, NULL);
    crdt_diag diag = {0};
    cr_assert_eq(sync_node_sync_once(b.node, "inproc://conflict-a", WAIT_MS, &diag),
                 CRDT_OK, "%s", diag.text);
    node_box *both[] = {&a, &b};
    cr_assert(box_await_equal(both, 2, 0), "equal when sync returns");
    cr_assert(box_await(&a, SYNC_EVENT_CONFLICT, 1));
    cr_assert(box_await(&b, SYNC_EVENT_CONFLICT, 1));
    sync_node_status status;
    cr_assert_eq(sync_node_status_get(a.node, &status), CRDT_OK);
    cr_assert_eq(status.counts.conflicts, 1);
    sync_node_status_deinit(&status);
    sync_edit_result result;
    cr_assert_eq(sync_node_housekeep(a.node, NULL, &result), CRDT_OK);
    cr_assert_eq(sync_node_status_get(a.node, &status), CRDT_OK);
    cr_assert_eq(status.counts.conflicts, 0);
    sync_node_status_deinit(&status);
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
    drop_folder(folder);
}

Test(node, sync_once_says_why_not)
{
    node_box box;
    box_start(&box, NULL, NULL, NULL);
    crdt_diag diag = {0};
    cr_assert_eq(sync_node_sync_once(box.node, "inproc://nobody-there", 100, &diag),
                 CRDT_ETIMEOUT);
    cr_assert_gt(strlen(diag.text), 0);
    cr_assert_eq(sync_node_sync_once(box.node, "gopher://x", 100, &diag), CRDT_EINVAL);
    cr_assert_eq(box_close(&box), CRDT_OK);
}

/* A new store takes scene and lineage from the peer it syncs with. */
Test(node, empty_store_adopts)
{
    node_box a;
    box_start(&a, NULL, "inproc://adopt-a", NULL);
    cr_assert_eq(box_set(&a, "lamp", "x", 1, NULL), CRDT_OK);
    node_box b;
    sync_node_options options = box_options(&b);
    options.scene = NULL;
    cr_assert_eq(box_open(&b, &options), CRDT_OK);
    crdt_diag diag = {0};
    cr_assert_eq(sync_node_sync_once(b.node, "inproc://adopt-a", WAIT_MS, &diag),
                 CRDT_OK, "%s", diag.text);
    sync_node_status status;
    cr_assert_eq(sync_node_status_get(b.node, &status), CRDT_OK);
    cr_assert_str_eq(status.scene, "test");
    sync_node_status_deinit(&status);
    cr_assert_eq(box_get(&b, "lamp", "x"), 1);
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
}

/* An edit offered before the scene's beginning is here waits for it, and does not make a
 * beginning of its own. */
Test(node, early_edit_waits_for_the_beginning)
{
    node_box a;
    node_box b;
    box_start(&b, NULL, "inproc://early-b", "inproc://early-a");
    box_start(&a, NULL, "inproc://early-a", NULL);
    static const uint8_t one[1] = {1};
    crdt_op ops[1] = {{.kind = CRDT_OP_ADD, .key = crdt_key_object(crdt_span_of("t"))}};
    (void)one;
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    cr_assert_eq(crdt_template_make(ops, 1, &arena, &batch, NULL), CRDT_OK);
    cr_assert_eq(sync_node_import(a.node, &batch, crdt_span_of(""), NULL), CRDT_OK);
    cr_assert_eq(box_set(&b, "lamp", "x", 1, NULL), CRDT_OK);
    sync_node_status status;
    cr_assert_eq(sync_node_status_get(b.node, &status), CRDT_OK);
    cr_assert(crdt_actor_equal(&status.lineage, &batch.actor));
    sync_node_status_deinit(&status);
    node_box *both[] = {&a, &b};
    cr_assert(box_await_equal(both, 2, WAIT_MS));
    crdt_arena_deinit(&arena);
    cr_assert_eq(box_close(&b), CRDT_OK);
    cr_assert_eq(box_close(&a), CRDT_OK);
}
