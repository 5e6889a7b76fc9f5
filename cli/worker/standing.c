#include "cli/worker/standing.h"

#include "crdt/value.h"
#include "scene/scene.h"

#include <stdlib.h>

#define SPARE_MAX 256u /* names without conflicts that are kept */

void worker_standing_init(worker_standing *standing, crdt_alloc alloc)
{
    *standing = (worker_standing){.revision = 1};
    scene_name_set_init(&standing->names, alloc);
}

void worker_standing_deinit(worker_standing *standing)
{
    scene_name_set_deinit(&standing->names);
}

/* ---- one entity ---- */

static bool is_told_part(crdt_span part)
{
    uint32_t number;
    return scene_layout_is_component(part, NULL) ||
           crdt_span_equal(scene_layout_base(part, &number),
                           crdt_span_of(SCENE_NAME_ENTITY));
}

static bool is_told_field(crdt_span field)
{
    return !scene_layout_is_own(field) ||
           crdt_span_equal(field, crdt_span_of(SCENE_NAME_VALUE));
}

/* Each write of the field that does not show; `live`: its component is. */
static bool visit_field(const crdt_document *doc, crdt_field field, bool live,
                        worker_conflict *conflict, worker_standing_fn visit, void *ctx)
{
    crdt_entry entry;
    conflict->field = crdt_document_field_name(doc, field);
    if (!is_told_field(conflict->field)) {
        return true;
    }
    conflict->kind = live ? "concurrent" : "edited-while-removed";
    conflict->by = (crdt_span){0};
    if (live && crdt_document_field_value(doc, field, 0, &entry)) {
        conflict->by = entry.who;
    }
    for (size_t i = live ? 1 : 0; crdt_document_field_value(doc, field, i, &entry);
         i++) {
        conflict->value = entry.value;
        conflict->author = entry.who;
        conflict->stamp = entry.stamp;
        if (!visit(ctx, conflict)) {
            return false;
        }
    }
    return true;
}

/* The conflicts of one entity; false: `visit` has enough. */
static bool visit_entity(const crdt_document *doc, crdt_span entity,
                         worker_standing_fn visit, void *ctx)
{
    crdt_object object = crdt_document_find_object(doc, entity);
    crdt_part part = {0};
    bool more = true;
    while (more && object.id != 0 && crdt_document_next_part(doc, object, &part)) {
        worker_conflict conflict = {.entity = entity,
                                    .part = crdt_document_part_name(doc, part)};
        bool live = crdt_document_part_live(doc, part);
        crdt_field field = {0};
        if (!is_told_part(conflict.part)) {
            continue;
        }
        while (more && crdt_document_next_field(doc, part, &field)) {
            more = visit_field(doc, field, live, &conflict, visit, ctx);
        }
    }
    return more;
}

/* The parent that it names and is not shown under. */
static bool visit_repair(const crdt_document *doc, const scene_place *place,
                         crdt_buf *value, worker_standing_fn visit, void *ctx)
{
    scene_parent parent;
    crdt_object object = crdt_document_find_object(doc, place->id);
    worker_conflict conflict = {
        .kind = scene_repair_name(place->repair),
        .entity = place->id,
        .part = scene_layout_spelling(SCENE_CLASS_TRANSFORM, scene_origin_of(doc)),
        .field = crdt_span_of("parent")};
    crdt_buf_clear(value);
    if (crdt_utf8_valid(place->wanted, NULL) &&
        crdt_value_write_string(value, place->wanted) == CRDT_OK) {
        conflict.value = crdt_buf_span(value);
    }
    if (object.id != 0) {
        scene_entity_parent(doc, object, &parent);
        conflict.author = parent.who;
        conflict.stamp = parent.stamp;
    }
    return visit(ctx, &conflict);
}

static bool is_enough(void *ctx, const worker_conflict *conflict)
{
    bool *found = ctx;
    (void)conflict;
    *found = true;
    return false;
}

