#include "cli/servers/seed.h"

#include "cli/content/cid.h"
#include "cli/servers/json_put.h"
#include "crdt/op_list.h"
#include "scene/format.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a scene ---- */

/* What is known of a scene file that is to be deployed. */
typedef struct seed_scene {
    servers_api *api;
    crdt_span file;
    scene_format format;
    scene_json *json;               /* a Builder manifest; NULL: another format */
    const scene_json_node *project; /* of it, NULL: none */
    long x;
    long y;
    unsigned rows;
    unsigned cols;
    servers_seed_choice needed; /* models and the like */
} seed_scene;

static const char *file_name_of(scene_format format)
{
    switch (format) {
    case SCENE_FORMAT_BUILDER:
        return "builder.json";
    case SCENE_FORMAT_COMPOSITE:
        return "main.composite";
    default:
        return "scene-state-definition.json";
    }
}

/* Is the file a scene, and in which format? */
static crdt_err recognize(seed_scene *scene, crdt_diag *diag)
{
    scene_format_options options = scene_format_options_default();
    crdt_alloc alloc = scene->api->alloc;
    crdt_op_list ops;
    crdt_op_list_init(&ops, alloc);
    crdt_err err =
        scene_format_read(scene->file, &options, alloc, &ops, &scene->format, diag);
    crdt_op_list_deinit(&ops);
    if (err == CRDT_OK && scene->format == SCENE_FORMAT_BUILDER) {
        scene_json_limits limits = scene_json_limits_default();
        limits.depth_max = SCENE_JSON_DEPTH_MAX;
        err = scene_json_open(&scene->json, alloc, scene->file, &limits, diag);
    }
    if (err == CRDT_OK && scene->json != NULL) {
        scene->project = scene_json_find(scene_json_root(scene->json), "project");
        servers_project_layout(scene->project, &scene->rows, &scene->cols);
    }
    return err;
}

/* The parcels as a list. Builder's own orientation, east: x by rows, y by cols, so that no
 * position changes. */
static void write_parcels(scene_json_writer *writer, const char *key,
                          const seed_scene *scene)
{
    scene_json_writer_key(writer, crdt_span_of(key));
    scene_json_writer_array_begin(writer);
    for (unsigned i = 0; i < scene->rows; i++) {
        for (unsigned j = 0; j < scene->cols; j++) {
            char text[48];
            snprintf(text, sizeof text, "%ld,%ld", scene->x + (long)i,
                     scene->y + (long)j);
            scene_json_writer_string(writer, crdt_span_of(text));
        }
    }
    scene_json_writer_array_end(writer);
}

static void write_number(scene_json_writer *writer, const char *key, long number)
{
    scene_json_writer_key(writer, crdt_span_of(key));
    scene_json_writer_integer(writer, number);
}

/* metadata.source names the project only if it is here: else a loader would look for it
 * in vain. */
static void write_source(scene_json_writer *writer, const seed_scene *scene)
{
    crdt_span id;
    char known[SERVERS_UUID_SIZE] = "";
    servers_caller anybody = {.trusted = true};
    if (servers_json_find_text(scene->project, "id", &id) && servers_uuid_valid(id)) {
        for (size_t i = 0; i < id.size; i++) {
            known[i] = (char)tolower(id.data[i]);
        }
        known[id.size] = '\0';
    }
    scene_json_writer_key(writer, crdt_span_of("source"));
    scene_json_writer_object_begin(writer);
    write_number(writer, "version", 1);
    servers_json_text(writer, "origin", "builder");
    servers_json_text(writer, "rotation", "east");
    scene_json_writer_key(writer, crdt_span_of("point"));
    scene_json_writer_object_begin(writer);
    write_number(writer, "x", scene->x);
    write_number(writer, "y", scene->y);
    scene_json_writer_object_end(writer);
    scene_json_writer_key(writer, crdt_span_of("layout"));
    scene_json_writer_object_begin(writer);
    write_number(writer, "rows", (long)scene->rows);
    write_number(writer, "cols", (long)scene->cols);
    scene_json_writer_object_end(writer);
    if (known[0] != '\0' &&
        servers_project_store_check(scene->api->projects, known, &anybody, false,
                                    NULL) == CRDT_OK) {
        servers_json_text(writer, "projectId", known);
    }
    scene_json_writer_object_end(writer);
}

