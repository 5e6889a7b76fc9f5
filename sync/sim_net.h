#ifndef SYNC_SIM_NET_H
#define SYNC_SIM_NET_H

/* A simulated network: packets that wait for their time, and faults decided by a seed.
 *
 * Every directed pair of places has its own luck: it may be cut, lose, repeat and delay
 * packets (different delays reorder them). What becomes of a packet depends on the seed, its
 * way and its number on that way, and on nothing else: the same seed and the same sends give
 * the same deliveries, and a run in which one thing is left out differs only in what comes
 * of that. */

#include "crdt/buf.h"

typedef enum sync_sim_packet_kind {
    SYNC_SIM_PUBLICATION,
    SYNC_SIM_REQUEST,
    SYNC_SIM_REPLY,
    SYNC_SIM_EXPIRED, /* a timer: the request `token` of `to` has had its time */
    SYNC_SIM_LINK_UP, /* a timer: the link `link` of `to` stands */
    SYNC_SIM_LINK_DOWN,
} sync_sim_packet_kind;

typedef struct sync_sim_packet {
    sync_sim_packet_kind kind;
    uint64_t at_ms;
    uint64_t order;  /* of two at one time the one sent first comes first */
    uint64_t number; /* on its way; 0: a timer */
    uint32_t from;
    uint32_t to;
    uint64_t to_life; /* deliver only if the receiver did not start again; 0: anyway */
    uint32_t link;    /* the receiver's (PUBLICATION, timers) or asker's number */
    uint64_t token;
    uint8_t *bytes; /* owned */
    size_t size;
} sync_sim_packet;

typedef struct sync_sim_faults {
    uint32_t drop_percent;
    uint32_t duplicate_percent;
    uint32_t delay_ms_min;
    uint32_t delay_ms_max;
} sync_sim_faults;

typedef struct sync_sim_net {
    crdt_alloc alloc;
    uint64_t seed;
    uint32_t place_count;
    sync_sim_faults faults;
    bool *cut;                /* [from * place_count + to] */
    uint64_t *numbers;        /* packets sent that way, likewise */
    uint64_t *arrived;        /* the highest number that came that way */
    sync_sim_packet *packets; /* a heap by (at_ms, order) */
    size_t packet_count;
    size_t packet_capacity;
    uint64_t order;
    uint64_t sent;    /* publications, requests, replies */
    uint64_t lost;    /* by luck and by cuts */
    uint64_t cut_off; /* of these by cuts */
    uint64_t repeated;
    uint64_t overtaken; /* came after one that was sent later */
} sync_sim_net;

/* Errors: CRDT_ENOMEM. */
crdt_err sync_sim_net_init(sync_sim_net *net, crdt_alloc alloc, uint32_t place_count,
                           uint64_t seed);
void sync_sim_net_deinit(sync_sim_net *net);

/* Nothing gets from `from` to `to` while it is cut. */
void sync_sim_net_cut(sync_sim_net *net, uint32_t from, uint32_t to, bool cut);
bool sync_sim_net_is_cut(const sync_sim_net *net, uint32_t from, uint32_t to);

/* Send a copy of `bytes`: lost, repeated, delayed as luck has it. Errors: CRDT_ENOMEM. */
crdt_err sync_sim_net_send(sync_sim_net *net, const sync_sim_packet *about,
                           crdt_span bytes, uint64_t now_ms);
/* A timer at about->at_ms: never lost. Errors: CRDT_ENOMEM. */
crdt_err sync_sim_net_schedule(sync_sim_net *net, const sync_sim_packet *about);
/* Put back a packet that was taken, for packet->at_ms; its bytes go over, if it succeeds.
 * Errors: CRDT_ENOMEM. */
crdt_err sync_sim_net_put(sync_sim_net *net, const sync_sim_packet *packet);
/* When the next packet is due; UINT64_MAX: none. */
uint64_t sync_sim_net_next_ms(const sync_sim_net *net);
/* When the last of the packets that are under way is due, timers left aside; 0: none is.
 * O(packets). */
uint64_t sync_sim_net_last_ms(const sync_sim_net *net);
/* Take the next packet; give it back with sync_sim_net_free. False: none. */
bool sync_sim_net_take(sync_sim_net *net, sync_sim_packet *packet);
void sync_sim_net_free(sync_sim_net *net, sync_sim_packet *packet);

#endif /* SYNC_SIM_NET_H */
