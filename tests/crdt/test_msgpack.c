#include "crdt/msgpack.h"
#include "tests/support/decoder.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <string.h>

static crdt_span written(const uint8_t *bytes, const uint8_t *end)
{
    return (crdt_span){.data = bytes, .size = (size_t)(end - bytes)};
}

/* The size that the form of a number must have: the shortest that holds it. */
static size_t uint_size(uint64_t n)
{
    return n < 0x80 ? 1 : n < 0x100 ? 2 : n < 0x10000 ? 3 : n <= UINT32_MAX ? 5 : 9;
}

static size_t int_size(int64_t n)
{
    if (n >= 0) {
        return uint_size((uint64_t)n);
    }
    return n >= -32         ? 1
           : n >= INT8_MIN  ? 2
           : n >= INT16_MIN ? 3
           : n >= INT32_MIN ? 5
                            : 9;
}

static void check_int(int64_t n)
{
    uint8_t bytes[CRDT_MSGPACK_SIZE_MAX];
    crdt_span token = written(bytes, crdt_msgpack_put_int(bytes, n));
    cr_assert_eq(token.size, int_size(n));
    crdt_msgpack_reader reader = crdt_msgpack_read_open(token, NULL);
    cr_assert_eq(crdt_msgpack_read_int(&reader), n);
    cr_assert_eq(crdt_msgpack_read_end(&reader), CRDT_OK);
    if (n >= 0) {
        uint64_t u = (uint64_t)n;
        token = written(bytes, crdt_msgpack_put_uint(bytes, u));
        cr_assert_eq(token.size, uint_size(u));
        reader = crdt_msgpack_read_open(token, NULL);
        cr_assert_eq(crdt_msgpack_read_uint(&reader, u), u);
        cr_assert_eq(crdt_msgpack_read_end(&reader), CRDT_OK);
        reader = crdt_msgpack_read_open(token, NULL);
        crdt_msgpack_read_uint(&reader, u == 0 ? 0 : u - 1);
        cr_assert_eq(reader.err, u == 0 ? CRDT_OK : CRDT_ELIMIT);
    }
}

Test(msgpack, integers_round_trip_in_their_shortest_form)
{
    for (unsigned bit = 0; bit < 63; bit++) {
        for (int64_t near = -3; near <= 3; near++) {
            check_int((INT64_C(1) << bit) + near);
            check_int(-(INT64_C(1) << bit) + near);
        }
    }
    check_int(INT64_MAX);
    check_int(INT64_MIN);
    gen g = gen_open(gen_seed(1), NULL);
    for (int i = 0; i < 20000; i++) {
        check_int((int64_t)gen_next(&g) >> gen_below(&g, 64));
    }
}

/* Each first byte with each filling after it is one thing or nothing: reading it and
 * writing what was read gives the same bytes. */
Test(msgpack, nothing_but_the_shortest_form_is_read)
{
    static const uint8_t fillings[] = {0x00, 0x01, 0x1f, 0x20, 0x7f, 0x80, 0xff};
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned f = 0; f < 7 * 7; f++) {
            uint8_t bytes[9];
            memset(bytes, fillings[f % 7], sizeof bytes);
            bytes[0] = (uint8_t)first;
            bytes[1] = fillings[f / 7];
            crdt_msgpack_token token = crdt_msgpack_peek(bytes, bytes + sizeof bytes);
            uint8_t again[9];
            uint8_t *end = again;
            uint32_t number = (uint32_t)token.number;
            if (token.type == CRDT_MSGPACK_UINT) {
                end = crdt_msgpack_put_uint(again, token.number);
            } else if (token.type == CRDT_MSGPACK_INT) {
                end = crdt_msgpack_put_int(again, (int64_t)token.number);
            } else if (token.type == CRDT_MSGPACK_ARRAY) {
                end = crdt_msgpack_put_array(again, number);
            } else if (token.type == CRDT_MSGPACK_MAP) {
                end = crdt_msgpack_put_map(again, number);
            } else if (token.type == CRDT_MSGPACK_BIN) {
                end = crdt_msgpack_put_bin_head(again, number);
            } else if (token.type == CRDT_MSGPACK_BOOL) {
                end = crdt_msgpack_put_bool(again, token.number != 0);
            } else if (token.type == CRDT_MSGPACK_NIL) {
                end = crdt_msgpack_put_nil(again);
            } else {
                continue;
            }
            cr_assert_eq((size_t)(end - again), token.head_size, "%02x", first);
            cr_assert_eq(memcmp(again, bytes, token.head_size), 0, "%02x", first);
        }
    }
}

Test(msgpack, floats_are_their_bits)
{
    uint8_t bytes[9];
    uint8_t *end = crdt_msgpack_put_float32(bytes, 0.5f);
    crdt_msgpack_token token = crdt_msgpack_peek(bytes, end);
    cr_assert_eq(token.type, CRDT_MSGPACK_FLOAT32);
    cr_assert_eq(token.number, 0x3f000000);
    end = crdt_msgpack_put_float64(bytes, 0.5);
    token = crdt_msgpack_peek(bytes, end);
    cr_assert_eq(token.type, CRDT_MSGPACK_FLOAT64);
    cr_assert_eq(token.number, UINT64_C(0x3fe0000000000000));
    cr_assert_eq(crdt_msgpack_peek(bytes, end - 1).type, CRDT_MSGPACK_BAD);
}

