#include "sync/node_impl.h"

#include <stdio.h>
#include <string.h>

#define LOOK_MS 500
#define FIRST_MS 1500  /* not there for so long: it is told */
#define AGAIN_MS 10000 /* and again after this, doubling */
#define AGAIN_MS_MAX 600000
/* What is not there for so long is dialed anew. Not connected: a first packet that is lost is
 * sent again after 1, 3, 7, 15 s, so new ones keep the steps short; after a minute there is
 * time. Connected and silent: it may only be slow, so it is given twice as long each time. */
#define DIAL_MS 3000
#define DIAL_MS_LATER 15000
#define DIAL_SOON_MS 60000
#define SILENT_MS 2000
#define SILENT_MS_MAX 64000

/* The row of `peer` (0: those who came to us); NULL: no memory. */
static node_trouble *find_trouble(sync_node *node, uint32_t peer, bool add)
{
    for (size_t i = 0; i < node->trouble_count; i++) {
        if (node->troubles[i].peer == peer) {
            return &node->troubles[i];
        }
    }
    if (!add) {
        return NULL;
    }
    if (node->trouble_count == node->trouble_capacity) {
        size_t capacity = node->trouble_capacity * 2 + 8;
        node_trouble *troubles =
            crdt_resize_array(node->alloc, node->troubles, node->trouble_capacity,
                              capacity, sizeof *troubles);
        if (troubles == NULL) {
            return NULL;
        }
        node->troubles = troubles;
        node->trouble_capacity = capacity;
    }
    node_trouble *added = &node->troubles[node->trouble_count++];
    *added = (node_trouble){.peer = peer};
    return added;
}

/* Is it time to tell (again)? */
static bool is_due(node_trouble *trouble, uint64_t now)
{
    if (now < trouble->next_ms) {
        return false;
    }
    /* What was quiet for long begins anew. */
    bool anew = trouble->wait_ms == 0 || now - trouble->next_ms > trouble->wait_ms * 2;
    trouble->wait_ms = anew ? AGAIN_MS : trouble->wait_ms * 2;
    trouble->wait_ms =
        trouble->wait_ms < AGAIN_MS_MAX ? trouble->wait_ms : AGAIN_MS_MAX;
    trouble->next_ms = now + trouble->wait_ms;
    return true;
}

/* What the link knows. */
static void note_reason(void *ctx, uint32_t peer, const char *reason)
{
    sync_node *node = ctx;
    node_trouble *trouble = find_trouble(node, peer, peer == 0);
    if (peer != 0) {
        if (trouble != NULL) {
            snprintf(trouble->reason, sizeof trouble->reason, "%s", reason);
        }
    } else if (trouble == NULL || is_due(trouble, sync_node_now_ms())) {
        sync_node_emit(node, &(sync_event){.kind = SYNC_EVENT_REFUSED, .text = reason});
    }
}

/* Rows for those who are not there, and for nobody else. */
static void note_peers(sync_node *node, uint64_t now)
{
    sync_peer_status peer;
    for (size_t index = 0; sync_replica_next_peer(node->replica, &index, &peer);) {
        bool there = !peer.configured || peer.heard || (peer.connected && peer.refused);
        node_trouble *trouble =
            peer.peer == 0 ? NULL : find_trouble(node, peer.peer, !there);
        if (trouble == NULL) {
            continue;
        }
        trouble->over = there;
        trouble->connected = peer.connected;
        trouble->reason[0] = '\0';
        if (trouble->since_ms == 0) {
            trouble->since_ms = now;
            trouble->next_ms = now + FIRST_MS;
        }
    }
}

const char *sync_node_reason(sync_node *node, const sync_peer_status *peer)
{
    const node_trouble *trouble =
        peer->peer == 0 ? NULL : find_trouble(node, peer->peer, false);
    if (trouble != NULL && trouble->reason[0] != '\0') {
        return trouble->reason;
    }
    if (!peer->connected) {
        return "there is no connection to it";
    }
    return node->options.key != NULL
               ? "is connected and does not answer"
               : "is connected and does not answer; it may want a key";
}

static void tell_troubles(sync_node *node, uint64_t now)
{
    sync_peer_status peer;
    for (size_t index = 0; sync_replica_next_peer(node->replica, &index, &peer);) {
        node_trouble *trouble =
            peer.peer == 0 ? NULL : find_trouble(node, peer.peer, false);
        if (trouble == NULL || trouble->over || !is_due(trouble, now)) {
            continue;
        }
        char url[SYNC_NODE_NAME_SIZE];
        snprintf(url, sizeof url, "%.*s", (int)peer.url.size,
                 peer.url.size > 0 ? (const char *)peer.url.data : "");
        sync_node_emit(node, &(sync_event){.kind = SYNC_EVENT_UNREACHABLE,
                                           .actor = peer.actor,
                                           .url = url,
                                           .text = sync_node_reason(node, &peer)});
    }
}

/* How long to wait for it now. */
static uint64_t patience(node_trouble *trouble, uint64_t now)
{
    if (!trouble->connected) {
        return now - trouble->since_ms < DIAL_SOON_MS ? DIAL_MS : DIAL_MS_LATER;
    }
    uint64_t wait = trouble->silent_ms == 0 ? SILENT_MS : trouble->silent_ms * 2;
    trouble->silent_ms = wait < SILENT_MS_MAX ? wait : SILENT_MS_MAX;
    return trouble->silent_ms;
}

static void redial(sync_node *node, uint64_t now)
{
    for (size_t i = 0; i < node->trouble_count; i++) {
        node_trouble *trouble = &node->troubles[i];
        if (trouble->peer == 0 || trouble->over) {
            continue;
        }
        if (trouble->redial_ms != 0 && now >= trouble->redial_ms) {
            sync_link_redial(node->link, trouble->peer);
            trouble->redial_ms = 0;
        }
        if (trouble->redial_ms == 0) {
            trouble->redial_ms = now + patience(trouble, now);
        }
    }
}

static void drop_over(sync_node *node)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->trouble_count; i++) {
        if (!node->troubles[i].over) {
            node->troubles[kept++] = node->troubles[i];
        }
    }
    node->trouble_count = kept;
}

uint64_t sync_node_look_around(sync_node *node)
{
    if (node->link == NULL) {
        return UINT64_MAX;
    }
    uint64_t now = sync_node_now_ms();
    if (now < node->looked_ms + LOOK_MS) {
        return node->looked_ms + LOOK_MS;
    }
    node->looked_ms = now;
    note_peers(node, now);
    sync_link_look(node->link, note_reason, node);
    if (!node->stuck && sync_link_count(node->link).stuck) {
        node->stuck = true;
        sync_node_emit(node,
                       &(sync_event){.kind = SYNC_EVENT_STUCK,
                                     .text = "the network library hangs and takes "
                                             "no new connections: start again"});
    }
    tell_troubles(node, now);
    redial(node, now);
    drop_over(node);
    return now + LOOK_MS;
}
