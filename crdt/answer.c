#include "crdt/answer.h"
#include "crdt/digest.h"
#include "crdt/value.h"

#include <assert.h>
#include <string.h>

#define ANSWER_FORMAT 2u
#define ACTOR_SIZE 16u

/* A key begins with one number: depth - 1, or KEY_END, plus KEY_STEP times the count of
 * its entries. */
#define KEY_END 3u
#define KEY_STEP 4u

/* A log record begins with its depth, plus LOG_SAME if the object is that of the record
 * before; LOG_END ends the section. */
#define LOG_END 0u
#define LOG_SAME 4u

/* ---- index of what was written: text and tag -> 0, 1, 2, ... ---- */

typedef struct name_row {
    crdt_span text;
    uint32_t tag;
    uint32_t hash;
} name_row;

/* Open addressing, linear probing. Invariant: slot_count is a power of two, 0 at first,
 * and more than 4/3 of row_count. A slot holds 1 + the index of a row; 0: free. */
struct crdt_answer_names {
    name_row *rows;
    size_t row_count;
    size_t row_capacity;
    uint32_t *slots;
    size_t slot_count;
};

static void names_close(crdt_answer_names *names, crdt_alloc alloc)
{
    if (names != NULL) {
        crdt_free(alloc, names->rows, names->row_capacity * sizeof *names->rows);
        crdt_free(alloc, names->slots, names->slot_count * sizeof *names->slots);
        crdt_free(alloc, names, sizeof *names);
    }
}

static crdt_answer_names *names_open(crdt_alloc alloc)
{
    crdt_answer_names *names = crdt_allocate(alloc, sizeof *names);
    if (names != NULL) {
        *names = (crdt_answer_names){0};
    }
    return names;
}

static void names_place(crdt_answer_names *names, uint32_t row)
{
    size_t mask = names->slot_count - 1;
    size_t slot = names->rows[row].hash & mask;
    while (names->slots[slot] != 0) {
        slot = (slot + 1) & mask;
    }
    names->slots[slot] = row + 1;
}

/* Room for one more row. */
static crdt_err names_reserve(crdt_answer_names *names, crdt_alloc alloc)
{
    if (names->row_count == names->row_capacity) {
        size_t capacity = names->row_capacity == 0 ? 16 : names->row_capacity * 2;
        name_row *rows = crdt_resize_array(alloc, names->rows, names->row_capacity,
                                           capacity, sizeof *rows);
        if (rows == NULL) {
            return CRDT_ENOMEM;
        }
        names->rows = rows;
        names->row_capacity = capacity;
    }
    if ((names->row_count + 1) * 4 > names->slot_count * 3) {
        size_t count = names->slot_count == 0 ? 32 : names->slot_count * 2;
        uint32_t *slots = crdt_resize_array(alloc, NULL, 0, count, sizeof *slots);
        if (slots == NULL) {
            return CRDT_ENOMEM;
        }
        crdt_free(alloc, names->slots, names->slot_count * sizeof *slots);
        memset(slots, 0, count * sizeof *slots);
        names->slots = slots;
        names->slot_count = count;
        for (size_t i = 0; i < names->row_count; i++) {
            names_place(names, (uint32_t)i);
        }
    }
    return CRDT_OK;
}

/* The index of (text, tag). `*fresh`: it was not there and is now. */
static crdt_err names_index(crdt_answer_names *names, crdt_alloc alloc, crdt_span text,
                            uint32_t tag, uint32_t *index, bool *fresh)
{
    crdt_err err = names_reserve(names, alloc);
    if (err != CRDT_OK) {
        return err;
    }
    uint32_t hash = (uint32_t)crdt_hash64(text, tag);
    size_t mask = names->slot_count - 1;
    for (size_t slot = hash & mask; names->slots[slot] != 0; slot = (slot + 1) & mask) {
        const name_row *row = &names->rows[names->slots[slot] - 1];
        if (row->hash == hash && row->tag == tag && crdt_span_equal(row->text, text)) {
            *index = names->slots[slot] - 1;
            *fresh = false;
            return CRDT_OK;
        }
    }
    *index = (uint32_t)names->row_count++;
    *fresh = true;
    names->rows[*index] = (name_row){.text = text, .tag = tag, .hash = hash};
    names_place(names, *index);
    return CRDT_OK;
}

