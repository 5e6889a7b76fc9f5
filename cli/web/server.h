#ifndef CLI_WEB_SERVER_H
#define CLI_WEB_SERVER_H

/* An HTTP and WebSocket server: one thread, one loop, bounded in everything.
 *
 * server.c is the only file that meets libwebsockets. It checks what no handler should
 * have to: sizes of headers and body, the path (decoded, no "..", no NUL), Host (against
 * DNS rebinding) and Origin (against pages of other sites), how many connect at once.
 *
 * WebSocket messages go out by being asked for: whoever has something to say calls
 * web_socket_want_write, and is asked for the next message once the socket can take it.
 * So nothing queues up for a slow reader, and what it gets is the latest.
 *
 * Time: headers must come within 10 s, a body within 15 s and a second more for each
 * 16 KiB, and an answer must be taken as fast, and not stand still for idle_ms. A handler
 * that defers may take as long as it likes. An idle connection is closed after idle_ms; a
 * WebSocket is pinged after half of it, and closed if it does not answer.
 *
 * Numbers: beyond connection_max, connections that asked nothing for 2 s make room; else
 * the next 32 are answered 503, and the rest is closed.
 *
 * Memory: what large bodies and answers hold at once is bounded (held_max): who asks for much
 * and does not read it costs others a 503, not the machine its memory.
 *
 * HTTP/1.1, bodies with Content-Length; no chunked bodies (411), no HTTP/2; nothing is
 * compressed here (but web_reply.encoding says what a handler did).
 *
 * Threads: all callbacks run in the thread of web_server_run. From other threads only
 * web_server_wake, web_server_stop and web_server_answer may be called. */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct web_server web_server;
typedef struct web_socket web_socket;

/* A request. Everything is borrowed for the call. */
typedef struct web_request {
    const char *method; /* "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS" */
    const char *path;   /* decoded; begins with '/', holds neither ".." nor "//" */
    const char *query;  /* after '?', undecoded; "" if none */
    crdt_span body;
    const char *peer; /* its IP address */
    /* It comes from this machine's loopback, calls us by a name of the loopback, and no
     * proxy speaks (X-Forwarded-For, Via ...): a proxy or tunnel is the whole world. */
    bool loopback;
    const void *handle;
} web_request;

/* A header by its name in lower case; NULL if it was not sent. Copied into `out`, cut at
 * its size. */
const char *web_request_header(const web_request *request, const char *name, char *out,
                               size_t size);
/* A parameter of the query, decoded; false if it is not there or does not fit. */
bool web_request_parameter(const web_request *request, const char *name, char *out,
                           size_t size);
/* Call `visit` for each header whose name begins with `prefix`; of "x-identity-" alone
 * (signed requests: timestamp, metadata, auth-chain-0 to -7). */
void web_request_headers(const web_request *request, const char *prefix,
                         void (*visit)(void *ctx, const char *name, const char *value),
                         void *ctx);

/* What is answered. A handler fills it, or defers: then web_server_answer gives it later,
 * from any thread, by `token`. */
typedef struct web_reply {
    int status;       /* default 200 */
    const char *type; /* default "application/json"; static text */
    crdt_buf body;
    /* In place of `body`, unless its data is NULL: bytes that stay where they are as long as
     * the server runs. They are not copied, nor counted among what is held. */
    crdt_span still;
    const char *location; /* NULL, or for 301, 302; copied after the handler returned */
    const char *cache;    /* Cache-Control; default "no-store" */
    /* Static texts; NULL: not sent. */
    const char *etag;     /* with its quotes */
    const char *encoding; /* Content-Encoding */
    const char *policy; /* Content-Security-Policy; default: nothing may be loaded, by a
                             page what is of this server */
    bool varies;        /* by Accept-Encoding */
    bool deferred;
    uint64_t token; /* given by the server */
} web_reply;

