#include "scene/export.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/value.h"

void scene_export_init(scene_export *export, const crdt_document *doc,
                       scene_format target, const scene_tree *tree, crdt_alloc alloc,
                       crdt_buf *out)
{
    *export =
        (scene_export){.doc = doc, .alloc = alloc, .target = target, .tree = tree};
    crdt_arena_init(&export->arena, alloc);
    crdt_arena_init(&export->entity, alloc);
    scene_text_map_init(&export->number_map, alloc);
    scene_json_writer_init(&export->writer, alloc, out);
    crdt_object scene = crdt_document_find_object(doc, crdt_span_of(SCENE_NAME_SCENE));
    if (scene.id != 0 && crdt_document_object_live(doc, scene)) {
        export->scene = scene;
    }
    export->origin = scene_origin_of(doc);
    export->native =
        export->origin == target || (target == SCENE_FORMAT_COMPOSITE &&
                                     scene_export_scene_part(export, "sdk7").id != 0);
}

void scene_export_deinit(scene_export *export)
{
    scene_json_writer_deinit(&export->writer);
    crdt_arena_deinit(&export->arena);
    crdt_arena_deinit(&export->entity);
    scene_text_map_deinit(&export->number_map);
}

void scene_export_fail(scene_export *export, crdt_err err)
{
    if (export->writer.err == CRDT_OK) {
        export->writer.err = err;
    }
}

/* ---- reading the document ---- */

bool scene_export_get(const scene_export *export, crdt_part part, const char *field,
                      crdt_span *value)
{
    if (part.id == 0) {
        return false;
    }
    crdt_entry entry;
    crdt_field at = crdt_document_find_field(export->doc, part, crdt_span_of(field));
    if (at.id == 0 || !crdt_document_field_value(export->doc, at, 0, &entry)) {
        return false;
    }
    *value = entry.value;
    return true;
}

bool scene_export_get_text(const scene_export *export, crdt_part part,
                           const char *field, crdt_span *text)
{
    crdt_span value;
    return scene_export_get(export, part, field, &value) &&
           scene_value_text(value, text);
}

