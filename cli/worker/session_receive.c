/* Messages of a renderer into intents: who may, what is meant, what differs from what it
 * was last known to show. */

#include "cli/worker/session_impl.h"

#include <stdio.h>

/* One event being taken in. */
typedef struct arrival {
    worker_session *session;
    const worker_event *event;
    crdt_span id; /* JSON text, empty: none */
    uint64_t now_ms;
    worker_batch *batch;
    bool entity_expected; /* the renderer was shown the entity */
    bool fresh;           /* it adds an entity that it perhaps did not show */
    bool anew;            /* it adds an entity that it does not show */
    size_t first;         /* its intents, as an await names them */
    size_t count;
} arrival;

static access_role role_needed(worker_event_kind kind)
{
    switch (kind) {
    case WORKER_EVENT_PRESENCE:
        return ACCESS_VIEW;
    case WORKER_EVENT_PUBLISH:
        return ACCESS_PUBLISH;
    default:
        return ACCESS_EDIT;
    }
}

static bool is_edit(worker_event_kind kind)
{
    switch (kind) {
    case WORKER_EVENT_SAVE:
    case WORKER_EVENT_PUBLISH:
    case WORKER_EVENT_PRESENCE:
        return false;
    default:
        return true;
    }
}

static void fail(arrival *at)
{
    at->session->broken = true;
}

/* ---- the batch at hand ---- */

/* The one that events join; `alone`: one of its own, for what is a batch by itself. */
static bool open_batch(arrival *at, bool alone)
{
    worker_session *session = at->session;
    worker_batch *batch = session->open;
    crdt_span step = at->event->step;
    if (batch == NULL || batch->alone || alone || !crdt_span_equal(batch->step, step)) {
        batch = worker_batch_open(session->alloc, session->options.name, step,
                                  session->batch_number + 1);
        if (batch == NULL) {
            fail(at);
            return false;
        }
        batch->alone = alone;
        session->batch_number++;
        *(session->open == NULL ? &session->first : &session->open->next) = batch;
        session->open = batch;
    }
    at->batch = batch;
    at->first = batch->intent_count;
    return true;
}

static worker_intent *add_intent(arrival *at, worker_intent_kind kind, crdt_span entity,
                                 crdt_span part)
{
    worker_intent *intent = worker_batch_add(at->batch, kind, entity, part);
    if (intent == NULL) {
        fail(at);
        return NULL;
    }
    intent->group = at->first;
    intent->has_seen = at->event->has_seen;
    intent->seen = at->event->seen;
    at->count++;
    return intent;
}

/* ---- components ---- */

static bool has_number(const worker_hub *hub, uint32_t type, uint32_t number)
{
    const worker_type *named = worker_hub_type(hub, type);
    return named->has_number && named->number == number;
}

/* What the entity at hand has under this number: two types may have one (Material and
 * PBRMaterial), and what the renderer is shown is what it means. */
static uint32_t find_there(const arrival *at, uint32_t number)
{
    const worker_hub *hub = at->session->options.hub;
    const worker_entity *entity = worker_hub_find(hub, at->event->entity);
    if (entity == NULL) {
        return WORKER_NONE;
    }
    const worker_known *known = worker_session_find(at->session, entity);
    for (size_t i = 0; known != NULL && i < known->part_count; i++) {
        const worker_known_part *part = &known->parts[i];
        if (part->value != NULL && has_number(hub, part->type, number)) {
            return part->type;
        }
    }
    for (size_t i = 0; i < entity->part_count; i++) {
        if (has_number(hub, entity->parts[i].type, number)) {
            return entity->parts[i].type;
        }
    }
    return WORKER_NONE;
}

static uint32_t find_type(arrival *at, const scene_json_node *component)
{
    worker_hub *hub = at->session->options.hub;
    if (component->type != SCENE_JSON_NUMBER) {
        return worker_hub_type_by_name(hub, scene_json_text(component));
    }
    uint32_t number = (uint32_t)component->as.number;
    uint32_t there = find_there(at, number);
    return there != WORKER_NONE ? there : worker_hub_type_by_number(hub, number);
}

