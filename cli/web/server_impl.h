#ifndef CLI_WEB_SERVER_IMPL_H
#define CLI_WEB_SERVER_IMPL_H

/* What the parts of the server share.
 *
 *     server.c     the loop, connections; the only one that meets the library; `wire`
 *     exchange.c   a connection's requests and answers; exchange_head.c: their headers
 *     socket.c     a connection that became a WebSocket: messages in and out
 *
 * exchange.c and socket.c see the library only as the web_wire_* functions, so that tests
 * drive them without sockets. Everything here runs in the server's thread. */

#include "cli/web/origin.h"
#include "cli/web/server.h"
#include "cli/web/url.h"

struct lws;

#define WEB_FRAGMENT_SIZE 32768 /* bytes handed to the wire at once */
#define WEB_TURN_SIZE                                                                  \
    (8 * WEB_FRAGMENT_SIZE) /* one connection sends before others may */
#define WEB_HELD_MAX ((size_t)256 << 20)
#define WEB_KEEP_SIZE 65536 /* buffers that grew beyond are freed when empty */
#define WEB_REASON_MAX 120
#define WEB_HEAD_WAIT_S 10 /* for a request's headers */
#define WEB_BODY_WAIT_S                                                                \
    15 /* for a body or for an answer to go, and a second more for */
#define WEB_BODY_RATE 16384 /* each so many bytes */
#define WEB_LINGER_S 3      /* for a refused body to be thrown away */
#define WEB_LOCATION_SIZE 1024

/* A server, as its connections see it. */
typedef struct web_core {
    web_server_options options;
    web_origin_rules rules;
    uint64_t token_last;
    web_server_counts counts;
    size_t held; /* the sum of web_socket.held */
} web_core;

typedef enum web_phase {
    WEB_PHASE_IDLE,    /* waits for a request */
    WEB_PHASE_BODY,    /* its body comes */
    WEB_PHASE_WAITING, /* the handler deferred */
    WEB_PHASE_REPLY,   /* the answer goes out */
    WEB_PHASE_OVER,    /* answered; it closes, and what still comes is thrown away */
    WEB_PHASE_SOCKET   /* a WebSocket */
} web_phase;

/* One connection: HTTP requests one after the other, or a WebSocket. */
struct web_socket {
    web_core *core;
    struct lws *wsi;
    web_socket *previous;
    web_socket *next;
    char peer[64];
    char local[64]; /* the address it came in at */
    bool loopback;  /* its address */
    bool from_here; /* ... and nothing says that it speaks for somebody else */
    bool surplus;   /* beyond the limit: every request is answered 503 */
    web_phase phase;
    uint64_t idle_since_s;
    /* the request */
    const char *method;
    char path[WEB_PATH_MAX];
    crdt_buf query;   /* terminated */
    crdt_buf in;      /* a body, or a message in pieces */
    size_t in_wanted; /* of a body */
    size_t held;      /* counted of the body or the answer, if it is large */
    bool in_ended;    /* the wire said that the body is whole */
    char cors[256];   /* the listed origin that asked; "" */
    /* the answer, or the message that goes out */
    web_reply reply;
    char location[WEB_LOCATION_SIZE];
    size_t out_sent;      /* bytes of reply.body */
    uint64_t out_late_s;  /* when an answer must be out */
    uint64_t out_moved_s; /* when some of it went, last */
    bool napping;         /* the wire was full */
    bool head_sent;
    bool head_only;
    bool close_after;
    bool lingers; /* the caller may still be sending */
    uint64_t token;
    /* the WebSocket */
    bool accepted; /* the handler knows it: it must hear of its end */
    bool open;     /* the handshake is done */
    bool wants;    /* to be asked for a message */
    bool asks;     /* a ping is to go out */
    bool asked;    /* it went out, and its answer is awaited */
    uint64_t ask;  /* its number */
    bool closing;
    int close_code;
    char close_reason[WEB_REASON_MAX + 1];
    void *user;
};

/* What the library's callback returns: go on, or close the connection. */
typedef enum web_verdict { WEB_GO_ON = 0, WEB_CLOSE = -1 } web_verdict;

