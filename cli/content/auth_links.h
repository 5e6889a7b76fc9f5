#ifndef CLI_CONTENT_AUTH_LINKS_H
#define CLI_CONTENT_AUTH_LINKS_H

/* The auth chain that a user gives to confirm a deployment: who signs, keys in between,
 * the signature of the entity's id.
 *
 *   [{"type":"SIGNER","payload":"0x<40 hex>","signature":""},
 *    {"type":"ECDSA_EPHEMERAL","payload":"...","signature":"0x..."},       none or several
 *    {"type":"ECDSA_SIGNED_ENTITY","payload":"<entity id>","signature":"0x..."}]
 *
 * or {"authChain":[...]} around it. The form is checked here, so that a mistake is told
 * before anything is sent; whether the signatures hold and their keys may publish is the
 * content server's to say. Pure. Source: @dcl/crypto, ADR-45. */

#include "scene/json.h"

#define CONTENT_AUTH_LINK_MAX 8
#define CONTENT_AUTH_SIZE_MAX 65536u /* bytes of the text */

typedef struct content_auth_link {
    crdt_span type; /* borrowed from `json` */
    crdt_span payload;
    crdt_span signature;
} content_auth_link;

typedef struct content_auth_links {
    content_auth_link list[CONTENT_AUTH_LINK_MAX];
    size_t count;
    scene_json *json;
} content_auth_links;

/* Read and check a chain that signs `entity_id`. Free it with deinit in every case.
 * Errors, in `diag`: CRDT_ECORRUPT: it is no such JSON. CRDT_EREFUSED: it does not sign
 * this entity, or cannot hold. CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err content_auth_links_read(content_auth_links *links, crdt_alloc alloc,
                                 crdt_span text, const char *entity_id,
                                 crdt_diag *diag);
/* Append a chain in nobody's name that nobody signed: for servers that verify none. Errors:
 * CRDT_ENOMEM. */
crdt_err content_auth_links_unsigned(const char *entity_id, crdt_buf *out);
void content_auth_links_deinit(content_auth_links *links);

#endif /* CLI_CONTENT_AUTH_LINKS_H */
