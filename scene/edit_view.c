#include "scene/edit_view.h"

#include "scene/array.h"

#include <assert.h>

#define NONE SCENE_ID_NONE

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

uint32_t scene_edit_newest_op(const scene_edit *edit, crdt_span object)
{
    edit->index->edit = edit;
    uint32_t number = scene_id_map_find(&edit->index->map, edit->index, object);
    return number == NONE ? NONE : edit->index->newest[number];
}

bool scene_edit_object_live(const scene_edit *edit, crdt_span object)
{
    for (uint32_t at = scene_edit_newest_op(edit, object); at != NONE;
         at = edit->index->previous[at]) {
        const crdt_op *op = &edit->ops->ops[at];
        if (op->key.depth == CRDT_OBJECT) {
            return op->kind == CRDT_OP_ADD;
        }
    }
    return scene_entity_live(edit->doc, object);
}

scene_edit_verdict scene_edit_judge(const scene_edit *edit, crdt_span object,
                                    crdt_span part, const crdt_span *field,
                                    const crdt_op **decided)
{
    for (uint32_t at = scene_edit_newest_op(edit, object); at != NONE;
         at = edit->index->previous[at]) {
        const crdt_op *op = &edit->ops->ops[at];
        if (op->key.depth == CRDT_OBJECT) {
            return SCENE_EDIT_GONE; /* added anew or removed: nothing is left below */
        }
        if (!crdt_span_equal(op->key.part, part)) {
            continue;
        }
        if (op->key.depth == CRDT_PART) {
            *decided = op;
            return field == NULL && op->kind == CRDT_OP_ADD ? SCENE_EDIT_THERE
                                                            : SCENE_EDIT_GONE;
        }
        if (field != NULL && crdt_span_equal(op->key.field, *field)) {
            *decided = op;
            return op->kind == CRDT_OP_SET ? SCENE_EDIT_THERE : SCENE_EDIT_GONE;
        }
    }
    return SCENE_EDIT_SILENT;
}

crdt_part scene_edit_document_part(const scene_edit *edit, crdt_span object,
                                   crdt_span part)
{
    return scene_part_find(edit->doc, crdt_document_find_object(edit->doc, object),
                           part);
}

bool scene_edit_part_live(const scene_edit *edit, crdt_span object, crdt_span part)
{
    const crdt_op *op;
    scene_edit_verdict said = scene_edit_judge(edit, object, part, NULL, &op);
    return said == SCENE_EDIT_THERE ||
           (said == SCENE_EDIT_SILENT &&
            scene_edit_document_part(edit, object, part).id != 0);
}

bool scene_edit_field(const scene_edit *edit, crdt_span object, crdt_span part,
                      crdt_span field, crdt_span *value)
{
    const crdt_op *op;
    switch (scene_edit_judge(edit, object, part, &field, &op)) {
    case SCENE_EDIT_THERE:
        *value = op->value;
        return true;
    case SCENE_EDIT_GONE:
        return false;
    case SCENE_EDIT_SILENT:
        break;
    }
    crdt_key key = crdt_key_field(object, part, field);
    return crdt_document_get(edit->doc, &key, value);
}

bool scene_edit_field_is(const scene_edit *edit, crdt_span object, crdt_span part,
                         crdt_span field, crdt_span value)
{
    const crdt_op *op;
    switch (scene_edit_judge(edit, object, part, &field, &op)) {
    case SCENE_EDIT_THERE:
        return crdt_span_equal(op->value, value);
    case SCENE_EDIT_GONE:
        return false;
    case SCENE_EDIT_SILENT:
        break;
    }
    crdt_part at = scene_edit_document_part(edit, object, part);
    crdt_field found = {0};
    if (at.id != 0) {
        found = crdt_document_find_field(edit->doc, at, field);
    }
    crdt_entry entry;
    crdt_entry sibling;
    return found.id != 0 && crdt_document_field_value(edit->doc, found, 0, &entry) &&
           crdt_span_equal(entry.value, value) &&
           !crdt_document_field_value(edit->doc, found, 1, &sibling);
}

/* ---- what is shared ---- */

bool scene_edit_open_component(const scene_edit *edit, crdt_span entity, crdt_span part,
                               scene_component *component)
{
    const crdt_op *op;
    crdt_part at = scene_edit_document_part(edit, entity, part);
    if (at.id == 0 ||
        scene_edit_judge(edit, entity, part, NULL, &op) != SCENE_EDIT_SILENT) {
        return false;
    }
    scene_component_open(edit->doc, at, component);
    return true;
}

bool scene_edit_open_sharing(const scene_edit *edit, crdt_span entity, crdt_span part,
                             scene_component *component)
{
    const crdt_op *op;
    crdt_span name = crdt_span_of(SCENE_NAME_SHARED);
    return scene_edit_open_component(edit, entity, part, component) &&
           component->shared.id != 0 &&
           scene_edit_judge(edit, entity, part, &name, &op) == SCENE_EDIT_SILENT;
}

bool scene_edit_shares_field(const scene_component *component, crdt_span name,
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

bool scene_edit_shown(const scene_edit *edit, crdt_span entity, crdt_span part,
                      crdt_span name, crdt_span *value, bool *inherited)
{
    scene_component component;
    *inherited = false;
    if (scene_edit_field(edit, entity, part, name, value)) {
        return true;
    }
    *inherited = scene_edit_open_sharing(edit, entity, part, &component) &&
                 scene_edit_shares_field(&component, name, value);
    return *inherited;
}
