#include "cli/play/stage.h"

#include "cli/args.h"
#include "scene/array.h"
#include "scene/class_id.h"
#include "scene/json.h"
#include "scene/json_writer.h"
#include "scene/text_map.h"

#include <stdio.h>

#define NAME_SIZE_MAX 1024 /* bytes of an id or a name */
#define DEPTH_MAX 64       /* of a value */

/* A component that several entities may show. */
typedef struct shared_component {
    crdt_span id;
    play_component shown;
    bool disposed;
} shared_component;

/* A component of an entity: its own, or one that is shared. */
typedef struct part {
    crdt_span slot; /* the type, where no slot can be said */
    play_component own;
    uint32_t shared; /* number of the shared one + 1; 0: its own */
} part;

typedef struct entity {
    crdt_span id;
    crdt_span parent;
    crdt_span shown_id;
    bool carried;
    crdt_span fields;
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
    scene_text_map entity_by_id;    /* removed ones stay in it */
    scene_text_map entity_by_shown; /* once all are there */
    scene_format origin;
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
        entity *e = &stage->entities[i];
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
                         "builds too much: more than %zu MiB of values",
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

/* ---- JSON ---- */

static scene_json_limits json_limits(void)
{
    return (scene_json_limits){.size_max = PLAY_CALL_SIZE_MAX, .depth_max = DEPTH_MAX};
}

/* Does the list of texts (may be NULL) name `key`? */
static bool lists(const scene_json_node *list, crdt_span key)
{
    if (list == NULL || list->type != SCENE_JSON_ARRAY) {
        return false;
    }
    const scene_json_node *node = list + 1;
    for (uint32_t i = 0; i < list->count; i++, node = scene_json_next(node)) {
        if (node->type == SCENE_JSON_STRING &&
            crdt_span_equal(scene_json_text(node), key)) {
            return true;
        }
    }
    return false;
}

/* The canonical text of `node`, without the members that `made` lists, kept. */
static crdt_err keep_json(play_stage *stage, const scene_json_node *node,
                          const scene_json_node *made, crdt_span *data, crdt_diag *diag)
{
    crdt_buf value;
    crdt_buf text;
    crdt_buf_init(&value, stage->alloc);
    crdt_buf_init(&text, stage->alloc);
    crdt_err err = CRDT_OK;
    if (node->type != SCENE_JSON_OBJECT || made == NULL) {
        err = scene_json_encode(node, stage->alloc, &value);
        if (err == CRDT_OK) {
            err = scene_json_write_value(crdt_buf_span(&value), &text);
        }
    } else {
        scene_json_writer writer;
        scene_json_writer_init(&writer, stage->alloc, &text);
        scene_json_writer_object_begin(&writer);
        const scene_json_node *key = node + 1;
        for (uint32_t i = 0; err == CRDT_OK && i < node->count; i++) {
            if (!lists(made, scene_json_text(key))) {
                crdt_buf_clear(&value);
                err = scene_json_encode(key + 1, stage->alloc, &value);
                scene_json_writer_key(&writer, scene_json_text(key));
                scene_json_writer_value(&writer, crdt_buf_span(&value));
            }
            key = scene_json_next(key + 1);
        }
        scene_json_writer_object_end(&writer);
        err = err != CRDT_OK ? err : writer.err;
        scene_json_writer_deinit(&writer);
    }
    if (err == CRDT_OK) {
        err = copy(stage, crdt_buf_span(&text), data, diag);
    }
    crdt_buf_deinit(&value);
    crdt_buf_deinit(&text);
    return err;
}

/* Open what a call carries; *json NULL where it carries nothing of sense. */
static crdt_err open_carried(play_stage *stage, crdt_span text, scene_json **json)
{
    scene_json_limits limits = json_limits();
    *json = NULL;
    crdt_err err = text.size == 0
                       ? CRDT_OK
                       : scene_json_open(json, stage->alloc, text, &limits, NULL);
    return err == CRDT_ENOMEM ? err : CRDT_OK;
}

/* The text that is the member `key`; false: there is none, or it is of no use as a name. */
static bool carried_text(const scene_json *json, const char *key, crdt_span *text)
{
    const scene_json_node *node =
        json != NULL ? scene_json_find(scene_json_root(json), key) : NULL;
    if (node == NULL || node->type != SCENE_JSON_STRING || node->count == 0 ||
        node->count > NAME_SIZE_MAX) {
        return false;
    }
    *text = scene_json_text(node);
    return true;
}

/* The canonical text of a value, kept. *fits false: it is none, noted. */
static crdt_err read_data(play_stage *stage, const play_call *call, crdt_span text,
                          const scene_json *carried, crdt_span *data, bool *fits,
                          crdt_diag *diag)
{
    scene_json_limits limits = json_limits();
    scene_json *json = NULL;
    crdt_err err = scene_json_open(&json, stage->alloc, text, &limits, NULL);
    *fits = err == CRDT_OK;
    if (err == CRDT_ECORRUPT || err == CRDT_ELIMIT) {
        note(stage, call, "no JSON:", text);
        err = CRDT_OK;
    } else if (err == CRDT_OK) {
        const scene_json_node *made =
            carried != NULL ? scene_json_find(scene_json_root(carried), "made") : NULL;
        err = keep_json(stage, scene_json_root(json), made, data, diag);
    }
    scene_json_close(json);
    return err;
}

/* What a component is: by what is carried, else by its class, else by its slot. */
static crdt_err read_type(play_stage *stage, const scene_json *carried, crdt_span slot,
                          play_component *component, crdt_diag *diag)
{
    crdt_span type = slot;
    if (!carried_text(carried, "type", &type)) {
        scene_class_id_type(component->class_id, stage->origin, &type);
    }
    return copy(stage, type, &component->type, diag);
}

static crdt_err subscribe(play_stage *stage, const play_call *call)
{
    scene_json *carried = NULL;
    crdt_span origin;
    crdt_err err = open_carried(stage, call->arguments[1], &carried);
    if (err == CRDT_OK && carried_text(carried, "origin", &origin) &&
        scene_format_parse(origin) != SCENE_FORMAT_NONE) {
        stage->origin = scene_format_parse(origin);
    }
    scene_json_close(carried);
    return err;
}

/* ---- entities ---- */

/* Who an entity is in the scene. */
static crdt_err read_entity(play_stage *stage, crdt_span text, entity *added,
                            crdt_diag *diag)
{
    scene_json *carried = NULL;
    crdt_span id;
    crdt_err err = open_carried(stage, text, &carried);
    if (err == CRDT_OK && carried_text(carried, "id", &id)) {
        added->carried = true;
        err = copy(stage, id, &added->shown_id, diag);
    }
    const scene_json_node *fields =
        carried != NULL ? scene_json_find(scene_json_root(carried), "fields") : NULL;
    if (err == CRDT_OK && fields != NULL && fields->type == SCENE_JSON_OBJECT) {
        err = keep_json(stage, fields, NULL, &added->fields, diag);
    }
    scene_json_close(carried);
    return err;
}

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
        return crdt_diag_set(diag, CRDT_ELIMIT, 0,
                             "builds too many entities: more than %zu",
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
    entity *added = &stage->entities[stage->entity_count++];
    *added = (entity){.id = kept, .shown_id = kept, .parent = root};
    stage->alive_count++;
    return read_entity(stage, call->arguments[1], added, diag);
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
        return crdt_diag_set(diag, CRDT_ELIMIT, 0,
                             "builds too many components: more than %zu",
                             stage->limits.component_max);
    }
    stage->component_count++;
    return CRDT_OK;
}

