#include "cli/serve.h"

#include "cli/files.h"
#include "cli/help.h"
#include "cli/run.h"
#include "cli/verbs.h"

#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define INPUT_SIZE_MAX (200u << 20) /* bytes of a file that is read */
#define BUSY_MS_SAID 2000           /* say so after so long */
#define BUSY_MS_MAX 15000           /* wait so long for a store held by another verb */

/* ---- in a running node ---- */

int cli_serve(void *ctx, size_t argc, const char *const *argv, crdt_span input,
              FILE *out, FILE *err, const cli_caller *caller)
{
    const cli_host *host = ctx;
    const cli_verb *verb = argc > 0 ? cli_verb_find(argv[0]) : NULL;
    if (verb == NULL || (verb->flags & CLI_VERB_FORWARD) == 0) {
        fputs("scenesync: the running node does not know this verb; are they the same "
              "version?\n",
              err);
        return CLI_FAILED;
    }
    cli_args args;
    char error[CLI_ERROR_SIZE];
    if (!cli_args_parse(&args, verb, argc - 1, argv + 1, error)) {
        fprintf(err, "scenesync %s: %s\n", verb->name, error);
        return CLI_USAGE;
    }
    const char *who = cli_args_get(&args, "--as");
    cli_run run = {
        .args = &args,
        .out = out,
        .err = err,
        .json = cli_args_has(&args, "--json"),
        .who = crdt_span_of(who != NULL ? who : ""),
        .input = input,
        .node = host->node,
        .host = host,
        .served = true,
        .caller = *caller,
    };
    int code = verb->run(&run);
    cli_run_close(&run); /* not the node, which is not its own */
    return code;
}

/* ---- in the process that was started ---- */

/* A command line with `--as NAME` put in where it may be needed. */
typedef struct command_line {
    const char *argv[CLI_CONTROL_ARGUMENT_MAX];
    size_t argc;
} command_line;

static const char *user_name(void)
{
    const char *names[] = {"SCENESYNC_AS", "USER", "LOGNAME"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *name = getenv(names[i]);
        if (name != NULL && name[0] != '\0') {
            return name;
        }
    }
    const struct passwd *user = getpwuid(geteuid());
    return user != NULL ? user->pw_name : "";
}

static bool command_of(command_line *command, const cli_args *args, size_t argc,
                       const char *const *argv, const char *who)
{
    if (argc + 2 > CLI_CONTROL_ARGUMENT_MAX) {
        return false;
    }
    command->argv[command->argc++] = argv[0];
    bool person = (args->verb->flags & CLI_VERB_PERSON) != 0;
    if (person && !cli_args_has(args, "--as") && who[0] != '\0') {
        command->argv[command->argc++] = "--as";
        command->argv[command->argc++] = who;
    }
    for (size_t i = 1; i < argc; i++) {
        command->argv[command->argc++] = argv[i];
    }
    return true;
}

/* http:// or https:// and a host; with `site` nothing after it, else a path may follow. */
static bool is_web_url(const char *text, bool site)
{
    size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
                    : strncmp(text, "https://", 8) == 0 ? 8
                                                        : 0;
    size_t host = strcspn(text + scheme, "/?#");
    return scheme != 0 && host != 0 && (!site || text[scheme + host] == '\0');
}