static bool is_script(crdt_span part)
{
    uint32_t number;
    return crdt_span_equal(scene_layout_base(part, &number), crdt_span_of("Script"));
}

/* `data` of a Script without assetId sets its `values` alone. */
static crdt_err complete_script(arrival *at, const worker_known_part *part,
                                crdt_buf *value)
{
    crdt_span unused;
    crdt_span given = crdt_buf_span(value);
    if (crdt_value_type_of(given) != CRDT_VALUE_MAP ||
        crdt_value_map_find(given, "assetId", &unused)) {
        return CRDT_OK;
    }
    crdt_value_reader reader = crdt_value_read_open(given);
    crdt_span values = given;
    crdt_span inner;
    if (crdt_value_read(&reader).count == 1 &&
        crdt_value_map_find(given, "values", &inner)) {
        values = inner;
    }
    worker_members members;
    crdt_arena *arena = &at->session->scratch;
    crdt_span base = {0};
    if (part->value != NULL) {
        base = worker_blob_span(part->value);
    }
    crdt_err err = worker_members_open(&members, arena, base, 1);
    if (err != CRDT_OK) {
        return err;
    }
    worker_members_put(&members, &(worker_member){crdt_span_of("values"), values});
    crdt_buf whole;
    crdt_buf_init(&whole, at->session->alloc);
    err = worker_members_write(&members, &whole);
    if (err == CRDT_OK) {
        crdt_buf_deinit(value);
        *value = whole;
    } else {
        crdt_buf_deinit(&whole);
    }
    return err;
}

/* The value as it counts. NULL: no memory. */
static worker_blob *read_value(arrival *at, const worker_known_part *part,
                               crdt_span name, const scene_json_node *data)
{
    crdt_buf value;
    crdt_buf_init(&value, at->session->alloc);
    crdt_err err = scene_json_encode(data, at->session->alloc, &value);
    if (err == CRDT_OK && is_script(name)) {
        err = complete_script(at, part, &value);
    }
    worker_blob *blob =
        err == CRDT_OK ? worker_blob_make(at->session->alloc, crdt_buf_span(&value))
                       : NULL;
    crdt_buf_deinit(&value);
    return blob;
}

static bool is_map(const worker_blob *blob)
{
    return blob != NULL && crdt_value_type_of(worker_blob_span(blob)) == CRDT_VALUE_MAP;
}

/* `mine`: what this renderer said of the component last. */
static worker_intent_field field_of(const arrival *at, const worker_members *mine,
                                    const worker_member *touched)
{
    const worker_member *said = worker_members_find(mine, touched->name);
    return (worker_intent_field){.name = touched->name,
                                 .value = touched->value,
                                 .mine = said == NULL ? (crdt_span){0} : said->value,
                                 .has_seen = at->event->has_seen,
                                 .seen = at->event->seen};
}

