#include "cli/kernel/log_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void reopen(kernel_log_file *log)
{
    struct stat status;
    log->fd =
        open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    log->size =
        log->fd >= 0 && fstat(log->fd, &status) == 0 ? (size_t)status.st_size : 0;
}

void kernel_log_file_open(kernel_log_file *log, const char *path, size_t size_max)
{
    *log = (kernel_log_file){.size_max = size_max, .fd = -1};
    snprintf(log->path, sizeof log->path, "%s", path);
    reopen(log);
}

static void rotate(kernel_log_file *log)
{
    char older[sizeof log->path + 2];
    snprintf(older, sizeof older, "%s.1", log->path);
    kernel_log_file_close(log);
    rename(log->path, older);
    reopen(log);
}

void kernel_log_file_write(kernel_log_file *log, crdt_span text)
{
    if (text.size > log->size_max) {
        text.size = log->size_max;
    }
    if (log->size + text.size > log->size_max) {
        rotate(log);
    }
    if (log->fd >= 0) {
        ssize_t size = write(log->fd, text.data, text.size);
        log->size += size > 0 ? (size_t)size : 0;
    }
}

void kernel_log_file_close(kernel_log_file *log)
{
    if (log->fd >= 0) {
        close(log->fd);
    }
    log->fd = -1;
}