/* ---- writing ---- */

/* Makes room for `size` bytes; the cursor, or NULL after an error. */
static uint8_t *room(crdt_answer_writer *w, size_t size)
{
    if (w->err == CRDT_OK) {
        w->err = crdt_buf_reserve(w->out, size);
    }
    return w->err == CRDT_OK ? w->out->data + w->out->size : NULL;
}

static void wrote(crdt_answer_writer *w, const uint8_t *end)
{
    w->out->size = (size_t)(end - w->out->data);
}

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
    size_t count = w->actors.stamp_count;
    uint8_t *at = room(w, CRDT_MSGPACK_SIZE_MAX + count * ACTOR_SIZE);
    if (at == NULL) {
        return;
    }
    crdt_span none = {0};
    if (count == 0) {
        wrote(w, crdt_msgpack_put_bin(at, none));
        return;
    }
    /* The bin's head for its size, then the actors one by one. */
    size_t size = count * ACTOR_SIZE;
    uint8_t *body = at + (size < 0x100 ? 2 : size < 0x10000 ? 3 : 5);
    for (size_t i = 0; i < count; i++) {
        memcpy(body + i * ACTOR_SIZE, w->actors.stamps[i].actor.bytes, ACTOR_SIZE);
    }
    uint8_t *end = crdt_msgpack_put_bin_head(at, (uint32_t)size);
    assert(end == body);
    wrote(w, end + size);
}

/* One number for each actor: its time in `version`, 0 if none; or, if `upper` is given,
 * 0 for none, else 1 + how far it stays below its time there. */
static void write_times(crdt_answer_writer *w, const crdt_version *version,
                        const crdt_version *upper)
{
    uint8_t *at = room(w, w->actors.stamp_count * CRDT_MSGPACK_SIZE_MAX);
    if (at == NULL) {
        return;
    }
    for (size_t i = 0; i < w->actors.stamp_count; i++) {
        const crdt_actor *actor = &w->actors.stamps[i].actor;
        uint64_t time = crdt_version_get(version, actor);
        if (upper != NULL && time != 0) {
            time = 1 + crdt_version_get(upper, actor) - time;
        }
        at = crdt_msgpack_put_uint(at, time);
    }
    wrote(w, at);
}

static void write_uint(crdt_answer_writer *w, uint64_t number)
{
    uint8_t *at = room(w, CRDT_MSGPACK_SIZE_MAX);
    if (at != NULL) {
        wrote(w, crdt_msgpack_put_uint(at, number));
    }
}

static void write_str(crdt_answer_writer *w, crdt_span utf8)
{
    uint8_t *at = room(w, CRDT_MSGPACK_SIZE_MAX + utf8.size);
    if (at != NULL) {
        wrote(w, crdt_msgpack_put_str(at, utf8));
    }
}

static bool row_fits(const crdt_answer_head *head, const crdt_deps_row *row)
{
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
    write_uint(w, count);
    index = 0;
    while (count > 0 && crdt_deps_next(head->deps, &index, &row)) {
        if (row_fits(head, &row)) {
            write_uint(w, actor_index(w, &row.actor));
            write_uint(w, row.last_time);
            write_str(w, row.who);
            write_uint(w, row.wall_ms);
            write_times(w, row.after, head->version);
        }
    }
}

