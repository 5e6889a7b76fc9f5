#include "scene/edit.h"

#include "scene/edit_parent.h"
#include "scene/edit_put.h"

#include <assert.h>

/* ---- names ---- */

static bool is_parent_field(crdt_span component, crdt_span field)
{
    return scene_edit_is_transform(component) &&
           crdt_span_equal(field, crdt_span_of("parent"));
}

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
    if (err == CRDT_OK && !scene_edit_object_live(edit, entity)) {
        int shown = entity.size < 80 ? (int)entity.size : 80;
        err = crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "there is no entity \"%.*s\"",
                            shown, (const char *)entity.data);
    }
    return err;
}

bool scene_edit_has(const scene_edit *edit, crdt_span entity,
                    const crdt_span *component)
{
    return scene_edit_object_live(edit, entity) &&
           (component == NULL || scene_edit_part_live(edit, entity, *component));
}

/* ---- entities ---- */

static bool is_root_id(crdt_span id)
{
    return id.size == 0 || crdt_span_equal(id, crdt_span_of("0"));
}

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
    if (err != CRDT_OK) {
        return err;
    }
    if (parent != NULL && scene_edit_names_parent(edit, entity, *parent)) {
        crdt_span hidden;
        bool shown = !scene_edit_find_cycle(edit, entity, &hidden) ||
                     !crdt_span_equal(hidden, entity);
        return shown ? CRDT_OK : scene_edit_refuse_cycle(diag);
    }
    err = scene_edit_change_parent(edit, entity, parent, diag);
    if (err != CRDT_OK) {
        return err;
    }
    return parent == NULL ? scene_edit_drop_parent(edit, entity)
                          : scene_edit_write_parent(edit, entity, *parent);
}

crdt_err scene_edit_add(scene_edit *edit, crdt_span entity, const crdt_span *parent,
                        crdt_diag *diag)
{
    crdt_err err = check_entity(entity, diag);
    if (err == CRDT_OK && parent != NULL) {
        err = check_live(edit, *parent, diag);
    }
    if (err == CRDT_OK && parent != NULL && crdt_span_equal(entity, *parent)) {
        err = scene_edit_refuse_cycle(diag);
    }
    if (err == CRDT_OK && scene_edit_object_live(edit, entity)) {
        return parent == NULL ? CRDT_OK : scene_edit_move(edit, entity, parent, diag);
    }
    if (err == CRDT_OK) {
        err = scene_edit_put_object(edit, entity);
    }
    if (err == CRDT_OK && parent != NULL) {
        err = scene_edit_adopt_parent(edit, entity, *parent);
    }
    if (err == CRDT_OK && parent != NULL) {
        err = scene_edit_write_parent(edit, entity, *parent);
    }
    return err;
}

