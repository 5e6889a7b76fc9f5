/* The one file that meets simdjson and double-conversion: they turn the text of a number
 * into a double and back. All else is read here, in one pass, straight into nodes. Errors
 * are codes throughout: simdjson is built without exceptions, and nothing here throws. */

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <double-conversion/double-to-string.h>
#include <double-conversion/string-to-double.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdbool.h>

extern "C" {
#include "crdt/value.h"
#include "scene/json.h"
#include "scene/json_fault.h"
}

/* Counts of nodes have 28 bits. */
#define SIZE_MAX_EVER ((static_cast<size_t>(1) << 28) - 1)

struct scene_json {
    crdt_alloc alloc;
    crdt_span text; /* the copy, or where it is borrowed what was given */
    char *copy;     /* NULL: it is borrowed */
    size_t copy_size;
    char *strings; /* those that had escapes; as large as the text, or not there */
    size_t strings_used;
    scene_json_node *nodes;
    size_t node_count;
    size_t node_capacity;
    const scene_json_node **scratch; /* keys of one object, to find duplicates */
    size_t scratch_capacity;
    uint32_t depth_max;
    uint32_t depth; /* of the deepest container */
    bool no_memory;
    const scene_json_node *duplicate;
};

#define NODE_MAX_DEFAULT (static_cast<size_t>(1) << 24)

scene_json_limits scene_json_limits_default(void)
{
    return scene_json_limits{99999999, CRDT_VALUE_DEPTH_MAX, NODE_MAX_DEFAULT, false};
}

/* ---- numbers ---- */

double scene_json_number_parse(crdt_span text)
{
    using double_conversion::StringToDoubleConverter;
    static const StringToDoubleConverter converter(StringToDoubleConverter::NO_FLAGS,
                                                   NAN, NAN, nullptr, nullptr);
    int used = 0;
    return converter.StringToDouble(reinterpret_cast<const char *>(text.data),
                                    static_cast<int>(text.size), &used);
}

size_t scene_json_number_format(double number, char text[SCENE_JSON_NUMBER_SIZE])
{
    size_t short_size = scene_json_number_short(number, text);
    if (short_size > 0) {
        return short_size;
    }
    double_conversion::StringBuilder builder(text, SCENE_JSON_NUMBER_SIZE);
    double_conversion::DoubleToStringConverter::EcmaScriptConverter().ToShortest(
        number, &builder);
    int size = builder.position();
    builder.Finalize();
    return static_cast<size_t>(size);
}

/* ---- the reader ---- */

/* A container that is being read. */
struct open_container {
    uint32_t node;
    uint32_t count;
    bool object;
};

/* Goes over the text once. A function that gives false has met a fault, or no memory
 * (json->no_memory). The text ends with a mark (} or ]) or with padding, at which digits,
 * letters and blanks end, so only strings have to look for the end. */
struct reader {
    scene_json *json;
    const char *begin;
    const char *at;
    const char *end;
    size_t node_max;
    const char *too_many;        /* where the first node stands that is one too many */
    const scene_json_each *each; /* NULL: all is kept */
    uint32_t each_list;          /* its list's node, NO_NODE: not met yet */
    size_t each_count;           /* nodes that were handed out */
    size_t each_strings;         /* strings_used before the list */
    crdt_err each_err;
    uint32_t depth;
    open_container open[SCENE_JSON_DEPTH_MAX];
};

