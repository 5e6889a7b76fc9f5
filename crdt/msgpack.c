#include "crdt/msgpack.h"
#include "crdt/value.h"

#include <msgpack/pack.h>

#include <assert.h>
#include <string.h>

/* ---- writing ---- */

/* Constant in each function below, so the compiler makes it part of the packer. */
static int copy_to_cursor(void *data, const char *bytes, size_t size)
{
    uint8_t **cursor = data;
    memcpy(*cursor, bytes, size);
    *cursor += size;
    return 0;
}

static msgpack_packer packer_at(uint8_t **cursor)
{
    return (msgpack_packer){.data = cursor, .callback = copy_to_cursor};
}

uint8_t *crdt_msgpack_put_nil(uint8_t *at)
{
    msgpack_packer packer = packer_at(&at);
    msgpack_pack_nil(&packer);
    return at;
}

uint8_t *crdt_msgpack_put_bool(uint8_t *at, bool value)
{
    msgpack_packer packer = packer_at(&at);
    if (value) {
        msgpack_pack_true(&packer);
    } else {
        msgpack_pack_false(&packer);
    }
    return at;
}

uint8_t *crdt_msgpack_put_uint(uint8_t *at, uint64_t value)
{
    msgpack_packer packer = packer_at(&at);
    msgpack_pack_uint64(&packer, value);
    return at;
}

uint8_t *crdt_msgpack_put_int(uint8_t *at, int64_t value)
{
    msgpack_packer packer = packer_at(&at);
    msgpack_pack_int64(&packer, value);
    return at;
}

uint8_t *crdt_msgpack_put_float32(uint8_t *at, float value)
{
    msgpack_packer packer = packer_at(&at);
    msgpack_pack_float(&packer, value);
    return at;
}

uint8_t *crdt_msgpack_put_float64(uint8_t *at, double value)
{
    msgpack_packer packer = packer_at(&at);
    msgpack_pack_double(&packer, value);
    return at;
}

uint8_t *crdt_msgpack_put_array(uint8_t *at, uint32_t count)
{
    msgpack_packer packer = packer_at(&at);
    msgpack_pack_array(&packer, count);
    return at;
}

uint8_t *crdt_msgpack_put_map(uint8_t *at, uint32_t count)
{
    msgpack_packer packer = packer_at(&at);
    msgpack_pack_map(&packer, count);
    return at;
}

static uint8_t *put_body(uint8_t *at, crdt_span bytes)
{
    if (bytes.size > 0) {
        memcpy(at, bytes.data, bytes.size);
    }
    return at + bytes.size;
}

uint8_t *crdt_msgpack_put_str(uint8_t *at, crdt_span utf8)
{
    msgpack_packer packer = packer_at(&at);
    msgpack_pack_str(&packer, utf8.size);
    return put_body(at, utf8);
}

uint8_t *crdt_msgpack_put_bin(uint8_t *at, crdt_span bytes)
{
    msgpack_packer packer = packer_at(&at);
    msgpack_pack_bin(&packer, bytes.size);
    return put_body(at, bytes);
}

uint8_t *crdt_msgpack_put_bin_head(uint8_t *at, uint32_t size)
{
    msgpack_packer packer = packer_at(&at);
    msgpack_pack_bin(&packer, size);
    return at;
}

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* Copies 4 .. 16 bytes, which most names have, if they are ASCII: both ends, which may
 * overlap. */
static inline bool copy_short_ascii(uint8_t *at, const uint8_t *from, size_t size)
{
    if (size >= 8) {
        uint64_t words[2];
        memcpy(&words[0], from, 8);
        memcpy(&words[1], from + size - 8, 8);
        memcpy(at, &words[0], 8);
        memcpy(at + size - 8, &words[1], 8);
        return ((words[0] | words[1]) & HIGH_BITS) == 0;
    }
    uint32_t words[2];
    memcpy(&words[0], from, 4);
    memcpy(&words[1], from + size - 4, 4);
    memcpy(at, &words[0], 4);
    memcpy(at + size - 4, &words[1], 4);
    return ((words[0] | words[1]) & (uint32_t)HIGH_BITS) == 0;
}

/* Are these 4 .. 16 bytes ASCII? */
static inline bool is_short_ascii(const uint8_t *bytes, size_t size)
{
    uint8_t copy[16];
    return copy_short_ascii(copy, bytes, size);
}

