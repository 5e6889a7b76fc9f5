#include "scene/format_builder.h"

#include <string.h>

#include "scene/derive.h"
#include "scene/format_composite.h"
#include "scene/project_spelling.h"
#include "scene/text_map.h"

/* ---- reading ---- */

static const char *const COMPONENT_KNOWN[] = {"id", "type", "data", NULL};

/* One row of scene.components. */
typedef struct component_row {
    crdt_span id;
    const scene_json_node *record;
    uint32_t use_count; /* times that entities list it */
} component_row;

typedef struct builder_scene {
    const scene_json_node *entities;
    component_row *rows;
    uint32_t row_count;
    scene_text_map row_of; /* by id */
    bool named;            /* entities have names (since version 5) */
} builder_scene;

static crdt_err refuse(scene_import *import, const scene_json_node *node,
                       const char *reason)
{
    return scene_json_refuse(import->json, node, import->diag, CRDT_ECORRUPT, "%s",
                             reason);
}

/* A record of a map must be an object whose id is its key. */
static crdt_err check_record(scene_import *import, const scene_json_node *key)
{
    const scene_json_node *record = key + 1;
    const scene_json_node *id = scene_json_find(record, "id");
    if (record->type != SCENE_JSON_OBJECT) {
        return refuse(import, record, "this must be an object with an id");
    }
    if (id == NULL || id->type != SCENE_JSON_STRING) {
        return refuse(import, record, "an id is missing");
    }
    if (!crdt_span_equal(scene_json_text(id), scene_json_text(key))) {
        return refuse(import, id, "this id is not the key it stands under");
    }
    return scene_import_check_name(import, key, scene_json_text(key));
}

static crdt_err read_rows(scene_import *import, builder_scene *scene,
                          const scene_json_node *components)
{
    scene->rows = crdt_resize_array(import->alloc, NULL, 0, components->count + 1,
                                    sizeof(component_row));
    if (scene->rows == NULL) {
        return CRDT_ENOMEM;
    }
    scene->row_count = components->count;
    const scene_json_node *key = components + 1;
    for (uint32_t i = 0; i < components->count; i++) {
        const scene_json_node *type = scene_json_find(key + 1, "type");
        crdt_err err = check_record(import, key);
        if (err == CRDT_OK && (type == NULL || type->type != SCENE_JSON_STRING)) {
            err = refuse(import, key + 1, "a component needs a type");
        }
        if (err == CRDT_OK) {
            err = scene_import_check_name(import, type, scene_json_text(type));
        }
        scene->rows[i] = (component_row){.id = scene_json_text(key), .record = key + 1};
        if (err == CRDT_OK) {
            err = scene_text_map_put(&scene->row_of, scene->rows[i].id, i, NULL, NULL);
        }
        if (err != CRDT_OK) {
            return err;
        }
        key = scene_json_next(key + 1);
    }
    return CRDT_OK;
}

/* Check the entities and count who uses what. */
static crdt_err count_uses(scene_import *import, builder_scene *scene)
{
    const scene_json_node *key = scene->entities + 1;
    for (uint32_t i = 0; i < scene->entities->count; i++) {
        crdt_err err = check_record(import, key);
        if (err != CRDT_OK) {
            return err;
        }
        const scene_json_node *list = scene_json_find(key + 1, "components");
        if (list == NULL || list->type != SCENE_JSON_ARRAY) {
            return refuse(import, key + 1, "an entity needs a list of components");
        }
        const scene_json_node *id = list + 1;
        for (uint32_t j = 0; j < list->count; j++) {
            if (id->type != SCENE_JSON_STRING) {
                return refuse(import, id, "a component is listed by its id");
            }
            uint64_t *row = scene_text_map_find(&scene->row_of, scene_json_text(id));
            if (row != NULL) {
                scene->rows[*row].use_count++;
            }
            id = scene_json_next(id);
        }
        key = scene_json_next(key + 1);
    }
    return CRDT_OK;
}

static crdt_span component_type(const scene_import *import,
                                const scene_json_node *record)
{
    const scene_json_node *former =
        scene_json_find(scene_json_find(record, SCENE_CARRY), "type");
    if (former != NULL && former->type == SCENE_JSON_STRING) {
        return scene_json_text(former);
    }
    crdt_span type = scene_json_text(scene_json_find(record, "type"));
    return import->origin == import->format
               ? type
               : scene_layout_translate(type, import->origin);
}

