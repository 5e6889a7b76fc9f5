#include "sync/replica_impl.h"

#include "crdt/mutant.h"
#include "crdt/op_list.h"
#include "sync/heal.h"

#include <stdio.h>
#include <string.h>

#define HEAL_DELAY_MS 1000u /* at random, so that not all who see it write at once */
#define HEAL_ROUNDS_MAX 3u  /* then write what only they hold too */

void replica_identity_trip(sync_replica *replica, const sync_peer *witness,
                           const sync_beacon *twin, const char *text)
{
    if (replica->renew_actor) {
        return;
    }
    replica->renew_actor = true;
    replica->counts.forks++;
    const sync_start *starts = twin != NULL ? twin->starts : replica->yours;
    size_t start_count = twin != NULL ? twin->start_count : replica->your_count;
    uint64_t common = 0;
    /* What ends with this very start tells of me, and not of the other one. */
    bool echo = start_count > 0 && starts[start_count - 1].nonce == replica->o.nonce;
    if ((echo && !MUTANT(272)) ||
        !sync_meta_common_time(&replica->meta, starts, start_count, &common)) {
        common = sync_meta_safe_time(&replica->meta);
    }
    common = MUTANT(219) ? CRDT_TIME_MAX : common;
    if (!MUTANT(226)) {
        sync_meta_add_former(&replica->meta, &replica->meta.actor, common);
    }
    replica->rescue.peer = witness == NULL ? 0 : witness->number;
    replica->rescue.at_ms = replica->now_ms;
    replica->rescue.tries = 0;
    replica->rescue.failures = 0;
    if (!MUTANT(220)) {
        sync_unsent_silence(&replica->unsent, &replica->meta.actor);
    }
    replica_catchup_stop(replica);
    sync_notice *notice =
        sync_outbox_notice(&replica->out, SYNC_NOTICE_FORK, &replica->meta.actor);
    notice->err = CRDT_EFORK;
    snprintf(notice->text, sizeof notice->text, "%s", text);
    replica->look = true;
}

void replica_identity_fresh(sync_replica *replica, const crdt_actor *actor)
{
    replica_beacon_remember_me(replica);
    replica->meta.actor = *actor;
    replica->meta.confirmed_time = 0;
    replica->meta.start_count = MUTANT(221) ? replica->meta.start_count : 0;
    replica->your_count = 0;
    sync_meta_add_start(&replica->meta, replica->o.nonce, 0);
    replica->own_count = MUTANT(222);
    replica->absolute_next = !MUTANT(222);
    replica->meta_changed = true;
    sync_notice *notice = sync_outbox_notice(&replica->out, SYNC_NOTICE_FRESH, actor);
    snprintf(notice->text, sizeof notice->text,
             "this store was copied or restored: it writes under a fresh actor now");
    replica_beacon_soon(replica, 0);
    replica->look = true;
}

void replica_identity_diverged(sync_replica *replica, sync_peer *peer)
{
    if (!peer->diverged ||
        !crdt_digest_equal(peer->diverged_hash, peer->version_hash)) {
        peer->diverged = true;
        peer->diverged_hash = peer->version_hash;
        replica->counts.diverged++;
        sync_notice *notice =
            sync_outbox_notice(&replica->out, SYNC_NOTICE_DIVERGED, &peer->actor);
        snprintf(notice->text, sizeof notice->text,
                 "equal versions, but another state: healing");
    }
    if (!replica->heal.wanted && !replica->ask.active && !replica->renew_actor) {
        replica->heal.wanted = true;
        replica->heal.peer = peer->actor;
        replica->heal.at_ms =
            replica->now_ms + replica_random_below(replica, HEAL_DELAY_MS);
    }
    replica->look = true;
}

static void tell(void *ctx, const crdt_key *key, const crdt_entry *entry, bool lost)
{
    sync_replica *replica = ctx;
    sync_notice *notice = sync_outbox_notice(
        &replica->out, lost ? SYNC_NOTICE_LOST : SYNC_NOTICE_REWRITTEN,
        &entry->stamp.actor);
    notice->key = *key;
    notice->key.object = sync_outbox_copy(&replica->out, key->object);
    notice->key.part = sync_outbox_copy(&replica->out, key->part);
    notice->key.field = sync_outbox_copy(&replica->out, key->field);
    notice->value = sync_outbox_copy(&replica->out, entry->value);
}

/* Commit what has to be written again, as one ordinary batch. */
static void write_again(sync_replica *replica, const crdt_op_list *ops)
{
    if (ops->op_count == 0 || MUTANT(224)) {
        return;
    }
    crdt_edit edit = {
        .actor = replica->meta.actor, .wall_ms = replica->wall_ms, .sweep = true};
    crdt_batch batch;
    crdt_diag diag = {0};
    crdt_arena_reset(&replica->batch_arena);
    crdt_err err = crdt_document_commit(replica->doc, &edit, ops->ops, ops->op_count,
                                        &replica->batch_arena, &batch, &diag);
    if (err == CRDT_OK) {
        replica_tell_change(replica, &batch);
        replica->counts.healed++;
        err = replica_take_local(replica, &batch);
    }
    if (err != CRDT_ENOTHING) {
        replica_note_err(replica, err);
    }
}

