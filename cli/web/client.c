#include "cli/web/client.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#define REDIRECT_MAX 5
#define CONNECT_WAIT_MS 10000

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

/* After a redirect the body is sent again. */
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

static bool add_headers(struct curl_slist **list, const web_call *call)
{
    /* no Expect: a server that does not know it would cost a second */
    struct curl_slist *all = curl_slist_append(NULL, "Expect:");
    bool fine = all != NULL;
    for (size_t i = 0; fine && call->headers != NULL && call->headers[i] != NULL; i++) {
        fine = strpbrk(call->headers[i], "\r\n") == NULL;
        struct curl_slist *more =
            fine ? curl_slist_append(all, call->headers[i]) : NULL;
        fine = more != NULL;
        all = fine ? more : all;
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
    bool fine = true;
    if (mime != NULL) {
        fine = add_parts(mime, call) &&
               curl_easy_setopt(curl, CURLOPT_MIMEPOST, mime) == CURLE_OK;
    } else if (strcmp(call->method, "HEAD") == 0) {
        return curl_easy_setopt(curl, CURLOPT_NOBODY, 1L) == CURLE_OK;
    } else if (call->body.size > 0 || strcmp(call->method, "POST") == 0 ||
               strcmp(call->method, "PUT") == 0) {
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
    return fine &&
           (strcmp(call->method, "GET") == 0 ||
            curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method) == CURLE_OK);
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
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, call->follow ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECT_MAX);
    curl_easy_setopt(curl, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     (long)(call->timeout_ms > INT_MAX ? INT_MAX : call->timeout_ms));
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_WAIT_MS);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, state);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, state);
    /* what these refuse must not be taken silently */
    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_URL, call->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
}

static crdt_err err_of(CURLcode code, const call_state *state, const char *error,
                       crdt_diag *diag)
{
    const char *url = state->call->url;
    if (code == CURLE_OK) {
        return CRDT_OK;
    }
    if (state->stopped) {
        return crdt_diag_set(diag, CRDT_ECLOSED, 0, "stopped");
    }
    if (state->too_large) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0,
                             "the answer is larger than %zu bytes",
                             state->call->answer_max);
    }
    if (state->no_memory || code == CURLE_OUT_OF_MEMORY) {
        return CRDT_ENOMEM;
    }
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0,
                             "\"%.90s\" is no http:// or https:// URL", url);
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return crdt_diag_set(diag, CRDT_ETIMEOUT, 0, "no answer from %.80s in time",
                             url);
    }
    return crdt_diag_set(diag, CRDT_EIO, 0, "%.60s: %.90s", url,
                         error[0] != '\0' ? error : curl_easy_strerror(code));
}

crdt_err web_client_call(const web_call *call, web_answer *answer, crdt_diag *diag)
{
    *answer = (web_answer){0};
    crdt_buf_init(&answer->body, call->alloc);
    pthread_once(&init_once, init_library);
    CURL *curl = init_result == CURLE_OK ? curl_easy_init() : NULL;
    if (curl == NULL) {
        return CRDT_ENOMEM;
    }
    call_state state = {.call = call, .answer = answer};
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    curl_mime *mime = call->part_count > 0 ? curl_mime_init(curl) : NULL;
    crdt_err err;
    if (!add_headers(&headers, call)) {
        err = crdt_diag_set(diag, CRDT_EINVAL, 0, "a header holds a line break");
    } else if ((call->part_count > 0 && mime == NULL) ||
               !set_options(curl, &state, headers, error) ||
               !set_body(curl, &state, mime)) {
        err = crdt_diag_set(diag, CRDT_EINVAL, 0, "\"%.90s\" cannot be called",
                            call->url);
    } else {
        err = err_of(curl_easy_perform(curl), &state, error, diag);
    }
    if (err == CRDT_OK) {
        long status = 0;
        char *type = NULL;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
        answer->status = (int)status;
        snprintf(answer->type, sizeof answer->type, "%s", type == NULL ? "" : type);
    }
    curl_mime_free(mime);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return err;
}

void web_answer_deinit(web_answer *answer)
{
    crdt_buf_deinit(&answer->body);
}
