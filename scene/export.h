#ifndef SCENE_EXPORT_H
#define SCENE_EXPORT_H

/* What the writers of the three formats share: from a document to JSON, and what a
 * target cannot say into `scenesync` fields (scene/import.h reads them).
 *
 * A document has an origin: the format whose spellings and unknown fields it holds. To
 * write that format is native: every field goes back where it was. To write another
 * translates the types that both know (scene/layout.h), adds what readers of the target
 * need, and remembers both.
 *
 * The first failure sticks in writer.err; check it once at the end. */

#include "crdt/document.h"
#include "scene/descent.h"
#include "scene/import.h"
#include "scene/json_writer.h"
#include "scene/scene.h"
#include "scene/text_map.h"
#include "scene/tree.h"

/* A field of a value that is not written as it is held. */
typedef struct scene_override {
    crdt_span key;
    bool remove;     /* not written at all */
    bool silent;     /* the way back needs no word of it */
    crdt_span value; /* what is written instead; or in addition */
    bool had;        /* it is held: `former` */
    crdt_span former;
} scene_override;

#define SCENE_OVERRIDES_MAX 8

/* A part of an entity, with its place. */
typedef struct scene_export_part {
    crdt_part part;
    crdt_span name;
    bool bare; /* it has no field of ours */
    bool ordered;
    int64_t order;
} scene_export_part;

/* An entity, with its place. */
typedef struct scene_export_entity {
    crdt_object object;
    crdt_span id;
    bool ordered;
    int64_t order;
} scene_export_entity;

/* A component that is being written. */
typedef struct scene_export_component {
    crdt_object object; /* the entity's; of a shared component its own */
    crdt_part part;
    crdt_span type;    /* as held, without the mark of repetition */
    crdt_span written; /* as the target spells it */
    scene_component shown;
    scene_override overrides[SCENE_OVERRIDES_MAX];
    size_t override_count;
} scene_export_component;

typedef struct scene_export {
    const crdt_document *doc;
    crdt_alloc alloc;
    scene_format target;
    scene_format origin;
    bool native; /* origin and target are the same, or a composite came in a manifest */
    bool manifest;                /* a composite that goes into a manifest */
    const scene_tree *tree;       /* resolved parents; NULL: as written */
    const scene_descent *descent; /* NULL: what the document itself says */
    bool under_root;              /* of the entity at hand: leave its parent out */
    bool plain;        /* the state's record written last had nothing of ours */
    crdt_object scene; /* FF scene, {0}: there is none */
    scene_json_writer writer;
    crdt_arena arena;              /* as long as the whole export */
    crdt_arena entity;             /* as long as one entity */
    scene_text_map number_map;     /* composite: numbers of entities by id */
    const scene_text_map *numbers; /* it, once it is filled; else NULL */
} scene_export;

void scene_export_init(scene_export *export, const crdt_document *doc,
                       scene_format target, const scene_tree *tree, crdt_alloc alloc,
                       crdt_buf *out);
void scene_export_deinit(scene_export *export);
/* No memory: nothing more is written. */
void scene_export_fail(scene_export *export, crdt_err err);

/* ---- reading the document ---- */

/* The value of a field of a live part; false: none. */
bool scene_export_get(const scene_export *export, crdt_part part, const char *field,
                      crdt_span *value);
bool scene_export_get_text(const scene_export *export, crdt_part part,
                           const char *field, crdt_span *text);
bool scene_export_get_integer(const scene_export *export, crdt_part part,
                              const char *field, int64_t *number);
/* A live part by name, {0}: none. */
crdt_part scene_export_part_of(const scene_export *export, crdt_object object,
                               crdt_span name);
/* A live part of FF scene, {0}: none. */
crdt_part scene_export_scene_part(const scene_export *export, const char *name);

/* The components and dangling components of an entity, in their order; NULL with count 0
 * where there are none (or no memory). In the arena `entity`. */
scene_export_part *scene_export_parts(scene_export *export, crdt_object object,
                                      size_t *count);
/* The live columns of FF scene, in their order. In `arena`. */
scene_export_part *scene_export_columns(scene_export *export, size_t *count);
/* The live entities, in their order. In `arena`. */
scene_export_entity *scene_export_entities(scene_export *export, size_t *count);

/* Step through the shared components: objects FF c, their parts and ids. Start with {0};
 * order unspecified; false at the end. */
bool scene_export_next_shared(const scene_export *export, crdt_object *object,
                              crdt_part *part, crdt_span *id);
/* Is it to stay though nothing refers to it? */
bool scene_export_is_kept(const scene_export *export, crdt_object object);

/* ---- writing ---- */

/* Own text as a canonical value, in the arena `entity`. */
crdt_span scene_export_text_value(scene_export *export, crdt_span text);
crdt_span scene_export_number_value(scene_export *export, double number);

/* The fields of a part as members, but our own. */
void scene_export_fields(scene_export *export, crdt_part part);
/* A part as one value: an object of its fields, or what it is whole. */
void scene_export_part_value(scene_export *export, crdt_part part);

/* Prepare a component: what it shows, how the target spells it, what is overridden.
 * `alone`: it is a shared component, of no entity. */
void scene_export_open_component(scene_export *export, crdt_object object,
                                 crdt_part part, bool alone,
                                 scene_export_component *component);
/* Write a member with its value, binary ones as null; false, and nothing, if it has
 * none. */
bool scene_export_component_value(scene_export *export,
                                  const scene_export_component *component,
                                  const char *key);
/* Unknown members of its record, where the target is native. */
void scene_export_component_extra(scene_export *export,
                                  const scene_export_component *component);
/* Write the member `scenesync` of a component's record, if there is something to say. */
void scene_export_component_carry(scene_export *export,
                                  const scene_export_component *component);

/* Members of an entity's `scenesync`: what its own part says that is not native, and
 * `dangling` rows. `places`: with the places that a list of components would show
 * (composite). */
void scene_export_entity_members(scene_export *export, crdt_object object,
                                 const scene_export_part *parts, size_t count,
                                 bool places);
/* Members of the scene's `scenesync`: format, parts, and where asked columns and shared
 * components. */
void scene_export_scene_members(scene_export *export, bool with_columns,
                                bool with_shared);

#endif /* SCENE_EXPORT_H */
