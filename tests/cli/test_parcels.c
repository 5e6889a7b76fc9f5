#include "cli/content/parcels.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

Test(parcels, texts)
{
    static const struct {
        const char *text;
        int32_t x;
        int32_t y;
    } GOOD[] = {{"0,0", 0, 0}, {"-150,99", -150, 99}, {"12345,-12345", 12345, -12345}};
    static const char *const WRONG[] = {"",      "0",    "0,",    ",0",       "0,0 ",
                                        " 0,0",  "+1,0", "-0,0",  "01,0",     "0;0",
                                        "1,2,3", "a,b",  "1.5,0", "123456,0", "0,-"};
    content_parcel parcel;
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        char text[CONTENT_POINTER_SIZE];
        cr_assert(content_parcel_parse(crdt_span_of(GOOD[i].text), &parcel));
        cr_expect_eq(parcel.x, GOOD[i].x);
        cr_expect_eq(parcel.y, GOOD[i].y);
        content_parcel_format(parcel, text);
        cr_expect_str_eq(text, GOOD[i].text);
    }
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        cr_expect_not(content_parcel_parse(crdt_span_of(WRONG[i]), &parcel), "%s",
                      WRONG[i]);
    }
    cr_expect_not(content_parcel_parse((crdt_span){NULL, 0}, &parcel));
}

static crdt_err check(const char *text, content_parcel base)
{
    content_parcels parcels;
    crdt_err err = content_parcels_parse(&parcels, text, NULL);
    return err == CRDT_OK ? content_parcels_check(&parcels, base, NULL) : err;
}

Test(parcels, which_sets_are_land)
{
    content_parcel base = {0, 0};
    cr_expect_eq(check("0,0", base), CRDT_OK);
    cr_expect_eq(check("0,1;0,0 1,1", base), CRDT_OK);
    cr_expect_eq(check("", base), CRDT_EINVAL);
    cr_expect_eq(check("0,0;x", base), CRDT_EINVAL);
    cr_expect_eq(check("0,1", base), CRDT_EINVAL);         /* not its own */
    cr_expect_eq(check("0,0;0,0", base), CRDT_EINVAL);     /* twice */
    cr_expect_eq(check("0,0;1,1", base), CRDT_EINVAL);     /* corners do not touch */
    cr_expect_eq(check("0,0;0,1;0,3", base), CRDT_EINVAL); /* a hole */
    char many[5 * 500 + 1] = "";
    for (size_t i = 0; i < 401; i++) {
        snprintf(many + strlen(many), sizeof many - strlen(many), "0,%zu;", i % 100);
    }
    cr_expect_eq(check(many, base), CRDT_ELIMIT);
}

Test(parcels, layouts)
{
    content_parcels parcels;
    content_parcel corner;
    uint32_t width;
    uint32_t height;
    cr_assert(content_parcels_layout(&parcels, (content_parcel){-2, 5}, 2, 3));
    cr_expect_eq(parcels.count, 6);
    cr_expect_eq(content_parcels_check(&parcels, (content_parcel){-2, 5}, NULL),
                 CRDT_OK);
    content_parcels_box(&parcels, &corner, &width, &height);
    cr_expect(corner.x == -2 && corner.y == 5 && width == 2 && height == 3);
    cr_expect_not(content_parcels_layout(&parcels, corner, 0, 1));
    cr_expect_not(content_parcels_layout(&parcels, corner, 21, 20));
    cr_expect_not(content_parcels_layout(&parcels, corner, UINT32_MAX, 2));
}
