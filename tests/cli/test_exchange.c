#include "cli/web/server_impl.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* A wire of memory: what was asked, what went out. */
static struct {
    const char *method;
    const char *path;
    const char *headers[8][2];
    const char *query[8];
    crdt_buf out;
    size_t writes;
    size_t room; /* writes that go before it is full */
    bool wants;
    bool broken;
    size_t timer_s;
    uint64_t now_s;
    bool paused;
    unsigned naps;
    unsigned alive;
    unsigned nexts;
    int closed; /* code */
    bool close_soon;
    size_t largest;
    unsigned firsts;
    unsigned lasts;
} wire;

const char *web_wire_method(web_socket *socket, crdt_span *path)
{
    (void)socket;
    *path = crdt_span_of(wire.path);
    return wire.method;
}

int web_wire_header(web_socket *socket, const char *name, char *out, size_t size)
{
    (void)socket;
    for (size_t i = 0; i < 8 && wire.headers[i][0] != NULL; i++) {
        if (strcmp(wire.headers[i][0], name) == 0) {
            snprintf(out, size, "%s", wire.headers[i][1]);
            return (int)strlen(wire.headers[i][1]);
        }
    }
    return -1;
}

int web_wire_query(web_socket *socket, int index, char *out, size_t size)
{
    (void)socket;
    if (index >= 8 || wire.query[index] == NULL) {
        return -1;
    }
    snprintf(out, size, "%s", wire.query[index]);
    return (int)strlen(wire.query[index]);
}

void web_wire_want_write(web_socket *socket)
{
    (void)socket;
    wire.wants = true;
}

bool web_wire_can_write(web_socket *socket)
{
    (void)socket;
    return wire.room > 0;
}

bool web_wire_write(web_socket *socket, web_wire_kind kind, crdt_span bytes, bool first,
                    bool last)
{
    (void)socket, (void)kind;
    wire.room -= wire.room > 0;
    wire.writes++;
    wire.firsts += first;
    wire.lasts += last;
    wire.largest = bytes.size > wire.largest ? bytes.size : wire.largest;
    return !wire.broken && crdt_buf_append_span(&wire.out, bytes) == CRDT_OK;
}

void web_wire_timer(web_socket *socket, size_t seconds)
{
    (void)socket;
    wire.timer_s = seconds;
}

uint64_t web_wire_now_s(void)
{
    return wire.now_s;
}

void web_wire_nap(web_socket *socket)
{
    (void)socket;
    wire.naps++;
}

void web_wire_patient(web_socket *socket)
{
    (void)socket;
}

web_verdict web_wire_next(web_socket *socket)
{
    (void)socket;
    wire.nexts++;
    return WEB_GO_ON;
}

web_verdict web_wire_close(web_socket *socket, int code, const char *reason)
{
    (void)socket;
    cr_assert_leq(strlen(reason), WEB_REASON_MAX);
    wire.closed = code;
    return WEB_CLOSE;
}

void web_wire_close_soon(web_socket *socket)
{
    (void)socket;
    wire.close_soon = true;
}

void web_wire_alive(web_socket *socket)
{
    (void)socket;
    wire.alive++;
}

void web_socket_pause(web_socket *socket, bool paused)
{
    (void)socket;
    wire.paused = paused;
}

/* ---- a handler that does as it is told ---- */

static struct {
    unsigned requests;
    size_t body_size;
    char query[128];
    size_t answer_size;
    bool defer;
    uint64_t token;
    int open;
    unsigned messages;
    size_t message_size;
    size_t say_size; /* each time it is asked */
    unsigned says;   /* so many times */
    unsigned asked;
    unsigned closed;
    bool close_in_message;
} told;

static void fill(crdt_buf *out, size_t size)
{
    if (size > 0 && crdt_buf_reserve(out, size) == CRDT_OK) {
        memset(out->data + out->size, 'a', size);
        out->size += size;
    }
}

static char last_location[32];

