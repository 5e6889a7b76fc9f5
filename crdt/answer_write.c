#include "crdt/answer_form.h"
#include "crdt/mutant.h"
#include "crdt/zstd.h"

#include <assert.h>
#include <string.h>

/* ---- bytes ---- */

/* Makes room for `size` bytes; the cursor, or NULL after an error. */
static uint8_t *room(crdt_answer_writer *w, crdt_buf *buf, size_t size)
{
    if (w->err == CRDT_OK) {
        w->err = crdt_buf_reserve(buf, size);
    }
    return w->err == CRDT_OK ? buf->data + buf->size : NULL;
}

static void wrote(crdt_buf *buf, const uint8_t *end)
{
    buf->size = (size_t)(end - buf->data);
}

static void write_uint(crdt_answer_writer *w, crdt_buf *buf, uint64_t number)
{
    uint8_t *at = room(w, buf, CRDT_MSGPACK_SIZE_MAX);
    if (at != NULL) {
        wrote(buf, crdt_msgpack_put_uint(at, number));
    }
}

/* Most numbers are below 128. */
static uint8_t *put_uint(uint8_t *at, uint64_t number)
{
    if (number < 0x80) {
        *at = (uint8_t)number;
        return at + 1;
    }
    return crdt_msgpack_put_uint(at, number);
}

/* ---- the head ---- */

