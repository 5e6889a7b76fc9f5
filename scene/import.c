#include "scene/import.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/value.h"
#include "scene/descent.h"

void scene_import_init(scene_import *import, crdt_alloc alloc, const scene_json *json,
                       crdt_op_list *ops, crdt_diag *diag)
{
    *import = (scene_import){.alloc = alloc, .json = json, .ops = ops, .diag = diag};
    crdt_arena_init(&import->arena, alloc);
    crdt_buf_init(&import->value, alloc);
    crdt_buf_init(&import->other, alloc);
    scene_text_map_init(&import->shared, alloc);
    scene_text_map_init(&import->numbers, alloc);
}

void scene_import_deinit(scene_import *import)
{
    crdt_arena_deinit(&import->arena);
    crdt_buf_deinit(&import->value);
    crdt_buf_deinit(&import->other);
    scene_text_map_deinit(&import->shared);
    scene_text_map_deinit(&import->numbers);
}

static bool contains(const char *const *names, crdt_span name)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        if (name.size > 0 && name.data[0] == (uint8_t)names[i][0] &&
            crdt_span_equal(name, crdt_span_of(names[i]))) {
            return true;
        }
    }
    return false;
}

/* ---- writing operations ---- */

static crdt_err write_op(scene_import *import, crdt_op_kind kind, crdt_key key,
                         crdt_span value)
{
    const crdt_op op = {.kind = kind, .key = key, .value = value};
    return import->planter != NULL ? crdt_planter_put(import->planter, &op, 1)
                                   : crdt_op_list_push(import->ops, &op);
}

static crdt_err write_add(scene_import *import, crdt_key key)
{
    return write_op(import, CRDT_OP_ADD, key, (crdt_span){NULL, 0});
}

crdt_err scene_import_add_object(scene_import *import, crdt_span object)
{
    return write_add(import, crdt_key_object(object));
}

crdt_err scene_import_add_part(scene_import *import, crdt_span object, crdt_span part)
{
    return write_add(import, crdt_key_part(object, part));
}

crdt_err scene_import_set_value(scene_import *import, crdt_span object, crdt_span part,
                                crdt_span field, crdt_span value)
{
    return write_op(import, CRDT_OP_SET, crdt_key_field(object, part, field), value);
}

crdt_err scene_import_check_name(scene_import *import, const scene_json_node *node,
                                 crdt_span name)
{
    /* Room for a mark of ours in front. */
    size_t size_max = CRDT_NAME_SIZE_MAX - 16;
    if (name.size <= size_max) {
        return CRDT_OK;
    }
    return scene_json_refuse(import->json, node, import->diag, CRDT_ELIMIT,
                             "a name of %zu bytes; at most %zu are allowed", name.size,
                             size_max);
}

crdt_span scene_import_join(scene_import *import, const char *prefix, crdt_span name)
{
    size_t prefix_size = strlen(prefix);
    uint8_t *data = crdt_arena_alloc(&import->arena, prefix_size + name.size);
    if (data == NULL) {
        return (crdt_span){NULL, 0};
    }
    memcpy(data, prefix, prefix_size);
    if (name.size > 0) {
        memcpy(data + prefix_size, name.data, name.size);
    }
    return (crdt_span){data, prefix_size + name.size};
}

crdt_err scene_import_set(scene_import *import, crdt_span object, crdt_span part,
                          crdt_span field, const scene_json_node *node)
{
    crdt_err err = scene_import_check_name(import, node, field);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_buf_clear(&import->value);
    err = scene_json_encode(node, import->alloc, &import->value);
    if (err != CRDT_OK) {
        return err;
    }
    if (import->value.size > CRDT_VALUE_SIZE_MAX) {
        return scene_json_refuse(import->json, node, import->diag, CRDT_ELIMIT,
                                 "a value of %zu bytes; at most %u are allowed",
                                 import->value.size, CRDT_VALUE_SIZE_MAX);
    }
    if (scene_json_depth(import->json) > CRDT_VALUE_DEPTH_MAX &&
        crdt_value_check(crdt_buf_span(&import->value), NULL) != CRDT_OK) {
        return scene_json_refuse(import->json, node, import->diag, CRDT_ELIMIT,
                                 "a value nested deeper than %d", CRDT_VALUE_DEPTH_MAX);
    }
    return scene_import_set_value(import, object, part, field,
                                  crdt_buf_span(&import->value));
}

