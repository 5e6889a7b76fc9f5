/* A replica among peers who say whatever the input says, in the right envelope or not: it
 * stays sound, answers every request once, and says nothing too long.
 *
 *   steps    kind (1), then
 *    0  peer 1 or 2 publishes: size (2), bytes      4  time: tenths of a second
 *    1  somebody asks: size (2), bytes              5  a link is up, or down
 *    2  the oldest request is answered: the same    6  another peer: its URL
 *    3  it fails                                    7  an edit of its own
 *    8  the oldest request is answered with this encoded answer, told as one parcel
 *    9  somebody hands over this encoded answer      10  peer publishes this one batch
 *
 *   11  peer 1 makes an edit, peer 1 is honest, and a replica itself: all it says waits to be
 *       carried, and so does what is said to it
 *   12  carry: which of those that wait, what becomes of it: 1 it waits on, 2 a byte is
 *       changed: place (2), by what; 3 all is carried until nothing waits
 *
 * Steps 0 to 2 get the topic of this scene, so that bytes are looked at at all. */

#include "crdt/digest.h"
#include "sync/message.h"
#include "sync/replica.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_input.h"

#include <assert.h>
#include <string.h>

/* The document as in fuzz_record; what peers say of themselves is kept, messages are held
 * and made again, an answer lies there whole while it is fetched. */
const fuzz_budget fuzz_target_budget = {.factor = 2500, .fixed = 512u << 10};

#define REQUEST_MAX 64
#define FLIGHT_MAX 64
#define TOKEN_CARRIED 1000000u

typedef struct place {
    uint8_t number; /* 0: among peers; 1: the honest one */
    crdt_document *doc;
    crdt_deps *deps;
    sync_replica *replica;
    sync_effects effects;
    uint64_t now_ms;
    uint64_t tokens[REQUEST_MAX]; /* of requests that wait */
    size_t token_count;
    uint64_t asked; /* tokens of those who asked us */
    uint64_t appended;
    uint8_t edits;
    crdt_arena arena;
} place;

/* Something one of the two said to the other, on its way. */
typedef struct flight {
    uint8_t to;
    sync_replica_event_kind kind;
    uint64_t token;
    crdt_buf bytes;
} flight;

static struct {
    place places[2];
    flight flights[FLIGHT_MAX];
    size_t count;
    uint64_t
        askers[FLIGHT_MAX]; /* tokens of requests carried, by the number they got */
    size_t asker_count;
} world;

static crdt_span take_sized(fuzz_input *in)
{
    size_t size = fuzz_take(in);
    size |= (size_t)fuzz_take(in) << 8;
    return fuzz_take_span(in, size);
}

static void fly(uint8_t to, sync_replica_event_kind kind, uint64_t token,
                crdt_span bytes)
{
    if (world.count == FLIGHT_MAX) {
        return;
    }
    flight *f = &world.flights[world.count++];
    *f = (flight){.to = to, .kind = kind, .token = token};
    crdt_buf_init(&f->bytes, crdt_alloc_default());
    assert(crdt_buf_append_span(&f->bytes, bytes) == CRDT_OK);
}

/* What is said goes its way. Peer 2 is nobody. */
static void send_effects(const place *p)
{
    const sync_effects *e = &p->effects;
    uint8_t to = 1 - p->number;
    for (size_t i = 0; i < e->publish_count; i++) {
        fly(to, SYNC_ON_RECEIVED, 0, e->publishes[i]);
    }
    for (size_t i = 0; i < e->request_count; i++) {
        if (e->requests[i].peer == 1) {
            fly(to, SYNC_ON_REQUEST, e->requests[i].token, e->requests[i].bytes);
        }
    }
    for (size_t i = 0; i < e->reply_count; i++) {
        uint64_t token = e->replies[i].token;
        if (token > TOKEN_CARRIED && token <= TOKEN_CARRIED + world.asker_count) {
            fly(to, SYNC_ON_REPLY, world.askers[token - TOKEN_CARRIED - 1],
                e->replies[i].bytes);
        }
    }
}

static void check_effects(place *p, const sync_replica_event *event)
{
    const sync_effects *e = &p->effects;
    size_t answered = 0;
    for (size_t i = 0; i < e->publish_count; i++) {
        assert(e->publishes[i].size <= 4096);
    }
    for (size_t i = 0; i < e->reply_count; i++) {
        assert(e->replies[i].bytes.size <= 4096);
        answered +=
            event->kind == SYNC_ON_REQUEST && e->replies[i].token == event->token;
    }
    assert(event->kind != SYNC_ON_REQUEST || answered == 1);
    for (size_t i = 0; i < e->request_count; i++) {
        assert(e->requests[i].bytes.size <= 4096);
        if (p->token_count < REQUEST_MAX) {
            p->tokens[p->token_count++] = e->requests[i].token;
        }
    }
    p->appended += e->append_count;
    send_effects(p);
}

