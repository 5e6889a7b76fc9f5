#ifndef BENCH_MESSAGE_LOG_H
#define BENCH_MESSAGE_LOG_H

/* The file of messages between W1 and W2: each one its size (4 bytes), then its bytes. */

#include "bench/bench.h"

#include <stdio.h>

/* Messages go through a buffer of 4 MiB to the file. */
typedef struct bench_message_log {
    FILE *file;
    uint8_t *buffer;
    size_t used;
    uint64_t message_count;
    uint64_t byte_count; /* of messages, without their sizes */
} bench_message_log;

void bench_message_log_open(bench_message_log *log, const bench_options *options);
void bench_message_log_put(bench_message_log *log, crdt_span message);
/* The file goes too, unless it is kept. */
void bench_message_log_close(bench_message_log *log, const bench_options *options);

/* The whole file that a W1 of these options has kept; free(data). */
crdt_span bench_message_log_read(const bench_options *options);
/* The message at `*at` of it, and step behind it. False at the end. */
bool bench_message_log_next(crdt_span log, size_t *at, crdt_span *message);

#endif /* BENCH_MESSAGE_LOG_H */