static crdt_err open_tables(crdt_answer_writer *w, const crdt_answer_head *head)
{
    crdt_alloc alloc = w->out->alloc;
    w->names = names_open(alloc);
    w->writers = names_open(alloc);
    if (w->names == NULL || w->writers == NULL) {
        return CRDT_ENOMEM;
    }
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
    *writer = (crdt_answer_writer){.out = out, .begin = out->size, .log_open = true};
    crdt_version_init(&writer->actors, out->alloc);
    writer->err = open_tables(writer, head);
    write_uint(writer, ANSWER_FORMAT);
    uint8_t *at = room(writer, CRDT_MSGPACK_SIZE_MAX);
    if (at != NULL) {
        wrote(writer, crdt_msgpack_put_bool(at, head->full));
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

/* The difference to the last time; a signed number of few bytes where times are near. */
static uint8_t *put_time(crdt_answer_writer *w, uint8_t *at, uint64_t time)
{
    at = crdt_msgpack_put_int(at, (int64_t)(time - w->time));
    w->time = time;
    return at;
}

/* An index of a name that was written before, or the name itself. */
static uint8_t *put_name_ref(crdt_answer_writer *w, uint8_t *at, crdt_span name)
{
    uint32_t index = 0;
    bool fresh = false;
    w->err = names_index(w->names, w->out->alloc, name, 0, &index, &fresh);
    if (w->err != CRDT_OK) {
        return at;
    }
    return fresh ? crdt_msgpack_put_name(at, name) : crdt_msgpack_put_uint(at, index);
}

crdt_err crdt_answer_write_log(crdt_answer_writer *writer, const crdt_stamp *stamp,
                               const crdt_key *key)
{
    assert(writer->log_open);
    uint8_t *at = room(writer, 6 * CRDT_MSGPACK_SIZE_MAX + key->object.size +
                                   key->part.size + key->field.size);
    if (at == NULL) {
        return writer->err;
    }
    bool same = writer->log_any && crdt_span_equal(writer->log_object, key->object);
    at = crdt_msgpack_put_uint(at, (uint64_t)key->depth | (same ? LOG_SAME : 0));
    at = crdt_msgpack_put_uint(at, actor_index(writer, &stamp->actor));
    at = put_time(writer, at, stamp->time);
    if (!same) {
        at = crdt_msgpack_put_name(at, key->object);
    }
    if (key->depth >= CRDT_PART) {
        at = put_name_ref(writer, at, key->part);
    }
    if (key->depth >= CRDT_FIELD && writer->err == CRDT_OK) {
        at = put_name_ref(writer, at, key->field);
    }
    wrote(writer, at);
    writer->log_object = key->object;
    writer->log_any = true;
    return writer->err;
}

static void end_log(crdt_answer_writer *w)
{
    if (w->log_open) {
        write_uint(w, LOG_END);
        w->log_open = false;
    }
}

crdt_err crdt_answer_write_key(crdt_answer_writer *writer, crdt_depth depth,
                               crdt_span name, size_t entry_count)
{
    end_log(writer);
    uint8_t *at = room(writer, 2 * CRDT_MSGPACK_SIZE_MAX + name.size);
    if (at == NULL) {
        return writer->err;
    }
    at = crdt_msgpack_put_uint(at, (uint64_t)entry_count * KEY_STEP + (depth - 1u));
    at = depth == CRDT_OBJECT ? crdt_msgpack_put_name(at, name)
                              : put_name_ref(writer, at, name);
    wrote(writer, at);
    return writer->err;
}

/* The index of (actor, who); a new one is followed by what it is. */
static uint8_t *put_writer(crdt_answer_writer *w, uint8_t *at, const crdt_actor *actor,
                           crdt_span who)
{
    if (w->writer_any && crdt_actor_equal(actor, &w->writer_actor) &&
        crdt_span_equal(who, w->writer_who)) {
        return crdt_msgpack_put_uint(at, w->writer_index);
    }
    uint32_t actor_at = actor_index(w, actor);
    bool fresh = false;
    w->err =
        names_index(w->writers, w->out->alloc, who, actor_at, &w->writer_index, &fresh);
    if (w->err != CRDT_OK) {
        return at;
    }
    w->writer_actor = *actor;
    w->writer_who = who;
    w->writer_any = true;
    at = crdt_msgpack_put_uint(at, w->writer_index);
    if (fresh) {
        at = crdt_msgpack_put_uint(at, actor_at);
        at = crdt_msgpack_put_str(at, who);
    }
    return at;
}

crdt_err crdt_answer_write_entry(crdt_answer_writer *writer, crdt_depth depth,
                                 const crdt_stamp *stamp, crdt_span who,
                                 crdt_span value)
{
    uint8_t *at = room(writer, 5 * CRDT_MSGPACK_SIZE_MAX + who.size + value.size);
    if (at == NULL) {
        return writer->err;
    }
    at = put_writer(writer, at, &stamp->actor, who);
    at = put_time(writer, at, stamp->time);
    if (depth == CRDT_FIELD) {
        memcpy(at, value.data, value.size);
        at += value.size;
    }
    wrote(writer, at);
    return writer->err;
}

crdt_err crdt_answer_write_finish(crdt_answer_writer *writer)
{
    end_log(writer);
    write_uint(writer, KEY_END);
    names_close(writer->names, writer->out->alloc);
    names_close(writer->writers, writer->out->alloc);
    crdt_version_deinit(&writer->actors);
    writer->names = NULL;
    writer->writers = NULL;
    if (writer->err != CRDT_OK) {
        writer->out->size = writer->begin;
    }
    return writer->err;
}

/* ---- reading: the head ---- */

struct crdt_answer_who {
    uint32_t actor_index;
    crdt_span who;
};

struct crdt_answer_row {
    crdt_deps_row row; /* `after` is set when it is handed out */
    crdt_version after;
};

static void *take(crdt_answer_reader *r, size_t count, size_t size)
{
    if (r->in.err != CRDT_OK) {
        return NULL;
    }
    void *ptr = crdt_arena_alloc(r->arena, count * size);
    if (ptr == NULL) {
        crdt_msgpack_fail(&r->in, CRDT_ENOMEM, "no memory for the tables of an answer");
    }
    return ptr;
}

/* One time for each actor, into `times` (may be NULL) and `version` (a view of the arena).
 * With `upper`, coded as write_times has it. */
static void read_times(crdt_answer_reader *r, uint64_t *times, crdt_version *version,
                       const uint64_t *upper)
{
    crdt_stamp *stamps = take(r, r->actor_count, sizeof *stamps);
    size_t count = 0;
    for (size_t i = 0; i < r->actor_count && r->in.err == CRDT_OK; i++) {
        uint64_t limit = upper != NULL ? upper[i] : CRDT_TIME_MAX;
        uint64_t time = crdt_msgpack_read_uint(&r->in, limit);
        if (upper != NULL && time != 0) {
            time = 1 + upper[i] - time;
        }
        if (times != NULL) {
            times[i] = time;
        }
        if (time != 0 && r->in.err == CRDT_OK) {
            stamps[count++] = (crdt_stamp){.time = time, .actor = r->actors[i]};
        }
    }
    *version =
        (crdt_version){.stamps = stamps, .stamp_count = count, .stamp_capacity = count};
}

static void read_actors(crdt_answer_reader *r)
{
    crdt_span bytes = crdt_msgpack_read_bin(&r->in, SIZE_MAX);
    if (bytes.size % ACTOR_SIZE != 0) {
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "table of actors has a broken row");
        return;
    }
    crdt_actor *actors = take(r, bytes.size / ACTOR_SIZE, sizeof *actors);
    if (actors == NULL) {
        return;
    }
    for (size_t i = 0; i < bytes.size / ACTOR_SIZE; i++) {
        memcpy(actors[i].bytes, bytes.data + i * ACTOR_SIZE, ACTOR_SIZE);
        if (i > 0 && crdt_actor_compare(&actors[i - 1], &actors[i]) >= 0) {
            crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "actors are not in order");
            return;
        }
    }
    r->actors = actors;
    r->actor_count = bytes.size / ACTOR_SIZE;
}

