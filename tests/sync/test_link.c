/* The link over nng: what it promises over inproc, TCP and TLS. Every wait is for an event
 * on the link's descriptor. */

#include "sync/link_nng.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 120000

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static sync_link *open_link(const sync_link_nng_options *options)
{
    sync_link *link = NULL;
    crdt_diag diag = {0};
    cr_assert_eq(sync_link_nng_open(&link, options, &diag), CRDT_OK, "%s", diag.text);
    cr_assert_eq(sync_link_subscribe(link, crdt_span_of("t")), CRDT_OK);
    return link;
}

static sync_link *open_default(void)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    return open_link(&options);
}

/* The next event of any kind; false when none came in time. */
static bool next_event(sync_link *link, int timeout_ms, sync_link_event *event)
{
    uint64_t deadline = now_ms() + (uint64_t)timeout_ms;
    while (!sync_link_receive(link, event)) {
        uint64_t now = now_ms();
        struct pollfd ready = {.fd = sync_link_fd(link), .events = POLLIN};
        if (now >= deadline || poll(&ready, 1, (int)(deadline - now)) <= 0) {
            return sync_link_receive(link, event);
        }
    }
    return true;
}

/* The next event of `kind`; others before it are passed over. */
static sync_link_event await(sync_link *link, sync_link_event_kind kind)
{
    sync_link_event event = {0};
    uint64_t deadline = now_ms() + WAIT_MS;
    while (now_ms() < deadline) {
        if (next_event(link, WAIT_MS, &event) && event.kind == kind) {
            return event;
        }
    }
    cr_assert_fail("event %d did not come", (int)kind);
    return event;
}

static void listen_at(sync_link *link, const char *url, char bound[SYNC_LINK_URL_SIZE])
{
    crdt_diag diag = {0};
    cr_assert_eq(sync_link_listen(link, url, bound, &diag), CRDT_OK, "%s", diag.text);
}

static void dial_to(sync_link *link, uint32_t peer, const char *url)
{
    crdt_diag diag = {0};
    cr_assert_eq(sync_link_dial(link, peer, url, &diag), CRDT_OK, "%s", diag.text);
}

static bool span_is(crdt_span span, const char *text)
{
    return crdt_span_equal(span, crdt_span_of(text));
}

/* A subscriber that is up may not be known to the publisher yet: publish until it hears.
 * Afterwards nothing is on its way. */
static void meet(sync_link *server, sync_link *client)
{
    sync_link_event event = {0};
    uint64_t deadline = now_ms() + WAIT_MS;
    uint64_t count = 0;
    char text[32];
    do {
        cr_assert_lt(now_ms(), deadline, "nothing published is heard");
        snprintf(text, sizeof text, "t meet %u", (unsigned)++count);
        cr_assert_eq(sync_link_publish(server, crdt_span_of(text)), CRDT_OK);
    } while (!next_event(client, 20, &event) || event.kind != SYNC_LINK_PUBLISHED);
    while (!span_is(event.bytes, text)) {
        event = await(client, SYNC_LINK_PUBLISHED);
    }
    cr_assert_eq(event.peer, 7);
}

/* A link that listens at `url`, and one that has dialed it as peer 7 and is up. */
static void open_pair(const char *url, const sync_link_nng_options *options,
                      sync_link **server, sync_link **client)
{
    char bound[SYNC_LINK_URL_SIZE];
    *server = open_link(options);
    *client = open_link(options);
    listen_at(*server, url, bound);
    dial_to(*client, 7, bound);
    cr_assert_eq(await(*client, SYNC_LINK_UP).peer, 7);
    meet(*server, *client);
}

