/* The status line and the headers of an answer. */

#include "cli/web/server_impl.h"

#include <stdio.h>
#include <string.h>

const char *web_exchange_status(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = {{200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {301, "Moved Permanently"},
                 {302, "Found"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {409, "Conflict"},
                 {411, "Length Required"},
                 {413, "Content Too Large"},
                 {415, "Unsupported Media Type"},
                 {421, "Misdirected Request"},
                 {422, "Unprocessable Content"},
                 {426, "Upgrade Required"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {502, "Bad Gateway"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].status == status) {
            return known[i].text;
        }
    }
    return "Status";
}

/* One header; a value with a line break in it is left out. */
static void add_header(crdt_buf *out, crdt_err *err, const char *name,
                       const char *value)
{
    if (value == NULL || strpbrk(value, "\r\n") != NULL) {
        return;
    }
    const char *parts[] = {name, ": ", value, "\r\n"};
    for (size_t i = 0; i < 4 && *err == CRDT_OK; i++) {
        *err = crdt_buf_append_span(out, crdt_span_of(parts[i]));
    }
}

/* What browsers are told; who is no browser does not mind. */
static void add_page_headers(const web_socket *socket, crdt_buf *out, crdt_err *err)
{
    const char *type = socket->reply.type;
    const char *policy = socket->reply.policy;
    bool page = type != NULL && strncmp(type, "text/html", 9) == 0;
    if (policy == NULL) {
        policy = page ? "default-src 'self'; frame-ancestors 'none'"
                      : "default-src 'none'; frame-ancestors 'none'";
    }
    add_header(out, err, "X-Content-Type-Options", "nosniff");
    add_header(out, err, "X-Frame-Options", "DENY");
    add_header(out, err, "Referrer-Policy", "no-referrer"); /* tokens stand in URLs */
    add_header(out, err, "Content-Security-Policy", policy);
    if (page) { /* windows that it opens, or that opened it, do not reach into it */
        add_header(out, err, "Cross-Origin-Opener-Policy", "same-origin");
    }
    if (socket->cors[0] == '\0') {
        add_header(out, err, "Cross-Origin-Resource-Policy", "same-origin");
        return;
    }
    add_header(out, err, "Access-Control-Allow-Origin", socket->cors);
    add_header(out, err, "Vary", "Origin");
    if (strcmp(socket->method, "OPTIONS") == 0) {
        add_header(out, err, "Access-Control-Allow-Methods",
                   "GET, HEAD, POST, PUT, DELETE");
        add_header(out, err, "Access-Control-Allow-Headers",
                   "authorization, content-type, x-identity-timestamp, "
                   "x-identity-metadata, x-identity-auth-chain-0, "
                   "x-identity-auth-chain-1, x-identity-auth-chain-2");
    }
}

crdt_err web_exchange_head(const web_socket *socket, crdt_buf *out)
{
    const web_reply *reply = &socket->reply;
    crdt_err err = CRDT_OK;
    char text[64];
    int status = reply->status >= 200 && reply->status <= 599 ? reply->status : 500;
    int size = snprintf(text, sizeof text, "HTTP/1.1 %d %s\r\n", status,
                        web_exchange_status(status));
    err = crdt_buf_append(out, text, (size_t)size);
    add_header(out, &err, "Server", "scenesync");
    if (status != 204 && status != 304) {
        snprintf(text, sizeof text, "%zu", web_body_of(reply).size);
        add_header(out, &err, "Content-Type",
                   reply->type == NULL ? "application/json" : reply->type);
        add_header(out, &err, "Content-Length", text);
        add_header(out, &err, "Content-Encoding", reply->encoding);
    }
    add_header(out, &err, "ETag", reply->etag);
    if (reply->varies) {
        add_header(out, &err, "Vary", "Accept-Encoding");
    }
    add_header(out, &err, "Cache-Control",
               reply->cache == NULL ? "no-store" : reply->cache);
    add_header(out, &err, "Location", reply->location);
    add_page_headers(socket, out, &err);
    if (socket->close_after) {
        add_header(out, &err, "Connection", "close");
    }
    return err == CRDT_OK ? crdt_buf_append(out, "\r\n", 2) : err;
}
