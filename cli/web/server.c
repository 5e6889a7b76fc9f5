#include "cli/web/server.h"

#include "cli/web/listen.h"
#include "cli/web/origin.h"
#include "cli/web/url.h"
#include "scene/json_writer.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <libwebsockets.h>

#define FRAGMENT_SIZE 32768           /* bytes handed to the library at once */
#define TURN_SIZE (8 * FRAGMENT_SIZE) /* bytes one connection sends before others may */
#define KEEP_SIZE 65536               /* larger buffers are freed when empty */
#define REFUSE_MORE 32       /* connections beyond the limit that are told so */
#define HEAD_WAIT_S 10       /* for a request's headers */
#define BODY_WAIT_S 15       /* for a body, and a second more for each */
#define BODY_RATE 65536      /* ... so many bytes */
#define STOP_WAIT_US 1000000 /* for sockets to take their close frame */
#define REASON_MAX 120

/* One connection: HTTP requests one after the other, or a WebSocket. */
struct web_socket {
    web_server *server;
    struct lws *wsi;
    web_socket *previous;
    web_socket *next;
    char peer[64];
    char local[64];
    bool loopback;
    bool surplus; /* beyond the limit: every request is answered 503 */
    enum {
        PHASE_IDLE,    /* waits for a request */
        PHASE_BODY,    /* its body comes */
        PHASE_WAITING, /* the handler deferred */
        PHASE_REPLY,   /* the answer goes out */
        PHASE_DRAIN,   /* answered; what still comes is thrown away, then it closes */
        PHASE_SOCKET   /* a WebSocket */
    } phase;
    const char *method;
    char path[WEB_PATH_MAX];
    crdt_buf query;
    crdt_buf in;      /* a body, or a message in pieces */
    size_t in_wanted; /* of a body */
    web_reply reply;
    bool headers_sent;
    bool head_only;
    bool close_after;
    char cors[256];  /* the listed origin that asked; "" */
    size_t out_sent; /* bytes of reply.body that went out */
    uint64_t token;
    /* WebSocket */
    bool accepted; /* the handler knows it: it must hear of its end */
    bool open;     /* the handshake is done */
    bool wants;
    bool closing;
    int close_code;
    char close_reason[REASON_MAX + 1];
    void *user;
};

/* Answers on their way from other threads. */
typedef struct web_mail {
    struct web_mail *next;
    web_reply reply;
} web_mail;

struct web_server {
    web_server_options options;
    web_listen listen;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws *listen_wsis[WEB_LISTEN_MAX];
    struct lws *event_wsi;
    int event_fd;
    char url[128];
    web_origin_rules rules;
    lws_retry_bo_t idle;
    struct lws_protocols protocols[2];
    web_socket *sockets;
    size_t socket_count;
    web_socket *adopting;
    uint64_t token_last;
    lws_sorted_usec_list_t tick;
    atomic_bool stopping;
    atomic_bool waking;
    pthread_mutex_t lock; /* guards mail */
    web_mail *mail;
    web_server_counts counts; /* the loop's; read from elsewhere only for display */
    uint8_t scratch[LWS_PRE + FRAGMENT_SIZE];
};

struct request_view {
    web_socket *socket;
};

web_server_options web_server_options_default(void)
{
    return (web_server_options){.alloc = crdt_alloc_default(),
                                .address = "127.0.0.1:0",
                                .body_max = 1 << 20,
                                .header_max = 16 << 10,
                                .message_max = 1 << 20,
                                .connection_max = 512,
                                .idle_ms = 60000};
}

/* ---- headers ---- */

static enum lws_token_indexes token_of(const char *name)
{
    size_t size = strlen(name);
    for (int token = 0; token < WSI_TOKEN_COUNT; token++) {
        const char *known =
            (const char *)lws_token_to_string((enum lws_token_indexes)token);
        if (known != NULL && strncmp(known, name, size) == 0 && known[size] == ':') {
            return (enum lws_token_indexes)token;
        }
    }
    return WSI_TOKEN_COUNT;
}

const char *web_request_header(const web_request *request, const char *name, char *out,
                               size_t size)
{
    struct lws *wsi = ((const web_socket *)request->handle)->wsi;
    enum lws_token_indexes token = token_of(name);
    char custom[128];
    int length;
    if (size == 0) {
        return NULL;
    }
    out[0] = '\0';
    if (token != WSI_TOKEN_COUNT) {
        length = lws_hdr_total_length(wsi, token);
        if (length <= 0) {
            return NULL;
        }
        char whole[4096];
        if (lws_hdr_copy(wsi, whole, sizeof whole, token) < 0) {
            return NULL; /* longer than any header we look at */
        }
        snprintf(out, size, "%s", whole);
        return out;
    }
    int name_size = snprintf(custom, sizeof custom, "%s:", name);
    if (name_size <= 0 || (size_t)name_size >= sizeof custom) {
        return NULL;
    }
    length = lws_hdr_custom_length(wsi, custom, name_size);
    if (length < 0) {
        return NULL;
    }
    char *whole = crdt_allocate(crdt_alloc_default(), (size_t)length + 1);
    if (whole == NULL) {
        return NULL;
    }
    bool got = lws_hdr_custom_copy(wsi, whole, length + 1, custom, name_size) >= 0;
    if (got) {
        snprintf(out, size, "%s", whole);
    }
    crdt_free(crdt_alloc_default(), whole, (size_t)length + 1);
    return got ? out : NULL;
}