#define NO_NODE UINT32_MAX

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* May a number or a word end before `c`? */
static bool ends_scalar(char c)
{
    return c == ',' || c == ']' || c == '}' || is_blank(c);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek_far(reader *r)
{
    while (r->at < r->end && is_blank(*r->at)) {
        r->at++;
    }
    return r->at < r->end ? *r->at : '\0';
}

/* What begins next, at r->at: '\0' at the end. */
static inline char peek(reader *r)
{
    if (r->at < r->end && !is_blank(*r->at)) {
        return *r->at;
    }
    return peek_far(r);
}

static bool grow_nodes(reader *r)
{
    scene_json *json = r->json;
    if (json->node_count == r->node_max) {
        r->too_many = r->at;
        return false;
    }
    size_t capacity =
        std::min(json->node_capacity + json->node_capacity / 2 + 16, r->node_max);
    void *grown = crdt_resize_array(json->alloc, json->nodes, json->node_capacity,
                                    capacity, sizeof(scene_json_node));
    if (grown == nullptr) {
        json->no_memory = true;
        return false;
    }
    json->nodes = static_cast<scene_json_node *>(grown);
    json->node_capacity = capacity;
    return true;
}

/* Append a node for what begins at r->at; nullptr: no memory, or too many. */
static inline scene_json_node *push_node(reader *r, scene_json_type type,
                                         size_t count = 0)
{
    scene_json *json = r->json;
    if (json->node_count == json->node_capacity && !grow_nodes(r)) {
        return nullptr;
    }
    scene_json_node *node = &json->nodes[json->node_count++];
    *node = scene_json_node{type & 7u,
                            0,
                            static_cast<uint32_t>(count) & SCENE_JSON_COUNT_MAX,
                            static_cast<uint32_t>(r->at - r->begin),
                            {}};
    return node;
}

/* ---- strings ---- */

/* Four hexadecimal digits; false: they are none. */
static bool read_hex(const char *at, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        char letter = static_cast<char>(c | 0x20);
        if (is_digit(c)) {
            *code = *code << 4 | static_cast<uint32_t>(c - '0');
        } else if (letter >= 'a' && letter <= 'f') {
            *code = *code << 4 | static_cast<uint32_t>(letter - 'a' + 10);
        } else {
            return false;
        }
    }
    return true;
}

static char *put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = static_cast<char>(code);
        return to;
    }
    if (code < 0x800) {
        *to++ = static_cast<char>(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *to++ = static_cast<char>(0xe0 | code >> 12);
        } else {
            *to++ = static_cast<char>(0xf0 | code >> 18);
            *to++ = static_cast<char>(0x80 | (code >> 12 & 0x3f));
        }
        *to++ = static_cast<char>(0x80 | (code >> 6 & 0x3f));
    }
    *to++ = static_cast<char>(0x80 | (code & 0x3f));
    return to;
}

/* The code point of \uXXXX, or of a pair of them; *at stands behind the first `u`. */
static bool read_code_point(const char **at, const char *end, uint32_t *code)
{
    if (end - *at < 4 || !read_hex(*at, code)) {
        return false;
    }
    *at += 4;
    if (*code < 0xd800 || *code > 0xdfff) {
        return true;
    }
    uint32_t low = 0;
    if (*code > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u' ||
        !read_hex(*at + 2, &low) || low < 0xdc00 || low > 0xdfff) {
        return false; /* half of a surrogate pair */
    }
    *at += 6;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* Copy what stands between the quotes to `to`, without escapes; nullptr: a fault. */
static char *unescape(const char *at, const char *end, char *to)
{
    static const char NAMES[] = "\"\\/bfnrt";
    static const char MEANINGS[] = "\"\\/\b\f\n\r\t";
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        at++;
        const char *name = at < end && *at != '\0' ? std::strchr(NAMES, *at) : nullptr;
        if (name != nullptr) {
            *to++ = MEANINGS[name - NAMES];
            at++;
            continue;
        }
        uint32_t code = 0;
        if (at == end || *at++ != 'u' || !read_code_point(&at, end, &code)) {
            return nullptr;
        }
        to = put_utf8(to, code);
    }
    return to;
}

static bool take_escaped(reader *r, const char *at, size_t size, scene_json_node *node)
{
    scene_json *json = r->json;
    if (json->strings == nullptr) { /* no string grows by losing its escapes */
        json->strings =
            static_cast<char *>(crdt_allocate(json->alloc, json->text.size));
        json->no_memory = json->strings == nullptr;
        if (json->no_memory) {
            return false;
        }
    }
    char *begin = json->strings + json->strings_used;
    const char *end = unescape(at, at + size, begin);
    if (end == nullptr) {
        return false;
    }
    size_t unescaped = static_cast<size_t>(end - begin);
    json->strings_used += unescaped;
    node->count = static_cast<uint32_t>(unescaped) & SCENE_JSON_COUNT_MAX;
    node->as.text = reinterpret_cast<const uint8_t *>(begin);
    return true;
}

/* The high bit of the first byte that is a quote, a backslash, a control character or no
 * ASCII; above it others may be marked wrongly. 0: there is none. */
