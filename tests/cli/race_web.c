/* Two servers in one process, each in its thread; callers in several threads; answers given
 * and the loops woken from others; opened and closed again and again. */

#include "cli/web/client.h"
#include "cli/web/server.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SERVERS 2
#define CALLERS 3
#define CALLS 20
#define ROUNDS 3

typedef struct place {
    web_server *server;
    pthread_t loop;
    pthread_t clerk;
    pthread_mutex_t lock;
    pthread_cond_t more;
    uint64_t asked[1024]; /* tokens to answer */
    size_t asked_count;
    bool over;
    unsigned requests;
    unsigned wakes;
    unsigned ticks;
} place;

static place places[SERVERS];

static void on_request(void *ctx, const web_request *request, web_reply *reply)
{
    place *at = ctx;
    at->requests++;
    if (strcmp(request->path, "/later") == 0) {
        reply->deferred = true;
        pthread_mutex_lock(&at->lock);
        assert(at->asked_count < 1024);
        at->asked[at->asked_count++] = reply->token;
        pthread_cond_signal(&at->more);
        pthread_mutex_unlock(&at->lock);
        return;
    }
    crdt_err err = crdt_buf_append_span(&reply->body, request->body);
    assert(err == CRDT_OK);
}

static void on_wake(void *ctx)
{
    ((place *)ctx)->wakes++;
}

static void on_tick(void *ctx)
{
    ((place *)ctx)->ticks++;
}

/* Answers what was put off. */
static void *answer_all(void *ctx)
{
    place *at = ctx;
    pthread_mutex_lock(&at->lock);
    while (!at->over) {
        if (at->asked_count == 0) {
            pthread_cond_wait(&at->more, &at->lock);
            continue;
        }
        web_reply reply = {.status = 202, .token = at->asked[--at->asked_count]};
        pthread_mutex_unlock(&at->lock);
        crdt_buf_init(&reply.body, crdt_alloc_default());
        crdt_err err = crdt_buf_append(&reply.body, "later", 5);
        assert(err == CRDT_OK);
        web_server_wake(at->server);
        web_server_answer(at->server, &reply);
        pthread_mutex_lock(&at->lock);
    }
    pthread_mutex_unlock(&at->lock);
    return NULL;
}

static void *serve(void *ctx)
{
    web_server_run(((place *)ctx)->server);
    return NULL;
}

static void call(const char *base, const char *method, const char *path, crdt_span body,
                 int status, size_t size)
{
    char url[256];
    bool fits = web_url_join(base, path, url, sizeof url);
    assert(fits);
    web_call request = web_call_default();
    request.method = method;
    request.url = url;
    request.body = body;
    web_answer answer;
    crdt_diag diag = {0};
    crdt_err err = web_client_call(&request, &answer, &diag);
    if (err != CRDT_OK || answer.status != status || answer.body.size != size) {
        fprintf(stderr, "%s %s: %s %s, status %d, %zu bytes\n", method, url,
                crdt_err_text(err), diag.text, answer.status, answer.body.size);
        assert(false);
    }
    web_answer_deinit(&answer);
}

static void *call_all(void *ctx)
{
    (void)ctx;
    static const uint8_t body[100000];
    for (unsigned i = 0; i < CALLS; i++) {
        const char *base = web_server_url(places[i % SERVERS].server);
        call(base, "GET", "/", (crdt_span){0}, 200, 0);
        call(base, "POST", "/echo", (crdt_span){body, sizeof body}, 200, sizeof body);
        call(base, "GET", "/later", (crdt_span){0}, 202, 5);
        web_server_wake(places[i % SERVERS].server);
    }
    return NULL;
}

static void open_place(place *at)
{
    memset(at, 0, sizeof *at);
    web_server_options options = web_server_options_default();
    options.tick_ms = 5;
    options.handlers = (web_handlers){
        .ctx = at, .request = on_request, .wake = on_wake, .tick = on_tick};
    crdt_err err = web_server_open(&at->server, &options, NULL);
    assert(err == CRDT_OK);
    pthread_mutex_init(&at->lock, NULL);
    pthread_cond_init(&at->more, NULL);
    int result = pthread_create(&at->loop, NULL, serve, at) |
                 pthread_create(&at->clerk, NULL, answer_all, at);
    assert(result == 0);
}

static void close_place(place *at)
{
    pthread_mutex_lock(&at->lock);
    at->over = true;
    pthread_cond_signal(&at->more);
    pthread_mutex_unlock(&at->lock);
    pthread_join(at->clerk, NULL);
    web_server_stop(at->server);
    pthread_join(at->loop, NULL);
    assert(at->requests == 3 * CALLERS * CALLS / SERVERS);
    assert(at->wakes > 0);
    web_reply late = {.status = 200, .token = 1}; /* for nobody, after the end */
    crdt_buf_init(&late.body, crdt_alloc_default());
    crdt_err err = crdt_buf_append(&late.body, "late", 4);
    assert(err == CRDT_OK);
    web_server_answer(at->server, &late);
    web_server_close(at->server);
    pthread_mutex_destroy(&at->lock);
    pthread_cond_destroy(&at->more);
}

int main(void)
{
    web_server_close(NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        pthread_t callers[CALLERS];
        for (size_t i = 0; i < SERVERS; i++) {
            open_place(&places[i]);
        }
        for (size_t i = 0; i < CALLERS; i++) {
            int result = pthread_create(&callers[i], NULL, call_all, NULL);
            assert(result == 0);
        }
        for (size_t i = 0; i < CALLERS; i++) {
            pthread_join(callers[i], NULL);
        }
        for (size_t i = 0; i < SERVERS; i++) {
            close_place(&places[i]);
        }
    }
    return 0;
}
