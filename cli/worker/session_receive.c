/* Messages of a renderer into intents: who may, what is meant, and whether it can be. */

#include "cli/worker/arrival.h"

#include <stdio.h>

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

static bool too_many_fields(const scene_json_node *data)
{
    return data->type == SCENE_JSON_OBJECT && data->count > WORKER_FIELDS_MAX;
}

static void set_component(worker_arrival *at)
{
    uint32_t type = worker_arrival_type(at, at->event->component);
    worker_known *known = NULL;
    if (type == WORKER_NONE) {
        worker_arrival_refuse_edit(at, "invalid",
                                   "there is no component of this number or name");
        return;
    }
    if (too_many_fields(at->event->data)) {
        worker_arrival_refuse_edit(at, "invalid", "the component has too many fields");
        return;
    }
    known = worker_session_known(at->session, at->event->entity);
    if (known == NULL) {
        return;
    }
    if (known->part_count >= WORKER_PARTS_MAX &&
        worker_known_find(known, type) == NULL) {
        worker_arrival_refuse_edit(at, "invalid", "the entity has too many components");
        return;
    }
    at->entity_expected =
        known->shown || known->unsure || known->gone_until_ms > at->now_ms;
    worker_arrival_take(at, known, type, at->event->data);
}

static void remove_component(worker_arrival *at)
{
    uint32_t type = worker_arrival_type(at, at->event->component);
    if (type == WORKER_NONE) {
        worker_arrival_refuse_edit(at, "invalid",
                                   "there is no component of this number or name");
        return;
    }
    worker_known *known = worker_session_known(at->session, at->event->entity);
    worker_known_part *part =
        known == NULL ? NULL
                      : worker_known_part_of(known, at->session->options.hub, type);
    if (part == NULL || !worker_arrival_drop(at, part)) {
        worker_arrival_fail(at);
    } else if (part->unsure) {
        worker_session_look_later(at->session, known);
    }
}

