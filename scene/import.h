#ifndef SCENE_IMPORT_H
#define SCENE_IMPORT_H

/* What the readers of the three formats share: from JSON nodes to operations in the
 * layout of scene/layout.h.
 *
 * What one format cannot say of another travels in the field `scenesync` of its records
 * (docs/FORMATS.md): the importer takes it from there, so that the way back is whole.
 *
 *   of the scene       {"format", "parts", "columns", "shared", "invented", "lineage",
 *                       "version", "ancestors"}
 *   of an entity       {"order", "fields", "components", "dangling", "name",
 *                       "nameless"}
 *   of a component     {"id", "shared", "order", "column", "case", "binary", "absent",
 *                       "type", "extra", "was", "made", "invented"}
 *
 * `was` and `made` hold the fields of a value that the exporter changed: as they were,
 * and as it wrote them. A field that still reads as made becomes what it was; another
 * was edited meanwhile and stays. */

#include "crdt/op_list.h"
#include "crdt/planter.h"
#include "scene/json.h"
#include "scene/layout.h"
#include "scene/text_map.h"

#define SCENE_CARRY "scenesync"

typedef struct scene_import {
    crdt_alloc alloc;
    const scene_json *json;
    crdt_op_list *ops;     /* operations go here, */
    crdt_planter *planter; /* or, if not NULL, here: as they come, in key order */
    crdt_diag *diag;
    const char *file_name;        /* of the file that is read, NULL: unknown */
    scene_format format;          /* of the file */
    scene_format origin;          /* whose spellings it comes from: mostly `format` */
    const scene_json_node *carry; /* `scenesync` of the scene, NULL: none */
    scene_text_map shared;        /* its shared components: id -> node, as an index */
    scene_text_map numbers;       /* its entities (composite): number -> node */
    crdt_arena arena;             /* names made here, lists of one reading */
    crdt_buf value;               /* scratch: one value */
    crdt_buf other;               /* scratch: another, to compare */
} scene_import;

void scene_import_init(scene_import *import, crdt_alloc alloc, const scene_json *json,
                       crdt_op_list *ops, crdt_diag *diag);
void scene_import_deinit(scene_import *import);

/* ---- writing operations ----
 * Errors of all: CRDT_ENOMEM, and those of crdt_planter_put; those that take a node also
 * CRDT_ELIMIT (a name or a value is too long) with its place. */

crdt_err scene_import_add_object(scene_import *import, crdt_span object);
crdt_err scene_import_add_part(scene_import *import, crdt_span object, crdt_span part);
crdt_err scene_import_set(scene_import *import, crdt_span object, crdt_span part,
                          crdt_span field, const scene_json_node *node);
/* `value` is canonical (crdt/value.h). */
crdt_err scene_import_set_value(scene_import *import, crdt_span object, crdt_span part,
                                crdt_span field, crdt_span value);
crdt_err scene_import_set_integer(scene_import *import, crdt_span object,
                                  crdt_span part, const char *field, int64_t number);
crdt_err scene_import_set_text(scene_import *import, crdt_span object, crdt_span part,
                               const char *field, crdt_span text);
crdt_err scene_import_set_bool(scene_import *import, crdt_span object, crdt_span part,
                               const char *field, bool boolean);

/* Is `name` short enough for an id, a type, a key? `node` is where it stands. */
crdt_err scene_import_check_name(scene_import *import, const scene_json_node *node,
                                 crdt_span name);
/* A name made of two, in the arena; data NULL: no memory. */
crdt_span scene_import_join(scene_import *import, const char *prefix, crdt_span name);

/* ---- values ---- */

/* The members of `object` as fields of a part that is there already, but those whose
 * names are in `skip` (ends with NULL). */
crdt_err scene_import_fields(scene_import *import, crdt_span object, crdt_span part,
                             const scene_json_node *node, const char *const *skip);
/* Add a part that holds a value: the members of an object, else FF v. */
crdt_err scene_import_part(scene_import *import, crdt_span object, crdt_span part,
                           const scene_json_node *node);

