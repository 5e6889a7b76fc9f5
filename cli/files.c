#include "cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define BESIDE_TRIES 100

/* "No such file or directory": the C library's own words, safe with threads. */
static const char *reason(void)
{
    const char *text = strerrordesc_np(errno);
    return text != NULL ? text : "unknown error";
}

static crdt_err read_all(int fd, size_t size_max, crdt_buf *out, crdt_diag *diag)
{
    for (;;) {
        const size_t part = 1u << 16;
        if (crdt_buf_reserve(out, part) != CRDT_OK) {
            return crdt_diag_set(diag, CRDT_ENOMEM, 0, "out of memory");
        }
        ssize_t got = read(fd, out->data + out->size, part);
        if (got == 0) {
            return CRDT_OK;
        }
        if (got < 0 && errno != EINTR) {
            return crdt_diag_set(diag, CRDT_EIO, 0, "%s", reason());
        }
        out->size += got > 0 ? (size_t)got : 0;
        if (out->size > size_max) {
            return crdt_diag_set(diag, CRDT_ELIMIT, size_max,
                                 "it is larger than %zu bytes", size_max);
        }
    }
}

crdt_err cli_files_read(const char *path, size_t size_max, crdt_buf *out,
                        crdt_diag *diag)
{
    int fd = STDIN_FILENO;
    if (strcmp(path, "-") != 0) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
        crdt_err err = errno == ENOENT ? CRDT_ENOTFOUND : CRDT_EIO;
        return crdt_diag_set(diag, err, 0, "%s", reason());
    }
    crdt_err err = read_all(fd, size_max, out, diag);
    if (fd != STDIN_FILENO) {
        close(fd);
    }
    return err;
}

static bool plain_or_new(const char *path)
{
    struct stat stat_of;
    return stat(path, &stat_of) != 0 || S_ISREG(stat_of.st_mode);
}

/* A new file of a name that nobody guesses. Not mkostemp: its files are their owner's
 * alone, and what the process's mask would make of them cannot be asked without changing it
 * for other threads. */
static int open_beside(const char *path, char *beside, size_t size)
{
    for (int tries = 0; tries < BESIDE_TRIES; tries++) {
        uint64_t random;
        if (getrandom(&random, sizeof random, 0) != sizeof random) {
            return -1;
        }
        snprintf(beside, size, "%s.%012" PRIx64, path, random >> 16);
        int fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

crdt_err cli_files_create(cli_file *file, const char *path, crdt_diag *diag)
{
    *file = (cli_file){.path = path};
    if (path == NULL || strcmp(path, "-") == 0) {
        file->stream = stdout;
        return CRDT_OK;
    }
    if (!plain_or_new(path)) {
        file->stream = fopen(path, "we");
    } else {
        size_t size = strlen(path) + sizeof ".012345678901";
        file->beside = malloc(size);
        if (file->beside == NULL) {
            return CRDT_ENOMEM;
        }
        int fd = open_beside(path, file->beside, size);
        if (fd >= 0) {
            file->stream = fdopen(fd, "w");
        }
    }
    if (file->stream == NULL) {
        crdt_diag_set(diag, CRDT_EIO, 0, "%s", reason());
        free(file->beside);
        return CRDT_EIO;
    }
    return CRDT_OK;
}

crdt_err cli_files_close(cli_file *file, bool keep, crdt_diag *diag)
{
    bool good = fflush(file->stream) == 0 && !ferror(file->stream);
    if (good && keep && file->beside != NULL) {
        good = fsync(fileno(file->stream)) == 0;
    }
    if (file->stream != stdout) {
        good = fclose(file->stream) == 0 && good;
    }
    if (file->beside != NULL) {
        if (good && keep) {
            good = rename(file->beside, file->path) == 0;
        }
        if (!good || !keep) {
            int error = errno;
            unlink(file->beside);
            errno = error;
        }
        free(file->beside);
    }
    return good ? CRDT_OK : crdt_diag_set(diag, CRDT_EIO, 0, "%s", reason());
}