/* A URL that can never be reached is no server that is down. False: it has been said. */
static bool check_urls(cli_run *run)
{
    static const struct {
        const char *option;
        bool site;
        const char *form;
    } all[] = {{"--content", false, "http://HOST:PORT or https://HOST"},
               {"--builder", false, "http://HOST:PORT or https://HOST"},
               {"--kernel", true, "http://HOST:PORT"},
               {"--origin", true, "http://HOST[:PORT] or https://HOST[:PORT]"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t index = 0;
        const char *text;
        while ((text = cli_args_next(run->args, all[i].option, &index)) != NULL) {
            if (!is_web_url(text, all[i].site)) {
                cli_run_misuse(run, "%s takes %s, not `%s`", all[i].option, all[i].form,
                               text);
                return false;
            }
        }
    }
    return true;
}

/* Have it done by the running node, or do it; again while another verb has the store. */
static int do_command(cli_run *run, const command_line *command)
{
    if (!check_urls(run)) {
        return CLI_USAGE;
    }
    const cli_verb *verb = run->args->verb;
    const char *dir = cli_args_get(run->args, "--store");
    int wait_ms = 5;
    for (int waited = 0;; waited += wait_ms) {
        crdt_diag diag = {0};
        crdt_err err = CRDT_ENOTFOUND;
        int code = CLI_FAILED;
        if ((verb->flags & CLI_VERB_FORWARD) != 0) {
            err = cli_control_call(dir, command->argc, command->argv, run->input,
                                   run->out, run->err, &code, &diag);
        }
        if (err == CRDT_OK) {
            return code;
        }
        if (err == CRDT_ENOTFOUND) {
            run->busy = false;
            code = verb->run(run);
            crdt_err close_err = cli_run_close(run);
            if (!run->busy) {
                return close_err == CRDT_OK || code != CLI_DONE
                           ? code
                           : cli_run_fail(run, close_err, NULL, "close the store");
            }
            err = CRDT_EBUSY;
        }
        if (err != CRDT_EBUSY || waited >= BUSY_MS_MAX) {
            return cli_run_fail(run, err, &diag, "use the store %s",
                                dir != NULL ? dir : "");
        }
        if (waited < BUSY_MS_SAID && waited + wait_ms >= BUSY_MS_SAID) {
            fputs("scenesync: waiting for another process to leave the store\n",
                  run->err);
        }
        poll(NULL, 0, wait_ms);
        wait_ms = wait_ms < 100 ? wait_ms * 2 : 100;
    }
}

static int with_output(cli_run *run, const command_line *command)
{
    bool to_file = (run->args->verb->flags & CLI_VERB_OUTPUT) != 0;
    const char *path = to_file ? cli_args_get(run->args, "--output") : NULL;
    cli_file file;
    crdt_diag diag = {0};
    crdt_err err = cli_files_create(&file, path, &diag);
    if (err != CRDT_OK) {
        return cli_run_fail(run, err, &diag, "write %s", path);
    }
    run->out = file.stream;
    int code = do_command(run, command);
    err = cli_files_close(&file, code == CLI_DONE, &diag);
    run->out = stdout;
    if (err != CRDT_OK && code == CLI_DONE) {
        return cli_run_fail(run, err, &diag, "write %s",
                            path != NULL ? path : "the output");
    }
    return code;
}

static int with_input(cli_run *run, const command_line *command)
{
    if ((run->args->verb->flags & CLI_VERB_INPUT) == 0) {
        return with_output(run, command);
    }
    const char *path = run->args->arguments[run->args->argument_count - 1];
    crdt_buf input;
    crdt_buf_init(&input, crdt_alloc_default());
    crdt_diag diag = {0};
    crdt_err err = cli_files_read(path, INPUT_SIZE_MAX, &input, &diag);
    int code;
    if (err != CRDT_OK) {
        code = cli_run_fail(run, err, &diag, "read %s", path);
    } else {
        run->input = crdt_buf_span(&input);
        code = with_output(run, command);
    }
    crdt_buf_deinit(&input);
    return code;
}

int cli_serve_main(size_t argc, const char *const *argv)
{
    const cli_verb *verb = cli_verb_find(argv[0]);
    if (verb == NULL) {
        fprintf(stderr,
                "scenesync: there is no verb `%s`\n  `scenesync --help` lists them\n",
                argv[0]);
        return CLI_USAGE;
    }
    cli_args args;
    char error[CLI_ERROR_SIZE];
    if (!cli_args_parse(&args, verb, argc - 1, argv + 1, error)) {
        fprintf(stderr, "scenesync %s: %s\n  `scenesync %s --help` tells more\n",
                verb->name, error, verb->name);
        return CLI_USAGE;
    }
    if (args.help) {
        cli_help_verb(stdout, verb);
        return fflush(stdout) == 0 ? CLI_DONE : CLI_FAILED;
    }
    const char *who = cli_args_get(&args, "--as");
    cli_run run = {
        .args = &args,
        .out = stdout,
        .err = stderr,
        .json = cli_args_has(&args, "--json"),
        .who = crdt_span_of(who != NULL ? who : user_name()),
    };
    command_line command = {.argc = 0};
    if (!command_of(&command, &args, argc, argv, user_name())) {
        return cli_run_misuse(&run, "too many arguments");
    }
    return with_input(&run, &command);
}
