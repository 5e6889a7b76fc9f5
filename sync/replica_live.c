#include "sync/replica_impl.h"

#include "crdt/mutant.h"

#include <stdio.h>
#include <string.h>

/* The first dependency of `batch` that the document lacks, its own author's times
 * included; false: none, it can be applied. */
static bool find_missing(const sync_replica *replica, const crdt_batch *batch,
                         crdt_stamp *missing)
{
    const crdt_version *version = crdt_document_version(replica->doc);
    for (size_t i = 0; i < batch->dep_count; i++) {
        if (!crdt_version_covers(version, &batch->deps[i])) {
            *missing = batch->deps[i];
            return true;
        }
    }
    return false;
}

/* `peer` published a batch that is out of reach: it has all that the batch needs. */
static void note_gap(sync_replica *replica, sync_peer *peer, const crdt_version *has)
{
    if (peer == NULL) {
        return;
    }
    if (crdt_version_time_max(has) >
        crdt_version_time_max(crdt_document_version(replica->doc)) +
            replica->o.time_jump_max) {
        replica_refuse(replica, &peer->actor, CRDT_ELIMIT,
                       "a batch far ahead of all times known");
        return;
    }
    replica_note_err(replica, sync_peer_raise(&replica->peers, peer, has,
                                              crdt_document_version(replica->doc),
                                              replica->now_ms));
    replica->look = true;
}

static void hold(sync_replica *replica, crdt_span bytes, const crdt_stamp *wants,
                 const crdt_actor *author, const crdt_actor *sender, uint64_t since_ms)
{
    sync_held_batch about = {
        .wants = *wants, .author = *author, .sender = *sender, .since_ms = since_ms};
    crdt_err err = sync_held_add(&replica->held, bytes, &about);
    if (err == CRDT_ELIMIT) {
        replica->counts.dropped++; /* catch-up brings it */
    } else {
        replica_note_err(replica, err);
    }
}

/* Coded against a batch that never came: wait until catch-up has brought it. */
static void hold_unreadable(sync_replica *replica, crdt_span bytes,
                            const crdt_actor *sender, sync_peer *peer,
                            uint64_t since_ms)
{
    crdt_stamp base = {0};
    if (crdt_batch_peek(bytes, &base.actor, &base.time) != CRDT_OK) {
        return;
    }
    uint64_t known = crdt_version_get(crdt_document_version(replica->doc), &base.actor);
    if (known > base.time) {
        replica->counts.duplicates++; /* the one after the base is covered too */
        return;
    }
    /* The base itself is here, yet not what it depended on: only an answer helps. */
    crdt_stamp wants = {known == base.time && !MUTANT(210) ? base.time + 1 : base.time,
                        base.actor};
    hold(replica, bytes, &wants, &base.actor, sender, since_ms);
    crdt_stamp next = {base.time + 1, base.actor};
    crdt_version has = replica_view(&next, 1);
    note_gap(replica, peer, &has);
}

static void hold_early(sync_replica *replica, crdt_span bytes, const crdt_batch *batch,
                       const crdt_stamp *missing, const crdt_actor *sender,
                       sync_peer *peer, uint64_t since_ms)
{
    hold(replica, bytes, missing, &batch->actor, sender, since_ms);
    crdt_version deps = replica_view(batch->deps, batch->dep_count);
    note_gap(replica, peer, &deps);
    crdt_stamp last = {crdt_batch_last_time(batch), batch->actor};
    crdt_version has = replica_view(&last, 1);
    note_gap(replica, peer, &has);
}

static void note_fork(sync_replica *replica, const crdt_batch *batch)
{
    replica->counts.forks++;
    sync_notice *notice =
        sync_outbox_notice(&replica->out, SYNC_NOTICE_FORK, &batch->actor);
    notice->err = CRDT_EFORK;
    snprintf(notice->text, sizeof notice->text,
             "a batch continues another history of its author; not applied");
}

/* Does a subscriber of mine miss what `author` publishes? */
static bool must_relay(const sync_replica *replica, const crdt_actor *author,
                       const crdt_actor *sender)
{
    for (size_t i = 0; i < replica->peers.count; i++) {
        const sync_peer *peer = replica->peers.items[i];
        if (peer->hears_me && peer->joined && !peer->leaving && !peer->refused &&
            !crdt_actor_equal(&peer->actor, author) &&
            ((!crdt_actor_equal(&peer->actor, sender) &&
              !sync_peer_hears(peer, author)) ||
             MUTANT(207))) {
            return true;
        }
    }
    return false;
}

/* A batch was applied: keep it, pass it on where it is missed. */
static void take_applied(sync_replica *replica, const crdt_batch *batch,
                         crdt_span bytes, bool readable_from_log,
                         const crdt_actor *sender)
{
    crdt_span record = sync_outbox_copy(&replica->out, bytes);
    crdt_span stored = record;
    if (!readable_from_log && !MUTANT(209)) {
        crdt_buf_clear(&replica->scratch);
        replica_note_err(replica, crdt_batch_encode(batch, NULL, &replica->scratch));
        stored = sync_outbox_copy(&replica->out, crdt_buf_span(&replica->scratch));
    }
    replica->counts.applied++;
    replica_append_batch(replica, batch, stored, false);
    replica_note_err(replica, crdt_deps_note(replica->deps, batch));
    if (!MUTANT(206) && must_relay(replica, &batch->actor, sender) &&
        replica_pack(replica, record)) {
        replica->counts.relayed++;
    }
}

