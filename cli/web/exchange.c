#include "cli/web/server_impl.h"

#include "scene/json_writer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- replies ---- */

void web_reply_error(web_reply *reply, int status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    crdt_buf_clear(&reply->body);
    scene_json_writer writer;
    scene_json_writer_init(&writer, reply->body.alloc, &reply->body);
    scene_json_writer_object_begin(&writer);
    scene_json_writer_key(&writer, crdt_span_of("ok"));
    scene_json_writer_bool(&writer, false);
    scene_json_writer_key(&writer, crdt_span_of("error"));
    scene_json_writer_string(&writer, crdt_span_of(text));
    scene_json_writer_object_end(&writer);
    if (writer.err != CRDT_OK) {
        crdt_buf_clear(&reply->body);
    }
    scene_json_writer_deinit(&writer);
    reply->status = status;
    reply->type = "application/json";
    reply->still = (crdt_span){0};
    reply->encoding = NULL;
    reply->etag = NULL;
}

static void reply_init(web_socket *socket)
{
    socket->reply = (web_reply){.status = 200};
    crdt_buf_init(&socket->reply.body, socket->core->options.alloc);
    socket->head_sent = false;
    socket->out_sent = 0;
}

/* From now on it holds `size` bytes. False: all together would hold too much; it holds as
 * much as before. One alone may always. */
static bool hold(web_socket *socket, size_t size)
{
    web_core *core = socket->core;
    size_t body_max = core->options.body_max;
    size_t most = core->options.held_max;
    if (most == 0) {
        most = body_max > WEB_HELD_MAX / 4 ? body_max * 4 : WEB_HELD_MAX;
    }
    size_t others = core->held - socket->held;
    size = size > WEB_KEEP_SIZE ? size : 0;
    if (size > socket->held && others > 0 && (size > most || others > most - size)) {
        core->counts.refused_full++;
        return false;
    }
    core->held = others + size;
    socket->held = size;
    return true;
}

static bool send_head(web_socket *socket)
{
    crdt_buf head;
    crdt_buf_init(&head, socket->core->options.alloc);
    bool fine = web_exchange_head(socket, &head) == CRDT_OK &&
                web_wire_write(socket, WEB_WIRE_HEAD, crdt_buf_span(&head), true, true);
    crdt_buf_deinit(&head);
    socket->head_sent = true;
    return fine;
}

static bool is_bodiless(const web_socket *socket)
{
    int status = socket->reply.status;
    return socket->head_only || web_body_of(&socket->reply).size == 0 ||
           status == 204 || status == 304;
}

/* The caller takes more later: soon enough, and fast enough on the whole.
 *
 * While the wire is full it is asked again and again, from a distance, and the connection
 * is not looked at: if the caller has said more, or has said its last, the library would
 * find it readable, not read it in the middle of an answer, and look again at full speed. */
static web_verdict send_on(web_socket *socket)
{
    uint64_t now = web_wire_now_s();
    if (now >= socket->out_late_s) {
        return WEB_CLOSE;
    }
    if (web_wire_can_write(socket)) {
        web_wire_want_write(socket);
        return WEB_GO_ON;
    }
    socket->napping = true;
    socket->out_moved_s = now;
    web_socket_pause(socket, true);
    web_wire_nap(socket);
    return WEB_GO_ON;
}

/* A nap is over. */
static web_verdict wake_up(web_socket *socket)
{
    uint64_t now = web_wire_now_s();
    uint64_t idle_s = socket->core->options.idle_ms / 1000 + 1;
    if (now >= socket->out_late_s || now >= socket->out_moved_s + idle_s) {
        return WEB_CLOSE;
    }
    if (!web_wire_can_write(socket)) {
        web_wire_nap(socket);
        return WEB_GO_ON;
    }
    socket->napping = false;
    web_socket_pause(socket, false);
    return web_exchange_writable(socket);
}