static void on_request(void *ctx, const web_request *request, web_reply *reply)
{
    (void)ctx;
    told.requests++;
    told.body_size = request->body.size;
    told.token = reply->token;
    snprintf(told.query, sizeof told.query, "%s", request->query);
    fill(&reply->body, told.answer_size);
    reply->deferred = told.defer;
    snprintf(last_location, sizeof last_location, "/moved-to");
    if (strcmp(request->path, "/still") == 0) {
        static uint8_t still[3 * WEB_FRAGMENT_SIZE];
        memset(still, 's', sizeof still);
        reply->still = (crdt_span){still, sizeof still};
        reply->type = "text/html; charset=utf-8";
        reply->etag = "\"e\"";
        reply->encoding = "gzip";
        reply->policy = "default-src 'self'";
        reply->varies = true;
        reply->status = strcmp(request->query, "have") == 0 ? 304 : 200;
    }
    if (strcmp(request->path, "/moved") == 0) {
        reply->status = 302;
        reply->location = last_location;
    }
}

static int on_open(void *ctx, web_socket *socket, const web_request *request,
                   void **user)
{
    (void)ctx, (void)request;
    *user = &told;
    web_socket_want_write(socket);
    return told.open;
}

static void on_message(void *ctx, web_socket *socket, void *user, crdt_span text)
{
    (void)ctx;
    cr_assert_eq(user, &told);
    told.messages++;
    told.message_size = text.size;
    if (told.close_in_message) {
        web_socket_close(socket, 1008, "no more");
    }
}

static void on_write(void *ctx, web_socket *socket, void *user, crdt_buf *out)
{
    (void)ctx, (void)socket, (void)user;
    cr_assert_eq(out->size, 0);
    told.asked++;
    if (told.says > 0) {
        told.says--;
        fill(out, told.say_size);
    }
}

static void on_closed(void *ctx, web_socket *socket, void *user)
{
    (void)ctx, (void)socket, (void)user;
    told.closed++;
}

static web_core core;
static web_socket one;

static void setup(void)
{
    memset(&wire, 0, sizeof wire);
    memset(&told, 0, sizeof told);
    crdt_buf_init(&wire.out, crdt_alloc_default());
    wire.method = "GET";
    wire.path = "/a";
    wire.room = 1000;
    wire.headers[0][0] = "host";
    wire.headers[0][1] = "localhost:8080";
    core = (web_core){.options = {.alloc = crdt_alloc_default(),
                                  .body_max = 1000,
                                  .message_max = 1000,
                                  .idle_ms = 60000,
                                  .handlers = {.request = on_request,
                                               .socket_open = on_open,
                                               .socket_message = on_message,
                                               .socket_write = on_write,
                                               .socket_closed = on_closed}},
                      .rules = {.port = 8080}};
    web_exchange_init(&one, &core);
}

static void teardown(void)
{
    web_exchange_deinit(&one);
    crdt_buf_deinit(&wire.out);
}

TestSuite(exchange, .init = setup, .fini = teardown);

static void header(size_t index, const char *name, const char *value)
{
    wire.headers[index][0] = name;
    wire.headers[index][1] = value;
}

/* Everything that wants to go out. */
static web_verdict drain(void)
{
    web_verdict verdict = WEB_GO_ON;
    while (wire.wants && verdict == WEB_GO_ON) {
        wire.wants = false;
        verdict = web_exchange_writable(&one);
    }
    return verdict;
}

static int status(void)
{
    int found = 0;
    crdt_buf_append(&wire.out, "", 1);
    cr_assert_eq(sscanf((const char *)wire.out.data, "HTTP/1.1 %d", &found), 1);
    return found;
}

Test(exchange, an_answer)
{
    told.answer_size = 5;
    cr_assert_eq(web_exchange_request(&one), WEB_GO_ON);
    cr_assert_eq(drain(), WEB_GO_ON);
    static const char wanted[] = "HTTP/1.1 200 OK\r\n"
                                 "Server: scenesync\r\n"
                                 "Content-Type: application/json\r\n"
                                 "Content-Length: 5\r\n"
                                 "Cache-Control: no-store\r\n"
                                 "X-Content-Type-Options: nosniff\r\n"
                                 "X-Frame-Options: DENY\r\n"
                                 "Referrer-Policy: no-referrer\r\n"
                                 "Content-Security-Policy: default-src 'none'; "
                                 "frame-ancestors 'none'\r\n"
                                 "Cross-Origin-Resource-Policy: same-origin\r\n"
                                 "\r\naaaaa";
    crdt_buf_append(&wire.out, "", 1);
    cr_assert_str_eq((const char *)wire.out.data, wanted);
    cr_assert_eq(wire.nexts, 1);
    cr_assert_eq(one.phase, WEB_PHASE_IDLE);
}

