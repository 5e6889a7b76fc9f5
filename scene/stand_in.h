#ifndef SCENE_STAND_IN_H
#define SCENE_STAND_IN_H

/* Which write stands for which earlier one: an undo or redo writes again what was there,
 * housekeeping what is there, and for undo that is the very write that it restored:
 *
 *      edit x = 1 @5      edit x = 2 @9      undo x = 1 @12       @12 stands for @5
 *
 * so any number of undos and redos in any order restore what they should. Learnt from the
 * history records, newest first; of a step, which is several records, from the newest of
 * them on to the oldest. */

#include "crdt/digest.h"
#include "crdt/history.h"
#include "scene/id_map.h"

typedef struct scene_stand_ins {
    crdt_alloc alloc;
    struct scene_stand_in *items; /* in the order they were learnt */
    size_t count;
    size_t capacity;
    scene_id_map map; /* of them by name */
    struct scene_restored *restored;
    size_t restored_count;
    size_t restored_capacity;
    scene_id_map restored_map;
} scene_stand_ins;

void scene_stand_ins_init(scene_stand_ins *ins, crdt_alloc alloc);
void scene_stand_ins_deinit(scene_stand_ins *ins);

/* Errors of all: CRDT_ENOMEM. */

/* An undo or redo is met, before its target: remember what it wrote. */
crdt_err scene_stand_ins_note(scene_stand_ins *ins, const crdt_history_record *record);
/* A record of the target (as the undo names it) is met: what was written for it stands for
 * what it had dropped. */
crdt_err scene_stand_ins_settle(scene_stand_ins *ins, const crdt_history_record *record,
                                const crdt_stamp *target);
/* Housekeeping is met: it changes nothing that is seen. */
crdt_err scene_stand_ins_keep_house(scene_stand_ins *ins,
                                    const crdt_history_record *record);

/* Is `held`, a write of this key, `written`, or does it stand for it? */
bool scene_stand_ins_same(const scene_stand_ins *ins, const crdt_key *key,
                          const crdt_stamp *held, const crdt_stamp *written);

#endif /* SCENE_STAND_IN_H */