web_verdict web_exchange_writable(web_socket *socket)
{
    if (socket->phase != WEB_PHASE_REPLY || socket->napping) {
        return WEB_GO_ON;
    }
    if (!socket->head_sent && !send_head(socket)) {
        return WEB_CLOSE;
    }
    crdt_span body = web_body_of(&socket->reply);
    bool whole = is_bodiless(socket);
    for (size_t turn = 0; !whole && turn < WEB_TURN_SIZE && web_wire_can_write(socket);
         turn += WEB_FRAGMENT_SIZE) {
        size_t size = body.size - socket->out_sent;
        size = size < WEB_FRAGMENT_SIZE ? size : WEB_FRAGMENT_SIZE;
        crdt_span piece = {body.data + socket->out_sent, size};
        whole = socket->out_sent + size == body.size;
        if (!web_wire_write(socket, whole ? WEB_WIRE_BODY_LAST : WEB_WIRE_BODY, piece,
                            false, whole)) {
            return WEB_CLOSE;
        }
        socket->out_sent += size;
    }
    if (!whole) {
        return send_on(socket);
    }
    crdt_buf_deinit(&socket->reply.body);
    reply_init(socket);
    crdt_buf_deinit(&socket->in);
    crdt_buf_init(&socket->in, socket->core->options.alloc);
    hold(socket, 0);
    web_wire_timer(socket, 0);
    if (socket->close_after) {
        socket->phase = WEB_PHASE_OVER;
        if (!socket->lingers) {
            return WEB_CLOSE;
        }
        web_wire_timer(socket, WEB_LINGER_S);
        return WEB_GO_ON;
    }
    web_exchange_await(socket, socket->core->options.idle_ms / 1000);
    return web_wire_next(socket);
}

static void start_reply(web_socket *socket)
{
    size_t size = socket->reply.body.size;
    if (!hold(socket, size > socket->held ? size : socket->held)) {
        crdt_buf_deinit(&socket->reply.body);
        crdt_buf_init(&socket->reply.body, socket->core->options.alloc);
        web_reply_error(&socket->reply, 503,
                        "too much is asked for and not read: try again later");
    }
    socket->phase = WEB_PHASE_REPLY;
    web_wire_patient(socket);
    uint64_t allowed_s =
        WEB_BODY_WAIT_S + web_body_of(&socket->reply).size / WEB_BODY_RATE;
    socket->out_late_s = web_wire_now_s() + allowed_s;
    web_wire_timer(socket, WEB_BODY_WAIT_S);
    web_wire_want_write(socket);
}

/* ---- requests ---- */

/* The wire hands the query decoded and in pieces: put it together again. */
static crdt_err gather_query(web_socket *socket)
{
    char piece[WEB_QUERY_MAX];
    crdt_buf *query = &socket->query;
    crdt_err err = CRDT_OK;
    crdt_buf_clear(query);
    for (int i = 0; err == CRDT_OK; i++) {
        int size = web_wire_query(socket, i, piece, sizeof piece);
        if (size == -2) {
            return CRDT_ELIMIT; /* to read a part of it would be to forget a token */
        }
        if (size < 0) {
            break;
        }
        crdt_span text = {(const uint8_t *)piece, (size_t)size};
        const char *equals = memchr(piece, '=', text.size);
        size_t name_size = equals == NULL ? text.size : (size_t)(equals - piece);
        if (i > 0) {
            err = crdt_buf_append(query, "&", 1);
        }
        if (err == CRDT_OK) {
            err = web_url_encode((crdt_span){text.data, name_size}, query);
        }
        if (err == CRDT_OK && equals != NULL) {
            crdt_span value = {text.data + name_size + 1, text.size - name_size - 1};
            err = crdt_buf_append(query, "=", 1);
            err = err == CRDT_OK ? web_url_encode(value, query) : err;
        }
    }
    return err == CRDT_OK ? crdt_buf_append(query, "", 1) : err;
}