/* An index into the table of actors; 0 after an error. */
static uint32_t read_actor_index(crdt_answer_reader *r)
{
    const uint8_t *before = r->in.at;
    uint64_t index = crdt_msgpack_read_uint(&r->in, UINT32_MAX);
    if (r->in.err == CRDT_OK && index >= r->actor_count) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "no such actor in the table");
        return 0;
    }
    return (uint32_t)index;
}

static void read_deps_rows(crdt_answer_reader *r)
{
    size_t count = crdt_msgpack_read_count(&r->in, SIZE_MAX, 4 + r->actor_count);
    struct crdt_answer_row *rows = take(r, count, sizeof *rows);
    for (size_t i = 0; i < count && r->in.err == CRDT_OK; i++) {
        uint32_t author = read_actor_index(r);
        if (r->in.err != CRDT_OK) {
            return;
        }
        rows[i].row.actor = r->actors[author];
        const uint8_t *before = r->in.at;
        rows[i].row.last_time =
            crdt_msgpack_read_uint(&r->in, r->version_times[author]);
        if (r->in.err == CRDT_OK && rows[i].row.last_time == 0) {
            r->in.at = before;
            crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "time 0 of a last batch");
            return;
        }
        rows[i].row.who = crdt_msgpack_read_str(&r->in, CRDT_NAME_SIZE_MAX);
        rows[i].row.wall_ms = crdt_msgpack_read_uint(&r->in, UINT64_MAX);
        read_times(r, NULL, &rows[i].after, r->version_times);
    }
    r->deps_rows = rows;
    r->deps_count = count;
}

