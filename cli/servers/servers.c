#include "cli/servers/servers.h"

#include "sync/crypto.h"

#define SIZE_MAX_DEFAULT ((uint64_t)10 << 30)

struct servers {
    servers_api api;
};

servers_options servers_options_default(void)
{
    return (servers_options){.alloc = crdt_alloc_default(),
                             .size_max = SIZE_MAX_DEFAULT};
}

crdt_err servers_open(servers **out, const servers_options *options, crdt_diag *diag)
{
    servers *made = crdt_allocate(options->alloc, sizeof *made);
    if (made == NULL) {
        return CRDT_ENOMEM;
    }
    *made = (servers){.api = {.alloc = options->alloc,
                              .open = options->open,
                              .any_age = options->any_age}};
    servers_api *api = &made->api;
    sync_crypto_random(api->secret, sizeof api->secret);
    crdt_err err = servers_disk_open(&api->disk, options->alloc, options->dir,
                                     options->size_max, diag);
    if (err == CRDT_OK) {
        err = servers_content_store_open(&api->content, options->alloc, api->disk,
                                         options->warn, options->ctx, diag);
    }
    if (err == CRDT_OK) {
        err = servers_project_store_open(&api->projects, options->alloc, api->disk,
                                         options->warn, options->ctx, diag);
    }
    if (err != CRDT_OK) {
        servers_close(made);
        return err;
    }
    *out = made;
    return CRDT_OK;
}

void servers_close(servers *both)
{
    if (both == NULL) {
        return;
    }
    servers_project_store_close(both->api.projects);
    servers_content_store_close(both->api.content);
    servers_disk_close(both->api.disk);
    crdt_free(both->api.alloc, both, sizeof *both);
}

void servers_handle(servers *both, const web_request *request, web_reply *reply,
                    uint64_t now_ms)
{
    both->api.now_ms = now_ms;
    if (!servers_content_api_handle(&both->api, request, reply) &&
        !servers_builder_api_handle(&both->api, request, reply)) {
        web_reply_error(reply, 404, "there is nothing here: see /about and /v1/health");
    }
}

servers_api *servers_inside(servers *both)
{
    return &both->api;
}
