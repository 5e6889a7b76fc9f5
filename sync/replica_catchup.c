#include "sync/replica_impl.h"

#include "crdt/mutant.h"

#include <stdio.h>
#include <string.h>

#define CHUNK_SIZE_MIN 512u        /* of foreign answers in several chunks */
#define REUSE_SIZE_MIN (64u << 10) /* answers from here on serve many joiners */
#define REUSE_MS 2000u             /* although the document has moved on */
#define SHELF_SIZE_MIN (16u << 10) /* smaller ones are made anew for everyone */
#define BUSY_MS 250u
#define PUSH_BEACONS 2u /* a peer that does not hear us for so long gets a PUSH */
#define RESCUE_TRIES_MAX 5u
#define RESCUE_FAILURES_MAX 50u
#define SLOW_WINDOW 6u /* doublings of patience: chunks are asked for one by one */

static const crdt_version *doc_version(const sync_replica *replica)
{
    return crdt_document_version(replica->doc);
}

static size_t chunk_size(const sync_replica *replica)
{
    return replica->o.message_size_max - SYNC_MESSAGE_OVERHEAD;
}

/* ---- taking an answer in ---- */

/* May the answer's version be believed? */
static crdt_err check_version(sync_replica *replica, const crdt_actor *from)
{
    const sync_peer *peer = sync_peers_find_actor(&replica->peers, from);
    const crdt_version *version = &replica->answer_version;
    if (crdt_version_time_max(version) >
            crdt_version_time_max(doc_version(replica)) + replica->o.time_jump_max &&
        !MUTANT(46)) {
        replica_refuse(replica, from, CRDT_ELIMIT,
                       "an answer far ahead of all times known");
        return CRDT_ELIMIT;
    }
    if (crdt_version_get(version, &replica->meta.actor) >
            crdt_version_get(doc_version(replica), &replica->meta.actor) &&
        !MUTANT(215)) {
        replica_identity_trip(
            replica, peer, NULL,
            "an answer has operations of this replica's actor unknown here");
        return CRDT_EFORK;
    }
    return CRDT_OK;
}

/* Join the answer in `bytes` (taken over: effects point to it). */
static crdt_err take_answer(sync_replica *replica, crdt_buf *bytes,
                            const crdt_actor *from, bool *news)
{
    *news = false;
    crdt_span answer = crdt_buf_span(bytes);
    crdt_diag diag = {0};
    bool full = false;
    crdt_err err = crdt_answer_peek(answer, &replica->answer_since,
                                    &replica->answer_version, &full, &diag);
    if (err == CRDT_OK) {
        err = check_version(replica, from);
        if (err != CRDT_OK) {
            return err;
        }
        if (crdt_version_includes(doc_version(replica), &replica->answer_version)) {
            return CRDT_OK; /* no news: what it tells of others' deps is no news either */
        }
        err = crdt_document_merge(replica->doc, answer, replica->deps, NULL, &diag);
    }
    if (err != CRDT_OK) {
        if (err != CRDT_ESTALE) {
            replica_refuse(replica, from, err, diag.text);
        }
        return err;
    }
    *news = true;
    replica_tell_change(replica, NULL);
    replica->counts.merged++;
    replica->spent = *bytes; /* lasts until the next step */
    crdt_buf_init(bytes, replica->alloc);
    if (!(MUTANT(22) && replica->push.active)) {
        replica_append_answer(replica, crdt_buf_span(&replica->spent));
    }
    replica_live_retry(replica);
    return CRDT_OK;
}

/* ---- asking ---- */

static sync_peer *asked_peer(sync_replica *replica)
{
    return sync_peers_find_number(&replica->peers, replica->ask.peer);
}

/* Nobody gives a full answer. To join nothing for ever would be worse: what then differs
 * is found by digests, and healed. */
static void give_up_rescue(sync_replica *replica)
{
    replica->meta.former_count = 0;
    replica->meta_changed = true;
    sync_notice *notice =
        sync_outbox_notice(&replica->out, SYNC_NOTICE_GAVE_UP, &replica->meta.actor);
    snprintf(notice->text, sizeof notice->text,
             "nobody could be compared with: what a former actor of this replica wrote "
             "may differ elsewhere");
}

