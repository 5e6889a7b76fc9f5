/* The HTTP calls of docs/RENDERER.md: who may, and who does it. */

#include "cli/args.h"
#include "cli/page/asset.h"
#include "cli/usage.h"
#include "cli/worker/chronicle.h"
#include "cli/worker/text.h"
#include "cli/worker/worker_impl.h"

#include <assert.h>
#include <stdio.h>

/* ---- what the desk knows for a status ---- */

static void put_refused(worker_text *text, worker *w)
{
    const worker_session_counts sum = worker_desk_count(w);
    const web_server_counts web = web_server_count(w->web);
    const struct {
        const char *key;
        uint64_t number;
    } rows[] = {{"\"forbidden\":", sum.forbidden}, {",\"invalid\":", sum.invalid},
                {",\"other\":", sum.other},        {",\"token\":", w->refused_token},
                {",\"host\":", web.refused_host},  {",\"origin\":", web.refused_origin},
                {",\"size\":", web.refused_size},  {",\"path\":", web.refused_path},
                {",\"full\":", web.refused_full}};
    worker_text_put(text, ",\"events\":");
    worker_text_number(text, sum.events);
    worker_text_put(text, ",\"lost\":");
    worker_text_number(text, sum.lost);
    worker_text_put(text, ",\"refused\":{");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        worker_text_put(text, rows[i].key);
        worker_text_number(text, rows[i].number);
    }
    worker_text_put(text, "}");
}

/* "<actor>:<time>,..." as {"<actor>":<time>,...}. */
static void put_saved_version(worker_text *text, const char *saved)
{
    crdt_version version;
    crdt_version_init(&version, text->out->alloc);
    if (worker_version_parse(saved, &version) == CRDT_OK) {
        worker_text_put(text, ",\"version\":");
        worker_text_version(text, &version);
    }
    crdt_version_deinit(&version);
}

static void put_save(worker_text *text, worker *w)
{
    static const crdt_actor nobody = {{0}};
    worker_save_status status;
    worker_save_look(w->save, &status);
    worker_text_put(text, ",\"save\":{\"state\":\"");
    worker_text_put(text, worker_save_state_name(status.state));
    worker_text_put(text, "\"");
    if (status.version[0] != '\0') {
        put_saved_version(text, status.version);
        worker_text_put(text, ",\"at\":");
        worker_text_number(text, status.at_ms);
        worker_text_put(text, ",\"where\":");
        worker_text_string(text, crdt_span_of(status.where));
    }
    if (status.error[0] != '\0') {
        worker_text_put(text, ",\"error\":");
        worker_text_string(text, crdt_span_of(status.error));
    }
    if (!crdt_actor_equal(&status.saver, &nobody)) {
        worker_text_put(text, ",\"saver\":");
        worker_text_actor(text, &status.saver);
    }
    worker_text_put(text, status.mine ? ",\"mine\":true}" : ",\"mine\":false}");
}

/* What waits, what it takes of the machine, what went over HTTP. */
static void put_load(worker_text *text, worker *w)
{
    cli_usage usage;
    cli_usage_get(&usage);
    const worker_desk_queues queues = worker_desk_queue(w);
    const web_server_counts web = web_server_count(w->web);
    const struct {
        const char *key;
        uint64_t number;
    } rows[] = {{",\"clashes\":", atomic_load(&w->conflicts.kept)},
                {",\"at\":", worker_wall_ms()},
                {",\"uptimeMs\":", worker_now_ms() - w->opened_ms},
                {",\"queues\":{\"unanswered\":", queues.unanswered},
                {",\"stalled\":", queues.stalled},
                {",\"reads\":", queues.reads},
                {",\"publishing\":", queues.publishing},
                {",\"held\":", queues.held},
                {"},\"http\":{\"connections\":", web.connections},
                {",\"requests\":", web.requests},
                {",\"bytesIn\":", web.received_size},
                {",\"bytesOut\":", web.sent_size},
                {"},\"process\":{\"cpuMs\":", usage.cpu_us / 1000},
                {",\"memoryBytes\":", usage.memory_size},
                {",\"files\":", usage.file_count},
                {",\"filesMax\":", usage.file_max},
                {",\"threads\":", usage.thread_count}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        worker_text_put(text, rows[i].key);
        worker_text_number(text, rows[i].number);
    }
    worker_text_put(text, "}");
}

