#include "cli/web/accept.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(accept, encodings)
{
    static const struct {
        const char *header;
        bool taken;
    } rows[] = {
        {NULL, false},
        {"", false},
        {"gzip", true},
        {"GZip", true},
        {"gzip, deflate, br, zstd", true}, /* browsers */
        {"deflate,gzip", true},
        {" deflate ,\tgzip\t", true},
        {"identity", false},
        {"gzipped", false},
        {"x-gzip", false},
        {"gz", false},
        {"*", true},
        {"br, *", true},
        {"gzip;q=0", false},
        {"gzip; q=0.000", false},
        {"gzip ; Q=0", false},
        {"gzip;q=0, *", false},
        {"*;q=0", false},
        {"*;q=0, gzip", true},
        {"gzip;q=0.001", true},
        {"gzip;q=1", true},
        {"gzip;level=3;q=0", false},
        {"gzip;q=", true},
        {"gzip;q=0x", true},
        {",,,gzip", true},
        {",", false},
        {";", false},
        {"br;q=0,gzip", true}, /* the weight is br's */
        {"gzip,br;q=0", true},
        {"gzip;q=0,br;q=0", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(web_accept_encoding(rows[i].header, "gzip"), rows[i].taken, "%s",
                     rows[i].header == NULL ? "(none)" : rows[i].header);
    }
}

Test(accept, etags)
{
    static const struct {
        const char *header;
        bool has;
    } rows[] = {
        {NULL, false},
        {"", false},
        {"*", true},
        {" *", true},
        {"\"abc\"", true},
        {"W/\"abc\"", true},
        {"\"x\", \"abc\"", true},
        {"\"x\",W/\"y\" ,\t\"abc\"", true},
        {"\"abcd\"", false},
        {"\"ab\"", false},
        {"\"x abc\"", false},
        {"abc", false},
        {"\"abc", false}, /* cut */
        {"\"x\", W/", false},
        {"\"x\", \"", false},
        {"\"\"", false},
        {"w/\"abc\"", false}, /* it is case-sensitive */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(web_accept_has(rows[i].header, "\"abc\""), rows[i].has, "%s",
                     rows[i].header == NULL ? "(none)" : rows[i].header);
    }
}

/* Whatever is sent: nothing beyond its end is read (memory of just its size, for the
 * sanitizer), and what is not named in it is not found. */
Test(accept, anything)
{
    static const char *const pieces[] = {"gzip", "*", "\"abc\"", "\"", "W/", ";", "q=",
                                         "0",    ".", ",",       " ",  "\t", "x", "=1"};
    unsigned seed = 1;
    for (int run = 0; run < 20000; run++) {
        char text[64] = "";
        for (unsigned i = 0; i < 8; i++) {
            seed = seed * 1103515245u + 12345u;
            if (seed >> 16 & 1) {
                const char *piece =
                    pieces[(seed >> 17) % (sizeof pieces / sizeof *pieces)];
                strncat(text, piece, sizeof text - strlen(text) - 1);
            }
        }
        size_t size = strlen(text) + 1;
        char *header = malloc(size);
        cr_assert_not_null(header);
        memcpy(header, text, size);
        bool named = strstr(text, "gzip") != NULL || strchr(text, '*') != NULL;
        cr_assert(named || !web_accept_encoding(header, "gzip"), "%s", text);
        named = strstr(text, "\"abc\"") != NULL || strchr(text, '*') != NULL;
        cr_assert(named || !web_accept_has(header, "\"abc\""), "%s", text);
        free(header);
    }
}
