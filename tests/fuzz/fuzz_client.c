/* What a server answers to our own client: the input is sent to whoever calls, whatever he
 * asks, and the connection closed. The first byte: 1 he follows redirects, 2 it is sent again to
 * the call that follows. What he takes is what he was sent, and no more than he wanted.
 * Nobody else is called: a redirect to another place finds no way there. */

#include "cli/web/client.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* libcurl's buffers of a connection, and an answer of 64 KiB at most. */
const fuzz_budget fuzz_target_budget = {
    .factor = 16, .fixed = 512u << 10, .lasting = true};

#define ANSWER_MAX 65536u

static int listen_fd = -1;
static uint16_t port;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t
    kept[ANSWER_MAX]; /* what is answered; the caller may be gone meanwhile */
static size_t kept_size;

/* Answer one after the other. */
static void *serve(void *ctx)
{
    (void)ctx;
    for (;;) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        char question[4096];
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, 1000) > 0) {
            (void)!recv(fd, question, sizeof question, 0);
        }
        pthread_mutex_lock(&lock);
        (void)!send(fd, kept, kept_size, MSG_NOSIGNAL);
        pthread_mutex_unlock(&lock);
        /* A reset at the end leaves no address in use. */
        struct linger now = {.l_onoff = 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        shutdown(fd, SHUT_WR);
        while (poll(&wait, 1, 1000) > 0 && recv(fd, question, sizeof question, 0) > 0) {
        }
        close(fd);
    }
    return NULL;
}

static void open_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t size = sizeof at;
    pthread_t thread;
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(listen_fd, 128) != 0 ||
        getsockname(listen_fd, (struct sockaddr *)&at, &size) != 0 ||
        pthread_create(&thread, NULL, serve, NULL) != 0) {
        perror("fuzz_client");
        abort();
    }
    port = ntohs(at.sin_port);
}

/* The library's too: only this server is there, whatever addresses an input names. */
int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t size)
{
    struct sockaddr_in to = {.sin_family = AF_UNSPEC};
    memcpy(&to, address.__sockaddr__, size < sizeof to ? size : sizeof to);
    if (to.sin_family != AF_INET || ntohl(to.sin_addr.s_addr) >> 24 != 127 ||
        ntohs(to.sin_port) != port) {
        errno = ENETUNREACH;
        return -1;
    }
    return (int)syscall(SYS_connect, fd, &to, (socklen_t)sizeof to);
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    static uint32_t number;
    if (listen_fd < 0) {
        open_server();
    }
    if (size == 0) {
        return false;
    }
    pthread_mutex_lock(&lock);
    kept_size = size - 1 < sizeof kept ? size - 1 : sizeof kept;
    memcpy(kept, data + 1, kept_size);
    pthread_mutex_unlock(&lock);
    char url[64];
    uint32_t host = 2 + number++ % 60000u; /* another address each time */
    snprintf(url, sizeof url, "http://127.0.%u.%u:%u/a", host / 250, 1 + host % 250,
             port);
    web_call call = web_call_default();
    call.url = url;
    call.method = "GET";
    call.answer_max = ANSWER_MAX;
    call.timeout_ms = 5000;
    call.follow = data[0] & 1;
    web_answer answer = {.status = 0};
    crdt_diag diag = {.text = ""};
    crdt_err err = web_client_call(&call, &answer, &diag);
    assert(answer.body.size <= ANSWER_MAX);
    assert(strnlen(answer.type, sizeof answer.type) < sizeof answer.type);
    assert(err == CRDT_OK || diag.text[0] != '\0');
    assert(err != CRDT_OK || (answer.status >= 100 && answer.status <= 999));
    web_answer_deinit(&answer);
    return err == CRDT_OK;
}
