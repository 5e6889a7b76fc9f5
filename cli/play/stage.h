#ifndef CLI_PLAY_STAGE_H
#define CLI_PLAY_STAGE_H

/* What a scene's code builds: entities and components, made of its calls on `dcl`.
 *
 * A call that makes no sense (a component for an entity that is not there, a value that is
 * no JSON) does nothing and is noted; the script goes on. So do renderers.
 *
 *   entity      in the order in which they were added; its parent may be added later. One
 *               whose parent never comes, or that hangs below itself, is under the root.
 *   component   of a slot and a class id; its own (updateEntityComponent) or one that
 *               several entities share (componentCreated, attachEntityComponent)
 *
 * What generated code carries beside the calls (docs/CODEGEN.md) is taken up: entities have
 * their ids of the scene, components their types, and fields that were made for the real
 * runtime are left out. So what such code builds is what the snapshot shows. Of code by
 * hand, ids are those it uses, and types those of the class ids.
 *
 * Pure. Limits: entities, components, bytes; beyond them a call is CRDT_ELIMIT and the
 * script should be ended. Memory: what is replaced is kept until the stage is closed. */

#include "cli/play/dcl.h"
#include "scene/layout.h"

typedef struct play_stage play_stage;

typedef struct play_stage_limits {
    size_t entity_max;    /* alive or removed; default 100,000 */
    size_t component_max; /* created, set or attached; default 500,000 */
    size_t size_max;      /* bytes of names and values; default 64 MiB */
} play_stage_limits;

play_stage_limits play_stage_limits_default(void);

/* Errors: CRDT_ENOMEM. */
crdt_err play_stage_open(play_stage **out, crdt_alloc alloc,
                         const play_stage_limits *limits);
/* Accepts NULL. */
void play_stage_close(play_stage *stage);

/* Do one call. O(components of the entity). Errors: CRDT_ELIMIT, in `diag`; CRDT_ENOMEM. */
crdt_err play_stage_apply(play_stage *stage, const play_call *call, crdt_diag *diag);
/* The script has ended: settle who hangs where, and by which ids all are shown. No call
 * after it. O(entities). Errors: CRDT_ENOMEM, CRDT_ELIMIT: some cannot be found by id. */
crdt_err play_stage_finish(play_stage *stage);

/* How many calls were noted, and the first: "line 7: setParent: there is no entity `9`". */
size_t play_stage_note_count(const play_stage *stage);
const char *play_stage_note(const play_stage *stage);

/* ---- what stands there ---- */

typedef enum play_value {
    PLAY_VALUE_JSON,
    PLAY_VALUE_BINARY, /* data is its base64 text, as JSON */
    PLAY_VALUE_ABSENT, /* there is none */
} play_value;

typedef struct play_component {
    crdt_span type;  /* "Transform" */
    uint32_t number; /* 2: the second of this type; else 1 */
    bool has_class;
    uint32_t class_id;
    play_value kind;
    crdt_span data; /* canonical JSON; empty if there is none */
} play_component;

typedef struct play_entity {
    crdt_span id;     /* unique */
    crdt_span parent; /* id of an entity, or empty: the root */
    bool carried; /* generated code said who it is: its transform tells the parent */
    crdt_span fields; /* its own fields beside components, a JSON object; or empty */
    size_t component_count;
} play_entity;

/* Whose spellings the types are: as generated code says, else state. */
scene_format play_stage_origin(const play_stage *stage);
size_t play_stage_entity_count(const play_stage *stage);
/* Step through the entities; start with 0. False at the end. Borrowed until the next
 * call. */
bool play_stage_next(const play_stage *stage, size_t *index, play_entity *entity);
/* Find one by its id; *index is as after stepping to it. O(1). */
bool play_stage_find(const play_stage *stage, crdt_span id, size_t *index,
                     play_entity *entity);
/* The n-th component (in their order) of the entity last stepped to with `index`. */
play_component play_stage_component(const play_stage *stage, size_t index, size_t n);

#endif /* CLI_PLAY_STAGE_H */
