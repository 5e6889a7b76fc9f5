#ifndef CLI_PLAY_SANDBOX_H
#define CLI_PLAY_SANDBOX_H

/* Runs a scene's code in a process of its own, with nothing but a pipe to us.
 *
 *   this process            the sandbox
 *     start ── fork ──▶      limits on CPU time, memory, files, processes; no descriptor
 *                            but the pipe; system calls other than for memory and writing
 *     read ◀── records ───   are refused by the kernel (seccomp) for good
 *
 * The engine has no clock to be stopped by; so a script that takes too long is ended with
 * its process: by the kernel for CPU time, by us for time on the wall. A crash of the
 * engine is the script's end, not ours. */

#include "cli/play/engine.h"

#include <stdatomic.h>

typedef struct play_limits {
    size_t memory_max;    /* bytes of the engine; default 64 MiB */
    uint32_t cpu_seconds; /* default 5 */
    uint32_t wall_ms;     /* default 10,000 */
    uint64_t call_max;    /* calls on dcl; default 2,000,000 */
    uint64_t size_max;    /* bytes of all calls; default 256 MiB */
} play_limits;

play_limits play_limits_default(void);

#define PLAY_CODE_SIZE_MAX (32u << 20) /* bytes of code that are taken */

typedef struct play_sandbox play_sandbox;

/* Fork. Call it before the process has threads. The code is copied by that.
 * Errors: CRDT_EIO: no process or pipe; CRDT_ENOMEM. */
crdt_err play_sandbox_start(play_sandbox **out, crdt_span code,
                            const play_limits *limits, crdt_diag *diag);

/* Hand each call to `take` until the script has ended, whatever ended it; `failure` says
 * what. An error of `take` (its text in `diag`) ends the script too. `stop` (may be NULL)
 * turned true: likewise, soon. Blocks; any thread. The process is gone afterwards. */
typedef crdt_err (*play_take_fn)(void *ctx, const play_call *call, crdt_diag *diag);
void play_sandbox_read(play_sandbox *sandbox, play_take_fn take, void *ctx,
                       const atomic_bool *stop, play_failure *failure);

/* Ends the process, if it still runs. Accepts NULL. */
void play_sandbox_close(play_sandbox *sandbox);

#endif /* CLI_PLAY_SANDBOX_H */
