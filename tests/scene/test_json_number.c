#include "scene/json_number.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/gen.h"

static size_t format(double number, char text[SCENE_JSON_NUMBER_SIZE + 1])
{
    size_t size = scene_json_number_short(number, text);
    text[size] = 0;
    return size;
}

Test(json_number, writes_short_decimals)
{
    static const struct {
        double number;
        const char *text; /* "": left to the general way */
    } ROWS[] = {
        {0, "0"},
        {-0.0, "0"},
        {7, "7"},
        {-100, "-100"},
        {9007199254740992.0, "9007199254740992"},
        {-9007199254740992.0, "-9007199254740992"},
        {9007199254740994.0, ""},
        {0.5, "0.5"},
        {-1562.484375, "-1562.484375"},
        {0.00390625, "0.00390625"},
        {1.0 / 32768, "0.000030517578125"},
        {255.0 + 1.0 / 4096, "255.000244140625"},
        {4095.0 + 1.0 / 4096, ""}, /* 16 digits */
        {999999999999999.5, ""},
        {99999999999999.5, "99999999999999.5"},
        {0.1, "0.1"},
        {-7.95, "-7.95"},
        {0.000001, "0.000001"},
        {0.0000001, ""}, /* has an exponent */
        {0.707106781, "0.707106781"},
        {0.7071067811, ""},       /* ten decimals */
        {0.1000000014901161, ""}, /* 0.1 in single precision, nearly */
        {999999.999999999, "999999.999999999"},
        {1000000.1, ""},
        {5e-324, ""},
        {1.7976931348623157e308, ""},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        char text[SCENE_JSON_NUMBER_SIZE + 1];
        (void)format(ROWS[i].number, text);
        cr_expect_str_eq(text, ROWS[i].text, "%.17g", ROWS[i].number);
    }
}

/* Significant digits, and whether the text is as short as it can be written. */
static size_t count_digits(const char *text, bool *tidy)
{
    const char *at = text + (*text == '-' ? 1 : 0);
    const char *point = strchr(at, '.');
    size_t size = strlen(at);
    *tidy = size > 0 && (at[0] != '0' || size == 1 || at[1] == '.') &&
            (point == NULL || (point > at && at[size - 1] != '0' && point[1] != 0));
    at += strspn(at, "0.");
    return strlen(at) - (strchr(at, '.') != NULL ? 1 : 0);
}

/* At most 15 digits that read as the number: no other text so short does. Whole numbers
 * may have 16, they are exact. */
static void expect_shortest(double number, bool required)
{
    char text[SCENE_JSON_NUMBER_SIZE + 1];
    size_t size = format(number, text);
    cr_assert(size > 0 || !required, "%.17g", number);
    if (size == 0) {
        return;
    }
    bool tidy;
    size_t digits = count_digits(text, &tidy);
    cr_assert(tidy, "%.17g is written %s", number, text);
    cr_assert(digits <= (strchr(text, '.') != NULL ? 15 : 16), "%s", text);
    cr_assert_eq(strtod(text, NULL), number, "%.17g is written %s", number, text);
}

Test(json_number, is_the_shortest)
{
    gen g = gen_open(gen_seed(1), NULL);
    for (int i = 0; i < 50000; i++) {
        int64_t n = (int64_t)(gen_next(&g) >> 24) * ((i & 1) != 0 ? 1 : -1);
        expect_shortest((double)n, true);
        expect_shortest((double)(n % 200001) / 64, true);
        expect_shortest((double)(n % 1000000) / 1000000, true);
        expect_shortest((double)(n % 10000000) / (double)(1 << (n & 7)), true);
        uint64_t bits = gen_next(&g);
        double any;
        memcpy(&any, &bits, sizeof any);
        if (isfinite(any)) {
            expect_shortest(any, false);
            expect_shortest(any * 0x1p-300, false);
        }
        expect_shortest((double)((float)(n % 1000000) * 0.001f), false);
    }
}
