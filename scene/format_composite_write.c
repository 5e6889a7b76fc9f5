#include "scene/format_composite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/value.h"

/* A column that is being put together. */
typedef struct write_column {
    crdt_span name;  /* the type, as written */
    uint32_t number; /* among the columns of its name, from 1 */
    crdt_part part;  /* of FF scene; {0}: it is new */
    uint32_t place;  /* among the columns made */
    uint32_t filled; /* by which entity last; 0: by none */
} write_column;

/* One value of one entity. */
typedef struct write_entry {
    uint32_t column;
    uint32_t sequence;
    crdt_span number; /* of the entity, as text */
    crdt_object object;
    crdt_part part;
} write_entry;

typedef struct composite_write {
    scene_export *export;
    write_column *columns;
    uint32_t column_count;
    uint32_t column_capacity;
    scene_text_map column_of; /* by the name of its part */
    write_entry *entries;
    uint32_t entry_count;
    uint32_t entry_capacity;
} composite_write;

static void fail(composite_write *write, crdt_err err)
{
    scene_export_fail(write->export, err);
}

/* ---- numbers of entities ---- */

static crdt_span number_text(scene_export *export, uint64_t number)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    void *copy = crdt_arena_alloc(&export->arena, (size_t)size);
    if (copy == NULL) {
        scene_export_fail(export, CRDT_ENOMEM);
        return crdt_span_of("0");
    }
    memcpy(copy, text, (size_t)size);
    return (crdt_span){copy, (size_t)size};
}

/* Numbers that transforms name as parents, though no entity has them, are not free: who
 * got one would be hung with what names it. */
static void reserve_parents(scene_export *export, crdt_object object)
{
    crdt_part part = {0};
    while (crdt_document_next_part(export->doc, object, &part)) {
        uint32_t repeated;
        crdt_span type =
            scene_layout_base(crdt_document_part_name(export->doc, part), &repeated);
        if (!crdt_document_part_live(export->doc, part) ||
            scene_layout_class(type) != SCENE_CLASS_TRANSFORM) {
            continue;
        }
        scene_component shown;
        scene_field field;
        char text[SCENE_PARENT_TEXT_SIZE];
        crdt_span parent;
        uint64_t number;
        scene_component_open(export->doc, part, &shown);
        if (scene_component_field(&shown, crdt_span_of("parent"), &field) &&
            scene_layout_parent(field.value, text, &parent) &&
            scene_layout_decimal(parent, &number) &&
            scene_text_map_find(&export->number_map, parent) == NULL) {
            scene_export_fail(export, scene_text_map_put(&export->number_map,
                                                         number_text(export, number),
                                                         number, NULL, NULL));
        }
    }
}

/* Ids that are numbers of the SDK stay; the others get the free ones from 512 on, in the
 * order of the entities. */
static void assign_numbers(scene_export *export, const scene_export_entity *entities,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t number;
        if (scene_layout_decimal(entities[i].id, &number) &&
            (number <= UINT32_MAX || export->native)) {
            scene_export_fail(export,
                              scene_text_map_put(&export->number_map, entities[i].id,
                                                 number, NULL, NULL));
        }
    }
    for (size_t i = 0; i < count && export->native; i++) {
        reserve_parents(export, entities[i].object);
    }
    uint64_t next = 512;
    for (size_t i = 0; i < count && export->writer.err == CRDT_OK; i++) {
        if (scene_text_map_find(&export->number_map, entities[i].id) != NULL) {
            continue;
        }
        char text[24];
        crdt_span taken;
        do {
            int size = snprintf(text, sizeof(text), "%llu", (unsigned long long)next++);
            taken = (crdt_span){(const uint8_t *)text, (size_t)size};
        } while (scene_text_map_find(&export->number_map, taken) != NULL);
        scene_export_fail(export,
                          scene_text_map_put(&export->number_map, entities[i].id,
                                             next - 1, NULL, NULL));
    }
    export->numbers = &export->number_map;
}

static uint64_t number_of(const scene_export *export, crdt_span id)
{
    const uint64_t *number = scene_text_map_find(&export->number_map, id);
    return number != NULL ? *number : 0;
}

/* ---- columns ---- */

