#include "scene/difference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/value.h"
#include "scene/descent.h"
#include "scene/scene.h"
#include "scene/text_map.h"

/* A live object or part, with what decides its place in a list. */
typedef struct difference_row {
    crdt_span name; /* of parts: as `from` spells it */
    uint32_t id;    /* handle of the object or part */
    bool ordered;
    int64_t order;
} difference_row;

typedef struct difference_list {
    difference_row *rows;
    size_t count;
} difference_list;

typedef struct difference {
    const crdt_document *from;
    const crdt_document *to;
    crdt_op_list *out;
    crdt_arena arena; /* lists of objects */
    crdt_arena parts; /* lists of one object */
    /* Ids of shared components that entities refer to. */
    scene_text_map from_referred;
    scene_text_map to_referred;
    /* Types of components that `from` has: each is a column, said or not. */
    scene_text_map types;
    scene_format from_origin;
    scene_format to_origin;
    bool same_origin;
    bool keys_unordered; /* the file's entities stood in no order */
    crdt_err err;
} difference;

static void fail(difference *d, crdt_err err)
{
    if (d->err == CRDT_OK) {
        d->err = err;
    }
}

/* ---- reading ---- */

static crdt_object find_object(const crdt_document *doc, crdt_span name)
{
    crdt_object object = crdt_document_find_object(doc, name);
    if (object.id != 0 && !crdt_document_object_live(doc, object)) {
        object = (crdt_object){0};
    }
    return object;
}

static bool get(const crdt_document *doc, crdt_part part, crdt_span field,
                crdt_span *value)
{
    crdt_entry entry;
    crdt_field at = {0};
    if (part.id != 0) {
        at = crdt_document_find_field(doc, part, field);
    }
    if (at.id == 0 || !crdt_document_field_value(doc, at, 0, &entry)) {
        return false;
    }
    *value = entry.value;
    return true;
}

