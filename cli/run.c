#include "cli/run.h"

#include "cli/key_file.h"

#include "crdt/history.h"
#include "sync/identity.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t signalled;

static void note_signal(int number)
{
    signalled = number;
}

void cli_run_catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool cli_run_stopped(const cli_run *run)
{
    if (signalled != 0) {
        return true;
    }
    return run->caller.gone != NULL && run->caller.gone(run->caller.ctx);
}

/* ---- opening and closing ---- */

/* What was dropped at recovery, a fresh actor and a failing disk are said at once. */
static void note_event(void *ctx, const sync_event *event)
{
    cli_run *run = ctx;
    bool worth = event->kind == SYNC_EVENT_POISONED ||
                 event->kind == SYNC_EVENT_FRESH || event->kind == SYNC_EVENT_FORK ||
                 event->kind == SYNC_EVENT_ALARM;
    if (worth && event->text[0] != '\0') {
        fprintf(run->err, "scenesync: %s: %s\n", sync_event_name(event->kind),
                event->text);
    }
}

/* --key FILE, where it was given. */
static bool read_key(cli_run *run, sync_node_options *options)
{
    const char *path = cli_args_get(run->args, "--key");
    crdt_diag diag = {0};
    if (path == NULL) {
        return true;
    }
    if (run->key == NULL) {
        run->key = sync_crypto_secret_open(SYNC_CRYPTO_KEY_SIZE);
    }
    crdt_err err =
        run->key != NULL ? cli_key_file_read(path, run->key, &diag) : CRDT_ENOMEM;
    if (err != CRDT_OK) {
        cli_run_fail(run, err, &diag, "read the key");
        return false;
    }
    options->key = run->key;
    return true;
}

bool cli_run_node_options(cli_run *run, sync_node_options *options)
{
    const cli_args *args = run->args;
    *options = sync_node_options_default();
    options->store_dir = cli_args_get(args, "--store");
    options->scene = cli_args_get(args, "--scene");
    options->who = (const char *)run->who.data; /* made of a terminated text */
    options->on_event = note_event;
    options->event_ctx = run;
    options->tls.cert_file = cli_args_get(args, "--tls-cert");
    options->tls.key_file = cli_args_get(args, "--tls-key");
    options->tls.ca_file = cli_args_get(args, "--tls-ca");
    options->tls.peer_name = cli_args_get(args, "--tls-name");
    if (options->scene != NULL &&
        (strlen(options->scene) >= SYNC_NODE_NAME_SIZE || options->scene[0] == '\0')) {
        cli_run_misuse(run, "--scene takes 1 to %d bytes", SYNC_NODE_NAME_SIZE - 1);
        return false;
    }
    int files = (options->tls.cert_file != NULL) + (options->tls.key_file != NULL) +
                (options->tls.ca_file != NULL);
    if (files != 0 && files != 3) {
        cli_run_misuse(run, "--tls-cert, --tls-key and --tls-ca belong together");
        return false;
    }
    return read_key(run, options);
}

bool cli_run_open(cli_run *run, cli_open how, const char *scene)
{
    if (run->node != NULL) {
        return true;
    }
    sync_node_options options;
    if (!cli_run_node_options(run, &options)) {
        return false;
    }
    if (scene != NULL) {
        options.scene = scene;
    }
    options.must_exist = how != CLI_OPEN_CREATE;
    options.read_only = how == CLI_OPEN_READ;
    crdt_diag diag = {0};
    crdt_err err = sync_node_open(&run->node, &options, &diag);
    if (err == CRDT_OK) {
        return true;
    }
    run->node = NULL;
    if (err == CRDT_EBUSY) {
        run->busy = true;
        return false;
    }
    cli_run_fail(run, err, &diag, "open the store %s", options.store_dir);
    return false;
}

crdt_err cli_run_close(cli_run *run)
{
    crdt_err err = CRDT_OK;
    if (!run->served) {
        err = sync_node_close(run->node);
    }
    run->node = NULL;
    sync_crypto_secret_close(run->key);
    sync_crypto_secret_close(run->master);
    run->key = NULL;
    run->master = NULL;
    return err;
}

const char *cli_run_master(cli_run *run)
{
    static const char name[] = "SCENESYNC_MASTER_TOKEN";
    char *text = getenv(name);
    if (text == NULL || run->master != NULL) {
        return run->master;
    }
    size_t size = strlen(text);
    run->master = sync_crypto_secret_open(size + 1);
    if (run->master != NULL) {
        memcpy(run->master, text, size);
    }
    sync_crypto_wipe(text, size);
    unsetenv(name);
    return run->master;
}

/* ---- giving up what is not needed ---- */

bool cli_run_confine(cli_run *run, cli_confine_plan *plan, char said[CLI_CONFINED_SIZE])
{
    static const char *const files[] = {"--tls-cert",  "--tls-key",  "--tls-ca",
                                        "--http-cert", "--http-key", "--key"};
    char access[CLI_CONFINE_PATH_SIZE];
    char state[SYNC_PATH_MAX];
    cli_confined done;
    crdt_diag diag = {0};
    if (cli_args_has(run->args, "--no-confine")) {
        snprintf(said, CLI_CONFINED_SIZE, "not at all (--no-confine)");
        return true;
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        cli_confine_read(plan, cli_args_get(run->args, files[i]));
    }
    cli_confine_read_beside(plan, cli_args_get(run->args, "--access"), access);
    if (sync_identity_dir(state, NULL, NULL) == CRDT_OK) {
        cli_confine_write(plan, state);
        sync_file_make_dir(state,
                           NULL); /* what it stands for does without, and tells */
    }
    crdt_err err = cli_confine(plan, &done, &diag);
    if (err != CRDT_OK) {
        cli_run_fail(run, err, &diag, "confine itself to its files");
        return false;
    }
    cli_confined_text(&done, said);
    return true;
}

