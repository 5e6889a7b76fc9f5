/* Many renderers at once on one worker (docs/RENDERER.md), and how long an edit of one
 * takes to be seen by the others.
 *
 *     crowd --url ws://127.0.0.1:PORT/renderer[?token=T] [--renderers 100] [--editing 20]
 *           [--hz 10] [--seconds 10] [--silent 0] [--wait 60]
 *
 * It connects the renderers, waits until all have got the scene, and lets the first of them
 * each move an entity of its own (crowd-0, crowd-1, ...). Each edit counts one up in
 * position.x, and asks for an answer. An edit is seen by another renderer when that is
 * shown its number or a greater one: the last value of a field wins. Silent connections
 * take part in the handshake and never read a byte.
 *
 * At the end one line of JSON: times in ms; `lost` are pairs of an edit and a renderer that
 * never saw it or a later one; `behind` are pairs of an entity and a renderer that does not
 * show its last value. Exit code 0 if nothing is lost and nobody was closed, else 1; 2: bad
 * arguments, or the renderers did not all get the scene. */

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#define RENDERERS_MAX 2000
#define EDITING_MAX 256
#define SAID_MAX 5 /* of those that were closed */
#define BIN_US 100
#define BIN_COUNT 600000 /* a minute */
#define GRACE_US (10 * LWS_USEC_PER_SEC)

/* How long things took, in bins. */
typedef struct times {
    uint32_t *bins;
    uint64_t count;
    uint64_t max_us;
} times;

typedef struct renderer {
    struct lws *wsi;
    unsigned number;
    bool welcome;
    bool ready;
    bool closed;
    uint8_t *text; /* a message in pieces */
    size_t size;
    size_t room;
    uint32_t shown[EDITING_MAX]; /* the greatest number seen, by entity */
    /* who edits */
    lws_sorted_usec_list_t timer;
    uint32_t sent;
    uint32_t written;    /* up to here it went out */
    lws_usec_t *sent_us; /* by number */
    uint32_t answered;
    bool removes;
} renderer;

static struct {
    char host[256];
    uint16_t port;
    char path[1024];
    char authority[300];
    unsigned renderers;
    unsigned editing;
    unsigned silent;
    double hz;
    unsigned seconds;
    unsigned wait_s;
} options = {.renderers = 100, .editing = 20, .hz = 10, .seconds = 10, .wait_s = 60};

static struct lws_context *context;
static renderer *people;
static int silent_fds[RENDERERS_MAX];
static unsigned ready_count;
static unsigned closed_count;
static bool running;
static bool finished;
static bool ending;
static char scene[128] = "0,0";
static times seen;
static times answers;
static uint64_t messages;
static uint64_t bytes;
static uint64_t refused;
static lws_usec_t started_us;
static lws_usec_t ended_us;
static uint32_t edits_each;

/* ---- times ---- */

static void times_add(times *all, lws_usec_t us)
{
    uint64_t taken = us < 0 ? 0 : (uint64_t)us;
    uint64_t bin = taken / BIN_US;
    all->bins[bin < BIN_COUNT ? bin : BIN_COUNT - 1]++;
    all->count++;
    all->max_us = taken > all->max_us ? taken : all->max_us;
}

static double times_ms(const times *all, double part)
{
    uint64_t wanted = (uint64_t)((double)all->count * part);
    uint64_t passed = 0;
    for (size_t bin = 0; bin < BIN_COUNT; bin++) {
        passed += all->bins[bin];
        if (passed > wanted) {
            return (double)((bin + 1) * BIN_US) / 1000.0;
        }
    }
    return (double)all->max_us / 1000.0;
}

/* ---- what comes in ---- */

static const char *find(const char *text, size_t size, const char *what)
{
    return memmem(text, size, what, strlen(what));
}

static void see(renderer *one, unsigned entity, uint32_t number, lws_usec_t now)
{
    renderer *author = &people[entity];
    if (author == one || number > author->sent) {
        return;
    }
    for (uint32_t i = one->shown[entity] + 1; i <= number; i++) {
        times_add(&seen, now - author->sent_us[i]);
    }
    if (number > one->shown[entity]) {
        one->shown[entity] = number;
    }
}

