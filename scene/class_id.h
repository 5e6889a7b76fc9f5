#ifndef SCENE_CLASS_ID_H
#define SCENE_CLASS_ID_H

/* Numbers of components, as renderers and generated code name them.
 *
 *   1 Transform, 22 NFTShape, 54 GLTFShape, 204 Script, 300 Name, 301 LockedOnEdit,
 *   302 VisibleOnEdit: those of the decision record's scenes; and the others of the
 *   renderer's list (16 BoxShape, 65 PBRMaterial, ...). SDK7: fixed numbers of the core::
 *   components, and for others (CRC32(name) + 2048) mod 2^32 (ADR-165).
 *
 * The CRC is taken as the SDK takes it: over 128 bytes, the name and zeros behind it, a
 * longer name cut. (The record says CRC32(name); but the files that are there, in
 * core-schema::Sync-Components, hold the numbers that the SDK makes.)
 *
 * Source: decentraland-ecs 6.12, CLASS_ID and the classes' decorators; @dcl/ecs 7.28,
 * component-names and component-number. */

#include "scene/layout.h"

#include <stdint.h>

/* The number of a component type in the spelling of `origin` (scene_origin_of); false: it
 * has none (then its name is used). O(table). */
bool scene_class_id(crdt_span type, scene_format origin, uint32_t *id);
/* The component type that a number names in a scene of this origin; false: unknown (numbers
 * of custom SDK7 components cannot be turned back, but for those that the editors
 * of the time use). Static text. */
bool scene_class_id_type(uint32_t id, scene_format origin, crdt_span *type);

/* A component of states and manifests, as generated code writes it. */
typedef struct scene_class_code {
    uint32_t id;
    const char *type;  /* "GLTFShape" */
    const char *slot;  /* "engine.shape": an entity shows one component of a slot */
    bool shared;       /* it is declared by itself and attached to entities */
    bool edition_only; /* it tells something to editors alone; no game reads it */
} scene_class_code;

/* NULL: it is none of them. */
const scene_class_code *scene_class_id_code(crdt_span type);

#endif /* SCENE_CLASS_ID_H */
