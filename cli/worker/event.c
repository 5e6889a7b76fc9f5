#include "cli/worker/event.h"

#include "crdt/history.h"
#include "crdt/value.h"

#include <stdarg.h>
#include <stdio.h>

/* What each kind is called and must have. */
typedef struct shape {
    const char *name;
    bool entity;    /* entityId */
    bool component; /* componentId */
    bool data;
} shape;

static const shape SHAPES[] = {
    [WORKER_EVENT_ADD_ENTITY] = {"AddEntity", true, false, false},
    [WORKER_EVENT_REMOVE_ENTITY] = {"RemoveEntity", true, false, false},
    [WORKER_EVENT_SET_COMPONENT] = {"SetComponent", true, true, true},
    [WORKER_EVENT_REMOVE_COMPONENT] = {"RemoveComponent", true, true, false},
    [WORKER_EVENT_SAVE] = {"SaveSceneState", false, false, false},
    [WORKER_EVENT_PROJECT] = {"SaveProjectInfo", false, false, false},
    [WORKER_EVENT_PUBLISH] = {"PublishSceneState", false, false, false},
    [WORKER_EVENT_UNDO] = {"Undo", false, false, false},
    [WORKER_EVENT_REDO] = {"Redo", false, false, false},
    [WORKER_EVENT_RESTORE] = {"Restore", true, false, false},
    [WORKER_EVENT_PRESENCE] = {"Presence", false, false, false},
    [WORKER_EVENT_DISMISS] = {"DismissConflict", true, false, false},
};
#define SHAPE_COUNT (sizeof SHAPES / sizeof SHAPES[0])

const char *worker_event_name(worker_event_kind kind)
{
    return SHAPES[kind].name;
}

/* ---- the message ---- */

crdt_err worker_message_open(worker_message *message, crdt_alloc alloc, crdt_span scene,
                             crdt_span text, crdt_diag *diag)
{
    *message = (worker_message){.scene = scene};
    crdt_err err = scene_json_open(&message->json, alloc, text, NULL, diag);
    if (err != CRDT_OK) {
        message->json = NULL;
        return err;
    }
    const scene_json_node *root = scene_json_root(message->json);
    if (root->type == SCENE_JSON_OBJECT) {
        message->at = root;
        message->left = 1;
    } else if (root->type == SCENE_JSON_ARRAY && root->count <= WORKER_EVENTS_MAX) {
        message->at = root + 1;
        message->left = root->count;
    } else if (root->type == SCENE_JSON_ARRAY) {
        err = scene_json_refuse(message->json, root, diag, CRDT_ELIMIT,
                                "a message holds at most %u events", WORKER_EVENTS_MAX);
    } else {
        err = scene_json_refuse(message->json, root, diag, CRDT_ECORRUPT,
                                "a message is an event or an array of events");
    }
    if (err != CRDT_OK) {
        worker_message_close(message);
    }
    return err;
}

void worker_message_close(worker_message *message)
{
    scene_json_close(message->json);
    message->json = NULL;
    message->left = 0;
}

/* ---- one event ---- */

__attribute__((format(printf, 2, 3))) static bool refuse(worker_event *event,
                                                         const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(event->reason, sizeof event->reason, format, list);
    va_end(list);
    event->err = CRDT_EINVAL;
    return false;
}

static bool is_text(const scene_json_node *node, const char *text)
{
    return node != NULL && node->type == SCENE_JSON_STRING &&
           crdt_span_equal(scene_json_text(node), crdt_span_of(text));
}

static bool read_id(worker_event *event, const scene_json_node *record)
{
    const scene_json_node *id = scene_json_find(record, "id");
    if (id == NULL || id->type == SCENE_JSON_NULL) {
        return true;
    }
    if (id->type == SCENE_JSON_NUMBER ||
        (id->type == SCENE_JSON_STRING && id->count <= WORKER_EVENT_ID_MAX / 8)) {
        event->id = id;
        return true;
    }
    return refuse(event, "id is a number or a text of at most %u bytes",
                  WORKER_EVENT_ID_MAX / 8);
}

/* The stamp that `key` names; *has false: there is none. False: it is no stamp. */
static bool read_stamp(const scene_json_node *record, const char *key, bool *has,
                       crdt_stamp *stamp)
{
    const scene_json_node *node = scene_json_find(record, key);
    *has = false;
    if (node == NULL || node->type == SCENE_JSON_NULL) {
        return true;
    }
    char text[CRDT_STAMP_TEXT_SIZE];
    if (node->type == SCENE_JSON_STRING && node->count < sizeof text) {
        memcpy(text, node->as.text, node->count);
        text[node->count] = '\0';
        *has = crdt_stamp_parse(text, stamp);
    }
    return *has;
}

static bool read_seen(worker_event *event, const scene_json_node *record)
{
    return read_stamp(record, "seen", &event->has_seen, &event->seen) ||
           refuse(event, "seen is a stamp, TIME@ACTOR");
}

static bool read_step(worker_event *event, const scene_json_node *record)
{
    const scene_json_node *step = scene_json_find(record, "step");
    if (step == NULL || step->type == SCENE_JSON_NULL) {
        return true;
    }
    if (step->type != SCENE_JSON_STRING || step->count > CRDT_STEP_SIZE_MAX) {
        return refuse(event, "step is a text of at most %u bytes", CRDT_STEP_SIZE_MAX);
    }
    event->step = scene_json_text(step);
    return true;
}

/* The scene named is ours, or none is named. */
static bool check_scene(worker_event *event, const scene_json_node *record,
                        crdt_span scene)
{
    const scene_json_node *named = scene_json_find(record, "sceneId");
    if (named == NULL || named->type == SCENE_JSON_NULL ||
        (named->type == SCENE_JSON_STRING &&
         crdt_span_equal(scene_json_text(named), scene))) {
        return true;
    }
    return refuse(event, "this is the scene %.*s, not the one of sceneId",
                  (int)(scene.size < 80 ? scene.size : 80), (const char *)scene.data);
}