/* One event; what it asks to be stored is stored. */
static void step(place *p, sync_replica_event event)
{
    event.now_ms = p->now_ms;
    event.wall_ms = p->now_ms;
    crdt_err err = sync_replica_step(p->replica, &event, &p->effects);
    assert(err == CRDT_OK || event.kind == SYNC_ON_ADD_PEER); /* too long, too many */
    check_effects(p, &event);
    if (p->effects.renew_actor) {
        event.kind = SYNC_ON_ACTOR;
        event.actor = (crdt_actor){{9, 9, p->edits++}};
        assert(sync_replica_step(p->replica, &event, &p->effects) == CRDT_OK);
        check_effects(p, &event);
    }
    event.kind = SYNC_ON_STORED;
    event.sequence = p->appended;
    assert(sync_replica_step(p->replica, &event, &p->effects) == CRDT_OK);
    check_effects(p, &event);
}

static void open_place(place *p, uint8_t number)
{
    crdt_document_options doc_options = crdt_document_options_default();
    *p = (place){.now_ms = 1000, .number = number};
    crdt_arena_init(&p->arena, crdt_alloc_default());
    assert(crdt_document_open(&p->doc, &doc_options) == CRDT_OK);
    assert(crdt_deps_open(&p->deps, doc_options.alloc, 16) == CRDT_OK);
    sync_replica_options options = sync_replica_options_default();
    options.doc = p->doc;
    options.deps = p->deps;
    options.meta.scene = crdt_span_of("plaza");
    options.meta.lineage_known = true;
    options.meta.lineage.bytes[0] = 6;
    options.meta.actor.bytes[0] = 1 + number;
    options.nonce = 77u + number;
    options.now_ms = p->now_ms;
    options.message_size_max = 4096;
    options.presence_size_max = 1024;
    options.held_count_max = 64;
    options.held_size_max = 1u << 16;
    options.staged_size_max = 1u << 20;
    assert(sync_replica_open(&p->replica, &options) == CRDT_OK);
    crdt_span urls[] = {crdt_span_of("tcp://here:1"), crdt_span_of("tcp://one:1"),
                        crdt_span_of("tcp://two:1")};
    step(p, (sync_replica_event){.kind = SYNC_ON_URL, .url = urls[number]});
    for (uint32_t i = 0; i < 2u - number; i++) {
        crdt_span url = urls[number == 1 ? 0 : 1 + i];
        step(p, (sync_replica_event){.kind = SYNC_ON_ADD_PEER, .url = url});
        step(p, (sync_replica_event){.kind = SYNC_ON_LINK_UP, .peer = i + 1});
    }
}

static void close_place(place *p)
{
    assert(sync_replica_check(p->replica));
    assert(crdt_document_check(p->doc));
    sync_replica_close(p->replica);
    crdt_document_close(p->doc);
    crdt_deps_close(p->deps);
    crdt_arena_deinit(&p->arena);
}

/* An edit made here, committed and told to the replica. */
static void edit(place *p, uint8_t what)
{
    crdt_span lamp = crdt_span_of("lamp");
    crdt_span part = crdt_span_of("Transform");
    uint8_t value = what & 0x7f;
    const crdt_op ops[] = {
        {.kind = what % 8 == 7 ? CRDT_OP_REMOVE : CRDT_OP_ADD,
         .key = crdt_key_object(lamp)},
        {.kind = CRDT_OP_ADD, .key = crdt_key_part(lamp, part)},
        {.kind = CRDT_OP_SET,
         .key = crdt_key_field(lamp, part, crdt_span_of("position")),
         .value = {.data = &value, .size = 1}},
    };
    crdt_edit how = {.who = crdt_span_of("ann"),
                     .actor = sync_replica_actor(p->replica)};
    crdt_batch batch;
    crdt_arena_reset(&p->arena);
    crdt_err err = crdt_document_commit(p->doc, &how, ops, what % 8 == 7 ? 1 : 3,
                                        &p->arena, &batch, NULL);
    if (err == CRDT_OK) {
        step(p, (sync_replica_event){.kind = SYNC_ON_LOCAL, .batch = &batch});
    }
}

/* `bytes` with the topic of the scene in front, in a block of its own. */
static crdt_span address(place *p, crdt_span bytes)
{
    uint8_t *copy = crdt_arena_alloc(&p->arena, bytes.size + 1);
    assert(copy != NULL);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    if (bytes.size >= SYNC_TOPIC_SIZE) {
        sync_message_topic(crdt_span_of("plaza"), copy);
    }
    return (crdt_span){copy, bytes.size};
}

static void say(place *p, sync_replica_event_kind kind, crdt_span bytes, uint8_t who)
{
    sync_replica_event event = {
        .kind = kind, .bytes = bytes, .peer = 1 + who % 2u, .token = ++p->asked};
    if (kind == SYNC_ON_REPLY || kind == SYNC_ON_FAILED) {
        if (p->token_count == 0) {
            return;
        }
        event.token = p->tokens[0];
        memmove(p->tokens, p->tokens + 1, --p->token_count * sizeof p->tokens[0]);
    }
    step(p, event);
}