typedef struct web_handlers {
    void *ctx;
    /* An HTTP request, whole. */
    void (*request)(void *ctx, const web_request *request, web_reply *reply);
    /* Somebody wants a WebSocket at request->path. Return 101 to accept, else the HTTP
     * status it is refused with. `*user` is the socket's from then on. */
    int (*socket_open)(void *ctx, web_socket *socket, const web_request *request,
                       void **user);
    /* A whole text message. */
    void (*socket_message)(void *ctx, web_socket *socket, void *user, crdt_span text);
    /* The socket can take a message: append it to `out`, or leave that empty. */
    void (*socket_write)(void *ctx, web_socket *socket, void *user, crdt_buf *out);
    /* What was written before web_socket_ask has arrived. NULL: nobody asks. */
    void (*socket_arrived)(void *ctx, web_socket *socket, void *user);
    /* It is gone; not called for one that was refused. */
    void (*socket_closed)(void *ctx, web_socket *socket, void *user);
    /* web_server_wake was called (several calls may come as one). */
    void (*wake)(void *ctx);
    /* Every options.tick_ms. */
    void (*tick)(void *ctx);
} web_handlers;

typedef struct web_server_options {
    crdt_alloc alloc;
    const char
        *address;       /* HOST:PORT, [V6]:PORT, PORT (on loopback); port 0: any free */
    size_t body_max;    /* bytes of a request's body; default 1 MiB */
    size_t header_max;  /* bytes of all headers; default 16 KiB (413/431 beyond) */
    size_t message_max; /* bytes of a WebSocket message; default 1 MiB */
    size_t held_max;    /* bytes of bodies and answers, large ones (over 64 KiB) of all
                        connections at once; 503 beyond. 0: the default, 256 MiB, or four
                        times body_max if that is more */
    uint32_t connection_max; /* default 512 */
    uint32_t idle_ms; /* a connection that says nothing is closed; sockets are pinged */
    uint32_t tick_ms; /* 0: no ticks */
    /* Names by which this server may be called besides its own address and localhost
     * (Host), and sites whose pages may call it (Origin: "https://HOST[:PORT]"; its own
     * pages and callers without Origin always may). NULL-terminated; may be NULL. */
    const char *const *hosts;
    const char *const *origins;
    const char *cert_file; /* both: HTTPS */
    const char *key_file;
    web_handlers handlers;
} web_server_options;

web_server_options web_server_options_default(void);

/* Listen. Errors: CRDT_EINVAL: the address. CRDT_EEXIST: it is in use. CRDT_EIO;
 * CRDT_ENOMEM. */
crdt_err web_server_open(web_server **out, const web_server_options *options,
                         crdt_diag *diag);
/* "http://127.0.0.1:8080": how it is reached. */
const char *web_server_url(const web_server *server);
/* Serve until web_server_stop; then close what is open (sockets with code 1001). */
void web_server_run(web_server *server);
void web_server_stop(web_server *server); /* any thread, signal handlers too */
void web_server_wake(web_server *server); /* any thread */
/* Answer a deferred request; the caller of a request that is gone is no error. Takes what
 * `reply` holds. Any thread. */
void web_server_answer(web_server *server, web_reply *reply);
/* Accepts NULL. */
void web_server_close(web_server *server);

/* Refusals by reason, for status pages. */
typedef struct web_server_counts {
    uint64_t connections; /* open now, sockets among them */
    uint64_t requests;
    uint64_t sockets_open;
    uint64_t sockets_total;
    uint64_t refused_host;
    uint64_t refused_origin;
    uint64_t refused_size; /* headers, body, message */
    uint64_t refused_path;
    uint64_t refused_full;
    uint64_t sent_size;
    uint64_t received_size;
} web_server_counts;
web_server_counts web_server_count(const web_server *server);

/* ---- sockets: only in the server's thread ---- */

void web_socket_want_write(web_socket *socket);
/* Ask the other side, after the message at hand, whether it has all until then (a ping):
 * handlers.socket_arrived tells, and before that nothing more is asked. What is received
 * after that was sent by somebody who had it. */
void web_socket_ask(web_socket *socket);
/* Stop (or go on) reading from it: what is sent waits at the sender. */
void web_socket_pause(web_socket *socket, bool paused);
/* Close with a code (1000, 1008 policy, 1011 ...) and a reason (up to 120 bytes). */
void web_socket_close(web_socket *socket, int code, const char *reason);

/* ---- small helps for handlers ---- */

/* status and {"ok":false,"error":"..."}; format gives the text. */
void web_reply_error(web_reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Does `text` match `pattern`, where each `*` takes one segment? The segments taken go to
 * `taken` (up to 4, each cut at 255 bytes). "/scenes/" "*" "/edit". */
bool web_path_match(const char *path, const char *pattern, char taken[4][256]);

#endif /* CLI_WEB_SERVER_H */
