#include "cli/servers/json_put.h"

void servers_json_text(scene_json_writer *writer, const char *key, const char *text)
{
    servers_json_span(writer, key, crdt_span_of(text));
}

void servers_json_span(scene_json_writer *writer, const char *key, crdt_span text)
{
    scene_json_writer_key(writer, crdt_span_of(key));
    scene_json_writer_string(writer, text);
}

void servers_json_bool(scene_json_writer *writer, const char *key, bool value)
{
    scene_json_writer_key(writer, crdt_span_of(key));
    scene_json_writer_bool(writer, value);
}

void servers_json_node(scene_json_writer *writer, const scene_json_node *node)
{
    crdt_buf value;
    crdt_buf_init(&value, writer->alloc);
    crdt_err err = scene_json_encode(node, writer->alloc, &value);
    if (err == CRDT_OK) {
        scene_json_writer_value(writer, crdt_buf_span(&value));
    } else {
        writer->err = writer->err != CRDT_OK ? writer->err : err;
        scene_json_writer_null(writer); /* keeps the writer whole; it failed already */
    }
    crdt_buf_deinit(&value);
}

static bool is_skipped(crdt_span key, const char *const *skip)
{
    for (; skip != NULL && *skip != NULL; skip++) {
        if (crdt_span_equal(key, crdt_span_of(*skip))) {
            return true;
        }
    }
    return false;
}

void servers_json_members(scene_json_writer *writer, const scene_json_node *object,
                          const char *const *skip)
{
    const scene_json_node *key = object + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        if (!is_skipped(scene_json_text(key), skip)) {
            scene_json_writer_key(writer, scene_json_text(key));
            servers_json_node(writer, key + 1);
        }
        key = scene_json_next(key + 1);
    }
}

bool servers_json_find_text(const scene_json_node *object, const char *key,
                            crdt_span *text)
{
    const scene_json_node *node = scene_json_find(object, key);
    if (node == NULL || node->type != SCENE_JSON_STRING) {
        return false;
    }
    *text = scene_json_text(node);
    return true;
}