/* Fields that differ, into the intent at hand or a new one. */
static bool put_fields(arrival *at, worker_known_part *part, crdt_span name,
                       worker_blob *value, const worker_members *touched)
{
    bool places = false;
    for (size_t i = 0; i < touched->count; i++) {
        places =
            places || (scene_layout_class(name) == SCENE_CLASS_TRANSFORM &&
                       crdt_span_equal(touched->items[i].name, crdt_span_of("parent")));
    }
    bool expected = part->value != NULL || (part->past_count > 0 && !at->anew);
    worker_intent *intent = NULL;
    if (!places && at->count == 0) {
        intent = worker_batch_find(at->batch, at->event->entity, name);
    }
    if (intent != NULL) {
        at->first = (size_t)(intent - at->batch->intents);
        at->count = 1;
    } else {
        intent = add_intent(at, WORKER_INTENT_FIELDS, at->event->entity, name);
        if (intent == NULL) {
            return false;
        }
        intent->entity_expected = at->entity_expected;
        intent->expected = expected;
        intent->places = places;
        if (!expected) {
            intent->value = worker_batch_copy(at->batch, worker_blob_span(value));
            intent->places = scene_layout_class(name) == SCENE_CLASS_TRANSFORM;
            return intent->value.data != NULL;
        }
    }
    worker_members mine;
    crdt_span said = is_map(part->mine) ? worker_blob_span(part->mine) : (crdt_span){0};
    if (worker_members_open(&mine, &at->session->scratch, said, 0) != CRDT_OK) {
        return false;
    }
    for (size_t i = 0; i < touched->count; i++) {
        worker_intent_field field = field_of(at, &mine, &touched->items[i]);
        if (worker_batch_put(at->batch, intent, &field) != CRDT_OK ||
            worker_known_pend(part, at->session->options.hub, &touched->items[i],
                              at->batch->number) != CRDT_OK) {
            return false;
        }
    }
    return true;
}

static bool put_whole(arrival *at, worker_known_part *part, crdt_span name,
                      worker_blob *value)
{
    bool expected = part->value != NULL || (part->past_count > 0 && !at->anew);
    bool same =
        worker_blob_equal(part->value, value); /* nothing but an answer is due */
    worker_intent *intent = add_intent(
        at, same ? WORKER_INTENT_FIELDS : WORKER_INTENT_WHOLE, at->event->entity, name);
    if (intent == NULL) {
        return false;
    }
    intent->entity_expected = at->entity_expected;
    intent->expected = expected;
    if (same) {
        return true;
    }
    intent->value = worker_batch_copy(at->batch, worker_blob_span(value));
    part->edited = at->batch->number;
    return intent->value.data != NULL;
}

/* What the renderer shows of the entity as a whole is told again when it is quiet. */
static void be_unsure(arrival *at, worker_known *known)
{
    known->unsure = true;
    known->edited_ms = at->now_ms;
    worker_session_look_later(at->session, known);
}

/* One component as the renderer has it now. */
static bool take_component(arrival *at, worker_known *known, uint32_t type,
                           const scene_json_node *data)
{
    worker_session *session = at->session;
    worker_hub *hub = session->options.hub;
    worker_known_part *part = worker_known_part_of(known, hub, type);
    crdt_span name = worker_blob_span(worker_hub_type(hub, type)->part);
    worker_blob *value = part == NULL ? NULL : read_value(at, part, name, data);
    if (value == NULL) {
        fail(at);
        return false;
    }
    worker_known_prune(known, hub, at->now_ms);
    part = worker_known_part_of(known, hub, type); /* a prune may have moved it */
    bool done = false;
    if (is_map(value) && (part->value == NULL || is_map(part->value))) {
        size_t count = 0;
        worker_members touched;
        worker_crossing *crossings = worker_known_crossings(
            part, at->fresh, at->event->has_seen ? &at->event->seen : NULL,
            &session->scratch, at->now_ms, &count);
        crdt_span base = {0};
        if (part->value != NULL) {
            base = worker_blob_span(part->value);
        }
        if (at->anew) {
            count = 0; /* all that it says is meant */
        }
        done = crossings != NULL &&
               worker_members_touched(&session->scratch, base, worker_blob_span(value),
                                      crossings, count, &touched) == CRDT_OK &&
               put_fields(at, part, name, value, &touched);
    } else {
        done = put_whole(at, part, name, value);
    }
    if (part->value == NULL) {
        part->edited = at->batch->number;
    }
    if (!known->shown) {
        if (at->entity_expected) { /* it may not know yet that the entity is gone */
            be_unsure(at, known);
        }
        known->shown = true;
        known->edited = at->batch->number;
    }
    if (worker_known_got(part, hub, at->fresh, value, at->now_ms) != CRDT_OK) {
        done = false;
    }
    if (part->unsure) {
        worker_session_look_later(session, known);
    }
    if (!done) {
        fail(at);
    }
    return done;
}

