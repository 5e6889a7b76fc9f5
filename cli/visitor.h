#ifndef CLI_VISITOR_H
#define CLI_VISITOR_H

/* Who calls over HTTP: the token of a request, and what it lets its bearer do. */

#include "cli/access.h"
#include "cli/web/server.h"

/* A call that a server takes, and from which role on. Each server has one table of all of
 * them: what is not in it is refused, and the tests make their attacks of it. */
typedef struct cli_route {
    const char *method; /* "WS": a WebSocket */
    const char *path;   /* as web_path_match takes it */
    access_role role;   /* ACCESS_NONE: anybody's */
} cli_route;

/* The route of a request: method (HEAD counts as GET) and path fit; NULL: none. */
const cli_route *cli_route_find(const cli_route *routes, size_t count,
                                const web_request *request);

/* The token that a request shows: that of `Authorization: Bearer TOKEN`, else of
 * `?token=TOKEN`; "": none. What is given and can be none comes as something that is none.
 * One byte more than a token may have: a longer one is cut, and wrong. */
#define CLI_VISITOR_TOKEN_SIZE (ACCESS_TOKEN_SIZE + 1)
void cli_visitor_token(const web_request *request, char token[CLI_VISITOR_TOKEN_SIZE]);

/* Who sent it: by `Authorization: Bearer TOKEN`, else by `?token=TOKEN`; without a token by
 * the loopback. `now_ms` is Unix time. */
access_person cli_visitor_of(cli_access *access, const web_request *request,
                             uint64_t now_ms);

/* May the sender do what takes `role`? If not, `reply` says so: 401 for nobody, 403 for
 * somebody who may not. */
bool cli_visitor_may(cli_access *access, const web_request *request, access_role role,
                     uint64_t now_ms, web_reply *reply);

/* What --loopback-role says (NULL: not given): by default callers on this machine may edit,
 * and nothing where there is an access file. False: `text` is no role. */
bool cli_visitor_loopback(const char *text, const char *access_file, access_role *role);

#endif /* CLI_VISITOR_H */
