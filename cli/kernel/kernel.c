#include "cli/kernel/kernel.h"

#include "cli/content/content_client.h"
#include "cli/visitor.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 50
#define LEFTOVER_MS 12000 /* for a worker of a kernel before to save and leave */
#define ANSWERED_MS                                                                    \
    250 /* for an answer that a worker passes on, before it has to leave */
#define CRASHES_TOLD 3 /* crashes in a row after which who waits is told */

typedef struct wish {
    kernel_mode mode;
    bool stop; /* its mode is told when its turn comes */
    bool begun;
    bool answered;  /* nobody waits for it */
    uint64_t after; /* it begins then */
    uint64_t token;
    uint64_t until;
} wish;

typedef struct scene {
    kernel_keeper *keeper;
    wish requests[KERNEL_REQUEST_MAX];
    size_t request_count;
} scene;

typedef struct note_in_queue {
    struct note_in_queue *next;
    kernel_keeper *keeper;
    kernel_note note;
} note_in_queue;

struct kernel {
    kernel_options options;
    char token[ACCESS_TOKEN_SIZE];
    int lock_fd;
    web_server *server;
    cli_access *access;
    scene scenes[KERNEL_SCENE_MAX];
    size_t scene_count;
    atomic_int stopping; /* 1: leave; more: at once */
    pthread_mutex_t mutex;
    note_in_queue *first; /* under the mutex */
    note_in_queue **last;
};

static uint64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- notes from other threads ---- */

static void post(kernel_keeper *keeper, const kernel_note *note)
{
    kernel *k = keeper->kernel;
    note_in_queue *queued = malloc(sizeof *queued);
    if (queued == NULL) {
        abort(); /* an end that nobody hears of would hang a scene for good */
    }
    *queued = (note_in_queue){.keeper = keeper, .note = *note};
    pthread_mutex_lock(&k->mutex);
    *k->last = queued;
    k->last = &queued->next;
    pthread_mutex_unlock(&k->mutex);
    if (k->server != NULL) {
        web_server_wake(k->server);
    }
}

static note_in_queue *take_notes(kernel *k)
{
    pthread_mutex_lock(&k->mutex);
    note_in_queue *first = k->first;
    k->first = NULL;
    k->last = &k->first;
    pthread_mutex_unlock(&k->mutex);
    return first;
}

/* ---- scenes ---- */

static scene *find_scene(kernel *k, const char *name)
{
    for (size_t i = 0; i < k->scene_count; i++) {
        if (strcmp(k->scenes[i].keeper->name, name) == 0) {
            return &k->scenes[i];
        }
    }
    return NULL;
}

/* What is queued of a scene that goes is of no use to anybody. */
static void drop_notes(kernel *k, const kernel_keeper *keeper)
{
    pthread_mutex_lock(&k->mutex);
    note_in_queue **at = &k->first;
    while (*at != NULL) {
        note_in_queue *note = *at;
        if (note->keeper == keeper) {
            *at = note->next;
            free(note);
        } else {
            at = &note->next;
        }
    }
    k->last = at;
    pthread_mutex_unlock(&k->mutex);
}

/* Make room: a scene that is stopped can be known by its folder again. False: all are
 * busy. */
static bool drop_stopped(kernel *k)
{
    for (size_t i = 0; i < k->scene_count; i++) {
        scene *s = &k->scenes[i];
        const kernel_scene_state *state = &s->keeper->state;
        if (s->request_count == 0 && state->wanted == KERNEL_STOP &&
            state->phase == KERNEL_IDLE) {
            kernel_keeper *keeper = s->keeper;
            *s = k->scenes[--k->scene_count];
            kernel_keeper_close(keeper);
            drop_notes(k, keeper);
            return true;
        }
    }
    return false;
}

static crdt_err add_scene(kernel *k, const char *name, scene **out, crdt_diag *diag)
{
    if (k->scene_count == KERNEL_SCENE_MAX && !drop_stopped(k)) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "there are %d scenes already",
                             KERNEL_SCENE_MAX);
    }
    scene *added = &k->scenes[k->scene_count];
    *added = (scene){.request_count = 0};
    crdt_err err =
        kernel_keeper_open(&added->keeper, &k->options.settings, name, post, k, diag);
    if (err == CRDT_OK) {
        k->scene_count++;
        *out = added;
    }
    return err;
}

/* ---- answers ---- */

static void put_text(web_reply *reply, char *text, size_t size)
{
    if (crdt_buf_append(&reply->body, text, size) != CRDT_OK) {
        web_reply_error(reply, 500, "out of memory");
    }
    free(text);
}

static void reply_scene(const kernel_keeper *keeper, web_reply *reply)
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
    kernel_keeper_report(keeper, &report);
    cli_report_end(&report);
    fclose(out);
    put_text(reply, text, size);
}

