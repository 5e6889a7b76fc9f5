#ifndef CLI_WEB_LISTEN_H
#define CLI_WEB_LISTEN_H

/* Listening sockets for an address as a person writes it. */

#include "crdt/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define WEB_LISTEN_MAX 4

typedef struct web_listen {
    int fds[WEB_LISTEN_MAX]; /* owned; not blocking, closed on exec */
    size_t count;
    uint16_t port;
    char host[80]; /* as it is called in a URL: "127.0.0.1", "[::1]", "name" */
} web_listen;

/* HOST:PORT, [V6]:PORT, :PORT or PORT (on loopback); port 0: any free. "*" as HOST is
 * every address. A name that has several addresses gets a socket for each.
 * Errors: CRDT_EINVAL: the address. CRDT_EEXIST: in use. CRDT_EIO. */
crdt_err web_listen_open(web_listen *listen, const char *address, crdt_diag *diag);
/* Takes what web_listen_open gave, and a zeroed one. */
void web_listen_close(web_listen *listen);

/* The numeric address of `from` without port; IPv4 in IPv6 as IPv4. */
void web_listen_text(const struct sockaddr_storage *from, char *out, size_t size);
bool web_listen_is_loopback(const struct sockaddr_storage *from);

#endif /* CLI_WEB_LISTEN_H */
