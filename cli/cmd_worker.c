#include "cli/content/parcels.h"
#include "cli/run.h"
#include "cli/serve.h"
#include "cli/verbs.h"
#include "cli/worker/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SAVE_MS_MAX 10000 /* what is unsaved is given so long when it leaves */
#define TICK_MS_MAX 1000
#define AUTOSAVE_S_MAX 86400

/* What the options point to. */
typedef struct worker_lists {
    const char *listen[CLI_LIST_MAX + 1];
    const char *peers[CLI_LIST_MAX + 1];
    const char *hosts[CLI_LIST_MAX + 1];
    const char *origins[CLI_LIST_MAX + 1];
} worker_lists;

static void note(void *ctx, const char *text)
{
    cli_run *run = ctx;
    fprintf(run->err, "scenesync worker: %s\n", text);
}

/* Numbers and choices; false: it was said what is wrong. */
static bool parse_numbers(cli_run *run, worker_options *options)
{
    double number;
    const char *text = cli_args_get(run->args, "--tick");
    if (text != NULL && !cli_args_number(text, 5, TICK_MS_MAX, &number)) {
        cli_run_misuse(run, "--tick takes 5 to %d milliseconds", TICK_MS_MAX);
        return false;
    }
    options->tick_ms = text != NULL ? (uint32_t)number : options->tick_ms;
    text = cli_args_get(run->args, "--autosave");
    if (text != NULL && !cli_args_number(text, 0, AUTOSAVE_S_MAX, &number)) {
        cli_run_misuse(run, "--autosave takes 0 to %d seconds", AUTOSAVE_S_MAX);
        return false;
    }
    options->autosave_ms =
        text != NULL ? (uint32_t)(number * 1000) : options->autosave_ms;
    text = cli_args_get(run->args, "--fault");
    if (text != NULL &&
        !(strncmp(text, "drop=", 5) == 0 && cli_args_number(text + 5, 0, 1, &number))) {
        cli_run_misuse(run, "--fault takes drop=SHARE, SHARE from 0 to 1");
        return false;
    }
    options->node.fault_drop = text != NULL ? number : 0;
    text = cli_args_get(run->args, "--loopback-role");
    if (text != NULL && !access_role_parse(text, &options->loopback)) {
        cli_run_misuse(run, "--loopback-role takes none, view, edit, publish or admin");
        return false;
    }
    return true;
}

static bool parse_options(cli_run *run, worker_options *options, worker_lists *lists)
{
    const cli_args *args = run->args;
    *lists = (worker_lists){{NULL}, {NULL}, {NULL}, {NULL}};
    *options = worker_options_default();
    if (!cli_run_node_options(run, &options->node)) {
        return false;
    }
    options->node.listen_count = cli_args_all(args, "--listen", lists->listen);
    options->node.peer_count = cli_args_all(args, "--peer", lists->peers);
    options->node.listen_urls = lists->listen;
    options->node.peer_urls = lists->peers;
    options->node.discover = !cli_args_has(args, "--no-discover");
    cli_args_all(args, "--host", lists->hosts);
    cli_args_all(args, "--origin", lists->origins);
    options->hosts = lists->hosts;
    options->origins = lists->origins;
    options->http_cert_file = cli_args_get(args, "--http-cert");
    options->http_key_file = cli_args_get(args, "--http-key");
    if ((options->http_cert_file == NULL) != (options->http_key_file == NULL)) {
        cli_run_misuse(run, "--http-cert and --http-key go together");
        return false;
    }
    options->scene = cli_args_get(args, "--scene");
    content_parcel parcel;
    if (!content_parcel_parse(crdt_span_of(options->scene), &parcel)) {
        cli_run_misuse(run, "--scene takes X,Y: the scene's base parcel");
        return false;
    }
    options->http =
        cli_args_has(args, "--http") ? cli_args_get(args, "--http") : options->http;
    options->content_url = cli_args_get(args, "--content");
    options->builder_url = cli_args_get(args, "--builder");
    options->kernel_url = cli_args_get(args, "--kernel");
    options->project = cli_args_get(args, "--project");
    options->save_file = cli_args_get(args, "--save");
    options->access_file = cli_args_get(args, "--access");
    options->loopback = options->access_file != NULL ? ACCESS_NONE : ACCESS_EDIT;
    options->master = cli_run_master(run);
    options->note = note;
    options->note_ctx = run;
    return parse_numbers(run, options);
}

/* The store and what it is brought over to stand side by side; what is saved goes to a
 * file beside and is renamed. */
static bool confine(cli_run *run, const worker_options *options,
                    char said[CLI_CONFINED_SIZE])
{
    char around[CLI_CONFINE_PATH_SIZE];
    char saved[CLI_CONFINE_PATH_SIZE];
    const char *store = options->node.store_dir;
    cli_confine_plan plan = {.write_count = 0};
    cli_confine_make(&plan, store);
    if (!cli_confine_is_broad(store)) {
        cli_confine_write_beside(&plan, store, around);
    } else if (!cli_args_has(run->args, "--no-confine")) {
        note(run, "the store stands right in a folder that it is not given (home, one "
                  "above it, or a shared one); should the scene live on in another "
                  "edition, it cannot be brought over: better a folder of its own");
    }
    cli_confine_write_beside(&plan, options->save_file, saved);
    return cli_run_confine(run, &plan, said);
}

static void say_ready(cli_run *run, const worker *w, const char *confined)
{
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "ready");
        cli_report_text(&report, "http", worker_http_url(w));
        cli_report_text(&report, "url", worker_peer_url(w));
        cli_report_text(&report, "confined", confined);
        cli_report_end(&report);
    } else {
        const char *http = worker_http_url(w); /* http://..., and so ws://... */
        fprintf(run->out, "page:      %s/\n", http);
        fprintf(run->out, "programs:  %s/v1/status\n", http);
        fprintf(run->out, "renderers: ws%s/renderer\n", http + strlen("http"));
        if (worker_peer_url(w)[0] != '\0') {
            fprintf(run->out, "peers:     %s\n", worker_peer_url(w));
        }
        fprintf(run->out, "confined:  %s\n", confined);
    }
    fflush(run->out);
}

int cli_cmd_worker(cli_run *run)
{
    static worker_lists lists;
    worker_options options;
    if (!parse_options(run, &options, &lists)) {
        return CLI_USAGE;
    }
    char confined[CLI_CONFINED_SIZE];
    if (!confine(run, &options, confined)) {
        return CLI_FAILED;
    }
    /* The signals that end it, before any thread: all inherit the mask. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd < 0) {
        return cli_run_fail(run, CRDT_EIO, NULL, "wait for signals");
    }
    worker *w = NULL;
    crdt_diag diag = {0};
    int code = CLI_DONE;
    crdt_err err = worker_open(&w, &options, &diag);
    if (err != CRDT_OK) {
        code = cli_run_fail(run, err, &diag, "work on %s", options.node.store_dir);
    } else {
        say_ready(run, w, confined);
        err = worker_run(w, signal_fd);
        struct signalfd_siginfo taken;
        bool told = read(signal_fd, &taken, sizeof taken) > 0;
        (void)told;
        pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* a second one ends it at once */
        if (err != CRDT_OK) {
            code = cli_run_fail(run, err, NULL, "go on");
        }
        err = worker_close(w, SAVE_MS_MAX);
        if (err != CRDT_OK && code == CLI_DONE) {
            code = cli_run_fail(run, err, NULL, "stop cleanly");
        }
    }
    close(signal_fd);
    return code;
}