uint8_t *crdt_msgpack_put_name(uint8_t *at, crdt_span name)
{
    if (name.size - 4 <= 12 && copy_short_ascii(at + 1, name.data, name.size)) {
        *at = (uint8_t)(0xa0 | name.size);
        return at + 1 + name.size;
    }
    return crdt_utf8_valid(name, NULL) ? crdt_msgpack_put_str(at, name)
                                       : crdt_msgpack_put_bin(at, name);
}

crdt_err crdt_msgpack_append_uint(crdt_buf *out, uint64_t value)
{
    crdt_err err = crdt_buf_reserve(out, CRDT_MSGPACK_SIZE_MAX);
    if (err == CRDT_OK) {
        out->size =
            (size_t)(crdt_msgpack_put_uint(out->data + out->size, value) - out->data);
    }
    return err;
}

static crdt_err append_bytes(crdt_buf *out, crdt_span bytes,
                             uint8_t *(*put)(uint8_t *at, crdt_span bytes))
{
    if (bytes.size > UINT32_MAX) {
        return CRDT_ENOMEM;
    }
    crdt_err err = crdt_buf_reserve(out, CRDT_MSGPACK_SIZE_MAX + bytes.size);
    if (err == CRDT_OK) {
        out->size = (size_t)(put(out->data + out->size, bytes) - out->data);
    }
    return err;
}

crdt_err crdt_msgpack_append_name(crdt_buf *out, crdt_span name)
{
    return append_bytes(out, name, crdt_msgpack_put_name);
}

crdt_err crdt_msgpack_append_str(crdt_buf *out, crdt_span utf8)
{
    return append_bytes(out, utf8, crdt_msgpack_put_str);
}

crdt_err crdt_msgpack_append_bin(crdt_buf *out, crdt_span bytes)
{
    return append_bytes(out, bytes, crdt_msgpack_put_bin);
}

/* ---- reading ---- */

