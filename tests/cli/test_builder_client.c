#include "cli/content/builder_client.h"

#include <criterion/criterion.h>
#include <string.h>

Test(builder_client, ids_of_projects)
{
    cr_expect(builder_project_valid("7f0c1b9e-90a4-4c1e-8a5c-0f1f1a2b3c4d"));
    cr_expect(builder_project_valid("A_1"));
    static const char *const BAD[] = {"",    "a/b", "..",   "a.b",
                                      "a?b", "a b", "a%41", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        cr_expect_not(builder_project_valid(BAD[i]), "%s", BAD[i]);
    }
    char longest[200];
    memset(longest, 'a', sizeof longest);
    longest[127] = '\0';
    cr_expect(builder_project_valid(longest));
    longest[127] = 'a';
    longest[128] = '\0';
    cr_expect_not(builder_project_valid(longest));
}

static bool ok(const char *text, char error[BUILDER_ERROR_SIZE])
{
    return builder_answer_ok(crdt_span_of(text), error, crdt_alloc_default());
}

Test(builder_client, only_ok_is_ok)
{
    char error[BUILDER_ERROR_SIZE];
    cr_expect(ok("{\"ok\":true,\"data\":{}}", error));
    cr_expect_str_eq(error, "");
    cr_expect_not(ok("{\"ok\":false,\"error\":\"no\\nspace\"}", error));
    cr_expect_str_eq(error, "no space");
    cr_expect_not(ok("{\"message\":\"Unauthorized\"}", error));
    cr_expect_str_eq(error, "Unauthorized");
    static const char *const BAD[] = {
        "",       "true",           "{}", "{\"ok\":1}", "{\"ok\":\"true\"}",
        "[true]", "<html>ok</html>"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        cr_expect_not(ok(BAD[i], error), "%s", BAD[i]);
        cr_expect_str_eq(error, "");
    }
}

/* Words of any length and kind are cut at a whole character. */
Test(builder_client, long_words_are_cut)
{
    char text[1000] = "{\"ok\":false,\"error\":\"";
    size_t at = strlen(text);
    while (at < 900) {
        memcpy(text + at, "\xe2\x82\xac", 3);
        at += 3;
    }
    memcpy(text + at, "\"}", 3);
    char error[BUILDER_ERROR_SIZE];
    cr_expect_not(ok(text, error));
    cr_expect_eq(strlen(error) % 3, 0);
    cr_expect_geq(strlen(error), BUILDER_ERROR_SIZE - 4);
}

static crdt_err first(const char *text, bool *found, crdt_buf *out)
{
    crdt_diag diag = {0};
    crdt_buf_init(out, crdt_alloc_default());
    return builder_answer_first(crdt_span_of(text), found, out, crdt_alloc_default(),
                                &diag);
}

Test(builder_client, the_first_manifest_as_it_stands)
{
    bool found;
    crdt_buf out;
    cr_assert_eq(first("{\"ok\":true,\"data\":[ {\"a\":\"}\\\"{\",\"b\":[1,{}]} ,{}]}",
                       &found, &out),
                 CRDT_OK);
    cr_assert(found);
    cr_expect(crdt_span_equal(crdt_buf_span(&out),
                              crdt_span_of("{\"a\":\"}\\\"{\",\"b\":[1,{}]}")));
    crdt_buf_deinit(&out);
    cr_assert_eq(first("{\"ok\":true,\"data\":[]}", &found, &out), CRDT_OK);
    cr_expect_not(found);
    static const char *const BAD[] = {
        "", "[]", "{}", "{\"data\":{}}", "{\"data\":[5]}", "{\"data\":[\"x\"]}"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        cr_expect_neq(first(BAD[i], &found, &out), CRDT_OK, "%s", BAD[i]);
        cr_expect_not(found);
        cr_expect_eq(out.size, 0);
        crdt_buf_deinit(&out);
    }
}

Test(builder_client, pictures)
{
    cr_expect_str_eq(builder_image_type(crdt_span_of("\x89PNG\r\n\x1a\n...")),
                     "image/png");
    cr_expect_str_eq(builder_image_type(crdt_span_of("\xff\xd8\xff\xe0")),
                     "image/jpeg");
    cr_expect_null(builder_image_type(crdt_span_of("<svg/>")));
    cr_expect_null(builder_image_type(crdt_span_of("")));
}
