#include "scene/edit.h"

#include "crdt/value.h"
#include "scene/array.h"
#include "scene/id_map.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define NONE SCENE_ID_NONE

/* The operations so far, chained per object from the newest: what the document will hold
 * is what it holds, overlaid by them. Each operation says something, so the newest one
 * that concerns a key decides. */
struct scene_edit_index {
    crdt_alloc alloc;
    scene_id_map map;   /* object -> number in `newest` */
    uint32_t *newest;   /* object -> its newest operation */
    uint32_t *previous; /* operation -> the one before it on the same object */
    size_t newest_count;
    size_t newest_capacity;
    size_t previous_capacity;
    const scene_edit *edit;
};

static crdt_span object_of(const void *ctx, uint32_t number)
{
    const struct scene_edit_index *index = ctx;
    return index->edit->ops->ops[index->newest[number]].key.object;
}

crdt_err scene_edit_open(scene_edit *edit, const crdt_document *doc, crdt_op_list *ops)
{
    assert(ops->op_count == 0);
    *edit = (scene_edit){.doc = doc, .ops = ops};
    struct scene_edit_index *index = crdt_allocate(ops->alloc, sizeof *index);
    if (index == NULL) {
        return CRDT_ENOMEM;
    }
    *index = (struct scene_edit_index){.alloc = ops->alloc};
    scene_id_map_init(&index->map, ops->alloc, object_of);
    edit->index = index;
    return CRDT_OK;
}

void scene_edit_close(scene_edit *edit)
{
    struct scene_edit_index *index = edit->index;
    if (index == NULL) {
        return;
    }
    scene_id_map_deinit(&index->map);
    crdt_free(index->alloc, index->newest, index->newest_capacity * sizeof(uint32_t));
    crdt_free(index->alloc, index->previous,
              index->previous_capacity * sizeof(uint32_t));
    crdt_free(index->alloc, index, sizeof *index);
    edit->index = NULL;
}

/* ---- pushing ---- */

static crdt_err reserve_number(crdt_alloc alloc, uint32_t **numbers, size_t count,
                               size_t *capacity)
{
    uint32_t *grown = scene_array_grow(alloc, *numbers, count, capacity, sizeof *grown);
    if (grown == NULL) {
        return CRDT_ENOMEM;
    }
    *numbers = grown;
    return CRDT_OK;
}

crdt_err scene_edit_push(scene_edit *edit, crdt_op_kind kind, crdt_key key,
                         crdt_span value)
{
    struct scene_edit_index *index = edit->index;
    crdt_op_list *ops = edit->ops;
    index->edit = edit;
    crdt_err err = reserve_number(index->alloc, &index->previous, ops->op_count,
                                  &index->previous_capacity);
    if (err == CRDT_OK) {
        err = reserve_number(index->alloc, &index->newest, index->newest_count,
                             &index->newest_capacity);
    }
    if (err == CRDT_OK) {
        err = scene_id_map_reserve(&index->map);
    }
    if (err == CRDT_OK) {
        err = crdt_op_list_push(ops,
                                &(crdt_op){.kind = kind, .key = key, .value = value});
    }
    if (err != CRDT_OK) {
        ops->err = err;
        return err;
    }
    uint32_t op = (uint32_t)ops->op_count - 1;
    uint32_t number = scene_id_map_find(&index->map, index, key.object);
    if (number == NONE) {
        number = (uint32_t)index->newest_count++;
        index->newest[number] = op;
        index->previous[op] = NONE;
        scene_id_map_insert(&index->map, ops->ops[op].key.object, number);
    } else {
        index->previous[op] = index->newest[number];
        index->newest[number] = op;
    }
    return CRDT_OK;
}

/* ---- what will be, with the operations so far ---- */

static uint32_t newest_op(const scene_edit *edit, crdt_span object)
{
    edit->index->edit = edit;
    uint32_t number = scene_id_map_find(&edit->index->map, edit->index, object);
    return number == NONE ? NONE : edit->index->newest[number];
}

static bool will_object_live(const scene_edit *edit, crdt_span object)
{
    for (uint32_t at = newest_op(edit, object); at != NONE;
         at = edit->index->previous[at]) {
        const crdt_op *op = &edit->ops->ops[at];
        if (op->key.depth == CRDT_OBJECT) {
            return op->kind == CRDT_OP_ADD;
        }
    }
    return scene_entity_live(edit->doc, object);
}

