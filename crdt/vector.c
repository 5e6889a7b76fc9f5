#include "crdt/vector.h"
#include "crdt/value.h"

#include <assert.h>
#include <string.h>

/* Heads. After HEAD_ANY comes a byte: shape * 4 + width - 2. */
#define HEAD_ANY 0xc1u
#define HEAD_FOUR 0xc7u  /* + width - 2 */
#define HEAD_THREE 0xd4u /* + width - 2 */

/* Shapes: an array of n numbers is n; a map has one of these keys. */
#define SHAPE_MAPS (CRDT_VECTOR_COUNT_MAX + 1)
#define SHAPE_COUNT (SHAPE_MAPS + 5)
static const char map_keys[][5] = {"xy", "xyz", "wxyz", "bgr", "abgr"};
static const uint8_t map_counts[] = {2, 3, 4, 3, 4};

#define WIDTH_MIN 2u
#define FLOAT_MINUS_ZERO 0x80000000u
#define FLOAT_EXPONENT 0x7f800000u
#define FLOAT_2_31 0x4f000000u
#define INTEGER_MAX 9007199254740992.0f /* 2^53: up to here integral numbers are ints */

/* The numbers of a vector as the bits of float32s. */
typedef struct vector {
    uint8_t shape;
    uint8_t count;
    uint32_t all; /* all bits that are set anywhere */
    uint32_t bits[CRDT_VECTOR_COUNT_MAX];
} vector;

static const char *keys_of(unsigned shape)
{
    return shape < SHAPE_MAPS ? NULL : map_keys[shape - SHAPE_MAPS];
}

static unsigned count_of(unsigned shape)
{
    return shape < SHAPE_MAPS ? shape : map_counts[shape - SHAPE_MAPS];
}

