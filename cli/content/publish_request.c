#include "cli/content/publish_request.h"

#include "scene/json.h"

#include <string.h>

#define TEXT_SIZE 4096

/* ---- base64 ---- */

static int digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool content_base64_decode(crdt_span text, crdt_buf *out, crdt_err *err)
{
    size_t before = out->size;
    *err = crdt_buf_reserve(out, text.size / 4 * 3 + 3);
    while (text.size > 0 && text.data[text.size - 1] == '=') {
        text.size--;
    }
    uint32_t bits = 0;
    uint32_t have = 0;
    for (size_t i = 0; *err == CRDT_OK && i < text.size; i++) {
        int value = digit(text.data[i]);
        if (value < 0) {
            out->size = before;
            return false;
        }
        bits = (bits << 6) | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out->data[out->size++] = (uint8_t)(bits >> have);
        }
    }
    return *err == CRDT_OK && text.size % 4 != 1;
}

/* ---- the payload ---- */

typedef struct request_texts {
    char title[TEXT_SIZE + 1];
    char description[TEXT_SIZE + 1];
    char parcels[TEXT_SIZE + 1];
    char project[256];
    char id[64];
} request_texts;

/* A text member, terminated; *given: it is there (null is as if it were not). */
static crdt_err take_text(const scene_json_node *root, const char *key, char *out,
                          size_t size, const char **given, crdt_diag *diag)
{
    const scene_json_node *node = scene_json_find(root, key);
    *given = NULL;
    if (node == NULL || node->type == SCENE_JSON_NULL) {
        return CRDT_OK;
    }
    if (node->type != SCENE_JSON_STRING || node->count >= size ||
        memchr(node->as.text, '\0', node->count) != NULL) {
        return crdt_diag_set(diag, CRDT_EINVAL, node->offset,
                             "`%s` is a text of up to %zu bytes", key, size - 1);
    }
    memcpy(out, node->as.text, node->count);
    out[node->count] = '\0';
    *given = out;
    return CRDT_OK;
}

static crdt_err take_picture(const scene_json_node *root, crdt_buf *picture,
                             crdt_diag *diag)
{
    const scene_json_node *node = scene_json_find(root, "screenshot");
    if (node == NULL || node->type == SCENE_JSON_NULL ||
        (node->type == SCENE_JSON_STRING && node->count == 0)) {
        return CRDT_OK;
    }
    crdt_err err = CRDT_EINVAL;
    crdt_span text =
        node->type == SCENE_JSON_STRING ? scene_json_text(node) : (crdt_span){0};
    const uint8_t *comma =
        text.size > 5 && memcmp(text.data, "data:", 5) == 0
            ? memchr(text.data, ',', text.size < 100 ? text.size : 100)
            : NULL;
    if (comma != NULL) {
        text.size -= (size_t)(comma + 1 - text.data);
        text.data = comma + 1;
    }
    if (text.size == 0 || !content_base64_decode(text, picture, &err)) {
        return err == CRDT_ENOMEM
                   ? err
                   : crdt_diag_set(diag, CRDT_EINVAL, node->offset,
                                   "`screenshot` is a picture as base64");
    }
    return CRDT_OK;
}

static crdt_err prepare(const content_publish_options *options,
                        const content_publish_request *request,
                        const scene_json_node *root, crdt_span state, crdt_buf *result,
                        crdt_diag *diag)
{
    request_texts *texts = crdt_allocate(options->alloc, sizeof *texts);
    if (texts == NULL) {
        return CRDT_ENOMEM;
    }
    crdt_buf picture;
    crdt_buf_init(&picture, options->alloc);
    content_publish_scene scene = {.pointer = request->pointer, .state = state};
    crdt_err err =
        take_text(root, "title", texts->title, sizeof texts->title, &scene.title, diag);
    err = err == CRDT_OK
              ? take_text(root, "description", texts->description,
                          sizeof texts->description, &scene.description, diag)
              : err;
    err = err == CRDT_OK ? take_text(root, "parcels", texts->parcels,
                                     sizeof texts->parcels, &scene.parcels, diag)
                         : err;
    err = err == CRDT_OK ? take_text(root, "projectId", texts->project,
                                     sizeof texts->project, &scene.project, diag)
                         : err;
    err = err == CRDT_OK ? take_picture(root, &picture, diag) : err;
    if (err == CRDT_OK) {
        scene.project = scene.project != NULL ? scene.project : request->project;
        scene.thumbnail = crdt_buf_span(&picture);
        err = content_publish_prepare(options, &scene, result, diag);
    }
    crdt_buf_deinit(&picture);
    crdt_free(options->alloc, texts, sizeof *texts);
    return err;
}