static void end_ask(sync_replica *replica, bool failed)
{
    replica_ask *ask = &replica->ask;
    sync_peer *peer = asked_peer(replica);
    if (peer != NULL && failed) {
        replica_peer_failed(replica, peer);
    } else if (peer != NULL) {
        peer->backoff_ms = 0;
    }
    if (failed && ask->purpose == REPLICA_RESCUE) {
        replica->rescue.tries++;
        replica->rescue.at_ms = replica->now_ms + replica->o.backoff_ms_min;
        if (++replica->rescue.failures >= RESCUE_FAILURES_MAX) {
            give_up_rescue(replica);
        }
    }
    if (failed && ask->purpose == REPLICA_HEAL) {
        replica->heal.wanted = false; /* the next beacon shows whether it is needed */
    }
    ask->active = false;
    ask->peer = 0;
    memset(&ask->first, 0, sizeof ask->first);
    memset(ask->flights, 0, sizeof ask->flights);
    sync_staging_reset(&ask->staging);
    replica->look = true;
}

static void begin_ask(sync_replica *replica, sync_peer *peer, replica_purpose purpose)
{
    const crdt_version *since = doc_version(replica);
    sync_message message = replica_message(replica, SYNC_MESSAGE_SYNC);
    message.body.ask = (sync_ask){.full = purpose != REPLICA_CATCH_UP,
                                  .lineage_known = replica->meta.lineage_known,
                                  .lineage = replica->meta.lineage,
                                  .since = since->stamps,
                                  .since_count = since->stamp_count};
    if (since->stamp_count * 28 > replica->o.message_size_max - SYNC_MESSAGE_OVERHEAD) {
        message.body.ask.since_count = 0; /* too long to say: all of it, then */
    }
    uint64_t token = replica_request(replica, peer, &message);
    if (token == 0) {
        replica_peer_failed(replica, peer);
        return;
    }
    replica->counts.asked++;
    replica->ask.active = true;
    replica->ask.purpose = purpose;
    replica->ask.peer = peer->number;
    replica->ask.next_index = 1;
    replica->ask.first = (replica_flight){
        .token = token,
        .sent_ms = replica->now_ms,
        .end_ms = replica->now_ms + replica_patience_ms(replica, peer, &message)};
    replica->ask.failures = 0;
}

static bool send_fetch(sync_replica *replica, const sync_peer *peer,
                       replica_flight *flight)
{
    sync_message message = replica_message(replica, SYNC_MESSAGE_FETCH);
    message.body.chunk.id = replica->ask.staging.id;
    message.body.chunk.index = flight->index;
    flight->token = replica_request(replica, peer, &message);
    flight->sent_ms = replica->now_ms;
    flight->end_ms = replica->now_ms + replica_patience_ms(replica, peer, &message);
    return flight->token != 0;
}

/* How many chunks at once: where replies come late, more would come later still. */
static size_t window(const sync_peer *peer)
{
    return peer->slow >= SLOW_WINDOW ? 1 : REPLICA_FLIGHT_MAX;
}

/* Keep up to `window` chunks under way. */
static void pump_fetches(sync_replica *replica, const sync_peer *peer)
{
    replica_ask *ask = &replica->ask;
    for (size_t i = 0; i < window(peer); i++) {
        replica_flight *flight = &ask->flights[i];
        if (flight->token == 0 && ask->next_index < ask->staging.chunk_count &&
            ask->next_index < ask->staging.have_count + 2 * REPLICA_FLIGHT_MAX) {
            *flight = (replica_flight){.index = ask->next_index++};
            if (!send_fetch(replica, peer, flight)) {
                end_ask(replica, true);
                return;
            }
        }
    }
}

/* What `peer` had when it answered. It may have published more meanwhile: that is worth
 * another grace. But where it told nothing new, what it answered is all it has. */
static void note_answered(sync_replica *replica, sync_peer *peer, bool news)
{
    const crdt_version *me = doc_version(replica);
    if (!news && !MUTANT(237)) {
        replica_note_err(replica, sync_peer_assign(&replica->peers, peer,
                                                   &replica->answer_version, me,
                                                   replica->now_ms));
        return;
    }
    peer->certain = false;
    peer->gap_at_ms = replica->now_ms;
    sync_peer_check_ahead(&replica->peers, peer, me);
}

/* All chunks are here. */
static void finish_ask(sync_replica *replica, sync_peer *peer)
{
    replica_purpose purpose = replica->ask.purpose;
    crdt_buf bytes = replica->ask.staging.bytes;
    crdt_buf_init(&replica->ask.staging.bytes, replica->alloc);
    crdt_actor from = peer->actor;
    uint32_t number = peer->number;
    if (purpose == REPLICA_CATCH_UP) {
        bool news = false;
        crdt_err err = take_answer(replica, &bytes, &from, &news);
        peer = sync_peers_find_number(&replica->peers, number);
        if (err == CRDT_OK && peer != NULL) {
            note_answered(replica, peer, news);
        }
        end_ask(replica, err != CRDT_OK);
    } else {
        end_ask(replica, false);
        replica_identity_compare(replica, peer, purpose, crdt_buf_span(&bytes));
    }
    crdt_buf_deinit(&bytes);
}

