#include "tests/sync/crash_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FD_MAX = 1024, NUMBER_UNKNOWN = 9999 };

typedef enum row_kind { ROW_NONE, ROW_FILE, ROW_DIR, ROW_IMAGE } row_kind;

/* What a descriptor stands for. */
typedef struct row {
    row_kind kind;
    unsigned file;
    bool each_synced; /* O_DSYNC */
    char path[CRASH_NAME_MAX];
} row;

static row rows[FD_MAX];
static crash_watch *watch; /* NULL: nothing is recorded */
static struct {            /* names as the program sees them */
    char path[CRASH_NAME_MAX];
    unsigned file;
} names[CRASH_FILE_MAX];
static size_t name_count;

static void forget_name(const char *path)
{
    for (size_t i = 0; i < name_count; i++) {
        if (strcmp(names[i].path, path) == 0) {
            names[i] = names[--name_count];
            return;
        }
    }
}

static void know_name(const char *path, unsigned file)
{
    forget_name(path);
    if (name_count == CRASH_FILE_MAX) {
        abort();
    }
    snprintf(names[name_count].path, CRASH_NAME_MAX, "%s", path);
    names[name_count++].file = file;
}

static unsigned find_name(const char *path)
{
    for (size_t i = 0; i < name_count; i++) {
        if (strcmp(names[i].path, path) == 0) {
            return names[i].file;
        }
    }
    return NUMBER_UNKNOWN;
}

void crash_calls_begin(crash_watch *begun, const crash_image *known)
{
    memset(rows, 0, sizeof rows);
    name_count = 0;
    for (size_t i = 0; known != NULL && i < known->count; i++) {
        know_name(known->files[i].path, known->files[i].file);
    }
    watch = begun;
}

void crash_calls_end(void)
{
    watch = NULL;
}

/* The path below `root`; NULL: it is not there. */
static const char *below(const char *path, const char *root)
{
    size_t size = strlen(root);
    if (strncmp(path, root, size) != 0) {
        return NULL;
    }
    return path[size] == '/'    ? path + size + 1
           : path[size] == '\0' ? path + size
                                : NULL;
}

/* Locks say nothing after a power cut. */
static bool is_lock(const char *path)
{
    size_t size = strlen(path);
    return size >= 4 && strcmp(path + size - 4, "lock") == 0;
}

/* The row of a descriptor that is recorded, else NULL. */
static row *recorded(int fd, row_kind kind)
{
    bool known = watch != NULL && fd >= 0 && fd < FD_MAX && rows[fd].kind == kind;
    return known ? &rows[fd] : NULL;
}

/* ---- names ---- */

static void note_open(int fd, const char *path, int flags)
{
    row *r = &rows[fd];
    const char *name = below(path, watch->root);
    *r = (row){.kind = ROW_NONE};
    if (name == NULL) {
        name = below(path, watch->image_root);
        if (name != NULL) {
            r->kind = ROW_IMAGE;
            snprintf(r->path, sizeof r->path, "%s", name);
        }
        return;
    }
    snprintf(r->path, sizeof r->path, "%s", name);
    if ((flags & O_DIRECTORY) != 0) {
        r->kind = ROW_DIR;
        return;
    }
    if (is_lock(name)) {
        return;
    }
    r->kind = ROW_FILE;
    r->each_synced = (flags & O_DSYNC) != 0;
    r->file = find_name(name);
    if (r->file == NUMBER_UNKNOWN) {
        r->file = crash_model_make(watch->model);
        crash_model_link(watch->model, name, r->file);
        know_name(name, r->file);
    } else if ((flags & O_TRUNC) != 0) {
        crash_model_truncate(watch->model, r->file, 0);
    }
}

static int open_any(const char *path, int flags, mode_t mode)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && fd < FD_MAX && watch != NULL) {
        note_open(fd, path, flags);
    }
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_any(path, flags, mode);
}

int close(int fd)
{
    if (fd >= 0 && fd < FD_MAX) {
        rows[fd].kind = ROW_NONE;
    }
    return (int)syscall(SYS_close, fd);
}