static void reply_scenes(const kernel *k, web_reply *reply)
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
    cli_report_open(&report, "scenes", '[');
    for (size_t i = 0; i < k->scene_count; i++) {
        cli_report_open(&report, NULL, '{');
        kernel_keeper_report(k->scenes[i].keeper, &report);
        cli_report_close(&report, '}');
    }
    cli_report_close(&report, ']');
    cli_report_end(&report);
    fclose(out);
    put_text(reply, text, size);
}

static void drop_first(scene *s)
{
    s->request_count--;
    memmove(&s->requests[0], &s->requests[1], s->request_count * sizeof(wish));
}

/* Answer the first who waits: with the scene, or (status) with what is wrong. */
static void answer_first(kernel *k, scene *s, int status, const char *error)
{
    if (s->requests[0].answered) {
        drop_first(s);
        return;
    }
    web_reply reply = {.status = 200, .token = s->requests[0].token};
    crdt_buf_init(&reply.body, crdt_alloc_default());
    if (status == 200) {
        reply_scene(s->keeper, &reply);
    } else {
        web_reply_error(&reply, status, "%s", error);
    }
    web_server_answer(k->server, &reply);
    drop_first(s);
}

/* ---- doing what is asked ---- */

/* Can the first who waits be answered? */
static bool look_at_first(kernel *k, scene *s)
{
    wish *first = &s->requests[0];
    const kernel_keeper *keeper = s->keeper;
    const kernel_scene_state *state = &keeper->state;
    char text[KERNEL_SAID_SIZE + 64];
    if (kernel_scene_state_settled(state) && state->wanted == first->mode) {
        answer_first(k, s, 200, NULL);
        return true;
    }
    if (state->wanted != first->mode) {
        const char *why =
            keeper->trouble[0] != '\0' ? keeper->trouble : "it was refused";
        answer_first(k, s, atomic_load(&k->stopping) > 0 ? 503 : 502, why);
        return true;
    }
    if (state->phase == KERNEL_WAITING && state->crashes >= CRASHES_TOLD) {
        snprintf(text, sizeof text, "the worker %s; it is tried again",
                 keeper->trouble);
        answer_first(k, s, 502, text);
        return true;
    }
    if (kernel_now_ms() >= first->until) {
        snprintf(text, sizeof text, "it takes too long (%s); it is tried further",
                 kernel_scene_state_name(state));
        answer_first(k, s, 504, text);
        return true;
    }
    return false;
}

static void begin_first(scene *s)
{
    wish *first = &s->requests[0];
    first->begun = true;
    if (first->stop) {
        first->mode = kernel_scene_state_stop_mode(&s->keeper->state);
    }
    kernel_keeper_want(s->keeper, first->mode);
}

static void advance(kernel *k, scene *s)
{
    for (;;) {
        kernel_keeper_drive(s->keeper);
        if (s->request_count == 0) {
            return;
        }
        if (!s->requests[0].begun && kernel_now_ms() < s->requests[0].after) {
            return; /* the tick goes on */
        }
        if (!s->requests[0].begun) {
            begin_first(s);
            continue;
        }
        if (!look_at_first(k, s)) {
            return;
        }
    }
}

static void advance_all(kernel *k)
{
    bool gone = true;
    for (size_t i = 0; i < k->scene_count; i++) {
        advance(k, &k->scenes[i]);
        gone = gone && k->scenes[i].keeper->process == NULL;
    }
    int stopping = atomic_load(&k->stopping);
    if (stopping > 0 && (gone || stopping > 1)) {
        web_server_stop(k->server);
    }
}

static void leave_all(kernel *k)
{
    for (size_t i = 0; i < k->scene_count; i++) {
        kernel_keeper_leave(k->scenes[i].keeper);
    }
}

static void on_wake(void *ctx)
{
    kernel *k = ctx;
    note_in_queue *note = take_notes(k);
    while (note != NULL) {
        note_in_queue *next = note->next;
        kernel_keeper_take(note->keeper, &note->note);
        free(note);
        note = next;
    }
    if (atomic_load(&k->stopping) > 0) {
        leave_all(k);
    }
    advance_all(k);
}

/* Who runs the kernel is told why nobody gets in. */
static void note_access(const kernel *k)
{
    const char *trouble = k->access == NULL ? NULL : cli_access_trouble(k->access);
    if (trouble != NULL) {
        fprintf(
            stderr,
            "scenesync kernel: %s; until that is mended nobody is let in by a token\n",
            trouble);
    }
}

static void on_tick(void *ctx)
{
    kernel *k = ctx;
    if (cli_access_refresh(k->access, unix_ms())) {
        note_access(k);
    }
    on_wake(k);
}

