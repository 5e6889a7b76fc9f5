#include "sync/journal.h"

#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include "tests/support/temp_dir.h"
#include "tests/sync/store_box.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEED = 77, HALF = 8192, GROUP_COUNT = 6 };

static temp_dir dir;
static char path[300];
static char store[300];
static char copy[300];
static char kept[300];
static sync_store_options options;

static void setup(void)
{
    temp_dir_open(&dir);
    snprintf(path, sizeof path, "%s/journal", dir.path);
    snprintf(store, sizeof store, "%s/store", dir.path);
    snprintf(copy, sizeof copy, "%s/copy", dir.path);
    snprintf(kept, sizeof kept, "%s/kept", dir.path);
    setenv("SCENESYNC_STATE_DIR", temp_dir_path(&dir, "state"), 1);
    options = sync_store_options_default();
    options.journal_after = 0;
    options.journal_size = HALF;
}

static void teardown(void)
{
    temp_dir_close(&dir);
}

TestSuite(journal, .init = setup, .fini = teardown);

/* ---- the file alone ---- */

static void make(sync_journal *journal)
{
    sync_journal_init(journal, crdt_alloc_default());
    cr_assert_eq(sync_journal_make(journal, dir.path, path, SEED, HALF, NULL), CRDT_OK);
}

/* Group n has 100 n bytes of n. */
static void append(sync_journal *journal, uint64_t number)
{
    uint8_t bytes[2000];
    memset(bytes, (int)number, sizeof bytes);
    sync_journal_group group = {.number = number,
                                .sequence = number * 10,
                                .mark = {.state = {.low = number}},
                                .bytes = {bytes, (size_t)number % 16 * 100}};
    cr_assert(sync_journal_fits(journal, group.bytes.size));
    cr_assert_eq(sync_journal_append(journal, &group, NULL), CRDT_OK);
}

typedef struct visited {
    uint64_t next; /* the number expected */
    uint64_t count;
} visited;

static crdt_err visit(void *ctx, const sync_journal_group *group, crdt_diag *diag)
{
    visited *v = ctx;
    (void)diag;
    cr_assert_eq(group->number, v->next);
    cr_assert_eq(group->sequence, v->next * 10);
    cr_assert_eq(group->mark.state.low, v->next);
    cr_assert_eq(group->bytes.size, v->next % 16 * 100);
    for (size_t i = 0; i < group->bytes.size; i++) {
        cr_assert_eq(group->bytes.data[i], (uint8_t)v->next);
    }
    v->next++;
    v->count++;
    return CRDT_OK;
}

/* Groups after `after`; their count in `*count`. */
static crdt_err read_after(uint64_t after, uint64_t *count, uint64_t *torn_size)
{
    visited v = {.next = after + 1};
    crdt_diag diag = {0};
    crdt_err err = sync_journal_read(path, SEED, after, crdt_alloc_default(), visit, &v,
                                     torn_size, &diag);
    cr_assert(err == CRDT_OK || diag.text[0] != '\0');
    *count = v.count;
    return err;
}

static void expect_count(uint64_t after, uint64_t count)
{
    uint64_t found = 0;
    uint64_t torn_size = 0;
    cr_assert_eq(read_after(after, &found, &torn_size), CRDT_OK);
    cr_assert_eq(found, count, "%d groups after %d", (int)found, (int)after);
    cr_assert_eq(torn_size, 0);
}

Test(journal, gives_back_what_was_appended)
{
    sync_journal journal;
    expect_count(0, 0); /* no file */
    make(&journal);
    expect_count(0, 0);
    for (uint64_t i = 1; i <= GROUP_COUNT; i++) {
        append(&journal, i);
    }
    for (uint64_t after = 0; after <= GROUP_COUNT; after++) {
        expect_count(after, GROUP_COUNT - after);
    }
    sync_journal_deinit(&journal);
    expect_count(2, GROUP_COUNT - 2);
}

/* Round and round, as a store does it: at every moment the file gives what the tables do
 * not have, also to who has the tables from before the last turn. */