/* Of operations a template checks the values and says what is wrong; a planter does not. */
static crdt_err set_written(scene_import *import, crdt_span object, crdt_span part,
                            const char *field, crdt_err err)
{
    if (err != CRDT_OK) {
        return err;
    }
    if (import->planter != NULL &&
        crdt_value_check(crdt_buf_span(&import->value), NULL) != CRDT_OK) {
        return CRDT_ELIMIT;
    }
    return scene_import_set_value(import, object, part, crdt_span_of(field),
                                  crdt_buf_span(&import->value));
}

crdt_err scene_import_set_integer(scene_import *import, crdt_span object,
                                  crdt_span part, const char *field, int64_t number)
{
    crdt_buf_clear(&import->value);
    return set_written(import, object, part, field,
                       crdt_value_write_integer(&import->value, number));
}

crdt_err scene_import_set_text(scene_import *import, crdt_span object, crdt_span part,
                               const char *field, crdt_span text)
{
    crdt_buf_clear(&import->value);
    return set_written(import, object, part, field,
                       crdt_value_write_string(&import->value, text));
}

crdt_err scene_import_set_bool(scene_import *import, crdt_span object, crdt_span part,
                               const char *field, bool boolean)
{
    crdt_buf_clear(&import->value);
    return set_written(import, object, part, field,
                       crdt_value_write_bool(&import->value, boolean));
}

bool scene_import_equal(scene_import *import, const scene_json_node *a,
                        const scene_json_node *b)
{
    crdt_buf_clear(&import->value);
    crdt_buf_clear(&import->other);
    return scene_json_encode(a, import->alloc, &import->value) == CRDT_OK &&
           scene_json_encode(b, import->alloc, &import->other) == CRDT_OK &&
           crdt_span_equal(crdt_buf_span(&import->value),
                           crdt_buf_span(&import->other));
}

/* ---- values ---- */

crdt_err scene_import_fields(scene_import *import, crdt_span object, crdt_span part,
                             const scene_json_node *node, const char *const *skip)
{
    const scene_json_node *key = node + 1;
    for (uint32_t i = 0; i < node->count; i++) {
        crdt_span name = scene_json_text(key);
        if (!contains(skip, name)) {
            crdt_err err = scene_import_set(import, object, part, name, key + 1);
            if (err != CRDT_OK) {
                return err;
            }
        }
        key = scene_json_next(key + 1);
    }
    return CRDT_OK;
}

crdt_err scene_import_part(scene_import *import, crdt_span object, crdt_span part,
                           const scene_json_node *node)
{
    crdt_err err = scene_import_add_part(import, object, part);
    if (err != CRDT_OK) {
        return err;
    }
    if (node->type != SCENE_JSON_OBJECT) {
        return scene_import_set(import, object, part, crdt_span_of(SCENE_NAME_VALUE),
                                node);
    }
    return scene_import_fields(import, object, part, node, NULL);
}

/* The value of a field; of a parent given by the number that the exporter assigned, the
 * id. */
static const scene_json_node *parent_of(const scene_import *import,
                                        const scene_import_component *component,
                                        const scene_json_node *key)
{
    const scene_json_node *value = key + 1;
    if (!component->numbered || value->type != SCENE_JSON_NUMBER ||
        !crdt_span_equal(scene_json_text(key), crdt_span_of("parent"))) {
        return value;
    }
    char text[SCENE_JSON_NUMBER_SIZE];
    crdt_span number = {(const uint8_t *)text,
                        scene_json_number_format(value->as.number, text)};
    const scene_json_node *id =
        scene_json_find(scene_import_find_number(import, number), "id");
    return id != NULL ? id : value;
}

/* A small table of a carried record. Ours are small; a large one is somebody else's, and
 * looking through it for every field would take for ever. */
static const scene_json_node *find_small(const scene_json_node *carry, const char *key)
{
    const scene_json_node *table = scene_json_find(carry, key);
    bool small =
        table != NULL && table->type == SCENE_JSON_OBJECT && table->count <= 32;
    return small ? table : NULL;
}

