#include "crdt/msgpack.h"
#include "crdt/value.h"
#include "tests/support/decoder.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* Copies a checked value token by token: what the reader says, the writer writes. */
static crdt_err copy_value(crdt_span value, crdt_buf *out)
{
    crdt_value_reader reader = crdt_value_read_open(value);
    crdt_err err = CRDT_OK;
    while (reader.at < reader.end && err == CRDT_OK) {
        crdt_value_token token = crdt_value_read(&reader);
        switch (token.type) {
        case CRDT_VALUE_NULL:
            err = crdt_value_write_null(out);
            break;
        case CRDT_VALUE_BOOL:
            err = crdt_value_write_bool(out, token.boolean);
            break;
        case CRDT_VALUE_NUMBER:
            err = token.integral ? crdt_value_write_integer(out, token.integer)
                                 : crdt_value_write_number(out, token.number);
            break;
        case CRDT_VALUE_STRING:
            err = crdt_value_write_string(out, token.string);
            break;
        case CRDT_VALUE_ARRAY:
            err = crdt_value_write_array(out, token.count);
            break;
        case CRDT_VALUE_MAP:
            err = crdt_value_write_map(out, token.count);
            break;
        }
    }
    return err;
}

static crdt_err decode(void *ctx, crdt_span bytes, crdt_arena *arena, crdt_diag *diag)
{
    (void)arena;
    crdt_buf *kept = ctx;
    crdt_err err = crdt_value_check(bytes, diag);
    crdt_buf_clear(kept);
    if (err == CRDT_OK) {
        err = copy_value(bytes, kept);
    }
    return err;
}

static crdt_err encode(void *ctx, crdt_buf *out)
{
    return crdt_buf_append_span(out, crdt_buf_span(ctx));
}

static decoder open_decoder(crdt_buf *kept)
{
    crdt_buf_init(kept, crdt_alloc_default());
    return (decoder){
        .ctx = kept, .decode = decode, .encode = encode, .canonical = true};
}

