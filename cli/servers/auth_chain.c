#include "cli/servers/auth_chain.h"

#include "cli/args.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- times ---- */

static bool read_digits(crdt_span *text, size_t count, unsigned *number)
{
    if (text->size < count) {
        return false;
    }
    *number = 0;
    for (size_t i = 0; i < count; i++) {
        if (text->data[i] < '0' || text->data[i] > '9') {
            return false;
        }
        *number = *number * 10 + (unsigned)(text->data[i] - '0');
    }
    text->data += count;
    text->size -= count;
    return true;
}

static bool read_mark(crdt_span *text, char mark)
{
    if (text->size == 0 || text->data[0] != (uint8_t)mark) {
        return false;
    }
    text->data++;
    text->size--;
    return true;
}

/* Days from 1970-01-01 in the Gregorian calendar, for years from 1970 on. */
static uint64_t days_of(unsigned year, unsigned month, unsigned day)
{
    /* Years begin in March, so that the leap day is the last. */
    unsigned y = month <= 2 ? year - 1 : year;
    unsigned m = month <= 2 ? month + 9 : month - 3;
    uint64_t days = (uint64_t)y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5;
    return days + day - 1 - 719468;
}

bool servers_time_parse(crdt_span text, uint64_t *time_ms)
{
    unsigned year;
    unsigned month;
    unsigned day;
    unsigned hour;
    unsigned minute;
    unsigned second;
    unsigned fraction = 0;
    if (!read_digits(&text, 4, &year) || !read_mark(&text, '-') ||
        !read_digits(&text, 2, &month) || !read_mark(&text, '-') ||
        !read_digits(&text, 2, &day) || !read_mark(&text, 'T') ||
        !read_digits(&text, 2, &hour) || !read_mark(&text, ':') ||
        !read_digits(&text, 2, &minute) || !read_mark(&text, ':') ||
        !read_digits(&text, 2, &second)) {
        return false;
    }
    if (read_mark(&text, '.') && !read_digits(&text, 3, &fraction)) {
        return false;
    }
    if (!read_mark(&text, 'Z') || text.size != 0 || year < 1970 || month < 1 ||
        month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    uint64_t seconds = days_of(year, month, day) * 86400 + (uint64_t)hour * 3600 +
                       (uint64_t)minute * 60 + second;
    *time_ms = seconds * 1000 + fraction;
    return true;
}

/* ---- the chain ---- */

static crdt_err refuse(crdt_diag *diag, const char *text)
{
    return crdt_diag_set(diag, CRDT_EREFUSED, 0, "%s", text);
}

static bool is_address(crdt_span text)
{
    if (text.size != SERVERS_ADDRESS_SIZE - 1 || text.data[0] != '0' ||
        text.data[1] != 'x') {
        return false;
    }
    for (size_t i = 2; i < text.size; i++) {
        if (!isxdigit(text.data[i])) {
            return false;
        }
    }
    return true;
}

static bool is_signature(crdt_span text)
{
    if (text.size < 4 || text.size % 2 != 0 || text.data[0] != '0' ||
        text.data[1] != 'x') {
        return false;
    }
    for (size_t i = 2; i < text.size; i++) {
        if (!isxdigit(text.data[i])) {
            return false;
        }
    }
    return true;
}

/* Keys of people sign by ECDSA, those of contracts as EIP-1654 says. */
static bool is_type(crdt_span type, const char *what)
{
    static const char *const prefixes[] = {"ECDSA_", "ECDSA_PERSONAL_",
                                           "ECDSA_EIP_1654_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t size = strlen(prefixes[i]);
        if (type.size > size && memcmp(type.data, prefixes[i], size) == 0) {
            crdt_span rest = {type.data + size, type.size - size};
            if (crdt_span_equal(rest, crdt_span_of(what))) {
                return true;
            }
        }
    }
    return false;
}

static bool next_line(crdt_span *text, crdt_span *line)
{
    const uint8_t *end = text->size > 0 ? memchr(text->data, '\n', text->size) : NULL;
    *line = *text;
    if (end == NULL) {
        *text = (crdt_span){NULL, 0};
        return line->size > 0;
    }
    line->size = (size_t)(end - line->data);
    text->size -= line->size + 1;
    text->data = end + 1;
    if (line->size > 0 && line->data[line->size - 1] == '\r') {
        line->size--;
    }
    return true;
}

static bool after_prefix(crdt_span line, const char *prefix, crdt_span *rest)
{
    size_t size = strlen(prefix);
    if (line.size < size || memcmp(line.data, prefix, size) != 0) {
        return false;
    }
    *rest = (crdt_span){line.data + size, line.size - size};
    return true;
}

static crdt_err check_ephemeral(const servers_auth_link *link, uint64_t now_ms,
                                crdt_diag *diag)
{
    crdt_span text = link->payload;
    crdt_span title;
    crdt_span line;
    crdt_span address;
    crdt_span expiration;
    uint64_t time_ms;
    if (!next_line(&text, &title) || !next_line(&text, &line) ||
        !after_prefix(line, "Ephemeral address: ", &address) || !is_address(address) ||
        !next_line(&text, &line) || !after_prefix(line, "Expiration: ", &expiration) ||
        !servers_time_parse(expiration, &time_ms) || text.size > 0) {
        return refuse(diag,
                      "a link of the auth chain does not lend its name as it "
                      "should: \"...\\nEphemeral address: ...\\nExpiration: ...\"");
    }
    if (time_ms < now_ms) {
        return refuse(diag, "the auth chain has expired");
    }
    return is_signature(link->signature)
               ? CRDT_OK
               : refuse(diag, "a signature of the auth chain is not 0x and hex digits");
}

crdt_err servers_auth_chain_check(const servers_auth_chain *chain, uint64_t now_ms,
                                  char owner[SERVERS_ADDRESS_SIZE],
                                  crdt_span *signed_text, crdt_diag *diag)
{
    if (chain->count < 2) {
        return refuse(diag, "the auth chain needs two links at least: who signs, and "
                            "what is signed");
    }
    const servers_auth_link *first = &chain->links[0];
    const servers_auth_link *last = &chain->links[chain->count - 1];
    if (!crdt_span_equal(first->type, crdt_span_of("SIGNER"))) {
        return refuse(diag, "the auth chain must begin with SIGNER");
    }
    if (!is_address(first->payload)) {
        return refuse(diag, "the SIGNER of the auth chain is no address (0x and 40 hex "
                            "digits)");
    }
    for (size_t i = 1; i + 1 < chain->count; i++) {
        if (!is_type(chain->links[i].type, "EPHEMERAL")) {
            return refuse(diag, "the middle of an auth chain is ECDSA_EPHEMERAL");
        }
        crdt_err err = check_ephemeral(&chain->links[i], now_ms, diag);
        if (err != CRDT_OK) {
            return err;
        }
    }
    if (!is_type(last->type, "SIGNED_ENTITY")) {
        return refuse(diag, "the auth chain must end with ECDSA_SIGNED_ENTITY");
    }
    if (!is_signature(last->signature)) {
        return refuse(diag, "a signature of the auth chain is not 0x and hex digits");
    }
    for (size_t i = 0; i + 1 < SERVERS_ADDRESS_SIZE; i++) {
        owner[i] = (char)tolower(first->payload.data[i]);
    }
    owner[SERVERS_ADDRESS_SIZE - 1] = '\0';
    *signed_text = last->payload;
    return CRDT_OK;
}

/* ---- signed requests ---- */

/* Does the text go on with `expected` (case ignored)? Then it is taken away. */
static bool take(crdt_span *text, const char *expected)
{
    size_t size = strlen(expected);
    if (text->size < size ||
        strncasecmp((const char *)text->data, expected, size) != 0) {
        return false;
    }
    text->data += size;
    text->size -= size;
    return true;
}

static crdt_err check_time(const char *text, uint64_t now_ms, crdt_diag *diag)
{
    double time;
    if (!cli_args_number(text, 0, 1e15, &time)) {
        return refuse(diag, "x-identity-timestamp is no time in ms");
    }
    double age = (double)now_ms - time;
    return age <= SERVERS_AUTH_AGE_MS && age >= -SERVERS_AUTH_AGE_MS
               ? CRDT_OK
               : refuse(diag,
                        "the signed request is older than 30 minutes, or from the "
                        "future");
}

crdt_err servers_signed_call_check(const servers_signed_call *call,
                                   crdt_span signed_text, uint64_t now_ms,
                                   crdt_diag *diag)
{
    const char *path = call->path;
    crdt_span rest = signed_text;
    bool good = take(&rest, call->method) && take(&rest, ":");
    if (good && !take(&rest, path)) {
        good = strncmp(path, "/v1/", 4) == 0 && take(&rest, path + 3);
    }
    if (good && call->timestamp[0] != '\0') {
        good = take(&rest, ":") && take(&rest, call->timestamp) && take(&rest, ":") &&
               take(&rest, call->metadata);
    }
    if (!good || rest.size > 0) {
        return refuse(diag, "the auth chain signs something else than this request");
    }
    return call->timestamp[0] != '\0' ? check_time(call->timestamp, now_ms, diag)
                                      : CRDT_OK;
}