static uint64_t find_special(uint64_t word)
{
    const uint64_t each = 0x0101010101010101;
    uint64_t quote = word ^ (each * '"');
    uint64_t backslash = word ^ (each * '\\');
    uint64_t marks = ((quote - each) & ~quote) | ((backslash - each) & ~backslash) |
                     (word - each * 0x20) | word;
    return marks & (each << 7);
}

/* Steps over bytes that need no look, eight at a time. */
static inline const char *skip_plain(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word;
        std::memcpy(&word, at, sizeof word);
        uint64_t special = find_special(word);
        if (special != 0) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            at += __builtin_ctzll(special) / 8;
#endif
            return at;
        }
        at += 8;
    }
    return at;
}

/* The string that begins here and has escapes, or other than ASCII, or is faulty. */
static bool read_odd_string(reader *r)
{
    scene_json_node *node = push_node(r, SCENE_JSON_STRING);
    if (node == nullptr) {
        return false;
    }
    const char *begin = r->at + 1;
    const char *at = begin;
    bool escaped = false;
    uint8_t seen = 0;
    for (;;) {
        at = skip_plain(at, r->end);
        if (at >= r->end || static_cast<uint8_t>(*at) < 0x20) {
            return false;
        }
        if (*at == '"') {
            break;
        }
        if (*at == '\\') { /* what follows is no quote that ends it */
            escaped = true;
            at++;
        }
        seen |= static_cast<uint8_t>(*at);
        at++;
    }
    size_t size = static_cast<size_t>(at - begin);
    r->at = at + 1;
    if (seen >= 0x80 &&
        !crdt_utf8_valid(crdt_span{reinterpret_cast<const uint8_t *>(begin), size},
                         nullptr)) {
        return false;
    }
    if (escaped) {
        return take_escaped(r, begin, size, node);
    }
    node->count = static_cast<uint32_t>(size) & SCENE_JSON_COUNT_MAX;
    node->as.text = reinterpret_cast<const uint8_t *>(begin);
    return true;
}

/* The string that begins here: mostly it is plain up to its end. */
static inline bool read_string(reader *r)
{
    const char *begin = r->at + 1;
    const char *at = skip_plain(begin, r->end);
    if (at >= r->end || *at != '"') {
        return read_odd_string(r);
    }
    scene_json_node *node =
        push_node(r, SCENE_JSON_STRING, static_cast<size_t>(at - begin));
    if (node == nullptr) {
        return false;
    }
    node->as.text = reinterpret_cast<const uint8_t *>(begin);
    r->at = at + 1;
    return true;
}

/* ---- numbers and words ---- */

static const char *skip_digits(const char *at, uint64_t *number)
{
    for (; is_digit(*at); at++) {
        *number = *number * 10 + static_cast<uint64_t>(*at - '0');
    }
    return at;
}

/* Steps over an exponent; nullptr: it has no digits. */
static const char *skip_exponent(const char *at)
{
    at++;
    if (*at == '-' || *at == '+') {
        at++;
    }
    uint64_t unused = 0;
    const char *end = skip_digits(at, &unused);
    return end == at ? nullptr : end;
}

/* A number of at most 15 digits and 22 decimals is the quotient of two doubles that are
 * exact, and so is rounded once (W. Clinger, "How to read floating point numbers
 * accurately", 1990). All others are the libraries'. */
static bool read_double(const char *text, double *number, const char **end)
{
    static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool negative = *text == '-';
    const char *begin = text + (negative ? 1 : 0);
    uint64_t digits = 0;
    const char *at = skip_digits(begin, &digits);
    if (at == begin || (*begin == '0' && at - begin > 1)) {
        return false;
    }
    ptrdiff_t count = at - begin;
    ptrdiff_t decimals = 0;
    if (*at == '.') {
        const char *point = at;
        at = skip_digits(at + 1, &digits);
        decimals = at - point - 1;
        if (decimals == 0) {
            return false;
        }
    }
    bool simple = *at != 'e' && *at != 'E';
    if (!simple) {
        at = skip_exponent(at);
    }
    if (at == nullptr || !ends_scalar(*at)) {
        return false;
    }
    *end = at;
    if (simple && count + decimals <= 15) {
        double quotient = static_cast<double>(digits) / POWERS[decimals];
        *number = negative ? -quotient : quotient;
        return true;
    }
    /* simdjson 3.0 reads 0.09208576009560544300710 as 0.0000365: it counts the digits of
     * a fraction wrong. */
    if (count + decimals > 19) {
        *number = scene_json_number_parse(crdt_span{
            reinterpret_cast<const uint8_t *>(text), static_cast<size_t>(at - text)});
        return std::isfinite(*number);
    }
    return simdjson::SIMDJSON_BUILTIN_IMPLEMENTATION::numberparsing::parse_double(
               reinterpret_cast<const uint8_t *>(text))
                   .get(*number) == simdjson::SUCCESS &&
           std::isfinite(*number);
}

