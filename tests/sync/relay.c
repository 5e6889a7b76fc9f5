#include "tests/sync/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define WIRES_MAX 64
#define KEPT_MAX ((size_t)16 << 20) /* bytes kept of one direction */

/* One direction of one connection. */
typedef struct flow {
    int from;
    int to;
    uint8_t waiting[1 << 16];
    size_t waiting_size;
    uint8_t *kept;
    size_t kept_size;
    bool forgotten;
} flow;

struct relay {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    int wake_fd;
    int listeners[2];
    uint16_t ports[2]; /* of the node */
    char url[64];
    flow *flows[WIRES_MAX * 2];
    size_t flow_count;
    bool cut;
    bool is_cut;
    bool closing;
};

static void die(const char *what)
{
    fprintf(stderr, "relay: %s: %s\n", what, strerrordesc_np(errno));
    abort();
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Listen at `port` (0: any); -1: it is in use. */
static int listen_at(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = loopback(*port);
    socklen_t size = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 16) != 0) {
        close(fd);
        return -1;
    }
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

static void listen_pair(relay *r, const char *scheme)
{
    for (int tries = 0; tries < 100; tries++) {
        uint16_t port = 0;
        r->listeners[0] = listen_at(&port);
        uint16_t beside = (uint16_t)(port + 1);
        r->listeners[1] = beside == 0 ? -1 : listen_at(&beside);
        if (r->listeners[0] >= 0 && r->listeners[1] >= 0) {
            snprintf(r->url, sizeof r->url, "%s127.0.0.1:%u", scheme, (unsigned)port);
            return;
        }
        if (r->listeners[0] >= 0) {
            close(r->listeners[0]);
        }
    }
    die("no pair of ports");
}

static void add_flow(relay *r, int from, int to)
{
    flow *added = calloc(1, sizeof *added);
    if (added == NULL || r->flow_count == WIRES_MAX * 2) {
        die("too many connections");
    }
    added->from = from;
    added->to = to;
    r->flows[r->flow_count++] = added;
}

static void accept_one(relay *r, int which)
{
    int from = accept4(r->listeners[which], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (from < 0) {
        return;
    }
    struct sockaddr_in address = loopback(r->ports[which]);
    int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r->cut || connect(to, (struct sockaddr *)&address, sizeof address) != 0) {
        close(to);
        close(from);
        return;
    }
    fcntl(to, F_SETFL, O_NONBLOCK);
    add_flow(r, from, to);
    add_flow(r, to, from);
}

/* Both directions of a connection have the same two sockets. */
static void end_connection(relay *r, const flow *ended)
{
    int a = ended->from;
    int b = ended->to;
    for (size_t i = 0; i < r->flow_count; i++) {
        if (r->flows[i]->from == a || r->flows[i]->from == b) {
            r->flows[i]->from = -1;
        }
    }
    close(a);
    close(b);
}

/* False: the connection is over. */
static bool pump(flow *f)
{
    if (f->waiting_size == 0) {
        ssize_t got = read(f->from, f->waiting, sizeof f->waiting);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            return false;
        }
        f->waiting_size = got > 0 ? (size_t)got : 0;
        if (f->kept_size + f->waiting_size <= KEPT_MAX && f->waiting_size > 0) {
            f->kept = realloc(f->kept, f->kept_size + f->waiting_size);
            if (f->kept == NULL) {
                die("memory");
            }
            memcpy(f->kept + f->kept_size, f->waiting, f->waiting_size);
            f->kept_size += f->waiting_size;
        }
    }
    if (f->waiting_size > 0) {
        ssize_t sent = send(f->to, f->waiting, f->waiting_size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            return false;
        }
        size_t gone = sent > 0 ? (size_t)sent : 0;
        memmove(f->waiting, f->waiting + gone, f->waiting_size - gone);
        f->waiting_size -= gone;
    }
    return true;
}

/* Mutex held. */
static void work(relay *r)
{
    accept_one(r, 0);
    accept_one(r, 1);
    for (size_t i = 0; i < r->flow_count; i++) {
        flow *f = r->flows[i];
        bool over = r->cut || r->closing;
        if (f->from >= 0 && (over || (!f->forgotten && !pump(f)))) {
            end_connection(r, f);
        }
    }
    r->is_cut = r->cut;
    pthread_cond_broadcast(&r->changed);
}