/* A big-endian number of 0, 1, 2, 4 or 8 bytes; a compiler makes one load of each. */
static uint64_t load_be(const uint8_t *at, size_t size)
{
    switch (size) {
    case 1:
        return at[0];
    case 2:
        return (uint64_t)at[0] << 8 | at[1];
    case 4:
        return (uint64_t)at[0] << 24 | (uint64_t)at[1] << 16 | (uint64_t)at[2] << 8 |
               at[3];
    case 8:
        return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 |
               (uint64_t)at[3] << 32 | (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 |
               (uint64_t)at[6] << 8 | at[7];
    default:
        return 0;
    }
}

/* What a first byte of c0 .. df means: the type, the bytes of the number after it, and
 * the least number that needs that many (a smaller one has a shorter form). */
typedef struct head_form {
    uint8_t type;
    uint8_t number_size;
    uint32_t number_min;
} head_form;

static const head_form head_forms[32] = {
    [0x00] = {CRDT_MSGPACK_NIL, 0, 0},
    [0x01] = {CRDT_MSGPACK_BAD, 0, 0},
    [0x02] = {CRDT_MSGPACK_BOOL, 0, 0},
    [0x03] = {CRDT_MSGPACK_BOOL, 0, 0},
    [0x04] = {CRDT_MSGPACK_BIN, 1, 0},
    [0x05] = {CRDT_MSGPACK_BIN, 2, 0x100},
    [0x06] = {CRDT_MSGPACK_BIN, 4, 0x10000},
    [0x07] = {CRDT_MSGPACK_BAD, 0, 0}, /* ext 8 .. 32 */
    [0x08] = {CRDT_MSGPACK_BAD, 0, 0},
    [0x09] = {CRDT_MSGPACK_BAD, 0, 0},
    [0x0a] = {CRDT_MSGPACK_FLOAT32, 4, 0},
    [0x0b] = {CRDT_MSGPACK_FLOAT64, 8, 0},
    [0x0c] = {CRDT_MSGPACK_UINT, 1, 0x80},
    [0x0d] = {CRDT_MSGPACK_UINT, 2, 0x100},
    [0x0e] = {CRDT_MSGPACK_UINT, 4, 0x10000},
    [0x0f] = {CRDT_MSGPACK_UINT, 8, 0}, /* 0x100000000: checked apart */
    [0x10] = {CRDT_MSGPACK_INT, 1, 0},  /* signed forms: checked apart */
    [0x11] = {CRDT_MSGPACK_INT, 2, 0},
    [0x12] = {CRDT_MSGPACK_INT, 4, 0},
    [0x13] = {CRDT_MSGPACK_INT, 8, 0},
    [0x14] = {CRDT_MSGPACK_BAD, 0, 0}, /* fixext 1 .. 16 */
    [0x15] = {CRDT_MSGPACK_BAD, 0, 0},
    [0x16] = {CRDT_MSGPACK_BAD, 0, 0},
    [0x17] = {CRDT_MSGPACK_BAD, 0, 0},
    [0x18] = {CRDT_MSGPACK_BAD, 0, 0},
    [0x19] = {CRDT_MSGPACK_STR, 1, 0x20},
    [0x1a] = {CRDT_MSGPACK_STR, 2, 0x100},
    [0x1b] = {CRDT_MSGPACK_STR, 4, 0x10000},
    [0x1c] = {CRDT_MSGPACK_ARRAY, 2, 0x10},
    [0x1d] = {CRDT_MSGPACK_ARRAY, 4, 0x10000},
    [0x1e] = {CRDT_MSGPACK_MAP, 2, 0x10},
    [0x1f] = {CRDT_MSGPACK_MAP, 4, 0x10000},
};

/* A signed form of `size` bytes: below 0 and out of reach of the next shorter form. */
static bool take_negative(crdt_msgpack_token *token, size_t size)
{
    int64_t value = 0;
    switch (size) {
    case 1:
        value = (int8_t)token->number;
        break;
    case 2:
        value = (int16_t)token->number;
        break;
    case 4:
        value = (int32_t)token->number;
        break;
    default:
        value = (int64_t)token->number;
        break;
    }
    static const int64_t least_of_shorter[9] = {
        [1] = -32, [2] = INT8_MIN, [4] = INT16_MIN, [8] = INT32_MIN};
    token->number = (uint64_t)value;
    return value < least_of_shorter[size];
}

crdt_msgpack_token crdt_msgpack_peek_long(const uint8_t *at, const uint8_t *end)
{
    crdt_msgpack_token token = {.type = CRDT_MSGPACK_BAD, .head_size = 1};
    uint8_t first = *at;
    head_form form = head_forms[first & 0x1f];
    if (form.number_size > (size_t)(end - at) - 1) {
        return token;
    }
    token.number = load_be(at + 1, form.number_size);
    token.head_size = 1u + form.number_size;
    bool shortest = token.number >= form.number_min;
    if (form.type == CRDT_MSGPACK_BOOL) {
        token.number = first & 1u;
    } else if (form.type == CRDT_MSGPACK_INT) {
        shortest = take_negative(&token, form.number_size);
    } else if (first == 0xcf) {
        shortest = token.number > UINT32_MAX;
    }
    if (shortest) {
        token.type = (crdt_msgpack_type)form.type;
    }
    return token;
}

crdt_msgpack_reader crdt_msgpack_read_open(crdt_span bytes, crdt_diag *diag)
{
    const uint8_t *end = bytes.size > 0 ? bytes.data + bytes.size : bytes.data;
    return (crdt_msgpack_reader){
        .begin = bytes.data, .at = bytes.data, .end = end, .diag = diag};
}

crdt_err crdt_msgpack_fail(crdt_msgpack_reader *reader, crdt_err err, const char *text)
{
    if (reader->err == CRDT_OK) {
        reader->err = crdt_diag_set(reader->diag, err,
                                    (uint64_t)(reader->at - reader->begin), "%s", text);
    }
    return reader->err;
}

static const char *const type_texts[] = {
    [CRDT_MSGPACK_NIL] = "nil expected",
    [CRDT_MSGPACK_BOOL] = "bool expected",
    [CRDT_MSGPACK_UINT] = "unsigned integer expected",
    [CRDT_MSGPACK_INT] = "negative integer expected",
    [CRDT_MSGPACK_FLOAT32] = "float32 expected",
    [CRDT_MSGPACK_FLOAT64] = "float64 expected",
    [CRDT_MSGPACK_STR] = "string expected",
    [CRDT_MSGPACK_BIN] = "bytes expected",
    [CRDT_MSGPACK_ARRAY] = "array expected",
    [CRDT_MSGPACK_MAP] = "map expected",
};

static void fail_type(crdt_msgpack_reader *reader, crdt_msgpack_token token,
                      crdt_msgpack_type expected)
{
    if (reader->at == reader->end) {
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "the bytes end early");
    } else if (token.type == CRDT_MSGPACK_BAD) {
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "not a token in its shortest form");
    } else {
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, type_texts[expected]);
    }
}

