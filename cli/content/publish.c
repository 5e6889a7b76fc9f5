#include "cli/content/publish.h"

#include "cli/content/deploy.h"
#include "cli/content/entity_text.h"
#include "cli/content/preparation.h"
#include "cli/content/published_scene.h"
#include "crdt/value.h"
#include "scene/json_writer.h"

#include <stdio.h>
#include <stdlib.h>

#define ASSETS_A_CALL 16
#define TEXT_MAX 4096u /* bytes of a title or a description */

content_publish_options content_publish_options_default(void)
{
    return (content_publish_options){.alloc = crdt_alloc_default(),
                                     .timeout_ms = 30000};
}

/* What one preparation works with. */
typedef struct publish_job {
    const content_publish_options *options;
    const content_publish_scene *wanted; /* NULL: unpublish */
    content_parcel pointer;
    content_parcel base;
    content_prepared prepared;
    content_deployed former;
    content_published_scene scene;
    scene_text_map sources; /* names and folders that the scene itself names */
    crdt_arena arena;
    crdt_diag *diag;
} publish_job;

/* ---- what was asked for ---- */

static crdt_err check_options(const content_publish_options *options,
                              const char *pointer, content_parcel *parcel,
                              crdt_diag *diag)
{
    if (options->content_url == NULL) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "there is no content server to publish to");
    }
    if (options->folder == NULL) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "there is no folder for what is prepared");
    }
    if (!content_parcel_parse(crdt_span_of(pointer), parcel)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "`%.40s` is no place \"X,Y\" to publish at", pointer);
    }
    return CRDT_OK;
}

static crdt_err check_text(const char *text, const char *what, crdt_diag *diag)
{
    crdt_span span = crdt_span_of(text != NULL ? text : "");
    bool good = span.size <= TEXT_MAX && crdt_utf8_valid(span, NULL);
    return good ? CRDT_OK
                : crdt_diag_set(diag, CRDT_EINVAL, 0,
                                "the %s has up to %u bytes of UTF-8", what, TEXT_MAX);
}

static crdt_err check_scene(const content_publish_scene *scene, crdt_diag *diag)
{
    static const char PNG[] = "\x89PNG\r\n\x1a\n";
    crdt_err err = check_text(scene->title, "title", diag);
    err = err == CRDT_OK ? check_text(scene->description, "description", diag) : err;
    err = err == CRDT_OK ? check_text(scene->project, "project", diag) : err;
    if (err == CRDT_OK && scene->thumbnail.size > 0 &&
        (scene->thumbnail.size < 8 || memcmp(scene->thumbnail.data, PNG, 8) != 0)) {
        err = crdt_diag_set(diag, CRDT_EINVAL, 0, "the thumbnail is no PNG picture");
    }
    return err;
}

/* ---- where it lies ---- */

static const scene_json_node *former_metadata(const publish_job *job)
{
    const scene_json_node *node = job->former.entity != NULL
                                      ? scene_json_find(job->former.entity, "metadata")
                                      : NULL;
    return node != NULL && node->type == SCENE_JSON_OBJECT ? node : NULL;
}

static crdt_err former_parcels(publish_job *job, content_parcels *parcels)
{
    const scene_json_node *list = scene_json_find(job->former.entity, "pointers");
    const scene_json_node *node = list + 1;
    if (list->count > CONTENT_PARCELS_MAX) {
        return crdt_diag_set(job->diag, CRDT_ELIMIT, 0,
                             "the deployed scene lies on more than %u parcels",
                             CONTENT_PARCELS_MAX);
    }
    parcels->count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (node->type != SCENE_JSON_STRING ||
            !content_parcel_parse(scene_json_text(node),
                                  &parcels->list[parcels->count++])) {
            return crdt_diag_set(job->diag, CRDT_ECORRUPT, 0,
                                 "the deployed scene has pointers that are none");
        }
        node = scene_json_next(node);
    }
    return CRDT_OK;
}