bool scene_export_get_integer(const scene_export *export, crdt_part part,
                              const char *field, int64_t *number)
{
    crdt_span value;
    if (!scene_export_get(export, part, field, &value)) {
        return false;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    crdt_value_token token = crdt_value_read(&reader);
    if (token.type != CRDT_VALUE_NUMBER || !token.integral) {
        return false;
    }
    *number = token.integer;
    return true;
}

crdt_part scene_export_part_of(const scene_export *export, crdt_object object,
                               crdt_span name)
{
    return scene_part_find(export->doc, object, name);
}

crdt_part scene_export_scene_part(const scene_export *export, const char *name)
{
    return scene_export_part_of(export, export->scene, crdt_span_of(name));
}

static bool is_listed(crdt_span name)
{
    uint32_t number;
    crdt_span base = scene_layout_base(name, &number);
    return !scene_layout_is_own(base) || (base.size > 1 && base.data[1] == 'd');
}

static bool is_column(crdt_span name)
{
    uint32_t number;
    crdt_span base = scene_layout_base(name, &number);
    return base.size > 1 && base.data[0] == 0xff && base.data[1] == 'k';
}

static int compare_places(bool a_ordered, int64_t a, bool b_ordered, int64_t b)
{
    if (a_ordered != b_ordered) {
        return a_ordered ? -1 : 1;
    }
    return a_ordered ? (a > b) - (a < b) : 0;
}

static int compare_parts(const void *left, const void *right)
{
    const scene_export_part *a = left;
    const scene_export_part *b = right;
    int order = compare_places(a->ordered, a->order, b->ordered, b->order);
    return order != 0 ? order : scene_layout_component_compare(a->name, b->name);
}

static int compare_entities(const void *left, const void *right)
{
    const scene_export_entity *a = left;
    const scene_export_entity *b = right;
    int order = compare_places(a->ordered, a->order, b->ordered, b->order);
    return order != 0 ? order : scene_layout_entity_compare(a->id, b->id);
}

/* The live parts of an object that `wanted` takes, in their order. */
static scene_export_part *list_parts(scene_export *export, crdt_arena *arena,
                                     crdt_object object, bool (*wanted)(crdt_span name),
                                     size_t *count)
{
    const crdt_document *doc = export->doc;
    *count = 0;
    size_t total = 0;
    crdt_part part = {0};
    while (object.id != 0 && crdt_document_next_part(doc, object, &part)) {
        total++;
    }
    scene_export_part *parts =
        crdt_arena_alloc(arena, (total + 1) * sizeof(scene_export_part));
    if (parts == NULL) {
        scene_export_fail(export, CRDT_ENOMEM);
        return NULL;
    }
    part = (crdt_part){0};
    bool sorted =
        true; /* parts come in the order of their names: mostly the wanted one */
    while (object.id != 0 && crdt_document_next_part(doc, object, &part)) {
        crdt_span name = crdt_document_part_name(doc, part);
        if (!crdt_document_part_live(doc, part) || !wanted(name)) {
            continue;
        }
        scene_export_part *row = &parts[(*count)++];
        *row = (scene_export_part){.part = part, .name = name};
        row->bare = scene_part_bare(doc, part);
        row->ordered = !row->bare && scene_export_get_integer(
                                         export, part, SCENE_NAME_ORDER, &row->order);
        sorted = sorted && (*count == 1 || compare_parts(row - 1, row) < 0);
    }
    if (!sorted) {
        qsort(parts, *count, sizeof(parts[0]), compare_parts);
    }
    return parts;
}

scene_export_part *scene_export_parts(scene_export *export, crdt_object object,
                                      size_t *count)
{
    return list_parts(export, &export->entity, object, is_listed, count);
}

scene_export_part *scene_export_columns(scene_export *export, size_t *count)
{
    return list_parts(export, &export->arena, export->scene, is_column, count);
}

scene_export_entity *scene_export_entities(scene_export *export, size_t *count)
{
    const crdt_document *doc = export->doc;
    *count = 0;
    size_t total = 0;
    crdt_object object = {0};
    while (scene_entity_next(doc, &object)) {
        total++;
    }
    scene_export_entity *entities =
        crdt_arena_alloc(&export->arena, (total + 1) * sizeof(scene_export_entity));
    if (entities == NULL) {
        scene_export_fail(export, CRDT_ENOMEM);
        return NULL;
    }
    object = (crdt_object){0};
    bool sorted = true;
    bool some_ordered = crdt_document_has_name(doc, crdt_span_of(SCENE_NAME_ORDER));
    while (scene_entity_next(doc, &object)) {
        scene_export_entity *row = &entities[(*count)++];
        *row = (scene_export_entity){.object = object,
                                     .id = crdt_document_object_name(doc, object)};
        if (some_ordered) {
            crdt_part own =
                scene_export_part_of(export, object, crdt_span_of(SCENE_NAME_ENTITY));
            row->ordered =
                scene_export_get_integer(export, own, SCENE_NAME_ORDER, &row->order);
        }
        sorted = sorted && (*count == 1 || compare_entities(row - 1, row) < 0);
    }
    if (!sorted) {
        qsort(entities, *count, sizeof(entities[0]), compare_entities);
    }
    return entities;
}

/* ---- writing ---- */

static crdt_span keep_value(scene_export *export, crdt_buf *value, crdt_err err)
{
    void *copy = NULL;
    if (err == CRDT_OK) {
        copy = crdt_arena_alloc(&export->entity, value->size);
    }
    if (copy == NULL) {
        scene_export_fail(export, CRDT_ENOMEM);
        crdt_buf_deinit(value);
        return crdt_span_of("\xc0");
    }
    memcpy(copy, value->data, value->size);
    crdt_span span = {copy, value->size};
    crdt_buf_deinit(value);
    return span;
}

crdt_span scene_export_text_value(scene_export *export, crdt_span text)
{
    crdt_buf value;
    crdt_buf_init(&value, export->alloc);
    crdt_err err = crdt_value_write_string(&value, text);
    return keep_value(export, &value, err);
}

crdt_span scene_export_number_value(scene_export *export, double number)
{
    crdt_buf value;
    crdt_buf_init(&value, export->alloc);
    crdt_err err = crdt_value_write_number(&value, number);
    return keep_value(export, &value, err);
}

void scene_export_fields(scene_export *export, crdt_part part)
{
    crdt_field field = {0};
    while (part.id != 0 && crdt_document_next_field(export->doc, part, &field)) {
        crdt_span name = crdt_document_field_name(export->doc, field);
        crdt_entry entry;
        if (!scene_layout_is_own(name) &&
            crdt_document_field_value(export->doc, field, 0, &entry)) {
            scene_json_writer_key(&export->writer, name);
            scene_json_writer_value(&export->writer, entry.value);
        }
    }
}

void scene_export_part_value(scene_export *export, crdt_part part)
{
    scene_component shown;
    scene_component_open(export->doc, part, &shown);
    if (shown.whole) {
        scene_json_writer_value(&export->writer, shown.value);
        return;
    }
    scene_json_writer_object_begin(&export->writer);
    scene_export_fields(export, part);
    scene_json_writer_object_end(&export->writer);
}

static const scene_override *find_override(const scene_export_component *component,
                                           crdt_span key)
{
    for (size_t i = 0; i < component->override_count; i++) {
        if (crdt_span_equal(component->overrides[i].key, key)) {
            return &component->overrides[i];
        }
    }
    return NULL;
}

bool scene_export_component_value(scene_export *export,
                                  const scene_export_component *component,
                                  const char *key)
{
    scene_json_writer *writer = &export->writer;
    const scene_component *shown = &component->shown;
    crdt_span unused;
    if (!shown->whole && !shown->bare &&
        scene_export_get(export, component->part, SCENE_NAME_ABSENT, &unused)) {
        scene_field_cursor peek = {0};
        scene_field first;
        if (!scene_component_next_field(shown, &peek, &first)) {
            return false; /* the file gave no value, and nobody has since */
        }
    }
    scene_json_writer_key(writer, crdt_span_of(key));
    if (shown->whole) {
        if (shown->binary) {
            scene_json_writer_null(writer);
        } else {
            scene_json_writer_value(writer, shown->value);
        }
        return true;
    }
    scene_json_writer_object_begin(writer);
    scene_field_cursor cursor = {0};
    scene_field field;
    while (scene_component_next_field(shown, &cursor, &field)) {
        if (find_override(component, field.name) == NULL) {
            scene_json_writer_key(writer, field.name);
            scene_json_writer_value(writer, field.value);
        }
    }
    for (size_t i = 0; i < component->override_count; i++) {
        if (!component->overrides[i].remove) {
            scene_json_writer_key(writer, component->overrides[i].key);
            scene_json_writer_value(writer, component->overrides[i].value);
        }
    }
    scene_json_writer_object_end(writer);
    return true;
}

void scene_export_component_extra(scene_export *export,
                                  const scene_export_component *component)
{
    crdt_span extra;
    if (component->shown.bare) {
        return;
    }
    bool own = scene_export_get(export, component->part, SCENE_NAME_EXTRA, &extra);
    bool inherited =
        !own && component->shown.shared.id != 0 &&
        scene_export_get(export, component->shown.shared, SCENE_NAME_EXTRA, &extra);
    if (!export->native || !(own || inherited) ||
        crdt_value_type_of(extra) != CRDT_VALUE_MAP) {
        return;
    }
    crdt_value_reader reader = crdt_value_read_open(extra);
    uint32_t count = crdt_value_read(&reader).count;
    for (uint32_t i = 0; i < count; i++) {
        crdt_value_token key = crdt_value_read(&reader);
        scene_json_writer_key(&export->writer, key.string);
        scene_json_writer_value(&export->writer, crdt_value_read_span(&reader));
    }
}

/* One of our fields as a member, if the part has it. */
static void carry_field(scene_export *export, crdt_part part, const char *field,
                        const char *key)
{
    crdt_span value;
    if (scene_export_get(export, part, field, &value)) {
        scene_json_writer_key(&export->writer, crdt_span_of(key));
        scene_json_writer_value(&export->writer, value);
    }
}

static void carry_overrides(scene_export *export,
                            const scene_export_component *component)
{
    scene_json_writer *writer = &export->writer;
    for (int made = 0; made < 2; made++) {
        scene_json_writer_key(writer, crdt_span_of(made ? "made" : "was"));
        scene_json_writer_object_begin(writer);
        for (size_t i = 0; i < component->override_count; i++) {
            const scene_override *override = &component->overrides[i];
            if (!override->silent && (made ? !override->remove : override->had)) {
                scene_json_writer_key(writer, override->key);
                scene_json_writer_value(writer,
                                        made ? override->value : override->former);
            }
        }
        scene_json_writer_object_end_or_drop(writer);
    }
}

void scene_export_component_carry(scene_export *export,
                                  const scene_export_component *component)
{
    scene_json_writer *writer = &export->writer;
    crdt_part part = component->part;
    if (component->shown.bare && export->native && component->override_count == 0 &&
        crdt_span_equal(component->written, component->type)) {
        return; /* nothing to say: so it is with most */
    }
    bool composite = export->target == SCENE_FORMAT_COMPOSITE;
    bool builder = export->target == SCENE_FORMAT_BUILDER;
    scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
    scene_json_writer_object_begin(writer);
    if (!builder) {
        carry_field(export, part, SCENE_NAME_ID, "id");
        carry_field(export, part, SCENE_NAME_SHARED, "shared");
    }
    if (composite) {
        carry_field(export, part, SCENE_NAME_ORDER, "order");
        carry_field(export, part, SCENE_NAME_ABSENT, "absent");
    }
    if (!composite || !export->native) {
        carry_field(export, part, SCENE_NAME_COLUMN, "column");
        carry_field(export, part, SCENE_NAME_CASE, "case");
    }
    if (!composite && component->shown.whole && component->shown.binary) {
        scene_json_writer_key(writer, crdt_span_of("binary"));
        scene_json_writer_value(writer, component->shown.value);
    }
    if (!export->native) {
        carry_field(export, part, SCENE_NAME_EXTRA, "extra");
    }
    crdt_span read = export->native
                         ? component->written
                         : scene_layout_translate(component->written, export->origin);
    if (!crdt_span_equal(read, component->type)) {
        scene_json_writer_key(writer, crdt_span_of("type"));
        scene_json_writer_string(writer, component->type);
    }
    carry_overrides(export, component);
    scene_json_writer_object_end_or_drop(writer);
}

void scene_export_entity_members(scene_export *export, crdt_object object,
                                 const scene_export_part *parts, size_t count,
                                 bool places)
{
    scene_json_writer *writer = &export->writer;
    crdt_part own =
        scene_export_part_of(export, object, crdt_span_of(SCENE_NAME_ENTITY));
    bool composite = export->target == SCENE_FORMAT_COMPOSITE;
    if (!export->native || composite) {
        scene_json_writer_key(writer, crdt_span_of("fields"));
        scene_json_writer_object_begin(writer);
        scene_export_fields(export, own);
        scene_json_writer_object_end_or_drop(writer);
        carry_field(export, own, SCENE_NAME_ABSENT, "nameless");
    }
    if (composite || (export->target == SCENE_FORMAT_BUILDER && !export->native)) {
        carry_field(export, own, SCENE_NAME_ORDER, "order");
    }
    size_t dangling = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t number;
        crdt_span base = scene_layout_base(parts[i].name, &number);
        if (!scene_layout_is_own(base)) {
            continue;
        }
        if (dangling++ == 0) {
            scene_json_writer_key(writer, crdt_span_of("dangling"));
            scene_json_writer_array_begin(writer);
        }
        int64_t place = places ? (parts[i].ordered ? parts[i].order : -1) : (int64_t)i;
        scene_json_writer_array_begin(writer);
        scene_json_writer_integer(writer, place);
        scene_json_writer_string(writer, (crdt_span){base.data + 2, base.size - 2});
        scene_json_writer_array_end(writer);
    }
    if (dangling > 0) {
        scene_json_writer_array_end(writer);
    }
}