/* One event. Only what this program put there is looked for. */
static void take_event(renderer *one, const char *event, size_t size, lws_usec_t now)
{
    static const char id[] = "\"entityId\":\"crowd-";
    const char *at;
    if (!one->ready) {
        if ((at = find(event, size, "\"Welcome\"")) != NULL) {
            const char *name = find(event, size, "\"scene\":\"");
            one->welcome = true;
            if (name != NULL) {
                snprintf(scene, sizeof scene, "%.*s", (int)strcspn(name + 9, "\""),
                         name + 9);
            }
        } else if (find(event, size, "InitMessagesFinished") != NULL) {
            one->ready = true;
            ready_count++;
        }
    }
    if ((at = find(event, size, "\"Answer\"")) != NULL) {
        const char *number = find(event, size, "\"id\":");
        uint32_t n = number == NULL ? 0 : (uint32_t)strtoul(number + 5, NULL, 10);
        if (find(event, size, "\"ok\":true") == NULL) {
            if (refused++ == 0) {
                fprintf(stderr, "refused: %.*s\n", (int)size, event);
            }
        } else if (n > 0 && n <= one->sent) {
            one->answered++;
            times_add(&answers, now - one->sent_us[n]);
        }
        return;
    }
    if ((at = find(event, size, id)) == NULL) {
        return;
    }
    unsigned entity = (unsigned)strtoul(at + sizeof id - 1, NULL, 10);
    const char *position = find(event, size, "\"position\":{");
    const char *x = position == NULL
                        ? NULL
                        : find(position, (size_t)(event + size - position), "\"x\":");
    if (entity < options.editing && x != NULL) {
        see(one, entity, (uint32_t)strtod(x + 4, NULL), now);
    }
}

/* A message is an event or an array of them: cut it where the braces say. */
static void take_message(renderer *one)
{
    const char *text = (const char *)one->text;
    lws_usec_t now = lws_now_usecs();
    size_t start = 0;
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < one->size; i++) {
        char c = text[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' && depth++ == 0) {
            start = i;
        } else if (c == '}' && depth > 0 && --depth == 0) {
            take_event(one, text + start, i + 1 - start, now);
        }
    }
    messages++;
}

static void take_bytes(renderer *one, const void *in, size_t size, bool last)
{
    if (one->size + size + 1 > one->room) {
        one->room = 2 * (one->size + size + 1);
        one->text = realloc(one->text, one->room);
    }
    memcpy(one->text + one->size, in, size);
    one->size += size;
    one->text[one->size] = '\0'; /* numbers end */
    bytes += size;
    if (last) {
        take_message(one);
        one->size = 0;
    }
}

/* ---- what goes out ---- */

static void on_edit(lws_sorted_usec_list_t *list)
{
    renderer *one = lws_container_of(list, renderer, timer);
    if (ending || one->closed || one->sent >= edits_each) {
        return;
    }
    one->sent++;
    one->sent_us[one->sent] = lws_now_usecs();
    lws_callback_on_writable(one->wsi);
    /* from the plan, not from now: no drift */
    lws_usec_t next =
        started_us + (lws_usec_t)(1e6 / options.hz *
                                  (one->sent + (double)one->number / options.editing));
    lws_usec_t left = next - lws_now_usecs();
    lws_sul_schedule(context, 0, &one->timer, on_edit, left < 1 ? 1 : left);
}

