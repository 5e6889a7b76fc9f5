#include "cli/worker/intent.h"

#include "scene/array.h"

#include <stdio.h>

#define ARENA_ROOM 64 /* bytes that an intent costs beside its copies, about */

worker_batch *worker_batch_open(crdt_alloc alloc, crdt_span who, crdt_span step,
                                uint64_t number)
{
    worker_batch *batch = crdt_allocate(alloc, sizeof *batch);
    if (batch == NULL) {
        return NULL;
    }
    *batch = (worker_batch){.alloc = alloc, .number = number};
    crdt_arena_init(&batch->arena, alloc);
    batch->who = worker_batch_copy(batch, who);
    batch->step = worker_batch_copy(batch, step);
    if (batch->who.data == NULL || batch->step.data == NULL) {
        worker_batch_close(batch);
        return NULL;
    }
    return batch;
}

void worker_batch_close(worker_batch *batch)
{
    if (batch == NULL) {
        return;
    }
    crdt_alloc alloc = batch->alloc;
    for (size_t i = 0; i < batch->intent_count; i++) {
        crdt_free(alloc, batch->intents[i].fields,
                  batch->intents[i].field_capacity * sizeof(worker_intent_field));
    }
    crdt_free(alloc, batch->intents, batch->intent_capacity * sizeof *batch->intents);
    crdt_free(alloc, batch->awaits, batch->await_capacity * sizeof *batch->awaits);
    crdt_arena_deinit(&batch->arena);
    crdt_free(alloc, batch, sizeof *batch);
}

crdt_span worker_batch_copy(worker_batch *batch, crdt_span bytes)
{
    uint8_t *data = crdt_arena_alloc(&batch->arena, bytes.size);
    if (data == NULL) {
        return (crdt_span){0};
    }
    if (bytes.size > 0) {
        memcpy(data, bytes.data, bytes.size);
    }
    return (crdt_span){data, bytes.size};
}

worker_intent *worker_batch_add(worker_batch *batch, worker_intent_kind kind,
                                crdt_span entity, crdt_span part)
{
    worker_intent *intents =
        scene_array_grow(batch->alloc, batch->intents, batch->intent_count,
                         &batch->intent_capacity, sizeof *intents);
    if (intents == NULL) {
        return NULL;
    }
    batch->intents = intents;
    worker_intent *intent = &intents[batch->intent_count];
    *intent = (worker_intent){.kind = kind,
                              .group = batch->intent_count,
                              .entity = worker_batch_copy(batch, entity),
                              .part = worker_batch_copy(batch, part)};
    if (intent->entity.data == NULL || intent->part.data == NULL) {
        return NULL;
    }
    batch->intent_count++;
    return intent;
}

worker_intent *worker_batch_find(worker_batch *batch, crdt_span entity, crdt_span part)
{
    for (size_t i = batch->intent_count; i > 0; i--) {
        worker_intent *intent = &batch->intents[i - 1];
        if (!crdt_span_equal(intent->entity, entity)) {
            continue;
        }
        if (intent->kind != WORKER_INTENT_FIELDS) {
            return NULL;
        }
        if (crdt_span_equal(intent->part, part)) {
            return intent->places ? NULL : intent;
        }
    }
    return NULL;
}

crdt_err worker_batch_put(worker_batch *batch, worker_intent *intent,
                          const worker_intent_field *field)
{
    worker_intent_field copy = *field;
    copy.value = worker_batch_copy(batch, field->value);
    if (field->value.data == NULL) {
        copy.value = (crdt_span){0};
    } else if (copy.value.data == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < intent->field_count; i++) {
        worker_intent_field *old = &intent->fields[i];
        if (crdt_span_equal(old->name, field->name)) {
            copy.name = old->name;
            copy.mine = old->mine; /* what stood there before the first of them */
            *old = copy;
            return CRDT_OK;
        }
    }
    worker_intent_field *fields =
        scene_array_grow(batch->alloc, intent->fields, intent->field_count,
                         &intent->field_capacity, sizeof *fields);
    if (fields == NULL) {
        return CRDT_ENOMEM;
    }
    intent->fields = fields;
    copy.name = worker_batch_copy(batch, field->name);
    copy.mine = worker_batch_copy(batch, field->mine);
    if (copy.name.data == NULL || copy.mine.data == NULL) {
        return CRDT_ENOMEM;
    }
    if (field->mine.data == NULL) {
        copy.mine = (crdt_span){0};
    }
    fields[intent->field_count++] = copy;
    return CRDT_OK;
}

