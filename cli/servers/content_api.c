/* The face of the content server (Catalyst): /content/... and /about. */

#include "cli/servers/api.h"

#include "cli/content/cid.h"
#include "cli/servers/json_put.h"
#include "cli/servers/multipart.h"
#include "scene/text_map.h"

#include <stdio.h>

#define ASKED_MAX 200u      /* pointers or ids in one question */
#define ASKED_TEXT_MAX 128u /* bytes of each */
#define QUESTION_SIZE_MAX (1u << 20)
#define PART_MAX 4096u /* parts of a deployment */

/* ---- answers ---- */

/* As the real server says it, and as all of ours do. */
static void fail(web_reply *reply, int status, const char *text)
{
    web_reply_error(reply, status, "%s", text);
    crdt_buf body;
    crdt_buf_init(&body, reply->body.alloc);
    scene_json_writer writer;
    scene_json_writer_init(&writer, reply->body.alloc, &body);
    scene_json_writer_object_begin(&writer);
    servers_json_bool(&writer, "ok", false);
    servers_json_text(&writer, "error", text);
    scene_json_writer_key(&writer, crdt_span_of("errors"));
    scene_json_writer_array_begin(&writer);
    scene_json_writer_string(&writer, crdt_span_of(text));
    scene_json_writer_array_end(&writer);
    scene_json_writer_object_end(&writer);
    crdt_buf *kept = writer.err == CRDT_OK ? &reply->body : &body;
    crdt_buf_deinit(kept);
    if (kept == &reply->body) {
        reply->body = body;
    }
    scene_json_writer_deinit(&writer);
}

static int status_of(crdt_err err)
{
    switch (err) {
    case CRDT_EBUSY:
        return 507;
    case CRDT_EIO:
    case CRDT_ENOMEM:
        return 500;
    default:
        return 400; /* the real server's answer to all that it does not take */
    }
}

static void fail_err(web_reply *reply, crdt_err err, const crdt_diag *diag)
{
    char text[256];
    servers_api_describe(err, diag, text, sizeof text);
    fail(reply, status_of(err), text);
}

/* ---- entities ---- */

/* The answer to a question for entities, as it grows. */
typedef struct entity_list {
    servers_api *api;
    scene_json_writer writer;
    scene_text_map given; /* ids that are in it; keys borrowed from the store */
    crdt_err err;
    crdt_diag diag;
} entity_list;

static void open_list(entity_list *list, servers_api *api, web_reply *reply)
{
    *list = (entity_list){.api = api};
    scene_json_writer_init(&list->writer, api->alloc, &reply->body);
    scene_text_map_init(&list->given, api->alloc);
    scene_json_writer_array_begin(&list->writer);
}

static void add_entity(entity_list *list, const char *id)
{
    bool fresh = false;
    if (id == NULL || list->err != CRDT_OK) {
        return;
    }
    list->err = scene_text_map_put(&list->given, crdt_span_of(id), 0, NULL, &fresh);
    if (list->err != CRDT_OK || !fresh) {
        return;
    }
    crdt_buf text;
    crdt_buf_init(&text, list->api->alloc);
    servers_entity entity;
    list->err = servers_content_store_read(list->api->content, id, &text, &list->diag);
    if (list->err == CRDT_OK) {
        list->err = servers_entity_init(&entity, list->api->alloc, crdt_buf_span(&text),
                                        &list->diag);
    }
    if (list->err == CRDT_OK) {
        servers_entity_write(&entity, crdt_span_of(id), &list->writer);
        servers_entity_deinit(&entity);
    }
    if (list->err == CRDT_OK && list->writer.out->size > SERVERS_ANSWER_MAX) {
        list->err = crdt_diag_set(&list->diag, CRDT_ELIMIT, 0,
                                  "the answer is too large: ask for fewer entities");
    } else if (list->err != CRDT_OK && list->err != CRDT_ENOMEM) {
        list->err = CRDT_EIO; /* what we hold is damaged: not the caller's fault */
    }
    crdt_buf_deinit(&text);
}

static void close_list(entity_list *list, web_reply *reply)
{
    scene_json_writer_array_end(&list->writer);
    if (list->err == CRDT_OK) {
        list->err = list->writer.err;
    }
    scene_json_writer_deinit(&list->writer);
    scene_text_map_deinit(&list->given);
    if (list->err != CRDT_OK) {
        fail_err(reply, list->err, &list->diag);
    }
}

