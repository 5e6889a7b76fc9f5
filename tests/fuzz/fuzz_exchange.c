/* A connection to our server, behind the library that takes bytes apart: requests with any
 * method, path, query, headers and body, then perhaps a WebSocket with its messages. The
 * wire is of memory.
 *
 *   steps   kind (1), size (1), bytes
 *    0  method, path       1  header: name, a colon, value    2  a piece of the query
 *    3  the request is whole                4  a piece of the body, or of a message
 *    5  the body is whole                   6  the wire takes more
 *    7  too late                            8  the handler's answer: its size, deferred
 *    9  it wants a WebSocket: its protocol  10  a pong */

#include "cli/web/server_impl.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A body and an answer of 4 KiB at most here, the buffers of one connection, and what goes
 * out is kept until it is looked at. */
const fuzz_budget fuzz_target_budget = {.factor = 16, .fixed = 64u << 10};

#define BODY_MAX 4000u
#define TEXT_MAX 256

static struct {
    char method[TEXT_MAX];
    char path[TEXT_MAX];
    char headers[8][2][TEXT_MAX];
    size_t header_count;
    char query[8][TEXT_MAX];
    int query_count;
    crdt_buf out;
    size_t room;
    uint64_t now_s;
    bool wants;
    /* the handler */
    size_t answer_size;
    bool defers;
    uint64_t token;
    unsigned requests;
    unsigned messages;
    unsigned opened;
    unsigned closed;
} wire;

/* ---- the wire ---- */

const char *web_wire_method(web_socket *socket, crdt_span *path)
{
    (void)socket;
    static const char *const known[] = {"GET",  "POST",   "PUT",
                                        "HEAD", "DELETE", "OPTIONS"};
    *path = crdt_span_of(wire.path);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i], wire.method) == 0) {
            return known[i];
        }
    }
    return NULL;
}

int web_wire_header(web_socket *socket, const char *name, char *out, size_t size)
{
    (void)socket;
    for (size_t i = 0; i < wire.header_count; i++) {
        if (strcmp(wire.headers[i][0], name) == 0) {
            if (size > 0) {
                snprintf(out, size, "%s", wire.headers[i][1]);
            }
            return (int)strlen(wire.headers[i][1]);
        }
    }
    return -1;
}

int web_wire_query(web_socket *socket, int index, char *out, size_t size)
{
    (void)socket;
    if (index >= wire.query_count) {
        return -1;
    }
    int length = snprintf(out, size, "%s", wire.query[index]);
    return (size_t)length >= size ? -2 : length;
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
    (void)socket, (void)first, (void)last;
    wire.room -= wire.room > 0;
    assert(bytes.size <= WEB_FRAGMENT_SIZE);
    /* A head is one: no header that the caller said can have ended it early. */
    if (kind == WEB_WIRE_HEAD) {
        const uint8_t *end = memmem(bytes.data, bytes.size, "\r\n\r\n", 4);
        assert(end != NULL && end + 4 == bytes.data + bytes.size);
    }
    return crdt_buf_append_span(&wire.out, bytes) == CRDT_OK;
}

void web_wire_timer(web_socket *socket, size_t seconds)
{
    (void)socket, (void)seconds;
}

uint64_t web_wire_now_s(void)
{
    return wire.now_s;
}

void web_wire_nap(web_socket *socket)
{
    (void)socket;
}

void web_wire_patient(web_socket *socket)
{
    (void)socket;
}

web_verdict web_wire_next(web_socket *socket)
{
    (void)socket;
    return WEB_GO_ON;
}

web_verdict web_wire_close(web_socket *socket, int code, const char *reason)
{
    (void)socket;
    assert(strlen(reason) <= WEB_REASON_MAX && code >= 1000);
    return WEB_CLOSE;
}

void web_wire_close_soon(web_socket *socket)
{
    (void)socket;
}

void web_wire_alive(web_socket *socket)
{
    (void)socket;
}

