/* A peer that means no good, on the bus of a running node or worker:
 *
 *   rogue ask URL SCENE ATTACK COUNT SEED [KEYFILE]     asks: sends COUNT requests
 *   rogue lie LISTEN SCENE SECONDS SEED [KEYFILE]       is dialed: publishes and answers lies
 *
 * Prints one line of JSON: how many were sent, and what came back. Attacks of `ask` are the
 * rows of `attacks`; `lie` mixes all of them. */

#include "cli/key_file.h"
#include "crdt/answer.h"
#include "crdt/value.h"
#include "sync/link_nng.h"
#include "sync/link_sealed.h"
#include "sync/message.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PEER 1u
#define FLIGHT 8u       /* requests under way */
#define ANSWER_MS 2000u /* a request that gets no answer */
#define WHOLE_MS 60000u /* all of it */
#define MESSAGE_MAX (1u << 20)

typedef struct rogue {
    sync_link *link;
    const char *scene;
    uint64_t random;
    crdt_arena arena;
    crdt_actor me;
    crdt_actor victim; /* once it was met */
    crdt_actor lineage;
    bool met;
    uint64_t sent, answered, refused, failed, busy;
    crdt_buf first; /* the first message, to be played again */
} rogue;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "rogue: %s\n", what);
    exit(2);
}

static void must(crdt_err err, const char *what)
{
    if (err != CRDT_OK) {
        give_up(what);
    }
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* xorshift: any will do, but of the seed. */
static uint64_t draw(rogue *r)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random;
}

static crdt_actor draw_actor(rogue *r)
{
    crdt_actor actor;
    for (size_t i = 0; i < sizeof actor.bytes; i++) {
        actor.bytes[i] = (uint8_t)draw(r);
    }
    return actor;
}

/* ---- messages ---- */

static sync_message message_of(rogue *r, sync_message_kind kind)
{
    sync_message message = {.kind = kind, .actor = r->me, .nonce = 7};
    sync_message_topic(crdt_span_of(r->scene), message.topic);
    return message;
}

/* What it says it has, in ascending order of actors; with the hash that belongs to it. */
static void claim_version(sync_message *message, const crdt_stamp *entries,
                          size_t count)
{
    crdt_version version;
    crdt_version_init(&version, crdt_alloc_default());
    for (size_t i = 0; i < count; i++) {
        must(crdt_version_raise(&version, &entries[i]), "a version");
    }
    message->body.beacon.version_hash = crdt_digest_version(&version);
    message->body.beacon.entries = entries;
    message->body.beacon.entry_count = count;
    crdt_version_deinit(&version);
}

static sync_message hello_of(rogue *r)
{
    sync_message message = message_of(r, SYNC_MESSAGE_HELLO);
    message.body.beacon = (sync_beacon){.scene = crdt_span_of(r->scene),
                                        .lineage_known = r->met,
                                        .lineage = r->lineage,
                                        .whole = true,
                                        .message_size_max = MESSAGE_MAX};
    claim_version(&message, NULL, 0);
    return message;
}

static void encode(const sync_message *message, crdt_buf *out)
{
    must(sync_message_encode(message, out), "a message of mine");
}

/* An answer that says: `author` set a field of `object` at `time`. */
static void write_answer(crdt_actor author, uint64_t time, const char *object,
                         int64_t number, crdt_buf *out)
{
    crdt_version none;
    crdt_version version;
    crdt_version_init(&none, crdt_alloc_default());
    crdt_version_init(&version, crdt_alloc_default());
    crdt_stamp stamps[] = {{.time = time, .actor = author},
                           {.time = time + 1, .actor = author},
                           {.time = time + 2, .actor = author}};
    must(crdt_version_raise(&version, &stamps[2]), "a version");
    crdt_answer_head head = {.since = &none, .version = &version, .floor = &none};
    crdt_answer_writer writer;
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    must(crdt_value_write_integer(&value, number), "a value");
    const crdt_span names[] = {crdt_span_of(object), crdt_span_of("Name"),
                               crdt_span_of("value")};
    must(crdt_answer_write_open(&writer, out, &head), "an answer");
    for (int depth = 0; depth < 3; depth++) {
        crdt_depth d = (crdt_depth)(CRDT_OBJECT + depth);
        crdt_answer_write_key(&writer, d, names[depth], 1);
        crdt_answer_write_entry(&writer, d, &stamps[depth], crdt_span_of("rogue"),
                                depth == 2 ? crdt_buf_span(&value) : (crdt_span){0});
    }
    must(crdt_answer_write_finish(&writer), "an answer");
    crdt_buf_deinit(&value);
    crdt_version_deinit(&version);
}

