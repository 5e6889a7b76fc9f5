/* The disk fails, or there is no memory, descriptor or map to be had: every such call in
 * turn, once and for ever. What was acknowledged is there at the next open, and after a
 * failure nothing is written any more.
 *
 * The C library's calls are replaced by the ones below, for this program and for LMDB. They
 * fail only while the store is at work (`armed`). */

#include "tests/sync/store_box.h"

#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

typedef enum fault_kind {
    FAULT_WRITE,  /* pwrite, writev, ftruncate, rename, unlink, mkdir */
    FAULT_SYNC,   /* fsync, fdatasync */
    FAULT_READ,   /* pread */
    FAULT_OPEN,   /* open */
    FAULT_MAP,    /* mmap */
    FAULT_MEMORY, /* malloc, calloc, realloc: the store's own, LMDB's, zstd's */
} fault_kind;

static struct {
    fault_kind kind;
    bool armed;
    bool ever;   /* all later calls of the kind fail, too */
    bool struck; /* one has failed */
    long left;   /* calls until the one that fails; -1: none fails */
    long count;  /* writes and syncs */
    int error;
} faults = {.left = -1};

static bool strikes(fault_kind kind)
{
    if (!faults.armed) {
        return false;
    }
    faults.count += kind <= FAULT_SYNC ? 1 : 0;
    if (faults.left < 0 || faults.kind != kind) {
        if (!(faults.ever && faults.struck && faults.kind == kind)) {
            return false;
        }
    } else if (faults.left-- > 0) {
        return false;
    }
    faults.struck = true;
    errno = faults.error;
    return true;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return strikes(FAULT_WRITE) ? -1 : syscall(SYS_pwrite64, fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset)
{
    return pwrite(fd, bytes, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return strikes(FAULT_WRITE) ? -1 : syscall(SYS_writev, fd, parts, count);
}

int ftruncate(int fd, off_t size)
{
    return strikes(FAULT_WRITE) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int rename(const char *from, const char *to)
{
    return strikes(FAULT_WRITE) ? -1 : (int)syscall(SYS_rename, from, to);
}

int unlink(const char *path)
{
    return strikes(FAULT_WRITE) ? -1 : (int)syscall(SYS_unlink, path);
}

int mkdir(const char *path, mode_t mode)
{
    return strikes(FAULT_WRITE) ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
    return strikes(FAULT_READ) ? -1 : syscall(SYS_pread64, fd, bytes, size, offset);
}

ssize_t pread64(int fd, void *bytes, size_t size, off_t offset)
{
    return pread(fd, bytes, size, offset);
}

int fdatasync(int fd)
{
    return strikes(FAULT_SYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return strikes(FAULT_SYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return strikes(FAULT_OPEN) ? -1
                               : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return strikes(FAULT_MAP)
               ? MAP_FAILED
               : (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

/* A sanitizer has an allocator of its own: there memory does not fail. */
#if defined(__SANITIZE_ADDRESS__)
#define NO_MEMORY_FAULTS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NO_MEMORY_FAULTS
#endif
#endif

#ifndef NO_MEMORY_FAULTS
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    return strikes(FAULT_MEMORY) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return strikes(FAULT_MEMORY) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return strikes(FAULT_MEMORY) ? NULL : __libc_realloc(old, size);
}
#endif

static temp_dir dir;
static char store_dir[512];
static sync_store_options options;

static void setup(void)
{
    if (access("/dev/shm", W_OK) == 0) {
        setenv("TMPDIR", "/dev/shm", 0); /* many syncs, and no power cut */
    }
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

/* Nothing is written any more, not even tried. */
static void expect_poisoned(store_box *box, crdt_err err)
{
    cr_assert(err == CRDT_EIO || err == CRDT_ENOMEM, "%s", crdt_err_text(err));
    long count = faults.count;
    faults.armed = true;
    cr_assert_eq(sync_store_append(box->store, SYNC_RECORD_HISTORY, crdt_span_of("x"),
                                   NULL, NULL),
                 err);
    cr_assert_eq(sync_store_commit(box->store, NULL, NULL), err);
    cr_assert_eq(sync_store_maintain(box->store, 1000, NULL, NULL), err);
    faults.armed = false;
    cr_assert_eq(faults.count, count, "it was tried again");
}

/* Groups of one edit each until one fails; the last value acknowledged. */
static int64_t write_groups(store_box *box, int64_t value)
{
    for (int i = 0; i < 12; i++) {
        store_box_set(box, "o", "f", value + 1);
        faults.armed = true;
        crdt_err err = sync_store_commit(box->store, NULL, &box->diag);
        faults.armed = false;
        if (err != CRDT_OK) {
            expect_poisoned(box, err);
            return value;
        }
        value++;
        if (i % 3 == 0) { /* where a checkpoint begins, the tables take the journal */
            faults.armed = true;
            err = sync_store_maintain(box->store, 1000, NULL, &box->diag);
            faults.armed = false;
        }
        /* Without memory there is no checkpoint this time; then the store goes on. */
        if (err != CRDT_OK && sync_store_commit(box->store, NULL, NULL) != CRDT_OK) {
            expect_poisoned(box, err);
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

/* One life of a store, the n-th call of the kind failing in it. */
static int64_t live(int64_t value, long n)
{
    store_box box;
    faults.left = n;
    faults.struck = false;
    store_box_prepare(&box);
    faults.armed = true;
    box.err = sync_store_open(&box.store, store_dir, &options, box.doc, box.deps,
                              &box.report, &box.diag);
    faults.armed = false;
    cr_assert(box.err == CRDT_OK || box.err == CRDT_EIO || box.err == CRDT_ENOMEM,
              "fault %ld: %s: %s", n, crdt_err_text(box.err), box.diag.text);
    if (box.err == CRDT_OK && !box.report.read_only) {
        value = write_groups(&box, value);
    }
    faults.armed = true; /* closing may fail, too */
    sync_store_close(box.store);
    faults.armed = false;
    box.store = NULL;
    faults.left = -1;
    store_box_close(&box);
    return value;
}

static void fail_each(fault_kind kind, int error, bool ever)
{
    int64_t value = 0;
    faults.kind = kind;
    faults.error = error;
    faults.ever = ever;
    faults.struck = true;
    /* The first ones each, the later ones, of which there are many, ever more seldom. */
    for (long n = 0; faults.struck; n += n < 60 ? 1 : 1 + n / 40) {
        value = live(value, n);
        cr_assert(n > 0 || faults.struck);
        bool struck = faults.struck;
        value = look(value, n);
        faults.struck = struck;
    }
    cr_assert(value >= 12, "%lld", (long long)value);
}

Test(store_faults, every_write_may_fail, .timeout = 120)
{
    fail_each(FAULT_WRITE, EIO, false);
    fail_each(FAULT_WRITE, EIO, true);
}

Test(store_faults, every_sync_may_fail, .timeout = 120)
{
    fail_each(FAULT_SYNC, EIO, false);
    fail_each(FAULT_SYNC, ENOSPC, true);
}

Test(store_faults, every_write_may_find_the_disk_full, .timeout = 120)
{
    fail_each(FAULT_WRITE, ENOSPC, false);
    fail_each(FAULT_WRITE, ENOSPC, true);
}

Test(store_faults, every_read_may_fail, .timeout = 120)
{
    fail_each(FAULT_READ, EIO, false);
    fail_each(FAULT_READ, EIO, true);
}

Test(store_faults, every_open_may_lack_a_descriptor, .timeout = 120)
{
    fail_each(FAULT_OPEN, EMFILE, false);
    fail_each(FAULT_OPEN, EMFILE, true);
}

Test(store_faults, every_map_may_fail, .timeout = 120)
{
    fail_each(FAULT_MAP, ENOMEM, false);
    fail_each(FAULT_MAP, ENOMEM, true);
}

/* The store's own memory, and that of LMDB and zstd. */
Test(store_faults, every_allocation_of_all_may_fail, .timeout = 120)
{
#ifdef NO_MEMORY_FAULTS
    cr_skip_test("the sanitizer's allocator does not fail");
#endif
    fail_each(FAULT_MEMORY, ENOMEM, false);
    fail_each(FAULT_MEMORY, ENOMEM, true);
}
