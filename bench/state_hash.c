#include "bench/state_hash.h"

#include "scene/json_writer.h"

#include <stdio.h>

static void write_part(const crdt_document *doc, crdt_part part,
                       scene_json_writer *writer)
{
    scene_json_writer_object_begin(writer);
    crdt_field field = {0};
    while (crdt_document_next_field(doc, part, &field)) {
        crdt_entry entry;
        if (crdt_document_field_value(doc, field, 0, &entry)) {
            scene_json_writer_key(writer, crdt_document_field_name(doc, field));
            scene_json_writer_value(writer, entry.value);
        }
    }
    scene_json_writer_object_end(writer);
}

static void write_object(const crdt_document *doc, crdt_object object,
                         scene_json_writer *writer)
{
    scene_json_writer_object_begin(writer);
    crdt_part part = {0};
    while (crdt_document_next_part(doc, object, &part)) {
        if (crdt_document_part_live(doc, part)) {
            scene_json_writer_key(writer, crdt_document_part_name(doc, part));
            write_part(doc, part, writer);
        }
    }
    scene_json_writer_object_end(writer);
}

crdt_err bench_state_json(const crdt_document *doc, crdt_buf *out)
{
    scene_json_writer writer;
    scene_json_writer_init(&writer, crdt_alloc_default(), out);
    scene_json_writer_object_begin(&writer);
    crdt_object object = {0};
    while (crdt_document_next_object(doc, &object)) {
        if (crdt_document_object_live(doc, object)) {
            scene_json_writer_key(&writer, crdt_document_object_name(doc, object));
            write_object(doc, object, &writer);
        }
    }
    scene_json_writer_object_end(&writer);
    crdt_err err = writer.err;
    scene_json_writer_deinit(&writer);
    return err;
}

uint32_t bench_state_hash(crdt_span json)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < json.size; i++) {
        hash = (hash ^ json.data[i]) * 16777619u;
    }
    return hash;
}

void bench_state_hash_tell(bench_result *result, const crdt_document *doc)
{
    crdt_buf json;
    char text[16];
    crdt_buf_init(&json, crdt_alloc_default());
    bench_must(bench_state_json(doc, &json), "end state");
    snprintf(text, sizeof text, "%08x",
             (unsigned)bench_state_hash(crdt_buf_span(&json)));
    bench_result_text(result, "fnv1a32", text);
    bench_result_count(result, "json_bytes", json.size);
    crdt_buf_deinit(&json);
}
