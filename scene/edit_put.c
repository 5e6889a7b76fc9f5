#include "scene/edit_put.h"

crdt_err scene_edit_put_object(scene_edit *edit, crdt_span object)
{
    if (scene_edit_object_live(edit, object)) {
        return CRDT_OK;
    }
    return scene_edit_push(edit, CRDT_OP_ADD, crdt_key_object(object), (crdt_span){0});
}

crdt_err scene_edit_put_part(scene_edit *edit, crdt_span object, crdt_span part)
{
    crdt_err err = scene_edit_put_object(edit, object);
    if (err != CRDT_OK || scene_edit_part_live(edit, object, part)) {
        return err;
    }
    return scene_edit_push(edit, CRDT_OP_ADD, crdt_key_part(object, part),
                           (crdt_span){0});
}

crdt_err scene_edit_put_field(scene_edit *edit, crdt_span object, crdt_span part,
                              crdt_span field, crdt_span value)
{
    if (scene_edit_field_is(edit, object, part, field, value)) {
        return CRDT_OK;
    }
    return scene_edit_push(edit, CRDT_OP_SET, crdt_key_field(object, part, field),
                           value);
}

crdt_err scene_edit_drop_field(scene_edit *edit, crdt_span object, crdt_span part,
                               crdt_span field)
{
    crdt_span value;
    if (!scene_edit_field(edit, object, part, field, &value)) {
        return CRDT_OK;
    }
    return scene_edit_push(edit, CRDT_OP_UNSET, crdt_key_field(object, part, field),
                           (crdt_span){0});
}

crdt_err scene_edit_drop_whole(scene_edit *edit, crdt_span entity, crdt_span component,
                               bool keep_value)
{
    crdt_err err = CRDT_OK;
    if (!keep_value) {
        err = scene_edit_drop_field(edit, entity, component,
                                    crdt_span_of(SCENE_NAME_VALUE));
    }
    if (err == CRDT_OK) {
        err = scene_edit_drop_field(edit, entity, component,
                                    crdt_span_of(SCENE_NAME_BINARY));
    }
    if (err == CRDT_OK) {
        err = scene_edit_drop_field(edit, entity, component,
                                    crdt_span_of(SCENE_NAME_ABSENT));
    }
    return err;
}

/* Copy the inherited fields (but `except`) that the part has not set itself, and what
 * stands beside them, and stop sharing. */
static crdt_err detach(scene_edit *edit, crdt_span entity, crdt_span part,
                       const scene_component *component, crdt_span except)
{
    crdt_err err = CRDT_OK;
    scene_field field;
    scene_field_cursor cursor = {0};
    crdt_span own;
    crdt_span extra = crdt_span_of(SCENE_NAME_EXTRA);
    crdt_span extra_value;
    if (scene_edit_shares_field(component, extra, &extra_value) &&
        !scene_edit_field(edit, entity, part, extra, &own)) {
        err = scene_edit_put_field(edit, entity, part, extra, extra_value);
    }
    while (err == CRDT_OK && scene_component_next_field(component, &cursor, &field)) {
        if (field.inherited && !crdt_span_equal(field.name, except) &&
            !scene_edit_field(edit, entity, part, field.name, &own)) {
            err = scene_edit_put_field(edit, entity, part, field.name, field.value);
        }
    }
    if (err == CRDT_OK) {
        err =
            scene_edit_drop_field(edit, entity, part, crdt_span_of(SCENE_NAME_SHARED));
    }
    return err;
}

crdt_err scene_edit_drop_shown(scene_edit *edit, crdt_span entity, crdt_span part,
                               crdt_span name)
{
    scene_component component;
    crdt_span value;
    crdt_err err = CRDT_OK;
    if (scene_edit_open_sharing(edit, entity, part, &component) &&
        scene_edit_shares_field(&component, name, &value)) {
        err = detach(edit, entity, part, &component, name);
    }
    return err == CRDT_OK ? scene_edit_drop_field(edit, entity, part, name) : err;
}

crdt_err scene_edit_put_component_field(scene_edit *edit, crdt_span entity,
                                        crdt_span part, crdt_span field,
                                        crdt_span value)
{
    crdt_err err = scene_edit_put_part(edit, entity, part);
    scene_component component;
    if (err == CRDT_OK && scene_edit_open_component(edit, entity, part, &component) &&
        component.whole) {
        err =
            scene_edit_drop_field(edit, entity, part, crdt_span_of(SCENE_NAME_SHARED));
    }
    if (err == CRDT_OK) {
        err = scene_edit_drop_whole(edit, entity, part, false);
    }
    crdt_span shown;
    bool inherited;
    if (err == CRDT_OK &&
        scene_edit_shown(edit, entity, part, field, &shown, &inherited) && inherited &&
        crdt_span_equal(shown, value)) {
        return CRDT_OK;
    }
    return err == CRDT_OK ? scene_edit_put_field(edit, entity, part, field, value)
                          : err;
}
