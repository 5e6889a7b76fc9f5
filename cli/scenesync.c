/* scenesync: one 3D scene, edited by several people at once. */

#include "cli/help.h"
#include "cli/run.h"
#include "cli/serve.h"
#include "cli/verbs.h"

#include <signal.h>
#include <string.h>

static int finish(void)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? CLI_DONE : CLI_FAILED;
}

static int print_completion(const char *shell)
{
    if (strcmp(shell, "bash") == 0) {
        cli_help_bash(stdout);
    } else if (strcmp(shell, "zsh") == 0) {
        cli_help_zsh(stdout);
    } else if (strcmp(shell, "fish") == 0) {
        cli_help_fish(stdout);
    } else {
        fputs("scenesync: --completion takes bash, zsh or fish\n", stderr);
        return CLI_USAGE;
    }
    return finish();
}

/* `help VERB` is `VERB --help`. */
static int print_help(const char *name)
{
    const cli_verb *verb = name != NULL ? cli_verb_find(name) : NULL;
    if (name != NULL && verb == NULL) {
        fprintf(stderr, "scenesync: there is no verb `%s`\n", name);
        return CLI_USAGE;
    }
    if (verb != NULL) {
        cli_help_verb(stdout, verb);
    } else {
        cli_help_all(stdout);
    }
    return finish();
}

int main(int argc, char **argv)
{
    /* A reader that goes away is an error of writing, not the end of a node. */
    signal(SIGPIPE, SIG_IGN);
    const char *first = argc > 1 ? argv[1] : NULL;
    const char *second = argc > 2 ? argv[2] : NULL;
    if (first == NULL) {
        cli_help_all(stderr);
        return CLI_USAGE;
    }
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        return print_help(NULL);
    }
    if (strcmp(first, "help") == 0) {
        return print_help(second);
    }
    if (strcmp(first, "--version") == 0) {
        puts("scenesync " CLI_VERSION);
        return finish();
    }
    if (strcmp(first, "--man") == 0) {
        cli_help_man(stdout);
        return finish();
    }
    if (strcmp(first, "--completion") == 0 && second != NULL) {
        return print_completion(second);
    }
    return cli_serve_main((size_t)argc - 1, (const char *const *)argv + 1);
}
