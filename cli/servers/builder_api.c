/* The face of the Builder server: /v1/... */

#include "cli/servers/api.h"

#include "cli/servers/builder_auth.h"
#include "cli/servers/json_put.h"
#include "cli/servers/multipart.h"
#include "sync/crypto.h"

#include <ctype.h>
#include <stdio.h>

#define ASSETS_SIZE_MAX (32u << 20)
#define MEDIA_PART_MAX 16
#define MEDIA_NAME_SIZE 96
#define KEY_SIZE 33 /* of a redirected address: hex with terminator */

/* One request at work. */
typedef struct builder_call {
    servers_api *api;
    const web_request *request;
    web_reply *reply;
    servers_caller caller;
    char id[SERVERS_UUID_SIZE]; /* of the path, in lower case */
    crdt_diag diag;
} builder_call;

/* ---- answers ---- */

static int status_of(crdt_err err)
{
    switch (err) {
    case CRDT_EREFUSED:
        return 401; /* the real server's word for somebody else's project too */
    case CRDT_ENOTFOUND:
        return 404;
    case CRDT_ELIMIT:
        return 413;
    case CRDT_EBUSY:
        return 507;
    case CRDT_EIO:
    case CRDT_ENOMEM:
        return 500;
    default:
        return 400;
    }
}

static void fail(builder_call *call, crdt_err err)
{
    char text[256];
    servers_api_describe(err, &call->diag, text, sizeof text);
    web_reply_error(call->reply, status_of(err), "%s", text);
}

/* {"ok":true,"data":...}: `data` is canonical JSON. */
static void give_data(builder_call *call, crdt_span data)
{
    static const char head[] = "{\"data\":";
    static const char tail[] = ",\"ok\":true}";
    crdt_buf *body = &call->reply->body;
    crdt_buf_clear(body);
    if (crdt_buf_append(body, head, sizeof head - 1) != CRDT_OK ||
        crdt_buf_append_span(body, data) != CRDT_OK ||
        crdt_buf_append(body, tail, sizeof tail - 1) != CRDT_OK) {
        fail(call, CRDT_ENOMEM);
    }
}

/* The result of something that gives nothing or `data`. */
static void finish(builder_call *call, crdt_err err, crdt_buf *data)
{
    if (err != CRDT_OK) {
        fail(call, err);
    } else {
        give_data(call, data != NULL ? crdt_buf_span(data) : crdt_span_of("true"));
    }
}

/* Who calls? False: answered. */
static bool enter(builder_call *call, bool write)
{
    if (write && !servers_api_may_write(call->api, call->request, call->reply)) {
        return false;
    }
    crdt_err err = servers_builder_auth(call->request, call->api->now_ms,
                                        call->api->alloc, &call->caller, &call->diag);
    if (err != CRDT_OK) {
        fail(call, err);
        return false;
    }
    return true;
}

/* ---- bodies ---- */

/* The member `key` of a JSON body. NULL: answered. */
static const scene_json_node *open_body(builder_call *call, const char *key,
                                        scene_json **json)
{
    *json = NULL;
    if (call->request->body.size > SERVERS_JSON_BODY_MAX) {
        web_reply_error(call->reply, 413, "a JSON body may have %u bytes (5 MB)",
                        SERVERS_JSON_BODY_MAX);
        return NULL;
    }
    crdt_err err =
        scene_json_open(json, call->api->alloc, call->request->body, NULL, &call->diag);
    if (err != CRDT_OK) {
        fail(call, err == CRDT_ELIMIT ? CRDT_ECORRUPT : err);
        return NULL;
    }
    const scene_json_node *node = scene_json_find(scene_json_root(*json), key);
    if (node == NULL) {
        web_reply_error(call->reply, 400, "the body must be {\"%s\": {...}}", key);
    }
    return node;
}

