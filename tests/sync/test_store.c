#include "tests/sync/store_box.h"

#include "sync/store_impl.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static temp_dir dir;
static sync_store_options options;
static char store_dir[512];
static char state_dir[512];

static bool seeded_random(void *ctx, void *bytes, size_t size)
{
    gen *g = ctx;
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)bytes)[i] = (uint8_t)gen_next(g);
    }
    return true;
}

static gen random_gen;

static void setup(void)
{
    temp_dir_open(&dir);
    snprintf(store_dir, sizeof store_dir, "%s/store", dir.path);
    snprintf(state_dir, sizeof state_dir, "%s/state", dir.path);
    random_gen = gen_open(gen_seed(7), NULL);
    options = sync_store_options_default();
    options.state_dir = state_dir;
    options.random = seeded_random;
    options.random_ctx = &random_gen;
}

static void teardown(void)
{
    temp_dir_close(&dir);
}

TestSuite(store, .init = setup, .fini = teardown);
TestSuite(store_mem, .init = setup, .fini = teardown);

static void open_at(store_box *box, const char *path)
{
    store_box_open(box, path, &options);
    cr_assert_eq(box->err, CRDT_OK, "%s: %s", crdt_err_text(box->err), box->diag.text);
}

static void open_box(store_box *box)
{
    open_at(box, store_dir);
}

static void expect_error(const char *path, crdt_err err, const char *word)
{
    store_box box;
    store_box_open(&box, path, &options);
    cr_assert_eq(box.err, err, "%s: %s", crdt_err_text(box.err), box.diag.text);
    cr_assert_not_null(strstr(box.diag.text, word), "'%s' lacks '%s'", box.diag.text,
                       word);
    store_box_close(&box);
}

static void make_edits(store_box *box, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++) {
        char field[16];
        snprintf(field, sizeof field, "f%d", (int)(i % 10));
        store_box_set(box, "o", field, i);
    }
}

static crdt_digest edit_and_close(int64_t from, int64_t to)
{
    store_box box;
    open_box(&box);
    make_edits(&box, from, to);
    store_box_commit(&box);
    crdt_digest digest = store_box_digest(&box);
    store_box_close(&box);
    return digest;
}

static sync_actor_origin open_origin(const char *path, crdt_actor *actor)
{
    store_box box;
    open_at(&box, path);
    sync_actor_origin origin = box.report.origin;
    *actor = sync_store_actor(box.store);
    store_box_close(&box);
    return origin;
}

static void verify(store_box *box)
{
    crdt_diag diag = {0};
    sync_store_report report;
    cr_assert_eq(sync_store_verify(box->store, &report, &diag), CRDT_OK, "%s",
                 diag.text);
}

/* ---- what is kept ---- */

Test(store, keeps_what_was_committed)
{
    store_box box;
    open_box(&box);
    cr_assert(box.report.created);
    cr_assert_eq(box.report.origin, SYNC_ACTOR_NEW);
    crdt_actor actor = sync_store_actor(box.store);
    uint64_t nonce = sync_store_start_nonce(box.store);
    make_edits(&box, 0, 25);
    cr_assert(sync_store_dirty(box.store));
    uint64_t sequence = 0;
    cr_assert_eq(sync_store_commit(box.store, &sequence, NULL), CRDT_OK);
    cr_assert_eq(sequence, 25);
    cr_assert_not(sync_store_dirty(box.store));
    crdt_digest digest = store_box_digest(&box);
    store_box_close(&box);

    open_box(&box);
    cr_assert_not(box.report.created);
    cr_assert_not(box.report.unclean);
    cr_assert_eq(box.report.origin, SYNC_ACTOR_KEPT, "%s", box.report.text);
    cr_assert_eq(box.report.batch_count, 25);
    crdt_actor again = sync_store_actor(box.store);
    cr_assert(crdt_actor_equal(&again, &actor));
    cr_assert_neq(sync_store_start_nonce(box.store), nonce);
    cr_assert(crdt_digest_equal(store_box_digest(&box), digest));
    cr_assert_eq(sync_store_durable(box.store), 25);
    verify(&box);
    make_edits(&box, 25, 30);
    cr_assert_eq(sync_store_commit(box.store, &sequence, NULL), CRDT_OK);
    cr_assert_eq(sequence, 30);
    verify(&box);
    store_box_close(&box);
}

Test(store, drops_what_was_not_committed)
{
    store_box box;
    crdt_digest digest = edit_and_close(0, 3);
    open_box(&box);
    make_edits(&box, 3, 9);
    store_box_close(&box);
    open_box(&box);
    cr_assert(crdt_digest_equal(store_box_digest(&box), digest));
    cr_assert_eq(box.report.batch_count, 3);
    store_box_close(&box);
}

Test(store, replays_answers_between_batches)
{
    store_box a;
    store_box b;
    open_at(&a, temp_dir_path(&dir, "a"));
    open_at(&b, temp_dir_path(&dir, "b"));
    make_edits(&a, 0, 50);
    make_edits(&b, 50, 60);
    crdt_buf answer;
    crdt_buf_init(&answer, crdt_alloc_default());
    cr_assert_eq(
        crdt_document_answer(a.doc, crdt_document_version(b.doc), a.deps, &answer),
        CRDT_OK);
    cr_assert_eq(
        crdt_document_merge(b.doc, crdt_buf_span(&answer), b.deps, NULL, &b.diag),
        CRDT_OK, "%s", b.diag.text);
    cr_assert_eq(sync_store_append(b.store, SYNC_RECORD_ANSWER, crdt_buf_span(&answer),
                                   NULL, NULL),
                 CRDT_OK);
    make_edits(&b, 60, 70);
    store_box_commit(&b);
    crdt_digest digest = store_box_digest(&b);
    store_box_close(&a);
    store_box_close(&b);
    open_at(&b, temp_dir_path(&dir, "b"));
    cr_assert(crdt_digest_equal(store_box_digest(&b), digest));
    cr_assert_eq(b.report.batch_count, 20);
    cr_assert_eq(b.report.answer_count, 1);
    verify(&b);
    store_box_close(&b);
    crdt_buf_deinit(&answer);
}

