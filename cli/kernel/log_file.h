#ifndef CLI_KERNEL_LOG_FILE_H
#define CLI_KERNEL_LOG_FILE_H

/* A log of bounded size: once it is full it becomes PATH.1 (the one before that goes), and
 * a new one begins. What cannot be written is dropped: a full disk stops no worker. */

#include "crdt/buf.h"

typedef struct kernel_log_file {
    char path[512];
    size_t size_max;
    size_t size;
    int fd; /* -1: not open */
} kernel_log_file;

/* Goes on with what is there. */
void kernel_log_file_open(kernel_log_file *log, const char *path, size_t size_max);
void kernel_log_file_write(kernel_log_file *log, crdt_span text);
void kernel_log_file_close(kernel_log_file *log);

#endif /* CLI_KERNEL_LOG_FILE_H */
