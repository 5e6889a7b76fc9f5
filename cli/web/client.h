#ifndef CLI_WEB_CLIENT_H
#define CLI_WEB_CLIENT_H

/* HTTP calls to other servers: one call, one answer, bounded in time and size.
 *
 * client.c is the only file that meets libcurl. Only http and https; certificates are
 * checked; redirects are followed where asked for, up to 5, http and https only, and
 * given headers are not carried to another host. No proxy, cookie or credential is taken from the
 * environment or from files but the proxies named in http_proxy and the like.
 *
 * Blocking: call from a thread that may wait. Any thread. */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One part of a multipart/form-data body. */
typedef struct web_part {
    const char *name;
    const char *file_name; /* NULL: a field, not a file */
    const char *type;      /* NULL: none */
    crdt_span content;
} web_part;

typedef struct web_call {
    crdt_alloc alloc;
    const char *method; /* "GET", "POST", ... */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    crdt_span body;
    const web_part *parts; /* instead of body */
    size_t part_count;
    size_t answer_max;       /* bytes of the answer's body; default 64 MiB */
    uint32_t timeout_ms;     /* of the whole call; default 30 s */
    bool follow;             /* redirects */
    const atomic_bool *stop; /* NULL, or: give up soon after it turns true */
} web_call;

typedef struct web_answer {
    int status; /* HTTP */
    char type[128];
    crdt_buf body;
} web_answer;

web_call web_call_default(void);

/* Make the call. CRDT_OK whatever the HTTP status is. Free the answer with
 * web_answer_deinit in every case.
 * Errors: CRDT_EINVAL: the URL. CRDT_ECLOSED: stopped. CRDT_ETIMEOUT. CRDT_ELIMIT: the
 * answer is too large. CRDT_EIO: no connection, TLS, a broken answer; the reason is in
 * `diag`. CRDT_ENOMEM. */
crdt_err web_client_call(const web_call *call, web_answer *answer, crdt_diag *diag);
void web_answer_deinit(web_answer *answer);

/* `base` and `path` as one URL, exactly one '/' between them; a `base` that ends with the
 * first segment of `path` already ("…/content" + "/content/entities") is not doubled.
 * False: does not fit. */
bool web_url_join(const char *base, const char *path, char *out, size_t size);

#endif /* CLI_WEB_CLIENT_H */
