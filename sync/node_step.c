#include "sync/link_nng.h"
#include "sync/link_sealed.h"
#include "sync/node_impl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define DISK_KEY_REPLICA "replica" /* sync_meta_encode's bytes */

/* ---- telling ---- */

/* Whoever floods us with rubbish shall not fill the disk with what is said about it. */
static bool is_too_much(sync_node *node)
{
    uint64_t second = sync_node_now_ms() / 1000;
    if (second != node->refused_second) {
        node->refused_second = second;
        node->refused_count = 0;
    }
    return ++node->refused_count > SYNC_NODE_REFUSED_A_SECOND;
}

void sync_node_emit(sync_node *node, const sync_event *event)
{
    if (node->options.on_event == NULL ||
        (event->kind == SYNC_EVENT_REFUSED && is_too_much(node))) {
        return;
    }
    sync_event whole = *event;
    whole.wall_ms = sync_node_wall_ms();
    whole.url = whole.url == NULL ? "" : whole.url;
    whole.text = whole.text == NULL ? "" : whole.text;
    node->options.on_event(node->options.event_ctx, &whole);
}

static bool event_of_notice(sync_notice_kind kind, sync_event_kind *out)
{
    static const struct {
        sync_notice_kind notice;
        sync_event_kind event;
    } rows[] = {
        {SYNC_NOTICE_JOINED, SYNC_EVENT_JOINED},
        {SYNC_NOTICE_LEFT, SYNC_EVENT_LEFT},
        {SYNC_NOTICE_SYNCED, SYNC_EVENT_SYNCED},
        {SYNC_NOTICE_ADOPTED, SYNC_EVENT_ADOPTED},
        {SYNC_NOTICE_REFUSED, SYNC_EVENT_REFUSED},
        {SYNC_NOTICE_FORK, SYNC_EVENT_FORK},
        {SYNC_NOTICE_FRESH, SYNC_EVENT_FRESH},
        {SYNC_NOTICE_REWRITTEN, SYNC_EVENT_REWRITTEN},
        {SYNC_NOTICE_LOST, SYNC_EVENT_LOST},
        {SYNC_NOTICE_DIVERGED, SYNC_EVENT_ALARM},
        {SYNC_NOTICE_GAVE_UP, SYNC_EVENT_ALARM},
        {SYNC_NOTICE_PRESENCE, SYNC_EVENT_PRESENCE},
        {SYNC_NOTICE_STRANGER, SYNC_EVENT_STRANGER},
        {SYNC_NOTICE_MISFIT, SYNC_EVENT_UNREACHABLE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].notice == kind) {
            *out = rows[i].event;
            return true;
        }
    }
    return false;
}

static void tell_notice(sync_node *node, const sync_notice *notice)
{
    sync_event event = {.actor = notice->actor,
                        .text = notice->text,
                        .value = notice->bytes,
                        .lineage = notice->lineage};
    if (!event_of_notice(notice->kind, &event.kind)) {
        return;
    }
    char url[SYNC_NODE_NAME_SIZE];
    snprintf(url, sizeof url, "%.*s", (int)notice->url.size,
             notice->url.size > 0 ? (const char *)notice->url.data : "");
    event.url = url;
    if (notice->key.depth != 0) {
        event.key = &notice->key;
        event.value = notice->value;
    }
    if (notice->kind == SYNC_NOTICE_REFUSED) {
        snprintf(node->refusal, sizeof node->refusal, "%s", notice->text);
    }
    sync_node_emit(node, &event);
}

/* ---- performing effects ---- */

static void keep_meta(sync_node *node, const sync_meta *meta)
{
    node->meta = *meta;
    size_t size = meta->scene.size < sizeof node->scene ? meta->scene.size
                                                        : sizeof node->scene - 1;
    if (size > 0) {
        memmove(node->scene, meta->scene.data, size);
    }
    node->scene[size] = '\0';
    node->meta.scene = (crdt_span){.data = (const uint8_t *)node->scene, .size = size};
}

