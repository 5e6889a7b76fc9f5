#include "tests/support/temp_dir.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void check(int good, const char *what)
{
    if (!good) {
        perror(what);
        abort();
    }
}

static void run(const char *const *argv)
{
    pid_t pid;
    int status = 0;
    check(posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv,
                       environ) == 0,
          argv[0]);
    check(waitpid(pid, &status, 0) == pid && status == 0, argv[0]);
}

void temp_dir_open(temp_dir *dir)
{
    const char *base = getenv("TMPDIR");
    snprintf(dir->path, sizeof dir->path, "%s/scenesync-XXXXXX",
             base != NULL ? base : "/tmp");
    check(mkdtemp(dir->path) != NULL, dir->path);
}

void temp_dir_close(temp_dir *dir)
{
    temp_remove(dir->path);
}

const char *temp_dir_path(const temp_dir *dir, const char *name)
{
    static char buffers[8][512];
    static size_t next;
    char *path = buffers[next++ % 8];
    snprintf(path, sizeof buffers[0], "%s/%s", dir->path, name);
    return path;
}

void temp_copy(const char *from, const char *to)
{
    run((const char *const[]){"cp", "-r", from, to, NULL});
}

void temp_remove(const char *path)
{
    run((const char *const[]){"rm", "-rf", path, NULL});
}

uint8_t *temp_read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    struct stat st;
    check(fstat(fileno(file), &st) == 0, path);
    *size = (size_t)st.st_size;
    uint8_t *bytes = malloc(*size + 1);
    check(bytes != NULL && fread(bytes, 1, *size, file) == *size, path);
    fclose(file);
    return bytes;
}

void temp_write_file(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    check(file != NULL && fwrite(bytes, 1, size, file) == size, path);
    check(fclose(file) == 0, path);
}
