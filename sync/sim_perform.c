#include "sync/sim_impl.h"

#include "sync/message.h"

#include <stdio.h>
#include <string.h>

/* ---- the disk ---- */

void sim_begin_sync(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    bool begun = false;
    sim_must(sync_sim_disk_begin(&place->disk, place->doc, &begun) == CRDT_OK);
    if (!begun) {
        return;
    }
    place->sync_end_ms =
        sim->now_ms + 1 + sim_luck_below(sim, index, sim->o.disk_ms_max);
    for (size_t i = 0; i < place->unacked_count; i++) {
        sync_sim_batch *batch = &sim->batches[place->unacked[i]];
        batch->group = batch->group == 0 ? place->disk.group_last : batch->group;
    }
}

/* ---- links and messages ---- */

static void send_packet(sync_sim *sim, const sync_sim_packet *packet, crdt_span bytes)
{
    sim_must(sync_sim_net_send(&sim->net, packet, bytes, sim->now_ms) == CRDT_OK);
}

static uint32_t place_of_url(crdt_span url)
{
    uint32_t number = 0;
    for (size_t i = 0; i < url.size; i++) {
        if (url.data[i] >= '0' && url.data[i] <= '9') {
            number = number * 10 + (uint32_t)(url.data[i] - '0');
        }
    }
    return number;
}

crdt_span sim_url_of_place(uint32_t index, char text[32])
{
    snprintf(text, 32, "sim://%u", index);
    return crdt_span_of(text);
}

sim_link *sim_find_link(sim_place *place, uint32_t number)
{
    for (size_t i = 0; i < place->link_count; i++) {
        if (place->links[i].number == number) {
            return &place->links[i];
        }
    }
    return NULL;
}

void sim_schedule_link(sync_sim *sim, uint32_t index, uint32_t number, uint64_t ms)
{
    sync_sim_packet timer = {.kind = SYNC_SIM_LINK_UP,
                             .at_ms = sim->now_ms + ms,
                             .to = index,
                             .to_life = sim->places[index].life,
                             .link = number};
    sim_must(sync_sim_net_schedule(&sim->net, &timer) == CRDT_OK);
}

static void perform_dial(sync_sim *sim, uint32_t index, const sync_dial *dial)
{
    sim_place *place = &sim->places[index];
    if (dial->url.size == 0) {
        sim_link *link = sim_find_link(place, dial->peer);
        if (link != NULL) {
            *link = place->links[--place->link_count];
        }
        return;
    }
    uint32_t target = place_of_url(dial->url);
    if (target >= sim->o.place_count) {
        return;
    }
    place->links = sim_grow(sim, place->links, place->link_count, &place->link_capacity,
                            sizeof *place->links);
    place->links[place->link_count++] =
        (sim_link){.number = dial->peer, .target = target};
    sim_schedule_link(sim, index, dial->peer, 1 + sim_luck_below(sim, index, 5));
}

static void perform_publish(sync_sim *sim, uint32_t index, crdt_span bytes)
{
    for (uint32_t to = 0; to < sim->o.place_count; to++) {
        sim_place *receiver = &sim->places[to];
        if (!receiver->running) {
            continue;
        }
        crdt_span topic = sync_replica_topic(receiver->replica);
        if (topic.size == 0 || bytes.size < topic.size ||
            memcmp(bytes.data, topic.data, topic.size) != 0) {
            continue;
        }
        for (size_t i = 0; i < receiver->link_count; i++) {
            const sim_link *link = &receiver->links[i];
            if (link->target == index && link->up) {
                sync_sim_packet packet = {.kind = SYNC_SIM_PUBLICATION,
                                          .from = index,
                                          .to = to,
                                          .to_life = receiver->life,
                                          .link = link->number};
                send_packet(sim, &packet, bytes);
            }
        }
    }
}

