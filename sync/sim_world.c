#include "sync/sim_world.h"

#include "crdt/template.h"
#include "crdt/value.h"
#include "sync/message.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_RETRY_MS 200u
#define DEPS_MAX 1024u
#define SCENE "simulated"

typedef struct sim_record {
    sync_append_kind kind;
    uint8_t *bytes; /* owned */
    size_t size;
} sim_record;

/* What a disk holds; the first `durable` records survive a crash. */
typedef struct sim_disk {
    sim_record *records;
    size_t count;
    size_t capacity;
    size_t durable;
    sync_meta meta;
    bool actor_known;
} sim_disk;

typedef struct sim_link {
    uint32_t number;
    uint32_t target;
    bool up;
} sim_link;

typedef struct sim_place {
    bool running;
    bool dialable;
    uint64_t life; /* counts starts */
    crdt_document *doc;
    crdt_deps *deps;
    sync_replica *replica;
    crdt_arena arena;
    uint64_t wake_at_ms;

    sim_disk disk;
    sim_disk saved;
    size_t run_first; /* records on disk when it started */
    size_t syncing;   /* records the sync under way covers; 0: none */
    uint64_t sync_end_ms;

    sim_link *links;
    size_t link_count;
    size_t link_capacity;
    bool configured[SYNC_SIM_PLACES_MAX];
    uint64_t notices[SYNC_NOTICE_COUNT];
    char presences[SYNC_SIM_PLACES_MAX][16]; /* as told by the others */
    sync_replica_counts traced;
} sim_place;

/* A request that was sent: who waits for the reply. */
typedef struct sim_request {
    uint64_t token; /* the server's */
    uint32_t asker;
    uint64_t asker_life;
    uint64_t asker_token;
    uint32_t server;
    bool done;
} sim_request;

/* Which digest a version had when it was first seen. */
typedef struct sim_seen {
    crdt_digest version_hash;
    crdt_digest digest;
} sim_seen;

struct sync_sim {
    sync_sim_options o;
    crdt_alloc alloc;
    sync_sim_net net;
    uint64_t now_ms;
    sim_place places[SYNC_SIM_PLACES_MAX];
    sim_request *requests;
    size_t request_count;
    size_t request_capacity;
    uint64_t token;
    sync_sim_batch *batches;
    size_t batch_count;
    size_t batch_capacity;
    sim_seen *seen; /* open addressing; digest of no version: 0, 0 */
    size_t seen_count;
    size_t seen_capacity;
    char fault[256];
    char *trace;
    size_t trace_size;
    size_t trace_capacity;
    size_t trace_read;
};

static void must(bool ok)
{
    if (!ok) {
        fprintf(stderr, "simulated world: out of memory or broken\n");
        abort();
    }
}

static void *grow(sync_sim *sim, void *items, size_t count, size_t *capacity,
                  size_t item_size)
{
    if (count < *capacity) {
        return items;
    }
    size_t more = *capacity == 0 ? 16 : *capacity * 2;
    items = crdt_resize_array(sim->alloc, items, *capacity, more, item_size);
    must(items != NULL);
    *capacity = more;
    return items;
}

static uint64_t below(sync_sim *sim, uint64_t bound)
{
    return sync_sim_net_below(&sim->net, bound);
}

static crdt_actor random_actor(sync_sim *sim)
{
    crdt_actor actor;
    uint64_t words[2] = {sync_sim_net_random(&sim->net),
                         sync_sim_net_random(&sim->net)};
    memcpy(actor.bytes, words, sizeof actor.bytes);
    return actor;
}

/* ---- trace and faults ---- */

