#ifndef SCENE_DERIVE_H
#define SCENE_DERIVE_H

/* Ids that an exporter has to make up: a function of what they are for, so every replica
 * makes the same, every time. */

#include "crdt/buf.h"

#define SCENE_UUID_SIZE 36

/* A UUID (RFC 9562, version 8) of two texts and what they mean. Not terminated. */
void scene_derive_uuid(const char *meaning, crdt_span a, crdt_span b,
                       char text[SCENE_UUID_SIZE]);
/* Is `id` that UUID? */
bool scene_derive_is_uuid(crdt_span id, const char *meaning, crdt_span a, crdt_span b);

#endif /* SCENE_DERIVE_H */
