#include "cli/play/stage.h"

#include "cli/args.h"
#include "scene/array.h"
#include "scene/json.h"
#include "scene/text_map.h"

#include <stdio.h>

#define NAME_SIZE_MAX 1024 /* bytes of an id or a name */
#define DEPTH_MAX 64       /* of a value */

/* A component that several entities may show. */
typedef struct shared_component {
    crdt_span id;
    uint32_t class_id;
    crdt_span data;
    bool disposed;
} shared_component;

/* A component of an entity: its own, or one that is shared. */
typedef struct part {
    crdt_span name;
    uint32_t class_id;
    crdt_span data;
    uint32_t shared; /* number of the shared one + 1; 0: its own */
} part;

typedef struct entity {
    crdt_span id;
    crdt_span parent;
    bool removed;
    uint8_t mark; /* while cycles are looked for */
    part *parts;
    size_t part_count;
    size_t part_capacity;
} entity;

struct play_stage {
    crdt_alloc alloc;
    play_stage_limits limits;
    crdt_arena texts;
    entity *entities;
    size_t entity_count;
    size_t entity_capacity;
    size_t alive_count;
    scene_text_map entity_by_id; /* removed ones stay in it */
    shared_component *shared;
    size_t shared_count;
    size_t shared_capacity;
    scene_text_map shared_by_id;
    size_t component_count;
    size_t note_count;
    char note[256];
};

static const crdt_span root = {(const uint8_t *)"0", 1};

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
    *stage = (play_stage){.alloc = alloc, .limits = *limits};
    crdt_arena_init(&stage->texts, alloc);
    stage->texts.size_max = limits->size_max;
    scene_text_map_init(&stage->entity_by_id, alloc);
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
        entity *e = &stage->entities[i];
        crdt_free(alloc, e->parts, e->part_capacity * sizeof *e->parts);
    }
    crdt_free(alloc, stage->entities, stage->entity_capacity * sizeof *stage->entities);
    crdt_free(alloc, stage->shared, stage->shared_capacity * sizeof *stage->shared);
    scene_text_map_deinit(&stage->entity_by_id);
    scene_text_map_deinit(&stage->shared_by_id);
    crdt_arena_deinit(&stage->texts);
    crdt_free(alloc, stage, sizeof *stage);
}

/* ---- what went wrong ---- */

/* Note what was not done, of which `what` is the thing, `name` its name. */
static void note(play_stage *stage, const play_call *call, const char *what,
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
    snprintf(stage->note, sizeof stage->note, "%s%s: %s `%.*s`", line,
             play_call_name(call->kind), what, shown, (const char *)name.data);
}

static crdt_err too_much(const play_stage *stage, crdt_diag *diag)
{
    return crdt_diag_set(diag, CRDT_ELIMIT, 0,
                         "the scene is too large: more than %zu MiB of values",
                         stage->limits.size_max >> 20);
}

static crdt_err copy(play_stage *stage, crdt_span text, crdt_span *out, crdt_diag *diag)
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

static entity *find_entity(play_stage *stage, const play_call *call)
{
    const uint64_t *slot =
        scene_text_map_find(&stage->entity_by_id, call->arguments[0]);
    if (slot == NULL || stage->entities[*slot].removed) {
        note(stage, call, "there is no entity", call->arguments[0]);
        return NULL;
    }
    return &stage->entities[*slot];
}

static shared_component *find_shared(play_stage *stage, const play_call *call,
                                     crdt_span id)
{
    const uint64_t *slot = scene_text_map_find(&stage->shared_by_id, id);
    if (slot == NULL || stage->shared[*slot].disposed) {
        note(stage, call, "there is no component", id);
        return NULL;
    }
    return &stage->shared[*slot];
}

static bool name_fits(play_stage *stage, const play_call *call, crdt_span name)
{
    if (name.size == 0 || name.size > NAME_SIZE_MAX) {
        note(stage, call, name.size == 0 ? "an empty name" : "too long a name", name);
        return false;
    }
    return true;
}

static bool read_class(play_stage *stage, const play_call *call, uint32_t *class_id)
{
    crdt_span text = call->arguments[2];
    char digits[24] = "";
    double number;
    if (text.size < sizeof digits) {
        memcpy(digits, text.data, text.size);
        digits[text.size] = '\0';
    }
    if (!cli_args_number(digits, 0, UINT32_MAX, &number) ||
        number != (double)(uint32_t)number) {
        note(stage, call, "no class id:", text);
        return false;
    }
    *class_id = (uint32_t)number;
    return true;
}

