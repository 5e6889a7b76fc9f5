#include "cli/play/stage_impl.h"

#include "scene/array.h"
#include "scene/class_id.h"

#include <stdio.h>

const crdt_span play_stage_root = {(const uint8_t *)"0", 1};

play_stage_limits play_stage_limits_default(void)
{
    return (play_stage_limits){
        .entity_max = 100000, .component_max = 500000, .size_max = (size_t)64 << 20};
}

crdt_err play_stage_open(play_stage **out, crdt_alloc alloc,
                         const play_stage_limits *limits)
{
    play_stage *stage = crdt_allocate(alloc, sizeof *stage);
    if (stage == NULL) {
        return CRDT_ENOMEM;
    }
    *stage =
        (play_stage){.alloc = alloc, .limits = *limits, .origin = SCENE_FORMAT_STATE};
    crdt_arena_init(&stage->texts, alloc);
    stage->texts.size_max = limits->size_max;
    scene_text_map_init(&stage->entity_by_id, alloc);
    scene_text_map_init(&stage->entity_by_shown, alloc);
    scene_text_map_init(&stage->shared_by_id, alloc);
    *out = stage;
    return CRDT_OK;
}

void play_stage_close(play_stage *stage)
{
    if (stage == NULL) {
        return;
    }
    crdt_alloc alloc = stage->alloc;
    for (size_t i = 0; i < stage->entity_count; i++) {
        play_stage_entity *e = &stage->entities[i];
        crdt_free(alloc, e->parts, e->part_capacity * sizeof *e->parts);
    }
    crdt_free(alloc, stage->entities, stage->entity_capacity * sizeof *stage->entities);
    crdt_free(alloc, stage->shared, stage->shared_capacity * sizeof *stage->shared);
    scene_text_map_deinit(&stage->entity_by_id);
    scene_text_map_deinit(&stage->entity_by_shown);
    scene_text_map_deinit(&stage->shared_by_id);
    crdt_arena_deinit(&stage->texts);
    crdt_free(alloc, stage, sizeof *stage);
}

/* ---- what went wrong ---- */

/* Note what was not done, of which `what` is the thing, `name` its name. */
void play_stage_note_call(play_stage *stage, const play_call *call, const char *what,
                          crdt_span name)
{
    stage->note_count++;
    if (stage->note_count > 1) {
        return;
    }
    char line[24] = "";
    if (call->line != 0) {
        snprintf(line, sizeof line, "line %u: ", call->line);
    }
    int shown = name.size < 40 ? (int)name.size : 40;
    while (shown > 0 && (size_t)shown < name.size &&
           (name.data[shown] & 0xc0) == 0x80) {
        shown--; /* whole characters */
    }
    snprintf(stage->note, sizeof stage->note, "%s%s: %s `%.*s`", line,
             play_call_name(call->kind), what, shown, (const char *)name.data);
}

static crdt_err too_much(const play_stage *stage, crdt_diag *diag)
{
    return crdt_diag_set(diag, CRDT_ELIMIT, 0,
                         "builds too much: more than %zu MiB of values",
                         stage->limits.size_max >> 20);
}

crdt_err play_stage_copy(play_stage *stage, crdt_span text, crdt_span *out,
                         crdt_diag *diag)
{
    uint8_t *bytes = crdt_arena_alloc(&stage->texts, text.size);
    if (bytes == NULL) {
        return too_much(stage, diag);
    }
    if (text.size > 0) {
        memcpy(bytes, text.data, text.size);
    }
    *out = (crdt_span){bytes, text.size};
    return CRDT_OK;
}

/* ---- looking up ---- */

static play_stage_entity *find_entity(play_stage *stage, const play_call *call)
{
    const uint64_t *slot =
        scene_text_map_find(&stage->entity_by_id, call->arguments[0]);
    if (slot == NULL || stage->entities[*slot].removed) {
        play_stage_note_call(stage, call, "there is no entity", call->arguments[0]);
        return NULL;
    }
    return &stage->entities[*slot];
}

static play_shared *find_shared(play_stage *stage, const play_call *call, crdt_span id)
{
    const uint64_t *slot = scene_text_map_find(&stage->shared_by_id, id);
    if (slot == NULL || stage->shared[*slot].disposed) {
        play_stage_note_call(stage, call, "there is no component", id);
        return NULL;
    }
    return &stage->shared[*slot];
}