crdt_err worker_batch_await(worker_batch *batch, crdt_span id, size_t first,
                            size_t count)
{
    worker_await *awaits =
        scene_array_grow(batch->alloc, batch->awaits, batch->await_count,
                         &batch->await_capacity, sizeof *awaits);
    if (awaits == NULL) {
        return CRDT_ENOMEM;
    }
    batch->awaits = awaits;
    crdt_span copy = worker_batch_copy(batch, id);
    if (copy.data == NULL) {
        return CRDT_ENOMEM;
    }
    awaits[batch->await_count++] =
        (worker_await){.id = copy, .first = first, .count = count};
    return CRDT_OK;
}

bool worker_batch_is_undo(const worker_batch *batch)
{
    return batch->intent_count > 0 && (batch->intents[0].kind == WORKER_INTENT_UNDO ||
                                       batch->intents[0].kind == WORKER_INTENT_REDO);
}

bool worker_batch_is_dismissal(const worker_batch *batch)
{
    return batch->intent_count > 0 && batch->intents[0].kind == WORKER_INTENT_DISMISS;
}

size_t worker_batch_size(const worker_batch *batch)
{
    return sizeof *batch + batch->arena.size +
           batch->intent_count * (sizeof(worker_intent) + ARENA_ROOM) +
           batch->await_count * sizeof(worker_await);
}

/* ---- in the node's thread ---- */

static crdt_err refuse(worker_intent *intent, crdt_err err, const char *reason)
{
    intent->err = err;
    snprintf(intent->reason, sizeof intent->reason, "%s",
             reason[0] != '\0' ? reason : crdt_err_text(err));
    return err;
}

static void add_clash(worker_batch *batch, crdt_span entity, crdt_span part,
                      const scene_field *old, bool removed)
{
    if (batch->clashes == NULL) {
        batch->clashes = crdt_arena_alloc(&batch->arena,
                                          WORKER_CLASHES_MAX * sizeof *batch->clashes);
    }
    if (batch->clashes == NULL) {
        return; /* nobody is told of it */
    }
    worker_clash *clash = &batch->clashes[batch->clash_count];
    *clash = (worker_clash){.removed = removed,
                            .entity = entity,
                            .part = worker_batch_copy(batch, part),
                            .field = worker_batch_copy(batch, old->name),
                            .value = worker_batch_copy(batch, old->value),
                            .author = worker_batch_copy(batch, old->who),
                            .stamp = old->stamp};
    if (clash->part.data != NULL && clash->field.data != NULL &&
        clash->value.data != NULL && clash->author.data != NULL) {
        batch->clash_count++;
    }
}

/* Was the value that this field replaces written after what its author had seen, by
 * somebody else? `entity` and `part` as they are before the batch. */
static void note_clash(worker_batch *batch, const crdt_document *doc,
                       const worker_intent *intent, const worker_intent_field *field)
{
    scene_component component;
    scene_field old;
    if (!field->has_seen || batch->clash_count == WORKER_CLASHES_MAX ||
        !scene_component_find(doc, intent->entity, intent->part, &component) ||
        !scene_component_field(&component, field->name, &old) ||
        crdt_stamp_compare(&old.stamp, &field->seen) <= 0 ||
        (field->mine.data != NULL && crdt_span_equal(field->mine, old.value)) ||
        crdt_span_equal(field->value, old.value)) {
        return;
    }
    add_clash(batch, intent->entity, intent->part, &old, false);
}

