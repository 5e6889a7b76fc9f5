#include "cli/worker/rebase_folder.h"

#include "cli/worker/saved_scene.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARCHIVES_MAX 100000u

static crdt_err fail(crdt_diag *diag, const char *what)
{
    const char *text = strerrordesc_np(errno);
    return crdt_diag_set(diag, CRDT_EIO, 0, "%s: %s", what,
                         text != NULL ? text : "unknown error");
}

void worker_rebase_folder_step(const worker_rebase_folder *folder, int step)
{
    if (folder->on_step != NULL) {
        folder->on_step(folder->step_ctx, step);
    }
}

/* ---- names ---- */

static bool join(char out[WORKER_REBASE_PATH_SIZE], const char *path, const char *end)
{
    int size = snprintf(out, WORKER_REBASE_PATH_SIZE, "%s%s", path, end);
    return size > 0 && size < WORKER_REBASE_PATH_SIZE;
}

crdt_err worker_rebase_folder_open(worker_rebase_folder *folder, const char *store_dir,
                                   crdt_diag *diag)
{
    *folder = (worker_rebase_folder){.lock = -1};
    bool fits = join(folder->store, store_dir, "");
    size_t size = strlen(folder->store);
    while (size > 1 && folder->store[size - 1] == '/') {
        folder->store[--size] = '\0';
    }
    fits = fits && size > 0 && join(folder->fresh, folder->store, ".rebasing") &&
           join(folder->tag, folder->fresh, "/rebasing") &&
           join(folder->report, folder->fresh, ".json") &&
           join(folder->marker, folder->store, ".rebase");
    return fits ? CRDT_OK
                : crdt_diag_set(diag, CRDT_EINVAL, 0, "the store's path is too long");
}

void worker_rebase_folder_close(worker_rebase_folder *folder)
{
    if (folder->lock >= 0) {
        close(folder->lock);
        folder->lock = -1;
    }
}

static bool name_archive(worker_rebase_folder *folder, unsigned number)
{
    char end[32];
    snprintf(end, sizeof end, ".archive-%u", number);
    folder->number = number;
    return join(folder->archive, folder->store, end) &&
           join(folder->archive_report, folder->archive, ".json");
}

static bool exists(const char *path)
{
    struct stat unused;
    return lstat(path, &unused) == 0;
}

/* The first number that is free. */
crdt_err worker_rebase_folder_choose(worker_rebase_folder *folder, crdt_diag *diag)
{
    for (unsigned number = 1; number < ARCHIVES_MAX; number++) {
        if (!name_archive(folder, number)) {
            return crdt_diag_set(diag, CRDT_EINVAL, 0, "the store's path is too long");
        }
        if (!exists(folder->archive) && !exists(folder->archive_report)) {
            return CRDT_OK;
        }
    }
    return crdt_diag_set(diag, CRDT_ELIMIT, 0, "too many archives beside the store");
}

/* ---- files ---- */

static crdt_err sync_parent(const char *path, crdt_diag *diag)
{
    char parent[WORKER_REBASE_PATH_SIZE];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash != NULL) {
        slash[slash == parent ? 1 : 0] = '\0';
    }
    int fd = open(slash != NULL ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    crdt_err err =
        fd >= 0 && fsync(fd) == 0 ? CRDT_OK : fail(diag, "the store's folder");
    if (fd >= 0) {
        close(fd);
    }
    return err;
}

static crdt_err move(const char *from, const char *to, crdt_diag *diag)
{
    if (rename(from, to) != 0) {
        return fail(diag, to);
    }
    return sync_parent(to, diag);
}

/* Remove DIR.rebasing: a store has files only. The tag goes last: killed meanwhile, what
 * is left is still known as ours. */
static crdt_err remove_fresh(worker_rebase_folder *folder, crdt_diag *diag)
{
    if (!exists(folder->fresh)) {
        return CRDT_OK;
    }
    if (!exists(folder->tag)) {
        if (rmdir(folder->fresh) == 0) {
            return CRDT_OK; /* it was empty: killed before or after the tag */
        }
        return crdt_diag_set(diag, CRDT_EEXIST, 0,
                             "%.100s is in the way: it is not of a rebase",
                             folder->fresh);
    }
    DIR *files = opendir(folder->fresh);
    if (files == NULL) {
        return fail(diag, folder->fresh);
    }
    struct dirent *entry;
    crdt_err err = CRDT_OK;
    while (err == CRDT_OK && (entry = readdir(files)) != NULL) {
        bool stays = strcmp(entry->d_name, ".") == 0 ||
                     strcmp(entry->d_name, "..") == 0 ||
                     strcmp(entry->d_name, "rebasing") == 0;
        if (!stays && unlinkat(dirfd(files), entry->d_name, 0) != 0) {
            err = fail(diag, entry->d_name);
        }
    }
    closedir(files);
    bool gone = err == CRDT_OK && unlink(folder->tag) == 0 && rmdir(folder->fresh) == 0;
    return err == CRDT_OK && !gone ? fail(diag, folder->fresh) : err;
}

