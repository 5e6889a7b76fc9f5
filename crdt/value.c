#include "crdt/value.h"
#include "crdt/msgpack.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* Integers up to here are exactly those that a double can count. */
#define INTEGER_MAX (INT64_C(1) << 53)

/* ---- text ---- */

/* Bytes of the UTF-8 sequence that starts at `at`, 0 if it is none. RFC 3629, section
 * 4: the second byte's range shuts out overlong forms, surrogates, and above U+10FFFF.
 */
static size_t utf8_sequence(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xc2 || first > 0xf4 || size > left) {
        return 0;
    }
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return size;
}

#define HIGH_BITS UINT64_C(0x8080808080808080)

static uint64_t load64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Eight bytes at a time, the last ones twice; less than eight one by one. */
static bool is_ascii(crdt_span bytes)
{
    uint64_t seen = 0;
    if (bytes.size < 8) {
        for (size_t i = 0; i < bytes.size; i++) {
            seen |= bytes.data[i];
        }
        return seen < 0x80;
    }
    for (size_t i = 0; i + 8 < bytes.size; i += 8) {
        seen |= load64(bytes.data + i);
    }
    seen |= load64(bytes.data + bytes.size - 8);
    return (seen & HIGH_BITS) == 0;
}

static bool is_ascii_32(const uint8_t *at)
{
    return ((load64(at) | load64(at + 8) | load64(at + 16) | load64(at + 24)) &
            HIGH_BITS) == 0;
}

bool crdt_utf8_valid(crdt_span bytes, size_t *offset)
{
    if (bytes.size <= 64 && is_ascii(bytes)) {
        return true;
    }
    size_t at = 0;
    while (at < bytes.size) {
        if (bytes.size - at >= 32 && is_ascii_32(bytes.data + at)) {
            at += 32;
            continue;
        }
        if (bytes.size - at >= 8 && (load64(bytes.data + at) & HIGH_BITS) == 0) {
            at += 8;
            continue;
        }
        size_t size = utf8_sequence(bytes.data + at, bytes.size - at);
        if (size == 0) {
            if (offset != NULL) {
                *offset = at;
            }
            return false;
        }
        at += size;
    }
    return true;
}

/* In UTF-16, what has four bytes in UTF-8 (lead byte f0 and up) is a surrogate pair,
 * and sorts below U+E000 .. U+FFFF (lead bytes ee and ef). All else sorts as in UTF-8.
 */
static int utf16_rank(uint8_t byte)
{
    return byte == 0xee || byte == 0xef ? byte + 0x10 : byte;
}

int crdt_value_key_compare(crdt_span a, crdt_span b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    for (size_t i = 0; i < common; i++) {
        if (a.data[i] != b.data[i]) {
            return utf16_rank(a.data[i]) - utf16_rank(b.data[i]);
        }
    }
    return (a.size > b.size) - (a.size < b.size);
}

/* ---- checking ---- */

/* An array or map that is being checked. */
typedef struct frame {
    uint32_t
        left; /* values (array) or pairs (map) still to come, the one at hand too */
    bool map;
    bool at_key; /* a key comes next */
    bool first;  /* of a map: no key yet */
    crdt_span key;
} frame;

typedef struct checker {
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    bool clipped; /* `end` is the size limit, not the end of the input */
    crdt_diag *diag;
    size_t depth;
    frame frames[CRDT_VALUE_DEPTH_MAX];
} checker;

static crdt_err fail(checker *c, crdt_err err, const char *text)
{
    return crdt_diag_set(c->diag, err, (uint64_t)(c->at - c->begin), "%s", text);
}

static crdt_err fail_end(checker *c)
{
    return c->clipped ? fail(c, CRDT_ELIMIT, "value is over the size limit")
                      : fail(c, CRDT_ECORRUPT, "value ends early");
}

/* Would `value` be written as an integer? */
static bool is_integral(double value)
{
    return value >= -(double)INTEGER_MAX && value <= (double)INTEGER_MAX &&
           (double)(int64_t)value == value;
}

static bool is_float32(double value)
{
    return fabs(value) <= (double)FLT_MAX && (double)(float)value == value;
}

static double float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static crdt_err check_string(checker *c, crdt_msgpack_token token, crdt_span *out)
{
    if (token.number > (size_t)(c->end - c->at) - token.head_size) {
        return fail_end(c);
    }
    crdt_span text = {.data = c->at + token.head_size, .size = (size_t)token.number};
    size_t offset = 0;
    if (!crdt_utf8_valid(text, &offset)) {
        c->at += token.head_size + offset;
        return fail(c, CRDT_ECORRUPT, "string is not valid UTF-8");
    }
    c->at += token.head_size + text.size;
    *out = text;
    return CRDT_OK;
}