bool web_request_parameter(const web_request *request, const char *name, char *out,
                           size_t size)
{
    return web_url_parameter(request->query, name, out, size);
}

void web_request_headers(const web_request *request, const char *prefix,
                         void (*visit)(void *ctx, const char *name, const char *value),
                         void *ctx)
{
    static const char *const names[] = {
        "x-identity-timestamp",    "x-identity-metadata",     "x-identity-auth-chain-0",
        "x-identity-auth-chain-1", "x-identity-auth-chain-2", "x-identity-auth-chain-3",
        "x-identity-auth-chain-4", "x-identity-auth-chain-5"};
    char value[4096];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strncmp(names[i], prefix, strlen(prefix)) == 0 &&
            web_request_header(request, names[i], value, sizeof value) != NULL) {
            visit(ctx, names[i], value);
        }
    }
}

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
}

static void reply_init(web_reply *reply, crdt_alloc alloc)
{
    *reply =
        (web_reply){.status = 200, .type = "application/json", .cache = "no-store"};
    crdt_buf_init(&reply->body, alloc);
}

static bool add_header(struct lws *wsi, const char *name, const char *value,
                       unsigned char **at, unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value),
                                       at, end) == 0;
}

static bool add_security_headers(struct lws *wsi, const web_socket *socket,
                                 unsigned char **at, unsigned char *end)
{
    bool html = strncmp(socket->reply.type, "text/html", 9) == 0;
    bool fine = add_header(wsi, "x-content-type-options:", "nosniff", at, end) &&
                add_header(wsi, "x-frame-options:", "DENY", at, end) &&
                add_header(wsi, "referrer-policy:", "no-referrer", at, end) &&
                add_header(wsi, "content-security-policy:",
                           html ? "default-src 'self'; frame-ancestors 'none'"
                                : "default-src 'none'; frame-ancestors 'none'",
                           at, end);
    if (socket->cors[0] == '\0') {
        return fine &&
               add_header(wsi, "cross-origin-resource-policy:", "same-origin", at, end);
    }
    return fine &&
           add_header(wsi, "access-control-allow-origin:", socket->cors, at, end) &&
           add_header(wsi, "access-control-allow-methods:", "GET, POST, PUT, DELETE",
                      at, end) &&
           add_header(wsi, "access-control-allow-headers:",
                      "authorization, content-type, x-identity-timestamp, "
                      "x-identity-metadata, x-identity-auth-chain-0, "
                      "x-identity-auth-chain-1, x-identity-auth-chain-2",
                      at, end) &&
           add_header(wsi, "vary:", "Origin", at, end);
}

/* The status line and headers of socket->reply. False: it must close. */
static bool send_headers(web_socket *socket)
{
    struct lws *wsi = socket->wsi;
    const web_reply *reply = &socket->reply;
    unsigned char buffer[LWS_PRE + 4096];
    unsigned char *start = buffer + LWS_PRE;
    unsigned char *at = start;
    unsigned char *end = buffer + sizeof buffer - 1;
    bool empty = reply->status == 204 || reply->status == 304;
    bool fine =
        lws_add_http_header_status(wsi, (unsigned)reply->status, &at, end) == 0 &&
        (empty || add_header(wsi, "content-type:", reply->type, &at, end)) &&
        add_header(wsi, "cache-control:", reply->cache, &at, end) &&
        add_security_headers(wsi, socket, &at, end) &&
        (reply->location == NULL ||
         add_header(wsi, "location:", reply->location, &at, end)) &&
        (!socket->close_after || add_header(wsi, "connection:", "close", &at, end)) &&
        (empty ||
         lws_add_http_header_content_length(wsi, reply->body.size, &at, end) == 0) &&
        lws_finalize_http_header(wsi, &at, end) == 0;
    size_t size = (size_t)(at - start);
    socket->server->counts.sent_size += size;
    socket->headers_sent = true;
    return fine && lws_write(wsi, start, size, LWS_WRITE_HTTP_HEADERS) == (int)size;
}

static void reply_done(web_socket *socket)
{
    crdt_buf_deinit(&socket->reply.body);
    reply_init(&socket->reply, socket->server->options.alloc);
    crdt_buf_deinit(&socket->in);
    crdt_buf_init(&socket->in, socket->server->options.alloc);
    socket->headers_sent = false;
    socket->out_sent = 0;
}