/* ---- the scene ---- */

/* Does the target say this part of FF scene in its own way? */
static bool is_native_part(const scene_export *export, crdt_span name)
{
    static const char *const STATE[] = {"state", NULL};
    static const char *const BUILDER[] = {"builder", "project",   "scene", "assets",
                                          "wrapper", "composite", "sdk7",  NULL};
    static const char *const COMPOSITE[] = {"composite", NULL};
    static const char *const *const ROWS[] = {NULL, STATE, BUILDER, COMPOSITE};
    scene_format format = export->manifest ? SCENE_FORMAT_BUILDER : export->target;
    if (format == SCENE_FORMAT_BUILDER &&
        crdt_span_equal(name, crdt_span_of("project"))) {
        return true; /* every manifest has one */
    }
    const char *const *row = export->native ? ROWS[format] : NULL;
    for (size_t i = 0; row != NULL && row[i] != NULL; i++) {
        if (crdt_span_equal(name, crdt_span_of(row[i]))) {
            return true;
        }
    }
    return false;
}

static void carry_parts(scene_export *export)
{
    scene_json_writer *writer = &export->writer;
    scene_json_writer_key(writer, crdt_span_of("parts"));
    scene_json_writer_object_begin(writer);
    crdt_part part = {0};
    while (export->scene.id != 0 &&
           crdt_document_next_part(export->doc, export->scene, &part)) {
        crdt_span name = crdt_document_part_name(export->doc, part);
        if (crdt_document_part_live(export->doc, part) && !scene_layout_is_own(name) &&
            !is_native_part(export, name)) {
            scene_json_writer_key(writer, name);
            scene_export_part_value(export, part);
        }
    }
    scene_json_writer_object_end_or_drop(writer);
}

