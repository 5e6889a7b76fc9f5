#ifndef SCENE_SCENE_H
#define SCENE_SCENE_H

/* Entities and components on a document: reading what they are. Changing them:
 * scene/edit.h.
 *
 * How they lie on objects, parts and fields, and the spellings of Transform and Name:
 * scene/layout.h. A component may be shared by many entities: then its fields lie in an
 * object of their own, and fields of the entity's part stand before those (copy on
 * write, field by field). All names and ids are bytes as given, never translated. */

#include "crdt/document.h"
#include "crdt/value.h"
#include "scene/layout.h"

/* The format that was imported: SCENE_FORMAT_NONE where the scene began empty. */
scene_format scene_format_of(const crdt_document *doc);
/* The format whose spellings the document has: the one imported, unless that file carried
 * what came from another; SCENE_FORMAT_STATE where the scene began empty. */
scene_format scene_origin_of(const crdt_document *doc);

/* Is there such an entity? */
bool scene_entity_live(const crdt_document *doc, crdt_span entity);

/* Step through the live entities (objects that are not ours): start with {0}; order
 * unspecified; false at the end. */
bool scene_entity_next(const crdt_document *doc, crdt_object *entity);

/* The bytes of a value that is a text, borrowed; false: it is none. */
bool scene_value_text(crdt_span value, crdt_span *text);
/* Has the part no field of ours (FF ...)? Then it shares nothing, is no whole value, and
 * carries nothing. O(fields), without looking a name up. */
bool scene_part_bare(const crdt_document *doc, crdt_part part);
/* The live part of an object at hand (or of {0}), {0}: there is none. */
crdt_part scene_part_find(const crdt_document *doc, crdt_object object, crdt_span name);

/* One top-level field as it is shown. Borrowed until the next change. */
typedef struct scene_field {
    crdt_span name;
    crdt_span value;
    crdt_stamp stamp;
    crdt_span who;
    bool inherited; /* it is the shared component's */
} scene_field;

/* A component of a live entity as it is shown. A plain value with cursors into the
 * document: valid until its next change. */
typedef struct scene_component {
    const crdt_document *doc;
    crdt_part own;
    crdt_part shared; /* {0}: not shared, or what is shared is gone */
    bool bare;        /* `own` has no field of ours */
    bool whole;       /* it is no object: `value` is all there is */
    bool binary;      /* whole, and `value` is base64 text (composite) */
    crdt_span value;
} scene_component;

/* The name of the shared object that a part refers to (there or not), put together in
 * `name`; false if it shares nothing. */
bool scene_part_shares(const crdt_document *doc, crdt_part part,
                       uint8_t name[CRDT_NAME_SIZE_MAX], crdt_span *object);

/* False where the entity or the component is not live. O(fields). */
bool scene_component_find(const crdt_document *doc, crdt_span entity, crdt_span name,
                          scene_component *component);
/* The same for a part at hand, which must be live. */
void scene_component_open(const crdt_document *doc, crdt_part part,
                          scene_component *component);

/* Step through the fields that are shown, in byte order of names: start with a zeroed
 * cursor. False at the end; at once for a whole value. */
typedef struct scene_field_cursor {
    crdt_field own;
    crdt_field shared;
    bool begun;
    bool own_ended;
    bool shared_ended;
} scene_field_cursor;
bool scene_component_next_field(const scene_component *component,
                                scene_field_cursor *cursor, scene_field *field);
/* One field by name; false if it is not shown. */
bool scene_component_field(const scene_component *component, crdt_span name,
                           scene_field *field);

/* Append the component's whole value, canonical. Errors: CRDT_ENOMEM, CRDT_ELIMIT;
 * `out` as before. */
crdt_err scene_component_value(const scene_component *component, crdt_buf *out);

/* The live components of an entity that are of a class, whatever their spelling (an
 * entity may have several): their number. */
#define SCENE_CLASS_PARTS_MAX 3
size_t scene_class_parts(const crdt_document *doc, crdt_object entity, scene_class kind,
                         crdt_part parts[SCENE_CLASS_PARTS_MAX]);

/* What an entity says of its parent, before the tree is resolved. */
typedef struct scene_parent {
    bool named;       /* it names one; else it is under the root */
    crdt_span id;     /* borrowed from the document, or from `text` */
    crdt_stamp stamp; /* of the field that says so; time 0 where there is none */
    crdt_span who;    /* wrote it */
    char text[SCENE_PARENT_TEXT_SIZE];
} scene_parent;

/* May any entity name a parent? False: all are under the root. O(1). */
bool scene_names_parents(const crdt_document *doc);
/* Fill `parent` (do not move it afterwards) for a live entity. Where two spellings of
 * the transform name one, the later stamp counts. O(fields of its transform). */
void scene_entity_parent(const crdt_document *doc, crdt_object entity,
                         scene_parent *parent);

/* The name shown for an entity: the field `value` of its Name component if that is
 * text; false if it has none. */
bool scene_entity_name(const crdt_document *doc, crdt_span entity, crdt_span *utf8);

#endif /* SCENE_SCENE_H */
