#include "scene/format_builder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/value.h"
#include "scene/derive.h"
#include "scene/export.h"
#include "scene/format_composite.h"

/* A component for the table of components. */
typedef struct table_row {
    crdt_span id;
    crdt_object object;
    crdt_part part;
    bool shared; /* an object of its own, of no single entity */
} table_row;

typedef struct builder_write {
    scene_export *export;
    scene_export_entity *entities;
    size_t entity_count;
    table_row *rows;
    size_t row_count;
    size_t row_capacity;
    scene_text_map taken;  /* component ids in use; 1: a shared one, referred to */
    scene_text_map names;  /* names of entities in use -> the next number to try */
    scene_text_map models; /* models of assets that had to be made up */
    crdt_span *model_list;
    size_t model_count;
    bool named; /* entities must have names (since version 5) */
} builder_write;

static void fail(builder_write *write, crdt_err err)
{
    scene_export_fail(write->export, err);
}

static crdt_span keep(builder_write *write, const char *text, size_t size)
{
    void *copy = crdt_arena_alloc(&write->export->arena, size);
    if (copy == NULL) {
        fail(write, CRDT_ENOMEM);
        return crdt_span_of("");
    }
    memcpy(copy, text, size);
    return (crdt_span){copy, size};
}

static void put_text(scene_json_writer *writer, const char *key, crdt_span text)
{
    scene_json_writer_key(writer, crdt_span_of(key));
    scene_json_writer_string(writer, text);
}

static void put_integer(scene_json_writer *writer, const char *key, int64_t number)
{
    scene_json_writer_key(writer, crdt_span_of(key));
    scene_json_writer_integer(writer, number);
}

static void put_derived(builder_write *write, const char *key, const char *meaning)
{
    char uuid[SCENE_UUID_SIZE];
    crdt_span first =
        write->entity_count > 0 ? write->entities[0].id : crdt_span_of("");
    scene_derive_uuid(meaning, first, crdt_span_of(""), uuid);
    put_text(&write->export->writer, key, keep(write, uuid, SCENE_UUID_SIZE));
}

/* ---- components ---- */

static void push_row(builder_write *write, table_row row)
{
    if (write->row_count == write->row_capacity) {
        size_t capacity = write->row_capacity * 2 + 64;
        table_row *rows =
            crdt_resize_array(write->export->alloc, write->rows, write->row_capacity,
                              capacity, sizeof(table_row));
        if (rows == NULL) {
            fail(write, CRDT_ENOMEM);
            return;
        }
        write->rows = rows;
        write->row_capacity = capacity;
    }
    write->rows[write->row_count++] = row;
}

/* Is the component just the shared one, nothing of its own over it? */
static bool is_plainly_shared(const builder_write *write, crdt_part part, crdt_span *id)
{
    const scene_export *export = write->export;
    scene_component shown;
    scene_component_open(export->doc, part, &shown);
    if (shown.shared.id == 0) {
        return false;
    }
    if (!scene_export_get_text(export, part, SCENE_NAME_SHARED, id) ||
        scene_text_map_find(&write->taken, *id) == NULL) {
        return false;
    }
    crdt_field field = {0};
    while (crdt_document_next_field(export->doc, part, &field)) {
        crdt_span name = crdt_document_field_name(export->doc, field);
        bool own = scene_layout_is_own(name);
        if (!own || crdt_span_equal(name, crdt_span_of(SCENE_NAME_VALUE)) ||
            crdt_span_equal(name, crdt_span_of(SCENE_NAME_BINARY))) {
            return false;
        }
    }
    return true;
}

/* An id for an entity's own component: its former one, unless another has it. `name` is
 * what its part is called when the manifest is read. */
static crdt_span own_id(builder_write *write, crdt_span entity, crdt_part part,
                        crdt_span name)
{
    scene_export *export = write->export;
    crdt_span id;
    bool fresh = false;
    if (scene_export_get_text(export, part, SCENE_NAME_ID, &id)) {
        fail(write, scene_text_map_put(&write->taken, id, 0, NULL, &fresh));
        if (fresh) {
            return id;
        }
    }
    char uuid[SCENE_UUID_SIZE];
    scene_derive_uuid("component", entity, name, uuid);
    id = keep(write, uuid, SCENE_UUID_SIZE);
    fail(write, scene_text_map_put(&write->taken, id, 0, NULL, NULL));
    return id;
}