/* What the operations say of a part or a field of it (`field` NULL: the part). */
typedef enum verdict {
    SILENT, /* nothing: as in the document */
    GONE,
    THERE, /* *op is the one */
} verdict;

static verdict judge(const scene_edit *edit, crdt_span object, crdt_span part,
                     const crdt_span *field, const crdt_op **decided)
{
    for (uint32_t at = newest_op(edit, object); at != NONE;
         at = edit->index->previous[at]) {
        const crdt_op *op = &edit->ops->ops[at];
        if (op->key.depth == CRDT_OBJECT) {
            return GONE; /* added anew or removed: nothing is left below */
        }
        if (!crdt_span_equal(op->key.part, part)) {
            continue;
        }
        if (op->key.depth == CRDT_PART) {
            *decided = op;
            return field == NULL && op->kind == CRDT_OP_ADD ? THERE : GONE;
        }
        if (field != NULL && crdt_span_equal(op->key.field, *field)) {
            *decided = op;
            return op->kind == CRDT_OP_SET ? THERE : GONE;
        }
    }
    return SILENT;
}

static crdt_part document_part(const scene_edit *edit, crdt_span object, crdt_span part)
{
    crdt_object found = crdt_document_find_object(edit->doc, object);
    crdt_part at = {0};
    if (found.id != 0) {
        at = crdt_document_find_part(edit->doc, found, part);
    }
    if (at.id != 0 && !crdt_document_part_live(edit->doc, at)) {
        at = (crdt_part){0};
    }
    return at;
}

static bool will_part_live(const scene_edit *edit, crdt_span object, crdt_span part)
{
    const crdt_op *op;
    verdict said = judge(edit, object, part, NULL, &op);
    return said == THERE ||
           (said == SILENT && document_part(edit, object, part).id != 0);
}

/* The value that the part's own field will have; false if none. */
static bool will_field(const scene_edit *edit, crdt_span object, crdt_span part,
                       crdt_span field, crdt_span *value)
{
    const crdt_op *op;
    switch (judge(edit, object, part, &field, &op)) {
    case THERE:
        *value = op->value;
        return true;
    case GONE:
        return false;
    case SILENT:
        break;
    }
    crdt_key key = crdt_key_field(object, part, field);
    return crdt_document_get(edit->doc, &key, value);
}

/* ---- putting operations ---- */

static crdt_err put_object(scene_edit *edit, crdt_span object)
{
    if (will_object_live(edit, object)) {
        return CRDT_OK;
    }
    return scene_edit_push(edit, CRDT_OP_ADD, crdt_key_object(object), (crdt_span){0});
}

static crdt_err put_part(scene_edit *edit, crdt_span object, crdt_span part)
{
    crdt_err err = put_object(edit, object);
    if (err != CRDT_OK || will_part_live(edit, object, part)) {
        return err;
    }
    return scene_edit_push(edit, CRDT_OP_ADD, crdt_key_part(object, part),
                           (crdt_span){0});
}

/* Also where the value is equal but has siblings: then the document says it again. */
static crdt_err put_field(scene_edit *edit, crdt_span object, crdt_span part,
                          crdt_span field, crdt_span value)
{
    return scene_edit_push(edit, CRDT_OP_SET, crdt_key_field(object, part, field),
                           value);
}

static crdt_err drop_field(scene_edit *edit, crdt_span object, crdt_span part,
                           crdt_span field)
{
    crdt_span value;
    if (!will_field(edit, object, part, field, &value)) {
        return CRDT_OK;
    }
    return scene_edit_push(edit, CRDT_OP_UNSET, crdt_key_field(object, part, field),
                           (crdt_span){0});
}

/* Unset our fields that say the component is no object, or has no value. */
static crdt_err drop_whole(scene_edit *edit, crdt_span entity, crdt_span component,
                           bool keep_value)
{
    crdt_err err = CRDT_OK;
    if (!keep_value) {
        err = drop_field(edit, entity, component, crdt_span_of(SCENE_NAME_VALUE));
    }
    if (err == CRDT_OK) {
        err = drop_field(edit, entity, component, crdt_span_of(SCENE_NAME_BINARY));
    }
    if (err == CRDT_OK) {
        err = drop_field(edit, entity, component, crdt_span_of(SCENE_NAME_ABSENT));
    }
    return err;
}