/* Hand an answer over. */
static void push(rogue *r, crdt_actor author, uint64_t time, const char *object,
                 int64_t number, crdt_buf *out)
{
    crdt_buf answer;
    crdt_buf_init(&answer, crdt_alloc_default());
    write_answer(author, time, object, number, &answer);
    sync_message message = message_of(r, SYNC_MESSAGE_PUSH);
    message.body.parcel = (sync_parcel){.id = draw(r) >> 1,
                                        .size = answer.size,
                                        .chunk_size = answer.size,
                                        .hash = crdt_hash128(crdt_buf_span(&answer)),
                                        .lineage_known = r->met,
                                        .lineage = r->lineage,
                                        .bytes = crdt_buf_span(&answer)};
    encode(&message, out);
    crdt_buf_deinit(&answer);
}

/* ---- attacks: make the i-th message ---- */

typedef void (*attack_fn)(rogue *r, uint64_t i, crdt_buf *out);

static void make_hello(rogue *r, uint64_t i, crdt_buf *out)
{
    (void)i;
    r->me = draw_actor(r); /* each time somebody else */
    sync_message message = hello_of(r);
    encode(&message, out);
}

static void make_noise(rogue *r, uint64_t i, crdt_buf *out)
{
    uint8_t topic[SYNC_TOPIC_SIZE];
    sync_message_topic(crdt_span_of(r->scene), topic);
    if (i % 2 == 0) { /* it looks like ours, at first */
        must(crdt_buf_append(out, topic, sizeof topic), "noise");
    }
    for (uint64_t left = draw(r) % 600; left > 0; left--) {
        uint8_t byte = (uint8_t)draw(r);
        must(crdt_buf_append(out, &byte, 1), "noise");
    }
}

static void make_push(rogue *r, uint64_t i, crdt_buf *out)
{
    push(r, r->me, 1 + i * 3, "rogue", (int64_t)i, out);
}

static void make_any(rogue *r, uint64_t i, crdt_buf *out);

static void make_cut(rogue *r, uint64_t i, crdt_buf *out)
{
    make_any(r, i, out);
    out->size = draw(r) % (out->size + 1);
}

static void make_flipped(rogue *r, uint64_t i, crdt_buf *out)
{
    make_any(r, i, out);
    for (uint64_t n = 1 + draw(r) % 8; n > 0 && out->size > 0; n--) {
        out->data[draw(r) % out->size] ^= (uint8_t)(1u << draw(r) % 8);
    }
}

static void make_replayed(rogue *r, uint64_t i, crdt_buf *out)
{
    if (r->first.size == 0) {
        make_push(r, i, &r->first);
    }
    must(crdt_buf_append_span(out, crdt_buf_span(&r->first)), "a replay");
}

/* Times that nobody may reach for ages. */
static void make_future(rogue *r, uint64_t i, crdt_buf *out)
{
    push(r, r->me, (UINT64_C(1) << 47) + i, "future", (int64_t)i, out);
}

/* One stamp, two values. */
static void make_equivocal(rogue *r, uint64_t i, crdt_buf *out)
{
    push(r, r->me, 1 + i / 2 * 3, "two-faced", (int64_t)i, out);
}

/* As if it were the one that is attacked. */
static void make_forged(rogue *r, uint64_t i, crdt_buf *out)
{
    push(r, r->victim, 1000 + i * 3, "forged", (int64_t)i, out);
}