static void put_project(builder_call *call, bool with_manifest)
{
    scene_json *json;
    const scene_json_node *node =
        open_body(call, with_manifest ? "manifest" : "project", &json);
    if (node == NULL) {
        scene_json_close(json);
        return;
    }
    crdt_err err = with_manifest ? servers_manifest_check(json, node, &call->diag)
                                 : servers_project_check(json, node, &call->diag);
    servers_project_put put = {
        .json = json,
        .manifest = with_manifest ? node : NULL,
        .project = with_manifest ? scene_json_find(node, "project") : node,
    };
    crdt_buf row;
    crdt_buf_init(&row, call->api->alloc);
    if (err == CRDT_OK) {
        err = servers_project_store_put(call->api->projects, call->id, &put,
                                        &call->caller, &row, &call->diag);
    }
    finish(call, err, &row);
    crdt_buf_deinit(&row);
    scene_json_close(json);
}

/* ---- manifests ---- */

/* Whoever was redirected need not sign again: the address holds a key that only this
 * process can make. */
static void make_key(const servers_api *api, const char *id, char key[KEY_SIZE])
{
    uint8_t hash[SYNC_CRYPTO_HASH_SIZE];
    crdt_span secret = {api->secret, sizeof api->secret};
    sync_crypto_hash(secret, crdt_span_of(id), hash);
    for (size_t i = 0; i < (KEY_SIZE - 1) / 2; i++) {
        snprintf(key + 2 * i, 3, "%02x", hash[i]);
    }
}

static void redirect_to_manifest(builder_call *call)
{
    crdt_buf manifest;
    crdt_buf_init(&manifest, call->api->alloc);
    crdt_err err = servers_project_store_manifest(
        call->api->projects, call->id, &call->caller, &manifest, &call->diag);
    crdt_buf_deinit(&manifest);
    if (err != CRDT_OK) {
        fail(call, err);
        return;
    }
    static _Thread_local char location[160]; /* copied once the handler returns */
    char key[KEY_SIZE];
    make_key(call->api, call->id, key);
    snprintf(location, sizeof location, "/v1/storage/projects/%s/manifest.json?key=%s",
             call->id, key);
    call->reply->status = 301;
    call->reply->location = location;
}

static void give_stored_manifest(builder_call *call)
{
    char key[KEY_SIZE];
    char given[KEY_SIZE] = "";
    make_key(call->api, call->id, key);
    bool keyed = web_request_parameter(call->request, "key", given, sizeof given) &&
                 strlen(given) == KEY_SIZE - 1 &&
                 sync_crypto_equal(given, key, KEY_SIZE - 1);
    if (!keyed && !call->request->loopback) {
        web_reply_error(call->reply, 403, "ask for /v1/projects/%s/manifest", call->id);
        return;
    }
    servers_caller anybody = {.trusted = true};
    crdt_err err = servers_project_store_manifest(
        call->api->projects, call->id, &anybody, &call->reply->body, &call->diag);
    if (err != CRDT_OK) {
        fail(call, err);
    }
}

static void handle_manifest(builder_call *call)
{
    const char *method = call->request->method;
    if (servers_api_is_get(call->request)) {
        if (enter(call, false)) {
            redirect_to_manifest(call);
        }
    } else if (strcmp(method, "PUT") == 0) {
        if (enter(call, true)) {
            put_project(call, true);
        }
    } else if (strcmp(method, "DELETE") == 0) {
        if (enter(call, true)) {
            crdt_err err = servers_project_store_remove_manifest(
                call->api->projects, call->id, &call->caller, &call->diag);
            finish(call, err, NULL);
        }
    } else {
        servers_api_refuse_method(call->reply);
    }
}

/* Rows or manifests of the caller, as a list. */
static void give_list(builder_call *call, crdt_span coords, bool manifests)
{
    servers_project_store *store = call->api->projects;
    crdt_buf list;
    crdt_buf_init(&list, call->api->alloc);
    crdt_err err = crdt_buf_append(&list, "[", 1);
    size_t index = 0;
    const char *id;
    while (err == CRDT_OK && (id = servers_project_store_next(
                                  store, &call->caller, coords, &index)) != NULL) {
        size_t before = list.size;
        if (before > 1) {
            err = crdt_buf_append(&list, ",", 1);
        }
        if (err == CRDT_OK) {
            err = manifests ? servers_project_store_manifest(store, id, &call->caller,
                                                             &list, &call->diag)
                            : servers_project_store_row(store, id, &call->caller, &list,
                                                        &call->diag);
        }
        if (err == CRDT_ENOTFOUND) { /* a project without manifest */
            list.size = before;
            err = CRDT_OK;
        }
        if (err == CRDT_OK && list.size > SERVERS_ANSWER_MAX) {
            err = crdt_diag_set(&call->diag, CRDT_ELIMIT, 0, "the list is too large");
        }
    }
    if (err == CRDT_OK) {
        err = crdt_buf_append(&list, "]", 1);
    }
    finish(call, err, &list);
    crdt_buf_deinit(&list);
}