/* ---- what is shared ---- */

/* The component as the document shows it, where the operations have not made its part
 * anew. */
static bool open_component(const scene_edit *edit, crdt_span entity, crdt_span part,
                           scene_component *component)
{
    const crdt_op *op;
    crdt_part at = document_part(edit, entity, part);
    if (at.id == 0 || judge(edit, entity, part, NULL, &op) != SILENT) {
        return false;
    }
    scene_component_open(edit->doc, at, component);
    return true;
}

/* The same where it inherits fields, and still will. */
static bool open_sharing(const scene_edit *edit, crdt_span entity, crdt_span part,
                         scene_component *component)
{
    const crdt_op *op;
    crdt_span name = crdt_span_of(SCENE_NAME_SHARED);
    return open_component(edit, entity, part, component) && component->shared.id != 0 &&
           judge(edit, entity, part, &name, &op) == SILENT;
}

/* Copy the inherited fields (but `except`) that the part has not set itself, and stop
 * sharing. */
static crdt_err detach(scene_edit *edit, crdt_span entity, crdt_span part,
                       const scene_component *component, crdt_span except)
{
    crdt_err err = CRDT_OK;
    scene_field field;
    scene_field_cursor cursor = {0};
    while (err == CRDT_OK && scene_component_next_field(component, &cursor, &field)) {
        crdt_span own;
        if (field.inherited && !crdt_span_equal(field.name, except) &&
            !will_field(edit, entity, part, field.name, &own)) {
            err = put_field(edit, entity, part, field.name, field.value);
        }
    }
    if (err == CRDT_OK) {
        err = drop_field(edit, entity, part, crdt_span_of(SCENE_NAME_SHARED));
    }
    return err;
}

/* Does what is shared have this field, whether or not an own one stands before it? */
static bool shares_field(const scene_component *component, crdt_span name,
                         crdt_span *value)
{
    crdt_field field =
        crdt_document_find_field(component->doc, component->shared, name);
    crdt_entry entry;
    if (field.id == 0 || !crdt_document_field_value(component->doc, field, 0, &entry)) {
        return false;
    }
    *value = entry.value;
    return true;
}

/* Take away a field, own or inherited. */
static crdt_err drop_shown(scene_edit *edit, crdt_span entity, crdt_span part,
                           crdt_span name)
{
    scene_component component;
    crdt_span value;
    crdt_err err = CRDT_OK;
    if (open_sharing(edit, entity, part, &component) &&
        shares_field(&component, name, &value)) {
        err = detach(edit, entity, part, &component, name);
    }
    return err == CRDT_OK ? drop_field(edit, entity, part, name) : err;
}

/* The value shown, with the operations so far; false if none. Not for whole values. */
static bool will_show(const scene_edit *edit, crdt_span entity, crdt_span part,
                      crdt_span name, crdt_span *value, bool *inherited)
{
    scene_component component;
    *inherited = false;
    if (will_field(edit, entity, part, name, value)) {
        return true;
    }
    *inherited = open_sharing(edit, entity, part, &component) &&
                 shares_field(&component, name, value);
    return *inherited;
}

/* Set one field of a component, whatever it was before. */
static crdt_err put_component_field(scene_edit *edit, crdt_span entity, crdt_span part,
                                    crdt_span field, crdt_span value)
{
    crdt_err err = put_part(edit, entity, part);
    scene_component component;
    if (err == CRDT_OK && open_component(edit, entity, part, &component) &&
        component.whole) {
        err = drop_field(edit, entity, part, crdt_span_of(SCENE_NAME_SHARED));
    }
    if (err == CRDT_OK) {
        err = drop_whole(edit, entity, part, false);
    }
    crdt_span shown;
    bool inherited;
    if (err == CRDT_OK && will_show(edit, entity, part, field, &shown, &inherited) &&
        inherited && crdt_span_equal(shown, value)) {
        return CRDT_OK;
    }
    return err == CRDT_OK ? put_field(edit, entity, part, field, value) : err;
}

/* ---- parents ---- */

static const scene_format SPELLINGS[] = {SCENE_FORMAT_STATE, SCENE_FORMAT_COMPOSITE};
#define SPELLING_COUNT (sizeof SPELLINGS / sizeof SPELLINGS[0])

static crdt_span transform_name(size_t spelling)
{
    return scene_layout_spelling(SCENE_CLASS_TRANSFORM, SPELLINGS[spelling]);
}

