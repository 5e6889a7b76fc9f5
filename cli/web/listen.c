#include "cli/web/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4096

/* Split ADDRESS; host is "" for every address. */
static bool split(const char *address, char host[80], char port[8])
{
    const char *colon = strrchr(address, ':');
    const char *host_start = address;
    size_t host_size = 0;
    if (colon == NULL) {
        host_start = "127.0.0.1";
        host_size = strlen(host_start);
        colon = address - 1;
    } else if (address[0] == '[') {
        if (colon == address || colon[-1] != ']') {
            return false;
        }
        host_start = address + 1;
        host_size = (size_t)(colon - address) - 2;
    } else {
        host_size = (size_t)(colon - address);
        if (memchr(address, ':', host_size) != NULL) {
            return false; /* an IPv6 address needs its brackets */
        }
        if (host_size == 0) {
            host_start = "127.0.0.1";
            host_size = strlen(host_start);
        }
    }
    size_t port_size = strlen(colon + 1);
    if (host_size >= 80 || host_size == 0 || port_size == 0 || port_size > 5 ||
        strspn(colon + 1, "0123456789") != port_size) {
        return false;
    }
    memcpy(host, host_start, host_size);
    host[host_size] = '\0';
    memcpy(port, colon + 1, port_size + 1);
    unsigned number = 0;
    for (const char *digit = port; *digit != '\0'; digit++) {
        number = number * 10 + (unsigned)(*digit - '0');
    }
    return number <= UINT16_MAX;
}

static uint16_t port_of(const struct sockaddr_storage *from)
{
    if (from->ss_family == AF_INET6) {
        return ntohs(((const struct sockaddr_in6 *)from)->sin6_port);
    }
    return ntohs(((const struct sockaddr_in *)from)->sin_port);
}

/* Bind one address; 0, or errno. `port` is used when not 0 (the others got it). */
static int bind_one(web_listen *listen_, const struct addrinfo *info)
{
    struct sockaddr_storage at = {0};
    memcpy(&at, info->ai_addr, info->ai_addrlen);
    if (listen_->port != 0) {
        if (at.ss_family == AF_INET6) {
            ((struct sockaddr_in6 *)&at)->sin6_port = htons(listen_->port);
        } else {
            ((struct sockaddr_in *)&at)->sin_port = htons(listen_->port);
        }
    }
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    socklen_t size = sizeof at;
    if (bind(fd, (const struct sockaddr *)&at, info->ai_addrlen) != 0 ||
        listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        int error = errno;
        close(fd);
        return error;
    }
    listen_->port = port_of(&at);
    listen_->fds[listen_->count++] = fd;
    return 0;
}

static crdt_err bind_error(int error, const char *address, crdt_diag *diag)
{
    switch (error) {
    case EADDRINUSE:
        return crdt_diag_set(diag, CRDT_EEXIST, 0,
                             "%s is in use by another program: choose another port",
                             address);
    case EACCES:
        return crdt_diag_set(
            diag, CRDT_EIO, 0,
            "not allowed to listen at %s: ports below 1024 need a right", address);
    case EADDRNOTAVAIL:
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "%s is not an address of this machine", address);
    default:
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot listen at %s (errno %d)",
                             address, error);
    }
}

crdt_err web_listen_open(web_listen *listen_, const char *address, crdt_diag *diag)
{
    *listen_ = (web_listen){0};
    char host[80];
    char port[8];
    if (address == NULL || !split(address, host, port)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "\"%.80s\" is not HOST:PORT, [IPV6]:PORT or PORT",
                             address == NULL ? "" : address);
    }
    bool every = strcmp(host, "*") == 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(every ? NULL : host, port, &hints, &found);
    if (result != 0) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "%s: %s", address,
                             gai_strerror(result));
    }
    int error = 0;
    for (struct addrinfo *at = found; at != NULL && listen_->count < WEB_LISTEN_MAX;
         at = at->ai_next) {
        if (at->ai_family == AF_INET || at->ai_family == AF_INET6) {
            int failed = bind_one(listen_, at);
            /* one family of a name may be missing on this machine */
            bool missing = failed == EADDRNOTAVAIL || failed == EAFNOSUPPORT;
            error = failed != 0 && (error == 0 || !missing) ? failed : error;
            if (failed != 0 && !missing) {
                break;
            }
        }
    }
    freeaddrinfo(found);
    bool missing = error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
    if (error != 0 && !(missing && listen_->count > 0)) {
        web_listen_close(listen_);
        return bind_error(error, address, diag);
    }
    const char *name = every || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0
                           ? "localhost"
                           : host;
    snprintf(listen_->host, sizeof listen_->host,
             strchr(name, ':') != NULL ? "[%.77s]" : "%.79s", name);
    return listen_->count > 0
               ? CRDT_OK
               : crdt_diag_set(diag, CRDT_EINVAL, 0, "%s has no address", address);
}

void web_listen_close(web_listen *listen_)
{
    for (size_t i = 0; i < listen_->count; i++) {
        close(listen_->fds[i]);
    }
    listen_->count = 0;
}

/* The IPv4 address in `from`, also where it is mapped into IPv6. */
static bool ipv4_of(const struct sockaddr_storage *from, struct in_addr *out)
{
    if (from->ss_family == AF_INET) {
        *out = ((const struct sockaddr_in *)from)->sin_addr;
        return true;
    }
    const struct in6_addr *six = &((const struct sockaddr_in6 *)from)->sin6_addr;
    if (from->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(six)) {
        return false;
    }
    memcpy(out, six->s6_addr + 12, sizeof *out);
    return true;
}

void web_listen_text(const struct sockaddr_storage *from, char *out, size_t size)
{
    struct in_addr four;
    out[0] = '\0';
    if (ipv4_of(from, &four)) {
        inet_ntop(AF_INET, &four, out, (socklen_t)size);
    } else if (from->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)from)->sin6_addr, out,
                  (socklen_t)size);
    }
}

bool web_listen_is_loopback(const struct sockaddr_storage *from)
{
    struct in_addr four;
    if (ipv4_of(from, &four)) {
        return ntohl(four.s_addr) >> 24 == 127;
    }
    return from->ss_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)from)->sin6_addr);
}
