#include "cli/outside/outside.h"

#include "cli/access.h"
#include "cli/clerk.h"
#include "cli/outside/file_cache.h"
#include "cli/outside/known_info.h"
#include "cli/web/client.h"
#include "scene/text_map.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define CLERKS 4u /* that get files */
#define WAITING_MAX 256u
#define CACHE_SIZE (64u << 20)
#define ASK_MS 3000u
#define FILE_MS 20000u
#define DEPLOYED_FRESH_MS 10000u /* what is deployed is asked for again after so long */
#define DEPLOYED_FAILED_MS 3000u /* and so long after it could not be had */
#define LEARN_FRESH_MS 1000u     /* a file that nobody named is looked for so often */
#define ASSETS_A_CALL 16u
#define ASSET_CALLS_MAX 8u /* at the builder, for one answer */
#define KERNEL_ANSWER_MAX (1u << 20)
#define FOREVER "private, max-age=31536000, immutable"

typedef struct job {
    cli_job job;
    outside *owner;
    web_reply reply;
    char hash[CONTENT_CID_SIZE];
    char what[8];
    char token[ACCESS_TOKEN_SIZE];
} job;

struct outside {
    outside_options options;
    crdt_alloc alloc;
    atomic_bool stop;
    cli_clerk asker; /* what is to know; alone has what follows */
    content_deployed deployed;
    uint64_t deployed_until; /* ms; 0: never asked */
    uint64_t learned_at;
    cli_clerk clerks[CLERKS];
    outside_file_cache *cache;
    outside_known_info *told;
    pthread_mutex_t mutex; /* of these: */
    crdt_arena name_arena;
    scene_text_map names; /* hashes that may be asked for */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- jobs ---- */

/* One file is one clerk's. */
static cli_clerk *clerk_of(outside *out, const char *hash)
{
    uint32_t sum = 0;
    for (const char *at = hash; *at != '\0'; at++) {
        sum = sum * 31 + (uint8_t)*at;
    }
    return &out->clerks[sum % CLERKS];
}

static job *open_job(outside *out, void (*run)(cli_job *given), const web_reply *reply)
{
    job *made = crdt_allocate(out->alloc, sizeof *made);
    if (made != NULL) {
        *made = (job){.job = {.run = run}, .owner = out, .reply = *reply};
        crdt_buf_init(&made->reply.body, out->alloc);
    }
    return made;
}

static void start(outside *out, cli_clerk *clerk, job *made, web_reply *reply)
{
    if (made == NULL) {
        web_reply_error(reply, 500, "out of memory");
    } else if (!cli_clerk_give(clerk, &made->job)) {
        crdt_free(out->alloc, made, sizeof *made);
        web_reply_error(reply, 503, "too many calls wait");
    } else {
        reply->deferred = true;
    }
}

static void answer(job *done)
{
    outside *out = done->owner;
    web_server_answer(out->options.web, &done->reply);
    crdt_free(out->alloc, done, sizeof *done);
}

static void fail(job *done, int status, const char *text)
{
    crdt_buf_clear(&done->reply.body);
    web_reply_error(&done->reply, status, "%s", text);
}

static int status_of(crdt_err err)
{
    switch (err) {
    case CRDT_OK:
        return 200;
    case CRDT_ENOTFOUND:
        return 404;
    case CRDT_ELIMIT:
        return 413;
    case CRDT_ENOMEM:
        return 500;
    case CRDT_ECLOSED:
        return 503;
    case CRDT_ETIMEOUT:
        return 504;
    default:
        return 502;
    }
}

/* ---- what is to know ---- */

static content_publish_options ask_options(const outside *out, uint32_t timeout_ms)
{
    content_publish_options options = content_publish_options_default();
    options.alloc = out->alloc;
    options.content_url = out->options.content_url;
    options.builder_url = out->options.builder_url;
    options.timeout_ms = timeout_ms;
    options.stop = &out->stop;
    return options;
}

/* What is deployed, as of a moment ago. What cannot be had is not known: the last that was
 * known stays. */
static void refresh_deployed(outside *out)
{
    if (out->options.content_url == NULL || now_ms() < out->deployed_until) {
        return;
    }
    content_publish_options options = ask_options(out, ASK_MS);
    content_deployed found;
    crdt_diag diag = {0};
    bool good = content_deploy_find(&options, out->options.scene, false, &found,
                                    &diag) == CRDT_OK;
    if (good) {
        content_deployed_deinit(&out->deployed);
        out->deployed = found;
    }
    out->deployed_until = now_ms() + (good ? DEPLOYED_FRESH_MS : DEPLOYED_FAILED_MS);
}

/* Ask the builder for assets of which the scene says nothing. */
static void learn_assets(outside *out, content_asset_list *list)
{
    content_publish_options options = ask_options(out, ASK_MS);
    size_t calls = 0;
    for (size_t i = 0; i < list->asset_count && options.builder_url != NULL;) {
        crdt_span ids[ASSETS_A_CALL];
        size_t count = 0;
        for (; i < list->asset_count && count < ASSETS_A_CALL; i++) {
            if (list->assets[i].value.size == 0 && list->assets[i].id.size < 128) {
                ids[count++] = list->assets[i].id;
            }
        }
        crdt_diag diag = {0};
        crdt_buf told;
        crdt_buf_init(&told, out->alloc);
        crdt_err err =
            count == 0 || ++calls > ASSET_CALLS_MAX ? CRDT_ENOTFOUND : CRDT_OK;
        err = err == CRDT_OK ? content_deploy_assets(&options, ids, count, &told, &diag)
                             : err;
        err = err == CRDT_OK
                  ? content_asset_list_take(list, crdt_buf_span(&told), &diag)
                  : err;
        crdt_buf_deinit(&told);
        if (err != CRDT_OK) {
            return;
        }
    }
}

static crdt_err allow(void *ctx, crdt_span hash)
{
    outside *out = ctx;
    if (scene_text_map_find(&out->names, hash) != NULL) {
        return CRDT_OK;
    }
    uint8_t *copy = crdt_arena_alloc(&out->name_arena, hash.size + 1);
    if (copy == NULL) {
        return CRDT_ENOMEM;
    }
    memcpy(copy, hash.data, hash.size);
    return scene_text_map_put(&out->names, (crdt_span){copy, hash.size}, 0, NULL, NULL);
}

static bool is_allowed(outside *out, const char *hash)
{
    pthread_mutex_lock(&out->mutex);
    bool found = scene_text_map_find(&out->names, crdt_span_of(hash)) != NULL;
    pthread_mutex_unlock(&out->mutex);
    return found;
}

/* From now on these may be asked for, and no others. */
static crdt_err allow_files(outside *out, const outside_scene_info *info)
{
    pthread_mutex_lock(&out->mutex);
    scene_text_map_deinit(&out->names);
    crdt_arena_reset(&out->name_arena);
    scene_text_map_init(&out->names, out->alloc);
    crdt_err err = outside_scene_info_each_hash(info, allow, out);
    pthread_mutex_unlock(&out->mutex);
    return err;
}

/* Collect all that is known; *body (may be NULL) is what is told of it. */
static crdt_err learn(outside *out, crdt_buf *body)
{
    outside_scene_info info;
    outside_scene_info_init(&info, out->alloc, out->options.scene);
    crdt_err err = out->options.read != NULL
                       ? out->options.read(out->options.ctx, &info)
                       : CRDT_OK;
    if (err == CRDT_OK) {
        refresh_deployed(out);
        err = outside_scene_info_take(&info, &out->deployed);
    }
    if (err == CRDT_OK) {
        learn_assets(out, &info.assets);
        err = allow_files(out, &info);
    }
    if (err == CRDT_OK && body != NULL) {
        const outside_scene_powers powers = {.play = out->options.kernel_url != NULL,
                                             .save = out->options.can_save,
                                             .publish = out->options.can_publish,
                                             .fetch =
                                                 out->options.content_url != NULL ||
                                                 out->options.builder_url != NULL};
        err = outside_scene_info_write(&info, &powers, body);
    }
    outside_scene_info_deinit(&info);
    out->learned_at = now_ms();
    return err;
}

static void run_info(cli_job *given)
{
    job *done = (job *)given;
    outside *out = done->owner;
    crdt_err err =
        out->told != NULL
            ? outside_known_info_write(out->told, out->options.kernel_url != NULL,
                                       &done->reply.body)
            : learn(out, &done->reply.body);
    if (err != CRDT_OK) {
        fail(done, err == CRDT_ENOMEM ? 500 : 503,
             err == CRDT_ENOMEM ? "out of memory" : "the scene is being loaded");
    }
    answer(done);
}

void outside_info(outside *out, web_reply *reply)
{
    start(out, &out->asker, open_job(out, run_info, reply), reply);
}

/* ---- files ---- */

const char *outside_file_type(crdt_span content)
{
    static const struct {
        const char *begin;
        size_t size;
        const char *type;
    } KINDS[] = {{"glTF", 4, "model/gltf-binary"},
                 {"\x89PNG\r\n\x1a\n", 8, "image/png"},
                 {"\xff\xd8\xff", 3, "image/jpeg"}};
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (content.size >= KINDS[i].size &&
            memcmp(content.data, KINDS[i].begin, KINDS[i].size) == 0) {
            return KINDS[i].type;
        }
    }
    if (content.size >= 12 && memcmp(content.data, "RIFF", 4) == 0 &&
        memcmp(content.data + 8, "WEBP", 4) == 0) {
        return "image/webp";
    }
    return "application/octet-stream";
}

