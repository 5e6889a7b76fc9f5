#include "scene/json_fault.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "crdt/value.h"

/* What may come next. */
typedef enum expectation {
    EXPECT_VALUE,        /* a value */
    EXPECT_VALUE_OR_END, /* after [ */
    EXPECT_KEY,          /* after , in an object */
    EXPECT_KEY_OR_END,   /* after { */
    EXPECT_COLON,
    EXPECT_COMMA_OR_END, /* after a value in an array or object */
    EXPECT_NOTHING,      /* after the whole value */
} expectation;

typedef struct scan {
    crdt_span text;
    size_t at;
    uint32_t depth;
    uint32_t depth_max;
    crdt_diag *diag;
    uint8_t open[SCENE_JSON_DEPTH_MAX]; /* '[' or '{' of each level */
} scan;

void scene_json_fault_locate(crdt_span text, crdt_diag *diag)
{
    if (diag == NULL) {
        return;
    }
    size_t end = diag->offset < text.size ? (size_t)diag->offset : text.size;
    uint32_t line = 1;
    size_t start = 0;
    while (start < end) {
        const uint8_t *feed = memchr(text.data + start, '\n', end - start);
        if (feed == NULL) {
            break;
        }
        start = (size_t)(feed - text.data) + 1;
        line++;
    }
    diag->line = line;
    diag->column = (uint32_t)(end - start) + 1;
}

#define FAIL(scan, err, ...) crdt_diag_set((scan)->diag, err, (scan)->at, __VA_ARGS__)

static crdt_err fail_here(scan *s, const char *wanted)
{
    if (s->at >= s->text.size) {
        return FAIL(s, CRDT_ECORRUPT, "the text ends where %s is due", wanted);
    }
    uint8_t c = s->text.data[s->at];
    if (c >= 0x21 && c < 0x7f) {
        return FAIL(s, CRDT_ECORRUPT, "\"%c\" stands where %s is due", c, wanted);
    }
    return FAIL(s, CRDT_ECORRUPT, "byte 0x%02x stands where %s is due", c, wanted);
}

static void skip_blanks(scan *s)
{
    while (s->at < s->text.size) {
        uint8_t c = s->text.data[s->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
            return;
        }
        s->at++;
    }
}

