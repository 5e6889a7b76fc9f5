#include "cli/web/client.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <curl/curl.h>

#define REDIRECT_MAX 5
#define CONNECT_WAIT_MS 10000
#define URL_MAX 4096

static pthread_once_t init_once = PTHREAD_ONCE_INIT;
static CURLcode init_result;

static void init_library(void)
{
    init_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* What the callbacks of a call share. */
typedef struct call_state {
    const web_call *call;
    web_answer *answer;
    char url[URL_MAX];
    uint32_t left_ms;
    bool same_host; /* as that of call->url, all the way */
    bool as_get;    /* 303: what comes is to be got */
    size_t body_sent;
    bool too_large;
    bool no_memory;
    bool stopped;
} call_state;

web_call web_call_default(void)
{
    return (web_call){.alloc = crdt_alloc_default(),
                      .method = "GET",
                      .answer_max = (size_t)64 << 20,
                      .timeout_ms = 30000};
}

static size_t on_answer(char *bytes, size_t one, size_t size, void *ctx)
{
    call_state *state = ctx;
    (void)one;
    if (size > state->call->answer_max - state->answer->body.size) {
        state->too_large = true;
        return 0;
    }
    if (crdt_buf_append(&state->answer->body, bytes, size) != CRDT_OK) {
        state->no_memory = true;
        return 0;
    }
    return size;
}

static size_t on_body(char *out, size_t one, size_t size, void *ctx)
{
    call_state *state = ctx;
    (void)one;
    size_t left = state->call->body.size - state->body_sent;
    size = size < left ? size : left;
    if (size > 0) {
        memcpy(out, state->call->body.data + state->body_sent, size);
    }
    state->body_sent += size;
    return size;
}

/* A connection that was kept may turn out closed: the body is sent again. */
static int on_seek(void *ctx, curl_off_t offset, int origin)
{
    call_state *state = ctx;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > state->call->body.size) {
        return CURL_SEEKFUNC_FAIL;
    }
    state->body_sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c,
                       curl_off_t d)
{
    call_state *state = ctx;
    (void)a, (void)b, (void)c, (void)d;
    state->stopped = state->call->stop != NULL && atomic_load(state->call->stop);
    return state->stopped;
}

/* Headers that say what is sent or wanted, not who sends it. */
static bool is_about_content(const char *header)
{
    static const char *const names[] = {"content-type:", "accept:"};
    return strncasecmp(header, names[0], strlen(names[0])) == 0 ||
           strncasecmp(header, names[1], strlen(names[1])) == 0;
}

static bool add_headers(struct curl_slist **list, const web_call *call, bool same_host)
{
    /* no Expect: a server that does not know it would cost a second */
    struct curl_slist *all = curl_slist_append(NULL, "Expect:");
    bool fine = all != NULL;
    for (size_t i = 0; fine && call->headers != NULL && call->headers[i] != NULL; i++) {
        const char *header = call->headers[i];
        if (same_host || is_about_content(header)) {
            struct curl_slist *more = curl_slist_append(all, header);
            fine = more != NULL;
            all = fine ? more : all;
        }
    }
    *list = all;
    return fine;
}

static bool add_parts(curl_mime *mime, const web_call *call)
{
    for (size_t i = 0; i < call->part_count; i++) {
        const web_part *part = &call->parts[i];
        curl_mimepart *at = curl_mime_addpart(mime);
        if (at == NULL || curl_mime_name(at, part->name) != CURLE_OK ||
            curl_mime_data(
                at, part->content.size > 0 ? (const char *)part->content.data : "",
                part->content.size) != CURLE_OK ||
            (part->file_name != NULL &&
             curl_mime_filename(at, part->file_name) != CURLE_OK) ||
            (part->type != NULL && curl_mime_type(at, part->type) != CURLE_OK)) {
            return false;
        }
    }
    return true;
}