static bool has_short_head(unsigned shape)
{
    return shape == 3 || shape == 4;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint16_t load16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store32(uint8_t *at, uint32_t bits)
{
    at[0] = (uint8_t)(bits >> 24);
    at[1] = (uint8_t)(bits >> 16);
    at[2] = (uint8_t)(bits >> 8);
    at[3] = (uint8_t)bits;
}

/* ---- packing ---- */

/* The number at `at` as a float32; returns the place behind it, NULL where it is no number
 * or not exact. */
static const uint8_t *take_number(const uint8_t *at, const uint8_t *end, uint32_t *bits)
{
    if (*at == 0xca) {
        *bits = load32(at + 1);
        return at + 5;
    }
    crdt_msgpack_token token = crdt_msgpack_peek(at, end);
    int64_t integer = (int64_t)token.number;
    float value = (float)integer;
    if ((token.type != CRDT_MSGPACK_UINT && token.type != CRDT_MSGPACK_INT) ||
        (int64_t)value != integer) {
        return NULL;
    }
    *bits = bits_of(value);
    return at + token.head_size;
}

/* What the head of a canonical value promises; 0: no vector. `*at` goes behind it. */
static unsigned shape_of(crdt_span value, const uint8_t **at)
{
    uint8_t head = value.data[0];
    *at = value.data + 1;
    if (head >= 0x92 && head <= 0x9f) {
        return head & 0x0fu;
    }
    if (head == 0xdc && value.data[1] == 0 && value.data[2] == CRDT_VECTOR_COUNT_MAX) {
        *at = value.data + 3;
        return CRDT_VECTOR_COUNT_MAX;
    }
    if (head < 0x82 || head > 0x84 || value.data[1] != 0xa1) {
        return 0;
    }
    for (unsigned shape = SHAPE_MAPS; shape < SHAPE_COUNT; shape++) {
        if (count_of(shape) == (head & 0x0fu) &&
            value.data[2] == (uint8_t)keys_of(shape)[0]) {
            return shape;
        }
    }
    return 0;
}

/* Is the canonical `value` a vector whose numbers are all exact in float32? */
static bool is_vector(crdt_span value, vector *v)
{
    const uint8_t *end = value.data + value.size;
    const uint8_t *at;
    unsigned shape = shape_of(value, &at);
    if (shape == 0) {
        return false;
    }
    const char *keys = keys_of(shape);
    v->shape = (uint8_t)shape;
    v->count = (uint8_t)count_of(shape);
    v->all = 0;
    for (unsigned i = 0; i < v->count; i++) {
        if (keys != NULL) {
            if (at[0] != 0xa1 || at[1] != (uint8_t)keys[i]) {
                return false;
            }
            at += 2;
        }
        at = take_number(at, end, &v->bits[i]);
        if (at == NULL) {
            return false;
        }
        v->all |= v->bits[i];
    }
    return true;
}

static unsigned width_of(uint32_t all)
{
    return (all & 0xffu) != 0 ? 4 : (all & 0xff00u) != 0 ? 3 : WIDTH_MIN;
}

static size_t packed_size(unsigned shape, unsigned count, unsigned width)
{
    return (has_short_head(shape) ? 1u : 2u) + (size_t)count * width;
}

static uint8_t *put_packed(uint8_t *at, const vector *v, unsigned width)
{
    if (has_short_head(v->shape)) {
        *at++ = (uint8_t)((v->shape == 3 ? HEAD_THREE : HEAD_FOUR) + width - WIDTH_MIN);
    } else {
        *at++ = HEAD_ANY;
        *at++ = (uint8_t)(v->shape * 4u + width - WIDTH_MIN);
    }
    /* Whole words, each over the zeros of the one before; the last one exactly. */
    for (unsigned i = 0; i + 1u < v->count; i++) {
        store32(at, v->bits[i]);
        at += width;
    }
    uint32_t last = v->bits[v->count - 1];
    at[0] = (uint8_t)(last >> 24);
    at[1] = (uint8_t)(last >> 16);
    if (width > 2) {
        at[2] = (uint8_t)(last >> 8);
    }
    if (width > 3) {
        at[3] = (uint8_t)last;
    }
    return at + width;
}

uint8_t *crdt_vector_put(uint8_t *at, crdt_span value)
{
    assert(value.size > 0);
    vector v;
    if (value.size > WIDTH_MIN * 2 && is_vector(value, &v)) {
        unsigned width = width_of(v.all);
        if (packed_size(v.shape, v.count, width) < value.size) {
            return put_packed(at, &v, width);
        }
    }
    memcpy(at, value.data, value.size);
    return at + value.size;
}

/* ---- unpacking ---- */

crdt_vector_room crdt_vector_room_open(crdt_arena *arena)
{
    return (crdt_vector_room){.arena = arena};
}

/* Room for any vector. A new piece is as large as what is still to be read may need, so
 * that a small message takes little and a large one few pieces. */
static bool reserve_room(crdt_vector_room *room, const crdt_msgpack_reader *reader)
{
    if (room->left >= CRDT_VECTOR_PLAIN_MAX) {
        return true;
    }
    size_t size = CRDT_VECTOR_PLAIN_MAX + 3 * (size_t)(reader->end - reader->at);
    size = size < 16384 ? size : 16384;
    room->at = crdt_arena_alloc(room->arena, size);
    room->left = room->at == NULL ? 0 : size;
    return room->at != NULL;
}

/* A float32 of 2^31 and up in its canonical form. */
static uint8_t *put_large(uint8_t *at, uint32_t bits)
{
    float value = float_of(bits);
    if (value >= -INTEGER_MAX && value <= INTEGER_MAX) {
        return crdt_msgpack_put_int(at, (int64_t)value);
    }
    *at = 0xca;
    store32(at + 1, bits);
    return (bits & FLOAT_EXPONENT) == FLOAT_EXPONENT ? NULL : at + 5;
}

/* A float32 in its canonical form; NULL if it has none: infinite, no number, -0. */
static inline uint8_t *put_number(uint8_t *at, uint32_t bits)
{
    if ((bits & ~FLOAT_MINUS_ZERO) >= FLOAT_2_31) {
        return put_large(at, bits);
    }
    int32_t integer = (int32_t)float_of(bits);
    if ((float)integer != float_of(bits)) {
        *at = 0xca;
        store32(at + 1, bits);
        return at + 5;
    }
    if (integer == 0 && bits != 0) {
        return NULL;
    }
    if (integer >= -32 && integer < 128) {
        *at = (uint8_t)integer;
        return at + 1;
    }
    return crdt_msgpack_put_int(at, integer);
}

/* `count` numbers of `width` bytes at `from`, each after its key if there are keys.
 * Returns the end of what was written, NULL where a number is none. */
static inline uint8_t *put_plain(uint8_t *at, const uint8_t *from, unsigned width,
                                 const vector *v, uint32_t *all)
{
    const char *keys = keys_of(v->shape);
    if (v->count < 16) {
        *at++ = (uint8_t)((keys == NULL ? 0x90 : 0x80) | v->count);
    } else {
        at = crdt_msgpack_put_array(at, v->count);
    }
    uint32_t seen = 0;
    for (unsigned i = 0; i < v->count && at != NULL; i++) {
        uint32_t bits = width > 3 ? load32(from) : (uint32_t)load16(from) << 16;
        bits |= width == 3 ? (uint32_t)from[2] << 8 : 0;
        from += width;
        seen |= bits;
        if (keys != NULL) {
            *at++ = 0xa1;
            *at++ = (uint8_t)keys[i];
        }
        at = put_number(at, bits);
    }
    *all = seen;
    return at;
}

/* The head of a packed vector: its shape and width; false if it is none. */
static bool read_head(crdt_msgpack_reader *reader, vector *v, unsigned *width)
{
    size_t left = (size_t)(reader->end - reader->at);
    unsigned head = left > 0 ? reader->at[0] : 0;
    if (head >= HEAD_THREE && head <= HEAD_THREE + 2) {
        v->shape = 3;
        *width = head - HEAD_THREE + WIDTH_MIN;
    } else if (head >= HEAD_FOUR && head <= HEAD_FOUR + 2) {
        v->shape = 4;
        *width = head - HEAD_FOUR + WIDTH_MIN;
    } else if (head == HEAD_ANY && left >= 2) {
        v->shape = reader->at[1] >> 2;
        *width = (reader->at[1] & 3u) + WIDTH_MIN;
        if (v->shape < 2 || v->shape >= SHAPE_COUNT || has_short_head(v->shape) ||
            *width > 4) {
            return false;
        }
    } else {
        return false;
    }
    v->count = (uint8_t)count_of(v->shape);
    return true;
}

static crdt_span fail(crdt_msgpack_reader *reader, const uint8_t *at, crdt_err err,
                      const char *text)
{
    reader->at = at;
    crdt_msgpack_fail(reader, err, text);
    return (crdt_span){0};
}

static crdt_span read_packed(crdt_msgpack_reader *reader, vector *v, unsigned width,
                             crdt_vector_room *room)
{
    size_t size = packed_size(v->shape, v->count, width);
    const uint8_t *begin = reader->at;
    if (size > (size_t)(reader->end - begin)) {
        return fail(reader, begin, CRDT_ECORRUPT, "the bytes end early");
    }
    if (!reserve_room(room, reader)) {
        return fail(reader, begin, CRDT_ENOMEM, "no memory for a vector");
    }
    const uint8_t *numbers = begin + size - (size_t)v->count * width;
    uint32_t all;
    /* The width is told as a constant, so that a number is read in one load. */
    const uint8_t *end = width == 2   ? put_plain(room->at, numbers, 2, v, &all)
                         : width == 3 ? put_plain(room->at, numbers, 3, v, &all)
                                      : put_plain(room->at, numbers, 4, v, &all);
    if (end == NULL) {
        return fail(reader, begin, CRDT_ECORRUPT,
                    "packed number is not in its canonical form");
    }
    crdt_span value = {.data = room->at, .size = (size_t)(end - room->at)};
    if (width_of(all) != width || size >= value.size) {
        return fail(reader, begin, CRDT_ECORRUPT, "vector is not in its shortest form");
    }
    room->at += value.size;
    room->left -= value.size;
    reader->at = begin + size;
    return value;
}

crdt_span crdt_vector_read(crdt_msgpack_reader *reader, crdt_vector_room *room)
{
    if (reader->err != CRDT_OK) {
        return (crdt_span){0};
    }
    vector v;
    unsigned width;
    if (read_head(reader, &v, &width)) {
        return read_packed(reader, &v, width, room);
    }
    const uint8_t *before = reader->at;
    crdt_span value = crdt_msgpack_read_value(reader);
    if (value.size > WIDTH_MIN * 2 && is_vector(value, &v) &&
        packed_size(v.shape, v.count, width_of(v.all)) < value.size) {
        return fail(reader, before, CRDT_ECORRUPT, "vector is not packed");
    }
    return value;
}
