#include "cli/web/origin.h"

#include <criterion/criterion.h>

static const char *const hosts[] = {"edit.example", "other.example:9000", NULL};
static const char *const origins[] = {"https://builder.example", "http://b.example:81",
                                      NULL};
static const web_origin_rules rules = {
    .port = 8080, .hosts = hosts, .origins = origins};

Test(origin, hosts)
{
    static const struct {
        const char *host;
        bool fine;
    } rows[] = {{"localhost:8080", true},
                {"LOCALHOST:8080", true},
                {"127.0.0.1:8080", true},
                {"[::1]:8080", true},
                {"192.0.2.7:8080", true}, /* where it came in */
                {"edit.example", true},
                {"EDIT.example:1", true},
                {"other.example:9000", true},
                {"other.example", false},
                {"other.example:9001", false},
                {"localhost", false},
                {"localhost:80", false},
                {"localhost:", false},
                {"localhost:8080 ", false},
                {"localhost:8080/", false},
                {"localhost:+8080", false},
                {"localhost:18080", false},
                {"localhost:999999999999", false},
                {"192.0.2.8:8080", false},
                {"[192.0.2.7]:8080x", false},
                {"evil.example:8080", false},
                {"localhost.evil.example:8080", false},
                {"xlocalhost:8080", false},
                {"evil@localhost:8080", false},
                {"localhost:8080:8080", false},
                {"[::1", false},
                {"[]:8080", false},
                {":8080", false},
                {"", false},
                {"127.0.0.1:8080,evil.example", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(web_origin_host_ok(&rules, rows[i].host, "192.0.2.7"),
                     rows[i].fine, "%s", rows[i].host);
    }
    cr_assert_not(web_origin_host_ok(&rules, NULL, "192.0.2.7"));
    cr_assert_not(web_origin_host_ok(&rules, "192.0.2.7:8080", NULL));
}

/* The port that is not said is the scheme's. */
Test(origin, default_ports)
{
    web_origin_rules plain = {.port = 80};
    web_origin_rules tls = {.port = 443, .tls = true};
    cr_assert(web_origin_host_ok(&plain, "localhost", NULL));
    cr_assert(web_origin_host_ok(&tls, "localhost", NULL));
    cr_assert_not(web_origin_host_ok(&tls, "localhost:80", NULL));
    cr_assert_eq(web_origin_check(&tls, "https://localhost", NULL), WEB_ORIGIN_NONE);
    cr_assert_eq(web_origin_check(&tls, "http://localhost", NULL), WEB_ORIGIN_REFUSED);
}

Test(origin, origins)
{
    static const struct {
        const char *origin;
        web_origin_kind kind;
    } rows[] = {{NULL, WEB_ORIGIN_NONE},
                {"http://localhost:8080", WEB_ORIGIN_NONE},
                {"HTTP://127.0.0.1:8080", WEB_ORIGIN_NONE},
                {"http://edit.example", WEB_ORIGIN_NONE},
                {"https://builder.example", WEB_ORIGIN_LISTED},
                {"http://b.example:81", WEB_ORIGIN_LISTED},
                {"https://localhost:8080", WEB_ORIGIN_REFUSED},
                {"http://localhost", WEB_ORIGIN_REFUSED},
                {"null", WEB_ORIGIN_REFUSED},
                {"NULL", WEB_ORIGIN_REFUSED},
                {"", WEB_ORIGIN_REFUSED},
                {"http://", WEB_ORIGIN_REFUSED},
                {"file://", WEB_ORIGIN_REFUSED},
                {"http://builder.example", WEB_ORIGIN_REFUSED},
                {"https://builder.example:443", WEB_ORIGIN_REFUSED},
                {"https://builder.example.evil.example", WEB_ORIGIN_REFUSED},
                {"http://localhost:8080.evil.example", WEB_ORIGIN_REFUSED},
                {"http://localhost:8080,http://evil.example", WEB_ORIGIN_REFUSED},
                {"http://evil.example/http://localhost:8080", WEB_ORIGIN_REFUSED}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert_eq(web_origin_check(&rules, rows[i].origin, NULL), rows[i].kind, "%s",
                     rows[i].origin == NULL ? "none" : rows[i].origin);
    }
}

/* Only these mean that somebody at this machine calls. */
Test(origin, loopback_names)
{
    static const char *const fine[] = {"localhost", "LOCALHOST:1", "127.0.0.1:80",
                                       "127.1.2.3", "[::1]:8080"};
    static const char *const bad[] = {
        "",      "edit.example", "192.0.2.7:80", "127.0.0.1.evil.example",
        "127.1", "localhost.",   "[::2]:1",      "localhost:x"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        cr_assert(web_origin_host_is_loopback(fine[i]), "%s", fine[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_not(web_origin_host_is_loopback(bad[i]), "%s", bad[i]);
    }
    cr_assert_not(web_origin_host_is_loopback(NULL));
}