static bool read_number(reader *r)
{
    scene_json_node *node = push_node(r, SCENE_JSON_NUMBER);
    return node != nullptr && read_double(r->at, &node->as.number, &r->at);
}

static bool read_word(reader *r, const char *word, ptrdiff_t size, scene_json_type type)
{
    if (r->end - r->at < size || std::memcmp(r->at, word, size) != 0 ||
        !ends_scalar(r->at[size])) {
        return false;
    }
    scene_json_node *node = push_node(r, type);
    if (node == nullptr) {
        return false;
    }
    node->boolean = *word == 't';
    r->at += size;
    return true;
}

/* ---- keys ---- */

static bool key_before(const scene_json_node *a, const scene_json_node *b)
{
    if (a->count != b->count) {
        return a->count < b->count;
    }
    int order = std::memcmp(a->as.text, b->as.text, a->count);
    return order != 0 ? order < 0 : a->offset < b->offset;
}

static bool key_equal(const scene_json_node *a, const scene_json_node *b)
{
    return a->count == b->count && std::memcmp(a->as.text, b->as.text, a->count) == 0;
}

/* The first key that stands twice in an object of many; false: no memory. */
static bool check_many_keys(scene_json *json, const scene_json_node *object)
{
    if (json->scratch_capacity < object->count) {
        void *grown =
            crdt_resize_array(json->alloc, json->scratch, json->scratch_capacity,
                              object->count, sizeof(const scene_json_node *));
        if (grown == nullptr) {
            json->no_memory = true;
            return false;
        }
        json->scratch = static_cast<const scene_json_node **>(grown);
        json->scratch_capacity = object->count;
    }
    const scene_json_node *key = object + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        json->scratch[i] = key;
        key = scene_json_next(key + 1);
    }
    std::sort(json->scratch, json->scratch + object->count, key_before);
    for (uint32_t i = 1; i < object->count; i++) {
        if (key_equal(json->scratch[i - 1], json->scratch[i])) {
            json->duplicate = json->scratch[i];
            return false;
        }
    }
    return true;
}

static bool check_keys(scene_json *json, const scene_json_node *object)
{
    if (object->count > 8) {
        return check_many_keys(json, object);
    }
    const scene_json_node *key = object + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        const scene_json_node *other = object + 1;
        for (uint32_t j = 0; j < i; j++) {
            if (key_equal(key, other)) {
                json->duplicate = key;
                return false;
            }
            other = scene_json_next(other + 1);
        }
        key = scene_json_next(key + 1);
    }
    return true;
}

/* A key and its colon. */
static inline bool read_key(reader *r)
{
    if (peek(r) != '"' || !read_string(r) || peek(r) != ':') {
        return false;
    }
    r->at++;
    return true;
}

/* ---- values ---- */

static bool open_node(reader *r, bool object)
{
    if (r->depth == r->json->depth_max) {
        return false;
    }
    uint32_t index = static_cast<uint32_t>(r->json->node_count);
    if (push_node(r, object ? SCENE_JSON_OBJECT : SCENE_JSON_ARRAY) == nullptr) {
        return false;
    }
    r->at++;
    r->open[r->depth++] = open_container{index, 0, object};
    r->json->depth = std::max(r->json->depth, r->depth);
    return true;
}

/* ---- elements that are handed out ---- */

/* Is the list that was just opened the one whose elements are wanted? */
static void note_list(reader *r)
{
    const open_container *list = &r->open[r->depth - 1];
    if (r->each == nullptr || r->depth != 2 || list->object || !r->open[0].object) {
        return;
    }
    const scene_json_node *key = &r->json->nodes[list->node - 1];
    if (crdt_span_equal(scene_json_text(key), crdt_span_of(r->each->key))) {
        r->each_list = list->node;
        r->each_strings = r->json->strings_used;
    }
}