static void handle_manifests(builder_call *call)
{
    char coords[64] = "";
    if (!servers_api_is_get(call->request)) {
        servers_api_refuse_method(call->reply);
    } else if (!web_request_parameter(call->request, "creation_coords_eq", coords,
                                      sizeof coords) ||
               !servers_pointer_valid(crdt_span_of(coords))) {
        web_reply_error(call->reply, 400, "ask for ?creation_coords_eq=X,Y");
    } else if (enter(call, false)) {
        give_list(call, crdt_span_of(coords), true);
    }
}

/* ---- pictures ---- */

static const char *image_extension(crdt_span image)
{
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static const uint8_t jpeg[] = {0xff, 0xd8, 0xff};
    if (image.size >= sizeof png && memcmp(image.data, png, sizeof png) == 0) {
        return "png";
    }
    if (image.size >= sizeof jpeg && memcmp(image.data, jpeg, sizeof jpeg) == 0) {
        return "jpeg";
    }
    return NULL;
}

static bool is_media_field(crdt_span name)
{
    static const char *const fields[] = {"thumbnail", "preview", "north",
                                         "east",      "south",   "west"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (crdt_span_equal(name, crdt_span_of(fields[i]))) {
            return true;
        }
    }
    return false;
}

static void media_name(const builder_call *call, crdt_span field, const char *extension,
                       char name[MEDIA_NAME_SIZE])
{
    snprintf(name, MEDIA_NAME_SIZE, "%s.%.*s.%s", call->id, (int)field.size,
             (const char *)field.data, extension);
}

static crdt_err check_media(builder_call *call, const servers_part *parts, size_t count)
{
    if (count == 0) {
        return crdt_diag_set(&call->diag, CRDT_EINVAL, 0, "there is no picture");
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_media_field(parts[i].name)) {
            return crdt_diag_set(&call->diag, CRDT_EINVAL, 0,
                                 "the pictures are thumbnail, preview, north, east, "
                                 "south and west");
        }
        if (image_extension(parts[i].content) == NULL) {
            return crdt_diag_set(&call->diag, CRDT_EINVAL, 0,
                                 "a picture must be png or jpeg");
        }
        if (parts[i].content.size > SERVERS_MEDIA_SIZE_MAX) {
            return crdt_diag_set(&call->diag, CRDT_ELIMIT, 0,
                                 "a picture may have %u bytes", SERVERS_MEDIA_SIZE_MAX);
        }
    }
    return CRDT_OK;
}

static crdt_err put_picture(builder_call *call, const servers_part *part)
{
    servers_disk *disk = call->api->disk;
    const char *extension = image_extension(part->content);
    char name[MEDIA_NAME_SIZE];
    char other[MEDIA_NAME_SIZE];
    media_name(call, part->name, extension, name);
    media_name(call, part->name, extension[0] == 'p' ? "jpeg" : "png", other);
    crdt_err err =
        servers_disk_put(disk, SERVERS_MEDIA, name, part->content, &call->diag);
    if (err == CRDT_OK) {
        err = servers_disk_remove(disk, SERVERS_MEDIA, other, &call->diag);
    }
    if (err == CRDT_OK) {
        err = servers_disk_sync(disk, SERVERS_MEDIA, &call->diag);
    }
    if (err == CRDT_OK && crdt_span_equal(part->name, crdt_span_of("thumbnail"))) {
        char shown[32];
        snprintf(shown, sizeof shown, "thumbnail.%s", extension);
        err = servers_project_store_set_thumbnail(call->api->projects, call->id, shown,
                                                  &call->caller, &call->diag);
    }
    return err == CRDT_ELIMIT ? CRDT_EBUSY : err;
}