static crdt_err write_desk(worker *w, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    worker_text_put(&text, ",\"state\":\"");
    worker_text_put(&text, w->state);
    worker_text_put(&text, "\"");
    if (w->about.size > 0) {
        worker_text_put(&text, ",\"text\":");
        worker_text_string(&text, crdt_buf_span(&w->about));
    }
    worker_text_put(&text, ",\"entities\":");
    worker_text_number(&text, worker_hub_entity_count(w->hub));
    worker_text_put(&text, ",\"renderers\":");
    worker_text_number(&text, w->link_count);
    worker_text_put(&text, ",\"people\":");
    if (text.err == CRDT_OK) {
        text.err = worker_presence_list(w->presence, out);
    }
    put_save(&text, w);
    const char *trouble = cli_access_trouble(w->access);
    if (trouble != NULL) {
        worker_text_put(&text, ",\"accessError\":");
        worker_text_string(&text, crdt_span_of(trouble));
    }
    put_refused(&text, w);
    put_load(&text, w);
    return text.err;
}

/* ---- the calls ---- */

typedef void (*answer_fn)(worker *w, const web_request *request, web_reply *reply);

static void answer_health(worker *w, const web_request *request, web_reply *reply)
{
    (void)w;
    (void)request;
    crdt_buf_append_span(&reply->body, crdt_span_of("{\"ok\":true}"));
}

static void answer_status(worker *w, const web_request *request, web_reply *reply)
{
    (void)request;
    crdt_buf extra;
    crdt_buf_init(&extra, w->alloc);
    if (write_desk(w, &extra) == CRDT_OK) {
        worker_clerk_read(w, reply, worker_read_status, 0, &extra);
    } else {
        web_reply_error(reply, 500, "out of memory");
    }
    crdt_buf_deinit(&extra);
}

static void answer_metrics(worker *w, const web_request *request, web_reply *reply)
{
    (void)request;
    crdt_buf extra;
    crdt_buf_init(&extra, w->alloc);
    if (worker_metrics_write_desk(w, &extra) == CRDT_OK) {
        worker_clerk_read(w, reply, worker_read_metrics, 0, &extra);
    } else {
        web_reply_error(reply, 500, "out of memory");
    }
    crdt_buf_deinit(&extra);
}

static void answer_snapshot(worker *w, const web_request *request, web_reply *reply)
{
    (void)request;
    worker_clerk_read(w, reply, worker_read_snapshot, 0, NULL);
}

static void answer_export(worker *w, const web_request *request, web_reply *reply)
{
    char text[16] = "";
    scene_format format = SCENE_FORMAT_NONE;
    if (web_request_parameter(request, "format", text, sizeof text) ||
        request->query[0] != '\0') {
        format = scene_format_parse(crdt_span_of(text));
        if (format == SCENE_FORMAT_NONE) {
            web_reply_error(reply, 400, "format is state, builder or composite");
            return;
        }
    }
    worker_clerk_read(w, reply, worker_read_export, (int)format, NULL);
}

static void answer_code(worker *w, const web_request *request, web_reply *reply)
{
    (void)request;
    worker_clerk_read(w, reply, worker_read_code, 0, NULL);
}

static void answer_info(worker *w, const web_request *request, web_reply *reply)
{
    (void)request;
    outside_info(w->outside, reply);
}

static void answer_contents(worker *w, const web_request *request, web_reply *reply)
{
    char taken[4][256];
    (void)web_path_match(request->path, "/v1/contents/*", taken);
    outside_file(w->outside, taken[0], reply);
}

/* The kernel asks for the caller's own token: who may do it here is not yet anybody there. */
static void ask_kernel(worker *w, const char *what, const web_request *request,
                       web_reply *reply)
{
    char token[CLI_VISITOR_TOKEN_SIZE];
    cli_visitor_token(request, token);
    outside_kernel(w->outside, what, token, reply);
}

static void answer_kernel(worker *w, const web_request *request, web_reply *reply)
{
    ask_kernel(w, "", request, reply);
}

static void answer_play(worker *w, const web_request *request, web_reply *reply)
{
    ask_kernel(w, "play", request, reply);
}

static void answer_stop(worker *w, const web_request *request, web_reply *reply)
{
    ask_kernel(w, "stop", request, reply);
}

static void answer_conflicts(worker *w, const web_request *request, web_reply *reply)
{
    (void)request;
    worker_clerk_read(w, reply, worker_read_conflicts, 0, NULL);
}