/* It claims to have what there is not. */
static void make_claim(rogue *r, uint64_t i, crdt_buf *out)
{
    static crdt_stamp entries[64];
    for (size_t n = 0; n < 64; n++) {
        entries[n] = (crdt_stamp){.time = 1 + (draw(r) >> 20)};
        entries[n].actor.bytes[0] = (uint8_t)(n + 1); /* sorted */
        entries[n].actor.bytes[1] = (uint8_t)i;
    }
    sync_message message = hello_of(r);
    claim_version(&message, entries, 64);
    encode(&message, out);
}

/* Addresses to be dialed, all of them somebody else's. */
static void make_urls(rogue *r, uint64_t i, crdt_buf *out)
{
    static char texts[SYNC_KNOWN_COUNT_MAX][64];
    static sync_known known[SYNC_KNOWN_COUNT_MAX];
    for (size_t n = 0; n < SYNC_KNOWN_COUNT_MAX; n++) {
        snprintf(texts[n], sizeof texts[n], "tcp://127.%u.%u.%u:%u",
                 (unsigned)(draw(r) % 256), (unsigned)(draw(r) % 256),
                 (unsigned)(1 + i % 250), (unsigned)(2 + draw(r) % 60000));
        known[n] = (sync_known){.actor = draw_actor(r), .url = crdt_span_of(texts[n])};
    }
    r->me = draw_actor(r);
    sync_message message = hello_of(r);
    crdt_span urls[SYNC_URL_COUNT_MAX];
    for (size_t n = 0; n < SYNC_URL_COUNT_MAX; n++) {
        urls[n] = known[n].url;
    }
    message.body.beacon.urls = urls;
    message.body.beacon.url_count = SYNC_URL_COUNT_MAX;
    message.body.beacon.known = known;
    message.body.beacon.known_count = SYNC_KNOWN_COUNT_MAX;
    encode(&message, out);
}

/* The most expensive question. */
static void make_ask(rogue *r, uint64_t i, crdt_buf *out)
{
    (void)i;
    sync_message message = message_of(r, SYNC_MESSAGE_SYNC);
    message.body.ask =
        (sync_ask){.full = true, .lineage_known = r->met, .lineage = r->lineage};
    encode(&message, out);
}

static void make_fetch(rogue *r, uint64_t i, crdt_buf *out)
{
    sync_message message = message_of(r, SYNC_MESSAGE_FETCH);
    message.body.chunk = (sync_chunk){.id = draw(r) >> 1, .index = draw(r) >> (i % 60)};
    encode(&message, out);
}

/* Parcels that would be larger than any memory. */
static void make_parcel(rogue *r, uint64_t i, crdt_buf *out)
{
    static uint8_t bytes[4096];
    sync_message message = message_of(r, SYNC_MESSAGE_PUSH);
    message.body.parcel = (sync_parcel){.id = draw(r) >> 1,
                                        .size = (UINT64_C(1) << (12 + i % 50)),
                                        .chunk_size = sizeof bytes,
                                        .lineage_known = r->met,
                                        .lineage = r->lineage,
                                        .bytes = {bytes, sizeof bytes}};
    encode(&message, out);
}

/* People who are not there, with much to say. */
static void make_presence(rogue *r, uint64_t i, crdt_buf *out)
{
    static uint8_t bytes[16384];
    memset(bytes, 'a' + (int)(i % 26), sizeof bytes);
    r->me = draw_actor(r);
    sync_message message = hello_of(r);
    message.body.beacon.presence =
        (sync_presence){.number = 1 + i, .bytes = {bytes, sizeof bytes}};
    encode(&message, out);
}

static const struct {
    const char *name;
    attack_fn make;
} attacks[] = {{"hello", make_hello},       {"noise", make_noise},
               {"cut", make_cut},           {"flipped", make_flipped},
               {"replayed", make_replayed}, {"push", make_push},
               {"future", make_future},     {"equivocal", make_equivocal},
               {"forged", make_forged},     {"claim", make_claim},
               {"urls", make_urls},         {"ask", make_ask},
               {"fetch", make_fetch},       {"parcel", make_parcel},
               {"presence", make_presence}};