static bool get_order(const crdt_document *doc, crdt_part part, int64_t *order)
{
    crdt_span value;
    if (!get(doc, part, crdt_span_of(SCENE_NAME_ORDER), &value)) {
        return false;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    crdt_value_token token = crdt_value_read(&reader);
    *order = token.integer;
    return token.type == CRDT_VALUE_NUMBER && token.integral;
}

static scene_format origin_of(const crdt_document *doc)
{
    crdt_object scene = find_object(doc, crdt_span_of(SCENE_NAME_SCENE));
    crdt_part own = scene_part_find(doc, scene, crdt_span_of(SCENE_NAME_ENTITY));
    crdt_span value;
    crdt_span text;
    if (!get(doc, own, crdt_span_of(SCENE_NAME_ORIGIN), &value) ||
        !scene_value_text(value, &text)) {
        return scene_format_of(doc);
    }
    return scene_format_parse(text);
}

/* ---- lists ---- */

static int compare_order(const difference_row *a, const difference_row *b)
{
    if (a->ordered != b->ordered) {
        return a->ordered ? -1 : 1;
    }
    return a->ordered ? (a->order > b->order) - (a->order < b->order) : 0;
}

static int by_name(const void *a, const void *b)
{
    return crdt_span_compare(((const difference_row *)a)->name,
                             ((const difference_row *)b)->name);
}

static int by_entity_place(const void *a, const void *b)
{
    int order = compare_order(a, b);
    return order != 0 ? order
                      : scene_layout_entity_compare(((const difference_row *)a)->name,
                                                    ((const difference_row *)b)->name);
}

static int by_part_place(const void *a, const void *b)
{
    int order = compare_order(a, b);
    return order != 0
               ? order
               : scene_layout_component_compare(((const difference_row *)a)->name,
                                                ((const difference_row *)b)->name);
}

static void sort(difference_list *list, int (*compare)(const void *, const void *))
{
    if (list->count > 1) {
        qsort(list->rows, list->count, sizeof(difference_row), compare);
    }
}

static bool open_list(difference *d, crdt_arena *arena, size_t count,
                      difference_list *list)
{
    list->count = 0;
    list->rows = crdt_arena_alloc(arena, (count + 1) * sizeof(difference_row));
    if (list->rows == NULL) {
        fail(d, CRDT_ENOMEM);
    }
    return list->rows != NULL;
}

/* The live objects, by name. */
static difference_list list_objects(difference *d, const crdt_document *doc)
{
    difference_list list = {NULL, 0};
    size_t total = 0;
    crdt_object object = {0};
    while (crdt_document_next_object(doc, &object)) {
        total++;
    }
    if (!open_list(d, &d->arena, total, &list)) {
        return list;
    }
    object = (crdt_object){0};
    while (crdt_document_next_object(doc, &object)) {
        if (crdt_document_object_live(doc, object)) {
            difference_row *row = &list.rows[list.count++];
            *row = (difference_row){.name = crdt_document_object_name(doc, object),
                                    .id = object.id};
            crdt_part own =
                scene_part_find(doc, object, crdt_span_of(SCENE_NAME_ENTITY));
            row->ordered = get_order(doc, own, &row->order);
        }
    }
    sort(&list, by_name);
    return list;
}

/* The name of a part of `to`, as `from` spells it. In the arena `parts`. */
static crdt_span spell(difference *d, crdt_span name)
{
    uint32_t number;
    crdt_span base = scene_layout_base(name, &number);
    if (d->same_origin || d->from_origin == SCENE_FORMAT_NONE ||
        scene_layout_is_own(base)) {
        return name;
    }
    crdt_span type = scene_layout_translate(base, d->from_origin);
    if (crdt_span_equal(type, base)) {
        return name;
    }
    size_t mark = name.size - base.size;
    uint8_t *copy = crdt_arena_alloc(&d->parts, mark + type.size);
    if (copy == NULL) {
        fail(d, CRDT_ENOMEM);
        return name;
    }
    memcpy(copy, name.data, mark);
    memcpy(copy + mark, type.data, type.size);
    return (crdt_span){copy, mark + type.size};
}

/* The live parts of an object, by name. */
static difference_list list_parts(difference *d, const crdt_document *doc,
                                  crdt_object object)
{
    difference_list list = {NULL, 0};
    size_t total = 0;
    crdt_part part = {0};
    while (object.id != 0 && crdt_document_next_part(doc, object, &part)) {
        total++;
    }
    if (!open_list(d, &d->parts, total, &list)) {
        return list;
    }
    part = (crdt_part){0};
    while (object.id != 0 && crdt_document_next_part(doc, object, &part)) {
        if (crdt_document_part_live(doc, part)) {
            difference_row *row = &list.rows[list.count++];
            crdt_span name = crdt_document_part_name(doc, part);
            *row = (difference_row){.name = doc == d->to ? spell(d, name) : name,
                                    .id = part.id};
            row->ordered = get_order(doc, part, &row->order);
        }
    }
    sort(&list, by_name);
    return list;
}

/* By type, then by number. */
static int by_number(const void *a, const void *b)
{
    uint32_t a_number;
    uint32_t b_number;
    crdt_span a_base = scene_layout_base(((const difference_row *)a)->name, &a_number);
    crdt_span b_base = scene_layout_base(((const difference_row *)b)->name, &b_number);
    int order = crdt_span_compare(a_base, b_base);
    return order != 0 ? order : (a_number > b_number) - (a_number < b_number);
}

static bool has_repeated(const difference_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        uint32_t number;
        (void)scene_layout_base(list->rows[i].name, &number);
        if (number > 1 ||
            (i > 0 && crdt_span_equal(list->rows[i].name, list->rows[i - 1].name))) {
            return true;
        }
    }
    return false;
}

static crdt_span numbered(difference *d, crdt_span base, uint32_t number)
{
    char mark[24];
    int mark_size = snprintf(mark, sizeof(mark), "\377r%u:", (unsigned)number);
    uint8_t *name = crdt_arena_alloc(&d->parts, (size_t)mark_size + base.size);
    if (name == NULL) {
        fail(d, CRDT_ENOMEM);
        return base;
    }
    memcpy(name, mark, (size_t)mark_size);
    if (base.size > 0) {
        memcpy(name + mark_size, base.data, base.size);
    }
    return (crdt_span){name, (size_t)mark_size + base.size};
}

/* Of several parts of one type only the order of their numbers says something: give the
 * parts of `to` the names that those of `from` have, the rest new ones. */