/* The canonical text of a value, kept. *fits false: it is none, noted. */
static crdt_err read_data(play_stage *stage, const play_call *call, crdt_span text,
                          crdt_span *data, bool *fits, crdt_diag *diag)
{
    scene_json_limits limits = {.size_max = PLAY_CALL_SIZE_MAX, .depth_max = DEPTH_MAX};
    scene_json *json = NULL;
    crdt_buf value;
    crdt_buf canonical;
    crdt_buf_init(&value, stage->alloc);
    crdt_buf_init(&canonical, stage->alloc);
    crdt_err err = scene_json_open(&json, stage->alloc, text, &limits, NULL);
    *fits = err == CRDT_OK;
    if (err == CRDT_ECORRUPT || err == CRDT_ELIMIT) {
        note(stage, call, "no JSON:", text);
        err = CRDT_OK;
    } else if (err == CRDT_OK) {
        err = scene_json_encode(scene_json_root(json), stage->alloc, &value);
    }
    if (err == CRDT_OK && *fits) {
        err = scene_json_write_value(crdt_buf_span(&value), &canonical);
    }
    if (err == CRDT_OK && *fits) {
        err = copy(stage, crdt_buf_span(&canonical), data, diag);
    }
    scene_json_close(json);
    crdt_buf_deinit(&value);
    crdt_buf_deinit(&canonical);
    return err;
}

/* ---- entities ---- */

static crdt_err add_entity(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    crdt_span id = call->arguments[0];
    if (!name_fits(stage, call, id)) {
        return CRDT_OK;
    }
    uint64_t *known = scene_text_map_find(&stage->entity_by_id, id);
    bool root_named = crdt_span_equal(id, root);
    if (root_named || (known != NULL && !stage->entities[*known].removed)) {
        return CRDT_OK; /* it is there already */
    }
    if (stage->entity_count >= stage->limits.entity_max) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "too many entities: more than %zu",
                             stage->limits.entity_max);
    }
    crdt_span kept;
    crdt_err err = copy(stage, id, &kept, diag);
    if (err != CRDT_OK) {
        return err;
    }
    if (stage->entity_count == stage->entity_capacity) {
        entity *grown =
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
    stage->entities[stage->entity_count++] = (entity){.id = kept, .parent = root};
    stage->alive_count++;
    return CRDT_OK;
}

static void remove_entity(play_stage *stage, const play_call *call)
{
    entity *gone = find_entity(stage, call);
    if (gone == NULL) {
        return;
    }
    crdt_free(stage->alloc, gone->parts, gone->part_capacity * sizeof *gone->parts);
    *gone = (entity){.id = gone->id, .parent = root, .removed = true};
    stage->alive_count--;
}

static crdt_err set_parent(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    entity *child = find_entity(stage, call);
    if (child == NULL || !name_fits(stage, call, call->arguments[1])) {
        return CRDT_OK;
    }
    return copy(stage, call->arguments[1], &child->parent, diag);
}

/* ---- components ---- */

static crdt_err count_component(play_stage *stage, crdt_diag *diag)
{
    if (stage->component_count >= stage->limits.component_max) {
        return crdt_diag_set(diag, CRDT_ELIMIT, 0, "too many components: more than %zu",
                             stage->limits.component_max);
    }
    stage->component_count++;
    return CRDT_OK;
}

