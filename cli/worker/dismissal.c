#include "cli/worker/dismissal.h"

#include "scene/edit.h"
#include "scene/scene.h"

/* Does a write of the field that does not show have the stamp that is meant? */
static bool is_meant(const crdt_document *doc, crdt_field field, bool live,
                     const worker_clash_choice *choice)
{
    crdt_entry entry;
    bool any = false;
    for (size_t i = live ? 1 : 0; crdt_document_field_value(doc, field, i, &entry);
         i++) {
        any = any || !choice->has_stamp ||
              crdt_stamp_compare(&entry.stamp, &choice->stamp) == 0;
    }
    crdt_span name = crdt_document_field_name(doc, field);
    return any && (choice->field.size == 0 || crdt_span_equal(choice->field, name));
}

/* `settled`: the entity's place was; its siblings went with the parent that it named. */
static crdt_err dismiss_part(const crdt_document *doc, crdt_part part, bool settled,
                             const worker_clash_choice *choice, crdt_op_list *ops)
{
    crdt_span name = crdt_document_part_name(doc, part);
    bool live = crdt_document_part_live(doc, part);
    bool placed = settled && scene_layout_class(name) == SCENE_CLASS_TRANSFORM;
    crdt_field field = {0};
    crdt_entry shown;
    while (crdt_document_next_field(doc, part, &field)) {
        bool parent = crdt_span_equal(crdt_document_field_name(doc, field),
                                      crdt_span_of("parent"));
        if (!is_meant(doc, field, live, choice) || (placed && parent)) {
            continue;
        }
        if (!live) {
            return crdt_op_list_remove(ops, crdt_key_part(choice->entity, name));
        }
        if (crdt_document_field_value(doc, field, 0, &shown)) {
            crdt_op_list_set(ops,
                             crdt_key_field(choice->entity, name,
                                            crdt_document_field_name(doc, field)),
                             shown.value);
        }
    }
    return ops->err;
}

/* Is it the place in the tree that is meant? */
static bool is_place_meant(const crdt_document *doc, const scene_tree *tree,
                           const worker_clash_choice *choice)
{
    scene_place place;
    scene_parent parent;
    crdt_object object = crdt_document_find_object(doc, choice->entity);
    if (object.id == 0 || !scene_tree_find(tree, choice->entity, &place) ||
        place.repair == SCENE_REPAIR_NONE) {
        return false;
    }
    scene_entity_parent(doc, object, &parent);
    return (choice->part.size == 0 ||
            scene_layout_class(choice->part) == SCENE_CLASS_TRANSFORM) &&
           (choice->field.size == 0 ||
            crdt_span_equal(choice->field, crdt_span_of("parent"))) &&
           (!choice->has_stamp ||
            crdt_stamp_compare(&parent.stamp, &choice->stamp) == 0);
}

/* What is shown becomes what is said. */
static crdt_err settle_place(const crdt_document *doc,
                             const worker_clash_choice *choice, crdt_op_list *ops,
                             crdt_diag *diag)
{
    scene_edit edit;
    crdt_err err = scene_edit_open(&edit, doc, ops);
    if (err == CRDT_OK) {
        err = scene_edit_move(&edit, choice->entity, NULL, diag);
        scene_edit_close(&edit);
    }
    return err;
}

crdt_err worker_dismissal_write(const crdt_document *doc, const scene_tree *tree,
                                const worker_clash_choice *choice, crdt_op_list *ops,
                                crdt_diag *diag)
{
    crdt_object object = crdt_document_find_object(doc, choice->entity);
    crdt_part part = {0};
    crdt_err err = CRDT_OK;
    bool settled = is_place_meant(doc, tree, choice);
    if (settled) {
        err = settle_place(doc, choice, ops, diag);
    }
    while (err == CRDT_OK && object.id != 0 &&
           crdt_document_next_part(doc, object, &part)) {
        crdt_span name = crdt_document_part_name(doc, part);
        if (choice->part.size == 0 || crdt_span_equal(choice->part, name)) {
            err = dismiss_part(doc, part, settled, choice, ops);
        }
    }
    return err;
}