/* A component as a file has it. */
typedef struct scene_import_component {
    const scene_json_node *record; /* where it stands; its members are its fields */
    const char *const *known;      /* members of the record that have a meaning */
    const scene_json_node *value;  /* NULL: none */
    const scene_json_node *carry;  /* `scenesync` of the record, NULL: none */
    const scene_json_node *base; /* the value it shares: only what differs is written */
    bool numbered; /* parents may be numbers that stand for ids (composite) */
} scene_import_component;

/* Write the component into `part` of `object`, the part included. */
crdt_err scene_import_put_component(scene_import *import, crdt_span object,
                                    crdt_span part,
                                    const scene_import_component *component);
/* What stands beside the value alone: unknown members, carried fields. */
crdt_err scene_import_put_beside(scene_import *import, crdt_span object, crdt_span part,
                                 const scene_import_component *component);
/* Was the component invented by the exporter, and is as it was invented? */
bool scene_import_is_invented(scene_import *import,
                              const scene_import_component *component);

/* ---- lists of one entity ---- */

/* The parts of one entity, in the order of the file. */
typedef struct scene_import_parts {
    crdt_span *names;
    uint32_t count;
    uint32_t capacity;
    scene_text_map last; /* type -> number of its last part */
} scene_import_parts;

/* Begin a list; its memory is the arena's. */
void scene_import_open_parts(scene_import *import, scene_import_parts *parts);
/* The name of the part for the next component of `type` (FF r<n>:<type> for the n-th),
 * added to the list. Errors: CRDT_ENOMEM. */
crdt_err scene_import_next_part(scene_import *import, scene_import_parts *parts,
                                crdt_span type, crdt_span *part);
/* Write FF o to all parts, if they are not in the default order. */
crdt_err scene_import_order_parts(scene_import *import, crdt_span object,
                                  const scene_import_parts *parts);

/* Rows [place, id] of dangling components that are still to come. */
typedef struct scene_import_rows {
    const scene_json_node *row;
    uint32_t left;
} scene_import_rows;

/* The rows of `list` (NULL: none). */
scene_import_rows scene_import_open_rows(const scene_json_node *list);
/* Add the dangling components whose place in the list has come (`rest`: all that are
 * left). Errors also: CRDT_ECORRUPT with the place. */
crdt_err scene_import_dangling(scene_import *import, crdt_span entity,
                               scene_import_parts *parts, scene_import_rows *rows,
                               bool rest);
/* The one component id that the entity lists and nothing has. */
crdt_err scene_import_put_dangling(scene_import *import, crdt_span entity,
                                   scene_import_parts *parts,
                                   const scene_json_node *id);

/* ---- entities and the scene ---- */

/* Add the entity's own data: members of `record` but `skip`, what `carry` holds, and
 * its place `order` (negative: none). Adds the part only if it has something to hold. */
crdt_err scene_import_entity_data(scene_import *import, crdt_span entity,
                                  const scene_json_node *record,
                                  const char *const *skip, const scene_json_node *carry,
                                  int64_t order);

/* Find `scenesync` in `holder`, and with it the origin. Errors: CRDT_ENOMEM. */
crdt_err scene_import_open_carry(scene_import *import, const scene_json_node *holder);
/* Write format and origin, the carried parts, columns and shared components. */
crdt_err scene_import_scene_data(scene_import *import);
/* What the scene's `scenesync` says of the entity with this number; NULL: nothing. */
const scene_json_node *scene_import_find_number(const scene_import *import,
                                                crdt_span number);
/* The value that a component of `type` shares, as its record says and the scene carries
 * it; NULL: none. */
const scene_json_node *scene_import_shared_value(const scene_import *import,
                                                 const scene_json_node *carry,
                                                 crdt_span type);
/* Add a column of a composite: its fields, place aside. `part` is its part's name. */
crdt_err scene_import_put_column(scene_import *import, scene_import_parts *columns,
                                 const scene_json_node *column, bool absent,
                                 const scene_json_node *kind, crdt_span *part);
/* Does the member `key` of the scene's part `part` read as the exporter invented it? */
bool scene_import_scene_invented(scene_import *import, const char *part, crdt_span key,
                                 const scene_json_node *node);

/* Are the two the same value? */
bool scene_import_equal(scene_import *import, const scene_json_node *a,
                        const scene_json_node *b);

#endif /* SCENE_IMPORT_H */