/* The base parcel stays what it was, where it is still part of the scene. */
static void choose_base(publish_job *job)
{
    const scene_json_node *metadata = former_metadata(job);
    const scene_json_node *land =
        metadata != NULL ? scene_json_find(metadata, "scene") : NULL;
    const scene_json_node *base = land != NULL ? scene_json_find(land, "base") : NULL;
    content_parcel parcel;
    job->base = job->pointer;
    if (base != NULL && base->type == SCENE_JSON_STRING &&
        content_parcel_parse(scene_json_text(base), &parcel) &&
        content_parcels_have(&job->prepared.parcels, parcel)) {
        job->base = parcel;
    }
}

static crdt_err choose_parcels(publish_job *job)
{
    content_parcels *parcels = &job->prepared.parcels;
    const char *given = job->wanted != NULL ? job->wanted->parcels : NULL;
    crdt_err err = CRDT_OK;
    if (given != NULL) {
        err = content_parcels_parse(parcels, given, job->diag);
    } else if (job->former.entity != NULL) {
        err = former_parcels(job, parcels);
    } else if (!content_parcels_layout(parcels, job->pointer, job->scene.project.rows,
                                       job->scene.project.cols)) {
        (void)content_parcels_layout(parcels, job->pointer, 1, 1);
    }
    if (err == CRDT_OK) {
        err = content_parcels_check(parcels, job->pointer, job->diag);
    }
    choose_base(job);
    content_parcel_format(job->pointer, job->prepared.pointer);
    return err;
}

/* ---- files ---- */

static crdt_err add(publish_job *job, const char *name, crdt_span content)
{
    return content_prepared_add(&job->prepared, crdt_span_of(name), content, job->diag);
}

static crdt_err warn(publish_job *job, const char *text)
{
    return content_prepared_note_add(&job->prepared, (crdt_span){0}, text);
}

static size_t size_max(const publish_job *job)
{
    return (size_t)CONTENT_PARCEL_SIZE_MAX * job->prepared.parcels.count;
}

/* Fetch a file and add it under this name; what cannot be had is noted. */
static crdt_err add_fetched(publish_job *job, crdt_span name, crdt_span hash)
{
    crdt_diag why = {0};
    crdt_buf content;
    crdt_buf_init(&content, job->options->alloc);
    crdt_err err =
        content_deploy_fetch(job->options, hash, size_max(job) + 1, &content, &why);
    if (err == CRDT_OK) {
        err = content_prepared_add(&job->prepared, name, crdt_buf_span(&content), &why);
    }
    crdt_buf_deinit(&content);
    bool final = err == CRDT_ENOMEM || err == CRDT_ECLOSED || err == CRDT_ETIMEOUT;
    if (err == CRDT_OK || final || err == CRDT_ELIMIT) {
        return err == CRDT_OK ? CRDT_OK
                              : crdt_diag_set(job->diag, err, 0, "%.*s: %.120s",
                                              name.size < 30 ? (int)name.size : 30,
                                              (const char *)name.data, why.text);
    }
    return content_prepared_note_add(
        &job->prepared, name, why.text[0] != '\0' ? why.text : "no server has it");
}

/* Ask the builder for what the scene does not say of its assets. */
static crdt_err learn_assets(publish_job *job)
{
    content_asset_list *list = &job->scene.assets;
    crdt_err err = CRDT_OK;
    for (size_t i = 0; err == CRDT_OK && i < list->asset_count &&
                       job->options->builder_url != NULL;) {
        crdt_span ids[ASSETS_A_CALL];
        size_t count = 0;
        for (; i < list->asset_count && count < ASSETS_A_CALL; i++) {
            if (list->assets[i].value.size == 0 && list->assets[i].id.size < 128) {
                ids[count++] = list->assets[i].id;
            }
        }
        if (count == 0) {
            break;
        }
        crdt_buf answer;
        crdt_diag why = {0};
        crdt_buf_init(&answer, job->options->alloc);
        err = content_deploy_assets(job->options, ids, count, &answer, &why);
        if (err == CRDT_OK) {
            err = content_asset_list_take(list, crdt_buf_span(&answer), &why);
        }
        crdt_buf_deinit(&answer);
        if (err == CRDT_ECLOSED || err == CRDT_ENOMEM) {
            return crdt_diag_set(job->diag, err, 0, "%s", why.text);
        }
        if (err != CRDT_OK) {
            return warn(job, why.text);
        }
    }
    return err;
}

