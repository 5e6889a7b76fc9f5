/* Messages <-> bytes: what goes in comes out; foreign bytes get an error, never a crash. */

#include "sync/message.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <string.h>

static const crdt_stamp STAMPS[2] = {{5, {{1}}}, {70000, {{2}}}};
static const crdt_actor ACTORS[2] = {{{3}}, {{4}}};

/* One message of every kind. */
static sync_message make(sync_message_kind kind)
{
    static crdt_span urls[1];
    static sync_known known[1];
    static crdt_span batches[2];
    static const sync_start starts[2] = {{77, 1}, {88, 2}};
    urls[0] = crdt_span_of("tcp://127.0.0.1:4000");
    known[0] = (sync_known){ACTORS[0], crdt_span_of("inproc://x")};
    batches[0] = crdt_span_of("one");
    batches[1] = crdt_span_of("");
    crdt_version version = {.stamp_count = 2};
    const crdt_stamp *stamps = STAMPS;
    memcpy(&version.stamps, &stamps, sizeof version.stamps);
    sync_message m = {.kind = kind, .actor = {{9, 8}}, .nonce = UINT64_MAX};
    sync_message_topic(crdt_span_of("plaza"), m.topic);
    switch (kind) {
    case SYNC_MESSAGE_BEACON:
    case SYNC_MESSAGE_HELLO:
    case SYNC_MESSAGE_WELCOME:
        m.body.beacon = (sync_beacon){.scene = crdt_span_of("plaza"),
                                      .lineage_known = true,
                                      .lineage = {{6}},
                                      .leaving = true,
                                      .whole = true,
                                      .version_hash = crdt_digest_version(&version),
                                      .digest = {1, 2},
                                      .entries = STAMPS,
                                      .entry_count = 2,
                                      .heard = ACTORS,
                                      .heard_count = 2,
                                      .starts = starts,
                                      .start_count = 2,
                                      .yours = starts,
                                      .your_count = 1,
                                      .your_actor = {{5}},
                                      .your_time = 3,
                                      .urls = urls,
                                      .url_count = 1,
                                      .known = known,
                                      .known_count = 1,
                                      .message_size_max = 1u << 20,
                                      .presence = {7, crdt_span_of("here")}};
        break;
    case SYNC_MESSAGE_PRESENCE:
        m.body.presence = (sync_presence){8, crdt_span_of("there")};
        break;
    case SYNC_MESSAGE_BATCHES:
        m.body.batches = (sync_batches){batches, 2};
        break;
    case SYNC_MESSAGE_SYNC:
        m.body.ask = (sync_ask){.full = true,
                                .lineage_known = true,
                                .lineage = {{6}},
                                .since = STAMPS,
                                .since_count = 2};
        break;
    case SYNC_MESSAGE_FETCH:
    case SYNC_MESSAGE_CHUNK:
    case SYNC_MESSAGE_GONE:
        m.body.chunk = (sync_chunk){.id = 12, .index = 3, .bytes = crdt_span_of("abc")};
        break;
    case SYNC_MESSAGE_ANSWER:
    case SYNC_MESSAGE_PUSH:
        m.body.parcel = (sync_parcel){.id = 12,
                                      .size = 7,
                                      .chunk_size = 4,
                                      .hash = {3, 4},
                                      .index = 1,
                                      .bytes = crdt_span_of("xyz")};
        break;
    case SYNC_MESSAGE_TAKEN:
        m.body.taken = (sync_taken){12, true};
        break;
    case SYNC_MESSAGE_BUSY:
        m.body.retry_ms = 250;
        break;
    case SYNC_MESSAGE_REFUSED:
        m.body.refused.err = CRDT_ELINEAGE;
        m.body.refused.text = crdt_span_of("another lineage");
        break;
    }
    return m;
}

static const sync_message_kind KINDS[] = {
    SYNC_MESSAGE_BEACON,  SYNC_MESSAGE_BATCHES, SYNC_MESSAGE_HELLO,
    SYNC_MESSAGE_SYNC,    SYNC_MESSAGE_FETCH,   SYNC_MESSAGE_PUSH,
    SYNC_MESSAGE_WELCOME, SYNC_MESSAGE_ANSWER,  SYNC_MESSAGE_CHUNK,
    SYNC_MESSAGE_GONE,    SYNC_MESSAGE_TAKEN,   SYNC_MESSAGE_BUSY,
    SYNC_MESSAGE_REFUSED, SYNC_MESSAGE_PRESENCE};
#define KIND_COUNT (sizeof KINDS / sizeof KINDS[0])

static crdt_buf encode(const sync_message *message)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(sync_message_encode(message, &out), CRDT_OK);
    return out;
}

