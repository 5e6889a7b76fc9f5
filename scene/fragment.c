#include "scene/fragment.h"

#include "crdt/value.h"
#include "scene/json.h"
#include "scene/layout.h"
#include "scene/materialize.h"

#include <stdio.h>
#include <string.h>

void scene_fragment_init(scene_fragment *fragment, crdt_alloc alloc)
{
    *fragment = (scene_fragment){.repair_size = 0};
    crdt_buf_init(&fragment->text, alloc);
}

void scene_fragment_deinit(scene_fragment *fragment)
{
    crdt_buf_deinit(&fragment->text);
}

crdt_span scene_fragment_repair(const scene_fragment *fragment)
{
    return (crdt_span){fragment->text.data, fragment->repair_size};
}

crdt_span scene_fragment_conflicts(const scene_fragment *fragment)
{
    if (fragment->conflict_count == 0) {
        return (crdt_span){NULL, 0};
    }
    return (crdt_span){fragment->text.data + fragment->repair_size,
                       fragment->text.size - fragment->repair_size};
}

/* ---- writing ---- */

static crdt_err put(crdt_buf *out, const char *text)
{
    return crdt_buf_append(out, text, strlen(text));
}

/* Names are bytes: what is no UTF-8 in them shows as U+FFFD, a byte each. */
static crdt_err put_name(crdt_buf *out, crdt_span name)
{
    if (crdt_utf8_valid(name, NULL)) {
        return scene_json_write_string(name, out);
    }
    crdt_err err = put(out, "\"");
    while (err == CRDT_OK && name.size > 0) {
        size_t valid = 0;
        if (crdt_utf8_valid(name, &valid)) {
            valid = name.size;
        }
        crdt_buf text;
        crdt_buf_init(&text, out->alloc);
        err = scene_json_write_string((crdt_span){name.data, valid}, &text);
        if (err == CRDT_OK) { /* without its quotes */
            err = crdt_buf_append(out, text.data + 1, text.size - 2);
        }
        crdt_buf_deinit(&text);
        name.data += valid;
        name.size -= valid;
        if (err == CRDT_OK && name.size > 0) {
            err = put(out, "\xef\xbf\xbd");
            name.data++;
            name.size--;
        }
    }
    return err == CRDT_OK ? put(out, "\"") : err;
}

static crdt_err put_member(crdt_buf *out, const char *key, crdt_span name)
{
    crdt_err err = put(out, key);
    return err == CRDT_OK ? put_name(out, name) : err;
}

/* ---- the repair ---- */

static crdt_err put_repair(crdt_buf *out, const scene_place *place)
{
    crdt_err err = put_member(out, "{\"entity\":", place->id);
    if (err == CRDT_OK) {
        err = put(out, ",\"kind\":\"");
    }
    if (err == CRDT_OK) {
        err = put(out, scene_repair_name(place->repair));
    }
    if (err == CRDT_OK) {
        err = put_member(out, "\",\"parent\":", place->wanted);
    }
    return err == CRDT_OK ? put(out, "}") : err;
}

/* ---- conflicts ---- */

/* Whose field it is: a part of an entity, of a shared component, of the scene. Keys of
 * the object come in canonical order: bytes component entity field kind scene shared
 * stamp value. */
typedef struct place_text {
    crdt_span object;
    crdt_span part;
    crdt_span field;
} place_text;

static bool is_shared(crdt_span object)
{
    size_t prefix = strlen(SCENE_NAME_COMPONENT);
    return object.size >= prefix &&
           memcmp(object.data, SCENE_NAME_COMPONENT, prefix) == 0;
}

static crdt_err put_before_kind(crdt_buf *out, const place_text *at, bool shown,
                                size_t size)
{
    char bytes[48];
    snprintf(bytes, sizeof bytes, "{\"bytes\":%zu,", size);
    crdt_err err = put(out, shown ? "{" : bytes);
    uint32_t number;
    crdt_span base = scene_layout_base(at->part, &number);
    if (err == CRDT_OK && !crdt_span_equal(base, crdt_span_of(SCENE_NAME_ENTITY))) {
        err = put_member(out, "\"component\":", base);
        if (err == CRDT_OK) {
            err = put(out, ",");
        }
    }
    if (err == CRDT_OK && scene_layout_is_entity(at->object)) {
        err = put_member(out, "\"entity\":", at->object);
        if (err == CRDT_OK) {
            err = put(out, ",");
        }
    }
    if (err == CRDT_OK && !crdt_span_equal(at->field, crdt_span_of(SCENE_NAME_VALUE))) {
        err = put_member(out, "\"field\":", at->field);
        if (err == CRDT_OK) {
            err = put(out, ",");
        }
    }
    return err;
}

static crdt_err put_after_kind(crdt_buf *out, const place_text *at,
                               const crdt_entry *entry)
{
    crdt_err err = CRDT_OK;
    if (is_shared(at->object)) {
        size_t prefix = strlen(SCENE_NAME_COMPONENT);
        err =
            put_member(out, ",\"shared\":",
                       (crdt_span){at->object.data + prefix, at->object.size - prefix});
    } else if (!scene_layout_is_entity(at->object)) {
        err = put(out, ",\"scene\":true");
    }
    char stamp[CRDT_STAMP_TEXT_SIZE];
    crdt_stamp_format(&entry->stamp, stamp);
    if (err == CRDT_OK) {
        err = put_member(out, ",\"stamp\":", crdt_span_of(stamp));
    }
    return err;
}