crdt_err crdt_answer_read_open(crdt_answer_reader *reader, crdt_span bytes,
                               crdt_arena *arena, crdt_diag *diag)
{
    *reader = (crdt_answer_reader){
        .in = crdt_msgpack_read_open(bytes, diag), .arena = arena, .log_open = true};
    uint64_t format = crdt_msgpack_read_uint(&reader->in, UINT64_MAX);
    if (reader->in.err == CRDT_OK && format != ANSWER_FORMAT) {
        reader->in.at = reader->in.begin;
        return crdt_msgpack_fail(&reader->in, CRDT_EVERSION, "unknown answer format");
    }
    reader->full = crdt_msgpack_read_bool(&reader->in);
    read_actors(reader);
    uint64_t *times = take(reader, reader->actor_count, sizeof *times);
    read_times(reader, times, &reader->version, NULL);
    reader->version_times = times;
    times = take(reader, reader->actor_count, sizeof *times);
    read_times(reader, times, &reader->since, NULL);
    reader->since_times = times;
    if (reader->full) {
        read_times(reader, NULL, &reader->floor, NULL);
    }
    if (reader->in.err == CRDT_OK &&
        !crdt_version_includes(&reader->version, &reader->floor)) {
        crdt_msgpack_fail(&reader->in, CRDT_ECORRUPT, "floor is above the version");
    }
    if (reader->in.err == CRDT_OK) {
        read_deps_rows(reader);
    }
    reader->items_at = reader->in.at;
    return reader->in.err;
}

bool crdt_answer_read_deps(const crdt_answer_reader *reader, size_t *index,
                           crdt_deps_row *row)
{
    if (*index >= reader->deps_count) {
        return false;
    }
    const struct crdt_answer_row *from = &reader->deps_rows[(*index)++];
    *row = from->row;
    row->after = &from->after;
    return true;
}

/* ---- reading: the items ---- */