/* A publication, and a question with its answer. */
static void exchange(sync_link *server, sync_link *client)
{
    meet(server, client);
    sync_link_event event;
    cr_assert_eq(sync_link_request(client, 7, crdt_span_of("what?"), 42, WAIT_MS),
                 CRDT_OK);
    event = await(server, SYNC_LINK_REQUEST);
    while (!span_is(event.bytes, "what?")) { /* an older one, that was late */
        sync_link_reply(server, event.token, (crdt_span){0});
        event = await(server, SYNC_LINK_REQUEST);
    }
    cr_assert_eq(sync_link_reply(server, event.token, crdt_span_of("that.")), CRDT_OK);
    cr_assert_eq(sync_link_reply(server, event.token, crdt_span_of("again")),
                 CRDT_ENOTFOUND, "a request is answered once");
    event = await(client, SYNC_LINK_REPLY);
    cr_assert_eq(event.token, 42);
    cr_assert_eq(event.peer, 7);
    cr_assert(span_is(event.bytes, "that."));
}

static void check_transport(const char *url)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    sync_link *server = NULL;
    sync_link *client = NULL;
    open_pair(url, &options, &server, &client);
    exchange(server, client);
    cr_assert(sync_link_nng_check(server), "receive limits read back");
    cr_assert(sync_link_nng_check(client), "receive limits read back");
    sync_link_close(client);
    sync_link_close(server);
}

Test(link, publish_url_is_beside)
{
    static const struct {
        const char *url;
        const char *beside; /* NULL: refused */
    } rows[] = {
        {"inproc://x", "inproc://x/pub"},
        {"tcp://127.0.0.1:7000", "tcp://127.0.0.1:7001"},
        {"tcp://[::1]:7000", "tcp://[::1]:7001"},
        {"tls+tcp://host.example:9", "tls+tcp://host.example:10"},
        {"tcp://127.0.0.1:0", "tcp://127.0.0.1:0"},
        {"tcp://127.0.0.1:65534", "tcp://127.0.0.1:65535"},
        {"tcp://127.0.0.1:65535", NULL},
        {"tcp://127.0.0.1:999999", NULL},
        {"tcp://127.0.0.1:-4", NULL},
        {"tcp://127.0.0.1:7x", NULL},
        {"tcp://127.0.0.1", NULL},
        {"tcp://:7000", NULL},
        {"inproc://", NULL},
        {"ipc:///tmp/x", NULL},
        {"ws://host:80", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[SYNC_LINK_URL_SIZE];
        crdt_err err = sync_link_publish_url(rows[i].url, out, NULL);
        if (rows[i].beside == NULL) {
            cr_assert_eq(err, CRDT_EINVAL, "'%s'", rows[i].url);
        } else {
            cr_assert_eq(err, CRDT_OK, "'%s'", rows[i].url);
            cr_assert_str_eq(out, rows[i].beside);
        }
    }
}

Test(link, inproc)
{
    check_transport("inproc://link-test");
}

Test(link, tcp)
{
    check_transport("tcp://127.0.0.1:0");
}

Test(link, bad_urls_and_peers_are_refused)
{
    sync_link *link = open_default();
    char bound[SYNC_LINK_URL_SIZE];
    crdt_diag diag = {0};
    cr_assert_eq(sync_link_listen(link, "ws://127.0.0.1:0", bound, &diag), CRDT_EINVAL);
    cr_assert_eq(sync_link_dial(link, 1, "tcp://nowhere", &diag), CRDT_EINVAL);
    cr_assert_eq(sync_link_dial(link, 1, "tls+tcp://localhost:9", &diag), CRDT_EINVAL,
                 "TLS without certificates");
    cr_assert_eq(sync_link_request(link, 1, crdt_span_of("?"), 1, 10), CRDT_ENOTFOUND);
    dial_to(link, 1, "inproc://nobody");
    cr_assert_eq(sync_link_dial(link, 1, "inproc://other", &diag), CRDT_EEXIST);
    listen_at(link, "tcp://127.0.0.1:0", bound);
    sync_link *other = open_default();
    char again[SYNC_LINK_URL_SIZE];
    cr_assert_eq(sync_link_listen(other, bound, again, &diag), CRDT_EEXIST);
    cr_assert(strlen(diag.text) > 0);
    sync_link_close(other);
    sync_link_close(link);
}

/* Others' topics do not arrive. */
Test(link, only_subscribed_topics)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    sync_link *server = NULL;
    sync_link *client = NULL;
    open_pair("inproc://topics", &options, &server, &client);
    sync_link_publish(server, crdt_span_of("other scene"));
    sync_link_publish(server, crdt_span_of("t mine"));
    cr_assert(span_is(await(client, SYNC_LINK_PUBLISHED).bytes, "t mine"));
    sync_link_close(client);
    sync_link_close(server);
}

