#include "crdt/stamp.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <string.h>

Test(stamp, order_is_time_then_actor_bytes)
{
    crdt_stamp a = {.time = 1, .actor = {{0xff}}};
    crdt_stamp b = {.time = 2, .actor = {{0x00}}};
    crdt_stamp c = {.time = 2, .actor = {{0x00, 0x80}}};
    crdt_stamp d = {.time = 2, .actor = {{0x80}}};
    crdt_stamp sorted[] = {a, b, c, d};
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            int order = crdt_stamp_compare(&sorted[i], &sorted[j]);
            cr_assert_eq((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

Test(stamp, text_round_trip)
{
    gen g = gen_open(gen_seed(1), NULL);
    for (int i = 0; i < 2000; i++) {
        crdt_stamp stamp = gen_stamp(&g, 100, CRDT_TIME_MAX);
        char text[CRDT_STAMP_TEXT_SIZE];
        crdt_stamp_format(&stamp, text);
        crdt_stamp back;
        cr_assert(crdt_stamp_parse(text, &back), "%s", text);
        cr_assert_eq(crdt_stamp_compare(&stamp, &back), 0);
        crdt_actor actor;
        cr_assert(crdt_actor_parse(strchr(text, '@') + 1, &actor));
        cr_assert(crdt_actor_equal(&actor, &stamp.actor));
    }
}

Test(stamp, longest_text_fits)
{
    crdt_stamp stamp = {.time = UINT64_MAX};
    char text[CRDT_STAMP_TEXT_SIZE];
    crdt_stamp_format(&stamp, text);
    cr_assert_str_eq(text, "18446744073709551615@00000000000000000000000000000000");
}

Test(stamp, other_texts_are_refused)
{
    static const char *const texts[] = {
        "",
        "@",
        "5",
        "5@",
        "@00000000000000000000000000000000",
        "0@00000000000000000000000000000000",
        "05@00000000000000000000000000000000",
        "-5@00000000000000000000000000000000",
        " 5@00000000000000000000000000000000",
        "5@0000000000000000000000000000000",
        "5@000000000000000000000000000000000",
        "5@0000000000000000000000000000000g",
        "5@0000000000000000000000000000000A",
        "281474976710656@00000000000000000000000000000000", /* 2^48 */
        "99999999999999999999999@00000000000000000000000000000000",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        crdt_stamp stamp = {.time = 77};
        cr_assert_not(crdt_stamp_parse(texts[i], &stamp), "%s", texts[i]);
        cr_assert_eq(stamp.time, 77);
    }
}