void web_socket_pause(web_socket *socket, bool paused)
{
    (void)socket, (void)paused;
}

/* ---- the handler: what it is shown is what may be shown ---- */

static void on_request(void *ctx, const web_request *request, web_reply *reply)
{
    (void)ctx;
    wire.requests++;
    assert(request->path[0] == '/' && strstr(request->path, "/../") == NULL &&
           strstr(request->path, "//") == NULL && strchr(request->path, '\\') == NULL);
    assert(request->body.size <= BODY_MAX && request->body.data != NULL);
    assert(strlen(request->query) < WEB_QUERY_MAX);
    char host[TEXT_MAX];
    int size = web_wire_header(NULL, "host", host, sizeof host);
    assert(size > 0 &&
           (strcasestr(host, "localhost") != NULL ||
            strstr(host, "127.0.0.1") != NULL || strstr(host, "::1") != NULL));
    if (wire.answer_size > 0 &&
        crdt_buf_reserve(&reply->body, wire.answer_size) == CRDT_OK) {
        memset(reply->body.data, 'a', wire.answer_size);
        reply->body.size = wire.answer_size;
    }
    reply->deferred = wire.defers;
    wire.token = reply->token;
    reply->location = request->path; /* it may hold anything */
    reply->status = wire.answer_size % 2 == 0 ? 302 : 200;
}

static int on_open(void *ctx, web_socket *socket, const web_request *request,
                   void **user)
{
    (void)ctx, (void)socket, (void)request;
    *user = &wire;
    wire.opened++;
    return wire.answer_size % 3 == 0 ? 101 : 403;
}

static void on_message(void *ctx, web_socket *socket, void *user, crdt_span text)
{
    (void)ctx, (void)socket;
    assert(user == &wire && text.size <= BODY_MAX);
    wire.messages++;
}

static void on_write(void *ctx, web_socket *socket, void *user, crdt_buf *out)
{
    (void)ctx, (void)socket, (void)user;
    (void)crdt_buf_append(out, "{}", 2);
}

static void on_closed(void *ctx, web_socket *socket, void *user)
{
    (void)ctx, (void)socket, (void)user;
    wire.closed++;
}

/* ---- the input ---- */

static void text_of(crdt_span bytes, char text[TEXT_MAX])
{
    size_t size = bytes.size < TEXT_MAX - 1 ? bytes.size : TEXT_MAX - 1;
    if (size > 0) {
        memcpy(text, bytes.data, size);
    }
    text[size] = '\0';
}

static void set_line(crdt_span bytes)
{
    const uint8_t *blank = bytes.size == 0 ? NULL : memchr(bytes.data, ' ', bytes.size);
    size_t size = blank == NULL ? bytes.size : (size_t)(blank - bytes.data);
    text_of((crdt_span){bytes.data, size}, wire.method);
    text_of(blank == NULL ? (crdt_span){NULL, 0}
                          : (crdt_span){blank + 1, bytes.size - size - 1},
            wire.path);
    wire.header_count = 0;
    wire.query_count = 0;
}

static void add_header(crdt_span bytes)
{
    const uint8_t *colon = bytes.size == 0 ? NULL : memchr(bytes.data, ':', bytes.size);
    if (colon == NULL || wire.header_count == 8) {
        return;
    }
    size_t size = (size_t)(colon - bytes.data);
    char(*row)[TEXT_MAX] = wire.headers[wire.header_count++];
    text_of((crdt_span){bytes.data, size}, row[0]);
    text_of((crdt_span){colon + 1, bytes.size - size - 1}, row[1]);
}

static web_verdict deliver(web_socket *one)
{
    if (one->phase != WEB_PHASE_WAITING || one->token != wire.token) {
        return WEB_GO_ON;
    }
    web_reply reply = {.status = 200, .type = "text/plain", .token = wire.token};
    crdt_buf_init(&reply.body, crdt_alloc_default());
    (void)crdt_buf_append(&reply.body, "late", 4);
    web_exchange_deliver(one, &reply);
    return WEB_GO_ON;
}