/* A burst of the buffers' size arrives whole and in order. */
Test(link, burst_arrives)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    sync_link *server = NULL;
    sync_link *client = NULL;
    open_pair("tcp://127.0.0.1:0", &options, &server, &client);
    for (unsigned i = 0; i < 1500; i++) {
        char text[32];
        snprintf(text, sizeof text, "t %u", i);
        cr_assert_eq(sync_link_publish(server, crdt_span_of(text)), CRDT_OK);
    }
    for (unsigned i = 0; i < 1500; i++) {
        char text[32];
        snprintf(text, sizeof text, "t %u", i);
        cr_assert(span_is(await(client, SYNC_LINK_PUBLISHED).bytes, text), "%u", i);
    }
    sync_link_close(client);
    sync_link_close(server);
}

/* A subscriber that does not look keeps a bounded queue, and goes on when it looks. */
Test(link, queue_is_bounded)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    sync_link *server = NULL;
    sync_link *client = NULL;
    open_pair("inproc://bounded", &options, &server, &client);
    for (unsigned i = 0; i < 10000; i++) {
        sync_link_publish(server, crdt_span_of("t x"));
    }
    sync_link_event event;
    unsigned count = 0;
    while (next_event(client, count < 2048 ? WAIT_MS : 200, &event)) {
        count++;
    }
    cr_assert(count >= 2048 && count < 6000, "what the queues hold arrives: %u", count);
    meet(server, client);
    sync_link_close(client);
    sync_link_close(server);
}

/* What is over the receiver's limit is refused there, and the honest go on. */
Test(link, over_the_limit_is_refused)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    char bound[SYNC_LINK_URL_SIZE];
    sync_link *server = open_link(&options);
    listen_at(server, "tcp://127.0.0.1:0", bound);
    options.message_size_max = 10000;
    sync_link *client = open_link(&options);
    dial_to(client, 7, bound);
    await(client, SYNC_LINK_UP);
    meet(server, client);
    char *big = calloc(1, 200000);
    cr_assert_not_null(big);
    memset(big, 't', 200000);
    crdt_span over = {.data = (uint8_t *)big, .size = 10001};
    crdt_span fits = {.data = (uint8_t *)big, .size = 10000};
    cr_assert_eq(sync_link_publish(client, over), CRDT_ELIMIT);
    cr_assert_eq(sync_link_publish(server, over), CRDT_OK);
    cr_assert_eq(await(client, SYNC_LINK_DOWN).peer, 7, "the connection is closed");
    await(client, SYNC_LINK_UP);
    meet(server, client);
    cr_assert_eq(sync_link_publish(server, fits), CRDT_OK);
    cr_assert_eq(await(client, SYNC_LINK_PUBLISHED).bytes.size, 10000);
    cr_assert_eq(sync_link_request(client, 7, over, 1, WAIT_MS), CRDT_ELIMIT);
    cr_assert_eq(sync_link_request(client, 7, fits, 2, 2000), CRDT_OK);
    sync_link_reply(server, await(server, SYNC_LINK_REQUEST).token,
                    (crdt_span){.data = (uint8_t *)big, .size = 200000});
    cr_assert_eq(await(client, SYNC_LINK_FAILED).token, 2);
    free(big);
    sync_link_close(client);
    sync_link_close(server);
}