static void perform_request(sync_sim *sim, uint32_t index, const sync_request *request)
{
    sim_place *place = &sim->places[index];
    const sim_link *link = sim_find_link(place, request->peer);
    sync_sim_packet timer = {.kind = SYNC_SIM_EXPIRED,
                             .at_ms = sim->now_ms + request->timeout_ms,
                             .to = index,
                             .to_life = place->life,
                             .token = request->token};
    sim_must(sync_sim_net_schedule(&sim->net, &timer) == CRDT_OK);
    if (link == NULL || !link->up) {
        return;
    }
    sim->requests = sim_grow(sim, sim->requests, sim->request_count,
                             &sim->request_capacity, sizeof *sim->requests);
    sim->requests[sim->request_count++] = (sim_request){.token = ++sim->token,
                                                        .asker = index,
                                                        .asker_life = place->life,
                                                        .asker_token = request->token,
                                                        .server = link->target};
    sync_sim_packet packet = {.kind = SYNC_SIM_REQUEST,
                              .from = index,
                              .to = link->target,
                              .to_life = sim->places[link->target].life,
                              .token = sim->token};
    send_packet(sim, &packet, request->bytes);
}

static void perform_reply(sync_sim *sim, uint32_t index, const sync_reply *reply)
{
    for (size_t i = sim->request_count; i > 0; i--) {
        sim_request request = sim->requests[i - 1];
        if (request.token != reply->token || request.server != index) {
            continue;
        }
        sim->requests[i - 1] = sim->requests[--sim->request_count];
        sync_sim_packet packet = {.kind = SYNC_SIM_REPLY,
                                  .from = index,
                                  .to = request.asker,
                                  .to_life = request.asker_life,
                                  .token = request.asker_token};
        if (reply->bytes.size > 0) {
            send_packet(sim, &packet, reply->bytes);
        }
        return;
    }
}

void sim_forget_request(sync_sim *sim, uint32_t asker, uint64_t asker_token)
{
    for (size_t i = 0; i < sim->request_count; i++) {
        const sim_request *request = &sim->requests[i];
        if (request->asker == asker && request->asker_token == asker_token) {
            sim->requests[i] = sim->requests[--sim->request_count];
            return;
        }
    }
}

static const char *const notice_names[] = {
    [SYNC_NOTICE_JOINED] = "joined",       [SYNC_NOTICE_LEFT] = "left",
    [SYNC_NOTICE_PRESENCE] = "presence",   [SYNC_NOTICE_SYNCED] = "synced",
    [SYNC_NOTICE_ADOPTED] = "adopted",     [SYNC_NOTICE_REFUSED] = "refused",
    [SYNC_NOTICE_FORK] = "fork",           [SYNC_NOTICE_FRESH] = "fresh",
    [SYNC_NOTICE_REWRITTEN] = "rewritten", [SYNC_NOTICE_LOST] = "lost",
    [SYNC_NOTICE_DIVERGED] = "diverged",   [SYNC_NOTICE_GAVE_UP] = "gave up",
    [SYNC_NOTICE_STRANGER] = "stranger",   [SYNC_NOTICE_MISFIT] = "misfit",
};

uint32_t sim_place_of_actor(const sync_sim *sim, const crdt_actor *actor)
{
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        if (sim->places[i].disk.actor_known &&
            crdt_actor_equal(&sim->places[i].disk.actor, actor)) {
            return i;
        }
    }
    return UINT32_MAX;
}

static void trace_notice(sync_sim *sim, uint32_t index, const sync_notice *notice)
{
    uint32_t about = sim_place_of_actor(sim, &notice->actor);
    if (about == UINT32_MAX || about == index) {
        sim_trace(sim, index, "%s%s%s", notice_names[notice->kind],
                  notice->text[0] != '\0' ? ": " : "", notice->text);
    } else {
        sim_trace(sim, index, "%s %u%s%s", notice_names[notice->kind], about,
                  notice->text[0] != '\0' ? ": " : "", notice->text);
    }
}

static const char *kind_name(sync_message_kind kind)
{
    switch (kind) {
    case SYNC_MESSAGE_SYNC:
        return "asks";
    case SYNC_MESSAGE_FETCH:
        return "fetches from";
    case SYNC_MESSAGE_PUSH:
        return "pushes to";
    case SYNC_MESSAGE_HELLO:
        return "hello";
    default:
        return "?";
    }
}

