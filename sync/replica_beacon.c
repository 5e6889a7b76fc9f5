#include "sync/replica_impl.h"

#include "crdt/mutant.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WHOLE_COUNT_MAX 64u     /* actors of a version that always travels whole */
#define BASE_AGE_MAX 4u         /* beacons until the base of changed entries moves on */
#define KNOWN_PUBLISHED_MAX 16u /* URLs of others in a published beacon */
#define SILENT_BEACONS 3u
#define ECHO_MS UINT64_C(150) /* a change is told again this soon */
#define BACKOFF_OFTEN 5u      /* times the least: failed eight times in a row */
#define QUIET_MAX 8u          /* doublings at most */
#define CONFIRM_MS 10000u     /* how often a new confirmed_time goes to the store */
#define REMEMBER_MS 1000u     /* and up to when others were heard */
#define TRIED_MAX 32u   /* links to replicas that were only heard of, not there yet */
#define TRIED_MS 30000u /* so long, if it never was there: others shall be tried */

/* ---- dialling ---- */

static void dial(sync_replica *replica, sync_peer *peer)
{
    peer->number = ++replica->peers.number;
    peer->alias = false;
    peer->connected = false;
    sync_outbox_dial(&replica->out, peer->number, crdt_buf_span(&peer->url));
}

static void undial(sync_replica *replica, sync_peer *peer)
{
    if (peer->number != 0) {
        sync_outbox_dial(&replica->out, peer->number, (crdt_span){0});
    }
    peer->number = 0;
    peer->connected = false;
    peer->hello_token = 0;
}

static bool is_own_url(const sync_replica *replica, crdt_span url)
{
    for (size_t i = 0; i < replica->url_count; i++) {
        if (crdt_span_equal(crdt_buf_span(&replica->urls[i]), url)) {
            return true;
        }
    }
    return false;
}

/* A link that nobody asked for, and that does not stand: it costs descriptors here, and
 * whoever it leads to connections. */
static bool is_tried(const sync_peer *peer)
{
    return peer->number != 0 && !peer->configured && !peer->connected;
}

/* Who lies about where replicas are has us dial a few addresses, not thousands. */
static bool may_try(const sync_replica *replica)
{
    size_t count = 0;
    for (size_t i = 0; i < replica->peers.count; i++) {
        count += is_tried(replica->peers.items[i]);
    }
    return count < TRIED_MAX;
}

sync_peer *replica_beacon_dial(sync_replica *replica, crdt_span url, bool configured,
                               crdt_err *err)
{
    *err = CRDT_OK;
    if (url.size == 0 || url.size > SYNC_URL_SIZE_MAX) {
        *err = CRDT_EINVAL;
        return NULL;
    }
    if (is_own_url(replica, url)) {
        return NULL;
    }
    sync_peer *peer = sync_peers_find_url(&replica->peers, url);
    if (!configured && (peer == NULL || peer->number == 0) && !may_try(replica)) {
        return NULL;
    }
    if (peer == NULL) {
        bool full = false;
        peer = sync_peers_add(&replica->peers, replica->now_ms, &full);
        if (peer == NULL) {
            *err = full ? CRDT_ELIMIT : CRDT_ENOMEM;
            return NULL;
        }
        *err = crdt_buf_append_span(&peer->url, url);
        if (*err != CRDT_OK) {
            sync_peers_remove(&replica->peers, peer);
            return NULL;
        }
    }
    peer->configured = peer->configured || configured;
    if (peer->number == 0 && !peer->alias) {
        dial(replica, peer);
    }
    replica->look = true;
    return peer;
}

/* Where `peer` says it can be dialled, unless our link to it stands. */
static void dial_back(sync_replica *replica, sync_peer *peer, const sync_beacon *beacon)
{
    if (beacon->url_count == 0 || peer->connected || peer->configured) {
        return;
    }
    crdt_span old = crdt_buf_span(&peer->url);
    for (size_t i = 0; i < beacon->url_count && peer->number != 0; i++) {
        if (crdt_span_equal(old, beacon->urls[i])) {
            return; /* under way */
        }
    }
    if (is_own_url(replica, beacon->urls[0]) ||
        (!is_tried(peer) && !may_try(replica))) {
        return;
    }
    undial(replica, peer);
    crdt_buf_clear(&peer->url);
    crdt_err err = crdt_buf_append_span(&peer->url, beacon->urls[0]);
    replica_note_err(replica, err);
    if (err == CRDT_OK) {
        dial(replica, peer);
    }
}

/* ---- who it is ---- */