static void write_metadata(scene_json_writer *writer, const seed_scene *scene)
{
    char base[48];
    snprintf(base, sizeof base, "%ld,%ld", scene->x, scene->y);
    crdt_span title = crdt_span_of(base);
    crdt_span description = crdt_span_of("");
    servers_json_find_text(scene->project, "title", &title);
    servers_json_find_text(scene->project, "description", &description);
    scene_json_writer_object_begin(writer);
    scene_json_writer_key(writer, crdt_span_of("display"));
    scene_json_writer_object_begin(writer);
    servers_json_span(writer, "title", title);
    servers_json_span(writer, "description", description);
    scene_json_writer_object_end(writer);
    scene_json_writer_key(writer, crdt_span_of("contact"));
    scene_json_writer_object_begin(writer);
    servers_json_text(writer, "name", "");
    scene_json_writer_object_end(writer);
    servers_json_text(writer, "owner", "");
    servers_json_text(writer, "main", "bin/game.js");
    scene_json_writer_key(writer, crdt_span_of("tags"));
    scene_json_writer_array_begin(writer);
    scene_json_writer_array_end(writer);
    scene_json_writer_key(writer, crdt_span_of("scene"));
    scene_json_writer_object_begin(writer);
    servers_json_text(writer, "base", base);
    write_parcels(writer, "parcels", scene);
    scene_json_writer_object_end(writer);
    if (scene->project != NULL) {
        write_source(writer, scene);
    }
    scene_json_writer_object_end(writer);
}

static void write_file_entry(scene_json_writer *writer, const char *file,
                             const char *hash)
{
    scene_json_writer_object_begin(writer);
    servers_json_text(writer, "file", file);
    servers_json_text(writer, "hash", hash);
    scene_json_writer_object_end(writer);
}

static void write_entity(scene_json_writer *writer, const seed_scene *scene,
                         const servers_upload *file, const servers_upload *json)
{
    scene_json_writer_object_begin(writer);
    servers_json_text(writer, "version", "v3");
    servers_json_text(writer, "type", "scene");
    scene_json_writer_key(writer, crdt_span_of("timestamp"));
    scene_json_writer_integer(writer, (int64_t)scene->api->now_ms);
    write_parcels(writer, "pointers", scene);
    scene_json_writer_key(writer, crdt_span_of("content"));
    scene_json_writer_array_begin(writer);
    write_file_entry(writer, file_name_of(scene->format), file->cid);
    write_file_entry(writer, "scene.json", json->cid);
    for (size_t i = 0; i < scene->needed.count; i++) {
        write_file_entry(writer, scene->needed.list[i].name, scene->needed.list[i].cid);
    }
    scene_json_writer_array_end(writer);
    scene_json_writer_key(writer, crdt_span_of("metadata"));
    write_metadata(writer, scene);
    scene_json_writer_object_end(writer);
}

/* All that is deployed; of two files with the same bytes one. */
static size_t list_uploads(const seed_scene *scene, const servers_upload own[3],
                           servers_upload *uploads)
{
    size_t count = 3;
    memcpy(uploads, own, 3 * sizeof own[0]);
    for (size_t i = 0; i < scene->needed.count; i++) {
        const servers_seed_file *file = &scene->needed.list[i];
        bool seen = false;
        for (size_t j = 0; j < count && !seen; j++) {
            seen = strcmp(uploads[j].cid, file->cid) == 0;
        }
        if (!seen) {
            uploads[count] = (servers_upload){.content = file->content};
            snprintf(uploads[count++].cid, sizeof uploads[0].cid, "%s", file->cid);
        }
    }
    return count;
}

static crdt_err send(const seed_scene *scene, const servers_upload own[3],
                     crdt_diag *diag)
{
    servers_api *api = scene->api;
    size_t room = 3 + scene->needed.count;
    servers_upload *uploads = crdt_allocate(api->alloc, room * sizeof uploads[0]);
    if (uploads == NULL) {
        return CRDT_ENOMEM;
    }
    uint64_t deployed_ms;
    servers_deployment deployment = {.id = crdt_span_of(own[2].cid),
                                     .uploads = uploads,
                                     .upload_count = list_uploads(scene, own, uploads),
                                     .now_ms = api->now_ms};
    crdt_err err =
        servers_content_store_deploy(api->content, &deployment, &deployed_ms, diag);
    crdt_free(api->alloc, uploads, room * sizeof uploads[0]);
    return err;
}

