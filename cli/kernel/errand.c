#include "cli/kernel/errand.h"

#include "cli/kernel/process.h"
#include "scene/json.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define PROBE_MS 3000
#define STATUS_SIZE_MAX (8u << 20)
#define EDITORS_MAX 32

struct kernel_errand {
    kernel_errand_options options;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    atomic_bool stop;
    bool probe;
    bool fetch;
    uint64_t number;
    char probe_http[KERNEL_URL_SIZE];
    char fetch_http[KERNEL_URL_SIZE];
};

/* ---- what a worker says ---- */

static void read_text(const scene_json_node *object, const char *key, char *out,
                      size_t size)
{
    const scene_json_node *node = object != NULL ? scene_json_find(object, key) : NULL;
    if (node != NULL && node->type == SCENE_JSON_STRING) {
        snprintf(out, size, "%.*s", (int)node->count,
                 (const char *)scene_json_text(node).data);
    }
}

static uint64_t read_count(const scene_json_node *object, const char *key)
{
    const scene_json_node *node = scene_json_find(object, key);
    if (node != NULL && node->type == SCENE_JSON_ARRAY) {
        return node->count;
    }
    bool number = node != NULL && node->type == SCENE_JSON_NUMBER &&
                  node->as.number >= 0 && node->as.number < 1e15;
    return number ? (uint64_t)node->as.number : 0;
}

/* The names of the people, as an array; as many as fit. */
static void read_editors(const scene_json_node *root, char out[KERNEL_EDITORS_SIZE])
{
    const scene_json_node *people = scene_json_find(root, "people");
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    crdt_err err = crdt_buf_append(&text, "[", 1);
    bool list = people != NULL && people->type == SCENE_JSON_ARRAY;
    const scene_json_node *person = list ? people + 1 : NULL;
    for (uint32_t i = 0; list && i < people->count && i < EDITORS_MAX; i++) {
        const scene_json_node *name = scene_json_find(person, "name");
        size_t before = text.size;
        if (name != NULL && name->type == SCENE_JSON_STRING && err == CRDT_OK) {
            err = before > 1 ? crdt_buf_append(&text, ",", 1) : CRDT_OK;
            if (err == CRDT_OK) {
                err = scene_json_write_string(scene_json_text(name), &text);
            }
        }
        if (text.size + 2 > KERNEL_EDITORS_SIZE) {
            text.size = before;
            break;
        }
        person = scene_json_next(person);
    }
    snprintf(out, KERNEL_EDITORS_SIZE, "%.*s]", err == CRDT_OK ? (int)text.size : 0,
             (const char *)text.data);
    if (err != CRDT_OK) {
        snprintf(out, KERNEL_EDITORS_SIZE, "[]");
    }
    crdt_buf_deinit(&text);
}

bool kernel_summary_read(kernel_summary *summary, crdt_span body)
{
    *summary = (kernel_summary){.known = false, .editors = "[]"};
    scene_json *json = NULL;
    if (scene_json_open(&json, crdt_alloc_default(), body, NULL, NULL) != CRDT_OK) {
        return false;
    }
    const scene_json_node *root = scene_json_root(json);
    const scene_json_node *save = scene_json_find(root, "save");
    summary->known = root->type == SCENE_JSON_OBJECT;
    read_text(root, "state", summary->state, sizeof summary->state);
    read_text(root, "text", summary->text, sizeof summary->text);
    summary->entities = read_count(root, "entities");
    summary->renderers = read_count(root, "renderers");
    summary->conflicts = read_count(root, "conflicts");
    read_text(save, "state", summary->save, sizeof summary->save);
    read_text(save, "error", summary->save_error, sizeof summary->save_error);
    read_editors(root, summary->editors);
    scene_json_close(json);
    return summary->known;
}

static crdt_err get(kernel_errand *errand, const char *http, const char *path,
                    web_answer *answer)
{
    char url[KERNEL_URL_SIZE + 32];
    char bearer[160];
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", errand->options.token);
    const char *headers[] = {bearer, NULL};
    web_call call = web_call_default();
    call.method = "GET";
    call.url = url;
    call.headers = headers;
    call.timeout_ms = PROBE_MS;
    call.answer_max = STATUS_SIZE_MAX;
    call.stop = &errand->stop;
    *answer = (web_answer){0};
    return web_url_join(http, path, url, sizeof url)
               ? web_client_call(&call, answer, NULL)
               : CRDT_EINVAL;
}

