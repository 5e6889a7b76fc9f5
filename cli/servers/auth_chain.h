#ifndef CLI_SERVERS_AUTH_CHAIN_H
#define CLI_SERVERS_AUTH_CHAIN_H

/* Chains of authority as Decentraland's servers are given them: who signs (an Ethereum
 * address), keys that they lend their name to for a time, what was signed.
 *
 *   {SIGNER, payload ADDRESS, signature ""}
 *   {ECDSA_EPHEMERAL, payload "<title>\nEphemeral address: ADDRESS\nExpiration: TIME",
 *    signature "0x..."}                                             none or several
 *   {ECDSA_SIGNED_ENTITY, payload TEXT, signature "0x..."}
 *
 * The form is checked, the times, and that TEXT is what it should be. The signatures are
 * not: there is no secp256k1 here. Whoever can write here may say to be anybody.
 *
 * Source: @dcl/crypto (AuthChain), ADR-44, ADR-49. Pure. */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdbool.h>
#include <stdint.h>

#define SERVERS_AUTH_LINK_MAX 8
#define SERVERS_ADDRESS_SIZE 43          /* 0x, 40 digits, terminator */
#define SERVERS_AUTH_AGE_MS (30 * 60000) /* of a signed request with a timestamp */

typedef struct servers_auth_link {
    crdt_span type;
    crdt_span payload;
    crdt_span signature;
} servers_auth_link;

typedef struct servers_auth_chain {
    servers_auth_link links[SERVERS_AUTH_LINK_MAX];
    size_t count;
} servers_auth_chain;

/* Is the chain well-formed and not expired at `now_ms` (Unix time)? `owner` is the address
 * of its first link in lower case, `signed_text` what its last link signs.
 * Errors: CRDT_EREFUSED with the reason. */
crdt_err servers_auth_chain_check(const servers_auth_chain *chain, uint64_t now_ms,
                                  char owner[SERVERS_ADDRESS_SIZE],
                                  crdt_span *signed_text, crdt_diag *diag);

/* A signed request: what the signed text must say. */
typedef struct servers_signed_call {
    const char *method;    /* "PUT" */
    const char *path;      /* "/v1/projects/ID/manifest" */
    const char *timestamp; /* x-identity-timestamp; "" if it was not sent */
    const char *metadata;  /* x-identity-metadata; "" likewise */
} servers_signed_call;

/* Is `signed_text` METHOD:PATH, or METHOD:PATH:TIMESTAMP:METADATA where a timestamp was
 * sent, which may be 30 minutes away? The path with or without /v1, case ignored.
 * Errors: CRDT_EREFUSED with the reason. */
crdt_err servers_signed_call_check(const servers_signed_call *call,
                                   crdt_span signed_text, uint64_t now_ms,
                                   crdt_diag *diag);

/* "2026-01-31T12:00:00.000Z" as Unix time; the fraction may be missing. False: it is no
 * such time. */
bool servers_time_parse(crdt_span text, uint64_t *time_ms);

#endif /* CLI_SERVERS_AUTH_CHAIN_H */