static crdt_err put_component(scene_import *import, crdt_span object, crdt_span part,
                              const scene_json_node *record)
{
    scene_import_component component = {.record = record,
                                        .known = COMPONENT_KNOWN,
                                        .value = scene_json_find(record, "data"),
                                        .carry = scene_json_find(record, SCENE_CARRY)};
    return scene_import_put_component(import, object, part, &component);
}

/* One id of an entity's list: shared, its own, or of nothing. */
static crdt_err read_listed(scene_import *import, const builder_scene *scene,
                            crdt_span entity, scene_import_parts *parts,
                            const scene_json_node *id)
{
    crdt_span text = scene_json_text(id);
    const uint64_t *index = scene_text_map_find(&scene->row_of, text);
    if (index == NULL) {
        return scene_import_put_dangling(import, entity, parts, id);
    }
    const component_row *row = &scene->rows[*index];
    crdt_span part;
    crdt_err err = scene_import_next_part(import, parts,
                                          component_type(import, row->record), &part);
    if (err != CRDT_OK) {
        return err;
    }
    if (row->use_count > 1) {
        err = scene_import_add_part(import, entity, part);
        return err != CRDT_OK ? err
                              : scene_import_set_text(import, entity, part,
                                                      SCENE_NAME_SHARED, text);
    }
    err = put_component(import, entity, part, row->record);
    if (err == CRDT_OK && !scene_derive_is_uuid(text, "component", entity, part)) {
        err = scene_import_set_text(import, entity, part, SCENE_NAME_ID, text);
    }
    return err;
}

static crdt_err read_entity(scene_import *import, const builder_scene *scene,
                            const scene_json_node *key, int64_t order)
{
    static const char *const SKIP[] = {"id", "components", SCENE_CARRY, NULL};
    static const char *const SKIP_NAME[] = {"id", "components", SCENE_CARRY, "name",
                                            NULL};
    crdt_span id = scene_json_text(key);
    const scene_json_node *record = key + 1;
    const scene_json_node *carry = scene_json_find(record, SCENE_CARRY);
    const scene_json_node *name = scene_json_find(record, "name");
    const scene_json_node *made = scene_json_find(carry, "name");
    bool invented =
        name != NULL && made != NULL && scene_import_equal(import, name, made);
    crdt_err err = scene_import_add_object(import, id);
    if (err == CRDT_OK) {
        err = scene_import_entity_data(import, id, record, invented ? SKIP_NAME : SKIP,
                                       carry, order);
    }
    if (err == CRDT_OK && scene->named && name == NULL &&
        import->origin == import->format) {
        crdt_span own = crdt_span_of(SCENE_NAME_ENTITY);
        err = scene_import_add_part(import, id, own);
        if (err == CRDT_OK) {
            err = scene_import_set_bool(import, id, own, SCENE_NAME_ABSENT, true);
        }
    }
    scene_import_parts parts;
    scene_import_open_parts(import, &parts);
    const scene_json_node *list = scene_json_find(record, "components");
    const scene_json_node *listed = list + 1;
    for (uint32_t i = 0; i < list->count && err == CRDT_OK; i++) {
        err = read_listed(import, scene, id, &parts, listed);
        listed = scene_json_next(listed);
    }
    return err != CRDT_OK ? err : scene_import_order_parts(import, id, &parts);
}

static bool entities_ascend(const scene_json_node *entities)
{
    const scene_json_node *key = entities + 1;
    for (uint32_t i = 1; i < entities->count; i++) {
        const scene_json_node *next = scene_json_next(key + 1);
        if (scene_layout_entity_compare(scene_json_text(key), scene_json_text(next)) >
            0) {
            return false;
        }
        key = next;
    }
    return true;
}

static crdt_err read_entities(scene_import *import, const builder_scene *scene)
{
    bool hint = import->origin == import->format && !entities_ascend(scene->entities);
    crdt_err err = CRDT_OK;
    const scene_json_node *key = scene->entities + 1;
    for (uint32_t i = 0; i < scene->entities->count && err == CRDT_OK; i++) {
        err = read_entity(import, scene, key, hint ? (int64_t)i : -1);
        crdt_arena_reset(&import->arena);
        key = scene_json_next(key + 1);
    }
    return err;
}

