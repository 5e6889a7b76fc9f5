#include "scene/format_state.h"

#include <string.h>

#include "crdt/template.h"
#include "scene/text_map.h"

/* ---- reading ---- */

static crdt_err refuse(scene_import *import, const scene_json_node *node,
                       const char *reason)
{
    return scene_json_refuse(import->json, node, import->diag, CRDT_ECORRUPT, "%s",
                             reason);
}

static crdt_err read_component(scene_import *import, crdt_span entity,
                               scene_import_parts *parts, const scene_json_node *record)
{
    static const char *const KNOWN[] = {"type", "value", NULL};
    const scene_json_node *type = scene_json_find(record, "type");
    if (record->type != SCENE_JSON_OBJECT || type == NULL ||
        type->type != SCENE_JSON_STRING) {
        return refuse(import, record, "a component must be an object with a type");
    }
    scene_import_component component = {.record = record,
                                        .known = KNOWN,
                                        .value = scene_json_find(record, "value"),
                                        .carry = scene_json_find(record, SCENE_CARRY)};
    if (scene_import_is_invented(import, &component)) {
        return CRDT_OK;
    }
    crdt_span name = scene_json_text(type);
    const scene_json_node *former = scene_json_find(component.carry, "type");
    if (former != NULL && former->type == SCENE_JSON_STRING) {
        name = scene_json_text(former);
    } else if (import->origin != import->format) {
        name = scene_layout_translate(name, import->origin);
    }
    component.base = scene_import_shared_value(import, component.carry, name);
    crdt_span part;
    crdt_err err = scene_import_check_name(import, type, name);
    if (err == CRDT_OK) {
        err = scene_import_next_part(import, parts, name, &part);
    }
    return err != CRDT_OK
               ? err
               : scene_import_put_component(import, entity, part, &component);
}

/* Read the carried components whose place in the list has come. */
static crdt_err read_carried(scene_import *import, crdt_span entity,
                             scene_import_parts *parts, scene_import_rows *rows,
                             bool rest)
{
    while (rows->left > 0) {
        const scene_json_node *row = rows->row;
        if (row->type != SCENE_JSON_ARRAY || row->count != 2 ||
            row[1].type != SCENE_JSON_NUMBER) {
            return refuse(import, row,
                          "a carried component is a pair [place, component]");
        }
        if (!rest && row[1].as.number > (double)parts->count) {
            break;
        }
        crdt_err err = read_component(import, entity, parts, row + 2);
        if (err != CRDT_OK) {
            return err;
        }
        rows->row = scene_json_next(row);
        rows->left--;
    }
    return CRDT_OK;
}

/* What `scenesync` of an entity has to put between the components that are listed. */
typedef struct between {
    scene_import_rows dangling;
    scene_import_rows carried;
} between;

/* Put what has its place here; `rest`: and all that is left. */
static crdt_err read_between(scene_import *import, crdt_span entity,
                             scene_import_parts *parts, between *rows, bool rest)
{
    crdt_err err = CRDT_OK;
    for (uint32_t before = UINT32_MAX; before != parts->count && err == CRDT_OK;) {
        before = parts->count;
        err = scene_import_dangling(import, entity, parts, &rows->dangling, false);
        if (err == CRDT_OK) {
            err = read_carried(import, entity, parts, &rows->carried, false);
        }
    }
    if (err == CRDT_OK && rest) {
        err = scene_import_dangling(import, entity, parts, &rows->dangling, true);
    }
    if (err == CRDT_OK && rest) {
        err = read_carried(import, entity, parts, &rows->carried, true);
    }
    return err;
}

static crdt_err read_components(scene_import *import, crdt_span entity,
                                const scene_json_node *list,
                                const scene_json_node *carry)
{
    scene_import_parts parts;
    scene_import_open_parts(import, &parts);
    between rows = {scene_import_open_rows(scene_json_find(carry, "dangling")),
                    scene_import_open_rows(scene_json_find(carry, "components"))};
    crdt_err err = CRDT_OK;
    const scene_json_node *record = list + 1;
    for (uint32_t i = 0; i < list->count && err == CRDT_OK; i++) {
        err = read_between(import, entity, &parts, &rows, false);
        if (err == CRDT_OK) {
            err = read_component(import, entity, &parts, record);
        }
        record = scene_json_next(record);
    }
    if (err == CRDT_OK) {
        err = read_between(import, entity, &parts, &rows, true);
    }
    return err != CRDT_OK ? err : scene_import_order_parts(import, entity, &parts);
}

