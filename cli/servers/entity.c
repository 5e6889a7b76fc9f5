#include "cli/servers/entity.h"

#include "cli/content/cid.h"
#include "cli/servers/json_put.h"
#include "scene/text_map.h"

#include <ctype.h>
#include <math.h>

static crdt_err refuse(const servers_entity *entity, const scene_json_node *node,
                       crdt_diag *diag, const char *text)
{
    if (node == NULL) {
        node = scene_json_root(entity->json);
    }
    return scene_json_refuse(entity->json, node, diag, CRDT_ECORRUPT, "%s", text);
}

static bool is_text(const scene_json_node *node)
{
    return node != NULL && node->type == SCENE_JSON_STRING;
}

static bool text_is(const scene_json_node *node, const char *text)
{
    return is_text(node) && crdt_span_equal(scene_json_text(node), crdt_span_of(text));
}

/* ---- pointers ---- */

static bool take_number(crdt_span *text)
{
    size_t size = 0;
    bool negative = text->size > 0 && text->data[0] == '-';
    text->data += negative;
    text->size -= negative;
    while (size < text->size && isdigit(text->data[size])) {
        size++;
    }
    bool zero = size > 0 && text->data[0] == '0';
    if (size == 0 || size > 6 || (zero && (size > 1 || negative))) {
        return false;
    }
    text->data += size;
    text->size -= size;
    return true;
}

bool servers_pointer_valid(crdt_span text)
{
    if (!take_number(&text) || text.size == 0 || text.data[0] != ',') {
        return false;
    }
    text.data++;
    text.size--;
    return take_number(&text) && text.size == 0;
}

/* The parcels of a list, each once, into `seen`: pointers when `known` is false, else those
 * that must be among them. */
static crdt_err read_parcels(const servers_entity *entity, const scene_json_node *list,
                             scene_text_map *seen, bool known, crdt_diag *diag)
{
    const scene_json_node *node = list + 1;
    for (uint32_t i = 0; i < list->count; i++, node = scene_json_next(node)) {
        if (!is_text(node) || !servers_pointer_valid(scene_json_text(node))) {
            return refuse(entity, node, diag, "a parcel is a text \"x,y\"");
        }
        crdt_span text = scene_json_text(node);
        uint64_t *mark;
        bool fresh = true;
        if (known) {
            mark = scene_text_map_find(seen, text);
            if (mark == NULL) {
                return refuse(entity, node, diag,
                              "a parcel of metadata.scene.parcels is not a pointer");
            }
            fresh = *mark == 0;
            *mark = 1;
        } else if (scene_text_map_put(seen, text, 0, &mark, &fresh) != CRDT_OK) {
            return CRDT_ENOMEM;
        }
        if (!fresh) {
            return refuse(entity, node, diag, "a parcel is listed twice");
        }
    }
    return CRDT_OK;
}

static const scene_json_node *find_list(const scene_json_node *holder, const char *key)
{
    const scene_json_node *list = scene_json_find(holder, key);
    return list != NULL && list->type == SCENE_JSON_ARRAY ? list : NULL;
}

static crdt_err read_pointers(servers_entity *entity, const scene_json_node *list,
                              scene_text_map *seen, crdt_diag *diag)
{
    if (list == NULL || list->count == 0 || list->count > SERVERS_POINTER_MAX) {
        return refuse(entity, list, diag, "`pointers` must list 1 to 10000 parcels");
    }
    crdt_err err = read_parcels(entity, list, seen, false, diag);
    if (err != CRDT_OK) {
        return err;
    }
    entity->pointers = crdt_resize_array(entity->alloc, NULL, 0, list->count,
                                         sizeof entity->pointers[0]);
    if (entity->pointers == NULL) {
        return CRDT_ENOMEM;
    }
    const scene_json_node *node = list + 1;
    for (uint32_t i = 0; i < list->count; i++, node = scene_json_next(node)) {
        entity->pointers[entity->pointer_count++] = scene_json_text(node);
    }
    return CRDT_OK;
}

/* ---- metadata ---- */