static bool is_transform(crdt_span component)
{
    return crdt_span_equal(component, transform_name(0)) ||
           crdt_span_equal(component, transform_name(1));
}

static bool is_parent_field(crdt_span component, crdt_span field)
{
    return is_transform(component) && crdt_span_equal(field, crdt_span_of("parent"));
}

/* What one transform will say of the parent. Fields not yet in the document are newer
 * than all that are, in the order of their operations. */
static bool will_name_parent(const scene_edit *edit, crdt_span entity, crdt_span part,
                             scene_field *field)
{
    const crdt_op *op;
    crdt_span name = crdt_span_of("parent");
    switch (judge(edit, entity, part, &name, &op)) {
    case THERE: {
        size_t number = (size_t)(op - edit->ops->ops);
        *field = (scene_field){.name = name, .value = op->value};
        field->stamp.time = CRDT_TIME_MAX + 1 + number;
        return true;
    }
    case GONE:
        return false;
    case SILENT:
        break;
    }
    scene_component component;
    if (!open_component(edit, entity, part, &component) ||
        !scene_component_field(&component, name, field)) {
        return false;
    }
    return !field->inherited || open_sharing(edit, entity, part, &component);
}

/* The edge of an entity as it will be. */
typedef struct edge {
    bool live; /* it names a parent that is there: */
    crdt_span id;
    crdt_stamp stamp;
} edge;

/* An id that stays put: the document's or the list's copy. */
static bool find_id(const scene_edit *edit, crdt_span id, crdt_span *stable)
{
    if (!will_object_live(edit, id)) {
        return false;
    }
    crdt_object object = crdt_document_find_object(edit->doc, id);
    *stable = object.id != 0 ? crdt_document_object_name(edit->doc, object)
                             : edit->ops->ops[newest_op(edit, id)].key.object;
    return true;
}

static edge will_edge(const scene_edit *edit, crdt_span entity)
{
    edge result = {0};
    scene_field newest = {0};
    for (size_t i = 0; i < SPELLING_COUNT; i++) {
        scene_field field;
        if (will_part_live(edit, entity, transform_name(i)) &&
            will_name_parent(edit, entity, transform_name(i), &field) &&
            crdt_stamp_compare(&field.stamp, &newest.stamp) > 0) {
            newest = field;
        }
    }
    char text[SCENE_PARENT_TEXT_SIZE];
    crdt_span id;
    if (newest.stamp.time != 0 && scene_layout_parent(newest.value, text, &id)) {
        result.stamp = newest.stamp;
        result.live = find_id(edit, id, &result.id);
    }
    return result;
}

/* Is the entity in a cycle of what will be said? Then *hidden is whose edge is ignored.
 * O(depth): Brent's algorithm, for a walk that ends in a cycle of others. */
static bool find_cycle(const scene_edit *edit, crdt_span entity, crdt_span *hidden)
{
    *hidden = entity;
    crdt_stamp newest = {0};
    crdt_span at = entity;
    crdt_span hare = entity;
    size_t lap = 0;
    size_t lap_max = 1;
    for (;;) {
        edge e = will_edge(edit, at);
        if (!e.live) {
            return false;
        }
        if (crdt_stamp_compare(&e.stamp, &newest) > 0) {
            newest = e.stamp;
            *hidden = at;
        }
        at = e.id;
        if (crdt_span_equal(at, entity)) {
            return true;
        }
        if (crdt_span_equal(at, hare)) {
            return false;
        }
        if (++lap == lap_max) {
            hare = at;
            lap = 0;
            lap_max *= 2;
        }
    }
}

/* Is `at` the entity, or shown below it? `hidden` (of a cycle through the entity) ends
 * what is shown. */
static bool is_below(const scene_edit *edit, crdt_span at, crdt_span entity,
                     const crdt_span *hidden)
{
    crdt_span hare = at;
    size_t lap = 0;
    size_t lap_max = 1;
    while (!crdt_span_equal(at, entity)) {
        edge e = will_edge(edit, at);
        if (!e.live || (hidden != NULL && crdt_span_equal(at, *hidden))) {
            return false;
        }
        at = e.id;
        if (crdt_span_equal(at, hare)) {
            return false; /* round and round in a cycle of others */
        }
        if (++lap == lap_max) {
            hare = at;
            lap = 0;
            lap_max *= 2;
        }
    }
    return true;
}