/* ---- the plain entity ----
 *
 * Most records have an id and components, these a type and an object as value, in the
 * default order, and nothing else: then there is nothing to look for. */

static inline bool is_key(const scene_json_node *key, const char *text)
{
    return crdt_span_equal(scene_json_text(key), crdt_span_of(text));
}

/* The value of `first` and of `second` if these are all members; false: they are not. */
static inline bool find_pair(const scene_json_node *object, const char *first,
                             const char *second, const scene_json_node *values[2])
{
    if (object->type != SCENE_JSON_OBJECT || object->count != 2) {
        return false;
    }
    const scene_json_node *a = object + 1;
    const scene_json_node *b = scene_json_next(a + 1);
    bool swapped = is_key(b, first);
    values[0] = swapped ? b + 1 : a + 1;
    values[1] = swapped ? a + 1 : b + 1;
    return is_key(swapped ? b : a, first) && is_key(swapped ? a : b, second);
}

/* Is the record plain, all of it? */
static bool is_plain(const scene_import *import, const scene_json_node *record)
{
    const scene_json_node *members[2];
    if (import->origin != import->format ||
        !find_pair(record, "components", "id", members) ||
        members[0]->type != SCENE_JSON_ARRAY) {
        return false;
    }
    crdt_span before = {NULL, 0};
    const scene_json_node *component = members[0] + 1;
    for (uint32_t i = 0; i < members[0]->count; i++) {
        const scene_json_node *pair[2];
        if (!find_pair(component, "type", "value", pair) ||
            pair[0]->type != SCENE_JSON_STRING || pair[1]->type != SCENE_JSON_OBJECT) {
            return false;
        }
        const crdt_span type = scene_json_text(pair[0]);
        if (i > 0 && scene_layout_component_compare(before, type) >= 0) {
            return false;
        }
        before = type;
        component = scene_json_next(component);
    }
    return true;
}

static crdt_err read_plain_component(scene_import *import, crdt_span entity,
                                     const scene_json_node *type,
                                     const scene_json_node *value)
{
    const crdt_span part = scene_json_text(type);
    crdt_err err = scene_import_check_name(import, type, part);
    err = err != CRDT_OK ? err : scene_import_add_part(import, entity, part);
    return err != CRDT_OK ? err
                          : scene_import_fields(import, entity, part, value, NULL);
}

static crdt_err read_plain_entity(scene_import *import, const scene_json_node *record)
{
    const scene_json_node *members[2] = {NULL, NULL};
    (void)find_pair(record, "components", "id", members);
    const crdt_span entity = scene_json_text(members[1]);
    crdt_err err = scene_import_add_object(import, entity);
    const scene_json_node *component = members[0] + 1;
    for (uint32_t i = 0; i < members[0]->count && err == CRDT_OK; i++) {
        const scene_json_node *pair[2] = {NULL, NULL};
        (void)find_pair(component, "type", "value", pair);
        err = read_plain_component(import, entity, pair[0], pair[1]);
        component = scene_json_next(component);
    }
    return err;
}

/* ---- entities ---- */

static crdt_err read_entity(scene_import *import, const scene_json_node *record,
                            int64_t order)
{
    if (order < 0 && is_plain(import, record)) {
        return read_plain_entity(import, record);
    }
    static const char *const SKIP[] = {"id", "components", SCENE_CARRY, NULL};
    crdt_span id = scene_json_text(scene_json_find(record, "id"));
    const scene_json_node *components = scene_json_find(record, "components");
    if (components == NULL || components->type != SCENE_JSON_ARRAY) {
        return refuse(import, record, "an entity needs a list of components");
    }
    const scene_json_node *carry = scene_json_find(record, SCENE_CARRY);
    crdt_err err = scene_import_add_object(import, id);
    if (err == CRDT_OK) {
        err = scene_import_entity_data(import, id, record, SKIP, carry, order);
    }
    if (err == CRDT_OK) {
        err = read_components(import, id, components, carry);
    }
    return err;
}