static void store_meta(sync_node *node)
{
    crdt_diag diag = {0};
    crdt_buf bytes;
    crdt_buf_init(&bytes, node->alloc);
    crdt_err err =
        sync_store_set(node->store, SYNC_SETTING_SCENE, node->meta.scene, &diag);
    if (err == CRDT_OK && node->meta.lineage_known) {
        crdt_span lineage = {.data = node->meta.lineage.bytes, .size = 16};
        err = sync_store_set(node->store, SYNC_SETTING_LINEAGE, lineage, &diag);
    }
    if (err == CRDT_OK) {
        err = sync_meta_encode(&node->meta, &bytes);
    }
    if (err == CRDT_OK) {
        err =
            sync_store_set(node->store, DISK_KEY_REPLICA, crdt_buf_span(&bytes), &diag);
    }
    crdt_buf_deinit(&bytes);
    if (err != CRDT_OK) {
        sync_node_poison(node, &diag);
    }
    sync_node_open_group(node); /* it becomes durable although no record comes */
}

static void perform_appends(sync_node *node, const sync_effects *effects)
{
    for (size_t i = 0; i < effects->append_count && !node->poisoned; i++) {
        const sync_append *append = &effects->appends[i];
        sync_record_kind kind =
            append->kind == SYNC_APPEND_BATCH ? SYNC_RECORD_BATCH : SYNC_RECORD_ANSWER;
        if (sync_node_append(node, kind, append->bytes) == CRDT_OK) {
            node->append_sequence = append->sequence;
        }
    }
    sync_node_store_records(node);
}

static void perform_dials(sync_node *node, const sync_effects *effects)
{
    for (size_t i = 0; i < effects->dial_count && node->link != NULL; i++) {
        const sync_dial *dial = &effects->dials[i];
        if (dial->url.size == 0) {
            sync_link_undial(node->link, dial->peer);
            sync_traffic_forget(&node->traffic, dial->peer);
            continue;
        }
        char url[SYNC_LINK_URL_SIZE];
        snprintf(url, sizeof url, "%.*s", (int)dial->url.size,
                 (const char *)dial->url.data);
        crdt_diag diag = {0};
        crdt_err err = sync_link_dial(node->link, dial->peer, url, &diag);
        if (err != CRDT_OK) {
            node->dial_err = err;
            node->dial_diag = diag;
            sync_node_emit(node, &(sync_event){.kind = SYNC_EVENT_REFUSED,
                                               .url = url,
                                               .text = diag.text});
        }
    }
}

/* A request that cannot be sent has failed; the replica is told after this step. */
static void note_failed(sync_node *node, uint64_t token)
{
    if (node->failed_count == node->failed_capacity) {
        size_t capacity = node->failed_capacity * 2 + 16;
        uint64_t *failed = crdt_resize_array(
            node->alloc, node->failed, node->failed_capacity, capacity, sizeof *failed);
        if (failed == NULL) {
            return; /* the replica's own timeout finds it */
        }
        node->failed = failed;
        node->failed_capacity = capacity;
    }
    node->failed[node->failed_count++] = token;
}

static void perform_sends(sync_node *node, const sync_effects *effects)
{
    for (size_t i = 0; i < effects->request_count; i++) {
        const sync_request *request = &effects->requests[i];
        if (node->link == NULL ||
            sync_link_request(node->link, request->peer, request->bytes, request->token,
                              request->timeout_ms) != CRDT_OK) {
            note_failed(node, request->token);
        } else {
            node->farewells++;
            sync_traffic_sent(&node->traffic, request->peer, request->bytes.size);
        }
    }
    if (node->link == NULL) {
        return;
    }
    /* What gets lost here is repaired as what gets lost on the way. */
    for (size_t i = 0; i < effects->publish_count; i++) {
        sync_link_publish(node->link, effects->publishes[i]);
        sync_traffic_published(&node->traffic, effects->publishes[i].size);
    }
    for (size_t i = 0; i < effects->reply_count; i++) {
        sync_link_reply(node->link, effects->replies[i].token,
                        effects->replies[i].bytes);
        sync_traffic_sent(&node->traffic, 0, effects->replies[i].bytes.size);
    }
}