static bool read_kind(worker_event *event, const scene_json_node *inner)
{
    const scene_json_node *type = scene_json_find(inner, "type");
    for (size_t i = 0; i < SHAPE_COUNT; i++) {
        if (is_text(type, SHAPES[i].name)) {
            event->kind = (worker_event_kind)i;
            return true;
        }
    }
    if (type == NULL || type->type != SCENE_JSON_STRING) {
        return refuse(event, "the payload has no type");
    }
    return refuse(event, "there is no event of type %.*s",
                  (int)(type->count < 40 ? type->count : 40),
                  (const char *)type->as.text);
}

static bool is_component_id(const scene_json_node *node)
{
    if (node == NULL) {
        return false;
    }
    if (node->type == SCENE_JSON_NUMBER) {
        double number = node->as.number;
        return number >= 0 && number <= UINT32_MAX &&
               number == (double)(uint32_t)number;
    }
    return node->type == SCENE_JSON_STRING && node->count > 0 &&
           node->count <= CRDT_NAME_SIZE_MAX;
}

/* Which conflicts are dismissed: `component` (or componentId), `field`, `stamp`, each of
 * which may be missing. */
static bool read_choice(worker_event *event)
{
    const scene_json_node *payload = event->payload;
    if (event->component == NULL) {
        event->component = scene_json_find(payload, "component");
    }
    if (event->component != NULL && event->component->type == SCENE_JSON_NULL) {
        event->component = NULL;
    }
    if (event->component != NULL && !is_component_id(event->component)) {
        return refuse(event, "component is a name or a number");
    }
    const scene_json_node *field = scene_json_find(payload, "field");
    if (field != NULL && field->type == SCENE_JSON_STRING) {
        event->field = scene_json_text(field);
    } else if (field != NULL && field->type != SCENE_JSON_NULL) {
        return refuse(event, "field is a text");
    }
    return read_stamp(payload, "stamp", &event->has_stamp, &event->stamp) ||
           refuse(event, "stamp is a stamp, TIME@ACTOR");
}

static bool read_payload(worker_event *event)
{
    const shape *needed = &SHAPES[event->kind];
    const scene_json_node *payload = event->payload;
    if (!needed->entity) {
        return true;
    }
    if (payload == NULL || payload->type != SCENE_JSON_OBJECT) {
        return refuse(event, "%s has no payload", needed->name);
    }
    const scene_json_node *entity = scene_json_find(payload, "entityId");
    if (entity == NULL || entity->type != SCENE_JSON_STRING ||
        entity->count > CRDT_NAME_SIZE_MAX || entity->count == 0) {
        return refuse(event, "entityId is a text of 1 to %u bytes", CRDT_NAME_SIZE_MAX);
    }
    event->entity = scene_json_text(entity);
    event->component = scene_json_find(payload, "componentId");
    if (needed->component && !is_component_id(event->component)) {
        return refuse(event, "componentId is a number or a name");
    }
    event->data = scene_json_find(payload, "data");
    if (needed->data && event->data == NULL) {
        return refuse(event, "%s has no data", needed->name);
    }
    event->components = scene_json_find(payload, "components");
    if (event->components != NULL && event->components->type != SCENE_JSON_ARRAY) {
        return refuse(event, "components is an array");
    }
    return event->kind != WORKER_EVENT_DISMISS || read_choice(event);
}

static bool read_event(worker_event *event, const scene_json_node *record,
                       crdt_span scene)
{
    if (record->type != SCENE_JSON_OBJECT) {
        return refuse(event, "an event is an object");
    }
    if (!read_id(event, record) || !read_seen(event, record) ||
        !read_step(event, record) || !check_scene(event, record, scene)) {
        return false;
    }
    if (!is_text(scene_json_find(record, "eventType"), "stateEvent")) {
        return refuse(event, "eventType is not stateEvent");
    }
    const scene_json_node *inner = scene_json_find(record, "payload");
    if (inner == NULL || inner->type != SCENE_JSON_OBJECT) {
        return refuse(event, "the event has no payload");
    }
    event->payload = scene_json_find(inner, "payload");
    return read_kind(event, inner) && read_payload(event);
}

bool worker_message_next(worker_message *message, worker_event *event)
{
    if (message->left == 0) {
        return false;
    }
    message->left--;
    *event = (worker_event){.err = CRDT_OK};
    read_event(event, message->at, message->scene);
    message->at = scene_json_next(message->at);
    return true;
}

bool worker_event_component(const scene_json_node *record,
                            const scene_json_node **component,
                            const scene_json_node **data, char reason[160])
{
    const char *wrong = NULL;
    if (record->type != SCENE_JSON_OBJECT) {
        wrong = "an element of components is an object";
    } else {
        *component = scene_json_find(record, "componentId");
        *data = scene_json_find(record, "data");
        if (!is_component_id(*component)) {
            wrong = "componentId is a number or a name";
        } else if (*data == NULL) {
            wrong = "a component has no data";
        }
    }
    if (wrong != NULL) {
        snprintf(reason, 160, "%s", wrong);
    }
    return wrong == NULL;
}

crdt_err worker_event_write_id(const scene_json_node *id, crdt_buf *out)
{
    if (id->type == SCENE_JSON_STRING) {
        return scene_json_write_string(scene_json_text(id), out);
    }
    char digits[SCENE_JSON_NUMBER_SIZE];
    size_t size = scene_json_number_format(id->as.number, digits);
    return crdt_buf_append(out, digits, size);
}
