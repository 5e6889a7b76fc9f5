#include "crdt/answer_form.h"
#include "crdt/value.h"
#include "crdt/zstd.h"

#include <assert.h>
#include <string.h>

/* ---- names and writers ---- */

struct crdt_answer_who {
    uint32_t actor_index;
    crdt_span who;
};

/* Room for one more element of an array in the arena; doubles it. */
static void *grow(crdt_answer_reader *r, void *array, size_t count, size_t *capacity,
                  size_t size)
{
    if (count < *capacity) {
        return array;
    }
    size_t wider = *capacity == 0 ? 16 : *capacity * 2;
    void *moved = crdt_answer_take(r, wider, size);
    if (moved != NULL) {
        if (count > 0) {
            memcpy(moved, array, count * size);
        }
        *capacity = wider;
    }
    return moved;
}

/* Most numbers are below 128. */
static uint64_t read_uint(crdt_answer_reader *r, uint64_t max)
{
    if (r->in.at < r->in.end && *r->in.at < 0x80 && *r->in.at <= max) {
        return *r->in.at++; /* after an error too, where nobody looks at it */
    }
    return crdt_msgpack_read_uint(&r->in, max);
}

/* A name, or the index of one that was given before. */
static uint32_t read_name_ref(crdt_answer_reader *r)
{
    if (crdt_msgpack_at_uint(&r->in)) {
        const uint8_t *before = r->in.at;
        uint64_t number = crdt_msgpack_read_uint(&r->in, UINT32_MAX);
        if (r->in.err == CRDT_OK && number >= r->name_count) {
            r->in.at = before;
            crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "no such name in the table");
        }
        return r->in.err == CRDT_OK ? (uint32_t)number : 0;
    }
    crdt_span name = crdt_msgpack_read_name(&r->in, CRDT_NAME_SIZE_MAX);
    crdt_span *names = r->in.err != CRDT_OK ? NULL
                                            : grow(r, r->names, r->name_count,
                                                   &r->name_capacity, sizeof *r->names);
    if (names == NULL) {
        return 0;
    }
    r->names = names;
    r->names[r->name_count] = name;
    return (uint32_t)r->name_count++;
}

/* A known pair of actor and person, or a new one with what it is; another than the last
 * one in any case. */
static void read_writer(crdt_answer_reader *r)
{
    const uint8_t *before = r->in.at;
    uint64_t index = crdt_msgpack_read_uint(&r->in, UINT32_MAX);
    if (r->in.err == CRDT_OK &&
        (index > r->writer_count || (r->writer_any && index == r->item.writer))) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT,
                          "no such writer in the table, or the one before");
    }
    if (r->in.err == CRDT_OK && index == r->writer_count) {
        struct crdt_answer_who added = {.actor_index = crdt_answer_read_actor(r)};
        added.who = crdt_msgpack_read_str(&r->in, CRDT_NAME_SIZE_MAX);
        struct crdt_answer_who *writers =
            r->in.err != CRDT_OK ? NULL
                                 : grow(r, r->writers, r->writer_count,
                                        &r->writer_capacity, sizeof *r->writers);
        if (writers != NULL) {
            r->writers = writers;
            r->writers[r->writer_count++] = added;
        }
    }
    if (r->in.err == CRDT_OK) {
        r->writer_any = true;
        r->item.writer = (uint32_t)index;
        r->item.actor_index = r->writers[index].actor_index;
        r->item.who = r->writers[index].who;
    }
}

/* The time behind `folded`, of the item's actor; into item.stamp. `at`: where it stands. */
static void take_stamp(crdt_answer_reader *r, const uint8_t *at, uint64_t folded,
                       uint64_t base)
{
    uint64_t time = crdt_answer_unfold_step(folded, base);
    if (time == 0 || time > r->version_times[r->item.actor_index]) {
        r->in.at = at;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "stamp is not covered by the version");
        return;
    }
    r->item.stamp = (crdt_stamp){.time = time, .actor = r->actors[r->item.actor_index]};
    r->item.fresh = time > r->since_times[r->item.actor_index];
}

/* ---- the log ---- */