static void post_media(builder_call *call)
{
    char type[256];
    if (web_request_header(call->request, "content-type", type, sizeof type) == NULL) {
        type[0] = '\0';
    }
    servers_part parts[MEDIA_PART_MAX];
    size_t count = 0;
    crdt_err err = servers_project_store_check(call->api->projects, call->id,
                                               &call->caller, true, &call->diag);
    if (err == CRDT_OK) {
        err = servers_multipart_parse(type, call->request->body, parts, MEDIA_PART_MAX,
                                      &count, &call->diag);
    }
    if (err == CRDT_OK) {
        err = check_media(call, parts, count);
    }
    for (size_t i = 0; i < count && err == CRDT_OK; i++) {
        err = put_picture(call, &parts[i]);
    }
    finish(call, err, NULL);
}

/* thumbnail, thumbnail.png, thumbnail.jpeg: whichever is there. */
static void give_media(builder_call *call, const char *asked)
{
    static const char *const extensions[] = {"png", "jpeg"};
    crdt_span field = {(const uint8_t *)asked, strcspn(asked, ".")};
    crdt_err err = CRDT_ENOTFOUND;
    for (size_t i = 0; i < 2 && err == CRDT_ENOTFOUND && is_media_field(field); i++) {
        char name[MEDIA_NAME_SIZE];
        media_name(call, field, extensions[i], name);
        err =
            servers_disk_read(call->api->disk, SERVERS_MEDIA, name,
                              SERVERS_MEDIA_SIZE_MAX, &call->reply->body, &call->diag);
        call->reply->type = i == 0 ? "image/png" : "image/jpeg";
    }
    if (err != CRDT_OK) {
        fail(call, err);
    }
}

/* ---- main.crdt ---- */

static void put_crdt(builder_call *call)
{
    crdt_span content = call->request->body;
    char type[256];
    servers_part parts[MEDIA_PART_MAX];
    size_t count = 0;
    crdt_err err = servers_project_store_check(call->api->projects, call->id,
                                               &call->caller, true, &call->diag);
    if (err == CRDT_OK &&
        web_request_header(call->request, "content-type", type, sizeof type) != NULL &&
        strncmp(type, "multipart/", 10) == 0) {
        err = servers_multipart_parse(type, content, parts, MEDIA_PART_MAX, &count,
                                      &call->diag);
        if (err == CRDT_OK && count != 1) {
            err = crdt_diag_set(&call->diag, CRDT_EINVAL, 0, "send one file");
        } else if (err == CRDT_OK) {
            content = parts[0].content;
        }
    }
    if (err == CRDT_OK && content.size > SERVERS_CRDT_SIZE_MAX) {
        err = crdt_diag_set(&call->diag, CRDT_ELIMIT, 0, "main.crdt may have %u bytes",
                            SERVERS_CRDT_SIZE_MAX);
    }
    if (err == CRDT_OK) {
        err = servers_disk_put(call->api->disk, SERVERS_CRDT, call->id, content,
                               &call->diag);
        err = err == CRDT_ELIMIT ? CRDT_EBUSY : err;
    }
    if (err == CRDT_OK) {
        err = servers_disk_sync(call->api->disk, SERVERS_CRDT, &call->diag);
    }
    finish(call, err, NULL);
}

static void give_crdt(builder_call *call)
{
    crdt_err err = servers_project_store_check(call->api->projects, call->id,
                                               &call->caller, false, &call->diag);
    if (err == CRDT_OK) {
        err = servers_disk_read(call->api->disk, SERVERS_CRDT, call->id,
                                SERVERS_CRDT_SIZE_MAX, &call->reply->body, &call->diag);
    }
    if (err == CRDT_OK) {
        call->reply->type = "application/octet-stream";
    } else {
        fail(call, err);
    }
}

/* ---- projects ---- */