/* ---- events ---- */

static void refuse(arrival *at, const char *code, const char *reason)
{
    worker_session_refuse(at->session, at->id, code, reason);
}

/* Who is refused makes no new types. */
static uint32_t find_known_type(arrival *at, const scene_json_node *component)
{
    bool known =
        component != NULL &&
        (component->type == SCENE_JSON_NUMBER ||
         worker_hub_type_known(at->session->options.hub, scene_json_text(component)));
    return known ? find_type(at, component) : WORKER_NONE;
}

/* A refused edit is undone at its sender: what it was about is told as it is. */
static void refuse_edit(arrival *at, const char *code, const char *reason)
{
    refuse(at, code, reason);
    const worker_event *event = at->event;
    worker_known *known = event->entity.size == 0
                              ? NULL
                              : worker_session_known(at->session, event->entity);
    if (known == NULL) {
        return;
    }
    uint32_t type = find_known_type(at, event->component);
    worker_known_part *part =
        type == WORKER_NONE || !known->entity->live
            ? NULL
            : worker_known_part_of(known, at->session->options.hub, type);
    if (part != NULL) {
        part->force = true;
    } else {
        known->force = true;
    }
    worker_session_look(at->session, known);
}

static bool too_many_fields(const scene_json_node *data)
{
    return data->type == SCENE_JSON_OBJECT && data->count > WORKER_FIELDS_MAX;
}

static void set_component(arrival *at)
{
    uint32_t type = find_type(at, at->event->component);
    worker_known *known = NULL;
    if (type == WORKER_NONE) {
        refuse_edit(at, "invalid", "there is no component of this number or name");
        return;
    }
    if (too_many_fields(at->event->data)) {
        refuse_edit(at, "invalid", "the component has too many fields");
        return;
    }
    known = worker_session_known(at->session, at->event->entity);
    if (known == NULL) {
        return;
    }
    if (known->part_count >= WORKER_PARTS_MAX &&
        worker_known_find(known, type) == NULL) {
        refuse_edit(at, "invalid", "the entity has too many components");
        return;
    }
    at->entity_expected =
        known->shown || known->unsure || known->gone_until_ms > at->now_ms;
    take_component(at, known, type, at->event->data);
}

/* The renderer removed the component: of those it shows. */
static bool drop_part(arrival *at, worker_known_part *part)
{
    worker_hub *hub = at->session->options.hub;
    crdt_span name = worker_blob_span(worker_hub_type(hub, part->type)->part);
    if (add_intent(at, WORKER_INTENT_REMOVE_PART, at->event->entity, name) == NULL) {
        return false;
    }
    if (worker_known_got(part, hub, false, NULL, at->now_ms) != CRDT_OK) {
        return false;
    }
    part->edited = at->batch->number;
    return true;
}

static void remove_component(arrival *at)
{
    uint32_t type = find_type(at, at->event->component);
    if (type == WORKER_NONE) {
        refuse_edit(at, "invalid", "there is no component of this number or name");
        return;
    }
    worker_known *known = worker_session_known(at->session, at->event->entity);
    worker_known_part *part =
        known == NULL ? NULL
                      : worker_known_part_of(known, at->session->options.hub, type);
    if (part == NULL || !drop_part(at, part)) {
        fail(at);
    } else if (part->unsure) {
        worker_session_look_later(at->session, known);
    }
}

