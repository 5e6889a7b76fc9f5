#ifndef CLI_SERVERS_API_H
#define CLI_SERVERS_API_H

/* What the faces of the content server and the Builder server share: the stores behind
 * them, and how answers are written. */

#include "cli/servers/content_store.h"
#include "cli/servers/project_store.h"
#include "cli/web/server.h"

#define SERVERS_ANSWER_MAX (64u << 20) /* bytes of an answer that lists things */

typedef struct servers_api {
    crdt_alloc alloc;
    servers_disk *disk;
    servers_content_store *content;
    servers_project_store *projects;
    bool open;          /* take writes from other machines too */
    bool any_age;       /* take entities of any age */
    uint64_t now_ms;    /* Unix time of the request */
    uint8_t secret[32]; /* random; makes the keys of redirected addresses */
} servers_api;

/* Answer a request below /content (and /about), below /v1. False: the path is none of
 * theirs; `reply` is as it was. */
bool servers_content_api_handle(servers_api *api, const web_request *request,
                                web_reply *reply);
bool servers_builder_api_handle(servers_api *api, const web_request *request,
                                web_reply *reply);

/* GET, or HEAD, which is answered likewise. */
bool servers_api_is_get(const web_request *request);
/* The answer for a method that the path does not know. */
void servers_api_refuse_method(web_reply *reply);
/* May this caller write at all? False: answered. */
bool servers_api_may_write(const servers_api *api, const web_request *request,
                           web_reply *reply);
/* What is wrong, with the place where there is one. */
void servers_api_describe(crdt_err err, const crdt_diag *diag, char *text, size_t size);
/* Step through the values of the parameter `name` of a query; not decoded. Start with
 * *at = request->query; false at the end. */
bool servers_api_next_parameter(const char **at, const char *name, crdt_span *value);
/* A file of contents/ as the answer. */
void servers_api_give_file(servers_api *api, const char *cid, web_reply *reply);

#endif /* CLI_SERVERS_API_H */
