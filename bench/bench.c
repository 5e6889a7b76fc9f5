#include "bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void bench_die(const char *what, const char *why)
{
    fflush(stdout);
    fprintf(stderr, "scenesync-bench: %s: %s\n", what, why);
    exit(1);
}

void bench_must(crdt_err err, const char *what)
{
    if (err != CRDT_OK) {
        bench_die(what, crdt_err_text(err));
    }
}

void bench_must_bytes(const void *bytes, const char *what)
{
    if (bytes == NULL) {
        bench_die(what, "out of memory");
    }
}

void bench_path(const bench_options *options, const char *name,
                char path[BENCH_PATH_SIZE])
{
    int size = snprintf(path, BENCH_PATH_SIZE, "%s/scenesync-%g-%s", options->dir,
                        options->scale, name);
    if (size >= BENCH_PATH_SIZE) {
        bench_die(options->dir, "too long");
    }
}

crdt_span bench_file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (file == NULL || fstat(fileno(file), &info) != 0) {
        bench_die(path, "run w1 with --keep first");
    }
    size_t size = (size_t)info.st_size;
    uint8_t *bytes = malloc(size + 1);
    bench_must_bytes(bytes, path);
    if (fread(bytes, 1, size, file) != size) {
        bench_die(path, strerror(errno));
    }
    fclose(file);
    return (crdt_span){.data = bytes, .size = size};
}

void bench_file_write(const char *path, crdt_span bytes)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes.data, 1, bytes.size, file) != bytes.size ||
        fclose(file) != 0) {
        bench_die(path, strerror(errno));
    }
}