#define ATTACK_COUNT (sizeof attacks / sizeof attacks[0])

/* One of those that are well-formed. */
static void make_any(rogue *r, uint64_t i, crdt_buf *out)
{
    size_t which = 5 + draw(r) % (ATTACK_COUNT - 5);
    attacks[which].make(r, i, out);
}

/* ---- asking ---- */

static void hear_reply(rogue *r, crdt_span bytes)
{
    sync_message message;
    crdt_arena_reset(&r->arena);
    if (bytes.size == 0 ||
        sync_message_decode(bytes, &r->arena, &message, NULL) != CRDT_OK) {
        r->failed++;
        return;
    }
    r->answered++;
    r->refused += message.kind == SYNC_MESSAGE_REFUSED;
    r->busy += message.kind == SYNC_MESSAGE_BUSY;
    if (message.kind == SYNC_MESSAGE_WELCOME && !r->met) {
        r->met = message.body.beacon.lineage_known;
        r->lineage = message.body.beacon.lineage;
        r->victim = message.actor;
    }
}

/* Wait until at most `flight` are under way. */
static void settle(rogue *r, uint64_t flight, uint64_t until)
{
    sync_link_event event;
    while (r->sent - r->answered - r->failed > flight && now_ms() < until) {
        struct pollfd ready = {.fd = sync_link_fd(r->link), .events = POLLIN};
        poll(&ready, 1, 50);
        while (sync_link_receive(r->link, &event)) {
            if (event.kind == SYNC_LINK_REPLY) {
                hear_reply(r, event.bytes);
            } else if (event.kind == SYNC_LINK_FAILED) {
                r->failed++;
            }
        }
    }
}

static void send_one(rogue *r, attack_fn make, uint64_t i)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    make(r, i, &out);
    crdt_err err = sync_link_request(r->link, PEER, crdt_buf_span(&out), i, ANSWER_MS);
    r->sent += err == CRDT_OK;
    crdt_buf_deinit(&out);
}

static void ask(rogue *r, const char *url, const char *attack, uint64_t count)
{
    uint64_t until = now_ms() + WHOLE_MS;
    size_t which = 0;
    while (which < ATTACK_COUNT && strcmp(attacks[which].name, attack) != 0) {
        which++;
    }
    if (which == ATTACK_COUNT) {
        give_up("no such attack");
    }
    must(sync_link_dial(r->link, PEER, url, NULL), "dial");
    for (int i = 0; i < 3 && !r->met; i++) {
        crdt_actor me = r->me;
        send_one(r, make_hello, (uint64_t)i);
        r->me = me;
        settle(r, 0, until);
    }
    for (uint64_t i = 0; i < count && now_ms() < until; i++) {
        send_one(r, attacks[which].make, i);
        settle(r, FLIGHT, until);
    }
    settle(r, 0, until);
}

/* ---- being dialed ---- */

/* Batches of nobody: at times that hang in the air, so that they have to be held back. */
static void make_publication(rogue *r, uint64_t i, crdt_buf *out)
{
    if (i % 3 == 0) {
        make_any(r, i, out); /* what is never published */
        return;
    }
    const crdt_stamp dep = {.time = 1 + draw(r) % 1000000, .actor = draw_actor(r)};
    const crdt_op op = {.kind = CRDT_OP_ADD,
                        .key = crdt_key_object(crdt_span_of("of-nobody"))};
    const crdt_batch batch = {.actor = draw_actor(r),
                              .deps = &dep,
                              .dep_count = 1,
                              .ops = &op,
                              .op_count = 1};
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    must(crdt_batch_encode(&batch, NULL, &bytes), "a batch");
    crdt_span one = crdt_buf_span(&bytes);
    sync_message message = message_of(r, SYNC_MESSAGE_BATCHES);
    message.body.batches = (sync_batches){.batches = &one, .batch_count = 1};
    encode(&message, out);
    if (i % 3 == 1 && out->size > SYNC_TOPIC_SIZE) {
        out->data[SYNC_TOPIC_SIZE + draw(r) % (out->size - SYNC_TOPIC_SIZE)] ^=
            (uint8_t)(1u << draw(r) % 8);
    }
    crdt_buf_deinit(&bytes);
}