static void remove_project(builder_call *call)
{
    static const char *const fields[] = {"thumbnail", "preview", "north",
                                         "east",      "south",   "west"};
    static const char *const extensions[] = {"png", "jpeg"};
    crdt_err err = servers_project_store_remove(call->api->projects, call->id,
                                                &call->caller, &call->diag);
    /* What a crash leaves of these is removed at the next start. */
    for (size_t i = 0; i < 12 && err == CRDT_OK; i++) {
        char name[MEDIA_NAME_SIZE];
        media_name(call, crdt_span_of(fields[i / 2]), extensions[i % 2], name);
        err = servers_disk_remove(call->api->disk, SERVERS_MEDIA, name, &call->diag);
    }
    if (err == CRDT_OK) {
        err = servers_disk_remove(call->api->disk, SERVERS_CRDT, call->id, &call->diag);
    }
    finish(call, err, NULL);
}

static void give_row(builder_call *call)
{
    crdt_buf row;
    crdt_buf_init(&row, call->api->alloc);
    crdt_err err = servers_project_store_row(call->api->projects, call->id,
                                             &call->caller, &row, &call->diag);
    finish(call, err, &row);
    crdt_buf_deinit(&row);
}

static void handle_project(builder_call *call)
{
    const char *method = call->request->method;
    bool get = servers_api_is_get(call->request);
    bool put = strcmp(method, "PUT") == 0;
    if (!get && !put && strcmp(method, "DELETE") != 0) {
        servers_api_refuse_method(call->reply);
    } else if (!enter(call, !get)) {
        return;
    } else if (get) {
        give_row(call);
    } else if (put) {
        put_project(call, false);
    } else {
        remove_project(call);
    }
}

static void handle_media(builder_call *call, const char *asked)
{
    if (asked == NULL && strcmp(call->request->method, "POST") == 0) {
        if (enter(call, true)) {
            post_media(call);
        }
    } else if (asked != NULL && servers_api_is_get(call->request)) {
        give_media(call, asked); /* pictures are public, as on the real server */
    } else {
        servers_api_refuse_method(call->reply);
    }
}

static void handle_crdt(builder_call *call)
{
    bool get = servers_api_is_get(call->request);
    if (!get && strcmp(call->request->method, "PUT") != 0) {
        servers_api_refuse_method(call->reply);
    } else if (enter(call, !get)) {
        (get ? give_crdt : put_crdt)(call);
    }
}

static void handle_coords(builder_call *call, const char *coords)
{
    size_t count = 0;
    if (strcmp(call->request->method, "DELETE") != 0) {
        servers_api_refuse_method(call->reply);
    } else if (!servers_pointer_valid(crdt_span_of(coords))) {
        web_reply_error(call->reply, 400, "coordinates are X,Y");
    } else if (enter(call, true)) {
        crdt_err err =
            servers_project_store_unlink(call->api->projects, crdt_span_of(coords),
                                         &call->caller, &count, &call->diag);
        finish(call, err, NULL);
    }
}

/* ---- assets ---- */

static bool is_wanted(const builder_call *call, const scene_json_node *asset)
{
    crdt_span id;
    crdt_span asked;
    const char *at = call->request->query;
    if (!servers_json_find_text(asset, "id", &id)) {
        return false;
    }
    while (servers_api_next_parameter(&at, "id", &asked)) {
        if (crdt_span_equal(id, asked)) {
            return true;
        }
    }
    return false;
}

/* The list in a file of the folder, as the administrator put it there; empty without
 * one. `by_id`: only those that are asked for. */