static void run_file(cli_job *given)
{
    job *done = (job *)given;
    outside *out = done->owner;
    crdt_buf *body = &done->reply.body;
    crdt_diag diag = {0};
    crdt_err err = CRDT_OK;
    if (!outside_file_cache_get(out->cache, done->hash, body)) {
        content_publish_options options = ask_options(out, FILE_MS);
        err = content_deploy_fetch(&options, crdt_span_of(done->hash), OUTSIDE_FILE_MAX,
                                   body, &diag);
        if (err == CRDT_OK) {
            outside_file_cache_put(out->cache, done->hash, crdt_buf_span(body));
        }
    }
    if (err == CRDT_OK) {
        done->reply.type = outside_file_type(crdt_buf_span(body));
        done->reply.cache = FOREVER;
    } else {
        fail(done, status_of(err),
             err == CRDT_ENOTFOUND  ? "no server has this file"
             : diag.text[0] != '\0' ? diag.text
                                    : crdt_err_text(err));
    }
    answer(done);
}

/* The scene may name it since we last looked. */
static void run_unknown_file(cli_job *given)
{
    job *done = (job *)given;
    outside *out = done->owner;
    if (!is_allowed(out, done->hash) && out->told == NULL &&
        now_ms() - out->learned_at >= LEARN_FRESH_MS) {
        (void)learn(out, NULL);
    }
    if (!is_allowed(out, done->hash)) {
        fail(done, 404, "the scene names no such file");
        answer(done);
        return;
    }
    done->job.run = run_file;
    if (!cli_clerk_give(clerk_of(out, done->hash), &done->job)) {
        fail(done, 503, "too many calls wait");
        answer(done);
    }
}