/* The token's number if it is of the type and at most max; the reader stays before it.
 */
static bool peek_as(crdt_msgpack_reader *reader, crdt_msgpack_type type, uint64_t max,
                    crdt_msgpack_token *token)
{
    if (reader->err != CRDT_OK) {
        return false;
    }
    *token = crdt_msgpack_peek(reader->at, reader->end);
    if (token->type != type) {
        fail_type(reader, *token, type);
        return false;
    }
    if (token->number > max) {
        crdt_msgpack_fail(reader, CRDT_ELIMIT, "number or size is over its limit");
        return false;
    }
    return true;
}

/* A number of one byte, or of four or eight after its head: those that most numbers are. */
static inline bool take_common_uint(crdt_msgpack_reader *reader, uint64_t max,
                                    uint64_t *number)
{
    size_t left =
        reader->err == CRDT_OK ? (size_t)(reader->end - reader->at) : (size_t)0;
    uint64_t least = 0;
    size_t size = 1;
    if (left > 0 && *reader->at < 0x80) {
        *number = *reader->at;
    } else if (left >= 5 && *reader->at == 0xce) {
        *number = load_be(reader->at + 1, 4);
        least = (uint64_t)UINT16_MAX + 1;
        size = 5;
    } else if (left >= 9 && *reader->at == 0xcf) {
        *number = load_be(reader->at + 1, 8);
        least = (uint64_t)UINT32_MAX + 1;
        size = 9;
    } else {
        return false;
    }
    if (*number > max || *number < least) {
        return false;
    }
    reader->at += size;
    return true;
}

uint64_t crdt_msgpack_read_uint(crdt_msgpack_reader *reader, uint64_t max)
{
    uint64_t number;
    if (take_common_uint(reader, max, &number)) {
        return number;
    }
    crdt_msgpack_token token;
    if (!peek_as(reader, CRDT_MSGPACK_UINT, max, &token)) {
        return 0;
    }
    reader->at += token.head_size;
    return token.number;
}

int64_t crdt_msgpack_read_int(crdt_msgpack_reader *reader)
{
    uint64_t number;
    if (take_common_uint(reader, INT64_MAX, &number)) {
        return (int64_t)number;
    }
    crdt_msgpack_token token;
    if (reader->err == CRDT_OK) {
        token = crdt_msgpack_peek(reader->at, reader->end);
        if (token.type == CRDT_MSGPACK_INT) {
            reader->at += token.head_size;
            return (int64_t)token.number;
        }
    }
    return (int64_t)crdt_msgpack_read_uint(reader, INT64_MAX);
}

bool crdt_msgpack_read_bool(crdt_msgpack_reader *reader)
{
    crdt_msgpack_token token;
    if (!peek_as(reader, CRDT_MSGPACK_BOOL, 1, &token)) {
        return false;
    }
    reader->at += token.head_size;
    return token.number != 0;
}

size_t crdt_msgpack_read_count(crdt_msgpack_reader *reader, uint64_t max,
                               size_t item_size_min)
{
    const uint8_t *before = reader->at;
    uint64_t count = crdt_msgpack_read_uint(reader, max);
    size_t left = (size_t)(reader->end - reader->at);
    if (item_size_min == 1 ? count > left : count > left / item_size_min) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "count is more than the bytes hold");
        return 0;
    }
    return (size_t)count;
}

static crdt_span take_body(crdt_msgpack_reader *reader, crdt_msgpack_token token)
{
    if (token.number > (size_t)(reader->end - reader->at) - token.head_size) {
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "the bytes end early");
        return (crdt_span){0};
    }
    crdt_span body = {.data = reader->at + token.head_size,
                      .size = (size_t)token.number};
    reader->at += token.head_size + body.size;
    return body;
}