/* Names: every byte string is one, and has one form. */
Test(msgpack, names_round_trip)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(gen_seed(2), &arena);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    for (int i = 0; i < 5000; i++) {
        crdt_arena_reset(&arena);
        crdt_buf_clear(&out);
        crdt_span name = gen_text(&g, i % 50 == 0 ? 70000 : 40);
        if (name.size > 0 && gen_chance(&g, 30)) {
            ((uint8_t *)(uintptr_t)name.data)[gen_below(&g, name.size)] =
                (uint8_t)gen_next(&g);
        }
        cr_assert_eq(crdt_msgpack_append_name(&out, name), CRDT_OK);
        crdt_msgpack_reader reader = crdt_msgpack_read_open(crdt_buf_span(&out), NULL);
        cr_assert(crdt_span_equal(crdt_msgpack_read_name(&reader, SIZE_MAX), name));
        cr_assert_eq(crdt_msgpack_read_end(&reader), CRDT_OK);
        reader = crdt_msgpack_read_open(crdt_buf_span(&out), NULL);
        crdt_msgpack_read_name(&reader, name.size == 0 ? 0 : name.size - 1);
        cr_assert_eq(reader.err, name.size == 0 ? CRDT_OK : CRDT_ELIMIT);
    }
    crdt_buf_deinit(&out);
    crdt_arena_deinit(&arena);
}

/* After the first error every read says the same, and the place stays. */
Test(msgpack, an_error_sticks)
{
    static const uint8_t bytes[] = {0x01, 0xc0, 0x02};
    crdt_diag diag;
    crdt_span span = {.data = bytes, .size = sizeof bytes};
    crdt_msgpack_reader reader = crdt_msgpack_read_open(span, &diag);
    cr_assert_eq(crdt_msgpack_read_uint(&reader, 9), 1);
    cr_assert_eq(crdt_msgpack_read_uint(&reader, 9), 0);
    cr_assert_eq(reader.err, CRDT_ECORRUPT);
    cr_assert_eq(diag.offset, 1);
    cr_assert_str_eq(diag.text, "unsigned integer expected");
    uint8_t fixed[2] = {7, 7};
    crdt_msgpack_read_fixed(&reader, fixed, sizeof fixed);
    cr_assert_eq(fixed[0], 7);
    cr_assert_eq(crdt_msgpack_read_int(&reader), 0);
    cr_assert_not(crdt_msgpack_read_bool(&reader));
    cr_assert_eq(crdt_msgpack_read_count(&reader, 9, 1), 0);
    cr_assert_eq(crdt_msgpack_read_name(&reader, 9).size, 0);
    cr_assert_eq(crdt_msgpack_read_str(&reader, 9).size, 0);
    cr_assert_eq(crdt_msgpack_read_bin(&reader, 9).size, 0);
    cr_assert_eq(crdt_msgpack_read_value(&reader).size, 0);
    cr_assert_not(crdt_msgpack_at_uint(&reader));
    cr_assert_eq(crdt_msgpack_fail(&reader, CRDT_ENOMEM, "another"), CRDT_ECORRUPT);
    cr_assert_eq(crdt_msgpack_read_end(&reader), CRDT_ECORRUPT);
    cr_assert_eq(diag.offset, 1);
}

/* A count is held against the bytes that are left. */
Test(msgpack, counts_are_bounded_by_the_input)
{
    static const uint8_t bytes[] = {0x03, 0, 0, 0, 0, 0, 0};
    crdt_span span = {.data = bytes, .size = sizeof bytes};
    crdt_msgpack_reader reader = crdt_msgpack_read_open(span, NULL);
    cr_assert_eq(crdt_msgpack_read_count(&reader, 3, 2), 3);
    reader = crdt_msgpack_read_open(span, NULL);
    cr_assert_eq(crdt_msgpack_read_count(&reader, 3, 3), 0);
    cr_assert_eq(reader.err, CRDT_ECORRUPT);
    reader = crdt_msgpack_read_open(span, NULL);
    cr_assert_eq(crdt_msgpack_read_count(&reader, 2, 1), 0);
    cr_assert_eq(reader.err, CRDT_ELIMIT);
}

Test(msgpack, appending_without_memory_changes_nothing)
{
    fault_alloc fault;
    crdt_buf out;
    crdt_buf_init(&out, fault_alloc_init(&fault));
    fault.fail_at = 0;
    fault.fail_after = true;
    crdt_span text = crdt_span_of("text");
    cr_assert_eq(crdt_msgpack_append_uint(&out, 5), CRDT_ENOMEM);
    cr_assert_eq(crdt_msgpack_append_name(&out, text), CRDT_ENOMEM);
    cr_assert_eq(crdt_msgpack_append_str(&out, text), CRDT_ENOMEM);
    cr_assert_eq(crdt_msgpack_append_bin(&out, text), CRDT_ENOMEM);
    cr_assert_eq(out.size, 0);
}
