/* A whole server with its library, on a socket: the input is what a caller sends, in one go or
 * in pieces, and then he sends no more. The server answers with HTTP, or not at all, and closes.
 * After a good handshake the rest are frames of a WebSocket (a mask of zeros leaves them to be
 * read). The first byte: into how many pieces the input is cut. */

#include "cli/web/server.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The library's buffers for one connection; a body and a message of 64 KiB at most. */
const fuzz_budget fuzz_target_budget = {
    .factor = 16, .fixed = 256u << 10, .lasting = true};

#define PATIENCE_MS 10000

static web_server *server;
static uint16_t port;

static void on_request(void *ctx, const web_request *request, web_reply *reply)
{
    (void)ctx;
    assert(request->path[0] == '/' && strstr(request->path, "//") == NULL);
    assert(request->body.size <= 65536);
    char name[64];
    (void)web_request_parameter(request, "x", name, sizeof name);
    (void)web_request_header(request, "user-agent", name, sizeof name);
    (void)crdt_buf_append(&reply->body, "{}", 2);
}

static int on_open(void *ctx, web_socket *socket, const web_request *request,
                   void **user)
{
    (void)ctx, (void)socket;
    *user = &server;
    return strcmp(request->path, "/socket") == 0 ? 101 : 404;
}

static void on_message(void *ctx, web_socket *socket, void *user, crdt_span text)
{
    (void)ctx;
    assert(user == &server && text.size <= 65536);
    web_socket_want_write(socket);
}

static void on_write(void *ctx, web_socket *socket, void *user, crdt_buf *out)
{
    (void)ctx, (void)socket, (void)user;
    (void)crdt_buf_append(out, "heard", 5);
}

static void on_closed(void *ctx, web_socket *socket, void *user)
{
    (void)ctx, (void)socket;
    assert(user == &server);
}

static void *serve(void *ctx)
{
    web_server_run(ctx);
    return NULL;
}

static void open_server(void)
{
    web_server_options options = web_server_options_default();
    static const char *const hosts[] = {"edit.example", NULL};
    options.address = "127.0.0.1:0";
    options.hosts = hosts;
    options.body_max = 65536;
    options.message_max = 65536;
    options.handlers = (web_handlers){.request = on_request,
                                      .socket_open = on_open,
                                      .socket_message = on_message,
                                      .socket_write = on_write,
                                      .socket_closed = on_closed};
    crdt_diag diag = {.text = ""};
    pthread_t thread;
    if (web_server_open(&server, &options, &diag) != CRDT_OK ||
        pthread_create(&thread, NULL, serve, server) != 0) {
        fprintf(stderr, "fuzz_http: %s\n", diag.text);
        abort();
    }
    port = (uint16_t)strtoul(strrchr(web_server_url(server), ':') + 1, NULL, 10);
}

/* Each from another address of the loopback: closed connections keep theirs for a minute. */
static int connect_once(void)
{
    static uint32_t caller;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr =
                                   htonl(0x7f000002u + caller++ % 0xfffff0u)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    assert(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("fuzz_http: connect");
        abort();
    }
    return fd;
}

/* False: the server closed before. Whoever says that there is no more to come is hung up on,
 * so it is said when an answer came, or none does. */
static bool send_pieces(int fd, const uint8_t *data, size_t size, size_t pieces)
{
    size_t piece = size / pieces + 1;
    while (size > 0) {
        size_t now = size < piece ? size : piece;
        if (send(fd, data, now, MSG_NOSIGNAL) != (ssize_t)now) {
            return false;
        }
        data += now;
        size -= now;
    }
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    (void)poll(&wait, 1, 2);
    shutdown(fd, SHUT_WR);
    return true;
}

/* All it says until it closes; the beginning is kept. Who refuses a body that may still come
 * waits 3 s for it after the answer: one in 64 callers sees that it ends. */
static size_t hear(int fd, char *answer, size_t size)
{
    static unsigned callers;
    bool waits = callers++ % 64 == 0;
    size_t heard = 0;
    char block[4096];
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (heard > 0 && !waits && poll(&wait, 1, 20) == 0) {
            return heard;
        }
        if (poll(&wait, 1, PATIENCE_MS) == 0) {
            fputs("fuzz_http: the caller is gone, and the server keeps the "
                  "connection\n",
                  stderr);
            abort();
        }
        ssize_t got = recv(fd, block, sizeof block, 0);
        if (got <= 0) {
            return heard;
        }
        for (ssize_t i = 0; i < got && heard < size; i++) {
            answer[heard++] = block[i];
        }
    }
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    if (server == NULL) {
        open_server();
    }
    if (size == 0) {
        return false;
    }
    int fd = connect_once();
    char answer[16] = "";
    send_pieces(fd, data + 1, size - 1, 1 + data[0] % 8u);
    size_t heard = hear(fd, answer, sizeof answer - 1);
    close(fd);
    assert(heard == 0 || memcmp(answer, "HTTP/1.", heard < 7 ? heard : 7) == 0);
    return heard >= 12 &&
           (memcmp(answer + 9, "200", 3) == 0 || memcmp(answer + 9, "101", 3) == 0);
}
