#include "crdt/history.h"
#include "crdt/op_codec.h"
#include "crdt/value.h"

#include <assert.h>
#include <string.h>

#define HISTORY_FORMAT 4u
#define HISTORY_FORMAT_STEPLESS 3u /* as written before there were steps; still read */
#define DROP_BYTES_MAX_DEFAULT ((size_t)8 << 20)
#define ACTOR_SIZE 16u

/* Head of a drop: the depth in the lowest two bits, CRDT_KEY_HAS_*, and then: */
#define DROP_WAS_LIVE 16u
#define DROP_HAS_WHO 32u   /* not the person of the drop before */
#define DROP_HAS_ACTOR 64u /* not who wrote the drop before */
#define DROP_HEAD_MAX 127u

const char *crdt_origin_name(crdt_origin origin)
{
    switch (origin) {
    case CRDT_ORIGIN_EDIT:
        return "edit";
    case CRDT_ORIGIN_UNDO:
        return "undo";
    case CRDT_ORIGIN_REDO:
        return "redo";
    case CRDT_ORIGIN_IMPORT:
        return "import";
    case CRDT_ORIGIN_HOUSEKEEPING:
        return "housekeeping";
    case CRDT_ORIGIN_REMOTE:
        return "remote";
    case CRDT_ORIGIN_ANSWER:
        return "answer";
    }
    return "unknown";
}

static crdt_span actor_span(const crdt_actor *actor)
{
    return (crdt_span){.data = actor->bytes, .size = ACTOR_SIZE};
}

/* ---- drops, one by one ---- */

/* What a drop is coded against: the drops before it. */
typedef struct drop_coder {
    crdt_key_coder keys;
    crdt_span who;
    crdt_actor actor;
    uint64_t time;
    uint64_t op_index; /* 0: an answer; else 1 + index */
} drop_coder;

static void drop_coder_init(drop_coder *coder)
{
    crdt_key_coder_init(&coder->keys);
    coder->who = (crdt_span){0};
    coder->actor = (crdt_actor){{0}};
    coder->time = 0;
    coder->op_index = 0;
}

static uint64_t code_op_index(size_t op_index)
{
    return op_index == SIZE_MAX ? 0 : (uint64_t)op_index + 1;
}

static crdt_err put_drop(drop_coder *coder, const crdt_history_drop *drop,
                         crdt_buf *out)
{
    const crdt_entry *entry = &drop->entry;
    crdt_err err = crdt_buf_reserve(out, 5 * CRDT_MSGPACK_SIZE_MAX + ACTOR_SIZE +
                                             entry->who.size + entry->value.size +
                                             crdt_key_coder_size_max(&drop->key));
    if (err != CRDT_OK) {
        return err;
    }
    unsigned flags = crdt_key_coder_flags(&coder->keys, &drop->key);
    unsigned head = (unsigned)drop->key.depth | flags;
    head |= drop->was_live ? DROP_WAS_LIVE : 0;
    head |= crdt_span_equal(entry->who, coder->who) ? 0 : DROP_HAS_WHO;
    head |= crdt_actor_equal(&entry->stamp.actor, &coder->actor) ? 0 : DROP_HAS_ACTOR;
    uint64_t op_index = code_op_index(drop->op_index);
    uint8_t *at = out->data + out->size;
    *at++ = (uint8_t)head;
    at = crdt_msgpack_put_int(at, (int64_t)(op_index - coder->op_index));
    at = crdt_key_coder_put(&coder->keys, at, &drop->key, flags);
    at = crdt_msgpack_put_int(at, (int64_t)(entry->stamp.time - coder->time));
    if ((head & DROP_HAS_ACTOR) != 0) {
        at = crdt_msgpack_put_bin(at, actor_span(&entry->stamp.actor));
    }
    if ((head & DROP_HAS_WHO) != 0) {
        at = crdt_msgpack_put_str(at, entry->who);
    }
    if (drop->key.depth == CRDT_FIELD) {
        at = crdt_vector_put(at, entry->value);
    }
    out->size = (size_t)(at - out->data);
    coder->op_index = op_index;
    coder->time = entry->stamp.time;
    coder->who = entry->who;
    coder->actor = entry->stamp.actor;
    return CRDT_OK;
}

/* A number coded as the difference to `before`, in 0 .. max. */
static uint64_t read_step(crdt_msgpack_reader *reader, uint64_t before, uint64_t max)
{
    const uint8_t *at = reader->at;
    int64_t step = crdt_msgpack_read_int(reader);
    if (reader->err != CRDT_OK) {
        return 0;
    }
    bool up = step >= 0;
    uint64_t size = up ? (uint64_t)step : (uint64_t) - (step + 1) + 1;
    if (up ? size > max - before : size > before) {
        reader->at = at;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "number is out of its range");
        return 0;
    }
    return up ? before + size : before - size;
}