/* What handlers are shown: nothing is an empty text, not NULL. */
static inline crdt_span web_span_of(const crdt_buf *buf)
{
    return buf->size > 0 ? crdt_buf_span(buf) : crdt_span_of("");
}

/* What is sent of it after the headers. */
static inline crdt_span web_body_of(const web_reply *reply)
{
    return reply->still.data != NULL ? reply->still : crdt_buf_span(&reply->body);
}

/* ---- exchange.c ---- */

void web_exchange_init(web_socket *socket, web_core *core);
void web_exchange_deinit(web_socket *socket);
/* A request is to come: within `idle_s` and what headers may take. */
void web_exchange_await(web_socket *socket, size_t idle_s);
/* The headers of a request are there. */
web_verdict web_exchange_request(web_socket *socket);
web_verdict web_exchange_body(web_socket *socket, const void *bytes, size_t size);
web_verdict web_exchange_body_end(web_socket *socket);
/* The wire can take more of the answer. */
web_verdict web_exchange_writable(web_socket *socket);
/* The time for a request, a body or an answer is up. */
web_verdict web_exchange_late(web_socket *socket);
/* The answer that was deferred; takes what `reply` holds. */
void web_exchange_deliver(web_socket *socket, web_reply *reply);
/* It asks for `protocol`. 0: let it; 1: refused and answered; -1: close. */
int web_exchange_upgrade(web_socket *socket, const char *protocol);

/* ---- exchange_head.c ---- */

/* The status line and the headers of socket->reply as text. Errors: CRDT_ENOMEM. */
crdt_err web_exchange_head(const web_socket *socket, crdt_buf *out);
/* 404: "Not Found". */
const char *web_exchange_status(int status);

/* ---- socket.c ---- */

web_verdict web_socket_established(web_socket *socket);
/* A piece of a message: `first` and `last` tell where it lies in it. */
web_verdict web_socket_received(web_socket *socket, const void *bytes, size_t size,
                                bool first, bool last, bool binary);
web_verdict web_socket_writable(web_socket *socket);
/* A pong came. */
void web_socket_ponged(web_socket *socket, const void *bytes, size_t size);
/* Tell the handler that it is gone, once. */
void web_socket_gone(web_socket *socket);

/* ---- the wire: server.c ---- */

typedef enum web_wire_kind {
    WEB_WIRE_HEAD,
    WEB_WIRE_BODY,
    WEB_WIRE_BODY_LAST,
    WEB_WIRE_TEXT, /* of a WebSocket */
    WEB_WIRE_PING
} web_wire_kind;

/* The request's method; NULL: unknown. `path`: decoded, "" if it cannot be had whole. */
const char *web_wire_method(web_socket *socket, crdt_span *path);
/* A header, cut at `size` (0: only asked for); its whole size, or -1 if it was not sent. */
int web_wire_header(web_socket *socket, const char *name, char *out, size_t size);
/* A piece of the query, decoded; its size, or -1 past the last, or -2: the query is as long
 * as `size` or longer. */
int web_wire_query(web_socket *socket, int index, char *out, size_t size);
void web_wire_want_write(web_socket *socket);
bool web_wire_can_write(web_socket *socket);
/* Up to WEB_FRAGMENT_SIZE bytes. `first`, `last`: of a WebSocket message. */
bool web_wire_write(web_socket *socket, web_wire_kind kind, crdt_span bytes, bool first,
                    bool last);
/* Call web_exchange_late after so many seconds; 0: never. */
void web_wire_timer(web_socket *socket, size_t seconds);
/* The same, after a moment. */
void web_wire_nap(web_socket *socket);
/* Seconds of a clock that only goes on. */
uint64_t web_wire_now_s(void);
/* Nothing is awaited from the caller: no time limit of the library's own. */
void web_wire_patient(web_socket *socket);
/* Be ready for the next request. */
web_verdict web_wire_next(web_socket *socket);
/* Close with this code; what the callback has to return. */
web_verdict web_wire_close(web_socket *socket, int code, const char *reason);
/* Give it a moment to take the close frame, then end it. */
void web_wire_close_soon(web_socket *socket);
/* It answered: it is alive. */
void web_wire_alive(web_socket *socket);

#endif /* CLI_WEB_SERVER_IMPL_H */
