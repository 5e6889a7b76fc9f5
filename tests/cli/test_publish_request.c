/* Requests to publish that come from outside: what they say, before any server is asked. */

#include "cli/content/publish_request.h"
#include "tests/support/temp_dir.h"

#include <criterion/criterion.h>

#include <string.h>

static crdt_err no_state(void *ctx, crdt_buf *out, crdt_diag *diag)
{
    (void)ctx;
    (void)diag;
    static const char STATE[] = "{\"schemaVersion\":1,\"entities\":[]}";
    return crdt_buf_append(out, STATE, strlen(STATE));
}

Test(publish_request, payloads_that_are_refused)
{
    static const struct {
        const char *payload;
        const char *said;
    } ROWS[] = {
        {"{", ""},
        {"[]", "object"},
        {"7", "object"},
        {"{\"title\":7}", "`title`"},
        {"{\"title\":\"a\\u0000b\"}", "`title`"},
        {"{\"description\":[]}", "`description`"},
        {"{\"parcels\":{}}", "`parcels`"},
        {"{\"screenshot\":7}", "`screenshot`"},
        {"{\"screenshot\":\"%%%\"}", "`screenshot`"},
        {"{\"screenshot\":\"data:image/png;base64,\"}", "`screenshot`"},
        {"{\"screenshot\":\"AAAA\"}", "no PNG"},
        {"{\"confirm\":7,\"authChain\":[]}", "`confirm`"},
        {"{\"authChain\":[]}", "`confirm`"},
        {"{\"confirm\":\"../x\",\"authChain\":[]}", "no preparation"},
        {"{\"confirm\":\"0123456789abcdef\"}", "no preparation"},
    };
    temp_dir dir;
    temp_dir_open(&dir);
    content_publish_options options = content_publish_options_default();
    options.content_url = "http://127.0.0.1:1"; /* nobody is there */
    options.folder = dir.path;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        for (int unpublish = 0; unpublish < 2; unpublish++) {
            content_publish_request request = {.payload = crdt_span_of(ROWS[i].payload),
                                               .pointer = "0,0",
                                               .unpublish = unpublish == 1,
                                               .state = no_state};
            crdt_buf result;
            crdt_buf_init(&result, options.alloc);
            crdt_err err = content_publish_answer(&options, &request, &result);
            cr_expect_neq(err, CRDT_OK);
            cr_assert_eq(crdt_buf_append(&result, "", 1), CRDT_OK);
            const char *text = (const char *)result.data;
            cr_expect_eq(strncmp(text, "{\"error\":\"", 10), 0, "%s", text);
            cr_expect_not_null(strstr(text, "\"ok\":false}"), "%s", text);
            if (unpublish == 0) {
                cr_expect_not_null(strstr(text, ROWS[i].said), "%zu: %s", i, text);
                int status = content_publish_status(err);
                cr_expect(status == 400 || status == 404, "%d", status);
            }
            crdt_buf_deinit(&result);
        }
    }
    temp_dir_close(&dir);
}

Test(publish_request, places_and_servers_that_are_none)
{
    content_publish_options options = content_publish_options_default();
    crdt_buf result;
    crdt_buf_init(&result, options.alloc);
    content_publish_request request = {.pointer = "0,0", .state = no_state};
    cr_expect_eq(content_publish_answer(&options, &request, &result), CRDT_EINVAL);
    options.content_url = "http://127.0.0.1:1";
    cr_expect_eq(content_publish_answer(&options, &request, &result), CRDT_EINVAL);
    options.folder = "/nonexistent/publish";
    request.pointer = "scene";
    cr_expect_eq(content_publish_answer(&options, &request, &result), CRDT_EINVAL);
    request.pointer = "0,0";
    cr_expect_eq(content_publish_answer(&options, &request, &result), CRDT_EIO);
    temp_dir dir;
    temp_dir_open(&dir);
    options.folder = dir.path;
    crdt_err err =
        content_publish_answer(&options, &request, &result); /* nobody there */
    cr_expect_eq(err, CRDT_EIO);
    cr_expect_eq(content_publish_status(err), 502);
    temp_dir_close(&dir);
    crdt_buf_deinit(&result);
}

Test(publish_request, base64)
{
    static const struct {
        const char *text;
        const char *bytes;
    } GOOD[] = {{"", ""},
                {"Zg==", "f"},
                {"Zg", "f"},
                {"Zm8=", "fo"},
                {"Zm9v", "foo"},
                {"Zm9vYmFy", "foobar"},
                {"-_-_", "\xfb\xff\xbf"},
                {"+/+/", "\xfb\xff\xbf"}};
    static const char *const WRONG[] = {"Z", "Zm9vY", "Zm 9v", "Zm9v!", "Z===g"};
    crdt_err err;
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        crdt_buf_clear(&out);
        cr_expect(content_base64_decode(crdt_span_of(GOOD[i].text), &out, &err));
        cr_expect(crdt_span_equal(crdt_buf_span(&out), crdt_span_of(GOOD[i].bytes)));
    }
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        cr_expect_not(content_base64_decode(crdt_span_of(WRONG[i]), &out, &err), "%s",
                      WRONG[i]);
    }
    crdt_buf_deinit(&out);
}