/* Has every entity an id? Do they come in the default order, and ascend? */
static crdt_err check_ids(scene_import *import, const scene_json_node *list,
                          bool *ordered, bool *ascending)
{
    *ordered = true;
    *ascending = true;
    crdt_span before = {NULL, 0};
    const scene_json_node *record = list + 1;
    for (uint32_t i = 0; i < list->count; i++) {
        const scene_json_node *id = scene_json_find(record, "id");
        if (id == NULL || id->type != SCENE_JSON_STRING) {
            return refuse(import, record, "an entity must be an object with an id");
        }
        crdt_span text = scene_json_text(id);
        crdt_err err = scene_import_check_name(import, id, text);
        if (err != CRDT_OK) {
            return err;
        }
        int order = i == 0 ? -1 : scene_layout_entity_compare(before, text);
        *ordered = *ordered && order <= 0;
        *ascending = *ascending && order < 0;
        before = text;
        record = scene_json_next(record);
    }
    return CRDT_OK;
}

/* Has every entity an id of its own? Those that ascend do. */
static crdt_err check_twins(scene_import *import, const scene_json_node *list)
{
    scene_text_map seen;
    scene_text_map_init(&seen, import->alloc);
    crdt_err err = CRDT_OK;
    const scene_json_node *record = list + 1;
    for (uint32_t i = 0; i < list->count && err == CRDT_OK; i++) {
        const scene_json_node *id = scene_json_find(record, "id");
        bool fresh = false;
        err = scene_text_map_put(&seen, scene_json_text(id), i, NULL, &fresh);
        if (err == CRDT_OK && !fresh) {
            err = refuse(import, id, "two entities have this id");
        }
        record = scene_json_next(record);
    }
    scene_text_map_deinit(&seen);
    return err;
}

static crdt_err read_entities(scene_import *import, const scene_json_node *list)
{
    bool ordered = true;
    bool ascending = true;
    crdt_err err = check_ids(import, list, &ordered, &ascending);
    if (err == CRDT_OK && !ascending) {
        err = check_twins(import, list);
    }
    const scene_json_node *record = list + 1;
    for (uint32_t i = 0; i < list->count && err == CRDT_OK; i++) {
        err = read_entity(import, record, ordered ? -1 : (int64_t)i);
        crdt_arena_reset(&import->arena);
        record = scene_json_next(record);
    }
    return err;
}

/* The fields of the file itself. A file that comes from another format has no more than
 * the version, which says nothing. */
static crdt_err read_fields(scene_import *import, const scene_json_node *root)
{
    static const char *const SKIP[] = {"entities", "conflicts", SCENE_CARRY, NULL};
    static const char *const SKIP_FOREIGN[] = {"entities", "conflicts", SCENE_CARRY,
                                               "schemaVersion", NULL};
    bool native = import->origin == import->format;
    crdt_span scene = crdt_span_of(SCENE_NAME_SCENE);
    crdt_span part = crdt_span_of("state");
    uint32_t known = 0;
    const char *const *skip = native ? SKIP : SKIP_FOREIGN;
    for (size_t i = 0; skip[i] != NULL; i++) {
        known += scene_json_find(root, skip[i]) != NULL ? 1 : 0;
    }
    if (known == root->count) {
        return CRDT_OK;
    }
    crdt_err err = scene_import_add_part(import, scene, part);
    return err != CRDT_OK ? err : scene_import_fields(import, scene, part, root, skip);
}

/* Our own names come last: so the template mostly finds all in order. */
static crdt_err read_scene(scene_import *import, const scene_json_node *root)
{
    crdt_err err = scene_import_add_object(import, crdt_span_of(SCENE_NAME_SCENE));
    if (err == CRDT_OK) {
        err = read_fields(import, root);
    }
    return err != CRDT_OK ? err : scene_import_scene_data(import);
}

crdt_err scene_format_state_read(scene_import *import)
{
    const scene_json_node *root = scene_json_root(import->json);
    const scene_json_node *version = scene_json_find(root, "schemaVersion");
    const scene_json_node *entities = scene_json_find(root, "entities");
    if (version == NULL || version->type != SCENE_JSON_NUMBER) {
        return refuse(import, version != NULL ? version : root,
                      "a scene state needs the number schemaVersion");
    }
    if (version->as.number != 1) {
        return scene_json_refuse(import->json, version, import->diag, CRDT_EVERSION,
                                 "schemaVersion %g is not known, only 1",
                                 version->as.number);
    }
    if (entities == NULL || entities->type != SCENE_JSON_ARRAY) {
        return refuse(import, entities != NULL ? entities : root,
                      "a scene state needs a list of entities");
    }
    crdt_err err = scene_import_open_carry(import, root);
    if (err == CRDT_OK) {
        err = read_entities(import, entities);
    }
    return err != CRDT_OK ? err : read_scene(import, root);
}