Test(journal, turns_from_half_to_half)
{
    sync_journal journal;
    make(&journal);
    gen g = gen_open(gen_seed(3), NULL);
    uint64_t tables = 0;        /* the last group that they have */
    uint64_t tables_before = 0; /* before the last turn */
    bool skipped = false;       /* a group went to the tables at once */
    for (uint64_t number = 1; number < 500; number++) {
        size_t size = (size_t)number % 16 * 100;
        if (!sync_journal_fits(&journal, size) || gen_chance(&g, 5)) {
            tables_before = tables;
            tables = number - 1;
            skipped = gen_chance(&g, 20);
            tables += skipped;
            number += skipped;
            if (journal.offset > 0) {
                sync_journal_turn(&journal);
            }
        }
        append(&journal, number);
        expect_count(tables, number - tables);
        uint64_t count = 0;
        uint64_t torn_size = 0;
        crdt_err err = read_after(tables_before, &count, &torn_size);
        cr_assert(err == CRDT_ECORRUPT ||
                  (err == CRDT_OK && count == number - tables_before));
    }
    sync_journal_deinit(&journal);
}

Test(journal, of_another_run_is_not_seen)
{
    sync_journal journal;
    make(&journal);
    append(&journal, 1);
    sync_journal_deinit(&journal);
    visited v = {.next = 1};
    uint64_t torn_size = 0;
    cr_assert_eq(sync_journal_read(path, SEED + 1, 0, crdt_alloc_default(), visit, &v,
                                   &torn_size, NULL),
                 CRDT_OK);
    cr_assert_eq(v.count, 0);
}

/* Whatever byte is another one: all groups, or an error, or all but the last: that one is
 * as if it had been torn while it was written. */
Test(journal, damage_is_noticed)
{
    sync_journal journal;
    make(&journal);
    size_t last = 0;
    for (uint64_t i = 1; i <= GROUP_COUNT; i++) {
        last = journal.offset;
        append(&journal, i);
    }
    size_t end = journal.offset;
    sync_journal_deinit(&journal);
    size_t size = 0;
    uint8_t *bytes = temp_read_file(path, &size);
    cr_assert_eq(size, 2 * HALF);
    size_t noticed = 0;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    for (size_t at = 0; at < end; at += at < 600 || at > last ? 1 : 7) {
        uint8_t bad = bytes[at] ^ 4;
        cr_assert_eq(pwrite(fd, &bad, 1, (off_t)at), 1);
        uint64_t count = 0;
        uint64_t torn_size = 0;
        crdt_err err = read_after(0, &count, &torn_size);
        cr_assert(err == CRDT_OK || err == CRDT_ECORRUPT);
        cr_assert(err != CRDT_OK || count == GROUP_COUNT ||
                      (at >= last && count == GROUP_COUNT - 1),
                  "byte %zu: %d groups", at, (int)count);
        noticed += err != CRDT_OK;
        cr_assert_eq(pwrite(fd, &bytes[at], 1, (off_t)at), 1);
    }
    close(fd);
    cr_assert(noticed > 300, "%zu", noticed);
    free(bytes);
}

Test(journal, cut_file_is_noticed)
{
    sync_journal journal;
    make(&journal);
    for (uint64_t i = 1; i <= GROUP_COUNT; i++) {
        append(&journal, i);
    }
    sync_journal_deinit(&journal);
    size_t size = 0;
    uint8_t *bytes = temp_read_file(path, &size);
    for (size_t cut = 0; cut < size; cut += cut < 2000 ? 13 : 511) {
        temp_write_file(path, bytes, cut);
        uint64_t count = 0;
        uint64_t torn_size = 0;
        crdt_err err = read_after(0, &count, &torn_size);
        /* Shorter than the first head it is one that was never made to its end. */
        cr_assert(cut < 80 ? err == CRDT_OK && count == 0 : err == CRDT_ECORRUPT,
                  "cut at %zu: %s", cut, crdt_err_text(err));
    }
    free(bytes);
}

/* The last group reaches the disk in part, in any order of its sectors: it was never
 * acknowledged, and is dropped; those before are there. */
