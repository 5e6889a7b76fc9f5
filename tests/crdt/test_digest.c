#include "crdt/digest.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>

Test(digest, sums_carry_and_cancel)
{
    crdt_digest sum = {.low = UINT64_MAX, .high = 1};
    crdt_digest one = {.low = 1, .high = 0};
    crdt_digest_add(&sum, one);
    cr_assert(crdt_digest_equal(sum, (crdt_digest){.low = 0, .high = 2}));
    crdt_digest_subtract(&sum, one);
    cr_assert(crdt_digest_equal(sum, (crdt_digest){.low = UINT64_MAX, .high = 1}));
    crdt_digest text_of = {.low = 0x0123456789abcdef, .high = 0xfedcba9876543210};
    char text[CRDT_DIGEST_TEXT_SIZE];
    crdt_digest_format(text_of, text);
    cr_assert_str_eq(text, "fedcba98765432100123456789abcdef");
}

/* A sum in any order, with terms that come and go, is the sum of what stays. */
Test(digest, order_does_not_matter)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(gen_seed(1), &arena);
    for (int run = 0; run < 200; run++) {
        crdt_digest terms[20];
        for (int i = 0; i < 20; i++) {
            terms[i] = (crdt_digest){.low = gen_next(&g) | UINT64_C(7) << 61,
                                     .high = gen_next(&g)};
        }
        crdt_digest up = {0};
        crdt_digest down = {0};
        for (int i = 0; i < 20; i++) {
            crdt_digest_add(&up, terms[i]);
            crdt_digest_add(&down, terms[19 - i]);
        }
        for (int i = 0; i < 10; i++) {
            crdt_digest_subtract(&down, terms[i]);
            crdt_digest_add(&down, terms[i]);
        }
        cr_assert(crdt_digest_equal(up, down));
        for (int i = 19; i >= 0; i--) {
            crdt_digest_subtract(&up, terms[i]);
        }
        cr_assert(crdt_digest_equal(up, (crdt_digest){0}));
    }
    crdt_arena_deinit(&arena);
}

/* Names are hashed one by one: where one ends and the next begins counts, and the depth. */
Test(digest, names_do_not_run_together)
{
    crdt_stamp stamp = {.time = 5, .actor = gen_actor(0)};
    crdt_span none = {0};
    crdt_span a = crdt_span_of("a");
    crdt_span ab = crdt_span_of("ab");
    crdt_span b = crdt_span_of("b");
    crdt_key keys[] = {crdt_key_object(ab),        crdt_key_part(a, b),
                       crdt_key_part(ab, none),    crdt_key_field(a, b, none),
                       crdt_key_field(a, none, b), crdt_key_field(ab, none, none),
                       crdt_key_field(none, a, b), crdt_key_field(none, ab, none)};
    size_t count = sizeof keys / sizeof *keys;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            cr_assert_not(crdt_digest_equal(crdt_digest_entry(&keys[i], &stamp, none),
                                            crdt_digest_entry(&keys[j], &stamp, none)));
        }
    }
    crdt_key field = crdt_key_field(a, b, a);
    crdt_digest term = crdt_digest_entry(&field, &stamp, a);
    cr_assert_not(crdt_digest_equal(term, crdt_digest_entry(&field, &stamp, b)));
    stamp.time++;
    cr_assert_not(crdt_digest_equal(term, crdt_digest_entry(&field, &stamp, a)));
}

/* The term as docs/FORMAT.md defines it, step by step. */
#define P UINT64_C(0x9e3779b97f4a7c15)
#define Q UINT64_C(0xb504f333f9de6485)

static uint64_t fold(uint64_t a, uint64_t b)
{
    uint64_t a_low = a & UINT32_MAX;
    uint64_t b_low = b & UINT32_MAX;
    uint64_t low = a_low * b_low;
    uint64_t first = (a >> 32) * b_low + (low >> 32);
    uint64_t second = a_low * (b >> 32) + (first & UINT32_MAX);
    uint64_t high = (a >> 32) * (b >> 32) + (first >> 32) + (second >> 32);
    return (second << 32 | (low & UINT32_MAX)) ^ high;
}

Test(digest, a_term_is_as_the_format_says)
{
    crdt_span names[] = {crdt_span_of("object"), crdt_span_of("part"),
                         crdt_span_of("field")};
    const crdt_key keys[] = {crdt_key_object(names[0]),
                             crdt_key_part(names[0], names[1]),
                             crdt_key_field(names[0], names[1], names[2])};
    for (size_t i = 0; i < 3; i++) {
        uint64_t hash = i + 1;
        for (size_t j = 0; j <= i; j++) {
            hash = fold(hash ^ crdt_hash64(names[j], 0), P);
        }
        cr_assert_eq(crdt_digest_key(&keys[i]), hash);
        crdt_stamp stamp = {.time = 5, .actor = {"01234567abcdefgh"}};
        crdt_span text = crdt_span_of("a value");
        cr_assert(crdt_digest_equal(
            crdt_digest_entry(&keys[i], &stamp, text),
            crdt_digest_term(hash, &stamp, i == 2 ? text : (crdt_span){0})));
        hash =
            fold(hash ^ UINT64_C(0x3736353433323130), 5 ^ UINT64_C(0x6867666564636261));
        hash = fold(hash ^ 0x61762061, 0x65756c61 ^ Q) ^ 7; /* "a va", "alue" */
        crdt_digest term = {.low = fold(hash, P), .high = fold(hash, Q)};
        cr_assert(crdt_digest_equal(
            crdt_digest_term(crdt_digest_key(&keys[i]), &stamp, text), term));
    }
}

/* Each byte and the size of a value count, whatever way its size takes. */
Test(digest, every_byte_of_a_value_counts)
{
    uint8_t bytes[70] = {0};
    crdt_stamp stamp = {.time = 5, .actor = gen_actor(0)};
    crdt_digest before = crdt_digest_term(1, &stamp, (crdt_span){0});
    for (size_t size = 1; size <= sizeof bytes; size++) {
        crdt_span value = {.data = bytes, .size = size};
        crdt_digest zeros = crdt_digest_term(1, &stamp, value);
        cr_assert_not(crdt_digest_equal(zeros, before));
        for (size_t i = 0; i < size; i++) {
            bytes[i] = 1;
            cr_assert_not(crdt_digest_equal(zeros, crdt_digest_term(1, &stamp, value)));
            bytes[i] = 0;
        }
        before = zeros;
    }
}
