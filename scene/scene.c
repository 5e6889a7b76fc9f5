#include "scene/scene.h"

#include <assert.h>
#include <string.h>

bool scene_value_text(crdt_span value, crdt_span *text)
{
    if (crdt_value_type_of(value) != CRDT_VALUE_STRING) {
        return false;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    *text = crdt_value_read(&reader).string;
    return true;
}

crdt_part scene_part_find(const crdt_document *doc, crdt_object object, crdt_span name)
{
    crdt_part part = {0};
    if (object.id != 0) {
        part = crdt_document_find_part(doc, object, name);
    }
    if (part.id != 0 && !crdt_document_part_live(doc, part)) {
        part = (crdt_part){0};
    }
    return part;
}

static scene_format read_format(const crdt_document *doc, const char *field)
{
    crdt_key key = crdt_key_field(crdt_span_of(SCENE_NAME_SCENE),
                                  crdt_span_of(SCENE_NAME_ENTITY), crdt_span_of(field));
    crdt_span value;
    crdt_span text;
    if (!crdt_document_get(doc, &key, &value) || !scene_value_text(value, &text)) {
        return SCENE_FORMAT_NONE;
    }
    return scene_format_parse(text);
}

scene_format scene_format_of(const crdt_document *doc)
{
    return read_format(doc, SCENE_NAME_FORMAT);
}

scene_format scene_origin_of(const crdt_document *doc)
{
    scene_format origin = read_format(doc, SCENE_NAME_ORIGIN);
    if (origin == SCENE_FORMAT_NONE) {
        origin = read_format(doc, SCENE_NAME_FORMAT);
    }
    return origin == SCENE_FORMAT_NONE ? SCENE_FORMAT_STATE : origin;
}

bool scene_entity_live(const crdt_document *doc, crdt_span entity)
{
    if (!scene_layout_is_entity(entity)) {
        return false;
    }
    crdt_object object = crdt_document_find_object(doc, entity);
    return object.id != 0 && crdt_document_object_live(doc, object);
}

bool scene_entity_next(const crdt_document *doc, crdt_object *entity)
{
    while (crdt_document_next_object(doc, entity)) {
        if (crdt_document_object_live(doc, *entity) &&
            scene_layout_is_entity(crdt_document_object_name(doc, *entity))) {
            return true;
        }
    }
    return false;
}

/* ---- components ---- */

/* The shown entry of a field by name; false if the part is {0} or lacks it. */
static bool find_entry(const crdt_document *doc, crdt_part part, crdt_span name,
                       crdt_entry *entry)
{
    if (part.id == 0) {
        return false;
    }
    crdt_field field = crdt_document_find_field(doc, part, name);
    return field.id != 0 && crdt_document_field_value(doc, field, 0, entry);
}

bool scene_part_bare(const crdt_document *doc, crdt_part part)
{
    crdt_field field = {0};
    while (crdt_document_next_field(doc, part, &field)) {
        if (scene_layout_is_own(crdt_document_field_name(doc, field))) {
            return false;
        }
    }
    return true;
}

/* Step to the next field that is the file's, not ours: those sort last. */
static bool next_field(const crdt_document *doc, crdt_part part, crdt_field *field)
{
    if (part.id == 0 || !crdt_document_next_field(doc, part, field)) {
        return false;
    }
    return !scene_layout_is_own(crdt_document_field_name(doc, *field));
}

/* Does the part hold a whole value that shows (no field of it was written later)? */
static bool shows_whole(const crdt_document *doc, crdt_part part, bool *binary,
                        crdt_span *value)
{
    crdt_entry text;
    crdt_entry bytes;
    bool has_text = find_entry(doc, part, crdt_span_of(SCENE_NAME_VALUE), &text);
    bool has_bytes = find_entry(doc, part, crdt_span_of(SCENE_NAME_BINARY), &bytes);
    if (!has_text && !has_bytes) {
        return false;
    }
    *binary =
        has_bytes && (!has_text || crdt_stamp_compare(&bytes.stamp, &text.stamp) > 0);
    const crdt_entry *whole = *binary ? &bytes : &text;
    *value = whole->value;
    crdt_field field = {0};
    while (next_field(doc, part, &field)) {
        crdt_entry entry;
        if (crdt_document_field_value(doc, field, 0, &entry) &&
            crdt_stamp_compare(&entry.stamp, &whole->stamp) > 0) {
            return false;
        }
    }
    return true;
}

bool scene_part_shares(const crdt_document *doc, crdt_part part,
                       uint8_t name[CRDT_NAME_SIZE_MAX], crdt_span *object)
{
    crdt_entry entry;
    crdt_span id;
    if (!find_entry(doc, part, crdt_span_of(SCENE_NAME_SHARED), &entry) ||
        !scene_value_text(entry.value, &id)) {
        return false;
    }
    size_t prefix = strlen(SCENE_NAME_COMPONENT);
    if (id.size > CRDT_NAME_SIZE_MAX - prefix) {
        return false; /* no object has so long a name */
    }
    memcpy(name, SCENE_NAME_COMPONENT, prefix);
    if (id.size > 0) {
        memcpy(name + prefix, id.data, id.size);
    }
    *object = (crdt_span){name, prefix + id.size};
    return true;
}

/* The part of the shared component behind `part`, {0} if there is none. */
static crdt_part find_shared(const crdt_document *doc, crdt_part part)
{
    uint8_t name[CRDT_NAME_SIZE_MAX];
    crdt_span object;
    if (!scene_part_shares(doc, part, name, &object)) {
        return (crdt_part){0};
    }
    uint32_t number;
    crdt_span type = scene_layout_base(crdt_document_part_name(doc, part), &number);
    return scene_part_find(doc, crdt_document_find_object(doc, object), type);
}

void scene_component_open(const crdt_document *doc, crdt_part part,
                          scene_component *component)
{
    *component =
        (scene_component){.doc = doc, .own = part, .bare = scene_part_bare(doc, part)};
    if (component->bare) {
        return;
    }
    bool binary = false;
    crdt_span value;
    if (shows_whole(doc, part, &binary, &value)) {
        component->whole = true;
        component->binary = binary;
        component->value = value;
        return;
    }
    component->shared = find_shared(doc, part);
    if (component->shared.id == 0 ||
        !shows_whole(doc, component->shared, &binary, &value)) {
        return;
    }
    /* What is shared is no object: it shows, or the own fields alone. */
    crdt_field field = {0};
    if (next_field(doc, part, &field)) {
        component->shared = (crdt_part){0};
        return;
    }
    component->whole = true;
    component->binary = binary;
    component->value = value;
}

bool scene_component_find(const crdt_document *doc, crdt_span entity, crdt_span name,
                          scene_component *component)
{
    if (!scene_entity_live(doc, entity)) {
        return false;
    }
    crdt_part part = scene_part_find(doc, crdt_document_find_object(doc, entity), name);
    if (part.id == 0) {
        return false;
    }
    scene_component_open(doc, part, component);
    return true;
}

static void fill_field(const crdt_document *doc, crdt_field at, bool inherited,
                       scene_field *field)
{
    crdt_entry entry;
    bool has = crdt_document_field_value(doc, at, 0, &entry);
    assert(has);
    (void)has;
    *field = (scene_field){.name = crdt_document_field_name(doc, at),
                           .value = entry.value,
                           .stamp = entry.stamp,
                           .who = entry.who,
                           .inherited = inherited};
}

bool scene_component_next_field(const scene_component *component,
                                scene_field_cursor *cursor, scene_field *field)
{
    const crdt_document *doc = component->doc;
    if (component->whole) {
        return false;
    }
    /* A merge of two sorted lists, the own field before the shared one of its name. */
    if (!cursor->begun) {
        cursor->begun = true;
        cursor->own_ended = !next_field(doc, component->own, &cursor->own);
        cursor->shared_ended = !next_field(doc, component->shared, &cursor->shared);
    }
    if (cursor->own_ended && cursor->shared_ended) {
        return false;
    }
    int order = cursor->own_ended ? 1 : -1;
    if (!cursor->own_ended && !cursor->shared_ended) {
        order = crdt_span_compare(crdt_document_field_name(doc, cursor->own),
                                  crdt_document_field_name(doc, cursor->shared));
    }
    bool inherited = order > 0;
    fill_field(doc, inherited ? cursor->shared : cursor->own, inherited, field);
    if (order <= 0) {
        cursor->own_ended = !next_field(doc, component->own, &cursor->own);
    }
    if (order >= 0 && !cursor->shared_ended) {
        cursor->shared_ended = !next_field(doc, component->shared, &cursor->shared);
    }
    return true;
}

bool scene_component_field(const scene_component *component, crdt_span name,
                           scene_field *field)
{
    if (component->whole || scene_layout_is_own(name)) {
        return false;
    }
    crdt_entry entry;
    bool inherited = false;
    if (!find_entry(component->doc, component->own, name, &entry)) {
        inherited = true;
        if (!find_entry(component->doc, component->shared, name, &entry)) {
            return false;
        }
    }
    *field = (scene_field){name, entry.value, entry.stamp, entry.who, inherited};
    return true;
}

/* ---- the component as one value ---- */

/* Keys of a value stand in the order of UTF-16, fields in that of bytes: they differ
 * only where characters above U+FFFF meet U+E000..U+FFFF. So fields are collected, and
 * moved back by insertion where they differ: O(fields) for all usual names. */
static void insert_field(scene_field *fields, size_t count, const scene_field *field)
{
    size_t at = count;
    while (at > 0 && crdt_value_key_compare(fields[at - 1].name, field->name) > 0) {
        fields[at] = fields[at - 1];
        at--;
    }
    fields[at] = *field;
}

static crdt_err write_fields(const scene_field *fields, size_t count, crdt_buf *out)
{
    if (count > UINT32_MAX) {
        return CRDT_ELIMIT;
    }
    crdt_err err = crdt_value_write_map(out, (uint32_t)count);
    for (size_t i = 0; i < count && err == CRDT_OK; i++) {
        err = crdt_value_write_string(out, fields[i].name);
        if (err == CRDT_OK) {
            err = crdt_buf_append_span(out, fields[i].value);
        }
    }
    return err;
}

crdt_err scene_component_value(const scene_component *component, crdt_buf *out)
{
    if (component->whole) {
        return crdt_buf_append_span(out, component->value);
    }
    size_t count = 0;
    scene_field field;
    scene_field_cursor cursor = {0};
    while (scene_component_next_field(component, &cursor, &field)) {
        count++;
    }
    scene_field *fields = NULL;
    if (count > 0) {
        fields = crdt_resize_array(out->alloc, NULL, 0, count, sizeof *fields);
        if (fields == NULL) {
            return CRDT_ENOMEM;
        }
    }
    cursor = (scene_field_cursor){0};
    for (size_t i = 0; scene_component_next_field(component, &cursor, &field); i++) {
        insert_field(fields, i, &field);
    }
    size_t size = out->size;
    crdt_err err = write_fields(fields, count, out);
    if (err != CRDT_OK) {
        out->size = size;
    }
    crdt_free(out->alloc, fields, count * sizeof *fields);
    return err;
}

/* ---- parent and name ---- */

/* Spellings of one class, as parts of an entity. */
static const scene_format SPELLINGS[] = {SCENE_FORMAT_STATE, SCENE_FORMAT_BUILDER,
                                         SCENE_FORMAT_COMPOSITE};
#define SPELLING_COUNT (sizeof SPELLINGS / sizeof SPELLINGS[0])

size_t scene_class_parts(const crdt_document *doc, crdt_object entity, scene_class kind,
                         crdt_part parts[SCENE_CLASS_PARTS_MAX])
{
    static_assert(SCENE_CLASS_PARTS_MAX >= SPELLING_COUNT, "one part a spelling");
    size_t count = 0;
    crdt_span before = {0};
    for (size_t i = 0; i < SPELLING_COUNT; i++) {
        crdt_span spelling = scene_layout_spelling(kind, SPELLINGS[i]);
        if (i > 0 && crdt_span_equal(spelling, before)) {
            continue; /* state and builder mostly agree */
        }
        before = spelling;
        crdt_part part = scene_part_find(doc, entity, spelling);
        if (part.id != 0) {
            parts[count++] = part;
        }
    }
    return count;
}

bool scene_names_parents(const crdt_document *doc)
{
    return crdt_document_has_name(doc, crdt_span_of("parent"));
}

void scene_entity_parent(const crdt_document *doc, crdt_object entity,
                         scene_parent *parent)
{
    *parent = (scene_parent){0};
    crdt_part parts[SCENE_CLASS_PARTS_MAX];
    size_t count = scene_class_parts(doc, entity, SCENE_CLASS_TRANSFORM, parts);
    scene_field shown = {0};
    for (size_t i = 0; i < count; i++) {
        scene_component component;
        scene_field field;
        scene_component_open(doc, parts[i], &component);
        if (scene_component_field(&component, crdt_span_of("parent"), &field) &&
            crdt_stamp_compare(&field.stamp, &shown.stamp) > 0) {
            shown = field;
        }
    }
    if (shown.stamp.time == 0) {
        return;
    }
    parent->stamp = shown.stamp;
    parent->who = shown.who;
    parent->named = scene_layout_parent(shown.value, parent->text, &parent->id);
}

bool scene_entity_name(const crdt_document *doc, crdt_span entity, crdt_span *utf8)
{
    if (!scene_entity_live(doc, entity)) {
        return false;
    }
    crdt_part parts[SCENE_CLASS_PARTS_MAX];
    size_t count = scene_class_parts(doc, crdt_document_find_object(doc, entity),
                                     SCENE_CLASS_NAME, parts);
    for (size_t i = 0; i < count; i++) {
        scene_component component;
        scene_field field;
        scene_component_open(doc, parts[i], &component);
        if (scene_component_field(&component, crdt_span_of("value"), &field) &&
            scene_value_text(field.value, utf8)) {
            return true;
        }
    }
    return false;
}
