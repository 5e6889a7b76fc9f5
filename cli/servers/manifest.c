#include "cli/servers/manifest.h"

#include "cli/servers/json_put.h"

#include <ctype.h>
#include <math.h>

#define NAME_SHOWN 64 /* bytes of a name in an error */

bool servers_uuid_valid(crdt_span text)
{
    if (text.size != SERVERS_UUID_SIZE - 1) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.data[i] != '-' : !isxdigit(text.data[i])) {
            return false;
        }
    }
    return true;
}

/* ---- the project ---- */

enum { TEXT = 1, NUMBER = 2, BOOL = 4, NONE = 8, UUID = 16, STATUS = 32 };

typedef struct project_member {
    const char *name;
    unsigned types;
    bool required;
    const char *file_name; /* in the spelling of files; NULL: the same */
} project_member;

static const project_member members[] = {
    {"id", UUID, true, NULL},
    {"title", TEXT, true, NULL},
    {"description", TEXT, true, NULL},
    {"scene_id", UUID, true, "sceneId"},
    {"cols", NUMBER, true, NULL},
    {"rows", NUMBER, true, NULL},
    {"thumbnail", TEXT | NONE, false, NULL},
    {"eth_address", TEXT | NONE, false, "ethAddress"},
    {"is_public", BOOL | NONE, false, "isPublic"},
    {"created_at", TEXT | NONE, false, "createdAt"},
    {"updated_at", TEXT | NONE, false, "updatedAt"},
    {"creation_coords", TEXT, false, "creationCoords"},
    {"is_template", BOOL | NONE, false, "isTemplate"},
    {"video", TEXT | NONE, false, NULL},
    {"template_status", STATUS | NONE, false, "templateStatus"},
};
#define MEMBER_COUNT (sizeof members / sizeof members[0])

static bool fits(const scene_json_node *node, unsigned types)
{
    switch ((scene_json_type)node->type) {
    case SCENE_JSON_NULL:
        return (types & NONE) != 0;
    case SCENE_JSON_BOOL:
        return (types & BOOL) != 0;
    case SCENE_JSON_NUMBER:
        return (types & NUMBER) != 0;
    case SCENE_JSON_STRING:
        if ((types & UUID) != 0) {
            return servers_uuid_valid(scene_json_text(node));
        }
        if ((types & STATUS) != 0) {
            return crdt_span_equal(scene_json_text(node), crdt_span_of("active")) ||
                   crdt_span_equal(scene_json_text(node), crdt_span_of("coming_soon"));
        }
        return (types & TEXT) != 0;
    default:
        return false;
    }
}

static const char *type_text(unsigned types)
{
    if ((types & UUID) != 0) {
        return "a UUID";
    }
    if ((types & NUMBER) != 0) {
        return "a number";
    }
    if ((types & BOOL) != 0) {
        return "true, false or null";
    }
    if ((types & STATUS) != 0) {
        return "\"active\", \"coming_soon\" or null";
    }
    return (types & NONE) != 0 ? "a text or null" : "a text";
}

static const project_member *find_member(crdt_span name)
{
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        if (crdt_span_equal(name, crdt_span_of(members[i].name))) {
            return &members[i];
        }
    }
    return NULL;
}

static crdt_err refuse_unknown(const scene_json *json, const scene_json_node *key,
                               crdt_diag *diag)
{
    crdt_span name = scene_json_text(key);
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        if (members[i].file_name != NULL &&
            crdt_span_equal(name, crdt_span_of(members[i].file_name))) {
            return scene_json_refuse(json, key, diag, CRDT_ECORRUPT,
                                     "project.%s is how files spell it; the server's "
                                     "spelling is %s",
                                     members[i].file_name, members[i].name);
        }
    }
    size_t size = name.size < NAME_SHOWN ? name.size : NAME_SHOWN;
    while (size < name.size && size > 0 && (name.data[size] & 0xc0) == 0x80) {
        size--; /* not within a character */
    }
    return scene_json_refuse(json, key, diag, CRDT_ECORRUPT,
                             "project has no property %.*s", (int)size, name.data);
}

crdt_err servers_project_check(const scene_json *json, const scene_json_node *project,
                               crdt_diag *diag)
{
    if (project == NULL || project->type != SCENE_JSON_OBJECT) {
        return scene_json_refuse(json,
                                 project != NULL ? project : scene_json_root(json),
                                 diag, CRDT_ECORRUPT, "project must be an object");
    }
    const scene_json_node *key = project + 1;
    for (uint32_t i = 0; i < project->count; i++) {
        const project_member *member = find_member(scene_json_text(key));
        if (member == NULL) {
            return refuse_unknown(json, key, diag);
        }
        if (!fits(key + 1, member->types)) {
            return scene_json_refuse(json, key + 1, diag, CRDT_ECORRUPT,
                                     "project.%s must be %s", member->name,
                                     type_text(member->types));
        }
        key = scene_json_next(key + 1);
    }
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        if (members[i].required && scene_json_find(project, members[i].name) == NULL) {
            return scene_json_refuse(json, project, diag, CRDT_ECORRUPT,
                                     "project.%s is required", members[i].name);
        }
    }
    return CRDT_OK;
}