Test(value, bad_bytes)
{
    static const decoder_bad rows[] = {
        {"", CRDT_ECORRUPT, 0},
        {"01 02", CRDT_ECORRUPT, 1},             /* two values */
        {"c1", CRDT_ECORRUPT, 0},                /* never used */
        {"c4 01 00", CRDT_ECORRUPT, 0},          /* bin */
        {"c7 01 05 00", CRDT_ECORRUPT, 0},       /* ext */
        {"d4 05 00", CRDT_ECORRUPT, 0},          /* fixext */
        {"d6 ff 00 00 00 00", CRDT_ECORRUPT, 0}, /* timestamp */
        {"cc 7f", CRDT_ECORRUPT, 0},             /* 127 in two bytes */
        {"cd 00 ff", CRDT_ECORRUPT, 0},
        {"ce 00 00 ff ff", CRDT_ECORRUPT, 0},
        {"cf 00 00 00 00 ff ff ff ff", CRDT_ECORRUPT, 0},
        {"cf 00 20 00 00 00 00 00 01", CRDT_ECORRUPT, 0}, /* 2^53 + 1 */
        {"d3 ff df ff ff ff ff ff ff", CRDT_ECORRUPT, 0}, /* -2^53 - 1 */
        {"d0 05", CRDT_ECORRUPT, 0},                      /* 5 in a signed form */
        {"d0 e0", CRDT_ECORRUPT, 0},                      /* -32 in two bytes */
        {"d1 ff 80", CRDT_ECORRUPT, 0},                   /* -128 in three */
        {"d2 ff ff 80 00", CRDT_ECORRUPT, 0},
        {"d3 ff ff ff ff 80 00 00 00", CRDT_ECORRUPT, 0},
        {"ca 3f 80 00 00", CRDT_ECORRUPT, 0},             /* 1.0 */
        {"ca 80 00 00 00", CRDT_ECORRUPT, 0},             /* -0 */
        {"ca 7f 80 00 00", CRDT_ECORRUPT, 0},             /* infinity */
        {"ca 7f c0 00 00", CRDT_ECORRUPT, 0},             /* NaN */
        {"cb 3f e0 00 00 00 00 00 00", CRDT_ECORRUPT, 0}, /* 0.5 fits float32 */
        {"cb 7f f0 00 00 00 00 00 00", CRDT_ECORRUPT, 0},
        {"cb 7f f8 00 00 00 00 00 00", CRDT_ECORRUPT, 0},
        {"cb 3f", CRDT_ECORRUPT, 0},
        {"a2 61", CRDT_ECORRUPT, 0},
        {"a1 80", CRDT_ECORRUPT, 1},    /* lone continuation */
        {"a2 c0 80", CRDT_ECORRUPT, 1}, /* overlong */
        {"a3 61 e0 80", CRDT_ECORRUPT, 2},
        {"a3 ed a0 80", CRDT_ECORRUPT, 1},    /* surrogate */
        {"a4 f4 90 80 80", CRDT_ECORRUPT, 1}, /* above U+10FFFF */
        {"d9 1f", CRDT_ECORRUPT, 0},          /* 31 in the long form */
        {"92 01", CRDT_ECORRUPT, 0},          /* claims more than is left */
        {"93 01 a1", CRDT_ECORRUPT, 0},
        {"92 01 a1", CRDT_ECORRUPT, 2},
        {"dc 00 01 00", CRDT_ECORRUPT, 0},    /* one element, long form */
        {"dd ff ff ff ff", CRDT_ECORRUPT, 0}, /* 2^32 - 1 elements */
        {"df ff ff ff ff", CRDT_ECORRUPT, 0},
        {"81 01 01", CRDT_ECORRUPT, 1},             /* key is a number */
        {"82 a1 62 01 a1 61 01", CRDT_ECORRUPT, 4}, /* b before a */
        {"82 a1 61 01 a1 61 01", CRDT_ECORRUPT, 4}, /* twice */
        /* U+FFFF before U+10000: in UTF-16 it is the greater one */
        {"82 a3 ef bf bf 01 a4 f0 90 80 80 01", CRDT_ECORRUPT, 6},
    };
    crdt_buf kept;
    decoder d = open_decoder(&kept);
    cr_assert(decoder_refuses(&d, rows, sizeof rows / sizeof *rows));
    crdt_buf_deinit(&kept);
}

Test(value, good_bytes)
{
    static const char *const rows[] = {
        "c0",
        "c2",
        "c3",
        "00",
        "7f",
        "cc 80",
        "cd 01 00",
        "ce 00 01 00 00",
        "cf 00 00 00 01 00 00 00 00",
        "cf 00 20 00 00 00 00 00 00",
        "ff",
        "e0",
        "d0 df",
        "d0 80",
        "d1 ff 7f",
        "d2 ff ff 7f ff",
        "d3 ff ff ff ff 7f ff ff ff",
        "d3 ff e0 00 00 00 00 00 00",
        "ca 3f 00 00 00",
        "ca 00 00 00 01",
        "ca 5f 80 00 00", /* 2^64: too large for an integer */
        "cb 3f b9 99 99 99 99 99 9a",
        "a0",
        "a4 f0 9f 98 80",
        "90",
        "80",
        "82 a1 61 01 a1 62 02",
        "82 a4 f0 90 80 80 01 a3 ef bf bf 01",
    };
    crdt_buf kept;
    decoder d = open_decoder(&kept);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        crdt_buf bytes;
        crdt_buf_init(&bytes, crdt_alloc_default());
        decoder_unhex(rows[i], &bytes);
        cr_assert(decoder_accepts(&d, crdt_buf_span(&bytes)), "%s", rows[i]);
        crdt_buf_deinit(&bytes);
    }
    crdt_buf_deinit(&kept);
}