void replica_beacon_left(sync_replica *replica, sync_peer *peer)
{
    if (!peer->joined) {
        return;
    }
    peer->joined = false;
    peer->synced = false;
    peer->hears_me = false;
    peer->heard_count = 0;
    crdt_buf_clear(&peer->presence); /* if it comes again, all is told again */
    peer->presence_number = 0;
    sync_notice *notice =
        sync_outbox_notice(&replica->out, SYNC_NOTICE_LEFT, &peer->actor);
    notice->url = sync_outbox_copy(&replica->out, crdt_buf_span(&peer->url));
    for (size_t i = 0; i < replica->peers.count; i++) {
        sync_peer *other = replica->peers.items[i];
        if (other->alias && other->actor_known &&
            crdt_actor_equal(&other->actor, &peer->actor)) {
            dial(replica, other); /* perhaps it is there by another way */
        }
    }
}

/* `peer` is no link of its own: another one leads to the same replica, or to this one. */
static void drop_link(sync_replica *replica, sync_peer *peer)
{
    undial(replica, peer);
    if (!peer->configured) {
        sync_peers_remove(&replica->peers, peer);
        return;
    }
    crdt_actor actor = peer->actor;
    sync_peer_forget(&replica->peers, peer);
    peer->alias = true;
    peer->actor_known = true;
    peer->actor = actor;
}

/* `peer` turns out to be `actor`. NULL: it was given up for another link to it. */
static sync_peer *set_actor(sync_replica *replica, sync_peer *peer,
                            const crdt_actor *actor, uint64_t nonce)
{
    if (peer->actor_known) {
        replica_beacon_left(replica, peer);
        sync_peer_forget(&replica->peers, peer);
    }
    sync_peer *other = sync_peers_find_life(&replica->peers, actor, nonce);
    peer->actor = *actor;
    peer->nonce = nonce;
    if (other != NULL) {
        if (other->number == 0 || (peer->configured && !other->configured)) {
            peer->joined = other->joined; /* the same, by a better link */
            other->joined = false;
            undial(replica, other);
            sync_peers_remove(&replica->peers, other);
        } else {
            drop_link(replica, peer);
            return NULL;
        }
    }
    peer->actor_known = true;
    return peer;
}

sync_peer *replica_beacon_identify(sync_replica *replica, sync_peer *peer,
                                   const sync_message *message)
{
    bool mine = crdt_actor_equal(&message->actor, &replica->meta.actor);
    if (mine && (message->nonce == replica->o.nonce || MUTANT(203))) {
        peer->actor = message->actor;
        drop_link(replica, peer);
        return NULL;
    }
    if (!peer->actor_known || !crdt_actor_equal(&peer->actor, &message->actor)) {
        peer = set_actor(replica, peer, &message->actor, message->nonce);
        if (peer == NULL) {
            return NULL;
        }
    }
    if (peer->nonce != message->nonce) {
        peer->nonce = message->nonce; /* started again: what it had may be less */
        peer->beacon_known = false;
        peer->version_whole = false;
        peer->synced = false;
        peer->leaving = false;
        peer->hello_wanted = true;
        peer->misfit = false;
        peer->lineage_known = false;
        peer->vetted = false;
        peer->set_back = false;
        if (!MUTANT(243)) {
            crdt_version_clear(&peer->version);
        }
        sync_peer_check_ahead(&replica->peers, peer,
                              crdt_document_version(replica->doc));
    }
    if (mine && message->kind != SYNC_MESSAGE_BATCHES) {
        replica_identity_trip(replica, peer, &message->body.beacon,
                              "another replica runs under this replica's actor");
    }
    return mine ? NULL : peer;
}

/* ---- its starts ---- */

static sync_remembered *find_remembered(sync_replica *replica, const crdt_actor *actor)
{
    for (size_t i = 0; i < SYNC_REMEMBERED_COUNT_MAX; i++) {
        sync_remembered *row = &replica->meta.remembered[i];
        if (row->count > 0 && crdt_actor_equal(&row->actor, actor)) {
            return row;
        }
    }
    return NULL;
}

/* The row of `actor`: the one there is, or a new one, instead of the one not used for the
 * longest time if there is no room. */
static sync_remembered *take_remembered(sync_replica *replica, const crdt_actor *actor)
{
    sync_remembered *rows = replica->meta.remembered;
    sync_remembered *row = find_remembered(replica, actor);
    size_t index = row == NULL ? 0 : (size_t)(row - rows);
    for (size_t i = 1; i < SYNC_REMEMBERED_COUNT_MAX && row == NULL; i++) {
        if (rows[index].count > 0 &&
            (rows[i].count == 0 ||
             replica->remembered_used_ms[i] < replica->remembered_used_ms[index])) {
            index = i;
        }
    }
    if (row == NULL) {
        rows[index] = (sync_remembered){.actor = *actor};
    }
    replica->remembered_used_ms[index] = replica->now_ms;
    return &rows[index];
}