static crdt_err check_key(checker *c, frame *f)
{
    const uint8_t *before = c->at;
    crdt_msgpack_token token = crdt_msgpack_peek(c->at, c->end);
    if (token.type != CRDT_MSGPACK_STR) {
        return c->at == c->end ? fail_end(c)
                               : fail(c, CRDT_ECORRUPT, "map key is no string");
    }
    crdt_span key = {0};
    crdt_err err = check_string(c, token, &key);
    if (err != CRDT_OK) {
        return err;
    }
    if (!f->first && crdt_value_key_compare(f->key, key) >= 0) {
        c->at = before;
        return fail(c, CRDT_ECORRUPT, "map keys are not in ascending order");
    }
    f->key = key;
    f->first = false;
    f->at_key = false;
    return CRDT_OK;
}

static crdt_err check_container(checker *c, crdt_msgpack_token token)
{
    bool map = token.type == CRDT_MSGPACK_MAP;
    size_t left = (size_t)(c->end - c->at) - token.head_size;
    if (token.number > left / (map ? 2 : 1)) {
        return c->clipped ? fail_end(c)
                          : fail(c, CRDT_ECORRUPT, "count is more than the bytes hold");
    }
    if (c->depth == CRDT_VALUE_DEPTH_MAX) {
        return fail(c, CRDT_ELIMIT, "value is nested too deeply");
    }
    c->at += token.head_size;
    c->frames[c->depth++] = (frame){
        .left = (uint32_t)token.number, .map = map, .at_key = map, .first = map};
    return CRDT_OK;
}

static crdt_err check_number(checker *c, crdt_msgpack_token token)
{
    bool canonical = false;
    if (token.type == CRDT_MSGPACK_FLOAT32) {
        double value = float_of((uint32_t)token.number);
        canonical = isfinite(value) && !is_integral(value);
    } else if (token.type == CRDT_MSGPACK_FLOAT64) {
        double value = double_of(token.number);
        canonical = isfinite(value) && !is_integral(value) && !is_float32(value);
    } else if (token.type == CRDT_MSGPACK_UINT) {
        canonical = token.number <= (uint64_t)INTEGER_MAX;
    } else {
        canonical = (int64_t)token.number >= -INTEGER_MAX;
    }
    if (!canonical) {
        return fail(c, CRDT_ECORRUPT, "number is not in its canonical form");
    }
    c->at += token.head_size;
    return CRDT_OK;
}

/* One token that is no key. */
static crdt_err check_token(checker *c)
{
    crdt_msgpack_token token = crdt_msgpack_peek(c->at, c->end);
    crdt_span text;
    switch (token.type) {
    case CRDT_MSGPACK_NIL:
    case CRDT_MSGPACK_BOOL:
        c->at += token.head_size;
        return CRDT_OK;
    case CRDT_MSGPACK_UINT:
    case CRDT_MSGPACK_INT:
    case CRDT_MSGPACK_FLOAT32:
    case CRDT_MSGPACK_FLOAT64:
        return check_number(c, token);
    case CRDT_MSGPACK_STR:
        return check_string(c, token, &text);
    case CRDT_MSGPACK_ARRAY:
    case CRDT_MSGPACK_MAP:
        return check_container(c, token);
    case CRDT_MSGPACK_BIN:
    case CRDT_MSGPACK_BAD:
        break;
    }
    if (c->at == c->end) {
        return fail_end(c);
    }
    return fail(c, CRDT_ECORRUPT, "no canonical value token");
}

/* Are these the bits of a float32 with something behind the point? Such are canonical.
 * Others may be too: from 2^53 on. */
static bool is_fraction(uint32_t bits)
{
    uint32_t exponent = bits >> 23 & 0xff;
    uint32_t behind = (1u << ((150 - exponent) & 31)) - 1;
    behind = exponent < 127 ? 0x7fffffff : behind; /* below 1 */
    return exponent < 150 && (bits & behind) != 0;
}

/* The size of the number at `at`, of those that scenes mostly hold: integers of one byte
 * and fractions in float32. 0: something else. */