/* What a field of the value was before the exporter changed it; NULL: it was not there. */
static const scene_json_node *restore(scene_import *import,
                                      const scene_import_component *component,
                                      const scene_json_node *key)
{
    crdt_span name = scene_json_text(key);
    const scene_json_node *made =
        scene_json_find_text(find_small(component->carry, "made"), name);
    if (made == NULL || !scene_import_equal(import, made, key + 1)) {
        return parent_of(import, component, key);
    }
    return scene_json_find_text(find_small(component->carry, "was"), name);
}

static crdt_err put_field(scene_import *import, crdt_span object, crdt_span part,
                          const scene_import_component *component, crdt_span name,
                          const scene_json_node *value)
{
    bool small = component->base != NULL && component->base->count <= 256;
    const scene_json_node *shared =
        small ? scene_json_find_text(component->base, name) : NULL;
    if (shared != NULL && scene_import_equal(import, shared, value)) {
        return CRDT_OK;
    }
    return scene_import_set(import, object, part, name, value);
}

static crdt_err put_object(scene_import *import, crdt_span object, crdt_span part,
                           const scene_import_component *component)
{
    crdt_err err = CRDT_OK;
    const scene_json_node *key = component->value + 1;
    for (uint32_t i = 0; i < component->value->count && err == CRDT_OK; i++) {
        const scene_json_node *value = restore(import, component, key);
        if (value != NULL) {
            err =
                put_field(import, object, part, component, scene_json_text(key), value);
        }
        key = scene_json_next(key + 1);
    }
    /* Fields that the exporter took away and nobody put back. */
    const scene_json_node *was = find_small(component->carry, "was");
    const scene_json_node *made = find_small(component->carry, "made");
    key = was != NULL ? was + 1 : NULL;
    for (uint32_t i = 0; was != NULL && i < was->count && err == CRDT_OK; i++) {
        crdt_span name = scene_json_text(key);
        if (scene_json_find_text(component->value, name) == NULL &&
            scene_json_find_text(made, name) == NULL) {
            err = put_field(import, object, part, component, name, key + 1);
        }
        key = scene_json_next(key + 1);
    }
    return err;
}

static crdt_err put_value(scene_import *import, crdt_span object, crdt_span part,
                          const scene_import_component *component)
{
    const scene_json_node *value = component->value;
    /* What is carried stands where nothing (null, {}) was written for it; any other
     * value is an edit. */
    bool null = value == NULL || value->type == SCENE_JSON_NULL;
    bool empty =
        value == NULL || (value->type == SCENE_JSON_OBJECT && value->count == 0);
    const scene_json_node *binary = scene_json_find(component->carry, "binary");
    if (binary != NULL && binary->type == SCENE_JSON_STRING && null) {
        return scene_import_set(import, object, part, crdt_span_of(SCENE_NAME_BINARY),
                                binary);
    }
    if (value == NULL ||
        (empty && scene_json_find(component->carry, "absent") != NULL)) {
        return scene_import_set_bool(import, object, part, SCENE_NAME_ABSENT, true);
    }
    if (value->type == SCENE_JSON_OBJECT) {
        return put_object(import, object, part, component);
    }
    if (component->base != NULL && scene_import_equal(import, component->base, value)) {
        return CRDT_OK;
    }
    return scene_import_set(import, object, part, crdt_span_of(SCENE_NAME_VALUE),
                            value);
}

static int compare_keys(const void *a, const void *b)
{
    return crdt_value_key_compare(scene_json_text(*(const scene_json_node *const *)a),
                                  scene_json_text(*(const scene_json_node *const *)b));
}

/* Members of the record that mean nothing to us, and those that another format carried,
 * as one object. */
