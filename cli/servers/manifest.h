#ifndef CLI_SERVERS_MANIFEST_H
#define CLI_SERVERS_MANIFEST_H

/* What a Builder server takes: {"version","project","scene"} with the project in the
 * server's spelling (snake_case). The schema is that of the real server, whose validator
 * takes no additional property at the top and in the project, and any in the scene.
 *
 *   project  {id, title, description, scene_id, cols, rows            required
 *             thumbnail, eth_address, is_public, created_at, updated_at, creation_coords,
 *             is_template, video, template_status}
 *   scene    {entities, components, ...}                              up to version 10
 *            {sdk6: {entities, components, ...} | null,
 *             sdk7: {composite, mappings, ...} | null}                version 11: one of both
 *
 * Source: decentraland/builder-server, Manifest and Project types. Pure. */

#include "scene/json.h"
#include "scene/json_writer.h"

#include <stdbool.h>

#define SERVERS_UUID_SIZE 37 /* with terminator */

/* Is it a UUID, hexadecimal in any case, 8-4-4-4-12? */
bool servers_uuid_valid(crdt_span text);

/* Errors: CRDT_ECORRUPT: the place, and what is wrong with it. */
crdt_err servers_manifest_check(const scene_json *json, const scene_json_node *manifest,
                                crdt_diag *diag);
crdt_err servers_project_check(const scene_json *json, const scene_json_node *project,
                               crdt_diag *diag);

/* Write a project in the server's spelling: that of files (isPublic, sceneId, layout) is
 * translated, what no server knows is left out. What is required and missing is made up
 * from `id`, `rows` and `cols`. The parsed text must outlive the object. */
void servers_project_translate(scene_json_writer *writer,
                               const scene_json_node *project, const char *id);
/* The layout of a project in either spelling; 1 and 1 where it has none. */
void servers_project_layout(const scene_json_node *project, unsigned *rows,
                            unsigned *cols);

#endif /* CLI_SERVERS_MANIFEST_H */