/* Write that the entity is under the root. */
static crdt_err drop_parent(scene_edit *edit, crdt_span entity)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < SPELLING_COUNT && err == CRDT_OK; i++) {
        scene_field field;
        if (will_part_live(edit, entity, transform_name(i)) &&
            will_name_parent(edit, entity, transform_name(i), &field)) {
            err = drop_shown(edit, entity, transform_name(i), crdt_span_of("parent"));
        }
    }
    return err;
}

static crdt_err refuse_cycle(crdt_diag *diag)
{
    return crdt_diag_set(diag, CRDT_EINVAL, 0, "an entity cannot hang below itself");
}

static bool names_parent(const scene_edit *edit, crdt_span entity, crdt_span parent)
{
    edge now = will_edge(edit, entity);
    return now.live && crdt_span_equal(now.id, parent);
}

/* The edge of the entity is about to change: to `parent`, NULL: to none. Refuse what
 * would close a cycle; pin the entity whose hidden edge is freed by it. */
static crdt_err prepare_parent(scene_edit *edit, crdt_span entity,
                               const crdt_span *parent, crdt_diag *diag)
{
    if (!will_object_live(edit, entity)) {
        return CRDT_OK;
    }
    if (parent != NULL && names_parent(edit, entity, *parent)) {
        return CRDT_OK; /* says what it said */
    }
    crdt_span stable;
    crdt_span hidden;
    bool cycle = find_cycle(edit, entity, &hidden);
    if (parent != NULL && find_id(edit, *parent, &stable) &&
        is_below(edit, stable, entity, cycle ? &hidden : NULL)) {
        return refuse_cycle(diag);
    }
    if (cycle && !crdt_span_equal(hidden, entity)) {
        return drop_parent(edit, hidden);
    }
    return CRDT_OK;
}

/* An entity was just added, to hang under `parent`: if that waited, as an orphan, to hang
 * below it, it stays where it is shown. */
static crdt_err adopt_parent(scene_edit *edit, crdt_span entity, crdt_span parent)
{
    crdt_span at;
    crdt_span hare;
    bool found = find_id(edit, parent, &at);
    assert(found);
    (void)found;
    hare = at;
    size_t lap = 0;
    size_t lap_max = 1;
    for (;;) {
        edge e = will_edge(edit, at);
        if (e.live && crdt_span_equal(e.id, entity)) {
            return drop_parent(edit, at);
        }
        if (!e.live || crdt_span_equal(e.id, hare)) {
            return CRDT_OK;
        }
        at = e.id;
        if (++lap == lap_max) {
            hare = at;
            lap = 0;
            lap_max *= 2;
        }
    }
}

static bool is_root_id(crdt_span id)
{
    return id.size == 0 || crdt_span_equal(id, crdt_span_of("0"));
}

/* Where the parent of the entity is, or is to be written. */
static crdt_span transform_to_write(const scene_edit *edit, crdt_span entity)
{
    size_t live = SPELLING_COUNT;
    scene_field newest = {0};
    for (size_t i = 0; i < SPELLING_COUNT; i++) {
        scene_field field;
        if (!will_part_live(edit, entity, transform_name(i))) {
            continue;
        }
        if (will_name_parent(edit, entity, transform_name(i), &field) &&
            crdt_stamp_compare(&field.stamp, &newest.stamp) > 0) {
            newest = field;
            live = i;
        } else if (live == SPELLING_COUNT) {
            live = i;
        }
    }
    if (live < SPELLING_COUNT) {
        return transform_name(live);
    }
    bool composite = scene_format_of(edit->doc) == SCENE_FORMAT_COMPOSITE;
    return transform_name(composite ? 1 : 0);
}

static crdt_err write_parent(scene_edit *edit, crdt_span entity, crdt_span parent)
{
    crdt_span part = transform_to_write(edit, entity);
    crdt_buf value;
    uint64_t number;
    crdt_buf_init(&value, edit->ops->alloc);
    crdt_err err;
    if (crdt_span_equal(part, transform_name(1)) &&
        scene_layout_decimal(parent, &number)) {
        err = crdt_value_write_integer(&value, (int64_t)number);
    } else {
        err = crdt_value_write_string(&value, parent);
    }
    if (err == CRDT_OK) {
        err = put_component_field(edit, entity, part, crdt_span_of("parent"),
                                  crdt_buf_span(&value));
    }
    crdt_buf_deinit(&value);
    return err;
}