/* Note them; what is new about the starts goes to the store, and so does the time now and
 * then. */
static void keep_remembered(sync_replica *replica, sync_remembered *row,
                            const sync_start *starts, size_t count, uint64_t time)
{
    bool news = row->count != count ||
                memcmp(row->starts, starts, count * sizeof starts[0]) != 0;
    memmove(row->starts, starts, count * sizeof starts[0]);
    row->count = count;
    if (time > row->time) {
        row->time = time;
        replica->remembered_due = true;
    }
    if (news || (replica->remembered_due &&
                 replica->now_ms - replica->remembered_kept_ms >= REMEMBER_MS)) {
        replica_beacon_keep_remembered(replica);
    }
}

void replica_beacon_keep_remembered(sync_replica *replica)
{
    replica->remembered_due = false;
    replica->remembered_kept_ms = replica->now_ms;
    replica->meta_changed = true;
}

void replica_beacon_remember_me(sync_replica *replica)
{
    const sync_meta *meta = &replica->meta;
    uint64_t time = crdt_version_get(crdt_document_version(replica->doc), &meta->actor);
    sync_remembered *row = take_remembered(replica, &meta->actor);
    keep_remembered(replica, row, meta->starts, meta->start_count, time);
}

/* Remember its starts. False: they do not go on from those heard before; it was set back,
 * and those before are what it has to be told. */
static bool remember_starts(sync_replica *replica, const crdt_actor *actor,
                            const sync_beacon *beacon)
{
    if (beacon->start_count == 0 || beacon->start_count > SYNC_START_COUNT_MAX) {
        return true;
    }
    sync_remembered *row = take_remembered(replica, actor);
    sync_meta told; /* of which nothing but the starts is looked at */
    told.start_count = beacon->start_count;
    memcpy(told.starts, beacon->starts, beacon->start_count * sizeof told.starts[0]);
    if (!MUTANT(218) &&
        sync_meta_was_set_back(&told, row->starts, row->count, row->time)) {
        return false;
    }
    crdt_version claimed = replica_view(beacon->entries, beacon->entry_count);
    keep_remembered(replica, row, beacon->starts, beacon->start_count,
                    crdt_version_get(&claimed, actor));
    return true;
}

/* Has the actor started again since? Then what comes is late: the process that said it is
 * gone, or is the one of two that does not know it yet. */
static bool is_former_start(sync_replica *replica, const crdt_actor *actor,
                            uint64_t nonce)
{
    const sync_remembered *row = find_remembered(replica, actor);
    for (size_t i = 0; row != NULL && i + 1 < row->count; i++) {
        if (row->starts[i].nonce == nonce) {
            return true;
        }
    }
    return false;
}

void replica_beacon_heard_time(sync_replica *replica, const sync_peer *peer,
                               uint64_t time)
{
    sync_remembered *row = find_remembered(replica, &peer->actor);
    if (row != NULL && row->starts[row->count - 1].nonce == peer->nonce &&
        !MUTANT(271)) {
        keep_remembered(replica, row, row->starts, row->count, time);
    }
}

static void tell_remembered(sync_replica *replica, const crdt_actor *actor,
                            sync_beacon *beacon)
{
    const sync_remembered *row = find_remembered(replica, actor);
    if (row != NULL) {
        beacon->yours = row->starts;
        beacon->your_count = row->count;
        beacon->your_actor = *actor;
        beacon->your_time = row->time;
    }
}

/* ---- what it has ---- */

static void note_confirmed(sync_replica *replica)
{
    replica->meta.confirmed_time =
        crdt_version_get(crdt_document_version(replica->doc), &replica->meta.actor);
    if (replica->meta.confirmed_time != replica->confirmed_told &&
        replica->now_ms - replica->confirmed_told_ms >= CONFIRM_MS) {
        replica->meta_changed = true;
    }
}