static bool has_conflicts(const crdt_document *doc, const scene_tree *tree,
                          crdt_span entity)
{
    scene_place place;
    bool found =
        scene_tree_find(tree, entity, &place) && place.repair != SCENE_REPAIR_NONE;
    if (!found) {
        visit_entity(doc, entity, is_enough, &found);
    }
    return found;
}

/* ---- following ---- */

crdt_err worker_standing_look(worker_standing *standing, const crdt_document *doc,
                              const scene_tree *tree, crdt_span entity)
{
    bool known = scene_name_set_has(&standing->names, entity);
    bool found = has_conflicts(doc, tree, entity);
    standing->revision += known || found;
    return found && !known ? scene_name_set_add(&standing->names, entity) : CRDT_OK;
}

crdt_err worker_standing_build(worker_standing *standing, const crdt_document *doc,
                               const scene_tree *tree)
{
    crdt_err err = CRDT_OK;
    crdt_object object = {0};
    scene_name_set_clear(&standing->names);
    standing->revision++;
    while (err == CRDT_OK && crdt_document_next_object(doc, &object)) {
        crdt_span name = crdt_document_object_name(doc, object);
        if (scene_layout_is_entity(name) && has_conflicts(doc, tree, name)) {
            err = scene_name_set_add(&standing->names, name);
        }
    }
    if (err != CRDT_OK) {
        scene_name_set_clear(&standing->names);
    }
    return err;
}

/* ---- listing ---- */

static int compare_names(const void *a, const void *b)
{
    return scene_layout_entity_compare(*(const crdt_span *)a, *(const crdt_span *)b);
}

/* Those that still have conflicts, sorted; in `arena`. NULL: no memory. */
static crdt_span *sort_names(const worker_standing *standing, const crdt_document *doc,
                             const scene_tree *tree, crdt_arena *arena, size_t *count)
{
    crdt_span *names =
        crdt_arena_alloc(arena, (standing->names.count + 1) * sizeof *names);
    *count = 0;
    for (size_t i = 0; names != NULL && i < standing->names.count; i++) {
        if (has_conflicts(doc, tree, standing->names.names[i])) {
            names[(*count)++] = standing->names.names[i];
        }
    }
    if (*count > 1) {
        qsort(names, *count, sizeof *names, compare_names);
    }
    return names;
}

static bool visit_names(const crdt_document *doc, const scene_tree *tree,
                        crdt_alloc alloc, const crdt_span *names, size_t count,
                        worker_standing_fn visit, void *ctx)
{
    scene_place place;
    crdt_buf value;
    bool more = true;
    crdt_buf_init(&value, alloc);
    for (size_t i = 0; more && i < count; i++) {
        if (scene_tree_find(tree, names[i], &place) &&
            place.repair != SCENE_REPAIR_NONE) {
            more = visit_repair(doc, &place, &value, visit, ctx);
        }
    }
    crdt_buf_deinit(&value);
    for (size_t i = 0; more && i < count; i++) {
        more = visit_entity(doc, names[i], visit, ctx);
    }
    return more;
}

crdt_err worker_standing_visit(worker_standing *standing, const crdt_document *doc,
                               const scene_tree *tree, worker_standing_fn visit,
                               void *ctx)
{
    crdt_arena arena;
    size_t count = 0;
    crdt_arena_init(&arena, standing->names.bytes.alloc);
    const crdt_span *names = sort_names(standing, doc, tree, &arena, &count);
    crdt_err err = names != NULL ? CRDT_OK : CRDT_ENOMEM;
    if (err == CRDT_OK) {
        visit_names(doc, tree, standing->names.bytes.alloc, names, count, visit, ctx);
    }
    crdt_arena_deinit(&arena);
    if (err == CRDT_OK && standing->names.count > 2 * count + SPARE_MAX) {
        err = worker_standing_build(standing, doc, tree);
    }
    return err;
}
