#include "sync/peer.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>

static const crdt_actor A = {{1}};
static const crdt_actor B = {{2}};

static crdt_version view(crdt_stamp *stamp, crdt_actor actor, uint64_t time)
{
    *stamp = (crdt_stamp){time, actor};
    return (crdt_version){.stamps = stamp, .stamp_count = 1};
}

/* A gap has an age: it begins when the peer gets ahead, and again after it was filled. */
Test(peer, gap_begins_when_it_gets_ahead)
{
    sync_peers peers;
    sync_peers_init(&peers, crdt_alloc_default(), 8);
    sync_peer *peer = sync_peers_add(&peers, 0, NULL);
    crdt_stamp mine;
    crdt_stamp its;
    crdt_version me = view(&mine, A, 5);
    crdt_version version = view(&its, A, 5);
    cr_assert_eq(sync_peer_raise(&peers, peer, &version, &me, 100), CRDT_OK);
    cr_assert(!peer->ahead);
    version = view(&its, A, 7);
    cr_assert_eq(sync_peer_raise(&peers, peer, &version, &me, 200), CRDT_OK);
    cr_assert(peer->ahead);
    cr_assert_eq(peer->gap_at_ms, 200);
    version = view(&its, A, 9);
    cr_assert_eq(sync_peer_raise(&peers, peer, &version, &me, 300), CRDT_OK);
    cr_assert_eq(peer->gap_at_ms, 200, "still the same gap");
    cr_assert_eq(sync_peer_lag(peer, &me), 4);
    me = view(&mine, A, 9);
    version = view(&its, A, 11);
    cr_assert_eq(sync_peer_raise(&peers, peer, &version, &me, 400), CRDT_OK);
    cr_assert_eq(peer->gap_at_ms, 400, "that one was filled");
    cr_assert_eq(peers.ahead_count, 1);
    version = view(&its, A, 3);
    cr_assert_eq(sync_peer_assign(&peers, peer, &version, &me, 500), CRDT_OK);
    cr_assert(!peer->ahead);
    cr_assert_eq(peers.ahead_count, 0);
    sync_peers_deinit(&peers);
}

Test(peer, table)
{
    fault_alloc fault;
    sync_peers peers;
    sync_peers_init(&peers, fault_alloc_init(&fault), 2);
    sync_peer *first = sync_peers_add(&peers, 1, NULL);
    sync_peer *second = sync_peers_add(&peers, 1, NULL);
    bool full = false;
    cr_assert_null(sync_peers_add(&peers, 1, &full));
    cr_assert(full);
    first->number = 7;
    first->actor_known = true;
    first->actor = A;
    first->nonce = 5;
    cr_assert_eq(crdt_buf_append_span(&second->url, crdt_span_of("tcp://x:1")),
                 CRDT_OK);
    cr_assert_eq(sync_peers_find_number(&peers, 7), first);
    cr_assert_null(sync_peers_find_number(&peers, 0), "0 is no link");
    cr_assert_eq(sync_peers_find_actor(&peers, &A), first);
    cr_assert_null(sync_peers_find_actor(&peers, &B));
    cr_assert_eq(sync_peers_find_life(&peers, &A, 5), first);
    cr_assert_null(sync_peers_find_life(&peers, &A, 6), "a copy is another one");
    cr_assert_eq(sync_peers_find_url(&peers, crdt_span_of("tcp://x:1")), second);
    cr_assert_null(sync_peers_find_url(&peers, crdt_span_of("")));
    sync_peers_remove(&peers, first);
    cr_assert_null(sync_peers_find_actor(&peers, &A));
    cr_assert_eq(peers.count, 1);
    sync_peers_deinit(&peers);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(peer, whom_it_hears)
{
    sync_peers peers;
    sync_peers_init(&peers, crdt_alloc_default(), 2);
    sync_peer *peer = sync_peers_add(&peers, 1, NULL);
    const crdt_actor heard[2] = {B, A};
    cr_assert(!sync_peer_hears(peer, &A));
    cr_assert_eq(sync_peer_set_heard(&peers, peer, heard, 2), CRDT_OK);
    cr_assert(sync_peer_hears(peer, &A));
    cr_assert(sync_peer_hears(peer, &B));
    cr_assert_eq(sync_peer_set_heard(&peers, peer, heard, 1), CRDT_OK);
    cr_assert(!sync_peer_hears(peer, &A));
    sync_peers_deinit(&peers);
}