static crdt_err subscribe(play_stage *stage, const play_call *call)
{
    scene_json *carried = NULL;
    crdt_span origin;
    crdt_err err = play_stage_open_carried(stage, call->arguments[1], &carried);
    if (err == CRDT_OK && play_stage_carried_text(carried, "origin", &origin) &&
        scene_format_parse(origin) != SCENE_FORMAT_NONE) {
        stage->origin = scene_format_parse(origin);
    }
    scene_json_close(carried);
    return err;
}

/* ---- entities ---- */

/* Who an entity is in the scene. */
static crdt_err read_entity(play_stage *stage, crdt_span text, play_stage_entity *added,
                            crdt_diag *diag)
{
    scene_json *carried = NULL;
    crdt_span id;
    crdt_err err = play_stage_open_carried(stage, text, &carried);
    if (err == CRDT_OK && play_stage_carried_text(carried, "id", &id)) {
        added->carried = true;
        err = play_stage_copy(stage, id, &added->shown_id, diag);
    }
    const scene_json_node *fields =
        carried != NULL ? scene_json_find(scene_json_root(carried), "fields") : NULL;
    if (err == CRDT_OK && fields != NULL && fields->type == SCENE_JSON_OBJECT) {
        err = play_stage_keep_json(stage, fields, NULL, &added->fields, diag);
    }
    scene_json_close(carried);
    return err;
}

static crdt_err add_entity(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    crdt_span id = call->arguments[0];
    if (!play_stage_name_fits(stage, call, id)) {
        return CRDT_OK;
    }
    uint64_t *known = scene_text_map_find(&stage->entity_by_id, id);
    bool root_named = crdt_span_equal(id, play_stage_root);
    if (root_named || (known != NULL && !stage->entities[*known].removed)) {
        return CRDT_OK; /* it is there already */
    }
    if (stage->entity_count >= stage->limits.entity_max) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0,
                             "builds too many entities: more than %zu",
                             stage->limits.entity_max);
    }
    crdt_span kept;
    crdt_err err = play_stage_copy(stage, id, &kept, diag);
    if (err != CRDT_OK) {
        return err;
    }
    if (stage->entity_count == stage->entity_capacity) {
        play_stage_entity *grown =
            scene_array_grow(stage->alloc, stage->entities, stage->entity_count,
                             &stage->entity_capacity, sizeof *stage->entities);
        if (grown == NULL) {
            return CRDT_ENOMEM;
        }
        stage->entities = grown;
    }
    uint64_t *slot;
    err = scene_text_map_put(&stage->entity_by_id, kept, 0, &slot, NULL);
    if (err != CRDT_OK) {
        return err;
    }
    *slot = stage->entity_count;
    play_stage_entity *added = &stage->entities[stage->entity_count++];
    *added =
        (play_stage_entity){.id = kept, .shown_id = kept, .parent = play_stage_root};
    stage->alive_count++;
    return read_entity(stage, call->arguments[1], added, diag);
}

static void remove_entity(play_stage *stage, const play_call *call)
{
    play_stage_entity *gone = find_entity(stage, call);
    if (gone == NULL) {
        return;
    }
    crdt_free(stage->alloc, gone->parts, gone->part_capacity * sizeof *gone->parts);
    *gone =
        (play_stage_entity){.id = gone->id, .parent = play_stage_root, .removed = true};
    stage->alive_count--;
}

static crdt_err set_parent(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    play_stage_entity *child = find_entity(stage, call);
    if (child == NULL || !play_stage_name_fits(stage, call, call->arguments[1])) {
        return CRDT_OK;
    }
    return play_stage_copy(stage, call->arguments[1], &child->parent, diag);
}

/* ---- components ---- */

static crdt_err count_component(play_stage *stage, crdt_diag *diag)
{
    if (stage->component_count >= stage->limits.component_max) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0,
                             "builds too many components: more than %zu",
                             stage->limits.component_max);
    }
    stage->component_count++;
    return CRDT_OK;
}

