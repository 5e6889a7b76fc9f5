#ifndef CLI_HELP_H
#define CLI_HELP_H

/* Everything that is said about the verbs, made from their table (cli/verbs.h): help on
 * the terminal, the man page, completions for the shells. docs/man/scenesync.1 and
 * cli/completion/ hold the output; a test compares. */

#include "cli/args.h"

#include <stdio.h>

/* `scenesync --help`: all verbs; `scenesync VERB --help`: one. */
void cli_help_all(FILE *out);
void cli_help_verb(FILE *out, const cli_verb *verb);

void cli_help_man(FILE *out);
void cli_help_bash(FILE *out);
void cli_help_zsh(FILE *out);
void cli_help_fish(FILE *out);

#endif /* CLI_HELP_H */