/* Equal versions: write what only this side holds. */
static void heal(sync_replica *replica, const crdt_document *theirs,
                 const sync_peer *witness)
{
    if (!MUTANT(245) &&
        crdt_version_compare(crdt_document_version(replica->doc),
                             crdt_document_version(theirs)) != CRDT_EQUAL) {
        return; /* somebody wrote meanwhile: the next beacons tell */
    }
    crdt_op_list ops;
    crdt_op_list_init(&ops, replica->alloc);
    sync_heal_options options = {.both = replica->heal.rounds >= HEAL_ROUNDS_MAX &&
                                         !MUTANT(223),
                                 .actor = replica->meta.actor};
    sync_heal_counts counts;
    crdt_err err = sync_heal_plan(replica->doc, theirs, &options, &ops, &counts);
    replica_note_err(replica, err);
    replica->counts.forks += counts.forks;
    if (err == CRDT_OK && counts.own > 0) {
        /* Who covers it and does not hold it, learnt of another history of mine. */
        size_t formers = replica->meta.former_count;
        replica_identity_trip(replica, witness, NULL,
                              "an operation of this replica is unknown to one that "
                              "covers it");
        replica->meta.former_count =
            formers; /* versions are equal: healing is enough */
    } else if (err == CRDT_OK) {
        replica->heal.rounds = ops.op_count > 0 ? 0 : replica->heal.rounds + 1;
        if (ops.op_count > 0) { /* once more, to list what is written */
            options.tell = tell;
            options.tell_ctx = replica;
            crdt_op_list_clear(&ops);
            replica_note_err(
                replica, sync_heal_plan(replica->doc, theirs, &options, &ops, &counts));
        }
        write_again(replica, &ops);
    }
    crdt_op_list_deinit(&ops);
}

/* Two histories of former actors: join, and write again what either side lost. */
static void rescue(sync_replica *replica, const crdt_document *theirs, crdt_span answer)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, replica->alloc);
    sync_heal_options options = {.rescue = true,
                                 .formers = replica->meta.formers,
                                 .former_count = replica->meta.former_count,
                                 .tell = tell,
                                 .tell_ctx = replica};
    sync_heal_counts counts;
    crdt_err err = sync_heal_plan(replica->doc, theirs, &options, &ops, &counts);
    if (err == CRDT_OK && !crdt_version_includes(crdt_document_version(replica->doc),
                                                 crdt_document_version(theirs))) {
        crdt_span bytes = sync_outbox_copy(&replica->out, answer);
        err = bytes.size == 0 ? CRDT_ENOMEM
                              : crdt_version_copy(&replica->answer_version,
                                                  crdt_document_version(theirs));
        if (err == CRDT_OK) {
            err = crdt_document_merge(replica->doc, bytes, replica->deps, NULL, NULL);
        }
        if (err == CRDT_OK) {
            replica_tell_change(replica, NULL);
            replica->counts.merged++;
            replica_append_answer(replica, bytes);
        }
    }
    if (err == CRDT_OK) {
        replica->meta.former_count = 0;
        replica->meta_changed = !MUTANT(225);
        write_again(replica, &ops);
    }
    replica_note_err(replica, err);
    crdt_op_list_deinit(&ops);
}

void replica_identity_compare(sync_replica *replica, sync_peer *peer,
                              replica_purpose purpose, crdt_span answer)
{
    crdt_document_options options = crdt_document_options_default();
    options.alloc = replica->alloc;
    crdt_document *theirs = NULL;
    crdt_diag diag = {0};
    crdt_actor witness = peer->actor;
    crdt_err err = crdt_document_open(&theirs, &options);
    if (err == CRDT_OK) {
        err = crdt_document_merge(theirs, answer, NULL, NULL, &diag);
    }
    if (err == CRDT_OK &&
        crdt_version_time_max(crdt_document_version(theirs)) >
            crdt_version_time_max(crdt_document_version(replica->doc)) +
                replica->o.time_jump_max) {
        err = crdt_diag_set(&diag, CRDT_ELIMIT, 0, "far ahead of all times known");
    }
    if (err != CRDT_OK) {
        replica_refuse(replica, &witness, err, diag.text);
        replica_peer_failed(replica, peer);
    } else if (purpose == REPLICA_HEAL) {
        heal(replica, theirs, peer);
    } else {
        rescue(replica, theirs, answer);
    }
    crdt_document_close(theirs);
}
