#include "crdt/op_codec.h"
#include "crdt/value.h"
#include "crdt/well_known.h"

#include <assert.h>
#include <string.h>

/* Head of an operation: kind in the lowest two bits, then CRDT_KEY_HAS_*, then whether an
 * ADD or REMOVE is of a part. */
#define OP_KIND_MASK 3u
#define OP_OF_PART 16u
#define OP_HEAD_MAX                                                                    \
    (OP_KIND_MASK | CRDT_KEY_HAS_OBJECT | CRDT_KEY_HAS_PART | OP_OF_PART)
/* Or, for a SET of a well-known field of the last part: this, whether an object follows,
 * and the name's index. What most operations are. */
#define OP_SHORT_SET 0x80u
#define OP_SHORT_HAS_OBJECT 0x40u /* 16 * CRDT_KEY_HAS_OBJECT */
#define OP_SHORT_NAME_MASK 0x3fu

static_assert(CRDT_WELL_KNOWN_FIELD_COUNT == OP_SHORT_NAME_MASK + 1, "six bits");

void crdt_key_coder_init(crdt_key_coder *coder)
{
    coder->object_any = false;
    coder->part = crdt_well_known_names[0];
    coder->name_count = 0;
}

/* ---- names ---- */

/* The slot of `name`: where it is, or the free one where it would be. */
static size_t find_slot(const crdt_key_coder *coder, crdt_span name, size_t slot)
{
    for (;; slot++) {
        slot %= sizeof coder->slots;
        uint8_t index = coder->slots[slot];
        if (index == 0 || crdt_span_equal(coder->names[index - 1], name)) {
            return slot;
        }
    }
}

/* The index of a well-known name; CRDT_WELL_KNOWN_COUNT for others. */
static inline size_t find_well_known(crdt_span name)
{
    return crdt_well_known_find(name, crdt_well_known_hash(name));
}

/* The index of `name`; SIZE_MAX: it has none yet. */
static size_t find_name(const crdt_key_coder *coder, crdt_span name)
{
    uint8_t hash = crdt_well_known_hash(name);
    size_t index = crdt_well_known_find(name, hash);
    if (index < CRDT_WELL_KNOWN_COUNT) {
        return index;
    }
    uint8_t known =
        coder->name_count == 0 ? 0 : coder->slots[find_slot(coder, name, hash)];
    return known == 0 ? SIZE_MAX : CRDT_WELL_KNOWN_COUNT + known - 1u;
}

/* Give an index to a name that has none. */
static void learn_name(crdt_key_coder *coder, crdt_span name)
{
    if (coder->name_count == CRDT_KEY_NAME_MAX) {
        return;
    }
    if (coder->name_count == 0) {
        memset(coder->slots, 0, sizeof coder->slots);
    }
    size_t slot = find_slot(coder, name, crdt_well_known_hash(name));
    coder->names[coder->name_count++] = name;
    coder->slots[slot] = (uint8_t)coder->name_count;
}

bool crdt_key_coder_learns(const crdt_key_coder *coder, crdt_span name)
{
    return coder->name_count < CRDT_KEY_NAME_MAX && find_name(coder, name) == SIZE_MAX;
}

/* ---- keys ---- */

unsigned crdt_key_coder_flags(const crdt_key_coder *coder, const crdt_key *key)
{
    unsigned flags = 0;
    if (!coder->object_any || !crdt_span_equal(coder->object, key->object)) {
        flags |= CRDT_KEY_HAS_OBJECT;
    }
    if (key->depth >= CRDT_PART && !crdt_span_equal(coder->part, key->part)) {
        flags |= CRDT_KEY_HAS_PART;
    }
    return flags;
}

size_t crdt_key_coder_size_max(const crdt_key *key)
{
    size_t size = CRDT_MSGPACK_SIZE_MAX + key->object.size;
    if (key->depth >= CRDT_PART) {
        size += CRDT_MSGPACK_SIZE_MAX + key->part.size;
    }
    if (key->depth >= CRDT_FIELD) {
        size += CRDT_MSGPACK_SIZE_MAX + key->field.size;
    }
    return size;
}

static uint8_t *put_object(crdt_key_coder *coder, uint8_t *at, crdt_span object)
{
    coder->object = object;
    coder->object_any = true;
    return crdt_msgpack_put_name(at, object);
}

