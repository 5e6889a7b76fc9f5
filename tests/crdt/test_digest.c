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

/* Where a name ends and the next begins is part of what is hashed; so is the depth. */
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

/* Small entries go through a buffer, large ones through the streaming form: the same
 * hash on both sides of the border. */
Test(digest, small_and_large_are_one_function)
{
    static uint8_t bytes[3000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    crdt_stamp stamp = {.time = 5, .actor = gen_actor(0)};
    crdt_key key = crdt_key_field(crdt_span_of("object"), crdt_span_of("part"),
                                  crdt_span_of("field"));
    for (size_t size = 0; size < sizeof bytes; size += size < 1100 ? 1 : 101) {
        uint8_t plain[4000] = {3, 5};
        size_t at = 9;
        for (size_t i = 0; i < 16; i++) {
            plain[at++] = stamp.actor.bytes[i];
        }
        const crdt_span names[] = {key.object, key.part, key.field};
        for (size_t n = 0; n < 3; n++) {
            plain[at] = (uint8_t)names[n].size;
            at += 4;
            for (size_t i = 0; i < names[n].size; i++) {
                plain[at++] = names[n].data[i];
            }
        }
        for (size_t i = 0; i < size; i++) {
            plain[at++] = bytes[i];
        }
        crdt_digest term =
            crdt_digest_entry(&key, &stamp, (crdt_span){.data = bytes, .size = size});
        cr_assert(crdt_digest_equal(
            term, crdt_hash128((crdt_span){.data = plain, .size = at})));
    }
}