static crdt_span take_utf8(crdt_msgpack_reader *reader, crdt_msgpack_token token)
{
    const uint8_t *before = reader->at;
    crdt_span body = take_body(reader, token);
    size_t offset = 0;
    if (reader->err == CRDT_OK && !crdt_utf8_valid(body, &offset)) {
        reader->at = before + token.head_size + offset;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "string is not valid UTF-8");
        return (crdt_span){0};
    }
    return body;
}

crdt_span crdt_msgpack_read_str(crdt_msgpack_reader *reader, size_t size_max)
{
    size_t left =
        reader->err == CRDT_OK ? (size_t)(reader->end - reader->at) : (size_t)0;
    size_t short_size = left > 0 ? (size_t)(*reader->at ^ 0xa0) : 0;
    if (short_size - 4 <= 12 && short_size < left && short_size <= size_max &&
        is_short_ascii(reader->at + 1, short_size)) {
        reader->at += 1 + short_size;
        return (crdt_span){reader->at - short_size, short_size};
    }
    crdt_msgpack_token token;
    if (!peek_as(reader, CRDT_MSGPACK_STR, size_max, &token)) {
        return (crdt_span){0};
    }
    return take_utf8(reader, token);
}

crdt_span crdt_msgpack_read_bin(crdt_msgpack_reader *reader, size_t size_max)
{
    crdt_msgpack_token token;
    if (!peek_as(reader, CRDT_MSGPACK_BIN, size_max, &token)) {
        return (crdt_span){0};
    }
    return take_body(reader, token);
}

crdt_span crdt_msgpack_read_name(crdt_msgpack_reader *reader, size_t size_max)
{
    if (reader->err != CRDT_OK) {
        return (crdt_span){0};
    }
    size_t left = (size_t)(reader->end - reader->at);
    size_t size = left == 0 ? 0 : *reader->at - 0xa0u;
    if (size - 4 <= 12 && size < left && size <= size_max &&
        is_short_ascii(reader->at + 1, size)) {
        crdt_span short_name = {.data = reader->at + 1, .size = size};
        reader->at += 1 + size;
        return short_name;
    }
    crdt_msgpack_token token = crdt_msgpack_peek(reader->at, reader->end);
    if (token.type == CRDT_MSGPACK_STR && token.number <= size_max) {
        return take_utf8(reader, token);
    }
    if (token.type != CRDT_MSGPACK_BIN) {
        return crdt_msgpack_read_str(reader, size_max);
    }
    const uint8_t *before = reader->at;
    crdt_span name = crdt_msgpack_read_bin(reader, size_max);
    if (reader->err == CRDT_OK && crdt_utf8_valid(name, NULL)) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "a name that is UTF-8 must be a str");
        return (crdt_span){0};
    }
    return name;
}

void crdt_msgpack_read_fixed(crdt_msgpack_reader *reader, void *out, size_t size)
{
    /* An actor, a digest: a head of two bytes, and they are all there. */
    if (reader->err == CRDT_OK && size < 256 &&
        (size_t)(reader->end - reader->at) >= 2 + size && reader->at[0] == 0xc4 &&
        reader->at[1] == size) {
        memcpy(out, reader->at + 2, size);
        reader->at += 2 + size;
        return;
    }
    crdt_msgpack_token token;
    if (!peek_as(reader, CRDT_MSGPACK_BIN, UINT64_MAX, &token)) {
        return;
    }
    if (token.number != size) {
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "bytes of another size expected");
        return;
    }
    crdt_span body = take_body(reader, token);
    if (reader->err == CRDT_OK) {
        memcpy(out, body.data, size);
    }
}

crdt_span crdt_msgpack_read_value(crdt_msgpack_reader *reader)
{
    if (reader->err != CRDT_OK) {
        return (crdt_span){0};
    }
    crdt_span rest = {.data = reader->at, .size = (size_t)(reader->end - reader->at)};
    size_t size = 0;
    crdt_err err = crdt_value_check_first(rest, &size, reader->diag);
    if (err != CRDT_OK) {
        if (reader->diag != NULL) {
            reader->diag->offset += (uint64_t)(reader->at - reader->begin);
        }
        reader->err = err;
        return (crdt_span){0};
    }
    reader->at += size;
    return (crdt_span){.data = rest.data, .size = size};
}

crdt_err crdt_msgpack_read_end(crdt_msgpack_reader *reader)
{
    if (reader->at != reader->end) {
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "bytes after the end");
    }
    return reader->err;
}
