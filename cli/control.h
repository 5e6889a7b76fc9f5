#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

/* A running node does the verbs of other processes: the socket `control` in its store.
 *
 *     scenesync set ... ──argv, input──▶ node's thread for this caller ──▶ the document
 *                       ◀─output, errors, exit code──
 *
 * The caller sends its command line and the bytes of its input file, and gets back what
 * the verb prints, as it prints it, and its exit code. Files are read and written by the
 * caller, so paths mean what they mean there.
 *
 * Only the user who runs the node (and root) is served: the socket has mode 0600 and the
 * node asks the kernel who is at the other end. Everything is bounded: callers at once,
 * arguments, bytes.
 *
 *   request   "SCS1", u32 argument count, u64 input size,
 *             per argument: u32 size, bytes;  the input
 *   reply     frames: u8 kind ('o' output, 'e' errors, 'x' end, 'b' busy), u32 size,
 *             bytes; the end holds one byte, the exit code
 *
 * Numbers are little-endian. */

#include "crdt/buf.h"

#include <stdio.h>

#define CLI_CONTROL_CALLER_MAX 32
#define CLI_CONTROL_ARGUMENT_MAX 256
#define CLI_CONTROL_ARGUMENT_SIZE_MAX (32u << 20) /* all arguments together */
#define CLI_CONTROL_INPUT_SIZE_MAX (256u << 20)

/* Has the one for whom the work is done gone away? */
typedef struct cli_caller {
    bool (*gone)(void *ctx);
    void *ctx;
} cli_caller;

/* Do one command: what main does with argv[1..], with its output and errors going to the
 * two streams. Called in a thread per caller. Returns the exit code. */
typedef int (*cli_control_fn)(void *ctx, size_t argc, const char *const *argv,
                              crdt_span input, FILE *out, FILE *err,
                              const cli_caller *caller);

typedef struct cli_control cli_control;

/* Serve callers on the store at `dir`, which this process holds. A socket that a killed
 * node left behind is replaced. Errors: CRDT_EIO, CRDT_ENOMEM. */
crdt_err cli_control_open(cli_control **out, const char *dir, cli_control_fn fn,
                          void *ctx, crdt_diag *diag);
/* No new callers, then wait for those being served (their caller.gone says true from now
 * on). Accepts NULL. */
void cli_control_close(cli_control *control);

/* Have the node that runs on the store at `dir` do it. `*exit_code` is filled on success.
 * Errors: CRDT_ENOTFOUND: no node serves there. CRDT_ECLOSED: it went away in between:
 * what was asked may have been done. CRDT_EBUSY: too many callers, nothing was done.
 * CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err cli_control_call(const char *dir, size_t argc, const char *const *argv,
                          crdt_span input, FILE *out, FILE *err, int *exit_code,
                          crdt_diag *diag);

#endif /* CLI_CONTROL_H */