/* The element that was just read, all of it. */
static bool hand_out(reader *r)
{
    scene_json *json = r->json;
    size_t first = static_cast<size_t>(r->each_list) + 1;
    r->each_count += json->node_count - first;
    if (r->each_count + first > r->node_max) {
        r->too_many = r->at;
        return false;
    }
    r->each_err = r->each->take(r->each->ctx, json, json->nodes + first);
    json->node_count = first;
    json->strings_used = r->each_strings;
    return r->each_err == CRDT_OK;
}

/* At its closing mark. */
static bool close_node(reader *r)
{
    const open_container *container = &r->open[--r->depth];
    scene_json_node *node = &r->json->nodes[container->node];
    r->at++;
    node->count = container->count & SCENE_JSON_COUNT_MAX;
    node->as.span = static_cast<uint32_t>(r->json->node_count - container->node);
    if (container->node == r->each_list) {
        node->count = 0;
    }
    return !container->object || check_keys(r->json, node);
}

/* The value that begins here; of a container that is not empty its opening mark alone, and
 * of an object the first key: `*opened`. */
static bool read_value(reader *r, bool *opened)
{
    char c = peek(r);
    *opened = false;
    switch (c) {
    case '{':
    case '[':
        if (!open_node(r, c == '{')) {
            return false;
        }
        if (peek(r) == (c == '{' ? '}' : ']')) {
            return close_node(r);
        }
        *opened = true;
        note_list(r);
        return c == '[' || read_key(r);
    case '"':
        return read_string(r);
    case 't':
        return read_word(r, "true", 4, SCENE_JSON_BOOL);
    case 'f':
        return read_word(r, "false", 5, SCENE_JSON_BOOL);
    case 'n':
        return read_word(r, "null", 4, SCENE_JSON_NULL);
    case '\0':
        return false;
    default:
        return read_number(r);
    }
}

/* A value is complete: so are all containers that it is the last of. Up to where the next
 * value begins, or the end. */
static bool read_marks(reader *r)
{
    while (r->depth > 0) {
        open_container *container = &r->open[r->depth - 1];
        if (container->node == r->each_list && !hand_out(r)) {
            return false;
        }
        char mark = peek(r);
        container->count++;
        if (mark == ',') {
            r->at++;
            return !container->object || read_key(r);
        }
        if (mark != (container->object ? '}' : ']') || !close_node(r)) {
            return false;
        }
    }
    return true;
}

/* No recursion: open containers lie in the reader. */
static bool read_all(reader *r)
{
    do {
        bool opened = true;
        while (opened) {
            if (!read_value(r, &opened)) {
                return false;
            }
        }
        if (!read_marks(r)) {
            return false;
        }
    } while (r->depth > 0);
    return peek(r) == '\0' && r->at == r->end;
}

/* ---- opening ---- */

#define PADDING 8u

/* A text that is an array or object ends by itself; others get blanks behind them. */
static bool ends_with_mark(crdt_span text)
{
    size_t size = text.size;
    while (size > 0 && is_blank(static_cast<char>(text.data[size - 1]))) {
        size--;
    }
    return size > 0 && (text.data[size - 1] == '}' || text.data[size - 1] == ']');
}

static bool copy_text(scene_json *json)
{
    size_t size = json->text.size;
    json->copy = static_cast<char *>(crdt_allocate(json->alloc, size + PADDING));
    if (json->copy == nullptr) {
        return false;
    }
    json->copy_size = size + PADDING;
    if (size > 0) {
        std::memcpy(json->copy, json->text.data, size);
    }
    std::memset(json->copy + size, ' ', PADDING);
    json->text.data = reinterpret_cast<const uint8_t *>(json->copy);
    return true;
}

