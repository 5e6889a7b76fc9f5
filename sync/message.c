#include "sync/message.h"

#include "crdt/msgpack.h"

#include <assert.h>
#include <string.h>

static const uint8_t MAGIC[4] = {'S', 'S', 'N', SYNC_MESSAGE_VERSION};

#define BATCHES_COUNT_MAX 65536u
#define ACTOR_TOKEN_SIZE 18u /* bin head of two bytes, sixteen bytes */
#define RETRY_MS_MAX 3600000u
#define TEXT_SIZE_MAX 512u

enum { FLAG_LINEAGE = 1, FLAG_LEAVING = 2, FLAG_WHOLE = 4, FLAG_ALL = 7 };

void sync_message_topic(crdt_span scene, uint8_t topic[SYNC_TOPIC_SIZE])
{
    uint64_t hash = scene.size == 0 ? 0 : crdt_hash64(scene, 0);
    memcpy(topic, MAGIC, sizeof MAGIC);
    for (unsigned i = 0; i < 8; i++) {
        topic[4 + i] = (uint8_t)(hash >> (56 - 8 * i));
    }
}

/* ---- writing: errors stick, the caller asks once ---- */

typedef struct writer {
    crdt_buf *out;
    crdt_err err;
} writer;

static void put_uint(writer *w, uint64_t value)
{
    if (w->err == CRDT_OK) {
        w->err = crdt_msgpack_append_uint(w->out, value);
    }
}

static void put_bin(writer *w, crdt_span bytes)
{
    if (w->err == CRDT_OK) {
        w->err = crdt_msgpack_append_bin(w->out, bytes);
    }
}

static void put_str(writer *w, crdt_span utf8)
{
    if (w->err == CRDT_OK) {
        w->err = crdt_msgpack_append_str(w->out, utf8);
    }
}

static void put_actor(writer *w, const crdt_actor *actor)
{
    put_bin(w, (crdt_span){actor->bytes, sizeof actor->bytes});
}

/* Straight on, of which compilers make one store and one load. */
static void store_be(uint8_t *at, uint64_t value)
{
    at[0] = (uint8_t)(value >> 56);
    at[1] = (uint8_t)(value >> 48);
    at[2] = (uint8_t)(value >> 40);
    at[3] = (uint8_t)(value >> 32);
    at[4] = (uint8_t)(value >> 24);
    at[5] = (uint8_t)(value >> 16);
    at[6] = (uint8_t)(value >> 8);
    at[7] = (uint8_t)value;
}