static nfds_t what_to_wait_for(const relay *r, struct pollfd *fds)
{
    nfds_t count = 0;
    fds[count++] = (struct pollfd){.fd = r->wake_fd, .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = r->listeners[0], .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = r->listeners[1], .events = POLLIN};
    for (size_t i = 0; i < r->flow_count; i++) {
        const flow *f = r->flows[i];
        if (f->from >= 0 && !f->forgotten) {
            fds[count++] = f->waiting_size > 0
                               ? (struct pollfd){.fd = f->to, .events = POLLOUT}
                               : (struct pollfd){.fd = f->from, .events = POLLIN};
        }
    }
    return count;
}

static void *run(void *ctx)
{
    relay *r = ctx;
    struct pollfd fds[3 + WIRES_MAX * 2];
    pthread_mutex_lock(&r->mutex);
    while (!r->closing) {
        nfds_t count = what_to_wait_for(r, fds);
        pthread_mutex_unlock(&r->mutex);
        poll(fds, count, -1);
        uint64_t wakes;
        ssize_t got = read(r->wake_fd, &wakes, sizeof wakes);
        (void)got;
        pthread_mutex_lock(&r->mutex);
        work(r);
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

static void wake(relay *r)
{
    uint64_t one = 1;
    if (write(r->wake_fd, &one, sizeof one) != sizeof one) {
        die("eventfd");
    }
}

relay *relay_open(const char *url)
{
    relay *r = calloc(1, sizeof *r);
    const char *host = strstr(url, "127.0.0.1:");
    if (r == NULL || host == NULL) {
        die("the node's URL");
    }
    char scheme[16];
    snprintf(scheme, sizeof scheme, "%.*s", (int)(host - url), url);
    r->ports[0] = (uint16_t)strtoul(host + 10, NULL, 10);
    r->ports[1] = (uint16_t)(r->ports[0] + 1);
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->changed, NULL);
    listen_pair(r, scheme);
    if (pthread_create(&r->thread, NULL, run, r) != 0) {
        die("thread");
    }
    return r;
}

void relay_close(relay *r)
{
    pthread_mutex_lock(&r->mutex);
    r->closing = true;
    pthread_mutex_unlock(&r->mutex);
    wake(r);
    pthread_join(r->thread, NULL);
    for (size_t i = 0; i < r->flow_count; i++) {
        if (r->flows[i]->from >= 0) {
            end_connection(r, r->flows[i]);
        }
        free(r->flows[i]->kept);
        free(r->flows[i]);
    }
    close(r->listeners[0]);
    close(r->listeners[1]);
    close(r->wake_fd);
    pthread_mutex_destroy(&r->mutex);
    pthread_cond_destroy(&r->changed);
    free(r);
}

const char *relay_url(const relay *r)
{
    return r->url;
}

void relay_cut(relay *r, bool cut)
{
    pthread_mutex_lock(&r->mutex);
    r->cut = cut;
    wake(r);
    while (r->is_cut != cut) {
        pthread_cond_wait(&r->changed, &r->mutex);
    }
    pthread_mutex_unlock(&r->mutex);
}

void relay_forget(relay *r)
{
    pthread_mutex_lock(&r->mutex);
    for (size_t i = 0; i < r->flow_count; i++) {
        r->flows[i]->forgotten = true;
    }
    wake(r);
    pthread_mutex_unlock(&r->mutex);
}

size_t relay_seen(relay *r)
{
    size_t seen = 0;
    pthread_mutex_lock(&r->mutex);
    for (size_t i = 0; i < r->flow_count; i++) {
        seen += r->flows[i]->kept_size;
    }
    pthread_mutex_unlock(&r->mutex);
    return seen;
}

bool relay_contains(relay *r, const void *bytes, size_t size)
{
    bool found = false;
    pthread_mutex_lock(&r->mutex);
    for (size_t i = 0; i < r->flow_count && !found; i++) {
        const flow *f = r->flows[i];
        found = f->kept_size > 0 && memmem(f->kept, f->kept_size, bytes, size) != NULL;
    }
    pthread_mutex_unlock(&r->mutex);
    return found;
}
