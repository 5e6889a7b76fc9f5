#include "cli/servers/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct servers_disk {
    crdt_alloc alloc;
    int dir_fd;
    int lock_fd;
    int tmp_fd;
    int folder_fds[SERVERS_FOLDER_COUNT];
    uint64_t size;
    uint64_t size_max;
    uint64_t written_count; /* names of files in tmp */
};

static const char *const folder_names[SERVERS_FOLDER_COUNT] = {
    "contents", "entities", "projects", "media", "crdt",
};

/* ---- errors ---- */

static crdt_err fail(crdt_diag *diag, const char *what, const char *name)
{
    int error = errno;
    /* EFBIG: a limit of the process, full as far as it is concerned. */
    bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    const char *text = strerrordesc_np(error);
    return crdt_diag_set(diag, full ? CRDT_ELIMIT : CRDT_EIO, 0, "cannot %s %s: %s",
                         what, name, text != NULL ? text : "unknown error");
}

/* Folders of some network file systems cannot be synced, and need not be. */
static bool sync_folder(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP;
}

static bool name_is_safe(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL &&
           strlen(name) < SERVERS_DISK_NAME_SIZE;
}

static crdt_err refuse_name(crdt_diag *diag)
{
    return crdt_diag_set(diag, CRDT_EINVAL, 0, "that is no name for a file here");
}

/* ---- opening ---- */

static crdt_err open_folder(int at, const char *name, int *fd, crdt_diag *diag)
{
    if (mkdirat(at, name, 0700) != 0 && errno != EEXIST) {
        return fail(diag, "make the folder", name);
    }
    *fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd < 0 ? fail(diag, "open the folder", name) : CRDT_OK;
}

/* Step through the files of a folder; dots aside. */
static crdt_err walk(int folder_fd, const char *folder_name,
                     bool (*visit)(void *ctx, const char *name), void *ctx,
                     crdt_diag *diag)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        crdt_err err = fail(diag, "read the folder", folder_name);
        if (fd >= 0) {
            close(fd);
        }
        return err;
    }
    crdt_err err = CRDT_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            if (errno != 0) {
                err = fail(diag, "read the folder", folder_name);
            }
            break;
        }
        if (entry->d_name[0] != '.' && !visit(ctx, entry->d_name)) {
            break;
        }
    }
    closedir(dir);
    return err;
}

static bool remove_leftover(void *ctx, const char *name)
{
    servers_disk *disk = ctx;
    unlinkat(disk->tmp_fd, name, 0);
    return true;
}

typedef struct size_walk {
    servers_disk *disk;
    int fd;
} size_walk;

