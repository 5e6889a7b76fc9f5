#include "cli/servers/builder_call.h"

static int status_of(crdt_err err)
{
    switch (err) {
    case CRDT_EREFUSED:
        return 401; /* the real server's word for somebody else's project too */
    case CRDT_ENOTFOUND:
        return 404;
    case CRDT_ELIMIT:
        return 413;
    case CRDT_EBUSY:
        return 507;
    case CRDT_EIO:
    case CRDT_ENOMEM:
        return 500;
    default:
        return 400;
    }
}

void servers_builder_call_fail(servers_builder_call *call, crdt_err err)
{
    char text[256];
    servers_api_describe(err, &call->diag, text, sizeof text);
    web_reply_error(call->reply, status_of(err), "%s", text);
}

void servers_builder_call_give(servers_builder_call *call, crdt_span data)
{
    static const char head[] = "{\"data\":";
    static const char tail[] = ",\"ok\":true}";
    crdt_buf *body = &call->reply->body;
    crdt_buf_clear(body);
    if (crdt_buf_append(body, head, sizeof head - 1) != CRDT_OK ||
        crdt_buf_append_span(body, data) != CRDT_OK ||
        crdt_buf_append(body, tail, sizeof tail - 1) != CRDT_OK) {
        servers_builder_call_fail(call, CRDT_ENOMEM);
    }
}

void servers_builder_call_finish(servers_builder_call *call, crdt_err err,
                                 const crdt_buf *data)
{
    if (err != CRDT_OK) {
        servers_builder_call_fail(call, err);
    } else {
        servers_builder_call_give(call, data != NULL ? crdt_buf_span(data)
                                                     : crdt_span_of("true"));
    }
}

bool servers_builder_call_enter(servers_builder_call *call, bool write)
{
    if (write && !servers_api_may_write(call->api, call->request, call->reply)) {
        return false;
    }
    crdt_err err = servers_builder_auth(call->request, call->api->now_ms,
                                        call->api->alloc, &call->caller, &call->diag);
    if (err != CRDT_OK) {
        servers_builder_call_fail(call, err);
        return false;
    }
    return true;
}
