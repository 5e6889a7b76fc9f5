#ifndef CLI_SERVERS_SEED_H
#define CLI_SERVERS_SEED_H

/* Filling the servers with scene files, so that there is something to load. What is there
 * already stays: starting twice with the same seeds changes nothing. */

#include "cli/servers/api.h"
#include "cli/servers/seed_files.h"

/* Deploy a scene file (any format of scene/format.h) at the pointer "x,y": as one file
 * beside a scene.json that is made here, over as many parcels as a Builder manifest says,
 * else one; with those of `files` (may be NULL) that it needs. *id: the entity there, or "" for what another seed or somebody else deployed.
 * Errors: CRDT_EINVAL: the pointer. CRDT_ECORRUPT and the like: the file, with the place.
 * As servers_content_store_deploy. */
crdt_err servers_seed_scene(servers_api *api, const char *pointer, crdt_span file,
                            const servers_seed_files *files, char id[64],
                            crdt_diag *diag);

/* Put a Builder manifest as the project `id`, owned by nobody ("local"); the spelling of
 * exported files is translated. *fresh: it was not there.
 * Errors: CRDT_EINVAL: the id. CRDT_ECORRUPT: it is no manifest, with the place. As
 * servers_project_store_put. */
crdt_err servers_seed_project(servers_api *api, const char *id, crdt_span file,
                              bool *fresh, crdt_diag *diag);

#endif /* CLI_SERVERS_SEED_H */