static bool add_size(void *ctx, const char *name)
{
    size_walk *sizes = ctx;
    struct stat stat_of;
    if (fstatat(sizes->fd, name, &stat_of, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(stat_of.st_mode)) {
        sizes->disk->size += (uint64_t)stat_of.st_size;
    }
    return true;
}

static crdt_err open_folders(servers_disk *disk, crdt_diag *diag)
{
    crdt_err err = open_folder(disk->dir_fd, "tmp", &disk->tmp_fd, diag);
    for (size_t i = 0; i < SERVERS_FOLDER_COUNT && err == CRDT_OK; i++) {
        err = open_folder(disk->dir_fd, folder_names[i], &disk->folder_fds[i], diag);
        if (err == CRDT_OK) {
            size_walk sizes = {disk, disk->folder_fds[i]};
            err = walk(disk->folder_fds[i], folder_names[i], add_size, &sizes, diag);
        }
    }
    if (err == CRDT_OK) {
        err = walk(disk->tmp_fd, "tmp", remove_leftover, disk, diag);
    }
    /* The folder's own name lasts too: it may be new. */
    int parent = openat(disk->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent >= 0) {
        sync_folder(parent);
        close(parent);
    }
    if (err == CRDT_OK && !sync_folder(disk->dir_fd)) {
        err = fail(diag, "sync", "the folder");
    }
    return err;
}

crdt_err servers_disk_open(servers_disk **out, crdt_alloc alloc, const char *dir,
                           uint64_t size_max, crdt_diag *diag)
{
    servers_disk *disk = crdt_allocate(alloc, sizeof *disk);
    if (disk == NULL) {
        return CRDT_ENOMEM;
    }
    *disk = (servers_disk){.alloc = alloc,
                           .dir_fd = -1,
                           .lock_fd = -1,
                           .tmp_fd = -1,
                           .size_max = size_max};
    for (size_t i = 0; i < SERVERS_FOLDER_COUNT; i++) {
        disk->folder_fds[i] = -1;
    }
    crdt_err err = open_folder(AT_FDCWD, dir, &disk->dir_fd, diag);
    if (err == CRDT_OK) {
        disk->lock_fd =
            openat(disk->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (disk->lock_fd < 0) {
            err = fail(diag, "make the file", "lock");
        } else if (flock(disk->lock_fd, LOCK_EX | LOCK_NB) != 0) {
            err = crdt_diag_set(diag, CRDT_EBUSY, 0, "another server uses this folder");
        }
    }
    if (err == CRDT_OK) {
        err = open_folders(disk, diag);
    }
    if (err != CRDT_OK) {
        servers_disk_close(disk);
        return err;
    }
    *out = disk;
    return CRDT_OK;
}

void servers_disk_close(servers_disk *disk)
{
    if (disk == NULL) {
        return;
    }
    int fds[] = {disk->tmp_fd, disk->lock_fd, disk->dir_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    for (size_t i = 0; i < SERVERS_FOLDER_COUNT; i++) {
        if (disk->folder_fds[i] >= 0) {
            close(disk->folder_fds[i]);
        }
    }
    crdt_free(disk->alloc, disk, sizeof *disk);
}

/* ---- files ---- */

static bool write_all(int fd, crdt_span content)
{
    while (content.size > 0) {
        ssize_t done = write(fd, content.data, content.size);
        if (done < 0 && errno != EINTR) {
            return false;
        }
        if (done > 0) {
            content.data += done;
            content.size -= (size_t)done;
        }
    }
    return true;
}

static crdt_err write_beside(servers_disk *disk, const char *beside, crdt_span content,
                             crdt_diag *diag)
{
    int fd =
        openat(disk->tmp_fd, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(diag, "write", "a file");
    }
    crdt_err err = CRDT_OK;
    if (!write_all(fd, content) || fsync(fd) != 0) {
        err = fail(diag, "write", "a file");
    }
    if (close(fd) != 0 && err == CRDT_OK) {
        err = fail(diag, "write", "a file");
    }
    return err;
}

crdt_err servers_disk_put(servers_disk *disk, servers_folder folder, const char *name,
                          crdt_span content, crdt_diag *diag)
{
    if (!name_is_safe(name)) {
        return refuse_name(diag);
    }
    uint64_t former = 0;
    servers_disk_find(disk, folder, name, &former);
    uint64_t size = disk->size - (former < disk->size ? former : disk->size);
    if (disk->size_max > 0 &&
        (content.size > disk->size_max || size > disk->size_max - content.size)) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0,
                             "the folder would hold more than its %llu bytes",
                             (unsigned long long)disk->size_max);
    }
    char beside[32];
    snprintf(beside, sizeof beside, "%llu", (unsigned long long)disk->written_count++);
    crdt_err err = write_beside(disk, beside, content, diag);
    if (err == CRDT_OK &&
        renameat(disk->tmp_fd, beside, disk->folder_fds[folder], name) != 0) {
        err = fail(diag, "put in place", name);
    }
    if (err != CRDT_OK) {
        unlinkat(disk->tmp_fd, beside, 0);
        return err;
    }
    disk->size = size + content.size;
    return CRDT_OK;
}

crdt_err servers_disk_sync(servers_disk *disk, servers_folder folder, crdt_diag *diag)
{
    return sync_folder(disk->folder_fds[folder])
               ? CRDT_OK
               : fail(diag, "sync the folder", folder_names[folder]);
}

static crdt_err read_fd(int fd, const char *name, size_t size_max, crdt_buf *out,
                        crdt_diag *diag)
{
    struct stat stat_of;
    if (fstat(fd, &stat_of) != 0) {
        return fail(diag, "read", name);
    }
    if (!S_ISREG(stat_of.st_mode)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "%s is no file", name);
    }
    size_t size = (size_t)stat_of.st_size;
    if (size > size_max) {
        return crdt_diag_set(diag, CRDT_ELIMIT, size_max, "%s is larger than %zu bytes",
                             name, size_max);
    }
    if (crdt_buf_reserve(out, size) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    while (size > 0) {
        ssize_t got = read(fd, out->data + out->size, size);
        if (got < 0 && errno != EINTR) {
            return fail(diag, "read", name);
        }
        if (got == 0) {
            break; /* somebody cut it meanwhile */
        }
        if (got > 0) {
            out->size += (size_t)got;
            size -= (size_t)got;
        }
    }
    return CRDT_OK;
}

static crdt_err read_at(int at, const char *name, size_t size_max, crdt_buf *out,
                        crdt_diag *diag)
{
    if (!name_is_safe(name)) {
        return refuse_name(diag);
    }
    int fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT
                   ? crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "%s is not there", name)
                   : fail(diag, "read", name);
    }
    size_t before = out->size;
    crdt_err err = read_fd(fd, name, size_max, out, diag);
    if (err != CRDT_OK) {
        out->size = before;
    }
    close(fd);
    return err;
}

crdt_err servers_disk_read(servers_disk *disk, servers_folder folder, const char *name,
                           size_t size_max, crdt_buf *out, crdt_diag *diag)
{
    return read_at(disk->folder_fds[folder], name, size_max, out, diag);
}

crdt_err servers_disk_read_top(servers_disk *disk, const char *name, size_t size_max,
                               crdt_buf *out, crdt_diag *diag)
{
    return read_at(disk->dir_fd, name, size_max, out, diag);
}

crdt_err servers_disk_remove(servers_disk *disk, servers_folder folder,
                             const char *name, crdt_diag *diag)
{
    uint64_t size = 0;
    if (!name_is_safe(name)) {
        return refuse_name(diag);
    }
    servers_disk_find(disk, folder, name, &size);
    if (unlinkat(disk->folder_fds[folder], name, 0) != 0) {
        return errno == ENOENT ? CRDT_OK : fail(diag, "remove", name);
    }
    disk->size -= size < disk->size ? size : disk->size;
    return CRDT_OK;
}

bool servers_disk_find(servers_disk *disk, servers_folder folder, const char *name,
                       uint64_t *size)
{
    struct stat stat_of;
    if (!name_is_safe(name) ||
        fstatat(disk->folder_fds[folder], name, &stat_of, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(stat_of.st_mode)) {
        return false;
    }
    if (size != NULL) {
        *size = (uint64_t)stat_of.st_size;
    }
    return true;
}

crdt_err servers_disk_list(servers_disk *disk, servers_folder folder,
                           bool (*visit)(void *ctx, const char *name), void *ctx,
                           crdt_diag *diag)
{
    return walk(disk->folder_fds[folder], folder_names[folder], visit, ctx, diag);
}

uint64_t servers_disk_size(const servers_disk *disk)
{
    return disk->size;
}
