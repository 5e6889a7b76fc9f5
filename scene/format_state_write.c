#include "scene/format_state.h"

#include <string.h>

#include "crdt/value.h"
#include "scene/export.h"

/* Readers of states refuse a file with a component of another type than these. A scene
 * that was a state has what it has; those of other formats carry theirs. */
static bool is_readable(const scene_export *export, crdt_span type)
{
    if (export->native) {
        return true;
    }
    static const char *const TYPES[] = {"Transform",    "NFTShape", "GLTFShape",
                                        "Script",       "Name",     "LockedOnEdit",
                                        "VisibleOnEdit"};
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        if (crdt_span_equal(type, crdt_span_of(TYPES[i]))) {
            return true;
        }
    }
    return false;
}

/* Opened for each of two passes, which is cheaper than keeping it between them. */
static bool open_component(scene_export *export, crdt_object object,
                           const scene_export_part *part, bool readable,
                           scene_export_component *component)
{
    if (!scene_layout_is_component(part->name, NULL)) {
        return false;
    }
    scene_export_open_component(export, object, part->part, false, component);
    return is_readable(export, component->written) == readable;
}

static void write_component(scene_export *export,
                            const scene_export_component *component)
{
    scene_json_writer *writer = &export->writer;
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of("type"));
    scene_json_writer_string(writer, component->written);
    (void)scene_export_component_value(export, component, "value");
    scene_export_component_extra(export, component);
    scene_export_component_carry(export, component);
    scene_json_writer_object_end(writer);
}

/* The components that are not listed: rows [place, component]. */
static void carry_components(scene_export *export, crdt_object object,
                             const scene_export_part *parts, size_t count)
{
    scene_json_writer *writer = &export->writer;
    size_t carried = 0;
    for (size_t i = 0; i < count && !export->native; i++) {
        scene_export_component component;
        if (!open_component(export, object, &parts[i], false, &component)) {
            continue;
        }
        if (carried++ == 0) {
            scene_json_writer_key(writer, crdt_span_of("components"));
            scene_json_writer_array_begin(writer);
        }
        scene_json_writer_array_begin(writer);
        scene_json_writer_integer(writer, (int64_t)i);
        write_component(export, &component);
        scene_json_writer_array_end(writer);
    }
    if (carried > 0) {
        scene_json_writer_array_end(writer);
    }
}

/* {"builderValue": name, "value": name} */
static void write_name_value(scene_json_writer *writer, crdt_span name)
{
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of("builderValue"));
    scene_json_writer_string(writer, name);
    scene_json_writer_key(writer, crdt_span_of("value"));
    scene_json_writer_string(writer, name);
    scene_json_writer_object_end(writer);
}

/* An entity of the builder has its name beside its components; here it is one. */
static void write_invented_name(scene_export *export, crdt_object object,
                                const scene_export_part *parts, size_t count)
{
    crdt_part own =
        scene_export_part_of(export, object, crdt_span_of(SCENE_NAME_ENTITY));
    crdt_span name;
    if (export->origin != SCENE_FORMAT_BUILDER ||
        !scene_export_get_text(export, own, "name", &name)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (scene_layout_class(parts[i].name) == SCENE_CLASS_NAME) {
            return;
        }
    }
    scene_json_writer *writer = &export->writer;
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of("type"));
    scene_json_writer_string(
        writer, scene_layout_spelling(SCENE_CLASS_NAME, SCENE_FORMAT_STATE));
    scene_json_writer_key(writer, crdt_span_of("value"));
    write_name_value(writer, name);
    scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of("invented"));
    scene_json_writer_bool(writer, true);
    scene_json_writer_key(writer, crdt_span_of("made"));
    write_name_value(writer, name);
    scene_json_writer_object_end(writer);
    scene_json_writer_object_end(writer);
}

/* ---- the plain entity ----
 *
 * Most entities of a state hold nothing but components of plain fields: nothing of ours,
 * nothing shared, nothing to carry or to repair. Their records go straight from the
 * document to the text, without lists of members to be sorted. */

static inline void put(scene_export *export, const char *text)
{
    crdt_buf *out = export->writer.out;
    size_t size = strlen(text);
    crdt_err err = crdt_buf_reserve(out, size);
    if (err != CRDT_OK) {
        scene_export_fail(export, err);
        return;
    }
    memcpy(out->data + out->size, text, size);
    out->size += size;
}

static void put_string(scene_export *export, crdt_span utf8)
{
    crdt_err err = scene_json_write_string(utf8, export->writer.out);
    if (err != CRDT_OK) {
        scene_export_fail(export, err);
    }
}