/* Bytes that stay where they are: sent in pieces, not held, with what the handler says of
 * them; to HEAD only their size, and to who has them nothing. */
Test(exchange, still)
{
    const size_t size = 3 * (size_t)WEB_FRAGMENT_SIZE;
    char length[64];
    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", size);
    wire.path = "/still";
    core.options.held_max = 1;
    core.held = 1; /* others hold all that may be held */
    web_exchange_request(&one);
    cr_assert_eq(drain(), WEB_GO_ON);
    cr_assert_eq(core.held, 1);
    crdt_buf_append(&wire.out, "", 1);
    const char *head = (const char *)wire.out.data;
    const char *body = strstr(head, "\r\n\r\n") + 4;
    const char *const wanted[] = {"HTTP/1.1 200 OK\r\n",
                                  "\r\nContent-Encoding: gzip\r\n",
                                  "\r\nETag: \"e\"\r\n",
                                  "\r\nVary: Accept-Encoding\r\n",
                                  "\r\nContent-Security-Policy: default-src 'self'\r\n",
                                  "\r\nCross-Origin-Opener-Policy: same-origin\r\n",
                                  length};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        cr_assert_not_null(strstr(head, wanted[i]), "%s", wanted[i]);
    }
    cr_assert_eq(strspn(body, "s"), size);
    cr_assert_eq(wire.out.size - 1 - (size_t)(body - head), size);

    crdt_buf_clear(&wire.out);
    wire.method = "HEAD";
    web_exchange_request(&one);
    cr_assert_eq(drain(), WEB_GO_ON);
    cr_assert_eq(status(), 200);
    cr_assert_not_null(strstr((const char *)wire.out.data, length));
    cr_assert_null(strstr((const char *)wire.out.data, "sss"));

    crdt_buf_clear(&wire.out);
    wire.method = "GET";
    wire.query[0] = "have";
    web_exchange_request(&one);
    cr_assert_eq(drain(), WEB_GO_ON);
    cr_assert_eq(status(), 304);
    cr_assert_not_null(strstr((const char *)wire.out.data, "\r\nETag: \"e\"\r\n"));
    cr_assert_null(strstr((const char *)wire.out.data, "Content-Length"));
    cr_assert_null(strstr((const char *)wire.out.data, "sss"));
}

/* In pieces, no more than the wire takes, and not too much in one turn. */
Test(exchange, a_large_answer)
{
    told.answer_size = 20 * WEB_FRAGMENT_SIZE + 7;
    wire.room = 3;
    web_exchange_request(&one);
    wire.wants = false;
    web_exchange_writable(&one);
    cr_assert_eq(wire.writes, 3, "%zu: the head and two pieces", wire.writes);
    cr_assert(wire.paused && !wire.wants, "it is full: it is not looked at");
    cr_assert_eq(web_exchange_late(&one), WEB_GO_ON);
    cr_assert_eq(wire.naps, 2);
    cr_assert_eq(wire.writes, 3);
    wire.room = 1000;
    cr_assert_eq(web_exchange_late(&one), WEB_GO_ON);
    cr_assert_eq(wire.writes - 3, WEB_TURN_SIZE / WEB_FRAGMENT_SIZE);
    cr_assert_not(wire.paused);
    cr_assert_eq(drain(), WEB_GO_ON);
    cr_assert_leq(wire.largest, WEB_FRAGMENT_SIZE);
    size_t head =
        (size_t)(strstr((char *)wire.out.data, "\r\n\r\n") + 4 - (char *)wire.out.data);
    cr_assert_eq(wire.out.size - head, told.answer_size);
}

