#ifndef SCENE_CLASS_ID_H
#define SCENE_CLASS_ID_H

/* Numbers of components, as renderers and generated code name them.
 *
 *   1 Transform, 22 NFTShape, 54 GLTFShape, 204 Script, 300 Name, 301 LockedOnEdit,
 *   302 VisibleOnEdit: those of the decision record's scenes; and the others of the
 *   renderer's list (16 BoxShape, 65 PBRMaterial, ...). SDK7: fixed numbers of the core::
 *   components, and for others (CRC32(name) + 2048) mod 2^32 (ADR-165). */

#include "scene/layout.h"

#include <stdint.h>

/* The number of a component type in the spelling of `origin` (scene_origin_of); false: it
 * has none (then its name is used). */
bool scene_class_id(crdt_span type, scene_format origin, uint32_t *id);
/* The component type that a number names in a scene of this origin; false: unknown (numbers
 * of custom SDK7 components cannot be turned back). Static text. */
bool scene_class_id_type(uint32_t id, scene_format origin, crdt_span *type);

#endif /* SCENE_CLASS_ID_H */
