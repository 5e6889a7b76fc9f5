#include "cli/play/player.h"

#include "cli/page/asset.h"
#include "cli/report.h"
#include "cli/usage.h"
#include "cli/visitor.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS 200
#define LOG_MAX 1000 /* lines of the script that are printed */

struct play_player {
    play_options options;
    play_sandbox *sandbox;
    play_stage *stage;
    play_audience *audience;
    cli_access *access;
    web_server *server;
    outside *outside;
    pthread_t reader;
    bool reading;
    atomic_bool stop;
    atomic_bool ended; /* the reader is done with stage and failure */
    bool shown;
    play_failure failure;
    uint64_t log_count;
    uint64_t started_ms;
};

/* One per link. */
typedef struct seat {
    web_socket *socket;
    play_viewer *viewer;
    bool paused;
} seat;

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t unix_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

/* ---- the script ---- */

static void print_log(play_player *player, const play_call *call)
{
    if (++player->log_count > LOG_MAX) {
        return;
    }
    FILE *out = player->options.out;
    if (player->options.json) {
        cli_report report;
        cli_report_begin(&report, out);
        cli_report_text(&report, "event", play_call_name(call->kind));
        cli_report_number(&report, "line", call->line);
        cli_report_span(&report, "text", call->arguments[0]);
        cli_report_end(&report);
    } else {
        fprintf(out, "%s, line %u: ", play_call_name(call->kind), call->line);
        cli_report_string(out, call->arguments[0]);
        fputc('\n', out);
        fflush(out);
    }
}

static crdt_err take_call(void *ctx, const play_call *call, crdt_diag *diag)
{
    play_player *player = ctx;
    if (call->kind == PLAY_CALL_LOG || call->kind == PLAY_CALL_ERROR) {
        print_log(player, call);
    }
    return play_stage_apply(player->stage, call, diag);
}

/* What there is to say about how the script ended; "" if all went well. */
static void tell_end(const play_stage *stage, const play_failure *failure, char *text,
                     size_t size)
{
    text[0] = '\0';
    if (failure->failed) {
        play_failure_tell(failure, text, size);
    }
    size_t count = play_stage_note_count(stage);
    if (count > 0) {
        size_t used = strlen(text);
        snprintf(text + used, size - used,
                 "%scalls that make no sense: %zu; the first: %s", used > 0 ? "; " : "",
                 count, play_stage_note(stage));
    }
}

static void print_end(const play_player *player)
{
    FILE *out = player->options.out;
    char text[1024];
    tell_end(player->stage, &player->failure, text, sizeof text);
    const char *event = player->failure.failed ? "failed" : "running";
    size_t count = play_stage_entity_count(player->stage);
    if (player->options.json) {
        cli_report report;
        cli_report_begin(&report, out);
        cli_report_text(&report, "event", event);
        cli_report_number(&report, "entities", count);
        cli_report_text(&report, "text", text);
        cli_report_end(&report);
    } else {
        fprintf(out, "%s: %zu entities%s%s\n", event, count,
                text[0] != '\0' ? "; " : "", text);
        fflush(out);
    }
}

static void *read_script(void *ctx)
{
    play_player *player = ctx;
    play_sandbox_read(player->sandbox, take_call, player, &player->stop,
                      &player->failure);
    if (play_stage_finish(player->stage) != CRDT_OK && !player->failure.failed) {
        player->failure.failed = true;
        snprintf(player->failure.text, sizeof player->failure.text, "builds too much");
    }
    print_end(player);
    atomic_store(&player->ended, true);
    web_server_wake(player->server);
    return NULL;
}

crdt_err play_player_build(const play_options *options, play_stage *stage,
                           play_failure *failure, crdt_diag *diag)
{
    play_player player = {.options = *options, .stage = stage};
    crdt_err err =
        play_sandbox_start(&player.sandbox, options->code, &options->limits, diag);
    if (err != CRDT_OK) {
        return err;
    }
    play_sandbox_read(player.sandbox, take_call, &player, NULL, failure);
    play_sandbox_close(player.sandbox);
    return play_stage_finish(stage);
}

/* ---- HTTP ---- */

static void reply_stream(web_reply *reply, char *text, size_t size)
{
    if (crdt_buf_append(&reply->body, text, size) != CRDT_OK) {
        web_reply_error(reply, 500, "out of memory");
    }
    free(text);
}