/* What large bodies and answers of all connections hold at once is bounded; one alone may
 * always, and small ones do not count. */
Test(exchange, what_is_held)
{
    web_socket other;
    core.options.held_max = 300000;
    core.options.body_max = 400000;
    web_exchange_init(&other, &core);
    told.answer_size = 310000;
    web_exchange_request(&one);
    cr_assert_eq(one.reply.body.size, 310000, "one alone");
    cr_assert_eq(core.held, 310000);
    web_exchange_request(&other);
    cr_assert_eq(other.reply.status, 503);
    cr_assert_lt(other.reply.body.size, 200);
    cr_assert_eq(core.held, 310000);
    web_exchange_deinit(&other);
    web_exchange_init(&other, &core);
    told.answer_size = 1000;
    web_exchange_request(&other);
    cr_assert_eq(other.reply.status, 200, "a small one is none of it");
    web_exchange_deinit(&other);
    cr_assert_eq(drain(), WEB_GO_ON);
    cr_assert_eq(core.held, 0);

    told.answer_size = 200000;
    web_exchange_request(&one);
    web_exchange_init(&other, &core);
    wire.method = "POST";
    header(1, "content-length", "100001");
    web_exchange_request(&other);
    cr_assert_eq(other.reply.status, 503, "bodies count, before they come");
    web_exchange_deinit(&other);
    web_exchange_init(&other, &core);
    header(1, "content-length", "100000");
    web_exchange_request(&other);
    cr_assert_eq(other.phase, WEB_PHASE_BODY);
    cr_assert_eq(core.held, 300000);
    web_exchange_deinit(&other);
    cr_assert_eq(core.held, 200000);
}

/* Who takes nothing is given up soon. */
Test(exchange, a_reader_that_never_reads)
{
    told.answer_size = 1000 * WEB_FRAGMENT_SIZE;
    wire.room = 3;
    web_exchange_request(&one);
    web_exchange_writable(&one);
    wire.now_s = 60;
    cr_assert_eq(web_exchange_late(&one), WEB_GO_ON);
    wire.now_s = 61;
    cr_assert_eq(web_exchange_late(&one), WEB_CLOSE);
}

/* Who takes it too slowly on the whole is given up, however steadily. */
Test(exchange, a_reader_that_is_too_slow)
{
    told.answer_size = 100 * WEB_FRAGMENT_SIZE;
    web_exchange_request(&one);
    wire.room = 2;
    web_exchange_writable(&one);
    for (wire.now_s = 0; wire.now_s < 1000; wire.now_s += 10) {
        wire.room = 2;
        if (web_exchange_late(&one) == WEB_CLOSE) {
            break;
        }
    }
    cr_assert_eq(wire.now_s, 220, "%u: 15 s and 200 s for its size",
                 (unsigned)wire.now_s);
}

Test(exchange, head_and_empty)
{
    told.answer_size = 500;
    wire.method = "HEAD";
    web_exchange_request(&one);
    drain();
    crdt_buf_append(&wire.out, "", 1);
    cr_assert(strstr((char *)wire.out.data, "Content-Length: 500\r\n") != NULL);
    cr_assert(strstr((char *)wire.out.data, "aaaa") == NULL);
    cr_assert_eq(wire.nexts, 1);
}

/* The location is copied: the handler's buffer may serve the next request. */
Test(exchange, location_is_kept)
{
    wire.path = "/moved";
    web_exchange_request(&one);
    last_location[1] = 'x';
    drain();
    crdt_buf_append(&wire.out, "", 1);
    cr_assert(strstr((char *)wire.out.data, "Location: /moved-to\r\n") != NULL);
}

/* No value of a header can end it. */
Test(exchange, headers_cannot_be_broken)
{
    crdt_buf head;
    crdt_buf_init(&head, crdt_alloc_default());
    one.method = "GET";
    one.reply.location = "/a\r\nX-Evil: 1";
    one.reply.type = "text/html\nX-Evil: 2";
    one.reply.status = 7000;
    cr_assert_eq(web_exchange_head(&one, &head), CRDT_OK);
    crdt_buf_append(&head, "", 1);
    cr_assert(strstr((char *)head.data, "Evil") == NULL, "%s", (char *)head.data);
    cr_assert(strncmp((char *)head.data, "HTTP/1.1 500 ", 13) == 0);
    crdt_buf_deinit(&head);
}

