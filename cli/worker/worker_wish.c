/* What renderers and programs ask for beside edits: saving, project info, publishing. At
 * the desk; what takes time is done by the saver, or by a thread of its own. */

#include "cli/worker/text.h"
#include "cli/worker/worker_impl.h"

#include <stdio.h>

#define HEADERS_MAX 24u           /* x-identity-* of one request */
#define HEADER_SIZE_MAX 8192u     /* bytes of one */
#define IMAGE_SIZE_MAX (2u << 20) /* bytes of a thumbnail */

/* ---- signed-fetch headers ---- */

/* "x-identity-...: value" lines, NULL-terminated, in one arena. */
typedef struct header_list {
    crdt_arena arena;
    const char *lines[HEADERS_MAX + 1];
    size_t count;
} header_list;

static void open_headers(header_list *list, crdt_alloc alloc)
{
    *list = (header_list){.count = 0};
    crdt_arena_init(&list->arena, alloc);
}

static void close_headers(header_list *list)
{
    crdt_arena_deinit(&list->arena);
}

static bool is_identity(crdt_span name)
{
    static const char PREFIX[] = "x-identity-";
    size_t size = sizeof PREFIX - 1;
    if (name.size < size || name.size > 64) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        char c = (char)name.data[i];
        char lower = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        bool valid =
            (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-';
        if (!valid || (i < size && lower != PREFIX[i])) {
            return false;
        }
    }
    return true;
}

/* Only headers of that name, without line breaks, are passed on; others are left out. */
static void add_header(header_list *list, crdt_span name, crdt_span value)
{
    if (!is_identity(name) || value.size > HEADER_SIZE_MAX ||
        list->count == HEADERS_MAX) {
        return;
    }
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < 0x20 || value.data[i] == 0x7f) {
            return;
        }
    }
    char *line = crdt_arena_alloc(&list->arena, name.size + value.size + 3);
    if (line != NULL) {
        memcpy(line, name.data, name.size);
        memcpy(line + name.size, ": ", 2);
        memcpy(line + name.size + 2, value.data, value.size);
        line[name.size + 2 + value.size] = '\0';
        list->lines[list->count++] = line;
    }
}

static void visit_header(void *ctx, const char *name, const char *value)
{
    add_header(ctx, crdt_span_of(name), crdt_span_of(value));
}

/* {"headers":{name: value}} of an event's payload. */
static void read_headers(header_list *list, const scene_json_node *payload)
{
    const scene_json_node *headers =
        payload == NULL ? NULL : scene_json_find(payload, "headers");
    if (headers == NULL || headers->type != SCENE_JSON_OBJECT) {
        return;
    }
    const scene_json_node *at = headers + 1;
    for (uint32_t i = 0; i < headers->count; i++) {
        const scene_json_node *value = scene_json_next(at);
        if (value->type == SCENE_JSON_STRING) {
            add_header(list, scene_json_text(at), scene_json_text(value));
        }
        at = scene_json_next(value);
    }
}

/* ---- saving ---- */

static const char *refusal(crdt_err err)
{
    return err == CRDT_EBUSY ? "busy" : "failed";
}

static bool is_true(const scene_json_node *payload, const char *key)
{
    const scene_json_node *node =
        payload == NULL ? NULL : scene_json_find(payload, key);
    return node != NULL && node->type == SCENE_JSON_BOOL && node->boolean;
}

/* What was gathered before is part of what is saved. */
static void save(worker_link *link, const worker_event *event, crdt_span id)
{
    worker *w = link->w;
    header_list headers;
    open_headers(&headers, w->alloc);
    read_headers(&headers, event->payload);
    worker_desk_flush(w);
    crdt_err err = worker_scene_save(w, link->serial, id, NULL, headers.lines,
                                     is_true(event->payload, "force"));
    if (err != CRDT_OK) {
        worker_session_answer(link->session, id, refusal(err),
                              crdt_span_of(crdt_err_text(err)));
    }
    close_headers(&headers);
}

/* ---- project info ---- */

static int base64_digit(uint8_t c)
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
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The bytes of a base64 text, perhaps with "data:...;base64," before it. */
bool worker_wish_image(crdt_span text, crdt_buf *out)
{
    const uint8_t *comma = text.size > 0 ? memchr(text.data, ',', text.size) : NULL;
    size_t at = comma == NULL ? 0 : (size_t)(comma - text.data) + 1;
    uint32_t bits = 0;
    int count = 0;
    for (; at < text.size && text.data[at] != '='; at++) {
        int digit = base64_digit(text.data[at]);
        if (digit < 0) {
            return false;
        }
        bits = (bits << 6) | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            uint8_t byte = (uint8_t)(bits >> count);
            if (crdt_buf_append(out, &byte, 1) != CRDT_OK) {
                return false;
            }
        }
    }
    return out->size > 0 && out->size <= IMAGE_SIZE_MAX;
}