/* The name that reading gives to the part of the count-th component of a type. */
static crdt_span read_name(builder_write *write, crdt_span base, uint64_t count)
{
    if (count == 1) {
        return base;
    }
    char mark[24];
    int size = snprintf(mark, sizeof(mark), "\377r%llu:", (unsigned long long)count);
    uint8_t *name = crdt_arena_alloc(&write->export->entity, (size_t)size + base.size);
    if (name == NULL) {
        fail(write, CRDT_ENOMEM);
        return base;
    }
    memcpy(name, mark, (size_t)size);
    if (base.size > 0) {
        memcpy(name + size, base.data, base.size);
    }
    return (crdt_span){name, (size_t)size + base.size};
}

static void write_listed(builder_write *write, const scene_export_entity *entity,
                         const scene_export_part *row, uint64_t count)
{
    scene_export *export = write->export;
    uint32_t number;
    crdt_span base = scene_layout_base(row->name, &number);
    crdt_span id;
    if (scene_layout_is_own(base)) { /* dangling */
        id = (crdt_span){base.data + 2, base.size - 2};
    } else if (is_plainly_shared(write, row->part, &id)) {
        *scene_text_map_find(&write->taken, id) = 1;
    } else {
        id = own_id(write, entity->id, row->part, read_name(write, base, count));
        push_row(write, (table_row){id, entity->object, row->part, false});
    }
    scene_json_writer_string(&export->writer, id);
}

/* The ids of an entity's components, in their order. */
static void write_list(builder_write *write, const scene_export_entity *entity,
                       const scene_export_part *parts, size_t part_count)
{
    bool repeated = false;
    for (size_t i = 0; i < part_count; i++) {
        uint32_t number;
        (void)scene_layout_base(parts[i].name, &number);
        repeated = repeated || number > 1;
    }
    scene_text_map counts; /* of each type so far */
    scene_text_map_init(&counts, write->export->alloc);
    scene_json_writer_array_begin(&write->export->writer);
    for (size_t i = 0; i < part_count; i++) {
        uint32_t number;
        uint64_t first = 0;
        uint64_t *count = &first;
        if (repeated) {
            crdt_span base = scene_layout_base(parts[i].name, &number);
            fail(write, scene_text_map_put(&counts, base, 0, &count, NULL));
        }
        write_listed(write, entity, &parts[i], ++*count);
    }
    scene_json_writer_array_end(&write->export->writer);
    scene_text_map_deinit(&counts);
}

/* A model that is shown and has no asset: the table of assets gets one. */
static void note_model(builder_write *write, const scene_export_component *component)
{
    scene_export *export = write->export;
    scene_field field;
    crdt_value_token token;
    bool fresh = false;
    for (size_t i = 0; i < component->override_count; i++) {
        if (crdt_span_equal(component->overrides[i].key, crdt_span_of("assetId")) &&
            scene_component_field(&component->shown, crdt_span_of("src"), &field)) {
            crdt_value_reader reader = crdt_value_read_open(field.value);
            token = crdt_value_read(&reader);
            fail(write,
                 scene_text_map_put(&write->models, token.string, 0, NULL, &fresh));
            if (fresh && export->writer.err == CRDT_OK) {
                write->model_list[write->model_count++] = token.string;
            }
        }
    }
}

static void write_component(builder_write *write, const table_row *row)
{
    scene_export *export = write->export;
    scene_json_writer *writer = &export->writer;
    scene_export_component component;
    scene_export_open_component(export, row->object, row->part, row->shared,
                                &component);
    note_model(write, &component);
    scene_json_writer_key(writer, row->id);
    scene_json_writer_object_begin(writer);
    put_text(writer, "id", row->id);
    put_text(writer, "type", component.written);
    (void)scene_export_component_value(export, &component, "data");
    scene_export_component_extra(export, &component);
    scene_export_component_carry(export, &component);
    scene_json_writer_object_end(writer);
    crdt_arena_reset(&export->entity);
}

/* Reserve the ids of shared components before others can take them. */
static void reserve_shared(builder_write *write)
{
    scene_export *export = write->export;
    crdt_object object = {0};
    crdt_part part;
    crdt_span id;
    while (scene_export_next_shared(export, &object, &part, &id)) {
        uint64_t kept = scene_export_is_kept(export, object) ? 1 : 0;
        fail(write, scene_text_map_put(&write->taken, id, kept, NULL, NULL));
    }
}