static void take_parcel(sync_replica *replica, sync_peer *peer,
                        const sync_parcel *parcel)
{
    bool related = parcel->lineage_known &&
                   crdt_actor_equal(&parcel->lineage, &replica->meta.lineage);
    bool crumbs = parcel->size > parcel->chunk_size &&
                  (parcel->chunk_size < CHUNK_SIZE_MIN || MUTANT(16));
    crdt_err err = related && !crumbs ? CRDT_OK : CRDT_EREFUSED;
    if (err == CRDT_OK) {
        err = sync_staging_begin(&replica->ask.staging, parcel,
                                 replica->o.staged_size_max);
    }
    if (err == CRDT_OK) {
        err = sync_staging_put(&replica->ask.staging, parcel->index, parcel->bytes);
    }
    if (err != CRDT_OK) {
        replica_refuse(replica, &peer->actor, err, "an answer that cannot be taken");
        end_ask(replica, true);
        return;
    }
    if (sync_staging_complete(&replica->ask.staging)) {
        finish_ask(replica, peer);
    } else {
        pump_fetches(replica, peer);
    }
}

static void note_quick(const sync_replica *replica, sync_peer *peer, uint64_t sent_ms)
{
    sync_peer_note_quick(peer, replica->now_ms - sent_ms, replica->o.request_ms_min);
}

static void on_first_reply(sync_replica *replica, const sync_message *message)
{
    sync_peer *peer = asked_peer(replica);
    replica_flight first = replica->ask.first;
    replica->ask.first.token = 0;
    if (message == NULL || peer == NULL) {
        if (peer != NULL) {
            sync_peer_note_slow(peer, first.sent_ms, replica->now_ms);
        }
        end_ask(replica, true);
        return;
    }
    switch (message->kind) {
    case SYNC_MESSAGE_ANSWER:
        if (!crdt_actor_equal(&message->actor, &peer->actor)) {
            end_ask(replica, true); /* somebody else lives there now */
            return;
        }
        sync_peer_note_rtt(peer, replica->now_ms - first.sent_ms);
        note_quick(replica, peer, first.sent_ms);
        if (message->body.parcel.size > message->body.parcel.chunk_size) {
            sync_peer_note_bulk(peer, replica->now_ms - first.sent_ms);
        }
        take_parcel(replica, peer, &message->body.parcel);
        break;
    case SYNC_MESSAGE_BUSY: {
        uint64_t retry = message->body.retry_ms;
        end_ask(replica, false);
        peer->retry_at_ms = replica->now_ms + (MUTANT(233) ? 1000 : 1) * retry +
                            replica_random_below(replica, retry / 2 + 1);
        break;
    }
    default:
        replica_refuse(replica, &peer->actor, CRDT_EREFUSED,
                       "it refuses to answer: other scene, lineage or protocol");
        end_ask(replica, true);
        peer->hello_wanted = true;
        break;
    }
}

static void on_chunk(sync_replica *replica, replica_flight *flight,
                     const sync_message *message)
{
    sync_peer *peer = asked_peer(replica);
    flight->token = 0;
    if (peer == NULL || (message != NULL && message->kind != SYNC_MESSAGE_CHUNK)) {
        end_ask(replica, true); /* gone: begin anew, perhaps with another */
        return;
    }
    if (message == NULL) {
        sync_peer_note_slow(peer, flight->sent_ms, replica->now_ms);
        if (MUTANT(234)) {
            return;
        }
        if (++replica->ask.failures >= REPLICA_FAILURES_MAX ||
            !send_fetch(replica, peer, flight)) {
            end_ask(replica, true);
        }
        return;
    }
    replica->ask.failures = 0;
    sync_peer_note_bulk(peer, replica->now_ms - flight->sent_ms);
    note_quick(replica, peer, flight->sent_ms);
    const sync_chunk *chunk = &message->body.chunk;
    crdt_err err = CRDT_ECORRUPT;
    if (chunk->id == replica->ask.staging.id && chunk->index == flight->index) {
        err = sync_staging_put(&replica->ask.staging, chunk->index, chunk->bytes);
    }
    if (err != CRDT_OK) {
        replica_refuse(replica, &peer->actor, err, "a chunk that does not fit");
        end_ask(replica, true);
    } else if (sync_staging_complete(&replica->ask.staging)) {
        finish_ask(replica, peer);
    } else {
        pump_fetches(replica, peer);
    }
}