static void trace(sync_sim *sim, uint32_t place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void trace(sync_sim *sim, uint32_t place, const char *format, ...)
{
    if (!sim->o.trace) {
        return;
    }
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t room = strlen(line) + 64;
    if (sim->trace_size + room > sim->trace_capacity) {
        size_t capacity = (sim->trace_size + room) * 2;
        sim->trace =
            crdt_resize_array(sim->alloc, sim->trace, sim->trace_capacity, capacity, 1);
        must(sim->trace != NULL);
        sim->trace_capacity = capacity;
    }
    sim->trace_size +=
        (size_t)snprintf(sim->trace + sim->trace_size, room, "[%5llu] %u > %s\n",
                         (unsigned long long)sim->now_ms, place, line);
}

const char *sync_sim_trace(sync_sim *sim)
{
    if (sim->trace == NULL) {
        return "";
    }
    const char *text = sim->trace + sim->trace_read;
    sim->trace_read = sim->trace_size;
    return text;
}

static void fault(sync_sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fault(sync_sim *sim, const char *format, ...)
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

const char *sync_sim_fault(const sync_sim *sim)
{
    return sim->fault;
}

static sim_seen *find_seen(sync_sim *sim, crdt_digest hash)
{
    size_t mask = sim->seen_capacity - 1;
    size_t at = (size_t)hash.low & mask;
    while ((sim->seen[at].version_hash.low | sim->seen[at].version_hash.high) != 0 &&
           !crdt_digest_equal(sim->seen[at].version_hash, hash)) {
        at = (at + 1) & mask;
    }
    return &sim->seen[at];
}

static void grow_seen(sync_sim *sim)
{
    sim_seen *old = sim->seen;
    size_t old_capacity = sim->seen_capacity;
    sim->seen_capacity = old_capacity == 0 ? 256 : old_capacity * 2;
    sim->seen = crdt_allocate(sim->alloc, sim->seen_capacity * sizeof *sim->seen);
    must(sim->seen != NULL);
    memset(sim->seen, 0, sim->seen_capacity * sizeof *sim->seen);
    for (size_t i = 0; i < old_capacity; i++) {
        if ((old[i].version_hash.low | old[i].version_hash.high) != 0) {
            *find_seen(sim, old[i].version_hash) = old[i];
        }
    }
    crdt_free(sim->alloc, old, old_capacity * sizeof *old);
}

/* Equal versions have equal digests: at every place, at any time of the run. Of versions
 * that were told only: what a crash took before it was on disk is written anew. */
static void check_place(sync_sim *sim, uint32_t index)
{
    const sim_place *place = &sim->places[index];
    if (!sim->o.check) {
        return;
    }
    if (!sync_replica_check(place->replica)) {
        fault(sim, "place %u: an invariant of its replica is broken", index);
    }
    if (2 * sim->seen_count >= sim->seen_capacity) {
        grow_seen(sim);
    }
    crdt_digest hash = crdt_digest_version(sync_replica_version(place->replica));
    crdt_digest digest = sync_replica_digest(place->replica);
    sim_seen *seen = find_seen(sim, hash);
    if ((seen->version_hash.low | seen->version_hash.high) == 0) {
        *seen = (sim_seen){hash, digest};
        sim->seen_count++;
    } else if (!crdt_digest_equal(seen->digest, digest)) {
        fault(sim, "place %u: a version seen before has another digest", index);
    }
}

/* ---- disks ---- */

static void disk_truncate(sync_sim *sim, sim_disk *disk, size_t count)
{
    while (disk->count > count) {
        sim_record *record = &disk->records[--disk->count];
        crdt_free(sim->alloc, record->bytes, record->size);
    }
    if (disk->durable > count) {
        disk->durable = count;
    }
}

static void disk_add(sync_sim *sim, sim_disk *disk, sync_append_kind kind,
                     crdt_span bytes)
{
    disk->records =
        grow(sim, disk->records, disk->count, &disk->capacity, sizeof *disk->records);
    sim_record *record = &disk->records[disk->count++];
    *record = (sim_record){.kind = kind, .size = bytes.size};
    record->bytes = crdt_allocate(sim->alloc, bytes.size);
    must(record->bytes != NULL && bytes.size > 0);
    memcpy(record->bytes, bytes.data, bytes.size);
}

static void disk_free(sync_sim *sim, sim_disk *disk)
{
    disk_truncate(sim, disk, 0);
    crdt_free(sim->alloc, disk->records, disk->capacity * sizeof *disk->records);
    *disk = (sim_disk){0};
}

/* `to` becomes what survives of `from`. */
static void disk_copy(sync_sim *sim, sim_disk *to, const sim_disk *from)
{
    disk_truncate(sim, to, 0);
    for (size_t i = 0; i < from->durable; i++) {
        disk_add(sim, to, from->records[i].kind,
                 (crdt_span){from->records[i].bytes, from->records[i].size});
    }
    to->durable = to->count;
    to->meta = from->meta;
    to->actor_known = from->actor_known;
}

static void replay(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    for (size_t i = 0; i < place->disk.count; i++) {
        const sim_record *record = &place->disk.records[i];
        crdt_span bytes = {record->bytes, record->size};
        crdt_diag diag = {0};
        crdt_batch batch;
        crdt_err err = CRDT_OK;
        if (record->kind == SYNC_APPEND_ANSWER) {
            err = crdt_document_merge(place->doc, bytes, place->deps, NULL, &diag);
        } else {
            crdt_arena_reset(&place->arena);
            err = crdt_batch_decode(bytes, place->deps, &place->arena, &batch, &diag);
            if (err == CRDT_OK) {
                err = crdt_document_apply(place->doc, &batch, &diag);
            }
            if (err == CRDT_OK) {
                err = crdt_deps_note(place->deps, &batch);
            }
        }
        if (err != CRDT_OK) {
            fault(sim, "place %u: record %zu does not come back: %s %s", index, i,
                  crdt_err_name(err), diag.text);
            return;
        }
    }
}

static void begin_sync(sync_sim *sim, sim_place *place)
{
    if (place->syncing == 0 && place->disk.durable < place->disk.count) {
        place->syncing = place->disk.count;
        place->sync_end_ms = sim->now_ms + 1 + below(sim, sim->o.disk_ms_max);
    }
}

static void note_durable(sync_sim *sim, uint32_t index)
{
    for (size_t i = sim->batch_count; i > 0; i--) {
        sync_sim_batch *batch = &sim->batches[i - 1];
        if (batch->place == index && !batch->lost && batch->record != SIZE_MAX &&
            batch->record < sim->places[index].disk.durable) {
            if (batch->durable) {
                break; /* all before it are */
            }
            batch->durable = true;
        }
    }
}

/* ---- performing effects ---- */

static void step(sync_sim *sim, uint32_t index, sync_replica_event event);

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

static crdt_span url_of_place(uint32_t index, char text[32])
{
    snprintf(text, 32, "sim://%u", index);
    return crdt_span_of(text);
}

static sim_link *find_link(sim_place *place, uint32_t number)
{
    for (size_t i = 0; i < place->link_count; i++) {
        if (place->links[i].number == number) {
            return &place->links[i];
        }
    }
    return NULL;
}

static void schedule_link(sync_sim *sim, uint32_t index, uint32_t number, uint64_t ms)
{
    sync_sim_packet timer = {.kind = SYNC_SIM_LINK_UP,
                             .at_ms = sim->now_ms + ms,
                             .to = index,
                             .to_life = sim->places[index].life,
                             .link = number};
    must(sync_sim_net_schedule(&sim->net, &timer) == CRDT_OK);
}

static void perform_dial(sync_sim *sim, uint32_t index, const sync_dial *dial)
{
    sim_place *place = &sim->places[index];
    if (dial->url.size == 0) {
        sim_link *link = find_link(place, dial->peer);
        if (link != NULL) {
            *link = place->links[--place->link_count];
        }
        return;
    }
    uint32_t target = place_of_url(dial->url);
    if (target >= sim->o.place_count) {
        return;
    }
    place->links = grow(sim, place->links, place->link_count, &place->link_capacity,
                        sizeof *place->links);
    place->links[place->link_count++] =
        (sim_link){.number = dial->peer, .target = target};
    schedule_link(sim, index, dial->peer, 1 + below(sim, 5));
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
                must(sync_sim_net_send(&sim->net, &packet, bytes, sim->now_ms) ==
                     CRDT_OK);
            }
        }
    }
}