static void write_components(builder_write *write)
{
    scene_export *export = write->export;
    crdt_object object = {0};
    crdt_part part;
    crdt_span id;
    while (scene_export_next_shared(export, &object, &part, &id)) {
        const uint64_t *used = scene_text_map_find(&write->taken, id);
        if (used != NULL && *used != 0) {
            push_row(write, (table_row){id, object, part, true});
        }
    }
    write->model_list =
        crdt_arena_alloc(&export->arena, (write->row_count + 1) * sizeof(crdt_span));
    if (write->model_list == NULL) {
        fail(write, CRDT_ENOMEM);
        return;
    }
    scene_json_writer_key(&export->writer, crdt_span_of("components"));
    scene_json_writer_object_begin(&export->writer);
    for (size_t i = 0; i < write->row_count; i++) {
        write_component(write, &write->rows[i]);
    }
    scene_json_writer_object_end(&export->writer);
}

/* ---- names of entities ---- */

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* The identifier in a text, as the builder makes them of asset names: letters and digits,
 * a letter first, words joined in camel case. */
static size_t identifier_of(crdt_span text, char *name, size_t size_max)
{
    size_t size = 0;
    bool word = false; /* a word begins */
    for (size_t i = 0; i < text.size && size < size_max; i++) {
        uint8_t c = text.data[i];
        if (!is_letter(c) && (!is_digit(c) || size == 0)) {
            word = size > 0;
            continue;
        }
        bool lower = size == 0 && c >= 'A' && c <= 'Z';
        bool upper = word && c >= 'a' && c <= 'z';
        name[size++] = (char)(lower ? c + 32 : upper ? c - 32 : c);
        word = false;
    }
    return size;
}

#define NAME_SIZE_MAX 40

/* The text that the entity's name is made of: what scripts call it, what people do. */
static crdt_span name_source(const scene_export *export, crdt_object object)
{
    static const char *const FIELDS[] = {"builderValue", "value"};
    crdt_part part = {0};
    while (crdt_document_next_part(export->doc, object, &part)) {
        crdt_span name = crdt_document_part_name(export->doc, part);
        if (!crdt_document_part_live(export->doc, part) ||
            scene_layout_class(name) != SCENE_CLASS_NAME) {
            continue;
        }
        scene_component shown;
        scene_component_open(export->doc, part, &shown);
        for (size_t i = 0; i < 2; i++) {
            scene_field field;
            crdt_span text;
            if (scene_component_field(&shown, crdt_span_of(FIELDS[i]), &field) &&
                scene_value_text(field.value, &text)) {
                return text;
            }
        }
    }
    return crdt_span_of("");
}

/* A name that no other entity has: the identifier, or with a number from 2 on. */
static crdt_span make_name(builder_write *write, crdt_object object)
{
    char text[NAME_SIZE_MAX + 24];
    size_t size =
        identifier_of(name_source(write->export, object), text, NAME_SIZE_MAX);
    if (size < 2) {
        memcpy(text, "entity", 6);
        size = 6;
    }
    crdt_span base = keep(write, text, size);
    crdt_span name = base;
    bool fresh = false;
    uint64_t *next = NULL;
    fail(write, scene_text_map_put(&write->names, base, 2, &next, &fresh));
    uint64_t number = next != NULL ? *next : 2;
    while (!fresh && write->export->writer.err == CRDT_OK) {
        int tail = snprintf(text + size, sizeof(text) - size, "%llu",
                            (unsigned long long)number++);
        name = keep(write, text, size + (size_t)tail);
        fail(write, scene_text_map_put(&write->names, name, 2, NULL, &fresh));
        uint64_t *counter = scene_text_map_find(&write->names, base);
        if (counter != NULL) {
            *counter = number;
        }
    }
    return name;
}

static bool given_name(const builder_write *write, crdt_object object, crdt_span *name)
{
    crdt_part own =
        scene_export_part_of(write->export, object, crdt_span_of(SCENE_NAME_ENTITY));
    return write->export->native &&
           scene_export_get_text(write->export, own, "name", name);
}

/* Keys of an object have no order, so what is made up may not depend on one. */
static int compare_ids(const void *a, const void *b)
{
    return scene_layout_entity_compare(((const scene_export_entity *)a)->id,
                                       ((const scene_export_entity *)b)->id);
}

static void collect_names(builder_write *write)
{
    for (size_t i = 0; i < write->entity_count; i++) {
        crdt_span name;
        if (given_name(write, write->entities[i].object, &name)) {
            fail(write, scene_text_map_put(&write->names, name, 2, NULL, NULL));
        }
    }
}

/* ---- entities ---- */