/* Who dials first and listens later meets all the same, and finds back. */
static void check_late_and_again(const char *url)
{
    char bound[SYNC_LINK_URL_SIZE];
    sync_link *client = open_default();
    dial_to(client, 7, url);
    sync_link *server = open_default();
    listen_at(server, url, bound);
    await(client, SYNC_LINK_UP);
    exchange(server, client);
    sync_link_close(server);
    await(client, SYNC_LINK_DOWN);
    server = open_default();
    listen_at(server, url, bound);
    await(client, SYNC_LINK_UP);
    exchange(server, client);
    sync_link_close(client);
    sync_link_close(server);
}

Test(link, late_listener_and_reconnect_inproc)
{
    check_late_and_again("inproc://late");
}

Test(link, late_listener_and_reconnect_tcp)
{
    /* Below the ports that are given out for port 0: nobody takes it meanwhile. */
    char url[SYNC_LINK_URL_SIZE];
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", 30100 + (int)(getpid() % 1000) * 2);
    check_late_and_again(url);
}

/* Every request ends exactly once: answered, out of time, or let go. */
Test(link, requests_end)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    sync_link *server = NULL;
    sync_link *client = NULL;
    open_pair("tcp://127.0.0.1:0", &options, &server, &client);
    for (uint64_t token = 1; token <= SYNC_LINK_REQUESTS_PER_PEER; token++) {
        cr_assert_eq(sync_link_request(client, 7, crdt_span_of("?"), token, 2000),
                     CRDT_OK);
    }
    cr_assert_eq(sync_link_request(client, 7, crdt_span_of("?"), 30, 2000), CRDT_EBUSY);
    unsigned seen = 0;
    for (unsigned i = 0; i < SYNC_LINK_REQUESTS_PER_PEER; i++) {
        sync_link_event event = await(client, SYNC_LINK_FAILED);
        cr_assert_eq(event.err, CRDT_ETIMEOUT);
        seen |= 1u << event.token;
    }
    cr_assert_eq(seen, (1u << (SYNC_LINK_REQUESTS_PER_PEER + 1)) - 2);
    /* An answer that comes too late is nobody's. */
    for (unsigned i = 0; i < SYNC_LINK_REQUESTS_PER_PEER; i++) {
        sync_link_reply(server, await(server, SYNC_LINK_REQUEST).token,
                        crdt_span_of("late"));
    }
    exchange(server, client);
    cr_assert_eq(sync_link_request(client, 7, crdt_span_of("?"), 10, WAIT_MS), CRDT_OK);
    sync_link_undial(client, 7);
    sync_link_event event = await(client, SYNC_LINK_FAILED);
    cr_assert_eq(event.token, 10);
    cr_assert_eq(event.err, CRDT_ECLOSED);
    cr_assert_eq(sync_link_request(client, 7, crdt_span_of("?"), 11, 10),
                 CRDT_ENOTFOUND);
    sync_link_undial(client, 7);
    sync_link_close(client);
    sync_link_close(server);
}

/* A question that went out on a connection about to be refused is lost with it. */
static void ask_until_answered(sync_link *server, sync_link *client)
{
    uint64_t deadline = now_ms() + WAIT_MS;
    sync_link_event event = {0};
    do {
        cr_assert_lt(now_ms(), deadline, "no question is answered");
        cr_assert_eq(sync_link_request(client, 7, crdt_span_of("?"), 5, 200), CRDT_OK);
        do {
            while (sync_link_receive(server, &event)) {
                sync_link_reply(server, event.token, crdt_span_of("!"));
            }
        } while (!next_event(client, 20, &event) ||
                 (event.kind != SYNC_LINK_REPLY && event.kind != SYNC_LINK_FAILED));
    } while (event.kind != SYNC_LINK_REPLY);
    cr_assert(span_is(event.bytes, "!"));
}

/* Connections are made anew while a question is on its way: the caller hears that the peer was
 * gone and is back, the question ends, and the next ones are answered. */