static void probe(kernel_errand *errand, const char *http)
{
    kernel_errand_result result = {.kind = KERNEL_ERRAND_PROBE};
    web_answer answer;
    result.ok =
        get(errand, http, "/v1/health", &answer) == CRDT_OK && answer.status == 200;
    web_answer_deinit(&answer);
    if (result.ok) {
        crdt_err err = get(errand, http, "/v1/status", &answer);
        if (err == CRDT_OK && answer.status == 200) {
            kernel_summary_read(&result.summary, crdt_buf_span(&answer.body));
        }
        web_answer_deinit(&answer);
    }
    errand->options.done(errand->options.ctx, &result);
}

/* ---- code ---- */

static void fetch(kernel_errand *errand, const char *http, uint64_t number)
{
    const kernel_errand_options *options = &errand->options;
    kernel_code code = {.program = options->program,
                        .scene = options->scene,
                        .place = options->place,
                        .content = options->content,
                        .stop = &errand->stop};
    kernel_errand_result result = {.kind = KERNEL_ERRAND_FETCH, .number = number};
    crdt_diag diag = {0};
    crdt_err err;
    if (http[0] != '\0') {
        err = kernel_code_ask(&code, http, options->token, &result.saved, &diag);
    } else if (kernel_place_has(options->place, "store/data.mdb")) {
        err = kernel_code_make(&code, &diag);
    } else {
        err = kernel_code_deployed(&code, &diag);
    }
    result.ok = err == CRDT_OK;
    if (err != CRDT_OK) {
        snprintf(result.text, sizeof result.text, "%s",
                 diag.text[0] != '\0' ? diag.text : crdt_err_text(err));
    }
    options->done(options->ctx, &result);
}

/* ---- the thread ---- */

static void *run(void *ctx)
{
    kernel_errand *errand = ctx;
    pthread_mutex_lock(&errand->mutex);
    while (!atomic_load(&errand->stop)) {
        if (!errand->probe && !errand->fetch) {
            pthread_cond_wait(&errand->more, &errand->mutex);
            continue;
        }
        bool fetching = errand->fetch;
        uint64_t number = errand->number;
        char http[KERNEL_URL_SIZE];
        snprintf(http, sizeof http, "%s",
                 fetching ? errand->fetch_http : errand->probe_http);
        *(fetching ? &errand->fetch : &errand->probe) = false;
        pthread_mutex_unlock(&errand->mutex);
        if (fetching) {
            fetch(errand, http, number);
        } else {
            probe(errand, http);
        }
        pthread_mutex_lock(&errand->mutex);
    }
    pthread_mutex_unlock(&errand->mutex);
    return NULL;
}

crdt_err kernel_errand_open(kernel_errand **out, const kernel_errand_options *options)
{
    kernel_errand *errand = calloc(1, sizeof *errand);
    if (errand == NULL) {
        return CRDT_ENOMEM;
    }
    errand->options = *options;
    pthread_mutex_init(&errand->mutex, NULL);
    pthread_cond_init(&errand->more, NULL);
    if (pthread_create(&errand->thread, NULL, run, errand) != 0) {
        pthread_cond_destroy(&errand->more);
        pthread_mutex_destroy(&errand->mutex);
        free(errand);
        return CRDT_ENOMEM;
    }
    *out = errand;
    return CRDT_OK;
}

void kernel_errand_probe(kernel_errand *errand, const char *http)
{
    pthread_mutex_lock(&errand->mutex);
    errand->probe = true;
    snprintf(errand->probe_http, sizeof errand->probe_http, "%s", http);
    pthread_cond_signal(&errand->more);
    pthread_mutex_unlock(&errand->mutex);
}

void kernel_errand_fetch(kernel_errand *errand, const char *http, uint64_t number)
{
    pthread_mutex_lock(&errand->mutex);
    errand->fetch = true;
    errand->number = number;
    snprintf(errand->fetch_http, sizeof errand->fetch_http, "%s", http);
    pthread_cond_signal(&errand->more);
    pthread_mutex_unlock(&errand->mutex);
}

void kernel_errand_close(kernel_errand *errand)
{
    if (errand == NULL) {
        return;
    }
    pthread_mutex_lock(&errand->mutex);
    atomic_store(&errand->stop, true);
    pthread_cond_signal(&errand->more);
    pthread_mutex_unlock(&errand->mutex);
    pthread_join(errand->thread, NULL);
    pthread_cond_destroy(&errand->more);
    pthread_mutex_destroy(&errand->mutex);
    free(errand);
}