/* A body, parts, or neither, by the method. */
static bool set_body(CURL *curl, call_state *state, curl_mime *mime)
{
    const web_call *call = state->call;
    const char *method = state->as_get ? "GET" : call->method;
    bool fine = true;
    if (state->as_get) {
        fine = curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    } else if (mime != NULL) {
        fine = add_parts(mime, call) &&
               curl_easy_setopt(curl, CURLOPT_MIMEPOST, mime) == CURLE_OK;
    } else if (strcmp(method, "HEAD") == 0) {
        return curl_easy_setopt(curl, CURLOPT_NOBODY, 1L) == CURLE_OK;
    } else if (call->body.size > 0 || strcmp(method, "POST") == 0 ||
               strcmp(method, "PUT") == 0) {
        fine = curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                                (curl_off_t)call->body.size) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_body) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_READDATA, state) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_SEEKDATA, state) == CURLE_OK;
    } else {
        fine = curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    }
    return fine && (strcmp(method, "GET") == 0 ||
                    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK);
}

/* Scheme, host and port as a URL gives them; "" if it is none. */
static void origin_of(const char *url, char *out, size_t size)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    out[0] = '\0';
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        snprintf(out, size, "%s://%s:%s", scheme, host, port);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
}

/* This machine: never by way of a proxy, whatever the environment says. */
static bool is_loopback(const char *url)
{
    char origin[512];
    origin_of(url, origin, sizeof origin);
    const char *host = strstr(origin, "://");
    return host != NULL &&
           (strncmp(host + 3, "127.", 4) == 0 || strncmp(host + 3, "[::1]:", 6) == 0 ||
            strncasecmp(host + 3, "localhost:", 10) == 0);
}

static bool set_options(CURL *curl, call_state *state, struct curl_slist *headers,
                        char *error)
{
    const web_call *call = state->call;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "scenesync");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)state->left_ms);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)call->answer_max);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_WAIT_MS);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, state);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, state);
    if (is_loopback(state->url)) {
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    }
    /* what these refuse must not be taken silently */
    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_URL, state->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
}

/* What a person can do about it. */
static const char *advice(CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_CONNECT:
        return "; is it running, at this port?";
    case CURLE_COULDNT_RESOLVE_HOST:
        return "; check the name";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "; to trust it: update-ca-certificates";
    default:
        return "";
    }
}

static crdt_err err_of(CURLcode code, const call_state *state, const char *error,
                       crdt_diag *diag)
{
    const char *url = state->url;
    if (code == CURLE_OK) {
        return CRDT_OK;
    }
    if (state->stopped) {
        return crdt_diag_set(diag, CRDT_ECLOSED, 0, "stopped");
    }
    if (state->too_large || code == CURLE_FILESIZE_EXCEEDED) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0,
                             "the answer is larger than %zu bytes",
                             state->call->answer_max);
    }
    if (state->no_memory || code == CURLE_OUT_OF_MEMORY) {
        return CRDT_ENOMEM;
    }
    if (code == CURLE_URL_MALFORMAT) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "\"%.90s\" is no http:// or https:// URL", url);
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return crdt_diag_set(diag, CRDT_ETIMEOUT, 0, "no answer from %.80s in time",
                             url);
    }
    const char *text = error[0] != '\0' ? error : curl_easy_strerror(code);
    if (code == CURLE_COULDNT_CONNECT) {
        text = "no connection"; /* the library repeats the address */
    }
    return crdt_diag_set(diag, CRDT_EIO, 0, "%.50s: %.60s%s", url, text, advice(code));
}

/* ---- one call, and where it is sent on to ---- */