/* Add a file of an asset; what cannot be had is noted. */
static crdt_err add_asset_file(publish_job *job, const content_asset *asset,
                               crdt_span path, crdt_span hash)
{
    char name[CONTENT_FILE_NAME_MAX + 1];
    if (!content_published_scene_path(&job->scene, asset, path, name, sizeof name) ||
        !content_file_name_valid(crdt_span_of(name))) {
        return content_prepared_note_add(&job->prepared, path,
                                         "a file cannot be called so");
    }
    return add_fetched(job, crdt_span_of(name), hash);
}

static crdt_err add_asset(publish_job *job, const content_asset *asset)
{
    crdt_span model = {0};
    crdt_span path;
    crdt_span hash;
    if (asset->value.size == 0) {
        return content_prepared_note_add(&job->prepared, asset->id,
                                         "nothing is known of this asset");
    }
    bool has_model = content_asset_list_model(&job->scene.assets, asset->id, &model) &&
                     model.size > 0;
    content_asset_cursor cursor = {0};
    crdt_err err = CRDT_OK;
    while (err == CRDT_OK && content_asset_next_file(asset, &cursor, &path, &hash)) {
        bool source = path.size > 3 && memcmp(path.data + path.size - 3, ".ts", 3) == 0;
        if (!source) { /* that is for people who make items; no runtime reads it */
            err = add_asset_file(job, asset, path, hash);
        }
        has_model = has_model && !crdt_span_equal(path, model);
    }
    if (err == CRDT_OK && has_model) {
        err = content_prepared_note_add(&job->prepared, model,
                                        "the asset does not say where its model is");
    }
    return err;
}

/* ---- files of the scene that is deployed ---- */

/* In small letters, in the arena; with_folder: up to the last '/'. */
static crdt_err small(publish_job *job, crdt_span text, bool folder, crdt_span *key)
{
    size_t size = text.size;
    while (folder && size > 0 && text.data[size - 1] != '/') {
        size--;
    }
    uint8_t *copy = crdt_arena_alloc(&job->arena, size);
    if (copy == NULL) {
        return crdt_diag_set(job->diag, CRDT_ENOMEM, 0, "out of memory");
    }
    for (size_t i = 0; i < size; i++) {
        uint8_t c = text.data[i];
        copy[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
    }
    *key = (crdt_span){copy, size};
    return CRDT_OK;
}

static crdt_err remember_source(publish_job *job, crdt_span name)
{
    crdt_span key;
    crdt_err err = CRDT_OK;
    for (int folder = 0; err == CRDT_OK && folder < 2; folder++) {
        err = small(job, name, folder == 1, &key);
        if (err == CRDT_OK && key.size > 0 &&
            !crdt_span_equal(key, crdt_span_of("bin/"))) {
            err = scene_text_map_put(&job->sources, key, 0, NULL, NULL);
        }
    }
    return err;
}

/* Names that the scene says itself, and the picture of the map. */
static crdt_err remember_sources(publish_job *job)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; err == CRDT_OK && i < job->scene.assets.source_count; i++) {
        err = remember_source(job, job->scene.assets.sources[i]);
    }
    const scene_json_node *metadata = former_metadata(job);
    const scene_json_node *display =
        metadata != NULL ? scene_json_find(metadata, "display") : NULL;
    const scene_json_node *picture =
        display != NULL ? scene_json_find(display, "navmapThumbnail") : NULL;
    if (err == CRDT_OK && picture != NULL && picture->type == SCENE_JSON_STRING &&
        job->wanted->thumbnail.size == 0) {
        crdt_span key;
        err = small(job, scene_json_text(picture), false, &key);
        err = err == CRDT_OK ? scene_text_map_put(&job->sources, key, 0, NULL, NULL)
                             : err;
    }
    return err;
}

