#include "scene/state_text.h"

#include "scene/json.h"

#include <stdlib.h>
#include <string.h>

static crdt_err put(crdt_buf *out, const char *text)
{
    return crdt_buf_append(out, text, strlen(text));
}

typedef struct listed_part {
    crdt_span name;
    crdt_part part;
    bool ordered;
    int64_t order;
} listed_part;

static int compare_parts(const void *a, const void *b)
{
    const listed_part *x = a;
    const listed_part *y = b;
    if (x->ordered != y->ordered) {
        return x->ordered ? -1 : 1;
    }
    if (x->ordered && x->order != y->order) {
        return x->order < y->order ? -1 : 1;
    }
    return scene_layout_component_compare(x->name, y->name);
}

static bool read_order(const crdt_document *doc, crdt_part part, int64_t *order)
{
    crdt_field field =
        crdt_document_find_field(doc, part, crdt_span_of(SCENE_NAME_ORDER));
    crdt_entry entry;
    if (field.id == 0 || !crdt_document_field_value(doc, field, 0, &entry)) {
        return false;
    }
    crdt_value_reader reader = crdt_value_read_open(entry.value);
    crdt_value_token token = crdt_value_read(&reader);
    *order = token.integer;
    return token.integral;
}

/* The component's value as text, without its parent if that is not to show. */
static crdt_err put_value(const scene_component *component, bool orphan, crdt_buf *out)
{
    crdt_buf value;
    crdt_buf_init(&value, out->alloc);
    crdt_err err = scene_component_value(component, &value);
    if (err == CRDT_OK && orphan && !component->whole) {
        crdt_buf rest;
        crdt_buf_init(&rest, out->alloc);
        crdt_span parent;
        crdt_value_reader reader = crdt_value_read_open(crdt_buf_span(&value));
        uint32_t count = crdt_value_read(&reader).count;
        bool has = crdt_value_map_find(crdt_buf_span(&value), "parent", &parent);
        err = crdt_value_write_map(&rest, count - (has ? 1 : 0));
        for (uint32_t i = 0; i < count && err == CRDT_OK; i++) {
            crdt_span key = crdt_value_read(&reader).string;
            crdt_span member = crdt_value_read_span(&reader);
            if (crdt_span_equal(key, crdt_span_of("parent"))) {
                continue;
            }
            err = crdt_value_write_string(&rest, key);
            if (err == CRDT_OK) {
                err = crdt_buf_append_span(&rest, member);
            }
        }
        if (err == CRDT_OK) {
            err = scene_json_write_value(crdt_buf_span(&rest), out);
        }
        crdt_buf_deinit(&rest);
    } else if (err == CRDT_OK) {
        err = scene_json_write_value(crdt_buf_span(&value), out);
    }
    crdt_buf_deinit(&value);
    return err;
}

crdt_err scene_state_text_entity(const crdt_document *doc, crdt_object entity,
                                 bool under_root, crdt_buf *out)
{
    size_t count = 0;
    crdt_part part = {0};
    while (crdt_document_next_part(doc, entity, &part)) {
        count++;
    }
    listed_part *parts = NULL;
    if (count > 0) {
        parts = crdt_resize_array(out->alloc, NULL, 0, count, sizeof *parts);
        if (parts == NULL) {
            return CRDT_ENOMEM;
        }
    }
    size_t live = 0;
    while (crdt_document_next_part(doc, entity, &part)) {
        crdt_span name = crdt_document_part_name(doc, part);
        if (crdt_document_part_live(doc, part) &&
            scene_layout_is_component(name, NULL)) {
            parts[live] = (listed_part){.name = name, .part = part};
            parts[live].ordered = read_order(doc, part, &parts[live].order);
            live++;
        }
    }
    if (live > 0) {
        qsort(parts, live, sizeof *parts, compare_parts);
    }
    crdt_err err = put(out, "{\"components\":[");
    for (size_t i = 0; i < live && err == CRDT_OK; i++) {
        scene_component component;
        uint32_t number;
        crdt_span type = scene_layout_base(parts[i].name, &number);
        scene_component_open(doc, parts[i].part, &component);
        err = put(out, i > 0 ? ",{\"type\":" : "{\"type\":");
        if (err == CRDT_OK) {
            err = scene_json_write_string(type, out);
        }
        if (err == CRDT_OK) {
            err = put(out, ",\"value\":");
        }
        if (err == CRDT_OK) {
            bool orphan =
                under_root && scene_layout_class(type) == SCENE_CLASS_TRANSFORM;
            err = put_value(&component, orphan, out);
        }
        if (err == CRDT_OK) {
            err = put(out, "}");
        }
    }
    crdt_free(out->alloc, parts, count * sizeof *parts);
    if (err == CRDT_OK) {
        err = put(out, "],\"id\":");
    }
    if (err == CRDT_OK) {
        err = scene_json_write_string(crdt_document_object_name(doc, entity), out);
    }
    return err == CRDT_OK ? put(out, "}") : err;
}

crdt_err scene_state_text_fields(const crdt_document *doc, crdt_buf *out)
{
    (void)doc;
    crdt_err err = crdt_value_write_map(out, 1);
    if (err == CRDT_OK) {
        err = crdt_value_write_string(out, crdt_span_of("schemaVersion"));
    }
    return err == CRDT_OK ? crdt_value_write_integer(out, 1) : err;
}