void replica_beacon_compare(sync_replica *replica, sync_peer *peer)
{
    if (!peer->beacon_known || peer->refused) {
        return;
    }
    crdt_digest hash = crdt_digest_version(crdt_document_version(replica->doc));
    if (!crdt_digest_equal(hash, peer->version_hash)) {
        peer->synced = false;
        return;
    }
    if (!crdt_digest_equal(crdt_document_digest(replica->doc), peer->digest)) {
        peer->synced = false;
        if (MUTANT(244)) {
            return;
        }
        replica_identity_diverged(replica, peer);
        return;
    }
    note_confirmed(replica);
    if (!peer->synced) {
        peer->synced = true;
        sync_notice *notice =
            sync_outbox_notice(&replica->out, SYNC_NOTICE_SYNCED, &peer->actor);
        notice->url = sync_outbox_copy(&replica->out, crdt_buf_span(&peer->url));
    }
}

/* Is what the beacon claims believable? Nobody is silenced by a claim about times. */
static bool check_claims(sync_replica *replica, sync_peer *peer,
                         const sync_message *message, const crdt_version *claimed)
{
    const crdt_version *me = crdt_document_version(replica->doc);
    if (crdt_version_time_max(claimed) >
            crdt_version_time_max(me) + replica->o.time_jump_max &&
        !MUTANT(31)) {
        replica_refuse(replica, &peer->actor, CRDT_ELIMIT,
                       "a version far ahead of all times known");
        return false;
    }
    if (crdt_version_get(claimed, &replica->meta.actor) <=
            crdt_version_get(me, &replica->meta.actor) ||
        MUTANT(216)) {
        return true;
    }
    if (message->kind == SYNC_MESSAGE_BEACON) {
        peer->hello_wanted = true; /* whose reply tells what it remembers of me */
    } else {
        replica_identity_trip(replica, peer, NULL,
                              "another replica has operations of this one's actor "
                              "unknown here");
    }
    return false;
}

static void note_version(sync_replica *replica, sync_peer *peer,
                         const sync_message *message)
{
    const sync_beacon *beacon = &message->body.beacon;
    crdt_version claimed = replica_view(beacon->entries, beacon->entry_count);
    if (!check_claims(replica, peer, message, &claimed)) {
        return;
    }
    const crdt_version *me = crdt_document_version(replica->doc);
    bool first = !peer->beacon_known;
    crdt_err err = CRDT_OK;
    if (beacon->whole) {
        err = sync_peer_assign(&replica->peers, peer, &claimed, me, replica->now_ms);
        peer->version_whole = err == CRDT_OK;
    } else {
        err = sync_peer_raise(&replica->peers, peer, &claimed, me, replica->now_ms);
        peer->version_whole =
            err == CRDT_OK && crdt_digest_equal(crdt_digest_version(&peer->version),
                                                beacon->version_hash);
    }
    replica_note_err(replica, err);
    peer->version_hash = beacon->version_hash;
    peer->digest = beacon->digest;
    peer->beacon_known = true;
    peer->certain = peer->certain || (first && peer->ahead);
    replica_beacon_compare(replica, peer);
}

/* What one side may send, the other does not take: its connection would be cut. */
static void check_limits(sync_replica *replica, sync_peer *peer,
                         const sync_beacon *beacon)
{
    if (peer->misfit || beacon->message_size_max == replica->o.message_size_max) {
        return;
    }
    peer->misfit = true;
    sync_notice *notice =
        sync_outbox_notice(&replica->out, SYNC_NOTICE_MISFIT, &peer->actor);
    notice->err = CRDT_ELIMIT;
    notice->url = sync_outbox_copy(&replica->out, crdt_buf_span(&peer->url));
    snprintf(notice->text, sizeof notice->text,
             "takes messages of %" PRIu64
             " bytes, this node of %zu: longer ones do not "
             "come through; give all the same --message-max",
             beacon->message_size_max, replica->o.message_size_max);
}

static void discover(sync_replica *replica, const sync_beacon *beacon)
{
    for (size_t i = 0; i < beacon->known_count && replica->o.discover; i++) {
        const sync_known *known = &beacon->known[i];
        crdt_err err = CRDT_OK;
        /* Under my own actor, but not my URL: a copy of this store, perhaps. */
        if (sync_peers_find_actor(&replica->peers, &known->actor) == NULL &&
            sync_peers_find_url(&replica->peers, known->url) == NULL) {
            replica_beacon_dial(replica, known->url, false, &err);
        }
    }
}