static crdt_err put_extra(scene_import *import, crdt_span object, crdt_span part,
                          const scene_import_component *component)
{
    const scene_json_node *carried = scene_json_find(component->carry, "extra");
    if (carried != NULL) {
        return scene_import_set(import, object, part, crdt_span_of(SCENE_NAME_EXTRA),
                                carried);
    }
    uint32_t count = 0;
    const scene_json_node **keys = crdt_arena_alloc(
        &import->arena, component->record->count * sizeof(scene_json_node *));
    if (keys == NULL) {
        return CRDT_ENOMEM;
    }
    const scene_json_node *key = component->record + 1;
    for (uint32_t i = 0; i < component->record->count; i++) {
        crdt_span name = scene_json_text(key);
        if (!contains(component->known, name) &&
            !crdt_span_equal(name, crdt_span_of(SCENE_CARRY))) {
            keys[count++] = key;
        }
        key = scene_json_next(key + 1);
    }
    if (count == 0) {
        return CRDT_OK;
    }
    qsort(keys, count, sizeof(keys[0]), compare_keys);
    crdt_buf_clear(&import->value);
    crdt_err err = crdt_value_write_map(&import->value, count);
    for (uint32_t i = 0; i < count && err == CRDT_OK; i++) {
        err = crdt_value_write_string(&import->value, scene_json_text(keys[i]));
        if (err == CRDT_OK) {
            err = scene_json_encode(keys[i] + 1, import->alloc, &import->value);
        }
    }
    return set_written(import, object, part, SCENE_NAME_EXTRA, err);
}

static crdt_err put_carried(scene_import *import, crdt_span object, crdt_span part,
                            const scene_json_node *carry)
{
    static const struct {
        const char *key;
        const char *field;
    } ROWS[] = {
        {"id", SCENE_NAME_ID},       {"shared", SCENE_NAME_SHARED},
        {"order", SCENE_NAME_ORDER}, {"column", SCENE_NAME_COLUMN},
        {"case", SCENE_NAME_CASE},
    };
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]) && err == CRDT_OK; i++) {
        const scene_json_node *node = scene_json_find(carry, ROWS[i].key);
        if (node != NULL) {
            err = scene_import_set(import, object, part, crdt_span_of(ROWS[i].field),
                                   node);
        }
    }
    return err;
}

crdt_err scene_import_put_beside(scene_import *import, crdt_span object, crdt_span part,
                                 const scene_import_component *component)
{
    crdt_err err = CRDT_OK;
    if (component->record->type == SCENE_JSON_OBJECT) {
        err = put_extra(import, object, part, component);
    }
    if (err == CRDT_OK && component->carry != NULL) {
        err = put_carried(import, object, part, component->carry);
    }
    return err;
}

crdt_err scene_import_put_component(scene_import *import, crdt_span object,
                                    crdt_span part,
                                    const scene_import_component *component)
{
    crdt_err err = scene_import_add_part(import, object, part);
    if (err == CRDT_OK) {
        err = put_value(import, object, part, component);
    }
    return err != CRDT_OK ? err
                          : scene_import_put_beside(import, object, part, component);
}

bool scene_import_is_invented(scene_import *import,
                              const scene_import_component *component)
{
    const scene_json_node *made = scene_json_find(component->carry, "made");
    return scene_json_find(component->carry, "invented") != NULL && made != NULL &&
           component->value != NULL &&
           scene_import_equal(import, made, component->value);
}

/* ---- lists of one entity ---- */

static crdt_err push_part(scene_import *import, scene_import_parts *parts,
                          crdt_span name)
{
    if (parts->count == parts->capacity) {
        uint32_t capacity = parts->capacity * 2 + 8;
        crdt_span *names =
            crdt_arena_alloc(&import->arena, capacity * sizeof(crdt_span));
        if (names == NULL) {
            return CRDT_ENOMEM;
        }
        if (parts->count > 0) {
            memcpy(names, parts->names, parts->count * sizeof(crdt_span));
        }
        parts->names = names;
        parts->capacity = capacity;
    }
    parts->names[parts->count++] = name;
    return CRDT_OK;
}

/* An allocator that takes from an arena and gives nothing back before its reset. */
static void *arena_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    if (new_size == 0) {
        return NULL;
    }
    void *block = crdt_arena_alloc(ctx, new_size);
    if (block != NULL && ptr != NULL) {
        memcpy(block, ptr, old_size < new_size ? old_size : new_size);
    }
    return block;
}

void scene_import_open_parts(scene_import *import, scene_import_parts *parts)
{
    *parts = (scene_import_parts){.count = 0};
    crdt_alloc alloc = {.fn = arena_resize, .ctx = &import->arena};
    scene_text_map_init(&parts->last, alloc);
}