/* The components that are no single entity's own get objects of their own. */
static crdt_err put_shared(scene_import *import, const builder_scene *scene)
{
    crdt_err err = CRDT_OK;
    for (uint32_t i = 0; i < scene->row_count && err == CRDT_OK; i++) {
        const component_row *row = &scene->rows[i];
        if (row->use_count == 1) {
            continue;
        }
        crdt_span object = scene_import_join(import, SCENE_NAME_COMPONENT, row->id);
        if (object.data == NULL) {
            return CRDT_ENOMEM;
        }
        err = scene_import_add_object(import, object);
        if (err == CRDT_OK) {
            err = put_component(import, object, component_type(import, row->record),
                                row->record);
        }
        if (err == CRDT_OK && row->use_count == 0) {
            crdt_span own = crdt_span_of(SCENE_NAME_ENTITY);
            err = scene_import_add_part(import, object, own);
            if (err == CRDT_OK) {
                err =
                    scene_import_set_bool(import, object, own, SCENE_NAME_ABSENT, true);
            }
        }
        crdt_arena_reset(&import->arena);
    }
    return err;
}

static bool is_invented(scene_import *import, const char *part,
                        const scene_json_node *key)
{
    const scene_json_node *carry = scene_json_find(key + 1, SCENE_CARRY);
    return scene_json_find(carry, "invented") != NULL ||
           scene_import_scene_invented(import, part, scene_json_text(key), key + 1);
}

/* A scene-wide part of the manifest, without what the exporter had to invent. */
static crdt_err put_part(scene_import *import, const char *name,
                         const scene_json_node *node, const char *const *skip)
{
    crdt_span scene = crdt_span_of(SCENE_NAME_SCENE);
    crdt_span part = crdt_span_of(name);
    if (node == NULL) {
        return CRDT_OK;
    }
    if (node->type != SCENE_JSON_OBJECT) {
        return scene_import_part(import, scene, part, node);
    }
    bool added = import->origin == import->format;
    crdt_err err = added ? scene_import_add_part(import, scene, part) : CRDT_OK;
    const scene_json_node *key = node + 1;
    for (uint32_t i = 0; i < node->count && err == CRDT_OK; i++) {
        bool skipped = is_invented(import, name, key);
        for (size_t j = 0; skip != NULL && skip[j] != NULL && !skipped; j++) {
            skipped = crdt_span_equal(scene_json_text(key), crdt_span_of(skip[j]));
        }
        if (!skipped && !added) {
            added = true;
            err = scene_import_add_part(import, scene, part);
        }
        if (!skipped && err == CRDT_OK) {
            err = scene_import_set(import, scene, part, scene_json_text(key), key + 1);
        }
        key = scene_json_next(key + 1);
    }
    return err;
}

static crdt_err read_sdk6(scene_import *import, const scene_json_node *node)
{
    static const char *const SKIP[] = {"entities", "components", "assets", SCENE_CARRY,
                                       NULL};
    const scene_json_node *entities = scene_json_find(node, "entities");
    const scene_json_node *components = scene_json_find(node, "components");
    if (entities == NULL || entities->type != SCENE_JSON_OBJECT) {
        return refuse(import, entities != NULL ? entities : node,
                      "the scene needs an object of entities");
    }
    if (components == NULL || components->type != SCENE_JSON_OBJECT) {
        return refuse(import, components != NULL ? components : node,
                      "the scene needs an object of components");
    }
    crdt_err err = put_part(import, "scene", node, SKIP);
    if (err == CRDT_OK) {
        err = put_part(import, "assets", scene_json_find(node, "assets"), NULL);
    }
    const scene_json_node *version =
        scene_json_find(scene_json_root(import->json), "version");
    builder_scene scene = {.entities = entities};
    scene.named = version == NULL || version->type != SCENE_JSON_NUMBER ||
                  version->as.number >= 5;
    scene_text_map_init(&scene.row_of, import->alloc);
    if (err == CRDT_OK) {
        err = read_rows(import, &scene, components);
    }
    if (err == CRDT_OK) {
        err = count_uses(import, &scene);
    }
    if (err == CRDT_OK) {
        err = read_entities(import, &scene);
    }
    if (err == CRDT_OK) {
        err = put_shared(import, &scene);
    }
    if (scene.rows != NULL) {
        crdt_free(import->alloc, scene.rows,
                  (components->count + 1) * sizeof(component_row));
    }
    scene_text_map_deinit(&scene.row_of);
    return err;
}