/* The name of the part of a column. */
static crdt_span column_key(scene_export *export, crdt_span type, uint32_t number)
{
    char mark[24];
    int mark_size = number > 1 ? snprintf(mark, sizeof(mark), "\377r%u:\377k", number)
                               : snprintf(mark, sizeof(mark), "\377k");
    size_t size = (size_t)mark_size + type.size;
    uint8_t *data = crdt_arena_alloc(&export->arena, size);
    if (data == NULL) {
        scene_export_fail(export, CRDT_ENOMEM);
        return crdt_span_of("");
    }
    memcpy(data, mark, (size_t)mark_size);
    memcpy(data + mark_size, type.data, type.size);
    return (crdt_span){data, size};
}

static uint32_t add_column(composite_write *write, crdt_span key, write_column column)
{
    if (write->column_count == write->column_capacity) {
        uint32_t capacity = write->column_capacity * 2 + 16;
        write_column *columns =
            crdt_resize_array(write->export->alloc, write->columns,
                              write->column_capacity, capacity, sizeof(write_column));
        if (columns == NULL) {
            fail(write, CRDT_ENOMEM);
            return 0;
        }
        write->columns = columns;
        write->column_capacity = capacity;
    }
    fail(write,
         scene_text_map_put(&write->column_of, key, write->column_count, NULL, NULL));
    column.place = write->column_count;
    write->columns[write->column_count] = column;
    return write->column_count++;
}

static void open_columns(composite_write *write)
{
    scene_export *export = write->export;
    size_t count;
    scene_export_part *parts = scene_export_columns(export, &count);
    for (size_t i = 0; i < count && export->native; i++) {
        uint32_t number;
        crdt_span base = scene_layout_base(parts[i].name, &number);
        write_column column = {.name = {base.data + 2, base.size - 2},
                               .number = number,
                               .part = parts[i].part};
        (void)add_column(write, parts[i].name, column);
    }
}

static uint32_t find_column(composite_write *write, crdt_span type, uint32_t number)
{
    crdt_span key = column_key(write->export, type, number);
    const uint64_t *found = scene_text_map_find(&write->column_of, key);
    if (found != NULL) {
        return (uint32_t)*found;
    }
    return add_column(write, key, (write_column){.name = type, .number = number});
}

/* ---- values ---- */

static void push_entry(composite_write *write, write_entry entry)
{
    if (write->entry_count == write->entry_capacity) {
        uint32_t capacity = write->entry_capacity * 2 + 64;
        write_entry *entries =
            crdt_resize_array(write->export->alloc, write->entries,
                              write->entry_capacity, capacity, sizeof(write_entry));
        if (entries == NULL) {
            fail(write, CRDT_ENOMEM);
            return;
        }
        write->entries = entries;
        write->entry_capacity = capacity;
    }
    entry.sequence = write->entry_count;
    write->entries[write->entry_count++] = entry;
}

static void collect_entity(composite_write *write, const scene_export_entity *entity,
                           uint32_t sequence)
{
    scene_export *export = write->export;
    size_t count;
    scene_export_part *parts = scene_export_parts(export, entity->object, &count);
    crdt_span number = number_text(export, number_of(export, entity->id));
    for (size_t i = 0; i < count && export->writer.err == CRDT_OK; i++) {
        if (!scene_layout_is_component(parts[i].name, NULL)) {
            continue;
        }
        scene_export_component component;
        scene_export_open_component(export, entity->object, parts[i].part, false,
                                    &component);
        uint32_t repeated;
        (void)scene_layout_base(parts[i].name, &repeated);
        int64_t place = 0;
        uint32_t wanted = repeated;
        if (export->native &&
            scene_export_get_integer(export, parts[i].part, SCENE_NAME_COLUMN,
                                     &place) &&
            place >= 1 && place <= UINT16_MAX) {
            wanted = (uint32_t)place;
        }
        crdt_span written = column_key(export, component.written, 1); /* kept */
        if (export->writer.err != CRDT_OK) {
            break;
        }
        written = (crdt_span){written.data + 2, written.size - 2};
        uint32_t column = find_column(write, written, wanted);
        while (export->writer.err == CRDT_OK &&
               write->columns[column].filled == sequence) {
            column = find_column(write, written, ++wanted);
        }
        if (export->writer.err != CRDT_OK) {
            break;
        }
        write->columns[column].filled = sequence;
        push_entry(write, (write_entry){.column = column,
                                        .number = number,
                                        .object = entity->object,
                                        .part = parts[i].part});
    }
    crdt_arena_reset(&export->entity);
}