/* As an edition worker tells it. */
static void report_process(cli_report *report, web_server *web)
{
    cli_usage usage;
    cli_usage_get(&usage);
    const web_server_counts counts = web_server_count(web);
    cli_report_open(report, "http", '{');
    cli_report_number(report, "connections", counts.connections);
    cli_report_number(report, "requests", counts.requests);
    cli_report_number(report, "bytesIn", counts.received_size);
    cli_report_number(report, "bytesOut", counts.sent_size);
    cli_report_close(report, '}');
    cli_report_open(report, "process", '{');
    cli_report_number(report, "cpuMs", usage.cpu_us / 1000);
    cli_report_number(report, "memoryBytes", usage.memory_size);
    cli_report_number(report, "files", usage.file_count);
    cli_report_number(report, "filesMax", usage.file_max);
    cli_report_number(report, "threads", usage.thread_count);
    cli_report_close(report, '}');
}

static void reply_status(play_player *player, web_reply *reply)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        web_reply_error(reply, 500, "out of memory");
        return;
    }
    cli_report report;
    cli_report_begin(&report, out);
    cli_report_bool(&report, "ok", true);
    cli_report_text(&report, "scene", player->options.scene);
    cli_report_text(&report, "state", "running");
    cli_report_bool(&report, "built", player->shown); /* else the code still runs */
    if (player->shown) {
        cli_report_number(&report, "entities", play_stage_entity_count(player->stage));
        cli_report_text(&report, "text", play_audience_text(player->audience));
        cli_report_bool(&report, "failed", player->failure.failed);
    }
    cli_report_number(&report, "renderers", play_audience_count(player->audience));
    cli_report_open(&report, "people", '[');
    const play_viewer *viewer = NULL;
    while ((viewer = play_audience_next(player->audience, viewer)) != NULL) {
        cli_report_open(&report, NULL, '{');
        const access_person *person = play_viewer_person(viewer);
        cli_report_text(&report, "name", person->name);
        cli_report_text(&report, "role", access_role_name(person->role));
        cli_report_close(&report, '}');
    }
    cli_report_close(&report, ']');
    cli_report_open(&report, "refused", '{');
    cli_report_number(&report, "edits", play_audience_refused(player->audience));
    cli_report_close(&report, '}');
    cli_report_number(&report, "uptimeMs",
                      clock_ms(CLOCK_MONOTONIC) - player->started_ms);
    report_process(&report, player->server);
    cli_report_end(&report);
    fclose(out);
    reply_stream(reply, text, size);
}

static void reply_snapshot(play_player *player, web_reply *reply)
{
    if (!player->shown) {
        web_reply_error(reply, 503, "the code still runs");
    } else if (play_audience_write(player->stage, crdt_alloc_default(), &reply->body) !=
               CRDT_OK) {
        web_reply_error(reply, 500, "out of memory");
    }
}

const cli_route play_routes[] = {{"GET", "/v1/health", ACCESS_NONE},
                                 {"GET", "/v1/status", ACCESS_VIEW},
                                 {"GET", "/v1/snapshot", ACCESS_VIEW},
                                 {"GET", "/v1/code", ACCESS_VIEW},
                                 {"GET", "/", ACCESS_NONE},
                                 {"GET", "/status", ACCESS_NONE},
                                 {"GET", "/page/*", ACCESS_NONE},
                                 {"WS", "/renderer", ACCESS_VIEW},
                                 {"GET", "/v1/info", ACCESS_VIEW},
                                 {"GET", "/v1/contents/*", ACCESS_VIEW},
                                 {"GET", "/v1/kernel", ACCESS_VIEW},
                                 {"POST", "/v1/play", ACCESS_EDIT},
                                 {"POST", "/v1/stop", ACCESS_EDIT}};
const size_t play_route_count = sizeof play_routes / sizeof play_routes[0];

static void reply_code(play_player *player, web_reply *reply)
{
    reply->type = "text/javascript; charset=utf-8";
    if (crdt_buf_append_span(&reply->body, player->options.code) != CRDT_OK) {
        web_reply_error(reply, 500, "out of memory");
    }
}

/* What is asked of the world outside. False: something else is. */
static bool reply_outside(play_player *player, const cli_route *route,
                          const web_request *request, web_reply *reply)
{
    char taken[4][256];
    char token[CLI_VISITOR_TOKEN_SIZE];
    cli_visitor_token(request, token);
    if (strcmp(route->path, "/v1/info") == 0) {
        outside_info(player->outside, reply);
    } else if (strcmp(route->path, "/v1/contents/*") == 0) {
        (void)web_path_match(request->path, route->path, taken);
        outside_file(player->outside, taken[0], reply);
    } else if (strcmp(route->path, "/v1/kernel") == 0) {
        outside_kernel(player->outside, "", token, reply);
    } else if (strcmp(route->path, "/v1/play") == 0) {
        outside_kernel(player->outside, "play", token, reply);
    } else if (strcmp(route->path, "/v1/stop") == 0) {
        outside_kernel(player->outside, "stop", token, reply);
    } else {
        return false;
    }
    return true;
}

