#include "sync/connection.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

bool sync_connection_same_address(const struct sockaddr_storage *a,
                                  const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family) {
        return false;
    }
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *x = (const struct sockaddr_in *)a;
        const struct sockaddr_in *y = (const struct sockaddr_in *)b;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a;
        const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)b;
        return x->sin6_port == y->sin6_port &&
               memcmp(&x->sin6_addr, &y->sin6_addr, 16) == 0;
    }
    return false;
}

static bool is_it(int fd, const sync_connection *connection)
{
    struct sockaddr_storage local;
    struct sockaddr_storage remote;
    socklen_t local_size = sizeof local;
    socklen_t remote_size = sizeof remote;
    return getsockname(fd, (struct sockaddr *)&local, &local_size) == 0 &&
           sync_connection_same_address(&local, &connection->local) &&
           getpeername(fd, (struct sockaddr *)&remote, &remote_size) == 0 &&
           sync_connection_same_address(&remote, &connection->remote);
}

size_t sync_connection_shut(const sync_connection *connection)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        return 0;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char *end = NULL;
        long fd = strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && is_it((int)fd, connection)) { /* not "." or ".." */
            count += shutdown((int)fd, SHUT_RDWR) == 0;
        }
    }
    closedir(dir);
    return count;
}
