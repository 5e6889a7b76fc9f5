#include "crdt/value.h"
#include "crdt/vector.h"
#include "tests/support/decoder.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <math.h>

/* A decoder of one value. */
typedef struct reading {
    crdt_span value;
} reading;

static crdt_err decode(void *ctx, crdt_span bytes, crdt_arena *arena, crdt_diag *diag)
{
    reading *r = ctx;
    crdt_msgpack_reader reader = crdt_msgpack_read_open(bytes, diag);
    crdt_vector_room room = crdt_vector_room_open(arena);
    r->value = crdt_vector_read(&reader, &room);
    return crdt_msgpack_read_end(&reader);
}

static crdt_err encode(void *ctx, crdt_buf *out)
{
    reading *r = ctx;
    crdt_err err = crdt_buf_reserve(out, r->value.size);
    if (err == CRDT_OK) {
        out->size += (size_t)(crdt_vector_put(out->data + out->size, r->value) -
                              (out->data + out->size));
    }
    return err;
}

static reading kept;
static const decoder value_decoder = {.ctx = &kept,
                                      .decode = decode,
                                      .encode = encode,
                                      .canonical = true,
                                      .memory_factor = 8,
                                      .memory_fixed = 4096};

/* Does the value `plain` pack to `packed`, and back? Both in hex. */
static void expect_form(const char *plain_hex, const char *packed_hex)
{
    crdt_buf plain, packed, out;
    crdt_buf_init(&plain, crdt_alloc_default());
    crdt_buf_init(&packed, crdt_alloc_default());
    crdt_buf_init(&out, crdt_alloc_default());
    decoder_unhex(plain_hex, &plain);
    decoder_unhex(packed_hex, &packed);
    cr_assert_eq(crdt_value_check(crdt_buf_span(&plain), NULL), CRDT_OK, "%s",
                 plain_hex);
    kept.value = crdt_buf_span(&plain);
    cr_assert_eq(encode(&kept, &out), CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&out), crdt_buf_span(&packed)), "%s",
              plain_hex);

    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    cr_assert_eq(decode(&kept, crdt_buf_span(&packed), &arena, NULL), CRDT_OK, "%s",
                 packed_hex);
    cr_assert(crdt_span_equal(kept.value, crdt_buf_span(&plain)), "%s", packed_hex);
    crdt_arena_deinit(&arena);
    cr_assert(decoder_refuses_truncated(&value_decoder, crdt_buf_span(&packed)));
    cr_assert(decoder_stands_flips(&value_decoder, crdt_buf_span(&packed)));
    cr_assert(decoder_stands_no_memory(&value_decoder, crdt_buf_span(&packed)));
    crdt_buf_deinit(&plain);
    crdt_buf_deinit(&packed);
    crdt_buf_deinit(&out);
}

Test(vector, forms)
{
    /* [0.5, 1.5, -2.5] in two bytes a number; with 1/64 more three, with 0.1f four */
    expect_form("93 ca3f000000 ca3fc00000 cac0200000", "d4 3f00 3fc0 c020");
    expect_form("93 ca3f000000 ca43fa0400 00", "d5 3f0000 43fa04 000000");
    expect_form("93 ca3f000000 ca3dcccccd cabf000000", "d6 3f000000 3dcccccd bf000000");
    expect_form("94 00 00 ca3f350000 ca3f350000", "c7 0000 0000 3f35 3f35");
    expect_form("94 ca3f3504f3 cabf3504f3 ca3f000000 ca3f3504f3",
                "c9 3f3504f3 bf3504f3 3f000000 3f3504f3");
    expect_form("93 01 ca3dcccccd ff", "93 01 ca3dcccccd ff");
    /* other counts; integers of more than a byte */
    expect_form("92 ca3f000000 01", "c1 08 3f00 3f80");
    expect_form("95 cd03e8 cd03e8 cd03e8 cd03e8 cd03e8",
                "c1 14 447a 447a 447a 447a 447a");
    expect_form("93 cd0400 d1fc00 ce00100000", "d4 4480 c480 4980");
    /* maps of known keys */
    expect_form("83 a178 ca3f000000 a179 00 a17a 08", "c1 48 3f00 0000 4100");
    expect_form("82 a178 07 a179 00", "c1 44 40e0 0000");
    expect_form("84 a177 01 a178 00 a179 00 a17a 00", "c1 4c 3f80 0000 0000 0000");
    expect_form("83 a162 01 a167 ca3f000000 a172 00", "c1 50 3f80 3f00 0000");
    expect_form("84 a161 01 a162 01 a167 ca3f000000 a172 00",
                "c1 54 3f80 3f80 3f00 0000");
    /* above 2^53 integral numbers are floats in both */
    expect_form("93 ca5a000001 ca7f7fffff caff000000", "d6 5a000001 7f7fffff ff000000");
    expect_form("93 cf0020000000000000 00 00", "d4 5a00 0000 0000");
}

