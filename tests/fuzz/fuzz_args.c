/* The command line, of every verb there is: the first line names it, the others are what was
 * given. Nothing is run. What is taken keeps what the table promises the verbs. */

#include "cli/path.h"
#include "cli/verbs.h"
#include "cli/web/listen.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The copy of the input with its list of lines; a document, to look paths up in. */
const fuzz_budget fuzz_target_budget = {.factor = 12, .fixed = 64u << 10};

#define ARGUMENT_MAX 256

/* A value that names choices is one of them. */
static bool is_choice(const char *choices, const char *value)
{
    size_t size = strlen(value);
    while (choices != NULL) {
        const char *end = strchr(choices, '|');
        size_t length = end == NULL ? strlen(choices) : (size_t)(end - choices);
        if (length == size && memcmp(choices, value, size) == 0) {
            return true;
        }
        choices = end == NULL ? NULL : end + 1;
    }
    return false;
}

static void check_taken(const cli_args *args)
{
    const cli_verb *verb = args->verb;
    assert(args->argument_count >= verb->argument_min &&
           args->argument_count <= verb->argument_max);
    for (const cli_option *option = verb->options; option->name != NULL; option++) {
        const char *value = cli_args_get(args, option->name);
        const char *values[CLI_LIST_MAX + 1];
        size_t count = cli_args_all(args, option->name, values);
        assert(cli_args_has(args, option->name) == (value != NULL));
        assert(!option->required || value != NULL);
        assert(count <= CLI_LIST_MAX && (count > 0) == (value != NULL));
        assert(value == NULL || option->kind != CLI_VALUE ||
               strchr(option->value, '|') == NULL || is_choice(option->value, value));
    }
}

/* ENTITY.COMPONENT.FIELD: what is taken are names, all of them in the text. */
static void check_path(const char *text, const crdt_document *doc)
{
    char *scratch = malloc(strlen(text) + 1);
    crdt_key key;
    crdt_diag diag = {.text = ""};
    assert(scratch != NULL);
    crdt_err err = cli_path_resolve(text, NULL, CRDT_OBJECT, CRDT_FIELD, doc, scratch,
                                    &key, &diag);
    assert(err == CRDT_OK || (err == CRDT_EINVAL && diag.text[0] != '\0'));
    if (err == CRDT_OK) {
        assert(key.object.size + key.part.size + key.field.size <= strlen(text));
    }
    free(scratch);
    double number;
    if (cli_args_number(text, -1e9, 1e9, &number)) {
        assert(number >= -1e9 && number <= 1e9);
    }
}

/* The lines of `text`, which ends with a NUL; their number. */
static size_t split(char *text, const char *lines[ARGUMENT_MAX])
{
    size_t count = 0;
    for (char *at = text; at != NULL && count < ARGUMENT_MAX;) {
        char *end = strchr(at, '\n');
        lines[count++] = at;
        if (end != NULL) {
            *end = '\0';
        }
        at = end == NULL ? NULL : end + 1;
    }
    return count;
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    assert(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    const char *lines[ARGUMENT_MAX];
    size_t count = split(text, lines);
    const cli_verb *verb = cli_verb_find(lines[0]);
    bool taken = false;
    if (verb != NULL) {
        cli_args args;
        char error[CLI_ERROR_SIZE] = "";
        taken = cli_args_parse(&args, verb, count - 1, lines + 1, error);
        assert(taken || (error[0] != '\0' && strlen(error) < sizeof error));
        if (taken && !args.help) {
            check_taken(&args);
        }
    }
    crdt_document_options options = crdt_document_options_default();
    crdt_document *doc = NULL;
    assert(crdt_document_open(&doc, &options) == CRDT_OK);
    for (size_t i = 1; i < count && i < 8; i++) {
        check_path(lines[i], doc);
    }
    crdt_document_close(doc);
    free(text);
    return taken;
}