/* The body of a BEACON, HELLO or WELCOME of `peer`, which is identified. */
static void note_beacon(sync_replica *replica, sync_peer *peer,
                        const sync_message *message)
{
    const sync_beacon *beacon = &message->body.beacon;
    peer->heard_at_ms = replica->now_ms == 0 ? 1 : replica->now_ms;
    replica->look = true;
    if (!replica_lineage_check(replica, peer, message)) {
        return;
    }
    if (beacon->leaving) {
        peer->leaving =
            !is_former_start(replica, &peer->actor, peer->nonce) && !MUTANT(259);
        return;
    }
    peer->leaving = false;
    peer->set_back = !remember_starts(replica, &message->actor, beacon);
    if (beacon->your_count > 0 &&
        crdt_actor_equal(&beacon->your_actor, &replica->meta.actor)) {
        memcpy(replica->yours, beacon->yours,
               beacon->your_count * sizeof replica->yours[0]);
        replica->your_count = beacon->your_count;
        if (sync_meta_was_set_back(&replica->meta, beacon->yours, beacon->your_count,
                                   beacon->your_time) &&
            !MUTANT(217)) {
            replica_identity_trip(replica, peer, NULL,
                                  "this store was set back to an older state");
            return;
        }
    }
    if (!peer->joined) {
        peer->joined = true;
        sync_notice *notice =
            sync_outbox_notice(&replica->out, SYNC_NOTICE_JOINED, &peer->actor);
        notice->url = sync_outbox_copy(&replica->out, crdt_buf_span(&peer->url));
    }
    replica_note_err(replica, sync_peer_set_heard(&replica->peers, peer, beacon->heard,
                                                  beacon->heard_count));
    peer->hears_me = sync_peer_hears(peer, &replica->meta.actor) || MUTANT(258);
    if (peer->hears_me) {
        peer->unheard_at_ms = 0;
    } else if (peer->unheard_at_ms == 0) {
        peer->unheard_at_ms = replica->now_ms == 0 ? 1 : replica->now_ms;
    }
    if (peer->set_back) {
        peer->hello_wanted = true;
    } else {
        note_version(replica, peer, message);
    }
    if (!is_former_start(replica, &peer->actor, peer->nonce)) {
        replica_presence_follow(peer);
    }
    replica_presence_note(replica, peer, &beacon->presence);
    check_limits(replica, peer, beacon);
    discover(replica, beacon);
}

/* ---- messages that come in ---- */

void replica_beacon_receive(sync_replica *replica, sync_peer *peer,
                            const sync_message *message)
{
    note_beacon(replica, peer, message);
}

/* The peer behind a request: by its actor, or by a URL of its that we dial. */
static sync_peer *find_asker(sync_replica *replica, const sync_message *message)
{
    const sync_beacon *beacon = &message->body.beacon;
    sync_peer *peer =
        sync_peers_find_life(&replica->peers, &message->actor, message->nonce);
    for (size_t i = 0; i < beacon->url_count && peer == NULL; i++) {
        peer = sync_peers_find_url(&replica->peers, beacon->urls[i]);
        if (peer != NULL && peer->alias) {
            peer = NULL;
        }
    }
    if (peer == NULL) {
        peer = sync_peers_add(&replica->peers, replica->now_ms, NULL);
    }
    return peer;
}

static sync_message make_beacon(sync_replica *replica, sync_message_kind kind,
                                size_t known_max);

static crdt_span encode_beacon(sync_replica *replica, sync_message *message);

static void send_welcome(sync_replica *replica, uint64_t token, const crdt_actor *to)
{
    sync_message welcome =
        make_beacon(replica, SYNC_MESSAGE_WELCOME, SYNC_KNOWN_COUNT_MAX);
    tell_remembered(replica, to, &welcome.body.beacon);
    sync_outbox_reply(&replica->out, token, encode_beacon(replica, &welcome));
}

void replica_beacon_hello(sync_replica *replica, uint64_t token,
                          const sync_message *message)
{
    bool self = crdt_actor_equal(&message->actor, &replica->meta.actor) &&
                message->nonce == replica->o.nonce;
    sync_peer *peer = self ? NULL : find_asker(replica, message);
    if (peer != NULL) {
        peer = replica_beacon_identify(replica, peer, message);
    }
    if (peer != NULL) {
        replica_lineage_adopt_scene(replica, message);
        note_beacon(replica, peer, message);
        if (!message->body.beacon.leaving && !peer->refused) {
            dial_back(replica, peer, &message->body.beacon);
        }
    }
    send_welcome(replica, token, &message->actor);
}

static void hello_failed(sync_replica *replica, sync_peer *peer)
{
    uint32_t backoff = peer->hello_backoff_ms * 2;
    if (backoff < replica->o.backoff_ms_min) {
        backoff = replica->o.backoff_ms_min;
    }
    if (backoff > replica->o.backoff_ms_max) {
        backoff = replica->o.backoff_ms_max;
    }
    peer->hello_backoff_ms = backoff;
    peer->hello_wanted = true;
    peer->hello_at_ms =
        replica->now_ms + backoff / 2 + replica_random_below(replica, backoff / 2 + 1);
}