static void remove_entity(arrival *at)
{
    worker_known *known = worker_session_known(at->session, at->event->entity);
    if (known == NULL || add_intent(at, WORKER_INTENT_REMOVE, at->event->entity,
                                    (crdt_span){0}) == NULL) {
        fail(at);
        return;
    }
    known->unsure = known->unsure || known->new_until_ms > at->now_ms;
    known->edited_ms = at->now_ms;
    for (size_t i = 0; i < known->part_count; i++) {
        known->unsure = known->unsure || known->parts[i].past_count > 0;
        if (worker_known_got(&known->parts[i], at->session->options.hub,
                             known->new_until_ms > at->now_ms, NULL,
                             at->now_ms) != CRDT_OK) {
            fail(at);
        }
        known->parts[i].edited = at->batch->number;
    }
    known->shown = false;
    /* Messages about it may be under way: it is told once more that it is gone. */
    known->force = true;
    known->edited = at->batch->number;
    if (known->unsure) {
        worker_session_look_later(at->session, known);
    }
}

/* Its components, checked before anything is done: types in `types`. */
static bool check_components(arrival *at, uint32_t *types, size_t count)
{
    const scene_json_node *record =
        at->event->components == NULL ? NULL : at->event->components + 1;
    char reason[160];
    for (size_t i = 0; i < count; i++, record = scene_json_next(record)) {
        const scene_json_node *component;
        const scene_json_node *data;
        if (!worker_event_component(record, &component, &data, reason)) {
            refuse_edit(at, "invalid", reason);
            return false;
        }
        types[i] = find_type(at, component);
        if (types[i] == WORKER_NONE) {
            refuse_edit(at, "invalid", "there is no component of this number or name");
            return false;
        }
        if (too_many_fields(data)) {
            refuse_edit(at, "invalid", "a component has too many fields");
            return false;
        }
    }
    return true;
}

static bool names_type(const uint32_t *types, size_t count, uint32_t type)
{
    for (size_t i = 0; i < count; i++) {
        if (types[i] == type) {
            return true;
        }
    }
    return false;
}

/* Transforms first: a parent that is refused leaves nothing of the event. */
static bool take_components(arrival *at, worker_known *known, const uint32_t *types,
                            size_t count)
{
    worker_hub *hub = at->session->options.hub;
    for (int pass = 0; pass < 2; pass++) {
        const scene_json_node *record =
            at->event->components == NULL ? NULL : at->event->components + 1;
        for (size_t i = 0; i < count; i++, record = scene_json_next(record)) {
            crdt_span name = worker_blob_span(worker_hub_type(hub, types[i])->part);
            bool transform = scene_layout_class(name) == SCENE_CLASS_TRANSFORM;
            if (transform == (pass == 0) &&
                !take_component(at, known, types[i], scene_json_find(record, "data"))) {
                return false;
            }
        }
    }
    return true;
}

static void add_entity(arrival *at)
{
    size_t count = at->event->components == NULL ? 0 : at->event->components->count;
    uint32_t *types = crdt_arena_alloc(&at->session->scratch, count * sizeof *types);
    if (types == NULL) {
        fail(at);
        return;
    }
    if (count > WORKER_PARTS_MAX) {
        refuse_edit(at, "invalid", "the entity has too many components");
        return;
    }
    if (!check_components(at, types, count)) {
        return;
    }
    worker_known *known = worker_session_known(at->session, at->event->entity);
    if (known == NULL ||
        add_intent(at, WORKER_INTENT_ADD, at->event->entity, (crdt_span){0}) == NULL) {
        fail(at);
        return;
    }
    at->anew = !known->shown;
    /* Told of it just now, or gone at the renderer by a word that crossed an edit of it. */
    at->fresh = known->shown && (known->new_until_ms > at->now_ms || known->unsure);
    if (known->gone_until_ms > at->now_ms) { /* that word may come after this one */
        be_unsure(at, known);
    }
    /* What it was shown and is not told of any more. */
    for (size_t i = 0; i < known->part_count; i++) {
        worker_known_part *part = &known->parts[i];
        if (part->value == NULL || names_type(types, count, part->type)) {
            continue;
        }
        if (at->fresh) { /* it may not have known of it, and not show it now */
            part->unsure = true;
            part->edited_ms = at->now_ms;
        } else if (!drop_part(at, part)) {
            fail(at);
            return;
        }
    }
    known->shown = true;
    known->edited = at->batch->number;
    worker_session_look_later(at->session, known); /* what it dropped may be unsure */
    take_components(at, known, types, count);
}