Test(journal, torn_group_is_dropped)
{
    sync_journal journal;
    make(&journal);
    uint64_t number = 1;
    for (; number <= 9; number++) { /* remains of an earlier round lie below */
        append(&journal, number);
    }
    sync_journal_turn(&journal);
    append(&journal, number++);
    sync_journal_turn(&journal);
    append(&journal, number++);
    size_t size = 0;
    uint8_t *before = temp_read_file(path, &size);
    size_t from = journal.offset;
    append(&journal, 12);
    size_t to = journal.offset;
    sync_journal_deinit(&journal);
    uint8_t *after = temp_read_file(path, &size);
    size_t sectors = (to - from) / SYNC_JOURNAL_SECTOR;
    cr_assert(sectors >= 3);
    for (unsigned mask = 0; mask < 1u << sectors; mask++) {
        uint8_t *torn = malloc(size);
        memcpy(torn, before, size);
        for (size_t i = 0; i < sectors; i++) {
            if ((mask >> i & 1) != 0) {
                size_t at = from + i * SYNC_JOURNAL_SECTOR;
                memcpy(torn + at, after + at, SYNC_JOURNAL_SECTOR);
            }
        }
        temp_write_file(path, torn, size);
        uint64_t count = 0;
        uint64_t torn_size = 0;
        cr_assert_eq(read_after(9, &count, &torn_size), CRDT_OK);
        bool whole = mask + 1 == 1u << sectors;
        cr_assert_eq(count, whole ? 3 : 2);
        cr_assert_eq(torn_size > 0, !whole && (mask & 1) != 0);
        free(torn);
    }
    free(before);
    free(after);
}

/* ---- in a store ---- */

static void open_box(store_box *box, const char *folder)
{
    store_box_open(box, folder, &options);
    cr_assert_eq(box->err, CRDT_OK, "%s: %s", crdt_err_text(box->err), box->diag.text);
}

static void append_history(store_box *box, uint32_t number)
{
    uint8_t bytes[5000] = {0};
    memcpy(bytes, &number, sizeof number);
    size_t size = 4 + number * 37 % 700 + (number % 10 == 0 ? 4000 : 0);
    cr_assert_eq(sync_store_append(box->store, SYNC_RECORD_HISTORY,
                                   (crdt_span){bytes, size}, NULL, NULL),
                 CRDT_OK);
}

/* All records of history are there, both ways, the newest being `count - 1`. */
static void check_history(store_box *box, uint32_t count)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    uint64_t at = UINT64_MAX;
    uint32_t number = 0;
    for (uint32_t i = count; i-- > 0;) {
        cr_assert_eq(sync_store_history_prev(box->store, &at, &out, NULL), CRDT_OK);
        memcpy(&number, out.data, sizeof number);
        cr_assert_eq(number, i);
        cr_assert_eq(out.size, 4 + i * 37 % 700 + (i % 10 == 0 ? 4000 : 0));
    }
    cr_assert_eq(sync_store_history_prev(box->store, &at, &out, NULL), CRDT_ENOTFOUND);
    at = 0;
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(sync_store_history_next(box->store, &at, &out, NULL), CRDT_OK);
        memcpy(&number, out.data, sizeof number);
        cr_assert_eq(number, i);
    }
    cr_assert_eq(sync_store_history_next(box->store, &at, &out, NULL), CRDT_ENOTFOUND);
    crdt_buf_deinit(&out);
}

/* What a crash at this moment would leave: a copy of the folder is opened, first to read
 * only. */
static void check_copy(const store_box *box, uint32_t history_count)
{
    temp_copy(store, copy);
    crdt_diag diag = {0};
    for (int read_only = 1; read_only >= 0; read_only--) {
        store_box found;
        options.read_only = read_only == 1;
        open_box(&found, copy);
        cr_assert(crdt_digest_equal(store_box_digest(&found), store_box_digest(box)));
        check_history(&found, history_count);
        cr_assert_eq(sync_store_durable(found.store), sync_store_durable(box->store));
        cr_assert_eq(sync_store_verify(found.store, NULL, &diag), CRDT_OK, "%s",
                     diag.text);
        store_box_close(&found);
    }
    temp_remove(copy);
}

static bool is_there(const char *name)
{
    struct stat st;
    return stat(temp_dir_path(&dir, name), &st) == 0;
}