static void add_asked(entity_list *list, crdt_span asked, bool ids)
{
    if (!ids) {
        add_entity(list, servers_content_store_active(list->api->content, asked));
    } else {
        add_entity(list, servers_content_store_active_id(list->api->content, asked));
    }
}

/* {"pointers":[...]} or {"ids":[...]}: NULL, answered, if it is neither. */
static const scene_json_node *find_question(const scene_json *json, web_reply *reply,
                                            bool *ids)
{
    const scene_json_node *root = scene_json_root(json);
    const scene_json_node *by_id = scene_json_find(root, "ids");
    const scene_json_node *by_pointer = scene_json_find(root, "pointers");
    const scene_json_node *asked = by_id != NULL ? by_id : by_pointer;
    *ids = by_id != NULL;
    if (asked == NULL || (by_id != NULL && by_pointer != NULL)) {
        fail(reply, 400, "either `ids` or `pointers` must be there");
        return NULL;
    }
    if (asked->type != SCENE_JSON_ARRAY || asked->count == 0 ||
        asked->count > ASKED_MAX) {
        fail(reply, 400, "`ids` or `pointers` must be a list of 1 to 200 texts");
        return NULL;
    }
    const scene_json_node *node = asked + 1;
    for (uint32_t i = 0; i < asked->count; i++, node = scene_json_next(node)) {
        if (node->type != SCENE_JSON_STRING || node->count > ASKED_TEXT_MAX) {
            fail(reply, 400, "an id or a pointer is a text of at most 128 bytes");
            return NULL;
        }
    }
    return asked;
}

static void answer_active(servers_api *api, const web_request *request,
                          web_reply *reply)
{
    scene_json_limits limits = scene_json_limits_default();
    limits.size_max = QUESTION_SIZE_MAX;
    scene_json *json = NULL;
    crdt_diag diag = {.text = ""};
    crdt_err err = scene_json_open(&json, api->alloc, request->body, &limits, &diag);
    if (err != CRDT_OK) {
        fail_err(reply, err, &diag);
        return;
    }
    bool ids = false;
    const scene_json_node *asked = find_question(json, reply, &ids);
    if (asked != NULL) {
        entity_list list;
        open_list(&list, api, reply);
        const scene_json_node *node = asked + 1;
        for (uint32_t i = 0; i < asked->count; i++, node = scene_json_next(node)) {
            add_asked(&list, scene_json_text(node), ids);
        }
        close_list(&list, reply);
    }
    scene_json_close(json);
}

/* A pointer of the query: only the comma may come encoded. */
static crdt_span decode_pointer(crdt_span value, char out[ASKED_TEXT_MAX])
{
    size_t size = 0;
    for (size_t i = 0; i < value.size && size < ASKED_TEXT_MAX; i++) {
        if (value.size - i >= 3 && value.data[i] == '%' && value.data[i + 1] == '2' &&
            (value.data[i + 2] == 'C' || value.data[i + 2] == 'c')) {
            out[size++] = ',';
            i += 2;
        } else {
            out[size++] = (char)value.data[i];
        }
    }
    return (crdt_span){(const uint8_t *)out, size};
}

/* GET /content/entities/scene?pointer=x,y&id=... */
static void answer_scene(servers_api *api, const web_request *request, web_reply *reply)
{
    entity_list list;
    open_list(&list, api, reply);
    char text[ASKED_TEXT_MAX];
    crdt_span value;
    size_t count = 0;
    const char *at = request->query;
    while (servers_api_next_parameter(&at, "pointer", &value) && count++ < ASKED_MAX) {
        add_asked(&list, decode_pointer(value, text), false);
    }
    at = request->query;
    while (servers_api_next_parameter(&at, "id", &value) && count++ < ASKED_MAX) {
        add_asked(&list, value, true);
    }
    close_list(&list, reply);
    if (count == 0 || count > ASKED_MAX) {
        fail(reply, 400, "ask for 1 to 200 of ?pointer=X,Y or ?id=");
    }
}

