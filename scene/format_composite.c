#include "scene/format_composite.h"

#include <stdio.h>
#include <string.h>

#include "scene/text_map.h"

/* The components that the SDK defines, without `core::`; strictly ascending. */
static const char *const CORE[] = {
    "Animator",
    "AssetLoad",
    "AssetLoadLoadingState",
    "AudioAnalysis",
    "AudioEffectZone",
    "AudioEvent",
    "AudioSource",
    "AudioStream",
    "AvatarAttach",
    "AvatarBase",
    "AvatarCustomization",
    "AvatarCustomizations",
    "AvatarEmoteCommand",
    "AvatarEmoteMask",
    "AvatarEquippedData",
    "AvatarFreezeMovement",
    "AvatarLocomotionSettings",
    "AvatarMask",
    "AvatarModifierArea",
    "AvatarMovement",
    "AvatarMovementInfo",
    "AvatarNametag",
    "AvatarPhysicsImpulse",
    "AvatarShape",
    "Billboard",
    "CameraDirector",
    "CameraLayer",
    "CameraLayers",
    "CameraMode",
    "CameraModeArea",
    "DelayedInterpolation",
    "EngineInfo",
    "GlobalLight",
    "GltfContainer",
    "GltfContainerLoadingState",
    "GltfNode",
    "GltfNodeModifiers",
    "GltfNodeState",
    "InputModifier",
    "Light",
    "LightSource",
    "MainCamera",
    "MapPin",
    "Material",
    "MeshCollider",
    "MeshRenderer",
    "MobileInputControls",
    "NetworkEntity",
    "NftShape",
    "ParticleSystem",
    "PhysicsCombinedForce",
    "PhysicsCombinedImpulse",
    "PhysicsForce",
    "PhysicsImpulse",
    "PhysicsTotalForce",
    "PhysicsTotalImpulse",
    "PlayerIdentityData",
    "PlayerInputMovement",
    "PlayerVoiceState",
    "PointerEvents",
    "PointerEventsResult",
    "PointerHoverFeedback",
    "PointerInfo",
    "PointerLock",
    "PrimaryPointerInfo",
    "Raycast",
    "RaycastResult",
    "RealmInfo",
    "Skybox",
    "SkyboxTime",
    "SyncedClock",
    "TextShape",
    "TextureCamera",
    "TimeComponent",
    "TouchButton",
    "TouchScreenControls",
    "TouchscreenInputControls",
    "Transform",
    "TriggerArea",
    "TriggerAreaResult",
    "Tween",
    "TweenSequence",
    "TweenState",
    "UiBackground",
    "UiCanvas",
    "UiCanvasInformation",
    "UiDropdown",
    "UiDropdownResult",
    "UiInput",
    "UiInputResult",
    "UiScrollResult",
    "UiText",
    "UiTransform",
    "VideoEvent",
    "VideoPlayer",
    "VirtualCamera",
    "VisibilityComponent",
    "WorldUi",
};
#define CORE_COUNT (sizeof(CORE) / sizeof(CORE[0]))