static void remove_entity(worker_arrival *at)
{
    worker_known *known = worker_session_known(at->session, at->event->entity);
    if (known == NULL ||
        worker_arrival_intend(at, WORKER_INTENT_REMOVE, at->event->entity,
                              (crdt_span){0}) == NULL) {
        worker_arrival_fail(at);
        return;
    }
    known->unsure = known->unsure || known->new_until_ms > at->now_ms;
    known->edited_ms = at->now_ms;
    for (size_t i = 0; i < known->part_count; i++) {
        known->unsure = known->unsure || known->parts[i].past_count > 0;
        if (worker_known_got(&known->parts[i], at->session->options.hub,
                             known->new_until_ms > at->now_ms, NULL,
                             at->now_ms) != CRDT_OK) {
            worker_arrival_fail(at);
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
static bool check_components(worker_arrival *at, uint32_t *types, size_t count)
{
    const scene_json_node *record =
        at->event->components == NULL ? NULL : at->event->components + 1;
    char reason[160];
    for (size_t i = 0; i < count; i++, record = scene_json_next(record)) {
        const scene_json_node *component;
        const scene_json_node *data;
        if (!worker_event_component(record, &component, &data, reason)) {
            worker_arrival_refuse_edit(at, "invalid", reason);
            return false;
        }
        types[i] = worker_arrival_type(at, component);
        if (types[i] == WORKER_NONE) {
            worker_arrival_refuse_edit(at, "invalid",
                                       "there is no component of this number or name");
            return false;
        }
        if (too_many_fields(data)) {
            worker_arrival_refuse_edit(at, "invalid",
                                       "a component has too many fields");
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
static bool take_components(worker_arrival *at, worker_known *known,
                            const uint32_t *types, size_t count)
{
    worker_hub *hub = at->session->options.hub;
    for (int pass = 0; pass < 2; pass++) {
        const scene_json_node *record =
            at->event->components == NULL ? NULL : at->event->components + 1;
        for (size_t i = 0; i < count; i++, record = scene_json_next(record)) {
            crdt_span name = worker_blob_span(worker_hub_type(hub, types[i])->part);
            bool transform = scene_layout_class(name) == SCENE_CLASS_TRANSFORM;
            if (transform == (pass == 0) &&
                !worker_arrival_take(at, known, types[i],
                                     scene_json_find(record, "data"))) {
                return false;
            }
        }
    }
    return true;
}

static void add_entity(worker_arrival *at)
{
    size_t count = at->event->components == NULL ? 0 : at->event->components->count;
    uint32_t *types = crdt_arena_alloc(&at->session->scratch, count * sizeof *types);
    if (types == NULL) {
        worker_arrival_fail(at);
        return;
    }
    if (count > WORKER_PARTS_MAX) {
        worker_arrival_refuse_edit(at, "invalid", "the entity has too many components");
        return;
    }
    if (!check_components(at, types, count)) {
        return;
    }
    worker_known *known = worker_session_known(at->session, at->event->entity);
    if (known == NULL || worker_arrival_intend(at, WORKER_INTENT_ADD, at->event->entity,
                                               (crdt_span){0}) == NULL) {
        worker_arrival_fail(at);
        return;
    }
    at->anew = !known->shown;
    /* Told of it just now, or gone at the renderer by a word that crossed an edit of it. */
    at->fresh = known->shown && (known->new_until_ms > at->now_ms || known->unsure);
    if (known->gone_until_ms > at->now_ms) { /* that word may come after this one */
        worker_arrival_doubt(at, known);
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
        } else if (!worker_arrival_drop(at, part)) {
            worker_arrival_fail(at);
            return;
        }
    }
    known->shown = true;
    known->edited = at->batch->number;
    worker_session_look_later(at->session, known); /* what it dropped may be unsure */
    take_components(at, known, types, count);
}

static void undo_or_redo(worker_arrival *at, worker_intent_kind kind)
{
    worker_arrival_intend(at, kind, (crdt_span){0}, (crdt_span){0});
}

static void restore_entity(worker_arrival *at)
{
    worker_arrival_intend(at, WORKER_INTENT_RESTORE, at->event->entity, (crdt_span){0});
}

static void dismiss_conflict(worker_arrival *at)
{
    const worker_event *event = at->event;
    crdt_span part = {0};
    if (event->component != NULL) {
        uint32_t type =
            worker_arrival_type(at, event->component); /* all of it may be gone */
        if (type == WORKER_NONE) {
            worker_arrival_refuse(at, "invalid",
                                  "there is no component of this number or name");
            return;
        }
        part = worker_blob_span(worker_hub_type(at->session->options.hub, type)->part);
    }
    worker_intent *intent =
        worker_arrival_intend(at, WORKER_INTENT_DISMISS, event->entity, part);
    if (intent != NULL) {
        intent->has_stamp = event->has_stamp;
        intent->stamp = event->stamp;
        intent->field = worker_batch_copy(at->batch, event->field);
        if (intent->field.data == NULL) {
            worker_arrival_fail(at);
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
static void edit_project(worker_arrival *at)
{
    worker_intent *intent = worker_arrival_intend(
        at, WORKER_INTENT_PROJECT, (crdt_span){0}, crdt_span_of("project"));
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
            worker_arrival_fail(at);
        }
    }
    crdt_buf_deinit(&value);
}

/* Too much waits for the scene. */
static bool held_up(worker_arrival *at)
{
    const worker_held *held = at->session->options.held;
    return strcmp(at->session->state, "loading") == 0 &&
           (held->events >= WORKER_HELD_EVENTS_MAX ||
            held->size >= WORKER_HELD_SIZE_MAX);
}

static void count_held(worker_arrival *at, size_t size_before)
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

static void edit(worker_arrival *at)
{
    if (strcmp(at->session->state, "running") == 0) {
        worker_arrival_refuse_edit(at, "forbidden",
                                   "the scene is running: it takes no edits");
        return;
    }
    if (held_up(at)) {
        worker_arrival_refuse_edit(at, "busy",
                                   "too many edits wait for the scene to be loaded");
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
    if (!worker_arrival_open(at, alone)) {
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
            worker_arrival_fail(at);
        }
        at->session->unanswered++;
        count_held(at, before);
    }
}

static void take_event(worker_arrival *at)
{
    worker_session *session = at->session;
    const worker_event *event = at->event;
    session->counts.events++;
    if (event->err != CRDT_OK) {
        worker_arrival_refuse(at, "invalid", event->reason);
        return;
    }
    if (session->role < role_needed(event->kind)) {
        char reason[96];
        snprintf(reason, sizeof reason, "the role %s does not allow %s",
                 access_role_name(session->role), worker_event_name(event->kind));
        if (is_edit(event->kind)) {
            worker_arrival_refuse_edit(at, "forbidden", reason);
        } else {
            worker_arrival_refuse(at, "forbidden", reason);
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
        worker_arrival at = {.session = session,
                             .event = &event,
                             .id = crdt_buf_span(&id),
                             .now_ms = now_ms};
        take_event(&at);
    }
    crdt_buf_deinit(&id);
    worker_message_close(&message);
}