/* Now and then what it should be, so that it goes on asking. */
static void answer(rogue *r, uint64_t token, uint64_t i)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    if (i % 2 == 0) {
        sync_message message = hello_of(r);
        message.kind = SYNC_MESSAGE_WELCOME;
        encode(&message, &out);
    } else if (i % 3 != 0) {
        make_flipped(r, i, &out);
    } /* else nothing: its time runs out */
    sync_link_reply(r->link, token, crdt_buf_span(&out));
    r->answered++;
    crdt_buf_deinit(&out);
}

static void lie(rogue *r, const char *url, uint64_t seconds)
{
    char bound[SYNC_LINK_URL_SIZE];
    crdt_diag diag = {0};
    must(sync_link_listen(r->link, url, bound, &diag), "listen");
    printf("{\"url\":\"%s\"}\n", bound);
    fflush(stdout);
    uint64_t until = now_ms() + seconds * 1000;
    while (now_ms() < until) {
        sync_link_event event;
        struct pollfd ready = {.fd = sync_link_fd(r->link), .events = POLLIN};
        poll(&ready, 1, 1);
        while (sync_link_receive(r->link, &event)) {
            if (event.kind == SYNC_LINK_REQUEST) {
                answer(r, event.token, r->answered);
            }
        }
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        make_publication(r, r->sent, &out);
        r->sent += sync_link_publish(r->link, crdt_buf_span(&out)) == CRDT_OK;
        crdt_buf_deinit(&out);
    }
}

/* ---- all of it ---- */

static void open_link(rogue *r, const char *key_file)
{
    sync_link_nng_options options = sync_link_nng_options_default();
    crdt_diag diag = {0};
    must(sync_link_nng_open(&r->link, &options, &diag), "no link");
    if (key_file != NULL) {
        uint8_t key[SYNC_CRYPTO_KEY_SIZE];
        must(cli_key_file_read(key_file, key, &diag), "the key");
        sync_link_sealed_options sealed = sync_link_sealed_options_default();
        sealed.key = key;
        must(sync_link_sealed_open(&r->link, r->link, &sealed), "no link");
    }
}

int main(int argc, char **argv)
{
    bool asks = argc >= 7 && strcmp(argv[1], "ask") == 0;
    bool lies = argc >= 6 && strcmp(argv[1], "lie") == 0;
    if (!asks && !lies) {
        give_up(
            "ask URL SCENE ATTACK COUNT SEED [KEYFILE], or lie LISTEN SCENE SECONDS "
            "SEED [KEYFILE]");
    }
    const int seed_at = asks ? 6 : 5;
    rogue r = {.scene = argv[3], .random = strtoull(argv[seed_at], NULL, 10) * 2 + 1};
    crdt_arena_init(&r.arena, crdt_alloc_default());
    crdt_buf_init(&r.first, crdt_alloc_default());
    r.me = draw_actor(&r);
    r.lineage = draw_actor(&r);
    open_link(&r, argc > seed_at + 1 ? argv[seed_at + 1] : NULL);
    if (asks) {
        ask(&r, argv[2], argv[4], strtoull(argv[5], NULL, 10));
    } else {
        lie(&r, argv[2], strtoull(argv[4], NULL, 10));
    }
    printf("{\"sent\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"refused\":%" PRIu64
           ",\"busy\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"met\":%s}\n",
           r.sent, r.answered, r.refused, r.busy, r.failed, r.met ? "true" : "false");
    fflush(stdout);
    _Exit(0); /* nng may wait for peers for ever */
}
