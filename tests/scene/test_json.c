#include "scene/json.h"
#include "scene/json_fault.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/value.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

/* The canonical text of a JSON text; its error where it has none. */
static crdt_err canonical(crdt_span text, crdt_buf *out, crdt_diag *diag)
{
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    crdt_err err = scene_json_to_value(text, crdt_alloc_default(), &value, diag);
    if (err == CRDT_OK) {
        crdt_diag why;
        cr_assert_eq(crdt_value_check(crdt_buf_span(&value), &why), CRDT_OK, "%s",
                     why.text);
        err = scene_json_write_value(crdt_buf_span(&value), out);
    }
    crdt_buf_deinit(&value);
    return err;
}

static void expect_text(const char *text, const char *wanted)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    crdt_diag diag = {0};
    crdt_err err = canonical(crdt_span_of(text), &out, &diag);
    cr_assert_eq(err, CRDT_OK, "%s: %s", text, diag.text);
    cr_assert(crdt_span_equal(crdt_buf_span(&out), crdt_span_of(wanted)),
              "%s gives %.*s, not %s", text, (int)out.size, (const char *)out.data,
              wanted);
    crdt_buf_deinit(&out);
}

static void expect_fault(crdt_span text, crdt_err wanted, uint32_t line,
                         uint32_t column, const char *reason)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    crdt_diag diag = {0};
    crdt_err err = canonical(text, &out, &diag);
    int shown = text.size < 60 ? (int)text.size : 60;
    cr_expect_eq(err, wanted, "%.*s: %s", shown, (const char *)text.data,
                 crdt_err_name(err));
    cr_expect_eq(diag.line, line, "%.*s: line %u", shown, (const char *)text.data,
                 diag.line);
    cr_expect_eq(diag.column, column, "%.*s: column %u", shown, (const char *)text.data,
                 diag.column);
    cr_expect(strstr(diag.text, reason) != NULL, "%.*s: %s", shown,
              (const char *)text.data, diag.text);
    crdt_buf_deinit(&out);
}

Test(json, reads_and_writes_canonically)
{
    expect_text("null", "null");
    expect_text(" true\n", "true");
    expect_text("false", "false");
    expect_text("[]", "[]");
    expect_text("{}", "{}");
    expect_text("[[],{},[{}]]", "[[],{},[{}]]");
    expect_text("{\"b\":1,\"a\":[1,2,{\"y\":null,\"x\":\"s\"}]}",
                "{\"a\":[1,2,{\"x\":\"s\",\"y\":null}],\"b\":1}");
    expect_text("\"\"", "\"\"");
    expect_text("{\"\":{\"\":0}}", "{\"\":{\"\":0}}");
    expect_text("\"a\\u0062\\/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"",
                "\"ab/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    expect_text("\"\\uD83D\\ude00 \\u00e9 \xe2\x82\xac\"",
                "\"\xf0\x9f\x98\x80 \xc3\xa9 \xe2\x82\xac\"");
    /* More keys than are sorted on the stack, in falling order. */
    char many[2000] = "{";
    char wanted[2000] = "{";
    for (int i = 0; i < 60; i++) {
        char member[32];
        snprintf(member, sizeof(member), "%s\"k%02d\":%d", i > 0 ? "," : "", 59 - i, i);
        strncat(many, member, sizeof(many) - strlen(many) - 1);
        snprintf(member, sizeof(member), "%s\"k%02d\":%d", i > 0 ? "," : "", i, 59 - i);
        strncat(wanted, member, sizeof(wanted) - strlen(wanted) - 1);
    }
    strncat(many, "}", 2);
    strncat(wanted, "}", 2);
    expect_text(many, wanted);
}