/* Encoding what was decoded gives the same bytes: nothing is lost or added. */
Test(message, decode_and_encode_again)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    for (size_t i = 0; i < KIND_COUNT; i++) {
        sync_message message = make(KINDS[i]);
        crdt_buf bytes = encode(&message);
        sync_message decoded;
        crdt_diag diag = {0};
        cr_assert_eq(
            sync_message_decode(crdt_buf_span(&bytes), &arena, &decoded, &diag),
            CRDT_OK, "kind %d: %s at %llu", (int)KINDS[i], diag.text,
            (unsigned long long)diag.offset);
        cr_assert_eq(decoded.kind, KINDS[i]);
        cr_assert_eq(decoded.nonce, UINT64_MAX);
        crdt_buf again = encode(&decoded);
        cr_assert(crdt_span_equal(crdt_buf_span(&bytes), crdt_buf_span(&again)));
        crdt_buf_deinit(&again);
        crdt_buf_deinit(&bytes);
    }
    crdt_arena_deinit(&arena);
}

/* Every truncation is refused, and so is every byte too much. */
Test(message, truncated_and_longer)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    for (size_t i = 0; i < KIND_COUNT; i++) {
        sync_message message = make(KINDS[i]);
        crdt_buf bytes = encode(&message);
        sync_message decoded;
        for (size_t size = 0; size < bytes.size; size++) {
            crdt_arena_reset(&arena);
            cr_assert_neq(sync_message_decode((crdt_span){bytes.data, size}, &arena,
                                              &decoded, NULL),
                          CRDT_OK);
        }
        cr_assert_eq(crdt_buf_append(&bytes, "\0", 1), CRDT_OK);
        cr_assert_eq(sync_message_decode(crdt_buf_span(&bytes), &arena, &decoded, NULL),
                     CRDT_ECORRUPT);
        crdt_buf_deinit(&bytes);
    }
    crdt_arena_deinit(&arena);
}

/* Any byte may be any other: an error or a message, never more memory than a fixed
 * multiple of the bytes, never a crash (run under the sanitizers). */
Test(message, damaged)
{
    fault_alloc fault;
    crdt_arena arena;
    crdt_arena_init(&arena, fault_alloc_init(&fault));
    uint64_t seed = gen_seed(20);
    gen g = gen_open(seed, &arena);
    for (size_t i = 0; i < KIND_COUNT; i++) {
        sync_message message = make(KINDS[i]);
        crdt_buf bytes = encode(&message);
        for (size_t round = 0; round < 4000; round++) {
            crdt_buf copy;
            crdt_buf_init(&copy, crdt_alloc_default());
            cr_assert_eq(crdt_buf_append_span(&copy, crdt_buf_span(&bytes)), CRDT_OK);
            for (size_t n = 1 + gen_below(&g, 3); n > 0; n--) {
                copy.data[gen_below(&g, copy.size)] = (uint8_t)gen_next(&g);
            }
            sync_message decoded;
            crdt_arena_reset(&arena);
            sync_message_decode(crdt_buf_span(&copy), &arena, &decoded, NULL);
            cr_assert(fault.live_size < 65536, "seed %llu", (unsigned long long)seed);
            crdt_buf_deinit(&copy);
        }
        crdt_buf_deinit(&bytes);
    }
    crdt_arena_deinit(&arena);
    cr_assert(fault_alloc_balanced(&fault));
}

typedef struct bad_row {
    const char *what;
    crdt_err err;
    void (*spoil)(sync_message *message);
    sync_message_kind kind;
} bad_row;

static crdt_stamp bad_stamps[2];

static void spoil_order(sync_message *m)
{
    bad_stamps[0] = STAMPS[1];
    bad_stamps[1] = STAMPS[0];
    m->body.ask.since = bad_stamps;
}
static void spoil_zero(sync_message *m)
{
    bad_stamps[0] = (crdt_stamp){0, {{1}}};
    m->body.ask.since = bad_stamps;
    m->body.ask.since_count = 1;
}
static void spoil_time(sync_message *m)
{
    bad_stamps[0] = (crdt_stamp){CRDT_TIME_MAX + 1, {{1}}};
    m->body.ask.since = bad_stamps;
    m->body.ask.since_count = 1;
}
static void spoil_hash(sync_message *m)
{
    m->body.beacon.version_hash.low++;
}
static void spoil_scene(sync_message *m)
{
    m->body.beacon.scene = crdt_span_of("\xff");
}
static void spoil_url(sync_message *m)
{
    static crdt_span url;
    url = crdt_span_of("tcp://a b");
    m->body.beacon.urls = &url;
}
static void spoil_empty_url(sync_message *m)
{
    static crdt_span url;
    url = crdt_span_of("");
    m->body.beacon.urls = &url;
}
static void spoil_index(sync_message *m)
{
    m->body.parcel.index = 2;
}
static void spoil_chunk(sync_message *m)
{
    m->body.parcel.bytes = crdt_span_of("xyzz");
}
static void spoil_chunk_size(sync_message *m)
{
    m->body.parcel.chunk_size = 0;
}
static void spoil_retry(sync_message *m)
{
    m->body.retry_ms = UINT64_MAX;
}
static void spoil_topic(sync_message *m)
{
    m->topic[0] = 'X';
}
static void spoil_version(sync_message *m)
{
    m->topic[3] = 9;
}