static void align_repeated(difference *d, difference_list *held,
                           difference_list *wanted)
{
    if (!has_repeated(held) && !has_repeated(wanted)) {
        return;
    }
    sort(held, by_number);
    sort(wanted, by_number);
    size_t at = 0;     /* the next part of `from` that is free */
    uint32_t last = 0; /* the highest number given within a type */
    crdt_span type = {NULL, 0};
    for (size_t i = 0; i < wanted->count; i++) {
        uint32_t number;
        crdt_span base = scene_layout_base(wanted->rows[i].name, &number);
        if (i == 0 || !crdt_span_equal(base, type)) {
            last = 0;
            type = base;
        }
        crdt_span free_base = {NULL, 0};
        while (at < held->count) {
            free_base = scene_layout_base(held->rows[at].name, &number);
            if (crdt_span_compare(free_base, base) >= 0) {
                break;
            }
            at++;
        }
        if (at < held->count && crdt_span_equal(free_base, base)) {
            wanted->rows[i].name = held->rows[at++].name;
            last = number;
        } else {
            last++;
            wanted->rows[i].name = last == 1 ? base : numbered(d, base, last);
        }
    }
    sort(held, by_name);
    sort(wanted, by_name);
}

static const difference_row *find_row(const difference_list *list, crdt_span name)
{
    difference_row wanted = {.name = name};
    return list->count == 0 ? NULL
                            : bsearch(&wanted, list->rows, list->count,
                                      sizeof(difference_row), by_name);
}

/* ---- fields ---- */

static void set(difference *d, crdt_span object, crdt_span part, crdt_span field,
                crdt_span value)
{
    fail(d, crdt_op_list_set(d->out, crdt_key_field(object, part, field), value));
}

static void unset(difference *d, crdt_span object, crdt_span part, crdt_span field)
{
    fail(d, crdt_op_list_unset(d->out, crdt_key_field(object, part, field)));
}

static bool is_field(crdt_span field, const char *name)
{
    return crdt_span_equal(field, crdt_span_of(name));
}

/* Fields that are not compared one by one: places are settled for the whole list, where
 * the scene came from is settled once, and the version of another format says nothing. */
static bool is_aside(const difference *d, crdt_span object, crdt_span part,
                     crdt_span field)
{
    if (is_field(field, SCENE_NAME_ORDER)) {
        return true;
    }
    if (!crdt_span_equal(object, crdt_span_of(SCENE_NAME_SCENE))) {
        return false;
    }
    bool own = crdt_span_equal(part, crdt_span_of(SCENE_NAME_ENTITY));
    bool head = scene_format_parse(part) != SCENE_FORMAT_NONE;
    bool version = is_field(field, "schemaVersion") || is_field(field, "version");
    return (own && d->from_origin != SCENE_FORMAT_NONE) ||
           (head && version && !d->same_origin);
}

/* Does the part of `to` hold anything that is compared? */
static bool says_something(const difference *d, crdt_span object, crdt_span name,
                           crdt_part to)
{
    crdt_field field = {0};
    while (crdt_document_next_field(d->to, to, &field)) {
        crdt_entry entry;
        if (crdt_document_field_value(d->to, field, 0, &entry) &&
            !is_aside(d, object, name, crdt_document_field_name(d->to, field))) {
            return true;
        }
    }
    return false;
}

/* A column of one type that `from` has anyway, as it has such components. */
static bool is_implied_column(const difference *d, crdt_span object, crdt_span part)
{
    static const char MARK[] = "scenesync::"; /* before types the SDK would refuse */
    crdt_span type = {part.data + 2, part.size - 2};
    if (part.size >= 2 + sizeof(MARK) - 1 &&
        memcmp(type.data, MARK, sizeof(MARK) - 1) == 0) {
        type.data += sizeof(MARK) - 1;
        type.size -= sizeof(MARK) - 1;
    }
    return part.size >= 2 && part.data[0] == 0xff && part.data[1] == 'k' &&
           crdt_span_equal(object, crdt_span_of(SCENE_NAME_SCENE)) &&
           scene_text_map_find(&d->types, type) != NULL;
}

/* Must the part be added where `from` lacks it? One that holds our own data is, when it
 * has some. */