Test(store, keeps_records_of_any_size)
{
    store_box box;
    open_box(&box);
    static const size_t sizes[] = {0, 1, 2009, 2010, 2011, 4020, 4021, 100000, 3000000};
    static uint8_t bytes[3000000];
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    for (size_t i = 0; i < COUNT; i++) {
        memset(bytes, (int)i + 1, sizes[i]);
        cr_assert_eq(sync_store_append(box.store, SYNC_RECORD_HISTORY,
                                       (crdt_span){bytes, sizes[i]}, NULL, NULL),
                     CRDT_OK);
    }
    store_box_commit(&box);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    for (int newer = 0; newer < 2; newer++) {
        uint64_t at = newer ? 0 : UINT64_MAX;
        for (size_t i = 0; i < COUNT; i++) {
            size_t n = newer ? i : COUNT - 1 - i;
            crdt_err err = newer ? sync_store_history_next(box.store, &at, &out, NULL)
                                 : sync_store_history_prev(box.store, &at, &out, NULL);
            cr_assert_eq(err, CRDT_OK);
            cr_assert_eq(out.size, sizes[n]);
            memset(bytes, (int)n + 1, sizes[n]);
            cr_assert(sizes[n] == 0 || memcmp(out.data, bytes, sizes[n]) == 0);
        }
        cr_assert_eq(newer ? sync_store_history_next(box.store, &at, &out, NULL)
                           : sync_store_history_prev(box.store, &at, &out, NULL),
                     CRDT_ENOTFOUND);
    }
    crdt_buf_deinit(&out);
    store_box_close(&box);
}

static void append_history(store_box *box, uint32_t number, size_t size)
{
    uint8_t bytes[4000] = {0};
    memcpy(bytes, &number, sizeof number);
    cr_assert_eq(sync_store_append(box->store, SYNC_RECORD_HISTORY,
                                   (crdt_span){bytes, size}, NULL, NULL),
                 CRDT_OK);
}

/* The ring holds the newest records that fit, whole ones, on disk and in memory alike. */
static void check_ring(store_box *box)
{
    for (uint32_t i = 0; i < 500; i++) {
        append_history(box, i, 100 + i % 7 * 550);
        if (i % 5 == 0) {
            store_box_commit(box);
        }
    }
    store_box_commit(box);
    sync_store_stats stats = sync_store_stat(box->store);
    cr_assert(stats.history_size <= options.history_size_max &&
              stats.history_size > options.history_size_max - 4000);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    uint64_t at = UINT64_MAX;
    uint32_t expected = 500;
    uint64_t size = 0;
    while (sync_store_history_prev(box->store, &at, &out, NULL) == CRDT_OK) {
        uint32_t number;
        memcpy(&number, out.data, sizeof number);
        cr_assert_eq(number, --expected);
        size += out.size;
    }
    cr_assert_eq(size, stats.history_size);
    uint32_t oldest;
    memcpy(&oldest, out.data, sizeof oldest);
    at = 0;
    cr_assert_eq(sync_store_history_next(box->store, &at, &out, NULL), CRDT_OK);
    cr_assert(memcmp(out.data, &oldest, sizeof oldest) == 0);
    crdt_buf_deinit(&out);
    verify(box);
}

Test(store, history_is_a_ring)
{
    options.history_size_max = 50000;
    options.journal_size = 0;
    store_box box;
    open_box(&box);
    check_ring(&box);
    store_box_close(&box);
}

Test(store, keeps_settings)
{
    store_box box;
    crdt_span value;
    open_box(&box);
    cr_assert_not(sync_store_get(box.store, SYNC_SETTING_SCENE, &value));
    cr_assert_eq(
        sync_store_set(box.store, SYNC_SETTING_SCENE, crdt_span_of("plaza"), NULL),
        CRDT_OK);
    cr_assert_eq(sync_store_set(box.store, "gone", crdt_span_of("x"), NULL), CRDT_OK);
    cr_assert(sync_store_get(box.store, SYNC_SETTING_SCENE, &value));
    store_box_commit(&box);
    cr_assert_eq(sync_store_set(box.store, "gone", (crdt_span){0}, NULL), CRDT_OK);
    static uint8_t big[SYNC_STORE_SETTING_SIZE_MAX];
    cr_assert_eq(sync_store_set(box.store, "big", (crdt_span){big, sizeof big}, NULL),
                 CRDT_OK);
    cr_assert_eq(
        sync_store_set(box.store, "big", (crdt_span){big, sizeof big + 1}, NULL),
        CRDT_ELIMIT);
    store_box_commit(&box);
    cr_assert_eq(sync_store_set(box.store, "late", crdt_span_of("x"), NULL), CRDT_OK);
    store_box_close(&box);
    open_box(&box);
    cr_assert(sync_store_get(box.store, SYNC_SETTING_SCENE, &value));
    cr_assert(crdt_span_equal(value, crdt_span_of("plaza")));
    cr_assert_not(sync_store_get(box.store, "gone", &value));
    cr_assert_not(sync_store_get(box.store, "late", &value), "never committed");
    cr_assert(sync_store_get(box.store, "big", &value));
    cr_assert_eq(value.size, sizeof big);
    verify(&box);
    store_box_close(&box);
}

