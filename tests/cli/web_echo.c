/* A server to try cli/web/server.c on, driven by tests/cli/test_web_server.py.
 *
 * GET/POST /echo      {"method","path","query","size","x"}: what arrived; ?x= decoded
 * GET /big?size=N     N bytes of 'a'
 * GET /later?ms=N     answered by another thread after N ms
 * GET /counts         the counters
 * GET /stop           stops
 * WebSocket /socket   echoes text; "big N": a message of N bytes; "close CODE": closes;
 *                     "all TEXT": to everybody; "pause N": reads on after N ticks;
 *                     "flood": the server always has something to say from then on
 * WebSocket /refused  503 */

#include "cli/web/server.h"
#include "cli/web/url.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PEOPLE_MAX 1024

typedef struct person {
    web_socket *socket;
    crdt_buf next; /* what is to be sent: the latest */
    unsigned paused;
    bool flood;
} person;

static web_server *server;
static person *people[PEOPLE_MAX];
static unsigned long long wakes;

typedef struct later {
    uint64_t token;
    long ms;
} later;

static void *answer_later(void *ctx)
{
    later job = *(later *)ctx;
    free(ctx);
    struct timespec wait = {job.ms / 1000, job.ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
    web_reply reply = {.status = 200, .token = job.token};
    crdt_buf_init(&reply.body, crdt_alloc_default());
    crdt_buf_append(&reply.body, "\"later\"", 7);
    web_server_wake(server);
    web_server_answer(server, &reply);
    return NULL;
}

static void print(crdt_buf *out, const char *format, unsigned long long number)
{
    char text[128];
    int size = snprintf(text, sizeof text, format, number);
    crdt_buf_append(out, text, (size_t)size);
}

static void fill(crdt_buf *out, size_t size)
{
    if (crdt_buf_reserve(out, size) == CRDT_OK) {
        memset(out->data + out->size, 'a', size);
        out->size += size;
    }
}

static void visit(void *ctx, const char *name, const char *value)
{
    crdt_buf *out = ctx;
    crdt_buf_append_span(out, crdt_span_of(name));
    crdt_buf_append_span(out, crdt_span_of("="));
    crdt_buf_append_span(out, crdt_span_of(value));
    crdt_buf_append_span(out, crdt_span_of(";"));
}

static void on_echo(const web_request *request, web_reply *reply)
{
    char x[256];
    char header[256];
    crdt_buf *out = &reply->body;
    crdt_buf_append_span(out, crdt_span_of(request->method));
    crdt_buf_append_span(out, crdt_span_of(" "));
    crdt_buf_append_span(out, crdt_span_of(request->path));
    crdt_buf_append_span(out, crdt_span_of("?"));
    crdt_buf_append_span(out, crdt_span_of(request->query));
    print(out, " %llu ", request->body.size);
    crdt_buf_append_span(out, crdt_span_of(request->peer));
    crdt_buf_append_span(out, crdt_span_of(request->loopback ? " loopback" : " far"));
    if (web_request_parameter(request, "x", x, sizeof x)) {
        crdt_buf_append_span(out, crdt_span_of(" x="));
        crdt_buf_append_span(out, crdt_span_of(x));
    }
    if (web_request_header(request, "x-try", header, sizeof header) != NULL) {
        crdt_buf_append_span(out, crdt_span_of(" try="));
        crdt_buf_append_span(out, crdt_span_of(header));
    }
    if (web_request_header(request, "authorization", header, sizeof header) != NULL) {
        crdt_buf_append_span(out, crdt_span_of(" auth="));
        crdt_buf_append_span(out, crdt_span_of(header));
    }
    crdt_buf_append_span(out, crdt_span_of(" "));
    web_request_headers(request, "x-identity-", visit, out);
    reply->type = "text/plain";
}

static void on_counts(crdt_buf *out)
{
    web_server_counts counts = web_server_count(server);
    print(out, "{\"connections\":%llu,", counts.connections);
    print(out, "\"requests\":%llu,", counts.requests);
    print(out, "\"open\":%llu,", counts.sockets_open);
    print(out, "\"total\":%llu,", counts.sockets_total);
    print(out, "\"host\":%llu,", counts.refused_host);
    print(out, "\"origin\":%llu,", counts.refused_origin);
    print(out, "\"size\":%llu,", counts.refused_size);
    print(out, "\"path\":%llu,", counts.refused_path);
    print(out, "\"full\":%llu,", counts.refused_full);
    print(out, "\"wakes\":%llu}", wakes);
}

static void on_request(void *ctx, const web_request *request, web_reply *reply)
{
    (void)ctx;
    char text[32] = "0";
    if (strcmp(request->path, "/big") == 0) {
        web_request_parameter(request, "size", text, sizeof text);
        fill(&reply->body, strtoul(text, NULL, 10));
    } else if (strcmp(request->path, "/later") == 0) {
        web_request_parameter(request, "ms", text, sizeof text);
        later *job = malloc(sizeof *job);
        *job = (later){reply->token, strtol(text, NULL, 10)};
        pthread_t thread;
        pthread_create(&thread, NULL, answer_later, job);
        pthread_detach(thread);
        reply->deferred = true;
    } else if (strcmp(request->path, "/counts") == 0) {
        on_counts(&reply->body);
    } else if (strcmp(request->path, "/stop") == 0) {
        web_server_stop(server);
    } else if (strcmp(request->path, "/moved") == 0) {
        reply->status = 302;
        reply->location = "/echo";
    } else if (strcmp(request->path, "/loop") == 0) {
        reply->status = 302;
        reply->location = "/loop";
    } else if (strcmp(request->path, "/file") == 0) {
        reply->status = 302;
        reply->location = "file:///etc/passwd";
    } else if (strncmp(request->path, "/missing", 8) == 0) {
        web_reply_error(reply, 404, "nothing at \"%s\"", request->path);
    } else {
        on_echo(request, reply);
    }
}

static int on_open(void *ctx, web_socket *socket, const web_request *request,
                   void **user)
{
    (void)ctx;
    size_t at = 0;
    while (at < PEOPLE_MAX && people[at] != NULL) {
        at++;
    }
    if (strcmp(request->path, "/socket") != 0 || at == PEOPLE_MAX) {
        return 503;
    }
    person *one = calloc(1, sizeof *one);
    one->socket = socket;
    crdt_buf_init(&one->next, crdt_alloc_default());
    people[at] = one;
    *user = one;
    return 101;
}

static void say(person *to, crdt_span text)
{
    crdt_buf_clear(&to->next);
    crdt_buf_append_span(&to->next, text);
    web_socket_want_write(to->socket);
}

static void on_message(void *ctx, web_socket *socket, void *user, crdt_span text)
{
    (void)ctx;
    person *from = user;
    char word[64] = "";
    memcpy(word, text.data, text.size < 63 ? text.size : 63);
    if (strncmp(word, "big ", 4) == 0) {
        crdt_buf_clear(&from->next);
        fill(&from->next, strtoul(word + 4, NULL, 10));
        web_socket_want_write(socket);
    } else if (strncmp(word, "close ", 6) == 0) {
        web_socket_close(socket, (int)strtol(word + 6, NULL, 10), "as you wish");
    } else if (strncmp(word, "pause ", 6) == 0) {
        from->paused = (unsigned)strtoul(word + 6, NULL, 10);
        web_socket_pause(socket, true);
    } else if (strncmp(word, "flood", 5) == 0) {
        from->flood = true;
        web_socket_want_write(socket);
    } else if (strncmp(word, "all ", 4) == 0) {
        for (size_t i = 0; i < PEOPLE_MAX; i++) {
            if (people[i] != NULL) {
                say(people[i], (crdt_span){text.data + 4, text.size - 4});
            }
        }
    } else {
        say(from, text);
    }
}

static void on_write(void *ctx, web_socket *socket, void *user, crdt_buf *out)
{
    (void)ctx, (void)socket;
    person *to = user;
    if (to->flood) {
        fill(out, 100000);
        return;
    }
    crdt_buf_append_span(out, crdt_buf_span(&to->next));
    crdt_buf_deinit(&to->next);
    crdt_buf_init(&to->next, crdt_alloc_default());
}

static void on_closed(void *ctx, web_socket *socket, void *user)
{
    (void)ctx, (void)socket;
    person *gone = user;
    for (size_t i = 0; i < PEOPLE_MAX; i++) {
        people[i] = people[i] == gone ? NULL : people[i];
    }
    crdt_buf_deinit(&gone->next);
    free(gone);
}

static void on_wake(void *ctx)
{
    (void)ctx;
    wakes++;
}

static void on_tick(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < PEOPLE_MAX; i++) {
        if (people[i] != NULL && people[i]->paused > 0 && --people[i]->paused == 0) {
            web_socket_pause(people[i]->socket, false);
        }
    }
}