static void answer_available(servers_api *api, const web_request *request,
                             web_reply *reply)
{
    scene_json_writer writer;
    scene_json_writer_init(&writer, api->alloc, &reply->body);
    scene_json_writer_array_begin(&writer);
    size_t count = 0;
    crdt_span value;
    const char *at = request->query;
    while (servers_api_next_parameter(&at, "cid", &value)) {
        char cid[CONTENT_CID_SIZE] = "";
        if (value.size < sizeof cid) {
            memcpy(cid, value.data, value.size);
        }
        count++;
        scene_json_writer_object_begin(&writer);
        servers_json_span(&writer, "cid", value);
        servers_json_bool(&writer, "available",
                          servers_content_store_has(api->content, cid));
        scene_json_writer_object_end(&writer);
    }
    scene_json_writer_array_end(&writer);
    crdt_err err = writer.err;
    scene_json_writer_deinit(&writer);
    if (err != CRDT_OK || count == 0) {
        fail(reply, err != CRDT_OK ? 500 : 400,
             err != CRDT_OK ? "out of memory" : "ask for ?cid=...&cid=...");
    }
}

/* ---- deploying ---- */

/* A deployment as it came: borrows from the body. */
typedef struct deploy_form {
    servers_part parts[PART_MAX];
    size_t part_count;
    crdt_span id;
    servers_auth_chain chain;
    servers_upload uploads[PART_MAX];
    size_t upload_count;
} deploy_form;

/* authChain[0][type]: which link, and what of it; NULL: the name is another. */
static crdt_span *find_link_field(servers_auth_chain *chain, crdt_span name)
{
    static const char prefix[] = "authChain[";
    static const char *const fields[] = {"][type]", "][payload]", "][signature]"};
    size_t at = sizeof prefix - 1;
    if (name.size <= at + 1 || memcmp(name.data, prefix, at) != 0 ||
        name.data[at] < '0' || name.data[at] >= '0' + SERVERS_AUTH_LINK_MAX) {
        return NULL;
    }
    size_t index = (size_t)(name.data[at] - '0');
    crdt_span rest = {name.data + at + 1, name.size - at - 1};
    servers_auth_link *link = &chain->links[index];
    crdt_span *found[] = {&link->type, &link->payload, &link->signature};
    for (size_t i = 0; i < 3; i++) {
        if (crdt_span_equal(rest, crdt_span_of(fields[i]))) {
            chain->count = index + 1 > chain->count ? index + 1 : chain->count;
            return found[i];
        }
    }
    return NULL;
}

static crdt_err read_field(deploy_form *form, const servers_part *part, crdt_diag *diag)
{
    crdt_span *field = crdt_span_equal(part->name, crdt_span_of("entityId"))
                           ? &form->id
                           : find_link_field(&form->chain, part->name);
    if (field == NULL) {
        return CRDT_OK; /* fields of older clients */
    }
    if (field->data != NULL) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "%.*s is there twice",
                             (int)(part->name.size < 64 ? part->name.size : 64),
                             (const char *)part->name.data);
    }
    *field = part->content;
    if (field->data == NULL) {
        field->data = (const uint8_t *)"";
    }
    return CRDT_OK;
}

static bool copy_cid(crdt_span text, char cid[CONTENT_CID_SIZE])
{
    if (text.size >= CONTENT_CID_SIZE || memchr(text.data, '\0', text.size) != NULL) {
        return false;
    }
    memcpy(cid, text.data, text.size);
    cid[text.size] = '\0';
    return content_cid_valid(cid);
}

static crdt_err read_form(deploy_form *form, const char *type, crdt_span body,
                          crdt_diag *diag)
{
    crdt_err err = servers_multipart_parse(type, body, form->parts, PART_MAX,
                                           &form->part_count, diag);
    for (size_t i = 0; i < form->part_count && err == CRDT_OK; i++) {
        const servers_part *part = &form->parts[i];
        servers_upload *upload = &form->uploads[form->upload_count];
        bool named = part->name.size > 0 && copy_cid(part->name, upload->cid);
        if (named) {
            upload->content = part->content;
            form->upload_count++;
        } else if (part->file_name.data != NULL) {
            err = crdt_diag_set(diag, CRDT_EINVAL, 0,
                                "a file must be named by its hash (CID, sha2-256)");
        } else {
            err = read_field(form, part, diag);
        }
    }
    char id[CONTENT_CID_SIZE];
    if (err == CRDT_OK && (form->id.size == 0 || !copy_cid(form->id, id))) {
        err = crdt_diag_set(diag, CRDT_EINVAL, 0, "entityId must be a CID");
    }
    return err;
}

