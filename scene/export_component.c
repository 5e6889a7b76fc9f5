/* How a component is told to readers of another format: its type in their spelling, the
 * parent in their form, and what they need beside. */

#include "scene/export.h"

#include <string.h>

#include "crdt/value.h"
#include "scene/derive.h"
#include "scene/format_composite.h"

static bool text_field(const scene_export_component *component, const char *name,
                       crdt_span *text)
{
    scene_field field;
    return scene_component_field(&component->shown, crdt_span_of(name), &field) &&
           scene_value_text(field.value, text);
}

static bool has_field(const scene_export_component *component, const char *name)
{
    scene_field field;
    return scene_component_field(&component->shown, crdt_span_of(name), &field);
}

static scene_override * override(scene_export_component *component, const char *name)
{
    scene_override *row = &component->overrides[component->override_count++];
    *row = (scene_override){.key = crdt_span_of(name)};
    scene_field field;
    row->had = scene_component_field(&component->shown, row->key, &field);
    if (row->had) {
        row->former = field.value;
    }
    return row;
}

static void set(scene_export_component *component, const char *name, crdt_span value)
{
    override(component, name)->value = value;
}

static crdt_span concat(scene_export *export, crdt_span a, const char *middle,
                        crdt_span b)
{
    size_t size = a.size + strlen(middle) + b.size;
    uint8_t *data = crdt_arena_alloc(&export->entity, size);
    if (data == NULL) {
        scene_export_fail(export, CRDT_ENOMEM);
        return crdt_span_of("");
    }
    memcpy(data, a.data, a.size);
    memcpy(data + a.size, middle, strlen(middle));
    memcpy(data + a.size + strlen(middle), b.data, b.size);
    return (crdt_span){data, size};
}

/* ---- parent ---- */

/* The number of an entity that composites know it by; false: there is none. */
static bool number_of(const scene_export *export, crdt_span id, uint64_t *number)
{
    const uint64_t *found =
        export->numbers != NULL ? scene_text_map_find(export->numbers, id) : NULL;
    if (found == NULL) {
        return false;
    }
    *number = *found;
    return true;
}

/* A parent that a composite can say is a number. Reading it gives the id as text where
 * the number was assigned (then the id is none itself), else the number. */
static void parent_as_number(scene_export *export, scene_export_component *component,
                             crdt_span value, crdt_span parent)
{
    uint64_t number = 0;
    if (!number_of(export, parent, &number)) {
        override(component, "parent")->remove = true;
        return;
    }
    crdt_span written = scene_export_number_value(export, (double)number);
    if (crdt_span_equal(written, value)) {
        return;
    }
    uint64_t own = 0;
    bool assigned = !scene_layout_decimal(parent, &own) || own != number;
    scene_override *row = override(component, "parent");
    row->value = written;
    row->silent = assigned && crdt_value_type_of(value) == CRDT_VALUE_STRING;
}

/* Is the parent that the entity names not the one it is shown under? */
static bool shown_under_root(const scene_export *export, crdt_object object)
{
    scene_place place;
    crdt_span id = crdt_document_object_name(export->doc, object);
    return export->under_root ||
           (export->tree != NULL && scene_tree_find(export->tree, id, &place) &&
            place.repair != SCENE_REPAIR_NONE);
}

/* May the file name a parent that has no entity in it? In a composite the player and the
 * camera have none, and readers take what is missing for the root; manifests know no
 * parents. States list the repair instead. */
static bool can_dangle(const scene_export *export, crdt_span parent)
{
    return export->target == SCENE_FORMAT_BUILDER ||
           (export->target == SCENE_FORMAT_COMPOSITE &&
            crdt_value_type_of(parent) == CRDT_VALUE_NUMBER);
}

static void adapt_parent(scene_export *export, scene_export_component *component)
{
    scene_field field;
    if (scene_layout_class(component->type) != SCENE_CLASS_TRANSFORM ||
        !scene_component_field(&component->shown, crdt_span_of("parent"), &field)) {
        return;
    }
    bool composite = export->target == SCENE_FORMAT_COMPOSITE;
    char text[SCENE_PARENT_TEXT_SIZE];
    crdt_span parent;
    bool named = scene_layout_parent(field.value, text, &parent);
    bool orphan = named && !scene_entity_live(export->doc, parent);
    if (orphan && export->native && can_dangle(export, field.value)) {
        return;
    }
    if (shown_under_root(export, component->object)) {
        scene_override *row = override(component, "parent");
        row->remove = true;
        row->silent = !orphan || export->native;
        return;
    }
    if (named) {
        if (composite) {
            parent_as_number(export, component, field.value, parent);
        }
        return;
    }
    if (!export->native &&
        (!composite || crdt_value_type_of(field.value) != CRDT_VALUE_NUMBER)) {
        override(component, "parent")->remove = true; /* the root is left out */
    }
}

/* ---- names, shapes ---- */

static bool entity_name(const scene_export *export, crdt_object object, crdt_span *name)
{
    crdt_part own =
        scene_export_part_of(export, object, crdt_span_of(SCENE_NAME_ENTITY));
    return scene_export_get_text(export, own, "name", name);
}

/* Readers of states find the identifier that scripts refer to in Name.builderValue. */
static void adapt_name(scene_export *export, scene_export_component *component)
{
    crdt_span name;
    if (export->target == SCENE_FORMAT_STATE &&
        export->origin == SCENE_FORMAT_BUILDER &&
        scene_layout_class(component->type) == SCENE_CLASS_NAME &&
        !has_field(component, "builderValue") &&
        entity_name(export, component->object, &name)) {
        set(component, "builderValue", scene_export_text_value(export, name));
    }
}