static bool must_add(const difference *d, crdt_span object, crdt_span name,
                     crdt_part to)
{
    bool entity = crdt_span_equal(name, crdt_span_of(SCENE_NAME_ENTITY));
    bool foreign = !d->same_origin &&
                   crdt_span_equal(object, crdt_span_of(SCENE_NAME_SCENE)) &&
                   scene_format_parse(name) != SCENE_FORMAT_NONE;
    bool optional = entity || foreign || is_implied_column(d, object, name);
    return !optional || says_something(d, object, name, to);
}

/* May what `to` lacks be taken from `from`? Not what its file could not have said. */
static bool may_unset(const difference *d, crdt_span part, crdt_span field)
{
    if (d->same_origin) {
        return true;
    }
    bool value =
        is_field(field, SCENE_NAME_VALUE) || is_field(field, SCENE_NAME_BINARY);
    return value || (!scene_layout_is_own(field) &&
                     !crdt_span_equal(part, crdt_span_of(SCENE_NAME_ENTITY)));
}

/* Field by field, as they are held. */
static void compare_fields(difference *d, crdt_span object, crdt_span name,
                           crdt_part from, crdt_part to)
{
    crdt_field field = {0};
    while (to.id != 0 && crdt_document_next_field(d->to, to, &field)) {
        crdt_span key = crdt_document_field_name(d->to, field);
        crdt_entry entry;
        crdt_span held;
        bool spelling = from.id != 0 && is_field(key, SCENE_NAME_CASE);
        if (spelling || is_aside(d, object, name, key) ||
            !crdt_document_field_value(d->to, field, 0, &entry)) {
            continue;
        }
        if (!get(d->from, from, key, &held) || !crdt_span_equal(held, entry.value)) {
            set(d, object, name, key, entry.value);
        }
    }
    field = (crdt_field){0};
    while (from.id != 0 && crdt_document_next_field(d->from, from, &field)) {
        crdt_span key = crdt_document_field_name(d->from, field);
        crdt_entry entry;
        crdt_span wanted;
        if (!is_field(key, SCENE_NAME_CASE) && !is_aside(d, object, name, key) &&
            may_unset(d, name, key) &&
            crdt_document_field_value(d->from, field, 0, &entry) &&
            !get(d->to, to, key, &wanted)) {
            unset(d, object, name, key);
        }
    }
}

/* Take a shared component off an entity: its own part gets all that `to` shows. */
static void detach(difference *d, crdt_span object, crdt_span name, crdt_part from,
                   const scene_component *to)
{
    scene_field_cursor cursor = {0};
    scene_field field;
    crdt_span held;
    while (scene_component_next_field(to, &cursor, &field)) {
        if (!get(d->from, from, field.name, &held) ||
            !crdt_span_equal(held, field.value)) {
            set(d, object, name, field.name, field.value);
        }
    }
    crdt_field own = {0};
    while (crdt_document_next_field(d->from, from, &own)) {
        crdt_span key = crdt_document_field_name(d->from, own);
        if (!scene_layout_is_own(key) && !scene_component_field(to, key, &field)) {
            unset(d, object, name, key);
        }
    }
    unset(d, object, name, crdt_span_of(SCENE_NAME_SHARED));
}

/* `from` shares this component, `to` has it by itself: only what is shown counts, and it
 * stays shared as long as it can. */
static void compare_shown(difference *d, crdt_span object, crdt_span name,
                          crdt_part from, crdt_part to)
{
    scene_component old;
    scene_component new;
    scene_component_open(d->from, from, &old);
    scene_component_open(d->to, to, &new);
    scene_field_cursor cursor = {0};
    scene_field field;
    scene_field other;
    if (new.whole) {
        if (!old.whole || !crdt_span_equal(old.value, new.value)) {
            const char *key = new.binary ? SCENE_NAME_BINARY : SCENE_NAME_VALUE;
            set(d, object, name, crdt_span_of(key), new.value);
        }
        return;
    }
    bool inherits = old.whole;
    while (scene_component_next_field(&old, &cursor, &field)) {
        if (field.inherited && !scene_component_field(&new, field.name, &other)) {
            inherits = true; /* something it may not show any more */
        }
    }
    if (inherits) {
        detach(d, object, name, from, &new);
        return;
    }
    cursor = (scene_field_cursor){0};
    while (scene_component_next_field(&new, &cursor, &field)) {
        if (!scene_component_field(&old, field.name, &other) ||
            !crdt_span_equal(other.value, field.value)) {
            set(d, object, name, field.name, field.value);
        }
    }
    cursor = (scene_field_cursor){0};
    while (scene_component_next_field(&old, &cursor, &field)) {
        if (!scene_component_field(&new, field.name, &other)) {
            unset(d, object, name, field.name);
        }
    }
}

