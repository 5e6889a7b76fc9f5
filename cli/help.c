#include "cli/help.h"

#include "cli/verbs.h"

#include <string.h>

/* "[--format F] [-o FILE]": the form of an option in a synopsis. */
static void format_option(const cli_option *option, char *text, size_t size)
{
    const char *more = option->kind == CLI_LIST ? "..." : "";
    const char *open = option->required ? "" : "[";
    const char *close = option->required ? "" : "]";
    if (option->value == NULL) {
        snprintf(text, size, "%s%s%s", open, option->name, close);
    } else {
        snprintf(text, size, "%s%s %s%s%s", open, option->name, option->value, close,
                 more);
    }
}

/* A word of the synopsis, on the next line where this one is full. */
static void print_word(FILE *out, const char *word, int indent, int *column)
{
    if (*column + 1 + (int)strlen(word) > 79) {
        fprintf(out, "\n%*s", indent, "");
        *column = indent;
    }
    *column += fprintf(out, " %s", word);
}

static void print_synopsis(FILE *out, const cli_verb *verb)
{
    int column = fprintf(out, "scenesync %s", verb->name);
    const int indent = column;
    char text[160];
    for (const cli_option *option = verb->options; option->name != NULL; option++) {
        format_option(option, text, sizeof text);
        print_word(out, text, indent, &column);
    }
    if (verb->arguments[0] != '\0') {
        print_word(out, verb->arguments, indent, &column);
    }
    fputc('\n', out);
}

/* "  -o, --output FILE   text", the text wrapped at blanks. */
static void print_entry(FILE *out, const char *name, const char *text)
{
    const int column = 25;
    int at = fprintf(out, "  %s", name);
    if (at >= column) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", column - at, "");
    at = column;
    while (*text != '\0') {
        size_t word = strcspn(text, " ");
        if (at > column && at + 1 + (int)word > 79) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            fputc(' ', out);
            at++;
        }
        at += fprintf(out, "%.*s", (int)word, text);
        text += word + strspn(text + word, " ");
    }
    fputc('\n', out);
}

static void option_title(const cli_option *option, char *title, size_t size)
{
    char letter[8] = "";
    if (option->letter != 0) {
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    }
    snprintf(title, size, "%s%s%s%s", letter, option->name, option->value ? " " : "",
             option->value ? option->value : "");
}

/* The examples, one line each, with `prefix` before each. */
static void print_examples(FILE *out, const char *examples, const char *prefix)
{
    while (*examples != '\0') {
        size_t size = strcspn(examples, "\n");
        fprintf(out, "%s%.*s\n", prefix, (int)size, examples);
        examples += size + (examples[size] == '\n' ? 1 : 0);
    }
}

void cli_help_verb(FILE *out, const cli_verb *verb)
{
    print_synopsis(out, verb);
    fprintf(out, "\n%s\n", verb->summary);
    if (verb->details[0] != '\0') {
        fprintf(out, "\n%s\n", verb->details);
    }
    fputs("\nOptions:\n", out);
    for (const cli_option *option = verb->options; option->name != NULL; option++) {
        char title[160];
        option_title(option, title, sizeof title);
        print_entry(out, title, option->help);
    }
    print_entry(out, "-h, --help", "this text");
    if (verb->examples[0] != '\0') {
        fputs("\nExamples:\n", out);
        print_examples(out, verb->examples, "  ");
    }
    fputs("\nExit codes: 0 done, 1 failed, 2 the command line is wrong.\n", out);
}

void cli_help_all(FILE *out)
{
    fputs(
        "scenesync: one 3D scene, edited by several people at once, ends up the same\n"
        "everywhere.\n\nUsage: scenesync VERB [OPTION]... [ARGUMENT]...\n\nVerbs:\n",
        out);
    for (size_t i = 0; i < cli_verb_count; i++) {
        fprintf(out, "  %-10s %s\n", cli_verbs[i].name, cli_verbs[i].summary);
    }
    fputs("\n`scenesync VERB --help` tells all of one verb, `scenesync --version` the\n"
          "version; `man scenesync` has the rest.\n"
          "\nA store is a directory that holds one replica of one scene. While a node "
          "runs\n"
          "on it, the other verbs reach it through that node.\n"
          "\nExit codes: 0 done, 1 failed, 2 the command line is wrong.\n",
          out);
}

/* ---- man page ---- */

/* Text for roff: backslashes, dashes and leading dots told apart from requests. */
static void put_roff(FILE *out, const char *text, size_t size)
{
    bool line_start = true;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (line_start && (c == '.' || c == '\'')) {
            fputs("\\&", out);
        }
        if (c == '\\') {
            fputs("\\e", out);
        } else if (c == '-') {
            fputs("\\-", out);
        } else if (c == '`') {
            fputs("\\(ga", out);
        } else if (c == '\'') {
            fputs("\\(aq", out);
        } else {
            fputc(c, out);
        }
        line_start = c == '\n';
    }
}