static void perform(sync_node *node, const sync_effects *effects)
{
    perform_appends(node, effects);
    if (effects->meta_changed) {
        keep_meta(node, effects->meta);
    }
    if (effects->meta_changed && !node->poisoned && !node->options.read_only) {
        store_meta(node);
    }
    if (effects->topic_changed && node->link != NULL) {
        sync_link_subscribe(node->link, sync_replica_topic(node->replica));
    }
    perform_dials(node, effects);
    if (!node->poisoned) {
        perform_sends(node, effects);
    }
    for (size_t i = 0; i < effects->notice_count; i++) {
        tell_notice(node, &effects->notices[i]);
    }
    node->wake_at_ms = effects->wake_at_ms;
    node->renew = node->renew || effects->renew_actor;
}

static crdt_err step_once(sync_node *node, sync_replica_event *event)
{
    sync_effects effects = {0};
    event->now_ms = sync_node_now_ms();
    event->wall_ms = sync_node_wall_ms();
    crdt_err err = sync_replica_step(node->replica, event, &effects);
    if (err == CRDT_ENOMEM) {
        /* The document may hold what no record tells of: a commit would lie about it. */
        crdt_diag diag = {0};
        crdt_diag_set(&diag, err, 0, "out of memory: what was acknowledged is safe");
        sync_node_poison(node, &diag);
    }
    perform(node, &effects);
    return err;
}

/* The store makes the fresh actor; it is on disk before anything is written under it. */
static void renew_actor(sync_node *node)
{
    crdt_diag diag = {0};
    crdt_actor actor;
    node->renew = false;
    if (sync_store_renew_actor(node->store, &actor, &diag) != CRDT_OK) {
        sync_node_poison(node, &diag);
        return;
    }
    step_once(node, &(sync_replica_event){.kind = SYNC_ON_ACTOR, .actor = actor});
    sync_node_flush(node);
}

crdt_err sync_node_step(sync_node *node, sync_replica_event *event)
{
    crdt_err err = step_once(node, event);
    while (node->renew && !node->poisoned) {
        renew_actor(node);
    }
    while (node->failed_count > 0) {
        uint64_t token = node->failed[--node->failed_count];
        step_once(node, &(sync_replica_event){.kind = SYNC_ON_FAILED, .token = token});
    }
    return err;
}

/* ---- the replica and the link ---- */

static void on_change(void *ctx, const crdt_batch *batch)
{
    sync_node *node = ctx;
    crdt_origin origin = CRDT_ORIGIN_REMOTE;
    if (batch == NULL) {
        origin = CRDT_ORIGIN_ANSWER;
    } else if (node->meta.lineage_known &&
               crdt_actor_equal(&batch->actor, &node->meta.lineage)) {
        origin = CRDT_ORIGIN_IMPORT;
    } else if (crdt_actor_equal(&batch->actor, &node->meta.actor)) {
        origin = CRDT_ORIGIN_HOUSEKEEPING; /* healing */
    }
    const crdt_history_note note = {.origin = origin, .wall_ms = sync_node_wall_ms()};
    sync_node_record(node, batch, &note);
}

static sync_meta read_meta(sync_node *node)
{
    sync_meta meta = {.actor = sync_store_actor(node->store),
                      .scene = node->meta.scene};
    crdt_span value;
    static const crdt_actor nobody = {{0}};
    if (crdt_actor_equal(&meta.actor, &nobody)) {
        /* A store opened to read only writes as nobody; a replica is always somebody. */
        ssize_t got = getrandom(meta.actor.bytes, sizeof meta.actor.bytes, 0);
        meta.actor.bytes[0] |= got < 0;
    }
    if (sync_store_get(node->store, SYNC_SETTING_LINEAGE, &value) && value.size == 16) {
        meta.lineage_known = true;
        memcpy(meta.lineage.bytes, value.data, 16);
    }
    if (sync_store_get(node->store, DISK_KEY_REPLICA, &value)) {
        sync_meta_decode(value, &meta, NULL); /* without it: as after a first start */
    }
    return meta;
}