int unlink(const char *path)
{
    int result = (int)syscall(SYS_unlink, path);
    const char *name = watch != NULL ? below(path, watch->root) : NULL;
    if (result == 0 && name != NULL && !is_lock(name)) {
        crash_model_unlink(watch->model, name);
        forget_name(name);
    }
    return result;
}

int rename(const char *from, const char *to)
{
    int result = (int)syscall(SYS_rename, from, to);
    const char *name = watch != NULL ? below(from, watch->root) : NULL;
    if (result == 0 && name != NULL) {
        unsigned file = find_name(name);
        crash_model_rename(watch->model, name, below(to, watch->root), file);
        forget_name(name);
        know_name(below(to, watch->root), file);
    }
    return result;
}

/* ---- content ---- */

static void note_write(int fd, const void *bytes, ssize_t size, off_t offset)
{
    row *r = recorded(fd, ROW_FILE);
    if (r == NULL || size <= 0) {
        return;
    }
    crash_model_write(watch->model, r->file, (uint64_t)offset, bytes, (size_t)size);
    if (r->each_synced) {
        watch->at_sync(watch->ctx);
        crash_model_sync_range(watch->model, r->file, (uint64_t)offset, (size_t)size);
    }
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    ssize_t result = syscall(SYS_pwrite64, fd, bytes, size, offset);
    note_write(fd, bytes, result, offset);
    return result;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t offset)
{
    return pwrite(fd, bytes, size, offset);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    off_t offset = recorded(fd, ROW_FILE) != NULL ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t result = syscall(SYS_write, fd, bytes, size);
    note_write(fd, bytes, result, offset);
    return result;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    off_t offset = recorded(fd, ROW_FILE) != NULL ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t result = syscall(SYS_writev, fd, parts, count);
    ssize_t left = result;
    for (int i = 0; i < count && left > 0; i++) {
        ssize_t part =
            (size_t)left < parts[i].iov_len ? left : (ssize_t)parts[i].iov_len;
        note_write(fd, parts[i].iov_base, part, offset);
        offset += part;
        left -= part;
    }
    return result;
}

int ftruncate(int fd, off_t size)
{
    int result = (int)syscall(SYS_ftruncate, fd, size);
    row *r = recorded(fd, ROW_FILE);
    if (result == 0 && r != NULL) {
        crash_model_truncate(watch->model, r->file, (uint64_t)size);
    }
    return result;
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

static int sync_any(int fd, long number)
{
    row *r = recorded(fd, ROW_FILE);
    if (r == NULL) {
        r = recorded(fd, ROW_DIR);
    }
    if (r == NULL) {
        return recorded(fd, ROW_IMAGE) != NULL ? 0 : (int)syscall(number, fd);
    }
    watch->at_sync(watch->ctx);
    if (watch->lie && number == SYS_fdatasync &&
        strcmp(r->path, "store/journal") == 0) {
        return 0;
    }
    if (r->kind == ROW_DIR) {
        crash_model_sync_dir(watch->model, r->path);
    } else {
        crash_model_sync(watch->model, r->file);
    }
    return 0;
}

int fsync(int fd)
{
    return sync_any(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_any(fd, SYS_fdatasync);
}

/* ---- identity ---- */

static unsigned image_number(const char *path)
{
    for (size_t i = 0; watch->image != NULL && i < watch->image->count; i++) {
        if (strcmp(watch->image->files[i].path, path) == 0) {
            return watch->image->files[i].file;
        }
    }
    return NUMBER_UNKNOWN;
}

int statx(int fd, const char *restrict path, int flags, unsigned mask,
          struct statx *restrict st)
{
    int result = (int)syscall(SYS_statx, fd, path, flags, mask, st);
    unsigned number = NUMBER_UNKNOWN;
    if (recorded(fd, ROW_FILE) != NULL) {
        number = rows[fd].file;
    } else if (recorded(fd, ROW_IMAGE) != NULL) {
        number = image_number(rows[fd].path);
    } else {
        return result;
    }
    st->stx_dev_major = 0;
    st->stx_dev_minor = 1;
    st->stx_ino = 100 + number;
    st->stx_mask |= STATX_BTIME;
    st->stx_btime.tv_sec = 1000 + (int64_t)number;
    st->stx_btime.tv_nsec = 0;
    return result;
}
