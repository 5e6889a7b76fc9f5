#include "sync/replica_impl.h"

#include "crdt/mutant.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define REFUSED_AGAIN_MS 60000u
#define LIVE_DEPS_MAX 256u
#define SWEEP_MS 250u
#define BULK_PATIENCE 5u    /* so much longer than other replies an answer may take */
#define SLOWEST_WAY 20u     /* bytes per ms: a chunk is not waited for longer than so */
#define BEACON_SOON_MS 200u /* a beacon follows the last batch this soon */

sync_replica_options sync_replica_options_default(void)
{
    return (sync_replica_options){
        .alloc = crdt_alloc_default(),
        .discover = true,
        .beacon_ms = 1000,
        .beacon_gap_ms = 50,
        .presence_gap_ms = 100,
        .request_ms_min = 100,
        .request_ms = 3000,
        .grace_ms_min = 10,
        .grace_ms_max = 200,
        .backoff_ms_min = 50,
        .backoff_ms_max = 10000,
        .held_ms_max = 30000,
        .unknown_ms_max = 30000,
        .answer_ms = 10000,
        .message_size_max = (size_t)1 << 20,
        .peer_count_max = 1024,
        .held_count_max = 4096,
        .held_size_max = (size_t)16 << 20,
        .unsent_size_max = (size_t)16 << 20,
        .answer_count_max = 8,
        .answer_size_max = (size_t)1 << 30,
        .staged_size_max = (size_t)1 << 30,
        .presence_size_max = 16384,
        .time_jump_max = UINT64_C(1) << 40,
        .absolute_every = 64,
    };
}

static bool options_valid(const sync_replica_options *o)
{
    static const crdt_actor nobody = {{0}};
    return o->doc != NULL && o->deps != NULL && o->message_size_max >= 4096 &&
           o->peer_count_max > 0 && o->answer_count_max > 0 && o->beacon_ms > 0 &&
           o->request_ms > 0 && o->backoff_ms_min > 0 && o->absolute_every > 0 &&
           o->meta.scene.size <= SYNC_SCENE_SIZE_MAX &&
           o->presence_size_max <= o->message_size_max / 4 &&
           !crdt_actor_equal(&o->meta.actor, &nobody);
}