static void write_entity(builder_write *write, const scene_export_entity *entity)
{
    scene_export *export = write->export;
    scene_json_writer *writer = &export->writer;
    size_t count;
    scene_export_part *parts = scene_export_parts(export, entity->object, &count);
    crdt_part own =
        scene_export_part_of(export, entity->object, crdt_span_of(SCENE_NAME_ENTITY));
    crdt_span name;
    bool settled =
        export->native && (scene_export_get(export, own, "name", &name) ||
                           scene_export_get(export, own, SCENE_NAME_ABSENT, &name));
    bool made = write->named && !settled;
    if (made) {
        name = make_name(write, entity->object);
    }
    scene_json_writer_key(writer, entity->id);
    scene_json_writer_object_begin(writer);
    put_text(writer, "id", entity->id);
    scene_json_writer_key(writer, crdt_span_of("components"));
    write_list(write, entity, parts, count);
    if (export->native) {
        scene_export_fields(export, own);
    }
    if (made) {
        put_text(writer, "name", name);
    }
    scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
    scene_json_writer_object_begin(writer);
    scene_export_entity_members(export, entity->object, NULL, 0, false);
    if (made) {
        put_text(writer, "name", name);
    }
    scene_json_writer_object_end_or_drop(writer);
    scene_json_writer_object_end(writer);
    crdt_arena_reset(&export->entity);
}

static void write_entities(builder_write *write)
{
    scene_json_writer *writer = &write->export->writer;
    collect_names(write);
    scene_json_writer_key(writer, crdt_span_of("entities"));
    scene_json_writer_object_begin(writer);
    for (size_t i = 0; i < write->entity_count; i++) {
        write_entity(write, &write->entities[i]);
    }
    scene_json_writer_object_end(writer);
}

/* ---- what only the builder knows, made up for others ---- */

/* Rows and columns of parcels (16 m) that hold every transform at the root. */
static void measure(const builder_write *write, int64_t *rows, int64_t *cols)
{
    const scene_export *export = write->export;
    double size[2] = {1, 1};
    for (size_t i = 0; i < write->entity_count; i++) {
        crdt_part part = {0};
        while (crdt_document_next_part(export->doc, write->entities[i].object, &part)) {
            crdt_span name = crdt_document_part_name(export->doc, part);
            crdt_span position;
            scene_component shown;
            scene_field field;
            if (scene_layout_class(name) != SCENE_CLASS_TRANSFORM ||
                !crdt_document_part_live(export->doc, part)) {
                continue;
            }
            scene_component_open(export->doc, part, &shown);
            if (!scene_component_field(&shown, crdt_span_of("position"), &field)) {
                continue;
            }
            for (size_t axis = 0; axis < 2; axis++) {
                if (crdt_value_map_find(field.value, axis == 0 ? "x" : "z",
                                        &position) &&
                    crdt_value_type_of(position) == CRDT_VALUE_NUMBER) {
                    crdt_value_reader reader = crdt_value_read_open(position);
                    double parcels = ceil(crdt_value_read(&reader).number / 16);
                    size[axis] = fmax(size[axis], fmin(parcels, 32));
                }
            }
        }
    }
    *rows = (int64_t)size[0];
    *cols = (int64_t)size[1];
}

/* `told`: with what the scene itself says of its project; it stands before what is made
 * up, as of two members the first stays. */
static void write_project(builder_write *write, int64_t rows, int64_t cols, bool told)
{
    static const char EPOCH[] = "1970-01-01T00:00:00.000Z";
    scene_export *export = write->export;
    scene_json_writer *writer = &export->writer;
    crdt_part own = scene_export_scene_part(export, "project");
    scene_json_writer_key(writer, crdt_span_of("project"));
    scene_json_writer_object_begin(writer);
    if (told && own.id != 0) {
        scene_export_fields(export, own);
    }
    put_derived(write, "id", "project");
    put_derived(write, "sceneId", "scene");
    put_text(writer, "title", crdt_span_of("scene"));
    put_text(writer, "description", crdt_span_of(""));
    put_text(writer, "thumbnail", crdt_span_of(""));
    scene_json_writer_key(writer, crdt_span_of("isPublic"));
    scene_json_writer_bool(writer, false);
    scene_json_writer_key(writer, crdt_span_of("ethAddress"));
    scene_json_writer_null(writer);
    put_text(writer, "createdAt", crdt_span_of(EPOCH));
    put_text(writer, "updatedAt", crdt_span_of(EPOCH));
    scene_json_writer_key(writer, crdt_span_of("layout"));
    scene_json_writer_object_begin(writer);
    put_integer(writer, "rows", rows);
    put_integer(writer, "cols", cols);
    scene_json_writer_object_end(writer);
    scene_json_writer_object_end(writer);
}

