#ifndef CLI_REPORT_H
#define CLI_REPORT_H

/* One result or event as one JSON object on a line of its own, and the bits of text that
 * people read. */

#include "crdt/digest.h"
#include "crdt/op.h"
#include "crdt/version.h"

#include <stdio.h>

/* `text` as a JSON string. Bytes that are no UTF-8 become U+FFFD. */
void cli_report_string(FILE *out, crdt_span text);

/* { "key": value, ... } and a newline; begin, any number of members, end. A NULL key is
 * for elements of an array. Arrays and objects nest by open and close. */
typedef struct cli_report {
    FILE *out;
    bool comma; /* the next member needs one before it */
} cli_report;

void cli_report_begin(cli_report *report, FILE *out);
void cli_report_end(cli_report *report);                                 /* flushes */
void cli_report_open(cli_report *report, const char *key, char bracket); /* '{', '[' */
void cli_report_close(cli_report *report, char bracket);                 /* '}', ']' */
void cli_report_text(cli_report *report, const char *key, const char *text);
void cli_report_span(cli_report *report, const char *key, crdt_span text);
void cli_report_number(cli_report *report, const char *key, uint64_t number);
void cli_report_bool(cli_report *report, const char *key, bool value);
void cli_report_null(cli_report *report, const char *key);
/* Text that is JSON already. */
void cli_report_json(cli_report *report, const char *key, const char *json);
/* A value of the document as JSON (crdt/value.h). */
void cli_report_value(cli_report *report, const char *key, crdt_span value);
void cli_report_actor(cli_report *report, const char *key, const crdt_actor *actor);
void cli_report_stamp(cli_report *report, const char *key, const crdt_stamp *stamp);
/* {"ACTOR": TIME, ...} */
void cli_report_version(cli_report *report, const char *key,
                        const crdt_version *version);
/* "entity", "component", "field", as deep as the key goes. */
void cli_report_key(cli_report *report, const crdt_key *key);

/* For people: ENTITY.COMPONENT.FIELD, dots in names escaped; names of our own (first byte
 * FF) in parentheses. */
void cli_report_path(FILE *out, const crdt_key *key);
/* A value as JSON, cut after `size_max` bytes. */
void cli_report_short(FILE *out, crdt_span value, size_t size_max);
/* Unix time in ms as 2026-01-31T12:00:00Z. */
#define CLI_TIME_TEXT_SIZE 32
void cli_report_time(uint64_t wall_ms, char text[CLI_TIME_TEXT_SIZE]);

#endif /* CLI_REPORT_H */