static inline size_t plain_number_size(const uint8_t *at, const uint8_t *end)
{
    if (end - at >= 5 && *at == 0xca) {
        uint32_t bits = (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 |
                        (uint32_t)at[3] << 8 | at[4];
        return is_fraction(bits) ? 5 : 0;
    }
    return at < end && (*at < 0x80 || *at >= 0xe0) ? 1 : 0;
}

/* Steps over such numbers in an array, the last one excepted; anything else is left to
 * check_token. */
static void check_numbers(checker *c, frame *f)
{
    size_t size = 1;
    while (f->left > 1 && size > 0) {
        size = plain_number_size(c->at, c->end);
        c->at += size;
        f->left -= size > 0;
    }
}

/* The size of a value that is a short array of such numbers, as positions and colors are;
 * 0: something else. */
static size_t plain_vector_size(crdt_span bytes)
{
    if (bytes.size == 0 || bytes.data[0] < 0x90 || bytes.data[0] > 0x9f) {
        return 0;
    }
    const uint8_t *at = bytes.data + 1;
    const uint8_t *end = bytes.data + bytes.size;
    for (unsigned left = bytes.data[0] & 0x0fu; left > 0; left--) {
        size_t size = plain_number_size(at, end);
        if (size == 0) {
            return 0;
        }
        at += size;
    }
    return (size_t)(at - bytes.data);
}

/* The value at hand is complete: so are all containers that it was the last of. */
static void leave_full(checker *c, bool entered)
{
    while (c->depth > 0) {
        frame *f = &c->frames[c->depth - 1];
        if (!entered) {
            f->left--;
        }
        f->at_key = f->map;
        if (f->left > 0) {
            return;
        }
        c->depth--;
        entered = false;
    }
}

crdt_err crdt_value_check_first(crdt_span bytes, size_t *size, crdt_diag *diag)
{
    size_t vector_size = plain_vector_size(bytes);
    if (vector_size > 0) {
        *size = vector_size;
        return CRDT_OK;
    }
    checker c; /* frames are written before they are read */
    c.begin = bytes.data;
    c.at = bytes.data;
    c.clipped = bytes.size > CRDT_VALUE_SIZE_MAX;
    c.end = bytes.data;
    if (bytes.size > 0) {
        c.end += c.clipped ? CRDT_VALUE_SIZE_MAX : bytes.size;
    }
    c.diag = diag;
    c.depth = 0;
    do {
        frame *f = c.depth > 0 ? &c.frames[c.depth - 1] : NULL;
        if (f != NULL && f->at_key) {
            crdt_err err = check_key(&c, f);
            if (err != CRDT_OK) {
                return err;
            }
        }
        if (f != NULL && !f->map) {
            check_numbers(&c, f);
        }
        size_t depth = c.depth;
        crdt_err err = check_token(&c);
        if (err != CRDT_OK) {
            return err;
        }
        leave_full(&c, c.depth > depth);
    } while (c.depth > 0);
    *size = (size_t)(c.at - c.begin);
    return CRDT_OK;
}

crdt_err crdt_value_check(crdt_span bytes, crdt_diag *diag)
{
    size_t size = 0;
    crdt_err err = crdt_value_check_first(bytes, &size, diag);
    if (err == CRDT_OK && size != bytes.size) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, size, "bytes after the value");
    }
    return err;
}

/* ---- reading ---- */

crdt_value_reader crdt_value_read_open(crdt_span value)
{
    return (crdt_value_reader){.at = value.data, .end = value.data + value.size};
}

crdt_value_token crdt_value_read(crdt_value_reader *reader)
{
    crdt_msgpack_token head = crdt_msgpack_peek(reader->at, reader->end);
    crdt_value_token token = {.type = CRDT_VALUE_NULL};
    assert(head.type != CRDT_MSGPACK_BAD && head.type != CRDT_MSGPACK_BIN);
    reader->at += head.head_size;
    switch (head.type) {
    case CRDT_MSGPACK_BOOL:
        token.type = CRDT_VALUE_BOOL;
        token.boolean = head.number != 0;
        break;
    case CRDT_MSGPACK_UINT:
    case CRDT_MSGPACK_INT:
        token.type = CRDT_VALUE_NUMBER;
        token.integral = true;
        token.integer = (int64_t)head.number;
        token.number = (double)token.integer;
        break;
    case CRDT_MSGPACK_FLOAT32:
        token.type = CRDT_VALUE_NUMBER;
        token.number = float_of((uint32_t)head.number);
        break;
    case CRDT_MSGPACK_FLOAT64:
        token.type = CRDT_VALUE_NUMBER;
        token.number = double_of(head.number);
        break;
    case CRDT_MSGPACK_STR:
        token.type = CRDT_VALUE_STRING;
        token.string = (crdt_span){.data = reader->at, .size = (size_t)head.number};
        reader->at += token.string.size;
        break;
    case CRDT_MSGPACK_ARRAY:
        token.type = CRDT_VALUE_ARRAY;
        token.count = (uint32_t)head.number;
        break;
    case CRDT_MSGPACK_MAP:
        token.type = CRDT_VALUE_MAP;
        token.count = (uint32_t)head.number;
        break;
    default:
        break;
    }
    assert(reader->at <= reader->end);
    return token;
}