/* Its author published it, so it is on the author's disk: that is no news to be told back
 * before the next beacon says so. Who passes a batch on may not have it on disk yet. */
static void note_published(sync_replica *replica, sync_peer *peer,
                           const crdt_batch *batch)
{
    if (peer != NULL && crdt_actor_equal(&peer->actor, &batch->actor) && !MUTANT(208)) {
        crdt_stamp last = {crdt_batch_last_time(batch), batch->actor};
        replica_note_err(replica, crdt_version_raise(&peer->version, &last));
        replica_beacon_heard_time(replica, peer, last.time);
    }
}

/* One foreign batch. True: the version grew. */
static bool take_batch(sync_replica *replica, crdt_span bytes, const crdt_actor *sender,
                       sync_peer *peer, uint64_t since_ms)
{
    crdt_batch batch;
    crdt_diag diag = {0};
    crdt_arena_reset(&replica->batch_arena);
    crdt_err err =
        crdt_batch_decode(bytes, replica->deps, &replica->batch_arena, &batch, &diag);
    bool from_log = err == CRDT_OK;
    if (err == CRDT_EGAP) {
        err = crdt_batch_decode(bytes, replica->live_deps, &replica->batch_arena,
                                &batch, &diag);
    }
    if (err == CRDT_EGAP) {
        hold_unreadable(replica, bytes, sender, peer, since_ms);
        return false;
    }
    if (err == CRDT_EDUPLICATE) {
        replica->counts.duplicates++;
        return false;
    }
    if (err != CRDT_OK) {
        replica_refuse(replica, sender, err, diag.text);
        return false;
    }
    const crdt_version *version = crdt_document_version(replica->doc);
    if (crdt_actor_equal(&batch.actor, &replica->meta.actor) && !MUTANT(254) &&
        crdt_batch_last_time(&batch) > crdt_version_get(version, &batch.actor)) {
        replica_identity_trip(replica, peer, NULL,
                              "a batch under this replica's actor that it never made");
        return false;
    }
    if (MUTANT(32) && batch.wall_ms > replica->wall_ms + 60000) {
        return false;
    }
    err = crdt_document_apply(replica->doc, &batch, &diag);
    crdt_stamp missing;
    switch (err) {
    case CRDT_OK:
        replica_tell_change(replica, &batch);
        take_applied(replica, &batch, bytes, from_log, sender);
        note_published(replica, peer, &batch);
        return true;
    case CRDT_EDUPLICATE:
        replica->counts.duplicates++;
        note_published(replica, peer, &batch);
        if (!MUTANT(201)) {
            replica_note_err(replica, crdt_deps_note(replica->live_deps, &batch));
        }
        return false;
    case CRDT_EGAP:
        if (find_missing(replica, &batch, &missing)) {
            hold_early(replica, bytes, &batch, &missing, sender, peer, since_ms);
        }
        return false;
    case CRDT_EFORK:
        note_fork(replica, &batch);
        return false;
    default:
        replica_refuse(replica, sender, err, diag.text);
        return false;
    }
}

void replica_live_retry(sync_replica *replica)
{
    sync_held_batch held;
    if (replica->meta.former_count > 0 || MUTANT(204)) {
        return;
    }
    while (sync_held_take_ready(&replica->held, crdt_document_version(replica->doc),
                                &held)) {
        sync_peer *peer = sync_peers_find_actor(&replica->peers, &held.sender);
        take_batch(replica, (crdt_span){held.bytes, held.size}, &held.sender, peer,
                   held.since_ms);
        sync_held_free(&replica->held, &held);
    }
    replica_pack_flush(replica);
}

void replica_live_receive(sync_replica *replica, sync_peer *peer,
                          const sync_message *message)
{
    if (peer->refused || peer->set_back || !peer->lineage_known ||
        !replica->meta.lineage_known ||
        (replica->meta.former_count > 0 && !MUTANT(227))) {
        /* Whose lineage was not told yet may have begun another scene this moment. And
         * batches of others may have seen another history of my former actor: they would
         * drop what only I hold of it. Catch-up brings both afterwards. */
        return;
    }
    bool grew = false;
    for (size_t i = 0; i < message->body.batches.batch_count; i++) {
        grew |= take_batch(replica, message->body.batches.batches[i], &message->actor,
                           peer, replica->now_ms);
    }
    if (grew && replica->held.count > 0) {
        replica_live_retry(replica);
    }
    replica_pack_flush(replica);
}

void replica_live_expire(sync_replica *replica)
{
    uint64_t age = replica->o.held_ms_max;
    uint64_t before = replica->now_ms > age ? replica->now_ms - age : 0;
    sync_held_batch held;
    while (sync_held_take_older(&replica->held, before, &held)) {
        replica->counts.dropped++;
        sync_notice *notice =
            sync_outbox_notice(&replica->out, SYNC_NOTICE_GAVE_UP, &held.author);
        char text[CRDT_STAMP_TEXT_SIZE];
        crdt_stamp_format(&held.wants, text);
        snprintf(notice->text, sizeof notice->text,
                 "a batch was dropped: nobody here has %s, which it needs", text);
        sync_held_free(&replica->held, &held);
    }
}