/* More of the answer, as much as goes. Return what the library's callback returns. */
static int send_reply(web_socket *socket)
{
    struct lws *wsi = socket->wsi;
    if (!socket->headers_sent && !send_headers(socket)) {
        return -1;
    }
    const crdt_buf *body = &socket->reply.body;
    bool whole = socket->head_only || body->size == 0 || socket->reply.status == 304;
    size_t turn = 0;
    while (!whole && turn < TURN_SIZE) {
        if (lws_partial_buffered(wsi) || lws_send_pipe_choked(wsi)) {
            break;
        }
        size_t size = body->size - socket->out_sent;
        size = size < FRAGMENT_SIZE ? size : FRAGMENT_SIZE;
        memcpy(socket->server->scratch + LWS_PRE, body->data + socket->out_sent, size);
        bool last = socket->out_sent + size == body->size;
        if (lws_write(wsi, socket->server->scratch + LWS_PRE, size,
                      last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < (int)size) {
            return -1;
        }
        socket->server->counts.sent_size += size;
        socket->out_sent += size;
        turn += size;
        whole = last;
    }
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT,
                    (int)(socket->server->options.idle_ms / 1000));
    if (!whole) {
        lws_callback_on_writable(wsi);
        return 0;
    }
    bool close_after = socket->close_after;
    reply_done(socket);
    if (close_after) {
        socket->phase = PHASE_DRAIN;
        return -1; /* the library stops writing, and lets the caller finish */
    }
    socket->phase = PHASE_IDLE;
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static void start_reply(web_socket *socket)
{
    socket->phase = PHASE_REPLY;
    if (socket->reply.type == NULL) {
        socket->reply.type = "application/json";
    }
    if (socket->reply.cache == NULL) {
        socket->reply.cache = "no-store";
    }
    lws_callback_on_writable(socket->wsi);
}

/* ---- requests ---- */

static const char *method_name(int method)
{
    switch (method) {
    case LWSHUMETH_GET:
        return "GET";
    case LWSHUMETH_POST:
        return "POST";
    case LWSHUMETH_PUT:
        return "PUT";
    case LWSHUMETH_DELETE:
        return "DELETE";
    case LWSHUMETH_HEAD:
        return "HEAD";
    case LWSHUMETH_OPTIONS:
        return "OPTIONS";
    case LWSHUMETH_PATCH:
        return "PATCH";
    default:
        return NULL;
    }
}

/* A header into `out`: 1 it is there, 0 it is not, -1 it does not fit. */
static int copy_header(web_socket *socket, enum lws_token_indexes token, char *out,
                       size_t size)
{
    if (lws_hdr_total_length(socket->wsi, token) <= 0) {
        return 0;
    }
    return lws_hdr_copy(socket->wsi, out, (int)size, token) < 0 ? -1 : 1;
}

/* The library hands the query decoded and in pieces: put it together again. */
static crdt_err gather_query(web_socket *socket)
{
    char piece[2048];
    crdt_buf_clear(&socket->query);
    crdt_err err = CRDT_OK;
    for (int i = 0; err == CRDT_OK; i++) {
        int size = lws_hdr_copy_fragment(socket->wsi, piece, sizeof piece,
                                         WSI_TOKEN_HTTP_URI_ARGS, i);
        if (size < 0) {
            break;
        }
        crdt_span text = {(const uint8_t *)piece, (size_t)size};
        const char *equals = memchr(piece, '=', text.size);
        size_t name_size = equals == NULL ? text.size : (size_t)(equals - piece);
        crdt_span name = {text.data, name_size};
        if (i > 0) {
            err = crdt_buf_append(&socket->query, "&", 1);
        }
        if (err == CRDT_OK) {
            err = web_url_encode(name, &socket->query);
        }
        if (err == CRDT_OK && equals != NULL) {
            crdt_span value = {text.data + name_size + 1, text.size - name_size - 1};
            err = crdt_buf_append(&socket->query, "=", 1);
            err = err == CRDT_OK ? web_url_encode(value, &socket->query) : err;
        }
    }
    return err == CRDT_OK ? crdt_buf_append(&socket->query, "", 1) : err;
}

static void refuse(web_socket *socket, int status, uint64_t *count, const char *text)
{
    if (count != NULL) {
        (*count)++;
    }
    socket->close_after = true;
    web_reply_error(&socket->reply, status, "%s", text);
}

/* Host and Origin. False: refused, the reply is made. */
static bool check_caller(web_socket *socket)
{
    web_server *server = socket->server;
    char text[256];
    int got = copy_header(socket, WSI_TOKEN_HOST, text, sizeof text);
    if (got <= 0 || !web_origin_host_ok(&server->rules, text, socket->local)) {
        refuse(socket, 421, &server->counts.refused_host,
               "this server has another name: call it by its address, or start it "
               "with --host NAME");
        return false;
    }
    got = copy_header(socket, WSI_TOKEN_ORIGIN, text, sizeof text);
    web_origin_kind kind =
        got < 0
            ? WEB_ORIGIN_REFUSED
            : web_origin_check(&server->rules, got == 0 ? NULL : text, socket->local);
    if (kind == WEB_ORIGIN_REFUSED) {
        refuse(socket, 403, &server->counts.refused_origin,
               "pages of other sites may not call this server: start it with "
               "--origin URL to let one");
        return false;
    }
    if (kind == WEB_ORIGIN_LISTED) {
        snprintf(socket->cors, sizeof socket->cors, "%s", text);
    }
    return true;
}

/* Method, path, query, caller. False: refused, the reply is made. */
static bool begin_request(web_socket *socket)
{
    web_server *server = socket->server;
    char *uri = NULL;
    int uri_size = 0;
    int method = lws_http_get_uri_and_method(socket->wsi, &uri, &uri_size);
    server->counts.requests++;
    socket->cors[0] = '\0';
    socket->close_after = false;
    socket->token = 0;
    socket->method = method_name(method);
    socket->head_only = method == LWSHUMETH_HEAD;
    crdt_span path = {(const uint8_t *)uri, uri_size < 0 ? 0 : (size_t)uri_size};
    if (socket->surplus) {
        refuse(socket, 503, &server->counts.refused_full,
               "too many connections: try again later");
        return false;
    }
    if (socket->method == NULL) {
        refuse(socket, 405, NULL, "this method is not known");
        return false;
    }
    static const enum lws_token_indexes tokens[] = {
        WSI_TOKEN_GET_URI, WSI_TOKEN_POST_URI,  WSI_TOKEN_OPTIONS_URI,
        WSI_TOKEN_PUT_URI, WSI_TOKEN_PATCH_URI, WSI_TOKEN_DELETE_URI,
        WSI_TOKEN_CONNECT, WSI_TOKEN_HEAD_URI};
    bool split = lws_hdr_fragment_length(socket->wsi, tokens[method], 1) > 0;
    if (split || uri == NULL || !web_url_path_ok(path)) {
        refuse(socket, 400, &server->counts.refused_path, "the path is refused");
        return false;
    }
    memcpy(socket->path, path.data, path.size);
    socket->path[path.size] = '\0';
    if (!check_caller(socket)) {
        return false;
    }
    if (gather_query(socket) != CRDT_OK) {
        refuse(socket, 500, NULL, "out of memory");
        return false;
    }
    return true;
}

/* The body's size; false: refused, the reply is made. */
static bool begin_body(web_socket *socket)
{
    web_server *server = socket->server;
    char text[32];
    if (lws_hdr_total_length(socket->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
        refuse(socket, 411, NULL,
               "give the body's Content-Length: chunks are not taken");
        return false;
    }
    int got = copy_header(socket, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof text);
    size_t digits = got == 1 ? strspn(text, "0123456789") : 0;
    if (got < 0 || (got == 1 && (digits == 0 || digits > 15 || text[digits] != '\0'))) {
        refuse(socket, 400, NULL, "Content-Length is no number");
        return false;
    }
    socket->in_wanted = 0;
    for (size_t i = 0; i < digits; i++) {
        socket->in_wanted = socket->in_wanted * 10 + (size_t)(text[i] - '0');
    }
    if (socket->in_wanted > server->options.body_max) {
        refuse(socket, 413, &server->counts.refused_size, "the body is too large");
        return false;
    }
    /* a body would be waited for: without its size there is none, and no request after */
    bool bodiless = strcmp(socket->method, "POST") != 0 &&
                    strcmp(socket->method, "PUT") != 0 &&
                    strcmp(socket->method, "PATCH") != 0;
    socket->close_after = got == 0 && !bodiless;
    crdt_buf_clear(&socket->in);
    return true;
}

static web_request request_of(const web_socket *socket)
{
    return (web_request){.method = socket->method,
                         .path = socket->path,
                         .query = (const char *)socket->query.data,
                         .body = crdt_buf_span(&socket->in),
                         .peer = socket->peer,
                         .loopback = socket->loopback,
                         .handle = socket};
}

static void call_handler(web_socket *socket)
{
    web_server *server = socket->server;
    web_request request = request_of(socket);
    if (socket->cors[0] != '\0' && strcmp(socket->method, "OPTIONS") == 0) {
        socket->reply.status = 204;
        start_reply(socket);
        return;
    }
    socket->token = ++server->token_last;
    socket->reply.token = socket->token;
    server->options.handlers.request(server->options.handlers.ctx, &request,
                                     &socket->reply);
    if (socket->reply.deferred) {
        socket->phase = PHASE_WAITING;
        lws_set_timeout(socket->wsi, NO_PENDING_TIMEOUT, 0);
    } else {
        start_reply(socket);
    }
}

static int on_request(web_socket *socket)
{
    if (!begin_request(socket) || !begin_body(socket)) {
        start_reply(socket);
        return 0;
    }
    if (socket->in_wanted == 0) {
        call_handler(socket);
        return 0;
    }
    socket->phase = PHASE_BODY;
    int wait = BODY_WAIT_S + (int)(socket->in_wanted / BODY_RATE);
    lws_set_timer_usecs(socket->wsi, wait * LWS_USEC_PER_SEC);
    return 0;
}

static int on_body(web_socket *socket, const void *bytes, size_t size)
{
    socket->server->counts.received_size += size;
    if (socket->phase != PHASE_BODY) {
        return 0; /* of a request that is answered already */
    }
    if (size > socket->in_wanted - socket->in.size ||
        crdt_buf_append(&socket->in, bytes, size) != CRDT_OK) {
        return -1;
    }
    return 0;
}

static int on_body_end(web_socket *socket)
{
    if (socket->phase == PHASE_BODY) {
        lws_set_timer_usecs(socket->wsi, LWS_SET_TIMER_USEC_CANCEL);
        call_handler(socket);
    }
    return 0;
}

/* ---- WebSockets ---- */

/* 0: let it upgrade; 1: refused, answered. */
static int on_upgrade(web_socket *socket, const char *protocol)
{
    web_server *server = socket->server;
    if (begin_request(socket)) {
        web_request request = request_of(socket);
        int status = 400;
        if (strcasecmp(protocol, "websocket") != 0 ||
            strcmp(socket->method, "GET") != 0) {
            web_reply_error(&socket->reply, 400, "only WebSocket can be upgraded to");
        } else if (server->options.handlers.socket_open == NULL) {
            web_reply_error(&socket->reply, 404, "there is no WebSocket here");
        } else {
            status = server->options.handlers.socket_open(
                server->options.handlers.ctx, socket, &request, &socket->user);
            if (status == 101) {
                socket->accepted = true;
                server->counts.sockets_total++;
                server->counts.sockets_open++;
                return 0;
            }
            web_reply_error(&socket->reply, status, "refused");
        }
    }
    socket->close_after = true;
    if (!send_headers(socket)) {
        return -1;
    }
    size_t size = socket->reply.body.size;
    memcpy(server->scratch + LWS_PRE, socket->reply.body.data, size);
    bool fine = lws_write(socket->wsi, server->scratch + LWS_PRE, size,
                          LWS_WRITE_HTTP_FINAL) >= (int)size;
    reply_done(socket);
    return fine ? 1 : -1;
}

static int on_established(web_socket *socket)
{
    socket->phase = PHASE_SOCKET;
    socket->open = true;
    if (socket->wants || socket->closing) {
        lws_callback_on_writable(socket->wsi);
    }
    return 0;
}

/* The library wants its text writable. */
static int close_with(web_socket *socket, int code, const char *reason)
{
    unsigned char text[REASON_MAX + 1];
    int size = snprintf((char *)text, sizeof text, "%s", reason);
    lws_close_reason(socket->wsi, (enum lws_close_status)code, text,
                     (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
    return -1;
}

static int on_message(web_socket *socket, const void *bytes, size_t size)
{
    web_server *server = socket->server;
    server->counts.received_size += size;
    if (socket->closing) {
        return 0;
    }
    lws_validity_confirmed(socket->wsi);
    if (lws_frame_is_binary(socket->wsi)) {
        return close_with(socket, 1003, "text messages only");
    }
    if (lws_is_first_fragment(socket->wsi)) {
        crdt_buf_clear(&socket->in);
    }
    if (size > server->options.message_max - socket->in.size) {
        server->counts.refused_size++;
        return close_with(socket, 1009, "the message is too large");
    }
    if (crdt_buf_append(&socket->in, bytes, size) != CRDT_OK) {
        return close_with(socket, 1011, "out of memory");
    }
    if (lws_is_final_fragment(socket->wsi) &&
        lws_remaining_packet_payload(socket->wsi) == 0) {
        server->options.handlers.socket_message(server->options.handlers.ctx, socket,
                                                socket->user,
                                                crdt_buf_span(&socket->in));
        if (socket->in.capacity > KEEP_SIZE) {
            crdt_buf_deinit(&socket->in);
            crdt_buf_init(&socket->in, server->options.alloc);
        }
        crdt_buf_clear(&socket->in);
    }
    return 0;
}

/* One piece of the message that goes out. */
static bool send_piece(web_socket *socket)
{
    uint8_t *scratch = socket->server->scratch + LWS_PRE;
    crdt_buf *body = &socket->reply.body;
    size_t size = body->size - socket->out_sent;
    size = size < FRAGMENT_SIZE ? size : FRAGMENT_SIZE;
    memcpy(scratch, body->data + socket->out_sent, size);
    int kind = lws_write_ws_flags(LWS_WRITE_TEXT, socket->out_sent == 0,
                                  socket->out_sent + size == body->size);
    if (lws_write(socket->wsi, scratch, size, (enum lws_write_protocol)kind) <
        (int)size) {
        return false;
    }
    socket->server->counts.sent_size += size;
    socket->out_sent += size;
    if (socket->out_sent == body->size) {
        socket->out_sent = 0;
        if (body->capacity > KEEP_SIZE) {
            crdt_buf_deinit(body);
            crdt_buf_init(body, socket->server->options.alloc);
        }
        crdt_buf_clear(body);
    }
    return true;
}

static int on_writable(web_socket *socket)
{
    const web_handlers *handlers = &socket->server->options.handlers;
    for (size_t turn = 0; turn < TURN_SIZE; turn += FRAGMENT_SIZE) {
        if (socket->closing) {
            return close_with(socket, socket->close_code, socket->close_reason);
        }
        if (lws_partial_buffered(socket->wsi) || lws_send_pipe_choked(socket->wsi)) {
            break;
        }
        if (socket->reply.body.size == 0) {
            if (!socket->wants) {
                return 0;
            }
            socket->wants = false;
            handlers->socket_write(handlers->ctx, socket, socket->user,
                                   &socket->reply.body);
            if (socket->reply.body.size == 0) {
                continue;
            }
            socket->wants = true; /* until it has nothing to say */
        }
        if (!send_piece(socket)) {
            return -1;
        }
    }
    lws_callback_on_writable(socket->wsi);
    return 0;
}

void web_socket_want_write(web_socket *socket)
{
    if (!socket->wants) {
        socket->wants = true;
        if (socket->open) {
            lws_callback_on_writable(socket->wsi);
        }
    }
}

void web_socket_pause(web_socket *socket, bool paused)
{
    lws_rx_flow_control(socket->wsi, paused ? 0 : 1);
}

void web_socket_close(web_socket *socket, int code, const char *reason)
{
    if (socket->closing) {
        return;
    }
    socket->closing = true;
    socket->close_code = code;
    snprintf(socket->close_reason, sizeof socket->close_reason, "%s",
             reason == NULL ? "" : reason);
    if (socket->open) {
        lws_set_timeout(socket->wsi, PENDING_TIMEOUT_CLOSE_SEND, 5);
        lws_callback_on_writable(socket->wsi);
    }
}

/* ---- connections ---- */

static void tell_closed(web_socket *socket)
{
    web_server *server = socket->server;
    if (socket->accepted) {
        socket->accepted = false;
        server->counts.sockets_open--;
        server->options.handlers.socket_closed(server->options.handlers.ctx, socket,
                                               socket->user);
    }
}

static void socket_free(web_socket *socket)
{
    web_server *server = socket->server;
    tell_closed(socket);
    if (socket->previous != NULL) {
        socket->previous->next = socket->next;
    } else {
        server->sockets = socket->next;
    }
    if (socket->next != NULL) {
        socket->next->previous = socket->previous;
    }
    server->socket_count--;
    if (server->adopting == socket) {
        server->adopting = NULL;
    }
    crdt_buf_deinit(&socket->in);
    crdt_buf_deinit(&socket->query);
    crdt_buf_deinit(&socket->reply.body);
    crdt_free(server->options.alloc, socket, sizeof *socket);
}

static web_socket *socket_new(web_server *server, int fd,
                              const struct sockaddr_storage *peer)
{
    web_socket *socket = crdt_allocate(server->options.alloc, sizeof *socket);
    if (socket == NULL) {
        return NULL;
    }
    *socket = (web_socket){.server = server, .next = server->sockets};
    crdt_buf_init(&socket->in, server->options.alloc);
    crdt_buf_init(&socket->query, server->options.alloc);
    reply_init(&socket->reply, server->options.alloc);
    if (server->sockets != NULL) {
        server->sockets->previous = socket;
    }
    server->sockets = socket;
    socket->surplus = server->socket_count++ >= server->options.connection_max;
    web_listen_text(peer, socket->peer, sizeof socket->peer);
    socket->loopback = web_listen_is_loopback(peer);
    struct sockaddr_storage local = {0};
    socklen_t size = sizeof local;
    if (getsockname(fd, (struct sockaddr *)&local, &size) == 0) {
        web_listen_text(&local, socket->local, sizeof socket->local);
    }
    return socket;
}

static void accept_all(web_server *server, int listen_fd)
{
    for (int i = 0; i < 32; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t size = sizeof peer;
        int fd = accept4(listen_fd, (struct sockaddr *)&peer, &size,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        web_socket *socket = NULL;
        if (server->socket_count < server->options.connection_max + REFUSE_MORE) {
            socket = socket_new(server, fd, &peer);
        } else {
            server->counts.refused_full++;
        }
        if (socket == NULL) {
            close(fd);
            continue;
        }
        server->adopting = socket;
        lws_adopt_desc_t adopt = {.vh = server->vhost,
                                  .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP |
                                          LWS_ADOPT_ALLOW_SSL,
                                  .fd = {.sockfd = fd},
                                  .opaque = socket};
        struct lws *wsi = lws_adopt_descriptor_vhost_via_info(&adopt);
        if (server->adopting != NULL) {
            server->adopting->wsi = wsi;
            if (wsi == NULL) {
                socket_free(server->adopting);
            }
        }
        server->adopting = NULL;
    }
}

/* ---- what other threads want ---- */

static void ring(web_server *server)
{
    uint64_t one = 1;
    ssize_t written = write(server->event_fd, &one, sizeof one);
    (void)written; /* it can only be full, and then it rings already */
}

void web_server_stop(web_server *server)
{
    atomic_store(&server->stopping, true);
    ring(server);
}

void web_server_wake(web_server *server)
{
    atomic_store(&server->waking, true);
    ring(server);
}

void web_server_answer(web_server *server, web_reply *reply)
{
    web_mail *mail = crdt_allocate(server->options.alloc, sizeof *mail);
    if (mail == NULL) {
        crdt_buf_deinit(&reply->body);
        return;
    }
    mail->reply = *reply;
    pthread_mutex_lock(&server->lock);
    mail->next = server->mail;
    server->mail = mail;
    pthread_mutex_unlock(&server->lock);
    ring(server);
}

static void deliver(web_server *server, web_reply *reply)
{
    for (web_socket *socket = server->sockets; socket != NULL; socket = socket->next) {
        if (socket->phase == PHASE_WAITING && socket->token == reply->token) {
            crdt_buf_deinit(&socket->reply.body);
            socket->reply = *reply;
            socket->reply.deferred = false;
            start_reply(socket);
            return;
        }
    }
    crdt_buf_deinit(&reply->body);
}

static web_mail *take_mail(web_server *server)
{
    pthread_mutex_lock(&server->lock);
    web_mail *mail = server->mail;
    server->mail = NULL;
    pthread_mutex_unlock(&server->lock);
    return mail;
}

static void on_event(web_server *server)
{
    uint64_t count;
    ssize_t got = read(server->event_fd, &count, sizeof count);
    (void)got;
    for (web_mail *mail = take_mail(server); mail != NULL;) {
        web_mail *next = mail->next;
        deliver(server, &mail->reply);
        crdt_free(server->options.alloc, mail, sizeof *mail);
        mail = next;
    }
    if (atomic_exchange(&server->waking, false) &&
        server->options.handlers.wake != NULL) {
        server->options.handlers.wake(server->options.handlers.ctx);
    }
}

/* ---- the library's callback ---- */

static int on_server(web_server *server, struct lws *wsi,
                     enum lws_callback_reasons reason)
{
    if (reason != LWS_CALLBACK_RAW_RX_FILE) {
        return 0;
    }
    if (wsi == server->event_wsi) {
        on_event(server);
        return 0;
    }
    for (size_t i = 0; i < WEB_LISTEN_MAX; i++) {
        if (server->listen_wsis[i] == wsi) {
            accept_all(server, server->listen.fds[i]);
        }
    }
    return 0;
}

static int on_socket(web_socket *socket, enum lws_callback_reasons reason, void *in,
                     size_t size)
{
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        return on_request(socket);
    case LWS_CALLBACK_HTTP_BODY:
        return on_body(socket, in, size);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return on_body_end(socket);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return socket->phase == PHASE_REPLY ? send_reply(socket) : 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return on_upgrade(socket, in);
    case LWS_CALLBACK_TIMER:
        return socket->phase == PHASE_BODY ? -1 : 0;
    case LWS_CALLBACK_ESTABLISHED:
        return on_established(socket);
    case LWS_CALLBACK_RECEIVE:
        return on_message(socket, in, size);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_writable(socket);
    case LWS_CALLBACK_CLOSED:
        tell_closed(socket);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        socket_free(socket);
        return 0;
    default:
        return 0;
    }
}

static int on_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                       void *in, size_t size)
{
    (void)user;
    if (wsi == NULL || lws_get_vhost(wsi) == NULL) {
        return 0;
    }
    web_server *server = lws_context_user(lws_get_context(wsi));
    web_socket *socket = lws_get_opaque_user_data(wsi);
    if (socket == NULL) {
        return server == NULL ? 0 : on_server(server, wsi, reason);
    }
    socket->wsi = wsi;
    return on_socket(socket, reason, in, size);
}

/* ---- open, run, close ---- */

static void on_tick(lws_sorted_usec_list_t *list)
{
    web_server *server = lws_container_of(list, web_server, tick);
    server->options.handlers.tick(server->options.handlers.ctx);
    lws_sul_schedule(server->context, 0, &server->tick, on_tick,
                     (lws_usec_t)server->options.tick_ms * 1000);
}

static struct lws *adopt_file(web_server *server, int fd)
{
    int copy = dup(fd); /* the library closes what it is given */
    if (copy < 0) {
        return NULL;
    }
    lws_sock_file_fd_type file = {.filefd = copy};
    return lws_adopt_descriptor_vhost(server->vhost, LWS_ADOPT_RAW_FILE_DESC, file,
                                      "web", NULL);
}

static pthread_once_t quiet_once = PTHREAD_ONCE_INIT;

static void be_quiet(void)
{
    lws_set_log_level(0, NULL);
}

static crdt_err open_context(web_server *server, crdt_diag *diag)
{
    const web_server_options *options = &server->options;
    pthread_once(&quiet_once, be_quiet);
    uint16_t idle_s = (uint16_t)(options->idle_ms < 2000 ? 2 : options->idle_ms / 1000);
    server->idle = (lws_retry_bo_t){.secs_since_valid_ping = (uint16_t)(idle_s / 2),
                                    .secs_since_valid_hangup = idle_s};
    server->protocols[0] = (struct lws_protocols){
        .name = "web", .callback = on_callback, .rx_buffer_size = FRAGMENT_SIZE};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = server->protocols,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME |
                   LWS_SERVER_OPTION_NO_LWS_SYSTEM_STATES,
        .user = server,
        .gid = -1,
        .uid = -1,
        .server_string = "scenesync",
        .max_http_header_data2 = (unsigned)options->header_max,
        .pt_serv_buf_size = FRAGMENT_SIZE,
        .timeout_secs = HEAD_WAIT_S,
        .timeout_secs_ah_idle = HEAD_WAIT_S,
        .keepalive_timeout = (int)idle_s,
        .fd_limit_per_thread = options->connection_max + REFUSE_MORE + 16,
        .retry_and_idle_policy = &server->idle,
        .alpn = "http/1.1",
    };
    if (server->rules.tls) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = options->cert_file;
        info.ssl_private_key_filepath = options->key_file;
    }
    server->context = lws_create_context(&info);
    if (server->context == NULL) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "the HTTP server could not be made");
    }
    server->vhost = lws_create_vhost(server->context, &info);
    if (server->vhost == NULL) {
        return crdt_diag_set(diag, CRDT_EIO, 0,
                             server->rules.tls
                                 ? "the certificate %s or its key cannot be used"
                                 : "the HTTP server could not be made%s",
                             server->rules.tls ? options->cert_file : "");
    }
    server->event_wsi = adopt_file(server, server->event_fd);
    bool fine = server->event_wsi != NULL;
    for (size_t i = 0; i < server->listen.count && fine; i++) {
        server->listen_wsis[i] = adopt_file(server, server->listen.fds[i]);
        fine = server->listen_wsis[i] != NULL;
    }
    return fine ? CRDT_OK
                : crdt_diag_set(diag, CRDT_EIO, 0, "the HTTP server could not be made");
}

