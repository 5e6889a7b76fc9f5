#include "cli/content/builder_client.h"

#include "cli/content/content_client.h"
#include "cli/web/client.h"
#include "scene/json.h"

#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

bool builder_project_valid(const char *id)
{
    size_t size = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789-_");
    return size >= 1 && size <= 127 && id[size] == '\0';
}

/* The server's words: printable, on one line, whole characters. */
static void copy_words(crdt_span text, char out[BUILDER_ERROR_SIZE])
{
    size_t size =
        text.size < BUILDER_ERROR_SIZE - 1 ? text.size : BUILDER_ERROR_SIZE - 1;
    while (size > 0 && size < text.size && (text.data[size] & 0xc0) == 0x80) {
        size--;
    }
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = text.data[i];
        out[i] = (char)(byte < 0x20 || byte == 0x7f ? ' ' : byte);
    }
    out[size] = '\0';
}

bool builder_answer_ok(crdt_span answer, char error[BUILDER_ERROR_SIZE],
                       crdt_alloc alloc)
{
    error[0] = '\0';
    scene_json *json = NULL;
    if (scene_json_open(&json, alloc, answer, NULL, NULL) != CRDT_OK) {
        return false;
    }
    const scene_json_node *root = scene_json_root(json);
    const scene_json_node *ok = scene_json_find(root, "ok");
    const scene_json_node *words = scene_json_find(root, "error");
    if (words == NULL || words->type != SCENE_JSON_STRING) {
        words = scene_json_find(root, "message");
    }
    bool good = ok != NULL && ok->type == SCENE_JSON_BOOL && ok->boolean;
    if (!good && words != NULL && words->type == SCENE_JSON_STRING) {
        copy_words(scene_json_text(words), error);
    }
    scene_json_close(json);
    return good;
}

crdt_span builder_object_text(crdt_span text, size_t offset)
{
    size_t depth = 0;
    bool string = false;
    size_t at = offset;
    do {
        uint8_t byte = text.data[at++];
        if (string && byte == '\\') {
            at++;
        } else if (byte == '"') {
            string = !string;
        } else if (!string && (byte == '{' || byte == '[')) {
            depth++;
        } else if (!string && (byte == '}' || byte == ']')) {
            depth--;
        }
    } while (depth > 0);
    return (crdt_span){text.data + offset, at - offset};
}

crdt_err builder_answer_first(crdt_span answer, bool *found, crdt_buf *out,
                              crdt_alloc alloc, crdt_diag *diag)
{
    *found = false;
    scene_json_limits limits = scene_json_limits_default();
    limits.depth_max = SCENE_JSON_DEPTH_MAX;
    scene_json *json = NULL;
    crdt_err err = scene_json_open(&json, alloc, answer, &limits, diag);
    if (err != CRDT_OK) {
        return err;
    }
    const scene_json_node *root = scene_json_root(json);
    const scene_json_node *data = scene_json_find(root, "data");
    if (data == NULL || data->type != SCENE_JSON_ARRAY) {
        err = scene_json_refuse(json, root, diag, CRDT_ECORRUPT,
                                "a list of manifests was expected");
    } else if (data->count > 0 && data[1].type != SCENE_JSON_OBJECT) {
        err = scene_json_refuse(json, data + 1, diag, CRDT_ECORRUPT,
                                "a manifest must be an object");
    } else if (data->count > 0) {
        err = crdt_buf_append_span(out, builder_object_text(answer, data[1].offset));
        *found = err == CRDT_OK;
    }
    scene_json_close(json);
    return err;
}

const char *builder_image_type(crdt_span image)
{
    static const uint8_t PNG[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static const uint8_t JPEG[] = {0xff, 0xd8, 0xff};
    if (image.size >= sizeof PNG && memcmp(image.data, PNG, sizeof PNG) == 0) {
        return "image/png";
    }
    if (image.size >= sizeof JPEG && memcmp(image.data, JPEG, sizeof JPEG) == 0) {
        return "image/jpeg";
    }
    return NULL;
}

/* ---- calls ---- */

#define HEADERS_MAX 64
#define ANSWER_MAX (1u << 20) /* bytes of an answer that only says ok */

typedef struct header_list {
    const char *items[HEADERS_MAX + 2];
} header_list;

/* What is passed on, and the type of the body. */
static const char *const *make_headers(const builder_client *client, const char *type,
                                       header_list *list)
{
    size_t count = 0;
    for (size_t i = 0;
         client->headers != NULL && client->headers[i] != NULL && count < HEADERS_MAX;
         i++) {
        list->items[count++] = client->headers[i];
    }
    if (type != NULL) {
        list->items[count++] = type;
    }
    list->items[count] = NULL;
    return list->items;
}

/* What an HTTP status other than 2xx means. */
static crdt_err judge(const builder_client *client, const web_answer *answer,
                      crdt_diag *diag)
{
    char words[BUILDER_ERROR_SIZE];
    (void)builder_answer_ok(crdt_buf_span(&answer->body), words, client->alloc);
    const char *colon = words[0] != '\0' ? ": " : "";
    crdt_err err = CRDT_EIO;
    switch (answer->status) {
    case 400:
    case 422:
        err = CRDT_EINVAL;
        break;
    case 401:
    case 403:
        err = CRDT_EREFUSED;
        break;
    case 404:
        err = CRDT_ENOTFOUND;
        break;
    case 413:
        err = CRDT_ELIMIT;
        break;
    default:
        break;
    }
    return crdt_diag_set(diag, err, 0, "the builder server answers %d%s%s",
                         answer->status, colon, words);
}

static crdt_err call_server(const builder_client *client, web_call *call,
                            const char *path, web_answer *answer, crdt_diag *diag)
{
    char url[2048];
    *answer = (web_answer){.status = 0};
    if (!web_url_join(client->url, path, url, sizeof url)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "the address is too long");
    }
    call->alloc = client->alloc;
    call->url = url;
    call->timeout_ms = client->timeout_ms;
    call->stop = client->stop;
    crdt_err err = web_client_call(call, answer, diag);
    if (err == CRDT_OK && (answer->status < 200 || answer->status > 299)) {
        err = judge(client, answer, diag);
    }
    return err;
}