static void compare_part(difference *d, crdt_span object, crdt_span name,
                         crdt_part from, crdt_part to)
{
    crdt_span shared;
    crdt_span same;
    crdt_span key = crdt_span_of(SCENE_NAME_SHARED);
    if (from.id != 0 && get(d->from, from, key, &shared) &&
        !get(d->to, to, key, &same)) {
        compare_shown(d, object, name, from, to);
    } else {
        compare_fields(d, object, name, from, to);
    }
}

/* ---- places ---- */

/* Is the order that the places held in `from` give to the rows of `to` the one of `to`?
 * `rows` are those of `to`, in their order there. */
static bool order_stands(difference *d, const difference_list *held,
                         const difference_list *wanted,
                         int (*compare)(const void *, const void *))
{
    difference_list got = {NULL, 0};
    if (!open_list(d, &d->parts, wanted->count, &got)) {
        return true;
    }
    for (size_t i = 0; i < wanted->count; i++) {
        const difference_row *row = find_row(held, wanted->rows[i].name);
        got.rows[i] = (difference_row){.name = wanted->rows[i].name};
        if (row != NULL) {
            got.rows[i].ordered = row->ordered;
            got.rows[i].order = row->order;
        }
    }
    got.count = wanted->count;
    sort(&got, compare);
    for (size_t i = 0; i < wanted->count; i++) {
        if (!crdt_span_equal(got.rows[i].name, wanted->rows[i].name)) {
            return false;
        }
    }
    return true;
}

static void set_place(difference *d, crdt_span object, crdt_span part,
                      const difference_row *held, int64_t place)
{
    if (held != NULL && held->ordered && held->order == place) {
        return;
    }
    uint8_t bytes[16];
    crdt_buf value;
    crdt_buf_init(&value, d->out->alloc);
    crdt_err err = crdt_value_write_integer(&value, place);
    if (err == CRDT_OK && value.size <= sizeof(bytes)) {
        set(d, object, part, crdt_span_of(SCENE_NAME_ORDER), crdt_buf_span(&value));
    }
    fail(d, err);
    crdt_buf_deinit(&value);
}

/* Does the part stand in a list: a component of an entity, or a column? */
static bool is_listed(crdt_span object, crdt_span part)
{
    uint32_t number;
    crdt_span base = scene_layout_base(part, &number);
    bool own = base.size > 1 && base.data[0] == 0xff;
    if (crdt_span_equal(object, crdt_span_of(SCENE_NAME_SCENE))) {
        return own && base.data[1] == 'k';
    }
    return scene_layout_is_entity(object) && (!own || base.data[1] == 'd');
}

static void place_parts(difference *d, crdt_span object, const difference_list *held,
                        const difference_list *parts)
{
    difference_list wanted = {NULL, 0};
    if (!open_list(d, &d->parts, parts->count, &wanted)) {
        return;
    }
    for (size_t i = 0; i < parts->count; i++) {
        if (is_listed(object, parts->rows[i].name)) {
            wanted.rows[wanted.count++] = parts->rows[i];
        }
    }
    sort(&wanted, by_part_place);
    if (order_stands(d, held, &wanted, by_part_place)) {
        return;
    }
    for (size_t i = 0; i < wanted.count; i++) {
        crdt_span part = wanted.rows[i].name;
        const difference_row *row = find_row(held, part);
        if (row == NULL && !must_add(d, object, part, (crdt_part){wanted.rows[i].id})) {
            fail(d, crdt_op_list_add(d->out, crdt_key_part(object, part)));
        }
        set_place(d, object, part, row, (int64_t)i);
    }
}

