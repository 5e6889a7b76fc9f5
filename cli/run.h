#ifndef CLI_RUN_H
#define CLI_RUN_H

/* What a verb works with: its arguments, its streams, its input, and the node over the
 * store. The same verb runs in the process that was started, on a node of its own, or in
 * a running node for a caller at its control socket; it does not see the difference. */

#include "cli/args.h"
#include "cli/confine.h"
#include "cli/control.h"
#include "cli/host.h"
#include "cli/report.h"
#include "scene/edit.h"
#include "scene/scene.h"
#include "sync/crypto.h"
#include "sync/node.h"

/* Exit codes. */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

typedef struct cli_run {
    const cli_args *args;
    FILE *out;
    FILE *err;
    bool json;            /* --json was given */
    crdt_span who;        /* whose edits these are */
    crdt_span input;      /* bytes of the input file, for verbs with CLI_VERB_INPUT */
    sync_node *node;      /* NULL until cli_run_open */
    const cli_host *host; /* of the running node; NULL: it is the verb's own */
    bool served;          /* for a caller: `node` is the running one */
    bool busy;            /* cli_run_open found the store held by another process */
    cli_caller caller;    /* who waits for it */
    uint8_t *key; /* of --key, once cli_run_node_options read it; a secret's memory */
    char *master; /* see cli_run_master */
} cli_run;

typedef enum cli_open {
    CLI_OPEN_READ,   /* change nothing; the store must be there */
    CLI_OPEN_EDIT,   /* the store must be there */
    CLI_OPEN_CREATE, /* a missing store is made */
} cli_open;

/* Open the node over --store, unless it is there. `scene`: name for a new store, or NULL.
 * On error it has been said (unless run->busy: the caller of the verb tries again), and
 * the verb returns CLI_FAILED. */
bool cli_run_open(cli_run *run, cli_open how, const char *scene);
/* Fill in the store, the person, TLS, the key and the like from the options, for verbs
 * that open a node with links themselves. False: it has been said. */
bool cli_run_node_options(cli_run *run, sync_node_options *options);
/* Close the node, if it is the verb's own, and forget secrets. Errors: as sync_node_close. */
crdt_err cli_run_close(cli_run *run);
/* The token that may do all, of the environment (SCENESYNC_MASTER_TOKEN), where it is wiped
 * out: others of the same user could read it there. NULL: there is none. Lives until
 * cli_run_close. */
const char *cli_run_master(cli_run *run);

/* Say what failed, `what` being what was tried ("import scene.json"), with line and
 * column where there are any, and what to do next where that is known. With --json an
 * object {"event":"error",...} too. Returns CLI_FAILED. */
int cli_run_fail(cli_run *run, crdt_err err, const crdt_diag *diag, const char *what,
                 ...) __attribute__((format(printf, 4, 5)));
/* The same for a command line that is wrong. Returns CLI_USAGE. */
int cli_run_misuse(cli_run *run, const char *text, ...)
    __attribute__((format(printf, 2, 3)));

/* Give up what a server does not need (cli/confine.h): `plan` and what the options name,
 * unless --no-confine is given. Before any thread. `said`: what is on, in words. False: it
 * has been said what is wrong. */
bool cli_run_confine(cli_run *run, cli_confine_plan *plan,
                     char said[CLI_CONFINED_SIZE]);

/* Is it time to stop: SIGINT, SIGTERM, or the caller has gone? */
bool cli_run_stopped(const cli_run *run);
/* From now on SIGINT and SIGTERM are noted instead of ending the process. */
void cli_run_catch_signals(void);

/* Make one edit and say what became of it. `fn` collects intentions on a scene. */
typedef crdt_err (*cli_edit_fn)(void *ctx, scene_edit *edit, crdt_diag *diag);
int cli_run_edit(cli_run *run, cli_edit_fn fn, void *ctx, const crdt_stamp *seen);
/* Report an edit's result as the edit verbs do; CLI_DONE or CLI_FAILED. */
int cli_run_edited(cli_run *run, crdt_err err, const sync_edit_result *result);

#endif /* CLI_RUN_H */
