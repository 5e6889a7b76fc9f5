#include "scene/codegen.h"

#include "crdt/value.h"
#include "scene/class_id.h"
#include "scene/export.h"
#include "scene/text_map.h"

#include <assert.h>
#include <string.h>

#define CODE_NAME_SIZE 64 /* of a component: "avatarModifierArea_4294967295" */

typedef struct codegen {
    scene_export export; /* reads; its writer makes one value at a time in `json` */
    crdt_buf json;
    crdt_buf *out;
    const scene_codegen_assets *assets;
    scene_text_map numbers;  /* entity -> its number */
    scene_text_map declared; /* id of a shared part -> number in its component's name */
    scene_text_map taken;    /* type -> how many are declared */
} codegen;

/* A field that the real runtime needs and the scene lacks. */
typedef struct made_field {
    const char *key;
    crdt_span json; /* canonical */
} made_field;

#define MADE_MAX 8

/* One component of an entity, as it will be written. */
typedef struct code_component {
    crdt_span type;
    uint32_t number; /* the n-th of its type */
    scene_component shown;
    const char *slot; /* NULL: the type itself */
    uint32_t id;
    bool shared;         /* declared, then attached */
    bool without_parent; /* the parent it names is not the one it is shown under */
    made_field made[MADE_MAX];
    size_t made_count;
} code_component;

static void put(codegen *code, const char *text)
{
    scene_export_fail(&code->export, crdt_buf_append(code->out, text, strlen(text)));
}

static void put_number(codegen *code, uint64_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(code, digits + at);
}

/* JSON as JavaScript: it may stand in a page, and in a file of older language. */
static void put_json(codegen *code, crdt_span json)
{
    size_t done = 0;
    for (size_t i = 0; i + 1 < json.size; i++) {
        const uint8_t *at = json.data + i;
        const char *escape = NULL;
        size_t size = 1;
        if (at[0] == '<' && (at[1] == '/' || at[1] == '!')) {
            escape = "\\u003c";
        } else if (at[0] == 0xe2 && i + 2 < json.size && at[1] == 0x80 &&
                   (at[2] == 0xa8 || at[2] == 0xa9)) {
            escape = at[2] == 0xa8 ? "\\u2028" : "\\u2029";
            size = 3;
        }
        if (escape != NULL) {
            crdt_span before = {json.data + done, i - done};
            scene_export_fail(&code->export, crdt_buf_append_span(code->out, before));
            put(code, escape);
            done = i + size;
        }
    }
    crdt_span rest = {json.data + done, json.size - done};
    scene_export_fail(&code->export, crdt_buf_append_span(code->out, rest));
}

/* A text as a JavaScript string. */
static void put_string(codegen *code, crdt_span utf8)
{
    crdt_buf text;
    crdt_buf_init(&text, code->export.alloc);
    scene_export_fail(&code->export, scene_json_write_string(utf8, &text));
    put_json(code, crdt_buf_span(&text));
    crdt_buf_deinit(&text);
}

/* Would an object written out lose a member? */
static bool has_proto(crdt_span json)
{
    return json.size >= 9 && memmem(json.data, json.size, "__proto__", 9) != NULL;
}

/* An expression that gives the value. */
static void put_value(codegen *code, crdt_span json)
{
    if (!has_proto(json)) {
        put_json(code, json);
        return;
    }
    put(code, "JSON.parse(");
    put_string(code, json);
    put(code, ")");
}

/* An expression that gives the text of the value. */
static void put_value_text(codegen *code, crdt_span json)
{
    if (has_proto(json)) {
        put_string(code, json);
        return;
    }
    put(code, "JSON.stringify(");
    put_json(code, json);
    put(code, ")");
}

/* ---- what is shown ---- */

/* The whole value as canonical JSON, in code->json. */
static crdt_span value_json(codegen *code, const code_component *component)
{
    scene_json_writer *writer = &code->export.writer;
    crdt_buf_clear(&code->json);
    if (component->shown.whole) {
        scene_json_writer_value(writer, component->shown.value);
        return crdt_buf_span(&code->json);
    }
    scene_json_writer_object_begin(writer);
    scene_field_cursor cursor = {0};
    scene_field field;
    while (scene_component_next_field(&component->shown, &cursor, &field)) {
        if (component->without_parent &&
            crdt_span_equal(field.name, crdt_span_of("parent"))) {
            continue;
        }
        scene_json_writer_key(writer, field.name);
        scene_json_writer_value(writer, field.value);
    }
    for (size_t i = 0; i < component->made_count; i++) {
        scene_json_writer_key(writer, crdt_span_of(component->made[i].key));
        scene_json_writer_raw(writer, component->made[i].json);
    }
    scene_json_writer_object_end(writer);
    return crdt_buf_span(&code->json);
}