static uint64_t load_be(const uint8_t *at)
{
    return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 |
           (uint64_t)at[3] << 32 | (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 |
           (uint64_t)at[6] << 8 | (uint64_t)at[7];
}

static void put_digest(writer *w, crdt_digest digest)
{
    uint8_t bytes[16];
    store_be(bytes, digest.high);
    store_be(bytes + 8, digest.low);
    put_bin(w, (crdt_span){bytes, sizeof bytes});
}

static void put_stamps(writer *w, const crdt_stamp *stamps, size_t count)
{
    put_uint(w, count);
    for (size_t i = 0; i < count; i++) {
        put_actor(w, &stamps[i].actor);
        put_uint(w, stamps[i].time);
    }
}

static void put_starts(writer *w, const sync_start *starts, size_t count)
{
    put_uint(w, count);
    for (size_t i = 0; i < count; i++) {
        put_uint(w, starts[i].nonce);
        put_uint(w, starts[i].time);
    }
}

static void put_presence(writer *w, const sync_presence *presence)
{
    put_uint(w, presence->number);
    put_bin(w, presence->bytes);
}

static void put_beacon(writer *w, const sync_beacon *beacon)
{
    put_str(w, beacon->scene);
    put_uint(w, (beacon->lineage_known ? FLAG_LINEAGE : 0u) |
                    (beacon->leaving ? FLAG_LEAVING : 0u) |
                    (beacon->whole ? FLAG_WHOLE : 0u));
    if (beacon->lineage_known) {
        put_actor(w, &beacon->lineage);
    }
    put_digest(w, beacon->version_hash);
    put_digest(w, beacon->digest);
    put_stamps(w, beacon->entries, beacon->entry_count);
    put_uint(w, beacon->heard_count);
    for (size_t i = 0; i < beacon->heard_count; i++) {
        put_actor(w, &beacon->heard[i]);
    }
    put_starts(w, beacon->starts, beacon->start_count);
    put_starts(w, beacon->yours, beacon->your_count);
    if (beacon->your_count > 0) {
        put_actor(w, &beacon->your_actor);
        put_uint(w, beacon->your_time);
    }
    put_uint(w, beacon->url_count);
    for (size_t i = 0; i < beacon->url_count; i++) {
        put_str(w, beacon->urls[i]);
    }
    put_uint(w, beacon->known_count);
    for (size_t i = 0; i < beacon->known_count; i++) {
        put_actor(w, &beacon->known[i].actor);
        put_str(w, beacon->known[i].url);
    }
    put_uint(w, beacon->message_size_max);
    put_presence(w, &beacon->presence);
}

static void put_lineage(writer *w, bool known, const crdt_actor *lineage)
{
    put_uint(w, known ? FLAG_LINEAGE : 0u);
    if (known) {
        put_actor(w, lineage);
    }
}

static void put_parcel(writer *w, const sync_parcel *parcel)
{
    put_lineage(w, parcel->lineage_known, &parcel->lineage);
    put_uint(w, parcel->id);
    put_uint(w, parcel->size);
    put_uint(w, parcel->chunk_size);
    put_digest(w, parcel->hash);
    put_uint(w, parcel->index);
    put_bin(w, parcel->bytes);
}

static void put_body(writer *w, const sync_message *message)
{
    switch (message->kind) {
    case SYNC_MESSAGE_BEACON:
    case SYNC_MESSAGE_HELLO:
    case SYNC_MESSAGE_WELCOME:
        put_beacon(w, &message->body.beacon);
        break;
    case SYNC_MESSAGE_BATCHES:
        put_uint(w, message->body.batches.batch_count);
        for (size_t i = 0; i < message->body.batches.batch_count; i++) {
            put_bin(w, message->body.batches.batches[i]);
        }
        break;
    case SYNC_MESSAGE_PRESENCE:
        put_presence(w, &message->body.presence);
        break;
    case SYNC_MESSAGE_SYNC:
        put_lineage(w, message->body.ask.lineage_known, &message->body.ask.lineage);
        put_uint(w, message->body.ask.full ? 1 : 0);
        put_stamps(w, message->body.ask.since, message->body.ask.since_count);
        break;
    case SYNC_MESSAGE_FETCH:
        put_uint(w, message->body.chunk.id);
        put_uint(w, message->body.chunk.index);
        break;
    case SYNC_MESSAGE_CHUNK:
        put_uint(w, message->body.chunk.id);
        put_uint(w, message->body.chunk.index);
        put_bin(w, message->body.chunk.bytes);
        break;
    case SYNC_MESSAGE_GONE:
        put_uint(w, message->body.chunk.id);
        break;
    case SYNC_MESSAGE_ANSWER:
    case SYNC_MESSAGE_PUSH:
        put_parcel(w, &message->body.parcel);
        break;
    case SYNC_MESSAGE_TAKEN:
        put_uint(w, message->body.taken.id);
        put_uint(w, message->body.taken.complete ? 1 : 0);
        break;
    case SYNC_MESSAGE_BUSY:
        put_uint(w, message->body.retry_ms);
        break;
    case SYNC_MESSAGE_REFUSED:
        put_uint(w, (uint64_t)message->body.refused.err);
        put_str(w, message->body.refused.text);
        break;
    }
}

crdt_err sync_message_encode(const sync_message *message, crdt_buf *out)
{
    size_t before = out->size;
    writer w = {.out = out};
    w.err = crdt_buf_append(out, message->topic, SYNC_TOPIC_SIZE);
    put_uint(&w, (uint64_t)message->kind);
    put_actor(&w, &message->actor);
    put_uint(&w, message->nonce);
    put_body(&w, message);
    if (w.err != CRDT_OK) {
        out->size = before;
    }
    return w.err;
}

/* ---- reading: foreign bytes ---- */

typedef struct decoder {
    crdt_msgpack_reader r;
    crdt_arena *arena;
} decoder;

static void *take_array(decoder *d, size_t count, size_t size)
{
    if (d->r.err != CRDT_OK || count == 0) {
        return NULL;
    }
    void *array = crdt_arena_alloc(d->arena, count * size);
    if (array == NULL) {
        crdt_msgpack_fail(&d->r, CRDT_ENOMEM, "no memory for the message");
    }
    return array;
}

static void read_actor(decoder *d, crdt_actor *actor)
{
    crdt_msgpack_read_fixed(&d->r, actor->bytes, sizeof actor->bytes);
}

static crdt_digest read_digest(decoder *d)
{
    uint8_t bytes[16] = {0};
    crdt_msgpack_read_fixed(&d->r, bytes, sizeof bytes);
    return (crdt_digest){.high = load_be(bytes), .low = load_be(bytes + 8)};
}

static const crdt_stamp *read_stamps(decoder *d, size_t *count_out)
{
    size_t count = crdt_msgpack_read_count(&d->r, UINT32_MAX, ACTOR_TOKEN_SIZE + 1);
    crdt_stamp *stamps = take_array(d, count, sizeof *stamps);
    for (size_t i = 0; i < count && d->r.err == CRDT_OK; i++) {
        read_actor(d, &stamps[i].actor);
        stamps[i].time = crdt_msgpack_read_uint(&d->r, CRDT_TIME_MAX);
        if (d->r.err != CRDT_OK) {
            break;
        }
        if (stamps[i].time == 0) {
            crdt_msgpack_fail(&d->r, CRDT_ECORRUPT, "a time of 0 in a version");
        } else if (i > 0 &&
                   crdt_actor_compare(&stamps[i - 1].actor, &stamps[i].actor) >= 0) {
            crdt_msgpack_fail(&d->r, CRDT_ECORRUPT, "a version is not sorted");
        }
    }
    *count_out = d->r.err == CRDT_OK ? count : 0;
    return stamps;
}

static bool has_control(crdt_span text)
{
    bool found = false;
    for (size_t i = 0; i < text.size; i++) {
        found |= text.data[i] <= ' ' || text.data[i] == 0x7f;
    }
    return found;
}

/* A URL is never empty, and has no control characters or spaces. */
static crdt_span read_url(decoder *d)
{
    crdt_span url = crdt_msgpack_read_str(&d->r, SYNC_URL_SIZE_MAX);
    if (d->r.err == CRDT_OK && url.size == 0) {
        crdt_msgpack_fail(&d->r, CRDT_ECORRUPT, "a URL is empty");
    }
    if (d->r.err == CRDT_OK && has_control(url)) {
        crdt_msgpack_fail(&d->r, CRDT_ECORRUPT, "a URL has a control character");
    }
    return url;
}

static void read_heard(decoder *d, sync_beacon *beacon)
{
    size_t count =
        crdt_msgpack_read_count(&d->r, SYNC_HEARD_COUNT_MAX, ACTOR_TOKEN_SIZE);
    crdt_actor *heard = take_array(d, count, sizeof *heard);
    for (size_t i = 0; i < count && d->r.err == CRDT_OK; i++) {
        read_actor(d, &heard[i]);
    }
    beacon->heard = heard;
    beacon->heard_count = count;
}

static const sync_start *read_starts(decoder *d, size_t *count_out)
{
    size_t count = crdt_msgpack_read_count(&d->r, SYNC_START_COUNT_MAX, 2);
    sync_start *starts = take_array(d, count, sizeof *starts);
    for (size_t i = 0; i < count && d->r.err == CRDT_OK; i++) {
        starts[i].nonce = crdt_msgpack_read_uint(&d->r, UINT64_MAX);
        starts[i].time = crdt_msgpack_read_uint(&d->r, CRDT_TIME_MAX);
    }
    *count_out = d->r.err == CRDT_OK ? count : 0;
    return starts;
}

static void read_urls(decoder *d, sync_beacon *beacon)
{
    size_t count = crdt_msgpack_read_count(&d->r, SYNC_URL_COUNT_MAX, 2);
    crdt_span *urls = take_array(d, count, sizeof *urls);
    for (size_t i = 0; i < count && d->r.err == CRDT_OK; i++) {
        urls[i] = read_url(d);
    }
    beacon->urls = urls;
    beacon->url_count = count;

    count = crdt_msgpack_read_count(&d->r, SYNC_KNOWN_COUNT_MAX, ACTOR_TOKEN_SIZE + 2);
    sync_known *known = take_array(d, count, sizeof *known);
    for (size_t i = 0; i < count && d->r.err == CRDT_OK; i++) {
        read_actor(d, &known[i].actor);
        known[i].url = read_url(d);
    }
    beacon->known = known;
    beacon->known_count = count;
}

static void read_presence(decoder *d, sync_presence *presence)
{
    presence->number = crdt_msgpack_read_uint(&d->r, UINT64_MAX);
    presence->bytes = crdt_msgpack_read_bin(&d->r, UINT32_MAX);
}

static void read_beacon(decoder *d, sync_beacon *beacon)
{
    beacon->scene = crdt_msgpack_read_str(&d->r, SYNC_SCENE_SIZE_MAX);
    uint64_t flags = crdt_msgpack_read_uint(&d->r, FLAG_ALL);
    beacon->lineage_known = (flags & FLAG_LINEAGE) != 0;
    beacon->leaving = (flags & FLAG_LEAVING) != 0;
    beacon->whole = (flags & FLAG_WHOLE) != 0;
    if (beacon->lineage_known) {
        read_actor(d, &beacon->lineage);
    }
    beacon->version_hash = read_digest(d);
    beacon->digest = read_digest(d);
    beacon->entries = read_stamps(d, &beacon->entry_count);
    read_heard(d, beacon);
    beacon->starts = read_starts(d, &beacon->start_count);
    beacon->yours = read_starts(d, &beacon->your_count);
    if (beacon->your_count > 0) {
        read_actor(d, &beacon->your_actor);
        beacon->your_time = crdt_msgpack_read_uint(&d->r, CRDT_TIME_MAX);
    }
    read_urls(d, beacon);
    beacon->message_size_max = crdt_msgpack_read_uint(&d->r, UINT64_MAX);
    read_presence(d, &beacon->presence);
    if (d->r.err == CRDT_OK && beacon->whole) {
        crdt_version version = {.stamp_count = beacon->entry_count};
        memcpy(&version.stamps, &beacon->entries, sizeof version.stamps);
        if (!crdt_digest_equal(crdt_digest_version(&version), beacon->version_hash)) {
            crdt_msgpack_fail(&d->r, CRDT_ECORRUPT, "the hash is not the version's");
        }
    }
}

static void read_batches(decoder *d, sync_batches *batches)
{
    size_t count = crdt_msgpack_read_count(&d->r, BATCHES_COUNT_MAX, 2);
    crdt_span *spans = take_array(d, count, sizeof *spans);
    for (size_t i = 0; i < count && d->r.err == CRDT_OK; i++) {
        spans[i] = crdt_msgpack_read_bin(&d->r, UINT32_MAX);
    }
    batches->batches = spans;
    batches->batch_count = count;
}

static bool read_lineage(decoder *d, crdt_actor *lineage)
{
    if (crdt_msgpack_read_uint(&d->r, FLAG_LINEAGE) == 0) {
        return false;
    }
    read_actor(d, lineage);
    return true;
}

static void read_parcel(decoder *d, sync_parcel *parcel)
{
    parcel->lineage_known = read_lineage(d, &parcel->lineage);
    parcel->id = crdt_msgpack_read_uint(&d->r, UINT64_MAX);
    parcel->size = crdt_msgpack_read_uint(&d->r, UINT64_MAX);
    parcel->chunk_size = crdt_msgpack_read_uint(&d->r, UINT32_MAX);
    parcel->hash = read_digest(d);
    parcel->index = crdt_msgpack_read_uint(&d->r, UINT32_MAX);
    parcel->bytes = crdt_msgpack_read_bin(&d->r, UINT32_MAX);
    if (d->r.err != CRDT_OK) {
        return;
    }
    /* The chunk lies in the whole, and is as long as its place says. */
    uint64_t chunk = parcel->chunk_size;
    if (parcel->size == 0 || chunk == 0 || parcel->index > (parcel->size - 1) / chunk) {
        crdt_msgpack_fail(&d->r, CRDT_ECORRUPT, "a chunk beyond the end");
        return;
    }
    uint64_t left = parcel->size - parcel->index * chunk;
    if (parcel->bytes.size != (left < chunk ? left : chunk)) {
        crdt_msgpack_fail(&d->r, CRDT_ECORRUPT, "a chunk of the wrong size");
    }
}

static void read_body(decoder *d, sync_message *message)
{
    switch (message->kind) {
    case SYNC_MESSAGE_BEACON:
    case SYNC_MESSAGE_HELLO:
    case SYNC_MESSAGE_WELCOME:
        read_beacon(d, &message->body.beacon);
        break;
    case SYNC_MESSAGE_BATCHES:
        read_batches(d, &message->body.batches);
        break;
    case SYNC_MESSAGE_PRESENCE:
        read_presence(d, &message->body.presence);
        break;
    case SYNC_MESSAGE_SYNC: {
        sync_ask *ask = &message->body.ask;
        ask->lineage_known = read_lineage(d, &ask->lineage);
        ask->full = crdt_msgpack_read_uint(&d->r, 1) != 0;
        ask->since = read_stamps(d, &ask->since_count);
        break;
    }
    case SYNC_MESSAGE_FETCH:
    case SYNC_MESSAGE_CHUNK:
        message->body.chunk.id = crdt_msgpack_read_uint(&d->r, UINT64_MAX);
        message->body.chunk.index = crdt_msgpack_read_uint(&d->r, UINT32_MAX);
        if (message->kind == SYNC_MESSAGE_CHUNK) {
            message->body.chunk.bytes = crdt_msgpack_read_bin(&d->r, UINT32_MAX);
        }
        break;
    case SYNC_MESSAGE_GONE:
        message->body.chunk.id = crdt_msgpack_read_uint(&d->r, UINT64_MAX);
        break;
    case SYNC_MESSAGE_ANSWER:
    case SYNC_MESSAGE_PUSH:
        read_parcel(d, &message->body.parcel);
        break;
    case SYNC_MESSAGE_TAKEN:
        message->body.taken.id = crdt_msgpack_read_uint(&d->r, UINT64_MAX);
        message->body.taken.complete = crdt_msgpack_read_uint(&d->r, 1) != 0;
        break;
    case SYNC_MESSAGE_BUSY:
        message->body.retry_ms = crdt_msgpack_read_uint(&d->r, RETRY_MS_MAX);
        break;
    case SYNC_MESSAGE_REFUSED:
        message->body.refused.err =
            (crdt_err)crdt_msgpack_read_uint(&d->r, CRDT_ENOTHING);
        message->body.refused.text = crdt_msgpack_read_str(&d->r, TEXT_SIZE_MAX);
        break;
    default:
        crdt_msgpack_fail(&d->r, CRDT_EVERSION, "unknown kind of message");
        break;
    }
}

crdt_err sync_message_decode(crdt_span bytes, crdt_arena *arena, sync_message *message,
                             crdt_diag *diag)
{
    memset(message, 0, sizeof *message);
    if (bytes.size < SYNC_TOPIC_SIZE || memcmp(bytes.data, MAGIC, 3) != 0) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0, "not a message of this protocol");
    }
    if (bytes.data[3] != SYNC_MESSAGE_VERSION) {
        return crdt_diag_set(diag, CRDT_EVERSION, 3, "message version %u, this is %u",
                             bytes.data[3], SYNC_MESSAGE_VERSION);
    }
    memcpy(message->topic, bytes.data, SYNC_TOPIC_SIZE);
    /* The reader spans the topic too, so that positions are those in the message. */
    decoder d = {.r = crdt_msgpack_read_open(bytes, diag), .arena = arena};
    d.r.at += SYNC_TOPIC_SIZE;
    message->kind = (sync_message_kind)crdt_msgpack_read_uint(&d.r, UINT8_MAX);
    read_actor(&d, &message->actor);
    message->nonce = crdt_msgpack_read_uint(&d.r, UINT64_MAX);
    if (d.r.err == CRDT_OK) {
        read_body(&d, message);
    }
    return crdt_msgpack_read_end(&d.r);
}