static void write_metrics(builder_write *write, const char *key,
                          const int64_t values[6])
{
    static const char *const NAMES[] = {"triangles", "materials", "meshes",
                                        "bodies",    "entities",  "textures"};
    scene_json_writer *writer = &write->export->writer;
    scene_json_writer_key(writer, crdt_span_of(key));
    scene_json_writer_object_begin(writer);
    for (size_t i = 0; i < 6; i++) {
        put_integer(writer, NAMES[i], values[i]);
    }
    scene_json_writer_object_end(writer);
}

/* Fields of the scene that every manifest has; the limits are the builder's own. */
static void write_scene_fields(builder_write *write, int64_t rows, int64_t cols)
{
    scene_json_writer *writer = &write->export->writer;
    int64_t n = rows * cols;
    double log = log2((double)n + 1);
    int64_t metrics[6] = {0, 0, 0, 0, (int64_t)write->entity_count, 0};
    int64_t limits[6] = {
        10000 * n, (int64_t)floor(20 * log), (int64_t)floor(200 * log), 300 * n,
        200 * n,   (int64_t)floor(10 * log)};
    put_derived(write, "id", "scene");
    write_metrics(write, "metrics", metrics);
    write_metrics(write, "limits", limits);
    scene_json_writer_key(writer, crdt_span_of("ground"));
    scene_json_writer_null(writer);
}

static void write_made_asset(builder_write *write, crdt_span model)
{
    scene_json_writer *writer = &write->export->writer;
    char uuid[SCENE_UUID_SIZE];
    scene_derive_uuid("asset", model, crdt_span_of(""), uuid);
    crdt_span id = keep(write, uuid, SCENE_UUID_SIZE);
    static const int64_t NONE[6] = {0};
    static const char *const LISTS[] = {"actions", "parameters", "tags"};
    scene_json_writer_key(writer, id);
    scene_json_writer_object_begin(writer);
    put_text(writer, "id", id);
    put_text(writer, "assetPackId", crdt_span_of(""));
    put_text(writer, "name", model);
    put_text(writer, "model", model);
    put_text(writer, "category", crdt_span_of(""));
    put_text(writer, "thumbnail", crdt_span_of(""));
    scene_json_writer_key(writer, crdt_span_of("script"));
    scene_json_writer_null(writer);
    for (size_t i = 0; i < 3; i++) {
        scene_json_writer_key(writer, crdt_span_of(LISTS[i]));
        scene_json_writer_array_begin(writer);
        scene_json_writer_array_end(writer);
    }
    scene_json_writer_key(writer, crdt_span_of("contents"));
    scene_json_writer_object_begin(writer);
    scene_json_writer_object_end(writer);
    write_metrics(write, "metrics", NONE);
    scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of("invented"));
    scene_json_writer_bool(writer, true);
    scene_json_writer_object_end(writer);
    scene_json_writer_object_end(writer);
}

static void write_assets(builder_write *write)
{
    scene_export *export = write->export;
    scene_json_writer *writer = &export->writer;
    crdt_part assets =
        export->native ? scene_export_scene_part(export, "assets") : (crdt_part){0};
    if (export->native) {
        if (assets.id != 0) {
            scene_json_writer_key(writer, crdt_span_of("assets"));
            scene_export_part_value(export, assets);
        }
        return;
    }
    scene_json_writer_key(writer, crdt_span_of("assets"));
    scene_json_writer_object_begin(writer);
    for (size_t i = 0; i < write->model_count; i++) {
        write_made_asset(write, write->model_list[i]);
    }
    scene_json_writer_object_end(writer);
}

/* ---- the manifest ---- */

#define MADE_VERSION 10

static void write_carry(builder_write *write, int64_t rows, int64_t cols)
{
    scene_export *export = write->export;
    scene_json_writer *writer = &export->writer;
    scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
    scene_json_writer_object_begin(writer);
    scene_export_scene_members(export, true, false);
    if (!export->native) {
        scene_json_writer_key(writer, crdt_span_of("invented"));
        scene_json_writer_object_begin(writer);
        scene_json_writer_key(writer, crdt_span_of("builder"));
        scene_json_writer_object_begin(writer);
        put_integer(writer, "version", MADE_VERSION);
        scene_json_writer_object_end(writer);
        write_project(write, rows, cols, false);
        scene_json_writer_key(writer, crdt_span_of("scene"));
        scene_json_writer_object_begin(writer);
        write_scene_fields(write, rows, cols);
        scene_json_writer_object_end(writer);
        scene_json_writer_object_end(writer);
    }
    scene_json_writer_object_end_or_drop(writer);
}