static int write_edit(renderer *one)
{
    static unsigned char buffer[LWS_PRE + 1024];
    char *text = (char *)buffer + LWS_PRE;
    int size;
    if (one->removes) {
        one->removes = false;
        size = snprintf(text, 1024,
                        "{\"sceneId\":\"%s\",\"eventType\":\"stateEvent\",\"payload\":{"
                        "\"type\":\"RemoveEntity\",\"payload\":{\"entityId\":"
                        "\"crowd-%u\"}}}",
                        scene, one->number);
        return lws_write(one->wsi, buffer + LWS_PRE, (size_t)size, LWS_WRITE_TEXT);
    }
    if (one->written >= one->sent) {
        return 0;
    }
    one->written++;
    static const char value[] =
        "{\"position\":{\"x\":%u,\"y\":1,\"z\":%u},\"rotation\":{\"x\":0,\"y\":0,\"z\":"
        "0,\"w\":1},\"scale\":{\"x\":1,\"y\":1,\"z\":1}}";
    char data[256];
    snprintf(data, sizeof data, value, one->written, one->number);
    const char *format =
        one->written == 1
            ? "{\"sceneId\":\"%s\",\"eventType\":\"stateEvent\",\"id\":%u,\"payload\":{"
              "\"type\":\"AddEntity\",\"payload\":{\"entityId\":\"crowd-%u\","
              "\"components\":[{\"componentId\":1,\"data\":%s}]}}}"
            : "{\"sceneId\":\"%s\",\"eventType\":\"stateEvent\",\"id\":%u,\"payload\":{"
              "\"type\":\"SetComponent\",\"payload\":{\"entityId\":\"crowd-%u\","
              "\"componentId\":1,\"data\":%s}}}";
    size = snprintf(text, 1024, format, scene, one->written, one->number, data);
    int written = lws_write(one->wsi, buffer + LWS_PRE, (size_t)size, LWS_WRITE_TEXT);
    if (one->written < one->sent) {
        lws_callback_on_writable(one->wsi);
    }
    return written;
}

/* ---- the library ---- */

static void on_end(renderer *one, const char *why)
{
    if (one->closed) {
        return;
    }
    one->closed = true;
    if (!finished) {
        if (closed_count++ < SAID_MAX) {
            fprintf(stderr, "renderer %u was closed: %s\n", one->number, why);
        }
    }
}

static int on_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                       void *in, size_t size)
{
    (void)user;
    renderer *one = lws_get_opaque_user_data(wsi);
    if (one == NULL) {
        return 0;
    }
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_RECEIVE:
        take_bytes(one, in, size,
                   lws_is_final_fragment(wsi) &&
                       lws_remaining_packet_payload(wsi) == 0);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return write_edit(one) < 0 ? -1 : 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        on_end(one, in == NULL ? "no connection" : (const char *)in);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        fprintf(stderr, "renderer %u: close %u %.*s\n", one->number,
                size < 2 ? 0U
                         : (unsigned)(((uint8_t *)in)[0] << 8 | ((uint8_t *)in)[1]),
                size < 2 ? 0 : (int)size - 2, size < 2 ? "" : (const char *)in + 2);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        on_end(one, "closed");
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "crowd", .callback = on_callback, .rx_buffer_size = 65536},
    {.name = NULL}};

static bool connect_one(renderer *one)
{
    char path[1200];
    snprintf(path, sizeof path, "%s%cname=crowd-%u", options.path,
             strchr(options.path, '?') == NULL ? '?' : '&', one->number);
    struct lws_client_connect_info info = {.context = context,
                                           .address = options.host,
                                           .port = options.port,
                                           .path = path,
                                           .host = options.authority,
                                           .local_protocol_name = "crowd",
                                           .opaque_user_data = one,
                                           .pwsi = &one->wsi};
    return lws_client_connect_via_info(&info) != NULL;
}

