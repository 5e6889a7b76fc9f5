#ifndef CLI_SERVERS_JSON_PUT_H
#define CLI_SERVERS_JSON_PUT_H

/* Shorthands for answers and files of the servers on scene/json_writer.h: members with
 * literal keys, and values taken over from parsed text. */

#include "scene/json.h"
#include "scene/json_writer.h"

/* A member; the key must outlive the object (a literal). */
void servers_json_text(scene_json_writer *writer, const char *key, const char *text);
void servers_json_span(scene_json_writer *writer, const char *key, crdt_span text);
void servers_json_bool(scene_json_writer *writer, const char *key, bool value);
/* A parsed value, canonical; its text must have been parsed with the default depth or
 * less. O(size). */
void servers_json_node(scene_json_writer *writer, const scene_json_node *node);
/* The members of a parsed object, but those named in `skip` (ends with NULL, may be NULL).
 * The parsed text must outlive the object. */
void servers_json_members(scene_json_writer *writer, const scene_json_node *object,
                          const char *const *skip);

/* A text member that is there and is a text; false: not. Borrowed from the parsed text. */
bool servers_json_find_text(const scene_json_node *object, const char *key,
                            crdt_span *text);

#endif /* CLI_SERVERS_JSON_PUT_H */