static bool is_generated(crdt_span name)
{
    static const char *const NAMES[] = {"scene-state-definition.json", "bin/game.js",
                                        "scene.json", "scene-assets.json"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (content_file_name_equal(name, crdt_span_of(NAMES[i]))) {
            return true;
        }
    }
    return false;
}

/* A model that the scene names is kept with all that lies beside it: its textures. */
static crdt_err add_former_files(publish_job *job)
{
    content_deployed_cursor cursor = {0};
    crdt_span name;
    crdt_span hash;
    crdt_err err = remember_sources(job);
    while (err == CRDT_OK &&
           content_deployed_next_file(&job->former, &cursor, &name, &hash)) {
        crdt_span key;
        crdt_span folder;
        err = small(job, name, false, &key);
        err = err == CRDT_OK ? small(job, name, true, &folder) : err;
        if (err != CRDT_OK || is_generated(name) ||
            content_prepared_has(&job->prepared, name)) {
            continue;
        }
        if (scene_text_map_find(&job->sources, key) != NULL ||
            (folder.size > 0 && scene_text_map_find(&job->sources, folder) != NULL)) {
            err = add_fetched(job, name, hash);
        }
    }
    return err;
}

static bool ends_with(crdt_span text, const char *end)
{
    size_t size = strlen(end);
    return text.size >= size &&
           content_file_name_equal((crdt_span){text.data + text.size - size, size},
                                   crdt_span_of(end));
}

/* Models that the scene names and that nobody has. */
static crdt_err note_missing_models(publish_job *job)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; err == CRDT_OK && i < job->scene.assets.source_count; i++) {
        crdt_span source = job->scene.assets.sources[i];
        bool model = ends_with(source, ".glb") || ends_with(source, ".gltf");
        bool elsewhere = memmem(source.data, source.size, "://", 3) != NULL;
        if (model && !elsewhere && !content_prepared_has(&job->prepared, source)) {
            err = content_prepared_note_add(&job->prepared, source,
                                            "the scene names it, and it is not there");
        }
    }
    return err;
}

/* ---- texts ---- */

static crdt_err add_generated(publish_job *job)
{
    crdt_buf text;
    crdt_buf_init(&text, job->options->alloc);
    crdt_err err = add(job, "scene-state-definition.json", job->wanted->state);
    if (err == CRDT_OK) {
        err = content_published_scene_code(&job->scene, &text);
        err = err == CRDT_OK ? add(job, "bin/game.js", crdt_buf_span(&text)) : err;
    }
    if (err == CRDT_OK) {
        crdt_buf_clear(&text);
        err = content_asset_list_write(&job->scene.assets, &text);
        err =
            err == CRDT_OK ? add(job, "scene-assets.json", crdt_buf_span(&text)) : err;
    }
    if (err == CRDT_OK && job->wanted->thumbnail.size > 0) {
        err = add(job, "thumbnail.png", job->wanted->thumbnail);
    }
    crdt_buf_deinit(&text);
    return err;
}

static crdt_span text_or(const char *given, crdt_span otherwise)
{
    return given != NULL ? crdt_span_of(given) : otherwise;
}

/* scene.json, the entity; then all is kept. */
static crdt_err finish(publish_job *job)
{
    crdt_alloc alloc = job->options->alloc;
    content_prepared *prepared = &job->prepared;
    const content_publish_scene *wanted = job->wanted;
    content_metadata metadata = {.former = former_metadata(job),
                                 .base = job->base,
                                 .parcels = &prepared->parcels,
                                 .empty = wanted == NULL};
    if (wanted != NULL) {
        metadata.title = text_or(wanted->title, job->scene.project.title);
        metadata.description =
            text_or(wanted->description, job->scene.project.description);
        metadata.project = text_or(wanted->project, job->scene.project.id);
        metadata.thumbnail = wanted->thumbnail.size > 0;
    }
    crdt_buf scene_text;
    crdt_buf entity;
    crdt_buf_init(&scene_text, alloc);
    crdt_buf_init(&entity, alloc);
    crdt_err err = content_metadata_write(&metadata, alloc, &scene_text);
    err = err == CRDT_OK ? add(job, "scene.json", crdt_buf_span(&scene_text)) : err;
    content_entity_file *files = NULL;
    size_t count = prepared->file_count;
    if (err == CRDT_OK) {
        content_prepared_sort(prepared);
        files = crdt_allocate(alloc, count * sizeof files[0]);
        err = files != NULL ? CRDT_OK : CRDT_ENOMEM;
    }
    for (size_t i = 0; err == CRDT_OK && i < count; i++) {
        files[i] =
            (content_entity_file){prepared->files[i].name, prepared->files[i].hash};
    }
    if (err == CRDT_OK) {
        err = content_entity_write(&prepared->parcels, job->options->now_ms, files,
                                   count, crdt_buf_span(&scene_text), alloc, &entity);
    }
    if (err == CRDT_OK) {
        err = content_prepared_keep(prepared, crdt_buf_span(&entity), job->diag);
    }
    crdt_free(alloc, files, files != NULL ? count * sizeof files[0] : 0);
    crdt_buf_deinit(&entity);
    crdt_buf_deinit(&scene_text);
    return err;
}

