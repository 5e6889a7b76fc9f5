#include "sync/replica_impl.h"

#include "crdt/mutant.h"
#include "crdt/template.h"

#include <stdio.h>

#define STRANGER_AGAIN_MS 10000u

void replica_lineage_adopt_scene(sync_replica *replica, const sync_message *message)
{
    crdt_span scene = message->body.beacon.scene;
    if (replica->scene.size > 0 || scene.size == 0) {
        return;
    }
    crdt_err err = crdt_buf_append_span(&replica->scene, scene);
    if (err != CRDT_OK) {
        replica_note_err(replica, err);
        return;
    }
    sync_message_topic(scene, replica->topic);
    replica->topic_changed = true;
    replica->meta_changed = true;
    sync_notice *notice =
        sync_outbox_notice(&replica->out, SYNC_NOTICE_ADOPTED, &message->actor);
    notice->bytes = sync_outbox_copy(&replica->out, scene);
    snprintf(notice->text, sizeof notice->text, "took the scene");
}

/* Now and then while it is there: who sees it can do something about it. */
static void tell_stranger(sync_replica *replica, sync_peer *peer,
                          const sync_message *message)
{
    peer->stranger = true;
    if (message->body.beacon.leaving ||
        (peer->stranger_told_ms != 0 &&
         replica->now_ms - peer->stranger_told_ms < STRANGER_AGAIN_MS)) {
        return;
    }
    peer->stranger_told_ms = replica->now_ms == 0 ? 1 : replica->now_ms;
    sync_notice *notice =
        sync_outbox_notice(&replica->out, SYNC_NOTICE_STRANGER, &message->actor);
    crdt_span url = crdt_buf_span(&peer->url);
    if (url.size == 0 && message->body.beacon.url_count > 0) {
        url = message->body.beacon.urls[0]; /* it dialled, and is not dialled back */
    }
    notice->url = sync_outbox_copy(&replica->out, url);
    notice->lineage = message->body.beacon.lineage;
    snprintf(notice->text, sizeof notice->text,
             "edits a scene of this name that began differently");
}

bool replica_lineage_check(sync_replica *replica, sync_peer *peer,
                           const sync_message *message)
{
    const sync_beacon *beacon = &message->body.beacon;
    peer->lineage_known = beacon->lineage_known;
    if (!beacon->lineage_known) {
        return true; /* it will take ours */
    }
    if (!replica->meta.lineage_known) {
        replica->meta.lineage = beacon->lineage;
        replica->meta.lineage_known = true;
        replica->meta_changed = true;
        sync_notice *notice =
            sync_outbox_notice(&replica->out, SYNC_NOTICE_ADOPTED, &message->actor);
        snprintf(notice->text, sizeof notice->text, "took the lineage of the scene");
        return true;
    }
    if (crdt_actor_equal(&beacon->lineage, &replica->meta.lineage) || MUTANT(230)) {
        peer->refused = false;
        peer->stranger = false;
        return true;
    }
    if (!peer->refused) {
        peer->refused = true;
        replica_refuse(replica, &message->actor, CRDT_ELINEAGE,
                       "it edits an unrelated scene of this name; to bring one onto "
                       "the other, export it there and `import --onto` here");
    }
    replica_beacon_left(replica, peer); /* it had no lineage before */
    tell_stranger(replica, peer, message);
    return false;
}

crdt_err replica_lineage_begin(sync_replica *replica, const crdt_actor *lineage)
{
    if (replica->meta.lineage_known) {
        return crdt_actor_equal(&replica->meta.lineage, lineage) ? CRDT_OK
                                                                 : CRDT_EINVAL;
    }
    replica->meta.lineage = *lineage;
    replica->meta.lineage_known = true;
    replica->meta_changed = true;
    replica_beacon_soon(replica, 0);
    return CRDT_OK;
}

bool sync_replica_drop_lineage(sync_replica *replica, const crdt_actor *lineage)
{
    crdt_actor empty = crdt_template_actor_empty();
    if (!replica->meta.lineage_known ||
        crdt_actor_equal(&replica->meta.lineage, &empty) ||
        (crdt_document_version(replica->doc)->stamp_count > 0 && !MUTANT(246))) {
        return !replica->meta.lineage_known;
    }
    if (crdt_actor_equal(&replica->meta.lineage, lineage)) {
        return true;
    }
    for (size_t i = 0; i < replica->peers.count; i++) {
        const sync_peer *peer = replica->peers.items[i];
        bool here = peer->joined && !peer->leaving && !peer->refused;
        if (here && crdt_version_get(&peer->version, &replica->meta.lineage) > 0) {
            return false; /* it has the beginning */
        }
    }
    replica_catchup_stop(replica);
    replica->meta.lineage_known = false;
    return true;
}
