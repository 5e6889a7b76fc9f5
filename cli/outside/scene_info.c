#include "cli/outside/scene_info.h"

#include "crdt/value.h"
#include "scene/json_writer.h"
#include "scene/scene.h"

#include <stdlib.h>
#include <strings.h>

void outside_scene_info_init(outside_scene_info *info, crdt_alloc alloc,
                             const char *pointer)
{
    *info = (outside_scene_info){.alloc = alloc};
    crdt_arena_init(&info->arena, alloc);
    content_asset_list_init(&info->assets, alloc);
    scene_text_map_init(&info->paths, alloc);
    (void)content_parcel_parse(crdt_span_of(pointer), &info->base);
    (void)content_parcels_layout(&info->land, info->base, 1, 1);
}

void outside_scene_info_deinit(outside_scene_info *info)
{
    crdt_free(info->alloc, info->files, info->file_capacity * sizeof info->files[0]);
    content_asset_list_deinit(&info->assets);
    scene_text_map_deinit(&info->paths);
    crdt_arena_deinit(&info->arena);
}

/* ---- collecting ---- */

static crdt_err keep(outside_scene_info *info, crdt_span text, crdt_span *kept)
{
    uint8_t *copy = crdt_arena_alloc(&info->arena, text.size + 1);
    if (copy == NULL) {
        return CRDT_ENOMEM;
    }
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    *kept = (crdt_span){copy, text.size};
    return CRDT_OK;
}