static crdt_err put_conflict(crdt_buf *out, const place_text *at, const char *kind,
                             const crdt_entry *entry)
{
    crdt_buf value;
    crdt_buf_init(&value, out->alloc);
    crdt_err err = CRDT_OK;
    if (entry->value.size <= SCENE_SNAPSHOT_VALUE_MAX) {
        err = scene_json_write_value(entry->value, &value);
    }
    bool shown = value.size > 0 && value.size <= SCENE_SNAPSHOT_VALUE_MAX;
    if (err == CRDT_OK) {
        err = put_before_kind(out, at, shown, entry->value.size);
    }
    if (err == CRDT_OK) {
        err = put_member(out, "\"kind\":", crdt_span_of(kind));
    }
    if (err == CRDT_OK) {
        err = put_after_kind(out, at, entry);
    }
    if (err == CRDT_OK && shown) {
        err = put(out, ",\"value\":");
        if (err == CRDT_OK) {
            err = crdt_buf_append_span(out, crdt_buf_span(&value));
        }
    }
    crdt_buf_deinit(&value);
    return err == CRDT_OK ? put(out, "}") : err;
}

static crdt_err put_field_conflicts(scene_fragment *fragment, const crdt_document *doc,
                                    place_text *at, crdt_field field, bool live)
{
    crdt_err err = CRDT_OK;
    crdt_entry entry;
    for (size_t i = live ? 1 : 0;
         err == CRDT_OK && crdt_document_field_value(doc, field, i, &entry); i++) {
        at->field = crdt_document_field_name(doc, field);
        if (fragment->conflict_count == SCENE_FRAGMENT_CONFLICTS_MAX) {
            fragment->conflict_left_out++;
            continue;
        }
        if (fragment->conflict_count > 0) {
            err = put(&fragment->text, ",");
        }
        if (err == CRDT_OK) {
            err = put_conflict(&fragment->text, at,
                               live ? "concurrent" : "edited-while-removed", &entry);
        }
        fragment->conflict_count++;
    }
    return err;
}

static crdt_err put_conflicts(scene_fragment *fragment, const crdt_document *doc,
                              crdt_object object)
{
    place_text at = {.object = crdt_document_object_name(doc, object)};
    crdt_err err = CRDT_OK;
    crdt_part part = {0};
    while (err == CRDT_OK && crdt_document_next_part(doc, object, &part)) {
        bool live = crdt_document_part_live(doc, part);
        at.part = crdt_document_part_name(doc, part);
        crdt_field field = {0};
        while (err == CRDT_OK && crdt_document_next_field(doc, part, &field)) {
            err = put_field_conflicts(fragment, doc, &at, field, live);
        }
    }
    return err;
}

crdt_err scene_fragment_make(scene_fragment *fragment, const crdt_document *doc,
                             crdt_object object, const scene_place *place)
{
    crdt_buf *text = &fragment->text;
    crdt_buf_clear(text);
    fragment->conflict_count = 0;
    fragment->conflict_left_out = 0;
    crdt_err err = CRDT_OK;
    if (place != NULL && place->repair != SCENE_REPAIR_NONE) {
        err = put_repair(text, place);
    }
    fragment->repair_size = text->size;
    if (err == CRDT_OK) {
        err = put_conflicts(fragment, doc, object);
    }
    if (err != CRDT_OK) {
        crdt_buf_clear(text);
        fragment->repair_size = 0;
        fragment->conflict_count = 0;
        fragment->conflict_left_out = 0;
    }
    return err;
}

/* ---- the list ---- */

scene_fragment_list scene_fragment_list_open(crdt_buf *out)
{
    return (scene_fragment_list){.out = out};
}

static void put_element(scene_fragment_list *list, crdt_span text)
{
    if (list->err == CRDT_OK && list->begun) {
        list->err = put(list->out, ",");
    }
    if (list->err == CRDT_OK) {
        list->err = crdt_buf_append_span(list->out, text);
    }
    list->begun = true;
}

void scene_fragment_list_put(scene_fragment_list *list, const scene_fragment *fragment,
                             bool conflicts)
{
    uint64_t count = conflicts ? fragment->conflict_count : fragment->repair_size > 0;
    uint64_t left_out = conflicts ? fragment->conflict_left_out : 0;
    if (count > 0 && list->listed + count <= SCENE_SNAPSHOT_CONFLICTS_MAX) {
        put_element(list, conflicts ? scene_fragment_conflicts(fragment)
                                    : scene_fragment_repair(fragment));
        list->listed += count;
        count = 0;
    }
    list->left_out += count + left_out;
}

crdt_err scene_fragment_list_end(scene_fragment_list *list)
{
    if (list->left_out > 0) {
        char more[64];
        snprintf(more, sizeof more, "{\"count\":%llu,\"kind\":\"more\"}",
                 (unsigned long long)list->left_out);
        put_element(list, crdt_span_of(more));
    }
    return list->err;
}
