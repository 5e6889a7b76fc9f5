#ifndef CLI_KERNEL_KERNEL_H
#define CLI_KERNEL_KERNEL_H

/* The kernel: starts and stops the workers of scenes, and looks after them.
 *
 *   GET  /v1/health               anybody   {"ok":true}
 *   GET  /scenes                  view      {"ok":true,"scenes":[...]}
 *   GET  /scenes/X,Y              view      {"ok":true,"scene","state","pid",...}
 *   POST /scenes/X,Y/edit         edit      the running worker ends, the edition begins
 *   POST /scenes/X,Y/play         edit      the edition saves and ends, its code runs
 *   POST /scenes/X,Y/stop         edit      play: back to where it came from; an edition:
 *                                           its worker saves and leaves
 *
 * A POST is answered when the scene is as was asked (state as of GET), or when it will not
 * be: 502 with the reason, 504 after 60 s (it goes on trying), 503: too much is asked, or
 * the kernel ends. With ?wait=false it is answered at once, 202, with the scene as it is
 * now: for who will not live to hear more, a worker. What is asked of one scene is done one
 * after the other.
 *
 * Limits: 64 scenes at once (one that is stopped makes room for another, and is known again
 * when it is asked for), 16 requests waiting for each. */

#include "cli/access.h"
#include "cli/kernel/keeper.h"
#include "cli/visitor.h"

#define KERNEL_SCENE_MAX 64
#define KERNEL_REQUEST_MAX 16
#define KERNEL_REQUEST_MS 60000

typedef struct kernel kernel;

/* All that it takes. */
extern const cli_route kernel_routes[];
extern const size_t kernel_route_count;

typedef struct kernel_options {
    kernel_settings settings; /* `token` is the kernel's to fill in */
    const char *http;
    cli_access_options access;
    const char *const *hosts;
    const char *const *origins;
} kernel_options;

/* Take DIR, end what a kernel before left behind, listen, go on with what was wanted.
 * Errors: CRDT_EBUSY: another kernel has DIR; CRDT_EIO; as web_server_open. */
crdt_err kernel_open(kernel **out, const kernel_options *options, crdt_diag *diag);
/* Serve until kernel_stop and all workers have left. The workers belong to the thread that
 * calls this. */
void kernel_run(kernel *kernel);
/* All workers are told to leave; called again: they are killed. Signal handlers may. */
void kernel_stop(kernel *kernel);
/* Accepts NULL. */
void kernel_close(kernel *kernel);

#endif /* CLI_KERNEL_KERNEL_H */