/* ---- whom to ask, and when ---- */

/* When a live batch that is under way should be here. */
static uint64_t grace_end(const sync_replica *replica, const sync_peer *peer)
{
    if (peer->certain) {
        return peer->gap_at_ms;
    }
    uint64_t grace = 2 * peer->rtt_ms;
    if (grace < replica->o.grace_ms_min) {
        grace = replica->o.grace_ms_min;
    }
    if (grace > replica->o.grace_ms_max) {
        grace = replica->o.grace_ms_max;
    }
    return peer->gap_at_ms + grace;
}

/* A random one of those that are ahead and due, and have told what they remember of me. */
static sync_peer *choose_peer(sync_replica *replica)
{
    sync_peer *chosen = NULL;
    size_t due_count = 0;
    for (size_t i = 0; i < replica->peers.count; i++) {
        sync_peer *peer = replica->peers.items[i];
        if (!peer->ahead ||
            !sync_peer_check_ahead(&replica->peers, peer, doc_version(replica)) ||
            peer->number == 0 || !peer->connected) {
            continue;
        }
        if ((!peer->vetted || peer->set_back) && !MUTANT(270)) {
            peer->hello_wanted = true; /* a join before might drop what I wrote */
            continue;
        }
        uint64_t due = grace_end(replica, peer);
        due = due > peer->retry_at_ms ? due : peer->retry_at_ms;
        if (due > replica->now_ms) {
            replica_wake(replica, due);
        } else if (replica_beacon_reachable(replica, peer) &&
                   replica_random_below(replica, ++due_count) == 0) {
            chosen = peer;
        }
    }
    return chosen;
}

/* Whoever showed the copy; after some failures anybody. */
static sync_peer *choose_rescuer(sync_replica *replica)
{
    sync_peer *chosen = NULL;
    size_t count = 0;
    for (size_t i = 0; i < replica->peers.count; i++) {
        sync_peer *peer = replica->peers.items[i];
        if (!replica_beacon_reachable(replica, peer)) {
            continue;
        }
        if (peer->number == replica->rescue.peer &&
            replica->rescue.tries < RESCUE_TRIES_MAX) {
            return peer;
        }
        if (replica_random_below(replica, ++count) == 0) {
            chosen = peer;
        }
    }
    return replica->rescue.tries < 2 ? NULL : chosen;
}

static void look_for_ask(sync_replica *replica)
{
    if (replica->meta.former_count > 0) {
        if (replica->now_ms < replica->rescue.at_ms) {
            replica_wake(replica, replica->rescue.at_ms);
            return;
        }
        sync_peer *peer = choose_rescuer(replica);
        if (peer != NULL) {
            begin_ask(replica, peer, REPLICA_RESCUE);
            return;
        }
        replica->rescue.tries++;
        replica->rescue.at_ms = replica->now_ms + replica->o.beacon_ms;
        replica_wake(replica, replica->rescue.at_ms);
        return; /* no join before it is known what only this side has */
    }
    if (replica->heal.wanted) {
        if (replica->now_ms < replica->heal.at_ms) {
            replica_wake(replica, replica->heal.at_ms);
        } else {
            sync_peer *peer =
                sync_peers_find_actor(&replica->peers, &replica->heal.peer);
            replica->heal.wanted = false;
            if (peer != NULL && replica_beacon_reachable(replica, peer)) {
                begin_ask(replica, peer, REPLICA_HEAL);
                return;
            }
        }
    }
    if (replica->peers.ahead_count > 0 && !MUTANT(238)) {
        sync_peer *peer = choose_peer(replica);
        if (peer != NULL) {
            begin_ask(replica, peer, REPLICA_CATCH_UP);
        }
    }
}

/* Requests that the link never answered. */
static void time_out(sync_replica *replica, const replica_flight *flights, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (flights[i].token == 0) {
            continue;
        }
        if (replica->now_ms >= flights[i].end_ms) {
            replica_catchup_reply(replica, flights[i].token, NULL);
        } else {
            replica_wake(replica, flights[i].end_ms);
        }
    }
}

/* ---- serving ---- */