/* RFC 8785 sorts by UTF-16 units: a character beyond the BMP before U+FB33. */
Test(json, sorts_keys_by_utf16)
{
    expect_text("{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\","
                "\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\"1\":\"One\","
                "\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":\"Control\","
                "\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
                "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
                "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\","
                "\"\xe2\x82\xac\":\"Euro Sign\",\"\xf0\x9f\x98\x80\":\"Emoji: Grinning "
                "Face\",\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
}

/* Numbers as ECMAScript writes them (RFC 8785, appendix B, and neighbours). */
Test(json, writes_numbers_as_ecmascript)
{
    static const char *const ROWS[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"-0.0", "0"},
        {"0e5", "0"},
        {"1.0", "1"},
        {"-1", "-1"},
        {"4.50", "4.5"},
        {"2e-3", "0.002"},
        {"0.000001", "0.000001"},
        {"1e-7", "1e-7"},
        {"1E30", "1e+30"},
        {"1e21", "1e+21"},
        {"1e20", "100000000000000000000"},
        {"333333333.33333329", "333333333.3333333"},
        {"0.1", "0.1"},
        {"5e-324", "5e-324"},
        {"1e-999", "0"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"9007199254740991", "9007199254740991"},
        {"9007199254740992", "9007199254740992"},
        {"9007199254740993", "9007199254740992"},
        {"9007199254740995", "9007199254740996"},
        {"18446744073709551615", "18446744073709552000"},
        {"18446744073709551616", "18446744073709552000"},
        {"-9223372036854775809", "-9223372036854776000"},
        {"123456789012345678901234567890", "1.2345678901234568e+29"},
        {"295147905179352830000", "295147905179352830000"},
        {"0.3333333333333333", "0.3333333333333333"},
        {"16777217", "16777217"},
        {"3.4028234663852886e38", "3.4028234663852886e+38"},
        {"0.70710676908493042", "0.7071067690849304"},
        {"0.09208576009560544300710", "0.09208576009560544"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        expect_text(ROWS[i][0], ROWS[i][1]);
    }
}

/* What is wrong, where, and why. */
Test(json, says_where_and_why)
{
    static const struct {
        const char *text;
        crdt_err err;
        uint32_t line;
        uint32_t column;
        const char *reason;
    } ROWS[] = {
        {"", CRDT_ECORRUPT, 1, 1, "the text ends where a value is due"},
        {"  \n ", CRDT_ECORRUPT, 2, 2, "the text ends"},
        {"{", CRDT_ECORRUPT, 1, 2, "a key in quotes is due"},
        {"[1,\n2", CRDT_ECORRUPT, 2, 2, "a comma or ]"},
        {"[1,2", CRDT_ECORRUPT, 1, 5, "the text ends where a comma or ]"},
        {"[1 2]", CRDT_ECORRUPT, 1, 4, "\"2\" stands where a comma or ]"},
        {"[1,]", CRDT_ECORRUPT, 1, 4, "\"]\" stands where a value"},
        {"[1}", CRDT_ECORRUPT, 1, 3, "\"}\" stands where a comma or ]"},
        {"{\"a\":1]", CRDT_ECORRUPT, 1, 7, "a comma or }"},
        {"{\"a\" 1}", CRDT_ECORRUPT, 1, 6, "a colon"},
        {"{\"a\":1,}", CRDT_ECORRUPT, 1, 8, "a key in quotes"},
        {"{a:1}", CRDT_ECORRUPT, 1, 2, "a key in quotes"},
        {"[,1]", CRDT_ECORRUPT, 1, 2, "a value"},
        {"[] []", CRDT_ECORRUPT, 1, 4, "the end of the text"},
        {"1 2", CRDT_ECORRUPT, 1, 3, "the end of the text"},
        {"1,2", CRDT_ECORRUPT, 1, 2, "the end of the text"},
        {"1]", CRDT_ECORRUPT, 1, 2, "the end of the text"},
        {"1],[2", CRDT_ECORRUPT, 1, 2, "the end of the text"},
        {"{\"a\":1}}", CRDT_ECORRUPT, 1, 8, "the end of the text"},
        {"NaN", CRDT_ECORRUPT, 1, 1, "NaN"},
        {"[Infinity]", CRDT_ECORRUPT, 1, 2, "a value"},
        {"[1e999]", CRDT_ECORRUPT, 1, 2, "beyond the range"},
        {"[0,\n -1e999]", CRDT_ECORRUPT, 2, 2, "beyond the range"},
        {"01", CRDT_ECORRUPT, 1, 1, "begin with 0"},
        {"-", CRDT_ECORRUPT, 1, 2, "a digit"},
        {"+1", CRDT_ECORRUPT, 1, 1, "a value"},
        {".5", CRDT_ECORRUPT, 1, 1, "a value"},
        {"1.", CRDT_ECORRUPT, 1, 3, "after the point"},
        {"1e", CRDT_ECORRUPT, 1, 3, "exponent"},
        {"[0x10]", CRDT_ECORRUPT, 1, 3, "a comma or ]"},
        {"tru", CRDT_ECORRUPT, 1, 1, "a value"},
        {"[truex]", CRDT_ECORRUPT, 1, 6, "a comma or ]"},
        {"nul", CRDT_ECORRUPT, 1, 1, "a value"},
        {"'a'", CRDT_ECORRUPT, 1, 1, "a value"},
        {"\"a", CRDT_ECORRUPT, 1, 1, "no end"},
        {"{\"a\":\"b}", CRDT_ECORRUPT, 1, 6, "no end"},
        {"\"a\nb\"", CRDT_ECORRUPT, 1, 3, "must be escaped"},
        {"\"\\x\"", CRDT_ECORRUPT, 1, 2, "no such escape"},
        {"\"\\u12g4\"", CRDT_ECORRUPT, 1, 2, "four hex digits"},
        {"\"x\\ud800\"", CRDT_ECORRUPT, 1, 3, "surrogate"},
        {"\"\\udc00\"", CRDT_ECORRUPT, 1, 2, "surrogate"},
        {"\"\\ud800\\u0041\"", CRDT_ECORRUPT, 1, 2, "surrogate"},
        {"\"\\ud800\\ud800\"", CRDT_ECORRUPT, 1, 2, "surrogate"},
        {"{\"\\ud800\":1}", CRDT_ECORRUPT, 1, 3, "surrogate"},
        {"\"\xff\"", CRDT_ECORRUPT, 1, 2, "not UTF-8"},
        {"\"ab\xc0\x80\"", CRDT_ECORRUPT, 1, 4, "not UTF-8"},
        {"\"\xed\xa0\x80\"", CRDT_ECORRUPT, 1, 2, "not UTF-8"},
        {"\"\xf4\x90\x80\x80\"", CRDT_ECORRUPT, 1, 2, "not UTF-8"},
        {"[\"\xe2\x82\"]", CRDT_ECORRUPT, 1, 3, "not UTF-8"},
        {"\xef\xbb\xbf[]", CRDT_ECORRUPT, 1, 1, "byte order mark"},
        {"[1]\xff", CRDT_ECORRUPT, 1, 4, "the end of the text"},
        {"{\"a\":1,\"b\":{\"c\":1,\n \"c\":2}}", CRDT_ECORRUPT, 2, 2,
         "\"c\" stands twice"},
        {"{\"a\":1,\"\\u0061\":2}", CRDT_ECORRUPT, 1, 8, "stands twice"},
        {"{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,"
         "\n\"b\":1}",
         CRDT_ECORRUPT, 2, 1, "\"b\" stands twice"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        expect_fault(crdt_span_of(ROWS[i].text), ROWS[i].err, ROWS[i].line,
                     ROWS[i].column, ROWS[i].reason);
    }
    uint8_t zero[] = {'[', 0, ']'};
    expect_fault((crdt_span){zero, 3}, CRDT_ECORRUPT, 1, 2, "byte 0x00");
}

/* `depth` arrays or objects around nothing. */
static char *nested(size_t depth, bool objects, size_t *size)
{
    size_t unit = objects ? 5 : 1;
    char *text = malloc(depth * (unit + 1) + 1);
    char *at = text;
    for (size_t i = 0; i < depth; i++) {
        memcpy(at,
               objects && i + 1 < depth ? "{\"a\":"
               : objects                ? "{"
                                        : "[",
               objects && i + 1 < depth ? unit : 1);
        at += objects && i + 1 < depth ? unit : 1;
    }
    memset(at, objects ? '}' : ']', depth);
    *size = (size_t)(at - text) + depth;
    return text;
}

Test(json, nesting_is_bounded)
{
    for (int objects = 0; objects < 2; objects++) {
        size_t size;
        char *text = nested(128, objects != 0, &size);
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        crdt_diag diag = {0};
        crdt_err err = canonical((crdt_span){(uint8_t *)text, size}, &out, &diag);
        cr_expect_eq(err, CRDT_OK, "%s", diag.text);
        cr_expect(out.size == size && memcmp(out.data, text, size) == 0);
        crdt_buf_deinit(&out);
        free(text);
        text = nested(129, objects != 0, &size);
        expect_fault((crdt_span){(uint8_t *)text, size}, CRDT_ELIMIT, 1,
                     objects ? 128 * 5 + 1 : 129, "deeper than 128");
        free(text);
    }
    size_t size;
    char *text = nested(2000000, false, &size);
    expect_fault((crdt_span){(uint8_t *)text, size}, CRDT_ELIMIT, 1, 129, "deeper");
    /* Opened only. */
    expect_fault((crdt_span){(uint8_t *)text, size / 2}, CRDT_ELIMIT, 1, 129, "deeper");
    free(text);
}

Test(json, size_is_bounded)
{
    scene_json_limits limits = scene_json_limits_default();
    limits.size_max = 10;
    crdt_span text = crdt_span_of("[1,\n2,3,4,5]");
    scene_json *json = NULL;
    crdt_diag diag = {0};
    cr_expect_eq(scene_json_open(&json, crdt_alloc_default(), text, &limits, &diag),
                 CRDT_ELIMIT);
    cr_expect_eq(diag.offset, 10);
    cr_expect_eq(diag.line, 2);
    cr_expect_eq(diag.column, 7);
    /* 100 MB are refused by default, before anything is allocated for them. */
    size_t size = 100000000;
    uint8_t *blanks = malloc(size);
    memset(blanks, ' ', size);
    fault_alloc meter;
    crdt_alloc counted = fault_alloc_init(&meter);
    cr_expect_eq(
        scene_json_open(&json, counted, (crdt_span){blanks, size}, NULL, &diag),
        CRDT_ELIMIT);
    cr_expect(strstr(diag.text, "100000000") != NULL);
    cr_expect_eq(meter.call_count, 0);
    free(blanks);
}

/* A text of a few bytes a value could ask for many times its size in nodes. */
Test(json, values_and_keys_are_bounded)
{
    scene_json_limits limits = scene_json_limits_default();
    scene_json *json = NULL;
    crdt_diag diag = {0};
    crdt_span fits = crdt_span_of("{\"a\":[0,{}], \"b\":\"[,:,]\"}");
    limits.node_max = 7;
    cr_assert_eq(scene_json_open(&json, crdt_alloc_default(), fits, &limits, &diag),
                 CRDT_OK, "%s", diag.text);
    scene_json_close(json);
    limits.node_max = 6;
    cr_expect_eq(scene_json_open(&json, crdt_alloc_default(), fits, &limits, &diag),
                 CRDT_ELIMIT);
    cr_expect_eq(diag.column, 18, "%u", diag.column);
    cr_expect(strstr(diag.text, "more than 6 values and keys") != NULL, "%s",
              diag.text);
    /* What it takes is bounded, however long the text is. */
    size_t size = (size_t)4 << 20;
    uint8_t *text = malloc(size);
    memset(text, ',', size);
    for (size_t i = 1; i < size; i += 2) {
        text[i] = '0';
    }
    text[0] = '[';
    text[size - 1] = ']';
    fault_alloc meter;
    crdt_alloc counted = fault_alloc_init(&meter);
    limits.node_max = 100000;
    cr_expect_eq(
        scene_json_open(&json, counted, (crdt_span){text, size}, &limits, &diag),
        CRDT_ELIMIT);
    cr_expect_eq(diag.offset, 199999);
    cr_expect_lt(meter.live_size_max, size + 2 * 100000 * sizeof(scene_json_node));
    cr_expect(fault_alloc_balanced(&meter));
    free(text);
    cr_expect_eq(scene_json_limits_default().node_max, (size_t)1 << 24);
}

/* The nodes say where each value stands, and step over whole values. */
Test(json, nodes_know_their_place)
{
    crdt_span text = crdt_span_of("{\"a\": [1, {\"b\":\"x\"}],\n \"c\\u0064\": null}");
    scene_json *json = NULL;
    cr_assert_eq(scene_json_open(&json, crdt_alloc_default(), text, NULL, NULL),
                 CRDT_OK);
    const scene_json_node *root = scene_json_root(json);
    cr_expect_eq(root->as.span, 9);
    const scene_json_node *a = scene_json_find(root, "a");
    cr_assert_not_null(a);
    cr_expect_eq(a->type, SCENE_JSON_ARRAY);
    cr_expect_eq(a->offset, 6);
    cr_expect_eq(a->count, 2);
    const scene_json_node *object = scene_json_next(a + 1);
    cr_expect_eq(object->offset, 10);
    const scene_json_node *last = scene_json_find(root, "cd");
    cr_assert_not_null(last);
    cr_expect_eq(last->type, SCENE_JSON_NULL);
    cr_expect_null(scene_json_find(root, "b"));
    crdt_diag diag;
    cr_expect_eq(scene_json_refuse(json, last, &diag, CRDT_EINVAL, "no %s", "null"),
                 CRDT_EINVAL);
    cr_expect_eq(diag.line, 2);
    cr_expect_eq(diag.column, 13);
    cr_expect_str_eq(diag.text, "no null");
    scene_json_close(json);
    /* A scalar is wrapped inside; its place is not. */
    text = crdt_span_of("  7");
    cr_assert_eq(scene_json_open(&json, crdt_alloc_default(), text, NULL, NULL),
                 CRDT_OK);
    cr_expect_eq(scene_json_root(json)->offset, 2);
    scene_json_refuse(json, scene_json_root(json), &diag, CRDT_EINVAL, "x");
    cr_expect_eq(diag.column, 3);
    scene_json_close(json);
}

/* A random value as text, with all that is odd but allowed. */
static void write_random(gen *g, crdt_buf *out, int depth)
{
    static const char *const SCALARS[] = {
        "null",        "true",
        "false",       "0",
        "-0",          "1.5e3",
        "-12",         "1e-9",
        "\"\"",        "\"a\"",
        "\"\\u00e9\"", "\"\\ud83d\\ude00\"",
        "\"\\n\\\"\"", "12345678901234567890123",
    };
    uint64_t pick = gen_below(g, depth > 5 ? 3 : 5);
    const char *blank = gen_below(g, 4) == 0 ? " \n" : "";
    crdt_buf_append(out, blank, strlen(blank));
    if (pick < 3) {
        const char *text = SCALARS[gen_below(g, sizeof(SCALARS) / sizeof(SCALARS[0]))];
        crdt_buf_append(out, text, strlen(text));
        return;
    }
    size_t count = (size_t)gen_below(g, 12);
    crdt_buf_append(out, pick == 3 ? "[" : "{", 1);
    for (size_t i = 0; i < count; i++) {
        char key[32];
        int size = snprintf(key, sizeof(key), "%s\"k%d\": ", i > 0 ? "," : "",
                            (int)((i * 7) % 12));
        crdt_buf_append(out, pick == 3 ? "," : key,
                        pick == 3 ? (i > 0 ? 1 : 0) : (size_t)size);
        write_random(g, out, depth + 1);
    }
    crdt_buf_append(out, pick == 3 ? "]" : "}", 1);
}

/* The fast parser and the fault finder share no code: on random damage they must agree
 * whether a text is JSON, and a fault must come with a place. */
Test(json, parser_and_fault_finder_agree)
{
    uint64_t seed = gen_seed(5000);
    static const char NOISE[] =
        "[]{},:\"\\0123456789eE+-.truefalsn u\n\x01\xff\xc3\xed";
    for (int run = 0; run < 5000; run++) {
        gen g = gen_open(seed + (uint64_t)run, NULL);
        crdt_buf text;
        crdt_buf_init(&text, crdt_alloc_default());
        write_random(&g, &text, 0);
        size_t damage = (size_t)gen_below(&g, 4);
        for (size_t i = 0; i < damage; i++) {
            size_t at = (size_t)gen_below(&g, text.size);
            if (gen_below(&g, 5) == 0) {
                text.size = at + 1;
            } else {
                text.data[at] = (uint8_t)NOISE[gen_below(&g, sizeof(NOISE) - 1)];
            }
        }
        crdt_diag fault = {0};
        crdt_err found = scene_json_fault_find(crdt_buf_span(&text), 128, &fault);
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        crdt_diag diag = {0};
        crdt_err err = canonical(crdt_buf_span(&text), &out, &diag);
        bool twice = strstr(diag.text, "stands twice") != NULL;
        cr_assert(found == err || (found == CRDT_OK && err == CRDT_ECORRUPT && twice),
                  "seed %llu run %d: %s, %s (%s): %.*s", (unsigned long long)seed, run,
                  crdt_err_name(found), crdt_err_name(err), diag.text, (int)text.size,
                  (const char *)text.data);
        if (err == CRDT_OK) { /* what is written reads as itself */
            crdt_buf again;
            crdt_buf_init(&again, crdt_alloc_default());
            cr_assert_eq(canonical(crdt_buf_span(&out), &again, NULL), CRDT_OK);
            cr_assert(crdt_span_equal(crdt_buf_span(&out), crdt_buf_span(&again)));
            crdt_buf_deinit(&again);
        } else {
            cr_assert_gt(diag.line, 0);
            cr_assert_gt(diag.text[0], 0);
        }
        crdt_buf_deinit(&out);
        crdt_buf_deinit(&text);
    }
}

/* Doubles of every kind come back as they were. */
Test(json, numbers_survive)
{
    uint64_t seed = gen_seed(1);
    gen g = gen_open(seed, NULL);
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = gen_next(&g);
        double number;
        memcpy(&number, &bits, sizeof(number));
        if (i % 3 == 0) {
            number = (double)(float)((int64_t)bits % 1000000) / 1024.0;
        }
        if (!isfinite(number)) {
            continue;
        }
        char text[SCENE_JSON_NUMBER_SIZE];
        size_t size = scene_json_number_format(number, text);
        double back = scene_json_number_parse((crdt_span){(uint8_t *)text, size});
        cr_assert_eq(number, back, "%.17g became %.*s", number, (int)size, text);
    }
}

/* A text of digits, drawn, and what the C library reads in it. */
static double draw_number(gen *g, char text[80])
{
    char *at = text;
    if (gen_chance(g, 30)) {
        *at++ = '-';
    }
    size_t whole = 1 + gen_next(g) % (gen_chance(g, 80) ? 6 : 22);
    for (size_t i = 0; i < whole; i++) {
        *at++ = (char)('0' + gen_next(g) % 10);
    }
    char *first = at - whole;
    if (whole > 1 && *first == '0') {
        *first = '7';
    }
    if (gen_chance(g, 70)) {
        *at++ = '.';
        for (size_t i = 1 + gen_next(g) % (gen_chance(g, 80) ? 9 : 24); i > 0; i--) {
            *at++ = (char)('0' + (gen_chance(g, 20) ? 0 : gen_next(g) % 10));
        }
    }
    *at = 0;
    if (gen_chance(g, 20)) {
        snprintf(at, 16, "%c%s%d", gen_chance(g, 50) ? 'e' : 'E',
                 gen_chance(g, 30) ? "+" : "", (int)(gen_next(g) % 200));
    }
    return strtod(text, NULL);
}

/* Numbers are rounded once, however they are written. (The first reader took
 * 0.09208576009560544300710 for 0.0000365: simdjson 3.0 miscounts its digits.) */
Test(json, reads_the_nearest_double)
{
    gen g = gen_open(gen_seed(1), NULL);
    for (int i = 0; i < 20000; i++) {
        char text[96] = "[";
        double wanted = draw_number(&g, text + 1);
        size_t size = strlen(text);
        text[size++] = ']';
        scene_json *json = NULL;
        cr_assert_eq(scene_json_open(&json, crdt_alloc_default(),
                                     (crdt_span){(uint8_t *)text, size}, NULL, NULL),
                     CRDT_OK, "%.*s", (int)size, text);
        double number = scene_json_root(json)[1].as.number;
        cr_assert_eq(number, wanted, "%.*s was read as %.17g", (int)size, text, number);
        scene_json_close(json);
    }
}

/* Takes the elements down as "offset:nodes ". */
typedef struct taken {
    char text[200];
    crdt_err err; /* given after `err_after` elements */
    size_t err_after;
} taken;

static crdt_err take(void *ctx, const scene_json *json, const scene_json_node *element)
{
    taken *t = ctx;
    (void)json;
    size_t size = strlen(t->text);
    snprintf(t->text + size, sizeof t->text - size, "%u:%d ", element->offset,
             (int)(scene_json_next(element) - element));
    return t->err_after-- == 0 ? t->err : CRDT_OK;
}

/* The elements of one list of the root are handed out and not kept; all else is as always,
 * and so are the refusals. */
Test(json, elements_can_be_taken_one_at_a_time)
{
    static const struct {
        const char *text;
        const char *taken;
        crdt_err err;
        uint32_t nodes; /* of the root, if it can be read */
    } ROWS[] = {
        {"{\"a\":[1],\"e\":[{\"e\":[1,2]},[\"\\n\"],7],\"z\":\"\\t\"}",
         "14:5 26:2 33:1 ", CRDT_OK, 8},
        {"{\"e\":[]}", "", CRDT_OK, 3},
        {"{\"e\":{\"e\":[1]}}", "", CRDT_OK, 6},
        {"[[1],[2]]", "", CRDT_OK, 5},
        {"{\"e\":[1,2", "6:1 8:1 ", CRDT_ECORRUPT, 0},
        {"{\"e\":[1,{\"a\":1,\"a\":2}]}", "6:1 ", CRDT_ECORRUPT, 0},
        {"{\"e\":[1],\"e\":[2]}", "6:1 14:1 ", CRDT_ECORRUPT, 0},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        taken t = {.err_after = SIZE_MAX};
        const scene_json_each each = {.key = "e", .ctx = &t, .take = take};
        scene_json *json = NULL;
        crdt_err err = scene_json_open_each(
            &json, crdt_alloc_default(), crdt_span_of(ROWS[i].text), NULL, &each, NULL);
        cr_expect_eq(err, ROWS[i].err, "%s", ROWS[i].text);
        cr_expect_str_eq(t.text, ROWS[i].taken, "%s", ROWS[i].text);
        if (err == CRDT_OK) {
            const scene_json_node *root = scene_json_root(json);
            cr_expect_eq(scene_json_next(root) - root, ROWS[i].nodes, "%s",
                         ROWS[i].text);
            const scene_json_node *z = scene_json_find(root, "z");
            cr_expect(z == NULL ||
                      crdt_span_equal(scene_json_text(z), crdt_span_of("\t")));
            scene_json_close(json);
        }
    }
    taken t = {.err = CRDT_ENOTFOUND, .err_after = 1};
    const scene_json_each each = {.key = "e", .ctx = &t, .take = take};
    scene_json_limits limits = scene_json_limits_default();
    scene_json *json = NULL;
    crdt_span text = crdt_span_of("{\"e\":[1,2,3]}");
    cr_expect_eq(
        scene_json_open_each(&json, crdt_alloc_default(), text, &limits, &each, NULL),
        CRDT_ENOTFOUND);
    cr_expect_str_eq(t.text, "6:1 8:1 ");
    limits.node_max = 4; /* what was handed out counts too */
    t.err = CRDT_OK;
    cr_expect_eq(
        scene_json_open_each(&json, crdt_alloc_default(), text, &limits, &each, NULL),
        CRDT_ELIMIT);
}

/* A borrowed text is read where it stands, up to its last byte and no further. */
Test(json, a_text_can_be_borrowed)
{
    static const char *const TEXTS[] = {
        "{\"a\":[1,true]}", "[\"\"]", "[12.5]", "[null]", "7",       "\"x\"",
        "[\"x\"",           "[\"x",   "[tr]",   "[1e]",   "{\"a\"}", "]",
        "[1]  \n"};
    scene_json_limits limits = scene_json_limits_default();
    limits.borrow = true;
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        size_t size = strlen(TEXTS[i]);
        uint8_t *text =
            malloc(size); /* a reader beyond it is told on by the sanitizer */
        memcpy(text, TEXTS[i], size);
        scene_json *borrowed = NULL;
        scene_json *copied = NULL;
        crdt_diag diags[2] = {{.text = ""}, {.text = ""}};
        crdt_span span = {text, size};
        crdt_err err =
            scene_json_open(&borrowed, crdt_alloc_default(), span, &limits, &diags[0]);
        cr_expect_eq(
            err, scene_json_open(&copied, crdt_alloc_default(), span, NULL, &diags[1]),
            "%s", TEXTS[i]);
        cr_expect_str_eq(diags[0].text, diags[1].text);
        if (err == CRDT_OK) {
            scene_json_close(borrowed);
            scene_json_close(copied);
        }
        free(text);
    }
}

