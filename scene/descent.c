#include "scene/descent.h"

#include "crdt/value.h"
#include "scene/layout.h"
#include "scene/scene.h"

#include <stdlib.h>
#include <string.h>

void scene_descent_init(scene_descent *descent, crdt_alloc alloc)
{
    *descent = (scene_descent){.alloc = alloc};
}

void scene_descent_deinit(scene_descent *descent)
{
    for (size_t i = 0; i < descent->row_count; i++) {
        crdt_version_deinit(&descent->rows[i].version);
    }
    descent->row_count = 0;
}

const crdt_version *scene_descent_find(const scene_descent *descent,
                                       const crdt_actor *lineage)
{
    for (size_t i = 0; i < descent->row_count; i++) {
        if (crdt_actor_equal(&descent->rows[i].lineage, lineage)) {
            return &descent->rows[i].version;
        }
    }
    return NULL;
}

/* ---- reading ---- */

/* A lineage as it is found, perhaps in several fields. */
typedef struct found_row {
    crdt_actor lineage;
    int64_t age;
    crdt_version version;
} found_row;

typedef struct found_rows {
    crdt_alloc alloc;
    found_row *rows;
    size_t count;
    size_t capacity;
} found_rows;

static void close_found(found_rows *found)
{
    for (size_t i = 0; i < found->count; i++) {
        crdt_version_deinit(&found->rows[i].version);
    }
    crdt_free(found->alloc, found->rows, found->capacity * sizeof(found_row));
}

bool scene_descent_lineage(crdt_span text, crdt_actor *lineage)
{
    char copy[CRDT_ACTOR_TEXT_SIZE];
    if (text.size != sizeof copy - 1) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return crdt_actor_parse(copy, lineage);
}

/* "<lineage>" or "<lineage>.<actor>". */
static bool parse_field(crdt_span name, crdt_actor *lineage)
{
    const size_t size = CRDT_ACTOR_TEXT_SIZE - 1;
    crdt_actor by;
    if (name.size == 2 * size + 1 && name.data[size] == '.' &&
        scene_descent_lineage((crdt_span){name.data + size + 1, size}, &by)) {
        name.size = size;
    }
    return scene_descent_lineage(name, lineage);
}

/* Join what a map {actor: time} says; entries that are none are passed over. The keys of
 * a canonical map ascend, so each lands at the end. */