/* Make the reply of a request that goes no further; false, for the caller to return. */
static bool refuse(web_socket *socket, int status, uint64_t *count, const char *text)
{
    if (count != NULL) {
        (*count)++;
    }
    socket->close_after = true;
    web_reply_error(&socket->reply, status, "%s", text);
    return false;
}

/* Does a proxy say that it speaks for somebody else? */
static bool is_forwarded(web_socket *socket)
{
    static const char *const names[] = {"x-forwarded-for", "x-real-ip", "forwarded",
                                        "via", "x-forwarded-host"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (web_wire_header(socket, names[i], NULL, 0) >= 0) {
            return true;
        }
    }
    return false;
}

/* Host and Origin. False: refused. */
static bool check_caller(web_socket *socket)
{
    web_core *core = socket->core;
    char text[256];
    int size = web_wire_header(socket, "host", text, sizeof text);
    if (size < 0 || (size_t)size >= sizeof text ||
        !web_origin_host_ok(&core->rules, text, socket->local)) {
        return refuse(socket, 421, &core->counts.refused_host,
                      "this server has another name: call it by its address, or start "
                      "it with --host NAME");
    }
    socket->from_here =
        socket->loopback && web_origin_host_is_loopback(text) && !is_forwarded(socket);
    size = web_wire_header(socket, "origin", text, sizeof text);
    web_origin_kind kind = WEB_ORIGIN_REFUSED;
    if (size < (int)sizeof text) {
        kind = web_origin_check(&core->rules, size < 0 ? NULL : text, socket->local);
    }
    if (kind == WEB_ORIGIN_REFUSED) {
        return refuse(socket, 403, &core->counts.refused_origin,
                      "pages of other sites may not call this server: start it with "
                      "--origin URL to let one");
    }
    if (kind == WEB_ORIGIN_LISTED) {
        snprintf(socket->cors, sizeof socket->cors, "%s", text);
    }
    return true;
}

/* Method, path, caller, query. False: refused. */
static bool begin_request(web_socket *socket)
{
    web_core *core = socket->core;
    crdt_span path = {0};
    core->counts.requests++;
    socket->cors[0] = '\0';
    socket->close_after = false;
    socket->lingers = false;
    socket->in_ended = false;
    socket->method = web_wire_method(socket, &path);
    socket->head_only = socket->method != NULL && strcmp(socket->method, "HEAD") == 0;
    if (socket->method == NULL) {
        socket->method = "GET";
        return refuse(socket, 405, NULL, "this method is not known");
    }
    if (socket->surplus) {
        return refuse(socket, 503, &core->counts.refused_full,
                      "too many connections: try again later");
    }
    if (!web_url_path_ok(path)) {
        return refuse(socket, 400, &core->counts.refused_path, "the path is refused");
    }
    memcpy(socket->path, path.data, path.size);
    socket->path[path.size] = '\0';
    if (!check_caller(socket)) {
        return false;
    }
    crdt_err err = gather_query(socket);
    if (err == CRDT_ELIMIT) {
        return refuse(socket, 414, &core->counts.refused_size, "the query is too long");
    }
    return err == CRDT_OK || refuse(socket, 500, NULL, "out of memory");
}