static void place_entities(difference *d, const difference_list *held,
                           const difference_list *objects)
{
    difference_list wanted = {NULL, 0};
    if (d->keys_unordered || !open_list(d, &d->arena, objects->count, &wanted)) {
        return;
    }
    for (size_t i = 0; i < objects->count; i++) {
        if (scene_layout_is_entity(objects->rows[i].name)) {
            wanted.rows[wanted.count++] = objects->rows[i];
        }
    }
    sort(&wanted, by_entity_place);
    if (order_stands(d, held, &wanted, by_entity_place)) {
        return;
    }
    crdt_span own = crdt_span_of(SCENE_NAME_ENTITY);
    for (size_t i = 0; i < wanted.count; i++) {
        crdt_span id = wanted.rows[i].name;
        crdt_part there = scene_part_find(d->from, find_object(d->from, id), own);
        crdt_part to = scene_part_find(d->to, (crdt_object){wanted.rows[i].id}, own);
        if (there.id == 0 && (to.id == 0 || !says_something(d, id, own, to))) {
            fail(d, crdt_op_list_add(d->out, crdt_key_part(id, own)));
        }
        set_place(d, id, own, find_row(held, id), (int64_t)i);
    }
}

/* ---- objects ---- */

static void note_reference(difference *d, const crdt_document *doc, crdt_part part,
                           scene_text_map *referred)
{
    crdt_span value;
    crdt_span id;
    if (get(doc, part, crdt_span_of(SCENE_NAME_SHARED), &value) &&
        scene_value_text(value, &id)) {
        fail(d, scene_text_map_put(referred, id, 0, NULL, NULL));
    }
}

static void note_references(difference *d, const crdt_document *doc,
                            scene_text_map *referred)
{
    crdt_object entity = {0};
    while (scene_entity_next(doc, &entity)) {
        crdt_part part = {0};
        while (crdt_document_next_part(doc, entity, &part)) {
            crdt_span type;
            if (!crdt_document_part_live(doc, part)) {
                continue;
            }
            note_reference(d, doc, part, referred);
            if (doc == d->from &&
                scene_layout_is_component(crdt_document_part_name(doc, part), &type)) {
                fail(d, scene_text_map_put(&d->types, type, 0, NULL, NULL));
            }
        }
    }
}

/* Is the object a shared component that nothing refers to, and none that is kept all the
 * same? It is shown nowhere. */
static bool is_left_over(const crdt_document *doc, const scene_text_map *referred,
                         crdt_span object)
{
    if (object.size < 2 || object.data[0] != 0xff || object.data[1] != 'c') {
        return false;
    }
    crdt_span id = {object.data + 2, object.size - 2};
    crdt_part own =
        scene_part_find(doc, find_object(doc, object), crdt_span_of(SCENE_NAME_ENTITY));
    crdt_span unused;
    return scene_text_map_find(referred, id) == NULL &&
           !get(doc, own, crdt_span_of(SCENE_NAME_ABSENT), &unused);
}

/* May a part that `to` lacks be removed? Its file may have been unable to say it. */
static bool may_remove_part(const difference *d, crdt_span object, crdt_span part)
{
    if (scene_layout_is_entity(object) && scene_layout_is_component(part, NULL)) {
        return true;
    }
    return d->same_origin;
}

/* Where a scene comes from is no difference. */
static bool is_past(crdt_span object, crdt_span part)
{
    return crdt_span_equal(part, crdt_span_of(SCENE_NAME_PAST)) &&
           crdt_span_equal(object, crdt_span_of(SCENE_NAME_SCENE));
}

static void compare_object(difference *d, crdt_span name, crdt_object from,
                           crdt_object to)
{
    crdt_arena_reset(&d->parts);
    difference_list held = list_parts(d, d->from, from);
    difference_list wanted = list_parts(d, d->to, to);
    align_repeated(d, &held, &wanted);
    if (from.id == 0) {
        fail(d, crdt_op_list_add(d->out, crdt_key_object(name)));
    }
    for (size_t i = 0; i < held.count; i++) {
        crdt_span part = held.rows[i].name;
        crdt_part at = {held.rows[i].id};
        if (find_row(&wanted, part) != NULL || is_past(name, part)) {
            continue;
        }
        if (crdt_span_equal(part, crdt_span_of(SCENE_NAME_ENTITY))) {
            compare_fields(d, name, part, at, (crdt_part){0}); /* it keeps the place */
        } else if (may_remove_part(d, name, part)) {
            fail(d, crdt_op_list_remove(d->out, crdt_key_part(name, part)));
        }
    }
    for (size_t i = 0; i < wanted.count && d->err == CRDT_OK; i++) {
        crdt_span part = wanted.rows[i].name;
        const difference_row *row = find_row(&held, part);
        crdt_part to_part = {wanted.rows[i].id};
        if (is_past(name, part)) {
            continue;
        }
        if (row == NULL && must_add(d, name, part, to_part)) {
            fail(d, crdt_op_list_add(d->out, crdt_key_part(name, part)));
        }
        compare_part(d, name, part, (crdt_part){row != NULL ? row->id : 0}, to_part);
    }
    place_parts(d, name, &held, &wanted);
}