Test(message, each_rule)
{
    static const bad_row rows[] = {
        {"versions are sorted", CRDT_ECORRUPT, spoil_order, SYNC_MESSAGE_SYNC},
        {"no time is 0", CRDT_ECORRUPT, spoil_zero, SYNC_MESSAGE_SYNC},
        {"times are capped", CRDT_ELIMIT, spoil_time, SYNC_MESSAGE_SYNC},
        {"the hash is the version's", CRDT_ECORRUPT, spoil_hash, SYNC_MESSAGE_BEACON},
        {"scenes are UTF-8", CRDT_ECORRUPT, spoil_scene, SYNC_MESSAGE_BEACON},
        {"URLs have no spaces", CRDT_ECORRUPT, spoil_url, SYNC_MESSAGE_HELLO},
        {"URLs are not empty", CRDT_ECORRUPT, spoil_empty_url, SYNC_MESSAGE_WELCOME},
        {"chunks lie inside", CRDT_ECORRUPT, spoil_index, SYNC_MESSAGE_ANSWER},
        {"chunks fill their place", CRDT_ECORRUPT, spoil_chunk, SYNC_MESSAGE_PUSH},
        {"chunks have a size", CRDT_ECORRUPT, spoil_chunk_size, SYNC_MESSAGE_PUSH},
        {"nobody is busy for ever", CRDT_ELIMIT, spoil_retry, SYNC_MESSAGE_BUSY},
        {"the magic", CRDT_ECORRUPT, spoil_topic, SYNC_MESSAGE_GONE},
        {"the version", CRDT_EVERSION, spoil_version, SYNC_MESSAGE_GONE},
    };
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sync_message message = make(rows[i].kind);
        rows[i].spoil(&message);
        crdt_buf bytes = encode(&message);
        sync_message decoded;
        crdt_diag diag = {0};
        cr_assert_eq(
            sync_message_decode(crdt_buf_span(&bytes), &arena, &decoded, &diag),
            rows[i].err, "%s", rows[i].what);
        cr_assert(diag.text[0] != '\0');
        crdt_buf_deinit(&bytes);
    }
    crdt_arena_deinit(&arena);
}

/* A failed encoding leaves the buffer as it was. */
Test(message, without_memory)
{
    sync_message message = make(SYNC_MESSAGE_HELLO);
    for (uint64_t at = 0;; at++) {
        fault_alloc fault;
        crdt_buf out;
        crdt_buf_init(&out, fault_alloc_init(&fault));
        cr_assert_eq(crdt_buf_append(&out, "abc", 3), CRDT_OK);
        fault_alloc_fail_at(&fault, at);
        crdt_err err = sync_message_encode(&message, &out);
        if (err == CRDT_OK) {
            crdt_buf_deinit(&out);
            cr_assert(at > 0);
            break;
        }
        cr_assert_eq(err, CRDT_ENOMEM);
        cr_assert_eq(out.size, 3);
        crdt_buf_deinit(&out);
        cr_assert(fault_alloc_balanced(&fault));
    }
}

/* Scenes are told apart by topic; none has a topic of its own. */
Test(message, topics)
{
    uint8_t a[SYNC_TOPIC_SIZE];
    uint8_t b[SYNC_TOPIC_SIZE];
    sync_message_topic(crdt_span_of("plaza"), a);
    sync_message_topic(crdt_span_of("Plaza"), b);
    cr_assert(memcmp(a, b, sizeof a) != 0);
    static const uint8_t none[SYNC_TOPIC_SIZE] = {'S', 'S', 'N', SYNC_MESSAGE_VERSION};
    sync_message_topic((crdt_span){0}, b);
    cr_assert(memcmp(b, none, sizeof none) == 0);
}

/* The example of docs/PROTOCOL.md: these bytes never change in this version. */
Test(message, pinned_bytes)
{
    static const uint8_t expected[] = {
        0x53, 0x53, 0x4e, 0x03, 0x84, 0x3d, 0x63, 0x1d, 0xe7, 0x17, 0x83, 0x53, 0x11,
        0xc4, 0x10, 0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,
        11,   12,   13,   14,   15,   0x07, 0x01, 0xc4, 0x10, 32,   33,   34,   35,
        36,   37,   38,   39,   40,   41,   42,   43,   44,   45,   46,   47,   0x00,
        0x01, 0xc4, 0x10, 16,   17,   18,   19,   20,   21,   22,   23,   24,   25,
        26,   27,   28,   29,   30,   31,   0xcd, 0x01, 0x2c};
    sync_message message = {.kind = SYNC_MESSAGE_SYNC, .nonce = 7};
    crdt_stamp since = {.time = 300};
    message.body.ask =
        (sync_ask){.lineage_known = true, .since = &since, .since_count = 1};
    for (uint8_t i = 0; i < 16; i++) {
        message.actor.bytes[i] = i;
        message.body.ask.lineage.bytes[i] = (uint8_t)(32 + i);
        since.actor.bytes[i] = (uint8_t)(16 + i);
    }
    sync_message_topic(crdt_span_of("plaza"), message.topic);
    crdt_buf bytes = encode(&message);
    cr_assert(
        crdt_span_equal(crdt_buf_span(&bytes), (crdt_span){expected, sizeof expected}));
    crdt_buf_deinit(&bytes);
}