void outside_file(outside *out, const char *hash, web_reply *reply)
{
    if (!content_cid_valid(hash)) {
        web_reply_error(reply, 404, "that is no hash of a file");
        return;
    }
    bool known = is_allowed(out, hash);
    job *made = open_job(out, known ? run_file : run_unknown_file, reply);
    if (made != NULL) {
        snprintf(made->hash, sizeof made->hash, "%s", hash);
    }
    start(out, known ? clerk_of(out, hash) : &out->asker, made, reply);
}

/* ---- the kernel ---- */

static crdt_err call_kernel(outside *out, const job *asked, web_answer *told,
                            crdt_diag *diag)
{
    char path[64];
    char url[512];
    char bearer[ACCESS_TOKEN_SIZE + 32];
    bool act = asked->what[0] != '\0';
    snprintf(path, sizeof path, "/scenes/%.16s%s%s%s", out->options.scene,
             act ? "/" : "", asked->what, act ? "?wait=false" : "");
    if (!web_url_join(out->options.kernel_url, path, url, sizeof url)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "its address is too long");
    }
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", asked->token);
    const char *headers[] = {asked->token[0] != '\0' ? bearer : NULL, NULL};
    web_call call = web_call_default();
    call.alloc = out->alloc;
    call.method = act ? "POST" : "GET";
    call.url = url;
    call.headers = headers;
    call.timeout_ms = ASK_MS;
    call.answer_max = KERNEL_ANSWER_MAX;
    call.stop = &out->stop;
    return web_client_call(&call, told, diag);
}

/* {"ok":true,"kernel":{...}} of what it answered to a look; what it refuses goes on as it
 * is. */
