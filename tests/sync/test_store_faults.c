/* The disk fails: every write and every sync in turn, once. What was acknowledged is there
 * at the next open, and after a failure nothing is written any more.
 *
 * The C library's calls are replaced by the ones below, for this program and for LMDB. */

#include "tests/sync/store_box.h"

#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

typedef enum fault_kind { FAULT_WRITE, FAULT_SYNC } fault_kind;

static struct {
    fault_kind kind;
    long left;  /* calls until the one that fails; -1: none fails */
    long count; /* calls of either kind */
    int error;
} faults = {.left = -1};

static bool strikes(fault_kind kind)
{
    faults.count++;
    if (faults.left < 0 || faults.kind != kind) {
        return false;
    }
    if (faults.left-- > 0) {
        return false;
    }
    errno = faults.error;
    return true;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return strikes(FAULT_WRITE) ? -1 : syscall(SYS_pwrite64, fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset)
{
    return strikes(FAULT_WRITE) ? -1 : syscall(SYS_pwrite64, fd, bytes, size, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return strikes(FAULT_WRITE) ? -1
                                : syscall(SYS_pwritev, fd, parts, count, offset, 0);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
    return strikes(FAULT_WRITE) ? -1
                                : syscall(SYS_pwritev, fd, parts, count, offset, 0);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    /* Criterion's own pipes go through here, too: they do not fail. */
    return syscall(SYS_write, fd, bytes, size);
}

int fdatasync(int fd)
{
    return strikes(FAULT_SYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return strikes(FAULT_SYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

static temp_dir dir;
static char store_dir[512];
static sync_store_options options;

static void setup(void)
{
    temp_dir_open(&dir);
    snprintf(store_dir, sizeof store_dir, "%s/store", dir.path);
    setenv("SCENESYNC_STATE_DIR", temp_dir_path(&dir, "state"), 1);
    options = sync_store_options_default();
    options.checkpoint_size_min = 400; /* compaction is hit, too, */
    options.journal_after = 1;         /* and the journal */
    options.journal_size = 2048;
}

static void teardown(void)
{
    temp_dir_close(&dir);
}

TestSuite(store_faults, .init = setup, .fini = teardown);

/* Groups of one edit each until one fails; the last value acknowledged. */
static int64_t write_groups(store_box *box, int64_t value)
{
    for (int i = 0; i < 12; i++) {
        store_box_set(box, "o", "f", value + 1);
        crdt_err err = sync_store_commit(box->store, NULL, &box->diag);
        if (err == CRDT_OK) {
            value++;
            if (i % 3 ==
                0) { /* where a checkpoint begins, the tables take the journal */
                err = sync_store_maintain(box->store, 1000, NULL, &box->diag);
            }
        }
        if (err != CRDT_OK) {
            cr_assert_eq(err, CRDT_EIO, "%s", box->diag.text);
            long count = faults.count;
            cr_assert_eq(sync_store_append(box->store, SYNC_RECORD_HISTORY,
                                           crdt_span_of("x"), NULL, NULL),
                         CRDT_EIO);
            cr_assert_eq(sync_store_commit(box->store, NULL, NULL), CRDT_EIO);
            cr_assert_eq(sync_store_maintain(box->store, 1000, NULL, NULL), CRDT_EIO);
            cr_assert_eq(faults.count, count, "it was tried again");
            return value;
        }
    }
    return value;
}

/* Open after the fault is over: all acknowledged is there, and what is there is sound. */
static int64_t look(int64_t acknowledged, long n)
{
    store_box box;
    store_box_open(&box, store_dir, &options);
    cr_assert_eq(box.err, CRDT_OK, "fault %ld: %s", n, box.diag.text);
    int64_t value = store_box_get(&box, "o", "f", 0);
    cr_assert(value >= acknowledged, "fault %ld: %lld of %lld", n, (long long)value,
              (long long)acknowledged);
    cr_assert_eq(sync_store_verify(box.store, NULL, &box.diag), CRDT_OK,
                 "fault %ld: %s", n, box.diag.text);
    store_box_close(&box);
    return value;
}

static void fail_each(fault_kind kind, int error)
{
    int64_t value = 0;
    bool struck = true;
    for (long n = 0; struck; n++) {
        store_box box;
        faults.kind = kind;
        faults.error = error;
        faults.left = n;
        store_box_open(&box, store_dir, &options);
        cr_assert(box.err == CRDT_OK || box.err == CRDT_EIO, "fault %ld: %s", n,
                  box.diag.text);
        if (box.err == CRDT_OK && !box.report.read_only) {
            value = write_groups(&box, value);
        }
        struck = faults.left < 0;
        faults.left = -1;
        store_box_close(&box);
        cr_assert(n > 0 || struck);
        value = look(value, n);
    }
    cr_assert(value > 50, "%lld", (long long)value);
}

Test(store_faults, every_write_may_fail, .timeout = 120)
{
    fail_each(FAULT_WRITE, EIO);
}

Test(store_faults, every_sync_may_fail, .timeout = 120)
{
    fail_each(FAULT_SYNC, EIO);
}

Test(store_faults, every_write_may_find_the_disk_full, .timeout = 120)
{
    fail_each(FAULT_WRITE, ENOSPC);
}