crdt_span crdt_value_read_span(crdt_value_reader *reader)
{
    const uint8_t *begin = reader->at;
    for (uint64_t left = 1; left > 0; left--) {
        crdt_value_token token = crdt_value_read(reader);
        left += (uint64_t)token.count * (token.type == CRDT_VALUE_MAP ? 2 : 1);
    }
    return (crdt_span){.data = begin, .size = (size_t)(reader->at - begin)};
}

bool crdt_value_map_find(crdt_span map, const char *key, crdt_span *out)
{
    crdt_value_reader reader = crdt_value_read_open(map);
    crdt_value_token token = crdt_value_read(&reader);
    if (token.type != CRDT_VALUE_MAP) {
        return false;
    }
    crdt_span wanted = crdt_span_of(key);
    for (uint32_t i = 0; i < token.count; i++) {
        crdt_span name = crdt_value_read(&reader).string;
        crdt_span value = crdt_value_read_span(&reader);
        if (crdt_span_equal(name, wanted)) {
            *out = value;
            return true;
        }
    }
    return false;
}

crdt_value_type crdt_value_type_of(crdt_span value)
{
    crdt_value_reader reader = crdt_value_read_open(value);
    return crdt_value_read(&reader).type;
}

/* ---- writing ---- */

/* Room for one token at the end of `out`; NULL: no memory. */
static uint8_t *room(crdt_buf *out)
{
    if (crdt_buf_reserve(out, CRDT_MSGPACK_SIZE_MAX) != CRDT_OK) {
        return NULL;
    }
    return out->data + out->size;
}

static crdt_err wrote(crdt_buf *out, const uint8_t *end)
{
    out->size = (size_t)(end - out->data);
    return CRDT_OK;
}

crdt_err crdt_value_write_null(crdt_buf *out)
{
    uint8_t *at = room(out);
    return at == NULL ? CRDT_ENOMEM : wrote(out, crdt_msgpack_put_nil(at));
}

crdt_err crdt_value_write_bool(crdt_buf *out, bool value)
{
    uint8_t *at = room(out);
    return at == NULL ? CRDT_ENOMEM : wrote(out, crdt_msgpack_put_bool(at, value));
}

crdt_err crdt_value_write_number(crdt_buf *out, double value)
{
    if (!isfinite(value)) {
        return CRDT_EINVAL;
    }
    uint8_t *at = room(out);
    if (at == NULL) {
        return CRDT_ENOMEM;
    }
    if (is_integral(value)) {
        return wrote(out, crdt_msgpack_put_int(at, (int64_t)value));
    }
    if (is_float32(value)) {
        return wrote(out, crdt_msgpack_put_float32(at, (float)value));
    }
    return wrote(out, crdt_msgpack_put_float64(at, value));
}

crdt_err crdt_value_write_integer(crdt_buf *out, int64_t value)
{
    assert(value >= -INTEGER_MAX && value <= INTEGER_MAX);
    uint8_t *at = room(out);
    return at == NULL ? CRDT_ENOMEM : wrote(out, crdt_msgpack_put_int(at, value));
}

crdt_err crdt_value_write_string(crdt_buf *out, crdt_span utf8)
{
    return crdt_msgpack_append_str(out, utf8);
}

crdt_err crdt_value_write_array(crdt_buf *out, uint32_t count)
{
    uint8_t *at = room(out);
    return at == NULL ? CRDT_ENOMEM : wrote(out, crdt_msgpack_put_array(at, count));
}

crdt_err crdt_value_write_map(crdt_buf *out, uint32_t count)
{
    uint8_t *at = room(out);
    return at == NULL ? CRDT_ENOMEM : wrote(out, crdt_msgpack_put_map(at, count));
}