static void on_signal(int number)
{
    (void)number;
    web_server_stop(server);
}

int main(int argc, char **argv)
{
    web_server_options options = web_server_options_default();
    const char *hosts[2] = {NULL};
    const char *origins[2] = {NULL};
    options.tick_ms = 20;
    options.hosts = hosts;
    options.origins = origins;
    options.handlers = (web_handlers){.request = on_request,
                                      .socket_open = on_open,
                                      .socket_message = on_message,
                                      .socket_write = on_write,
                                      .socket_closed = on_closed,
                                      .wake = on_wake,
                                      .tick = on_tick};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--http") == 0) {
            options.address = value;
        } else if (strcmp(argv[i], "--host") == 0) {
            hosts[0] = value;
        } else if (strcmp(argv[i], "--origin") == 0) {
            origins[0] = value;
        } else if (strcmp(argv[i], "--idle") == 0) {
            options.idle_ms = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--max") == 0) {
            options.connection_max = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--cert") == 0) {
            options.cert_file = value;
        } else if (strcmp(argv[i], "--key") == 0) {
            options.key_file = value;
        }
    }
    crdt_diag diag = {0};
    crdt_err err = web_server_open(&server, &options, &diag);
    if (err != CRDT_OK) {
        fprintf(stderr, "%s: %s\n", crdt_err_text(err), diag.text);
        return 1;
    }
    signal(SIGTERM, on_signal);
    printf("%s\n", web_server_url(server));
    fflush(stdout);
    web_server_run(server);
    web_server_close(server);
    return 0;
}
