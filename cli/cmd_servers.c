#include "cli/files.h"
#include "cli/run.h"
#include "cli/servers/seed.h"
#include "cli/servers/servers.h"
#include "cli/verbs.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define BODY_MAX_DEFAULT (64u << 20)
#define HEADER_MAX (64u << 10) /* auth chains; many CIDs in one question */
#define CONNECTION_MAX 64
#define SEED_SIZE_MAX (200u << 20)
#define POINTER_SIZE 64
#define SAID_MAX 1000 /* bytes of a path on a line */

/* What runs. */
typedef struct servers_run {
    cli_run *run;
    servers *servers;
    web_server *web;
    servers_seed_files *files; /* to be deployed along; NULL: none */
    const char *hosts[CLI_LIST_MAX + 1];
    const char *origins[CLI_LIST_MAX + 1];
    uint64_t missed; /* lines that nobody read in time */
} servers_run;

static uint64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- what is said ---- */

static void warn(void *ctx, const char *text)
{
    cli_run *run = ctx;
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "damaged");
        cli_report_text(&report, "text", text);
        cli_report_end(&report);
    } else {
        fprintf(run->err, "scenesync servers: %s\n", text);
    }
}

/* May a line be written without waiting for a reader? A pipe that can take anything takes
 * 4096 bytes. Nobody who calls shall wait for somebody who looks on. */
static bool has_room(servers_run *state)
{
    struct pollfd out = {.fd = fileno(state->run->out), .events = POLLOUT};
    if (poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0) {
        state->missed++;
        return false;
    }
    return true;
}

static void tell_missed(servers_run *state)
{
    cli_run *run = state->run;
    if (state->missed == 0) {
        return;
    }
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "missed");
        cli_report_number(&report, "count", state->missed);
        cli_report_end(&report);
    } else {
        fprintf(run->out, "(%llu lines were not read in time)\n",
                (unsigned long long)state->missed);
    }
    state->missed = 0;
}

/* A write, done or refused. */
static void tell(servers_run *state, const web_request *request, const web_reply *reply)
{
    cli_run *run = state->run;
    if (!has_room(state)) {
        return;
    }
    tell_missed(state);
    char path[SAID_MAX + 1];
    snprintf(path, sizeof path, "%s", request->path);
    if (!run->json) {
        fprintf(run->out, "%s %s %s: %d\n", request->peer, request->method, path,
                reply->status);
        fflush(run->out);
        return;
    }
    cli_report report;
    cli_report_begin(&report, run->out);
    cli_report_text(&report, "event", reply->status < 300 ? "written" : "refused");
    cli_report_text(&report, "method", request->method);
    cli_report_text(&report, "path", path);
    cli_report_number(&report, "status", (uint64_t)reply->status);
    cli_report_text(&report, "peer", request->peer);
    cli_report_end(&report);
}

static bool is_write(const web_request *request)
{
    return !servers_api_is_get(request) && strcmp(request->method, "OPTIONS") != 0 &&
           strcmp(request->path, "/content/entities/active") != 0;
}

static void handle(void *ctx, const web_request *request, web_reply *reply)
{
    servers_run *state = ctx;
    servers_handle(state->servers, request, reply, unix_ms());
    if (is_write(request)) {
        tell(state, request, reply);
    }
}

static void tell_seed(cli_run *run, const char *event, const char *key,
                      const char *name, const char *entity)
{
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", event);
        cli_report_text(&report, key, name);
        if (entity != NULL) {
            cli_report_text(&report, "entity", entity);
        }
        cli_report_end(&report);
    } else {
        fprintf(run->out, "%s %s\n", event, name);
    }
}

/* ---- seeds ---- */

/* NAME=FILE: the name into `name`, the file's bytes into `file`. Returns the exit code;
 * what is wrong was said. */
static int read_seed(cli_run *run, const char *option, const char *text,
                     char name[POINTER_SIZE], crdt_buf *file)
{
    const char *equals = strchr(text, '=');
    size_t size = equals == NULL ? 0 : (size_t)(equals - text);
    if (size == 0 || size >= POINTER_SIZE || equals[1] == '\0') {
        return cli_run_misuse(run, "%s takes NAME=FILE, not `%s`", option, text);
    }
    memcpy(name, text, size);
    name[size] = '\0';
    crdt_diag diag = {.text = ""};
    crdt_err err = cli_files_read(equals + 1, SEED_SIZE_MAX, file, &diag);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "read %s", equals + 1);
    }
    return CLI_DONE;
}

static int plant(servers_run *state, const char *option, const char *text)
{
    cli_run *run = state->run;
    servers_api *api = servers_inside(state->servers);
    api->now_ms = unix_ms();
    bool scene = strcmp(option, "--deploy") == 0;
    char name[POINTER_SIZE];
    char id[64] = "";
    bool fresh = false;
    crdt_buf file;
    crdt_buf_init(&file, crdt_alloc_default());
    int code = read_seed(run, option, text, name, &file);
    if (code == CLI_DONE) {
        crdt_diag diag = {.text = ""};
        crdt_span bytes = crdt_buf_span(&file);
        crdt_err err =
            scene ? servers_seed_scene(api, name, bytes, state->files, id, &diag)
                  : servers_seed_project(api, name, bytes, &fresh, &diag);
        if (err != CRDT_OK) {
            code =
                cli_run_fail(run, err, &diag, "%s %s", scene ? "deploy" : "put", text);
        } else if (scene && id[0] != '\0') {
            tell_seed(run, "deployed", "pointer", name, id);
        } else if (fresh) {
            tell_seed(run, "project", "id", name, NULL);
        }
    }
    crdt_buf_deinit(&file);
    return code;
}

