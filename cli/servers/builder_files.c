/* What belongs to a project of the Builder server beside its manifest, and lists of assets. */

#include "cli/servers/builder_call.h"

#include "cli/servers/json_put.h"
#include "cli/servers/multipart.h"

#include <assert.h>
#include <stdio.h>

#define ASSETS_SIZE_MAX (32u << 20)
#define MEDIA_PART_MAX 16
#define MEDIA_NAME_SIZE 96

static const char *const media_fields[] = {"thumbnail", "preview", "north",
                                           "east",      "south",   "west"};
#define FIELD_COUNT (sizeof media_fields / sizeof media_fields[0])

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
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (crdt_span_equal(name, crdt_span_of(media_fields[i]))) {
            return true;
        }
    }
    return false;
}

static void media_name(const servers_builder_call *call, crdt_span field,
                       const char *extension, char name[MEDIA_NAME_SIZE])
{
    assert(extension != NULL); /* none but checked pictures come here */
    snprintf(name, MEDIA_NAME_SIZE, "%s.%.*s.%s", call->id, (int)field.size,
             (const char *)field.data, extension);
}

static crdt_err check_media(servers_builder_call *call, const servers_part *parts,
                            size_t count)
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

static crdt_err put_picture(servers_builder_call *call, const servers_part *part)
{
    servers_disk *disk = call->api->disk;
    const char *extension = image_extension(part->content);
    assert(extension != NULL); /* check_media has looked */
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

static void post_media(servers_builder_call *call)
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
    servers_builder_call_finish(call, err, NULL);
}

/* thumbnail, thumbnail.png, thumbnail.jpeg: whichever is there. */
static void give_media(servers_builder_call *call, const char *asked)
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
        servers_builder_call_fail(call, err);
    }
}

/* ---- main.crdt ---- */

static void put_crdt(servers_builder_call *call)
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
    servers_builder_call_finish(call, err, NULL);
}

static void give_crdt(servers_builder_call *call)
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
        servers_builder_call_fail(call, err);
    }
}

void servers_builder_media(servers_builder_call *call, const char *asked)
{
    if (asked == NULL && strcmp(call->request->method, "POST") == 0) {
        if (servers_builder_call_enter(call, true)) {
            post_media(call);
        }
    } else if (asked != NULL && servers_api_is_get(call->request)) {
        give_media(call, asked); /* pictures are public, as on the real server */
    } else {
        servers_api_refuse_method(call->reply);
    }
}

void servers_builder_crdt(servers_builder_call *call)
{
    bool get = servers_api_is_get(call->request);
    if (!get && strcmp(call->request->method, "PUT") != 0) {
        servers_api_refuse_method(call->reply);
    } else if (servers_builder_call_enter(call, !get)) {
        (get ? give_crdt : put_crdt)(call);
    }
}

crdt_err servers_builder_remove_files(servers_builder_call *call)
{
    static const char *const extensions[] = {"png", "jpeg"};
    servers_disk *disk = call->api->disk;
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < 2 * FIELD_COUNT && err == CRDT_OK; i++) {
        char name[MEDIA_NAME_SIZE];
        media_name(call, crdt_span_of(media_fields[i / 2]), extensions[i % 2], name);
        err = servers_disk_remove(disk, SERVERS_MEDIA, name, &call->diag);
    }
    return err == CRDT_OK
               ? servers_disk_remove(disk, SERVERS_CRDT, call->id, &call->diag)
               : err;
}

/* ---- assets ---- */

static bool is_wanted(const servers_builder_call *call, const scene_json_node *asset)
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
void servers_builder_assets(servers_builder_call *call, const char *file, bool by_id)
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
    servers_builder_call_finish(call, err, &list);
    scene_json_writer_deinit(&writer);
    scene_json_close(json);
    crdt_buf_deinit(&list);
    crdt_buf_deinit(&text);
}