crdt_err sync_node_open_replica(sync_node *node, crdt_diag *diag)
{
    sync_replica_options options = sync_replica_options_default();
    options.alloc = node->alloc;
    options.doc = node->doc;
    options.deps = node->deps;
    options.meta = read_meta(node);
    options.nonce = sync_store_start_nonce(node->store);
    options.now_ms = sync_node_now_ms();
    options.discover = node->options.discover;
    options.message_size_max = node->options.message_size_max;
    if (options.presence_size_max > options.message_size_max / 4) {
        options.presence_size_max = options.message_size_max / 4;
    }
    options.on_change = on_change;
    options.change_ctx = node;
    if (getrandom(&options.seed, sizeof options.seed, 0) != sizeof options.seed) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "no randomness");
    }
    crdt_err err = sync_replica_open(&node->replica, &options);
    if (err == CRDT_OK) {
        node->meta = options.meta;
    }
    return err;
}

crdt_err sync_node_name_scene(sync_node *node, crdt_diag *diag)
{
    if (node->scene[0] != '\0') {
        return CRDT_OK;
    }
    if (node->link != NULL) {
        return crdt_diag_set(diag, CRDT_ETIMEOUT, 0,
                             "the scene has no name yet: no peer has told it, and none "
                             "was given");
    }
    /* A replica learns its scene when it is opened; without peers there is nothing in it
     * that would be lost. */
    snprintf(node->scene, sizeof node->scene, "scene");
    node->meta.scene = crdt_span_of(node->scene);
    crdt_err err =
        sync_store_set(node->store, SYNC_SETTING_SCENE, node->meta.scene, diag);
    if (err != CRDT_OK) {
        return err;
    }
    sync_replica *former = node->replica;
    err = sync_node_open_replica(node, diag);
    if (err == CRDT_OK) {
        sync_replica_close(former);
        node->append_sequence = 0;
    }
    return err;
}

static crdt_err seal_link(sync_node *node)
{
    sync_link_sealed_options options = sync_link_sealed_options_default();
    options.alloc = node->alloc;
    options.key = node->options.key;
    options.message_size_max = node->options.message_size_max;
    sync_link *inner = node->link;
    node->link = NULL;
    return sync_link_sealed_open(&node->link, inner, &options);
}

crdt_err sync_node_open_link(sync_node *node, crdt_diag *diag)
{
    if (node->link != NULL) {
        return CRDT_OK;
    }
    const sync_node_tls *tls = &node->options.tls;
    sync_link_nng_options options = sync_link_nng_options_default();
    options.alloc = node->alloc;
    options.message_size_max = node->options.message_size_max;
    options.fault_drop = node->options.fault_drop;
    options.fault_seed = node->options.fault_seed;
    options.tls = (sync_link_tls){.cert_file = tls->cert_file,
                                  .key_file = tls->key_file,
                                  .ca_file = tls->ca_file,
                                  .peer_name = tls->peer_name};
    bool sealed = node->options.key != NULL;
    options.message_size_max += sealed ? SYNC_LINK_SEALED_OVERHEAD : 0;
    crdt_err err = sync_link_nng_open(&node->link, &options, diag);
    if (err == CRDT_OK && sealed) {
        err = seal_link(node);
    }
    /* Others hear of this start: it is on disk before, else a store that is cut short now
     * looks like one that was set back. */
    if (err == CRDT_OK) {
        err = sync_node_step(node, &(sync_replica_event){.kind = SYNC_ON_TICK});
    }
    if (err == CRDT_OK && sync_node_flush(node) != CRDT_OK) {
        err = crdt_diag_set(diag, CRDT_EIO, 0, "%s", node->poison.text);
    }
    crdt_span topic = sync_replica_topic(node->replica);
    if (err == CRDT_OK && topic.size > 0) {
        err = sync_link_subscribe(node->link, topic);
    }
    return err;
}