static void carry_columns(scene_export *export)
{
    scene_json_writer *writer = &export->writer;
    size_t count;
    scene_export_part *columns = scene_export_columns(export, &count);
    if (count == 0) {
        return;
    }
    scene_json_writer_key(writer, crdt_span_of("columns"));
    scene_json_writer_array_begin(writer);
    for (size_t i = 0; i < count; i++) {
        uint32_t number;
        crdt_span base = scene_layout_base(columns[i].name, &number);
        scene_json_writer_object_begin(writer);
        scene_json_writer_key(writer, crdt_span_of("name"));
        scene_json_writer_string(writer, (crdt_span){base.data + 2, base.size - 2});
        scene_export_fields(export, columns[i].part);
        scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
        scene_json_writer_object_begin(writer);
        carry_field(export, columns[i].part, SCENE_NAME_ABSENT, "absent");
        carry_field(export, columns[i].part, SCENE_NAME_CASE, "case");
        scene_json_writer_object_end_or_drop(writer);
        scene_json_writer_object_end(writer);
    }
    scene_json_writer_array_end(writer);
}

/* The first component that an object FF c holds, {0}: none. */
static crdt_part shared_part(const scene_export *export, crdt_object object)
{
    crdt_part part = {0};
    while (crdt_document_next_part(export->doc, object, &part)) {
        if (crdt_document_part_live(export->doc, part) &&
            scene_layout_is_component(crdt_document_part_name(export->doc, part),
                                      NULL)) {
            return part;
        }
    }
    return (crdt_part){0};
}

