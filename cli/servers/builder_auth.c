#include "cli/servers/builder_auth.h"

#include "cli/servers/json_put.h"

#include <stdio.h>

#define METADATA_SIZE 8192

static const char prefix[] = "x-identity-auth-chain-";

/* The links as they are found. */
typedef struct auth_headers {
    crdt_alloc alloc;
    scene_json *links[SERVERS_AUTH_LINK_MAX];
    size_t count; /* of headers */
    crdt_err err;
    crdt_diag *diag;
} auth_headers;

static crdt_err refuse(crdt_diag *diag, const char *text)
{
    return crdt_diag_set(diag, CRDT_EREFUSED, 0, "%s", text);
}

static void take_header(void *ctx, const char *name, const char *value)
{
    auth_headers *headers = ctx;
    const char *number = name + sizeof prefix - 1;
    if (headers->err != CRDT_OK) {
        return;
    }
    headers->count++;
    if (number[0] < '0' || number[0] >= '0' + SERVERS_AUTH_LINK_MAX ||
        number[1] != '\0') {
        headers->err = refuse(headers->diag, "the auth chain has more than 8 links");
        return;
    }
    scene_json **link = &headers->links[number[0] - '0'];
    if (*link != NULL) {
        headers->err = refuse(headers->diag, "a link of the auth chain is there twice");
        return;
    }
    crdt_diag diag = {.text = ""};
    crdt_err err =
        scene_json_open(link, headers->alloc, crdt_span_of(value), NULL, &diag);
    if (err == CRDT_ENOMEM) {
        headers->err = err;
    } else if (err != CRDT_OK) {
        headers->err = crdt_diag_set(headers->diag, CRDT_EREFUSED, 0,
                                     "%s is no JSON: %s", name, diag.text);
    }
}

static crdt_err read_chain(const auth_headers *headers, servers_auth_chain *chain)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (i >= SERVERS_AUTH_LINK_MAX || headers->links[i] == NULL) {
            return refuse(headers->diag, "the auth chain has a gap");
        }
        const scene_json_node *root = scene_json_root(headers->links[i]);
        servers_auth_link *link = &chain->links[chain->count++];
        if (!servers_json_find_text(root, "type", &link->type) ||
            !servers_json_find_text(root, "payload", &link->payload)) {
            return refuse(headers->diag,
                          "a link of the auth chain has no `type` or no `payload`");
        }
        link->signature = (crdt_span){NULL, 0}; /* SIGNER has none */
        servers_json_find_text(root, "signature", &link->signature);
    }
    return CRDT_OK;
}

static crdt_err check_signed(const web_request *request, const auth_headers *headers,
                             uint64_t now_ms, servers_caller *caller)
{
    servers_auth_chain chain = {.count = 0};
    crdt_span signed_text = {NULL, 0};
    crdt_err err = read_chain(headers, &chain);
    if (err == CRDT_OK) {
        err = servers_auth_chain_check(&chain, now_ms, caller->owner, &signed_text,
                                       headers->diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    char timestamp[32];
    char metadata[METADATA_SIZE];
    servers_signed_call call = {
        .method = request->method,
        .path = request->path,
        .timestamp = web_request_header(request, "x-identity-timestamp", timestamp,
                                        sizeof timestamp),
        .metadata = web_request_header(request, "x-identity-metadata", metadata,
                                       sizeof metadata),
    };
    call.timestamp = call.timestamp != NULL ? call.timestamp : "";
    call.metadata = call.metadata != NULL ? call.metadata : "";
    return servers_signed_call_check(&call, signed_text, now_ms, headers->diag);
}

crdt_err servers_builder_auth(const web_request *request, uint64_t now_ms,
                              crdt_alloc alloc, servers_caller *caller, crdt_diag *diag)
{
    *caller = (servers_caller){.now_ms = now_ms};
    auth_headers headers = {.alloc = alloc, .diag = diag};
    web_request_headers(request, prefix, take_header, &headers);
    crdt_err err = headers.err;
    if (err == CRDT_OK && headers.count > 0) {
        err = check_signed(request, &headers, now_ms, caller);
    } else if (err == CRDT_OK && !request->loopback) {
        err = refuse(diag, "sign the request (x-identity-auth-chain-0...): without "
                           "signature only this machine may ask");
    } else if (err == CRDT_OK) {
        snprintf(caller->owner, sizeof caller->owner, "%s", SERVERS_OWNER_LOCAL);
        caller->trusted = true;
    }
    for (size_t i = 0; i < SERVERS_AUTH_LINK_MAX; i++) {
        scene_json_close(headers.links[i]);
    }
    return err;
}