/* Strings of all lengths, with something to escape at each place. */
Test(json, escapes_stand_anywhere)
{
    for (size_t size = 0; size < 40; size++) {
        for (size_t at = 0; at <= size; at++) {
            char text[128] = "[\"";
            char wanted[128];
            memset(text + 2, 'x', size);
            memset(wanted, 'x', size);
            size_t unescaped = size;
            if (at < size) {
                memmove(text + 2 + at + 6, text + 2 + at + 1, size - at - 1);
                memcpy(text + 2 + at, "\\u00e9", 6);
                memmove(wanted + at + 2, wanted + at + 1, size - at - 1);
                memcpy(wanted + at, "\xc3\xa9", 2);
                unescaped++;
            }
            memcpy(text + 2 + size + (at < size ? 5 : 0), "\"]", 3);
            scene_json *json = NULL;
            cr_assert_eq(scene_json_open(&json, crdt_alloc_default(),
                                         crdt_span_of(text), NULL, NULL),
                         CRDT_OK, "%s", text);
            crdt_span got = scene_json_text(scene_json_root(json) + 1);
            cr_assert_eq(got.size, unescaped, "%s", text);
            cr_assert(memcmp(got.data, wanted, unescaped) == 0, "%s", text);
            scene_json_close(json);
        }
    }
}

/* Whatever allocation fails, the caller gets ENOMEM and nothing leaks. */
Test(json, every_allocation_may_fail)
{
    crdt_span text = crdt_span_of(
        "{\"i\":1,\"h\":2,\"g\":3,\"f\":[1,2,3,\"\\u0041\"],\"e\":5,\"d\":{\"x\":{}},"
        "\"c\":7,\"b\":8,\"a\":9,\"z\":[[],[],[],[],[],[],[],[],[],[]]}");
    bool succeeded = false;
    for (uint64_t fail = 0; !succeeded; fail++) {
        cr_assert_lt(fail, 1000);
        fault_alloc faults;
        crdt_alloc alloc = fault_alloc_init(&faults);
        fault_alloc_fail_at(&faults, fail);
        crdt_buf out;
        crdt_buf_init(&out, alloc);
        crdt_diag diag = {0};
        crdt_err err = scene_json_to_value(text, alloc, &out, &diag);
        succeeded = err == CRDT_OK;
        cr_assert(succeeded || err == CRDT_ENOMEM, "%s", crdt_err_name(err));
        crdt_buf_deinit(&out);
        cr_assert(fault_alloc_balanced(&faults), "allocation %llu leaks",
                  (unsigned long long)fail);
    }
}