bool scene_export_next_shared(const scene_export *export, crdt_object *object,
                              crdt_part *part, crdt_span *id)
{
    while (crdt_document_next_object(export->doc, object)) {
        crdt_span name = crdt_document_object_name(export->doc, *object);
        if (name.size < 2 || name.data[0] != 0xff || name.data[1] != 'c' ||
            !crdt_document_object_live(export->doc, *object)) {
            continue;
        }
        *part = shared_part(export, *object);
        *id = (crdt_span){name.data + 2, name.size - 2};
        if (part->id != 0) {
            return true;
        }
    }
    return false;
}

bool scene_export_is_kept(const scene_export *export, crdt_object object)
{
    crdt_span unused;
    crdt_part own =
        scene_export_part_of(export, object, crdt_span_of(SCENE_NAME_ENTITY));
    return scene_export_get(export, own, SCENE_NAME_ABSENT, &unused);
}

static void carry_shared(scene_export *export)
{
    scene_json_writer *writer = &export->writer;
    scene_json_writer_key(writer, crdt_span_of("shared"));
    scene_json_writer_object_begin(writer);
    crdt_object object = {0};
    crdt_part part;
    crdt_span id;
    while (scene_export_next_shared(export, &object, &part, &id)) {
        scene_export_component component = {.part = part};
        scene_component_open(export->doc, part, &component.shown);
        scene_json_writer_key(writer, id);
        scene_json_writer_object_begin(writer);
        scene_json_writer_key(writer, crdt_span_of("type"));
        scene_json_writer_string(writer, crdt_document_part_name(export->doc, part));
        (void)scene_export_component_value(export, &component, "value");
        scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
        scene_json_writer_object_begin(writer);
        carry_field(export, part, SCENE_NAME_EXTRA, "extra");
        if (component.shown.whole && component.shown.binary) {
            scene_json_writer_key(writer, crdt_span_of("binary"));
            scene_json_writer_value(writer, component.shown.value);
        }
        if (scene_export_is_kept(export, object)) {
            scene_json_writer_key(writer, crdt_span_of("kept"));
            scene_json_writer_bool(writer, true);
        }
        scene_json_writer_object_end_or_drop(writer);
        scene_json_writer_object_end(writer);
    }
    scene_json_writer_object_end_or_drop(writer);
}

