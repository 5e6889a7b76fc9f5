#include "cli/web/server_impl.h"

#include "crdt/value.h"

#include <stdio.h>
#include <string.h>

web_verdict web_socket_established(web_socket *socket)
{
    socket->phase = WEB_PHASE_SOCKET;
    socket->open = true;
    web_wire_timer(socket, 0);
    if (socket->wants || socket->closing) {
        web_wire_want_write(socket);
    }
    return WEB_GO_ON;
}

/* A buffer that grew for one large message is not kept. */
static void empty(crdt_buf *buf)
{
    if (buf->capacity > WEB_KEEP_SIZE) {
        crdt_alloc alloc = buf->alloc;
        crdt_buf_deinit(buf);
        crdt_buf_init(buf, alloc);
    }
    crdt_buf_clear(buf);
}

web_verdict web_socket_received(web_socket *socket, const void *bytes, size_t size,
                                bool first, bool last, bool binary)
{
    web_core *core = socket->core;
    const web_handlers *handlers = &core->options.handlers;
    core->counts.received_size += size;
    if (socket->closing) {
        return WEB_GO_ON; /* nothing it says counts any more */
    }
    if (binary) {
        return web_wire_close(socket, 1003, "text messages only");
    }
    if (first) {
        crdt_buf_clear(&socket->in);
    }
    if (size > core->options.message_max - socket->in.size) {
        core->counts.refused_size++;
        return web_wire_close(socket, 1009, "the message is too large");
    }
    if (crdt_buf_append(&socket->in, bytes, size) != CRDT_OK) {
        return web_wire_close(socket, 1011, "out of memory");
    }
    if (last) {
        if (!crdt_utf8_valid(crdt_buf_span(&socket->in), NULL)) {
            return web_wire_close(socket, 1007, "text messages are UTF-8");
        }
        web_wire_alive(socket);
        handlers->socket_message(handlers->ctx, socket, socket->user,
                                 web_span_of(&socket->in));
        empty(&socket->in);
    }
    return WEB_GO_ON;
}

/* One piece of the message that goes out. */
static bool send_piece(web_socket *socket)
{
    crdt_buf *text = &socket->reply.body;
    size_t size = text->size - socket->out_sent;
    size = size < WEB_FRAGMENT_SIZE ? size : WEB_FRAGMENT_SIZE;
    crdt_span piece = {text->data + socket->out_sent, size};
    bool first = socket->out_sent == 0;
    bool last = socket->out_sent + size == text->size;
    if (!web_wire_write(socket, WEB_WIRE_TEXT, piece, first, last)) {
        return false;
    }
    socket->out_sent += size;
    if (last) {
        socket->out_sent = 0;
        empty(text);
    }
    return true;
}

static bool send_ping(web_socket *socket)
{
    uint64_t number = ++socket->ask;
    socket->asks = false;
    socket->asked = true;
    return web_wire_write(socket, WEB_WIRE_PING,
                          (crdt_span){(const uint8_t *)&number, sizeof number}, true,
                          true);
}

void web_socket_ponged(web_socket *socket, const void *bytes, size_t size)
{
    const web_handlers *handlers = &socket->core->options.handlers;
    if (socket->asked && size == sizeof socket->ask &&
        memcmp(bytes, &socket->ask, size) == 0) {
        socket->asked = false;
        if (socket->accepted && handlers->socket_arrived != NULL) {
            handlers->socket_arrived(handlers->ctx, socket, socket->user);
        }
    }
}

web_verdict web_socket_writable(web_socket *socket)
{
    const web_handlers *handlers = &socket->core->options.handlers;
    for (size_t turn = 0; turn < WEB_TURN_SIZE; turn += WEB_FRAGMENT_SIZE) {
        if (socket->closing) {
            return web_wire_close(socket, socket->close_code, socket->close_reason);
        }
        if (!web_wire_can_write(socket)) {
            break;
        }
        if (socket->reply.body.size == 0 && socket->asks) {
            if (!send_ping(socket)) {
                return WEB_CLOSE;
            }
            continue;
        }
        if (socket->reply.body.size == 0) {
            if (!socket->wants) {
                return WEB_GO_ON;
            }
            socket->wants = false;
            handlers->socket_write(handlers->ctx, socket, socket->user,
                                   &socket->reply.body);
            if (socket->reply.body.size == 0) {
                continue;
            }
            socket->wants = true; /* until it has nothing to say */
        }
        if (!send_piece(socket)) {
            return WEB_CLOSE;
        }
    }
    web_wire_want_write(socket);
    return WEB_GO_ON;
}

void web_socket_gone(web_socket *socket)
{
    const web_handlers *handlers = &socket->core->options.handlers;
    if (socket->accepted) {
        socket->accepted = false;
        socket->core->counts.sockets_open--;
        if (handlers->socket_closed != NULL) {
            handlers->socket_closed(handlers->ctx, socket, socket->user);
        }
    }
}

void web_socket_want_write(web_socket *socket)
{
    if (!socket->wants) {
        socket->wants = true;
        if (socket->open) {
            web_wire_want_write(socket);
        }
    }
}

void web_socket_ask(web_socket *socket)
{
    if (!socket->asks && !socket->asked) {
        socket->asks = true;
        if (socket->open) {
            web_wire_want_write(socket);
        }
    }
}

void web_socket_close(web_socket *socket, int code, const char *reason)
{
    if (socket->closing) {
        return;
    }
    socket->closing = true;
    socket->close_code = code;
    snprintf(socket->close_reason, sizeof socket->close_reason, "%s",
             reason == NULL ? "" : reason);
    if (socket->open) {
        web_wire_close_soon(socket);
    }
}