static void perform_request(sync_sim *sim, uint32_t index, const sync_request *request)
{
    sim_place *place = &sim->places[index];
    const sim_link *link = find_link(place, request->peer);
    sync_sim_packet timer = {.kind = SYNC_SIM_EXPIRED,
                             .at_ms = sim->now_ms + request->timeout_ms,
                             .to = index,
                             .to_life = place->life,
                             .token = request->token};
    must(sync_sim_net_schedule(&sim->net, &timer) == CRDT_OK);
    if (link == NULL || !link->up) {
        return;
    }
    sim->requests = grow(sim, sim->requests, sim->request_count, &sim->request_capacity,
                         sizeof *sim->requests);
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
    must(sync_sim_net_send(&sim->net, &packet, request->bytes, sim->now_ms) == CRDT_OK);
}

static void perform_reply(sync_sim *sim, uint32_t index, const sync_reply *reply)
{
    for (size_t i = sim->request_count; i > 0; i--) {
        sim_request *request = &sim->requests[i - 1];
        if (request->token != reply->token || request->done ||
            request->server != index) {
            continue;
        }
        request->done = true;
        sync_sim_packet packet = {.kind = SYNC_SIM_REPLY,
                                  .from = index,
                                  .to = request->asker,
                                  .to_life = request->asker_life,
                                  .token = request->asker_token};
        if (reply->bytes.size > 0) {
            must(sync_sim_net_send(&sim->net, &packet, reply->bytes, sim->now_ms) ==
                 CRDT_OK);
        }
        return;
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

static uint32_t place_of_actor(const sync_sim *sim, const crdt_actor *actor)
{
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        if (sim->places[i].disk.actor_known &&
            crdt_actor_equal(&sim->places[i].disk.meta.actor, actor)) {
            return i;
        }
    }
    return UINT32_MAX;
}

static void trace_notice(sync_sim *sim, uint32_t index, const sync_notice *notice)
{
    uint32_t about = place_of_actor(sim, &notice->actor);
    if (about == UINT32_MAX || about == index) {
        trace(sim, index, "%s%s%s", notice_names[notice->kind],
              notice->text[0] != '\0' ? ": " : "", notice->text);
    } else {
        trace(sim, index, "%s %u%s%s", notice_names[notice->kind], about,
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
        must(sync_message_decode(effects->publishes[i], &arena, &message, NULL) ==
             CRDT_OK);
        if (message.kind == SYNC_MESSAGE_BATCHES) {
            trace(sim, index, "publishes %zu", message.body.batches.batch_count);
        }
    }
    for (size_t i = 0; i < effects->request_count; i++) {
        const sim_link *link = find_link(place, effects->requests[i].peer);
        must(sync_message_decode(effects->requests[i].bytes, &arena, &message, NULL) ==
             CRDT_OK);
        trace(sim, index, "%s %u", kind_name(message.kind),
              link == NULL ? 99 : link->target);
    }
    crdt_arena_deinit(&arena);
    sync_replica_counts counts = sync_replica_count(place->replica);
    if (counts.applied > place->traced.applied) {
        trace(sim, index, "applies %llu",
              (unsigned long long)(counts.applied - place->traced.applied));
    }
    if (counts.merged > place->traced.merged) {
        trace(sim, index, "merges an answer");
    }
    if (counts.held > place->traced.held) {
        trace(sim, index, "holds back %llu", (unsigned long long)counts.held);
    }
    place->traced = counts;
}

/* What an actor tells of its people, until it has left. */
static void note_presence(const sync_sim *sim, sim_place *place,
                          const sync_notice *notice)
{
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        if (!crdt_actor_equal(&sim->places[i].disk.meta.actor, &notice->actor)) {
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

static void perform(sync_sim *sim, uint32_t index, const sync_effects *effects)
{
    sim_place *place = &sim->places[index];
    for (size_t i = 0; i < effects->append_count; i++) {
        const sync_append *append = &effects->appends[i];
        must(append->sequence == place->disk.count - place->run_first + 1);
        disk_add(sim, &place->disk, append->kind, append->bytes);
    }
    begin_sync(sim, place);
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
    for (size_t i = 0; i < effects->notice_count; i++) {
        place->notices[effects->notices[i].kind]++;
        note_presence(sim, place, &effects->notices[i]);
        trace_notice(sim, index, &effects->notices[i]);
    }
    if (effects->meta_changed) {
        place->disk.meta = *effects->meta;
        place->disk.meta.scene = crdt_span_of(SCENE);
    }
    place->wake_at_ms = effects->wake_at_ms;
    if (effects->renew_actor) {
        place->disk.meta.actor = random_actor(sim);
        step(sim, index,
             (sync_replica_event){.kind = SYNC_ON_ACTOR,
                                  .actor = place->disk.meta.actor});
    }
}

static void step(sync_sim *sim, uint32_t index, sync_replica_event event)
{
    sim_place *place = &sim->places[index];
    sync_effects effects;
    event.now_ms = sim->now_ms;
    event.wall_ms = 1600000000000 + sim->now_ms;
    crdt_err err = sync_replica_step(place->replica, &event, &effects);
    if (err != CRDT_OK) {
        fault(sim, "place %u: a step failed: %s", index, crdt_err_name(err));
    }
    perform(sim, index, &effects);
    check_place(sim, index);
}

/* ---- open, close ---- */

sync_sim_options sync_sim_options_default(void)
{
    return (sync_sim_options){
        .place_count = 2,
        .seed = 1,
        .faults = {.delay_ms_min = 1, .delay_ms_max = 5},
        .disk_ms_max = 5,
        .lineage_known = true,
        .check = true,
        .replica = sync_replica_options_default(),
    };
}

sync_sim *sync_sim_open(const sync_sim_options *options)
{
    crdt_alloc alloc = options->replica.alloc;
    assert(options->place_count >= 1 && options->place_count <= SYNC_SIM_PLACES_MAX);
    sync_sim *sim = crdt_allocate(alloc, sizeof *sim);
    must(sim != NULL);
    memset(sim, 0, sizeof *sim);
    sim->o = *options;
    sim->alloc = alloc;
    must(sync_sim_net_init(&sim->net, alloc, options->place_count, options->seed) ==
         CRDT_OK);
    sim->net.faults = options->faults;
    for (uint32_t i = 0; i < options->place_count; i++) {
        sim_place *place = &sim->places[i];
        place->dialable = true;
        crdt_arena_init(&place->arena, alloc);
        place->disk.meta.scene = crdt_span_of(SCENE);
        place->disk.meta.lineage_known = options->lineage_known;
        place->disk.meta.lineage = crdt_template_actor_empty();
        sync_sim_start_place(sim, i, SYNC_SIM_FRESH);
    }
    return sim;
}

static void halt(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    if (!place->running) {
        return;
    }
    place->running = false;
    sync_replica_close(place->replica);
    crdt_document_close(place->doc);
    crdt_deps_close(place->deps);
    place->replica = NULL;
    place->doc = NULL;
    place->deps = NULL;
    place->link_count = 0;
    for (uint32_t other = 0; other < sim->o.place_count; other++) {
        sim_place *dialler = &sim->places[other];
        for (size_t i = 0; i < dialler->link_count && dialler->running; i++) {
            sim_link *link = &dialler->links[i];
            if (link->target == index && link->up) {
                link->up = false;
                sync_sim_packet timer = {.kind = SYNC_SIM_LINK_DOWN,
                                         .at_ms = sim->now_ms + 1,
                                         .to = other,
                                         .to_life = dialler->life,
                                         .link = link->number};
                must(sync_sim_net_schedule(&sim->net, &timer) == CRDT_OK);
                schedule_link(sim, other, link->number, LINK_RETRY_MS);
            }
        }
    }
}

void sync_sim_close(sync_sim *sim)
{
    if (sim == NULL) {
        return;
    }
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        sim_place *place = &sim->places[i];
        halt(sim, i);
        disk_free(sim, &place->disk);
        disk_free(sim, &place->saved);
        crdt_arena_deinit(&place->arena);
        crdt_free(sim->alloc, place->links, place->link_capacity * sizeof(sim_link));
    }
    for (size_t i = 0; i < sim->batch_count; i++) {
        crdt_buf_deinit(&sim->batches[i].bytes);
    }
    crdt_free(sim->alloc, sim->batches, sim->batch_capacity * sizeof *sim->batches);
    crdt_free(sim->alloc, sim->requests, sim->request_capacity * sizeof(sim_request));
    crdt_free(sim->alloc, sim->seen, sim->seen_capacity * sizeof *sim->seen);
    crdt_free(sim->alloc, sim->trace, sim->trace_capacity);
    sync_sim_net_deinit(&sim->net);
    crdt_free(sim->alloc, sim, sizeof *sim);
}

/* ---- starting and stopping ---- */

void sync_sim_start_place(sync_sim *sim, uint32_t index, sync_sim_start how)
{
    sim_place *place = &sim->places[index];
    assert(!place->running);
    sim_disk *disk = &place->disk;
    if (how == SYNC_SIM_FRESH || !disk->actor_known) {
        disk->meta.actor = random_actor(sim);
        disk->actor_known = true;
        disk->meta.confirmed_time = 0;
        disk->meta.start_count = 0;
    }
    crdt_document_options options = crdt_document_options_default();
    options.alloc = sim->alloc;
    must(crdt_document_open(&place->doc, &options) == CRDT_OK);
    must(crdt_deps_open(&place->deps, sim->alloc, DEPS_MAX) == CRDT_OK);
    replay(sim, index);

    sync_replica_options replica = sim->o.replica;
    replica.alloc = sim->alloc;
    replica.doc = place->doc;
    replica.deps = place->deps;
    replica.meta = disk->meta;
    replica.nonce = sync_sim_net_random(&sim->net);
    replica.seed = sync_sim_net_random(&sim->net);
    replica.now_ms = sim->now_ms;
    must(sync_replica_open(&place->replica, &replica) == CRDT_OK);
    place->running = true;
    place->life++;
    place->run_first = disk->count;
    place->syncing = 0;
    place->wake_at_ms = sim->now_ms;
    place->traced = (sync_replica_counts){0};
    char url[32];
    if (place->dialable) {
        step(
            sim, index,
            (sync_replica_event){.kind = SYNC_ON_URL, .url = url_of_place(index, url)});
    }
    for (uint32_t other = 0; other < sim->o.place_count; other++) {
        if (place->configured[other]) {
            step(sim, index,
                 (sync_replica_event){.kind = SYNC_ON_ADD_PEER,
                                      .url = url_of_place(other, url)});
        }
    }
}

void sync_sim_crash(sync_sim *sim, uint32_t index, bool torn_kept)
{
    sim_place *place = &sim->places[index];
    if (!place->running) {
        return;
    }
    trace(sim, index, "crashes");
    if (torn_kept && place->syncing > place->disk.durable) {
        place->disk.durable = place->syncing;
    }
    disk_truncate(sim, &place->disk, place->disk.durable);
    note_durable(sim, index);
    for (size_t i = 0; i < sim->batch_count; i++) {
        sync_sim_batch *batch = &sim->batches[i];
        if (batch->place == index && !batch->durable && !batch->lost) {
            batch->lost = true;
        }
    }
    halt(sim, index);
}

void sync_sim_stop(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    if (!place->running) {
        return;
    }
    while (place->disk.durable < place->disk.count) {
        sync_sim_run(sim, 1);
    }
    step(sim, index, (sync_replica_event){.kind = SYNC_ON_LEAVE});
    trace(sim, index, "stops");
    halt(sim, index);
}

void sync_sim_presence(sync_sim *sim, uint32_t index, const char *text)
{
    step(sim, index,
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
        step(sim, index,
             (sync_replica_event){.kind = SYNC_ON_ADD_PEER,
                                  .url = url_of_place(other, url)});
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

/* ---- editing ---- */

static void note_batch(sync_sim *sim, uint32_t index, const crdt_batch *batch)
{
    sim->batches = grow(sim, sim->batches, sim->batch_count, &sim->batch_capacity,
                        sizeof *sim->batches);
    sync_sim_batch *item = &sim->batches[sim->batch_count++];
    *item = (sync_sim_batch){
        .place = index,
        .last = {crdt_batch_last_time(batch), batch->actor},
        .record = sim->places[index].disk.count,
    };
    crdt_buf_init(&item->bytes, sim->alloc);
    must(crdt_batch_encode(batch, NULL, &item->bytes) == CRDT_OK);
}

static crdt_err commit(sync_sim *sim, uint32_t index, const crdt_op *ops,
                       size_t op_count, bool housekeep)
{
    sim_place *place = &sim->places[index];
    assert(place->running);
    crdt_edit edit = {.actor = sync_replica_actor(place->replica),
                      .wall_ms = 1600000000000 + sim->now_ms};
    crdt_batch batch;
    crdt_arena_reset(&place->arena);
    crdt_err err = housekeep ? crdt_document_housekeep(place->doc, &edit, NULL,
                                                       &place->arena, &batch, NULL)
                             : crdt_document_commit(place->doc, &edit, ops, op_count,
                                                    &place->arena, &batch, NULL);
    if (err == CRDT_OK) {
        note_batch(sim, index, &batch);
        trace(sim, index, "commits %zu at %llu", batch.op_count,
              (unsigned long long)crdt_batch_first_time(&batch));
        step(sim, index, (sync_replica_event){.kind = SYNC_ON_LOCAL, .batch = &batch});
    }
    return err;
}

crdt_err sync_sim_commit(sync_sim *sim, uint32_t index, const crdt_op *ops,
                         size_t op_count)
{
    return commit(sim, index, ops, op_count, false);
}

crdt_err sync_sim_housekeep(sync_sim *sim, uint32_t index)
{
    return commit(sim, index, NULL, 0, true);
}

void sync_sim_set(sync_sim *sim, uint32_t index, const char *object, const char *field,
                  int64_t value)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, sim->alloc);
    must(crdt_value_write_integer(&bytes, value) == CRDT_OK);
    crdt_span o = crdt_span_of(object);
    crdt_span p = crdt_span_of("part");
    crdt_op ops[3] = {
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(o)},
        {.kind = CRDT_OP_ADD, .key = crdt_key_part(o, p)},
        {.kind = CRDT_OP_SET,
         .key = crdt_key_field(o, p, crdt_span_of(field)),
         .value = crdt_buf_span(&bytes)},
    };
    commit(sim, index, ops, 3, false);
    crdt_buf_deinit(&bytes);
}

void sync_sim_remove(sync_sim *sim, uint32_t index, const char *object)
{
    crdt_op op = {.kind = CRDT_OP_REMOVE, .key = crdt_key_object(crdt_span_of(object))};
    commit(sim, index, &op, 1, false);
}

/* ---- faults ---- */

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

/* The records of the place are others now: those of its batches are not known. */
static void forget_records(sync_sim *sim, uint32_t index)
{
    for (size_t i = 0; i < sim->batch_count; i++) {
        if (sim->batches[i].place == index) {
            sim->batches[i].record = SIZE_MAX;
        }
    }
}

void sync_sim_copy_disk(sync_sim *sim, uint32_t from, uint32_t to)
{
    assert(!sim->places[to].running);
    disk_copy(sim, &sim->places[to].disk, &sim->places[from].disk);
    forget_records(sim, to);
}

void sync_sim_save_disk(sync_sim *sim, uint32_t index)
{
    disk_copy(sim, &sim->places[index].saved, &sim->places[index].disk);
}

void sync_sim_restore_disk(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    assert(!place->running);
    if (place->saved.actor_known) {
        disk_copy(sim, &place->disk, &place->saved);
        forget_records(sim, index);
    }
}

void sync_sim_checkpoint(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    if (!place->running || place->disk.durable < place->disk.count ||
        crdt_document_version(place->doc)->stamp_count == 0) {
        return;
    }
    crdt_buf bytes;
    crdt_buf_init(&bytes, sim->alloc);
    must(crdt_document_answer_full(place->doc, place->deps, &bytes) == CRDT_OK);
    size_t count = place->disk.count;
    disk_truncate(sim, &place->disk, 0);
    disk_add(sim, &place->disk, SYNC_APPEND_ANSWER, crdt_buf_span(&bytes));
    place->disk.durable = 1;
    place->run_first = place->run_first + 1 - count; /* wraps: only differences count */
    crdt_buf_deinit(&bytes);
    forget_records(sim, index);
}

void sync_sim_inject(sync_sim *sim, uint32_t from, uint32_t to, crdt_span bytes)
{
    sim_place *place = &sim->places[to];
    for (size_t i = 0; i < place->link_count; i++) {
        if (place->links[i].target == from) {
            step(sim, to,
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
    sim_link *link = find_link(place, packet->link);
    if (link == NULL || link->up) {
        return;
    }
    const sim_place *target = &sim->places[link->target];
    if (!target->running || !target->dialable ||
        sync_sim_net_is_cut(&sim->net, packet->to, link->target) ||
        sync_sim_net_is_cut(&sim->net, link->target, packet->to)) {
        schedule_link(sim, packet->to, packet->link, LINK_RETRY_MS);
        return;
    }
    link->up = true;
    step(sim, packet->to,
         (sync_replica_event){.kind = SYNC_ON_LINK_UP, .peer = packet->link});
}

static void deliver(sync_sim *sim, const sync_sim_packet *packet)
{
    sim_place *place = &sim->places[packet->to];
    if (!place->running || (packet->to_life != 0 && packet->to_life != place->life)) {
        return;
    }
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
        break;
    case SYNC_SIM_LINK_DOWN:
        event.kind = SYNC_ON_LINK_DOWN;
        break;
    case SYNC_SIM_LINK_UP:
        link_timer(sim, packet);
        return;
    }
    step(sim, packet->to, event);
}

static void end_sync(sync_sim *sim, uint32_t index)
{
    sim_place *place = &sim->places[index];
    place->disk.durable = place->syncing;
    place->syncing = 0;
    begin_sync(sim, place);
    note_durable(sim, index);
    step(sim, index,
         (sync_replica_event){.kind = SYNC_ON_STORED,
                              .sequence = place->disk.durable - place->run_first});
}

/* The next thing that happens until `end_ms`; false: nothing does. */
static bool advance(sync_sim *sim, uint64_t end_ms)
{
    uint64_t next = sync_sim_net_next_ms(&sim->net);
    uint32_t who = UINT32_MAX;
    bool disk = false;
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        const sim_place *place = &sim->places[i];
        if (!place->running) {
            continue;
        }
        if (place->syncing != 0 && place->sync_end_ms < next) {
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
        sync_sim_packet packet;
        if (sync_sim_net_take(&sim->net, &packet)) {
            deliver(sim, &packet);
            sync_sim_net_free(&sim->net, &packet);
        }
    } else if (disk) {
        end_sync(sim, who);
    } else {
        step(sim, who, (sync_replica_event){.kind = SYNC_ON_TICK});
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

/* ---- looking ---- */

uint64_t sync_sim_now(const sync_sim *sim)
{
    return sim->now_ms;
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
    return sim->places[index].disk.meta.actor;
}

sync_sim_net *sync_sim_network(sync_sim *sim)
{
    return &sim->net;
}

bool sync_sim_equal(sync_sim *sim)
{
    const sim_place *first = NULL;
    for (uint32_t i = 0; i < sim->o.place_count; i++) {
        const sim_place *place = &sim->places[i];
        if (!place->running) {
            continue;
        }
        if (place->disk.durable < place->disk.count) {
            return false;
        }
        first = first == NULL ? place : first;
        if (crdt_version_compare(crdt_document_version(place->doc),
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