/* ---- names ---- */

static crdt_err check_entity(crdt_span entity, crdt_diag *diag)
{
    if (!scene_layout_is_entity(entity) || !crdt_utf8_valid(entity, NULL)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the entity's id is not UTF-8");
    }
    if (entity.size > CRDT_NAME_SIZE_MAX) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the entity's id is too long");
    }
    return CRDT_OK;
}

static crdt_err check_component(crdt_span component, crdt_diag *diag)
{
    crdt_span type;
    if (!scene_layout_is_component(component, &type) || !crdt_utf8_valid(type, NULL)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the component's name is not UTF-8");
    }
    if (component.size > CRDT_NAME_SIZE_MAX) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the component's name is too long");
    }
    return CRDT_OK;
}

static crdt_err check_field(crdt_span field, crdt_diag *diag)
{
    if (!crdt_utf8_valid(field, NULL)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the field's name is not UTF-8");
    }
    if (field.size > CRDT_NAME_SIZE_MAX) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the field's name is too long");
    }
    return CRDT_OK;
}

static crdt_err check_names(crdt_span entity, crdt_span component, crdt_diag *diag)
{
    crdt_err err = check_entity(entity, diag);
    return err == CRDT_OK ? check_component(component, diag) : err;
}

static crdt_err check_live(const scene_edit *edit, crdt_span entity, crdt_diag *diag)
{
    crdt_err err = check_entity(entity, diag);
    if (err == CRDT_OK && !will_object_live(edit, entity)) {
        int shown = entity.size < 80 ? (int)entity.size : 80;
        err = crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "there is no entity \"%.*s\"",
                            shown, (const char *)entity.data);
    }
    return err;
}

/* ---- entities ---- */