static bool has_field(const scene_component *shown, const char *name, crdt_span *value)
{
    scene_field field;
    if (!scene_component_field(shown, crdt_span_of(name), &field)) {
        return false;
    }
    if (value != NULL) {
        *value = field.value;
    }
    return true;
}

static bool text_field(const scene_component *shown, const char *name, crdt_span *text)
{
    crdt_span value;
    return has_field(shown, name, &value) && scene_value_text(value, text);
}

/* Did the file give no value at all, and nobody has since? */
static bool is_absent(const codegen *code, const code_component *component,
                      crdt_part part)
{
    scene_field_cursor cursor = {0};
    scene_field field;
    crdt_span unused;
    return !component->shown.whole &&
           scene_export_get(&code->export, part, SCENE_NAME_ABSENT, &unused) &&
           !scene_component_next_field(&component->shown, &cursor, &field);
}

/* ---- what the real runtime needs ---- */

static void make(code_component *component, const char *key, crdt_span json)
{
    if (has_field(&component->shown, key, NULL)) {
        return;
    }
    assert(component->made_count < MADE_MAX);
    size_t at = component->made_count++;
    for (; at > 0 && strcmp(component->made[at - 1].key, key) > 0; at--) {
        component->made[at] = component->made[at - 1]; /* sorted */
    }
    component->made[at] = (made_field){.key = key, .json = json};
}

static bool has_numbers(crdt_span value, const char *axes)
{
    for (; *axes != '\0'; axes++) {
        char key[2] = {*axes, '\0'};
        crdt_span number;
        if (crdt_value_type_of(value) != CRDT_VALUE_MAP ||
            !crdt_value_map_find(value, key, &number) ||
            crdt_value_type_of(number) != CRDT_VALUE_NUMBER) {
            return false;
        }
    }
    return true;
}

/* Three vectors, each whole or missing altogether; false: it cannot be said. */
static bool make_transform(code_component *component)
{
    static const struct {
        const char *key;
        const char *axes;
        const char *missing;
    } ROWS[] = {{"position", "xyz", "{\"x\":0,\"y\":0,\"z\":0}"},
                {"rotation", "xyzw", "{\"w\":1,\"x\":0,\"y\":0,\"z\":0}"},
                {"scale", "xyz", "{\"x\":1,\"y\":1,\"z\":1}"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        crdt_span value;
        if (has_field(&component->shown, ROWS[i].key, &value) &&
            !has_numbers(value, ROWS[i].axes)) {
            return false;
        }
        make(component, ROWS[i].key, crdt_span_of(ROWS[i].missing));
    }
    return true;
}

/* A text as JSON, as long as the entity at hand. */
static crdt_span string_json(codegen *code, crdt_span a, const char *middle,
                             crdt_span b)
{
    crdt_buf text;
    crdt_buf json;
    crdt_buf_init(&text, code->export.alloc);
    crdt_buf_init(&json, code->export.alloc);
    crdt_err err = crdt_buf_append_span(&text, a);
    err = err == CRDT_OK ? crdt_buf_append(&text, middle, strlen(middle)) : err;
    err = err == CRDT_OK ? crdt_buf_append_span(&text, b) : err;
    err = err == CRDT_OK ? scene_json_write_string(crdt_buf_span(&text), &json) : err;
    uint8_t *copy =
        err == CRDT_OK ? crdt_arena_alloc(&code->export.entity, json.size) : NULL;
    crdt_span span = {copy, copy != NULL ? json.size : 0};
    if (copy == NULL) {
        scene_export_fail(&code->export, CRDT_ENOMEM);
        span = crdt_span_of("null");
    } else {
        memcpy(copy, json.data, json.size);
    }
    crdt_buf_deinit(&json);
    crdt_buf_deinit(&text);
    return span;
}

/* The path of the asset's model, as the scene's assets or the catalogue tell it. */
static bool find_model(const codegen *code, crdt_span asset, crdt_span *path)
{
    const scene_export *export = &code->export;
    crdt_part assets = scene_export_scene_part(export, "assets");
    crdt_field field = {0};
    crdt_entry entry;
    crdt_span model;
    if (assets.id != 0) {
        field = crdt_document_find_field(export->doc, assets, asset);
    }
    if (field.id != 0 && crdt_document_field_value(export->doc, field, 0, &entry) &&
        crdt_value_type_of(entry.value) == CRDT_VALUE_MAP &&
        crdt_value_map_find(entry.value, "model", &model) &&
        scene_value_text(model, path)) {
        return true;
    }
    return code->assets != NULL && code->assets->model(code->assets->ctx, asset, path);
}

static void make_model(codegen *code, code_component *component)
{
    crdt_span asset;
    crdt_span path;
    if (has_field(&component->shown, "src", NULL) ||
        !text_field(&component->shown, "assetId", &asset) ||
        !find_model(code, asset, &path)) {
        return;
    }
    bool builder = code->export.origin == SCENE_FORMAT_BUILDER;
    make(component, "src",
         string_json(code, builder ? asset : crdt_span_of("models"), "/", path));
}

static void make_picture(codegen *code, code_component *component)
{
    crdt_span url;
    if (!has_field(&component->shown, "src", NULL) &&
        text_field(&component->shown, "url", &url)) {
        make(component, "src", string_json(code, url, "", crdt_span_of("")));
    }
    make(component, "color",
         crdt_span_of("{\"b\":0.8584906,\"g\":0.611472,\"r\":0.6404918}"));
    make(component, "style", crdt_span_of("0"));
}

static void make_shape(codegen *code, code_component *component)
{
    enum { BOX = 16, CYLINDER = 20, PICTURE = 22, CIRCLE = 31, MODEL = 54, OBJ = 55 };
    uint32_t id = component->id;
    bool shape = (id >= BOX && id <= CYLINDER) || id == PICTURE || id == CIRCLE ||
                 id == MODEL || id == OBJ;
    if (!shape) {
        return;
    }
    static const char *const FLAGS[] = {"isPointerBlocker", "visible",
                                        "withCollisions"};
    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0]; i++) {
        make(component, FLAGS[i], crdt_span_of("true"));
    }
    if (id == MODEL) {
        make_model(code, component);
    }
    if (id == PICTURE) {
        make_picture(code, component);
    }
}

