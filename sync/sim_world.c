#include "sync/sim_impl.h"

#include "crdt/template.h"
#include "sync/message.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_RETRY_MS 200u
#define SCENE "simulated"

void sim_must(bool ok)
{
    if (!ok) {
        fprintf(stderr, "simulated world: out of memory or broken\n");
        abort();
    }
}

void *sim_grow(sync_sim *sim, void *items, size_t count, size_t *capacity,
               size_t item_size)
{
    if (count < *capacity) {
        return items;
    }
    size_t more = *capacity == 0 ? 16 : *capacity * 2;
    items = crdt_resize_array(sim->alloc, items, *capacity, more, item_size);
    sim_must(items != NULL);
    *capacity = more;
    return items;
}

/* ---- trace and faults ---- */

void sim_trace(sync_sim *sim, uint32_t place, const char *format, ...)
{
    if (!sim->o.trace) {
        return;
    }
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    sim_must(sync_sim_log_line(&sim->log, sim->now_ms, place, line) == CRDT_OK);
}

void sim_fail(sync_sim *sim, const char *format, ...)
{
    if (sim->fault[0] != '\0') {
        return;
    }
    int size = snprintf(sim->fault, sizeof sim->fault, "[%llu] ",
                        (unsigned long long)sim->now_ms);
    va_list args;
    va_start(args, format);
    vsnprintf(sim->fault + size, sizeof sim->fault - (size_t)size, format, args);
    va_end(args);
}

void sim_control(sync_sim *sim, uint32_t place, uint64_t what)
{
    sim->log.counts.controls++;
    sync_sim_log_fold(&sim->log, sim->now_ms << 16 | place << 8 | what);
}

/* ---- open, close ---- */

sync_sim_options sync_sim_options_default(void)
{
    return (sync_sim_options){
        .place_count = 2,
        .seed = 1,
        .faults = {.delay_ms_min = 1, .delay_ms_max = 5},
        .disk_ms_max = 5,
        .journal_size = 8u << 10,
        .lineage_known = true,
        .check = true,
        .replica = sync_replica_options_default(),
    };
}

static void open_place(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    place->sim = sim;
    place->index = index;
    place->dialable = true;
    crdt_arena_init(&place->arena, sim->alloc);
    crdt_version_init(&place->told_version, sim->alloc);
    sim_must(sync_sim_disk_init(&place->disk, sim->alloc, sim->o.journal_size) ==
             CRDT_OK);
    place->disk.meta.scene = crdt_span_of(SCENE);
    place->disk.meta.lineage_known = sim->o.lineage_known;
    place->disk.meta.lineage = crdt_template_actor_empty();
    sync_sim_start_place(sim, index, SYNC_SIM_FRESH);
}

sync_sim *sync_sim_open(const sync_sim_options *options)
{
    crdt_alloc alloc = options->replica.alloc;
    assert(options->place_count >= 1 && options->place_count <= SYNC_SIM_PLACES_MAX);
    sync_sim *sim = crdt_allocate(alloc, sizeof *sim);
    sim_must(sim != NULL);
    *sim = (sync_sim){.o = *options, .alloc = alloc};
    size_t size = options->place_count * sizeof *sim->places;
    sim->places = crdt_allocate(alloc, size);
    sim_must(sim->places != NULL);
    memset(sim->places, 0, size);
    sync_sim_log_init(&sim->log, alloc, options->coverage, options->trace);
    sim_must(sync_sim_net_init(&sim->net, alloc, options->place_count, options->seed) ==
             CRDT_OK);
    sim->net.faults = options->faults;
    for (uint32_t i = 0; i < options->place_count; i++) {
        open_place(sim, i);
    }
    return sim;
}

static void close_place(sync_sim *sim, sim_place *place)
{
    sim_halt(sim, place->index);
    sync_sim_disk_deinit(&place->disk);
    if (place->has_saved) {
        sync_sim_disk_deinit(&place->saved);
    }
    crdt_arena_deinit(&place->arena);
    crdt_version_deinit(&place->told_version);
    crdt_free(sim->alloc, place->links, place->link_capacity * sizeof *place->links);
    crdt_free(sim->alloc, place->inbox, place->inbox_capacity * sizeof *place->inbox);
    crdt_free(sim->alloc, place->unacked,
              place->unacked_capacity * sizeof *place->unacked);
}

