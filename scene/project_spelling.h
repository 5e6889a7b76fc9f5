#ifndef SCENE_PROJECT_SPELLING_H
#define SCENE_PROJECT_SPELLING_H

/* Projects are spelled in two ways: in files (sceneId, layout {rows, cols}) and by builder
 * servers (scene_id, rows, cols), which take no other members. Who puts a project spelled
 * as in a file to a server translates it, and leaves the project as it was in the field
 * `scenesync` of the scene:
 *
 *   "project":   {"id": "p", "scene_id": "s", "rows": 1, "cols": 2, "title": "new", ...}
 *   "scenesync": {"project": {"id": "p", "sceneId": "s", "layout": {...}, "userId": 7, ...}}
 *
 * Reading gives the project in its own spelling again, with what the server changed. */

#include "scene/import.h"

/* The name that servers have for a member of a project; NULL: none (layout, userId). */
const char *scene_project_server_name(crdt_span name);

/* Step through the members of `project` as its own file spells them: `was` is what
 * `scenesync` kept (NULL: the project is spelled as it was). `visit` gets name and value;
 * an error it returns ends the walk. `text`: the value is not a node but this canonical
 * value. */
typedef crdt_err (*scene_project_visit)(void *ctx, crdt_span name,
                                        const scene_json_node *node, crdt_span text);
crdt_err scene_project_members(scene_import *import, const scene_json_node *project,
                               const scene_json_node *was, scene_project_visit visit,
                               void *ctx);

#endif /* SCENE_PROJECT_SPELLING_H */
