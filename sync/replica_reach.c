#include "sync/replica_impl.h"

#include "crdt/mutant.h"

/* Ways that fell silent are begun anew
 *
 *      published ──▶ |◀────── 1.5 beacons ──────▶|◀ 0.5 s ▶|◀ 0.5 s ▶|
 *                    last sign of life           try       try       try ...
 *
 * A connection that met a cut is no use when the cut is over: TCP sends again after 0.2, 0.6,
 * 1.4, 3, 6, 12 s ..., so it is silent for as long again as the cut lasted; one whose address
 * moved, or that a NAT forgot, for a quarter of an hour. The first packet of a new connection
 * is sent again after 1, 3, 7 s. So new ones are begun beside the old one, and the link keeps
 * what speaks first: a way that is only slow loses nothing by it. */

#define TRY_MS 500u
#define TRY_LATER_MS 1000u /* once it was silent for TRY_SOON_MS */
#define TRY_SOON_MS 60000u
#define TRY_GAP_MS 250u /* at most so often, whatever is heard */
#define SILENCES_MAX 5u /* doublings of the patience: to 48 s */

/* The last time that something came over our link to it, or that the link came up. A peer
 * that edits this scene publishes; of any other one only replies are to be expected. */
static uint64_t last_life(const sync_replica *replica, const sync_peer *peer)
{
    bool publishes = replica->scene.size > 0 && peer->beacon_known;
    uint64_t at = peer->up_at_ms;
    at = peer->published_at_ms > at ? peer->published_at_ms : at;
    return !publishes && peer->replied_at_ms > at ? peer->replied_at_ms : at;
}

/* A new link that stood and brought nothing either: then it is no matter of the way. */
static uint64_t patience_ms(const sync_replica *replica, const sync_peer *peer)
{
    return ((uint64_t)replica->o.beacon_ms * 3 / 2) << peer->silences;
}

/* Many that lost one way at one moment do not try in step. No luck of the replica is spent. */
static uint64_t step_ms(const sync_replica *replica, const sync_peer *peer)
{
    uint64_t quiet = replica->now_ms - last_life(replica, peer);
    uint64_t step = quiet < TRY_SOON_MS ? TRY_MS : TRY_LATER_MS;
    uint64_t mixed = (replica->o.nonce ^ peer->tried_at_ms ^ peer->number) *
                     UINT64_C(0x9e3779b97f4a7c15);
    return step - step / 10 + (mixed >> 32) % (step / 5);
}

/* UINT64_MAX: never. Who was only heard of, and never there, is left to the link: addresses
 * may be lies. */
static uint64_t when_to_try(const sync_replica *replica, const sync_peer *peer)
{
    bool over = peer->connected && (peer->refused || peer->leaving);
    bool rumour = !peer->configured && peer->up_at_ms == 0;
    if (peer->number == 0 || peer->alias || over || rumour) {
        return UINT64_MAX;
    }
    uint64_t again = peer->tried_at_ms + step_ms(replica, peer);
    uint64_t silent = last_life(replica, peer) + patience_ms(replica, peer);
    return peer->connected && silent > again ? silent : again;
}

static void try_again(sync_replica *replica, sync_peer *peer)
{
    peer->tried_at_ms = replica->now_ms;
    replica->counts.tried++;
    sync_outbox_dial_again(&replica->out, peer->number, crdt_buf_span(&peer->url));
}

void replica_reach_look(sync_replica *replica, sync_peer *peer)
{
    uint64_t at = when_to_try(replica, peer);
    if (at <= replica->now_ms && !MUTANT(428)) {
        try_again(replica, peer);
        at = when_to_try(replica, peer);
    }
    replica_wake(replica, at);
}

void replica_reach_hello(sync_replica *replica, sync_peer *peer)
{
    bool silent = !peer->connected || replica->now_ms - last_life(replica, peer) >
                                          patience_ms(replica, peer);
    if (peer->number != 0 && silent && !MUTANT(429) &&
        replica->now_ms - peer->tried_at_ms >= TRY_GAP_MS) {
        try_again(replica, peer);
    }
}

void replica_reach_link(sync_replica *replica, sync_peer *peer, bool up)
{
    if (!up) {
        peer->tried_at_ms = replica->now_ms; /* the link begins anew by itself */
        return;
    }
    if (peer->up_at_ms != 0 && last_life(replica, peer) == peer->up_at_ms &&
        peer->silences < SILENCES_MAX && !MUTANT(430)) {
        peer->silences++;
    }
    peer->up_at_ms = replica->now_ms == 0 ? 1 : replica->now_ms;
}