/* A connection that sends the handshake and never reads. */
static int connect_silent(unsigned number)
{
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)options.port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(options.host, port, &hints, &found) != 0) {
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int little = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    char request[2048];
    int size = snprintf(request, sizeof request,
                        "GET %s%cname=silent-%u HTTP/1.1\r\nHost: %s\r\n"
                        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        options.path, strchr(options.path, '?') == NULL ? '?' : '&',
                        number, options.authority);
    bool fine = connect(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                write(fd, request, (size_t)size) == size;
    freeaddrinfo(found);
    return fine ? fd : -1;
}

/* ---- the course of it ---- */

static bool all_seen(void)
{
    for (unsigned e = 0; e < options.editing; e++) {
        if (!people[e].closed && people[e].answered + refused < people[e].sent) {
            return false;
        }
        for (unsigned i = 0; i < options.renderers; i++) {
            if (i != e && !people[i].closed && people[i].shown[e] < people[e].sent) {
                return false;
            }
        }
    }
    return true;
}

/* Serve until `done` or the time is up; true: done. The library waits by itself where
 * nothing happens, for at most `on_wake`'s period. */
static void on_wake(lws_sorted_usec_list_t *list)
{
    lws_sul_schedule(context, 0, list, on_wake, 10000);
}

static bool is_ready(void)
{
    return ready_count + closed_count >= options.renderers;
}

static bool is_sent(void)
{
    for (unsigned e = 0; e < options.editing; e++) {
        if (!people[e].closed && people[e].written < edits_each) {
            return false;
        }
    }
    return true;
}

static bool serve(bool (*done)(void), lws_usec_t us)
{
    lws_usec_t end = lws_now_usecs() + us;
    while (!done() && lws_now_usecs() < end) {
        if (lws_service(context, 0) < 0) {
            return false;
        }
    }
    return done();
}

static bool is_over(void)
{
    for (unsigned e = 0; e < options.editing; e++) {
        if (!people[e].closed && people[e].removes) {
            return false;
        }
    }
    return true;
}

static void edit(void)
{
    edits_each = (uint32_t)(options.hz * options.seconds);
    started_us = lws_now_usecs();
    running = true;
    for (unsigned e = 0; e < options.editing; e++) {
        renderer *one = &people[e];
        one->sent_us = calloc((size_t)edits_each + 1, sizeof *one->sent_us);
        lws_sul_schedule(context, 0, &one->timer, on_edit,
                         1 + (lws_usec_t)(1e6 / options.hz * e / options.editing));
    }
    serve(is_sent, (lws_usec_t)options.seconds * 2 * LWS_USEC_PER_SEC + GRACE_US);
    ended_us = lws_now_usecs();
    ending = true;
    serve(all_seen, GRACE_US);
}

static bool report(double ready_ms)
{
    uint64_t sent = 0;
    uint64_t lost = 0;
    uint64_t behind = 0;
    uint64_t answered = 0;
    unsigned silent_open = 0;
    for (unsigned e = 0; e < options.editing; e++) {
        sent += people[e].sent;
        answered += people[e].answered;
        for (unsigned i = 0; i < options.renderers; i++) {
            uint32_t missing = i == e ? 0 : people[e].sent - people[i].shown[e];
            lost += missing;
            behind += missing > 0;
        }
    }
    for (unsigned i = 0; i < options.silent; i++) {
        int error = 0;
        socklen_t size = sizeof error;
        char byte;
        silent_open +=
            silent_fds[i] >= 0 &&
            getsockopt(silent_fds[i], SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
            error == 0 && send(silent_fds[i], "", 0, MSG_NOSIGNAL) == 0 &&
            recv(silent_fds[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
    }
    printf(
        "{\"renderers\":%u,\"editing\":%u,\"silent\":%u,\"hz\":%g,\"seconds\":%.2f,"
        "\"readyMs\":%.0f,\"sent\":%llu,\"seen\":%llu,\"lost\":%llu,\"behind\":%llu,"
        "\"p50Ms\":%.1f,\"p90Ms\":%.1f,\"p99Ms\":%.1f,\"maxMs\":%.1f,"
        "\"answered\":%llu,\"refused\":%llu,\"answerP50Ms\":%.1f,\"answerP99Ms\":%.1f,"
        "\"messages\":%llu,\"bytes\":%llu,\"closed\":%u,\"silentOpen\":%u}\n",
        options.renderers, options.editing, options.silent, options.hz,
        (double)(ended_us - started_us) / 1e6, ready_ms, (unsigned long long)sent,
        (unsigned long long)seen.count, (unsigned long long)lost,
        (unsigned long long)behind, times_ms(&seen, 0.5), times_ms(&seen, 0.9),
        times_ms(&seen, 0.99), (double)seen.max_us / 1000.0,
        (unsigned long long)answered, (unsigned long long)refused,
        times_ms(&answers, 0.5), times_ms(&answers, 0.99), (unsigned long long)messages,
        (unsigned long long)bytes, closed_count, silent_open);
    fflush(stdout);
    return lost == 0 && closed_count == 0;
}

static bool parse_url(const char *url)
{
    char port[8] = "80";
    if (strncmp(url, "ws://", 5) == 0) {
        url += 5;
    } else if (strncmp(url, "http://", 7) == 0) {
        url += 7;
    } else {
        return false;
    }
    size_t size = strcspn(url, "/?");
    if (size == 0 || size >= sizeof options.authority) {
        return false;
    }
    snprintf(options.authority, sizeof options.authority, "%.*s", (int)size, url);
    snprintf(options.path, sizeof options.path, "%s",
             url[size] == '\0' ? "/renderer" : url + size);
    const char *colon = strrchr(options.authority, ':');
    size_t host = colon == NULL ? size : (size_t)(colon - options.authority);
    if (colon != NULL) {
        snprintf(port, sizeof port, "%s", colon + 1);
    }
    if (options.authority[0] == '[') {
        snprintf(options.host, sizeof options.host, "%.*s", (int)host - 2,
                 options.authority + 1);
    } else {
        snprintf(options.host, sizeof options.host, "%.*s", (int)host,
                 options.authority);
    }
    options.port = (uint16_t)strtoul(port, NULL, 10);
    return options.port != 0;
}

static bool parse_arguments(int argc, char **argv)
{
    bool url = false;
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i];
        const char *value = argv[i + 1];
        unsigned number = (unsigned)strtoul(value, NULL, 10);
        if (strcmp(name, "--url") == 0) {
            url = parse_url(value);
        } else if (strcmp(name, "--renderers") == 0) {
            options.renderers = number;
        } else if (strcmp(name, "--editing") == 0) {
            options.editing = number;
        } else if (strcmp(name, "--silent") == 0) {
            options.silent = number;
        } else if (strcmp(name, "--seconds") == 0) {
            options.seconds = number;
        } else if (strcmp(name, "--wait") == 0) {
            options.wait_s = number;
        } else if (strcmp(name, "--hz") == 0) {
            options.hz = strtod(value, NULL);
        } else {
            return false;
        }
    }
    return url && argc % 2 == 1 && options.renderers > 0 &&
           options.renderers <= RENDERERS_MAX && options.silent <= RENDERERS_MAX &&
           options.editing <= options.renderers && options.editing <= EDITING_MAX &&
           options.hz > 0 && options.seconds > 0;
}

static bool open_context(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    lws_set_log_level(0, NULL);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .gid = -1,
        .uid = -1,
        .pt_serv_buf_size = 65536,
        .fd_limit_per_thread = options.renderers + 16,
    };
    context = lws_create_context(&info);
    return context != NULL;
}

int main(int argc, char **argv)
{
    if (!parse_arguments(argc, argv)) {
        fprintf(stderr,
                "usage: crowd --url ws://HOST:PORT/renderer [--renderers N] "
                "[--editing M] [--hz H] [--seconds S] [--silent K] [--wait S]\n");
        return 2;
    }
    people = calloc(options.renderers, sizeof *people);
    seen.bins = calloc(BIN_COUNT, sizeof *seen.bins);
    answers.bins = calloc(BIN_COUNT, sizeof *answers.bins);
    if (people == NULL || !open_context()) {
        return 2;
    }
    static lws_sorted_usec_list_t wake;
    lws_sul_schedule(context, 0, &wake, on_wake, 10000);
    lws_usec_t begun = lws_now_usecs();
    for (unsigned i = 0; i < options.silent; i++) {
        silent_fds[i] = connect_silent(i);
    }
    for (unsigned i = 0; i < options.renderers; i++) {
        people[i].number = i;
        if (!connect_one(&people[i])) {
            on_end(&people[i], "cannot connect");
        }
    }
    bool fine = serve(is_ready, (lws_usec_t)options.wait_s * LWS_USEC_PER_SEC) &&
                ready_count == options.renderers;
    double ready_ms = (double)(lws_now_usecs() - begun) / 1000.0;
    if (!fine) {
        fprintf(stderr, "only %u of %u renderers got the scene within %u s\n",
                ready_count, options.renderers, options.wait_s);
    } else {
        edit();
        fine = report(ready_ms);
    }
    finished = true;
    for (unsigned e = 0; e < options.editing && running; e++) {
        people[e].removes = !people[e].closed;
        if (people[e].removes) {
            lws_callback_on_writable(people[e].wsi);
        }
    }
    if (running) {
        serve(is_over, 2 * LWS_USEC_PER_SEC);
    }
    lws_context_destroy(context);
    for (unsigned i = 0; i < options.renderers; i++) {
        free(people[i].text);
        free(people[i].sent_us);
    }
    free(people);
    free(seen.bins);
    free(answers.bins);
    return fine ? 0 : running ? 1 : 2;
}