/* What of this component was written after what its remover had seen, by somebody else? */
static void note_removed_part(worker_batch *batch, const worker_intent *intent,
                              const crdt_document *doc, crdt_part part)
{
    scene_component component;
    scene_field old;
    scene_field_cursor cursor = {0};
    scene_component_open(doc, part, &component);
    while (batch->clash_count < WORKER_CLASHES_MAX &&
           scene_component_next_field(&component, &cursor, &old)) {
        if (crdt_stamp_compare(&old.stamp, &intent->seen) > 0 &&
            !crdt_span_equal(old.who, batch->who)) {
            add_clash(batch, intent->entity, crdt_document_part_name(doc, part), &old,
                      true);
        }
    }
}

static void note_removed(worker_batch *batch, const crdt_document *doc,
                         const worker_intent *intent)
{
    crdt_object object = crdt_document_find_object(doc, intent->entity);
    crdt_part part = {0};
    while (intent->has_seen && object.id != 0 &&
           crdt_document_next_part(doc, object, &part)) {
        crdt_span name = crdt_document_part_name(doc, part);
        if (crdt_document_part_live(doc, part) &&
            scene_layout_is_component(name, NULL) &&
            (intent->part.size == 0 || crdt_span_equal(intent->part, name))) {
            note_removed_part(batch, intent, doc, part);
        }
    }
}

static crdt_err set_one(scene_edit *edit, const worker_intent *intent, crdt_span name,
                        crdt_span value, crdt_diag *diag)
{
    if (value.data != NULL) {
        return scene_edit_set_field(edit, intent->entity, intent->part, name, value,
                                    diag);
    }
    crdt_err err =
        scene_edit_unset_field(edit, intent->entity, intent->part, name, diag);
    return err == CRDT_ENOTFOUND ? CRDT_OK : err; /* it is gone already */
}

/* Every member of the whole value as a field of its own. */
static crdt_err set_members(scene_edit *edit, const worker_intent *intent,
                            crdt_diag *diag)
{
    crdt_value_reader reader = crdt_value_read_open(intent->value);
    crdt_value_token map = crdt_value_read(&reader);
    crdt_err err = CRDT_OK;
    for (uint32_t i = 0; i < map.count && err == CRDT_OK; i++) {
        crdt_span name = crdt_value_read(&reader).string;
        err = set_one(edit, intent, name, crdt_value_read_span(&reader), diag);
    }
    return err;
}

static bool is_parent(const worker_intent_field *field)
{
    return crdt_span_equal(field->name, crdt_span_of("parent"));
}

/* The parent is the one field that may be refused (it would make a cycle): it is the
 * first, so that a refusal leaves nothing of the event. */
static crdt_err set_fields(worker_batch *batch, scene_edit *edit,
                           const worker_intent *intent, crdt_diag *diag)
{
    crdt_err err = CRDT_OK;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < intent->field_count && err == CRDT_OK; i++) {
            const worker_intent_field *field = &intent->fields[i];
            if (is_parent(field) != (pass == 0)) {
                continue;
            }
            note_clash(batch, edit->doc, intent, field);
            err = set_one(edit, intent, field->name, field->value, diag);
        }
    }
    return err;
}

/* What the renderer was shown must still be there: an edit of something that was removed
 * meanwhile does not bring half of it back. */
static crdt_err check_expected(const scene_edit *edit, const worker_intent *intent,
                               crdt_diag *diag)
{
    if (intent->entity_expected && !scene_edit_has(edit, intent->entity, NULL)) {
        return crdt_diag_set(diag, CRDT_ENOTFOUND, 0,
                             "the entity was removed meanwhile");
    }
    if (intent->expected && !scene_edit_has(edit, intent->entity, &intent->part)) {
        return crdt_diag_set(diag, CRDT_ENOTFOUND, 0,
                             "the component was removed meanwhile");
    }
    return CRDT_OK;
}

static crdt_err apply_fields(worker_batch *batch, scene_edit *edit,
                             const worker_intent *intent, crdt_diag *diag)
{
    bool there = scene_edit_has(edit, intent->entity, &intent->part);
    crdt_err err = check_expected(edit, intent, diag);
    if (err != CRDT_OK) {
        return err;
    }
    if (!there && intent->value.data != NULL) {
        err = scene_edit_set(edit, intent->entity, intent->part, intent->value, diag);
    } else if (intent->value.data != NULL) {
        err = set_members(edit, intent, diag);
    }
    return err == CRDT_OK ? set_fields(batch, edit, intent, diag) : err;
}