Test(exchange, queries_are_put_together)
{
    wire.query[0] = "a=1 2";
    wire.query[1] = "b&=c=d%";
    wire.query[2] = "e";
    wire.query[3] = "";
    web_exchange_request(&one);
    cr_assert_str_eq(told.query, "a=1%202&b%26=c%3Dd%25&e&");
}

Test(exchange, refusals)
{
    static const struct {
        const char *method;
        const char *path;
        const char *headers[3][2];
        int status;
    } rows[] = {
        {NULL, "/a", {{"host", "localhost:8080"}}, 405},
        {"GET", "", {{"host", "localhost:8080"}}, 400},
        {"GET", "/../a", {{"host", "localhost:8080"}}, 400},
        {"GET", "/a", {{"host", "evil"}}, 421},
        {"GET", "/a", {{"x", ""}}, 421},
        {"GET", "/a", {{"host", "localhost:8080"}, {"origin", "null"}}, 403},
        {"POST", "/a", {{"host", "localhost:8080"}, {"content-length", "1001"}}, 413},
        {"POST", "/a", {{"host", "localhost:8080"}, {"content-length", "1 "}}, 400},
        {"POST", "/a", {{"host", "localhost:8080"}, {"content-length", ""}}, 400},
        {"POST",
         "/a",
         {{"host", "localhost:8080"}, {"content-length", "9999999999999999999999"}},
         400},
        {"POST",
         "/a",
         {{"host", "localhost:8080"}, {"transfer-encoding", "chunked"}},
         411},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        teardown();
        setup();
        wire.method = rows[i].method;
        wire.path = rows[i].path;
        memcpy(wire.headers, rows[i].headers, sizeof rows[i].headers);
        cr_assert_eq(web_exchange_request(&one), WEB_GO_ON);
        web_verdict verdict = drain();
        int got = status();
        cr_assert_eq(got, rows[i].status, "row %zu: %d", i, got);
        cr_assert(verdict == WEB_CLOSE || one.lingers);
        cr_assert_eq(told.requests, 0);
    }
}

Test(exchange, surplus)
{
    one.surplus = true;
    web_exchange_request(&one);
    cr_assert_eq(drain(), WEB_CLOSE);
    cr_assert_eq(status(), 503);
    cr_assert_eq(core.counts.refused_full, 1);
}

/* A body in pieces; more than was announced is no body. */
Test(exchange, bodies)
{
    wire.method = "POST";
    header(1, "content-length", "10");
    web_exchange_request(&one);
    cr_assert_eq(told.requests, 0);
    cr_assert_gt(wire.timer_s, 0);
    cr_assert_eq(web_exchange_body(&one, "12345", 5), WEB_GO_ON);
    cr_assert_eq(web_exchange_body(&one, "67890", 5), WEB_GO_ON);
    cr_assert_eq(web_exchange_body_end(&one), WEB_GO_ON);
    cr_assert_eq(told.requests, 1);
    cr_assert_eq(told.body_size, 10);
    cr_assert_eq(drain(), WEB_GO_ON);
    cr_assert_eq(one.in.capacity, 0, "given back");
    web_exchange_request(&one);
    cr_assert_eq(web_exchange_body(&one, "12345678901", 11), WEB_CLOSE);
    cr_assert_eq(told.requests, 1);
}

/* Bytes after the body: the wire says again and again that it ended, and is stuck. */
Test(exchange, more_than_the_body)
{
    wire.method = "POST";
    header(1, "content-length", "2");
    web_exchange_request(&one);
    web_exchange_body(&one, "12", 2);
    web_exchange_body_end(&one);
    cr_assert_eq(web_exchange_body_end(&one), WEB_CLOSE);
    cr_assert_eq(status(), 200, "but it got its answer");
}