static void give_assets(builder_call *call, const char *file, bool by_id)
{
    crdt_alloc alloc = call->api->alloc;
    crdt_buf text;
    crdt_buf list;
    crdt_buf_init(&text, alloc);
    crdt_buf_init(&list, alloc);
    scene_json *json = NULL;
    crdt_err err = servers_disk_read_top(call->api->disk, file, ASSETS_SIZE_MAX, &text,
                                         &call->diag);
    bool none = err == CRDT_ENOTFOUND;
    if (err == CRDT_OK) {
        err = scene_json_open(&json, alloc, crdt_buf_span(&text), NULL, &call->diag);
    }
    const scene_json_node *root = err == CRDT_OK ? scene_json_root(json) : NULL;
    scene_json_writer writer;
    scene_json_writer_init(&writer, alloc, &list);
    scene_json_writer_array_begin(&writer);
    if (root != NULL && root->type == SCENE_JSON_ARRAY) {
        const scene_json_node *asset = root + 1;
        for (uint32_t i = 0; i < root->count; i++, asset = scene_json_next(asset)) {
            if (!by_id || is_wanted(call, asset)) {
                servers_json_node(&writer, asset);
            }
        }
    } else if (root != NULL) {
        err = crdt_diag_set(&call->diag, CRDT_EIO, 0, "%s is no JSON list", file);
    }
    scene_json_writer_array_end(&writer);
    err = none ? writer.err : err == CRDT_OK ? writer.err : CRDT_EIO;
    finish(call, err, &list);
    scene_json_writer_deinit(&writer);
    scene_json_close(json);
    crdt_buf_deinit(&list);
    crdt_buf_deinit(&text);
}

/* ---- paths ---- */

/* The id of the path, in lower case as files are named. False: answered. */
static bool take_id(builder_call *call, const char *text)
{
    if (!servers_uuid_valid(crdt_span_of(text))) {
        web_reply_error(call->reply, 400, "the id of a project is a UUID");
        return false;
    }
    for (size_t i = 0; i < SERVERS_UUID_SIZE; i++) {
        call->id[i] = (char)tolower((unsigned char)text[i]);
    }
    return true;
}

/* Paths with a project's id. */
static bool handle_by_id(builder_call *call)
{
    const char *path = call->request->path;
    char taken[4][256];
    if (web_path_match(path, "/v1/projects/*/coords", taken)) {
        handle_coords(call, taken[0]);
    } else if (web_path_match(path, "/v1/projects/*/manifest", taken)) {
        if (take_id(call, taken[0])) {
            handle_manifest(call);
        }
    } else if (web_path_match(path, "/v1/projects/*/media", taken)) {
        if (take_id(call, taken[0])) {
            handle_media(call, NULL);
        }
    } else if (web_path_match(path, "/v1/projects/*/media/*", taken)) {
        if (take_id(call, taken[0])) {
            handle_media(call, taken[1]);
        }
    } else if (web_path_match(path, "/v1/projects/*/crdt", taken)) {
        if (take_id(call, taken[0])) {
            handle_crdt(call);
        }
    } else if (web_path_match(path, "/v1/projects/*", taken)) {
        if (take_id(call, taken[0])) {
            handle_project(call);
        }
    } else {
        return false;
    }
    return true;
}

/* Paths that are only read, the rest. */
static bool handle_get(builder_call *call)
{
    const char *path = call->request->path;
    char taken[4][256];
    if (web_path_match(path, "/v1/storage/contents/*", taken)) {
        servers_api_give_file(call->api, taken[0], call->reply);
    } else if (web_path_match(path, "/v1/storage/projects/*/manifest.json", taken)) {
        if (take_id(call, taken[0])) {
            give_stored_manifest(call);
        }
    } else if (strcmp(path, "/v1/projects") == 0) {
        if (enter(call, false)) {
            give_list(call, (crdt_span){NULL, 0}, false);
        }
    } else if (strcmp(path, "/v1/assetPacks") == 0) {
        give_assets(call, "assetPacks.json", false);
    } else if (strcmp(path, "/v1/assets") == 0) {
        give_assets(call, "assets.json", true);
    } else if (strcmp(path, "/v1/health") == 0) {
        give_data(call, crdt_span_of("true"));
    } else {
        return false;
    }
    return true;
}

bool servers_builder_api_handle(servers_api *api, const web_request *request,
                                web_reply *reply)
{
    if (strncmp(request->path, "/v1/", 4) != 0) {
        return false;
    }
    builder_call call = {.api = api, .request = request, .reply = reply};
    if (strcmp(request->path, "/v1/manifests") == 0) {
        handle_manifests(&call);
    } else if (handle_by_id(&call)) {
        return true;
    } else if (!servers_api_is_get(request)) {
        servers_api_refuse_method(reply);
    } else if (!handle_get(&call)) {
        web_reply_error(reply, 404, "there is nothing here");
    }
    return true;
}
