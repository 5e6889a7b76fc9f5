#include "cli/content/content_client.h"

#include "cli/content/builder_client.h"
#include "cli/content/cid.h"
#include "cli/web/client.h"
#include "scene/json.h"

#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

/* One coordinate: "0", "-7", "150". Steps over it. */
static bool read_coordinate(const char **text)
{
    const char *at = *text;
    at += *at == '-' ? 1 : 0;
    size_t digits = 0;
    while (at[digits] >= '0' && at[digits] <= '9') {
        digits++;
    }
    bool zero = at[0] == '0';
    bool good = digits >= 1 && digits <= 5 && !(zero && (digits > 1 || at != *text));
    *text = at + digits;
    return good;
}

bool content_pointer_valid(const char *pointer)
{
    return read_coordinate(&pointer) && *pointer++ == ',' &&
           read_coordinate(&pointer) && *pointer == '\0';
}

static bool equal_in_any_case(crdt_span text, const char *name)
{
    if (text.size != strlen(name)) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        byte = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
        if (byte != (uint8_t)name[i]) {
            return false;
        }
    }
    return true;
}

scene_format content_file_format(crdt_span name, uint32_t *rank)
{
    static const struct {
        const char *name;
        scene_format format;
    } FILES[] = {
        {"scene-state-definition.json", SCENE_FORMAT_STATE},
        {"builder.json", SCENE_FORMAT_BUILDER},
        {"main.composite", SCENE_FORMAT_COMPOSITE},
        {"assets/scene/main.composite", SCENE_FORMAT_COMPOSITE},
    };
    for (uint32_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        if (equal_in_any_case(name, FILES[i].name)) {
            if (rank != NULL) {
                *rank = i;
            }
            return FILES[i].format;
        }
    }
    return SCENE_FORMAT_NONE;
}

/* Copy a text member; false, and nothing, where there is none that fits. */
static bool copy_text(const scene_json_node *object, const char *key, char *out,
                      size_t size)
{
    const scene_json_node *node = scene_json_find(object, key);
    if (node == NULL || node->type != SCENE_JSON_STRING || node->count >= size ||
        memchr(node->as.text, '\0', node->count) != NULL) {
        return false;
    }
    memcpy(out, node->as.text, node->count);
    out[node->count] = '\0';
    return true;
}

static bool has_pointer(const scene_json_node *entity, const char *pointer)
{
    const scene_json_node *list = scene_json_find(entity, "pointers");
    if (list == NULL || list->type != SCENE_JSON_ARRAY) {
        return false;
    }
    const scene_json_node *item = list + 1;
    for (uint32_t i = 0; i < list->count; i++) {
        if (item->type == SCENE_JSON_STRING &&
            crdt_span_equal(scene_json_text(item), crdt_span_of(pointer))) {
            return true;
        }
        item = scene_json_next(item);
    }
    return false;
}

static uint64_t timestamp_of(const scene_json_node *entity)
{
    const scene_json_node *node = scene_json_find(entity, "timestamp");
    bool good = node != NULL && node->type == SCENE_JSON_NUMBER &&
                node->as.number >= 0 && node->as.number < 9007199254740992.0;
    return good ? (uint64_t)node->as.number : 0;
}

/* Choose the file that holds the scene. */
static crdt_err read_files(content_scene *scene, const scene_json *json,
                           const scene_json_node *entity, crdt_diag *diag)
{
    const scene_json_node *list = scene_json_find(entity, "content");
    if (list == NULL || list->type != SCENE_JSON_ARRAY) {
        return scene_json_refuse(json, list != NULL ? list : entity, diag,
                                 CRDT_ECORRUPT, "the scene has no list of its content");
    }
    uint32_t best = UINT32_MAX;
    const scene_json_node *item = list + 1;
    scene->file_count = list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        content_scene_file file = {.format = SCENE_FORMAT_NONE};
        uint32_t rank = UINT32_MAX;
        if (copy_text(item, "file", file.name, sizeof file.name)) {
            file.format = content_file_format(crdt_span_of(file.name), &rank);
        }
        if (file.format != SCENE_FORMAT_NONE && rank < best) {
            if (!copy_text(item, "hash", file.hash, sizeof file.hash)) {
                return scene_json_refuse(json, item, diag, CRDT_ECORRUPT,
                                         "the scene's file has no hash");
            }
            best = rank;
            scene->file = file;
            scene->has_file = true;
        }
        item = scene_json_next(item);
    }
    return CRDT_OK;
}

static crdt_err read_entity(content_scene *scene, const scene_json *json,
                            const scene_json_node *entity, crdt_diag *diag)
{
    const scene_json_node *type = scene_json_find(entity, "type");
    if (type == NULL || type->type != SCENE_JSON_STRING ||
        !crdt_span_equal(scene_json_text(type), crdt_span_of("scene"))) {
        return scene_json_refuse(json, entity, diag, CRDT_ECORRUPT,
                                 "what is deployed there is no scene");
    }
    if (!copy_text(entity, "id", scene->id, sizeof scene->id)) {
        return scene_json_refuse(json, entity, diag, CRDT_ECORRUPT,
                                 "the scene has no id");
    }
    scene->deployed = true;
    scene->timestamp = timestamp_of(entity);
    const scene_json_node *source =
        scene_json_find(scene_json_find(entity, "metadata"), "source");
    if (!copy_text(source, "projectId", scene->project, sizeof scene->project) ||
        !builder_project_valid(scene->project)) {
        scene->project[0] = '\0';
    }
    return read_files(scene, json, entity, diag);
}