Test(exchange, late_bodies_and_requests)
{
    wire.method = "POST";
    header(1, "content-length", "2");
    cr_assert_eq(web_exchange_late(&one), WEB_CLOSE, "no request came");
    web_exchange_request(&one);
    cr_assert_eq(web_exchange_late(&one), WEB_CLOSE, "no body came");
}

Test(exchange, deferred)
{
    told.defer = true;
    web_exchange_request(&one);
    cr_assert_eq(one.phase, WEB_PHASE_WAITING);
    cr_assert(wire.paused && !wire.wants);
    cr_assert_eq(wire.timer_s, 0);
    cr_assert_eq(web_exchange_late(&one), WEB_GO_ON);
    web_reply reply = {.status = 201, .token = told.token};
    crdt_buf_init(&reply.body, crdt_alloc_default());
    fill(&reply.body, 10);
    web_exchange_deliver(&one, &reply);
    cr_assert_not(wire.paused);
    cr_assert_eq(drain(), WEB_GO_ON);
    cr_assert_eq(status(), 201);
}

/* A page of a listed site is answered so that it may read it; its preflight needs no
 * handler. */
Test(exchange, listed_origins)
{
    static const char *const origins[] = {"https://a.example", NULL};
    core.rules.origins = origins;
    header(1, "origin", "https://a.example");
    wire.method = "OPTIONS";
    web_exchange_request(&one);
    drain();
    cr_assert_eq(status(), 204);
    cr_assert_eq(told.requests, 0);
    cr_assert(strstr((char *)wire.out.data,
                     "Access-Control-Allow-Origin: https://a.example\r\n") != NULL);
}

/* ---- WebSockets ---- */

static void open_socket(void)
{
    header(1, "sec-websocket-version", "13");
    told.open = 101;
    cr_assert_eq(web_exchange_upgrade(&one, "websocket"), 0);
    cr_assert_eq(web_socket_established(&one), WEB_GO_ON);
}

Test(exchange, upgrades)
{
    header(1, "sec-websocket-version", "13");
    told.open = 503;
    cr_assert_eq(web_exchange_upgrade(&one, "websocket"), 1);
    cr_assert_eq(status(), 503);
    web_socket_gone(&one);
    cr_assert_eq(told.closed, 0, "who was refused is not told gone");
    static const struct {
        const char *protocol;
        const char *version;
        const char *method;
        int status;
    } rows[] = {{"h2c", "13", "GET", 400},
                {"websocket", "8", "GET", 426},
                {"websocket", "13x", "GET", 426},
                {"websocket", "13", "POST", 400},
                {"", "13", "GET", 400}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        teardown();
        setup();
        told.open = 101;
        wire.method = rows[i].method;
        header(1, "sec-websocket-version", rows[i].version);
        cr_assert_eq(web_exchange_upgrade(&one, rows[i].protocol), 1);
        cr_assert_eq(status(), rows[i].status, "row %zu", i);
    }
}

/* What wanted to be written before the handshake was done is. */
Test(exchange, socket_is_asked)
{
    open_socket();
    cr_assert(wire.wants);
    told.says = 3;
    told.say_size = 10;
    wire.wants = false;
    cr_assert_eq(web_socket_writable(&one), WEB_GO_ON);
    cr_assert_eq(told.asked, 4, "until it has nothing to say");
    cr_assert_eq(wire.out.size, 30);
    cr_assert_eq(wire.firsts, 3);
    cr_assert_eq(wire.lasts, 3);
    cr_assert_not(wire.wants, "nothing more to do");
    web_socket_want_write(&one);
    web_socket_want_write(&one);
    cr_assert(wire.wants);
    web_socket_gone(&one);
    web_socket_gone(&one);
    cr_assert_eq(told.closed, 1);
    cr_assert_eq(core.counts.sockets_open, 0);
}

