#include "bench/message_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_SIZE ((size_t)4 << 20)

static void path_of(const bench_options *options, char path[BENCH_PATH_SIZE])
{
    char name[32];
    snprintf(name, sizeof name, "%s.log", options->variant);
    bench_path(options, name, path);
}

static void flush(bench_message_log *log)
{
    if (fwrite(log->buffer, 1, log->used, log->file) != log->used) {
        bench_die("message file", strerror(errno));
    }
    log->used = 0;
}

void bench_message_log_open(bench_message_log *log, const bench_options *options)
{
    char path[BENCH_PATH_SIZE];
    path_of(options, path);
    *log =
        (bench_message_log){.file = fopen(path, "wb"), .buffer = malloc(BUFFER_SIZE)};
    if (log->file == NULL || log->buffer == NULL) {
        bench_die(path, strerror(errno));
    }
    setvbuf(log->file, NULL, _IONBF, 0);
}

void bench_message_log_put(bench_message_log *log, crdt_span message)
{
    uint32_t size = (uint32_t)message.size;
    if (log->used + sizeof size + message.size > BUFFER_SIZE) {
        flush(log);
    }
    memcpy(log->buffer + log->used, &size, sizeof size);
    memcpy(log->buffer + log->used + sizeof size, message.data, message.size);
    log->used += sizeof size + message.size;
    log->message_count++;
    log->byte_count += message.size;
}

void bench_message_log_close(bench_message_log *log, const bench_options *options)
{
    flush(log);
    fclose(log->file);
    free(log->buffer);
    if (!options->keep) {
        char path[BENCH_PATH_SIZE];
        path_of(options, path);
        remove(path);
    }
}

crdt_span bench_message_log_read(const bench_options *options)
{
    char path[BENCH_PATH_SIZE];
    path_of(options, path);
    return bench_file_read(path);
}

bool bench_message_log_next(crdt_span log, size_t *at, crdt_span *message)
{
    uint32_t size;
    if (log.size - *at < sizeof size) {
        return false;
    }
    memcpy(&size, log.data + *at, sizeof size);
    *at += sizeof size;
    if (log.size - *at < size) {
        bench_die("message file", "it ends within a message");
    }
    *message = (crdt_span){.data = log.data + *at, .size = size};
    *at += size;
    return true;
}