void sync_sim_close(sync_sim *sim)
{
    if (sim == NULL) {
        return;
    }
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        close_place(sim, &sim->places[i]);
    }
    for (size_t i = 0; i < sim->batch_count; i++) {
        crdt_buf_deinit(&sim->batches[i].bytes);
    }
    crdt_free(sim->alloc, sim->places, sim->o.place_count * sizeof *sim->places);
    crdt_free(sim->alloc, sim->batches, sim->batch_capacity * sizeof *sim->batches);
    crdt_free(sim->alloc, sim->requests, sim->request_capacity * sizeof(sim_request));
    crdt_free(sim->alloc, sim->seen, sim->seen_capacity * sizeof *sim->seen);
    sync_sim_log_deinit(&sim->log);
    sync_sim_net_deinit(&sim->net);
    crdt_free(sim->alloc, sim, sizeof *sim);
}

/* ---- who meets whom ---- */

void sync_sim_presence(sync_sim *sim, uint32_t index, const char *text)
{
    sim_step(
        sim, index,
        (sync_replica_event){.kind = SYNC_ON_PRESENCE, .bytes = crdt_span_of(text)});
}

const char *sync_sim_heard_presence(const sync_sim *sim, uint32_t index, uint32_t other)
{
    return sim->places[index].presences[other];
}

void sync_sim_set_lineage(sync_sim *sim, uint32_t index, const crdt_actor *lineage)
{
    sync_meta *meta = &sim->places[index].disk.meta;
    assert(!sim->places[index].running);
    meta->lineage_known = lineage != NULL;
    if (lineage != NULL) {
        meta->lineage = *lineage;
    }
}

void sync_sim_peer(sync_sim *sim, uint32_t index, uint32_t other)
{
    sim_place *place = &sim->places[index];
    char url[32];
    place->configured[other] = true;
    if (place->running) {
        sim_step(sim, index,
                 (sync_replica_event){.kind = SYNC_ON_ADD_PEER,
                                      .url = sim_url_of_place(other, url)});
    }
}

void sync_sim_line(sync_sim *sim)
{
    for (uint32_t i = 1; i < sim->o.place_count; i++) {
        sync_sim_peer(sim, i, i - 1);
    }
}

void sync_sim_mesh(sync_sim *sim)
{
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            sync_sim_peer(sim, i, j);
        }
    }
}

void sync_sim_set_dialable(sync_sim *sim, uint32_t index, bool dialable)
{
    sim->places[index].dialable = dialable;
}

/* ---- the network ---- */

void sync_sim_set_faults(sync_sim *sim, sync_sim_faults faults)
{
    sim->net.faults = faults;
}

void sync_sim_cut(sync_sim *sim, uint32_t a, uint32_t b)
{
    sync_sim_cut_one_way(sim, a, b, true);
    sync_sim_cut_one_way(sim, b, a, true);
}

void sync_sim_heal(sync_sim *sim, uint32_t a, uint32_t b)
{
    sync_sim_cut_one_way(sim, a, b, false);
    sync_sim_cut_one_way(sim, b, a, false);
}

void sync_sim_cut_one_way(sync_sim *sim, uint32_t from, uint32_t to, bool cut)
{
    sim_control(sim, from, (cut ? 'X' : 'x') | to << 24);
    if (cut && !sync_sim_net_is_cut(&sim->net, from, to)) {
        sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_CUT, 1);
    }
    sync_sim_net_cut(&sim->net, from, to, cut);
}

void sync_sim_heal_all(sync_sim *sim)
{
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        for (uint32_t j = 0; j < sim->o.place_count; j++) {
            sync_sim_net_cut(&sim->net, i, j, false);
        }
    }
}

void sync_sim_inject(sync_sim *sim, uint32_t from, uint32_t to, crdt_span bytes)
{
    sim_place *place = &sim->places[to];
    sim_control(sim, to, 'I');
    sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_INJECT, 1);
    for (size_t i = 0; i < place->link_count && place->running && !place->stalled;
         i++) {
        if (place->links[i].target == from) {
            sim_step(sim, to,
                     (sync_replica_event){.kind = SYNC_ON_RECEIVED,
                                          .peer = place->links[i].number,
                                          .bytes = bytes});
            return;
        }
    }
}