static void on_request(void *ctx, const web_request *request, web_reply *reply)
{
    play_player *player = ctx;
    bool get =
        strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    const cli_route *route = cli_route_find(play_routes, play_route_count, request);
    if (route != NULL && strcmp(route->path, "/v1/health") == 0) {
        crdt_buf_append_span(&reply->body, crdt_span_of("{\"ok\":true}\n"));
        return;
    }
    if (route != NULL && route->role == ACCESS_NONE) {
        page_asset_answer(request, reply);
        return;
    }
    access_role role = route != NULL ? route->role : ACCESS_VIEW;
    if (!cli_visitor_may(player->access, request, role, unix_ms(), reply)) {
        return;
    }
    if (route != NULL && reply_outside(player, route, request, reply)) {
        return;
    }
    if (!get) {
        web_reply_error(reply, 409, "the scene is running: it takes no edits");
    } else if (route == NULL) {
        web_reply_error(reply, 404, "there is nothing at %s", request->path);
    } else if (strcmp(route->path, "/v1/status") == 0) {
        reply_status(player, reply);
    } else if (strcmp(route->path, "/v1/snapshot") == 0) {
        reply_snapshot(player, reply);
    } else {
        reply_code(player, reply);
    }
}

/* ---- links to renderers ---- */

/* Whoever has something to be told is asked to read; who is not to be heard is not. */
static void look_after(play_player *player)
{
    play_viewer *viewer = NULL;
    while ((viewer = play_audience_next(player->audience, viewer)) != NULL) {
        seat *at = play_viewer_user(viewer);
        if (play_viewer_lost(viewer)) {
            web_socket_close(at->socket, 1008, "it does not read");
        } else if (play_viewer_waiting(viewer)) {
            web_socket_want_write(at->socket);
        }
        if (play_viewer_full(viewer) != at->paused) {
            at->paused = !at->paused;
            web_socket_pause(at->socket, at->paused);
        }
    }
}

/* #rrggbb, as it may be shown; else black. */
static void read_color(const web_request *request, char *color, size_t size)
{
    bool given = web_request_parameter(request, "color", color, size);
    if (!given || color[0] != '#' || strspn(color + 1, "0123456789abcdefABCDEF") != 6 ||
        strlen(color) != 7) {
        snprintf(color, size, "#000000");
    }
}

static int on_open(void *ctx, web_socket *socket, const web_request *request,
                   void **user)
{
    play_player *player = ctx;
    if (strcmp(request->path, "/renderer") != 0) {
        return 404;
    }
    access_person person = cli_visitor_of(player->access, request, unix_ms());
    if (person.role < ACCESS_VIEW) {
        return 401;
    }
    if (person.id[0] == '\0') {
        char name[ACCESS_NAME_SIZE];
        if (web_request_parameter(request, "name", name, sizeof name) &&
            name[0] != '\0') {
            snprintf(person.name, sizeof person.name, "%s", name);
        }
    }
    char color[16];
    read_color(request, color, sizeof color);
    seat *made = malloc(sizeof *made);
    if (made == NULL) {
        return 503;
    }
    *made = (seat){.socket = socket};
    if (play_audience_join(player->audience, &person, color, made, &made->viewer) !=
        CRDT_OK) {
        free(made);
        return 503;
    }
    *user = made;
    look_after(player);
    return 101;
}

static void on_message(void *ctx, web_socket *socket, void *user, crdt_span text)
{
    play_player *player = ctx;
    seat *at = user;
    const char *why = "";
    if (!play_viewer_hear(at->viewer, text, &why)) {
        web_socket_close(socket, 1007, why);
        return;
    }
    look_after(player);
}

static void on_write(void *ctx, web_socket *socket, void *user, crdt_buf *out)
{
    play_player *player = ctx;
    seat *at = user;
    if (play_viewer_tell(at->viewer, out) != CRDT_OK) {
        web_socket_close(socket, 1011, "out of memory");
        return;
    }
    look_after(player);
}

static void on_closed(void *ctx, web_socket *socket, void *user)
{
    play_player *player = ctx;
    seat *at = user;
    (void)socket;
    play_audience_leave(player->audience, at->viewer);
    free(at);
    look_after(player);
}