static void reply_busy(sync_replica *replica, uint64_t token, uint64_t retry_ms)
{
    sync_message busy = replica_message(replica, SYNC_MESSAGE_BUSY);
    busy.body.retry_ms = retry_ms;
    replica_reply(replica, token, &busy);
}

static sync_parcel make_parcel(const sync_replica *replica, crdt_span bytes,
                               uint64_t id, crdt_digest hash, uint64_t index)
{
    size_t chunk = chunk_size(replica);
    size_t begin = (size_t)index * chunk;
    size_t left = bytes.size - begin;
    return (sync_parcel){.id = id,
                         .size = bytes.size,
                         .chunk_size = chunk,
                         .hash = hash,
                         .index = index,
                         .lineage_known = replica->meta.lineage_known,
                         .lineage = replica->meta.lineage,
                         .bytes = {bytes.data + begin, left < chunk ? left : chunk}};
}

static void reply_kept(sync_replica *replica, uint64_t token, sync_kept *kept)
{
    kept->used_at_ms = replica->now_ms;
    sync_message message = replica_message(replica, SYNC_MESSAGE_ANSWER);
    message.body.parcel =
        make_parcel(replica, crdt_buf_span(&kept->bytes), kept->id, kept->hash, 0);
    replica_reply(replica, token, &message);
}

/* An answer on the shelf that serves here too: the same question at the same version, or
 * a large one that is fresh enough. */
static sync_kept *find_kept(sync_replica *replica, const crdt_digest *since_hash,
                            bool full)
{
    crdt_digest now = crdt_digest_version(doc_version(replica));
    for (size_t i = 0; i < replica->shelf.count; i++) {
        sync_kept *kept = replica->shelf.items[i];
        bool current = crdt_digest_equal(kept->version_hash, now);
        bool fresh = (!full || MUTANT(262)) && kept->bytes.size >= REUSE_SIZE_MIN &&
                     replica->now_ms - kept->made_at_ms < REUSE_MS;
        if (kept->full == full &&
            (crdt_digest_equal(kept->since_hash, *since_hash) || MUTANT(263)) &&
            (current || fresh)) {
            return kept;
        }
    }
    return NULL;
}

/* All places are taken by answers that are being fetched. */
static bool shelf_busy(const sync_replica *replica)
{
    const sync_shelf *shelf = &replica->shelf;
    for (size_t i = 0; i < shelf->count; i++) {
        if (replica->now_ms - shelf->items[i]->used_at_ms >= BUSY_MS) {
            return false;
        }
    }
    return shelf->count == shelf->count_max;
}

/* Make an answer and put it on the shelf. NULL: no memory, or too large. */
static sync_kept *make_answer(sync_replica *replica, const crdt_version *since,
                              bool full)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, replica->alloc);
    crdt_err err =
        full ? crdt_document_answer_full(replica->doc, replica->deps, &bytes)
             : crdt_document_answer(replica->doc, since, replica->deps, &bytes);
    replica_note_err(replica, err);
    sync_kept *kept = NULL;
    if (err == CRDT_OK) {
        kept = sync_shelf_add(&replica->shelf, &bytes, replica->now_ms);
    }
    crdt_buf_deinit(&bytes);
    if (kept != NULL) {
        kept->since_hash = crdt_digest_version(since);
        kept->full = full;
        kept->version_hash = crdt_digest_version(doc_version(replica));
        kept->sequence = replica->sequence;
        replica->counts.served++;
        replica->absolute_next = true;
    }
    return kept;
}

/* Reply now if the answer holds nothing that is not on disk, else as soon as it is. */
static void reply_durable(sync_replica *replica, uint64_t token, sync_kept *kept)
{
    if (kept->sequence <= replica->stored || MUTANT(213)) {
        reply_kept(replica, token, kept);
    } else if (replica->deferred_count < REPLICA_DEFERRED_MAX) {
        if (!MUTANT(202)) {
            replica->deferred[replica->deferred_count++] =
                (replica_deferred){.token = token, .id = kept->id};
        }
    } else {
        reply_busy(replica, token, BUSY_MS);
    }
}

void replica_catchup_stored(sync_replica *replica)
{
    size_t left = 0;
    for (size_t i = 0; i < replica->deferred_count; i++) {
        replica_deferred deferred = replica->deferred[i];
        sync_kept *kept = sync_shelf_find(&replica->shelf, deferred.id);
        if (kept == NULL) {
            reply_busy(replica, deferred.token, 0);
        } else if (kept->sequence <= replica->stored) {
            reply_kept(replica, deferred.token, kept);
        } else {
            replica->deferred[left++] = deferred;
        }
    }
    replica->deferred_count = left;
}