static crdt_err make_path(const char *project, const char *what, char *path,
                          size_t size, crdt_diag *diag)
{
    if (!builder_project_valid(project)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "\"%.64s\" is no id of a project",
                             project);
    }
    snprintf(path, size, "/v1/projects/%s/%s", project, what);
    return CRDT_OK;
}

crdt_err builder_client_get(const builder_client *client, const char *project,
                            crdt_buf *out, crdt_diag *diag)
{
    char path[256];
    crdt_err err = make_path(project, "manifest", path, sizeof path, diag);
    if (err != CRDT_OK) {
        return err;
    }
    header_list headers;
    web_call call = web_call_default();
    call.method = "GET";
    call.headers = make_headers(client, NULL, &headers);
    call.answer_max = BUILDER_MANIFEST_MAX;
    call.follow = true;
    web_answer answer;
    err = call_server(client, &call, path, &answer, diag);
    if (err == CRDT_OK) {
        err = crdt_buf_append_span(out, crdt_buf_span(&answer.body));
    }
    web_answer_deinit(&answer);
    return err;
}

crdt_err builder_client_find(const builder_client *client, const char *pointer,
                             crdt_buf *out, crdt_diag *diag)
{
    char path[128];
    if (!content_pointer_valid(pointer)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "%.40s is no place X,Y", pointer);
    }
    snprintf(path, sizeof path, "/v1/manifests?creation_coords_eq=%s", pointer);
    header_list headers;
    web_call call = web_call_default();
    call.method = "GET";
    call.headers = make_headers(client, NULL, &headers);
    call.answer_max = BUILDER_MANIFEST_MAX;
    call.follow = true;
    web_answer answer;
    crdt_err err = call_server(client, &call, path, &answer, diag);
    bool found = false;
    if (err == CRDT_OK) {
        err = builder_answer_first(crdt_buf_span(&answer.body), &found, out,
                                   client->alloc, diag);
    }
    web_answer_deinit(&answer);
    if (err == CRDT_OK && !found) {
        err = crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "no project was made for %s",
                            pointer);
    }
    return err;
}

static crdt_err check_ok(const builder_client *client, const web_answer *answer,
                         crdt_diag *diag)
{
    char words[BUILDER_ERROR_SIZE];
    if (builder_answer_ok(crdt_buf_span(&answer->body), words, client->alloc)) {
        return CRDT_OK;
    }
    return crdt_diag_set(diag, CRDT_EIO, 0, "the builder server does not say ok%s%s",
                         words[0] != '\0' ? ": " : "", words);
}

crdt_err builder_client_put(const builder_client *client, const char *project,
                            crdt_span body, crdt_diag *diag)
{
    char path[256];
    crdt_err err = make_path(project, "manifest", path, sizeof path, diag);
    if (err != CRDT_OK) {
        return err;
    }
    header_list headers;
    web_call call = web_call_default();
    call.method = "PUT";
    call.headers = make_headers(client, "Content-Type: application/json", &headers);
    call.body = body;
    call.answer_max = BUILDER_MANIFEST_MAX;
    web_answer answer;
    err = call_server(client, &call, path, &answer, diag);
    if (err == CRDT_OK) {
        err = check_ok(client, &answer, diag);
    }
    web_answer_deinit(&answer);
    return err;
}

crdt_err builder_client_thumbnail(const builder_client *client, const char *project,
                                  crdt_span image, crdt_diag *diag)
{
    char path[256];
    const char *type = builder_image_type(image);
    if (type == NULL) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "a thumbnail must be a png or a jpeg");
    }
    crdt_err err = make_path(project, "media", path, sizeof path, diag);
    if (err != CRDT_OK) {
        return err;
    }
    header_list headers;
    web_part part = {.name = "thumbnail",
                     .file_name = type[6] == 'p' ? "thumbnail.png" : "thumbnail.jpg",
                     .type = type,
                     .content = image};
    web_call call = web_call_default();
    call.method = "POST";
    call.headers = make_headers(client, NULL, &headers);
    call.parts = &part;
    call.part_count = 1;
    call.answer_max = ANSWER_MAX;
    web_answer answer;
    err = call_server(client, &call, path, &answer, diag);
    if (err == CRDT_OK) {
        err = check_ok(client, &answer, diag);
    }
    web_answer_deinit(&answer);
    return err;
}