/* ---- time ---- */

static void link_timer(sync_sim *sim, const sync_sim_packet *packet)
{
    sim_place *place = &sim->places[packet->to];
    sim_link *link = sim_find_link(place, packet->link);
    if (link == NULL || link->up) {
        return;
    }
    const sim_place *target = &sim->places[link->target];
    if (!target->running || !target->dialable ||
        sync_sim_net_is_cut(&sim->net, packet->to, link->target) ||
        sync_sim_net_is_cut(&sim->net, link->target, packet->to)) {
        sim_schedule_link(sim, packet->to, packet->link, LINK_RETRY_MS);
        return;
    }
    link->up = true;
    sim_step(sim, packet->to,
             (sync_replica_event){.kind = SYNC_ON_LINK_UP, .peer = packet->link});
}

static bool is_message(const sync_sim_packet *packet)
{
    return packet->kind == SYNC_SIM_PUBLICATION || packet->kind == SYNC_SIM_REQUEST ||
           packet->kind == SYNC_SIM_REPLY;
}

/* The version of its protocol, as the receiver's program counts. */
static void mark_foreign(sync_sim *sim, const sync_sim_packet *packet)
{
    enum { VERSION_AT = 3 };
    uint32_t from = sim->places[packet->from].protocol;
    uint32_t to = sim->places[packet->to].protocol;
    if (from != to && packet->size > VERSION_AT) {
        packet->bytes[VERSION_AT] = (uint8_t)(SYNC_MESSAGE_VERSION + from - to);
        sync_sim_log_fault(&sim->log, SYNC_SIM_FAULT_FOREIGN, 1);
    }
}

static void count_packet(sync_sim *sim, const sync_sim_packet *packet)
{
    if (is_message(packet)) {
        sim->log.counts.deliveries++;
        mark_foreign(sim, packet);
    } else {
        sim->log.counts.timers++;
    }
}

/* The replica sees the packet. */
static void deliver(sync_sim *sim, const sync_sim_packet *packet)
{
    count_packet(sim, packet);
    sync_replica_event event = {.peer = packet->link,
                                .token = packet->token,
                                .bytes = {packet->bytes, packet->size}};
    switch (packet->kind) {
    case SYNC_SIM_PUBLICATION:
        event.kind = SYNC_ON_RECEIVED;
        break;
    case SYNC_SIM_REQUEST:
        event.kind = SYNC_ON_REQUEST;
        break;
    case SYNC_SIM_REPLY:
        event.kind = SYNC_ON_REPLY;
        break;
    case SYNC_SIM_EXPIRED:
        event.kind = SYNC_ON_FAILED;
        sim_forget_request(sim, packet->to, packet->token);
        break;
    case SYNC_SIM_LINK_DOWN:
        event.kind = SYNC_ON_LINK_DOWN;
        break;
    case SYNC_SIM_LINK_UP:
        link_timer(sim, packet);
        return;
    }
    sim_step(sim, packet->to, event);
}

/* Take the next packet: for a place that runs, for one that stalls, or for nobody. */
static void take_packet(sync_sim *sim)
{
    sync_sim_packet packet;
    if (!sync_sim_net_take(&sim->net, &packet)) {
        return;
    }
    const sim_place *place = &sim->places[packet.to];
    bool wanted =
        place->running && (packet.to_life == 0 || packet.to_life == place->life);
    if (wanted && place->stalled) {
        sim_keep_for_later(sim, &packet);
        return;
    }
    if (wanted) {
        deliver(sim, &packet);
    }
    sync_sim_net_free(&sim->net, &packet);
}

/* The next thing that happens until `end_ms`; false: nothing does. */
static bool advance(sync_sim *sim, uint64_t end_ms)
{
    uint64_t next = sync_sim_net_next_ms(&sim->net);
    uint32_t who = UINT32_MAX;
    bool disk = false;
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        const sim_place *place = &sim->places[i];
        if (!place->running || place->stalled) {
            continue;
        }
        if (place->disk.syncing && place->sync_end_ms < next) {
            next = place->sync_end_ms;
            who = i;
            disk = true;
        }
        if (place->wake_at_ms < next) {
            next = place->wake_at_ms;
            who = i;
            disk = false;
        }
    }
    if (next > end_ms) {
        return false;
    }
    if (next > sim->now_ms) {
        sim->now_ms = next;
    }
    if (who == UINT32_MAX) {
        take_packet(sim);
    } else if (disk) {
        sim_end_sync(sim, who);
    } else {
        sim->log.counts.timers++;
        sim_step(sim, who, (sync_replica_event){.kind = SYNC_ON_TICK});
    }
    return true;
}