static web_verdict go_on(web_socket *one)
{
    web_verdict verdict = deliver(one);
    wire.room = 4;
    while (wire.wants && verdict == WEB_GO_ON && wire.room > 0) {
        wire.wants = false;
        verdict = one->phase == WEB_PHASE_SOCKET ? web_socket_writable(one)
                                                 : web_exchange_writable(one);
    }
    crdt_buf_clear(&wire.out);
    return verdict;
}

static web_verdict upgrade(web_socket *one, crdt_span bytes)
{
    char protocol[TEXT_MAX];
    text_of(bytes, protocol);
    if (one->phase != WEB_PHASE_IDLE) {
        return WEB_GO_ON;
    }
    int verdict = web_exchange_upgrade(one, protocol);
    return verdict < 0    ? WEB_CLOSE
           : verdict == 0 ? web_socket_established(one)
                          : WEB_GO_ON;
}

/* The library says these only where they can come. */
static web_verdict run_step(web_socket *one, unsigned kind, crdt_span bytes,
                            uint8_t flags)
{
    bool socket = one->phase == WEB_PHASE_SOCKET;
    if (kind < 3 && one->phase != WEB_PHASE_IDLE) {
        return WEB_GO_ON; /* of a request that is not looked at yet */
    }
    switch (kind) {
    case 0:
        set_line(bytes);
        return WEB_GO_ON;
    case 1:
        add_header(bytes);
        return WEB_GO_ON;
    case 2:
        if (wire.query_count < 8) {
            text_of(bytes, wire.query[wire.query_count++]);
        }
        return WEB_GO_ON;
    case 3:
        return one->phase == WEB_PHASE_IDLE ? web_exchange_request(one) : WEB_GO_ON;
    case 4:
        return socket ? web_socket_received(one, bytes.data, bytes.size, flags & 1,
                                            flags & 2, flags & 4)
               : one->phase == WEB_PHASE_BODY || one->phase == WEB_PHASE_OVER
                   ? web_exchange_body(one, bytes.data, bytes.size)
                   : WEB_GO_ON;
    case 5:
        return one->phase == WEB_PHASE_BODY ? web_exchange_body_end(one) : WEB_GO_ON;
    case 6:
        return go_on(one);
    case 7:
        wire.now_s += flags;
        return socket ? WEB_GO_ON : web_exchange_late(one);
    case 8:
        wire.answer_size = bytes.size * (flags & 15u);
        wire.defers = flags & 16;
        return WEB_GO_ON;
    case 9:
        return upgrade(one, bytes);
    default:
        if (socket) {
            web_socket_ponged(one, bytes.data, bytes.size);
        }
        return WEB_GO_ON;
    }
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    memset(&wire, 0, sizeof wire);
    crdt_buf_init(&wire.out, crdt_alloc_default());
    web_core core = {.options = {.alloc = crdt_alloc_default(),
                                 .body_max = BODY_MAX,
                                 .message_max = BODY_MAX,
                                 .idle_ms = 60000,
                                 .handlers = {.request = on_request,
                                              .socket_open = on_open,
                                              .socket_message = on_message,
                                              .socket_write = on_write,
                                              .socket_closed = on_closed}},
                     .rules = {.port = 8080}};
    static web_socket one;
    one = (web_socket){.core = &core};
    web_exchange_init(&one, &core);
    web_verdict verdict = WEB_GO_ON;
    while (size >= 3 && verdict == WEB_GO_ON) {
        size_t length = data[2] < size - 3 ? data[2] : size - 3;
        verdict = run_step(&one, data[0] % 11, (crdt_span){data + 3, length}, data[1]);
        data += 3 + length;
        size -= 3 + length;
    }
    web_socket_gone(&one);
    web_exchange_deinit(&one);
    crdt_buf_deinit(&wire.out);
    assert(core.held == 0);
    return wire.requests + wire.messages > 0;
}