/* Four hex digits after \u, or -1. */
static int32_t read_hex(const scan *s, size_t at)
{
    int32_t code = 0;
    for (size_t i = at; i < at + 4; i++) {
        if (i >= s->text.size || !isxdigit(s->text.data[i])) {
            return -1;
        }
        int c = tolower(s->text.data[i]);
        code = code * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return code;
}

/* At a backslash; steps over the escape. */
static crdt_err scan_escape(scan *s)
{
    uint8_t kind = s->at + 1 < s->text.size ? s->text.data[s->at + 1] : 0;
    if (kind != 'u') {
        if (kind == 0 || strchr("\"\\/bfnrt", kind) == NULL) {
            return FAIL(s, CRDT_ECORRUPT, "no such escape in a string");
        }
        s->at += 2;
        return CRDT_OK;
    }
    int32_t code = read_hex(s, s->at + 2);
    if (code < 0) {
        return FAIL(s, CRDT_ECORRUPT, "\\u needs four hex digits");
    }
    if (code >= 0xd800 && code <= 0xdfff) {
        bool paired = code <= 0xdbff && s->at + 7 < s->text.size &&
                      s->text.data[s->at + 6] == '\\' && s->text.data[s->at + 7] == 'u';
        int32_t low = paired ? read_hex(s, s->at + 8) : -1;
        if (low < 0xdc00 || low > 0xdfff) {
            return FAIL(s, CRDT_ECORRUPT, "half of a surrogate pair is no character");
        }
        s->at += 6;
    }
    s->at += 6;
    return CRDT_OK;
}

/* At the opening quote; steps over the string. */
static crdt_err scan_string(scan *s)
{
    size_t start = s->at++;
    while (s->at < s->text.size) {
        uint8_t c = s->text.data[s->at];
        if (c == '"') {
            size_t bad = 0;
            crdt_span inner = {s->text.data + start + 1, s->at - start - 1};
            if (!crdt_utf8_valid(inner, &bad)) {
                s->at = start + 1 + bad;
                return FAIL(s, CRDT_ECORRUPT, "byte 0x%02x: the string is not UTF-8",
                            s->text.data[s->at]);
            }
            s->at++;
            return CRDT_OK;
        }
        if (c < 0x20) {
            return FAIL(s, CRDT_ECORRUPT,
                        "control character 0x%02x in a string must be escaped", c);
        }
        if (c == '\\') {
            crdt_err err = scan_escape(s);
            if (err != CRDT_OK) {
                return err;
            }
            continue;
        }
        s->at++;
    }
    s->at = start;
    return FAIL(s, CRDT_ECORRUPT, "the string that begins here has no end");
}

static size_t scan_digits(scan *s)
{
    size_t start = s->at;
    while (s->at < s->text.size && isdigit(s->text.data[s->at])) {
        s->at++;
    }
    return s->at - start;
}

static bool scan_char(scan *s, const char *any)
{
    if (s->at < s->text.size && s->text.data[s->at] != 0 &&
        strchr(any, s->text.data[s->at]) != NULL) {
        s->at++;
        return true;
    }
    return false;
}

static crdt_err scan_number(scan *s)
{
    size_t start = s->at;
    scan_char(s, "-");
    bool zero = s->at < s->text.size && s->text.data[s->at] == '0';
    size_t digits = scan_digits(s);
    if (digits == 0) {
        return fail_here(s, "a digit");
    }
    if (zero && digits > 1) {
        s->at = start;
        return FAIL(s, CRDT_ECORRUPT, "a number may not begin with 0");
    }
    if (scan_char(s, ".") && scan_digits(s) == 0) {
        return fail_here(s, "a digit after the point");
    }
    if (scan_char(s, "eE")) {
        scan_char(s, "+-");
        if (scan_digits(s) == 0) {
            return fail_here(s, "a digit of the exponent");
        }
    }
    crdt_span number = {s->text.data + start, s->at - start};
    if (!isfinite(scene_json_number_parse(number))) {
        s->at = start;
        return FAIL(s, CRDT_ECORRUPT, "the number is beyond the range of a double");
    }
    return CRDT_OK;
}

static crdt_err scan_word(scan *s)
{
    static const char *const WORDS[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t size = strlen(WORDS[i]);
        if (s->text.size - s->at >= size &&
            memcmp(s->text.data + s->at, WORDS[i], size) == 0) {
            s->at += size;
            return CRDT_OK;
        }
    }
    if (s->text.size - s->at >= 3 && memcmp(s->text.data + s->at, "NaN", 3) == 0) {
        return FAIL(s, CRDT_ECORRUPT, "NaN is no number of JSON");
    }
    if (s->at == 0 && s->text.size >= 3 &&
        memcmp(s->text.data, "\xef\xbb\xbf", 3) == 0) {
        return FAIL(s, CRDT_ECORRUPT, "a byte order mark is no JSON");
    }
    return fail_here(s, "a value");
}

static expectation after_value(const scan *s)
{
    return s->depth == 0 ? EXPECT_NOTHING : EXPECT_COMMA_OR_END;
}

static crdt_err scan_open(scan *s, expectation *expect)
{
    if (s->depth >= s->depth_max || s->depth >= SCENE_JSON_DEPTH_MAX) {
        return FAIL(s, CRDT_ELIMIT, "nested deeper than %u", (unsigned)s->depth);
    }
    uint8_t c = s->text.data[s->at++];
    s->open[s->depth++] = c;
    *expect = c == '{' ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return CRDT_OK;
}

static crdt_err scan_value(scan *s, expectation *expect)
{
    uint8_t c = s->at < s->text.size ? s->text.data[s->at] : 0;
    crdt_err err;
    if (c == '{' || c == '[') {
        return scan_open(s, expect);
    }
    if (c == '"') {
        err = scan_string(s);
    } else if (c == '-' || isdigit(c)) {
        err = scan_number(s);
    } else {
        err = scan_word(s);
    }
    *expect = after_value(s);
    return err;
}

static bool scan_close(scan *s, expectation *expect)
{
    if (s->depth == 0 || s->at >= s->text.size) {
        return false;
    }
    if (s->text.data[s->at] != (s->open[s->depth - 1] == '{' ? '}' : ']')) {
        return false;
    }
    s->at++;
    s->depth--;
    *expect = after_value(s);
    return true;
}

static crdt_err scan_key(scan *s, expectation *expect)
{
    if (s->at >= s->text.size || s->text.data[s->at] != '"') {
        return fail_here(s, "a key in quotes");
    }
    *expect = EXPECT_COLON;
    return scan_string(s);
}

static crdt_err scan_step(scan *s, expectation *expect)
{
    bool in_object = s->depth > 0 && s->open[s->depth - 1] == '{';
    switch (*expect) {
    case EXPECT_VALUE_OR_END:
        return scan_close(s, expect) ? CRDT_OK : scan_value(s, expect);
    case EXPECT_VALUE:
        return scan_value(s, expect);
    case EXPECT_KEY_OR_END:
        return scan_close(s, expect) ? CRDT_OK : scan_key(s, expect);
    case EXPECT_KEY:
        return scan_key(s, expect);
    case EXPECT_COLON:
        *expect = EXPECT_VALUE;
        return scan_char(s, ":") ? CRDT_OK : fail_here(s, "a colon");
    case EXPECT_COMMA_OR_END:
        if (scan_close(s, expect)) {
            return CRDT_OK;
        }
        *expect = in_object ? EXPECT_KEY : EXPECT_VALUE;
        return scan_char(s, ",")
                   ? CRDT_OK
                   : fail_here(s, in_object ? "a comma or }" : "a comma or ]");
    case EXPECT_NOTHING:
        return fail_here(s, "the end of the text");
    }
    return CRDT_OK;
}

crdt_err scene_json_fault_find(crdt_span text, uint32_t depth_max, crdt_diag *diag)
{
    scan s = {.text = text, .depth_max = depth_max, .diag = diag};
    expectation expect = EXPECT_VALUE;
    for (;;) {
        skip_blanks(&s);
        if (expect == EXPECT_NOTHING && s.at >= text.size) {
            return CRDT_OK;
        }
        crdt_err err = scan_step(&s, &expect);
        if (err != CRDT_OK) {
            scene_json_fault_locate(text, diag);
            return err;
        }
    }
}
