#ifndef SYNC_CONNECTION_H
#define SYNC_CONNECTION_H

/* A TCP connection of this process that a library keeps to itself, known by its addresses:
 * found among the process's descriptors, and ended in the kernel. Whoever reads from it
 * then finds its end, as if the other side had closed it. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

typedef struct sync_connection {
    struct sockaddr_storage local;
    struct sockaddr_storage remote;
} sync_connection;

/* shutdown(2) on it; returns how many descriptors it was found under (0: it is gone).
 * O(open descriptors). A descriptor that is closed and used anew in the midst may be ended
 * in its stead; so only for connections that are made again. */
size_t sync_connection_shut(const sync_connection *connection);

/* Same family, address and port? Flow labels and scopes are not looked at. */
bool sync_connection_same_address(const struct sockaddr_storage *a,
                                  const struct sockaddr_storage *b);

#endif /* SYNC_CONNECTION_H */