/* `index` is that of find_name. */
static uint8_t *put_name(crdt_key_coder *coder, uint8_t *at, crdt_span name,
                         size_t index)
{
    if (index != SIZE_MAX) {
        return crdt_msgpack_put_uint(at, index);
    }
    learn_name(coder, name);
    return crdt_msgpack_put_name(at, name);
}

uint8_t *crdt_key_coder_put(crdt_key_coder *coder, uint8_t *at, const crdt_key *key,
                            unsigned flags)
{
    if ((flags & CRDT_KEY_HAS_OBJECT) != 0) {
        at = put_object(coder, at, key->object);
    }
    if ((flags & CRDT_KEY_HAS_PART) != 0) {
        at = put_name(coder, at, key->part, find_name(coder, key->part));
        coder->part = key->part;
    }
    if (key->depth == CRDT_FIELD) {
        at = put_name(coder, at, key->field, find_name(coder, key->field));
    }
    return at;
}

static crdt_span read_name(crdt_key_coder *coder, crdt_msgpack_reader *reader)
{
    const uint8_t *before = reader->at;
    if (crdt_msgpack_at_uint(reader)) {
        uint64_t index = crdt_msgpack_read_uint(reader, UINT64_MAX);
        if (index < CRDT_WELL_KNOWN_COUNT) {
            return crdt_well_known_names[index];
        }
        if (index - CRDT_WELL_KNOWN_COUNT < coder->name_count) {
            return coder->names[index - CRDT_WELL_KNOWN_COUNT];
        }
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "no such name in the table");
        return (crdt_span){0};
    }
    crdt_span name = crdt_msgpack_read_name(reader, CRDT_NAME_SIZE_MAX);
    if (reader->err == CRDT_OK) {
        if (find_name(coder, name) != SIZE_MAX) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "name is in the table already");
            return (crdt_span){0};
        }
        learn_name(coder, name);
    }
    return name;
}

static void read_object(crdt_key_coder *coder, crdt_msgpack_reader *reader,
                        unsigned flags)
{
    if ((flags & CRDT_KEY_HAS_OBJECT) == 0) {
        if (!coder->object_any) {
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "no object before");
        }
        return;
    }
    const uint8_t *before = reader->at;
    crdt_span object = crdt_msgpack_read_name(reader, CRDT_NAME_SIZE_MAX);
    if (coder->object_any && reader->err == CRDT_OK &&
        crdt_span_equal(object, coder->object)) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "object is named again");
    }
    coder->object = object;
    coder->object_any = true;
}

static void read_part(crdt_key_coder *coder, crdt_msgpack_reader *reader,
                      unsigned flags)
{
    if ((flags & CRDT_KEY_HAS_PART) == 0) {
        return;
    }
    const uint8_t *before = reader->at;
    crdt_span part = read_name(coder, reader);
    if (reader->err == CRDT_OK && crdt_span_equal(part, coder->part)) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "part is named again");
    }
    coder->part = part;
}

crdt_key crdt_key_coder_read(crdt_key_coder *coder, crdt_msgpack_reader *reader,
                             crdt_depth depth, unsigned flags)
{
    crdt_key key = {.depth = depth};
    read_object(coder, reader, flags);
    key.object = coder->object;
    if (depth >= CRDT_PART) {
        read_part(coder, reader, flags);
        key.part = coder->part;
    }
    if (depth >= CRDT_FIELD) {
        key.field = read_name(coder, reader);
    }
    return key;
}

/* ---- operations ---- */

static uint8_t *put_op(crdt_key_coder *coder, uint8_t *at, const crdt_op *op)
{
    unsigned flags = crdt_key_coder_flags(coder, &op->key);
    if (op->kind == CRDT_OP_SET && (flags & CRDT_KEY_HAS_PART) == 0) {
        size_t index = find_well_known(op->key.field);
        bool has_object = flags != 0;
        if (index < CRDT_WELL_KNOWN_FIELD_COUNT) {
            *at++ = (uint8_t)(OP_SHORT_SET | index |
                              (has_object ? OP_SHORT_HAS_OBJECT : 0));
            at = has_object ? put_object(coder, at, op->key.object) : at;
            return crdt_vector_put(at, op->value);
        }
    }
    bool of_part = op->key.depth == CRDT_PART;
    *at++ = (uint8_t)(op->kind | flags | (of_part ? OP_OF_PART : 0));
    at = crdt_key_coder_put(coder, at, &op->key, flags);
    return op->kind == CRDT_OP_SET ? crdt_vector_put(at, op->value) : at;
}

