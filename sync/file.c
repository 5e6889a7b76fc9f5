#include "sync/file.h"

#include "crdt/mutant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

crdt_err sync_file_join(char path[SYNC_PATH_MAX], const char *dir, const char *name,
                        crdt_diag *diag)
{
    int length = snprintf(path, SYNC_PATH_MAX, "%s/%s", dir, name);
    if (length < 0 || (size_t)length >= SYNC_PATH_MAX) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "path is too long: %.80s…", dir);
    }
    return CRDT_OK;
}

/* The folder that holds `path`: "." where the path names none. */
static void parent_of(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        path[0] = '.';
        path[1] = '\0';
    } else if (slash == path) {
        path[1] = '\0';
    } else {
        *slash = '\0';
    }
}

static crdt_err make_one(const char *path, crdt_diag *diag)
{
    if (mkdir(path, 0700) != 0) {
        if (errno == EEXIST) {
            return CRDT_OK;
        }
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot make folder %.90s: %s", path,
                             sync_file_reason(errno));
    }
    char parent[SYNC_PATH_MAX];
    memcpy(parent, path, strlen(path) + 1);
    parent_of(parent);
    return sync_file_sync_dir(parent, diag);
}

crdt_err sync_file_make_dir(const char *dir, crdt_diag *diag)
{
    char path[SYNC_PATH_MAX];
    size_t size = strlen(dir);
    while (size > 1 && dir[size - 1] == '/') {
        size--;
    }
    if (size == 0 || size >= sizeof path) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "not a usable path: %.80s", dir);
    }
    memcpy(path, dir, size);
    path[size] = '\0';
    for (size_t i = 1; i <= size; i++) {
        if (i < size && path[i] != '/') {
            continue;
        }
        char kept = path[i];
        path[i] = '\0';
        struct stat st;
        crdt_err err = stat(path, &st) == 0 ? CRDT_OK : make_one(path, diag);
        path[i] = kept;
        if (err != CRDT_OK) {
            return err;
        }
    }
    return CRDT_OK;
}

crdt_err sync_file_sync_dir(const char *dir, crdt_diag *diag)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && (MUTANT(326) || fsync(fd) == 0);
    int reason = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (!done) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot sync folder %.90s: %s", dir,
                             sync_file_reason(reason));
    }
    return CRDT_OK;
}

bool sync_file_read(int fd, void *bytes, size_t size, uint64_t offset)
{
    uint8_t *at = bytes;
    while (size > 0) {
        ssize_t got = pread(fd, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            errno = got == 0 ? 0 : errno;
            return false;
        }
        at += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

bool sync_file_write(int fd, const void *bytes, size_t size, uint64_t offset)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t put = pwrite(fd, at, size, (off_t)offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return false;
        }
        at += put;
        size -= (size_t)put;
        offset += (uint64_t)put;
    }
    return true;
}

const char *sync_file_reason(int error)
{
    const char *text = strerrordesc_np(error);
    return text != NULL ? text : "unknown reason";
}

bool sync_file_random(void *ctx, void *bytes, size_t size)
{
    (void)ctx;
    uint8_t *at = bytes;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return false;
        }
        at += got;
        size -= (size_t)got;
    }
    return true;
}