static size_t nest(uint8_t *bytes, size_t depth)
{
    memset(bytes, 0x91, depth);
    bytes[depth - 1] = 0x90;
    return depth;
}

Test(value, depth_is_bounded)
{
    uint8_t bytes[CRDT_VALUE_DEPTH_MAX + 1];
    crdt_span span = {.data = bytes, .size = nest(bytes, CRDT_VALUE_DEPTH_MAX)};
    cr_assert_eq(crdt_value_check(span, NULL), CRDT_OK);
    span.size = nest(bytes, CRDT_VALUE_DEPTH_MAX + 1);
    crdt_diag diag;
    cr_assert_eq(crdt_value_check(span, &diag), CRDT_ELIMIT);
    cr_assert_eq(diag.offset, CRDT_VALUE_DEPTH_MAX);
}

Test(value, size_is_bounded)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    cr_assert_eq(crdt_buf_reserve(&bytes, CRDT_VALUE_SIZE_MAX + 1), CRDT_OK);
    memset(bytes.data, 'x', CRDT_VALUE_SIZE_MAX + 1);
    crdt_span text = {.data = bytes.data, .size = CRDT_VALUE_SIZE_MAX - 5};
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    cr_assert_eq(crdt_value_write_string(&value, text), CRDT_OK);
    cr_assert_eq(value.size, CRDT_VALUE_SIZE_MAX);
    cr_assert_eq(crdt_value_check(crdt_buf_span(&value), NULL), CRDT_OK);
    crdt_buf_clear(&value);
    text.size++;
    cr_assert_eq(crdt_value_write_string(&value, text), CRDT_OK);
    cr_assert_eq(crdt_value_check(crdt_buf_span(&value), NULL), CRDT_ELIMIT);
    crdt_buf_deinit(&value);
    crdt_buf_deinit(&bytes);
}

Test(value, random_values_stand_all_damage)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    uint64_t seed = gen_seed(11);
    gen g = gen_open(seed, &arena);
    crdt_buf kept;
    decoder d = open_decoder(&kept);
    for (int i = 0; i < 400; i++) {
        crdt_arena_reset(&arena);
        crdt_span value = gen_value(&g, 4);
        cr_assert(decoder_accepts(&d, value), "SCENESYNC_SEED=%llu",
                  (unsigned long long)seed);
        if (value.size < 200) {
            cr_assert(decoder_refuses_truncated(&d, value));
            cr_assert(decoder_stands_flips(&d, value));
            cr_assert(decoder_stands_noise(&d, value, gen_next(&g), 50));
        }
    }
    crdt_buf_deinit(&kept);
    crdt_arena_deinit(&arena);
}

/* Every double that is written reads back as itself, in the shortest exact form. */
Test(value, numbers_round_trip)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    gen g = gen_open(gen_seed(12), NULL);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = gen_next(&g);
        double number;
        memcpy(&number, &bits, sizeof number);
        if (i % 3 == 1) {
            number = (double)(float)(gen_unit(&g) * 1000);
        } else if (i % 3 == 2) {
            number = (double)((int64_t)bits >> (bits % 64));
        }
        crdt_buf_clear(&out);
        if (!isfinite(number)) {
            cr_assert_eq(crdt_value_write_number(&out, number), CRDT_EINVAL);
            cr_assert_eq(out.size, 0);
            continue;
        }
        cr_assert_eq(crdt_value_write_number(&out, number), CRDT_OK);
        cr_assert_eq(crdt_value_check(crdt_buf_span(&out), NULL), CRDT_OK);
        crdt_value_reader reader = crdt_value_read_open(crdt_buf_span(&out));
        crdt_value_token token = crdt_value_read(&reader);
        cr_assert_eq(token.type, CRDT_VALUE_NUMBER);
        cr_assert_eq(token.number, number);
        cr_assert(!token.integral || (double)token.integer == number);
    }
    crdt_buf_deinit(&out);
}