void replica_beacon_welcome(sync_replica *replica, sync_peer *peer,
                            const sync_message *message)
{
    if (message == NULL || message->kind != SYNC_MESSAGE_WELCOME) {
        if (message != NULL && message->kind == SYNC_MESSAGE_REFUSED &&
            !peer->refused) {
            peer->refused = true;
            char text[160];
            snprintf(text, sizeof text, "%.*s", (int)message->body.refused.text.size,
                     (const char *)message->body.refused.text.data);
            replica_refuse(replica, &message->actor, message->body.refused.err, text);
        }
        hello_failed(replica, peer);
        return;
    }
    bool other_scene = memcmp(message->topic, replica->topic, SYNC_TOPIC_SIZE) != 0 &&
                       message->body.beacon.scene.size > 0 && replica->scene.size > 0;
    if (other_scene) {
        peer->refused = true;
        replica_refuse(replica, &message->actor, CRDT_EREFUSED,
                       "it edits another scene");
        hello_failed(replica, peer);
        return;
    }
    uint64_t rtt = replica->now_ms - peer->hello_sent_ms;
    sync_peer_note_rtt(peer, rtt);
    if (rtt <= replica->o.request_ms_min && peer->slow > 0) {
        peer->slow = 0; /* what was asked before it and did not come was lost */
        peer->backoff_ms = replica->o.backoff_ms_min;
    }
    peer->hello_wanted = false;
    peer->hello_backoff_ms = 0;
    peer = replica_beacon_identify(replica, peer, message);
    if (peer != NULL) {
        peer->vetted = true;
        replica_lineage_adopt_scene(replica, message);
        note_beacon(replica, peer, message);
    }
}

/* ---- messages that go out ---- */

static bool publishes_to_me(const sync_replica *replica, const sync_peer *peer)
{
    return peer->actor_known && !peer->alias && peer->published_at_ms != 0 &&
           replica->now_ms - peer->published_at_ms <=
               SILENT_BEACONS * (uint64_t)replica->o.beacon_ms;
}

static void fill_heard(sync_replica *replica, sync_beacon *beacon, size_t known_max)
{
    sync_peers *peers = &replica->peers;
    crdt_actor *heard = crdt_arena_alloc(&replica->arena, peers->count * sizeof *heard);
    sync_known *known = crdt_arena_alloc(&replica->arena, known_max * sizeof *known);
    if (heard == NULL || known == NULL) {
        replica_note_err(replica, CRDT_ENOMEM);
        return;
    }
    for (size_t i = 0; i < peers->count; i++) {
        const sync_peer *peer = peers->items[(i + replica->known_next) % peers->count];
        if (!publishes_to_me(replica, peer) || peer->refused) {
            continue;
        }
        if (beacon->heard_count < SYNC_HEARD_COUNT_MAX) {
            heard[beacon->heard_count++] = peer->actor;
        }
        if (beacon->known_count < known_max && peer->connected) {
            known[beacon->known_count++] =
                (sync_known){peer->actor, crdt_buf_span(&peer->url)};
        }
    }
    replica->known_next += known_max;
    beacon->heard = heard;
    beacon->known = known;
}

/* The whole version where it is small or asked for, else what is above the base. Before a
 * rescue none at all: it says nothing yet, and who cannot be asked shall push all it has. */
static void fill_version(sync_replica *replica, sync_beacon *beacon, bool published)
{
    static const crdt_version none = {0};
    bool rescue = replica->meta.former_count > 0;
    const crdt_version *spoken = rescue        ? &none
                                 : MUTANT(212) ? crdt_document_version(replica->doc)
                                               : &replica->spoken;
    size_t fits = replica->o.message_size_max / 2 / 28; /* bytes of an entry at most */
    beacon->version_hash = crdt_digest_version(spoken);
    beacon->digest = rescue ? (crdt_digest){0} : replica->spoken_digest;
    beacon->entries = spoken->stamps;
    beacon->entry_count = spoken->stamp_count;
    beacon->whole = spoken->stamp_count <= (published ? WHOLE_COUNT_MAX : fits);
    if (beacon->whole) {
        return;
    }
    const crdt_version *base = &replica->beacon_base[0];
    crdt_stamp *above =
        crdt_arena_alloc(&replica->arena, spoken->stamp_count * sizeof *above);
    beacon->entries = above;
    beacon->entry_count = 0;
    for (size_t i = 0; i < spoken->stamp_count && above != NULL; i++) {
        if (!crdt_version_covers(base, &spoken->stamps[i]) &&
            beacon->entry_count < fits) {
            above[beacon->entry_count++] = spoken->stamps[i];
        }
    }
}