/* What "$case" says: as the value's own record or its column had it, if it still fits. */
static void write_case(composite_write *write, const write_column *column,
                       crdt_part part, bool binary)
{
    scene_export *export = write->export;
    crdt_span value;
    if (!export->native ||
        (!scene_export_get(export, part, SCENE_NAME_CASE, &value) &&
         !scene_export_get(export, column->part, SCENE_NAME_CASE, &value))) {
        return;
    }
    if (crdt_value_type_of(value) == CRDT_VALUE_BOOL) {
        return; /* none */
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    crdt_value_token token = crdt_value_read(&reader);
    scene_json_writer_key(&export->writer, crdt_span_of("$case"));
    bool usual = token.type == CRDT_VALUE_STRING &&
                 (crdt_span_equal(token.string, crdt_span_of("json")) ||
                  crdt_span_equal(token.string, crdt_span_of("binary")));
    if (usual) {
        scene_json_writer_string(&export->writer,
                                 crdt_span_of(binary ? "binary" : "json"));
    } else {
        scene_json_writer_value(&export->writer, value);
    }
}

static void write_value(composite_write *write, const write_column *column,
                        const write_entry *entry)
{
    scene_export *export = write->export;
    scene_json_writer *writer = &export->writer;
    scene_export_component component;
    scene_export_open_component(export, entry->object, entry->part, false, &component);
    bool binary = component.shown.whole && component.shown.binary;
    scene_json_writer_key(writer, entry->number);
    scene_json_writer_object_begin(writer);
    if (binary) {
        scene_json_writer_key(writer, crdt_span_of("binary"));
        scene_json_writer_value(writer, component.shown.value);
    } else if (!scene_export_component_value(export, &component, "json")) {
        scene_json_writer_key(writer, crdt_span_of("json"));
        scene_json_writer_object_begin(writer);
        scene_json_writer_object_end(writer);
    }
    write_case(write, column, entry->part, binary);
    scene_export_component_extra(export, &component);
    scene_export_component_carry(export, &component);
    scene_json_writer_object_end(writer);
    crdt_arena_reset(&export->entity);
}

/* A schema for a component that the SDK does not know: an object. */
static void write_made_schema(scene_json_writer *writer)
{
    scene_json_writer_key(writer, crdt_span_of("jsonSchema"));
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of("type"));
    scene_json_writer_string(writer, crdt_span_of("object"));
    scene_json_writer_key(writer, crdt_span_of("properties"));
    scene_json_writer_object_begin(writer);
    scene_json_writer_object_end(writer);
    scene_json_writer_key(writer, crdt_span_of("serializationType"));
    scene_json_writer_string(writer, crdt_span_of("map"));
    scene_json_writer_object_end(writer);
    scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of("invented"));
    scene_json_writer_bool(writer, true);
    scene_json_writer_object_end(writer);
}

static void write_column_record(composite_write *write, uint32_t index,
                                const write_entry *entries, uint32_t count)
{
    scene_export *export = write->export;
    scene_json_writer *writer = &export->writer;
    const write_column *column = &write->columns[index];
    crdt_span value;
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of("name"));
    scene_json_writer_string(writer, column->name);
    if (count > 0 ||
        !scene_export_get(export, column->part, SCENE_NAME_ABSENT, &value)) {
        scene_json_writer_key(writer, crdt_span_of("data"));
        scene_json_writer_object_begin(writer);
        for (uint32_t i = 0; i < count; i++) {
            write_value(write, column, &entries[i]);
        }
        scene_json_writer_object_end(writer);
    }
    scene_export_fields(export, column->part);
    if (scene_format_composite_needs_schema(column->name) &&
        !scene_export_get(export, column->part, "jsonSchema", &value)) {
        write_made_schema(writer);
    }
    scene_json_writer_object_end(writer);
}

