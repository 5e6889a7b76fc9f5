#ifndef CLI_SERVERS_BUILDER_CALL_H
#define CLI_SERVERS_BUILDER_CALL_H

/* A request to the Builder server at work, and how it is answered: shared by the files that
 * handle its paths. */

#include "cli/servers/api.h"
#include "cli/servers/builder_auth.h"

typedef struct servers_builder_call {
    servers_api *api;
    const web_request *request;
    web_reply *reply;
    servers_caller caller;
    char id[SERVERS_UUID_SIZE]; /* of the path, in lower case */
    crdt_diag diag;
} servers_builder_call;

/* Find out who calls. False: refused, answered. */
bool servers_builder_call_enter(servers_builder_call *call, bool write);
/* Answer what `call->diag` and `err` say. */
void servers_builder_call_fail(servers_builder_call *call, crdt_err err);
/* {"ok":true,"data":...}: `data` is canonical JSON. */
void servers_builder_call_give(servers_builder_call *call, crdt_span data);
/* Either of the two; `data` NULL: true. */
void servers_builder_call_finish(servers_builder_call *call, crdt_err err,
                                 const crdt_buf *data);

/* Pictures (`asked` NULL: the folder of them), main.crdt, lists of assets: for the caller
 * of a path that was matched; they look at the method themselves. */
void servers_builder_media(servers_builder_call *call, const char *asked);
void servers_builder_crdt(servers_builder_call *call);
void servers_builder_assets(servers_builder_call *call, const char *file, bool by_id);
/* Remove what belongs to a project that is gone. Errors: CRDT_EIO. */
crdt_err servers_builder_remove_files(servers_builder_call *call);

#endif /* CLI_SERVERS_BUILDER_CALL_H */