crdt_err scene_import_next_part(scene_import *import, scene_import_parts *parts,
                                crdt_span type, crdt_span *part)
{
    uint64_t *last = NULL;
    crdt_err err = scene_text_map_put(&parts->last, type, 0, &last, NULL);
    if (err != CRDT_OK) {
        return err;
    }
    *part = type;
    if (++*last > 1) {
        char mark[24];
        (void)snprintf(mark, sizeof(mark), "\377r%u:", (unsigned)*last);
        *part = scene_import_join(import, mark, type);
        if (part->data == NULL) {
            return CRDT_ENOMEM;
        }
    }
    return push_part(import, parts, *part);
}

crdt_err scene_import_order_parts(scene_import *import, crdt_span object,
                                  const scene_import_parts *parts)
{
    bool ordered = true;
    for (uint32_t i = 1; i < parts->count; i++) {
        if (scene_layout_component_compare(parts->names[i - 1], parts->names[i]) >= 0) {
            ordered = false;
        }
    }
    crdt_err err = CRDT_OK;
    for (uint32_t i = 0; i < parts->count && !ordered && err == CRDT_OK; i++) {
        err = scene_import_set_integer(import, object, parts->names[i],
                                       SCENE_NAME_ORDER, i);
    }
    return err;
}

crdt_err scene_import_put_dangling(scene_import *import, crdt_span entity,
                                   scene_import_parts *parts, const scene_json_node *id)
{
    crdt_span part = {NULL, 0};
    crdt_span base =
        scene_import_join(import, SCENE_NAME_DANGLING, scene_json_text(id));
    crdt_err err = base.data == NULL ? CRDT_ENOMEM : CRDT_OK;
    if (err == CRDT_OK) {
        err = scene_import_check_name(import, id, base);
    }
    if (err == CRDT_OK) {
        err = scene_import_next_part(import, parts, base, &part);
    }
    return err != CRDT_OK ? err : scene_import_add_part(import, entity, part);
}

scene_import_rows scene_import_open_rows(const scene_json_node *list)
{
    bool sound = list != NULL && list->type == SCENE_JSON_ARRAY && list->count > 0;
    return (scene_import_rows){sound ? list + 1 : NULL, sound ? list->count : 0};
}

crdt_err scene_import_dangling(scene_import *import, crdt_span entity,
                               scene_import_parts *parts, scene_import_rows *rows,
                               bool rest)
{
    while (rows->left > 0) {
        const scene_json_node *row = rows->row;
        bool sound = row->type == SCENE_JSON_ARRAY && row->count == 2 &&
                     row[1].type == SCENE_JSON_NUMBER &&
                     row[2].type == SCENE_JSON_STRING;
        if (!sound) {
            return scene_json_refuse(import->json, row, import->diag, CRDT_ECORRUPT,
                                     "a dangling component is a pair [place, id]");
        }
        if (!rest && row[1].as.number > (double)parts->count) {
            break;
        }
        crdt_err err = scene_import_put_dangling(import, entity, parts, row + 2);
        if (err != CRDT_OK) {
            return err;
        }
        rows->row = scene_json_next(row);
        rows->left--;
    }
    return CRDT_OK;
}

/* ---- entities and the scene ---- */

crdt_err scene_import_entity_data(scene_import *import, crdt_span entity,
                                  const scene_json_node *record,
                                  const char *const *skip, const scene_json_node *carry,
                                  int64_t order)
{
    crdt_span own = crdt_span_of(SCENE_NAME_ENTITY);
    const scene_json_node *fields = scene_json_find(carry, "fields");
    const scene_json_node *place = scene_json_find(carry, "order");
    bool nameless = scene_json_find(carry, "nameless") != NULL;
    bool some = order >= 0 || fields != NULL || place != NULL || nameless;
    const scene_json_node *key = record != NULL ? record + 1 : NULL;
    for (uint32_t i = 0; record != NULL && i < record->count && !some; i++) {
        some = !contains(skip, scene_json_text(key));
        key = scene_json_next(key + 1);
    }
    if (!some) {
        return CRDT_OK;
    }
    crdt_err err = scene_import_add_part(import, entity, own);
    if (err == CRDT_OK && record != NULL) {
        err = scene_import_fields(import, entity, own, record, skip);
    }
    if (err == CRDT_OK && fields != NULL && fields->type == SCENE_JSON_OBJECT) {
        err = scene_import_fields(import, entity, own, fields, NULL);
    }
    if (err == CRDT_OK && nameless) {
        err = scene_import_set_bool(import, entity, own, SCENE_NAME_ABSENT, true);
    }
    if (err == CRDT_OK && place != NULL) {
        return scene_import_set(import, entity, own, crdt_span_of(SCENE_NAME_ORDER),
                                place);
    }
    if (err == CRDT_OK && order >= 0) {
        err = scene_import_set_integer(import, entity, own, SCENE_NAME_ORDER, order);
    }
    return err;
}

