#include "cli/visitor.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const cli_route *cli_route_find(const cli_route *routes, size_t count,
                                const web_request *request)
{
    bool head = strcmp(request->method, "HEAD") == 0;
    char taken[4][256];
    for (size_t i = 0; i < count; i++) {
        if (strcmp(routes[i].method, head ? "GET" : request->method) == 0 &&
            web_path_match(request->path, routes[i].path, taken)) {
            return &routes[i];
        }
    }
    return NULL;
}

void cli_visitor_token(const web_request *request, char token[CLI_VISITOR_TOKEN_SIZE])
{
    static const char scheme[] = "Bearer ";
    char header[sizeof scheme + CLI_VISITOR_TOKEN_SIZE] = "";
    token[0] = '\0';
    bool given = web_request_header(request, "authorization", header, sizeof header);
    if (given) {
        bool bearer = strncasecmp(header, scheme, sizeof scheme - 1) == 0;
        snprintf(token, CLI_VISITOR_TOKEN_SIZE, "%.*s", CLI_VISITOR_TOKEN_SIZE - 1,
                 bearer ? header + sizeof scheme - 1 : "?");
    } else if (!web_request_parameter(request, "token", token, ACCESS_TOKEN_SIZE) &&
               strstr(request->query, "token=") != NULL) {
        snprintf(token, CLI_VISITOR_TOKEN_SIZE, "?");
    }
}

access_person cli_visitor_of(cli_access *access, const web_request *request,
                             uint64_t now_ms)
{
    char token[CLI_VISITOR_TOKEN_SIZE];
    const char *why = NULL;
    cli_visitor_token(request, token);
    return cli_access_check(access, token, request->loopback, now_ms, &why);
}

bool cli_visitor_may(cli_access *access, const web_request *request, access_role role,
                     uint64_t now_ms, web_reply *reply)
{
    access_person person = cli_visitor_of(access, request, now_ms);
    if (person.role >= role) {
        return true;
    }
    if (person.role == ACCESS_NONE) {
        web_reply_error(reply, 401, "a token is needed, and this is none that counts");
    } else {
        web_reply_error(reply, 403, "this takes the role %s; yours is %s",
                        access_role_name(role), access_role_name(person.role));
    }
    return false;
}

bool cli_visitor_loopback(const char *text, const char *access_file, access_role *role)
{
    *role = access_file == NULL ? ACCESS_EDIT : ACCESS_NONE;
    return text == NULL || access_role_parse(text, role);
}
