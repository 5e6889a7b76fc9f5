#include "sync/replica_impl.h"

#include "crdt/mutant.h"

crdt_err replica_presence_set(sync_replica *replica, crdt_span bytes)
{
    if (bytes.size > replica->o.presence_size_max) {
        return CRDT_ELIMIT;
    }
    if (crdt_span_equal(crdt_buf_span(&replica->presence), bytes)) {
        return CRDT_OK;
    }
    crdt_err err = crdt_buf_reserve(&replica->presence, bytes.size);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_buf_clear(&replica->presence);
    err = crdt_buf_append_span(&replica->presence, bytes);
    replica->presence_number++;
    if (replica->presence_at_ms == UINT64_MAX) {
        uint64_t gap_end = replica->presence_sent_ms + replica->o.presence_gap_ms;
        bool first = replica->presence_sent_ms == 0;
        replica->presence_at_ms =
            first || gap_end < replica->now_ms ? replica->now_ms : gap_end;
    }
    return err;
}

void replica_presence_follow(sync_peer *peer)
{
    if (peer->presence_nonce != peer->nonce) {
        peer->presence_nonce = peer->nonce;
        peer->presence_number = 0;
    }
}

void replica_presence_note(sync_replica *replica, sync_peer *peer,
                           const sync_presence *presence)
{
    if (peer->presence_nonce != peer->nonce) {
        return;
    }
    if ((presence->number <= peer->presence_number && !MUTANT(35)) ||
        presence->bytes.size > replica->o.presence_size_max) {
        return;
    }
    peer->presence_number = presence->number;
    if (crdt_span_equal(crdt_buf_span(&peer->presence), presence->bytes)) {
        return;
    }
    crdt_buf_clear(&peer->presence);
    replica_note_err(replica, crdt_buf_append_span(&peer->presence, presence->bytes));
    sync_notice *notice =
        sync_outbox_notice(&replica->out, SYNC_NOTICE_PRESENCE, &peer->actor);
    notice->bytes = sync_outbox_copy(&replica->out, presence->bytes);
}

void replica_presence_receive(sync_replica *replica, sync_peer *peer,
                              const sync_presence *presence)
{
    if (peer->joined && !peer->refused && !peer->leaving) {
        replica_presence_note(replica, peer, presence);
    }
}

void replica_presence_send(sync_replica *replica)
{
    replica->presence_at_ms = UINT64_MAX;
    replica->presence_sent_ms = replica->now_ms;
    if (replica->scene.size == 0) {
        return; /* the first beacon tells it */
    }
    sync_message message = replica_message(replica, SYNC_MESSAGE_PRESENCE);
    message.body.presence = (sync_presence){.number = replica->presence_number,
                                            .bytes = crdt_buf_span(&replica->presence)};
    crdt_span bytes = replica_encode(replica, &message);
    if (bytes.size > 0) {
        sync_outbox_publish(&replica->out, bytes);
        replica->counts.presences++;
    }
    /* Whom publications do not reach is told by the next HELLO: now. */
    for (size_t i = 0; i < replica->peers.count; i++) {
        sync_peer *peer = replica->peers.items[i];
        if (peer->joined && peer->connected && !peer->hears_me &&
            peer->hello_at_ms > replica->now_ms) {
            peer->hello_at_ms = replica->now_ms;
            replica_wake(replica, replica->now_ms);
        }
    }
}