crdt_err web_server_open(web_server **out, const web_server_options *options,
                         crdt_diag *diag)
{
    *out = NULL;
    web_server *server = crdt_allocate(options->alloc, sizeof *server);
    if (server == NULL) {
        return CRDT_ENOMEM;
    }
    memset(server, 0, sizeof *server);
    server->options = *options;
    pthread_mutex_init(&server->lock, NULL);
    server->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    crdt_err err = web_listen_open(&server->listen, options->address, diag);
    if (err == CRDT_OK) {
        server->rules = (web_origin_rules){.tls = options->cert_file != NULL &&
                                                  options->key_file != NULL,
                                           .port = server->listen.port,
                                           .hosts = options->hosts,
                                           .origins = options->origins};
        snprintf(server->url, sizeof server->url, "%s://%s:%u",
                 server->rules.tls ? "https" : "http", server->listen.host,
                 (unsigned)server->listen.port);
        err = open_context(server, diag);
    }
    if (err != CRDT_OK) {
        web_server_close(server);
        return err;
    }
    *out = server;
    return CRDT_OK;
}

const char *web_server_url(const web_server *server)
{
    return server->url;
}

web_server_counts web_server_count(const web_server *server)
{
    return server->counts;
}

static void on_stop_late(lws_sorted_usec_list_t *list)
{
    web_server *server = lws_container_of(list, web_server, tick);
    server->socket_count = 0; /* who has not gone yet is closed with the rest */
}

