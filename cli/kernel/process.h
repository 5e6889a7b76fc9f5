#ifndef CLI_KERNEL_PROCESS_H
#define CLI_KERNEL_PROCESS_H

/* A worker as a child process, and a thread that listens to it: what it prints goes to its
 * log, the line {"event":"ready",...} and its end are told.
 *
 * The child has nothing of ours open; it is told to leave (SIGTERM) by the system if this
 * process dies, however it dies. It is in a process group of its own, so that Ctrl+C at a
 * terminal reaches us alone.
 *
 * Threads: start and signal from one thread, and that for as long as the child lives: the
 * child leaves when the thread that started it ends. The callbacks come from the listening
 * thread. */

#include "cli/kernel/log_file.h"
#include "crdt/err.h"

#include <stdbool.h>
#include <sys/types.h>

#define KERNEL_URL_SIZE 256
#define KERNEL_SAID_SIZE 256

typedef struct kernel_process kernel_process;

typedef struct kernel_process_options {
    const char *program;      /* "/proc/self/exe" */
    const char *const *argv;  /* with the program's name; NULL-terminated */
    const char *const *extra; /* "NAME=value" beside our environment; NULL-terminated */
    const char *log_path;
    size_t log_size_max;
    /* It serves: at these addresses ("" if it named none). Borrowed. */
    void (*ready)(void *ctx, const char *http, const char *url);
    /* It has ended; `said` is the last it had to say on its errors, "" if nothing. The last
     * callback. */
    void (*exited)(void *ctx, int status, const char *said);
    void *ctx;
} kernel_process_options;

/* Errors: CRDT_EIO: no process; CRDT_ENOMEM. */
crdt_err kernel_process_start(kernel_process **out,
                              const kernel_process_options *options, crdt_diag *diag);
pid_t kernel_process_pid(const kernel_process *process);
/* Accepts one that has ended: never reaches another process. */
void kernel_process_signal(kernel_process *process, int number);
/* Kill it if it lives, wait for the thread. Accepts NULL. */
void kernel_process_close(kernel_process *process);

/* Run a command of ours to its end and put what it prints into `log_path`. Blocks, at most
 * `timeout_ms`, then it is killed. Any thread. Errors: CRDT_EIO, CRDT_ETIMEOUT;
 * CRDT_EREFUSED: its exit code is not 0; what it said is in `diag`. */
crdt_err kernel_process_run(const char *program, const char *const *argv,
                            const char *log_path, uint32_t timeout_ms, crdt_diag *diag);

#endif /* CLI_KERNEL_PROCESS_H */
