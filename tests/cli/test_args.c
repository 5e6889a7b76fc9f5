/* The command line's table: what is accepted, and what is said of what is not. */

#include "cli/args.h"

#include <criterion/criterion.h>

#include <string.h>

static const cli_verb verb = {
    .name = "try",
    .arguments = "ONE [TWO]",
    .argument_min = 1,
    .argument_max = 2,
    .summary = "",
    .details = "",
    .examples = "",
    .options = {{"--store", 's', CLI_VALUE, true, "DIR", ""},
                {"--peer", 'p', CLI_LIST, false, "URL", ""},
                {"--format", 'f', CLI_VALUE, false, "state|builder", ""},
                {"--json", 'j', CLI_FLAG, false, NULL, ""}},
};

static cli_args args;
static char error[CLI_ERROR_SIZE];

static bool parse(size_t argc, const char *const *argv)
{
    error[0] = '\0';
    return cli_args_parse(&args, &verb, argc, argv, error);
}
#define PARSE(...)                                                                     \
    parse(sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *),                \
          (const char *[]){__VA_ARGS__})

Test(args, options_stand_anywhere)
{
    cr_assert(PARSE("one", "--store", "d", "two", "--json"));
    cr_expect_str_eq(cli_args_get(&args, "--store"), "d");
    cr_expect(cli_args_has(&args, "--json"));
    cr_expect_eq(args.argument_count, 2);
    cr_expect_str_eq(args.arguments[0], "one");
    cr_expect_str_eq(args.arguments[1], "two");
}

Test(args, attached_values_and_letters)
{
    cr_assert(PARSE("--store=a=b", "-fstate", "x") == false);
    cr_assert(PARSE("--store=a=b", "-f", "state", "-j", "x"));
    cr_expect_str_eq(cli_args_get(&args, "--store"), "a=b");
    cr_expect_str_eq(cli_args_get(&args, "--format"), "state");
    cr_expect(cli_args_has(&args, "--json"));
}

Test(args, the_last_value_counts_and_lists_keep_all)
{
    cr_assert(PARSE("-s", "a", "-s", "b", "-p", "1", "-p", "2", "x"));
    cr_expect_str_eq(cli_args_get(&args, "--store"), "b");
    size_t index = 0;
    cr_expect_str_eq(cli_args_next(&args, "--peer", &index), "1");
    cr_expect_str_eq(cli_args_next(&args, "--peer", &index), "2");
    cr_expect_null(cli_args_next(&args, "--peer", &index));
}

Test(args, what_looks_like_an_option_and_is_none)
{
    cr_assert(PARSE("-s", "a", "-", "-5"));
    cr_expect_str_eq(args.arguments[0], "-");
    cr_expect_str_eq(args.arguments[1], "-5");
    cr_assert(PARSE("-s", "a", "--", "--json", "-x"));
    cr_expect_str_eq(args.arguments[0], "--json");
    cr_expect(!cli_args_has(&args, "--json"));
    cr_assert(PARSE("-s", "a", "-.5"));
}

Test(args, refusals_name_the_culprit)
{
    cr_expect(!PARSE("x"));
    cr_expect(strstr(error, "--store DIR is missing") != NULL);
    cr_expect(!PARSE("-s", "a"));
    cr_expect(strstr(error, "ONE [TWO]") != NULL);
    cr_expect(!PARSE("-s", "a", "x", "y", "z"));
    cr_expect(strstr(error, "`z`") != NULL);
    cr_expect(!PARSE("x", "-s"));
    cr_expect(strstr(error, "--store needs a value") != NULL);
    cr_expect(!PARSE("x", "-s", "a", "--nope"));
    cr_expect(strstr(error, "--nope") != NULL);
    cr_expect(!PARSE("x", "-s", "a", "--json=1"));
    cr_expect(strstr(error, "takes no value") != NULL);
    cr_expect(!PARSE("x", "-s", "a", "-f", "stat"));
    cr_expect(strstr(error, "state|builder") != NULL);
    cr_expect(!PARSE("x", "-s", "a", "-f", ""));
}

/* 64 peers are kept, all of them; a 65th is refused, not forgotten. */
Test(args, a_list_is_whole_or_refused)
{
    const char *argv[2 * (CLI_LIST_MAX + 1) + 3] = {"x", "-s", "a"};
    const char *values[CLI_LIST_MAX + 1];
    size_t argc = 3;
    for (int i = 0; i <= CLI_LIST_MAX; i++) {
        argv[argc++] = "-p";
        argv[argc++] = "url";
    }
    cr_expect(!parse(argc, argv));
    cr_expect_str_eq(error, "--peer is given more than 64 times");
    cr_assert(parse(argc - 2, argv));
    cr_expect_eq(cli_args_all(&args, "--peer", values), CLI_LIST_MAX);
    cr_expect_null(values[CLI_LIST_MAX]);
    cr_expect_str_eq(values[CLI_LIST_MAX - 1], "url");
    cr_expect_eq(cli_args_all(&args, "--format", values), 0);
    cr_expect_null(values[0]);
}

Test(args, too_many_options_are_refused)
{
    const char *argv[2 * CLI_GIVEN_MAX + 4];
    size_t argc = 0;
    argv[argc++] = "x";
    for (int i = 0; i <= CLI_GIVEN_MAX; i++) {
        argv[argc++] = i % 3 == 0 ? "-s" : i % 3 == 1 ? "-p" : "-f";
        argv[argc++] = i % 3 == 2 ? "state" : "a";
    }
    cr_expect(!parse(argc, argv));
    cr_expect(strstr(error, "more than") != NULL);
}

Test(args, help_wins_over_what_is_missing)
{
    cr_assert(PARSE("--help"));
    cr_expect(args.help);
    cr_assert(PARSE("-s", "a", "-h"));
    cr_expect(args.help);
    cr_assert(PARSE("-s", "a", "--", "-h"));
    cr_expect(!args.help);
}

Test(args, numbers)
{
    double number = -1;
    cr_expect(cli_args_number("1.5", 0, 2, &number) && number == 1.5);
    const char *bad[] = {"", "x", "1x", "3", "-1", "nan", "inf", "1e999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect(!cli_args_number(bad[i], 0, 2, &number), "%s", bad[i]);
    }
    cr_expect_eq(number, 1.5);
}
