#include "cli/content/deploy.h"

#include "cli/web/client.h"

#include <stdio.h>
#include <stdlib.h>

#define URL_SIZE 4096
#define QUERY_SIZE 3000            /* of one call: URLs are bounded elsewhere too */
#define ANSWER_SIZE_MAX (8u << 20) /* of answers that are JSON */
#define ID_SIZE_MAX 128u

/* ---- calls ---- */

static web_call call_of(const content_publish_options *options, const char *method,
                        const char *url)
{
    web_call call = web_call_default();
    call.alloc = options->alloc;
    call.method = method;
    call.url = url;
    call.answer_max = ANSWER_SIZE_MAX;
    call.timeout_ms = options->timeout_ms;
    call.stop = options->stop;
    return call;
}

static crdt_err join(const char *base, const char *path, char url[URL_SIZE],
                     crdt_diag *diag)
{
    return web_url_join(base, path, url, URL_SIZE)
               ? CRDT_OK
               : crdt_diag_set(diag, CRDT_EINVAL, 0, "the URL %.80s is too long", base);
}

/* What an answer says went wrong: its words, as far as they are a line of text. */
static crdt_err refuse(const web_answer *answer, const char *what, crdt_err err,
                       crdt_diag *diag)
{
    char words[100] = "";
    size_t size = 0;
    for (size_t i = 0; i < answer->body.size && size + 1 < sizeof words; i++) {
        uint8_t c = answer->body.data[i];
        words[size++] = c >= 0x20 && c < 0x7f ? (char)c : ' ';
    }
    words[size] = '\0';
    return crdt_diag_set(diag, err, 0, "%s: HTTP %d %s", what, answer->status, words);
}

/* A call whose answer is JSON, with this status. */
static crdt_err call_json(const web_call *call, const char *what, scene_json **json,
                          crdt_diag *diag)
{
    web_answer answer;
    crdt_err err = web_client_call(call, &answer, diag);
    if (err == CRDT_OK && answer.status != 200) {
        err = refuse(&answer, what, CRDT_EIO, diag);
    }
    if (err == CRDT_OK) {
        scene_json_limits limits = scene_json_limits_default();
        limits.size_max = ANSWER_SIZE_MAX;
        crdt_diag why = {0};
        err = scene_json_open(json, call->alloc, crdt_buf_span(&answer.body), &limits,
                              &why);
        if (err != CRDT_OK) {
            err = crdt_diag_set(diag, err, why.offset,
                                "%s: no JSON that can be read: %s", what, why.text);
        }
    }
    web_answer_deinit(&answer);
    return err;
}

/* ---- what is deployed ---- */

static bool has_pointer(const scene_json_node *entity, const char *pointer)
{
    const scene_json_node *list = scene_json_find(entity, "pointers");
    if (list == NULL || list->type != SCENE_JSON_ARRAY) {
        return false;
    }
    const scene_json_node *node = list + 1;
    for (uint32_t i = 0; i < list->count; i++) {
        if (node->type == SCENE_JSON_STRING &&
            crdt_span_equal(scene_json_text(node), crdt_span_of(pointer))) {
            return true;
        }
        node = scene_json_next(node);
    }
    return false;
}

static crdt_err pick_entity(content_deployed *found, const char *what, bool by_id,
                            crdt_diag *diag)
{
    const scene_json_node *root = scene_json_root(found->json);
    if (root->type != SCENE_JSON_ARRAY) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                             "the content server's answer is no list of entities");
    }
    const scene_json_node *node = root + 1;
    for (uint32_t i = 0; i < root->count && found->entity == NULL; i++) {
        const scene_json_node *id = scene_json_find(node, "id");
        bool named =
            id != NULL && id->type == SCENE_JSON_STRING && id->count <= ID_SIZE_MAX;
        if (named && (by_id ? crdt_span_equal(scene_json_text(id), crdt_span_of(what))
                            : has_pointer(node, what))) {
            found->entity = node;
        }
        node = scene_json_next(node);
    }
    if (found->entity == NULL && root->count > 0) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                             "the content server answers with another entity than %s",
                             what);
    }
    return CRDT_OK;
}