/* Index the members of a table: key -> place of the value among the nodes. */
static crdt_err index_table(const scene_import *import, const scene_json_node *table,
                            scene_text_map *map)
{
    crdt_err err = CRDT_OK;
    bool sound = table != NULL && table->type == SCENE_JSON_OBJECT;
    const scene_json_node *key = sound ? table + 1 : NULL;
    for (uint32_t i = 0; sound && i < table->count && err == CRDT_OK; i++) {
        uint64_t place = (uint64_t)(key + 1 - scene_json_root(import->json));
        err = scene_text_map_put(map, scene_json_text(key), place, NULL, NULL);
        key = scene_json_next(key + 1);
    }
    return err;
}

static const scene_json_node *find_indexed(const scene_import *import,
                                           const scene_text_map *map, crdt_span key)
{
    const uint64_t *place = scene_text_map_find(map, key);
    return place != NULL ? scene_json_root(import->json) + *place : NULL;
}

const scene_json_node *scene_import_find_number(const scene_import *import,
                                                crdt_span number)
{
    return find_indexed(import, &import->numbers, number);
}

crdt_err scene_import_open_carry(scene_import *import, const scene_json_node *holder)
{
    import->origin = import->format;
    import->carry = scene_json_find(holder, SCENE_CARRY);
    const scene_json_node *format = scene_json_find(import->carry, "format");
    if (format != NULL && format->type == SCENE_JSON_STRING) {
        scene_format origin = scene_format_parse(scene_json_text(format));
        import->origin = origin != SCENE_FORMAT_NONE ? origin : import->format;
    }
    crdt_err err =
        index_table(import, scene_json_find(import->carry, "shared"), &import->shared);
    if (err == CRDT_OK) {
        err = index_table(import, scene_json_find(import->carry, "entities"),
                          &import->numbers);
    }
    return err;
}

static crdt_err put_parts(scene_import *import, const scene_json_node *parts)
{
    if (parts == NULL || parts->type != SCENE_JSON_OBJECT) {
        return CRDT_OK;
    }
    crdt_err err = CRDT_OK;
    const scene_json_node *key = parts + 1;
    for (uint32_t i = 0; i < parts->count && err == CRDT_OK; i++) {
        err = scene_import_check_name(import, key, scene_json_text(key));
        if (err == CRDT_OK) {
            err = scene_import_part(import, crdt_span_of(SCENE_NAME_SCENE),
                                    scene_json_text(key), key + 1);
        }
        key = scene_json_next(key + 1);
    }
    return err;
}

static crdt_err put_shared(scene_import *import, crdt_span id,
                           const scene_json_node *record)
{
    static const char *const KNOWN[] = {"type", "value", NULL};
    const scene_json_node *type = scene_json_find(record, "type");
    crdt_span object = scene_import_join(import, SCENE_NAME_COMPONENT, id);
    if (object.data == NULL) {
        return CRDT_ENOMEM;
    }
    if (type == NULL || type->type != SCENE_JSON_STRING) {
        return scene_json_refuse(import->json, record, import->diag, CRDT_ECORRUPT,
                                 "a shared component needs a type");
    }
    const scene_json_node *carry = scene_json_find(record, SCENE_CARRY);
    scene_import_component component = {.record = record,
                                        .known = KNOWN,
                                        .value = scene_json_find(record, "value"),
                                        .carry = carry};
    crdt_err err = scene_import_check_name(import, record, object);
    if (err == CRDT_OK) {
        err = scene_import_check_name(import, type, scene_json_text(type));
    }
    if (err == CRDT_OK) {
        err = scene_import_add_object(import, object);
    }
    if (err == CRDT_OK) {
        err = scene_import_put_component(import, object, scene_json_text(type),
                                         &component);
    }
    if (err == CRDT_OK && scene_json_find(carry, "kept") != NULL) {
        err = scene_import_add_part(import, object, crdt_span_of(SCENE_NAME_ENTITY));
        if (err == CRDT_OK) {
            err = scene_import_set_bool(import, object, crdt_span_of(SCENE_NAME_ENTITY),
                                        SCENE_NAME_ABSENT, true);
        }
    }
    return err;
}

