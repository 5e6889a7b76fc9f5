#ifndef CLI_SERVERS_BUILDER_AUTH_H
#define CLI_SERVERS_BUILDER_AUTH_H

/* Who calls the Builder server: by the signed-fetch headers of the request, or without
 * them from this machine as "local".
 *
 *   x-identity-auth-chain-0..n   one link each, as JSON {type, payload, signature}
 *   x-identity-timestamp, x-identity-metadata   with the newer form (ADR-44)
 *
 * The form and what is signed are checked, not the signatures (servers/auth_chain.h). */

#include "cli/servers/project_store.h"
#include "cli/web/server.h"

/* Errors: CRDT_EREFUSED with the reason; CRDT_ENOMEM. */
crdt_err servers_builder_auth(const web_request *request, uint64_t now_ms,
                              crdt_alloc alloc, servers_caller *caller,
                              crdt_diag *diag);

#endif /* CLI_SERVERS_BUILDER_AUTH_H */