static crdt_err check_metadata(servers_entity *entity, const scene_json_node *metadata,
                               scene_text_map *seen, crdt_diag *diag)
{
    if (metadata == NULL || metadata->type != SCENE_JSON_OBJECT) {
        return refuse(entity, metadata, diag,
                      "`metadata` must be an object (scene.json)");
    }
    entity->metadata = metadata;
    if (!is_text(scene_json_find(metadata, "main"))) {
        return refuse(entity, metadata, diag, "metadata.main must be a text");
    }
    const scene_json_node *scene = scene_json_find(metadata, "scene");
    const scene_json_node *parcels = find_list(scene, "parcels");
    if (parcels == NULL) {
        return refuse(entity, metadata, diag, "metadata.scene.parcels must be a list");
    }
    crdt_err err = read_parcels(entity, parcels, seen, true, diag);
    if (err != CRDT_OK) {
        return err;
    }
    if (parcels->count != entity->pointer_count) {
        return refuse(entity, parcels, diag,
                      "the pointers must be the parcels of metadata.scene.parcels");
    }
    const scene_json_node *base = scene_json_find(scene, "base");
    if (!is_text(base) || scene_text_map_find(seen, scene_json_text(base)) == NULL) {
        return refuse(entity, base, diag,
                      "metadata.scene.base must be one of the parcels");
    }
    return CRDT_OK;
}

/* ---- content ---- */

/* File names are compared without case, in ASCII as the servers do for most names. */
static crdt_span folded(crdt_arena *arena, crdt_span text)
{
    uint8_t *copy = crdt_arena_alloc(arena, text.size);
    for (size_t i = 0; copy != NULL && i < text.size; i++) {
        copy[i] = (uint8_t)(text.data[i] < 0x80 ? tolower(text.data[i]) : text.data[i]);
    }
    return (crdt_span){copy, text.size};
}