static void read_log_key(crdt_answer_reader *r, crdt_depth depth, bool same)
{
    crdt_answer_item *item = &r->item;
    const uint8_t *name_at = r->in.at;
    crdt_span object =
        same ? item->key.object : crdt_msgpack_read_name(&r->in, CRDT_NAME_SIZE_MAX);
    if (!same && r->log_any && r->in.err == CRDT_OK &&
        crdt_span_equal(object, item->key.object)) {
        r->in.at = name_at;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "object is named again");
    }
    item->key = (crdt_key){.depth = depth, .object = object};
    if (depth >= CRDT_PART) {
        item->part_name = read_name_ref(r);
    }
    if (depth >= CRDT_FIELD) {
        item->field_name = read_name_ref(r);
    }
    if (r->in.err == CRDT_OK && depth >= CRDT_PART) {
        item->key.part = r->names[item->part_name];
    }
    if (r->in.err == CRDT_OK && depth >= CRDT_FIELD) {
        item->key.field = r->names[item->field_name];
    }
}

static void read_log(crdt_answer_reader *r, uint64_t head)
{
    const crdt_depth depth = (crdt_depth)(head & 3);
    const bool same = (head & CRDT_ANSWER_LOG_SAME) != 0;
    if (depth == 0 || (same && !r->log_any)) {
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "bad head of a log record");
        return;
    }
    crdt_answer_item *item = &r->item;
    item->type = CRDT_ANSWER_LOG;
    item->actor_index = crdt_answer_read_actor(r);
    const uint8_t *before = r->in.at;
    const crdt_stamp last = item->stamp;
    uint64_t folded = read_uint(r, CRDT_ANSWER_STEP_MAX);
    if (r->in.err == CRDT_OK) {
        take_stamp(r, before, folded, r->times[0]);
    }
    if (r->in.err == CRDT_OK && r->log_any &&
        crdt_stamp_compare(&last, &item->stamp) >= 0) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "log records are not in order");
    }
    if (r->in.err == CRDT_OK && !r->full && !item->fresh) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "log record is not above since");
    }
    if (r->in.err == CRDT_OK) {
        r->times[0] = item->stamp.time;
        read_log_key(r, depth, same);
        r->log_any = true;
    }
}

static void end_log(crdt_answer_reader *r)
{
    r->log_open = false;
    for (size_t depth = 1; depth < 4; depth++) {
        r->times[depth] = r->times[0];
    }
}

/* ---- shapes ---- */

/* A part or field that objects of a shape have. */
struct crdt_answer_shape_key {
    uint32_t depth : 2;
    uint32_t entry_count : 30;
    uint32_t name;
};

struct crdt_answer_shape {
    uint32_t entry_count; /* of the object itself */
    size_t key_begin;     /* in shape_keys */
    size_t key_end;
};

#define ENTRY_COUNT_MAX ((1u << 30) - 1)

/* What was read of a shape: the elder of the next part and of the next field, and whether
 * a child must come because its parent has no entry. */
typedef struct lineage {
    crdt_depth depth; /* of the last key */
    crdt_depth due;   /* 0: none */
    bool part_any;
    bool field_any;
    uint32_t part;
    uint32_t field;
} lineage;

/* Is the key in its place: under a parent, after its elder, and a child where one is
 * due? */
static bool in_order(const crdt_answer_reader *r, lineage *line, crdt_depth depth,
                     uint32_t name, size_t entry_count)
{
    if (line->due != 0 && depth != line->due) {
        return false;
    }
    bool good;
    if (depth == CRDT_PART) {
        good = !line->part_any ||
               crdt_span_compare(r->names[line->part], r->names[name]) < 0;
        line->part = name;
        line->part_any = true;
        line->field_any = false;
    } else {
        good = line->depth >= CRDT_PART && entry_count > 0 &&
               (!line->field_any ||
                crdt_span_compare(r->names[line->field], r->names[name]) < 0);
        line->field = name;
        line->field_any = true;
    }
    line->depth = depth;
    line->due = entry_count == 0 ? (crdt_depth)(depth + 1) : 0;
    return good;
}