void replica_catchup_serve(sync_replica *replica, uint64_t token,
                           const sync_message *message)
{
    const sync_ask *ask = &message->body.ask;
    if (!replica->meta.lineage_known || !ask->lineage_known) {
        reply_busy(replica, token, BUSY_MS); /* HELLO settles it first */
        return;
    }
    if (!crdt_actor_equal(&ask->lineage, &replica->meta.lineage)) {
        replica_reply_refused(replica, token, CRDT_ELINEAGE,
                              "this is another lineage of the scene");
        return;
    }
    if (replica->meta.former_count > 0 && !ask->full && !MUTANT(228)) {
        reply_busy(replica, token, BUSY_MS); /* not spoken of before the rescue */
        return;
    }
    const sync_peer *asker =
        sync_peers_find_life(&replica->peers, &message->actor, message->nonce);
    if (asker != NULL && asker->set_back && !ask->full) {
        reply_busy(replica, token, BUSY_MS); /* a join would drop what only it holds */
        return;
    }
    crdt_version since = replica_view(ask->since, ask->since_count);
    crdt_digest since_hash = crdt_digest_version(&since);
    sync_kept *kept = find_kept(replica, &since_hash, ask->full);
    if (kept == NULL && shelf_busy(replica)) {
        reply_busy(replica, token, BUSY_MS);
        return;
    }
    if (kept == NULL) {
        kept = make_answer(replica, &since, ask->full);
    }
    if (kept == NULL) {
        reply_busy(replica, token, BUSY_MS);
        return;
    }
    reply_durable(replica, token, kept);
}

void replica_catchup_fetch(sync_replica *replica, uint64_t token,
                           const sync_message *message)
{
    sync_message reply = replica_message(replica, SYNC_MESSAGE_GONE);
    uint64_t index = message->body.chunk.index;
    reply.body.chunk.id = message->body.chunk.id;
    reply.body.chunk.index = index;
    sync_kept *kept = sync_shelf_find(&replica->shelf, message->body.chunk.id);
    if (MUTANT(49) && kept != NULL) {
        const crdt_version nothing = {.stamp_count = 0};
        kept = make_answer(replica, &nothing, false);
    }
    if (kept != NULL && kept->sequence <= replica->stored) {
        reply.body.chunk.bytes = sync_kept_chunk(kept, index, chunk_size(replica));
        if (reply.body.chunk.bytes.size > 0) {
            reply.kind = SYNC_MESSAGE_CHUNK;
            kept->used_at_ms = replica->now_ms;
        }
    }
    replica_reply(replica, token, &reply);
}

/* ---- pushing to a peer that cannot ask ---- */

static void end_push(sync_replica *replica, bool failed)
{
    sync_peer *peer = sync_peers_find_number(&replica->peers, replica->push.peer);
    if (peer != NULL && failed) {
        replica_peer_failed(replica, peer);
    }
    replica->push.active = false;
    replica->push.peer = 0;
    memset(replica->push.flights, 0, sizeof replica->push.flights);
    replica->look = true;
}

static bool send_push(sync_replica *replica, const sync_peer *peer,
                      const sync_kept *kept, replica_flight *flight)
{
    sync_message message = replica_message(replica, SYNC_MESSAGE_PUSH);
    message.body.parcel = make_parcel(replica, crdt_buf_span(&kept->bytes), kept->id,
                                      kept->hash, flight->index);
    flight->token = replica_request(replica, peer, &message);
    flight->sent_ms = replica->now_ms;
    flight->end_ms = replica->now_ms + replica_patience_ms(replica, peer, &message);
    return flight->token != 0;
}

/* The first chunk alone, so that a peer that is busy says so; then several at once. */
static void pump_push(sync_replica *replica)
{
    replica_push *push = &replica->push;
    sync_peer *peer = sync_peers_find_number(&replica->peers, push->peer);
    sync_kept *kept = sync_shelf_find(&replica->shelf, push->id);
    if (peer == NULL || kept == NULL) {
        end_push(replica, true);
        return;
    }
    if (kept->sequence > replica->stored) {
        return; /* not on disk yet */
    }
    kept->used_at_ms = replica->now_ms;
    size_t count = push->taken_count == 0 ? 1 : window(peer);
    for (size_t i = 0; i < count; i++) {
        replica_flight *flight = &push->flights[i];
        if (flight->token == 0 && push->next_index < push->chunk_count) {
            *flight = (replica_flight){.index = push->next_index++};
            if (!send_push(replica, peer, kept, flight)) {
                end_push(replica, true);
                return;
            }
        }
    }
}