static sync_message make_beacon(sync_replica *replica, sync_message_kind kind,
                                size_t known_max)
{
    sync_message message = replica_message(replica, kind);
    sync_beacon *beacon = &message.body.beacon;
    *beacon = (sync_beacon){.scene = crdt_buf_span(&replica->scene),
                            .lineage_known = replica->meta.lineage_known,
                            .lineage = replica->meta.lineage,
                            .leaving = replica->leaving,
                            .message_size_max = replica->o.message_size_max,
                            .presence = {.number = replica->presence_number,
                                         .bytes = crdt_buf_span(&replica->presence)}};
    fill_version(replica, beacon, kind == SYNC_MESSAGE_BEACON);
    fill_heard(replica, beacon, known_max);
    beacon->starts = replica->meta.starts;
    beacon->start_count = replica->meta.start_count;
    crdt_span *urls =
        crdt_arena_alloc(&replica->arena, SYNC_URL_COUNT_MAX * sizeof *urls);
    for (size_t i = 0; i < replica->url_count && urls != NULL; i++) {
        urls[i] = crdt_buf_span(&replica->urls[i]);
        beacon->url_count = i + 1;
    }
    beacon->urls = urls;
    return message;
}

/* Where messages are short: without the URLs of others, without the people. */
static crdt_span encode_beacon(sync_replica *replica, sync_message *message)
{
    crdt_span bytes = replica_encode(replica, message);
    if (bytes.size == 0 && message->body.beacon.known_count > 0) {
        message->body.beacon.known_count = 0;
        bytes = replica_encode(replica, message);
    }
    if (bytes.size == 0 && message->body.beacon.presence.number > 0) {
        message->body.beacon.presence = (sync_presence){0};
        bytes = replica_encode(replica, message);
    }
    return bytes;
}

/* Changed entries are those above a version four to eight beacons old, so a receiver
 * may miss a few in a row. */
static void move_base(sync_replica *replica)
{
    if (++replica->beacon_base_age < BASE_AGE_MAX) {
        return;
    }
    replica->beacon_base_age = 0;
    crdt_version *bases = replica->beacon_base;
    crdt_err err = crdt_version_copy(&bases[0], &bases[1]);
    if (err == CRDT_OK) {
        err = crdt_version_copy(&bases[1], &replica->spoken);
    }
    replica_note_err(replica, err);
}

void replica_beacon_send(sync_replica *replica)
{
    /* A beacon that tells of a change may get lost as any other: soon after it comes
     * another, then one twice as late, until it is the usual period again. */
    crdt_digest hash = crdt_digest_version(&replica->spoken);
    bool changed = !crdt_digest_equal(hash, replica->beacon_hash);
    replica->beacon_hash = hash;
    replica->beacon_quiet = changed || MUTANT(260) ? 0 : replica->beacon_quiet + 1;
    uint64_t period = replica->o.beacon_ms;
    if (replica->beacon_quiet < QUIET_MAX &&
        (ECHO_MS << replica->beacon_quiet) < period) {
        period = ECHO_MS << replica->beacon_quiet;
    }
    replica->beacon_at_ms = replica->now_ms + period - period / 10 +
                            replica_random_below(replica, period / 5 + 1);
    if (replica->scene.size == 0) {
        return;
    }
    sync_message message =
        make_beacon(replica, SYNC_MESSAGE_BEACON, KNOWN_PUBLISHED_MAX);
    crdt_span bytes = encode_beacon(replica, &message);
    if (bytes.size > 0) {
        sync_outbox_publish(&replica->out, bytes);
        replica->counts.beacons++;
        move_base(replica);
    }
    replica->beacon_sent_ms = replica->now_ms;
    if (bytes.size > 0 &&
        message.body.beacon.presence.number == replica->presence_number) {
        replica->presence_at_ms = UINT64_MAX;
        replica->presence_sent_ms = replica->now_ms;
    }
}

void replica_beacon_soon(sync_replica *replica, uint32_t ms)
{
    uint64_t at = replica->now_ms + ms;
    uint64_t gap_end = replica->beacon_sent_ms + replica->o.beacon_gap_ms;
    if (replica->beacon_sent_ms != 0 && at < gap_end) {
        at = gap_end;
    }
    if (at < replica->beacon_at_ms) {
        replica->beacon_at_ms = at;
    }
}