crdt_err scene_descent_version_read(crdt_version *version, crdt_span value)
{
    if (crdt_value_type_of(value) != CRDT_VALUE_MAP) {
        return CRDT_OK;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    uint32_t count = crdt_value_read(&reader).count;
    crdt_err err = CRDT_OK;
    for (uint32_t i = 0; i < count && err == CRDT_OK; i++) {
        crdt_span key = crdt_value_read(&reader).string;
        crdt_value_reader one = crdt_value_read_open(crdt_value_read_span(&reader));
        crdt_value_token time = crdt_value_read(&one);
        crdt_stamp stamp;
        if (time.type == CRDT_VALUE_NUMBER && time.integral && time.integer > 0 &&
            (uint64_t)time.integer <= CRDT_TIME_MAX &&
            scene_descent_lineage(key, &stamp.actor)) {
            stamp.time = (uint64_t)time.integer;
            err = crdt_version_raise(version, &stamp);
        }
    }
    return err;
}

static crdt_err find_or_add(found_rows *found, const crdt_actor *lineage, int64_t age,
                            crdt_version **version)
{
    for (size_t i = 0; i < found->count; i++) {
        if (crdt_actor_equal(&found->rows[i].lineage, lineage)) {
            found->rows[i].age = age < found->rows[i].age ? age : found->rows[i].age;
            *version = &found->rows[i].version;
            return CRDT_OK;
        }
    }
    if (found->count == found->capacity) {
        size_t capacity = found->capacity * 2 + SCENE_DESCENT_MAX;
        found_row *rows = crdt_resize_array(found->alloc, found->rows, found->capacity,
                                            capacity, sizeof *rows);
        if (rows == NULL) {
            return CRDT_ENOMEM;
        }
        found->rows = rows;
        found->capacity = capacity;
    }
    found_row *row = &found->rows[found->count++];
    *row = (found_row){.lineage = *lineage, .age = age};
    crdt_version_init(&row->version, found->alloc);
    *version = &row->version;
    return CRDT_OK;
}

#define FIELDS_MAX 4096u /* that are looked at; a document that has more is no scene */

/* Take in one field. */
static crdt_err find_row(found_rows *found, crdt_span name, crdt_span value)
{
    crdt_actor lineage;
    crdt_span version;
    crdt_span age_value;
    if (found->count >= FIELDS_MAX || !parse_field(name, &lineage) ||
        !crdt_value_map_find(value, "version", &version)) {
        return CRDT_OK;
    }
    int64_t age = SCENE_DESCENT_MAX;
    if (crdt_value_map_find(value, "age", &age_value)) {
        crdt_value_reader reader = crdt_value_read_open(age_value);
        crdt_value_token token = crdt_value_read(&reader);
        age = token.type == CRDT_VALUE_NUMBER && token.integral ? token.integer : age;
    }
    crdt_version *joined;
    crdt_err err = find_or_add(found, &lineage, age, &joined);
    return err == CRDT_OK ? scene_descent_version_read(joined, version) : err;
}

static int compare_rows(const void *left, const void *right)
{
    const found_row *a = left;
    const found_row *b = right;
    int by_age = (a->age > b->age) - (a->age < b->age);
    return by_age != 0 ? by_age : crdt_actor_compare(&a->lineage, &b->lineage);
}

/* The youngest rows become the descent; those without a version say nothing. */
static void take_rows(scene_descent *descent, found_rows *found)
{
    if (found->count > 1) {
        qsort(found->rows, found->count, sizeof(found_row), compare_rows);
    }
    size_t size = 0;
    for (size_t i = 0; i < found->count; i++) {
        found_row *row = &found->rows[i];
        size +=
            descent->row_count > 0 ? row->version.stamp_count * sizeof(crdt_stamp) : 0;
        if (row->version.stamp_count > 0 && descent->row_count < SCENE_DESCENT_MAX &&
            size <= SCENE_DESCENT_SIZE_MAX) {
            descent->rows[descent->row_count++] =
                (scene_descent_row){row->lineage, row->version};
            crdt_version_init(&row->version, found->alloc);
        }
    }
}

crdt_err scene_descent_read(scene_descent *descent, const crdt_document *doc)
{
    scene_descent_deinit(descent);
    crdt_object scene = crdt_document_find_object(doc, crdt_span_of(SCENE_NAME_SCENE));
    crdt_part part = scene_part_find(doc, scene, crdt_span_of(SCENE_NAME_PAST));
    if (part.id == 0) {
        return CRDT_OK;
    }
    found_rows found = {.alloc = descent->alloc};
    crdt_err err = CRDT_OK;
    crdt_field field = {0};
    while (err == CRDT_OK && crdt_document_next_field(doc, part, &field)) {
        crdt_span name = crdt_document_field_name(doc, field);
        crdt_entry entry;
        for (size_t i = 0;
             err == CRDT_OK && crdt_document_field_value(doc, field, i, &entry); i++) {
            err = find_row(&found, name, entry.value);
        }
    }
    if (err == CRDT_OK) {
        take_rows(descent, &found);
    }
    close_found(&found);
    return err;
}

crdt_err scene_descent_read_ops(scene_descent *descent, const crdt_op *ops,
                                size_t op_count)
{
    scene_descent_deinit(descent);
    found_rows found = {.alloc = descent->alloc};
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < op_count && err == CRDT_OK; i++) {
        if (ops[i].kind == CRDT_OP_SET &&
            crdt_span_equal(ops[i].key.part, crdt_span_of(SCENE_NAME_PAST)) &&
            crdt_span_equal(ops[i].key.object, crdt_span_of(SCENE_NAME_SCENE))) {
            err = find_row(&found, ops[i].key.field, ops[i].value);
        }
    }
    if (err == CRDT_OK) {
        take_rows(descent, &found);
    }
    close_found(&found);
    return err;
}