/* Room for one more element of an array in the arena; doubles it. */
static void *grow(crdt_answer_reader *r, void *array, size_t count, size_t *capacity,
                  size_t size)
{
    if (count < *capacity) {
        return array;
    }
    size_t wider = *capacity == 0 ? 16 : *capacity * 2;
    void *moved = take(r, wider, size);
    if (moved != NULL) {
        if (count > 0) {
            memcpy(moved, array, count * size);
        }
        *capacity = wider;
    }
    return moved;
}

/* A name, or the index of one that was given before. */
static crdt_span read_name_ref(crdt_answer_reader *r, uint32_t *index)
{
    if (crdt_msgpack_at_uint(&r->in)) {
        const uint8_t *before = r->in.at;
        uint64_t number = crdt_msgpack_read_uint(&r->in, UINT32_MAX);
        if (r->in.err == CRDT_OK && number >= r->name_count) {
            r->in.at = before;
            crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "no such name in the table");
        }
        if (r->in.err != CRDT_OK) {
            return (crdt_span){0};
        }
        *index = (uint32_t)number;
        return r->names[number];
    }
    crdt_span name = crdt_msgpack_read_name(&r->in, CRDT_NAME_SIZE_MAX);
    if (r->in.err != CRDT_OK) {
        return name;
    }
    crdt_span *names =
        grow(r, r->names, r->name_count, &r->name_capacity, sizeof *r->names);
    if (names != NULL) {
        r->names = names;
        *index = (uint32_t)r->name_count;
        r->names[r->name_count++] = name;
    }
    return name;
}

/* A time as put_time wrote it, of actor `index`, and not above the version. */
static void read_stamp(crdt_answer_reader *r, uint32_t index, uint64_t before,
                       crdt_stamp *stamp)
{
    const uint8_t *at = r->in.at;
    int64_t step = crdt_msgpack_read_int(&r->in);
    if (r->in.err != CRDT_OK) {
        return;
    }
    /* Both below 2^48 in magnitude where they are right, so no sum overflows. */
    bool sane = step > -(int64_t)CRDT_TIME_MAX && step <= (int64_t)CRDT_TIME_MAX;
    int64_t time = sane ? (int64_t)before + step : 0;
    if (time < 1 || (uint64_t)time > r->version_times[index]) {
        r->in.at = at;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "stamp is not covered by the version");
        return;
    }
    *stamp = (crdt_stamp){.time = (uint64_t)time, .actor = r->actors[index]};
}

/* Each returns with the reader's error set, or the item filled. */
static void read_log(crdt_answer_reader *r, uint64_t head, crdt_answer_item *item)
{
    crdt_depth depth = (crdt_depth)(head & 3);
    bool same = (head & LOG_SAME) != 0;
    if (depth == 0 || (same && !r->log_any)) {
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "bad head of a log record");
        return;
    }
    *item = (crdt_answer_item){.type = CRDT_ANSWER_LOG};
    item->actor_index = read_actor_index(r);
    if (r->in.err != CRDT_OK) {
        return;
    }
    const uint8_t *before = r->in.at;
    crdt_stamp last = r->stamp;
    read_stamp(r, item->actor_index, last.time, &r->stamp);
    if (r->in.err != CRDT_OK) {
        return;
    }
    item->stamp = r->stamp;
    item->fresh = r->stamp.time > r->since_times[item->actor_index];
    if (r->log_any && crdt_stamp_compare(&last, &r->stamp) >= 0) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "log records are not in order");
        return;
    }
    if (!r->full && !item->fresh) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "log record is not above since");
        return;
    }
    const uint8_t *name_at = r->in.at;
    crdt_span object =
        same ? r->key.object : crdt_msgpack_read_name(&r->in, CRDT_NAME_SIZE_MAX);
    if (!same && r->log_any && r->in.err == CRDT_OK &&
        crdt_span_equal(object, r->key.object)) {
        r->in.at = name_at;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "object is named again");
    }
    r->key = (crdt_key){.depth = depth, .object = object};
    if (depth >= CRDT_PART) {
        r->key.part = read_name_ref(r, &item->part_name);
    }
    if (depth >= CRDT_FIELD) {
        r->key.field = read_name_ref(r, &item->field_name);
    }
    r->log_any = true;
    item->key = r->key;
}

