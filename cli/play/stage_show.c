#include "cli/play/stage_impl.h"

#include <stdio.h>

/* ---- the end ---- */

/* Parts of components that were disposed of are gone. */
static void drop_disposed(const play_stage *stage, play_stage_entity *owner)
{
    size_t kept = 0;
    for (size_t i = 0; i < owner->part_count; i++) {
        play_part p = owner->parts[i];
        if (p.shared == 0 || !stage->shared[p.shared - 1].disposed) {
            owner->parts[kept++] = p;
        }
    }
    owner->part_count = kept;
}

static play_stage_entity *parent_of(play_stage *stage, const play_stage_entity *child)
{
    if (crdt_span_equal(child->parent, play_stage_root)) {
        return NULL;
    }
    const uint64_t *slot = scene_text_map_find(&stage->entity_by_id, child->parent);
    bool there = slot != NULL && !stage->entities[*slot].removed;
    return there ? &stage->entities[*slot] : NULL;
}

/* Walk up from `first`; where the walk meets itself, that entity goes under the root.
 * Marks: 1 on this walk, 2 known to end at the root. */
static void settle(play_stage *stage, play_stage_entity *first)
{
    play_call call = {.kind = PLAY_CALL_SET_PARENT};
    play_stage_entity *at = first;
    while (at != NULL && at->mark == 0) {
        at->mark = 1;
        play_stage_entity *up = parent_of(stage, at);
        if (up == NULL && !crdt_span_equal(at->parent, play_stage_root)) {
            play_stage_note_call(stage, &call, "there is no entity", at->parent);
            at->parent = play_stage_root;
        } else if (up != NULL && up->mark == 1) {
            play_stage_note_call(stage, &call, "it would hang below itself:", at->id);
            at->parent = play_stage_root;
            up = NULL;
        }
        at = up;
    }
    for (at = first; at != NULL && at->mark == 1; at = parent_of(stage, at)) {
        at->mark = 2;
    }
}

/* Ids that are shown are unique: of two who claim one, the second keeps what the code
 * calls it, or, if that is taken too, a name made of its place. */
static crdt_err name_entity(play_stage *stage, size_t index)
{
    play_stage_entity *e = &stage->entities[index];
    play_call call = {.kind = PLAY_CALL_ADD_ENTITY};
    crdt_err err = CRDT_OK;
    bool fresh = false;
    for (int attempt = 0; err == CRDT_OK && !fresh; attempt++) {
        if (attempt == 1) {
            play_stage_note_call(stage, &call, "another entity has the id",
                                 e->shown_id);
            e->shown_id = e->id;
        } else if (attempt > 1) {
            char text[48];
            snprintf(text, sizeof text, "#%d/%zu", attempt, index + 1);
            err = play_stage_copy(stage, crdt_span_of(text), &e->shown_id, NULL);
        }
        if (err == CRDT_OK) {
            err = scene_text_map_put(&stage->entity_by_shown, e->shown_id, index, NULL,
                                     &fresh);
        }
    }
    return err;
}

crdt_err play_stage_finish(play_stage *stage)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < stage->entity_count; i++) {
        play_stage_entity *e = &stage->entities[i];
        if (!e->removed) {
            drop_disposed(stage, e);
            settle(stage, e);
            err = err != CRDT_OK ? err : name_entity(stage, i);
        }
    }
    return err;
}

/* ---- what stands there ---- */

size_t play_stage_note_count(const play_stage *stage)
{
    return stage->note_count;
}

const char *play_stage_note(const play_stage *stage)
{
    return stage->note;
}

scene_format play_stage_origin(const play_stage *stage)
{
    return stage->origin;
}

size_t play_stage_entity_count(const play_stage *stage)
{
    return stage->alive_count;
}

bool play_stage_next(const play_stage *stage, size_t *index, play_entity *out)
{
    while (*index < stage->entity_count && stage->entities[*index].removed) {
        (*index)++;
    }
    if (*index >= stage->entity_count) {
        return false;
    }
    const play_stage_entity *e = &stage->entities[(*index)++];
    const uint64_t *parent = scene_text_map_find(&stage->entity_by_id, e->parent);
    bool under_root = parent == NULL || crdt_span_equal(e->parent, play_stage_root);
    *out = (play_entity){.id = e->shown_id,
                         .carried = e->carried,
                         .fields = e->fields,
                         .component_count = e->part_count};
    if (!under_root) {
        out->parent = stage->entities[*parent].shown_id;
    }
    return true;
}

bool play_stage_find(const play_stage *stage, crdt_span id, size_t *index,
                     play_entity *out)
{
    const uint64_t *slot = scene_text_map_find(&stage->entity_by_shown, id);
    if (slot == NULL) {
        return false;
    }
    *index = (size_t)*slot;
    return play_stage_next(stage, index, out);
}

play_component play_stage_component(const play_stage *stage, size_t index, size_t n)
{
    const play_part *p = &stage->entities[index - 1].parts[n];
    return p->shared != 0 ? stage->shared[p->shared - 1].shown : p->own;
}