/* An encoded answer or batch as a peer would send it: the hash is right, the rest its own. */
static void say_packed(place *p, sync_message_kind kind, crdt_span bytes, uint8_t who)
{
    sync_message message = {.kind = kind, .actor = {{40, who}}, .nonce = 1};
    sync_message_topic(crdt_span_of("plaza"), message.topic);
    if (kind == SYNC_MESSAGE_BATCHES) {
        message.body.batches = (sync_batches){.batches = &bytes, .batch_count = 1};
    } else {
        message.body.parcel = (sync_parcel){.id = who,
                                            .size = bytes.size,
                                            .chunk_size = 65536,
                                            .hash = crdt_hash128(bytes),
                                            .lineage_known = true,
                                            .lineage = {{6}},
                                            .bytes = bytes};
    }
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    assert(sync_message_encode(&message, &out) == CRDT_OK);
    say(p,
        kind == SYNC_MESSAGE_BATCHES ? SYNC_ON_RECEIVED
        : kind == SYNC_MESSAGE_PUSH  ? SYNC_ON_REQUEST
                                     : SYNC_ON_REPLY,
        crdt_buf_span(&out), who);
    crdt_buf_deinit(&out);
}

/* Message `index` arrives. */
static void arrive(size_t index, fuzz_input *in, unsigned how)
{
    flight f = world.flights[index];
    sync_replica_event event = {.kind = f.kind, .peer = 1, .token = f.token};
    if (f.kind == SYNC_ON_REQUEST) {
        if (world.asker_count == FLIGHT_MAX) {
            world.asker_count = 0;
        }
        world.askers[world.asker_count++] = f.token;
        event.token = TOKEN_CARRIED + world.asker_count;
    }
    crdt_arena *arena = &world.places[f.to].arena;
    crdt_arena_reset(arena);
    uint8_t *copy = crdt_arena_alloc(arena, f.bytes.size + 1);
    assert(copy != NULL);
    if (f.bytes.size > 0) {
        memcpy(copy, f.bytes.data, f.bytes.size);
    }
    event.bytes = (crdt_span){copy, f.bytes.size};
    if (how & 2 && f.bytes.size > 0) {
        size_t at = fuzz_take(in) << 8;
        at += fuzz_take(in);
        copy[at % f.bytes.size] ^= (uint8_t)fuzz_take(in);
    }
    if (!(how & 1)) {
        crdt_buf_deinit(&world.flights[index].bytes);
        memmove(world.flights + index, world.flights + index + 1,
                (--world.count - index) * sizeof world.flights[0]);
    }
    step(&world.places[f.to], event);
}

static void carry(fuzz_input *in, unsigned which)
{
    unsigned how = fuzz_take(in) % 4;
    size_t most = how == 3 ? FLIGHT_MAX : 1;
    for (size_t i = 0; i < most && world.count > 0; i++) {
        arrive(how == 3 ? 0 : which % world.count, in, how == 3 ? 0 : how);
    }
}

static void run_step(place *p, fuzz_input *in)
{
    unsigned kind = fuzz_take(in) % 13;
    uint8_t who = (uint8_t)fuzz_take(in);
    static const sync_replica_event_kind events[] = {SYNC_ON_RECEIVED, SYNC_ON_REQUEST,
                                                     SYNC_ON_REPLY};
    static const sync_message_kind packed[] = {SYNC_MESSAGE_ANSWER, SYNC_MESSAGE_PUSH,
                                               SYNC_MESSAGE_BATCHES};
    crdt_arena_reset(&p->arena);
    if (kind <= 2) {
        say(p, events[kind], address(p, take_sized(in)), who);
    } else if (kind == 3) {
        say(p, SYNC_ON_FAILED, (crdt_span){NULL, 0}, who);
    } else if (kind == 4) {
        for (size_t i = 0; i < 2; i++) {
            world.places[i].now_ms += 100u * who;
            step(&world.places[i], (sync_replica_event){.kind = SYNC_ON_TICK});
        }
    } else if (kind == 5) {
        step(p,
             (sync_replica_event){.kind = who & 2 ? SYNC_ON_LINK_UP : SYNC_ON_LINK_DOWN,
                                  .peer = 1 + who % 2u});
    } else if (kind == 6) {
        step(p, (sync_replica_event){.kind = SYNC_ON_ADD_PEER, .url = take_sized(in)});
    } else if (kind == 7) {
        edit(p, who);
    } else if (kind == 11) {
        edit(&world.places[1], who);
    } else if (kind == 12) {
        carry(in, who);
    } else {
        say_packed(p, packed[kind - 8], take_sized(in), who);
    }
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    world.count = world.asker_count = 0;
    for (uint8_t i = 0; i < 2; i++) {
        open_place(&world.places[i], i);
    }
    for (size_t i = 0; i < 200 && in.left > 0; i++) {
        run_step(&world.places[0], &in);
    }
    sync_replica_counts counts = sync_replica_count(world.places[0].replica);
    for (size_t i = 0; i < 2; i++) {
        close_place(&world.places[i]);
    }
    while (world.count > 0) {
        crdt_buf_deinit(&world.flights[--world.count].bytes);
    }
    return counts.applied + counts.merged + counts.served > 0;
}
