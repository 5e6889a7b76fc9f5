#include "sync/connection.h"

#include <criterion/criterion.h>

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* A listener and two connections to it, over loopback of `family`. */
typedef struct two {
    int listener;
    int clients[2];
    int servers[2];
} two;

static socklen_t loopback(int family, struct sockaddr_storage *at)
{
    memset(at, 0, sizeof *at);
    at->ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        ((struct sockaddr_in *)at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof(struct sockaddr_in);
    }
    ((struct sockaddr_in6 *)at)->sin6_addr = in6addr_loopback;
    return sizeof(struct sockaddr_in6);
}

static bool open_two(int family, two *t)
{
    struct sockaddr_storage at;
    socklen_t size = loopback(family, &at);
    t->listener = socket(family, SOCK_STREAM, 0);
    if (t->listener < 0 || bind(t->listener, (struct sockaddr *)&at, size) != 0) {
        return false; /* no IPv6 here */
    }
    cr_assert_eq(listen(t->listener, 2), 0);
    cr_assert_eq(getsockname(t->listener, (struct sockaddr *)&at, &size), 0);
    for (unsigned i = 0; i < 2; i++) {
        t->clients[i] = socket(family, SOCK_STREAM, 0);
        cr_assert_eq(connect(t->clients[i], (struct sockaddr *)&at, size), 0);
        t->servers[i] = accept(t->listener, NULL, NULL);
        cr_assert_geq(t->servers[i], 0);
    }
    return true;
}

static void close_two(two *t)
{
    close(t->listener);
    for (unsigned i = 0; i < 2; i++) {
        close(t->clients[i]);
        close(t->servers[i]);
    }
}

static sync_connection connection_of(int fd)
{
    sync_connection connection;
    memset(&connection, 0, sizeof connection);
    socklen_t size = sizeof connection.local;
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&connection.local, &size), 0);
    size = sizeof connection.remote;
    cr_assert_eq(getpeername(fd, (struct sockaddr *)&connection.remote, &size), 0);
    return connection;
}

static bool has_ended(int fd)
{
    char byte;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, 0) == 1 && read(fd, &byte, 1) == 0;
}

/* Both sides find the end; the other connection to the same listener does not. */
static void check_family(int family)
{
    two t;
    if (!open_two(family, &t)) {
        cr_skip_test("no such family here");
    }
    sync_connection connection = connection_of(t.clients[0]);
    cr_assert_eq(sync_connection_shut(&connection), 1);
    cr_assert(has_ended(t.clients[0]));
    cr_assert(has_ended(t.servers[0]));
    cr_assert_not(has_ended(t.clients[1]));
    cr_assert_not(has_ended(t.servers[1]));
    cr_assert_eq(write(t.clients[1], "x", 1), 1);
    close_two(&t);
    cr_assert_eq(sync_connection_shut(&connection), 0, "it is gone");
}

Test(connection, ipv4)
{
    check_family(AF_INET);
}

Test(connection, ipv6)
{
    check_family(AF_INET6);
}

Test(connection, addresses)
{
    two t;
    cr_assert(open_two(AF_INET, &t));
    sync_connection a = connection_of(t.clients[0]);
    sync_connection b = connection_of(t.clients[1]);
    cr_assert(sync_connection_same_address(&a.remote, &b.remote));
    cr_assert_not(sync_connection_same_address(&a.local, &b.local));
    cr_assert_not(sync_connection_same_address(&a.local, &a.remote));
    struct sockaddr_storage none = {0};
    cr_assert_not(sync_connection_same_address(&none, &none), "of no family");
    close_two(&t);
}
