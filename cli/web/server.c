#include "cli/web/listen.h"
#include "cli/web/postbox.h"
#include "cli/web/server_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <libwebsockets.h>

#define REFUSE_MORE 32       /* connections beyond the limit that are told so */
#define ACCEPT_TURN 32       /* connections accepted before others may go on */
#define STOP_WAIT_US 1000000 /* for sockets to take their close frame */
#define CLOSE_WAIT_S 5
#define NAP_US 10000 /* until a full wire is looked at again */
#define EVICT_S 2    /* idle so long, a connection makes room if there is none */

struct web_server {
    web_core core;
    web_listen listen;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws *listen_wsis[WEB_LISTEN_MAX];
    struct lws *event_wsi;
    int spare_fd; /* see accept_one */
    int event_fd; /* rings when another thread wants something */
    char url[128];
    lws_retry_bo_t idle;
    struct lws_protocols protocols[2];
    web_socket *sockets;
    size_t socket_count;
    web_socket *adopting;
    lws_sorted_usec_list_t timer; /* of ticks; when it stops, the end of patience */
    bool out_of_patience;
    atomic_bool stopping;
    atomic_bool waking;
    web_postbox postbox;
    uint8_t scratch[LWS_PRE + WEB_FRAGMENT_SIZE];
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

static web_server *server_of(const web_socket *socket)
{
    return lws_container_of(socket->core, web_server, core);
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

/* The library copies a header whole or not at all: by way of a buffer of its size. */
int web_wire_header(web_socket *socket, const char *name, char *out, size_t size)
{
    enum lws_token_indexes token = token_of(name);
    char custom[128]; /* headers the library does not know by name */
    int custom_size = snprintf(custom, sizeof custom, "%s:", name);
    if (custom_size < 2 || (size_t)custom_size >= sizeof custom) {
        return -1;
    }
    bool known = token != WSI_TOKEN_COUNT;
    int length = known ? lws_hdr_total_length(socket->wsi, token)
                       : lws_hdr_custom_length(socket->wsi, custom, custom_size);
    if (length < 0 || (known && length == 0)) {
        return -1;
    }
    /* between its parts, which were sent apart, it puts commas */
    size_t room = (size_t)length + 64;
    crdt_alloc alloc = socket->core->options.alloc;
    char *whole = crdt_allocate(alloc, room);
    if (whole == NULL) {
        return -1;
    }
    int copied =
        known ? lws_hdr_copy(socket->wsi, whole, (int)room, token)
              : lws_hdr_custom_copy(socket->wsi, whole, (int)room, custom, custom_size);
    if (copied >= 0) {
        whole[copied] = '\0';
        snprintf(out, size, "%s", whole); /* a size of 0 writes nothing */
    }
    crdt_free(alloc, whole, room);
    return copied < 0 ? -1 : copied;
}

const char *web_request_header(const web_request *request, const char *name, char *out,
                               size_t size)
{
    web_socket *socket;
    memcpy(&socket, &request->handle, sizeof socket);
    return web_wire_header(socket, name, out, size) < 0 ? NULL : out;
}

bool web_request_parameter(const web_request *request, const char *name, char *out,
                           size_t size)
{
    return web_url_parameter(request->query, name, out, size);
}

/* The library cannot tell which headers there are, so the names are asked for one by
 * one: those of signed requests. */
void web_request_headers(const web_request *request, const char *prefix,
                         void (*visit)(void *ctx, const char *name, const char *value),
                         void *ctx)
{
    static const char *const names[] = {
        "x-identity-timestamp",    "x-identity-metadata",     "x-identity-auth-chain-0",
        "x-identity-auth-chain-1", "x-identity-auth-chain-2", "x-identity-auth-chain-3",
        "x-identity-auth-chain-4", "x-identity-auth-chain-5", "x-identity-auth-chain-6",
        "x-identity-auth-chain-7"};
    const web_core *core = ((const web_socket *)request->handle)->core;
    size_t room = core->options.header_max + 64; /* no header is larger: none is cut */
    char *value = crdt_allocate(core->options.alloc, room);
    for (size_t i = 0; value != NULL && i < sizeof names / sizeof *names; i++) {
        if (strncmp(names[i], prefix, strlen(prefix)) == 0 &&
            web_request_header(request, names[i], value, room) != NULL) {
            visit(ctx, names[i], value);
        }
    }
    crdt_free(core->options.alloc, value, room);
}

/* Is the request line what the caller sent? The library decodes the path before it looks
 * where the line ends: an escaped line break cuts the path, and the rest of the line turns
 * into a header of the caller's page's choice, but then no version stands behind the path.
 * An '&' or ';' in the path splits it, and is lost. */
static bool is_line_whole(struct lws *wsi, enum lws_token_indexes token)
{
    char version[16];
    return lws_hdr_fragment_length(wsi, token, 1) == 0 &&
           lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_HTTP) > 0 &&
           (strcmp(version, "HTTP/1.1") == 0 || strcmp(version, "HTTP/1.0") == 0);
}

const char *web_wire_method(web_socket *socket, crdt_span *path)
{
    static const struct {
        const char *name;
        enum lws_token_indexes token;
    } methods[] = {[LWSHUMETH_GET] = {"GET", WSI_TOKEN_GET_URI},
                   [LWSHUMETH_POST] = {"POST", WSI_TOKEN_POST_URI},
                   [LWSHUMETH_OPTIONS] = {"OPTIONS", WSI_TOKEN_OPTIONS_URI},
                   [LWSHUMETH_PUT] = {"PUT", WSI_TOKEN_PUT_URI},
                   [LWSHUMETH_PATCH] = {"PATCH", WSI_TOKEN_PATCH_URI},
                   [LWSHUMETH_DELETE] = {"DELETE", WSI_TOKEN_DELETE_URI},
                   [LWSHUMETH_HEAD] = {"HEAD", WSI_TOKEN_HEAD_URI}};
    char *uri = NULL;
    int size = 0;
    int method = lws_http_get_uri_and_method(socket->wsi, &uri, &size);
    *path = (crdt_span){0};
    if (method < 0 || (size_t)method >= sizeof methods / sizeof *methods ||
        methods[method].name == NULL) {
        return NULL;
    }
    if (size > 0 && is_line_whole(socket->wsi, methods[method].token)) {
        *path = (crdt_span){(const uint8_t *)uri, (size_t)size};
    }
    return methods[method].name;
}

int web_wire_query(web_socket *socket, int index, char *out, size_t size)
{
    if (lws_hdr_total_length(socket->wsi, WSI_TOKEN_HTTP_URI_ARGS) >= (int)size) {
        return -2;
    }
    return lws_hdr_copy_fragment(socket->wsi, out, (int)size, WSI_TOKEN_HTTP_URI_ARGS,
                                 index);
}

/* ---- writing and waiting ---- */

void web_wire_want_write(web_socket *socket)
{
    lws_callback_on_writable(socket->wsi);
}

bool web_wire_can_write(web_socket *socket)
{
    return !lws_partial_buffered(socket->wsi) && !lws_send_pipe_choked(socket->wsi);
}

bool web_wire_write(web_socket *socket, web_wire_kind kind, crdt_span bytes, bool first,
                    bool last)
{
    uint8_t *scratch = server_of(socket)->scratch + LWS_PRE;
    int how = LWS_WRITE_HTTP_HEADERS;
    if (kind == WEB_WIRE_TEXT) {
        how = lws_write_ws_flags(LWS_WRITE_TEXT, first, last);
    } else if (kind == WEB_WIRE_PING) {
        how = LWS_WRITE_PING;
    } else if (kind != WEB_WIRE_HEAD) {
        how = kind == WEB_WIRE_BODY ? LWS_WRITE_HTTP : LWS_WRITE_HTTP_FINAL;
    }
    if (bytes.size > WEB_FRAGMENT_SIZE) {
        return false;
    }
    /* the library writes into what it is given, and before it */
    memcpy(scratch, bytes.data, bytes.size);
    socket->core->counts.sent_size += bytes.size;
    return lws_write(socket->wsi, scratch, bytes.size, (enum lws_write_protocol)how) >=
           (int)bytes.size;
}

void web_wire_timer(web_socket *socket, size_t seconds)
{
    lws_set_timer_usecs(socket->wsi, seconds == 0
                                         ? LWS_SET_TIMER_USEC_CANCEL
                                         : (lws_usec_t)seconds * LWS_USEC_PER_SEC);
}

void web_wire_nap(web_socket *socket)
{
    lws_set_timer_usecs(socket->wsi, NAP_US);
}

uint64_t web_wire_now_s(void)
{
    return (uint64_t)(lws_now_usecs() / LWS_USEC_PER_SEC);
}

void web_wire_patient(web_socket *socket)
{
    lws_set_timeout(socket->wsi, NO_PENDING_TIMEOUT, 0);
}

web_verdict web_wire_next(web_socket *socket)
{
    return lws_http_transaction_completed(socket->wsi) ? WEB_CLOSE : WEB_GO_ON;
}

web_verdict web_wire_close(web_socket *socket, int code, const char *reason)
{
    unsigned char text[WEB_REASON_MAX + 1]; /* the library wants it writable */
    int size = snprintf((char *)text, sizeof text, "%s", reason);
    lws_close_reason(socket->wsi, (enum lws_close_status)code, text,
                     (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
    return WEB_CLOSE;
}

void web_wire_close_soon(web_socket *socket)
{
    lws_set_timeout(socket->wsi, PENDING_TIMEOUT_CLOSE_SEND, CLOSE_WAIT_S);
    lws_callback_on_writable(socket->wsi);
}

void web_wire_alive(web_socket *socket)
{
    lws_validity_confirmed(socket->wsi);
}

void web_socket_pause(web_socket *socket, bool paused)
{
    lws_rx_flow_control(socket->wsi, paused ? 0 : 1);
}

/* ---- connections ---- */

static void socket_free(web_server *server, web_socket *socket)
{
    web_socket_gone(socket);
    *(socket->previous != NULL ? &socket->previous->next : &server->sockets) =
        socket->next;
    if (socket->next != NULL) {
        socket->next->previous = socket->previous;
    }
    server->socket_count--;
    if (server->adopting == socket) {
        server->adopting = NULL;
    }
    web_exchange_deinit(socket);
    crdt_free(server->core.options.alloc, socket, sizeof *socket);
}

static web_socket *socket_new(web_server *server, int fd,
                              const struct sockaddr_storage *peer)
{
    web_socket *socket = crdt_allocate(server->core.options.alloc, sizeof *socket);
    if (socket == NULL) {
        return NULL;
    }
    web_exchange_init(socket, &server->core);
    socket->next = server->sockets;
    if (server->sockets != NULL) {
        server->sockets->previous = socket;
    }
    server->sockets = socket;
    socket->surplus = server->socket_count++ >= server->core.options.connection_max;
    web_listen_text(peer, socket->peer, sizeof socket->peer);
    socket->loopback = web_listen_is_loopback(peer);
    struct sockaddr_storage local = {0};
    socklen_t size = sizeof local;
    if (getsockname(fd, (struct sockaddr *)&local, &size) == 0) {
        web_listen_text(&local, socket->local, sizeof socket->local);
    }
    return socket;
}

/* Hand an accepted connection to the library, which closes `fd` in every case. */
static void adopt(web_server *server, web_socket *socket, int fd)
{
    lws_adopt_desc_t info = {.vh = server->vhost,
                             .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP |
                                     LWS_ADOPT_ALLOW_SSL,
                             .fd = {.sockfd = fd},
                             .opaque = socket};
    server->adopting = socket;
    struct lws *wsi = lws_adopt_descriptor_vhost_via_info(&info);
    if (server->adopting != NULL) { /* it is not gone already */
        if (wsi != NULL) {
            socket->wsi = wsi;
            web_exchange_await(socket, 0);
        } else {
            socket_free(server, socket);
        }
    }
    server->adopting = NULL;
}

/* The server is full: end the connection that has been idle longest, if long enough. Who
 * holds connections and asks nothing keeps nobody else out. */
static void evict(web_server *server)
{
    web_socket *oldest = NULL;
    for (web_socket *socket = server->sockets; socket != NULL; socket = socket->next) {
        if (socket->phase == WEB_PHASE_IDLE && socket->wsi != NULL &&
            (oldest == NULL || socket->idle_since_s < oldest->idle_since_s)) {
            oldest = socket;
        }
    }
    if (oldest != NULL && oldest->idle_since_s + EVICT_S <= web_wire_now_s()) {
        lws_set_timeout(oldest->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
        server->core.counts.refused_full++;
    }
}

/* The next connection, or -1. Where the process has no descriptor left, the spare one is
 * given for a moment to take it and close it: else it would wait, and wake us, for ever. */
static int accept_one(web_server *server, int listen_fd, struct sockaddr_storage *peer)
{
    socklen_t size = sizeof *peer;
    int fd = accept4(listen_fd, (struct sockaddr *)peer, &size,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE) && server->spare_fd >= 0) {
        close(server->spare_fd);
        int refused = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (refused >= 0) {
            close(refused);
            server->core.counts.refused_full++;
        }
        server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    return fd;
}

static void accept_all(web_server *server, int listen_fd)
{
    uint32_t limit = server->core.options.connection_max;
    for (int i = 0; i < ACCEPT_TURN; i++) {
        struct sockaddr_storage peer = {0};
        int fd = accept_one(server, listen_fd, &peer);
        if (fd < 0) {
            return;
        }
        if (server->socket_count >= limit) {
            evict(server);
        }
        web_socket *socket = NULL;
        if (server->socket_count < limit + REFUSE_MORE) {
            socket = socket_new(server, fd, &peer);
        }
        if (socket != NULL) {
            adopt(server, socket, fd);
        } else {
            server->core.counts.refused_full++;
            close(fd);
        }
    }
}

/* ---- what other threads want ---- */

static void ring(web_server *server)
{
    int before = errno; /* of whom a signal interrupts */
    uint64_t one = 1;
    ssize_t written = write(server->event_fd, &one, sizeof one);
    (void)written; /* it can only be full, and then it rings already */
    errno = before;
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
    web_postbox_put(&server->postbox, reply);
    ring(server);
}

static void deliver(web_server *server, web_reply *reply)
{
    for (web_socket *socket = server->sockets; socket != NULL; socket = socket->next) {
        if (socket->phase == WEB_PHASE_WAITING && socket->token == reply->token) {
            web_exchange_deliver(socket, reply);
            return;
        }
    }
    crdt_buf_deinit(&reply->body); /* who asked is gone */
}

static void on_event(web_server *server)
{
    uint64_t count;
    ssize_t got = read(server->event_fd, &count, sizeof count);
    (void)got;
    for (web_mail *mail; (mail = web_postbox_take(&server->postbox)) != NULL;) {
        deliver(server, &mail->reply);
        web_mail_free(&server->postbox, mail);
    }
    if (atomic_exchange(&server->waking, false) &&
        server->core.options.handlers.wake != NULL) {
        server->core.options.handlers.wake(server->core.options.handlers.ctx);
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

static int on_message(web_socket *socket, const void *bytes, size_t size)
{
    bool first = lws_is_first_fragment(socket->wsi);
    bool last = lws_is_final_fragment(socket->wsi) &&
                lws_remaining_packet_payload(socket->wsi) == 0;
    return web_socket_received(socket, bytes, size, first, last,
                               lws_frame_is_binary(socket->wsi));
}

static int on_socket(web_socket *socket, enum lws_callback_reasons reason, void *in,
                     size_t size)
{
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        return web_exchange_request(socket);
    case LWS_CALLBACK_HTTP_BODY:
        return web_exchange_body(socket, in, size);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return web_exchange_body_end(socket);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return web_exchange_writable(socket);
    case LWS_CALLBACK_TIMER:
        return web_exchange_late(socket);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return web_exchange_upgrade(socket, in);
    case LWS_CALLBACK_ESTABLISHED:
        return web_socket_established(socket);
    case LWS_CALLBACK_RECEIVE:
        return on_message(socket, in, size);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return web_socket_writable(socket);
    case LWS_CALLBACK_RECEIVE_PONG:
        web_socket_ponged(socket, in, size);
        return 0;
    case LWS_CALLBACK_CLOSED:
        web_socket_gone(socket);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        socket_free(server_of(socket), socket);
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
    web_server *server = lws_container_of(list, web_server, timer);
    server->core.options.handlers.tick(server->core.options.handlers.ctx);
    lws_sul_schedule(server->context, 0, &server->timer, on_tick,
                     (lws_usec_t)server->core.options.tick_ms * 1000);
}

static struct lws *adopt_file(web_server *server, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* the library closes what it is given */
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
    const web_server_options *options = &server->core.options;
    pthread_once(&quiet_once, be_quiet);
    uint16_t idle_s = (uint16_t)(options->idle_ms < 2000 ? 2 : options->idle_ms / 1000);
    server->idle = (lws_retry_bo_t){.secs_since_valid_ping = (uint16_t)(idle_s / 2),
                                    .secs_since_valid_hangup = idle_s};
    server->protocols[0] = (struct lws_protocols){
        .name = "web", .callback = on_callback, .rx_buffer_size = WEB_FRAGMENT_SIZE};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = server->protocols,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME |
                   LWS_SERVER_OPTION_NO_LWS_SYSTEM_STATES,
        .user = server,
        .gid = -1,
        .uid = -1,
        .server_string = "scenesync",
        .max_http_header_data2 = (unsigned)options->header_max,
        .pt_serv_buf_size = WEB_FRAGMENT_SIZE,
        .timeout_secs = WEB_HEAD_WAIT_S,
        .timeout_secs_ah_idle = WEB_HEAD_WAIT_S,
        .keepalive_timeout = (int)idle_s,
        .fd_limit_per_thread = options->connection_max + REFUSE_MORE + 16,
        .retry_and_idle_policy = &server->idle,
        .alpn = "http/1.1",
    };
    if (server->core.rules.tls) {
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
                             server->core.rules.tls
                                 ? "the certificate %s or its key cannot be used"
                                 : "the HTTP server could not be made%s",
                             server->core.rules.tls ? options->cert_file : "");
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
    server->core.options = *options;
    web_postbox_init(&server->postbox, options->alloc);
    server->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    crdt_err err = web_listen_open(&server->listen, options->address, diag);
    if (err == CRDT_OK) {
        server->core.rules = (web_origin_rules){.tls = options->cert_file != NULL &&
                                                       options->key_file != NULL,
                                                .port = server->listen.port,
                                                .hosts = options->hosts,
                                                .origins = options->origins};
        snprintf(server->url, sizeof server->url, "%s://%s:%u",
                 server->core.rules.tls ? "https" : "http", server->listen.host,
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
    web_server_counts counts = server->core.counts;
    counts.connections = server->socket_count;
    return counts;
}

static void on_stop_late(lws_sorted_usec_list_t *list)
{
    web_server *server = lws_container_of(list, web_server, timer);
    server->out_of_patience = true;
}

void web_server_run(web_server *server)
{
    if (server->core.options.tick_ms > 0 &&
        server->core.options.handlers.tick != NULL) {
        lws_sul_schedule(server->context, 0, &server->timer, on_tick,
                         (lws_usec_t)server->core.options.tick_ms * 1000);
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
        } else if (socket->phase == WEB_PHASE_REPLY) {
            socket->close_after = true; /* it gets its answer */
        } else {
            lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
        }
    }
    lws_sul_schedule(server->context, 0, &server->timer, on_stop_late, STOP_WAIT_US);
    while (server->sockets != NULL && !server->out_of_patience &&
           lws_service(server->context, 0) >= 0) {
    }
    lws_sul_cancel(&server->timer);
    for (web_socket *socket = server->sockets; socket != NULL; socket = socket->next) {
        web_socket_gone(socket);
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
    web_postbox_deinit(&server->postbox);
    if (server->event_fd >= 0) {
        close(server->event_fd);
    }
    if (server->spare_fd >= 0) {
        close(server->spare_fd);
    }
    crdt_free(server->core.options.alloc, server, sizeof *server);
}