/* The entity's component of this slot, class and number, made if it is not there. */
static crdt_err reach_part(play_stage *stage, play_stage_entity *owner, crdt_span slot,
                           const play_component *like, play_part **out, crdt_diag *diag)
{
    for (size_t i = 0; i < owner->part_count; i++) {
        play_part *p = &owner->parts[i];
        if (p->own.has_class == like->has_class && p->own.class_id == like->class_id &&
            p->own.number == like->number && crdt_span_equal(p->slot, slot)) {
            *out = p;
            return CRDT_OK;
        }
    }
    crdt_span kept;
    crdt_err err = count_component(stage, diag);
    if (err == CRDT_OK) {
        err = play_stage_copy(stage, slot, &kept, diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    if (owner->part_count == owner->part_capacity) {
        size_t more = owner->part_capacity == 0 ? 3 : owner->part_capacity * 2;
        play_part *grown = crdt_resize_array(stage->alloc, owner->parts,
                                             owner->part_capacity, more, sizeof *grown);
        if (grown == NULL) {
            return CRDT_ENOMEM;
        }
        owner->parts = grown;
        owner->part_capacity = more;
    }
    *out = &owner->parts[owner->part_count++];
    **out = (play_part){.slot = kept, .own = *like};
    return CRDT_OK;
}

static crdt_err put_own(play_stage *stage, play_stage_entity *owner, crdt_span slot,
                        const play_component *component, crdt_diag *diag)
{
    play_part *p;
    crdt_err err = reach_part(stage, owner, slot, component, &p, diag);
    if (err == CRDT_OK) {
        p->own = *component;
        p->shared = 0;
    }
    return err;
}

static crdt_err update(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    play_stage_entity *owner = find_entity(stage, call);
    play_component made = {.number = 1, .has_class = true};
    if (owner == NULL || !play_stage_name_fits(stage, call, call->arguments[1]) ||
        !play_stage_read_class(stage, call, &made.class_id)) {
        return CRDT_OK;
    }
    scene_json *carried = NULL;
    bool fits = false;
    crdt_err err = play_stage_open_carried(stage, call->arguments[4], &carried);
    if (err == CRDT_OK) {
        err = play_stage_read_data(stage, call, call->arguments[3], carried, &made.data,
                                   &fits, diag);
    }
    if (err == CRDT_OK && fits) {
        err = play_stage_read_type(stage, carried, call->arguments[1], &made, diag);
    }
    if (err == CRDT_OK && fits) {
        err = put_own(stage, owner, call->arguments[1], &made, diag);
    }
    scene_json_close(carried);
    return err;
}

/* dcl.scenesync: type, and value or binary or neither. */
static crdt_err put_beside(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    play_stage_entity *owner = find_entity(stage, call);
    scene_json *carried = NULL;
    crdt_err err = owner != NULL
                       ? play_stage_open_carried(stage, call->arguments[1], &carried)
                       : CRDT_OK;
    crdt_span type;
    if (carried == NULL || !play_stage_carried_text(carried, "type", &type)) {
        if (owner != NULL && err == CRDT_OK) {
            play_stage_note_call(stage, call, "no component:", call->arguments[1]);
        }
        scene_json_close(carried);
        return err;
    }
    const scene_json_node *root_node = scene_json_root(carried);
    const scene_json_node *number = scene_json_find(root_node, "number");
    const scene_json_node *value = scene_json_find(root_node, "value");
    const scene_json_node *binary = scene_json_find(root_node, "binary");
    play_component made = {.number = 1, .kind = PLAY_VALUE_ABSENT};
    if (number != NULL && number->type == SCENE_JSON_NUMBER && number->as.number >= 1 &&
        number->as.number <= UINT32_MAX) {
        made.number = (uint32_t)number->as.number;
    }
    if (value != NULL || binary != NULL) {
        made.kind = value != NULL ? PLAY_VALUE_JSON : PLAY_VALUE_BINARY;
        err = play_stage_keep_json(stage, value != NULL ? value : binary, NULL,
                                   &made.data, diag);
    }
    if (err == CRDT_OK) {
        err = play_stage_copy(stage, type, &made.type, diag);
    }
    if (err == CRDT_OK) {
        made.has_class =
            made.number == 1 && scene_class_id(type, stage->origin, &made.class_id);
        err = put_own(stage, owner, made.type, &made, diag);
    }
    scene_json_close(carried);
    return err;
}

static void remove_component(play_stage *stage, const play_call *call)
{
    play_stage_entity *owner = find_entity(stage, call);
    if (owner == NULL) {
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < owner->part_count; i++) {
        if (!crdt_span_equal(owner->parts[i].slot, call->arguments[1])) {
            owner->parts[kept++] = owner->parts[i];
        }
    }
    owner->part_count = kept;
}

/* Put a shared component under its id; a second one of this id is another component. */
static crdt_err add_shared(play_stage *stage, const play_shared *made)
{
    if (stage->shared_count == stage->shared_capacity) {
        play_shared *grown =
            scene_array_grow(stage->alloc, stage->shared, stage->shared_count,
                             &stage->shared_capacity, sizeof *stage->shared);
        if (grown == NULL) {
            return CRDT_ENOMEM;
        }
        stage->shared = grown;
    }
    uint64_t *slot;
    crdt_err err = scene_text_map_put(&stage->shared_by_id, made->id, 0, &slot, NULL);
    if (err == CRDT_OK) {
        *slot = stage->shared_count;
        stage->shared[stage->shared_count++] = *made;
    }
    return err;
}

static crdt_err create_shared(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    play_shared made = {.shown = {.number = 1, .has_class = true}};
    if (!play_stage_name_fits(stage, call, call->arguments[0]) ||
        !play_stage_name_fits(stage, call, call->arguments[1]) ||
        !play_stage_read_class(stage, call, &made.shown.class_id)) {
        return CRDT_OK;
    }
    scene_json *carried = NULL;
    crdt_err err = count_component(stage, diag);
    if (err == CRDT_OK) {
        err = play_stage_copy(stage, call->arguments[0], &made.id, diag);
    }
    if (err == CRDT_OK) {
        err = play_stage_open_carried(stage, call->arguments[3], &carried);
    }
    if (err == CRDT_OK) {
        err =
            play_stage_read_type(stage, carried, call->arguments[1], &made.shown, diag);
    }
    if (err == CRDT_OK) {
        err = add_shared(stage, &made);
    }
    scene_json_close(carried);
    return err;
}

static crdt_err update_shared(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    play_shared *s = find_shared(stage, call, call->arguments[0]);
    if (s == NULL) {
        return CRDT_OK;
    }
    scene_json *carried = NULL;
    crdt_span data;
    bool fits = false;
    crdt_err err = play_stage_open_carried(stage, call->arguments[2], &carried);
    if (err == CRDT_OK) {
        err = play_stage_read_data(stage, call, call->arguments[1], carried, &data,
                                   &fits, diag);
    }
    if (err == CRDT_OK && fits) {
        s->shown.data = data;
    }
    scene_json_close(carried);
    return err;
}

static crdt_err attach(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    play_stage_entity *owner = find_entity(stage, call);
    play_shared *s =
        owner != NULL ? find_shared(stage, call, call->arguments[2]) : NULL;
    if (s == NULL || !play_stage_name_fits(stage, call, call->arguments[1])) {
        return CRDT_OK;
    }
    play_part *p;
    crdt_err err = reach_part(stage, owner, call->arguments[1], &s->shown, &p, diag);
    if (err == CRDT_OK) {
        p->shared = (uint32_t)(s - stage->shared) + 1;
    }
    return err;
}

static void dispose_shared(play_stage *stage, const play_call *call)
{
    play_shared *s = find_shared(stage, call, call->arguments[0]);
    if (s != NULL) {
        s->disposed = true;
    }
}

crdt_err play_stage_apply(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    switch (call->kind) {
    case PLAY_CALL_ADD_ENTITY:
        return add_entity(stage, call, diag);
    case PLAY_CALL_REMOVE_ENTITY:
        remove_entity(stage, call);
        return CRDT_OK;
    case PLAY_CALL_SET_PARENT:
        return set_parent(stage, call, diag);
    case PLAY_CALL_UPDATE:
        return update(stage, call, diag);
    case PLAY_CALL_REMOVE_COMPONENT:
        remove_component(stage, call);
        return CRDT_OK;
    case PLAY_CALL_CREATED:
        return create_shared(stage, call, diag);
    case PLAY_CALL_UPDATED:
        return update_shared(stage, call, diag);
    case PLAY_CALL_ATTACH:
        return attach(stage, call, diag);
    case PLAY_CALL_DISPOSED:
        dispose_shared(stage, call);
        return CRDT_OK;
    case PLAY_CALL_SCENESYNC:
        return put_beside(stage, call, diag);
    case PLAY_CALL_SUBSCRIBE:
        return subscribe(stage, call);
    default:
        return CRDT_OK; /* says nothing about what stands there */
    }
}