crdt_err scene_edit_remove(scene_edit *edit, crdt_span entity, crdt_diag *diag)
{
    crdt_err err = check_live(edit, entity, diag);
    if (err == CRDT_OK) {
        err = scene_edit_change_parent(edit, entity, NULL, diag);
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
    uint32_t chain = scene_edit_newest_op(edit, entity);
    crdt_part at = scene_edit_document_part(edit, entity, part);
    crdt_field field = {0};
    while (err == CRDT_OK && at.id != 0 &&
           crdt_document_next_field(edit->doc, at, &field)) {
        crdt_span name = crdt_document_field_name(edit->doc, field);
        if (!scene_layout_is_own(name) && find_member(list, name) == NULL) {
            err = scene_edit_drop_field(edit, entity, part, name);
        }
    }
    for (uint32_t i = chain; i != SCENE_ID_NONE && err == CRDT_OK;
         i = edit->index->previous[i]) {
        const crdt_key key = edit->ops->ops[i].key;
        if (key.depth == CRDT_FIELD && crdt_span_equal(key.part, part) &&
            !scene_layout_is_own(key.field) && find_member(list, key.field) == NULL) {
            err = scene_edit_drop_field(edit, entity, part, key.field);
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
            scene_edit_shares_field(component, field.name, &value)) {
            return true;
        }
    }
    return false;
}

static crdt_err set_object(scene_edit *edit, crdt_span entity, crdt_span part,
                           const member_list *list)
{
    scene_component component;
    bool sharing = scene_edit_open_sharing(edit, entity, part, &component);
    bool apart = sharing ? inherits_other(&component, list)
                         : scene_edit_open_component(edit, entity, part, &component) &&
                               component.whole;
    crdt_err err = scene_edit_put_part(edit, entity, part);
    if (err == CRDT_OK && apart) {
        err =
            scene_edit_drop_field(edit, entity, part, crdt_span_of(SCENE_NAME_SHARED));
    }
    if (err == CRDT_OK) {
        err = scene_edit_drop_whole(edit, entity, part, false);
    }
    if (err == CRDT_OK) {
        err = drop_others(edit, entity, part, list);
    }
    for (size_t i = 0; i < list->count && err == CRDT_OK; i++) {
        const scene_field *member = &list->members[i];
        crdt_span shown;
        bool inherited;
        if (scene_edit_shown(edit, entity, part, member->name, &shown, &inherited) &&
            inherited && crdt_span_equal(shown, member->value)) {
            continue;
        }
        err = scene_edit_put_field(edit, entity, part, member->name, member->value);
    }
    return err;
}

static crdt_err set_whole(scene_edit *edit, crdt_span entity, crdt_span part,
                          crdt_span value)
{
    const member_list none = {0};
    crdt_err err = scene_edit_put_part(edit, entity, part);
    if (err == CRDT_OK) {
        err =
            scene_edit_drop_field(edit, entity, part, crdt_span_of(SCENE_NAME_SHARED));
    }
    if (err == CRDT_OK) {
        err = drop_others(edit, entity, part, &none);
    }
    if (err == CRDT_OK) {
        err = scene_edit_drop_whole(edit, entity, part, true);
    }
    if (err == CRDT_OK) {
        err = scene_edit_put_field(edit, entity, part, crdt_span_of(SCENE_NAME_VALUE),
                                   value);
    }
    return err;
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
    if (err == CRDT_OK && scene_edit_is_transform(component)) {
        const scene_field *parent = find_member(&list, crdt_span_of("parent"));
        err = scene_edit_prepare_parent(edit, entity, component,
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
        err = scene_edit_prepare_parent(edit, entity, component, &value, diag);
    }
    return err == CRDT_OK
               ? scene_edit_put_component_field(edit, entity, component, field, value)
               : err;
}

static crdt_err check_component_live(const scene_edit *edit, crdt_span entity,
                                     crdt_span component, crdt_diag *diag)
{
    crdt_err err = check_live(edit, entity, diag);
    if (err == CRDT_OK) {
        err = check_component(component, diag);
    }
    if (err == CRDT_OK && !scene_edit_part_live(edit, entity, component)) {
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
        !scene_edit_shown(edit, entity, component, field, &shown, &inherited)) {
        int size = field.size < 80 ? (int)field.size : 80;
        err = crdt_diag_set(diag, CRDT_ENOTFOUND, 0,
                            "the component has no field \"%.*s\"", size,
                            (const char *)field.data);
    }
    if (err == CRDT_OK && is_parent_field(component, field)) {
        err = scene_edit_leave_parent(edit, entity, component, diag);
    }
    return err == CRDT_OK ? scene_edit_drop_shown(edit, entity, component, field) : err;
}

crdt_err scene_edit_remove_component(scene_edit *edit, crdt_span entity,
                                     crdt_span component, crdt_diag *diag)
{
    crdt_err err = check_component_live(edit, entity, component, diag);
    if (err == CRDT_OK && scene_edit_is_transform(component)) {
        err = scene_edit_leave_parent(edit, entity, component, diag);
    }
    if (err == CRDT_OK) {
        err = scene_edit_push(edit, CRDT_OP_REMOVE, crdt_key_part(entity, component),
                              (crdt_span){0});
    }
    return err;
}