static void on_wake(void *ctx)
{
    play_player *player = ctx;
    if (!player->shown && atomic_load(&player->ended)) {
        char text[1024];
        tell_end(player->stage, &player->failure, text, sizeof text);
        play_audience_show(player->audience, player->stage, text);
        player->shown = true;
        look_after(player);
    }
}

/* Roles may have changed: whoever may not look any more goes. */
static void on_tick(void *ctx)
{
    play_player *player = ctx;
    uint64_t now = unix_ms();
    if (!cli_access_refresh(player->access, now)) {
        return;
    }
    play_viewer *viewer = NULL;
    while ((viewer = play_audience_next(player->audience, viewer)) != NULL) {
        const access_person *person = play_viewer_person(viewer);
        access_role role =
            cli_access_again(player->access, person->id, person->id[0] == '\0', now)
                .role;
        if (role < ACCESS_VIEW) {
            seat *at = play_viewer_user(viewer);
            web_socket_close(at->socket, 1008, "the token was taken away");
        } else {
            play_viewer_set_role(viewer, role);
        }
    }
    look_after(player);
}

/* ---- the whole ---- */

static void print_ready(const play_player *player)
{
    FILE *out = player->options.out;
    const char *url = web_server_url(player->server);
    if (player->options.json) {
        cli_report report;
        cli_report_begin(&report, out);
        cli_report_text(&report, "event", "ready");
        cli_report_text(&report, "http", url);
        cli_report_text(&report, "url", "");
        cli_report_end(&report);
    } else {
        fprintf(out, "scene %s runs at %s\n", player->options.scene, url);
        fflush(out);
    }
}

static crdt_err open_server(play_player *player, crdt_diag *diag)
{
    web_server_options options = web_server_options_default();
    options.address = player->options.http;
    options.hosts = player->options.hosts;
    options.origins = player->options.origins;
    options.tick_ms = TICK_MS;
    options.handlers = (web_handlers){.ctx = player,
                                      .request = on_request,
                                      .socket_open = on_open,
                                      .socket_message = on_message,
                                      .socket_write = on_write,
                                      .socket_closed = on_closed,
                                      .wake = on_wake,
                                      .tick = on_tick};
    return web_server_open(&player->server, &options, diag);
}

static crdt_err open_outside(play_player *player, crdt_diag *diag)
{
    const play_options *options = &player->options;
    const outside_options wanted = {.alloc = crdt_alloc_default(),
                                    .web = player->server,
                                    .scene = options->scene,
                                    .content_url = options->content_url,
                                    .builder_url = options->builder_url,
                                    .kernel_url = options->kernel_url,
                                    .told = options->info};
    return outside_open(&player->outside, &wanted, diag);
}

crdt_err play_player_open(play_player **out, const play_options *options,
                          crdt_diag *diag)
{
    play_player *player = calloc(1, sizeof *player);
    if (player == NULL) {
        return CRDT_ENOMEM;
    }
    player->options = *options;
    player->started_ms = clock_ms(CLOCK_MONOTONIC);
    crdt_alloc alloc = crdt_alloc_default();
    crdt_err err =
        play_sandbox_start(&player->sandbox, options->code, &options->limits, diag);
    if (err == CRDT_OK) {
        err = play_stage_open(&player->stage, alloc, &options->stage_limits);
    }
    if (err == CRDT_OK) {
        err = play_audience_open(&player->audience, alloc, options->scene);
    }
    if (err == CRDT_OK) {
        err = cli_access_open(&player->access, &options->access);
    }
    if (err == CRDT_OK) {
        err = open_server(player, diag);
    }
    if (err == CRDT_OK) {
        err = open_outside(player, diag);
    }
    if (err == CRDT_OK) {
        print_ready(player);
        player->reading =
            pthread_create(&player->reader, NULL, read_script, player) == 0;
        err = player->reading ? CRDT_OK : CRDT_ENOMEM;
    }
    if (err != CRDT_OK) {
        play_player_close(player);
        return err;
    }
    *out = player;
    return CRDT_OK;
}

void play_player_run(play_player *player)
{
    web_server_run(player->server);
}

void play_player_stop(play_player *player)
{
    web_server_stop(player->server);
}

void play_player_close(play_player *player)
{
    if (player == NULL) {
        return;
    }
    atomic_store(&player->stop, true);
    if (player->reading) {
        pthread_join(player->reader, NULL);
    }
    outside_close(player->outside);
    web_server_close(player->server); /* its links leave the audience */
    play_audience_close(player->audience);
    cli_access_close(player->access);
    play_stage_close(player->stage);
    play_sandbox_close(player->sandbox);
    free(player);
}