static void begin_push(sync_replica *replica, sync_peer *peer)
{
    sync_kept *kept = make_answer(replica, &peer->version, false);
    if (kept == NULL ||
        crdt_version_copy(&replica->push.version, doc_version(replica)) != CRDT_OK) {
        replica_peer_failed(replica, peer);
        return;
    }
    size_t chunk = chunk_size(replica);
    replica->counts.pushed++;
    replica->push.active = true;
    replica->push.peer = peer->number;
    replica->push.id = kept->id;
    replica->push.chunk_count = (kept->bytes.size + chunk - 1) / chunk;
    replica->push.next_index = 0;
    replica->push.taken_count = 0;
    replica->push.failures = 0;
    pump_push(replica);
}

/* A peer that does not hear us and lacks something of what is on disk here. */
static void look_for_push(sync_replica *replica)
{
    uint64_t wait = PUSH_BEACONS * (uint64_t)replica->o.beacon_ms;
    if (replica->url_count == 0) {
        wait = 0; /* nobody can dial back */
    }
    wait = MUTANT(242) ? UINT64_MAX : wait;
    for (size_t i = 0; i < replica->peers.count; i++) {
        sync_peer *peer = replica->peers.items[i];
        if (peer->unheard_at_ms == 0 || !peer->beacon_known || !peer->joined ||
            peer->set_back || !replica_beacon_reachable(replica, peer) ||
            crdt_version_includes(&peer->version, &replica->spoken)) {
            continue;
        }
        if (replica->now_ms - peer->unheard_at_ms >= wait) {
            begin_push(replica, peer);
            return;
        }
        replica_wake(replica, peer->unheard_at_ms + wait);
    }
}

static void on_taken(sync_replica *replica, replica_flight *flight,
                     const sync_message *message)
{
    replica_push *push = &replica->push;
    sync_peer *peer = sync_peers_find_number(&replica->peers, push->peer);
    sync_kept *kept = sync_shelf_find(&replica->shelf, push->id);
    uint64_t sent_ms = flight->sent_ms;
    flight->token = 0;
    if (peer == NULL || kept == NULL) {
        end_push(replica, true);
        return;
    }
    if (message == NULL) {
        sync_peer_note_slow(peer, flight->sent_ms, replica->now_ms);
        if (++push->failures >= REPLICA_FAILURES_MAX ||
            !send_push(replica, peer, kept, flight)) {
            end_push(replica, true);
        }
        return;
    }
    if (message->kind == SYNC_MESSAGE_BUSY) {
        end_push(replica, false);
        peer->retry_at_ms = replica->now_ms + message->body.retry_ms;
        return;
    }
    if (message->kind != SYNC_MESSAGE_TAKEN || message->body.taken.id != push->id) {
        end_push(replica, true);
        peer->hello_wanted = true; /* perhaps it is at another version meanwhile */
        return;
    }
    push->taken_count++;
    push->failures = 0;
    sync_peer_note_bulk(peer, replica->now_ms - sent_ms);
    note_quick(replica, peer, sent_ms);
    if (message->body.taken.complete || push->taken_count == push->chunk_count) {
        replica_note_err(replica,
                         sync_peer_raise(&replica->peers, peer, &push->version,
                                         doc_version(replica), replica->now_ms));
        peer->backoff_ms = 0;
        end_push(replica, false);
        return;
    }
    pump_push(replica);
}

/* ---- being pushed to ---- */

static replica_incoming *find_incoming(sync_replica *replica, const crdt_actor *actor,
                                       const sync_parcel *parcel)
{
    replica_incoming *unused = NULL;
    for (size_t i = 0; i < REPLICA_INCOMING_MAX; i++) {
        replica_incoming *incoming = &replica->incoming[i];
        bool open = incoming->staging.open;
        if (open && incoming->staging.id == parcel->id &&
            crdt_actor_equal(&incoming->actor, actor)) {
            return incoming;
        }
        if (!open || crdt_actor_equal(&incoming->actor, actor) ||
            replica->now_ms - incoming->used_at_ms >= replica->o.answer_ms) {
            unused = incoming;
        }
    }
    if (unused != NULL) {
        unused->actor = *actor;
        if (sync_staging_begin(&unused->staging, parcel,
                               replica->o.staged_size_max / REPLICA_INCOMING_MAX) !=
            CRDT_OK) {
            return NULL;
        }
    }
    return unused;
}