/* ---- entity by entity ---- */

typedef struct each_entity {
    scene_import *import;
    crdt_buf before; /* the id of the last one */
    bool any;
} each_entity;

/* CRDT_ENOTFOUND: this text is no such. */
static crdt_err take_entity(void *ctx, const scene_json *json,
                            const scene_json_node *record)
{
    each_entity *each = ctx;
    scene_import *import = each->import;
    const scene_json_node *id = scene_json_find(record, "id");
    import->json = json;
    if (id == NULL || id->type != SCENE_JSON_STRING ||
        scene_import_check_name(import, id, scene_json_text(id)) != CRDT_OK ||
        (each->any && scene_layout_entity_compare(crdt_buf_span(&each->before),
                                                  scene_json_text(id)) >= 0)) {
        return CRDT_ENOTFOUND;
    }
    crdt_buf_clear(&each->before);
    crdt_err err = crdt_buf_append_span(&each->before, scene_json_text(id));
    each->any = true;
    err = err != CRDT_OK ? err : read_entity(import, record, -1);
    crdt_arena_reset(&import->arena);
    return err == CRDT_OK || err == CRDT_ENOMEM ? err : CRDT_ENOTFOUND;
}

/* Is what stands around the entities what was taken for granted while they were read? */
static bool is_native(const scene_json_node *root)
{
    static const char *const FOREIGN[] = {"format", "shared", "entities"};
    const scene_json_node *version = scene_json_find(root, "schemaVersion");
    const scene_json_node *entities = scene_json_find(root, "entities");
    const scene_json_node *carry = scene_json_find(root, SCENE_CARRY);
    for (size_t i = 0; i < sizeof(FOREIGN) / sizeof(FOREIGN[0]); i++) {
        if (scene_json_find(carry, FOREIGN[i]) != NULL) {
            return false;
        }
    }
    return version != NULL && version->type == SCENE_JSON_NUMBER &&
           version->as.number == 1 && entities != NULL &&
           entities->type == SCENE_JSON_ARRAY;
}

/* What was listed goes to the planter in key order. */
static crdt_err hand_over(const crdt_op_list *ops, crdt_planter *planter)
{
    crdt_arena arena;
    crdt_batch batch;
    crdt_arena_init(&arena, ops->alloc);
    crdt_err err = crdt_template_make(ops->ops, ops->op_count, &arena, &batch, NULL);
    if (err == CRDT_OK) {
        err = crdt_planter_put(planter, batch.ops, batch.op_count);
    }
    crdt_arena_deinit(&arena);
    return err;
}

/* What comes after the last entity, out of what was kept of the text. */
static crdt_err read_rest(scene_import *import, const scene_json *json)
{
    crdt_planter *planter = import->planter;
    import->json = json;
    import->planter = NULL;
    crdt_err err = scene_import_open_carry(import, scene_json_root(json));
    err = err != CRDT_OK ? err : read_scene(import, scene_json_root(json));
    import->json = NULL;
    import->planter = planter;
    return err != CRDT_OK || planter == NULL ? err : hand_over(import->ops, planter);
}

crdt_err scene_format_state_read_each(scene_import *import, crdt_span text,
                                      const scene_json_limits *limits,
                                      scene_json **json, bool *done)
{
    each_entity each = {.import = import};
    const scene_json_each elements = {
        .key = "entities", .ctx = &each, .take = take_entity};
    scene_json *read = NULL;
    *done = false;
    import->format = SCENE_FORMAT_STATE;
    import->origin = SCENE_FORMAT_STATE;
    import->diag = NULL;
    crdt_buf_init(&each.before, import->alloc);
    crdt_err err =
        scene_json_open_each(&read, import->alloc, text, limits, &elements, NULL);
    crdt_buf_deinit(&each.before);
    if (err == CRDT_OK && !each.any) {
        *json = read; /* there was nothing to hand out: all of it is here */
        return CRDT_OK;
    }
    if (err == CRDT_OK) {
        *done = is_native(scene_json_root(read)) &&
                (err = read_rest(import, read)) == CRDT_OK;
        scene_json_close(read);
    }
    return err == CRDT_ENOMEM ? err : CRDT_OK;
}