/* The fields of the project are an edit, made by the session. Here: the thumbnail, and
 * saving. */
static void save_project(worker_link *link, const worker_event *event)
{
    worker *w = link->w;
    const scene_json_node *image = scene_json_find(event->payload, "screenshot");
    if (image != NULL && image->type == SCENE_JSON_STRING && image->count > 0) {
        crdt_buf bytes;
        crdt_buf_init(&bytes, w->alloc);
        if (!worker_wish_image(scene_json_text(image), &bytes) ||
            worker_save_thumbnail(w->save, crdt_buf_span(&bytes)) != CRDT_OK) {
            worker_session_answer(
                link->session, (crdt_span){0}, "invalid",
                crdt_span_of("screenshot is no PNG or JPEG of at most "
                             "2 MiB in base64"));
        }
        crdt_buf_deinit(&bytes);
    }
    save(link, event, (crdt_span){0});
}

/* ---- publishing ---- */

static void publish(worker_link *link, const worker_event *event, crdt_span id)
{
    worker *w = link->w;
    header_list headers;
    crdt_diag diag = {0};
    open_headers(&headers, w->alloc);
    read_headers(&headers, event->payload);
    worker_desk_flush(w);
    const worker_publish_wish wish = {.serial = link->serial,
                                      .id = id,
                                      .payload = event->payload,
                                      .headers = headers.lines};
    crdt_err err = worker_publish_start(w, &wish, &diag);
    if (err != CRDT_OK) {
        worker_session_answer(
            link->session, id, err == CRDT_EINVAL ? "invalid" : refusal(err),
            crdt_span_of(diag.text[0] != '\0' ? diag.text : crdt_err_text(err)));
    }
    close_headers(&headers);
}

static void publish_for_program(worker *w, const web_request *request, web_reply *reply,
                                bool unpublish)
{
    header_list headers;
    crdt_diag diag = {0};
    scene_json *json = NULL;
    crdt_err err = CRDT_OK;
    open_headers(&headers, w->alloc);
    web_request_headers(request, "x-identity-", visit_header, &headers);
    if (request->body.size > 0) {
        err = scene_json_open(&json, w->alloc, request->body, NULL, &diag);
    }
    if (err == CRDT_OK) {
        worker_desk_flush(w);
        const worker_publish_wish wish = {
            .reply = reply,
            .payload = json == NULL ? NULL : scene_json_root(json),
            .headers = headers.lines,
            .unpublish = unpublish};
        err = worker_publish_start(w, &wish, &diag);
    }
    if (err != CRDT_OK) {
        web_reply_error(reply,
                        err == CRDT_EBUSY    ? 503
                        : err == CRDT_ENOMEM ? 500
                                             : 400,
                        "%s", diag.text[0] != '\0' ? diag.text : crdt_err_text(err));
    }
    scene_json_close(json);
    close_headers(&headers);
}

void worker_wish_publish(worker *w, const web_request *request, web_reply *reply)
{
    publish_for_program(w, request, reply, false);
}

void worker_wish_unpublish(worker *w, const web_request *request, web_reply *reply)
{
    publish_for_program(w, request, reply, true);
}

/* ---- who asks ---- */

void worker_wish_event(void *ctx, worker_session *session, const worker_event *event,
                       crdt_span id)
{
    worker_link *link = ctx;
    worker *w = link->w;
    crdt_diag diag = {0};
    switch (event->kind) {
    case WORKER_EVENT_PRESENCE:
        if (worker_presence_set(w->presence, worker_session_id(session), event->payload,
                                &diag) != CRDT_OK) {
            worker_session_answer(session, id, "invalid", crdt_span_of(diag.text));
        } else if (id.size > 0) {
            worker_session_answer(session, id, NULL, (crdt_span){0});
        }
        break;
    case WORKER_EVENT_SAVE:
        save(link, event, id);
        break;
    case WORKER_EVENT_PROJECT:
        save_project(link, event);
        break;
    default:
        publish(link, event, id);
        break;
    }
}

void worker_wish_save(worker *w, const web_request *request, web_reply *reply)
{
    header_list headers;
    char force[8] = "";
    open_headers(&headers, w->alloc);
    web_request_headers(request, "x-identity-", visit_header, &headers);
    web_request_parameter(request, "force", force, sizeof force);
    worker_desk_flush(w);
    crdt_err err = worker_scene_save(w, 0, (crdt_span){0}, reply, headers.lines,
                                     strcmp(force, "true") == 0);
    if (err == CRDT_OK) {
        reply->deferred = true;
    } else {
        web_reply_error(reply, err == CRDT_EBUSY ? 503 : 500, "%s", crdt_err_text(err));
    }
    close_headers(&headers);
}