static void undo_or_redo(arrival *at, worker_intent_kind kind)
{
    add_intent(at, kind, (crdt_span){0}, (crdt_span){0});
}

static void restore_entity(arrival *at)
{
    add_intent(at, WORKER_INTENT_RESTORE, at->event->entity, (crdt_span){0});
}

static void dismiss_conflict(arrival *at)
{
    const worker_event *event = at->event;
    crdt_span part = {0};
    if (event->component != NULL) {
        uint32_t type = find_type(at, event->component); /* all of it may be gone */
        if (type == WORKER_NONE) {
            refuse(at, "invalid", "there is no component of this number or name");
            return;
        }
        part = worker_blob_span(worker_hub_type(at->session->options.hub, type)->part);
    }
    worker_intent *intent = add_intent(at, WORKER_INTENT_DISMISS, event->entity, part);
    if (intent != NULL) {
        intent->has_stamp = event->has_stamp;
        intent->stamp = event->stamp;
        intent->field = worker_batch_copy(at->batch, event->field);
        if (intent->field.data == NULL) {
            fail(at);
        }
    }
}

static const char *const PROJECT_NAMES[] = {"title", "description"};
#define PROJECT_NAME_COUNT (sizeof PROJECT_NAMES / sizeof PROJECT_NAMES[0])

/* The text that the event gives this field; NULL: none. */
static const scene_json_node *project_text(const worker_event *event, size_t index)
{
    const scene_json_node *node =
        event->payload == NULL ? NULL
                               : scene_json_find(event->payload, PROJECT_NAMES[index]);
    return node != NULL && node->type == SCENE_JSON_STRING ? node : NULL;
}

static bool names_project(const worker_event *event)
{
    return project_text(event, 0) != NULL || project_text(event, 1) != NULL;
}

/* Title and description of the project are fields of the scene; the rest of the event is
 * for whoever saves. */
static void edit_project(arrival *at)
{
    worker_intent *intent =
        add_intent(at, WORKER_INTENT_PROJECT, (crdt_span){0}, crdt_span_of("project"));
    crdt_buf value;
    crdt_buf_init(&value, at->session->alloc);
    for (size_t i = 0; i < PROJECT_NAME_COUNT && intent != NULL; i++) {
        const scene_json_node *node = project_text(at->event, i);
        if (node == NULL) {
            continue;
        }
        crdt_buf_clear(&value);
        crdt_err err = scene_json_encode(node, at->session->alloc, &value);
        const worker_intent_field field = {.name = crdt_span_of(PROJECT_NAMES[i]),
                                           .value = crdt_buf_span(&value)};
        if (err != CRDT_OK || worker_batch_put(at->batch, intent, &field) != CRDT_OK) {
            fail(at);
        }
    }
    crdt_buf_deinit(&value);
}

/* Too much waits for the scene. */
static bool held_up(arrival *at)
{
    const worker_held *held = at->session->options.held;
    return strcmp(at->session->state, "loading") == 0 &&
           (held->events >= WORKER_HELD_EVENTS_MAX ||
            held->size >= WORKER_HELD_SIZE_MAX);
}

static void count_held(arrival *at, size_t size_before)
{
    worker_session *session = at->session;
    if (strcmp(session->state, "loading") == 0) {
        size_t grown = worker_batch_size(at->batch) - size_before;
        session->held_events++;
        session->held_size += grown;
        session->options.held->events++;
        session->options.held->size += grown;
    }
}