/* The project, in its own spelling, without what the exporter had to invent. */
typedef struct project_reading {
    scene_import *import;
    bool added;
} project_reading;

static crdt_err put_project_member(void *ctx, crdt_span name,
                                   const scene_json_node *node, crdt_span text)
{
    project_reading *reading = ctx;
    scene_import *import = reading->import;
    crdt_span scene = crdt_span_of(SCENE_NAME_SCENE);
    crdt_span part = crdt_span_of("project");
    if (node != NULL && scene_import_scene_invented(import, "project", name, node)) {
        return CRDT_OK;
    }
    crdt_err err = CRDT_OK;
    if (!reading->added) {
        reading->added = true;
        err = scene_import_add_part(import, scene, part);
    }
    if (err != CRDT_OK) {
        return err;
    }
    return node != NULL ? scene_import_set(import, scene, part, name, node)
                        : scene_import_set_value(import, scene, part, name, text);
}

static crdt_err read_project(scene_import *import, const scene_json_node *project)
{
    const scene_json_node *was = scene_json_find(import->carry, "project");
    if (project == NULL || project->type != SCENE_JSON_OBJECT || was == NULL) {
        return put_part(import, "project", project, NULL);
    }
    project_reading reading = {.import = import};
    if (import->origin == import->format) {
        reading.added = true;
        crdt_err err = scene_import_add_part(import, crdt_span_of(SCENE_NAME_SCENE),
                                             crdt_span_of("project"));
        if (err != CRDT_OK) {
            return err;
        }
    }
    return scene_project_members(import, project, was, put_project_member, &reading);
}

static crdt_err read_sdk7(scene_import *import, const scene_json_node *node)
{
    static const char *const SKIP[] = {"composite", SCENE_CARRY, NULL};
    const scene_json_node *composite = scene_json_find(node, "composite");
    if (composite == NULL || composite->type != SCENE_JSON_OBJECT) {
        return refuse(import, composite != NULL ? composite : node,
                      "a scene of SDK7 needs a composite");
    }
    crdt_err err = put_part(import, "sdk7", node, SKIP);
    return err != CRDT_OK ? err : scene_format_composite_read_node(import, composite);
}

static bool is_object(const scene_json_node *node)
{
    return node != NULL && node->type == SCENE_JSON_OBJECT;
}

crdt_err scene_format_builder_read(scene_import *import)
{
    static const char *const SKIP[] = {"project", "scene", NULL};
    static const char *const SKIP6[] = {"sdk6", NULL};
    static const char *const SKIP7[] = {"sdk7", NULL};
    const scene_json_node *root = scene_json_root(import->json);
    const scene_json_node *scene = scene_json_find(root, "scene");
    if (!is_object(scene)) {
        return refuse(import, scene != NULL ? scene : root,
                      "a manifest of the builder needs a scene");
    }
    const scene_json_node *sdk6 = scene_json_find(scene, "sdk6");
    const scene_json_node *sdk7 = scene_json_find(scene, "sdk7");
    bool wrapped = sdk6 != NULL || sdk7 != NULL;
    bool old = !wrapped || is_object(sdk6);
    const scene_json_node *inner = !wrapped ? scene : old ? sdk6 : sdk7;
    if (!is_object(inner)) {
        return refuse(import, scene, "neither sdk6 nor sdk7 holds a scene");
    }
    crdt_err err = scene_import_open_carry(import, inner);
    if (err == CRDT_OK) {
        err = scene_import_add_object(import, crdt_span_of(SCENE_NAME_SCENE));
    }
    if (err == CRDT_OK) {
        err = put_part(import, "builder", root, SKIP);
    }
    if (err == CRDT_OK) {
        err = read_project(import, scene_json_find(root, "project"));
    }
    if (err == CRDT_OK && wrapped) {
        err = put_part(import, "wrapper", scene, old ? SKIP6 : SKIP7);
    }
    if (err == CRDT_OK) {
        err = scene_import_scene_data(import);
    }
    if (err == CRDT_OK) {
        err = old ? read_sdk6(import, inner) : read_sdk7(import, inner);
    }
    return err;
}