static crdt_err apply_whole(scene_edit *edit, const worker_intent *intent,
                            crdt_diag *diag)
{
    crdt_err err = check_expected(edit, intent, diag);
    return err != CRDT_OK ? err
                          : scene_edit_set(edit, intent->entity, intent->part,
                                           intent->value, diag);
}

/* Fields of the project, which is no component: `part` of FF scene. Alone in its batch, so
 * the document tells what is there. */
static crdt_err apply_project(scene_edit *edit, const worker_intent *intent)
{
    crdt_span scene = crdt_span_of(SCENE_NAME_SCENE);
    const crdt_key object = crdt_key_object(scene);
    const crdt_key part = crdt_key_part(scene, intent->part);
    crdt_err err = CRDT_OK;
    if (!crdt_document_live(edit->doc, &object)) {
        err = scene_edit_push(edit, CRDT_OP_ADD, object, (crdt_span){0});
    }
    if (err == CRDT_OK && !crdt_document_live(edit->doc, &part)) {
        err = scene_edit_push(edit, CRDT_OP_ADD, part, (crdt_span){0});
    }
    for (size_t i = 0; i < intent->field_count && err == CRDT_OK; i++) {
        const worker_intent_field *field = &intent->fields[i];
        crdt_key key = crdt_key_field(scene, intent->part, field->name);
        crdt_span shown;
        if (!crdt_document_get(edit->doc, &key, &shown) ||
            !crdt_span_equal(shown, field->value)) {
            err = scene_edit_push(edit, CRDT_OP_SET, key, field->value);
        }
    }
    return err;
}

static crdt_err apply_one(worker_batch *batch, scene_edit *edit, worker_intent *intent,
                          crdt_diag *diag)
{
    switch (intent->kind) {
    case WORKER_INTENT_ADD:
        return scene_edit_add(edit, intent->entity, NULL, diag);
    case WORKER_INTENT_REMOVE:
        note_removed(batch, edit->doc, intent);
        return scene_edit_has(edit, intent->entity, NULL)
                   ? scene_edit_remove(edit, intent->entity, diag)
                   : CRDT_OK;
    case WORKER_INTENT_FIELDS:
        return apply_fields(batch, edit, intent, diag);
    case WORKER_INTENT_WHOLE:
        return apply_whole(edit, intent, diag);
    case WORKER_INTENT_REMOVE_PART:
        note_removed(batch, edit->doc, intent);
        return scene_edit_has(edit, intent->entity, &intent->part)
                   ? scene_edit_remove_component(edit, intent->entity, intent->part,
                                                 diag)
                   : CRDT_OK;
    case WORKER_INTENT_PROJECT:
        return apply_project(edit, intent);
    case WORKER_INTENT_UNDO:
    case WORKER_INTENT_REDO:
    case WORKER_INTENT_RESTORE:
    case WORKER_INTENT_DISMISS: /* not by an editor: cli/worker/dismissal.h */
        break;
    }
    return CRDT_EINVAL;
}

crdt_err worker_batch_apply(worker_batch *batch, const crdt_document *doc,
                            crdt_op_list *ops)
{
    scene_edit edit;
    crdt_err err = scene_edit_open(&edit, doc, ops);
    if (err != CRDT_OK) {
        return err;
    }
    batch->clash_count = 0;
    const worker_intent *refused = NULL; /* the last one that was */
    for (size_t i = 0; i < batch->intent_count && ops->err == CRDT_OK; i++) {
        worker_intent *intent = &batch->intents[i];
        crdt_diag diag = {0};
        if (refused != NULL && refused->group == intent->group) {
            refuse(intent, refused->err, refused->reason);
            continue;
        }
        intent->err = apply_one(batch, &edit, intent, &diag);
        if (intent->err != CRDT_OK) {
            refuse(intent, intent->err, diag.text);
            refused = intent;
        }
    }
    scene_edit_close(&edit);
    return ops->err;
}