static void trace_messages(sync_sim *sim, uint32_t index, const sync_effects *effects)
{
    sim_place *place = &sim->places[index];
    crdt_arena arena;
    sync_message message;
    crdt_arena_init(&arena, sim->alloc);
    for (size_t i = 0; i < effects->publish_count; i++) {
        sim_must(sync_message_decode(effects->publishes[i], &arena, &message, NULL) ==
                 CRDT_OK);
        if (message.kind == SYNC_MESSAGE_BATCHES) {
            sim_trace(sim, index, "publishes %zu", message.body.batches.batch_count);
        }
    }
    for (size_t i = 0; i < effects->request_count; i++) {
        const sim_link *link = sim_find_link(place, effects->requests[i].peer);
        sim_must(sync_message_decode(effects->requests[i].bytes, &arena, &message,
                                     NULL) == CRDT_OK);
        sim_trace(sim, index, "%s %u", kind_name(message.kind),
                  link == NULL ? 99 : link->target);
    }
    crdt_arena_deinit(&arena);
    sync_replica_counts counts = sync_replica_count(place->replica);
    if (counts.applied > place->traced.applied) {
        sim_trace(sim, index, "applies %llu",
                  (unsigned long long)(counts.applied - place->traced.applied));
    }
    if (counts.merged > place->traced.merged) {
        sim_trace(sim, index, "merges an answer");
    }
    if (counts.held > place->traced.held) {
        sim_trace(sim, index, "holds back %llu", (unsigned long long)counts.held);
    }
    place->traced = counts;
}

/* What an actor tells of its people, until it has left. */
static void note_presence(const sync_sim *sim, sim_place *place,
                          const sync_notice *notice)
{
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        if (!crdt_actor_equal(&sim->places[i].disk.actor, &notice->actor)) {
            continue;
        }
        char *text = place->presences[i];
        if (notice->kind == SYNC_NOTICE_PRESENCE) {
            snprintf(text, sizeof place->presences[i], "%.*s", (int)notice->bytes.size,
                     notice->bytes.size > 0 ? (const char *)notice->bytes.data : "");
        } else if (notice->kind == SYNC_NOTICE_LEFT) {
            text[0] = '\0';
        }
    }
}

static void perform_appends(sync_sim *sim, uint32_t index, const sync_effects *effects)
{
    sync_sim_disk *disk = &sim->places[index].disk;
    for (size_t i = 0; i < effects->append_count; i++) {
        const sync_append *append = &effects->appends[i];
        sim_must(append->sequence == disk->appended + 1);
        sim_must(sync_sim_disk_append(disk, append->kind, append->bytes) == CRDT_OK);
    }
    if (effects->meta_changed) {
        sync_sim_disk_set_meta(disk, effects->meta);
    }
    sim_begin_sync(sim, index);
}

static void perform_notices(sync_sim *sim, uint32_t index, const sync_effects *effects)
{
    sim_place *place = &sim->places[index];
    for (size_t i = 0; i < effects->notice_count; i++) {
        const sync_notice *notice = &effects->notices[i];
        place->notices[notice->kind]++;
        note_presence(sim, place, notice);
        if (sim->o.trace) {
            trace_notice(sim, index, notice);
        }
        if (sim->o.hooks.noticed != NULL) {
            sim->o.hooks.noticed(sim->o.hooks.ctx, index, notice);
        }
    }
}

void sim_perform(sync_sim *sim, uint32_t index, const sync_effects *effects)
{
    sim_place *place = &sim->places[index];
    perform_appends(sim, index, effects);
    for (size_t i = 0; i < effects->dial_count; i++) {
        perform_dial(sim, index, &effects->dials[i]);
    }
    for (size_t i = 0; i < effects->publish_count; i++) {
        perform_publish(sim, index, effects->publishes[i]);
    }
    if (sim->o.trace) {
        trace_messages(sim, index, effects);
    }
    for (size_t i = 0; i < effects->request_count; i++) {
        perform_request(sim, index, &effects->requests[i]);
    }
    for (size_t i = 0; i < effects->reply_count; i++) {
        perform_reply(sim, index, &effects->replies[i]);
    }
    perform_notices(sim, index, effects);
    place->wake_at_ms = effects->wake_at_ms;
    if (effects->renew_actor) {
        crdt_actor actor = sim_random_actor(sim, index);
        sync_sim_disk_set_actor(&place->disk, &actor);
        sim_step(sim, index,
                 (sync_replica_event){.kind = SYNC_ON_ACTOR, .actor = actor});
        sim_flush(sim, index);
    }
}