void sync_sim_run(sync_sim *sim, uint64_t ms)
{
    uint64_t end = sim->now_ms + ms;
    while (advance(sim, end)) {
    }
    sim->now_ms = end;
}

uint64_t sync_sim_run_until_equal(sync_sim *sim, uint64_t ms)
{
    uint64_t begin = sim->now_ms;
    while (!sync_sim_equal(sim)) {
        if (sim->now_ms - begin >= ms) {
            return UINT64_MAX;
        }
        sync_sim_run(sim, 10);
    }
    return sim->now_ms - begin;
}

void sync_sim_settle(sync_sim *sim)
{
    uint64_t last = sync_sim_net_last_ms(&sim->net);
    sync_sim_run(sim, last > sim->now_ms ? last - sim->now_ms : 0);
}

/* ---- looking ---- */

uint64_t sync_sim_now(const sync_sim *sim)
{
    return sim->now_ms;
}

uint32_t sync_sim_place_count(const sync_sim *sim)
{
    return sim->o.place_count;
}

bool sync_sim_stalled(const sync_sim *sim, uint32_t index)
{
    return sim->places[index].stalled;
}

bool sync_sim_running(const sync_sim *sim, uint32_t index)
{
    return sim->places[index].running;
}

crdt_document *sync_sim_document(sync_sim *sim, uint32_t index)
{
    return sim->places[index].doc;
}

sync_replica *sync_sim_replica(sync_sim *sim, uint32_t index)
{
    return sim->places[index].replica;
}

crdt_actor sync_sim_actor(const sync_sim *sim, uint32_t index)
{
    return sim->places[index].disk.actor;
}

sync_sim_net *sync_sim_network(sync_sim *sim)
{
    return &sim->net;
}

/* The first running place with the same protocol. */
static const sim_place *first_like(const sync_sim *sim, const sim_place *place)
{
    const sim_place *first = sim->places;
    while (!first->running || first->protocol != place->protocol) {
        first++;
    }
    return first;
}

bool sync_sim_equal(sync_sim *sim)
{
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        const sim_place *place = &sim->places[i];
        if (!place->running) {
            continue;
        }
        const sim_place *first = first_like(sim, place);
        if (!sync_sim_disk_settled(&place->disk) ||
            crdt_version_compare(crdt_document_version(place->doc),
                                 crdt_document_version(first->doc)) != CRDT_EQUAL ||
            !crdt_digest_equal(crdt_document_digest(place->doc),
                               crdt_document_digest(first->doc))) {
            return false;
        }
    }
    return true;
}

uint64_t sync_sim_notices(const sync_sim *sim, uint32_t index, sync_notice_kind kind)
{
    return sim->places[index].notices[kind];
}

const sync_sim_batch *sync_sim_batches(const sync_sim *sim, size_t *count)
{
    *count = sim->batch_count;
    return sim->batches;
}

const char *sync_sim_fault(const sync_sim *sim)
{
    return sim->fault;
}

const char *sync_sim_trace(sync_sim *sim)
{
    return sync_sim_log_read(&sim->log);
}

sync_sim_counts sync_sim_count(const sync_sim *sim)
{
    sync_sim_log log = sim->log;
    const sync_sim_net *net = &sim->net;
    sync_sim_log_fault(&log, SYNC_SIM_FAULT_DROP, net->lost - net->cut_off);
    sync_sim_log_fault(&log, SYNC_SIM_FAULT_CUT_OFF, net->cut_off);
    sync_sim_log_fault(&log, SYNC_SIM_FAULT_REPEAT, net->repeated);
    sync_sim_log_fault(&log, SYNC_SIM_FAULT_OVERTAKE, net->overtaken);
    sync_sim_counts *counts = &log.counts;
    counts->events = counts->deliveries + counts->timers + counts->syncs +
                     counts->edits + counts->controls;
    return *counts;
}

uint64_t sync_sim_hash(const sync_sim *sim)
{
    return sim->log.hash;
}