/* Is the key in its place: under a parent, after its elder, and a child where one is
 * due? */
static bool key_in_order(const crdt_answer_reader *r, crdt_depth depth, crdt_span name)
{
    if (r->child_due != 0 && depth != r->child_due) {
        return false;
    }
    switch (depth) {
    case CRDT_OBJECT:
        return r->key.depth == 0 || crdt_span_compare(r->key.object, name) < 0;
    case CRDT_PART:
        return r->key.depth == CRDT_OBJECT ||
               (r->key.depth > CRDT_OBJECT && crdt_span_compare(r->key.part, name) < 0);
    case CRDT_FIELD:
        return r->key.depth == CRDT_PART || (r->key.depth == CRDT_FIELD &&
                                             crdt_span_compare(r->key.field, name) < 0);
    }
    return false;
}

static void read_key(crdt_answer_reader *r, uint64_t head, crdt_answer_item *item)
{
    const uint8_t *before = r->in.at;
    crdt_depth depth = (crdt_depth)(head % KEY_STEP + 1);
    uint64_t count = head / KEY_STEP;
    uint32_t index = 0;
    crdt_span name = depth == CRDT_OBJECT
                         ? crdt_msgpack_read_name(&r->in, CRDT_NAME_SIZE_MAX)
                         : read_name_ref(r, &index);
    if (r->in.err != CRDT_OK) {
        return;
    }
    if (!key_in_order(r, depth, name) || (depth == CRDT_FIELD && count == 0)) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "keys are not in order");
        return;
    }
    if (count > (size_t)(r->in.end - r->in.at)) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "count is more than the bytes hold");
        return;
    }
    r->key.depth = depth;
    if (depth == CRDT_OBJECT) {
        r->key.object = name;
        r->key.part = (crdt_span){0};
        r->key.field = (crdt_span){0};
    } else if (depth == CRDT_PART) {
        r->key.part = name;
        r->key.field = (crdt_span){0};
        r->part_name = index;
    } else {
        r->key.field = name;
        r->field_name = index;
    }
    r->entries_left = (size_t)count;
    r->first_of_key = true;
    r->child_due = count == 0 ? (crdt_depth)(depth + 1) : 0;
    *item = (crdt_answer_item){.type = CRDT_ANSWER_KEY,
                               .key = r->key,
                               .part_name = r->part_name,
                               .field_name = r->field_name,
                               .entry_count = r->entries_left};
}

/* A known pair of actor and person, or a new one with what it is. */
static uint32_t read_writer(crdt_answer_reader *r)
{
    const uint8_t *before = r->in.at;
    uint64_t index = crdt_msgpack_read_uint(&r->in, UINT32_MAX);
    if (r->in.err == CRDT_OK && index > r->writer_count) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "no such writer in the table");
    }
    if (r->in.err != CRDT_OK || index < r->writer_count) {
        return (uint32_t)index;
    }
    struct crdt_answer_who added = {.actor_index = read_actor_index(r)};
    added.who = crdt_msgpack_read_str(&r->in, CRDT_NAME_SIZE_MAX);
    struct crdt_answer_who *writers =
        r->in.err != CRDT_OK ? NULL
                             : grow(r, r->writers, r->writer_count, &r->writer_capacity,
                                    sizeof *r->writers);
    if (writers != NULL) {
        r->writers = writers;
        r->writers[r->writer_count++] = added;
    }
    return (uint32_t)index;
}

static crdt_span read_value(crdt_answer_reader *r)
{
    if (!r->checked) {
        return crdt_msgpack_read_value(&r->in);
    }
    crdt_value_reader value = {.at = r->in.at, .end = r->in.end};
    crdt_span span = crdt_value_read_span(&value);
    r->in.at = value.at;
    return span;
}