Test(value, minus_zero_is_zero)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(crdt_value_write_number(&out, -0.0), CRDT_OK);
    cr_assert_eq(out.size, 1);
    cr_assert_eq(out.data[0], 0x00);
    crdt_buf_deinit(&out);
}

Test(value, map_find_and_spans)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    /* {"a": [1, {"b": null}], "b": "x", "c": {}} */
    decoder_unhex("83 a1 61 92 01 81 a1 62 c0 a1 62 a1 78 a1 63 80", &bytes);
    crdt_span map = crdt_buf_span(&bytes);
    cr_assert_eq(crdt_value_check(map, NULL), CRDT_OK);
    crdt_span found;
    cr_assert(crdt_value_map_find(map, "a", &found));
    cr_assert_eq(found.size, 6);
    cr_assert_eq(crdt_value_type_of(found), CRDT_VALUE_ARRAY);
    cr_assert(crdt_value_map_find(map, "b", &found));
    cr_assert_eq(crdt_value_type_of(found), CRDT_VALUE_STRING);
    cr_assert(crdt_value_map_find(map, "c", &found));
    cr_assert_eq(found.size, 1);
    cr_assert_not(crdt_value_map_find(map, "d", &found));
    cr_assert_not(crdt_value_map_find((crdt_span){map.data + 3, 6}, "a", &found));
    crdt_value_reader reader = crdt_value_read_open(map);
    cr_assert_eq(crdt_value_read_span(&reader).size, map.size);
    crdt_buf_deinit(&bytes);
}

/* As RFC 8785 sorts: by UTF-16 code units. Compared with really converting. */
static size_t to_utf16(crdt_span text, uint16_t *units)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size;) {
        uint8_t first = text.data[i];
        size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        uint32_t code = size == 1 ? first : first & (0x7fu >> size);
        for (size_t j = 1; j < size; j++) {
            code = code << 6 | (text.data[i + j] & 0x3fu);
        }
        i += size;
        if (code >= 0x10000) {
            units[count++] = (uint16_t)(0xd800 + ((code - 0x10000) >> 10));
            code = 0xdc00 + ((code - 0x10000) & 0x3ff);
        }
        units[count++] = (uint16_t)code;
    }
    return count;
}

Test(value, keys_compare_as_utf16)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(gen_seed(13), &arena);
    for (int i = 0; i < 50000; i++) {
        crdt_arena_reset(&arena);
        crdt_span a = gen_text(&g, 12);
        crdt_span b = gen_text(&g, 12);
        uint16_t units_a[16];
        uint16_t units_b[16];
        size_t count_a = to_utf16(a, units_a);
        size_t count_b = to_utf16(b, units_b);
        int expected = (count_a > count_b) - (count_a < count_b);
        for (size_t j = 0; j < count_a && j < count_b; j++) {
            if (units_a[j] != units_b[j]) {
                expected = units_a[j] < units_b[j] ? -1 : 1;
                break;
            }
        }
        int order = crdt_value_key_compare(a, b);
        cr_assert_eq((order > 0) - (order < 0), expected);
    }
    crdt_arena_deinit(&arena);
}

/* All sequences of up to three bytes, and edges of four: as a plain decoder has it. */
static bool plainly_valid(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint8_t first = bytes[i];
        size_t more = first < 0x80           ? 0
                      : (first >> 5) == 0x06 ? 1
                      : (first >> 4) == 0x0e ? 2
                      : (first >> 3) == 0x1e ? 3
                                             : 9;
        if (more == 9 || more >= size - i) {
            return false;
        }
        uint32_t code = more == 0 ? first : first & (0x3fu >> more);
        for (size_t j = 1; j <= more; j++) {
            if ((bytes[i + j] & 0xc0) != 0x80) {
                return false;
            }
            code = code << 6 | (bytes[i + j] & 0x3fu);
        }
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (code < least[more] || code > 0x10ffff ||
            (code >= 0xd800 && code <= 0xdfff)) {
            return false;
        }
        i += more + 1;
    }
    return true;
}

