#include "crdt/op_codec.h"
#include "crdt/value.h"

#include <assert.h>
#include <string.h>

/* Head of an operation: kind in the lowest two bits, then CRDT_KEY_HAS_*, then whether an
 * ADD or REMOVE is of a part. The rest is kept for later formats. */
#define OP_KIND_MASK 3u
#define OP_OF_PART 16u
#define OP_HEAD_MAX                                                                    \
    (OP_KIND_MASK | CRDT_KEY_HAS_OBJECT | CRDT_KEY_HAS_PART | OP_OF_PART)

void crdt_key_coder_init(crdt_key_coder *coder)
{
    coder->object_any = false;
    coder->part_any = false;
    coder->name_count = 0;
    memset(coder->slots, 0, sizeof coder->slots);
}

/* The slot of `name`: where it is, or the free one where it would be. */
static size_t find_slot(const crdt_key_coder *coder, crdt_span name)
{
    size_t slot = name.size * 31;
    if (name.size > 0) {
        slot += name.data[0] + 7u * name.data[name.size / 2] +
                61u * name.data[name.size - 1];
    }
    for (;; slot++) {
        slot %= sizeof coder->slots;
        uint8_t index = coder->slots[slot];
        if (index == 0 || crdt_span_equal(coder->names[index - 1], name)) {
            return slot;
        }
    }
}

static void learn_name(crdt_key_coder *coder, size_t slot, crdt_span name)
{
    if (coder->name_count < CRDT_KEY_NAME_MAX) {
        coder->names[coder->name_count++] = name;
        coder->slots[slot] = (uint8_t)coder->name_count;
    }
}

unsigned crdt_key_coder_flags(const crdt_key_coder *coder, const crdt_key *key)
{
    unsigned flags = 0;
    if (!coder->object_any || !crdt_span_equal(coder->object, key->object)) {
        flags |= CRDT_KEY_HAS_OBJECT;
    }
    if (key->depth >= CRDT_PART &&
        (!coder->part_any || !crdt_span_equal(coder->part, key->part))) {
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

static uint8_t *put_name(crdt_key_coder *coder, uint8_t *at, crdt_span name)
{
    size_t slot = find_slot(coder, name);
    if (coder->slots[slot] != 0) {
        return crdt_msgpack_put_uint(at, coder->slots[slot] - 1u);
    }
    learn_name(coder, slot, name);
    return crdt_msgpack_put_name(at, name);
}

uint8_t *crdt_key_coder_put(crdt_key_coder *coder, uint8_t *at, const crdt_key *key,
                            unsigned flags)
{
    if ((flags & CRDT_KEY_HAS_OBJECT) != 0) {
        at = crdt_msgpack_put_name(at, key->object);
        coder->object = key->object;
        coder->object_any = true;
    }
    if ((flags & CRDT_KEY_HAS_PART) != 0) {
        at = put_name(coder, at, key->part);
        coder->part = key->part;
        coder->part_any = true;
    }
    if (key->depth == CRDT_FIELD) {
        at = put_name(coder, at, key->field);
    }
    return at;
}

static crdt_span read_name(crdt_key_coder *coder, crdt_msgpack_reader *reader)
{
    const uint8_t *before = reader->at;
    if (crdt_msgpack_at_uint(reader)) {
        uint64_t index = crdt_msgpack_read_uint(reader, UINT64_MAX);
        if (index >= coder->name_count) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "no such name in the table");
            return (crdt_span){0};
        }
        return coder->names[index];
    }
    crdt_span name = crdt_msgpack_read_name(reader, CRDT_NAME_SIZE_MAX);
    if (reader->err == CRDT_OK) {
        size_t slot = find_slot(coder, name);
        if (coder->slots[slot] != 0) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "name is in the table already");
            return (crdt_span){0};
        }
        learn_name(coder, slot, name);
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
        if (!coder->part_any) {
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "no part before");
        }
        return;
    }
    const uint8_t *before = reader->at;
    crdt_span part = read_name(coder, reader);
    if (coder->part_any && reader->err == CRDT_OK &&
        crdt_span_equal(part, coder->part)) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "part is named again");
    }
    coder->part = part;
    coder->part_any = true;
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

crdt_err crdt_ops_encode(const crdt_op *ops, size_t op_count, crdt_buf *out)
{
    crdt_err err = crdt_msgpack_append_uint(out, op_count);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_key_coder coder;
    crdt_key_coder_init(&coder);
    for (size_t i = 0; i < op_count; i++) {
        const crdt_op *op = &ops[i];
        bool set = op->kind == CRDT_OP_SET;
        err = crdt_buf_reserve(out, 1 + crdt_key_coder_size_max(&op->key) +
                                        (set ? op->value.size : 0));
        if (err != CRDT_OK) {
            return err;
        }
        unsigned flags = crdt_key_coder_flags(&coder, &op->key);
        bool of_part = op->key.depth == CRDT_PART;
        uint8_t *at = out->data + out->size;
        *at++ = (uint8_t)(op->kind | flags | (of_part ? OP_OF_PART : 0));
        at = crdt_key_coder_put(&coder, at, &op->key, flags);
        if (set) {
            memcpy(at, op->value.data, op->value.size);
            at += op->value.size;
        }
        out->size = (size_t)(at - out->data);
    }
    return CRDT_OK;
}

/* What the head of an operation says. 0: nothing sensible. */
static crdt_depth depth_of_head(unsigned head)
{
    unsigned kind = head & OP_KIND_MASK;
    if (kind == CRDT_OP_SET || kind == CRDT_OP_UNSET) {
        return (head & OP_OF_PART) == 0 ? CRDT_FIELD : (crdt_depth)0;
    }
    if ((head & OP_OF_PART) != 0) {
        return CRDT_PART;
    }
    return (head & CRDT_KEY_HAS_PART) == 0 ? CRDT_OBJECT : (crdt_depth)0;
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
    crdt_key_coder coder;
    crdt_key_coder_init(&coder);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *before = reader->at;
        unsigned head = (unsigned)crdt_msgpack_read_uint(reader, UINT64_MAX);
        crdt_depth depth = head <= OP_HEAD_MAX ? depth_of_head(head) : (crdt_depth)0;
        if (reader->err == CRDT_OK && depth == 0) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "bad head of an operation");
        }
        if (reader->err != CRDT_OK) {
            return reader->err;
        }
        list[i].kind = (crdt_op_kind)(head & OP_KIND_MASK);
        list[i].key = crdt_key_coder_read(&coder, reader, depth, head);
        list[i].value = (crdt_span){0};
        if (list[i].kind == CRDT_OP_SET) {
            list[i].value = crdt_msgpack_read_value(reader);
        }
        if (reader->err != CRDT_OK) {
            return reader->err;
        }
    }
    *ops = list;
    *op_count = count;
    return CRDT_OK;
}