/* False: a field is ours, or the order of the text is not that of the document. */
static bool put_plain_fields(scene_export *export, crdt_part part)
{
    const crdt_document *doc = export->doc;
    crdt_span before = {0};
    crdt_field field = {0};
    while (crdt_document_next_field(doc, part, &field)) {
        crdt_span name = crdt_document_field_name(doc, field);
        crdt_entry entry;
        if (scene_layout_is_own(name) ||
            (before.data != NULL && crdt_value_key_compare(before, name) >= 0) ||
            !crdt_document_field_value(doc, field, 0, &entry)) {
            return false;
        }
        put(export, before.data == NULL ? "" : ",");
        put_string(export, name);
        put(export, ":");
        crdt_err err = scene_json_write_value(entry.value, export->writer.out);
        if (err != CRDT_OK) {
            scene_export_fail(export, err);
        }
        before = name;
    }
    return true;
}

/* False: it is not plain after all, and what was put is to be taken back. */
static bool put_plain_entity(scene_export *export, crdt_object object)
{
    const crdt_document *doc = export->doc;
    bool first = true;
    put(export, "{\"components\":[");
    crdt_part part = {0};
    while (crdt_document_next_part(doc, object, &part)) {
        crdt_span name = crdt_document_part_name(doc, part);
        if (!crdt_document_part_live(doc, part)) {
            continue;
        }
        if (scene_layout_is_own(name) ||
            crdt_span_equal(name, crdt_span_of("Script"))) {
            return false; /* a script has its own place */
        }
        put(export, first ? "{\"type\":" : ",{\"type\":");
        put_string(export, name);
        put(export, ",\"value\":{");
        if (!put_plain_fields(export, part)) {
            return false;
        }
        put(export, "}}");
        first = false;
    }
    put(export, "],\"id\":");
    put_string(export, crdt_document_object_name(doc, object));
    put(export, "}");
    return true;
}

static bool may_be_plain(const scene_export *export)
{
    return export->native && !export->under_root &&
           (export->tree == NULL || scene_tree_repair_count(export->tree) == 0);
}

/* ---- entities ---- */

static void write_entity(scene_export *export, crdt_object object)
{
    scene_json_writer *writer = &export->writer;
    size_t begin = writer->out->size;
    export->plain = may_be_plain(export) && put_plain_entity(export, object);
    if (export->plain || writer->err != CRDT_OK) {
        return;
    }
    writer->out->size = begin;
    size_t count;
    scene_export_part *parts = scene_export_parts(export, object, &count);
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of("id"));
    scene_json_writer_string(writer, crdt_document_object_name(export->doc, object));
    scene_json_writer_key(writer, crdt_span_of("components"));
    scene_json_writer_array_begin(writer);
    for (size_t i = 0; i < count; i++) {
        scene_export_component component;
        if (open_component(export, object, &parts[i], true, &component)) {
            write_component(export, &component);
        }
    }
    write_invented_name(export, object, parts, count);
    scene_json_writer_array_end(writer);
    if (export->native) {
        scene_export_fields(
            export,
            scene_export_part_of(export, object, crdt_span_of(SCENE_NAME_ENTITY)));
    }
    scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
    scene_json_writer_object_begin(writer);
    scene_export_entity_members(export, object, parts, count, false);
    carry_components(export, object, parts, count);
    scene_json_writer_object_end_or_drop(writer);
    scene_json_writer_object_end(writer);
    crdt_arena_reset(&export->entity);
}

crdt_err scene_format_state_entity(scene_export *export, crdt_object entity,
                                   bool under_root, crdt_buf *out)
{
    size_t before = out->size;
    scene_json_writer_begin(&export->writer, out);
    export->under_root = under_root;
    write_entity(export, entity);
    crdt_err err = export->writer.err;
    if (err != CRDT_OK) {
        out->size = before;
    }
    return err;
}

/* The frame stands around two lists, so its members come in three stretches. */
typedef enum stretch { BEFORE_CONFLICTS, BEFORE_ENTITIES, AFTER_ENTITIES } stretch;

static stretch stretch_of(crdt_span key)
{
    if (crdt_value_key_compare(key, crdt_span_of("conflicts")) < 0) {
        return BEFORE_CONFLICTS;
    }
    return crdt_value_key_compare(key, crdt_span_of("entities")) < 0 ? BEFORE_ENTITIES
                                                                     : AFTER_ENTITIES;
}