/* Another writer than that of the drop before. */
static void read_actor_step(drop_coder *coder, crdt_msgpack_reader *reader)
{
    const uint8_t *before = reader->at;
    crdt_actor actor = {{0}};
    crdt_msgpack_read_fixed(reader, actor.bytes, ACTOR_SIZE);
    if (reader->err == CRDT_OK && crdt_actor_equal(&actor, &coder->actor)) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "writer is named again");
    }
    coder->actor = actor;
}

static void read_drop(drop_coder *coder, crdt_msgpack_reader *reader,
                      crdt_vector_room *room, size_t op_count, crdt_history_drop *drop)
{
    const uint8_t *before = reader->at;
    unsigned head = (unsigned)crdt_msgpack_read_uint(reader, DROP_HEAD_MAX);
    crdt_depth depth = (crdt_depth)(head & 3u);
    if (reader->err == CRDT_OK &&
        (depth == 0 || (depth == CRDT_OBJECT && (head & CRDT_KEY_HAS_PART) != 0))) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "bad head of a dropped entry");
    }
    coder->op_index = read_step(reader, coder->op_index, op_count);
    *drop = (crdt_history_drop){.was_live = (head & DROP_WAS_LIVE) != 0};
    drop->op_index = coder->op_index == 0 ? SIZE_MAX : (size_t)(coder->op_index - 1);
    drop->key = crdt_key_coder_read(&coder->keys, reader, depth, head);
    before = reader->at;
    coder->time = read_step(reader, coder->time, CRDT_TIME_MAX);
    if (reader->err == CRDT_OK && coder->time == 0) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "stamp at time 0");
    }
    drop->entry.stamp.time = coder->time;
    if ((head & DROP_HAS_ACTOR) != 0) {
        read_actor_step(coder, reader);
    }
    drop->entry.stamp.actor = coder->actor;
    if ((head & DROP_HAS_WHO) != 0) {
        before = reader->at;
        crdt_span who = crdt_msgpack_read_str(reader, CRDT_NAME_SIZE_MAX);
        if (reader->err == CRDT_OK && crdt_span_equal(who, coder->who)) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "person is named again");
        }
        coder->who = who;
    }
    drop->entry.who = coder->who;
    if (depth == CRDT_FIELD) {
        drop->entry.value = crdt_vector_read(reader, room);
    }
}

/* ---- whole records ---- */

static crdt_err put_head(const crdt_history_record *record, crdt_buf *out)
{
    crdt_err err = crdt_buf_reserve(out, 10 * CRDT_MSGPACK_SIZE_MAX + 2 * ACTOR_SIZE +
                                             record->who.size + record->step.size);
    if (err != CRDT_OK) {
        return err;
    }
    uint8_t *at = out->data + out->size;
    at = crdt_msgpack_put_uint(at, HISTORY_FORMAT);
    at = crdt_msgpack_put_uint(at, record->origin);
    if (record->origin != CRDT_ORIGIN_ANSWER) {
        at = crdt_msgpack_put_bin(at, actor_span(&record->author));
        at = crdt_msgpack_put_uint(at, record->first_time);
        at = crdt_msgpack_put_str(at, record->who);
        at = crdt_msgpack_put_str(at, record->step);
    }
    at = crdt_msgpack_put_uint(at, record->wall_ms);
    at = crdt_msgpack_put_uint(at, record->target.time);
    if (record->target.time != 0) {
        at = crdt_msgpack_put_bin(at, actor_span(&record->target.actor));
    }
    at = crdt_msgpack_put_bool(at, record->cut);
    out->size = (size_t)(at - out->data);
    return CRDT_OK;
}

static crdt_err put_record(const crdt_history_record *record, size_t drop_count,
                           crdt_buf *out)
{
    crdt_err err = put_head(record, out);
    if (err == CRDT_OK && record->origin != CRDT_ORIGIN_ANSWER) {
        err = crdt_ops_encode(record->ops, record->op_count, out);
    }
    return err == CRDT_OK ? crdt_msgpack_append_uint(out, drop_count) : err;
}