/* ---- components ---- */

static bool begins_with(crdt_span text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

/* Can the real calls say it? Then slot, id and what is made are filled in. */
static bool say_real(codegen *code, code_component *component)
{
    bool transform =
        scene_layout_class(component->type) == SCENE_CLASS_TRANSFORM &&
        scene_class_id(component->type, code->export.origin, &component->id) &&
        component->id == 1;
    if (component->shown.whole || component->number != 1) {
        return false;
    }
    if (code->export.origin == SCENE_FORMAT_COMPOSITE) {
        component->slot = transform ? "engine.transform" : NULL;
        return scene_class_id(component->type, SCENE_FORMAT_COMPOSITE,
                              &component->id) &&
               !begins_with(component->type, "inspector::") &&
               (!transform || make_transform(component));
    }
    const scene_class_code *known = scene_class_id_code(component->type);
    if (known == NULL || known->edition_only) {
        return false;
    }
    component->slot = known->slot;
    component->id = known->id;
    component->shared = known->shared;
    if (transform) {
        return make_transform(component);
    }
    make_shape(code, component);
    return true;
}

/* What the real runtime does not look at: `type` and `made`. */
static void put_carried(codegen *code, const code_component *component, bool with_made,
                        bool with_type)
{
    with_made = with_made && component->made_count > 0;
    if (!with_made && !with_type) {
        return;
    }
    put(code, ", {");
    for (size_t i = 0; with_made && i < component->made_count; i++) {
        put(code, i == 0 ? "\"made\":[\"" : "\",\"");
        put(code, component->made[i].key);
    }
    put(code, with_made ? "\"]" : "");
    put(code, with_made && with_type ? "," : "");
    if (with_type) {
        put(code, "\"type\":");
        put_string(code, component->type);
    }
    put(code, "}");
}

static void put_slot(codegen *code, const code_component *component)
{
    if (component->slot == NULL) {
        put_string(code, component->type);
        return;
    }
    put(code, "'");
    put(code, component->slot);
    put(code, "'");
}

static void put_update(codegen *code, uint64_t entity, const code_component *component)
{
    put(code, "dcl.updateEntityComponent('");
    put_number(code, entity);
    put(code, "', ");
    put_slot(code, component);
    put(code, ", ");
    put_number(code, component->id);
    put(code, ", ");
    put_value_text(code, value_json(code, component));
    put_carried(code, component, true, true);
    put(code, ");\n");
}

/* GLTFShape -> gltfShape, UICanvas -> uiCanvas: lower case up to the last capital before
 * a small letter, as the real writer does it; from the second one on with its number. */
static void put_component_name(codegen *code, const code_component *component,
                               uint64_t number)
{
    char name[CODE_NAME_SIZE];
    size_t size = component->type.size;
    assert(size < sizeof name); /* it is one of the table */
    bool lower = true;
    for (size_t i = 0; i < size; i++) {
        uint8_t letter = component->type.data[i];
        bool capital = letter >= 'A' && letter <= 'Z';
        name[i] = (char)(lower && capital ? letter - 'A' + 'a' : letter);
        if (i + 2 < size) {
            uint8_t after = component->type.data[i + 2];
            lower = lower && after >= 'A' && after <= 'Z';
        }
    }
    name[size] = '\0';
    put(code, "'");
    put(code, name);
    if (number > 1) {
        put(code, "_");
        put_number(code, number);
    }
    put(code, "'");
}

/* The shared part whose fields are all that the entity shows; 0: there are others. */
static uint32_t shown_shared(const code_component *component)
{
    scene_field_cursor cursor = {0};
    scene_field field;
    while (scene_component_next_field(&component->shown, &cursor, &field)) {
        if (!field.inherited) {
            return 0;
        }
    }
    return component->without_parent ? 0 : component->shown.shared.id;
}

/* The number in the name of the component; *fresh: it is to be declared. */
static uint64_t declare(codegen *code, const code_component *component, bool *fresh)
{
    scene_export *export = &code->export;
    uint64_t *found = NULL;
    uint32_t shared = shown_shared(component);
    *fresh = true;
    if (shared != 0) {
        uint8_t *key = crdt_arena_alloc(&export->arena, sizeof shared);
        if (key == NULL) {
            scene_export_fail(export, CRDT_ENOMEM);
            return 1;
        }
        memcpy(key, &shared, sizeof shared);
        scene_export_fail(export, scene_text_map_put(&code->declared,
                                                     (crdt_span){key, sizeof shared}, 0,
                                                     &found, fresh));
        if (!*fresh) {
            return *found;
        }
    }
    uint64_t *taken = NULL;
    crdt_err err = scene_text_map_put(&code->taken, component->type, 0, &taken, NULL);
    scene_export_fail(export, err);
    uint64_t number = err == CRDT_OK ? ++*taken : 1;
    if (found != NULL) {
        *found = number;
    }
    return number;
}

static void put_shared(codegen *code, uint64_t entity, const code_component *component)
{
    bool fresh;
    uint64_t number = declare(code, component, &fresh);
    if (fresh) {
        put(code, "dcl.componentCreated(");
        put_component_name(code, component, number);
        put(code, ", ");
        put_slot(code, component);
        put(code, ", ");
        put_number(code, component->id);
        put_carried(code, component, false, true);
        put(code, ");\ndcl.componentUpdated(");
        put_component_name(code, component, number);
        put(code, ", ");
        put_value_text(code, value_json(code, component));
        put_carried(code, component, true, false);
        put(code, ");\n");
    }
    put(code, "dcl.attachEntityComponent('");
    put_number(code, entity);
    put(code, "', ");
    put_slot(code, component);
    put(code, ", ");
    put_component_name(code, component, number);
    put(code, ");\n");
}

/* What the real calls cannot say. */
static void put_beside(codegen *code, uint64_t entity, const code_component *component,
                       bool absent)
{
    put(code, "dcl.scenesync && dcl.scenesync('");
    put_number(code, entity);
    put(code, "', {");
    if (component->shown.whole && component->shown.binary) {
        put(code, "\"binary\":");
        put_value(code, value_json(code, component));
        put(code, ",");
    }
    if (component->number > 1) {
        put(code, "\"number\":");
        put_number(code, component->number);
        put(code, ",");
    }
    put(code, "\"type\":");
    put_string(code, component->type);
    if (!absent && !(component->shown.whole && component->shown.binary)) {
        put(code, ",\"value\":");
        put_value(code, value_json(code, component));
    }
    put(code, "});\n");
}

static void put_component(codegen *code, uint64_t entity, const scene_export_part *part,
                          bool under_root)
{
    code_component component = {0};
    component.type = scene_layout_base(part->name, &component.number);
    scene_component_open(code->export.doc, part->part, &component.shown);
    bool transform = scene_layout_class(component.type) == SCENE_CLASS_TRANSFORM;
    component.without_parent = transform && under_root;
    bool absent = is_absent(code, &component, part->part);
    if (absent || !say_real(code, &component)) {
        component.made_count = 0;
        put_beside(code, entity, &component, absent);
    } else if (component.shared) {
        put_shared(code, entity, &component);
    } else {
        put_update(code, entity, &component);
    }
}

/* ---- entities ---- */

/* The number of the entity it is shown under; 0: the root. *repaired: it names another. */
static uint64_t parent_of(const codegen *code, crdt_span entity, bool *repaired)
{
    scene_place place;
    *repaired = false;
    if (code->export.tree == NULL ||
        !scene_tree_find(code->export.tree, entity, &place)) {
        return 0;
    }
    *repaired = place.repair != SCENE_REPAIR_NONE;
    const uint64_t *number =
        place.under_root ? NULL : scene_text_map_find(&code->numbers, place.parent);
    return number != NULL ? *number : 0;
}

static void put_parent(codegen *code, uint64_t entity, uint64_t parent)
{
    put(code, "dcl.setParent('");
    put_number(code, entity);
    put(code, "', '");
    put_number(code, parent);
    put(code, "');\n");
}

/* The entity's own fields, beside its components. */
static void put_own_fields(codegen *code, crdt_object object)
{
    scene_export *export = &code->export;
    crdt_part own =
        scene_export_part_of(export, object, crdt_span_of(SCENE_NAME_ENTITY));
    crdt_buf_clear(&code->json);
    scene_json_writer_object_begin(&export->writer);
    scene_export_fields(export, own);
    scene_json_writer_object_end(&export->writer);
    if (code->json.size > 2) {
        put(code, "\"fields\":");
        put_value(code, crdt_buf_span(&code->json));
        put(code, ",");
    }
}

static void put_entity(codegen *code, const scene_export_entity *entity,
                       uint64_t number)
{
    scene_export *export = &code->export;
    bool repaired;
    uint64_t parent = parent_of(code, entity->id, &repaired);
    put(code, "\ndcl.addEntity('");
    put_number(code, number);
    put(code, "', {");
    put_own_fields(code, entity->object);
    put(code, "\"id\":");
    put_string(code, entity->id);
    put(code, "});\n");
    put_parent(code, number, parent < number ? parent : 0);
    size_t count;
    scene_export_part *parts = scene_export_parts(export, entity->object, &count);
    for (size_t i = 0; i < count; i++) {
        if (scene_layout_is_component(parts[i].name, NULL)) {
            put_component(code, number, &parts[i], repaired);
        }
    }
    crdt_arena_reset(&export->entity);
}

/* Whose parents come after them. */
static void put_late_parents(codegen *code, const scene_export_entity *entities,
                             size_t count)
{
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        bool repaired;
        uint64_t parent = parent_of(code, entities[i].id, &repaired);
        if (parent > i + 1) {
            put(code, first ? "\n" : "");
            put_parent(code, i + 1, parent);
            first = false;
        }
    }
}