/* The entity's component of this slot, class and number, made if it is not there. */
static crdt_err reach_part(play_stage *stage, entity *owner, crdt_span slot,
                           const play_component *like, part **out, crdt_diag *diag)
{
    for (size_t i = 0; i < owner->part_count; i++) {
        part *p = &owner->parts[i];
        if (p->own.has_class == like->has_class && p->own.class_id == like->class_id &&
            p->own.number == like->number && crdt_span_equal(p->slot, slot)) {
            *out = p;
            return CRDT_OK;
        }
    }
    crdt_span kept;
    crdt_err err = count_component(stage, diag);
    if (err == CRDT_OK) {
        err = copy(stage, slot, &kept, diag);
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
    **out = (part){.slot = kept, .own = *like};
    return CRDT_OK;
}

static crdt_err put_own(play_stage *stage, entity *owner, crdt_span slot,
                        const play_component *component, crdt_diag *diag)
{
    part *p;
    crdt_err err = reach_part(stage, owner, slot, component, &p, diag);
    if (err == CRDT_OK) {
        p->own = *component;
        p->shared = 0;
    }
    return err;
}

static crdt_err update(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    entity *owner = find_entity(stage, call);
    play_component made = {.number = 1, .has_class = true};
    if (owner == NULL || !name_fits(stage, call, call->arguments[1]) ||
        !read_class(stage, call, &made.class_id)) {
        return CRDT_OK;
    }
    scene_json *carried = NULL;
    bool fits = false;
    crdt_err err = open_carried(stage, call->arguments[4], &carried);
    if (err == CRDT_OK) {
        err = read_data(stage, call, call->arguments[3], carried, &made.data, &fits,
                        diag);
    }
    if (err == CRDT_OK && fits) {
        err = read_type(stage, carried, call->arguments[1], &made, diag);
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
    entity *owner = find_entity(stage, call);
    scene_json *carried = NULL;
    crdt_err err =
        owner != NULL ? open_carried(stage, call->arguments[1], &carried) : CRDT_OK;
    crdt_span type;
    if (carried == NULL || !carried_text(carried, "type", &type)) {
        if (owner != NULL && err == CRDT_OK) {
            note(stage, call, "no component:", call->arguments[1]);
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
        err = keep_json(stage, value != NULL ? value : binary, NULL, &made.data, diag);
    }
    if (err == CRDT_OK) {
        err = copy(stage, type, &made.type, diag);
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
    entity *owner = find_entity(stage, call);
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
static crdt_err add_shared(play_stage *stage, const shared_component *made)
{
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
    crdt_err err = scene_text_map_put(&stage->shared_by_id, made->id, 0, &slot, NULL);
    if (err == CRDT_OK) {
        *slot = stage->shared_count;
        stage->shared[stage->shared_count++] = *made;
    }
    return err;
}

static crdt_err create_shared(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    shared_component made = {.shown = {.number = 1, .has_class = true}};
    if (!name_fits(stage, call, call->arguments[0]) ||
        !name_fits(stage, call, call->arguments[1]) ||
        !read_class(stage, call, &made.shown.class_id)) {
        return CRDT_OK;
    }
    scene_json *carried = NULL;
    crdt_err err = count_component(stage, diag);
    if (err == CRDT_OK) {
        err = copy(stage, call->arguments[0], &made.id, diag);
    }
    if (err == CRDT_OK) {
        err = open_carried(stage, call->arguments[3], &carried);
    }
    if (err == CRDT_OK) {
        err = read_type(stage, carried, call->arguments[1], &made.shown, diag);
    }
    if (err == CRDT_OK) {
        err = add_shared(stage, &made);
    }
    scene_json_close(carried);
    return err;
}

static crdt_err update_shared(play_stage *stage, const play_call *call, crdt_diag *diag)
{
    shared_component *s = find_shared(stage, call, call->arguments[0]);
    if (s == NULL) {
        return CRDT_OK;
    }
    scene_json *carried = NULL;
    crdt_span data;
    bool fits = false;
    crdt_err err = open_carried(stage, call->arguments[2], &carried);
    if (err == CRDT_OK) {
        err = read_data(stage, call, call->arguments[1], carried, &data, &fits, diag);
    }
    if (err == CRDT_OK && fits) {
        s->shown.data = data;
    }
    scene_json_close(carried);
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
    crdt_err err = reach_part(stage, owner, call->arguments[1], &s->shown, &p, diag);
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
    case PLAY_CALL_SCENESYNC:
        return put_beside(stage, call, diag);
    case PLAY_CALL_SUBSCRIBE:
        return subscribe(stage, call);
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

/* Ids that are shown are unique: of two who claim one, the second keeps what the code
 * calls it, or, if that is taken too, a name made of its place. */
static crdt_err name_entity(play_stage *stage, size_t index)
{
    entity *e = &stage->entities[index];
    play_call call = {.kind = PLAY_CALL_ADD_ENTITY};
    crdt_err err = CRDT_OK;
    bool fresh = false;
    for (int attempt = 0; err == CRDT_OK && !fresh; attempt++) {
        if (attempt == 1) {
            note(stage, &call, "another entity has the id", e->shown_id);
            e->shown_id = e->id;
        } else if (attempt > 1) {
            char text[48];
            snprintf(text, sizeof text, "#%d/%zu", attempt, index + 1);
            err = copy(stage, crdt_span_of(text), &e->shown_id, NULL);
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
        entity *e = &stage->entities[i];
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
    const entity *e = &stage->entities[(*index)++];
    const uint64_t *parent = scene_text_map_find(&stage->entity_by_id, e->parent);
    bool under_root = parent == NULL || crdt_span_equal(e->parent, root);
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
    const part *p = &stage->entities[index - 1].parts[n];
    return p->shared != 0 ? stage->shared[p->shared - 1].shown : p->own;
}