/* What is no vector, or would not be shorter, stays as it is. */
Test(vector, plain_values)
{
    static const char *const values[] = {
        "c0",
        "c3",
        "07",
        "cb3fb999999999999a",
        "a3616263",
        "90",
        "91 ca3f000000",
        "93 010203",                           /* small integers */
        "93 cb3fb999999999999a 01 02",         /* not exact in float32 */
        "93 ca3f000000 ca3f000000 c0",         /* no number */
        "92 ca3f000000 91ca3f000000",          /* nested */
        "93 ce01000001 ca3f000000 ca3f000000", /* 2^24 + 1 */
        "83 a178 00 a179 00 a17b 00",          /* other keys */
        "82 a162 ca3f000000 a167 ca3f000000",
        "82 a178 ca3f000000 a2797a ca3f000000",
        "83 a178 ca3f000000 a179 ca3f000000 a17a a0",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        expect_form(values[i], values[i]);
    }
    /* 17 numbers are too many */
    char hex[3 * 2 + 17 * 10 + 1] = "dc0011";
    for (size_t i = 0; i < 17; i++) {
        memcpy(hex + 6 + 10 * i, "ca3f000000", 11);
    }
    expect_form(hex, hex);
}

Test(vector, refused)
{
    static const decoder_bad rows[] = {
        /* plain, but shorter packed */
        {"93 ca3f000000 ca3fc00000 cac0200000", CRDT_ECORRUPT, 0},
        {"83 a178 ca3f000000 a179 00 a17a 08", CRDT_ECORRUPT, 0},
        /* packed, but no shorter: [1, 2, 3]; [0, 0] */
        {"d4 3f80 4000 4040", CRDT_ECORRUPT, 0},
        {"c1 08 0000 0000", CRDT_ECORRUPT, 0},
        /* wider than it needs */
        {"d5 3f0000 3fc000 c02000", CRDT_ECORRUPT, 0},
        {"d6 3f000100 3fc00000 c0200000", CRDT_ECORRUPT, 0},
        /* minus zero, infinite, no number */
        {"d4 3f00 3fc0 8000", CRDT_ECORRUPT, 0},
        {"d4 3f00 3fc0 7f80", CRDT_ECORRUPT, 0},
        {"d4 3f00 3fc0 ffc0", CRDT_ECORRUPT, 0},
        /* shapes with a head of their own, none, or unknown; widths of 5 */
        {"c1 0c 3f00 3fc0 c020", CRDT_ECORRUPT, 0},
        {"c1 10 3f00 3fc0 c020 3f00", CRDT_ECORRUPT, 0},
        {"c1 00", CRDT_ECORRUPT, 0},
        {"c1 04 3f00", CRDT_ECORRUPT, 0},
        {"c1 58 3f00 3fc0 c020 3f00", CRDT_ECORRUPT, 0},
        {"c1 0b 3f00000000 3f00000000", CRDT_ECORRUPT, 0},
        {"c1", CRDT_ECORRUPT, 0},
        /* heads that nothing has */
        {"d7 3f00 3fc0 c020", CRDT_ECORRUPT, 0},
        {"d8 3f00 3fc0 c020", CRDT_ECORRUPT, 0},
        /* cut */
        {"d4 3f00 3fc0 c0", CRDT_ECORRUPT, 0},
        {"", CRDT_ECORRUPT, 0},
        /* packed within another value */
        {"91 d4 3f00 3fc0 c020", CRDT_ECORRUPT, 1},
    };
    cr_assert(decoder_refuses(&value_decoder, rows, sizeof rows / sizeof *rows));
}