static void put_all(codegen *code)
{
    scene_export *export = &code->export;
    put(code, "dcl.subscribe('sceneStart', {\"origin\":\"");
    put(code, scene_format_name(export->origin));
    put(code, "\",\"scenesync\":1});\n");
    size_t count;
    scene_export_entity *entities = scene_export_entities(export, &count);
    for (size_t i = 0; i < count && export->writer.err == CRDT_OK; i++) {
        scene_export_fail(export, scene_text_map_put(&code->numbers, entities[i].id,
                                                     i + 1, NULL, NULL));
    }
    for (size_t i = 0; i < count && export->writer.err == CRDT_OK; i++) {
        put_entity(code, &entities[i], i + 1);
    }
    if (export->writer.err == CRDT_OK) {
        put_late_parents(code, entities, count);
    }
}

crdt_err scene_codegen_write_with(const crdt_document *doc, const scene_tree *tree,
                                  const scene_codegen_assets *assets, crdt_alloc alloc,
                                  crdt_buf *out)
{
    size_t before = out->size;
    codegen code = {.out = out, .assets = assets};
    crdt_buf_init(&code.json, alloc);
    scene_text_map_init(&code.numbers, alloc);
    scene_text_map_init(&code.declared, alloc);
    scene_text_map_init(&code.taken, alloc);
    scene_format origin = scene_origin_of(doc);
    scene_export_init(&code.export, doc, origin, tree, alloc, &code.json);
    put_all(&code);
    crdt_err err = code.export.writer.err;
    scene_export_deinit(&code.export);
    scene_text_map_deinit(&code.taken);
    scene_text_map_deinit(&code.declared);
    scene_text_map_deinit(&code.numbers);
    crdt_buf_deinit(&code.json);
    if (err != CRDT_OK) {
        out->size = before;
    }
    return err;
}

crdt_err scene_codegen_write(const crdt_document *doc, const scene_tree *tree,
                             crdt_alloc alloc, crdt_buf *out)
{
    return scene_codegen_write_with(doc, tree, NULL, alloc, out);
}