Test(value, utf8_is_checked_exactly)
{
    uint8_t bytes[16];
    memset(bytes, 'a', sizeof bytes);
    for (uint32_t x = 0; x < 1u << 24; x += 1 + (x & 7)) {
        bytes[6] = (uint8_t)(x >> 16);
        bytes[7] = (uint8_t)(x >> 8);
        bytes[8] = (uint8_t)x;
        crdt_span span = {.data = bytes + 6, .size = 3};
        cr_assert_eq(crdt_utf8_valid(span, NULL), plainly_valid(bytes + 6, 3), "%06x",
                     x);
    }
    for (uint32_t x = 0; x < 1u << 16; x++) {
        bytes[6] = (uint8_t)(0xf0 + (x >> 12));
        bytes[7] = (uint8_t)(0x40 + (x >> 4 & 0xff));
        bytes[8] = (uint8_t)((x & 15) * 17);
        bytes[9] = 0x80;
        crdt_span span = {.data = bytes, .size = sizeof bytes};
        cr_assert_eq(crdt_utf8_valid(span, NULL), plainly_valid(bytes, sizeof bytes));
    }
}

Test(value, writing_without_memory_changes_nothing)
{
    fault_alloc fault;
    crdt_buf out;
    crdt_buf_init(&out, fault_alloc_init(&fault));
    fault.fail_at = 0;
    fault.fail_after = true;
    crdt_span text = crdt_span_of("text");
    cr_assert_eq(crdt_value_write_null(&out), CRDT_ENOMEM);
    cr_assert_eq(crdt_value_write_bool(&out, true), CRDT_ENOMEM);
    cr_assert_eq(crdt_value_write_number(&out, 0.5), CRDT_ENOMEM);
    cr_assert_eq(crdt_value_write_integer(&out, 5), CRDT_ENOMEM);
    cr_assert_eq(crdt_value_write_string(&out, text), CRDT_ENOMEM);
    cr_assert_eq(crdt_value_write_array(&out, 1), CRDT_ENOMEM);
    cr_assert_eq(crdt_value_write_map(&out, 1), CRDT_ENOMEM);
    cr_assert_eq(out.size, 0);
    cr_assert(fault_alloc_balanced(&fault));
}

/* A float32 is canonical if it is finite and no integer holds it: by arithmetic on one
 * side, by its bits on the other; in an array as alone. */
Test(value, float32s_are_judged_by_their_bits)
{
    uint32_t mantissas[] = {0, 1, 2, 0x400000, 0x7ffffe, 0x7fffff};
    for (uint32_t exponent = 0; exponent < 256; exponent++) {
        for (size_t i = 0; i < sizeof mantissas / sizeof *mantissas + 24; i++) {
            uint32_t bits =
                exponent << 23 | (i < 24 ? 1u << i >> 1 : mantissas[i - 24]);
            float number;
            memcpy(&number, &bits, sizeof number);
            bool canonical = isfinite(number) && (fabsf(number) > 9007199254740992.0f ||
                                                  truncf(number) != number);
            for (uint32_t sign = 0; sign < 2; sign++) {
                uint8_t bytes[] = {0x92,
                                   0x05,
                                   0xca,
                                   (uint8_t)(bits >> 24 | sign << 7),
                                   (uint8_t)(bits >> 16),
                                   (uint8_t)(bits >> 8),
                                   (uint8_t)bits};
                crdt_span alone = {.data = bytes + 2, .size = 5};
                crdt_span vector = {.data = bytes, .size = sizeof bytes};
                crdt_err wanted = canonical ? CRDT_OK : CRDT_ECORRUPT;
                cr_assert_eq(crdt_value_check(alone, NULL), wanted, "%08x", bits);
                cr_assert_eq(crdt_value_check(vector, NULL), wanted, "%08x", bits);
            }
        }
    }
}