/* ---- HTTP ---- */

static void ask_for(kernel *k, const char *name, const char *what, bool wait,
                    web_reply *reply)
{
    crdt_diag diag = {0};
    scene *s = find_scene(k, name);
    bool stop = strcmp(what, "stop") == 0;
    if (s == NULL && stop) {
        web_reply_error(reply, 404, "there is no scene %s here", name);
        return;
    }
    if (atomic_load(&k->stopping) > 0 ||
        (s != NULL && s->request_count == KERNEL_REQUEST_MAX)) {
        web_reply_error(reply, 503, "%s",
                        s != NULL ? "too much is asked of this scene at once"
                                  : "the kernel ends");
        return;
    }
    if (s == NULL && add_scene(k, name, &s, &diag) != CRDT_OK) {
        web_reply_error(reply, 503, "%s", diag.text);
        return;
    }
    kernel_mode mode = strcmp(what, "edit") == 0 ? KERNEL_EDIT : KERNEL_PLAY;
    s->requests[s->request_count++] =
        (wish){.mode = mode,
               .stop = stop,
               .answered = !wait,
               .after = wait ? 0 : kernel_now_ms() + ANSWERED_MS,
               .token = reply->token,
               .until = kernel_now_ms() + KERNEL_REQUEST_MS};
    if (wait) {
        reply->deferred = true;
    } else {
        reply_scene(s->keeper, reply);
        reply->status = reply->status == 200 ? 202 : reply->status;
    }
    web_server_wake(k->server); /* once this reply is known to be deferred */
}

static bool is_get(const web_request *request)
{
    return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

static void on_scene(kernel *k, const web_request *request, char taken[4][256],
                     bool action, web_reply *reply)
{
    bool get = is_get(request);
    bool post_it = strcmp(request->method, "POST") == 0;
    bool known = !action || strcmp(taken[1], "edit") == 0 ||
                 strcmp(taken[1], "play") == 0 || strcmp(taken[1], "stop") == 0;
    if (!known) {
        web_reply_error(reply, 404, "a scene takes edit, play and stop");
    } else if (!content_pointer_valid(taken[0])) {
        web_reply_error(reply, 404, "a scene is named X,Y");
    } else if (action ? !post_it : !get) {
        web_reply_error(reply, 405, "this takes %s", action ? "POST" : "GET");
    } else if (action) {
        char wait[8] = "";
        web_request_parameter(request, "wait", wait, sizeof wait);
        ask_for(k, taken[0], taken[1], strcmp(wait, "false") != 0, reply);
    } else if (find_scene(k, taken[0]) == NULL) {
        web_reply_error(reply, 404, "there is no scene %s here", taken[0]);
    } else {
        reply_scene(find_scene(k, taken[0])->keeper, reply);
    }
}

const cli_route kernel_routes[] = {
    {"GET", "/v1/health", ACCESS_NONE},      {"GET", "/scenes", ACCESS_VIEW},
    {"GET", "/scenes/*", ACCESS_VIEW},       {"POST", "/scenes/*/edit", ACCESS_EDIT},
    {"POST", "/scenes/*/play", ACCESS_EDIT}, {"POST", "/scenes/*/stop", ACCESS_EDIT}};
const size_t kernel_route_count = sizeof kernel_routes / sizeof kernel_routes[0];

static void on_request(void *ctx, const web_request *request, web_reply *reply)
{
    kernel *k = ctx;
    char taken[4][256];
    bool get = is_get(request);
    const cli_route *route = cli_route_find(kernel_routes, kernel_route_count, request);
    if (route != NULL && route->role == ACCESS_NONE) {
        crdt_buf_append_span(&reply->body, crdt_span_of("{\"ok\":true}\n"));
        return;
    }
    access_role role = route != NULL ? route->role : get ? ACCESS_VIEW : ACCESS_EDIT;
    cli_access_refresh(k->access, unix_ms());
    if (!cli_visitor_may(k->access, request, role, unix_ms(), reply)) {
        return;
    }
    if (strcmp(request->path, "/scenes") == 0 && get) {
        reply_scenes(k, reply);
    } else if (web_path_match(request->path, "/scenes/*/*", taken)) {
        on_scene(k, request, taken, true, reply);
    } else if (web_path_match(request->path, "/scenes/*", taken)) {
        on_scene(k, request, taken, false, reply);
    } else {
        web_reply_error(reply, 404, "there is nothing at this path");
    }
}

/* ---- beginning ---- */

/* Tell the worker of a kernel before to leave; how to see its end, or -1: there is none. */
static int end_leftover(const kernel_keeper *keeper)
{
    pid_t pid = kernel_place_find_process(&keeper->place);
    int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (fd >= 0 && kernel_place_find_process(&keeper->place) != pid) {
        close(fd); /* it ended meanwhile, and this is another */
        return -1;
    }
    if (fd >= 0) {
        syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0);
    }
    return fd;
}

