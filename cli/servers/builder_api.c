/* The face of the Builder server: /v1/... */

#include "cli/servers/api.h"

#include "cli/servers/builder_call.h"
#include "sync/crypto.h"

#include <ctype.h>
#include <stdio.h>

#define KEY_SIZE 33 /* of a redirected address: hex with terminator */

/* ---- bodies ---- */

/* The member `key` of a JSON body. NULL: answered. */
static const scene_json_node *open_body(servers_builder_call *call, const char *key,
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
        servers_builder_call_fail(call, err == CRDT_ELIMIT ? CRDT_ECORRUPT : err);
        return NULL;
    }
    const scene_json_node *node = scene_json_find(scene_json_root(*json), key);
    if (node == NULL) {
        web_reply_error(call->reply, 400, "the body must be {\"%s\": {...}}", key);
    }
    return node;
}

static void put_project(servers_builder_call *call, bool with_manifest)
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
    servers_builder_call_finish(call, err, &row);
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

static void redirect_to_manifest(servers_builder_call *call)
{
    crdt_err err = servers_project_store_check_manifest(call->api->projects, call->id,
                                                        &call->caller, &call->diag);
    if (err != CRDT_OK) {
        servers_builder_call_fail(call, err);
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

static void give_stored_manifest(servers_builder_call *call)
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
        servers_builder_call_fail(call, err);
    }
}

static void handle_manifest(servers_builder_call *call)
{
    const char *method = call->request->method;
    if (servers_api_is_get(call->request)) {
        if (servers_builder_call_enter(call, false)) {
            redirect_to_manifest(call);
        }
    } else if (strcmp(method, "PUT") == 0) {
        if (servers_builder_call_enter(call, true)) {
            put_project(call, true);
        }
    } else if (strcmp(method, "DELETE") == 0) {
        if (servers_builder_call_enter(call, true)) {
            crdt_err err = servers_project_store_remove_manifest(
                call->api->projects, call->id, &call->caller, &call->diag);
            servers_builder_call_finish(call, err, NULL);
        }
    } else {
        servers_api_refuse_method(call->reply);
    }
}

/* Rows or manifests of the caller, as a list. */
static void give_list(servers_builder_call *call, crdt_span coords, bool manifests)
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
    servers_builder_call_finish(call, err, &list);
    crdt_buf_deinit(&list);
}

static void handle_manifests(servers_builder_call *call)
{
    char coords[64] = "";
    if (!servers_api_is_get(call->request)) {
        servers_api_refuse_method(call->reply);
    } else if (!web_request_parameter(call->request, "creation_coords_eq", coords,
                                      sizeof coords) ||
               !servers_pointer_valid(crdt_span_of(coords))) {
        web_reply_error(call->reply, 400, "ask for ?creation_coords_eq=X,Y");
    } else if (servers_builder_call_enter(call, false)) {
        give_list(call, crdt_span_of(coords), true);
    }
}

/* ---- projects ---- */

static void remove_project(servers_builder_call *call)
{
    crdt_err err = servers_project_store_remove(call->api->projects, call->id,
                                                &call->caller, &call->diag);
    /* What a crash leaves of its files is removed at the next start. */
    err = err == CRDT_OK ? servers_builder_remove_files(call) : err;
    servers_builder_call_finish(call, err, NULL);
}

static void give_row(servers_builder_call *call)
{
    crdt_buf row;
    crdt_buf_init(&row, call->api->alloc);
    crdt_err err = servers_project_store_row(call->api->projects, call->id,
                                             &call->caller, &row, &call->diag);
    servers_builder_call_finish(call, err, &row);
    crdt_buf_deinit(&row);
}

static void handle_project(servers_builder_call *call)
{
    const char *method = call->request->method;
    bool get = servers_api_is_get(call->request);
    bool put = strcmp(method, "PUT") == 0;
    if (!get && !put && strcmp(method, "DELETE") != 0) {
        servers_api_refuse_method(call->reply);
    } else if (!servers_builder_call_enter(call, !get)) {
        return;
    } else if (get) {
        give_row(call);
    } else if (put) {
        put_project(call, false);
    } else {
        remove_project(call);
    }
}

static void handle_coords(servers_builder_call *call, const char *coords)
{
    size_t count = 0;
    if (strcmp(call->request->method, "DELETE") != 0) {
        servers_api_refuse_method(call->reply);
    } else if (!servers_pointer_valid(crdt_span_of(coords))) {
        web_reply_error(call->reply, 400, "coordinates are X,Y");
    } else if (servers_builder_call_enter(call, true)) {
        crdt_err err =
            servers_project_store_unlink(call->api->projects, crdt_span_of(coords),
                                         &call->caller, &count, &call->diag);
        servers_builder_call_finish(call, err, NULL);
    }
}

/* ---- paths ---- */

/* The id of the path, in lower case as files are named. False: answered. */
static bool take_id(servers_builder_call *call, const char *text)
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
static bool handle_by_id(servers_builder_call *call)
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
            servers_builder_media(call, NULL);
        }
    } else if (web_path_match(path, "/v1/projects/*/media/*", taken)) {
        if (take_id(call, taken[0])) {
            servers_builder_media(call, taken[1]);
        }
    } else if (web_path_match(path, "/v1/projects/*/crdt", taken)) {
        if (take_id(call, taken[0])) {
            servers_builder_crdt(call);
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
static bool handle_get(servers_builder_call *call)
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
        if (servers_builder_call_enter(call, false)) {
            give_list(call, (crdt_span){NULL, 0}, false);
        }
    } else if (strcmp(path, "/v1/assetPacks") == 0) {
        servers_builder_assets(call, "assetPacks.json", false);
    } else if (strcmp(path, "/v1/assets") == 0) {
        servers_builder_assets(call, "assets.json", true);
    } else if (strcmp(path, "/v1/health") == 0) {
        servers_builder_call_give(call, crdt_span_of("true"));
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
    servers_builder_call call = {.api = api, .request = request, .reply = reply};
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