static crdt_err read_file(servers_entity *entity, const scene_json_node *node,
                          scene_text_map *names, crdt_arena *arena, crdt_diag *diag)
{
    const scene_json_node *file = scene_json_find(node, "file");
    const scene_json_node *hash = scene_json_find(node, "hash");
    if (!is_text(file) || file->count == 0 || file->count > SERVERS_FILE_NAME_MAX ||
        !is_text(hash)) {
        return refuse(
            entity, node, diag,
            "an entry of `content` has `file`, a path of at most 1024 bytes, and "
            "`hash`");
    }
    char cid[CONTENT_CID_SIZE] = "";
    if (hash->count < sizeof cid) {
        memcpy(cid, hash->as.text, hash->count);
        cid[hash->count] = '\0';
    }
    if (strlen(cid) != hash->count || !content_cid_valid(cid)) {
        return refuse(entity, hash, diag, "the hash of a file is no CID (sha2-256)");
    }
    crdt_span name = folded(arena, scene_json_text(file));
    bool fresh;
    if (name.data == NULL ||
        scene_text_map_put(names, name, 0, NULL, &fresh) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    if (!fresh) {
        return refuse(entity, file, diag, "a file is listed twice (case is ignored)");
    }
    entity->files[entity->file_count++] = (servers_entity_file){
        .file = scene_json_text(file), .hash = scene_json_text(hash)};
    return CRDT_OK;
}

static crdt_err read_files(servers_entity *entity, const scene_json_node *list,
                           crdt_diag *diag)
{
    if (list == NULL || list->count > SERVERS_FILE_MAX) {
        return refuse(entity, list, diag, "`content` must list up to 20000 files");
    }
    if (list->count == 0) {
        return CRDT_OK;
    }
    entity->files =
        crdt_resize_array(entity->alloc, NULL, 0, list->count, sizeof entity->files[0]);
    if (entity->files == NULL) {
        return CRDT_ENOMEM;
    }
    scene_text_map names;
    scene_text_map_init(&names, entity->alloc);
    crdt_arena arena;
    crdt_arena_init(&arena, entity->alloc);
    crdt_err err = CRDT_OK;
    const scene_json_node *node = list + 1;
    uint32_t count = list->count;
    for (uint32_t i = 0; i < count && err == CRDT_OK; i++) {
        err = read_file(entity, node, &names, &arena, diag);
        node = scene_json_next(node);
    }
    /* servers_entity_deinit frees as many as there are. */
    if (err != CRDT_OK) {
        crdt_free(entity->alloc, entity->files, count * sizeof entity->files[0]);
        entity->files = NULL;
        entity->file_count = 0;
    }
    crdt_arena_deinit(&arena);
    scene_text_map_deinit(&names);
    return err;
}

/* ---- the whole ---- */

static crdt_err check_head(servers_entity *entity, const scene_json_node *root,
                           crdt_diag *diag)
{
    if (root->type != SCENE_JSON_OBJECT) {
        return refuse(entity, root, diag, "an entity is a JSON object");
    }
    if (!text_is(scene_json_find(root, "version"), "v3")) {
        return refuse(entity, scene_json_find(root, "version"), diag,
                      "only entities of version \"v3\" are taken");
    }
    if (!text_is(scene_json_find(root, "type"), "scene")) {
        return refuse(entity, scene_json_find(root, "type"), diag,
                      "only entities of type \"scene\" are taken");
    }
    const scene_json_node *time = scene_json_find(root, "timestamp");
    if (time == NULL || time->type != SCENE_JSON_NUMBER || time->as.number < 1 ||
        time->as.number > 9e15 || floor(time->as.number) != time->as.number) {
        return refuse(entity, time, diag, "`timestamp` must be a time in whole ms");
    }
    entity->timestamp_ms = (uint64_t)time->as.number;
    return CRDT_OK;
}

static crdt_err read_entity(servers_entity *entity, crdt_diag *diag)
{
    const scene_json_node *root = scene_json_root(entity->json);
    crdt_err err = check_head(entity, root, diag);
    if (err != CRDT_OK) {
        return err;
    }
    scene_text_map seen;
    scene_text_map_init(&seen, entity->alloc);
    err = read_pointers(entity, find_list(root, "pointers"), &seen, diag);
    if (err == CRDT_OK) {
        err = check_metadata(entity, scene_json_find(root, "metadata"), &seen, diag);
    }
    scene_text_map_deinit(&seen);
    return err == CRDT_OK ? read_files(entity, find_list(root, "content"), diag) : err;
}

crdt_err servers_entity_init(servers_entity *entity, crdt_alloc alloc, crdt_span text,
                             crdt_diag *diag)
{
    *entity = (servers_entity){.alloc = alloc};
    scene_json_limits limits = scene_json_limits_default();
    limits.size_max = SERVERS_ENTITY_SIZE_MAX;
    limits.depth_max -= 4; /* it is answered within a list, kept within a record */
    crdt_err err = scene_json_open(&entity->json, alloc, text, &limits, diag);
    if (err == CRDT_OK) {
        err = read_entity(entity, diag);
    }
    if (err != CRDT_OK) {
        servers_entity_deinit(entity);
    }
    return err;
}

void servers_entity_deinit(servers_entity *entity)
{
    crdt_free(entity->alloc, entity->pointers,
              entity->pointer_count * sizeof entity->pointers[0]);
    crdt_free(entity->alloc, entity->files,
              entity->file_count * sizeof entity->files[0]);
    scene_json_close(entity->json);
    *entity = (servers_entity){.alloc = entity->alloc};
}

void servers_entity_write(const servers_entity *entity, crdt_span id,
                          scene_json_writer *writer)
{
    scene_json_writer_object_begin(writer);
    servers_json_span(writer, "id", id);
    servers_json_text(writer, "version", "v3");
    servers_json_text(writer, "type", "scene");
    scene_json_writer_key(writer, crdt_span_of("timestamp"));
    scene_json_writer_integer(writer, (int64_t)entity->timestamp_ms);
    scene_json_writer_key(writer, crdt_span_of("pointers"));
    scene_json_writer_array_begin(writer);
    for (size_t i = 0; i < entity->pointer_count; i++) {
        scene_json_writer_string(writer, entity->pointers[i]);
    }
    scene_json_writer_array_end(writer);
    scene_json_writer_key(writer, crdt_span_of("content"));
    scene_json_writer_array_begin(writer);
    for (size_t i = 0; i < entity->file_count; i++) {
        scene_json_writer_object_begin(writer);
        servers_json_span(writer, "file", entity->files[i].file);
        servers_json_span(writer, "hash", entity->files[i].hash);
        scene_json_writer_object_end(writer);
    }
    scene_json_writer_array_end(writer);
    scene_json_writer_key(writer, crdt_span_of("metadata"));
    servers_json_node(writer, entity->metadata);
    scene_json_writer_object_end(writer);
}