static void roff_line(FILE *out, const char *request, const char *text)
{
    fputs(request, out);
    put_roff(out, text, strlen(text));
    fputc('\n', out);
}

/* Paragraphs are parted by empty lines; indented blocks are kept as they are. */
static void roff_details(FILE *out, const char *text)
{
    bool verbatim = false;
    while (*text != '\0') {
        size_t size = strcspn(text, "\n");
        bool indented = size > 0 && text[0] == ' ';
        if (indented != verbatim && size > 0) {
            fputs(indented ? ".nf\n" : ".fi\n", out);
            verbatim = indented;
        }
        if (size == 0) {
            fputs(".PP\n", out);
        } else {
            put_roff(out, text, size);
            fputc('\n', out);
        }
        text += size + (text[size] == '\n' ? 1 : 0);
    }
    if (verbatim) {
        fputs(".fi\n", out);
    }
}

static void roff_verb(FILE *out, const cli_verb *verb)
{
    roff_line(out, ".SS ", verb->name);
    fputs(".SY scenesync\n", out);
    fprintf(out, "\\fB%s\\fR\n", verb->name);
    for (const cli_option *option = verb->options; option->name != NULL; option++) {
        char text[160];
        format_option(option, text, sizeof text);
        put_roff(out, text, strlen(text));
        fputc('\n', out);
    }
    roff_line(out, "", verb->arguments);
    fputs(".YS\n.PP\n", out);
    roff_line(out, "", verb->summary);
    if (verb->details[0] != '\0') {
        fputs(".PP\n", out);
        roff_details(out, verb->details);
    }
    for (const cli_option *option = verb->options; option->name != NULL; option++) {
        char title[160];
        option_title(option, title, sizeof title);
        fputs(".TP\n", out);
        roff_line(out, ".B ", title);
        roff_line(out, "", option->help);
    }
    if (verb->examples[0] != '\0') {
        fputs(".PP\n.nf\n", out);
        put_roff(out, verb->examples, strlen(verb->examples));
        fputs("\n.fi\n", out);
    }
}

void cli_help_man(FILE *out)
{
    fputs(".\\\" Made by `scenesync --man`; the table is cli/verbs.c.\n"
          ".TH SCENESYNC 1 \"\" \"scenesync " CLI_VERSION "\" \"User Commands\"\n"
          ".SH NAME\n"
          "scenesync \\- replicate and edit one 3D scene at several places at once\n"
          ".SH SYNOPSIS\n.B scenesync\n.I VERB\n[\\fIOPTION\\fR]... "
          "[\\fIARGUMENT\\fR]...\n"
          ".SH DESCRIPTION\n",
          out);
    roff_details(out, cli_about);
    fputs(".SH VERBS\n", out);
    for (size_t i = 0; i < cli_verb_count; i++) {
        roff_verb(out, &cli_verbs[i]);
    }
    fputs(".SH NAMES\n", out);
    roff_details(out, cli_about_names);
    fputs(".SH EXIT STATUS\n"
          ".TP\n.B 0\nDone.\n"
          ".TP\n.B 1\nFailed; standard error says why and what to do.\n"
          ".TP\n.B 2\nThe command line is wrong; nothing was tried.\n"
          ".SH ENVIRONMENT\n"
          ".TP\n.B SCENESYNC_AS\nWhose edits these are, where\n.B \\-\\-as\n"
          "is not given; else the name of the user.\n"
          ".TP\n.B SCENESYNC_STATE_DIR\nWhere it is kept which stores are the ones "
          "that went "
          "on\nwriting, and no copies; else\n.IR $XDG_STATE_HOME/scenesync ,\nelse\n"
          ".IR ~/.local/state/scenesync .\n"
          ".SH FILES\n"
          ".TP\n.I DIR/control\n"
          "The socket of the node that holds the store DIR, for its owner only.\n",
          out);
}

/* ---- completion ---- */

static void put_options(FILE *out, const cli_verb *verb)
{
    for (const cli_option *option = verb->options; option->name != NULL; option++) {
        fprintf(out, "%s ", option->name);
    }
    fputs("--help", out);
}