/* Say what is wrong: where and why is the fault finder's to know. */
static crdt_err explain(const reader *r, crdt_diag *diag)
{
    const scene_json *json = r->json;
    if (json->no_memory) {
        return crdt_diag_set(diag, CRDT_ENOMEM, 0, "no memory to read the JSON");
    }
    if (r->each_err != CRDT_OK) {
        return r->each_err;
    }
    if (r->too_many != nullptr) {
        crdt_err err = crdt_diag_set(diag, CRDT_ELIMIT,
                                     static_cast<uint64_t>(r->too_many - r->begin),
                                     "more than %zu values and keys", r->node_max);
        scene_json_fault_locate(json->text, diag);
        return err;
    }
    if (json->duplicate != nullptr) {
        crdt_span key = scene_json_text(json->duplicate);
        int shown = static_cast<int>(key.size < 60 ? key.size : 60);
        return scene_json_refuse(json, json->duplicate, diag, CRDT_ECORRUPT,
                                 "the key \"%.*s\" stands twice in one object", shown,
                                 reinterpret_cast<const char *>(key.data));
    }
    crdt_err err = scene_json_fault_find(json->text, json->depth_max, diag);
    if (err == CRDT_OK) {
        err = crdt_diag_set(diag, CRDT_ECORRUPT, 0, "this is no JSON");
    }
    return err;
}

static crdt_err read_text(scene_json *json, const scene_json_limits *limits,
                          const scene_json_each *each, crdt_diag *diag)
{
    json->no_memory =
        !(limits->borrow && ends_with_mark(json->text)) && !copy_text(json);
    const char *text = reinterpret_cast<const char *>(json->text.data);
    reader r = {};
    r.json = json;
    r.begin = text;
    r.at = text;
    r.end = text + json->text.size;
    r.node_max = limits->node_max != 0 ? limits->node_max : NODE_MAX_DEFAULT;
    r.each = each;
    r.each_list = NO_NODE;
    return !json->no_memory && read_all(&r) ? CRDT_OK : explain(&r, diag);
}

static crdt_err refuse_size(crdt_span text, size_t size_max, crdt_diag *diag)
{
    crdt_err err = crdt_diag_set(diag, CRDT_ELIMIT, size_max,
                                 "the text has %zu bytes; at most %zu are read",
                                 text.size, size_max);
    scene_json_fault_locate(text, diag);
    return err;
}

crdt_err scene_json_open(scene_json **out, crdt_alloc alloc, crdt_span text,
                         const scene_json_limits *limits, crdt_diag *diag)
{
    return scene_json_open_each(out, alloc, text, limits, nullptr, diag);
}

crdt_err scene_json_open_each(scene_json **out, crdt_alloc alloc, crdt_span text,
                              const scene_json_limits *limits,
                              const scene_json_each *each, crdt_diag *diag)
{
    scene_json_limits limit = limits != nullptr ? *limits : scene_json_limits_default();
    size_t size_max = std::min(limit.size_max, SIZE_MAX_EVER);
    if (text.size > size_max) {
        return refuse_size(text, size_max, diag);
    }
    void *memory = crdt_allocate(alloc, sizeof(scene_json));
    if (memory == nullptr) {
        return crdt_diag_set(diag, CRDT_ENOMEM, 0, "no memory to read the JSON");
    }
    scene_json *json = new (memory) scene_json();
    json->alloc = alloc;
    json->text = text;
    json->depth_max = std::min(limit.depth_max, SCENE_JSON_DEPTH_MAX);
    crdt_err err = read_text(json, &limit, each, diag);
    if (err != CRDT_OK) {
        scene_json_close(json);
        return err;
    }
    *out = json;
    return CRDT_OK;
}

void scene_json_close(scene_json *json)
{
    if (json == nullptr) {
        return;
    }
    crdt_alloc alloc = json->alloc;
    if (json->copy != nullptr) {
        crdt_free(alloc, json->copy, json->copy_size);
    }
    if (json->strings != nullptr) {
        crdt_free(alloc, json->strings, json->text.size);
    }
    crdt_free(alloc, json->nodes, json->node_capacity * sizeof(scene_json_node));
    crdt_free(alloc, json->scratch,
              json->scratch_capacity * sizeof(const scene_json_node *));
    crdt_free(alloc, json, sizeof(scene_json));
}

uint32_t scene_json_depth(const scene_json *json)
{
    return json->depth;
}

const scene_json_node *scene_json_root(const scene_json *json)
{
    return json->nodes;
}

crdt_err scene_json_refuse(const scene_json *json, const scene_json_node *node,
                           crdt_diag *diag, crdt_err err, const char *format, ...)
{
    char text[sizeof(diag->text)];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err = crdt_diag_set(diag, err, node->offset, "%s", text);
    scene_json_fault_locate(json->text, diag);
    return err;
}