/* ---- the manifest ---- */

static bool has_objects(const scene_json_node *holder, const char *a, const char *b)
{
    const scene_json_node *first = scene_json_find(holder, a);
    const scene_json_node *second = scene_json_find(holder, b);
    return first != NULL && first->type == SCENE_JSON_OBJECT && second != NULL &&
           second->type == SCENE_JSON_OBJECT;
}

static crdt_err check_scene(const scene_json *json, const scene_json_node *scene,
                            crdt_diag *diag)
{
    const scene_json_node *sdk6 = scene_json_find(scene, "sdk6");
    const scene_json_node *sdk7 = scene_json_find(scene, "sdk7");
    bool none6 = sdk6 == NULL || sdk6->type == SCENE_JSON_NULL;
    bool none7 = sdk7 == NULL || sdk7->type == SCENE_JSON_NULL;
    bool good;
    if (none6 && none7) {
        good = has_objects(scene, "entities", "components");
    } else {
        good = none6 != none7 && (none6 ? has_objects(sdk7, "composite", "mappings")
                                        : has_objects(sdk6, "entities", "components"));
    }
    return good ? CRDT_OK
                : scene_json_refuse(json, scene, diag, CRDT_ECORRUPT,
                                    "scene must have `entities` and `components`, in "
                                    "itself or in sdk6, or `composite` and `mappings` "
                                    "in sdk7");
}

crdt_err servers_manifest_check(const scene_json *json, const scene_json_node *manifest,
                                crdt_diag *diag)
{
    static const char *const names[] = {"version", "project", "scene"};
    if (manifest == NULL || manifest->type != SCENE_JSON_OBJECT) {
        return scene_json_refuse(
            json, manifest != NULL ? manifest : scene_json_root(json), diag,
            CRDT_ECORRUPT, "the body must be {\"manifest\": {...}}");
    }
    for (size_t i = 0; i < 3; i++) {
        if (scene_json_find(manifest, names[i]) == NULL) {
            return scene_json_refuse(json, manifest, diag, CRDT_ECORRUPT,
                                     "manifest.%s is required", names[i]);
        }
    }
    const scene_json_node *version = scene_json_find(manifest, "version");
    if (manifest->count != 3) {
        return scene_json_refuse(json, manifest, diag, CRDT_ECORRUPT,
                                 "a manifest has version, project and scene, and no "
                                 "other property");
    }
    if (version->type != SCENE_JSON_NUMBER) {
        return scene_json_refuse(json, version, diag, CRDT_ECORRUPT,
                                 "manifest.version must be a number");
    }
    crdt_err err =
        servers_project_check(json, scene_json_find(manifest, "project"), diag);
    return err == CRDT_OK ? check_scene(json, scene_json_find(manifest, "scene"), diag)
                          : err;
}

/* ---- the spelling of files ---- */

static const scene_json_node *find_spelled(const scene_json_node *project,
                                           const project_member *member)
{
    const scene_json_node *node = scene_json_find(project, member->name);
    if (node == NULL && member->file_name != NULL) {
        node = scene_json_find(project, member->file_name);
    }
    if (node == NULL) {
        node = scene_json_find(scene_json_find(project, "layout"), member->name);
    }
    return node;
}

static unsigned layout_number(const scene_json_node *project, const char *name)
{
    const project_member *member = find_member(crdt_span_of(name));
    const scene_json_node *node = find_spelled(project, member);
    if (node == NULL || node->type != SCENE_JSON_NUMBER ||
        floor(node->as.number) != node->as.number || node->as.number < 1 ||
        node->as.number > 100) {
        return 1;
    }
    return (unsigned)node->as.number;
}

void servers_project_layout(const scene_json_node *project, unsigned *rows,
                            unsigned *cols)
{
    *rows = layout_number(project, "rows");
    *cols = layout_number(project, "cols");
}

void servers_project_translate(scene_json_writer *writer,
                               const scene_json_node *project, const char *id)
{
    unsigned rows;
    unsigned cols;
    servers_project_layout(project, &rows, &cols);
    scene_json_writer_object_begin(writer);
    servers_json_text(writer, "id", id);
    for (size_t i = 1; i < MEMBER_COUNT; i++) {
        const project_member *member = &members[i];
        const scene_json_node *node = find_spelled(project, member);
        if (node != NULL && fits(node, member->types) && member->types != NUMBER) {
            scene_json_writer_key(writer, crdt_span_of(member->name));
            servers_json_node(writer, node);
        } else if (member->types == NUMBER) {
            scene_json_writer_key(writer, crdt_span_of(member->name));
            scene_json_writer_integer(writer, member->name[0] == 'r' ? rows : cols);
        } else if (member->required) {
            servers_json_text(writer, member->name, member->types == UUID ? id : "");
        }
    }
    scene_json_writer_object_end(writer);
}