/* The entity's component of this name and class, made if it is not there. */
static crdt_err reach_part(play_stage *stage, entity *owner, crdt_span name,
                           uint32_t class_id, part **out, crdt_diag *diag)
{
    for (size_t i = 0; i < owner->part_count; i++) {
        part *p = &owner->parts[i];
        if (p->class_id == class_id && crdt_span_equal(p->name, name)) {
            *out = p;
            return CRDT_OK;
        }
    }
    crdt_span kept;
    crdt_err err = count_component(stage, diag);
    if (err == CRDT_OK) {
        err = copy(stage, name, &kept, diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    if (owner->part_count == owner->part_capacity) {
        size_t more = owner->part_capacity == 0 ? 3 : owner->part_capacity * 2;
        part *grown = crdt_resize_array(stage->alloc, owner->parts,
                                        owner->part_capacity, more, sizeof *grown);
        if (grown == NULL) {
            return CRDT_ENOMEM;
        }
        owner->parts = grown;
        owner->part_capacity = more;
    }
    *out = &owner->parts[owner->part_count++];
    **out = (part){.name = kept, .class_id = class_id};
    return CRDT_OK;
}

static crdt_err update(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    entity *owner = find_entity(stage, call);
    uint32_t class_id;
    if (owner == NULL || !name_fits(stage, call, call->arguments[1]) ||
        !read_class(stage, call, &class_id)) {
        return CRDT_OK;
    }
    crdt_span data;
    bool fits;
    part *p;
    crdt_err err = read_data(stage, call, call->arguments[3], &data, &fits, diag);
    if (err == CRDT_OK && fits) {
        err = reach_part(stage, owner, call->arguments[1], class_id, &p, diag);
    }
    if (err == CRDT_OK && fits) {
        p->data = data;
        p->shared = 0;
    }
    return err;
}

static void remove_component(play_stage *stage, const play_call *call)
{
    entity *owner = find_entity(stage, call);
    if (owner == NULL) {
        return;
    }
    size_t kept = 0;
    for (size_t i = 0; i < owner->part_count; i++) {
        if (!crdt_span_equal(owner->parts[i].name, call->arguments[1])) {
            owner->parts[kept++] = owner->parts[i];
        }
    }
    owner->part_count = kept;
}

static crdt_err create_shared(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    crdt_span id = call->arguments[0];
    uint32_t class_id;
    if (!name_fits(stage, call, id) || !name_fits(stage, call, call->arguments[1]) ||
        !read_class(stage, call, &class_id)) {
        return CRDT_OK;
    }
    crdt_span kept;
    crdt_err err = count_component(stage, diag);
    if (err == CRDT_OK) {
        err = copy(stage, id, &kept, diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    if (stage->shared_count == stage->shared_capacity) {
        shared_component *grown =
            scene_array_grow(stage->alloc, stage->shared, stage->shared_count,
                             &stage->shared_capacity, sizeof *stage->shared);
        if (grown == NULL) {
            return CRDT_ENOMEM;
        }
        stage->shared = grown;
    }
    uint64_t *slot;
    err = scene_text_map_put(&stage->shared_by_id, kept, 0, &slot, NULL);
    if (err != CRDT_OK) {
        return err;
    }
    *slot = stage->shared_count; /* a second one of this id is another component */
    stage->shared[stage->shared_count++] =
        (shared_component){.id = kept, .class_id = class_id};
    return CRDT_OK;
}

static crdt_err update_shared(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    shared_component *s = find_shared(stage, call, call->arguments[0]);
    if (s == NULL) {
        return CRDT_OK;
    }
    crdt_span data;
    bool fits;
    crdt_err err = read_data(stage, call, call->arguments[1], &data, &fits, diag);
    if (err == CRDT_OK && fits) {
        s->data = data;
    }
    return err;
}

static crdt_err attach(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    entity *owner = find_entity(stage, call);
    shared_component *s =
        owner != NULL ? find_shared(stage, call, call->arguments[2]) : NULL;
    if (s == NULL || !name_fits(stage, call, call->arguments[1])) {
        return CRDT_OK;
    }
    part *p;
    crdt_err err = reach_part(stage, owner, call->arguments[1], s->class_id, &p, diag);
    if (err == CRDT_OK) {
        p->shared = (uint32_t)(s - stage->shared) + 1;
    }
    return err;
}

static void dispose_shared(play_stage *stage, const play_call *call)
{
    shared_component *s = find_shared(stage, call, call->arguments[0]);
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
    default:
        return CRDT_OK; /* says nothing about what stands there */
    }
}

/* ---- the end ---- */

/* Parts of components that were disposed of are gone. */
static void drop_disposed(const play_stage *stage, entity *owner)
{
    size_t kept = 0;
    for (size_t i = 0; i < owner->part_count; i++) {
        part p = owner->parts[i];
        if (p.shared == 0 || !stage->shared[p.shared - 1].disposed) {
            owner->parts[kept++] = p;
        }
    }
    owner->part_count = kept;
}

static entity *parent_of(play_stage *stage, const entity *child)
{
    if (crdt_span_equal(child->parent, root)) {
        return NULL;
    }
    const uint64_t *slot = scene_text_map_find(&stage->entity_by_id, child->parent);
    bool there = slot != NULL && !stage->entities[*slot].removed;
    return there ? &stage->entities[*slot] : NULL;
}

/* Walk up from `first`; where the walk meets itself, that entity goes under the root.
 * Marks: 1 on this walk, 2 known to end at the root. */
static void settle(play_stage *stage, entity *first)
{
    play_call call = {.kind = PLAY_CALL_SET_PARENT};
    entity *at = first;
    while (at != NULL && at->mark == 0) {
        at->mark = 1;
        entity *up = parent_of(stage, at);
        if (up == NULL && !crdt_span_equal(at->parent, root)) {
            note(stage, &call, "there is no entity", at->parent);
            at->parent = root;
        } else if (up != NULL && up->mark == 1) {
            note(stage, &call, "it would hang below itself:", at->id);
            at->parent = root;
            up = NULL;
        }
        at = up;
    }
    for (at = first; at != NULL && at->mark == 1; at = parent_of(stage, at)) {
        at->mark = 2;
    }
}

void play_stage_finish(play_stage *stage)
{
    for (size_t i = 0; i < stage->entity_count; i++) {
        entity *e = &stage->entities[i];
        if (!e->removed) {
            drop_disposed(stage, e);
            settle(stage, e);
        }
    }
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
    const entity *e = &stage->entities[(*index)++];
    *out = (play_entity){
        .id = e->id, .parent = e->parent, .component_count = e->part_count};
    return true;
}

play_component play_stage_component(const play_stage *stage, size_t index, size_t n)
{
    const part *p = &stage->entities[index - 1].parts[n];
    crdt_span data = p->shared != 0 ? stage->shared[p->shared - 1].data : p->data;
    return (play_component){.name = p->name, .class_id = p->class_id, .data = data};
}