/* The newest of the entities that are at the pointer. */
static crdt_err read_list(content_scene *scene, const scene_json *json,
                          const char *pointer, crdt_diag *diag)
{
    const scene_json_node *root = scene_json_root(json);
    if (root->type != SCENE_JSON_ARRAY) {
        return scene_json_refuse(json, root, diag, CRDT_ECORRUPT,
                                 "a list of entities was expected");
    }
    const scene_json_node *found = NULL;
    const scene_json_node *item = root + 1;
    for (uint32_t i = 0; i < root->count; i++) {
        if (has_pointer(item, pointer) &&
            (found == NULL || timestamp_of(item) > timestamp_of(found))) {
            found = item;
        }
        item = scene_json_next(item);
    }
    if (found == NULL && root->count > 0) {
        return scene_json_refuse(json, root, diag, CRDT_ECORRUPT,
                                 "the answer is about another place than %s", pointer);
    }
    return found == NULL ? CRDT_OK : read_entity(scene, json, found, diag);
}

crdt_err content_scene_read(content_scene *scene, crdt_span answer, const char *pointer,
                            crdt_alloc alloc, crdt_diag *diag)
{
    *scene = (content_scene){.deployed = false};
    scene_json_limits limits = scene_json_limits_default();
    limits.size_max = CONTENT_ENTITIES_MAX;
    scene_json *json = NULL;
    crdt_err err = scene_json_open(&json, alloc, answer, &limits, diag);
    if (err == CRDT_OK) {
        err = read_list(scene, json, pointer, diag);
    }
    scene_json_close(json);
    if (err != CRDT_OK) {
        *scene = (content_scene){.deployed = false};
    }
    return err;
}

/* ---- calls ---- */

static web_call open_call(const content_client *client, const char *method,
                          const char *url)
{
    web_call call = web_call_default();
    call.alloc = client->alloc;
    call.method = method;
    call.url = url;
    call.timeout_ms = client->timeout_ms;
    call.stop = client->stop;
    call.follow = true;
    return call;
}

static crdt_err make_url(const content_client *client, const char *path, char *url,
                         size_t size, crdt_diag *diag)
{
    if (!web_url_join(client->url, path, url, size)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the address is too long");
    }
    return CRDT_OK;
}

static bool is_json(crdt_span text, crdt_alloc alloc)
{
    scene_json *json = NULL;
    bool good = scene_json_open(&json, alloc, text, NULL, NULL) == CRDT_OK;
    scene_json_close(json);
    return good;
}

static crdt_err read_found(const content_client *client, const web_answer *answer,
                           const char *pointer, content_scene *scene, crdt_diag *diag)
{
    crdt_span body = crdt_buf_span(&answer->body);
    if (answer->status == 200) {
        return content_scene_read(scene, body, pointer, client->alloc, diag);
    }
    if (answer->status == 404 && is_json(body, client->alloc)) {
        return CRDT_OK;
    }
    return crdt_diag_set(diag, CRDT_EIO, 0, "it answers %d%s", answer->status,
                         answer->status == 404 ? ": is it a content server?" : "");
}

crdt_err content_client_find(const content_client *client, const char *pointer,
                             content_scene *scene, crdt_diag *diag)
{
    *scene = (content_scene){.deployed = false};
    char url[2048];
    char body[64];
    static const char *const HEADERS[] = {"Content-Type: application/json", NULL};
    if (!content_pointer_valid(pointer)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "%.40s is no place X,Y", pointer);
    }
    crdt_err err = make_url(client, "/content/entities/active", url, sizeof url, diag);
    if (err != CRDT_OK) {
        return err;
    }
    int size = snprintf(body, sizeof body, "{\"pointers\":[\"%s\"]}", pointer);
    web_call call = open_call(client, "POST", url);
    call.headers = HEADERS;
    call.body = (crdt_span){(const uint8_t *)body, (size_t)size};
    call.answer_max = CONTENT_ENTITIES_MAX;
    web_answer answer;
    err = web_client_call(&call, &answer, diag);
    if (err == CRDT_OK) {
        err = read_found(client, &answer, pointer, scene, diag);
    }
    web_answer_deinit(&answer);
    return err;
}

crdt_err content_client_fetch(const content_client *client, const char *hash,
                              size_t size_max, crdt_buf *out, crdt_diag *diag)
{
    if (!content_cid_valid(hash)) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                             "\"%.64s\" is no hash that can be checked", hash);
    }
    char path[CONTENT_TEXT_SIZE + 32];
    char url[2048];
    snprintf(path, sizeof path, "/content/contents/%s", hash);
    crdt_err err = make_url(client, path, url, sizeof url, diag);
    if (err != CRDT_OK) {
        return err;
    }
    web_call call = open_call(client, "GET", url);
    call.answer_max = size_max;
    web_answer answer;
    err = web_client_call(&call, &answer, diag);
    crdt_span body = crdt_buf_span(&answer.body);
    if (err == CRDT_OK && answer.status != 200) {
        err = crdt_diag_set(diag, CRDT_EIO, 0, "it answers %d for the file %s",
                            answer.status, hash);
    }
    if (err == CRDT_OK && !content_cid_matches(hash, body)) {
        err = crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                            "the bytes it gives are not those of %s", hash);
    }
    if (err == CRDT_OK) {
        err = crdt_buf_append_span(out, body);
    }
    web_answer_deinit(&answer);
    return err;
}
