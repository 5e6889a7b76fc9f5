#ifndef CLI_PATH_H
#define CLI_PATH_H

/* ENTITY.COMPONENT.FIELD on the command line: up to three names in one text.
 *
 * A dot parts two names; `\.` is a dot that belongs to a name, `\\` a backslash. The
 * longest leading part that names something that is there is taken as that name, dots and
 * all, so ids and types with dots can be given as they are; where nothing is there, the
 * first dot parts. The last name allowed takes all that is left. */

#include "crdt/document.h"

/* What `text` means in `doc`, as a key of depth `min` to `max`. With `entity` NULL the
 * text begins with an entity; else with a component of that one. The key's names lie in
 * `scratch`, of strlen(text) + 1 bytes. O(strlen(text)^2).
 * Errors: CRDT_EINVAL: it has fewer names than `min` asks for. */
crdt_err cli_path_resolve(const char *text, const crdt_span *entity, crdt_depth min,
                          crdt_depth max, const crdt_document *doc, char *scratch,
                          crdt_key *key, crdt_diag *diag);

#endif /* CLI_PATH_H */