/* Can a model be made of it? */
static bool is_part_of_model(crdt_span path)
{
    static const char *const ENDS[] = {".glb", ".gltf", ".bin",  ".png",
                                       ".jpg", ".jpeg", ".webp", ".ktx2"};
    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
        size_t size = strlen(ENDS[i]);
        if (path.size > size && strncasecmp((const char *)path.data + path.size - size,
                                            ENDS[i], size) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_hash(crdt_span text)
{
    char cid[CONTENT_CID_SIZE];
    if (text.size >= sizeof cid || memchr(text.data, '\0', text.size) != NULL) {
        return false;
    }
    memcpy(cid, text.data, text.size);
    cid[text.size] = '\0';
    return content_cid_valid(cid);
}

/* Remember the path; *fresh: nobody named it before, in whatever case. A project and what
 * was deployed of it name the same files. */
static crdt_err add_path(outside_scene_info *info, crdt_span path, bool *fresh)
{
    uint8_t *key = crdt_arena_alloc(&info->arena, path.size);
    if (key == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < path.size; i++) {
        uint8_t c = path.data[i];
        key[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
    }
    return scene_text_map_put(&info->paths, (crdt_span){key, path.size}, 0, NULL,
                              fresh);
}

static crdt_err add_file(outside_scene_info *info, crdt_span path, crdt_span hash)
{
    bool fresh = false;
    if (!is_part_of_model(path) || !is_hash(hash) ||
        info->file_count == SCENE_INFO_FILES_MAX) {
        return CRDT_OK;
    }
    crdt_err known = add_path(info, path, &fresh);
    if (known != CRDT_OK || !fresh) {
        return known;
    }
    if (info->file_count == info->file_capacity) {
        size_t more = info->file_capacity == 0 ? 32 : info->file_capacity * 2;
        outside_scene_file *files = crdt_resize_array(
            info->alloc, info->files, info->file_capacity, more, sizeof info->files[0]);
        if (files == NULL) {
            return CRDT_ENOMEM;
        }
        info->files = files;
        info->file_capacity = more;
    }
    outside_scene_file *file = &info->files[info->file_count];
    crdt_err err = keep(info, path, &file->path);
    err = err == CRDT_OK ? keep(info, hash, &file->hash) : err;
    info->file_count += err == CRDT_OK;
    return err;
}

static crdt_err take_title(outside_scene_info *info, crdt_span title)
{
    bool good = title.size > 0 && title.size <= SCENE_INFO_TITLE_MAX;
    return good && info->title.size == 0 ? keep(info, title, &info->title) : CRDT_OK;
}

/* {path: hash}, `mappings` of an SDK7 project. */
static crdt_err read_mappings(outside_scene_info *info, const crdt_document *doc)
{
    crdt_object scene = crdt_document_find_object(doc, crdt_span_of(SCENE_NAME_SCENE));
    if (scene.id == 0 || !crdt_document_object_live(doc, scene)) {
        return CRDT_OK;
    }
    crdt_part part = scene_part_find(doc, scene, crdt_span_of("sdk7"));
    crdt_field field = {0};
    crdt_entry entry;
    if (part.id != 0) {
        field = crdt_document_find_field(doc, part, crdt_span_of("mappings"));
    }
    if (field.id == 0 || !crdt_document_field_value(doc, field, 0, &entry) ||
        crdt_value_type_of(entry.value) != CRDT_VALUE_MAP) {
        return CRDT_OK;
    }
    crdt_value_reader reader = crdt_value_read_open(entry.value);
    uint32_t left = crdt_value_read(&reader).count;
    crdt_err err = CRDT_OK;
    for (; err == CRDT_OK && left > 0; left--) {
        crdt_span path = crdt_value_read(&reader).string;
        crdt_span value = crdt_value_read_span(&reader);
        crdt_span hash;
        if (scene_value_text(value, &hash)) {
            err = add_file(info, path, hash);
        }
    }
    return err;
}

crdt_err outside_scene_info_read(outside_scene_info *info, const crdt_document *doc)
{
    content_project project;
    content_project_read(&project, doc);
    crdt_err err = take_title(info, project.title);
    content_parcels layout;
    if (content_parcels_layout(&layout, info->base, project.rows, project.cols)) {
        info->land = layout;
        info->project_land = true;
    }
    err = err == CRDT_OK ? read_mappings(info, doc) : err;
    return err == CRDT_OK ? content_asset_list_read(&info->assets, doc) : err;
}

/* ---- what is deployed ---- */

static void take_land(outside_scene_info *info, const scene_json_node *entity)
{
    const scene_json_node *list = scene_json_find(entity, "pointers");
    content_parcels land = {.count = 0};
    content_parcel parcel;
    if (info->project_land || list == NULL || list->type != SCENE_JSON_ARRAY ||
        list->count > CONTENT_PARCELS_MAX) {
        return;
    }
    const scene_json_node *node = list + 1;
    for (uint32_t i = 0; i < list->count; i++) {
        if (node->type == SCENE_JSON_STRING &&
            content_parcel_parse(scene_json_text(node), &parcel)) {
            land.list[land.count++] = parcel;
        }
        node = scene_json_next(node);
    }
    const scene_json_node *scene =
        scene_json_find(scene_json_find(entity, "metadata"), "scene");
    const scene_json_node *base = scene_json_find(scene, "base");
    if (land.count == 0) {
        return;
    }
    info->land = land;
    if (base != NULL && base->type == SCENE_JSON_STRING &&
        content_parcel_parse(scene_json_text(base), &parcel) &&
        content_parcels_have(&land, parcel)) {
        info->base = parcel;
    }
}

crdt_err outside_scene_info_take(outside_scene_info *info,
                                 const content_deployed *deployed)
{
    if (deployed->entity == NULL) {
        return CRDT_OK;
    }
    take_land(info, deployed->entity);
    const scene_json_node *title = scene_json_find(
        scene_json_find(scene_json_find(deployed->entity, "metadata"), "display"),
        "title");
    crdt_err err = title != NULL && title->type == SCENE_JSON_STRING
                       ? take_title(info, scene_json_text(title))
                       : CRDT_OK;
    content_deployed_cursor cursor = {0};
    crdt_span path;
    crdt_span hash;
    while (err == CRDT_OK &&
           content_deployed_next_file(deployed, &cursor, &path, &hash)) {
        err = add_file(info, path, hash);
    }
    return err;
}

/* ---- telling ---- */

static void put_parcel(scene_json_writer *json, content_parcel parcel)
{
    scene_json_writer_object_begin(json);
    scene_json_writer_key(json, crdt_span_of("x"));
    scene_json_writer_integer(json, parcel.x);
    scene_json_writer_key(json, crdt_span_of("y"));
    scene_json_writer_integer(json, parcel.y);
    scene_json_writer_object_end(json);
}

static void put_land(scene_json_writer *json, const outside_scene_info *info)
{
    scene_json_writer_key(json, crdt_span_of("base"));
    put_parcel(json, info->base);
    scene_json_writer_key(json, crdt_span_of("parcels"));
    scene_json_writer_array_begin(json);
    for (size_t i = 0; i < info->land.count; i++) {
        put_parcel(json, info->land.list[i]);
    }
    scene_json_writer_array_end(json);
}

static void put_asset(scene_json_writer *json, const outside_scene_info *info,
                      const content_asset *asset)
{
    crdt_span model;
    crdt_span path;
    crdt_span hash;
    content_asset_cursor cursor = {0};
    scene_json_writer_key(json, asset->id);
    scene_json_writer_object_begin(json);
    if (content_asset_list_model((void *)(uintptr_t)&info->assets, asset->id, &model)) {
        scene_json_writer_key(json, crdt_span_of("model"));
        scene_json_writer_string(json, model);
    }
    scene_json_writer_key(json, crdt_span_of("files"));
    scene_json_writer_object_begin(json);
    while (content_asset_next_file(asset, &cursor, &path, &hash)) {
        if (is_part_of_model(path) && is_hash(hash)) {
            scene_json_writer_key(json, path);
            scene_json_writer_string(json, hash);
        }
    }
    scene_json_writer_object_end(json);
    scene_json_writer_object_end(json);
}

static void put_models(scene_json_writer *json, const outside_scene_info *info,
                       bool fetch)
{
    size_t asset_count = fetch ? info->assets.asset_count : 0;
    size_t file_count = fetch ? info->file_count : 0;
    scene_json_writer_key(json, crdt_span_of("models"));
    scene_json_writer_object_begin(json);
    scene_json_writer_key(json, crdt_span_of("assets"));
    scene_json_writer_object_begin(json);
    for (size_t i = 0; i < asset_count; i++) {
        if (info->assets.assets[i].value.size > 0) {
            put_asset(json, info, &info->assets.assets[i]);
        }
    }
    scene_json_writer_object_end(json);
    scene_json_writer_key(json, crdt_span_of("files"));
    scene_json_writer_object_begin(json);
    for (size_t i = 0; i < file_count; i++) {
        scene_json_writer_key(json, info->files[i].path);
        scene_json_writer_string(json, info->files[i].hash);
    }
    scene_json_writer_object_end(json);
    scene_json_writer_object_end(json);
}

static void put_flag(scene_json_writer *json, const char *key, bool value)
{
    scene_json_writer_key(json, crdt_span_of(key));
    scene_json_writer_bool(json, value);
}

crdt_err outside_scene_info_write(const outside_scene_info *info,
                                  const outside_scene_powers *powers, crdt_buf *out)
{
    scene_json_writer json;
    scene_json_writer_init(&json, info->alloc, out);
    scene_json_writer_object_begin(&json);
    put_flag(&json, "ok", true);
    if (info->title.size > 0) {
        scene_json_writer_key(&json, crdt_span_of("title"));
        scene_json_writer_string(&json, info->title);
    }
    put_land(&json, info);
    put_flag(&json, "canPlay", powers->play);
    put_flag(&json, "canSave", powers->save);
    put_flag(&json, "canPublish", powers->publish);
    put_models(&json, info, powers->fetch);
    scene_json_writer_object_end(&json);
    crdt_err err = json.err;
    scene_json_writer_deinit(&json);
    return err;
}

crdt_err outside_scene_info_each_hash(const outside_scene_info *info,
                                      crdt_err (*take)(void *ctx, crdt_span hash),
                                      void *ctx)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; err == CRDT_OK && i < info->assets.asset_count; i++) {
        content_asset_cursor cursor = {0};
        crdt_span path;
        crdt_span hash;
        while (err == CRDT_OK && content_asset_next_file(&info->assets.assets[i],
                                                         &cursor, &path, &hash)) {
            if (is_part_of_model(path) && is_hash(hash)) {
                err = take(ctx, hash);
            }
        }
    }
    for (size_t i = 0; err == CRDT_OK && i < info->file_count; i++) {
        err = take(ctx, info->files[i].hash);
    }
    return err;
}