crdt_err content_deploy_find(const content_publish_options *options, const char *what,
                             bool by_id, content_deployed *found, crdt_diag *diag)
{
    *found = (content_deployed){0};
    char url[URL_SIZE];
    char body[256];
    const char *headers[] = {"Content-Type: application/json", NULL};
    int size = snprintf(body, sizeof body, "{\"%s\":[\"%s\"]}",
                        by_id ? "ids" : "pointers", what);
    crdt_err err = join(options->content_url, "/content/entities/active", url, diag);
    if (err != CRDT_OK) {
        return err;
    }
    web_call call = call_of(options, "POST", url);
    call.headers = headers;
    call.body = (crdt_span){(const uint8_t *)body, (size_t)size};
    err = call_json(&call, "asking what is deployed", &found->json, diag);
    if (err != CRDT_OK) {
        found->json = NULL;
        return err;
    }
    err = pick_entity(found, what, by_id, diag);
    if (err != CRDT_OK) {
        content_deployed_deinit(found);
    }
    return err;
}

void content_deployed_deinit(content_deployed *found)
{
    scene_json_close(found->json);
    *found = (content_deployed){0};
}

crdt_span content_deployed_id(const content_deployed *found)
{
    const scene_json_node *id =
        found->entity != NULL ? scene_json_find(found->entity, "id") : NULL;
    return id != NULL && id->type == SCENE_JSON_STRING ? scene_json_text(id)
                                                       : (crdt_span){0};
}

bool content_deployed_next_file(const content_deployed *found,
                                content_deployed_cursor *cursor, crdt_span *file,
                                crdt_span *hash)
{
    if (cursor->node == NULL) {
        const scene_json_node *list =
            found->entity != NULL ? scene_json_find(found->entity, "content") : NULL;
        if (list == NULL || list->type != SCENE_JSON_ARRAY) {
            return false;
        }
        cursor->node = list + 1;
        cursor->left = list->count;
    }
    while (cursor->left > 0) {
        const scene_json_node *name = scene_json_find(cursor->node, "file");
        const scene_json_node *cid = scene_json_find(cursor->node, "hash");
        cursor->node = scene_json_next(cursor->node);
        cursor->left--;
        if (name != NULL && name->type == SCENE_JSON_STRING && cid != NULL &&
            cid->type == SCENE_JSON_STRING) {
            *file = scene_json_text(name);
            *hash = scene_json_text(cid);
            return true;
        }
    }
    return false;
}

/* ---- files ---- */

static crdt_err fetch_from(const content_publish_options *options, const char *base,
                           const char *path, const char *cid, size_t size_max,
                           crdt_buf *out, crdt_diag *diag)
{
    char url[URL_SIZE];
    char whole[CONTENT_CID_SIZE + 64];
    snprintf(whole, sizeof whole, "%s%s", path, cid);
    crdt_err err = join(base, whole, url, diag);
    if (err != CRDT_OK) {
        return err;
    }
    web_call call = call_of(options, "GET", url);
    call.answer_max = size_max;
    call.follow = true;
    web_answer answer;
    err = web_client_call(&call, &answer, diag);
    if (err == CRDT_OK && answer.status != 200) {
        bool gone = answer.status == 404;
        err = gone ? CRDT_ENOTFOUND : refuse(&answer, cid, CRDT_EIO, diag);
    }
    if (err == CRDT_OK && !content_cid_matches(cid, crdt_buf_span(&answer.body))) {
        err = crdt_diag_set(diag, CRDT_ECORRUPT, 0,
                            "%s is not what the server gives for it", cid);
    }
    if (err == CRDT_OK) {
        err = crdt_buf_append_span(out, crdt_buf_span(&answer.body));
    }
    web_answer_deinit(&answer);
    return err;
}

crdt_err content_deploy_fetch(const content_publish_options *options, crdt_span hash,
                              size_t size_max, crdt_buf *out, crdt_diag *diag)
{
    char cid[CONTENT_CID_SIZE];
    if (hash.size >= sizeof cid || memchr(hash.data, '\0', hash.size) != NULL) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0, "its hash is none");
    }
    memcpy(cid, hash.data, hash.size);
    cid[hash.size] = '\0';
    if (!content_cid_valid(cid)) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0, "its hash is none");
    }
    crdt_err err = CRDT_ENOTFOUND;
    if (options->content_url != NULL) {
        err = fetch_from(options, options->content_url, "/content/contents/", cid,
                         size_max, out, diag);
    }
    if (err == CRDT_OK || err == CRDT_ECLOSED || err == CRDT_ENOMEM ||
        options->builder_url == NULL) {
        return err;
    }
    return fetch_from(options, options->builder_url, "/v1/storage/contents/", cid,
                      size_max, out, diag);
}