static int read_files(servers_run *state)
{
    crdt_diag diag = {.text = ""};
    const char *folder = cli_args_get(state->run->args, "--files");
    crdt_err err = folder == NULL
                       ? CRDT_OK
                       : servers_seed_files_open(&state->files, crdt_alloc_default(),
                                                 folder, &diag);
    return err == CRDT_OK ? CLI_DONE
                          : cli_run_fail(state->run, err, &diag, "read %s", folder);
}

/* Projects first: a scene names its project only if that is there. */
static int plant_seeds(servers_run *state)
{
    static const char *const options[] = {"--project", "--deploy"};
    for (size_t i = 0; i < 2; i++) {
        size_t index = 0;
        const char *text;
        while ((text = cli_args_next(state->run->args, options[i], &index)) != NULL) {
            int code = plant(state, options[i], text);
            if (code != CLI_DONE) {
                return code;
            }
        }
    }
    return CLI_DONE;
}

static int plant_all(servers_run *state)
{
    int code = read_files(state);
    code = code == CLI_DONE ? plant_seeds(state) : code;
    servers_seed_files_close(state->files);
    state->files = NULL;
    return code;
}

/* ---- serving ---- */

static web_server *stopped_server;

static void on_signal(int number)
{
    (void)number;
    web_server_stop(stopped_server);
}

static void serve(servers_run *state)
{
    cli_run *run = state->run;
    stopped_server = state->web;
    signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is a full disk */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "ready");
        cli_report_text(&report, "http", web_server_url(state->web));
        cli_report_end(&report);
    } else {
        fprintf(run->out, "content server and Builder server at %s\n",
                web_server_url(state->web));
        fflush(run->out);
    }
    web_server_run(state->web);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

/* The seeds are read: from here on it needs its own folder. */
static bool confine(servers_run *state, const char *dir)
{
    cli_run *run = state->run;
    char said[CLI_CONFINED_SIZE];
    cli_confine_plan plan = {.write_count = 0};
    cli_confine_write(&plan, dir);
    if (!cli_run_confine(run, &plan, said)) {
        return false;
    }
    if (!run->json) {
        fprintf(run->out, "confined: %s\n", said);
    }
    return true;
}

static int run_servers(servers_run *state, const servers_options *options,
                       const web_server_options *web_options)
{
    cli_run *run = state->run;
    crdt_diag diag = {.text = ""};
    crdt_err err = servers_open(&state->servers, options, &diag);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "open the folder %s", options->dir);
    }
    int code = plant_all(state);
    if (code == CLI_DONE && !confine(state, options->dir)) {
        code = CLI_FAILED;
    }
    if (code == CLI_DONE) {
        err = web_server_open(&state->web, web_options, &diag);
        if (err == CRDT_OK) {
            serve(state);
            web_server_close(state->web);
        } else {
            code = cli_run_fail(run, err, &diag, "listen at %s", web_options->address);
        }
    }
    servers_close(state->servers);
    return code;
}

int cli_cmd_servers(cli_run *run)
{
    const cli_args *args = run->args;
    servers_run state = {.run = run};
    servers_options options = servers_options_default();
    options.dir = cli_args_get(args, "--dir");
    options.open = cli_args_has(args, "--open");
    options.any_age = cli_args_has(args, "--any-age");
    options.warn = warn;
    options.ctx = run;
    double number;
    const char *text = cli_args_get(args, "--size-max");
    if (text != NULL && !cli_args_number(text, 0, 1e15, &number)) {
        return cli_run_misuse(run, "--size-max takes a number of bytes; 0: no limit");
    }
    options.size_max = text != NULL ? (uint64_t)number : options.size_max;
    web_server_options web = web_server_options_default();
    web.address = cli_args_get(args, "--http");
    web.address = web.address != NULL ? web.address : "127.0.0.1:0";
    web.header_max = HEADER_MAX;
    web.connection_max = CONNECTION_MAX;
    web.body_max = BODY_MAX_DEFAULT;
    text = cli_args_get(args, "--body-max");
    if (text != NULL && !cli_args_number(text, 1024, 1u << 30, &number)) {
        return cli_run_misuse(run, "--body-max takes 1024 to 1073741824 bytes");
    }
    web.body_max = text != NULL ? (size_t)number : web.body_max;
    cli_args_all(args, "--host", state.hosts);
    cli_args_all(args, "--origin", state.origins);
    web.hosts = state.hosts;
    web.origins = state.origins;
    web.cert_file = cli_args_get(args, "--tls-cert");
    web.key_file = cli_args_get(args, "--tls-key");
    web.handlers.ctx = &state;
    web.handlers.request = handle;
    return run_servers(&state, &options, &web);
}