crdt_err crdt_history_encode(const crdt_history_record *record, crdt_buf *out)
{
    size_t begin = out->size;
    drop_coder coder;
    drop_coder_init(&coder);
    crdt_err err = put_record(record, record->drop_count, out);
    for (size_t i = 0; i < record->drop_count && err == CRDT_OK; i++) {
        err = put_drop(&coder, &record->drops[i], out);
    }
    if (err != CRDT_OK) {
        out->size = begin;
    }
    return err;
}

static void read_ops(crdt_msgpack_reader *reader, crdt_arena *arena,
                     crdt_history_record *record)
{
    const uint8_t *before = reader->at;
    crdt_op *ops = NULL;
    if (crdt_ops_read(reader, CRDT_BATCH_OPS_MAX, arena, &ops, &record->op_count) !=
        CRDT_OK) {
        return;
    }
    record->ops = ops;
    if (record->op_count == 0 ||
        record->op_count - 1 > CRDT_TIME_MAX - record->first_time) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "record without operations");
    }
    record->last_time = record->first_time + record->op_count - 1;
}

static void read_head(crdt_msgpack_reader *reader, crdt_history_record *record)
{
    uint64_t format = crdt_msgpack_read_uint(reader, UINT64_MAX);
    if (reader->err == CRDT_OK && format != HISTORY_FORMAT &&
        format != HISTORY_FORMAT_STEPLESS) {
        reader->at = reader->begin;
        crdt_msgpack_fail(reader, CRDT_EVERSION, "unknown history format");
        return;
    }
    record->origin = (crdt_origin)crdt_msgpack_read_uint(reader, CRDT_ORIGIN_ANSWER);
    if (record->origin != CRDT_ORIGIN_ANSWER) {
        crdt_msgpack_read_fixed(reader, record->author.bytes, ACTOR_SIZE);
        const uint8_t *before = reader->at;
        record->first_time = crdt_msgpack_read_uint(reader, CRDT_TIME_MAX);
        if (reader->err == CRDT_OK && record->first_time == 0) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "operation at time 0");
        }
        record->who = crdt_msgpack_read_str(reader, CRDT_NAME_SIZE_MAX);
        if (format == HISTORY_FORMAT) {
            record->step = crdt_msgpack_read_str(reader, CRDT_STEP_SIZE_MAX);
        }
    }
    record->wall_ms = crdt_msgpack_read_uint(reader, UINT64_MAX);
    record->target.time = crdt_msgpack_read_uint(reader, CRDT_TIME_MAX);
    if (record->target.time != 0) {
        crdt_msgpack_read_fixed(reader, record->target.actor.bytes, ACTOR_SIZE);
    }
    record->cut = crdt_msgpack_read_bool(reader);
}

crdt_err crdt_history_decode_head(crdt_span bytes, crdt_history_record *record,
                                  crdt_diag *diag)
{
    crdt_msgpack_reader reader = crdt_msgpack_read_open(bytes, diag);
    *record = (crdt_history_record){.origin = CRDT_ORIGIN_EDIT};
    read_head(&reader, record);
    return reader.err;
}

crdt_err crdt_history_decode(crdt_span bytes, crdt_arena *arena,
                             crdt_history_record *record, crdt_diag *diag)
{
    crdt_msgpack_reader reader = crdt_msgpack_read_open(bytes, diag);
    *record = (crdt_history_record){.origin = CRDT_ORIGIN_EDIT};
    read_head(&reader, record);
    if (reader.err == CRDT_OK && record->origin != CRDT_ORIGIN_ANSWER) {
        read_ops(&reader, arena, record);
    }
    /* at least a head, a step of op_index, a step of time */
    size_t count = crdt_msgpack_read_count(&reader, SIZE_MAX, 3);
    crdt_history_drop *drops =
        reader.err != CRDT_OK ? NULL : crdt_arena_alloc(arena, count * sizeof *drops);
    if (reader.err == CRDT_OK && drops == NULL) {
        crdt_msgpack_fail(&reader, CRDT_ENOMEM, "no memory for the dropped entries");
    }
    drop_coder coder;
    drop_coder_init(&coder);
    crdt_vector_room room = crdt_vector_room_open(arena);
    for (size_t i = 0; i < count && reader.err == CRDT_OK; i++) {
        read_drop(&coder, &reader, &room, record->op_count, &drops[i]);
    }
    record->drops = drops;
    record->drop_count = count;
    return crdt_msgpack_read_end(&reader);
}

/* ---- the recorder ---- */

/* Drops are encoded as they come; the coder's names must outlive the listener's spans, so
 * they are copied to `names`. */
struct crdt_history {
    crdt_alloc alloc;
    crdt_buf drops;
    crdt_arena names;
    drop_coder coder;
    size_t drop_count;
    size_t drop_bytes_max;
    crdt_err err;
    bool cut;
};

