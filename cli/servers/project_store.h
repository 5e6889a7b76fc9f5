#ifndef CLI_SERVERS_PROJECT_STORE_H
#define CLI_SERVERS_PROJECT_STORE_H

/* The projects of a Builder server: rows, manifests, pictures, main.crdt.
 *
 * A project is one file, projects/UUID.json, replaced as a whole:
 *
 *   {"owner":"0x..." | "local", "created_at":..., "updated_at":...,
 *    "project":{...},               the row, as last put
 *    "manifest":{version,project,scene}}   as last put; absent: none
 *
 * Who wrote a project first owns it. "local" (somebody on this machine without signature)
 * owns nothing for good: the first signed write takes it over.
 *
 * Limits: 10,000 projects, 5 MB a manifest. Threads: one. Memory: an entry a project. */

#include "cli/servers/auth_chain.h"
#include "cli/servers/disk.h"
#include "cli/servers/manifest.h"
#include "cli/servers/project_record.h"

#define SERVERS_PROJECT_MAX 10000u
#define SERVERS_JSON_BODY_MAX (5u << 20) /* bytes of a JSON body, as the real server */
#define SERVERS_MEDIA_SIZE_MAX (5u << 20)
#define SERVERS_CRDT_SIZE_MAX (16u << 20)

typedef struct servers_project_store servers_project_store;

/* `warn` (may be NULL) is told of files that cannot be read: they are left alone.
 * Errors: CRDT_EIO, CRDT_ENOMEM, CRDT_ELIMIT. */
crdt_err servers_project_store_open(servers_project_store **out, crdt_alloc alloc,
                                    servers_disk *disk,
                                    void (*warn)(void *ctx, const char *text),
                                    void *ctx, crdt_diag *diag);
/* Accepts NULL. */
void servers_project_store_close(servers_project_store *store);

/* Who asks, and when. */
typedef struct servers_caller {
    char owner[SERVERS_ADDRESS_SIZE]; /* an address in lower case, or "local" */
    bool
        trusted; /* without signature from this machine: may read all, take over none */
    uint64_t now_ms;
} servers_caller;

/* What is put: nodes of `json`, checked. */
typedef struct servers_project_put {
    const scene_json *json;
    const scene_json_node *manifest; /* NULL: the row alone is put */
    const scene_json_node *project;  /* of the manifest, or alone */
} servers_project_put;

/* Put a project, new or not. `row` gets it as the server shows it.
 * Errors: CRDT_EREFUSED: it is somebody else's. CRDT_EBUSY: the disk or the store is full.
 * CRDT_EIO. CRDT_ENOMEM. Nothing changed then. */
crdt_err servers_project_store_put(servers_project_store *store, const char *id,
                                   const servers_project_put *put,
                                   const servers_caller *caller, crdt_buf *row,
                                   crdt_diag *diag);

/* Append the row or the manifest as JSON. Errors: CRDT_ENOTFOUND; CRDT_EREFUSED;
 * CRDT_ECORRUPT: damaged on disk; CRDT_EIO; CRDT_ENOMEM. */
crdt_err servers_project_store_row(servers_project_store *store, const char *id,
                                   const servers_caller *caller, crdt_buf *out,
                                   crdt_diag *diag);
crdt_err servers_project_store_manifest(servers_project_store *store, const char *id,
                                        const servers_caller *caller, crdt_buf *out,
                                        crdt_diag *diag);
/* Remove the project, or its manifest alone. Errors: as put, and CRDT_ENOTFOUND. */
crdt_err servers_project_store_remove(servers_project_store *store, const char *id,
                                      const servers_caller *caller, crdt_diag *diag);
crdt_err servers_project_store_remove_manifest(servers_project_store *store,
                                               const char *id,
                                               const servers_caller *caller,
                                               crdt_diag *diag);
/* Take the coordinates "x,y" from all projects of the caller. *count: how many had them. */
crdt_err servers_project_store_unlink(servers_project_store *store, crdt_span coords,
                                      const servers_caller *caller, size_t *count,
                                      crdt_diag *diag);

/* Is it the caller's to read (`write`: to change)? Errors: CRDT_ENOTFOUND;
 * CRDT_EREFUSED. */
crdt_err servers_project_store_check(const servers_project_store *store, const char *id,
                                     const servers_caller *caller, bool write,
                                     crdt_diag *diag);
/* Has it a manifest that the caller may read? O(projects). Errors: CRDT_ENOTFOUND;
 * CRDT_EREFUSED. */
crdt_err servers_project_store_check_manifest(const servers_project_store *store,
                                              const char *id,
                                              const servers_caller *caller,
                                              crdt_diag *diag);
/* Set the row's `thumbnail`. Errors: as put. */
crdt_err servers_project_store_set_thumbnail(servers_project_store *store,
                                             const char *id, const char *file_name,
                                             const servers_caller *caller,
                                             crdt_diag *diag);

/* Step through the ids of the caller's projects, those with these coordinates only where
 * `coords` is not empty. In the order they were made here. Start with *index 0; NULL at the
 * end. */
const char *servers_project_store_next(const servers_project_store *store,
                                       const servers_caller *caller, crdt_span coords,
                                       size_t *index);
size_t servers_project_store_count(const servers_project_store *store);

#endif /* CLI_SERVERS_PROJECT_STORE_H */