/* The path of an asset's model, as the builder writes it: <asset>/<model>. */
static crdt_span asset_path(scene_export *export, crdt_span asset)
{
    crdt_part assets = scene_export_scene_part(export, "assets");
    crdt_entry entry;
    crdt_field field = {0};
    if (assets.id != 0) {
        field = crdt_document_find_field(export->doc, assets, asset);
    }
    crdt_span model;
    crdt_span text;
    if (field.id != 0 && crdt_document_field_value(export->doc, field, 0, &entry) &&
        crdt_value_map_find(entry.value, "model", &model) &&
        scene_value_text(model, &text)) {
        return concat(export, asset, "/", text);
    }
    return asset;
}

static void adapt_shape(scene_export *export, scene_export_component *component)
{
    crdt_span text;
    if (export->native || scene_layout_class(component->type) != SCENE_CLASS_SHAPE) {
        return;
    }
    if (export->target == SCENE_FORMAT_COMPOSITE && !has_field(component, "src") &&
        text_field(component, "assetId", &text)) {
        set(component, "src",
            scene_export_text_value(export, asset_path(export, text)));
    }
    if (export->target == SCENE_FORMAT_BUILDER && !has_field(component, "assetId") &&
        text_field(component, "src", &text)) {
        char uuid[SCENE_UUID_SIZE];
        scene_derive_uuid("asset", text, crdt_span_of(""), uuid);
        crdt_span id = {(const uint8_t *)uuid, SCENE_UUID_SIZE};
        set(component, "assetId", scene_export_text_value(export, id));
    }
}

/* The contract in "ethereum://<contract>/<token>". */
static crdt_span contract_of(crdt_span url)
{
    static const char SCHEME[] = "ethereum://";
    size_t scheme = sizeof(SCHEME) - 1;
    if (url.size < scheme || memcmp(url.data, SCHEME, scheme) != 0) {
        return (crdt_span){url.data, 0};
    }
    crdt_span rest = {url.data + scheme, url.size - scheme};
    const uint8_t *slash = memchr(rest.data, '/', rest.size);
    if (slash != NULL) {
        rest.size = (size_t)(slash - rest.data);
    }
    return rest;
}

/* The frame colour that readers of states give a picture of the builder. */
static crdt_span default_color(scene_export *export)
{
    static const struct {
        const char *key;
        double value;
    } ROWS[] = {{"a", 1}, {"b", 0.8584906}, {"g", 0.611472}, {"r", 0.6404918}};
    crdt_buf value;
    crdt_buf_init(&value, export->alloc);
    crdt_err err = crdt_value_write_map(&value, 4);
    for (size_t i = 0; i < 4 && err == CRDT_OK; i++) {
        err = crdt_value_write_string(&value, crdt_span_of(ROWS[i].key));
        if (err == CRDT_OK) {
            err = crdt_value_write_number(&value, ROWS[i].value);
        }
    }
    void *copy = err == CRDT_OK ? crdt_arena_alloc(&export->entity, value.size) : NULL;
    size_t size = value.size;
    if (copy == NULL) {
        scene_export_fail(export, CRDT_ENOMEM);
        size = 0;
    } else {
        memcpy(copy, value.data, size);
    }
    crdt_buf_deinit(&value);
    return (crdt_span){copy, size};
}

/* Pictures: the builder says `url`, the state `src` and how it is framed. */
static void adapt_picture(scene_export *export, scene_export_component *component)
{
    crdt_span text;
    if (!crdt_span_equal(component->type, crdt_span_of("NFTShape"))) {
        return;
    }
    if (export->target == SCENE_FORMAT_STATE &&
        export->origin == SCENE_FORMAT_BUILDER && !has_field(component, "src") &&
        text_field(component, "url", &text)) {
        set(component, "src", scene_export_text_value(export, text));
        if (!has_field(component, "assetId")) {
            set(component, "assetId",
                scene_export_text_value(export, contract_of(text)));
        }
        if (!has_field(component, "color")) {
            set(component, "color", default_color(export));
        }
        if (!has_field(component, "style")) {
            set(component, "style", scene_export_number_value(export, 0));
        }
    }
    if (export->target == SCENE_FORMAT_BUILDER &&
        export->origin == SCENE_FORMAT_STATE && !has_field(component, "url") &&
        text_field(component, "src", &text)) {
        set(component, "url", scene_export_text_value(export, text));
    }
}

/* ---- the component ---- */

/* The target's spelling, unless the entity has a component of that type too. */
static crdt_span spell(scene_export *export, crdt_object object, crdt_span type)
{
    crdt_span written = type;
    if (!export->native) {
        written = scene_layout_translate(type, export->target);
        if (!crdt_span_equal(written, type) &&
            scene_export_part_of(export, object, written).id != 0) {
            written = type;
        }
    }
    if (export->target == SCENE_FORMAT_COMPOSITE && type.size >= 6 &&
        memcmp(written.data, "core::", written.size < 6 ? written.size : 6) == 0 &&
        written.size >= 6 && !scene_format_composite_is_core(written)) {
        written = concat(export, crdt_span_of("scenesync::"), "", written);
    }
    return written;
}

void scene_export_open_component(scene_export *export, crdt_object object,
                                 crdt_part part, bool alone,
                                 scene_export_component *component)
{
    *component = (scene_export_component){.object = object, .part = part};
    uint32_t number;
    component->type =
        scene_layout_base(crdt_document_part_name(export->doc, part), &number);
    component->written = spell(export, object, component->type);
    scene_component_open(export->doc, part, &component->shown);
    if (component->shown.whole) {
        return;
    }
    if (!alone) {
        adapt_parent(export, component);
        adapt_name(export, component);
    }
    adapt_shape(export, component);
    adapt_picture(export, component);
}