Test(store, queue_is_bounded)
{
    options.queue_size_max = 1000;
    static uint8_t bytes[5000];
    store_box box;
    open_box(&box);
    crdt_span record = {bytes, sizeof bytes};
    cr_assert_eq(sync_store_append(box.store, SYNC_RECORD_HISTORY, record, NULL, NULL),
                 CRDT_OK, "any record fits an empty queue");
    cr_assert_eq(sync_store_append(box.store, SYNC_RECORD_HISTORY, record, NULL, NULL),
                 CRDT_ELIMIT);
    store_box_commit(&box);
    cr_assert_eq(sync_store_append(box.store, SYNC_RECORD_HISTORY, record, NULL, NULL),
                 CRDT_OK);
    store_box_close(&box);
}

/* ---- one at a time ---- */

Test(store, second_open_is_refused)
{
    store_box box;
    open_box(&box);
    char pid[24];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    expect_error(store_dir, CRDT_EBUSY, pid); /* within one process */
    pid_t child = fork();
    if (child == 0) {
        store_box other;
        store_box_open(&other, store_dir, &options);
        _exit(other.err == CRDT_EBUSY && strstr(other.diag.text, pid) != NULL ? 0 : 1);
    }
    int status = 1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "from another process");
    options.read_only = true;
    expect_error(store_dir, CRDT_EBUSY, pid);
    store_box_close(&box);
    open_box(&box);
    store_box_close(&box);
}

Test(store, missing_store_is_not_made_unasked)
{
    options.create = false;
    expect_error(store_dir, CRDT_ENOTFOUND, "store");
    struct stat st;
    cr_assert_neq(stat(store_dir, &st), 0);
}

Test(store, half_made_store_is_made_again)
{
    cr_assert_eq(mkdir(store_dir, 0700), 0);
    temp_write_file(temp_dir_path(&dir, "store/data.new"), (const uint8_t *)"half", 4);
    cr_assert_eq(edit_and_close(0, 3).low, edit_and_close(3, 3).low);
}

Test(store, read_only_changes_nothing)
{
    crdt_digest digest = edit_and_close(0, 20);
    size_t size = 0;
    size_t size_after = 0;
    uint8_t *before = temp_read_file(temp_dir_path(&dir, "store/data.mdb"), &size);
    options.read_only = true;
    store_box a;
    store_box b;
    open_box(&a);
    open_box(&b); /* two readers do not mind each other */
    cr_assert_eq(a.report.origin, SYNC_ACTOR_NONE);
    cr_assert(crdt_digest_equal(store_box_digest(&a), digest));
    cr_assert_eq(
        sync_store_append(a.store, SYNC_RECORD_HISTORY, crdt_span_of("x"), NULL, NULL),
        CRDT_EIO);
    verify(&b);
    store_box_close(&a);
    store_box_close(&b);
    uint8_t *after = temp_read_file(temp_dir_path(&dir, "store/data.mdb"), &size_after);
    cr_assert(size == size_after && memcmp(before, after, size) == 0);
    free(before);
    free(after);
}

/* ---- identity ---- */

static void expect_fresh(const char *path, const crdt_actor *former,
                         sync_actor_origin expected)
{
    crdt_actor actor;
    sync_actor_origin origin = open_origin(path, &actor);
    cr_assert_eq(origin, expected, "origin %d", (int)origin);
    cr_assert_not(crdt_actor_equal(&actor, former));
    crdt_actor again;
    cr_assert_eq(open_origin(path, &again), SYNC_ACTOR_KEPT, "fresh once only");
    cr_assert(crdt_actor_equal(&again, &actor));
}

static void expect_kept(const char *path, const crdt_actor *former)
{
    crdt_actor actor;
    sync_actor_origin origin = open_origin(path, &actor);
    cr_assert_eq(origin, SYNC_ACTOR_KEPT, "origin %d", (int)origin);
    cr_assert(crdt_actor_equal(&actor, former));
}

static crdt_actor make_store(void)
{
    crdt_actor actor;
    edit_and_close(0, 20);
    cr_assert_eq(open_origin(store_dir, &actor), SYNC_ACTOR_KEPT);
    return actor;
}

Test(store, copy_takes_a_fresh_actor)
{
    crdt_actor actor = make_store();
    temp_copy(store_dir, temp_dir_path(&dir, "copy"));
    expect_kept(store_dir, &actor);
    expect_fresh(temp_dir_path(&dir, "copy"), &actor, SYNC_ACTOR_COPIED);
    expect_kept(store_dir, &actor);
}

/* A copy comes back in the place of the original: its inode number may be the former one
 * again, its time of birth is not. */
Test(store, copy_in_place_of_the_original_takes_a_fresh_actor)
{
    crdt_actor actor = make_store();
    for (int i = 0; i < 20; i++) {
        temp_copy(store_dir, temp_dir_path(&dir, "copy"));
        temp_remove(store_dir);
        cr_assert_eq(rename(temp_dir_path(&dir, "copy"), store_dir), 0);
        crdt_actor fresh;
        cr_assert_eq(open_origin(store_dir, &fresh), SYNC_ACTOR_COPIED);
        cr_assert_not(crdt_actor_equal(&fresh, &actor));
        actor = fresh;
    }
}

static void overwrite(const char *path, const char *with)
{
    size_t size = 0;
    uint8_t *bytes = temp_read_file(with, &size);
    temp_write_file(path, bytes, size);
    free(bytes);
}

/* The content of yesterday under the same inode. */
Test(store, restored_content_takes_a_fresh_actor)
{
    crdt_actor actor = make_store();
    temp_copy(store_dir, temp_dir_path(&dir, "yesterday"));
    edit_and_close(20, 30);
    overwrite(temp_dir_path(&dir, "store/data.mdb"),
              temp_dir_path(&dir, "yesterday/data.mdb"));
    expect_fresh(store_dir, &actor, SYNC_ACTOR_RESTORED);
}