/* One key of a shape, at shape_keys[at]. False at the shape's end, and after an error. */
static bool read_shape_key(crdt_answer_reader *r, lineage *line, size_t at)
{
    const uint8_t *before = r->in.at;
    uint64_t head = read_uint(r, UINT32_MAX);
    if (r->in.err == CRDT_OK && head == CRDT_ANSWER_SHAPE_END && line->due == 0) {
        return false;
    }
    const crdt_depth depth = (crdt_depth)(head % CRDT_ANSWER_KEY_STEP + 1);
    const size_t entry_count = (size_t)(head / CRDT_ANSWER_KEY_STEP);
    uint32_t name = 0;
    if (r->in.err == CRDT_OK && (depth == CRDT_PART || depth == CRDT_FIELD)) {
        name = read_name_ref(r);
    }
    if (r->in.err != CRDT_OK) {
        return false;
    }
    if ((depth != CRDT_PART && depth != CRDT_FIELD) || entry_count > ENTRY_COUNT_MAX ||
        !in_order(r, line, depth, name, entry_count)) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "keys are not in order");
        return false;
    }
    struct crdt_answer_shape_key *keys =
        grow(r, r->shape_keys, at, &r->shape_key_capacity, sizeof *keys);
    if (keys == NULL) {
        return false;
    }
    r->shape_keys = keys;
    keys[at] = (struct crdt_answer_shape_key){.depth = (unsigned)depth & 3u,
                                              .entry_count = entry_count & 0x3fffffffu,
                                              .name = name};
    return true;
}

/* A new shape, which is remembered if it may be. */
static void read_definition(crdt_answer_reader *r, struct crdt_answer_shape *shape)
{
    *shape = (struct crdt_answer_shape){.key_begin = r->shape_key_count,
                                        .key_end = r->shape_key_count};
    shape->entry_count = (uint32_t)read_uint(r, ENTRY_COUNT_MAX);
    lineage line = {.depth = CRDT_OBJECT,
                    .due = shape->entry_count == 0 ? CRDT_PART : (crdt_depth)0};
    while (r->in.err == CRDT_OK && read_shape_key(r, &line, shape->key_end)) {
        shape->key_end++;
    }
    if (r->in.err != CRDT_OK || r->shape_count == CRDT_ANSWER_SHAPES_MAX ||
        shape->key_end - shape->key_begin > CRDT_ANSWER_SHAPE_KEYS_MAX) {
        return;
    }
    struct crdt_answer_shape *shapes =
        grow(r, r->shapes, r->shape_count, &r->shape_capacity, sizeof *shapes);
    if (shapes != NULL) {
        r->shapes = shapes;
        shapes[r->shape_count++] = *shape;
        r->shape_key_count = shape->key_end;
    }
}

/* ---- objects ---- */

/* `count` entries of the key at hand follow: a byte each at least. */
static void begin_key(crdt_answer_reader *r, crdt_depth depth, size_t count)
{
    if (count > (size_t)(r->in.end - r->in.at)) {
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "count is more than the bytes hold");
        return;
    }
    r->item.type = CRDT_ANSWER_KEY;
    r->item.key.depth = depth;
    r->item.entry_count = count;
    r->entries_left = count;
    r->first_of_key = true;
}

static void read_object(crdt_answer_reader *r, uint64_t head)
{
    const uint8_t *before = r->in.at;
    crdt_span name = crdt_msgpack_read_name(&r->in, CRDT_NAME_SIZE_MAX);
    if (r->in.err == CRDT_OK && r->object_any &&
        crdt_span_compare(r->item.key.object, name) >= 0) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "objects are not in order");
    }
    if (r->in.err != CRDT_OK) {
        return;
    }
    struct crdt_answer_shape shape = {0};
    if (head - 1 < r->shape_count) {
        shape = r->shapes[head - 1];
    } else if (head - 1 == r->shape_count) {
        read_definition(r, &shape);
    } else {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "no such shape in the table");
    }
    if (r->in.err == CRDT_OK) {
        r->object_any = true;
        r->item.key.object = name;
        r->key_at = shape.key_begin;
        r->key_end = shape.key_end;
        begin_key(r, CRDT_OBJECT, shape.entry_count);
    }
}

static void read_key(crdt_answer_reader *r)
{
    const struct crdt_answer_shape_key *key = &r->shape_keys[r->key_at++];
    if (key->depth == CRDT_PART) {
        r->item.key.part = r->names[key->name];
        r->item.part_name = key->name;
    } else {
        r->item.key.field = r->names[key->name];
        r->item.field_name = key->name;
    }
    begin_key(r, (crdt_depth)key->depth, key->entry_count);
}

static crdt_span read_value(crdt_answer_reader *r)
{
    if (r->brief_values) {
        r->room.at = r->value;
        r->room.left = sizeof r->value;
    }
    return crdt_vector_read(&r->in, &r->room);
}