static uint32_t actor_index(crdt_answer_writer *w, const crdt_actor *actor)
{
    const crdt_stamp *stamps = w->actors.stamps;
    if (w->err != CRDT_OK) {
        return 0; /* the table may be empty */
    }
    assert(w->actors.stamp_count > 0);
    if (crdt_actor_equal(&stamps[w->actor_index].actor, actor)) {
        return w->actor_index;
    }
    size_t low = 0;
    size_t high = w->actors.stamp_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (crdt_actor_compare(&stamps[middle].actor, actor) <= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    assert(crdt_actor_equal(&stamps[low].actor, actor));
    w->actor_index = (uint32_t)low;
    return w->actor_index;
}

static void write_actors(crdt_answer_writer *w)
{
    const size_t size = w->actors.stamp_count * CRDT_ANSWER_ACTOR_SIZE;
    uint8_t *at = room(w, w->out, CRDT_MSGPACK_SIZE_MAX + size);
    if (at == NULL) {
        return;
    }
    at = crdt_msgpack_put_bin_head(at, (uint32_t)size);
    for (size_t i = 0; i < w->actors.stamp_count; i++) {
        memcpy(at, w->actors.stamps[i].actor.bytes, CRDT_ANSWER_ACTOR_SIZE);
        at += CRDT_ANSWER_ACTOR_SIZE;
    }
    wrote(w->out, at);
}

/* For each actor its time in `version`; or, if `upper` is given, 1 + how far it stays
 * below the time there. Actors without one, mostly many in a row, are counted. */
static void write_times(crdt_answer_writer *w, const crdt_version *version,
                        const crdt_version *upper)
{
    size_t next = 0; /* the first actor that is not written */
    for (size_t i = 0; i < version->stamp_count; i++) {
        const crdt_stamp *stamp = &version->stamps[i];
        const size_t index = actor_index(w, &stamp->actor);
        if (w->err != CRDT_OK) {
            return;
        }
        if (index > next) {
            write_uint(w, w->out, 0);
            write_uint(w, w->out, index - next);
        }
        uint64_t time = stamp->time;
        if (upper != NULL) {
            time = 1 + crdt_version_get(upper, &stamp->actor) - time;
        }
        write_uint(w, w->out, time);
        next = index + 1;
    }
    if (next < w->actors.stamp_count) {
        write_uint(w, w->out, 0);
        write_uint(w, w->out, w->actors.stamp_count - next);
    }
}

static void write_str(crdt_answer_writer *w, crdt_buf *buf, crdt_span utf8)
{
    uint8_t *at = room(w, buf, CRDT_MSGPACK_SIZE_MAX + utf8.size);
    if (at != NULL) {
        wrote(buf, crdt_msgpack_put_str(at, utf8));
    }
}

/* Does the row help? Who has the author's last batch has noted it then; who has forgotten
 * it asks again when the next one comes, and this time lacks that. */
static bool row_fits(const crdt_answer_head *head, const crdt_deps_row *row)
{
    if (MUTANT(178) ||
        (!head->full && crdt_version_get(head->since, &row->actor) >= row->last_time)) {
        return false;
    }
    return crdt_version_get(head->version, &row->actor) >= row->last_time &&
           crdt_version_includes(head->version, row->after);
}

static void write_deps(crdt_answer_writer *w, const crdt_answer_head *head)
{
    crdt_deps_row row;
    size_t count = 0;
    size_t index = 0;
    while (head->deps != NULL && crdt_deps_next(head->deps, &index, &row)) {
        count += row_fits(head, &row);
    }
    write_uint(w, w->out, count);
    index = 0;
    while (count > 0 && crdt_deps_next(head->deps, &index, &row)) {
        if (row_fits(head, &row)) {
            write_uint(w, w->out, actor_index(w, &row.actor));
            write_uint(w, w->out, row.last_time);
            write_str(w, w->out, row.who);
            write_uint(w, w->out, row.wall_ms);
            write_times(w, row.after, head->version);
        }
    }
}

static crdt_err collect_actors(crdt_answer_writer *w, const crdt_answer_head *head)
{
    crdt_err err = crdt_version_copy(&w->actors, head->version);
    if (err == CRDT_OK) {
        err = crdt_version_merge(&w->actors, head->since);
    }
    if (err == CRDT_OK && head->full) {
        err = crdt_version_merge(&w->actors, head->floor);
    }
    return err;
}

crdt_err crdt_answer_write_open(crdt_answer_writer *writer, crdt_buf *out,
                                const crdt_answer_head *head)
{
    const crdt_alloc alloc = out->alloc;
    *writer = (crdt_answer_writer){.out = out, .begin = out->size, .log_open = true};
    crdt_version_init(&writer->actors, alloc);
    crdt_buf_init(&writer->body, alloc);
    crdt_buf_init(&writer->entries, alloc);
    crdt_answer_index_init(&writer->names, alloc);
    crdt_answer_index_init(&writer->writers, alloc);
    crdt_answer_index_init(&writer->shapes, alloc);
    crdt_arena_init(&writer->arena, alloc);
    writer->err = collect_actors(writer, head);
    write_uint(writer, out, CRDT_ANSWER_FORMAT);
    uint8_t *at = room(writer, out, CRDT_MSGPACK_SIZE_MAX);
    if (at != NULL) {
        wrote(out, crdt_msgpack_put_bool(at, head->full));
    }
    write_actors(writer);
    write_times(writer, head->version, NULL);
    write_times(writer, head->since, NULL);
    if (head->full) {
        write_times(writer, head->floor, NULL);
    }
    write_deps(writer, head);
    return writer->err;
}

/* ---- the log ---- */

/* The index of a name of a part or field, which is `*fresh` the first time. */
static uint32_t name_index(crdt_answer_writer *w, crdt_span name, bool *fresh)
{
    uint32_t index = crdt_answer_index_find(&w->names, name, 0);
    *fresh = index == w->names.row_count;
    if (*fresh && w->err == CRDT_OK) {
        w->err = crdt_answer_index_add(&w->names, name, 0);
    }
    return index;
}

static uint8_t *put_name_ref(uint8_t *at, crdt_span name, uint32_t index, bool fresh)
{
    return fresh ? crdt_msgpack_put_name(at, name) : put_uint(at, index);
}

crdt_err crdt_answer_write_log(crdt_answer_writer *writer, const crdt_stamp *stamp,
                               const crdt_key *key)
{
    assert(writer->log_open);
    uint8_t *at = room(writer, &writer->body,
                       6 * CRDT_MSGPACK_SIZE_MAX + key->object.size + key->part.size +
                           key->field.size);
    if (at == NULL) {
        return writer->err;
    }
    const bool same =
        writer->log_any && crdt_span_equal(writer->log_object, key->object);
    const crdt_span names[] = {key->part, key->field};
    at = put_uint(at, (uint64_t)key->depth | (same ? CRDT_ANSWER_LOG_SAME : 0));
    at = put_uint(at, actor_index(writer, &stamp->actor));
    at = put_uint(at, crdt_answer_fold_step(stamp->time, writer->times[0]));
    writer->times[0] = stamp->time;
    if (!same) {
        at = crdt_msgpack_put_name(at, key->object);
    }
    for (size_t i = 0; i + 1 < (size_t)key->depth; i++) {
        bool fresh;
        uint32_t index = name_index(writer, names[i], &fresh);
        at = put_name_ref(at, names[i], index, fresh);
    }
    wrote(&writer->body, at);
    writer->log_object = key->object;
    writer->log_any = true;
    return writer->err;
}

static void end_log(crdt_answer_writer *w)
{
    if (w->log_open) {
        write_uint(w, &w->body, CRDT_ANSWER_LOG_END);
        w->log_open = false;
        for (size_t depth = 1; depth < 4; depth++) {
            w->times[depth] = w->times[0];
        }
    }
}

/* ---- objects ---- */

/* Is the object at hand, as far as it goes, like the last one? */
static bool is_like_last(const crdt_answer_writer *w)
{
    return w->last_any && w->key_count == w->last_count &&
           memcmp(w->ids, w->last_ids, (1 + w->key_count) * sizeof *w->ids) == 0;
}

static uint8_t *put_definition(const crdt_answer_writer *w, uint8_t *at)
{
    at = put_uint(at, w->ids[0]);
    for (size_t i = 0; i < w->key_count; i++) {
        const crdt_answer_key *key = &w->keys[i];
        at = put_uint(at, crdt_answer_id_head(w->ids[1 + i]));
        at =
            put_name_ref(at, key->name, crdt_answer_id_name(w->ids[1 + i]), key->fresh);
    }
    return put_uint(at, CRDT_ANSWER_SHAPE_END);
}

/* Remember the shape at hand, which is new, if it may be. */
static void remember_shape(crdt_answer_writer *w, crdt_span ids)
{
    w->last_any = w->shapes.row_count < CRDT_ANSWER_SHAPES_MAX &&
                  w->key_count <= CRDT_ANSWER_SHAPE_KEYS_MAX;
    if (w->last_any && w->err == CRDT_OK) {
        uint8_t *copy = crdt_arena_alloc(&w->arena, ids.size);
        if (copy == NULL) {
            w->err = CRDT_ENOMEM;
            return;
        }
        memcpy(copy, ids.data, ids.size);
        w->err = crdt_answer_index_add(&w->shapes, (crdt_span){copy, ids.size}, 0);
    }
}

static void swap_last(crdt_answer_writer *w)
{
    crdt_answer_key *keys = w->keys;
    uint64_t *ids = w->ids;
    size_t capacity = w->key_capacity;
    w->keys = w->last_keys;
    w->ids = w->last_ids;
    w->key_capacity = w->last_capacity;
    w->last_keys = keys;
    w->last_ids = ids;
    w->last_capacity = capacity;
    w->last_count = w->key_count;
}

/* Write the object at hand: its shape, by index or as it is; its name; its entries. */
static void end_object(crdt_answer_writer *w)
{
    if (!w->object_any || w->err != CRDT_OK) {
        return;
    }
    w->object_any = false;
    const crdt_span ids = {(const uint8_t *)w->ids,
                           (1 + w->key_count) * sizeof *w->ids};
    size_t size = 3 * CRDT_MSGPACK_SIZE_MAX + w->object.size + w->entries.size;
    bool known = is_like_last(w);
    if (!known) {
        w->last_shape = crdt_answer_index_find(&w->shapes, ids, 0);
        known = w->last_shape < w->shapes.row_count;
        for (size_t i = 0; i < w->key_count && !known; i++) {
            size += 2 * CRDT_MSGPACK_SIZE_MAX + w->keys[i].name.size;
        }
    }
    uint8_t *at = room(w, &w->body, size);
    if (at == NULL) {
        return;
    }
    at = put_uint(at, 1 + (uint64_t)w->last_shape);
    at = crdt_msgpack_put_name(at, w->object);
    if (!known) {
        at = put_definition(w, at);
        remember_shape(w, ids);
    } else {
        w->last_any = true;
    }
    if (w->entries.size > 0) {
        memcpy(at, w->entries.data, w->entries.size);
    }
    wrote(&w->body, at + w->entries.size);
    crdt_buf_clear(&w->entries);
    swap_last(w);
}

/* Room for one more part or field of the object at hand. */
static crdt_err reserve_key(crdt_answer_writer *w)
{
    if (w->key_count < w->key_capacity) {
        return CRDT_OK;
    }
    const crdt_alloc alloc = w->out->alloc;
    const size_t capacity = w->key_capacity == 0 ? 16 : w->key_capacity * 2;
    /* Both have grown, or neither has: a capacity counts for both. */
    crdt_answer_key *keys = crdt_resize_array(alloc, NULL, 0, capacity, sizeof *keys);
    uint64_t *ids = crdt_resize_array(alloc, NULL, 0, 1 + capacity, sizeof *ids);
    if (keys == NULL || ids == NULL) {
        crdt_free(alloc, keys, capacity * sizeof *keys);
        crdt_free(alloc, ids, (1 + capacity) * sizeof *ids);
        return CRDT_ENOMEM;
    }
    if (w->key_capacity > 0) {
        memcpy(keys, w->keys, w->key_count * sizeof *keys);
        memcpy(ids, w->ids, (1 + w->key_count) * sizeof *ids);
        crdt_free(alloc, w->keys, w->key_capacity * sizeof *keys);
        crdt_free(alloc, w->ids, (1 + w->key_capacity) * sizeof *ids);
    }
    w->keys = keys;
    w->ids = ids;
    w->key_capacity = capacity;
    return CRDT_OK;
}

static void begin_object(crdt_answer_writer *w, crdt_span name, size_t entry_count)
{
    end_log(w);
    end_object(w);
    if (w->err == CRDT_OK) {
        w->key_count = 0;
        w->err = reserve_key(w);
    }
    if (w->err == CRDT_OK) {
        w->object = name;
        w->object_any = true;
        w->ids[0] = entry_count;
    }
}

crdt_err crdt_answer_write_key(crdt_answer_writer *writer, crdt_depth depth,
                               crdt_span name, size_t entry_count)
{
    crdt_answer_writer *w = writer;
    if (depth == CRDT_OBJECT) {
        begin_object(w, name, entry_count);
        return w->err;
    }
    if (w->err == CRDT_OK) {
        w->err = reserve_key(w);
    }
    if (w->err != CRDT_OK) {
        return w->err;
    }
    const size_t at = w->key_count++;
    const bool near = at < w->last_count && w->last_keys[at].name.data == name.data &&
                      w->last_keys[at].name.size == name.size;
    bool fresh = false;
    uint32_t index =
        near ? crdt_answer_id_name(w->last_ids[1 + at]) : name_index(w, name, &fresh);
    w->keys[at] = (crdt_answer_key){.name = name, .fresh = fresh};
    w->ids[1 + at] = crdt_answer_id_make(depth, entry_count, index);
    return w->err;
}

/* The index of (actor, who); a new one is followed by what it is. */
static uint8_t *put_writer(crdt_answer_writer *w, uint8_t *at, const crdt_actor *actor,
                           crdt_span who)
{
    const uint32_t actor_at = actor_index(w, actor);
    w->writer_index = crdt_answer_index_find(&w->writers, who, actor_at);
    w->writer_actor = *actor;
    w->writer_who = who;
    w->writer_any = true;
    at = put_uint(at, w->writer_index);
    if (w->writer_index == w->writers.row_count) {
        w->err = crdt_answer_index_add(&w->writers, who, actor_at);
        at = put_uint(at, actor_at);
        at = crdt_msgpack_put_str(at, who);
    }
    return at;
}

crdt_err crdt_answer_write_entry(crdt_answer_writer *writer, crdt_depth depth,
                                 const crdt_stamp *stamp, crdt_span who,
                                 crdt_span value)
{
    crdt_answer_writer *w = writer;
    uint8_t *at =
        room(w, &w->entries, 4 * CRDT_MSGPACK_SIZE_MAX + who.size + value.size);
    if (at == NULL) {
        return w->err;
    }
    const bool same = w->writer_any &&
                      crdt_actor_equal(&stamp->actor, &w->writer_actor) &&
                      crdt_span_equal(who, w->writer_who);
    at = put_uint(at, crdt_answer_fold_step(stamp->time, w->times[depth]) * 2 +
                          (same ? 0 : 1));
    for (size_t d = (size_t)depth; d < 4; d++) {
        w->times[d] = stamp->time;
    }
    if (!same) {
        at = put_writer(w, at, &stamp->actor, who);
    }
    if (depth == CRDT_FIELD) {
        at = crdt_vector_put(at, value);
    }
    wrote(&w->entries, at);
    return w->err;
}

/* ---- the end ---- */

/* The body as a frame, if that is shorter; else as it is. */
static void write_body(crdt_answer_writer *w)
{
    const crdt_span body = crdt_buf_span(&w->body);
    if (body.size >= CRDT_ANSWER_PACKED_MIN && body.size <= CRDT_ANSWER_UNPACKED_MAX) {
        crdt_buf frame;
        crdt_buf_init(&frame, w->out->alloc);
        bool done = false;
        w->err = crdt_zstd_pack(body, &frame, &done);
        if (w->err == CRDT_OK && done) {
            write_uint(w, w->out, CRDT_ANSWER_BODY_PACKED);
            write_uint(w, w->out, body.size);
            if (w->err == CRDT_OK) {
                w->err = crdt_msgpack_append_bin(w->out, crdt_buf_span(&frame));
            }
        }
        crdt_buf_deinit(&frame);
        if (w->err != CRDT_OK || done) {
            return;
        }
    }
    write_uint(w, w->out, CRDT_ANSWER_BODY_PLAIN);
    if (w->err == CRDT_OK) {
        w->err = crdt_buf_append_span(w->out, body);
    }
}

static void free_keys(crdt_alloc alloc, crdt_answer_key *keys, uint64_t *ids,
                      size_t capacity)
{
    if (capacity > 0) {
        crdt_free(alloc, keys, capacity * sizeof *keys);
        crdt_free(alloc, ids, (1 + capacity) * sizeof *ids);
    }
}

crdt_err crdt_answer_write_finish(crdt_answer_writer *writer)
{
    crdt_answer_writer *w = writer;
    end_log(w);
    end_object(w);
    write_uint(w, &w->body, CRDT_ANSWER_OBJECTS_END);
    if (w->err == CRDT_OK) {
        write_body(w);
    }
    free_keys(w->out->alloc, w->keys, w->ids, w->key_capacity);
    free_keys(w->out->alloc, w->last_keys, w->last_ids, w->last_capacity);
    w->key_capacity = 0;
    w->last_capacity = 0;
    crdt_answer_index_deinit(&w->names);
    crdt_answer_index_deinit(&w->writers);
    crdt_answer_index_deinit(&w->shapes);
    crdt_arena_deinit(&w->arena);
    crdt_buf_deinit(&w->body);
    crdt_buf_deinit(&w->entries);
    crdt_version_deinit(&w->actors);
    if (w->err != CRDT_OK) {
        w->out->size = w->begin;
    }
    return w->err;
}