/* Nobody else is at work on DIR.rebasing. */
static crdt_err lock_fresh(worker_rebase_folder *folder, crdt_diag *diag)
{
    folder->lock = open(folder->fresh, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->lock < 0) {
        return errno == ENOENT ? CRDT_OK : fail(diag, folder->fresh);
    }
    if (flock(folder->lock, LOCK_EX | LOCK_NB) != 0) {
        worker_rebase_folder_close(folder);
        return crdt_diag_set(diag, CRDT_EBUSY, 0,
                             "another process brings this store over");
    }
    return CRDT_OK;
}

/* What nobody writes any more. Best effort: who owns it can change that again. */
static void protect(const char *archive)
{
    char path[WORKER_REBASE_PATH_SIZE];
    if (join(path, archive, "/data.mdb")) {
        (void)chmod(path, 0444);
    }
}

/* ---- the marker: "archive NUMBER\n" ---- */

static crdt_err write_marker(const worker_rebase_folder *folder, crdt_diag *diag)
{
    char text[32];
    int size = snprintf(text, sizeof text, "archive %u\n", folder->number);
    return worker_saved_scene_put(
        folder->marker, (crdt_span){(const uint8_t *)text, (size_t)size}, diag);
}

/* False: there is none. */
static bool read_marker(worker_rebase_folder *folder)
{
    static const char WORD[] = "archive ";
    FILE *file = fopen(folder->marker, "re");
    if (file == NULL) {
        return false;
    }
    char line[32] = "";
    bool good = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    if (!good || strncmp(line, WORD, sizeof WORD - 1) != 0) {
        return false;
    }
    unsigned long value = strtoul(line + sizeof WORD - 1, NULL, 10);
    return value > 0 && value < ARCHIVES_MAX && name_archive(folder, (unsigned)value);
}

/* ---- the steps ---- */

crdt_err worker_rebase_folder_begin(worker_rebase_folder *folder, crdt_diag *diag)
{
    crdt_err err = remove_fresh(folder, diag);
    if (err != CRDT_OK) {
        return err;
    }
    if (mkdir(folder->fresh, 0700) != 0) {
        return fail(diag, folder->fresh);
    }
    int fd = open(folder->tag, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        err = fail(diag, folder->tag);
        (void)rmdir(folder->fresh);
        return err;
    }
    close(fd);
    return lock_fresh(folder, diag);
}

void worker_rebase_folder_abandon(worker_rebase_folder *folder)
{
    (void)remove_fresh(folder, NULL);
    (void)unlink(folder->report);
}

crdt_err worker_rebase_folder_mark(worker_rebase_folder *folder, crdt_span report,
                                   crdt_diag *diag)
{
    crdt_err err = worker_saved_scene_put(folder->report, report, diag);
    if (err == CRDT_OK) {
        err = write_marker(folder, diag);
    }
    return err;
}

/* From the marker on: what is not done yet is done, in the same order. */
crdt_err worker_rebase_folder_switch(worker_rebase_folder *folder, crdt_diag *diag)
{
    crdt_err err = CRDT_OK;
    if (exists(folder->fresh)) {
        (void)unlink(folder->tag);
        bool archived = exists(folder->archive);
        if (archived && rmdir(folder->store) != 0 && exists(folder->store)) {
            /* Somebody made a store meanwhile. It is kept too, unless it is an empty
             * folder, as a process makes it that is to be confined to it. */
            err = worker_rebase_folder_choose(folder, diag);
        }
        if (err == CRDT_OK && exists(folder->store)) {
            err = move(folder->store, folder->archive, diag);
        }
        worker_rebase_folder_step(folder, 4);
        if (err == CRDT_OK) {
            err = move(folder->fresh, folder->store, diag);
        }
        worker_rebase_folder_step(folder, 5);
    }
    if (err == CRDT_OK) {
        protect(folder->archive);
    }
    if (err == CRDT_OK && exists(folder->report)) {
        err = move(folder->report, folder->archive_report, diag);
    }
    worker_rebase_folder_step(folder, 6);
    if (err == CRDT_OK && unlink(folder->marker) != 0) {
        err = fail(diag, folder->marker);
    }
    if (err == CRDT_OK) {
        err = sync_parent(folder->store, diag);
    }
    worker_rebase_folder_step(folder, 7);
    return err;
}

crdt_err worker_rebase_folder_recover(worker_rebase_folder *folder, bool *finished,
                                      crdt_diag *diag)
{
    *finished = false;
    bool marked = read_marker(folder);
    if (!marked && !exists(folder->tag)) {
        return CRDT_OK; /* nothing of ours */
    }
    crdt_err err = lock_fresh(folder, diag);
    if (err == CRDT_OK && marked) {
        err = worker_rebase_folder_switch(folder, diag);
        *finished = err == CRDT_OK;
    } else if (err == CRDT_OK) {
        err = remove_fresh(folder, diag);
        (void)unlink(folder->report);
    }
    worker_rebase_folder_close(folder);
    return err;
}
