#include "cli/web/listen.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Test(listen, addresses)
{
    static const char *const fine[] = {"127.0.0.1:0", "0",   ":0",
                                       "localhost:0", "*:0", "0.0.0.0:0"};
    static const char *const bad[] = {"",
                                      "x",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:65536",
                                      "1:2:3",
                                      "[::1",
                                      "[::1]",
                                      "[::1]x:1",
                                      "::1:80",
                                      "a b:1",
                                      "127.0.0.1:-1",
                                      "127.0.0.1: 1",
                                      "203.0.113.77:0",
                                      "127.0.0.1:1x"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        web_listen listen_;
        crdt_diag diag = {0};
        cr_assert_eq(web_listen_open(&listen_, fine[i], &diag), CRDT_OK, "%s: %s",
                     fine[i], diag.text);
        cr_assert(listen_.count > 0 && listen_.port != 0);
        web_listen_close(&listen_);
        cr_assert_eq(listen_.count, 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        web_listen listen_;
        crdt_diag diag = {0};
        cr_assert_eq(web_listen_open(&listen_, bad[i], &diag), CRDT_EINVAL, "%s",
                     bad[i]);
        cr_assert_gt(strlen(diag.text), 0);
        cr_assert_eq(listen_.count, 0);
    }
    cr_assert_eq(web_listen_open(&(web_listen){0}, NULL, NULL), CRDT_EINVAL);
}

/* A name with several addresses has one port at all of them. */
Test(listen, taken)
{
    web_listen first;
    web_listen second;
    char address[64];
    cr_assert_eq(web_listen_open(&first, "127.0.0.1:0", NULL), CRDT_OK);
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)first.port);
    crdt_diag diag = {0};
    cr_assert_eq(web_listen_open(&second, address, &diag), CRDT_EEXIST);
    cr_assert(strstr(diag.text, address) != NULL, "%s", diag.text);
    web_listen_close(&first);
    cr_assert_eq(web_listen_open(&second, address, NULL), CRDT_OK, "at once again");
    web_listen_close(&second);
}

Test(listen, texts)
{
    struct sockaddr_storage from = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)&from;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&from;
    char text[64];
    four->sin_family = AF_INET;
    inet_pton(AF_INET, "127.8.9.1", &four->sin_addr);
    web_listen_text(&from, text, sizeof text);
    cr_assert_str_eq(text, "127.8.9.1");
    cr_assert(web_listen_is_loopback(&from));
    inet_pton(AF_INET, "192.0.2.1", &four->sin_addr);
    cr_assert_not(web_listen_is_loopback(&from));
    static const struct {
        const char *address;
        const char *text;
        bool loopback;
    } rows[] = {{"::1", "::1", true},
                {"::ffff:127.0.0.1", "127.0.0.1", true},
                {"::ffff:192.0.2.1", "192.0.2.1", false},
                {"2001:db8::1", "2001:db8::1", false},
                {"::", "::", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(&from, 0, sizeof from);
        six->sin6_family = AF_INET6;
        inet_pton(AF_INET6, rows[i].address, &six->sin6_addr);
        web_listen_text(&from, text, sizeof text);
        cr_assert_str_eq(text, rows[i].text);
        cr_assert_eq(web_listen_is_loopback(&from), rows[i].loopback, "%s",
                     rows[i].address);
    }
    memset(&from, 0, sizeof from);
    from.ss_family = AF_UNIX;
    web_listen_text(&from, text, sizeof text);
    cr_assert_str_eq(text, "");
    cr_assert_not(web_listen_is_loopback(&from));
}