static void deploy(servers_api *api, const web_request *request, web_reply *reply)
{
    char type[256];
    if (web_request_header(request, "content-type", type, sizeof type) == NULL) {
        type[0] = '\0';
    }
    deploy_form *form = crdt_allocate(api->alloc, sizeof *form);
    if (form == NULL) {
        fail(reply, 500, "out of memory");
        return;
    }
    memset(form, 0, sizeof *form);
    crdt_diag diag = {.text = ""};
    uint64_t deployed_ms = 0;
    crdt_err err = read_form(form, type, request->body, &diag);
    if (err == CRDT_OK) {
        servers_deployment deployment = {.id = form->id,
                                         .chain = &form->chain,
                                         .uploads = form->uploads,
                                         .upload_count = form->upload_count,
                                         .now_ms = api->now_ms,
                                         .any_age = api->any_age};
        err = servers_content_store_deploy(api->content, &deployment, &deployed_ms,
                                           &diag);
    }
    crdt_free(api->alloc, form, sizeof *form);
    if (err != CRDT_OK) {
        fail_err(reply, err, &diag);
        return;
    }
    char text[64];
    int size = snprintf(text, sizeof text, "{\"creationTimestamp\":%llu}",
                        (unsigned long long)deployed_ms);
    if (crdt_buf_append(&reply->body, text, (size_t)size) != CRDT_OK) {
        fail(reply, 500, "out of memory");
    }
}

/* ---- the server itself ---- */

static void give_text(web_reply *reply, const char *text)
{
    if (crdt_buf_append(&reply->body, text, strlen(text)) != CRDT_OK) {
        fail(reply, 500, "out of memory");
    }
}

static void answer_status(servers_api *api, web_reply *reply)
{
    scene_json_writer writer;
    scene_json_writer_init(&writer, api->alloc, &reply->body);
    scene_json_writer_object_begin(&writer);
    servers_json_bool(&writer, "ok", true);
    scene_json_writer_key(&writer, crdt_span_of("entities"));
    scene_json_writer_integer(&writer,
                              (int64_t)servers_content_store_count(api->content));
    scene_json_writer_key(&writer, crdt_span_of("projects"));
    scene_json_writer_integer(&writer,
                              (int64_t)servers_project_store_count(api->projects));
    scene_json_writer_key(&writer, crdt_span_of("bytes"));
    scene_json_writer_integer(&writer, (int64_t)servers_disk_size(api->disk));
    scene_json_writer_key(&writer, crdt_span_of("currentTime"));
    scene_json_writer_integer(&writer, (int64_t)api->now_ms);
    servers_json_text(&writer, "signatures", "not verified");
    scene_json_writer_object_end(&writer);
    bool good = writer.err == CRDT_OK;
    scene_json_writer_deinit(&writer);
    if (!good) {
        fail(reply, 500, "out of memory");
    }
}

/* The paths that are read. */
static bool handle_get(servers_api *api, const web_request *request, web_reply *reply)
{
    char taken[4][256];
    if (web_path_match(request->path, "/content/contents/*", taken)) {
        servers_api_give_file(api, taken[0], reply);
    } else if (strcmp(request->path, "/content/available-content") == 0) {
        answer_available(api, request, reply);
    } else if (strcmp(request->path, "/content/entities/scene") == 0) {
        answer_scene(api, request, reply);
    } else if (strcmp(request->path, "/content/status") == 0) {
        answer_status(api, reply);
    } else if (strcmp(request->path, "/about") == 0) {
        give_text(reply, "{\"acceptingUsers\":true,\"content\":{\"healthy\":true,"
                         "\"publicUrl\":\"/content\"},\"healthy\":true}");
    } else {
        return false;
    }
    return true;
}

bool servers_content_api_handle(servers_api *api, const web_request *request,
                                web_reply *reply)
{
    const char *path = request->path;
    if (strcmp(path, "/about") != 0 && strncmp(path, "/content/", 9) != 0) {
        return false;
    }
    bool post = strcmp(request->method, "POST") == 0;
    if (strcmp(path, "/content/entities/active") == 0 && post) {
        answer_active(api, request, reply);
    } else if (strcmp(path, "/content/entities") == 0 && post) {
        if (servers_api_may_write(api, request, reply)) {
            deploy(api, request, reply);
        }
    } else if (!servers_api_is_get(request)) {
        servers_api_refuse_method(reply);
    } else if (!handle_get(api, request, reply)) {
        fail(reply, 404, "there is nothing here");
    }
    return true;
}