/* ---- limits ---- */

static crdt_err warn_above(publish_job *job, const char *what, double count,
                           double most)
{
    char text[160];
    if (count <= most) {
        return CRDT_OK;
    }
    snprintf(text, sizeof text, "%.0f %s; for %zu parcels %.0f are meant", count, what,
             job->prepared.parcels.count, most);
    return warn(job, text);
}

static crdt_err check_limits(publish_job *job)
{
    const content_prepared *prepared = &job->prepared;
    double parcels = (double)prepared->parcels.count;
    if (prepared->size > size_max(job)) {
        return crdt_diag_set(
            job->diag, CRDT_ELIMIT, 0,
            "its files have %llu bytes; for %zu parcels %zu are allowed",
            (unsigned long long)prepared->size, prepared->parcels.count, size_max(job));
    }
    size_t file_max = (size_t)CONTENT_PARCEL_FILE_MAX * prepared->parcels.count;
    if (prepared->file_count > file_max) {
        return crdt_diag_set(job->diag, CRDT_ELIMIT, 0,
                             "it has %zu files; for %zu parcels %zu are allowed",
                             prepared->file_count, prepared->parcels.count, file_max);
    }
    if (job->wanted == NULL) {
        return CRDT_OK;
    }
    crdt_err err = warn_above(job, "entities", (double)job->scene.entity_count,
                              CONTENT_PARCEL_ENTITY_MAX * parcels);
    double triangles = content_published_scene_metric(&job->scene, "triangles");
    double bodies = content_published_scene_metric(&job->scene, "bodies");
    err =
        err == CRDT_OK ? warn_above(job, "triangles", triangles, 10000 * parcels) : err;
    err = err == CRDT_OK ? warn_above(job, "bodies", bodies, 300 * parcels) : err;
    if (err == CRDT_OK && job->scene.origin == SCENE_FORMAT_COMPOSITE) {
        err = warn(job,
                   "this is a scene of SDK7: runtimes that only know SDK7 do not run "
                   "the generated code");
    }
    return err;
}

/* ---- preparing ---- */

static crdt_err take_descent(publish_job *job)
{
    content_prepared *prepared = &job->prepared;
    crdt_err err = content_prepared_text(prepared, crdt_buf_span(&job->scene.version),
                                         &prepared->version);
    return err == CRDT_OK
               ? content_prepared_text(prepared, crdt_span_of(job->scene.lineage),
                                       &prepared->lineage)
               : err;
}

static crdt_err prepare_scene(publish_job *job)
{
    crdt_err err = content_published_scene_read(&job->scene, job->options->alloc,
                                                job->wanted->state, job->diag);
    err = err == CRDT_OK ? take_descent(job) : err;
    err = err == CRDT_OK ? choose_parcels(job) : err;
    err = err == CRDT_OK ? learn_assets(job) : err;
    err = err == CRDT_OK ? add_generated(job) : err;
    for (size_t i = 0; err == CRDT_OK && i < job->scene.assets.asset_count; i++) {
        err = add_asset(job, &job->scene.assets.assets[i]);
        if (err == CRDT_OK && job->prepared.size > size_max(job)) {
            break; /* check_limits says so */
        }
    }
    err = err == CRDT_OK ? add_former_files(job) : err;
    err = err == CRDT_OK ? note_missing_models(job) : err;
    err = err == CRDT_OK ? check_limits(job) : err;
    return err == CRDT_OK ? finish(job) : err;
}