static bool same_parcel(const sync_staging *staging, const sync_parcel *parcel)
{
    return staging->size == parcel->size && staging->chunk_size == parcel->chunk_size &&
           crdt_digest_equal(staging->hash, parcel->hash);
}

/* Before a rescue the answer of who cannot be asked tells what it has: all of it, since
 * this replica says that it has nothing. */
static crdt_err take_pushed(sync_replica *replica, crdt_buf *bytes,
                            const crdt_actor *from)
{
    bool news = false;
    if (replica->meta.former_count == 0) {
        return take_answer(replica, bytes, from, &news);
    }
    sync_peer *peer = sync_peers_find_actor(&replica->peers, from);
    if (peer == NULL || replica->ask.active) {
        return CRDT_EBUSY;
    }
    replica_identity_compare(replica, peer, REPLICA_RESCUE, crdt_buf_span(bytes));
    return replica->meta.former_count == 0 ? CRDT_OK : CRDT_ESTALE;
}

void replica_catchup_take_push(sync_replica *replica, uint64_t token,
                               const sync_message *message)
{
    const sync_parcel *parcel = &message->body.parcel;
    if (!replica->meta.lineage_known || !parcel->lineage_known ||
        replica->renew_actor) {
        reply_busy(replica, token, BUSY_MS);
        return;
    }
    if (!crdt_actor_equal(&parcel->lineage, &replica->meta.lineage) && !MUTANT(229)) {
        replica_reply_refused(replica, token, CRDT_ELINEAGE,
                              "this is another lineage of the scene");
        return;
    }
    if (parcel->size > parcel->chunk_size && parcel->chunk_size < CHUNK_SIZE_MIN) {
        replica_reply_refused(replica, token, CRDT_ELIMIT, "chunks too small");
        return;
    }
    replica_incoming *incoming = find_incoming(replica, &message->actor, parcel);
    if (incoming == NULL) {
        reply_busy(replica, token, replica->o.beacon_ms);
        return;
    }
    incoming->used_at_ms = replica->now_ms;
    crdt_err err = CRDT_ECORRUPT;
    if (same_parcel(&incoming->staging, parcel)) {
        err = sync_staging_put(&incoming->staging, parcel->index, parcel->bytes);
    }
    bool complete = err == CRDT_OK && sync_staging_complete(&incoming->staging);
    if (complete) {
        err = take_pushed(replica, &incoming->staging.bytes, &message->actor);
    }
    if (complete || err != CRDT_OK) {
        sync_staging_reset(&incoming->staging);
    }
    if (err != CRDT_OK) {
        replica_reply_refused(replica, token, err, "the answer was not taken");
        return;
    }
    sync_message taken = replica_message(replica, SYNC_MESSAGE_TAKEN);
    taken.body.taken.id = parcel->id;
    taken.body.taken.complete = complete;
    replica_reply(replica, token, &taken);
}

/* ---- entry points ---- */

bool replica_catchup_reply(sync_replica *replica, uint64_t token,
                           const sync_message *message)
{
    if (replica->ask.active && replica->ask.first.token == token) {
        on_first_reply(replica, message);
        return true;
    }
    for (size_t i = 0; i < REPLICA_FLIGHT_MAX; i++) {
        if (replica->ask.active && replica->ask.flights[i].token == token) {
            on_chunk(replica, &replica->ask.flights[i], message);
            return true;
        }
        if (replica->push.active && replica->push.flights[i].token == token) {
            on_taken(replica, &replica->push.flights[i], message);
            return true;
        }
    }
    return false;
}

void replica_catchup_stop(sync_replica *replica)
{
    if (replica->ask.active) {
        end_ask(replica, false);
    }
    if (replica->push.active) {
        end_push(replica, false);
    }
}

void replica_catchup_look(sync_replica *replica)
{
    if (replica->ask.active) {
        time_out(replica, &replica->ask.first, 1);
        time_out(replica, replica->ask.flights, REPLICA_FLIGHT_MAX);
    }
    if (replica->push.active) {
        time_out(replica, replica->push.flights, REPLICA_FLIGHT_MAX);
    }
    if (!replica->meta.lineage_known || replica->renew_actor) {
        return;
    }
    if (!replica->ask.active) {
        look_for_ask(replica);
    }
    if (replica->push.active) {
        pump_push(replica);
    } else {
        look_for_push(replica);
    }
}