/* ---- making ---- */

static void drop_row(scene_descent *descent, size_t index)
{
    crdt_version_deinit(&descent->rows[index].version);
    memmove(&descent->rows[index], &descent->rows[index + 1],
            (descent->row_count - index - 1) * sizeof descent->rows[0]);
    descent->row_count--;
}

crdt_err scene_descent_push(scene_descent *descent, const crdt_actor *lineage,
                            const crdt_version *version)
{
    crdt_version joined;
    crdt_version_init(&joined, descent->alloc);
    const crdt_version *held = scene_descent_find(descent, lineage);
    crdt_err err = crdt_version_copy(&joined, version);
    if (err == CRDT_OK && held != NULL) {
        err = crdt_version_merge(&joined, held);
    }
    if (err != CRDT_OK) {
        crdt_version_deinit(&joined);
        return err;
    }
    for (size_t i = 0; i < descent->row_count; i++) {
        if (crdt_actor_equal(&descent->rows[i].lineage, lineage)) {
            drop_row(descent, i);
            break;
        }
    }
    if (descent->row_count == SCENE_DESCENT_MAX) {
        drop_row(descent, descent->row_count - 1);
    }
    memmove(&descent->rows[1], &descent->rows[0],
            descent->row_count * sizeof descent->rows[0]);
    descent->rows[0] = (scene_descent_row){*lineage, joined};
    descent->row_count++;
    size_t size = 0;
    for (size_t i = 1; i < descent->row_count; i++) {
        size += descent->rows[i].version.stamp_count * sizeof(crdt_stamp);
        if (size > SCENE_DESCENT_SIZE_MAX) {
            drop_row(descent, i--);
        }
    }
    return CRDT_OK;
}

crdt_err scene_descent_version_value(const crdt_version *version, crdt_buf *out)
{
    crdt_err err = crdt_value_write_map(out, (uint32_t)version->stamp_count);
    for (size_t i = 0; i < version->stamp_count && err == CRDT_OK; i++) {
        char text[CRDT_ACTOR_TEXT_SIZE];
        crdt_actor_format(&version->stamps[i].actor, text);
        err = crdt_value_write_string(out, crdt_span_of(text));
        if (err == CRDT_OK) {
            err = crdt_value_write_integer(out, (int64_t)version->stamps[i].time);
        }
    }
    return err;
}

crdt_err scene_descent_value(const crdt_version *version, int64_t age, crdt_buf *out)
{
    crdt_err err = crdt_value_write_map(out, 2);
    if (err == CRDT_OK) {
        err = crdt_value_write_string(out, crdt_span_of("age"));
    }
    if (err == CRDT_OK) {
        err = crdt_value_write_integer(out, age);
    }
    if (err == CRDT_OK) {
        err = crdt_value_write_string(out, crdt_span_of("version"));
    }
    return err == CRDT_OK ? scene_descent_version_value(version, out) : err;
}

crdt_err scene_descent_note(const crdt_actor *lineage, const crdt_version *version,
                            const crdt_actor *actor, crdt_op_list *ops)
{
    char name[2 * CRDT_ACTOR_TEXT_SIZE];
    crdt_actor_format(lineage, name);
    name[CRDT_ACTOR_TEXT_SIZE - 1] = '.';
    crdt_actor_format(actor, name + CRDT_ACTOR_TEXT_SIZE);
    crdt_span scene = crdt_span_of(SCENE_NAME_SCENE);
    crdt_span past = crdt_span_of(SCENE_NAME_PAST);
    crdt_buf value;
    crdt_buf_init(&value, ops->alloc);
    crdt_err err = scene_descent_value(version, 0, &value);
    if (err == CRDT_OK) {
        err = crdt_op_list_add(ops, crdt_key_object(scene));
    }
    if (err == CRDT_OK) {
        err = crdt_op_list_add(ops, crdt_key_part(scene, past));
    }
    if (err == CRDT_OK) {
        err = crdt_op_list_set(ops, crdt_key_field(scene, past, crdt_span_of(name)),
                               crdt_buf_span(&value));
    }
    crdt_buf_deinit(&value);
    return err;
}