static void answer_page(worker *w, const web_request *request, web_reply *reply)
{
    (void)w;
    page_asset_answer(request, reply);
}

#define HISTORY_LIMIT 50u /* entries, where none is asked for */

static void answer_history(worker *w, const web_request *request, web_reply *reply)
{
    char text[CRDT_STAMP_TEXT_SIZE] = "";
    crdt_stamp before;
    double limit = HISTORY_LIMIT;
    bool asked = web_request_parameter(request, "limit", text, sizeof text);
    if (asked && !cli_args_number(text, 1, WORKER_CHRONICLE_ENTRIES_MAX, &limit)) {
        web_reply_error(reply, 400, "limit is a number from 1 to %u",
                        WORKER_CHRONICLE_ENTRIES_MAX);
        return;
    }
    bool older = web_request_parameter(request, "before", text, sizeof text);
    if (older && !crdt_stamp_parse(text, &before)) {
        web_reply_error(reply, 400, "before is a stamp, TIME@ACTOR");
        return;
    }
    worker_clerk_history(w, reply, older ? &before : NULL, (uint32_t)limit);
}

const cli_route worker_routes[] = {
    {"GET", "/v1/health", ACCESS_NONE},      {"GET", "/v1/status", ACCESS_VIEW},
    {"GET", "/v1/snapshot", ACCESS_VIEW},    {"GET", "/v1/export", ACCESS_VIEW},
    {"GET", "/v1/code", ACCESS_VIEW},        {"GET", "/v1/conflicts", ACCESS_VIEW},
    {"POST", "/v1/save", ACCESS_EDIT},       {"POST", "/v1/publish", ACCESS_PUBLISH},
    {"POST", "/v1/unpublish", ACCESS_ADMIN}, {"GET", "/", ACCESS_NONE},
    {"GET", "/status", ACCESS_NONE},         {"GET", "/page/*", ACCESS_NONE},
    {"WS", "/renderer", ACCESS_VIEW},        {"GET", "/v1/info", ACCESS_VIEW},
    {"GET", "/v1/contents/*", ACCESS_VIEW},  {"GET", "/v1/kernel", ACCESS_VIEW},
    {"POST", "/v1/play", ACCESS_EDIT},       {"POST", "/v1/stop", ACCESS_EDIT},
    {"GET", "/v1/history", ACCESS_VIEW},     {"GET", "/metrics", ACCESS_VIEW},
};
const size_t worker_route_count = sizeof worker_routes / sizeof worker_routes[0];

/* Who answers, in the order of the table; renderers come to the desk. */
static const answer_fn ANSWERS[] = {
    answer_health,
    answer_status,
    answer_snapshot,
    answer_export,
    answer_code,
    answer_conflicts,
    worker_wish_save,
    worker_wish_publish,
    worker_wish_unpublish,
    answer_page,
    answer_page,
    answer_page,
    NULL,
    answer_info,
    answer_contents,
    answer_kernel,
    answer_play,
    answer_stop,
    answer_history,
    answer_metrics,
};
static_assert(sizeof ANSWERS / sizeof ANSWERS[0] ==
                  sizeof worker_routes / sizeof worker_routes[0],
              "an answer for each route");

static bool is_known(const char *path)
{
    char taken[4][256];
    for (size_t i = 0; i < worker_route_count; i++) {
        if (ANSWERS[i] != NULL && web_path_match(path, worker_routes[i].path, taken)) {
            return true;
        }
    }
    return false;
}

void worker_http_request(void *ctx, const web_request *request, web_reply *reply)
{
    worker *w = ctx;
    const cli_route *route = cli_route_find(worker_routes, worker_route_count, request);
    if (route == NULL && is_known(request->path)) {
        web_reply_error(reply, 405, "%s is not for %s", request->method, request->path);
        return;
    }
    if (route == NULL) {
        web_reply_error(reply, 404, "there is nothing at %s", request->path);
        return;
    }
    access_role role = ACCESS_NONE;
    if (route->role > ACCESS_NONE) {
        role = worker_desk_person(w, request).role;
    }
    if (route->role > ACCESS_NONE && role == ACCESS_NONE) {
        web_reply_error(reply, 401, "a token is needed");
    } else if (role < route->role) {
        web_reply_error(reply, 403, "the role %s does not allow this",
                        access_role_name(role));
    } else {
        ANSWERS[route - worker_routes](w, request, reply);
    }
}