static bool starts_with(crdt_span text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

bool scene_format_composite_is_core(crdt_span type)
{
    if (!starts_with(type, "core::")) {
        return false;
    }
    crdt_span name = {type.data + 6, type.size - 6};
    for (size_t i = 0; i < CORE_COUNT; i++) {
        if (crdt_span_equal(name, crdt_span_of(CORE[i]))) {
            return true;
        }
    }
    return false;
}

/* ---- reading ---- */

static crdt_err refuse(scene_import *import, const scene_json_node *node,
                       const char *reason)
{
    return scene_json_refuse(import->json, node, import->diag, CRDT_ECORRUPT, "%s",
                             reason);
}

static crdt_span without_suffix(crdt_span text, const char *suffix)
{
    size_t size = strlen(suffix);
    if (text.size > size && memcmp(text.data + text.size - size, suffix, size) == 0) {
        text.size -= size;
    }
    return text;
}

static bool same_but_slashes(crdt_span flat, crdt_span path)
{
    /* "a__b.composite" is how collections of files spell "a/b.composite". */
    size_t at = 0;
    for (size_t i = 0; i < path.size; i++) {
        size_t size = path.data[i] == '/' ? 2 : 1;
        const uint8_t *wanted =
            path.data[i] == '/' ? (const uint8_t *)"__" : path.data + i;
        if (flat.size - at < size || memcmp(flat.data + at, wanted, size) != 0) {
            return false;
        }
        at += size;
    }
    return at == flat.size;
}

/* Does `src` name the file that is read? Its path may be longer than `src` says. */
static bool names_file(crdt_span file, crdt_span src)
{
    file = without_suffix(file, ".json");
    src = without_suffix(src, ".json");
    while (starts_with(src, "./")) {
        src.data += 2;
        src.size -= 2;
    }
    for (size_t i = 0; i <= file.size && src.size > 0; i++) {
        bool begin = i == 0 || file.data[i - 1] == '/' ||
                     (i >= 2 && memcmp(file.data + i - 2, "__", 2) == 0);
        crdt_span tail = {file.data + i, file.size - i};
        if (begin && (crdt_span_equal(tail, src) || same_but_slashes(tail, src))) {
            return true;
        }
    }
    return false;
}

bool scene_format_composite_needs_schema(crdt_span type)
{
    static const char *const EDITOR[] = {
        "core::", "inspector::", "asset-packs::", "core-schema::", "composite::"};
    for (size_t i = 0; i < sizeof(EDITOR) / sizeof(EDITOR[0]); i++) {
        if (starts_with(type, EDITOR[i])) {
            return false;
        }
    }
    return true;
}

static crdt_err check_column(scene_import *import, const scene_json_node *column)
{
    const scene_json_node *name = scene_json_find(column, "name");
    if (column->type != SCENE_JSON_OBJECT || name == NULL ||
        name->type != SCENE_JSON_STRING) {
        return refuse(import, column, "a column of components needs a name");
    }
    crdt_span type = scene_json_text(name);
    int shown = type.size < 60 ? (int)type.size : 60;
    if (starts_with(type, "core::") && !scene_format_composite_is_core(type)) {
        return scene_json_refuse(import->json, name, import->diag, CRDT_ECORRUPT,
                                 "%.*s is no component of the SDK", shown,
                                 (const char *)type.data);
    }
    if (scene_format_composite_needs_schema(type) &&
        scene_json_find(column, "jsonSchema") == NULL) {
        return scene_json_refuse(import->json, name, import->diag, CRDT_ECORRUPT,
                                 "the component %.*s needs a jsonSchema", shown,
                                 (const char *)type.data);
    }
    return CRDT_OK;
}

/* A composite may not contain itself. */
static crdt_err check_root(scene_import *import, crdt_span type,
                           const scene_json_node *value)
{
    if (import->file_name == NULL ||
        !crdt_span_equal(type, crdt_span_of("composite::root"))) {
        return CRDT_OK;
    }
    const scene_json_node *src = scene_json_find(value, "src");
    if (src != NULL && src->type == SCENE_JSON_STRING &&
        names_file(crdt_span_of(import->file_name), scene_json_text(src))) {
        return refuse(import, src, "the composite contains itself");
    }
    return CRDT_OK;
}

/* A composite that is being read. */
typedef struct composite_read {
    scene_import *import;
    const scene_json_node *columns;
    bool native;               /* it comes from no other format */
    scene_text_map seen;       /* entities added */
    scene_text_map columns_of; /* type -> its columns */
    scene_text_map counted;    /* of repeated types: type FF entity -> values so far */
} composite_read;

/* One column of it. */
typedef struct column_state {
    const scene_json_node *node;
    crdt_span type;              /* as the origin spells it */
    uint32_t number;             /* among the columns of its type, from 1 */
    bool repeated;               /* the type has other columns too */
    const scene_json_node *kind; /* its "$case", NULL: none */
} column_state;

static crdt_err put_case(scene_import *import, crdt_span entity, crdt_span part,
                         const column_state *column, const scene_json_node *kind)
{
    static const scene_json_node NONE = {.type = SCENE_JSON_BOOL};
    bool same = kind == NULL ? column->kind == NULL
                             : column->kind != NULL &&
                                   scene_import_equal(import, kind, column->kind);
    if (same) {
        return CRDT_OK;
    }
    return scene_import_set(import, entity, part, crdt_span_of(SCENE_NAME_CASE),
                            kind != NULL ? kind : &NONE);
}

/* A value with the bytes of a component: they are kept as the text they are. */
static crdt_err put_binary(scene_import *import, crdt_span entity, crdt_span part,
                           const scene_import_component *component)
{
    const scene_json_node *binary = scene_json_find(component->record, "binary");
    if (binary == NULL || binary->type != SCENE_JSON_STRING) {
        return refuse(import, component->record, "a value needs json, or binary text");
    }
    crdt_err err = scene_import_add_part(import, entity, part);
    if (err == CRDT_OK) {
        err = scene_import_set(import, entity, part, crdt_span_of(SCENE_NAME_BINARY),
                               binary);
    }
    return err != CRDT_OK ? err
                          : scene_import_put_beside(import, entity, part, component);
}

/* The part of the entity for a value of `type`: of repeated columns the n-th. */
static crdt_err value_part(composite_read *read, const column_state *column,
                           crdt_span type, crdt_span entity, crdt_span *part)
{
    *part = type;
    if (!column->repeated) {
        return CRDT_OK;
    }
    scene_import *import = read->import;
    size_t size = type.size + 1 + entity.size;
    uint8_t *key = crdt_arena_alloc(&import->arena, size);
    if (key == NULL) {
        return CRDT_ENOMEM;
    }
    memcpy(key, type.data, type.size);
    key[type.size] = 0xff; /* in no type */
    memcpy(key + type.size + 1, entity.data, entity.size);
    uint64_t *count = NULL;
    crdt_err err =
        scene_text_map_put(&read->counted, (crdt_span){key, size}, 0, &count, NULL);
    if (err == CRDT_OK && ++*count > 1) {
        char mark[24];
        (void)snprintf(mark, sizeof(mark), "\377r%u:", (unsigned)*count);
        *part = scene_import_join(import, mark, type);
        err = part->data != NULL ? CRDT_OK : CRDT_ENOMEM;
    }
    return err;
}

static crdt_err put_value(const composite_read *read, const column_state *column,
                          crdt_span entity, crdt_span part,
                          const scene_import_component *component)
{
    scene_import *import = read->import;
    crdt_err err = component->value != NULL
                       ? scene_import_put_component(import, entity, part, component)
                       : put_binary(import, entity, part, component);
    if (err == CRDT_OK && read->native && column->number > 1) {
        err = scene_import_set_integer(import, entity, part, SCENE_NAME_COLUMN,
                                       column->number);
    }
    if (err == CRDT_OK && read->native) {
        err = put_case(import, entity, part, column,
                       scene_json_find(component->record, "$case"));
    }
    return err;
}

static crdt_err read_value(composite_read *read, const column_state *column,
                           crdt_span entity, const scene_json_node *entry)
{
    static const char *const KNOWN[] = {"$case", "json", NULL};
    static const char *const KNOWN_BINARY[] = {"$case", "binary", NULL};
    scene_import *import = read->import;
    if (entry->type != SCENE_JSON_OBJECT) {
        return refuse(import, entry, "a value must be an object with json or binary");
    }
    scene_import_component component = {.record = entry,
                                        .value = scene_json_find(entry, "json"),
                                        .carry = scene_json_find(entry, SCENE_CARRY),
                                        .numbered = true};
    component.known = component.value != NULL ? KNOWN : KNOWN_BINARY;
    crdt_span type = column->type;
    const scene_json_node *former = scene_json_find(component.carry, "type");
    if (former != NULL && former->type == SCENE_JSON_STRING) {
        type = scene_json_text(former);
    }
    component.base = scene_import_shared_value(import, component.carry, type);
    if (scene_import_is_invented(import, &component)) {
        return CRDT_OK;
    }
    crdt_span part;
    crdt_err err = check_root(import, type, component.value);
    if (err == CRDT_OK) {
        err = value_part(read, column, type, entity, &part);
    }
    return err != CRDT_OK ? err : put_value(read, column, entity, part, &component);
}

static crdt_err put_dangling(scene_import *import, crdt_span entity,
                             const scene_json_node *list)
{
    scene_import_parts parts;
    scene_import_open_parts(import, &parts);
    scene_import_rows rows = scene_import_open_rows(list);
    const scene_json_node *row = rows.row;
    crdt_err err = scene_import_dangling(import, entity, &parts, &rows, true);
    for (uint32_t i = 0; i < parts.count && err == CRDT_OK; i++) {
        if (row[1].as.number >= 0) {
            err = scene_import_set(import, entity, parts.names[i],
                                   crdt_span_of(SCENE_NAME_ORDER), row + 1);
        }
        row = scene_json_next(row);
    }
    return err;
}

/* Add the entity unless it is there. `*entity` is its id: what the number stands for. */
static crdt_err open_entity(composite_read *read, const scene_json_node *key,
                            crdt_span *entity)
{
    scene_import *import = read->import;
    const scene_json_node *carry =
        scene_import_find_number(import, scene_json_text(key));
    const scene_json_node *id = scene_json_find(carry, "id");
    *entity = scene_json_text(id != NULL && id->type == SCENE_JSON_STRING ? id : key);
    bool fresh = false;
    uint64_t number;
    if (!scene_layout_decimal(scene_json_text(key), &number)) {
        return refuse(import, key, "an entity of a composite is a number");
    }
    crdt_err err = scene_import_check_name(import, key, *entity);
    if (err == CRDT_OK) {
        err = scene_text_map_put(&read->seen, *entity, 0, NULL, &fresh);
    }
    if (err != CRDT_OK || !fresh) {
        return err;
    }
    err = scene_import_add_object(import, *entity);
    if (err == CRDT_OK && carry != NULL) {
        err = scene_import_entity_data(import, *entity, NULL, NULL, carry, -1);
    }
    if (err == CRDT_OK && carry != NULL) {
        err = put_dangling(import, *entity, scene_json_find(carry, "dangling"));
    }
    return err;
}

/* The part of the column itself: always in a composite of its own; else only if its
 * schema is none that the exporter would make up. */
static crdt_err put_column(composite_read *read, scene_import_parts *columns,
                           const column_state *column)
{
    const scene_json_node *schema = scene_json_find(column->node, "jsonSchema");
    const scene_json_node *carry = scene_json_find(column->node, SCENE_CARRY);
    bool invented = schema == NULL || scene_json_find(carry, "invented") != NULL;
    if (!read->native && invented) {
        return CRDT_OK;
    }
    crdt_span part;
    return scene_import_put_column(read->import, columns, column->node,
                                   scene_json_find(column->node, "data") == NULL,
                                   column->kind, &part);
}

/* "$case" of the column: as its first value has it, by the order of ids; that of keys is
 * no data. */
static const scene_json_node *column_case(const scene_json_node *data)
{
    const scene_json_node *first = NULL;
    const scene_json_node *key = data != NULL ? data + 1 : NULL;
    for (uint32_t i = 0; data != NULL && i < data->count; i++) {
        if (first == NULL || scene_layout_entity_compare(scene_json_text(key),
                                                         scene_json_text(first)) < 0) {
            first = key;
        }
        key = scene_json_next(key + 1);
    }
    return first != NULL ? scene_json_find(first + 1, "$case") : NULL;
}

static crdt_err read_column(composite_read *read, scene_import_parts *columns,
                            column_state *column)
{
    scene_import *import = read->import;
    const scene_json_node *data = scene_json_find(column->node, "data");
    if (data != NULL && data->type != SCENE_JSON_OBJECT) {
        return refuse(import, data, "the data of a column must be an object");
    }
    column->kind = column_case(data);
    crdt_err err = put_column(read, columns, column);
    const scene_json_node *key = data != NULL ? data + 1 : NULL;
    for (uint32_t i = 0; data != NULL && i < data->count && err == CRDT_OK; i++) {
        crdt_span entity;
        err = open_entity(read, key, &entity);
        if (err == CRDT_OK) {
            err = read_value(read, column, entity, key + 1);
        }
        key = scene_json_next(key + 1);
    }
    return err;
}

/* The type of a column, as the origin spells it. */
static crdt_span column_type(const composite_read *read, const scene_json_node *node)
{
    crdt_span name = scene_json_text(scene_json_find(node, "name"));
    return read->native ? name : scene_layout_translate(name, read->import->origin);
}

static crdt_err count_columns(composite_read *read)
{
    const scene_json_node *node = read->columns + 1;
    for (uint32_t i = 0; i < read->columns->count; i++) {
        crdt_err err = check_column(read->import, node);
        uint64_t *count = NULL;
        if (err == CRDT_OK) {
            err = scene_text_map_put(&read->columns_of, column_type(read, node), 0,
                                     &count, NULL);
        }
        if (err != CRDT_OK) {
            return err;
        }
        ++*count;
        node = scene_json_next(node);
    }
    return CRDT_OK;
}

static crdt_err read_columns(composite_read *read)
{
    scene_import *import = read->import;
    scene_import_parts columns;
    scene_import_open_parts(import, &columns);
    scene_text_map numbers;
    scene_text_map_init(&numbers, import->alloc);
    crdt_err err = count_columns(read);
    const scene_json_node *node = read->columns + 1;
    for (uint32_t i = 0; i < read->columns->count && err == CRDT_OK; i++) {
        column_state column = {.node = node, .type = column_type(read, node)};
        uint64_t *number = NULL;
        err = scene_text_map_put(&numbers, column.type, 0, &number, NULL);
        if (err == CRDT_OK) {
            column.number = (uint32_t)++ * number;
            column.repeated = *scene_text_map_find(&read->columns_of, column.type) > 1;
            err = read_column(read, &columns, &column);
        }
        node = scene_json_next(node);
    }
    scene_text_map_deinit(&numbers);
    if (err == CRDT_OK) {
        err =
            scene_import_order_parts(import, crdt_span_of(SCENE_NAME_SCENE), &columns);
    }
    return err;
}

/* Entities that no column has a value of. */
static crdt_err read_bare_entities(composite_read *read)
{
    const scene_json_node *table = scene_json_find(read->import->carry, "entities");
    bool sound = table != NULL && table->type == SCENE_JSON_OBJECT;
    crdt_err err = CRDT_OK;
    const scene_json_node *key = sound ? table + 1 : NULL;
    for (uint32_t i = 0; sound && i < table->count && err == CRDT_OK; i++) {
        if (scene_json_find(key + 1, "bare") != NULL) {
            crdt_span entity;
            err = open_entity(read, key, &entity);
        }
        key = scene_json_next(key + 1);
    }
    return err;
}

/* Are columns and cases the scene's own: of a composite, or of one in a manifest? */
static bool is_native(const scene_import *import)
{
    const scene_json_node *parts = scene_json_find(import->carry, "parts");
    return import->origin == import->format || scene_json_find(parts, "sdk7") != NULL;
}

crdt_err scene_format_composite_read_node(scene_import *import,
                                          const scene_json_node *root)
{
    static const char *const SKIP[] = {"components", SCENE_CARRY, NULL};
    const scene_json_node *version = scene_json_find(root, "version");
    const scene_json_node *columns = scene_json_find(root, "components");
    if (version == NULL || version->type != SCENE_JSON_NUMBER) {
        return refuse(import, version != NULL ? version : root,
                      "a composite needs the number version");
    }
    if (version->as.number != 1) {
        return scene_json_refuse(import->json, version, import->diag, CRDT_EVERSION,
                                 "version %g of composites is not known, only 1",
                                 version->as.number);
    }
    if (columns == NULL || columns->type != SCENE_JSON_ARRAY) {
        return refuse(import, columns != NULL ? columns : root,
                      "a composite needs a list of components");
    }
    composite_read read = {
        .import = import, .columns = columns, .native = is_native(import)};
    crdt_span scene = crdt_span_of(SCENE_NAME_SCENE);
    crdt_span part = crdt_span_of("composite");
    crdt_err err = CRDT_OK;
    if (read.native) {
        err = scene_import_add_part(import, scene, part);
        if (err == CRDT_OK) {
            err = scene_import_fields(import, scene, part, root, SKIP);
        }
    }
    scene_text_map_init(&read.seen, import->alloc);
    scene_text_map_init(&read.columns_of, import->alloc);
    scene_text_map_init(&read.counted, import->alloc);
    if (err == CRDT_OK) {
        err = read_columns(&read);
    }
    if (err == CRDT_OK) {
        err = read_bare_entities(&read);
    }
    scene_text_map_deinit(&read.seen);
    scene_text_map_deinit(&read.columns_of);
    scene_text_map_deinit(&read.counted);
    return err;
}

crdt_err scene_format_composite_read(scene_import *import)
{
    crdt_err err = scene_import_open_carry(import, scene_json_root(import->json));
    if (err == CRDT_OK) {
        err = scene_import_add_object(import, crdt_span_of(SCENE_NAME_SCENE));
    }
    if (err == CRDT_OK) {
        err = scene_import_scene_data(import);
    }
    return err != CRDT_OK ? err
                          : scene_format_composite_read_node(
                                import, scene_json_root(import->json));
}