/* The body's size. False: refused. */
static bool begin_body(web_socket *socket)
{
    web_core *core = socket->core;
    char text[32];
    if (web_wire_header(socket, "transfer-encoding", text, sizeof text) >= 0) {
        return refuse(socket, 411, NULL,
                      "give the body's Content-Length: chunks are not taken");
    }
    int got = web_wire_header(socket, "content-length", text, sizeof text);
    size_t digits = got < 0 ? 0 : strspn(text, "0123456789");
    if (got >= 0 && (digits == 0 || digits > 15 || text[digits] != '\0')) {
        return refuse(socket, 400, NULL, "Content-Length is no number");
    }
    socket->in_wanted = 0;
    for (size_t i = 0; i < digits; i++) {
        socket->in_wanted = socket->in_wanted * 10 + (size_t)(text[i] - '0');
    }
    if (socket->in_wanted > core->options.body_max) {
        return refuse(socket, 413, &core->counts.refused_size, "the body is too large");
    }
    if (!hold(socket, socket->in_wanted)) {
        return refuse(socket, 503, NULL, "too much is sent at once: try again later");
    }
    /* of these the wire expects a body: without its size there is none, nor a request
     * after it */
    bool expected = strcmp(socket->method, "POST") == 0 ||
                    strcmp(socket->method, "PUT") == 0 ||
                    strcmp(socket->method, "PATCH") == 0;
    socket->close_after = got < 0 && expected;
    crdt_buf_clear(&socket->in);
    return true;
}

static web_request request_of(const web_socket *socket)
{
    return (web_request){.method = socket->method,
                         .path = socket->path,
                         .query = (const char *)socket->query.data,
                         .body = web_span_of(&socket->in),
                         .peer = socket->peer,
                         .loopback = socket->from_here,
                         .handle = socket};
}

/* `location` is the handler's until it returns. */
static void keep_location(web_socket *socket)
{
    if (socket->reply.location != NULL) {
        int size = snprintf(socket->location, sizeof socket->location, "%s",
                            socket->reply.location);
        socket->reply.location = size >= 0 && (size_t)size < sizeof socket->location
                                     ? socket->location
                                     : NULL;
    }
}

static void call_handler(web_socket *socket)
{
    const web_handlers *handlers = &socket->core->options.handlers;
    web_request request = request_of(socket);
    if (socket->cors[0] != '\0' && strcmp(socket->method, "OPTIONS") == 0) {
        socket->reply.status = 204;
        start_reply(socket);
        return;
    }
    socket->token = ++socket->core->token_last;
    socket->reply.token = socket->token;
    handlers->request(handlers->ctx, &request, &socket->reply);
    if (socket->reply.deferred) {
        socket->phase = WEB_PHASE_WAITING;
        web_wire_patient(socket);
        web_wire_timer(socket, 0);
        web_socket_pause(socket, true);
    } else {
        keep_location(socket);
        start_reply(socket);
    }
}

/* Who asks whether the body is welcome waits for the answer. */
static bool invite_body(web_socket *socket)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char text[16];
    return web_wire_header(socket, "expect", text, sizeof text) < 0 ||
           strcasecmp(text, "100-continue") != 0 ||
           web_wire_write(socket, WEB_WIRE_HEAD, crdt_span_of(go_on), true, true);
}

web_verdict web_exchange_request(web_socket *socket)
{
    if (socket->phase != WEB_PHASE_IDLE) {
        return WEB_CLOSE;
    }
    if (!begin_request(socket) || !begin_body(socket)) {
        /* who is cut off while sending does not see the answer */
        socket->lingers = web_wire_header(socket, "content-length", NULL, 0) >= 0;
        start_reply(socket);
    } else if (socket->in_wanted == 0) {
        call_handler(socket);
    } else {
        socket->phase = WEB_PHASE_BODY;
        web_wire_patient(socket);
        web_wire_timer(socket, WEB_BODY_WAIT_S + socket->in_wanted / WEB_BODY_RATE);
        return invite_body(socket) ? WEB_GO_ON : WEB_CLOSE;
    }
    return WEB_GO_ON;
}

web_verdict web_exchange_body(web_socket *socket, const void *bytes, size_t size)
{
    socket->core->counts.received_size += size;
    if (socket->phase != WEB_PHASE_BODY) {
        return WEB_GO_ON; /* of a request that is answered already */
    }
    if (size > socket->in_wanted - socket->in.size ||
        crdt_buf_append(&socket->in, bytes, size) != CRDT_OK) {
        return WEB_CLOSE;
    }
    if (socket->in.size == socket->in_wanted) {
        call_handler(socket);
    }
    return WEB_GO_ON;
}