static crdt_err deploy(const seed_scene *scene, char id[64], crdt_diag *diag)
{
    servers_api *api = scene->api;
    crdt_buf metadata;
    crdt_buf entity;
    crdt_buf_init(&metadata, api->alloc);
    crdt_buf_init(&entity, api->alloc);
    servers_upload uploads[3] = {{.content = scene->file}};
    scene_json_writer writer;
    scene_json_writer_init(&writer, api->alloc, &metadata);
    write_metadata(&writer, scene);
    crdt_err err = writer.err;
    scene_json_writer_deinit(&writer);
    uploads[1].content = crdt_buf_span(&metadata);
    content_cid(uploads[0].content, uploads[0].cid);
    content_cid(uploads[1].content, uploads[1].cid);
    if (err == CRDT_OK) {
        scene_json_writer_init(&writer, api->alloc, &entity);
        write_entity(&writer, scene, &uploads[0], &uploads[1]);
        err = writer.err;
        scene_json_writer_deinit(&writer);
    }
    uploads[2].content = crdt_buf_span(&entity);
    content_cid(uploads[2].content, uploads[2].cid);
    if (err == CRDT_OK) {
        err = send(scene, uploads, diag);
    }
    if (err == CRDT_OK) {
        snprintf(id, 64, "%s", uploads[2].cid);
    }
    crdt_buf_deinit(&entity);
    crdt_buf_deinit(&metadata);
    return err;
}

crdt_err servers_seed_scene(servers_api *api, const char *pointer, crdt_span file,
                            const servers_seed_files *files, char id[64],
                            crdt_diag *diag)
{
    id[0] = '\0';
    if (!servers_pointer_valid(crdt_span_of(pointer))) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "a parcel is X,Y: two whole numbers");
    }
    if (servers_content_store_active(api->content, crdt_span_of(pointer)) != NULL) {
        return CRDT_OK;
    }
    seed_scene scene = {.api = api,
                        .file = file,
                        .rows = 1,
                        .cols = 1,
                        .needed = {.alloc = api->alloc}};
    char *end;
    scene.x = strtol(pointer, &end, 10);
    scene.y = strtol(end + 1, NULL, 10);
    crdt_err err = recognize(&scene, diag);
    if (err == CRDT_OK) {
        err = servers_seed_choice_make(&scene.needed, files, api->alloc, file, diag);
    }
    if (err == CRDT_OK) {
        err = deploy(&scene, id, diag);
    }
    servers_seed_choice_deinit(&scene.needed);
    scene_json_close(scene.json);
    return err;
}

/* ---- a project ---- */

static crdt_err translate(servers_api *api, const char *id, crdt_span file,
                          crdt_buf *out, crdt_diag *diag)
{
    scene_json *json = NULL;
    crdt_err err = scene_json_open(&json, api->alloc, file, NULL, diag);
    if (err != CRDT_OK) {
        return err;
    }
    static const char *const apart[] = {"project", NULL};
    const scene_json_node *root = scene_json_root(json);
    const scene_json_node *project = scene_json_find(root, "project");
    if (project == NULL || project->type != SCENE_JSON_OBJECT) {
        err = scene_json_refuse(json, root, diag, CRDT_ECORRUPT,
                                "it is no Builder manifest: {version, project, scene}");
    } else {
        scene_json_writer writer;
        scene_json_writer_init(&writer, api->alloc, out);
        scene_json_writer_object_begin(&writer);
        servers_json_members(&writer, root, apart);
        scene_json_writer_key(&writer, crdt_span_of("project"));
        servers_project_translate(&writer, project, id);
        scene_json_writer_object_end(&writer);
        err = writer.err;
        scene_json_writer_deinit(&writer);
    }
    scene_json_close(json);
    return err;
}

crdt_err servers_seed_project(servers_api *api, const char *id, crdt_span file,
                              bool *fresh, crdt_diag *diag)
{
    char known[SERVERS_UUID_SIZE];
    *fresh = false;
    if (!servers_uuid_valid(crdt_span_of(id))) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the id of a project is a UUID");
    }
    for (size_t i = 0; i < sizeof known; i++) {
        known[i] = (char)tolower((unsigned char)id[i]);
    }
    servers_caller caller = {
        .owner = SERVERS_OWNER_LOCAL, .trusted = true, .now_ms = api->now_ms};
    if (servers_project_store_check(api->projects, known, &caller, false, NULL) ==
        CRDT_OK) {
        return CRDT_OK;
    }
    crdt_buf text;
    crdt_buf row;
    crdt_buf_init(&text, api->alloc);
    crdt_buf_init(&row, api->alloc);
    scene_json *json = NULL;
    crdt_err err = translate(api, known, file, &text, diag);
    if (err == CRDT_OK) {
        err = scene_json_open(&json, api->alloc, crdt_buf_span(&text), NULL, diag);
    }
    if (err == CRDT_OK) {
        err = servers_manifest_check(json, scene_json_root(json), diag);
    }
    if (err == CRDT_OK) {
        servers_project_put put = {
            .json = json,
            .manifest = scene_json_root(json),
            .project = scene_json_find(scene_json_root(json), "project")};
        err =
            servers_project_store_put(api->projects, known, &put, &caller, &row, diag);
        *fresh = err == CRDT_OK;
    }
    scene_json_close(json);
    crdt_buf_deinit(&row);
    crdt_buf_deinit(&text);
    return err;
}
