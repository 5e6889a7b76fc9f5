#include "cli/servers/api.h"

#include <stdio.h>

bool servers_api_is_get(const web_request *request)
{
    return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

void servers_api_refuse_method(web_reply *reply)
{
    web_reply_error(reply, 405, "this method is not known here");
}

bool servers_api_may_write(const servers_api *api, const web_request *request,
                           web_reply *reply)
{
    if (api->open || request->loopback) {
        return true;
    }
    web_reply_error(reply, 403,
                    "these servers take writes from their own machine only: signatures "
                    "are not verified (start them with --open to let others write)");
    return false;
}

void servers_api_describe(crdt_err err, const crdt_diag *diag, char *text, size_t size)
{
    const char *what = diag->text[0] != '\0' ? diag->text : crdt_err_text(err);
    if (diag->line > 0) {
        snprintf(text, size, "%s (line %u, column %u)", what, (unsigned)diag->line,
                 (unsigned)diag->column);
    } else {
        snprintf(text, size, "%s", what);
    }
}

bool servers_api_next_parameter(const char **at, const char *name, crdt_span *value)
{
    size_t name_size = strlen(name);
    while (**at != '\0') {
        const char *part = *at;
        size_t size = strcspn(part, "&");
        *at = part + size + (part[size] == '&');
        if (size > name_size && part[name_size] == '=' &&
            memcmp(part, name, name_size) == 0) {
            *value = (crdt_span){(const uint8_t *)part + name_size + 1,
                                 size - name_size - 1};
            return true;
        }
    }
    return false;
}

void servers_api_give_file(servers_api *api, const char *cid, web_reply *reply)
{
    crdt_diag diag = {.text = ""};
    crdt_err err = servers_content_store_read(api->content, cid, &reply->body, &diag);
    if (err == CRDT_OK) {
        reply->type = "application/octet-stream";
        reply->cache = "public, max-age=31536000, immutable";
    } else {
        char text[256];
        servers_api_describe(err, &diag, text, sizeof text);
        web_reply_error(reply, err == CRDT_ENOTFOUND ? 404 : 500, "%s", text);
    }
}
