#ifndef CLI_SERVE_H
#define CLI_SERVE_H

/* Doing a command line: for the process that was started with it (cli_serve_main), and in
 * a running node for a caller at its socket (cli_serve). */

#include "cli/control.h"
#include "cli/host.h"

/* A cli_control_fn; `ctx` is a cli_host. */
int cli_serve(void *ctx, size_t argc, const char *const *argv, crdt_span input,
              FILE *out, FILE *err, const cli_caller *caller);

/* argv[0] is the verb. Reads the input file, asks a running node to do it, else does it
 * on the store itself; waits for a store that another process holds for a moment.
 * Returns the exit code. */
int cli_serve_main(size_t argc, const char *const *argv);

#endif /* CLI_SERVE_H */