crdt_err scene_edit_move(scene_edit *edit, crdt_span entity, const crdt_span *parent,
                         crdt_diag *diag)
{
    crdt_err err = check_live(edit, entity, diag);
    if (err == CRDT_OK && parent != NULL) {
        err = check_live(edit, *parent, diag);
    }
    if (err == CRDT_OK && parent != NULL && is_root_id(*parent)) {
        err = crdt_diag_set(diag, CRDT_EINVAL, 0, "this id stands for the root");
    }
    crdt_span hidden;
    if (err == CRDT_OK && parent != NULL && names_parent(edit, entity, *parent) &&
        find_cycle(edit, entity, &hidden) && crdt_span_equal(hidden, entity)) {
        err = refuse_cycle(diag); /* it says so already, and cannot be shown so */
    }
    if (err == CRDT_OK) {
        err = prepare_parent(edit, entity, parent, diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    return parent == NULL ? drop_parent(edit, entity)
                          : write_parent(edit, entity, *parent);
}

crdt_err scene_edit_add(scene_edit *edit, crdt_span entity, const crdt_span *parent,
                        crdt_diag *diag)
{
    crdt_err err = check_entity(entity, diag);
    if (err == CRDT_OK && parent != NULL) {
        err = check_live(edit, *parent, diag);
    }
    if (err == CRDT_OK && parent != NULL && crdt_span_equal(entity, *parent)) {
        err = refuse_cycle(diag);
    }
    if (err == CRDT_OK && will_object_live(edit, entity)) {
        return parent == NULL ? CRDT_OK : scene_edit_move(edit, entity, parent, diag);
    }
    if (err == CRDT_OK) {
        err = put_object(edit, entity);
    }
    if (err == CRDT_OK && parent != NULL) {
        err = adopt_parent(edit, entity, *parent);
    }
    if (err == CRDT_OK && parent != NULL) {
        err = write_parent(edit, entity, *parent);
    }
    return err;
}

crdt_err scene_edit_remove(scene_edit *edit, crdt_span entity, crdt_diag *diag)
{
    crdt_err err = check_live(edit, entity, diag);
    if (err == CRDT_OK) {
        err = prepare_parent(edit, entity, NULL, diag);
    }
    if (err == CRDT_OK) {
        err = scene_edit_push(edit, CRDT_OP_REMOVE, crdt_key_object(entity),
                              (crdt_span){0});
    }
    return err;
}

/* ---- components ---- */

/* The members of an object as given, and whether a name is among them. */
typedef struct member_list {
    scene_field *members; /* name and value; in the order of map keys */
    size_t count;
} member_list;

static crdt_err open_members(crdt_alloc alloc, crdt_span object, member_list *list)
{
    crdt_value_reader reader = crdt_value_read_open(object);
    crdt_value_token map = crdt_value_read(&reader);
    assert(map.type == CRDT_VALUE_MAP);
    *list = (member_list){.count = map.count};
    if (map.count == 0) {
        return CRDT_OK;
    }
    list->members = crdt_resize_array(alloc, NULL, 0, map.count, sizeof *list->members);
    if (list->members == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < list->count; i++) {
        crdt_span name = crdt_value_read(&reader).string;
        list->members[i] =
            (scene_field){.name = name, .value = crdt_value_read_span(&reader)};
    }
    return CRDT_OK;
}

static void close_members(crdt_alloc alloc, member_list *list)
{
    crdt_free(alloc, list->members, list->count * sizeof *list->members);
}

static const scene_field *find_member(const member_list *list, crdt_span name)
{
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = crdt_value_key_compare(list->members[middle].name, name);
        if (order == 0) {
            return &list->members[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* Unset the part's own fields that are not in the list. */
static crdt_err drop_others(scene_edit *edit, crdt_span entity, crdt_span part,
                            const member_list *list)
{
    crdt_err err = CRDT_OK;
    uint32_t chain = newest_op(edit, entity);
    crdt_part at = document_part(edit, entity, part);
    crdt_field field = {0};
    while (err == CRDT_OK && at.id != 0 &&
           crdt_document_next_field(edit->doc, at, &field)) {
        crdt_span name = crdt_document_field_name(edit->doc, field);
        if (!scene_layout_is_own(name) && find_member(list, name) == NULL) {
            err = drop_field(edit, entity, part, name);
        }
    }
    for (uint32_t i = chain; i != NONE && err == CRDT_OK;
         i = edit->index->previous[i]) {
        const crdt_key key = edit->ops->ops[i].key;
        if (key.depth == CRDT_FIELD && crdt_span_equal(key.part, part) &&
            !scene_layout_is_own(key.field) && find_member(list, key.field) == NULL) {
            err = drop_field(edit, entity, part, key.field);
        }
    }
    return err;
}

/* Does the component inherit a field that is not in the list? */
static bool inherits_other(const scene_component *component, const member_list *list)
{
    scene_field field;
    crdt_span value;
    scene_field_cursor cursor = {0};
    while (scene_component_next_field(component, &cursor, &field)) {
        if (find_member(list, field.name) == NULL &&
            shares_field(component, field.name, &value)) {
            return true;
        }
    }
    return false;
}

static crdt_err set_object(scene_edit *edit, crdt_span entity, crdt_span part,
                           const member_list *list)
{
    scene_component component;
    bool sharing = open_sharing(edit, entity, part, &component);
    bool apart =
        sharing ? inherits_other(&component, list)
                : open_component(edit, entity, part, &component) && component.whole;
    crdt_err err = put_part(edit, entity, part);
    if (err == CRDT_OK && apart) {
        err = drop_field(edit, entity, part, crdt_span_of(SCENE_NAME_SHARED));
    }
    if (err == CRDT_OK) {
        err = drop_whole(edit, entity, part, false);
    }
    if (err == CRDT_OK) {
        err = drop_others(edit, entity, part, list);
    }
    for (size_t i = 0; i < list->count && err == CRDT_OK; i++) {
        const scene_field *member = &list->members[i];
        crdt_span shown;
        bool inherited;
        if (will_show(edit, entity, part, member->name, &shown, &inherited) &&
            inherited && crdt_span_equal(shown, member->value)) {
            continue;
        }
        err = put_field(edit, entity, part, member->name, member->value);
    }
    return err;
}

static crdt_err set_whole(scene_edit *edit, crdt_span entity, crdt_span part,
                          crdt_span value)
{
    const member_list none = {0};
    crdt_err err = put_part(edit, entity, part);
    if (err == CRDT_OK) {
        err = drop_field(edit, entity, part, crdt_span_of(SCENE_NAME_SHARED));
    }
    if (err == CRDT_OK) {
        err = drop_others(edit, entity, part, &none);
    }
    if (err == CRDT_OK) {
        err = drop_whole(edit, entity, part, true);
    }
    if (err == CRDT_OK) {
        err = put_field(edit, entity, part, crdt_span_of(SCENE_NAME_VALUE), value);
    }
    return err;
}

crdt_err scene_edit_prepare_parent(scene_edit *edit, crdt_span entity,
                                   const crdt_span *value, crdt_diag *diag)
{
    char text[SCENE_PARENT_TEXT_SIZE];
    crdt_span id;
    if (value == NULL || !scene_layout_parent(*value, text, &id)) {
        return prepare_parent(edit, entity, NULL, diag);
    }
    return prepare_parent(edit, entity, &id, diag);
}

crdt_err scene_edit_set(scene_edit *edit, crdt_span entity, crdt_span component,
                        crdt_span value, crdt_diag *diag)
{
    crdt_err err = check_names(entity, component, diag);
    if (err == CRDT_OK) {
        err = crdt_value_check(value, diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    crdt_alloc alloc = edit->ops->alloc;
    bool object = crdt_value_type_of(value) == CRDT_VALUE_MAP;
    member_list list = {0};
    if (object) {
        err = open_members(alloc, value, &list);
    }
    for (size_t i = 0; i < list.count && err == CRDT_OK; i++) {
        err = check_field(list.members[i].name, diag);
    }
    if (err == CRDT_OK && is_transform(component)) {
        const scene_field *parent = find_member(&list, crdt_span_of("parent"));
        err = scene_edit_prepare_parent(edit, entity,
                                        parent == NULL ? NULL : &parent->value, diag);
    }
    if (err == CRDT_OK) {
        err = object ? set_object(edit, entity, component, &list)
                     : set_whole(edit, entity, component, value);
    }
    close_members(alloc, &list);
    return err;
}

crdt_err scene_edit_set_field(scene_edit *edit, crdt_span entity, crdt_span component,
                              crdt_span field, crdt_span value, crdt_diag *diag)
{
    crdt_err err = check_names(entity, component, diag);
    if (err == CRDT_OK) {
        err = check_field(field, diag);
    }
    if (err == CRDT_OK) {
        err = crdt_value_check(value, diag);
    }
    if (err == CRDT_OK && is_parent_field(component, field)) {
        err = scene_edit_prepare_parent(edit, entity, &value, diag);
    }
    return err == CRDT_OK ? put_component_field(edit, entity, component, field, value)
                          : err;
}

static crdt_err check_component_live(const scene_edit *edit, crdt_span entity,
                                     crdt_span component, crdt_diag *diag)
{
    crdt_err err = check_live(edit, entity, diag);
    if (err == CRDT_OK) {
        err = check_component(component, diag);
    }
    if (err == CRDT_OK && !will_part_live(edit, entity, component)) {
        int shown = component.size < 80 ? (int)component.size : 80;
        err = crdt_diag_set(diag, CRDT_ENOTFOUND, 0,
                            "the entity has no component \"%.*s\"", shown,
                            (const char *)component.data);
    }
    return err;
}

crdt_err scene_edit_unset_field(scene_edit *edit, crdt_span entity, crdt_span component,
                                crdt_span field, crdt_diag *diag)
{
    crdt_err err = check_component_live(edit, entity, component, diag);
    if (err == CRDT_OK) {
        err = check_field(field, diag);
    }
    crdt_span shown;
    bool inherited;
    if (err == CRDT_OK &&
        !will_show(edit, entity, component, field, &shown, &inherited)) {
        int size = field.size < 80 ? (int)field.size : 80;
        err = crdt_diag_set(diag, CRDT_ENOTFOUND, 0,
                            "the component has no field \"%.*s\"", size,
                            (const char *)field.data);
    }
    if (err == CRDT_OK && is_parent_field(component, field)) {
        err = prepare_parent(edit, entity, NULL, diag);
    }
    return err == CRDT_OK ? drop_shown(edit, entity, component, field) : err;
}

crdt_err scene_edit_remove_component(scene_edit *edit, crdt_span entity,
                                     crdt_span component, crdt_diag *diag)
{
    crdt_err err = check_component_live(edit, entity, component, diag);
    if (err == CRDT_OK && is_transform(component)) {
        err = prepare_parent(edit, entity, NULL, diag);
    }
    if (err == CRDT_OK) {
        err = scene_edit_push(edit, CRDT_OP_REMOVE, crdt_key_part(entity, component),
                              (crdt_span){0});
    }
    return err;
}