static void read_entry(crdt_answer_reader *r)
{
    crdt_answer_item *item = &r->item;
    const uint8_t *before = r->in.at;
    const crdt_stamp last = item->stamp;
    uint64_t token = read_uint(r, CRDT_ANSWER_STEP_MAX * 2 + 1);
    if (token % 2 == 1) {
        read_writer(r);
    } else if (!r->writer_any) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "the first entry has no writer");
    }
    if (r->in.err != CRDT_OK) {
        return;
    }
    item->actor_index = r->writers[item->writer].actor_index;
    take_stamp(r, before, token / 2, r->times[item->key.depth]);
    if (r->in.err != CRDT_OK) {
        return;
    }
    if (!r->first_of_key && crdt_stamp_compare(&last, &item->stamp) <= 0) {
        r->in.at = before;
        crdt_msgpack_fail(&r->in, CRDT_ECORRUPT, "entries are not in order");
        return;
    }
    for (size_t depth = item->key.depth; depth < 4; depth++) {
        r->times[depth] = item->stamp.time;
    }
    r->first_of_key = false;
    r->entries_left--;
    item->type = CRDT_ANSWER_ENTRY;
    item->value =
        item->key.depth == CRDT_FIELD ? read_value(r) : (crdt_span){.data = NULL};
}

/* ---- steps ---- */

/* From here on `in` reads the items. */
static void unpack(crdt_answer_reader *r)
{
    uint8_t *bytes = crdt_answer_take(r, r->unpacked_size, 1);
    if (bytes == NULL) {
        return;
    }
    crdt_err err = crdt_zstd_unpack(r->frame, r->arena->alloc, bytes, r->unpacked_size);
    if (err != CRDT_OK) {
        crdt_msgpack_fail(&r->in, err, "the frame cannot be unpacked");
        return;
    }
    r->in = crdt_msgpack_read_open((crdt_span){bytes, r->unpacked_size}, r->in.diag);
    r->items_at = bytes;
}

static void begin_items(crdt_answer_reader *r)
{
    r->items_open = true;
    r->room = crdt_vector_room_open(r->arena);
    if (r->is_packed) {
        r->frame_offset = (uint64_t)(r->items_at - r->in.begin);
        r->in.at = r->items_at;
        unpack(r);
    }
}

static void read_end(crdt_answer_reader *r)
{
    if (crdt_msgpack_read_end(&r->in) == CRDT_OK) {
        r->ended = true;
        r->item.type = CRDT_ANSWER_END;
    }
}

static void read_item(crdt_answer_reader *r)
{
    if (r->entries_left > 0) {
        read_entry(r);
        return;
    }
    if (r->key_at < r->key_end) {
        read_key(r);
        return;
    }
    uint64_t head = read_uint(r, r->log_open ? CRDT_ANSWER_LOG_SAME + CRDT_FIELD
                                             : CRDT_ANSWER_SHAPES_MAX + 1);
    if (r->log_open && r->in.err == CRDT_OK) {
        if (head != CRDT_ANSWER_LOG_END) {
            read_log(r, head);
            return;
        }
        end_log(r);
        head = read_uint(r, CRDT_ANSWER_SHAPES_MAX + 1);
    }
    if (r->in.err != CRDT_OK) {
        return;
    }
    if (head == CRDT_ANSWER_OBJECTS_END) {
        read_end(r);
    } else {
        read_object(r, head);
    }
}

crdt_err crdt_answer_read_step(crdt_answer_reader *reader)
{
    crdt_answer_reader *r = reader;
    if (r->in.err == CRDT_OK && !r->items_open) {
        begin_items(r);
    }
    if (r->in.err == CRDT_OK && !r->ended) {
        read_item(r);
    }
    if (r->in.err != CRDT_OK && r->is_packed && r->in.diag != NULL) {
        r->in.diag->offset = r->frame_offset;
    }
    return r->in.err;
}

crdt_err crdt_answer_read_next(crdt_answer_reader *reader, crdt_answer_item *item)
{
    crdt_err err = crdt_answer_read_step(reader);
    *item = reader->item;
    return err;
}

void crdt_answer_read_rewind(crdt_answer_reader *reader)
{
    assert(reader->ended);
    reader->in.at = reader->items_at;
    reader->name_count = 0;
    reader->writer_count = 0;
    reader->shape_count = 0;
    reader->shape_key_count = 0;
    memset(reader->times, 0, sizeof reader->times);
    reader->item = (crdt_answer_item){0};
    reader->writer_any = false;
    reader->object_any = false;
    reader->log_any = false;
    reader->log_open = true;
    reader->ended = false;
}
