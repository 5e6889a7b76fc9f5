#include "cli/page/asset.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A table of our own, in place of the one that is made. */
#define BYTES(text)                                                                    \
    {                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                      \
    }
const page_asset page_assets[] = {
    {"/",
     "text/html; charset=utf-8",
     false,
     BYTES("page"),
     {NULL, 0},
     "\"p\"",
     "\"p-gz\""},
    {"/page/main-AB12CD34.js", "text/javascript; charset=utf-8", true,
     BYTES("script script"), BYTES("zipped"), "\"s\"", "\"s-gz\""},
};
const size_t page_asset_count = 2;

static const char *accept_encoding;
static const char *if_none_match;

const char *web_request_header(const web_request *request, const char *name, char *out,
                               size_t size)
{
    (void)request;
    const char *value = strcmp(name, "accept-encoding") == 0 ? accept_encoding
                        : strcmp(name, "if-none-match") == 0 ? if_none_match
                                                             : NULL;
    if (value == NULL) {
        return NULL;
    }
    snprintf(out, size, "%s", value);
    return out;
}

void web_reply_error(web_reply *reply, int status, const char *format, ...)
{
    (void)format;
    reply->status = status;
}

static web_reply ask(const char *path, const char *encodings, const char *etags)
{
    accept_encoding = encodings;
    if_none_match = etags;
    web_reply reply = {.status = 200};
    web_request request = {.method = "GET", .path = path, .query = ""};
    page_asset_answer(&request, &reply);
    return reply;
}

static void expect_body(web_reply reply, const char *text)
{
    cr_assert_eq(reply.status, 200);
    cr_assert_eq(reply.still.size, strlen(text));
    cr_assert_arr_eq(reply.still.data, text, reply.still.size);
}

Test(asset, plain_and_gzipped)
{
    web_reply reply = ask("/page/main-AB12CD34.js", NULL, NULL);
    expect_body(reply, "script script");
    cr_assert_null(reply.encoding);
    cr_assert(reply.varies);
    cr_assert_str_eq(reply.etag, "\"s\"");
    cr_assert_str_eq(reply.cache, "public, max-age=31536000, immutable");
    reply = ask("/page/main-AB12CD34.js", "gzip, br", NULL);
    expect_body(reply, "zipped");
    cr_assert_str_eq(reply.encoding, "gzip");
    cr_assert_str_eq(reply.etag, "\"s-gz\"");
}

/* The page itself is asked for each time: its name does not tell what is in it. */
Test(asset, page)
{
    web_reply reply = ask("/", "gzip", NULL);
    expect_body(reply, "page");
    cr_assert_null(reply.encoding);
    cr_assert_not(reply.varies);
    cr_assert_str_eq(reply.cache, "no-cache");
    cr_assert_not_null(strstr(reply.policy, "default-src 'none'"));
    cr_assert_null(strstr(reply.policy, "unsafe"));
}

/* Who has it is told so, and only of the form that it would be given. */
Test(asset, not_modified)
{
    web_reply reply = ask("/", NULL, "\"p\"");
    cr_assert_eq(reply.status, 304);
    cr_assert_eq(reply.still.size, 0);
    cr_assert_str_eq(reply.etag, "\"p\"");
    cr_assert_eq(ask("/", NULL, "\"q\"").status, 200);
    cr_assert_eq(ask("/page/main-AB12CD34.js", "gzip", "\"s\"").status, 200);
    cr_assert_eq(ask("/page/main-AB12CD34.js", "gzip", "\"s-gz\"").status, 304);
    cr_assert_eq(ask("/page/main-AB12CD34.js", NULL, "\"s-gz\"").status, 200);
}

Test(asset, nothing_there)
{
    static const char *const paths[] = {"/page/main.js",
                                        "/page/",
                                        "/index.html",
                                        "",
                                        "/page/main-AB12CD34.js.gz",
                                        "/PAGE/main-AB12CD34.js"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        web_reply reply = ask(paths[i], "gzip", "*");
        cr_assert_eq(reply.status, 404, "%s", paths[i]);
        cr_assert_eq(reply.still.size, 0);
    }
}