/* The backup was taken while the store was open, and nothing was opened since: the tokens
 * agree, but the store had gone on. */
Test(store, content_restored_within_a_run_takes_a_fresh_actor)
{
    store_box box;
    crdt_actor actor = make_store();
    open_box(&box);
    make_edits(&box, 20, 25);
    store_box_commit(&box);
    temp_copy(store_dir, temp_dir_path(&dir, "backup"));
    make_edits(&box, 25, 26);
    store_box_commit(&box);
    store_box_close(&box);
    overwrite(temp_dir_path(&dir, "store/data.mdb"),
              temp_dir_path(&dir, "backup/data.mdb"));
    expect_fresh(store_dir, &actor, SYNC_ACTOR_RESTORED);
}

/* The same, and the process was killed: nobody closed the store, what each commit noted
 * beside it has to do. */
Test(store, content_restored_after_a_kill_takes_a_fresh_actor)
{
    store_box box;
    crdt_actor actor = make_store();
    fflush(NULL);
    pid_t child = fork();
    cr_assert_neq(child, -1);
    if (child == 0) {
        open_box(&box);
        make_edits(&box, 20, 25);
        store_box_commit(&box);
        temp_copy(store_dir, temp_dir_path(&dir, "backup"));
        make_edits(&box, 25, 26);
        store_box_commit(&box);
        _exit(0);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    overwrite(temp_dir_path(&dir, "store/data.mdb"),
              temp_dir_path(&dir, "backup/data.mdb"));
    expect_fresh(store_dir, &actor, SYNC_ACTOR_RESTORED);
}

/* What says nothing new is counted and passed over; and a replay that gives the version
 * recorded and another state is told apart from one that gives another version. */
Test(store, replay_passes_over_and_compares)
{
    store_box box;
    make_store();
    open_box(&box);
    sync_store_report report = {.origin = SYNC_ACTOR_NONE};
    sync_replay replay;
    sync_replay_init(&replay, crdt_alloc_default(), box.doc, box.deps, &report);
    make_edits(&box, 20, 21);
    crdt_span last = crdt_buf_span(&box.bytes);
    crdt_diag diag = {0};
    cr_assert_eq(sync_replay_record(&replay, SYNC_RECORD_BATCH, last, 1, &diag),
                 CRDT_OK, "%s", diag.text);
    cr_assert_eq(report.duplicate_count, 1);
    sync_replay_deinit(&replay);
    sync_mark mark = sync_mark_of(box.doc);
    sync_mark other = mark;
    cr_assert_eq(sync_mark_compare(&mark, &other, &diag), CRDT_OK);
    other.state.low ^= 1;
    cr_assert_eq(sync_mark_compare(&mark, &other, &diag), CRDT_ECORRUPT);
    cr_assert_not_null(strstr(diag.text, "digest"));
    other.version.low ^= 1;
    cr_assert_eq(sync_mark_compare(&mark, &other, &diag), CRDT_ECORRUPT);
    cr_assert_not_null(strstr(diag.text, "version"));
    store_box_commit(&box);
    store_box_close(&box);
}

Test(store, moved_within_its_file_system_is_the_same)
{
    crdt_actor actor = make_store();
    cr_assert_eq(rename(store_dir, temp_dir_path(&dir, "elsewhere")), 0);
    expect_kept(temp_dir_path(&dir, "elsewhere"), &actor);
}

Test(store, moved_by_copying_takes_a_fresh_actor)
{
    crdt_actor actor = make_store();
    temp_copy(store_dir, temp_dir_path(&dir, "elsewhere"));
    temp_remove(store_dir);
    expect_fresh(temp_dir_path(&dir, "elsewhere"), &actor, SYNC_ACTOR_COPIED);
}

static const char *state_file(void)
{
    struct stat st;
    char name[128];
    cr_assert_eq(stat(temp_dir_path(&dir, "store/data.mdb"), &st), 0);
    snprintf(name, sizeof name, "state/stores/%llx-%llx", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    return temp_dir_path(&dir, name);
}

/* Both come back: nothing on the machine can tell. Found at the first contact. */
Test(store, machine_rolled_back_keeps_its_actor)
{
    crdt_actor actor = make_store();
    overwrite(temp_dir_path(&dir, "data"), temp_dir_path(&dir, "store/data.mdb"));
    overwrite(temp_dir_path(&dir, "token"), state_file());
    edit_and_close(20, 30);
    overwrite(temp_dir_path(&dir, "store/data.mdb"), temp_dir_path(&dir, "data"));
    overwrite(state_file(), temp_dir_path(&dir, "token"));
    expect_kept(store_dir, &actor);
}

/* A crash between the two writes of the token, whichever was first: never the old actor
 * twice, at worst a needless fresh one. */
Test(store, torn_renewal_takes_a_fresh_actor)
{
    crdt_actor actor = make_store();
    overwrite(temp_dir_path(&dir, "data"), temp_dir_path(&dir, "store/data.mdb"));
    overwrite(temp_dir_path(&dir, "token"), state_file());
    expect_kept(store_dir, &actor);
    overwrite(temp_dir_path(&dir, "data2"), temp_dir_path(&dir, "store/data.mdb"));
    overwrite(temp_dir_path(&dir, "store/data.mdb"), temp_dir_path(&dir, "data"));
    expect_fresh(store_dir, &actor, SYNC_ACTOR_RESTORED);
    overwrite(temp_dir_path(&dir, "store/data.mdb"), temp_dir_path(&dir, "data2"));
    overwrite(state_file(), temp_dir_path(&dir, "token"));
    expect_fresh(store_dir, &actor, SYNC_ACTOR_RESTORED);
}

Test(store, damaged_state_file_takes_a_fresh_actor)
{
    crdt_actor actor = make_store();
    size_t size = 0;
    uint8_t *good = temp_read_file(state_file(), &size);
    for (size_t i = 0; i < size; i++) {
        if (i >= 56 && i < 64) {
            continue; /* a gap */
        }
        cr_assert_eq(open_origin(store_dir, &actor), SYNC_ACTOR_KEPT);
        free(good);
        good = temp_read_file(state_file(), &size);
        good[i] ^= 1;
        temp_write_file(state_file(), good, size);
        crdt_actor fresh;
        sync_actor_origin origin = open_origin(store_dir, &fresh);
        cr_assert(origin == SYNC_ACTOR_RESTORED || origin == SYNC_ACTOR_COPIED,
                  "byte %zu", i);
        cr_assert_not(crdt_actor_equal(&fresh, &actor));
    }
    temp_write_file(state_file(), good, 0);
    expect_fresh(store_dir, &actor, SYNC_ACTOR_COPIED);
    free(good);
}

/* Without a place for the proof every open is a fresh actor, and says so. */
Test(store, unusable_state_folder_proves_nothing)
{
    crdt_actor actor = make_store();
    temp_write_file(temp_dir_path(&dir, "file"), (const uint8_t *)"x", 1);
    options.state_dir = temp_dir_path(&dir, "file");
    for (int i = 0; i < 3; i++) {
        store_box box;
        open_box(&box);
        cr_assert_eq(box.report.origin, SYNC_ACTOR_UNPROVEN);
        cr_assert_not_null(strstr(box.report.text, "state folder"));
        crdt_actor fresh = sync_store_actor(box.store);
        cr_assert_not(crdt_actor_equal(&fresh, &actor));
        actor = fresh;
        make_edits(&box, 100 + i, 101 + i);
        store_box_commit(&box);
        store_box_close(&box);
    }
}

Test(store, missing_state_folder_is_made)
{
    crdt_actor actor = make_store();
    temp_remove(state_dir);
    expect_fresh(store_dir, &actor, SYNC_ACTOR_COPIED);
}

Test(store, environment_names_the_state_folder)
{
    crdt_actor actor = make_store();
    options.state_dir = NULL;
    setenv("SCENESYNC_STATE_DIR", state_dir, 1);
    expect_kept(store_dir, &actor);
    unsetenv("SCENESYNC_STATE_DIR");
    setenv("XDG_STATE_HOME", dir.path, 1);
    expect_fresh(store_dir, &actor, SYNC_ACTOR_COPIED);
    struct stat st;
    cr_assert_eq(stat(temp_dir_path(&dir, "scenesync/stores"), &st), 0);
}

Test(store, renewed_actor_is_kept)
{
    store_box box;
    crdt_actor actor = make_store();
    crdt_actor fresh;
    open_box(&box);
    cr_assert_eq(sync_store_renew_actor(box.store, &fresh, NULL), CRDT_OK);
    cr_assert_not(crdt_actor_equal(&fresh, &actor));
    cr_assert(sync_store_dirty(box.store));
    make_edits(&box, 20, 22);
    store_box_commit(&box);
    store_box_close(&box);
    expect_kept(store_dir, &fresh);
}

/* ---- compaction ---- */

static void maintain(store_box *box, size_t budget)
{
    crdt_diag diag = {0};
    cr_assert_eq(sync_store_maintain(box->store, budget, NULL, &diag), CRDT_OK, "%s",
                 diag.text);
}

/* 200,000 overwrites of 100 fields: the file follows the state, not the edits. */
Test(store, size_follows_the_state, .timeout = 300)
{
    store_box box;
    open_box(&box);
    uint64_t size_max = 0;
    for (int64_t i = 0; i < 200000; i++) {
        char field[16];
        snprintf(field, sizeof field, "f%d", (int)(i % 100));
        store_box_set(&box, "o", field, i);
        if (i % 200 == 199) {
            store_box_commit(&box);
            maintain(&box, 1 << 20);
            sync_store_stats stats = sync_store_stat(box.store);
            size_max = stats.file_size > size_max ? stats.file_size : size_max;
        }
    }
    cr_assert(size_max < 16u << 20, "%llu bytes", (unsigned long long)size_max);
    crdt_digest digest = store_box_digest(&box);
    verify(&box);
    store_box_close(&box);
    open_box(&box);
    cr_assert(crdt_digest_equal(store_box_digest(&box), digest));
    cr_assert(box.report.checkpoint_size > 0);
    cr_assert(box.report.batch_count < 40000);
    cr_assert_eq(store_box_get(&box, "o", "f99", -1), 199999);
    verify(&box);
    store_box_close(&box);
}

/* Compaction goes in slices, edits go on meanwhile, and it may end at any moment: what is
 * there is always the whole. */
Test(store, compaction_may_be_cut_short_anywhere)
{
    options.checkpoint_size_min = 2000;
    int64_t next = 0;
    uint64_t checkpoints = 0;
    for (int run = 0; run < 60; run++) {
        store_box box;
        open_box(&box);
        cr_assert_eq(box.report.origin, run == 0 ? SYNC_ACTOR_NEW : SYNC_ACTOR_KEPT);
        checkpoints += box.report.checkpoint_size > 0 ? 1 : 0;
        for (int i = 0; i < 5 + run; i++) {
            char object[16];
            snprintf(object, sizeof object, "o%d", (int)(next % 300));
            store_box_set(&box, object, "f", next++);
            store_box_commit(&box);
            maintain(&box, 500);
            if (i % 3 == 0) {
                store_box_commit(&box);
            }
        }
        store_box_commit(&box);
        crdt_digest digest = store_box_digest(&box);
        verify(&box);
        store_box_close(&box);
        open_box(&box);
        cr_assert(crdt_digest_equal(store_box_digest(&box), digest), "run %d", run);
        store_box_close(&box);
    }
    cr_assert(checkpoints > 20, "%llu", (unsigned long long)checkpoints);
    store_box box;
    open_box(&box);
    bool more = true;
    for (int i = 0; more && i < 10000; i++) {
        cr_assert_eq(sync_store_maintain(box.store, 500, &more, NULL), CRDT_OK);
        store_box_commit(&box);
    }
    sync_store_stats stats = sync_store_stat(box.store);
    cr_assert(stats.live_size < 4 * (stats.checkpoint_size + stats.log_size) + 65536,
              "what is old is gone");
    verify(&box);
    store_box_close(&box);
}

/* ---- damage ---- */

Test(store, record_that_is_no_batch_is_named)
{
    store_box box;
    crdt_digest digest = edit_and_close(0, 4);
    open_box(&box);
    cr_assert(crdt_digest_equal(store_box_digest(&box), digest));
    static const uint8_t rubbish[] = {0x20, 0xc4, 0x10, 0xff};
    cr_assert_eq(sync_store_append(box.store, SYNC_RECORD_BATCH,
                                   (crdt_span){rubbish, sizeof rubbish}, NULL, NULL),
                 CRDT_OK);
    cr_assert_eq(
        sync_store_append(box.store, SYNC_RECORD_BATCH, (crdt_span){0}, NULL, NULL),
        CRDT_EINVAL);
    store_box_commit(&box);
    crdt_err err = sync_store_verify(box.store, NULL, &box.diag);
    cr_assert_eq(err, CRDT_ECORRUPT, "%s: %s", crdt_err_text(err), box.diag.text);
    store_box_close(&box);
    expect_error(store_dir, CRDT_ECORRUPT, "log record 5");
}

/* An edit that never reached the store: the replay tells. */
Test(store, replay_must_give_the_recorded_state)
{
    store_box box;
    open_box(&box);
    make_edits(&box, 0, 4);
    store_box_commit(&box);
    crdt_edit edit = {.actor = sync_store_actor(box.store)};
    crdt_op op = {.kind = CRDT_OP_ADD, .key = crdt_key_object(crdt_span_of("lost"))};
    crdt_batch batch;
    cr_assert_eq(crdt_document_commit(box.doc, &edit, &op, 1, &box.arena, &batch, NULL),
                 CRDT_OK);
    cr_assert_eq(sync_store_set(box.store, "x", crdt_span_of("y"), NULL), CRDT_OK);
    store_box_commit(&box);
    store_box_close(&box);
    expect_error(store_dir, CRDT_ECORRUPT, "another version");
}

/* A small store with all there can be in it. */
static crdt_digest make_full_store(void)
{
    store_box box;
    options.checkpoint_size_min = 2000;
    open_box(&box);
    sync_store_set(box.store, SYNC_SETTING_SCENE, crdt_span_of("plaza"), NULL);
    for (int i = 0; i < 120; i++) {
        append_history(&box, (uint32_t)i, 200);
        make_edits(&box, i, i + 1);
        store_box_commit(&box);
        maintain(&box, 1500);
    }
    store_box_commit(&box);
    crdt_digest digest = store_box_digest(&box);
    cr_assert(sync_store_stat(box.store).checkpoint_size > 0);
    store_box_close(&box);
    return digest;
}

/* Open and verify; what opens must be the whole. */
static crdt_err open_damaged(crdt_digest digest)
{
    store_box box;
    store_box_open(&box, store_dir, &options);
    crdt_err err = box.err;
    if (err == CRDT_OK) {
        cr_assert(crdt_digest_equal(store_box_digest(&box), digest),
                  "damage went unnoticed");
        err = sync_store_verify(box.store, NULL, &box.diag);
    }
    cr_assert(err == CRDT_OK || box.diag.text[0] != '\0');
    store_box_close(&box);
    return err;
}

Test(store, flipped_bits_are_noticed, .timeout = 300)
{
    crdt_digest digest = make_full_store();
    uint64_t seed = gen_seed(11);
    gen g = gen_open(seed, NULL);
    options.read_only = true;
    size_t size = 0;
    const char *path = temp_dir_path(&dir, "store/data.mdb");
    uint8_t *good = temp_read_file(path, &size);
    int fd = open(path, O_WRONLY);
    size_t noticed = 0;
    for (int i = 0; i < 1500; i++) {
        size_t at = (size_t)gen_below(&g, size);
        uint8_t bad = good[at] ^ (uint8_t)(1u << gen_below(&g, 8));
        cr_assert_eq(pwrite(fd, &bad, 1, (off_t)at), 1);
        crdt_err err = open_damaged(digest);
        cr_assert(err == CRDT_OK || err == CRDT_ECORRUPT || err == CRDT_EVERSION,
                  "byte %zu, seed %llu: %s", at, (unsigned long long)seed,
                  crdt_err_text(err));
        noticed += err != CRDT_OK ? 1 : 0;
        cr_assert_eq(pwrite(fd, &good[at], 1, (off_t)at), 1);
    }
    close(fd);
    cr_assert_eq(open_damaged(digest), CRDT_OK);
    cr_assert(noticed > 10, "%zu", noticed);
    free(good);
}

Test(store, cut_files_are_noticed)
{
    crdt_digest digest = make_full_store();
    gen g = gen_open(12, NULL);
    options.read_only = true;
    size_t size = 0;
    const char *path = temp_dir_path(&dir, "store/data.mdb");
    uint8_t *good = temp_read_file(path, &size);
    for (int i = 0; i < 150; i++) {
        size_t cut = i < 20 ? (size_t)i * 512 : (size_t)gen_below(&g, size);
        temp_write_file(path, good, cut);
        crdt_err err = open_damaged(digest);
        cr_assert(err == CRDT_OK || err == CRDT_ECORRUPT, "cut at %zu: %s", cut,
                  crdt_err_text(err));
    }
    free(good);
}

/* ---- a disk that takes no more ---- */

/* A file that may not grow stands for a full disk: the commit fails, the store is
 * poisoned, reading goes on, and at the next open all that was acknowledged is there. */
Test(store, failed_write_poisons)
{
    store_box box;
    open_box(&box);
    append_history(&box, 1, 100);
    make_edits(&box, 0, 10);
    store_box_commit(&box);
    crdt_digest digest = store_box_digest(&box);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    struct rlimit tight = {sync_store_stat(box.store).file_size, limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    crdt_err err = CRDT_OK;
    for (int64_t i = 10; i < 3000 && err == CRDT_OK; i++) {
        digest = store_box_digest(&box);
        make_edits(&box, i, i + 1);
        err = sync_store_commit(box.store, NULL, &box.diag);
    }
    setrlimit(RLIMIT_FSIZE, &limit);
    cr_assert_eq(err, CRDT_EIO);
    cr_assert_neq(box.diag.text[0], '\0');
    crdt_diag diag = {0};
    cr_assert_eq(sync_store_append(box.store, SYNC_RECORD_HISTORY, crdt_span_of("x"),
                                   NULL, &diag),
                 CRDT_EIO);
    cr_assert_str_eq(diag.text, box.diag.text);
    cr_assert_eq(sync_store_commit(box.store, NULL, NULL), CRDT_EIO, "never again");
    cr_assert_eq(sync_store_set(box.store, "k", crdt_span_of("x"), NULL), CRDT_EIO);
    cr_assert_eq(sync_store_maintain(box.store, 1000, NULL, NULL), CRDT_EIO);
    uint64_t at = UINT64_MAX;
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(sync_store_history_prev(box.store, &at, &out, NULL), CRDT_OK);
    crdt_buf_deinit(&out);
    store_box_close(&box);
    open_box(&box);
    cr_assert(crdt_digest_equal(store_box_digest(&box), digest));
    verify(&box);
    store_box_close(&box);
}

/* Not even the token can be renewed: the store opens, to be read only, and says why. */
Test(store, disk_without_room_is_read)
{
    crdt_digest digest = edit_and_close(0, 20);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    struct rlimit tight = {4096, limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    store_box box;
    open_box(&box);
    setrlimit(RLIMIT_FSIZE, &limit);
    cr_assert(box.report.read_only);
    cr_assert_not_null(strstr(box.report.text, "cannot write"));
    cr_assert(crdt_digest_equal(store_box_digest(&box), digest));
    cr_assert_eq(sync_store_append(box.store, SYNC_RECORD_HISTORY, crdt_span_of("x"),
                                   NULL, NULL),
                 CRDT_EIO);
    verify(&box);
    store_box_close(&box);
    open_box(&box);
    cr_assert_not(box.report.read_only);
    cr_assert_eq(box.report.origin, SYNC_ACTOR_RESTORED,
                 "the token in the state folder is ahead: no proof");
    store_box_close(&box);
}

/* Fail one allocation after the other: an error or success, nothing leaked, and the store
 * is as it was. */
Test(store, every_allocation_may_fail)
{
    crdt_digest digest = make_full_store();
    for (uint64_t n = 0;; n++) {
        fault_alloc fault;
        sync_store_options failing = options;
        failing.alloc = fault_alloc_init(&fault);
        fault_alloc_fail_at(&fault, n);
        store_box box;
        store_box_open(&box, store_dir, &failing);
        crdt_err err = box.err;
        bool done = fault.call_count <= n;
        cr_assert(err == CRDT_OK || err == CRDT_ENOMEM, "%llu: %s",
                  (unsigned long long)n, crdt_err_text(err));
        store_box_close(&box);
        cr_assert(fault_alloc_balanced(&fault), "%llu", (unsigned long long)n);
        if (done) {
            break;
        }
    }
    store_box box;
    open_box(&box);
    cr_assert(crdt_digest_equal(store_box_digest(&box), digest));
    store_box_close(&box);
}

/* ---- copies of a store in use ---- */

static void write_for_ever(int ready)
{
    store_box box;
    open_box(&box);
    for (int64_t i = 0;; i++) {
        make_edits(&box, i, i + 1);
        store_box_commit(&box);
        maintain(&box, 2000);
        if (i == 200 && write(ready, "x", 1) != 1) {
            _exit(1);
        }
    }
}

/* Copy and open; where the copy took too long for the pages that are spared, it says that
 * it is damaged, and is made again. */
static void open_copy(store_box *box, const char *copy)
{
    for (int tries = 0; tries < 20; tries++) {
        temp_copy(store_dir, copy);
        store_box_open(box, copy, &options);
        if (box->err != CRDT_ECORRUPT) {
            break;
        }
        store_box_close(box);
        temp_remove(copy);
    }
    cr_assert_eq(box->err, CRDT_OK, "%s: %s", crdt_err_text(box->err), box->diag.text);
}

Test(store, copies_of_a_store_in_use_open, .timeout = 120)
{
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    options.checkpoint_size_min = 20000;
    pid_t child = fork();
    if (child == 0) {
        write_for_ever(pipe_fds[1]);
    }
    char byte;
    cr_assert_eq(read(pipe_fds[0], &byte, 1), 1);
    int64_t newest = 0;
    for (int i = 0; i < 25; i++) {
        char copy[600];
        snprintf(copy, sizeof copy, "%s/copy%d", dir.path, i);
        store_box box;
        open_copy(&box, copy);
        cr_assert_eq(box.report.origin, SYNC_ACTOR_COPIED);
        int64_t value = 0;
        for (int f = 0; f < 10; f++) {
            char field[16];
            snprintf(field, sizeof field, "f%d", f);
            int64_t found = store_box_get(&box, "o", field, 0);
            value = found > value ? found : value;
        }
        cr_assert(value >= newest, "a later copy holds less");
        newest = value;
        verify(&box);
        make_edits(&box, value + 1, value + 3); /* and can be written to */
        store_box_commit(&box);
        store_box_close(&box);
        temp_remove(copy);
    }
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    store_box box;
    open_box(&box);
    store_box_close(&box);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* ---- the store in memory ---- */

Test(store_mem, keeps_and_drops_as_a_disk_does)
{
    sync_mem_disk *disk = NULL;
    store_box box;
    cr_assert_eq(sync_mem_disk_open(&disk, crdt_alloc_default()), CRDT_OK);
    store_box_open_mem(&box, disk, &options);
    cr_assert_eq(box.report.origin, SYNC_ACTOR_NEW);
    crdt_actor actor = sync_store_actor(box.store);
    make_edits(&box, 0, 20);
    sync_store_set(box.store, SYNC_SETTING_SCENE, crdt_span_of("plaza"), NULL);
    store_box_commit(&box);
    crdt_digest digest = store_box_digest(&box);
    make_edits(&box, 20, 25);
    sync_store_set(box.store, "late", crdt_span_of("x"), NULL);
    store_box_close(&box); /* as a crash */
    store_box_open_mem(&box, disk, &options);
    cr_assert_eq(box.err, CRDT_OK, "%s", box.diag.text);
    cr_assert_eq(box.report.origin, SYNC_ACTOR_KEPT);
    crdt_actor again = sync_store_actor(box.store);
    cr_assert(crdt_actor_equal(&actor, &again));
    cr_assert(crdt_digest_equal(store_box_digest(&box), digest));
    crdt_span value;
    cr_assert(sync_store_get(box.store, SYNC_SETTING_SCENE, &value));
    cr_assert_not(sync_store_get(box.store, "late", &value));
    cr_assert_eq(sync_store_durable(box.store), 20);
    verify(&box);
    store_box other;
    store_box_open_mem(&other, disk, &options);
    cr_assert_eq(other.err, CRDT_EBUSY);
    store_box_close(&other);
    store_box_close(&box);
    sync_mem_disk_close(disk);
}

Test(store_mem, copies_take_fresh_actors)
{
    sync_mem_disk *disk = NULL;
    sync_mem_disk *copy = NULL;
    sync_mem_disk *second = NULL;
    sync_mem_disk *rolled_back = NULL;
    store_box box;
    cr_assert_eq(sync_mem_disk_open(&disk, crdt_alloc_default()), CRDT_OK);
    store_box_open_mem(&box, disk, &options);
    crdt_actor actor = sync_store_actor(box.store);
    make_edits(&box, 0, 5);
    store_box_commit(&box);
    store_box_close(&box);
    cr_assert_eq(sync_mem_disk_copy(disk, false, &copy), CRDT_OK);
    cr_assert_eq(sync_mem_disk_copy(disk, false, &second), CRDT_OK);
    cr_assert_eq(sync_mem_disk_copy(disk, true, &rolled_back), CRDT_OK);
    store_box_open_mem(&box, copy, &options);
    cr_assert_eq(box.report.origin, SYNC_ACTOR_COPIED);
    crdt_actor fresh = sync_store_actor(box.store);
    cr_assert_not(crdt_actor_equal(&fresh, &actor));
    store_box_close(&box);
    store_box_open_mem(&box, second, &options);
    crdt_actor other = sync_store_actor(box.store);
    cr_assert_not(crdt_actor_equal(&other, &actor) || crdt_actor_equal(&other, &fresh),
                  "nor do two copies take the same one");
    store_box_close(&box);
    store_box_open_mem(&box, rolled_back, &options);
    cr_assert_eq(box.report.origin, SYNC_ACTOR_KEPT);
    store_box_close(&box);
    sync_mem_disk_close(disk);
    sync_mem_disk_close(copy);
    sync_mem_disk_close(second);
    sync_mem_disk_close(rolled_back);
}

Test(store_mem, compacts_and_keeps_a_ring)
{
    sync_mem_disk *disk = NULL;
    store_box box;
    options.history_size_max = 50000;
    options.checkpoint_size_min = 2000;
    cr_assert_eq(sync_mem_disk_open(&disk, crdt_alloc_default()), CRDT_OK);
    store_box_open_mem(&box, disk, &options);
    check_ring(&box);
    for (int i = 0; i < 300; i++) {
        make_edits(&box, i, i + 1);
        store_box_commit(&box);
        maintain(&box, 100);
    }
    store_box_commit(&box);
    crdt_digest digest = store_box_digest(&box);
    sync_store_stats stats = sync_store_stat(box.store);
    cr_assert(stats.checkpoint_size > 0 && stats.log_size < 10000);
    store_box_close(&box);
    store_box_open_mem(&box, disk, &options);
    cr_assert(crdt_digest_equal(store_box_digest(&box), digest));
    store_box_close(&box);
    sync_mem_disk_close(disk);
}

Test(store_mem, fails_when_told_to)
{
    sync_mem_disk *disk = NULL;
    store_box box;
    cr_assert_eq(sync_mem_disk_open(&disk, crdt_alloc_default()), CRDT_OK);
    store_box_open_mem(&box, disk, &options);
    sync_mem_disk_fail(disk, 2);
    make_edits(&box, 0, 1);
    store_box_commit(&box);
    make_edits(&box, 1, 2);
    cr_assert_eq(sync_store_commit(box.store, NULL, NULL), CRDT_EIO);
    cr_assert_eq(sync_store_commit(box.store, NULL, NULL), CRDT_EIO);
    store_box_close(&box);
    store_box_open_mem(&box, disk, &options);
    cr_assert_eq(box.report.batch_count, 1);
    store_box_close(&box);
    sync_mem_disk_close(disk);
}