static void await_leftover(int fd, uint64_t until)
{
    struct pollfd end = {.fd = fd, .events = POLLIN};
    uint64_t now = kernel_now_ms();
    if (poll(&end, 1, until > now ? (int)(until - now) : 0) <= 0) {
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        poll(&end, 1, LEFTOVER_MS);
    }
    close(fd);
}

/* No worker of a kernel before lives on beside one of ours. */
static void end_leftovers(kernel *k)
{
    int fds[KERNEL_SCENE_MAX];
    uint64_t until = kernel_now_ms() + LEFTOVER_MS;
    for (size_t i = 0; i < k->scene_count; i++) {
        fds[i] = end_leftover(k->scenes[i].keeper);
    }
    for (size_t i = 0; i < k->scene_count; i++) {
        if (fds[i] >= 0) {
            await_leftover(fds[i], until);
        }
        kernel_place_set_process(&k->scenes[i].keeper->place, 0);
    }
}

static void visit_scene(void *ctx, const char *name)
{
    kernel *k = ctx;
    scene *s;
    crdt_diag diag = {0};
    if (content_pointer_valid(name) && add_scene(k, name, &s, &diag) != CRDT_OK) {
        fprintf(stderr, "scenesync kernel: scene %s: %s\n", name, diag.text);
    }
}

/* A token for ourselves at our workers, new each time. */
static crdt_err make_token(char token[ACCESS_TOKEN_SIZE])
{
    uint8_t bytes[32];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        return CRDT_EIO;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    }
    return CRDT_OK;
}

static crdt_err open_server(kernel *k, crdt_diag *diag)
{
    web_server_options options = web_server_options_default();
    options.address = k->options.http;
    options.hosts = k->options.hosts;
    options.origins = k->options.origins;
    options.tick_ms = TICK_MS;
    options.handlers = (web_handlers){
        .ctx = k, .request = on_request, .wake = on_wake, .tick = on_tick};
    return web_server_open(&k->server, &options, diag);
}

static void tell_ready(const kernel *k)
{
    const kernel_settings *settings = &k->options.settings;
    const char *url = web_server_url(k->server);
    if (settings->json) {
        cli_report report;
        cli_report_begin(&report, settings->out);
        cli_report_text(&report, "event", "ready");
        cli_report_text(&report, "http", url);
        cli_report_text(&report, "url", "");
        cli_report_end(&report);
    } else {
        fprintf(settings->out, "the kernel is at %s\n", url);
        fflush(settings->out);
    }
}

crdt_err kernel_open(kernel **out, const kernel_options *options, crdt_diag *diag)
{
    kernel *k = calloc(1, sizeof *k);
    if (k == NULL) {
        return CRDT_ENOMEM;
    }
    k->options = *options;
    k->options.settings.token = k->token;
    k->lock_fd = -1;
    k->last = &k->first;
    pthread_mutex_init(&k->mutex, NULL);
    const char *dir = options->settings.dir;
    crdt_err err = make_token(k->token);
    if (err == CRDT_OK) {
        err = kernel_place_lock(dir, &k->lock_fd, diag);
    }
    if (err == CRDT_OK) {
        err = cli_access_open(&k->access, &options->access);
    }
    note_access(k);
    if (err == CRDT_OK) {
        err = kernel_place_list(dir, visit_scene, k, diag);
    }
    if (err == CRDT_OK) {
        end_leftovers(k);
        err = open_server(k, diag);
    }
    if (err == CRDT_OK) {
        k->options.settings.own_url = web_server_url(k->server);
    }
    if (err != CRDT_OK) {
        kernel_close(k);
        return err;
    }
    tell_ready(k);
    *out = k;
    return CRDT_OK;
}

void kernel_run(kernel *k)
{
    web_server_wake(k->server);
    web_server_run(k->server);
}

void kernel_stop(kernel *k)
{
    atomic_fetch_add(&k->stopping, 1); /* the next tick sees it */
}

void kernel_close(kernel *k)
{
    if (k == NULL) {
        return;
    }
    for (size_t i = 0; i < k->scene_count; i++) {
        kernel_keeper_close(k->scenes[i].keeper);
    }
    web_server_close(k->server);
    note_in_queue *note = take_notes(k);
    while (note != NULL) {
        note_in_queue *next = note->next;
        free(note);
        note = next;
    }
    cli_access_close(k->access);
    if (k->lock_fd >= 0) {
        close(k->lock_fd);
    }
    pthread_mutex_destroy(&k->mutex);
    free(k);
}
