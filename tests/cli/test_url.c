#include "cli/web/url.h"

#include "cli/web/client.h"
#include "cli/web/server.h"
#include "crdt/alloc.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* Paths that a handler may see, and those that it must never. */
Test(url, paths)
{
    static const char *const fine[] = {"/",         "/a",   "/a/",  "/a/b.c",
                                       "/...",      "/..a", "/a..", "/a b",
                                       "/\xc3\xa9", "/.a",  "/%2e"};
    static const char *const bad[] = {
        "",      "a",       "//",    "/a//b",     "/..",           "/../a",
        "/a/..", "/a/../b", "/.",    "/a/.",      "/./",           "/a\\b",
        "/\n",   "/a\x7f",  "/\xff", "/\xc0\xae", "/\xed\xa0\x80", "\\",
        " /"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        cr_assert(web_url_path_ok(crdt_span_of(fine[i])), "%s", fine[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_not(web_url_path_ok(crdt_span_of(bad[i])), "%zu: %s", i, bad[i]);
    }
    cr_assert_not(web_url_path_ok((crdt_span){(const uint8_t *)"/a\0b", 4}));
    cr_assert_not(web_url_path_ok((crdt_span){0}));
    static uint8_t long_path[WEB_PATH_MAX];
    memset(long_path, 'a', sizeof long_path);
    long_path[0] = '/';
    cr_assert(web_url_path_ok((crdt_span){long_path, WEB_PATH_MAX - 1}));
    cr_assert_not(web_url_path_ok((crdt_span){long_path, WEB_PATH_MAX}));
}

Test(url, decode)
{
    static const struct {
        const char *text;
        const char *wanted; /* NULL: refused */
        bool plus;
    } rows[] = {{"", "", false},         {"abc", "abc", false},
                {"a%20b", "a b", false}, {"%41%4a%4A", "AJJ", false},
                {"a+b", "a+b", false},   {"a+b", "a b", true},
                {"%2b", "+", true},      {"%", NULL, false},
                {"%4", NULL, false},     {"%4g", NULL, false},
                {"%00", NULL, false},    {"a%zz", NULL, true},
                {"%25", "%", false},     {"%2525", "%25", false}};
    char out[16];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool fine =
            web_url_decode(crdt_span_of(rows[i].text), rows[i].plus, out, sizeof out);
        cr_assert_eq(fine, rows[i].wanted != NULL, "%s", rows[i].text);
        if (fine) {
            cr_assert_str_eq(out, rows[i].wanted);
        }
    }
    cr_assert(web_url_decode(crdt_span_of("abc"), false, out, 4));
    cr_assert_not(web_url_decode(crdt_span_of("abcd"), false, out, 4));
    cr_assert_not(web_url_decode(crdt_span_of(""), false, out, 0));
}

/* What is encoded decodes to what it was, for every byte but NUL. */
Test(url, encode_and_back)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    uint8_t all[255];
    char back[512];
    for (int i = 0; i < 255; i++) {
        all[i] = (uint8_t)(i + 1);
    }
    cr_assert_eq(web_url_encode((crdt_span){all, sizeof all}, &out), CRDT_OK);
    for (size_t i = 0; i < out.size; i++) {
        cr_assert(out.data[i] > ' ' && out.data[i] < 0x7f && out.data[i] != '&' &&
                  out.data[i] != '=' && out.data[i] != '+');
    }
    cr_assert(web_url_decode(crdt_buf_span(&out), true, back, sizeof back));
    cr_assert_arr_eq(back, all, sizeof all);
    crdt_buf_deinit(&out);
}

Test(url, parameters)
{
    static const struct {
        const char *query;
        const char *name;
        const char *wanted; /* NULL: none */
    } rows[] = {
        {"a=1&b=2", "a", "1"}, {"a=1&b=2", "b", "2"},   {"a=1&b=2", "c", NULL},
        {"", "a", NULL},       {"a", "a", ""},          {"a=", "a", ""},
        {"a=1&a=2", "a", "1"}, {"%61=1", "a", "1"},     {"a=%zz", "a", NULL},
        {"&&a=1&&", "a", "1"}, {"a=b=c", "a", "b=c"},   {"ab=1", "a", NULL},
        {"a%00=1", "a", NULL}, {"x=%26a=1", "a", NULL}, {"a=x+y%2B", "a", "x y+"},
        {"A=1", "a", NULL},    {"=1", "", "1"},         {"a=12345678", "a", NULL}};
    char out[8];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool found = web_url_parameter(rows[i].query, rows[i].name, out, sizeof out);
        cr_assert_eq(found, rows[i].wanted != NULL, "%s", rows[i].query);
        if (found) {
            cr_assert_str_eq(out, rows[i].wanted);
        }
    }
}

Test(url, join)
{
    static const struct {
        const char *base;
        const char *path;
        const char *wanted;
    } rows[] = {{"http://a", "/content/x", "http://a/content/x"},
                {"http://a/", "/content/x", "http://a/content/x"},
                {"http://a//", "content/x", "http://a/content/x"},
                {"http://a/content", "/content/x", "http://a/content/x"},
                {"http://a/content/", "/content/x", "http://a/content/x"},
                {"http://a/b/content", "/content/x", "http://a/b/content/x"},
                {"http://content", "/content/x", "http://content/content/x"},
                {"http://a/mycontent", "/content/x", "http://a/mycontent/content/x"},
                {"http://a/v1", "/v1/projects?x=1", "http://a/v1/projects?x=1"},
                {"http://a", "", "http://a/"}};
    char out[64];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert(web_url_join(rows[i].base, rows[i].path, out, sizeof out));
        cr_assert_str_eq(out, rows[i].wanted, "%s + %s: %s", rows[i].base, rows[i].path,
                         out);
    }
    /* each size, to the byte */
    const char *wanted = "http://a/content/x";
    for (size_t size = 0; size <= strlen(wanted); size++) {
        cr_assert_not(web_url_join("http://a", "/content/x", out, size), "%zu", size);
    }
    cr_assert(web_url_join("http://a", "/content/x", out, strlen(wanted) + 1));
}

Test(url, match)
{
    char taken[4][256];
    cr_assert(web_path_match("/scenes/0,0/edit", "/scenes/*/edit", taken));
    cr_assert_str_eq(taken[0], "0,0");
    cr_assert(web_path_match("/a/b/c/d", "/*/*/*/*", taken));
    cr_assert_str_eq(taken[3], "d");
    cr_assert(web_path_match("/a/b/c/d/e", "/*/*/*/*/*", taken), "more than are taken");
    cr_assert(web_path_match("/a", "/a", NULL));
    cr_assert_not(web_path_match("/a/", "/a", NULL));
    cr_assert_not(web_path_match("/a", "/a/", NULL));
    cr_assert_not(web_path_match("/scenes//edit", "/scenes/*/edit", taken));
    cr_assert_not(web_path_match("/scenes/0,0/edit/x", "/scenes/*/edit", taken));
    cr_assert_not(web_path_match("", "/a", taken));
    char path[600] = "/";
    memset(path + 1, 'x', 500);
    cr_assert(web_path_match(path, "/*", taken));
    cr_assert_eq(strlen(taken[0]), 255, "cut");
}
