#include "crdt/err.h"

#include <criterion/criterion.h>
#include <string.h>

/* Values are in logs and exit codes: append-only. */
Test(err, values_names_and_texts_stay)
{
    cr_assert_eq(CRDT_OK, 0);
    cr_assert_eq(CRDT_ENOMEM, 1);
    cr_assert_eq(CRDT_ECORRUPT, 2);
    cr_assert_eq(CRDT_ENOTHING, 18);
    cr_assert_str_eq(crdt_err_name(CRDT_EGAP), "EGAP");
    cr_assert_str_eq(crdt_err_text(CRDT_ENOMEM), "out of memory");
    cr_assert_neq(crdt_err_name((crdt_err)9999), NULL);
    cr_assert_neq(crdt_err_text((crdt_err)9999), NULL);
}

Test(err, a_diag_is_filled_and_may_be_absent)
{
    crdt_diag diag;
    memset(&diag, 0x5a, sizeof diag);
    cr_assert_eq(crdt_diag_set(&diag, CRDT_ELIMIT, 42, "too %s by %d", "long", 3),
                 CRDT_ELIMIT);
    cr_assert_eq(diag.offset, 42);
    cr_assert_eq(diag.line, 0);
    cr_assert_eq(diag.column, 0);
    cr_assert_str_eq(diag.text, "too long by 3");
    cr_assert_eq(crdt_diag_set(NULL, CRDT_EIO, 1, "nobody %s", "reads"), CRDT_EIO);
}

/* Cut at the last whole character, whatever its size. */
Test(err, long_texts_are_cut_between_characters)
{
    static const char *const characters[] = {"x", "\xc3\xa4", "\xe2\x82\xac",
                                             "\xf0\x9f\x98\x80"};
    for (size_t c = 0; c < 4; c++) {
        for (size_t pad = 0; pad < 4; pad++) {
            char text[400] = "";
            for (size_t i = 0; i < pad; i++) {
                memcpy(text + strlen(text), "-", 2);
            }
            while (strlen(text) < 300) {
                memcpy(text + strlen(text), characters[c], strlen(characters[c]) + 1);
            }
            crdt_diag diag;
            crdt_diag_set(&diag, CRDT_EIO, 0, "%s", text);
            size_t size = strlen(diag.text);
            cr_assert_lt(size, sizeof diag.text);
            cr_assert_gt(size, sizeof diag.text - 5); /* at most three bytes fewer */
            cr_assert_eq(memcmp(diag.text, text, size), 0);
            cr_assert_eq((size - pad) % strlen(characters[c]), 0);
        }
    }
}
