#ifndef SCENE_LAYOUT_H
#define SCENE_LAYOUT_H

/* How a scene lies on a document: which object, part and field holds what.
 *
 * JSON names are UTF-8, so no name of a file begins with the byte FF: such names are
 * ours.
 *
 *   object                part                 field
 *   <entity id>           <component type>     <top-level field of its JSON object>
 *                                              FF v   the whole value of one that is no object
 *                                              FF o   place in the entity (integer)
 *                                              FF i   component id (builder)
 *                                              FF s   id of the shared component behind it
 *                                              FF x   unknown fields around the value (object)
 *                                              FF a   true: the file gave no value at all
 *                                              FF b   base64 text of a binary value (composite)
 *                                              FF k   number of its column, if not 1 (composite)
 *                                              FF t   "$case" where unlike its column: text,
 *                                                     or null for none (composite)
 *                         FF r<n>:<type>       the same, n-th (n >= 2) component of one type
 *                         FF d<component id>   a component id that the entity lists and nothing
 *                                              has (builder); fields: FF o
 *                         FF e                 <unknown or format-owned field of the entity>:
 *                                              name, disableGizmos, ...
 *                                              FF a   true: without the name that
 *                                                     manifests of its version have
 *                                              FF o   place among the entities (integer)
 *   FF c<component id>    <component type>     a component that several entities share, or none
 *                                              refers to: fields as above
 *                         FF e                 FF a   true: kept though nothing refers to it
 *   FF scene              FF e                 format: "state", "builder" or "composite", the
 *                                              one imported (default of export)
 *                         state                fields of the file: schemaVersion, ...
 *                         builder              fields of the manifest: version, ...
 *                         project              fields of its project, spelled as given
 *                         wrapper              live where `scene` is wrapped (v11): sdk6, sdk7
 *                         scene                fields of its scene: id, ground, metrics, ...
 *                         assets               one field an asset
 *                         sdk7                 fields of scene.sdk7: id, mappings, ...
 *                         composite            fields of the file: version, ...
 *                         FF p                 what the scene was saved from
 *                                              (scene/descent.h)
 *                         FF k<component type> a column: jsonSchema, unknown fields;
 *                                              FF o place, FF a no data, FF t its "$case"
 *                         FF r<n>:FF k<type>   the n-th (n >= 2) column of one type
 *
 * Values of scene-wide parts (project, assets, ...) that are no objects lie in FF v.
 *
 * Sharing. A part with FF s shows the fields of the part of the same type in the object
 * FF c<id>, overlaid by its own: copy on write, field by field. To take a shared field
 * away from one entity: copy the shared fields into the part, unset FF s and that
 * field. A part with an own FF v (or FF b) shows that alone.
 *
 * Order. Where all of a list stand in the default order (below) no FF o is written,
 * else all have one. Those with FF o come first, ascending; then those without; ties
 * and the latter in the default order. So a new entity or component needs no FF o.
 *
 * Whole against fields: of FF v (or FF b) and the fields of one part, written at once,
 * the later stamp shows: either the whole value, or the object of all fields. Who
 * writes one unsets the other.
 *
 * Parent. The field `parent` of the transform (either spelling): the parent's id as
 * text, or, for decimal ids, as a number. Absent, null, 0, "" and "0" are the root. */

#include "crdt/op.h"

#include <stdbool.h>

/* Our own names, for crdt_span_of. */
#define SCENE_NAME_VALUE "\377v"
#define SCENE_NAME_ORDER "\377o"
#define SCENE_NAME_ID "\377i"
#define SCENE_NAME_SHARED "\377s"
#define SCENE_NAME_EXTRA "\377x"
#define SCENE_NAME_ABSENT "\377a"
#define SCENE_NAME_BINARY "\377b"
#define SCENE_NAME_COLUMN "\377k" /* field; and prefix of parts in FF scene */
#define SCENE_NAME_CASE "\377t"
#define SCENE_NAME_DANGLING "\377d"  /* prefix of parts */
#define SCENE_NAME_ENTITY "\377e"    /* part: what belongs to the entity itself */
#define SCENE_NAME_COMPONENT "\377c" /* prefix of the objects of shared components */
#define SCENE_NAME_SCENE "\377scene" /* object: what belongs to the scene itself */
#define SCENE_NAME_FORMAT "format"   /* field of FF e in FF scene */
#define SCENE_NAME_ORIGIN "origin"   /* field of FF e in FF scene */

typedef enum scene_format {
    SCENE_FORMAT_NONE = 0, /* unknown, or: recognize */
    SCENE_FORMAT_STATE,
    SCENE_FORMAT_BUILDER,
    SCENE_FORMAT_COMPOSITE,
} scene_format;

/* "state", "builder", "composite"; "none". And back: SCENE_FORMAT_NONE where it is
 * unknown. */
const char *scene_format_name(scene_format format);
scene_format scene_format_parse(crdt_span name);

/* Components that every format knows, each in its own spelling. */
typedef enum scene_class {
    SCENE_CLASS_OTHER = 0,
    SCENE_CLASS_TRANSFORM, /* Transform, core::Transform */
    SCENE_CLASS_NAME,      /* Name, core-schema::Name */
    SCENE_CLASS_SHAPE,     /* GLTFShape, core::GltfContainer */
} scene_class;

/* The class of a component type in any spelling. */
scene_class scene_layout_class(crdt_span type);
/* The spelling of a class in a format; empty for SCENE_CLASS_OTHER. */
crdt_span scene_layout_spelling(scene_class kind, scene_format format);
/* The type as `format` spells it; types of no class stay as they are. */
crdt_span scene_layout_translate(crdt_span type, scene_format format);

/* Is the object an entity (its name does not begin with FF)? */
bool scene_layout_is_entity(crdt_span object);
/* Does the name belong to us (begins with FF)? */
bool scene_layout_is_own(crdt_span name);
/* Is the part a component of an entity? Then *type (may be NULL) is its type without
 * the mark of repetition. Not so: FF e, FF d..., FF k.... */
bool scene_layout_is_component(crdt_span part, crdt_span *type);
/* Split FF r<n>:<base>; for other names n is 1 and the base the name itself. */
crdt_span scene_layout_base(crdt_span name, uint32_t *number);

/* Default order. Components: scripts first, then by bytes of the type, then by number. Entities:
 * decimal ids first, by number; then by bytes. Negative, 0, positive; total. */
int scene_layout_component_compare(crdt_span a, crdt_span b);
int scene_layout_entity_compare(crdt_span a, crdt_span b);
/* Is the text a decimal number without sign, leading zeros, and below 2^53? */
bool scene_layout_decimal(crdt_span text, uint64_t *number);

/* Room for the text of a parent given as a number. */
#define SCENE_PARENT_TEXT_SIZE 24
/* What a `parent` value says: true and the parent's id (in `value` or in `text`), or
 * false: the root. A value that is neither text nor an integer >= 0 is the root. */
bool scene_layout_parent(crdt_span value, char text[SCENE_PARENT_TEXT_SIZE],
                         crdt_span *parent);

#endif /* SCENE_LAYOUT_H */