static bool is_web_url(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One request to state->url. `next` gets where it redirects to, "" if it does not. */
static crdt_err perform(CURL *curl, call_state *state, char *next, size_t next_size,
                        crdt_diag *diag)
{
    const web_call *call = state->call;
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    curl_easy_reset(curl);
    curl_mime *mime = call->part_count > 0 ? curl_mime_init(curl) : NULL;
    crdt_err err;
    state->body_sent = 0;
    crdt_buf_clear(&state->answer->body);
    next[0] = '\0';
    if (!add_headers(&headers, call, state->same_host) ||
        (call->part_count > 0 && mime == NULL) ||
        !set_options(curl, state, headers, error) || !set_body(curl, state, mime)) {
        err = crdt_diag_set(diag, CRDT_EINVAL, 0, "\"%.90s\" cannot be called",
                            state->url);
    } else {
        err = err_of(curl_easy_perform(curl), state, error, diag);
    }
    if (err == CRDT_OK) {
        long status = 0;
        char *type = NULL;
        char *location = NULL;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
        curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &location);
        state->answer->status = (int)status;
        snprintf(state->answer->type, sizeof state->answer->type, "%s",
                 type == NULL ? "" : type);
        if (location != NULL && strlen(location) < next_size) {
            snprintf(next, next_size, "%s", location);
        }
        if (status < 100 ||
            status > 999) { /* the library takes some first lines that are none */
            err = crdt_diag_set(diag, CRDT_EIO, 0, "the answer is no HTTP");
        }
    }
    curl_mime_free(mime);
    curl_slist_free_all(headers);
    return err;
}

static bool is_same_host(const char *a, const char *b)
{
    char first[512];
    char second[512];
    origin_of(a, first, sizeof first);
    origin_of(b, second, sizeof second);
    return first[0] != '\0' && strcasecmp(first, second) == 0;
}

/* Go where the answer points: the library would carry the caller's headers there too. */
static crdt_err follow(CURL *curl, call_state *state, crdt_diag *diag)
{
    char next[URL_MAX];
    uint64_t end = now_ms() + state->call->timeout_ms;
    crdt_err err = perform(curl, state, next, sizeof next, diag);
    for (int i = 0; err == CRDT_OK && state->call->follow && next[0] != '\0'; i++) {
        uint64_t now = now_ms();
        if (i == REDIRECT_MAX) {
            return crdt_diag_set(diag, CRDT_EIO, 0, "%.90s: more than %d redirects",
                                 state->call->url, REDIRECT_MAX);
        }
        if (!is_web_url(next)) {
            return crdt_diag_set(diag, CRDT_EIO, 0, "%.60s redirects to %.60s",
                                 state->url, next);
        }
        if (now >= end) {
            return crdt_diag_set(diag, CRDT_ETIMEOUT, 0, "no answer from %.80s in time",
                                 state->url);
        }
        state->left_ms = (uint32_t)(end - now);
        state->same_host = state->same_host && is_same_host(state->url, next);
        state->as_get = state->as_get || state->answer->status == 303;
        snprintf(state->url, sizeof state->url, "%s", next);
        err = perform(curl, state, next, sizeof next, diag);
    }
    return err;
}

static bool are_headers_whole(const web_call *call)
{
    for (size_t i = 0; call->headers != NULL && call->headers[i] != NULL; i++) {
        if (strpbrk(call->headers[i], "\r\n") != NULL) {
            return false;
        }
    }
    return true;
}

crdt_err web_client_call(const web_call *call, web_answer *answer, crdt_diag *diag)
{
    *answer = (web_answer){0};
    crdt_buf_init(&answer->body, call->alloc);
    if (!is_web_url(call->url) || strlen(call->url) >= URL_MAX) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "\"%.90s\" is no http:// or https:// URL", call->url);
    }
    if (!are_headers_whole(call)) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "a header holds a line break");
    }
    pthread_once(&init_once, init_library);
    CURL *curl = init_result == CURLE_OK ? curl_easy_init() : NULL;
    if (curl == NULL) {
        return CRDT_ENOMEM;
    }
    call_state state = {.call = call,
                        .answer = answer,
                        .same_host = true,
                        .left_ms =
                            call->timeout_ms > INT_MAX ? INT_MAX : call->timeout_ms};
    snprintf(state.url, sizeof state.url, "%s", call->url);
    crdt_err err = follow(curl, &state, diag);
    curl_easy_cleanup(curl);
    if (err != CRDT_OK) {
        answer->status = 0;
        answer->type[0] = '\0';
        crdt_buf_clear(&answer->body);
    }
    return err;
}

void web_answer_deinit(web_answer *answer)
{
    crdt_buf_deinit(&answer->body);
}