/* An id in a query: what is not plain is written as %XX. */
static size_t put_escaped(char *out, size_t size, crdt_span text)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    size_t used = 0;
    for (size_t i = 0; i < text.size && used + 4 < size; i++) {
        uint8_t c = text.data[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                     (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        if (plain) {
            out[used++] = (char)c;
        } else {
            out[used++] = '%';
            out[used++] = DIGITS[c >> 4];
            out[used++] = DIGITS[c & 15];
        }
    }
    out[used] = '\0';
    return used;
}

crdt_err content_deploy_assets(const content_publish_options *options,
                               const crdt_span *ids, size_t count, crdt_buf *out,
                               crdt_diag *diag)
{
    char query[QUERY_SIZE] = "/v1/assets?";
    size_t used = strlen(query);
    for (size_t i = 0; i < count; i++) {
        if (used + ids[i].size * 3 + 8 >= sizeof query) {
            return crdt_diag_set(diag, CRDT_ELIMIT, 0, "too many ids for one call");
        }
        used += (size_t)snprintf(query + used, sizeof query - used,
                                 "%sid=", i == 0 ? "" : "&");
        used += put_escaped(query + used, sizeof query - used, ids[i]);
    }
    char url[URL_SIZE];
    crdt_err err = join(options->builder_url, query, url, diag);
    if (err != CRDT_OK) {
        return err;
    }
    web_call call = call_of(options, "GET", url);
    call.answer_max = 32u << 20;
    call.follow = true;
    web_answer answer;
    err = web_client_call(&call, &answer, diag);
    if (err == CRDT_OK && answer.status != 200) {
        err = refuse(&answer, "asking the builder for assets", CRDT_EIO, diag);
    }
    if (err == CRDT_OK) {
        err = crdt_buf_append_span(out, crdt_buf_span(&answer.body));
    }
    web_answer_deinit(&answer);
    return err;
}

/* ---- deploying ---- */

static void take_available(const scene_json_node *root, content_deploy_file *files,
                           size_t count)
{
    const scene_json_node *node = root + 1;
    for (uint32_t i = 0; root->type == SCENE_JSON_ARRAY && i < root->count; i++) {
        const scene_json_node *cid = scene_json_find(node, "cid");
        const scene_json_node *available = scene_json_find(node, "available");
        for (size_t f = 0; f < count; f++) {
            if (cid != NULL && cid->type == SCENE_JSON_STRING && available != NULL &&
                available->type == SCENE_JSON_BOOL && available->boolean &&
                crdt_span_equal(scene_json_text(cid), crdt_span_of(files[f].hash))) {
                files[f].available = true;
            }
        }
        node = scene_json_next(node);
    }
}

crdt_err content_deploy_available(const content_publish_options *options,
                                  content_deploy_file *files, size_t count,
                                  crdt_diag *diag)
{
    crdt_err err = CRDT_OK;
    for (size_t done = 0; done < count && err == CRDT_OK;) {
        char query[QUERY_SIZE] = "/content/available-content?";
        size_t used = strlen(query);
        size_t first = done;
        while (done < count && used + CONTENT_CID_SIZE + 8 < sizeof query) {
            used += (size_t)snprintf(query + used, sizeof query - used, "%scid=%s",
                                     done == first ? "" : "&", files[done].hash);
            done++;
        }
        char url[URL_SIZE];
        scene_json *json = NULL;
        err = join(options->content_url, query, url, diag);
        if (err == CRDT_OK) {
            web_call call = call_of(options, "GET", url);
            err = call_json(&call, "asking which files are there", &json, diag);
        }
        if (err == CRDT_OK) {
            take_available(scene_json_root(json), files + first, done - first);
            scene_json_close(json);
        }
    }
    return err;
}

/* The parts of the multipart body; texts of links are copied to be terminated. */
typedef struct deploy_parts {
    web_part *list;
    size_t count;
    char names[CONTENT_AUTH_LINK_MAX * 3][40];
} deploy_parts;

static void add_links(deploy_parts *parts, const content_auth_links *links)
{
    static const char *const MEMBERS[] = {"type", "payload", "signature"};
    for (size_t i = 0; i < links->count; i++) {
        const crdt_span texts[] = {links->list[i].type, links->list[i].payload,
                                   links->list[i].signature};
        for (size_t m = 0; m < 3; m++) {
            char *name = parts->names[i * 3 + m];
            snprintf(name, sizeof parts->names[0], "authChain[%zu][%s]", i, MEMBERS[m]);
            parts->list[parts->count++] = (web_part){.name = name, .content = texts[m]};
        }
    }
}

static crdt_err read_timestamp(const web_answer *answer, crdt_alloc alloc,
                               uint64_t *timestamp)
{
    scene_json *json;
    *timestamp = 0;
    if (scene_json_open(&json, alloc, crdt_buf_span(&answer->body), NULL, NULL) !=
        CRDT_OK) {
        return CRDT_OK; /* it is deployed, whatever it says */
    }
    const scene_json_node *node =
        scene_json_find(scene_json_root(json), "creationTimestamp");
    if (node != NULL && node->type == SCENE_JSON_NUMBER && node->as.number >= 0 &&
        node->as.number < 9e15) {
        *timestamp = (uint64_t)node->as.number;
    }
    scene_json_close(json);
    return CRDT_OK;
}

crdt_err content_deploy_send(const content_publish_options *options,
                             const char *entity_id, const content_auth_links *links,
                             const content_deploy_file *files, size_t count,
                             uint64_t *timestamp, crdt_diag *diag)
{
    char url[URL_SIZE];
    crdt_err err = join(options->content_url, "/content/entities", url, diag);
    if (err != CRDT_OK) {
        return err;
    }
    deploy_parts parts = {0};
    size_t room = 1 + links->count * 3 + count;
    parts.list = crdt_allocate(options->alloc, room * sizeof parts.list[0]);
    if (parts.list == NULL) {
        return crdt_diag_set(diag, CRDT_ENOMEM, 0, "out of memory");
    }
    parts.list[parts.count++] =
        (web_part){.name = "entityId", .content = crdt_span_of(entity_id)};
    add_links(&parts, links);
    for (size_t i = 0; i < count; i++) {
        if (!files[i].available) {
            parts.list[parts.count++] = (web_part){.name = files[i].hash,
                                                   .file_name = files[i].hash,
                                                   .type = "application/octet-stream",
                                                   .content = files[i].content};
        }
    }
    web_call call = call_of(options, "POST", url);
    call.parts = parts.list;
    call.part_count = parts.count;
    web_answer answer;
    err = web_client_call(&call, &answer, diag);
    if (err == CRDT_OK && (answer.status < 200 || answer.status > 299)) {
        bool final = answer.status >= 400 && answer.status < 500;
        err = refuse(&answer, "the content server does not take it",
                     final ? CRDT_EREFUSED : CRDT_EIO, diag);
    }
    if (err == CRDT_OK) {
        err = read_timestamp(&answer, options->alloc, timestamp);
    }
    web_answer_deinit(&answer);
    crdt_free(options->alloc, parts.list, room * sizeof parts.list[0]);
    return err;
}

bool content_deploy_unsigned(const content_publish_options *options)
{
    char url[URL_SIZE];
    crdt_diag diag = {0};
    scene_json *json = NULL;
    if (options->content_url == NULL ||
        join(options->content_url, "/content/status", url, &diag) != CRDT_OK) {
        return false;
    }
    web_call call = call_of(options, "GET", url);
    if (call_json(&call, "asking about signatures", &json, &diag) != CRDT_OK) {
        return false;
    }
    const scene_json_node *said = scene_json_find(scene_json_root(json), "signatures");
    bool none = said != NULL && said->type == SCENE_JSON_STRING &&
                crdt_span_equal(scene_json_text(said), crdt_span_of("not verified"));
    scene_json_close(json);
    return none;
}

crdt_err content_deploy_unlink(const content_publish_options *options,
                               const char *pointer, crdt_diag *diag)
{
    char path[128];
    char url[URL_SIZE];
    snprintf(path, sizeof path, "/v1/projects/%.40s/coords", pointer);
    crdt_err err = join(options->builder_url, path, url, diag);
    if (err != CRDT_OK) {
        return err;
    }
    web_call call = call_of(options, "DELETE", url);
    call.headers = options->headers;
    web_answer answer;
    err = web_client_call(&call, &answer, diag);
    bool good = err == CRDT_OK &&
                ((answer.status >= 200 && answer.status < 300) || answer.status == 404);
    if (err == CRDT_OK && !good) {
        err = refuse(&answer, "the builder does not unlink", CRDT_EIO, diag);
    }
    web_answer_deinit(&answer);
    return err;
}
