#include "sync/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

crdt_err sync_link_listen(sync_link *link, const char *url,
                          char bound[SYNC_LINK_URL_SIZE], crdt_diag *diag)
{
    return link->ops->listen(link, url, bound, diag);
}

crdt_err sync_link_subscribe(sync_link *link, crdt_span topic)
{
    return link->ops->subscribe(link, topic);
}

crdt_err sync_link_dial(sync_link *link, uint32_t peer, const char *url,
                        crdt_diag *diag)
{
    return link->ops->dial(link, peer, url, diag);
}

void sync_link_undial(sync_link *link, uint32_t peer)
{
    link->ops->undial(link, peer);
}

void sync_link_redial(sync_link *link, uint32_t peer)
{
    if (link->ops->redial != NULL) {
        link->ops->redial(link, peer);
    }
}

crdt_err sync_link_publish(sync_link *link, crdt_span bytes)
{
    return link->ops->publish(link, bytes);
}

crdt_err sync_link_request(sync_link *link, uint32_t peer, crdt_span bytes,
                           uint64_t token, uint32_t timeout_ms)
{
    return link->ops->request(link, peer, bytes, token, timeout_ms);
}

crdt_err sync_link_reply(sync_link *link, uint64_t token, crdt_span bytes)
{
    return link->ops->reply(link, token, bytes);
}

bool sync_link_receive(sync_link *link, sync_link_event *event)
{
    return link->ops->receive(link, event);
}

int sync_link_fd(const sync_link *link)
{
    return link->ops->fd(link);
}

sync_link_counts sync_link_count(sync_link *link)
{
    return link->ops->count(link);
}

void sync_link_look(sync_link *link, sync_link_tell tell, void *ctx)
{
    if (link->ops->look != NULL) {
        link->ops->look(link, tell, ctx);
    }
}

void sync_link_close(sync_link *link)
{
    if (link != NULL) {
        link->ops->close(link);
    }
}

/* The port at the end of HOST:PORT, and where its digits begin. */
static bool find_port(const char *address, const char **digits, unsigned long *port)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address || colon[1] < '0' || colon[1] > '9') {
        return false;
    }
    char *end = NULL;
    *port = strtoul(colon + 1, &end, 10);
    *digits = colon + 1;
    return *end == '\0' && end - colon <= 6 && *port <= 65534;
}

crdt_err sync_link_publish_url(const char *url, char out[SYNC_LINK_URL_SIZE],
                               crdt_diag *diag)
{
    static const char *const schemes[] = {"tcp://", "tls+tcp://"};
    int size = -1;
    if (strncmp(url, "inproc://", 9) == 0 && url[9] != '\0') {
        size = snprintf(out, SYNC_LINK_URL_SIZE, "%s/pub", url);
    }
    for (size_t i = 0; i < 2; i++) {
        const char *digits = NULL;
        unsigned long port = 0;
        size_t length = strlen(schemes[i]);
        if (strncmp(url, schemes[i], length) == 0 &&
            find_port(url + length, &digits, &port)) {
            size = snprintf(out, SYNC_LINK_URL_SIZE, "%.*s%lu", (int)(digits - url),
                            url, port == 0 ? 0 : port + 1);
        }
    }
    if (size < 0 || size >= SYNC_LINK_URL_SIZE) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "'%.80s' is no URL of the forms inproc://NAME, "
                             "tcp://HOST:PORT, tls+tcp://HOST:PORT",
                             url);
    }
    return CRDT_OK;
}
