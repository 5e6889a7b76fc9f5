#ifndef CLI_ARGS_H
#define CLI_ARGS_H

/* The command line as a table: each verb states its options and arguments once, and
 * parsing, --help, the man page and the shells' completions all follow from it.
 *
 * Options may stand before, between and after the arguments; `--name VALUE`,
 * `--name=VALUE` and, where there is a letter, `-o VALUE`. `--` ends the options; a lone
 * `-` and negative numbers are arguments. */

#include <stdbool.h>
#include <stddef.h>

#define CLI_VERB_OPTION_MAX 28
#define CLI_ARGUMENT_MAX 4
#define CLI_GIVEN_MAX 128
#define CLI_LIST_MAX 64 /* values of one option; more are refused */
#define CLI_ERROR_SIZE 256

typedef enum cli_option_kind {
    CLI_FLAG,  /* takes no value */
    CLI_VALUE, /* takes one; the last one given counts */
    CLI_LIST,  /* may be given several times */
} cli_option_kind;

typedef struct cli_option {
    const char *name; /* with dashes: "--store"; NULL ends the table */
    char letter;      /* short form, or 0 */
    cli_option_kind kind;
    bool required;
    const char *value; /* its name in help, "DIR"; with `|`: the choices, checked */
    const char *help;
} cli_option;

struct cli_run;

/* What the surroundings of a verb must know. */
enum {
    CLI_VERB_INPUT = 1,  /* the last argument names a file whose bytes it takes; `-` is
                             standard input */
    CLI_VERB_OUTPUT = 2, /* has --output FILE, written whole or not at all */
    CLI_VERB_FORWARD =
        4,               /* is done by the node that holds the store, if there is one */
    CLI_VERB_PERSON = 8, /* has --as NAME: whose edit it is */
};

typedef struct cli_verb {
    const char *name;
    const char *arguments; /* as shown: "ENTITY COMPONENT[.FIELD] JSON" */
    size_t argument_min;
    size_t argument_max;
    const char *summary;  /* one line */
    const char *details;  /* paragraphs, lines of at most 76 characters */
    const char *examples; /* whole command lines, one each */
    unsigned flags;
    int (*run)(struct cli_run *run); /* returns the exit code */
    cli_option options[CLI_VERB_OPTION_MAX];
} cli_verb;

/* What was given. Borrows from the table and from argv. */
typedef struct cli_args {
    const cli_verb *verb;
    const char *arguments[CLI_ARGUMENT_MAX];
    size_t argument_count;
    struct {
        const cli_option *option;
        const char *value; /* NULL for a flag */
    } given[CLI_GIVEN_MAX];
    size_t given_count;
    bool help; /* --help was given: nothing else was checked */
} cli_args;

/* Parse what follows the verb's name. False: `error` says in one sentence what is wrong. */
bool cli_args_parse(cli_args *args, const cli_verb *verb, size_t argc,
                    const char *const *argv, char error[CLI_ERROR_SIZE]);

/* Was the option given? Its (last) value, NULL if not. Its values from *index (start at
 * 0) on, NULL at the end. */
bool cli_args_has(const cli_args *args, const char *name);
const char *cli_args_get(const cli_args *args, const char *name);
const char *cli_args_next(const cli_args *args, const char *name, size_t *index);
/* All its values, with NULL at the end; their number. */
size_t cli_args_all(const cli_args *args, const char *name,
                    const char *values[CLI_LIST_MAX + 1]);

/* A number in decimal, `minimum` to `maximum`, nothing after it. */
bool cli_args_number(const char *text, double minimum, double maximum, double *number);

#endif /* CLI_ARGS_H */