static crdt_err prepare_empty(publish_job *job)
{
    if (job->former.entity == NULL) {
        return crdt_diag_set(job->diag, CRDT_ENOTFOUND, 0, "nothing is published at %s",
                             job->prepared.pointer);
    }
    job->prepared.unpublish = true;
    crdt_err err = choose_parcels(job);
    err = err == CRDT_OK
              ? add(job, "bin/game.js", crdt_span_of("dcl.subscribe('sceneStart');\n"))
              : err;
    return err == CRDT_OK ? finish(job) : err;
}

static crdt_err answer(const content_publish_options *options, crdt_span object,
                       crdt_buf *result)
{
    char head[64];
    int size = snprintf(head, sizeof head, "{\"ok\":true,%s\"prepared\":",
                        content_deploy_unsigned(options) ? "\"unsigned\":true," : "");
    crdt_err err = crdt_buf_reserve(result, (size_t)size + object.size + 1);
    if (err == CRDT_OK) {
        (void)crdt_buf_append(result, head, (size_t)size);
        (void)crdt_buf_append_span(result, object);
        (void)crdt_buf_append(result, "}", 1);
    }
    return err;
}

static crdt_err prepare(const content_publish_options *options, const char *pointer,
                        const content_publish_scene *wanted, crdt_buf *result,
                        crdt_diag *diag)
{
    crdt_diag own;
    publish_job job = {
        .options = options, .wanted = wanted, .diag = diag != NULL ? diag : &own};
    *job.diag = (crdt_diag){0};
    crdt_err err = check_options(options, pointer, &job.pointer, job.diag);
    err = err == CRDT_OK && wanted != NULL ? check_scene(wanted, job.diag) : err;
    if (err != CRDT_OK) {
        return err;
    }
    crdt_arena_init(&job.arena, options->alloc);
    scene_text_map_init(&job.sources, options->alloc);
    content_asset_list_init(&job.scene.assets, options->alloc);
    crdt_buf_init(&job.scene.version, options->alloc);
    crdt_buf object;
    crdt_buf_init(&object, options->alloc);
    err = content_prepared_open(&job.prepared, options->alloc, options->folder,
                                options->now_ms, job.diag);
    if (err == CRDT_OK) {
        content_parcel_format(job.pointer, job.prepared.pointer);
        err = content_deploy_find(options, pointer, false, &job.former, job.diag);
    }
    if (err == CRDT_OK) {
        err = content_prepared_text(&job.prepared, content_deployed_id(&job.former),
                                    &job.prepared.replaces);
    }
    if (err == CRDT_OK) {
        err = wanted != NULL ? prepare_scene(&job) : prepare_empty(&job);
    }
    err = err == CRDT_OK ? content_prepared_write(&job.prepared, &object) : err;
    err = err == CRDT_OK ? answer(options, crdt_buf_span(&object), result) : err;
    if (err == CRDT_ENOMEM && job.diag->text[0] == '\0') {
        crdt_diag_set(job.diag, err, 0, "out of memory");
    }
    crdt_buf_deinit(&object);
    content_deployed_deinit(&job.former);
    content_prepared_close(&job.prepared);
    content_published_scene_deinit(&job.scene);
    scene_text_map_deinit(&job.sources);
    crdt_arena_deinit(&job.arena);
    return err;
}

crdt_err content_publish_prepare(const content_publish_options *options,
                                 const content_publish_scene *scene, crdt_buf *result,
                                 crdt_diag *diag)
{
    return prepare(options, scene->pointer, scene, result, diag);
}

crdt_err content_unpublish_prepare(const content_publish_options *options,
                                   const char *pointer, crdt_buf *result,
                                   crdt_diag *diag)
{
    return prepare(options, pointer, NULL, result, diag);
}
