#include "scene/json_writer.h"

#include <assert.h>
#include <stdlib.h>

#include "crdt/value.h"
#include "scene/json.h"

void scene_json_writer_init(scene_json_writer *writer, crdt_alloc alloc, crdt_buf *out)
{
    *writer = (scene_json_writer){.alloc = alloc, .out = out};
    crdt_buf_init(&writer->scratch, alloc);
}

void scene_json_writer_begin(scene_json_writer *writer, crdt_buf *out)
{
    writer->out = out;
    writer->err = CRDT_OK;
    writer->member_count = 0;
    writer->depth = 0;
}

void scene_json_writer_deinit(scene_json_writer *writer)
{
    crdt_buf_deinit(&writer->scratch);
    crdt_free(writer->alloc, writer->members,
              writer->member_capacity * sizeof(scene_json_member));
    writer->members = NULL;
    writer->member_capacity = 0;
}

static void keep(scene_json_writer *writer, crdt_err err)
{
    if (writer->err == CRDT_OK) {
        writer->err = err;
    }
}

static void append(scene_json_writer *writer, const char *text, size_t size)
{
    if (writer->err == CRDT_OK) {
        keep(writer, crdt_buf_append(writer->out, text, size));
    }
}

static void append_mark(scene_json_writer *writer, char mark)
{
    if (writer->err == CRDT_OK) {
        keep(writer, crdt_buf_reserve(writer->out, 1));
    }
    if (writer->err == CRDT_OK) {
        writer->out->data[writer->out->size++] = (uint8_t)mark;
    }
}

/* Every value inside something is followed by a comma; the end takes the last away. */
static void value_done(scene_json_writer *writer)
{
    if (writer->depth == 0) {
        return;
    }
    append_mark(writer, ',');
    if (writer->err == CRDT_OK && writer->frames[writer->depth - 1].object) {
        assert(writer->member_count > writer->frames[writer->depth - 1].first_member);
        writer->members[writer->member_count - 1].end = writer->out->size;
    }
}

static void begin(scene_json_writer *writer, bool object)
{
    assert(writer->depth < SCENE_JSON_WRITER_DEPTH_MAX);
    append_mark(writer, object ? '{' : '[');
    writer->frames[writer->depth++] =
        (scene_json_frame){.object = object, .first_member = writer->member_count};
}

void scene_json_writer_object_begin(scene_json_writer *writer)
{
    begin(writer, true);
}

void scene_json_writer_array_begin(scene_json_writer *writer)
{
    begin(writer, false);
}

static void close(scene_json_writer *writer, char mark)
{
    writer->depth--;
    if (writer->err != CRDT_OK) {
        return;
    }
    crdt_buf *out = writer->out;
    if (out->data[out->size - 1] == ',') {
        out->data[out->size - 1] = (uint8_t)mark;
    } else {
        append_mark(writer, mark);
    }
    value_done(writer);
}

static int compare_members(const void *a, const void *b)
{
    const scene_json_member *left = a;
    const scene_json_member *right = b;
    int order = crdt_value_key_compare(left->key, right->key);
    return order != 0 ? order
                      : (left->start > right->start) - (left->start < right->start);
}

static bool members_ascend(const scene_json_member *members, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (crdt_value_key_compare(members[i - 1].key, members[i].key) >= 0) {
            return false;
        }
    }
    return true;
}

static void sort_members(scene_json_writer *writer, scene_json_member *members,
                         size_t count)
{
    size_t start = members[0].start;
    qsort(members, count, sizeof(members[0]), compare_members);
    crdt_buf_clear(&writer->scratch);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && crdt_span_equal(members[i - 1].key, members[i].key)) {
            continue;
        }
        crdt_err err =
            crdt_buf_append(&writer->scratch, writer->out->data + members[i].start,
                            members[i].end - members[i].start);
        if (err != CRDT_OK) {
            keep(writer, err);
            return;
        }
    }
    writer->out->size = start;
    keep(writer, crdt_buf_append_span(writer->out, crdt_buf_span(&writer->scratch)));
}

void scene_json_writer_object_end(scene_json_writer *writer)
{
    assert(writer->depth > 0 && writer->frames[writer->depth - 1].object);
    size_t first = writer->frames[writer->depth - 1].first_member;
    size_t count = writer->member_count - first;
    if (writer->err == CRDT_OK && count > 1 &&
        !members_ascend(writer->members + first, count)) {
        sort_members(writer, writer->members + first, count);
    }
    writer->member_count = first;
    close(writer, '}');
}

void scene_json_writer_object_end_or_drop(scene_json_writer *writer)
{
    assert(writer->depth > 1 && writer->frames[writer->depth - 2].object);
    size_t first = writer->frames[writer->depth - 1].first_member;
    if (writer->err != CRDT_OK || writer->member_count > first) {
        scene_json_writer_object_end(writer);
        return;
    }
    writer->depth--;
    writer->member_count--;
    writer->out->size = writer->members[writer->member_count].start;
}

void scene_json_writer_array_end(scene_json_writer *writer)
{
    assert(writer->depth > 0 && !writer->frames[writer->depth - 1].object);
    close(writer, ']');
}

static bool reserve_member(scene_json_writer *writer)
{
    if (writer->member_count < writer->member_capacity) {
        return true;
    }
    size_t capacity = writer->member_capacity * 2 + 32;
    scene_json_member *members =
        crdt_resize_array(writer->alloc, writer->members, writer->member_capacity,
                          capacity, sizeof(scene_json_member));
    if (members == NULL) {
        keep(writer, CRDT_ENOMEM);
        return false;
    }
    writer->members = members;
    writer->member_capacity = capacity;
    return true;
}

void scene_json_writer_key(scene_json_writer *writer, crdt_span key)
{
    assert(writer->depth > 0 && writer->frames[writer->depth - 1].object);
    if (writer->err != CRDT_OK || !reserve_member(writer)) {
        return;
    }
    writer->members[writer->member_count++] =
        (scene_json_member){.key = key, .start = writer->out->size};
    keep(writer, scene_json_write_string(key, writer->out));
    append_mark(writer, ':');
}

void scene_json_writer_value(scene_json_writer *writer, crdt_span value)
{
    if (writer->err == CRDT_OK) {
        keep(writer, scene_json_write_value(value, writer->out));
    }
    value_done(writer);
}

void scene_json_writer_string(scene_json_writer *writer, crdt_span utf8)
{
    if (writer->err == CRDT_OK) {
        keep(writer, scene_json_write_string(utf8, writer->out));
    }
    value_done(writer);
}

void scene_json_writer_integer(scene_json_writer *writer, int64_t number)
{
    char text[SCENE_JSON_NUMBER_SIZE];
    append(writer, text, scene_json_number_format((double)number, text));
    value_done(writer);
}

void scene_json_writer_bool(scene_json_writer *writer, bool boolean)
{
    append(writer, boolean ? "true" : "false", boolean ? 4 : 5);
    value_done(writer);
}

void scene_json_writer_null(scene_json_writer *writer)
{
    append(writer, "null", 4);
    value_done(writer);
}

void scene_json_writer_raw(scene_json_writer *writer, crdt_span text)
{
    if (writer->err == CRDT_OK) {
        keep(writer, crdt_buf_append_span(writer->out, text));
    }
    value_done(writer);
}
