#include "cli/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option *find_option(const cli_verb *verb, const char *name,
                                     size_t size)
{
    for (const cli_option *option = verb->options; option->name != NULL; option++) {
        if (strlen(option->name) == size && memcmp(option->name, name, size) == 0) {
            return option;
        }
        if (size == 2 && name[0] == '-' && option->letter != 0 &&
            name[1] == option->letter) {
            return option;
        }
    }
    return NULL;
}

/* Is `value` one of the words of `choices`, "a|b|c"? */
static bool is_choice(const char *choices, const char *value)
{
    size_t size = strlen(value);
    for (const char *word = choices; word != NULL;) {
        size_t word_size = strcspn(word, "|");
        if (word_size == size && memcmp(word, value, size) == 0) {
            return true;
        }
        word = word[word_size] == '|' ? word + word_size + 1 : NULL;
    }
    return false;
}

/* `-`, `-5` and `-.5` are arguments. */
static bool is_option(const char *text)
{
    return text[0] == '-' && text[1] != '\0' && text[1] != '.' &&
           (text[1] < '0' || text[1] > '9');
}

static bool add_given(cli_args *args, const cli_option *option, const char *value,
                      char error[CLI_ERROR_SIZE])
{
    if (args->given_count == CLI_GIVEN_MAX) {
        snprintf(error, CLI_ERROR_SIZE, "more than %d options", CLI_GIVEN_MAX);
        return false;
    }
    size_t same = 0;
    for (size_t i = 0; i < args->given_count; i++) {
        same += args->given[i].option == option;
    }
    if (same == CLI_LIST_MAX) {
        snprintf(error, CLI_ERROR_SIZE, "%s is given more than %d times", option->name,
                 CLI_LIST_MAX);
        return false;
    }
    if (value != NULL && strchr(option->value, '|') != NULL &&
        !is_choice(option->value, value)) {
        snprintf(error, CLI_ERROR_SIZE, "%s is one of %s, not `%.64s`", option->name,
                 option->value, value);
        return false;
    }
    args->given[args->given_count].option = option;
    args->given[args->given_count].value = value;
    args->given_count++;
    return true;
}

/* Take the option argv[*at] and, where it has one, its value. */
static bool parse_option(cli_args *args, size_t argc, const char *const *argv,
                         size_t *at, char error[CLI_ERROR_SIZE])
{
    const char *text = argv[*at];
    size_t name_size = strcspn(text, "=");
    const cli_option *option = find_option(args->verb, text, name_size);
    if (option == NULL) {
        snprintf(error, CLI_ERROR_SIZE, "there is no option `%.64s`", text);
        return false;
    }
    bool attached = text[name_size] == '=';
    if (option->kind == CLI_FLAG) {
        if (attached) {
            snprintf(error, CLI_ERROR_SIZE, "%s takes no value", option->name);
            return false;
        }
        return add_given(args, option, NULL, error);
    }
    if (attached) {
        return add_given(args, option, text + name_size + 1, error);
    }
    if (*at + 1 == argc) {
        snprintf(error, CLI_ERROR_SIZE, "%s needs a value: %s %s", option->name,
                 option->name, option->value);
        return false;
    }
    *at += 1;
    return add_given(args, option, argv[*at], error);
}

static bool check_complete(const cli_args *args, char error[CLI_ERROR_SIZE])
{
    const cli_verb *verb = args->verb;
    for (const cli_option *option = verb->options; option->name != NULL; option++) {
        if (option->required && !cli_args_has(args, option->name)) {
            snprintf(error, CLI_ERROR_SIZE, "%s %s is missing", option->name,
                     option->value);
            return false;
        }
    }
    if (args->argument_count < verb->argument_min) {
        snprintf(error, CLI_ERROR_SIZE, "%s is missing; it takes %s",
                 args->argument_count == 0 ? "an argument" : "one more argument",
                 verb->arguments);
        return false;
    }
    return true;
}

bool cli_args_parse(cli_args *args, const cli_verb *verb, size_t argc,
                    const char *const *argv, char error[CLI_ERROR_SIZE])
{
    *args = (cli_args){.verb = verb};
    bool options_ended = false;
    for (size_t at = 0; at < argc; at++) {
        const char *text = argv[at];
        if (!options_ended && strcmp(text, "--") == 0) {
            options_ended = true;
        } else if (!options_ended &&
                   (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)) {
            args->help = true;
            return true;
        } else if (!options_ended && is_option(text)) {
            if (!parse_option(args, argc, argv, &at, error)) {
                return false;
            }
        } else if (args->argument_count == verb->argument_max) {
            snprintf(error, CLI_ERROR_SIZE,
                     "there is no place for `%.64s`; it takes %s", text,
                     verb->argument_max == 0 ? "no arguments" : verb->arguments);
            return false;
        } else {
            args->arguments[args->argument_count++] = text;
        }
    }
    return check_complete(args, error);
}

const char *cli_args_next(const cli_args *args, const char *name, size_t *index)
{
    while (*index < args->given_count) {
        size_t at = (*index)++;
        if (strcmp(args->given[at].option->name, name) == 0) {
            const char *value = args->given[at].value;
            return value != NULL ? value : "";
        }
    }
    return NULL;
}

size_t cli_args_all(const cli_args *args, const char *name,
                    const char *values[CLI_LIST_MAX + 1])
{
    size_t count = 0;
    size_t index = 0;
    do {
        values[count] = cli_args_next(args, name, &index);
    } while (values[count] != NULL && ++count < CLI_LIST_MAX);
    values[count] = NULL;
    return count;
}

const char *cli_args_get(const cli_args *args, const char *name)
{
    const char *last = NULL;
    size_t index = 0;
    for (const char *value; (value = cli_args_next(args, name, &index)) != NULL;) {
        last = value;
    }
    return last;
}

bool cli_args_has(const cli_args *args, const char *name)
{
    return cli_args_get(args, name) != NULL;
}

bool cli_args_number(const char *text, double minimum, double maximum, double *number)
{
    char *end = NULL;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !(value >= minimum) ||
        !(value <= maximum)) {
        return false;
    }
    *number = value;
    return true;
}