static crdt_err put_kernel(const job *asked, const web_answer *told, web_reply *reply)
{
    bool look = asked->what[0] == '\0';
    crdt_span body = crdt_buf_span(&told->body);
    reply->status = told->status;
    if (!look || (told->status != 200 && told->status != 404)) {
        return crdt_buf_append_span(&reply->body, body);
    }
    bool known = told->status == 200;
    reply->status = 200;
    crdt_err err =
        crdt_buf_append_span(&reply->body, crdt_span_of("{\"ok\":true,\"kernel\":"));
    err = err == CRDT_OK
              ? crdt_buf_append_span(&reply->body, known ? body : crdt_span_of("null"))
              : err;
    return err == CRDT_OK ? crdt_buf_append(&reply->body, "}", 1) : err;
}

static void run_kernel(cli_job *given)
{
    job *done = (job *)given;
    outside *out = done->owner;
    crdt_diag diag = {0};
    web_answer told = {0};
    crdt_err err = call_kernel(out, done, &told, &diag);
    if (err != CRDT_OK) {
        char text[sizeof diag.text + 40];
        snprintf(text, sizeof text, "the kernel does not answer: %s",
                 diag.text[0] != '\0' ? diag.text : crdt_err_text(err));
        fail(done, status_of(err), text);
    } else if (put_kernel(done, &told, &done->reply) != CRDT_OK) {
        fail(done, 500, "out of memory");
    }
    web_answer_deinit(&told);
    answer(done);
}

void outside_kernel(outside *out, const char *what, const char *token, web_reply *reply)
{
    if (out->options.kernel_url == NULL && what[0] == '\0') {
        crdt_buf_append_span(&reply->body,
                             crdt_span_of("{\"ok\":true,\"kernel\":null}"));
        return;
    }
    if (out->options.kernel_url == NULL) {
        web_reply_error(reply, 409, "this worker has no kernel that could %s the scene",
                        what);
        return;
    }
    job *made = open_job(out, run_kernel, reply);
    if (made != NULL) {
        snprintf(made->what, sizeof made->what, "%s", what);
        snprintf(made->token, sizeof made->token, "%s", token);
    }
    start(out, &out->asker, made, reply);
}

/* ---- the whole ---- */

static crdt_err read_told(outside *out, crdt_diag *diag)
{
    if (out->options.told.size == 0) {
        return CRDT_OK;
    }
    crdt_err err =
        outside_known_info_open(&out->told, out->alloc, out->options.told, diag);
    return err == CRDT_OK ? outside_known_info_each_hash(out->told, allow, out) : err;
}

crdt_err outside_open(outside **out, const outside_options *options, crdt_diag *diag)
{
    outside *made = crdt_allocate(options->alloc, sizeof *made);
    if (made == NULL) {
        return CRDT_ENOMEM;
    }
    *made = (outside){.options = *options, .alloc = options->alloc};
    pthread_mutex_init(&made->mutex, NULL);
    crdt_arena_init(&made->name_arena, made->alloc);
    scene_text_map_init(&made->names, made->alloc);
    crdt_err err = outside_file_cache_open(&made->cache, made->alloc, CACHE_SIZE);
    err = err == CRDT_OK ? read_told(made, diag) : err;
    err = err == CRDT_OK ? cli_clerk_open(&made->asker, WAITING_MAX) : err;
    for (size_t i = 0; err == CRDT_OK && i < CLERKS; i++) {
        err = cli_clerk_open(&made->clerks[i], WAITING_MAX);
    }
    if (err != CRDT_OK) {
        outside_close(made);
        return err;
    }
    *out = made;
    return CRDT_OK;
}

void outside_close(outside *out)
{
    if (out == NULL) {
        return;
    }
    atomic_store(&out->stop, true); /* what waits is answered soon: it gives up */
    cli_clerk_close(&out->asker);   /* it gives to the others */
    for (size_t i = 0; i < CLERKS; i++) {
        cli_clerk_close(&out->clerks[i]);
    }
    outside_known_info_close(out->told);
    outside_file_cache_close(out->cache);
    content_deployed_deinit(&out->deployed);
    scene_text_map_deinit(&out->names);
    crdt_arena_deinit(&out->name_arena);
    pthread_mutex_destroy(&out->mutex);
    crdt_free(out->alloc, out, sizeof *out);
}