static void write_fields(scene_export *export, stretch wanted)
{
    scene_json_writer *writer = &export->writer;
    crdt_part state = scene_export_scene_part(export, "state");
    crdt_field field = {0};
    while (export->native && state.id != 0 &&
           crdt_document_next_field(export->doc, state, &field)) {
        crdt_span name = crdt_document_field_name(export->doc, field);
        crdt_entry entry;
        if (!scene_layout_is_own(name) && stretch_of(name) == wanted &&
            !crdt_span_equal(name, crdt_span_of("conflicts")) &&
            !crdt_span_equal(name, crdt_span_of("entities")) &&
            !crdt_span_equal(name, crdt_span_of("schemaVersion")) &&
            crdt_document_field_value(export->doc, field, 0, &entry)) {
            scene_json_writer_key(writer, name);
            scene_json_writer_value(writer, entry.value);
        }
    }
    if (wanted == AFTER_ENTITIES) {
        scene_json_writer_key(writer, crdt_span_of("schemaVersion"));
        scene_json_writer_integer(writer, 1); /* whatever was carried of it */
        scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
        scene_json_writer_object_begin(writer);
        scene_export_scene_members(export, true, true);
        scene_json_writer_object_end_or_drop(writer);
    }
}

/* Append the members of one stretch, with commas where they are due. */
static crdt_err append_stretch(const crdt_document *doc, const scene_descent *descent,
                               crdt_alloc alloc, stretch wanted, crdt_buf *out)
{
    crdt_buf text;
    crdt_buf_init(&text, alloc);
    scene_export export;
    scene_export_init(&export, doc, SCENE_FORMAT_STATE, NULL, alloc, &text);
    export.descent = descent;
    scene_json_writer_object_begin(&export.writer);
    write_fields(&export, wanted);
    scene_json_writer_object_end(&export.writer);
    crdt_err err = export.writer.err;
    scene_export_deinit(&export);
    if (err == CRDT_OK && text.size > 2) {
        bool first = out->data[out->size - 1] == '{';
        err = crdt_buf_append(out, ",", first ? 0 : 1);
        if (err == CRDT_OK) {
            err = crdt_buf_append(out, text.data + 1, text.size - 2);
        }
    }
    crdt_buf_deinit(&text);
    return err;
}

static crdt_err append_list(const char *key, crdt_buf *out, size_t *at)
{
    crdt_err err = CRDT_OK;
    if (out->data[out->size - 1] != '{') {
        err = crdt_buf_append(out, ",", 1);
    }
    if (err == CRDT_OK) {
        err = crdt_buf_append_span(out, crdt_span_of(key));
    }
    *at = out->size;
    return err != CRDT_OK ? err : crdt_buf_append(out, "]", 1);
}

crdt_err scene_format_state_frame(const crdt_document *doc,
                                  const scene_descent *descent, bool with_conflicts,
                                  crdt_alloc alloc, crdt_buf *out, size_t *conflicts_at,
                                  size_t *entities_at)
{
    size_t before = out->size;
    crdt_err err = crdt_buf_append(out, "{", 1);
    if (err == CRDT_OK) {
        err = append_stretch(doc, descent, alloc, BEFORE_CONFLICTS, out);
    }
    if (err == CRDT_OK && with_conflicts) {
        err = append_list("\"conflicts\":[", out, conflicts_at);
    }
    if (err == CRDT_OK) {
        err = append_stretch(doc, descent, alloc, BEFORE_ENTITIES, out);
    }
    if (err == CRDT_OK) {
        err = append_list("\"entities\":[", out, entities_at);
    }
    if (err == CRDT_OK) {
        err = append_stretch(doc, descent, alloc, AFTER_ENTITIES, out);
    }
    if (err == CRDT_OK) {
        err = crdt_buf_append(out, "}", 1);
    }
    if (err != CRDT_OK) {
        out->size = before;
    }
    return err;
}

crdt_err scene_format_state_write(const crdt_document *doc, const scene_tree *tree,
                                  const scene_descent *descent, crdt_alloc alloc,
                                  crdt_buf *out)
{
    crdt_buf frame;
    crdt_buf_init(&frame, alloc);
    size_t before = out->size;
    size_t at = 0;
    crdt_err err =
        scene_format_state_frame(doc, descent, false, alloc, &frame, &at, &at);
    if (err == CRDT_OK) {
        err = crdt_buf_append(out, frame.data, at);
    }
    scene_export export;
    scene_export_init(&export, doc, SCENE_FORMAT_STATE, tree, alloc, out);
    if (err == CRDT_OK) {
        size_t count;
        scene_export_entity *entities = scene_export_entities(&export, &count);
        for (size_t i = 0; i < count; i++) {
            if (i > 0) {
                scene_export_fail(&export, crdt_buf_append(out, ",", 1));
            }
            write_entity(&export, entities[i].object);
        }
        err = export.writer.err;
    }
    scene_export_deinit(&export);
    if (err == CRDT_OK) {
        err = crdt_buf_append(out, frame.data + at, frame.size - at);
    }
    crdt_buf_deinit(&frame);
    if (err != CRDT_OK) {
        out->size = before;
    }
    return err;
}