static void edit(arrival *at)
{
    if (strcmp(at->session->state, "running") == 0) {
        refuse_edit(at, "forbidden", "the scene is running: it takes no edits");
        return;
    }
    if (held_up(at)) {
        refuse_edit(at, "busy", "too many edits wait for the scene to be loaded");
        return;
    }
    if (at->event->kind == WORKER_EVENT_PROJECT && !names_project(at->event)) {
        return;
    }
    bool alone = at->event->kind == WORKER_EVENT_UNDO ||
                 at->event->kind == WORKER_EVENT_REDO ||
                 at->event->kind == WORKER_EVENT_RESTORE ||
                 at->event->kind == WORKER_EVENT_PROJECT ||
                 at->event->kind == WORKER_EVENT_DISMISS;
    if (!open_batch(at, alone)) {
        return;
    }
    bool opened = at->batch->intent_count == 0;
    size_t before = opened ? 0 : worker_batch_size(at->batch);
    switch (at->event->kind) {
    case WORKER_EVENT_ADD_ENTITY:
        add_entity(at);
        break;
    case WORKER_EVENT_REMOVE_ENTITY:
        remove_entity(at);
        break;
    case WORKER_EVENT_SET_COMPONENT:
        set_component(at);
        break;
    case WORKER_EVENT_REMOVE_COMPONENT:
        remove_component(at);
        break;
    case WORKER_EVENT_PROJECT:
        edit_project(at);
        break;
    case WORKER_EVENT_RESTORE:
        restore_entity(at);
        break;
    case WORKER_EVENT_DISMISS:
        dismiss_conflict(at);
        break;
    default:
        undo_or_redo(at, at->event->kind == WORKER_EVENT_UNDO ? WORKER_INTENT_UNDO
                                                              : WORKER_INTENT_REDO);
        break;
    }
    if (at->count > 0) {
        if (worker_batch_await(at->batch, at->id, at->first, at->count) != CRDT_OK) {
            fail(at);
        }
        at->session->unanswered++;
        count_held(at, before);
    }
}

static void take_event(arrival *at)
{
    worker_session *session = at->session;
    const worker_event *event = at->event;
    session->counts.events++;
    if (event->err != CRDT_OK) {
        refuse(at, "invalid", event->reason);
        return;
    }
    if (session->role < role_needed(event->kind)) {
        char reason[96];
        snprintf(reason, sizeof reason, "the role %s does not allow %s",
                 access_role_name(session->role), worker_event_name(event->kind));
        if (is_edit(event->kind)) {
            refuse_edit(at, "forbidden", reason);
        } else {
            refuse(at, "forbidden", reason);
        }
        return;
    }
    if (is_edit(event->kind)) {
        edit(at);
    }
    if (event->kind == WORKER_EVENT_PROJECT || !is_edit(event->kind)) {
        session->options.request(session->options.ctx, session, event, at->id);
    }
}

void worker_session_receive(worker_session *session, crdt_span text, access_role role,
                            uint64_t now_ms)
{
    worker_message message;
    crdt_diag diag = {0};
    worker_session_set_role(session, role);
    crdt_err err = worker_message_open(
        &message, session->alloc, worker_hub_scene(session->options.hub), text, &diag);
    if (err != CRDT_OK) {
        char reason[220];
        snprintf(reason, sizeof reason, "line %u, column %u: %s", diag.line,
                 diag.column, diag.text);
        worker_session_refuse(session, (crdt_span){0}, "invalid", reason);
        return;
    }
    worker_event event;
    crdt_buf id;
    crdt_buf_init(&id, session->alloc);
    while (!session->broken && worker_message_next(&message, &event)) {
        crdt_arena_reset(&session->scratch);
        crdt_buf_clear(&id);
        if (event.id != NULL && worker_event_write_id(event.id, &id) != CRDT_OK) {
            session->broken = true;
        }
        arrival at = {.session = session,
                      .event = &event,
                      .id = crdt_buf_span(&id),
                      .now_ms = now_ms};
        take_event(&at);
    }
    crdt_buf_deinit(&id);
    worker_message_close(&message);
}