const scene_json_node *scene_import_shared_value(const scene_import *import,
                                                 const scene_json_node *carry,
                                                 crdt_span type)
{
    const scene_json_node *id = scene_json_find(carry, "shared");
    if (id == NULL || id->type != SCENE_JSON_STRING) {
        return NULL;
    }
    const scene_json_node *record =
        find_indexed(import, &import->shared, scene_json_text(id));
    const scene_json_node *shared = scene_json_find(record, "type");
    if (shared == NULL || shared->type != SCENE_JSON_STRING ||
        !crdt_span_equal(scene_json_text(shared), type)) {
        return NULL;
    }
    return scene_json_find(record, "value");
}

bool scene_import_scene_invented(scene_import *import, const char *part, crdt_span key,
                                 const scene_json_node *node)
{
    const scene_json_node *invented =
        find_small(scene_json_find(import->carry, "invented"), part);
    const scene_json_node *made = scene_json_find_text(invented, key);
    return made != NULL && scene_import_equal(import, made, node);
}

crdt_err scene_import_put_column(scene_import *import, scene_import_parts *columns,
                                 const scene_json_node *column, bool absent,
                                 const scene_json_node *kind, crdt_span *part)
{
    static const char *const KNOWN[] = {"name", "data", SCENE_CARRY, NULL};
    static const char *const KNOWN_MADE[] = {"name", "data", SCENE_CARRY, "jsonSchema",
                                             NULL};
    const scene_json_node *carry = scene_json_find(column, SCENE_CARRY);
    bool made = scene_json_find(carry, "invented") != NULL;
    crdt_span scene = crdt_span_of(SCENE_NAME_SCENE);
    const scene_json_node *name = scene_json_find(column, "name");
    if (name == NULL || name->type != SCENE_JSON_STRING) {
        return scene_json_refuse(import->json, column, import->diag, CRDT_ECORRUPT,
                                 "a column of components needs a name");
    }
    crdt_err err = scene_import_check_name(import, name, scene_json_text(name));
    crdt_span base =
        scene_import_join(import, SCENE_NAME_COLUMN, scene_json_text(name));
    if (err == CRDT_OK && base.data == NULL) {
        err = CRDT_ENOMEM;
    }
    if (err == CRDT_OK) {
        err = scene_import_next_part(import, columns, base, part);
    }
    if (err == CRDT_OK) {
        err = scene_import_add_part(import, scene, *part);
    }
    if (err == CRDT_OK) {
        err = scene_import_fields(import, scene, *part, column,
                                  made ? KNOWN_MADE : KNOWN);
    }
    if (err == CRDT_OK && absent) {
        err = scene_import_set_bool(import, scene, *part, SCENE_NAME_ABSENT, true);
    }
    if (err == CRDT_OK && kind != NULL) {
        err =
            scene_import_set(import, scene, *part, crdt_span_of(SCENE_NAME_CASE), kind);
    }
    return err;
}

/* The columns that another format carried. */
static crdt_err put_columns(scene_import *import, const scene_json_node *list)
{
    if (list == NULL || list->type != SCENE_JSON_ARRAY) {
        return CRDT_OK;
    }
    scene_import_parts columns;
    scene_import_open_parts(import, &columns);
    crdt_err err = CRDT_OK;
    const scene_json_node *column = list + 1;
    for (uint32_t i = 0; i < list->count && err == CRDT_OK; i++) {
        const scene_json_node *carry = scene_json_find(column, SCENE_CARRY);
        crdt_span part;
        err = scene_import_put_column(import, &columns, column,
                                      scene_json_find(carry, "absent") != NULL,
                                      scene_json_find(carry, "case"), &part);
        column = scene_json_next(column);
    }
    if (err == CRDT_OK) {
        err =
            scene_import_order_parts(import, crdt_span_of(SCENE_NAME_SCENE), &columns);
    }
    return err;
}