static void check_redial(const char *url)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    sync_link *server = NULL;
    sync_link *client = NULL;
    open_pair(url, &options, &server, &client);
    exchange(server, client);
    cr_assert_eq(sync_link_request(client, 7, crdt_span_of("?"), 1, 5000), CRDT_OK);
    await(server, SYNC_LINK_REQUEST);
    sync_link_redial(client, 7);
    sync_link_redial(client, 8); /* nobody */
    unsigned seen = 0;
    unsigned wanted =
        1u << SYNC_LINK_DOWN | 1u << SYNC_LINK_UP | 1u << SYNC_LINK_FAILED;
    sync_link_event event;
    while (seen != wanted) {
        cr_assert(next_event(client, WAIT_MS, &event), "seen until now: %x", seen);
        seen |= 1u << event.kind;
    }
    exchange(server, client);
    for (int i = 0; i < 20; i++) {
        sync_link_redial(client, 7);
    }
    /* What is asked while older connections still end may go with them. */
    await(client, SYNC_LINK_UP);
    while (next_event(client, 500, &event)) {
    }
    ask_until_answered(server, client);
    exchange(server, client);
    sync_link_close(client);
    sync_link_close(server);
}

Test(link, redial_inproc)
{
    check_redial("inproc://redialed");
}

Test(link, redial_tcp)
{
    check_redial("tcp://127.0.0.1:0");
}

/* Peers that never answer a question do not lock out others. */
Test(link, unanswered_requests_can_be_let_go)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    sync_link *server = NULL;
    sync_link *client = NULL;
    open_pair("inproc://declined", &options, &server, &client);
    for (uint64_t i = 0; i < 40; i++) {
        cr_assert_eq(sync_link_request(client, 7, crdt_span_of("?"), i, 100), CRDT_OK);
        sync_link_reply(server, await(server, SYNC_LINK_REQUEST).token, (crdt_span){0});
        cr_assert_eq(await(client, SYNC_LINK_FAILED).token, i);
    }
    exchange(server, client);
    sync_link_close(client);
    sync_link_close(server);
}

/* The test aid loses the share it is told to, of publications, questions and answers. */
Test(link, fault_drop_loses_its_share)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    char bound[SYNC_LINK_URL_SIZE];
    options.fault_drop = 1.5;
    sync_link *client = NULL;
    cr_assert_eq(sync_link_nng_open(&client, &options, NULL), CRDT_EINVAL);
    options.fault_drop = 0;
    sync_link *server = open_link(&options);
    options.fault_drop = 0.3;
    options.fault_seed = 4711;
    client = open_link(&options);
    listen_at(server, "inproc://lossy", bound);
    dial_to(client, 7, bound);
    await(client, SYNC_LINK_UP);
    meet(server, client);
    for (unsigned i = 0; i < 1000; i++) {
        sync_link_publish(server, crdt_span_of("t x"));
    }
    sync_link_event event;
    unsigned count = 0;
    uint64_t deadline = now_ms() + WAIT_MS;
    for (bool ended = false;
         !ended;) { /* the end is lost as well: it is told until it comes */
        cr_assert_lt(now_ms(), deadline, "the end does not come");
        sync_link_publish(server, crdt_span_of("t end"));
        while (!ended && next_event(client, 50, &event)) {
            ended = span_is(event.bytes, "t end");
            count += !ended;
        }
    }
    cr_assert(count > 600 && count < 800, "%u of 1000", count);
    unsigned answered = 0;
    for (uint64_t i = 0; i < 60; i++) {
        cr_assert_eq(sync_link_request(client, 7, crdt_span_of("?"), i, 100), CRDT_OK);
        do {
            struct pollfd ready[2] = {
                {.fd = sync_link_fd(client), .events = POLLIN},
                {.fd = sync_link_fd(server), .events = POLLIN},
            };
            cr_assert(poll(ready, 2, WAIT_MS) > 0);
            if (sync_link_receive(server, &event)) {
                sync_link_reply(server, event.token, crdt_span_of("!"));
            }
        } while (!sync_link_receive(client, &event));
        cr_assert(event.kind == SYNC_LINK_REPLY
                      ? span_is(event.bytes, "!")
                      : event.kind == SYNC_LINK_FAILED && event.err == CRDT_ETIMEOUT);
        answered += event.kind == SYNC_LINK_REPLY;
    }
    cr_assert(answered > 10 && answered < 60, "%u of 60", answered);
    cr_assert_gt(sync_link_count(client).dropped, 200);
    sync_link_close(client);
    sync_link_close(server);
}