/* A slow reader: the handler is not asked before what it said went out. */
Test(exchange, socket_waits)
{
    open_socket();
    told.says = 1000;
    told.say_size = 5 * WEB_FRAGMENT_SIZE;
    wire.room = 2;
    cr_assert_eq(web_socket_writable(&one), WEB_GO_ON);
    cr_assert_eq(told.asked, 1);
    for (int i = 0; i < 10; i++) {
        wire.room = 0;
        web_socket_writable(&one);
    }
    cr_assert_eq(told.asked, 1);
    wire.room = 3;
    web_socket_writable(&one);
    cr_assert_eq(wire.out.size, 5 * (size_t)WEB_FRAGMENT_SIZE);
    wire.room = 1000;
    size_t before = wire.writes;
    web_socket_writable(&one);
    cr_assert_leq(wire.writes - before, WEB_TURN_SIZE / WEB_FRAGMENT_SIZE,
                  "others wait");
    cr_assert(wire.wants);
}

Test(exchange, messages)
{
    open_socket();
    cr_assert_eq(web_socket_received(&one, "ab", 2, true, false, false), WEB_GO_ON);
    cr_assert_eq(told.messages, 0);
    cr_assert_eq(web_socket_received(&one, "c", 1, false, true, false), WEB_GO_ON);
    cr_assert_eq(told.message_size, 3);
    cr_assert_eq(web_socket_received(&one, "", 0, true, true, false), WEB_GO_ON);
    cr_assert_eq(told.message_size, 0);
    char text[1001];
    memset(text, 'x', sizeof text);
    cr_assert_eq(web_socket_received(&one, text, 1000, true, true, false), WEB_GO_ON);
    cr_assert_eq(told.message_size, 1000);
    cr_assert_eq(wire.alive, 3);
    cr_assert_eq(web_socket_received(&one, text, 1001, true, true, false), WEB_CLOSE);
    cr_assert_eq(wire.closed, 1009);
    web_socket_received(&one, text, 999, true, false, false);
    cr_assert_eq(web_socket_received(&one, text, 2, false, true, false), WEB_CLOSE);
    cr_assert_eq(web_socket_received(&one, "\xc3", 1, true, true, false), WEB_CLOSE);
    cr_assert_eq(wire.closed, 1007);
    cr_assert_eq(web_socket_received(&one, "x", 1, true, true, true), WEB_CLOSE);
    cr_assert_eq(wire.closed, 1003);
    cr_assert_eq(told.messages, 3);
}

/* After a close nothing it says counts. */
Test(exchange, closing)
{
    open_socket();
    told.close_in_message = true;
    web_socket_received(&one, "a", 1, true, true, false);
    cr_assert(wire.close_soon);
    web_socket_received(&one, "b", 1, true, true, false);
    cr_assert_eq(told.messages, 1);
    told.says = 5;
    cr_assert_eq(web_socket_writable(&one), WEB_CLOSE);
    cr_assert_eq(wire.closed, 1008);
    cr_assert_eq(told.asked, 0);
    web_socket_close(&one, 1000, "later ones change nothing");
    cr_assert_eq(one.close_code, 1008);
}

/* Whichever allocation fails: an error or a close, no crash, nothing lost. */
Test(exchange, memory)
{
    for (uint64_t failing = 0; failing < 40; failing++) {
        teardown();
        setup();
        fault_alloc fault;
        core.options.alloc = fault_alloc_init(&fault);
        fault_alloc_fail_at(&fault, failing);
        web_exchange_init(&one, &core);
        wire.method = "POST";
        header(1, "content-length", "10");
        wire.query[0] = "a=b";
        told.answer_size = 100;
        web_exchange_request(&one);
        if (one.phase == WEB_PHASE_BODY) {
            web_exchange_body(&one, "0123456789", 10);
        }
        drain();
        header(2, "sec-websocket-version", "13");
        wire.method = "GET";
        told.open = 101;
        told.says = 2;
        told.say_size = 100;
        if (web_exchange_upgrade(&one, "websocket") == 0) {
            web_socket_established(&one);
            web_socket_received(&one, "abc", 3, true, true, false);
            web_socket_writable(&one);
            web_socket_gone(&one);
        }
        web_exchange_deinit(&one);
        cr_assert(fault_alloc_balanced(&fault), "at %u", (unsigned)failing);
        core.options.alloc = crdt_alloc_default();
        web_exchange_init(&one, &core);
    }
}