/* One lineage that the file comes from (scene/descent.h); what is no such row is passed
 * over. */
static crdt_err put_row(scene_import *import, const scene_json_node *row, int64_t age)
{
    const scene_json_node *lineage = scene_json_find(row, "lineage");
    const scene_json_node *version = scene_json_find(row, "version");
    if (lineage == NULL || lineage->type != SCENE_JSON_STRING || version == NULL ||
        version->type != SCENE_JSON_OBJECT) {
        return CRDT_OK;
    }
    crdt_span scene = crdt_span_of(SCENE_NAME_SCENE);
    crdt_span past = crdt_span_of(SCENE_NAME_PAST);
    crdt_buf map;
    crdt_buf_init(&map, import->alloc);
    crdt_buf_clear(&import->value);
    crdt_err err = scene_json_encode(version, import->alloc, &map);
    crdt_version held;
    crdt_version_init(&held, import->alloc);
    if (err == CRDT_OK) {
        err = scene_descent_version_read(&held, crdt_buf_span(&map));
    }
    crdt_actor actor;
    bool good = err == CRDT_OK && held.stamp_count > 0 &&
                scene_descent_lineage(scene_json_text(lineage), &actor);
    if (good) {
        err = scene_descent_value(&held, age, &import->value);
    }
    if (good && err == CRDT_OK) {
        err = scene_import_add_part(import, scene, past);
    }
    if (good && err == CRDT_OK) {
        err = scene_import_set_value(import, scene, past, scene_json_text(lineage),
                                     crdt_buf_span(&import->value));
    }
    crdt_version_deinit(&held);
    crdt_buf_deinit(&map);
    return err;
}

/* What the file was saved from: lineage and version, and those before. */
static crdt_err put_past(scene_import *import)
{
    crdt_err err = put_row(import, import->carry, 0);
    const scene_json_node *list = scene_json_find(import->carry, "ancestors");
    uint32_t count = list != NULL && list->type == SCENE_JSON_ARRAY ? list->count : 0;
    const scene_json_node *row = count > 0 ? list + 1 : NULL;
    for (uint32_t i = 0; i < count && i < SCENE_DESCENT_MAX && err == CRDT_OK; i++) {
        err = put_row(import, row, (int64_t)i + 1);
        row = scene_json_next(row);
    }
    return err;
}

crdt_err scene_import_scene_data(scene_import *import)
{
    crdt_span scene = crdt_span_of(SCENE_NAME_SCENE);
    crdt_span own = crdt_span_of(SCENE_NAME_ENTITY);
    crdt_err err = scene_import_add_part(import, scene, own);
    if (err == CRDT_OK) {
        err = scene_import_set_text(import, scene, own, SCENE_NAME_FORMAT,
                                    crdt_span_of(scene_format_name(import->format)));
    }
    if (err == CRDT_OK && import->origin != import->format) {
        err = scene_import_set_text(import, scene, own, SCENE_NAME_ORIGIN,
                                    crdt_span_of(scene_format_name(import->origin)));
    }
    if (err == CRDT_OK) {
        err = put_past(import);
    }
    if (err == CRDT_OK) {
        err = put_parts(import, scene_json_find(import->carry, "parts"));
    }
    if (err == CRDT_OK) {
        err = put_columns(import, scene_json_find(import->carry, "columns"));
    }
    const scene_json_node *shared = scene_json_find(import->carry, "shared");
    uint32_t count =
        shared != NULL && shared->type == SCENE_JSON_OBJECT ? shared->count : 0;
    const scene_json_node *key = shared != NULL ? shared + 1 : NULL;
    for (uint32_t i = 0; i < count && err == CRDT_OK; i++) {
        err = put_shared(import, scene_json_text(key), key + 1);
        key = scene_json_next(key + 1);
    }
    return err;
}