crdt_err crdt_history_open(crdt_history **out, crdt_alloc alloc, size_t drop_bytes_max)
{
    crdt_history *history = crdt_allocate(alloc, sizeof *history);
    if (history == NULL) {
        return CRDT_ENOMEM;
    }
    history->alloc = alloc;
    history->drop_bytes_max =
        drop_bytes_max == 0 ? DROP_BYTES_MAX_DEFAULT : drop_bytes_max;
    crdt_buf_init(&history->drops, alloc);
    crdt_arena_init(&history->names, alloc);
    crdt_history_begin(history);
    *out = history;
    return CRDT_OK;
}

void crdt_history_close(crdt_history *history)
{
    if (history != NULL) {
        crdt_buf_deinit(&history->drops);
        crdt_arena_deinit(&history->names);
        crdt_free(history->alloc, history, sizeof *history);
    }
}

void crdt_history_begin(crdt_history *history)
{
    crdt_buf_clear(&history->drops);
    crdt_arena_reset(&history->names);
    drop_coder_init(&history->coder);
    history->drop_count = 0;
    history->err = CRDT_OK;
    history->cut = false;
}

/* Make `name` live as long as the record is collected. */
static void keep_name(crdt_history *history, crdt_span *name)
{
    if (name->size == 0 || history->err != CRDT_OK) {
        return;
    }
    uint8_t *copy = crdt_arena_alloc(&history->names, name->size);
    if (copy == NULL) {
        history->err = CRDT_ENOMEM;
        return;
    }
    memcpy(copy, name->data, name->size);
    name->data = copy;
}

/* Of the names of the key, those that the coder will remember. */
static void keep_names(crdt_history *history, crdt_history_drop *drop)
{
    drop_coder *coder = &history->coder;
    unsigned flags = crdt_key_coder_flags(&coder->keys, &drop->key);
    if ((flags & CRDT_KEY_HAS_OBJECT) != 0) {
        keep_name(history, &drop->key.object);
    }
    if ((flags & CRDT_KEY_HAS_PART) != 0) {
        keep_name(history, &drop->key.part);
    }
    if (drop->key.depth == CRDT_FIELD &&
        crdt_key_coder_learns(&coder->keys, drop->key.field)) {
        keep_name(history, &drop->key.field);
    }
    if (crdt_span_equal(drop->entry.who, coder->who)) {
        drop->entry.who = coder->who;
    } else {
        keep_name(history, &drop->entry.who);
    }
}

static void on_dropped(void *ctx, size_t op_index, const crdt_key *key,
                       const crdt_entry *entry, bool was_live)
{
    crdt_history *history = ctx;
    if (history->err != CRDT_OK || history->cut) {
        return;
    }
    crdt_history_drop drop = {
        .op_index = op_index, .key = *key, .entry = *entry, .was_live = was_live};
    size_t size = entry->value.size + crdt_key_coder_size_max(key);
    if (size > history->drop_bytes_max ||
        history->drops.size > history->drop_bytes_max - size) {
        history->cut = true;
        return;
    }
    keep_names(history, &drop);
    if (history->err == CRDT_OK) {
        history->err = put_drop(&history->coder, &drop, &history->drops);
        history->drop_count++;
    }
}

crdt_listener crdt_history_listener(crdt_history *history)
{
    return (crdt_listener){.ctx = history, .dropped = on_dropped};
}

crdt_err crdt_history_finish(crdt_history *history, const crdt_batch *batch,
                             const crdt_history_note *note, crdt_buf *out)
{
    assert((batch == NULL) == (note->origin == CRDT_ORIGIN_ANSWER));
    assert(note->step.size <= CRDT_STEP_SIZE_MAX);
    if (history->err != CRDT_OK) {
        return history->err;
    }
    crdt_history_record record = {.origin = note->origin,
                                  .target = note->target,
                                  .step = note->step,
                                  .wall_ms = note->wall_ms,
                                  .cut = history->cut};
    if (batch != NULL) {
        record.author = batch->actor;
        record.first_time = crdt_batch_first_time(batch);
        record.who = batch->who;
        record.wall_ms = batch->wall_ms;
        record.ops = batch->ops;
        record.op_count = batch->op_count;
    }
    size_t begin = out->size;
    crdt_err err = put_record(&record, history->drop_count, out);
    if (err == CRDT_OK) {
        err = crdt_buf_append_span(out, crdt_buf_span(&history->drops));
    }
    if (err != CRDT_OK) {
        out->size = begin;
    }
    return err;
}