crdt_err crdt_op_append(crdt_key_coder *coder, const crdt_op *op, crdt_buf *out)
{
    size_t value_size = op->kind == CRDT_OP_SET ? op->value.size : 0;
    crdt_err err =
        crdt_buf_reserve(out, 1 + crdt_key_coder_size_max(&op->key) + value_size);
    if (err == CRDT_OK) {
        out->size = (size_t)(put_op(coder, out->data + out->size, op) - out->data);
    }
    return err;
}

crdt_err crdt_ops_encode(const crdt_op *ops, size_t op_count, crdt_buf *out)
{
    crdt_err err = crdt_msgpack_append_uint(out, op_count);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_key_coder coder;
    crdt_key_coder_init(&coder);
    for (size_t i = 0; i < op_count && err == CRDT_OK; i++) {
        err = crdt_op_append(&coder, &ops[i], out);
    }
    return err;
}

/* What the head of an operation says. 0: nothing sensible. */
static crdt_depth depth_of_head(unsigned head)
{
    unsigned kind = head & OP_KIND_MASK;
    if (head > OP_HEAD_MAX) {
        return (crdt_depth)0;
    }
    if (kind == CRDT_OP_SET || kind == CRDT_OP_UNSET) {
        return (head & OP_OF_PART) == 0 ? CRDT_FIELD : (crdt_depth)0;
    }
    if ((head & OP_OF_PART) != 0) {
        return CRDT_PART;
    }
    return (head & CRDT_KEY_HAS_PART) == 0 ? CRDT_OBJECT : (crdt_depth)0;
}

static void read_op(crdt_key_coder *coder, crdt_msgpack_reader *reader,
                    crdt_vector_room *room, crdt_op *op)
{
    if (reader->at == reader->end) {
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "the bytes end early");
        return;
    }
    const uint8_t *before = reader->at;
    unsigned head = *reader->at++;
    if ((head & OP_SHORT_SET) != 0) {
        if ((head & OP_SHORT_HAS_OBJECT) != 0 || !coder->object_any) {
            read_object(coder, reader, head / 16 & CRDT_KEY_HAS_OBJECT);
        }
        op->kind = CRDT_OP_SET;
        op->key.depth = CRDT_FIELD;
        op->key.object = coder->object;
        op->key.part = coder->part;
        op->key.field = crdt_well_known_names[head & OP_SHORT_NAME_MASK];
        op->value = crdt_vector_read(reader, room);
        return;
    }
    crdt_depth depth = depth_of_head(head);
    if (depth == 0) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "bad head of an operation");
        return;
    }
    op->kind = (crdt_op_kind)(head & OP_KIND_MASK);
    op->key = crdt_key_coder_read(coder, reader, depth, head);
    op->value = (crdt_span){0};
    if (op->kind == CRDT_OP_SET) {
        if (reader->err == CRDT_OK && (head & CRDT_KEY_HAS_PART) == 0 &&
            find_well_known(op->key.field) < CRDT_WELL_KNOWN_FIELD_COUNT) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "a shorter head says the same");
            return;
        }
        op->value = crdt_vector_read(reader, room);
    }
}

crdt_err crdt_ops_read(crdt_msgpack_reader *reader, size_t count_max, crdt_arena *arena,
                       crdt_op **ops, size_t *op_count)
{
    size_t count = crdt_msgpack_read_count(reader, count_max, 1);
    if (reader->err != CRDT_OK) {
        return reader->err;
    }
    crdt_op *list = crdt_arena_alloc(arena, count * sizeof *list);
    if (list == NULL) {
        return crdt_msgpack_fail(reader, CRDT_ENOMEM, "no memory for the operations");
    }
    crdt_vector_room room = crdt_vector_room_open(arena);
    crdt_key_coder coder;
    crdt_key_coder_init(&coder);
    for (size_t i = 0; i < count && reader->err == CRDT_OK; i++) {
        read_op(&coder, reader, &room, &list[i]);
    }
    *ops = list;
    *op_count = count;
    return reader->err;
}