void web_server_run(web_server *server)
{
    if (server->options.tick_ms > 0 && server->options.handlers.tick != NULL) {
        lws_sul_schedule(server->context, 0, &server->tick, on_tick,
                         (lws_usec_t)server->options.tick_ms * 1000);
    }
    while (!atomic_load(&server->stopping) && lws_service(server->context, 0) >= 0) {
    }
    for (size_t i = 0; i < WEB_LISTEN_MAX && server->listen_wsis[i] != NULL; i++) {
        lws_set_timeout(server->listen_wsis[i], PENDING_TIMEOUT_USER_OK,
                        LWS_TO_KILL_SYNC);
        server->listen_wsis[i] = NULL;
    }
    web_listen_close(&server->listen);
    for (web_socket *socket = server->sockets, *next; socket != NULL; socket = next) {
        next = socket->next;
        if (socket->open) {
            web_socket_close(socket, 1001, "the server stops");
        } else {
            lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
        }
    }
    lws_sul_schedule(server->context, 0, &server->tick, on_stop_late, STOP_WAIT_US);
    while (server->sockets != NULL && server->socket_count > 0 &&
           lws_service(server->context, 0) >= 0) {
    }
    lws_sul_cancel(&server->tick);
    for (web_socket *socket = server->sockets; socket != NULL; socket = socket->next) {
        tell_closed(socket);
    }
}

void web_server_close(web_server *server)
{
    if (server == NULL) {
        return;
    }
    if (server->context != NULL) {
        lws_context_destroy(server->context);
    }
    web_listen_close(&server->listen);
    for (web_mail *mail = take_mail(server); mail != NULL;) {
        web_mail *next = mail->next;
        crdt_buf_deinit(&mail->reply.body);
        crdt_free(server->options.alloc, mail, sizeof *mail);
        mail = next;
    }
    if (server->event_fd >= 0) {
        close(server->event_fd);
    }
    pthread_mutex_destroy(&server->lock);
    crdt_free(server->options.alloc, server, sizeof *server);
}