/* A number that often is exact in float32, of many sizes. */
static double random_number(gen *g)
{
    switch (gen_below(g, 6)) {
    case 0:
        return (double)gen_below(g, 300) - 150;
    case 1:
        return ldexp((double)gen_below(g, 1u << 24) - (1 << 23), -8);
    case 2:
        return ldexp((double)gen_below(g, 512) - 256, -8);
    case 3:
        return ldexp((double)gen_below(g, 1u << 24), (int)gen_below(g, 100) - 50);
    case 4:
        return (double)(float)gen_unit(g);
    default:
        return gen_chance(g, 5) ? gen_unit(g) : 0;
    }
}

/* Whatever is packed comes back, and never takes more bytes. */
Test(vector, random_vectors_come_back)
{
    static const char *const keys[] = {"xy", "xyz", "wxyz", "bgr", "abgr", "ab"};
    gen g = gen_open(gen_seed(11), NULL);
    crdt_buf plain, packed;
    crdt_buf_init(&plain, crdt_alloc_default());
    crdt_buf_init(&packed, crdt_alloc_default());
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    size_t shorter = 0;
    for (unsigned round = 0; round < 20000; round++) {
        crdt_buf_clear(&plain);
        crdt_buf_clear(&packed);
        crdt_arena_reset(&arena);
        const char *names = gen_chance(&g, 50) ? keys[gen_below(&g, 6)] : NULL;
        uint32_t count =
            names != NULL ? (uint32_t)strlen(names) : (uint32_t)gen_below(&g, 19);
        if (names != NULL) {
            crdt_value_write_map(&plain, count);
        } else {
            crdt_value_write_array(&plain, count);
        }
        double same = random_number(&g);
        for (uint32_t i = 0; i < count; i++) {
            if (names != NULL) {
                crdt_span key = {.data = (const uint8_t *)&names[i], .size = 1};
                crdt_value_write_string(&plain, key);
            }
            crdt_value_write_number(&plain,
                                    gen_chance(&g, 50) ? same : random_number(&g));
        }
        kept.value = crdt_buf_span(&plain);
        cr_assert_eq(encode(&kept, &packed), CRDT_OK);
        cr_assert_leq(packed.size, plain.size);
        shorter += packed.size < plain.size;
        crdt_diag diag;
        cr_assert_eq(decode(&kept, crdt_buf_span(&packed), &arena, &diag), CRDT_OK,
                     "round %u: %s", round, diag.text);
        cr_assert(crdt_span_equal(kept.value, crdt_buf_span(&plain)), "round %u",
                  round);
    }
    cr_assert_gt(shorter, 5000);
    crdt_arena_deinit(&arena);
    crdt_buf_deinit(&plain);
    crdt_buf_deinit(&packed);
}

/* Foreign bytes: noise is refused or reads as something that packs to the same bytes. */
Test(vector, noise)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    decoder_unhex("c1 4e 3dcccccd 00000000 41000000", &bytes);
    cr_assert(decoder_stands_noise(&value_decoder, crdt_buf_span(&bytes), gen_seed(12),
                                   20000));
    crdt_buf_deinit(&bytes);
}