/* The members of a scene of SDK6. */
static void write_sdk6(builder_write *write, int64_t rows, int64_t cols)
{
    scene_export *export = write->export;
    scene_json_writer_object_begin(&export->writer);
    reserve_shared(write);
    write_entities(write);
    write_components(write);
    write_assets(write);
    if (export->native) {
        scene_export_fields(export, scene_export_scene_part(export, "scene"));
    } else {
        write_scene_fields(write, rows, cols);
    }
    write_carry(write, rows, cols);
    scene_json_writer_object_end(&export->writer);
}

static void write_sdk7(builder_write *write)
{
    scene_export *export = write->export;
    scene_json_writer *writer = &export->writer;
    export->target = SCENE_FORMAT_COMPOSITE;
    export->manifest = true;
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of("composite"));
    scene_format_composite_write_node(export, false);
    scene_export_fields(export, scene_export_scene_part(export, "sdk7"));
    scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
    scene_json_writer_object_begin(writer);
    scene_format_composite_write_carry(export);
    scene_json_writer_object_end_or_drop(writer);
    scene_json_writer_object_end(writer);
}

static void write_scene(builder_write *write, int64_t rows, int64_t cols)
{
    scene_export *export = write->export;
    scene_json_writer *writer = &export->writer;
    crdt_part wrapper =
        export->native ? scene_export_scene_part(export, "wrapper") : (crdt_part){0};
    bool sdk7 = export->native && scene_export_scene_part(export, "sdk7").id != 0;
    if (wrapper.id == 0) {
        write_sdk6(write, rows, cols);
        return;
    }
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of(sdk7 ? "sdk7" : "sdk6"));
    if (sdk7) {
        write_sdk7(write);
    } else {
        write_sdk6(write, rows, cols);
    }
    scene_export_fields(export, wrapper);
    scene_json_writer_object_end(writer);
}

static void write_manifest(builder_write *write)
{
    scene_export *export = write->export;
    scene_json_writer *writer = &export->writer;
    crdt_part own = scene_export_scene_part(export, "builder");
    crdt_part project = scene_export_scene_part(export, "project");
    int64_t rows = 1;
    int64_t cols = 1;
    int64_t version = 0;
    write->named = !export->native ||
                   !scene_export_get_integer(export, own, "version", &version) ||
                   version >= 5;
    scene_json_writer_object_begin(writer);
    if (export->native) {
        scene_export_fields(export, own);
        if (project.id != 0) {
            scene_json_writer_key(writer, crdt_span_of("project"));
            scene_export_part_value(export, project);
        }
    } else {
        measure(write, &rows, &cols);
        put_integer(writer, "version", MADE_VERSION);
        write_project(write, rows, cols, true);
    }
    scene_json_writer_key(writer, crdt_span_of("scene"));
    write_scene(write, rows, cols);
    scene_json_writer_object_end(writer);
}

crdt_err scene_format_builder_write(const crdt_document *doc, const scene_tree *tree,
                                    const scene_descent *descent, crdt_alloc alloc,
                                    crdt_buf *out)
{
    size_t before = out->size;
    scene_export export;
    scene_export_init(&export, doc, SCENE_FORMAT_BUILDER, tree, alloc, out);
    export.descent = descent;
    builder_write write = {.export = &export};
    scene_text_map_init(&write.taken, alloc);
    scene_text_map_init(&write.names, alloc);
    scene_text_map_init(&write.models, alloc);
    write.entities = scene_export_entities(&export, &write.entity_count);
    if (write.entity_count > 1) {
        qsort(write.entities, write.entity_count, sizeof(scene_export_entity),
              compare_ids);
    }
    write_manifest(&write);
    crdt_err err = export.writer.err;
    crdt_free(alloc, write.rows, write.row_capacity * sizeof(table_row));
    scene_text_map_deinit(&write.taken);
    scene_text_map_deinit(&write.names);
    scene_text_map_deinit(&write.models);
    scene_export_deinit(&export);
    if (err != CRDT_OK) {
        out->size = before;
    }
    return err;
}
