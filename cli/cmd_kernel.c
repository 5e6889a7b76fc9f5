#include "cli/kernel/kernel.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "cli/visitor.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX (2 * CLI_GIVEN_MAX) /* no more can be given */
#define HOST_SIZE 256

static kernel *running; /* for the signal handler */

static void stop(int number)
{
    (void)number;
    kernel_stop(running);
}

/* Words of a command line, NULL-terminated. */
typedef struct words {
    const char *all[WORDS_MAX + 3];
    size_t count;
} words;

/* What was given for the option goes to the workers as it is. */
static void pass_on(const cli_run *run, const char *name, words *line)
{
    size_t index = 0;
    const char *value;
    if (strcmp(name, "--no-discover") == 0) {
        if (cli_args_has(run->args, name)) {
            line->all[line->count++] = name;
        }
        return;
    }
    while (line->count + 2 <= WORDS_MAX &&
           (value = cli_args_next(run->args, name, &index)) != NULL) {
        line->all[line->count++] = name;
        line->all[line->count++] = value;
    }
}

static void pass_all_on(const cli_run *run, const char *const *names, words *line)
{
    for (; *names != NULL; names++) {
        pass_on(run, *names, line);
    }
}

/* "[::1]:80" -> "::1", "host:80" -> "host", "80" -> the loopback. */
static bool host_of(const char *address, char host[HOST_SIZE])
{
    const char *end = strrchr(address, ':');
    const char *begin = address;
    size_t size = end != NULL ? (size_t)(end - address) : 0;
    if (address[0] == '[' && size > 2 && address[size - 1] == ']') {
        begin++;
        size -= 2;
    }
    if (size == 0) {
        begin = "127.0.0.1";
        size = strlen(begin);
    }
    return snprintf(host, HOST_SIZE, "%.*s", (int)size, begin) < HOST_SIZE;
}

/* "tcp://HOST:0" -> "tcp://HOST". */
static bool bus_of(const char *url, char bus[HOST_SIZE])
{
    const char *end = strrchr(url, ':');
    if (end == NULL || strcmp(end, ":0") != 0 || strstr(url, "://") == NULL) {
        return false;
    }
    return snprintf(bus, HOST_SIZE, "%.*s", (int)(end - url), url) < HOST_SIZE;
}

/* Its workers are confined as it is, and further. */
static bool confine(cli_run *run, const char *dir)
{
    char said[CLI_CONFINED_SIZE];
    cli_confine_plan plan = {.spawns = true};
    cli_confine_make(&plan, dir);
    if (!cli_run_confine(run, &plan, said)) {
        return false;
    }
    if (!run->json) {
        fprintf(run->out, "confined: %s\n", said);
    }
    return true;
}

static int serve(cli_run *run, const kernel_options *options)
{
    crdt_diag diag = {0};
    crdt_err err = kernel_open(&running, options, &diag);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "run a kernel on %s",
                            options->settings.dir);
    }
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    kernel_run(running);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    kernel_close(running);
    running = NULL;
    return CLI_DONE;
}

int cli_cmd_kernel(cli_run *run)
{
    static const char *const of_editions[] = {
        "--content", "--builder", "--peer",     "--no-discover",
        "--key",     "--tick",    "--autosave", "--tls-cert",
        "--tls-key", "--tls-ca",  "--tls-name", NULL};
    static const char *const of_both[] = {"--access", "--host", "--origin", NULL};
    char host[HOST_SIZE];
    char bus[HOST_SIZE];
    const char *hosts[CLI_LIST_MAX + 1];
    const char *origins[CLI_LIST_MAX + 1];
    words edition = {.count = 0};
    words both = {.count = 0};
    const char *http = cli_args_get(run->args, "--http");
    const char *listen = cli_args_get(run->args, "--listen");
    kernel_options options = {.http = http != NULL ? http : "127.0.0.1:0"};
    if (!host_of(options.http, host)) {
        return cli_run_misuse(run, "--http: too long a name");
    }
    if (!bus_of(listen != NULL ? listen : "tcp://127.0.0.1:0", bus)) {
        return cli_run_misuse(run, "--listen takes tcp://HOST:0; each scene gets ports "
                                   "of its own");
    }
    options.access = (cli_access_options){.alloc = crdt_alloc_default(),
                                          .file = cli_args_get(run->args, "--access")};
    if (!cli_visitor_loopback(cli_args_get(run->args, "--loopback-role"),
                              options.access.file, &options.access.loopback)) {
        return cli_run_misuse(run, "--loopback-role takes none, view, edit, publish or "
                                   "admin");
    }
    pass_all_on(run, of_editions, &edition);
    if (cli_args_has(run->args, "--no-confine")) {
        both.all[both.count++] = "--no-confine";
    }
    pass_all_on(run, of_both, &both);
    both.all[both.count++] = "--loopback-role";
    both.all[both.count++] = access_role_name(options.access.loopback);
    cli_args_all(run->args, "--host", hosts);
    cli_args_all(run->args, "--origin", origins);
    options.hosts = hosts;
    options.origins = origins;
    options.settings =
        (kernel_settings){.program = "/proc/self/exe",
                          .dir = cli_args_get(run->args, "--dir"),
                          .content = cli_args_get(run->args, "--content"),
                          .builder = cli_args_get(run->args, "--builder"),
                          .host = host,
                          .bus = bus,
                          .edit_words = edition.all,
                          .words = both.all,
                          .json = run->json,
                          .out = run->out};
    return confine(run, options.settings.dir) ? serve(run, &options) : CLI_FAILED;
}