/* ---- saying what is wrong ---- */

/* What a person can do about it. */
static const char *advice(const cli_run *run, crdt_err err, const char *said)
{
    switch (err) {
    case CRDT_EBUSY:
        return "another process holds the store; wait for it or stop it";
    case CRDT_EEXIST:
        return strcmp(run->args->verb->name, "import") == 0
                   ? "import into a new store, or make the difference as edits with "
                     "--onto"
                   : NULL; /* an address in use */
    case CRDT_ELINEAGE:
        return "the two began from different scenes; `import --onto` a file of the one "
               "into the other";
    case CRDT_EIO:
        return "check the disk, its free space and who may write there";
    case CRDT_ECORRUPT:
        return cli_args_get(run->args, "--store") != NULL &&
                       strstr(said, "store") != NULL
                   ? "`scenesync repair` keeps what can be read of it, and asks peers "
                     "for the rest"
                   : NULL; /* a file that was given */
    case CRDT_EVERSION:
        return "use a newer scenesync";
    default:
        return NULL;
    }
}

static void fail_json(cli_run *run, crdt_err err, const crdt_diag *diag,
                      const char *what)
{
    cli_report report;
    cli_report_begin(&report, run->out);
    cli_report_text(&report, "event", "error");
    cli_report_text(&report, "verb", run->args->verb->name);
    cli_report_text(&report, "error", crdt_err_name(err));
    cli_report_text(&report, "what", what);
    cli_report_text(&report, "text",
                    diag != NULL && diag->text[0] != '\0' ? diag->text
                                                          : crdt_err_text(err));
    if (diag != NULL && diag->line != 0) {
        cli_report_number(&report, "line", diag->line);
        cli_report_number(&report, "column", diag->column);
    }
    cli_report_end(&report);
}

int cli_run_fail(cli_run *run, crdt_err err, const crdt_diag *diag, const char *what,
                 ...)
{
    char said[512];
    va_list list;
    va_start(list, what);
    vsnprintf(said, sizeof said, what, list);
    va_end(list);

    fprintf(run->err, "scenesync %s: cannot %s: ", run->args->verb->name, said);
    if (diag != NULL && diag->line != 0) {
        fprintf(run->err, "line %" PRIu32 ", column %" PRIu32 ": ", diag->line,
                diag->column);
    }
    bool told = diag != NULL && diag->text[0] != '\0';
    fprintf(run->err, "%s\n", told ? diag->text : crdt_err_text(err));
    const char *next = advice(run, err, told ? diag->text : "");
    if (next != NULL) {
        fprintf(run->err, "  %s\n", next);
    }
    if (run->json) {
        fail_json(run, err, diag, said);
    }
    return CLI_FAILED;
}

int cli_run_misuse(cli_run *run, const char *text, ...)
{
    const char *name = run->args->verb->name;
    fprintf(run->err, "scenesync %s: ", name);
    va_list list;
    va_start(list, text);
    vfprintf(run->err, text, list);
    va_end(list);
    fprintf(run->err, "\n  `scenesync %s --help` tells more\n", name);
    return CLI_USAGE;
}

/* ---- editing ---- */

typedef struct edit_call {
    cli_edit_fn fn;
    void *ctx;
} edit_call;

/* In the node's thread: intentions to operations. */
static crdt_err fill_ops(void *ctx, const crdt_document *doc, crdt_op_list *ops,
                         crdt_diag *diag)
{
    const edit_call *call = ctx;
    scene_edit edit;
    crdt_err err = scene_edit_open(&edit, doc, ops);
    if (err == CRDT_OK) {
        err = call->fn(call->ctx, &edit, diag);
        scene_edit_close(&edit);
    }
    return err;
}

int cli_run_edited(cli_run *run, crdt_err err, const sync_edit_result *result)
{
    if (err != CRDT_OK && err != CRDT_ENOTHING) {
        return cli_run_fail(run, err, &result->diag, "make the edit");
    }
    bool nothing = err == CRDT_ENOTHING;
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", run->args->verb->name);
        cli_report_number(&report, "operations", nothing ? 0 : result->op_count);
        if (!nothing) {
            cli_report_stamp(&report, "first", &result->first);
            cli_report_stamp(&report, "last", &result->last);
        }
        cli_report_end(&report);
    } else if (nothing) {
        fputs("nothing to do: it is so already\n", run->err);
    }
    return CLI_DONE;
}

int cli_run_edit(cli_run *run, cli_edit_fn fn, void *ctx, const crdt_stamp *seen)
{
    edit_call call = {.fn = fn, .ctx = ctx};
    sync_edit edit = {
        .fn = fill_ops,
        .ctx = &call,
        .who = run->who,
        .origin = CRDT_ORIGIN_EDIT,
        .seen = seen,
    };
    sync_edit_result result = {0};
    crdt_err err = sync_node_edit(run->node, &edit, &result);
    return cli_run_edited(run, err, &result);
}
