#include "scene/edit_parent.h"

#include "crdt/mutant.h"

#include "scene/edit_put.h"

#include <assert.h>

static const scene_format SPELLINGS[] = {SCENE_FORMAT_STATE, SCENE_FORMAT_COMPOSITE};
#define SPELLING_COUNT (sizeof SPELLINGS / sizeof SPELLINGS[0])

static crdt_span transform_name(size_t spelling)
{
    return scene_layout_spelling(SCENE_CLASS_TRANSFORM, SPELLINGS[spelling]);
}

bool scene_edit_is_transform(crdt_span component)
{
    return crdt_span_equal(component, transform_name(0)) ||
           crdt_span_equal(component, transform_name(1));
}

/* What one transform will say of the parent. Fields not yet in the document are newer
 * than all that are, in the order of their operations. */
static bool will_name_parent(const scene_edit *edit, crdt_span entity, crdt_span part,
                             scene_field *field)
{
    const crdt_op *op;
    crdt_span name = crdt_span_of("parent");
    switch (scene_edit_judge(edit, entity, part, &name, &op)) {
    case SCENE_EDIT_THERE: {
        size_t number = (size_t)(op - edit->ops->ops);
        *field = (scene_field){.name = name, .value = op->value};
        field->stamp.time = CRDT_TIME_MAX + 1 + number;
        return true;
    }
    case SCENE_EDIT_GONE:
        return false;
    case SCENE_EDIT_SILENT:
        break;
    }
    scene_component component;
    if (!scene_edit_open_component(edit, entity, part, &component) ||
        !scene_component_field(&component, name, field)) {
        return false;
    }
    return !field->inherited || scene_edit_open_sharing(edit, entity, part, &component);
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
    if (!scene_edit_object_live(edit, id)) {
        return false;
    }
    crdt_object object = crdt_document_find_object(edit->doc, id);
    *stable = object.id != 0
                  ? crdt_document_object_name(edit->doc, object)
                  : edit->ops->ops[scene_edit_newest_op(edit, id)].key.object;
    return true;
}

static edge will_edge(const scene_edit *edit, crdt_span entity)
{
    edge result = {0};
    scene_field newest = {0};
    for (size_t i = 0; i < SPELLING_COUNT; i++) {
        scene_field field;
        if (scene_edit_part_live(edit, entity, transform_name(i)) &&
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

/* Brent's algorithm, for a walk that ends in a cycle of others. */
bool scene_edit_find_cycle(const scene_edit *edit, crdt_span entity, crdt_span *hidden)
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

static crdt_err drop_spelling(scene_edit *edit, crdt_span entity, crdt_span part)
{
    scene_field field;
    if (!scene_edit_part_live(edit, entity, part) ||
        !will_name_parent(edit, entity, part, &field)) {
        return CRDT_OK;
    }
    return scene_edit_drop_shown(edit, entity, part, crdt_span_of("parent"));
}

crdt_err scene_edit_drop_parent(scene_edit *edit, crdt_span entity)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < SPELLING_COUNT && err == CRDT_OK; i++) {
        err = drop_spelling(edit, entity, transform_name(i));
    }
    return err;
}

crdt_err scene_edit_refuse_cycle(crdt_diag *diag)
{
    return crdt_diag_set(diag, CRDT_EINVAL, 0, "an entity cannot hang below itself");
}

bool scene_edit_names_parent(const scene_edit *edit, crdt_span entity, crdt_span parent)
{
    edge now = will_edge(edit, entity);
    return now.live && crdt_span_equal(now.id, parent);
}

crdt_err scene_edit_change_parent(scene_edit *edit, crdt_span entity,
                                  const crdt_span *parent, crdt_diag *diag)
{
    if (!scene_edit_object_live(edit, entity)) {
        return CRDT_OK;
    }
    crdt_span hidden;
    bool cycle = scene_edit_find_cycle(edit, entity, &hidden);
    bool itself = cycle && crdt_span_equal(hidden, entity);
    if (parent != NULL && itself && scene_edit_names_parent(edit, entity, *parent)) {
        return CRDT_OK; /* it will go on to say what cannot be shown */
    }
    crdt_span stable;
    if (parent != NULL && find_id(edit, *parent, &stable) &&
        is_below(edit, stable, entity, cycle ? &hidden : NULL) && !MUTANT(417)) {
        return scene_edit_refuse_cycle(diag);
    }
    return cycle && !itself && !MUTANT(416) ? scene_edit_drop_parent(edit, hidden)
                                            : CRDT_OK;
}

crdt_err scene_edit_adopt_parent(scene_edit *edit, crdt_span entity, crdt_span parent)
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
            return scene_edit_drop_parent(edit, at);
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

/* The spelling whose transform names the parent: the newest that does; else the first
 * that lives; else SPELLING_COUNT. */
static size_t naming_spelling(const scene_edit *edit, crdt_span entity, bool *names)
{
    size_t found = SPELLING_COUNT;
    scene_field newest = {0};
    for (size_t i = 0; i < SPELLING_COUNT; i++) {
        scene_field field;
        if (!scene_edit_part_live(edit, entity, transform_name(i))) {
            continue;
        }
        if (will_name_parent(edit, entity, transform_name(i), &field) &&
            crdt_stamp_compare(&field.stamp, &newest.stamp) > 0) {
            newest = field;
            found = i;
        } else if (found == SPELLING_COUNT) {
            found = i;
        }
    }
    *names = newest.stamp.time != 0;
    return found;
}

crdt_err scene_edit_leave_parent(scene_edit *edit, crdt_span entity,
                                 crdt_span component, crdt_diag *diag)
{
    bool names;
    size_t spelling = naming_spelling(edit, entity, &names);
    if (!names || !crdt_span_equal(component, transform_name(spelling))) {
        return CRDT_OK;
    }
    crdt_err err = scene_edit_change_parent(edit, entity, NULL, diag);
    for (size_t i = 0; i < SPELLING_COUNT && err == CRDT_OK; i++) {
        if (i != spelling) {
            err = drop_spelling(edit, entity, transform_name(i));
        }
    }
    return err;
}

/* Where the parent of the entity is, or is to be written. */
static crdt_span transform_to_write(const scene_edit *edit, crdt_span entity)
{
    bool names;
    size_t spelling = naming_spelling(edit, entity, &names);
    if (spelling < SPELLING_COUNT) {
        return transform_name(spelling);
    }
    bool composite = scene_origin_of(edit->doc) == SCENE_FORMAT_COMPOSITE;
    return transform_name(composite ? 1 : 0);
}

crdt_err scene_edit_write_parent(scene_edit *edit, crdt_span entity, crdt_span parent)
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
        err = scene_edit_put_component_field(edit, entity, part, crdt_span_of("parent"),
                                             crdt_buf_span(&value));
    }
    crdt_buf_deinit(&value);
    return err;
}

crdt_err scene_edit_prepare_parent(scene_edit *edit, crdt_span entity,
                                   crdt_span component, const crdt_span *value,
                                   crdt_diag *diag)
{
    if (value == NULL) {
        return scene_edit_leave_parent(edit, entity, component, diag);
    }
    crdt_span name = crdt_span_of("parent");
    if (scene_edit_field_is(edit, entity, component, name, *value)) {
        return CRDT_OK;
    }
    char text[SCENE_PARENT_TEXT_SIZE];
    crdt_span id;
    bool named = scene_layout_parent(*value, text, &id);
    return scene_edit_change_parent(edit, entity, named ? &id : NULL, diag);
}