static void read_entry(crdt_answer_reader *r, crdt_answer_item *item)
{
    uint32_t writer = read_writer(r);
    if (r->in.err != CRDT_OK) {
        return;
    }
    const uint8_t *before = r->in.at;
    uint32_t actor = r->writers[writer].actor_index;
    crdt_stamp last = r->stamp;
    read_stamp(r, actor, last.time, &r->stamp);
    if (r->in.err != CRDT_OK) {
        return;
    }
    if (!r->first_of_key && crdt_stamp_compare(&last, &r->stamp) <= 0) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "entries are not in order");
        return;
    }
    r->first_of_key = false;
    r->entries_left--;
    *item = (crdt_answer_item){.type = CRDT_ANSWER_ENTRY,
                               .key = r->key,
                               .part_name = r->part_name,
                               .field_name = r->field_name,
                               .stamp = r->stamp,
                               .actor_index = actor,
                               .writer = writer,
                               .who = r->writers[writer].who,
                               .fresh = r->stamp.time > r->since_times[actor]};
    if (r->key.depth == CRDT_FIELD) {
        item->value = read_value(r);
    }
}

crdt_err crdt_answer_read_next(crdt_answer_reader *reader, crdt_answer_item *item)
{
    crdt_answer_reader *r = reader;
    if (r->ended) {
        *item = (crdt_answer_item){.type = CRDT_ANSWER_END};
        return CRDT_OK;
    }
    if (r->entries_left > 0) {
        read_entry(r, item);
        return r->in.err;
    }
    uint64_t head = crdt_msgpack_read_uint(&r->in, r->log_open ? LOG_SAME + CRDT_FIELD
                                                               : UINT64_MAX);
    if (r->log_open && r->in.err == CRDT_OK) {
        if (head != LOG_END) {
            read_log(r, head, item);
            return r->in.err;
        }
        r->log_open = false;
        r->key = (crdt_key){.depth = (crdt_depth)0};
        head = crdt_msgpack_read_uint(&r->in, UINT64_MAX);
    }
    if (r->in.err != CRDT_OK) {
        return r->in.err;
    }
    if (head % KEY_STEP != KEY_END) {
        read_key(r, head, item);
        return r->in.err;
    }
    if (head != KEY_END || r->child_due != 0) {
        return crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "answer ends out of place");
    }
    if (crdt_msgpack_read_end(&r->in) == CRDT_OK) {
        r->ended = true;
        *item = (crdt_answer_item){.type = CRDT_ANSWER_END};
    }
    return r->in.err;
}

void crdt_answer_read_rewind(crdt_answer_reader *reader)
{
    assert(reader->ended);
    reader->in.at = reader->items_at;
    reader->name_count = 0;
    reader->writer_count = 0;
    reader->key = (crdt_key){.depth = (crdt_depth)0};
    reader->part_name = 0;
    reader->field_name = 0;
    reader->stamp = (crdt_stamp){.time = 0};
    reader->log_any = false;
    reader->log_open = true;
    reader->ended = false;
    reader->checked = true;
}

crdt_err crdt_answer_peek(crdt_span answer, crdt_version *since, crdt_version *version,
                          bool *full, crdt_diag *diag)
{
    crdt_arena arena;
    crdt_arena_init(&arena, since->alloc);
    crdt_answer_reader reader;
    crdt_err err = crdt_answer_read_open(&reader, answer, &arena, diag);
    if (err == CRDT_OK) {
        err = crdt_version_copy(since, &reader.since);
    }
    if (err == CRDT_OK) {
        err = crdt_version_copy(version, &reader.version);
    }
    if (err == CRDT_OK) {
        *full = reader.full;
    }
    crdt_arena_deinit(&arena);
    return err;
}