static crdt_err confirm(const content_publish_options *options,
                        const content_publish_request *request,
                        const scene_json_node *root, crdt_span state, crdt_buf *result,
                        crdt_diag *diag)
{
    char id[64];
    content_publish_confirmation given = {.state = state,
                                          .unpublish = request->unpublish};
    const scene_json_node *chain = scene_json_find(root, "authChain");
    crdt_buf value;
    crdt_buf text;
    crdt_buf_init(&value, options->alloc);
    crdt_buf_init(&text, options->alloc);
    crdt_err err = take_text(root, "confirm", id, sizeof id, &given.id, diag);
    if (err == CRDT_OK && given.id == NULL) {
        err = crdt_diag_set(diag, CRDT_EINVAL, 0,
                            "`confirm` names what was prepared, `authChain` signs it");
    }
    if (err == CRDT_OK && chain != NULL) {
        err = scene_json_encode(chain, options->alloc, &value);
        err =
            err == CRDT_OK ? scene_json_write_value(crdt_buf_span(&value), &text) : err;
    }
    if (err == CRDT_OK) {
        given.auth_chain = chain != NULL ? crdt_buf_span(&text) : crdt_span_of("[]");
        err = content_publish_confirm(options, &given, result, diag);
    }
    crdt_buf_deinit(&text);
    crdt_buf_deinit(&value);
    return err;
}

static bool is_true(const scene_json_node *root, const char *key)
{
    const scene_json_node *node = scene_json_find(root, key);
    return node != NULL && node->type == SCENE_JSON_BOOL && node->boolean;
}

static crdt_err answer(const content_publish_options *options,
                       const content_publish_request *request,
                       const scene_json_node *root, crdt_buf *result, crdt_diag *diag)
{
    if (root->type != SCENE_JSON_OBJECT) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "it is no object");
    }
    bool confirms = scene_json_find(root, "confirm") != NULL ||
                    scene_json_find(root, "authChain") != NULL;
    if (!confirms && request->unpublish) {
        return content_unpublish_prepare(options, request->pointer, result, diag);
    }
    crdt_buf state;
    crdt_buf_init(&state, options->alloc);
    bool as_prepared = confirms && (request->unpublish || is_true(root, "asPrepared"));
    crdt_err err = as_prepared ? CRDT_OK : request->state(request->ctx, &state, diag);
    if (err == CRDT_OK) {
        err = (confirms ? confirm : prepare)(options, request, root,
                                             crdt_buf_span(&state), result, diag);
    }
    crdt_buf_deinit(&state);
    return err;
}

crdt_err content_publish_answer(const content_publish_options *options,
                                const content_publish_request *request,
                                crdt_buf *result)
{
    crdt_diag diag = {0};
    scene_json *json;
    scene_json_limits limits = {.size_max = CONTENT_REQUEST_SIZE_MAX, .depth_max = 16};
    size_t before = result->size;
    crdt_span text = request->payload.size > 0 ? request->payload : crdt_span_of("{}");
    crdt_err err = scene_json_open(&json, options->alloc, text, &limits, &diag);
    if (err == CRDT_OK) {
        err = answer(options, request, scene_json_root(json), result, &diag);
        scene_json_close(json);
    }
    if (err != CRDT_OK) {
        result->size = before;
        (void)content_publish_refusal(err, &diag, result);
    }
    return err;
}

int content_publish_status(crdt_err err)
{
    switch (err) {
    case CRDT_OK:
        return 200;
    case CRDT_EINVAL:
    case CRDT_ECORRUPT:
        return 400;
    case CRDT_EREFUSED:
        return 403;
    case CRDT_ENOTFOUND:
        return 404;
    case CRDT_ESTALE:
    case CRDT_ETIMEOUT:
        return 409;
    case CRDT_ELIMIT:
        return 413;
    case CRDT_EIO:
        return 502;
    default:
        return 500;
    }
}
