#ifndef CLI_PLAY_STAGE_IMPL_H
#define CLI_PLAY_STAGE_IMPL_H

/* What the parts of the stage share: stage.c does calls, stage_read.c reads their
 * arguments, stage_show.c tells what stands there. */

#include "cli/play/stage.h"
#include "scene/json.h"
#include "scene/text_map.h"

/* A component that several entities may show. */
typedef struct play_shared {
    crdt_span id;
    play_component shown;
    bool disposed;
} play_shared;

/* A component of an entity: its own, or one that is shared. */
typedef struct play_part {
    crdt_span slot; /* the type, where no slot can be said */
    play_component own;
    uint32_t shared; /* number of the shared one + 1; 0: its own */
} play_part;

typedef struct play_stage_entity {
    crdt_span id;
    crdt_span parent;
    crdt_span shown_id;
    bool carried;
    crdt_span fields;
    bool removed;
    uint8_t mark; /* while cycles are looked for */
    play_part *parts;
    size_t part_count;
    size_t part_capacity;
} play_stage_entity;

struct play_stage {
    crdt_alloc alloc;
    play_stage_limits limits;
    crdt_arena texts;
    play_stage_entity *entities;
    size_t entity_count;
    size_t entity_capacity;
    size_t alive_count;
    scene_text_map entity_by_id;    /* removed ones stay in it */
    scene_text_map entity_by_shown; /* once all are there */
    scene_format origin;
    play_shared *shared;
    size_t shared_count;
    size_t shared_capacity;
    scene_text_map shared_by_id;
    size_t component_count;
    size_t note_count;
    char note[256];
};

/* The root's id: "0". */
extern const crdt_span play_stage_root;

/* Note what was not done, of which `what` is the thing, `name` its name. */
void play_stage_note_call(play_stage *stage, const play_call *call, const char *what,
                          crdt_span name);
/* A copy that lives as long as the stage. Errors: CRDT_ELIMIT, in `diag`. */
crdt_err play_stage_copy(play_stage *stage, crdt_span text, crdt_span *out,
                         crdt_diag *diag);

/* Can it be a name or an id, is argument 2 a class id? If not, it is noted. */
bool play_stage_name_fits(play_stage *stage, const play_call *call, crdt_span name);
bool play_stage_read_class(play_stage *stage, const play_call *call,
                           uint32_t *class_id);
/* The canonical text of `node`, without the members that `made` lists (may be NULL),
 * kept. */
crdt_err play_stage_keep_json(play_stage *stage, const scene_json_node *node,
                              const scene_json_node *made, crdt_span *data,
                              crdt_diag *diag);
/* Open what a call carries; *json NULL where it carries nothing of sense. */
crdt_err play_stage_open_carried(play_stage *stage, crdt_span text, scene_json **json);
/* The text that is the member `key`; false: there is none, or it is of no use as a name. */
bool play_stage_carried_text(const scene_json *json, const char *key, crdt_span *text);
/* The canonical text of a value, kept. *fits false: it is none, noted. */
crdt_err play_stage_read_data(play_stage *stage, const play_call *call, crdt_span text,
                              const scene_json *carried, crdt_span *data, bool *fits,
                              crdt_diag *diag);
/* What a component is: by what is carried, else by its class, else by its slot. */
crdt_err play_stage_read_type(play_stage *stage, const scene_json *carried,
                              crdt_span slot, play_component *component,
                              crdt_diag *diag);

#endif /* CLI_PLAY_STAGE_IMPL_H */