/* One row of the descent as members. */
static void write_row(scene_export *export, const scene_descent_row *row)
{
    scene_json_writer *writer = &export->writer;
    crdt_buf version;
    crdt_buf_init(&version, export->alloc);
    crdt_err err = scene_descent_version_value(&row->version, &version);
    if (err != CRDT_OK) {
        scene_export_fail(export, err);
        crdt_buf_deinit(&version);
        return;
    }
    char text[CRDT_ACTOR_TEXT_SIZE];
    crdt_actor_format(&row->lineage, text);
    scene_json_writer_key(writer, crdt_span_of("lineage"));
    scene_json_writer_string(writer, crdt_span_of(text));
    scene_json_writer_key(writer, crdt_span_of("version"));
    scene_json_writer_value(writer, crdt_buf_span(&version));
    crdt_buf_deinit(&version);
}

static void write_descent(scene_export *export)
{
    scene_json_writer *writer = &export->writer;
    scene_descent own;
    scene_descent_init(&own, export->alloc);
    const scene_descent *descent = export->descent;
    if (descent == NULL) {
        crdt_err err = scene_descent_read(&own, export->doc);
        if (err != CRDT_OK) {
            scene_export_fail(export, err);
        }
        descent = &own;
    }
    if (descent->row_count > 0) {
        write_row(export, &descent->rows[0]);
    }
    if (descent->row_count > 1) {
        scene_json_writer_key(writer, crdt_span_of("ancestors"));
        scene_json_writer_array_begin(writer);
        for (size_t i = 1; i < descent->row_count; i++) {
            scene_json_writer_object_begin(writer);
            write_row(export, &descent->rows[i]);
            scene_json_writer_object_end(writer);
        }
        scene_json_writer_array_end(writer);
    }
    scene_descent_deinit(&own);
}

void scene_export_scene_members(scene_export *export, bool with_columns,
                                bool with_shared)
{
    if (!export->manifest && export->origin != export->target) {
        scene_json_writer_key(&export->writer, crdt_span_of("format"));
        scene_json_writer_string(&export->writer,
                                 crdt_span_of(scene_format_name(export->origin)));
    }
    write_descent(export);
    carry_parts(export);
    if (with_columns) {
        carry_columns(export);
    }
    if (with_shared) {
        carry_shared(export);
    }
}
