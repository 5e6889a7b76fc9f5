/* What is printed: JSON that every reader takes, and text for people. */

#include "cli/report.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

static char *text;
static size_t text_size;
static FILE *out;

static void open_text(void)
{
    out = open_memstream(&text, &text_size);
}

static void close_text(void)
{
    free(text);
}

TestSuite(report, .init = open_text, .fini = close_text);

static const char *printed(void)
{
    fclose(out);
    return text;
}

Test(report, strings_are_escaped)
{
    cli_report_string(out, (crdt_span){(const uint8_t *)"a\"\\\n\t\r\0\x1f", 8});
    cr_expect_str_eq(printed(), "\"a\\\"\\\\\\n\\t\\r\\u0000\\u001f\"");
}

Test(report, bytes_that_are_no_utf8_are_replaced)
{
    cli_report_string(out, crdt_span_of("\xff"
                                        "a\xc3\x28\xe2\x82"));
    cr_expect_str_eq(printed(), "\"\\ufffda\\ufffd(\\ufffd\\ufffd\"");
}

Test(report, objects_and_arrays_nest)
{
    cli_report report;
    cli_report_begin(&report, out);
    cli_report_open(&report, "list", '[');
    cli_report_number(&report, NULL, 1);
    cli_report_open(&report, NULL, '{');
    cli_report_bool(&report, "yes", true);
    cli_report_null(&report, "none");
    cli_report_close(&report, '}');
    cli_report_close(&report, ']');
    cli_report_number(&report, "most", UINT64_MAX);
    cli_report_end(&report);
    cr_expect_str_eq(printed(), "{\"list\":[1,{\"yes\":true,\"none\":null}],"
                                "\"most\":18446744073709551615}\n");
}

Test(report, versions_and_stamps)
{
    crdt_stamp stamp = {.time = 7, .actor = {{0xab}}};
    crdt_version version = {.stamps = &stamp, .stamp_count = 1};
    cli_report report;
    cli_report_begin(&report, out);
    cli_report_version(&report, "v", &version);
    cli_report_stamp(&report, "s", &stamp);
    cli_report_end(&report);
    cr_expect_str_eq(printed(), "{\"v\":{\"ab000000000000000000000000000000\":7},"
                                "\"s\":\"7@ab000000000000000000000000000000\"}\n");
}

Test(report, paths)
{
    crdt_key key =
        crdt_key_field(crdt_span_of("a.b"), crdt_span_of("c\\"), crdt_span_of("\n"));
    cli_report_path(out, &key);
    key = crdt_key_part(crdt_span_of(""), crdt_span_of("\377o"));
    fputc(' ', out);
    cli_report_path(out, &key);
    key = crdt_key_field(crdt_span_of("e"), crdt_span_of("c"), crdt_span_of("\377v"));
    fputc(' ', out);
    cli_report_path(out, &key);
    cr_expect_str_eq(printed(), "a\\.b.c\\\\.\\x0a \"\".(o) e.c");
}

Test(report, our_own_names_are_valid_json)
{
    cli_report report;
    crdt_key key =
        crdt_key_part(crdt_span_of("\377scene"), crdt_span_of("\377k\xc3\xa4"));
    cli_report_begin(&report, out);
    cli_report_key(&report, &key);
    cli_report_end(&report);
    const char *line = printed();
    cr_expect(crdt_span_equal(crdt_span_of(line),
                              crdt_span_of("{\"entity\":\"(scene)\",\"component\":"
                                           "\"(k\\ufffd\\ufffd)\"}\n")),
              "%s", line);
}

Test(report, long_values_are_cut_between_characters)
{
    const uint8_t value[] = {0xa6, 0xc3, 0xa4, 0xc3, 0xb6, 0xc3, 0xbc}; /* "äöü" */
    cli_report_short(out, (crdt_span){value, sizeof value}, 8);
    fputc(' ', out);
    cli_report_short(out, (crdt_span){value, sizeof value}, 4);
    cr_expect_str_eq(printed(), "\"äöü\" \"ä...");
}

Test(report, times)
{
    char time[CLI_TIME_TEXT_SIZE];
    cli_report_time(1795404000123, time);
    fprintf(out, "%s", time);
    cli_report_time(0, time);
    fprintf(out, " %s", time);
    cr_expect_str_eq(printed(), "2026-11-23T03:20:00Z -");
}