/* splitmix64 */
uint64_t replica_random(sync_replica *replica)
{
    uint64_t z = replica->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t replica_random_below(sync_replica *replica, uint64_t bound)
{
    return bound == 0 ? 0 : replica_random(replica) % bound;
}

/* ---- lifecycle ---- */

static void init_parts(sync_replica *replica)
{
    crdt_alloc alloc = replica->alloc;
    crdt_buf_init(&replica->scene, alloc);
    crdt_buf_init(&replica->presence, alloc);
    crdt_buf_init(&replica->scratch, alloc);
    crdt_buf_init(&replica->spent, alloc);
    for (size_t i = 0; i < SYNC_URL_COUNT_MAX; i++) {
        crdt_buf_init(&replica->urls[i], alloc);
    }
    crdt_arena_init(&replica->arena, alloc);
    crdt_arena_init(&replica->batch_arena, alloc);
    sync_outbox_init(&replica->out, alloc);
    sync_unsent_init(&replica->unsent, alloc, replica->o.unsent_size_max);
    sync_peers_init(&replica->peers, alloc, replica->o.peer_count_max);
    sync_held_init(&replica->held, alloc, replica->o.held_count_max,
                   replica->o.held_size_max);
    sync_staging_init(&replica->ask.staging, alloc);
    for (size_t i = 0; i < REPLICA_INCOMING_MAX; i++) {
        sync_staging_init(&replica->incoming[i].staging, alloc);
    }
    crdt_version_init(&replica->spoken, alloc);
    crdt_version_init(&replica->beacon_base[0], alloc);
    crdt_version_init(&replica->beacon_base[1], alloc);
    crdt_version_init(&replica->push.version, alloc);
    crdt_version_init(&replica->answer_since, alloc);
    crdt_version_init(&replica->answer_version, alloc);
}

crdt_err sync_replica_open(sync_replica **out, const sync_replica_options *options)
{
    if (!options_valid(options)) {
        return CRDT_EINVAL;
    }
    sync_replica *replica = crdt_allocate(options->alloc, sizeof *replica);
    if (replica == NULL) {
        return CRDT_ENOMEM;
    }
    *replica = (sync_replica){
        .o = *options,
        .alloc = options->alloc,
        .doc = options->doc,
        .deps = options->deps,
        .random = options->seed,
        .meta = options->meta,
        .meta_due = true,
        .confirmed_told = options->meta.confirmed_time,
        .now_ms = options->now_ms,
        .beacon_at_ms = options->now_ms,
        .presence_at_ms = UINT64_MAX,
        .wake_at_ms = UINT64_MAX,
        .absolute_next = true,
        .look = true,
    };
    init_parts(replica);
    sync_meta_add_start(
        &replica->meta, options->nonce,
        crdt_version_get(crdt_document_version(replica->doc), &replica->meta.actor));
    sync_message_topic(options->meta.scene, replica->topic);
    crdt_err err = crdt_buf_append_span(&replica->scene, options->meta.scene);
    if (err == CRDT_OK) {
        err = crdt_deps_open(&replica->live_deps, replica->alloc, LIVE_DEPS_MAX);
    }
    if (err == CRDT_OK) {
        err =
            sync_shelf_init(&replica->shelf, replica->alloc, options->answer_count_max,
                            options->answer_size_max, replica_random(replica) >> 8);
    }
    if (err == CRDT_OK) {
        err = crdt_version_copy(&replica->spoken, crdt_document_version(replica->doc));
    }
    if (err != CRDT_OK) {
        sync_replica_close(replica);
        return err;
    }
    replica->spoken_digest = crdt_document_digest(replica->doc);
    *out = replica;
    return CRDT_OK;
}

void sync_replica_close(sync_replica *replica)
{
    if (replica == NULL) {
        return;
    }
    crdt_buf_deinit(&replica->scene);
    crdt_buf_deinit(&replica->presence);
    crdt_buf_deinit(&replica->scratch);
    crdt_buf_deinit(&replica->spent);
    for (size_t i = 0; i < SYNC_URL_COUNT_MAX; i++) {
        crdt_buf_deinit(&replica->urls[i]);
    }
    crdt_arena_deinit(&replica->arena);
    crdt_arena_deinit(&replica->batch_arena);
    crdt_free(replica->alloc, replica->pack,
              replica->pack_capacity * sizeof *replica->pack);
    sync_outbox_deinit(&replica->out);
    sync_unsent_deinit(&replica->unsent);
    sync_peers_deinit(&replica->peers);
    sync_held_deinit(&replica->held);
    sync_staging_deinit(&replica->ask.staging);
    for (size_t i = 0; i < REPLICA_INCOMING_MAX; i++) {
        sync_staging_deinit(&replica->incoming[i].staging);
    }
    sync_shelf_deinit(&replica->shelf);
    crdt_version_deinit(&replica->spoken);
    crdt_version_deinit(&replica->beacon_base[0]);
    crdt_version_deinit(&replica->beacon_base[1]);
    crdt_version_deinit(&replica->push.version);
    crdt_version_deinit(&replica->answer_since);
    crdt_version_deinit(&replica->answer_version);
    if (replica->live_deps != NULL) {
        crdt_deps_close(replica->live_deps);
    }
    crdt_free(replica->alloc, replica, sizeof *replica);
}

/* ---- what all files use ---- */

void replica_note_err(sync_replica *replica, crdt_err err)
{
    if (err != CRDT_OK) {
        replica->out.err = err;
    }
}

void replica_wake(sync_replica *replica, uint64_t at_ms)
{
    if (at_ms < replica->wake_at_ms) {
        replica->wake_at_ms = at_ms;
    }
}

crdt_version replica_view(const crdt_stamp *stamps, size_t count)
{
    crdt_version view = {.stamp_count = count};
    memcpy(&view.stamps, &stamps,
           sizeof view.stamps); /* read only, whatever its type */
    return view;
}

sync_message replica_message(const sync_replica *replica, sync_message_kind kind)
{
    sync_message message = {
        .kind = kind, .actor = replica->meta.actor, .nonce = replica->o.nonce};
    memcpy(message.topic, replica->topic, sizeof message.topic);
    return message;
}

crdt_span replica_encode(sync_replica *replica, const sync_message *message)
{
    crdt_buf_clear(&replica->scratch);
    crdt_err err = sync_message_encode(message, &replica->scratch);
    if (err != CRDT_OK) {
        replica_note_err(replica, err);
        return (crdt_span){0};
    }
    if (replica->scratch.size > replica->o.message_size_max) {
        return (crdt_span){0};
    }
    return sync_outbox_copy(&replica->out, crdt_buf_span(&replica->scratch));
}

void replica_reply(sync_replica *replica, uint64_t token, const sync_message *message)
{
    sync_outbox_reply(&replica->out, token, replica_encode(replica, message));
}

void replica_reply_refused(sync_replica *replica, uint64_t token, crdt_err err,
                           const char *text)
{
    sync_message message = replica_message(replica, SYNC_MESSAGE_REFUSED);
    message.body.refused.err = err;
    message.body.refused.text = crdt_span_of(text);
    replica_reply(replica, token, &message);
}

/* The longest patience with a message: a chunk takes its time on a slow way, but not more
 * than that; how large an answer will be nobody knows. */
static uint64_t patience_limit(const sync_replica *replica, const sync_message *message)
{
    switch (message->kind) {
    case SYNC_MESSAGE_SYNC:
        return (uint64_t)replica->o.request_ms * BULK_PATIENCE;
    case SYNC_MESSAGE_FETCH:
        return replica->o.request_ms + replica->ask.staging.chunk_size / SLOWEST_WAY;
    case SYNC_MESSAGE_PUSH:
        return replica->o.request_ms + message->body.parcel.bytes.size / SLOWEST_WAY;
    default:
        return replica->o.request_ms;
    }
}

uint32_t replica_patience_ms(const sync_replica *replica, const sync_peer *peer,
                             const sync_message *message)
{
    bool hello = message->kind == SYNC_MESSAGE_HELLO;
    uint64_t backoff = hello ? peer->hello_backoff_ms : peer->backoff_ms;
    /* Whose replies were timed has lost a message; whose were not may be far away. */
    backoff = peer->rtt_ms > 0 ? backoff / 4 : backoff;
    uint64_t rtt = hello || peer->rtt_ms > peer->bulk_ms ? peer->rtt_ms : peer->bulk_ms;
    uint64_t patience = replica->o.request_ms_min + 4 * rtt + backoff;
    if (!hello) { /* whose answer is a chunk, and the way may be slow */
        patience <<= peer->slow > SYNC_PEER_LOSSES ? peer->slow - SYNC_PEER_LOSSES : 0;
    }
    uint64_t limit = patience_limit(replica, message);
    return (uint32_t)(patience < limit ? patience : limit);
}

uint64_t replica_request(sync_replica *replica, const sync_peer *peer,
                         const sync_message *message)
{
    return replica_request_bytes(replica, peer, message,
                                 replica_encode(replica, message));
}

uint64_t replica_request_bytes(sync_replica *replica, const sync_peer *peer,
                               const sync_message *message, crdt_span bytes)
{
    if (bytes.size == 0) {
        return 0;
    }
    sync_request request = {.peer = peer->number,
                            .token = ++replica->token,
                            .bytes = bytes,
                            .timeout_ms = replica_patience_ms(replica, peer, message)};
    sync_outbox_request(&replica->out, &request);
    return request.token;
}

void replica_refuse(sync_replica *replica, const crdt_actor *actor, crdt_err err,
                    const char *text)
{
    replica->counts.refused++;
    char plain[sizeof replica->refused.text];
    snprintf(plain, sizeof plain, "%s", text);
    for (char *at = plain; *at != '\0'; at++) {
        *at = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at; /* foreign words */
    }
    replica_refusal *last = &replica->refused;
    if (last->told && strcmp(last->text, plain) == 0 &&
        crdt_actor_equal(&last->actor, actor) &&
        replica->now_ms - last->told_ms < REFUSED_AGAIN_MS) {
        return; /* who tries again and again is counted, and told now and then */
    }
    *last =
        (replica_refusal){.told = true, .told_ms = replica->now_ms, .actor = *actor};
    memcpy(last->text, plain, sizeof plain);
    sync_notice *notice = sync_outbox_notice(&replica->out, SYNC_NOTICE_REFUSED, actor);
    notice->err = err;
    snprintf(notice->text, sizeof notice->text, "%s", plain);
}

/* ---- durable before spoken of ---- */

static void queue_unsent(sync_replica *replica, const sync_unsent_entry *entry,
                         crdt_span publish)
{
    crdt_err err = sync_unsent_add(&replica->unsent, entry, publish);
    if (err != CRDT_OK) {
        replica->spoken_stale = true;
        replica_note_err(replica, err);
    }
    replica->look = true;
}

void replica_append_batch(sync_replica *replica, const crdt_batch *batch,
                          crdt_span bytes, bool publish)
{
    sync_unsent_entry entry = {
        .sequence = ++replica->sequence,
        .stamp = {crdt_batch_last_time(batch), batch->actor},
        .digest = crdt_document_digest(replica->doc),
    };
    sync_outbox_append(&replica->out, SYNC_APPEND_BATCH, entry.sequence, bytes);
    queue_unsent(replica, &entry, publish ? bytes : (crdt_span){0});
}

void replica_append_answer(sync_replica *replica, crdt_span bytes)
{
    sync_unsent_entry entry = {.sequence = ++replica->sequence,
                               .digest = crdt_document_digest(replica->doc)};
    sync_outbox_append(&replica->out, SYNC_APPEND_ANSWER, entry.sequence, bytes);
    crdt_version_init(&entry.answer, replica->alloc);
    if (crdt_version_copy(&entry.answer, &replica->answer_version) != CRDT_OK) {
        replica->spoken_stale = true;
    }
    queue_unsent(replica, &entry, (crdt_span){0});
}

void replica_tell_change(const sync_replica *replica, const crdt_batch *batch)
{
    if (replica->o.on_change != NULL) {
        replica->o.on_change(replica->o.change_ctx, batch);
    }
}

crdt_err replica_take_local(sync_replica *replica, const crdt_batch *batch)
{
    bool absolute = (replica->absolute_next ||
                     replica->own_count % replica->o.absolute_every == 0) &&
                    !(MUTANT(44) && replica->own_count > 0);
    crdt_buf_clear(&replica->scratch);
    crdt_err err =
        crdt_batch_encode(batch, absolute ? NULL : replica->deps, &replica->scratch);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_span bytes = sync_outbox_copy(&replica->out, crdt_buf_span(&replica->scratch));
    if (bytes.size == 0) {
        return CRDT_ENOMEM;
    }
    if (crdt_actor_equal(&batch->actor, &replica->meta.actor)) {
        replica->own_count++;
        replica->absolute_next = false;
    }
    /* A row that is missing makes receivers hold back until they catch up: no harm. */
    replica_note_err(replica, crdt_deps_note(replica->deps, batch));
    replica_append_batch(replica, batch, bytes, true);
    replica_live_retry(replica);
    return CRDT_OK;
}

bool replica_pack(sync_replica *replica, crdt_span bytes)
{
    size_t limit = replica->o.message_size_max - SYNC_MESSAGE_OVERHEAD;
    size_t size = bytes.size + CRDT_STAMP_TEXT_SIZE; /* its head, generously */
    if (size > limit) {
        return false;
    }
    if (replica->pack_size + size > limit) {
        replica_pack_flush(replica);
    }
    if (replica->pack_count == replica->pack_capacity) {
        size_t capacity = replica->pack_capacity == 0 ? 64 : replica->pack_capacity * 2;
        crdt_span *pack =
            crdt_resize_array(replica->alloc, replica->pack, replica->pack_capacity,
                              capacity, sizeof *pack);
        if (pack == NULL) {
            replica_note_err(replica, CRDT_ENOMEM);
            return false;
        }
        replica->pack = pack;
        replica->pack_capacity = capacity;
    }
    replica->pack[replica->pack_count++] = bytes;
    replica->pack_size += size;
    return true;
}

void replica_pack_flush(sync_replica *replica)
{
    if (replica->pack_count == 0) {
        return;
    }
    sync_message message = replica_message(replica, SYNC_MESSAGE_BATCHES);
    message.body.batches.batches = replica->pack;
    message.body.batches.batch_count = replica->pack_count;
    crdt_span bytes = replica_encode(replica, &message);
    if (bytes.size > 0) {
        sync_outbox_publish(&replica->out, bytes);
    }
    replica->pack_count = 0;
    replica->pack_size = 0;
}

/* The version told to others grows by one entry of unsent, and its digest with it; not
 * while an entry is missing, then it grows by all at once (on_stored). */
static void speak_entry(sync_replica *replica, const sync_unsent_entry *entry)
{
    if (replica->spoken_stale) {
        return;
    }
    crdt_err err = CRDT_OK;
    if (entry->stamp.time > 0) {
        err = crdt_version_raise(&replica->spoken, &entry->stamp);
    } else {
        err = crdt_version_merge(&replica->spoken, &entry->answer);
    }
    if (err != CRDT_OK) {
        replica->spoken_stale = true;
        replica_note_err(replica, err);
        return;
    }
    if (!MUTANT(257)) {
        replica->spoken_digest = entry->digest;
    }
}

static void on_stored(sync_replica *replica, uint64_t sequence)
{
    if (sequence > replica->stored) {
        replica->stored = sequence;
    }
    if (replica->meta.former_count > 0 && !MUTANT(255)) {
        replica->unsent_waits = true; /* until it is known what only others have */
        replica_catchup_stored(replica);
        return;
    }
    replica->unsent_waits = false;
    bool published = false;
    bool spoke = false;
    const sync_unsent_entry *entry = NULL;
    while ((entry = sync_unsent_peek(&replica->unsent, sequence)) != NULL) {
        speak_entry(replica, entry);
        if (entry->size > 0 && !(MUTANT(256) && replica->counts.published % 2 == 1)) {
            crdt_span bytes =
                sync_outbox_copy(&replica->out, (crdt_span){entry->bytes, entry->size});
            bool packed = bytes.size > 0 && replica_pack(replica, bytes);
            packed = packed && (!MUTANT(11) || replica_pack(replica, bytes));
            replica->counts.published += packed ? 1 : 0;
        }
        published =
            published || crdt_actor_equal(&entry->stamp.actor, &replica->meta.actor);
        spoke = true;
        sync_unsent_drop(&replica->unsent);
    }
    replica_pack_flush(replica);
    if (replica->spoken_stale && replica->stored == replica->sequence &&
        crdt_version_copy(&replica->spoken, crdt_document_version(replica->doc)) ==
            CRDT_OK) {
        replica->spoken_digest = crdt_document_digest(replica->doc);
        replica->spoken_stale = false;
    }
    if (published) {
        bool idle = replica->now_ms - replica->published_ms >= replica->o.beacon_ms;
        replica->published_ms = replica->now_ms;
        replica_beacon_soon(replica, idle ? 0 : BEACON_SOON_MS);
    } else if (spoke) {
        replica_beacon_soon(replica, BEACON_SOON_MS);
    }
    replica_catchup_stored(replica);
}

/* ---- events ---- */

static crdt_err on_local(sync_replica *replica, const crdt_batch *batch)
{
    bool template_batch = replica->meta.lineage_known &&
                          crdt_actor_equal(&batch->actor, &replica->meta.lineage);
    if (!template_batch && !crdt_actor_equal(&batch->actor, &replica->meta.actor)) {
        return CRDT_EINVAL;
    }
    return replica_take_local(replica, batch);
}

static void on_received(sync_replica *replica, const sync_replica_event *event)
{
    sync_peer *peer = sync_peers_find_number(&replica->peers, event->peer);
    if (peer == NULL || peer->alias) {
        return; /* let go meanwhile */
    }
    crdt_diag diag = {0};
    sync_message message;
    crdt_arena_reset(&replica->arena);
    crdt_err err =
        event->bytes.size > replica->o.message_size_max
            ? crdt_diag_set(&diag, CRDT_ELIMIT, 0, "message over its limit")
            : sync_message_decode(event->bytes, &replica->arena, &message, &diag);
    if (err == CRDT_OK && message.kind != SYNC_MESSAGE_BEACON &&
        message.kind != SYNC_MESSAGE_BATCHES && message.kind != SYNC_MESSAGE_PRESENCE) {
        err = crdt_diag_set(&diag, CRDT_ECORRUPT, 0, "a kind that is not published");
    }
    if (err == CRDT_OK && memcmp(message.topic, replica->topic, SYNC_TOPIC_SIZE) != 0) {
        err = crdt_diag_set(&diag, CRDT_EREFUSED, 0, "a publication of another scene");
    }
    if (err != CRDT_OK) {
        replica_refuse(replica, &peer->actor, err, diag.text);
        return;
    }
    peer = replica_beacon_identify(replica, peer, &message);
    if (peer == NULL) {
        return;
    }
    peer->published_at_ms = replica->now_ms;
    if (message.kind == SYNC_MESSAGE_BEACON) {
        replica_beacon_receive(replica, peer, &message);
    } else if (message.kind == SYNC_MESSAGE_PRESENCE) {
        replica_presence_receive(replica, peer, &message.body.presence);
    } else {
        replica_live_receive(replica, peer, &message);
    }
}

/* Is the asker of the same scene? A replica without one may say HELLO, to learn it. */
static bool topic_answers(const sync_replica *replica, const sync_message *message)
{
    if (memcmp(message->topic, replica->topic, SYNC_TOPIC_SIZE) == 0) {
        return true;
    }
    return message->kind == SYNC_MESSAGE_HELLO &&
           (message->body.beacon.scene.size == 0 || replica->scene.size == 0);
}

static void on_request(sync_replica *replica, const sync_replica_event *event)
{
    crdt_diag diag = {0};
    sync_message message;
    crdt_arena_reset(&replica->arena);
    crdt_err err =
        event->bytes.size > replica->o.message_size_max
            ? crdt_diag_set(&diag, CRDT_ELIMIT, 0, "message over its limit")
            : sync_message_decode(event->bytes, &replica->arena, &message, &diag);
    if (err != CRDT_OK) {
        static const crdt_actor nobody = {{0}};
        replica_refuse(replica, &nobody, err, diag.text);
        replica_reply_refused(replica, event->token, err, diag.text);
        return;
    }
    if (!topic_answers(replica, &message)) {
        replica_refuse(replica, &message.actor, CRDT_EREFUSED,
                       "a request for another scene");
        replica_reply_refused(replica, event->token, CRDT_EREFUSED,
                              "this is another scene");
        return;
    }
    switch (message.kind) {
    case SYNC_MESSAGE_HELLO:
        replica_beacon_hello(replica, event->token, &message);
        break;
    case SYNC_MESSAGE_SYNC:
        replica_catchup_serve(replica, event->token, &message);
        break;
    case SYNC_MESSAGE_FETCH:
        replica_catchup_fetch(replica, event->token, &message);
        break;
    case SYNC_MESSAGE_PUSH:
        replica_catchup_take_push(replica, event->token, &message);
        break;
    default:
        replica_refuse(replica, &message.actor, CRDT_ECORRUPT, "no request");
        replica_reply_refused(replica, event->token, CRDT_ECORRUPT, "no request");
        break;
    }
}

static void on_hello_reply(sync_replica *replica, uint64_t token,
                           const sync_message *message)
{
    for (size_t i = 0; i < replica->peers.count; i++) {
        sync_peer *peer = replica->peers.items[i];
        if (peer->hello_token == token) {
            peer->hello_token = 0;
            replica_beacon_welcome(replica, peer, message);
            return;
        }
    }
}

static void on_reply(sync_replica *replica, uint64_t token, const crdt_span *bytes)
{
    if (token == 0) {
        return;
    }
    crdt_diag diag = {0};
    sync_message message;
    const sync_message *decoded = NULL;
    if (bytes != NULL) {
        crdt_err err = sync_message_decode(*bytes, &replica->arena, &message, &diag);
        if (err == CRDT_OK) {
            decoded = &message;
        } else {
            static const crdt_actor nobody = {{0}};
            replica_refuse(replica, &nobody, err, diag.text);
        }
    }
    replica->look = true;
    if (!replica_catchup_reply(replica, token, decoded)) {
        on_hello_reply(replica, token, decoded);
    }
}

static void on_link(sync_replica *replica, uint32_t number, bool up)
{
    sync_peer *peer = sync_peers_find_number(&replica->peers, number);
    if (peer == NULL) {
        return;
    }
    peer->connected = up;
    if (up) {
        peer->hello_wanted = true;
        peer->hello_at_ms = replica->now_ms;
        peer->hello_backoff_ms = 0;
        peer->retry_at_ms = 0;
        peer->backoff_ms = 0;
    }
    replica->look = true;
}

static crdt_err on_url(sync_replica *replica, crdt_span url)
{
    if (url.size == 0 || url.size > SYNC_URL_SIZE_MAX) {
        return CRDT_EINVAL;
    }
    if (replica->url_count == SYNC_URL_COUNT_MAX) {
        return CRDT_ELIMIT;
    }
    crdt_buf *copy = &replica->urls[replica->url_count];
    crdt_buf_clear(copy);
    crdt_err err = crdt_buf_append_span(copy, url);
    if (err == CRDT_OK) {
        replica->url_count++;
        replica_beacon_soon(replica, 0);
    }
    return err;
}

static void on_leave(sync_replica *replica)
{
    replica_catchup_stop(replica);
    replica->leaving = true;
    replica->meta_changed |= replica->meta.confirmed_time != replica->confirmed_told;
    if (replica->remembered_due) {
        replica_beacon_keep_remembered(replica);
    }
    replica_beacon_send(replica);
    replica_beacon_say_goodbye(replica);
}

static crdt_err dispatch(sync_replica *replica, const sync_replica_event *event)
{
    crdt_err err = CRDT_OK;
    switch (event->kind) {
    case SYNC_ON_TICK:
        replica->look = true;
        break;
    case SYNC_ON_LOCAL:
        err = on_local(replica, event->batch);
        break;
    case SYNC_ON_STORED:
        on_stored(replica, event->sequence);
        break;
    case SYNC_ON_RECEIVED:
        on_received(replica, event);
        break;
    case SYNC_ON_REQUEST:
        on_request(replica, event);
        break;
    case SYNC_ON_REPLY:
        on_reply(replica, event->token, &event->bytes);
        break;
    case SYNC_ON_FAILED:
        on_reply(replica, event->token, NULL);
        break;
    case SYNC_ON_LINK_UP:
        on_link(replica, event->peer, true);
        break;
    case SYNC_ON_LINK_DOWN:
        on_link(replica, event->peer, false);
        break;
    case SYNC_ON_ADD_PEER:
        replica_beacon_dial(replica, event->url, true, &err);
        break;
    case SYNC_ON_URL:
        err = on_url(replica, event->url);
        break;
    case SYNC_ON_LINEAGE:
        err = replica_lineage_begin(replica, &event->actor);
        break;
    case SYNC_ON_ACTOR:
        replica_identity_fresh(replica, &event->actor);
        break;
    case SYNC_ON_PRESENCE:
        err = replica_presence_set(replica, event->bytes);
        break;
    case SYNC_ON_LEAVE:
        on_leave(replica);
        break;
    }
    return err;
}

/* Requests and beacons that are due, and when to look again. */
static void look_around(sync_replica *replica)
{
    if (replica->now_ms >= replica->wake_at_ms) {
        replica->look = true;
    }
    if (replica->unsent_waits && replica->meta.former_count == 0) {
        on_stored(replica, replica->stored); /* rescued: now they may be spoken of */
    }
    if (!replica->leaving) {
        if (replica->look) {
            replica->look = false;
            replica->wake_at_ms = UINT64_MAX;
            replica_beacon_look(replica);
            replica_catchup_look(replica);
        }
        if (replica->now_ms >= replica->beacon_at_ms) {
            replica_beacon_send(replica);
        }
        if (replica->now_ms >= replica->presence_at_ms) {
            replica_presence_send(replica);
        }
    }
    if (replica->now_ms - replica->swept_at_ms >= SWEEP_MS) {
        replica->swept_at_ms = replica->now_ms;
        replica_live_expire(replica);
        uint64_t age = replica->o.answer_ms;
        sync_shelf_expire(&replica->shelf,
                          replica->now_ms > age ? replica->now_ms - age : 0);
    }
}

static uint64_t when_to_wake(const sync_replica *replica)
{
    uint64_t at = replica->wake_at_ms;
    at = replica->beacon_at_ms < at ? replica->beacon_at_ms : at;
    at = replica->presence_at_ms < at ? replica->presence_at_ms : at;
    return replica->leaving ? UINT64_MAX : at;
}

crdt_err sync_replica_step(sync_replica *replica, const sync_replica_event *event,
                           sync_effects *effects)
{
    assert(event->now_ms >= replica->now_ms);
    replica->now_ms = event->now_ms;
    replica->wall_ms = event->wall_ms;
    replica->meta_changed = replica->meta_due;
    replica->meta_due = false;
    replica->renew_actor = false;
    replica->topic_changed = false;
    sync_outbox_begin(&replica->out);
    crdt_arena_reset(&replica->arena);
    if (replica->spent.capacity > 0) {
        crdt_buf_deinit(&replica->spent);
    }
    crdt_err err = dispatch(replica, event);
    look_around(replica);

    *effects = (sync_effects){0};
    sync_outbox_finish(&replica->out, effects);
    replica->meta.scene = crdt_buf_span(&replica->scene);
    effects->meta = &replica->meta;
    effects->meta_changed = replica->meta_changed;
    if (replica->meta_changed) {
        replica->confirmed_told = replica->meta.confirmed_time;
        replica->confirmed_told_ms = replica->now_ms;
    }
    effects->renew_actor = replica->renew_actor;
    effects->topic_changed = replica->topic_changed;
    effects->wake_at_ms = when_to_wake(replica);
    return err != CRDT_OK ? err : replica->out.err;
}

/* ---- looking ---- */

crdt_actor sync_replica_actor(const sync_replica *replica)
{
    return replica->meta.actor;
}

crdt_span sync_replica_topic(const sync_replica *replica)
{
    return (crdt_span){replica->topic, replica->scene.size > 0 ? SYNC_TOPIC_SIZE : 0};
}

const crdt_version *sync_replica_version(const sync_replica *replica)
{
    return &replica->spoken;
}

crdt_digest sync_replica_digest(const sync_replica *replica)
{
    return replica->spoken_digest;
}

sync_replica_counts sync_replica_count(const sync_replica *replica)
{
    sync_replica_counts counts = replica->counts;
    counts.held = replica->held.count;
    counts.held_size = replica->held.size;
    counts.dropped += replica->held.dropped;
    return counts;
}

static bool is_heard(const sync_replica *replica, const sync_peer *peer)
{
    return peer->actor_known && !peer->leaving && peer->heard_at_ms != 0 &&
           replica->now_ms - peer->heard_at_ms <= 3 * (uint64_t)replica->o.beacon_ms;
}

bool sync_replica_next_peer(const sync_replica *replica, size_t *index,
                            sync_peer_status *status)
{
    while (*index < replica->peers.count && replica->peers.items[*index]->alias) {
        (*index)++;
    }
    if (*index >= replica->peers.count) {
        return false;
    }
    const sync_peer *peer = replica->peers.items[(*index)++];
    const crdt_version *version = crdt_document_version(replica->doc);
    bool equal = peer->beacon_known &&
                 crdt_digest_equal(peer->version_hash, crdt_digest_version(version));
    crdt_digest digest = crdt_document_digest(replica->doc);
    *status = (sync_peer_status){
        .peer = peer->number,
        .url = crdt_buf_span(&peer->url),
        .actor_known = peer->actor_known,
        .actor = peer->actor,
        .connected = peer->connected,
        .heard = is_heard(replica, peer),
        .version_equal = equal,
        .digest_equal = equal && crdt_digest_equal(peer->digest, digest),
        .configured = peer->configured,
        .refused = peer->refused,
        .stranger = peer->stranger,
        .lineage_known = peer->lineage_known,
        .heard_at_ms = peer->heard_at_ms,
        .lag = sync_peer_lag(peer, version),
        .version = &peer->version,
    };
    return true;
}

bool sync_replica_in_sync(const sync_replica *replica)
{
    size_t index = 0;
    size_t heard = 0;
    sync_peer_status status;
    while (sync_replica_next_peer(replica, &index, &status)) {
        if (status.heard && !status.refused) {
            heard++;
            if (!status.digest_equal && !(MUTANT(21) && status.lag == 0)) {
                return false;
            }
        }
    }
    return heard > 0;
}

uint32_t sync_replica_state(const sync_replica *replica)
{
    uint32_t state = 0;
    if (replica->ask.active) {
        state |= replica->ask.purpose == REPLICA_CATCH_UP ? SYNC_STATE_ASKING
                                                          : SYNC_STATE_COMPARING;
    }
    for (size_t i = 0; i < REPLICA_INCOMING_MAX; i++) {
        state |= replica->incoming[i].staging.open ? SYNC_STATE_TAKING : 0;
    }
    state |= replica->push.active ? SYNC_STATE_PUSHING : 0;
    state |= replica->held.count > 0 ? SYNC_STATE_HOLDING : 0;
    state |= replica->unsent.count > 0 ? SYNC_STATE_UNSENT : 0;
    state |= replica->deferred_count > 0 ? SYNC_STATE_DEFERRING : 0;
    state |= replica->meta.former_count > 0 ? SYNC_STATE_RESCUING : 0;
    state |= replica->heal.wanted ? SYNC_STATE_DIVERGED : 0;
    return state;
}

bool sync_replica_check(const sync_replica *replica)
{
    size_t ahead = 0;
    for (size_t i = 0; i < replica->peers.count; i++) {
        const sync_peer *peer = replica->peers.items[i];
        ahead += peer->ahead ? 1 : 0;
        if (!crdt_version_check(&peer->version)) {
            return false;
        }
    }
    size_t held = 0;
    for (size_t i = 0; i < replica->held.count; i++) {
        held += replica->held.items[i].size;
    }
    return ahead == replica->peers.ahead_count && held == replica->held.size &&
           held <= replica->o.held_size_max &&
           replica->held.count <= replica->o.held_count_max &&
           replica->stored <= replica->sequence &&
           crdt_version_check(&replica->spoken) &&
           crdt_version_includes(crdt_document_version(replica->doc), &replica->spoken);
}