void cli_help_bash(FILE *out)
{
    fputs("# bash completion for scenesync; made by `scenesync --completion bash`.\n"
          "_scenesync()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} "
          "previous=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local words=\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"",
          out);
    for (size_t i = 0; i < cli_verb_count; i++) {
        fprintf(out, "%s ", cli_verbs[i].name);
    }
    fputs("--help --version\"\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
          "        return\n    fi\n"
          "    case \"${COMP_WORDS[1]} $previous\" in\n",
          out);
    for (size_t i = 0; i < cli_verb_count; i++) {
        const cli_verb *verb = &cli_verbs[i];
        for (const cli_option *o = verb->options; o->name != NULL; o++) {
            if (o->value != NULL && strchr(o->value, '|') != NULL) {
                fprintf(out, "    '%s %s')\n        words=\"", verb->name, o->name);
                for (const char *c = o->value; *c != '\0'; c++) {
                    fputc(*c == '|' ? ' ' : *c, out);
                }
                fputs("\"\n        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
                      "\"$word\")\n        return ;;\n",
                      out);
            }
        }
    }
    fputs("    *' --store')\n"
          "        mapfile -t COMPREPLY < <(compgen -d -- \"$word\")\n"
          "        return ;;\n"
          "    esac\n"
          "    if [[ $word == -* ]]; then\n        case ${COMP_WORDS[1]} in\n",
          out);
    for (size_t i = 0; i < cli_verb_count; i++) {
        fprintf(out, "        %s) words=\"", cli_verbs[i].name);
        put_options(out, &cli_verbs[i]);
        fputs("\" ;;\n", out);
    }
    fputs("        esac\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
          "    else\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
          "    fi\n}\ncomplete -o filenames -F _scenesync scenesync\n",
          out);
}

/* Text inside single quotes of a shell. */
static void put_quoted(FILE *out, const char *text, const char *special)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'') {
            fputs("'\\''", out);
        } else {
            if (strchr(special, *c) != NULL) {
                fputc('\\', out);
            }
            fputc(*c, out);
        }
    }
}

void cli_help_zsh(FILE *out)
{
    fputs("#compdef scenesync\n"
          "# zsh completion for scenesync; made by `scenesync --completion zsh`.\n"
          "if (( CURRENT == 2 )); then\n    local -a verbs=(\n",
          out);
    for (size_t i = 0; i < cli_verb_count; i++) {
        fprintf(out, "        '%s:", cli_verbs[i].name);
        put_quoted(out, cli_verbs[i].summary, ":");
        fputs("'\n", out);
    }
    fputs("    )\n    _describe verb verbs\n    return\nfi\ncase ${words[2]} in\n",
          out);
    for (size_t i = 0; i < cli_verb_count; i++) {
        const cli_verb *verb = &cli_verbs[i];
        fprintf(out, "%s)\n    _arguments -S", verb->name);
        for (const cli_option *o = verb->options; o->name != NULL; o++) {
            fprintf(out, " \\\n        '%s%s[", o->kind == CLI_LIST ? "*" : "",
                    o->name);
            put_quoted(out, o->help, "[]:");
            fputc(']', out);
            if (o->value != NULL && strchr(o->value, '|') != NULL) {
                fprintf(out, ":%s:(", o->name + 2);
                for (const char *c = o->value; *c != '\0'; c++) {
                    fputc(*c == '|' ? ' ' : *c, out);
                }
                fputc(')', out);
            } else if (o->value != NULL) {
                fprintf(out, ":%s:%s", o->value,
                        strcmp(o->value, "DIR") == 0 ? "_files -/" : "_files");
            }
            fputc('\'', out);
        }
        fputs(" \\\n        '--help[this text]' '*:argument:_files' ;;\n", out);
    }
    fputs("esac\n", out);
}

void cli_help_fish(FILE *out)
{
    fputs("# fish completion for scenesync; made by `scenesync --completion fish`.\n",
          out);
    for (size_t i = 0; i < cli_verb_count; i++) {
        const cli_verb *verb = &cli_verbs[i];
        fprintf(out, "complete -c scenesync -n __fish_use_subcommand -f -a %s -d '",
                verb->name);
        put_quoted(out, verb->summary, "\\");
        fputs("'\n", out);
        for (const cli_option *o = verb->options; o->name != NULL; o++) {
            fprintf(out,
                    "complete -c scenesync -n '__fish_seen_subcommand_from %s' -l %s",
                    verb->name, o->name + 2);
            if (o->letter != 0) {
                fprintf(out, " -s %c", o->letter);
            }
            if (o->value != NULL) {
                fputs(" -r", out);
            }
            if (o->value != NULL && strchr(o->value, '|') != NULL) {
                fputs(" -f -a '", out);
                for (const char *c = o->value; *c != '\0'; c++) {
                    fputc(*c == '|' ? ' ' : *c, out);
                }
                fputc('\'', out);
            }
            fputs(" -d '", out);
            put_quoted(out, o->help, "\\");
            fputs("'\n", out);
        }
    }
}