/* The library says so once; but where more than the body came, it says so again and again,
 * and reads no further: what can be answered at once is, and it closes. */
web_verdict web_exchange_body_end(web_socket *socket)
{
    if (socket->phase == WEB_PHASE_OVER) {
        return WEB_CLOSE;
    }
    if (!socket->in_ended) {
        socket->in_ended = true;
        socket->lingers = false;
        return WEB_GO_ON;
    }
    socket->close_after = true;
    web_exchange_writable(socket);
    return WEB_CLOSE;
}

/* The library has limits of its own, but some bytes (CONNECT) make it forget them. */
void web_exchange_await(web_socket *socket, size_t idle_s)
{
    socket->phase = WEB_PHASE_IDLE;
    socket->idle_since_s = web_wire_now_s();
    web_wire_timer(socket, idle_s + WEB_HEAD_WAIT_S + 1);
}

web_verdict web_exchange_late(web_socket *socket)
{
    if (socket->napping) {
        return wake_up(socket);
    }
    bool timeless =
        socket->phase == WEB_PHASE_WAITING || socket->phase == WEB_PHASE_SOCKET;
    return timeless ? WEB_GO_ON : WEB_CLOSE;
}

void web_exchange_deliver(web_socket *socket, web_reply *reply)
{
    assert(socket->phase == WEB_PHASE_WAITING);
    crdt_buf_deinit(&socket->reply.body);
    socket->reply = *reply;
    socket->reply.deferred = false;
    keep_location(socket);
    web_socket_pause(socket, false);
    start_reply(socket);
}

/* ---- becoming a WebSocket ---- */

/* 101, or the reply is made. */
static int ask_upgrade(web_socket *socket, const char *protocol)
{
    const web_handlers *handlers = &socket->core->options.handlers;
    if (!begin_request(socket)) {
        return socket->reply.status;
    }
    if (strcasecmp(protocol, "websocket") != 0 || strcmp(socket->method, "GET") != 0) {
        web_reply_error(&socket->reply, 400, "only WebSocket can be upgraded to");
        return 400;
    }
    char version[8];
    if (web_wire_header(socket, "sec-websocket-version", version, sizeof version) !=
            2 ||
        strcmp(version, "13") != 0) {
        web_reply_error(&socket->reply, 426, "WebSocket version 13 is spoken here");
        return 426;
    }
    web_request request = request_of(socket);
    int status =
        handlers->socket_open == NULL
            ? 404
            : handlers->socket_open(handlers->ctx, socket, &request, &socket->user);
    if (status != 101) {
        web_reply_error(&socket->reply, status, "%s", web_exchange_status(status));
    }
    return status;
}

int web_exchange_upgrade(web_socket *socket, const char *protocol)
{
    if (ask_upgrade(socket, protocol) == 101) {
        socket->accepted = true;
        socket->core->counts.sockets_total++;
        socket->core->counts.sockets_open++;
        return 0;
    }
    socket->close_after = true;
    socket->phase = WEB_PHASE_OVER;
    bool fine = send_head(socket) &&
                web_wire_write(socket, WEB_WIRE_BODY_LAST,
                               crdt_buf_span(&socket->reply.body), false, true);
    return fine ? 1 : WEB_CLOSE;
}

/* ---- memory ---- */

void web_exchange_init(web_socket *socket, web_core *core)
{
    *socket = (web_socket){.core = core};
    crdt_buf_init(&socket->in, core->options.alloc);
    crdt_buf_init(&socket->query, core->options.alloc);
    reply_init(socket);
}

void web_exchange_deinit(web_socket *socket)
{
    hold(socket, 0);
    crdt_buf_deinit(&socket->in);
    crdt_buf_deinit(&socket->query);
    crdt_buf_deinit(&socket->reply.body);
}
