#ifndef CLI_CONTENT_DEPLOY_H
#define CLI_CONTENT_DEPLOY_H

/* The calls of a deployment.
 *
 *   POST   /content/entities/active        what is deployed there now
 *   GET    /content/contents/{hash}        a file; else from the builder's
 *   GET    /v1/storage/contents/{hash}
 *   GET    /v1/assets?id=...               what the builder knows of assets
 *   GET    /content/available-content?cid= which files need no upload
 *   GET    /content/status                 does it verify signatures?
 *   POST   /content/entities               deploy: multipart, each file named by its hash
 *   DELETE /v1/projects/{X,Y}/coords       unlink the builder project
 *
 * Blocking. What a server says is checked and bounded. Errors of all, told in `diag`:
 * CRDT_EIO: no connection, or another answer than asked for; CRDT_ETIMEOUT; CRDT_ECLOSED:
 * stopped; CRDT_ECORRUPT: rubbish; CRDT_ELIMIT; CRDT_ENOMEM. */

#include "cli/content/auth_links.h"
#include "cli/content/cid.h"
#include "cli/content/publish.h"
#include "scene/json.h"

/* What is deployed at a place, or under an id. */
typedef struct content_deployed {
    scene_json *json;
    const scene_json_node *entity; /* NULL: nothing. Borrowed from json */
} content_deployed;

/* Ask for the entity at a pointer, or (`by_id`) for the one with this id. */
crdt_err content_deploy_find(const content_publish_options *options, const char *what,
                             bool by_id, content_deployed *found, crdt_diag *diag);
void content_deployed_deinit(content_deployed *found);
/* Its id; empty: it has none. */
crdt_span content_deployed_id(const content_deployed *found);
/* Step through its files; start with {0}. */
typedef struct content_deployed_cursor {
    const scene_json_node *node;
    uint32_t left;
} content_deployed_cursor;
bool content_deployed_next_file(const content_deployed *found,
                                content_deployed_cursor *cursor, crdt_span *file,
                                crdt_span *hash);

/* Append a file by its hash, from the content server (NULL: none) or else from the
 * builder's storage; it is what the hash names. CRDT_ENOTFOUND: neither has it. */
crdt_err content_deploy_fetch(const content_publish_options *options, crdt_span hash,
                              size_t size_max, crdt_buf *out, crdt_diag *diag);
/* Append the builder's answer about these assets. */
crdt_err content_deploy_assets(const content_publish_options *options,
                               const crdt_span *ids, size_t count, crdt_buf *out,
                               crdt_diag *diag);

/* One file to deploy. */
typedef struct content_deploy_file {
    const char *hash;
    crdt_span content;
    bool available; /* the server has it */
} content_deploy_file;

/* Fill in `available`. */
crdt_err content_deploy_available(const content_publish_options *options,
                                  content_deploy_file *files, size_t count,
                                  crdt_diag *diag);
/* Deploy. *timestamp is the server's. CRDT_EREFUSED: it says no, in its words. */
crdt_err content_deploy_send(const content_publish_options *options,
                             const char *entity_id, const content_auth_links *links,
                             const content_deploy_file *files, size_t count,
                             uint64_t *timestamp, crdt_diag *diag);
/* Does the content server say that it verifies no signatures (GET /content/status:
 * "signatures":"not verified")? The embedded one does; one that does not answer does not. */
bool content_deploy_unsigned(const content_publish_options *options);
crdt_err content_deploy_unlink(const content_publish_options *options,
                               const char *pointer, crdt_diag *diag);

#endif /* CLI_CONTENT_DEPLOY_H */