/* Connections over the limit are refused, not those that are there. */
Test(link, connections_are_limited)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    options.connection_max = 2; /* one peer: its SUB and its REQ */
    char bound[SYNC_LINK_URL_SIZE];
    sync_link *server = open_link(&options);
    listen_at(server, "tcp://127.0.0.1:0", bound);
    sync_link *first = open_default();
    dial_to(first, 7, bound);
    await(first, SYNC_LINK_UP);
    exchange(server, first); /* the server has accepted both connections, too */
    sync_link *second = open_default();
    dial_to(second, 7, bound);
    uint64_t deadline = now_ms() + WAIT_MS;
    for (uint64_t i = 1; sync_link_count(server).refused == 0; i++) {
        cr_assert_lt(now_ms(), deadline, "nobody is refused");
        cr_assert_eq(sync_link_request(second, 7, crdt_span_of("?"), i, 50), CRDT_OK);
        cr_assert_eq(await(second, SYNC_LINK_FAILED).token, i);
    }
    exchange(server, first);
    sync_link_close(first);
    ask_until_answered(server, second);
    sync_link_close(second);
    sync_link_close(server);
}

/* Bytes that are no nng do not keep the honest out. */
Test(link, garbage_is_survived)
{
    sync_link *server = open_default();
    char bound[SYNC_LINK_URL_SIZE];
    listen_at(server, "tcp://127.0.0.1:0", bound);
    static const uint8_t head[8] = {0, 'S', 'P', 0, 0, 0x20, 0, 0};
    for (unsigned port_step = 0; port_step < 2; port_step++) {
        for (unsigned kind = 0; kind < 20; kind++) {
            int fd = socket(AF_INET, SOCK_STREAM, 0);
            struct sockaddr_in to = {
                .sin_family = AF_INET,
                .sin_port =
                    htons((uint16_t)(atoi(strrchr(bound, ':') + 1) + port_step)),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
            cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
            uint8_t claim[16];
            memcpy(claim, head, sizeof head);
            memset(claim + 8, kind % 2 == 0 ? 0xff : 0x00, 8);
            claim[12] = (uint8_t)kind;
            ssize_t sent =
                send(fd, kind < 4 ? (const uint8_t *)"GET / HTTP/1.1\r\n" : claim, 16,
                     MSG_NOSIGNAL);
            cr_assert_eq(sent, 16);
            close(fd);
        }
    }
    sync_link *client = open_default();
    dial_to(client, 7, bound);
    await(client, SYNC_LINK_UP);
    exchange(server, client);
    sync_link_close(client);
    sync_link_close(server);
}

static size_t count_fds(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    cr_assert_not_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

/* Sockets are used again: opening and closing links for long needs no more of them, and
 * nothing of the former owner comes along. Traffic is on its way when they close. */
Test(link, pool_is_reused, .timeout = 600)
{
    size_t warm = 0;
    for (unsigned round = 0; round < 60; round++) {
        sync_link_nng_options options = sync_link_nng_options_default();
        sync_link *server = NULL;
        sync_link *client = NULL;
        open_pair("tcp://127.0.0.1:0", &options, &server, &client);
        exchange(server, client);
        for (unsigned i = 0; i < 200; i++) {
            sync_link_publish(server, crdt_span_of("t left over"));
        }
        sync_link_request(client, 7, crdt_span_of("left over"), 1, 50);
        sync_link_close(client);
        sync_link_close(server);
        warm = round == 20 ? count_fds() : warm;
    }
    uint64_t deadline = now_ms() + WAIT_MS;
    while (count_fds() > warm + 4) { /* nng closes them in its own time */
        cr_assert_lt(now_ms(), deadline, "%zu, %zu after 20 rounds", count_fds(), warm);
        poll(NULL, 0, 10);
    }
}

/* ---- reasons ---- */

typedef struct reasons {
    char of_peer[160];
    char of_guests[160]; /* those who came to us */
} reasons;

static void keep_reason(void *ctx, uint32_t peer, const char *reason)
{
    reasons *kept = ctx;
    char *text = peer == 0 ? kept->of_guests : kept->of_peer;
    snprintf(text, sizeof kept->of_peer, "%s", reason);
}

/* Until `link` tells of its peer (or its guests) what has `word` in it. */
static void await_reason(sync_link *link, bool guests, const char *word)
{
    reasons kept = {.of_peer = ""};
    const char *text = guests ? kept.of_guests : kept.of_peer;
    uint64_t deadline = now_ms() + WAIT_MS;
    while (strstr(text, word) == NULL) {
        cr_assert_lt(now_ms(), deadline, "'%s' is not said, but '%s'", word, text);
        sync_link_look(link, keep_reason, &kept);
        sync_link_event event;
        next_event(link, 20, &event);
    }
}

/* Why a peer is not there is known while it is not; then there is nothing to tell. */
Test(link, reasons_are_told)
{
    char url[SYNC_LINK_URL_SIZE]; /* below the ports that are given out for port 0 */
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", 30100 + (int)(getpid() % 1000) * 2);
    sync_link *client = open_default();
    dial_to(client, 7, url);
    await_reason(client, false, "nobody listens");
    sync_link *server = open_default();
    char same[SYNC_LINK_URL_SIZE];
    listen_at(server, url, same);
    await(client, SYNC_LINK_UP);
    reasons kept = {.of_peer = ""};
    sync_link_look(client, keep_reason, &kept);
    sync_link_look(server, keep_reason, &kept);
    cr_assert_str_eq(kept.of_peer, "");
    cr_assert_str_eq(kept.of_guests, "");
    sync_link_close(server);
    await(client, SYNC_LINK_DOWN);
    await_reason(client, false, "nobody listens");
    sync_link_close(client);
}

static void count_reason(void *ctx, uint32_t peer, const char *reason)
{
    cr_assert_eq(peer, 8, "%s", reason);
    *(unsigned *)ctx += 1;
}

/* Looking while connections of the process come and go, as often as it can be done. */
Test(link, looking_while_links_come_and_go, .timeout = 600)
{
    sync_link *looker = open_default();
    dial_to(looker, 8, "tcp://127.0.0.1:9"); /* where nobody is */
    unsigned told = 0;
    uint64_t longest = 0;
    for (unsigned round = 0; round < 40; round++) {
        sync_link_nng_options options = sync_link_nng_options_default();
        sync_link *server = NULL;
        sync_link *client = NULL;
        open_pair("tcp://127.0.0.1:0", &options, &server, &client);
        for (unsigned i = 0; i < 50; i++) {
            sync_link_publish(server, crdt_span_of("t left over"));
            uint64_t begin = now_ms();
            sync_link_look(looker, count_reason, &told);
            uint64_t took = now_ms() - begin;
            longest = took > longest ? took : longest;
        }
        sync_link_close(round % 2 == 0 ? client : server);
        sync_link_look(looker, count_reason, &told);
        sync_link_close(round % 2 == 0 ? server : client);
    }
    printf("the longest look took %d ms\n", (int)longest);
    cr_assert_gt(told, 40);
    sync_link_close(looker);
}

/* ---- TLS ---- */

/* A CA, and certificates of it and of another CA, in a folder of its own. */
static void make_certificates(char *folder)
{
    char command[4096];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(command, sizeof command,
             "cd %s && exec 2>/dev/null && for ca in ca other; do"
             " openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$ca"
             "   -keyout $ca.key -out $ca.pem || exit 1;"
             " openssl req -newkey rsa:2048 -nodes -subj /CN=localhost"
             "   -keyout $ca-node.key -out $ca-node.csr || exit 1;"
             " openssl x509 -req -in $ca-node.csr -CA $ca.pem -CAkey $ca.key -days 2"
             "   -CAcreateserial -out $ca-node.pem || exit 1; done",
             folder);
    cr_assert_eq(system(command), 0, "openssl");
}

typedef struct tls_paths {
    char cert[128];
    char key[128];
    char ca[128];
} tls_paths;

static sync_link_nng_options tls_options(const char *folder, const char *issuer,
                                         const char *trusted, tls_paths *paths)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    snprintf(paths->cert, sizeof paths->cert, "%s/%s-node.pem", folder, issuer);
    snprintf(paths->key, sizeof paths->key, "%s/%s-node.key", folder, issuer);
    snprintf(paths->ca, sizeof paths->ca, "%s/%s.pem", folder, trusted);
    options.tls = (sync_link_tls){
        .cert_file = paths->cert, .key_file = paths->key, .ca_file = paths->ca};
    return options;
}

Test(link, tls_lets_in_whom_the_ca_vouches_for, .timeout = 600)
{
    char folder[] = "/tmp/scenesync-tls-XXXXXX";
    tls_paths paths;
    make_certificates(folder);
    sync_link_nng_options good = tls_options(folder, "ca", "ca", &paths);
    sync_link *server = open_link(&good);
    char bound[SYNC_LINK_URL_SIZE];
    listen_at(server, "tls+tcp://localhost:0", bound);
    cr_assert_eq(strncmp(bound, "tls+tcp://localhost:", 20), 0);
    cr_assert_neq(atoi(bound + 20), 0);
    sync_link *client = open_link(&good);
    dial_to(client, 7, bound);
    await(client, SYNC_LINK_UP);
    exchange(server, client);
    cr_assert(sync_link_nng_check(server));

    /* A certificate of another CA; a server whose CA we do not know; another name in the
     * certificate; no TLS at all. */
    tls_paths other_paths;
    tls_paths strict_paths;
    sync_link_nng_options foreign = tls_options(folder, "other", "ca", &other_paths);
    sync_link_nng_options strict = tls_options(folder, "ca", "other", &strict_paths);
    sync_link_nng_options named = good;
    named.tls.peer_name = "somebody.else";
    sync_link_nng_options plain = sync_link_nng_options_default();
    const sync_link_nng_options *bad[4] = {&foreign, &strict, &named, &plain};
    sync_link *refused[4];
    for (unsigned i = 0; i < 4; i++) {
        refused[i] = open_link(bad[i]);
        dial_to(refused[i], 7, i < 3 ? bound : bound + 4);
    }
    sync_link_event event;
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_not(next_event(refused[i], 500, &event), "case %u", i);
    }
    for (unsigned i = 0; i < 4; i++) {
        await_reason(refused[i], false, i < 3 ? "certificate" : "TLS");
    }
    await_reason(server, true, "certificate");
    exchange(server, client);
    for (unsigned i = 0; i < 4; i++) {
        sync_link_close(refused[i]);
    }
    sync_link_close(client);
    sync_link_close(server);
    char command[256];
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

Test(link, tls_files_are_checked_at_open)
{
    sync_link *link = NULL;
    crdt_diag diag = {0};
    sync_link_nng_options options = sync_link_nng_options_default();
    options.tls.cert_file = "/nonexistent/cert.pem";
    cr_assert_eq(sync_link_nng_open(&link, &options, &diag), CRDT_EINVAL);
    options.tls.key_file = "/nonexistent/key.pem";
    options.tls.ca_file = "/nonexistent/ca.pem";
    cr_assert_eq(sync_link_nng_open(&link, &options, &diag), CRDT_EINVAL);
    cr_assert_not_null(strstr(diag.text, "/nonexistent/"));
}