static int compare_entries(const void *left, const void *right)
{
    const write_entry *a = left;
    const write_entry *b = right;
    if (a->column != b->column) {
        return a->column < b->column ? -1 : 1;
    }
    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

/* Columns as they were; new ones after them, by name. */
static int compare_columns(const void *left, const void *right)
{
    const write_column *a = left;
    const write_column *b = right;
    if ((a->part.id != 0) != (b->part.id != 0)) {
        return a->part.id != 0 ? -1 : 1;
    }
    if (a->part.id != 0) {
        return (a->place > b->place) - (a->place < b->place);
    }
    int order = crdt_span_compare(a->name, b->name);
    return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

static void write_columns(composite_write *write)
{
    scene_export *export = write->export;
    uint32_t *first =
        crdt_arena_alloc(&export->arena, (write->column_count + 2) * sizeof(uint32_t));
    if (first == NULL) {
        fail(write, CRDT_ENOMEM);
        return;
    }
    if (write->entry_count > 0) {
        qsort(write->entries, write->entry_count, sizeof(write_entry), compare_entries);
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i <= write->column_count; i++) {
        while (at < write->entry_count && write->entries[at].column < i) {
            at++;
        }
        first[i] = at;
    }
    if (write->column_count > 0) {
        qsort(write->columns, write->column_count, sizeof(write_column),
              compare_columns);
    }
    for (uint32_t i = 0; i < write->column_count; i++) {
        uint32_t place = write->columns[i].place;
        uint32_t count = first[place + 1] - first[place];
        write_column_record(write, i, count == 0 ? NULL : write->entries + first[place],
                            count);
    }
}

static void write_components(scene_export *export)
{
    composite_write write = {.export = export};
    scene_text_map_init(&write.column_of, export->alloc);
    size_t count;
    scene_export_entity *entities = scene_export_entities(export, &count);
    assign_numbers(export, entities, count);
    open_columns(&write);
    for (size_t i = 0; i < count; i++) {
        collect_entity(&write, &entities[i], (uint32_t)i + 1);
    }
    scene_json_writer_key(&export->writer, crdt_span_of("components"));
    scene_json_writer_array_begin(&export->writer);
    if (export->writer.err == CRDT_OK) {
        write_columns(&write);
    }
    scene_json_writer_array_end(&export->writer);
    scene_text_map_deinit(&write.column_of);
    crdt_free(export->alloc, write.columns,
              write.column_capacity * sizeof(write_column));
    crdt_free(export->alloc, write.entries, write.entry_capacity * sizeof(write_entry));
}

/* ---- what else there is to say of the entities ---- */

static void carry_entity(scene_export *export, const scene_export_entity *entity)
{
    scene_json_writer *writer = &export->writer;
    size_t count;
    scene_export_part *parts = scene_export_parts(export, entity->object, &count);
    uint64_t number = number_of(export, entity->id);
    crdt_span text = number_text(export, number);
    bool bare = true;
    for (size_t i = 0; i < count; i++) {
        if (scene_layout_is_component(parts[i].name, NULL)) {
            bare = false;
        }
    }
    scene_json_writer_key(writer, text);
    scene_json_writer_object_begin(writer);
    if (!crdt_span_equal(text, entity->id)) {
        scene_json_writer_key(writer, crdt_span_of("id"));
        scene_json_writer_string(writer, entity->id);
    }
    scene_export_entity_members(export, entity->object, parts, count, true);
    if (bare) {
        scene_json_writer_key(writer, crdt_span_of("bare"));
        scene_json_writer_bool(writer, true);
    }
    scene_json_writer_object_end_or_drop(writer);
    crdt_arena_reset(&export->entity);
}

void scene_format_composite_write_carry(scene_export *export)
{
    scene_json_writer *writer = &export->writer;
    scene_export_scene_members(export, !export->native, true);
    size_t count;
    scene_export_entity *entities = scene_export_entities(export, &count);
    scene_json_writer_key(writer, crdt_span_of("entities"));
    scene_json_writer_object_begin(writer);
    for (size_t i = 0; i < count; i++) {
        carry_entity(export, &entities[i]);
    }
    scene_json_writer_object_end_or_drop(writer);
}

void scene_format_composite_write_node(scene_export *export, bool with_carry)
{
    scene_json_writer *writer = &export->writer;
    scene_json_writer_object_begin(writer);
    /* Of two members the first stays: whatever was carried of the version. */
    scene_json_writer_key(writer, crdt_span_of("version"));
    scene_json_writer_integer(writer, 1);
    write_components(export);
    if (export->native) {
        scene_export_fields(export, scene_export_scene_part(export, "composite"));
    }
    if (with_carry) {
        scene_json_writer_key(writer, crdt_span_of(SCENE_CARRY));
        scene_json_writer_object_begin(writer);
        scene_format_composite_write_carry(export);
        scene_json_writer_object_end_or_drop(writer);
    }
    scene_json_writer_object_end(writer);
}

crdt_err scene_format_composite_write(const crdt_document *doc, const scene_tree *tree,
                                      const scene_descent *descent, crdt_alloc alloc,
                                      crdt_buf *out)
{
    size_t before = out->size;
    scene_export export;
    scene_export_init(&export, doc, SCENE_FORMAT_COMPOSITE, tree, alloc, out);
    export.descent = descent;
    scene_format_composite_write_node(&export, true);
    crdt_err err = export.writer.err;
    scene_export_deinit(&export);
    if (err != CRDT_OK) {
        out->size = before;
    }
    return err;
}