Test(journal, store_holds_all_at_any_moment, .timeout = 60)
{
    char text[32];
    store_box box;
    gen g = gen_open(gen_seed(5), NULL);
    options.checkpoint_size_min = 3000;
    open_box(&box, store);
    uint32_t history_count = 0;
    for (int i = 0; i < 120; i++) {
        for (uint64_t n = gen_below(&g, 4); n > 0; n--) {
            store_box_set(&box, "o", n % 2 ? "f" : "g", i * 4 + (int64_t)n);
            append_history(&box, history_count++);
        }
        if (gen_chance(&g, 5)) {
            snprintf(text, sizeof text, "%d", i);
            sync_store_set(box.store, "k", crdt_span_of(text), NULL);
        }
        store_box_commit(&box);
        if (gen_chance(&g, 15)) {
            cr_assert_eq(sync_store_maintain(box.store, 1500, NULL, NULL), CRDT_OK);
        }
        if (i % 6 == 0) {
            store_box_commit(&box);
            check_history(&box, history_count);
            check_copy(&box, history_count);
        }
    }
    cr_assert_eq(sync_store_verify(box.store, NULL, &box.diag), CRDT_OK, "%s",
                 box.diag.text);
    store_box_commit(&box);
    cr_assert(sync_store_stat(box.store).checkpoint_size > 0);
    cr_assert(is_there("store/journal"));
    store_box_close(&box);
    cr_assert_not(is_there("store/journal"), "closed in order, the tables hold all");
    open_box(&box, store);
    check_history(&box, history_count);
    cr_assert_eq(box.report.origin, SYNC_ACTOR_KEPT);
    store_box_close(&box);
}

/* The tables of before and a journal that begins after them do not make a store. */
Test(journal, missing_groups_are_noticed)
{
    store_box box;
    open_box(&box, store);
    for (int i = 0; i < 3; i++) {
        store_box_set(&box, "o", "f", i);
        store_box_commit(&box);
    }
    temp_copy(store, copy);
    for (int turn = 0; turn < 2; turn++) { /* the tables take what the journal has */
        sync_store_set(box.store, "k", crdt_span_of(turn ? "a" : "b"), NULL);
        store_box_commit(&box);
        store_box_set(&box, "o", "f", 10 + turn);
        store_box_commit(&box);
    }
    size_t size = 0;
    uint8_t *bytes = temp_read_file(temp_dir_path(&dir, "store/journal"), &size);
    temp_write_file(temp_dir_path(&dir, "copy/journal"), bytes, size);
    free(bytes);
    store_box_close(&box);
    store_box_open(&box, copy, &options);
    cr_assert_eq(box.err, CRDT_ECORRUPT);
    cr_assert_not_null(strstr(box.diag.text, "journal"), "%s", box.diag.text);
    store_box_close(&box);
    /* That the open failed has changed nothing: the very journal mends it. */
    cr_assert(is_there("copy/journal"));
}

/* The journal of a run that is over says nothing to later ones. */
Test(journal, of_an_earlier_run_is_passed_over)
{
    store_box box;
    open_box(&box, store);
    store_box_set(&box, "o", "f", 1);
    store_box_commit(&box);
    size_t size = 0;
    uint8_t *bytes = temp_read_file(temp_dir_path(&dir, "store/journal"), &size);
    store_box_close(&box);
    temp_write_file(temp_dir_path(&dir, "store/journal"), bytes, size);
    free(bytes);
    options.journal_size = 0;
    open_box(&box, store);
    store_box_set(&box, "o", "f", 2);
    store_box_commit(&box);
    store_box_close(&box);
    open_box(&box, store);
    cr_assert_eq(store_box_get(&box, "o", "f", -1), 2);
    store_box_close(&box);
}

/* Opening what a crash has left fails for want of memory at every allocation: the store is
 * as it was, and opens later. */
Test(journal, every_allocation_may_fail)
{
    store_box box;
    open_box(&box, store);
    for (int i = 0; i < 4; i++) {
        store_box_set(&box, "o", "f", i);
        append_history(&box, (uint32_t)i);
        store_box_commit(&box);
    }
    crdt_digest digest = store_box_digest(&box);
    temp_copy(store, kept);
    store_box_close(&box);
    for (uint64_t n = 0;; n++) {
        fault_alloc fault;
        temp_copy(kept, copy);
        sync_store_options failing = options;
        failing.alloc = fault_alloc_init(&fault);
        fault_alloc_fail_at(&fault, n);
        store_box_open(&box, copy, &failing);
        bool done = fault.call_count <= n;
        cr_assert(box.err == CRDT_OK || box.err == CRDT_ENOMEM);
        store_box_close(&box);
        cr_assert(fault_alloc_balanced(&fault), "%d", (int)n);
        open_box(&box, copy);
        cr_assert(crdt_digest_equal(store_box_digest(&box), digest), "%d", (int)n);
        check_history(&box, 4);
        store_box_close(&box);
        temp_remove(copy);
        if (done) {
            break;
        }
    }
}