/* Objects of `from` that `to` lacks: entities go; of shared components those that were
 * kept for themselves; what belongs to the scene stays. */
static void remove_objects(difference *d, const difference_list *held,
                           const difference_list *wanted)
{
    for (size_t i = 0; i < held->count; i++) {
        crdt_span name = held->rows[i].name;
        if (find_row(wanted, name) != NULL ||
            crdt_span_equal(name, crdt_span_of(SCENE_NAME_SCENE)) ||
            is_left_over(d->from, &d->from_referred, name)) {
            continue;
        }
        bool entity = scene_layout_is_entity(name);
        crdt_span id = {name.data + 2, name.size - 2};
        if (entity || (d->same_origin && name.size >= 2 &&
                       scene_text_map_find(&d->from_referred, id) == NULL)) {
            fail(d, crdt_op_list_remove(d->out, crdt_key_object(name)));
        }
    }
}

crdt_err scene_difference_of(const crdt_document *from, const crdt_document *to,
                             crdt_alloc alloc, crdt_op_list *out)
{
    difference d = {.from = from,
                    .to = to,
                    .out = out,
                    .from_origin = origin_of(from),
                    .to_origin = origin_of(to)};
    d.same_origin = d.from_origin == SCENE_FORMAT_NONE || d.from_origin == d.to_origin;
    d.keys_unordered = scene_format_of(to) == SCENE_FORMAT_BUILDER;
    crdt_arena_init(&d.arena, alloc);
    crdt_arena_init(&d.parts, alloc);
    scene_text_map_init(&d.from_referred, alloc);
    scene_text_map_init(&d.to_referred, alloc);
    scene_text_map_init(&d.types, alloc);
    note_references(&d, from, &d.from_referred);
    note_references(&d, to, &d.to_referred);
    difference_list held = list_objects(&d, from);
    difference_list wanted = list_objects(&d, to);
    for (size_t i = 0; i < wanted.count && d.err == CRDT_OK; i++) {
        crdt_span name = wanted.rows[i].name;
        crdt_object object = find_object(from, name);
        if (object.id != 0 || !is_left_over(to, &d.to_referred, name)) {
            compare_object(&d, name, object, (crdt_object){wanted.rows[i].id});
        }
    }
    if (d.err == CRDT_OK) {
        place_entities(&d, &held, &wanted);
        remove_objects(&d, &held, &wanted);
    }
    crdt_arena_deinit(&d.arena);
    crdt_arena_deinit(&d.parts);
    scene_text_map_deinit(&d.from_referred);
    scene_text_map_deinit(&d.to_referred);
    scene_text_map_deinit(&d.types);
    return d.err;
}

crdt_err scene_difference_to_ops(const crdt_document *from, const crdt_op *ops,
                                 size_t op_count, crdt_alloc alloc, crdt_op_list *out,
                                 crdt_diag *diag)
{
    crdt_document *to = NULL;
    crdt_document_options options = crdt_document_options_default();
    options.alloc = alloc;
    crdt_err err = crdt_document_open(&to, &options);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_arena arena;
    crdt_arena_init(&arena, alloc);
    crdt_edit edit = {.actor = {{1}}};
    crdt_batch batch;
    if (op_count > 0) {
        err = crdt_document_commit(to, &edit, ops, op_count, &arena, &batch, diag);
    }
    crdt_arena_deinit(&arena);
    if (err == CRDT_OK || err == CRDT_ENOTHING) {
        err = scene_difference_of(from, to, alloc, out);
    }
    crdt_document_close(to);
    return err;
}
