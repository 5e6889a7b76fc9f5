#include "cli/report.h"

#include "crdt/value.h"
#include "scene/json.h"
#include "scene/layout.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* One character of a JSON string: what must be escaped is. */
static void put_escaped(FILE *out, uint8_t byte)
{
    switch (byte) {
    case '"':
        fputs("\\\"", out);
        break;
    case '\\':
        fputs("\\\\", out);
        break;
    case '\n':
        fputs("\\n", out);
        break;
    case '\t':
        fputs("\\t", out);
        break;
    case '\r':
        fputs("\\r", out);
        break;
    default:
        if (byte < 0x20) {
            fprintf(out, "\\u%04x", byte);
        } else {
            fputc(byte, out);
        }
    }
}

void cli_report_string(FILE *out, crdt_span text)
{
    fputc('"', out);
    while (text.size > 0) {
        size_t valid = text.size;
        bool whole = crdt_utf8_valid(text, &valid);
        if (whole) {
            valid = text.size;
        }
        for (size_t i = 0; i < valid; i++) {
            put_escaped(out, text.data[i]);
        }
        text.data += valid;
        text.size -= valid;
        if (!whole) {
            fputs("\\ufffd", out);
            text.data++;
            text.size--;
        }
    }
    fputc('"', out);
}

/* The comma before a member, and its key. */
static void put_key(cli_report *report, const char *key)
{
    if (report->comma) {
        fputc(',', report->out);
    }
    report->comma = true;
    if (key != NULL) {
        fprintf(report->out, "\"%s\":", key);
    }
}

void cli_report_begin(cli_report *report, FILE *out)
{
    *report = (cli_report){.out = out};
    fputc('{', out);
}

void cli_report_end(cli_report *report)
{
    fputs("}\n", report->out);
    fflush(report->out);
}

void cli_report_open(cli_report *report, const char *key, char bracket)
{
    put_key(report, key);
    fputc(bracket, report->out);
    report->comma = false;
}

void cli_report_close(cli_report *report, char bracket)
{
    fputc(bracket, report->out);
    report->comma = true;
}

void cli_report_text(cli_report *report, const char *key, const char *text)
{
    cli_report_span(report, key, crdt_span_of(text));
}

void cli_report_span(cli_report *report, const char *key, crdt_span text)
{
    put_key(report, key);
    cli_report_string(report->out, text);
}

void cli_report_number(cli_report *report, const char *key, uint64_t number)
{
    put_key(report, key);
    fprintf(report->out, "%" PRIu64, number);
}

void cli_report_bool(cli_report *report, const char *key, bool value)
{
    put_key(report, key);
    fputs(value ? "true" : "false", report->out);
}

void cli_report_null(cli_report *report, const char *key)
{
    put_key(report, key);
    fputs("null", report->out);
}

void cli_report_json(cli_report *report, const char *key, const char *json)
{
    put_key(report, key);
    fputs(json, report->out);
}

/* The JSON text of a value; false where memory ran out. */
static bool value_text(crdt_span value, crdt_buf *text)
{
    crdt_buf_init(text, crdt_alloc_default());
    return scene_json_write_value(value, text) == CRDT_OK;
}

void cli_report_value(cli_report *report, const char *key, crdt_span value)
{
    put_key(report, key);
    crdt_buf text;
    if (value_text(value, &text)) {
        fwrite(text.data, 1, text.size, report->out);
    } else {
        fputs("null", report->out);
    }
    crdt_buf_deinit(&text);
}

void cli_report_actor(cli_report *report, const char *key, const crdt_actor *actor)
{
    char text[CRDT_ACTOR_TEXT_SIZE];
    crdt_actor_format(actor, text);
    cli_report_text(report, key, text);
}

void cli_report_stamp(cli_report *report, const char *key, const crdt_stamp *stamp)
{
    char text[CRDT_STAMP_TEXT_SIZE];
    crdt_stamp_format(stamp, text);
    cli_report_text(report, key, text);
}

void cli_report_version(cli_report *report, const char *key,
                        const crdt_version *version)
{
    cli_report_open(report, key, '{');
    for (size_t i = 0; i < version->stamp_count; i++) {
        char actor[CRDT_ACTOR_TEXT_SIZE];
        crdt_actor_format(&version->stamps[i].actor, actor);
        cli_report_number(report, actor, version->stamps[i].time);
    }
    cli_report_close(report, '}');
}

/* A name as people read it: names of our own without their first byte, in parentheses. */
static void put_name(FILE *out, crdt_span name, bool escape_dots)
{
    bool own = scene_layout_is_own(name);
    if (own) {
        name.data++;
        name.size--;
        fputc('(', out);
    } else if (name.size == 0) {
        fputs("\"\"", out);
    }
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        if (escape_dots && (byte == '.' || byte == '\\')) {
            fputc('\\', out);
        }
        if (byte < 0x20 || byte == 0x7f) {
            fprintf(out, "\\x%02x", byte);
        } else {
            fputc(byte, out);
        }
    }
    if (own) {
        fputc(')', out);
    }
}

/* The same as a JSON string. */
static void report_name(cli_report *report, const char *key, crdt_span name)
{
    if (!scene_layout_is_own(name)) {
        cli_report_span(report, key, name);
        return;
    }
    put_key(report, key);
    fputs("\"(", report->out);
    for (size_t i = 1; i < name.size; i++) {
        if (name.data[i] < 0x80) {
            put_escaped(report->out, name.data[i]);
        } else {
            fputs("\\ufffd", report->out);
        }
    }
    fputs(")\"", report->out);
}

void cli_report_key(cli_report *report, const crdt_key *key)
{
    report_name(report, "entity", key->object);
    if (key->depth >= CRDT_PART) {
        report_name(report, "component", key->part);
    }
    if (key->depth == CRDT_FIELD) {
        report_name(report, "field", key->field);
    }
}

void cli_report_path(FILE *out, const crdt_key *key)
{
    put_name(out, key->object, true);
    if (key->depth >= CRDT_PART) {
        fputc('.', out);
        put_name(out, key->part, true);
    }
    if (key->depth == CRDT_FIELD &&
        !crdt_span_equal(key->field, crdt_span_of(SCENE_NAME_VALUE))) {
        fputc('.', out);
        put_name(out, key->field, true);
    }
}

void cli_report_short(FILE *out, crdt_span value, size_t size_max)
{
    crdt_buf text;
    if (!value_text(value, &text)) {
        fputs("(no memory)", out);
    } else if (text.size <= size_max) {
        fwrite(text.data, 1, text.size, out);
    } else {
        /* Cut before a character that would be split. */
        size_t size = size_max;
        while (size > 0 && (text.data[size] & 0xc0) == 0x80) {
            size--;
        }
        fwrite(text.data, 1, size, out);
        fputs("...", out);
    }
    crdt_buf_deinit(&text);
}

void cli_report_time(uint64_t wall_ms, char text[CLI_TIME_TEXT_SIZE])
{
    struct tm fields;
    time_t seconds = (time_t)(wall_ms / 1000);
    if (wall_ms == 0 || gmtime_r(&seconds, &fields) == NULL ||
        strftime(text, CLI_TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &fields) == 0) {
        snprintf(text, CLI_TIME_TEXT_SIZE, "-");
    }
}