/* ---- time ---- */

bool replica_beacon_reachable(const sync_replica *replica, const sync_peer *peer)
{
    return peer->number != 0 && peer->connected && !peer->alias && !peer->refused &&
           !peer->leaving && peer->actor_known && peer->retry_at_ms <= replica->now_ms;
}

void replica_peer_failed(sync_replica *replica, sync_peer *peer)
{
    /* Slowly at first: a few failures in a row are losses. Then fast: it is slow, or far. */
    bool often = peer->backoff_ms >= BACKOFF_OFTEN * replica->o.backoff_ms_min;
    uint32_t backoff = peer->backoff_ms + peer->backoff_ms / (often ? 1 : 4);
    if (backoff < replica->o.backoff_ms_min) {
        backoff = replica->o.backoff_ms_min;
    }
    if (backoff > replica->o.backoff_ms_max) {
        backoff = replica->o.backoff_ms_max;
    }
    peer->backoff_ms = backoff;
    peer->retry_at_ms = MUTANT(236)
                            ? UINT64_MAX
                            : replica->now_ms + backoff / 2 +
                                  replica_random_below(replica, backoff / 2 + 1);
}

/* Does a HELLO tell it or us what beacons do not? */
static bool wants_hello(const sync_replica *replica, const sync_peer *peer)
{
    if (!peer->connected || peer->alias || peer->hello_token != 0) {
        return false;
    }
    uint64_t quiet = replica->now_ms - peer->published_at_ms;
    return peer->hello_wanted || !peer->beacon_known || !peer->hears_me ||
           (!peer->version_whole && !MUTANT(241)) ||
           quiet * 2 > (uint64_t)replica->o.beacon_ms * 3;
}

static void say_hello(sync_replica *replica, sync_peer *peer)
{
    sync_message hello = make_beacon(replica, SYNC_MESSAGE_HELLO, SYNC_KNOWN_COUNT_MAX);
    if (peer->actor_known) {
        tell_remembered(replica, &peer->actor, &hello.body.beacon);
    }
    peer->hello_token =
        replica_request_bytes(replica, peer, &hello, encode_beacon(replica, &hello));
    peer->hello_sent_ms = replica->now_ms;
    peer->hello_end_ms = replica->now_ms + replica_patience_ms(replica, peer, &hello);
    peer->hello_at_ms = replica->now_ms + replica->o.beacon_ms;
    if (peer->refused) {
        peer->hello_at_ms = replica->now_ms + replica->o.backoff_ms_max;
    }
    if (peer->hello_token == 0) {
        hello_failed(replica, peer);
    }
}

void replica_beacon_say_goodbye(sync_replica *replica)
{
    for (size_t i = 0; i < replica->peers.count; i++) {
        sync_peer *peer = replica->peers.items[i];
        if (peer->joined && peer->connected && !peer->hears_me) {
            say_hello(replica, peer);
        }
    }
}

/* False: the peer is forgotten. */
static bool check_presence(sync_replica *replica, sync_peer *peer)
{
    uint64_t silent_ms = SILENT_BEACONS * (uint64_t)replica->o.beacon_ms;
    if (peer->joined) {
        if (peer->leaving || replica->now_ms - peer->heard_at_ms > silent_ms) {
            replica_beacon_left(replica, peer);
        } else {
            replica_wake(replica, peer->heard_at_ms + silent_ms + 1);
        }
    }
    uint64_t last =
        peer->heard_at_ms > peer->found_at_ms ? peer->heard_at_ms : peer->found_at_ms;
    bool silent = replica->now_ms - last > replica->o.unknown_ms_max;
    if (!peer->configured && (silent || peer->leaving)) {
        undial(replica, peer);
        sync_peers_remove(&replica->peers, peer);
        return false;
    }
    return true;
}

void replica_beacon_look(sync_replica *replica)
{
    for (size_t i = replica->peers.count; i > 0; i--) {
        sync_peer *peer = replica->peers.items[i - 1];
        if (!check_presence(replica, peer)) {
            continue;
        }
        if (peer->hello_token != 0) {
            if (replica->now_ms >= peer->hello_end_ms) {
                peer->hello_token = 0;
                hello_failed(replica, peer);
            } else {
                replica_wake(replica, peer->hello_end_ms);
            }
        }
        if (wants_hello(replica, peer)) {
            if (replica->now_ms >= peer->hello_at_ms) {
                say_hello(replica, peer);
            } else {
                replica_wake(replica, peer->hello_at_ms);
            }
        }
    }
}
